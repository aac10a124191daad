//! The status page itself: its header, its file, the writing end and the reading end.
//!
//! ```text
//!   header, words    0      1        2         3           4          5
//!                 [magic][version][length][capacity][slot words][latency words]
//!                    6     7        8      9          10         11 .. 19           19
//!                 [pid][started][beat][ended][name bytes][name, zero padded][fingerprint]
//! ```
//!
//! A page is built under another name and renamed into place, so a reader never opens half a page
//! and a reader of the previous engine's page keeps what it has mapped. The engine holds an
//! exclusive lock on its file for as long as it lives; that the kernel gave the lock back is how a
//! reader knows that a process is gone, also one that was killed, in another container, or whose
//! process id is in use again.
//!
//! Invariant: a file under the page's name is complete, and whoever holds its lock is its writer.
//!
//! Must not know: what the engine does with a session, or any clock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::latency::{self, Latency, LatencySnapshot, Stage};
use super::memory::Memory;
use super::seqlock::{self, Word};
use super::status::{
    self, EngineStatus, FAULT_WORDS, FINGERPRINT, InWord as _, ReadError, Role, SLOT_WORDS,
    SessionEntry, SessionStatus, fault_names, load_text,
};
use crate::session::{Fault, FaultCounts, Hold, Protocol, fixp};
use crate::time::Utc;

/// Of the layout of the page, not of the crate.
const VERSION: u64 = 3;

/// `pinfixST` as it stands in a file of a little-endian machine.
const MAGIC: u64 = u64::from_le_bytes(*b"pinfixST");

const AT_MAGIC: usize = 0;
const AT_VERSION: usize = 1;
const AT_LENGTH: usize = 2;
const AT_CAPACITY: usize = 3;
const AT_SLOT_WORDS: usize = 4;
const AT_LATENCY_WORDS: usize = 5;
const AT_PID: usize = 6;
const AT_STARTED: usize = 7;
const AT_BEAT: usize = 8;
const AT_ENDED: usize = 9;
const AT_NAME: usize = 10;
const NAME_WORDS: usize = 8;
const AT_FINGERPRINT: usize = AT_NAME + 1 + NAME_WORDS;

const AT_ENGINE: usize = 64;
const AT_LATENCY: usize = 128;

/// Sessions start on a whole slot after the latencies.
const AT_SESSIONS: usize =
    (AT_LATENCY + Stage::ALL.len() * latency::WORDS).next_multiple_of(SLOT_WORDS);

const _: () = assert!(AT_FINGERPRINT < AT_ENGINE);
const _: () = assert!(AT_ENGINE + 1 + EngineStatus::WORDS <= AT_LATENCY);

/// More sessions than this are a mistake in a setting or a damaged file: 100 MB of page.
const CAPACITY_MAX: usize = 65_536;

/// Who writes a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineIdentity {
    /// What an operator calls this engine. More than 64 bytes are cut and end in `...`.
    pub name: String,
    /// When the engine started.
    pub started: Utc,
}

/// Whether the engine behind a page still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It updated the page recently.
    Running,
    /// Its process is there and has not updated the page for this long: a callback that does not
    /// return, a debugger, a stopped process.
    Stalled(Duration),
    /// It was shut down in order.
    Ended,
    /// Its process is gone without having shut down. What the page says is the last it said.
    Gone,
}

/// The writing end. There is one per page; it belongs to the thread of the engine.
#[derive(Debug)]
pub struct StatusPage {
    memory: Arc<Memory>,
    capacity: usize,
    file: Option<Locked>,
}

/// The reading end. Clones read the same page; every method may be called from any thread.
#[derive(Clone, Debug)]
pub struct StatusReader {
    memory: Arc<Memory>,
    capacity: usize,
    /// Kept to ask for the lock.
    file: Option<Arc<File>>,
}

/// The file whose lock says that its writer lives.
#[derive(Debug)]
struct Locked {
    path: PathBuf,
    _file: File,
}

impl StatusPage {
    /// A page for up to `capacity` sessions, all memory allocated and present. With a path it is a
    /// file that other processes can read; without, only this process can.
    ///
    /// A page that an earlier engine left at `path` is replaced. The file stays when the engine
    /// ends, so that its last words can be read.
    ///
    /// # Errors
    /// Names the path. Besides what the file system says: a capacity above 65,536; `path` belongs
    /// to an engine that is running; `path` is a file that is not a status page, which is not
    /// overwritten.
    pub fn create(path: Option<&Path>, capacity: usize, identity: &EngineIdentity) -> io::Result<Self> {
        if capacity > CAPACITY_MAX {
            let text = format!("a status page for {capacity} sessions: at most {CAPACITY_MAX} fit");
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        }
        let Some(path) = path else {
            let memory = Memory::anonymous(length_words(capacity))?;
            store_header(memory.words(), capacity, identity);
            return Ok(Self {
                memory: Arc::new(memory),
                capacity,
                file: None,
            });
        };
        make_way(path)?;
        let draft = draft_path(path);
        let built = build(&draft, capacity, identity)
            .and_then(|built| fs::rename(&draft, path).map(|()| built));
        match built {
            Ok((memory, file)) => {
                let file = Some(Locked {
                    path: path.to_path_buf(),
                    _file: file,
                });
                Ok(Self {
                    memory: Arc::new(memory),
                    capacity,
                    file,
                })
            }
            Err(error) => {
                // The error that matters is the first one.
                let _ = fs::remove_file(&draft);
                Err(named(path, "cannot create the status page", &error))
            }
        }
    }

    /// How many sessions fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Where the page can be opened, if it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// A reader in this process. It can tell a running engine from one that ended or stalled.
    #[must_use]
    pub fn reader(&self) -> StatusReader {
        StatusReader {
            memory: Arc::clone(&self.memory),
            capacity: self.capacity,
            file: None,
        }
    }

    /// Gives a slot to a session, whose status is all zero until it is published. An `id` of more
    /// than [`SESSION_ID_MAX_BYTES`](super::SESSION_ID_MAX_BYTES) is cut and ends in `...`; readers
    /// tell such sessions apart by slot.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn claim_session(&mut self, slot: usize, id: &str, role: Role) {
        seqlock::write(self.slot(slot), |data| {
            status::store_identity(data, id, role);
            status::store_status(data, &SessionStatus::default());
            status::store_hold(data, None);
        });
        let row = &self.memory.words()[faults_at(self.capacity, 1 + slot)..][..FAULT_WORDS];
        // Of whatever protocol the session was that had the slot before.
        row.iter().for_each(|word| word.set(0));
    }

    /// Takes the slot from its session; readers find it vacant.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn release_session(&mut self, slot: usize) {
        seqlock::write(self.slot(slot), status::store_vacant);
    }

    /// Says what is now true of the session in `slot`. Some tens of stores, no waiting.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    #[inline]
    pub fn publish_session(&mut self, slot: usize, status: &SessionStatus) {
        seqlock::write(self.slot(slot), |data| status::store_status(data, status));
    }

    /// The same, with the hold an operator set or that ended.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn publish_hold(&mut self, slot: usize, hold: Option<&Hold>, status: &SessionStatus) {
        seqlock::write(self.slot(slot), |data| {
            status::store_status(data, status);
            status::store_hold(data, hold);
        });
    }

    /// Says how often the peer of the session in `slot` made each mistake.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn publish_faults(&mut self, slot: usize, counts: &FaultCounts) {
        self.store_faults(slot, Protocol::Fix, counts.as_slice());
    }

    /// The same of a session that speaks FIXP, whose faults have a catalogue of their own.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn publish_fixp_faults(&mut self, slot: usize, counts: &fixp::FaultCounts) {
        self.store_faults(slot, Protocol::Fixp, counts.as_slice());
    }

    fn store_faults(&mut self, slot: usize, protocol: Protocol, counts: &[u32]) {
        assert!(
            slot < self.capacity,
            "slot {slot} of a status page for {}",
            self.capacity
        );
        let row = &self.memory.words()[faults_at(self.capacity, 1 + slot)..][..FAULT_WORDS];
        // A slot is of one protocol from the moment it is claimed, when all its counts are zero.
        row[0].set(protocol.to_word());
        for (word, count) in row[1..].iter().zip(counts) {
            word.set(u64::from(*count));
        }
    }

    /// Counts a mistake of a peer that never logged on.
    pub fn count_stranger(&mut self, fault: Fault) {
        let word = &self.memory.words()[faults_at(self.capacity, 0) + 1 + fault.number()];
        word.set(word.get().wrapping_add(1));
    }

    /// Says what is now true of the engine, and that it is alive. To be called at least every
    /// second or so, also when there is nothing to do.
    #[inline]
    pub fn publish_engine(&mut self, status: &EngineStatus) {
        let words = self.memory.words();
        seqlock::write(&words[AT_ENGINE..AT_LATENCY], |data| {
            status.store(
                data.first_chunk()
                    .expect("the area is long enough, asserted above"),
            );
        });
        words[AT_BEAT].set(status.updated_utc.0);
    }

    /// Where durations of `stage` are counted.
    #[inline]
    pub fn latency(&mut self, stage: Stage) -> Latency<'_> {
        Latency::new(
            self.memory.words()[latency_at(stage)..]
                .first_chunk()
                .expect("every page is long enough for its latencies"),
        )
    }

    #[inline(always)]
    fn slot(&self, slot: usize) -> &[AtomicU64; SLOT_WORDS] {
        assert!(
            slot < self.capacity,
            "slot {slot} of a status page for {}",
            self.capacity
        );
        &self.memory.words()[AT_SESSIONS..].as_chunks().0[slot]
    }
}

impl Drop for StatusPage {
    fn drop(&mut self) {
        self.memory.words()[AT_ENDED].publish(1);
    }
}

impl StatusReader {
    /// Opens the page that an engine keeps at `path`.
    ///
    /// When that engine is replaced by another, this reader goes on showing the old page, with
    /// [`Liveness::Ended`] or [`Liveness::Gone`]; open again to see the new one.
    ///
    /// # Errors
    /// Names the path and what is wrong with it: cannot be opened, not a status page, another
    /// version of the page, cut short.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fail = |error: &io::Error| named(path, "cannot open the status page", error);
        let file = File::open(path).map_err(|error| fail(&error))?;
        let length_bytes = file.metadata().map_err(|error| fail(&error))?.len();
        if length_bytes < (AT_ENGINE * size_of::<u64>()) as u64 {
            return Err(fail(&invalid(format!(
                "it is {length_bytes} bytes long, shorter than the header of a status page"
            ))));
        }
        let memory = Memory::open(&file, length_bytes).map_err(|error| fail(&error))?;
        let capacity = check_header(memory.words()).map_err(|text| fail(&invalid(text)))?;
        Ok(Self {
            memory: Arc::new(memory),
            capacity,
            file: Some(Arc::new(file)),
        })
    }

    /// How many sessions fit on the page.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Process id of the engine, in its own container.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.words()[AT_PID].get()
    }

    /// Who writes the page.
    #[must_use]
    pub fn identity(&self) -> EngineIdentity {
        let words = self.words();
        let name: Vec<u64> = words[AT_NAME + 1..][..NAME_WORDS]
            .iter()
            .map(Word::get)
            .collect();
        EngineIdentity {
            name: load_text(words[AT_NAME].get(), &name).unwrap_or_default(),
            started: Utc(words[AT_STARTED].get()),
        }
    }

    /// Whether the engine still works. `now` is the reader's clock, `patience` how old its last
    /// sign of life may be; the engine gives one at least every second or so.
    ///
    /// A reader made by [`StatusPage::reader`] shares the engine's process and never sees
    /// [`Liveness::Gone`].
    #[must_use]
    pub fn liveness(&self, now: Utc, patience: Duration) -> Liveness {
        let words = self.words();
        if words[AT_ENDED].get() != 0 {
            return Liveness::Ended;
        }
        if self.file.as_deref().is_some_and(is_unlocked) {
            // It may have shut down in order between the two looks.
            let ended = words[AT_ENDED].get() != 0;
            return if ended {
                Liveness::Ended
            } else {
                Liveness::Gone
            };
        }
        let beat = words[AT_BEAT].get().max(words[AT_STARTED].get());
        // A clock that was set back makes the beat lie ahead, which is not a stall.
        let silent = Duration::from_nanos(now.0.saturating_sub(beat));
        if silent > patience {
            Liveness::Stalled(silent)
        } else {
            Liveness::Running
        }
    }

    /// The engine as of its last update; all zero before the first.
    ///
    /// # Errors
    /// [`ReadError::Busy`] after a bounded number of attempts.
    pub fn engine(&self) -> Result<EngineStatus, ReadError> {
        let mut copy = [0; EngineStatus::WORDS];
        if !seqlock::read(&self.words()[AT_ENGINE..AT_LATENCY], &mut copy) {
            return Err(ReadError::Busy);
        }
        EngineStatus::load(&copy).ok_or(ReadError::Damaged)
    }

    /// The session in `slot`; `None` if there is none, also beyond the capacity.
    ///
    /// # Errors
    /// [`ReadError::Busy`] after a bounded number of attempts, [`ReadError::Damaged`] if the file
    /// holds what no engine writes.
    pub fn session(&self, slot: usize) -> Result<Option<SessionEntry>, ReadError> {
        if slot >= self.capacity {
            return Ok(None);
        }
        let group: &[AtomicU64; SLOT_WORDS] = &self.words()[AT_SESSIONS..].as_chunks().0[slot];
        let mut copy = [0; SLOT_WORDS - 1];
        if !seqlock::read(group, &mut copy) {
            return Err(ReadError::Busy);
        }
        status::load_entry(slot, &copy)
    }

    /// All sessions, in the order of their slots; each is of its own moment.
    pub fn sessions(&self) -> impl Iterator<Item = Result<SessionEntry, ReadError>> + '_ {
        (0..self.capacity).filter_map(|slot| self.session(slot).transpose())
    }

    /// How often the peer of the session in `slot` made each mistake, by name; those it made.
    pub fn faults(&self, slot: usize) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let row = (slot < self.capacity).then_some(1 + slot);
        row.into_iter().flat_map(|row| self.fault_row(row))
    }

    /// The same for connections that never logged on.
    pub fn stranger_faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.fault_row(0)
    }

    fn fault_row(&self, row: usize) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let row = &self.words()[faults_at(self.capacity, row)..][..FAULT_WORDS];
        let names = Protocol::from_word(row[0].get()).map_or(&[][..], fault_names);
        let counts = names.iter().copied().zip(row[1..].iter().map(Word::get));
        counts.filter(|(_, count)| *count > 0)
    }

    /// What `stage` took so far. Allocates a histogram. It is read while the engine counts, so it
    /// may miss the very last durations, and its maximum may be one that is not counted yet.
    #[must_use]
    pub fn latency(&self, stage: Stage) -> LatencySnapshot {
        LatencySnapshot::read(&self.words()[latency_at(stage)..][..latency::WORDS])
    }

    fn words(&self) -> &[AtomicU64] {
        self.memory.words()
    }
}

const fn latency_at(stage: Stage) -> usize {
    AT_LATENCY + stage as usize * latency::WORDS
}

/// Row 0 is of strangers, the others of the sessions.
const fn faults_at(capacity: usize, row: usize) -> usize {
    AT_SESSIONS + capacity * SLOT_WORDS + row * FAULT_WORDS
}

const fn length_words(capacity: usize) -> usize {
    faults_at(capacity, 1 + capacity)
}

/// Makes sure that nothing is lost when a file takes the place of what is at `path`.
fn make_way(path: &Path) -> io::Result<()> {
    let fail = |error: &io::Error| named(path, "cannot create the status page", error);
    let mut old = match File::open(path) {
        Ok(old) => old,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(&error)),
    };
    let mut magic = [0; 8];
    let read = old.read_exact(&mut magic);
    if read.is_err() || u64::from_ne_bytes(magic) != MAGIC {
        let text = "something is there that is not a status page; remove it or choose another path";
        return Err(fail(&io::Error::new(ErrorKind::AlreadyExists, text)));
    }
    if is_unlocked(&old) {
        return Ok(());
    }
    let text = "it belongs to an engine that is running; stop that one or choose another path";
    Err(fail(&io::Error::new(ErrorKind::ResourceBusy, text)))
}

/// Whether nobody writes to the page any more. Asks for a shared lock, so that readers asking at the
/// same moment do not disturb each other, and gives it back.
fn is_unlocked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Closing the file gives it back as well.
            let _ = file.unlock();
            true
        }
        // Where locks do not work at all, the sign of life has to do.
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn build(draft: &Path, capacity: usize, identity: &EngineIdentity) -> io::Result<(Memory, File)> {
    // Left by a process of the same number that was killed while it was building.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(draft)?;
    file.try_lock()?;
    let memory = Memory::create(&file, length_words(capacity))?;
    store_header(memory.words(), capacity, identity);
    Ok((memory, file))
}

fn draft_path(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_os_string();
    draft.push(format!(".{}.new", process::id()));
    PathBuf::from(draft)
}

fn store_header(words: &[AtomicU64], capacity: usize, identity: &EngineIdentity) {
    let mut name = [0; NAME_WORDS * 8];
    let name_length = status::shortened(&identity.name, &mut name);
    words[AT_VERSION].set(VERSION);
    words[AT_LENGTH].set(words.len() as u64);
    words[AT_CAPACITY].set(capacity as u64);
    words[AT_SLOT_WORDS].set(SLOT_WORDS as u64);
    words[AT_LATENCY_WORDS].set(latency::WORDS as u64);
    words[AT_PID].set(u64::from(process::id()));
    words[AT_STARTED].set(identity.started.0);
    words[AT_NAME].set(name_length as u64);
    for (word, chunk) in words[AT_NAME + 1..].iter().zip(name.as_chunks::<8>().0) {
        word.set(u64::from_le_bytes(*chunk));
    }
    words[AT_FINGERPRINT].set(FINGERPRINT);
    words[AT_MAGIC].publish(MAGIC);
}

/// The capacity of a page, once everything its other words depend on was found right.
fn check_header(words: &[AtomicU64]) -> Result<usize, String> {
    let magic = words[AT_MAGIC].get();
    if magic == MAGIC.swap_bytes() {
        return Err("it was written on a machine of the other byte order".into());
    }
    if magic != MAGIC {
        return Err(format!(
            "it begins with {magic:#018x} and a status page with {MAGIC:#018x}"
        ));
    }
    let version = words[AT_VERSION].get();
    if version != VERSION {
        return Err(format!(
            "it has version {version} and this program reads version {VERSION}; \
             use the program that came with the engine"
        ));
    }
    if words[AT_FINGERPRINT].get() != FINGERPRINT {
        return Err("its engine tells other things than this program reads; \
             use the program that came with the engine"
            .into());
    }
    let sizes = [
        ("session slots", AT_SLOT_WORDS, SLOT_WORDS),
        ("latency counters", AT_LATENCY_WORDS, latency::WORDS),
    ];
    for (what, at, expected) in sizes {
        let given = words[at].get();
        if given != expected as u64 {
            return Err(format!(
                "its {what} have {given} words each instead of {expected}"
            ));
        }
    }
    let given = words[AT_CAPACITY].get();
    let capacity = usize::try_from(given)
        .ok()
        .filter(|&capacity| capacity <= CAPACITY_MAX)
        .ok_or_else(|| format!("it says it has {given} sessions, at most {CAPACITY_MAX} fit"))?;
    let expected = length_words(capacity);
    let said = words[AT_LENGTH].get();
    if said != expected as u64 {
        return Err(format!(
            "it says it has {said} words, a page for {capacity} sessions has {expected}"
        ));
    }
    if words.len() < expected {
        return Err(format!(
            "it is cut short: {} words of 8 bytes instead of {expected}",
            words.len()
        ));
    }
    Ok(capacity)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(all(test, not(loom)))]
mod tests;

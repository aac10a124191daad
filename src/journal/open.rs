//! Opening a journal: what is in the directory, whose it is, and where to go on.
//!
//! Invariant: everything is looked at before anything is changed, so a directory that is refused is
//! left as it was.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::config::{ConfigError, Durability, JournalConfig, Location, SEGMENT_BYTES_MAX};
use super::directory::{self, LockError};
use super::hold::HoldFile;
use super::keeper::{Job, Keeper, Line};
use super::port::{Port, position};
use super::queue::Queue;
use super::recover::{Damage, Finding, Recovery, Walk, last_used, walk};
use super::region::Region;
use super::segment::{
    Beginning, HeaderFault, Numbers, RECORDS_AT, SEGMENT_HEADER_BYTES, Segment, SegmentHeader,
};
use super::series::SeriesList;
use super::{Cursor, Journal, Settings};
use crate::session::ResetCause;
use crate::time::Utc;

/// Entries the list of segments has at the start; it grows with a segment, on the keeper.
const LIST_SLOTS: usize = 8;

/// A journal with less room than this, or than its reserve, may have none for a Logon(A).
const LOGON_ROOM_BYTES: usize = 4096;

/// How long an open waits for the segment after one that is full.
const NEXT_SEGMENT_PATIENCE: Duration = Duration::from_millis(200);

/// Why a journal was not opened. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// A setting cannot be used.
    Config(ConfigError),
    /// The operating system refused.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        error: io::Error,
    },
    /// Another holder has the journal.
    InUse {
        /// The directory.
        directory: PathBuf,
        /// Process id of the holder, if it could be read.
        owner: Option<u32>,
    },
    /// A file with the name of a segment is not one that can be used.
    NotOurs {
        /// The file.
        file: PathBuf,
        /// What is wrong with it and what was expected.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Io {
                path,
                action,
                error,
            } => write!(f, "cannot {action} {}: {error}", path.display()),
            Self::InUse { directory, owner } => {
                write!(f, "the journal {} is in use by ", directory.display())?;
                match owner {
                    Some(owner) => write!(f, "process {owner}")?,
                    None => write!(f, "another process")?,
                }
                write!(f, "; one process owns a journal")
            }
            Self::NotOurs { file, why } => write!(f, "cannot use {}: {why}", file.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Io { error, .. } => Some(error),
            Self::InUse { .. } | Self::NotOurs { .. } => None,
        }
    }
}

impl From<ConfigError> for OpenError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// A segment file before it is mapped.
struct Found {
    number: u32,
    path: PathBuf,
    file: File,
    bytes: usize,
    /// `None` if the header is blank.
    header: Option<SegmentHeader>,
}

/// What is to be a journal.
struct Opened {
    segments: Vec<Segment>,
    numbers: Numbers,
    salt: u32,
    last_at: Utc,
    latest_at: Utc,
    origin: Origin,
}

/// Where a journal comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Created,
    /// Found, and its last segment takes records.
    Found,
    /// Found, but its last segment must not take records: it holds evidence of what was lost.
    FoundClosed,
}

impl Journal {
    /// Opens the journal of `config`, or creates it, and says what was found. Not for the core while
    /// it trades: it reads the last segment whole, and works on files.
    ///
    /// # Errors
    /// A setting that cannot be used, an answer of the operating system, another holder, or files that
    /// are not this journal's. Nothing was changed then.
    pub fn open(
        config: JournalConfig,
        keeper: &Keeper,
        now: Utc,
    ) -> Result<(Self, Recovery), OpenError> {
        config.validate()?;
        let line = keeper.line();
        let port = Arc::new(Port::new(config.location.clone(), config.durability));
        let mut recovery = Recovery::default();
        let (lock, opened, hold) = match &config.location {
            Location::Memory => {
                let region = Region::heap(config.first_segment_bytes)
                    .map_err(|error| io_error(Path::new("memory"), "allocate", error))?;
                let hold = HoldFile::in_memory(now)
                    .map_err(|error| io_error(Path::new("memory"), "allocate", error))?;
                (None, create(region, &config, 1, now), hold)
            }
            Location::Directory(path) => {
                let lock = take_lock(path)?;
                let opened = open_directory(path, &config, &port, now, &mut recovery)?;
                let hold = HoldFile::open(path, now)
                    .map_err(|error| io_error(&HoldFile::path(path), "open", error))?;
                (Some(lock), opened, hold)
            }
        };
        let journal = assemble(config, opened, hold, lock, line, port);
        Ok((journal, recovery))
    }
}

impl Journal {
    /// A process that is killed again and again while the next segment is being made uses up the
    /// reserve of the last one, Logon by Logon. Then the next segment is waited for here, or the session
    /// could not log on before the keeper has come round to it.
    fn follow_full_tail(&mut self) {
        if self.tail().left() >= self.settings.control_reserve_bytes.max(LOGON_ROOM_BYTES) {
            return;
        }
        self.ask_next();
        let end = Instant::now() + NEXT_SEGMENT_PATIENCE;
        // A keeper that cannot make it says so, and goes on trying.
        while self.next.is_none()
            && self.next_asked
            && self.port.prepare_errno.load(Ordering::Relaxed) == 0
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_micros(100));
            self.take_next();
        }
    }
}

fn assemble(
    config: JournalConfig,
    opened: Opened,
    hold: HoldFile,
    lock: Option<File>,
    line: Arc<Line>,
    port: Arc<Port>,
) -> Journal {
    if let (Durability::FlushEvery(every), true) = (config.durability, line.keeps_trying()) {
        // A queue full of jobs at the start of an engine cannot be: it holds thousands.
        let _ = line.submit(Job::Watch {
            port: Arc::clone(&port),
            every,
        });
    }
    let stored_bytes = opened
        .segments
        .iter()
        .map(|segment| segment.size() as u64)
        .sum();
    let word = opened.segments.last().map_or(0, Segment::queue_word);
    let queue = Queue::found(&opened.segments, word, config.queue_max_messages);
    let word = opened.segments.last().map_or(0, Segment::series_word);
    let series = SeriesList::found(&opened.segments, word);
    let mut journal = Journal {
        segments: opened.segments,
        stored_bytes,
        next: None,
        next_asked: false,
        wanted_bytes: 0,
        numbers: opened.numbers,
        salt: opened.salt,
        last_at: opened.last_at,
        latest_at: opened.latest_at,
        claimed: None,
        cursor: Cursor::default(),
        unsent_bytes: 0,
        unsent_frames: 0,
        masked_at: 0,
        queue,
        series,
        settings: Settings {
            identity: config.identity,
            max_segment_bytes: config.max_segment_bytes,
            unsent_limit_bytes: config.unsent_limit_bytes,
            unsent_limit_messages: config.unsent_limit_messages,
            control_reserve_bytes: config.control_reserve_bytes,
            record_inbound: config.record_inbound,
            durability: config.durability,
            retention: config.retention,
        },
        line,
        port,
        hold,
        lock,
    };
    let tail = journal.tail();
    journal
        .port
        .published
        .store(position(tail.number(), tail.end()), Ordering::Release);
    if opened.origin == Origin::Created {
        journal.note_creation();
    }
    let word = journal.queue.word();
    journal.tail_mut().set_queue_word(word);
    let word = journal.series.word();
    journal.tail_mut().set_series_word(word);
    journal.follow_full_tail();
    journal
}

/// A journal of one empty segment.
fn create(region: Region, config: &JournalConfig, number: u32, now: Utc) -> Opened {
    // A peer does not know when, to the nanosecond, a journal was created.
    let salt = crc32c::crc32c_append(
        crc32c::crc32c(&now.0.to_le_bytes()),
        config.identity.as_bytes(),
    );
    let numbers = Numbers {
        series: 1,
        began: now,
        cause: ResetCause::Created,
        next_out: 1,
        next_in: 1,
    };
    let beginning = Beginning {
        number,
        salt,
        numbers,
        queue_word: 0,
        series_word: 0,
        at: now,
        identity: &config.identity,
    };
    let mut segments = Vec::with_capacity(LIST_SLOTS);
    segments.push(Segment::begin(region, beginning));
    Opened {
        segments,
        numbers,
        salt,
        last_at: now,
        latest_at: now,
        origin: Origin::Created,
    }
}

fn take_lock(path: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(path).map_err(|error| io_error(path, "create the directory", error))?;
    directory::lock(path).map_err(|error| match error {
        LockError::Held(owner) => OpenError::InUse {
            directory: path.to_owned(),
            owner,
        },
        LockError::Io(error) => io_error(path, "lock", error),
    })
}

fn open_directory(
    path: &Path,
    config: &JournalConfig,
    port: &Port,
    now: Utc,
    recovery: &mut Recovery,
) -> Result<Opened, OpenError> {
    let numbers = directory::segments(path).map_err(|error| io_error(path, "list", error))?;
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        found.push(inspect(path, number, config)?);
    }
    // Prepared segments that were never used come last, and hold nothing.
    let mut unused = Vec::new();
    while let Some(last) = found.last() {
        if last.header.is_some() || !is_blank(last)? {
            break;
        }
        unused.extend(found.pop());
    }
    if let Some(first) = found.first().filter(|first| first.header.is_none()) {
        let why = format!(
            "{}, and there is no segment before it to rebuild it from",
            HeaderFault::Blank
        );
        return Err(OpenError::NotOurs {
            file: first.path.clone(),
            why,
        });
    }
    // From here on things are changed.
    directory::clear_unfinished(path)
        .map_err(|error| io_error(path, "clear unfinished files in", error))?;
    for segment in unused {
        fs::remove_file(&segment.path).map_err(|error| io_error(&segment.path, "delete", error))?;
    }
    if found.is_empty() {
        let region = new_segment(path, port, 1, config.first_segment_bytes)?;
        return Ok(create(region, config, 1, now));
    }
    recovery.segments = found.len();
    let opened = adopt_all(found, config, port, recovery)?;
    match opened.origin {
        Origin::FoundClosed => continue_behind(opened, path, config, port),
        Origin::Created | Origin::Found => Ok(opened),
    }
}

/// Reads the header of a segment file and checks that it is one of this journal.
fn inspect(directory: &Path, number: u32, config: &JournalConfig) -> Result<Found, OpenError> {
    let path = directory::segment_path(directory, number);
    let not_ours = |why: String| OpenError::NotOurs {
        file: path.clone(),
        why,
    };
    let read = |action| move |error| (action, error);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(read("open"));
    let (file, bytes, start) = opened
        .and_then(|file| {
            let bytes = file.metadata().map_err(read("read the size of"))?.len();
            let start = read_start(&file).map_err(read("read"))?;
            Ok((file, bytes, start))
        })
        .map_err(|(action, error)| io_error(&path, action, error))?;
    let bytes =
        usize::try_from(bytes).map_err(|_| not_ours("the file is larger than memory".to_owned()))?;
    let header = match SegmentHeader::decode(&start) {
        Ok(header) => Some(header),
        Err(HeaderFault::Blank) => None,
        Err(fault) => return Err(not_ours(fault.to_string())),
    };
    if number == 0 || number == u32::MAX {
        return Err(not_ours(format!(
            "segments are numbered from 1 to {}",
            u32::MAX - 1
        )));
    }
    if let Some(header) = &header {
        if header.identity != config.identity {
            return Err(not_ours(format!(
                "it belongs to \"{}\", expected \"{}\"",
                header.identity, config.identity
            )));
        }
        if header.number != number {
            return Err(not_ours(format!(
                "it says it is segment {}, by its name it is {number}",
                header.number
            )));
        }
        let size = header.size;
        let possible = size >= RECORDS_AT as u64 + 64
            && size <= SEGMENT_BYTES_MAX as u64
            && size.is_multiple_of(8);
        if !possible || bytes as u64 > size || bytes < RECORDS_AT {
            return Err(not_ours(format!(
                "it has {bytes} bytes, by its header {size} are expected"
            )));
        }
    }
    Ok(Found {
        number,
        path,
        file,
        bytes,
        header,
    })
}

fn read_start(file: &File) -> io::Result<[u8; SEGMENT_HEADER_BYTES]> {
    use std::os::unix::fs::FileExt;
    let mut start = [0; SEGMENT_HEADER_BYTES];
    let mut filled = 0;
    while filled < start.len() {
        match file.read_at(&mut start[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start)
}

/// Whether a segment with a blank header holds nothing. A header that was being written counts as
/// nothing: its magic comes last, and records come later.
fn is_blank(found: &Found) -> Result<bool, OpenError> {
    let bytes = fs::read(&found.path).map_err(|error| io_error(&found.path, "read", error))?;
    Ok(bytes
        .get(RECORDS_AT..)
        .is_none_or(|records| last_used(records) == 0))
}

fn new_segment(path: &Path, port: &Port, number: u32, bytes: usize) -> Result<Region, OpenError> {
    let (region, file) = directory::create_segment(path, number, bytes)
        .map_err(|error| io_error(&directory::segment_path(path, number), "create", error))?;
    port.watch(number, file)
        .map_err(|error| io_error(path, "flush", error))?;
    Ok(region)
}

/// Maps all segments, believes sealed ones, walks the others, and makes the last one usable.
fn adopt_all(
    found: Vec<Found>,
    config: &JournalConfig,
    port: &Port,
    recovery: &mut Recovery,
) -> Result<Opened, OpenError> {
    let count = found.len();
    let mut segments = Vec::with_capacity((count + 2).max(LIST_SLOTS));
    let mut before: Option<(Numbers, u32, Utc)> = None;
    let mut latest_at = Utc(0);
    let mut origin = Origin::Found;
    for (nth, found) in found.into_iter().enumerate() {
        let Found {
            number,
            path,
            file,
            bytes,
            header,
        } = found;
        note_missing(&segments, number, recovery);
        let size = header.as_ref().map_or(bytes, |header| {
            usize::try_from(header.size).unwrap_or(bytes)
        });
        if bytes < size {
            recovery.damage.push(Damage {
                file: path.clone(),
                offset: bytes,
                bytes: size - bytes,
                number: None,
                finding: Finding::CutShort,
            });
        }
        let mut region = Region::map(&file, size).map_err(|error| io_error(&path, "map", error))?;
        let (base, salt, began) = match header {
            Some(header) => (header.base, header.salt, header.began),
            None => {
                let (numbers, salt, at) =
                    before.expect("invariant: checked before anything was changed");
                let beginning = Beginning {
                    number,
                    salt,
                    numbers,
                    queue_word: word_behind(&segments, number, Segment::queue_word),
                    series_word: word_behind(&segments, number, Segment::series_word),
                    at,
                    identity: &config.identity,
                };
                Segment::write_header(&mut region, beginning);
                recovery.damage.push(Damage {
                    file: path.clone(),
                    offset: 0,
                    bytes: SEGMENT_HEADER_BYTES,
                    number: None,
                    finding: Finding::HeaderLost,
                });
                (numbers, salt, at)
            }
        };
        let mut segment = Segment::adopt(region, number, salt, began, base.series);
        let is_last = nth + 1 == count;
        let sealed = if is_last { None } else { segment.trust_seal() };
        let (numbers, last_at) = match sealed {
            Some(numbers) => {
                latest_at = latest_at.max(began);
                (numbers, began)
            }
            None => {
                let walked = walk(&mut segment, &path, continued(base, before));
                settle(&mut segment, &walked, is_last);
                if is_last && !walked.usable {
                    origin = Origin::FoundClosed;
                }
                latest_at = latest_at.max(walked.latest_at);
                recovery.records += walked.records;
                recovery.damage.extend(walked.damage);
                recovery.skipped.extend(walked.skipped);
                (walked.numbers, walked.last_at)
            }
        };
        if is_last {
            port.watch(number, file)
                .map_err(|error| io_error(&path, "flush", error))?;
        }
        before = Some((numbers, salt, last_at));
        segments.push(segment);
    }
    let (numbers, salt, last_at) = before.expect("invariant: there is at least one segment");
    Ok(Opened {
        segments,
        numbers,
        salt,
        last_at,
        latest_at,
        origin,
    })
}

fn note_missing(segments: &[Segment], number: u32, recovery: &mut Recovery) {
    if let Some(last) = segments
        .last()
        .map(Segment::number)
        .filter(|last| last + 1 < number)
    {
        recovery.missing.push(last + 1..=number - 1);
    }
}

/// The numbers a segment starts with: those in its header, unless the segment before was found to go
/// further in the same series.
fn continued(base: Numbers, before: Option<(Numbers, u32, Utc)>) -> Numbers {
    match before {
        Some((numbers, ..)) if numbers.series == base.series => Numbers {
            next_out: base.next_out.max(numbers.next_out),
            ..base
        },
        Some(_) | None => base,
    }
}

/// Leaves a walked segment as the engine would have left it.
fn settle(segment: &mut Segment, walked: &Walk, is_last: bool) {
    if is_last && walked.usable {
        segment.unseal();
        segment.cut();
        segment.set_next_in(walked.numbers.series, walked.numbers.next_in);
    } else {
        // Nothing is cleared: what could not be read stays for whoever wants to look at it.
        segment.seal(walked.numbers);
    }
}

/// Goes on in a new segment, because the last one holds evidence that must not be overwritten.
fn continue_behind(
    mut opened: Opened,
    path: &Path,
    config: &JournalConfig,
    port: &Port,
) -> Result<Opened, OpenError> {
    let number = opened.segments.last().map_or(1, |last| last.number() + 1);
    let region = new_segment(path, port, number, config.first_segment_bytes)?;
    let beginning = Beginning {
        number,
        salt: opened.salt,
        numbers: opened.numbers,
        queue_word: opened.segments.last().map_or(0, Segment::queue_word),
        series_word: opened.segments.last().map_or(0, Segment::series_word),
        at: opened.last_at,
        identity: &config.identity,
    };
    opened.segments.push(Segment::begin(region, beginning));
    Ok(opened)
}

/// The queue word, or series word, of a segment whose header is lost: where that of the segment before
/// leads, or, if it leads nowhere, the first record.
fn word_behind(before: &[Segment], number: u32, word: fn(&Segment) -> u64) -> u64 {
    let word = before.last().map_or(0, word);
    if word == 0 {
        position(number, RECORDS_AT)
    } else {
        word
    }
}

fn io_error(path: &Path, action: &'static str, error: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        action,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ruling, Work};
    use super::*;
    use crate::session::{Class, Outbox as _};

    #[test]
    fn a_journal_that_was_left_full_has_room_for_a_logon_when_it_is_opened() {
        let name = format!("pinfix-open-full-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let config = JournalConfig {
            location: Location::Directory(directory.clone()),
            identity: "full".to_owned(),
            first_segment_bytes: 16 * 1024,
            control_reserve_bytes: 4096,
            ..JournalConfig::default()
        };
        {
            // The next segment never comes, and the reserve is used up.
            let never = Keeper::start_with(
                "never",
                Box::new(|work| match work {
                    Work::Prepare { .. } => Ruling::Later,
                    Work::Flush | Work::Retire { .. } => Ruling::Go,
                }),
            )
            .unwrap();
            let (mut journal, _) = Journal::open(config.clone(), &never, Utc(1)).unwrap();
            while journal.claim(Class::Control, 500).is_ok() {
                journal.commit(0..500, true, false, Utc(1));
            }
        }
        let keeper = Keeper::start("keeper").unwrap();
        let (mut journal, recovery) = Journal::open(config, &keeper, Utc(2)).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        assert!(journal.claim(Class::Control, 1024).is_ok());
        drop(journal);
        fs::remove_dir_all(directory).unwrap();
    }
}

//! The hold of a session, and whether invalid logons have closed its port, kept beside its journal so that
//! both survive the process.
//!
//! Invariant: what was stored last is read back, or, if the process was killed while storing
//! it, the one before. Storing is a copy into mapped memory: it neither waits nor allocates.
//!
//! Kept apart from the segments: those are deleted by age and size, a hold is not, nor a closed port.
//!
//! ```text
//!   hold file, 4096 bytes: two slots of 2048, written in turn; the sound one with the higher
//!   generation counts
//!
//!   0        4        8            16      24      32       34        36
//!   | crc32c | length | generation | since | until | by len | why len | by | why | port
//!                                                   u16      u16                 u8
//! ```
//!
//! `length` counts from `generation` to the end. `port`, which is 1, is there if the port is closed. With
//! nothing but that behind `generation` there is no hold. The checksum covers the same bytes. It must not
//! know what a hold does.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::region::Region;
use crate::session::{Hold, Text};
use crate::time::Utc;

const FILE_NAME: &str = "hold";
const SLOT_BYTES: usize = 2048;
const SLOTS: usize = 2;
const GENERATION_AT: usize = 8;
const BODY_AT: usize = 16;
const TEXTS_AT: usize = 36;
/// Behind everything else, if the port is closed.
const PORT_CLOSED: u8 = 1;
/// `until` of a hold without an end.
const NO_END: u64 = u64::MAX;

// Both texts fit behind the fixed part, and the state of the port behind them.
const _: () = assert!(TEXTS_AT + 2 * Text::MAX < SLOT_BYTES);

/// Where the hold of one session is kept.
#[derive(Debug)]
pub(crate) struct HoldFile {
    region: Region,
    hold: Option<Hold>,
    port_closed: bool,
    generation: u64,
    /// The slot that is written next.
    next_slot: usize,
}

impl HoldFile {
    /// The path of the file in the directory of a journal.
    pub(crate) fn path(directory: &Path) -> PathBuf {
        directory.join(FILE_NAME)
    }

    /// Opens or creates the file in `directory`. What was stored but cannot be read is taken for a
    /// hold: whoever set it did not want the session to log on, and says so again or releases it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn open(directory: &Path, now: Utc) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(Self::path(directory))?;
        Ok(Self::read(Region::map(&file, SLOTS * SLOT_BYTES)?, now))
    }

    /// A hold that is gone with the process, for journals in memory.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn in_memory(now: Utc) -> io::Result<Self> {
        Ok(Self::read(Region::heap(SLOTS * SLOT_BYTES)?, now))
    }

    /// The hold, if there is one.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Stores a hold, or that there is none.
    pub(crate) fn store(&mut self, hold: Option<Hold>) {
        self.put(hold, self.port_closed);
    }

    /// Whether the port is closed.
    pub(crate) fn is_port_closed(&self) -> bool {
        self.port_closed
    }

    /// Stores whether the port is closed.
    pub(crate) fn set_port_closed(&mut self, closed: bool) {
        self.put(self.hold, closed);
    }

    fn put(&mut self, hold: Option<Hold>, port_closed: bool) {
        self.generation += 1;
        let start = self.next_slot * SLOT_BYTES;
        let slot = &mut self.region.bytes_mut()[start..start + SLOT_BYTES];
        let length = write(slot, self.generation, hold.as_ref(), port_closed);
        let length_word = u32::try_from(length).expect("invariant: a slot is shorter than 4 GiB");
        slot[4..8].copy_from_slice(&length_word.to_le_bytes());
        let checksum = crc32c::crc32c(&slot[4..GENERATION_AT + length]);
        // Last: until it fits, the slot is not sound and the other one counts.
        self.region.publish_u32(start, checksum);
        self.next_slot = (self.next_slot + 1) % SLOTS;
        self.hold = hold;
        self.port_closed = port_closed;
    }

    fn read(region: Region, now: Utc) -> Self {
        let mut newest: Option<(usize, Sound)> = None;
        let mut damaged = false;
        for (number, slot) in region
            .bytes()
            .chunks_exact(SLOT_BYTES)
            .take(SLOTS)
            .enumerate()
        {
            match parse(slot) {
                Ok(None) => {}
                Ok(Some(sound)) => {
                    if newest
                        .as_ref()
                        .is_none_or(|(_, known)| sound.generation > known.generation)
                    {
                        newest = Some((number, sound));
                    }
                }
                Err(Damaged) => damaged = true,
            }
        }
        let nothing = Sound {
            generation: 0,
            hold: damaged.then(|| unreadable(now)),
            port_closed: false,
        };
        let (last_slot, sound) = newest.unwrap_or((SLOTS - 1, nothing));
        let Sound {
            generation,
            hold,
            port_closed,
        } = sound;
        Self {
            region,
            hold,
            port_closed,
            generation,
            next_slot: (last_slot + 1) % SLOTS,
        }
    }
}

/// What a hold that cannot be read is taken for.
fn unreadable(now: Utc) -> Hold {
    Hold {
        since: now,
        until: None,
        by: Text::lossy(b"pinfix"),
        why: Text::lossy(b"the record of a hold is damaged; release the session to go on"),
    }
}

/// What a slot holds that was written whole.
struct Sound {
    generation: u64,
    hold: Option<Hold>,
    port_closed: bool,
}

/// A slot was written, but not whole, or was changed since.
struct Damaged;

/// Writes everything but length and checksum. Answers the length.
fn write(slot: &mut [u8], generation: u64, hold: Option<&Hold>, port_closed: bool) -> usize {
    slot[GENERATION_AT..BODY_AT].copy_from_slice(&generation.to_le_bytes());
    let mut end = hold.map_or(BODY_AT, |hold| write_hold(slot, hold));
    if port_closed {
        slot[end] = PORT_CLOSED;
        end += 1;
    }
    end - GENERATION_AT
}

/// Answers where it ends.
fn write_hold(slot: &mut [u8], hold: &Hold) -> usize {
    let (by, why) = (hold.by.as_bytes(), hold.why.as_bytes());
    let short = |len: usize| {
        u16::try_from(len)
            .expect("invariant: a text is shorter than 64 KiB")
            .to_le_bytes()
    };
    slot[16..24].copy_from_slice(&hold.since.0.to_le_bytes());
    slot[24..32].copy_from_slice(&hold.until.map_or(NO_END, |until| until.0).to_le_bytes());
    slot[32..34].copy_from_slice(&short(by.len()));
    slot[34..36].copy_from_slice(&short(why.len()));
    let middle = TEXTS_AT + by.len();
    let end = middle + why.len();
    slot[TEXTS_AT..middle].copy_from_slice(by);
    slot[middle..end].copy_from_slice(why);
    end
}

/// `None` for a slot that was never written.
fn parse(slot: &[u8]) -> Result<Option<Sound>, Damaged> {
    let u32_at = |at: usize| {
        let bytes = slot.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let u64_at = |at: usize| {
        let bytes = slot.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    if slot.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let sound = || {
        let length = usize::try_from(u32_at(4)?).ok()?;
        let covered = slot.get(4..GENERATION_AT.checked_add(length)?)?;
        if length < BODY_AT - GENERATION_AT || crc32c::crc32c(covered) != u32_at(0)? {
            return None;
        }
        let generation = u64_at(GENERATION_AT)?;
        // What is behind the rest, which ends here.
        let port = |end: usize| match covered.get(end - 4..)? {
            [] => Some(false),
            [PORT_CLOSED] => Some(true),
            _ => None,
        };
        if covered.len() <= BODY_AT - 4 + 1 {
            return Some(Sound {
                generation,
                hold: None,
                port_closed: port(BODY_AT)?,
            });
        }
        let short = |at: usize| {
            let bytes = slot.get(at..at + 2)?;
            Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
        };
        let middle = TEXTS_AT + short(32)?;
        let end = middle + short(34)?;
        let until = u64_at(24)?;
        let hold = Hold {
            since: Utc(u64_at(16)?),
            until: (until != NO_END).then_some(Utc(until)),
            by: Text::lossy(slot.get(TEXTS_AT..middle)?),
            why: Text::lossy(slot.get(middle..end)?),
        };
        Some(Sound {
            generation,
            hold: Some(hold),
            port_closed: port(end)?,
        })
    };
    sound().map(Some).ok_or(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(why: &str) -> Hold {
        Hold {
            since: Utc(1),
            until: Some(Utc(2)),
            by: Text::new("alice").unwrap(),
            why: Text::new(why).unwrap(),
        }
    }

    #[test]
    fn a_hold_is_there_again_after_the_file_is_opened_again() {
        let name = format!("pinfix-hold-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let open = || HoldFile::open(&directory, Utc(0)).unwrap();
        for round in 0..5_u8 {
            let why = format!("round {round}");
            open().store(Some(hold(&why)));
            assert_eq!(open().hold(), Some(&hold(&why)));
        }
        open().store(None);
        assert_eq!(open().hold(), None);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_closed_port_is_closed_again_after_the_file_is_opened_again_held_or_not() {
        let name = format!("pinfix-port-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let open = || HoldFile::open(&directory, Utc(0)).unwrap();
        let is = |held: Option<Hold>, closed: bool| {
            let file = open();
            assert_eq!(
                (file.hold(), file.is_port_closed()),
                (held.as_ref(), closed)
            );
        };
        is(None, false);
        open().set_port_closed(true);
        is(None, true);
        open().store(Some(hold("why")));
        is(Some(hold("why")), true);
        open().store(None);
        is(None, true);
        open().store(Some(hold("again")));
        open().set_port_closed(false);
        is(Some(hold("again")), false);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_store_that_was_cut_off_anywhere_leaves_the_hold_before() {
        let longest = "x".repeat(Text::MAX);
        let before = hold("before");
        for end in 0..TEXTS_AT + 5 + longest.len() {
            let mut file = HoldFile::in_memory(Utc(0)).unwrap();
            file.store(Some(before));
            let old = file.region.bytes().to_vec();
            let start = file.next_slot * SLOT_BYTES;
            file.store(Some(hold(&longest)));
            let new = file.region.bytes().to_vec();
            // The bytes behind the checksum arrive in order, the checksum does not.
            let mut torn = Region::heap(SLOTS * SLOT_BYTES).unwrap();
            torn.bytes_mut().copy_from_slice(&old);
            let arrived = start + 4..start + end.max(4);
            torn.bytes_mut()[arrived.clone()].copy_from_slice(&new[arrived]);
            assert_eq!(
                HoldFile::read(torn, Utc(0)).hold(),
                Some(&before),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn a_damaged_bit_never_makes_another_hold() {
        let mut file = HoldFile::in_memory(Utc(0)).unwrap();
        file.store(Some(hold("first")));
        file.store(Some(hold("second")));
        let whole = file.region.bytes().to_vec();
        for at in 0..whole.len() {
            let mut region = Region::heap(SLOTS * SLOT_BYTES).unwrap();
            region.bytes_mut().copy_from_slice(&whole);
            region.bytes_mut()[at] ^= 0x10;
            let read = HoldFile::read(region, Utc(0));
            assert!(
                [Some(&hold("first")), Some(&hold("second"))].contains(&read.hold()),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_file_of_which_nothing_can_be_read_holds_the_session() {
        let mut region = Region::heap(SLOTS * SLOT_BYTES).unwrap();
        region.bytes_mut().fill(0xa5);
        let file = HoldFile::read(region, Utc(9));
        let kept = file.hold().unwrap();
        assert!(kept.to_string().contains("damaged"), "{kept}");
        assert_eq!(kept.since, Utc(9));
    }
}

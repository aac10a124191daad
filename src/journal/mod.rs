//! The journal of one session: memory-mapped, append-only, and at the same time its send buffer.
//!
//! A frame is encoded in room claimed here; [`Outbox::commit`](crate::session::Outbox::commit)
//! publishes it; the socket reads from here behind a `sent` cursor. So a frame is recorded before it
//! can be sent, a resend reads the bytes that went out, and the files are the audit log of the session
//! in wire order: outbound, inbound, sent again, and every start of a number series.
//!
//! ```text
//!   directory of one session                     lock            one process owns it
//!     0000000001.journal  256 KiB   sealed
//!     0000000002.journal  512 KiB   sealed
//!     0000000003.journal    1 MiB   <- records are appended here
//!     0000000004.journal    2 MiB   prepared: allocated, touched, header blank
//!     hold                    4 KiB   the operator's hold, if any, and whether invalid logons closed the port
//!
//!              record  record  record  record  record | claimed room        index
//!                out     in      out     out     in   |                    <- ...
//!                                ^ sent cursor        ^ end
//! ```
//!
//! What a crash may cost:
//!
//! | [`Durability`] | process killed at any instruction | power loss |
//! |---|---|---|
//! | `PageCache` (default) | nothing committed is lost | anything since the kernel last wrote back, about 30 s; what is left is recovered |
//! | `FlushEvery(t)` | nothing committed is lost | up to `t` and one flush; numbers sent in that time may be used again |
//! | `FlushEach` | nothing committed is lost | frames that were not sent; every frame the socket was shown is on the device |
//!
//! The next expected number is stored after a message was processed, so across a crash inbound delivery
//! is at least once. In all modes it is only as durable as `PageCache` or `FlushEvery` says; `FlushEach`
//! writes it with the next frame.
//!
//! The core never allocates, maps, flushes or deletes: a [`Keeper`] thread prepares the next segment as
//! soon as the last one is a quarter full. If that fails the journal answers
//! [`Full::Storage`](crate::session::Full::Storage), says why in [`Journal::storage_error`], and goes on
//! by itself when there is space again.
//!
//! A FIXP session has a number series per UUID, and the peer may ask for what was sent under an earlier
//! one: the journal keeps a list of the last [`SERIES_KEPT`] series with their numbers
//! ([`SeriesOutbox`](crate::session::SeriesOutbox)). It is found again wherever the process is killed,
//! as the numbers are.
//!
//! Linux is assumed in two points: a file and its mapping are one, for `read` and for `fdatasync`. A file
//! that is truncated by somebody else under a running engine kills the process, as with any mapping.
//!
//! Layouts are drawn in `segment.rs` and `record.rs`; what a restart does is a table in `recover.rs`.

mod append;
mod config;
mod directory;
mod hold;
mod keeper;
mod open;
mod port;
mod queue;
mod reader;
mod record;
mod recover;
mod region;
mod segment;
mod series;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use config::{ConfigError, Durability, JournalConfig, Location, Retention};
pub use keeper::{Gate, Keeper, Ruling, Work};
pub use open::OpenError;
pub use reader::{Entry, Item, Reader, Totals, identity, verify};
pub use record::{Begun, Kind, Reset};
pub use recover::{Damage, Finding, Recovery};
pub use series::{SERIES_KEPT, SeriesNote};

use crate::session::{Class, Hold};
use crate::time::Utc;
use hold::HoldFile;
use keeper::{Job, Line};
pub(crate) use port::Handover;
use port::{Port, Prepared, error_of, position, position_offset, position_segment};
use queue::Queue;
use record::{Head, Mark};
use segment::{Numbers, Segment};
use series::SeriesList;

/// The journal of one session.
///
/// The session writes through [`Outbox`](crate::session::Outbox); the engine sends with
/// [`Journal::unsent`] and [`Journal::mark_sent`], and calls [`Journal::poll`] once in a while.
#[derive(Debug)]
pub struct Journal {
    /// Ascending; the last one takes records. Never empty.
    segments: Vec<Segment>,
    /// Their size together.
    stored_bytes: u64,
    /// The segment after the last one, if it is ready.
    next: Option<Prepared>,
    /// A next segment was asked for and has not come.
    next_asked: bool,
    /// The longest record that found no room; the next segment is made to hold it.
    wanted_bytes: usize,
    numbers: Numbers,
    salt: u32,
    last_at: Utc,
    /// The latest time of any record: the clock may have been set back since.
    latest_at: Utc,
    claimed: Option<Claimed>,
    cursor: Cursor,
    /// Bytes of frames the socket has not accepted, and how many frames that are.
    unsent_bytes: usize,
    unsent_frames: usize,
    /// Position of the last frame for the socket whose secrets are masked; 0 if there was none.
    masked_at: u64,
    queue: Queue,
    series: SeriesList,
    settings: Settings,
    line: Arc<Line>,
    port: Arc<Port>,
    hold: HoldFile,
    /// Held for its lock.
    lock: Option<std::fs::File>,
}

/// What the journal needs of its configuration after it is open.
#[derive(Debug)]
struct Settings {
    identity: String,
    max_segment_bytes: usize,
    unsent_limit_bytes: usize,
    unsent_limit_messages: usize,
    control_reserve_bytes: usize,
    record_inbound: bool,
    durability: Durability,
    retention: Retention,
}

/// Room that was claimed and not committed.
#[derive(Clone, Copy, Debug)]
struct Claimed {
    class: Class,
    len: usize,
}

/// The oldest frame the socket has not fully accepted. Means nothing while all are.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    position: u64,
    /// Bytes of that frame that were accepted.
    started: usize,
}

/// What the socket should write next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent<'a> {
    /// The rest of the oldest frame that is not fully sent.
    pub bytes: &'a [u8],
    /// Secrets were masked in the frame: send the original, of equal length, instead.
    pub masked: bool,
    /// MsgSeqNum(34) of the frame.
    pub seq: u64,
    /// How many bytes of the frame were sent before `bytes`.
    pub started: usize,
}

/// A look at a journal, for the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalStat {
    /// Ordinal of the number series, from 1.
    pub series: u64,
    /// How many segments there are.
    pub segments: usize,
    /// Their size together, in bytes.
    pub stored_bytes: u64,
    /// Number of the last segment.
    pub tail_number: u32,
    /// Its size in bytes.
    pub tail_bytes: usize,
    /// Room left in it for records, in bytes.
    pub tail_left_bytes: usize,
    /// Whether the segment after it is ready.
    pub next_ready: bool,
    /// Bytes the socket has not accepted.
    pub unsent_bytes: usize,
}

impl Journal {
    /// The rest of the oldest frame that is not fully sent; `None` if there is none, or none that may
    /// be sent yet because it is not on the device ([`Durability::FlushEach`]).
    #[must_use]
    pub fn unsent(&self) -> Option<Unsent<'_>> {
        if self.unsent_bytes == 0 {
            return None;
        }
        let (segment, offset) = self.at(self.cursor.position)?;
        let head = segment.head(offset)?;
        if self.settings.durability == Durability::FlushEach {
            let end = position(segment.number(), offset + head.length());
            if end > self.port.durable.load(Ordering::Acquire) {
                return None;
            }
        }
        let frame = head.frame();
        let started = self.cursor.started;
        let bytes = segment.get(offset + frame.start + started..offset + frame.end)?;
        Some(Unsent {
            bytes,
            masked: head.is_masked(),
            seq: head.seq,
            started,
        })
    }

    /// The socket accepted the first `bytes` of what [`Journal::unsent`] shows.
    ///
    /// # Panics
    /// If that is more than was shown.
    pub fn mark_sent(&mut self, bytes: usize) {
        let rest = self.unsent().map_or(0, |unsent| unsent.bytes.len());
        assert!(
            bytes <= rest,
            "no more bytes are sent than were shown: {bytes} of {rest}"
        );
        self.unsent_bytes -= bytes;
        self.cursor.started += bytes;
        if bytes == rest && bytes > 0 {
            self.unsent_frames -= 1;
            self.cursor = self.next_to_send();
        }
    }

    /// Bytes of all frames that the socket has not accepted.
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.unsent_bytes
    }

    /// The connection is gone: nothing that was committed so far goes to a socket by itself any more.
    /// It stays stored and can be resent.
    pub fn drop_unsent(&mut self) {
        self.unsent_bytes = 0;
        self.unsent_frames = 0;
        self.cursor = Cursor::default();
    }

    /// Looks after segments: takes a prepared one, asks for one, retires old ones. Cheap; the engine
    /// calls it once per cycle or less often. Answers how much it did.
    pub fn poll(&mut self) -> usize {
        let mut work = usize::from(self.take_next());
        if self.next.is_none() && !self.next_asked && self.wants_next() {
            self.ask_next();
            work += 1;
        }
        work += usize::from(self.retire_oldest());
        self.ask_flush_again();
        work
    }

    /// Why the next segment cannot be prepared, what is committed cannot be put on the device, or an
    /// old segment cannot be deleted: the first of these that is the case.
    ///
    /// A failed preparation is forgotten once one works. A failed flush is not: after it, the kernel
    /// may report success for data it dropped, so under [`Durability::FlushEach`] no further frame
    /// is shown to the socket until the journal is opened again.
    #[must_use]
    pub fn storage_error(&self) -> Option<io::Error> {
        error_of(&self.port.prepare_errno)
            .or_else(|| error_of(&self.port.flush_errno))
            .or_else(|| error_of(&self.port.retire_errno))
    }

    /// The operator's hold on the session, as it was stored last, by this process or one before.
    #[must_use]
    pub fn hold(&self) -> Option<&Hold> {
        self.hold.hold()
    }

    /// Stores a hold, or that there is none any more. Survives the process being killed at any
    /// instruction; after a power loss it may be the one of up to half a minute before.
    pub fn set_hold(&mut self, hold: Option<Hold>) {
        self.hold.store(hold);
    }

    /// A look at the journal.
    #[must_use]
    pub fn stat(&self) -> JournalStat {
        let tail = self.tail();
        JournalStat {
            series: self.numbers.series,
            segments: self.segments.len(),
            stored_bytes: self.stored_bytes,
            tail_number: tail.number(),
            tail_bytes: tail.size(),
            tail_left_bytes: tail.left(),
            next_ready: self.next.is_some(),
            unsent_bytes: self.unsent_bytes,
        }
    }

    fn tail(&self) -> &Segment {
        self.segments
            .last()
            .expect("invariant: a journal has a last segment")
    }

    fn tail_mut(&mut self) -> &mut Segment {
        self.segments
            .last_mut()
            .expect("invariant: a journal has a last segment")
    }

    /// The segment and offset of a position.
    fn at(&self, position: u64) -> Option<(&Segment, usize)> {
        Some((
            self.segments.get(self.nth(position_segment(position))?)?,
            position_offset(position),
        ))
    }

    /// Where segment `number` is in the list.
    fn nth(&self, number: u32) -> Option<usize> {
        let guess = number.checked_sub(self.segments.first()?.number())? as usize;
        if self
            .segments
            .get(guess)
            .is_some_and(|segment| segment.number() == number)
        {
            return Some(guess);
        }
        // Segments are missing in between.
        self.segments
            .binary_search_by_key(&number, Segment::number)
            .ok()
    }

    /// The frame to send after the one at the cursor.
    fn next_to_send(&self) -> Cursor {
        if self.unsent_bytes == 0 {
            return Cursor::default();
        }
        let number = position_segment(self.cursor.position);
        let mut offset = position_offset(self.cursor.position);
        let first = self
            .nth(number)
            .expect("invariant: a segment with unsent bytes is kept");
        let mut skip = true;
        for segment in &self.segments[first..] {
            while offset < segment.end() {
                let head = segment
                    .head(offset)
                    .expect("invariant: records reach to the end");
                let is_sent = record::Kind::from_byte(head.kind).is_some_and(Kind::is_sent);
                if is_sent && head.mark() != Mark::Unsent && !skip {
                    return Cursor {
                        position: position(segment.number(), offset),
                        started: 0,
                    };
                }
                skip = false;
                offset += head.length();
            }
            offset = segment::RECORDS_AT;
        }
        unreachable!("unsent bytes are in a frame behind the cursor")
    }

    /// Where a frame of the current series with number `seq` is: place of its segment in the list,
    /// offset, header.
    fn locate(&self, seq: u64) -> Option<(usize, usize, Head)> {
        let (nth, segment) = self.segment_of(seq)?;
        let (offset, head) = segment.find(self.numbers.series, seq)?;
        Some((nth, offset, head))
    }

    /// The segment that holds the frame sent as `seq`, if it is still kept.
    fn segment_of(&self, seq: u64) -> Option<(usize, &Segment)> {
        let series = self.numbers.series;
        if seq >= self.numbers.next_out {
            return None;
        }
        for (nth, segment) in self.segments.iter().enumerate().rev() {
            if segment.series() != series {
                return None;
            }
            if segment.first_of(series).is_some_and(|first| first <= seq) {
                return Some((nth, segment));
            }
        }
        None
    }

    /// Whether `seq` was used and its record would still be kept.
    fn should_have(&self, seq: u64) -> bool {
        let series = self.numbers.series;
        self.segment_of(seq)
            .is_some_and(|(_, segment)| !segment.is_passed_over(series, seq))
    }

    /// Bytes of a frame, as a range of its segment.
    fn frame_at(offset: usize, head: &Head) -> Range<usize> {
        let frame = head.frame();
        offset + frame.start..offset + frame.end
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.tail_mut().tidy();
        if self.settings.durability != Durability::PageCache {
            // If there is no room for the job the kernel writes back in its own time.
            let _ = self.line.submit(Job::Flush {
                port: Arc::clone(&self.port),
            });
        }
        self.port.closed.store(true, Ordering::Release);
        // The lock must not be given up while the keeper still works on the directory.
        self.line.settle(&self.port);
        if let Some(lock) = &self.lock {
            // Closing the file would do, unless a process that was just forked still has a copy of it.
            // Nothing can be done about a failure here; the next opener is told who holds the lock.
            let _ = lock.unlock();
        }
    }
}

//! Reading a journal from outside: record by record, also while an engine writes to it.
//!
//! Invariant: nothing a file contains, lacks, or turns into while it is read can do more than end up
//! as an [`Item`] that says so. Files are read with `pread` and never mapped, so a truncated one cannot
//! kill the reader and a record is looked at in a copy that does not change.
//!
//! It takes no lock and must not write.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::directory;
use super::record::{HEADER_BYTES, Head, Kind, Mark, Place, Reset, Seen, find_good, look};
use super::recover::{Damage, Finding, last_used};
use super::segment::{RECORDS_AT, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::series::SeriesNote;
use crate::time::Utc;

/// Read at a time.
const WINDOW_BYTES: usize = 256 * 1024;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is. [`Kind::Replay`] marks frames that were sent again.
    pub kind: Kind,
    /// MsgSeqNum(34); 0 for a reset.
    pub seq: u64,
    /// When it was recorded.
    pub at: Utc,
    /// The bytes that were sent or received, or the content of a reset.
    pub frame: &'a [u8],
    /// Whether secrets in the frame were overwritten.
    pub masked: bool,
    /// Numbered while nothing could be sent: it went to no socket under this record.
    pub unsent: bool,
    /// Number of the segment it is in.
    pub segment: u32,
    /// Offset in the segment file.
    pub offset: usize,
}

impl Entry<'_> {
    /// What a series record says.
    #[must_use]
    pub fn note(&self) -> Option<SeriesNote> {
        if self.kind == Kind::Series {
            SeriesNote::decode(self.frame)
        } else {
            None
        }
    }

    /// What a reset record says.
    #[must_use]
    pub fn reset(&self) -> Option<Reset> {
        if self.kind == Kind::Reset {
            Reset::decode(self.frame)
        } else {
            None
        }
    }
}

/// What a reader comes across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record(Entry<'a>),
    /// Bytes that cannot be read. Reading goes on behind them.
    Damage(Damage),
    /// Segments that are not there, between others or before the one that would be next.
    Missing(RangeInclusive<u32>),
    /// A file with the name of a segment that is not one, with why. Reading goes on behind it.
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads the journal in a directory from its first segment on.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    /// The segment being read.
    current: Option<Current>,
    /// Number of the segment read last; 0 before the first.
    last: u32,
    /// Segments found missing, to be told before `current`.
    missing: Option<RangeInclusive<u32>>,
    window: Window,
}

#[derive(Debug)]
struct Current {
    number: u32,
    salt: u32,
    path: PathBuf,
    file: File,
    offset: usize,
    /// Nothing more can be read in it.
    spent: bool,
}

/// A copy of a part of the current file.
#[derive(Debug, Default)]
struct Window {
    start: usize,
    bytes: Vec<u8>,
}

/// The outcome of one step, free of borrows.
enum Step {
    Record(Head, usize),
    Item(Item<'static>),
    /// Go on with the loop.
    Again,
    /// Nothing more for now.
    Wait,
}

impl Reader {
    /// A reader at the first record of the journal in `directory`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        directory::segments(&directory)?;
        Ok(Self {
            directory,
            current: None,
            last: 0,
            missing: None,
            window: Window::default(),
        })
    }

    /// The next item, or `None` if there is nothing more now; a later call may find more.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Item<'_>>> {
        loop {
            if let Some(missing) = self.missing.take() {
                return Ok(Some(Item::Missing(missing)));
            }
            let step = if self.current.is_some() {
                self.step()?
            } else {
                self.enter_next()?
            };
            match step {
                Step::Again => {}
                Step::Wait => return Ok(None),
                Step::Item(item) => return Ok(Some(item)),
                Step::Record(head, offset) => return Ok(self.entry(&head, offset)),
            }
        }
    }

    fn entry(&self, head: &Head, offset: usize) -> Option<Item<'_>> {
        let frame = head.frame();
        let from = offset.checked_sub(self.window.start)?;
        Some(Item::Record(Entry {
            kind: Kind::from_byte(head.kind)?,
            seq: head.seq,
            at: head.at,
            frame: self
                .window
                .bytes
                .get(from + frame.start..from + frame.end)?,
            masked: head.is_masked(),
            unsent: head.mark() == Mark::Unsent,
            segment: self.last,
            offset,
        }))
    }

    /// Opens the next segment, if it is in use.
    fn enter_next(&mut self) -> io::Result<Step> {
        let numbers = directory::segments(&self.directory)?;
        let Some(&number) = numbers.iter().find(|&&number| number > self.last) else {
            return Ok(Step::Wait);
        };
        let path = directory::segment_path(&self.directory, number);
        let file = match File::open(&path) {
            Ok(file) => file,
            // Deleted since it was listed: the next look finds it missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Step::Again),
            Err(error) => return Err(error),
        };
        let mut start = vec![0; SEGMENT_HEADER_BYTES];
        let filled = read_at(&file, &mut start, 0)?;
        let header = SegmentHeader::decode(&start[..filled]);
        let is_last = numbers.last() == Some(&number);
        if matches!(header, Err(super::segment::HeaderFault::Blank)) && is_last {
            return Ok(Step::Wait);
        }
        let expected = self.last + 1;
        if expected < number && self.last > 0 {
            self.missing = Some(expected..=number - 1);
        }
        self.last = number;
        match header {
            Ok(header) => {
                self.window = Window::default();
                let salt = header.salt;
                self.current = Some(Current {
                    number,
                    salt,
                    path,
                    file,
                    offset: RECORDS_AT,
                    spent: false,
                });
                Ok(Step::Again)
            }
            Err(fault) => Ok(Step::Item(Item::Unusable {
                file: path,
                why: fault.to_string(),
            })),
        }
    }

    /// Looks at the next record of the current segment.
    fn step(&mut self) -> io::Result<Step> {
        let Some(current) = &mut self.current else {
            return Ok(Step::Again);
        };
        let offset = current.offset;
        let seen = if current.spent {
            Seen::Empty
        } else {
            self.window.look(current)?
        };
        match seen {
            Seen::Good(head) => {
                current.offset += head.length();
                if Kind::from_byte(head.kind).is_some() {
                    return Ok(Step::Record(head, offset));
                }
                let damage =
                    current.damage(offset, head.length(), Some(head.seq), Finding::UnknownKind);
                Ok(Step::Item(Item::Damage(damage)))
            }
            Seen::Empty => {
                if !self.has_successor()? {
                    return Ok(Step::Wait);
                }
                self.leave()
            }
            Seen::Implausible | Seen::Damaged(_) => {
                let rest = current.rest(offset)?;
                let number = match seen {
                    Seen::Damaged(head) => Some(head.seq),
                    Seen::Good(_) | Seen::Implausible | Seen::Empty => None,
                };
                if let Some(at) = find_good(current.place(offset), &rest).filter(|&at| at > 0) {
                    current.offset += at;
                    return Ok(Step::Item(Item::Damage(current.damage(
                        offset,
                        at,
                        number,
                        Finding::Hole,
                    ))));
                }
                current.spent = true;
                let finding = if seen == Seen::Implausible {
                    Finding::TornLength
                } else {
                    Finding::BadChecksum
                };
                let bytes = rest.len().min(match seen {
                    Seen::Damaged(head) => head.length(),
                    Seen::Good(_) | Seen::Implausible | Seen::Empty => last_used(&rest),
                });
                Ok(Step::Item(Item::Damage(
                    current.damage(offset, bytes, number, finding),
                )))
            }
        }
    }

    /// Whether a later segment is in use, so that the current one takes no more records.
    fn has_successor(&self) -> io::Result<bool> {
        for number in directory::segments(&self.directory)?
            .into_iter()
            .filter(|&number| number > self.last)
        {
            let mut magic = [0; 8];
            match File::open(directory::segment_path(&self.directory, number)) {
                Ok(file) => {
                    if read_at(&file, &mut magic, 0)? == magic.len() && magic != [0; 8] {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Leaves the current segment, whose last record seems to be read, unless there is more in it.
    fn leave(&mut self) -> io::Result<Step> {
        let Some(current) = &mut self.current else {
            return Ok(Step::Again);
        };
        let offset = current.offset;
        if !current.spent {
            // The engine may have published more before it went on to the next segment.
            if self.window.look(current)? != Seen::Empty {
                return Ok(Step::Again);
            }
            if let Some(damage) = current.hole(offset)? {
                return Ok(Step::Item(Item::Damage(damage)));
            }
        }
        self.current = None;
        Ok(Step::Again)
    }
}

impl Current {
    fn place(&self, offset: usize) -> Place {
        Place {
            salt: self.salt,
            segment: self.number,
            offset,
        }
    }

    fn damage(&self, offset: usize, bytes: usize, number: Option<u64>, finding: Finding) -> Damage {
        Damage {
            file: self.path.clone(),
            offset,
            bytes,
            number,
            finding,
        }
    }

    /// Everything from `offset` on.
    fn rest(&self, offset: usize) -> io::Result<Vec<u8>> {
        let len = self.file.metadata()?.len();
        let len = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_sub(offset);
        let mut bytes = vec![0; len];
        let filled = read_at(&self.file, &mut bytes, offset)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Goes on behind a place without a record, if there are records behind it.
    fn hole(&mut self, offset: usize) -> io::Result<Option<Damage>> {
        let rest = self.rest(offset)?;
        let Some(at) = find_good(self.place(offset), &rest).filter(|&at| at > 0) else {
            return Ok(None);
        };
        self.offset = offset + at;
        Ok(Some(self.damage(offset, at, None, Finding::Hole)))
    }
}

impl Window {
    /// What is at the current offset. A finding other than a good record is looked at again in fresh
    /// bytes, because the window may be older than the record.
    fn look(&mut self, current: &Current) -> io::Result<Seen> {
        if let Seen::Good(head) = self.look_inside(current) {
            return Ok(Seen::Good(head));
        }
        let mut header = [0; HEADER_BYTES];
        let filled = read_at(&current.file, &mut header, current.offset)?;
        if filled < HEADER_BYTES || header[..4] == [0; 4] {
            return Ok(Seen::Empty);
        }
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let available = usize::try_from(current.file.metadata()?.len()).unwrap_or(usize::MAX);
        if length > available.saturating_sub(current.offset) {
            return Ok(Seen::Implausible);
        }
        self.start = current.offset;
        self.bytes.resize(length.max(WINDOW_BYTES), 0);
        let filled = read_at(&current.file, &mut self.bytes, current.offset)?;
        self.bytes.truncate(filled);
        Ok(self.look_inside(current))
    }

    fn look_inside(&self, current: &Current) -> Seen {
        let inside = current
            .offset
            .checked_sub(self.start)
            .and_then(|at| self.bytes.get(at..));
        look(current.place(current.offset), inside.unwrap_or_default())
    }
}

/// Whose journal is in a directory: the identity it was opened with, from the first segment that tells;
/// `None` if none does.
///
/// # Errors
/// The directory or a file in it cannot be read.
pub fn identity(directory: &Path) -> io::Result<Option<String>> {
    for number in directory::segments(directory)? {
        let mut start = vec![0; SEGMENT_HEADER_BYTES];
        match File::open(directory::segment_path(directory, number)) {
            Ok(file) => {
                let filled = read_at(&file, &mut start, 0)?;
                if let Ok(header) = SegmentHeader::decode(&start[..filled]) {
                    return Ok(Some(header.identity));
                }
            }
            // Retired since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What is in a journal, all in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Segments read.
    pub segments: u32,
    /// Application messages sent under a new number.
    pub application: u64,
    /// Session-level messages sent under a new number.
    pub admin: u64,
    /// Frames sent again, gap fills among them.
    pub replay: u64,
    /// Messages of the peer.
    pub inbound: u64,
    /// Number series begun.
    pub resets: u64,
    /// Messages of ours that waited without a number, or still do.
    pub queued: u64,
    /// Session-level messages sent outside numbering.
    pub unnumbered: u64,
    /// Notes of the journal about its series.
    pub notes: u64,
    /// Bytes of all frames.
    pub frame_bytes: u64,
    /// What cannot be read.
    pub damage: Vec<Damage>,
    /// Segment numbers missing between others.
    pub missing: Vec<RangeInclusive<u32>>,
    /// Files that are not segments, with why.
    pub unusable: Vec<(PathBuf, String)>,
}

impl Totals {
    /// Whether everything can be read.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.missing.is_empty() && self.unusable.is_empty()
    }
}

/// Reads a journal to its end and adds up what is in it. Bytes behind the last record that were claimed
/// and not published are not damage.
///
/// # Errors
/// A file cannot be read.
pub fn verify(directory: &Path) -> io::Result<Totals> {
    let mut reader = Reader::open(directory)?;
    let mut totals = Totals::default();
    loop {
        match reader.read()? {
            Some(Item::Record(entry)) => {
                totals.frame_bytes += entry.frame.len() as u64;
                *match entry.kind {
                    Kind::Application => &mut totals.application,
                    Kind::Admin => &mut totals.admin,
                    Kind::Replay => &mut totals.replay,
                    Kind::Inbound => &mut totals.inbound,
                    Kind::Reset => &mut totals.resets,
                    Kind::Queued => &mut totals.queued,
                    Kind::Unnumbered => &mut totals.unnumbered,
                    Kind::Series => &mut totals.notes,
                } += 1;
            }
            Some(Item::Damage(damage)) => totals.damage.push(damage),
            Some(Item::Missing(missing)) => totals.missing.push(missing),
            Some(Item::Unusable { file, why }) => totals.unusable.push((file, why)),
            None => {
                // In the last segment only: behind a lost length word there may be records.
                let Some(current) = reader.current.as_mut().filter(|current| !current.spent) else {
                    break;
                };
                let offset = current.offset;
                match current.hole(offset)? {
                    Some(damage) => totals.damage.push(damage),
                    None => break,
                }
            }
        }
    }
    totals.segments = u32::try_from(
        directory::segments(directory)?
            .iter()
            .filter(|&&n| n <= reader.last)
            .count(),
    )
    .unwrap_or(u32::MAX);
    Ok(totals)
}

fn read_at(file: &File, bytes: &mut [u8], offset: usize) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], (offset + filled) as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

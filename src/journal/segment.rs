//! One segment of a journal: a header, records growing forward, an index growing backward.
//!
//! Invariant: between the last record and the index there are always at least eight zero bytes, so a
//! reader that walks the records meets a zero length before it meets the index. A record is complete
//! before its length is stored, and its index entry is stored after that; so an index entry without a
//! record is proof that a record was lost.
//!
//! It must not know about files, limits, sockets or the segments beside it.

use std::fmt;
use std::ops::Range;

use super::record::{self, HEADER_BYTES, Head, Kind, Mark, Place, Reset, Seen, le_u64};
use super::region::Region;
use crate::session::ResetCause;
use crate::time::Utc;

// A segment. Numbers are little-endian.
//
//   0        512            576    640          648           656    1024                   size
//   | header | next-in word | seal | queue word | series word | zero | records -> zero <- index |
//
// Header. All zero in a segment that is prepared and not yet used; `magic` is stored last.
//
//   0  magic              u64
//   8  layout version     u32      12  crc32c of 16..512  u32
//  16  size               u64      24  segment number     u32     28  salt           u32
//  32  series number      u64      40  series began, UTC nanoseconds                 u64
//  48  next outgoing number at the start of the segment                              u64
//  56  next expected number at the start of the segment                              u64
//  64  segment began, UTC nanoseconds                                                u64
//  72  length of identity u16      74  identity, UTF-8, up to 437 bytes
// 511  why the series began, as a `ResetCause` u8; 0 also from a program that did not keep it
//
// Next-in word, alone on its cache line: rewritten in place after each processed message, by one
// store. The series bits tell a word that is older than the last reset.
//
//   63        48 47                                0
//   | series    | next expected number             |
//
// Seal: how far the segment got, written when the next one takes over, so that only the last segment
// has to be walked at a restart.
//
//   0  crc32c of 8..64    u32       4  1                  u32
//   8  end of records     u64      16  index entries      u64
//  24  series number      u64      32  series began       u64
//  40  next outgoing number        48  next expected number
//  56  first index entry of the series u32   60  why the series began u32
//
// Queue word: the position (segment number in the upper half, offset in the lower) behind which the
// messages are that wait without a number; 0 if none does.
//
// Series word: the position of the series record to start at, if series have identifiers; 0 if there is
// none (see `series.rs`). A segment of a program that knew none has 0 here.
//
// Index: one entry per outbound record with a new number, the first one in the last 8 bytes. A record by
// which numbers are passed over has one, too, under the first of them.
//
//   63                            32 31                  0
//   | low half of MsgSeqNum(34)     | record offset / 8  |
const MAGIC: u64 = u64::from_le_bytes(*b"PINFIXJ\n");
/// Changes with every change of the layout above or of the record that a program of before cannot step
/// over.
pub(crate) const LAYOUT_VERSION: u32 = 1;
pub(crate) const SEGMENT_HEADER_BYTES: usize = 512;
const IDENTITY_AT: usize = 74;
const CAUSE_AT: usize = 511;
/// The longest identity text a header has room for.
pub(crate) const IDENTITY_BYTES_MAX: usize = CAUSE_AT - IDENTITY_AT;
const WORD_AT: usize = 512;
const SEAL: Range<usize> = 576..640;
const QUEUE_AT: usize = 640;
const SERIES_AT: usize = 648;
pub(crate) const RECORDS_AT: usize = 1024;
const ENTRY_BYTES: usize = 8;
/// The zero word behind the last record.
const END_BYTES: usize = 8;
/// What a segment cannot use for records.
pub(crate) const OVERHEAD_BYTES: usize = RECORDS_AT + END_BYTES;
const NEXT_IN_MASK: u64 = (1 << 48) - 1;

/// Room that a record with a payload of `len` bytes takes, its index entry included.
pub(crate) fn cost(len: usize) -> usize {
    (HEADER_BYTES + len).next_multiple_of(8) + ENTRY_BYTES
}

/// The numbers, as the engine and every segment boundary know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) series: u64,
    pub(crate) began: Utc,
    /// Why the series began.
    pub(crate) cause: ResetCause,
    pub(crate) next_out: u64,
    pub(crate) next_in: u64,
}

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) size: u64,
    pub(crate) number: u32,
    pub(crate) salt: u32,
    pub(crate) began: Utc,
    pub(crate) base: Numbers,
    pub(crate) identity: String,
}

/// Why bytes are not the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// No magic: prepared and not used, or never completed.
    Blank,
    /// Something else begins with other bytes than ours.
    Foreign,
    /// Another layout.
    Version(u32),
    /// The checksum does not fit, or a field is impossible.
    Damaged,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => write!(f, "the header is blank"),
            Self::Foreign => write!(f, "it does not begin with the mark of a pinfix journal"),
            Self::Version(found) => {
                write!(
                    f,
                    "it has layout version {found}, this program reads version {LAYOUT_VERSION}"
                )
            }
            Self::Damaged => write!(f, "the checksum of the header does not fit"),
        }
    }
}

impl SegmentHeader {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let bytes = bytes
            .first_chunk::<SEGMENT_HEADER_BYTES>()
            .ok_or(HeaderFault::Foreign)?;
        match le_u64(&bytes[..8]) {
            MAGIC => {}
            0 => return Err(HeaderFault::Blank),
            _ => return Err(HeaderFault::Foreign),
        }
        let u32_at =
            |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let version = u32_at(8);
        if version != LAYOUT_VERSION {
            return Err(HeaderFault::Version(version));
        }
        if u32_at(12) != crc32c::crc32c(&bytes[16..]) {
            return Err(HeaderFault::Damaged);
        }
        let identity_bytes = usize::from(u16::from_le_bytes([bytes[72], bytes[73]]));
        let identity = bytes
            .get(IDENTITY_AT..IDENTITY_AT + identity_bytes)
            .and_then(|text| std::str::from_utf8(text).ok())
            .ok_or(HeaderFault::Damaged)?;
        Ok(Self {
            size: le_u64(&bytes[16..24]),
            number: u32_at(24),
            salt: u32_at(28),
            began: Utc(le_u64(&bytes[64..72])),
            base: Numbers {
                series: le_u64(&bytes[32..40]),
                began: Utc(le_u64(&bytes[40..48])),
                cause: cause(u64::from(bytes[CAUSE_AT])),
                next_out: le_u64(&bytes[48..56]),
                next_in: le_u64(&bytes[56..64]),
            },
            identity: identity.to_owned(),
        })
    }
}

/// Where the segment's part of the current series starts in its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Track {
    series: u64,
    /// Its first index entry.
    entry: usize,
    /// The number of that entry; means nothing while there is none.
    first: u64,
}

/// Index entries of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The number of the first.
    pub(crate) first: u64,
    entries: Range<usize>,
}

/// A mapped segment.
#[derive(Debug)]
pub(crate) struct Segment {
    region: Region,
    number: u32,
    salt: u32,
    began: Utc,
    /// Where the next record starts.
    end: usize,
    entries: usize,
    track: Track,
    /// How far rooms that were claimed reached.
    claimed_to: usize,
}

/// What a segment starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning<'a> {
    pub(crate) number: u32,
    pub(crate) salt: u32,
    pub(crate) numbers: Numbers,
    pub(crate) queue_word: u64,
    pub(crate) series_word: u64,
    pub(crate) at: Utc,
    pub(crate) identity: &'a str,
}

impl Segment {
    /// Turns a zeroed region into the last segment of a journal. Allocates nothing.
    pub(crate) fn begin(mut region: Region, with: Beginning<'_>) -> Self {
        Self::write_header(&mut region, with);
        Self::adopt(region, with.number, with.salt, with.at, with.numbers.series)
    }

    /// Writes the header, the magic last, into a region that has none.
    pub(crate) fn write_header(region: &mut Region, with: Beginning<'_>) {
        let size = region.len() as u64;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[8..12].copy_from_slice(&LAYOUT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&size.to_le_bytes());
        bytes[24..28].copy_from_slice(&with.number.to_le_bytes());
        bytes[28..32].copy_from_slice(&with.salt.to_le_bytes());
        let base = with.numbers;
        let words = [
            base.series,
            base.began.0,
            base.next_out,
            base.next_in,
            with.at.0,
        ];
        for (at, word) in (32..).step_by(8).zip(words) {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        put_identity(&mut bytes, with.identity);
        bytes[CAUSE_AT] = base.cause as u8;
        let crc = crc32c::crc32c(&bytes[16..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        region.bytes_mut()[..SEGMENT_HEADER_BYTES].copy_from_slice(&bytes);
        region.publish_u64(WORD_AT, word(base.series, base.next_in));
        region.publish_u64(QUEUE_AT, with.queue_word);
        region.publish_u64(SERIES_AT, with.series_word);
        region.publish_u64(0, MAGIC);
    }

    /// Takes a region whose records and index are still to be looked at: it counts as empty.
    pub(crate) fn adopt(region: Region, number: u32, salt: u32, began: Utc, series: u64) -> Self {
        Self {
            region,
            number,
            salt,
            began,
            end: RECORDS_AT,
            entries: 0,
            track: Track {
                series,
                entry: 0,
                first: 0,
            },
            claimed_to: 0,
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn began(&self) -> Utc {
        self.began
    }

    pub(crate) fn size(&self) -> usize {
        self.region.len()
    }

    /// Where the next record starts.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Room left for records and their index entries.
    pub(crate) fn left(&self) -> usize {
        self.index_at().saturating_sub(self.end + END_BYTES)
    }

    /// The payload of the next record, if `len` bytes fit beside its index entry.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        assert!(
            cost(len) <= self.left(),
            "invariant: room is claimed after it was found"
        );
        let start = self.end + HEADER_BYTES;
        self.claimed_to = self.claimed_to.max(start + len);
        &mut self.region.bytes_mut()[start..start + len]
    }

    /// The frame of the record at `offset` beside the room for the next record.
    pub(crate) fn frame_and_room(&mut self, frame: Range<usize>, len: usize) -> (&[u8], &mut [u8]) {
        assert!(
            cost(len) <= self.left(),
            "invariant: room is claimed after it was found"
        );
        assert!(
            frame.end <= self.end,
            "invariant: a published record ends before the room"
        );
        let start = self.end + HEADER_BYTES;
        self.claimed_to = self.claimed_to.max(start + len);
        let (before, after) = self.region.bytes_mut().split_at_mut(start);
        (&before[frame], &mut after[..len])
    }

    /// Publishes a range of the room as the next record and answers where it is.
    pub(crate) fn publish(
        &mut self,
        kind: Kind,
        mark: Mark,
        frame: Range<usize>,
        seq: u64,
        at: Utc,
    ) -> usize {
        let offset = self.end;
        let payload = offset + HEADER_BYTES;
        let frame = self.in_reach(frame);
        let head = Head::new(kind, mark, &frame, seq, at);
        let place = self.place(offset);
        let bytes = self.region.bytes_mut();
        let header = head.encode(place, &bytes[payload + frame.start..payload + frame.end]);
        bytes[offset + 4..payload].copy_from_slice(&header);
        // The room may have been used by a longer claim that was given up; where the next record
        // will start there must be a zero before this one can be seen.
        let end = offset + head.length();
        bytes[end..end + END_BYTES].fill(0);
        let length = u32::try_from(head.length()).expect("invariant: a segment is shorter than 4 GiB");
        self.region.publish_u32(offset, length);
        self.end = end;
        if kind.is_numbered() {
            self.enter(seq, offset);
        }
        offset
    }

    /// Publishes a reset record, for which there is room, and answers where it is.
    pub(crate) fn publish_reset(&mut self, reset: &Reset, seq: u64, at: Utc) -> usize {
        let (bytes, length) = reset.encode();
        self.room(length).copy_from_slice(&bytes[..length]);
        self.publish(Kind::Reset, Mark::None, 0..length, seq, at)
    }

    /// A new series starts behind the last record.
    pub(crate) fn start_series(&mut self, series: u64) {
        self.track = Track {
            series,
            entry: self.entries,
            first: 0,
        };
    }

    /// Stores the next expected number.
    pub(crate) fn set_next_in(&mut self, series: u64, next_in: u64) {
        self.region.publish_u64(WORD_AT, word(series, next_in));
    }

    /// The next expected number, if the word belongs to `series`.
    pub(crate) fn next_in(&self, series: u64) -> Option<u64> {
        let found = self.region.u64_at(WORD_AT)?;
        (found != 0 && found == word(series, found & NEXT_IN_MASK)).then_some(found & NEXT_IN_MASK)
    }

    /// Stores where to look for messages that wait; 0 if none does.
    pub(crate) fn set_queue_word(&mut self, position: u64) {
        self.region.publish_u64(QUEUE_AT, position);
    }

    /// Where to look for messages that wait; 0 if none does.
    pub(crate) fn queue_word(&self) -> u64 {
        self.region.u64_at(QUEUE_AT).unwrap_or_default()
    }

    /// Stores where what is known of the series is to be read from; 0 if none has an identifier.
    pub(crate) fn set_series_word(&mut self, position: u64) {
        self.region.publish_u64(SERIES_AT, position);
    }

    /// Where what is known of the series is to be read from; 0 if none has an identifier.
    pub(crate) fn series_word(&self) -> u64 {
        self.region.u64_at(SERIES_AT).unwrap_or_default()
    }

    /// Where the record with number `seq` is, if it belongs to the current series `series`.
    pub(crate) fn find(&self, series: u64, seq: u64) -> Option<(usize, Head)> {
        self.find_in(&self.current(series)?, seq)
    }

    /// The index entries of the current series, if it is `series`.
    fn current(&self, series: u64) -> Option<Part> {
        Some(Part {
            first: self.first_of(series)?,
            entries: self.track.entry..self.entries,
        })
    }

    /// The index entries of the records in `offsets`; `None` if there are none.
    pub(crate) fn part(&self, offsets: Range<usize>) -> Option<Part> {
        let entries = self.entry_from(offsets.start)..self.entry_from(offsets.end);
        if entries.is_empty() {
            return None;
        }
        let (_, offset) = self.entry(entries.start)?;
        let first = self.good(offset)?.seq;
        Some(Part { first, entries })
    }

    /// The first index entry whose record is at `offset` or behind.
    fn entry_from(&self, offset: usize) -> usize {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle) {
                Some((_, found)) if found < offset => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        low
    }

    /// Where the record with number `seq` is, in a part of the index that is of one series.
    pub(crate) fn find_in(&self, part: &Part, seq: u64) -> Option<(usize, Head)> {
        let first = part.first;
        let want = seq.checked_sub(first)?;
        let count = part.entries.len();
        let distance = |nth: usize| -> Option<u64> {
            let (low, _) = self.entry(part.entries.start + nth)?;
            Some(u64::from(low.wrapping_sub(first as u32)))
        };
        // Numbers are consecutive unless recovery skipped some, so the first guess is nearly always it.
        let mut low = 0;
        let mut high = count;
        let mut guess = usize::try_from(want).ok()?.min(count.checked_sub(1)?);
        while low < high {
            let found = distance(guess)?;
            match found.cmp(&want) {
                std::cmp::Ordering::Equal => {
                    let (_, offset) = self.entry(part.entries.start + guess)?;
                    let head = self.good(offset)?;
                    let fits =
                        head.seq == seq && Kind::from_byte(head.kind).is_some_and(Kind::is_numbered);
                    return fits.then_some((offset, head));
                }
                std::cmp::Ordering::Less => low = guess + 1,
                std::cmp::Ordering::Greater => high = guess,
            }
            guess = low + (high - low) / 2;
        }
        None
    }

    /// Notes that numbers from `first` on are passed over, by the record at `offset`.
    pub(crate) fn pass_over(&mut self, first: u64, offset: usize) {
        self.enter(first, offset);
    }

    /// Whether `seq` is a number of `series` that was passed over on purpose.
    pub(crate) fn is_passed_over(&self, series: u64, seq: u64) -> bool {
        self.current(series)
            .is_some_and(|part| self.passes_over(&part, seq))
    }

    /// Whether `seq` was passed over on purpose, by a part of the index that is of one series.
    pub(crate) fn passes_over(&self, part: &Part, seq: u64) -> bool {
        let passed = || {
            let want = seq.checked_sub(part.first)?;
            let (mut low, mut high) = (part.entries.start, part.entries.end);
            while low < high {
                let middle = low + (high - low) / 2;
                let (found, _) = self.entry(middle)?;
                if u64::from(found.wrapping_sub(part.first as u32)) <= want {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            let (_, offset) = self.entry(low.checked_sub(1)?)?;
            let head = self.good(offset)?;
            let reset = self.reset(offset, &head)?;
            Some((head.seq..reset.next_out).contains(&seq))
        };
        passed().unwrap_or(false)
    }

    /// The content of the record at `offset`, if it is a reset.
    pub(crate) fn reset(&self, offset: usize, head: &Head) -> Option<Reset> {
        if head.kind != Kind::Reset as u8 {
            return None;
        }
        let frame = head.frame();
        Reset::decode(self.get(offset + frame.start..offset + frame.end)?)
    }

    /// Whether it has no record yet.
    pub(crate) fn is_blank(&self) -> bool {
        self.end == RECORDS_AT
    }

    /// The series the segment ends in.
    pub(crate) fn series(&self) -> u64 {
        self.track.series
    }

    /// The first number of `series` in this segment.
    pub(crate) fn first_of(&self, series: u64) -> Option<u64> {
        if self.track.series != series || self.track.entry >= self.entries {
            return None;
        }
        Some(self.track.first)
    }

    /// The header of the record at `offset`, with its checksum verified.
    pub(crate) fn good(&self, offset: usize) -> Option<Head> {
        match self.look(offset) {
            Seen::Good(head) => Some(head),
            Seen::Empty | Seen::Implausible | Seen::Damaged(_) => None,
        }
    }

    /// The header of a record this process has published or verified before.
    pub(crate) fn head(&self, offset: usize) -> Option<Head> {
        let header = self.region.get(offset..offset.checked_add(HEADER_BYTES)?)?;
        Some(Head::decode(header.first_chunk()?))
    }

    /// Bytes of the segment, if it has them.
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.region.get(range)
    }

    /// What is at `offset`.
    pub(crate) fn look(&self, offset: usize) -> Seen {
        if !offset.is_multiple_of(8) || offset < RECORDS_AT {
            return Seen::Implausible;
        }
        record::look(
            self.place(offset),
            self.region.get(offset..self.index_at()).unwrap_or_default(),
        )
    }

    /// Notes how far the segment got, because the next one takes over.
    pub(crate) fn seal(&mut self, numbers: Numbers) {
        let mut bytes = [0; SEAL.end - SEAL.start];
        bytes[4] = 1;
        let words = [
            self.end as u64,
            self.entries as u64,
            numbers.series,
            numbers.began.0,
            numbers.next_out,
            numbers.next_in,
            self.track.entry as u64 | (numbers.cause as u64) << 32,
        ];
        for (at, word) in (8..).step_by(8).zip(words) {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        self.region.bytes_mut()[SEAL].copy_from_slice(&bytes);
    }

    /// The segment takes records again.
    pub(crate) fn unseal(&mut self) {
        self.region.bytes_mut()[SEAL].fill(0);
    }

    /// Believes the seal, if there is a possible one, and answers the numbers in it.
    pub(crate) fn trust_seal(&mut self) -> Option<Numbers> {
        let bytes = self.region.get(SEAL)?;
        let crc = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if bytes[4] != 1 || crc != crc32c::crc32c(&bytes[8..]) {
            return None;
        }
        let word = |nth: usize| le_u64(&bytes[8 + nth * 8..16 + nth * 8]);
        let end = usize::try_from(word(0)).ok()?;
        let entries = usize::try_from(word(1)).ok()?;
        let entry = usize::try_from(word(6) & u64::from(u32::MAX)).ok()?;
        let index = entries.checked_mul(ENTRY_BYTES)?;
        if end < RECORDS_AT || end.checked_add(index)? > self.size() || entry > entries {
            return None;
        }
        let numbers = Numbers {
            series: word(2),
            began: Utc(word(3)),
            cause: cause(word(6) >> 32),
            next_out: word(4),
            next_in: word(5),
        };
        self.end = end;
        self.entries = entries;
        self.track = Track {
            series: numbers.series,
            entry,
            first: 0,
        };
        if let Some((low, _)) = self.entry(entry).filter(|_| entry < entries) {
            // The low half is enough: a segment holds far fewer than 2^32 numbers.
            let back = (numbers.next_out as u32).wrapping_sub(low);
            self.track.first = numbers.next_out.saturating_sub(u64::from(back));
        }
        Some(numbers)
    }

    /// Clears what claims that were given up left behind the last record, so that the next start has
    /// nothing to report.
    pub(crate) fn tidy(&mut self) {
        let remains = self.end..self.claimed_to.min(self.index_at());
        if let Some(bytes) = self.region.bytes_mut().get_mut(remains) {
            bytes.fill(0);
        }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        Place {
            salt: self.salt,
            segment: self.number,
            offset,
        }
    }

    fn index_at(&self) -> usize {
        self.size() - self.entries * ENTRY_BYTES
    }

    /// Low half of the number, and offset, of the index entry `nth`.
    fn entry(&self, nth: usize) -> Option<(u32, usize)> {
        let at = self
            .size()
            .checked_sub((nth.checked_add(1)?).checked_mul(ENTRY_BYTES)?)?;
        let word = self.region.u64_at(at)?;
        Some(((word >> 32) as u32, (word as u32) as usize * 8))
    }

    fn enter(&mut self, seq: u64, offset: usize) {
        let at = self.size() - (self.entries + 1) * ENTRY_BYTES;
        self.region.publish_u64(at, entry_word(seq, offset));
        if self.entries == self.track.entry {
            self.track.first = seq;
        }
        self.entries += 1;
    }

    /// A record notes the start of its frame in 16 bits. A frame that starts later is moved.
    fn in_reach(&mut self, frame: Range<usize>) -> Range<usize> {
        if frame.start <= usize::from(u16::MAX) {
            return frame;
        }
        let payload = self.end + HEADER_BYTES;
        self.region
            .bytes_mut()
            .copy_within(payload + frame.start..payload + frame.end, payload);
        0..frame.len()
    }
}

/// What recovery does with a segment. Kept apart from what the engine does.
impl Segment {
    /// Counts the good record at the end in, as it is.
    pub(super) fn accept(&mut self, head: &Head, indexed: bool) {
        let offset = self.end;
        self.end += head.length();
        if indexed {
            self.enter(head.seq, offset);
        }
    }

    /// Continues behind a stretch that cannot be read.
    pub(super) fn step_over(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// The index as it is in the file, entry by entry, for as long as entries point forward.
    pub(super) fn stored_index(&self) -> Vec<(u32, usize)> {
        let mut found: Vec<(u32, usize)> = Vec::new();
        let mut least = RECORDS_AT;
        while let Some((low, offset)) = self.entry(found.len()) {
            let index_at = self.size() - (found.len() + 1) * ENTRY_BYTES;
            if offset < least || offset + HEADER_BYTES > index_at {
                break;
            }
            least = offset + HEADER_BYTES;
            found.push((low, offset));
        }
        found
    }

    /// Whether the index leads to the record at `offset`.
    pub(super) fn is_indexed(&self, offset: usize) -> bool {
        let mut low = 0;
        let mut high = self.entries;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle) {
                Some((_, found)) if found < offset => low = middle + 1,
                Some((_, found)) if found == offset => return true,
                Some(_) | None => high = middle,
            }
        }
        false
    }

    /// Everything between the last record and an index of `entries` entries.
    pub(super) fn beyond(&self, entries: usize) -> &[u8] {
        let until = self.size() - entries.max(self.entries) * ENTRY_BYTES;
        self.region.get(self.end..until).unwrap_or_default()
    }

    /// Clears everything between the last record and the index.
    pub(super) fn cut(&mut self) {
        let gap = self.end..self.index_at();
        if let Some(bytes) = self.region.bytes_mut().get_mut(gap) {
            // Written only where it is needed: clean pages of a file stay clean.
            for chunk in bytes.chunks_mut(4096) {
                if chunk.iter().any(|&byte| byte != 0) {
                    chunk.fill(0);
                }
            }
        }
    }
}

fn word(series: u64, next_in: u64) -> u64 {
    (series << 48) | (next_in & NEXT_IN_MASK)
}

fn entry_word(seq: u64, offset: usize) -> u64 {
    (seq << 32) | (offset as u64 / 8)
}

/// The cause recorded as `number`. One that this program does not know says as little as none.
fn cause(number: u64) -> ResetCause {
    let known = usize::try_from(number).ok();
    known
        .and_then(|number| ResetCause::ALL.get(number).copied())
        .unwrap_or(ResetCause::Created)
}

fn put_identity(bytes: &mut [u8; SEGMENT_HEADER_BYTES], identity: &str) {
    let text = &identity.as_bytes()[..identity.len().min(IDENTITY_BYTES_MAX)];
    bytes[72..74].copy_from_slice(&(text.len() as u16).to_le_bytes());
    bytes[IDENTITY_AT..IDENTITY_AT + text.len()].copy_from_slice(text);
}

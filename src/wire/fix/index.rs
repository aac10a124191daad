//! One pass over a frame that notes where every field is.
//!
//! ```text
//!  frame   8=FIX.4.2|9=55|35=5|34=2|...          borrowed, never copied
//!  tags    [ 8,        9,   35,  34,  ...]       one u32 each: a search touches nothing else
//!  spans   [ 2..9,   12..14, ...         ]       where the values are
//! ```
//!
//! The index is allocated once and reused for every frame. What cannot be split into fields at all is
//! [`Malformed`], which makes a frame garbled.

use std::fmt;
use std::ops::Range;

use super::message::Message;
use super::scan::Delimiters;
use super::tag::{self, Tag};
use super::value;

/// Fields per message an index has room for unless told otherwise.
pub const FIELDS_MAX: usize = 2048;

/// Where the fields of the frame read last are.
#[derive(Clone, Debug)]
pub struct FieldIndex {
    pub(super) tags: Box<[Tag]>,
    pub(super) spans: Box<[Span]>,
    pub(super) len: usize,
    /// Text of the first tag that is a number but no possible tag.
    pub(super) bad_tag: Option<Span>,
    /// The first field without a value.
    pub(super) empty: Option<Tag>,
}

impl FieldIndex {
    /// An index for messages of up to `max_fields` fields: 12 bytes each, allocated here.
    #[must_use]
    pub fn with_capacity(max_fields: usize) -> Self {
        Self {
            tags: vec![tag::INVALID; max_fields].into_boxed_slice(),
            spans: vec![Span::default(); max_fields].into_boxed_slice(),
            len: 0,
            bad_tag: None,
            empty: None,
        }
    }

    /// Notes where the fields of `frame` are. Expects what [`cut`](super::cut) found to be a frame, and
    /// survives anything else.
    ///
    /// A data field is taken by the length before it. One without a length directly before it ends at
    /// the next SOH like any other, because a venue is known to send SecureData(91) before
    /// SecureDataLen(90).
    ///
    /// # Errors
    /// What makes it impossible to tell the fields apart. The frame is garbled then.
    #[inline]
    pub fn read<'a>(&'a mut self, frame: &'a [u8]) -> Result<Message<'a>, Malformed> {
        self.len = 0;
        self.bad_tag = None;
        self.empty = None;
        if u32::try_from(frame.len()).is_err() {
            return Err(Malformed::TooLong);
        }
        let len = self.split(frame)?;
        self.len = len;
        match self.tags[..len] {
            [tag::BEGIN_STRING, tag::BODY_LENGTH, tag::MSG_TYPE, ..] => Ok(Message::new(frame, self)),
            _ => Err(Malformed::FirstFields),
        }
    }

    #[inline]
    fn split(&mut self, frame: &[u8]) -> Result<usize, Malformed> {
        let mut delimiters = Delimiters::new(frame, 0);
        let mut start = 0;
        let mut len = 0;
        while start < frame.len() {
            let Some(end) = delimiters.next() else {
                return Err(Malformed::Unterminated { at: start });
            };
            let (tag, digits) = match quick_tag(frame, start) {
                Some(quick) => quick,
                None => unusual_tag(&frame[start..end], start, &mut self.bad_tag)?,
            };
            let value = start + digits + 1;
            self.note(len, tag, value, end)?;
            len += 1;
            start = end + 1;
            if tag::is_length(tag)
                && let Some(end) = self.data_after(frame, len, value..end, start)?
            {
                len += 1;
                start = end + 1;
                delimiters.seek(start);
            }
        }
        Ok(len)
    }

    #[inline]
    fn note(&mut self, at: usize, tag: Tag, value: usize, end: usize) -> Result<(), Malformed> {
        let (Some(tag_at), Some(span)) = (self.tags.get_mut(at), self.spans.get_mut(at)) else {
            return Err(Malformed::TooManyFields { max: at });
        };
        *tag_at = tag;
        *span = Span {
            start: value as u32,
            end: end as u32,
        };
        if value == end && self.empty.is_none() {
            self.empty = Some(tag);
        }
        Ok(())
    }

    /// Notes the data field behind the length field at place `at - 1`, whose value is `length`. Answers
    /// where it ends; `None` if the data has been there already: the pair the wrong way round.
    #[inline(never)]
    fn data_after(
        &mut self,
        frame: &[u8],
        at: usize,
        length: Range<usize>,
        start: usize,
    ) -> Result<Option<usize>, Malformed> {
        let length_tag = self.tags[at - 1];
        let Some(data_tag) = tag::data_of_length(length_tag) else {
            return Ok(None);
        };
        // Data that had its own length before it is another pair, of the entry of a group before.
        let is_other_pair = at > 2 && self.tags[at - 3] == length_tag;
        if at > 1 && self.tags[at - 2] == data_tag && !is_other_pair {
            return Ok(None);
        }
        let wrong = Malformed::DataLength { tag: length_tag };
        let len = value::parse_uint(&frame[length]).ok_or(wrong)?;
        let (tag, digits) = match quick_tag(frame, start) {
            Some(quick) => quick,
            None if start == frame.len() => return Err(wrong),
            None => unusual_tag(&frame[start..], start, &mut self.bad_tag)?,
        };
        let value = start + digits + 1;
        let end = end_of_data(frame, value, len)
            .filter(|_| tag == data_tag)
            .ok_or(wrong)?;
        self.note(at, tag, value, end)?;
        Ok(Some(end))
    }
}

impl Default for FieldIndex {
    fn default() -> Self {
        Self::with_capacity(FIELDS_MAX)
    }
}

/// Why a frame cannot be told apart into fields. `at` is the offset in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A field without `=`; also what follows an SOH inside a value.
    NoEquals {
        /// Where the field begins.
        at: usize,
    },
    /// A field that begins with `=`.
    EmptyTag {
        /// Where the field begins.
        at: usize,
    },
    /// A tag that is no decimal number, with or without a sign.
    TagNotANumber {
        /// Where the field begins.
        at: usize,
    },
    /// The last field does not end with SOH.
    Unterminated {
        /// Where the field begins.
        at: usize,
    },
    /// A length that is no number, is not followed by its data field, or whose data does not end there.
    DataLength {
        /// The length field.
        tag: Tag,
    },
    /// More fields than the index has room for.
    TooManyFields {
        /// That many.
        max: usize,
    },
    /// The first three fields are not 8, 9 and 35.
    FirstFields,
    /// A frame of 4 GiB or more.
    TooLong,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoEquals { at } => write!(f, "field at byte {at} has no '='"),
            Self::EmptyTag { at } => write!(f, "field at byte {at} has no tag before its '='"),
            Self::TagNotANumber { at } => write!(f, "field at byte {at} has a tag that is no number"),
            Self::Unterminated { at } => write!(f, "field at byte {at} does not end with SOH"),
            Self::DataLength { tag } => {
                write!(
                    f,
                    "length field {tag} does not fit the data field that must follow it"
                )
            }
            Self::TooManyFields { max } => write!(f, "more than {max} fields"),
            Self::FirstFields => write!(f, "the first three fields are not 8, 9 and 35"),
            Self::TooLong => write!(f, "frame of 4 GiB or more"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A range of a frame in half the space.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    #[inline]
    pub(crate) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Offset of the SOH behind `len` bytes of data at `start`, if there is one.
#[inline(never)]
fn end_of_data(frame: &[u8], start: usize, len: u64) -> Option<usize> {
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (*frame.get(end)? == super::scan::SOH).then_some(end)
}

/// A tag of 1 to 7 digits without a leading zero and how many they are, eight bytes at once.
#[inline]
fn quick_tag(frame: &[u8], start: usize) -> Option<(Tag, usize)> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x80 * EACH;
    let word = word_at(frame, start)?;
    let equals = word ^ (b'=' as u64 * EACH);
    // The lowest bit found is that of the first '='; those above it may be wrong.
    let found = equals.wrapping_sub(EACH) & !equals & HIGH_BITS;
    let digits = found.trailing_zeros() / 8;
    if !(1..=7).contains(&digits) || word as u8 == b'0' {
        return None;
    }
    // The digits moved to the top, so that the last is the highest byte, and zeros below.
    let shift = 64 - 8 * digits;
    let text = (word << shift).wrapping_sub((b'0' as u64 * EACH) << shift);
    // Any byte not 0 to 9 has its high bit now, or gets it from adding 0x76.
    if (text | text.wrapping_add(0x76 * EACH)) & HIGH_BITS != 0 {
        return None;
    }
    // Neighbours joined: eight digits to four pairs, two fours, one number.
    let pairs = (text.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul(1 + (10_000 << 32)) >> 32;
    Some((number as Tag, digits as usize))
}

/// Eight bytes from `start`; at the end of a frame what is left of it, and zeros.
#[inline]
fn word_at(frame: &[u8], start: usize) -> Option<u64> {
    if let Some(word) = frame.get(start..)?.first_chunk() {
        return Some(u64::from_le_bytes(*word));
    }
    let left = frame.len() - start;
    let last = u64::from_le_bytes(*frame.last_chunk()?);
    (left > 0).then(|| last >> (64 - 8 * left))
}

/// A tag at the very end of the frame, of more than seven digits, or wrong.
#[inline(never)]
fn unusual_tag(field: &[u8], at: usize, bad_tag: &mut Option<Span>) -> Result<(Tag, usize), Malformed> {
    let digits = field
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or(Malformed::NoEquals { at })?;
    let text = &field[..digits];
    if text.is_empty() {
        return Err(Malformed::EmptyTag { at });
    }
    let unsigned = match text {
        [b'-' | b'+', unsigned @ ..] => unsigned,
        _ => text,
    };
    if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::TagNotANumber { at });
    }
    let number = value::parse_uint(text).and_then(|number| Tag::try_from(number).ok());
    match number {
        Some(tag) if unsigned[0] != b'0' => Ok((tag, digits)),
        _ => {
            bad_tag.get_or_insert(Span {
                start: at as u32,
                end: (at + digits) as u32,
            });
            Ok((tag::INVALID, digits))
        }
    }
}

//! Writing frames in place, behind a header that is mostly built beforehand.
//!
//! ```text
//!  room   ......8=FIX.4.2|9=152|35=D|34=7|49=A|52=...|56=B|  11=...|55=...|  10=123|
//!               ^ written last,  ^ body, written in its place       room for ^
//!                 against body     and never moved                10= is kept free
//! ```
//!
//! BodyLength(9) is known only at the end, so the first two fields are written right-aligned against
//! the body, without leading zeros. The frame therefore begins somewhere behind the start of the room.
//!
//! Header fields are emitted in ascending tag order, except that 8, 9, 35 and then 1128, 1129, 1156 come
//! first: what deployed engines do. Errors are kept until [`FrameWriter::finish`], which is the one place
//! to look at; after the first nothing more is written.

use std::fmt;
use std::ops::Range;

use super::frame::{BEGIN_STRINGS, TRAILER_LEN};
use super::message::{FieldIndex, Malformed};
use super::scan::{self, SOH};
use super::tag::{self, Tag};
use super::value::{self, DECIMAL_LEN_MAX, Decimal, UINT_LEN_MAX};
use crate::time::{TimestampPrecision, Utc};

/// Bytes of room a frame needs beyond its own length at most: BodyLength(9) is given room for 9 digits.
pub const ROOM_BEYOND_FRAME: usize = BODY_LENGTH_DIGITS - 1;

/// Why a frame could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The frame does not fit into the room.
    Room {
        /// Bytes of the room.
        len: usize,
    },
    /// BeginString(8) is none of FIX.4.0 to FIX.4.4 and FIXT.1.1.
    BeginString,
    /// Tag 0.
    InvalidTag,
    /// A field without a value.
    Empty {
        /// The field.
        tag: Tag,
    },
    /// A value that is not data contains SOH.
    Soh {
        /// The field.
        tag: Tag,
    },
    /// The engine writes this field itself.
    EngineOwned {
        /// The field.
        tag: Tag,
    },
    /// A header field among the body fields: it belongs into [`HeaderFields`].
    HeaderInBody {
        /// The field.
        tag: Tag,
    },
    /// A field given as header field that is none, or is part of the group NoHops(627), which is read
    /// but not written here.
    NotAHeaderField {
        /// The field.
        tag: Tag,
    },
    /// A data field or its length written alone: they go together, through `data`.
    DataAlone {
        /// The field.
        tag: Tag,
    },
    /// The second is not the data field of the first.
    NotAPair {
        /// Given as length field.
        length_tag: Tag,
        /// Given as data field.
        data_tag: Tag,
    },
    /// A body field after Signature(89).
    AfterTrailer {
        /// The field.
        tag: Tag,
    },
    /// The frame to be sent again cannot be read.
    Original(Malformed),
    /// The frame to be sent again lacks a field it must have.
    OriginalLacks {
        /// The field.
        tag: Tag,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Room { len } => write!(f, "the frame does not fit into {len} bytes"),
            Self::BeginString => {
                write!(
                    f,
                    "BeginString(8) is not one of FIX.4.0 to FIX.4.4 and FIXT.1.1"
                )
            }
            Self::InvalidTag => write!(f, "there is no field 0"),
            Self::Empty { tag } => write!(f, "field {tag} has no value"),
            Self::Soh { tag } => write!(f, "the value of field {tag} contains SOH and is not data"),
            Self::EngineOwned { tag } => write!(f, "field {tag} is written by the engine alone"),
            Self::HeaderInBody { tag } => {
                write!(
                    f,
                    "header field {tag} after the body began; give it before, as a header field"
                )
            }
            Self::NotAHeaderField { tag } => write!(f, "field {tag} cannot be given as a header field"),
            Self::DataAlone { tag } => {
                write!(
                    f,
                    "field {tag} is data or the length of it; write both with one call"
                )
            }
            Self::NotAPair {
                length_tag,
                data_tag,
            } => {
                write!(
                    f,
                    "field {length_tag} does not give the length of field {data_tag}"
                )
            }
            Self::AfterTrailer { tag } => write!(f, "body field {tag} after the signature"),
            Self::Original(malformed) => {
                write!(f, "the frame to send again cannot be read: {malformed}")
            }
            Self::OriginalLacks { tag } => write!(f, "the frame to send again has no field {tag}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// What is the same in the header of every message of a session.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    front: Front,
    /// Encoded fields, SOH included, in the order of [`header_position`].
    encoded: Box<[u8]>,
    fields: Box<[TemplateField]>,
    /// End of the fields in `encoded` that go before 34.
    first_end: usize,
    /// End of those that go between 34 and 52; the rest follows 52.
    second_end: usize,
}

#[derive(Clone, Debug)]
struct TemplateField {
    tag: Tag,
    end: usize,
}

impl HeaderTemplate {
    /// A header from these identities and further fixed fields in any order, such as SenderSubID(50),
    /// TargetSubID(57), SenderLocationID(142) and TargetLocationID(143). Allocates; once per session.
    ///
    /// # Errors
    /// BeginString(8) is not known; a value is empty or contains SOH; a field is no header field, is
    /// one the engine owns, or is data. The last of several fields with the same tag counts.
    pub fn new(
        begin_string: &[u8],
        sender_comp_id: &[u8],
        target_comp_id: &[u8],
        fixed: &[(Tag, &[u8])],
    ) -> Result<Self, EncodeError> {
        let front = Front::new(begin_string)?;
        let mut all = vec![
            (tag::SENDER_COMP_ID, sender_comp_id),
            (tag::TARGET_COMP_ID, target_comp_id),
        ];
        for &(tag, value) in fixed {
            check_header_tag(tag)?;
            all.retain(|&(other, _)| other != tag);
            all.push((tag, value));
        }
        all.sort_by_key(|&(tag, _)| header_position(tag));
        let mut encoded = Vec::new();
        let mut fields = Vec::new();
        let (mut first_end, mut second_end) = (0, 0);
        for (tag, value) in all {
            check_value(tag, value)?;
            encoded.extend_from_slice(tag.to_string().as_bytes());
            encoded.push(b'=');
            encoded.extend_from_slice(value);
            encoded.push(SOH);
            fields.push(TemplateField {
                tag,
                end: encoded.len(),
            });
            if header_position(tag) < tag::MSG_SEQ_NUM {
                first_end = encoded.len();
            }
            if header_position(tag) < tag::SENDING_TIME {
                second_end = encoded.len();
            }
        }
        Ok(Self {
            front,
            encoded: encoded.into(),
            fields: fields.into(),
            first_end,
            second_end,
        })
    }

    /// BeginString(8).
    #[must_use]
    pub fn begin_string(&self) -> &[u8] {
        let text = self.front.text();
        &text[2..text.len() - 3]
    }
}

/// Header fields of one message, beside those of the template. A field of the template with the same
/// tag is replaced. Borrowed values, no allocation; errors surface at [`FrameWriter::finish`].
#[derive(Clone, Debug)]
pub struct HeaderFields<'a> {
    entries: [HeaderField<'a>; HEADER_FIELDS_MAX],
    len: usize,
    error: Option<EncodeError>,
}

#[derive(Clone, Copy, Debug)]
struct HeaderField<'a> {
    tag: Tag,
    value: HeaderValue<'a>,
}

#[derive(Clone, Copy, Debug)]
enum HeaderValue<'a> {
    Bytes(&'a [u8]),
    Uint(u64),
    /// The entry's tag is that of the length.
    Data(Tag, &'a [u8]),
}

/// As many as there are: every header field that may be given, and 43 and 122. Setting one again
/// replaces it, so this is never exceeded.
const HEADER_FIELDS_MAX: usize = 21;

impl<'a> HeaderFields<'a> {
    /// None yet.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        let none = HeaderField {
            tag: tag::INVALID,
            value: HeaderValue::Uint(0),
        };
        Self {
            entries: [none; HEADER_FIELDS_MAX],
            len: 0,
            error: None,
        }
    }

    /// A field of any type but data.
    pub fn bytes(&mut self, tag: Tag, value: &'a [u8]) -> &mut Self {
        match check_header_tag(tag).and_then(|()| check_value(tag, value)) {
            Ok(()) => self.set(tag, HeaderValue::Bytes(value)),
            Err(error) => self.fail(error),
        }
    }

    /// A field of type String.
    pub fn str(&mut self, tag: Tag, value: &'a str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    /// A field of type int or SeqNum, such as LastMsgSeqNumProcessed(369).
    pub fn uint(&mut self, tag: Tag, value: u64) -> &mut Self {
        match check_header_tag(tag) {
            Ok(()) => self.set(tag, HeaderValue::Uint(value)),
            Err(error) => self.fail(error),
        }
    }

    /// A length and its data field: SecureData(91) or XmlData(213).
    pub fn data(&mut self, length_tag: Tag, data_tag: Tag, value: &'a [u8]) -> &mut Self {
        if tag::data_of_length(length_tag) != Some(data_tag) {
            self.fail(EncodeError::NotAPair {
                length_tag,
                data_tag,
            })
        } else if !tag::is_header(data_tag) {
            self.fail(EncodeError::NotAHeaderField { tag: data_tag })
        } else if value.is_empty() {
            self.fail(EncodeError::Empty { tag: data_tag })
        } else {
            self.set(length_tag, HeaderValue::Data(data_tag, value))
        }
    }

    /// PossDupFlag(43)=Y and OrigSendingTime(122), for what the session itself sends again: a gap fill.
    pub fn possible_duplicate(&mut self, orig_sending_time: &'a [u8]) -> &mut Self {
        if let Err(error) = check_value(tag::ORIG_SENDING_TIME, orig_sending_time) {
            return self.fail(error);
        }
        self.set(tag::POSS_DUP_FLAG, HeaderValue::Bytes(b"Y"));
        self.set(
            tag::ORIG_SENDING_TIME,
            HeaderValue::Bytes(orig_sending_time),
        )
    }

    /// Keeps the order of emission.
    fn set(&mut self, tag: Tag, value: HeaderValue<'a>) -> &mut Self {
        let place = self.entries[..self.len]
            .iter()
            .position(|entry| header_position(entry.tag) >= header_position(tag))
            .unwrap_or(self.len);
        if place == self.len || self.entries[place].tag != tag {
            self.entries.copy_within(place..self.len, place + 1);
            self.len += 1;
        }
        self.entries[place] = HeaderField { tag, value };
        self
    }

    fn fail(&mut self, error: EncodeError) -> &mut Self {
        self.error.get_or_insert(error);
        self
    }
}

impl Default for HeaderFields<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A frame being written into borrowed room.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    draft: Draft<'a>,
    /// Signature(89) was written; nothing but CheckSum(10) may follow.
    signed: bool,
}

impl<'a> FrameWriter<'a> {
    /// Writes the header: MsgType(35), MsgSeqNum(34), the fields of the template and SendingTime(52),
    /// whose text is taken as it is.
    #[inline]
    #[must_use]
    pub fn begin(
        room: &'a mut [u8],
        template: &HeaderTemplate,
        msg_type: &[u8],
        seq: u64,
        sending_time: &[u8],
    ) -> Self {
        let mut draft = Draft::begin(room, template.front);
        draft.text_field(tag::MSG_TYPE, msg_type);
        draft.put(&template.encoded[..template.first_end]);
        draft.uint_field(tag::MSG_SEQ_NUM, seq);
        draft.put(&template.encoded[template.first_end..template.second_end]);
        draft.text_field(tag::SENDING_TIME, sending_time);
        draft.put(&template.encoded[template.second_end..]);
        Self {
            draft,
            signed: false,
        }
    }

    /// Like [`FrameWriter::begin`], with further header fields each in its place.
    #[must_use]
    pub fn begin_with(
        room: &'a mut [u8],
        template: &HeaderTemplate,
        fields: &HeaderFields<'_>,
        msg_type: &[u8],
        seq: u64,
        sending_time: &[u8],
    ) -> Self {
        let mut draft = Draft::begin(room, template.front);
        if let Some(error) = fields.error {
            draft.fail(error);
        }
        let mut merge = Merge {
            template,
            taken: 0,
            fields: &fields.entries[..fields.len],
        };
        draft.text_field(tag::MSG_TYPE, msg_type);
        merge.write_before(tag::MSG_SEQ_NUM, &mut draft);
        draft.uint_field(tag::MSG_SEQ_NUM, seq);
        merge.write_before(tag::SENDING_TIME, &mut draft);
        draft.text_field(tag::SENDING_TIME, sending_time);
        merge.write_before(Tag::MAX, &mut draft);
        Self {
            draft,
            signed: false,
        }
    }

    /// A field of any type but data, its text taken as it is.
    #[inline]
    pub fn bytes(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        if self.may_follow(tag) {
            self.draft.text_field(tag, value);
        }
        self
    }

    /// A field of type String.
    #[inline]
    pub fn str(&mut self, tag: Tag, value: &str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    /// A field of type char.
    #[inline]
    pub fn char(&mut self, tag: Tag, value: u8) -> &mut Self {
        self.bytes(tag, &[value])
    }

    /// A field of type int.
    #[inline]
    pub fn int(&mut self, tag: Tag, value: i64) -> &mut Self {
        if self.may_follow(tag) {
            let mut digits = [0; UINT_LEN_MAX];
            let digits = value::format_uint(value.unsigned_abs(), &mut digits);
            self.draft
                .field(tag, if value < 0 { b"-" } else { b"" }, digits);
        }
        self
    }

    /// A field of type SeqNum, Length or NumInGroup.
    #[inline]
    pub fn uint(&mut self, tag: Tag, value: u64) -> &mut Self {
        if self.may_follow(tag) {
            self.draft.uint_field(tag, value);
        }
        self
    }

    /// A field of type Boolean.
    #[inline]
    pub fn boolean(&mut self, tag: Tag, value: bool) -> &mut Self {
        self.bytes(tag, if value { b"Y" } else { b"N" })
    }

    /// A field of type float, Price, Qty or Amt.
    #[inline]
    pub fn decimal(&mut self, tag: Tag, value: Decimal) -> &mut Self {
        if self.may_follow(tag) {
            let mut text = [0; DECIMAL_LEN_MAX];
            self.draft.field(tag, b"", value.format(&mut text));
        }
        self
    }

    /// A field of type UTCTimestamp. Formats the whole date; where the time was formatted before, as for
    /// SendingTime(52), [`FrameWriter::bytes`] with that text is cheaper.
    #[inline]
    pub fn utc(&mut self, tag: Tag, value: Utc, precision: TimestampPrecision) -> &mut Self {
        if self.may_follow(tag) {
            self.draft.field(tag, b"", &value.to_fix(precision));
        }
        self
    }

    /// A length field and the data field it belongs to. The data may hold any byte.
    pub fn data(&mut self, length_tag: Tag, data_tag: Tag, value: &[u8]) -> &mut Self {
        if tag::data_of_length(length_tag) != Some(data_tag) {
            self.draft.fail(EncodeError::NotAPair {
                length_tag,
                data_tag,
            });
        } else if tag::is_header(data_tag) {
            self.draft.fail(EncodeError::HeaderInBody { tag: data_tag });
        } else if self.signed {
            self.draft.fail(EncodeError::AfterTrailer { tag: data_tag });
        } else {
            self.signed = tag::is_trailer(data_tag);
            self.draft.data_fields(length_tag, data_tag, value);
        }
        self
    }

    /// Writes BeginString(8), BodyLength(9) and CheckSum(10). The range of the room that holds the
    /// frame.
    ///
    /// # Errors
    /// The first thing that went wrong since `begin`. The room holds no frame then.
    #[inline]
    pub fn finish(self) -> Result<Range<usize>, EncodeError> {
        self.draft.close()
    }

    /// Whether a plain body field may be written now; notes the error if not.
    #[inline]
    fn may_follow(&mut self, tag: Tag) -> bool {
        if tag::is_plain_body(tag) && !self.signed {
            return true;
        }
        self.refuse(tag);
        false
    }

    #[cold]
    fn refuse(&mut self, tag: Tag) {
        self.draft.fail(if tag == tag::INVALID {
            EncodeError::InvalidTag
        } else if tag::is_engine_owned(tag) {
            EncodeError::EngineOwned { tag }
        } else if tag::is_length(tag) || tag::is_data(tag) {
            EncodeError::DataAlone { tag }
        } else if tag::is_header(tag) {
            EncodeError::HeaderInBody { tag }
        } else {
            EncodeError::AfterTrailer { tag }
        });
    }
}

/// Writes the copy of a sent frame that answers a ResendRequest(2).
///
/// The same fields in the same order, but: PossDupFlag(43)=Y after MsgSeqNum(34), OrigSendingTime(122) with
/// the text of the original SendingTime(52), a new 52, and 9 and 10 computed again. 43 and 122 of the original
/// are replaced. The body is copied as one piece. `room` must hold
/// 96 bytes more than `original`, which covers stamps of 27 characters and one more digit in 9.
///
/// # Errors
/// The original cannot be read, has no 34 or 52 in its header, or `room` is too small.
pub fn replay(
    original: &[u8],
    index: &mut FieldIndex,
    room: &mut [u8],
    sending_time: &[u8],
) -> Result<Range<usize>, EncodeError> {
    let message = index.read(original).map_err(EncodeError::Original)?;
    let last = message.len() - 1;
    match message.field_at(last) {
        Some((tag::CHECK_SUM, _)) => {}
        _ => {
            return Err(EncodeError::OriginalLacks {
                tag: tag::CHECK_SUM,
            });
        }
    }
    let header_end = message
        .fields()
        .position(|(tag, _)| !tag::is_header(tag))
        .unwrap_or(last);
    let header_value = |wanted| match message.position(wanted) {
        Some(at) if at < header_end => message
            .get(wanted)
            .ok_or(EncodeError::OriginalLacks { tag: wanted }),
        _ => Err(EncodeError::OriginalLacks { tag: wanted }),
    };
    header_value(tag::MSG_SEQ_NUM)?;
    let orig_sending_time = header_value(tag::SENDING_TIME)?;

    let mut draft = Draft::begin(room, Front::new(message.begin_string())?);
    let mut orig_written = false;
    for (at, (tag, _)) in message.fields().enumerate().take(header_end).skip(2) {
        if !orig_written && tag > tag::ORIG_SENDING_TIME && header_position(tag) == tag {
            draft.text_field(tag::ORIG_SENDING_TIME, orig_sending_time);
            orig_written = true;
        }
        match tag {
            tag::POSS_DUP_FLAG | tag::ORIG_SENDING_TIME => {}
            tag::SENDING_TIME => draft.text_field(tag, sending_time),
            _ => draft.put(&original[message.start_of(at)..message.start_of(at + 1)]),
        }
        if tag == tag::MSG_SEQ_NUM {
            draft.text_field(tag::POSS_DUP_FLAG, b"Y");
        }
    }
    if !orig_written {
        draft.text_field(tag::ORIG_SENDING_TIME, orig_sending_time);
    }
    draft.put(&original[message.start_of(header_end)..message.start_of(last)]);
    draft.close()
}

/// Digits of BodyLength(9) that room is kept for.
const BODY_LENGTH_DIGITS: usize = 9;

/// Longest `8=...|9=`.
const FRONT_LEN_MAX: usize = 13;

/// `8=...|9=`.
#[derive(Clone, Copy, Debug)]
struct Front {
    bytes: [u8; FRONT_LEN_MAX],
    len: u8,
}

impl Front {
    fn new(begin_string: &[u8]) -> Result<Self, EncodeError> {
        if !BEGIN_STRINGS.contains(&begin_string) {
            return Err(EncodeError::BeginString);
        }
        let mut bytes = [SOH; FRONT_LEN_MAX];
        let len = begin_string.len() + 5;
        bytes[..2].copy_from_slice(b"8=");
        bytes[2..len - 3].copy_from_slice(begin_string);
        bytes[len - 2..len].copy_from_slice(b"9=");
        Ok(Self {
            bytes,
            len: len as u8,
        })
    }

    #[inline]
    fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The mechanics of a frame: room, cursor, first error. Knows no rules about which field goes where.
#[derive(Debug)]
struct Draft<'a> {
    room: &'a mut [u8],
    front: Front,
    body: usize,
    /// Where the next byte goes.
    at: usize,
    /// End of the room for the body: the trailer is kept free. Zero once there is an error, so that the
    /// check for room is the only one on the way.
    limit: usize,
    error: Option<EncodeError>,
}

impl<'a> Draft<'a> {
    #[inline]
    fn begin(room: &'a mut [u8], front: Front) -> Self {
        let body = usize::from(front.len) + BODY_LENGTH_DIGITS + 1;
        let limit = room.len().saturating_sub(TRAILER_LEN);
        let mut draft = Self {
            room,
            front,
            body,
            at: body,
            limit,
            error: None,
        };
        if body > limit {
            draft.fail_room();
        }
        draft
    }

    /// A field whose value is checked.
    #[inline]
    fn text_field(&mut self, tag: Tag, value: &[u8]) {
        if value.is_empty() {
            return self.fail(EncodeError::Empty { tag });
        }
        if value.contains(&SOH) {
            return self.fail(EncodeError::Soh { tag });
        }
        self.field(tag, b"", value);
    }

    #[inline]
    fn uint_field(&mut self, tag: Tag, value: u64) {
        let mut digits = [0; UINT_LEN_MAX];
        self.field(tag, b"", value::format_uint(value, &mut digits));
    }

    fn data_fields(&mut self, length_tag: Tag, data_tag: Tag, value: &[u8]) {
        if value.is_empty() {
            return self.fail(EncodeError::Empty { tag: data_tag });
        }
        self.uint_field(length_tag, value.len() as u64);
        self.field(data_tag, b"", value);
    }

    /// A field whose value, in two parts, is known to be good.
    #[inline]
    fn field(&mut self, tag: Tag, sign: &[u8], value: &[u8]) {
        let mut digits = [0; UINT_LEN_MAX];
        let digits = value::format_uint(u64::from(tag), &mut digits);
        let len = digits.len() + 1 + sign.len() + value.len() + 1;
        let Some(out) = self.take(len) else { return };
        let (head, tail) = out.split_at_mut(digits.len() + 1);
        head[..digits.len()].copy_from_slice(digits);
        head[digits.len()] = b'=';
        tail[..sign.len()].copy_from_slice(sign);
        tail[sign.len()..sign.len() + value.len()].copy_from_slice(value);
        tail[sign.len() + value.len()] = SOH;
    }

    /// Whole fields, encoded before.
    #[inline]
    fn put(&mut self, encoded: &[u8]) {
        if let Some(out) = self.take(encoded.len()) {
            out.copy_from_slice(encoded);
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        if self
            .limit
            .checked_sub(self.at)
            .is_none_or(|left| len > left)
        {
            self.fail_room();
            return None;
        }
        let start = self.at;
        self.at += len;
        Some(&mut self.room[start..start + len])
    }

    #[inline]
    fn close(self) -> Result<Range<usize>, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut digits = [0; UINT_LEN_MAX];
        let digits = value::format_uint((self.at - self.body) as u64, &mut digits);
        if digits.len() > BODY_LENGTH_DIGITS {
            return Err(EncodeError::Room {
                len: self.room.len(),
            });
        }
        let front = self.front.text();
        let digits_at = self.body - 1 - digits.len();
        let start = digits_at - front.len();
        self.room[self.body - 1] = SOH;
        self.room[digits_at..self.body - 1].copy_from_slice(digits);
        self.room[start..digits_at].copy_from_slice(front);
        let sum = scan::checksum(&self.room[start..self.at]);
        let trailer = [
            b'1',
            b'0',
            b'=',
            b'0' + sum / 100,
            b'0' + sum / 10 % 10,
            b'0' + sum % 10,
            SOH,
        ];
        let end = self.at + TRAILER_LEN;
        self.room[self.at..end].copy_from_slice(&trailer);
        Ok(start..end)
    }

    #[cold]
    fn fail_room(&mut self) {
        self.fail(EncodeError::Room {
            len: self.room.len(),
        });
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
        self.limit = 0;
    }
}

/// The fields of a template and those of one message, in order, the latter winning.
struct Merge<'a> {
    template: &'a HeaderTemplate,
    /// How many fields of the template are done with.
    taken: usize,
    fields: &'a [HeaderField<'a>],
}

impl Merge<'_> {
    fn write_before(&mut self, limit: Tag, draft: &mut Draft<'_>) {
        loop {
            let fixed = self
                .template
                .fields
                .get(self.taken)
                .map(|field| header_position(field.tag));
            let own = self.fields.first().map(|field| header_position(field.tag));
            let fixed_next = fixed.filter(|&at| at < limit);
            match (fixed_next, own.filter(|&at| at < limit)) {
                (None, None) => return,
                (Some(at), own) if own.is_none_or(|own| at < own) => {
                    draft.put(self.take_fixed());
                }
                (fixed, Some(at)) => {
                    if fixed == Some(at) {
                        self.take_fixed();
                    }
                    let (field, rest) = (self.fields[0], &self.fields[1..]);
                    self.fields = rest;
                    match field.value {
                        HeaderValue::Bytes(value) => draft.field(field.tag, b"", value),
                        HeaderValue::Uint(value) => draft.uint_field(field.tag, value),
                        HeaderValue::Data(data_tag, value) => {
                            draft.data_fields(field.tag, data_tag, value);
                        }
                    }
                }
                (Some(_), None) => draft.put(self.take_fixed()),
            }
        }
    }

    fn take_fixed(&mut self) -> &[u8] {
        let start = if self.taken == 0 {
            0
        } else {
            self.template.fields[self.taken - 1].end
        };
        let end = self.template.fields[self.taken].end;
        self.taken += 1;
        &self.template.encoded[start..end]
    }
}

/// Sorts header fields into the order of emission: 1128, 1129 and 1156 before 34, the rest ascending.
#[inline]
const fn header_position(tag: Tag) -> Tag {
    match tag {
        tag::APPL_VER_ID | tag::CSTM_APPL_VER_ID | tag::APPL_EXT_ID => tag - tag::APPL_VER_ID,
        _ => tag,
    }
}

/// Whether `tag` may be given as a header field with a plain value.
fn check_header_tag(tag: Tag) -> Result<(), EncodeError> {
    if tag::is_engine_owned(tag) {
        Err(EncodeError::EngineOwned { tag })
    } else if !tag::is_header(tag) || matches!(tag, tag::NO_HOPS..=tag::HOP_REF_ID) {
        Err(EncodeError::NotAHeaderField { tag })
    } else if tag::is_length(tag) || tag::is_data(tag) {
        Err(EncodeError::DataAlone { tag })
    } else {
        Ok(())
    }
}

fn check_value(tag: Tag, value: &[u8]) -> Result<(), EncodeError> {
    if value.is_empty() {
        Err(EncodeError::Empty { tag })
    } else if value.contains(&SOH) {
        Err(EncodeError::Soh { tag })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fix::frame::{Cut, cut};

    /// What the caller of `replay` has to add.
    const MORE: usize = 96;

    const TIME: &[u8] = b"20120904-22:13:57.789";

    fn template() -> HeaderTemplate {
        HeaderTemplate::new(b"FIX.4.2", b"CTS", b"T4Example", &[]).unwrap()
    }

    fn shown(frame: &[u8]) -> String {
        assert_eq!(
            cut(frame, 1 << 16),
            Cut::Frame {
                len: frame.len(),
                body: body_of(frame)
            }
        );
        frame
            .iter()
            .map(|&b| if b == SOH { '|' } else { char::from(b) })
            .collect()
    }

    fn body_of(frame: &[u8]) -> usize {
        frame
            .iter()
            .enumerate()
            .filter(|&(_, &b)| b == SOH)
            .nth(1)
            .unwrap()
            .0
            + 1
    }

    /// The frame `fill` makes, without 9 and 10.
    fn written(
        template: &HeaderTemplate,
        fields: &HeaderFields<'_>,
        fill: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<String, EncodeError> {
        let mut room = [0xaa; 2000];
        let mut writer = FrameWriter::begin_with(&mut room, template, fields, b"D", 2, TIME);
        fill(&mut writer);
        let range = writer.finish()?;
        let frame = &room[range];
        let text = shown(frame);
        Ok(text[body_of(frame)..text.len() - 7].to_string())
    }

    fn body(fill: impl FnOnce(&mut FrameWriter<'_>)) -> Result<String, EncodeError> {
        let text = written(&template(), &HeaderFields::new(), fill)?;
        let header = "35=D|34=2|49=CTS|52=20120904-22:13:57.789|56=T4Example|";
        Ok(text.strip_prefix(header).unwrap().to_string())
    }

    #[test]
    fn venue_samples_in_our_order() {
        let mut room = [0; 300];
        let writer = FrameWriter::begin(&mut room, &template(), b"5", 2, TIME);
        let range = writer.finish().unwrap();
        // The sum does not depend on the order of fields.
        assert_eq!(
            shown(&room[range]),
            "8=FIX.4.2|9=55|35=5|34=2|49=CTS|52=20120904-22:13:57.789|56=T4Example|10=038|"
        );

        let server = HeaderTemplate::new(b"FIX.4.2", b"T4Example", b"CTS", &[(50, b"T4FIX")]).unwrap();
        let mut writer = FrameWriter::begin(&mut room, &server, b"5", 2, TIME);
        writer.str(tag::TEXT, "Successful logout upon request");
        let range = writer.finish().unwrap();
        assert_eq!(
            shown(&room[range]),
            "8=FIX.4.2|9=98|35=5|34=2|49=T4Example|50=T4FIX|52=20120904-22:13:57.789|56=CTS|\
             58=Successful logout upon request|10=207|"
        );

        let client = HeaderTemplate::new(b"FIXT.1.1", b"CLIENT1", b"BROKERET", &[]).unwrap();
        assert_eq!(client.begin_string(), b"FIXT.1.1");
        let mut writer = FrameWriter::begin(&mut room, &client, b"A", 1, b"20260312-14:30:00.000");
        writer
            .int(tag::ENCRYPT_METHOD, 0)
            .uint(tag::HEART_BT_INT, 30)
            .str(tag::USERNAME, "client1")
            .str(tag::PASSWORD, "MyP@ssw0rd")
            .boolean(tag::RESET_SEQ_NUM_FLAG, true)
            .char(tag::DEFAULT_APPL_VER_ID, b'9');
        let range = writer.finish().unwrap();
        assert_eq!(
            shown(&room[range]),
            "8=FIXT.1.1|9=110|35=A|34=1|49=CLIENT1|52=20260312-14:30:00.000|56=BROKERET|98=0|108=30|\
             553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=060|"
        );
    }

    #[test]
    fn every_kind_of_value() {
        let text = body(|w| {
            w.bytes(58, b"a b")
                .str(11, "id")
                .char(54, b'1')
                .int(44, -5)
                .int(45, i64::MIN)
                .uint(38, u64::MAX)
                .boolean(114, false)
                .decimal(31, Decimal::new(-105, 3).unwrap())
                .utc(60, Utc(951_782_400_123_456_789), TimestampPrecision::Micros)
                .data(354, 355, b"a\x0110=000\x01");
        });
        assert_eq!(
            text.unwrap(),
            "58=a b|11=id|54=1|44=-5|45=-9223372036854775808|38=18446744073709551615|114=N|31=-0.105|\
             60=20000229-00:00:00.123456|354=9|355=a|10=000||"
        );
        assert_eq!(
            body(|w| {
                w.int(1, 0).int(4_294_967_295, 1);
            })
            .unwrap(),
            "1=0|4294967295=1|"
        );
    }

    #[test]
    fn header_fields_stand_in_ascending_order_with_1128_first() {
        let template = HeaderTemplate::new(
            b"FIXT.1.1",
            b"A",
            b"B",
            &[
                (143, b"tl"),
                (50, b"ss"),
                (1129, b"cv"),
                (57, b"ts"),
                (142, b"sl"),
                (50, b"last"),
            ],
        )
        .unwrap();
        assert_eq!(
            written(&template, &HeaderFields::new(), |_| {}).unwrap(),
            "35=D|1129=cv|34=2|49=A|50=last|52=20120904-22:13:57.789|56=B|57=ts|142=sl|143=tl|"
        );
        let mut fields = HeaderFields::new();
        fields
            .uint(369, 17)
            .data(90, 91, b"s\x01x")
            .bytes(1128, b"6")
            .str(57, "mine")
            .str(57, "again")
            .str(115, "obo")
            .str(116, "")
            .str(128, "dtc");
        assert_eq!(
            written(&template, &fields, |_| {}),
            Err(EncodeError::Empty { tag: 116 })
        );
        let mut fields = HeaderFields::new();
        fields
            .uint(369, 17)
            .data(90, 91, b"s\x01x")
            .bytes(1128, b"6")
            .str(57, "mine")
            .str(57, "again")
            .str(115, "obo")
            .possible_duplicate(b"T");
        assert_eq!(
            written(&template, &fields, |w| {
                w.str(58, "x");
            })
            .unwrap(),
            "35=D|1128=6|1129=cv|34=2|43=Y|49=A|50=last|52=20120904-22:13:57.789|56=B|57=again|\
             90=3|91=s|x|115=obo|122=T|142=sl|143=tl|369=17|58=x|"
        );
    }

    #[test]
    fn all_header_fields_at_once_fit() {
        let mut fields = HeaderFields::new();
        fields
            .possible_duplicate(b"T")
            .data(90, 91, b"x")
            .data(212, 213, b"x");
        for tag in (1..3000).rev().filter(|&tag| check_header_tag(tag).is_ok()) {
            fields.bytes(tag, b"v").uint(tag, 1).bytes(tag, b"w");
        }
        assert_eq!((fields.len, fields.error), (HEADER_FIELDS_MAX, None));
        assert_eq!(
            written(&template(), &fields, |_| {}).unwrap(),
            "35=D|1128=w|1129=w|1156=w|34=2|43=Y|49=CTS|50=w|52=20120904-22:13:57.789|56=T4Example|57=w|\
             90=1|91=x|97=w|115=w|116=w|122=T|128=w|129=w|142=w|143=w|144=w|145=w|212=1|213=x|347=w|\
             369=w|370=w|"
        );
    }

    #[test]
    fn begin_and_begin_with_nothing_are_the_same() {
        let (mut one, mut two) = ([0; 200], [0; 200]);
        let template = HeaderTemplate::new(
            b"FIX.4.4",
            b"A",
            b"B",
            &[(1128, b"9"), (50, b"c"), (142, b"d")],
        )
        .unwrap();
        let first = FrameWriter::begin(&mut one, &template, b"0", 9, TIME)
            .finish()
            .unwrap();
        let second = FrameWriter::begin_with(&mut two, &template, &HeaderFields::new(), b"0", 9, TIME);
        let second = second.finish().unwrap();
        assert_eq!(one[first], two[second]);
    }

    #[test]
    fn header_fields_that_are_refused() {
        for owned in [8, 9, 10, 34, 35, 43, 49, 52, 56, 122] {
            let mut fields = HeaderFields::new();
            fields.bytes(owned, b"x");
            assert_eq!(fields.error, Some(EncodeError::EngineOwned { tag: owned }));
            let template = HeaderTemplate::new(b"FIX.4.2", b"A", b"B", &[(owned, b"x")]);
            assert_eq!(
                template.err(),
                Some(EncodeError::EngineOwned { tag: owned })
            );
        }
        for other in [0, 58, 627, 628, 93, 554, 5000] {
            assert_eq!(
                HeaderFields::new().uint(other, 1).error,
                Some(EncodeError::NotAHeaderField { tag: other })
            );
        }
        assert_eq!(
            HeaderFields::new().bytes(91, b"x").error,
            Some(EncodeError::DataAlone { tag: 91 })
        );
        assert_eq!(
            HeaderFields::new().data(95, 96, b"x").error,
            Some(EncodeError::NotAHeaderField { tag: 96 })
        );
        assert_eq!(
            HeaderFields::new().data(90, 213, b"x").error,
            Some(EncodeError::NotAPair {
                length_tag: 90,
                data_tag: 213
            })
        );
        assert_eq!(
            HeaderFields::new().data(90, 91, b"").error,
            Some(EncodeError::Empty { tag: 91 })
        );
        assert_eq!(
            HeaderFields::new().bytes(57, b"a\x01b").error,
            Some(EncodeError::Soh { tag: 57 })
        );
        assert_eq!(
            HeaderFields::new().possible_duplicate(b"").error,
            Some(EncodeError::Empty { tag: 122 })
        );
        let new = |begin: &[u8], sender: &[u8]| HeaderTemplate::new(begin, sender, b"B", &[]).err();
        assert_eq!(new(b"FIX.5.0", b"A"), Some(EncodeError::BeginString));
        assert_eq!(new(b"FIX.4.2", b""), Some(EncodeError::Empty { tag: 49 }));
        assert_eq!(
            new(b"FIX.4.2", b"a\x01"),
            Some(EncodeError::Soh { tag: 49 })
        );
    }

    #[test]
    fn body_fields_that_are_refused() {
        for owned in [8, 9, 10, 34, 35, 43, 49, 52, 56, 122] {
            assert_eq!(
                body(|w| {
                    w.str(owned, "x");
                }),
                Err(EncodeError::EngineOwned { tag: owned })
            );
        }
        assert_eq!(
            body(|w| {
                w.str(0, "x");
            }),
            Err(EncodeError::InvalidTag)
        );
        assert_eq!(
            body(|w| {
                w.str(57, "x");
            }),
            Err(EncodeError::HeaderInBody { tag: 57 })
        );
        assert_eq!(
            body(|w| {
                w.str(1128, "x");
            }),
            Err(EncodeError::HeaderInBody { tag: 1128 })
        );
        assert_eq!(
            body(|w| {
                w.data(90, 91, b"x");
            }),
            Err(EncodeError::HeaderInBody { tag: 91 })
        );
        assert_eq!(
            body(|w| {
                w.str(96, "x");
            }),
            Err(EncodeError::DataAlone { tag: 96 })
        );
        assert_eq!(
            body(|w| {
                w.uint(95, 1);
            }),
            Err(EncodeError::DataAlone { tag: 95 })
        );
        assert_eq!(
            body(|w| {
                w.str(42684, "x");
            }),
            Err(EncodeError::DataAlone { tag: 42684 })
        );
        assert_eq!(
            body(|w| {
                w.data(95, 355, b"x");
            }),
            Err(EncodeError::NotAPair {
                length_tag: 95,
                data_tag: 355
            })
        );
        assert_eq!(
            body(|w| {
                w.data(95, 96, b"");
            }),
            Err(EncodeError::Empty { tag: 96 })
        );
        assert_eq!(
            body(|w| {
                w.str(58, "");
            }),
            Err(EncodeError::Empty { tag: 58 })
        );
        assert_eq!(
            body(|w| {
                w.str(58, "a\x01b");
            }),
            Err(EncodeError::Soh { tag: 58 })
        );
        assert_eq!(
            body(|w| {
                w.char(54, SOH);
            }),
            Err(EncodeError::Soh { tag: 54 })
        );
        assert_eq!(
            body(|w| {
                w.data(93, 89, b"sig");
            })
            .unwrap(),
            "93=3|89=sig|"
        );
        assert_eq!(
            body(|w| {
                w.data(93, 89, b"sig").str(58, "x");
            }),
            Err(EncodeError::AfterTrailer { tag: 58 })
        );
        // The first error stays.
        assert_eq!(
            body(|w| {
                w.str(58, "").str(0, "x").str(55, "fine");
            }),
            Err(EncodeError::Empty { tag: 58 })
        );
        let mut room = [0; 200];
        let end = |w: FrameWriter<'_>| w.finish().err();
        assert_eq!(
            end(FrameWriter::begin(&mut room, &template(), b"", 1, TIME)),
            Some(EncodeError::Empty { tag: 35 })
        );
        assert_eq!(
            end(FrameWriter::begin(&mut room, &template(), b"0", 1, b"")),
            Some(EncodeError::Empty { tag: 52 })
        );
    }

    #[test]
    fn room_of_every_size() {
        let fill = |room: &mut [u8]| {
            let mut fields = HeaderFields::new();
            fields.str(57, "sub");
            let mut writer = FrameWriter::begin_with(room, &template(), &fields, b"D", 1, TIME);
            writer
                .str(11, "an id")
                .uint(38, 100)
                .data(95, 96, b"raw")
                .decimal(44, Decimal::from(7));
            writer.finish()
        };
        let mut large = [0; 500];
        let range = fill(&mut large).unwrap();
        let frame = large[range.clone()].to_vec();
        for len in 0..range.end {
            let mut room = vec![0; len];
            assert_eq!(fill(&mut room), Err(EncodeError::Room { len }));
        }
        let mut exact = vec![0; range.end];
        assert_eq!(fill(&mut exact), Ok(range.clone()));
        assert_eq!(exact[range.clone()], frame);
        assert!(range.end <= frame.len() + ROOM_BEYOND_FRAME);
    }

    #[test]
    fn every_residue_of_the_sum_is_written_right() {
        let mut met = [false; 256];
        let mut room = [0; 200];
        for n in 0..300 {
            let mut writer = FrameWriter::begin(&mut room, &template(), b"0", 7, TIME);
            // Four characters that add 0 to 299 to the sum.
            let filler = [n, n + 1, n + 2, n + 3].map(|n| b'!' + (n / 4) as u8);
            writer.bytes(112, &filler);
            let frame = writer.finish().unwrap();
            let frame = &room[frame];
            let (front, trailer) = frame.split_at(frame.len() - 7);
            let sum: u32 = front.iter().map(|&b| u32::from(b)).sum::<u32>() % 256;
            assert_eq!(trailer, format!("10={sum:03}\x01").as_bytes());
            met[sum as usize] = true;
        }
        assert!(met.iter().all(|&met| met));
    }

    #[test]
    fn body_length_grows_in_digits_without_zeros() {
        let mut room = vec![0; 120_000];
        for len in [
            1, 30, 43, 44, 45, 940, 943, 944, 9_943, 9_944, 99_943, 99_944,
        ] {
            let mut writer = FrameWriter::begin(&mut room, &template(), b"0", 1, TIME);
            writer.bytes(58, &vec![b'x'; len]);
            let range = writer.finish().unwrap();
            let Cut::Frame { body, .. } = cut(&room[range.clone()], 1 << 20) else {
                panic!("{len}");
            };
            let digits = (range.len() - body - 7).to_string();
            assert!(room[range][..body].ends_with(format!("\x019={digits}\x01").as_bytes()));
        }
    }

    fn replayed(original: &str, room_len: usize, time: &[u8]) -> Result<String, EncodeError> {
        let original: Vec<u8> = original
            .bytes()
            .map(|b| if b == b'|' { SOH } else { b })
            .collect();
        let mut room = vec![0; room_len];
        let range = replay(&original, &mut FieldIndex::default(), &mut room, time)?;
        let frame = &room[range];
        let text = shown(frame);
        Ok(text[body_of(frame)..text.len() - 7].to_string())
    }

    #[test]
    fn a_replay_changes_only_what_it_must() {
        let new = b"20120905-00:00:00.000";
        for (original, copy) in [
            (
                "8=FIX.4.2|9=1|35=D|34=7|49=A|52=20120904-22:13:57|56=B|11=x|95=4|96=|10=|58=y|10=000|",
                "35=D|34=7|43=Y|49=A|52=20120905-00:00:00.000|56=B|122=20120904-22:13:57|11=x|95=4|96=|10=|58=y|",
            ),
            (
                "8=FIXT.1.1|9=1|35=D|1128=9|34=7|49=A|50=u|52=t|56=B|57=v|90=3|91=a|b|97=Y|115=c|142=d|369=5|55=z|10=000|",
                "35=D|1128=9|34=7|43=Y|49=A|50=u|52=20120905-00:00:00.000|56=B|57=v|90=3|91=a|b|97=Y|115=c|122=t|142=d|369=5|55=z|",
            ),
            (
                "8=FIX.4.4|9=1|35=D|34=7|43=N|49=A|52=t|56=B|122=older|55=z|43=body|10=000|",
                "35=D|34=7|43=Y|49=A|52=20120905-00:00:00.000|56=B|122=t|55=z|43=body|",
            ),
            (
                "8=FIX.4.4|9=1|35=D|49=A|56=B|34=7|52=t|10=000|",
                "35=D|49=A|56=B|34=7|43=Y|52=20120905-00:00:00.000|122=t|",
            ),
        ] {
            assert_eq!(
                replayed(original, original.len() + MORE, new).unwrap(),
                copy
            );
        }
    }

    #[test]
    fn a_replay_needs_a_readable_original() {
        let failure = |original| replayed(original, 500, TIME).err();
        assert_eq!(
            failure("35=D|"),
            Some(EncodeError::Original(Malformed::FirstFields))
        );
        assert_eq!(
            failure("8=FIX.4.2|9=1|35=D|34=7|52=t|"),
            Some(EncodeError::OriginalLacks { tag: 10 })
        );
        assert_eq!(
            failure("8=FIX.4.2|9=1|35=D|52=t|10=000|"),
            Some(EncodeError::OriginalLacks { tag: 34 })
        );
        assert_eq!(
            failure("8=FIX.4.2|9=1|35=D|34=1|58=x|52=t|10=000|"),
            Some(EncodeError::OriginalLacks { tag: 52 })
        );
        assert_eq!(
            failure("8=FIX.9.9|9=1|35=D|34=1|52=t|10=000|"),
            Some(EncodeError::BeginString)
        );
        assert_eq!(
            failure("8=FIX.4.2|9=1|35=D|34=1|52=|10=000|"),
            Some(EncodeError::Empty { tag: 122 })
        );
        let original = "8=FIX.4.2|9=1|35=D|34=1|52=t|10=000|";
        let fits = (0..200)
            .find(|&len| replayed(original, len, TIME).is_ok())
            .unwrap();
        assert!(fits <= original.len() + MORE);
        for len in 0..fits {
            assert_eq!(
                replayed(original, len, TIME),
                Err(EncodeError::Room { len })
            );
        }
    }

    #[test]
    fn a_replay_of_a_replay_keeps_its_length() {
        let mut room = [0; 500];
        let mut writer = FrameWriter::begin(&mut room, &template(), b"D", 7, TIME);
        writer.str(11, "x");
        let range = writer.finish().unwrap();
        let original = room[range].to_vec();
        let mut index = FieldIndex::default();
        let range = replay(&original, &mut index, &mut room, b"20300101-00:00:00.000").unwrap();
        let once = room[range].to_vec();
        let range = replay(&once, &mut index, &mut room, b"20300101-00:00:01.000").unwrap();
        assert_eq!(range.len(), once.len());
        let message = index.read(&room[range]).unwrap();
        assert_eq!(
            message.get(tag::ORIG_SENDING_TIME),
            Some(&b"20300101-00:00:00.000"[..])
        );
    }
}

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

mod draft;
mod header;
mod replay;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use self::draft::{BODY_LENGTH_DIGITS, Draft};
use self::header::Merge;
pub use self::header::{HeaderFields, HeaderTemplate};
pub use self::replay::{renumber, replay};
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
    /// A counter of no group of the message, or of the entry, it was given for.
    NotAGroup {
        /// Given as counter.
        tag: Tag,
    },
    /// A field that is not part of the group.
    NotInGroup {
        /// Counter of the group.
        counter: Tag,
        /// The field.
        tag: Tag,
    },
    /// A field given twice in one entry of a group.
    Repeated {
        /// The field.
        tag: Tag,
    },
    /// An entry of a group without the field that each must begin with.
    NoDelimiter {
        /// Counter of the group.
        counter: Tag,
        /// The field.
        delimiter: Tag,
    },
    /// There were more or fewer entries than were announced.
    EntriesMiscounted {
        /// Counter of the group.
        counter: Tag,
    },
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
            Self::NotAGroup { tag } => write!(f, "field {tag} does not count a group here"),
            Self::NotInGroup { counter, tag } => {
                write!(f, "field {tag} is not part of the group of field {counter}")
            }
            Self::Repeated { tag } => write!(f, "field {tag} was given twice in one entry of a group"),
            Self::NoDelimiter { counter, delimiter } => {
                write!(
                    f,
                    "an entry of the group of field {counter} lacks field {delimiter}, which each begins with"
                )
            }
            Self::EntriesMiscounted { counter } => {
                write!(
                    f,
                    "the group of field {counter} has another number of entries than announced"
                )
            }
            Self::OriginalLacks { tag } => write!(f, "the frame to send again has no field {tag}"),
        }
    }
}

impl std::error::Error for EncodeError {}

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
        let mut merge = Merge::new(template, fields);
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

    /// How far the frame is written.
    #[inline]
    pub(crate) fn written(&self) -> usize {
        self.draft.at
    }

    /// What was written since [`FrameWriter::written`] answered `mark`.
    #[inline]
    pub(crate) fn since(&self, mark: usize) -> &[u8] {
        &self.draft.room[mark.min(self.draft.at)..self.draft.at]
    }

    /// Moves what was written since `from` to `to`, which is before it, and what is between behind it.
    pub(crate) fn turn(&mut self, to: usize, from: usize) {
        let len = self.draft.at - from;
        self.draft.room[to..self.draft.at].rotate_right(len);
    }

    /// Notes an error, unless there is one already.
    #[cold]
    pub(crate) fn fail(&mut self, error: EncodeError) {
        self.draft.fail(error);
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

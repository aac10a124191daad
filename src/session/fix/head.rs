//! The header fields the session layer lives on, read in one pass over a message.
//!
//! What is wrong with a field is kept beside it: whether that matters is decided later, and by others.

use super::content::SEQ_NUM_MAX;
use crate::dict::Checks;
use crate::session::Fault;
use crate::time::{TimestampReader, Utc};
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{FieldErrorKind, Message, value};

/// A field, or what is wrong with it.
pub(super) type Field<T> = Result<T, FieldErrorKind>;

/// The header of one message.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    /// MsgSeqNum(34).
    pub(super) seq: Field<u64>,
    /// SendingTime(52).
    pub(super) sent: Field<Utc>,
    /// OrigSendingTime(122).
    pub(super) original: Field<Utc>,
    /// ApplVerID(1128).
    pub(super) appl_ver_id: Option<&'a [u8]>,
    poss_dup: Field<bool>,
    poss_resend: Field<bool>,
    sender: [Option<&'a [u8]>; 3],
    target: [Option<&'a [u8]>; 3],
    first_empty: Option<Tag>,
    bad_tag: bool,
}

/// SenderCompID(49), SenderSubID(50) and SenderLocationID(142).
pub(super) const SENDER: [Tag; 3] = [
    tag::SENDER_COMP_ID,
    tag::SENDER_SUB_ID,
    tag::SENDER_LOCATION_ID,
];

/// TargetCompID(56), TargetSubID(57) and TargetLocationID(143).
pub(super) const TARGET: [Tag; 3] = [
    tag::TARGET_COMP_ID,
    tag::TARGET_SUB_ID,
    tag::TARGET_LOCATION_ID,
];

impl<'a> Head<'a> {
    /// Reads the header, which ends with the first field that is none of it. Of a field that occurs
    /// twice the first counts.
    ///
    /// A peer that puts header fields behind the body breaks the standard; if what every message
    /// needs is missing before, it is looked for there.
    pub(super) fn of(message: &Message<'a>, times: &mut TimestampReader) -> Self {
        use FieldErrorKind::Missing;
        let mut head = Self {
            seq: Err(Missing),
            sent: Err(Missing),
            original: Err(Missing),
            appl_ver_id: None,
            poss_dup: Err(Missing),
            poss_resend: Err(Missing),
            sender: [None; 3],
            target: [None; 3],
            first_empty: message.first_empty(),
            bad_tag: message.bad_tag().is_some(),
        };
        head.take(
            message.fields().take_while(|(tag, _)| tag::is_header(*tag)),
            times,
        );
        let missing = [
            head.seq.is_err(),
            head.sent.is_err(),
            head.sender[0].is_none(),
        ];
        if missing.contains(&true) || head.target[0].is_none() {
            head.take(message.fields(), times);
        }
        head
    }

    fn take(&mut self, fields: impl Iterator<Item = (Tag, &'a [u8])>, times: &mut TimestampReader) {
        for (tag, text) in fields {
            match tag {
                tag::MSG_SEQ_NUM => set(&mut self.seq, text, read_seq),
                tag::SENDING_TIME => set(&mut self.sent, text, |text| times.read(text)),
                tag::ORIG_SENDING_TIME => set(&mut self.original, text, Utc::parse_fix),
                tag::APPL_VER_ID => _ = self.appl_ver_id.get_or_insert(text),
                tag::POSS_DUP_FLAG => set(&mut self.poss_dup, text, value::parse_boolean),
                tag::POSS_RESEND => set(&mut self.poss_resend, text, value::parse_boolean),
                tag::SENDER_COMP_ID => _ = self.sender[0].get_or_insert(text),
                tag::SENDER_SUB_ID => _ = self.sender[1].get_or_insert(text),
                tag::SENDER_LOCATION_ID => _ = self.sender[2].get_or_insert(text),
                tag::TARGET_COMP_ID => _ = self.target[0].get_or_insert(text),
                tag::TARGET_SUB_ID => _ = self.target[1].get_or_insert(text),
                tag::TARGET_LOCATION_ID => _ = self.target[2].get_or_insert(text),
                _ => {}
            }
        }
    }

    /// Whether the fields every message needs are there, with a value, and can be read.
    pub(super) fn check(&self, checks: &Checks) -> Result<(), Fault> {
        if self.bad_tag {
            return Err(Fault::InvalidTag);
        }
        for (tag, text) in [(SENDER[0], self.sender[0]), (TARGET[0], self.target[0])] {
            match text {
                None => return Err(Fault::Missing { tag }),
                Some([]) => return Err(Fault::Empty { tag }),
                Some(_) => {}
            }
        }
        required(tag::SENDING_TIME, self.sent)?;
        optional(tag::POSS_DUP_FLAG, self.poss_dup)?;
        optional(tag::POSS_RESEND, self.poss_resend)?;
        optional(tag::ORIG_SENDING_TIME, self.original)?;
        match self.first_empty {
            Some(tag) if checks.empty_values => Err(Fault::Empty { tag }),
            _ => Ok(()),
        }
    }

    /// PossDupFlag(43)=Y.
    pub(super) fn is_poss_dup(&self) -> bool {
        self.poss_dup == Ok(true)
    }

    /// PossResend(97)=Y.
    pub(super) fn is_poss_resend(&self) -> bool {
        self.poss_resend == Ok(true)
    }

    /// A message with PossDupFlag(43)=Y carries the time of the original, which is not the later one.
    pub(super) fn check_poss_dup(&self) -> Result<(), Fault> {
        match (self.original, self.sent) {
            (Err(_), _) => Err(Fault::NoOrigSendingTime),
            (Ok(original), Ok(sent)) if original > sent => Err(Fault::OrigSendingTime),
            _ => Ok(()),
        }
    }

    /// Whether the peer says who it is and whom it means: `sender` and `target` as [`SENDER`] and
    /// [`TARGET`] have them, `None` where the identity of the session has no such part.
    pub(super) fn check_ids(
        &self,
        sender: [Option<&str>; 3],
        target: [Option<&str>; 3],
    ) -> Result<(), Fault> {
        let sides = [(SENDER, sender, self.sender), (TARGET, target, self.target)];
        for (tags, expected, found) in sides {
            for ((tag, expected), found) in tags.into_iter().zip(expected).zip(found) {
                if expected.is_some() && found != expected.map(str::as_bytes) {
                    return Err(Fault::CompId { tag });
                }
            }
        }
        Ok(())
    }
}

/// MsgSeqNum(34).
#[inline]
fn read_seq(text: &[u8]) -> Option<u64> {
    value::parse_uint(text).filter(|seq| *seq <= SEQ_NUM_MAX)
}

/// Keeps the first of a field.
#[inline]
fn set<T>(field: &mut Field<T>, text: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) {
    if matches!(field, Err(FieldErrorKind::Missing)) {
        *field = if text.is_empty() {
            Err(FieldErrorKind::Empty)
        } else {
            read(text).ok_or(FieldErrorKind::Format)
        };
    }
}

/// The fault of a field that must be there.
pub(super) fn required<T>(tag: Tag, field: Field<T>) -> Result<(), Fault> {
    match field {
        Ok(_) => Ok(()),
        Err(FieldErrorKind::Missing) => Err(Fault::Missing { tag }),
        Err(FieldErrorKind::Empty) => Err(Fault::Empty { tag }),
        Err(FieldErrorKind::Format) => Err(Fault::Format { tag }),
    }
}

/// The fault of a field that may be left out.
pub(super) fn optional<T>(tag: Tag, field: Field<T>) -> Result<(), Fault> {
    match field {
        Err(FieldErrorKind::Missing) => Ok(()),
        field => required(tag, field),
    }
}

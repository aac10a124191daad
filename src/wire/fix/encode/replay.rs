//! The copy of a frame: under its old number for a ResendRequest(2), or under a new one for the first
//! time.

use std::ops::Range;

use super::EncodeError;
use super::draft::{Draft, Front};
use super::header::header_position;
use crate::wire::fix::message::Message;
use crate::wire::fix::tag;

/// Writes the copy of a sent frame that answers a ResendRequest(2).
///
/// The same fields in the same order, but: PossDupFlag(43)=Y after MsgSeqNum(34), OrigSendingTime(122) with
/// the text of the original SendingTime(52), a new 52, and 9 and 10 computed again. 43 and 122 of the original
/// are replaced. The body is copied as one piece. `room` must hold
/// 96 bytes more than the original, which covers stamps of 27 characters and one more digit in 9.
///
/// # Errors
/// The original has no 34 or 52 in its header, or `room` is too small.
pub fn replay(
    message: &Message<'_>,
    room: &mut [u8],
    sending_time: &[u8],
) -> Result<Range<usize>, EncodeError> {
    copy(message, room, sending_time, As::PossDup)
}

/// Writes the copy of a frame that has not been sent, to be sent now: the same fields in the same order, but
/// MsgSeqNum(34) is `seq`, SendingTime(52) is new, and 9 and 10 are computed again. The body is copied as one
/// piece. `room` must hold 96 bytes more than the original.
///
/// # Errors
/// The original has no 34 or 52 in its header, or `room` is too small.
pub fn renumber(
    message: &Message<'_>,
    room: &mut [u8],
    seq: u64,
    sending_time: &[u8],
) -> Result<Range<usize>, EncodeError> {
    copy(message, room, sending_time, As::New(seq))
}

/// What a copy is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// The same message once more.
    PossDup,
    /// The message for the first time, under this number.
    New(u64),
}

fn copy(
    message: &Message<'_>,
    room: &mut [u8],
    sending_time: &[u8],
    what: As,
) -> Result<Range<usize>, EncodeError> {
    let original = message.frame();
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
    let mut orig_written = what != As::PossDup;
    for (at, (tag, _)) in message.fields().enumerate().take(header_end).skip(2) {
        if !orig_written && tag > tag::ORIG_SENDING_TIME && header_position(tag) == tag {
            draft.text_field(tag::ORIG_SENDING_TIME, orig_sending_time);
            orig_written = true;
        }
        match (tag, what) {
            (tag::POSS_DUP_FLAG | tag::ORIG_SENDING_TIME, As::PossDup) => {}
            (tag::SENDING_TIME, _) => draft.text_field(tag, sending_time),
            (tag::MSG_SEQ_NUM, As::New(seq)) => draft.uint_field(tag, seq),
            _ => draft.put(&original[message.start_of(at)..message.start_of(at + 1)]),
        }
        if tag == tag::MSG_SEQ_NUM && what == As::PossDup {
            draft.text_field(tag::POSS_DUP_FLAG, b"Y");
        }
    }
    if !orig_written {
        draft.text_field(tag::ORIG_SENDING_TIME, orig_sending_time);
    }
    draft.put(&original[message.start_of(header_end)..message.start_of(last)]);
    draft.close()
}

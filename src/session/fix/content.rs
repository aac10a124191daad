//! What a message is, and whether the fields the session layer lives on are sound.
//!
//! Nothing here changes anything. Everything that needs a dictionary is decided elsewhere.

use std::cmp::Ordering;

use super::Session;
use super::head::{Field, Head, optional, required};
use crate::session::Fault;
use crate::time::{Now, Utc};
use crate::wire::fix::{Message, msg_type, tag};

/// The largest MsgSeqNum(34) that is read as one, and the largest NewSeqNo(36) that is followed: there
/// must be room to count up from it.
pub(super) const SEQ_NUM_MAX: u64 = i64::MAX as u64;

/// The kinds of message the session layer tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Logon,
    Logout,
    Heartbeat,
    TestRequest,
    ResendRequest,
    Reject,
    SequenceReset,
    Application,
}

impl Kind {
    pub(super) fn of(message: &Message<'_>) -> Self {
        match message.msg_type() {
            msg_type::LOGON => Self::Logon,
            msg_type::LOGOUT => Self::Logout,
            msg_type::HEARTBEAT => Self::Heartbeat,
            msg_type::TEST_REQUEST => Self::TestRequest,
            msg_type::RESEND_REQUEST => Self::ResendRequest,
            msg_type::REJECT => Self::Reject,
            msg_type::SEQUENCE_RESET => Self::SequenceReset,
            _ => Self::Application,
        }
    }
}

/// Where a MsgSeqNum(34) lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Low,
    Expected,
    High,
}

impl Place {
    pub(super) fn of(seq: u64, expected: u64) -> Self {
        match seq.cmp(&expected) {
            Ordering::Less => Self::Low,
            Ordering::Equal => Self::Expected,
            Ordering::Greater => Self::High,
        }
    }
}

/// GapFillFlag(123)=Y. Absent means Reset mode, and so does what is neither Y nor N until
/// [`check_body`] has refused it.
pub(super) fn is_gap_fill(message: &Message<'_>) -> bool {
    message.boolean(tag::GAP_FILL_FLAG) == Ok(true)
}

/// The body fields of a session-level message.
pub(super) fn check_body(message: &Message<'_>, kind: Kind) -> Result<(), Fault> {
    let number = |tag| required(tag, message.uint(tag).map_err(|error| error.kind));
    match kind {
        Kind::TestRequest => match message.get(tag::TEST_REQ_ID) {
            Some(_) => Ok(()),
            None => Err(Fault::Missing {
                tag: tag::TEST_REQ_ID,
            }),
        },
        Kind::ResendRequest => number(tag::BEGIN_SEQ_NO).and_then(|()| number(tag::END_SEQ_NO)),
        Kind::Reject => number(tag::REF_SEQ_NUM).map_err(|_| Fault::InvalidReject),
        Kind::SequenceReset => {
            let flag = message
                .boolean(tag::GAP_FILL_FLAG)
                .map_err(|error| error.kind);
            optional(tag::GAP_FILL_FLAG, flag)?;
            match message.uint(tag::NEW_SEQ_NO) {
                Ok(next) if next > SEQ_NUM_MAX => Err(Fault::Value {
                    tag: tag::NEW_SEQ_NO,
                }),
                _ => number(tag::NEW_SEQ_NO),
            }
        }
        Kind::Heartbeat | Kind::Logon | Kind::Logout | Kind::Application => Ok(()),
    }
}

impl Session {
    /// SendingTime(52) against our clock.
    pub(super) fn check_time(&self, now: Now, sent: Field<Utc>) -> Result<(), Fault> {
        match (self.settings.checks.sending_time_window, sent) {
            (Some(window), Ok(sent)) if sent.distance(now.utc) > window => Err(Fault::SendingTime),
            _ => Ok(()),
        }
    }

    /// SendingTime(52) and the CompIDs: what must be right on every message of a connection. The
    /// header itself has been found sound.
    pub(super) fn check_sender(&self, now: Now, head: &Head<'_>) -> Result<(), Fault> {
        self.check_time(now, head.sent)?;
        if !self.settings.checks.comp_ids {
            return Ok(());
        }
        let id = &self.settings.id;
        // What the peer sends is what we send, mirrored.
        head.check_ids(
            [
                Some(id.target_comp_id.as_str()),
                id.target_sub_id.as_deref(),
                id.target_location_id.as_deref(),
            ],
            [
                Some(id.sender_comp_id.as_str()),
                id.sender_sub_id.as_deref(),
                id.sender_location_id.as_deref(),
            ],
        )
    }

    /// OnBehalfOfCompID(115) is one of those that are allowed.
    pub(super) fn check_on_behalf_of(&self, message: &Message<'_>) -> Result<(), Fault> {
        let allowed = &self.settings.checks.on_behalf_of_comp_ids;
        if allowed.is_empty() {
            return Ok(());
        }
        match message.get(tag::ON_BEHALF_OF_COMP_ID) {
            Some(from) if !allowed.iter().any(|name| name.as_bytes() == from) => {
                Err(Fault::OnBehalfOfCompId)
            }
            _ => Ok(()),
        }
    }
}

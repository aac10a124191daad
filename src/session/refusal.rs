//! Why a caller's wish cannot be met now. The caller's affair, not the peer's.

use std::fmt;

use super::Full;
use crate::time::Mono;
use crate::wire::fix::EncodeError;

/// Why a message was not sent. Nothing was numbered, nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The engine has no such session.
    UnknownSession,
    /// The session speaks another protocol, which has no such thing.
    OtherProtocol,
    /// The session is not logged on.
    NotLoggedOn,
    /// The session is logging out; nothing more may be sent on this connection.
    LoggingOut,
    /// A reset in session is under way; see
    /// [`Session::reset_in_session`](crate::session::fix::Session::reset_in_session).
    Resetting,
    /// The version has no ResetSeqNumFlag(141).
    NoResetSeqNumFlag,
    /// There is a connection, and what was asked for is for a session without one.
    Connected,
    /// A logon is under way.
    BetweenStates,
    /// Numbers begin at 1 and are at most [`SEQ_MAX`](crate::session::fix::SEQ_MAX).
    NumberOutOfRange,
    /// A number that was used already, or is expected no more, is not used again.
    NumberLowered,
    /// The number is that already.
    NumberUnchanged,
    /// What is missing is being asked for already.
    AlreadyAsked,
    /// A range of numbers ends before it begins.
    RangeReversed,
    /// A message with credentials is sent at once or not at all, and never kept for later.
    HoldsCredentials,
    /// A message with credentials before this one is not on the wire yet: one such message at a time.
    CredentialsUnsent,
    /// No Logon waits for the decision that was given.
    NothingToDecide,
    /// The message is longer than the peer takes: MaxMessageSize(383) of its Logon, in bytes.
    LongerThanPeerTakes(u64),
    /// Back-pressure: there is no room for an application message now. Session-level messages still
    /// go out.
    Full(Full),
    /// The rate leaves no room for a message now.
    Throttled {
        /// From when it does.
        free_at: Mono,
    },
    /// As much waits without a number already as may.
    QueueFull,
    /// More was asked for in one cycle than the engine takes; nothing was taken of this.
    TooManyWishes,
    /// What was written is no valid message.
    Message(EncodeError),
    /// What was written is no business message of the schema, or none of our side.
    NoMessage,
    /// Messages are being sent again; new ones are not mixed in.
    Resending,
    /// The peer chooses the identifier of a series, not we.
    NotOurChoice,
    /// So many answers of a simulated exchange are laid down; no more are taken.
    ScriptFull(usize),
    /// Business messages go over the primary connection of a session, not over its backup.
    OnBackup,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSession => f.write_str("no such session in this engine"),
            Self::OtherProtocol => f.write_str("the session speaks another protocol"),
            Self::NotLoggedOn => f.write_str("the session is not logged on"),
            Self::LoggingOut => f.write_str("the session is logging out"),
            Self::Resetting => f.write_str("a reset in session is under way"),
            Self::NoResetSeqNumFlag => f.write_str("the version has no ResetSeqNumFlag(141)"),
            Self::Connected => f.write_str("the session has a connection"),
            Self::BetweenStates => f.write_str("a logon is under way"),
            Self::NumberOutOfRange => f.write_str("a number is from 1 to 4294967295"),
            Self::NumberLowered => f.write_str("a number is never lowered within a series"),
            Self::NumberUnchanged => f.write_str("the number is that already"),
            Self::AlreadyAsked => f.write_str("what is missing is being asked for already"),
            Self::RangeReversed => f.write_str("the range ends before it begins"),
            Self::HoldsCredentials => f.write_str("a message with credentials is not kept for later"),
            Self::CredentialsUnsent => {
                f.write_str("the message with credentials before this one is not on the wire yet")
            }
            Self::NothingToDecide => f.write_str("no Logon waits for this decision"),
            Self::LongerThanPeerTakes(bytes) => {
                write!(f, "the peer takes messages of up to {bytes} bytes")
            }
            Self::Full(Full::Unsent) => {
                f.write_str("the peer does not read: unsent bytes are at the limit")
            }
            Self::Full(Full::Segment) => f.write_str("the next journal segment is not ready yet"),
            Self::Full(Full::Storage) => f.write_str("the journal cannot get more storage"),
            Self::Full(Full::TooLong) => f.write_str("the message is longer than a journal segment"),
            Self::Throttled { .. } => f.write_str("the rate leaves no room for a message now"),
            Self::QueueFull => f.write_str("as many messages wait already as may"),
            Self::TooManyWishes => {
                f.write_str("too much was asked for in one cycle, ask again in the next")
            }
            Self::NoMessage => f.write_str("not a business message that this side may send"),
            Self::Resending => f.write_str("messages are being sent again, a new one must wait"),
            Self::OnBackup => f.write_str("business messages go over the primary connection"),
            Self::NotOurChoice => f.write_str("the client chooses the UUID"),
            Self::ScriptFull(count) => write!(f, "{count} answers are laid down, no more are taken"),
            Self::Message(error) => write!(f, "not a valid message: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

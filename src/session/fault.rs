//! Everything a peer can do wrong: one catalogue, one disposition each.
//!
//! The conformance suite fails if a fault listed here is provoked by no scenario.

use std::fmt::{self, Write as _};

use super::{Farewell, HeaderFault, SessionStatus, Text, TlsFault};
use crate::wire::fix::ApplVersion;
use crate::wire::fix::tag::{self, Tag};

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Count it; the peer hears nothing and no number moves.
    Ignore,
    /// Answer with Reject(3) carrying this SessionRejectReason(373); the session goes on.
    Reject(u16),
    /// Answer with Reject(3), then end as with [`Disposition::Logout`].
    RejectAndLogout(u16),
    /// Answer with BusinessMessageReject(j) carrying this BusinessRejectReason(380), or 0 where the
    /// version does not have it; the session goes on.
    BusinessReject(u16),
    /// Send Logout(5) with Text(58), wait for the peer's Logout up to the logout timeout, then close.
    Logout,
    /// Send Logout(5) with Text(58) and close as soon as it is on the wire.
    LogoutAndClose,
    /// Close without a byte: an answer would use up a number of a real session, or tell a stranger
    /// which identities exist.
    Close,
}

/// What is wrong with a field of a Logon(A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The field is not there.
    Missing,
    /// The field is there but cannot be read or accepted.
    Invalid,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $fault:ident $({ $($field:ident: $type:ty),* })? => $disposition:expr,)*) => {
        /// A mistake of the peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // the fields say what they are: a tag, a sequence number, a fault below
        pub enum Fault { $($(#[$doc])* $fault $({ $($field: $type),* })?,)* }

        impl Fault {
            /// The name of every fault.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($fault)),*];

            /// Its place in [`Fault::NAMES`].
            #[must_use]
            pub fn number(&self) -> usize {
                Self::NAMES
                    .iter()
                    .position(|name| *name == self.name())
                    .unwrap_or_default()
            }

            /// The name of this fault, one of [`Fault::NAMES`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$fault { .. } => stringify!($fault),)* }
            }

            /// What is done about it.
            #[must_use]
            pub fn disposition(&self) -> Disposition {
                use Disposition::{
                    BusinessReject, Close, Ignore, Logout, LogoutAndClose, Reject, RejectAndLogout,
                };
                match self { $(Self::$fault { .. } => $disposition,)* }
            }
        }
    };
}

catalogue! {
    // Before a session is bound.

    /// Bytes that are no sound frame, on a connection that has not logged on.
    GarbledLogon => Close,
    /// The first message is not a Logon(A).
    FirstMessageNotLogon => Close,
    /// No session is configured for the BeginString and CompIDs of the Logon.
    UnknownIdentity => Close,
    /// The session of the Logon has a live connection. The new one is closed, the old one is not
    /// disturbed.
    AlreadyConnected => Close,
    /// No complete Logon within the logon timeout.
    LogonTimeout => Close,
    /// The session of the Logon may not be reached from this address.
    SourceNotAllowed => Close,
    /// More connections that have not logged on than there may be, from one address or in all.
    TooManyStrangers => Close,
    /// More Logons from one address within a minute than there may be.
    TooManyLogons => Close,
    /// TLS was spoken where it is not, or not where it is, or broke; before or after the logon.
    Tls { why: TlsFault } => Close,

    // The Logon itself.

    /// An operator holds the session, or it is being logged out.
    OnHold => LogoutAndClose,
    /// A Logon outside the hours of the session. If the schedule wants it said, as
    /// [`Disposition::LogoutAndClose`].
    OutOfSchedule => Close,
    /// A field of the Logon is missing or cannot be accepted.
    BadLogonField { tag: Tag, defect: Defect } => LogoutAndClose,
    /// HeartBtInt(108) is negative, or outside of what is taken.
    HeartBtInt { min_s: u32, max_s: u32 } => LogoutAndClose,
    /// TestMessageIndicator(464) is not that of this environment.
    TestMessageIndicator => LogoutAndClose,
    /// DefaultApplVerID(1137) names a version that is not taken.
    DefaultApplVerId { ours: ApplVersion } => LogoutAndClose,
    /// NextExpectedMsgSeqNum(789) above the number we would send next.
    NextExpectedTooHigh { expected: u64, received: u64 } => LogoutAndClose,
    /// EncryptMethod(98) is not 0.
    EncryptMethod => RejectAndLogout(7),
    /// ResetSeqNumFlag(141)=Y with a MsgSeqNum(34) other than 1.
    ResetNotAtOne { received: u64 } => LogoutAndClose,
    /// We asked for a reset and the answer continues the old series.
    ResetNotConfirmed { received: u64 } => LogoutAndClose,
    /// A reset in session that we asked for was not answered within the logon timeout.
    ResetNotAnswered => LogoutAndClose,
    /// The answer to our Logon resets although we did not ask for it.
    ResetNotAsked => LogoutAndClose,
    /// An answer to our Logon that is neither Logon nor Logout.
    NotALogonAnswer => Close,
    /// A Logon without ResetSeqNumFlag(141)=Y while logged on.
    LogonWhileLoggedOn => LogoutAndClose,

    // The frame and its header.

    /// Bytes that are no sound frame, after logon. Shows up as a gap with the next good message.
    Garbled => Ignore,
    /// Bytes that are no sound frame but show the expected MsgSeqNum(34), where such are to be
    /// rejected.
    GarbledRejected => Reject(99),
    /// One garbled message after the other.
    GarbledFlood => LogoutAndClose,
    /// A frame longer than the largest message we take.
    TooLong { received: u64, limit: u64 } => LogoutAndClose,
    /// More fields than the index holds.
    TooManyFields => LogoutAndClose,
    /// MsgSeqNum(34) is missing or unreadable. Points at a defect that no retry cures.
    NoMsgSeqNum => LogoutAndClose,
    /// Another BeginString(8) than that of the session.
    BeginString => Logout,
    /// SendingTime(52) differs from our clock by more than the window.
    SendingTime => RejectAndLogout(10),
    /// SenderCompID(49), TargetCompID(56) or one of their SubIDs is not that of the session.
    CompId { tag: Tag } => RejectAndLogout(9),

    // Content.

    /// OnBehalfOfCompID(115) is none of those that are allowed.
    OnBehalfOfCompId => Reject(9),
    /// A tag that is no positive number.
    InvalidTag => Reject(0),
    /// A required field is not there.
    Missing { tag: Tag } => Reject(1),
    /// A field without a value.
    Empty { tag: Tag } => Reject(4),
    /// A value out of range.
    Value { tag: Tag } => Reject(5),
    /// A value that cannot be read as its type.
    Format { tag: Tag } => Reject(6),
    /// A tag that the dictionary does not have.
    UndefinedTag { tag: Tag } => Reject(0),
    /// A field that is not part of the message, or not there.
    NotInMessage { tag: Tag } => Reject(2),
    /// A MsgType(35) that the dictionary does not have.
    MsgType => Reject(11),
    /// A field that is there twice.
    Repeated { tag: Tag } => Reject(13),
    /// A header field after the body began, or a body field after the trailer began.
    Misplaced { tag: Tag } => Reject(14),
    /// A field of a group out of order, or an entry that does not begin with the first.
    GroupOrder { tag: Tag } => Reject(15),
    /// A counter that does not count the entries of its group.
    GroupCount { tag: Tag } => Reject(16),
    /// ApplVerID(1128) names a version that has no dictionary here.
    ApplVerId => Reject(18),
    /// A Reject(3) that is itself invalid. Never answered with a Reject.
    InvalidReject => Ignore,

    // Rate.

    /// An application message beyond the peer's rate, which is to be rejected.
    RateExceeded => BusinessReject(8),
    /// An application message beyond the peer's rate, which is to end the session.
    Flood => Logout,

    // Sequence.

    /// MsgSeqNum(34) below the expected one, without PossDupFlag(43).
    SeqTooLow { expected: u64, received: u64 } => LogoutAndClose,
    /// PossDupFlag(43)=Y without OrigSendingTime(122).
    NoOrigSendingTime => Reject(1),
    /// OrigSendingTime(122) later than SendingTime(52), on the expected number.
    OrigSendingTime => Reject(10),
    /// OrigSendingTime(122) later than SendingTime(52), on a number already used.
    OrigSendingTimeStale => RejectAndLogout(10),
    /// NewSeqNo(36) of a SequenceReset(4) that does not increase the number.
    SequenceLowered { expected: u64, received: u64 } => Reject(5),
    /// A ResendRequest(2) for numbers that were never sent, or backwards.
    ResendRange { tag: Tag } => Reject(5),
    /// The same ResendRequest(2) over and over.
    ResendRepeated => LogoutAndClose,
    /// Our ResendRequest was not satisfied although it was repeated.
    ResendNotServed { expected: u64 } => LogoutAndClose,

    // Liveness.

    /// Nothing was heard for the silence limit, also not after a TestRequest(1).
    Silence => LogoutAndClose,
    /// Our Logout was not answered in time.
    LogoutTimeout => Close,
    /// The peer reads too slowly: the room for unsent session-level frames is used up.
    SlowConsumer => Close,

    // Before a session is bound. Last, so that the numbers of the others stay what they were.

    /// The header of the PROXY protocol was spoken where it is not, or not where it is, or wrongly.
    ProxyHeader { why: HeaderFault } => Close,
}

impl Fault {
    /// What the peer and the operator read: Text(58).
    #[must_use]
    pub fn text(&self) -> Text {
        let mut text = Text::EMPTY;
        // Writing to a Text cannot fail; what does not fit is cut.
        let _ = write!(text, "{self}");
        text
    }

    /// What the Logout over it says.
    #[must_use]
    pub fn farewell(&self) -> Farewell {
        Farewell {
            text: self.text(),
            status: self.session_status(),
        }
    }

    /// SessionStatus(1409) of the Logout over it, where there is a value for that.
    #[must_use]
    pub fn session_status(&self) -> Option<SessionStatus> {
        match self {
            Self::OnHold | Self::OutOfSchedule => Some(SessionStatus::LOGON_NOT_ALLOWED_NOW),
            Self::SeqTooLow { .. } => Some(SessionStatus::MSG_SEQ_NUM_TOO_LOW),
            Self::NextExpectedTooHigh { .. } => Some(SessionStatus::NEXT_EXPECTED_TOO_HIGH),
            _ => None,
        }
    }

    /// RefTagID(371): the field the fault is about.
    #[must_use]
    pub fn ref_tag(&self) -> Option<Tag> {
        match *self {
            Self::BadLogonField { tag, .. }
            | Self::CompId { tag }
            | Self::Missing { tag }
            | Self::Empty { tag }
            | Self::Value { tag }
            | Self::Format { tag }
            | Self::UndefinedTag { tag }
            | Self::NotInMessage { tag }
            | Self::Repeated { tag }
            | Self::Misplaced { tag }
            | Self::GroupOrder { tag }
            | Self::GroupCount { tag }
            | Self::ResendRange { tag } => Some(tag),
            Self::OnBehalfOfCompId => Some(tag::ON_BEHALF_OF_COMP_ID),
            Self::EncryptMethod => Some(tag::ENCRYPT_METHOD),
            Self::ApplVerId => Some(tag::APPL_VER_ID),
            Self::SendingTime => Some(tag::SENDING_TIME),
            Self::NoOrigSendingTime | Self::OrigSendingTime | Self::OrigSendingTimeStale => {
                Some(tag::ORIG_SENDING_TIME)
            }
            Self::SequenceLowered { .. } => Some(tag::NEW_SEQ_NO),
            _ => None,
        }
    }
}

/// How often each fault happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts([u32; Fault::NAMES.len()]);

impl FaultCounts {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        let count = &mut self.0[fault.number()];
        *count = count.saturating_add(1);
    }

    /// The counts, in the order of [`Fault::NAMES`].
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl Default for FaultCounts {
    fn default() -> Self {
        Self([0; Fault::NAMES.len()])
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GarbledLogon => f.write_str("Garbled bytes before logon"),
            Self::FirstMessageNotLogon => f.write_str("First message is not a Logon"),
            Self::UnknownIdentity => f.write_str("No session for this BeginString and these CompIDs"),
            Self::AlreadyConnected => f.write_str("The session is connected already"),
            Self::LogonTimeout => f.write_str("No Logon within the logon timeout"),
            Self::SourceNotAllowed => f.write_str("The session may not be reached from this address"),
            Self::TooManyStrangers => f.write_str("Too many connections that have not logged on"),
            Self::TooManyLogons => f.write_str("Too many Logons from this address within a minute"),
            Self::Tls { why } => why.fmt(f),
            Self::ProxyHeader { why } => why.fmt(f),
            Self::OnHold => f.write_str("Logon not allowed now: the session is on hold"),
            Self::OutOfSchedule => {
                f.write_str("Logon not allowed now: outside the hours of the session")
            }
            Self::BadLogonField {
                tag,
                defect: Defect::Missing,
            } => {
                write!(f, "Required tag missing in Logon: {tag}")
            }
            Self::BadLogonField {
                tag,
                defect: Defect::Invalid,
            } => {
                write!(f, "Value of tag {tag} in Logon is not acceptable")
            }
            Self::HeartBtInt { min_s, max_s } if min_s == max_s => {
                write!(f, "HeartBtInt must be {min_s}")
            }
            Self::HeartBtInt { min_s, max_s } => {
                write!(
                    f,
                    "HeartBtInt must not be negative, and between {min_s} and {max_s}"
                )
            }
            Self::TestMessageIndicator => {
                f.write_str("TestMessageIndicator is not that of this environment")
            }
            Self::DefaultApplVerId { ours } => {
                let ours = ours.appl_ver_id();
                write!(
                    f,
                    "DefaultApplVerID(1137) is not supported, expected {ours}"
                )
            }
            Self::NextExpectedTooHigh { expected, received } => {
                write!(
                    f,
                    "NextExpectedMsgSeqNum too high, expecting {expected} but received {received}"
                )
            }
            Self::EncryptMethod => f.write_str("EncryptMethod(98) must be 0"),
            Self::ResetNotAtOne { received } => {
                write!(
                    f,
                    "Logon with ResetSeqNumFlag must have MsgSeqNum 1, received {received}"
                )
            }
            Self::ResetNotConfirmed { received } => {
                write!(
                    f,
                    "ResetSeqNumFlag was not confirmed, MsgSeqNum received is {received}"
                )
            }
            Self::ResetNotAnswered => f.write_str("ResetSeqNumFlag was not answered"),
            Self::ResetNotAsked => f.write_str("ResetSeqNumFlag was not asked for"),
            Self::NotALogonAnswer => f.write_str("Logon was not answered with Logon or Logout"),
            Self::LogonWhileLoggedOn => f.write_str("Logon without ResetSeqNumFlag while logged on"),
            Self::Garbled | Self::GarbledRejected => f.write_str("Garbled message"),
            Self::GarbledFlood => f.write_str("Too many garbled messages"),
            Self::TooLong { received, limit } => {
                write!(
                    f,
                    "Message of {received} bytes is longer than MaxMessageSize {limit}"
                )
            }
            Self::TooManyFields => f.write_str("Message has too many fields"),
            Self::NoMsgSeqNum => f.write_str("Required tag missing: MsgSeqNum(34)"),
            Self::BeginString => f.write_str("Incorrect BeginString"),
            Self::SendingTime => f.write_str("SendingTime accuracy problem"),
            Self::CompId { .. } | Self::OnBehalfOfCompId => f.write_str("CompID problem"),
            Self::InvalidTag | Self::UndefinedTag { .. } => f.write_str("Invalid tag number"),
            Self::NotInMessage { .. } => f.write_str("Tag not defined for this message type"),
            Self::MsgType => f.write_str("Invalid MsgType"),
            Self::Repeated { .. } => f.write_str("Tag appears more than once"),
            Self::Misplaced { .. } => f.write_str("Tag specified out of required order"),
            Self::GroupOrder { .. } => f.write_str("Repeating group fields out of order"),
            Self::GroupCount { .. } => f.write_str("Incorrect NumInGroup count for repeating group"),
            Self::Missing { .. } | Self::NoOrigSendingTime => f.write_str("Required tag missing"),
            Self::Empty { .. } => f.write_str("Tag specified without a value"),
            Self::Value { .. } => f.write_str("Value is incorrect (out of range) for this tag"),
            Self::Format { .. } => f.write_str("Incorrect data format for value"),
            Self::ApplVerId => f.write_str("Invalid or unsupported application version"),
            Self::RateExceeded => f.write_str("Throttle limit exceeded"),
            Self::Flood => f.write_str("Throttle limit exceeded, session ends"),
            Self::InvalidReject => f.write_str("Invalid Reject"),
            Self::SeqTooLow { expected, received } => {
                write!(
                    f,
                    "MsgSeqNum too low, expecting {expected} but received {received}"
                )
            }
            Self::OrigSendingTime | Self::OrigSendingTimeStale => {
                f.write_str("SendingTime accuracy problem: OrigSendingTime is later")
            }
            Self::SequenceLowered { expected, received } => {
                write!(
                    f,
                    "Attempt to lower sequence number, expecting {expected} but received {received}"
                )
            }
            Self::ResendRange { .. } => {
                f.write_str("Value is incorrect (out of range) for this tag: nothing to resend")
            }
            Self::ResendRepeated => f.write_str("Same ResendRequest repeated without progress"),
            Self::ResendNotServed { expected } => {
                write!(f, "ResendRequest from {expected} was not satisfied")
            }
            Self::Silence => f.write_str("Timed out waiting for heartbeat"),
            Self::LogoutTimeout => f.write_str("Logout was not answered"),
            Self::SlowConsumer => f.write_str("Slow consumer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        let mut names = Fault::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fault::NAMES.len());
        assert!(names.contains(&Fault::Missing { tag: 7 }.name()));
    }

    #[test]
    fn the_text_of_a_low_number_is_the_one_counterparties_parse() {
        let fault = Fault::SeqTooLow {
            expected: 8,
            received: 3,
        };
        assert_eq!(
            fault.text().as_bytes(),
            b"MsgSeqNum too low, expecting 8 but received 3"
        );
    }
}

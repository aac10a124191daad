//! Everything a FIXP peer can do wrong: one catalogue, one disposition each.
//!
//! The scenarios fail if a fault listed here is provoked by none of them.

use std::fmt::{self, Write as _};

use crate::session::Text;

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Count it; the peer hears nothing and no number moves.
    Ignore,
    /// The gateway answers a Negotiate(500) or Establish(503) with NegotiationReject(502) or
    /// EstablishmentReject(505) carrying this ErrorCodes(39012), and closes.
    Reject(u16),
    /// Terminate(507), then close. The gateway gives this ErrorCodes(39012); a client always gives 0 and
    /// says in Reason(39011) what is wrong.
    Terminate(u16),
    /// RetransmitReject(510) with this code; the session goes on.
    RetransmitReject(u16),
    /// BusinessReject(521) with this BusinessRejectReason(380); the session goes on.
    BusinessReject(u16),
    /// NotApplied(513); the session goes on.
    NotApplied,
    /// Close without a byte.
    Close,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $fault:ident $({ $($field:ident: $type:ty),* })? => $disposition:expr,
        $text:expr;)*) => {
        /// A mistake of a FIXP peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // the fields say what they are: a number, an identifier, a code
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

            /// What is done about it, unless a setting says otherwise.
            #[must_use]
            pub fn disposition(&self) -> Disposition {
                use Disposition::{
                    BusinessReject, Close, Ignore, NotApplied, Reject, RetransmitReject, Terminate,
                };
                match self { $(Self::$fault { .. } => $disposition,)* }
            }

            fn words(&self) -> &'static str {
                match self { $(Self::$fault { .. } => $text,)* }
            }
        }
    };
}

catalogue! {
    // The gateway, before a session is established.

    /// Neither Negotiate nor Establish within the logon timeout.
    NoLogon => Close, "No Negotiate or Establish in time";
    /// Anything but a Negotiate while the session was never negotiated this week.
    Unnegotiated => Terminate(2), "Not negotiated";
    /// Anything but Negotiate or Establish while the connection is not bound.
    NotEstablished => Terminate(3), "Not established";
    /// A Negotiate after the NegotiationResponse, or while established.
    AlreadyNegotiated => Terminate(4), "Already negotiated";
    /// A second Negotiate before the first was answered.
    NegotiationInProgress => Terminate(5), "Negotiation in progress";
    /// An Establish after the EstablishmentAck, or from a second connection.
    AlreadyEstablished => Terminate(6), "Already established";
    /// A second Establish before the first was answered.
    EstablishInProgress => Terminate(7), "Establish in progress";
    /// No Establish within the time after the NegotiationResponse.
    EstablishmentTimeout => Terminate(1), "No Establish after negotiation";
    /// As many invalid logons within a minute as close the port, or a logon while it is closed.
    PortClosed => Terminate(8), "Port closed by the exchange";
    /// RequestTimestamp is null in a Negotiate or Establish.
    TimestampMissing => Reject(9), "RequestTimestamp missing";
    /// RequestTimestamp is not greater than the one last used.
    TimestampNotGreater { last: u64, received: u64 } => Reject(3), "RequestTimestamp not greater than last";
    /// RequestTimestamp is older than is taken.
    TimestampStale => Reject(3), "RequestTimestamp is stale";
    /// RequestTimestamp is beyond the range of timestamps.
    TimestampRange => Reject(3), "RequestTimestamp out of range";
    /// HMACSignature is all zero.
    SignatureMissing => Reject(4), "HMACSignature missing";
    /// AccessKeyID is empty.
    AccessKeyIdMissing => Reject(5), "AccessKeyID missing";
    /// Session is empty.
    SessionMissing => Reject(6), "Session missing";
    /// Firm is empty.
    FirmMissing => Reject(7), "Firm missing";
    /// TradingSystemName is empty.
    TradingSystemNameMissing => Reject(18), "TradingSystemName missing";
    /// TradingSystemVersion is empty.
    TradingSystemVersionMissing => Reject(19), "TradingSystemVersion missing";
    /// TradingSystemVendor is empty.
    TradingSystemVendorMissing => Reject(20), "TradingSystemVendor missing";
    /// KeepAliveInterval is null.
    KeepAliveIntervalMissing => Reject(21), "KeepAliveInterval missing";
    /// AccessKeyID has a character that is not printable.
    AccessKeyIdInvalid => Reject(12), "AccessKeyID not printable";
    /// Session has a character that is not printable.
    SessionInvalid => Reject(13), "Session not printable";
    /// Firm has a character that is not printable.
    FirmInvalid => Reject(14), "Firm not printable";
    /// TradingSystemName has a character that is not printable.
    TradingSystemNameInvalid => Reject(23), "TradingSystemName not printable";
    /// TradingSystemVersion has a character that is not printable.
    TradingSystemVersionInvalid => Reject(24), "TradingSystemVersion not printable";
    /// TradingSystemVendor has a character that is not printable.
    TradingSystemVendorInvalid => Reject(25), "TradingSystemVendor not printable";
    /// KeepAliveInterval is outside of what is taken.
    KeepAliveInterval { min_ms: u16, max_ms: u16 } => Reject(11), "KeepAliveInterval out of range";
    /// NextSeqNo is null.
    NextSeqNoMissing => Terminate(21), "NextSeqNo missing";
    /// NextSeqNo lower than the number expected next, not 1 in a new series, or out of range.
    NextSeqNo { expected: u64, received: u64 } => Terminate(10), "Invalid NextSeqNo";
    /// No session has this identity, or the signature is not that of the secret key.
    NotAuthenticated => Reject(0), "HMAC not authenticated";
    /// What checks signatures does not answer.
    HmacUnavailable => Reject(1), "HMAC not available";
    /// The session may not log on here now: an operator holds it.
    SessionBlocked => Reject(10), "Session blocked";

    /// A logon beyond the rate of session-level messages.
    AdminRate => Reject(15), "Too many session-level messages";

    /// The connection is to end while a Negotiate or Establish waits for a penalty.
    LogonSplitRejected => Reject(16), "Rejected while it waited as a split message";
    /// So many messages that came in pieces wait already, and a Negotiate or Establish is one of them.
    LogonSplitQueue => Reject(17), "Too many split messages wait";

    /// A logon on the backup before the session is established on the primary.
    BeforePrimary => Reject(27), "Designated backup";
    /// A Negotiate on the backup: the UUID is that of the primary.
    NegotiateOnBackup => Reject(28), "Negotiate not allowed on the backup";
    /// The primary connection has ended: the client's doing, or the network's.
    PrimaryEnded => Terminate(26), "The primary connection has ended";

    // The gateway and the client, any time.

    /// UUID is null.
    UuidMissing => Terminate(15), "UUID missing";
    /// UUID is not that of the session, not greater than the one before, or out of range.
    Uuid { expected: u64, received: u64 } => Terminate(13), "Invalid UUID";
    /// Bytes whose framing header is not that of a message. Framing is lost.
    Sofh => Terminate(18), "Invalid SOFH";
    /// A frame that is no message of the schema.
    Undecodable => Terminate(19), "Decoding error";
    /// A message that only our side may send.
    WrongDirection => Terminate(23), "Message of the other side";
    /// SeqNum lower than the number expected next, null, or out of range.
    SeqNum { expected: u64, received: u64 } => Terminate(11), "Invalid SeqNum";
    /// NextSeqNo of a Sequence lower than the number expected next.
    SequenceLow { expected: u64, received: u64 } => Terminate(10), "Sequence lowers NextSeqNo";
    /// KeepAliveIntervalLapsed is null.
    LapsedMissing => Terminate(22), "KeepAliveIntervalLapsed missing";
    /// Nothing was heard for two intervals, also not after a Sequence that said so.
    Silence => Terminate(20), "KeepAliveInterval lapsed twice";
    /// Our Terminate was not answered in time.
    TerminateTimeout => Close, "Terminate was not answered";
    /// The peer reads too slowly: the room for unsent session-level frames is used up.
    SlowConsumer => Close, "Slow consumer";

    // The gateway, while established.

    /// A business message on the backup, with the number 0 that belongs there.
    OnBackup => BusinessReject(131), "Not on the backup connection";

    /// SeqNum above the number expected next: the messages from there on are not applied.
    Gap { expected: u64, received: u64 } => NotApplied, "SeqNum too high";
    /// NextSeqNo of an Establish or an unasked Sequence above the number expected next.
    Hole { expected: u64, received: u64 } => NotApplied, "NextSeqNo too high";
    /// RequestTimestamp of a Terminate is null.
    TerminateTimestampMissing => Terminate(16), "RequestTimestamp missing in Terminate";
    /// ErrorCodes of a Terminate is null.
    TerminateCodeMissing => Terminate(17), "ErrorCodes missing in Terminate";
    /// RequestTimestamp of a Terminate is not ours where it answers ours, or out of range.
    TerminateTimestamp => Terminate(14), "Invalid RequestTimestamp in Terminate";
    /// ErrorCodes of a client's Terminate is not 0.
    TerminateCode { code: u16 } => Terminate(23), "A client's Terminate must have code 0";
    /// A further Terminate while the first is being handled.
    TerminateInProgress => Terminate(24), "Terminate in progress";
    /// An application message beyond the rate, which is rejected.
    RateExceeded => BusinessReject(8), "Message rate exceeded";
    /// An application message beyond the rate that ends the session.
    Flood => Terminate(9), "Message rate exceeded, session ends";
    /// A session-level message beyond the rate that ends the session.
    AdminFlood => Terminate(9), "Too many session-level messages, session ends";
    /// The connection ends while messages wait for a penalty, because they, or others before them, came in
    /// pieces.
    SplitRejected => Terminate(28), "Split messages that waited are rejected";
    /// So many messages that came in pieces wait already as may.
    SplitQueue => Terminate(29), "Too many split messages wait";
    /// A RetransmitRequest beyond what was published.
    RetransmitOutOfRange => RetransmitReject(0), "Retransmission out of range";
    /// A RetransmitRequest for a UUID that is unknown.
    RetransmitUuid => RetransmitReject(1), "Retransmission of an unknown UUID";
    /// A RetransmitRequest for more messages than may be asked for at once.
    RetransmitLimit => RetransmitReject(2), "Retransmission of too many messages";
    /// A RetransmitRequest while one is served.
    RetransmitInProgress => RetransmitReject(3), "Retransmission in progress";
    /// A RetransmitRequest whose RequestTimestamp is out of range.
    RetransmitTimestamp => RetransmitReject(4), "RequestTimestamp out of range";
    /// A RetransmitRequest whose FromSeqNo is out of range.
    RetransmitFrom => RetransmitReject(5), "FromSeqNo out of range";
    /// A RetransmitRequest without UUID.
    RetransmitUuidMissing => RetransmitReject(6), "UUID missing";
    /// A RetransmitRequest without RequestTimestamp.
    RetransmitTimestampMissing => RetransmitReject(7), "RequestTimestamp missing";
    /// A RetransmitRequest without FromSeqNo.
    RetransmitFromMissing => RetransmitReject(8), "FromSeqNo missing";
    /// A RetransmitRequest without MsgCount.
    RetransmitCountMissing => RetransmitReject(9), "MsgCount missing";

    // The client.

    /// A NegotiationResponse, EstablishmentAck or reject that does not echo our UUID and
    /// RequestTimestamp.
    NotOurRequest => Terminate(0), "Answer to another request";
    /// A message that is no answer to our Negotiate or Establish.
    NotAnAnswer => Terminate(0), "Not an answer to the logon";
    /// Our Negotiate was not answered.
    NegotiateTimeout => Close, "Negotiate was not answered";
    /// Our Establish was not answered.
    EstablishTimeout => Close, "Establish was not answered";
    /// NextSeqNo of an EstablishmentAck is lower than what we have of this UUID: the peer lost state.
    AckLow { expected: u64, received: u64 } => Terminate(0), "NextSeqNo lower than what we have";
    /// NextSeqNo of an EstablishmentAck is not 1 although the UUID is new.
    AckNotAtOne { received: u64 } => Terminate(0), "NextSeqNo of a new UUID must be 1";
    /// A NotApplied for messages we never sent.
    NotAppliedRange { next_out: u64, received: u64 } => Terminate(0), "NotApplied for what was not sent";
    /// A Retransmission that answers no request of ours.
    RetransmissionUnasked => Ignore, "Retransmission was not asked for";
    /// What we asked for was refused, or did not come although asked for again.
    RetransmitUnserved { series: u64, first: u64, last: u64 } => Ignore, "Retransmission was not served";
    /// The exchange names a previous UUID that we know nothing of.
    UnknownPrevious { uuid: u64 } => Ignore, "PreviousUUID is unknown";

    // Either, of our own limits.

    /// A message that has to be kept, to be dealt with later, and is longer than a journal segment can hold.
    /// To wait for room would be in vain.
    TooLong => Terminate(19), "Message too long to be kept";
}

impl Fault {
    /// What the peer and the operator read: Reason(39011), of which 48 bytes go on the wire.
    #[must_use]
    pub fn text(&self) -> Text {
        let mut text = Text::EMPTY;
        // Writing to a Text cannot fail; what does not fit is cut.
        let _ = write!(text, "{self}");
        text
    }

    /// ErrorCodes(39012) of what the gateway says over it, if it says anything with a code.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.disposition() {
            Disposition::Reject(code)
            | Disposition::Terminate(code)
            | Disposition::RetransmitReject(code) => Some(code),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())?;
        match self {
            Self::NextSeqNo { expected, received }
            | Self::SeqNum { expected, received }
            | Self::SequenceLow { expected, received }
            | Self::Gap { expected, received }
            | Self::Hole { expected, received }
            | Self::AckLow { expected, received } => write!(f, ": {received}, not {expected}"),
            Self::Uuid { expected, received } => write!(f, ": {received}, not {expected}"),
            Self::TimestampNotGreater { last, received } => write!(f, ": {received} after {last}"),
            Self::KeepAliveInterval { min_ms, max_ms } => write!(f, ": {min_ms} to {max_ms} ms"),
            Self::TerminateCode { code } => write!(f, ": {code}"),
            Self::AckNotAtOne { received } => write!(f, ": {received}"),
            Self::NotAppliedRange { next_out, received } => {
                write!(f, ": {received}, next is {next_out}")
            }
            Self::RetransmitUnserved {
                series,
                first,
                last,
            } => write!(f, ": {first} to {last} of UUID {series}"),
            Self::UnknownPrevious { uuid } => write!(f, ": {uuid}"),
            _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_words_that_fit_the_wire() {
        let mut names = Fault::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fault::NAMES.len());
        let fault = Fault::SeqNum {
            expected: 8,
            received: 3,
        };
        assert_eq!(fault.to_string(), "Invalid SeqNum: 3, not 8");
        assert!(Fault::TerminateCode { code: 3 }.words().len() <= 48);
    }
}

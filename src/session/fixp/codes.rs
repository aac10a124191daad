//! What the codes of Terminate(507) and of logon rejects mean, and what a client does after each.
//!
//! The names are the exchange's. What follows for the next logon is derived, because no text of the
//! exchange decides it, except where a session that was never negotiated needs a new UUID; so it is a
//! setting: [`ClientSettings::after_terminate`](super::ClientSettings::after_terminate).

/// How a client logs on next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextLogon {
    /// Establish with the same UUID; both number series go on.
    Establish,
    /// Negotiate with a larger UUID; both number series begin at 1.
    Negotiate,
    /// Not at all, until an operator says so.
    Halt,
}

/// How long a client waits before it connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No longer than after a connection that was lost.
    Usual,
    /// So many KeepAliveIntervals: the outcome of what was asked is still open.
    Intervals(u8),
    /// [`ClientSettings::back_off`](super::ClientSettings::back_off).
    BackOff,
}

/// One code of a Terminate(507).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminateCode {
    /// ErrorCodes(39012).
    pub code: u16,
    /// The exchange's name for it.
    pub name: &'static str,
    /// How a client that gets it logs on next.
    pub next: NextLogon,
    /// How long it waits before.
    pub wait: Wait,
    /// Whether a session that was never negotiated needs a new UUID after it.
    pub new_uuid_if_never_negotiated: bool,
}

const fn row(
    code: u16,
    name: &'static str,
    next: NextLogon,
    wait: Wait,
    new_uuid_if_never_negotiated: bool,
) -> TerminateCode {
    TerminateCode {
        code,
        name,
        next,
        wait,
        new_uuid_if_never_negotiated,
    }
}

use NextLogon::{Establish, Halt, Negotiate};
use Wait::{BackOff, Intervals, Usual};

/// Every code, in order. 12, 25 and 27 are not used by the exchange: 12 and 25 are taken for 23, and 27
/// for 26, which it meant in older tables.
pub const TERMINATE_CODES: [TerminateCode; 30] = [
    row(0, "Finished", Establish, Usual, false),
    row(1, "EstablishmentTimeout", Establish, Usual, false),
    row(2, "Unnegotiated", Negotiate, Usual, true),
    row(3, "NotEstablished", Establish, Usual, false),
    row(4, "AlreadyNegotiated", Establish, Usual, false),
    row(5, "NegotiationInProgress", Negotiate, Intervals(2), false),
    row(6, "AlreadyEstablished", Establish, Usual, false),
    row(7, "EstablishInProgress", Establish, Intervals(1), false),
    row(8, "CMEAdministeredPortClosure", Halt, Usual, true),
    row(9, "VolumeControls", Establish, BackOff, false),
    row(10, "InvalidNextSeqNo", Establish, Usual, false),
    row(11, "InvalidMsgSeqNo", Establish, Usual, false),
    row(12, "InvalidLastSeqNo", Establish, Usual, false),
    row(13, "InvalidUUID", Negotiate, Usual, false),
    row(14, "InvalidTimestamp", Establish, Usual, false),
    row(15, "RequiredUUIDMissing", Establish, Usual, false),
    row(
        16,
        "RequiredRequestTimestampMissing",
        Establish,
        Usual,
        false,
    ),
    row(17, "RequiredCodeMissing", Establish, Usual, false),
    row(18, "InvalidSOFH", Establish, Usual, true),
    row(19, "DecodingError", Establish, Usual, true),
    row(20, "KeepAliveIntervalLapsed", Establish, Usual, false),
    row(21, "RequiredNextSeqNoMissing", Establish, Usual, false),
    row(
        22,
        "RequiredKeepAliveIntervalLapsedMissing",
        Establish,
        Usual,
        false,
    ),
    row(23, "Other", Establish, Usual, false),
    row(24, "TerminateInProgress", Establish, Usual, false),
    row(25, "Other", Establish, Usual, false),
    row(
        26,
        "DisconnectOrTerminateFromPrimary",
        Establish,
        Usual,
        false,
    ),
    row(
        27,
        "DisconnectOrTerminateFromPrimary",
        Establish,
        Usual,
        false,
    ),
    row(28, "RejectSplitMsgsQueued", Establish, Usual, true),
    row(29, "ExceededMaxNoOfSplitMsgsQueued", Establish, Usual, true),
];

/// The row of a code; one beyond the table is taken for 23.
#[must_use]
pub fn terminate_code(code: u16) -> &'static TerminateCode {
    TERMINATE_CODES
        .get(usize::from(code))
        .unwrap_or(&TERMINATE_CODES[23])
}

/// Every code of NegotiationReject(502) and EstablishmentReject(505): the code, the exchange's name, and
/// whether a NegotiationReject has it. An EstablishmentReject has all.
///
/// 2, 8 and 22 are of older tables; the faults they stood for end in a Terminate now. A client
/// understands them.
pub const LOGON_REJECT_CODES: [(u16, &str, bool); 28] = [
    (0, "HMACNotAuthenticated", true),
    (1, "HMACNotAvailable", true),
    (2, "InvalidUUID", true),
    (3, "InvalidTimestamp", true),
    (4, "RequiredHMACSignatureMissing", true),
    (5, "RequiredAccessKeyIDMissing", true),
    (6, "RequiredSessionMissing", true),
    (7, "RequiredFirmMissing", true),
    (8, "RequiredUUIDMissing", true),
    (9, "RequiredRequestTimestampMissing", true),
    (10, "SessionBlocked", true),
    (11, "InvalidKeepAliveInterval", false),
    (12, "InvalidAccessKeyID", true),
    (13, "InvalidSession", true),
    (14, "InvalidFirm", true),
    (15, "VolumeControls", true),
    (16, "SplitMessageRejected", true),
    (17, "SplitMessageQueue", true),
    (18, "RequiredTradingSystemNameMissing", false),
    (19, "RequiredTradingSystemVersionMissing", false),
    (20, "RequiredTradingSystemVendorMissing", false),
    (21, "RequiredKeepAliveIntervalMissing", false),
    (22, "RequiredNextSeqNoMissing", false),
    (23, "InvalidTradingSystemName", false),
    (24, "InvalidTradingSystemVersion", false),
    (25, "InvalidTradingSystemVendor", false),
    (27, "DesignatedBackup", true),
    (28, "NegotiateNotAllowed", true),
];

/// The exchange's name for a code of a logon reject; empty for one it does not have.
#[must_use]
pub fn logon_reject_name(code: u16) -> &'static str {
    let row = LOGON_REJECT_CODES.iter().find(|row| row.0 == code);
    row.map_or("", |row| row.1)
}

/// Every code of a RetransmitReject(510), with the exchange's name.
pub const RETRANSMIT_REJECT_CODES: [(u16, &str); 10] = [
    (0, "OutOfRange"),
    (1, "InvalidUUID"),
    (2, "RequestLimitExceeded"),
    (3, "RetransmitAlreadyInProgress"),
    (4, "InvalidTimestamp"),
    (5, "InvalidFromSeqNo"),
    (6, "RequiredUUIDMissing"),
    (7, "RequiredRequestTimestampMissing"),
    (8, "RequiredFromSeqNoMissing"),
    (9, "RequiredMsgCountMissing"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_place_of_its_row() {
        for (place, row) in TERMINATE_CODES.iter().enumerate() {
            assert_eq!(usize::from(row.code), place);
            assert_eq!(terminate_code(row.code), row);
        }
        assert_eq!(terminate_code(30).code, 23);
        assert_eq!(terminate_code(u16::MAX).code, 23);
    }
}

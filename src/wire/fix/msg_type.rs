//! MsgType(35) values by their FIX names, and which of them belong to the session layer.

/// Heartbeat.
pub const HEARTBEAT: &[u8] = b"0";
/// TestRequest.
pub const TEST_REQUEST: &[u8] = b"1";
/// ResendRequest.
pub const RESEND_REQUEST: &[u8] = b"2";
/// Reject, of the session layer.
pub const REJECT: &[u8] = b"3";
/// SequenceReset.
pub const SEQUENCE_RESET: &[u8] = b"4";
/// Logout.
pub const LOGOUT: &[u8] = b"5";
/// Logon.
pub const LOGON: &[u8] = b"A";
/// XMLnonFIX. Carries application content in the header, so it is an application message.
pub const XML_NON_FIX: &[u8] = b"n";
/// BusinessMessageReject, an application message.
pub const BUSINESS_MESSAGE_REJECT: &[u8] = b"j";
/// ExecutionReport.
pub const EXECUTION_REPORT: &[u8] = b"8";
/// OrderCancelReject.
pub const ORDER_CANCEL_REJECT: &[u8] = b"9";
/// NewOrderSingle.
pub const NEW_ORDER_SINGLE: &[u8] = b"D";
/// OrderCancelRequest.
pub const ORDER_CANCEL_REQUEST: &[u8] = b"F";
/// OrderCancelReplaceRequest.
pub const ORDER_CANCEL_REPLACE_REQUEST: &[u8] = b"G";
/// OrderStatusRequest.
pub const ORDER_STATUS_REQUEST: &[u8] = b"H";
/// MarketDataRequest.
pub const MARKET_DATA_REQUEST: &[u8] = b"V";
/// MarketDataSnapshotFullRefresh.
pub const MARKET_DATA_SNAPSHOT_FULL_REFRESH: &[u8] = b"W";
/// MarketDataIncrementalRefresh.
pub const MARKET_DATA_INCREMENTAL_REFRESH: &[u8] = b"X";
/// UserRequest: logs a user on or off, or changes a password.
pub const USER_REQUEST: &[u8] = b"BE";
/// MarketDataRequestReject.
pub const MARKET_DATA_REQUEST_REJECT: &[u8] = b"Y";

/// Whether the session layer itself handles this type: 0 to 5 and A.
#[inline]
#[must_use]
pub const fn is_admin(msg_type: &[u8]) -> bool {
    matches!(msg_type, [b'0'..=b'5' | b'A'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seven_types_are_admin() {
        let admin: Vec<u8> = (0..=255).filter(|&byte| is_admin(&[byte])).collect();
        assert_eq!(admin, b"012345A");
        assert!(!is_admin(b""));
        assert!(!is_admin(b"AA"));
        assert!(!is_admin(XML_NON_FIX));
    }
}

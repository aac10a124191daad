//! Tag numbers by their FIX names, and what the wire layer must know about a tag before any dictionary
//! is consulted: header or trailer, length of which data field, secret or not.
//!
//! One byte per tag below 4096 answers all of these with a single load; the few pairs above are found by
//! binary search. Knows no types, no values and no messages.

/// A tag number. Real tags are 1 or more.
pub type Tag = u32;

/// What a field is indexed under whose tag is a number that no field can have: zero, negative, with a
/// leading zero or too large. Session Reject reason 0, not a garbled message.
pub const INVALID: Tag = 0;

/// Account(1).
pub const ACCOUNT: Tag = 1;
/// AvgPx(6).
pub const AVG_PX: Tag = 6;
/// BeginSeqNo(7).
pub const BEGIN_SEQ_NO: Tag = 7;
/// BeginString(8).
pub const BEGIN_STRING: Tag = 8;
/// BodyLength(9).
pub const BODY_LENGTH: Tag = 9;
/// CheckSum(10).
pub const CHECK_SUM: Tag = 10;
/// ClOrdID(11).
pub const CL_ORD_ID: Tag = 11;
/// CumQty(14).
pub const CUM_QTY: Tag = 14;
/// Currency(15).
pub const CURRENCY: Tag = 15;
/// EndSeqNo(16).
pub const END_SEQ_NO: Tag = 16;
/// ExecID(17).
pub const EXEC_ID: Tag = 17;
/// ExecInst(18).
pub const EXEC_INST: Tag = 18;
/// ExecTransType(20).
pub const EXEC_TRANS_TYPE: Tag = 20;
/// HandlInst(21).
pub const HANDL_INST: Tag = 21;
/// LastPx(31).
pub const LAST_PX: Tag = 31;
/// LastQty(32). LastShares before FIX.4.3.
pub const LAST_QTY: Tag = 32;
/// MsgSeqNum(34).
pub const MSG_SEQ_NUM: Tag = 34;
/// MsgType(35).
pub const MSG_TYPE: Tag = 35;
/// NewSeqNo(36).
pub const NEW_SEQ_NO: Tag = 36;
/// OrderID(37).
pub const ORDER_ID: Tag = 37;
/// OrderQty(38).
pub const ORDER_QTY: Tag = 38;
/// OrdStatus(39).
pub const ORD_STATUS: Tag = 39;
/// OrdType(40).
pub const ORD_TYPE: Tag = 40;
/// OrigClOrdID(41).
pub const ORIG_CL_ORD_ID: Tag = 41;
/// PossDupFlag(43).
pub const POSS_DUP_FLAG: Tag = 43;
/// Price(44).
pub const PRICE: Tag = 44;
/// RefSeqNum(45).
pub const REF_SEQ_NUM: Tag = 45;
/// SenderCompID(49).
pub const SENDER_COMP_ID: Tag = 49;
/// SenderSubID(50).
pub const SENDER_SUB_ID: Tag = 50;
/// SendingTime(52).
pub const SENDING_TIME: Tag = 52;
/// Side(54).
pub const SIDE: Tag = 54;
/// Symbol(55).
pub const SYMBOL: Tag = 55;
/// TargetCompID(56).
pub const TARGET_COMP_ID: Tag = 56;
/// TargetSubID(57).
pub const TARGET_SUB_ID: Tag = 57;
/// Text(58).
pub const TEXT: Tag = 58;
/// TimeInForce(59).
pub const TIME_IN_FORCE: Tag = 59;
/// TransactTime(60).
pub const TRANSACT_TIME: Tag = 60;
/// Signature(89).
pub const SIGNATURE: Tag = 89;
/// SecureDataLen(90).
pub const SECURE_DATA_LEN: Tag = 90;
/// SecureData(91).
pub const SECURE_DATA: Tag = 91;
/// SignatureLength(93).
pub const SIGNATURE_LENGTH: Tag = 93;
/// RawDataLength(95).
pub const RAW_DATA_LENGTH: Tag = 95;
/// RawData(96).
pub const RAW_DATA: Tag = 96;
/// PossResend(97).
pub const POSS_RESEND: Tag = 97;
/// EncryptMethod(98).
pub const ENCRYPT_METHOD: Tag = 98;
/// StopPx(99).
pub const STOP_PX: Tag = 99;
/// ExDestination(100).
pub const EX_DESTINATION: Tag = 100;
/// CxlRejReason(102).
pub const CXL_REJ_REASON: Tag = 102;
/// OrdRejReason(103).
pub const ORD_REJ_REASON: Tag = 103;
/// HeartBtInt(108).
pub const HEART_BT_INT: Tag = 108;
/// TestReqID(112).
pub const TEST_REQ_ID: Tag = 112;
/// OnBehalfOfCompID(115).
pub const ON_BEHALF_OF_COMP_ID: Tag = 115;
/// OnBehalfOfSubID(116).
pub const ON_BEHALF_OF_SUB_ID: Tag = 116;
/// OrigSendingTime(122).
pub const ORIG_SENDING_TIME: Tag = 122;
/// GapFillFlag(123).
pub const GAP_FILL_FLAG: Tag = 123;
/// ExpireTime(126).
pub const EXPIRE_TIME: Tag = 126;
/// DeliverToCompID(128).
pub const DELIVER_TO_COMP_ID: Tag = 128;
/// DeliverToSubID(129).
pub const DELIVER_TO_SUB_ID: Tag = 129;
/// ResetSeqNumFlag(141).
pub const RESET_SEQ_NUM_FLAG: Tag = 141;
/// SenderLocationID(142).
pub const SENDER_LOCATION_ID: Tag = 142;
/// TargetLocationID(143).
pub const TARGET_LOCATION_ID: Tag = 143;
/// OnBehalfOfLocationID(144).
pub const ON_BEHALF_OF_LOCATION_ID: Tag = 144;
/// DeliverToLocationID(145).
pub const DELIVER_TO_LOCATION_ID: Tag = 145;
/// ExecType(150).
pub const EXEC_TYPE: Tag = 150;
/// LeavesQty(151).
pub const LEAVES_QTY: Tag = 151;
/// SecurityType(167).
pub const SECURITY_TYPE: Tag = 167;
/// SecurityExchange(207).
pub const SECURITY_EXCHANGE: Tag = 207;
/// XmlDataLen(212).
pub const XML_DATA_LEN: Tag = 212;
/// XmlData(213).
pub const XML_DATA: Tag = 213;
/// MDReqID(262).
pub const MD_REQ_ID: Tag = 262;
/// SubscriptionRequestType(263).
pub const SUBSCRIPTION_REQUEST_TYPE: Tag = 263;
/// MarketDepth(264).
pub const MARKET_DEPTH: Tag = 264;
/// NoMDEntryTypes(267).
pub const NO_MD_ENTRY_TYPES: Tag = 267;
/// NoMDEntries(268).
pub const NO_MD_ENTRIES: Tag = 268;
/// MDEntryType(269).
pub const MD_ENTRY_TYPE: Tag = 269;
/// MDEntryPx(270).
pub const MD_ENTRY_PX: Tag = 270;
/// MDEntrySize(271).
pub const MD_ENTRY_SIZE: Tag = 271;
/// MDUpdateAction(279).
pub const MD_UPDATE_ACTION: Tag = 279;
/// MessageEncoding(347).
pub const MESSAGE_ENCODING: Tag = 347;
/// EncodedTextLen(354).
pub const ENCODED_TEXT_LEN: Tag = 354;
/// EncodedText(355).
pub const ENCODED_TEXT: Tag = 355;
/// LastMsgSeqNumProcessed(369).
pub const LAST_MSG_SEQ_NUM_PROCESSED: Tag = 369;
/// OnBehalfOfSendingTime(370).
pub const ON_BEHALF_OF_SENDING_TIME: Tag = 370;
/// RefTagID(371).
pub const REF_TAG_ID: Tag = 371;
/// RefMsgType(372).
pub const REF_MSG_TYPE: Tag = 372;
/// SessionRejectReason(373).
pub const SESSION_REJECT_REASON: Tag = 373;
/// BusinessRejectRefID(379).
pub const BUSINESS_REJECT_REF_ID: Tag = 379;
/// BusinessRejectReason(380).
pub const BUSINESS_REJECT_REASON: Tag = 380;
/// MaxMessageSize(383).
pub const MAX_MESSAGE_SIZE: Tag = 383;
/// NoMsgTypes(384).
pub const NO_MSG_TYPES: Tag = 384;
/// MsgDirection(385).
pub const MSG_DIRECTION: Tag = 385;
/// CxlRejResponseTo(434).
pub const CXL_REJ_RESPONSE_TO: Tag = 434;
/// PartyIDSource(447).
pub const PARTY_ID_SOURCE: Tag = 447;
/// PartyID(448).
pub const PARTY_ID: Tag = 448;
/// PartyRole(452).
pub const PARTY_ROLE: Tag = 452;
/// NoPartyIDs(453).
pub const NO_PARTY_IDS: Tag = 453;
/// TestMessageIndicator(464).
pub const TEST_MESSAGE_INDICATOR: Tag = 464;
/// Username(553).
pub const USERNAME: Tag = 553;
/// Password(554).
pub const PASSWORD: Tag = 554;
/// NoHops(627).
pub const NO_HOPS: Tag = 627;
/// HopCompID(628).
pub const HOP_COMP_ID: Tag = 628;
/// HopSendingTime(629).
pub const HOP_SENDING_TIME: Tag = 629;
/// HopRefID(630).
pub const HOP_REF_ID: Tag = 630;
/// NextExpectedMsgSeqNum(789).
pub const NEXT_EXPECTED_MSG_SEQ_NUM: Tag = 789;
/// NewPassword(925).
pub const NEW_PASSWORD: Tag = 925;
/// ApplVerID(1128).
pub const APPL_VER_ID: Tag = 1128;
/// CstmApplVerID(1129).
pub const CSTM_APPL_VER_ID: Tag = 1129;
/// RefApplVerID(1130).
pub const REF_APPL_VER_ID: Tag = 1130;
/// RefCstmApplVerID(1131).
pub const REF_CSTM_APPL_VER_ID: Tag = 1131;
/// DefaultApplVerID(1137).
pub const DEFAULT_APPL_VER_ID: Tag = 1137;
/// ApplExtID(1156).
pub const APPL_EXT_ID: Tag = 1156;
/// EncryptedPasswordMethod(1400).
pub const ENCRYPTED_PASSWORD_METHOD: Tag = 1400;
/// EncryptedPasswordLen(1401).
pub const ENCRYPTED_PASSWORD_LEN: Tag = 1401;
/// EncryptedPassword(1402).
pub const ENCRYPTED_PASSWORD: Tag = 1402;
/// EncryptedNewPasswordLen(1403).
pub const ENCRYPTED_NEW_PASSWORD_LEN: Tag = 1403;
/// EncryptedNewPassword(1404).
pub const ENCRYPTED_NEW_PASSWORD: Tag = 1404;
/// RefApplExtID(1406).
pub const REF_APPL_EXT_ID: Tag = 1406;
/// DefaultApplExtID(1407).
pub const DEFAULT_APPL_EXT_ID: Tag = 1407;
/// DefaultCstmApplVerID(1408).
pub const DEFAULT_CSTM_APPL_VER_ID: Tag = 1408;
/// SessionStatus(1409).
pub const SESSION_STATUS: Tag = 1409;
/// DefaultVerIndicator(1410).
pub const DEFAULT_VER_INDICATOR: Tag = 1410;

/// Standard header fields of any version. A header field after a body field is out of order.
#[inline]
#[must_use]
pub const fn is_header(tag: Tag) -> bool {
    class(tag) & HEADER != 0
}

/// Signature(89), SignatureLength(93) and CheckSum(10).
#[inline]
#[must_use]
pub const fn is_trailer(tag: Tag) -> bool {
    class(tag) & TRAILER != 0
}

/// Fields whose value must never be shown or stored in clear.
#[inline]
#[must_use]
pub const fn is_secret(tag: Tag) -> bool {
    class(tag) & SECRET != 0
}

/// Fields the engine alone writes: 8, 9, 10, 34, 35, 43, 49, 52, 56 and 122.
#[inline]
#[must_use]
pub const fn is_engine_owned(tag: Tag) -> bool {
    class(tag) & OWNED != 0
}

/// Tags free for private use: 5000 to 9999 and from 20000 to 39999 (the standard uses numbers from 40000
/// again).
#[inline]
#[must_use]
pub const fn is_user_defined(tag: Tag) -> bool {
    matches!(tag, 5000..=9999 | 20000..=39999)
}

/// The data field that must directly follow `tag`, when `tag` gives the length of one.
///
/// The pairs of all versions in one table, because data wrongly split at its SOH bytes cannot be put
/// together again.
#[inline]
#[must_use]
pub const fn data_of_length(tag: Tag) -> Option<Tag> {
    if class(tag) & LENGTH == 0 {
        None
    } else {
        search_pairs(tag)
    }
}

/// The length field that must stand directly before `tag`, when `tag` is a data field. Searches the
/// whole table: for set-up, not for the way of a message.
#[must_use]
pub fn length_of_data(tag: Tag) -> Option<Tag> {
    PAIRS.iter().find(|pair| pair.1 == tag).map(|pair| pair.0)
}

/// Whether `tag` is a data field: its value may hold any byte and its length stands directly before it.
#[inline]
#[must_use]
pub const fn is_data(tag: Tag) -> bool {
    class(tag) & DATA != 0
}

/// Whether `tag` gives the length of the data field after it.
#[inline]
#[must_use]
pub const fn is_length(tag: Tag) -> bool {
    class(tag) & LENGTH != 0
}

/// Whether `tag` is nothing special: an ordinary field of a body.
#[inline]
pub(super) const fn is_plain_body(tag: Tag) -> bool {
    class(tag) & (HEADER | TRAILER | LENGTH | DATA) == 0 && tag != INVALID
}

const HEADER: u8 = 1;
const TRAILER: u8 = 2;
const LENGTH: u8 = 4;
const DATA: u8 = 8;
const SECRET: u8 = 16;
const OWNED: u8 = 32;

/// All pairs from 4096 up have both members above this number.
const FIRST_HIGH_PAIR: Tag = 40_000;

/// (length, data), ascending by length. Note how many data tags are not the length tag plus one.
const PAIRS: [(Tag, Tag); 83] = [
    (90, 91),
    (93, 89),
    (95, 96),
    (212, 213),
    (348, 349),
    (350, 351),
    (352, 353),
    (354, 355),
    (356, 357),
    (358, 359),
    (360, 361),
    (362, 363),
    (364, 365),
    (445, 446),
    (618, 619),
    (621, 622),
    (1184, 1185),
    (1277, 1278),
    (1280, 1281),
    (1282, 1283),
    (1397, 1398),
    (1401, 1402),
    (1403, 1404),
    (1468, 1469),
    (1525, 1527),
    (1578, 1579),
    (1620, 1621),
    (1664, 1665),
    (1678, 1697),
    (1733, 1734),
    (1871, 1872),
    (1874, 1875),
    (2072, 2073),
    (2074, 2075),
    (2111, 2112),
    (2179, 2180),
    (2287, 2288),
    (2351, 2352),
    (2372, 2371),
    (2481, 2482),
    (2494, 2493),
    (2522, 2521),
    (2637, 2638),
    (2651, 2652),
    (2665, 2666),
    (2715, 2716),
    (2718, 2719),
    (2721, 2722),
    (2797, 2798),
    (2802, 2801),
    (2809, 2808),
    (2815, 2814),
    (40004, 40005),
    (40008, 40009),
    (40978, 40979),
    (40980, 40981),
    (40982, 40983),
    (40984, 40985),
    (40986, 40987),
    (40988, 40989),
    (41083, 41084),
    (41101, 41102),
    (41107, 41108),
    (41256, 41257),
    (41320, 41321),
    (41324, 41325),
    (41458, 41459),
    (41476, 41477),
    (41482, 41483),
    (41653, 41654),
    (41710, 41711),
    (41806, 41807),
    (41811, 41812),
    (41873, 41874),
    (41969, 41970),
    (42025, 42026),
    (42171, 42172),
    (42451, 42452),
    (42652, 42653),
    (42947, 42948),
    (43109, 42684),
    (43110, 42486),
    (43111, 42982),
];

const HEADERS: [Tag; 33] = [
    8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 212,
    213, 347, 369, 370, 627, 628, 629, 630, 1128, 1129,
];

static CLASSES: [u8; 4096] = classes();

#[inline]
const fn class(tag: Tag) -> u8 {
    if tag < 4096 {
        CLASSES[tag as usize]
    } else if tag < FIRST_HIGH_PAIR {
        0
    } else {
        high_class(tag)
    }
}

const fn classes() -> [u8; 4096] {
    let mut classes = [0; 4096];
    mark(&mut classes, &HEADERS, HEADER);
    mark(&mut classes, &[APPL_EXT_ID], HEADER);
    mark(
        &mut classes,
        &[SIGNATURE, SIGNATURE_LENGTH, CHECK_SUM],
        TRAILER,
    );
    mark(
        &mut classes,
        &[
            SECURE_DATA,
            RAW_DATA,
            PASSWORD,
            NEW_PASSWORD,
            ENCRYPTED_PASSWORD,
            ENCRYPTED_NEW_PASSWORD,
        ],
        SECRET,
    );
    mark(
        &mut classes,
        &[
            BEGIN_STRING,
            BODY_LENGTH,
            CHECK_SUM,
            MSG_SEQ_NUM,
            MSG_TYPE,
            POSS_DUP_FLAG,
            SENDER_COMP_ID,
            SENDING_TIME,
            TARGET_COMP_ID,
            ORIG_SENDING_TIME,
        ],
        OWNED,
    );
    let mut at = 0;
    while at < PAIRS.len() && PAIRS[at].0 < 4096 {
        mark(&mut classes, &[PAIRS[at].0], LENGTH);
        mark(&mut classes, &[PAIRS[at].1], DATA);
        at += 1;
    }
    classes
}

const fn mark(classes: &mut [u8; 4096], tags: &[Tag], bit: u8) {
    let mut at = 0;
    while at < tags.len() {
        classes[tags[at] as usize] |= bit;
        at += 1;
    }
}

#[cold]
const fn high_class(tag: Tag) -> u8 {
    if search_pairs(tag).is_some() {
        return LENGTH;
    }
    let mut at = 0;
    while at < PAIRS.len() {
        if PAIRS[at].1 == tag {
            return DATA;
        }
        at += 1;
    }
    0
}

const fn search_pairs(length: Tag) -> Option<Tag> {
    let mut low = 0;
    let mut high = PAIRS.len();
    while low < high {
        let middle = usize::midpoint(low, high);
        if PAIRS[middle].0 == length {
            return Some(PAIRS[middle].1);
        }
        if PAIRS[middle].0 < length {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_finds_its_data_and_nothing_else_does() {
        for tag in 0..50_000 {
            let expected = PAIRS.iter().find(|pair| pair.0 == tag).map(|pair| pair.1);
            assert_eq!(data_of_length(tag), expected, "{tag}");
            assert_eq!(is_length(tag), expected.is_some(), "{tag}");
            assert_eq!(
                is_data(tag),
                PAIRS.iter().any(|pair| pair.1 == tag),
                "{tag}"
            );
        }
        assert_eq!(data_of_length(u32::MAX), None);
    }

    #[test]
    fn pairs_are_sorted_and_the_irregular_ones_are_there() {
        assert!(PAIRS.is_sorted_by(|a, b| a.0 < b.0));
        for (length, data) in [
            (93, 89),
            (1525, 1527),
            (1678, 1697),
            (2372, 2371),
            (2494, 2493),
            (2522, 2521),
            (2802, 2801),
            (2809, 2808),
            (2815, 2814),
            (43110, 42486),
            (43109, 42684),
            (43111, 42982),
        ] {
            assert_eq!(data_of_length(length), Some(data));
        }
    }

    #[test]
    fn header_and_trailer_are_those_of_the_standard() {
        let headers: Vec<Tag> = (0..100_000).filter(|&tag| is_header(tag)).collect();
        assert_eq!(headers.len(), 34);
        assert!(headers.contains(&APPL_EXT_ID) && headers.contains(&HOP_REF_ID));
        assert!(!is_header(TEXT) && !is_header(RAW_DATA) && !is_header(APPL_VER_ID + 2));
        let trailers: Vec<Tag> = (0..100_000).filter(|&tag| is_trailer(tag)).collect();
        assert_eq!(trailers, [10, 89, 93]);
    }

    #[test]
    fn secrets_are_these_six() {
        let secrets: Vec<Tag> = (0..100_000).filter(|&tag| is_secret(tag)).collect();
        assert_eq!(secrets, [91, 96, 554, 925, 1402, 1404]);
    }

    #[test]
    fn user_defined_ranges() {
        for (tag, expected) in [
            (4999, false),
            (5000, true),
            (9999, true),
            (10_000, false),
            (20_000, true),
            (40_000, false),
        ] {
            assert_eq!(is_user_defined(tag), expected, "{tag}");
        }
    }
}

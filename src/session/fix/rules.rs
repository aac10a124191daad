//! What differs between FIX versions, as data (DESIGN decision 7): fields name capabilities, and no
//! code compares version strings.
//!
//! Three application versions share BeginString(8) `FIXT.1.1`; what tells them apart is
//! DefaultApplVerID(1137) of the Logon.

use crate::wire::fix::ApplVersion;

/// The rules of one FIX version.
#[derive(Debug, PartialEq, Eq)]
pub struct Rules {
    /// What users call it: `FIX.4.4`, `FIX.5.0SP2`.
    pub name: &'static str,
    /// BeginString(8).
    pub begin_string: &'static str,
    /// The version application messages have unless they say otherwise.
    pub appl_version: ApplVersion,
    /// DefaultApplVerID(1137) of what we send, where the Logon carries one: FIXT only, and with it
    /// come ApplVerID(1128), CstmApplVerID(1129) and ApplExtID(1156) in the header.
    pub default_appl_ver_id: Option<&'static str>,
    /// EndSeqNo(16) that means "and everything after".
    pub open_end_seq_no: u64,
    /// Times may have fractions of a second; otherwise whole seconds are sent whatever precision is
    /// set.
    pub fractional_seconds: bool,
    /// ResetSeqNumFlag(141) on a Logon; without it numbers restart by agreement only.
    pub reset_seq_num_flag: bool,
    /// SenderLocationID(142), TargetLocationID(143) and the routing fields 144 and 145.
    pub location_ids: bool,
    /// RefTagID(371), RefMsgType(372) and SessionRejectReason(373) on a Reject(3); without them the
    /// tag stands in Text(58).
    pub reject_codes: Option<RejectCodes>,
    /// BusinessMessageReject(j); without it a Reject(3) says so in Text(58).
    pub business_message_reject: bool,
    /// BusinessRejectReason(380)=8, throttle limit exceeded; without it 0, other.
    pub throttle_limit_exceeded: bool,
    /// LastMsgSeqNumProcessed(369) in the header.
    pub last_msg_seq_num_processed: bool,
    /// MaxMessageSize(383) and NoMsgTypes(384) on a Logon.
    pub logon_capabilities: bool,
    /// TestMessageIndicator(464), Username(553) and Password(554) on a Logon. The two of credentials
    /// may be configured on any version.
    pub test_message_indicator: bool,
    /// NextExpectedMsgSeqNum(789) on a Logon.
    pub next_expected_msg_seq_num: bool,
    /// SessionStatus(1409) on a Logon and a Logout.
    pub session_status: bool,
}

/// The values of SessionRejectReason(373) a version has.
#[derive(Debug, PartialEq, Eq)]
pub struct RejectCodes {
    /// All from 0 to this one.
    pub last: u16,
    /// And 99, "other".
    pub other: bool,
}

impl RejectCodes {
    /// Whether the version has this value. A Reject for one it does not have omits 373.
    #[must_use]
    pub fn has(&self, reason: u16) -> bool {
        reason <= self.last || (self.other && reason == 99)
    }
}

/// FIX.4.0.
pub const FIX40: Rules = Rules {
    name: "FIX.4.0",
    begin_string: "FIX.4.0",
    appl_version: ApplVersion::Fix40,
    default_appl_ver_id: None,
    open_end_seq_no: 999_999,
    fractional_seconds: false,
    reset_seq_num_flag: false,
    location_ids: false,
    reject_codes: None,
    business_message_reject: false,
    throttle_limit_exceeded: false,
    last_msg_seq_num_processed: false,
    logon_capabilities: false,
    test_message_indicator: false,
    next_expected_msg_seq_num: false,
    session_status: false,
};

/// FIX.4.1.
pub const FIX41: Rules = Rules {
    name: "FIX.4.1",
    begin_string: "FIX.4.1",
    appl_version: ApplVersion::Fix41,
    reset_seq_num_flag: true,
    location_ids: true,
    ..FIX40
};

/// FIX.4.2.
pub const FIX42: Rules = Rules {
    name: "FIX.4.2",
    begin_string: "FIX.4.2",
    appl_version: ApplVersion::Fix42,
    open_end_seq_no: 0,
    fractional_seconds: true,
    reject_codes: Some(RejectCodes {
        last: 11,
        other: false,
    }),
    business_message_reject: true,
    last_msg_seq_num_processed: true,
    logon_capabilities: true,
    ..FIX41
};

/// FIX.4.3.
pub const FIX43: Rules = Rules {
    name: "FIX.4.3",
    begin_string: "FIX.4.3",
    appl_version: ApplVersion::Fix43,
    reject_codes: Some(RejectCodes {
        last: 17,
        other: false,
    }),
    test_message_indicator: true,
    ..FIX42
};

/// FIX.4.4.
pub const FIX44: Rules = Rules {
    name: "FIX.4.4",
    begin_string: "FIX.4.4",
    appl_version: ApplVersion::Fix44,
    reject_codes: Some(RejectCodes {
        last: 17,
        other: true,
    }),
    next_expected_msg_seq_num: true,
    ..FIX43
};

/// FIX.5.0 over FIXT.1.1.
pub const FIX50: Rules = Rules {
    name: "FIX.5.0",
    begin_string: "FIXT.1.1",
    appl_version: ApplVersion::Fix50,
    default_appl_ver_id: Some("7"),
    reject_codes: Some(RejectCodes {
        last: 18,
        other: true,
    }),
    session_status: true,
    ..FIX44
};

/// FIX.5.0 SP1 over FIXT.1.1.
pub const FIX50SP1: Rules = Rules {
    name: "FIX.5.0SP1",
    appl_version: ApplVersion::Fix50Sp1,
    default_appl_ver_id: Some("8"),
    ..FIX50
};

/// FIX.5.0 SP2 over FIXT.1.1.
pub const FIX50SP2: Rules = Rules {
    name: "FIX.5.0SP2",
    appl_version: ApplVersion::Fix50Sp2,
    default_appl_ver_id: Some("9"),
    throttle_limit_exceeded: true,
    ..FIX50
};

/// Every version there is, oldest first.
pub const ALL: [&Rules; 8] = [
    &FIX40, &FIX41, &FIX42, &FIX43, &FIX44, &FIX50, &FIX50SP1, &FIX50SP2,
];

impl Rules {
    /// The version called `name`, also found by its BeginString(8). For `FIXT.1.1`, which three
    /// versions share, that is the newest of them.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let called = |rules: &&&Self| rules.name == name;
        let begins = |rules: &&&Self| rules.begin_string == name;
        let found = ALL.iter().find(called);
        found.or_else(|| ALL.iter().rev().find(begins)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_name_and_by_its_begin_string() {
        for rules in ALL {
            assert_eq!(Rules::named(rules.name), Some(rules));
            assert_eq!(rules.appl_version.name(), rules.name);
            if let Some(id) = rules.default_appl_ver_id {
                assert_eq!(id, rules.appl_version.appl_ver_id());
            }
        }
        assert_eq!(Rules::named("FIXT.1.1"), Some(&FIX50SP2));
        assert_eq!(Rules::named("FIX.3.0"), None);
    }

    #[test]
    fn a_version_has_what_the_one_before_it_had() {
        let capabilities = |rules: &Rules| {
            [
                rules.fractional_seconds,
                rules.reset_seq_num_flag,
                rules.location_ids,
                rules.reject_codes.is_some(),
                rules.business_message_reject,
                rules.last_msg_seq_num_processed,
                rules.logon_capabilities,
                rules.test_message_indicator,
                rules.next_expected_msg_seq_num,
                rules.session_status,
                rules.default_appl_ver_id.is_some(),
            ]
        };
        for pair in ALL.windows(2) {
            let kept = capabilities(pair[0])
                .into_iter()
                .zip(capabilities(pair[1]))
                .all(|(before, after)| !before || after);
            assert!(kept, "{} after {}", pair[1].name, pair[0].name);
        }
    }
}

//! What differs between FIX versions, as data (DESIGN decision 7): fields name capabilities, and no
//! code compares version strings.

/// The rules of one FIX version.
#[derive(Debug, PartialEq, Eq)]
pub struct Rules {
    /// What users call it: `FIX.4.4`, `FIX.5.0SP2`.
    pub name: &'static str,
    /// BeginString(8).
    pub begin_string: &'static str,
    /// DefaultApplVerID(1137) of what we send, where the Logon carries one.
    pub default_appl_ver_id: Option<&'static str>,
    /// EndSeqNo(16) that means "and everything after".
    pub open_end_seq_no: u64,
    /// The highest SessionRejectReason(373) the version knows; a Reject for a higher one omits 373.
    pub last_reject_reason: u16,
}

/// FIX.4.2.
pub const FIX42: Rules = Rules {
    name: "FIX.4.2",
    begin_string: "FIX.4.2",
    default_appl_ver_id: None,
    open_end_seq_no: 0,
    last_reject_reason: 11,
};

/// FIX.4.4.
pub const FIX44: Rules = Rules {
    name: "FIX.4.4",
    begin_string: "FIX.4.4",
    default_appl_ver_id: None,
    open_end_seq_no: 0,
    last_reject_reason: 99,
};

/// FIX.5.0 SP2 over FIXT.1.1.
pub const FIX50SP2: Rules = Rules {
    name: "FIX.5.0SP2",
    begin_string: "FIXT.1.1",
    default_appl_ver_id: Some("9"),
    open_end_seq_no: 0,
    last_reject_reason: 99,
};

/// Every version there is.
pub const ALL: [&Rules; 3] = [&FIX42, &FIX44, &FIX50SP2];

impl Rules {
    /// The version called `name`, also found by its BeginString(8) where that is enough.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter()
            .find(|rules| rules.name == name || rules.begin_string == name)
    }
}

//! Which application version a message has: the values of ApplVerID(1128) and of the fields like it.
//!
//! Here so that the dictionary and the session speak of the same thing; neither its tables nor its
//! negotiation are known here.

use std::fmt;

/// An application version that has a dictionary: ApplVerID(1128), DefaultApplVerID(1137),
/// RefApplVerID(1130).
///
/// The values 0 (FIX 2.7), 1 (FIX 3.0) and 10 and above (later packs) have none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApplVersion {
    /// FIX 4.0, `2`.
    Fix40,
    /// FIX 4.1, `3`.
    Fix41,
    /// FIX 4.2, `4`.
    Fix42,
    /// FIX 4.3, `5`.
    Fix43,
    /// FIX 4.4, `6`.
    Fix44,
    /// FIX 5.0, `7`.
    Fix50,
    /// FIX 5.0 SP1, `8`.
    Fix50Sp1,
    /// FIX 5.0 SP2, `9`.
    Fix50Sp2,
}

impl ApplVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 8] = [
        Self::Fix40,
        Self::Fix41,
        Self::Fix42,
        Self::Fix43,
        Self::Fix44,
        Self::Fix50,
        Self::Fix50Sp1,
        Self::Fix50Sp2,
    ];

    /// The version an ApplVerID(1128) names; `None` for one without a dictionary.
    #[must_use]
    pub fn from_appl_ver_id(value: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.appl_ver_id().as_bytes() == value)
    }

    /// The value of ApplVerID(1128).
    #[must_use]
    pub fn appl_ver_id(self) -> &'static str {
        match self {
            Self::Fix40 => "2",
            Self::Fix41 => "3",
            Self::Fix42 => "4",
            Self::Fix43 => "5",
            Self::Fix44 => "6",
            Self::Fix50 => "7",
            Self::Fix50Sp1 => "8",
            Self::Fix50Sp2 => "9",
        }
    }

    /// What users call it: `FIX.4.4`, `FIX.5.0SP2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fix40 => "FIX.4.0",
            Self::Fix41 => "FIX.4.1",
            Self::Fix42 => "FIX.4.2",
            Self::Fix43 => "FIX.4.3",
            Self::Fix44 => "FIX.4.4",
            Self::Fix50 => "FIX.5.0",
            Self::Fix50Sp1 => "FIX.5.0SP1",
            Self::Fix50Sp2 => "FIX.5.0SP2",
        }
    }
}

impl fmt::Display for ApplVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_its_version_and_nothing_else_does() {
        for version in ApplVersion::ALL {
            assert_eq!(
                ApplVersion::from_appl_ver_id(version.appl_ver_id().as_bytes()),
                Some(version)
            );
        }
        for other in [b"".as_slice(), b"0", b"1", b"10", b"02", b"99", b"x"] {
            assert_eq!(ApplVersion::from_appl_ver_id(other), None);
        }
    }
}

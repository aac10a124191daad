//! What is spoken on a connection.

use std::fmt;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// FIX, as tags and values.
    #[default]
    Fix,
    /// FIXP over SBE, as CME iLink 3 has it.
    Fixp,
}

/// The name as scripts know it: `fix`, `fixp`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fix => "fix",
            Self::Fixp => "fixp",
        })
    }
}

//! Every key that the engines of the QuickFIX family know, and what becomes of it here.
//!
//! One table: a key that is not in it is unknown, and an unknown key is an error, because a misspelled
//! one would be a default nobody notices. A key whose row says how it is honoured is honoured; there is
//! no third place.

mod acceptor;
mod identity;
mod initiator;
mod link;
mod logs;
mod sequence;
mod store;
mod timers;
mod tls;
mod validation;

use super::draft::Draft;
use crate::session::fix::Role;

/// A key of a settings file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As the documents of those engines spell it. Case does not count in a file.
    pub name: &'static str,
    /// Other spellings of the same.
    pub also: &'static [&'static str],
    /// What may follow the name.
    pub family: Family,
    /// The value that QuickFIX/J takes if the key is not there; `-` if it does not know it.
    pub default_java: &'static str,
    /// The same of QuickFIX (C++).
    pub default_cpp: &'static str,
    /// The role it has a meaning for; `None` is both.
    pub role: Option<Role>,
    /// What it says, with units.
    pub meaning: &'static str,
    /// What becomes of it here.
    pub stance: Stance,
}

/// What may follow the name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Nothing.
    Single,
    /// A number: `LogonTag`, `LogonTag1`, `LogonTag2`.
    Numbered,
    /// A point and a version: `AppDataDictionary.FIX.4.4`.
    Versioned,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub enum Stance {
    /// Means here what it means there.
    Honoured(Apply),
    /// Is honoured as a setting of another kind.
    Mapped(Apply),
    /// Is an error; the text says what to use instead.
    Refused(&'static str),
}

impl Stance {
    /// One word, for listings.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Honoured(_) => "honoured",
            Self::Mapped(_) => "mapped",
            Self::Refused(_) => "refused",
        }
    }
}

/// Puts a value where it belongs.
#[derive(Clone, Copy)]
pub struct Apply(fn(&mut Draft, &Given<'_>) -> Result<(), String>);

impl Apply {
    /// # Errors
    /// What would be right.
    pub(super) fn apply(&self, draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
        (self.0)(draft, given)
    }
}

impl std::fmt::Debug for Apply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Apply")
    }
}

/// A key as it stands in a file, with its value.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    pub line: usize,
    /// As written.
    pub key: &'a str,
    /// What follows the name of the key, without the point.
    pub suffix: &'a str,
    /// With everything put in.
    pub value: &'a str,
}

impl Given<'_> {
    /// The number after the name; 0 if there is none.
    pub fn number(&self) -> u32 {
        self.suffix.parse().unwrap_or(0)
    }
}

/// A part of the table.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What its keys are about.
    pub title: &'static str,
    /// Its rows.
    pub keys: &'static [Key],
}

/// The table.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Identity and schedule",
        keys: identity::KEYS,
    },
    Group {
        title: "Sequence numbers and logon",
        keys: sequence::KEYS,
    },
    Group {
        title: "Validation and dictionary",
        keys: validation::KEYS,
    },
    Group {
        title: "Timers",
        keys: timers::KEYS,
    },
    Group {
        title: "Initiator",
        keys: initiator::KEYS,
    },
    Group {
        title: "Acceptor",
        keys: acceptor::KEYS,
    },
    Group {
        title: "Sockets, proxy",
        keys: link::KEYS,
    },
    Group {
        title: "TLS",
        keys: tls::KEYS,
    },
    Group {
        title: "Message store",
        keys: store::KEYS,
    },
    Group {
        title: "Logs and the rest",
        keys: logs::KEYS,
    },
];

/// Every row of the table.
pub fn all() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys)
}

impl Key {
    /// What follows the name, if `given` is this key.
    pub(super) fn matches<'a>(&self, given: &'a str) -> Option<&'a str> {
        let mut names = self.also.iter().chain([&self.name]);
        names.find_map(|name| {
            let (start, suffix) = given.split_at_checked(name.len())?;
            if !start.eq_ignore_ascii_case(name) {
                return None;
            }
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            match self.family {
                _ if suffix.is_empty() => Some(suffix),
                Family::Single => None,
                Family::Numbered => is_number(suffix).then_some(suffix),
                Family::Versioned => suffix
                    .strip_prefix('.')
                    .filter(|version| !version.is_empty()),
            }
        })
    }

    /// Whether its value may be a secret, which is shown nowhere.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        let name = self.name;
        name.contains("Password")
            || name.contains("LogonTag")
            || name.contains("PrivateKeyBytes")
            || name.contains("ConnectionString")
            || name.contains("DataSourceName")
            || name == "MongoStoreConnection"
            || name == "MongoLogConnection"
    }

    const fn also(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }

    const fn only(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    const fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }
}

/// A row that is honoured.
const fn honoured(
    name: &'static str,
    default_java: &'static str,
    default_cpp: &'static str,
    meaning: &'static str,
    apply: fn(&mut Draft, &Given<'_>) -> Result<(), String>,
) -> Key {
    Key {
        name,
        also: &[],
        family: Family::Single,
        default_java,
        default_cpp,
        role: None,
        meaning,
        stance: Stance::Honoured(Apply(apply)),
    }
}

/// A row that becomes another setting.
const fn mapped(
    name: &'static str,
    default_java: &'static str,
    default_cpp: &'static str,
    meaning: &'static str,
    apply: fn(&mut Draft, &Given<'_>) -> Result<(), String>,
) -> Key {
    Key {
        stance: Stance::Mapped(Apply(apply)),
        ..honoured(name, default_java, default_cpp, meaning, apply)
    }
}

/// A row of which the text says what to use instead.
const fn refused(name: &'static str, instead: &'static str) -> Key {
    Key {
        name,
        also: &[],
        family: Family::Single,
        default_java: "",
        default_cpp: "",
        role: None,
        meaning: "",
        stance: Stance::Refused(instead),
    }
}

//! The dictionaries of one session: one for the header and the session level, one for each
//! application version it may receive, and those of custom versions and extensions.

use std::ops::Deref;
use std::sync::Arc;

use super::{Dictionary, builtin};
use crate::wire::fix::{ApplVersion, msg_type};

/// A dictionary that many sessions share.
#[derive(Clone, Debug)]
pub enum SharedDictionary {
    /// One that comes with the library.
    Builtin(&'static Dictionary),
    /// One that was loaded.
    Loaded(Arc<Dictionary>),
}

impl Deref for SharedDictionary {
    type Target = Dictionary;

    #[inline]
    fn deref(&self) -> &Dictionary {
        match self {
            Self::Builtin(dictionary) => dictionary,
            Self::Loaded(dictionary) => dictionary,
        }
    }
}

impl From<&'static Dictionary> for SharedDictionary {
    fn from(dictionary: &'static Dictionary) -> Self {
        Self::Builtin(dictionary)
    }
}

impl From<Dictionary> for SharedDictionary {
    fn from(dictionary: Dictionary) -> Self {
        Self::Loaded(Arc::new(dictionary))
    }
}

impl From<Arc<Dictionary>> for SharedDictionary {
    fn from(dictionary: Arc<Dictionary>) -> Self {
        Self::Loaded(dictionary)
    }
}

/// What an application message is written in: a version, and what a venue made of it.
///
/// A message has the one of its own ApplVerID(1128), CstmApplVerID(1129) and ApplExtID(1156), of the
/// entry for its type in the sender's Logon, or of that Logon's defaults, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplDialect<'a> {
    /// ApplVerID(1128).
    pub version: ApplVersion,
    /// CstmApplVerID(1129): the name of a custom version.
    pub custom: Option<&'a [u8]>,
    /// ApplExtID(1156): the number of an extension.
    pub extension: Option<u32>,
}

impl From<ApplVersion> for ApplDialect<'_> {
    /// The version as it is.
    fn from(version: ApplVersion) -> Self {
        Self {
            version,
            custom: None,
            extension: None,
        }
    }
}

/// A dictionary of a custom version or an extension.
#[derive(Clone, Debug)]
struct Variant {
    version: ApplVersion,
    custom: Option<Box<[u8]>>,
    extension: Option<u32>,
    dictionary: SharedDictionary,
}

impl Variant {
    /// How particular it is, if it is for messages in `dialect`.
    fn fit(&self, dialect: &ApplDialect<'_>) -> Option<u8> {
        let custom = self.custom.as_deref();
        let fits = self.version == dialect.version
            && (custom.is_none() || custom == dialect.custom)
            && (self.extension.is_none() || self.extension == dialect.extension);
        fits.then_some(2 * u8::from(custom.is_some()) + u8::from(self.extension.is_some()))
    }
}

/// The dictionaries of one session. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dictionaries {
    transport: SharedDictionary,
    applications: [Option<SharedDictionary>; ApplVersion::ALL.len()],
    variants: Arc<[Variant]>,
}

impl Dictionaries {
    /// One dictionary for everything: FIX.4.0 to FIX.4.4.
    #[must_use]
    pub fn single(version: ApplVersion, dictionary: impl Into<SharedDictionary>) -> Self {
        let dictionary = dictionary.into();
        Self::fixt(dictionary.clone()).with(version, dictionary)
    }

    /// Header, trailer and session-level messages of FIXT.1.1; applications are added by
    /// [`Dictionaries::with`].
    #[must_use]
    pub fn fixt(transport: impl Into<SharedDictionary>) -> Self {
        Self {
            transport: transport.into(),
            applications: Default::default(),
            variants: Arc::default(),
        }
    }

    /// The built-in ones for sessions with this BeginString(8) whose messages have this version unless
    /// they say otherwise. With `FIXT.1.1` all application versions are there; those before FIX.5.0 are
    /// used with the header of FIXT.1.1 then.
    #[must_use]
    pub fn builtin(begin_string: &str, version: ApplVersion) -> Self {
        if begin_string == builtin::fixt11().name() {
            ApplVersion::ALL
                .into_iter()
                .fold(Self::fixt(builtin::fixt11()), |all, version| {
                    all.with(version, builtin::of_version(version))
                })
        } else {
            Self::single(version, builtin::of_version(version))
        }
    }

    /// The same, with this dictionary for application messages of this version.
    #[must_use]
    pub fn with(mut self, version: ApplVersion, dictionary: impl Into<SharedDictionary>) -> Self {
        self.applications[version as usize] = Some(dictionary.into());
        self
    }

    /// The same, with this dictionary for application messages in this dialect. One without a custom
    /// version is for all of them, one without an extension likewise; of several that fit a message
    /// the one that names more holds, the custom version counting for more than the extension. What none
    /// of them fits is judged by the dictionary of its version.
    #[must_use]
    pub fn with_dialect(
        mut self,
        dialect: ApplDialect<'_>,
        dictionary: impl Into<SharedDictionary>,
    ) -> Self {
        let variant = Variant {
            version: dialect.version,
            custom: dialect.custom.map(Into::into),
            extension: dialect.extension,
            dictionary: dictionary.into(),
        };
        self.variants = self.variants.iter().cloned().chain([variant]).collect();
        self
    }

    /// The dialects that have dictionaries of their own, in the order they were added.
    pub fn dialects(&self) -> impl Iterator<Item = (ApplDialect<'_>, &SharedDictionary)> {
        self.variants.iter().map(|variant| {
            let dialect = ApplDialect {
                version: variant.version,
                custom: variant.custom.as_deref(),
                extension: variant.extension,
            };
            (dialect, &variant.dictionary)
        })
    }

    /// Whether CstmApplVerID(1129) and ApplExtID(1156) matter.
    #[inline]
    #[must_use]
    pub fn has_dialects(&self) -> bool {
        !self.variants.is_empty()
    }

    /// The dictionary of header, trailer and session-level messages.
    #[inline]
    #[must_use]
    pub fn transport(&self) -> &SharedDictionary {
        &self.transport
    }

    /// The dictionary of application messages of this version.
    #[inline]
    #[must_use]
    pub fn application(&self, version: ApplVersion) -> Option<&SharedDictionary> {
        self.applications[version as usize].as_ref()
    }

    /// The dictionary that defines the body of messages of this type.
    ///
    /// XMLnonFIX(n) is an application message that only the transport dictionary knows.
    #[inline]
    #[must_use]
    pub fn of_message(&self, msg_type: &[u8], dialect: ApplDialect<'_>) -> Option<&SharedDictionary> {
        if msg_type::is_admin(msg_type) || msg_type == msg_type::XML_NON_FIX {
            Some(self.transport())
        } else {
            self.of_dialect(dialect)
        }
    }

    #[inline]
    fn of_dialect(&self, dialect: ApplDialect<'_>) -> Option<&SharedDictionary> {
        let mut best = None;
        for variant in &*self.variants {
            if let Some(fit) = variant.fit(&dialect)
                && best.is_none_or(|(most, _)| fit >= most)
            {
                best = Some((fit, &variant.dictionary));
            }
        }
        match best {
            Some((_, dictionary)) => Some(dictionary),
            None => self.application(dialect.version),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Dictionary> {
        std::iter::once(&self.transport)
            .chain(self.applications.iter().flatten())
            .chain(self.variants.iter().map(|variant| &variant.dictionary))
            .map(|shared| &**shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_dictionary_that_fits_is_taken() {
        let custom = |custom, extension| ApplDialect {
            version: ApplVersion::Fix50Sp2,
            custom,
            extension,
        };
        let all = Dictionaries::fixt(builtin::fixt11())
            .with(
                ApplVersion::Fix50Sp2,
                builtin::of_version(ApplVersion::Fix50Sp2),
            )
            .with_dialect(
                custom(Some(b"A"), Some(1)),
                builtin::of_version(ApplVersion::Fix40),
            )
            .with_dialect(
                custom(None, Some(1)),
                builtin::of_version(ApplVersion::Fix41),
            )
            .with_dialect(
                custom(Some(b"A"), None),
                builtin::of_version(ApplVersion::Fix42),
            );
        let name = |dialect| all.of_message(b"D", dialect).unwrap().name();
        for (message, expected) in [
            (custom(Some(b"A"), Some(1)), "FIX.4.0"),
            (custom(Some(b"B"), Some(1)), "FIX.4.1"),
            (custom(None, Some(1)), "FIX.4.1"),
            (custom(Some(b"A"), Some(2)), "FIX.4.2"),
            (custom(Some(b"A"), None), "FIX.4.2"),
            (custom(Some(b"B"), Some(2)), "FIX.5.0SP2"),
            (custom(None, None), "FIX.5.0SP2"),
        ] {
            assert_eq!(name(message), expected, "{message:?}");
        }
        let other = ApplDialect {
            version: ApplVersion::Fix44,
            ..custom(Some(b"A"), Some(1))
        };
        assert!(all.of_message(b"D", other).is_none());
        assert_eq!(all.of_message(b"0", other).unwrap().name(), "FIXT.1.1");
    }
}

//! The dictionaries of one session: one for the header and the session level, and one for each
//! application version it may receive.

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

/// The dictionaries of one session. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dictionaries {
    transport: SharedDictionary,
    applications: [Option<SharedDictionary>; ApplVersion::ALL.len()],
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
    pub fn of_message(&self, msg_type: &[u8], version: ApplVersion) -> Option<&SharedDictionary> {
        if msg_type::is_admin(msg_type) || msg_type == msg_type::XML_NON_FIX {
            Some(self.transport())
        } else {
            self.application(version)
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Dictionary> {
        std::iter::once(&self.transport)
            .chain(self.applications.iter().flatten())
            .map(|shared| &**shared)
    }
}

//! The keys that name dictionaries, and the files read for all sessions of a settings file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::dict::{Dictionaries, Dictionary, SharedDictionary};
use crate::session::fix::rules::Rules;
use crate::wire::fix::ApplVersion;

/// The dictionary keys of a session, as they are given.
#[derive(Debug, Default)]
pub(super) struct DictionariesDraft {
    /// UseDataDictionary, which is Y if it is not given.
    pub use_them: Option<bool>,
    pub data: Option<PathBuf>,
    pub transport: Option<PathBuf>,
    /// By what follows the point; the one without is of the version of the session.
    pub applications: BTreeMap<String, PathBuf>,
}

/// Files that were read: sessions that name the same share it.
#[derive(Debug, Default)]
pub(super) struct Library {
    read: BTreeMap<PathBuf, SharedDictionary>,
}

impl Library {
    fn load(&mut self, path: &Path) -> Result<SharedDictionary, String> {
        if let Some(dictionary) = self.read.get(path) {
            return Ok(dictionary.clone());
        }
        let dictionary = Dictionary::load(path).map_err(|error| error.to_string())?;
        let dictionary = SharedDictionary::from(dictionary);
        self.read.insert(path.to_owned(), dictionary.clone());
        Ok(dictionary)
    }
}

impl DictionariesDraft {
    /// The dictionaries of a session of this version: those that come with the library, unless files
    /// are named. What cannot be is told as (key, what would be right).
    pub fn finish(
        &self,
        rules: &Rules,
        library: &mut Library,
        wrong: &mut dyn FnMut(&str, String),
    ) -> Option<Dictionaries> {
        if self.use_them == Some(false) {
            return None;
        }
        let builtin = Dictionaries::builtin(rules.begin_string, rules.appl_version);
        let mut load = |key: &str, path: &Path| {
            let loaded = library.load(path);
            loaded.map_err(|error| wrong(key, error)).ok()
        };
        if rules.default_appl_ver_id.is_none() {
            let Some(path) = &self.data else {
                return Some(builtin);
            };
            let dictionary = load("DataDictionary", path)?;
            return Some(Dictionaries::single(rules.appl_version, dictionary));
        }
        let transport = match &self.transport {
            Some(path) => load("TransportDataDictionary", path)?,
            None => builtin.transport().clone(),
        };
        let mut found = Dictionaries::fixt(transport);
        for version in ApplVersion::ALL {
            if let Some(dictionary) = builtin.application(version) {
                found = found.with(version, dictionary.clone());
            }
        }
        for (name, path) in &self.applications {
            let key = match name.as_str() {
                "" => "AppDataDictionary".to_owned(),
                name => format!("AppDataDictionary.{name}"),
            };
            let dictionary = load(&key, path)?;
            found = found.with(
                version_called(name).unwrap_or(rules.appl_version),
                dictionary,
            );
        }
        Some(found)
    }
}

/// The version that a name or an ApplVerID(1128) names.
pub(super) fn version_called(name: &str) -> Option<ApplVersion> {
    ApplVersion::ALL
        .into_iter()
        .find(|version| version.name().eq_ignore_ascii_case(name) || version.appl_ver_id() == name)
}

//! Which dictionaries a session has: `"off"`, `"builtin"`, or the files they are in.
//!
//! A file says itself what it is of, FIXT.1.1 or a version; what no file is of is built in.

use std::path::Path;

use pinfix::dict::{Dictionaries, Dictionary, SharedDictionary, builtin};
use pinfix::session::fix::rules::Rules;
use pinfix::wire::fix::ApplVersion;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::Form;

/// What is written.
#[derive(Clone, Debug)]
pub enum Choice {
    Off,
    Builtin,
    /// Each with its path, or with its name where the path is not known.
    Files(Vec<(String, SharedDictionary)>),
}

impl Choice {
    /// The dictionaries of a session of this version.
    pub fn of_session(&self, rules: &Rules) -> Option<Dictionaries> {
        let builtin = Dictionaries::builtin(rules.begin_string, rules.appl_version);
        let files = match self {
            Self::Off => return None,
            Self::Builtin => return Some(builtin),
            Self::Files(files) => files,
        };
        let named = |name: &str| files.iter().find(|(_, found)| found.name() == name);
        if rules.default_appl_ver_id.is_none() {
            return Some(match named(rules.name) {
                Some((_, found)) => Dictionaries::single(rules.appl_version, found.clone()),
                None => builtin,
            });
        }
        let transport = named(rules.begin_string).map_or(builtin.transport(), |(_, found)| found);
        let fixt = Dictionaries::fixt(transport.clone());
        Some(ApplVersion::ALL.into_iter().fold(fixt, |all, version| {
            let file = named(version.name()).map(|(_, found)| found);
            match file.or(builtin.application(version)) {
                Some(found) => all.with(version, found.clone()),
                None => all,
            }
        }))
    }

    /// Whether a name is printed where a path should be.
    pub fn lacks_paths(&self) -> bool {
        matches!(self, Self::Files(_))
    }
}

impl Form for Choice {
    type Of = Option<Dictionaries>;

    /// Depends on the version of the session, so the file does it.
    fn put(&self, _: &mut Option<Dictionaries>) {}

    fn of(value: &Option<Dictionaries>) -> Option<Self> {
        let Some(dictionaries) = value else {
            return Some(Self::Off);
        };
        let applications = ApplVersion::ALL
            .into_iter()
            .filter_map(|version| dictionaries.application(version));
        let mut loaded: Vec<(String, SharedDictionary)> = Vec::new();
        for dictionary in [dictionaries.transport()].into_iter().chain(applications) {
            let name = dictionary.name().to_owned();
            let is_known = loaded.iter().any(|(other, _)| *other == name);
            if matches!(dictionary, SharedDictionary::Loaded(_)) && !is_known {
                loaded.push((name, dictionary.clone()));
            }
        }
        Some(match loaded.is_empty() {
            true => Self::Builtin,
            false => Self::Files(loaded),
        })
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_str("off"),
            Self::Builtin => to.serialize_str("builtin"),
            Self::Files(files) => to.collect_seq(files.iter().map(|(path, _)| path)),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(source)?;
        match value.as_str() {
            Some("off") => return Ok(Self::Off),
            Some("builtin") => return Ok(Self::Builtin),
            _ => {}
        }
        let paths = Vec::<String>::deserialize(value).map_err(|_| {
            de::Error::custom("dictionaries are \"off\", \"builtin\", or files such as [\"FIX44.xml\"]")
        })?;
        let load = |path: String| {
            let dictionary = Dictionary::load(Path::new(&path)).map_err(de::Error::custom)?;
            if builtin::named(dictionary.name()).is_none() {
                let name = dictionary.name();
                return Err(de::Error::custom(format!(
                    "{path} is of {name}, which is no version of FIX"
                )));
            }
            Ok((path, SharedDictionary::from(dictionary)))
        };
        paths
            .into_iter()
            .map(load)
            .collect::<Result<_, _>>()
            .map(Self::Files)
    }
}

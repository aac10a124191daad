//! Which dictionaries a session has: `"off"`, `"builtin"`, or the files they are in.
//!
//! A file says itself what it is of, FIXT.1.1 or a version; what no file is of is built in. One that is
//! for a custom version or an extension only is a table with their names beside the file's.

use std::path::Path;

use pinfix::dict::{ApplDialect, Dictionaries, Dictionary, SharedDictionary, builtin};
use pinfix::session::fix::rules::Rules;
use pinfix::wire::fix::ApplVersion;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::Form;

/// What is written.
#[derive(Clone, Debug)]
pub enum Choice {
    Off,
    Builtin,
    Files(Vec<File>),
}

/// A dictionary that was read from a file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path, or its name where the path is not known.
    path: String,
    /// CstmApplVerID(1129) of the messages it is for.
    custom: Option<String>,
    /// ApplExtID(1156) of the messages it is for.
    extension: Option<u32>,
    dictionary: SharedDictionary,
}

impl File {
    /// Whether it is for every message of its version.
    fn is_plain(&self) -> bool {
        self.custom.is_none() && self.extension.is_none()
    }

    /// The messages it is for, if it is of a version that messages can have.
    fn dialect(&self) -> Option<ApplDialect<'_>> {
        let version = ApplVersion::ALL
            .into_iter()
            .find(|version| version.name() == self.dictionary.name())?;
        Some(ApplDialect {
            version,
            custom: self.custom.as_ref().map(String::as_bytes),
            extension: self.extension,
        })
    }
}

/// How a file is written.
#[derive(Deserialize, Serialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    Path(String),
    Particular {
        file: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        custom: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        extension: Option<u32>,
    },
}

impl Written {
    fn load(self) -> Result<File, String> {
        let (path, custom, extension) = match self {
            Self::Path(path) => (path, None, None),
            Self::Particular {
                file,
                custom,
                extension,
            } => (file, custom, extension),
        };
        let dictionary = Dictionary::load(Path::new(&path)).map_err(|error| error.to_string())?;
        let name = dictionary.name();
        if builtin::named(name).is_none() {
            return Err(format!("{path} is of {name}, which is no version of FIX"));
        }
        let file = File {
            custom,
            extension,
            dictionary: SharedDictionary::from(dictionary),
            path,
        };
        if !file.is_plain() && file.dialect().is_none() {
            return Err(format!(
                "{} is of {}; a custom version or an extension is of a version of application messages",
                file.path,
                file.dictionary.name()
            ));
        }
        Ok(file)
    }
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
        let named = |name: &str| {
            let mut plain = files.iter().filter(|file| file.is_plain());
            let found = plain.find(|file| file.dictionary.name() == name);
            found.map(|file| &file.dictionary)
        };
        let versions = if rules.default_appl_ver_id.is_none() {
            match named(rules.name) {
                Some(found) => Dictionaries::single(rules.appl_version, found.clone()),
                None => builtin,
            }
        } else {
            let transport = named(rules.begin_string).unwrap_or(builtin.transport());
            let fixt = Dictionaries::fixt(transport.clone());
            ApplVersion::ALL.into_iter().fold(fixt, |all, version| {
                match named(version.name()).or(builtin.application(version)) {
                    Some(found) => all.with(version, found.clone()),
                    None => all,
                }
            })
        };
        // Those of a session that has no use for them are refused when it is made.
        let particular = files.iter().filter(|file| !file.is_plain());
        Some(particular.fold(versions, |all, file| match file.dialect() {
            Some(dialect) => all.with_dialect(dialect, file.dictionary.clone()),
            None => all,
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
        let mut loaded: Vec<File> = Vec::new();
        for dictionary in [dictionaries.transport()].into_iter().chain(applications) {
            let name = dictionary.name();
            let is_known = loaded.iter().any(|other| other.path == name);
            if matches!(dictionary, SharedDictionary::Loaded(_)) && !is_known {
                loaded.push(File {
                    path: name.to_owned(),
                    custom: None,
                    extension: None,
                    dictionary: dictionary.clone(),
                });
            }
        }
        for (dialect, dictionary) in dictionaries.dialects() {
            let text = |custom: &[u8]| String::from_utf8_lossy(custom).into_owned();
            loaded.push(File {
                path: dictionary.name().to_owned(),
                custom: dialect.custom.map(text),
                extension: dialect.extension,
                dictionary: dictionary.clone(),
            });
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
            Self::Files(files) => to.collect_seq(files.iter().map(|file| {
                if file.is_plain() {
                    return Written::Path(file.path.clone());
                }
                Written::Particular {
                    file: file.path.clone(),
                    custom: file.custom.clone(),
                    extension: file.extension,
                }
            })),
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
        let files = Vec::<Written>::deserialize(value).map_err(|_| {
            de::Error::custom(
                "dictionaries are \"off\", \"builtin\", or files such as [\"FIX44.xml\"] or \
                 [{ file = \"SP2-A.xml\", custom = \"A\", extension = 1 }]",
            )
        })?;
        files
            .into_iter()
            .map(|file| file.load().map_err(de::Error::custom))
            .collect::<Result<_, _>>()
            .map(Self::Files)
    }
}

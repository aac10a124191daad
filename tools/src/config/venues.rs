//! `venue = "t4"`: a session at a venue, and what that sets.
//!
//! What a venue says comes first, then what the file says as defaults, then what it says of the session.

use pinfix::engine::{FixpSessionConfig, Planned, SessionConfig, TLS_AVAILABLE, nearest};
use pinfix::session::fix::Role;
use pinfix::session::fix::rules::Rules;
use pinfix::venue::{FixpProfile, Profile, Service, Tls, VENUES, Venue};
use serde::{Deserialize, Serialize};

use super::fixp;
use super::form::{Form, named};
use super::tables::SessionTable;

/// What is decided while a session is put together. It comes to settings, and is none itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Aside<T>(pub T);

impl<T> Form for Aside<T> {
    type Of = SessionConfig;

    fn put(&self, _: &mut SessionConfig) {}

    fn of(_: &SessionConfig) -> Option<Self> {
        None
    }
}

/// `tls = "off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Plain text, also where the venue wants TLS.
    Off,
}

named! { Plain { "off" = Plain::Off } }

/// What a session says of its venue.
pub struct Choice<'a> {
    pub profile: &'static Profile,
    service: Option<&'static Service>,
    host: Option<&'a str>,
    switches: Vec<&'a str>,
    pub is_plain: bool,
}

impl<'a> Choice<'a> {
    /// What `tables` say of a session at `profile`, the first of them that says something; `None` if
    /// there is no venue.
    ///
    /// # Errors
    /// A name the venue does not have, or keys that need a venue.
    pub fn read(
        profile: Option<&'static Profile>,
        tables: &[&'a SessionTable],
    ) -> Result<Option<Self>, String> {
        let say = |key: fn(&SessionTable) -> Option<&Aside<String>>| {
            let mut said = tables.iter().filter_map(|table| key(table));
            said.next().map(|aside| aside.0.as_str())
        };
        let service = say(|table| table.service.as_ref());
        let host = say(|table| table.host.as_ref());
        let switches: Vec<&str> = tables
            .iter()
            .filter_map(|table| table.switches.as_ref())
            .flat_map(|aside| aside.0.iter().map(String::as_str))
            .collect();
        let Some(profile) = profile else {
            return match (service, host, switches.first()) {
                (None, None, None) => Ok(None),
                _ => Err(
                    "service, host and switches are those of a venue, expected the key venue"
                        .to_owned(),
                ),
            };
        };
        for name in &switches {
            profile.switch(name).map_err(|error| error.to_string())?;
        }
        let service = service.map(|name| profile.service(name));
        Ok(Some(Self {
            profile,
            service: service.transpose().map_err(|error| error.to_string())?,
            host,
            switches,
            is_plain: tables.iter().any(|table| table.tls.is_some()),
        }))
    }

    /// The version, if none is said.
    pub fn version(&self) -> Option<&'static Rules> {
        self.service
            .map(|service| service.rules)
            .or_else(|| self.profile.version())
    }

    /// The session before the file says more of it.
    pub fn begin(
        &self,
        version: &'static Rules,
        role: Role,
        sender: &str,
        target: &str,
    ) -> SessionConfig {
        let mut config = SessionConfig::at_venue(self.profile, version, role, sender, target);
        if self.is_plain {
            config.connect.tls = None;
        }
        if let Some(service) = self.service {
            let host = self.host.filter(|_| role == Role::Initiator);
            config.use_service(service, host);
        }
        config
    }

    /// What is added to what the file said.
    pub fn finish(&self, planned: &mut Planned<SessionConfig>) {
        for name in &self.switches {
            if let Ok(switch) = self.profile.switch(name) {
                switch.apply(&mut planned.config.settings);
            }
        }
    }

    /// What does not go together.
    pub fn problems(&self, planned: &Planned<SessionConfig>) -> Vec<String> {
        let settings = &planned.config.settings;
        let name = self.profile.name;
        let mut problems = Vec::new();
        if !self.profile.speaks(settings.rules) {
            let known: Vec<_> = self
                .profile
                .versions
                .iter()
                .map(|rules| rules.name)
                .collect();
            problems.push(format!(
                "venue {name} does not speak {}, expected {}",
                settings.rules.name,
                known.join(" or ")
            ));
        }
        if let Some(service) = self
            .service
            .filter(|service| service.rules != settings.rules)
        {
            problems.push(format!(
                "service {} of venue {name} speaks {}, not {}",
                service.name, service.rules.name, settings.rules.name
            ));
        }
        let needs_tls = settings.role == Role::Initiator && self.profile.tls == Tls::Required;
        if needs_tls && planned.config.connect.tls.is_some() && !TLS_AVAILABLE {
            problems.push(format!(
                "venue {name} takes connections with TLS only, and this command was built without; \
                 tls = \"off\" connects to a simulator in plain text"
            ));
        }
        problems
    }
}

/// The venue of this name.
pub fn named(name: &str) -> Result<Venue, String> {
    Venue::named(name).ok_or_else(|| {
        let names = VENUES.map(|venue| venue.name());
        let meant = nearest(name, names)
            .map(|meant| format!("; did you mean {meant}?"))
            .unwrap_or_default();
        format!(
            "there is no venue {name:?}, expected one of {}{meant}",
            names.join(", ")
        )
    })
}

/// What a venue sets that would be otherwise without it, as keys of a file.
pub fn differences(choice: &Choice<'_>, planned: &Planned<SessionConfig>) -> Vec<String> {
    let settings = &planned.config.settings;
    let id = &settings.id;
    let keys = |config: SessionConfig| {
        let table = SessionTable::of(&planned.clone().with(|_| config));
        flat(&table.unwrap_or_default())
    };
    let (version, role) = (settings.rules, settings.role);
    let (sender, target) = (&id.sender_comp_id, &id.target_comp_id);
    let with = keys(choice.begin(version, role, sender, target));
    let mut plain = SessionConfig::acceptor(version, sender, target);
    plain.settings.role = role;
    only(with, &keys(plain))
}

/// The same of a venue that speaks FIXP. What is as everywhere is told as well: without the venue there
/// would be no such session.
pub fn differences_in_fixp(profile: &FixpProfile, planned: &Planned<FixpSessionConfig>) -> Vec<String> {
    let Planned { config, .. } = planned;
    let settings = &config.settings;
    let (session, firm) = (&settings.session, &settings.firm);
    let credentials = || settings.credentials.clone();
    let with = FixpSessionConfig::at_venue(profile, settings.role, session, firm, credentials());
    let Ok(with) = with else { return Vec::new() };
    let venue_keys = ["schema_version", "keep_alive", "fixp.", "schedule."];
    let keys = flat(&fixp::written(profile, &[], &Planned::new(with)));
    keys.into_iter()
        .filter(|line| venue_keys.iter().any(|key| line.starts_with(key)))
        .collect()
}

fn only(lines: Vec<String>, not: &[String]) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !not.contains(line))
        .collect()
}

/// Everything that is written in a table, a line each.
fn flat(table: &SessionTable) -> Vec<String> {
    let mut keys = Vec::new();
    if let Ok(value) = toml::Value::try_from(table) {
        flatten("", &value, &mut keys);
    }
    keys
}

/// `a.b = value` for everything in a table.
fn flatten(prefix: &str, value: &toml::Value, into: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{key}"), value, into);
            }
        }
        value => into.push(format!("{prefix} = {value}")),
    }
}

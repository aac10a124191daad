//! A configuration file as a whole: an engine, its ports, its sessions.
//!
//! Errors name the file, the line, the key, the value and what would be right. A key that is not known
//! is an error: a misspelled one would otherwise be a default nobody notices.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use pinfix::engine::{
    AnySessionConfig, FixpSessionConfig, Listen, Plan, Planned, Problem, Problems, SessionConfig,
    Template, nearest,
};
use pinfix::session::fix::Role;
use pinfix::session::fix::rules::Rules;
use pinfix::venue::{FixpProfile, Profile, Venue};
use pinfix::wire::fix::Decimal;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Spanned;

use super::dictionaries::Choice;
use super::fixp;
use super::form::{Form as _, Leaf as _, Place, Text, Word, may_name_a_user};
use super::proxy::warn_of_unguarded;
use super::tables::{EngineTable, ListenTable, LogonTable, SessionTable, TemplateTable};
use super::tls::warn_of_unverified;
use super::venues;
use crate::exchange::Fills;
use crate::hosting::IdleMode;

/// The file. Keys come before tables.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The core to pin the thread to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<usize>,
    /// What the thread does when there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Word<IdleMode>>,
    /// `exchange`: what happens to orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fills: Option<Word<Fills>>,
    /// `exchange`: the price of an order without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_price: Option<Text<Decimal>>,
    /// `exchange`: nothing is traded, messages go back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// The file of the status page, also `status_page` of [engine].
    #[serde(skip_serializing_if = "Option::is_none")]
    status_page: Option<Place>,
    /// The directory below which each session has its journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Place>,
    #[serde(skip_serializing_if = "Listeners::is_empty")]
    listen: Listeners,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<EngineTable>,
    /// What a session takes that does not say it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    defaults: Option<SessionTable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    session: Vec<Spanned<SessionTable>>,
}

impl File {
    /// Reads the text of a file; `name` is what problems call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        toml::from_str(text).map_err(|error| Problems(vec![placed(name, text, &error)]))
    }

    /// Leaves only the sessions at a venue, and the ports that they need. If no session says where it is,
    /// all of them are there. `text` is that of the file.
    ///
    /// # Errors
    /// None is there; tells those there are.
    pub fn keep_venue(&mut self, venue: &str, text: &str) -> Result<(), String> {
        let mut tables = self
            .session
            .iter()
            .map(Spanned::get_ref)
            .chain(&self.defaults);
        if tables.all(|table| table.venue.is_none()) {
            let defaults = self.defaults.get_or_insert_default();
            defaults.venue = Some(venues::Aside(venue.to_owned()));
            return Ok(());
        }
        let mut others = Vec::new();
        for table in &self.session {
            let own = table.get_ref();
            let at = self.venue_name(own).unwrap_or("no venue");
            let line = line_of(text, table);
            others.push(match self.session(own) {
                Ok((planned, _)) => format!("{} at {at} (line {line})", planned.config.id()),
                Err(_) => format!("the session of line {line} at {at}"),
            });
        }
        let all = std::mem::take(&mut self.session);
        let is_there = |table: &Spanned<SessionTable>| self.venue_name(table.get_ref()) == Some(venue);
        let kept: Vec<_> = all.into_iter().filter(is_there).collect();
        if kept.is_empty() {
            return Err(match others.as_slice() {
                [] => "no session is listed, expected at least one [[session]]".to_owned(),
                others => format!("no session is there, the file has {}", others.join(", ")),
            });
        }
        self.session = kept;
        let accepts = |table: &Spanned<SessionTable>| {
            let mut tables = std::iter::once(table.get_ref()).chain(&self.defaults);
            let role = tables.find_map(|table| table.role.as_ref());
            role.is_some_and(|role| role.0 == Role::Acceptor)
        };
        if !self.session.iter().any(accepts) {
            self.listen = Listeners::default();
        }
        for listen in &mut self.listen.0 {
            listen.template = None;
        }
        Ok(())
    }

    /// What a session calls its venue, itself or by default.
    fn venue_name<'a>(&'a self, own: &'a SessionTable) -> Option<&'a str> {
        let mut tables = std::iter::once(own).chain(&self.defaults);
        let name = tables.find_map(|table| table.venue.as_ref());
        name.map(|name| name.0.as_str())
    }

    /// The same file with everything its plan comes to said in it.
    pub fn resolved(self, plan: &Plan) -> Self {
        Self {
            status_page: None,
            journal: None,
            listen: Listeners(plan.listeners.iter().filter_map(ListenTable::of).collect()),
            engine: EngineTable::of(&plan.engine),
            defaults: None,
            session: self
                .session
                .iter()
                .map(Some)
                // A settings file has no tables.
                .chain(std::iter::repeat(None))
                .zip(&plan.sessions)
                .filter_map(|(table, planned)| {
                    let table = table.map(Spanned::get_ref);
                    Some(Spanned::new(0..0, self.written(table, planned)?))
                })
                .collect(),
            ..self
        }
    }

    /// How a session is written that was read from `own`.
    fn written(&self, own: Option<&SessionTable>, planned: &Planned) -> Option<SessionTable> {
        match &planned.config {
            AnySessionConfig::Fix(config) => {
                SessionTable::of(&planned.clone().with(|_| config.clone()))
            }
            AnySessionConfig::Fixp(config) => {
                let Ok(Some(Venue::Fixp(profile))) = self.venue_of(own?) else {
                    return None;
                };
                let tables: Vec<_> = own.into_iter().chain(&self.defaults).collect();
                let planned = planned.clone().with(|_| config.clone());
                Some(fixp::written(profile, &tables, &planned))
            }
        }
    }

    /// What the venue of each session set.
    pub fn venue_remarks(&self, plan: &Plan) -> Vec<String> {
        let mut remarks = Vec::new();
        for (table, planned) in self.session.iter().zip(&plan.sessions) {
            let Ok(Some(venue)) = self.venue_of(table.get_ref()) else {
                continue;
            };
            let set = match (venue, &planned.config) {
                (Venue::Fix(profile), AnySessionConfig::Fix(config)) => {
                    let planned = planned.clone().with(|_| config.clone());
                    let choice = self.choice(Some(profile), table.get_ref());
                    let Ok(Some(choice)) = choice else { continue };
                    venues::differences(&choice, &planned)
                }
                (Venue::Fixp(profile), AnySessionConfig::Fixp(config)) => {
                    let planned = planned.clone().with(|_| config.clone());
                    venues::differences_in_fixp(profile, &planned)
                }
                _ => continue,
            };
            remarks.push(format!(
                "{}: venue {} sets, unless the file says otherwise:",
                planned.config.id(),
                venue.name()
            ));
            remarks.extend(set.into_iter().map(|line| format!("  {line}")));
        }
        remarks
    }

    /// Whether names of dictionaries stand in it where paths should.
    pub fn lacks_paths_of_dictionaries(&self) -> bool {
        let validations = self
            .session
            .iter()
            .filter_map(|table| table.get_ref().validation.as_ref());
        let mut choices = validations.filter_map(|table| table.dictionaries.as_ref());
        choices.any(Choice::lacks_paths)
    }

    /// What is to be started. `name` and `text` are those of the file.
    pub fn plan(&self, name: &str, text: &str) -> Result<Plan, Problems> {
        let mut problems = Vec::new();
        let mut plan = Plan::default();
        let at = |line: Option<usize>, session: Option<String>, text: String| Problem {
            file: Some(name.to_owned()),
            line,
            session,
            text,
            ..Problem::default()
        };
        if let Some(engine) = &self.engine {
            engine.put(&mut plan.engine);
        }
        if let Some(page) = &self.status_page {
            plan.engine.status_page = Some(page.0.clone());
        }
        if let Err(error) = plan.engine.check() {
            problems.push(at(None, None, error.to_string()));
        }
        let logon = self
            .defaults
            .as_ref()
            .and_then(|table| table.logon.as_ref());
        if let Some(wrong) = logon.and_then(LogonTable::said_twice) {
            problems.push(at(None, None, format!("[defaults]: {wrong}")));
        }
        for table in &self.listen.0 {
            match self.listener(table) {
                Ok(listen) => plan.listeners.push(listen),
                Err(wrong) => problems.push(at(None, None, wrong)),
            }
        }
        let mut seen: Vec<(String, usize)> = Vec::new();
        for table in &self.session {
            let line = line_of(text, table);
            let (planned, of_venue) = match self.session(table.get_ref()) {
                Ok(session) => session,
                Err(wrong) => {
                    problems.push(at(Some(line), None, wrong));
                    continue;
                }
            };
            let id = planned.config.id().to_string();
            let of_venue = of_venue.into_iter();
            problems.extend(of_venue.map(|text| at(Some(line), Some(id.clone()), text)));
            for error in planned.config.problems() {
                problems.push(at(Some(line), Some(id.clone()), error.to_string()));
            }
            if let Some((_, before)) = seen.iter().find(|(other, _)| *other == id) {
                let text = format!("session {id} is at line {before} already, every identity once");
                problems.push(at(Some(line), None, text));
            }
            seen.push((id, line));
            plan.sessions.push(planned);
        }
        warn_of_unverified(&mut plan, name);
        warn_of_unguarded(&mut plan, name);
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(Problems(problems)),
        }
    }

    fn listener(&self, table: &ListenTable) -> Result<Listen, String> {
        let address = table
            .address
            .as_ref()
            .ok_or("[[listen]]: address is missing")?;
        let mut listen = Listen::on(address.value());
        table.put(&mut listen);
        for made in table.template.iter().flat_map(|templates| &templates.0) {
            listen.templates.push(self.template(made)?);
        }
        listen.check().map_err(|error| error.to_string())?;
        Ok(listen)
    }

    fn template(&self, table: &TemplateTable) -> Result<Template, String> {
        let versions = table
            .versions
            .as_ref()
            .map(|versions| versions.value())
            .unwrap_or_default();
        let newest = versions
            .last()
            .ok_or("[[listen.template]]: versions is missing")?;
        let own = table.session.clone().unwrap_or_default().0;
        let profile = match self.venue_of(&own)? {
            Some(Venue::Fixp(profile)) => {
                return Err(format!(
                    "[[listen.template]]: venue {} speaks FIXP, templates make sessions of FIX",
                    profile.name
                ));
            }
            Some(Venue::Fix(profile)) => Some(profile),
            None => None,
        };
        fixp::refused_in_fix(&own).map_or(Ok(()), Err)?;
        let twice = own.logon.as_ref().and_then(LogonTable::said_twice);
        twice.map_or(Ok(()), Err)?;
        let choice = self.choice(profile, &own)?;
        let planned = self.described(newest, Role::Acceptor, ["*", "*"], &own, choice.as_ref());
        let mut template = Template::new(versions.clone(), planned.config);
        table.put(&mut template);
        Ok(template)
    }

    /// The venue of a session, said by itself or as a default.
    fn venue_of(&self, own: &SessionTable) -> Result<Option<Venue>, String> {
        self.venue_name(own).map(venues::named).transpose()
    }

    /// What a session says of the venue it is at, itself or as a default.
    fn choice<'a>(
        &'a self,
        profile: Option<&'static Profile>,
        own: &'a SessionTable,
    ) -> Result<Option<venues::Choice<'a>>, String> {
        let tables: Vec<_> = std::iter::once(own).chain(&self.defaults).collect();
        venues::Choice::read(profile, &tables)
    }

    /// A session with everything it inherits, and what its venue has against it; or what is missing.
    fn session(&self, own: &SessionTable) -> Result<(Planned, Vec<String>), String> {
        let twice = own.logon.as_ref().and_then(LogonTable::said_twice);
        twice.map_or(Ok(()), Err)?;
        let profile = match self.venue_of(own)? {
            Some(Venue::Fixp(profile)) => {
                let planned = self.session_of_fixp(profile, own)?;
                let problems = fixp::problems(profile, &planned.config);
                return Ok((planned.with(AnySessionConfig::Fixp), problems));
            }
            Some(Venue::Fix(profile)) => Some(profile),
            None => None,
        };
        fixp::refused_in_fix(own).map_or(Ok(()), Err)?;
        let choice = self.choice(profile, own)?;
        let planned = self.session_of_fix(own, choice.as_ref())?;
        let problems = choice.map(|choice| choice.problems(&planned));
        Ok((planned.into(), problems.unwrap_or_default()))
    }

    fn session_of_fixp(
        &self,
        profile: &FixpProfile,
        own: &SessionTable,
    ) -> Result<Planned<FixpSessionConfig>, String> {
        let planned = fixp::planned(profile, own, self.defaults.as_ref())?;
        Ok(match &self.journal {
            Some(base) if !self.has_journal(own) => {
                planned.with(|config| config.journal_below(&base.0))
            }
            _ => planned,
        })
    }

    /// Whether a session says where its journal is, itself or as a default.
    fn has_journal(&self, own: &SessionTable) -> bool {
        let mut tables = std::iter::once(own).chain(&self.defaults);
        tables.any(|table| {
            let journal = table.journal.as_ref();
            journal.is_some_and(|journal| journal.directory.is_some())
        })
    }

    fn session_of_fix(
        &self,
        own: &SessionTable,
        choice: Option<&venues::Choice<'_>>,
    ) -> Result<Planned<SessionConfig>, String> {
        let missing = |key: &str| format!("{key} is missing, here and in [defaults]");
        let none = SessionTable::default();
        let defaults = self.defaults.as_ref().unwrap_or(&none);
        let version = own.version.or(defaults.version).map(|version| version.0);
        let version = version
            .or_else(|| choice?.version())
            .ok_or_else(|| missing("version"))?;
        let role = match choice {
            Some(_) => Role::Initiator,
            None => Role::Acceptor,
        };
        let role = own.role.or(defaults.role).map_or(role, |word| word.0);
        let of_venue = choice.and_then(|choice| choice.profile.comp_id);
        let (ours, theirs) = match role {
            Role::Initiator => (None, of_venue),
            Role::Acceptor => (of_venue, None),
        };
        let sender = own
            .sender_comp_id
            .as_ref()
            .or(defaults.sender_comp_id.as_ref());
        let target = own
            .target_comp_id
            .as_ref()
            .or(defaults.target_comp_id.as_ref());
        let sender = sender.map(String::as_str).or(ours);
        let sender = sender.ok_or_else(|| missing("sender_comp_id"))?;
        let target = target.map(String::as_str).or(theirs);
        let target = target.ok_or_else(|| missing("target_comp_id"))?;
        Ok(self.described(version, role, [sender, target], own, choice))
    }

    fn described(
        &self,
        version: &'static Rules,
        role: Role,
        [sender, target]: [&str; 2],
        own: &SessionTable,
        venue: Option<&venues::Choice<'_>>,
    ) -> Planned<SessionConfig> {
        let mut planned = Planned::new(match venue {
            Some(venue) => venue.begin(version, role, sender, target),
            None => SessionConfig::acceptor(version, sender, target),
        });
        if let Some(defaults) = &self.defaults {
            defaults.put(&mut planned);
        }
        own.put(&mut planned);
        if let Some(venue) = venue {
            venue.finish(&mut planned);
        }
        let choice = [Some(own), self.defaults.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|table| table.validation.as_ref()?.dictionaries.as_ref());
        if let Some(choice) = choice {
            planned.config.settings.validation.dictionaries = choice.of_session(version);
        }
        match &self.journal {
            Some(base) if !self.has_journal(own) => {
                planned.config = planned.config.journal_below(&base.0);
            }
            _ => {}
        }
        planned
    }
}

/// The line of the file that a table begins at.
fn line_of(text: &str, table: &Spanned<SessionTable>) -> usize {
    let before = text.get(..table.span().start).unwrap_or(text);
    1 + before.matches('\n').count()
}

/// The ports: one address, or tables.
#[derive(Debug, Default)]
struct Listeners(Vec<ListenTable>);

impl Listeners {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Listeners {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listeners;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"127.0.0.1:9878\", or tables [[listen]]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listeners, E> {
                let address = Text::<SocketAddr>::deserialize(de::value::StrDeserializer::new(text))?;
                let table = ListenTable {
                    address: Some(address),
                    ..ListenTable::default()
                };
                Ok(Listeners(vec![table]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Listeners, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Listeners)
            }
        }
        source.deserialize_any(Either)
    }
}

/// Whether a file is of the family of settings files that other engines read: by its name, else by
/// its first section.
pub fn is_settings(path: &Path, text: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("cfg" | "ini" | "properties") => true,
        Some("toml") => false,
        _ => text.lines().any(|line| {
            let line = line.trim();
            line.eq_ignore_ascii_case("[default]") || line.eq_ignore_ascii_case("[session]")
        }),
    }
}

/// An error of the parser with its place in the file and the line it is about.
fn placed(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    // The parser speaks of types, people of numbers.
    let mut message = error
        .message()
        .trim_end()
        .replace("expected usize", "expected a whole number")
        .replace("expected u8", "expected 0 to 255")
        .replace("expected u16", "expected 0 to 65535");
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        before.matches('\n').count() + 1
    });
    let written = line
        .and_then(|line| text.lines().nth(line - 1))
        .unwrap_or_default()
        .trim();
    let meant = meant(&message).map(str::to_owned);
    // Also a key that is misspelled, and what stands between the quotes of a text of several lines.
    let is_secret = may_hold_secret(written)
        || meant.as_deref().is_some_and(may_hold_secret)
        || line.is_some_and(|line| begins_within_a_text(text, line));
    if may_name_a_user(&message) || is_secret && message.starts_with("invalid ") {
        message = match message.rsplit_once("expected ") {
            Some((_, right)) => format!("a value that is not shown here, expected {right}"),
            None => "a value that is not shown here".to_owned(),
        };
    }
    if let Some(meant) = meant {
        message = format!("{message}; did you mean `{meant}`?");
    }
    let shown = match written.split_once('=') {
        _ if !is_secret => written.to_owned(),
        Some((key, _)) if !may_name_a_user(key) => format!("{key}= ***"),
        _ => "***".to_owned(),
    };
    Problem {
        file: Some(name.to_owned()),
        line,
        text: format!("{message}\n    {shown}"),
        ..Problem::default()
    }
}

/// Whether a line, or a key, may have a secret in it: then no error shows its value.
fn may_hold_secret(text: &str) -> bool {
    const PARTS: [&str; 7] = [
        "pass",
        "pwd",
        "fields",
        "license",
        "secret",
        "token",
        "credential",
    ];
    may_name_a_user(text) || PARTS.iter().any(|part| text.contains(part))
}

/// Whether a text of several lines began before this line and goes on in it.
fn begins_within_a_text(text: &str, line: usize) -> bool {
    let before = || text.lines().take(line - 1);
    let quotes = |mark| {
        before()
            .map(|line| line.matches(mark).count())
            .sum::<usize>()
    };
    [r#"""""#, "'''"]
        .into_iter()
        .any(|mark| quotes(mark) % 2 == 1)
}

/// The key somebody meant, from a message such as "unknown field `a`, expected one of `b`, `c`".
fn meant(message: &str) -> Option<&str> {
    let mut ticked = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2);
    nearest(ticked.next()?, ticked)
}

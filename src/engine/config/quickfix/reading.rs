//! From the lines of a file to a plan: finds the row of every key, lets sessions inherit, and has the
//! rows put the values in place.

use super::Loader;
use super::dictionaries::Library;
use super::draft::{Draft, Finished, Kind};
use super::grammar::{self, Entry, Expanded, Parsed, Section};
use super::keys::{self, Given, Key, Stance};
use crate::engine::config::{
    ConfigError, IdentityPattern, Listen, Need, Plan, Problem, Problems, Template, nearest,
};
use crate::session::fix::rules::{ALL, Rules};
use crate::session::fix::{HeartbeatChoice, Role, Settings};

/// A file being read.
pub(super) struct Reading<'a> {
    loader: Loader<'a>,
    file: &'a str,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    library: Library,
}

/// An entry whose key is in the table.
#[derive(Clone)]
struct Known<'a> {
    row: &'static Key,
    suffix: &'a str,
    entry: &'a Entry,
}

impl Known<'_> {
    /// Whether both set the same.
    fn same(&self, other: &Known<'_>) -> bool {
        std::ptr::eq(self.row, other.row) && self.suffix == other.suffix
    }
}

impl<'a> Reading<'a> {
    pub fn new(loader: Loader<'a>, file: &'a str) -> Self {
        Self {
            loader,
            file,
            problems: Vec::new(),
            warnings: Vec::new(),
            library: Library::default(),
        }
    }

    pub fn read(mut self, text: &str) -> Result<Plan, Problems> {
        let parsed = grammar::parse(text);
        for (line, mistake) in &parsed.mistakes {
            let problem = self.at(*line, mistake.clone());
            self.problems.push(problem);
        }
        if parsed.sessions.is_empty() {
            self.problems.push(Problem {
                file: Some(self.file.to_owned()),
                text: "no [SESSION] is in it, expected at least one".to_owned(),
                ..Problem::default()
            });
        }
        let defaults = self.known(&parsed.defaults);
        let sessions: Vec<_> = parsed
            .sessions
            .iter()
            .map(|section| self.known(section))
            .collect();
        self.dialects(&parsed);
        let mut plan = Plan::default();
        let mut lines: Vec<(String, usize)> = Vec::new();
        for (section, own) in parsed.sessions.iter().zip(sessions) {
            let inherited = defaults
                .iter()
                .filter(|entry| !own.iter().any(|ours| ours.same(entry)));
            let entries: Vec<Known<'_>> = inherited.chain(&own).cloned().collect();
            let Some(mut finished) = self.session(section, &entries) else {
                continue;
            };
            finished.planned.own = self.own(&parsed.defaults, section);
            let name = finished.planned.config.settings.id.to_string();
            if let Some((_, line)) = lines.iter().find(|(other, _)| *other == name) {
                let text = format!(
                    "a session with this identity is at line {line} already, every identity once"
                );
                self.problems.push(Problem {
                    session: Some(name),
                    ..self.at(section.line, text)
                });
                continue;
            }
            if let Some(listen) = &finished.listen
                && let Some(other) = at_address(&plan, listen)
                && let Some(what) = differs(&plan.listeners[other], listen)
            {
                let text = format!(
                    "{what} of {} differs from what a session above says: sessions on one port share its {what}",
                    listen.address
                );
                self.problems.push(Problem {
                    session: Some(name),
                    ..self.at(section.line, text)
                });
                continue;
            }
            lines.push((name, section.line));
            add(&mut plan, finished);
        }
        if self.problems.is_empty() && says_yes(&defaults, "DynamicSessions") {
            // After the templates of sections, which are more particular.
            let mut entries = defaults.clone();
            entries.retain(|known| known.row.name != "AcceptorTemplate");
            if let Some(finished) = self.anybody(&parsed.defaults, &entries) {
                add(&mut plan, finished);
            }
        }
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| problem.line);
            return Err(Problems(self.problems));
        }
        plan.warnings = self.warnings;
        Ok(plan)
    }

    /// The entries of a section that are in the table and can be honoured; tells about the others.
    fn known<'s>(&mut self, section: &'s Section) -> Vec<Known<'s>> {
        let mut found: Vec<Known<'s>> = Vec::new();
        for entry in &section.entries {
            if self.is_own(&entry.key) {
                continue;
            }
            let row = keys::all().find_map(|row| Some((row, row.matches(&entry.key)?)));
            let Some((row, suffix)) = row else {
                let names = keys::all().flat_map(|row| row.also.iter().chain([&row.name]).copied());
                let text = match nearest(&entry.key, names) {
                    Some(name) => format!("no such key, did you mean {name}?"),
                    None => "no such key, `pinfix config keys` lists them".to_owned(),
                };
                let problem = self.about(entry, None, text);
                self.problems.push(problem);
                continue;
            };
            match row.stance {
                Stance::Honoured(_) | Stance::Mapped(_) => {}
                Stance::Refused(instead) => {
                    let problem = self.about(entry, Some(row), format!("refused: {instead}"));
                    self.problems.push(problem);
                    continue;
                }
            }
            let known = Known { row, suffix, entry };
            if let Some(before) = found.iter_mut().find(|before| before.same(&known)) {
                let text = format!("is at line {} too, this one holds", before.entry.line);
                let remark = self.about(entry, Some(row), text);
                self.warnings.push(remark);
                *before = known;
            } else {
                found.push(known);
            }
        }
        found
    }

    fn is_own(&self, key: &str) -> bool {
        self.loader
            .own_keys
            .iter()
            .any(|own| own.eq_ignore_ascii_case(key))
    }

    /// The application's own entries of a session.
    fn own(&mut self, defaults: &Section, section: &Section) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for entry in defaults.entries.iter().chain(&section.entries) {
            if !self.is_own(&entry.key) {
                continue;
            }
            let Ok(Expanded { value, .. }) = grammar::expand(&entry.value, self.loader.environment)
            else {
                // Not looked at: it is as it was written.
                found.push((entry.key.clone(), entry.value.clone()));
                continue;
            };
            found.retain(|(key, _)| !key.eq_ignore_ascii_case(&entry.key));
            found.push((entry.key.clone(), value));
        }
        found
    }

    /// What follows from which of the engines the file was written for.
    fn dialects(&mut self, parsed: &Parsed) {
        let entries = || {
            parsed
                .sessions
                .iter()
                .chain([&parsed.defaults])
                .flat_map(|section| &section.entries)
        };
        let has = |name: &str| entries().any(|entry| entry.key.eq_ignore_ascii_case(name));
        let rows =
            || entries().filter_map(|entry| keys::all().find(|row| row.matches(&entry.key).is_some()));
        let cpp = rows().any(|row| row.default_java == "-" && !matches!(row.default_cpp, "-" | ""))
            || has("SendNextExpectedMsgSeqNum");
        let go = rows().any(|row| row.default_java == "-" && row.default_cpp == "-");
        let mut remark = |key: &str, text: &str| {
            self.warnings.push(Problem {
                file: Some(self.file.to_owned()),
                key: Some(key.to_owned()),
                text: text.to_owned(),
                ..Problem::default()
            });
        };
        if cpp && !has("SocketNodelay") && !has("SocketTcpNoDelay") {
            remark(
                "SocketNodelay",
                "is not given: QuickFIX (C++) then leaves Nagle's algorithm on, here TCP_NODELAY is always on",
            );
        }
        if go && !has("FileStoreSync") && has("FileStorePath") {
            remark(
                "FileStoreSync",
                "is not given: quickfixgo then syncs every write, here that takes FileStoreSync=Y",
            );
        }
    }

    /// Reads one session. `None` if it has a problem, or is left out for one.
    fn session(&mut self, section: &Section, entries: &[Known<'_>]) -> Option<Finished> {
        let kind = match says_yes(entries, "AcceptorTemplate") {
            true => Kind::Template,
            false => Kind::Session,
        };
        self.described(section, entries, kind)
    }

    /// Reads what [DEFAULT] says about sessions that no section describes.
    fn anybody(&mut self, section: &Section, entries: &[Known<'_>]) -> Option<Finished> {
        self.described(section, entries, Kind::Template)
    }

    fn described(&mut self, section: &Section, entries: &[Known<'_>], kind: Kind) -> Option<Finished> {
        let before = self.problems.len();
        let values = self.values(entries);
        let (settings, rules) = self.identity(section, entries, &values, kind);
        let mut draft = Draft::new(settings);
        draft.kind = kind;
        draft.rules = rules;
        let name = |draft: &Draft| draft.config.settings.id.to_string();
        for (known, expanded) in &values {
            let (Stance::Honoured(apply) | Stance::Mapped(apply)) = known.row.stance else {
                continue;
            };
            let role = draft.config.settings.role;
            let is_other_role = known.row.role.is_some_and(|only| only != role);
            let is_inherited = known.entry.line < section.line;
            if is_other_role && is_inherited {
                continue;
            }
            let given = Given {
                line: known.entry.line,
                key: &known.entry.key,
                suffix: known.suffix,
                value: &expanded.value,
            };
            if let Err(right) = apply.apply(&mut draft, &given) {
                let mut problem = self.about(known.entry, Some(known.row), right);
                if !is_inherited {
                    problem.session = Some(name(&draft));
                }
                self.problem(problem);
            } else if is_other_role {
                let mut remark = self.about(known.entry, Some(known.row), no_effect(role).to_owned());
                remark.session = Some(name(&draft));
                self.warnings.push(remark);
            }
        }
        self.finish(section, entries, draft, before)
    }

    /// Puts together and checks what was read. `before` is how many problems there were before this
    /// session.
    fn finish(
        &mut self,
        section: &Section,
        entries: &[Known<'_>],
        draft: Draft,
        before: usize,
    ) -> Option<Finished> {
        let name = draft.config.settings.id.to_string();
        let given = |key: &str| entries.iter().any(|known| known.row.matches(key).is_some());
        let mut wrong: Vec<(String, String)> = Vec::new();
        let decides = draft.config.settings.role == Role::Initiator
            || draft.config.settings.logon.heartbeat.choice == HeartbeatChoice::Ours;
        if decides && !given("HeartBtInt") {
            let text = "is missing: seconds between heartbeats, which this side decides";
            wrong.push(("HeartBtInt".to_owned(), text.to_owned()));
        }
        for remark in &draft.warnings {
            let warning = Problem {
                session: Some(name.clone()),
                key: Some(remark.key.clone()),
                ..self.at(remark.line, remark.text.clone())
            };
            // Once for all sessions that inherit it.
            let told = |other: &Problem| other.line == warning.line && other.text == warning.text;
            if !self.warnings.iter().any(told) {
                self.warnings.push(warning);
            }
        }
        let finished = draft.finish(&mut self.library, &mut |key, text| {
            wrong.push((key.to_owned(), text))
        });
        let told = |problem: &Problem| problem.key.as_deref() == Some("ConnectionType");
        let role_is_known = !self.problems[before..].iter().any(told);
        // What follows from a mistake that was told already is no mistake of its own.
        let read_all = self.problems.len() == before;
        wrong.retain(|(key, _)| role_is_known && (read_all || !given(key)));
        for (key, text) in wrong {
            let problem = Problem {
                session: Some(name.clone()),
                key: Some(key),
                ..self.at(section.line, text)
            };
            self.problem(problem);
        }
        if self.problems.len() == before {
            let port = finished.listen.as_ref().map(Listen::check);
            let port = port.and_then(Result::err);
            for error in finished.planned.config.problems().into_iter().chain(port) {
                let problem = self.refused(section, &name, &error);
                self.problem(problem);
            }
        }
        if self.problems.len() == before {
            return Some(finished);
        }
        if finished.planned.need == Need::Optional {
            // ContinueInitializationOnError: the others begin without it.
            self.warnings
                .extend(self.problems.drain(before..).map(|mut problem| {
                    problem.text = format!("session left out: {}", problem.text);
                    problem
                }));
        }
        None
    }

    /// Values with what they name put in; those that cannot be read are told.
    fn values<'s>(&mut self, entries: &[Known<'s>]) -> Vec<(Known<'s>, Expanded)> {
        let mut values = Vec::with_capacity(entries.len());
        for known in entries {
            match grammar::expand(&known.entry.value, self.loader.environment) {
                Ok(expanded) => {
                    if let Some(doubtful) = expanded.doubtful {
                        let text = format!(
                            "the backslash before {doubtful:?} is kept; QuickFIX (C++) drops it. Write \\\\ for one"
                        );
                        let remark = self.about(known.entry, Some(known.row), text);
                        if !self.warnings.contains(&remark) {
                            self.warnings.push(remark);
                        }
                    }
                    values.push((known.clone(), expanded));
                }
                Err(text) => {
                    let problem = self.about(known.entry, Some(known.row), text);
                    self.problem(problem);
                }
            }
        }
        values
    }

    /// What the meaning of all other keys depends on: version, identity, role. Something plausible
    /// stands in for what is missing, so that the rest can be read.
    fn identity(
        &mut self,
        section: &Section,
        given: &[Known<'_>],
        values: &[(Known<'_>, Expanded)],
        kind: Kind,
    ) -> (Settings, Vec<&'static Rules>) {
        let find = |name: &str| values.iter().find(|(known, _)| known.row.name == name);
        let text = |name: &str| find(name).map(|(_, expanded)| expanded.value.as_str());
        let begin_string = text("BeginString").unwrap_or("FIX.?");
        let ours = text("SenderCompID").filter(|value| !value.is_empty());
        let theirs = text("TargetCompID").filter(|value| !value.is_empty());
        let name = format!(
            "{begin_string}:{}->{}",
            ours.unwrap_or("?"),
            theirs.unwrap_or("?")
        );
        let mut wrong = |key: &str, text: String| {
            let problem = match find(key) {
                Some((known, _)) => self.about(known.entry, Some(known.row), text),
                None => Problem {
                    key: Some(key.to_owned()),
                    ..self.at(section.line, text)
                },
            };
            self.problem(Problem {
                session: Some(name.clone()),
                ..problem
            });
        };
        for key in [
            "BeginString",
            "SenderCompID",
            "TargetCompID",
            "ConnectionType",
        ] {
            if kind == Kind::Template && !matches!(text(key), Some("")) {
                continue;
            }
            if !given.iter().any(|known| known.row.name == key) {
                wrong(key, "is missing: every session needs it".to_owned());
            } else if text(key) == Some("") {
                wrong(key, "is empty: every session needs it".to_owned());
            }
        }
        let role = match text("ConnectionType") {
            Some(value) if value.eq_ignore_ascii_case("initiator") => Role::Initiator,
            None | Some("") => Role::Acceptor,
            Some(value) if value.eq_ignore_ascii_case("acceptor") => Role::Acceptor,
            Some(_) => {
                wrong(
                    "ConnectionType",
                    "expected initiator or acceptor".to_owned(),
                );
                Role::Acceptor
            }
        };
        let rules = match (kind, text("BeginString")) {
            (Kind::Template, None | Some("*")) => ALL.to_vec(),
            (_, begin_string) => {
                let found = version(begin_string, text("DefaultApplVerID"));
                vec![found.unwrap_or_else(|(key, text)| {
                    wrong(key, text);
                    ALL[0]
                })]
            }
        };
        let unknown = match kind {
            Kind::Session => "?",
            Kind::Template => "*",
        };
        let newest = rules.last().copied().unwrap_or(ALL[0]);
        let settings = Settings::new(
            newest,
            role,
            ours.unwrap_or(unknown),
            theirs.unwrap_or(unknown),
        );
        (settings, rules)
    }

    /// A problem that the checks of the library found.
    fn refused(&self, section: &Section, session: &str, error: &ConfigError) -> Problem {
        Problem {
            session: Some(session.to_owned()),
            ..self.at(section.line, error.to_string())
        }
    }

    /// Tells a problem, once.
    fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn at(&self, line: usize, text: String) -> Problem {
        Problem {
            file: Some(self.file.to_owned()),
            line: Some(line),
            text,
            ..Problem::default()
        }
    }

    /// About an entry, whose value is shown unless it may be a secret.
    fn about(&self, entry: &Entry, row: Option<&Key>, text: String) -> Problem {
        // A key that is not in the table may be a misspelled one that holds a secret.
        // So may a URL, or a host with a user before it.
        let in_plain = !entry.value.contains('@') && !entry.value.contains("://");
        let shown = row.is_some_and(|row| !row.is_secret()) && in_plain;
        Problem {
            key: Some(entry.key.clone()),
            value: Some(if shown {
                entry.value.clone()
            } else {
                "***".to_owned()
            }),
            ..self.at(entry.line, text)
        }
    }
}

fn no_effect(role: Role) -> &'static str {
    match role {
        Role::Initiator => "has no effect on an initiator",
        Role::Acceptor => "has no effect on an acceptor",
    }
}

/// Whether the last of these entries with a key says `Y`.
fn says_yes(entries: &[Known<'_>], key: &str) -> bool {
    let last = entries.iter().rfind(|known| known.row.name == key);
    last.is_some_and(|known| known.entry.value.eq_ignore_ascii_case("Y"))
}

/// Adds what a section came to: a session, or a template of the port it says.
fn add(plan: &mut Plan, finished: Finished) {
    let config = &finished.planned.config;
    if config.settings.role == Role::Acceptor {
        // Before its Logon nobody knows which session a connection is for.
        let strangers = &mut plan.engine.strangers;
        let first = plan.listeners.is_empty();
        let patience = config.settings.logon_timeout;
        strangers.patience = if first {
            patience
        } else {
            strangers.patience.max(patience)
        };
    }
    let door = finished.listen.map(|listen| listen_on(plan, listen));
    match (finished.kind, door) {
        (Kind::Template, Some(door)) => {
            let id = &finished.planned.config.settings.id;
            let pattern = IdentityPattern::new(&id.sender_comp_id, &id.target_comp_id);
            let mut template = Template::new(finished.rules, finished.planned.config);
            template.allow.push(pattern);
            template.journals = finished.journals;
            plan.listeners[door].templates.push(template);
        }
        _ => plan.sessions.push(finished.planned.into()),
    }
}

/// Listens on an address, once for all sessions that share it. Answers which listener that is.
fn listen_on(plan: &mut Plan, listen: Listen) -> usize {
    at_address(plan, &listen).unwrap_or_else(|| {
        plan.listeners.push(listen);
        plan.listeners.len() - 1
    })
}

/// What two sessions say of one port that cannot be so for both.
fn differs(one: &Listen, other: &Listen) -> Option<&'static str> {
    if one.tls != other.tls {
        return Some("TLS");
    }
    (one.proxy_header != other.proxy_header).then_some("UseTCPProxy")
}

/// The listener of this address, if there is one.
fn at_address(plan: &Plan, listen: &Listen) -> Option<usize> {
    let mut listeners = plan.listeners.iter();
    listeners.position(|other| other.address == listen.address)
}

/// The version that the two keys name, or the key that is wrong and what would be right.
fn version(
    begin_string: Option<&str>,
    default_appl_ver_id: Option<&str>,
) -> Result<&'static Rules, (&'static str, String)> {
    let Some(begin_string) = begin_string.filter(|value| !value.is_empty()) else {
        return Ok(ALL[0]);
    };
    let mut served = ALL
        .into_iter()
        .filter(|rules| rules.begin_string == begin_string);
    let Some(first) = served.clone().next() else {
        let mut known: Vec<_> = ALL.iter().map(|rules| rules.begin_string).collect();
        known.dedup();
        return Err((
            "BeginString",
            format!("expected one of {}", known.join(", ")),
        ));
    };
    if first.default_appl_ver_id.is_none() {
        return Ok(first);
    }
    let known: Vec<_> = served
        .clone()
        .filter_map(|rules| Some(format!("{} ({})", rules.default_appl_ver_id?, rules.name)))
        .collect();
    let right = known.join(", ");
    let Some(wanted) = default_appl_ver_id.filter(|value| !value.is_empty()) else {
        let text = format!("is missing: {begin_string} needs it, one of {right}");
        return Err(("DefaultApplVerID", text));
    };
    served
        .find(|rules| rules.default_appl_ver_id == Some(wanted) || rules.name == wanted)
        .ok_or_else(|| ("DefaultApplVerID", format!("expected one of {right}")))
}

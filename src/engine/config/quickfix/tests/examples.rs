//! Every key of the table that is honoured or mapped, on a line of a file, and what that changes.
//!
//! The suite fails if a row of the table has no example here, or an example has no row.

mod rows;

use std::sync::OnceLock;

use self::rows::ROWS;
use super::{ACCEPTOR, INITIATOR, fix, read};
use crate::dict::{Scope, SharedDictionary};
use crate::engine::config::quickfix::keys::{self, Stance};
use crate::engine::config::{Failover, IdentityPattern, Need, Plan, Planned, SessionConfig, Start};
use crate::engine::{Authorities, ClientCheck, ProxyHeader, ServerCheck, TLS_AVAILABLE, TlsVersion};
use crate::journal::{Durability, Location};
use crate::session::fix::policy::{Garbled, OnSilence, OrigSendingTime, RequestEnd, ResendFrom};
use crate::session::fix::rules::ALL;
use crate::session::fix::{AtEnd, AtLogon, HeartbeatChoice, OnFailure, OnInvalid, Role, SlowPeer};
use crate::session::schedule::Hours;
use crate::time::TimestampPrecision;
use crate::wire::fix::ApplVersion;

/// What a line does to a session that is whole without it.
enum Shows {
    /// Holds with the line and not without.
    Change(fn(&Planned<SessionConfig>) -> bool),
    /// The same, of the whole plan.
    ChangeOfPlan(fn(&Plan) -> bool),
    /// A warning says so.
    Warning(&'static str),
    /// Says what is so anyway; this other value is refused.
    Nothing { refused: &'static str },
}
use Shows::{Change, ChangeOfPlan, Nothing, Warning};

/// Key, lines, what they do to an initiator or an acceptor.
type Row = (&'static str, &'static str, Role, Shows);

const I: Role = Role::Initiator;
const A: Role = Role::Acceptor;

/// What was read from files: `transport`, and versions.
fn loaded(session: &Planned<SessionConfig>) -> String {
    let Some(dictionaries) = &session.config.settings.validation.dictionaries else {
        return String::new();
    };
    let is_loaded = |dictionary: &SharedDictionary| matches!(dictionary, SharedDictionary::Loaded(_));
    // Up to FIX.4.4 one file is both.
    let is_fixt = session.config.settings.rules.default_appl_ver_id.is_some();
    let transport = is_fixt && is_loaded(dictionaries.transport());
    let versions = ApplVersion::ALL.into_iter();
    let versions = versions.filter(|version| dictionaries.application(*version).is_some_and(is_loaded));
    let names = versions.map(|version| version.name());
    transport
        .then_some("transport")
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(" ")
}

fn hours(session: &Planned<SessionConfig>) -> String {
    let shown = |hours: &Hours| match hours {
        Hours::NonStop => "non-stop".to_owned(),
        Hours::Daily { start, end, days } => format!("{start} to {end} on {days}"),
        Hours::Weekly {
            start_day,
            start,
            end_day,
            end,
        } => format!("{start_day} {start} to {end_day} {end}"),
    };
    let schedule = &session.config.schedule;
    let resets: Vec<_> = schedule
        .resets
        .iter()
        .map(|reset| format!("reset {reset}"))
        .collect();
    format!(
        "{} logon {} {}",
        shown(&schedule.hours),
        shown(&schedule.logon),
        resets.join(" ")
    )
}

fn destinations(session: &Planned<SessionConfig>) -> String {
    let names = session
        .config
        .connect
        .destinations
        .iter()
        .map(ToString::to_string);
    names.collect::<Vec<_>>().join(" ")
}

fn proxy(session: &Planned<SessionConfig>) -> String {
    let Some(proxy) = &session.config.connect.proxy else {
        return String::new();
    };
    let shown = proxy.user.as_ref().map(|user| format!("{user:?}"));
    match shown {
        Some(user) => format!("{proxy} {user}"),
        None => proxy.to_string(),
    }
}

fn source(session: &Planned<SessionConfig>) -> Option<String> {
    session
        .config
        .connect
        .source
        .map(|source| source.to_string())
}

#[test]
fn every_key_that_is_honoured_has_an_example() {
    let honoured =
        keys::all().filter(|key| matches!(key.stance, Stance::Honoured(_) | Stance::Mapped(_)));
    let without: Vec<_> = honoured
        .filter(|key| !ROWS.iter().any(|(name, ..)| *name == key.name))
        .map(|key| key.name)
        .collect();
    assert_eq!(without, [""; 0], "keys without an example");
    for (name, ..) in ROWS {
        let key = keys::all().find(|key| key.name == *name).expect(name);
        assert!(!matches!(key.stance, Stance::Refused(_)), "{name}");
    }
}

const CLIENT_CERTIFICATE: &str = "CertificationAuthoritiesFile={tls}/ca.pem\n\
     ClientCertificateFile={tls}/cert.pem\nClientCertificateKeyFile={tls}/key.pem";

fn is_tls13(session: &Planned<SessionConfig>) -> bool {
    let tls = session.config.connect.tls.as_ref();
    tls.is_some_and(|tls| tls.min_version == TlsVersion::Tls13)
}

fn shows_certificate(session: &Planned<SessionConfig>) -> bool {
    let tls = session.config.connect.tls.as_ref();
    tls.is_some_and(|tls| tls.identity.is_some())
}

/// A directory with `ca.pem`, `cert.pem` and `key.pem`.
pub(super) fn certificates() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = std::env::temp_dir().join(format!("pinfix-examples-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, pem) in [
            ("ca.pem", made.cert.pem()),
            ("cert.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
        ] {
            std::fs::write(directory.join(name), pem).unwrap();
        }
        directory.to_str().unwrap().to_owned()
    })
}

#[test]
fn every_example_comes_to_what_it_says() {
    for (name, lines, role, shows) in ROWS {
        let lines = &lines.replace("{tls}", certificates());
        let base = match role {
            Role::Initiator => INITIATOR,
            Role::Acceptor => ACCEPTOR,
        };
        let plan = |text: &str| read(text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let wants_tls = lines.contains("SocketUseSSL=Y") || lines.contains(".pem");
        if wants_tls && !TLS_AVAILABLE {
            let problems = read(&with(base, lines)).expect_err(name).to_string();
            assert!(problems.contains("built without TLS"), "{problems}");
            continue;
        }
        let without = plan(base);
        let with = plan(&with(base, lines));
        match shows {
            Change(holds) => {
                let [with, without] = [with, without].map(|plan| fix(&plan.sessions[0]));
                assert!(holds(&with), "{name}: {with:?}");
                assert!(!holds(&without), "{name} changes nothing");
            }
            ChangeOfPlan(holds) => {
                assert!(holds(&with), "{name}: {with:?}");
                assert!(!holds(&without), "{name} changes nothing");
            }
            Warning(text) => {
                let says = |plan: &Plan| {
                    plan.warnings
                        .iter()
                        .any(|warning| warning.text.contains(text))
                };
                assert!(
                    says(&with) && !says(&without),
                    "{name}: {:?}",
                    with.warnings
                );
            }
            Nothing { refused } => {
                let same = format!("{:?}", with.sessions) == format!("{:?}", without.sessions);
                assert!(same, "{name} changes something");
                let key = lines.split('=').next().expect("a key");
                let problems = read(&self::with(base, &format!("{key}={refused}"))).expect_err(name);
                assert!(
                    problems
                        .to_string()
                        .contains(&format!("{key} = {refused}: expected")),
                    "{problems}"
                );
            }
        }
    }
}

/// A file whose lines take the place of those of the base with the same key.
fn with(base: &str, lines: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let kept = base
        .lines()
        .filter(|line| !lines.lines().any(|other| key(other) == key(line)));
    kept.chain(lines.lines())
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn every_key_that_is_refused_says_what_to_use_instead() {
    for key in keys::all() {
        match key.stance {
            Stance::Refused(instead) => {
                assert!(instead.len() > 20, "{}", key.name);
                let text = format!("{INITIATOR}{}=1\n", key.name);
                let problems = read(&text).expect_err(key.name).to_string();
                assert!(
                    problems.contains(key.name) && problems.contains(instead),
                    "{problems}"
                );
            }
            Stance::Honoured(_) | Stance::Mapped(_) => assert!(!key.meaning.is_empty(), "{}", key.name),
        }
    }
}

//! A session at a venue that speaks FIXP: `venue = "ilink3"`.
//!
//! It is written as every session is. Keys that both protocols have mean the same; a key that only FIX
//! has is an error on the session itself, and passed over among the defaults, which may be for others.
//!
//! Invariant: the secret key is shown by no error and no print.

use pinfix::engine::{FixpSessionConfig, Planned, TLS_AVAILABLE};
use pinfix::session::Credentials;
use pinfix::session::fix::Role;
use pinfix::session::fixp::{
    NextLogon, OnNotApplied, Settings, Unanswered, Unconsumed, UnknownPrevious, Unserved, UuidRule,
};
use pinfix::venue::{FixpProfile, Tls};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::{Form as _, Leaf, Named, Span, Text, Word, named, table};
use super::tables::{LogonTable, SessionTable};
use super::venues::Aside;
use crate::order::Ilink3Ticket;

/// SenderID(5392) and Location(9537) of orders, as a plan keeps them for the application.
const SENDER_ID: &str = "sender_id";
const LOCATION: &str = "location";

table! {
    /// What only a session of FIXP has, and seldom needs to be said.
    FixpTable of Settings {
        slack_percent: u32 = slack_percent,
        finish_retransmission: bool = finish_retransmission,
        uuid: Word<UuidRule> = client.uuid,
        unanswered: Word<Unanswered> = client.unanswered,
        ack_at_one: bool = client.ack_at_one,
        unknown_previous: Word<UnknownPrevious> = client.unknown_previous,
        request_max: u16 = client.request_max,
        retransmit_timeout: Span = client.retransmit_timeout,
        fruitless_max: u32 = client.fruitless_max,
        unserved: Word<Unserved> = client.unserved,
        parked_max: usize = client.parked_max,
        not_applied: Word<OnNotApplied> = client.not_applied,
        unconsumed: Word<Unconsumed> = client.unconsumed,
        failed_logons_max: u8 = client.failed_logons_max,
        back_off: Span = client.back_off,
        after_terminate: Vec<After> = client.after_terminate,
    }
}

named! {
    UuidRule { "clock" = UuidRule::Clock, "next" = UuidRule::Next }
    Unanswered { "reconnect" = Unanswered::Reconnect, "send_again" = Unanswered::SendAgain }
    UnknownPrevious { "warn" = UnknownPrevious::Warn, "fetch" = UnknownPrevious::Fetch }
    Unserved { "go_on" = Unserved::GoOn, "terminate" = Unserved::Terminate }
    OnNotApplied { "skip" = OnNotApplied::Skip, "resend" = OnNotApplied::Resend }
    Unconsumed { "sequence" = Unconsumed::Sequence, "nothing" = Unconsumed::Nothing }
    NextLogon {
        "establish" = NextLogon::Establish,
        "negotiate" = NextLogon::Negotiate,
        "halt" = NextLogon::Halt,
    }
}

/// `"9 halt"`: after a Terminate with this code the next logon is this one.
#[derive(Clone, Copy, Debug)]
pub struct After(u16, NextLogon);

impl Leaf for After {
    type Value = (u16, NextLogon);

    fn value(&self) -> Self::Value {
        (self.0, self.1)
    }

    fn of_value(value: &Self::Value) -> Self {
        Self(value.0, value.1)
    }
}

impl Serialize for After {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let word = NextLogon::NAMES.iter().find(|(_, value)| *value == self.1);
        to.collect_str(&format_args!(
            "{} {}",
            self.0,
            word.map_or("", |word| word.0)
        ))
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let parts = text.split_once(' ').and_then(|(code, word)| {
            let found = NextLogon::NAMES.iter().find(|(name, _)| *name == word)?;
            Some(Self(code.parse().ok()?, found.1))
        });
        parts.ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not accepted, expected the code of a Terminate and establish, negotiate or halt, \
                 such as \"9 halt\""
            ))
        })
    }
}

/// Keys of a session that those of FIXP have.
const KEYS: [&str; 19] = [
    "venue",
    "role",
    "session",
    "firm",
    "market_segment",
    "schema_version",
    "keep_alive",
    "sender_id",
    "location",
    "backup",
    "label",
    "start",
    "need",
    "logon",
    "fixp",
    "schedule",
    "connect",
    "socket",
    "journal",
];

/// Those of them that no session of FIX has.
const OWN_KEYS: [&str; 9] = [
    "session",
    "firm",
    "market_segment",
    "schema_version",
    "keep_alive",
    "sender_id",
    "location",
    "backup",
    "fixp",
];

/// Why a session of FIX cannot be what is written, if it cannot.
pub fn refused_in_fix(own: &SessionTable) -> Option<String> {
    let keys = own
        .written()
        .into_iter()
        .filter(|key| OWN_KEYS.contains(key));
    let keys = keys.map(str::to_owned);
    let logon = own.logon.iter().flat_map(LogonTable::of_fixp);
    let found: Vec<_> = keys
        .chain(logon.map(|key| format!("logon.{key}")))
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "{}: of a session of FIXP, expected a venue that speaks it, such as venue = \"ilink3\"",
            found.join(", ")
        )
    })
}

/// The session that is written, before it is checked.
///
/// # Errors
/// What is missing, or cannot be accepted.
pub fn planned(
    profile: &FixpProfile,
    own: &SessionTable,
    defaults: Option<&SessionTable>,
) -> Result<Planned<FixpSessionConfig>, String> {
    let name = profile.name;
    let wrong = own.written().into_iter().filter(|key| !KEYS.contains(key));
    let wrong = wrong.map(str::to_owned);
    let logon = own.logon.iter().flat_map(LogonTable::of_fix);
    let wrong: Vec<_> = wrong
        .chain(logon.map(|key| format!("logon.{key}")))
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "{}: of a session of FIX, and venue {name} speaks FIXP, expected only {}",
            wrong.join(", "),
            KEYS.join(", ")
        ));
    }
    let tables: Vec<&SessionTable> = std::iter::once(own).chain(defaults).collect();
    let role = tables.iter().find_map(|table| table.role);
    if role.is_some_and(|role| role.0 == Role::Acceptor) {
        let place = if own.role.is_none() {
            " in [defaults]"
        } else {
            ""
        };
        return Err(format!(
            "role = \"acceptor\"{place}: a session at {name} is a client, the gateway is \
             `pinfix exchange --venue {name}`"
        ));
    }
    let missing = |key: &str| format!("{key} is missing, here and in [defaults]");
    let text = |key: &str, of: fn(&SessionTable) -> Option<&Aside<String>>| {
        let said = tables.iter().find_map(|table| of(table));
        said.map(|aside| aside.0.as_str())
            .ok_or_else(|| missing(key))
    };
    let session = text("session", |table| table.session.as_ref())?;
    let firm = text("firm", |table| table.firm.as_ref())?;
    let credentials = credentials(&tables)?;
    let mut config = FixpSessionConfig::at_venue(profile, Role::Initiator, session, firm, credentials)
        .map_err(|error| error.to_string())?;
    if let Some(segment) = tables
        .iter()
        .find_map(|table| table.market_segment.as_ref())
    {
        config.at_segment(segment.0);
    }
    let mut planned = Planned::new(config);
    for table in tables.iter().rev() {
        put(table, &mut planned)?;
    }
    Ok(planned)
}

/// What both protocols have, and what is of FIXP only.
fn put(table: &SessionTable, planned: &mut Planned<FixpSessionConfig>) -> Result<(), String> {
    fn put<F: super::form::Form>(form: &Option<F>, into: &mut F::Of) {
        if let Some(form) = form {
            form.put(into);
        }
    }
    let config = &mut planned.config;
    put(&table.label, &mut planned.label);
    put(&table.start, &mut planned.start);
    put(&table.need, &mut planned.need);
    put(&table.schedule, &mut config.schedule);
    put(&table.connect, &mut config.connect);
    put(&table.socket, &mut config.socket);
    put(&table.journal, &mut config.journal);
    if let Some(Aside(places)) = &table.backup {
        config.backup = places.iter().map(|place| place.0.clone()).collect();
    }
    let settings = &mut config.settings;
    if let Some(Aside(fixp)) = &table.fixp {
        fixp.put(settings);
    }
    if let Some(Aside(version)) = &table.schema_version {
        settings.schema_version = *version;
    }
    if let Some(Aside(span)) = &table.keep_alive {
        settings.keep_alive_ms = u16::try_from(span.0.as_millis())
            .map_err(|_| format!("keep_alive = \"{span}\": expected a time of up to 1m"))?;
    }
    if let Some(logon) = &table.logon {
        let client = &mut settings.client;
        for (said, setting) in [
            (&logon.system_name, &mut client.system_name),
            (&logon.system_version, &mut client.system_version),
            (&logon.system_vendor, &mut client.system_vendor),
        ] {
            if let Some(said) = said {
                setting.clone_from(said);
            }
        }
    }
    for (key, said, most) in [
        (SENDER_ID, &table.sender_id, 20),
        (LOCATION, &table.location, 5),
    ] {
        let Some(Aside(said)) = said else { continue };
        if !(1..=most).contains(&said.len()) || !said.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{key} = {said:?}: expected 1 to {most} printable characters"
            ));
        }
        planned.own.retain(|(other, _)| other != key);
        planned.own.push((key.to_owned(), said.clone()));
    }
    Ok(())
}

/// The access key and its secret, which belong together: both from the first table that says one of them.
fn credentials(tables: &[&SessionTable]) -> Result<Credentials, String> {
    const ID: &str = "logon.access_key_id is missing";
    const SECRET: &str = "logon.secret_key_file, logon.secret_key_env or logon.secret_key is missing";
    let says = |logon: &&LogonTable| logon.access_key_id.is_some() || logon.secret_key().is_some();
    let mut logons = tables.iter().filter_map(|table| table.logon.as_ref());
    let logon = logons
        .find(says)
        .ok_or_else(|| format!("{ID}, here and in [defaults]"))?;
    let beside = |missing: &str, given: &str| {
        format!("{missing} beside {given}: a pair is given in one table, a session or [defaults]")
    };
    let id = logon.access_key_id.as_ref();
    let id = id.ok_or_else(|| beside(ID, "the secret key"))?;
    let secret = logon.secret_key();
    let secret = secret.ok_or_else(|| beside(SECRET, "logon.access_key_id"))?;
    Credentials::new(id, secret).map_err(|error| error.to_string())
}

/// What does not go together.
pub fn problems(profile: &FixpProfile, config: &FixpSessionConfig) -> Vec<String> {
    let name = profile.name;
    match (profile.tls, &config.connect.tls) {
        (Tls::Never, Some(_)) => vec![format!(
            "connect.tls: venue {name} takes plain text only, expected none"
        )],
        (Tls::Required, Some(_)) if !TLS_AVAILABLE => vec![format!(
            "venue {name} takes connections with TLS only, and this command was built without"
        )],
        _ => Vec::new(),
    }
}

/// How a session is written that was read from these tables, the first of which says more than the next.
/// Of its secret only where it comes from.
pub fn written(
    profile: &FixpProfile,
    tables: &[&SessionTable],
    planned: &Planned<FixpSessionConfig>,
) -> SessionTable {
    fn of<F: super::form::Form>(value: &F::Of) -> Option<F> {
        F::of(value)
    }
    let config = &planned.config;
    let settings = &config.settings;
    let (sender_id, location) = origin(&planned.own);
    let text = |bytes| Some(Aside(String::from_utf8_lossy(bytes).into_owned()));
    let segment = settings.id.qualifier.as_ref();
    let mut logons = tables.iter().filter_map(|table| table.logon.as_ref());
    let secret = logons.find(|logon| logon.secret_key().is_some());
    SessionTable {
        venue: Some(Aside(profile.name.to_owned())),
        session: Some(Aside(settings.session.clone())),
        firm: Some(Aside(settings.firm.clone())),
        market_segment: segment.and_then(|text| text.parse().ok()).map(Aside),
        schema_version: Some(Aside(settings.schema_version)),
        keep_alive: Some(Aside(Span(std::time::Duration::from_millis(
            settings.keep_alive_ms.into(),
        )))),
        sender_id: text(sender_id),
        location: text(location),
        backup: (!config.backup.is_empty())
            .then(|| Aside(config.backup.iter().cloned().map(Text).collect())),
        label: of(&planned.label),
        start: of(&planned.start),
        need: of(&planned.need),
        logon: Some(LogonTable::of_client(settings, secret)),
        fixp: FixpTable::of(settings).map(Aside),
        schedule: of(&config.schedule),
        connect: of(&config.connect),
        socket: of(&config.socket),
        journal: of(&config.journal),
        ..SessionTable::default()
    }
}

/// SenderID(5392) and Location(9537) of the orders of a session, from what its plan has for the
/// application.
pub fn origin(own: &[(String, String)]) -> (&[u8], &[u8]) {
    let usual = Ilink3Ticket::default();
    let said = |key: &str| {
        let found = own.iter().find(|(other, _)| other == key);
        found.map(|(_, value)| value.as_bytes())
    };
    (
        said(SENDER_ID).unwrap_or(usual.sender_id),
        said(LOCATION).unwrap_or(usual.location),
    )
}

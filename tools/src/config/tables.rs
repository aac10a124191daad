//! Every table of a configuration file, every key of it, and the setting of the library it stands for.

use std::net::SocketAddr;

use pinfix::engine::net::SocketOptions;
use pinfix::engine::{
    Accept, Connect, Destination, EngineConfig, Failover, IdentityPattern, Listen, Need, Planned,
    SessionConfig, Start, Strangers, Subnet, Template,
};
use pinfix::journal::{Durability, JournalConfig, Location, Retention};
use pinfix::session::fix::{AtEnd, AtLogon, LogonField, OnFailure, Role};
use pinfix::session::fixp::Settings as FixpSettings;
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::tag::{self, Tag};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fixp::FixpTable;
use super::form::{
    Environment, FirstLine, Form, Leaf, Maybe, Off, Place, Plain, Secret, Span, Text, Version, Word,
    named, table,
};
use super::hours::ScheduleTable;
use super::policies::{
    ChecksTable, LivenessTable, LogoutTable, RecoveryTable, ResendTable, SendingTable, TermsTable,
    ValidationTable, WordingTable,
};
use super::venues::{Aside, Plain as PlainText};
use super::{proxy, tls};

table! {
    EngineTable of EngineConfig {
        name: String = name,
        status_page: Maybe<Place> = status_page,
        sessions_max: usize = sessions_max,
        max_message_bytes: usize = max_message_bytes,
        max_fields: usize = max_fields,
        strangers: StrangersTable = strangers,
    }
}

table! {
    StrangersTable of Strangers {
        patience: Span = patience,
        max: usize = max,
        per_source_max: usize = per_source_max,
        logons_per_source_and_minute: Off<u32> = logons_per_source_and_minute,
    }
}

table! {
    ListenTable of Listen {
        address: Text<SocketAddr> = address,
        reuse_address: bool = reuse_address,
        socket: SocketTable = socket,
        proxy_header: Maybe<proxy::HeaderTable> = proxy_header,
        tls: Maybe<tls::ServerTable> = tls,
        template: Templates = templates,
    }
}

/// What makes sessions. They inherit what the file has as defaults, so the file makes them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Templates(pub Vec<TemplateTable>);

impl Form for Templates {
    type Of = Vec<Template>;

    fn put(&self, _: &mut Vec<Template>) {}

    fn of(value: &Vec<Template>) -> Option<Self> {
        let tables: Vec<_> = value.iter().filter_map(TemplateTable::of).collect();
        (!tables.is_empty()).then_some(Self(tables))
    }
}

table! {
    TemplateTable of Template {
        versions: Vec<Version> = rules,
        allow: Vec<PatternTable> = allow,
        deny: Vec<PatternTable> = deny,
        journals: Maybe<Place> = journals,
        session: TemplateSession = config,
    }
}

/// The settings of the sessions a template makes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct TemplateSession(pub SessionTable);

impl Form for TemplateSession {
    type Of = SessionConfig;

    /// They are part of what the template was made with.
    fn put(&self, _: &mut SessionConfig) {}

    fn of(value: &SessionConfig) -> Option<Self> {
        let table = SessionTable::of(&Planned::new(value.clone()))?;
        Some(Self(SessionTable {
            // The Logon says who it is and in which version.
            version: None,
            sender_comp_id: None,
            target_comp_id: None,
            ..table
        }))
    }
}

/// Identities by their CompIDs, `*` standing for anything.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PatternTable {
    sender_comp_id: String,
    target_comp_id: String,
}

impl Leaf for PatternTable {
    type Value = IdentityPattern;

    fn value(&self) -> IdentityPattern {
        IdentityPattern::new(&self.sender_comp_id, &self.target_comp_id)
    }

    fn of_value(value: &IdentityPattern) -> Self {
        Self {
            sender_comp_id: value.sender_comp_id.clone(),
            target_comp_id: value.target_comp_id.clone(),
        }
    }
}

table! {
    /// A session. The tables come last: TOML has keys before them.
    SessionTable of Planned<SessionConfig> {
        venue: Aside<String> = config,
        service: Aside<String> = config,
        host: Aside<String> = config,
        switches: Aside<Vec<String>> = config,
        tls: Aside<Word<PlainText>> = config,
        session: Aside<String> = config,
        firm: Aside<String> = config,
        market_segment: Aside<u8> = config,
        schema_version: Aside<u16> = config,
        keep_alive: Aside<Span> = config,
        sender_id: Aside<String> = config,
        location: Aside<String> = config,
        backup: Aside<Vec<Text<Destination>>> = config,
        version: Version = config.settings.rules,
        role: Word<Role> = config.settings.role,
        sender_comp_id: String = config.settings.id.sender_comp_id,
        sender_sub_id: Maybe<String> = config.settings.id.sender_sub_id,
        sender_location_id: Maybe<String> = config.settings.id.sender_location_id,
        target_comp_id: String = config.settings.id.target_comp_id,
        target_sub_id: Maybe<String> = config.settings.id.target_sub_id,
        target_location_id: Maybe<String> = config.settings.id.target_location_id,
        qualifier: Maybe<String> = config.settings.id.qualifier,
        label: Maybe<String> = label,
        start: Word<Start> = start,
        need: Word<Need> = need,
        heartbeat_s: u32 = config.settings.heartbeat_s,
        logon_timeout: Span = config.settings.logon_timeout,
        at_logon: Word<AtLogon> = config.settings.at_logon,
        at_end: Word<AtEnd> = config.settings.at_end,
        on_failure: Word<OnFailure> = config.settings.on_failure,
        precision: Word<TimestampPrecision> = config.settings.precision,
        header: Vec<Field> = config.settings.header_fields,
        fixp: Aside<FixpTable> = config,
        logon: LogonTable = config.settings.logon_fields,
        validation: ValidationTable = config.settings.validation,
        terms: TermsTable = config.settings.logon,
        sending: SendingTable = config.settings.sending,
        checks: ChecksTable = config.settings.checks,
        recovery: RecoveryTable = config.settings.recovery,
        resend: ResendTable = config.settings.resend,
        liveness: LivenessTable = config.settings.liveness,
        logout: LogoutTable = config.settings.logout,
        wording: WordingTable = config.settings.wording,
        schedule: ScheduleTable = config.schedule,
        connect: ConnectTable = config.connect,
        accept: AcceptTable = config.accept,
        socket: SocketTable = config.socket,
        journal: JournalTable = config.journal,
    }
}

named! {
    Role { "initiator" = Role::Initiator, "acceptor" = Role::Acceptor }
    Start { "with_engine" = Start::WithEngine, "later" = Start::Later }
    Need { "required" = Need::Required, "optional" = Need::Optional }
    AtLogon {
        "continue" = AtLogon::Continue,
        "ask_reset" = AtLogon::AskReset,
        "ask_reset_at_one" = AtLogon::AskResetAtOne,
        "restart" = AtLogon::Restart,
    }
    AtEnd {
        "continue" = AtEnd::Continue,
        "restart_after_logout" = AtEnd::RestartAfterLogout,
        "restart_always" = AtEnd::RestartAlways,
    }
    OnFailure {
        "reject" = OnFailure::Reject,
        "disconnect" = OnFailure::Disconnect,
        "restart" = OnFailure::Restart,
    }
    TimestampPrecision {
        "seconds" = TimestampPrecision::Seconds,
        "millis" = TimestampPrecision::Millis,
        "micros" = TimestampPrecision::Micros,
        "nanos" = TimestampPrecision::Nanos,
    }
}

table! {
    ConnectTable of Connect {
        to: Vec<Text<Destination>> = destinations,
        policy: Policy = policy,
        source: Maybe<Text<SocketAddr>> = source,
        timeout: Span = timeout,
        reconnect: Vec<Span> = reconnect,
        refusals_max: Off<u32> = refusals_max,
        jitter_percent: u8 = jitter_percent,
        tls: Maybe<tls::ClientTable> = tls,
        proxy: Maybe<proxy::ProxyTable> = proxy,
    }
}

/// `"remember_last_good"`, `"round_robin"`, `"priority"` or `"priority 2m"`.
#[derive(Clone, Copy, Debug)]
pub struct Policy(Failover);

impl Leaf for Policy {
    type Value = Failover;

    fn value(&self) -> Failover {
        self.0
    }

    fn of_value(value: &Failover) -> Self {
        Self(*value)
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Failover::RememberLastGood => to.serialize_str("remember_last_good"),
            Failover::RoundRobin => to.serialize_str("round_robin"),
            Failover::Priority { start_over } => {
                to.collect_str(&format_args!("priority {}", Span(start_over)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let span = Span::read(rest);
        match (word, rest, span) {
            ("remember_last_good", "", _) => Ok(Self(Failover::RememberLastGood)),
            ("round_robin", "", _) => Ok(Self(Failover::RoundRobin)),
            ("priority", _, Some(Span(start_over))) => Ok(Self(Failover::Priority { start_over })),
            _ => Err(de::Error::custom(format!(
                "{text:?} is not accepted, expected remember_last_good, round_robin, or priority with the time \
                 after which the first is tried again, such as \"priority 2m\""
            ))),
        }
    }
}

table! {
    AcceptTable of Accept {
        allow: Vec<Text<Subnet>> = allow,
        port: Maybe<u16> = port,
    }
}

table! {
    SocketTable of SocketOptions {
        keepalive: Off<Span> = keepalive,
        receive_buffer_bytes: Off<usize> = receive_buffer_bytes,
        send_buffer_bytes: Off<usize> = send_buffer_bytes,
        traffic_class: Off<u8> = traffic_class,
        linger: Off<Span> = linger,
    }
}

table! {
    JournalTable of JournalConfig {
        directory: Directory = location,
        first_segment_bytes: usize = first_segment_bytes,
        max_segment_bytes: usize = max_segment_bytes,
        unsent_limit_bytes: usize = unsent_limit_bytes,
        control_reserve_bytes: usize = control_reserve_bytes,
        record_inbound: bool = record_inbound,
        durability: Flush = durability,
        retention: RetentionTable = retention,
    }
}

table! {
    RetentionTable of Retention {
        age: Off<Span> = age,
        bytes: Off<u64> = bytes,
    }
}

/// The directory of one journal; `""` keeps it in memory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Directory(std::path::PathBuf);

impl Leaf for Directory {
    type Value = Location;

    fn value(&self) -> Location {
        match self.0.as_os_str().is_empty() {
            true => Location::Memory,
            false => Location::Directory(self.0.clone()),
        }
    }

    fn of_value(value: &Location) -> Self {
        Self(match value {
            Location::Directory(path) => path.clone(),
            Location::Memory => Default::default(),
        })
    }
}

/// `"page_cache"`, `"flush_each"` or `"flush_every 10ms"`.
#[derive(Clone, Copy, Debug)]
pub struct Flush(Durability);

impl Leaf for Flush {
    type Value = Durability;

    fn value(&self) -> Durability {
        self.0
    }

    fn of_value(value: &Durability) -> Self {
        Self(*value)
    }
}

impl Serialize for Flush {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Durability::PageCache => to.serialize_str("page_cache"),
            Durability::FlushEach => to.serialize_str("flush_each"),
            Durability::FlushEvery(interval) => {
                to.collect_str(&format_args!("flush_every {}", Span(interval)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Flush {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match (word, rest, Span::read(rest)) {
            ("page_cache", "", _) => Ok(Self(Durability::PageCache)),
            ("flush_each", "", _) => Ok(Self(Durability::FlushEach)),
            ("flush_every", _, Some(Span(interval))) => Ok(Self(Durability::FlushEvery(interval))),
            _ => Err(de::Error::custom(format!(
                "{text:?} is not accepted, expected page_cache, flush_each, or flush_every with an interval \
                 such as \"flush_every 10ms\""
            ))),
        }
    }
}

/// DefaultApplExtID(1407) and DefaultCstmApplVerID(1408).
const DEFAULT_APPL_EXT_ID: Tag = 1407;
const DEFAULT_CSTM_APPL_VER_ID: Tag = 1408;

/// What our Logon carries besides what the engine sets. A secret may stand in the environment or in
/// a file instead.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogonTable {
    /// AccessKeyID of a venue of FIXP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret<Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<Secret<FirstLine>>,
    /// TradingSystemName, TradingSystemVersion and TradingSystemVendor there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Secret<Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<Secret<FirstLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_password_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_password_file: Option<Secret<FirstLine>>,
    /// SecureData(91).
    #[serde(skip_serializing_if = "Option::is_none")]
    license_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_file: Option<Secret<FirstLine>>,
    /// DefaultApplExtID(1407), a fingerprint of the application at some venues.
    #[serde(skip_serializing_if = "Option::is_none")]
    appl_ext_id: Option<String>,
    /// DefaultCstmApplVerID(1408).
    #[serde(skip_serializing_if = "Option::is_none")]
    cstm_appl_ver_id: Option<String>,
    /// `TAG=VALUE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

impl LogonTable {
    /// What a client of FIXP says at logon; `secret` says where its secret comes from.
    pub fn of_client(settings: &FixpSettings, secret: Option<&Self>) -> Self {
        let client = &settings.client;
        Self {
            access_key_id: Some(settings.credentials.access_key_id().to_owned()),
            secret_key: secret.and_then(|logon| logon.secret_key.clone()),
            secret_key_env: secret.and_then(|logon| logon.secret_key_env.clone()),
            secret_key_file: secret.and_then(|logon| logon.secret_key_file.clone()),
            system_name: Some(client.system_name.clone()),
            system_version: Some(client.system_version.clone()),
            system_vendor: Some(client.system_vendor.clone()),
            ..Self::default()
        }
    }

    /// The secret key, from wherever it is.
    pub fn secret_key(&self) -> Option<&String> {
        let text = self.secret_key.as_ref().map(|secret| &secret.text);
        let text = text.or(self.secret_key_env.as_ref().map(|secret| &secret.text));
        text.or(self.secret_key_file.as_ref().map(|secret| &secret.text))
    }

    /// What is wrong if a secret is said in more than one way: which of them counts would be a guess.
    pub fn said_twice(&self) -> Option<String> {
        let written = [self.of_fixp(), self.of_fix()].concat();
        ["password", "new_password", "license", "secret_key"]
            .into_iter()
            .find_map(|secret| {
                let ways = ["", "_env", "_file"].map(|way| format!("{secret}{way}"));
                let said: Vec<_> = written
                    .iter()
                    .filter(|key| ways.iter().any(|way| way == *key))
                    .map(|key| format!("logon.{key}"))
                    .collect();
                (said.len() > 1).then(|| format!("{}: expected one of them", said.join(" and ")))
            })
    }

    /// The keys of FIXP that are written.
    pub fn of_fixp(&self) -> Vec<&'static str> {
        let keys = [
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_key", self.secret_key.is_some()),
            ("secret_key_env", self.secret_key_env.is_some()),
            ("secret_key_file", self.secret_key_file.is_some()),
            ("system_name", self.system_name.is_some()),
            ("system_version", self.system_version.is_some()),
            ("system_vendor", self.system_vendor.is_some()),
        ];
        written(keys)
    }

    /// The keys of FIX that are written.
    pub fn of_fix(&self) -> Vec<&'static str> {
        let keys = [
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("password_env", self.password_env.is_some()),
            ("password_file", self.password_file.is_some()),
            ("new_password_env", self.new_password_env.is_some()),
            ("new_password_file", self.new_password_file.is_some()),
            ("license_env", self.license_env.is_some()),
            ("license_file", self.license_file.is_some()),
            ("appl_ext_id", self.appl_ext_id.is_some()),
            ("cstm_appl_ver_id", self.cstm_appl_ver_id.is_some()),
            ("fields", !self.fields.is_empty()),
        ];
        written(keys)
    }
}

fn written<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    let written = keys.into_iter().filter(|key| key.1);
    written.map(|key| key.0).collect()
}

impl Form for LogonTable {
    type Of = Vec<LogonField>;

    /// A field takes the place of one with the same tag.
    fn put(&self, into: &mut Vec<LogonField>) {
        let password = self.password.as_ref().map(|secret| &secret.text);
        let password = password.or(self.password_env.as_ref().map(|secret| &secret.text));
        let password = password.or(self.password_file.as_ref().map(|secret| &secret.text));
        let new_password = self.new_password_env.as_ref().map(|secret| &secret.text);
        let new_password = new_password.or(self.new_password_file.as_ref().map(|secret| &secret.text));
        let license = self.license_env.as_ref().map(|secret| &secret.text);
        let license = license.or(self.license_file.as_ref().map(|secret| &secret.text));
        let named = [
            (tag::USERNAME, self.username.as_ref()),
            (tag::PASSWORD, password),
            (tag::NEW_PASSWORD, new_password),
            (tag::SECURE_DATA, license),
            (DEFAULT_APPL_EXT_ID, self.appl_ext_id.as_ref()),
            (DEFAULT_CSTM_APPL_VER_ID, self.cstm_appl_ver_id.as_ref()),
        ];
        let named = named
            .into_iter()
            .filter_map(|(tag, value)| Some((tag, value?)));
        let other = self
            .fields
            .iter()
            .map(|Field(field)| (field.tag, &field.value));
        for (tag, value) in named.chain(other) {
            into.retain(|field| field.tag != tag);
            into.push(LogonField {
                tag,
                value: value.clone(),
            });
        }
    }

    fn of(value: &Vec<LogonField>) -> Option<Self> {
        Some(Self {
            fields: value.iter().cloned().map(Field).collect(),
            ..Self::default()
        })
    }
}

/// `"TAG=VALUE"`.
#[derive(Clone, Debug)]
pub struct Field(LogonField);

impl Leaf for Field {
    type Value = LogonField;

    fn value(&self) -> LogonField {
        self.0.clone()
    }

    fn of_value(value: &LogonField) -> Self {
        Self(value.clone())
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // As it is debugged: with secrets masked.
        to.collect_str(&format_args!("{:?}", self.0))
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let field = text.split_once('=').and_then(|(tag, value)| {
            let tag: Tag = tag.trim().parse().ok()?;
            (tag != 0).then(|| LogonField {
                tag,
                value: value.to_owned(),
            })
        });
        // Not the text: it may hold a secret.
        field
            .map(Self)
            .ok_or_else(|| de::Error::custom("a field of the Logon is expected as \"TAG=VALUE\""))
    }
}

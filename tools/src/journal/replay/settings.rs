//! The settings of the session whose journal it is: what the journal shows of them, then what was given.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use pinfix::journal::{Item, Kind, Reader};
use pinfix::session::fix::rules::{ALL, Rules};
use pinfix::session::fix::{
    AtEnd, AtLogon, Code, Environment, LogonField, LogonSettings, MsgDirection, MsgTypeSupport, Role,
    Settings,
};
use pinfix::session::{ResetCause, SessionId};
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{FieldIndex, Message, msg_type};

use super::super::filter::FIELDS_MAX;
use super::super::places::Place;
use crate::version;

/// Settings that the journal shows, or does not show well enough.
#[derive(clap::Args)]
pub struct Choices {
    /// FIX version [default: by BeginString(8) and DefaultApplVerID(1137)]
    #[arg(long, value_name = "VERSION", value_parser = version::parse)]
    version: Option<&'static Rules>,

    /// Who connects [default: whoever sent the first Logon]
    #[arg(long, value_enum)]
    role: Option<RoleName>,

    /// HeartBtInt(108) in seconds [default: that of the first Logon of ours]
    #[arg(long, value_name = "SECONDS")]
    heartbeat: Option<u32>,

    /// Largest difference between SendingTime(52) and the time of recording, or `off`
    #[arg(long, value_name = "SECONDS", default_value = "120")]
    sending_time_window: Window,

    /// What a logon does to the numbers [default: as the recorded resets say]
    #[arg(long, value_enum)]
    at_logon: Option<AtLogonName>,

    /// What the end of a connection does to the numbers [default: as the recorded resets say]
    #[arg(long, value_enum)]
    at_end: Option<AtEndName>,

    /// How many messages may wait behind a gap
    #[arg(long, value_name = "N", default_value_t = 1024)]
    parked_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    Initiator,
    Acceptor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AtLogonName {
    Continue,
    /// Asks for a new series with ResetSeqNumFlag(141)
    AskReset,
    /// Asks for it if both numbers are at 1
    AskResetAtOne,
    /// Both sides start at 1 by agreement
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AtEndName {
    Continue,
    RestartAfterLogout,
    RestartAlways,
}

/// `30` or `0.5`, in seconds, or `off`.
#[derive(Clone, Copy, Debug)]
struct Window(Option<Duration>);

impl FromStr for Window {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse()
            .ok()
            .filter(|seconds| (0.001..=86_400.0).contains(seconds))
            .map(|seconds| Self(Some(Duration::from_secs_f64(seconds))))
            .ok_or("expected seconds such as 120 or 0.5, or off")
    }
}

/// What the journal shows.
#[derive(Default)]
struct Seen {
    /// The header of the first message of ours, as it names both sides; and that of the peer.
    ours: Option<Names>,
    theirs: Option<Names>,
    /// Whether the first Logon was ours.
    first_logon_is_ours: Option<bool>,
    rules: Option<&'static Rules>,
    heartbeat_s: Option<u32>,
    asks_reset: bool,
    terms: LogonSettings,
    logon_fields: Vec<LogonField>,
    resets: Vec<ResetCause>,
}

/// CompID, SubID and LocationID of the sender and of the target.
#[derive(Clone, Default)]
struct Names {
    begin_string: String,
    sender: [Option<String>; 3],
    target: [Option<String>; 3],
}

/// Fields of a Logon that the engine writes itself.
const WRITTEN_BY_THE_ENGINE: [Tag; 12] = [
    tag::ENCRYPT_METHOD,
    tag::HEART_BT_INT,
    tag::RESET_SEQ_NUM_FLAG,
    tag::DEFAULT_APPL_VER_ID,
    tag::NEXT_EXPECTED_MSG_SEQ_NUM,
    tag::SESSION_STATUS,
    tag::MAX_MESSAGE_SIZE,
    tag::NO_MSG_TYPES,
    tag::REF_MSG_TYPE,
    tag::MSG_DIRECTION,
    tag::TEST_MESSAGE_INDICATOR,
    tag::TEXT,
];

/// The settings for a replay of this journal.
pub fn of_journal(place: &Place, choices: &Choices) -> anyhow::Result<Settings> {
    let seen = look(place)?;
    let names = match (&seen.ours, &seen.theirs) {
        (Some(ours), _) => ours.clone(),
        (None, Some(theirs)) => Names {
            begin_string: theirs.begin_string.clone(),
            sender: theirs.target.clone(),
            target: theirs.sender.clone(),
        },
        (None, None) => bail!(
            "{} holds no messages of FIX, and others are not replayed",
            place.directory.display()
        ),
    };
    let id = identity(&names, &place.identity)?;
    let rules = match choices.version.or(seen.rules) {
        Some(rules) => rules,
        None => Rules::named(&id.begin_string).with_context(|| {
            format!(
                "BeginString {:?} is of no version that is known",
                id.begin_string
            )
        })?,
    };
    let role = match (choices.role, seen.first_logon_is_ours) {
        (Some(RoleName::Initiator), _) | (None, Some(true)) => Role::Initiator,
        (Some(RoleName::Acceptor), _) | (None, Some(false)) => Role::Acceptor,
        (None, None) => bail!(
            "{} has no Logon that tells who connects, give --role",
            place.directory.display()
        ),
    };
    let mut settings = Settings::new(rules, role, &id.sender_comp_id, &id.target_comp_id);
    settings.id = id;
    let heartbeat_s = choices.heartbeat.or(seen.heartbeat_s);
    settings.heartbeat_s = heartbeat_s.unwrap_or(settings.heartbeat_s);
    settings.checks.sending_time_window = choices.sending_time_window.0;
    settings.recovery.parked_max = choices.parked_max;
    settings.at_logon = match choices.at_logon {
        Some(AtLogonName::Continue) => AtLogon::Continue,
        Some(AtLogonName::AskReset) => AtLogon::AskReset,
        Some(AtLogonName::AskResetAtOne) => AtLogon::AskResetAtOne,
        Some(AtLogonName::Restart) => AtLogon::Restart,
        None if seen.resets.contains(&ResetCause::ResetOnLogon) => AtLogon::Restart,
        None if role == Role::Initiator && seen.asks_reset => {
            // One that only says so at 1 resets nothing by its Logon.
            if seen.resets.contains(&ResetCause::ResetSeqNumFlag) {
                AtLogon::AskReset
            } else {
                AtLogon::AskResetAtOne
            }
        }
        None => AtLogon::Continue,
    };
    settings.at_end = match choices.at_end {
        Some(AtEndName::Continue) => AtEnd::Continue,
        Some(AtEndName::RestartAfterLogout) => AtEnd::RestartAfterLogout,
        Some(AtEndName::RestartAlways) => AtEnd::RestartAlways,
        None if seen.resets.contains(&ResetCause::ResetOnDisconnect) => AtEnd::RestartAlways,
        None if seen.resets.contains(&ResetCause::ResetOnLogout) => AtEnd::RestartAfterLogout,
        None => AtEnd::Continue,
    };
    settings.logon_fields = seen.logon_fields;
    settings.logon = seen.terms;
    settings
        .check()
        .context("settings as the journal shows them")?;
    Ok(settings)
}

/// The settings that matter, for people.
pub fn in_words(settings: &Settings) -> String {
    let role = match settings.role {
        Role::Initiator => "initiator",
        Role::Acceptor => "acceptor",
    };
    let window = match settings.checks.sending_time_window {
        Some(window) => format!("{} s", window.as_secs_f64()),
        None => "off".to_owned(),
    };
    let at_logon = match settings.at_logon {
        AtLogon::Continue => "continue",
        AtLogon::AskReset => "ask-reset",
        AtLogon::AskResetAtOne => "ask-reset-at-one",
        AtLogon::Restart => "restart",
    };
    let at_end = match settings.at_end {
        AtEnd::Continue => "continue",
        AtEnd::RestartAfterLogout => "restart-after-logout",
        AtEnd::RestartAlways => "restart-always",
    };
    format!(
        "{}, {role}, heartbeat {} s, sending-time-window {window}, at-logon {at_logon}, at-end {at_end}",
        settings.rules.name, settings.heartbeat_s
    )
}

/// Reads the journal until nothing more is to be learnt; resets may come at any place, so to its end.
fn look(place: &Place) -> anyhow::Result<Seen> {
    let cannot_read = || format!("cannot read {}", place.directory.display());
    let mut reader = Reader::open(&place.directory).with_context(cannot_read)?;
    let mut index = FieldIndex::with_capacity(FIELDS_MAX);
    let mut seen = Seen::default();
    while let Some(item) = reader.read().with_context(cannot_read)? {
        let Item::Record(entry) = item else { continue };
        if let Some(reset) = entry.reset() {
            seen.resets.push(reset.cause);
            continue;
        }
        let is_ours = match entry.kind {
            Kind::Application | Kind::Admin => true,
            Kind::Inbound => false,
            Kind::Replay | Kind::Reset | Kind::Queued | Kind::Unnumbered | Kind::Series => continue,
        };
        let known = if is_ours { &seen.ours } else { &seen.theirs };
        let wants_logon = seen.heartbeat_s.is_none() || seen.first_logon_is_ours.is_none();
        if known.is_some() && !wants_logon {
            continue;
        }
        let Ok(message) = index.read(entry.frame) else {
            continue;
        };
        let names = if is_ours {
            &mut seen.ours
        } else {
            &mut seen.theirs
        };
        names.get_or_insert_with(|| names_in(&message));
        if message.msg_type() == msg_type::LOGON {
            seen.logon(&message, is_ours);
        }
    }
    Ok(seen)
}

impl Seen {
    fn logon(&mut self, logon: &Message<'_>, is_ours: bool) {
        self.first_logon_is_ours.get_or_insert(is_ours);
        if self.rules.is_none() {
            let appl_ver_id = logon.get(tag::DEFAULT_APPL_VER_ID);
            self.rules = ALL.into_iter().find(|rules| {
                rules.begin_string.as_bytes() == logon.begin_string()
                    && rules.default_appl_ver_id.map(str::as_bytes) == appl_ver_id
            });
        }
        if !is_ours || self.heartbeat_s.is_some() {
            return;
        }
        let heartbeat_s = logon.uint(tag::HEART_BT_INT).ok();
        self.heartbeat_s = heartbeat_s.and_then(|seconds| u32::try_from(seconds).ok());
        let is_yes = |tag| logon.get(tag) == Some(b"Y");
        self.terms.next_expected = logon.get(tag::NEXT_EXPECTED_MSG_SEQ_NUM).is_some();
        self.terms.last_processed = logon.get(tag::LAST_MSG_SEQ_NUM_PROCESSED).is_some();
        if is_yes(tag::TEST_MESSAGE_INDICATOR) {
            self.terms.environment = Environment::Test;
        }
        let max_message_bytes = logon.uint(tag::MAX_MESSAGE_SIZE).ok();
        self.terms.max_message_bytes = max_message_bytes.and_then(|most| u32::try_from(most).ok());
        self.terms.msg_types = msg_types(logon);
        self.asks_reset = is_yes(tag::RESET_SEQ_NUM_FLAG);
        self.logon_fields = logon
            .fields()
            .filter(|(tag, _)| {
                !tag::is_header(*tag) && !tag::is_trailer(*tag) && !WRITTEN_BY_THE_ENGINE.contains(tag)
            })
            .map(|(tag, value)| LogonField {
                tag,
                value: String::from_utf8_lossy(value).into_owned(),
            })
            .collect();
    }
}

/// NoMsgTypes(384): types and directions, without versions of their own.
fn msg_types(logon: &Message<'_>) -> Vec<MsgTypeSupport> {
    let mut types: Vec<MsgTypeSupport> = Vec::new();
    for (tag, value) in logon.fields() {
        match (tag, types.last_mut()) {
            (tag::REF_MSG_TYPE, _) => types.extend(Code::new(value).map(|msg_type| MsgTypeSupport {
                msg_type,
                direction: None,
                appl_version: None,
                cstm_appl_ver_id: None,
                appl_ext_id: None,
                is_default: false,
            })),
            (tag::MSG_DIRECTION, Some(last)) => {
                last.direction = match value {
                    b"S" => Some(MsgDirection::Send),
                    b"R" => Some(MsgDirection::Receive),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    types
}

fn names_in(message: &Message<'_>) -> Names {
    let get = |tag| {
        message
            .get(tag)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    Names {
        begin_string: String::from_utf8_lossy(message.begin_string()).into_owned(),
        sender: [
            tag::SENDER_COMP_ID,
            tag::SENDER_SUB_ID,
            tag::SENDER_LOCATION_ID,
        ]
        .map(get),
        target: [
            tag::TARGET_COMP_ID,
            tag::TARGET_SUB_ID,
            tag::TARGET_LOCATION_ID,
        ]
        .map(get),
    }
}

/// The identity that is written as `text`. The text alone would not tell whether a name has a `/` in it;
/// the header does, and the text tells which of its fields belong to the identity.
fn identity(names: &Names, text: &str) -> anyhow::Result<SessionId> {
    let comp = |names: &[Option<String>; 3]| names[0].clone().unwrap_or_default();
    for choice in 0..16_u8 {
        let chosen = |bit: u8, name: &Option<String>| name.clone().filter(|_| choice & (1 << bit) != 0);
        let mut id = SessionId::new(
            &names.begin_string,
            &comp(&names.sender),
            &comp(&names.target),
        );
        id.sender_sub_id = chosen(0, &names.sender[1]);
        id.sender_location_id = chosen(1, &names.sender[2]);
        id.target_sub_id = chosen(2, &names.target[1]);
        id.target_location_id = chosen(3, &names.target[2]);
        match text.strip_prefix(&id.to_string()) {
            Some("") => return Ok(id),
            Some(rest) if rest.starts_with(':') => {
                id.qualifier = Some(rest[1..].to_owned());
                return Ok(id);
            }
            _ => {}
        }
    }
    bail!("its messages are not those of {text}, whose journal it says it is")
}

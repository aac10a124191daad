//! What a user decides about one FIXP session.
//!
//! A rule that the exchange's own texts leave open is a setting here, with what is most likely right, or
//! harmless, as the default. Times are those of iLink 3.

use std::fmt;
use std::time::Duration;

use super::codes::NextLogon;
pub use super::gateway::settings::{GatewaySettings, NotAppliedCount};
pub use crate::session::fix::{Role, SettingsError};
use crate::session::{Credentials, SessionId};

/// The settings of one FIXP session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By what name the session goes in this engine: never on the wire.
    pub id: SessionId,
    /// Which side starts: an initiator is the client, an acceptor the gateway.
    pub role: Role,
    /// Which connection of the session it is for.
    pub lane: Lane,
    /// What the client signs with, and the gateway verifies with.
    pub credentials: Credentials,
    /// Session, 1 to 3 characters.
    pub session: String,
    /// Firm, 1 to 5 characters.
    pub firm: String,
    /// KeepAliveInterval of a client, in milliseconds; a gateway takes the client's.
    pub keep_alive_ms: u16,
    /// How much longer than the interval, in percent of it, the peer may be silent. Never less than 250 ms.
    pub slack_percent: u32,
    /// The version of the schema that is written: 5 to 9. Any of these is read.
    pub schema_version: u16,
    /// Whether a logout waits until a running retransmission has ended.
    pub finish_retransmission: bool,
    /// What concerns a client only.
    pub client: ClientSettings,
    /// What concerns a gateway only.
    pub gateway: GatewaySettings,
}

/// Which connection of a session a machine is for. The two have one UUID, and numbers are those of the
/// primary; see [`Session::follow`](super::Session::follow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// The one that messages go over.
    #[default]
    Primary,
    /// The one that waits for the primary gateway to fail: only messages of the session layer go over it,
    /// and every number is 0.
    Backup,
}

/// What concerns a client only.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// TradingSystemName, 1 to 30 characters.
    pub system_name: String,
    /// TradingSystemVersion, 1 to 10 characters.
    pub system_version: String,
    /// TradingSystemVendor, 1 to 10 characters.
    pub system_vendor: String,
    /// How a new UUID is chosen.
    pub uuid: UuidRule,
    /// What is done when a Negotiate or Establish is not answered in time.
    pub unanswered: Unanswered,
    /// Whether NextSeqNo of the first EstablishmentAck under a new UUID must be 1.
    pub ack_at_one: bool,
    /// What is done with a PreviousUUID that is neither 0 nor known.
    pub unknown_previous: UnknownPrevious,
    /// How many messages are asked for at once, at most 2500.
    pub request_max: u16,
    /// How long a retransmission may take before it is asked for again.
    pub retransmit_timeout: Duration,
    /// How often in a row a request may bring nothing before it is given up.
    pub fruitless_max: u32,
    /// What is done when a retransmission is given up.
    pub unserved: Unserved,
    /// How many messages may wait behind a gap; further ones are asked for again.
    pub parked_max: usize,
    /// What is done about messages that were not applied.
    pub not_applied: OnNotApplied,
    /// What MsgCount of the exchange's NotApplied counts. The message itself does not say: if this is wrong,
    /// the message that was refused is told as applied, or one that may have been as not.
    pub not_applied_count: NotAppliedCount,
    /// What is done when a BusinessReject refers to no number: the exchange did not consume the number of
    /// what it rejects.
    pub unconsumed: Unconsumed,
    /// So many refused logons within a minute, and the client waits for an operator. Below the 5 at which
    /// the exchange closes the port.
    pub failed_logons_max: u8,
    /// How long a client stays away after Terminate 9, volume controls.
    pub back_off: Duration,
    /// With a backup connection: how long a client that lost its primary connection waits for what the
    /// exchange says of that on the backup, that this is the primary now or Terminate 26. Then it tries to
    /// connect to the primary again while the backup stands, so that a promotion which comes later is not
    /// missed. As long it goes on with a primary that the exchange says has ended. A word of an exchange that
    /// knows takes a round trip; one that does not notice the loss says nothing for two KeepAliveIntervals.
    pub lost_primary_wait: Duration,
    /// What differs from [`TERMINATE_CODES`](super::TERMINATE_CODES): after these codes the next logon is
    /// another.
    pub after_terminate: Vec<(u16, NextLogon)>,
}

/// How a client chooses a UUID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UuidRule {
    /// Microseconds since 1970, or one more than the last if that is greater.
    #[default]
    Clock,
    /// One more than the last.
    Next,
}

/// What a client does when its Negotiate or Establish is not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// It connects anew: a second one in flight may be taken for an error.
    #[default]
    Reconnect,
    /// It sends another, once, and connects anew if that is not answered either.
    SendAgain,
}

/// What a client does with a PreviousUUID it knows nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownPrevious {
    /// Counts it as [`Fault::UnknownPrevious`](super::Fault::UnknownPrevious).
    #[default]
    Warn,
    /// Asks for what was sent under it, from 1 on, and counts no fault. How much of it has come is kept in
    /// the outbox from its first message on, as for a UUID of our own, so the next logon asks for the rest
    /// only.
    Fetch,
}

/// What a client does when a retransmission is given up or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unserved {
    /// Goes on behind the missing messages, and tells the application which they are.
    #[default]
    GoOn,
    /// Terminates.
    Terminate,
}

/// What a client does about messages that were not applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNotApplied {
    /// Says with a Sequence that they will not come, and tells the application. Old orders are not sent
    /// late. Told is what is missing, the message that was refused included, and no more: what was
    /// sent behind it is told when its own NotApplied comes.
    #[default]
    Skip,
    /// Sends them again under their numbers, with all that was sent behind them; once, and not those that
    /// a Sequence has passed over meanwhile, which are told. Needs an exchange that waits for them:
    /// [`EstablishHole::Wait`](super::EstablishHole::Wait).
    Resend,
}

/// What a client does when the exchange did not consume a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unconsumed {
    /// Says with a Sequence which number comes next.
    #[default]
    Sequence,
    /// Nothing: the next message makes the exchange say NotApplied.
    Nothing,
}

impl Settings {
    /// Settings with the defaults: intervals of 30 s, schema 9, the times of iLink 3.
    #[must_use]
    pub fn new(role: Role, session: &str, firm: &str, credentials: Credentials) -> Self {
        let us = format!("{session}-{firm}");
        let (sender, target) = match role {
            Role::Initiator => (us.as_str(), "EXCHANGE"),
            Role::Acceptor => ("EXCHANGE", us.as_str()),
        };
        Self {
            id: SessionId::new("FIXP", sender, target),
            role,
            lane: Lane::default(),
            credentials,
            session: session.to_owned(),
            firm: firm.to_owned(),
            keep_alive_ms: 30_000,
            slack_percent: 20,
            schema_version: 9,
            finish_retransmission: true,
            client: ClientSettings::default(),
            gateway: GatewaySettings::default(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the setting, its value and what would be right.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |setting, value: &dyn fmt::Display, right| {
            Err(SettingsError {
                setting,
                value: value.to_string(),
                right,
            })
        };
        let client = &self.client;
        let texts = [
            (
                "session",
                &self.session,
                3,
                "1 to 3 printable ASCII characters",
            ),
            ("firm", &self.firm, 5, "1 to 5 printable ASCII characters"),
            (
                "client.system_name",
                &client.system_name,
                30,
                "1 to 30 printable ASCII characters",
            ),
            (
                "client.system_version",
                &client.system_version,
                10,
                "1 to 10 printable ASCII characters",
            ),
            (
                "client.system_vendor",
                &client.system_vendor,
                10,
                "1 to 10 printable ASCII characters",
            ),
        ];
        for (setting, value, max, right) in texts {
            let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if value.is_empty() || value.len() > max || !printable {
                return wrong(setting, value, right);
            }
        }
        if self.keep_alive_ms == 0 || self.keep_alive_ms == u16::MAX {
            return wrong("keep_alive_ms", &self.keep_alive_ms, "1 to 65534 ms");
        }
        if self.slack_percent > 100 {
            return wrong("slack_percent", &self.slack_percent, "0 to 100");
        }
        if !(5..=9).contains(&self.schema_version) {
            return wrong("schema_version", &self.schema_version, "5 to 9");
        }
        if !(1..=2500).contains(&client.request_max) {
            return wrong(
                "client.request_max",
                &client.request_max,
                "1 to 2500 messages",
            );
        }
        if client.fruitless_max == 0 {
            return wrong("client.fruitless_max", &0, "1 or more");
        }
        if client.parked_max > 1_000_000 {
            return wrong(
                "client.parked_max",
                &client.parked_max,
                "0 to 1000000 messages",
            );
        }
        if !(1..=10).contains(&client.failed_logons_max) {
            return wrong(
                "client.failed_logons_max",
                &client.failed_logons_max,
                "1 to 10",
            );
        }
        self.gateway.check()
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            system_name: "pinfix".into(),
            system_version: env!("CARGO_PKG_VERSION").into(),
            system_vendor: "pinfix".into(),
            uuid: UuidRule::default(),
            unanswered: Unanswered::default(),
            ack_at_one: true,
            unknown_previous: UnknownPrevious::default(),
            request_max: 2500,
            retransmit_timeout: Duration::from_secs(30),
            fruitless_max: 3,
            unserved: Unserved::default(),
            parked_max: 1024,
            not_applied: OnNotApplied::default(),
            not_applied_count: NotAppliedCount::default(),
            unconsumed: Unconsumed::default(),
            failed_logons_max: 3,
            back_off: Duration::from_secs(60),
            lost_primary_wait: Duration::from_secs(1),
            after_terminate: Vec::new(),
        }
    }
}

//! What a user decides about Logon(A) beyond who, when and which number.
//!
//! A field that a version does not have is neither sent nor looked at, whatever is set here.

use std::fmt;
use std::time::Duration;

use super::peer::{Code, MsgTypeSupport};
use super::settings::{Role, SettingsError};
use crate::wire::fix::ApplVersion;

/// The terms on which a session logs on.
#[derive(Clone, Debug)]
pub struct LogonSettings {
    /// Which HeartBtInt(108) of the peer is taken.
    pub heartbeat: HeartbeatTerms,
    /// NextExpectedMsgSeqNum(789), from FIX.4.4: both sides say at logon what they need, and send it
    /// again without being asked. Both must have it on.
    pub next_expected: bool,
    /// LastMsgSeqNumProcessed(369), from FIX.4.2, on everything we send.
    pub last_processed: bool,
    /// The versions, besides our own, that DefaultApplVerID(1137) of the peer may name. FIXT.1.1
    /// only; an acceptor answers with its own version, an initiator adopts the peer's for what it
    /// receives.
    pub appl_versions: Vec<ApplVersion>,
    /// TestMessageIndicator(464), from FIX.4.3.
    pub environment: Environment,
    /// MaxMessageSize(383), from FIX.4.2: the longest message, in bytes, that the peer is told we
    /// take; a longer one ends the session. `None` tells nothing, and the limit of the engine holds.
    pub max_message_bytes: Option<u32>,
    /// NoMsgTypes(384), from FIX.4.2: what the peer is told we send and receive.
    pub msg_types: Vec<MsgTypeSupport>,
    /// Which of SecureDataLen(90) and SecureData(91) stands first in the header of our Logon, if the
    /// [`logon_fields`](super::Settings::logon_fields) have the latter.
    pub secure_data: DataOrder,
    /// MsgType(35) of application messages that carry credentials, beside UserRequest(BE): the logon of
    /// one trader on a session of several, for example. They are masked in what is kept, sent at once or
    /// not at all, and never sent again.
    pub credential_types: Vec<Code>,
    /// SessionStatus(1409) on our Logon and Logout, in the versions that have it; some peers speak
    /// FIXT.1.1 with the session-level messages of FIX.4.4.
    pub session_status: bool,
    /// What a peer is told that wants to log on while an operator holds the session.
    pub on_hold: OnHold,
    /// How long the application may take to decide over a Logon with
    /// [`Admission::Later`](super::Admission::Later).
    pub admission_timeout: Duration,
}

impl Default for LogonSettings {
    /// Any heartbeat, no optional field, production, 10 s for a late decision.
    fn default() -> Self {
        Self {
            heartbeat: HeartbeatTerms::default(),
            next_expected: false,
            last_processed: false,
            appl_versions: Vec::new(),
            environment: Environment::default(),
            max_message_bytes: None,
            msg_types: Vec::new(),
            secure_data: DataOrder::default(),
            credential_types: Vec::new(),
            session_status: true,
            on_hold: OnHold::default(),
            admission_timeout: Duration::from_secs(10),
        }
    }
}

/// Which HeartBtInt(108) of the peer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatTerms {
    /// The least, in seconds. With more than 0 the peer cannot switch heartbeats off.
    pub min_s: u32,
    /// The most, in seconds.
    pub max_s: u32,
    /// What is made of a value that differs from ours.
    pub choice: HeartbeatChoice,
}

impl Default for HeartbeatTerms {
    fn default() -> Self {
        Self {
            min_s: 0,
            max_s: HEARTBEAT_MAX_S,
            choice: HeartbeatChoice::default(),
        }
    }
}

/// What is made of a HeartBtInt(108) of the peer that differs from ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatChoice {
    /// It holds for both sides.
    #[default]
    Theirs,
    /// The logon is refused.
    Same,
    /// Acceptor only: ours holds, and stands in our answer.
    Ours,
}

/// TestMessageIndicator(464): whether this is a test or the real thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// A peer that says it tests is refused.
    #[default]
    Production,
    /// Our Logon says 464=Y, and a peer that asks for anything else is refused. An initiator takes an
    /// answer that does not mention it.
    Test,
    /// Either is taken; an acceptor says what the peer said.
    Any,
}

/// Which of a data field and its length stands first. Either order is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataOrder {
    /// The length (the standard).
    #[default]
    LengthFirst,
    /// The data, as some venues document it.
    DataFirst,
}

/// What a peer is told that wants to log on while an operator holds the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnHold {
    /// A Logout(5) that says so, SessionStatus(1409)=7. It uses up a number.
    #[default]
    Logout,
    /// Nothing: the connection is closed.
    Silence,
}

/// The largest HeartBtInt(108) that is taken for one: a day.
pub(super) const HEARTBEAT_MAX_S: u32 = 86_400;

/// The smallest MaxMessageSize(383) that can be kept to, in bytes: our own session-level messages
/// must fit.
pub(super) const MAX_MESSAGE_BYTES_MIN: u32 = 512;

impl LogonSettings {
    pub(super) fn check(&self, role: Role) -> Result<(), SettingsError> {
        let wrong = |setting, value: &dyn fmt::Display, right| {
            Err(SettingsError {
                setting,
                value: value.to_string(),
                right,
            })
        };
        let HeartbeatTerms {
            min_s,
            max_s,
            choice,
        } = self.heartbeat;
        if min_s > max_s || max_s > HEARTBEAT_MAX_S {
            let range = format!("{min_s} to {max_s}");
            return wrong("logon.heartbeat", &range, "min <= max <= 86400 seconds");
        }
        if choice == HeartbeatChoice::Ours && role == Role::Initiator {
            let right = "Theirs or Same: an initiator proposes, it cannot impose";
            return wrong("logon.heartbeat.choice", &"Ours", right);
        }
        if let Some(bytes) = self
            .max_message_bytes
            .filter(|&bytes| bytes < MAX_MESSAGE_BYTES_MIN)
        {
            return wrong("logon.max_message_bytes", &bytes, "512 bytes or more");
        }
        if self.msg_types.len() > MsgTypeSupport::MAX {
            let right = "at most 256 entries";
            return wrong("logon.msg_types", &self.msg_types.len(), right);
        }
        let patience = self.admission_timeout;
        if patience < Duration::from_millis(10) || patience > Duration::from_secs(3600) {
            let right = "10 ms to 1 hour";
            return wrong("logon.admission_timeout", &format!("{patience:?}"), right);
        }
        Ok(())
    }
}

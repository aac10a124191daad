//! What a user decides about an engine and its sessions, checked before anything starts.

mod error;
mod nearest;
mod plan;
mod problem;
pub mod quickfix;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::ConfigError;
pub use self::nearest::nearest;
pub use self::plan::{Listener, Need, Opened, Plan, Planned, Start};
pub use self::problem::{Problem, Problems};
use crate::journal::{JournalConfig, Location};
use crate::session::SessionId;
use crate::session::fix::rules::Rules;
use crate::session::fix::{Role, Settings};
use crate::wire::fix::{Message, tag};

/// A session claims about 1 KiB for each of its own messages, whatever they come to.
const CONTROL_RESERVE_BYTES_MIN: usize = 4096;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Shown on the status page.
    pub name: String,
    /// The file of the status page; `None` keeps it in memory, for this process only.
    pub status_page: Option<PathBuf>,
    /// How many sessions there may be.
    pub sessions_max: usize,
    /// The longest message taken from a peer, in bytes.
    pub max_message_bytes: usize,
    /// How many fields a message may have.
    pub max_fields: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            name: "pinfix".to_owned(),
            status_page: None,
            sessions_max: 1024,
            max_message_bytes: 64 * 1024,
            max_fields: 2048,
        }
    }
}

impl EngineConfig {
    /// Checks what the types cannot.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, value: usize, right| {
            Err(ConfigError::Engine {
                key,
                value: value.to_string(),
                right,
            })
        };
        if self.sessions_max == 0 || self.sessions_max > 65_536 {
            return wrong("sessions_max", self.sessions_max, "1 to 65536");
        }
        if !(512..=16 * 1024 * 1024).contains(&self.max_message_bytes) {
            return wrong(
                "max_message_bytes",
                self.max_message_bytes,
                "512 bytes to 16 MiB",
            );
        }
        if !(16..=65_536).contains(&self.max_fields) {
            return wrong("max_fields", self.max_fields, "16 to 65536");
        }
        Ok(())
    }
}

/// Settings of one session: protocol, connection, journal.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The protocol side.
    pub settings: Settings,
    /// Where an initiator connects to.
    pub address: Option<SocketAddr>,
    /// How long to wait before each attempt to connect again; the last value repeats. A successful
    /// logon starts the list anew.
    pub reconnect: Vec<Duration>,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// The journal. Its identity is set by the engine.
    pub journal: JournalConfig,
}

impl SessionConfig {
    /// An initiator that connects to `address`.
    #[must_use]
    pub fn initiator(rules: &'static Rules, sender: &str, target: &str, address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            ..Self::new(Settings::new(rules, Role::Initiator, sender, target))
        }
    }

    /// An acceptor, reachable on every port the engine listens on.
    #[must_use]
    pub fn acceptor(rules: &'static Rules, sender: &str, target: &str) -> Self {
        Self::new(Settings::new(rules, Role::Acceptor, sender, target))
    }

    pub(in crate::engine) fn new(settings: Settings) -> Self {
        Self {
            settings,
            address: None,
            reconnect: [1, 2, 5, 10, 30].map(Duration::from_secs).to_vec(),
            connect_timeout: Duration::from_secs(10),
            journal: JournalConfig::default(),
        }
    }

    /// Keeps the journal in a directory of its own below `base`, named after the session.
    #[must_use]
    pub fn journal_below(mut self, base: &Path) -> Self {
        self.journal.location = Location::Directory(base.join(directory_name(&self.settings.id)));
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.settings.check().map_err(ConfigError::Settings)?;
        let session = || self.settings.id.to_string();
        let wrong = |key, value: String, right| {
            Err(ConfigError::Session {
                session: session(),
                key,
                value,
                right,
            })
        };
        match (self.settings.role, self.address) {
            (Role::Initiator, None) => {
                return wrong(
                    "address",
                    "none".to_owned(),
                    "the address an initiator connects to",
                );
            }
            (Role::Acceptor, Some(address)) => {
                return wrong(
                    "address",
                    address.to_string(),
                    "no address: an acceptor does not connect",
                );
            }
            _ => {}
        }
        let reserve = self.journal.control_reserve_bytes;
        if reserve < CONTROL_RESERVE_BYTES_MIN {
            let right = "4096 or more: a few session-level messages must fit";
            return wrong("journal.control_reserve_bytes", reserve.to_string(), right);
        }
        if self.reconnect.is_empty() {
            return wrong("reconnect", "empty".to_owned(), "at least one waiting time");
        }
        if let Some(span) = self
            .reconnect
            .iter()
            .find(|span| **span < Duration::from_millis(10))
        {
            return wrong(
                "reconnect",
                format!("{span:?}"),
                "waiting times of 10 ms or more",
            );
        }
        if self.connect_timeout < Duration::from_millis(10) {
            return wrong(
                "connect_timeout",
                format!("{:?}", self.connect_timeout),
                "10 ms or more",
            );
        }
        Ok(())
    }
}

/// What an acceptor port does with a Logon for which no session is configured: makes one.
#[derive(Clone, Debug)]
pub struct Template {
    /// The versions that are served.
    pub rules: Vec<&'static Rules>,
    /// Everything else; identity and version are taken from the Logon.
    pub config: SessionConfig,
    /// The directory below which each session gets its journal; `None` keeps them in memory.
    pub journals: Option<PathBuf>,
}

impl Template {
    /// The session `id` that a Logon asks for, if its version is served.
    pub(super) fn session_for(&self, logon: &Message<'_>, id: SessionId) -> Option<SessionConfig> {
        let mut config = self.config.clone();
        config.settings.rules = self.rules_for(logon)?;
        config.settings.id = id;
        Some(match &self.journals {
            Some(base) => config.journal_below(base),
            None => config,
        })
    }

    /// Of several versions that share a BeginString(8), the one whose DefaultApplVerID(1137) the Logon
    /// has, else the first: what becomes of the other is decided where the Logon is checked.
    fn rules_for(&self, logon: &Message<'_>) -> Option<&'static Rules> {
        let begins = |rules: &&&'static Rules| rules.begin_string.as_bytes() == logon.begin_string();
        let theirs = logon.get(tag::DEFAULT_APPL_VER_ID);
        let speaks = |rules: &&&'static Rules| rules.default_appl_ver_id.map(str::as_bytes) == theirs;
        let served = || self.rules.iter().filter(begins);
        served().find(speaks).or_else(|| served().next()).copied()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut config = self.config.clone();
        // The identity of a template is a placeholder.
        config.settings.id = SessionId::new(config.settings.rules.begin_string, "any", "any");
        config.check()
    }
}

/// A directory name for a session: readable, and different for different identities.
fn directory_name(id: &SessionId) -> String {
    let text = id.to_string();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let readable: String = text.replace("->", "-").chars().map(plain).collect();
    // Two identities may look the same after the replacement; their checksums do not.
    format!("{readable}-{:08x}", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fix::rules::FIX44;

    #[test]
    fn names_that_look_alike_get_different_directories() {
        let one = directory_name(&SessionId::new("FIX.4.4", "A/B", "C"));
        let two = directory_name(&SessionId::new("FIX.4.4", "A:B", "C"));
        assert_ne!(one, two);
        assert!(one.starts_with("FIX.4.4_A_B-C-"), "{one}");
    }

    #[test]
    fn a_reserve_that_holds_no_session_level_message_is_refused() {
        let mut config = SessionConfig::acceptor(&FIX44, "ME", "YOU");
        config.journal.control_reserve_bytes = 1024;
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.contains("control_reserve_bytes") && error.contains("4096"),
            "{error}"
        );
        config.journal.control_reserve_bytes = 4096;
        assert!(config.check().is_ok());
    }

    #[test]
    fn an_initiator_without_an_address_is_named() {
        let mut config = SessionConfig::acceptor(&FIX44, "ME", "YOU");
        config.settings.role = Role::Initiator;
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.contains("FIX.4.4:ME->YOU") && error.contains("address"),
            "{error}"
        );
    }
}

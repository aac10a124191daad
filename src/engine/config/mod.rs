//! What a user decides about an engine and its sessions, checked before anything starts.

mod builder;
mod connect;
mod error;
mod fixp;
mod nearest;
mod plan;
mod porch;
mod problem;
pub mod quickfix;
mod subnet;
mod template;
mod venue;

use std::path::{Path, PathBuf};

pub use self::builder::SessionBuilder;
pub use self::connect::{Accept, Connect, Destination, Failover, NotADestination};
pub use self::error::ConfigError;
pub use self::fixp::{AnySessionConfig, FixpSessionConfig};
pub use self::nearest::nearest;
pub use self::plan::{Need, Opened, Plan, Planned, Start};
pub use self::porch::{Listen, Strangers};
pub use self::problem::{Problem, Problems};
pub use self::subnet::{NotASubnet, Subnet};
pub(super) use self::template::Caller;
pub use self::template::{IdentityParts, IdentityPattern, Template};
use super::net::SocketOptions;
use super::tls::{self, Dialler};
use crate::journal::{JournalConfig, Location, OpenError};
use crate::session::SessionId;
use crate::session::fix::rules::Rules;
use crate::session::fix::{Role, Settings};
use crate::session::schedule::{Calendar, Renewal, Schedule};

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
    /// What connections may cost before they have logged on.
    pub strangers: Strangers,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            name: "pinfix".to_owned(),
            status_page: None,
            sessions_max: 1024,
            max_message_bytes: 64 * 1024,
            max_fields: 2048,
            strangers: Strangers::default(),
        }
    }
}

impl EngineConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that cannot be accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
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
        self.strangers.check()
    }
}

/// Settings of one session: protocol, connection, journal.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The protocol side.
    pub settings: Settings,
    /// How an initiator connects.
    pub connect: Connect,
    /// From where the peer of an acceptor may come.
    pub accept: Accept,
    /// What is asked of the socket. An acceptor's gets it when the peer logs on.
    pub socket: SocketOptions,
    /// When the session may be logged on, and when its numbers start anew.
    pub schedule: Schedule,
    /// The journal. Its identity is set by the engine.
    pub journal: JournalConfig,
}

impl SessionConfig {
    /// An initiator that connects to `destination`; more can be added.
    #[must_use]
    pub fn initiator(
        rules: &'static Rules,
        sender: &str,
        target: &str,
        destination: impl Into<Destination>,
    ) -> Self {
        let mut config = Self::new(Settings::new(rules, Role::Initiator, sender, target));
        config.connect.destinations.push(destination.into());
        config
    }

    /// An acceptor, reachable on every port the engine listens on.
    #[must_use]
    pub fn acceptor(rules: &'static Rules, sender: &str, target: &str) -> Self {
        Self::new(Settings::new(rules, Role::Acceptor, sender, target))
    }

    pub(in crate::engine) fn new(settings: Settings) -> Self {
        Self {
            settings,
            connect: Connect::default(),
            accept: Accept::default(),
            socket: SocketOptions::default(),
            schedule: Schedule::non_stop(),
            journal: JournalConfig::default(),
        }
    }

    /// Keeps the journal in a directory of its own below `base`, named after the session.
    #[must_use]
    pub fn journal_below(mut self, base: &Path) -> Self {
        self.journal.location = Location::Directory(base.join(directory_name(&self.settings.id)));
        self
    }

    /// The schedule laid over the days.
    pub(super) fn calendar(&self) -> Result<Calendar, ConfigError> {
        let schedule = &self.schedule;
        let wrong = |key, value: String, right| ConfigError::Session {
            session: self.settings.id.to_string(),
            key,
            value,
            right,
        };
        if !self.settings.rules.reset_seq_num_flag {
            if let Some(time) = schedule.resets.first() {
                let right = "no resets in session: the version has no ResetSeqNumFlag(141)";
                return Err(wrong("schedule.resets", time.to_string(), right));
            }
            if schedule.renewal == Renewal::ResetSeqNumFlag {
                let right = "another renewal: the version has no ResetSeqNumFlag(141)";
                let value = format!("{:?}", schedule.renewal);
                return Err(wrong("schedule.renewal", value, right));
            }
        }
        Calendar::new(schedule).map_err(|error| wrong(error.what, error.value, error.right))
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that cannot be accepted; [`SessionConfig::problems`] has them all.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that cannot be accepted, in the order of the fields.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut found: Vec<ConfigError> = Vec::new();
        found.extend(self.settings.check().map_err(ConfigError::Settings).err());
        let reserve = self.journal.control_reserve_bytes;
        let reserve = (reserve < CONTROL_RESERVE_BYTES_MIN).then(|| {
            let right = "4096 or more: a few session-level messages must fit";
            ("journal.control_reserve_bytes", reserve.to_string(), right)
        });
        let wrong = [
            wrong_direction(self.settings.role, &self.connect, &self.accept),
            self.connect.check().err(),
            self.socket.check().err(),
            reserve,
        ];
        let session = |(key, value, right)| ConfigError::Session {
            session: self.settings.id.to_string(),
            key,
            value,
            right,
        };
        found.extend(wrong.into_iter().flatten().map(session));
        found.extend(dialler(&self.settings.id.to_string(), &self.connect).err());
        found.extend(self.calendar().err());
        let journal = self.journal.validate().err().filter(|_| found.is_empty());
        found.extend(journal.map(|error| ConfigError::Journal {
            session: self.settings.id.to_string(),
            error: OpenError::Config(error),
        }));
        found
    }
}

/// What an initiator cannot have, or an acceptor.
fn wrong_direction(
    role: Role,
    connect: &Connect,
    accept: &Accept,
) -> Option<(&'static str, String, &'static str)> {
    match (role, connect.destinations.first()) {
        (Role::Initiator, None) => {
            let right = "at least one address an initiator connects to";
            Some(("connect.destinations", "none".to_owned(), right))
        }
        (Role::Acceptor, Some(destination)) => {
            let right = "no address: an acceptor does not connect";
            Some(("connect.destinations", destination.to_string(), right))
        }
        (Role::Initiator, Some(_)) if *accept != Accept::default() => {
            let right = "nothing: an initiator accepts no connections";
            Some(("accept", format!("{accept:?}"), right))
        }
        (Role::Acceptor, None) if connect.tls.is_some() => {
            let right = "nothing: the TLS of an acceptor is that of the port it is reached on";
            Some(("connect.tls", "given".to_owned(), right))
        }
        (Role::Acceptor, None) if connect.proxy.is_some() => {
            let right = "nothing: an acceptor connects to nobody; see Listen::proxy_header";
            Some(("connect.proxy", "given".to_owned(), right))
        }
        _ => None,
    }
}

/// What a session connects with, if it speaks TLS; files are read.
pub(in crate::engine) fn dialler(
    session: &str,
    connect: &Connect,
) -> Result<Option<Dialler>, ConfigError> {
    let Some(client) = &connect.tls else {
        return Ok(None);
    };
    match tls::dialler(client, &connect.destinations) {
        Ok(dialler) => Ok(Some(dialler)),
        Err(error) => Err(ConfigError::SessionTls {
            session: session.to_owned(),
            error,
        }),
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
    fn a_schedule_that_the_version_cannot_keep_is_named() {
        use crate::session::fix::rules::FIX40;
        use crate::session::schedule::{ClockTime, Days, TimeOfDay};
        let midnight = ClockTime::utc(TimeOfDay::MIDNIGHT);
        let refused = |rules, schedule: Schedule| {
            let mut config = SessionConfig::acceptor(rules, "ME", "YOU");
            config.schedule = schedule;
            config.check().map_err(|error| error.to_string())
        };
        let mut schedule = Schedule::non_stop();
        schedule.resets = vec![midnight.clone()];
        assert!(refused(&FIX44, schedule.clone()).is_ok());
        let error = refused(&FIX40, schedule).unwrap_err();
        for part in ["FIX.4.0:ME->YOU", "schedule.resets", "00:00:00 UTC", "141"] {
            assert!(error.contains(part), "{error}");
        }
        let mut schedule = Schedule::daily(midnight.clone(), midnight.clone());
        schedule.renewal = Renewal::ResetSeqNumFlag;
        assert!(refused(&FIX44, schedule.clone()).is_ok());
        let error = refused(&FIX40, schedule).unwrap_err();
        assert!(error.contains("schedule.renewal"), "{error}");
        let schedule = Schedule::daily_on(Days::default(), midnight.clone(), midnight);
        let error = refused(&FIX44, schedule).unwrap_err();
        assert!(error.contains("schedule.hours.days"), "{error}");
    }

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
            error.contains("FIX.4.4:ME->YOU") && error.contains("connect.destinations"),
            "{error}"
        );
    }

    #[test]
    fn an_initiator_with_an_allow_list_is_named() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let mut config = SessionConfig::initiator(&FIX44, "ME", "YOU", address);
        assert!(config.check().is_ok());
        config.accept.port = Some(1);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("setting accept"), "{error}");
    }
}

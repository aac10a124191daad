//! What a user decides about a FIXP session, and what is common to the sessions of every protocol.

use std::path::Path;

use super::{
    Accept, CONTROL_RESERVE_BYTES_MIN, ConfigError, Connect, Destination, SessionConfig, dialler,
    directory_name, wrong_direction,
};
use crate::engine::net::SocketOptions;
use crate::journal::{JournalConfig, Location, OpenError, Retention};
use crate::session::fix::Role;
use crate::session::fixp::{Lane, Settings};
use crate::session::schedule::{Calendar, Schedule};
use crate::session::{Credentials, SessionId};

/// Segments of what a backup connection has to say: signs of life of 26 bytes.
const BACKUP_SEGMENT_BYTES: usize = 16 * 1024;

/// And of what waits there because it came in pieces: any message fits.
const BACKUP_SEGMENT_BYTES_MAX: usize = 128 * 1024;

/// The length of a frame has 16 bits.
const FRAME_BYTES_MAX: usize = 65_535;

/// Settings of one FIXP session: protocol, connection, journal.
///
/// ```
/// use pinfix::engine::FixpSessionConfig;
/// use pinfix::session::Credentials;
///
/// let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// let credentials = Credentials::new("KEY1", key)?;
/// let client = FixpSessionConfig::client("ABC", "007", credentials, "10.0.0.1:5001".parse::<pinfix::engine::Destination>()?);
/// assert_eq!(client.settings.id.to_string(), "FIXP:ABC-007->EXCHANGE");
/// assert!(client.check().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FixpSessionConfig {
    /// The protocol side.
    pub settings: Settings,
    /// How a client connects to the primary.
    pub connect: Connect,
    /// Where a client's backup connection goes, the preferred place first; empty: it has none. With one, a
    /// second connection stands by while the session is established, and the session goes on over it when
    /// the primary gateway fails. It is made as [`FixpSessionConfig::connect`] says, destinations aside.
    ///
    /// When the primary connection is lost while the backup stands, the exchange says there what that means. It
    /// is waited for up to one KeepAliveInterval before the session is logged on anew.
    ///
    /// When the exchange says that a host is the designated backup and not the primary (code 27), or none of
    /// the primary's can be reached, the two lists change places.
    ///
    /// A backup connection takes a place of its own among
    /// [`EngineConfig::sessions_max`](super::EngineConfig::sessions_max), and stands on the status page with
    /// `/backup` after the name of its session.
    pub backup: Vec<Destination>,
    /// Whether a gateway's client may have a backup connection: on the ports of
    /// [`Listen::backup`](super::Listen::backup).
    pub accept_backup: bool,
    /// From where, and on which port, the client of a gateway may come.
    pub accept: Accept,
    /// What is asked of the socket. A gateway's gets it when the client logs on.
    pub socket: SocketOptions,
    /// When the session may be logged on. With every interval a client begins a new UUID, and both
    /// series at 1; it logs out for that and on again, whatever
    /// [`Schedule::renewal`](crate::session::schedule::Schedule::renewal) says.
    pub schedule: Schedule,
    /// The journal. Its identity is set by the engine.
    pub journal: JournalConfig,
}

impl FixpSessionConfig {
    /// A client that connects to `destination`; more can be added.
    #[must_use]
    pub fn client(
        session: &str,
        firm: &str,
        credentials: Credentials,
        destination: impl Into<Destination>,
    ) -> Self {
        let mut config = Self::new(Settings::new(Role::Initiator, session, firm, credentials));
        config.connect.destinations.push(destination.into());
        config
    }

    /// A client's backup connection goes to `destination`; more can be added.
    #[must_use]
    pub fn backup(mut self, destination: impl Into<Destination>) -> Self {
        self.backup.push(destination.into());
        self
    }

    /// A gateway for one client, reachable on every port where the engine listens for FIXP; see
    /// [`Listen::fixp`](super::Listen::fixp).
    #[must_use]
    pub fn gateway(session: &str, firm: &str, credentials: Credentials) -> Self {
        Self::new(Settings::new(Role::Acceptor, session, firm, credentials))
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            connect: Connect::default(),
            backup: Vec::new(),
            accept_backup: false,
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

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that cannot be accepted; [`FixpSessionConfig::problems`] has them all.
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
        let lane = (self.settings.lane != Lane::Primary).then(|| {
            let right = "Primary: a backup is made by the settings backup and accept_backup";
            ("lane", format!("{:?}", self.settings.lane), right)
        });
        let wrong = [
            lane,
            wrong_direction(self.settings.role, &self.connect, &self.accept),
            self.connect.check().err(),
            self.backup_problem(),
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

    /// What cannot be accepted in an engine that takes messages of this many bytes: each may have to be kept
    /// until it is its turn.
    pub(in crate::engine) fn check_room(&self, max_message_bytes: usize) -> Result<(), ConfigError> {
        if self.journal.longest_frame() >= max_message_bytes.min(FRAME_BYTES_MAX) {
            return Ok(());
        }
        Err(ConfigError::Session {
            session: self.settings.id.to_string(),
            key: "journal.max_segment_bytes",
            value: self.journal.max_segment_bytes.to_string(),
            right: "max_message_bytes of the engine (65535 at most), control_reserve_bytes and 4096 more",
        })
    }

    fn backup_problem(&self) -> Option<(&'static str, String, &'static str)> {
        let client = self.settings.role == Role::Initiator;
        if client && self.accept_backup {
            let right = "false: a client has a list of places, backup";
            return Some(("accept_backup", "true".to_owned(), right));
        }
        if !client && !self.backup.is_empty() {
            let value = format!("{} destinations", self.backup.len());
            return Some(("backup", value, "none: a gateway has accept_backup"));
        }
        let twice = |place: &&Destination| self.connect.destinations.contains(place);
        if let Some(twice) = self.backup.iter().find(twice) {
            let right = "another host than the primary: it is in connect.destinations";
            return Some(("backup", twice.to_string(), right));
        }
        let connect = Connect {
            destinations: self.backup.clone(),
            ..self.connect.clone()
        };
        let (key, value, right) = connect.check().err()?;
        (key == "connect.destinations").then_some(("backup", value, right))
    }

    /// What its backup connection is made from, if it may have one: a session of its own with a journal that
    /// nothing need survive, because a backup numbers nothing.
    pub(in crate::engine) fn backup_lane(&self) -> Option<Self> {
        if self.backup.is_empty() && !self.accept_backup {
            return None;
        }
        let mut lane = self.clone();
        lane.settings.lane = Lane::Backup;
        lane.connect.destinations = std::mem::take(&mut lane.backup);
        lane.accept_backup = false;
        lane.accept.port = None;
        lane.schedule = Schedule::non_stop();
        lane.journal = JournalConfig {
            first_segment_bytes: BACKUP_SEGMENT_BYTES,
            max_segment_bytes: BACKUP_SEGMENT_BYTES_MAX,
            unsent_limit_bytes: BACKUP_SEGMENT_BYTES,
            control_reserve_bytes: CONTROL_RESERVE_BYTES_MIN,
            record_inbound: false,
            retention: Retention {
                age: None,
                bytes: Some(4 * BACKUP_SEGMENT_BYTES as u64),
            },
            ..JournalConfig::default()
        };
        Some(lane)
    }

    /// The schedule laid over the days.
    fn calendar(&self) -> Result<Calendar, ConfigError> {
        let wrong = |key, value: String, right| ConfigError::Session {
            session: self.settings.id.to_string(),
            key,
            value,
            right,
        };
        if let Some(time) = self.schedule.resets.first() {
            let right = "no resets in session: FIXP has none, a new UUID begins with a logon";
            return Err(wrong("schedule.resets", time.to_string(), right));
        }
        Calendar::new(&self.schedule).map_err(|error| wrong(error.what, error.value, error.right))
    }
}

/// Settings of a session of any protocol.
#[allow(
    clippy::large_enum_variant,
    reason = "made once per session and passed on"
)]
#[derive(Clone, Debug)]
pub enum AnySessionConfig {
    /// FIX.
    Fix(SessionConfig),
    /// FIXP.
    Fixp(FixpSessionConfig),
}

impl From<SessionConfig> for AnySessionConfig {
    fn from(config: SessionConfig) -> Self {
        Self::Fix(config)
    }
}

impl From<FixpSessionConfig> for AnySessionConfig {
    fn from(config: FixpSessionConfig) -> Self {
        Self::Fixp(config)
    }
}

impl AnySessionConfig {
    /// By what name the session goes.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        match self {
            Self::Fix(config) => &config.settings.id,
            Self::Fixp(config) => &config.settings.id,
        }
    }

    /// The settings of a FIX session.
    #[must_use]
    pub fn fix(&self) -> Option<&SessionConfig> {
        match self {
            Self::Fix(config) => Some(config),
            Self::Fixp(_) => None,
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub fn fix_mut(&mut self) -> Option<&mut SessionConfig> {
        match self {
            Self::Fix(config) => Some(config),
            Self::Fixp(_) => None,
        }
    }

    /// Which side of the connection it is.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Fix(config) => config.settings.role,
            Self::Fixp(config) => config.settings.role,
        }
    }

    /// How an initiator connects.
    #[must_use]
    pub fn connect(&self) -> &Connect {
        match self {
            Self::Fix(config) => &config.connect,
            Self::Fixp(config) => &config.connect,
        }
    }

    /// When the session may be logged on.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        match self {
            Self::Fix(config) => &config.schedule,
            Self::Fixp(config) => &config.schedule,
        }
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &JournalConfig {
        match self {
            Self::Fix(config) => &config.journal,
            Self::Fixp(config) => &config.journal,
        }
    }

    /// The journal, to be changed.
    #[must_use]
    pub fn journal_mut(&mut self) -> &mut JournalConfig {
        match self {
            Self::Fix(config) => &mut config.journal,
            Self::Fixp(config) => &mut config.journal,
        }
    }

    /// Keeps the journal in a directory of its own below `base`, named after the session.
    #[must_use]
    pub fn journal_below(self, base: &Path) -> Self {
        match self {
            Self::Fix(config) => config.journal_below(base).into(),
            Self::Fixp(config) => config.journal_below(base).into(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that cannot be accepted; [`AnySessionConfig::problems`] has them all.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that cannot be accepted, in the order of the fields.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigError> {
        match self {
            Self::Fix(config) => config.problems(),
            Self::Fixp(config) => config.problems(),
        }
    }

    pub(in crate::engine) fn calendar(&self) -> Result<Calendar, ConfigError> {
        match self {
            Self::Fix(config) => config.calendar(),
            Self::Fixp(config) => config.calendar(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::schedule::{ClockTime, TimeOfDay};

    fn credentials() -> Credentials {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        Credentials::new("KEY1", key).unwrap()
    }

    #[test]
    fn a_segment_holds_the_longest_message() {
        let mut config = FixpSessionConfig::gateway("ABC", "007", credentials());
        assert!(config.check_room(16 << 20).is_ok());
        config.accept_backup = true;
        assert!(config.backup_lane().unwrap().check_room(16 << 20).is_ok());
        config.journal.first_segment_bytes = 32 * 1024;
        config.journal.max_segment_bytes = 64 * 1024;
        assert!(config.check_room(32 * 1024).is_ok());
        let error = config.check_room(64 * 1024).unwrap_err().to_string();
        assert!(error.contains("journal.max_segment_bytes"), "{error}");
        assert!(error.contains("65536"), "{error}");
    }

    #[test]
    fn what_cannot_be_accepted_is_named_with_the_session() {
        type Spoil = fn(&mut FixpSessionConfig);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let client = || FixpSessionConfig::client("ABC", "007", credentials(), address);
        let rows: [(&str, Spoil); 9] = [
            ("keep_alive_ms", |c| c.settings.keep_alive_ms = 0),
            ("connect.destinations", |c| c.connect.destinations.clear()),
            ("accept", |c| c.accept.port = Some(1)),
            ("accept_backup", |c| c.accept_backup = true),
            ("backup", |c| c.backup = c.connect.destinations.clone()),
            ("backup", |c| {
                let host = String::new();
                c.backup = vec![Destination::Name { host, port: 1 }];
            }),
            ("lane", |c| c.settings.lane = Lane::Backup),
            ("journal.control_reserve_bytes", |c| {
                c.journal.control_reserve_bytes = 1024;
            }),
            ("schedule.resets", |c| {
                c.schedule.resets = vec![ClockTime::utc(TimeOfDay::MIDNIGHT)];
            }),
        ];
        for (setting, spoil) in rows {
            let mut config = client();
            assert!(config.check().is_ok());
            spoil(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(setting), "{error}");
        }
        let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
        assert!(gateway.check().is_ok());
        gateway.backup.push(address.into());
        let error = gateway.check().unwrap_err().to_string();
        assert!(error.contains("accept_backup"), "{error}");
        gateway.backup.clear();
        gateway.connect.destinations.push(address.into());
        let error = gateway.check().unwrap_err().to_string();
        assert!(error.contains("FIXP:EXCHANGE->ABC-007"), "{error}");
        assert!(error.contains("connect.destinations"), "{error}");
    }
}

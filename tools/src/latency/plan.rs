//! What a run is to do, checked before anything starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use pinfix::engine::{
    AnySessionConfig, FixpSessionConfig, Listen, SessionConfig, TlsClient, TlsServer,
};
use pinfix::journal;
use pinfix::session::Credentials;
use pinfix::session::fix::AtLogon;
use pinfix::session::fix::rules::Rules;
use pinfix::wire::sbe::ilink3::VERSION;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cores::Cores;
use super::schedule::{BLOCK_MAX, Blocks, Load};
use crate::exchange::ilink3::Account;

/// What both sides sign with over FIXP. Nobody outside of the process is to be kept out by it.
const KEY: (&str, &str) = ("LATENCY", "cGluZml4IGxhdGVuY3ksIGJvdGggc2lkZXMgb2YgaXQ");

/// Firm of every FIXP session.
const FIRM: &str = "LAT";

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// FIX, in the version of --version
    Fix,
    /// CME iLink 3: FIXP over SBE
    Ilink3,
}

/// A run.
pub struct Plan {
    pub protocol: Protocol,
    pub rules: &'static Rules,
    pub sender: String,
    pub target: String,
    pub sessions: usize,
    pub connect: Option<SocketAddr>,
    /// Who logs on to a gateway in another process, one for each session; none within this process.
    pub accounts: Vec<Account>,
    pub load: Load,
    pub warm_up: usize,
    pub blocks: Blocks,
    pub cores: Cores,
    pub durability: Durability,
    /// What the engines speak TLS with.
    #[cfg(feature = "tls")]
    pub tls: Option<super::tls::Tls>,
    /// Of the client's engine.
    pub status_page: Option<PathBuf>,
    /// Whether the engine is watched half of the time.
    pub watched: bool,
}

impl Plan {
    /// Where the venue's engine has its status page.
    pub fn status_page_of_venue(&self) -> Option<PathBuf> {
        let mut page = self.status_page.clone()?.into_os_string();
        page.push(".venue");
        Some(page.into())
    }

    /// The client's sessions, for a venue at `address`.
    pub fn client_sessions(&self, address: SocketAddr) -> anyhow::Result<Vec<AnySessionConfig>> {
        let of_accounts = |account: &Account| {
            let (session, firm) = (&account.session, &account.firm);
            let config = FixpSessionConfig::client(session, firm, account.credentials()?, address);
            Ok(config.into())
        };
        if !self.accounts.is_empty() {
            return self.accounts.iter().map(of_accounts).collect();
        }
        self.names()
            .map(|name| self.client(&name, address))
            .collect()
    }

    fn client(&self, name: &str, address: SocketAddr) -> anyhow::Result<AnySessionConfig> {
        Ok(match self.protocol {
            Protocol::Fix => {
                let mut config = SessionConfig::initiator(self.rules, name, &self.target, address);
                config.connect.tls = self.tls_of_client();
                if self.connect.is_some() {
                    // A venue remembers numbers of earlier runs that our new journal knows nothing of.
                    config.settings.at_logon = AtLogon::AskReset;
                }
                config.into()
            }
            Protocol::Ilink3 => {
                let mut config = FixpSessionConfig::client(name, FIRM, credentials()?, address);
                config.connect.tls = self.tls_of_client();
                config.into()
            }
        })
    }

    /// The venue's port, at `address`.
    pub fn venue_port(&self, address: SocketAddr) -> Listen {
        let listen = match self.protocol {
            Protocol::Fix => Listen::on(address),
            Protocol::Ilink3 => Listen::fixp(address),
        };
        Listen {
            tls: self.tls_of_venue(),
            ..listen
        }
    }

    /// The venue's sessions, one for each of the client's.
    pub fn venue_sessions(&self) -> anyhow::Result<Vec<AnySessionConfig>> {
        let venue = |name: String| {
            Ok(match self.protocol {
                Protocol::Fix => SessionConfig::acceptor(self.rules, &self.target, &name).into(),
                Protocol::Ilink3 => FixpSessionConfig::gateway(&name, FIRM, credentials()?).into(),
            })
        };
        self.names().map(venue).collect()
    }

    /// SenderCompID(49), or Session of FIXP, which has up to three characters, of each client session.
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.sessions).map(|number| match (self.protocol, self.sessions) {
            (Protocol::Fix, 1) => self.sender.clone(),
            (Protocol::Fix, _) => format!("{}{number}", self.sender),
            (Protocol::Ilink3, _) => format!("{:03}", number - 1),
        })
    }

    /// Exchanges of the floor that are not measured. Less code, less to warm up; and the sessions are
    /// not looked after meanwhile.
    pub fn floor_warm_up(&self) -> usize {
        self.warm_up.min(BLOCK_MAX)
    }

    /// Exchanges in all, for the progress bar.
    pub fn exchanges(&self) -> u64 {
        (self.warm_up + self.floor_warm_up() + self.blocks.exchanges()) as u64
    }

    /// What a client's session speaks TLS with, if it does.
    pub fn tls_of_client(&self) -> Option<TlsClient> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().map(|tls| tls.client.clone());
        #[cfg(not(feature = "tls"))]
        None
    }

    /// What the venue's port speaks TLS with, if it does.
    pub fn tls_of_venue(&self) -> Option<TlsServer> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().map(|tls| tls.server.clone());
        #[cfg(not(feature = "tls"))]
        None
    }

    /// Lines for people, each with its name in front.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Self {
            rules,
            sender,
            target,
            ..
        } = self;
        let venue = match self.connect {
            Some(address) => format!("at {address}"),
            None => "in this process".to_owned(),
        };
        let sessions = match (self.protocol, self.sessions) {
            (Protocol::Ilink3, count) => {
                format!("{count} of iLink 3, schema {VERSION}, venue {venue}")
            }
            (Protocol::Fix, 1) => format!("{} {sender}->{target}, venue {venue}", rules.name),
            (Protocol::Fix, count) => format!(
                "{count} of {} {sender}1..{count}->{target}, venue {venue}",
                rules.name
            ),
        };
        let messages = self.blocks.messages;
        let orders = match self.load {
            Load::Closed => format!("{messages}, one in flight"),
            Load::Open(rate) => {
                format!("{messages} at {rate} per second, timed from when each was due")
            }
        };
        let mut lines = vec![
            ("session", sessions),
            (
                "orders",
                format!("{orders}, after {} to warm up", self.warm_up),
            ),
        ];
        if self.tls_of_client().is_some() {
            let text = "1.3, certificates of ECDSA P-256 shown and verified by both sides";
            lines.push(("TLS", text.to_owned()));
        }
        lines
    }

    pub fn json(&self) -> Value {
        json!({
            "version": match self.protocol {
                Protocol::Fix => self.rules.name.to_owned(),
                Protocol::Ilink3 => format!("iLink 3, schema {VERSION}"),
            },
            "sessions": self.sessions,
            "connect": self.connect.map(|address| address.to_string()),
            "loop": match self.load { Load::Closed => "closed", Load::Open(_) => "open" },
            "rate_per_second": match self.load { Load::Closed => None, Load::Open(rate) => Some(rate) },
            "warm_up": self.warm_up,
            "block": self.blocks.size,
            "block_lead_in": self.blocks.lead_in,
            "tls": self.tls_of_client().is_some(),
            "durability": self.durability.to_string(),
            "watched": self.watched,
            "debug_build": cfg!(debug_assertions),
        })
    }
}

fn credentials() -> anyhow::Result<Credentials> {
    Ok(Credentials::new(KEY.0, KEY.1)?)
}

/// `--durability` as given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durability(pub journal::Durability);

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected page-cache, flush-every=10ms or flush-each".to_owned();
        Ok(Self(match text {
            "page-cache" => journal::Durability::PageCache,
            "flush-each" => journal::Durability::FlushEach,
            _ => {
                let span = text.strip_prefix("flush-every=").ok_or_else(wrong)?;
                let (number, unit_ms) = match (span.strip_suffix("ms"), span.strip_suffix('s')) {
                    (Some(number), _) => (number, 1),
                    (None, Some(number)) => (number, 1000),
                    (None, None) => return Err(wrong()),
                };
                let number: u64 = number.parse().map_err(|_| wrong())?;
                let ms = number
                    .checked_mul(unit_ms)
                    .filter(|ms| (1..=60_000).contains(ms))
                    .ok_or("expected an interval from 1ms to 60s")?;
                journal::Durability::FlushEvery(Duration::from_millis(ms))
            }
        }))
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            journal::Durability::PageCache => f.write_str("page-cache"),
            journal::Durability::FlushEvery(span) => write!(f, "flush-every={}ms", span.as_millis()),
            journal::Durability::FlushEach => f.write_str("flush-each"),
        }
    }
}

/// Where the journals of a run are kept.
pub struct Journals {
    directory: PathBuf,
    durability: Durability,
    /// Removed with everything in it when the run ends.
    temporary: Option<TempDir>,
}

impl Journals {
    pub fn new(directory: Option<PathBuf>, durability: Durability) -> anyhow::Result<Self> {
        let Some(directory) = directory else {
            let temporary = tempfile::Builder::new()
                .prefix("pinfix-latency-")
                .tempdir()
                .context("making a temporary directory for the journals")?;
            return Ok(Self {
                directory: temporary.path().to_path_buf(),
                durability,
                temporary: Some(temporary),
            });
        };
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("--journal: making directory {}", directory.display()))?;
        Ok(Self {
            directory,
            durability,
            temporary: None,
        })
    }

    /// Gives a session its journal.
    pub fn apply(&self, config: AnySessionConfig) -> AnySessionConfig {
        match config {
            AnySessionConfig::Fix(config) => {
                let mut config = config.journal_below(&self.directory);
                config.journal.durability = self.durability.0;
                config.into()
            }
            AnySessionConfig::Fixp(config) => {
                let mut config = config.journal_below(&self.directory);
                config.journal.durability = self.durability.0;
                config.into()
            }
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_written_as_it_is_read() {
        for text in ["page-cache", "flush-every=10ms", "flush-each"] {
            let durability: Durability = text.parse().expect("accepted");
            assert_eq!(durability.to_string(), text);
        }
        assert_eq!(
            "flush-every=2s"
                .parse::<Durability>()
                .map(|d| d.to_string()),
            Ok("flush-every=2000ms".to_owned())
        );
        for text in [
            "",
            "flush-every=",
            "flush-every=0ms",
            "flush-every=10",
            "sync",
        ] {
            assert!(text.parse::<Durability>().is_err(), "{text}");
        }
    }
}

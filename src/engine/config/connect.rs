//! How an initiator finds its peer, and from where an acceptor lets its peer come.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::Subnet;
use crate::engine::proxy::Proxy;
use crate::engine::tls::TlsClient;

/// The shortest waiting time and the shortest limit that make sense, against tight loops.
const SPAN_MIN: Duration = Duration::from_millis(10);

/// How an initiator connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Where the peer may be reached, the preferred place first. One after the other is tried without
    /// a pause; only when all have failed does the session wait as [`Connect::reconnect`] says.
    pub destinations: Vec<Destination>,
    /// Which of several destinations an attempt goes to.
    pub policy: Failover,
    /// The local address to connect from; port 0 lets the system choose. `None` leaves both to it.
    pub source: Option<SocketAddr>,
    /// How long one attempt to connect may take.
    pub timeout: Duration,
    /// How long to wait before each further attempt; the last value repeats. The list starts anew
    /// after a connection that logged on, unless the peer ended that one within ten seconds: a
    /// peer that lets in and throws out at once is not asked ever faster.
    pub reconnect: Vec<Duration>,
    /// How many attempts in a row may be refused for who we are: a Logon with a Logout, a Negotiate or
    /// Establish of FIXP with a Reject, a user or the lack of one by the proxy. After that many there is no
    /// further attempt until an operator logs the session on, as each one may bring a locked account nearer.
    /// `None`: it is tried for ever.
    pub refusals_max: Option<u32>,
    /// Up to this share of a waiting time is added to it, in percent, so that sessions which lost
    /// their connections together do not come back together. The share differs from session to
    /// session and from attempt to attempt, and is the same on every run.
    pub jitter_percent: u8,
    /// TLS on the connection, for every destination; `None` is plain text. The handshake is part of the
    /// attempt to connect, and of its time.
    pub tls: Option<TlsClient>,
    /// The proxy every destination is reached through; `None` connects directly. Asking it is part of the
    /// attempt to connect, and of its time; TLS comes after it, and is spoken with the destination.
    pub proxy: Option<Proxy>,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            policy: Failover::default(),
            source: None,
            timeout: Duration::from_secs(10),
            reconnect: [1, 2, 5, 10, 30].map(Duration::from_secs).to_vec(),
            refusals_max: None,
            jitter_percent: 0,
            tls: None,
            proxy: None,
        }
    }
}

impl Connect {
    /// The places whose addresses must be known here: an entry for each destination, `None` where the proxy
    /// looks it up, and one for the proxy.
    pub(in crate::engine) fn places(&self) -> impl Iterator<Item = Option<&Destination>> {
        let remote = self.proxy.as_ref().is_some_and(Proxy::resolves);
        let destinations = self.destinations.iter();
        let destinations = destinations.map(move |place| (!remote).then_some(place));
        destinations.chain(self.proxy.iter().map(|proxy| Some(&proxy.address)))
    }

    /// Names the setting that cannot be accepted, its value and what would be right.
    pub(super) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        if self.destinations.len() > DESTINATIONS_MAX {
            let value = format!("{} destinations", self.destinations.len());
            return Err(("connect.destinations", value, "at most 16"));
        }
        for destination in &self.destinations {
            if let Destination::Name { host, port } = destination
                && (host.is_empty() || host.len() > 255 || *port == 0)
            {
                let right = "a host name of 1 to 255 bytes and a port of 1 to 65535";
                return Err(("connect.destinations", destination.to_string(), right));
            }
        }
        if let Failover::Priority { start_over } = self.policy
            && start_over < SPAN_MIN
        {
            let right = "a start-over interval of 10 ms or more";
            return Err(("connect.policy", format!("{start_over:?}"), right));
        }
        if self.reconnect.is_empty() {
            let right = "at least one waiting time";
            return Err(("connect.reconnect", "empty".to_owned(), right));
        }
        if let Some(span) = self.reconnect.iter().find(|span| **span < SPAN_MIN) {
            let right = "waiting times of 10 ms or more";
            return Err(("connect.reconnect", format!("{span:?}"), right));
        }
        if self.refusals_max == Some(0) {
            let right = "1 or more refused Logons, or none for any number";
            return Err(("connect.refusals_max", "0".to_owned(), right));
        }
        if self.timeout < SPAN_MIN {
            let value = format!("{:?}", self.timeout);
            return Err(("connect.timeout", value, "10 ms or more"));
        }
        if self.jitter_percent > 100 {
            let value = self.jitter_percent.to_string();
            return Err(("connect.jitter_percent", value, "0 to 100"));
        }
        if let Some(proxy) = &self.proxy {
            proxy.check(&self.destinations)?;
        }
        Ok(())
    }
}

/// How many destinations a session may have.
const DESTINATIONS_MAX: usize = 16;

/// A place where a peer may be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// An address.
    Address(SocketAddr),
    /// A host name. It is looked up when the session is added, by the thread that adds it, and again
    /// after every attempt that failed, by a thread of the engine that does nothing else: the core
    /// never waits for a name. Of several addresses each is tried in turn. Behind a [`Proxy`] that
    /// [looks names up itself](Proxy::resolves) it is not looked up here.
    Name {
        /// The name, as the system's resolver takes it.
        host: String,
        /// The port.
        port: u16,
    },
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// `10.0.0.1:5001`, `[::1]:5001` or `fix.example.com:5001`.
impl FromStr for Destination {
    type Err = NotADestination;

    fn from_str(text: &str) -> Result<Self, NotADestination> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(NotADestination)?;
        let port = port.parse().map_err(|_| NotADestination)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if host.is_empty() || port == 0 || !host.bytes().all(plain) {
            return Err(NotADestination);
        }
        Ok(Self::Name {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A text that names no place to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADestination;

impl fmt::Display for NotADestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a destination, expected HOST:PORT, for example 10.0.0.1:5001")
    }
}

impl std::error::Error for NotADestination {}

/// Which of several destinations an attempt goes to. After a failure it is always the next one, and
/// after the last the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// The one that was logged on to last.
    #[default]
    RememberLastGood,
    /// The next one, also after a connection that logged on.
    RoundRobin,
    /// The first one again, once so much time has passed since it was tried last; until then the one
    /// that was logged on to last. A connection that stands is not given up for a better one.
    Priority {
        /// How long the others are good enough.
        start_over: Duration,
    },
}

/// From where the peer of an acceptor session may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// The networks its peer may connect from; empty for any. A Logon from elsewhere is closed
    /// without a byte and without a number used.
    pub allow: Vec<Subnet>,
    /// The one listening port it can be reached on; `None` for every port the engine listens on. With
    /// it, two sessions that differ in nothing else (and in their qualifiers) can each have a port.
    pub port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_an_address_or_a_name_with_a_port() {
        let read = |text: &str| text.parse::<Destination>().map(|found| found.to_string());
        for text in [
            "10.0.0.1:5001",
            "[::1]:5001",
            "fix.example.com:5001",
            "localhost:1",
        ] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "host",
            ":5001",
            "host:",
            "host:0",
            "host:65536",
            "ho st:1",
            "::1:5x",
        ] {
            assert_eq!(read(text), Err(NotADestination), "{text}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let wrong = |change: fn(&mut Connect)| {
            let mut connect = Connect::default();
            change(&mut connect);
            connect.check().unwrap_err().0
        };
        assert_eq!(wrong(|c| c.reconnect.clear()), "connect.reconnect");
        assert_eq!(
            wrong(|c| c.reconnect[0] = Duration::ZERO),
            "connect.reconnect"
        );
        assert_eq!(wrong(|c| c.timeout = Duration::ZERO), "connect.timeout");
        assert_eq!(wrong(|c| c.jitter_percent = 101), "connect.jitter_percent");
        let never = Failover::Priority {
            start_over: Duration::ZERO,
        };
        let connect = Connect {
            policy: never,
            ..Connect::default()
        };
        assert_eq!(connect.check().unwrap_err().0, "connect.policy");
        let place = Destination::Name {
            host: String::new(),
            port: 1,
        };
        let connect = Connect {
            destinations: vec![place],
            ..Connect::default()
        };
        assert_eq!(connect.check().unwrap_err().0, "connect.destinations");
    }
}

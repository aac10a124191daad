//! Listening ports, and what may be done on them before a peer has logged on.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::net::SocketOptions;
use super::super::session::Protocol;
use super::{ConfigError, Template};
use crate::engine::proxy::ProxyHeader;
use crate::engine::tls::{self, TlsServer};
use crate::session::fixp::Lane;

/// What connections may cost before they have logged on. All of it is bounded, and a peer that logs on
/// as it connects is served however many others stand around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strangers {
    /// How long one may take to send its whole Logon.
    pub patience: Duration,
    /// How many there may be at a time. For one more, the one that has waited longest is closed.
    pub max: usize,
    /// How many there may be at a time from one address; one more is closed at once.
    pub per_source_max: usize,
    /// How many Logons may come from one address within a minute, good or bad; more are closed
    /// without a byte. `None` counts nothing. The last thousand addresses are remembered.
    pub logons_per_source_and_minute: Option<u32>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            max: 1024,
            per_source_max: 1024,
            logons_per_source_and_minute: None,
        }
    }
}

impl Strangers {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, value: String, right| Err(ConfigError::Engine { key, value, right });
        let patience = Duration::from_millis(10)..=Duration::from_secs(3600);
        if !patience.contains(&self.patience) {
            let value = format!("{:?}", self.patience);
            return wrong("strangers.patience", value, "10 ms to 1 hour");
        }
        for (key, value) in [
            ("strangers.max", self.max),
            ("strangers.per_source_max", self.per_source_max),
        ] {
            if !(1..=65_536).contains(&value) {
                return wrong(key, value.to_string(), "1 to 65536 connections");
            }
        }
        if self.logons_per_source_and_minute == Some(0) {
            let key = "strangers.logons_per_source_and_minute";
            return wrong(
                key,
                "0".to_owned(),
                "1 or more Logons, or none to count nothing",
            );
        }
        Ok(())
    }
}

/// A port to listen on.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What to do with a Logon for which no session is configured: the first template that serves its
    /// version and its identity makes a session. Without one it is closed without a byte.
    pub templates: Vec<Template>,
    /// Whether the port may be taken while connections of an earlier process on it are still being
    /// wound up by the system (SO_REUSEADDR). Without it a restart within minutes may fail.
    pub reuse_address: bool,
    /// What is spoken on it: sessions of the other protocol cannot be reached here.
    pub protocol: Protocol,
    /// On a port where FIXP is spoken: which of its two connections a client makes here. A session whose
    /// gateway has failed over has them the other way round.
    pub lane: Lane,
    /// What is asked of the sockets of peers, until they log on to a session with options of its own.
    pub socket: SocketOptions,
    /// TLS on every connection of the port; `None` is plain text. The time for the handshake is that for
    /// the Logon, [`Strangers::patience`].
    pub tls: Option<TlsServer>,
    /// The port is behind a proxy or load balancer that says who the client is, before TLS; `None` takes
    /// the address of the socket, and no header.
    pub proxy_header: Option<ProxyHeader>,
}

impl Listen {
    /// Listens on `address` for the peers of the sessions there are.
    #[must_use]
    pub fn on(address: SocketAddr) -> Self {
        Self {
            address,
            templates: Vec::new(),
            reuse_address: true,
            protocol: Protocol::Fix,
            lane: Lane::Primary,
            socket: SocketOptions::default(),
            tls: None,
            proxy_header: None,
        }
    }

    /// Listens on `address` for the clients of FIXP gateways.
    #[must_use]
    pub fn fixp(address: SocketAddr) -> Self {
        Self {
            protocol: Protocol::Fixp,
            ..Self::on(address)
        }
    }

    /// Is the port for backup connections; see
    /// [`FixpSessionConfig::accept_backup`](super::FixpSessionConfig::accept_backup).
    #[must_use]
    pub fn backup(mut self) -> Self {
        self.lane = Lane::Backup;
        self
    }

    /// Also makes sessions by `template`.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }

    /// Speaks TLS on the port.
    #[must_use]
    pub fn tls(mut self, server: TlsServer) -> Self {
        self.tls = Some(server);
        self
    }

    /// Takes the address of the client from the header of the PROXY protocol.
    #[must_use]
    pub fn behind_proxy(mut self, header: ProxyHeader) -> Self {
        self.proxy_header = Some(header);
        self
    }

    /// Checks what the types cannot, also that the files of its TLS can be used.
    ///
    /// # Errors
    /// The first setting that cannot be accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Err((key, value, right)) = self.socket.check() {
            return Err(ConfigError::Engine { key, value, right });
        }
        if self.protocol != Protocol::Fixp && self.lane == Lane::Backup {
            return Err(ConfigError::Engine {
                key: "listen.lane",
                value: "Backup".to_owned(),
                right: "Primary on a port where FIX is spoken: it has no backup connections",
            });
        }
        if self.protocol == Protocol::Fixp && !self.templates.is_empty() {
            return Err(ConfigError::Engine {
                key: "listen.templates",
                value: self.templates.len().to_string(),
                right: "none on a port where FIXP is spoken: every client has credentials of its own",
            });
        }
        if let Some(server) = &self.tls
            && let Err(error) = tls::acceptor(server)
        {
            let address = self.address;
            return Err(ConfigError::ListenTls { address, error });
        }
        for template in &self.templates {
            let port = template.config.accept.port;
            if let Some(other) = port.filter(|port| *port != self.address.port()) {
                return Err(ConfigError::Engine {
                    key: "listen.templates.config.accept.port",
                    value: other.to_string(),
                    right: "none, or the port that is listened on: its sessions could never be reached",
                });
            }
            template.check()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SessionConfig;
    use crate::session::fix::rules::FIX44;

    #[test]
    fn a_template_for_another_port_is_refused() {
        let config = SessionConfig::acceptor(&FIX44, "VENUE", "ANY");
        let mut template = Template::new(vec![&FIX44], config);
        template.config.accept.port = Some(5001);
        let listen = |port| Listen::on(([127, 0, 0, 1], port).into()).template(template.clone());
        assert!(listen(5001).check().is_ok());
        let refused = listen(5002).check().unwrap_err().to_string();
        assert!(
            refused.contains("accept.port") && refused.contains("5001"),
            "{refused}"
        );
    }

    #[test]
    fn limits_that_let_nobody_in_are_named() {
        let wrong = |change: fn(&mut Strangers)| {
            let mut strangers = Strangers::default();
            assert!(strangers.check().is_ok());
            change(&mut strangers);
            strangers.check().unwrap_err().to_string()
        };
        assert!(wrong(|s| s.max = 0).contains("strangers.max: 0"));
        assert!(wrong(|s| s.per_source_max = 0).contains("per_source_max: 0"));
        assert!(wrong(|s| s.patience = Duration::ZERO).contains("patience: 0ns"));
        assert!(wrong(|s| s.logons_per_source_and_minute = Some(0)).contains("minute: 0"));
    }
}

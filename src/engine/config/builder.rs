//! A session put together in one expression, and checked as a whole at the end of it.
//!
//! What nearly every session sets has a method. Everything else is set in the structure it belongs
//! to, which a closure is handed: no setting has two names.

use std::path::Path;

use super::{Accept, Connect, Destination, Problem, Problems, SessionConfig};
use crate::engine::net::SocketOptions;
use crate::engine::proxy::Proxy;
use crate::engine::tls::TlsClient;
use crate::journal::JournalConfig;
use crate::session::SessionId;
use crate::session::fix::rules::Rules;
use crate::session::fix::{LogonField, Role, Settings};
use crate::session::schedule::Schedule;
use crate::wire::fix::tag::{self, Tag};

/// Puts a [`SessionConfig`] together.
///
/// ```
/// use pinfix::engine::SessionBuilder;
/// use pinfix::session::fix::rules::FIX44;
///
/// let session = SessionBuilder::initiator(&FIX44, "ME", "VENUE")
///     .connect_to("10.0.0.1:5001".parse::<pinfix::engine::Destination>()?)
///     .connect_to("10.0.0.2:5001".parse::<pinfix::engine::Destination>()?)
///     .credentials("me", "sesame")
///     .heartbeat_s(10)
///     .identity(|id| id.sender_sub_id = Some("desk".to_owned()))
///     .settings(|settings| settings.logon.next_expected = true)
///     .journal(|journal| journal.record_inbound = false)
///     .build()?;
/// assert_eq!(session.settings.id.to_string(), "FIX.4.4:ME/desk->VENUE");
///
/// // What is wrong is told at once: no place to connect to, and more than a day between heartbeats.
/// let problems = SessionBuilder::initiator(&FIX44, "ME", "YOU").heartbeat_s(90_000).build().unwrap_err();
/// assert_eq!(problems.0.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionBuilder {
    config: SessionConfig,
}

impl SessionBuilder {
    /// A session that connects; it needs at least one [`SessionBuilder::connect_to`].
    pub fn initiator(rules: &'static Rules, sender_comp_id: &str, target_comp_id: &str) -> Self {
        Self {
            config: SessionConfig::new(Settings::new(
                rules,
                Role::Initiator,
                sender_comp_id,
                target_comp_id,
            )),
        }
    }

    /// A session that is connected to, on every port the engine listens on unless
    /// [`Accept::port`] says which.
    pub fn acceptor(rules: &'static Rules, sender_comp_id: &str, target_comp_id: &str) -> Self {
        Self {
            config: SessionConfig::acceptor(rules, sender_comp_id, target_comp_id),
        }
    }

    /// One more place where the peer may be reached.
    pub fn connect_to(mut self, destination: impl Into<Destination>) -> Self {
        self.config.connect.destinations.push(destination.into());
        self
    }

    /// Speaks TLS on the connections that are made.
    pub fn tls(mut self, client: TlsClient) -> Self {
        self.config.connect.tls = Some(client);
        self
    }

    /// Makes the connections through a proxy.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.config.connect.proxy = Some(proxy);
        self
    }

    /// Username(553) and Password(554) of our Logon.
    pub fn credentials(self, username: &str, password: &str) -> Self {
        self.logon_field(tag::USERNAME, username)
            .logon_field(tag::PASSWORD, password)
    }

    /// A field of our Logon. It takes the place of one with the same tag.
    pub fn logon_field(mut self, tag: Tag, value: &str) -> Self {
        let fields = &mut self.config.settings.logon_fields;
        fields.retain(|field| field.tag != tag);
        fields.push(LogonField {
            tag,
            value: value.to_owned(),
        });
        self
    }

    /// [`Settings::heartbeat_s`].
    pub fn heartbeat_s(mut self, seconds: u32) -> Self {
        self.config.settings.heartbeat_s = seconds;
        self
    }

    /// When the session is on.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.config.schedule = schedule;
        self
    }

    /// Keeps the journal in a directory of its own below `base`, named after the session. Says it
    /// last: a change of the identity gives it another name.
    pub fn journal_below(mut self, base: &Path) -> Self {
        self.config = self.config.journal_below(base);
        self
    }

    /// Changes the identity: SubIDs, LocationIDs, a qualifier.
    pub fn identity(mut self, change: impl FnOnce(&mut SessionId)) -> Self {
        change(&mut self.config.settings.id);
        self
    }

    /// Changes how the protocol is spoken.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.config.settings);
        self
    }

    /// Changes how an initiator connects.
    pub fn connect(mut self, change: impl FnOnce(&mut Connect)) -> Self {
        change(&mut self.config.connect);
        self
    }

    /// Changes whom an acceptor lets in.
    pub fn accept(mut self, change: impl FnOnce(&mut Accept)) -> Self {
        change(&mut self.config.accept);
        self
    }

    /// Changes what is asked of the socket.
    pub fn socket(mut self, change: impl FnOnce(&mut SocketOptions)) -> Self {
        change(&mut self.config.socket);
        self
    }

    /// Changes how the journal is kept.
    pub fn journal(mut self, change: impl FnOnce(&mut JournalConfig)) -> Self {
        change(&mut self.config.journal);
        self
    }

    /// The session.
    ///
    /// # Errors
    /// What is wrong with each of its structures.
    pub fn build(self) -> Result<SessionConfig, Problems> {
        let problems: Vec<Problem> = self.config.problems().iter().map(Problem::from).collect();
        match problems.is_empty() {
            true => Ok(self.config),
            false => Err(Problems(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fix::rules::FIX44;

    #[test]
    fn every_mistake_is_told_at_once_and_names_its_setting() {
        let problems = SessionBuilder::initiator(&FIX44, "ME", "YOU")
            .heartbeat_s(90_000)
            .connect(|connect| connect.reconnect.clear())
            .journal(|journal| journal.control_reserve_bytes = 1)
            .build()
            .unwrap_err()
            .to_string();
        for key in [
            "heartbeat_s",
            "connect.destinations",
            "connect.reconnect",
            "journal.control_reserve_bytes",
        ] {
            assert!(problems.contains(key), "{key}: {problems}");
        }
    }

    #[test]
    fn a_password_given_twice_is_sent_once_and_shown_never() {
        let session = SessionBuilder::acceptor(&FIX44, "ME", "YOU")
            .credentials("me", "sesame1")
            .credentials("me", "sesame2")
            .build()
            .unwrap();
        let fields = &session.settings.logon_fields;
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].value, "sesame2");
        assert!(!format!("{session:?}").contains("sesame"));
    }
}

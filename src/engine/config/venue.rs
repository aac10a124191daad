//! A session at a venue: what a profile means for the settings that are the engine's.

use super::{Destination, FixpSessionConfig, SessionConfig};
use crate::session::Credentials;
use crate::session::fix::rules::Rules;
use crate::session::fix::{Role, Settings};
use crate::session::fixp;
use crate::session::schedule::ScheduleError;
use crate::venue::{FixpProfile, Profile, Service, Tls};

impl SessionConfig {
    /// A session at a venue, on the side that `role` makes it. Where an initiator connects to is still
    /// to be said; [`SessionConfig::use_service`] does.
    #[must_use]
    pub fn at_venue(
        venue: &Profile,
        rules: &'static Rules,
        role: Role,
        sender: &str,
        target: &str,
    ) -> Self {
        let mut config = Self::new(Settings::new(rules, role, sender, target));
        config.apply(venue);
        config
    }

    /// Puts everything a venue says into this session. TLS that a venue requires is that of
    /// [`TlsClient::default`](crate::engine::TlsClient); set `connect.tls` to `None` afterwards for a
    /// simulator in plain text.
    pub fn apply(&mut self, venue: &Profile) {
        venue.apply(&mut self.settings);
        self.schedule = venue.schedule();
        if self.settings.role == Role::Initiator {
            self.connect.refusals_max = venue.refusals_max;
            if venue.tls == Tls::Required {
                self.connect.tls.get_or_insert_default();
            }
        }
    }

    /// Has an initiator connect to a service, at `host` if the service has none of its own or another
    /// one is wanted. The service becomes the qualifier of the identity: two of a venue may share
    /// everything that is on the wire.
    pub fn use_service(&mut self, service: &Service, host: Option<&str>) {
        self.settings.id.qualifier = Some(service.name.to_owned());
        let host = host.or(service.host);
        let destination = host.map(|host| match host.parse() {
            Ok(ip) => Destination::Address(std::net::SocketAddr::new(ip, service.port)),
            Err(_) => Destination::Name {
                host: host.to_owned(),
                port: service.port,
            },
        });
        self.connect.destinations.extend(destination);
    }
}

impl FixpSessionConfig {
    /// A session at a venue that speaks FIXP, on the side that `role` makes it. Where a client connects
    /// to is still to be said.
    ///
    /// # Errors
    /// The hours of the venue cannot be read.
    pub fn at_venue(
        venue: &FixpProfile,
        role: Role,
        session: &str,
        firm: &str,
        credentials: Credentials,
    ) -> Result<Self, ScheduleError> {
        let mut config = Self::new(fixp::Settings::new(role, session, firm, credentials));
        config.apply(venue)?;
        Ok(config)
    }

    /// Puts everything a venue says into this session.
    ///
    /// # Errors
    /// The hours of the venue cannot be read.
    pub fn apply(&mut self, venue: &FixpProfile) -> Result<(), ScheduleError> {
        venue.apply(&mut self.settings);
        self.schedule = venue.schedule()?;
        Ok(())
    }

    /// Says which market segment the session is one of, by its MarketSegmentID(1300). It becomes the
    /// qualifier of the identity: each segment has its own numbers, and all have the same sessions. The
    /// hosts are those of the segment.
    pub fn at_segment(&mut self, market_segment_id: u8) {
        self.settings.id.qualifier = Some(market_segment_id.to_string());
    }
}

//! Venues as data: what each documents beyond the standard, as a const [`Profile`], or as a
//! [`FixpProfile`] if it speaks FIXP.
//!
//! A profile is a difference. It is put into the settings of a session before those a user writes, so
//! whatever a venue turns out to do otherwise is one setting away. Nothing here behaves: a rule that the
//! session layer could not follow is a setting there, and has its value here.
//!
//! Must not know: connections, journals, files.
//!
//! # A venue of one's own
//!
//! ```
//! use pinfix::engine::SessionConfig;
//! use pinfix::session::fix::rules::FIX44;
//! use pinfix::session::fix::{AtLogon, Role};
//! use pinfix::venue::{Profile, Service};
//!
//! const ACME: Profile = Profile {
//!     name: "acme",
//!     versions: &[&FIX44],
//!     comp_id: Some("ACME"),
//!     services: &[Service { name: "orders", rules: &FIX44, host: Some("127.0.0.1"), port: 5001 }],
//!     heartbeat_s: 10,
//!     at_logon: AtLogon::AskReset,
//!     refusals_max: Some(3),
//!     ..Profile::STANDARD
//! };
//!
//! let mut config = SessionConfig::at_venue(&ACME, &FIX44, Role::Initiator, "ME", "ACME");
//! config.use_service(&ACME.services[0], None);
//! assert_eq!(config.settings.heartbeat_s, 10);
//! assert!(config.check().is_ok());
//! ```

mod brokeret;
mod fixp;
mod ilink3;
mod t4;

use std::fmt;
use std::time::Duration;

pub use self::brokeret::BROKERET;
pub use self::fixp::{FixpProfile, Week};
pub use self::ilink3::ILINK3;
pub use self::t4::T4;
use crate::session::Text;
use crate::session::fix::policy::{
    BelowExpected, LivenessSettings, LogoutAboveExpected, LogoutSettings, OnSilence,
};
use crate::session::fix::rules::{ALL, Rules};
use crate::session::fix::{
    AtEnd, AtLogon, Code, DataOrder, LogonField, MsgDirection, MsgTypeSupport, Role, Settings,
};
use crate::session::schedule::{ClockTime, Renewal, Schedule, TimeOfDay};
use crate::wire::fix::ApplVersion;
use crate::wire::fix::tag::{self, Tag};

/// The venues that come with the library.
pub const VENUES: [Venue; 3] = [Venue::Fix(&T4), Venue::Fix(&BROKERET), Venue::Fixp(&ILINK3)];

/// A venue, by what it speaks.
#[derive(Clone, Copy, Debug)]
pub enum Venue {
    /// FIX.
    Fix(&'static Profile),
    /// FIXP.
    Fixp(&'static FixpProfile),
}

impl Venue {
    /// The venue of this name among [`VENUES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        VENUES.into_iter().find(|venue| venue.name() == name)
    }

    /// What a user writes for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fix(profile) => profile.name,
            Self::Fixp(profile) => profile.name,
        }
    }
}

/// What a venue does differently from the standard, or chooses where the standard leaves a choice.
///
/// Fields that name a side are about that side: a client takes those of the client, a simulator of the
/// venue those of the venue.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// What a user writes for it.
    pub name: &'static str,
    /// The versions it speaks, first the one that is meant if none is said.
    pub versions: &'static [&'static Rules],
    /// SenderCompID(49) of the venue, if it has the same for everybody.
    pub comp_id: Option<&'static str>,
    /// The places a client connects to, each a session of its own.
    pub services: &'static [Service],
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// HeartBtInt(108), in seconds.
    pub heartbeat_s: u32,
    /// What happens to the numbers when a connection logs on.
    pub at_logon: AtLogon,
    /// What happens to the numbers when a connection ends.
    pub at_end: AtEnd,
    /// The time of day, in UTC, at which the numbers of both sides start anew.
    pub daily_reset: Option<TimeOfDay>,
    /// What becomes of a connection that stands at that time.
    pub renewal: Renewal,
    /// DefaultApplVerID(1137) of the peer that is taken beside that of the version.
    pub appl_versions: &'static [ApplVersion],
    /// MsgType(35) of application messages with credentials.
    pub credential_types: &'static [&'static str],
    /// SessionStatus(1409), in the versions that have it.
    pub session_status: bool,
    /// When a quiet peer is given up.
    pub liveness: LivenessSettings,
    /// How a session ends.
    pub logout: LogoutSettings,
    /// The highest SessionRejectReason(373), where that is above those of the version.
    pub reject_reason_max: Option<u16>,
    /// Whether a Reject(3) is sent again on request.
    pub resend_rejects: bool,
    /// MsgType(35) of application messages that are not sent again.
    pub passed_over: &'static [&'static str],
    /// Client: which of SecureDataLen(90) and SecureData(91) stands first.
    pub secure_data: DataOrder,
    /// Client: what can be asked for at logon by RefMsgType(372).
    pub switches: &'static [Switch],
    /// Client: after how many refused Logons in a row an operator is waited for.
    pub refusals_max: Option<u32>,
    /// Venue: SenderSubID(50) of its messages.
    pub sub_id: Option<&'static str>,
    /// Venue: LastMsgSeqNumProcessed(369) on its messages.
    pub last_processed: bool,
    /// Venue: what its answer to a Logon has beside the fields of the session layer. If this is not
    /// empty the Username(553) of the client stands before it.
    pub answers: &'static [(Tag, &'static str)],
    /// Venue: Text(58) of a Logout that answers a Logon with wrong credentials.
    pub refusal_text: &'static str,
    /// Venue: Text(58) of a Logout that answers a Logout; empty: none.
    pub logout_text: &'static str,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The venue takes connections with TLS only.
    Required,
    /// It takes both.
    Optional,
    /// It takes plain text only.
    Never,
}

/// A place to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// What a user writes for it.
    pub name: &'static str,
    /// The version it speaks.
    pub rules: &'static Rules,
    /// Its host, if it is the same for everybody.
    pub host: Option<&'static str>,
    /// Its port.
    pub port: u16,
}

/// Something that can be asked for at logon: an entry of NoMsgTypes(384).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What a user writes for it.
    pub name: &'static str,
    /// RefMsgType(372).
    pub ref_msg_type: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// A name that a venue does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What it was to be: `switch`, `service`.
    pub what: &'static str,
    /// The name given.
    pub name: String,
    /// The venue.
    pub venue: &'static str,
    /// The names there are.
    pub known: Vec<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            name,
            venue,
            known,
        } = self;
        write!(f, "venue {venue} has no {what} {name:?}, expected ")?;
        match known.as_slice() {
            [] => f.write_str("none"),
            known => write!(f, "one of {}", known.join(", ")),
        }
    }
}

impl std::error::Error for UnknownName {}

impl Profile {
    /// The standard, and the defaults of the library: what a profile differs from.
    pub const STANDARD: Self = Self {
        name: "standard",
        versions: &ALL,
        comp_id: None,
        services: &[],
        tls: Tls::Optional,
        heartbeat_s: 30,
        at_logon: AtLogon::Continue,
        at_end: AtEnd::Continue,
        daily_reset: None,
        renewal: Renewal::LogOnAgain,
        appl_versions: &[],
        credential_types: &[],
        session_status: true,
        liveness: LivenessSettings {
            test_request_percent: 120,
            disconnect_percent: 240,
            on_silence: OnSilence::Logout,
        },
        logout: LogoutSettings {
            timeout: Duration::from_secs(2),
            linger: Duration::ZERO,
            answer: Text::EMPTY,
            above_expected: LogoutAboveExpected::Answer,
            below_expected: BelowExpected::Accept,
            answer_test_requests: false,
            serve_requests: true,
        },
        reject_reason_max: None,
        resend_rejects: false,
        passed_over: &[],
        secure_data: DataOrder::LengthFirst,
        switches: &[],
        refusals_max: None,
        sub_id: None,
        last_processed: false,
        answers: &[],
        refusal_text: "Invalid credentials",
        logout_text: "",
    };

    /// The venue of this name among those of [`VENUES`] that speak FIX.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        match Venue::named(name) {
            Some(Venue::Fix(profile)) => Some(profile),
            _ => None,
        }
    }

    /// The version that is meant if none is said.
    #[must_use]
    pub fn version(&self) -> Option<&'static Rules> {
        self.versions.first().copied()
    }

    /// Whether it speaks this version.
    #[must_use]
    pub fn speaks(&self, rules: &Rules) -> bool {
        self.versions.contains(&rules)
    }

    /// The place of this name.
    ///
    /// # Errors
    /// There is none; names those there are.
    pub fn service(&self, name: &str) -> Result<&'static Service, UnknownName> {
        let found = self.services.iter().find(|service| service.name == name);
        found.ok_or_else(|| {
            self.unknown(
                "service",
                name,
                self.services.iter().map(|known| known.name),
            )
        })
    }

    /// The switch of this name.
    ///
    /// # Errors
    /// There is none; names those there are.
    pub fn switch(&self, name: &str) -> Result<&'static Switch, UnknownName> {
        let found = self.switches.iter().find(|switch| switch.name == name);
        found.ok_or_else(|| self.unknown("switch", name, self.switches.iter().map(|known| known.name)))
    }

    fn unknown(
        &self,
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> UnknownName {
        UnknownName {
            what,
            name: name.to_owned(),
            venue: self.name,
            known: known.collect(),
        }
    }

    /// Puts everything it says into the settings of a session, for the side that their role makes it.
    pub fn apply(&self, settings: &mut Settings) {
        settings.heartbeat_s = self.heartbeat_s;
        settings.at_logon = self.at_logon;
        settings.at_end = self.at_end;
        settings.logon.appl_versions = self.appl_versions.to_vec();
        settings.logon.credential_types = self.credential_types.iter().filter_map(code).collect();
        settings.logon.session_status = self.session_status;
        settings.liveness = self.liveness;
        settings.logout = self.logout;
        settings.wording.reject_reason_max = self.reject_reason_max;
        settings.resend.rejects = self.resend_rejects;
        settings.resend.passed_over = self.passed_over.iter().filter_map(code).collect();
        match settings.role {
            Role::Initiator => settings.logon.secure_data = self.secure_data,
            Role::Acceptor => {
                settings.header_fields = self
                    .sub_id
                    .map(|value| LogonField {
                        tag: tag::SENDER_SUB_ID,
                        value: value.to_owned(),
                    })
                    .into_iter()
                    .collect();
                settings.logon.last_processed = self.last_processed;
                settings.logout.answer = Text::lossy(self.logout_text.as_bytes());
            }
        }
    }

    /// When its sessions start anew.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let Some(time) = self.daily_reset else {
            return Schedule::non_stop();
        };
        let edge = ClockTime::utc(time);
        Schedule {
            renewal: self.renewal,
            ..Schedule::daily(edge.clone(), edge)
        }
    }
}

impl Switch {
    /// Asks for it in the Logon of a session. Asking twice is asking once.
    pub fn apply(&self, settings: &mut Settings) {
        let Some(mut entry) = MsgTypeSupport::new(self.ref_msg_type, MsgDirection::Send) else {
            return;
        };
        // It is a wish, not a message that goes one way or the other.
        entry.direction = None;
        let asked = &mut settings.logon.msg_types;
        if !asked.iter().any(|other| other.msg_type == entry.msg_type) {
            asked.push(entry);
        }
    }
}

fn code(text: &&'static str) -> Option<Code> {
    Code::new(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fix::rules::FIX44;

    fn fix() -> impl Iterator<Item = &'static Profile> {
        VENUES
            .into_iter()
            .filter_map(|venue| Profile::named(venue.name()))
    }

    #[test]
    fn the_standard_is_what_settings_are_without_a_venue() {
        for role in [Role::Initiator, Role::Acceptor] {
            let plain = Settings::new(&FIX44, role, "ME", "YOU");
            let mut settings = plain.clone();
            Profile::STANDARD.apply(&mut settings);
            assert_eq!(format!("{settings:?}"), format!("{plain:?}"));
        }
        assert_eq!(Profile::STANDARD.schedule(), Schedule::default());
    }

    #[test]
    fn every_code_of_a_venue_is_one() {
        for venue in fix() {
            let codes = venue.switches.iter().map(|switch| switch.ref_msg_type);
            let types = venue.passed_over.iter().chain(venue.credential_types);
            for text in codes.chain(types.copied()) {
                assert!(
                    Code::new(text.as_bytes()).is_some(),
                    "{}: {text}",
                    venue.name
                );
            }
        }
    }

    #[test]
    fn every_service_speaks_a_version_of_its_venue() {
        for venue in fix() {
            assert!(venue.version().is_some());
            for service in venue.services {
                assert!(
                    venue.speaks(service.rules),
                    "{}: {}",
                    venue.name,
                    service.name
                );
            }
        }
    }

    #[test]
    fn settings_of_a_venue_are_good_in_every_version_it_speaks() {
        for venue in fix() {
            for rules in venue.versions {
                for role in [Role::Initiator, Role::Acceptor] {
                    let mut settings = Settings::new(rules, role, "ME", "YOU");
                    venue.apply(&mut settings);
                    for switch in venue.switches {
                        switch.apply(&mut settings);
                        switch.apply(&mut settings);
                    }
                    assert_eq!(settings.check(), Ok(()), "{}", venue.name);
                    assert_eq!(settings.logon.msg_types.len(), venue.switches.len());
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_told_with_those_that_are() {
        let error = T4.switch("decimals").unwrap_err().to_string();
        for part in ["t4", "switch \"decimals\"", "decimal_prices"] {
            assert!(error.contains(part), "{error}");
        }
        let error = T4.service("prices").unwrap_err().to_string();
        assert!(error.contains("simulator, live"), "{error}");
        assert!(Venue::named("t5").is_none() && Profile::named("ilink3").is_none());
        assert_eq!(fix().count(), 2);
    }
}

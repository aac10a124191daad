//! A venue that speaks FIXP, as data.

use std::time::Duration;

use super::Tls;
use crate::session::fixp::{
    NextLogon, NotAppliedCount, OnNotApplied, RateLimit, Role, Settings, Unanswered, Unconsumed,
    UnknownPrevious, UuidRule,
};
use crate::session::schedule::{ClockTime, Day, Schedule, ScheduleError, Zone};

/// What a venue of FIXP documents, or chooses where the protocol leaves a choice.
///
/// As with a [`Profile`](super::Profile), fields that name a side are about that side, and whatever the
/// venue turns out to do otherwise is a setting of [`Settings`].
///
/// ```
/// use pinfix::engine::FixpSessionConfig;
/// use pinfix::session::fixp::Role;
/// use pinfix::session::Credentials;
/// use pinfix::venue::{FixpProfile, ILINK3};
///
/// // A test system that is open all week, with another version of the schema.
/// const NEXT: FixpProfile = FixpProfile { name: "next", schema_version: 8, week: None, ..ILINK3 };
///
/// let credentials = Credentials::new("KEY1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")?;
/// let mut config = FixpSessionConfig::at_venue(&NEXT, Role::Initiator, "ABC", "007", credentials)?;
/// config.at_segment(64);
/// config.connect.destinations.push("10.0.0.1:9010".parse()?);
/// assert_eq!(config.settings.id.to_string(), "FIXP:ABC-007->EXCHANGE:64");
/// assert_eq!(config.settings.schema_version, 8);
/// assert!(config.check().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixpProfile {
    /// What a user writes for it.
    pub name: &'static str,
    /// The version of the schema that is written.
    pub schema_version: u16,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// KeepAliveInterval, in milliseconds.
    pub keep_alive_ms: u16,
    /// How much longer than the interval the peer may be silent, in percent of it.
    pub slack_percent: u32,
    /// When it is open; `None`: always.
    pub week: Option<Week>,
    /// Whether a logout waits until a running retransmission has ended.
    pub finish_retransmission: bool,
    /// The most messages of one retransmission.
    pub request_max: u16,
    /// Client: how a new UUID is chosen.
    pub uuid: UuidRule,
    /// Client: what is done when a Negotiate or Establish is not answered in time.
    pub unanswered: Unanswered,
    /// Client: whether the first EstablishmentAck under a new UUID must be at 1.
    pub ack_at_one: bool,
    /// Client: what is done with a PreviousUUID that is neither 0 nor known.
    pub unknown_previous: UnknownPrevious,
    /// Client: how long a retransmission may take before it is asked for again.
    pub retransmit_timeout: Duration,
    /// Client: what is done about messages that were not applied.
    pub not_applied: OnNotApplied,
    /// Client: what is done when the venue did not consume a number.
    pub unconsumed: Unconsumed,
    /// Client: after how many refused logons within a minute an operator is waited for.
    pub failed_logons_max: u8,
    /// Client: how long it stays away after a Terminate because of volume controls.
    pub back_off: Duration,
    /// Client: after these codes of a Terminate the next logon is another than that of
    /// [`TERMINATE_CODES`](crate::session::fixp::TERMINATE_CODES).
    pub after_terminate: &'static [(u16, NextLogon)],
    /// Venue: how long a connection may take to send its Negotiate or Establish.
    pub logon_timeout: Duration,
    /// Venue: how long after a NegotiationResponse the Establish may take.
    pub establish_timeout: Duration,
    /// Venue: how long what checks signatures may take.
    pub hmac_timeout: Duration,
    /// Venue: how old a RequestTimestamp may be.
    pub stale_after: Option<Duration>,
    /// Venue: the shortest and the longest KeepAliveInterval, in milliseconds.
    pub keep_alive_limits_ms: (u16, u16),
    /// Venue: so many invalid logons within a minute close the port.
    pub invalid_logons_max: u8,
    /// What MsgCount of a NotApplied counts, and a client takes it to count.
    pub not_applied_count: NotAppliedCount,
    /// Venue: how many business messages a client may send.
    pub rate: Option<RateLimit>,
}

/// The hours of a trading week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// The day on which it begins, and the time, as [`ClockTime::parse`] reads it.
    pub opens: (Day, &'static str),
    /// The day on which it ends, and the time.
    pub closes: (Day, &'static str),
    /// The IANA name of the zone whose clocks are meant.
    pub zone: &'static str,
}

impl FixpProfile {
    /// The protocol with the defaults of the library, always open: what a profile differs from.
    pub const STANDARD: Self = Self {
        name: "standard",
        schema_version: 9,
        tls: Tls::Optional,
        keep_alive_ms: 30_000,
        slack_percent: 20,
        week: None,
        finish_retransmission: true,
        request_max: 2500,
        uuid: UuidRule::Clock,
        unanswered: Unanswered::Reconnect,
        ack_at_one: true,
        unknown_previous: UnknownPrevious::Warn,
        retransmit_timeout: Duration::from_secs(30),
        not_applied: OnNotApplied::Skip,
        unconsumed: Unconsumed::Sequence,
        failed_logons_max: 3,
        back_off: Duration::from_secs(60),
        after_terminate: &[],
        logon_timeout: Duration::from_secs(60),
        establish_timeout: Duration::from_secs(60),
        hmac_timeout: Duration::from_secs(5),
        stale_after: Some(Duration::from_secs(5)),
        keep_alive_limits_ms: (5_000, 60_000),
        invalid_logons_max: 5,
        not_applied_count: NotAppliedCount::WithRefused,
        rate: None,
    };

    /// Puts everything it says into the settings of a session, for the side that their role makes it.
    pub fn apply(&self, settings: &mut Settings) {
        settings.schema_version = self.schema_version;
        settings.keep_alive_ms = self.keep_alive_ms;
        settings.slack_percent = self.slack_percent;
        settings.finish_retransmission = self.finish_retransmission;
        match settings.role {
            Role::Initiator => {
                let client = &mut settings.client;
                client.uuid = self.uuid;
                client.unanswered = self.unanswered;
                client.ack_at_one = self.ack_at_one;
                client.unknown_previous = self.unknown_previous;
                client.request_max = self.request_max;
                client.retransmit_timeout = self.retransmit_timeout;
                client.not_applied = self.not_applied;
                client.not_applied_count = self.not_applied_count;
                client.unconsumed = self.unconsumed;
                client.failed_logons_max = self.failed_logons_max;
                client.back_off = self.back_off;
                client.after_terminate = self.after_terminate.to_vec();
            }
            Role::Acceptor => {
                let gateway = &mut settings.gateway;
                gateway.logon_timeout = self.logon_timeout;
                gateway.establish_timeout = self.establish_timeout;
                gateway.hmac_timeout = self.hmac_timeout;
                gateway.stale_after = self.stale_after;
                (gateway.keep_alive_min_ms, gateway.keep_alive_max_ms) = self.keep_alive_limits_ms;
                gateway.invalid_logons_max = self.invalid_logons_max;
                gateway.not_applied_count = self.not_applied_count;
                gateway.request_max = self.request_max;
                gateway.rate = self.rate;
            }
        }
    }

    /// When it is open. Every week is another UUID.
    ///
    /// # Errors
    /// A time or the zone of [`FixpProfile::week`] cannot be read.
    pub fn schedule(&self) -> Result<Schedule, ScheduleError> {
        let Some(week) = &self.week else {
            return Ok(Schedule::non_stop());
        };
        let zone: Zone = week.zone.parse()?;
        Ok(Schedule::weekly(
            week.opens.0,
            ClockTime::parse(week.opens.1, &zone)?,
            week.closes.0,
            ClockTime::parse(week.closes.1, &zone)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ILINK3;
    use super::*;
    use crate::session::Credentials;

    fn settings(role: Role) -> Settings {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        Settings::new(role, "ABC", "007", Credentials::new("KEY1", key).unwrap())
    }

    #[test]
    fn the_standard_is_what_settings_are_without_a_venue() {
        for role in [Role::Initiator, Role::Acceptor] {
            let mut with = settings(role);
            FixpProfile::STANDARD.apply(&mut with);
            assert_eq!(format!("{with:?}"), format!("{:?}", settings(role)));
        }
        assert_eq!(
            FixpProfile::STANDARD.schedule().unwrap(),
            Schedule::default()
        );
    }

    #[test]
    fn everything_a_profile_says_reaches_the_settings() {
        let other = FixpProfile {
            name: "other",
            schema_version: 7,
            tls: Tls::Required,
            keep_alive_ms: 11,
            slack_percent: 12,
            week: None,
            finish_retransmission: false,
            request_max: 13,
            uuid: UuidRule::Next,
            unanswered: Unanswered::SendAgain,
            ack_at_one: false,
            unknown_previous: UnknownPrevious::Fetch,
            retransmit_timeout: Duration::from_secs(14),
            not_applied: OnNotApplied::Resend,
            unconsumed: Unconsumed::Nothing,
            failed_logons_max: 1,
            back_off: Duration::from_secs(15),
            after_terminate: &[(0, NextLogon::Halt)],
            logon_timeout: Duration::from_secs(16),
            establish_timeout: Duration::from_secs(17),
            hmac_timeout: Duration::from_secs(18),
            stale_after: None,
            keep_alive_limits_ms: (19, 20),
            invalid_logons_max: 2,
            not_applied_count: NotAppliedCount::MissingOnly,
            rate: Some(RateLimit {
                window: Duration::from_secs(1),
                reject_above: 21,
                terminate_above: 22,
            }),
        };
        for (role, lines) in [(Role::Initiator, 15), (Role::Acceptor, 14)] {
            let mut with = settings(role);
            other.apply(&mut with);
            let print = |settings: &Settings| format!("{settings:#?}");
            let (with, without) = (print(&with), print(&settings(role)));
            let without: Vec<_> = without.lines().collect();
            let changed = with.lines().filter(|line| !without.contains(line));
            assert!(changed.count() >= lines, "{role:?}: {with}");
        }
    }

    #[test]
    fn settings_of_ilink3_are_good_on_both_sides_and_its_week_is_one() {
        for role in [Role::Initiator, Role::Acceptor] {
            let mut with = settings(role);
            ILINK3.apply(&mut with);
            assert_eq!(with.check(), Ok(()));
        }
        let schedule = ILINK3.schedule().unwrap();
        assert!(schedule.check().is_ok());
        let text = schedule.hours.to_string();
        for part in [
            "Sunday",
            "10:30:00",
            "Friday",
            "17:00:00",
            "America/Chicago",
        ] {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{text}");
        }
    }
}

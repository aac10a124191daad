//! What a user decides about the gateway of a FIXP session.

use std::fmt;
use std::time::Duration;

use super::super::SettingsError;

/// The most that can be waited for at once: room for them is made at the start.
const SPLIT_QUEUE_MAX: usize = 1000;

/// What concerns a gateway only.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// How long a connection may take to send its Negotiate or Establish.
    pub logon_timeout: Duration,
    /// How long after a NegotiationResponse the Establish may take.
    pub establish_timeout: Duration,
    /// How long what checks signatures may take.
    pub hmac_timeout: Duration,
    /// How old a RequestTimestamp may be.
    pub stale_after: Option<Duration>,
    /// The shortest KeepAliveInterval, in milliseconds.
    pub keep_alive_min_ms: u16,
    /// The longest KeepAliveInterval, in milliseconds.
    pub keep_alive_max_ms: u16,
    /// So many invalid logons within a minute close the port.
    pub invalid_logons_max: u8,
    /// Whether messages other than Negotiate and Establish on a connection that is not bound count as
    /// invalid logons.
    pub count_other_messages: bool,
    /// How an invalid Negotiate or Establish is refused where it could be with a reject.
    pub refusal: LogonRefusal,
    /// Whether the connection is closed after a reject.
    pub close_after_reject: bool,
    /// What becomes of the number expected when an Establish announces a higher one.
    pub establish_hole: EstablishHole,
    /// What is done about a Sequence that announces a higher number unasked.
    pub unasked_gap: UnaskedGap,
    /// What MsgCount of a NotApplied counts.
    pub not_applied_count: NotAppliedCount,
    /// The most messages of one retransmission.
    pub request_max: u16,
    /// Whether a Sequence follows a retransmission.
    pub sequence_after_retransmission: bool,
    /// What is done about a RetransmitRequest whose UUID is not that of the session, or null.
    pub retransmit_uuid: RetransmitUuid,
    /// How many business messages a client may send; no limit unless set.
    pub rate: Option<RateLimit>,
    /// How many messages of the session layer a client may send; no limit unless set. Only logons are
    /// rejected.
    pub admin_rate: Option<RateLimit>,
    /// What is done about messages that come in pieces; nothing if there is none.
    ///
    /// A gateway that reads from a TCP socket sees the packets of its client only roughly: two that arrive
    /// together are one to it, and its own buffer may end within a message. What it takes for split may
    /// have been sent in one piece by a client that sends a lot at once, and the other way round.
    pub split: Option<SplitPenalty>,
}

/// How a gateway refuses a logon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogonRefusal {
    /// With NegotiationReject or EstablishmentReject.
    #[default]
    Reject,
    /// With a Terminate of this code.
    Terminate(u16),
}

/// What becomes of the number a gateway expects when an Establish announces a higher one. NotApplied is
/// sent in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EstablishHole {
    /// It stays until the client has filled the hole, or skips it with a Sequence.
    #[default]
    Wait,
    /// It is what was announced.
    Move,
}

/// What a gateway does about a Sequence that announces a higher number unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnaskedGap {
    /// Says NotApplied and goes on from the number announced.
    #[default]
    NotApplied,
    /// Goes on from the number announced.
    Accept,
}

/// What MsgCount of a NotApplied counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotAppliedCount {
    /// The message that was refused as well.
    #[default]
    WithRefused,
    /// What is missing below it. A client that skips is not told of the message itself then.
    MissingOnly,
}

/// What a gateway does about a RetransmitRequest with a UUID that is not that of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetransmitUuid {
    /// Terminates, as with every other message.
    #[default]
    Terminate,
    /// Rejects it.
    Reject,
}

/// How many messages a client may send in a window, which begins with its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The window.
    pub window: Duration,
    /// More than this are rejected.
    pub reject_above: u32,
    /// More than this end the session.
    pub terminate_above: u32,
}

/// How messages that come in pieces are held up.
///
/// Such a message waits, those that come behind it wait until it goes on, and each further one that comes in
/// pieces makes the wait longer: nothing goes on before `delay` has passed since the last. Only
/// Terminate(507) does not wait. What waits when the connection ends is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPenalty {
    /// The penalty.
    pub delay: Duration,
    /// So many messages that came in pieces may wait; one more ends the session with Terminate 29, or the
    /// logon with reject 17. Whole ones that wait behind them do not count.
    pub queue_max: usize,
}

impl Default for SplitPenalty {
    /// 3 µs, the least that is documented, and 15 messages, as for futures and options; 50 for `BrokerTec`.
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(3),
            queue_max: 15,
        }
    }
}

impl GatewaySettings {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the setting, its value and what would be right.
    pub(in super::super) fn check(&self) -> Result<(), SettingsError> {
        let wrong = |setting, value: &dyn fmt::Display, right| {
            Err(SettingsError {
                setting,
                value: value.to_string(),
                right,
            })
        };
        let gateway = self;
        if gateway.keep_alive_min_ms > gateway.keep_alive_max_ms || gateway.keep_alive_min_ms == 0 {
            return wrong(
                "gateway.keep_alive_min_ms",
                &gateway.keep_alive_min_ms,
                "1 ms to gateway.keep_alive_max_ms",
            );
        }
        if !(1..=10).contains(&gateway.invalid_logons_max) {
            return wrong(
                "gateway.invalid_logons_max",
                &gateway.invalid_logons_max,
                "1 to 10",
            );
        }
        let rates = [
            ("gateway.rate", gateway.rate),
            ("gateway.admin_rate", gateway.admin_rate),
        ];
        for (setting, rate) in rates
            .into_iter()
            .filter_map(|(name, rate)| Some((name, rate?)))
        {
            if rate.window.is_zero() || rate.terminate_above < rate.reject_above {
                let right = "a window, and terminate_above no lower than reject_above";
                return wrong(setting, &format_args!("{rate:?}"), right);
            }
        }
        if let Some(split) = gateway.split
            && (split.delay.is_zero() || !(1..=SPLIT_QUEUE_MAX).contains(&split.queue_max))
        {
            let right = "a delay, and a queue_max of 1 to 1000 messages";
            return wrong("gateway.split", &format_args!("{split:?}"), right);
        }
        Ok(())
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            logon_timeout: Duration::from_secs(60),
            establish_timeout: Duration::from_secs(60),
            hmac_timeout: Duration::from_secs(5),
            stale_after: Some(Duration::from_secs(5)),
            keep_alive_min_ms: 5_000,
            keep_alive_max_ms: 60_000,
            invalid_logons_max: 5,
            count_other_messages: true,
            refusal: LogonRefusal::default(),
            close_after_reject: true,
            establish_hole: EstablishHole::default(),
            unasked_gap: UnaskedGap::default(),
            not_applied_count: NotAppliedCount::default(),
            request_max: 2500,
            sequence_after_retransmission: true,
            retransmit_uuid: RetransmitUuid::default(),
            rate: None,
            admin_rate: None,
            split: Some(SplitPenalty::default()),
        }
    }
}

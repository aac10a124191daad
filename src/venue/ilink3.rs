//! CME iLink 3: FIXP over SBE. Source: the exchange's client pages on iLink 3, and its schema.

use std::time::Duration;

use super::{FixpProfile, Tls, Week};
use crate::session::fixp::{
    NotAppliedCount, OnNotApplied, RateLimit, Unanswered, Unconsumed, UnknownPrevious, UuidRule,
};
use crate::session::schedule::Day;

/// CME iLink 3.
///
/// A session is one of a market segment: every segment has its own primary and backup host and its own
/// two series of numbers, while sessions and ports are the same everywhere. The exchange hands out
/// hosts, ports, session, firm and keys; none of them is public.
///
/// | the pages say | setting |
/// |---|---|
/// | schema 8, version 9 is the newest; 5 to 8 are seen | `schema_version` |
/// | nothing is encrypted, logons are signed with HMAC-SHA-256 | `tls`, credentials |
/// | the week is from Sunday 10:30 to Friday 17:00, Chicago; numbers and UUIDs live as long | `week` |
/// | KeepAliveInterval of 5 to 60 s is recommended, other intervals are refused with 11 | `keep_alive_ms`, `keep_alive_limits_ms` |
/// | one silent interval: Sequence with KeepAliveIntervalLapsed; another: Terminate 20 | always; `slack_percent` |
/// | a UUID is above every earlier one, microseconds are recommended | `uuid` |
/// | a Negotiate may go unanswered for two intervals, an Establish for one | `unanswered` |
/// | the first EstablishmentAck of a UUID is at 1 | `ack_at_one` |
/// | at most 2500 messages are retransmitted at once | `request_max` |
/// | NotApplied is answered by a Sequence, or by the messages again | `not_applied` |
/// | MsgCount of a NotApplied counts the message that was refused | `not_applied_count` |
/// | the fifth invalid logon within 60 s closes the port, both of a pair | `invalid_logons_max`; the client stops at `failed_logons_max` |
/// | 60 s from NegotiationResponse to Establish, or Terminate 1 | `establish_timeout` |
/// | the check of a signature takes 5 s at most, or reject 1 | `hmac_timeout` |
/// | a RequestTimestamp older than 5 s is refused | `stale_after` |
/// | more than 500 messages a second over 3 s are rejected with 8, more than 750 end the session with Terminate 9 | `rate`, `back_off` |
///
/// Cancels may come twice as fast there; the one limit here is that of orders. What the pages leave open
/// is a setting of [`Settings`](crate::session::fixp::Settings), with the likely answer as its default.
/// How each rule is proven is in `tests/fixp/catalogue.txt`.
pub const ILINK3: FixpProfile = FixpProfile {
    name: "ilink3",
    schema_version: 9,
    tls: Tls::Never,
    keep_alive_ms: 30_000,
    // At least 250 ms, whatever the interval.
    slack_percent: 20,
    week: Some(Week {
        opens: (Day::Sunday, "10:30:00"),
        closes: (Day::Friday, "17:00:00"),
        zone: "America/Chicago",
    }),
    request_max: 2500,
    uuid: UuidRule::Clock,
    // A second one in flight is Terminate 5 or 7.
    unanswered: Unanswered::Reconnect,
    ack_at_one: true,
    unknown_previous: UnknownPrevious::Warn,
    retransmit_timeout: Duration::from_secs(30),
    // Old orders are not sent late.
    not_applied: OnNotApplied::Skip,
    unconsumed: Unconsumed::Sequence,
    // Well below the five that close the port.
    failed_logons_max: 3,
    back_off: Duration::from_secs(60),
    establish_timeout: Duration::from_secs(60),
    hmac_timeout: Duration::from_secs(5),
    stale_after: Some(Duration::from_secs(5)),
    keep_alive_limits_ms: (5_000, 60_000),
    invalid_logons_max: 5,
    not_applied_count: NotAppliedCount::WithRefused,
    rate: Some(RateLimit {
        window: Duration::from_secs(3),
        reject_above: 3 * 500,
        terminate_above: 3 * 750,
    }),
    ..FixpProfile::STANDARD
};

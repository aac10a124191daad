//! What a user decides about the gateway of a FIXP session.
//!
//! Where no text of the exchange decides a rule, or two contradict each other, it is a setting, of the gateway
//! or, where it is the client that does it, of the client. The table says which, and which scenarios of
//! `tests/fixp` try the default and another value; a test there holds it against the settings and the
//! scenarios.
//!
//! | open rule | setting | the default is tried by | another value by |
//! |---|---|---|---|
//! | time for the first message of a connection | `gateway.logon_timeout` | x-01 | set-27 |
//! | time for the Establish after a NegotiationResponse | `gateway.establish_timeout` | tg-01 | set-28 |
//! | time of what checks signatures | `gateway.hmac_timeout` | ng-01 eg-01 | set-15 |
//! | whether, and when, a RequestTimestamp is stale | `gateway.stale_after` | ng-03 set-06b | set-06 |
//! | the code of a stale RequestTimestamp | `gateway.stale_code` | ng-03 eg-03 | set-16 |
//! | the order of the checks of a logon | `gateway.checks` | set-17 set-17b set-17c set-17d set-17e set-17f set-17g set-17h set-17i set-17r s-30 | set-17j set-17k set-17l set-17m set-17n set-17o set-17p set-17q set-17s |
//! | limits of KeepAliveInterval | `gateway.keep_alive_min_ms` | eg-11 | set-07 |
//! | the same | `gateway.keep_alive_max_ms` | eg-11a | set-29 |
//! | how many invalid logons close the port | `gateway.invalid_logons_max` | s-33 | set-36 |
//! | other messages count as invalid logons | `gateway.count_other_messages` | set-13 | set-13b |
//! | terms of an Establish, and a redundant one, count as well | `gateway.count_establish_terms` | set-24a set-24b set-24c set-24d | set-24e set-24f set-24g set-24h set-24i |
//! | reject or Terminate for a wrong logon | `gateway.refusal` | ng-00 eg-00 | s-10c |
//! | the same for UUID and NextSeqNo | `gateway.identity_refusal` | tg-13 tg-15 tg-21 | ng-02 ng-08 eg-02 eg-08 eg-22 set-21 |
//! | a connection is closed after a reject | `gateway.close_after_reject` | ng-00 | set-08 |
//! | a second logon before the first is answered | `gateway.repeated_logon` | tg-05 tg-07 | set-25 set-25b |
//! | the code of a Negotiate while established | `gateway.renegotiate_code` | tg-04b | set-22 |
//! | a second connection of a live session | `gateway.second_connection` | set-23 set-23c | set-23b |
//! | UUID of a Terminate before the session is bound | `gateway.unbound_uuid` | tg-02 tg-02b | set-18 set-18b |
//! | RequestTimestamp of a Terminate without one to echo | `gateway.terminate_stamp` | tg-01 tg-13c tg-20 tg-28 | set-19 set-19b set-19c set-19d set-19e |
//! | the highest number, and its bounds in every message | `gateway.seq_num_max` | tg-10d tg-10e tg-11c rg-05 | set-20 set-20b set-20c set-20d set-20e |
//! | an Establish that announces a higher number | `gateway.establish_hole` | set-09 | set-09b |
//! | a Sequence that announces one unasked | `gateway.unasked_gap` | set-10 | set-10b |
//! | what MsgCount of a NotApplied counts | `gateway.not_applied_count` | x-18 | set-11 set-11b |
//! | whether a message beyond a gap is applied | `gateway.beyond_gap` | set-11 set-34 | set-26 set-26b set-26c |
//! | the most messages of a retransmission | `gateway.request_max` | rg-02 | set-32 |
//! | a Sequence ends a retransmission | `gateway.sequence_after_retransmission` | set-05c | set-12 set-12b |
//! | a RetransmitRequest with another UUID | `gateway.retransmit_uuid` | tg-13f tg-15d | rg-01b rg-06 |
//! | message rates, which differ by hour and class | `gateway.rate` | set-33 | tg-09 x-19 |
//! | rates of the session layer, which are not published | `gateway.admin_rate` | set-33 | tg-09b ng-15 eg-15 |
//! | the penalty of split messages, its length and its queue | `gateway.split` | sp-01 sp-02 sp-03 tg-28 tg-29 | sp-01c sp-07 sp-11 |
//! | slack of the timers for silence, both sides | `slack_percent` | set-30b | set-30 s-15c |
//! | a logout waits for a retransmission, both sides | `finish_retransmission` | set-05 set-05c | set-05b |
//! | how a UUID is chosen | `client.uuid` | set-01b | set-01 |
//! | a logon that is not answered | `client.unanswered` | s-11 s-12 | s-11b |
//! | numbers of a new UUID begin at 1 | `client.ack_at_one` | x-04 | set-02 |
//! | a PreviousUUID that is unknown | `client.unknown_previous` | set-03 | set-03b |
//! | how long a retransmission may take | `client.retransmit_timeout` | s-20 | set-31 |
//! | when a client stops to try | `client.failed_logons_max` | s-33c | set-35 |
//! | how a client logs on after each code | `client.after_terminate` | tc-01 tc-05 | set-14 |
//! | how long it stays away after Terminate 9 | `client.back_off` | set-37b | set-37 |
//! | a BusinessReject that consumed no number | `client.unconsumed` | s-27 | s-27b |
//! | what the exchange's MsgCount counts | `client.not_applied_count` | set-34 | set-34b set-34c set-34d |
//!
//! Open, and no setting:
//!
//! - Framing, then decoding, then the state come before every check of a logon: nothing can be looked at
//!   before it is decoded, and the match on the state is what the machine is.
//! - Signatures are compared in constant time: nobody can see the difference but an attacker.
//! - A client's batch may span packets: that is the transport's, below the machines.
//! - A connection is closed after a Terminate with an error. One that stays would need a state that is neither
//!   established nor waits for a logon, and a client reconnects under either reading.
//! - How long a client stays away after Terminate 5 and 7 is so many intervals, as
//!   [`TERMINATE_CODES`](super::super::TERMINATE_CODES) has it.
//! - SecretKeySecureIDExpiration(39022) and EnvironmentIndicator(39032) are null: what they count and mean is
//!   not published.
//! - A BusinessReject that refers to no number is said by a script only, since its cause is not published.
//! - Of messages that came in pieces the queue counts those, not the whole ones that wait behind them: that is
//!   what the name of code 29 says.

use std::fmt;
use std::time::Duration;

use super::super::SettingsError;

/// The most that can be waited for at once: room for them is made at the start.
const SPLIT_QUEUE_MAX: usize = 1000;

/// The number behind it is not null.
const SEQ_NUM_MAX: u32 = u32::MAX - 2;

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
    /// The code of the reject of an older one.
    pub stale_code: u16,
    /// In what order a Negotiate or Establish is looked at: the first that is wrong is answered. Each must be
    /// there once.
    pub checks: [Check; Check::ORDER.len()],
    /// The shortest KeepAliveInterval, in milliseconds.
    pub keep_alive_min_ms: u16,
    /// The longest KeepAliveInterval, in milliseconds.
    pub keep_alive_max_ms: u16,
    /// So many invalid logons within a minute close the port.
    pub invalid_logons_max: u8,
    /// Whether messages other than Negotiate and Establish on a connection that is not bound count as
    /// invalid logons.
    pub count_other_messages: bool,
    /// Whether an Establish counts as an invalid logon that is wrong in what a Negotiate has not: in its
    /// TradingSystem fields, KeepAliveInterval or NextSeqNo, or because another was there before.
    pub count_establish_terms: bool,
    /// How an invalid Negotiate or Establish is refused where it could be with a reject.
    pub refusal: LogonRefusal,
    /// How a wrong UUID in a Negotiate or Establish, and a UUID or NextSeqNo that is null, is refused.
    pub identity_refusal: IdentityRefusal,
    /// Whether the connection is closed after a reject.
    pub close_after_reject: bool,
    /// What is done about a second Negotiate or Establish before the first is answered.
    pub repeated_logon: RepeatedLogon,
    /// The code of the Terminate over a Negotiate while established. Before that, and after a
    /// NegotiationResponse, it is 4.
    pub renegotiate_code: u16,
    /// What is done about a logon of the client over a second connection, while it has one.
    pub second_connection: SecondConnection,
    /// Which UUID stands in a Terminate before the session is bound.
    pub unbound_uuid: UnboundUuid,
    /// Which RequestTimestamp stands in a Terminate that is about no message, or about one without it. With
    /// code 8 or 9 it is the clock.
    pub terminate_stamp: TerminateStamp,
    /// The highest SeqNum of a client, and so of FromSeqNo and NextSeqNo; a Sequence may announce one more.
    pub seq_num_max: u32,
    /// What becomes of the number expected when an Establish announces a higher one.
    pub establish_hole: EstablishHole,
    /// What is done about a Sequence that announces a higher number unasked.
    pub unasked_gap: UnaskedGap,
    /// What becomes of the message whose number shows that others are missing.
    pub beyond_gap: BeyondGap,
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
    /// What is done about messages that come in pieces; nothing if there is none. The exchange does it on the
    /// gateways of market segments, and not on those of convenience.
    ///
    /// A gateway that reads from a TCP socket sees the packets of its client only roughly: two that arrive
    /// together are one to it, and its own buffer may end within a message. What it takes for split may
    /// have been sent in one piece by a client that sends a lot at once, and the other way round.
    pub split: Option<SplitPenalty>,
}

/// Something that is looked at in a Negotiate(500) or Establish(503).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// That it may be on this connection: rejects 27 and 28 of a backup.
    Lane,
    /// That there is a UUID: Terminate 15.
    UuidPresent,
    /// That it is the one that is due: Terminate 13.
    Uuid,
    /// RequestTimestamp: rejects 9 and 3.
    Timestamp,
    /// That there is everything else: rejects 4 to 7 and 18 to 21.
    Present,
    /// That texts are printable: rejects 12 to 14 and 23 to 25.
    Printable,
    /// KeepAliveInterval: reject 11.
    KeepAliveInterval,
    /// NextSeqNo: Terminates 21 and 10.
    NextSeqNo,
    /// Whose it is, and the signature: reject 0.
    Signature,
    /// That no operator holds the session: reject 10.
    Authorised,
    /// That it is within [`GatewaySettings::admin_rate`]: reject 15.
    Rate,
}

impl Check {
    /// The order unless a setting says otherwise: what the message is, then whose it is, then whether it may.
    /// The connection comes first, since a backup has no UUID before it follows its primary.
    pub const ORDER: [Self; 11] = [
        Self::Lane,
        Self::UuidPresent,
        Self::Uuid,
        Self::Timestamp,
        Self::Present,
        Self::Printable,
        Self::KeepAliveInterval,
        Self::NextSeqNo,
        Self::Signature,
        Self::Authorised,
        Self::Rate,
    ];
}

/// How a gateway refuses a logon whose UUID is wrong, or whose UUID or NextSeqNo is null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityRefusal {
    /// With Terminate 13, 15 or 21.
    #[default]
    Terminate,
    /// With reject 2, 8 or 22, as in older tables.
    Reject,
}

/// What a gateway does about a second Negotiate or Establish before the first is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedLogon {
    /// Terminates with 5 or 7, and counts an invalid logon.
    #[default]
    Terminate,
    /// Takes it for a repetition: the answer to the first is the answer.
    Ignore,
}

/// What a gateway does about a client that logs on while it has a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondConnection {
    /// Says Terminate 6 on the second connection.
    #[default]
    Terminate,
    /// Treats it as a stranger: reject 0.
    TurnAway,
}

/// Which UUID a gateway's Terminate has before the session is bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnboundUuid {
    /// That of the message it is about, if it has one.
    #[default]
    OfMessage,
    /// That of the session: the one last negotiated, or 0.
    OfSession,
}

/// Which RequestTimestamp a gateway's Terminate has where no message gives one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TerminateStamp {
    /// The clock.
    #[default]
    Clock,
    /// That of the client's last Negotiate or Establish; the clock before there was one.
    LastLogon,
}

/// What becomes of the message whose number shows that others are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeyondGap {
    /// It is not applied, nor are those behind it, until the client sends what is missing or skips it.
    #[default]
    Refuse,
    /// It is applied, as FIXP has it, and the number behind it is expected: what is missing is lost, MsgCount
    /// counts that only, and a client must not send it again under its numbers.
    Apply,
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

/// What MsgCount of a NotApplied counts. An announced number counts as a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotAppliedCount {
    /// The message that was refused as well.
    #[default]
    WithRefused,
    /// What is missing below it. A client must know: see
    /// [`ClientSettings::not_applied_count`](super::super::ClientSettings::not_applied_count).
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

        if self.keep_alive_min_ms > self.keep_alive_max_ms || self.keep_alive_min_ms == 0 {
            return wrong(
                "gateway.keep_alive_min_ms",
                &self.keep_alive_min_ms,
                "1 ms to gateway.keep_alive_max_ms",
            );
        }
        if !(1..=10).contains(&self.invalid_logons_max) {
            return wrong(
                "gateway.invalid_logons_max",
                &self.invalid_logons_max,
                "1 to 10",
            );
        }
        let rates = [
            ("gateway.rate", self.rate),
            ("gateway.admin_rate", self.admin_rate),
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
        let codes = [
            ("gateway.stale_code", self.stale_code, 28),
            ("gateway.renegotiate_code", self.renegotiate_code, 29),
        ];
        for (setting, code, max) in codes {
            if code > max {
                return wrong(setting, &code, "a code of the exchange");
            }
        }
        if Check::ORDER
            .iter()
            .any(|check| !self.checks.contains(check))
        {
            let right = "each check once, in any order";
            return wrong("gateway.checks", &format_args!("{:?}", self.checks), right);
        }
        if !(1..=SEQ_NUM_MAX).contains(&self.seq_num_max) {
            return wrong("gateway.seq_num_max", &self.seq_num_max, "1 to 4294967293");
        }
        if let Some(split) = self.split
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
            stale_code: 3,
            checks: Check::ORDER,
            keep_alive_min_ms: 5_000,
            keep_alive_max_ms: 60_000,
            invalid_logons_max: 5,
            count_other_messages: true,
            count_establish_terms: true,
            refusal: LogonRefusal::default(),
            identity_refusal: IdentityRefusal::default(),
            close_after_reject: true,
            repeated_logon: RepeatedLogon::default(),
            renegotiate_code: 4,
            second_connection: SecondConnection::default(),
            unbound_uuid: UnboundUuid::default(),
            terminate_stamp: TerminateStamp::default(),
            seq_num_max: 999_999_999,
            establish_hole: EstablishHole::default(),
            unasked_gap: UnaskedGap::default(),
            beyond_gap: BeyondGap::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_accepted_is_named() {
        type Spoil = fn(&mut GatewaySettings);
        let rows: [(&str, Spoil); 14] = [
            ("gateway.keep_alive_min_ms", |s| s.keep_alive_min_ms = 0),
            ("gateway.keep_alive_min_ms", |s| s.keep_alive_max_ms = 4_999),
            ("gateway.invalid_logons_max", |s| s.invalid_logons_max = 0),
            ("gateway.invalid_logons_max", |s| s.invalid_logons_max = 11),
            ("gateway.rate", |s| {
                s.rate = Some(RateLimit {
                    window: Duration::ZERO,
                    reject_above: 1,
                    terminate_above: 1,
                });
            }),
            ("gateway.admin_rate", |s| {
                s.admin_rate = Some(RateLimit {
                    window: Duration::from_secs(1),
                    reject_above: 2,
                    terminate_above: 1,
                });
            }),
            ("gateway.stale_code", |s| s.stale_code = 29),
            ("gateway.renegotiate_code", |s| s.renegotiate_code = 30),
            ("gateway.checks", |s| s.checks[3] = s.checks[4]),
            ("gateway.seq_num_max", |s| s.seq_num_max = 0),
            ("gateway.seq_num_max", |s| s.seq_num_max = u32::MAX - 1),
            ("gateway.split", |s| {
                s.split = Some(SplitPenalty {
                    delay: Duration::ZERO,
                    queue_max: 15,
                });
            }),
            ("gateway.split", |s| {
                s.split = Some(SplitPenalty {
                    queue_max: 0,
                    ..SplitPenalty::default()
                });
            }),
            ("gateway.split", |s| {
                s.split = Some(SplitPenalty {
                    queue_max: 1001,
                    ..SplitPenalty::default()
                });
            }),
        ];
        for (setting, spoil) in rows {
            let mut settings = GatewaySettings::default();
            assert!(settings.check().is_ok());
            spoil(&mut settings);
            assert_eq!(settings.check().unwrap_err().setting, setting);
        }
    }
}

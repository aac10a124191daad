//! The FIX session: one machine, one match.
//!
//! A frame comes in through [`Session::receive`], time through [`Session::timeout`], the end of a
//! connection through [`Session::disconnected`]; frames go out through the [`Outbox`], and a
//! [`Step`] says what the caller must do next. Helpers grow by concern in the files beside this one
//! (logon, sequence, resend, liveness, logout); they compute, the match in [`Session::receive`]
//! decides.
//!
//! Section numbers in comments are those of the FIX session protocol's own topics: logon, message
//! recovery, gap fill, test request, logout.

mod admission;
mod compose;
mod content;
mod garbled;
mod greeting;
mod head;
mod liveness;
mod logon;
mod logout;
pub mod numbers;
mod parked;
mod peer;
pub mod policy;
mod renumber;
mod resend;
mod reset;
pub mod rules;
mod sending;
mod sequence;
mod settings;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod throttle;
mod validation;

use std::collections::VecDeque;
use std::time::Duration;

use self::admission::Admitting;
pub use self::admission::{Admission, Decision};
use self::compose::Pen;
use self::content::{Kind, Place};
use self::head::Head;
use self::liveness::Pulse;
use self::parked::{Parked, Waiting};
pub use self::peer::{Code, MsgDirection, MsgTypeSupport, Peer};
use self::policy::BelowExpected::{Accept, Refuse};
use self::policy::OrigSendingTime;
pub use self::renumber::SEQ_MAX;
use self::resend::{Repeats, Serving};
pub use self::resend::{Replayed, ResendJudge};
use self::reset::{Ending, Quieting, Resetting};
pub use self::sending::{
    BeyondRate, Flood, InboundRate, Loss, OutboundRate, QueueLimit, Sending, Sent, SlowPeer, WhileDown,
};
use self::sequence::Recovery;
pub use self::settings::{AtEnd, AtLogon, LogonField, OnFailure, Role, Settings, SettingsError};
pub use self::tally::Tally;
pub use self::terms::{DataOrder, Environment, HeartbeatChoice, HeartbeatTerms, LogonSettings, OnHold};
use self::throttle::Bucket;
pub use self::throttle::Rate;
pub use self::validation::{OnInvalid, Validation};
use crate::dict::Validator;
use crate::session::{Cause, Farewell, Fault, Full, InboundAt, Outbox, ResetCause, Text};
use crate::time::{Mono, Now, TimestampReader};
use crate::wire::fix::{ApplVersion, Message, tag};

/// BusinessRejectReason(380) 4.
const APPLICATION_NOT_AVAILABLE: u16 = 4;

/// How many losses there is room for before they are told.
const LOSSES_MAX: usize = 4;

/// What the caller must do after it handed something to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Nothing.
    Done,
    /// There was no room to keep the message, or to answer it. Nothing has changed: offer the same bytes
    /// again later.
    Retry(Full),
    /// A Logon of this connection waits for the application's decision. Nothing has changed: offer the
    /// same bytes again after it.
    Undecided,
    /// Ask the application whether this Logon is welcome, then call [`Session::admit`].
    Authenticate,
    /// The session is logged on now: tell the application.
    LoggedOn,
    /// Give the message to the application, then call [`Session::delivered`] with its verdict.
    Deliver(Delivery),
    /// Both number series have started anew while logged on: tell the application.
    Reset(ResetCause),
    /// The peer refused a message of ours with a Reject(3): tell the application.
    PeerRejected,
    /// Close the connection now.
    Close(Cause),
    /// Close the connection as soon as everything committed is on the wire.
    CloseAfterFlush(Cause),
}

/// How a message reached the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// MsgSeqNum(34).
    pub seq: u64,
    /// PossDupFlag(43)=Y: the peer sends it again, and it has not been delivered before.
    pub poss_dup: bool,
    /// PossResend(97)=Y: its content may have been sent before under another number.
    pub poss_resend: bool,
    /// The application version the message has: that of the session, unless the message or the peer's
    /// Logon says otherwise. What CstmApplVerID(1129) and ApplExtID(1156) add to it is in the dictionary
    /// that the message comes with, if the session has one for them.
    pub appl_version: ApplVersion,
}

/// What the application says to a message it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Accept,
    /// Answer with a session Reject(3).
    Reject {
        /// SessionRejectReason(373).
        reason: u16,
        /// RefTagID(371), 0 for none.
        ref_tag: tag::Tag,
        /// Text(58).
        text: Text,
    },
    /// Answer with a BusinessMessageReject(j).
    BusinessReject {
        /// BusinessRejectReason(380); 3 is "unsupported message type".
        reason: u16,
        /// Text(58).
        text: Text,
    },
    /// It could not be processed, and not for anything the peer did: a database is away, an assumption
    /// did not hold. [`Settings::on_failure`] says what follows.
    Failed,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the connection, just now.
    Wire,
    /// From the outbox, where it waited behind a gap since it arrived on this connection.
    Parked,
}

/// What is to be done with messages that waited behind a gap; see [`Session::next_parked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Unparked {
    /// Nothing can go on now.
    Nothing,
    /// It is the turn of this record: read it back and [`Session::receive`] it.
    Message(InboundAt),
    /// Close the connection.
    Close(Cause),
}

/// One FIX session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    pen: Pen,
    times: TimestampReader,
    state: State,
    /// Empty unless a gap is open.
    parked: Parked,
    /// Garbled messages since the last sound one.
    garbled_in_a_row: u32,
    peer: Peer,
    /// A restart of the numbers that there was no room for when it was due.
    restart_owed: Option<ResetCause>,
    /// What may be sent and received.
    outbound: Option<Bucket>,
    inbound: Option<Bucket>,
    /// When the rate has room for the next message that waits.
    queue_due: Option<Mono>,
    /// Below this number the peer has had everything, by a resend at the latest.
    resent_below: u64,
    /// What was lost and has not been told. There is room for what a cycle brings as a rule; it grows
    /// rather than lose the news of a loss.
    losses: VecDeque<Loss>,
    /// A Logout of the peer that waits behind a gap: its number, and what it says. A gap fill may pass
    /// over it.
    logout_waits: Option<(u64, Farewell)>,
    /// There was no room for an application message, and the peer is to go for that.
    too_slow: bool,
    /// So many application messages are numbered and kept, and not sent.
    withhold: u32,
    validator: Option<Validator>,
    tally: Tally,
}

/// Where a connection of the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No connection, or one that has not sent its Logon.
    Down,
    /// The peer's Logon is there, and the application has not decided whether it is welcome.
    Admitting,
    /// Our Logon is out, the answer is awaited.
    LogonSent,
    /// Logged on.
    Up,
    /// Logged on, and our wish to reset both number series is out; the answer is awaited.
    Resetting,
    /// Our Logout is out, the answer is awaited.
    LogoutSent,
    /// The connection is to be closed; what still arrives is ignored.
    Closing,
}

#[derive(Debug)]
enum State {
    Down,
    Admitting(Admitting),
    LogonSent(LogonSent),
    Up(Up),
    Resetting(Resetting),
    LogoutSent(LogoutSent),
    Closing(Ending),
}

/// Our Logon is out.
#[derive(Debug)]
struct LogonSent {
    give_up: Mono,
    /// The number our Logon has.
    seq: u64,
    /// It has ResetSeqNumFlag(141)=Y.
    reset: bool,
}

/// Logged on.
#[derive(Debug)]
struct Up {
    pulse: Pulse,
    /// A gap in what we received, being asked for.
    recovery: Option<Recovery>,
    /// A ResendRequest of the peer, being served.
    serving: Option<Serving>,
    repeats: Repeats,
    /// A reset of ours, before its Logon.
    quieting: Option<Quieting>,
}

/// Our Logout is out.
#[derive(Debug)]
struct LogoutSent {
    give_up: Mono,
    /// A ResendRequest of the peer, being served: the one thing we still send.
    serving: Option<Serving>,
    repeats: Repeats,
    /// The fault that made us log out. Without one we still take messages as usual.
    expelled_for: Option<Fault>,
}

impl Session {
    /// A session that is down.
    ///
    /// # Errors
    /// A setting that cannot be accepted.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            pen: Pen::new(&settings)?,
            times: TimestampReader::new(),
            parked: Parked::new(&settings.recovery),
            peer: Peer::new(settings.rules),
            outbound: settings
                .sending
                .outbound
                .map(|limit| Bucket::new(limit.rate)),
            inbound: settings
                .sending
                .inbound
                .map(|limit| Bucket::new(limit.rate)),
            validator: settings.validation.validator(&settings.logon_fields),
            settings,
            state: State::Down,
            garbled_in_a_row: 0,
            restart_owed: None,
            queue_due: None,
            resent_below: 0,
            losses: VecDeque::with_capacity(LOSSES_MAX),
            logout_waits: None,
            too_slow: false,
            withhold: 0,
            tally: Tally::default(),
        })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the peer said of itself when it last logged on.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where its connection stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Down => Phase::Down,
            State::Admitting(_) => Phase::Admitting,
            State::LogonSent(_) => Phase::LogonSent,
            State::Up(_) => Phase::Up,
            State::Resetting(_) => Phase::Resetting,
            State::LogoutSent(_) => Phase::LogoutSent,
            State::Closing(_) => Phase::Closing,
        }
    }

    /// What it has counted since it was made.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many messages wait behind a gap.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// HeartBtInt(108) as agreed at logon, in seconds; `None` while logged off.
    #[must_use]
    pub fn heartbeat_s(&self) -> Option<u32> {
        match &self.state {
            State::Up(up) => Some(up.pulse.heartbeat_s()),
            _ => None,
        }
    }

    /// How long the peer took to answer our last TestRequest(1).
    #[must_use]
    pub fn test_round_trip(&self) -> Option<Duration> {
        match &self.state {
            State::Up(up) => up.pulse.round_trip(),
            _ => None,
        }
    }

    /// The bytes of our last Logon as they go on the wire, for a record that the outbox holds masked.
    #[must_use]
    pub fn unmasked_logon(&self) -> &[u8] {
        self.pen.unmasked_logon()
    }

    /// Takes one sound frame.
    ///
    /// A frame that is not sound goes to [`Session::garbled`] instead.
    pub fn receive<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        origin: Origin,
        out: &mut O,
    ) -> Step {
        if let State::Admitting(_) = self.state {
            return Step::Undecided;
        }
        let kind = Kind::of(message);
        let head = Head::of(message, &mut self.times);
        let seq = head.seq.unwrap_or_default();
        if let Some(fault) = self.too_long(message) {
            return self.beyond_limit(now, fault, out);
        }
        if kind == Kind::Logon && self.phase() == Phase::Up && !self.pen.may_log_on(out) {
            return Step::Retry(Full::Unsent);
        }
        let kept = match self.keep(now, message, origin, kind, seq, out) {
            Ok(kept) => kept,
            Err(full) => return Step::Retry(full),
        };
        let done = match (self.phase(), kind) {
            (Phase::Down, Kind::Logon) if self.settings.role == Role::Acceptor => {
                self.vet_logon(now, message, &head, out)
            }
            (Phase::Down, _) => self.fault(now, Fault::FirstMessageNotLogon, message, out),
            (Phase::LogonSent, Kind::Logon) => self.logon_answered(now, message, &head, out),
            (Phase::LogonSent, Kind::Logout) => {
                self.note_defects(message, &head);
                Ok(self.logon_refused(message, out))
            }
            (Phase::LogonSent, _) => self.fault(now, Fault::NotALogonAnswer, message, out),
            (Phase::Resetting, Kind::Logon) => self.reset_answered(now, message, &head, out),
            (Phase::Resetting, _) => self.old_series(now, message, &head, kind, out),
            (Phase::Up | Phase::LogoutSent, _) => self.in_session(now, message, &head, kind, kept, out),
            (Phase::Admitting | Phase::Closing, _) => Ok(Step::Done),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// Sequence first, content second, effect third: what a message does while logged on.
    fn in_session<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        kind: Kind,
        kept: Kept,
        out: &mut O,
    ) -> Result<Step, Full> {
        let Ok(seq) = head.seq else {
            return self.fault(now, Fault::NoMsgSeqNum, message, out);
        };
        if let State::LogoutSent(LogoutSent {
            expelled_for: Some(fault),
            ..
        }) = &self.state
        {
            // Nothing but the peer's Logout matters any more, whatever its header looks like.
            let cause = Cause::Fault(*fault);
            return Ok(if kind == Kind::Logout {
                self.close(cause)
            } else {
                Step::Done
            });
        }
        if message.begin_string() != self.settings.rules.begin_string.as_bytes() {
            return if kind == Kind::Logout {
                self.logout_received(now, message, Place::Low, out)
            } else {
                self.fault(now, Fault::BeginString, message, out)
            };
        }
        let header = head.check(&self.settings.validation.checks);
        if header.is_ok() && kept.origin == Origin::Wire {
            // What waited behind a gap was compared with the clock and the CompIDs on arrival.
            if let Err(fault) = self.check_sender(now, head) {
                return self.fault(now, fault, message, out);
            }
        }
        let dup = head.is_poss_dup();
        if kind == Kind::SequenceReset && !content::is_gap_fill(message) {
            // Its own number is ignored.
            return match header.and_then(|()| self.validate(message, head, kind)) {
                Ok(()) => self.reset_received(now, message, out),
                Err(fault) => self.fault(now, fault, message, out),
            };
        }
        let place = self.place(seq, dup, out);
        match (kind, place) {
            // A copy of a Logon that was dealt with is no wish to start anew.
            (Kind::Logon, Place::Low) if dup => Ok(Step::Done),
            (Kind::Logon, _) => self.logon_while_up(now, message, head, out),
            (Kind::Logout, Place::Low) if dup => Ok(Step::Done),
            (Kind::Logout, Place::High) if self.recovers_before_logout() => {
                self.logout_waits = Some((seq, Farewell::of(message)));
                self.gap_to(now, seq, kept, out)
            }
            (Kind::Logout, Place::Low) if self.settings.logout.below_expected == Refuse => {
                self.too_low(now, seq, message, out)
            }
            (Kind::Logout, _) => {
                self.note_defects(message, head);
                self.logout_received(now, message, place, out)
            }
            (Kind::ResendRequest, Place::High) if header.is_ok() => {
                // Served before our own gap is asked for, or two recovering peers wait for ever.
                let sound = self.validate(message, head, kind);
                let step = match sound.and_then(|()| self.take_request(message, out)) {
                    Ok(()) => Step::Done,
                    Err(fault) => self.fault(now, fault, message, out)?,
                };
                match step {
                    Step::Done => self.gap(now, seq, Waiting::Handled, out),
                    step => Ok(step),
                }
            }
            (Kind::ResendRequest, Place::Low)
                if header.is_ok() && !dup && self.settings.resend.below_expected == Accept =>
            {
                let sound = self.validate(message, head, kind);
                match sound.and_then(|()| self.take_request(message, out)) {
                    Ok(()) => Ok(Step::Done),
                    Err(fault) => self.fault(now, fault, message, out),
                }
            }
            (_, Place::High) => match header {
                Ok(()) => self.gap_to(now, seq, kept, out),
                // A faulty message is asked for again and rejected when its number is due.
                Err(_) => self.gap_unparked(now, seq, out),
            },
            (Kind::SequenceReset, Place::Low) if dup => Ok(Step::Done),
            // It was dealt with when it came first; what is wrong with the copy changes nothing.
            (_, Place::Low) if dup && header.is_err() => Ok(Step::Done),
            (_, Place::Low) if dup => self.duplicate(now, message, head, out),
            (_, Place::Low) => self.too_low(now, seq, message, out),
            (_, Place::Expected) => {
                self.pen.answering(seq);
                // A gap fill is the peer's own message, with no original: refusing one for the lack
                // of OrigSendingTime(122) would leave a gap that the peer cannot close.
                let copy = dup
                    && kind != Kind::SequenceReset
                    && self.settings.checks.orig_sending_time == OrigSendingTime::Always;
                let sound = header
                    .and_then(|()| if copy { head.check_poss_dup() } else { Ok(()) })
                    .and_then(|()| self.check_on_behalf_of(message))
                    .and_then(|()| self.validate(message, head, kind))
                    .and_then(|()| content::check_body(message, kind));
                match sound {
                    Ok(()) => self.expected(now, message, head, kind, out),
                    Err(fault) => self.fault(now, fault, message, out),
                }
            }
        }
    }

    /// Where a number lies; what it is taken for if numbers are not checked.
    fn place<O: Outbox>(&mut self, seq: u64, dup: bool, out: &mut O) -> Place {
        let place = Place::of(seq, out.next_in());
        if self.settings.checks.sequence_numbers || place == Place::Expected {
            return place;
        }
        match place {
            Place::High => out.set_next_in(seq),
            Place::Low if dup => return Place::Low,
            Place::Low | Place::Expected => {}
        }
        Place::Expected
    }

    fn too_low<O: Outbox>(
        &mut self,
        now: Now,
        received: u64,
        message: &Message<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let expected = out.next_in();
        self.fault(now, Fault::SeqTooLow { expected, received }, message, out)
    }

    /// A sound message above the expected number: it waits until what is missing has come.
    fn gap_to<O: Outbox>(&mut self, now: Now, seq: u64, kept: Kept, out: &mut O) -> Result<Step, Full> {
        match kept.at {
            Some(at) => {
                let bytes = kept.bytes;
                self.gap(now, seq, Waiting::Message { at, bytes }, out)
            }
            None => self.gap_unparked(now, seq, out),
        }
    }

    /// The effect of a sound message under the expected number.
    fn expected<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        kind: Kind,
        out: &mut O,
    ) -> Result<Step, Full> {
        // The expected number, unless numbers are not checked.
        let seq = head.seq.unwrap_or_default();
        match kind {
            Kind::Application => {
                let (poss_dup, poss_resend) = (head.is_poss_dup(), head.is_poss_resend());
                let appl_version = match self.version_of(message, head) {
                    Ok(version) => version,
                    Err(fault) => return self.fault(now, fault, message, out),
                };
                // What comes again was asked for.
                if !poss_dup && let Err(fault) = self.within_rate(now.mono) {
                    return self.fault(now, fault, message, out);
                }
                self.tally.application_in += 1;
                // Counted by `delivered`: at least once across a crash.
                return Ok(Step::Deliver(Delivery {
                    seq,
                    poss_dup,
                    poss_resend,
                    appl_version,
                }));
            }
            Kind::SequenceReset => return self.gap_filled(now, message, out),
            Kind::TestRequest => {
                if self.phase() == Phase::Up || self.settings.logout.answer_test_requests {
                    let id = message.get(tag::TEST_REQ_ID).unwrap_or_default();
                    self.pen.heartbeat(now, Some(id), out)?;
                    self.spoke(now);
                }
            }
            Kind::ResendRequest => {
                if let Err(fault) = self.take_request(message, out) {
                    return self.fault(now, fault, message, out);
                }
            }
            Kind::Reject => {
                self.tally.rejects_in += 1;
                self.count_seq(seq, out);
                return Ok(Step::PeerRejected);
            }
            Kind::Heartbeat => {}
            Kind::Logon | Kind::Logout => unreachable!("decided before the sequence is looked at"),
        }
        self.count_seq(seq, out);
        Ok(Step::Done)
    }

    /// The application version a message has.
    fn version_of(&self, message: &Message<'_>, head: &Head<'_>) -> Result<ApplVersion, Fault> {
        let rules = self.settings.rules;
        match rules.default_appl_ver_id {
            None => Ok(rules.appl_version),
            Some(_) => self.peer.version_of(head.appl_ver_id, message.msg_type()),
        }
    }

    /// Ends the delivery of an application message with what the application said to it.
    pub fn delivered<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        verdict: Verdict,
        out: &mut O,
    ) -> Step {
        if self.phase() == Phase::Resetting {
            // Of the old series: its number is none of the new.
            return Step::Done;
        }
        let answered = match (verdict, self.phase()) {
            (Verdict::Accept, _) => Ok(()),
            // Its number is not counted: the peer sends the message again when it is back.
            (Verdict::Failed, _) if self.settings.on_failure != OnFailure::Reject => {
                return self.close(Cause::ApplicationFailed);
            }
            // While logging out nothing is sent but resends.
            (_, phase) if phase != Phase::Up => Ok(()),
            (
                Verdict::Reject {
                    reason,
                    ref_tag,
                    text,
                },
                _,
            ) => {
                self.tally.rejects_out += 1;
                let ref_tag = (ref_tag != 0).then_some(ref_tag);
                self.pen.reject(now, message, reason, ref_tag, text, out)
            }
            (Verdict::BusinessReject { reason, text }, _) => {
                self.tally.rejects_out += 1;
                self.pen.business_reject(now, message, reason, text, out)
            }
            (Verdict::Failed, _) => {
                self.tally.rejects_out += 1;
                let text = Text::lossy(b"Application not available");
                self.pen
                    .business_reject(now, message, APPLICATION_NOT_AVAILABLE, text, out)
            }
        };
        match answered {
            Ok(()) => {
                if verdict != Verdict::Accept {
                    self.spoke(now);
                }
                self.count_if_expected(message, out);
                Step::Done
            }
            Err(full) => self.no_room(full),
        }
    }

    /// Whether a message is longer than our Logon allowed.
    fn too_long(&self, message: &Message<'_>) -> Option<Fault> {
        let limit = u64::from(self.settings.logon.max_message_bytes?);
        let received = message.frame().len() as u64;
        (received > limit && self.settings.rules.logon_capabilities)
            .then_some(Fault::TooLong { received, limit })
    }

    /// Ends the session over a frame that was sound but beyond a limit.
    pub fn beyond_limit<O: Outbox>(&mut self, now: Now, fault: Fault, out: &mut O) -> Step {
        self.tally.note(fault);
        match self.phase() {
            Phase::Up | Phase::Resetting => self
                .end_with(now, fault, out)
                .unwrap_or_else(|full| self.no_room(full)),
            _ => self.close(Cause::Fault(fault)),
        }
    }

    /// Tells the session that its connection is gone. Answers whether the application had been told
    /// of a logon, and so must now be told of its end.
    pub fn disconnected<O: Outbox>(&mut self, now: Now, out: &mut O) -> bool {
        let was_up = self.was_up();
        let ending = match self.state {
            State::Closing(ending) => ending,
            _ if was_up => Ending::Otherwise,
            _ => Ending::NeverUp,
        };
        self.parked.clear();
        self.logout_waits = None;
        self.garbled_in_a_row = 0;
        self.state = State::Down;
        self.give_up_waiting(out);
        self.reset_at_end(now, ending, out);
        was_up
    }

    fn was_up(&self) -> bool {
        match self.state {
            State::Up(_) | State::Resetting(_) | State::LogoutSent(_) => true,
            State::Closing(ending) => ending != Ending::NeverUp,
            State::Down | State::Admitting(_) | State::LogonSent(_) => false,
        }
    }

    /// Records the message, unless it comes from the record, and hears the peer.
    fn keep<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        origin: Origin,
        kind: Kind,
        seq: u64,
        out: &mut O,
    ) -> Result<Kept, Full> {
        let bytes = message.frame().len();
        if origin == Origin::Parked {
            return Ok(Kept {
                origin,
                at: None,
                bytes,
            });
        }
        // Only a message that waits behind a gap must be kept; the rest is the outbox's choice.
        let may_wait = matches!(self.state, State::Up(_)) && seq > out.next_in();
        let has_credentials = self.pen.may_hold_credentials(message.msg_type());
        let at = compose::keep_inbound(message, kind, seq, may_wait, has_credentials, now, out)?;
        if let State::Up(up) = &mut self.state {
            let late = up.pulse.heard(now.mono, message);
            self.tally.slow_reads += u64::from(late);
        }
        self.garbled_in_a_row = 0;
        self.tally.messages_in += 1;
        Ok(Kept { origin, at, bytes })
    }

    /// Acts on a fault as the catalogue says.
    fn fault<O: Outbox>(
        &mut self,
        now: Now,
        fault: Fault,
        message: &Message<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        use crate::session::Disposition::{
            BusinessReject, Close, Ignore, Logout, LogoutAndClose, Reject, RejectAndLogout,
        };
        self.tally.note(fault);
        let up = self.phase() == Phase::Up;
        match fault.disposition() {
            Ignore => {
                self.count_if_expected(message, out);
                Ok(Step::Done)
            }
            Reject(reason) | RejectAndLogout(reason) => {
                // A Reject is never answered with a Reject, and nothing is while we log out.
                if up && Kind::of(message) != Kind::Reject {
                    self.tally.rejects_out += 1;
                    let wording = &self.settings.wording;
                    let (ref_tag, text) = (
                        wording.ref_tag(fault, reason),
                        wording.reject_text(fault, reason),
                    );
                    self.pen.reject(now, message, reason, ref_tag, text, out)?;
                    self.spoke(now);
                }
                self.count_if_expected(message, out);
                match fault.disposition() {
                    RejectAndLogout(_) => self.expel(now, fault, out),
                    _ => Ok(Step::Done),
                }
            }
            BusinessReject(reason) => {
                if up {
                    let reason = if self.settings.rules.throttle_limit_exceeded {
                        reason
                    } else {
                        0
                    };
                    self.tally.rejects_out += 1;
                    self.pen
                        .business_reject(now, message, reason, fault.text(), out)?;
                    self.spoke(now);
                }
                self.count_if_expected(message, out);
                Ok(Step::Done)
            }
            Logout => self.expel(now, fault, out),
            LogoutAndClose => self.end_with(now, fault, out),
            Close => Ok(self.close(Cause::Fault(fault))),
        }
    }

    /// Something was sent: the next Heartbeat is due one interval from now.
    fn spoke(&mut self, now: Now) {
        if let State::Up(up) = &mut self.state {
            up.pulse.spoke(now.mono);
        }
    }

    /// Closes the connection without another byte.
    fn close(&mut self, cause: Cause) -> Step {
        self.state = State::Closing(Ending::of(self.was_up(), &cause));
        Step::Close(cause)
    }

    /// Closes the connection once everything committed is on the wire.
    fn close_after_flush(&mut self, cause: Cause) -> Step {
        self.state = State::Closing(Ending::of(self.was_up(), &cause));
        Step::CloseAfterFlush(cause)
    }

    /// There is no room for a session-level message although room is reserved for them: the peer
    /// does not read, or the journal cannot grow.
    fn no_room(&mut self, full: Full) -> Step {
        let cause = match full {
            Full::Unsent => {
                self.tally.note(Fault::SlowConsumer);
                Cause::Fault(Fault::SlowConsumer)
            }
            Full::Segment | Full::Storage | Full::TooLong => Cause::NoRoom(full),
        };
        self.close(cause)
    }
}

/// What became of a message on arrival.
#[derive(Clone, Copy)]
struct Kept {
    origin: Origin,
    /// Where it can be read back.
    at: Option<InboundAt>,
    /// Its length.
    bytes: usize,
}

//! The FIXP session, as CME iLink 3 speaks it: one machine, two roles.
//!
//! A frame comes in through [`Session::receive`], time through [`Session::timeout`], the end of a
//! connection through [`Session::disconnected`]; frames go out through a
//! [`SeriesOutbox`], and a [`Step`] says what the caller must do next. The
//! client's half of the match is in `client`, the gateway's in `gateway`; the files beside them hold one
//! concern each.
//!
//! What lives in the outbox and nowhere else: the UUID, both numbers of every series, every message, and
//! whether the port of a gateway is closed.
//! So a session that is made anew over the same outbox goes on where it was.
//!
//! ```text
//!  client   Down -> NegotiateSent -> EstablishSent -> Up -> TerminateSent -> Closing -> Down
//!                \___________________/
//!  gateway  Down -> Accepted -> Negotiating -> Negotiated -> Establishing -> Up -> ...
//! ```
//!
//! A backup connection has a session of its own over an outbox of its own; see [`Session::follow`].

mod client;
mod codes;
mod establish;
mod fault;
mod gateway;
mod guard;
mod keepalive;
mod lanes;
mod letter;
mod negotiate;
mod not_applied;
mod numbers;
mod retransmit;
mod script;
mod sending;
mod sequence;
mod settings;
mod tally;
mod terminate;

use std::collections::VecDeque;

use self::client::Client;
pub use self::codes::{
    LOGON_REJECT_CODES, NextLogon, RETRANSMIT_REJECT_CODES, TERMINATE_CODES, TerminateCode, Wait,
    logon_reject_name, terminate_code,
};
pub use self::fault::{Disposition, Fault, FaultCounts};
pub use self::gateway::settings::{
    BeyondGap, Check, EstablishHole, IdentityRefusal, LogonRefusal, NotAppliedCount, RateLimit,
    RepeatedLogon, RetransmitUuid, SecondConnection, SplitPenalty, TerminateStamp, UnaskedGap,
    UnboundUuid,
};
pub use self::gateway::{Delayed, Identity, Pieces, REFUSAL_MAX, identity, refuse, turn_away};
use self::gateway::{Gateway, Judging, Serving, Turn};
pub use self::guard::Halted;
use self::keepalive::Pulse;
use self::letter::{Letter, Request, Retransmit};
use self::not_applied::{Resending, Said};
use self::retransmit::Fetching;
pub use self::retransmit::Underway;
pub use self::script::{Answer, On, ScriptFull};
pub use self::sending::SEQ_MAX;
pub use self::settings::{
    ClientSettings, GatewaySettings, Lane, OnNotApplied, Role, Settings, SettingsError, Unanswered,
    Unconsumed, UnknownPrevious, Unserved, UuidRule,
};
pub use self::tally::Tally;
pub use super::fix::{Origin, Phase, Replayed, Sent, Unparked};
use crate::session::{Cause, Class, Full, InboundAt, SeriesOutbox, Text};
use crate::time::{Mono, Now, Utc};
pub use crate::wire::sbe::Frame;

/// What the caller must do after it handed something to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Nothing.
    Done,
    /// There was no room to keep the message. Nothing has changed: offer the same bytes again later.
    Retry(Full),
    /// The session is established now: tell the application.
    LoggedOn,
    /// Give the message to the application, then call [`Session::delivered`].
    Deliver(Delivery),
    /// The exchange did not apply messages of ours: tell the application.
    NotApplied(NotApplied),
    /// A new UUID was negotiated, and of messages of ours under the last one it is not known whether they
    /// were applied: tell the application.
    Unconfirmed(Unconfirmed),
    /// Messages of the exchange were asked for and will not come: tell the application.
    Missed(Missed),
    /// On a backup connection: the primary gateway has failed and this one is the primary now. Its next
    /// message has this number. Call [`Session::take_over`] of the primary's session.
    Promoted(u64),
    /// Close the connection now.
    Close(Cause),
    /// Close the connection as soon as everything committed is on the wire.
    CloseAfterFlush(Cause),
}

/// How a message reached the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// UUID of the series the number is of: the current one, an earlier one, or 0.
    pub series: u64,
    /// SeqNum.
    pub seq: u64,
    /// PossRetransFlag=1: it comes by retransmission, and it has not been delivered before.
    pub retransmitted: bool,
    /// Of a gateway: why it was held up, which belongs into SplitMsg(9553) of every answer. What the
    /// application sends before it returns is given it here.
    pub delayed: Option<Delayed>,
}

/// Messages of ours that the exchange did not apply. None of them will be applied, unless they are sent
/// again, and a number is told as not sent again only once in a run. Of messages sent at about the same
/// time more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotApplied {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// They are sent again: [`OnNotApplied::Resend`]. Otherwise they are not, and are lost.
    pub resent: bool,
}

/// Messages of ours under a UUID that is left, or behind one that was not applied when the connection was lost.
/// The exchange says NotApplied(513) at an Establish under the same UUID only, and of what it is missing then,
/// so it will not say any more which of these it has not applied. Those that it has it answers, and what it
/// has published is fetched: one that stays without an answer was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// UUID of their series.
    pub series: u64,
    /// The first: the one that followed the last logon under that UUID, or what NotApplied was said of; 1 if
    /// that was before this session was made.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// Messages of the exchange that will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// UUID of their series.
    pub series: u64,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// What the application says to a message it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Accept,
    /// A gateway answers with a BusinessReject(521); a client has no such answer and counts the message.
    BusinessReject {
        /// BusinessRejectReason(380).
        reason: u16,
        /// Text(58).
        text: Text,
    },
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The framing header is not that of a message: framing is lost.
    Sofh,
    /// The frame is not a message of the schema.
    Undecodable,
}

/// One FIXP session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    /// Business messages of the peer that wait behind a gap, ascending; allocated once.
    parked: VecDeque<Parked>,
    /// A message that the application has and has not answered.
    delivering: Option<Delivering>,
    /// RequestTimestamp of what we said last: it must grow.
    last_stamp: u64,
    client: Client,
    gateway: Gateway,
    tally: Tally,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // boxed, it would be allocated at every logon
enum State {
    Down,
    /// A client's Negotiate is out.
    NegotiateSent(Asked),
    /// A client's Establish is out.
    EstablishSent(Asked),
    /// A gateway waits for the first message.
    Accepted {
        give_up: Mono,
    },
    /// A gateway has a Negotiate whose signature is not verified yet.
    Negotiating(Judging),
    /// A gateway has answered a Negotiate.
    Negotiated {
        give_up: Mono,
    },
    /// A gateway has an Establish whose signature is not verified yet.
    Establishing(Judging),
    Up(Up),
    TerminateSent(TerminateSent),
    Closing {
        was_up: bool,
    },
}

/// A logon message of ours that is not answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    give_up: Mono,
    uuid: u64,
    stamp: u64,
    /// RequestTimestamp of the one it repeats, or its own.
    earliest: u64,
    /// It was sent twice.
    again: bool,
    /// Of an Establish: the first under its UUID.
    first: bool,
}

/// Established.
#[derive(Debug)]
struct Up {
    pulse: Pulse,
    /// A logout that waits until a retransmission has ended.
    leaving: Option<Text>,
    /// What a client is missing.
    fetching: Fetching,
    /// NextSeqNo of a client's Establish, until a NotApplied came.
    opening: Option<u64>,
    /// What a client sends again.
    resending: Option<Resending>,
    /// Which numbers our Sequences have passed over.
    said: Said,
    /// What a gateway sends again.
    serving: Option<Serving>,
    /// A gateway has said NotApplied, and the hole is open.
    hole: bool,
    /// A gateway withholds its answer to a Terminate.
    terminating: bool,
    /// It goes on over what was the backup, and the client has not said a number there yet: what it said
    /// before it knew is under way, and what was lost with the primary is not passed over.
    taken_over: bool,
}

/// Our Terminate with code 0 is out, and is to be answered.
#[derive(Clone, Copy, Debug)]
struct TerminateSent {
    give_up: Mono,
    stamp: u64,
}

/// A message that waits behind a gap.
#[derive(Clone, Copy, Debug)]
struct Parked {
    seq: u64,
    at: InboundAt,
}

/// What the application has.
#[derive(Clone, Copy, Debug)]
struct Delivering {
    series: u64,
    seq: u64,
    /// Of a gateway: its template, for a BusinessReject.
    template: u16,
}

impl Session {
    /// A session that is down.
    ///
    /// # Errors
    /// A setting that cannot be accepted.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let parked = match settings.role {
            Role::Initiator => settings.client.parked_max,
            Role::Acceptor => 0,
        };
        Ok(Self {
            state: State::Down,
            parked: VecDeque::with_capacity(parked),
            delivering: None,
            last_stamp: 0,
            client: Client::new(&settings.client),
            gateway: Gateway::new(&settings),
            tally: Tally::default(),
            settings,
        })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where its connection stands. A client whose Negotiate or Establish is out, and a gateway that has
    /// answered a Negotiate, are in [`Phase::LogonSent`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Down | State::Accepted { .. } => Phase::Down,
            State::NegotiateSent(_)
            | State::EstablishSent(_)
            | State::Negotiating(_)
            | State::Negotiated { .. }
            | State::Establishing(_) => Phase::LogonSent,
            State::Up(_) => Phase::Up,
            State::TerminateSent(_) => Phase::LogoutSent,
            State::Closing { .. } => Phase::Closing,
        }
    }

    /// What it has counted since it was made.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many messages wait: behind a gap, or at a gateway for a penalty.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len() + self.gateway.penalty.len()
    }

    /// A connection stands. A client logs on; a gateway waits for the client's first message.
    pub fn connected<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Step {
        self.recall(out);
        match self.settings.role {
            Role::Initiator => self
                .log_on(now, out)
                .unwrap_or_else(|full| self.no_room(full)),
            Role::Acceptor => {
                self.await_logon(now);
                Step::Done
            }
        }
    }

    /// Takes one sound frame.
    ///
    /// Bytes that are no sound frame go to [`Session::broken`] instead.
    pub fn receive<O: SeriesOutbox>(
        &mut self,
        now: Now,
        frame: &Frame<'_>,
        origin: Origin,
        out: &mut O,
    ) -> Step {
        self.take(now, frame, origin, None, out)
    }

    /// Takes one sound frame from the wire that did not come whole, or not in order, as far as the caller
    /// can tell. To a client it makes no difference; see [`GatewaySettings::split`].
    pub fn receive_in_pieces<O: SeriesOutbox>(
        &mut self,
        now: Now,
        frame: &Frame<'_>,
        pieces: Pieces,
        out: &mut O,
    ) -> Step {
        self.take(now, frame, Origin::Wire, Some(pieces), out)
    }

    fn take<O: SeriesOutbox>(
        &mut self,
        now: Now,
        frame: &Frame<'_>,
        origin: Origin,
        pieces: Option<Pieces>,
        out: &mut O,
    ) -> Step {
        if let State::Closing { .. } = self.state {
            self.still_sends(now, out);
            return Step::Done;
        }
        if let State::Down = self.state {
            if self.settings.role == Role::Initiator {
                return Step::Done;
            }
            self.recall(out);
            // A gateway whose caller has read the first message before it knew which session it is for.
            self.await_logon(now);
        }
        let letter = Letter::read(frame);
        let mut at = None;
        let mut turn = Turn::Now;
        if origin == Origin::Wire {
            turn = self.turn_of(now, pieces, letter.as_ref());
            if turn == Turn::NoRoom {
                // It stays with the caller until those before it have gone on.
                return Step::Retry(Full::Segment);
            }
            let business = match letter {
                Some(Letter::Business(business)) => business.seq.map(u64::from),
                _ => None,
            };
            let seq = business.unwrap_or_default();
            // Only a message that waits behind a gap must be kept; the rest is the outbox's choice.
            let may_wait = matches!(self.state, State::Up(_)) && seq > out.next_in()
                || matches!(turn, Turn::Later(_));
            at = match out.keep_inbound(seq, frame.bytes(), &[], may_wait, now.utc) {
                Ok(at) => at,
                Err(Full::TooLong) => {
                    return self
                        .fault(now, Fault::TooLong, letter.as_ref(), out)
                        .unwrap_or_else(|full| self.no_room(full));
                }
                Err(full) => return Step::Retry(full),
            };
            if let State::Up(up) = &mut self.state {
                let late = up.pulse.heard(now.mono);
                self.tally.slow_reads += u64::from(late);
            }
            self.tally.messages_in += 1;
            self.heard_behind(now.mono);
        }
        let Some(letter) = letter else {
            return self.broken(now, Broken::Undecodable, out);
        };
        let done = match (self.settings.role, turn, at) {
            (Role::Initiator, _, at) => self.client_receives(now, &letter, at, out),
            (Role::Acceptor, Turn::Later(delayed), Some(at)) => {
                self.hold_up(now, delayed, &letter, at);
                return Step::Done;
            }
            (Role::Acceptor, Turn::TooMany, _) => self.too_many_wait(now, &letter, out),
            (Role::Acceptor, _, _) => self.gateway_takes(now, &letter, out),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// Takes bytes that are no sound frame.
    pub fn broken<O: SeriesOutbox>(&mut self, now: Now, why: Broken, out: &mut O) -> Step {
        if let State::Closing { .. } = self.state {
            return Step::Done;
        }
        let fault = match why {
            Broken::Sofh => Fault::Sofh,
            Broken::Undecodable => Fault::Undecodable,
        };
        self.fault(now, fault, None, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    /// Ends the delivery of a business message with what the application said to it.
    pub fn delivered<O: SeriesOutbox>(&mut self, now: Now, verdict: Verdict, out: &mut O) -> Step {
        let Some(delivering) = self.delivering.take() else {
            return Step::Done;
        };
        let done = match self.settings.role {
            Role::Initiator => self.took(now, delivering, out),
            Role::Acceptor => self.applied(now, delivering, verdict, out),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// What waited, behind a gap or for a penalty, and can go on now. To be called until it answers
    /// [`Unparked::Nothing`].
    pub fn next_parked<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Unparked {
        if self.settings.role == Role::Acceptor {
            return self.next_held_up(now);
        }
        if !matches!(self.state, State::Up(_) | State::TerminateSent(_)) {
            return Unparked::Nothing;
        }
        let next = out.next_in();
        while let Some(first) = self.parked.front() {
            if first.seq > next {
                return Unparked::Nothing;
            }
            let due = (first.seq == next).then_some(first.at);
            self.parked.pop_front();
            if let Some(at) = due {
                return Unparked::Message(at);
            }
        }
        Unparked::Nothing
    }

    /// When [`Session::timeout`] must be called next; may move with every message.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let due = match &self.state {
            State::NegotiateSent(asked) | State::EstablishSent(asked) => Some(asked.give_up),
            State::Accepted { give_up } | State::Negotiated { give_up } => Some(*give_up),
            State::Negotiating(judging) | State::Establishing(judging) => Some(judging.give_up),
            State::Up(up) => [Some(up.pulse.deadline()), up.fetching.deadline()]
                .into_iter()
                .flatten()
                .min(),
            State::TerminateSent(sent) => Some(sent.give_up),
            State::Down | State::Closing { .. } => None,
        };
        [due, self.penalty_ends()].into_iter().flatten().min()
    }

    /// Does what is due by now. Harmless when called early.
    ///
    /// What has arrived must be handed in before: a peer whose bytes wait in the socket is not silent.
    pub fn timeout<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Step {
        let is_due = |give_up: &Mono| now.mono >= *give_up;
        let done = match &self.state {
            State::NegotiateSent(asked) if is_due(&asked.give_up) => {
                self.unanswered(now, *asked, Fault::NegotiateTimeout, out)
            }
            State::EstablishSent(asked) if is_due(&asked.give_up) => {
                self.unanswered(now, *asked, Fault::EstablishTimeout, out)
            }
            State::Accepted { give_up } if is_due(give_up) => {
                self.fault(now, Fault::NoLogon, None, out)
            }
            State::Negotiated { give_up } if is_due(give_up) => {
                self.fault(now, Fault::EstablishmentTimeout, None, out)
            }
            State::Negotiating(judging) | State::Establishing(judging) if is_due(&judging.give_up) => {
                self.hmac_unavailable(now, *judging, out)
            }
            State::TerminateSent(sent) if is_due(&sent.give_up) => {
                self.fault(now, Fault::TerminateTimeout, None, out)
            }
            State::Up(_) => match self.keep_alive(now, out) {
                Ok(Step::Done) => self.fetch_due(now, out),
                done => done,
            },
            _ => Ok(Step::Done),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// Sends again up to `budget` messages of what was asked for.
    pub fn replay<O: SeriesOutbox>(&mut self, now: Now, budget: usize, out: &mut O) -> Replayed {
        match self.settings.role {
            Role::Initiator => self.resend(now, budget, out),
            Role::Acceptor => self.serve(now, budget, out),
        }
    }

    /// Whether [`Session::replay`] has something to do.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.serving.is_some() || up.resending.is_some_and(|resending| resending.is_running()))
    }

    /// Tells the session that its connection is gone. Answers whether the application had been told
    /// of a logon, and so must now be told of its end.
    pub fn disconnected<O: SeriesOutbox>(&mut self, _: Now, out: &mut O) -> bool {
        let was_up = self.was_up();
        self.connection_lost();
        self.give_up_not_applied(out);
        self.keep_fetching();
        self.parked.clear();
        self.delivering = None;
        self.state = State::Down;
        was_up
    }

    fn was_up(&self) -> bool {
        match self.state {
            State::Up(_) | State::TerminateSent(_) => true,
            State::Closing { was_up } => was_up,
            _ => false,
        }
    }

    /// The session is established no longer: what is missing of earlier UUIDs is missing still.
    fn keep_fetching(&mut self) {
        if let State::Up(up) = &self.state {
            self.client.left = up.fetching.of_earlier(0);
        }
    }

    /// A gateway waits for the first message of a connection.
    fn await_logon(&mut self, now: Now) {
        self.penalty_begins_anew();
        let give_up = now.mono + self.settings.gateway.logon_timeout;
        self.state = State::Accepted { give_up };
    }

    /// Finds again, at the first connection of a run, which RequestTimestamps were used before it, and which
    /// UUIDs are of a week that is over.
    fn recall<O: SeriesOutbox>(&mut self, out: &O) {
        let latest = out.latest().0;
        if self.settings.role == Role::Acceptor && self.gateway.floor == 0 {
            self.gateway.floor = out.last_of_weeks_before();
        }
        match self.settings.role {
            Role::Initiator if self.last_stamp == 0 => self.last_stamp = latest,
            Role::Acceptor if self.gateway.last_request == 0 => {
                // Before the first Negotiate there is nothing that could be heard twice.
                if out.series() != 0 || out.previous_series().is_some() {
                    self.gateway.last_request = latest.saturating_sub(1);
                }
            }
            Role::Initiator | Role::Acceptor => {}
        }
    }

    /// RequestTimestamp of what we say now.
    fn stamp(&mut self, now: Now) -> u64 {
        let before = self.last_stamp.max(self.client.stamps_of_backup);
        self.last_stamp = now.utc.0.max(before + 1);
        self.last_stamp
    }

    /// Sends a message of the session layer.
    fn say<O: SeriesOutbox>(&mut self, now: Now, letter: &Letter<'_>, out: &mut O) -> Result<(), Full> {
        let delayed = self.gateway.penalty.answering();
        write_letter(now, &self.settings, letter, delayed, out)?;
        self.spoke(now);
        Ok(())
    }

    /// Something was sent: the next Sequence is due one interval from now.
    fn spoke(&mut self, now: Now) {
        if let State::Up(up) = &mut self.state {
            up.pulse.spoke(now.mono);
        }
    }

    /// Acts on a fault as the catalogue says. `over` is the message it is about.
    fn fault<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.tally.note(fault);
        match fault.disposition() {
            Disposition::Ignore => Ok(Step::Done),
            Disposition::Close => Ok(self.close(Cause::FixpFault(fault))),
            Disposition::Terminate(code) => self.terminate_over(now, fault, code, over, out),
            Disposition::Reject(code) => self.reject_logon(now, fault, code, over, out),
            Disposition::RetransmitReject(code) => self.reject_retransmit(now, fault, code, over, out),
            Disposition::BusinessReject(reason) => {
                self.reject_business(now, reason, fault.text(), over, out)
            }
            Disposition::NotApplied => self.not_applied(now, fault, out),
        }
    }

    /// Closes the connection without another byte.
    fn close(&mut self, cause: Cause) -> Step {
        let was_up = self.was_up();
        self.keep_fetching();
        self.drop_held_up();
        self.state = State::Closing { was_up };
        Step::Close(cause)
    }

    /// Closes the connection once everything committed is on the wire.
    fn close_after_flush(&mut self, cause: Cause) -> Step {
        let was_up = self.was_up();
        self.keep_fetching();
        self.drop_held_up();
        self.state = State::Closing { was_up };
        Step::CloseAfterFlush(cause)
    }

    /// There is no room for a session-level message although room is reserved for them: the peer
    /// does not read, or the journal cannot grow.
    fn no_room(&mut self, full: Full) -> Step {
        let cause = match full {
            Full::Unsent => {
                self.tally.note(Fault::SlowConsumer);
                Cause::FixpFault(Fault::SlowConsumer)
            }
            Full::Segment | Full::Storage | Full::TooLong => Cause::NoRoom(full),
        };
        self.close(cause)
    }
}

/// Writes a message of the session layer in place and publishes it.
fn write_letter<O: SeriesOutbox>(
    now: Now,
    settings: &Settings,
    letter: &Letter<'_>,
    delayed: Option<Delayed>,
    out: &mut O,
) -> Result<(), Full> {
    let room = out.claim(Class::Control, letter::ROOM)?;
    let len = letter
        .write(room, settings.schema_version, settings.lane, delayed)
        .expect("invariant: checked settings fit the fields, and every letter its room");
    out.commit_unnumbered(0..len, kept_at(now.utc, letter));
    Ok(())
}

/// How far a client's clock may be ahead for its RequestTimestamp to be found again after a restart.
const AHEAD_MAX_NS: u64 = 5_000_000_000;

/// The time a letter is kept with: not before its RequestTimestamp, from which [`Session::recall`] goes on.
fn kept_at(now: Utc, letter: &Letter<'_>) -> Utc {
    match letter {
        Letter::Negotiate(Request {
            stamp: Some(stamp), ..
        })
        | Letter::Establish(Request {
            stamp: Some(stamp), ..
        })
        | Letter::RetransmitRequest(Retransmit {
            stamp: Some(stamp), ..
        }) => now.max(Utc(*stamp)),
        // The client's stamp: one far ahead is not to date records of ours.
        Letter::NegotiationResponse(response) | Letter::EstablishmentAck(response) => {
            let behind = response.stamp.saturating_add(1);
            now.max(Utc(behind.min(now.0.saturating_add(AHEAD_MAX_NS))))
        }
        _ => now,
    }
}

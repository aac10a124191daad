//! Messages of a client that came in pieces wait, and so does what comes behind them.
//!
//! Invariant: what waits has no effect, above all on the number expected next. It goes on in the order in
//! which it came, or not at all: when the connection ends first, the client is told with Terminate(507) 28, or
//! with a reject of its logon, and finds the numbers not applied.
//!
//! Terminate(507) alone does not wait; were it queued, nothing would ever be found waiting at a logout.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::letter::{Letter, Request, Terms};
use super::super::settings::Settings;
use super::super::{Fault, Role, Session, State, Step, Unparked};
use crate::session::{Cause, Full, InboundAt, SeriesOutbox};
use crate::time::{Mono, Now};

/// How many whole messages may wait behind those that came in pieces. More stay with the caller.
const BEHIND_MAX: usize = 64;

/// How long a client may not have read a Terminate yet: what comes within it was under way.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// How a message came that did not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// Its bytes were spread over more than one packet.
    Split,
    /// Its bytes did not come in order. A reader of a TCP socket never sees that.
    OutOfOrder,
}

/// Why a message was held up: SplitMsg(9553) of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delayed {
    /// It was split.
    Split,
    /// It came out of order.
    OutOfOrder,
    /// It was whole, and came behind one that was not.
    Behind,
}

impl Delayed {
    /// SplitMsg(9553).
    #[must_use]
    pub fn split_msg(self) -> u8 {
        match self {
            Self::Split => 0,
            Self::OutOfOrder => 1,
            Self::Behind => 2,
        }
    }
}

impl From<Pieces> for Delayed {
    fn from(pieces: Pieces) -> Self {
        match pieces {
            Pieces::Split => Self::Split,
            Pieces::OutOfOrder => Self::OutOfOrder,
        }
    }
}

/// When a message that has just come is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Turn {
    Now,
    /// It waits, and for that its answers say this.
    Later(Option<Delayed>),
    /// As many that came in pieces wait as may, and this is another.
    TooMany,
    /// There is no room to have it wait.
    NoRoom,
}

/// The queue.
#[derive(Debug, Default)]
pub(in super::super) struct Penalty {
    /// Allocated once.
    waiting: VecDeque<Waiting>,
    /// How many of them came in pieces.
    in_pieces: usize,
    /// Nothing goes on before.
    until: Mono,
    /// What the message that is being dealt with has waited for.
    answering: Option<Delayed>,
    /// The session was ended because too many waited: a client that sends on from this time has been told.
    exceeded: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    at: InboundAt,
    delayed: Option<Delayed>,
    logon: Option<Logon>,
}

/// A Negotiate(500) or Establish(503), as far as a reject echoes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logon {
    pub(super) uuid: Option<u64>,
    pub(super) stamp: Option<u64>,
    pub(super) establish: bool,
}

impl Logon {
    fn of(letter: &Letter<'_>) -> Option<Self> {
        let (Letter::Negotiate(request) | Letter::Establish(request)) = letter else {
            return None;
        };
        Some(Self {
            uuid: request.uuid,
            stamp: request.stamp,
            establish: request.terms.is_some(),
        })
    }

    /// The message, without what no reject says.
    pub(super) fn letter(self) -> Letter<'static> {
        let terms = Terms {
            system_name: &[],
            system_version: &[],
            system_vendor: &[],
            next_seq_no: None,
            keep_alive_ms: None,
        };
        let request = Request {
            signature: &[],
            access_key_id: &[],
            uuid: self.uuid,
            stamp: self.stamp,
            session: &[],
            firm: &[],
            terms: self.establish.then_some(terms),
        };
        if self.establish {
            Letter::Establish(request)
        } else {
            Letter::Negotiate(request)
        }
    }
}

impl Penalty {
    pub(super) fn new(settings: &Settings) -> Self {
        let room = match (settings.role, settings.gateway.split) {
            (Role::Acceptor, Some(split)) => split.queue_max + BEHIND_MAX,
            _ => 0,
        };
        Self {
            waiting: VecDeque::with_capacity(room),
            ..Self::default()
        }
    }

    pub(in super::super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What the message that is being dealt with has waited for.
    pub(in super::super) fn answering(&self) -> Option<Delayed> {
        self.answering
    }

    pub(in super::super) fn answered(&mut self) {
        self.answering = None;
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.in_pieces = 0;
        self.answering = None;
    }

    fn logon(&self) -> Option<Logon> {
        self.waiting.iter().find_map(|waiting| waiting.logon)
    }
}

impl Session {
    /// When a message that has just come from the wire is dealt with.
    pub(in super::super) fn turn_of(
        &self,
        now: Now,
        pieces: Option<Pieces>,
        letter: Option<&Letter<'_>>,
    ) -> Turn {
        let penalty = &self.gateway.penalty;
        if pieces.is_none() && penalty.is_empty() {
            return Turn::Now;
        }
        let (Role::Acceptor, Some(split), Some(letter)) =
            (self.settings.role, self.settings.gateway.split, letter)
        else {
            return Turn::Now;
        };
        // Behind a Terminate of ours only the answer to it counts, and that is one.
        if matches!(
            (letter, &self.state),
            (Letter::Terminate(_), _) | (_, State::TerminateSent(_))
        ) {
            return Turn::Now;
        }
        if pieces.is_some() && penalty.in_pieces >= split.queue_max {
            return Turn::TooMany;
        }
        if penalty.len() >= split.queue_max + BEHIND_MAX {
            return Turn::NoRoom;
        }
        let behind = (now.mono < penalty.until).then_some(Delayed::Behind);
        Turn::Later(pieces.map(Delayed::from).or(behind))
    }

    /// Has a message wait that is kept already.
    pub(in super::super) fn hold_up(
        &mut self,
        now: Now,
        delayed: Option<Delayed>,
        letter: &Letter<'_>,
        at: InboundAt,
    ) {
        let Some(split) = self.settings.gateway.split else {
            return;
        };
        let penalty = &mut self.gateway.penalty;
        if matches!(delayed, Some(Delayed::Split | Delayed::OutOfOrder)) {
            penalty.in_pieces += 1;
            penalty.until = penalty.until.max(now.mono + split.delay);
        }
        penalty.waiting.push_back(Waiting {
            at,
            delayed,
            logon: Logon::of(letter),
        });
        self.tally.held_up += u64::from(delayed.is_some());
    }

    /// What has waited long enough.
    pub(in super::super) fn next_held_up(&mut self, now: Now) -> Unparked {
        let penalty = &mut self.gateway.penalty;
        penalty.answering = None;
        if now.mono < penalty.until {
            return Unparked::Nothing;
        }
        let Some(next) = penalty.waiting.pop_front() else {
            return Unparked::Nothing;
        };
        if matches!(next.delayed, Some(Delayed::Split | Delayed::OutOfOrder)) {
            penalty.in_pieces -= 1;
        }
        penalty.answering = next.delayed;
        Unparked::Message(next.at)
    }

    /// When what waits goes on, if anything waits.
    #[must_use]
    pub fn penalty_ends(&self) -> Option<Mono> {
        let penalty = &self.gateway.penalty;
        (!penalty.is_empty()).then_some(penalty.until)
    }

    pub(in super::super) fn is_holding_up(&self) -> bool {
        !self.gateway.penalty.is_empty()
    }

    /// A message, whether it waited or not, and then a logout that waited for it.
    pub(in super::super) fn gateway_takes<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let step = self.gateway_receives(now, letter, out)?;
        if let Step::Deliver(_) = step {
            return Ok(step);
        }
        self.gateway.penalty.answered();
        match step {
            Step::Done => self.leave_if_wished(now, out),
            step => Ok(step),
        }
    }

    /// As many wait as may, and this is another.
    pub(in super::super) fn too_many_wait<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.gateway.penalty.exceeded = Some(now.mono + UNDER_WAY);
        let logon = self.gateway.penalty.logon().or(Logon::of(letter));
        let faults = [Fault::LogonSplitQueue, Fault::SplitQueue];
        self.refuse_held_up(now, logon, Some(letter), faults, out)
    }

    /// A logout while messages wait: they are rejected. `letter` is the client's Terminate.
    pub(in super::super) fn reject_held_up<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let logon = self.gateway.penalty.logon();
        let faults = [Fault::LogonSplitRejected, Fault::SplitRejected];
        match self.refuse_held_up(now, logon, letter, faults, out)? {
            // Whoever wants to leave does not stay to try again, as after another reject that leaves the
            // connection.
            Step::Done => Ok(self.close_after_flush(Cause::FixpFault(faults[0]))),
            step => Ok(step),
        }
    }

    /// Says the first fault over a logon, or the second if there is none or the session is established.
    fn refuse_held_up<O: SeriesOutbox>(
        &mut self,
        now: Now,
        logon: Option<Logon>,
        letter: Option<&Letter<'_>>,
        [of_logon, of_session]: [Fault; 2],
        out: &mut O,
    ) -> Result<Step, Full> {
        let bound = matches!(self.state, State::Up(_));
        let penalty = &mut self.gateway.penalty;
        penalty.answering = penalty.waiting.front().and_then(|first| first.delayed);
        let step = match logon.filter(|_| !bound).map(Logon::letter) {
            Some(logon) => self.fault(now, of_logon, Some(&logon), out),
            None => self.fault(now, of_session, letter, out),
        };
        self.drop_held_up();
        step
    }

    /// What waits is not applied.
    pub(in super::super) fn drop_held_up(&mut self) {
        self.tally.held_up_dropped += self.gateway.penalty.len() as u64;
        self.gateway.penalty.clear();
    }

    /// The connection has ended without another word.
    pub(in super::super) fn connection_lost(&mut self) {
        if self.is_holding_up() {
            self.tally.note(Fault::SplitRejected);
            self.drop_held_up();
        }
    }

    /// Another message on a connection that is being closed. Half a second after a Terminate 29 and later it
    /// counts as an invalid logon: its client does not heed it. Before that it may have been under way.
    pub fn still_sends<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) {
        let told = self.gateway.penalty.exceeded;
        if told.is_some_and(|from| now.mono >= from) && self.is_one_too_many(now) {
            self.close_port(out);
        }
    }

    pub(in super::super) fn penalty_begins_anew(&mut self) {
        self.gateway.penalty.exceeded = None;
    }
}

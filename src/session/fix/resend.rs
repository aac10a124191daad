//! Answering a ResendRequest(2): a cursor over what was sent, moved a bounded step per cycle.
//!
//! Application messages are sent again from the very bytes that went out; each run of anything else
//! becomes one SequenceReset-GapFill. Nothing here moves the next outgoing number.

use super::compose::Pen;
use super::content::{self, Kind};
use super::tally::Tally;
use super::{Session, State};
use crate::session::{Fault, Full, Outbox, Stored};
use crate::time::Now;
use crate::wire::fix::{FieldIndex, Message, tag};

/// How often the same ResendRequest is served in a row while we have nothing new to say.
const SAME_REQUEST_MAX: u32 = 5;

/// EndSeqNo(16) that older versions write for "and everything after"; read so in every version.
const OPEN_END_BEFORE_42: u64 = 999_999;

/// How many numbers are looked at per message of a step's budget: a run of session-level messages is
/// cheap to pass over, but not free.
const LOOKED_AT_PER_MESSAGE: usize = 64;

/// What a step of a resend came to; see [`Session::replay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replayed {
    /// There was nothing to serve, or it is finished.
    Finished,
    /// There is more to serve, in the next cycle.
    More,
    /// The outbox is full: go on when the socket has taken something.
    Waiting,
}

/// What became of one message of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// It is in the outbox again.
    Sent,
    /// There is nothing readable under its number: to be gap-filled.
    Unreadable,
}

/// A request being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Serving {
    /// The next number to look at.
    next: u64,
    /// The last number asked for.
    end: u64,
    /// Where a run of numbers that are not sent again began.
    gap_from: Option<u64>,
}

/// Remembers the last request, to notice one that comes over and over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repeats {
    begin: u64,
    end: u64,
    next_out: u64,
    count: u32,
}

impl Repeats {
    /// Whether this request has now come too often.
    fn too_many(&mut self, begin: u64, end: u64, next_out: u64) -> bool {
        let same = (self.begin, self.end, self.next_out) == (begin, end, next_out);
        let count = if same { self.count + 1 } else { 1 };
        *self = Self {
            begin,
            end,
            next_out,
            count,
        };
        count > SAME_REQUEST_MAX
    }
}

impl Serving {
    /// Everything from `begin` to `end` is to be sent again.
    pub(super) fn of(begin: u64, end: u64) -> Self {
        Self {
            next: begin,
            end,
            gap_from: None,
        }
    }

    /// One more request while this one is served: what is left of this one and all of that one.
    fn merge(&mut self, other: Self) {
        let next = self.gap_from.unwrap_or(self.next);
        *self = Self {
            next: next.min(other.next),
            end: self.end.max(other.end),
            gap_from: None,
        };
    }

    fn step<O: Outbox>(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        pen: &mut Pen,
        tally: &mut Tally,
        out: &mut O,
    ) -> Replayed {
        let mut messages = 0;
        for _ in 0..budget.saturating_mul(LOOKED_AT_PER_MESSAGE) {
            if self.next > self.end {
                return match self.fill_gap(now, pen, tally, out) {
                    Ok(()) => Replayed::Finished,
                    Err(_) => Replayed::Waiting,
                };
            }
            if messages == budget {
                break;
            }
            if out.stored(self.next) == Stored::Application {
                if self.fill_gap(now, pen, tally, out).is_err() {
                    return Replayed::Waiting;
                }
                match pen.replay(now, self.next, index, out) {
                    Ok(Copied::Sent) => {
                        tally.resent += 1;
                        messages += 1;
                        self.next += 1;
                        continue;
                    }
                    // Unreadable after all: passed over like a message that is not there.
                    Ok(Copied::Unreadable) => {}
                    Err(_) => return Replayed::Waiting,
                }
            }
            self.gap_from.get_or_insert(self.next);
            self.next += 1;
        }
        Replayed::More
    }

    fn fill_gap<O: Outbox>(
        &mut self,
        now: Now,
        pen: &mut Pen,
        tally: &mut Tally,
        out: &mut O,
    ) -> Result<(), Full> {
        if let Some(from) = self.gap_from {
            pen.gap_fill(now, from, self.next, out)?;
            tally.gap_fills_out += 1;
            self.gap_from = None;
        }
        Ok(())
    }
}

impl Session {
    /// Takes a ResendRequest on: checks its range and leaves the work to [`Session::replay`].
    pub(super) fn take_request<O: Outbox>(
        &mut self,
        message: &Message<'_>,
        out: &O,
    ) -> Result<(), Fault> {
        content::check_body(message, Kind::ResendRequest)?;
        self.tally.resend_requests_in += 1;
        let next_out = out.next_out();
        let begin = message.uint(tag::BEGIN_SEQ_NO).unwrap_or_default();
        let end = match message.uint(tag::END_SEQ_NO).unwrap_or_default() {
            0 | OPEN_END_BEFORE_42 => next_out - 1,
            end => end.min(next_out - 1),
        };
        if begin == 0 || begin >= next_out {
            return Err(Fault::ResendRange {
                tag: tag::BEGIN_SEQ_NO,
            });
        }
        if begin > end {
            return Err(Fault::ResendRange {
                tag: tag::END_SEQ_NO,
            });
        }
        let (serving, repeats) = match &mut self.state {
            State::Up(up) => (&mut up.serving, &mut up.repeats),
            State::LogoutSent(logout) => (&mut logout.serving, &mut logout.repeats),
            _ => return Ok(()),
        };
        if repeats.too_many(begin, end, next_out) {
            return Err(Fault::ResendRepeated);
        }
        let request = Serving::of(begin, end);
        match serving {
            Some(running) => running.merge(request),
            None => *serving = Some(request),
        }
        Ok(())
    }

    /// Whether a ResendRequest of the peer is being served.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        match &self.state {
            State::Up(up) => up.serving.is_some(),
            State::LogoutSent(logout) => logout.serving.is_some(),
            _ => false,
        }
    }

    /// Serves the peer's ResendRequest up to `budget` messages further.
    ///
    /// `index` is scratch space of the caller.
    pub fn replay<O: Outbox>(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        out: &mut O,
    ) -> Replayed {
        let serving = match &mut self.state {
            State::Up(up) => &mut up.serving,
            State::LogoutSent(logout) => &mut logout.serving,
            _ => return Replayed::Finished,
        };
        let Some(range) = serving else {
            return Replayed::Finished;
        };
        let sent = |tally: &Tally| tally.resent + tally.gap_fills_out;
        let before = sent(&self.tally);
        let replayed = range.step(now, budget, index, &mut self.pen, &mut self.tally, out);
        self.resent_below = self.resent_below.max(range.next);
        if replayed == Replayed::Finished {
            *serving = None;
        }
        if let State::Up(up) = &mut self.state
            && sent(&self.tally) > before
        {
            up.pulse.spoke(now.mono);
        }
        replayed
    }
}

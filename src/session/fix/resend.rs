//! Answering a ResendRequest(2): a cursor over what was sent, moved a bounded step per cycle.
//!
//! Application messages are sent again from the very bytes that went out; each run of anything else
//! becomes one SequenceReset-GapFill. Nothing here moves the next outgoing number.

use super::compose::Pen;
use super::content::{self, Kind};
use super::policy::{ResendFrom, ResendSettings};
use super::tally::Tally;
use super::{Session, State};
use crate::session::{Fault, Full, Outbox, Stored};
use crate::time::Now;
use crate::wire::fix::{FieldIndex, Message, msg_type, tag};

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

/// A message of ours that is to be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// MsgSeqNum(34).
    pub(super) seq: u64,
    /// How long the peer lets its copy be, in bytes.
    pub(super) limit: Option<u64>,
}

/// What became of one message of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// It is in the outbox again.
    Sent,
    /// There is nothing readable under its number: to be gap-filled.
    Unreadable,
    /// It is not to be sent again: to be gap-filled.
    Unwanted,
    /// Its copy is longer than the peer takes: to be gap-filled.
    TooLong,
}

/// Who is asked, and told, about each message of a resend. Called inside a bounded step: what it does
/// delays the core.
pub trait ResendJudge {
    /// Whether `original`, an application message as it went out, is still to be sent. If not, a gap
    /// fill takes its place.
    fn is_wanted(&mut self, original: &Message<'_>) -> bool;

    /// There should be a record of what was sent as `seq`, but it cannot be read. A gap fill takes its
    /// place.
    fn unreadable(&mut self, seq: u64);

    /// What was sent as `seq` is longer as a copy than the `limit` in bytes, MaxMessageSize(383), that the
    /// peer has named since. A gap fill takes its place.
    fn too_long(&mut self, seq: u64, limit: u64);
}

/// Everything is sent again.
impl ResendJudge for () {
    fn is_wanted(&mut self, _: &Message<'_>) -> bool {
        true
    }

    fn unreadable(&mut self, _: u64) {}

    fn too_long(&mut self, _: u64, _: u64) {}
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
    /// EndSeqNo(16) as it came: what an open end comes to moves with everything we send.
    end: u64,
    next_out: u64,
    weight: u64,
}

/// What a request weighs that is the same as the one before: less if we have sent something new since,
/// which a peer that asks for every message above its gap may be answering.
const SAME_WEIGHT: u64 = 4;
const SAME_AFTER_NEWS_WEIGHT: u64 = 1;

impl Repeats {
    /// Whether this request has now come more than `max` times in a row while we had nothing new to
    /// say, or four times as often while we had.
    fn too_many(&mut self, begin: u64, end: u64, next_out: u64, max: u32) -> bool {
        let same = (self.begin, self.end) == (begin, end);
        let weight = match (same, self.next_out == next_out) {
            (true, true) => self.weight.saturating_add(SAME_WEIGHT),
            (true, false) => self.weight.saturating_add(SAME_AFTER_NEWS_WEIGHT),
            (false, _) => SAME_WEIGHT,
        };
        *self = Self {
            begin,
            end,
            next_out,
            weight,
        };
        weight > u64::from(max) * SAME_WEIGHT
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
        means: &mut Means<'_, impl ResendJudge>,
        out: &mut O,
    ) -> Replayed {
        if means.settings.from == ResendFrom::Nothing {
            self.gap_from.get_or_insert(self.next);
            self.next = self.end + 1;
        }
        let mut messages = 0;
        for _ in 0..budget.saturating_mul(LOOKED_AT_PER_MESSAGE) {
            if self.next > self.end {
                return match self.fill_gap(now, means, out) {
                    Ok(()) => Replayed::Finished,
                    Err(_) => Replayed::Waiting,
                };
            }
            if messages == budget {
                break;
            }
            match self.look(now, means, out) {
                Ok(Looked::Sent) => {
                    messages += 1;
                    self.next += 1;
                    continue;
                }
                Ok(Looked::Asked) => messages += 1,
                Ok(Looked::PassedOver) => {}
                Err(_) => return Replayed::Waiting,
            }
            self.gap_from.get_or_insert(self.next);
            self.next += 1;
        }
        Replayed::More
    }

    /// Sends the next message again if it is one that is sent again.
    fn look<O: Outbox>(
        &mut self,
        now: Now,
        means: &mut Means<'_, impl ResendJudge>,
        out: &mut O,
    ) -> Result<Looked, Full> {
        let application = match out.stored(self.next) {
            Stored::Application => true,
            Stored::Admin if means.settings.rejects => false,
            Stored::Admin | Stored::Absent => return Ok(Looked::PassedOver),
            Stored::Unreadable => {
                means.unreadable(self.next);
                return Ok(Looked::PassedOver);
            }
        };
        let judge = &mut *means.judge;
        let overtaken = &means.settings.passed_over;
        let mut asked = false;
        let mut wanted = |original: &Message<'_>| {
            if application {
                let msg_type = original.msg_type();
                if overtaken.iter().any(|code| code.as_bytes() == msg_type) {
                    return false;
                }
                asked = true;
                judge.is_wanted(original)
            } else {
                original.msg_type() == msg_type::REJECT
            }
        };
        // What is passed over before it goes out first, but only if this one goes out at all.
        let copied = if self.gap_from.is_none() {
            let copy = Again {
                seq: self.next,
                limit: means.limit,
            };
            means.pen.replay(now, copy, means.index, wanted, out)?
        } else {
            let readable = out.claim_replay(self.next)?;
            let original = readable.and_then(|found| means.index.read(found.original).ok());
            let found = match original {
                None => Some(Copied::Unreadable),
                Some(original) if !wanted(&original) => Some(Copied::Unwanted),
                Some(_) => None,
            };
            match found {
                Some(found) => found,
                // Found out before the gap is filled, for this number is part of it then.
                None if !means.fits(now, self.next, out)? => Copied::TooLong,
                None => {
                    self.fill_gap(now, means, out)?;
                    let sure = |_: &Message<'_>| true;
                    let copy = Again {
                        seq: self.next,
                        limit: means.limit,
                    };
                    means.pen.replay(now, copy, means.index, sure, out)?
                }
            }
        };
        Ok(match copied {
            Copied::Sent => {
                means.tally.resent += 1;
                Looked::Sent
            }
            Copied::Unwanted if asked => {
                means.tally.resend_vetoes += 1;
                Looked::Asked
            }
            Copied::Unwanted => Looked::PassedOver,
            Copied::TooLong => {
                means
                    .judge
                    .too_long(self.next, means.limit.unwrap_or_default());
                Looked::PassedOver
            }
            // What is masked in the journal is no Reject.
            Copied::Unreadable if !application => Looked::PassedOver,
            Copied::Unreadable => {
                means.unreadable(self.next);
                Looked::PassedOver
            }
        })
    }

    fn fill_gap<O: Outbox>(
        &mut self,
        now: Now,
        means: &mut Means<'_, impl ResendJudge>,
        out: &mut O,
    ) -> Result<(), Full> {
        if let Some(from) = self.gap_from {
            means.pen.gap_fill(now, from, self.next, out)?;
            means.tally.gap_fills_out += 1;
            self.gap_from = None;
        }
        Ok(())
    }
}

/// What became of one number that was looked at.
enum Looked {
    /// Its message was sent again.
    Sent,
    /// The application was asked about it, and did not want it sent.
    Asked,
    /// It is none that is sent again.
    PassedOver,
}

/// What a step of a resend works with.
struct Means<'a, J> {
    settings: &'a ResendSettings,
    index: &'a mut FieldIndex,
    pen: &'a mut Pen,
    tally: &'a mut Tally,
    judge: &'a mut J,
    /// MaxMessageSize(383) of the peer.
    limit: Option<u64>,
}

impl<J: ResendJudge> Means<'_, J> {
    /// Whether the peer takes a copy of what was sent as `seq`, by its length.
    fn fits<O: Outbox>(&mut self, now: Now, seq: u64, out: &mut O) -> Result<bool, Full> {
        match self.limit {
            None => Ok(true),
            Some(limit) => {
                let len = self.pen.length_of_copy(now, seq, self.index, out)?;
                Ok(len.is_none_or(|len| len as u64 <= limit))
            }
        }
    }

    fn unreadable(&mut self, seq: u64) {
        self.tally.unreadable += 1;
        self.judge.unreadable(seq);
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
        if matches!(self.state, State::LogoutSent(_)) && !self.settings.logout.serve_requests {
            return Ok(());
        }
        let begin = message.uint(tag::BEGIN_SEQ_NO).unwrap_or_default();
        let asked_end = message.uint(tag::END_SEQ_NO).unwrap_or_default();
        let end = match asked_end {
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
        let max = self.settings.resend.same_request_max;
        if repeats.too_many(begin, asked_end, next_out, max) {
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
    /// `index` is scratch space of the caller; `judge` is asked about every application message. For
    /// want of room it may be asked about one of them twice.
    pub fn replay<O: Outbox, J: ResendJudge>(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        judge: &mut J,
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
        let mut means = Means {
            settings: &self.settings.resend,
            index,
            pen: &mut self.pen,
            tally: &mut self.tally,
            judge,
            limit: self.peer.max_message_bytes,
        };
        let replayed = range.step(now, budget, &mut means, out);
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

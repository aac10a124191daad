//! NotApplied(513): the exchange did not apply messages of a client, because one before them is missing
//! there.
//!
//! The exchange says it once for each message it refuses, always from the same number, and while it does
//! more of ours are under way: sent, or passed over with a Sequence. So what came behind the message that
//! a NotApplied is about may have been applied, and only what it speaks of is told, and the message that was
//! refused: whether MsgCount counts that one is a setting, because the message does not say. What is told
//! once is lost for good: the application may have entered it anew, so it is never told again and never sent
//! again.

use super::letter::{self, Letter};
use super::{
    Fault, NotApplied, NotAppliedCount, OnNotApplied, Replayed, Session, State, Step, Unconfirmed, Up,
};
use crate::session::{Full, SeriesOutbox, Stored};
use crate::time::{Mono, Now};

/// How many numbers are looked at per message of a step's budget.
const LOOKED_AT_PER_MESSAGE: usize = 64;

/// Messages that a client sends again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resending {
    from: u64,
    pub(super) next: u64,
    end: u64,
    /// The last message that the exchange has said was refused before these arrived.
    heard: u64,
    /// Numbers below `next` are not sent, and the exchange does not know yet.
    passing: bool,
}

impl Resending {
    pub(super) fn is_running(&self) -> bool {
        self.next <= self.end || self.passing
    }

    /// Whether the message was sent again.
    fn has_sent(&self, seq: u64) -> bool {
        (self.from..self.next).contains(&seq)
    }
}

/// The messages up to here, of this series, were told as lost or were applied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    series: u64,
    last: u64,
}

impl Lost {
    fn last_of(&self, series: u64) -> u64 {
        if self.series == series { self.last } else { 0 }
    }
}

/// A Sequence of ours that passed over what may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    series: u64,
    /// NextSeqNo.
    next: u64,
    /// Its answer is under way until then at the latest.
    answered_by: Mono,
}

/// How many are remembered. Only those that are under way matter, and there is one in a KeepAliveInterval,
/// or for a message of the exchange that asks for it.
const SAID_MAX: usize = 16;

/// NextSeqNo of the latest Sequences of ours on this connection. Such a Sequence passes over all that is
/// below it and missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    next_seq_nos: [u64; SAID_MAX],
    oldest: usize,
}

impl Said {
    pub(super) fn note(&mut self, next_seq_no: u64) {
        if !self.next_seq_nos.contains(&next_seq_no) {
            self.next_seq_nos[self.oldest] = next_seq_no;
            self.oldest = (self.oldest + 1) % SAID_MAX;
        }
    }

    /// The lowest above `seq`.
    fn above(&self, seq: u64) -> Option<u64> {
        let above = self.next_seq_nos.iter().filter(|said| **said > seq);
        above.min().copied()
    }

    fn greatest(&self) -> u64 {
        self.next_seq_nos.iter().max().copied().unwrap_or_default()
    }
}

impl Session {
    /// Messages of ours of which the exchange did not come to say whether they were applied, because the
    /// connection was lost. To be asked for after [`Session::disconnected`].
    pub fn take_unconfirmed(&mut self) -> Option<Unconfirmed> {
        self.client.unconfirmed.take()
    }

    /// A client says a Sequence that passes over what may be missing.
    pub(super) fn passes_over<O: SeriesOutbox>(&mut self, now: Now, out: &O) {
        self.client.passed = Some(Passed {
            series: out.series(),
            next: out.next_out(),
            answered_by: now.mono + self.interval(),
        });
    }

    /// Something came: one interval after such a Sequence its answer is before that, if there is one.
    pub(super) fn heard_behind(&mut self, now: Mono) {
        if self
            .client
            .passed
            .is_some_and(|passed| now >= passed.answered_by)
        {
            self.client.passed = None;
        }
    }

    /// The connection has ended. What was sent behind a message that was refused is refused as well, until our
    /// Sequence arrives, and each has a NotApplied of its own; what was lost with a primary that has failed
    /// has one that answers our Sequence. Those that have not come will not, unless the Sequence did not
    /// arrive: then the next Establish has them told, and that is told as well.
    pub(super) fn give_up_not_applied<O: SeriesOutbox>(&mut self, out: &O) {
        let series = out.series();
        let passed = self.client.passed.take();
        let Some(Passed { next, .. }) = passed.filter(|passed| passed.series == series) else {
            return;
        };
        let settled = self.client.settled.filter(|settled| settled.0 == series);
        let first = settled.map_or(1, |settled| settled.1);
        let told = [self.client.lost, self.client.doubted].map(|told| told.last_of(series));
        let first = told
            .into_iter()
            .fold(first, |first, last| first.max(last + 1));
        let last = next - 1;
        if first <= last {
            self.client.doubted = Lost { series, last };
            let untold = self.client.unconfirmed;
            let untold = untold.filter(|untold| untold.series == series);
            self.client.unconfirmed = Some(Unconfirmed {
                series,
                first: untold.map_or(first, |untold| untold.first),
                last,
            });
        }
    }

    pub(super) fn messages_not_applied<O: SeriesOutbox>(
        &mut self,
        now: Now,
        not_applied: &letter::NotApplied,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let bound = out.series();
        let fault = match not_applied.uuid {
            None => Some(Fault::UuidMissing),
            Some(received) if received != bound => Some(Fault::Uuid {
                expected: bound,
                received,
            }),
            Some(_) => None,
        };
        if let Some(fault) = fault {
            return self.fault(now, fault, Some(letter), out);
        }
        let (first, next_out) = (u64::from(not_applied.from), out.next_out());
        // An Establish announces a number that is not used yet, so the exchange may count one more.
        let counted = first + u64::from(not_applied.count);
        let announced = match self.settings.client.not_applied_count {
            NotAppliedCount::WithRefused => counted.saturating_sub(1),
            // The message that was refused is behind what is counted.
            NotAppliedCount::MissingOnly => counted,
        };
        if first == 0 || first > next_out || announced > next_out {
            let fault = Fault::NotAppliedRange {
                next_out,
                received: announced,
            };
            return self.fault(now, fault, Some(letter), out);
        }
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        self.tally.not_applied += 1;
        let sent = next_out - 1;
        // The one about our Establish is before all others. It speaks of a number that was only announced:
        // a message that has it now was sent since.
        let opening = up.opening.take();
        let opening = opening.filter(|&opening| first < opening && announced <= opening);
        if first > sent {
            // Nothing that was sent.
            return Ok(Step::Done);
        }
        let heard = announced - u64::from(opening.is_some());
        if let Some(resending) = &mut up.resending
            && first == resending.from
            && ((resending.heard + 1..=resending.end).contains(&heard) || !resending.has_sent(first))
        {
            // About a message that followed the one that was refused, and is sent again with it.
            resending.heard = resending.heard.max(heard);
            return Ok(Step::Done);
        }
        let (passed, said) = (up.said.above(first), up.said.greatest());
        let sent_again = up
            .resending
            .is_some_and(|resending| resending.has_sent(first));
        let resend = self.settings.client.not_applied == OnNotApplied::Resend
            && passed.is_none()
            && first > self.client.doubted.last_of(bound);
        let next = first.max(self.client.lost.last_of(bound) + 1);
        if resend && !sent_again {
            // What followed the message that was refused is refused as well: everything from there on.
            up.resending = Some(Resending {
                from: first,
                next,
                end: sent,
                heard,
                passing: next > first,
            });
            return Ok(told(next, sent, true));
        }
        let last = if resend {
            // Refused again: it is not tried a third time, nor what waits for it.
            up.resending = None;
            sent
        } else {
            let last = opening.map_or(announced, |opening| opening - 1);
            let last = passed.map_or(last, |passed| last.min(passed - 1));
            last.min(sent)
        };
        if announced >= said {
            self.say_sequence(now, 0, out)?;
            self.passes_over(now, out);
        }
        if next <= last {
            self.client.lost = Lost {
                series: bound,
                last,
            };
        }
        // A logout that waited only says so and waits for the answer.
        let _: Step = self.leave_if_wished(now, out)?;
        Ok(told(next, last, false))
    }

    /// Sends up to `budget` of the messages again that were not applied.
    pub(super) fn resend<O: SeriesOutbox>(&mut self, now: Now, budget: usize, out: &mut O) -> Replayed {
        let mut sent = 0;
        for _ in 0..budget.saturating_mul(LOOKED_AT_PER_MESSAGE) {
            let State::Up(Up {
                resending: Some(resending),
                ..
            }) = &self.state
            else {
                return Replayed::Finished;
            };
            if !resending.is_running() || sent == budget {
                break;
            }
            let resending = *resending;
            match self.resend_next(now, resending, out) {
                Ok(said) => sent += usize::from(said),
                Err(_) => return Replayed::Waiting,
            }
        }
        if self.is_replaying() {
            return Replayed::More;
        }
        // A logout that waited for this only says so and waits for the answer.
        match self.leave_if_wished(now, out) {
            Ok(_) => Replayed::Finished,
            Err(_) => Replayed::Waiting,
        }
    }

    /// Sends the next message again, or passes over its number; answers whether something was said.
    fn resend_next<O: SeriesOutbox>(
        &mut self,
        now: Now,
        resending: Resending,
        out: &mut O,
    ) -> Result<bool, Full> {
        let Resending { next, end, .. } = resending;
        let stored = if next > end {
            None
        } else {
            Some(out.stored(next))
        };
        if resending.passing && matches!(stored, None | Some(Stored::Application)) {
            // One for all that were passed over: the exchange goes on from the next.
            self.say_sequence(now, 0, out)?;
            self.resending(|resending| resending.passing = false);
            return Ok(true);
        }
        if stored == Some(Stored::Application)
            && let Some(replay) = out.claim_replay(next)?
        {
            let len = replay.original.len();
            let copy = &mut replay.room[..len];
            copy.copy_from_slice(replay.original);
            // A client's message has no flag that says so: only its time is new.
            super::sending::stamp(copy, now);
            out.commit_replay(0..len, next, now.utc);
            self.tally.resent += 1;
            self.spoke(now);
            self.resending(|resending| resending.next += 1);
            return Ok(true);
        }
        if stored.is_some_and(|stored| stored != Stored::Absent) {
            self.tally.unreadable += 1;
        }
        self.resending(|resending| {
            resending.next += 1;
            resending.passing = true;
        });
        Ok(false)
    }

    fn resending(&mut self, change: impl FnOnce(&mut Resending)) {
        if let State::Up(Up {
            resending: Some(resending),
            ..
        }) = &mut self.state
        {
            change(resending);
        }
    }
}

/// Tells the application, if there is anything to tell.
fn told(first: u64, last: u64, resent: bool) -> Step {
    if first > last {
        return Step::Done;
    }
    Step::NotApplied(NotApplied {
        first,
        last,
        resent,
    })
}

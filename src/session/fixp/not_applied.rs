//! NotApplied(513): the exchange did not apply messages of a client, because one before them is missing
//! there.

use super::letter::{self, Letter};
use super::{Fault, NotApplied, OnNotApplied, Replayed, Session, State, Step, Up};
use crate::session::{Full, SeriesOutbox, Stored};
use crate::time::Now;

/// Messages that a client sends again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resending {
    from: u64,
    next: u64,
    end: u64,
}

impl Resending {
    pub(super) fn is_running(&self) -> bool {
        self.next <= self.end
    }
}

impl Session {
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
        let announced = first + u64::from(not_applied.count).saturating_sub(1);
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
        if let Some(resending) = &up.resending
            && first == resending.from
            && announced <= resending.end + 1
        {
            // About a message that followed the one that was refused, and is sent again with it.
            return Ok(Step::Done);
        }
        self.tally.not_applied += 1;
        let last = next_out - 1;
        if first > last {
            // Nothing that was sent.
            return Ok(Step::Done);
        }
        // What followed the message that was refused is refused as well: everything from there on.
        let resent = self.settings.client.not_applied == OnNotApplied::Resend;
        if resent {
            up.resending = Some(Resending {
                from: first,
                next: first,
                end: last,
            });
        } else {
            self.say_sequence(now, 0, out)?;
        }
        Ok(Step::NotApplied(NotApplied {
            first,
            last,
            resent,
        }))
    }

    /// Sends up to `budget` of the messages again that were not applied.
    pub(super) fn resend<O: SeriesOutbox>(&mut self, now: Now, budget: usize, out: &mut O) -> Replayed {
        for _ in 0..budget {
            let State::Up(Up {
                resending: Some(resending),
                ..
            }) = &self.state
            else {
                return Replayed::Finished;
            };
            if !resending.is_running() {
                break;
            }
            let seq = resending.next;
            match self.resend_one(now, seq, out) {
                Ok(()) => self.spoke(now),
                Err(_) => return Replayed::Waiting,
            }
            if let State::Up(Up {
                resending: Some(resending),
                ..
            }) = &mut self.state
            {
                resending.next += 1;
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

    fn resend_one<O: SeriesOutbox>(&mut self, now: Now, seq: u64, out: &mut O) -> Result<(), Full> {
        if out.stored(seq) == Stored::Application
            && let Some(replay) = out.claim_replay(seq)?
        {
            let len = replay.original.len();
            let copy = &mut replay.room[..len];
            copy.copy_from_slice(replay.original);
            // A client's message has no flag that says so: only its time is new.
            super::sending::stamp(copy, now);
            out.commit_replay(0..len, seq, now.utc);
            self.tally.resent += 1;
            return Ok(());
        }
        // What cannot be read is passed over: the exchange goes on from the next.
        self.tally.unreadable += 1;
        let sequence = letter::Sequence {
            uuid: Some(out.series()),
            next_seq_no: u32::try_from(seq + 1).ok(),
            primary: true,
            lapsed: Some(0),
        };
        self.say(now, &Letter::Sequence(sequence), out)
    }
}

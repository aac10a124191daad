//! Sequence of what we receive: counting, gaps, SequenceReset(4), duplicates.
//!
//! A gap is asked for once, from the next expected number to the end of the series; what arrives
//! above it meanwhile is parked. The request is repeated only if nothing moves.

use std::time::Duration;

use super::content::{self, Kind, Place};
use super::head::Head;
use super::parked::Waiting;
use super::{Session, State, Step, Unparked};
use crate::session::{Fault, Full, Outbox, ResetCause};
use crate::time::{Mono, Now};
use crate::wire::fix::{Message, tag};

/// How often a ResendRequest is repeated for numbers that do not come before we log out.
const REQUESTS_WITHOUT_PROGRESS_MAX: u32 = 3;

/// A gap that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The highest number that is missing: satisfied when the expected number is above it.
    end: u64,
    /// The expected number when it was last seen to move.
    reached: u64,
    /// When the request is repeated unless something moves.
    pub(super) repeat_at: Mono,
    repeats: u32,
}

/// How long a gap may stay as it is before it is asked for again.
fn patience(heartbeat: Duration) -> Duration {
    (heartbeat * 2).max(Duration::from_secs(10))
}

impl Session {
    /// Counts the message under the expected number.
    pub(super) fn count<O: Outbox>(&mut self, out: &mut O) {
        out.set_next_in(out.next_in() + 1);
    }

    /// Counts a refused message: its number is used up if it is the expected one. A Logon or
    /// SequenceReset moves numbers only by being accepted.
    pub(super) fn count_if_expected<O: Outbox>(&mut self, message: &Message<'_>, out: &mut O) {
        let kind = Kind::of(message);
        let counts = kind != Kind::Logon && kind != Kind::SequenceReset;
        if counts && message.uint(tag::MSG_SEQ_NUM) == Ok(out.next_in()) {
            self.count(out);
        }
    }

    /// A message above the expected number: it waits, and what is missing is asked for.
    pub(super) fn gap<O: Outbox>(
        &mut self,
        now: Now,
        seq: u64,
        waiting: Waiting,
        out: &mut O,
    ) -> Result<Step, Full> {
        if matches!(self.state, State::Up(_)) && self.parked.park(seq, waiting) {
            self.tally.parked_dropped += 1;
        }
        self.gap_unparked(now, seq, out)
    }

    /// The peer's Logon came under `seq`, and the peer knows what we need: it is asked only if nothing
    /// comes.
    pub(super) fn await_replay<O: Outbox>(&mut self, now: Now, seq: u64, out: &O) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        up.recovery = Some(Recovery {
            end: seq - 1,
            reached: out.next_in(),
            repeat_at: now.mono + patience(up.pulse.heartbeat()),
            repeats: 0,
        });
        self.parked.park(seq, Waiting::Handled);
    }

    /// Asks for what is missing below `seq`, unless that is on its way already.
    ///
    /// While logging out nothing is asked for: the next Logon shows the gap again.
    pub(super) fn gap_unparked<O: Outbox>(
        &mut self,
        now: Now,
        seq: u64,
        out: &mut O,
    ) -> Result<Step, Full> {
        match &self.state {
            State::Up(up) if up.recovery.is_none() => {
                self.ask(now, seq - 1, 0, out).map(|()| Step::Done)
            }
            _ => Ok(Step::Done),
        }
    }

    /// Sends a ResendRequest for everything from the expected number on.
    fn ask<O: Outbox>(&mut self, now: Now, end: u64, repeats: u32, out: &mut O) -> Result<(), Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(());
        };
        let begin = out.next_in();
        self.pen
            .resend_request(now, begin, self.settings.rules.open_end_seq_no, out)?;
        up.pulse.spoke(now.mono);
        self.tally.resend_requests_out += 1;
        let repeat_at = now.mono + patience(up.pulse.heartbeat());
        up.recovery = Some(Recovery {
            end,
            reached: begin,
            repeat_at,
            repeats,
        });
        Ok(())
    }

    /// Repeats a request that brought nothing for a while, a few times.
    pub(super) fn recovery_due<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        let Some(recovery) = &mut up.recovery else {
            return Ok(Step::Done);
        };
        if now.mono < recovery.repeat_at {
            return Ok(Step::Done);
        }
        let expected = out.next_in();
        if expected > recovery.reached {
            recovery.reached = expected;
            recovery.repeats = 0;
            recovery.repeat_at = now.mono + patience(up.pulse.heartbeat());
            return Ok(Step::Done);
        }
        if recovery.repeats == REQUESTS_WITHOUT_PROGRESS_MAX {
            let fault = Fault::ResendNotServed { expected };
            self.tally.note(fault);
            return self.end_with(now, fault, out);
        }
        let (end, repeats) = (recovery.end, recovery.repeats + 1);
        self.ask(now, end, repeats, out).map(|()| Step::Done)
    }

    /// Whether messages wait behind a gap.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.parked.first().is_some()
    }

    /// Goes on with what waits, after the expected number has moved. To be called until it answers
    /// [`Unparked::Nothing`].
    pub fn next_parked<O: Outbox>(&mut self, now: Now, out: &mut O) -> Unparked {
        loop {
            let State::Up(up) = &mut self.state else {
                return Unparked::Nothing;
            };
            let expected = out.next_in();
            if up.recovery.is_some_and(|recovery| expected > recovery.end) {
                up.recovery = None;
            }
            match self.parked.take(expected) {
                Some(Waiting::Handled) => self.count(out),
                Some(Waiting::Message(at)) => return Unparked::Message(at),
                None => break,
            }
        }
        let State::Up(up) = &self.state else {
            return Unparked::Nothing;
        };
        match self.parked.first() {
            // The request was satisfied and a hole is left below what waits.
            Some(first) if up.recovery.is_none() => match self.ask(now, first - 1, 0, out) {
                Ok(()) => Unparked::Nothing,
                Err(full) => match self.no_room(full) {
                    Step::Close(cause) => Unparked::Close(cause),
                    _ => Unparked::Nothing,
                },
            },
            _ => Unparked::Nothing,
        }
    }

    /// A message below the expected number with PossDupFlag(43)=Y: done before, so it is ignored,
    /// but not without the header it must have.
    pub(super) fn duplicate<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match head.check_poss_dup() {
            Ok(()) => Ok(Step::Done),
            Err(Fault::OrigSendingTime) => self.fault(now, Fault::OrigSendingTimeStale, message, out),
            Err(fault) => self.fault(now, fault, message, out),
        }
    }

    /// SequenceReset-GapFill under the expected number.
    pub(super) fn gap_filled<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let expected = out.next_in();
        let next = message.uint(tag::NEW_SEQ_NO).unwrap_or_default();
        if Place::of(next, expected) != Place::High {
            return self.fault(
                now,
                Fault::SequenceLowered {
                    expected,
                    received: next,
                },
                message,
                out,
            );
        }
        // What waits below `next` is dropped when the next turn is looked for.
        out.set_next_in(next);
        self.tally.gap_fills_in += 1;
        Ok(Step::Done)
    }

    /// SequenceReset-Reset: its own number is ignored; whatever waited or was asked for is void.
    pub(super) fn reset_received<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Err(fault) = content::check_body(message, Kind::SequenceReset) {
            return self.fault(now, fault, message, out);
        }
        let expected = out.next_in();
        let next = message.uint(tag::NEW_SEQ_NO).unwrap_or_default();
        match Place::of(next, expected) {
            Place::Low => {
                return self.fault(
                    now,
                    Fault::SequenceLowered {
                        expected,
                        received: next,
                    },
                    message,
                    out,
                );
            }
            Place::Expected => {}
            Place::High => out.set_next_in(next),
        }
        self.forget_gap();
        Ok(Step::Done)
    }

    /// Ends a recovery and drops what waited.
    pub(super) fn forget_gap(&mut self) {
        self.parked.clear();
        if let State::Up(up) = &mut self.state {
            up.recovery = None;
        }
    }

    /// Starts new series at 1 in both directions.
    pub(super) fn restart_numbers<O: Outbox>(
        &mut self,
        now: Now,
        why: ResetCause,
        out: &mut O,
    ) -> Result<(), Full> {
        self.note_loss(out);
        out.reset(1, 1, why, now.utc)?;
        self.pen.answering(0);
        self.forget_gap();
        Ok(())
    }
}

//! Sequence of what we receive: counting, gaps, SequenceReset(4), duplicates.
//!
//! A gap is asked for once, from the next expected number to the end of the series; what arrives
//! above it meanwhile is parked. The request is repeated only if nothing moves.

use std::time::Duration;

use super::content::{self, Kind, Place};
use super::head::Head;
use super::parked::Waiting;
use super::policy::{OrigSendingTime, RequestEnd};
use super::{Session, State, Step, Unparked, Up};
use crate::session::{Fault, Full, Outbox, ResetCause};
use crate::time::{Mono, Now};
use crate::wire::fix::{Message, tag};

/// A gap that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The highest number that is missing: satisfied when the expected number is above it.
    end: u64,
    /// The highest number asked for so far; below `end` if the gap is asked for in chunks, or if
    /// something within it waits already.
    asked_to: u64,
    /// The expected number when it was last seen to move.
    reached: u64,
    /// When the request is repeated unless something moves.
    pub(super) repeat_at: Mono,
    repeats: u32,
}

/// Why a ResendRequest is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// A gap was found.
    First,
    /// A part of it has come: the next one.
    NextPart,
    /// It was asked for before and is still missing; `repeats` times without anything moving.
    Again { repeats: u32 },
}

impl Session {
    /// How long a gap may stay as it is before it is asked for again.
    fn patience(&self, heartbeat: Duration) -> Duration {
        let usual = (heartbeat * 2).max(Duration::from_secs(10));
        self.settings.recovery.repeat_after.unwrap_or(usual)
    }

    /// Counts the message under the expected number.
    pub(super) fn count<O: Outbox>(&mut self, out: &mut O) {
        out.set_next_in(out.next_in() + 1);
    }

    /// Counts the message `seq` if it is the expected one. It is, unless numbers are not checked.
    pub(super) fn count_seq<O: Outbox>(&mut self, seq: u64, out: &mut O) {
        if seq == out.next_in() {
            self.count(out);
        }
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
        if matches!(self.state, State::Up(_)) {
            self.tally.parked_dropped += self.parked.park(seq, waiting);
        }
        self.gap_unparked(now, seq, out)
    }

    /// The peer's Logon came under `seq`, and the peer knows what we need: it is asked only if nothing
    /// comes.
    pub(super) fn await_replay<O: Outbox>(&mut self, now: Now, seq: u64, out: &O) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let heartbeat = up.pulse.heartbeat();
        let repeat_at = now.mono + self.patience(heartbeat);
        if let State::Up(up) = &mut self.state {
            up.recovery = Some(Recovery {
                end: seq - 1,
                asked_to: seq - 1,
                reached: out.next_in(),
                repeat_at,
                repeats: 0,
            });
        }
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
        let State::Up(up) = &self.state else {
            return Ok(Step::Done);
        };
        match up.recovery {
            None => self.ask(now, seq - 1, Asking::First, out)?,
            Some(running) if self.settings.recovery.redundant_requests => {
                let repeats = running.repeats;
                self.ask(now, running.end, Asking::Again { repeats }, out)?;
            }
            Some(_) => {}
        }
        Ok(Step::Done)
    }

    /// Sends a ResendRequest for what is missing from the expected number up to `end`.
    fn ask<O: Outbox>(&mut self, now: Now, end: u64, asking: Asking, out: &mut O) -> Result<(), Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(());
        };
        let settings = &self.settings.recovery;
        let begin = out.next_in();
        // What waits already is not missing.
        let useful = match self.parked.first() {
            Some(first) if first > begin => end.min(first - 1),
            _ => end,
        };
        let chunk_end = settings.chunk.map(|chunk| begin.saturating_add(chunk - 1));
        let closed = match settings.end {
            RequestEnd::Closed => true,
            RequestEnd::Open => false,
            RequestEnd::OpenAtFirst => matches!(asking, Asking::Again { .. }),
        };
        let (end_seq_no, asked_to) = match chunk_end {
            Some(chunk_end) if chunk_end < useful => (chunk_end, chunk_end),
            _ if closed => (useful, useful),
            _ => (self.settings.rules.open_end_seq_no, end),
        };
        self.pen.resend_request(now, begin, end_seq_no, out)?;
        up.pulse.spoke(now.mono);
        self.tally.resend_requests_out += 1;
        let heartbeat = up.pulse.heartbeat();
        let repeat_at = now.mono + self.patience(heartbeat);
        if let State::Up(up) = &mut self.state {
            up.recovery = Some(Recovery {
                end,
                asked_to,
                reached: begin,
                repeat_at,
                repeats: match asking {
                    Asking::First | Asking::NextPart => 0,
                    Asking::Again { repeats } => repeats,
                },
            });
        }
        Ok(())
    }

    /// Repeats a request that brought nothing for a while, a few times.
    pub(super) fn recovery_due<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &self.state else {
            return Ok(Step::Done);
        };
        let patience = self.patience(up.pulse.heartbeat());
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
            recovery.repeat_at = now.mono + patience;
            return Ok(Step::Done);
        }
        if recovery.repeats == self.settings.recovery.repeats_max {
            let fault = Fault::ResendNotServed { expected };
            self.tally.note(fault);
            return self.end_with(now, fault, out);
        }
        let (end, repeats) = (recovery.end, recovery.repeats + 1);
        self.ask(now, end, Asking::Again { repeats }, out)
            .map(|()| Step::Done)
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
                Some(Waiting::Message { at, .. }) => return Unparked::Message(at),
                None => break,
            }
        }
        let State::Up(up) = &self.state else {
            return Unparked::Nothing;
        };
        let expected = out.next_in();
        let next = match (up.recovery, self.parked.first()) {
            (Some(running), _) if expected > running.asked_to => Some((running.end, Asking::NextPart)),
            (Some(_), _) => None,
            // The request was satisfied and a hole is left below what waits.
            (None, Some(first)) => Some((first - 1, Asking::Again { repeats: 0 })),
            // Nor does anything wait, but something was dropped for want of room.
            (None, None) => {
                let dropped = self.parked.dropped_from(expected);
                dropped.map(|end| (end, Asking::Again { repeats: 0 }))
            }
        };
        let asked = match next {
            Some((end, asking)) => self.ask(now, end, asking, out),
            None => Ok(()),
        };
        match asked.map_err(|full| self.no_room(full)) {
            Err(Step::Close(cause)) => Unparked::Close(cause),
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
            _ if self.settings.checks.orig_sending_time == OrigSendingTime::Never => Ok(Step::Done),
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
        if let State::Up(Up {
            recovery: Some(recovery),
            ..
        }) = &mut self.state
            && self.settings.recovery.chunk.is_some()
            && next == recovery.asked_to
            && next < recovery.end
        {
            // The fill led exactly onto the last number of the chunk: that one itself is not on its
            // way (facts 9.3).
            recovery.asked_to = next - 1;
        }
        self.tally.gap_fills_in += 1;
        self.logout_passed_over(now, out)
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
        self.logout_passed_over(now, out)
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

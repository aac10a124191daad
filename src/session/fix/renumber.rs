//! What an operator does to numbers and to the line, besides starting anew: the number of our next
//! message, the number expected of the peer, a SequenceReset-Reset(4), a TestRequest(1), a
//! ResendRequest(2).
//!
//! Invariant: within a series a number only rises. A lower one would be sent twice with different
//! content, or have messages delivered twice; the way down is a reset, which both sides know of.

use super::{Session, State, Step, Up};
use crate::session::{Outbox, Refusal, ResetCause};
use crate::time::Now;

/// The highest number that can be set: many peers keep theirs in 32 bits.
pub const SEQ_MAX: u64 = 4_294_967_295;

impl Session {
    /// Has our next new message carry `next`, while down or between two messages while logged on. The
    /// peer sees a gap and asks for it: it gets what it had missed before, and a gap fill for the
    /// numbers that are passed over.
    ///
    /// # Errors
    /// The number is not above the one that would be next, a logon, a logout or a reset is under way,
    /// or there is no room to record it. Nothing has changed then.
    pub fn set_next_out<O: Outbox>(&mut self, now: Now, next: u64, out: &mut O) -> Result<(), Refusal> {
        if !matches!(self.state, State::Down) {
            self.steady()?;
        }
        raised(next, out.next_out())?;
        let why = ResetCause::SetNextOut;
        out.renumber(next, out.next_in(), why, now.utc)
            .map_err(Refusal::Full)
    }

    /// Expects `next` of the peer from now on, while down: what it sends below that is refused, and
    /// nothing below is asked for.
    ///
    /// # Errors
    /// The number is not above the one that is expected, there is a connection, or there is no room to
    /// record it. Nothing has changed then.
    pub fn set_next_in<O: Outbox>(&mut self, now: Now, next: u64, out: &mut O) -> Result<(), Refusal> {
        if !matches!(self.state, State::Down) {
            return Err(Refusal::Connected);
        }
        raised(next, out.next_in())?;
        let why = ResetCause::SetNextIn;
        out.renumber(out.next_out(), next, why, now.utc)
            .map_err(Refusal::Full)
    }

    /// Sends a SequenceReset-Reset(4) with `next` as NewSeqNo(36); our next message carries that. The
    /// peer asks for nothing below it any more: what it has not had is lost to it.
    ///
    /// # Errors
    /// The session is not logged on or a reset is under way, the number is not above that of the
    /// SequenceReset itself, or there is no room. With room for the message alone the number is not set,
    /// and the answer is that the connection is to be closed before the message goes out.
    pub fn sequence_reset<O: Outbox>(
        &mut self,
        now: Now,
        next: u64,
        out: &mut O,
    ) -> Result<Step, Refusal> {
        self.steady()?;
        raised(next, out.next_out())?;
        self.pen
            .sequence_reset(now, next, out)
            .map_err(Refusal::Full)?;
        self.note_loss(out);
        if let State::Up(up) = &mut self.state {
            // What the peer asked for, it does not wait for any more.
            up.serving = None;
        }
        self.spoke(now);
        let why = ResetCause::SequenceReset;
        Ok(match out.renumber(next, out.next_in(), why, now.utc) {
            Ok(()) => Step::Done,
            Err(full) => self.no_room(full),
        })
    }

    /// Sends a TestRequest(1). Answers its number, for [`Session::is_test_answered`].
    ///
    /// # Errors
    /// The session is not logged on or a reset is under way, or there is no room.
    pub fn test_request<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<u64, Refusal> {
        let up = self.steady()?;
        let probe = up.pulse.probe(now.mono);
        self.pen
            .test_request(now, probe, out)
            .map_err(Refusal::Full)?;
        self.tally.test_requests_out += 1;
        self.spoke(now);
        Ok(probe)
    }

    /// Whether the TestRequest of this number, or a later one, was answered on this connection.
    #[must_use]
    pub fn is_test_answered(&self, probe: u64) -> bool {
        matches!(&self.state, State::Up(up) if up.pulse.is_answered(probe))
    }

    /// Sends a ResendRequest(2) for `begin` to `end`; 0 as `end` is "and everything after". What comes
    /// again below the expected number was delivered before: it is recorded and not delivered again.
    ///
    /// # Errors
    /// The session is not logged on or a reset is under way, the range is none, a gap is being asked for
    /// already, or there is no room.
    pub fn ask_again<O: Outbox>(
        &mut self,
        now: Now,
        begin: u64,
        end: u64,
        out: &mut O,
    ) -> Result<(), Refusal> {
        let up = self.steady()?;
        if up.recovery.is_some() {
            return Err(Refusal::AlreadyAsked);
        }
        if begin == 0 || begin > SEQ_MAX || end > SEQ_MAX {
            return Err(Refusal::NumberOutOfRange);
        }
        let end = match end {
            0 => self.settings.rules.open_end_seq_no,
            end if end < begin => return Err(Refusal::RangeReversed),
            end => end,
        };
        self.pen
            .resend_request(now, begin, end, out)
            .map_err(Refusal::Full)?;
        self.tally.resend_requests_out += 1;
        self.spoke(now);
        Ok(())
    }

    /// Logged on, and nothing under way that numbers or the line are needed for.
    fn steady(&mut self) -> Result<&mut Up, Refusal> {
        match &mut self.state {
            State::Up(up) if up.quieting.is_some() => Err(Refusal::Resetting),
            State::Up(up) => Ok(up),
            State::Resetting(_) => Err(Refusal::Resetting),
            State::LogoutSent(_) | State::Closing(_) => Err(Refusal::LoggingOut),
            State::Admitting(_) | State::LogonSent(_) => Err(Refusal::BetweenStates),
            State::Down => Err(Refusal::NotLoggedOn),
        }
    }
}

fn raised(next: u64, from: u64) -> Result<(), Refusal> {
    match next {
        0 => Err(Refusal::NumberOutOfRange),
        next if next > SEQ_MAX => Err(Refusal::NumberOutOfRange),
        next if next < from => Err(Refusal::NumberLowered),
        next if next == from => Err(Refusal::NumberUnchanged),
        _ => Ok(()),
    }
}

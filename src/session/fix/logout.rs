//! Logout(5) from either side. No number is ever reset here.

use super::content::Place;
use super::policy::LogoutAboveExpected;
use super::{LogoutSent, Session, State, Step};
use crate::session::{Cause, Farewell, Fault, Full, Outbox, SessionStatus, Text};
use crate::time::Now;
use crate::wire::fix::Message;

impl Session {
    /// Logs out with `reason` in Text(58): the answer is awaited up to the logout timeout, then the
    /// connection is closed. Meanwhile the peer's messages are taken and its ResendRequests served, if
    /// the settings say so; nothing else is sent.
    ///
    /// While our Logon is unanswered the connection is just closed. In other phases this does
    /// nothing.
    pub fn logout<O: Outbox>(&mut self, now: Now, reason: &Text, out: &mut O) -> Step {
        match &self.state {
            State::Up(_) | State::Resetting(_) => {
                match self.send_logout(now, &(*reason).into(), None, out) {
                    Ok(()) => Step::Done,
                    Err(full) => self.no_room(full),
                }
            }
            State::LogonSent(_) => self.close(Cause::Disconnected),
            // Nobody has logged on yet.
            State::Admitting(_) => self.close(Cause::Disconnected),
            State::Down | State::LogoutSent(_) | State::Closing(_) => Step::Done,
        }
    }

    /// Whether a Logout above the expected number waits until what is missing has come. With a
    /// request under way, or our own Logout out, it is answered at once.
    pub(super) fn recovers_before_logout(&self) -> bool {
        self.settings.logout.above_expected == LogoutAboveExpected::RecoverFirst
            && matches!(&self.state, State::Up(up) if up.recovery.is_none())
    }

    /// The peer's Logout, as an answer to ours or as its wish.
    pub(super) fn logout_received<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        place: Place,
        out: &mut O,
    ) -> Result<Step, Full> {
        if place == Place::Expected {
            // Out of sequence it is not counted: the next Logon shows the gap, and it is recovered.
            self.count(out);
        }
        if let State::LogoutSent(_) = self.state {
            return Ok(self.close(Cause::LogoutConfirmed));
        }
        self.confirm_logout(now, Farewell::of(message), out)
    }

    /// Answers a Logout that waited behind a gap, if the peer's gap fill has passed over it: the gap is
    /// closed, and the Logout does not come again.
    pub(super) fn logout_passed_over<O: Outbox>(
        &mut self,
        now: Now,
        out: &mut O,
    ) -> Result<Step, Full> {
        match (&self.state, self.logout_waits) {
            (State::Up(_), Some((seq, farewell))) if seq < out.next_in() => {
                self.confirm_logout(now, farewell, out)
            }
            _ => Ok(Step::Done),
        }
    }

    fn confirm_logout<O: Outbox>(
        &mut self,
        now: Now,
        farewell: Farewell,
        out: &mut O,
    ) -> Result<Step, Full> {
        let answer = Farewell {
            text: self.settings.logout.answer,
            status: Some(SessionStatus::LOGOUT_COMPLETE),
        };
        self.pen.logout(now, &answer, out)?;
        Ok(self.close_after_flush(Cause::PeerLogout(farewell)))
    }

    /// Logs out over a fault and waits for the peer's Logout.
    pub(super) fn expel<O: Outbox>(
        &mut self,
        now: Now,
        fault: Fault,
        out: &mut O,
    ) -> Result<Step, Full> {
        match &mut self.state {
            State::Up(_) | State::Resetting(_) => {
                let farewell = self.settings.wording.farewell(fault);
                self.send_logout(now, &farewell, Some(fault), out)?;
            }
            State::LogoutSent(logout) => logout.expelled_for = Some(fault),
            _ => return self.end_with(now, fault, out),
        }
        Ok(Step::Done)
    }

    /// Logs out over a fault and closes without waiting.
    pub(super) fn end_with<O: Outbox>(
        &mut self,
        now: Now,
        fault: Fault,
        out: &mut O,
    ) -> Result<Step, Full> {
        if !matches!(self.state, State::LogoutSent(_)) {
            let farewell = self.settings.wording.farewell(fault);
            self.pen.logout(now, &farewell, out)?;
        }
        Ok(self.close_after_flush(Cause::Fault(fault)))
    }

    fn send_logout<O: Outbox>(
        &mut self,
        now: Now,
        farewell: &Farewell,
        expelled_for: Option<Fault>,
        out: &mut O,
    ) -> Result<(), Full> {
        self.pen.logout(now, farewell, out)?;
        let give_up = now.mono + self.settings.logout.timeout;
        let (serving, repeats) = match &mut self.state {
            State::Up(up) if self.settings.logout.serve_requests => (up.serving.take(), up.repeats),
            State::Up(up) => (None, up.repeats),
            _ => Default::default(),
        };
        self.parked.clear();
        self.state = State::LogoutSent(LogoutSent {
            give_up,
            serving,
            repeats,
            expelled_for,
        });
        Ok(())
    }
}

//! Terminate(507) from either side. No number is ever reset here.
//!
//! Code 0 is answered, any other is not; nothing is said after a Terminate. A client only ever says 0,
//! and its reason in words.

use super::codes::{NextLogon, Wait, terminate_code};
use super::gateway::settings::{TerminateStamp, UnboundUuid};
use super::letter::{self, Letter, Request};
use super::negotiate::I63_MAX;
use super::{Fault, Role, Session, State, Step, TerminateSent, Up};
use crate::session::{Cause, Farewell, Full, ResetCause, SeriesOutbox, Text};
use crate::time::Now;

/// What a code is taken for that is null: "Other".
const OTHER: u16 = 23;

/// Codes whose RequestTimestamp is the clock, not that of the message they are about.
pub(super) const CLOCKED: [u16; 2] = [8, 9];

/// Codes that are not about the message over which they are said: others wait.
const ABOUT_NO_MESSAGE: [u16; 2] = [28, 29];

impl Session {
    /// Says Terminate with code 0 and `reason`: the answer is awaited up to one KeepAliveInterval, then
    /// the connection is closed. Messages that arrive meanwhile are taken; nothing else is sent. UUID and
    /// numbers stay. If the settings say so, a running retransmission is waited for first.
    ///
    /// While a logon is under way the connection is just closed. In other phases this does nothing. A
    /// gateway at which messages wait for a penalty rejects them instead, with Terminate 28 or reject 16.
    pub fn logout<O: SeriesOutbox>(&mut self, now: Now, reason: &Text, out: &mut O) -> Step {
        let wait = self.settings.finish_retransmission;
        let holding_up = self.is_holding_up();
        match &mut self.state {
            State::Up(up) if wait && up.is_retransmitting() => {
                up.leaving = Some(*reason);
                Step::Done
            }
            _ if holding_up => self
                .reject_held_up(now, None, out)
                .unwrap_or_else(|full| self.no_room(full)),
            State::Up(_) => self
                .leave(now, *reason, out)
                .unwrap_or_else(|full| self.no_room(full)),
            State::NegotiateSent(_)
            | State::EstablishSent(_)
            | State::Negotiating(_)
            | State::Negotiated { .. }
            | State::Establishing(_) => self.close(Cause::Disconnected),
            State::Down | State::Accepted { .. } | State::TerminateSent(_) | State::Closing { .. } => {
                Step::Done
            }
        }
    }

    fn leave<O: SeriesOutbox>(&mut self, now: Now, reason: Text, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &self.state else {
            return Ok(Step::Done);
        };
        let give_up = now.mono + up.pulse.interval();
        let stamp = self.stamp(now);
        self.say_terminate(now, 0, reason, Some(out.series()), stamp, out)?;
        self.keep_fetching();
        self.state = State::TerminateSent(TerminateSent { give_up, stamp });
        Ok(Step::Done)
    }

    /// A logout that waited for a retransmission, once there is none, and nothing waits for a penalty.
    pub(super) fn leave_if_wished<O: SeriesOutbox>(
        &mut self,
        now: Now,
        out: &mut O,
    ) -> Result<Step, Full> {
        let holding_up = self.is_holding_up();
        match &mut self.state {
            State::Up(up) if !holding_up && !up.is_retransmitting() => match up.leaving.take() {
                Some(reason) => self.leave(now, reason, out),
                None => Ok(Step::Done),
            },
            _ => Ok(Step::Done),
        }
    }

    pub(super) fn say_terminate<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: Text,
        uuid: Option<u64>,
        stamp: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        let terminate = letter::Terminate {
            reason,
            uuid,
            stamp: Some(stamp),
            code: Some(code),
        };
        self.say(now, &Letter::Terminate(terminate), out)
    }

    /// Ends the session over a fault, without waiting for an answer.
    pub(super) fn terminate_over<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        code: u16,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let cause = Cause::FixpFault(fault);
        if self.settings.role == Role::Initiator {
            if let State::TerminateSent(_) = self.state {
                // Nothing is said after a Terminate.
                return Ok(self.close(cause));
            }
            let uuid = match self.state {
                State::NegotiateSent(asked) | State::EstablishSent(asked) => asked.uuid,
                _ => out.series(),
            };
            let stamp = self.stamp(now);
            self.say_terminate(now, 0, fault.text(), Some(uuid), stamp, out)?;
            return Ok(self.close_after_flush(cause));
        }
        let code = match (fault, &self.state) {
            (Fault::AlreadyNegotiated, State::Up(_)) => self.settings.gateway.renegotiate_code,
            _ => code,
        };
        self.say_code(now, code, fault.text(), over, out)?;
        Ok(self.close_after_flush(cause))
    }

    /// A gateway's Terminate over a message.
    pub(super) fn say_code<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: Text,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<(), Full> {
        let settings = &self.settings.gateway;
        let of_message = settings.unbound_uuid == UnboundUuid::OfMessage
            && !matches!(self.state, State::Up(_) | State::TerminateSent(_));
        let uuid = match over.and_then(Letter::uuid) {
            Some(uuid) if of_message => uuid,
            _ => out.series(),
        };
        let of_logon = match settings.terminate_stamp {
            TerminateStamp::LastLogon => Some(self.gateway.last_request),
            TerminateStamp::Clock => None,
        };
        let stamp = over
            .and_then(Letter::stamp)
            .filter(|&stamp| stamp <= I63_MAX && !ABOUT_NO_MESSAGE.contains(&code))
            .or(of_logon.filter(|&stamp| stamp > 0))
            .filter(|_| !CLOCKED.contains(&code));
        let stamp = match stamp {
            Some(stamp) => stamp,
            None => self.stamp(now),
        };
        self.say_terminate(now, code, reason, Some(uuid), stamp, out)
    }

    /// A gateway ends the session with any code, as an operator or a script wants it. Code 0 is a logout.
    pub fn terminate<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: &Text,
        out: &mut O,
    ) -> Step {
        let done = match (&self.state, code) {
            (State::Down | State::Closing { .. }, _) => return Step::Done,
            (_, 0) if self.is_holding_up() => self.reject_held_up(now, None, out),
            (State::Up(_), 0) => self.leave(now, *reason, out),
            _ => self.terminate_with(now, code, *reason, None, out),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    pub(super) fn terminate_with<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: Text,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.say_code(now, code, reason, over, out)?;
        Ok(self.close_after_flush(Cause::TerminatedByUs { code }))
    }

    /// A client gets a Terminate.
    pub(super) fn terminated<O: SeriesOutbox>(
        &mut self,
        now: Now,
        terminate: &letter::Terminate,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let code = terminate.code.unwrap_or(OTHER);
        let bound = out.series();
        let in_session = matches!(self.state, State::Up(_) | State::TerminateSent(_));
        if in_session && let Some(received) = terminate.uuid.filter(|&uuid| uuid != bound) {
            let fault = Fault::Uuid {
                expected: bound,
                received,
            };
            return self.fault(now, fault, Some(letter), out);
        }
        if code != 0 {
            if !in_session {
                self.client.guard.failed(now.mono);
            }
            self.note_code(now, code);
            let reason = terminate.reason;
            return Ok(self.close(Cause::Terminated { code, reason }));
        }
        if let State::TerminateSent(_) = self.state {
            // It has read everything before our Terminate.
            self.client.settled = Some((bound, out.next_out()));
            return Ok(self.close(Cause::LogoutConfirmed));
        }
        let stamp = match terminate.stamp {
            Some(stamp) => stamp,
            None => self.stamp(now),
        };
        let uuid = terminate.uuid.or(Some(bound));
        self.say_terminate(now, 0, Text::EMPTY, uuid, stamp, out)?;
        Ok(self.close_after_flush(Cause::PeerLogout(Farewell::from(terminate.reason))))
    }

    /// What a code means for the next logon.
    fn note_code(&mut self, now: Now, code: u16) {
        let row = terminate_code(code);
        let settings = &self.settings.client;
        let other = settings
            .after_terminate
            .iter()
            .find(|entry| entry.0 == code);
        match other.map_or(row.next, |entry| entry.1) {
            // A session that was never negotiated takes a new UUID in any case.
            NextLogon::Establish => {}
            NextLogon::Negotiate => self.client.renewal = Some(ResetCause::Negotiated),
            NextLogon::Halt => self.client.guard.halt(code),
        }
        let wait = match row.wait {
            Wait::Usual => return,
            Wait::Intervals(intervals) => self.interval() * intervals.into(),
            Wait::BackOff => settings.back_off,
        };
        self.client.not_before = Some(now.mono + wait);
    }

    /// A gateway gets a Terminate while established.
    pub(super) fn terminate_from_client<O: SeriesOutbox>(
        &mut self,
        now: Now,
        terminate: &letter::Terminate,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let expected = out.series();
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        let fault = if up.terminating {
            Some(Fault::TerminateInProgress)
        } else {
            match (terminate.uuid, terminate.stamp, terminate.code) {
                (None, _, _) => Some(Fault::UuidMissing),
                (Some(received), _, _) if received != expected => {
                    Some(Fault::Uuid { expected, received })
                }
                (_, None, _) => Some(Fault::TerminateTimestampMissing),
                (_, Some(stamp), _) if stamp > I63_MAX => Some(Fault::TerminateTimestamp),
                (_, _, None) => Some(Fault::TerminateCodeMissing),
                (_, _, Some(0)) => None,
                (_, _, Some(code)) => Some(Fault::TerminateCode { code }),
            }
        };
        if let Some(fault) = fault {
            return self.fault(now, fault, Some(letter), out);
        }
        if self.is_holding_up() {
            return self.reject_held_up(now, Some(letter), out);
        }
        if let Some(answer) = self.gateway.script.take(super::On::Terminate) {
            if answer == super::Answer::Silence {
                if let State::Up(up) = &mut self.state {
                    up.terminating = true;
                }
                return Ok(Step::Done);
            }
            return self.act_on(now, answer, letter, out);
        }
        let stamp = terminate.stamp.unwrap_or_default();
        self.say_terminate(now, 0, Text::EMPTY, Some(expected), stamp, out)?;
        Ok(self.close_after_flush(Cause::PeerLogout(Farewell::from(terminate.reason))))
    }

    /// A gateway gets the answer to its Terminate.
    pub(super) fn terminate_answered<O: SeriesOutbox>(
        &mut self,
        now: Now,
        sent: TerminateSent,
        terminate: &letter::Terminate,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if terminate.stamp != Some(sent.stamp) {
            return self.fault(now, Fault::TerminateTimestamp, Some(letter), out);
        }
        Ok(self.close(Cause::LogoutConfirmed))
    }
}

impl Up {
    pub(super) fn is_retransmitting(&self) -> bool {
        self.fetching.is_running()
            || self.serving.is_some()
            || self
                .resending
                .is_some_and(|resending| resending.is_running())
    }
}

impl Request<'_> {
    /// UUID as the answer echoes it.
    pub(super) fn echoed_uuid(&self) -> u64 {
        self.uuid.unwrap_or(u64::MAX)
    }

    /// RequestTimestamp as the answer echoes it.
    pub(super) fn echoed_stamp(&self) -> u64 {
        self.stamp.unwrap_or(u64::MAX)
    }
}

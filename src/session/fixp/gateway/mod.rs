//! The gateway's half of the match: the exchange's side of a session.

mod business;
mod logon;
mod penalty;
mod retransmission;
pub(super) mod settings;
mod vet;

use self::business::Beyond;
pub use self::logon::{Identity, REFUSAL_MAX, identity, refuse, turn_away};
pub use self::penalty::{Delayed, Pieces};
pub(super) use self::penalty::{Penalty, Turn};
pub(super) use self::retransmission::Serving;
use self::settings::RepeatedLogon;
use super::guard::Recent;
use super::letter::{Letter, Sender};
use super::script::{Answer, On, Script};
use super::{Fault, Session, Settings, State, Step};
use crate::session::{Cause, Full, SeriesOutbox, Text};
use crate::time::{Mono, Now};

/// What a gateway remembers from one connection to the next, and does not find in its outbox.
#[derive(Debug)]
pub(super) struct Gateway {
    /// RequestTimestamp of the last Negotiate or Establish whose signature was right.
    pub(super) last_request: u64,
    pub(super) invalid: Recent,
    pub(super) blocked: bool,
    pub(super) script: Script,
    /// The greatest UUID of the weeks before.
    pub(super) floor: u64,
    /// So many business messages are to be kept back.
    pub(super) withhold: u32,
    /// Of a backup: the session is established on the primary.
    pub(super) primary_up: bool,
    rate: business::Window,
    admin_rate: business::Window,
    /// The message that is being dealt with is beyond the rate of those of the session layer.
    beyond_rate: bool,
    pub(super) penalty: Penalty,
}

/// A Negotiate or Establish whose signature is being verified, by something that is slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judging {
    pub(super) give_up: Mono,
    pub(super) uuid: u64,
    pub(super) stamp: u64,
}

impl Gateway {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            last_request: 0,
            invalid: Recent::default(),
            blocked: false,
            script: Script::default(),
            floor: 0,
            withhold: 0,
            primary_up: false,
            rate: business::Window::default(),
            admin_rate: business::Window::default(),
            beyond_rate: false,
            penalty: Penalty::new(settings),
        }
    }

    pub(super) fn forget_invalid(&mut self) {
        self.invalid.clear();
    }
}

impl Session {
    pub(super) fn gateway_receives<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Some(step) = self.beyond_admin_rate(now, letter, out)? {
            return Ok(step);
        }
        let negotiated = out.series() != 0;
        let unbound = if negotiated {
            Fault::NotEstablished
        } else {
            Fault::Unnegotiated
        };
        match (&self.state, letter) {
            (State::Accepted { .. } | State::Negotiated { .. }, _) if out.is_port_closed() => {
                self.fault(now, Fault::PortClosed, Some(letter), out)
            }
            (
                State::Accepted { .. }
                | State::Negotiating(_)
                | State::Negotiated { .. }
                | State::Establishing(_),
                Letter::Terminate(_),
            ) if self.is_holding_up() => self.reject_held_up(now, Some(letter), out),
            (State::Accepted { .. }, Letter::Negotiate(request)) => {
                self.negotiate_received(now, request, letter, out)
            }
            (State::Accepted { .. }, Letter::Establish(request)) if negotiated || self.is_backup() => {
                self.establish_received(now, request, false, letter, out)
            }
            (State::Negotiated { .. }, Letter::Establish(request)) => {
                self.establish_received(now, request, true, letter, out)
            }
            (State::Accepted { .. }, Letter::Establish(_)) => {
                self.invalid_logon(now, Fault::Unnegotiated, letter, out)
            }
            (State::Negotiating(_), Letter::Negotiate(_))
            | (State::Establishing(_), Letter::Establish(_))
                if self.settings.gateway.repeated_logon == RepeatedLogon::Ignore =>
            {
                Ok(Step::Done)
            }
            (State::Negotiating(_), Letter::Negotiate(_)) => {
                self.invalid_logon(now, Fault::NegotiationInProgress, letter, out)
            }
            (State::Negotiated { .. } | State::Up(_), Letter::Negotiate(_)) => {
                self.invalid_logon(now, Fault::AlreadyNegotiated, letter, out)
            }
            (State::Establishing(_), Letter::Establish(_)) => {
                self.invalid_logon(now, Fault::EstablishInProgress, letter, out)
            }
            (State::Up(_), Letter::Establish(_)) => {
                self.invalid_logon(now, Fault::AlreadyEstablished, letter, out)
            }
            (
                State::Accepted { .. }
                | State::Negotiating(_)
                | State::Negotiated { .. }
                | State::Establishing(_),
                _,
            ) => {
                if self.settings.gateway.count_other_messages {
                    self.invalid_logon(now, unbound, letter, out)
                } else {
                    self.fault(now, unbound, Some(letter), out)
                }
            }
            (State::Up(_), Letter::Sequence(sequence)) => {
                self.sequence_from_client(now, sequence, letter, out)
            }
            (State::Up(_), Letter::Terminate(terminate)) => {
                self.terminate_from_client(now, terminate, letter, out)
            }
            (State::Up(_), Letter::RetransmitRequest(request)) => {
                self.retransmission_asked(now, request, letter, out)
            }
            (State::Up(_), Letter::Business(business))
                if letter.sender() == Sender::Client && self.is_backup() =>
            {
                self.business_on_backup(now, business, letter, out)
            }
            (State::Up(_), Letter::Business(business)) if letter.sender() == Sender::Client => {
                self.business_from_client(now, business, letter, out)
            }
            (State::Up(_), _) => self.fault(now, Fault::WrongDirection, Some(letter), out),
            (State::TerminateSent(sent), Letter::Terminate(terminate)) => {
                self.terminate_answered(now, *sent, terminate, letter, out)
            }
            // Nothing but the answer matters any more.
            (State::TerminateSent(_), _) => Ok(Step::Done),
            (
                State::Down | State::NegotiateSent(_) | State::EstablishSent(_) | State::Closing { .. },
                _,
            ) => Ok(Step::Done),
        }
    }

    /// What is done about a session-level message beyond the rate of those.
    fn beyond_admin_rate<O: SeriesOutbox>(
        &mut self,
        now: Now,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Option<Step>, Full> {
        let Some(limit) = self.settings.gateway.admin_rate else {
            return Ok(None);
        };
        // Nothing is said after a Terminate.
        if matches!(letter, Letter::Business(_)) || matches!(self.state, State::TerminateSent(_)) {
            return Ok(None);
        }
        let beyond = self.gateway.admin_rate.count(now.mono, &limit);
        // Only logons are rejected, when it is their turn to be looked at.
        self.gateway.beyond_rate = beyond == Beyond::Reject;
        match beyond {
            Beyond::Terminate => self
                .fault(now, Fault::AdminFlood, Some(letter), out)
                .map(Some),
            Beyond::Reject | Beyond::Nothing => Ok(None),
        }
    }

    /// Does what the script says.
    pub(super) fn act_on<O: SeriesOutbox>(
        &mut self,
        now: Now,
        answer: Answer,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let reason = Text::lossy(b"As scripted");
        match (answer, letter) {
            (Answer::Reject(code), Letter::Negotiate(_) | Letter::Establish(_)) => {
                self.say_reject(now, code, reason, letter, out)?;
                Ok(self.close_after_flush(Cause::TerminatedByUs { code }))
            }
            (Answer::Reject(code), Letter::RetransmitRequest(request)) => {
                self.say_retransmit_reject(now, code, reason, request, out)?;
                Ok(Step::Done)
            }
            (Answer::Reject(code), Letter::Business(business)) => {
                let seq = business.seq.map_or(0, u64::from);
                self.say_business_reject(now, code, reason, Some(business), out)?;
                out.set_next_in(seq + 1);
                Ok(Step::Done)
            }
            (Answer::Unconsumed(code), Letter::Business(_)) => {
                self.say_business_reject(now, code, reason, None, out)?;
                Ok(Step::Done)
            }
            (Answer::Terminate(code), _) => self.terminate_with(now, code, reason, Some(letter), out),
            (Answer::Drop, _) => Ok(self.close(Cause::Disconnected)),
            (Answer::Silence | Answer::Reject(_) | Answer::Unconsumed(_), _) => Ok(Step::Done),
        }
    }

    /// What the script says to this.
    pub(super) fn scripted(&mut self, on: On) -> Option<Answer> {
        self.gateway.script.take(on)
    }
}

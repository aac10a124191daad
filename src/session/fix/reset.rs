//! New number series: when and why both sequence numbers go back to 1, outside of a Logon that opens
//! a connection.
//!
//! In session the agreed side first makes the line quiet: nothing new is sent, and a TestRequest(1)
//! and its Heartbeat(0) show that everything before has arrived. Then it sends a Logon(A) with
//! ResetSeqNumFlag(141)=Y under number 1 and nothing else until the answer. The peer may have sent
//! application messages before it read that Logon; it has taken them to be sent and will not send them
//! again, so what still arrives in sequence of the old series is delivered, and counts in no series.
//! Everything else of the old series is dropped. If both sides do this at once, each takes the other's Logon for the answer.
//!
//! Every reset is recorded with its [`ResetCause`]. A reset never happens in the middle of a logout.

use super::compose::LogonTerms;
use super::content::Place;
use super::head::Head;
use super::resend::Repeats;
use super::terms::Environment;
use super::{AtEnd, Delivery, Kind, OnFailure, Session, State, Step, Up};
use crate::session::{Cause, Fault, Full, Outbox, Refusal, ResetCause};
use crate::time::{Mono, Now};
use crate::wire::fix::Message;

/// The line is being made quiet for a reset of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quieting {
    /// The TestRequest whose answer shows that everything before has arrived.
    probe: u64,
    give_up: Mono,
}

/// Our Logon with ResetSeqNumFlag(141)=Y is out; both series are new on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resetting {
    pub(super) give_up: Mono,
    /// The number expected next of the old series.
    pub(super) old_in: u64,
}

/// How a connection that was logged on is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It never came to a logon.
    NeverUp,
    /// Both sides have said Logout.
    LoggedOut,
    /// The application failed.
    Failed,
    /// Any other way.
    Otherwise,
}

impl Ending {
    /// How a connection ends that is closed for `cause`.
    pub(super) fn of(was_up: bool, cause: &Cause) -> Self {
        match cause {
            _ if !was_up => Self::NeverUp,
            Cause::LogoutConfirmed | Cause::PeerLogout(_) => Self::LoggedOut,
            Cause::ApplicationFailed => Self::Failed,
            _ => Self::Otherwise,
        }
    }
}

impl Session {
    /// Starts new series at 1 in both directions without ending the connection: makes the line
    /// quiet, then exchanges Logons with ResetSeqNumFlag(141)=Y. [`Step::Reset`] tells the end of it;
    /// without an answer within the logon timeout the session logs out.
    ///
    /// Until then application messages are refused with [`Refusal::Resetting`].
    ///
    /// # Errors
    /// The session is not logged on, is resetting already, or has a version without 141. Nothing has
    /// changed then.
    pub fn reset_in_session<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Refusal> {
        if !self.settings.rules.reset_seq_num_flag {
            return Err(Refusal::NoResetSeqNumFlag);
        }
        let up = match &mut self.state {
            State::Up(up) if up.quieting.is_some() => return Err(Refusal::Resetting),
            State::Up(up) => up,
            State::Resetting(_) => return Err(Refusal::Resetting),
            State::LogoutSent(_) | State::Closing(_) => return Err(Refusal::LoggingOut),
            State::Down | State::LogonSent(_) | State::Admitting(_) => {
                return Err(Refusal::NotLoggedOn);
            }
        };
        let probe = up.pulse.probe(now.mono);
        up.quieting = Some(Quieting {
            probe,
            give_up: now.mono + self.settings.logon_timeout,
        });
        self.tally.test_requests_out += 1;
        Ok(match self.pen.test_request(now, probe, out) {
            Ok(()) => {
                self.spoke(now);
                Step::Done
            }
            Err(full) => self.no_room(full),
        })
    }

    /// Whether a reset of ours is under way in session.
    #[must_use]
    pub fn is_resetting(&self) -> bool {
        match &self.state {
            State::Up(up) => up.quieting.is_some(),
            State::Resetting(_) => true,
            _ => false,
        }
    }

    /// Starts new series at 1 in both directions while there is no connection. What the peer expects
    /// is between the two operators: a Logon that it does not agree with ends with a number too low.
    ///
    /// # Errors
    /// There is a connection, or no room to record the reset. Nothing has changed then.
    pub fn reset_numbers<O: Outbox>(
        &mut self,
        now: Now,
        why: ResetCause,
        out: &mut O,
    ) -> Result<(), Refusal> {
        match self.state {
            // A Logon that is waiting for the application's answer is checked again then.
            State::Down | State::Admitting(_) => {
                self.restart_numbers(now, why, out).map_err(Refusal::Full)
            }
            _ => Err(Refusal::Connected),
        }
    }

    /// Starts new series at 1 in both directions while logged on, without a word: the peer does the
    /// same at that moment, by agreement. In other phases this does nothing.
    ///
    /// # Errors
    /// No room to record the reset. Nothing has changed then.
    pub fn restart_silently<O: Outbox>(
        &mut self,
        now: Now,
        why: ResetCause,
        out: &mut O,
    ) -> Result<Step, Full> {
        if !matches!(self.state, State::Up(_)) {
            return Ok(Step::Done);
        }
        self.restart_numbers(now, why, out)?;
        if let State::Up(up) = &mut self.state {
            // What the peer asked for is of the old series.
            up.serving = None;
            up.repeats = Repeats::default();
            up.quieting = None;
        }
        Ok(Step::Reset(why))
    }

    /// When something of a reset is due: at once if the line is quiet.
    pub(super) fn quiet_deadline(&self, up: &Up) -> Option<Mono> {
        let quieting = up.quieting?;
        if self.is_quiet(up, &quieting) {
            Some(Mono::default())
        } else {
            Some(quieting.give_up)
        }
    }

    /// Whether everything either side sent before has arrived.
    fn is_quiet(&self, up: &Up, quieting: &Quieting) -> bool {
        up.pulse.is_answered(quieting.probe)
            && up.recovery.is_none()
            && up.serving.is_none()
            && !self.is_waiting()
    }

    /// Goes on with a reset once the line is quiet, or gives it up.
    pub(super) fn quiet_due<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &self.state else {
            return Ok(Step::Done);
        };
        let Some(quieting) = up.quieting else {
            return Ok(Step::Done);
        };
        if !self.is_quiet(up, &quieting) {
            return if now.mono >= quieting.give_up {
                self.reset_unanswered(now, out)
            } else {
                Ok(Step::Done)
            };
        }
        let heartbeat_s = up.pulse.heartbeat_s();
        let old_in = out.next_in();
        self.restart_numbers(now, ResetCause::InSession, out)?;
        let terms = LogonTerms {
            heartbeat_s,
            reset: true,
            is_test: self.settings.logon.environment == Environment::Test,
            next_expected: self.uses_next_expected().then_some(1),
            status: None,
        };
        self.pen.logon(now, terms, &self.settings, out)?;
        self.state = State::Resetting(Resetting {
            give_up: now.mono + self.settings.logon_timeout,
            old_in,
        });
        Ok(Step::Done)
    }

    /// The peer did not answer what a reset needs answered.
    pub(super) fn reset_unanswered<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        self.tally.note(Fault::ResetNotAnswered);
        self.end_with(now, Fault::ResetNotAnswered, out)
    }

    /// A Logon while our reset is unanswered: the answer, or the peer's own reset that crossed ours.
    pub(super) fn reset_answered<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if message.begin_string() != self.settings.rules.begin_string.as_bytes() {
            return self.fault(now, Fault::BeginString, message, out);
        }
        let checked = self
            .read_greeting(now, message, head)
            .and_then(|greeting| self.check_sender(now, head).map(|()| greeting));
        let greeting = match checked {
            Ok(greeting) => greeting,
            Err(fault) => return self.fault(now, fault, message, out),
        };
        if greeting.seq != 1 {
            let received = greeting.seq;
            return self.fault(now, Fault::ResetNotConfirmed { received }, message, out);
        }
        self.count(out);
        self.reset_done(now, &greeting)
    }

    /// Anything but a Logon while our reset is unanswered: of the old series. A Logout still matters, and
    /// so does an application message that the peer sent before it knew, if it is the next of its series:
    /// [`Session::delivered`] does not count it.
    pub(super) fn old_series<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        kind: Kind,
        out: &mut O,
    ) -> Result<Step, Full> {
        if kind == Kind::Logout {
            return self.logout_received(now, message, Place::Low, out);
        }
        if let State::Resetting(resetting) = &mut self.state
            && head.seq == Ok(resetting.old_in)
            && !head.is_poss_dup()
        {
            resetting.old_in += 1;
            let seq = resetting.old_in - 1;
            if kind == Kind::Application
                && let Some(delivery) = self.sound_old(now, message, head, seq)
            {
                self.tally.application_in += 1;
                return Ok(Step::Deliver(delivery));
            }
        }
        self.tally.old_series_dropped += 1;
        Ok(Step::Done)
    }

    /// An application message of the old series, if nothing is wrong with it: a refusal could not be said.
    fn sound_old(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        seq: u64,
    ) -> Option<Delivery> {
        let begins = self.settings.rules.begin_string.as_bytes();
        let sound = head
            .check(&self.settings.validation.checks)
            .and_then(|()| self.check_sender(now, head))
            .and_then(|()| self.check_on_behalf_of(message))
            .and_then(|()| self.validate(message, head, Kind::Application));
        if message.begin_string() != begins || sound.is_err() {
            return None;
        }
        Some(Delivery {
            seq,
            poss_dup: false,
            poss_resend: head.is_poss_resend(),
            appl_version: self.version_of(message, head).ok()?,
        })
    }

    /// What the end of a connection does to the numbers.
    pub(super) fn reset_at_end<O: Outbox>(&mut self, now: Now, ending: Ending, out: &mut O) {
        let restarts_failed = self.settings.on_failure == OnFailure::Restart;
        let why = match (self.settings.at_end, ending) {
            (_, Ending::Failed) if restarts_failed => ResetCause::ResetOnDisconnect,
            (AtEnd::Continue, _) | (_, Ending::NeverUp) => return,
            (AtEnd::RestartAfterLogout | AtEnd::RestartAlways, Ending::LoggedOut) => {
                ResetCause::ResetOnLogout
            }
            (AtEnd::RestartAlways, Ending::Otherwise | Ending::Failed) => ResetCause::ResetOnDisconnect,
            (AtEnd::RestartAfterLogout, Ending::Otherwise | Ending::Failed) => return,
        };
        self.owe_or_restart(now, why, out);
    }

    /// Restarts the numbers, or remembers to do so before the next Logon if there is no room now.
    fn owe_or_restart<O: Outbox>(&mut self, now: Now, why: ResetCause, out: &mut O) {
        self.restart_owed = self.restart_numbers(now, why, out).err().map(|_| why);
    }

    /// Makes up for a restart that there was no room for when it was due.
    pub(super) fn restart_if_owed<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<(), Full> {
        if let Some(why) = self.restart_owed {
            self.restart_numbers(now, why, out)?;
            self.restart_owed = None;
        }
        Ok(())
    }
}

//! Whether a peer that asks an acceptor to log on is welcome: the application decides, at once or
//! later.
//!
//! While it makes up its mind nothing else of the connection is read: what the peer sent behind its
//! Logon stays where it is. The Logon itself is not kept, only what it said, and no credentials.

use super::greeting::Greeting;
use super::head::Head;
use super::terms::OnHold;
use super::{Session, State, Step};
use crate::session::{Cause, Farewell, Fault, Full, Outbox, Refusal, SessionStatus, Text};
use crate::time::{Mono, Now};
use crate::wire::fix::Message;

/// What the application says to a peer that wants to log on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Welcome.
    Admit,
    /// Welcome, and our Logon says so with this SessionStatus(1409), for example that a new password
    /// was taken.
    AdmitWith(SessionStatus),
    /// Refused, with a Logout that says this. The number of the Logon is not counted.
    Refuse(Farewell),
    /// To be decided with [`Session::decide`], by this number of the application's own choice: a
    /// decision that comes too late must not let in whoever asks next. Refused if it does not come
    /// within the admission timeout.
    Later(u64),
}

impl Admission {
    /// The decision that lets the peer in, if this is one.
    pub(crate) fn welcome(self) -> Option<Decision> {
        match self {
            Self::Admit => Some(Decision::Admit(None)),
            Self::AdmitWith(status) => Some(Decision::Admit(Some(status))),
            Self::Refuse(_) | Self::Later(_) => None,
        }
    }
}

/// What became of a Logon that was put off with [`Admission::Later`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Welcome; our Logon says so with this SessionStatus(1409), if there is one.
    Admit(Option<SessionStatus>),
    /// Refused, with a Logout that says this. The number of the Logon is not counted.
    Refuse(Farewell),
}

/// A Logon that was found in order waits for the application's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitting {
    greeting: Greeting,
    pub(super) awaited: Option<Awaited>,
}

/// A decision that was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    ticket: u64,
    pub(super) give_up: Mono,
}

impl Session {
    /// The Logon that opens a connection to an acceptor, up to the question whether the peer is
    /// welcome.
    pub(super) fn vet_logon<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match self.read_greeting(now, message, head) {
            Ok(greeting) => {
                self.state = State::Admitting(Admitting {
                    greeting,
                    awaited: None,
                });
                Ok(Step::Authenticate)
            }
            Err(fault) => self.fault(now, fault, message, out),
        }
    }

    /// Answers the Logon that led to [`Step::Authenticate`], as the application decided.
    pub fn admit<O: Outbox>(&mut self, now: Now, admission: Admission, out: &mut O) -> Step {
        let decision = match admission {
            Admission::Admit => Decision::Admit(None),
            Admission::AdmitWith(status) => Decision::Admit(Some(status)),
            Admission::Refuse(farewell) => Decision::Refuse(farewell),
            Admission::Later(ticket) => {
                let give_up = now.mono + self.settings.logon.admission_timeout;
                if let State::Admitting(admitting) = &mut self.state {
                    admitting.awaited = Some(Awaited { ticket, give_up });
                }
                return Step::Done;
            }
        };
        match &self.state {
            State::Admitting(Admitting { greeting, .. }) => {
                let greeting = *greeting;
                self.decided(now, &greeting, decision, out)
            }
            _ => Step::Done,
        }
    }

    /// Whether a Logon that was put off under `ticket` waits for a decision.
    #[must_use]
    pub fn awaits_decision(&self, ticket: u64) -> bool {
        let State::Admitting(Admitting {
            awaited: Some(awaited),
            ..
        }) = &self.state
        else {
            return false;
        };
        awaited.ticket == ticket
    }

    /// Decides over the Logon that was put off under `ticket`.
    ///
    /// # Errors
    /// No such Logon waits: the peer is gone, the time was up, or it was decided before.
    pub fn decide<O: Outbox>(
        &mut self,
        now: Now,
        ticket: u64,
        decision: Decision,
        out: &mut O,
    ) -> Result<Step, Refusal> {
        match &self.state {
            State::Admitting(Admitting {
                greeting,
                awaited: Some(awaited),
            }) if awaited.ticket == ticket => {
                let greeting = *greeting;
                Ok(self.decided(now, &greeting, decision, out))
            }
            _ => Err(Refusal::NothingToDecide),
        }
    }

    fn decided<O: Outbox>(
        &mut self,
        now: Now,
        greeting: &Greeting,
        decision: Decision,
        out: &mut O,
    ) -> Step {
        match decision {
            Decision::Admit(status) => self.answer_logon(now, greeting, status, out),
            Decision::Refuse(farewell) => self.deny(now, farewell, out),
        }
        .unwrap_or_else(|full| self.no_room(full))
    }

    /// The application did not decide in time.
    pub(super) fn undecided<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let text = Text::lossy(b"Logon was not decided upon in time");
        self.deny(now, text.into(), out)
    }

    fn deny<O: Outbox>(&mut self, now: Now, farewell: Farewell, out: &mut O) -> Result<Step, Full> {
        self.pen.logout(now, &farewell, out)?;
        Ok(self.close_after_flush(Cause::LogonDenied(farewell)))
    }

    /// Turns a peer away that may not log on now, with the text of `fault`; or without a byte, if the
    /// session is on hold and does not say so.
    pub fn turn_away<O: Outbox>(&mut self, now: Now, fault: Fault, out: &mut O) -> Step {
        if fault == Fault::OnHold && self.settings.logon.on_hold == OnHold::Silence {
            return self.shut_out(fault);
        }
        self.tally.note(fault);
        self.end_with(now, fault, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    /// Turns a peer away that may not log on now, without a byte.
    pub fn shut_out(&mut self, fault: Fault) -> Step {
        self.tally.note(fault);
        self.close(Cause::Fault(fault))
    }
}

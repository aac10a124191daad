//! Logon(A) from either side: who answers what, and what it does to the numbers.
//!
//! Nothing in the store changes before the peer is known to be welcome. What happens to which number
//! when is drawn up in [`numbers`](super::numbers).

use super::compose::LogonTerms;
use super::content::Place;
use super::greeting::Greeting;
use super::head::Head;
use super::liveness::Pulse;
use super::parked::Waiting;
use super::policy::LivenessSettings;
use super::resend::{Repeats, Serving};
use super::terms::Environment;
use super::{AtLogon, LogonSent, Role, Session, State, Step, Up};
use crate::session::{Cause, Farewell, Fault, Full, Outbox, ResetCause, SessionStatus};
use crate::time::Now;
use crate::wire::fix::Message;

impl Session {
    /// The connection of an initiator stands: sends the Logon.
    pub fn connected<O: Outbox>(&mut self, now: Now, out: &mut O) -> Step {
        self.send_first_logon(now, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    fn send_first_logon<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        self.restart_if_owed(now, out)?;
        let at_logon = self.at_logon(out);
        match at_logon {
            AtLogon::Continue | AtLogon::AskResetAtOne => {}
            AtLogon::AskReset => self.restart_numbers(now, ResetCause::ResetSeqNumFlag, out)?,
            AtLogon::Restart => self.restart_numbers(now, ResetCause::ResetOnLogon, out)?,
        }
        let seq = out.next_out();
        let reset = match at_logon {
            AtLogon::AskReset => true,
            AtLogon::AskResetAtOne => (seq, out.next_in()) == (1, 1),
            AtLogon::Continue | AtLogon::Restart => false,
        };
        let terms = LogonTerms {
            heartbeat_s: self.settings.heartbeat_s,
            reset,
            is_test: self.settings.logon.environment == Environment::Test,
            next_expected: self.uses_next_expected().then_some(out.next_in()),
            status: None,
        };
        self.pen.logon(now, terms, &self.settings, out)?;
        self.state = State::LogonSent(LogonSent {
            give_up: now.mono + self.settings.logon_timeout,
            seq,
            reset,
        });
        Ok(Step::Done)
    }

    /// What our Logon does to the numbers: as configured, unless the peer never confirmed the last reset
    /// that we asked for. It may have gone along or not, and only another one makes both sides agree.
    fn at_logon<O: Outbox>(&self, out: &O) -> AtLogon {
        if is_unconfirmed(out) {
            AtLogon::AskReset
        } else {
            self.settings.at_logon
        }
    }

    /// Answers the Logon of a peer that is welcome.
    pub(super) fn answer_logon<O: Outbox>(
        &mut self,
        now: Now,
        greeting: &Greeting,
        status: Option<SessionStatus>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let received = greeting.seq;
        self.restart_if_owed(now, out)?;
        if greeting.reset {
            if received != 1 {
                return self.refuse_logon(now, Fault::ResetNotAtOne { received }, out);
            }
            self.restart_numbers(now, ResetCause::ResetSeqNumFlag, out)?;
        } else if self.settings.at_logon == AtLogon::Restart {
            self.restart_numbers(now, ResetCause::ResetOnLogon, out)?;
        }
        let expected = out.next_in();
        if self.is_too_low(received, expected) {
            // PossDupFlag does not excuse a Logon.
            return self.refuse_logon(now, Fault::SeqTooLow { expected, received }, out);
        }
        let answer = out.next_out();
        if let Some(fault) = never_sent(greeting, answer) {
            // The peer was welcome, so its number counts.
            if received == expected {
                self.count(out);
            }
            return self.refuse_logon(now, fault, out);
        }
        if received == expected {
            self.pen.answering(received);
        }
        let terms = self.answering_terms(greeting, status, out.next_in());
        self.pen.logon(now, terms, &self.settings, out)?;
        self.up(now, greeting, answer, out)
    }

    /// What our answer to a Logon says.
    fn answering_terms(
        &self,
        greeting: &Greeting,
        status: Option<SessionStatus>,
        expected: u64,
    ) -> LogonTerms {
        LogonTerms {
            heartbeat_s: greeting.heartbeat_s,
            reset: greeting.reset,
            is_test: greeting.is_test == Some(true),
            // The Logon itself is counted once it is answered; behind a gap it is not what we need.
            next_expected: self
                .uses_next_expected()
                .then_some(if greeting.seq == expected {
                    expected + 1
                } else {
                    expected
                }),
            status,
        }
    }

    fn refuse_logon<O: Outbox>(&mut self, now: Now, fault: Fault, out: &mut O) -> Result<Step, Full> {
        self.tally.note(fault);
        self.end_with(now, fault, out)
    }

    /// The peer answers our Logon with its own.
    pub(super) fn logon_answered<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let State::LogonSent(LogonSent {
            seq: ours,
            reset: asked,
            ..
        }) = self.state
        else {
            return Ok(Step::Done);
        };
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
        let (expected, received) = (out.next_in(), greeting.seq);
        let fault = if asked && received != 1 {
            Some(Fault::ResetNotConfirmed { received })
        } else if greeting.reset && !asked && (ours, expected, received) != (1, 1, 1) {
            // Harmless only where both series are new anyway.
            Some(Fault::ResetNotAsked)
        } else if self.is_too_low(received, expected) {
            Some(Fault::SeqTooLow { expected, received })
        } else {
            never_sent(&greeting, out.next_out())
        };
        match fault {
            Some(fault) => self.fault(now, fault, message, out),
            None => self.up(now, &greeting, ours, out),
        }
    }

    /// The peer answers our Logon with a Logout.
    pub(super) fn logon_refused<O: Outbox>(&mut self, message: &Message<'_>, out: &mut O) -> Step {
        // A peer that refuses says nothing of a reset: its Logout would count as the confirmation.
        if !is_unconfirmed(out) {
            self.count_if_expected(message, out);
        }
        self.close(Cause::LogonRefused(Farewell::of(message)))
    }

    /// A Logon while logged on is the peer's wish to start both series anew, or a mistake.
    pub(super) fn logon_while_up<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let greeting = match self.read_greeting(now, message, head) {
            Ok(greeting) if greeting.reset => greeting,
            Ok(_) => return self.fault(now, Fault::LogonWhileLoggedOn, message, out),
            Err(fault) => return self.fault(now, fault, message, out),
        };
        let received = greeting.seq;
        if received != 1 {
            return self.fault(now, Fault::ResetNotAtOne { received }, message, out);
        }
        if !matches!(self.state, State::Up(_)) {
            // We are logging out: there is nobody to start anew with.
            return Ok(Step::Done);
        }
        self.restart_numbers(now, ResetCause::InSession, out)?;
        self.pen.answering(1);
        let terms = self.answering_terms(&greeting, None, out.next_in());
        self.pen.logon(now, terms, &self.settings, out)?;
        self.count(out);
        self.reset_done(now, &greeting)
    }

    /// Both series are new and both sides have said so.
    pub(super) fn reset_done(&mut self, now: Now, greeting: &Greeting) -> Result<Step, Full> {
        self.remember(greeting);
        self.state = State::Up(Up::new(greeting.heartbeat_s, &self.settings.liveness, now));
        Ok(Step::Reset(ResetCause::InSession))
    }

    /// Logged on: counts the Logon, or waits for what is missing below it; and sends what the peer
    /// says it is missing. `ours` is the number of our own Logon.
    fn up<O: Outbox>(
        &mut self,
        now: Now,
        greeting: &Greeting,
        ours: u64,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.remember(greeting);
        // Of a process that was killed: a connection that ends before our eyes leaves nothing.
        self.give_up_waiting(out);
        let mut up = Up::new(greeting.heartbeat_s, &self.settings.liveness, now);
        // What a peer that misses nothing expects: our answer to its Logon, or what follows our Logon.
        let in_sync = match self.settings.role {
            Role::Initiator => ours + 1,
            Role::Acceptor => ours,
        };
        up.serving = greeting
            .next_expected
            .filter(|&wanted| wanted < in_sync)
            // Our Logon as well: behind a gap the peer may not have counted it.
            .map(|wanted| Serving::of(wanted, ours));
        self.state = State::Up(up);
        if self.place(greeting.seq, false, out) == Place::Expected {
            self.count_seq(greeting.seq, out);
        } else if greeting.next_expected.is_some() {
            // The peer has been told what we need.
            self.await_replay(now, greeting.seq, out);
        } else {
            let _: Step = self.gap(now, greeting.seq, Waiting::Handled, out)?;
        }
        Ok(Step::LoggedOn)
    }
}

impl Session {
    /// Whether a Logon has a number that was used before. PossDupFlag does not excuse it.
    fn is_too_low(&self, received: u64, expected: u64) -> bool {
        received < expected && self.settings.checks.sequence_numbers
    }
}

/// Whether the peer never confirmed the last reset that we asked for: what it confirms with would be the
/// first message of the series.
fn is_unconfirmed<O: Outbox>(out: &O) -> bool {
    let asked = matches!(
        out.series_cause(),
        ResetCause::InSession | ResetCause::ResetSeqNumFlag
    );
    asked && out.next_in() == 1
}

/// The peer expects a number above `next`, which nothing was ever sent under.
fn never_sent(greeting: &Greeting, next: u64) -> Option<Fault> {
    let received = greeting.next_expected.filter(|wanted| *wanted > next)?;
    Some(Fault::NextExpectedTooHigh {
        expected: next,
        received,
    })
}

impl Up {
    pub(super) fn new(heartbeat_s: u32, liveness: &LivenessSettings, now: Now) -> Self {
        Self {
            pulse: Pulse::new(heartbeat_s, liveness, now.mono),
            recovery: None,
            serving: None,
            repeats: Repeats::default(),
            quieting: None,
        }
    }
}

//! Logon(A) from either side: the checks in their order, and what they do to the numbers.
//!
//! Nothing in the store changes before the peer is known to be welcome.

use super::compose::LogonTerms;
use super::content::Place;
use super::head::Head;
use super::liveness::Pulse;
use super::parked::Waiting;
use super::policy::LivenessSettings;
use super::resend::Repeats;
use super::{Admission, AtLogon, LogonSent, Session, State, Step, Up};
use crate::session::{Cause, Defect, Fault, Full, Outbox, ResetCause, Text};
use crate::time::Now;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{FieldErrorKind, Message};

/// The largest HeartBtInt(108) that is taken for one: a day.
const HEARTBEAT_MAX_S: u64 = 86_400;

impl Session {
    /// The connection of an initiator stands: sends the Logon.
    pub fn connected<O: Outbox>(&mut self, now: Now, out: &mut O) -> Step {
        self.send_first_logon(now, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    fn send_first_logon<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        self.restart_if_owed(now, out)?;
        let at_logon = self.at_logon();
        match at_logon {
            AtLogon::Continue => {}
            AtLogon::AskReset => self.restart_numbers(now, ResetCause::ResetSeqNumFlag, out)?,
            AtLogon::Restart => self.restart_numbers(now, ResetCause::ResetOnLogon, out)?,
        }
        let seq = out.next_out();
        let terms = LogonTerms {
            heartbeat_s: self.settings.heartbeat_s,
            reset: at_logon == AtLogon::AskReset,
        };
        self.pen.logon(now, terms, &self.settings, out)?;
        self.state = State::LogonSent(LogonSent {
            give_up: now.mono + self.settings.logon_timeout,
            seq,
        });
        Ok(Step::Done)
    }

    /// What our Logon does to the numbers: as configured, unless the peer never confirmed a reset in
    /// session.
    fn at_logon(&self) -> AtLogon {
        if self.reset_owed {
            AtLogon::AskReset
        } else {
            self.settings.at_logon
        }
    }

    /// The Logon that opens a connection to an acceptor, up to the question whether the peer is
    /// welcome.
    pub(super) fn vet_logon<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match self.check_logon(now, message, head) {
            Ok(_) => Ok(Step::Authenticate),
            Err(fault) => self.fault(now, fault, message, out),
        }
    }

    /// Answers the Logon that led to [`Step::Authenticate`], as the application decided.
    pub fn admit<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        admission: Admission,
        out: &mut O,
    ) -> Step {
        let done = match admission {
            Admission::Admit => self.answer_logon(now, message, out),
            Admission::Refuse(text) => self
                .pen
                .logout(now, &text, out)
                .map(|()| self.close_after_flush(Cause::LogonDenied(text))),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// Turns a peer away that may not log on now, with the text of `fault`.
    pub fn turn_away<O: Outbox>(&mut self, now: Now, fault: Fault, out: &mut O) -> Step {
        self.tally.note(fault);
        self.end_with(now, fault, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    /// Turns a peer away that may not log on now, without a byte.
    pub fn shut_out(&mut self, fault: Fault) -> Step {
        self.tally.note(fault);
        self.close(Cause::Fault(fault))
    }

    fn answer_logon<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        // The checks passed a moment ago, on this message.
        self.restart_if_owed(now, out)?;
        let head = Head::of(message, &mut self.times);
        let Ok(logon) = self.check_logon(now, message, &head) else {
            return self.fault(now, Fault::FirstMessageNotLogon, message, out);
        };
        if logon.reset {
            if logon.seq != 1 {
                return self.fault(
                    now,
                    Fault::ResetNotAtOne {
                        received: logon.seq,
                    },
                    message,
                    out,
                );
            }
            self.restart_numbers(now, ResetCause::ResetSeqNumFlag, out)?;
        } else if self.settings.at_logon == AtLogon::Restart {
            self.restart_numbers(now, ResetCause::ResetOnLogon, out)?;
        }
        let expected = out.next_in();
        if self.is_too_low(logon.seq, expected) {
            // PossDupFlag does not excuse a Logon.
            return self.fault(
                now,
                Fault::SeqTooLow {
                    expected,
                    received: logon.seq,
                },
                message,
                out,
            );
        }
        let terms = LogonTerms {
            heartbeat_s: logon.heartbeat_s,
            reset: logon.reset,
        };
        self.pen.logon(now, terms, &self.settings, out)?;
        self.up(now, logon, out)
    }

    /// The peer answers our Logon with its own.
    pub(super) fn logon_answered<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let State::LogonSent(LogonSent { seq: ours, .. }) = self.state else {
            return Ok(Step::Done);
        };
        if message.begin_string() != self.settings.rules.begin_string.as_bytes() {
            return self.fault(now, Fault::BeginString, message, out);
        }
        let checked = self
            .check_logon(now, message, head)
            .and_then(|logon| self.check_sender(now, head).map(|()| logon));
        let logon = match checked {
            Ok(logon) => logon,
            Err(fault) => return self.fault(now, fault, message, out),
        };
        let asked = self.at_logon() == AtLogon::AskReset;
        let expected = out.next_in();
        let fault = if asked && logon.seq != 1 {
            Some(Fault::ResetNotConfirmed {
                received: logon.seq,
            })
        } else if logon.reset && !asked && (ours, expected, logon.seq) != (1, 1, 1) {
            // Harmless only where both series are new anyway.
            Some(Fault::ResetNotAsked)
        } else if self.is_too_low(logon.seq, expected) {
            Some(Fault::SeqTooLow {
                expected,
                received: logon.seq,
            })
        } else {
            None
        };
        match fault {
            Some(fault) => self.fault(now, fault, message, out),
            None => self.up(now, logon, out),
        }
    }

    /// The peer answers our Logon with a Logout.
    pub(super) fn logon_refused<O: Outbox>(&mut self, message: &Message<'_>, out: &mut O) -> Step {
        self.count_if_expected(message, out);
        self.close(Cause::LogonRefused(Text::lossy(
            message.get(tag::TEXT).unwrap_or_default(),
        )))
    }

    /// A Logon while logged on is the peer's wish to start both series anew, or a mistake.
    pub(super) fn logon_while_up<O: Outbox>(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let logon = match self.check_logon(now, message, head) {
            Ok(logon) if logon.reset => logon,
            _ => return self.fault(now, Fault::LogonWhileLoggedOn, message, out),
        };
        if logon.seq != 1 {
            return self.fault(
                now,
                Fault::ResetNotAtOne {
                    received: logon.seq,
                },
                message,
                out,
            );
        }
        if !matches!(self.state, State::Up(_)) {
            // We are logging out: there is nobody to start anew with.
            return Ok(Step::Done);
        }
        self.restart_numbers(now, ResetCause::InSession, out)?;
        let terms = LogonTerms {
            heartbeat_s: logon.heartbeat_s,
            reset: true,
        };
        self.pen.logon(now, terms, &self.settings, out)?;
        self.count(out);
        self.state = State::Up(Up::new(logon.heartbeat_s, &self.settings.liveness, now));
        Ok(Step::Reset(ResetCause::InSession))
    }

    /// Logged on: counts the Logon, or asks for what is missing below it.
    fn up<O: Outbox>(&mut self, now: Now, logon: Logon, out: &mut O) -> Result<Step, Full> {
        self.reset_owed = false;
        self.state = State::Up(Up::new(logon.heartbeat_s, &self.settings.liveness, now));
        let place = self.place(logon.seq, false, out);
        if place == Place::Expected {
            self.count_seq(logon.seq, out);
        } else {
            let _: Step = self.gap(now, logon.seq, Waiting::Handled, out)?;
        }
        Ok(Step::LoggedOn)
    }

    /// Whether a Logon has a number that was used before. PossDupFlag does not excuse it.
    fn is_too_low(&self, received: u64, expected: u64) -> bool {
        received < expected && self.settings.checks.sequence_numbers
    }

    /// What a Logon must have whoever sends it.
    pub(super) fn check_logon(
        &self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
    ) -> Result<Logon, Fault> {
        let seq = head.seq.map_err(|kind| bad(tag::MSG_SEQ_NUM, kind))?;
        head.sent.map_err(|kind| bad(tag::SENDING_TIME, kind))?;
        if number(message, tag::ENCRYPT_METHOD)? != 0 {
            return Err(Fault::EncryptMethod);
        }
        let heartbeat_s = number(message, tag::HEART_BT_INT)?;
        if heartbeat_s > HEARTBEAT_MAX_S {
            return Err(bad(tag::HEART_BT_INT, FieldErrorKind::Format));
        }
        if self.settings.rules.default_appl_ver_id.is_some() {
            // Which version the peer's application messages have is the peer's statement; we take
            // the one we speak.
            let theirs = message.get(tag::DEFAULT_APPL_VER_ID);
            if theirs != self.settings.rules.default_appl_ver_id.map(str::as_bytes) {
                let kind = if theirs.is_none() {
                    FieldErrorKind::Missing
                } else {
                    FieldErrorKind::Format
                };
                return Err(bad(tag::DEFAULT_APPL_VER_ID, kind));
            }
        }
        let reset = match message.boolean(tag::RESET_SEQ_NUM_FLAG) {
            Ok(_) if !self.settings.rules.reset_seq_num_flag => {
                return Err(bad(tag::RESET_SEQ_NUM_FLAG, FieldErrorKind::Format));
            }
            Ok(flag) => flag,
            Err(error) if error.kind == FieldErrorKind::Missing => false,
            Err(error) => return Err(bad(tag::RESET_SEQ_NUM_FLAG, error.kind)),
        };
        self.check_time(now, head.sent)?;
        head.check().map_err(|fault| Fault::BadLogonField {
            tag: fault.ref_tag().unwrap_or_default(),
            defect: Defect::Invalid,
        })?;
        Ok(Logon {
            seq,
            heartbeat_s: u32::try_from(heartbeat_s).unwrap_or_default(),
            reset,
        })
    }
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

/// What a Logon says.
#[derive(Clone, Copy)]
pub(super) struct Logon {
    pub(super) seq: u64,
    pub(super) heartbeat_s: u32,
    reset: bool,
}

fn number(message: &Message<'_>, tag: Tag) -> Result<u64, Fault> {
    message.uint(tag).map_err(|error| bad(tag, error.kind))
}

fn bad(tag: Tag, kind: FieldErrorKind) -> Fault {
    let defect = if kind == FieldErrorKind::Missing {
        Defect::Missing
    } else {
        Defect::Invalid
    };
    Fault::BadLogonField { tag, defect }
}

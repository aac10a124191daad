//! A client logs on: what a gateway answers to Negotiate(500) and Establish(503), and when it has enough.

use super::super::letter::{self, Letter, LogonReject, Request, Response};
use super::super::script::{Answer, On};
use super::super::terminate::CLOCKED;
use super::super::{Disposition, Fault, Lane, Session, State, Step, Up};
use super::Judging;
use super::penalty::Logon;
use super::settings::{EstablishHole, IdentityRefusal, LogonRefusal};
use crate::session::{Cause, Full, ResetCause, SeriesOutbox, Text};
use crate::time::Now;
use crate::wire::sbe::Frame;

impl Session {
    pub(super) fn negotiate_received<O: SeriesOutbox>(
        &mut self,
        now: Now,
        request: &Request<'_>,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match self.scripted(On::Negotiate) {
            Some(Answer::Silence) => {
                self.state = State::Negotiating(self.judging(now, request));
                return Ok(Step::Done);
            }
            Some(answer) => return self.act_on(now, answer, letter, out),
            None => {}
        }
        if let Err(fault) = self.vet(now, request, true, out) {
            return self.invalid_logon(now, fault, letter, out);
        }
        self.gateway.last_request = request.echoed_stamp();
        out.begin_series(request.echoed_uuid(), ResetCause::Negotiated, now.utc)?;
        let response = self.response(request, out);
        self.say(now, &Letter::NegotiationResponse(response), out)?;
        let give_up = now.mono + self.settings.gateway.establish_timeout;
        self.state = State::Negotiated { give_up };
        Ok(Step::Done)
    }

    /// `first` says that the Negotiate was on the same connection.
    pub(super) fn establish_received<O: SeriesOutbox>(
        &mut self,
        now: Now,
        request: &Request<'_>,
        first: bool,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        match self.scripted(On::Establish) {
            Some(Answer::Silence) => {
                self.state = State::Establishing(self.judging(now, request));
                return Ok(Step::Done);
            }
            Some(answer) => return self.act_on(now, answer, letter, out),
            None => {}
        }
        if let Err(fault) = self.vet(now, request, first, out) {
            return self.invalid_logon(now, fault, letter, out);
        }
        let Some(terms) = &request.terms else {
            return Ok(Step::Done);
        };
        self.gateway.last_request = request.echoed_stamp();
        let response = Response {
            next_seq_no: self.next_seq_no(out),
            keep_alive_ms: terms.keep_alive_ms.unwrap_or_default(),
            ..self.response(request, out)
        };
        self.say(now, &Letter::EstablishmentAck(response), out)?;
        let pulse = self.pulse(response.keep_alive_ms, now.mono);
        self.state = State::Up(Up::new(pulse));
        let (expected, received) = (out.next_in(), terms.next_seq_no.map_or(0, u64::from));
        if received > expected && !self.is_backup() {
            let _: Step = self.fault(now, Fault::Hole { expected, received }, Some(letter), out)?;
            if self.settings.gateway.establish_hole == EstablishHole::Move {
                out.set_next_in(received);
                // Nothing is open any more, for which a Sequence would be the answer.
                if let State::Up(up) = &mut self.state {
                    up.hole = false;
                }
            }
        }
        Ok(Step::LoggedOn)
    }

    fn judging(&self, now: Now, request: &Request<'_>) -> Judging {
        Judging {
            give_up: now.mono + self.settings.gateway.hmac_timeout,
            uuid: request.echoed_uuid(),
            stamp: request.echoed_stamp(),
        }
    }

    /// What both answers say.
    fn response<O: SeriesOutbox>(&self, request: &Request<'_>, out: &O) -> Response {
        let previous_uuid = out.previous_series().unwrap_or(0);
        // Of a week that is over nothing is told.
        let kept = previous_uuid == 0 || previous_uuid > self.gateway.floor;
        let published = out
            .numbers_of(previous_uuid)
            .filter(|_| kept && previous_uuid != out.series())
            .map_or(0, |numbers| numbers.next_out - 1);
        Response {
            uuid: request.echoed_uuid(),
            stamp: request.echoed_stamp(),
            next_seq_no: 0,
            previous_seq_no: u32::try_from(published).unwrap_or(u32::MAX - 1),
            previous_uuid: if kept { previous_uuid } else { 0 },
            keep_alive_ms: 0,
        }
    }

    /// Counts an invalid logon; the port closes over as many as the settings say.
    pub(super) fn invalid_logon<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if self.counts_as_invalid(fault) && self.is_one_too_many(now) {
            self.tally.note(fault);
            self.close_port(out);
            return self.fault(now, Fault::PortClosed, Some(letter), out);
        }
        if self.settings.gateway.identity_refusal == IdentityRefusal::Reject
            && let Letter::Negotiate(_) | Letter::Establish(_) = letter
            && let Some(code) = older_code(fault)
        {
            self.tally.note(fault);
            return self.reject_logon(now, fault, code, Some(letter), out);
        }
        self.fault(now, fault, Some(letter), out)
    }

    fn counts_as_invalid(&self, fault: Fault) -> bool {
        match fault {
            // Too many, not wrong.
            Fault::AdminRate => false,
            Fault::TradingSystemNameMissing
            | Fault::TradingSystemVersionMissing
            | Fault::TradingSystemVendorMissing
            | Fault::TradingSystemNameInvalid
            | Fault::TradingSystemVersionInvalid
            | Fault::TradingSystemVendorInvalid
            | Fault::KeepAliveIntervalMissing
            | Fault::KeepAliveInterval { .. }
            | Fault::NextSeqNoMissing
            | Fault::NextSeqNo { .. }
            | Fault::EstablishInProgress
            | Fault::AlreadyEstablished => self.settings.gateway.count_establish_terms,
            _ => true,
        }
    }

    /// Counts an invalid logon; whether it is the one over which the port closes.
    pub(super) fn is_one_too_many(&mut self, now: Now) -> bool {
        let max = usize::from(self.settings.gateway.invalid_logons_max);
        self.gateway.invalid.note(now.mono) >= max
    }

    /// Until an operator opens it, also if the process is started anew.
    pub(in super::super) fn close_port<O: SeriesOutbox>(&mut self, out: &mut O) {
        if !out.is_port_closed() {
            out.set_port_closed(true);
        }
    }

    /// Refuses a Negotiate or Establish.
    pub(in super::super) fn reject_logon<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        code: u16,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let cause = Cause::FixpFault(fault);
        let Some(letter) = over else {
            return Ok(self.close(cause));
        };
        let code = match fault {
            Fault::TimestampStale => self.settings.gateway.stale_code,
            _ => code,
        };
        match self.settings.gateway.refusal {
            LogonRefusal::Terminate(code) => {
                self.say_code(now, code, fault.text(), over, out)?;
                return Ok(self.close_after_flush(cause));
            }
            LogonRefusal::Reject => self.say_reject(now, code, fault.text(), letter, out)?,
        }
        if self.settings.gateway.close_after_reject {
            return Ok(self.close_after_flush(cause));
        }
        // The client may try again on this connection, within the time for its first message.
        let give_up = now.mono + self.settings.gateway.logon_timeout;
        self.state = State::Accepted { give_up };
        Ok(Step::Done)
    }

    /// What checks signatures has not answered in time.
    pub(in super::super) fn hmac_unavailable<O: SeriesOutbox>(
        &mut self,
        now: Now,
        judging: Judging,
        out: &mut O,
    ) -> Result<Step, Full> {
        let logon = Logon {
            uuid: Some(judging.uuid),
            stamp: Some(judging.stamp),
            establish: matches!(self.state, State::Establishing(_)),
        };
        self.fault(now, Fault::HmacUnavailable, Some(&logon.letter()), out)
    }

    /// Says the reject that belongs to a Negotiate or Establish.
    pub(super) fn say_reject<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: Text,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<(), Full> {
        let Some(reject) = reject_of(code, reason, letter, self.next_seq_no(out)) else {
            return Ok(());
        };
        self.say(now, &reject, out)
    }
}

/// What older tables reject with, of what ends in a Terminate now.
fn older_code(fault: Fault) -> Option<u16> {
    match fault {
        Fault::Uuid { .. } => Some(2),
        Fault::UuidMissing => Some(8),
        Fault::NextSeqNoMissing => Some(22),
        _ => None,
    }
}

fn reject_of<'a>(code: u16, reason: Text, letter: &Letter<'_>, next: u32) -> Option<Letter<'a>> {
    let (Letter::Negotiate(request) | Letter::Establish(request)) = letter else {
        return None;
    };
    let reject = LogonReject {
        uuid: request.echoed_uuid(),
        stamp: request.echoed_stamp(),
        next_seq_no: next,
        code,
        reason,
    };
    Some(match request.terms {
        None => Letter::NegotiationReject(reject),
        Some(_) => Letter::EstablishmentReject(reject),
    })
}

/// Whom the first message of a connection says it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Session.
    pub session: &'a [u8],
    /// Firm.
    pub firm: &'a [u8],
    /// AccessKeyID.
    pub access_key_id: &'a [u8],
}

/// Whom a Negotiate(500) or Establish(503) says it is from; `None` for anything else.
#[must_use]
pub fn identity<'a>(frame: &Frame<'a>) -> Option<Identity<'a>> {
    match Letter::read(frame)? {
        Letter::Negotiate(request) | Letter::Establish(request) => Some(Identity {
            session: request.session,
            firm: request.firm,
            access_key_id: request.access_key_id,
        }),
        _ => None,
    }
}

/// Bytes of the longest refusal that [`refuse`] writes.
pub const REFUSAL_MAX: usize = 128;

/// Writes the refusal of a first message that names no session of ours: a Negotiate or Establish is told
/// what one with a wrong signature is told, so that a stranger does not learn which identities exist;
/// anything else that it is not negotiated. `lane` is that of the port. Answers as [`refuse`] does.
#[must_use]
pub fn turn_away(frame: &Frame<'_>, now: Now, lane: Lane, version: u16, room: &mut [u8]) -> usize {
    let fault = if identity(frame).is_some() {
        Fault::NotAuthenticated
    } else {
        Fault::Unnegotiated
    };
    refuse(frame, fault, now, lane, version, room)
}

/// Writes what a first message is answered with over a fault that is found without its session:
/// [`Fault::AlreadyEstablished`] where the session has a connection, [`Fault::PortClosed`],
/// [`Fault::SessionBlocked`]. `lane` is that of the port, which FaultToleranceIndicator(39010) of a reject
/// tells. Answers how many bytes were written; none if there is not room of [`REFUSAL_MAX`] bytes.
#[must_use]
pub fn refuse(
    frame: &Frame<'_>,
    fault: Fault,
    now: Now,
    lane: Lane,
    version: u16,
    room: &mut [u8],
) -> usize {
    let first = Letter::read(frame);
    let reject = match fault.disposition() {
        Disposition::Reject(code) => first
            .as_ref()
            .and_then(|letter| reject_of(code, fault.text(), letter, 0)),
        _ => None,
    };
    let refusal = reject.unwrap_or_else(|| {
        let stamp = first
            .as_ref()
            .and_then(Letter::stamp)
            .filter(|_| !fault.code().is_some_and(|code| CLOCKED.contains(&code)));
        Letter::Terminate(letter::Terminate {
            reason: fault.text(),
            uuid: Some(first.as_ref().and_then(Letter::uuid).unwrap_or_default()),
            stamp: Some(stamp.unwrap_or(now.utc.0)),
            code: fault.code(),
        })
    });
    match room.get_mut(..REFUSAL_MAX) {
        // Nothing is written in a version there is not.
        Some(room) => refusal.write(room, version, lane, None).unwrap_or(0),
        None => 0,
    }
}

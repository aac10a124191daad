//! A client's Negotiate(500), and what it is answered with.

use super::letter::{Letter, LogonReject, Request, Response};
use super::retransmit::Fetching;
use super::{Asked, Fault, Session, State, Step, Unanswered, Unconfirmed, UuidRule, write_letter};
use crate::session::{Cause, Full, Part, ResetCause, SeriesOutbox};
use crate::time::Now;

/// UUIDs and timestamps are of 63 bits.
pub(super) const I63_MAX: u64 = i64::MAX as u64;

/// Reject codes of older tables: the UUID was wrong, or missing.
const UUID_CODES: [u16; 2] = [2, 8];

impl Session {
    /// Logs on over a new connection: with the UUID there is, or a new one.
    pub(super) fn log_on<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        if self.waits_for_operator() {
            return Ok(self.close(Cause::AwaitsOperator));
        }
        if self.is_backup() && out.series() == 0 {
            // There is no primary to follow.
            return Ok(self.close(Cause::Disconnected));
        }
        self.client.not_before = None;
        if self.will_negotiate(out) {
            // At the start of a week the last one is behind the series of UUID 0.
            let last = out.series().max(out.previous_series().unwrap_or(0));
            let uuid = self.new_uuid(now, last);
            self.negotiate(now, uuid, None, out)
        } else {
            let uuid = out.series();
            self.establish(now, uuid, false, None, out)
        }
    }

    fn new_uuid(&mut self, now: Now, last: u64) -> u64 {
        let next = last.max(self.client.tried_uuid) + 1;
        let uuid = match self.settings.client.uuid {
            UuidRule::Clock => next.max(now.utc.0 / 1000),
            UuidRule::Next => next,
        };
        self.client.tried_uuid = uuid;
        uuid
    }

    /// `before` is the one that was not answered, on the same connection.
    fn negotiate<O: SeriesOutbox>(
        &mut self,
        now: Now,
        uuid: u64,
        before: Option<Asked>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let stamp = self.stamp(now);
        let settings = &self.settings;
        let (session, firm) = (settings.session.as_bytes(), settings.firm.as_bytes());
        let signature = settings.credentials.sign(&[
            Part::Number(stamp),
            Part::Number(uuid),
            Part::Text(session),
            Part::Text(firm),
        ]);
        let request = Request {
            signature: &signature,
            access_key_id: settings.credentials.access_key_id().as_bytes(),
            uuid: Some(uuid),
            stamp: Some(stamp),
            session,
            firm,
            terms: None,
        };
        write_letter(now, settings, &Letter::Negotiate(request), None, out)?;
        self.state = State::NegotiateSent(Asked {
            give_up: now.mono + 2 * self.interval(),
            uuid,
            stamp,
            earliest: before.map_or(stamp, |before| before.stamp),
            again: before.is_some(),
            first: true,
        });
        Ok(Step::Done)
    }

    /// NegotiationResponse(501): both series begin at 1 under the new UUID.
    pub(super) fn negotiated<O: SeriesOutbox>(
        &mut self,
        now: Now,
        asked: Asked,
        response: &Response,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if !asked.is_echoed(response.uuid, response.stamp) {
            return self.fault(now, Fault::NotOurRequest, Some(letter), out);
        }
        let why = self.client.renewal.unwrap_or(ResetCause::Negotiated);
        let unconfirmed = self.unconfirmed(out);
        if response.previous_uuid == 0 && out.series() != 0 {
            // A week has begun that nobody told us of. What is known of UUID 0 is of one that is over.
            self.client.tried_uuid = self.client.tried_uuid.max(out.series());
            out.begin_series(0, ResetCause::Negotiated, now.utc)?;
            self.client.left = Fetching::default();
        }
        out.begin_series(asked.uuid, why, now.utc)?;
        self.client.renewal = None;
        let step = self.establish(now, asked.uuid, true, None, out)?;
        Ok(unconfirmed.map_or(step, Step::Unconfirmed))
    }

    /// What the exchange has not said of our messages under the UUID there is, and will not say under
    /// another.
    fn unconfirmed<O: SeriesOutbox>(&self, out: &O) -> Option<Unconfirmed> {
        let series = out.series();
        let settled = self.client.settled.filter(|settled| settled.0 == series);
        let first = settled.map_or(1, |settled| settled.1);
        let last = out.next_out() - 1;
        // A client numbers nothing before its first Negotiate.
        (series != 0 && first <= last).then_some(Unconfirmed {
            series,
            first,
            last,
        })
    }

    /// NegotiationReject(502) or EstablishmentReject(505).
    pub(super) fn logon_refused<O: SeriesOutbox>(
        &mut self,
        now: Now,
        asked: Asked,
        reject: &LogonReject,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if !asked.is_echoed(reject.uuid, reject.stamp) {
            return self.fault(now, Fault::NotOurRequest, Some(letter), out);
        }
        self.client.guard.failed(now.mono);
        if UUID_CODES.contains(&reject.code) {
            self.client.renewal = Some(ResetCause::Negotiated);
        }
        Ok(self.close(Cause::Refused {
            code: reject.code,
            reason: reject.reason,
        }))
    }

    /// Our Negotiate or Establish was not answered in time.
    pub(super) fn unanswered<O: SeriesOutbox>(
        &mut self,
        now: Now,
        asked: Asked,
        fault: Fault,
        out: &mut O,
    ) -> Result<Step, Full> {
        if asked.again || self.settings.client.unanswered == Unanswered::Reconnect {
            return self.fault(now, fault, None, out);
        }
        match self.state {
            State::NegotiateSent(_) => self.negotiate(now, asked.uuid, Some(asked), out),
            _ => self.establish(now, asked.uuid, asked.first, Some(asked), out),
        }
    }
}

impl Asked {
    /// Whether an answer is one to this request, or to the one it repeats.
    pub(super) fn is_echoed(&self, uuid: u64, stamp: u64) -> bool {
        uuid == self.uuid && (stamp == self.stamp || stamp == self.earliest)
    }
}

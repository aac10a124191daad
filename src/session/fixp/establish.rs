//! A client's Establish(503), and what it is answered with.

use std::time::Duration;

use super::keepalive::Pulse;
use super::letter::{Letter, Request, Response, Terms};
use super::not_applied::Said;
use super::retransmit::Fetching;
use super::sending::SEQ_MAX;
use super::{Asked, Fault, Session, State, Step, Up, write_letter};
use crate::session::{Full, Part, SeriesOutbox};
use crate::time::{Mono, Now};

impl Session {
    /// `first` says that nothing was established under this UUID yet.
    pub(super) fn establish<O: SeriesOutbox>(
        &mut self,
        now: Now,
        uuid: u64,
        first: bool,
        before: Option<Asked>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let stamp = self.stamp(now);
        let settings = &self.settings;
        let client = &settings.client;
        let next = self.next_seq_no(out);
        let texts = [
            settings.session.as_bytes(),
            settings.firm.as_bytes(),
            client.system_name.as_bytes(),
            client.system_version.as_bytes(),
            client.system_vendor.as_bytes(),
        ];
        let [session, firm, name, version, vendor] = texts;
        let signature = settings.credentials.sign(&[
            Part::Number(stamp),
            Part::Number(uuid),
            Part::Text(session),
            Part::Text(firm),
            Part::Text(name),
            Part::Text(version),
            Part::Text(vendor),
            Part::Number(next.into()),
            Part::Number(settings.keep_alive_ms.into()),
        ]);
        let request = Request {
            signature: &signature,
            access_key_id: settings.credentials.access_key_id().as_bytes(),
            uuid: Some(uuid),
            stamp: Some(stamp),
            session,
            firm,
            terms: Some(Terms {
                system_name: name,
                system_version: version,
                system_vendor: vendor,
                next_seq_no: Some(next),
                keep_alive_ms: Some(settings.keep_alive_ms),
            }),
        };
        write_letter(now, settings, &Letter::Establish(request), None, out)?;
        self.state = State::EstablishSent(Asked {
            give_up: now.mono + self.interval(),
            uuid,
            stamp,
            earliest: before.map_or(stamp, |before| before.stamp),
            again: before.is_some(),
            first,
        });
        Ok(Step::Done)
    }

    /// EstablishmentAck(504): the session is up, and asks for what it is missing.
    pub(super) fn established<O: SeriesOutbox>(
        &mut self,
        now: Now,
        asked: Asked,
        ack: &Response,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let (expected, received) = (out.next_in(), u64::from(ack.next_seq_no));
        let fault = if !asked.is_echoed(ack.uuid, ack.stamp) {
            Some(Fault::NotOurRequest)
        } else if self.is_backup() {
            (received != 0).then_some(Fault::NextSeqNo {
                expected: 0,
                received,
            })
        } else if received < expected {
            Some(Fault::AckLow { expected, received })
        } else if received > SEQ_MAX + 1 {
            Some(Fault::NextSeqNo { expected, received })
        } else if asked.first && received != 1 && self.settings.client.ack_at_one {
            Some(Fault::AckNotAtOne { received })
        } else {
            None
        };
        if let Some(fault) = fault {
            return self.fault(now, fault, Some(letter), out);
        }
        self.client.settled = Some((asked.uuid, out.next_out()));
        let mut fetching = Fetching::from(received);
        if !self.is_backup()
            && let Err(unknown) = fetching.look_back(ack, &self.settings.client, out)
        {
            self.tally.note(unknown);
        }
        if !self.is_backup() {
            fetching.guess(ack, out);
            let left = std::mem::take(&mut self.client.left);
            if let Some(beyond) = fetching.resume(&left, asked.uuid) {
                self.tally.note(Fault::RetransmitUnserved {
                    series: beyond.series,
                    first: beyond.next,
                    last: beyond.end,
                });
            }
        }
        let pulse = self.pulse(self.settings.keep_alive_ms, now.mono);
        self.state = State::Up(Up {
            fetching,
            opening: Some(out.next_out()),
            ..Up::new(pulse)
        });
        // Nothing can have been given up yet: all this does is ask.
        let _: Step = self.fetch(now, out)?;
        Ok(Step::LoggedOn)
    }

    pub(super) fn pulse(&self, keep_alive_ms: u16, now: Mono) -> Pulse {
        Pulse::new(keep_alive_ms, self.settings.slack_percent, now)
    }

    /// The KeepAliveInterval of the settings.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.settings.keep_alive_ms.into())
    }
}

impl Up {
    pub(super) fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            leaving: None,
            fetching: Fetching::default(),
            opening: None,
            resending: None,
            said: Said::default(),
            serving: None,
            hole: false,
            terminating: false,
            taken_over: false,
        }
    }
}

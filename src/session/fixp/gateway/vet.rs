//! Whether a Negotiate(500) or Establish(503) is right, in the order of
//! [`GatewaySettings::checks`](super::settings::GatewaySettings::checks).

use super::super::letter::{Letter, Request};
use super::super::negotiate::I63_MAX;
use super::super::{Fault, Session};
use super::settings::{Check, SecondConnection};
use crate::session::{Part, SeriesOutbox};
use crate::time::Now;
use crate::wire::sbe::Frame;

impl Session {
    /// Whether a Negotiate(500) or Establish(503) is signed by the client of this gateway. Nothing else of
    /// it is looked at, and nothing changes.
    #[must_use]
    pub fn is_signed(&self, frame: &Frame<'_>) -> bool {
        match Letter::read(frame) {
            Some(Letter::Negotiate(request) | Letter::Establish(request)) => {
                self.vet_signature(&request).is_ok()
            }
            _ => false,
        }
    }

    /// What the client of this gateway is told when it logs on over another connection than the one it has;
    /// `None` if the message is not signed by it, or it is to be told what a stranger is.
    #[must_use]
    pub fn second_connection(&self, frame: &Frame<'_>) -> Option<Fault> {
        let told = self.settings.gateway.second_connection == SecondConnection::Terminate;
        (told && self.is_signed(frame)).then_some(Fault::AlreadyEstablished)
    }

    /// `first` says that the Negotiate was on the same connection: nothing was sent under this UUID yet.
    pub(super) fn vet<O: SeriesOutbox>(
        &self,
        now: Now,
        request: &Request<'_>,
        first: bool,
        out: &O,
    ) -> Result<(), Fault> {
        for check in self.settings.gateway.checks {
            match check {
                Check::Lane => self.vet_lane(request)?,
                Check::UuidPresent => {
                    request.uuid.ok_or(Fault::UuidMissing)?;
                }
                Check::Uuid => self.vet_uuid(request, out.series())?,
                Check::Timestamp => self.vet_stamp(now, request)?,
                Check::Present => vet_presence(request)?,
                Check::Printable => vet_texts(request)?,
                Check::KeepAliveInterval => self.vet_keep_alive(request)?,
                Check::NextSeqNo => self.vet_next_seq_no(request, first, out.next_in())?,
                Check::Signature => self.vet_signature(request)?,
                Check::Authorised if self.gateway.blocked => return Err(Fault::SessionBlocked),
                Check::Rate if self.gateway.beyond_rate => return Err(Fault::AdminRate),
                Check::Authorised | Check::Rate => {}
            }
        }
        Ok(())
    }

    fn vet_lane(&self, request: &Request<'_>) -> Result<(), Fault> {
        if self.waits_for_primary() {
            return Err(Fault::BeforePrimary);
        }
        match request.terms {
            None if self.is_backup() => Err(Fault::NegotiateOnBackup),
            _ => Ok(()),
        }
    }

    /// One that is null is for another check.
    fn vet_uuid(&self, request: &Request<'_>, bound: u64) -> Result<(), Fault> {
        let Some(received) = request.uuid else {
            return Ok(());
        };
        let (fits, expected) = match request.terms {
            None => {
                let last = bound.max(self.gateway.floor);
                (received > last && received <= I63_MAX, last + 1)
            }
            Some(_) => (received == bound, bound),
        };
        if fits {
            Ok(())
        } else {
            Err(Fault::Uuid { expected, received })
        }
    }

    fn vet_stamp(&self, now: Now, request: &Request<'_>) -> Result<(), Fault> {
        let received = request.stamp.ok_or(Fault::TimestampMissing)?;
        let last = self.gateway.last_request;
        if received > I63_MAX {
            return Err(Fault::TimestampRange);
        }
        if received <= last {
            return Err(Fault::TimestampNotGreater { last, received });
        }
        let stale = self.settings.gateway.stale_after.is_some_and(|age| {
            let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
            now.utc.0.saturating_sub(received) > age
        });
        if stale {
            return Err(Fault::TimestampStale);
        }
        Ok(())
    }

    fn vet_keep_alive(&self, request: &Request<'_>) -> Result<(), Fault> {
        let settings = &self.settings.gateway;
        let (min_ms, max_ms) = (settings.keep_alive_min_ms, settings.keep_alive_max_ms);
        let keep_alive = request.terms.as_ref().and_then(|terms| terms.keep_alive_ms);
        match keep_alive {
            Some(given) if !(min_ms..=max_ms).contains(&given) => {
                Err(Fault::KeepAliveInterval { min_ms, max_ms })
            }
            // One that is null is for another check.
            _ => Ok(()),
        }
    }

    fn vet_next_seq_no(&self, request: &Request<'_>, first: bool, next_in: u64) -> Result<(), Fault> {
        let Some(terms) = &request.terms else {
            return Ok(());
        };
        let received = u64::from(terms.next_seq_no.ok_or(Fault::NextSeqNoMissing)?);
        if self.is_backup() {
            let expected = 0;
            return if received == expected {
                Ok(())
            } else {
                Err(Fault::NextSeqNo { expected, received })
            };
        }
        let expected = next_in;
        if received < expected || received > self.seq_num_max() || first && received != 1 {
            return Err(Fault::NextSeqNo { expected, received });
        }
        Ok(())
    }

    /// The highest SeqNum of the client.
    pub(super) fn seq_num_max(&self) -> u64 {
        self.settings.gateway.seq_num_max.into()
    }

    fn vet_signature(&self, request: &Request<'_>) -> Result<(), Fault> {
        let settings = &self.settings;
        let ours = request.access_key_id == settings.credentials.access_key_id().as_bytes()
            && request.session == settings.session.as_bytes()
            && request.firm == settings.firm.as_bytes();
        let mut parts = [Part::Text(&[]); 9];
        parts[0] = Part::Number(request.echoed_stamp());
        parts[1] = Part::Number(request.echoed_uuid());
        parts[2] = Part::Text(request.session);
        parts[3] = Part::Text(request.firm);
        let len = match &request.terms {
            None => 4,
            Some(terms) => {
                parts[4] = Part::Text(terms.system_name);
                parts[5] = Part::Text(terms.system_version);
                parts[6] = Part::Text(terms.system_vendor);
                parts[7] = Part::Number(terms.next_seq_no.unwrap_or(u32::MAX).into());
                parts[8] = Part::Number(terms.keep_alive_ms.unwrap_or(u16::MAX).into());
                9
            }
        };
        // Verified also for a stranger, who is not to learn from the time it takes which identities exist.
        let signed = settings
            .credentials
            .verify(&parts[..len], request.signature);
        if ours && signed {
            Ok(())
        } else {
            Err(Fault::NotAuthenticated)
        }
    }
}

fn vet_presence(request: &Request<'_>) -> Result<(), Fault> {
    if request.signature.iter().all(|&byte| byte == 0) {
        return Err(Fault::SignatureMissing);
    }
    for (text, missing, _) in texts(request) {
        if text.is_some_and(<[u8]>::is_empty) {
            return Err(missing);
        }
    }
    match &request.terms {
        Some(terms) if terms.keep_alive_ms.is_none() => Err(Fault::KeepAliveIntervalMissing),
        _ => Ok(()),
    }
}

fn vet_texts(request: &Request<'_>) -> Result<(), Fault> {
    for (text, _, invalid) in texts(request) {
        let printable = |byte: &u8| (b' '..=b'~').contains(byte);
        if !text.unwrap_or_default().iter().all(printable) {
            return Err(invalid);
        }
    }
    Ok(())
}

/// The texts of a message; what is wrong when one is empty, and when it is not printable.
fn texts<'a>(request: &Request<'a>) -> [(Option<&'a [u8]>, Fault, Fault); 6] {
    let terms = request.terms.as_ref();
    [
        (
            Some(request.access_key_id),
            Fault::AccessKeyIdMissing,
            Fault::AccessKeyIdInvalid,
        ),
        (
            Some(request.session),
            Fault::SessionMissing,
            Fault::SessionInvalid,
        ),
        (Some(request.firm), Fault::FirmMissing, Fault::FirmInvalid),
        (
            terms.map(|terms| terms.system_name),
            Fault::TradingSystemNameMissing,
            Fault::TradingSystemNameInvalid,
        ),
        (
            terms.map(|terms| terms.system_version),
            Fault::TradingSystemVersionMissing,
            Fault::TradingSystemVersionInvalid,
        ),
        (
            terms.map(|terms| terms.system_vendor),
            Fault::TradingSystemVendorMissing,
            Fault::TradingSystemVendorInvalid,
        ),
    ]
}

//! Whether a Negotiate(500) or Establish(503) is right, in one order: what the message is, then whose it
//! is, then whether it may.

use super::super::letter::{Letter, Request, Terms};
use super::super::negotiate::I63_MAX;
use super::super::sending::SEQ_MAX;
use super::super::{Fault, Session};
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

    /// `first` says that the Negotiate was on the same connection: nothing was sent under this UUID yet.
    pub(super) fn vet<O: SeriesOutbox>(
        &self,
        now: Now,
        request: &Request<'_>,
        first: bool,
        out: &O,
    ) -> Result<(), Fault> {
        let bound = out.series();
        let received = request.uuid.ok_or(Fault::UuidMissing)?;
        let (fits, expected) = match request.terms {
            None => {
                let last = bound.max(self.gateway.floor);
                (received > last && received <= I63_MAX, last + 1)
            }
            Some(_) => (received == bound, bound),
        };
        if !fits {
            return Err(Fault::Uuid { expected, received });
        }
        self.vet_stamp(now, request)?;
        self.vet_texts(request)?;
        if let Some(terms) = &request.terms {
            self.vet_terms(terms, first, out.next_in())?;
        }
        self.vet_signature(request)?;
        if self.gateway.blocked {
            return Err(Fault::SessionBlocked);
        }
        Ok(())
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

    fn vet_texts(&self, request: &Request<'_>) -> Result<(), Fault> {
        if request.signature.iter().all(|&byte| byte == 0) {
            return Err(Fault::SignatureMissing);
        }
        let none = &b""[..];
        let (name, version, vendor) = match &request.terms {
            Some(terms) => (
                Some(terms.system_name),
                Some(terms.system_version),
                Some(terms.system_vendor),
            ),
            None => (None, None, None),
        };
        let texts = [
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
                name,
                Fault::TradingSystemNameMissing,
                Fault::TradingSystemNameInvalid,
            ),
            (
                version,
                Fault::TradingSystemVersionMissing,
                Fault::TradingSystemVersionInvalid,
            ),
            (
                vendor,
                Fault::TradingSystemVendorMissing,
                Fault::TradingSystemVendorInvalid,
            ),
        ];
        for (text, missing, _) in &texts {
            if *text == Some(none) {
                return Err(*missing);
            }
        }
        for (text, _, invalid) in &texts {
            let printable = |byte: &u8| (b' '..=b'~').contains(byte);
            if !text.unwrap_or_default().iter().all(printable) {
                return Err(*invalid);
            }
        }
        Ok(())
    }

    fn vet_terms(&self, terms: &Terms<'_>, first: bool, next_in: u64) -> Result<(), Fault> {
        let settings = &self.settings.gateway;
        let (min_ms, max_ms) = (settings.keep_alive_min_ms, settings.keep_alive_max_ms);
        let keep_alive = terms.keep_alive_ms.ok_or(Fault::KeepAliveIntervalMissing)?;
        if !(min_ms..=max_ms).contains(&keep_alive) {
            return Err(Fault::KeepAliveInterval { min_ms, max_ms });
        }
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
        if received < expected || received > SEQ_MAX || first && received != 1 {
            return Err(Fault::NextSeqNo { expected, received });
        }
        Ok(())
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

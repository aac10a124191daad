//! What the TLS library says went wrong, in the words of this one.

use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use crate::session::{TlsAlert, TlsFault};

/// The fault behind an error of the TLS library.
pub(super) fn fault_of(error: &Error) -> TlsFault {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::NoCertificatesPresented => TlsFault::NoCertificate,
        Error::PeerIncompatible(why) => incompatible(why),
        Error::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => TlsFault::Renegotiation,
        Error::AlertReceived(alert) => TlsFault::Alert(TlsAlert(u8::from(*alert))),
        Error::DecryptError | Error::PeerSentOversizedRecord => TlsFault::BadRecord,
        Error::InvalidMessage(InvalidMessage::InvalidCcs | InvalidMessage::InvalidKeyUpdate) => {
            TlsFault::Misbehaved
        }
        Error::InvalidMessage(_) => TlsFault::BadRecord,
        Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::EncryptError
        | Error::General(_) => TlsFault::Internal,
        _ => TlsFault::Misbehaved,
    }
}

fn certificate(why: &CertificateError) -> TlsFault {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            TlsFault::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongHost
        }
        CertificateError::UnknownIssuer => TlsFault::UnknownAuthority,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            TlsFault::WrongPurpose
        }
        _ => TlsFault::BadCertificate,
    }
}

fn incompatible(why: &PeerIncompatible) -> TlsFault {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        // Whoever speaks TLS 1.2 sends it (RFC 5246 section 7.4.1.4.1), older ones do not know it.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => TlsFault::Version,
        _ => TlsFault::NothingInCommon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No peer at hand goes on after its first request was refused, as one could.
    #[test]
    fn requests_for_renegotiation_without_end_have_a_name_of_their_own() {
        let error = PeerMisbehaved::TooManyRenegotiationRequests.into();
        assert_eq!(fault_of(&error), TlsFault::Renegotiation);
        let error = PeerMisbehaved::TooManyKeyUpdateRequests.into();
        assert_eq!(fault_of(&error), TlsFault::Misbehaved);
    }
}

//! Everything that can go wrong with TLS on a connection, whoever is to blame.
//!
//! There whether or not this library was built with TLS, so that a match on it is the same in both.

use std::error::Error;
use std::fmt;
use std::io;

macro_rules! catalogue {
    ($($(#[$doc:meta])* $fault:ident $(($inside:ty))? $text:literal,)*) => {
        /// What went wrong with TLS on a connection. The text says what to look at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TlsFault { $($(#[$doc])* $fault $(($inside))?,)* }

        impl TlsFault {
            /// The name of every TLS fault.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($fault)),*];

            /// The name of this one, one of [`TlsFault::NAMES`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$fault { .. } => stringify!($fault),)* }
            }

            fn words(&self) -> &'static str {
                match self { $(Self::$fault { .. } => $text,)* }
            }
        }
    };
}

catalogue! {
    /// We speak TLS and what the peer sent first is none: it is configured without.
    PeerSpeaksPlainText "the peer does not speak TLS here",
    /// We speak plain text and what the peer sent first is TLS.
    PeerSpeaksTls "the peer speaks TLS, this connection is configured without",
    /// The handshake did not end within the time for connecting, or for a Logon.
    HandshakeTimeout "the handshake did not end in time",
    /// The peer closed the connection before the handshake was over, and did not say why. One that
    /// expects plain text does so too.
    ClosedInHandshake "the peer closed the connection in the handshake without an alert",
    /// The peer offers only versions older than the oldest we take.
    Version "the peer offers no TLS version that is taken here",
    /// The peer's certificate has expired, by our clock.
    CertificateExpired "the certificate of the peer has expired",
    /// The peer's certificate is not valid yet, by our clock.
    CertificateNotYetValid "the certificate of the peer is not valid yet",
    /// The peer's certificate is good, but for other hosts than the one asked for.
    WrongHost "the certificate of the peer is for another host",
    /// The peer's certificate was issued by nobody we trust.
    UnknownAuthority "the certificate of the peer comes from an authority that is not trusted here",
    /// The peer's certificate may not be used for this: that of a client on a server, or the other way.
    WrongPurpose "the certificate of the peer is not for this role",
    /// Something else about the peer's certificate.
    BadCertificate "the certificate of the peer cannot be accepted",
    /// A peer that connects to us must show a certificate and has shown none.
    NoCertificate "the peer shows no certificate and must",
    /// No cipher suite, key exchange or signature scheme that both sides have.
    NothingInCommon "the peer and this side have no algorithm in common",
    /// The peer ended it with an alert: its verdict on us.
    Alert(TlsAlert) "the peer sent a TLS alert",
    /// The peer asks again and again for another handshake on a connection that has had one.
    Renegotiation "the peer asks for renegotiation",
    /// A record that was changed on its way, or does not belong here.
    BadRecord "a TLS record is damaged",
    /// The peer breaks a rule of the protocol.
    Misbehaved "the peer breaks a rule of TLS",
    /// The connection ended without the alert that says it should: it broke, or somebody cut it.
    Truncated "the connection ended without close_notify",
    /// Our side: no random numbers, no clock.
    Internal "TLS failed on this side",
}

/// An alert description, as numbered by RFC 8446 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsAlert(pub u8);

impl TlsAlert {
    /// As the RFC spells it; `None` if it has no such number.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => return None,
        })
    }
}

impl fmt::Display for TlsAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "alert {}", self.0),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS: ")?;
        f.write_str(self.words())?;
        match self {
            Self::Alert(alert) => write!(f, ": {alert}"),
            _ => Ok(()),
        }
    }
}

impl Error for TlsFault {}

impl TlsFault {
    /// The fault an error of the network carries, if it is about TLS.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        let kind = match fault {
            TlsFault::HandshakeTimeout => io::ErrorKind::TimedOut,
            TlsFault::ClosedInHandshake | TlsFault::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, fault)
    }
}

/// Whether bytes begin like a TLS record (RFC 8446 section 5.1): an alert or a handshake message, major
/// version 3, no longer than a record may be. `None` if there are too few to tell.
///
/// ```text
///   0       1..3      3..5
///   type  | version | length | ...
/// ```
#[must_use]
pub fn begins_like_tls(bytes: &[u8]) -> Option<bool> {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    match *bytes {
        [ALERT | HANDSHAKE, 3, 0..=4, high, low, ..] => {
            Some((1..=1 << 14).contains(&u16::from_be_bytes([high, low])))
        }
        []
        | [ALERT | HANDSHAKE]
        | [ALERT | HANDSHAKE, 3]
        | [ALERT | HANDSHAKE, 3, 0..=4]
        | [ALERT | HANDSHAKE, 3, 0..=4, _] => None,
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_its_way_through_an_io_error() {
        for fault in [TlsFault::WrongHost, TlsFault::Alert(TlsAlert(48))] {
            assert_eq!(TlsFault::of(&fault.into()), Some(fault));
        }
        let other = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(TlsFault::of(&other), None);
    }

    #[test]
    fn an_alert_is_named_and_an_unknown_one_numbered() {
        let text = |number| TlsFault::Alert(TlsAlert(number)).to_string();
        assert_eq!(text(48), "TLS: the peer sent a TLS alert: unknown_ca(48)");
        assert!(text(200).ends_with("alert 200"));
    }

    #[test]
    fn a_client_hello_begins_like_tls_and_a_logon_does_not() {
        let hello = [22, 3, 1, 2, 0, 1];
        assert_eq!(begins_like_tls(&hello), Some(true));
        for few in 0..5 {
            assert_eq!(begins_like_tls(&hello[..few]), None);
        }
        assert_eq!(begins_like_tls(&[21, 3, 3, 0, 2, 2, 70]), Some(true));
        for other in [
            &b"8=FIX.4.4\x019=5\x01"[..],
            b"8",
            &[22, 2],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0xff, 0],
            &[22, 2, 1, 0, 9],
        ] {
            assert_eq!(begins_like_tls(other), Some(false), "{other:?}");
        }
    }
}

//! What a user says about TLS. There whether or not this library was built with it: without, a session or
//! a port that asks for it is refused.
//!
//! Invariant: a private key is in no text that is printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an initiator speaks TLS.
///
/// By default the peer must show a certificate of an authority of the system, for the name of the
/// destination, and TLS 1.2 or 1.3 is taken. Nothing is resumed: every connection is a whole handshake,
/// so a certificate that has expired since is noticed.
///
/// A connection over TLS allocates, unlike one in plain text: its buffers in the handshake, and about
/// two short-lived blocks per record while it stands (`tests/tls` counts them).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsClient {
    /// The name the peer is asked for (server_name, RFC 6066) and its certificate must be for. `None` is
    /// the host of the destination; of an address, the address itself.
    pub server_name: Option<String>,
    /// Who is trusted to say who the peer is.
    pub authorities: Authorities,
    /// Our certificate, for peers that want one.
    pub identity: Option<TlsIdentity>,
    /// The oldest version that is taken.
    pub min_version: TlsVersion,
    /// Whether the certificate of the peer is looked at.
    pub server_check: ServerCheck,
}

/// How a listening port speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServer {
    /// The certificate peers are shown.
    pub identity: TlsIdentity,
    /// Whether peers must show one.
    pub client_check: ClientCheck,
    /// The oldest version that is taken.
    pub min_version: TlsVersion,
}

impl TlsServer {
    /// TLS 1.2 and 1.3 for every peer.
    #[must_use]
    pub fn new(identity: TlsIdentity) -> Self {
        Self {
            identity,
            client_check: ClientCheck::default(),
            min_version: TlsVersion::default(),
        }
    }
}

/// A certificate and what proves that it is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate, followed by those of the authorities between it and one that is trusted.
    pub certificates: Pem,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Pem,
}

impl TlsIdentity {
    /// An identity in two files.
    pub fn files(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificates: Pem::File(certificates.into()),
            key: Pem::File(key.into()),
        }
    }
}

/// Something in PEM. Files are read when a session is added or a port is opened, not later.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Text(Arc<str>),
}

impl Pem {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }
}

/// The name of the file; never what is in memory, which may be a key.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text(_) => f.write_str("(PEM in memory)"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}

/// Who is trusted to say who a peer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorities {
    /// Those the operating system trusts, where a firm also installs its own. `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name other places.
    #[default]
    System,
    /// These certificates and no others.
    Only(Pem),
}

/// A version of TLS. Older ones are not spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

/// Whether an initiator looks at the certificate of its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerCheck {
    /// It must come from an authority that is trusted, be for the name asked for, and be valid now.
    #[default]
    Full,
    /// DANGEROUS. Any certificate of anybody is taken: whoever can reach the connection can read and
    /// change everything on it, passwords and orders.
    DangerouslyNone,
}

/// Whether a port asks its peers for certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCheck {
    /// It does not.
    #[default]
    None,
    /// It does; a peer without one is let in, one with a bad one is not.
    Optional(Pem),
    /// It does, and a peer without one of these authorities is not let in.
    Required(Pem),
}

/// What is wrong with a setting of TLS: the setting, its value (the file), and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfigError {
    /// The setting, as it is called in this library.
    pub key: &'static str,
    /// The value given: a file, a name.
    pub value: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting {}: {}: {}", self.key, self.value, self.text)
    }
}

impl std::error::Error for TlsConfigError {}

/// Whether this library was built with TLS.
pub const AVAILABLE: bool = cfg!(feature = "tls");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_memory_is_shown_nowhere() {
        let identity = TlsIdentity {
            certificates: Pem::file("cert.pem"),
            key: Pem::Text("sesame".into()),
        };
        let shown = format!("{:?}", TlsServer::new(identity));
        assert!(shown.contains("cert.pem"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
    }
}

//! Settings made into what the TLS library wants: files are read, keys and certificates matched.
//!
//! Runs when a session is added or a port opened, never on a connection.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    ALL_VERSIONS, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion, version,
};

use super::settings::{
    Authorities, ClientCheck, Pem, ServerCheck, TlsClient, TlsConfigError, TlsIdentity, TlsServer,
    TlsVersion,
};
use crate::engine::config::Destination;

/// How an initiator speaks TLS, ready to use.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Dialler {
    config: Arc<ClientConfig>,
    /// Instead of the host of the destination.
    name: Option<ServerName<'static>>,
}

impl Dialler {
    pub(super) fn begin(
        &self,
        destination: &Destination,
    ) -> io::Result<(Arc<ClientConfig>, ServerName<'static>)> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => name_of(destination).ok_or(io::ErrorKind::InvalidInput)?,
        };
        Ok((Arc::clone(&self.config), name))
    }
}

/// How a port speaks TLS, ready to use.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Acceptor {
    config: Arc<ServerConfig>,
}

impl Acceptor {
    pub(super) fn begin(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Loads what a session connects with.
///
/// # Errors
/// A file that cannot be read or does not hold what it should, a name that cannot be one.
pub(in crate::engine) fn dialler(
    client: &TlsClient,
    destinations: &[Destination],
) -> Result<Dialler, TlsConfigError> {
    const NOT_A_NAME: &str =
        "is no name a certificate can be for, expected a DNS name or an IP address";
    let name = match &client.server_name {
        Some(name) => {
            let read = ServerName::try_from(name.clone());
            Some(read.map_err(|_| wrong("connect.tls.server_name", name.clone(), NOT_A_NAME))?)
        }
        None => None,
    };
    if name.is_none()
        && let Some(nameless) = destinations
            .iter()
            .find(|destination| name_of(destination).is_none())
    {
        let text = format!("{NOT_A_NAME}; give connect.tls.server_name");
        return Err(wrong("connect.destinations", nameless.to_string(), text));
    }
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(client.min_version))
        .map_err(|error| internal(&error))?;
    let verifier: Arc<dyn ServerCertVerifier> = match client.server_check {
        ServerCheck::Full => {
            let roots = match &client.authorities {
                Authorities::System => system_authorities()?,
                Authorities::Only(pem) => authorities("connect.tls.authorities", pem)?,
            };
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| wrong("connect.tls.authorities", "", error.to_string()))?
        }
        ServerCheck::DangerouslyNone => Arc::new(Anybody { provider }),
    };
    // Also the full check comes by this door: it is the same as the one of the library.
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &client.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = load_identity("connect.tls.identity", identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| mismatch("connect.tls.identity", identity, &error))?
        }
    };
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    Ok(Dialler { config, name })
}

/// Loads what a port is opened with.
///
/// # Errors
/// A file that cannot be read or does not hold what it should.
pub(in crate::engine) fn acceptor(server: &TlsServer) -> Result<Acceptor, TlsConfigError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(server.min_version))
        .map_err(|error| internal(&error))?;
    const CLIENTS: &str = "listen.tls.client_check";
    let verifier = |pem: &Pem| {
        let roots = Arc::new(authorities(CLIENTS, pem)?);
        Ok(WebPkiClientVerifier::builder_with_provider(
            roots,
            Arc::clone(&provider),
        ))
    };
    let built = |built: Result<_, rustls::server::VerifierBuilderError>| {
        built.map_err(|error| wrong(CLIENTS, "", error.to_string()))
    };
    let builder = match &server.client_check {
        ClientCheck::None => builder.with_no_client_auth(),
        ClientCheck::Optional(pem) => {
            builder.with_client_cert_verifier(built(verifier(pem)?.allow_unauthenticated().build())?)
        }
        ClientCheck::Required(pem) => builder.with_client_cert_verifier(built(verifier(pem)?.build())?),
    };
    let (chain, key) = load_identity("listen.tls.identity", &server.identity)?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| mismatch("listen.tls.identity", &server.identity, &error))?;
    // A session of days is worth a whole handshake; one that is resumed looks at no certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Acceptor {
        config: Arc::new(config),
    })
}

static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        TlsVersion::Tls12 => ALL_VERSIONS,
        TlsVersion::Tls13 => ONLY_TLS13,
    }
}

/// The name the certificate of a destination must be for.
fn name_of(destination: &Destination) -> Option<ServerName<'static>> {
    match destination {
        Destination::Address(address) => Some(address.ip().into()),
        Destination::Name { host, .. } => ServerName::try_from(host.clone()).ok(),
    }
}

fn wrong(key: &'static str, value: impl ToString, text: impl Into<String>) -> TlsConfigError {
    TlsConfigError {
        key,
        value: value.to_string(),
        text: text.into(),
    }
}

fn internal(error: &Error) -> TlsConfigError {
    wrong("min_version", "", error.to_string())
}

fn read(key: &'static str, pem: &Pem) -> Result<Vec<u8>, TlsConfigError> {
    match pem {
        Pem::Text(text) => Ok(text.as_bytes().to_vec()),
        Pem::File(path) => {
            let unreadable = |error: io::Error| wrong(key, pem, format!("cannot be read: {error}"));
            std::fs::read(path).map_err(unreadable)
        }
    }
}

fn certificates(key: &'static str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let bytes = read(key, pem)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| wrong(key, pem, format!("is damaged PEM: {error}")))?;
    if found.is_empty() {
        let text = "holds no certificate, expected PEM with -----BEGIN CERTIFICATE-----";
        return Err(wrong(key, pem, text));
    }
    Ok(found)
}

fn private_key(key: &'static str, pem: &Pem) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let bytes = read(key, pem)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        let is_encrypted = bytes
            .windows(encrypted.len())
            .any(|window| window == encrypted);
        let text = match error {
            _ if is_encrypted => {
                "holds an encrypted key: give it in the clear, in a file that only its user can read"
                    .to_owned()
            }
            pem::Error::NoItemsFound => {
                "holds no private key, expected PEM with -----BEGIN PRIVATE KEY-----".to_owned()
            }
            error => format!("is damaged PEM: {error}"),
        };
        wrong(key, pem, text)
    })
}

fn load_identity(
    key: &'static str,
    identity: &TlsIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsConfigError> {
    Ok((
        certificates(key, &identity.certificates)?,
        private_key(key, &identity.key)?,
    ))
}

fn mismatch(key: &'static str, identity: &TlsIdentity, error: &Error) -> TlsConfigError {
    let text = match error {
        Error::InconsistentKeys(_) => {
            format!(
                "is not the key of the certificate in {}",
                identity.certificates
            )
        }
        error => format!(
            "cannot be used with the certificate in {}: {error}",
            identity.certificates
        ),
    };
    wrong(key, &identity.key, text)
}

fn authorities(key: &'static str, pem: &Pem) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, pem)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(key, pem, format!("holds no authority: {error}")))?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, TlsConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(" ({error})"));
    let text = format!(
        "the system has no authorities{}: install its CA certificates, or name a file",
        why.unwrap_or_default()
    );
    Err(wrong("connect.tls.authorities", "System", text))
}

/// Takes every certificate. That the peer has its key is still looked at, so that a broken connection
/// is not taken for a good one; who the peer is, is not.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

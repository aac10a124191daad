//! `--tls`: a certificate made for one run, which both sides show and both sides look at.

use anyhow::Context as _;
use pinfix::engine::{Authorities, ClientCheck, Pem, TlsClient, TlsIdentity, TlsServer};

/// What both sides of a run speak TLS with.
#[derive(Clone, Debug)]
pub struct Tls {
    pub server: TlsServer,
    pub client: TlsClient,
}

impl Tls {
    /// With a certificate that is its own authority, of ECDSA over P-256.
    pub fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .context("--tls: making a certificate")?;
        let certificate = Pem::Text(made.cert.pem().into());
        let identity = TlsIdentity {
            certificates: certificate.clone(),
            key: Pem::Text(made.signing_key.serialize_pem().into()),
        };
        Ok(Self {
            server: TlsServer {
                client_check: ClientCheck::Required(certificate.clone()),
                ..TlsServer::new(identity.clone())
            },
            client: TlsClient {
                server_name: Some("localhost".to_owned()),
                authorities: Authorities::Only(certificate),
                identity: Some(identity),
                ..TlsClient::default()
            },
        })
    }
}

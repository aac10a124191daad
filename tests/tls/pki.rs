//! Certificates made for a test: an authority, and what it issues.

use std::sync::Arc;

use pinfix::engine::{Authorities, Pem, TlsClient, TlsIdentity, TlsServer};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Arc<str>,
}

/// When a certificate is good.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem().into();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub fn pem(&self) -> Pem {
        Pem::Text(Arc::clone(&self.pem))
    }

    pub fn text(&self) -> &str {
        &self.pem
    }

    pub fn issue(&self, host: &str, validity: Validity, usage: ExtendedKeyUsagePurpose) -> TlsIdentity {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![usage];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(4000, 1, 1)),
            Validity::Past => (date_time_ymd(2010, 1, 1), date_time_ymd(2011, 1, 1)),
            Validity::Future => (date_time_ymd(3999, 1, 1), date_time_ymd(4000, 1, 1)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TlsIdentity {
            certificates: Pem::Text(certificate.pem().into()),
            key: Pem::Text(key.serialize_pem().into()),
        }
    }

    /// For `localhost`, now.
    pub fn server_identity(&self) -> TlsIdentity {
        self.issue(
            "localhost",
            Validity::Now,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    pub fn client_identity(&self) -> TlsIdentity {
        self.issue("client", Validity::Now, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A port with a good certificate of this authority.
    pub fn server(&self) -> TlsServer {
        TlsServer::new(self.server_identity())
    }

    /// An initiator that trusts this authority and asks for `localhost`.
    pub fn client(&self) -> TlsClient {
        TlsClient {
            server_name: Some("localhost".to_owned()),
            authorities: Authorities::Only(self.pem()),
            ..TlsClient::default()
        }
    }
}

/// What a `Pem` in memory holds.
pub fn text(pem: &Pem) -> &str {
    match pem {
        Pem::Text(text) => text,
        Pem::File(path) => panic!("{} is a file", path.display()),
    }
}

//! TLS of a session, put together from its keys.

use crate::engine::tls::{
    self, Authorities, ClientCheck, Pem, ServerCheck, TlsClient, TlsIdentity, TlsServer, TlsVersion,
};
use crate::session::fix::Role;

/// What the keys said.
#[derive(Debug, Default)]
pub(super) struct TlsDraft {
    /// SocketUseSSL.
    pub wanted: Option<bool>,
    /// Peers of an acceptor show certificates.
    pub client_wanted: Option<bool>,
    pub certificates: Option<Pem>,
    pub key: Option<Pem>,
    pub authorities: Option<Pem>,
    pub server_name: Option<String>,
    pub min_version: Option<TlsVersion>,
    pub server_check: ServerCheck,
}

impl TlsDraft {
    /// Whether there is TLS: where it is asked for, or where files of it are named.
    fn is_on(&self, wrong: &mut dyn FnMut(&str, String)) -> bool {
        let named = self.certificates.is_some() || self.key.is_some() || self.authorities.is_some();
        let on = self.wanted.unwrap_or(named);
        if on && !tls::AVAILABLE {
            let text = "asks for TLS: pinfix was built without TLS, build it with its feature `tls`";
            wrong("SocketUseSSL", text.to_owned());
            return false;
        }
        on
    }

    /// Our certificate, if both of its files are named.
    fn identity(&mut self, role: Role, wrong: &mut dyn FnMut(&str, String)) -> Option<TlsIdentity> {
        let (certificates, key) = match role {
            Role::Initiator => ("ClientCertificateFile", "ClientCertificateKeyFile"),
            Role::Acceptor => ("ServerCertificateFile", "ServerCertificateKeyFile"),
        };
        match (self.certificates.take(), self.key.take()) {
            (Some(certificates), Some(key)) => Some(TlsIdentity { certificates, key }),
            (None, None) => None,
            (Some(_), None) => {
                wrong(key, format!("is missing: {certificates} is given"));
                None
            }
            (None, Some(_)) => {
                wrong(certificates, format!("is missing: {key} is given"));
                None
            }
        }
    }

    /// How an initiator speaks TLS.
    pub fn client(mut self, wrong: &mut dyn FnMut(&str, String)) -> Option<TlsClient> {
        if !self.is_on(wrong) {
            return None;
        }
        Some(TlsClient {
            identity: self.identity(Role::Initiator, wrong),
            server_name: self.server_name,
            authorities: self
                .authorities
                .map_or(Authorities::System, Authorities::Only),
            min_version: self.min_version.unwrap_or_default(),
            server_check: self.server_check,
        })
    }

    /// How the port of an acceptor speaks TLS.
    pub fn server(mut self, wrong: &mut dyn FnMut(&str, String)) -> Option<TlsServer> {
        if !self.is_on(wrong) {
            if self.client_wanted == Some(true) {
                let text = "asks for certificates of peers, and without TLS there are none";
                wrong("NeedClientAuth", text.to_owned());
            }
            return None;
        }
        // Plain text in place of what was asked for would go unnoticed.
        let halves = usize::from(self.certificates.is_some()) + usize::from(self.key.is_some());
        let identity = self.identity(Role::Acceptor, wrong);
        let client_check = match (self.client_wanted.unwrap_or(false), self.authorities) {
            (false, _) => ClientCheck::None,
            (true, Some(authorities)) => ClientCheck::Required(authorities),
            (true, None) => {
                let text = "is missing: peers must show a certificate of one of these authorities";
                wrong("CertificationAuthoritiesFile", text.to_owned());
                return None;
            }
        };
        let Some(identity) = identity else {
            // Of two files, the one that is missing was named above.
            if halves == 0 {
                let text = "is missing: an acceptor that speaks TLS has a certificate";
                wrong("ServerCertificateFile", text.to_owned());
            }
            return None;
        };
        Some(TlsServer {
            identity,
            client_check,
            min_version: self.min_version.unwrap_or_default(),
        })
    }
}

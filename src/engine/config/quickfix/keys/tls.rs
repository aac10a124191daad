//! TLS: keys of three engines, whose certificates are files in PEM here.
//!
//! An initiator has TLS where SocketUseSSL=Y, or where a key with a file of TLS stands; so has the port
//! of an acceptor. What several keys decide is put together in the parent's `tls`.

use std::path::PathBuf;

use super::super::value::{flag, number, word};
use super::{Key, honoured, mapped, refused};
use crate::engine::tls::{Pem, ServerCheck, TlsVersion};
use crate::session::fix::Role;

const PEM: &str = "keystores of Java are not read; convert them to PEM (keytool, openssl pkcs12) and name the \
                   files with ServerCertificateFile and ServerCertificateKeyFile, ClientCertificateFile and \
                   ClientCertificateKeyFile, CertificationAuthoritiesFile";
const SUITES: &str = "cipher suites cannot be chosen: those there are, of TLS 1.2 and 1.3, all have forward \
                      secrecy and authenticated encryption; leave it out";
const REVOCATION: &str =
    "revocation lists are not read; leave it out, and take short-lived certificates";
const ONE_FILE: &str =
    "put the authorities into one file in PEM and name it with CertificationAuthoritiesFile";
const IN_A_FILE: &str = "put it into a file in PEM that only its user can read, and name that instead";

pub(super) const KEYS: &[Key] = &[
    honoured("SocketUseSSL", "N", "-", "Y: TLS", |draft, given| {
        draft.tls.wanted = Some(flag(given.value)?);
        Ok(())
    }),
    refused("SocketKeyStore", PEM),
    refused("SocketKeyStorePassword", PEM),
    refused("KeyManagerFactoryAlgorithm", PEM),
    refused("KeyStoreType", PEM),
    refused("SocketTrustStore", PEM),
    refused("SocketTrustStorePassword", PEM),
    refused("TrustManagerFactoryAlgorithm", PEM),
    refused("TrustStoreType", PEM),
    honoured(
        "NeedClientAuth",
        "N",
        "-",
        "Y: peers must show a certificate of the authorities in CertificationAuthoritiesFile",
        |draft, given| {
            draft.tls.client_wanted = Some(flag(given.value)?);
            Ok(())
        },
    )
    .only(Role::Acceptor),
    mapped(
        "EnabledProtocols",
        "JVM",
        "-",
        "versions with commas between them: the oldest that counts, TLSv1.2 or TLSv1.3; newer ones are taken \
         too",
        |draft, given| {
            draft.tls.min_version = Some(oldest(given.value.split(','), &JAVA)?);
            Ok(())
        },
    ),
    refused("CipherSuites", SUITES),
    mapped(
        "EndpointIdentificationAlgorithm",
        "none",
        "-",
        "HTTPS or LDAPS: the certificate must be for the host; always so here",
        |_, given| word(given.value, &[("HTTPS", ()), ("LDAPS", ())]),
    ),
    mapped(
        "UseSNI",
        "N",
        "-",
        "Y: tells the peer which host is meant; always so here",
        |draft, given| {
            if !flag(given.value)? {
                draft.warn(given, "the peer is told which host is meant all the same");
            }
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "SNIHostName",
        "host",
        "-",
        "host that the peer is asked for, and that its certificate must be for",
        |draft, given| {
            draft.tls.server_name = Some(given.value.to_owned());
            Ok(())
        },
    )
    .also(&["SocketServerName"])
    .only(Role::Initiator),
    mapped(
        "SSLProtocol",
        "-",
        "all -SSLv2",
        "versions with blanks between them, as mod_ssl has them: the oldest from TLSv1_2 on counts",
        |draft, given| {
            draft.tls.min_version = Some(mod_ssl(given.value)?);
            Ok(())
        },
    ),
    refused("SSLCipherSuite", SUITES),
    refused("TLSCipherSuites", SUITES),
    honoured(
        "CertificationAuthoritiesFile",
        "-",
        "system",
        "file in PEM: who is trusted to say who the peer is; for an initiator, the system's without it",
        |draft, given| {
            draft.tls.authorities = Some(pem(given.value)?);
            Ok(())
        },
    )
    .also(&["SocketCAFile"]),
    refused("CertificationAuthoritiesDirectory", ONE_FILE),
    honoured(
        "ServerCertificateFile",
        "-",
        "none",
        "file in PEM: the certificate of an acceptor, and those of the authorities above it",
        |draft, given| {
            draft.tls.certificates = Some(pem(given.value)?);
            Ok(())
        },
    )
    .only(Role::Acceptor),
    honoured(
        "ServerCertificateKeyFile",
        "-",
        "none",
        "file in PEM: its key, not encrypted",
        |draft, given| {
            draft.tls.key = Some(pem(given.value)?);
            Ok(())
        },
    )
    .only(Role::Acceptor),
    honoured(
        "CertificateVerifyLevel",
        "-",
        "0",
        "1: the peer is verified, as without the key; 0: an acceptor asks for no certificate, and an initiator \
         takes any, which is dangerous",
        |draft, given| {
            let verified = number(given.value, 0, 1)? == 1;
            draft.tls.client_wanted = Some(verified);
            if !verified && draft.config.settings.role == Role::Initiator {
                draft.tls.server_check = ServerCheck::DangerouslyNone;
                draft.warn(given, UNVERIFIED);
            }
            Ok(())
        },
    ),
    refused("CertificateRevocationListFile", REVOCATION),
    refused("CertificateRevocationListDirectory", REVOCATION),
    honoured(
        "ClientCertificateFile",
        "-",
        "none",
        "file in PEM: the certificate of an initiator, and those of the authorities above it",
        |draft, given| {
            draft.tls.certificates = Some(pem(given.value)?);
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ClientCertificateKeyFile",
        "-",
        "none",
        "file in PEM: its key, not encrypted",
        |draft, given| {
            draft.tls.key = Some(pem(given.value)?);
            Ok(())
        },
    )
    .only(Role::Initiator),
    refused(
        "SocketTimeout",
        "an attempt to connect, with its handshake, has the time that SocketConnectTimeout says",
    ),
    honoured(
        "SocketPrivateKeyFile",
        "-",
        "-",
        "file in PEM: the key of SocketCertificateFile",
        |draft, given| {
            draft.tls.key = Some(pem(given.value)?);
            Ok(())
        },
    ),
    honoured(
        "SocketCertificateFile",
        "-",
        "-",
        "file in PEM: our certificate, in either role",
        |draft, given| {
            draft.tls.certificates = Some(pem(given.value)?);
            Ok(())
        },
    ),
    refused("SocketPrivateKeyBytes", IN_A_FILE),
    refused("SocketCertificateBytes", IN_A_FILE),
    refused("SocketCABytes", IN_A_FILE),
    honoured(
        "SocketInsecureSkipVerify",
        "-",
        "-",
        "Y: any certificate of the peer is taken, which is dangerous",
        |draft, given| {
            if flag(given.value)? {
                draft.tls.server_check = ServerCheck::DangerouslyNone;
                draft.warn(given, UNVERIFIED);
            }
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "SocketMinimumTLSVersion",
        "-",
        "-",
        "oldest version: TLS12 or TLS13",
        |draft, given| {
            draft.tls.min_version = Some(word(given.value, &GO)?);
            Ok(())
        },
    ),
];

/// Said of every session that asks for it.
pub(in super::super) const UNVERIFIED: &str = "TLS VERIFICATION IS OFF: whoever can reach the connection can \
     read and change everything on it, passwords and orders; name the authority of the peer with \
     CertificationAuthoritiesFile instead";

const JAVA: [(&str, TlsVersion); 2] = [
    ("TLSv1.2", TlsVersion::Tls12),
    ("TLSv1.3", TlsVersion::Tls13),
];
const GO: [(&str, TlsVersion); 2] = [("TLS12", TlsVersion::Tls12), ("TLS13", TlsVersion::Tls13)];

fn pem(value: &str) -> Result<Pem, String> {
    match value.is_empty() {
        true => Err("expected the name of a file in PEM".to_owned()),
        false => Ok(Pem::File(PathBuf::from(value))),
    }
}

/// The oldest of several versions, each of which must be one that is spoken.
fn oldest<'a>(
    names: impl Iterator<Item = &'a str>,
    known: &[(&str, TlsVersion)],
) -> Result<TlsVersion, String> {
    let versions: Result<Vec<_>, _> = names.map(|name| word(name.trim(), known)).collect();
    let oldest = versions?.into_iter().min();
    oldest.ok_or_else(|| "expected a version".to_owned())
}

/// `all -SSLv2 -TLSv1`, `+TLSv1_2 +TLSv1_3`: what is switched on, from the left to the right.
fn mod_ssl(value: &str) -> Result<TlsVersion, String> {
    const VERSIONS: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"];
    let mut on = [false; VERSIONS.len()];
    for name in value.split_whitespace() {
        let (switched, plain) = match name.strip_prefix('-') {
            Some(plain) => (false, plain),
            None => (true, name.strip_prefix('+').unwrap_or(name)),
        };
        match VERSIONS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(plain))
        {
            Some(at) => on[at] = switched,
            None if plain.eq_ignore_ascii_case("all") => on = [switched; VERSIONS.len()],
            None => return Err(format!("expected all, or of {}", VERSIONS.join(", "))),
        }
    }
    match on {
        [.., true, _] => Ok(TlsVersion::Tls12),
        [.., true] => Ok(TlsVersion::Tls13),
        _ => {
            Err("expected TLSv1_2 or TLSv1_3 among the versions, older ones are not spoken".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_mod_ssl_reads_them() {
        for (text, oldest) in [
            ("all -SSLv2", TlsVersion::Tls12),
            ("+TLSv1_2", TlsVersion::Tls12),
            ("TLSv1_3", TlsVersion::Tls13),
            ("all -TLSv1_2", TlsVersion::Tls13),
            ("-all +TLSv1 +TLSv1_2 +TLSv1_3", TlsVersion::Tls12),
        ] {
            assert_eq!(mod_ssl(text), Ok(oldest), "{text}");
        }
        for text in ["", "TLSv1", "all -TLSv1_2 -TLSv1_3", "TLSv9"] {
            assert!(mod_ssl(text).is_err(), "{text}");
        }
    }
}

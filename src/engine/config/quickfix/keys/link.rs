//! Options of sockets, and what would stand between a socket and a session.

use super::super::value::flag;
use super::{Key, honoured, mapped, not_yet, refused};

const PEM: &str =
    "TLS is not there yet; run a TLS proxy such as stunnel in front, its keys as PEM files";
const NO_TLS: &str = "expected N: TLS is not there yet; run a TLS proxy such as stunnel in front";
const NO_PROXY: &str = "connecting through a proxy is not there yet; connect to a local forwarder";

pub(super) const KEYS: &[Key] = &[
    honoured(
        "SocketTcpNoDelay",
        "Y",
        "-",
        "TCP_NODELAY; always on here",
        |draft, given| {
            if !flag(given.value)? {
                draft.warn(
                    given,
                    "TCP_NODELAY is always on: nothing waits for a segment to be filled",
                );
            }
            Ok(())
        },
    ),
    honoured(
        "SocketNodelay",
        "-",
        "N",
        "TCP_NODELAY; always on here",
        |draft, given| {
            if !flag(given.value)? {
                draft.warn(
                    given,
                    "TCP_NODELAY is always on: nothing waits for a segment to be filled",
                );
            }
            Ok(())
        },
    ),
    not_yet("SocketKeepAlive", "system", "-", "SO_KEEPALIVE"),
    not_yet(
        "SocketReceiveBufferSize",
        "system",
        "0",
        "SO_RCVBUF in bytes",
    ),
    not_yet("SocketSendBufferSize", "system", "0", "SO_SNDBUF in bytes"),
    not_yet("SocketLinger", "system", "-", "SO_LINGER in seconds"),
    honoured(
        "SocketOobInline",
        "system",
        "-",
        "N: no urgent data",
        |_, given| match flag(given.value)? {
            false => Ok(()),
            true => Err("expected N: FIX has no urgent data".to_owned()),
        },
    ),
    not_yet(
        "SocketTrafficClass",
        "system",
        "-",
        "IP_TOS, a number or IPTOS names",
    ),
    mapped(
        "SocketSynchronousWrites",
        "N",
        "-",
        "a message is written by who sends it; always so here",
        |_, given| flag(given.value).map(|_| ()),
    ),
    refused(
        "SocketSynchronousWriteTimeout",
        "a write never waits; what the socket does not take stays in the journal, and a peer that takes \
         nothing is closed at MaxScheduledWriteRequests",
    ),
    not_yet(
        "MaxScheduledWriteRequests",
        "0",
        "-",
        "messages that may wait for a slow peer before it is closed",
    ),
    honoured(
        "SocketUseSSL",
        "N",
        "-",
        "N: no TLS",
        |_, given| match flag(given.value)? {
            false => Ok(()),
            true => Err(NO_TLS.to_owned()),
        },
    ),
    refused("SocketKeyStore", PEM),
    refused("SocketKeyStorePassword", PEM),
    refused("KeyManagerFactoryAlgorithm", PEM),
    refused("KeyStoreType", PEM),
    refused("SocketTrustStore", PEM),
    refused("SocketTrustStorePassword", PEM),
    refused("TrustManagerFactoryAlgorithm", PEM),
    refused("TrustStoreType", PEM),
    refused("NeedClientAuth", PEM),
    refused("EnabledProtocols", PEM),
    refused("CipherSuites", PEM),
    refused("EndpointIdentificationAlgorithm", PEM),
    refused("UseSNI", PEM),
    refused("SNIHostName", PEM),
    refused("SSLProtocol", PEM),
    refused("SSLCipherSuite", PEM),
    refused("TLSCipherSuites", PEM),
    refused("CertificationAuthoritiesFile", PEM),
    refused("CertificationAuthoritiesDirectory", PEM),
    refused("ServerCertificateFile", PEM),
    refused("ServerCertificateKeyFile", PEM),
    refused("CertificateVerifyLevel", PEM),
    refused("CertificateRevocationListFile", PEM),
    refused("CertificateRevocationListDirectory", PEM),
    refused("ClientCertificateFile", PEM),
    refused("ClientCertificateKeyFile", PEM),
    refused("SocketTimeout", PEM),
    refused("SocketPrivateKeyFile", PEM),
    refused("SocketCertificateFile", PEM),
    refused("SocketCAFile", PEM),
    refused("SocketPrivateKeyBytes", PEM),
    refused("SocketCertificateBytes", PEM),
    refused("SocketCABytes", PEM),
    refused("SocketInsecureSkipVerify", PEM),
    refused("SocketServerName", PEM),
    refused("SocketMinimumTLSVersion", PEM),
    refused("ProxyType", NO_PROXY),
    refused("ProxyVersion", NO_PROXY),
    refused("ProxyHost", NO_PROXY),
    refused("ProxyPort", NO_PROXY),
    refused("ProxyUser", NO_PROXY),
    refused("ProxyPassword", NO_PROXY),
    refused("ProxyDomain", NO_PROXY),
    refused("ProxyWorkstation", NO_PROXY),
];

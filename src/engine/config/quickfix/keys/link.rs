//! Options of sockets, and what would stand between a socket and a session.

use std::time::Duration;

use super::super::proxy::{ProxyFamily, VERSIONS};
use super::super::value::{flag, number, port, word};
use super::{Key, honoured, mapped, refused};
use crate::session::fix::{Role, SlowPeer};

const NTLM: &str = "NTLM is not spoken with a proxy; let it take Basic (ProxyUser, ProxyPassword), or put a forwarder \
                    that speaks NTLM on this machine and name that with ProxyHost and ProxyPort";

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
    honoured(
        "SocketKeepAlive",
        "system",
        "-",
        "SO_KEEPALIVE, after the two hours of the system",
        |draft, given| {
            draft.config.socket.keepalive = flag(given.value)?.then_some(KEEPALIVE);
            Ok(())
        },
    ),
    honoured(
        "SocketReceiveBufferSize",
        "system",
        "0",
        "SO_RCVBUF in bytes, 0 for the system's",
        |draft, given| {
            draft.config.socket.receive_buffer_bytes = buffer(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "SocketSendBufferSize",
        "system",
        "0",
        "SO_SNDBUF in bytes, 0 for the system's",
        |draft, given| {
            draft.config.socket.send_buffer_bytes = buffer(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "SocketLinger",
        "system",
        "-",
        "SO_LINGER in seconds",
        |draft, given| {
            draft.config.socket.linger = Some(Duration::from_secs(number(given.value, 0, 32_767)?));
            Ok(())
        },
    ),
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
    honoured(
        "SocketTrafficClass",
        "system",
        "-",
        "IP_TOS: a number, or names such as IPTOS_LOWDELAY with `|` or `,` between them",
        |draft, given| {
            draft.config.socket.traffic_class = Some(traffic_class(given.value)?);
            Ok(())
        },
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
    mapped(
        "MaxScheduledWriteRequests",
        "0",
        "-",
        "messages that may wait before a slow peer is closed, taken as 1 KiB each; 0 for never",
        |draft, given| {
            let messages = number(given.value, 0, 1 << 20)?;
            if messages == 0 {
                return Ok(());
            }
            draft.config.settings.sending.slow_peer = SlowPeer::Disconnect;
            let journal = &mut draft.config.journal;
            let bytes = usize::try_from(messages)
                .unwrap_or(usize::MAX)
                .saturating_mul(1024);
            journal.unsent_limit_bytes = bytes.max(2 * journal.control_reserve_bytes);
            let text = format!(
                "counts bytes here: the peer is closed when {} of them wait",
                journal.unsent_limit_bytes
            );
            draft.warn(given, &text);
            Ok(())
        },
    ),
    honoured(
        "ProxyType",
        "none",
        "-",
        "proxy to connect through: http or socks",
        |draft, given| {
            let words = [("http", ProxyFamily::Http), ("socks", ProxyFamily::Socks)];
            draft.proxy.family = Some(word(given.value, &words)?);
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ProxyVersion",
        "1.0 (http)",
        "-",
        "1.0 or 1.1 of HTTP; 4, 4a or 5 of SOCKS: with 4 names are looked up here, else by the proxy",
        |draft, given| {
            draft.proxy.version = Some(word(given.value, &VERSIONS)?);
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ProxyHost",
        "none",
        "-",
        "host of the proxy",
        |draft, given| {
            draft.proxy.host = Some(given.value.to_owned());
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ProxyPort",
        "none",
        "-",
        "port of the proxy",
        |draft, given| {
            draft.proxy.port = Some(port(given.value)?);
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ProxyUser",
        "none",
        "-",
        "who we are to the proxy: Basic of HTTP, user of SOCKS",
        |draft, given| {
            draft.proxy.user = Some(given.value.to_owned());
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "ProxyPassword",
        "none",
        "-",
        "its password; SOCKS 4 has none",
        |draft, given| {
            draft.proxy.password = Some(given.value.to_owned());
            Ok(())
        },
    )
    .only(Role::Initiator),
    refused("ProxyDomain", NTLM),
    refused("ProxyWorkstation", NTLM),
];

/// How long a connection is silent before Linux probes it, unless told otherwise.
const KEEPALIVE: Duration = Duration::from_secs(7200);

/// Bytes of a buffer; `None` leaves it to the system.
fn buffer(value: &str) -> Result<Option<usize>, String> {
    let bytes = number(value, 0, 1 << 30)?;
    Ok(usize::try_from(bytes).ok().filter(|bytes| *bytes != 0))
}

/// The flags of RFC 1349 as Java names them, or the whole byte as a number.
fn traffic_class(value: &str) -> Result<u8, String> {
    const FLAGS: &[(&str, u8)] = &[
        ("IPTOS_LOWCOST", 0x02),
        ("IPTOS_RELIABILITY", 0x04),
        ("IPTOS_THROUGHPUT", 0x08),
        ("IPTOS_LOWDELAY", 0x10),
    ];
    let whole = match value.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    };
    if let Some(whole) = whole {
        return Ok(whole);
    }
    value
        .split(['|', ','])
        .try_fold(0, |class, name| Ok(class | word(name.trim(), FLAGS)?))
        .map_err(|right: String| format!("{right}, or a number from 0 to 255"))
}

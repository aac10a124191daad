//! Where an acceptor listens and whom it lets in.

use super::super::value::{port, word};
use super::{Draft, Given, Key, honoured, not_yet};
use crate::session::fix::Role;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "SocketAcceptPort",
        "required",
        "required",
        "port to listen on",
        |draft, given| {
            draft.accept_port = Some(port(given.value)?);
            Ok(())
        },
    )
    .only(Role::Acceptor),
    honoured(
        "SocketAcceptAddress",
        "all",
        "-",
        "address to listen on",
        accept_address,
    )
    .also(&["SocketAcceptHost"])
    .only(Role::Acceptor),
    honoured("SocketAcceptProtocol", "TCP", "-", "TCP", |_, given| {
        let right = "expected TCP: two engines of one process talk over loopback, or in memory with a \
                     network of their own (pinfix::engine::Network)";
        word(given.value, &[("TCP", ())]).map_err(|_| right.to_owned())
    })
    .only(Role::Acceptor),
    not_yet(
        "SocketReuseAddress",
        "system",
        "Y",
        "SO_REUSEADDR of the port",
    )
    .only(Role::Acceptor),
    not_yet(
        "AllowedRemoteAddresses",
        "all",
        "all",
        "addresses the peer may come from",
    )
    .only(Role::Acceptor),
    not_yet(
        "AcceptorTemplate",
        "N",
        "-",
        "Y: makes sessions for Logons that no session is for",
    )
    .only(Role::Acceptor),
    not_yet(
        "DynamicSessions",
        "-",
        "-",
        "Y: makes a session for every Logon that no session is for",
    )
    .only(Role::Acceptor),
    not_yet(
        "DynamicQualifier",
        "-",
        "-",
        "Y: several made sessions may have the same CompIDs",
    )
    .only(Role::Acceptor),
    not_yet(
        "UseTCPProxy",
        "-",
        "-",
        "the PROXY protocol of a load balancer",
    )
    .only(Role::Acceptor),
];

fn accept_address(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let address = match given.value {
        "localhost" => Some([127, 0, 0, 1].into()),
        value => value.parse().ok(),
    };
    draft.accept_address = Some(address.ok_or("expected an IP address such as 0.0.0.0")?);
    Ok(())
}

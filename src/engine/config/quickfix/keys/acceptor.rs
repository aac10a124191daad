//! Where an acceptor listens and whom it lets in.

use super::super::value::{flag, port, word};
use super::{Draft, Given, Key, honoured, mapped, refused};
use crate::engine::config::Subnet;
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
    honoured(
        "SocketReuseAddress",
        "system",
        "Y",
        "SO_REUSEADDR of the port",
        |draft, given| {
            draft.reuse_address = flag(given.value)?;
            Ok(())
        },
    )
    .only(Role::Acceptor),
    honoured(
        "AllowedRemoteAddresses",
        "all",
        "all",
        "addresses or networks the peer may come from, with commas between them",
        allowed,
    )
    .only(Role::Acceptor),
    honoured(
        "AcceptorTemplate",
        "N",
        "-",
        "Y: makes sessions for Logons that no session is for and whose CompIDs fit, `*` being any",
        |draft, given| match (flag(given.value)?, draft.config.settings.role) {
            (true, Role::Initiator) => {
                Err("expected N: an initiator knows whom it connects to".to_owned())
            }
            _ => Ok(()),
        },
    )
    .only(Role::Acceptor),
    mapped(
        "DynamicSessions",
        "-",
        "-",
        "Y in [DEFAULT]: makes a session for every Logon that no session is for",
        |_, given| flag(given.value).map(|_| ()),
    )
    .only(Role::Acceptor),
    refused(
        "DynamicQualifier",
        "sessions with the same CompIDs cannot be told apart by their Logons; give each its own CompID",
    ),
    honoured(
        "UseTCPProxy",
        "-",
        "-",
        "Y: connections begin with a header of the PROXY protocol, whose address is that of the peer",
        |draft, given| {
            draft.behind_proxy = flag(given.value)?;
            if draft.behind_proxy {
                draft.warn(
                    given,
                    "whoever can reach the port can claim any address: keep it from everybody but the proxy",
                );
            }
            Ok(())
        },
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

fn allowed(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if draft.config.settings.role == Role::Initiator {
        return Err("nobody connects to an initiator; leave it out".to_owned());
    }
    let networks: Result<Vec<Subnet>, _> = given
        .value
        .split(',')
        .map(|network| network.trim().parse())
        .collect();
    draft.config.accept.allow = networks
        .map_err(|_| "expected addresses or networks such as 10.0.0.1,10.1.0.0/16, no host names")?;
    Ok(())
}

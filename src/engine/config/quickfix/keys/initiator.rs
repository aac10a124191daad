//! Where an initiator connects to.

use std::time::Duration;

use super::super::draft::FirstHost;
use super::super::value::{flag, port, span, word};
use super::{Family, Key, honoured, mapped};
use crate::engine::config::Start;
use crate::session::fix::Role;

const ONLY_TCP: &str = "expected TCP: two engines of one process talk over loopback, or in memory with \
                        a network of their own (pinfix::engine::Network)";

pub(super) const KEYS: &[Key] = &[
    honoured(
        "SocketConnectHost",
        "required",
        "required",
        "host or address of the peer",
        |draft, given| {
            draft.place(given.number()).host = Some(given.value.to_owned());
            Ok(())
        },
    )
    .family(Family::Numbered)
    .only(Role::Initiator),
    honoured(
        "SocketConnectPort",
        "required",
        "required",
        "port of the peer",
        |draft, given| {
            draft.place(given.number()).port = Some(port(given.value)?);
            Ok(())
        },
    )
    .family(Family::Numbered)
    .only(Role::Initiator),
    honoured("SocketConnectProtocol", "TCP", "-", "TCP", |_, given| {
        word(given.value, &[("TCP", ())]).map_err(|_| ONLY_TCP.to_owned())
    })
    .family(Family::Numbered)
    .only(Role::Initiator),
    honoured(
        "SocketConnectTimeout",
        "60",
        "-",
        "seconds an attempt to connect may take",
        |draft, given| {
            draft.config.connect.timeout = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "SocketLocalHost",
        "any",
        "any",
        "address to connect from",
        |draft, given| {
            let address = given
                .value
                .parse()
                .map_err(|_| "expected an IP address of this machine")?;
            draft.place(given.number()).source_host = Some(address);
            Ok(())
        },
    )
    .also(&["SocketConnectSourceHost"])
    .family(Family::Numbered)
    .only(Role::Initiator),
    honoured(
        "SocketLocalPort",
        "any",
        "any",
        "port to connect from",
        |draft, given| {
            draft.place(given.number()).source_port = Some(port(given.value)?);
            Ok(())
        },
    )
    .also(&["SocketConnectSourcePort"])
    .family(Family::Numbered)
    .only(Role::Initiator),
    honoured(
        "HostSelectionPolicy",
        "-",
        "ROUNDROBIN",
        "which of several hosts: PRIORITY, the first when it is there, or ROUNDROBIN, the next",
        |draft, given| {
            let policies = [
                ("PRIORITY", FirstHost::Preferred),
                ("ROUNDROBIN", FirstHost::Nothing),
            ];
            draft.first_host = word(given.value, &policies)?;
            Ok(())
        },
    )
    .only(Role::Initiator),
    honoured(
        "HostSelectionPolicyPriorityStartOverInterval",
        "-",
        "120",
        "seconds after which the first host is tried again",
        |draft, given| {
            draft.start_over = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    )
    .only(Role::Initiator),
    mapped(
        "DynamicSession",
        "N",
        "-",
        "Y: the session is not started with the engine, the program adds it later",
        |draft, given| {
            draft.start = match flag(given.value)? {
                true => Start::Later,
                false => Start::WithEngine,
            };
            Ok(())
        },
    ),
];

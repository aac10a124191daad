//! Where an initiator connects to.

use std::time::Duration;

use super::super::value::{flag, port, span, word};
use super::{Family, Key, honoured, mapped, not_yet};
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
            draft.config.connect_timeout = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    )
    .only(Role::Initiator),
    not_yet("SocketLocalHost", "any", "any", "address to connect from")
        .also(&["SocketConnectSourceHost"])
        .family(Family::Numbered)
        .only(Role::Initiator),
    not_yet("SocketLocalPort", "any", "any", "port to connect from")
        .also(&["SocketConnectSourcePort"])
        .family(Family::Numbered)
        .only(Role::Initiator),
    not_yet(
        "HostSelectionPolicy",
        "-",
        "ROUNDROBIN",
        "which of several hosts: PRIORITY or ROUNDROBIN",
    )
    .only(Role::Initiator),
    not_yet(
        "HostSelectionPolicyPriorityStartOverInterval",
        "-",
        "120",
        "seconds after which the first host is tried again",
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

//! FIXP sessions in the engine: a client and a gateway over loopback, through the calls users have.

#![allow(clippy::unwrap_used)]

mod backup;
#[path = "../proxy/fake.rs"]
mod fake;
mod hours;
mod lanes;
mod operations;
mod orders;
mod page;
mod pair;
mod pair_storm;
mod pieces;
mod proxies;
#[path = "../simnet/mod.rs"]
#[allow(dead_code)] // shared with the simulations, which use other parts
mod simnet;
mod storm;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use pinfix::admin::{Operation, Outcome};
use pinfix::engine::{
    Engine, EngineConfig, FixpSessionConfig, Listen, Protocol, SessionConfig, Template,
};
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Role, Sent};
use pinfix::session::fixp::{Answer, Fault, On};
use pinfix::session::{Cause, Credentials, Refusal, Text};
use pinfix::wire::fix::{msg_type, tag};

use pair::{Pair, Side, credentials};

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a command and answers what became of it, with both engines running.
fn command(pair: &mut Pair, gateway: bool, operation: Operation) -> Outcome {
    let station = if gateway {
        &mut pair.gateway
    } else {
        &mut pair.client
    };
    let ticket = station
        .control
        .command(station.session, operation, PATIENCE)
        .unwrap();
    loop {
        let now = pair.clock.now();
        pair.gateway.engine.poll(now, &mut pair.gateway.app);
        pair.client.engine.poll(now, &mut pair.client.app);
        let station = if gateway {
            &mut pair.gateway
        } else {
            &mut pair.client
        };
        if let Some(completion) = station.control.poll() {
            assert_eq!(completion.ticket, ticket);
            return completion.outcome;
        }
    }
}

fn logout(reason: &[u8]) -> Operation {
    Operation::Logout(pinfix::admin::HoldOrder {
        reason: Text::lossy(reason),
        ..pinfix::admin::HoldOrder::default()
    })
}

#[test]
fn orders_are_answered_and_a_logout_keeps_numbers_and_uuid() {
    let mut pair = Pair::new();
    pair.log_on();
    assert_eq!((pair.client.app.logons, pair.gateway.app.logons), (1, 1));
    pair.trade("A", 100);
    let orders = &pair.gateway.app.received;
    assert_eq!(orders.len(), 100);
    assert_eq!((orders[0].0.as_str(), orders[0].1), ("A0", 1));
    assert_eq!((orders[99].0.as_str(), orders[99].1), ("A99", 100));
    assert_eq!(pair.client.app.received, pair.gateway.app.received);
    let uuid = pair.client.stand().2;
    assert!(
        uuid > 1_600_000_000_000_000,
        "microseconds since 1970: {uuid}"
    );
    assert_eq!(pair.client.stand(), (101, 101, uuid));
    assert_eq!(pair.gateway.stand(), (101, 101, uuid));
    let shown = pair.client.control.status(pair.client.session).unwrap();
    assert_eq!(shown.uuid, uuid);

    for gateway in [false, true] {
        let outcome = command(&mut pair, gateway, logout(b"end of the day"));
        assert_eq!(outcome, Outcome::Done);
        pair.until("the end of both", |pair| {
            pair.client.app.causes.len() == pair.gateway.app.causes.len()
                && pair.client.app.causes.len() == 1 + usize::from(gateway)
        });
        assert_eq!(pair.client.stand(), (101, 101, uuid));
        assert_eq!(pair.gateway.stand(), (101, 101, uuid));
        assert_eq!(command(&mut pair, gateway, Operation::Logon), Outcome::Done);
        pair.log_on();
    }
    let said = |cause: &Cause| match cause {
        Cause::PeerLogout(farewell) => farewell.text.to_string(),
        other => other.name().to_owned(),
    };
    let ends = |side: &Side| side.causes.iter().map(said).collect::<Vec<_>>();
    assert_eq!(
        ends(&pair.client.app),
        ["LogoutConfirmed", "end of the day"]
    );
    assert_eq!(
        ends(&pair.gateway.app),
        ["end of the day", "LogoutConfirmed"]
    );
    pair.trade("B", 5);
    assert_eq!(pair.client.stand(), (106, 106, uuid));
    assert_eq!(pair.gateway.app.received[100], ("B0".to_owned(), 101));
    assert_eq!(pair.client.app.retransmitted, []);
}

#[test]
fn either_side_goes_on_from_its_journal_when_its_engine_is_gone() {
    let mut pair = Pair::with_files();
    pair.log_on();
    pair.trade("A", 10);
    let uuid = pair.client.stand().2;
    for (nth, name) in ["B", "C", "D", "E"].into_iter().enumerate() {
        if nth % 2 == 0 {
            pair.replace_client();
        } else {
            pair.replace_gateway();
        }
        pair.log_on();
        let expected = 11 + 5 * nth as u64;
        assert_eq!(pair.client.stand(), (expected, expected, uuid));
        assert_eq!(pair.gateway.stand(), (expected, expected, uuid));
        pair.trade(name, 5);
    }
}

#[test]
fn what_a_gateway_says_while_its_client_is_away_is_fetched() {
    let mut pair = Pair::with_files();
    pair.log_on();
    pair.trade("A", 3);
    let uuid = pair.client.stand().2;
    let outcome = command(&mut pair, false, logout(b"lunch"));
    assert_eq!(outcome, Outcome::Done);
    pair.until("the end of both", |pair| pair.gateway.app.causes.len() == 1);
    let now = pair.clock.now();
    let session = pair.gateway.session;
    for seq in 4..=6 {
        let sent = pair
            .gateway
            .engine
            .outbound(now)
            .send_sbe(session, 512, |room| orders::report(room, "late"));
        assert_eq!(sent, Ok(Sent::Numbered(seq)));
    }
    // A client does not send orders that nobody expects any more.
    let refused = pair.client.order(now, "X");
    assert_eq!(refused, Err(Refusal::NotLoggedOn));
    // What is missing survives in the journal.
    pair.replace_gateway();
    assert_eq!(pair.gateway.stand(), (7, 4, uuid));
    assert_eq!(command(&mut pair, false, Operation::Logon), Outcome::Done);
    pair.until("what is missing", |pair| {
        pair.client.app.received.len() == 6
    });
    assert_eq!(
        pair.client.app.retransmitted,
        [(uuid, 4), (uuid, 5), (uuid, 6)]
    );
    pair.trade("B", 2);
    assert_eq!(pair.client.stand(), (6, 9, uuid));
}

#[test]
fn what_cannot_be_fetched_is_told_and_the_session_goes_on() {
    let mut pair = Pair::new();
    pair.log_on();
    pair.trade("A", 2);
    let outcome = command(&mut pair, false, logout(b"lunch"));
    assert_eq!(outcome, Outcome::Done);
    pair.until("the end of both", |pair| pair.gateway.app.causes.len() == 1);
    let now = pair.clock.now();
    let session = pair.gateway.session;
    let mut out = pair.gateway.engine.outbound(now);
    for _ in 3..=4 {
        out.send_sbe(session, 512, |room| orders::report(room, "lost"))
            .unwrap();
    }
    // RetransmitReject(510) code 1: the UUID is not known.
    out.script(session, On::RetransmitRequest, Answer::Reject(1))
        .unwrap();
    assert_eq!(command(&mut pair, false, Operation::Logon), Outcome::Done);
    pair.until("Missed", |pair| !pair.client.app.events.is_empty());
    assert_eq!(pair.client.app.events, ["Missed 3-4"]);
    assert_eq!(pair.client.app.retransmitted, []);
    pair.trade("B", 2);
}

#[test]
fn a_new_uuid_starts_both_series_at_one_and_what_was_missed_under_the_old_one_is_fetched() {
    let mut pair = Pair::with_files();
    pair.log_on();
    pair.trade("A", 3);
    let old = pair.client.stand().2;
    assert_eq!(
        command(&mut pair, false, Operation::ResetNumbers),
        Outcome::Refused("the session has a connection: log it out, or reset in session")
    );
    assert_eq!(command(&mut pair, false, logout(b"")), Outcome::Done);
    pair.until("the end of both", |pair| pair.gateway.app.causes.len() == 1);
    let now = pair.clock.now();
    let session = pair.gateway.session;
    pair.gateway
        .engine
        .outbound(now)
        .send_sbe(session, 512, |room| orders::report(room, "missed"))
        .unwrap();
    assert_eq!(
        command(&mut pair, true, Operation::ResetNumbers),
        Outcome::Refused("a new UUID is for the client to choose")
    );
    assert_eq!(
        command(&mut pair, false, Operation::ResetNumbers),
        Outcome::Done
    );
    assert_eq!(command(&mut pair, false, Operation::Logon), Outcome::Done);
    pair.until("what was missed", |pair| {
        pair.client.app.received.len() == 4
    });
    assert_eq!(pair.client.app.retransmitted, [(old, 4)]);
    let new = pair.client.stand().2;
    assert!(new > old);
    pair.trade("B", 2);
    assert_eq!(pair.client.stand(), (3, 3, new));
    assert_eq!(pair.gateway.stand(), (3, 3, new));
    // The progress on the old series is known to a client that is started again.
    pair.replace_client();
    pair.log_on();
    pair.trade("C", 1);
    assert_eq!(pair.client.app.retransmitted, []);
    assert_eq!(pair.client.stand(), (4, 4, new));
}

#[test]
fn messages_that_were_not_applied_are_told_and_a_business_reject_comes_back() {
    let mut pair = Pair::new();
    pair.log_on();
    pair.trade("A", 2);
    assert_eq!(
        command(&mut pair, false, Operation::SetNextOut(10)),
        Outcome::Done
    );
    let now = pair.clock.now();
    pair.client.order(now, "GAP").unwrap();
    pair.until("NotApplied", |pair| !pair.client.app.events.is_empty());
    assert_eq!(pair.client.app.events, ["NotApplied 3-10"]);
    pair.gateway.app.rejects = true;
    let now = pair.clock.now();
    pair.client.order(now, "BAD").unwrap();
    pair.until("the reject", |pair| pair.client.app.events.len() == 2);
    assert_eq!(pair.client.app.events[1], "Other(521)");
    assert_eq!(pair.gateway.app.received.last().unwrap().0, "BAD");
}

#[test]
fn operations_without_a_meaning_are_refused_with_a_reason() {
    let mut pair = Pair::new();
    pair.log_on();
    for (operation, reason) in [
        (Operation::ResetInSession, "reset in session"),
        (Operation::TestRequest, "TestRequest(1)"),
        (Operation::SequenceReset(9), "SequenceReset(4)"),
        (Operation::ResendRequest { begin: 1, end: 0 }, "by itself"),
    ] {
        match command(&mut pair, false, operation) {
            Outcome::Refused(why) => {
                assert!(why.contains("FIXP") && why.contains(reason), "{why}");
            }
            other => panic!("{operation:?}: {other:?}"),
        }
    }
    let now = pair.clock.now();
    let mut out = pair.client.engine.outbound(now);
    let sent = out.send(pair.client.session, msg_type::NEW_ORDER_SINGLE, |order| {
        order.str(tag::CL_ORD_ID, "X");
    });
    assert_eq!(sent, Err(Refusal::OtherProtocol));
    // What has one, and leaves the session as it was.
    assert_eq!(
        command(&mut pair, true, Operation::RotateJournal),
        Outcome::Done
    );
    let hold = Operation::Hold(pinfix::admin::HoldOrder::default());
    assert_eq!(command(&mut pair, true, hold), Outcome::Done);
    assert_eq!(command(&mut pair, true, Operation::Release), Outcome::Done);
    pair.trade("A", 1);
}

#[test]
fn a_held_gateway_refuses_its_client_until_it_is_released() {
    let mut pair = Pair::with(|config| config.settings.client.failed_logons_max = 10);
    pair.log_on();
    assert_eq!(command(&mut pair, true, logout(b"held")), Outcome::Done);
    pair.until("a refusal", |pair| {
        pair.client
            .app
            .events
            .iter()
            .any(|event| event == "LogonFailed Refused")
    });
    assert_eq!(command(&mut pair, true, Operation::Release), Outcome::Done);
    assert_eq!(command(&mut pair, false, Operation::Logon), Outcome::Done);
    pair.trade("A", 1);
}

#[test]
fn a_disconnect_is_a_lost_connection_to_the_other_side() {
    let mut pair = Pair::new();
    pair.log_on();
    assert_eq!(
        command(&mut pair, true, Operation::Disconnect),
        Outcome::Done
    );
    pair.until("the end", |pair| pair.client.app.causes.len() == 1);
    assert_eq!(pair.client.app.causes, [Cause::ConnectionLost]);
    assert_eq!(pair.gateway.app.causes, [Cause::Disconnected]);
    pair.log_on();
    pair.trade("A", 1);
}

#[test]
fn strangers_are_refused_and_their_connections_closed() {
    let mut pair = Pair::new();
    pair.log_on();
    let address = pair.address();
    let mut negotiate = [0; 90];
    for (place, word) in negotiate.chunks_mut(2).zip([90_u16, 0xCAFE, 76, 500, 8, 9]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    negotiate[12..44].fill(1);
    negotiate[44..48].copy_from_slice(b"KEY9");
    negotiate[64] = 1;
    negotiate[80..88].copy_from_slice(b"ABC007\0\0");
    let sequence: Vec<u8> = [26_u16, 0xCAFE, 14, 506, 8, 9, 0, 0, 0, 0, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    for (what, bytes, answer, fault) in [
        (
            "an unknown key",
            &negotiate[..],
            Some(502),
            "UnknownIdentity",
        ),
        ("no logon", &sequence[..], Some(507), "FirstMessageNotLogon"),
        ("FIX", &b"8=FIX.4.4\x019=5\x01"[..], None, "GarbledLogon"),
        (
            "the header of a proxy that is not expected",
            &b"PROXY TCP4 10.0.0.9 10.0.0.1 40000 5001\r\n"[..],
            None,
            "ProxyHeader",
        ),
    ] {
        pair.gateway.app.events.clear();
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(bytes).unwrap();
        pair.until(what, |pair| !pair.gateway.app.events.is_empty());
        assert_eq!(
            pair.gateway.app.events,
            [format!("TurnedAway {fault}")],
            "{what}"
        );
        let mut said = [0; 256];
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let got = peer.read(&mut said).unwrap_or(0);
        let template = (got > 0).then(|| u16::from_le_bytes([said[6], said[7]]));
        assert_eq!(template, answer, "{what}");
        if got > 0 {
            assert_eq!(peer.read(&mut said).unwrap(), 0, "{what}: closed");
        }
    }
    pair.trade("A", 1);
}

#[test]
fn a_signature_of_another_secret_is_refused() {
    let mut pair = Pair::with(|config| {
        if config.settings.role == pinfix::session::fix::Role::Acceptor {
            let other = "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
            config.settings.credentials = pinfix::session::Credentials::new("KEY1", other).unwrap();
        }
    });
    pair.until("a client that waits for an operator", |pair| {
        pair.client.app.events.len() == 3
    });
    assert_eq!(pair.client.app.events, ["LogonFailed Refused"; 3]);
    assert_eq!(pair.client.app.logons, 0);
    assert_eq!(pair.client.stand(), (1, 1, 0));
}

#[test]
fn refusals_are_counted_as_those_of_fix_are() {
    let mut pair = Pair::with(|config| {
        config.settings.client.failed_logons_max = 10;
        config.connect.refusals_max = Some(2);
        if config.settings.role == pinfix::session::fix::Role::Acceptor {
            let other = "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
            config.settings.credentials = pinfix::session::Credentials::new("KEY1", other).unwrap();
        }
    });
    pair.until("two refusals", |pair| pair.client.app.events.len() == 2);
    let awaits = |pair: &Pair| {
        let page = pair.client.engine.status_reader();
        page.session(0).unwrap().unwrap().status.awaits_operator
    };
    pair.until("a client that waits for an operator", awaits);
    let start = std::time::Instant::now();
    pair.until("some time", |_| start.elapsed() > PATIENCE / 20);
    assert_eq!(pair.client.app.events, ["LogonFailed Refused"; 2]);
    // The operator's wish makes two more.
    let _ = command(&mut pair, false, Operation::Logon);
    pair.until("two more", |pair| pair.client.app.events.len() == 4);
}

#[test]
fn fix_and_fixp_run_on_one_core() {
    let mut clock = pinfix::engine::Clock::new();
    let now = clock.now();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let fix = engine.listen(any, None).unwrap();
    let fixp = engine.listen_as(Listen::fixp(any)).unwrap();
    let mut app = Side {
        answers: true,
        ..Side::default()
    };
    let acceptor = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
    let (_, _) = engine.add_session(acceptor, now).unwrap();
    let gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
    let (_, _) = engine.add_session(gateway, now).unwrap();
    let initiator = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", fix);
    let (initiator, _) = engine.add_session(initiator, now).unwrap();
    let client = FixpSessionConfig::client("ABC", "007", credentials(), fixp);
    let (client, _) = engine.add_session(client, now).unwrap();
    let mut sent = 0;
    let start = clock.now();
    while app.received.len() < 200 || app.fix < 100 {
        let now = clock.now();
        engine.poll(now, &mut app);
        if app.logons == 4 && sent < 100 {
            sent += 1;
            let mut out = engine.outbound(now);
            out.send_sbe(client, 512, |room| orders::order(room, &format!("F{sent}")))
                .unwrap();
            out.send(initiator, msg_type::NEW_ORDER_SINGLE, |order| {
                order.uint(tag::CL_ORD_ID, sent).str(tag::SYMBOL, "ESZ6");
            })
            .unwrap();
        }
        assert!(now.mono.since(start.mono) < Duration::from_secs(20));
    }
    // Each order, and each report.
    assert_eq!((app.received.len(), app.fix), (200, 100));
    assert_eq!(engine.next_numbers(client), Some((101, 101)));
    assert_eq!(engine.next_numbers(initiator), Some((102, 2)));
    assert_eq!(engine.tally(client), None);
    assert_eq!(engine.fixp_tally(client).unwrap().application_in, 100);
}

#[test]
fn a_port_speaks_one_protocol() {
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let template = Template::new(vec![&FIX44], SessionConfig::acceptor(&FIX44, "V", "any"));
    let error = engine
        .listen_as(Listen::fixp(any).template(template))
        .unwrap_err()
        .to_string();
    assert!(error.contains("listen.templates"), "{error}");
    // A session that is bound to a port of the other protocol can never be reached.
    let now = pinfix::engine::Clock::new().now();
    let fix = engine.listen(any, None).unwrap();
    let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
    gateway.accept.port = Some(fix.port());
    let error = engine.add_session(gateway, now).unwrap_err().to_string();
    assert!(
        error.contains("accept.port") && error.contains("FIXP:EXCHANGE->ABC-007"),
        "{error}"
    );
    let fixp = engine.listen_as(Listen::fixp(any)).unwrap();
    let mut acceptor = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
    acceptor.accept.port = Some(fixp.port());
    let error = engine.add_session(acceptor, now).unwrap_err().to_string();
    assert!(error.contains("accept.port"), "{error}");
    // Nor one that a controller adds while the engine runs.
    let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
    gateway.accept.port = Some(fix.port());
    let error = engine
        .controller()
        .add_session(gateway, PATIENCE)
        .unwrap_err()
        .to_string();
    assert!(error.contains("accept.port"), "{error}");
    assert_eq!(Protocol::default(), Protocol::Fix);
}

#[test]
fn an_operator_opens_a_port_that_invalid_logons_have_closed() {
    let mut pair = Pair::with(|config| {
        let other = "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        match config.settings.role {
            Role::Acceptor => {
                config.settings.gateway.invalid_logons_max = 2;
                config.settings.credentials = Credentials::new("KEY1", other).unwrap();
            }
            Role::Initiator => config.settings.client.failed_logons_max = 10,
        }
    });
    let count = |pair: &Pair, fault: Fault| {
        let tally = pair.gateway.engine.fixp_tally(pair.gateway.session);
        tally.unwrap().faults_by_kind.as_slice()[fault.number()]
    };
    pair.until("a closed port", |pair| count(pair, Fault::PortClosed) > 0);
    assert_eq!(count(&pair, Fault::NotAuthenticated), 2);
    // The client waits for an operator, too: Terminate 8 says so.
    for gateway in [true, false] {
        let hold = Operation::Hold(pinfix::admin::HoldOrder::default());
        assert_eq!(command(&mut pair, gateway, hold), Outcome::Done);
    }
    for gateway in [true, false] {
        let released = command(&mut pair, gateway, Operation::Release);
        assert_eq!(released, Outcome::Done);
    }
    pair.until("a logon that is heard again", |pair| {
        count(pair, Fault::NotAuthenticated) > 2
    });
}

#[test]
fn a_second_connection_of_a_live_session_is_told_so_and_a_stranger_is_not() {
    let mut pair = Pair::new();
    pair.log_on();
    let address = pair.address();
    let other = "_wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for (what, credentials, causes) in [
        ("the client", credentials(), ["Terminated 6"]),
        (
            "a stranger",
            Credentials::new("KEY1", other).unwrap(),
            ["Refused 0"],
        ),
    ] {
        let now = pair.clock.now();
        let config = FixpSessionConfig::client("ABC", "007", credentials, address);
        let mut second = pair::Station::client(config, now);
        let start = now;
        while second.app.failed.is_empty() {
            let now = pair.clock.now();
            pair.gateway.engine.poll(now, &mut pair.gateway.app);
            pair.client.engine.poll(now, &mut pair.client.app);
            second.engine.poll(now, &mut second.app);
            assert!(now.mono.since(start.mono) < PATIENCE, "{what}");
        }
        assert_eq!(second.app.failed, causes, "{what}");
    }
    assert_eq!(
        pair.gateway.app.events,
        ["TurnedAway AlreadyConnected", "TurnedAway AlreadyConnected"]
    );
    pair.trade("A", 1);
}

#[test]
fn a_session_may_be_added_and_removed_while_the_engine_runs() {
    let mut pair = Pair::new();
    pair.log_on();
    pair.trade("A", 1);
    assert_eq!(command(&mut pair, false, Operation::Remove), Outcome::Done);
    pair.until("the end", |pair| pair.gateway.app.causes.len() == 1);
    let now = pair.clock.now();
    let config = FixpSessionConfig::client("ABC", "007", credentials(), pair.address());
    let engine = &mut pair.client.engine;
    engine.outbound(now).add_session(config).unwrap();
    let start = pair.clock.now();
    while pair.client.app.logons < 2 {
        let now = pair.clock.now();
        pair.gateway.engine.poll(now, &mut pair.gateway.app);
        pair.client.engine.poll(now, &mut pair.client.app);
        assert!(now.mono.since(start.mono) < PATIENCE);
    }
}

//! Two engines over the loopback interface: logon, orders both ways in sequence, heartbeats, logout.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Idle, Inbound, Outbound, Run, SessionConfig,
    SessionHandle, Stopper,
};
use pinfix::journal::{Durability, Location};
use pinfix::session::fix::rules::{ALL, FIX44, Rules};
use pinfix::session::fix::{Sent, Verdict};
use pinfix::session::{Cause, Text};
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::{FieldIndex, FrameWriter, HeaderTemplate, msg_type, tag};

#[derive(Default)]
struct Side {
    logons: u32,
    causes: Vec<Cause>,
    received: Vec<String>,
    reply: bool,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let id = inbound.message.str(tag::CL_ORD_ID).unwrap();
        self.received.push(id.to_owned());
        if self.reply {
            let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                // The view is still alive: the answer is written from it.
                report
                    .str(tag::CL_ORD_ID, id)
                    .str(tag::ORDER_ID, "X")
                    .char(tag::EXEC_TYPE, b'0');
            });
            assert!(sent.is_ok());
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.causes.push(*cause);
    }
}

struct Pair {
    clock: Clock,
    venue: Engine,
    venue_app: Side,
    venue_session: SessionHandle,
    client: Engine,
    client_app: Side,
    client_session: SessionHandle,
}

impl Pair {
    fn new(rules: &'static Rules) -> Self {
        Self::with(rules, |_, config| config)
    }

    /// `dress` changes the configuration of the session called so.
    fn with(rules: &'static Rules, dress: impl Fn(&str, SessionConfig) -> SessionConfig) -> Self {
        let mut clock = Clock::new();
        let now = clock.now();
        let mut venue = Engine::new(EngineConfig::default()).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let address = venue.listen(any, None).unwrap();
        let config = dress("venue", SessionConfig::acceptor(rules, "VENUE", "CLIENT"));
        let (venue_session, _) = venue.add_session(config, now).unwrap();
        let mut client = Engine::new(EngineConfig::default()).unwrap();
        let config = dress(
            "client",
            SessionConfig::initiator(rules, "CLIENT", "VENUE", address),
        );
        let (client_session, _) = client.add_session(config, now).unwrap();
        let venue_app = Side {
            reply: true,
            ..Side::default()
        };
        let client_app = Side::default();
        Self {
            clock,
            venue,
            venue_app,
            venue_session,
            client,
            client_app,
            client_session,
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            let now = self.clock.now();
            self.venue.poll(now, &mut self.venue_app);
            self.client.poll(now, &mut self.client_app);
            assert!(
                now.mono.since(start.mono) < Duration::from_secs(20),
                "waited in vain for: {what}"
            );
        }
    }
}

#[test]
fn orders_are_answered_and_the_logout_is_clean_in_every_version() {
    for rules in ALL {
        let mut pair = Pair::new(rules);
        pair.until("logon", |pair| {
            pair.client_app.logons == 1 && pair.venue_app.logons == 1
        });
        for number in 0..100 {
            let now = pair.clock.now();
            let id = format!("A{number}");
            pair.client
                .outbound(now)
                .send(pair.client_session, msg_type::NEW_ORDER_SINGLE, |order| {
                    order
                        .str(tag::CL_ORD_ID, &id)
                        .str(tag::SYMBOL, "ESZ6")
                        .uint(tag::ORDER_QTY, 5);
                })
                .unwrap();
        }
        pair.until("reports", |pair| pair.client_app.received.len() == 100);
        let expected: Vec<_> = (0..100).map(|number| format!("A{number}")).collect();
        assert_eq!(pair.client_app.received, expected);
        assert_eq!(pair.venue_app.received, expected);
        assert_eq!(
            pair.client.next_numbers(pair.client_session),
            Some((102, 102))
        );

        let now = pair.clock.now();
        let reason = Text::new("end of day").unwrap();
        pair.client
            .outbound(now)
            .logout(pair.client_session, reason)
            .unwrap();
        pair.until("logout", |pair| {
            !pair.client_app.causes.is_empty() && !pair.venue_app.causes.is_empty()
        });
        assert_eq!(pair.client_app.causes, [Cause::LogoutConfirmed]);
        assert_eq!(pair.venue_app.causes, [Cause::PeerLogout(reason.into())]);
        assert_eq!(
            pair.client.next_numbers(pair.client_session),
            Some((103, 103))
        );
        assert_eq!(
            pair.venue.next_numbers(pair.venue_session),
            Some((103, 103))
        );
    }
}

#[test]
fn every_frame_goes_out_once_it_is_on_the_device() {
    let scratch = std::env::temp_dir().join(format!("pinfix-flush-each-{}", std::process::id()));
    let mut pair = Pair::with(&FIX44, |name, mut config| {
        config.journal.location = Location::Directory(scratch.join(name));
        config.journal.durability = Durability::FlushEach;
        config
    });
    pair.until("logon", |pair| {
        pair.client_app.logons == 1 && pair.venue_app.logons == 1
    });
    for number in 0..200 {
        let now = pair.clock.now();
        let id = number.to_string();
        let order = |order: &mut FrameWriter<'_>| _ = order.str(tag::CL_ORD_ID, &id);
        let mut outbound = pair.client.outbound(now);
        outbound
            .send(pair.client_session, msg_type::NEW_ORDER_SINGLE, order)
            .unwrap();
        pair.until(&format!("report {number}"), |pair| {
            pair.client_app.received.len() > number
        });
    }
    drop(pair);
    std::fs::remove_dir_all(&scratch).unwrap();
}

/// Sends what it gets on one session to the other.
struct Router {
    from: SessionHandle,
    to: SessionHandle,
}

impl Application for Router {
    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        assert_eq!(inbound.session, self.from);
        let id = inbound.message.str(tag::CL_ORD_ID).unwrap();
        let sent = out.send(self.to, inbound.message.msg_type(), |hedge| {
            hedge.str(tag::CL_ORD_ID, id);
        });
        assert_eq!(sent, Ok(Sent::Now(2)));
        assert_eq!(
            inbound.message.str(tag::CL_ORD_ID),
            Ok(id),
            "the view is still alive"
        );
        Verdict::Accept
    }
}

#[test]
fn a_message_on_one_session_is_answered_on_another_while_it_is_borrowed() {
    let mut clock = Clock::new();
    let now = clock.now();
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let mut clients = Engine::new(EngineConfig::default()).unwrap();
    let mut pair = |name| {
        let here = SessionConfig::acceptor(&FIX44, "VENUE", name);
        let there = SessionConfig::initiator(&FIX44, name, "VENUE", address);
        let (here, _) = venue.add_session(here, now).unwrap();
        (here, clients.add_session(there, now).unwrap().0)
    };
    let ((from, sender), (to, _)) = (pair("SENDER"), pair("HEDGE"));
    let mut router = Router { from, to };
    let mut side = Side::default();
    let mut sent = false;
    while side.received.is_empty() {
        let now = clock.now();
        venue.poll(now, &mut router);
        clients.poll(now, &mut side);
        let both = [from, to]
            .iter()
            .all(|session| venue.outbound(now).is_logged_on(*session));
        if both && side.logons == 2 && !sent {
            let order = |order: &mut FrameWriter<'_>| _ = order.str(tag::CL_ORD_ID, "H1");
            clients
                .outbound(now)
                .send(sender, msg_type::NEW_ORDER_SINGLE, order)
                .unwrap();
            sent = true;
        }
    }
    assert_eq!(side.received, ["H1"]);
}

#[test]
fn a_loop_that_slept_stamps_with_the_time_it_woke_at() {
    let (told, listening) = std::sync::mpsc::channel();
    let stop = Stopper::default();
    let stopper = stop.clone();
    let venue = std::thread::spawn(move || {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let address = engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        engine.add_session(config, Clock::new().now()).unwrap();
        told.send(address).unwrap();
        let run = Run {
            core: None,
            idle: Idle::Block(Duration::from_secs(5)),
        };
        engine.run(&mut Side::default(), run, &stopper).unwrap();
    });
    let mut socket = TcpStream::connect(listening.recv().unwrap()).unwrap();
    let mut room = [0; 512];
    // The venue sleeps in the readiness call by now.
    std::thread::sleep(Duration::from_millis(700));
    let header = HeaderTemplate::new(b"FIX.4.4", b"CLIENT", b"VENUE", &[]).unwrap();
    let sent_at = Clock::new().now().utc;
    let time = sent_at.to_fix(TimestampPrecision::Millis);
    let mut logon = FrameWriter::begin(&mut room, &header, msg_type::LOGON, 1, &time);
    logon
        .uint(tag::ENCRYPT_METHOD, 0)
        .uint(tag::HEART_BT_INT, 30);
    let frame = logon.finish().unwrap();
    socket.write_all(&room[frame]).unwrap();
    let len = socket.read(&mut room).unwrap();
    let mut index = FieldIndex::default();
    let answer = index.read(&room[..len]).unwrap();
    let stamped = answer.utc(tag::SENDING_TIME).unwrap();
    // Both are cut to milliseconds.
    assert!(stamped + Duration::from_millis(1) >= sent_at, "{answer:?}");
    drop(socket);
    stop.stop();
    venue.join().unwrap();
}

//! What the engine adds to a round trip over loopback: two engines beside two raw sockets, both in
//! lock-step on one thread.
//!
//! An order goes there and a report comes back. In lock-step the two ends take turns, so nothing is
//! measured but the work of the ends and of the kernel: no waiting, no second core. The same bytes,
//! sent by `write` and `read` alone, are the floor; the ratio is printed.
//!
//! With one connection an engine receives directly; with four, of which three are idle, it asks for
//! readiness first.
//!
//! `cargo bench --bench roundtrip`; with `-- --test` only a few trips are made.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::journal::{JournalConfig, Retention};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::{msg_type, tag};

/// Bytes of the messages below on the wire, about.
const ORDER_BYTES: usize = 176;
const REPORT_BYTES: usize = 150;

const TRIPS: usize = 50_000;
const TRIPS_IN_A_TEST: usize = 50;

struct Side {
    answers: bool,
    logons: usize,
    received: u64,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        if self.answers {
            let order = &inbound.message;
            out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                report
                    .str(tag::ORDER_ID, "V1")
                    .bytes(tag::CL_ORD_ID, order.get(tag::CL_ORD_ID).unwrap_or(b"?"))
                    .str(tag::EXEC_ID, "E1")
                    .char(tag::EXEC_TYPE, b'0')
                    .char(tag::ORD_STATUS, b'0')
                    .bytes(tag::SYMBOL, order.get(tag::SYMBOL).unwrap_or(b"?"))
                    .char(tag::SIDE, b'1')
                    .uint(tag::LEAVES_QTY, 5)
                    .uint(tag::CUM_QTY, 0);
            })
            .unwrap();
        }
        Verdict::Accept
    }
}

/// Nanoseconds of each trip, and the cycles one took at most.
struct Trips {
    ns: Vec<u64>,
    cycles_max: u64,
}

fn engines(sessions: usize, trips: usize) -> Trips {
    let mut clock = Clock::new();
    let journal = JournalConfig {
        first_segment_bytes: 16 << 20,
        max_segment_bytes: 64 << 20,
        retention: Retention {
            bytes: Some(256 << 20),
            age: None,
        },
        ..JournalConfig::default()
    };
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let mut client = Engine::new(EngineConfig::default()).unwrap();
    let mut handles = Vec::new();
    for number in 0..sessions {
        let name = format!("CLIENT{number}");
        let mut theirs = SessionConfig::acceptor(&FIX44, "VENUE", &name);
        let mut ours = SessionConfig::initiator(&FIX44, &name, "VENUE", address);
        if number == 0 {
            theirs.journal = journal.clone();
            ours.journal = journal.clone();
        }
        venue.add_session(theirs, clock.now()).unwrap();
        handles.push(client.add_session(ours, clock.now()).unwrap().0);
    }
    let session = handles[0];
    let side = |answers| Side {
        answers,
        logons: 0,
        received: 0,
    };
    let (mut client_app, mut venue_app) = (side(false), side(true));
    while client_app.logons < sessions || venue_app.logons < sessions {
        client.poll(clock.now(), &mut client_app);
        venue.poll(clock.now(), &mut venue_app);
    }
    let mut done = Trips {
        ns: Vec::with_capacity(trips),
        cycles_max: 0,
    };
    for trip in 0..trips as u64 {
        let start = clock.ticker().now();
        let now = clock.now();
        client
            .outbound(now)
            .send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                order
                    .str(tag::CL_ORD_ID, "ORDER-000001")
                    .str(tag::ACCOUNT, "ACC-1")
                    .char(tag::HANDL_INST, b'1')
                    .str(tag::SYMBOL, "ESZ6")
                    .char(tag::SIDE, b'1')
                    .utc(tag::TRANSACT_TIME, now.utc, TimestampPrecision::Millis)
                    .uint(tag::ORDER_QTY, 5)
                    .char(tag::ORD_TYPE, b'2')
                    .str(tag::PRICE, "4500.25");
            })
            .unwrap();
        let mut cycles = 0;
        while client_app.received <= trip {
            venue.poll(clock.now(), &mut venue_app);
            client.poll(clock.now(), &mut client_app);
            cycles += 1;
        }
        done.ns.push(clock.ticker().now() - start);
        done.cycles_max = done.cycles_max.max(cycles);
    }
    done
}

fn raw(trips: usize) -> Trips {
    let clock = Clock::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut venue, _) = listener.accept().unwrap();
    for stream in [&client, &venue] {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    let mut done = Trips {
        ns: Vec::with_capacity(trips),
        cycles_max: 0,
    };
    let (order, report) = ([b'o'; ORDER_BYTES], [b'r'; REPORT_BYTES]);
    for _ in 0..trips {
        let start = clock.ticker().now();
        client.write_all(&order).unwrap();
        take(&mut venue, ORDER_BYTES);
        venue.write_all(&report).unwrap();
        take(&mut client, REPORT_BYTES);
        done.ns.push(clock.ticker().now() - start);
        done.cycles_max = 1;
    }
    done
}

fn take(stream: &mut TcpStream, len: usize) {
    let mut room = [0; 1024];
    let mut taken = 0;
    while taken < len {
        match stream.read(&mut room) {
            Ok(0) => panic!("the other end closed"),
            Ok(some) => taken += some,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let trips = if test { TRIPS_IN_A_TEST } else { TRIPS };
    let start = Instant::now();
    let kinds: [(&str, &dyn Fn() -> Trips); 3] = [
        ("raw sockets", &|| raw(trips)),
        ("engines, receiving directly", &|| engines(1, trips)),
        ("engines, asking readiness", &|| engines(4, trips)),
    ];
    // In turn and several times, so that a slow moment of the machine meets all of them.
    let rounds = if test { 1 } else { 5 };
    let mut best: [Option<Trips>; 3] = [None, None, None];
    let median = |trips: &Trips| trips.ns[trips.ns.len() / 2];
    for _ in 0..rounds {
        for ((_, measure), best) in kinds.iter().zip(&mut best) {
            let mut trips = measure();
            trips.ns.sort_unstable();
            if best
                .as_ref()
                .is_none_or(|best| median(&trips) < median(best))
            {
                *best = Some(trips);
            }
        }
    }
    println!("round trips in lock-step on one thread, best of {rounds} rounds of {trips}, in ns");
    println!(
        "{:<30}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "", "min", "p50", "p99", "ratio", "cycles"
    );
    let floor = median(best[0].as_ref().unwrap());
    for ((name, _), trips) in kinds.iter().zip(&best) {
        let trips = trips.as_ref().unwrap();
        println!(
            "{name:<30}{:>8}{:>8}{:>8}{:>8.2}{:>8}",
            trips.ns[0],
            median(trips),
            trips.ns[trips.ns.len() * 99 / 100],
            median(trips) as f64 / floor as f64,
            trips.cycles_max
        );
    }
    println!("took {:.1} s", start.elapsed().as_secs_f64());
}

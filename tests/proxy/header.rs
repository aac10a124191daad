//! An acceptor behind a proxy that says who the client is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, Inbound, Listen, Outbound, ProxyHeader,
    SessionConfig, SessionHandle, Strangers,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Fault, HeaderFault};
use pinfix::time::TimestampPrecision;

use crate::through::frame;

#[derive(Default)]
struct Side {
    logons: usize,
    turned_away: Vec<(SocketAddr, Fault)>,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        Verdict::Accept
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::TurnedAway { peer, fault } = event {
            self.turned_away.push((*peer, *fault));
        }
    }
}

struct Venue {
    clock: Clock,
    engine: Engine,
    app: Side,
    address: SocketAddr,
}

impl Venue {
    /// A venue with sessions whose peers may come from one network only.
    fn new(header: ProxyHeader, strangers: Strangers, allow: &str, peers: &[&str]) -> Self {
        let mut clock = Clock::new();
        let config = EngineConfig {
            strangers,
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(config).unwrap();
        let listen = Listen::on(([127, 0, 0, 1], 0).into()).behind_proxy(header);
        let address = engine.listen_as(listen).unwrap();
        for peer in peers {
            let mut session = SessionConfig::acceptor(&FIX44, "VENUE", peer);
            session.accept.allow = vec![allow.parse().unwrap()];
            engine.add_session(session, clock.now()).unwrap();
        }
        Self {
            clock,
            engine,
            app: Side::default(),
            address,
        }
    }

    fn of(allow: &str) -> Self {
        Self::new(
            ProxyHeader::default(),
            Strangers::default(),
            allow,
            &["CLIENT"],
        )
    }

    fn until(&mut self, what: &str, done: impl Fn(&Side) -> bool) {
        let start = Instant::now();
        while !done(&self.app) {
            self.engine.poll(self.clock.now(), &mut self.app);
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "waited in vain for: {what} {:?}",
                self.app.turned_away
            );
        }
    }

    fn for_a_while(&mut self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            self.engine.poll(self.clock.now(), &mut self.app);
        }
    }

    /// Connects and sends these pieces, each on its own.
    fn send(&mut self, pieces: &[&[u8]]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            // One that was turned away is told by what the test waits for.
            let _ = stream.write_all(piece);
            self.for_a_while();
        }
        stream
    }

    fn counted(&self, name: &str) -> u64 {
        let page = self.engine.status_reader();
        let counts = page.stranger_faults().find(|(fault, _)| *fault == name);
        counts.unwrap().1
    }
}

fn logon(peer: &str) -> Vec<u8> {
    let now = Clock::new().now().utc.to_fix(TimestampPrecision::Millis);
    frame(&format!(
        "35=A|34=1|49={peer}|56=VENUE|52={now}|98=0|108=30|141=Y|"
    ))
}

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 40000 5001\r\n").into_bytes()
}

/// Version 2, with bytes of no interest behind the addresses.
fn binary(client: [u8; 4], skipped: usize) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    bytes.extend_from_slice(&u16::try_from(12 + skipped).unwrap().to_be_bytes());
    bytes.extend_from_slice(&client);
    bytes.extend_from_slice(&[127, 0, 0, 1, 0x9c, 0x40, 0x13, 0x89]);
    bytes.resize(bytes.len() + skipped, 0xee);
    bytes
}

const CLIENT: &str = "203.0.113.9";
const NETWORK: &str = "203.0.113.0/24";

#[test]
fn the_client_of_the_header_is_let_in_and_another_is_not() {
    let elsewhere = [198, 51, 100, 7];
    for (good, bad) in [
        (line(CLIENT), line("198.51.100.7")),
        (binary([203, 0, 113, 9], 0), binary(elsewhere, 0)),
        (binary([203, 0, 113, 9], 3000), binary(elsewhere, 3000)),
    ] {
        let mut venue = Venue::of(NETWORK);
        let whole = [bad, logon("CLIENT")].concat();
        let _bad = venue.send(&[&whole]);
        venue.until("the other", |app| app.turned_away.len() == 1);
        let peer = SocketAddr::from((elsewhere, 40_000));
        assert_eq!(venue.app.turned_away, [(peer, Fault::SourceNotAllowed)]);
        // All in one segment, and cut within the header and within the Logon.
        let whole = [good, logon("CLIENT")].concat();
        let mut one = venue.send(&[&whole]);
        venue.until("a logon", |app| app.logons == 1);
        let mut answer = [0; 20];
        one.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"8=FIX.4.4\x01"));
        drop(one);
        let mut venue = Venue::of(NETWORK);
        let (first, rest) = whole.split_at(11);
        let (second, rest) = rest.split_at(rest.len() - 50);
        let _two = venue.send(&[first, second, rest]);
        venue.until("a logon", |app| app.logons == 1);
        assert_eq!(venue.app.turned_away, []);
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_or_does_not_know_keeps_its_own_address() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    let unspec = b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\0";
    for header in [&b"PROXY UNKNOWN\r\n"[..], local, unspec] {
        let mut venue = Venue::of("127.0.0.0/8");
        let whole = [header, &logon("CLIENT")].concat();
        let _stream = venue.send(&[&whole]);
        venue.until("a logon", |app| app.logons == 1);
        let mut venue = Venue::of(NETWORK);
        let _stream = venue.send(&[&whole]);
        venue.until("a refusal", |app| !app.turned_away.is_empty());
        let (peer, fault) = venue.app.turned_away[0];
        assert!(peer.ip().is_loopback());
        assert_eq!(fault, Fault::SourceNotAllowed);
    }
}

#[test]
fn what_is_no_header_is_closed_counted_and_told() {
    let fault = |why| Fault::ProxyHeader { why };
    let plain = logon("CLIENT");
    let twice = [line(CLIENT), line(CLIENT)].concat();
    for (bytes, why) in [
        (&plain[..], HeaderFault::Missing),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", HeaderFault::Malformed),
        (&[b'P'; 200], HeaderFault::Missing),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11", HeaderFault::Version),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            HeaderFault::TooLong,
        ),
        (&twice, HeaderFault::NotExpected),
    ] {
        let mut venue = Venue::of(NETWORK);
        let mut stream = venue.send(&[bytes]);
        venue.until("a refusal", |app| !app.turned_away.is_empty());
        assert_eq!(venue.app.turned_away[0].1, fault(why));
        assert_eq!(venue.counted("ProxyHeader"), 1);
        // Without a byte.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, []);
    }
    let mut venue = Venue::of(NETWORK);
    drop(venue.send(&[b"PROXY TCP4 1.2."]));
    venue.until("a refusal", |app| !app.turned_away.is_empty());
    assert_eq!(venue.app.turned_away[0].1, fault(HeaderFault::Incomplete));
    // Somebody looks whether the port is there: that is nothing to tell.
    let mut venue = Venue::of(NETWORK);
    drop(venue.send(&[]));
    venue.for_a_while();
    assert_eq!(venue.app.turned_away, []);
}

#[test]
fn a_header_has_the_time_of_a_logon() {
    let patience = Duration::from_millis(50);
    let strangers = Strangers {
        patience,
        ..Strangers::default()
    };
    for (bytes, expected) in [
        (&b""[..], Some(HeaderFault::Timeout)),
        (b"PROXY TCP4", Some(HeaderFault::Timeout)),
        (b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n", None),
    ] {
        let mut venue = Venue::new(
            ProxyHeader::default(),
            strangers.clone(),
            NETWORK,
            &["CLIENT"],
        );
        let _stream = venue.send(&[bytes]);
        venue.until("the end of patience", |app| !app.turned_away.is_empty());
        let expected = expected.map_or(Fault::LogonTimeout, |why| Fault::ProxyHeader { why });
        let (peer, fault) = venue.app.turned_away[0];
        assert_eq!(fault, expected);
        let introduced = expected == Fault::LogonTimeout;
        assert_eq!(peer.ip().to_string() == CLIENT, introduced);
    }
}

#[test]
fn headers_of_others_than_the_proxy_are_not_read() {
    let header = ProxyHeader {
        from: vec!["127.0.0.2".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
    };
    let mut venue = Venue::new(header, Strangers::default(), NETWORK, &["CLIENT"]);
    let whole = [line(CLIENT), logon("CLIENT")].concat();
    let _stream = venue.send(&[&whole]);
    venue.until("a refusal", |app| !app.turned_away.is_empty());
    let (peer, fault) = venue.app.turned_away[0];
    let why = HeaderFault::NotTrusted;
    assert_eq!(fault, Fault::ProxyHeader { why });
    assert!(peer.ip().is_loopback(), "its own address, not what it says");
    assert_eq!(venue.app.logons, 0);
}

/// Behind a load balancer all come from one address: what counts is who they are.
#[test]
fn limits_count_clients_and_not_the_proxy() {
    let strangers = Strangers {
        per_source_max: 2,
        logons_per_source_and_minute: Some(1),
        ..Strangers::default()
    };
    let peers = ["A", "B", "C"];
    let mut venue = Venue::new(ProxyHeader::default(), strangers, NETWORK, &peers);
    let mut streams = Vec::new();
    for (last, peer) in peers.iter().enumerate() {
        let header = line(&format!("203.0.113.{last}"));
        let whole = [header, logon(peer)].concat();
        streams.push(venue.send(&[&whole]));
    }
    venue.until("three logons", |app| app.logons == 3);
    let again = [line("203.0.113.0"), logon("A")].concat();
    streams.push(venue.send(&[&again]));
    venue.until("a refusal", |app| app.turned_away.len() == 1);
    assert_eq!(venue.app.turned_away[0].1, Fault::TooManyLogons);
    // Four of one proxy wait, which is no crowd; the third of one client is.
    for client in ["203.0.113.8", "203.0.113.8", "203.0.113.7", "203.0.113.7"] {
        streams.push(venue.send(&[&line(client)]));
    }
    assert_eq!(venue.app.turned_away.len(), 1);
    streams.push(venue.send(&[&line("203.0.113.8")]));
    venue.until("a refusal", |app| app.turned_away.len() == 2);
    let (peer, fault) = venue.app.turned_away[1];
    assert_eq!(
        (peer.ip().to_string(), fault),
        ("203.0.113.8".to_owned(), Fault::TooManyStrangers)
    );
}

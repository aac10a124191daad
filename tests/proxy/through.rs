//! An initiator behind a proxy.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use pinfix::engine::{
    Application, Clock, Destination, Engine, EngineConfig, Event, Inbound, Outbound, Proxy,
    ProxyProtocol, SessionBuilder, SessionConfig, SessionHandle,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Cause, ConnectError, ProxyFault, Text};
use pinfix::wire::fix::{FrameWriter, msg_type, tag};

use crate::fake::{Does, Fake, Speaks};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

#[derive(Default)]
struct Side {
    logons: usize,
    received: usize,
    failed: Vec<(String, ProxyFault)>,
    causes: Vec<Cause>,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        Verdict::Accept
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed {
                destination,
                address,
                proxy: Some(proxy),
                why: ConnectError::Proxy(fault),
                ..
            } => {
                assert!(!format!("{event:?}").contains("sesame"));
                let by = address.map(|address| address.to_string());
                let by = by.unwrap_or_else(|| "nowhere".to_owned());
                let told = format!("{destination} by {} at {by}", proxy.protocol);
                self.failed.push((told, *fault));
            }
            Event::ConnectFailed { .. } => panic!("a proxy is on the way: {event:?}"),
            Event::LogonFailed { cause, .. } => self.causes.push(*cause),
            _ => {}
        }
    }
}

struct Both {
    clock: Clock,
    venue: Engine,
    there: Side,
    client: Engine,
    here: Side,
    address: SocketAddr,
}

impl Both {
    fn new() -> Self {
        let mut clock = Clock::new();
        let mut venue = Engine::new(EngineConfig::default()).unwrap();
        let address = venue.listen(ANY_PORT.into(), None).unwrap();
        let session = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        venue.add_session(session, clock.now()).unwrap();
        Self {
            clock,
            venue,
            there: Side::default(),
            client: Engine::new(EngineConfig::default()).unwrap(),
            here: Side::default(),
            address,
        }
    }

    fn connect(&mut self, config: SessionConfig) -> SessionHandle {
        let now = self.clock.now();
        self.client.add_session(config, now).unwrap().0
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            let now = self.clock.now();
            self.venue.poll(now, &mut self.there);
            self.client.poll(now, &mut self.here);
            let waited = now.mono.since(start.mono);
            assert!(
                waited < Duration::from_secs(20),
                "waited in vain for: {what} {:?} {:?}",
                self.here.failed,
                self.here.causes
            );
        }
    }

    fn for_a_while(&mut self, time: Duration) {
        let start = self.clock.now();
        while self.clock.now().mono.since(start.mono) < time {
            let now = self.clock.now();
            self.venue.poll(now, &mut self.there);
            self.client.poll(now, &mut self.here);
        }
    }
}

fn place(host: &str, port: u16) -> Destination {
    format!("{host}:{port}").parse().unwrap()
}

fn session(to: &[Destination], proxy: Proxy) -> SessionConfig {
    let mut builder = SessionBuilder::initiator(&FIX44, "CLIENT", "VENUE").proxy(proxy);
    for place in to {
        builder = builder.connect_to(place.clone());
    }
    let connect = |connect: &mut pinfix::engine::Connect| {
        connect.reconnect = vec![Duration::from_secs(60)];
    };
    builder.connect(connect).build().unwrap()
}

/// Logs on through a proxy, sends orders, and logs on again over another connection.
fn trades(speaks: Speaks, user: Option<&'static str>, proxy: impl Fn(SocketAddr) -> Proxy, host: &str) {
    let fake = Fake::start(speaks, user, Does::LetsThrough);
    let mut both = Both::new();
    let to = place(host, both.address.port());
    let mut config = session(std::slice::from_ref(&to), proxy(fake.address));
    config.connect.reconnect = vec![Duration::from_millis(20)];
    let session = both.connect(config);
    for round in 1..=2 {
        both.until("a logon", |both| {
            both.here.logons == round && both.there.logons == round
        });
        let now = both.clock.now();
        for _ in 0..50 {
            let write = |order: &mut FrameWriter<'_>| _ = order.str(tag::CL_ORD_ID, "A");
            let mut out = both.client.outbound(now);
            out.send(session, msg_type::NEW_ORDER_SINGLE, write)
                .unwrap();
        }
        both.until("the orders", |both| both.there.received == 50 * round);
        if round == 1 {
            both.client.outbound(now).disconnect(session).unwrap();
        }
    }
    let who = user.unwrap_or_default();
    let target = match host {
        // Found on this side.
        "localhost" => format!("127.0.0.1:{}", both.address.port()),
        _ => to.to_string(),
    };
    assert_eq!(fake.asked(), vec![format!("{target} {who}"); 2]);
    assert_eq!(both.here.failed, []);
}

#[test]
fn a_session_trades_through_http_of_both_versions() {
    for protocol in [ProxyProtocol::Http10, ProxyProtocol::Http11] {
        trades(
            Speaks::Http,
            None,
            |at| Proxy::new(protocol, at),
            "venue.invalid",
        );
    }
    trades(
        Speaks::Http,
        Some("bWU6c2VzYW1l"),
        |at| Proxy::new(ProxyProtocol::Http11, at).user("me", "sesame"),
        "127.0.0.1",
    );
}

#[test]
fn a_session_trades_through_socks_of_all_versions() {
    let socks = |protocol| move |at: SocketAddr| Proxy::new(protocol, at);
    trades(
        Speaks::Socks4,
        None,
        socks(ProxyProtocol::Socks4),
        "localhost",
    );
    trades(
        Speaks::Socks4,
        Some("me"),
        |at| Proxy::new(ProxyProtocol::Socks4a, at).user("me", ""),
        "venue.invalid",
    );
    trades(
        Speaks::Socks5,
        None,
        socks(ProxyProtocol::Socks5),
        "127.0.0.1",
    );
    trades(
        Speaks::Socks5,
        Some("me:sesame"),
        |at| Proxy::new(ProxyProtocol::Socks5, at).user("me", "sesame"),
        "venue.invalid",
    );
}

#[test]
fn the_name_of_a_proxy_is_looked_up() {
    let fake = Fake::start(Speaks::Http, None, Does::LetsThrough);
    let mut both = Both::new();
    let at = place("localhost", fake.address.port());
    let to = place("venue.invalid", both.address.port());
    let mut config = session(&[to], Proxy::new(ProxyProtocol::Http11, at));
    // Where the name has an IPv6 address too, the proxy is not there, and the other is tried next.
    config.connect.reconnect = vec![Duration::from_millis(20)];
    both.connect(config);
    both.until("a logon", |both| both.here.logons == 1);
}

/// Answers what the application was told, once.
fn fails(fake: &Fake, proxy: Proxy) -> ProxyFault {
    let mut both = Both::new();
    let to = place("venue.invalid", 5001);
    let protocol = proxy.protocol;
    both.connect(session(&[to], proxy));
    both.until("a refusal", |both| !both.here.failed.is_empty());
    let told = format!("venue.invalid:5001 by {protocol} at {}", fake.address);
    let (what, fault) = both.here.failed[0].clone();
    assert_eq!((what, both.here.failed.len()), (told, 1));
    fault
}

#[test]
fn wrong_credentials_are_told_in_the_words_of_the_proxy() {
    let fake = Fake::start(Speaks::Http, Some("x"), Does::LetsThrough);
    let http = || Proxy::new(ProxyProtocol::Http11, fake.address);
    let said = Text::lossy(b"HTTP/1.1 407 Proxy Authentication Required");
    assert_eq!(fails(&fake, http()), ProxyFault::UserWanted(said));
    let user = http().user("me", "sesame");
    assert_eq!(fails(&fake, user), ProxyFault::UserRefused(said));
    let fake = Fake::start(Speaks::Socks5, Some("x"), Does::LetsThrough);
    let socks = || Proxy::new(ProxyProtocol::Socks5, fake.address);
    let fault = fails(&fake, socks());
    assert!(matches!(fault, ProxyFault::UserWanted(_)), "{fault}");
    let fault = fails(&fake, socks().user("me", "sesame"));
    assert_eq!(fault, ProxyFault::UserRefused(Text::lossy(b"status 1")));
    let fake = Fake::start(Speaks::Socks4, Some("x"), Does::LetsThrough);
    let socks = Proxy::new(ProxyProtocol::Socks4a, fake.address).user("me", "");
    assert_eq!(fails(&fake, socks), ProxyFault::Socks4(93));
}

#[test]
fn wrong_credentials_are_not_tried_on_every_destination_nor_for_ever() {
    let fake = Fake::start(Speaks::Http, Some("x"), Does::LetsThrough);
    let mut both = Both::new();
    let to: Vec<_> = (1..=16).map(|port| place("venue.invalid", port)).collect();
    let proxy = Proxy::new(ProxyProtocol::Http11, fake.address).user("me", "sesame");
    let mut config = session(&to, proxy);
    config.connect.reconnect = vec![Duration::from_millis(30)];
    config.connect.refusals_max = Some(3);
    let start = both.clock.now().mono;
    let session = both.connect(config);
    both.until("three refusals", |both| both.here.failed.len() == 3);
    assert!(both.clock.now().mono.since(start) >= Duration::from_millis(60));
    both.for_a_while(Duration::from_millis(150));
    assert_eq!(both.here.failed.len(), 3, "an operator is waited for");
    let first = |(told, _): &(String, ProxyFault)| told.starts_with("venue.invalid:1 ");
    assert!(both.here.failed.iter().all(first), "{:?}", both.here.failed);
    let mut operator = both.client.controller();
    let _ = operator.logon(session, Duration::from_secs(1)).unwrap();
    both.until("a fourth", |both| both.here.failed.len() == 4);
}

#[test]
fn refusals_are_told_in_the_words_of_the_proxy() {
    const NTLM: &[u8] = b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n";
    let refuses = |speaks, answer| Fake::start(speaks, None, Does::Refuses("", answer));
    let fake = refuses(Speaks::Http, NTLM);
    let fault = fails(&fake, Proxy::new(ProxyProtocol::Http11, fake.address));
    assert_eq!(fault, ProxyFault::Scheme(Text::lossy(b"NTLM")));
    let fake = refuses(Speaks::Http, b"HTTP/1.0 503 Down\r\n\r\n");
    let fault = fails(&fake, Proxy::new(ProxyProtocol::Http10, fake.address));
    let line = Text::lossy(b"HTTP/1.0 503 Down");
    assert_eq!(fault, ProxyFault::Status { code: 503, line });
    let fake = refuses(Speaks::Socks5, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    let fault = fails(&fake, Proxy::new(ProxyProtocol::Socks5, fake.address));
    assert_eq!(fault, ProxyFault::Socks5(2));
    // It closes without a word.
    let fake = refuses(Speaks::Socks5, b"");
    let fault = fails(&fake, Proxy::new(ProxyProtocol::Socks5, fake.address));
    assert_eq!(fault, ProxyFault::Closed);
    // Another protocol than configured: it hears no more than it understands, and closes.
    let fake = Fake::start(Speaks::Socks5, None, Does::LetsThrough);
    let fault = fails(&fake, Proxy::new(ProxyProtocol::Http11, fake.address));
    assert_eq!(fault, ProxyFault::Closed);
}

#[test]
fn a_proxy_that_hangs_or_is_not_there_costs_the_time_for_connecting() {
    let fake = Fake::start(Speaks::Http, None, Does::Hangs);
    let mut both = Both::new();
    let proxy = Proxy::new(ProxyProtocol::Http11, fake.address);
    let mut config = session(&[place("venue.invalid", 1)], proxy);
    config.connect.timeout = Duration::from_millis(100);
    config.connect.reconnect = vec![Duration::from_millis(20)];
    let start = both.clock.now().mono;
    both.connect(config);
    both.until("three failures", |both| both.here.failed.len() == 3);
    assert!(both.clock.now().mono.since(start) >= Duration::from_millis(300));
    assert!(
        both.here
            .failed
            .iter()
            .all(|(_, why)| *why == ProxyFault::Timeout)
    );
    // Nobody listens there any more.
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut both = Both::new();
    let proxy = Proxy::new(ProxyProtocol::Socks5, address);
    both.connect(session(&[place("venue.invalid", 1)], proxy));
    both.until("a failure", |both| !both.here.failed.is_empty());
    let refused = ProxyFault::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(both.here.failed[0].1, refused);
}

#[test]
fn a_host_the_proxy_cannot_reach_gives_way_to_the_next() {
    const DOWN: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\n\r\n";
    let fake = Fake::start(Speaks::Http, None, Does::Refuses("first", DOWN));
    let mut both = Both::new();
    let port = both.address.port();
    let to = [place("first.invalid", port), place("second.invalid", port)];
    let proxy = Proxy::new(ProxyProtocol::Http11, fake.address);
    both.connect(session(&to, proxy));
    both.until("a logon", |both| both.here.logons == 1);
    let asked = to.map(|place| format!("{place} "));
    assert_eq!(fake.asked(), asked);
    let [(told, fault)] = &both.here.failed[..] else {
        panic!("one was refused: {:?}", both.here.failed);
    };
    assert!(told.starts_with("first.invalid"), "{told}");
    assert!(matches!(fault, ProxyFault::Status { code: 502, .. }));
}

#[test]
fn what_follows_the_answer_in_one_segment_reaches_the_session() {
    let logout = frame("35=5|34=1|49=VENUE|56=CLIENT|52=20260101-00:00:00|58=not you|");
    for (speaks, protocol) in [
        (Speaks::Http, ProxyProtocol::Http11),
        (Speaks::Socks4, ProxyProtocol::Socks4a),
        (Speaks::Socks5, ProxyProtocol::Socks5),
    ] {
        let fake = Fake::start(speaks, None, Does::Adds(logout.clone()));
        let mut both = Both::new();
        let proxy = Proxy::new(protocol, fake.address);
        both.connect(session(&[place("venue.invalid", 1)], proxy));
        both.until("a logout", |both| !both.here.causes.is_empty());
        assert!(both.here.causes[0].to_string().contains("not you"));
        assert_eq!(both.here.failed, []);
    }
}

/// A message of FIX.4.4, `|` for SOH.
pub fn frame(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let mut bytes = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

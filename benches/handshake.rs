//! What a TLS handshake costs the other sessions of a core: how long a cycle is held by one step of it,
//! on either side, and what a round trip of a neighbour in plain text comes to meanwhile.
//!
//! Everything is in lock-step on one thread, over loopback, so that nothing is measured but the work of
//! the ends and of the kernel. A step is a poll between connecting and the Logon; an engine does one
//! batch of a peer's records in a poll, so the longest step is what a neighbour waits for at most. A round trip is an order and its report on a session of the engine that accepts,
//! while a stranger shakes hands with it; the poll of the stranger's own engine is not in it.
//!
//! `cargo bench --bench handshake`; with `-- --test` only a few are made. Keys of RSA are made by
//! `openssl`; where there is none, they are left out.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use pinfix::engine::{
    Application, Authorities, ClientCheck, Clock, Engine, EngineConfig, Inbound, Listen, Outbound, Pem,
    SessionConfig, SessionHandle, Strangers, TlsClient, TlsIdentity, TlsServer,
};
use pinfix::journal::{JournalConfig, Retention};
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{AtLogon, Verdict};
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::{msg_type, tag};

/// Handshakes measured of each kind, and round trips without any.
const HANDSHAKES: usize = 300;
const TRIPS: usize = 20_000;
const HANDSHAKES_IN_A_TEST: usize = 3;
const TRIPS_IN_A_TEST: usize = 20;

/// Handshakes before those that are measured.
const WARM_UP: usize = 5;

#[derive(Default)]
struct Side {
    answers: bool,
    logons: usize,
    logouts: usize,
    received: u64,
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_logout(&mut self, _: SessionHandle, _: &pinfix::session::Cause, _: &mut Outbound<'_>) {
        self.logouts += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        if self.answers {
            out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                report.str(tag::ORDER_ID, "V1").str(tag::CL_ORD_ID, "A1");
            })
            .unwrap();
        }
        Verdict::Accept
    }
}

/// One engine and its application.
struct Party {
    engine: Engine,
    app: Side,
}

impl Party {
    fn new(answers: bool) -> Self {
        let config = EngineConfig {
            // It is a great many, and from one address.
            strangers: Strangers {
                patience: Duration::from_secs(60),
                ..Strangers::default()
            },
            ..EngineConfig::default()
        };
        Self {
            engine: Engine::new(config).unwrap(),
            app: Side {
                answers,
                ..Side::default()
            },
        }
    }

    /// Polls once. Answers how much work there was, and how long it took.
    fn poll(&mut self, clock: &mut Clock) -> (usize, u64) {
        let now = clock.now();
        let start = clock.ticker().now();
        let work = self.engine.poll(now, &mut self.app);
        (work, clock.ticker().now() - start)
    }
}

/// A venue with a calm session in plain text, and a stranger that comes with TLS again and again.
struct Scene {
    clock: Clock,
    venue: Party,
    calm: Party,
    calm_session: SessionHandle,
    stranger: Party,
    stranger_session: SessionHandle,
}

fn journal() -> JournalConfig {
    JournalConfig {
        retention: Retention {
            bytes: Some(64 << 20),
            age: None,
        },
        ..JournalConfig::default()
    }
}

fn acceptor(target: &str, port: u16) -> SessionConfig {
    let mut config = SessionConfig::acceptor(&FIX44, "VENUE", target);
    config.accept.port = Some(port);
    config.settings.at_logon = AtLogon::Restart;
    config.journal = journal();
    config
}

fn initiator(sender: &str, address: SocketAddr) -> SessionConfig {
    let mut config = SessionConfig::initiator(&FIX44, sender, "VENUE", address);
    config.settings.at_logon = AtLogon::Restart;
    config.connect.reconnect = vec![Duration::from_millis(10)];
    config.journal = journal();
    config
}

impl Scene {
    fn new(server: TlsServer, client: TlsClient) -> Self {
        let mut clock = Clock::new();
        let (mut venue, mut calm, mut stranger) =
            (Party::new(true), Party::new(false), Party::new(false));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let plain = venue.engine.listen(any, None).unwrap();
        let mut listen = Listen::on(any);
        listen.tls = Some(server);
        let encrypted = venue.engine.listen_as(listen).unwrap();
        let now = clock.now();
        for (target, port) in [("CALM", plain.port()), ("STRANGER", encrypted.port())] {
            venue
                .engine
                .add_session(acceptor(target, port), now)
                .unwrap();
        }
        let calm_session = calm
            .engine
            .add_session(initiator("CALM", plain), now)
            .unwrap()
            .0;
        let mut config = initiator("STRANGER", encrypted);
        config.connect.tls = Some(client);
        let stranger_session = stranger.engine.add_session(config, now).unwrap().0;
        let mut scene = Self {
            clock,
            venue,
            calm,
            calm_session,
            stranger,
            stranger_session,
        };
        while scene.calm.app.logons == 0 || scene.stranger.app.logons == 0 {
            scene.stranger.poll(&mut scene.clock);
            scene.calm.poll(&mut scene.clock);
            scene.venue.poll(&mut scene.clock);
        }
        scene.leave();
        scene
    }

    /// An order and its report. The venue may have other things to do meanwhile.
    fn trip(&mut self) -> u64 {
        let Self {
            clock, calm, venue, ..
        } = self;
        let start = clock.ticker().now();
        let now = clock.now();
        let expected = calm.app.received + 1;
        calm.engine
            .outbound(now)
            .send(self.calm_session, msg_type::NEW_ORDER_SINGLE, |order| {
                order
                    .str(tag::CL_ORD_ID, "A1")
                    .str(tag::SYMBOL, "ESZ6")
                    .char(tag::SIDE, b'1')
                    .utc(tag::TRANSACT_TIME, now.utc, TimestampPrecision::Millis)
                    .uint(tag::ORDER_QTY, 5)
                    .char(tag::ORD_TYPE, b'2')
                    .str(tag::PRICE, "4500.25");
            })
            .unwrap();
        while calm.app.received < expected {
            venue.poll(clock);
            calm.poll(clock);
        }
        clock.ticker().now() - start
    }

    /// Ends the stranger's connection, so that it comes again.
    fn leave(&mut self) {
        let (before, there) = (self.stranger.app.logouts, self.venue.app.logouts);
        let now = self.clock.now();
        let mut out = self.stranger.engine.outbound(now);
        out.disconnect(self.stranger_session).unwrap();
        while self.venue.app.logouts == there {
            self.venue.poll(&mut self.clock);
            // It would connect again in the same poll that tells.
            if self.stranger.app.logouts == before {
                self.stranger.poll(&mut self.clock);
            }
        }
    }

    /// A handshake and a Logon: the steps of the venue, and those of the stranger.
    fn handshake(&mut self) -> [Vec<u64>; 2] {
        let logons = (self.stranger.app.logons, self.venue.app.logons);
        // Until it connects.
        let connecting = loop {
            let (work, ns) = self.stranger.poll(&mut self.clock);
            if work > 0 {
                break ns;
            }
        };
        let (mut accepting, mut connecting) = (Vec::new(), vec![connecting]);
        while self.stranger.app.logons == logons.0 || self.venue.app.logons == logons.1 {
            accepting.push(self.venue.poll(&mut self.clock).1);
            connecting.push(self.stranger.poll(&mut self.clock).1);
        }
        self.leave();
        [accepting, connecting]
    }

    /// The slowest of the calm session's round trips while the stranger shakes hands.
    fn slowest_trip(&mut self) -> u64 {
        let logons = self.stranger.app.logons;
        let mut slowest = 0;
        // Until it connects.
        while self.stranger.poll(&mut self.clock).0 == 0 {}
        while self.stranger.app.logons == logons {
            self.stranger.poll(&mut self.clock);
            slowest = slowest.max(self.trip());
        }
        self.leave();
        slowest
    }
}

/// What both sides show.
struct Keys {
    name: &'static str,
    certificate: Pem,
    identity: TlsIdentity,
}

fn p256() -> Keys {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    keys("P-256", &made.cert.pem(), &made.signing_key.serialize_pem())
}

fn rsa() -> Option<Keys> {
    let directory = std::env::temp_dir().join(format!("pinfix-handshake-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.join(name));
    let made = Command::new("openssl")
        .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(' '))
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output();
    let keys = made
        .is_ok_and(|made| made.status.success())
        .then(|| [certificate, key].map(|path| std::fs::read_to_string(path).unwrap()))
        .map(|[certificate, key]| keys("RSA-2048", &certificate, &key));
    std::fs::remove_dir_all(&directory).unwrap();
    keys
}

fn keys(name: &'static str, certificate: &str, key: &str) -> Keys {
    let certificate = Pem::Text(certificate.into());
    Keys {
        name,
        identity: TlsIdentity {
            certificates: certificate.clone(),
            key: Pem::Text(key.into()),
        },
        certificate,
    }
}

/// `p50 p99 max` of nanoseconds, in microseconds.
fn figures(mut ns: Vec<u64>) -> String {
    ns.sort_unstable();
    let at = |part: usize| ns[(ns.len() * part / 100).min(ns.len() - 1)] as f64 / 1000.0;
    format!("{:>9.1}{:>9.1}{:>9.1}", at(50), at(99), at(100))
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let (handshakes, trips) = match test {
        true => (HANDSHAKES_IN_A_TEST, TRIPS_IN_A_TEST),
        false => (HANDSHAKES, TRIPS),
    };
    println!("TLS 1.3, {handshakes} handshakes of each kind on one thread, p50, p99 and max in us");
    println!(
        "{:<11}{:<13}{:<9}{:>27}   {:>27}",
        "key", "shown by", "side", "longest step", "all steps and the Logon"
    );
    let mut neighbours = Vec::new();
    for keys in [Some(p256()), rsa()] {
        let Some(keys) = keys else {
            println!("RSA-2048 is left out: there is no openssl to make a key");
            continue;
        };
        for both in [false, true] {
            let mut server = TlsServer::new(keys.identity.clone());
            let mut client = TlsClient {
                server_name: Some("localhost".to_owned()),
                authorities: Authorities::Only(keys.certificate.clone()),
                ..TlsClient::default()
            };
            if both {
                server.client_check = ClientCheck::Required(keys.certificate.clone());
                client.identity = Some(keys.identity.clone());
            }
            let mut scene = Scene::new(server, client);
            for _ in 0..WARM_UP {
                scene.handshake();
            }
            let (mut longest, mut whole) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for _ in 0..handshakes {
                for (at, steps) in scene.handshake().into_iter().enumerate() {
                    longest[at].push(steps.iter().copied().max().unwrap());
                    whole[at].push(steps.iter().sum());
                }
            }
            let shown = if both { "both" } else { "the venue" };
            for (side, (longest, whole)) in ["accepts", "connects"]
                .into_iter()
                .zip(longest.into_iter().zip(whole))
            {
                println!(
                    "{:<11}{shown:<13}{side:<9}{}   {}",
                    keys.name,
                    figures(longest),
                    figures(whole)
                );
            }
            let alone: Vec<u64> = (0..trips).map(|_| scene.trip()).collect();
            let beside: Vec<u64> = (0..handshakes).map(|_| scene.slowest_trip()).collect();
            neighbours.push((keys.name, shown, alone, beside));
        }
    }
    println!(
        "\nround trips of a neighbour in plain text, where handshakes are accepted\n{:<11}{:<13}{:>27}   {:>27}",
        "key", "shown by", "alone", "slowest in a handshake"
    );
    for (name, shown, alone, beside) in neighbours {
        println!(
            "{name:<11}{shown:<13}{}   {}",
            figures(alone),
            figures(beside)
        );
    }
}

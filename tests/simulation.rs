//! Simulations of the production engine in virtual time, driven by seeds.
//!
//! Two engines trade over a network that delays, cuts and breaks, while they are logged out, logged
//! on and killed; and a hostile peer sends bytes at every phase of a session. A seed replays bit for
//! bit: `PINFIX_SEED=17 cargo test --test simulation` runs one, `PINFIX_SEEDS=5000` runs many.

#![allow(clippy::unwrap_used)]

#[path = "conformance/frame.rs"]
#[allow(dead_code)] // shared with the conformance suite, which uses other parts
mod frame;
#[path = "conformance/script.rs"]
#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod simnet;

use std::cell::Cell;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinfix::engine::{
    Application, Controller, Engine, EngineConfig, Event, Inbound, Outbound, SessionConfig,
    SessionHandle,
};
use pinfix::journal::{Keeper, Location};
use pinfix::session::fix::policy::RequestEnd;
use pinfix::session::fix::rules::{ALL, Rules};
use pinfix::session::fix::{AtLogon, Verdict};
use pinfix::session::{Cause, Fault, Text};
use pinfix::time::{Mono, Now, TimestampPrecision, Utc};
use pinfix::wire::fix::{msg_type, tag};

use self::frame::{ENGINE, Filling, PEER};
use self::script::{Field, What};
use self::simnet::{Crossing, End, Rng, SOCKET_BYTES, Weather, Wire};

/// What one side was told.
#[derive(Default)]
struct Told {
    /// ClOrdID(11) and PossDupFlag(43), in the order of delivery.
    received: Vec<(u64, bool)>,
    logons: usize,
    logouts: Vec<Cause>,
    failed: Vec<Cause>,
    turned_away: Vec<Fault>,
    rejected: usize,
    /// How many messages this side has sent: they are numbered from 1 in ClOrdID(11).
    sent: u64,
    /// Whether some messages are answered from inside the callback.
    answers: bool,
}

impl Application for Told {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
        assert_eq!(
            self.logons,
            self.logouts.len() + 1,
            "one logon before each logout"
        );
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        if let Ok(id) = inbound.message.uint(tag::CL_ORD_ID) {
            self.received.push((id, inbound.delivery.poss_dup));
            if self.answers && id % 5 == 0 {
                let next = self.sent + 1;
                let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                    report.uint(tag::CL_ORD_ID, next);
                });
                self.sent += u64::from(sent.is_ok());
            }
        }
        Verdict::Accept
    }

    fn on_reject(
        &mut self,
        _: SessionHandle,
        _: &pinfix::wire::fix::Message<'_>,
        _: &mut Outbound<'_>,
    ) {
        self.rejected += 1;
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.logouts.push(*cause);
        assert_eq!(self.logons, self.logouts.len(), "one logout for each logon");
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::LogonFailed { cause, .. } => self.failed.push(*cause),
            Event::TurnedAway { fault, .. } => self.turned_away.push(*fault),
            _ => {}
        }
    }
}

/// Runs a simulation for every seed asked for, and names the seed that failed.
fn for_seeds(default: u64, simulate: impl Fn(u64)) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("PINFIX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PINFIX_SEEDS").unwrap_or(default),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
            eprintln!("the simulation failed, to see it again: PINFIX_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

// Two engines back to back.

/// One engine with one session, its journal, and what its application did.
struct Side {
    engine: Option<Engine>,
    controller: Controller,
    session: SessionHandle,
    config: SessionConfig,
    told: Told,
    kills: u64,
    held_until: Option<Mono>,
}

impl Side {
    fn new(config: SessionConfig, wire: &Wire, now: Now) -> Self {
        let (engine, controller, session) = Self::start(&config, wire, now);
        Self {
            engine: Some(engine),
            controller,
            session,
            config,
            told: Told::default(),
            kills: 0,
            held_until: None,
        }
    }

    fn start(config: &SessionConfig, wire: &Wire, now: Now) -> (Engine, Controller, SessionHandle) {
        let engine_config = EngineConfig {
            sessions_max: 2,
            max_message_bytes: 4096,
            ..EngineConfig::default()
        };
        let mut engine = Engine::with(engine_config, Box::new(wire.port()), Keeper::inline()).unwrap();
        if config.connect.destinations.is_empty() {
            engine.listen(address(), None).unwrap();
        }
        let controller = engine.controller();
        let (session, recovery) = engine.add_session(config.clone(), now).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        (engine, controller, session)
    }

    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    fn poll(&mut self, now: Now) {
        let engine = self.engine.as_mut().unwrap();
        engine.poll(now, &mut self.told);
        while self.controller.poll().is_some() {}
    }

    fn send(&mut self, now: Now, text: &str) {
        let (session, id) = (self.session, self.told.sent + 1);
        let sent = self
            .engine()
            .outbound(now)
            .send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                order.uint(tag::CL_ORD_ID, id).str(tag::TEXT, text);
            });
        self.told.sent += u64::from(sent.is_ok());
    }

    /// The process dies between two cycles and is started again.
    fn kill(&mut self, wire: &Wire, now: Now) {
        self.engine = None;
        let (engine, controller, session) = Self::start(&self.config, wire, now);
        self.engine = Some(engine);
        self.controller = controller;
        self.session = session;
        self.held_until = None;
        self.kills += 1;
        // Nobody was told of the end.
        if self.told.logons > self.told.logouts.len() {
            self.told.logouts.push(Cause::EngineStopped);
        }
    }

    /// Next number out and in.
    fn numbers(&self) -> (u64, u64) {
        self.engine
            .as_ref()
            .unwrap()
            .next_numbers(self.session)
            .unwrap()
    }

    fn is_up(&self) -> bool {
        self.told.logons > self.told.logouts.len()
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 5001))
}

fn start_of_time() -> Now {
    Now {
        mono: Mono(5_000_000_000),
        utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
    }
}

fn pass(now: &mut Now, span: Duration) {
    now.mono = now.mono + span;
    now.utc = Utc(now.utc.0 + span.as_nanos() as u64);
}

/// What a run came to, to compare two of the same seed.
#[derive(PartialEq, Debug)]
struct Run {
    crossings: Vec<Crossing>,
    numbers: [(u64, u64); 2],
    kills: u64,
    /// Since the last kill.
    resent: u64,
}

fn two_engines(seed: u64, journals: &Path) -> Run {
    let mut rng = Rng(seed);
    let rules: &'static Rules = ALL[rng.below(ALL.len() as u64) as usize];
    let mut now = start_of_time();
    let wire = Wire::of_engines();
    wire.keep_log();
    wire.set_weather(Some(Weather {
        rng: Rng(rng.next()),
        delay_max_ns: rng.below(300_000_000),
    }));
    wire.set_now(now.mono.0);
    let mut venue = SessionConfig::acceptor(rules, "VENUE", "CLIENT");
    let mut client = SessionConfig::initiator(rules, "CLIENT", "VENUE", address());
    client.settings.heartbeat_s = 1 + rng.below(10) as u32;
    client.connect.reconnect = vec![Duration::from_millis(20 + rng.below(2000))];
    for (config, name) in [(&mut venue, "venue"), (&mut client, "client")] {
        config.journal.location = Location::Directory(journals.join(name));
        config.journal.first_segment_bytes = 16 * 1024;
        config.settings.recovery.parked_max = 1 + rng.below(64) as usize;
        config.settings.recovery.parked_bytes_max = 1024 + rng.below(16_000) as usize;
        config.settings.recovery.chunk = (rng.below(2) == 0).then(|| 1 + rng.below(16));
        config.settings.recovery.end = match rng.below(3) {
            0 => RequestEnd::Open,
            1 => RequestEnd::Closed,
            _ => RequestEnd::OpenAtFirst,
        };
        // Also where only one side has it.
        config.settings.logon.next_expected = rng.below(3) > 0;
        config.settings.logon.last_processed = rng.below(2) == 0;
        config.settings.logout.timeout = Duration::from_secs(2);
        config.journal.unsent_limit_bytes = 24 * 1024 + rng.below(300_000) as usize;
    }
    let mut sides = [Side::new(venue, &wire, now), Side::new(client, &wire, now)];
    for side in &mut sides {
        side.told.answers = rng.below(2) == 0;
    }
    let text = "x".repeat(rng.below(300) as usize + 1);
    let mut full_until: Option<(End, Mono)> = None;

    for _ in 0..1500 {
        pass(&mut now, Duration::from_micros(rng.below(30_000)));
        wire.set_now(now.mono.0);
        trouble(&mut rng, &mut sides, &wire, &mut full_until, now);
        for side in &mut sides {
            for _ in 0..rng.below(4) {
                side.send(now, &text[..1 + rng.below(text.len() as u64) as usize]);
            }
        }
        let first = rng.below(2) as usize;
        sides[first].poll(now);
        sides[1 - first].poll(now);
    }

    // The weather clears, and everything that is missing must come.
    wire.set_weather(None);
    if let Some((end, _)) = full_until {
        wire.set_capacity(end, SOCKET_BYTES);
    }
    for side in &mut sides {
        let session = side.session;
        side.controller
            .logon(session, Duration::from_secs(60))
            .unwrap();
    }
    let end = now.mono + Duration::from_secs(90);
    loop {
        pass(&mut now, Duration::from_millis(5));
        wire.set_now(now.mono.0);
        sides.iter_mut().for_each(|side| side.poll(now));
        let [(a_out, a_in), (b_out, b_in)] = [sides[0].numbers(), sides[1].numbers()];
        if sides.iter().all(Side::is_up) && (a_out, b_out) == (b_in, a_in) && !wire.is_busy() {
            break;
        }
        assert!(
            now.mono < end,
            "no agreement: {:?} {:?}",
            sides[0].numbers(),
            sides[1].numbers()
        );
    }
    check(&sides[0], &sides[1]);
    check(&sides[1], &sides[0]);
    Run {
        crossings: wire.log(),
        numbers: [sides[0].numbers(), sides[1].numbers()],
        kills: sides.iter().map(|side| side.kills).sum(),
        resent: sides
            .iter()
            .map(|side| {
                side.engine
                    .as_ref()
                    .unwrap()
                    .tally(side.session)
                    .unwrap()
                    .resent
            })
            .sum(),
    }
}

/// What happens to the two, apart from the weather.
fn trouble(
    rng: &mut Rng,
    sides: &mut [Side; 2],
    wire: &Wire,
    full_until: &mut Option<(End, Mono)>,
    now: Now,
) {
    for side in sides.iter_mut() {
        if side.held_until.is_some_and(|until| now.mono >= until) {
            side.held_until = None;
            let session = side.session;
            side.controller
                .logon(session, Duration::from_secs(5))
                .unwrap();
        }
    }
    if let Some((end, until)) = *full_until
        && now.mono >= until
    {
        wire.set_capacity(end, SOCKET_BYTES);
        *full_until = None;
    }
    let victim = rng.below(2) as usize;
    match rng.below(1000) {
        0..8 => {
            let standing = wire.standing();
            if !standing.is_empty() {
                wire.sever(standing[rng.below(standing.len() as u64) as usize]);
            }
        }
        8..11 => sides[victim].kill(wire, now),
        11..14 => {
            let side = &mut sides[victim];
            let (session, reason) = (side.session, Text::new("maintenance").unwrap());
            side.controller
                .logout(session, reason, Duration::from_secs(5))
                .unwrap();
            side.held_until = Some(now.mono + Duration::from_millis(rng.below(5000)));
        }
        14..16 => {
            let side = &mut sides[victim];
            let session = side.session;
            side.controller
                .disconnect(session, Duration::from_secs(5))
                .unwrap();
        }
        16..20 if full_until.is_none() => {
            if let Some(conn) = wire.standing().pop() {
                let end = End { conn, side: victim };
                wire.set_capacity(end, 0);
                *full_until = Some((end, now.mono + Duration::from_millis(rng.below(800))));
            }
        }
        _ => {}
    }
}

/// Everything `from` sent has reached `to`, in order; twice only where it was told so.
fn check(from: &Side, to: &Side) {
    let mut next = 1;
    for &(id, poss_dup) in &to.told.received {
        if id == next {
            next += 1;
        } else {
            assert!(id < next, "message {id} came before {next}");
            assert!(poss_dup, "message {id} came twice without PossDupFlag");
            assert!(to.kills > 0, "message {id} came twice without a restart");
        }
    }
    assert_eq!(next - 1, from.told.sent, "messages received and sent");
    assert_eq!(to.told.rejected, 0, "Rejects received");
    let harmless = |fault: &Fault| {
        // Consequences of connections that break or stand still, and of holds.
        matches!(
            fault,
            Fault::OnHold | Fault::LogonTimeout | Fault::LogoutTimeout | Fault::AlreadyConnected
        )
    };
    let of_causes = to.told.logouts.iter().chain(&to.told.failed);
    for cause in of_causes {
        if let Cause::Fault(fault) = cause {
            assert!(harmless(fault), "a session ended over {fault:?}");
        }
        assert!(!matches!(cause, Cause::NoRoom(_)), "{cause:?}");
    }
    assert!(
        to.told.turned_away.iter().all(harmless),
        "{:?}",
        to.told.turned_away
    );
    let tally = to.engine.as_ref().unwrap().tally(to.session).unwrap();
    assert_eq!(tally.garbled, 0, "garbled messages");
}

/// A directory that is gone afterwards, also when the test fails.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, seed: u64) -> Self {
        let name = format!("pinfix-simulation-{name}-{}-{seed}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn two_engines_agree_after_any_trouble() {
    let (kills, resent) = (Cell::new(0), Cell::new(0));
    for_seeds(15, |seed| {
        let journals = Scratch::new("trouble", seed);
        let run = two_engines(seed, &journals.0);
        kills.set(kills.get() + run.kills);
        resent.set(resent.get() + run.resent);
    });
    if std::env::var_os("PINFIX_SEED").is_none() {
        assert!(
            kills.get() > 10 && resent.get() > 100,
            "there was trouble: {kills:?} {resent:?}"
        );
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in [1, 2, 3] {
        let journals = [Scratch::new("one", seed), Scratch::new("two", seed)];
        let one = two_engines(seed, &journals[0].0);
        let two = two_engines(seed, &journals[1].0);
        assert!(one.crossings.len() > 100, "something happened");
        assert!(
            one == two,
            "seed {seed} came out differently the second time"
        );
    }
}

/// Both sides miss thousands of messages and ask each other for them over sockets that hold a few:
/// neither waits for the other for ever (rule 20).
#[test]
fn both_recover_thousands_of_messages_through_small_sockets() {
    for_seeds(3, |seed| {
        let mut rng = Rng(seed);
        let rules = ALL[seed as usize % ALL.len()];
        let mut now = start_of_time();
        let wire = Wire::of_engines();
        wire.set_now(now.mono.0);
        let venue = SessionConfig::acceptor(rules, "VENUE", "CLIENT");
        let client = SessionConfig::initiator(rules, "CLIENT", "VENUE", address());
        let mut sides = [Side::new(venue, &wire, now), Side::new(client, &wire, now)];
        let capacity = 300 + rng.below(4000) as usize;
        let mut small = 0;
        let mut turn = |sides: &mut [Side; 2], now: &mut Now| {
            pass(now, Duration::from_millis(1));
            wire.set_now(now.mono.0);
            sides.iter_mut().for_each(|side| side.poll(*now));
            for conn in wire.standing() {
                if conn < small {
                    continue;
                }
                for side in 0..2 {
                    wire.set_capacity(End { conn, side }, capacity);
                }
                small = conn + 1;
            }
        };
        while !sides.iter().all(Side::is_up) {
            turn(&mut sides, &mut now);
        }
        for side in 0..2 {
            wire.set_capacity(End { conn: 0, side }, 0);
        }
        for side in &mut sides {
            for _ in 0..4000 {
                side.send(now, "lost on the way");
            }
            assert_eq!(side.told.sent, 4000);
        }
        wire.sever(0);
        let end = now.mono + Duration::from_secs(60);
        while (sides[0].numbers().0, sides[1].numbers().0)
            != (sides[1].numbers().1, sides[0].numbers().1)
            || !sides.iter().all(Side::is_up)
        {
            turn(&mut sides, &mut now);
            assert!(
                now.mono < end,
                "no agreement: {:?} {:?}",
                sides[0].numbers(),
                sides[1].numbers()
            );
        }
        check(&sides[0], &sides[1]);
        check(&sides[1], &sides[0]);
        for side in &sides {
            let tally = side.engine.as_ref().unwrap().tally(side.session).unwrap();
            assert!(tally.resend_requests_out <= 8, "{tally:?}");
            assert_eq!(tally.faults, 0, "{tally:?}");
        }
    });
}

// A hostile peer.

/// Where the session of the hostile peer stands when it begins.
const PHASES: u64 = 5;

struct Hostile {
    rng: Rng,
    wire: Wire,
    engine: Engine,
    told: Told,
    now: Now,
    rules: &'static Rules,
    number: u64,
}

impl Hostile {
    fn filling(&self) -> Filling<'_> {
        Filling {
            rules: self.rules,
            now: self.now.utc,
            precision: TimestampPrecision::Millis,
            number: self.number,
            heartbeat_s: 30,
            sender: PEER,
            target: ENGINE,
        }
    }

    fn run(&mut self, span: Duration) {
        let mut left = span;
        loop {
            self.wire.set_now(self.now.mono.0);
            for _ in 0..4 {
                self.engine.poll(self.now, &mut self.told);
            }
            if left.is_zero() {
                break;
            }
            let step = left.min(Duration::from_millis(100));
            left -= step;
            pass(&mut self.now, step);
        }
    }

    fn send(&mut self, end: End, fields: &[Field]) {
        let (bytes, _) = frame::compose(fields, &self.filling());
        self.number += 1;
        self.wire.send(end, &bytes);
    }

    /// A frame that may be anything, with or without a right BodyLength(9) and CheckSum(10).
    fn anything(&mut self) -> Vec<u8> {
        const KINDS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "A", "D", "j", "U1"];
        const TAGS: [&str; 36] = [
            "34",
            "35",
            "36",
            "43",
            "45",
            "7",
            "16",
            "49",
            "56",
            "52",
            "97",
            "98",
            "108",
            "112",
            "122",
            "123",
            "141",
            "371",
            "372",
            "373",
            "58",
            "95",
            "96",
            "93",
            "89",
            "90",
            "91",
            "1137",
            "1128",
            "10",
            "8",
            "9",
            "0",
            "115",
            "128",
            "4294967296",
        ];
        const VALUES: [&[u8]; 22] = [
            b"",
            b"0",
            b"1",
            b"2",
            b"3",
            b"7",
            b"-1",
            b"Y",
            b"N",
            b"X",
            b"abc",
            b"999999",
            b"999999999999",
            b"9223372036854775807",
            b"9223372036854775808",
            b"18446744073709551615",
            b"99999999999999999999999",
            b"20260105-09:00:00",
            b"20269999-99:99:99.999",
            b"now",
            b"PEER",
            b"a\x01b\x01=c",
        ];
        let rng = &mut self.rng;
        let field = |tag: &str, value: &[u8]| Field {
            tag: tag.into(),
            what: What::Is(value.to_vec()),
        };
        let kind = KINDS[rng.below(10) as usize];
        let mut fields = vec![field("35", kind.as_bytes())];
        match kind {
            "1" => fields.push(field("112", b"T")),
            "2" => {
                fields.push(field("7", rng.below(9).to_string().as_bytes()));
                fields.push(field("16", rng.below(9).to_string().as_bytes()));
            }
            "4" => {
                fields.push(field(
                    "36",
                    (self.number + rng.below(9)).to_string().as_bytes(),
                ));
                fields.push(field("123", if rng.below(2) == 0 { b"Y" } else { b"N" }));
            }
            "D" => fields.push(field("11", b"1")),
            _ => {}
        }
        if rng.below(3) == 0 {
            let seq = (self.number + rng.below(8)).saturating_sub(rng.below(6));
            fields.push(field("34", seq.to_string().as_bytes()));
        }
        for _ in 0..rng.below(4) {
            let tag = TAGS[rng.below(TAGS.len() as u64) as usize];
            if rng.below(6) == 0 {
                fields.insert(
                    0,
                    Field {
                        tag: tag.into(),
                        what: What::Absent,
                    },
                );
            } else {
                let value = VALUES[rng.below(VALUES.len() as u64) as usize];
                fields.push(field(tag, value));
            }
        }
        if rng.below(40) == 0 {
            fields.push(field("58", &vec![b'x'; rng.below(9000) as usize]));
        }
        let (mut bytes, _) = frame::compose(&fields, &self.filling());
        let rng = &mut self.rng;
        match rng.below(12) {
            0 => {
                for _ in 0..1 + rng.below(8) {
                    let at = rng.below(bytes.len() as u64) as usize;
                    bytes[at] = rng.next() as u8;
                }
            }
            1 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
            2 => bytes = (0..rng.below(200)).map(|_| rng.next() as u8).collect(),
            3 => {
                let at = rng.below(bytes.len() as u64) as usize;
                let part = bytes[at..].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {}
        }
        bytes
    }
}

/// Everything that came back is a row of sound frames, up to a last one that the end of the
/// connection may have cut.
fn sound(mut bytes: Vec<u8>) {
    while let Some(received) = frame::cut(&mut bytes).unwrap() {
        assert_eq!(received.get(49), Some(ENGINE.as_bytes()));
    }
    assert!(bytes.is_empty(), "half a frame: {}", frame::printed(&bytes));
}

fn hostile_peer(seed: u64) {
    let mut rng = Rng(seed ^ 0x5eed);
    let rules: &'static Rules = ALL[rng.below(ALL.len() as u64) as usize];
    let wire = Wire::answered_by_test();
    let config = EngineConfig {
        sessions_max: 2,
        max_message_bytes: 4096,
        max_fields: 64,
        ..EngineConfig::default()
    };
    let mut engine = Engine::with(config, Box::new(wire.port()), Keeper::inline()).unwrap();
    engine.listen(address(), None).unwrap();
    let now = start_of_time();
    let mut config = SessionConfig::acceptor(rules, ENGINE, PEER);
    if rng.below(4) == 0 {
        config.settings.at_logon = AtLogon::Restart;
    }
    config.settings.recovery.parked_max = 4;
    let (session, _) = engine.add_session(config, now).unwrap();
    let (neighbour, _) = engine
        .add_session(SessionConfig::acceptor(rules, ENGINE, "NEIGHBOUR"), now)
        .unwrap();
    let mut controller = engine.controller();
    let phase = rng.below(PHASES);
    let mut hostile = Hostile {
        rng,
        wire,
        engine,
        told: Told::default(),
        now,
        rules,
        number: 1,
    };
    let is = |tag: &str, value: &str| Field {
        tag: tag.into(),
        what: What::Is(value.into()),
    };
    let end = hostile.wire.dial(address(), simnet::SOURCE.into()).unwrap();
    hostile.run(Duration::ZERO);
    if phase > 0 {
        hostile.send(end, &[is("35", "A")]);
        hostile.run(Duration::ZERO);
        assert_eq!(hostile.told.logons, 1);
        for id in 0..3 {
            let sent = hostile.engine.outbound(hostile.now).send(
                session,
                msg_type::NEW_ORDER_SINGLE,
                |order| {
                    order.uint(tag::CL_ORD_ID, id);
                },
            );
            sent.unwrap();
        }
    }
    match phase {
        2 => {
            hostile.number += 3;
            hostile.send(end, &[is("35", "0")]);
        }
        3 => {
            let reason = Text::new("enough").unwrap();
            controller
                .logout(session, reason, Duration::from_secs(9))
                .unwrap();
        }
        4 => {
            hostile.send(end, &[is("35", "2"), is("7", "1"), is("16", "0")]);
        }
        _ => {}
    }
    hostile.run(Duration::ZERO);
    for _ in 0..30 {
        let bytes = hostile.anything();
        hostile.number += u64::from(hostile.rng.below(3) > 0);
        hostile.wire.send(end, &bytes);
        if hostile.rng.below(2) == 0 {
            hostile.run(Duration::ZERO);
        }
        if hostile.rng.below(10) == 0 {
            let span = Duration::from_millis(hostile.rng.below(20_000));
            hostile.run(span);
        }
    }
    hostile.run(Duration::from_millis(100));
    sound(hostile.wire.receive(end));
    hostile.wire.close(end);
    hostile.run(Duration::from_secs(2));
    sound(hostile.wire.receive(end));

    // The neighbour is served as if nothing had been.
    hostile.number = 1;
    let end = hostile.wire.dial(address(), simnet::SOURCE.into()).unwrap();
    hostile.run(Duration::ZERO);
    hostile.send(end, &[is("35", "A"), is("49", "NEIGHBOUR")]);
    hostile.send(
        end,
        &[is("35", "1"), is("49", "NEIGHBOUR"), is("112", "ALIVE")],
    );
    hostile.run(Duration::ZERO);
    let mut answer = hostile.wire.receive(end);
    let logon = frame::cut(&mut answer).unwrap().expect("a Logon");
    let heartbeat = frame::cut(&mut answer).unwrap().expect("a Heartbeat");
    assert_eq!(logon.get(35), Some(&b"A"[..]));
    assert_eq!(heartbeat.get(112), Some(&b"ALIVE"[..]));
    assert_eq!(hostile.engine.next_numbers(neighbour), Some((3, 3)));
}

#[test]
fn a_hostile_peer_gets_sound_answers_and_harms_nobody() {
    for_seeds(300, hostile_peer);
}

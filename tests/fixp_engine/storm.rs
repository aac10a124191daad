//! A client and a gateway in virtual time, over a network that delays, cuts and breaks, while either is
//! killed between two cycles and goes on from what its files hold at that moment.
//!
//! A seed replays: `PINFIX_SEED=17 cargo test --test fixp_engine storm`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinfix::counters::ConnectionState;
use pinfix::engine::{Engine, EngineConfig, FixpSessionConfig, Listen, SessionHandle};
use pinfix::journal::{Keeper, Location};
use pinfix::session::fixp::OnNotApplied;
use pinfix::time::{Mono, Now, Utc};

use crate::orders;
use crate::pair::{Scratch, Side, credentials};
use crate::simnet::{Rng, Weather, Wire};

const STEPS: usize = 1200;

/// A side whose process dies now and then. What its application was told stays.
pub struct Mortal {
    engine: Option<Engine>,
    pub session: SessionHandle,
    config: FixpSessionConfig,
    pub app: Side,
    pub kills: u32,
}

impl Mortal {
    pub fn new(config: FixpSessionConfig, answers: bool, wire: &Wire, now: Now) -> Self {
        let (engine, session) = start(&config, wire, now);
        Self {
            engine: Some(engine),
            session,
            config,
            app: Side {
                answers,
                ..Side::default()
            },
            kills: 0,
        }
    }

    pub fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    pub fn poll(&mut self, now: Now) {
        let Self { engine, app, .. } = self;
        engine.as_mut().unwrap().poll(now, app);
    }

    /// The process dies: what its files hold at this moment is all there is of it.
    pub fn kill(&mut self, wire: &Wire, now: Now) {
        self.kills += 1;
        let Location::Directory(old) = &self.config.journal.location else {
            panic!("its journal is in files");
        };
        let copy = old.with_extension(self.kills.to_string());
        copy_segments(old, &copy);
        self.config.journal.location = Location::Directory(copy);
        self.engine = None;
        let (engine, session) = start(&self.config, wire, now);
        self.engine = Some(engine);
        self.session = session;
        // Nobody was told of the end.
        if self.is_up() {
            self.app.causes.push(pinfix::session::Cause::EngineStopped);
        }
    }

    pub fn is_up(&self) -> bool {
        self.app.logons as usize > self.app.causes.len()
    }

    /// Whether the backup connection of its session stands.
    pub fn has_backup(&mut self) -> bool {
        let engine = self.engine.as_ref().unwrap();
        let pages = engine.status_reader();
        let mut rows = pages.sessions().flatten();
        rows.any(|row| row.id.ends_with("/backup") && row.status.state == ConnectionState::Up)
    }

    pub fn stand(&self) -> (u64, u64, u64) {
        let engine = self.engine.as_ref().unwrap();
        let (next_out, next_in) = engine.next_numbers(self.session).unwrap();
        (next_out, next_in, engine.uuid(self.session).unwrap())
    }
}

fn copy_segments(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "journal") {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        } else if path.is_dir() {
            // That of the backup connection.
            copy_segments(&path, &to.join(path.file_name().unwrap()));
        }
    }
}

fn start(config: &FixpSessionConfig, wire: &Wire, now: Now) -> (Engine, SessionHandle) {
    let engine_config = EngineConfig {
        sessions_max: 4,
        max_message_bytes: 4096,
        ..EngineConfig::default()
    };
    let mut engine = Engine::with(engine_config, Box::new(wire.port()), Keeper::inline()).unwrap();
    if config.connect.destinations.is_empty() {
        engine.listen_as(Listen::fixp(address())).unwrap();
        if config.accept_backup {
            let listen = Listen::fixp(backup_address()).backup();
            engine.listen_as(listen).unwrap();
        }
    }
    let (session, recovery) = engine.add_session(config.clone(), now).unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    (engine, session)
}

pub fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 5001))
}

pub fn backup_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 3], 5001))
}

pub fn pass(now: &mut Now, span: Duration) {
    now.mono = now.mono + span;
    now.utc = Utc(now.utc.0 + span.as_nanos() as u64);
}

/// The client's orders, and what it was told of them.
#[derive(Default)]
struct Ledger {
    /// By UUID and number.
    sent: BTreeMap<(u64, u64), String>,
    /// Not applied, and not sent again: UUID, first and last number.
    lost: Vec<(u64, u64, u64)>,
    unconfirmed: Vec<(u64, u64, u64)>,
    /// Under way when the client was killed: sent since its logon, of which nothing may have been heard.
    under_way: Vec<(u64, u64, u64)>,
    /// Its logons, and its next number at the last of them.
    logons: u32,
    since: u64,
}

impl Ledger {
    /// Takes down what the client was told since.
    fn note(&mut self, client: &mut Mortal) {
        let (next_out, _, uuid) = client.stand();
        if client.app.logons != self.logons {
            (self.logons, self.since) = (client.app.logons, next_out);
        }
        let lost = client.app.not_applied.drain(..);
        let lost = lost.filter(|messages| !messages.resent);
        self.lost
            .extend(lost.map(|messages| (uuid, messages.first, messages.last)));
        let unconfirmed = client.app.unconfirmed.drain(..);
        self.unconfirmed
            .extend(unconfirmed.map(|messages| (messages.series, messages.first, messages.last)));
    }

    /// The client is to be killed: what it is told from now on is not told to anybody.
    fn note_kill(&mut self, client: &Mortal) {
        let (next_out, _, uuid) = client.stand();
        self.under_way.push((uuid, self.since, next_out - 1));
    }

    /// Every order was taken, or it was told that it was not; none was both.
    fn settle(&self, taken: &[String], seed: u64) {
        for (&(uuid, seq), id) in &self.sent {
            let in_it = |range: &(u64, u64, u64)| range.0 == uuid && (range.1..=range.2).contains(&seq);
            let was_taken = taken.binary_search(id).is_ok();
            let told = self.lost.iter().any(in_it);
            assert!(
                !(was_taken && told),
                "seed {seed}: {id}, {seq} of {uuid}, was taken, and told as lost"
            );
            assert!(
                was_taken || told || self.unconfirmed.iter().chain(&self.under_way).any(in_it),
                "seed {seed}: {id}, {seq} of {uuid}, was lost and nobody was told"
            );
        }
    }
}

/// What happened.
#[derive(Default)]
struct Toll {
    trades: usize,
    kills: u32,
    /// Messages that came by retransmission.
    fetched: usize,
    /// How often the client went on over its backup connection.
    promotions: usize,
}

/// With a backup connection the gateway fails over now and then.
fn storm(seed: u64, with_backup: bool) -> Toll {
    let mut rng = Rng(seed);
    let scratch = Scratch::new();
    let mut now = Now {
        mono: Mono(5_000_000_000),
        utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
    };
    let wire = Wire::of_engines();
    wire.set_weather(Some(Weather {
        rng: Rng(rng.next()),
        delay_max_ns: rng.below(300_000_000),
    }));
    wire.set_now(now.mono.0);
    let resend = rng.below(2) == 0;
    let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
    let mut client = FixpSessionConfig::client("ABC", "007", credentials(), address());
    for (config, name) in [(&mut gateway, "gateway"), (&mut client, "client")] {
        config.journal.location = Location::Directory(scratch.path().join(name));
        config.journal.first_segment_bytes = 16 * 1024;
        config.journal.max_segment_bytes = 64 * 1024;
        config.journal.control_reserve_bytes = 4096;
    }
    client.settings.keep_alive_ms = 5_000;
    client.settings.client.parked_max = rng.below(32) as usize;
    client.settings.client.request_max = 1 + rng.below(40) as u16;
    if resend {
        client.settings.client.not_applied = OnNotApplied::Resend;
    }
    client.connect.reconnect = vec![Duration::from_millis(20 + rng.below(2000))];
    if with_backup {
        gateway.accept_backup = true;
        gateway.settings.gateway.invalid_logons_max = 10;
        client.settings.client.failed_logons_max = 10;
        client.settings.client.back_off = Duration::from_secs(2);
        client = client.backup(backup_address());
    }
    let mut gateway = Mortal::new(gateway, true, &wire, now);
    let mut client = Mortal::new(client, false, &wire, now);
    let mut ledger = Ledger::default();
    for _ in 0..STEPS {
        pass(&mut now, Duration::from_micros(rng.below(40_000)));
        wire.set_now(now.mono.0);
        match (rng.below(200), wire.standing().first()) {
            (0, _) => gateway.kill(&wire, now),
            (1, _) => {
                ledger.note_kill(&client);
                client.kill(&wire, now);
            }
            (2 | 3, Some(&conn)) => wire.sever(conn),
            (4..8, _) if with_backup => {
                let session = gateway.session;
                let asked = gateway.engine().outbound(now).fail_over(session);
                asked.unwrap();
            }
            (8 | 9, _) if with_backup => {
                // Either connection, of those that stand.
                let standing = wire.standing();
                if !standing.is_empty() {
                    wire.sever(standing[rng.below(standing.len() as u64) as usize]);
                }
            }
            (10, _) if with_backup => {
                // An operator opens what too many refused logons have closed.
                log_on(&mut gateway, now);
                log_on(&mut client, now);
            }
            _ => {}
        }
        for _ in 0..rng.below(3) {
            let id = format!("{:08}", ledger.sent.len() + 1);
            let session = client.session;
            let mut out = client.engine().outbound(now);
            let sent = out.send_sbe(session, 512, |room| orders::order(room, &id));
            if let Some(seq) = sent.ok().and_then(|sent| sent.seq()) {
                let uuid = out.uuid(session).unwrap();
                let before = ledger.sent.insert((uuid, seq), id);
                assert_eq!(before, None, "seed {seed}: {seq} of {uuid} is used twice");
            }
        }
        gateway.poll(now);
        client.poll(now);
        ledger.note(&mut client);
    }
    // The weather clears, and everything that is missing must come.
    wire.set_weather(None);
    let end = now.mono + Duration::from_mins(5);
    let mut look = now.mono;
    loop {
        pass(&mut now, Duration::from_millis(5));
        wire.set_now(now.mono.0);
        gateway.poll(now);
        client.poll(now);
        ledger.note(&mut client);
        let ((a_out, a_in, a), (b_out, b_in, b)) = (gateway.stand(), client.stand());
        let agree = (a_out, a_in, a) == (b_in, b_out, b);
        let complete = !with_backup || client.has_backup() && gateway.has_backup();
        if agree && gateway.is_up() && client.is_up() && complete && !wire.is_busy() {
            break;
        }
        if now.mono > look + Duration::from_secs(65) {
            look = now.mono;
            // As an operator would, once the port is open again.
            log_on(&mut gateway, now);
            log_on(&mut client, now);
        }
        assert!(
            now.mono < end,
            "seed {seed}: no agreement: gateway {:?} {:?} {:?}, client {:?} {:?} {:?}",
            gateway.stand(),
            gateway.app.causes.last(),
            gateway.app.events,
            client.stand(),
            client.app.causes.last(),
            client.app.events,
        );
    }
    let ids = |side: &Side| {
        let ids = side.received.iter().map(|(id, _)| id.clone());
        ids.collect::<Vec<_>>()
    };
    let (taken, reported) = (ids(&gateway.app), ids(&client.app));
    assert!(
        taken.windows(2).all(|two| two[0] < two[1]),
        "seed {seed}: an order twice or out of order"
    );
    assert_eq!(taken, reported, "seed {seed}: every report once, in order");
    ledger.settle(&taken, seed);
    // Where the gateway fails as well there may be hardly a quiet moment.
    assert!(
        taken.len() > 20 || with_backup,
        "seed {seed}: they traded: {}",
        taken.len()
    );
    let events = client.app.events.iter();
    Toll {
        trades: taken.len(),
        kills: gateway.kills + client.kills,
        fetched: client.app.retransmitted.len(),
        promotions: events.filter(|said| said.starts_with("Promoted")).count(),
    }
}

pub fn log_on(side: &mut Mortal, now: Now) {
    let session = side.session;
    side.engine().outbound(now).logon(session).unwrap();
}

fn storms(with_backup: bool) -> Toll {
    let one = std::env::var("PINFIX_SEED").ok();
    let seeds = match one.and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..12,
    };
    let mut all = Toll::default();
    for seed in seeds {
        let toll = storm(seed, with_backup);
        all.trades += toll.trades;
        all.kills += toll.kills;
        all.fetched += toll.fetched;
        all.promotions += toll.promotions;
    }
    let Toll {
        trades,
        kills,
        fetched,
        promotions,
    } = all;
    println!(
        "{trades} orders, {kills} kills, {promotions} promotions, {fetched} messages by retransmission"
    );
    assert!(kills > 0 && fetched > 0);
    all
}

#[test]
fn both_sides_agree_after_a_storm() {
    assert_eq!(storms(false).promotions, 0);
}

#[test]
fn both_sides_agree_after_a_storm_in_which_the_primary_gateway_fails() {
    let Toll {
        trades, promotions, ..
    } = storms(true);
    assert!(trades > 500 && promotions > 0);
}

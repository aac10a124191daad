//! What a client with a backup connection makes of a primary that only one side has lost, in virtual time.

use std::time::Duration;

use pinfix::counters::ConnectionState;
use pinfix::engine::{Engine, EngineConfig, FixpSessionConfig, Listen};
use pinfix::journal::{Keeper, Location};
use pinfix::session::{SessionId, Text};
use pinfix::time::{Mono, Now, Utc};

use crate::orders;
use crate::pair::{Scratch, Side, credentials};
use crate::simnet::{End, Wire};
use crate::storm::{Mortal, address, backup_address, pass};

/// Both sides with their defaults, but for signs of life every 5 s.
struct World {
    wire: Wire,
    now: Now,
    gateway: Mortal,
    client: Mortal,
    _scratch: Scratch,
}

/// The client's end of the primary connection, which is the first there is, and the gateway's.
const CLIENTS: End = End { conn: 0, side: 0 };
const GATEWAYS: End = End { conn: 0, side: 1 };

impl World {
    /// Both connections stand.
    fn up() -> Self {
        let scratch = Scratch::new();
        let now = Now {
            mono: Mono(5_000_000_000),
            utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
        };
        let wire = Wire::of_engines();
        wire.keep_log();
        wire.set_now(now.mono.0);
        let mut gateway = FixpSessionConfig::gateway("ABC", "007", credentials());
        gateway.accept_backup = true;
        let client = FixpSessionConfig::client("ABC", "007", credentials(), address());
        let mut client = client.backup(backup_address());
        client.settings.keep_alive_ms = 5_000;
        client.connect.jitter_percent = 0;
        for (config, name) in [(&mut gateway, "gateway"), (&mut client, "client")] {
            config.journal.location = Location::Directory(scratch.path().join(name));
        }
        let gateway = Mortal::new(gateway, true, &wire, now);
        let client = Mortal::new(client, false, &wire, now);
        let mut world = Self {
            wire,
            now,
            gateway,
            client,
            _scratch: scratch,
        };
        world.both(Duration::from_secs(1));
        assert_eq!(world.wire.standing(), [0, 1]);
        world.trade(2);
        world
    }

    fn turn(&mut self) {
        pass(&mut self.now, Duration::from_millis(1));
        self.wire.set_now(self.now.mono.0);
        self.gateway.poll(self.now);
        self.client.poll(self.now);
    }

    fn until(&mut self, what: &str, within: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now.mono + within;
        while !done(self) {
            self.turn();
            assert!(
                self.now.mono < end,
                "waited in vain for: {what}; client {:?} {:?} {:?}, gateway {:?} {:?}",
                self.client.app.events,
                self.client.app.causes,
                self.client.app.failed,
                self.gateway.app.events,
                self.gateway.app.causes,
            );
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while self.now.mono < end {
            self.turn();
        }
    }

    fn both(&mut self, within: Duration) {
        self.until("both connections", within, |world| {
            let up = |side: &mut Mortal| side.is_up() && side.has_backup();
            up(&mut world.client) && up(&mut world.gateway)
        });
    }

    fn order(&mut self) {
        let session = self.client.session;
        let id = format!("{:08}", self.client.stand().0);
        let mut out = self.client.engine().outbound(self.now);
        out.send_sbe(session, 512, |room| orders::order(room, &id))
            .unwrap();
    }

    /// Orders, and their reports.
    fn trade(&mut self, count: usize) {
        let before = self.client.app.received.len();
        (0..count).for_each(|_| self.order());
        self.until("reports", Duration::from_secs(1), |world| {
            world.client.app.received.len() == before + count
        });
    }

    fn fail_over(&mut self) {
        let session = self.gateway.session;
        let mut out = self.gateway.engine().outbound(self.now);
        out.fail_over(session).unwrap();
    }

    fn said(&self, event: &str) -> usize {
        let events = self.client.app.events.iter();
        events.filter(|said| said.starts_with(event)).count()
    }

    /// RequestTimestamp of the Establish(503)s of the client, in the order they were sent.
    fn establish_stamps(&self) -> Vec<u64> {
        let log = self.wire.log();
        let sent = log.iter().filter(|crossing| crossing.from.side == 0);
        sent.filter(|crossing| crossing.bytes.get(6..8) == Some(&503_u16.to_le_bytes()))
            .map(|crossing| u64::from_le_bytes(crossing.bytes[122..130].try_into().unwrap()))
            .collect()
    }
}

#[test]
fn a_primary_that_only_the_client_lost_is_tried_again_while_the_backup_stands() {
    let mut world = World::up();
    world.wire.lose(CLIENTS);
    let lost = world.now;
    // The exchange has not noticed.
    let dials = world.wire.dials();
    world.until("an attempt", Duration::from_millis(2100), |world| {
        world.wire.dials() > dials
    });
    let after = world.now.mono.since(lost.mono);
    assert!(after >= Duration::from_secs(1), "{after:?}");
    assert!(world.client.has_backup() && world.gateway.has_backup());
    // It may still be that the gateway has failed.
    world.run(Duration::from_millis(300));
    world.fail_over();
    world.until("the promotion", Duration::from_millis(50), |world| {
        world.said("Promoted") == 1
    });
    world.trade(2);
    world.both(Duration::from_secs(70));
}

#[test]
fn a_primary_that_only_the_client_lost_comes_back_once_the_exchange_has_noticed() {
    let mut world = World::up();
    world.wire.lose(CLIENTS);
    // Two intervals and their slack, and it is there.
    world.until("the end of the backup", Duration::from_secs(20), |world| {
        world.said("BackupDown Terminated 26") == 1
    });
    // One attempt that is refused is enough: three would halt the client, five close the port.
    assert_eq!(world.client.app.failed, ["Terminated 6"]);
    world.until("the session", Duration::from_secs(3), |world| {
        world.client.is_up() && world.client.app.logons == 2
    });
    world.both(Duration::from_secs(3));
    world.trade(2);
}

#[test]
fn a_primary_that_the_exchange_says_has_ended_is_given_up() {
    let mut world = World::up();
    world.wire.lose(GATEWAYS);
    world.until("26", Duration::from_millis(50), |world| {
        world.said("BackupDown Terminated 26") == 1
    });
    // For that long there may be a last word on it.
    world.run(Duration::from_millis(500));
    assert_eq!(world.client.app.causes, []);
    world.until("the second logon", Duration::from_secs(3), |world| {
        world.client.app.logons == 2
    });
    world.both(Duration::from_secs(3));
    world.trade(2);
    assert_eq!(world.client.app.failed, [""; 0]);
    assert_eq!(world.said("BackupDown"), 1);
}

#[test]
fn a_session_that_is_not_wanted_any_more_has_no_backup() {
    let mut world = World::up();
    world.wire.lose(CLIENTS);
    world.run(Duration::from_millis(10));
    assert!(world.client.has_backup());
    let session = world.client.session;
    let mut out = world.client.engine().outbound(world.now);
    out.logout(session, Text::lossy(b"home")).unwrap();
    world.until(
        "the end of the backup",
        Duration::from_millis(50),
        |world| !world.client.has_backup() && !world.gateway.has_backup(),
    );
    // Nor when it is taken out.
    let mut world = World::up();
    world.wire.lose(CLIENTS);
    world.run(Duration::from_millis(10));
    let session = world.client.session;
    let mut out = world.client.engine().outbound(world.now);
    out.remove(session).unwrap();
    world.until(
        "the end of the backup",
        Duration::from_millis(50),
        |world| world.said("SessionRemoved") == 1 && !world.gateway.has_backup(),
    );
}

#[test]
fn a_promotion_is_taken_while_a_silent_primary_has_a_last_word_unsent() {
    let mut world = World::up();
    // The client hears nothing any more, and later its own words are stuck as well.
    world.wire.set_capacity(CLIENTS, 0);
    world.run(Duration::from_secs(8));
    world.wire.set_capacity(GATEWAYS, 0);
    world.until("silence", Duration::from_secs(9), |world| {
        let pages = world.client.engine().status_reader();
        let mut rows = pages.sessions().flatten();
        rows.any(|row| !row.id.ends_with("/backup") && row.status.state != ConnectionState::Up)
    });
    assert_eq!(world.client.app.causes, []);
    world.fail_over();
    world.until("the promotion", Duration::from_millis(50), |world| {
        world.said("Promoted") == 1
    });
    world.trade(2);
    world.both(Duration::from_secs(70));
    assert_eq!(
        (world.client.app.logons, world.client.app.causes.len()),
        (1, 0)
    );
}

#[test]
fn a_promotion_does_not_wait_for_a_sign_of_life_that_was_not_begun() {
    let mut world = World::up();
    world.wire.set_capacity(End { conn: 1, side: 1 }, 0);
    world.run(Duration::from_millis(5500));
    world.fail_over();
    world.until("the promotion", Duration::from_millis(50), |world| {
        world.said("Promoted") == 1
    });
    world.wire.set_capacity(End { conn: 1, side: 1 }, 1 << 18);
    world.trade(2);
    world.both(Duration::from_secs(70));
    assert_eq!(world.client.app.causes, []);
    assert_eq!(world.client.app.logons, 1);
}

#[test]
fn no_request_timestamp_is_used_twice_over_both_connections() {
    let mut world = World::up();
    for round in 0..2 {
        let logons = world.client.app.logons;
        // The wall clock is set back, and the primary is lost, the second time with the process.
        world.now.utc.0 -= 10_000_000_000;
        if round == 1 {
            let (wire, now) = (world.wire.clone(), world.now);
            world.client.kill(&wire, now);
        } else {
            world.wire.sever(0);
        }
        world.until("the next logon", Duration::from_secs(10), |world| {
            world.client.app.logons == logons + 1
        });
        world.both(Duration::from_secs(10));
    }
    let stamps = world.establish_stamps();
    assert!(stamps.len() >= 6, "{stamps:?}");
    assert!(stamps.windows(2).all(|two| two[0] < two[1]), "{stamps:?}");
}

#[test]
fn sessions_of_one_identity_are_told_apart_by_the_ports_of_both_connections() {
    let any = |port| std::net::SocketAddr::from(([10, 0, 0, 2], port));
    let mut now = Now {
        mono: Mono(5_000_000_000),
        utc: Utc::parse_fix(b"20260105-09:00:00").unwrap(),
    };
    let wire = Wire::of_engines();
    wire.set_now(now.mono.0);
    let engine = || {
        let config = EngineConfig {
            sessions_max: 4,
            ..EngineConfig::default()
        };
        Engine::with(config, Box::new(wire.port()), Keeper::inline()).unwrap()
    };
    let (mut exchange, mut trader) = (engine(), engine());
    for port in [5001, 5002] {
        exchange.listen_as(Listen::fixp(any(port))).unwrap();
        let listen = Listen::fixp(any(port + 1000)).backup();
        exchange.listen_as(listen).unwrap();
    }
    let segment = |port: u16| {
        let mut config = FixpSessionConfig::gateway("ABC", "007", credentials());
        config.settings.id = SessionId::new("FIXP", &format!("SEGMENT{port}"), "ABC-007");
        config.accept_backup = true;
        config.accept.port = Some(port);
        config.accept_backup_port = Some(port + 1000);
        config
    };
    // Bound to ports where they could not be reached.
    let mut wrong = segment(6001);
    let error = exchange.add_session(wrong.clone(), now).unwrap_err();
    assert!(error.to_string().contains("accept.port"), "{error}");
    wrong.accept.port = Some(5001);
    wrong.accept_backup_port = Some(5002);
    let error = exchange.add_session(wrong, now).unwrap_err().to_string();
    assert!(error.contains("accept_backup_port"), "{error}");
    for port in [5001, 5002] {
        exchange.add_session(segment(port), now).unwrap();
    }
    let config = FixpSessionConfig::client("ABC", "007", credentials(), any(5002));
    trader.add_session(config.backup(any(6002)), now).unwrap();
    let (mut here, mut there) = (Side::default(), Side::default());
    for _ in 0..2000 {
        pass(&mut now, Duration::from_millis(1));
        wire.set_now(now.mono.0);
        exchange.poll(now, &mut there);
        trader.poll(now, &mut here);
    }
    assert_eq!(here.events, ["BackupUp"], "{:?}", here.failed);
    let pages = exchange.status_reader();
    let up: Vec<String> = pages
        .sessions()
        .flatten()
        .filter(|row| row.status.state == ConnectionState::Up)
        .map(|row| row.id.clone())
        .collect();
    let name = "FIXP:SEGMENT5002->ABC-007";
    assert_eq!(up, [name.to_owned(), format!("{name}/backup")]);
}

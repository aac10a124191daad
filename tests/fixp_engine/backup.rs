//! A session with a backup connection: both sides with an engine of their own, over loopback.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use pinfix::admin::{HoldOrder, Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::engine::{Clock, Engine, EngineConfig, FixpSessionConfig, Listen, SessionHandle};
use pinfix::journal::{Item, Kind, Reader};
use pinfix::session::fixp::{Answer, Lane, On};
use pinfix::session::{Cause, Text};
use pinfix::wire::sbe::Frame;

use crate::pair::{Scratch, Side, Station, credentials};
use crate::{PATIENCE, logout};

const CLIENT: &str = "FIXP:ABC-007->EXCHANGE";
const GATEWAY: &str = "FIXP:EXCHANGE->ABC-007";

/// What a test wants different.
#[derive(Clone, Copy)]
struct Wishes {
    keep_alive_ms: u16,
    /// Whether the gateway lets its client have a backup.
    accept: bool,
    /// Whether anybody listens where the backup goes.
    listens: bool,
    back_off: Duration,
    invalid_logons_max: u8,
    reconnect: Duration,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            keep_alive_ms: 5000,
            accept: true,
            listens: true,
            back_off: Duration::from_millis(50),
            invalid_logons_max: 10,
            reconnect: Duration::from_millis(10),
        }
    }
}

struct Rig {
    clock: Clock,
    gateway: Station,
    client: Station,
    /// The primary's port, and the backup's.
    ports: [SocketAddr; 2],
    journals: Scratch,
    wishes: Wishes,
}

impl Rig {
    fn new(wishes: Wishes) -> Self {
        let mut clock = Clock::new();
        let now = clock.now();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let journals = Scratch::new();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let primary = engine.listen_as(Listen::fixp(any)).unwrap();
        let backup = if wishes.listens {
            engine.listen_as(Listen::fixp(any).backup()).unwrap()
        } else {
            let free = TcpListener::bind(any).unwrap();
            free.local_addr().unwrap()
        };
        let mut config = FixpSessionConfig::gateway("ABC", "007", credentials());
        config.settings.gateway.keep_alive_min_ms = 100;
        config.settings.gateway.invalid_logons_max = wishes.invalid_logons_max;
        config.accept_backup = wishes.accept;
        let config = config.journal_below(journals.path());
        let app = Side {
            answers: true,
            ..Side::default()
        };
        let gateway = Station::with(engine, config, app, now);
        let ports = [primary, backup];
        let client = Station::client(client_config(ports, &journals, wishes), now);
        Self {
            clock,
            gateway,
            client,
            ports,
            journals,
            wishes,
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        self.gateway.engine.poll(now, &mut self.gateway.app);
        self.client.engine.poll(now, &mut self.client.app);
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = self.clock.now();
        while !done(self) {
            self.turn();
            assert!(
                self.clock.now().mono.since(start.mono) < PATIENCE,
                "waited in vain for: {what}; client {:?} {:?} {:?}, gateway {:?} {:?} {:?}",
                self.client.stand(),
                self.client.app.events,
                self.client.app.causes,
                self.gateway.stand(),
                self.gateway.app.events,
                self.gateway.app.causes,
            );
        }
    }

    fn pass(&mut self, span: Duration) {
        let start = self.clock.now();
        while self.clock.now().mono.since(start.mono) < span {
            self.turn();
        }
    }

    /// Both connections stand on both sides.
    fn log_on(&mut self) {
        self.until("both connections", |rig| {
            let up = |station: &Station, name| {
                let backup = backup_of(station, name);
                station.is_up() && station.control.status(backup).unwrap().state == ConnectionState::Up
            };
            up(&rig.client, CLIENT) && up(&rig.gateway, GATEWAY)
        });
    }

    fn trade(&mut self, name: &str, count: usize) {
        let before = self.client.app.received.len();
        for number in 0..count {
            let now = self.clock.now();
            self.client.order(now, &format!("{name}{number}")).unwrap();
        }
        self.until("reports", |rig| {
            rig.client.app.received.len() == before + count
        });
    }

    fn fail_over(&mut self) {
        let now = self.clock.now();
        let session = self.gateway.session;
        let mut out = self.gateway.engine.outbound(now);
        out.fail_over(session).unwrap();
    }

    fn command(&mut self, gateway: bool, session: SessionHandle, operation: Operation) -> Outcome {
        let station = if gateway {
            &mut self.gateway
        } else {
            &mut self.client
        };
        let asked = station.control.command(session, operation, PATIENCE);
        let ticket = asked.unwrap();
        loop {
            self.turn();
            let station = if gateway {
                &mut self.gateway
            } else {
                &mut self.client
            };
            if let Some(completion) = station.control.poll() {
                assert_eq!(completion.ticket, ticket);
                return completion.outcome;
            }
        }
    }

    /// The client's process is gone without a word, and another goes on from its journal.
    fn replace_client(&mut self) {
        let now = self.clock.now();
        let config = FixpSessionConfig::gateway("ZZZ", "999", credentials());
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let idle = Station::with(engine, config, Side::default(), now);
        drop(std::mem::replace(&mut self.client, idle));
        let config = client_config(self.ports, &self.journals, self.wishes);
        self.client = Station::client(config, now);
    }

    /// How often the client's application was told of this.
    fn said(&self, event: &str) -> usize {
        let events = self.client.app.events.iter();
        events.filter(|said| *said == event).count()
    }

    /// Numbers, orders and reports are what they would be without any failure: nothing lost, nothing twice.
    fn agree(&self, orders: u64) {
        let uuid = self.client.stand().2;
        assert_eq!(self.client.stand(), (orders + 1, orders + 1, uuid));
        assert_eq!(self.gateway.stand(), (orders + 1, orders + 1, uuid));
        for side in [&self.client, &self.gateway] {
            let numbers: Vec<u64> = side.app.received.iter().map(|(_, seq)| *seq).collect();
            assert_eq!(numbers, (1..=orders).collect::<Vec<_>>());
        }
        assert_eq!(self.client.app.received, self.gateway.app.received);
    }
}

fn client_config(
    [primary, backup]: [SocketAddr; 2],
    journals: &Scratch,
    wishes: Wishes,
) -> FixpSessionConfig {
    let mut config = FixpSessionConfig::client("ABC", "007", credentials(), primary).backup(backup);
    config.settings.keep_alive_ms = wishes.keep_alive_ms;
    config.settings.client.back_off = wishes.back_off;
    config.settings.client.failed_logons_max = 10;
    config.connect.reconnect = vec![wishes.reconnect];
    config.journal_below(journals.path())
}

fn backup_of(station: &Station, name: &str) -> SessionHandle {
    station.control.session(&format!("{name}/backup")).unwrap()
}

/// The records of a journal: kind, number and template of every message.
fn records(journals: &Scratch, name: &str) -> Vec<(Kind, u64, u16)> {
    records_below(journals, name, "")
}

fn records_below(journals: &Scratch, name: &str, below: &str) -> Vec<(Kind, u64, u16)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(journals.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().contains(name) {
            continue;
        }
        let mut reader = Reader::open(path.join(below)).unwrap();
        while let Some(item) = reader.read().unwrap() {
            if let Item::Record(record) = item
                && let Ok(frame) = Frame::new(record.frame)
            {
                found.push((record.kind, record.seq, frame.template_id()));
            }
        }
    }
    found
}

#[test]
fn both_connections_stand_and_signs_of_life_flow_on_both() {
    let mut rig = Rig::new(Wishes {
        keep_alive_ms: 150,
        ..Wishes::default()
    });
    rig.log_on();
    assert_eq!(rig.client.app.events, ["BackupUp"]);
    assert_eq!(rig.gateway.app.events, ["BackupUp"]);
    // The application is told of one session.
    assert_eq!((rig.client.app.logons, rig.gateway.app.logons), (1, 1));
    let now = rig.clock.now();
    let out = rig.client.engine.outbound(now);
    let sessions: Vec<SessionHandle> = out.sessions().collect();
    assert_eq!(sessions, [rig.client.session]);
    assert_eq!(
        out.session(out.id(rig.client.session).unwrap()),
        Some(rig.client.session)
    );
    rig.trade("A", 20);
    rig.pass(Duration::from_millis(800));
    rig.trade("B", 20);
    rig.agree(40);
    for (station, name) in [(&rig.client, CLIENT), (&rig.gateway, GATEWAY)] {
        let backup = backup_of(station, name);
        for session in [station.session, backup] {
            let tally = station.engine.fixp_tally(session).unwrap();
            assert!(tally.heartbeats_out >= 4, "{tally:?}");
            assert_eq!((tally.lapsed_out, tally.faults), (0, 0));
        }
        let shown = station.control.status(backup).unwrap();
        assert_eq!((shown.next_out, shown.next_in), (0, 0));
        assert_eq!(shown.uuid, station.stand().2);
        assert_eq!(
            station.engine.fixp_tally(backup).unwrap().application_out,
            0
        );
    }
    assert_eq!(rig.client.app.causes, []);
}

#[test]
fn an_end_of_the_primary_is_the_end_of_the_backup_and_both_come_back() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 3);
    let uuid = rig.client.stand().2;
    // Lost, as far as the client can see: the gateway says 26 on the backup.
    let session = rig.gateway.session;
    let outcome = rig.command(true, session, Operation::Disconnect);
    assert_eq!(outcome, Outcome::Done);
    rig.until("26", |rig| rig.said("BackupDown Terminated 26") == 1);
    assert_eq!(rig.client.app.causes, [Cause::ConnectionLost]);
    rig.log_on();
    assert_eq!(rig.client.app.logons, 2);
    rig.trade("B", 3);
    // Ended in good order by either side.
    for gateway in [false, true] {
        let station = if gateway { &rig.gateway } else { &rig.client };
        let session = station.session;
        let outcome = rig.command(gateway, session, logout(b"lunch"));
        assert_eq!(outcome, Outcome::Done);
        rig.until("the end of both", |rig| {
            let ended = |station: &Station, name| {
                let backup = backup_of(station, name);
                let states = [station.session, backup].map(|at| station.control.status(at).unwrap());
                !states
                    .iter()
                    .any(|shown| shown.state == ConnectionState::Up)
            };
            ended(&rig.client, CLIENT) && ended(&rig.gateway, GATEWAY)
        });
        let outcome = rig.command(gateway, session, Operation::Logon);
        assert_eq!(outcome, Outcome::Done);
        rig.log_on();
    }
    rig.trade("C", 3);
    rig.agree(9);
    assert_eq!(rig.client.stand().2, uuid);
    assert_eq!(rig.client.app.logons, 4);
    assert_eq!(rig.said("BackupUp"), 4);
}

#[test]
fn a_promoted_backup_carries_the_session_on_and_a_new_backup_goes_to_the_other_host() {
    // No signs of life while it lasts.
    let mut rig = Rig::new(Wishes {
        keep_alive_ms: 30_000,
        ..Wishes::default()
    });
    rig.log_on();
    rig.trade("A", 10);
    let uuid = rig.client.stand().2;
    for round in 1..=4_u32 {
        // Reports that do not reach the client before the gateway fails.
        let now = rig.clock.now();
        let session = rig.gateway.session;
        let mut out = rig.gateway.engine.outbound(now);
        out.withhold(session, 3).unwrap();
        for nth in 0..3 {
            let now = rig.clock.now();
            rig.client.order(now, &format!("lost{round}{nth}")).unwrap();
        }
        let orders = 13 * u64::from(round);
        rig.until("orders", |rig| {
            rig.gateway.app.received.len() as u64 == orders
        });
        rig.fail_over();
        rig.until("the promotion", |rig| {
            rig.client
                .app
                .events
                .iter()
                .filter(|said| said.starts_with("Promoted"))
                .count()
                == round as usize
        });
        // It may also hear that of orders sent so shortly after the promotion before nothing is known.
        let mut events = rig.client.app.events.iter();
        assert_eq!(
            events.rfind(|said| *said != "Unconfirmed").unwrap(),
            &format!("Promoted {}", orders + 1)
        );
        // At once: nobody logs on.
        for nth in 0..10 {
            let now = rig.clock.now();
            rig.client.order(now, &format!("now{round}{nth}")).unwrap();
        }
        rig.until("everything", |rig| {
            rig.client.app.received.len() as u64 == orders + 10
        });
        rig.log_on();
    }
    rig.agree(62);
    assert_eq!(rig.client.stand().2, uuid);
    // To the applications nothing has ended.
    assert_eq!((rig.client.app.logons, rig.gateway.app.logons), (1, 1));
    assert_eq!(
        (rig.client.app.causes.len(), rig.gateway.app.causes.len()),
        (0, 0)
    );
    assert_eq!(rig.client.app.retransmitted.len(), 12);
    assert_eq!(rig.said("BackupUp"), 5);
    // The journals know one session: every number once, in order, and what changed the connection.
    for (name, sent, came) in [
        ("ABC-007-EXCHANGE", 514, 522),
        ("EXCHANGE-ABC-007", 522, 514),
    ] {
        let records = records(&rig.journals, name);
        for (direction, template) in [(Kind::Application, sent), (Kind::Inbound, came)] {
            let mut numbers: Vec<u64> = records
                .iter()
                .filter(|(kind, _, id)| *kind == direction && *id == template)
                .map(|(_, seq, _)| *seq)
                .collect();
            if direction == Kind::Inbound {
                // What came late came after what was newer.
                numbers.sort_unstable();
            }
            assert_eq!(numbers, (1..=62).collect::<Vec<_>>(), "{name} {template}");
        }
        // One Negotiate and one Establish; then the promotion, what the client says to it, and what was missing
        // before it.
        let said: Vec<u16> = records
            .iter()
            .filter_map(|(_, _, id)| (*id < 514).then_some(*id))
            .collect();
        let promotions = [506, 506, 508, 509, 506].repeat(4);
        assert_eq!(
            said,
            [&[500, 501, 503, 504], &promotions[..]].concat(),
            "{name}"
        );
    }
}

#[test]
fn a_backup_that_is_refused_or_cannot_be_reached_does_not_disturb_the_session() {
    for (what, wishes, event) in [
        (
            "nobody listens",
            Wishes {
                listens: false,
                ..Wishes::default()
            },
            "ConnectFailed",
        ),
        (
            "not for this session",
            Wishes {
                accept: false,
                ..Wishes::default()
            },
            "BackupDown Refused 10",
        ),
    ] {
        let mut rig = Rig::new(wishes);
        rig.until(what, |rig| rig.said(event) == 3);
        rig.trade("A", 50);
        let at = rig.said(event);
        // Not more often than it is to.
        rig.pass(Duration::from_millis(300));
        let attempts = rig.said(event) - at;
        let most = if event == "ConnectFailed" { 35 } else { 7 };
        assert!((1..=most).contains(&attempts), "{what}: {attempts}");
        rig.trade("B", 50);
        rig.agree(100);
        assert_eq!(rig.client.app.logons, 1, "{what}");
        assert_eq!(rig.client.app.causes, [], "{what}");
        assert!(rig.client.app.events.iter().all(|said| said == event));
    }
}

#[test]
fn a_backup_that_is_lost_is_made_again_and_the_session_does_not_notice() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 5);
    for (gateway, name) in [(true, GATEWAY), (false, CLIENT)] {
        let station = if gateway { &rig.gateway } else { &rig.client };
        let backup = backup_of(station, name);
        let outcome = rig.command(gateway, backup, Operation::Disconnect);
        assert_eq!(outcome, Outcome::Done);
        rig.log_on();
        rig.trade("B", 5);
        // Nothing else is for a backup alone.
        for operation in [Operation::Logon, logout(b"no"), Operation::Remove] {
            match rig.command(gateway, backup, operation) {
                Outcome::Refused(why) => assert!(why.contains("follows its session"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
    rig.agree(15);
    assert_eq!(rig.client.app.logons, 1);
    assert_eq!(
        rig.client.app.events,
        [
            "BackupUp",
            "BackupDown ConnectionLost",
            "BackupUp",
            "BackupDown Disconnected",
            "BackupUp"
        ]
    );
}

#[test]
fn a_primary_that_says_27_is_left_for_the_other_host_also_after_a_restart() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 5);
    let uuid = rig.client.stand().2;
    let backup = backup_of(&rig.gateway, GATEWAY);
    // Without a backup there is nothing to go on over: the client comes to a host that is the backup now.
    let outcome = rig.command(true, backup, Operation::Disconnect);
    assert_eq!(outcome, Outcome::Done);
    rig.fail_over();
    rig.until("27", |rig| rig.said("LogonFailed Refused") == 1);
    assert_eq!(rig.client.app.failed, ["Refused 27"]);
    rig.log_on();
    rig.trade("B", 5);
    // A client that is killed does not know which is which.
    rig.replace_client();
    rig.log_on();
    assert_eq!(rig.client.app.failed, ["Refused 27"]);
    assert_eq!(rig.client.stand(), (11, 11, uuid));
    rig.trade("C", 5);
    assert_eq!(rig.client.stand(), (16, 16, uuid));
    assert_eq!(rig.gateway.stand(), (16, 16, uuid));
    // And back.
    rig.fail_over();
    rig.until("the promotion", |rig| rig.said("Promoted 16") == 1);
    rig.trade("D", 5);
    rig.log_on();
    assert_eq!(rig.client.stand(), (21, 21, uuid));
    let numbers: Vec<u64> = rig
        .gateway
        .app
        .received
        .iter()
        .map(|(_, seq)| *seq)
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_first_logon_that_finds_the_backup_negotiates_at_the_other_host() {
    let mut rig = Rig::new(Wishes::default());
    // Before anybody has logged on.
    rig.fail_over();
    rig.until("27", |rig| rig.client.app.failed == ["Refused 27"]);
    rig.log_on();
    rig.trade("A", 5);
    rig.agree(5);
}

#[test]
fn what_was_said_on_a_backup_connection_can_be_found_afterwards() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    let session = rig.gateway.session;
    let outcome = rig.command(true, session, Operation::Disconnect);
    assert_eq!(outcome, Outcome::Done);
    rig.until("26", |rig| rig.said("BackupDown Terminated 26") == 1);
    for (name, sent) in [("ABC-007-EXCHANGE", 503), ("EXCHANGE-ABC-007", 504)] {
        let said: Vec<(bool, u16)> = records_below(&rig.journals, name, "backup")
            .iter()
            .map(|(kind, _, id)| (*kind != Kind::Inbound, *id))
            .take(3)
            .collect();
        let client = sent == 503;
        assert_eq!(
            said,
            [(client, 503), (!client, 504), (!client, 507)],
            "{name}"
        );
    }
}

#[test]
fn a_killed_client_goes_on_from_its_journal_with_both_connections() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 5);
    let uuid = rig.client.stand().2;
    for (round, name) in ["B", "C", "D"].into_iter().enumerate() {
        rig.replace_client();
        rig.log_on();
        let expected = 6 + 5 * round as u64;
        assert_eq!(rig.client.stand(), (expected, expected, uuid));
        rig.trade(name, 5);
    }
    assert_eq!(rig.gateway.stand(), (21, 21, uuid));
}

#[test]
fn a_disconnect_logout_or_removal_is_for_both_connections() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 5);
    let session = rig.client.session;
    let outcome = rig.command(false, session, Operation::Disconnect);
    assert_eq!(outcome, Outcome::Done);
    rig.until("the end of the backup", |rig| {
        rig.client
            .app
            .events
            .iter()
            .any(|said| said.starts_with("BackupDown"))
    });
    rig.log_on();
    rig.trade("B", 5);
    rig.agree(10);
    assert_eq!(
        rig.command(false, session, Operation::Remove),
        Outcome::Done
    );
    for name in [CLIENT.to_owned(), format!("{CLIENT}/backup")] {
        assert_eq!(rig.client.control.session(&name), None, "{name}");
    }
    assert_eq!(rig.said("SessionRemoved"), 1);
    // Both names are free again.
    let now = rig.clock.now();
    let config = client_config(rig.ports, &rig.journals, rig.wishes);
    let (session, _) = rig.client.engine.add_session(config, now).unwrap();
    rig.client.session = session;
    rig.log_on();
    rig.trade("C", 5);
    rig.agree(15);
    let config = client_config(rig.ports, &rig.journals, rig.wishes);
    let twice = rig.client.engine.add_session(config, now).unwrap_err();
    assert!(twice.to_string().contains(CLIENT), "{twice}");
    let removed = rig.command(true, rig.gateway.session, Operation::Remove);
    assert_eq!(removed, Outcome::Done);
}

#[test]
fn a_backup_waits_no_longer_than_an_interval_for_what_the_exchange_says_of_a_lost_primary() {
    // A gateway that sees nothing: the client's own socket to the primary is cut, and the backup stands.
    let mut rig = Rig::new(Wishes {
        keep_alive_ms: 300,
        ..Wishes::default()
    });
    rig.log_on();
    rig.trade("A", 2);
    // The gateway stands still while its client loses the primary by its silence.
    let start = rig.clock.now();
    while rig.client.app.causes.is_empty() {
        let now = rig.clock.now();
        rig.client.engine.poll(now, &mut rig.client.app);
        assert!(now.mono.since(start.mono) < PATIENCE);
    }
    rig.log_on();
    rig.trade("B", 2);
    rig.agree(4);
}

#[test]
fn a_primary_that_only_the_client_believes_in_is_given_up_when_the_backup_says_so() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 2);
    let backup = backup_of(&rig.gateway, GATEWAY);
    let now = rig.clock.now();
    let mut out = rig.gateway.engine.outbound(now);
    out.script(backup, On::Establish, Answer::Terminate(26))
        .unwrap();
    let cut = rig.command(true, backup, Operation::Disconnect);
    assert_eq!(cut, Outcome::Done);
    rig.until("the end of the primary", |rig| {
        !rig.client.app.causes.is_empty()
    });
    assert_eq!(rig.client.app.causes, [Cause::ConnectionLost]);
    assert_eq!(rig.said("BackupDown Terminated 26"), 1);
    rig.log_on();
    rig.trade("B", 2);
    rig.agree(4);
    assert_eq!(rig.client.app.logons, 2);
}

#[test]
fn a_session_on_hold_goes_on_over_its_backup_and_one_that_is_logging_out_does_not() {
    let mut rig = Rig::new(Wishes::default());
    rig.log_on();
    rig.trade("A", 2);
    let session = rig.client.session;
    let hold = rig.command(false, session, Operation::Hold(HoldOrder::default()));
    assert_eq!(hold, Outcome::Done);
    rig.fail_over();
    rig.until("the promotion", |rig| rig.said("Promoted 3") == 1);
    rig.trade("B", 2);
    rig.agree(4);
    assert_eq!(rig.client.app.logons, 1);
    rig.log_on();
    // A gateway that does not answer the logout fails instead.
    let now = rig.clock.now();
    let gateway = rig.gateway.session;
    let mut out = rig.gateway.engine.outbound(now);
    out.script(gateway, On::Terminate, Answer::Silence).unwrap();
    let mut out = rig.client.engine.outbound(now);
    out.logout(session, Text::lossy(b"the end")).unwrap();
    rig.pass(Duration::from_millis(50));
    rig.fail_over();
    rig.until("the end", |rig| rig.client.app.causes.len() == 1);
    assert_eq!(rig.said("Promoted 5"), 0);
    rig.until("the end of the backup", |rig| {
        let backup = backup_of(&rig.client, CLIENT);
        let shown = rig.client.control.status(backup).unwrap();
        shown.state == ConnectionState::Down
    });
    let release = rig.command(false, session, Operation::Release);
    assert_eq!(release, Outcome::Done);
    rig.log_on();
    rig.trade("C", 2);
    assert_eq!(rig.client.stand().0, 7);
}

#[test]
fn too_many_invalid_logons_on_either_port_close_both() {
    let mut rig = Rig::new(Wishes {
        invalid_logons_max: 3,
        // Its backup does not come back in time.
        reconnect: Duration::from_secs(1),
        ..Wishes::default()
    });
    rig.log_on();
    rig.trade("A", 2);
    let backup = backup_of(&rig.client, CLIENT);
    let cut = rig.command(false, backup, Operation::Disconnect);
    assert_eq!(cut, Outcome::Done);
    // Somebody else with the name of the session comes to the backup's port first, and negotiates.
    let now = rig.clock.now();
    let mut config = FixpSessionConfig::client("ABC", "007", credentials(), rig.ports[1]);
    config.connect.reconnect = vec![Duration::from_millis(10)];
    let mut other = Station::client(config, now);
    let start = rig.clock.now();
    while rig.client.app.causes.is_empty() {
        let now = rig.clock.now();
        other.engine.poll(now, &mut other.app);
        rig.turn();
        assert!(
            now.mono.since(start.mono) < PATIENCE,
            "{:?}",
            other.app.failed
        );
    }
    let ended = &rig.client.app.causes[0];
    assert!(
        matches!(ended, Cause::Terminated { code: 8, .. }),
        "{ended:?}"
    );
    rig.until("the halt", |rig| {
        rig.client.app.causes.len() == 1 && rig.gateway.app.causes.len() == 1
    });
    drop(other);
    // People open both, on either side.
    for gateway in [true, false] {
        let station = if gateway { &rig.gateway } else { &rig.client };
        let session = station.session;
        let release = rig.command(gateway, session, Operation::Hold(HoldOrder::default()));
        assert_eq!(release, Outcome::Done);
        assert_eq!(
            rig.command(gateway, session, Operation::Release),
            Outcome::Done
        );
    }
    rig.log_on();
    rig.trade("B", 2);
    rig.agree(4);
}

#[test]
fn only_a_port_of_fixp_is_one_for_backups() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let listen = Listen {
        lane: Lane::Backup,
        ..Listen::on(any)
    };
    let error = engine.listen_as(listen).unwrap_err().to_string();
    assert!(error.contains("listen.lane"), "{error}");
}

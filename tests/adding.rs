//! Sessions that come and go while the engine runs: made on another thread, taken in by the core, removed,
//! and added again.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, Outcome};
use pinfix::engine::{
    AddError, Application, ConfigError, Controller, Engine, EngineConfig, Idle, Inbound, Outbound, Run,
    SessionConfig, SessionHandle, StatusError, Stopper,
};
use pinfix::journal::Location;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::wire::fix::{msg_type, tag};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one order per logon.
struct Trader;

impl Application for Trader {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        let sent = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
            order.str(tag::CL_ORD_ID, "A");
        });
        sent.unwrap();
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        Verdict::Accept
    }
}

/// An engine on a thread of its own.
struct Running {
    controller: Controller,
    stop: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn new(config: EngineConfig, listen: bool) -> (Self, Option<SocketAddr>) {
        let mut engine = Engine::new(config).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = listen.then(|| engine.listen(any, None).unwrap());
        let controller = engine.controller();
        let stop = Stopper::default();
        let stopper = stop.clone();
        let thread = std::thread::spawn(move || {
            let run = Run {
                core: None,
                idle: Idle::Yield,
            };
            engine.run(&mut Trader, run, &stopper).unwrap();
        });
        let running = Self {
            controller,
            stop,
            thread: Some(thread),
        };
        (running, address)
    }

    fn add(&mut self, config: SessionConfig) -> SessionHandle {
        let added = self.controller.add_session(config, PATIENCE).unwrap();
        assert!(added.recovery.is_clean());
        assert_eq!(self.controller.wait(added.ticket, PATIENCE), Outcome::Done);
        added.session
    }

    fn remove(&mut self, session: SessionHandle) -> Outcome {
        let ticket = self.controller.remove_session(session, PATIENCE).unwrap();
        self.controller.wait(ticket, PATIENCE)
    }

    fn await_logon(&mut self, session: SessionHandle) {
        let end = Instant::now() + PATIENCE;
        while !self.controller.is_logged_on(session).unwrap() {
            assert!(Instant::now() < end, "no logon");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("pinfix-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

#[test]
fn a_session_added_from_another_thread_trades_is_removed_and_goes_on_where_it_was() {
    let directory = scratch("adding");
    let (mut venue, address) = Running::new(EngineConfig::default(), true);
    let (mut client, _) = Running::new(EngineConfig::default(), false);
    let theirs = venue.add(SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT"));
    let config = || {
        let mut config = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address.unwrap());
        config.journal.location = Location::Directory(directory.clone());
        config
    };
    let mut handles = Vec::new();
    for round in 1..=3 {
        let ours = client.add(config());
        client.await_logon(ours);
        assert_eq!(
            client.controller.session("FIX.4.4:CLIENT->VENUE"),
            Some(ours)
        );
        // Of each round: Logon, order, Logout.
        let end = Instant::now() + PATIENCE;
        while venue.controller.status(theirs).unwrap().next_in < 3 * round {
            assert!(Instant::now() < end, "no order in round {round}");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(client.remove(ours), Outcome::Done);
        assert_eq!(client.remove(ours), Outcome::UnknownSession);
        assert!(matches!(
            client.controller.status(ours),
            Err(StatusError::UnknownSession)
        ));
        assert_eq!(client.controller.session("FIX.4.4:CLIENT->VENUE"), None);
        handles.push(ours);
    }
    handles.dedup();
    assert_eq!(handles.len(), 3, "one place, three handles");
    assert!(handles.iter().all(|handle| handle.number() == 0));
    // The numbers went on across the rounds.
    assert_eq!(venue.controller.status(theirs).unwrap().next_in, 10);
    drop((client, venue));
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn what_cannot_be_added_is_named_and_leaves_its_place_to_others() {
    let config = EngineConfig {
        sessions_max: 2,
        ..EngineConfig::default()
    };
    let (mut engine, _) = Running::new(config, false);
    let acceptor = |peer| SessionConfig::acceptor(&FIX44, "VENUE", peer);
    let one = engine.add(acceptor("ONE"));
    let refused = |engine: &mut Running, config| match engine.controller.add_session(config, PATIENCE) {
        Err(AddError::Config(error)) => error,
        other => panic!("{other:?}"),
    };
    let twice = refused(&mut engine, acceptor("ONE"));
    assert!(matches!(twice, ConfigError::Twice(_)));
    let mut bad = acceptor("BAD");
    bad.journal.location = Location::Directory("/dev/null/journal".into());
    let journal = refused(&mut engine, bad);
    assert!(matches!(journal, ConfigError::Journal { .. }));
    engine.add(acceptor("TWO"));
    let many = refused(&mut engine, acceptor("THREE"));
    assert!(matches!(many, ConfigError::TooManySessions(2)));
    assert_eq!(engine.remove(one), Outcome::Done);
    let three = engine.add(acceptor("THREE"));
    assert_eq!(three.number(), one.number());
    assert_ne!(three, one);
}

#[test]
fn sessions_come_and_go_from_many_threads_and_every_command_is_answered_once() {
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let controllers: Vec<_> = (0..4).map(|_| engine.controller()).collect();
    let stop = Stopper::default();
    let stopper = stop.clone();
    let core = std::thread::spawn(move || {
        let run = Run {
            core: None,
            idle: Idle::Yield,
        };
        engine.run(&mut Trader, run, &stopper).unwrap();
    });
    let threads: Vec<_> = controllers
        .into_iter()
        .enumerate()
        .map(|(number, mut controller)| {
            std::thread::spawn(move || {
                for round in 0..50 {
                    // Two threads want the same identity.
                    let peer = format!("PEER{}", number / 2);
                    let config = SessionConfig::acceptor(&FIX44, "VENUE", &peer);
                    let added = match controller.add_session(config, PATIENCE) {
                        Ok(added) => added,
                        Err(AddError::Config(ConfigError::Twice(_))) => continue,
                        Err(error) => panic!("{error} in round {round}"),
                    };
                    assert_eq!(controller.wait(added.ticket, PATIENCE), Outcome::Done);
                    let session = added.session;
                    let mut under_way = Vec::new();
                    under_way.push(controller.remove_session(session, PATIENCE).unwrap());
                    while under_way.len() < COMMANDS_MAX / 2 {
                        under_way.push(controller.disconnect(session, PATIENCE).unwrap());
                    }
                    let end = Instant::now() + PATIENCE;
                    while !under_way.is_empty() {
                        if let Some(completion) = controller.poll() {
                            let at = under_way.iter().position(|t| *t == completion.ticket);
                            under_way.remove(at.expect("answered once"));
                        }
                        assert!(Instant::now() < end, "answered never: {under_way:?}");
                    }
                    assert!(controller.poll().is_none());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    stop.stop();
    core.join().unwrap();
}

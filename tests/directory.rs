//! The engines of a process and who finds them: controllers obtained on any thread while engines run.
//!
//! Identities are this file's own, and each test has its own: the directory is one for the process.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::engine::{
    Application, CONTROLLERS_MAX, Clock, Controller, Directory, Engine, EngineConfig, Idle, Inbound,
    NoController, Outbound, Run, SessionConfig, SessionHandle, Stopper,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{SessionId, Text};
use pinfix::wire::fix::{msg_type, tag};

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers each order with an order, for ever, and counts.
struct Volley(Arc<AtomicU64>);

fn serve(session: SessionHandle, out: &mut Outbound<'_>) {
    // Refused while the session is logging out; the next logon serves again.
    let _ = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
        order.str(tag::CL_ORD_ID, "A");
    });
}

impl Application for Volley {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        serve(session, out);
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.0.fetch_add(1, Ordering::Relaxed);
        serve(inbound.session, out);
        Verdict::Accept
    }
}

/// An engine on a thread of its own, dropped there when it is stopped.
struct Running {
    stop: Stopper,
    thread: Option<JoinHandle<()>>,
    orders: Arc<AtomicU64>,
}

impl Running {
    fn new(name: &str, configs: Vec<SessionConfig>, listen: bool) -> (Self, Option<SocketAddr>) {
        let config = EngineConfig {
            name: name.to_owned(),
            ..EngineConfig::default()
        };
        let mut engine = Engine::new(config).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = listen.then(|| engine.listen(any, None).unwrap());
        let now = Clock::new().now();
        for config in configs {
            engine.add_session(config, now).unwrap();
        }
        let stop = Stopper::default();
        let stopper = stop.clone();
        let orders = Arc::new(AtomicU64::new(0));
        let mut app = Volley(Arc::clone(&orders));
        let thread = std::thread::spawn(move || {
            let run = Run {
                core: None,
                idle: Idle::Yield,
            };
            engine.run(&mut app, run, &stopper).unwrap();
        });
        let running = Self {
            stop,
            thread: Some(thread),
            orders,
        };
        (running, address)
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

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_command_reaches_the_engine_that_has_the_session() {
    // Two engines with initiators, each with half of them, and one with all their peers.
    let id = |number: usize| {
        SessionConfig::acceptor(&FIX44, &format!("DC{number}"), "DV")
            .settings
            .id
    };
    let peers = (0..6)
        .map(|number| SessionConfig::acceptor(&FIX44, "DV", &format!("DC{number}")))
        .collect();
    let (venue, address) = Running::new("directory-venue", peers, true);
    let half = |first: usize| {
        let config = |number: usize| {
            let name = format!("DC{number}");
            SessionConfig::initiator(&FIX44, &name, "DV", address.unwrap())
        };
        (first..6).step_by(2).map(config).collect::<Vec<_>>()
    };
    let engines = [
        Running::new("directory-even", half(0), false).0,
        Running::new("directory-odd", half(1), false).0,
    ];
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let id = id(number);
            std::thread::spawn(move || {
                let name = Directory::find(&id).unwrap().name().to_owned();
                let expected = ["directory-even", "directory-odd"][number % 2];
                assert_eq!(name, expected);
                let (mut controller, session) = Controller::for_session(&id).unwrap();
                until("a logon", || controller.is_logged_on(session).unwrap());
                let reason = Text::new(&format!("drill {number}")).unwrap();
                for _ in 0..5 {
                    let ticket = controller.logout(session, reason, PATIENCE).unwrap();
                    assert_eq!(controller.wait(ticket, PATIENCE), Outcome::Done);
                    let entry = controller
                        .sessions()
                        .find(|entry| entry.id == id.to_string());
                    let hold = entry.unwrap().hold.unwrap();
                    assert_eq!(hold.why, reason);
                    let ticket = controller.logon(session, PATIENCE).unwrap();
                    assert_eq!(controller.wait(ticket, PATIENCE), Outcome::Done);
                }
                controller.status(session).unwrap().reconnects
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 5, "its own logouts and no other's");
    }
    let orders = || [&venue, &engines[0], &engines[1]].map(|e| e.orders.load(Ordering::Relaxed));
    let before = orders();
    until("orders flow in every engine", || {
        orders()
            .iter()
            .zip(before)
            .all(|(now, before)| *now > before)
    });
}

#[test]
fn an_engine_that_is_dropped_is_found_no_more_and_keeps_nobody_waiting() {
    let config = SessionConfig::acceptor(&FIX44, "GONE", "PEER");
    let id = config.settings.id.clone();
    let (running, _) = Running::new("directory-gone", vec![config], false);
    let engine = Directory::find(&id).unwrap();
    assert!(!engine.is_gone());
    let mut controller = engine.controller().unwrap();
    let session = engine.session(&id).unwrap();
    // One that never comes to its end while the engine lives.
    let ticket = controller
        .logon(session, Duration::from_secs(3600))
        .unwrap();
    // Whatever was sent before another's command is answered has been taken.
    let mut second = engine.controller().unwrap();
    let taken = second.rotate_journal(session, PATIENCE).unwrap();
    assert_eq!(second.wait(taken, PATIENCE), Outcome::Done);
    let waiting = std::thread::spawn(move || controller.wait(ticket, PATIENCE));
    let started = Instant::now();
    drop(running);
    assert_eq!(waiting.join().unwrap(), Outcome::EngineStopped);
    assert!(started.elapsed() < PATIENCE / 2, "nobody waits in vain");
    assert!(engine.is_gone());
    assert_eq!(engine.controller().unwrap_err(), NoController::EngineGone);
    assert_eq!(engine.session(&id), None);
    assert!(Directory::find(&id).is_none());
    let error = Controller::for_session(&id).unwrap_err();
    assert_eq!(error, NoController::NoSuchSession(id.to_string()));
}

/// The engine takes its end in its next cycle, which never comes.
#[test]
fn an_engine_that_is_never_polled_hangs_nobody() {
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let config = SessionConfig::acceptor(&FIX44, "STILL", "PEER");
    let id = config.settings.id.clone();
    engine.add_session(config, Clock::new().now()).unwrap();
    let (mut controller, session) = Controller::for_session(&id).unwrap();
    let ticket = controller.logon(session, PATIENCE).unwrap();
    let soon = Duration::from_millis(20);
    assert_eq!(controller.wait(ticket, soon), Outcome::TimedOut);
    for _ in 1..COMMANDS_MAX {
        controller.logon(session, PATIENCE).unwrap();
    }
    assert!(
        controller.logon(session, PATIENCE).is_err(),
        "busy, at once"
    );
    drop(engine);
    assert_eq!(controller.wait(ticket, PATIENCE), Outcome::EngineStopped);
    assert!(controller.is_engine_gone());
}

#[test]
fn a_limit_is_told_and_a_dropped_controller_gives_its_place_back() {
    let config = SessionConfig::acceptor(&FIX44, "LIMIT", "PEER");
    let id = config.settings.id.clone();
    let (_running, _) = Running::new("directory-limit", vec![config], false);
    let engine = Directory::find(&id).unwrap();
    let session = engine.session(&id).unwrap();
    for _ in 0..3 {
        // Those of the round before give their places back in a cycle to come.
        let mut controllers = Vec::new();
        until("all places", || {
            controllers.extend(engine.controller());
            controllers.len() == CONTROLLERS_MAX
        });
        assert_eq!(engine.controller().unwrap_err(), NoController::TooMany);
        for controller in &mut controllers {
            let ticket = controller.rotate_journal(session, PATIENCE).unwrap();
            assert_eq!(controller.wait(ticket, PATIENCE), Outcome::Done);
        }
        // One of them leaves a command behind, which is done all the same.
        let reason = Text::new("left behind").unwrap();
        controllers[0].logout(session, reason, PATIENCE).unwrap();
        drop(controllers);
        until("a place", || engine.controller().is_ok());
        let mut controller = loop {
            if let Ok(controller) = engine.controller() {
                break controller;
            }
        };
        until("the hold", || controller.status(session).unwrap().held);
        let ticket = controller.logon(session, Duration::from_millis(1)).unwrap();
        assert_eq!(controller.wait(ticket, PATIENCE), Outcome::TimedOut);
        let entry = controller.sessions().next().unwrap();
        assert_eq!(entry.hold, None, "the logon cleared the hold of the logout");
        assert_eq!(entry.status.state, ConnectionState::Down);
    }
}

#[test]
fn sessions_that_come_and_go_are_found_and_lost() {
    let resident = SessionConfig::acceptor(&FIX44, "RESIDENT", "PEER");
    let resident_id = resident.settings.id.clone();
    let (_running, _) = Running::new("directory-guests", vec![resident], false);
    let (mut controller, _) = Controller::for_session(&resident_id).unwrap();
    let guest = || SessionConfig::acceptor(&FIX44, "GUEST", "PEER");
    let id: SessionId = guest().settings.id;
    for _ in 0..3 {
        assert!(Directory::find(&id).is_none());
        let added = controller.add_session(guest(), PATIENCE).unwrap();
        assert_eq!(controller.wait(added.ticket, PATIENCE), Outcome::Done);
        let (mut other, session) = Controller::for_session(&id).unwrap();
        assert_eq!(session, added.session);
        let ticket = other.remove_session(session, PATIENCE).unwrap();
        assert_eq!(other.wait(ticket, PATIENCE), Outcome::Done);
    }
    assert!(Directory::find(&id).is_none());
}

#[test]
fn one_identity_in_two_engines_is_not_guessed() {
    let config = || SessionConfig::acceptor(&FIX44, "TWIN", "PEER");
    let id = config().settings.id;
    let (first, _) = Running::new("directory-twin-1", vec![config()], false);
    let (second, _) = Running::new("directory-twin-2", vec![config()], false);
    let error = Controller::for_session(&id).unwrap_err();
    assert_eq!(error, NoController::SeveralEngines(id.to_string(), 2));
    assert!(error.to_string().contains("FIX.4.4:TWIN->PEER"), "{error}");
    assert_eq!(Directory::find(&id).unwrap().name(), "directory-twin-1");
    let names: Vec<_> = Directory::engines()
        .iter()
        .filter(|engine| engine.session(&id).is_some())
        .map(|engine| engine.name().to_owned())
        .collect();
    assert_eq!(names, ["directory-twin-1", "directory-twin-2"]);
    drop(first);
    assert!(Controller::for_session(&id).is_ok());
    drop(second);
    assert!(Controller::for_session(&id).is_err());
}

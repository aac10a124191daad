//! What went wrong in other engines when an operator logged a session out, each under its own name. None
//! of it is possible here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pinfix::admin::{Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Idle, Inbound, Outbound, Run, SessionConfig,
    SessionHandle, Stopper,
};
use pinfix::session::Text;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;

use crate::callbacks::every_operation;
use crate::pair::{LONG, Of, Pair, order, send_order, serve};

const PATIENCE: Duration = Duration::from_secs(20);

/// A session that nobody runs, one whose engine is gone, one that never connects: to send a command takes
/// no time, to wait for it takes as long as the caller gave.
#[test]
fn a_call_that_hangs_when_the_session_is_not_running() {
    let limit = Duration::from_millis(10);
    let in_time = |began: Instant| assert!(began.elapsed() < Duration::from_secs(5), "it hung");
    for operation in every_operation() {
        // Its engine is not polled.
        let mut pair = Pair::new();
        let session = pair.session;
        let began = Instant::now();
        let control = &mut pair.client_control;
        let ticket = control.command(session, operation, LONG).unwrap();
        assert_eq!(control.wait(ticket, limit), Outcome::TimedOut);
        assert_eq!(
            control.status(session).unwrap().state,
            ConnectionState::Down,
            "a question is answered all the same"
        );
        in_time(began);

        // Its engine runs, and it cannot connect.
        let mut pair = Pair::new();
        pair.gate.close();
        pair.pass(Duration::from_secs(1));
        let control = &mut pair.client_control;
        let ticket = control.command(session, operation, limit).unwrap();
        pair.outcome(Of::Client, ticket);

        // Its engine is gone.
        let mut control = pair.client.controller();
        let ticket = control.command(session, operation, LONG).unwrap();
        drop(pair);
        let began = Instant::now();
        assert_eq!(control.wait(ticket, LONG), Outcome::EngineStopped);
        in_time(began);
    }
}

/// In every callback asks for everything, asks how things are, and sends; another thread waits for its
/// own command on the same session meanwhile.
struct Meddler {
    calls: Arc<AtomicU64>,
    next: usize,
}

impl Meddler {
    fn meddle(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let operations = every_operation();
        // All but that the session leaves for good.
        let operation = operations[self.next % operations.len()];
        self.next += 1;
        if operation != Operation::Remove {
            out.command(session, operation).unwrap();
        }
        out.logon(session).unwrap();
        assert!(out.status(session).is_some());
        serve(session, out);
    }
}

impl Application for Meddler {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.meddle(session, out);
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.meddle(inbound.session, out);
        Verdict::Accept
    }

    fn on_logout(
        &mut self,
        session: SessionHandle,
        _: &pinfix::session::Cause,
        out: &mut Outbound<'_>,
    ) {
        self.meddle(session, out);
    }
}

#[test]
fn a_deadlock_when_called_from_a_callback() {
    let stop = Stopper::default();
    let calls = Arc::new(AtomicU64::new(0));
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let address = engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let now = Clock::new().now();
    let mut sessions = Vec::new();
    for number in 0..3 {
        let name = format!("MEDDLER{number}");
        let peer = SessionConfig::acceptor(&FIX44, "VENUE", &name);
        let mut config = SessionConfig::initiator(&FIX44, &name, "VENUE", address);
        config.connect.reconnect = vec![Duration::from_millis(10)];
        sessions.push(engine.add_session(config, now).unwrap().0);
        engine.add_session(peer, now).unwrap();
    }
    let operators: Vec<_> = sessions
        .iter()
        .map(|&session| (session, engine.controller()))
        .collect();
    let mut app = Meddler {
        calls: Arc::clone(&calls),
        next: 0,
    };
    let stopper = stop.clone();
    let thread = std::thread::spawn(move || {
        let run = Run {
            core: None,
            idle: Idle::Yield,
        };
        engine.run(&mut app, run, &stopper).unwrap();
    });
    let operators: Vec<_> = operators
        .into_iter()
        .map(|(session, mut control)| {
            std::thread::spawn(move || {
                for round in 0..200 {
                    let operation = every_operation()[round % 15];
                    if operation == Operation::Remove {
                        continue;
                    }
                    let within = Duration::from_millis(20);
                    let ticket = control.command(session, operation, within).unwrap();
                    let began = Instant::now();
                    let outcome = control.wait(ticket, PATIENCE);
                    assert!(began.elapsed() < PATIENCE, "{operation:?}: {outcome:?}");
                }
                let ticket = control.logon(session, Duration::from_secs(1)).unwrap();
                // With numbers that were set at random it may not succeed; it must be answered.
                let began = Instant::now();
                control.wait(ticket, PATIENCE);
                assert!(began.elapsed() < PATIENCE);
            })
        })
        .collect();
    for operator in operators {
        operator.join().unwrap();
    }
    assert!(calls.load(Ordering::Relaxed) > 100, "{calls:?} callbacks");
    stop.stop();
    thread.join().unwrap();
}

/// Four threads ask without pause while messages fly; what they read was true at one moment.
#[test]
fn a_data_race_on_the_query() {
    let mut pair = Pair::up();
    pair.client_app.volley = true;
    pair.venue_app.volley = true;
    let now = pair.now();
    let session = pair.session;
    serve(session, &mut pair.client.outbound(now));
    let done = Stopper::default();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let control = pair.client.controller();
            let done = done.clone();
            std::thread::spawn(move || {
                let (mut changes, mut last) = (0_u64, 0);
                while !(done.is_stopping() && changes > 100) {
                    let status = control.status(session).unwrap();
                    // Every message was numbered and sent, every message was counted and expected.
                    assert_eq!(status.unsent_bytes, 0);
                    assert_eq!(status.messages_out, status.next_out - 1);
                    assert_eq!(status.messages_in, status.next_in - 1);
                    assert_eq!(status.application_out, status.messages_out - 1, "a Logon");
                    assert!(control.is_logged_on(session).unwrap());
                    assert!(status.next_out >= last, "never backwards");
                    changes += u64::from(status.next_out > last);
                    last = status.next_out;
                }
                changes
            })
        })
        .collect();
    // No time passes, so no heartbeat comes between.
    let end = Instant::now() + Duration::from_millis(100);
    while Instant::now() < end {
        pair.turn();
    }
    done.stop();
    let began = Instant::now();
    while !readers.iter().all(JoinHandle::is_finished) {
        assert!(began.elapsed() < PATIENCE, "readers that see no change");
        pair.turn();
    }
    for reader in readers {
        assert!(reader.join().unwrap() > 100);
    }
}

/// The timer is armed in every way it can be; none of them brings the session back.
#[test]
fn a_logout_that_does_not_last_because_the_reconnect_timer_undoes_it() {
    type Before = fn(&mut Pair);
    let befores: [(&str, Before); 5] = [
        ("logged on", |pair| pair.until("logon", Pair::both_up)),
        ("connecting", |pair| {
            pair.gate.close();
            pair.until("connecting", |pair| {
                pair.state() == ConnectionState::Connecting
            });
        }),
        ("logon sent", |pair| {
            while pair.state() != ConnectionState::LogonSent {
                pair.poll_client();
            }
        }),
        ("waiting to connect again", |pair| {
            pair.until("logon", Pair::both_up);
            let ticket = pair.disconnect(Of::Client);
            assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
            assert_eq!(pair.state(), ConnectionState::Down);
        }),
        ("logged out by the peer", |pair| {
            pair.until("logon", Pair::both_up);
            let ticket = pair.logout(Of::Venue, LONG);
            assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::Done);
            pair.until("down", |pair| pair.state() == ConnectionState::Down);
            let ticket = pair.logon(Of::Venue, Duration::ZERO);
            assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::TimedOut);
        }),
    ];
    for (name, before) in befores {
        let mut pair = Pair::new();
        before(&mut pair);
        let ticket = pair.logout(Of::Client, LONG);
        let outcome = pair.outcome(Of::Client, ticket);
        assert!(
            matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
            "{name}: {outcome:?}"
        );
        pair.gate.open();
        let connects = pair.gate.connects();
        // Ten times the longest pause.
        pair.pass(Duration::from_secs(300));
        assert_eq!(pair.gate.connects(), connects, "{name}");
        assert!(
            pair.held() && pair.state() == ConnectionState::Down,
            "{name}"
        );
        let ticket = pair.logon(Of::Client, LONG);
        assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done, "{name}");
        pair.until("both sides", Pair::both_up);
    }
}

/// Whatever keeps a session out, an operator can end it while the engine runs.
#[test]
fn a_disabled_flag_that_only_a_restart_clears() {
    let until = |pair: &mut Pair| Some(pair.now().utc + Duration::from_secs(3600));
    for role in [Of::Client, Of::Venue] {
        for logout in [true, false] {
            for ends_by_itself in [true, false] {
                for release in [true, false] {
                    let mut pair = Pair::up();
                    let until = until(&mut pair).filter(|_| ends_by_itself);
                    let hold = if logout {
                        Operation::Logout(order(until))
                    } else {
                        Operation::Hold(order(until))
                    };
                    assert_eq!(pair.command(role, hold), Outcome::Done);
                    let ticket = pair.disconnect(role);
                    pair.outcome(role, ticket);
                    pair.pass(Duration::from_secs(60));
                    assert!(!pair.both_up());
                    let clear = if release {
                        Operation::Release
                    } else {
                        Operation::Logon
                    };
                    assert_eq!(pair.command(role, clear), Outcome::Done);
                    pair.until("logged on again, in this process", Pair::both_up);
                }
            }
        }
    }
    // Nor does one that a restart has brought: the hold is in the journal.
    let directory = std::env::temp_dir().join(format!("pinfix-mistake-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT").journal_below(&directory);
    let mut app = crate::pair::App::default();
    for operation in [Operation::Hold(order(None)), Operation::Release] {
        let now = Clock::new().now();
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let (session, _) = engine.add_session(config.clone(), now).unwrap();
        assert_eq!(
            engine.hold(session).is_some(),
            operation == Operation::Release
        );
        engine.outbound(now).command(session, operation).unwrap();
        engine.poll(now, &mut app);
        assert_eq!(
            engine.hold(session).is_none(),
            operation == Operation::Release
        );
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Orders go both ways in every cycle while an operator logs the session out and on, cuts it, and resets
/// it: what was taken to be sent arrives, once, in order.
#[test]
fn messages_lost_across_a_disable_or_a_reset() {
    let mut pair = Pair::up();
    let session = pair.session;
    let mut taken = [Vec::new(), Vec::new()];
    let mut number = 0;
    let mut trade = |pair: &mut Pair| {
        number += 1;
        let now = pair.now();
        for (engine, taken) in [&mut pair.client, &mut pair.venue]
            .into_iter()
            .zip(&mut taken)
        {
            if send_order(session, number, &mut engine.outbound(now)).is_ok() {
                taken.push(number);
            }
        }
        pair.ahead += Duration::from_millis(1);
        pair.turn();
    };
    let mut resets = 0;
    for round in 0..30_usize {
        for _ in 0..20 {
            trade(&mut pair);
        }
        let of = if round % 2 == 0 {
            Of::Client
        } else {
            Of::Venue
        };
        let control = pair.control(of);
        let reason = Text::new("drill").unwrap();
        let ticket = match round % 3 {
            0 => control.logout(session, reason, LONG),
            1 => control.reset_in_session(session, LONG),
            _ => control.disconnect(session, LONG),
        };
        let ticket = ticket.unwrap();
        let mut turns = 0;
        let outcome = loop {
            trade(&mut pair);
            if let Some(completion) = pair.control(of).poll() {
                assert_eq!(completion.ticket, ticket);
                break completion.outcome;
            }
            turns += 1;
            assert!(turns < 100_000, "round {round}");
        };
        assert_eq!(outcome, Outcome::Done, "round {round}");
        resets += usize::from(round % 3 == 1);
        for _ in 0..20 {
            trade(&mut pair);
        }
        if round % 3 == 0 {
            pair.logon(of, LONG);
            turns = 0;
            while pair.control(of).poll().is_none() {
                trade(&mut pair);
                turns += 1;
                assert!(turns < 100_000, "round {round}");
            }
        }
        turns = 0;
        while !pair.both_up() {
            trade(&mut pair);
            turns += 1;
            assert!(turns < 100_000, "round {round}");
        }
    }
    pair.pass(Duration::from_secs(2));
    let told = |told: &[String]| {
        let count = |name: &str| told.iter().filter(|event| event.starts_with(name)).count();
        (count("Reset"), count("MessagesLost"))
    };
    assert_eq!(told(&pair.client_app.told), (resets, 0));
    assert_eq!(told(&pair.venue_app.told), (resets, 0));
    let [from_client, from_venue] = taken;
    assert!(from_client.len() > 500 && from_venue.len() > 500);
    for (taken, received) in [
        (from_client, &pair.venue_app.orders),
        (from_venue, &pair.client_app.orders),
    ] {
        let received: Vec<_> = received.iter().map(|(number, _)| *number).collect();
        assert_eq!(received, taken);
    }
}

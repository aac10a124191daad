//! Operator control: holds, completions, and commands in every state of a session.
//!
//! Two engines over loopback. Where time matters it is virtual and both engines are polled on the
//! test's thread; where threads matter each engine has one of its own.
#![allow(clippy::unwrap_used)]

mod callbacks;
mod known_mistakes;
mod pair;
mod states;
mod storm;

use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::engine::{Clock, Engine, EngineConfig, SessionConfig};
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Cause, Fault, Hold, Text};
use pinfix::time::Now;

use self::pair::{App, LONG, Of, Pair, order, shown};

#[test]
fn a_logged_out_initiator_stays_out_and_keeps_its_numbers() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!(pair.client_app.causes, [Cause::LogoutConfirmed]);
    let reason = Text::new("for maintenance").unwrap();
    assert_eq!(pair.venue_app.causes, [Cause::PeerLogout(reason.into())]);
    let numbers = pair.numbers(Of::Client);
    assert_eq!(numbers, (3, 3), "a Logon and a Logout each way");
    let connects = pair.gate.connects();
    pair.pass(Duration::from_secs(300));
    assert_eq!(pair.gate.connects(), connects);
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.numbers(Of::Client), numbers);

    let ticket = pair.logon(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    pair.until("the venue's side", Pair::both_up);
    assert_eq!(pair.numbers(Of::Client), (4, 4));
    pair.assert_agreed();
    assert!(!pair.held());
}

#[test]
fn a_logged_out_acceptor_refuses_logons_and_says_why() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Venue, LONG);
    assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::Done);
    let before = pair.numbers(Of::Venue);
    pair.pass(Duration::from_secs(60));
    let refused = pair.client_app.failed.len();
    assert!(refused >= 3, "{refused} attempts");
    for cause in &pair.client_app.failed {
        let Cause::LogonRefused(said) = cause else {
            panic!("{cause:?}");
        };
        let text = std::str::from_utf8(said.text.as_bytes()).unwrap();
        assert!(text.contains("hold"), "{text:?}");
    }
    assert_eq!(pair.venue_app.logons, 1);
    let held = pair.numbers(Of::Venue);
    assert_eq!(
        held.0 - before.0,
        refused as u64,
        "a Logout for each attempt"
    );
    assert_eq!(held.1, before.1, "a refused Logon is not counted");
    let faults: Vec<_> = pair
        .venue
        .status_reader()
        .faults(pair.session.number())
        .collect();
    assert_eq!(faults, [("OnHold", refused as u64)]);
    let status = shown(&pair.venue, pair.session).status;
    let name = usize::try_from(status.last_fault).unwrap() - 1;
    assert_eq!(Fault::NAMES[name], "OnHold");
    assert!(status.last_fault_utc.0 > 0 && status.last_fault_utc <= pair.now().utc);

    let ticket = pair.logon(Of::Venue, LONG);
    assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::Done);
    pair.until("the client's side", Pair::both_up);
    pair.pass(Duration::from_secs(1));
    pair.assert_agreed();
    assert!(pair.numbers(Of::Venue).0 > held.0, "the numbers went on");
}

#[test]
fn commands_that_find_nothing_to_do_say_so() {
    let mut pair = Pair::up();
    let ticket = pair.logon(Of::Client, LONG);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let ticket = pair.logout(Of::Client, LONG);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
    let ticket = pair.disconnect(Of::Client);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
}

#[test]
fn a_hold_can_be_set_while_the_session_is_down() {
    let mut pair = Pair::new();
    let ticket = pair.logout(Of::Venue, LONG);
    let outcome = pair.outcome(Of::Venue, ticket);
    assert!(
        matches!(outcome, Outcome::NoOp(_) | Outcome::Done),
        "{outcome:?}"
    );
    pair.pass(Duration::from_secs(10));
    assert!(!pair.client_control.is_logged_on(pair.session).unwrap());
}

#[test]
fn a_hold_survives_a_restart_with_who_when_and_why() {
    let directory = std::env::temp_dir().join(format!("pinfix-control-{}", std::process::id()));
    let config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT").journal_below(&directory);
    let mut clock = Clock::new();
    let set_at = clock.now();
    let run = |now: Now, operation: Option<Operation>| {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let (session, _) = engine.add_session(config.clone(), now).unwrap();
        let found = engine.hold(session).copied();
        if let Some(operation) = operation {
            engine.outbound(now).command(session, operation).unwrap();
            engine.poll(now, &mut App::default());
        }
        (found, engine.hold(session).copied())
    };
    let (found, set) = run(set_at, Some(Operation::Logout(order(None))));
    assert_eq!(found, None);
    let wanted = Hold {
        since: set_at.utc,
        until: None,
        by: Text::new("alice").unwrap(),
        why: Text::new("for maintenance").unwrap(),
    };
    assert_eq!(set, Some(wanted));
    let (found, released) = run(clock.now(), Some(Operation::Release));
    assert_eq!((found, released), (Some(wanted), None));
    assert_eq!(run(clock.now(), None), (None, None));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_hold_with_an_end_is_released_then_and_not_before() {
    let mut pair = Pair::up();
    let until = pair.now().utc + Duration::from_secs(600);
    let outcome = pair.command(Of::Client, Operation::Logout(order(Some(until))));
    assert_eq!(outcome, Outcome::Done);
    let on_page = |pair: &Pair| shown(&pair.client, pair.session).hold;
    assert_eq!(on_page(&pair), pair.client.hold(pair.session).copied());
    assert_eq!(on_page(&pair).and_then(|hold| hold.until), Some(until));
    let connects = pair.gate.connects();
    pair.pass(Duration::from_secs(590));
    assert_eq!(pair.gate.connects(), connects);
    pair.until("logged on by itself", Pair::both_up);
    assert!(pair.now().utc >= until);
    assert_eq!(pair.client.hold(pair.session), None);
    assert_eq!(on_page(&pair), None);
    pair.assert_agreed();
}

#[test]
fn a_hold_leaves_a_connection_alone_and_forbids_the_next() {
    let mut pair = Pair::up();
    assert_eq!(
        pair.command(Of::Client, Operation::Hold(order(None))),
        Outcome::Done
    );
    assert!(pair.held() && pair.both_up());
    pair.pass(Duration::from_secs(60));
    assert!(pair.both_up(), "heartbeats go on");
    let ticket = pair.disconnect(Of::Client);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let connects = pair.gate.connects();
    pair.pass(Duration::from_secs(60));
    assert_eq!(pair.gate.connects(), connects);

    assert_eq!(pair.command(Of::Client, Operation::Release), Outcome::Done);
    pair.until("logged on by itself", Pair::both_up);
    assert_eq!(
        pair.command(Of::Client, Operation::Release),
        Outcome::NoOp("not held")
    );
    pair.assert_agreed();
}

#[test]
fn commands_while_connecting() {
    // A logout ends the attempt; nothing was sent.
    let mut pair = Pair::new();
    pair.gate.close();
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.numbers(Of::Client), (1, 1));

    // A logon that is followed by a logout is refused.
    let tickets = [pair.logon(Of::Client, LONG), pair.logout(Of::Client, LONG)];
    let [logon, logout] = pair.outcomes(Of::Client, tickets);
    assert!(matches!(logon, Outcome::Refused(_)), "{logon:?}");
    assert!(
        matches!(logout, Outcome::Done | Outcome::NoOp(_)),
        "{logout:?}"
    );

    // A disconnect ends the attempt; the next one comes after the back-off.
    let ticket = pair.logon(Of::Client, LONG);
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let connects = pair.gate.connects();
    let cut = pair.disconnect(Of::Client);
    assert_eq!(pair.outcome(Of::Client, cut), Outcome::Done);
    pair.gate.open();
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!(pair.gate.connects(), connects + 1);
}

/// The logout has come to its end although a logon follows it in the same cycle.
#[test]
fn a_logout_and_a_logon_in_one_cycle_while_connecting() {
    let mut pair = Pair::new();
    pair.gate.close();
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let tickets = [
        pair.logout(Of::Client, Duration::from_secs(5)),
        pair.logon(Of::Client, LONG),
    ];
    pair.turn();
    pair.gate.open();
    let outcomes = pair.outcomes(Of::Client, tickets);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert!(!pair.held());
}

/// As above, with a Logon on its way.
#[test]
fn a_logout_and_a_logon_in_one_cycle_while_the_logon_is_unanswered() {
    let mut pair = Pair::new();
    let start = Instant::now();
    while pair.state() != ConnectionState::LogonSent {
        pair.poll_client();
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    let tickets = [
        pair.logout(Of::Client, Duration::from_secs(5)),
        pair.logon(Of::Client, LONG),
    ];
    pair.poll_client();
    let outcomes = pair.outcomes(Of::Client, tickets);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    pair.until("the venue's side", Pair::both_up);
    pair.pass(Duration::from_secs(1));
    pair.assert_agreed();
}

#[test]
fn a_logout_and_a_logon_at_once_while_logged_on() {
    for of in [Of::Client, Of::Venue] {
        let mut pair = Pair::up();
        let tickets = [pair.logout(of, LONG), pair.logon(of, LONG)];
        let outcomes = pair.outcomes(of, tickets);
        assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
        pair.until("both sides", Pair::both_up);
        assert_eq!((pair.client_app.logons, pair.venue_app.logons), (2, 2));
        pair.assert_agreed();
        assert_eq!(pair.numbers(Of::Client), (4, 4));
    }
}

#[test]
fn commands_while_logging_out() {
    let mut pair = Pair::up();
    let first = pair.logout(Of::Client, LONG);
    // The venue does not answer yet.
    pair.poll_client();
    pair.poll_client();
    assert_eq!(pair.state(), ConnectionState::LogoutSent);
    let second = pair.logout(Of::Client, LONG);
    pair.poll_client();
    assert_eq!(pair.client_control.poll(), None);
    let outcomes = pair.outcomes(Of::Client, [first, second]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(pair.numbers(Of::Client), (3, 3), "one Logout");

    let ticket = pair.logon(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    pair.until("the venue's side", Pair::both_up);
    let logout = pair.logout(Of::Client, LONG);
    pair.poll_client();
    let cut = pair.disconnect(Of::Client);
    let outcomes = pair.outcomes(Of::Client, [logout, cut]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert!(pair.held());
}

#[test]
fn a_command_that_does_not_come_to_its_end_times_out() {
    let mut pair = Pair::new();
    pair.gate.close();
    let before = pair.ahead;
    let ticket = pair.logon(Of::Client, Duration::from_secs(3));
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::TimedOut);
    assert!(pair.ahead - before >= Duration::from_millis(2900));
    // What it set in motion goes on.
    pair.gate.open();
    pair.until("logon", Pair::both_up);

    // A venue that does not answer the Logout: the command gives up first, then the session.
    let ticket = pair.logout(Of::Client, Duration::from_millis(500));
    for _ in 0..1000 {
        pair.ahead += Duration::from_millis(1);
        pair.poll_client();
    }
    let completion = pair.client_control.poll().unwrap();
    assert_eq!(
        (completion.ticket, completion.outcome),
        (ticket, Outcome::TimedOut)
    );
    assert_eq!(pair.state(), ConnectionState::LogoutSent);
    for _ in 0..2000 {
        pair.ahead += Duration::from_millis(1);
        pair.poll_client();
    }
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.client_control.poll(), None);
}

#[test]
fn an_unknown_session() {
    let mut pair = Pair::up();
    let mut other = Engine::new(EngineConfig::default()).unwrap();
    let mut handle = pair.session;
    for name in ["A", "B"] {
        let config = SessionConfig::acceptor(&FIX44, name, "X");
        handle = other.add_session(config, pair.clock.now()).unwrap().0;
    }
    assert!(pair.client_control.status(handle).is_err());
    let ticket = pair.client_control.logon(handle, LONG).unwrap();
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::UnknownSession);
    let now = pair.now();
    assert!(pair.client.outbound(now).logon(handle).is_err());
    assert_eq!(pair.client_control.session("FIX.4.4:NO->BODY"), None);
    assert_eq!(
        pair.client_control.session("FIX.4.4:CLIENT->VENUE"),
        Some(pair.session)
    );
}

#[test]
fn a_full_queue_is_busy_and_never_waits() {
    let mut pair = Pair::up();
    let session = pair.session;
    for _ in 0..COMMANDS_MAX {
        pair.client_control.logon(session, LONG).unwrap();
    }
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(pair.client_control.logon(session, LONG).is_err());
    }
    // A thousand refusals; one that waited for the core, which does not run, would never return.
    assert!(start.elapsed() < Duration::from_secs(5));
    // Another controller has a queue of its own.
    let mut second = pair.client.controller();
    second.logon(session, LONG).unwrap();
    let mut completed = 0;
    while completed < COMMANDS_MAX {
        pair.turn();
        while let Some(completion) = pair.client_control.poll() {
            assert!(matches!(completion.outcome, Outcome::NoOp(_)));
            completed += 1;
        }
    }
    assert_eq!(pair.client_control.poll(), None);
    assert!(second.poll().is_some());
    assert!(pair.client_control.logon(session, LONG).is_ok());
}

#[test]
fn the_status_page_is_written_before_a_command_is_answered() {
    let mut pair = Pair::up();
    for _ in 0..50 {
        for held in [true, true, false, false] {
            let ticket = if held {
                pair.logout(Of::Client, LONG)
            } else {
                pair.logon(Of::Client, LONG)
            };
            pair.outcome(Of::Client, ticket);
            assert_eq!(pair.held(), held);
            assert_eq!(pair.state() == ConnectionState::Up, !held);
        }
    }
}

/// What the old connection still brings in that cycle is not for the session any more.
#[test]
fn a_logout_or_a_disconnect_in_the_cycle_in_which_the_answer_to_the_logon_arrives() {
    for of_logout in [true, false] {
        let mut pair = Pair::new();
        let start = Instant::now();
        while pair.state() != ConnectionState::LogonSent {
            pair.poll_client();
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        while pair.venue_app.logons == 0 {
            let now = pair.now();
            pair.venue.poll(now, &mut pair.venue_app);
        }
        // The answer waits in the client's socket now.
        let ticket = if of_logout {
            pair.logout(Of::Client, LONG)
        } else {
            pair.disconnect(Of::Client)
        };
        pair.poll_client();
        let completion = pair.client_control.poll().unwrap();
        assert_eq!(
            (completion.ticket, completion.outcome),
            (ticket, Outcome::Done)
        );
        assert_eq!(
            (pair.state(), pair.held()),
            (ConnectionState::Down, of_logout)
        );
        assert_eq!(pair.client_app.logons, 0);
        assert_eq!(pair.client_app.failed, [Cause::Disconnected]);

        let ticket = pair.logon(Of::Client, LONG);
        assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
        pair.until("both sides", Pair::both_up);
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.client_app.logons, 1);
        pair.assert_agreed();
    }
}

#[test]
fn a_rotation_waits_for_its_segment_on_a_session_without_a_connection() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let session = pair.session;
    let next = pair.numbers(Of::Client).0;
    let segments = pair
        .client_control
        .status(session)
        .unwrap()
        .journal_segments;
    for raised in 1..5 {
        // All in one cycle: the segment after the next one is not ready.
        let control = &mut pair.client_control;
        let tickets = [
            control.rotate_journal(session, LONG).unwrap(),
            control.set_next_out(session, next + raised, LONG).unwrap(),
            control.rotate_journal(session, LONG).unwrap(),
        ];
        let mut completed = 0;
        let start = Instant::now();
        while completed < tickets.len() {
            pair.ahead += Duration::from_millis(1);
            pair.turn();
            while let Some(completion) = pair.client_control.poll() {
                assert_eq!(completion.outcome, Outcome::Done);
                completed += 1;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "in vain");
        }
    }
    let now = pair
        .client_control
        .status(session)
        .unwrap()
        .journal_segments;
    // Those that wait at the same time get one segment together.
    assert!(now > segments, "{segments} and then {now}");
}

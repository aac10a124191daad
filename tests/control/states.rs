//! Every cell of the table in the docs of `pinfix::admin`.

use std::time::Duration;

use pinfix::admin::{Operation, Outcome, Ticket};
use pinfix::counters::ConnectionState;
use pinfix::session::fix::Decision;

use crate::pair::{LONG, Of, Pair, order};

/// The number under which Logons are put off.
const PUT_OFF: u64 = 7;

/// How a session may stand when a command comes, as the table calls it.
const STATES: [&str; 8] = [
    "held, not connected",
    "connecting",
    "logon sent",
    "admitting",
    "logged on",
    "resetting",
    "logging out",
    "closing",
];

#[test]
fn every_operation_in_every_state_comes_to_what_the_table_says() {
    let rows: Vec<Vec<&str>> = include_str!("../../src/admin/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .map(|row| {
            row.trim_end_matches('|')
                .split('|')
                .map(str::trim)
                .collect()
        })
        .collect();
    assert_eq!(rows[0][1..], STATES, "a column for every state");
    let named: Vec<_> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(named, Operation::NAMES, "a row for every operation");
    let mut found = String::new();
    let mut wrong = Vec::new();
    for row in &rows[1..] {
        found.push_str(&format!("//! | {}", row[0]));
        assert_eq!(row.len(), 1 + STATES.len(), "a cell for every state");
        for (state, expected) in STATES.into_iter().zip(&row[1..]) {
            let mut outcomes: Vec<_> = roles(state)
                .iter()
                .map(|of| outcome_in(state, row[0], *of))
                .collect();
            outcomes.dedup();
            let outcome = outcomes.join(" or ");
            if outcome != *expected {
                wrong.push(format!("{} {state}: {outcome}, not {expected}", row[0]));
            }
            found.push_str(&format!(" | {outcome}"));
        }
        found.push_str(" |\n");
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{found}");
}

/// Which side can be in a state: the client is an initiator, the venue an acceptor.
fn roles(state: &str) -> &'static [Of] {
    match state {
        "connecting" | "logon sent" => &[Of::Client],
        "admitting" => &[Of::Venue],
        _ => &[Of::Client, Of::Venue],
    }
}

/// A session in that state, and the command that brought it there if that is not done yet.
fn in_state(state: &str, of: Of) -> (Pair, Option<Ticket>) {
    let connecting = ["connecting", "logon sent", "admitting"].contains(&state);
    let mut pair = match state {
        _ if connecting => Pair::new(),
        // Time to be seen in.
        "closing" => Pair::up_with_linger(Duration::from_millis(500)),
        _ => Pair::up(),
    };
    let session = pair.session;
    let mut under_way = None;
    match state {
        "held, not connected" => {
            let ticket = pair.logout(of, LONG);
            assert_eq!(pair.outcome(of, ticket), Outcome::Done);
        }
        "connecting" => {
            pair.gate.close();
            pair.until(state, |pair| pair.state() == ConnectionState::Connecting);
        }
        "logon sent" => {
            while pair.state() != ConnectionState::LogonSent {
                pair.poll_client();
            }
        }
        "admitting" => {
            pair.venue_app.later = Some(PUT_OFF);
            pair.until(state, |pair| {
                pair.state_of(of) == ConnectionState::AwaitLogon
            });
        }
        "logged on" => {}
        "resetting" => {
            under_way = Some(pair.control(of).reset_in_session(session, LONG).unwrap());
            // The other side does not answer yet.
            pair.poll(of);
        }
        "logging out" => {
            under_way = Some(pair.logout(of, LONG));
            pair.poll(of);
            assert_eq!(pair.state_of(of), ConnectionState::LogoutSent);
        }
        "closing" => {
            let peer = of.peer();
            pair.logout(peer, LONG);
            pair.poll(peer);
            // It answers, and the other side does not close yet.
            while pair.state_of(of) != ConnectionState::Closing {
                pair.poll(of);
            }
        }
        _ => panic!("no state {state}"),
    }
    (pair, under_way)
}

fn operation(name: &str, (next_out, next_in): (u64, u64)) -> Operation {
    match name {
        "Logon" => Operation::Logon,
        "Logout" => Operation::Logout(order(None)),
        "Hold" => Operation::Hold(order(None)),
        "Release" => Operation::Release,
        "Disconnect" => Operation::Disconnect,
        "ResetInSession" => Operation::ResetInSession,
        "ResetNumbers" => Operation::ResetNumbers,
        "Remove" => Operation::Remove,
        "SetNextOut" => Operation::SetNextOut(next_out + 10),
        "SetNextIn" => Operation::SetNextIn(next_in + 10),
        "SequenceReset" => Operation::SequenceReset(next_out + 10),
        "TestRequest" => Operation::TestRequest,
        "ResendRequest" => Operation::ResendRequest { begin: 1, end: 0 },
        "RotateJournal" => Operation::RotateJournal,
        "Decide" => Operation::Decide {
            ticket: PUT_OFF,
            decision: Decision::Admit(None),
        },
        _ => panic!("no operation {name}"),
    }
}

fn outcome_in(state: &str, name: &str, of: Of) -> String {
    let (mut pair, under_way) = in_state(state, of);
    let operation = operation(name, pair.numbers(of));
    let session = pair.session;
    let ticket = pair.control(of).command(session, operation, LONG).unwrap();
    // It is taken while the session is in this state, whatever comes after.
    for _ in 0..3 {
        pair.poll(of);
    }
    pair.gate.open();
    if state == "admitting" {
        // Those who come next are let in.
        pair.venue_app.later = None;
        let now = pair.now();
        let decision = Decision::Admit(None);
        // Refused at the end of the cycle if nobody waits any more.
        let _ = pair.venue.outbound(now).decide(session, PUT_OFF, decision);
    }
    if state == "closing" {
        // It logged out, and may be logged on again.
        let peer = pair.control(of.peer());
        peer.command(session, Operation::Release, LONG).unwrap();
    }
    let outcome = match under_way {
        None => pair.outcome(of, ticket),
        Some(first) => pair.outcomes(of, [ticket, first])[0],
    };
    match outcome {
        Outcome::NoOp(_) => "NoOp".to_owned(),
        Outcome::Refused(_) => "Refused".to_owned(),
        outcome => format!("{outcome:?}"),
    }
}

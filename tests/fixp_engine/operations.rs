//! Every cell of the table of FIXP sessions in the docs of `pinfix::admin`.

use pinfix::admin::{HoldOrder, Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::session::Text;
use pinfix::session::fix::Decision;

use crate::PATIENCE;
use crate::pair::{Pair, Station};

/// How a session may stand when a command comes, as the table calls it.
const STATES: [&str; 5] = [
    "held, not connected",
    "negotiating",
    "negotiated",
    "established",
    "terminating",
];

#[derive(Clone, Copy, Debug)]
enum Of {
    Client,
    Gateway,
}

#[test]
fn every_operation_in_every_state_comes_to_what_the_table_says() {
    let rows: Vec<Vec<&str>> = include_str!("../../src/admin/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! > | "))
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
    let (mut found, mut wrong) = (String::new(), Vec::new());
    for row in &rows[1..] {
        found.push_str(&format!("//! > | {}", row[0]));
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

fn roles(state: &str) -> &'static [Of] {
    match state {
        "negotiating" => &[Of::Client],
        _ => &[Of::Client, Of::Gateway],
    }
}

fn station(pair: &mut Pair, of: Of) -> &mut Station {
    match of {
        Of::Client => &mut pair.client,
        Of::Gateway => &mut pair.gateway,
    }
}

/// Lets one side work, while the other says nothing.
fn poll(pair: &mut Pair, of: Of) {
    // As often as it takes for what was sent over loopback to have arrived and been dealt with.
    for _ in 0..200 {
        let now = pair.clock.now();
        let station = station(pair, of);
        station.engine.poll(now, &mut station.app);
    }
}

fn state_of(pair: &mut Pair, of: Of) -> ConnectionState {
    let station = station(pair, of);
    station.control.status(station.session).unwrap().state
}

fn order() -> HoldOrder {
    HoldOrder {
        reason: Text::lossy(b"for maintenance"),
        ..HoldOrder::default()
    }
}

fn in_state(state: &str, of: Of) -> Pair {
    let mut pair = Pair::new();
    match state {
        "held, not connected" => {
            pair.log_on();
            let station = station(&mut pair, of);
            let logout = Operation::Logout(order());
            station
                .control
                .command(station.session, logout, PATIENCE)
                .unwrap();
            assert_eq!(outcome(&mut pair, of), Outcome::Done);
        }
        "negotiating" => {
            while state_of(&mut pair, of) != ConnectionState::LogonSent {
                poll(&mut pair, of);
            }
        }
        "negotiated" => {
            poll(&mut pair, Of::Client);
            poll(&mut pair, Of::Gateway);
            if let Of::Client = of {
                // Its Establish is not answered.
                poll(&mut pair, Of::Client);
            }
            assert_ne!(state_of(&mut pair, of), ConnectionState::Up);
        }
        "established" => pair.log_on(),
        "terminating" => {
            pair.log_on();
            let now = pair.clock.now();
            let station = station(&mut pair, of);
            let mut out = station.engine.outbound(now);
            out.logout(station.session, Text::lossy(b"over")).unwrap();
            poll(&mut pair, of);
            assert_eq!(state_of(&mut pair, of), ConnectionState::LogoutSent);
        }
        _ => panic!("no state {state}"),
    }
    pair
}

fn outcome_in(state: &str, name: &str, of: Of) -> String {
    let mut pair = in_state(state, of);
    let station = station(&mut pair, of);
    let (next_out, next_in, _) = station.stand();
    let operation = match name {
        "Logon" => Operation::Logon,
        "Logout" => Operation::Logout(order()),
        "Hold" => Operation::Hold(order()),
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
            ticket: 1,
            decision: Decision::Admit(None),
        },
        _ => panic!("no operation {name}"),
    };
    let session = station.session;
    station
        .control
        .command(session, operation, PATIENCE)
        .unwrap();
    // It is taken while the session is in this state, whatever comes after.
    poll(&mut pair, of);
    match outcome(&mut pair, of) {
        Outcome::NoOp(_) => "NoOp".to_owned(),
        Outcome::Refused(_) => "Refused".to_owned(),
        outcome => format!("{outcome:?}"),
    }
}

/// What became of the only command that is under way.
fn outcome(pair: &mut Pair, of: Of) -> Outcome {
    let start = pair.clock.now();
    loop {
        let now = pair.clock.now();
        pair.gateway.engine.poll(now, &mut pair.gateway.app);
        pair.client.engine.poll(now, &mut pair.client.app);
        if let Some(completion) = station(pair, of).control.poll() {
            return completion.outcome;
        }
        assert!(now.mono.since(start.mono) < 2 * PATIENCE, "no completion");
    }
}

//! Commands from many threads while messages fly: each gets one completion, and nobody else notices.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, HoldOrder, Operation, Outcome, Ticket};
use pinfix::counters::{ConnectionState, SessionStatus};
use pinfix::engine::{Clock, Controller, Engine, EngineConfig, Idle, Run, SessionConfig, Stopper};
use pinfix::session::fix::Decision;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Farewell, Text};

use crate::pair::{App, Of};

#[test]
fn other_sessions_do_not_notice_a_command() {
    storm(1, 40, 6);
}

#[test]
fn every_command_gets_one_completion_under_load_from_four_threads() {
    // `PINFIX_COMMANDS=100000` for the long run, against a hundred sessions.
    let (wanted, sessions) = match std::env::var("PINFIX_COMMANDS") {
        Ok(count) => (count.parse().unwrap(), 100),
        Err(_) => (3000, 6),
    };
    let commands = storm(4, wanted / 4, sessions);
    assert!(commands >= wanted / 4 * 4, "{commands}");
}

/// The number under which one Logon of so many is put off at the venue.
const PUT_OFF: u64 = 7;
const PUT_OFF_EVERY: u64 = 5;

/// One side of session `number`: with an address to connect to, the client's.
fn config(number: usize, address: Option<SocketAddr>) -> SessionConfig {
    let name = format!("CLIENT{number}");
    let mut config = match address {
        None => SessionConfig::acceptor(&FIX44, "VENUE", &name),
        Some(address) => SessionConfig::initiator(&FIX44, &name, "VENUE", address),
    };
    // Small, because operators start new segments all the time.
    config.journal.retention.bytes = Some(1 << 20);
    config.journal.max_segment_bytes = 1 << 20;
    config.settings.logout.timeout = Duration::from_millis(500);
    config.settings.logon_timeout = Duration::from_millis(500);
    config.connect.reconnect = vec![Duration::from_millis(10)];
    config
}

/// `threads` controllers send `each` random commands to `count` sessions on which messages fly back and
/// forth; one more is left alone and must not lose its connection. Answers how many were sent.
fn storm(threads: u64, each: u64, count: usize) -> u64 {
    let stop = Stopper::default();
    // An engine lives on the thread that made it; the controllers come out over a channel.
    let run = |of: Of, address: Option<SocketAddr>| {
        let stop = stop.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        let engine = std::thread::spawn(move || {
            let now = Clock::new().now();
            let mut engine = Engine::new(EngineConfig::default()).unwrap();
            let bound = match of {
                Of::Venue => Some(engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap()),
                Of::Client => None,
            };
            let mut sessions = Vec::new();
            for number in 0..=count {
                sessions.push(engine.add_session(config(number, address), now).unwrap().0);
            }
            let controllers: Vec<Controller> = (0..=threads).map(|_| engine.controller()).collect();
            sender.send((bound, sessions.clone(), controllers)).unwrap();
            let mut app = App {
                volley: true,
                later: (of == Of::Venue).then_some(PUT_OFF),
                later_every: PUT_OFF_EVERY,
                ..App::default()
            };
            let run = Run {
                core: None,
                idle: Idle::Yield,
            };
            engine.run(&mut app, run, &stop).unwrap();
            let now = Clock::new().now();
            let sessions: Vec<_> = engine.outbound(now).sessions().collect();
            // By the name of the client: a place may have had several sessions.
            let ends: BTreeMap<_, _> = sessions
                .into_iter()
                .map(|session| {
                    let id = engine.outbound(now).id(session).unwrap().clone();
                    let client = match of {
                        Of::Client => id.sender_comp_id,
                        Of::Venue => id.target_comp_id,
                    };
                    let fault = engine.tally(session).unwrap().last_fault;
                    (client, (engine.next_numbers(session).unwrap(), fault))
                })
                .collect();
            (ends, app.received)
        });
        (engine, receiver.recv().unwrap())
    };
    let (venue, (address, _, mut at_venue)) = run(Of::Venue, None);
    let (client, (_, mut sessions, mut at_client)) = run(Of::Client, address);
    let alone = sessions.pop().unwrap();
    let mut judge = [at_client.pop().unwrap(), at_venue.pop().unwrap()];
    let controllers =
        at_client
            .into_iter()
            .zip(at_venue)
            .enumerate()
            .map(|(number, (client, venue))| match number % 2 {
                0 => (client, address),
                _ => (venue, None),
            });
    let limit = Duration::from_secs(20);
    let start = Instant::now();
    while !judge[0].is_logged_on(alone).unwrap() {
        assert!(start.elapsed() < limit);
        std::thread::yield_now();
    }

    let operators: Vec<_> = controllers
        .enumerate()
        .map(|(number, (controller, address))| {
            std::thread::spawn(move || operate(controller, count, address, each, number as u64))
        })
        .collect();
    let commands: u64 = operators
        .into_iter()
        .map(|operator| operator.join().unwrap())
        .sum();

    // Afterwards every session can be brought in order and logged on again, from both sides.
    for number in 0..count {
        let handles = [Some(address.unwrap()), None].map(|address| config(number, address));
        let mut pair = Vec::new();
        for (control, config) in judge.iter_mut().zip(handles) {
            let name = config.settings.id.to_string();
            let session = match control.session(&name) {
                Some(session) => session,
                None => {
                    let added = control.add_session(config, limit).unwrap();
                    assert_eq!(control.wait(added.ticket, limit), Outcome::Done);
                    added.session
                }
            };
            pair.push(session);
        }
        let mut all = |operation: Operation| {
            for (control, session) in judge.iter_mut().zip(&pair) {
                let ticket = control.command(*session, operation, limit).unwrap();
                let outcome = control.wait(ticket, limit);
                assert!(
                    matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
                    "{operation:?} of {number}: {outcome:?}"
                );
            }
        };
        all(Operation::Logout(HoldOrder::default()));
        all(Operation::ResetNumbers);
        all(Operation::Release);
        let start = Instant::now();
        while !(0..2).all(|at| judge[at].is_logged_on(pair[at]).unwrap()) {
            assert!(start.elapsed() < limit, "session {number} does not log on");
            let admit = Operation::Decide {
                ticket: PUT_OFF,
                decision: Decision::Admit(None),
            };
            let ticket = judge[1].command(pair[1], admit, limit).unwrap();
            judge[1].wait(ticket, limit);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for control in &judge {
        let status = control.status(alone).unwrap();
        assert_eq!((status.reconnects, status.state), (0, ConnectionState::Up));
        assert!(status.messages_in > 0);
    }
    stop.stop();
    let (client, received) = client.join().unwrap();
    let (venue, _) = venue.join().unwrap();
    assert!(received > 0);
    assert_eq!(client.len(), count + 1);
    assert!(client.keys().eq(venue.keys()));
    for ((ours, our_fault), (theirs, their_fault)) in client.into_values().zip(venue.into_values()) {
        // Both stop at the same time, so a last message or two may not have been taken.
        assert!(
            ours.0 >= theirs.1 && theirs.0 >= ours.1,
            "{ours:?} {theirs:?}"
        );
        println!("numbers {ours:?} and {theirs:?}, last faults {our_fault:?} and {their_fault:?}");
    }
    println!("{commands} commands, {received} messages at the client");
    commands
}

/// Sends random commands and keeps the books of their completions.
fn operate(
    mut control: Controller,
    sessions: usize,
    address: Option<SocketAddr>,
    count: u64,
    seed: u64,
) -> u64 {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut under_way: HashMap<Ticket, Instant> = HashMap::new();
    let mut outcomes: HashMap<String, u64> = HashMap::new();
    let mut tried: HashMap<&str, u64> = HashMap::new();
    let mut sent = 0;
    while sent < count || !under_way.is_empty() {
        if sent < count {
            let number = below(sessions as u64) as usize;
            let within = Duration::from_millis(1 + below(40));
            let reason = Text::new("drill").unwrap();
            let order = HoldOrder {
                reason,
                ..HoldOrder::default()
            };
            let name = config(number, address).settings.id.to_string();
            let Some(session) = control.session(&name) else {
                // Removed by somebody. Another may be adding it again at this moment.
                if let Ok(added) = control.add_session(config(number, address), within) {
                    assert_eq!(under_way.insert(added.ticket, Instant::now()), None);
                    *outcomes.entry("added".to_owned()).or_default() += 1;
                    sent += 1;
                }
                std::thread::yield_now();
                continue;
            };
            let numbers = control.status(session);
            let raised = |next: fn(&SessionStatus) -> u64, by| {
                numbers.as_ref().map(next).unwrap_or_default() + by
            };
            let next_out = raised(|status| status.next_out, below(4));
            let next_in = raised(|status| status.next_in, below(4));
            let decision = match below(2) {
                0 => Decision::Admit(None),
                _ => Decision::Refuse(Farewell {
                    text: reason,
                    status: None,
                }),
            };
            let operation = match below(40) {
                0..10 => Operation::Logon,
                10..13 => Operation::Logout(order),
                13..15 => Operation::Disconnect,
                15..17 => Operation::SetNextOut(next_out),
                17 => Operation::SetNextIn(next_in),
                18..20 => Operation::SequenceReset(next_out),
                20..22 => Operation::TestRequest,
                22..24 => Operation::ResendRequest {
                    begin: 1 + below(9),
                    end: below(12),
                },
                24..26 => Operation::RotateJournal,
                26..30 => Operation::Release,
                30 => Operation::Hold(order),
                31..34 => Operation::ResetInSession,
                34..36 => Operation::ResetNumbers,
                36 => Operation::Remove,
                _ => Operation::Decide {
                    ticket: PUT_OFF,
                    decision,
                },
            };
            *tried.entry(operation.name()).or_default() += 1;
            let ticket = control.command(session, operation, within);
            match ticket {
                Ok(ticket) => {
                    assert_eq!(under_way.insert(ticket, Instant::now()), None);
                    sent += 1;
                }
                Err(_) => assert_eq!(under_way.len(), COMMANDS_MAX),
            }
        }
        while let Some(completion) = control.poll() {
            let known = under_way.remove(&completion.ticket);
            assert!(
                known.is_some(),
                "a completion nobody waits for: {completion:?}"
            );
            let name = format!("{:?}", completion.outcome);
            *outcomes.entry(name).or_default() += 1;
        }
        assert!(
            under_way
                .values()
                .all(|at| at.elapsed() < Duration::from_secs(20)),
            "commands without a completion: {under_way:?}"
        );
        std::thread::sleep(Duration::from_micros(below(300)));
    }
    println!("operator {seed}: {outcomes:?} of {tried:?}");
    if count >= 500 {
        let named = |name: &&&str| tried.contains_key(**name);
        assert_eq!(Operation::NAMES.iter().filter(named).count(), 15);
    }
    sent
}

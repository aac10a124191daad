//! Commands from many threads while messages fly: each gets one completion, and nobody else notices.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, Operation, Outcome, Ticket};
use pinfix::counters::ConnectionState;
use pinfix::engine::{
    Clock, Controller, Engine, EngineConfig, Idle, Run, SessionConfig, SessionHandle, Stopper,
};
use pinfix::session::Text;
use pinfix::session::fix::rules::FIX44;

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
                let name = format!("CLIENT{number}");
                let mut config = match address {
                    None => SessionConfig::acceptor(&FIX44, "VENUE", &name),
                    Some(address) => SessionConfig::initiator(&FIX44, &name, "VENUE", address),
                };
                // Small, because operators start new segments all the time.
                config.journal.retention.bytes = Some(1 << 20);
                config.journal.max_segment_bytes = 1 << 20;
                config.settings.logout.timeout = Duration::from_millis(500);
                config.connect.reconnect = vec![Duration::from_millis(10)];
                sessions.push(engine.add_session(config, now).unwrap().0);
            }
            let controllers: Vec<Controller> = (0..=threads).map(|_| engine.controller()).collect();
            sender.send((bound, sessions.clone(), controllers)).unwrap();
            let mut app = App {
                volley: true,
                ..App::default()
            };
            let run = Run {
                core: None,
                idle: Idle::Yield,
            };
            engine.run(&mut app, run, &stop).unwrap();
            let ends: Vec<_> = sessions
                .iter()
                .map(|&session| {
                    let fault = engine.tally(session).unwrap().last_fault;
                    (engine.next_numbers(session).unwrap(), fault)
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
    let controllers = at_client
        .into_iter()
        .zip(at_venue)
        .enumerate()
        .map(|(number, (client, venue))| if number % 2 == 0 { client } else { venue });
    let limit = Duration::from_secs(20);
    let start = Instant::now();
    while !judge[0].is_logged_on(alone).unwrap() {
        assert!(start.elapsed() < limit);
        std::thread::yield_now();
    }

    let operators: Vec<_> = controllers
        .enumerate()
        .map(|(number, controller)| {
            let sessions = sessions.clone();
            std::thread::spawn(move || operate(controller, &sessions, each, number as u64))
        })
        .collect();
    let commands: u64 = operators
        .into_iter()
        .map(|operator| operator.join().unwrap())
        .sum();

    // Afterwards every session can be logged on again, from both sides.
    for &session in &sessions {
        let [client, venue] = &mut judge;
        let tickets = [
            venue.logon(session, limit).unwrap(),
            client.logon(session, limit).unwrap(),
        ];
        for (control, ticket) in [venue, client].into_iter().zip(tickets) {
            let outcome = control.wait(ticket, limit);
            assert!(
                matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
                "{outcome:?}"
            );
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
    for ((ours, our_fault), (theirs, their_fault)) in client.into_iter().zip(venue) {
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
fn operate(mut control: Controller, sessions: &[SessionHandle], count: u64, seed: u64) -> u64 {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut under_way: HashMap<Ticket, Instant> = HashMap::new();
    let mut outcomes: HashMap<String, u64> = HashMap::new();
    let mut sent = 0;
    while sent < count || !under_way.is_empty() {
        if sent < count {
            let session = sessions[below(sessions.len() as u64) as usize];
            let within = Duration::from_millis(1 + below(40));
            let reason = Text::new("drill").unwrap();
            // All but those that both sides must agree on, or that end the session for good.
            let numbers = control.status(session).map(|status| status.next_out);
            let raised = numbers.unwrap_or_default() + below(4);
            let ticket = match below(14) {
                0..4 => control.logon(session, within),
                4 | 5 => control.logout(session, reason, within),
                6 => control.disconnect(session, within),
                7 => control.set_next_out(session, raised, within),
                8 => control.set_next_in(session, 1, within),
                9 => control.sequence_reset(session, raised, within),
                10 => control.test_request(session, within),
                11 => control.resend_request(session, 1 + below(9), below(12), within),
                12 => control.rotate_journal(session, within),
                _ => control.command(session, Operation::Release, within),
            };
            match ticket {
                Ok(ticket) => {
                    assert_eq!(under_way.insert(ticket, Instant::now()), None);
                    sent += 1;
                }
                Err(_) => assert_eq!(under_way.len(), COMMANDS_MAX),
            }
            assert!(control.status(session).is_ok() || control.is_logged_on(session).is_err());
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
    println!("operator {seed}: {outcomes:?}");
    sent
}

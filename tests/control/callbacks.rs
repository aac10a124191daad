//! What callbacks may ask for: everything a controller may, and it comes to the same.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use pinfix::admin::{Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::engine::SessionConfig;
use pinfix::session::fix::Decision;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Refusal, Text};

use crate::pair::{At, LONG, Of, Pair, Wish, order, serve};

#[test]
fn callbacks_may_ask_for_logout_logon_and_disconnect() {
    let reason = Text::new("wish").unwrap();
    let logout: Wish = Box::new(move |session, out| out.logout(session, reason).unwrap());
    let both: Wish = Box::new(move |session, out| {
        out.logout(session, reason).unwrap();
        out.logon(session).unwrap();
    });
    let cut: Wish = Box::new(|session, out| out.disconnect(session).unwrap());
    for (wish, back) in [(logout, false), (both, true), (cut, true)] {
        let mut pair = Pair::up();
        pair.client_app.wishes.insert(At::Message, wish);
        let now = pair.now();
        let session = pair.session;
        serve(session, &mut pair.venue.outbound(now));
        pair.until("the end", |pair| pair.client_app.causes.len() == 1);
        if back {
            pair.until("the logon", |pair| pair.client_app.logons == 2);
            pair.until("the venue's side", Pair::both_up);
        } else {
            pair.pass(Duration::from_secs(60));
            assert_eq!(pair.client_app.logons, 1);
            assert!(pair.held());
        }
        assert_eq!(pair.client_app.received, 1);
        pair.assert_agreed();
    }
}

pub fn every_operation() -> [Operation; 15] {
    let all = [
        Operation::Logon,
        Operation::Logout(order(None)),
        Operation::Hold(order(None)),
        Operation::Release,
        Operation::Disconnect,
        Operation::ResetInSession,
        Operation::ResetNumbers,
        Operation::Remove,
        Operation::SetNextOut(20),
        Operation::SetNextIn(20),
        Operation::SequenceReset(20),
        Operation::TestRequest,
        Operation::ResendRequest { begin: 1, end: 0 },
        Operation::RotateJournal,
        Operation::Decide {
            ticket: 1,
            decision: Decision::Admit(None),
        },
    ];
    assert_eq!(all.map(|operation| operation.name()), Operation::NAMES);
    all
}

/// How things stand a while after.
fn ends(mut pair: Pair, operation: Operation) -> String {
    pair.pass(Duration::from_secs(3));
    if operation == Operation::RotateJournal {
        // The journal's next segment is made by a thread, which knows no virtual time.
        pair.until("a second segment", |pair| {
            let status = pair.client_control.status(pair.session).unwrap();
            status.journal_segments >= 2
        });
    }
    let entry = pair.client_control.sessions().next();
    let client = entry.map(|entry| {
        let status = entry.status;
        let numbers = (status.next_out, status.next_in);
        let answered = status.test_request_round_trip_ns > 0;
        let hold = entry.hold.map(|hold| hold.why.to_string());
        let segments = status.journal_segments;
        (status.state, numbers, hold, segments, answered)
    });
    let venue = pair.venue_control.status(pair.session).unwrap();
    let causes = (&pair.client_app.causes, &pair.client_app.told);
    format!(
        "{client:?} {:?} {:?} {causes:?}",
        (venue.next_out, venue.next_in),
        pair.client_app.logons
    )
}

/// Asked for in a callback, nothing happens before it returns; after it, the same as by a controller.
#[test]
pub fn every_operation_of_a_callback_comes_to_what_a_controller_gets() {
    for operation in every_operation() {
        for at in [At::Message, At::Logout] {
            let mut asked = Pair::up();
            let seen = Rc::new(RefCell::new(None));
            let notes = Rc::clone(&seen);
            let wish: Wish = Box::new(move |session, out| {
                let before = out.status(session);
                out.command(session, operation).unwrap();
                assert_eq!(
                    out.status(session),
                    before,
                    "not before the callback returns"
                );
                *notes.borrow_mut() = before;
            });
            asked.client_app.wishes.insert(at, wish);
            let mut given = Pair::up();
            for pair in [&mut asked, &mut given] {
                let session = pair.session;
                if at == At::Message {
                    let now = pair.now();
                    serve(session, &mut pair.venue.outbound(now));
                    pair.until("the order", |pair| pair.client_app.received == 1);
                } else {
                    let ticket = pair.logout(Of::Client, LONG);
                    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
                    pair.turn();
                }
            }
            let session = given.session;
            let _ = given
                .client_control
                .command(session, operation, LONG)
                .unwrap();
            assert!(seen.borrow().is_some(), "the callback was called");
            let (asked, given) = (ends(asked, operation), ends(given, operation));
            assert_eq!(asked, given, "{} at {at:?}", operation.name());
        }
    }
}

#[test]
fn a_callback_asks_how_sessions_are() {
    let mut pair = Pair::up();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    let wish: Wish = Box::new(move |session, out| {
        let id = out.id(session).unwrap().clone();
        assert_eq!(out.session(&id), Some(session));
        assert_eq!(out.sessions().collect::<Vec<_>>(), [session]);
        assert_eq!(out.status(session).unwrap().state, ConnectionState::Up);
        assert_eq!(out.hold(session), None);
        notes.borrow_mut().push(id.to_string());
    });
    pair.client_app.wishes.insert(At::Message, wish);
    let notes = Rc::clone(&seen);
    let wish: Wish = Box::new(move |session, out| {
        assert_eq!(out.status(session).unwrap().state, ConnectionState::Down);
        notes
            .borrow_mut()
            .push(out.hold(session).unwrap().why.to_string());
    });
    pair.client_app.wishes.insert(At::Logout, wish);
    let now = pair.now();
    let session = pair.session;
    serve(session, &mut pair.venue.outbound(now));
    pair.until("the order", |pair| pair.client_app.received == 1);
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!(*seen.borrow(), ["FIX.4.4:CLIENT->VENUE", "for maintenance"]);
}

#[test]
fn a_callback_adds_a_session_and_hears_what_became_of_it() {
    let mut pair = Pair::up();
    let address = pair.address;
    let config = move || SessionConfig::initiator(&FIX44, "SECOND", "VENUE", address);
    let now = pair.now();
    let peer = SessionConfig::acceptor(&FIX44, "VENUE", "SECOND");
    let (theirs, _) = pair.venue.add_session(peer, now).unwrap();
    for told in [
        "SessionAdded FIX.4.4:SECOND->VENUE",
        "SessionNotAdded session FIX.4.4:SECOND->VENUE",
    ] {
        let wish: Wish = Box::new(move |_, out| out.add_session(config()).unwrap());
        pair.client_app.wishes.insert(At::Message, wish);
        let now = pair.now();
        let session = pair.session;
        serve(session, &mut pair.venue.outbound(now));
        pair.until(told, |pair| !pair.client_app.told.is_empty());
        let said = pair.client_app.told.pop().unwrap();
        assert!(said.starts_with(told), "{said}");
    }
    pair.until("the logon", |pair| {
        pair.venue_control.is_logged_on(theirs).unwrap()
    });
    assert!(pair.both_up(), "the other session did not notice");
    // Its name leads to it, and it can be removed like any other.
    let ours = pair
        .client_control
        .session("FIX.4.4:SECOND->VENUE")
        .unwrap();
    let ticket = pair.client_control.remove_session(ours, LONG).unwrap();
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
}

#[test]
fn a_callback_that_adds_without_end_is_refused() {
    let mut pair = Pair::up();
    let refused = Rc::new(RefCell::new(0));
    let count = Rc::clone(&refused);
    let wish: Wish = Box::new(move |_, out| {
        for number in 0..1000 {
            let name = format!("MORE{number}");
            match out.add_session(SessionConfig::acceptor(&FIX44, &name, "X")) {
                Ok(()) => {}
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::TooManyWishes);
                    *count.borrow_mut() += 1;
                }
            }
        }
    });
    pair.client_app.wishes.insert(At::Message, wish);
    let now = pair.now();
    let session = pair.session;
    serve(session, &mut pair.venue.outbound(now));
    pair.until("the order", |pair| pair.client_app.received == 1);
    let taken = 1000 - *refused.borrow();
    assert!(taken >= 16, "{taken}");
    pair.until("all that were taken", |pair| {
        pair.client_app.told.len() == taken
    });
    assert_eq!(pair.client_control.sessions().count(), 1 + taken);
}

//! The stories told with QuickFIX as the peer, each for any version and role.

use std::path::Path;
use std::thread;
use std::time::Duration;

use pinfix::admin::Outcome;
use pinfix::counters::ConnectionState;
use pinfix::journal::{Entry, Item, Kind, Reader};
use pinfix::session::{Cause, Fault, Text, TlsFault};
use pinfix::wire::fix::{FieldIndex, msg_type, tag};

use super::ours::{Act, Drive, End};
use super::peer::{Failure, Role, Validation, Version};
use super::rig::{BURST_WAIT, Faults, Plan, QUIET_HEARTBEAT_S, Rig, STEP_WAIT, Wire};

/// Orders of each side in an undisturbed run.
const MANY: u64 = 10_000;
/// The same where another version of the same session layer has had [`MANY`].
const ENOUGH: u64 = 2_000;
/// Orders of each side in a run that is disturbed, and the one at which it is.
const SOME: u64 = 3_000;
const MIDDLE: u64 = 1_000;
/// Orders of each side that show that a session works.
const FEW: u64 = 100;
/// Longer than the peer and we take to connect again.
const RECONNECT_SPAN: Duration = Duration::from_millis(1_500);

/// Orders and reports both ways at once: exactly once, in order, every number accounted for.
pub fn orders(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        heartbeat_s: QUIET_HEARTBEAT_S,
        ..plan
    };
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        let count = match plan.version {
            Version::Fix42 | Version::Fix44 | Version::Fix50Sp2 => MANY,
            _ => ENOUGH,
        };
        rig.order_both_ways(count)?;
        rig.exchanged(count)?;
        let numbers = rig.agree(Faults::None)?;
        // The Logon, the orders, the reports.
        let expected = 2 + 2 * count;
        rig.expect(
            numbers == (expected, expected),
            &format!("next numbers are {numbers:?}, {expected} each expected"),
        )?;
        let tally = rig.ours.seen().tally;
        let resent = (
            tally.resent,
            tally.resend_requests_in,
            tally.resend_requests_out,
        );
        rig.expect(
            resent == (0, 0, 0),
            &format!("a gap without a cause: {tally:?}"),
        )?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// The connection is cut in the middle of a burst, by the peer.
pub fn peer_drops(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.peer.tell(&format!("when orders {MIDDLE} drop"))?;
        rig.order_both_ways(SOME)?;
        rig.peer.wait("when", BURST_WAIT)?;
        let mut lost = vec![Cause::ConnectionLost];
        if plan.wire == Wire::Tls {
            // It says no close_notify, and what was not read makes the end a reset: whichever comes first.
            let why = TlsFault::Truncated;
            lost.push(Cause::Fault(Fault::Tls { why }));
        }
        recovers(rig, &lost)
    })
}

/// The connection is cut in the middle of a burst, by our application.
pub fn we_drop(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.ours.when_order(MIDDLE, Act::Disconnect);
        rig.order_both_ways(SOME)?;
        rig.peer.wait("down", BURST_WAIT)?;
        recovers(rig, &[Cause::Disconnected])
    })
}

/// Logged on again after a cut: what was lost is asked for, and everything is there once.
/// It was cut once, by one of these causes.
fn recovers(rig: &mut Rig, causes: &[Cause]) -> Result<(), Failure> {
    rig.logged_on(2)?;
    rig.exchanged(SOME)?;
    rig.agree(Faults::None)?;
    let (tally, seen_ends) = {
        let seen = rig.ours.seen();
        (seen.tally, seen.ends.clone())
    };
    rig.expect(
        matches!(seen_ends[..], [end] if causes.contains(&end)),
        &format!("connections ended by {seen_ends:?}"),
    )?;
    // The rest of the peer's burst was numbered while it was not connected; over TLS it writes so much at a
    // time that there may be no rest, but then it lacks something of ours.
    let asked = match rig.wire() {
        Wire::Plain => tally.resend_requests_out,
        Wire::Tls => tally.resend_requests_out + tally.resend_requests_in,
    };
    rig.expect(
        asked >= 1,
        &format!("there was no gap to ask for: {tally:?}"),
    )?;
    rig.peer.stop(STEP_WAIT)
}

/// The connection is cut again and again, also in the middle of a recovery.
pub fn many_gaps(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        let cuts = 12;
        for cut in 1..=cuts {
            rig.ours
                .when_order(cut * SOME / (cuts + 1), Act::Disconnect);
        }
        rig.order_both_ways(SOME)?;
        rig.exchanged(SOME)?;
        rig.agree(Faults::None)?;
        let logons = rig.ours.seen().logons;
        rig.expect(logons == cuts + 1, &format!("{logons} logons, {cuts} cuts"))?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// As [`we_drop`], with room for next to nothing behind a gap: what finds none comes with the resend.
pub fn small_waiting_room(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        parked_max: 4,
        ..plan
    };
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.ours.when_order(FEW, Act::Disconnect);
        rig.order_both_ways(MANY)?;
        rig.logged_on(2)?;
        rig.exchanged(MANY)?;
        rig.agree(Faults::None)?;
        let tally = rig.ours.seen().tally;
        rig.expect(
            tally.parked_dropped > 0,
            &format!("there was room enough: {tally:?}"),
        )?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// While we are away the peer numbers more than fits any buffer; meanwhile new orders are sent.
pub fn long_gap(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        works(rig, FEW)?;
        rig.ours.halt(End::Dropped)?;
        rig.peer.wait("down", STEP_WAIT)?;
        rig.peer.tell(&format!("orders {MANY}"))?;
        rig.peer.wait_counts(&[("sent", FEW + MANY)], BURST_WAIT)?;
        rig.ours.order(FEW);
        rig.ours.resume()?;
        rig.logged_on(2)?;
        rig.peer.tell(&format!("orders {FEW}"))?;
        let last = MANY + 2 * FEW;
        rig.ours.until("what was missed", BURST_WAIT, |seen| {
            (seen.orders.last, seen.reports.last) == (last, 2 * FEW)
        })?;
        let wanted = [("orders-last", 2 * FEW), ("reports-last", last)];
        rig.peer.wait_counts(&wanted, BURST_WAIT)?;
        rig.agree(Faults::None)?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// The peer has lost its place and asks for everything we ever sent; meanwhile new orders are sent.
pub fn long_resend(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.peer.tell(&format!("orders {MANY}"))?;
        rig.peer
            .wait_counts(&[("reports-last", MANY)], BURST_WAIT)?;
        rig.agree(Faults::None)?;
        rig.peer.stop(STEP_WAIT)?;
        rig.peer_forgets(2)?;
        rig.respawn_peer()?;
        rig.logged_on(2)?;
        rig.ours.order(FEW);
        let wanted = [("reports", MANY), ("orders", FEW)];
        rig.peer.wait_counts(&wanted, BURST_WAIT)?;
        rig.ours
            .until("reports", STEP_WAIT, |seen| seen.reports.last == FEW)?;
        rig.agree(Faults::None)?;
        let tally = rig.ours.seen().tally;
        rig.expect(
            tally.resent >= MANY,
            &format!("not all was sent again: {tally:?}"),
        )?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// Our engine dies and is started again on its journal, at rest.
pub fn we_restart(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        works(rig, FEW)?;
        for (number, end) in [End::Dropped, End::Orderly].into_iter().enumerate() {
            let before = rig.agreed_numbers()?;
            rig.ours.halt(end)?;
            rig.peer.wait("down", STEP_WAIT)?;
            rig.ours.resume()?;
            let round = number as u64 + 2;
            rig.logged_on(round)?;
            let after = rig.agreed_numbers()?;
            rig.expect(
                after.0 > before.0 && after.1 > before.1,
                &format!("numbers were {before:?}, are {after:?} after {end:?}"),
            )?;
            works(rig, round * FEW)?;
            rig.agree(Faults::None)?;
        }
        rig.peer.stop(STEP_WAIT)
    })
}

/// Our engine dies in the middle of a burst and is started again on its journal.
pub fn we_restart_in_a_burst(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.order_both_ways(SOME)?;
        rig.ours
            .until("the middle of the burst", BURST_WAIT, |seen| {
                seen.orders.last >= MIDDLE
            })?;
        rig.ours.halt(End::Dropped)?;
        let at = rig.ours.seen().orders.last;
        rig.expect(
            at < SOME,
            "the burst was over before the engine was dropped",
        )?;
        rig.peer.wait("down", STEP_WAIT)?;
        rig.ours.resume()?;
        rig.logged_on(2)?;
        rig.exchanged(SOME)?;
        rig.agree(Faults::None)?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// The peer ends, in order and not, and is started again on its store, at rest.
pub fn peer_restarts(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        works(rig, FEW)?;
        for round in 2..=3 {
            let before = rig.agreed_numbers()?;
            if round == 2 {
                rig.peer.stop(STEP_WAIT)?;
            } else {
                rig.peer.tell("kill")?;
                rig.peer.wait_exit(STEP_WAIT)?;
            }
            rig.ours
                .until("the end of the connection", STEP_WAIT, |seen| {
                    seen.ends.len() as u64 == round - 1
                })?;
            rig.respawn_peer()?;
            rig.logged_on(round)?;
            let after = rig.agreed_numbers()?;
            rig.expect(
                after.0 > before.0 && after.1 > before.1,
                &format!("numbers were {before:?} and are {after:?}"),
            )?;
            works(rig, round * FEW)?;
            rig.agree(Faults::None)?;
        }
        let ends = rig.ours.seen().ends.clone();
        rig.expect(
            ends == [Cause::PeerLogout(Text::EMPTY.into()), Cause::ConnectionLost],
            &format!("connections ended by {ends:?}"),
        )?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// The peer is killed in the middle of a burst and started again on its store.
pub fn peer_dies_in_a_burst(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.peer.tell(&format!("when orders {MIDDLE} kill"))?;
        rig.order_both_ways(SOME)?;
        let status = rig.peer.wait_exit(BURST_WAIT)?;
        rig.expect(
            status.code() == Some(9),
            &format!("the peer ended with {status}"),
        )?;
        rig.ours
            .until("the end of the connection", STEP_WAIT, |seen| {
                seen.ends == [Cause::ConnectionLost]
            })?;
        rig.respawn_peer()?;
        rig.logged_on(2)?;
        // What it had sent comes again; the rest of its burst died with it.
        rig.agreed_numbers()?;
        let received = rig.ours.seen().orders.last;
        if received < SOME {
            let first = received + 1;
            rig.peer
                .tell(&format!("orders {} {first}", SOME - received))?;
        }
        rig.exchanged(SOME)?;
        rig.agree(Faults::None)?;
        let first = rig.peer.status()?.count("orders-first")?;
        rig.expect(
            first > MIDDLE,
            &format!("the restarted peer was given our order {first} again as new"),
        )?;
        rig.peer.stop(STEP_WAIT)
    })
}

/// The peer logs out with a text, stays out, and logs on again.
pub fn peer_logs_out(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        works(rig, FEW)?;
        let before = rig.agreed_numbers()?;
        rig.peer.tell("logout bye for now")?;
        rig.peer.wait("logout-sent bye for now", STEP_WAIT)?;
        rig.peer.wait("down", STEP_WAIT)?;
        rig.ours.until("the peer's Logout", STEP_WAIT, |seen| {
            seen.ends == [Cause::PeerLogout(Text::lossy(b"bye for now").into())]
        })?;
        thread::sleep(RECONNECT_SPAN);
        let logons = rig.ours.seen().logons;
        rig.expect(
            logons == 1,
            "we are logged on with a peer that is logged out",
        )?;
        rig.peer.tell("logon")?;
        goes_on(rig, before, Faults::None)
    })
}

/// An operator of ours logs the session out with a text, holds it, and logs it on again.
pub fn we_log_out(plan: Plan) -> Result<(), Failure> {
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        works(rig, FEW)?;
        let before = rig.agreed_numbers()?;
        let outcome = rig.ours.log_out("maintenance until noon")?;
        rig.expect(outcome == Outcome::Done, &format!("logout: {outcome:?}"))?;
        rig.peer
            .wait("logout-received maintenance until noon", STEP_WAIT)?;
        rig.peer.wait("down", STEP_WAIT)?;
        match plan.role {
            // The peer tries again each second, and is told why it may not.
            Role::Acceptor => {
                rig.peer.wait(
                    "logout-received Logon not allowed now: the session is on hold",
                    STEP_WAIT,
                )?;
            }
            Role::Initiator => thread::sleep(RECONNECT_SPAN),
        }
        let status = rig.ours.status()?;
        let ends = rig.ours.seen().ends.clone();
        rig.expect(
            status.held && ends == [Cause::LogoutConfirmed],
            &format!("held {}, ends {ends:?}", status.held),
        )?;
        let is_on = rig.peer.status()?.is_logged_on();
        rig.expect(!is_on, "the peer is logged on with a session on hold")?;
        if plan.role == Role::Initiator {
            rig.expect(
                status.state == ConnectionState::Down
                    && (status.next_out, status.next_in) == (before.0 + 1, before.1 + 1),
                &format!("an initiator on hold is {status:?}, its numbers were {before:?}"),
            )?;
        }
        let outcome = rig.ours.log_on()?;
        rig.expect(outcome == Outcome::Done, &format!("logon: {outcome:?}"))?;
        goes_on(rig, before, Faults::OnHold)
    })
}

/// Logged on again after a Logout, with numbers that continue.
fn goes_on(rig: &mut Rig, before: (u64, u64), faults: Faults) -> Result<(), Failure> {
    rig.logged_on(2)?;
    let after = rig.agreed_numbers()?;
    // A Logout and a Logon each, at least.
    rig.expect(
        after.0 >= before.0 + 2 && after.1 >= before.1 + 2,
        &format!("numbers were {before:?} and are {after:?}"),
    )?;
    works(rig, 2 * FEW)?;
    rig.agree(faults)?;
    rig.peer.stop(STEP_WAIT)
}

/// The peer checks every message of ours against its dictionary, those of a recovery as well.
pub fn dictionary(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        validation: Validation::Dictionary,
        heartbeat_s: 1,
        ..plan
    };
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        rig.ours.when_order(FEW, Act::Disconnect);
        rig.order_both_ways(5 * FEW)?;
        rig.logged_on(2)?;
        rig.exchanged(5 * FEW)?;
        thread::sleep(Duration::from_millis(2_200));
        rig.agree(Faults::None)?;
        // Our own refusals are messages too: received, and not found wrong.
        for (order, act) in [
            (5 * FEW + 1, Act::Reject),
            (5 * FEW + 2, Act::BusinessReject),
        ] {
            rig.ours.when_order(order, act);
            works(rig, order)?;
        }
        rig.agreed_numbers()?;
        only_our_refusals(rig)?;
        rig.we_are_content(Faults::None)?;
        let outcome = rig.ours.log_out("that is all")?;
        rig.expect(outcome == Outcome::Done, &format!("logout: {outcome:?}"))?;
        rig.peer.wait("logout-received that is all", STEP_WAIT)?;
        only_our_refusals(rig)
    })
}

/// That the peer has received our two refusals and found nothing wrong.
fn only_our_refusals(rig: &mut Rig) -> Result<(), Failure> {
    let complaints = rig.peer.complaints().join("\n");
    let lines: Vec<_> = complaints.lines().collect();
    let right = matches!(lines[..], [reject, business]
        if reject.starts_with("reject-received ") && business.starts_with("business-reject-received "));
    rig.expect(right, &format!("the peer found fault:\n{complaints}"))
}

/// Nothing to say for a while: heartbeats keep the session up.
pub fn heartbeats(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        heartbeat_s: 1,
        drive: Drive::Run,
        ..plan
    };
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        let before = rig.agreed_numbers()?;
        thread::sleep(Duration::from_millis(4_300));
        let after = rig.agreed_numbers()?;
        let moved = (after.0 - before.0, after.1 - before.1);
        // One a second; QuickFIX looks once a second and may be late by one.
        rig.expect(
            (3..=6).contains(&moved.0) && (2..=6).contains(&moved.1),
            &format!("in 4.3 s of silence the numbers moved by {moved:?}"),
        )?;
        let seen = rig.ours.seen().ends.clone();
        rig.expect(seen.is_empty(), &format!("connections ended by {seen:?}"))?;
        rig.peer.tell(&format!("orders {FEW}"))?;
        rig.ours
            .until("orders after the silence", STEP_WAIT, |seen| {
                seen.orders.last == FEW
            })?;
        rig.peer.wait_counts(&[("reports-last", FEW)], STEP_WAIT)?;
        rig.ours.halt(End::Orderly)?;
        rig.peer.wait("logout-received Engine stops", STEP_WAIT)?;
        rig.peer.wait("down", STEP_WAIT)?;
        let complaints = rig.peer.complaints().join("\n");
        rig.expect(complaints.is_empty(), &complaints)?;
        rig.we_are_content(Faults::None)
    })
}

/// Each side falls silent for longer than a heartbeat: the other asks, is answered, and stays.
pub fn silence(plan: Plan) -> Result<(), Failure> {
    let plan = Plan {
        heartbeat_s: 2,
        ..plan
    };
    Rig::tell(plan, |rig| {
        rig.logged_on(1)?;
        let span = Duration::from_millis(3_300);
        rig.peer.signal("STOP")?;
        thread::sleep(span);
        rig.peer.signal("CONT")?;
        let asked = rig.ours.until("our TestRequest", STEP_WAIT, |seen| {
            seen.tally.test_requests_out == 1
        });
        asked?;
        rig.agreed_numbers()?;
        let round_trip = rig.ours.status()?.test_request_round_trip_ns;
        rig.expect(round_trip > 0, "our TestRequest was not answered")?;
        rig.ours.be_silent(span);
        thread::sleep(span + Duration::from_millis(200));
        rig.agreed_numbers()?;
        works(rig, FEW)?;
        rig.agree(Faults::None)?;
        let seen = rig.ours.seen().ends.clone();
        rig.expect(seen.is_empty(), &format!("connections ended by {seen:?}"))?;
        rig.peer.stop(STEP_WAIT)?;
        let answers = answered_test_requests(&rig.ours.journal()?)?;
        // QuickFIX may ask when it wakes up as well.
        rig.expect(
            (1..=2).contains(&answers),
            &format!("we answered {answers} TestRequests"),
        )
    })
}

/// How many Heartbeats we sent with the TestReqID(112) that QuickFIX uses, by our journal.
fn answered_test_requests(journal: &Path) -> Result<u64, Failure> {
    let wrong = |e| Failure::new(format!("{}: {e}", journal.display()));
    let mut reader = Reader::open(journal).map_err(wrong)?;
    let mut index = FieldIndex::default();
    let mut answers = 0;
    while let Some(item) = reader.read().map_err(wrong)? {
        if let Item::Record(Entry {
            kind: Kind::Admin,
            frame,
            ..
        }) = item
            && let Ok(message) = index.read(frame)
            && message.msg_type() == msg_type::HEARTBEAT
            && message.get(tag::TEST_REQ_ID) == Some(b"TEST")
        {
            answers += 1;
        }
    }
    Ok(answers)
}

/// Orders both ways up to number `last` of each side.
fn works(rig: &mut Rig, last: u64) -> Result<(), Failure> {
    let (sent, received) = {
        let seen = rig.ours.seen();
        (seen.sent_last, seen.orders.last)
    };
    rig.ours.order(last - sent);
    rig.peer
        .tell(&format!("orders {} {}", last - received, received + 1))?;
    rig.exchanged(last)
}

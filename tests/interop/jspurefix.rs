//! The stories told with jspurefix as the peer: an initiator on FIX.4.4 that begins with
//! ResetSeqNumFlag(141)=Y and pads BodyLength(9).

use std::fs;
use std::process::{Command, Stdio};

use pinfix::admin::Outcome;
use pinfix::session::Cause;

use super::ours::{Drive, Ours, Setup};
use super::peer::{Failure, Peer, Role, Version, directory};
use super::rig::{BURST_WAIT, LOGON_WAIT, OURS, Place, STEP_WAIT, THEIRS};

/// Orders of each side.
const SOME: u64 = 1_000;

/// True if `install.sh` has prepared it.
pub fn is_installed() -> bool {
    let file = |name: &str| fs::read(directory().join(name)).ok();
    let lock = file("package-lock.json");
    let node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    lock.is_some()
        && lock == file("node_modules/.installed-lock")
        && node.is_ok_and(|status| status.success())
}

/// Orders both ways; the peer logs out; it comes again with new numbers, and we log out.
pub fn orders_and_logouts() -> Result<(), Failure> {
    let place = Place::new()?;
    let mut ours = Ours::start(Setup {
        version: Version::Fix44,
        role: Role::Acceptor,
        sender: OURS,
        target: THEIRS,
        port: 0,
        heartbeat_s: 30,
        journals: place.path().join("journals"),
        drive: Drive::Embedded,
        parked_max: 1024,
        tls: None,
    })?;

    let mut peer = spawn(ours.port())?;
    exchange(&mut ours, &mut peer, 1, 1)?;
    peer.tell("logout")?;
    peer.wait("stopped", STEP_WAIT)?;
    ours.until("the peer's Logout", STEP_WAIT, |seen| {
        matches!(seen.ends[..], [Cause::PeerLogout(_)])
    })?;
    content(&ours, &mut peer)?;

    let mut peer = spawn(ours.port())?;
    exchange(&mut ours, &mut peer, 2, SOME + 1)?;
    let outcome = ours.log_out("closing time")?;
    if outcome != Outcome::Done {
        return Err(ours.failure(&format!("logout: {outcome:?}")));
    }
    peer.wait("logout-received closing time", STEP_WAIT)?;
    peer.wait("stopped", STEP_WAIT)?;
    ours.until("the answer to our Logout", STEP_WAIT, |seen| {
        seen.ends.last() == Some(&Cause::LogoutConfirmed)
    })?;
    content(&ours, &mut peer)
}

/// A Logon and then orders both ways, numbered from `first`, in a series of numbers that began with
/// this connection.
fn exchange(ours: &mut Ours, peer: &mut Peer, logons: u64, first: u64) -> Result<(), Failure> {
    let last = first + SOME - 1;
    let told = (|| {
        peer.wait("logon", LOGON_WAIT)?;
        ours.until("our logon", LOGON_WAIT, |seen| seen.logons == logons)?;
        peer.tell(&format!("orders {SOME} {first}"))?;
        ours.order(SOME);
        ours.until("orders and reports", BURST_WAIT, |seen| {
            (seen.orders.last, seen.reports.last) == (last, last)
        })?;
        let expected = 2 + 2 * SOME;
        peer.wait_counts(
            &[
                ("orders", SOME),
                ("orders-first", first),
                ("orders-errors", 0),
                ("reports", SOME),
                ("reports-errors", 0),
                ("in", expected),
                ("out", expected),
            ],
            STEP_WAIT,
        )?;
        let status = ours.status()?;
        if (status.next_out, status.next_in) == (expected, expected) {
            Ok(())
        } else {
            Err(ours.failure(&format!("next numbers are not {expected}")))
        }
    })();
    told.map_err(|failure: Failure| peer.failure(&ours.failure(&failure.to_string()).to_string()))
}

fn content(ours: &Ours, peer: &mut Peer) -> Result<(), Failure> {
    let complaints = peer.complaints().join("\n");
    let seen = ours.seen();
    let tally = seen.tally;
    let right = complaints.is_empty()
        && seen.errors.is_empty()
        && (seen.orders.errors, seen.reports.errors) == (0, 0)
        && (tally.garbled, tally.faults, tally.rejects_in) == (0, 0, 0);
    drop(seen);
    if right {
        Ok(())
    } else {
        Err(ours.failure(&format!("somebody found fault: {complaints}")))
    }
}

fn spawn(port: u16) -> Result<Peer, Failure> {
    let mut command = Command::new("node");
    command
        .arg(directory().join("jspurefix/initiator.js"))
        .args(["--port", &port.to_string()])
        .args(["--sender", THEIRS, "--target", OURS, "--heartbeat", "30"]);
    let mut peer = Peer::spawn("jspurefix initiator", &mut command)?;
    peer.wait("ready", LOGON_WAIT)?;
    Ok(peer)
}

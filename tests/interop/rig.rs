//! One trial's two sides: our engine and a QuickFIX process, their journal and store in a directory
//! that goes with the trial.
//!
//! Invariant: what both sides say about one stream of messages is compared, never what one says alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use pinfix::journal;
use pinfix::session::Fault;

use super::ours::{Drive, End, Ours, Setup};
use super::peer::{Certificates, Failure, Peer, QuickFix, Role, Validation, Version};

/// How we are called, and how the peer is.
pub const OURS: &str = "PINFIX";
pub const THEIRS: &str = "PEER";

/// How long a logon may take: QuickFIX tries once a second, and reads dictionaries for seconds.
pub const LOGON_WAIT: Duration = Duration::from_secs(20);
/// How long a burst may take.
pub const BURST_WAIT: Duration = Duration::from_secs(60);
/// How long anything else may take.
pub const STEP_WAIT: Duration = Duration::from_secs(10);

/// A directory that is removed with its owner.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Result<Self, Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            // Not in the directory for temporary files, which others clean.
            let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("interop-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left behind by a process that was killed, and had our number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::new(format!(
                        "cannot create {}: {e}",
                        path.display()
                    )));
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary directory.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A port nobody uses now.
pub fn free_port() -> Result<u16, Failure> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| Failure::new(format!("no free port: {e}")))
}

/// The heartbeat of runs with a gap. QuickFIX serves a ResendRequest that is too high, does not keep its
/// number, and notices that one is missing with the next message: a Heartbeat, where nothing else is said.
const RECOVERY_HEARTBEAT_S: u32 = 2;
/// Longer than any run, so that no Heartbeat is among what is counted.
pub const QUIET_HEARTBEAT_S: u32 = 300;

/// What a trial is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub version: Version,
    /// Our role; QuickFIX has the other one.
    pub role: Role,
    pub heartbeat_s: u32,
    pub validation: Validation,
    pub drive: Drive,
    /// The port they meet on; 0 for any.
    pub port: u16,
    /// How many messages may wait behind a gap on our side.
    pub parked_max: usize,
    /// What is below the messages.
    pub wire: Wire,
}

/// What is below the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Plain,
    /// TLS; both sides show a certificate, and look at that of the other.
    Tls,
}

impl Plan {
    pub fn new(version: Version, role: Role) -> Self {
        Self {
            version,
            role,
            heartbeat_s: RECOVERY_HEARTBEAT_S,
            validation: Validation::HeaderOnly,
            drive: Drive::Embedded,
            port: 0,
            parked_max: 1024,
            wire: Wire::Plain,
        }
    }
}

/// Faults of the peer that our side is expected to have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    None,
    /// Logons while an operator held the session.
    OnHold,
}

/// Both sides.
pub struct Rig {
    plan: Plan,
    pub ours: Ours,
    pub peer: Peer,
    place: Place,
    tls: Option<Certificates>,
}

impl Rig {
    /// Starts both sides and tells a failure of `story` with what both saw.
    pub fn tell(
        plan: Plan,
        story: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut rig = Self::start(plan)?;
        story(&mut rig)
            .and_then(|()| rig.ours.halt(End::Dropped))
            .and_then(|()| rig.our_journal_is_sound())
            .map_err(|failure| rig.explain(&failure))
    }

    fn start(plan: Plan) -> Result<Self, Failure> {
        let place = Place::new()?;
        let tls = match plan.wire {
            Wire::Plain => None,
            Wire::Tls => Some(Certificates::make(place.path())?),
        };
        let mut setup = Setup {
            tls: tls.clone(),
            version: plan.version,
            role: plan.role,
            sender: OURS,
            target: THEIRS,
            port: plan.port,
            heartbeat_s: plan.heartbeat_s,
            journals: place.path().join("journals"),
            drive: plan.drive,
            parked_max: plan.parked_max,
        };
        let (ours, peer) = match plan.role {
            Role::Acceptor => {
                let ours = Ours::start(setup)?;
                let peer = spawn(plan, ours.port(), &place, tls.as_ref())?;
                (ours, peer)
            }
            Role::Initiator => {
                if setup.port == 0 {
                    setup.port = free_port()?;
                }
                let peer = spawn(plan, setup.port, &place, tls.as_ref())?;
                (Ours::start(setup)?, peer)
            }
        };
        Ok(Self {
            plan,
            ours,
            peer,
            place,
            tls,
        })
    }

    /// What is below the messages.
    pub fn wire(&self) -> Wire {
        self.plan.wire
    }

    /// Starts the peer again, on the store it had, after it has ended.
    pub fn respawn_peer(&mut self) -> Result<(), Failure> {
        let (port, tls) = (self.ours.port(), self.tls.as_ref());
        self.peer = spawn(self.plan, port, &self.place, tls)?;
        Ok(())
    }

    /// Makes a peer that has ended believe that it has received nothing from `next_in` on.
    pub fn peer_forgets(&self, next_in: u64) -> Result<(), Failure> {
        let begin_string = self.plan.version.begin_string();
        let name = format!("store/{begin_string}-{THEIRS}-{OURS}.seqnums");
        let path = self.place.path().join(name);
        let wrong = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", path.display()));
        let text = fs::read_to_string(&path).map_err(|e| wrong(&e))?;
        // Next number out, then in, ten digits each.
        let (out, _) = text.split_once(" : ").ok_or_else(|| wrong(&text))?;
        fs::write(&path, format!("{out} : {next_in:010}")).map_err(|e| wrong(&e))
    }

    /// Waits until both sides say they are logged on, ours for the `times`th time.
    pub fn logged_on(&mut self, times: u64) -> Result<(), Failure> {
        self.peer.wait("logon", LOGON_WAIT)?;
        self.ours
            .until("our logon", LOGON_WAIT, |seen| seen.logons >= times)
    }

    /// Sends a burst of orders from both sides at once.
    pub fn order_both_ways(&mut self, count: u64) -> Result<(), Failure> {
        self.peer.tell(&format!("orders {count}"))?;
        self.ours.order(count);
        Ok(())
    }

    /// Waits until both sides have seen the other's orders up to `last`, and the reports of all of
    /// theirs.
    pub fn exchanged(&mut self, last: u64) -> Result<(), Failure> {
        let end = Instant::now() + BURST_WAIT;
        self.ours.until("orders and reports", BURST_WAIT, |seen| {
            !seen.errors.is_empty() || (seen.orders.last >= last && seen.reports.last >= last)
        })?;
        let left = end.saturating_duration_since(Instant::now());
        self.peer
            .wait_counts(&[("orders-last", last), ("reports-last", last)], left)?;
        Ok(())
    }

    /// Compares both sides now that nothing is under way: every order and report exactly once, the
    /// numbers equal, nobody found fault with the other. Answers our next numbers, out and in.
    pub fn agree(&mut self, faults: Faults) -> Result<(u64, u64), Failure> {
        let ours = self.agreed_numbers()?;
        let status = self.peer.status()?;
        for stream in ["orders", "reports"] {
            let count = |name: &str| status.count(&format!("{stream}{name}"));
            let seen = (count("-first")?, count("-last")?, count("")?);
            if seen.2 > 0 && seen.1 + 1 != seen.0 + seen.2 {
                return Err(self
                    .peer
                    .failure(&format!("{stream} first, last, count: {seen:?}")));
            }
            if count("-errors")? != 0 {
                return Err(self.peer.failure(&format!("{stream} were wrong")));
            }
        }
        let complaints = self.peer.complaints().join("\n");
        if !complaints.is_empty() {
            return Err(self
                .peer
                .failure(&format!("the peer found fault:\n{complaints}")));
        }
        self.we_are_content(faults)?;
        Ok(ours)
    }

    /// That nothing went wrong in our view.
    pub fn we_are_content(&self, faults: Faults) -> Result<(), Failure> {
        let seen = self.ours.seen();
        let tally = seen.tally;
        let right = seen.errors.is_empty()
            && (seen.orders.errors, seen.reports.errors, seen.rejects) == (0, 0, 0)
            && (tally.garbled, tally.rejects_in) == (0, 0)
            && match faults {
                Faults::None => tally.faults == 0,
                Faults::OnHold => tally.last_fault.is_none_or(|fault| fault == Fault::OnHold),
            };
        let errors = seen.errors.join("\n");
        drop(seen);
        if right {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "our side is not content, {faults:?} expected: {tally:?}\n{errors}"
            )))
        }
    }

    /// Waits until what each side sends next is what the other expects next.
    pub fn agreed_numbers(&mut self) -> Result<(u64, u64), Failure> {
        let end = Instant::now() + STEP_WAIT;
        loop {
            let theirs = self.peer.status()?;
            let ours = self.ours.status()?;
            // One moment on our side between two looks at the peer: it did not change meanwhile.
            let again = self.peer.status()?;
            let still = |name| Ok::<_, Failure>(theirs.count(name)? == again.count(name)?);
            let (they_expect, they_send) = (theirs.count("in")?, theirs.count("out")?);
            if still("in")?
                && still("out")?
                && (ours.next_out, ours.next_in) == (they_expect, they_send)
            {
                return Ok((ours.next_out, ours.next_in));
            }
            if Instant::now() >= end {
                return Err(self.peer.failure(&format!(
                    "numbers differ: we send {} and {they_expect} is expected, the peer sends \
                     {they_send} and we expect {}",
                    ours.next_out, ours.next_in
                )));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn our_journal_is_sound(&self) -> Result<(), Failure> {
        match journal::verify(&self.ours.journal()?) {
            Ok(totals) if totals.is_sound() => Ok(()),
            outcome => Err(self.ours.failure(&format!("our journal: {outcome:?}"))),
        }
    }

    /// A failure of this trial, with what both sides saw.
    pub fn failure(&mut self, what: &str) -> Failure {
        self.peer.failure(what)
    }

    /// `truth`, or a failure that says `what`.
    pub fn expect(&mut self, truth: bool, what: &str) -> Result<(), Failure> {
        if truth {
            Ok(())
        } else {
            Err(self.failure(what))
        }
    }

    fn explain(&mut self, failure: &Failure) -> Failure {
        let told = failure.to_string();
        let told = if told.contains("--- stdout") {
            told
        } else {
            self.peer.failure(&told).to_string()
        };
        if told.contains("--- our events") {
            Failure::new(told)
        } else {
            self.ours.failure(&told)
        }
    }
}

fn spawn(plan: Plan, port: u16, place: &Place, tls: Option<&Certificates>) -> Result<Peer, Failure> {
    let role = match plan.role {
        Role::Acceptor => Role::Initiator,
        Role::Initiator => Role::Acceptor,
    };
    let mut peer = QuickFix {
        role,
        version: plan.version,
        port,
        sender: THEIRS,
        target: OURS,
        store: &place.path().join("store"),
        heartbeat_s: plan.heartbeat_s,
        validation: plan.validation,
        tls,
    }
    .spawn()?;
    peer.wait("ready", LOGON_WAIT)?;
    Ok(peer)
}

//! Nothing is lost, and no number is used twice, when the process is killed at any moment.
//!
//! A child process runs an engine with one session under load, its journal on disk. The parent plays
//! the counterparty over a raw socket, with framing and encoding of its own, kills the child with
//! SIGKILL at moments that a seed chooses, starts it again on the same journal, and keeps the books:
//!
//! * no MsgSeqNum(34) ever carries other content than it did before, and none is used again for
//!   something new;
//! * every message the child's engine said it had sent arrives, exactly once not counting
//!   PossDupFlag(43)=Y copies of what arrived before;
//! * the child's application sees every message of the counterparty at least once and in order, at
//!   most one of them again after a kill;
//! * at the end, the journal on disk tells the same story.
//!
//! `cargo test --test crash` kills 25 times. A thousand times:
//!
//! ```text
//! PINFIX_KILLS=1000 cargo test --release --test crash
//! ```
//!
//! `PINFIX_SEED=n` chooses other moments; the seed is printed.
#![allow(clippy::unwrap_used)]

mod child;
mod peer;

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use pinfix::journal::{Item, Kind, Reader, verify};

use peer::{Peer, Seen, content};

/// Set for the child: the directory of its journal.
const DIRECTORY: &str = "PINFIX_CRASH_DIRECTORY";
/// Set for the child: the port of its counterparty.
const PORT: &str = "PINFIX_CRASH_PORT";
/// Set for the child: which of its lives this is. The last one, which sends nothing new, is "end".
const LIFE: &str = "PINFIX_CRASH_LIFE";

/// Longest life of a child, if what it is to be killed at does not come to pass.
const LIFE_MAX: Duration = Duration::from_millis(500);

fn main() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        let port = std::env::var(PORT).unwrap().parse().unwrap();
        let life = std::env::var(LIFE).unwrap();
        child::live(Path::new(&directory), port, &life);
        return;
    }
    let trial = Trial::test("a_killed_session_goes_on_where_it_was", || {
        let number = |name, default| {
            std::env::var(name).map_or(Ok(default), |text| {
                text.parse::<u64>()
                    .map_err(|_| Failed::from(format!("{name}={text} is no number")))
            })
        };
        kill_and_check(number("PINFIX_KILLS", 25)?, number("PINFIX_SEED", 1)?).map_err(Failed::from)
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

/// The moment of a kill: an event, and a pause after it.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Start,
    Connection,
    Logon,
    /// Either side asked for a resend.
    Recovery,
    /// The child's journal went on to another segment.
    Segment,
    /// This many messages of the child arrived.
    Messages(u64),
}

/// How far the child had got when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    NotConnected,
    NoLogon,
    LoggedOn,
    Recovering,
    Trading(u64),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("not connected yet"),
            Self::NoLogon => f.write_str("connected, no Logon arrived"),
            Self::LoggedOn => f.write_str("Logon arrived, nothing after it"),
            Self::Recovering => f.write_str("while a gap was open"),
            Self::Trading(most) => write!(f, "trading, up to {most} messages arrived"),
        }
    }
}

/// What the child said about itself.
#[derive(Default)]
struct Reports {
    /// Content ids its engine accepted for sending.
    sent: HashSet<String>,
    /// The last message its application saw.
    last_seen: u64,
    seen_again: u64,
    unpublished: u64,
}

struct Run {
    peer: Peer,
    reports: Reports,
    directory: PathBuf,
}

fn kill_and_check(kills: u64, seed: u64) -> Result<(), String> {
    let directory = std::env::temp_dir().join(format!("pinfix-crash-{}", std::process::id()));
    let mut run = Run {
        peer: Peer::new(),
        reports: Reports::default(),
        directory: directory.clone(),
    };
    let started = Instant::now();
    let mut random = Random(seed);
    let mut stages: Vec<(Stage, bool)> = Vec::new();
    for life in 0..kills {
        let stage = run
            .live_and_die(life, &mut random)
            .map_err(|error| format!("seed {seed}, life {life}: {error}"))?;
        stages.push(stage);
    }
    run.end()
        .map_err(|error| format!("seed {seed}, at the end: {error}"))?;
    let account = run.settle_accounts()?;
    println!(
        "seed {seed}: {kills} kills in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    println!("{account}");
    stages.sort_unstable();
    for group in stages.chunk_by(|one, two| one.0 == two.0) {
        let rolled = group.iter().filter(|(_, rolled)| *rolled).count();
        println!(
            "{:>6} killed {}, {rolled} of them within 1 ms of going on to another segment",
            group.len(),
            group[0].0
        );
    }
    std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())
}

impl Run {
    fn spawn(&self, life: &str) -> Result<(Child, Receiver<String>), String> {
        let mut child = Command::new(std::env::current_exe().map_err(|error| error.to_string())?)
            .env(DIRECTORY, &self.directory)
            .env(PORT, self.peer.port().to_string())
            .env(LIFE, life)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (lines, reports) = mpsc::channel();
        let stdout = child.stdout.take().ok_or("the child has no output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                // A line the kill cut short has no end, and is not a report.
                let Ok(line) = line else { return };
                if lines
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok((child, reports))
    }

    /// One life of the child, killed at a random moment.
    fn live_and_die(&mut self, life: u64, random: &mut Random) -> Result<(Stage, bool), String> {
        let (moment, pause) = match random.below(8) {
            0 => (Moment::Start, random.below(40_000)),
            1 => (Moment::Connection, random.below(1500)),
            2 => (Moment::Logon, random.below(1500)),
            3 => (Moment::Recovery, random.below(3000)),
            4 | 5 => (Moment::Segment, random.below(300)),
            6 => (Moment::Messages(random.below(50)), random.below(300)),
            _ => (Moment::Messages(random.below(2000)), random.below(300)),
        };
        // In every other life the counterparty loses what was under way as well, so that there is
        // something to recover.
        let deaf = random.below(2) == 0;
        let pause = Duration::from_micros(if deaf { 4 * pause } else { pause });
        self.peer.begin_life();
        let started = Instant::now();
        let (mut child, reports) = self.spawn(&life.to_string())?;
        let mut kill_at = None;
        let mut segment_at: Option<Instant> = None;
        loop {
            let work = match kill_at {
                Some(_) if deaf => 0,
                _ => self.peer.turn(true)?,
            };
            while let Ok(report) = reports.try_recv() {
                if report.starts_with("segment") {
                    segment_at = Some(Instant::now());
                }
                self.reports.take(&report)?;
            }
            let come = match moment {
                Moment::Start => true,
                Moment::Connection => self.peer.is_connected(),
                Moment::Logon => self.peer.is_logged_on(),
                Moment::Recovery => self.peer.recoveries_in_life > 0,
                Moment::Segment => segment_at.is_some(),
                Moment::Messages(count) => {
                    self.peer.is_logged_on() && self.peer.received_in_life >= count
                }
            };
            let now = Instant::now();
            if come {
                kill_at.get_or_insert(now + pause);
            }
            if kill_at.is_some_and(|at| now >= at) || started.elapsed() >= LIFE_MAX {
                break;
            }
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the child ended by itself: {status}"));
            }
            if work == 0 {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        // On Unix this is SIGKILL.
        child.kill().map_err(|error| error.to_string())?;
        let rolled = segment_at.is_some_and(|at| at.elapsed() < Duration::from_millis(1));
        child.wait().map_err(|error| error.to_string())?;
        if !deaf {
            self.peer.drain()?;
        }
        // The channel ends with the child's output.
        for report in reports {
            self.reports.take(&report)?;
        }
        let stage = match self.peer.received_in_life {
            _ if !self.peer.was_connected() => Stage::NotConnected,
            _ if !self.peer.is_logged_on() => Stage::NoLogon,
            _ if self.peer.is_recovering() => Stage::Recovering,
            0 => Stage::LoggedOn,
            count => Stage::Trading(10u64.pow(count.ilog10() + 1)),
        };
        self.peer.end_life();
        Ok((stage, rolled))
    }

    /// The last life: nothing new is sent, everything missing is fetched, then a clean logout.
    fn end(&mut self) -> Result<(), String> {
        self.peer.begin_life();
        let (mut child, reports) = self.spawn("end")?;
        let started = Instant::now();
        while !self.peer.is_logged_out() {
            let work = self.peer.turn(false)?;
            if self.peer.is_logged_on() && !self.peer.is_recovering() {
                self.peer.wind_up();
            }
            while let Ok(report) = reports.try_recv() {
                self.reports.take(&report)?;
            }
            if started.elapsed() > Duration::from_secs(20) {
                let _ = child.kill();
                return Err(format!(
                    "the recovery does not come to its end: {}, last seen by the child {}",
                    self.peer.describe(),
                    self.reports.last_seen
                ));
            }
            if work == 0 {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        self.peer.end_life();
        let status = child.wait().map_err(|error| error.to_string())?;
        for report in reports {
            self.reports.take(&report)?;
        }
        if status.success() {
            Ok(())
        } else {
            Err(format!("the last child ended with {status}"))
        }
    }

    /// Compares what the counterparty saw, what the child said, and what the journal holds.
    fn settle_accounts(&self) -> Result<String, String> {
        let arrived = self.peer.arrived();
        if let Some(lost) = self.reports.sent.iter().find(|id| !arrived.contains(*id)) {
            return Err(format!(
                "{lost} was accepted by the child's engine and never arrived"
            ));
        }
        if self.reports.last_seen != self.peer.last_id() {
            return Err(format!(
                "the counterparty sent {} messages, the child's application saw {}",
                self.peer.last_id(),
                self.reports.last_seen
            ));
        }
        let journal = std::fs::read_dir(&self.directory)
            .and_then(|mut entries| entries.next().ok_or(std::io::ErrorKind::NotFound)?)
            .map_err(|error| error.to_string())?
            .path();
        let totals = verify(&journal).map_err(|error| error.to_string())?;
        if !totals.is_sound() {
            return Err(format!("the journal is not sound: {totals:?}"));
        }
        let mut reader = Reader::open(&journal).map_err(|error| error.to_string())?;
        let mut kept = 0;
        while let Some(item) = reader.read().map_err(|error| error.to_string())? {
            let Item::Record(entry) = item else { continue };
            if entry.kind != Kind::Application {
                continue;
            }
            kept += 1;
            let ours = content(&peer::fields(entry.frame)?);
            match self.peer.seen(entry.seq) {
                Some(Seen::Application(theirs)) if *theirs == ours => {}
                other => {
                    return Err(format!(
                        "MsgSeqNum {} is {ours:?} in the journal and {other:?} at the counterparty",
                        entry.seq
                    ));
                }
            }
        }
        if kept != arrived.len() {
            return Err(format!(
                "{kept} messages in the journal, {} arrived",
                arrived.len()
            ));
        }
        Ok(format!(
            "{kept} messages out, {} in ({} seen again), {} copies, {} resends asked of the child, {} by it, \
             {} segments, {} frames cut that were being written",
            self.peer.last_id(),
            self.reports.seen_again,
            self.peer.copies,
            self.peer.asked,
            self.peer.was_asked,
            totals.segments,
            self.reports.unpublished,
        ))
    }
}

impl Reports {
    fn take(&mut self, report: &str) -> Result<(), String> {
        let (what, about) = report.split_once(' ').unwrap_or((report, ""));
        match what {
            "sent" => {
                self.sent.insert(about.to_owned());
            }
            "saw" => {
                let id: u64 = about.parse().map_err(|_| format!("report {report:?}"))?;
                if id == self.last_seen {
                    self.seen_again += 1;
                } else if id != self.last_seen + 1 {
                    return Err(format!(
                        "the child's application saw {id} after {}",
                        self.last_seen
                    ));
                }
                self.last_seen = id;
            }
            "unpublished" => self.unpublished += 1,
            "segment" => {}
            "failed" => return Err(format!("the child says: {about}")),
            _ => return Err(format!("the child says: {report}")),
        }
        Ok(())
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

//! The lives of a child: started, killed at a moment that a seed chooses, started again.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::LIFE;

/// Longest life of a child, if what it is to be killed at does not come to pass.
const LIFE_MAX: Duration = Duration::from_millis(500);

/// How long the last life may take to recover what is missing.
const END_MAX: Duration = Duration::from_secs(20);

/// The other side of the child's connection, and the books about both.
pub(crate) trait Counterparty {
    /// The child, all but which of its lives this is.
    fn command(&self) -> Command;
    /// A line of the child's output.
    fn take(&mut self, report: &str) -> Result<(), String>;
    fn begin_life(&mut self);
    fn end_life(&mut self);
    /// Connects or accepts, receives, answers, sends. Answers how much there was to do.
    fn turn(&mut self, load: bool) -> Result<usize, String>;
    /// Takes what the killed child left in the socket.
    fn drain(&mut self) -> Result<(), String>;
    /// Ends the last life in order, if everything is there.
    fn wind_up(&mut self) -> Result<(), String>;
    fn is_connected(&self) -> bool;
    fn was_connected(&self) -> bool;
    fn is_logged_on(&self) -> bool;
    fn is_logged_out(&self) -> bool;
    /// A gap is open.
    fn is_recovering(&self) -> bool;
    fn received_in_life(&self) -> u64;
    /// How often either side asked for what it missed.
    fn recoveries_in_life(&self) -> u64;
    /// Where the session stands, for an error.
    fn describe(&self) -> String;
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

/// What came of some lives.
pub(crate) struct Lives {
    random: Random,
    stages: Vec<(Stage, bool)>,
}

impl Lives {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            stages: Vec::new(),
        }
    }

    /// So many lives, each killed at a random moment, and a last one that ends in order.
    pub(crate) fn live(&mut self, kills: u64, peer: &mut impl Counterparty) -> Result<(), String> {
        for life in 0..kills {
            let stage = self
                .live_and_die(life, peer)
                .map_err(|error| format!("life {life}: {error}"))?;
            self.stages.push(stage);
        }
        end(peer).map_err(|error| format!("at the end: {error}"))
    }

    /// At which stages the child was killed, and how often at each.
    pub(crate) fn print_stages(&mut self) {
        self.stages.sort_unstable();
        for group in self.stages.chunk_by(|one, two| one.0 == two.0) {
            let rolled = group.iter().filter(|(_, rolled)| *rolled).count();
            println!(
                "{:>6} killed {}, {rolled} of them within 1 ms of going on to another segment",
                group.len(),
                group[0].0
            );
        }
    }

    /// One life of the child, killed at a random moment.
    fn live_and_die(
        &mut self,
        life: u64,
        peer: &mut impl Counterparty,
    ) -> Result<(Stage, bool), String> {
        let random = &mut self.random;
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
        peer.begin_life();
        let started = Instant::now();
        let (mut child, reports) = spawn(peer, &life.to_string())?;
        let mut kill_at = None;
        let mut segment_at: Option<Instant> = None;
        loop {
            let work = match kill_at {
                Some(_) if deaf => 0,
                _ => peer.turn(true)?,
            };
            while let Ok(report) = reports.try_recv() {
                if report.starts_with("segment") {
                    segment_at = Some(Instant::now());
                }
                peer.take(&report)?;
            }
            let come = match moment {
                Moment::Start => true,
                Moment::Connection => peer.is_connected(),
                Moment::Logon => peer.is_logged_on(),
                Moment::Recovery => peer.recoveries_in_life() > 0,
                Moment::Segment => segment_at.is_some(),
                Moment::Messages(count) => peer.is_logged_on() && peer.received_in_life() >= count,
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
            peer.drain()?;
        }
        // The channel ends with the child's output.
        for report in reports {
            peer.take(&report)?;
        }
        let stage = match peer.received_in_life() {
            _ if !peer.was_connected() => Stage::NotConnected,
            _ if !peer.is_logged_on() => Stage::NoLogon,
            _ if peer.is_recovering() => Stage::Recovering,
            0 => Stage::LoggedOn,
            count => Stage::Trading(10u64.pow(count.ilog10() + 1)),
        };
        peer.end_life();
        Ok((stage, rolled))
    }
}

/// The last life: nothing new is sent, everything missing is fetched, then a clean logout.
fn end(peer: &mut impl Counterparty) -> Result<(), String> {
    peer.begin_life();
    let (mut child, reports) = spawn(peer, "end")?;
    let started = Instant::now();
    while !peer.is_logged_out() {
        let work = peer.turn(false)?;
        if peer.is_logged_on() && !peer.is_recovering() {
            peer.wind_up()?;
        }
        while let Ok(report) = reports.try_recv() {
            peer.take(&report)?;
        }
        if started.elapsed() > END_MAX {
            let _ = child.kill();
            return Err(format!(
                "the recovery does not come to its end: {}",
                peer.describe()
            ));
        }
        if work == 0 {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    peer.end_life();
    let status = child.wait().map_err(|error| error.to_string())?;
    for report in reports {
        peer.take(&report)?;
    }
    if status.success() {
        Ok(())
    } else {
        Err(format!("the last child ended with {status}"))
    }
}

fn spawn(peer: &impl Counterparty, life: &str) -> Result<(Child, Receiver<String>), String> {
    let mut child = peer
        .command()
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

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

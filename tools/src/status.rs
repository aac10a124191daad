//! Status pages as the tools look at them: by path, whoever writes there now.
//!
//! An engine that starts anew puts another page under the same name; an engine that died leaves its last
//! page. A [`Watched`] path follows the first and goes on showing the second. Looking only reads memory,
//! so the engine never notices.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use pinfix::counters::{
    EngineIdentity, EngineStatus, LatencySnapshot, Liveness, ReadError, SessionEntry, Stage,
    StatusReader,
};
use pinfix::time::Utc;

/// An engine writes ten times a second; one that has not for this long is stalled.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A slot that is being written is read again after this long: the engine may have lost its time slice.
const BUSY_PAUSE: Duration = Duration::from_micros(50);
const BUSY_TRIES: usize = 20;

/// A page by its path.
pub struct Watched {
    path: PathBuf,
    reader: Option<(FileId, StatusReader)>,
}

/// What tells a file from another that was put in its place.
type FileId = (u64, u64);

/// Whether the engine behind a page works, as an operator wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Running,
    /// Its process is there and does not turn.
    Stalled(Duration),
    /// It ended in order.
    Ended,
    /// Its process is gone without a farewell.
    Died,
    /// The file was removed; its engine may go on, unseen by whoever comes now.
    Unlinked,
}

impl Health {
    /// Whether the numbers are of now.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Running | Self::Unlinked)
    }
}

/// Everything a page says, at about one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Utc,
    pub identity: EngineIdentity,
    pub pid: u64,
    pub health: Health,
    /// All zero before the engine's first word.
    pub engine: EngineStatus,
    pub sessions: Vec<Session>,
    /// Slots that could not be read.
    pub unreadable: usize,
    /// Mistakes of connections that never logged on.
    pub stranger_faults: Vec<(&'static str, u64)>,
    latency: [LatencySnapshot; Stage::ALL.len()],
}

/// One session of it.
#[derive(Clone, Debug)]
pub struct Session {
    pub entry: SessionEntry,
    pub faults: Vec<(&'static str, u64)>,
}

impl Sample {
    fn of(reader: &StatusReader, at: Utc, health: Health) -> Self {
        let mut sample = Self {
            at,
            identity: reader.identity(),
            pid: reader.pid(),
            health,
            engine: patiently(|| reader.engine()).unwrap_or_default(),
            sessions: Vec::new(),
            unreadable: 0,
            stranger_faults: reader.stranger_faults().collect(),
            latency: Stage::ALL.map(|stage| reader.latency(stage)),
        };
        for slot in 0..reader.capacity() {
            match patiently(|| reader.session(slot)) {
                Ok(Some(entry)) => sample.sessions.push(Session {
                    entry,
                    faults: reader.faults(slot).collect(),
                }),
                Ok(None) => {}
                Err(_) => sample.unreadable += 1,
            }
        }
        sample
    }

    pub fn latency(&self, stage: Stage) -> &LatencySnapshot {
        &self.latency[stage as usize]
    }

    /// A percentile of a stage in nanoseconds; never above the maximum, which is known exactly.
    pub fn percentile_ns(&self, stage: Stage, quantile: f64) -> u64 {
        let snapshot = self.latency(stage);
        let value = snapshot.histogram.value_at_quantile(quantile);
        value.min(snapshot.max_ns)
    }

    /// How long ago the engine said anything; zero before its first word.
    pub fn age(&self) -> Duration {
        let said = self.engine.updated_utc.0.max(self.identity.started.0);
        Duration::from_nanos(self.at.0.saturating_sub(said))
    }
}

impl Watched {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            reader: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the page says now, or why there is none to read. Of a page that was there before and is
    /// gone, the last that it said.
    pub fn look(&mut self) -> Result<Sample, String> {
        let there = fs::metadata(&self.path)
            .ok()
            .map(|file| (file.dev(), file.ino()));
        let known = self.reader.as_ref().map(|(id, _)| *id);
        if known.is_none() || (there.is_some() && there != known) {
            match StatusReader::open(&self.path) {
                // If the file was replaced since it was looked at, the next look opens the new one.
                Ok(reader) => self.reader = Some((there.unwrap_or_default(), reader)),
                // What was put there is no page: the old one still tells more.
                Err(_) if known.is_some() => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let Some((_, reader)) = &self.reader else {
            return Err(format!("no status page at {}", self.path.display()));
        };
        let at = now();
        let health = match reader.liveness(at, PATIENCE) {
            Liveness::Running if there.is_none() => Health::Unlinked,
            Liveness::Running => Health::Running,
            Liveness::Stalled(silent) => Health::Stalled(silent),
            Liveness::Ended => Health::Ended,
            Liveness::Gone => Health::Died,
        };
        Ok(Sample::of(reader, at, health))
    }
}

/// The wall clock.
pub fn now() -> Utc {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Utc(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Reads again what was being written.
fn patiently<T>(read: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
    for _ in 1..BUSY_TRIES {
        match read() {
            Err(ReadError::Busy) => thread::sleep(BUSY_PAUSE),
            done => return done,
        }
    }
    read()
}

#[cfg(test)]
pub mod made {
    //! Samples for tests, from a real page of this process.

    use pinfix::counters::StatusPage;

    use super::*;

    /// What `write` puts on a page for `capacity` sessions of an engine that has run for an hour and two
    /// minutes at `since`, seen at `at` with this health.
    pub fn sample(
        [since, at]: [Utc; 2],
        health: Health,
        capacity: usize,
        write: impl FnOnce(&mut StatusPage),
    ) -> Sample {
        let identity = EngineIdentity {
            name: "london".to_owned(),
            started: Utc(since.0 - 3_720_000_000_000),
        };
        let mut page = StatusPage::create(None, capacity, &identity).expect("memory");
        write(&mut page);
        Sample {
            pid: 4711,
            ..Sample::of(&page.reader(), at, health)
        }
    }
}

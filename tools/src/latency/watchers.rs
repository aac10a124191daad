//! Those who watch an engine while it works: what `pinfix top`, a scrape of `pinfix metrics` and an
//! application that asks a thousand times a second how its session is, read of the status page.
//!
//! They look while they are told to, at the same rates of that time, so that it can be compared with time
//! in which nobody looks.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use pinfix::engine::{Controller, SessionHandle};
use serde_json::{Value, json};

use super::cores::{self, Cores};
use super::course::{Course, Step};
use super::results::{Durations, Measured, us};
use crate::metrics::families;
use crate::status::Watched;
use crate::top::board::Board;

/// Between two status queries.
const QUERY_EVERY: Duration = Duration::from_millis(1);

/// How many queries go by between two looks of `top`, and between two scrapes: one second's worth.
const QUERIES_PER_LOOK: u64 = 1000;

/// How long the engine is watched, and then left alone, before that changes.
pub const SECTION: Duration = Duration::from_millis(250);

/// What the watchers read, and how much of it they have read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    pub queries: u64,
    pub looks: u64,
    pub scrapes: u64,
    /// How long they were told to look.
    pub span: Duration,
}

/// The client's end of the session that is asked about, for the thread that asks.
pub type Subject = (Controller, SessionHandle);

/// Room for one who watches, and the file of the page.
pub struct Watch {
    pub page: PathBuf,
    pub subject: Mutex<Option<Subject>>,
    pub core: Option<usize>,
}

impl Watch {
    pub fn new(page: &Path, engines: Cores) -> Self {
        Self {
            page: page.to_owned(),
            subject: Mutex::new(None),
            core: spare_core(engines),
        }
    }

    /// Where the watchers run, for people.
    pub fn place(&self) -> String {
        match self.core {
            Some(core) => format!("on core {core}"),
            None => {
                "on the cores of the engines, for want of another: they take turns with them".into()
            }
        }
    }
}

/// A core that no engine of this run uses.
fn spare_core(engines: Cores) -> Option<usize> {
    let mut allowed = cores::allowed().into_iter();
    allowed.find(|core| !engines.uses(*core))
}

/// Looks whenever the course says so, until the run ends.
pub fn run(watch: &Watch, course: &Course) -> anyhow::Result<Looked> {
    if let Some(core) = watch.core {
        cores::pin(core)?;
    }
    let mut pages = [Watched::new(&watch.page)];
    let mut top = Watched::new(&watch.page);
    let mut board = Board::new(watch.page.display().to_string());
    let mut looked = Looked::default();
    let mut subject = None;
    let mut due = Instant::now();
    let mut began: Option<Instant> = None;
    while course.step() != Step::Finish {
        if !course.is_watched() {
            if let Some(began) = began.take() {
                looked.span += began.elapsed();
            }
            thread::sleep(QUERY_EVERY);
            due = Instant::now();
            continue;
        }
        began.get_or_insert_with(Instant::now);
        if subject.is_none() {
            let mut waiting = watch
                .subject
                .lock()
                .map_err(|_| anyhow!("the client is gone"))?;
            subject = waiting.take();
        }
        let (controller, session) = subject.as_ref().context("nobody to watch")?;
        controller.status(*session).context("a status query")?;
        looked.queries += 1;
        match looked.queries % QUERIES_PER_LOOK {
            1 => {
                board.take(top.look());
                looked.looks += 1;
            }
            500 => {
                let text = families::render(&families::look(&mut pages));
                looked.scrapes += u64::from(!text.is_empty());
            }
            _ => {}
        }
        due += QUERY_EVERY;
        // Those that were missed for want of a core are not made up for all at once.
        let now = Instant::now();
        match due.checked_duration_since(now) {
            Some(left) => thread::sleep(left),
            None => due = now,
        }
    }
    if let Some(began) = began {
        looked.span += began.elapsed();
    }
    Ok(looked)
}

/// What a run with watchers measured beside what it measures without.
pub struct Compared {
    /// Round trips while somebody looked; the others are those of [`Measured`].
    pub round_trip: Durations,
    /// Cycles of the client's engine that had something to do.
    pub cycle_alone: Durations,
    pub cycle: Durations,
}

impl Compared {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            round_trip: Durations::new()?,
            cycle_alone: Durations::new()?,
            cycle: Durations::new()?,
        })
    }

    /// The table and its ratios.
    pub fn table(&self, measured: &Measured, looked: &Looked, place: &str) -> String {
        let rows = [
            ("trip alone", &measured.round_trip),
            ("trip watched", &self.round_trip),
            ("cycle alone", &self.cycle_alone),
            ("cycle watched", &self.cycle),
        ];
        let mut text = Durations::head();
        for (name, durations) in rows {
            text.push_str(&durations.row(name));
            text.push('\n');
        }
        let ratio = |quantile: f64| {
            let trip = ratio(&self.round_trip, &measured.round_trip, quantile);
            let cycle = ratio(&self.cycle, &self.cycle_alone, quantile);
            (trip, cycle)
        };
        let ((trip_50, cycle_50), (trip_99, cycle_99)) = (ratio(0.5), ratio(0.99));
        let Looked {
            queries,
            looks,
            scrapes,
            span,
        } = looked;
        text.push_str(&format!(
            "  watched to alone: round trip p50 {trip_50:.2} p99 {trip_99:.2}, cycle p50 {cycle_50:.2} \
             p99 {cycle_99:.2}\n\n  \
             watched: {queries} status queries, {looks} looks of `top` and {scrapes} scrapes of `metrics` \
             in {:.2} s,\n  \
             {place}.\n  \
             cycles: those of the client's engine in which there was something to do.\n",
            span.as_secs_f64()
        ));
        text
    }

    pub fn json(&self, measured: &Measured, looked: &Looked, core: Option<usize>) -> Value {
        json!({
            "round_trip_ns": self.round_trip.json(),
            "cycle_ns": self.cycle.json(),
            "cycle_alone_ns": self.cycle_alone.json(),
            "messages": self.round_trip.count(),
            "ratio_round_trip_p50": ratio(&self.round_trip, &measured.round_trip, 0.5),
            "ratio_round_trip_p99": ratio(&self.round_trip, &measured.round_trip, 0.99),
            "ratio_cycle_p50": ratio(&self.cycle, &self.cycle_alone, 0.5),
            "ratio_cycle_p99": ratio(&self.cycle, &self.cycle_alone, 0.99),
            "queries": looked.queries,
            "looks": looked.looks,
            "scrapes": looked.scrapes,
            "span_s": looked.span.as_secs_f64(),
            "core": core,
        })
    }
}

fn ratio(watched: &Durations, alone: &Durations, quantile: f64) -> f64 {
    us(watched.at(quantile)) / us(alone.at(quantile).max(1))
}

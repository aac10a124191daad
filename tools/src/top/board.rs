//! What the screen is about: the last look at the page, what changed since the one before, and what the
//! user chose. No terminal in here.
//!
//! Invariant: a rate is a difference of two looks at one run of an engine; when another engine writes
//! the page, or counters fall, there is none.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pinfix::counters::{ConnectionState, LatencySnapshot, SessionEntry, SessionStatus, Stage};
use pinfix::session::{Cause, Protocol};
use pinfix::time::Utc;

use super::words;
use crate::status::{Sample, Session};

/// How many looks the curves go back.
const HISTORY_MAX: usize = 240;

/// A mistake of the peer is pointed out for this long.
const FAULT_IS_NEWS: Duration = Duration::from_secs(60);

/// Silence is pointed out when it lasts as long as one heartbeat and this share of another.
const SILENCE_TENTHS: u64 = 12;

/// How much a session wants to be looked at, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// It should be up and is not, or its peer is silent.
    Alarm,
    /// Something goes on that should pass.
    Watch,
    /// An operator holds it.
    Held,
    /// Down as the schedule says.
    Quiet,
    /// As it should be.
    Fine,
}

impl Concern {
    /// Told apart without any colour.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Alarm => "▲",
            Self::Watch => "◆",
            Self::Held => "■",
            Self::Quiet => "○",
            Self::Fine => "●",
        }
    }
}

/// Per second, between the last two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub messages_out: f64,
    pub messages_in: f64,
    pub bytes_out: f64,
    pub bytes_in: f64,
}

/// A session as it is shown.
#[derive(Clone, Debug)]
pub struct Row {
    pub entry: SessionEntry,
    pub faults: Vec<(&'static str, u64)>,
    pub rates: Option<Rates>,
    pub concern: Concern,
    /// One word for its state.
    pub word: String,
    /// What there is to say about it; empty if nothing.
    pub note: String,
}

impl Row {
    pub fn status(&self) -> &SessionStatus {
        &self.entry.status
    }
}

/// Percentiles of a stage in the time between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
}

/// Per second, of the engine, between the last two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EngineRates {
    pub cycles: f64,
    /// Of all cycles, those with something to do, from 0 to 1.
    pub busy: f64,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Concern,
    Name,
    Rate,
    Silence,
    Faults,
    Backlog,
}

impl Order {
    const ALL: [Self; 6] = [
        Self::Concern,
        Self::Name,
        Self::Rate,
        Self::Silence,
        Self::Faults,
        Self::Backlog,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Concern => "trouble first",
            Self::Name => "name",
            Self::Rate => "message rate",
            Self::Silence => "last inbound",
            Self::Faults => "faults",
            Self::Backlog => "what waits",
        }
    }

    fn moved(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|order| *order == self);
        Self::ALL[(at.unwrap_or_default() + by) % Self::ALL.len()]
    }

    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let rate = |row: &Row| row.rates.map_or(0.0, |r| r.messages_in + r.messages_out);
        let backlog = |row: &Row| {
            let status = row.status();
            (status.parked + status.queued, status.unsent_bytes)
        };
        match self {
            Self::Concern => a.concern.cmp(&b.concern),
            Self::Name => Ordering::Equal,
            Self::Rate => rate(b).total_cmp(&rate(a)),
            Self::Silence => a.status().last_in_utc.cmp(&b.status().last_in_utc),
            Self::Faults => b.status().faults.cmp(&a.status().faults),
            Self::Backlog => backlog(b).cmp(&backlog(a)),
        }
        .then_with(|| a.entry.id.cmp(&b.entry.id))
    }
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    List,
    /// The session in this slot.
    Session(usize),
    Help,
}

/// Where typed characters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    Commands,
    Filter,
}

/// The state of the screen.
pub struct Board {
    pub page: String,
    pub sample: Option<Sample>,
    /// Why there was nothing to read at the last look.
    pub missing: Option<String>,
    pub rates: Option<EngineRates>,
    history: [VecDeque<Option<Moment>>; Stage::ALL.len()],
    rows: Vec<Row>,
    pub view: View,
    pub typing: Typing,
    pub filter: String,
    pub order: Order,
    pub reversed: bool,
    pub paused: bool,
    /// Slot of the chosen session.
    selected: Option<usize>,
}

impl Board {
    pub fn new(page: String) -> Self {
        Self {
            page,
            sample: None,
            missing: None,
            rates: None,
            history: Default::default(),
            rows: Vec::new(),
            view: View::List,
            typing: Typing::Commands,
            filter: String::new(),
            order: Order::Concern,
            reversed: false,
            paused: false,
            selected: None,
        }
    }

    /// Takes the next look at the page, unless the user wants to study the last one.
    pub fn take(&mut self, look: Result<Sample, String>) {
        if self.paused {
            return;
        }
        let sample = match look {
            Ok(sample) => sample,
            Err(why) => {
                self.missing = Some(why);
                return;
            }
        };
        self.missing = None;
        let before = self
            .sample
            .take()
            .filter(|before| before.pid == sample.pid && before.identity == sample.identity);
        if before.is_none() {
            self.history = Default::default();
        }
        self.rates = before
            .as_ref()
            .and_then(|before| engine_rates(before, &sample));
        if let Some(before) = &before {
            for (stage, history) in Stage::ALL.into_iter().zip(&mut self.history) {
                if history.len() == HISTORY_MAX {
                    history.pop_front();
                }
                history.push_back(between(before.latency(stage), sample.latency(stage)));
            }
        }
        let earlier: HashMap<usize, &Session> = before
            .iter()
            .flat_map(|before| &before.sessions)
            .map(|session| (session.entry.slot, session))
            .collect();
        let passed = before
            .as_ref()
            .map_or(0.0, |before| seconds_between(before.at, sample.at));
        self.rows = sample
            .sessions
            .iter()
            .map(|session| {
                let before = earlier.get(&session.entry.slot);
                let before = before.filter(|before| before.entry.id == session.entry.id);
                let rates = before
                    .and_then(|before| rates(&before.entry.status, &session.entry.status, passed));
                row(&sample, session, rates)
            })
            .collect();
        self.sample = Some(sample);
        self.keep_selection();
    }

    /// All sessions, in the order of the page.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The sessions that fit the filter, in the chosen order.
    pub fn shown(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let fits =
            |row: &&Row| row.entry.id.to_lowercase().contains(&wanted) || row.word.contains(&wanted);
        let mut rows: Vec<&Row> = self.rows.iter().filter(fits).collect();
        rows.sort_by(|a, b| self.order.compare(a, b));
        if self.reversed {
            rows.reverse();
        }
        rows
    }

    /// Place of the chosen session among those shown.
    pub fn selected(&self) -> Option<usize> {
        let slot = self.selected?;
        self.shown().iter().position(|row| row.entry.slot == slot)
    }

    pub fn row_in(&self, slot: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.entry.slot == slot)
    }

    pub fn selected_slot(&self) -> Option<usize> {
        self.selected
    }

    /// Moves the choice by so many rows, as far as there are any.
    pub fn step(&mut self, by: isize) {
        let shown = self.shown();
        let Some(last) = shown.len().checked_sub(1) else {
            return;
        };
        let at = self.selected().unwrap_or_default();
        let to = at.saturating_add_signed(by).min(last);
        self.selected = Some(shown[to].entry.slot);
    }

    pub fn next_order(&mut self) {
        self.order = self.order.moved(1);
        self.reversed = false;
    }

    pub fn previous_order(&mut self) {
        self.order = self.order.moved(Order::ALL.len() - 1);
        self.reversed = false;
    }

    pub fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.keep_selection();
    }

    /// Percentiles of a stage at the last look, if anything happened in between.
    pub fn moment(&self, stage: Stage) -> Option<Moment> {
        self.history[stage as usize].back().copied().flatten()
    }

    /// The 99th percentile of a stage at each look, the oldest first; `None` where nothing happened.
    pub fn p99s(&self, stage: Stage) -> Vec<Option<u64>> {
        let history = self.history[stage as usize].iter();
        history.map(|moment| moment.map(|m| m.p99_ns)).collect()
    }

    /// A choice that is not shown any more becomes the first row.
    fn keep_selection(&mut self) {
        if self.selected().is_none() {
            self.selected = self.shown().first().map(|row| row.entry.slot);
        }
    }
}

fn row(sample: &Sample, session: &Session, rates: Option<Rates>) -> Row {
    // Of an engine that is gone: as it was, silence since then is nobody's fault.
    let at = if sample.health.is_live() {
        sample.at
    } else {
        sample.engine.updated_utc
    };
    let (concern, word, note) = judge(at, &session.entry);
    Row {
        entry: session.entry.clone(),
        faults: session.faults.clone(),
        rates,
        concern,
        word,
        note,
    }
}

/// How a session is, in a word and in a sentence.
fn judge(now: Utc, entry: &SessionEntry) -> (Concern, String, String) {
    let status = &entry.status;
    let is_news = status.last_fault_utc != Utc(0)
        && now.0.saturating_sub(status.last_fault_utc.0) < FAULT_IS_NEWS.as_nanos() as u64;
    let fault = status.last_fault_name().filter(|_| is_news).map(|name| {
        format!(
            "the peer's last mistake: {name}, {} ago",
            words::age(now, status.last_fault_utc)
        )
    });
    let verdict = |concern, word: &str, note: String| (concern, word.to_owned(), note);
    let ended = || {
        let code = u32::try_from(status.disconnect_cause).unwrap_or(u32::MAX);
        Cause::meaning_of(code).map_or_else(
            || "not connected since the engine started".to_owned(),
            |cause| {
                format!(
                    "{} since {}: {cause}",
                    down(status),
                    words::clock(status.disconnected_utc)
                )
            },
        )
    };
    if status.held {
        let word = if status.state == ConnectionState::Up {
            "up, held"
        } else {
            "held"
        };
        let note = entry.hold.map_or_else(String::new, |hold| hold.to_string());
        return verdict(Concern::Held, word, note);
    }
    match status.state {
        ConnectionState::Up => {
            let silent_ns = now.0.saturating_sub(status.last_in_utc.0);
            let limit_ns = status.heartbeat_s * 1_000_000_000 / 10 * SILENCE_TENTHS;
            if limit_ns > 0 && silent_ns > limit_ns {
                let interval = match status.protocol {
                    Protocol::Fix => format!("HeartBtInt is {} s", status.heartbeat_s),
                    Protocol::Fixp => format!("KeepAliveInterval is {} ms", status.keep_alive_ms),
                };
                let silence = words::age(now, status.last_in_utc);
                let note = format!("nothing heard for {silence}, {interval}");
                return verdict(Concern::Alarm, "silent", note);
            }
            if status.parked > 0 {
                let number = match status.protocol {
                    Protocol::Fix => "MsgSeqNum",
                    Protocol::Fixp => "SeqNum",
                };
                let note = format!(
                    "a gap in what came, from {number} {} on; {} messages wait behind it",
                    words::grouped(status.next_in),
                    words::grouped(status.parked)
                );
                return verdict(Concern::Watch, "gap", note);
            }
            if status.retransmit_last > 0 {
                let note = format!(
                    "{} to {} of UUID {} come again by retransmission",
                    words::grouped(status.retransmit_next),
                    words::grouped(status.retransmit_last),
                    status.retransmit_uuid
                );
                return verdict(Concern::Watch, "refetch", note);
            }
            if let Some(fault) = fault {
                return verdict(Concern::Watch, "up, fault", fault);
            }
            verdict(Concern::Fine, "up", String::new())
        }
        ConnectionState::Down if !status.in_schedule => {
            let opens = match status.schedule_edge_utc {
                Utc(0) => String::new(),
                edge => format!(", which opens {}", words::date_and_time(edge)),
            };
            verdict(
                Concern::Quiet,
                "closed",
                format!("out of its schedule{opens}"),
            )
        }
        ConnectionState::Down if status.port_closed => {
            let note = format!("{}; invalid logons closed the port", ended());
            verdict(Concern::Alarm, "shut", note)
        }
        ConnectionState::Down if status.awaits_operator => {
            let note = format!("{}; it waits for an operator's logon", ended());
            verdict(Concern::Alarm, "halted", note)
        }
        ConnectionState::Down => verdict(Concern::Alarm, "down", ended()),
        ConnectionState::Connecting => verdict(Concern::Alarm, "connecting", ended()),
        ConnectionState::AwaitLogon => verdict(Concern::Watch, "logon due", ended()),
        ConnectionState::LogonSent => verdict(Concern::Watch, "logon sent", ended()),
        ConnectionState::LogoutSent | ConnectionState::LogoutAcked => {
            verdict(Concern::Watch, "logout", fault.unwrap_or_default())
        }
        ConnectionState::Closing => verdict(Concern::Watch, "closing", fault.unwrap_or_default()),
    }
}

fn down(status: &SessionStatus) -> &'static str {
    if status.logged_on_utc == Utc(0) {
        "never logged on, last try"
    } else {
        "down"
    }
}

fn seconds_between(before: Utc, after: Utc) -> f64 {
    after.0.saturating_sub(before.0) as f64 / 1e9
}

fn rates(before: &SessionStatus, after: &SessionStatus, seconds: f64) -> Option<Rates> {
    let per_second = |before: u64, after: u64| {
        let more = after.checked_sub(before)?;
        (seconds > 0.0).then(|| more as f64 / seconds)
    };
    Some(Rates {
        messages_out: per_second(before.messages_out, after.messages_out)?,
        messages_in: per_second(before.messages_in, after.messages_in)?,
        bytes_out: per_second(before.bytes_out, after.bytes_out)?,
        bytes_in: per_second(before.bytes_in, after.bytes_in)?,
    })
}

/// By the engine's own clock: it writes ten times a second, whenever it is looked at.
fn engine_rates(before: &Sample, after: &Sample) -> Option<EngineRates> {
    let seconds = seconds_between(before.engine.updated_utc, after.engine.updated_utc);
    let cycles = after.engine.cycles.checked_sub(before.engine.cycles)?;
    let busy = after
        .engine
        .busy_cycles
        .checked_sub(before.engine.busy_cycles)?;
    (seconds > 0.0).then(|| EngineRates {
        cycles: cycles as f64 / seconds,
        busy: if cycles == 0 {
            0.0
        } else {
            busy as f64 / cycles as f64
        },
    })
}

/// What was counted between two looks; `None` if nothing was.
fn between(before: &LatencySnapshot, after: &LatencySnapshot) -> Option<Moment> {
    let mut histogram = after.histogram.clone();
    // Counts only grow, so it fits.
    histogram.subtract(&before.histogram).ok()?;
    // A histogram answers with the end of a bucket, which may lie above the longest ever.
    (!histogram.is_empty()).then(|| Moment {
        p50_ns: histogram.value_at_quantile(0.5).min(after.max_ns),
        p99_ns: histogram.value_at_quantile(0.99).min(after.max_ns),
        max_ns: histogram.max().min(after.max_ns),
    })
}

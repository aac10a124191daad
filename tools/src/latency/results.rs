//! What was measured: histograms, the table people read, the JSON that programs read.

use std::fmt::Write as _;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use pinfix::counters::{Stage, StatusReader};
use serde_json::{Map, Value, json};

use super::watchers::Compared;

/// The longest time that is told apart: one hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// What the table and the JSON show of each histogram.
const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p99.9", "p99_9", 0.999),
    ("p99.99", "p99_99", 0.9999),
];

/// Durations in nanoseconds.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Durations {
    pub fn new() -> anyhow::Result<Self> {
        Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .map(Self)
            .context("making a histogram")
    }

    pub fn add(&mut self, ns: &[u64]) {
        for &ns in ns {
            self.0.saturating_record(ns);
        }
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    pub fn at(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    pub fn json(&self) -> Value {
        let mut object = Map::new();
        for (_, key, quantile) in QUANTILES {
            object.insert(key.to_owned(), self.at(quantile).into());
        }
        object.insert("max".to_owned(), self.0.max().into());
        Value::Object(object)
    }

    /// The names of the columns.
    pub fn head() -> String {
        let mut head = format!("  {:<13}", "microseconds");
        for (name, _, _) in QUANTILES {
            let _ = write!(head, " {name:>10}");
        }
        let _ = writeln!(head, " {:>11}", "max");
        head
    }

    pub fn row(&self, name: &str) -> String {
        let mut row = format!("  {name:<13}");
        for (_, _, quantile) in QUANTILES {
            let _ = write!(row, " {:>10.2}", us(self.at(quantile)));
        }
        let _ = write!(row, " {:>11.2}", us(self.0.max()));
        row
    }
}

/// The cycles of one engine so far, as its status page shows them.
pub struct Cycles(Histogram<u64>);

impl Cycles {
    pub fn read(page: &StatusReader) -> Self {
        Self(page.latency(Stage::Cycle).histogram)
    }

    /// Adds what was counted since `before` to `sum`.
    pub fn add_since(&self, before: &Self, sum: &mut Durations) {
        let mut fresh = self.0.clone();
        // Counts only grow, and the bounds are wide enough for every bucket.
        let _ = fresh.subtract(&before.0);
        let _ = sum.0.add(&fresh);
    }
}

/// The stages of the engine, of one status page or of several together.
pub struct Stages {
    engine_in: Histogram<u64>,
    engine_out: Histogram<u64>,
}

impl Stages {
    pub fn read(pages: &[&StatusReader]) -> Self {
        let sum = |stage| {
            let mut snapshots = pages.iter().map(|page| page.latency(stage).histogram);
            let first = snapshots.next().unwrap_or_else(empty);
            snapshots.fold(first, |mut sum, next| {
                // All pages have the same bounds.
                let _ = sum.add(&next);
                sum
            })
        };
        Self {
            engine_in: sum(Stage::ReadToCallback),
            engine_out: sum(Stage::CallbackToWrite),
        }
    }

    /// What was counted since `before`: on the way in, on the way out.
    pub fn since(mut self, before: &Self) -> (Durations, Durations) {
        // Counts only grow.
        let _ = self.engine_in.subtract(&before.engine_in);
        let _ = self.engine_out.subtract(&before.engine_out);
        (Durations(self.engine_in), Durations(self.engine_out))
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new(2).expect("invariant: two digits are allowed")
}

/// Orders of an open loop that were sent after they were due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Late {
    /// Orders looked at.
    pub sent: u64,
    /// Sent more than [`super::client::LATE_NS`] after they were due.
    pub late: u64,
    /// The longest that one was late.
    pub worst_ns: u64,
}

impl Late {
    #[inline]
    pub fn note(&mut self, behind_ns: u64) {
        self.sent += 1;
        self.late += u64::from(behind_ns > super::client::LATE_NS);
        self.worst_ns = self.worst_ns.max(behind_ns);
    }
}

/// Everything a run measured.
pub struct Measured {
    pub round_trip: Durations,
    pub floor: Durations,
    pub engine_in: Durations,
    pub engine_out: Durations,
    pub late: Late,
    /// Orders sent, warm-up and lead-ins among them.
    pub orders: u64,
    /// Orders that were answered.
    pub replies: u64,
    /// Reports beyond the first of an order.
    pub more_replies: u64,
    /// Mean length of an order and of a report; the floor's exchanges are as long.
    pub request_bytes: u64,
    pub reply_bytes: u64,
    /// What was measured while somebody looked. The round trips above are the others then.
    pub compared: Option<Compared>,
}

impl Measured {
    pub fn new(request_bytes: u64, reply_bytes: u64) -> anyhow::Result<Self> {
        Ok(Self {
            round_trip: Durations::new()?,
            floor: Durations::new()?,
            engine_in: Durations::new()?,
            engine_out: Durations::new()?,
            late: Late::default(),
            orders: 0,
            replies: 0,
            more_replies: 0,
            request_bytes,
            reply_bytes,
            compared: None,
        })
    }

    /// How many times the median floor the median round trip is.
    pub fn ratio_p50(&self) -> f64 {
        self.round_trip.at(0.5) as f64 / self.floor.at(0.5).max(1) as f64
    }

    /// The table.
    pub fn table(&self, floor_name: &str) -> String {
        let mut table = Durations::head();
        for (name, durations) in [
            ("round trip", &self.round_trip),
            (floor_name, &self.floor),
            ("engine in", &self.engine_in),
            ("engine out", &self.engine_out),
        ] {
            let _ = writeln!(table, "{}", durations.row(name));
        }
        table
    }

    /// The figures as programs want them, in nanoseconds.
    pub fn json(&self, settings: Value, machine: Value) -> Value {
        json!({
            "round_trip_ns": self.round_trip.json(),
            "floor_ns": self.floor.json(),
            "engine_in_ns": self.engine_in.json(),
            "engine_out_ns": self.engine_out.json(),
            "ratio_p50": (self.ratio_p50() * 1000.0).round() / 1000.0,
            "messages": self.round_trip.count(),
            "orders": self.orders,
            "replies": self.replies,
            "sent_late": self.late.late,
            "sent_late_worst_ns": self.late.worst_ns,
            "request_bytes": self.request_bytes,
            "reply_bytes": self.reply_bytes,
            "settings": settings,
            "machine": machine,
        })
    }
}

/// Nanoseconds as microseconds.
pub fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

//! The Prometheus text format, version 0.0.4.
//!
//! ```text
//!   # HELP name what it is
//!   # TYPE name counter
//!   name{label="value"} 1
//! ```
//!
//! Invariant: all samples of a family follow its one HELP and TYPE; a family without samples is not
//! written. Written here and not by a library: it is this file, and a library's model of metrics that a
//! program counts itself does not fit numbers that somebody else counted.

use std::fmt::{Display, Write as _};

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until its engine starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    Histogram,
}

/// Samples of one kind under one name.
pub struct Family {
    name: &'static str,
    head: String,
    samples: String,
}

/// Labels, escaped once and used for many samples.
#[derive(Clone, Debug, Default)]
pub struct Labels(String);

impl Labels {
    /// These labels and one more.
    pub fn and(&self, name: &str, value: &str) -> Self {
        let mut text = self.0.clone();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
        Self(text)
    }
}

impl Family {
    pub fn new(name: &'static str, kind: Kind, help: &str) -> Self {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        Self {
            name,
            head: format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
            samples: String::new(),
        }
    }

    /// One sample.
    pub fn sample(&mut self, labels: &Labels, value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// One sample of a part of a histogram: `_bucket`, `_sum` or `_count`.
    pub fn suffixed(&mut self, suffix: &str, labels: &Labels, value: impl Display) {
        let (name, labels) = (self.name, &labels.0);
        // A `String` takes everything.
        let _ = if labels.is_empty() {
            writeln!(self.samples, "{name}{suffix} {value}")
        } else {
            writeln!(self.samples, "{name}{suffix}{{{labels}}} {value}")
        };
    }

    /// Adds it to a page of metrics.
    pub fn write(&self, to: &mut String) {
        if !self.samples.is_empty() {
            to.push_str(&self.head);
            to.push_str(&self.samples);
        }
    }
}

/// Nanoseconds as the seconds that Prometheus wants.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_their_head_and_labels_are_escaped() {
        let mut family = Family::new("a_total", Kind::Counter, "back\\slash and\nline");
        let mut page = String::new();
        family.write(&mut page);
        assert_eq!(page, "", "nothing to say");
        family.sample(&Labels::default(), 1);
        let labels = Labels::default().and("x", "a\"b\\c\nd").and("y", "é");
        family.sample(&labels, 2.5);
        family.write(&mut page);
        assert_eq!(
            page,
            "# HELP a_total back\\\\slash and\\nline\n# TYPE a_total counter\n\
             a_total 1\na_total{x=\"a\\\"b\\\\c\\nd\",y=\"é\"} 2.5\n"
        );
    }
}

//! Numbers as people read them at a glance: three significant digits, a unit, never wider than seven.

use std::time::Duration;

use pinfix::time::{TimestampPrecision, Utc};

/// A latency: `850ns`, `1.25µs`, `120µs`, `3.20ms`, `1.50s`.
pub fn latency(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", three(ns as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{}ms", three(ns as f64 / 1e6)),
        _ => format!("{}s", three(ns as f64 / 1e9)),
    }
}

/// How long ago, or for how long: `0.4s`, `12s`, `3m04s`, `2h15m`, `3d04h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", (span.as_secs_f64() * 10.0).floor() / 10.0),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long before `now` something was; `-` if it never was.
pub fn age(now: Utc, at: Utc) -> String {
    if at == Utc(0) {
        return "-".to_owned();
    }
    span(Duration::from_nanos(now.0.saturating_sub(at.0)))
}

/// A count or a rate: `0`, `9999`, `12.3k`, `4.56M`.
pub fn count(value: f64) -> String {
    match value {
        v if v < 9_999.5 => {
            if v > 0.0 && v < 9.95 && v.fract() > 0.05 {
                format!("{v:.1}")
            } else {
                format!("{v:.0}")
            }
        }
        v if v < 999_500.0 => format!("{}k", three(v / 1e3)),
        v if v < 999_500_000.0 => format!("{}M", three(v / 1e6)),
        v => format!("{}G", three(v / 1e9)),
    }
}

/// Bytes: `0`, `512B`, `12.3kB`, `4.56MB`.
pub fn bytes(value: f64) -> String {
    match value {
        v if v < 0.5 => "0".to_owned(),
        v if v < 999.5 => format!("{v:.0}B"),
        v if v < 999_500.0 => format!("{}kB", three(v / 1e3)),
        v if v < 999_500_000.0 => format!("{}MB", three(v / 1e6)),
        v => format!("{}GB", three(v / 1e9)),
    }
}

/// A whole number with its thousands apart: `1 234 567`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `14:30:02`, UTC.
pub fn clock(at: Utc) -> String {
    date_and_time(at).split_off(9)
}

/// `20261123-14:30:02`, UTC.
pub fn date_and_time(at: Utc) -> String {
    at.to_fix(TimestampPrecision::Seconds).to_string()
}

/// Three significant digits.
fn three(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let latencies = [
            0,
            999,
            1_000,
            12_345,
            123_456,
            999_999,
            2_000_000,
            61_000_000_000,
        ];
        assert_eq!(
            latencies.map(latency),
            [
                "0ns", "999ns", "1.00µs", "12.3µs", "123µs", "1000µs", "2.00ms", "61.0s"
            ]
        );
        let spans = [0.0, 0.49, 9.99, 59.9, 60.0, 3_599.0, 7_500.0, 90_000.0];
        assert_eq!(
            spans.map(|s| span(Duration::from_secs_f64(s))),
            [
                "0.0s", "0.4s", "9.9s", "59s", "1m00s", "59m59s", "2h05m", "1d01h"
            ]
        );
        let counts = [0.0, 0.5, 3.0, 9_999.0, 10_000.0, 123_456.0, 4_560_000.0];
        assert_eq!(
            counts.map(count),
            ["0", "0.5", "3", "9999", "10.0k", "123k", "4.56M"]
        );
        assert_eq!(
            [0.0, 512.0, 4_096.0, 1e9].map(bytes),
            ["0", "512B", "4.10kB", "1.00GB"]
        );
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(age(Utc(5_000_000_000), Utc(0)), "-");
        assert_eq!(age(Utc(5_000_000_000), Utc(6_000_000_000)), "0.0s");
        assert_eq!(clock(Utc(1_768_000_000_000_000_000)), "23:06:40");
    }
}

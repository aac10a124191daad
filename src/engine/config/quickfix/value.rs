//! Values as settings files write them. What is wrong is answered as what would be right.

use std::time::Duration;

/// `Y` or `N`.
pub(super) fn flag(value: &str) -> Result<bool, String> {
    match value {
        "Y" | "y" => Ok(true),
        "N" | "n" => Ok(false),
        _ => Err("expected Y or N".to_owned()),
    }
}

/// A whole number between two.
pub(super) fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

/// A port.
pub(super) fn port(value: &str) -> Result<u16, String> {
    let port = value.parse().ok();
    port.filter(|port| *port != 0)
        .ok_or_else(|| "expected a port from 1 to 65535".to_owned())
}

/// Seconds, or a number with a unit: `30`, `30s`, `500ms`, `2m`, `1h`. At least `least`.
pub(super) fn span(value: &str, least: Duration) -> Result<Duration, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let milliseconds = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    milliseconds
        .zip(number)
        .and_then(|(unit, number)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|span| *span >= least)
        .ok_or_else(|| {
            let from = match least.as_secs() {
                0 => String::new(),
                least => format!(" from {least}"),
            };
            format!("expected whole seconds{from}, or a number with one of the units ms s m h")
        })
}

/// A number that is not negative, such as `1.4`.
pub(super) fn factor(value: &str) -> Result<f64, String> {
    let number: Option<f64> = value.parse().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "expected a number from 0 to 100 such as 0.5".to_owned())
}

/// One of several words, of which the case does not count, each with what it means.
pub(super) fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_seconds_unless_they_say_otherwise() {
        let read = |value| {
            span(value, Duration::ZERO)
                .ok()
                .map(|span| span.as_millis())
        };
        for (value, milliseconds) in [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5", None),
            ("1 s", None),
            ("30 # seconds", None),
            ("99999999999999999999", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(read(value), milliseconds, "{value}");
        }
        assert!(
            span("4", Duration::from_secs(5))
                .unwrap_err()
                .contains("from 5")
        );
    }

    #[test]
    fn other_values_say_what_would_be_right() {
        assert_eq!((flag("Y"), flag("n")), (Ok(true), Ok(false)));
        assert!(flag("true").unwrap_err().contains("Y or N"));
        assert!(number("0", 1, 9).unwrap_err().contains("from 1 to 9"));
        assert!(port("0").is_err() && port("65536").is_err());
        assert_eq!(factor("1.4"), Ok(1.4));
        assert!(factor("-1").is_err() && factor("NaN").is_err() && factor("inf").is_err());
        assert_eq!(word("b", &[("A", 1), ("B", 2)]), Ok(2));
        assert!(
            word("c", &[("A", 1), ("B", 2)])
                .unwrap_err()
                .contains("A, B")
        );
    }
}

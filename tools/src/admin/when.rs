//! Times as an operator writes them.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use pinfix::time::Utc;

const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// `5s`, `2m30s`, `1h`.
pub fn span(text: &str) -> Result<Duration, String> {
    let right = || format!("{text:?} is no span of time, expected for example 5s, 2m30s or 1h");
    let span: SignedDuration = text.parse().map_err(|_| right())?;
    let span = Duration::try_from(span).map_err(|_| right())?;
    if span > Duration::from_secs(3600) {
        return Err(format!("{text:?} is too long, at most 1h"));
    }
    Ok(span)
}

/// A moment to come: `+30m`, `18:00` or `18:00:30` (UTC, the next one), `20260105-18:00:00` (UTC).
pub fn moment(text: &str) -> Result<Utc, String> {
    moment_after(Timestamp::now(), text)
}

fn moment_after(now: Timestamp, text: &str) -> Result<Utc, String> {
    let wrong =
        || format!("{text:?} is no time, expected for example +30m, 18:00 or 20260105-18:00:00 (UTC)");
    let then = if let Some(span) = text.strip_prefix('+') {
        let span: SignedDuration = span.parse().map_err(|_| wrong())?;
        now.checked_add(span).map_err(|_| wrong())?
    } else if let Some(moment) = Utc::parse_fix(text.as_bytes()) {
        let nanos = i128::from(moment.0);
        Timestamp::from_nanosecond(nanos).map_err(|_| wrong())?
    } else {
        let time: Time = text.parse().map_err(|_| wrong())?;
        let utc = Offset::UTC;
        let today = utc.to_timestamp(utc.to_datetime(now).date().to_datetime(time));
        let today = today.map_err(|_| wrong())?;
        if today > now {
            today
        } else {
            today.checked_add(A_DAY).map_err(|_| wrong())?
        }
    };
    if then <= now {
        return Err(format!("{text:?} is in the past"));
    }
    u64::try_from(then.as_nanosecond())
        .map(Utc)
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, String> {
        let now: Timestamp = "2026-01-05T17:30:00Z".parse().unwrap();
        let seconds = pinfix::time::TimestampPrecision::Seconds;
        moment_after(now, text).map(|moment| moment.to_fix(seconds).to_string())
    }

    #[test]
    fn a_time_of_day_is_the_next_one() {
        assert_eq!(at("18:00").unwrap(), "20260105-18:00:00");
        assert_eq!(at("17:00").unwrap(), "20260106-17:00:00");
        assert_eq!(at("+30m").unwrap(), "20260105-18:00:00");
        assert_eq!(at("20260107-01:02:03").unwrap(), "20260107-01:02:03");
    }

    #[test]
    fn what_is_no_time_to_come_is_said() {
        assert!(at("20260105-17:00:00").unwrap_err().contains("past"));
        for wrong in ["", "soon", "+", "+x", "25:00"] {
            assert!(at(wrong).unwrap_err().contains("+30m"), "{wrong}");
        }
        assert!(span("2h").unwrap_err().contains("at most 1h"));
        assert_eq!(span("2m30s"), Ok(Duration::from_secs(150)));
        assert!(span("-5s").is_err() && span("5").is_err());
    }
}

//! Times as people give them on a command line. All of them are UTC.

use std::str::FromStr;

use pinfix::time::Utc;

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_MINUTE: u64 = 60 * NS_PER_SECOND;
const NS_PER_DAY: u64 = 24 * 60 * NS_PER_MINUTE;

/// A span of time as short as what was given is precise: `14:30` is a whole minute, `14:30:02.123` a
/// whole millisecond. A limit from below begins with it, one from above ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// Nanoseconds, inclusive.
    first: u64,
    last: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Since 1970.
    Instant,
    /// Since midnight, of whatever day.
    TimeOfDay,
}

impl When {
    /// Whether `at` is not before it.
    pub fn allows_from(&self, at: Utc) -> bool {
        self.seen_by(at) >= self.first
    }

    /// Whether `at` is not after it.
    pub fn allows_to(&self, at: Utc) -> bool {
        self.seen_by(at) <= self.last
    }

    /// Whether nothing can be between the two.
    pub fn is_after(&self, other: &Self) -> bool {
        self.kind == other.kind && self.first > other.last
    }

    fn seen_by(&self, at: Utc) -> u64 {
        match self.kind {
            Kind::Instant => at.0,
            Kind::TimeOfDay => at.0 % NS_PER_DAY,
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(
            "expected a UTC time: 14:30, 14:30:02.123, 20261123-14:30:02 or 2026-11-23T14:30:02Z",
        )
    }
}

fn parse(text: &str) -> Option<When> {
    if let Some((date, time)) = text.split_once(['T', 't']) {
        let [year, month, day]: [&str; 3] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
        let (time, east_ns) = split_offset(time)?;
        let mut when = instant(&format!("{year}{month}{day}"), time)?;
        when.first = when.first.checked_add_signed(-east_ns)?;
        when.last = when.last.checked_add_signed(-east_ns)?;
        return Some(when);
    }
    match text.split_once('-') {
        Some((date, time)) => instant(date, time),
        None => {
            let when = instant("19700101", text)?;
            Some(When {
                kind: Kind::TimeOfDay,
                ..when
            })
        }
    }
}

/// A day as `YYYYMMDD` and a time of it, as precise as it is.
fn instant(date: &str, time: &str) -> Option<When> {
    let (text, span_ns) = match (time.len(), time.split_once('.')) {
        (5, None) => (format!("{date}-{time}:00"), NS_PER_MINUTE),
        (_, None) => (format!("{date}-{time}"), NS_PER_SECOND),
        (_, Some((_, digits))) => {
            let digits = u32::try_from(digits.len()).ok()?;
            let span_ns = NS_PER_SECOND / 10_u64.checked_pow(digits.min(9))?;
            (format!("{date}-{time}"), span_ns)
        }
    };
    let first = Utc::parse_fix(text.as_bytes())?.0;
    Some(When {
        first,
        last: first.checked_add(span_ns - 1)?,
        kind: Kind::Instant,
    })
}

/// A time of RFC 3339 without its offset, and how far east of UTC that is, in nanoseconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
    let sign = match offset.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    let minute_ns = i64::try_from(NS_PER_MINUTE).ok()?;
    Some((time, sign * (hours * 60 + minutes) * minute_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Utc {
        Utc::parse_fix(text.as_bytes()).expect("a time")
    }

    fn when(text: &str) -> When {
        text.parse().expect(text)
    }

    #[test]
    fn a_time_of_day_means_that_time_on_any_day_for_as_long_as_it_is_precise() {
        let minute = when("14:30");
        assert!(!minute.allows_from(at("20261123-14:29:59.999999999")));
        assert!(minute.allows_from(at("20261123-14:30:00")));
        assert!(minute.allows_to(at("19990101-14:30:59.999999999")));
        assert!(!minute.allows_to(at("19990101-14:31:00")));
        let ms = when("14:30:02.123");
        assert!(ms.allows_from(at("20261123-14:30:02.123")));
        assert!(ms.allows_to(at("20261123-14:30:02.123999999")));
        assert!(!ms.allows_to(at("20261123-14:30:02.124")));
    }

    #[test]
    fn the_forms_of_a_full_time_mean_the_same() {
        let fix = when("20261123-14:30:02.123");
        assert_eq!(fix, when("2026-11-23T14:30:02.123Z"));
        assert_eq!(fix, when("2026-11-23T15:30:02.123+01:00"));
        assert_eq!(fix, when("2026-11-23T09:00:02.123-05:30"));
        assert!(fix.allows_from(at("20261124-00:00:00")));
        assert!(!fix.allows_to(at("20261124-00:00:00")));
        assert!(when("20261124-00:00").is_after(&fix));
        assert!(!when("23:00").is_after(&fix));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "14",
            "14:3",
            "25:00",
            "14:30:",
            "2026-11-23",
            "20261123",
            "20261323-14:30:02",
            "2026-11-23T14:30:02",
            "2026-11-23T14:30:02+1:00",
            "2026-11-23T14:30:02+99:00",
            "x",
            "14:30:02.",
            "ü-ü",
            "TZ",
            "T+00:00",
        ] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}

//! Points in time as values, and how FIX writes them.
//!
//! A UTCTimestamp is `YYYYMMDD-HH:MM:SS` with 0 to 12 digits of a fraction behind a point. FIX writes
//! years 0000 to 9999; [`Utc`] holds 1970 to 2554 and refuses the rest.
//!
//! Nothing here reads a clock: time is an argument everywhere below `engine`, so a session behaves
//! the same in production, in a test and in a simulation of a year.

use std::fmt;
use std::ops::{Add, Deref, Sub};
use std::time::Duration;

/// Monotonic time: nanoseconds since an arbitrary origin. Timers live on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// Wall-clock time: nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
///
/// Stamps messages (SendingTime(52)) and is compared with the peer's stamps; no timer uses it,
/// because it may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(pub u64);

/// Both clocks, read together once per engine cycle and passed down as one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For stamps.
    pub utc: Utc,
}

impl Mono {
    /// The earliest of several points in time, of which some may not come.
    #[must_use]
    pub fn earliest<const N: usize>(of: [Option<Self>; N]) -> Option<Self> {
        let mut earliest: Option<Self> = None;
        for at in of {
            earliest = match (earliest, at) {
                (Some(before), Some(at)) => Some(before.min(at)),
                (before, at) => before.or(at),
            };
        }
        earliest
    }

    /// Time passed since `earlier`; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Add<Duration> for Utc {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Utc {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

impl Utc {
    /// Distance to `other`, in either direction.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// Reads a UTCTimestamp: `YYYYMMDD-HH:MM:SS`, then nothing or a point and 1 to 12 digits.
    ///
    /// Digits beyond nanoseconds are dropped. Second 60 is accepted in any minute and is the first
    /// second of the next. `None` for a day or time that does not exist, for years before 1970 and for
    /// what is later than 2554-07-21.
    #[inline]
    #[must_use]
    pub fn parse_fix(text: &[u8]) -> Option<Self> {
        let (to_second, fraction) = text.split_first_chunk::<SECONDS_LEN>()?;
        let [
            thousands,
            hundreds,
            decade,
            year,
            month_0,
            month_1,
            day_0,
            day_1,
            b'-',
            hour_0,
            hour_1,
            b':',
            minute_0,
            minute_1,
            b':',
            second_0,
            second_1,
        ] = to_second
        else {
            return None;
        };
        let year = two_digits(*thousands, *hundreds)? * 100 + two_digits(*decade, *year)?;
        let month = two_digits(*month_0, *month_1)?;
        let day = two_digits(*day_0, *day_1)?;
        let hour = two_digits(*hour_0, *hour_1)?;
        let minute = two_digits(*minute_0, *minute_1)?;
        let second = two_digits(*second_0, *second_1)?;
        if year < 1970 || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let day_count = u64::from(days_since_1970(year, month, day)?);
        let seconds = day_count * 86_400 + u64::from(hour * 3600 + minute * 60 + second);
        seconds
            .checked_mul(NANOS_PER_SECOND)?
            .checked_add(parse_fraction(fraction)?)
            .map(Self)
    }

    /// The UTCTimestamp of this time, further digits cut off. For tools and cold paths; a session
    /// stamps its messages with a [`TimestampWriter`].
    #[must_use]
    pub fn to_fix(self, precision: TimestampPrecision) -> FixTimestamp {
        let mut writer = TimestampWriter::new();
        let len = writer.write(self, precision).len();
        FixTimestamp {
            text: writer.text,
            len: len as u8,
        }
    }
}

/// How many digits of a fraction a UTCTimestamp is written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimestampPrecision {
    /// None, and no point. All that FIX.4.0 and FIX.4.1 know.
    Seconds,
    /// Three.
    #[default]
    Millis,
    /// Six.
    Micros,
    /// Nine.
    Nanos,
}

impl TimestampPrecision {
    /// Bytes of a UTCTimestamp with this precision: 17, 21, 24 or 27.
    #[inline]
    #[must_use]
    pub const fn text_len(self) -> usize {
        match self {
            Self::Seconds => SECONDS_LEN,
            Self::Millis => SECONDS_LEN + 4,
            Self::Micros => SECONDS_LEN + 7,
            Self::Nanos => SECONDS_LEN + 10,
        }
    }
}

/// Bytes of the longest UTCTimestamp written here: `YYYYMMDD-HH:MM:SS.nnnnnnnnn`.
pub const TIMESTAMP_LEN_MAX: usize = 27;

/// Writes UTCTimestamps that mostly follow each other closely: the text up to the second is kept, so
/// only the fraction is formatted again within one second.
#[derive(Clone, Debug)]
pub struct TimestampWriter {
    /// Nanoseconds at which the second in `text` begins.
    second_began_ns: u64,
    text: [u8; TIMESTAMP_LEN_MAX],
}

impl TimestampWriter {
    /// A writer that has 1970-01-01 00:00:00 in store.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            second_began_ns: 0,
            text: *b"19700101-00:00:00.000000000",
        }
    }

    /// The text of `at`, further digits cut off. Time may go backwards.
    #[inline]
    pub fn write(&mut self, at: Utc, precision: TimestampPrecision) -> &[u8] {
        let mut fraction_ns = at.0.wrapping_sub(self.second_began_ns);
        if fraction_ns >= NANOS_PER_SECOND {
            fraction_ns = self.begin_second(at);
        }
        let fraction_ns = fraction_ns as u32;
        match precision {
            TimestampPrecision::Seconds => {}
            TimestampPrecision::Millis => self.write_group(0, fraction_ns / 1_000_000),
            TimestampPrecision::Micros => {
                self.write_group(0, fraction_ns / 1_000_000);
                self.write_group(1, fraction_ns / 1000 % 1000);
            }
            TimestampPrecision::Nanos => {
                self.write_group(0, fraction_ns / 1_000_000);
                self.write_group(1, fraction_ns / 1000 % 1000);
                self.write_group(2, fraction_ns % 1000);
            }
        }
        &self.text[..precision.text_len()]
    }

    /// Formats everything up to the second; returns what is left of `at` in nanoseconds.
    #[cold]
    fn begin_second(&mut self, at: Utc) -> u64 {
        let seconds = at.0 / NANOS_PER_SECOND;
        let (year, month, day) = civil_of_days((seconds / 86_400) as u32);
        let of_day = (seconds % 86_400) as u32;
        for (place, value) in [
            (0, year / 100),
            (2, year % 100),
            (4, month),
            (6, day),
            (9, of_day / 3600),
            (12, of_day / 60 % 60),
            (15, of_day % 60),
        ] {
            self.text[place] = b'0' + (value / 10) as u8;
            self.text[place + 1] = b'0' + (value % 10) as u8;
        }
        self.second_began_ns = seconds * NANOS_PER_SECOND;
        at.0 - self.second_began_ns
    }

    /// Three digits of the fraction; the `nth` such group.
    #[inline]
    fn write_group(&mut self, nth: usize, value: u32) {
        let at = SECONDS_LEN + 1 + 3 * nth;
        self.text[at] = b'0' + (value / 100) as u8;
        self.text[at + 1] = b'0' + (value / 10 % 10) as u8;
        self.text[at + 2] = b'0' + (value % 10) as u8;
    }
}

impl Default for TimestampWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads UTCTimestamps that mostly follow each other closely: within one second only the fraction is
/// parsed again.
#[derive(Clone, Debug)]
pub struct TimestampReader {
    /// The text up to the second that was read last; no valid text before.
    text: [u8; SECONDS_LEN],
    at: u64,
}

impl TimestampReader {
    /// A reader that has read nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: [0; SECONDS_LEN],
            at: 0,
        }
    }

    /// As [`Utc::parse_fix`].
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Option<Utc> {
        let (to_second, fraction) = text.split_first_chunk::<SECONDS_LEN>()?;
        if *to_second != self.text {
            self.at = Utc::parse_fix(to_second)?.0;
            self.text = *to_second;
        }
        self.at.checked_add(parse_fraction(fraction)?).map(Utc)
    }
}

impl Default for TimestampReader {
    fn default() -> Self {
        Self::new()
    }
}

/// The text of one UTCTimestamp, without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FixTimestamp {
    text: [u8; TIMESTAMP_LEN_MAX],
    len: u8,
}

impl Deref for FixTimestamp {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl fmt::Display for FixTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for FixTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Saturates after 584 years, which is later than any timer.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes of `YYYYMMDD-HH:MM:SS`.
const SECONDS_LEN: usize = 17;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[inline]
fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        None
    } else {
        Some(u32::from(tens) * 10 + u32::from(ones))
    }
}

/// Nanoseconds of nothing, or of a point and 1 to 12 digits.
#[inline]
fn parse_fraction(text: &[u8]) -> Option<u64> {
    let digits = match text {
        [] => return Some(0),
        [b'.', digits @ ..] if matches!(digits.len(), 1..=12) => digits,
        _ => return None,
    };
    let mut picos: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        picos = picos * 10 + u64::from(digit);
    }
    for _ in digits.len()..12 {
        picos *= 10;
    }
    Some(picos / 1000)
}

// Both directions count years from March, so that a leap day is the last day of its year, and in eras of
// 400 years, after which the Gregorian calendar repeats: 146,097 days. 719,468 days lie between
// 0000-03-01 and 1970-01-01.

/// Days since 1970-01-01 of a date that exists; `year` is at least 1970.
#[inline]
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let (year, from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year / 400, year % 400);
    // 153 days in any five months from March: 31, 30, 31, 30, 31.
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_of_days(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + of_era + u32::from(month <= 2);
    (year, month, day)
}

#[inline]
fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<u64> {
        Utc::parse_fix(text.as_bytes()).map(|at| at.0)
    }

    #[test]
    fn known_moments() {
        for (text, seconds) in [
            ("19700101-00:00:00", 0),
            ("20000229-00:00:00", 951_782_400),
            ("20010909-01:46:40", 1_000_000_000),
            ("20120904-22:13:57", 1_346_796_837),
            ("20240229-23:59:59", 1_709_251_199),
            ("20380119-03:14:08", 2_147_483_648),
            ("21000228-00:00:00", 4_107_456_000),
            ("25540721-23:34:33", 18_446_744_073),
        ] {
            assert_eq!(parse(text), Some(seconds * NANOS_PER_SECOND), "{text}");
            let written = Utc(seconds * NANOS_PER_SECOND).to_fix(TimestampPrecision::Seconds);
            assert_eq!(written.to_string(), text);
        }
    }

    #[test]
    fn a_reader_reads_what_the_parser_reads() {
        let mut reader = TimestampReader::new();
        for text in [
            "20120904-22:13:57.789",
            "20120904-22:13:57.790",
            "20120904-22:13:57",
            "20120904-22:13:57.",
            "20120904-22:13:58.000000001",
            "20120904-22:13:61.5",
            "20120904-22:13:58.5",
            "25540721-23:34:33.999",
            "",
        ] {
            let text = text.as_bytes();
            assert_eq!(reader.read(text), Utc::parse_fix(text));
            assert_eq!(reader.read(text), Utc::parse_fix(text), "the second time");
        }
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=213_503 {
            assert_eq!(civil_of_days(days), (year, month, day));
            assert_eq!(days_since_1970(year, month, day), Some(days));
            day += 1;
            if day > days_in_month(year, month) {
                assert_eq!(days_since_1970(year, month, day), None);
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (2554, 7, 22));
    }

    #[test]
    fn fractions_of_any_length_up_to_picoseconds() {
        let whole = 951_782_400 * NANOS_PER_SECOND;
        for (fraction, nanos) in [
            ("", 0),
            (".1", 100_000_000),
            (".12", 120_000_000),
            (".123", 123_000_000),
            (".000001", 1000),
            (".123456789", 123_456_789),
            (".1234567899", 123_456_789),
            (".999999999999", 999_999_999),
        ] {
            assert_eq!(
                parse(&format!("20000229-00:00:00{fraction}")),
                Some(whole + nanos),
                "{fraction}"
            );
        }
        for fraction in [
            ".",
            ".1234567890123",
            ".12x",
            ".-1",
            ".1.1",
            ",1",
            "Z",
            " ",
            ".123 ",
        ] {
            assert_eq!(
                parse(&format!("20000229-00:00:00{fraction}")),
                None,
                "{fraction}"
            );
        }
    }

    #[test]
    fn a_leap_second_is_the_first_of_the_next_minute() {
        assert_eq!(parse("20161231-23:59:60.5"), parse("20170101-00:00:00.5"));
        assert!(parse("20161231-23:59:60.5").is_some());
        assert_eq!(parse("20161231-23:59:61"), None);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for text in [
            "",
            "2",
            "20240229",
            "20240229-",
            "20240229-00:00",
            "20230229-00:00:00",
            "21000229-00:00:00",
            "20240431-00:00:00",
            "20240001-00:00:00",
            "20241301-00:00:00",
            "20240100-00:00:00",
            "20240132-00:00:00",
            "20240101-24:00:00",
            "20240101-00:60:00",
            "20240101-00:00:61",
            "20240101 00:00:00",
            "2024-1-1-00:00:00",
            "20240101-0:00:000",
            "20240101-00.00.00",
            "+0240101-00:00:00",
            "00000101-00:00:00",
            "19691231-23:59:59",
            "25540721-23:34:34",
            "99991231-23:59:59",
            "20240101-00:00:0\u{661}",
            "2024010a-00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert!(parse("25540721-23:34:33.709551615").is_some());
        assert_eq!(parse("25540721-23:34:33.709551616"), None);
    }

    #[test]
    fn precisions() {
        let at = Utc(1_346_796_837_789_012_345);
        for (precision, text) in [
            (TimestampPrecision::Seconds, "20120904-22:13:57"),
            (TimestampPrecision::Millis, "20120904-22:13:57.789"),
            (TimestampPrecision::Micros, "20120904-22:13:57.789012"),
            (TimestampPrecision::Nanos, "20120904-22:13:57.789012345"),
        ] {
            assert_eq!(at.to_fix(precision).to_string(), text);
            assert_eq!(text.len(), precision.text_len());
        }
        assert_eq!(TIMESTAMP_LEN_MAX, TimestampPrecision::Nanos.text_len());
        assert_eq!(
            Utc(u64::MAX).to_fix(TimestampPrecision::Nanos).to_string(),
            "25540721-23:34:33.709551615"
        );
    }

    fn precision() -> impl Strategy<Value = TimestampPrecision> {
        prop_oneof![
            Just(TimestampPrecision::Seconds),
            Just(TimestampPrecision::Millis),
            Just(TimestampPrecision::Micros),
            Just(TimestampPrecision::Nanos),
        ]
    }

    proptest! {
        #[test]
        fn nanoseconds_come_back(ns: u64) {
            prop_assert_eq!(Utc::parse_fix(&Utc(ns).to_fix(TimestampPrecision::Nanos)), Some(Utc(ns)));
        }

        #[test]
        fn what_the_writer_keeps_never_shows(
            start: u64,
            steps in proptest::collection::vec((-3_000_000_000_i64..3_000_000_000, precision()), 1..20),
        ) {
            let mut writer = TimestampWriter::new();
            let mut at = start;
            for (step, precision) in steps {
                at = at.saturating_add_signed(step);
                prop_assert_eq!(writer.write(Utc(at), precision), &*Utc(at).to_fix(precision));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Utc::parse_fix(&bytes);
        }
    }
}

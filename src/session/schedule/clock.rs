//! Times, days and zones as people write them, and what they are in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::ScheduleError;
use crate::time::Utc;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A time of day, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(pub(super) civil::Time);

impl TimeOfDay {
    /// 00:00:00.
    pub const MIDNIGHT: Self = Self(civil::Time::midnight());

    /// This hour, minute and second; `None` if there is no such time.
    #[must_use]
    pub fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        let [hour, minute, second] = [hour, minute, second].map(u8::cast_signed);
        civil::Time::new(hour, minute, second, 0).ok().map(Self)
    }
}

/// `HH:MM:SS`.
impl FromStr for TimeOfDay {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let number = |at: usize| {
            let digits = text.get(at..at + 2)?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then_some(())?;
            digits.parse().ok()
        };
        let separated = text.len() == 8 && text.get(2..3) == Some(":") && text.get(5..6) == Some(":");
        let parts = if separated {
            number(0).zip(number(3)).zip(number(6))
        } else {
            None
        };
        parts
            .and_then(|((hour, minute), second)| Self::new(hour, minute, second))
            .ok_or_else(|| ScheduleError::new("time", text, "HH:MM:SS from 00:00:00 to 23:59:59"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        write!(
            f,
            "{:02}:{:02}:{:02}",
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// The rules by which the clocks of a place are set.
///
/// The operating system's zone data is used where it has the zone, so that its updates are enough
/// when a country changes its rules; where it has not, the data compiled in. Read when the zone is
/// named, never later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone the operating system is set to.
    ///
    /// # Errors
    /// It does not say which.
    pub fn local() -> Result<Self, ScheduleError> {
        TimeZone::try_system().map(Self).map_err(|_| {
            let right = "an operating system that says its zone, in /etc/localtime or TZ";
            ScheduleError::new("time zone", "local", right)
        })
    }

    /// The time of day and the date that its clocks show, and how they differ from UTC: for people.
    #[must_use]
    pub fn shown(&self, at: Utc) -> String {
        let zoned = timestamp(at).to_zoned_datetime(self.0.clone());
        zoned.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// By how many seconds its clocks are ahead of UTC.
    #[must_use]
    pub fn offset_s(&self, at: Utc) -> i32 {
        self.0.to_offset(timestamp(at)).seconds()
    }

    pub(super) fn reading(&self, at: Utc) -> civil::DateTime {
        self.0.to_datetime(timestamp(at))
    }
}

/// An IANA name such as `America/New_York`, in any case; `UTC`; or `local`, what the operating system
/// is set to.
impl FromStr for Zone {
    type Err = ScheduleError;

    fn from_str(name: &str) -> Result<Self, ScheduleError> {
        if name.eq_ignore_ascii_case("local") {
            return Self::local();
        }
        TimeZone::get(name)
            .or_else(|_| TimeZoneDatabase::bundled().get(name))
            .map(Self)
            .map_err(|_| {
                let right = "an IANA name such as America/New_York, UTC, or local";
                ScheduleError::new("time zone", name, right)
            })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("local"))
    }
}

/// A time of day on the clocks of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockTime {
    /// What the clocks show.
    pub time: TimeOfDay,
    /// Which clocks.
    pub zone: Zone,
}

impl ClockTime {
    /// A time in UTC.
    #[must_use]
    pub fn utc(time: TimeOfDay) -> Self {
        Self {
            time,
            zone: Zone::UTC,
        }
    }

    /// Reads `HH:MM:SS`, which is a time in `zone`, or `HH:MM:SS ZONE`.
    ///
    /// # Errors
    /// The time or the zone cannot be read.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, ScheduleError> {
        let (time, name) = match text.trim().split_once(char::is_whitespace) {
            Some((time, name)) => (time, Some(name.trim())),
            None => (text.trim(), None),
        };
        Ok(Self {
            time: time.parse()?,
            zone: name.map_or_else(|| Ok(zone.clone()), str::parse)?,
        })
    }

    /// The first moment at which the clocks have reached this time on `date`.
    pub(super) fn on(&self, date: civil::Date) -> Utc {
        let reading = date.to_datetime(self.time.0);
        let zone = &self.zone.0;
        let found = match zone.to_ambiguous_timestamp(reading).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(reading),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(reading),
            // Skipped: the time would have come at this moment, had the clocks not jumped at or
            // before it.
            AmbiguousOffset::Gap { before, .. } => before.to_timestamp(reading).map(|unchanged| {
                let later = utc(unchanged).0.saturating_add(1);
                let jump = zone.preceding(timestamp(Utc(later))).next();
                jump.map_or(unchanged, |jump| jump.timestamp())
            }),
        };
        // Beyond the year 9999, which no Utc reaches.
        found.map_or(Utc(u64::MAX), utc)
    }
}

/// `HH:MM:SS ZONE`.
impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.zone)
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // they are what they are
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }

    pub(super) fn of(date: civil::Date) -> Self {
        Self::ALL[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs() % 7)]
    }
}

/// The English name or any beginning of it that fits no other, in any case.
impl FromStr for Day {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let begins = |day: &Day| {
            let head = day.name().get(..text.len());
            !text.is_empty() && head.is_some_and(|head| head.eq_ignore_ascii_case(text))
        };
        let mut fitting = Self::ALL.into_iter().filter(begins);
        match (fitting.next(), fitting.next()) {
            (Some(day), None) => Ok(day),
            (Some(_), Some(_)) => {
                let right = "a day of the week, with enough letters to tell it from the others";
                Err(ScheduleError::new("day", text, right))
            }
            (None, _) => {
                let right = "a day of the week in English, such as Monday, mon or MO";
                Err(ScheduleError::new("day", text, right))
            }
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Some days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// All seven.
    pub const ALL: Self = Self(0x7f);

    /// Whether `day` is one of them.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.0 & 1 << day as u8 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Day> for Days {
    fn from_iter<I: IntoIterator<Item = Day>>(days: I) -> Self {
        Self(days.into_iter().fold(0, |bits, day| bits | 1 << day as u8))
    }
}

impl From<Day> for Days {
    fn from(day: Day) -> Self {
        Self::from_iter([day])
    }
}

/// A list of days with commas between them.
impl FromStr for Days {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        text.split(',').map(|day| day.trim().parse()).collect()
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Day::ALL.iter().filter(|&&day| self.contains(day));
        let names: Vec<_> = names.map(|day| format!("{day:.3}")).collect();
        f.write_str(&names.join(","))
    }
}

/// A date of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub(super) civil::Date);

impl Date {
    /// This date; `None` if there is no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let (month, day) = (month.cast_signed(), day.cast_signed());
        civil::Date::new(year.cast_signed(), month, day)
            .ok()
            .map(Self)
    }
}

/// `YYYY-MM-DD` or `YYYYMMDD`.
impl FromStr for Date {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let digits: Vec<u8> = match text.len() {
            8 => text.bytes().collect(),
            10 if text.get(4..5) == Some("-") && text.get(7..8) == Some("-") => {
                text.bytes().filter(|byte| *byte != b'-').collect()
            }
            _ => Vec::new(),
        };
        let number = |range: std::ops::Range<usize>| {
            digits.get(range)?.iter().try_fold(0u16, |number, byte| {
                let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
                Some(number * 10 + u16::from(digit))
            })
        };
        let small = |range| number(range).and_then(|number| u8::try_from(number).ok());
        let parts = number(0..4).zip(small(4..6)).zip(small(6..8));
        parts
            .filter(|_| digits.len() == 8)
            .and_then(|((year, month), day)| Self::new(year, month, day))
            .ok_or_else(|| {
                let right = "a date that exists, as YYYY-MM-DD or YYYYMMDD";
                ScheduleError::new("date", text, right)
            })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(date) = self;
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )
    }
}

fn timestamp(at: Utc) -> Timestamp {
    let seconds = (at.0 / NANOS_PER_SECOND).cast_signed();
    let nanos = (at.0 % NANOS_PER_SECOND) as i32;
    // The last Utc is in the year 2554, far below the last timestamp.
    Timestamp::new(seconds, nanos).unwrap_or(Timestamp::MAX)
}

/// What lies before 1970 is taken for its beginning.
fn utc(at: Timestamp) -> Utc {
    let nanos = at.as_nanosecond();
    Utc(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

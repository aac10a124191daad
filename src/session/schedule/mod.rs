//! When a session may be logged on, and when its numbers start anew.
//!
//! Pure: nothing here reads a clock. A [`Schedule`] is what a user decides; a [`Calendar`] made of it
//! answers for any moment where the session stands then, and until when that stays so. Answers do not
//! allocate.
//!
//! ```text
//!   interval        08:00 |==============================================| 17:00
//!   logon window            08:05 |--------------------------| 16:30
//!                         ^ both numbers become 1            ^ Logout    ^ the series is over
//! ```
//!
//! A series of numbers belongs to one interval. Both bounds belong to it: at 17:00:00 sharp the
//! session is in, a nanosecond later it is out. Where start = end, one interval begins the moment the
//! other ends.
//!
//! Days on which clocks are changed: an edge is the first moment at which the clocks of its zone have
//! reached its time. So an edge that clocks skip is the moment they jump, one that they show twice is
//! the first of the two, and no two edges ever change places. A session whose start and end are both
//! skipped does not take place that night.
//!
//! Must not know: connections, holds of an operator, or what is done about an edge. The zone library
//! is known to the two files below and to nobody else.

mod calendar;
mod clock;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::calendar::{Calendar, Change, Interval, Standing};
pub use self::clock::{ClockTime, Date, Day, Days, TimeOfDay, Zone};

/// The times of one session. The default is to be always on, and never to start anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The intervals, each with its own series of numbers.
    pub hours: Hours,
    /// Inside an interval, when the session may be logged on; [`Hours::NonStop`] is all of it. A
    /// Logout is sent at the end of it; numbers are kept until the interval ends.
    pub logon: Hours,
    /// Times of day at which a Logon with ResetSeqNumFlag(141)=Y starts both series anew while the
    /// connection stays. One that passes while the session is not logged on is made up for right
    /// after the next logon.
    pub resets: Vec<ClockTime>,
    /// Dates without a session, in the zone of the start. With daily hours no interval begins on
    /// them; an interval of a week goes on, but nobody is logged on from midnight to midnight.
    pub holidays: Vec<Date>,
    /// What becomes of a connection that stands when one interval follows on another.
    pub renewal: Renewal,
    /// What an acceptor answers to a Logon outside its hours.
    pub refusal: Refuse,
}

/// Intervals that come again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hours {
    /// Always, without an end.
    #[default]
    NonStop,
    /// From `start` to the next time the clocks show `end`: later that day, on the next day if that
    /// is earlier, and 24 hours later if it is the same.
    Daily {
        /// When it begins.
        start: ClockTime,
        /// When it ends.
        end: ClockTime,
        /// The days on which it begins.
        days: Days,
    },
    /// From a time on one day of the week to a time on another, or on the same.
    Weekly {
        /// The day on which it begins.
        start_day: Day,
        /// When it begins.
        start: ClockTime,
        /// The day on which it ends.
        end_day: Day,
        /// When it ends.
        end: ClockTime,
    },
}

/// `every day from 08:00:00 UTC to 17:00:00 UTC`.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonStop => f.write_str("always"),
            Self::Daily { start, end, days } if *days == Days::ALL => {
                write!(f, "every day from {start} to {end}")
            }
            Self::Daily { start, end, days } => write!(f, "{days} from {start} to {end}"),
            Self::Weekly {
                start_day,
                start,
                end_day,
                end,
            } => write!(f, "{start_day} {start} to {end_day} {end}"),
        }
    }
}

/// What becomes of a connection that stands when one interval follows on another, as where start =
/// end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renewal {
    /// Log out, start both series anew, and log on again.
    #[default]
    LogOnAgain,
    /// Start both series anew by a Logon with ResetSeqNumFlag(141)=Y, and stay connected.
    ResetSeqNumFlag,
    /// Start both series anew without a word: the peer does the same at that moment.
    Silent,
}

/// What an acceptor answers to a Logon outside its hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refuse {
    /// Nothing: the connection is closed, and no number is used.
    #[default]
    Silently,
    /// A Logout that says why; it uses a number of ours.
    WithLogout,
}

impl Schedule {
    /// Always on, the default.
    #[must_use]
    pub fn non_stop() -> Self {
        Self::default()
    }

    /// Every day from `start` to `end`.
    #[must_use]
    pub fn daily(start: ClockTime, end: ClockTime) -> Self {
        Self::daily_on(Days::ALL, start, end)
    }

    /// From `start` to `end`, beginning on `days`.
    #[must_use]
    pub fn daily_on(days: Days, start: ClockTime, end: ClockTime) -> Self {
        Self {
            hours: Hours::Daily { start, end, days },
            ..Self::default()
        }
    }

    /// Every week from `start` on `start_day` to `end` on `end_day`.
    #[must_use]
    pub fn weekly(start_day: Day, start: ClockTime, end_day: Day, end: ClockTime) -> Self {
        Self {
            hours: Hours::Weekly {
                start_day,
                start,
                end_day,
                end,
            },
            ..Self::default()
        }
    }

    /// Whether nothing ever happens by it.
    #[must_use]
    pub fn is_non_stop(&self) -> bool {
        self.hours == Hours::NonStop && self.logon == Hours::NonStop && self.resets.is_empty()
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A setting that cannot be accepted.
    pub fn check(&self) -> Result<(), ScheduleError> {
        for (what, hours) in [
            ("schedule.hours.days", &self.hours),
            ("schedule.logon.days", &self.logon),
        ] {
            if let Hours::Daily { days, .. } = hours
                && days.is_empty()
            {
                return Err(ScheduleError::new(
                    what,
                    "none",
                    "at least one day of the week",
                ));
            }
        }
        if self.hours == Hours::NonStop && !self.holidays.is_empty() {
            let count = format!("{} dates", self.holidays.len());
            let right = "no holidays with non-stop hours, which have no day";
            return Err(ScheduleError::new("schedule.holidays", &count, right));
        }
        Ok(())
    }
}

/// A part of a schedule that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// Which part.
    pub what: &'static str,
    /// The value given.
    pub value: String,
    /// What would be accepted.
    pub right: &'static str,
}

impl ScheduleError {
    fn new(what: &'static str, value: &str, right: &'static str) -> Self {
        Self {
            what,
            value: value.to_owned(),
            right,
        }
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, right } = self;
        write!(f, "{what}: {value:?} is not accepted, expected {right}")
    }
}

impl std::error::Error for ScheduleError {}

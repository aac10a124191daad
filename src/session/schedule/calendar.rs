//! A schedule laid over the days: which interval a moment lies in, and what comes next.
//!
//! Daily and weekly hours are one rule: an interval begins at the start time on certain days of the
//! week and ends the next time the end time comes on certain days; a later start ends it in any case.

use std::time::Duration;

use jiff::civil;

use super::clock::{ClockTime, Date, Day, Days, TimeOfDay};
use super::{Hours, Schedule, ScheduleError};
use crate::time::Utc;

/// How many days back an interval of a week, in two zones, may have begun.
const BACK_DAYS: usize = 10;

/// How many days ahead the next interval is looked for. A schedule that has none in this time has
/// none.
const AHEAD_DAYS: usize = 400;

/// A clock that is set back over an edge by up to this much does not begin the series again.
const SET_BACK_MAX: Duration = Duration::from_secs(3600);

const NEVER: Utc = Utc(u64::MAX);

/// A schedule that answers for any moment.
#[derive(Clone, Debug)]
pub struct Calendar {
    hours: Option<Rule>,
    logon: Option<Rule>,
    resets: Vec<ClockTime>,
    closed: Option<Closed>,
}

/// A stretch of time with one series of numbers. Both bounds belong to it, unless the next one begins
/// at the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first moment of it.
    pub start: Utc,
    /// The last moment of it, or the first of the next if that follows at once.
    pub end: Utc,
}

/// Where a session stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The interval the moment lies in, if it does.
    pub interval: Option<Interval>,
    /// Whether the session may be logged on.
    pub may_log_on: bool,
    /// The last time of an in-session reset up to the moment; zero if there is none.
    pub reset_due: Utc,
    /// Nothing of this changes before that.
    pub until: Utc,
}

/// What changes at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interval begins: both numbers become 1.
    Opens(Interval),
    /// An interval ends, and no other begins at once.
    Closes,
    /// An interval ends and the next begins: both numbers become 1.
    Renews(Interval),
    /// The session may log on, inside an interval.
    LogonOpens,
    /// The session may no longer be logged on; numbers are kept.
    LogonCloses,
    /// Both series start anew by a Logon with ResetSeqNumFlag(141)=Y.
    Reset,
}

impl Calendar {
    /// The calendar of a schedule.
    ///
    /// # Errors
    /// As [`Schedule::check`].
    pub fn new(schedule: &Schedule) -> Result<Self, ScheduleError> {
        schedule.check()?;
        let mut holidays = schedule.holidays.clone();
        holidays.sort_unstable();
        let closed = match &schedule.hours {
            Hours::Weekly { start, .. } if !holidays.is_empty() => Some(Closed {
                midnight: ClockTime {
                    time: TimeOfDay::MIDNIGHT,
                    zone: start.zone.clone(),
                },
                days: std::mem::take(&mut holidays),
            }),
            _ => None,
        };
        Ok(Self {
            hours: Rule::of(&schedule.hours, holidays),
            logon: Rule::of(&schedule.logon, Vec::new()),
            resets: schedule.resets.clone(),
            closed,
        })
    }

    /// Where the session stands at `now`.
    #[must_use]
    pub fn at(&self, now: Utc) -> Standing {
        let always = Stretch {
            interval: Some(Interval {
                start: Utc(0),
                end: NEVER,
            }),
            until: NEVER,
        };
        let stretch = |rule: &Option<Rule>| rule.as_ref().map_or(always, |rule| rule.at(now));
        let (hours, logon) = (stretch(&self.hours), stretch(&self.logon));
        let (closed, closed_until) = match &self.closed {
            Some(closed) => closed.at(now),
            None => (false, NEVER),
        };
        let mut standing = Standing {
            interval: hours.interval,
            may_log_on: hours.interval.is_some() && logon.interval.is_some() && !closed,
            reset_due: Utc(0),
            until: hours.until.min(logon.until).min(closed_until),
        };
        for reset in &self.resets {
            let (last, next) = around(reset, now);
            standing.reset_due = standing.reset_due.max(last);
            standing.until = standing.until.min(next);
        }
        standing
    }

    /// The first change after `now`, if there is one within a year.
    #[must_use]
    pub fn next_change(&self, now: Utc) -> Option<(Utc, Change)> {
        let before = self.at(now);
        let mut at = before.until;
        // Edges of the logon window outside the hours change nothing; there is a bounded number of
        // them between two of the hours.
        for _ in 0..4 * AHEAD_DAYS {
            if at == NEVER {
                return None;
            }
            let after = self.at(at);
            if let Some(change) = before.change_to(&after) {
                return Some((at, change));
            }
            at = after.until;
        }
        None
    }
}

impl Standing {
    /// Whether numbers of a series that began at `began` are those of an interval other than this
    /// one, `now` being in it. Outside all intervals the question does not arise.
    ///
    /// A series from the future is the mark of a clock that was set back. By up to an hour that is
    /// taken for a correction, after which the same edge comes again, and the series is kept; beyond
    /// that it is of no use.
    #[must_use]
    pub fn is_other_than(&self, began: Utc, now: Utc) -> bool {
        let Some(Interval { start, end }) = self.interval else {
            return false;
        };
        let set_back = began > now && began.distance(now) <= SET_BACK_MAX;
        began < start || (began > end && !set_back)
    }

    fn change_to(&self, after: &Self) -> Option<Change> {
        match (self.interval, after.interval) {
            (None, Some(interval)) => Some(Change::Opens(interval)),
            (Some(_), None) => Some(Change::Closes),
            (Some(old), Some(new)) if old.start != new.start => Some(Change::Renews(new)),
            _ if self.may_log_on != after.may_log_on => Some(if after.may_log_on {
                Change::LogonOpens
            } else {
                Change::LogonCloses
            }),
            (Some(_), Some(_)) if self.reset_due != after.reset_due => Some(Change::Reset),
            _ => None,
        }
    }
}

/// Where a rule stands at a moment, and until when.
#[derive(Clone, Copy)]
struct Stretch {
    interval: Option<Interval>,
    until: Utc,
}

/// Intervals that begin at a time on some days and end at a time on some days.
#[derive(Clone, Debug)]
struct Rule {
    start: ClockTime,
    start_days: Days,
    end: ClockTime,
    end_days: Days,
    /// Dates on which none begins, in order.
    holidays: Vec<Date>,
}

impl Rule {
    fn of(hours: &Hours, holidays: Vec<Date>) -> Option<Self> {
        let (start, start_days, end, end_days) = match hours {
            Hours::NonStop => return None,
            Hours::Daily { start, end, days } => (start, *days, end, Days::ALL),
            Hours::Weekly {
                start_day,
                start,
                end_day,
                end,
            } => (start, (*start_day).into(), end, (*end_day).into()),
        };
        Some(Self {
            start: start.clone(),
            start_days,
            end: end.clone(),
            end_days,
            holidays,
        })
    }

    fn at(&self, now: Utc) -> Stretch {
        let next = self.next_start(now);
        let Some((start, end)) = self.last_start(now) else {
            return Stretch {
                interval: None,
                until: next,
            };
        };
        if now > end {
            return Stretch {
                interval: None,
                until: next,
            };
        }
        let after = Utc(end.0.saturating_add(1));
        Stretch {
            interval: Some(Interval {
                start,
                end: end.min(next),
            }),
            until: after.min(next),
        }
    }

    /// The last interval that began up to `now`, as if no other followed.
    fn last_start(&self, now: Utc) -> Option<(Utc, Utc)> {
        // Clocks that are set back over midnight have shown tomorrow already.
        let mut date = self.start.zone.reading(now).date().tomorrow().ok()?;
        for _ in 0..BACK_DAYS {
            if let Some((start, end)) = self.begun_on(date)
                && start <= now
            {
                return Some((start, end));
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// When the first interval after `now` begins.
    fn next_start(&self, now: Utc) -> Utc {
        let mut date = self.start.zone.reading(now).date();
        for _ in 0..AHEAD_DAYS {
            if let Some((start, _)) = self.begun_on(date)
                && start > now
            {
                return start;
            }
            let Ok(next) = date.tomorrow() else {
                return NEVER;
            };
            date = next;
        }
        NEVER
    }

    /// The interval that begins on `date`, if one does.
    fn begun_on(&self, date: civil::Date) -> Option<(Utc, Utc)> {
        if !self.start_days.contains(Day::of(date)) || is_in(&self.holidays, date) {
            return None;
        }
        let start = self.start.on(date);
        let same_clocks = self.start.zone == self.end.zone;
        // What the clocks of the end show at the start. The same clocks show the start time, also
        // where they skip it.
        let from = if same_clocks {
            date.to_datetime(self.start.time.0)
        } else {
            self.end.zone.reading(start)
        };
        let mut date = from.date();
        if self.end.time.0 <= from.time() {
            date = date.tomorrow().ok()?;
        }
        for _ in 0..BACK_DAYS {
            if self.end_days.contains(Day::of(date)) {
                let end = self.end.on(date);
                if end > start {
                    return Some((start, end));
                }
                if same_clocks {
                    // Start and end are skipped by one jump of the clocks.
                    return None;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

/// Days of an interval of a week on which nobody is logged on.
#[derive(Clone, Debug)]
struct Closed {
    midnight: ClockTime,
    /// In order.
    days: Vec<Date>,
}

impl Closed {
    /// Whether `now` lies in one of the days, and until when the answer holds.
    fn at(&self, now: Utc) -> (bool, Utc) {
        let today = self.midnight.zone.reading(now).date();
        let closed = is_in(&self.days, today);
        let next = if closed {
            today.tomorrow().ok()
        } else {
            let next = self.days.partition_point(|day| day.0 <= today);
            self.days.get(next).map(|day| day.0)
        };
        (closed, next.map_or(NEVER, |date| self.midnight.on(date)))
    }
}

fn is_in(dates: &[Date], date: civil::Date) -> bool {
    !dates.is_empty() && dates.binary_search(&Date(date)).is_ok()
}

/// The last time `clock` came up to `now`, and the first after it.
fn around(clock: &ClockTime, now: Utc) -> (Utc, Utc) {
    let today = clock.zone.reading(now).date();
    let dates = [
        today.yesterday(),
        Ok(today),
        today.tomorrow(),
        today.tomorrow().and_then(civil::Date::tomorrow),
    ];
    let (mut last, mut next) = (Utc(0), NEVER);
    for date in dates.into_iter().flatten() {
        let at = clock.on(date);
        if at <= now {
            last = last.max(at);
        } else {
            next = next.min(at);
        }
    }
    (last, next)
}

//! The keys that together are a schedule.

use std::str::FromStr;

use crate::session::schedule::{ClockTime, Day, Days, Hours, Schedule, ScheduleError, Zone};

/// The schedule keys of a session, as they are given.
#[derive(Debug, Default)]
pub(super) struct HoursDraft {
    pub zone: Option<Zone>,
    pub non_stop: Option<bool>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub start_day: Option<Day>,
    pub end_day: Option<Day>,
    pub weekdays: Option<Days>,
    pub logon_time: Option<String>,
    pub logout_time: Option<String>,
    pub logon_day: Option<Day>,
    pub logout_day: Option<Day>,
    pub reset_time: Option<String>,
}

/// Tells (key, what would be right).
type Wrong<'a> = &'a mut dyn FnMut(&str, String);

impl HoursDraft {
    /// Puts the keys together.
    pub fn finish(&self, wrong: Wrong<'_>) -> Schedule {
        let mut schedule = Schedule::non_stop();
        if let Some(reset) = self.time("ResetSeqTime", self.reset_time.as_ref(), wrong) {
            schedule.resets.push(reset);
        }
        if self.non_stop == Some(true) {
            for (key, is_given) in self.given() {
                if is_given {
                    wrong(
                        key,
                        "is given although NonStopSession=Y: one of them is too much".to_owned(),
                    );
                }
            }
            return schedule;
        }
        if !self.given().iter().any(|(_, is_given)| *is_given) {
            return schedule;
        }
        let start = self.required("StartTime", self.start_time.as_ref(), wrong);
        let end = self.required("EndTime", self.end_time.as_ref(), wrong);
        let (Some(start), Some(end)) = (start, end) else {
            return schedule;
        };
        schedule.hours = match (self.start_day, self.end_day, self.weekdays) {
            (None, None, days) => Hours::Daily {
                start: start.clone(),
                end: end.clone(),
                days: days.unwrap_or(Days::ALL),
            },
            (Some(start_day), Some(end_day), None) => Hours::Weekly {
                start_day,
                start: start.clone(),
                end_day,
                end: end.clone(),
            },
            (Some(_), Some(_), Some(_)) => {
                let text = "is given although StartDay and EndDay are: a session has days or a week";
                wrong("Weekdays", text.to_owned());
                return schedule;
            }
            (Some(_), None, _) => {
                wrong("EndDay", "is missing: StartDay is given".to_owned());
                return schedule;
            }
            (None, Some(_), _) => {
                wrong("StartDay", "is missing: EndDay is given".to_owned());
                return schedule;
            }
        };
        schedule.logon = self.logon(&schedule.hours, wrong);
        schedule
    }

    /// The window within the hours; what is not given is as the hours are.
    fn logon(&self, hours: &Hours, wrong: Wrong<'_>) -> Hours {
        let from = self.time("LogonTime", self.logon_time.as_ref(), wrong);
        let to = self.time("LogoutTime", self.logout_time.as_ref(), wrong);
        let days = (self.logon_day, self.logout_day);
        if from.is_none() && to.is_none() && days == (None, None) {
            return Hours::NonStop;
        }
        match hours {
            Hours::Daily {
                start,
                end,
                days: on,
            } => {
                for (key, day) in [("LogonDay", days.0), ("LogoutDay", days.1)] {
                    if day.is_some() {
                        wrong(
                            key,
                            "is given although the session is daily: StartDay is not given".to_owned(),
                        );
                    }
                }
                Hours::Daily {
                    start: from.unwrap_or_else(|| start.clone()),
                    end: to.unwrap_or_else(|| end.clone()),
                    days: *on,
                }
            }
            Hours::Weekly {
                start_day,
                start,
                end_day,
                end,
            } => Hours::Weekly {
                start_day: days.0.unwrap_or(*start_day),
                start: from.unwrap_or_else(|| start.clone()),
                end_day: days.1.unwrap_or(*end_day),
                end: to.unwrap_or_else(|| end.clone()),
            },
            Hours::NonStop => Hours::NonStop,
        }
    }

    /// The keys that make no sense for a session that never stops.
    fn given(&self) -> [(&'static str, bool); 9] {
        [
            ("StartTime", self.start_time.is_some()),
            ("EndTime", self.end_time.is_some()),
            ("StartDay", self.start_day.is_some()),
            ("EndDay", self.end_day.is_some()),
            ("Weekdays", self.weekdays.is_some()),
            ("LogonTime", self.logon_time.is_some()),
            ("LogoutTime", self.logout_time.is_some()),
            ("LogonDay", self.logon_day.is_some()),
            ("LogoutDay", self.logout_day.is_some()),
        ]
    }

    fn required(&self, key: &str, text: Option<&String>, wrong: Wrong<'_>) -> Option<ClockTime> {
        if text.is_none() {
            wrong(
                key,
                "is missing: another key of the schedule is given".to_owned(),
            );
        }
        self.time(key, text, wrong)
    }

    fn time(&self, key: &str, text: Option<&String>, wrong: Wrong<'_>) -> Option<ClockTime> {
        let text = text?;
        match ClockTime::parse(text, self.zone.as_ref().unwrap_or(&Zone::UTC)) {
            Ok(time) => Some(time),
            Err(error) => {
                wrong(key, error.to_string());
                None
            }
        }
    }
}

/// Reads a part of a schedule.
pub(super) fn part<T: FromStr<Err = ScheduleError>>(text: &str) -> Result<T, String> {
    text.trim()
        .parse()
        .map_err(|error: ScheduleError| format!("expected {}", error.right))
}

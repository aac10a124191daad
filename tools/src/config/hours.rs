//! The table of a session's schedule.

use std::str::FromStr;

use pinfix::session::schedule::{
    ClockTime, Date, Day, Days, Hours, Refuse, Renewal, Schedule, ScheduleError, Zone,
};
use serde::{Deserialize, Serialize};

use super::form::{Leaf, Word, named};

/// When a session is on. A session that has this table inherits nothing of that of the defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ScheduleTable(Schedule);

impl Leaf for ScheduleTable {
    type Value = Schedule;

    fn value(&self) -> Schedule {
        self.0.clone()
    }

    fn of_value(value: &Schedule) -> Self {
        Self(value.clone())
    }
}

/// As it is written. Times are `HH:MM:SS`, in `zone`, or `HH:MM:SS ZONE`. Without any it is non-stop.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// Of the times that name none; UTC if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    /// Of daily hours, with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<String>,
    /// Of weekly hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_day: Option<String>,
    resets: Vec<String>,
    holidays: Vec<String>,
    renewal: Option<Word<Renewal>>,
    refusal: Option<Word<Refuse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logon: Option<WrittenHours>,
}

/// The hours within them at which the session may be logged on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenHours {
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_day: Option<String>,
}

impl TryFrom<Written> for ScheduleTable {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let zone = match &written.zone {
            Some(name) => name.parse().map_err(told)?,
            None => Zone::UTC,
        };
        let hours = WrittenHours {
            start: written.start,
            end: written.end,
            days: written.days,
            start_day: written.start_day,
            end_day: written.end_day,
        };
        let resets = written
            .resets
            .iter()
            .map(|time| ClockTime::parse(time, &zone));
        Ok(Self(Schedule {
            hours: hours.read(&zone)?,
            logon: written.logon.unwrap_or_default().read(&zone)?,
            resets: resets.collect::<Result<_, _>>().map_err(told)?,
            holidays: written
                .holidays
                .iter()
                .map(|date| part::<Date>(date))
                .collect::<Result<_, _>>()?,
            renewal: written.renewal.map(|word| word.0).unwrap_or_default(),
            refusal: written.refusal.map(|word| word.0).unwrap_or_default(),
        }))
    }
}

impl WrittenHours {
    fn read(&self, zone: &Zone) -> Result<Hours, String> {
        let Self {
            start,
            end,
            days,
            start_day,
            end_day,
        } = self;
        let (Some(start), Some(end)) = (start, end) else {
            let any = [start, end, days, start_day, end_day]
                .into_iter()
                .any(Option::is_some);
            return match any {
                true => Err("start and end are both needed, or neither and no days".to_owned()),
                false => Ok(Hours::NonStop),
            };
        };
        let start = ClockTime::parse(start, zone).map_err(told)?;
        let end = ClockTime::parse(end, zone).map_err(told)?;
        match (start_day, end_day, days) {
            (Some(start_day), Some(end_day), None) => Ok(Hours::Weekly {
                start_day: part::<Day>(start_day)?,
                start,
                end_day: part::<Day>(end_day)?,
                end,
            }),
            (None, None, days) => Ok(Hours::Daily {
                start,
                end,
                days: days
                    .as_ref()
                    .map_or(Ok(Days::ALL), |days| part::<Days>(days))?,
            }),
            _ => Err("start_day and end_day go together, and without days".to_owned()),
        }
    }

    fn of(hours: &Hours) -> Self {
        match hours {
            Hours::NonStop => Self::default(),
            Hours::Daily { start, end, days } => Self {
                start: Some(start.to_string()),
                end: Some(end.to_string()),
                days: Some(days.to_string()),
                ..Self::default()
            },
            Hours::Weekly {
                start_day,
                start,
                end_day,
                end,
            } => Self {
                start: Some(start.to_string()),
                end: Some(end.to_string()),
                start_day: Some(start_day.to_string()),
                end_day: Some(end_day.to_string()),
                ..Self::default()
            },
        }
    }
}

impl From<ScheduleTable> for Written {
    fn from(ScheduleTable(schedule): ScheduleTable) -> Self {
        let WrittenHours {
            start,
            end,
            days,
            start_day,
            end_day,
        } = WrittenHours::of(&schedule.hours);
        Self {
            zone: None,
            start,
            end,
            days,
            start_day,
            end_day,
            resets: schedule.resets.iter().map(ToString::to_string).collect(),
            holidays: schedule.holidays.iter().map(ToString::to_string).collect(),
            renewal: Some(Word(schedule.renewal)),
            refusal: Some(Word(schedule.refusal)),
            logon: (schedule.logon != Hours::NonStop).then(|| WrittenHours::of(&schedule.logon)),
        }
    }
}

fn part<T: FromStr<Err = ScheduleError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(told)
}

fn told(error: ScheduleError) -> String {
    error.to_string()
}

named! {
    Renewal {
        "log_on_again" = Renewal::LogOnAgain,
        "reset_seq_num_flag" = Renewal::ResetSeqNumFlag,
        "silent" = Renewal::Silent,
    }
    Refuse { "silently" = Refuse::Silently, "with_logout" = Refuse::WithLogout }
}

//! The words in which scenarios set a schedule.

use pinfix::engine::SessionConfig;
use pinfix::session::schedule::{ClockTime, Day, Days, Hours, Refuse, Renewal, Zone};

/// Sets a part of the schedule; `None` if the key is no part of it.
pub(super) fn set(config: &mut SessionConfig, key: &str, value: &str) -> Option<Result<(), String>> {
    let schedule = &mut config.schedule;
    let done = match key {
        "hours" => hours(value).map(|hours| schedule.hours = hours),
        "logon_hours" => hours(value).map(|hours| schedule.logon = hours),
        "resets" => list(value, clock).map(|resets| schedule.resets = resets),
        "holidays" => {
            let date = |text: &str| text.parse().map_err(|error| format!("{error}"));
            list(value, date).map(|holidays| schedule.holidays = holidays)
        }
        "renewal" => named(
            value,
            &[
                ("log-on-again", Renewal::LogOnAgain),
                ("reset-seq-num-flag", Renewal::ResetSeqNumFlag),
                ("silent", Renewal::Silent),
            ],
        )
        .map(|renewal| schedule.renewal = renewal),
        "refusal" => named(
            value,
            &[
                ("silently", Refuse::Silently),
                ("with-logout", Refuse::WithLogout),
            ],
        )
        .map(|refusal| schedule.refusal = refusal),
        _ => return None,
    };
    Some(done)
}

/// `TIME [ZONE] - TIME [ZONE] [on DAYS]`, or `DAY TIME [ZONE] - DAY TIME [ZONE]`.
fn hours(text: &str) -> Result<Hours, String> {
    let (text, days) = text.split_once(" on ").unwrap_or((text, ""));
    let (start, end) = text.split_once(" - ").ok_or("expected START - END")?;
    if let (Ok((start_day, start)), Ok((end_day, end))) = (day_and_clock(start), day_and_clock(end)) {
        return Ok(Hours::Weekly {
            start_day,
            start,
            end_day,
            end,
        });
    }
    let days = match days {
        "" => Days::ALL,
        days => days.parse().map_err(|error| format!("{error}"))?,
    };
    Ok(Hours::Daily {
        start: clock(start)?,
        end: clock(end)?,
        days,
    })
}

fn day_and_clock(text: &str) -> Result<(Day, ClockTime), String> {
    let (day, time) = text.trim().split_once(' ').ok_or("expected DAY TIME")?;
    Ok((
        day.parse().map_err(|error| format!("{error}"))?,
        clock(time)?,
    ))
}

fn clock(text: &str) -> Result<ClockTime, String> {
    ClockTime::parse(text, &Zone::UTC).map_err(|error| error.to_string())
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(|part| item(part.trim())).collect()
}

fn named<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        format!(
            "{text} is none of {:?}",
            names.iter().map(|n| n.0).collect::<Vec<_>>()
        )
    })
}

//! Schedules against dates that are known, and against looking at the clocks every minute.

use proptest::prelude::*;

use super::*;
use crate::time::{TimestampPrecision, Utc};

const SECOND_NS: u64 = 1_000_000_000;

fn utc(text: &str) -> Utc {
    Utc::parse_fix(text.as_bytes()).unwrap()
}

fn clock(text: &str) -> ClockTime {
    ClockTime::parse(text, &Zone::UTC).unwrap()
}

fn daily(start: &str, end: &str) -> Schedule {
    Schedule::daily(clock(start), clock(end))
}

fn calendar(schedule: &Schedule) -> Calendar {
    Calendar::new(schedule).unwrap()
}

/// The bounds of the interval at a moment, as text.
fn interval(schedule: &Schedule, at: &str) -> Option<[String; 2]> {
    let Interval { start, end } = calendar(schedule).at(utc(at)).interval?;
    Some([start, end].map(|at| at.to_fix(TimestampPrecision::Seconds).to_string()))
}

fn is_in(schedule: &Schedule, at: &str) -> bool {
    calendar(schedule).at(utc(at)).interval.is_some()
}

/// The changes in a stretch of time, as text.
fn changes(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let calendar = calendar(schedule);
    let mut now = utc(from);
    let mut found = Vec::new();
    while let Some((at, change)) = calendar.next_change(now)
        && at <= utc(to)
    {
        let name = format!("{change:?}");
        let name = name.split('(').next().unwrap_or_default();
        found.push(format!("{} {name}", at.to_fix(TimestampPrecision::Seconds)));
        now = at;
    }
    found
}

#[test]
fn both_bounds_of_a_day_belong_to_it() {
    let day = daily("08:00:00", "17:00:00");
    let bounds = Some(["20260105-08:00:00", "20260105-17:00:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20260105-07:59:59.999999999"), None);
    assert_eq!(interval(&day, "20260105-08:00:00"), bounds);
    assert_eq!(interval(&day, "20260105-17:00:00"), bounds);
    assert_eq!(interval(&day, "20260105-17:00:00.000000001"), None);
}

#[test]
fn an_interval_may_span_midnight() {
    let night = daily("22:00:00", "04:00:00");
    let bounds = Some(["20260105-22:00:00", "20260106-04:00:00"].map(str::to_owned));
    assert_eq!(interval(&night, "20260105-23:00:00"), bounds);
    assert_eq!(interval(&night, "20260106-03:00:00"), bounds);
    assert_eq!(interval(&night, "20260106-12:00:00"), None);
}

#[test]
fn a_start_that_is_the_end_renews_every_24_hours() {
    let day = daily("17:00:00", "17:00:00");
    let first = Some(["20260104-17:00:00", "20260105-17:00:00"].map(str::to_owned));
    let second = Some(["20260105-17:00:00", "20260106-17:00:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20260105-16:59:59.999999999"), first);
    assert_eq!(interval(&day, "20260105-17:00:00"), second);
    assert_eq!(
        changes(&day, "20260105-00:00:00", "20260107-00:00:00"),
        ["20260105-17:00:00 Renews", "20260106-17:00:00 Renews"]
    );
}

#[test]
fn the_day_of_a_night_is_that_of_its_start() {
    let mut night = daily("22:00:00", "04:00:00");
    night.hours = Hours::Daily {
        start: clock("22:00:00"),
        end: clock("04:00:00"),
        days: "fri".parse().unwrap(),
    };
    // 2026-01-09 is a Friday.
    assert!(!is_in(&night, "20260109-03:00:00"));
    assert!(is_in(&night, "20260109-23:00:00"));
    assert!(is_in(&night, "20260110-03:00:00"));
    assert!(!is_in(&night, "20260110-23:00:00"));
}

#[test]
fn a_week_from_sunday_evening_to_friday_afternoon() {
    let week = Schedule::weekly(
        Day::Sunday,
        clock("18:00:00"),
        Day::Friday,
        clock("17:00:00"),
    );
    let bounds = Some(["20260104-18:00:00", "20260109-17:00:00"].map(str::to_owned));
    assert_eq!(interval(&week, "20260107-12:00:00"), bounds, "Wednesday");
    assert_eq!(interval(&week, "20260110-12:00:00"), None, "Saturday");
    assert_eq!(interval(&week, "20260109-17:00:00"), bounds);
    assert_eq!(interval(&week, "20260104-17:59:59"), None);
}

#[test]
fn a_week_that_ends_when_it_begins_renews() {
    let week = Schedule::weekly(
        Day::Sunday,
        clock("18:00:00"),
        Day::Sunday,
        clock("18:00:00"),
    );
    assert_eq!(
        changes(&week, "20260105-00:00:00", "20260120-00:00:00"),
        ["20260111-18:00:00 Renews", "20260118-18:00:00 Renews"]
    );
    let long = Schedule::weekly(
        Day::Sunday,
        clock("18:00:00"),
        Day::Sunday,
        clock("17:00:00"),
    );
    assert_eq!(
        changes(&long, "20260105-00:00:00", "20260112-00:00:00"),
        ["20260111-17:00:00 Closes", "20260111-18:00:00 Opens"]
    );
}

#[test]
fn edges_keep_local_time_over_both_changes_of_the_clocks() {
    let day = daily("08:00:00 America/New_York", "17:00:00 America/New_York");
    // Clocks go forward on 2026-03-08, back on 2026-11-01.
    assert_eq!(
        changes(&day, "20260307-00:00:00", "20260309-00:00:00"),
        [
            "20260307-13:00:00 Opens",
            "20260307-22:00:00 Closes",
            "20260308-12:00:00 Opens",
            "20260308-21:00:00 Closes",
        ]
    );
    assert_eq!(
        changes(&day, "20261031-00:00:00", "20261102-00:00:00"),
        [
            "20261031-12:00:00 Opens",
            "20261031-21:00:00 Closes",
            "20261101-13:00:00 Opens",
            "20261101-22:00:00 Closes",
        ]
    );
}

#[test]
fn an_edge_that_clocks_skip_is_the_moment_they_jump() {
    let day = daily("02:30:00 America/New_York", "02:30:00 America/New_York");
    assert_eq!(
        changes(&day, "20260307-00:00:00", "20260310-00:00:00"),
        [
            "20260307-07:30:00 Renews",
            "20260308-07:00:00 Renews",
            "20260309-06:30:00 Renews",
        ]
    );
    let at_the_jump = daily("02:00:00 America/New_York", "12:00:00 America/New_York");
    assert_eq!(
        changes(&at_the_jump, "20260308-00:00:00", "20260308-08:00:00"),
        ["20260308-07:00:00 Opens"]
    );
}

#[test]
fn an_edge_that_clocks_show_twice_is_the_first() {
    let day = daily("01:30:00 America/New_York", "01:30:00 America/New_York");
    assert_eq!(
        changes(&day, "20261031-00:00:00", "20261103-00:00:00"),
        [
            "20261031-05:30:00 Renews",
            "20261101-05:30:00 Renews",
            "20261102-06:30:00 Renews",
        ]
    );
}

#[test]
fn a_session_within_the_skipped_hour_does_not_take_place() {
    let hour = daily("02:10:00 Europe/Berlin", "02:50:00 Europe/Berlin");
    // 2026-03-29, 01:00 UTC.
    assert_eq!(
        changes(&hour, "20260328-00:00:00", "20260330-23:00:00"),
        [
            "20260328-01:10:00 Opens",
            "20260328-01:50:00 Closes",
            "20260330-00:10:00 Opens",
            "20260330-00:50:00 Closes",
        ]
    );
}

#[test]
fn start_and_end_may_be_on_different_clocks() {
    let day = daily("08:00:00 Europe/London", "17:00:00 America/New_York");
    let winter = Some(["20260105-08:00:00", "20260105-22:00:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20260105-12:00:00"), winter);
    // America has changed its clocks, Europe not yet.
    let march = Some(["20260316-08:00:00", "20260316-21:00:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20260316-12:00:00"), march);
    // The same moment on two clocks is 24 hours.
    let around = daily("18:00:00 America/New_York", "17:00:00 America/Chicago");
    let bounds = Some(["20260105-23:00:00", "20260106-23:00:00"].map(str::to_owned));
    assert_eq!(interval(&around, "20260106-00:00:00"), bounds);
}

#[test]
fn a_later_start_ends_an_interval_that_clocks_made_longer() {
    let day = daily("11:30:00", "07:00:00 America/New_York");
    // In New York, clocks go back on 2026-11-01: 07:00:00 is 11:00:00 in UTC before, 12:00:00 after.
    let long = Some(["20261031-11:30:00", "20261101-11:30:00"].map(str::to_owned));
    let short = Some(["20261101-11:30:00", "20261101-12:00:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20261101-11:29:59"), long);
    assert_eq!(interval(&day, "20261101-11:30:00"), short);
}

#[test]
fn clocks_that_go_back_over_midnight_do_not_hide_the_day_they_have_shown() {
    // In St. John's, 00:01:00 on 2011-11-06 was followed by 23:01:00 on the day before.
    let day = daily("00:00:00 America/St_Johns", "12:00:00 America/St_Johns");
    let bounds = Some(["20111106-02:30:00", "20111106-15:30:00"].map(str::to_owned));
    assert_eq!(interval(&day, "20111106-02:45:00"), bounds);
}

#[test]
fn a_holiday_has_no_session() {
    let mut day = Schedule::daily_on(
        "mon,tue,wed,thu,fri".parse().unwrap(),
        clock("22:00:00"),
        clock("04:00:00"),
    );
    day.holidays = vec!["2026-01-06".parse().unwrap()];
    assert_eq!(
        changes(&day, "20260105-12:00:00", "20260107-23:00:00"),
        [
            "20260105-22:00:00 Opens",
            "20260106-04:00:00 Closes",
            "20260107-22:00:00 Opens",
        ]
    );
}

#[test]
fn a_holiday_in_a_week_keeps_its_numbers() {
    let mut week = Schedule::weekly(
        Day::Sunday,
        clock("18:00:00"),
        Day::Friday,
        clock("17:00:00"),
    );
    week.holidays = vec![
        Date::new(2026, 1, 6).unwrap(),
        Date::new(2026, 1, 7).unwrap(),
    ];
    assert_eq!(
        changes(&week, "20260105-00:00:00", "20260110-00:00:00"),
        [
            "20260106-00:00:00 LogonCloses",
            "20260108-00:00:00 LogonOpens",
            "20260109-17:00:00 Closes",
        ]
    );
}

#[test]
fn a_logon_window_lies_within_the_interval() {
    let mut day = daily("17:00:00", "17:00:00");
    day.logon = Hours::Daily {
        start: clock("17:15:00"),
        end: clock("16:45:00"),
        days: Days::ALL,
    };
    assert_eq!(
        changes(&day, "20260105-00:00:00", "20260106-00:00:00"),
        [
            "20260105-16:45:00 LogonCloses",
            "20260105-17:00:00 Renews",
            "20260105-17:15:00 LogonOpens",
        ]
    );
}

#[test]
fn in_session_resets_come_at_their_times() {
    let mut schedule = Schedule::non_stop();
    assert!(schedule.is_non_stop());
    assert_eq!(
        calendar(&schedule).next_change(utc("20260105-00:00:00")),
        None
    );
    schedule.resets = vec![clock("17:00:00 America/New_York"), clock("05:00:00")];
    assert_eq!(
        changes(&schedule, "20260307-12:00:00", "20260309-06:00:00"),
        [
            "20260307-22:00:00 Reset",
            "20260308-05:00:00 Reset",
            "20260308-21:00:00 Reset",
            "20260309-05:00:00 Reset",
        ]
    );
}

#[test]
fn a_series_belongs_to_one_interval() {
    let day = calendar(&daily("08:00:00", "17:00:00"));
    let is_other = |began: &str, now: &str| {
        let now = utc(now);
        day.at(now).is_other_than(utc(began), now)
    };
    assert!(!is_other("20260105-11:00:00", "20260105-12:00:00"));
    assert!(is_other("20260104-11:00:00", "20260105-12:00:00"));
    assert!(
        is_other("20260105-07:00:00", "20260105-12:00:00"),
        "made before the start"
    );
    assert!(
        !is_other("20260104-11:00:00", "20260105-20:00:00"),
        "not before the next"
    );
    let day = calendar(&daily("17:00:00", "17:00:00"));
    let is_other = |began: &str, now: &str| {
        let now = utc(now);
        day.at(now).is_other_than(utc(began), now)
    };
    assert!(is_other("20260105-16:59:59.999", "20260105-17:00:00"));
    assert!(!is_other("20260105-17:00:00", "20260105-17:00:00"));
    assert!(
        !is_other("20260105-17:00:01", "20260105-16:59:59"),
        "the clock was set back"
    );
    assert!(
        is_other("20300105-17:00:01", "20260105-16:59:59"),
        "the clock was wrong"
    );
}

#[test]
fn what_cannot_be_is_named_with_what_would_be_right() {
    let none = Schedule::daily_on(Days::default(), clock("08:00:00"), clock("17:00:00"));
    let error = none.check().unwrap_err().to_string();
    assert!(
        error.contains("hours.days") && error.contains("at least one day"),
        "{error}"
    );
    let mut schedule = Schedule::non_stop();
    schedule.holidays = vec![Date::new(2026, 12, 25).unwrap()];
    let error = Calendar::new(&schedule).unwrap_err().to_string();
    assert!(
        error.contains("holidays") && error.contains("non-stop"),
        "{error}"
    );
}

#[test]
fn text_is_read_or_named() {
    let zone: Zone = "america/new_york".parse().unwrap();
    let time = ClockTime::parse("08:05:09", &zone).unwrap();
    assert_eq!(time.to_string(), "08:05:09 America/New_York");
    let time = ClockTime::parse(" 23:59:59   Europe/London ", &zone).unwrap();
    assert_eq!(time.to_string(), "23:59:59 Europe/London");
    for wrong in [
        "8:00:00", "08:00", "24:00:00", "08:60:00", "08:00:60", "08-00-00", "+8:00:00", "",
    ] {
        let error = ClockTime::parse(wrong, &zone).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{wrong:?}")) && error.contains("HH:MM:SS"),
            "{error}"
        );
    }
    let error = ClockTime::parse("08:00:00 America/New_Yrok", &zone)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("America/New_Yrok") && error.contains("IANA"),
        "{error}"
    );

    for (text, day) in [
        ("Monday", Day::Monday),
        ("TUE", Day::Tuesday),
        ("th", Day::Thursday),
        ("w", Day::Wednesday),
        ("sund", Day::Sunday),
    ] {
        assert_eq!(text.parse(), Ok(day), "{text}");
    }
    for wrong in ["t", "s", "", "mondays", "lundi", "1"] {
        let error = wrong.parse::<Day>().unwrap_err().to_string();
        assert!(
            error.contains(&format!("{wrong:?}")) && error.contains("day"),
            "{error}"
        );
    }
    let days: Days = "fri, Mon,tuesday".parse().unwrap();
    assert_eq!(days.to_string(), "Mon,Tue,Fri");
    assert!("mon,,tue".parse::<Days>().is_err());

    assert_eq!(
        "20260228".parse::<Date>().unwrap().to_string(),
        "2026-02-28"
    );
    for wrong in [
        "2026-02-29",
        "2026/02/28",
        "26-02-28",
        "2026022",
        "2026-0228",
        "",
    ] {
        let error = wrong.parse::<Date>().unwrap_err().to_string();
        assert!(
            error.contains(wrong) && error.contains("YYYY-MM-DD"),
            "{error}"
        );
    }
}

#[test]
fn the_zone_data_compiled_in_has_every_zone_the_tests_name() {
    // Whatever the machine has.
    let compiled_in = jiff::tz::TimeZoneDatabase::bundled();
    for name in ZONES {
        assert!(compiled_in.get(name).is_ok(), "{name}");
        assert!(name.parse::<Zone>().is_ok(), "{name}");
    }
}

const ZONES: [&str; 10] = [
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/St_Johns",
    "America/Santiago",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];

/// Stretches of days in which the clocks of some of the zones are changed, or a day is skipped.
const STRETCHES: [&str; 9] = [
    "20260306-00:00:00",
    "20260327-00:00:00",
    "20260403-00:00:00",
    "20261002-00:00:00",
    "20261023-00:00:00",
    "20261030-00:00:00",
    "20111228-00:00:00",
    "20220325-00:00:00",
    "20260903-00:00:00",
];

/// The moments at which the clocks of a zone reach a time of day, found by looking at them every
/// minute: (date, moment).
fn reached(clock: &ClockTime, from: Utc, minutes: u64) -> Vec<(jiff::civil::Date, Utc)> {
    let mut latest = clock.zone.reading(Utc(from.0 - 60 * SECOND_NS));
    let mut found = Vec::new();
    for minute in 0..minutes {
        let at = Utc(from.0 + minute * 60 * SECOND_NS);
        let reading = clock.zone.reading(at);
        let mut date = latest.date();
        while date <= reading.date() {
            let edge = date.to_datetime(clock.time.0);
            if latest < edge && edge <= reading {
                found.push((date, at));
            }
            date = date.tomorrow().unwrap();
        }
        latest = latest.max(reading);
    }
    found
}

/// The intervals of a rule by looking at the clocks every minute.
fn by_looking(
    start: &ClockTime,
    start_days: Days,
    end: &ClockTime,
    end_days: Days,
    from: Utc,
    minutes: u64,
) -> Vec<Interval> {
    let days = |days: Days| move |entry: &(jiff::civil::Date, Utc)| days.contains(Day::of(entry.0));
    let starts: Vec<_> = reached(start, from, minutes)
        .into_iter()
        .filter(days(start_days))
        .collect();
    let ends: Vec<_> = reached(end, from, minutes)
        .into_iter()
        .filter(days(end_days))
        .collect();
    let same_clocks = start.zone == end.zone;
    let mut found = Vec::new();
    for &(date, began) in &starts {
        let began_by_clock = date.to_datetime(start.time.0);
        let end = ends.iter().find(|(date, at)| {
            if same_clocks {
                date.to_datetime(end.time.0) > began_by_clock
            } else {
                *at > began
            }
        });
        if let Some(&(_, ended)) = end
            && ended > began
        {
            found.push(Interval {
                start: began,
                end: ended,
            });
        }
    }
    // A later start ends it in any case.
    for at in 1..found.len() {
        found[at - 1].end = found[at - 1].end.min(found[at].start);
    }
    found
}

fn any_clock() -> impl Strategy<Value = ClockTime> + Clone {
    // Mostly in the hours in which clocks are changed.
    let hour = prop_oneof![3 => 0u8..4, 1 => 22u8..24, 1 => 4u8..22];
    (hour, 0u8..60, prop::sample::select(&ZONES[..])).prop_map(|(hour, minute, zone)| ClockTime {
        time: TimeOfDay::new(hour, minute, 0).unwrap(),
        zone: zone.parse().unwrap(),
    })
}

fn any_day() -> impl Strategy<Value = Day> {
    prop::sample::select(&Day::ALL[..])
}

fn any_hours() -> impl Strategy<Value = Hours> {
    let days = prop::collection::vec(any_day(), 1..8).prop_map(Days::from_iter);
    let clocks = (any_clock(), any_clock(), any::<bool>()).prop_map(|(start, mut end, one_zone)| {
        if one_zone {
            end.zone = start.zone.clone();
        }
        (start, end)
    });
    let daily =
        (clocks.clone(), days).prop_map(|((start, end), days)| Hours::Daily { start, end, days });
    let weekly =
        (any_day(), any_day(), clocks).prop_map(|(start_day, end_day, (start, end))| Hours::Weekly {
            start_day,
            start,
            end_day,
            end,
        });
    prop_oneof![daily, weekly]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn intervals_are_those_found_by_looking_at_the_clocks(
        hours in any_hours(),
        stretch in prop::sample::select(&STRETCHES[..]),
        probes in prop::collection::vec(0u64..4 * 86_400, 20),
    ) {
        // From nine days before, because an interval of a week may have begun then, to eight days
        // after, because it may end then.
        let from = utc(stretch);
        let (before, after) = (10 * 1440, 13 * 1440);
        let far = Utc(from.0 - before * 60 * SECOND_NS);
        let (start, start_days, end, end_days) = match &hours {
            Hours::Daily { start, end, days } => (start, *days, end, Days::ALL),
            Hours::Weekly { start_day, start, end_day, end } => {
                (start, (*start_day).into(), end, (*end_day).into())
            }
            Hours::NonStop => unreachable!("not made"),
        };
        let expected = by_looking(start, start_days, end, end_days, far, before + after);
        let calendar = calendar(&Schedule { hours: hours.clone(), ..Schedule::default() });
        let mut moments: Vec<u64> = probes.iter().map(|second| from.0 + second * SECOND_NS).collect();
        for interval in &expected {
            for bound in [interval.start.0, interval.end.0] {
                moments.extend([bound - 1, bound, bound + 1]);
            }
        }
        moments.retain(|at| (from.0..from.0 + 4 * 86_400 * SECOND_NS).contains(at));
        for at in moments.into_iter().map(Utc) {
            let inside = |interval: &&Interval| interval.start <= at && at <= interval.end;
            let standing = calendar.at(at);
            let right = expected.iter().rev().find(inside).copied();
            prop_assert_eq!(standing.interval, right, "at {}", at.to_fix(TimestampPrecision::Nanos));
            // Nothing changes before `until`, and something may then.
            prop_assert!(standing.until > at);
            let last = Utc(standing.until.0 - 1);
            prop_assert_eq!(calendar.at(last).interval, right);
            prop_assert_ne!(calendar.at(standing.until).interval, right);
        }
    }
}

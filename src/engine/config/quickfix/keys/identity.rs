//! Who talks to whom, when, and how times are written.

use std::str::FromStr;

use super::super::hours::part as part_of_hours;
use super::super::value::{flag, word};
use super::{Draft, Given, Key, honoured, mapped};
use crate::session::fix::Role;
use crate::session::schedule::ScheduleError;
use crate::time::TimestampPrecision;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "BeginString",
        "required",
        "required",
        "FIX.4.0 to FIX.4.4, or FIXT.1.1",
        first,
    ),
    honoured("SenderCompID", "required", "required", "our CompID", first),
    honoured(
        "TargetCompID",
        "required",
        "required",
        "the peer's CompID",
        first,
    ),
    honoured(
        "ConnectionType",
        "required",
        "required",
        "initiator or acceptor",
        first,
    ),
    honoured(
        "DefaultApplVerID",
        "required on FIXT",
        "required on FIXT",
        "DefaultApplVerID(1137): 7, 8, 9, or a name such as FIX.5.0SP2",
        first,
    ),
    honoured(
        "SenderSubID",
        "none",
        "-",
        "our SubID, part of the identity",
        |draft, given| part(&mut draft.config.settings.id.sender_sub_id, given),
    ),
    honoured(
        "SenderLocationID",
        "none",
        "-",
        "our LocationID, part of the identity",
        |draft, given| part(&mut draft.config.settings.id.sender_location_id, given),
    ),
    honoured(
        "TargetSubID",
        "none",
        "-",
        "the peer's SubID, part of the identity",
        |draft, given| part(&mut draft.config.settings.id.target_sub_id, given),
    ),
    honoured(
        "TargetLocationID",
        "none",
        "-",
        "the peer's LocationID, part of the identity",
        |draft, given| part(&mut draft.config.settings.id.target_location_id, given),
    ),
    honoured(
        "SessionQualifier",
        "none",
        "none",
        "tells sessions apart that are otherwise the same; an initiator's only",
        |draft, given| match draft.config.settings.role {
            Role::Initiator => part(&mut draft.config.settings.id.qualifier, given),
            Role::Acceptor => {
                Err("no Logon could be told to be for it; leave it out of acceptors".to_owned())
            }
        },
    )
    .only(Role::Initiator),
    honoured(
        "TimeZone",
        "UTC",
        "-",
        "IANA zone of StartTime and EndTime",
        |draft, given| {
            draft.hours.zone = some_part(given)?;
            Ok(())
        },
    ),
    mapped(
        "UseLocalTime",
        "-",
        "N",
        "the zone of this machine instead of UTC",
        |draft, given| {
            if flag(given.value)? {
                draft.hours.zone = Some(part_of_hours("local")?);
            }
            Ok(())
        },
    ),
    honoured(
        "StartTime",
        "none",
        "required",
        "HH:MM:SS [ZONE] from which the session is up",
        |draft, given| {
            draft.hours.start_time = text(given);
            Ok(())
        },
    ),
    honoured(
        "EndTime",
        "none",
        "required",
        "HH:MM:SS [ZONE] until which the session is up; the numbers restart then",
        |draft, given| {
            draft.hours.end_time = text(given);
            Ok(())
        },
    ),
    honoured(
        "StartDay",
        "none",
        "none",
        "weekday of StartTime of a week-long session",
        |draft, given| {
            draft.hours.start_day = some_part(given)?;
            Ok(())
        },
    ),
    honoured(
        "EndDay",
        "none",
        "none",
        "weekday of EndTime of a week-long session",
        |draft, given| {
            draft.hours.end_day = some_part(given)?;
            Ok(())
        },
    ),
    honoured(
        "Weekdays",
        "none",
        "-",
        "the days of a daily session, with commas between them",
        |draft, given| {
            draft.hours.weekdays = some_part(given)?;
            Ok(())
        },
    ),
    honoured(
        "NonStopSession",
        "N",
        "N",
        "always up, numbers never restart by themselves",
        |draft, given| {
            draft.hours.non_stop = Some(flag(given.value)?);
            Ok(())
        },
    ),
    honoured(
        "LogonTime",
        "-",
        "StartTime",
        "HH:MM:SS from which it is logged on, within StartTime and EndTime",
        |draft, given| {
            draft.hours.logon_time = text(given);
            Ok(())
        },
    ),
    honoured(
        "LogoutTime",
        "-",
        "EndTime",
        "HH:MM:SS at which it is logged out; numbers continue until EndTime",
        |draft, given| {
            draft.hours.logout_time = text(given);
            Ok(())
        },
    ),
    honoured(
        "LogonDay",
        "-",
        "StartDay",
        "weekday of LogonTime",
        |draft, given| {
            draft.hours.logon_day = some_part(given)?;
            Ok(())
        },
    ),
    honoured(
        "LogoutDay",
        "-",
        "EndDay",
        "weekday of LogoutTime",
        |draft, given| {
            draft.hours.logout_day = some_part(given)?;
            Ok(())
        },
    ),
    honoured(
        "TimeStampPrecision",
        "MILLIS",
        "3",
        "fraction of the times we send: SECONDS, MILLIS, MICROS, NANOS or 0, 3, 6, 9 digits",
        |draft, given| {
            draft.precision = Some(word(given.value, PRECISIONS)?);
            Ok(())
        },
    ),
    mapped(
        "MillisecondsInTimeStamp",
        "-",
        "Y",
        "Y: times with milliseconds, N: whole seconds; TimestampPrecision wins",
        |draft, given| {
            let precision = match flag(given.value)? {
                true => TimestampPrecision::Millis,
                false => TimestampPrecision::Seconds,
            };
            draft.precision = draft.precision.or(Some(precision));
            Ok(())
        },
    ),
];

const PRECISIONS: &[(&str, TimestampPrecision)] = &[
    ("SECONDS", TimestampPrecision::Seconds),
    ("MILLIS", TimestampPrecision::Millis),
    ("MICROS", TimestampPrecision::Micros),
    ("NANOS", TimestampPrecision::Nanos),
    ("0", TimestampPrecision::Seconds),
    ("3", TimestampPrecision::Millis),
    ("6", TimestampPrecision::Micros),
    ("9", TimestampPrecision::Nanos),
];

/// Was read before the others, which mean different things in different versions and roles.
fn first(_: &mut Draft, _: &Given<'_>) -> Result<(), String> {
    Ok(())
}

/// A part of the identity that need not be there.
fn part(part: &mut Option<String>, given: &Given<'_>) -> Result<(), String> {
    // An empty one inherits nothing: it takes back what [DEFAULT] says.
    *part = Some(given.value.to_owned()).filter(|value| !value.is_empty());
    Ok(())
}

/// A value that is read when all keys of the schedule are known; an empty one takes back what
/// [DEFAULT] says.
fn text(given: &Given<'_>) -> Option<String> {
    Some(given.value.to_owned()).filter(|value| !value.is_empty())
}

/// A part of the schedule, likewise.
fn some_part<T>(given: &Given<'_>) -> Result<Option<T>, String>
where
    T: FromStr<Err = ScheduleError>,
{
    text(given).as_deref().map(part_of_hours).transpose()
}

//! How long things may take.

use std::time::Duration;

use super::super::value::{factor, flag, span};
use super::{Key, honoured};
use crate::session::fix::Role;
use crate::session::fix::policy::OnSilence;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "HeartBtInt",
        "required",
        "required",
        "seconds between heartbeats",
        |draft, given| {
            let seconds = span(given.value, Duration::from_secs(1))?.as_secs();
            draft.config.settings.heartbeat_s = u32::try_from(seconds).unwrap_or(u32::MAX);
            Ok(())
        },
    ),
    honoured(
        "LogonTimeout",
        "10",
        "10",
        "seconds a Logon may take",
        |draft, given| {
            draft.config.settings.logon_timeout = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    ),
    honoured(
        "LogoutTimeout",
        "2",
        "2",
        "seconds the answer to our Logout may take",
        |draft, given| {
            draft.config.settings.logout.timeout = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    ),
    honoured(
        "TestRequestDelayMultiplier",
        "0.5",
        "0.2",
        "intervals of silence, beyond one, before a TestRequest(1); 0.2 if not given",
        |draft, given| {
            draft.config.settings.liveness.test_request_percent = percent(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "HeartBeatTimeoutMultiplier",
        "1.4",
        "1.4",
        "intervals of silence, beyond one, before the peer is given up",
        |draft, given| {
            draft.config.settings.liveness.disconnect_percent = percent(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "DisableHeartBeatCheck",
        "N",
        "-",
        "Y: never give a silent peer up",
        |draft, given| {
            if flag(given.value)? {
                draft.config.settings.liveness.on_silence = OnSilence::Stay;
            }
            Ok(())
        },
    ),
    honoured(
        "ReconnectInterval",
        "30",
        "30",
        "seconds between attempts to connect, or a list such as 3x5;2x30;60",
        |draft, given| {
            draft.config.connect.reconnect = intervals(given.value)?;
            Ok(())
        },
    )
    .only(Role::Initiator),
];

/// Waiting times: `30`, or `3x5;2x30;60` for three of 5 s, two of 30 s and then 60 s for ever.
fn intervals(value: &str) -> Result<Vec<Duration>, String> {
    let right = || {
        "expected whole seconds from 1, or a list such as 3x5;2x30;60 of at most 1000 waiting times"
            .to_owned()
    };
    let mut spans = Vec::new();
    for part in value.split(';') {
        let (times, every) = part.split_once('x').unwrap_or(("1", part));
        let times: usize = times.trim().parse().map_err(|_| right())?;
        let every = span(every.trim(), Duration::from_secs(1)).map_err(|_| right())?;
        if times == 0 || times > 1000 || spans.len() + times > 1000 {
            return Err(right());
        }
        spans.extend(std::iter::repeat_n(every, times));
    }
    Ok(spans)
}

/// Silence of one interval and so many more, in percent of an interval.
fn percent(value: &str) -> Result<u32, String> {
    let more = factor(value)?;
    // From 100 to 10100, and no fraction of a percent is lost that anybody could measure.
    Ok(100 + (more * 100.0).round() as u32)
}

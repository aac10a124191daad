//! `pinfix schedule`: when the sessions of a configuration file open, close and start anew.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use pinfix::engine::AnySessionConfig;
use pinfix::session::schedule::{Calendar, Change, Hours, Schedule, Standing, Zone};
use pinfix::time::Utc;

use crate::config;

/// Explain the schedules of a configuration file
#[derive(Subcommand)]
pub enum Command {
    /// Print where each session stands and its next transitions, in local time and UTC
    ///
    /// A transition is marked if its clocks were changed since the line above it.
    #[command(after_help = EXAMPLES)]
    Explain {
        /// The configuration file, TOML or the settings file of another engine
        file: PathBuf,
        /// Another time than now, in UTC if it does not say: 2026-03-08, 2026-03-08T06:59:00-05:00 or
        /// 20260308-06:59:00
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Utc>,
        /// How many transitions of each session
        #[arg(long, short = 'n', value_name = "N", default_value_t = 6)]
        next: usize,
        /// Only sessions with this in their name
        #[arg(long, value_name = "TEXT")]
        session: Option<String>,
        /// A key of the application in a settings file; may be given several times
        #[arg(long, value_name = "KEY")]
        own: Vec<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  pinfix schedule explain venue.toml
  pinfix schedule explain old.cfg --at 2026-03-07 -n 10
  pinfix schedule explain old.cfg --session VENUE --at 2026-03-08T01:30:00-05:00";

/// Runs the command.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Explain {
        file,
        at,
        next,
        session,
        own,
    } = command;
    let plan = config::load(&file, &own)?.plan;
    let at = at.map_or_else(now, Ok)?;
    let configs = plan.sessions.iter().map(|planned| &planned.config);
    let wanted: Vec<&AnySessionConfig> = configs
        .filter(|config| {
            let part = session.as_deref().unwrap_or_default();
            config.id().to_string().contains(part)
        })
        .collect();
    anyhow::ensure!(
        !wanted.is_empty(),
        "{}: no session whose name has {:?} in it",
        file.display(),
        session.unwrap_or_default()
    );
    let mut out = String::new();
    for config in wanted {
        explain(&mut out, config, at, next)?;
    }
    print!("{out}");
    Ok(ExitCode::SUCCESS)
}

fn explain(out: &mut String, config: &AnySessionConfig, at: Utc, next: usize) -> anyhow::Result<()> {
    let name = config.id().to_string();
    let schedule = config.schedule();
    let calendar = Calendar::new(schedule).with_context(|| name.clone())?;
    writeln!(out, "{name}")?;
    writeln!(out, "  hours    {}", schedule.hours)?;
    if schedule.logon != Hours::NonStop {
        writeln!(out, "  logon    {}", schedule.logon)?;
    }
    for reset in &schedule.resets {
        writeln!(out, "  reset    {reset}")?;
    }
    let standing = calendar.at(at);
    let zone = zone_of_start(&schedule.hours).cloned().unwrap_or(Zone::UTC);
    writeln!(
        out,
        "  at       {}: {}",
        both(at, &zone),
        standing_of(&standing)
    )?;
    let mut from = at;
    for _ in 0..next {
        let Some((at, change)) = calendar.next_change(from) else {
            break;
        };
        let zone = zone_of(schedule, &change);
        let what = told(&change, &calendar.at(at));
        writeln!(
            out,
            "  {}  {what}{}",
            both(at, &zone),
            clocks_changed(from, at, &zone)
        )?;
        from = at;
    }
    if from == at {
        writeln!(out, "  nothing ever changes by the schedule")?;
    }
    writeln!(out)?;
    Ok(())
}

fn standing_of(standing: &Standing) -> &'static str {
    match (standing.interval, standing.may_log_on) {
        (None, _) => "closed",
        (Some(_), true) => "open",
        (Some(_), false) => "open, but nobody may be logged on",
    }
}

fn told(change: &Change, after: &Standing) -> &'static str {
    match (change, after.may_log_on) {
        (Change::Opens(_), true) => "opens: numbers start at 1, logs on",
        (Change::Opens(_), false) => "opens: numbers start at 1, nobody may be logged on yet",
        (Change::Closes, _) => "closes: Logout",
        (Change::Renews(_), true) => "renews: numbers start at 1",
        (Change::Renews(_), false) => "renews: numbers start at 1, nobody may be logged on yet",
        (Change::LogonOpens, _) => "logs on, numbers go on",
        (Change::LogonCloses, _) => "Logout, numbers are kept",
        (Change::Reset, _) => "reset in session: Logons with ResetSeqNumFlag(141)=Y",
    }
}

/// The clocks by which a change happens.
fn zone_of(schedule: &Schedule, change: &Change) -> Zone {
    let zone = match change {
        Change::Opens(_) | Change::Renews(_) => zone_of_start(&schedule.hours),
        Change::Closes => zone_of_end(&schedule.hours),
        Change::LogonOpens => zone_of_start(&schedule.logon),
        Change::LogonCloses => zone_of_end(&schedule.logon),
        Change::Reset => schedule.resets.first().map(|reset| &reset.zone),
    };
    zone.or_else(|| zone_of_start(&schedule.hours))
        .cloned()
        .unwrap_or(Zone::UTC)
}

fn zone_of_start(hours: &Hours) -> Option<&Zone> {
    match hours {
        Hours::NonStop => None,
        Hours::Daily { start, .. } | Hours::Weekly { start, .. } => Some(&start.zone),
    }
}

fn zone_of_end(hours: &Hours) -> Option<&Zone> {
    match hours {
        Hours::NonStop => None,
        Hours::Daily { end, .. } | Hours::Weekly { end, .. } => Some(&end.zone),
    }
}

/// A time in UTC and on other clocks.
fn both(at: Utc, zone: &Zone) -> String {
    let utc = Zone::UTC.shown(at);
    if *zone == Zone::UTC {
        utc
    } else {
        format!("{utc}  {}", zone.shown(at))
    }
}

/// By how much the clocks were changed between two times.
fn clocks_changed(from: Utc, to: Utc, zone: &Zone) -> String {
    match (zone.offset_s(to) - zone.offset_s(from)) / 60 {
        0 => String::new(),
        forward @ 1.. => format!("  [clocks went forward {forward} min]"),
        back => format!("  [clocks went back {} min]", -back),
    }
}

fn now() -> anyhow::Result<Utc> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_1970 = since_1970.context("the clock of this machine is before 1970")?;
    Ok(Utc(0) + since_1970)
}

/// Reads a moment.
fn moment(text: &str) -> Result<Utc, String> {
    if let Some(at) = Utc::parse_fix(text.as_bytes()) {
        return Ok(at);
    }
    let in_utc = |civil: DateTime| Offset::UTC.to_timestamp(civil).ok();
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().and_then(in_utc))
        .and_then(|at: Timestamp| u64::try_from(at.as_nanosecond()).ok())
        .map(Utc)
        .ok_or_else(|| {
            "expected a time such as 2026-03-08, 2026-03-08T06:59:00Z or 20260308-06:59:00, in 1970 \
             or later"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_utc_unless_it_says_otherwise() {
        let fix = |text: &str| Utc::parse_fix(text.as_bytes()).ok_or(String::new());
        for (given, expected) in [
            ("2026-03-08", "20260308-00:00:00"),
            ("2026-03-08T06:59:00", "20260308-06:59:00"),
            ("2026-03-08 06:59:00", "20260308-06:59:00"),
            ("2026-03-08T06:59:00Z", "20260308-06:59:00"),
            ("2026-03-08T01:59:00-05:00", "20260308-06:59:00"),
            ("20260308-06:59:00", "20260308-06:59:00"),
        ] {
            assert_eq!(moment(given), fix(expected), "{given}");
        }
        for wrong in ["", "tomorrow", "2026-02-30", "1960-01-01", "2026-13-01"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}

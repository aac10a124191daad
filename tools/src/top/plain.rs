//! `pinfix top --once`: the same as plain text, for a script or a message to a colleague.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use pinfix::counters::Stage;

use super::board::Board;
use super::words;
use crate::status::Health;

/// Prints it. Fails if the engine is not running, after having printed.
pub fn print(board: &Board) -> anyhow::Result<ExitCode> {
    let Some(sample) = &board.sample else {
        bail!("nothing to read");
    };
    let mut out = io::stdout();
    match out
        .write_all(table(board).as_bytes())
        .and_then(|()| out.flush())
    {
        // `| head` has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        done => done.context("writing the table")?,
    }
    Ok(match sample.health {
        Health::Running | Health::Unlinked => ExitCode::SUCCESS,
        Health::Stalled(_) | Health::Ended | Health::Died => ExitCode::FAILURE,
    })
}

pub(super) fn table(board: &Board) -> String {
    let Some(sample) = &board.sample else {
        return String::new();
    };
    let engine = &sample.engine;
    let ago = words::span(sample.age());
    let health = match sample.health {
        Health::Running => {
            let up = words::age(sample.at, sample.identity.started);
            format!("running for {up}")
        }
        Health::Stalled(_) => format!("STALLED for {ago}"),
        Health::Ended => format!("ENDED {ago} ago"),
        Health::Died => format!("DIED {ago} ago"),
        Health::Unlinked => "running, its page was removed".to_owned(),
    };
    let mut text = format!(
        "engine    {}, pid {}, {health}, at {} UTC\n\
         sessions  {} of {} up, {} connections refused, {} strangers, {} commands under way\n\n",
        sample.identity.name,
        sample.pid,
        words::date_and_time(sample.at),
        engine.sessions_up,
        engine.sessions,
        engine.refused,
        engine.strangers,
        engine.commands_waiting + engine.commands_pending,
    );
    text.push_str(&format!(
        "{:<18}{:>10}{:>10}{:>10}{:>12}\n",
        "latency", "p50", "p99", "max", "count"
    ));
    for (stage, name) in [
        (Stage::ReadToCallback, "read to callback"),
        (Stage::CallbackToWrite, "send to journal"),
        (Stage::Cycle, "busy cycle"),
    ] {
        let snapshot = sample.latency(stage);
        let percentile = |quantile| words::latency(sample.percentile_ns(stage, quantile));
        text.push_str(&format!(
            "{name:<18}{:>10}{:>10}{:>10}{:>12}\n",
            percentile(0.5),
            percentile(0.99),
            words::latency(snapshot.max_ns),
            snapshot.histogram.len()
        ));
    }
    let rows = board.shown();
    let name_width = rows.iter().map(|row| row.entry.id.chars().count()).max();
    let name_width = name_width.unwrap_or_default().max(7);
    text.push_str(&format!(
        "\n{:<name_width$}  {:<10}{:>10}{:>10}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}  {}\n",
        "session",
        "state",
        "next out",
        "next in",
        "out/s",
        "in/s",
        "heard",
        "faults",
        "parked",
        "unsent",
        "note"
    ));
    for row in rows {
        let status = row.status();
        let rate = |of: fn(&super::board::Rates) -> f64| {
            row.rates
                .as_ref()
                .map_or("-".to_owned(), |rates| words::count(of(rates)))
        };
        let line = format!(
            "{:<name_width$}  {:<10}{:>10}{:>10}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}  {}",
            row.entry.id,
            row.word,
            status.next_out,
            status.next_in,
            rate(|r| r.messages_out),
            rate(|r| r.messages_in),
            words::age(sample.at, status.last_in_utc),
            words::count(status.faults as f64),
            words::count(status.parked as f64),
            words::bytes(status.unsent_bytes as f64),
            row.note
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

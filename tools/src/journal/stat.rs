//! `pinfix journal stat`.

use std::fs;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pinfix::journal::{Item, Kind, Reader};
use pinfix::time::{TimestampPrecision, Utc};

use super::places::{self, Place};

/// Tells how much is in each journal.
pub fn run(directory: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    for (nth, place) in places::find(directory)?.iter().enumerate() {
        if nth > 0 {
            writeln!(out)?;
        }
        let tally = Tally::of(&place.directory)
            .with_context(|| format!("cannot read {}", place.directory.display()))?;
        tally.print(place, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Tally {
    application: u64,
    admin: u64,
    replay: u64,
    unnumbered: u64,
    inbound: u64,
    series: u64,
    uuid: Option<u64>,
    /// MsgSeqNum(34) of what was sent and received in the last series.
    sent: Option<RangeInclusive<u64>>,
    received: Option<RangeInclusive<u64>>,
    times: Option<RangeInclusive<Utc>>,
    frame_bytes: u64,
    queued: u64,
    unreadable: u64,
    segments: u64,
    stored_bytes: u64,
}

impl Tally {
    fn of(directory: &Path) -> io::Result<Self> {
        let mut tally = Self::default();
        let mut reader = Reader::open(directory)?;
        while let Some(item) = reader.read()? {
            let Item::Record(entry) = item else {
                tally.unreadable += 1;
                continue;
            };
            widen(&mut tally.times, entry.at);
            match entry.kind {
                Kind::Application => {
                    tally.application += 1;
                    widen(&mut tally.sent, entry.seq);
                }
                Kind::Admin => {
                    tally.admin += 1;
                    widen(&mut tally.sent, entry.seq);
                }
                Kind::Replay => tally.replay += 1,
                Kind::Unnumbered => tally.unnumbered += 1,
                Kind::Series => continue,
                Kind::Queued => tally.queued += 1,
                Kind::Inbound => {
                    tally.inbound += 1;
                    // Session messages of FIXP have no number.
                    if entry.seq > 0 {
                        widen(&mut tally.received, entry.seq);
                    }
                }
                Kind::Reset => {
                    tally.series += 1;
                    tally.uuid = entry
                        .reset()
                        .and_then(|reset| reset.begun)
                        .map(|begun| begun.id);
                    tally.sent = None;
                    tally.received = None;
                    continue;
                }
            }
            tally.frame_bytes += entry.frame.len() as u64;
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|end| end == "journal") {
                tally.segments += 1;
                tally.stored_bytes += entry.metadata()?.len();
            }
        }
        Ok(tally)
    }

    fn print(&self, place: &Place, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", place.identity)?;
        writeln!(out, "  directory   {}", place.directory.display())?;
        writeln!(
            out,
            "  sent        {} application, {} session-level, {} sent again",
            self.application,
            self.admin + self.unnumbered,
            self.replay
        )?;
        if self.queued > 0 {
            writeln!(
                out,
                "  queued      {} before they could be sent",
                self.queued
            )?;
        }
        writeln!(out, "  received    {}", self.inbound)?;
        write!(
            out,
            "  numbers     out {}, in {}, in series {}",
            range(self.sent.as_ref()),
            range(self.received.as_ref()),
            self.series
        )?;
        match self.uuid {
            Some(uuid) => writeln!(out, " of UUID {uuid}")?,
            None => writeln!(out)?,
        }
        if let Some(times) = &self.times {
            let text = |at: &Utc| {
                let text = at.to_fix(TimestampPrecision::Nanos);
                String::from_utf8_lossy(&text).into_owned()
            };
            writeln!(
                out,
                "  times       {} to {} UTC",
                text(times.start()),
                text(times.end())
            )?;
        }
        writeln!(
            out,
            "  bytes       {} in messages, {} on disk in {} segments",
            self.frame_bytes, self.stored_bytes, self.segments
        )?;
        if self.unreadable > 0 {
            writeln!(
                out,
                "  UNREADABLE  {} places, see `pinfix journal verify`",
                self.unreadable
            )?;
        }
        Ok(())
    }
}

fn range(numbers: Option<&RangeInclusive<u64>>) -> String {
    match numbers {
        Some(numbers) => format!("{}..{}", numbers.start(), numbers.end()),
        None => "none".to_owned(),
    }
}

fn widen<T: Copy + Ord>(range: &mut Option<RangeInclusive<T>>, to: T) {
    *range = Some(match range {
        Some(range) => (*range.start()).min(to)..=(*range.end()).max(to),
        None => to..=to,
    });
}

//! `pinfix journal print`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pinfix::journal::{Entry, Item, Kind, Reader};
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::Printable;

use super::filter::{Choice, Direction, Filter};
use super::places;
use super::sbe::Shown;

pub const EXAMPLES: &str = "\
Examples:
  pinfix journal print journals/FIX.4.4_VENUE-CLIENT-0a1b2c3d
  pinfix journal print journals --from 14:30:02.123 --to 14:30:02.123
  pinfix journal print journals --type D,8 --seq 100..120 --direction out
  pinfix journal print journals --type NewOrderSingle,522     iLink 3
  pinfix journal print journals --from 2026-11-23T14:30:00Z | head";

/// Prints what fits the choice, one session after the other.
pub fn run(directory: &Path, choice: Choice, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut filter = Filter::new(choice)?;
    for (nth, place) in places::find(directory)?.iter().enumerate() {
        if nth > 0 {
            writeln!(out)?;
        }
        writeln!(out, "# {}", place.identity)?;
        let cannot_read = || format!("cannot read {}", place.directory.display());
        let mut reader = Reader::open(&place.directory).with_context(cannot_read)?;
        while let Some(item) = reader.read().with_context(cannot_read)? {
            match item {
                Item::Record(entry) if filter.takes(&entry) => record(&entry, out)?,
                Item::Record(_) => {}
                trouble => writeln!(out, "# {}", self::trouble(&trouble))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said about an item that is no record.
pub fn trouble(item: &Item<'_>) -> String {
    match item {
        Item::Record(_) => String::new(),
        Item::Damage(damage) => format!("unreadable: {damage}"),
        Item::Missing(numbers) => {
            let (first, last) = (numbers.start(), numbers.end());
            format!("missing: segments {first} to {last}")
        }
        Item::Unusable { file, why } => format!("unreadable: {}: {why}", file.display()),
    }
}

/// One line for a record.
pub fn record(entry: &Entry<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    let time = entry.at.to_fix(TimestampPrecision::Nanos);
    out.write_all(&time)?;
    let direction = Direction::of(entry.kind).name();
    if entry.kind == Kind::Reset {
        write!(out, "  {direction:<6} {:>8}  ", "-")?;
        match entry.reset() {
            Some(reset) => {
                write!(out, "series {} ", reset.series)?;
                if let Some(begun) = reset.begun {
                    write!(out, "of UUID {} ", begun.id)?;
                }
                writeln!(
                    out,
                    "begins, next out {}, next in {}: {}",
                    reset.next_out, reset.next_in, reset.cause
                )?;
            }
            None => writeln!(out, "a series begins, its record cannot be understood")?,
        }
        return Ok(());
    }
    if entry.kind == Kind::Series {
        write!(out, "  {direction:<6} {:>8}  ", "-")?;
        match entry.note() {
            Some(note) => writeln!(out, "{note}")?,
            None => writeln!(out, "a note that cannot be understood")?,
        }
        return Ok(());
    }
    match Shown::read(entry.frame) {
        // Session messages of FIXP are outside numbering.
        Some(message) if entry.seq == 0 || entry.kind == Kind::Unnumbered => {
            writeln!(out, "  {direction:<6} {:>8}  {message}", "-")?;
        }
        Some(message) => writeln!(out, "  {direction:<6} {:>8}  {message}", entry.seq)?,
        None => {
            let message = Printable(entry.frame);
            writeln!(out, "  {direction:<6} {:>8}  {message}", entry.seq)?;
        }
    }
    Ok(())
}

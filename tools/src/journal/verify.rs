//! `pinfix journal verify`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pinfix::journal;

use super::places;

/// Checks every record and tells what cannot be read, with file and offset.
pub fn run(directory: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut all_sound = true;
    for place in places::find(directory)? {
        let totals = journal::verify(&place.directory)
            .with_context(|| format!("cannot read {}", place.directory.display()))?;
        let records = totals.application
            + totals.admin
            + totals.replay
            + totals.inbound
            + totals.resets
            + totals.queued
            + totals.unnumbered
            + totals.notes;
        let (identity, segments) = (&place.identity, totals.segments);
        if totals.is_sound() {
            writeln!(
                out,
                "{identity}: sound, {records} records in {segments} segments"
            )?;
            continue;
        }
        all_sound = false;
        writeln!(
            out,
            "{identity}: DAMAGED, {records} records in {segments} segments can be read"
        )?;
        for damage in &totals.damage {
            writeln!(out, "  {damage}")?;
        }
        for numbers in &totals.missing {
            writeln!(
                out,
                "  segments {} to {} are missing in {}",
                numbers.start(),
                numbers.end(),
                place.directory.display()
            )?;
        }
        for (file, why) in &totals.unusable {
            writeln!(out, "  {}: {why}", file.display())?;
        }
    }
    Ok(if all_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! The catalogue: what must have a scenario, and which file has it.
//!
//! `catalogue.txt` has a line for each row, `ID WHAT`, or `ID absent WHY` for what is not proven; a row is
//! proven by every scenario whose id is its own, or its own with a letter behind it.

use crate::script::Scenario;

const ROWS: &str = include_str!("catalogue.txt");

/// Holds the scenarios against the catalogue. Answers with a summary: one line per row.
///
/// # Errors
/// One line for each row without a scenario, and for each scenario without a row.
pub fn check(scenarios: &[Scenario]) -> Result<String, String> {
    let rows: Vec<(&str, &str)> = ROWS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let mut wrong = Vec::new();
    let mut told = Vec::new();
    let mut absent = Vec::new();
    for (id, what) in &rows {
        let mut files: Vec<&str> = scenarios
            .iter()
            .filter(|scenario| belongs(&scenario.id, id))
            .map(|scenario| scenario.file.as_str())
            .collect();
        files.dedup();
        match (what.strip_prefix("absent "), files.is_empty()) {
            (None, true) => wrong.push(format!("{id} ({what}) has no scenario")),
            (Some(_), false) => wrong.push(format!("{id} has a scenario, and says it has none")),
            (Some(why), true) => absent.push(format!("  {id}: {why}")),
            (None, false) => told.push(format!("  {id:<8} {:<32} {what}", files.join(" "))),
        }
    }
    for scenario in scenarios {
        if !rows.iter().any(|row| belongs(&scenario.id, row.0)) {
            wrong.push(format!("{}: {} is in no row", scenario.file, scenario.id));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let mut sections: Vec<(&str, usize)> = Vec::new();
    for (id, what) in &rows {
        if what.starts_with("absent ") {
            continue;
        }
        let section = id.split('-').next().unwrap_or_default();
        match sections.iter_mut().find(|known| known.0 == section) {
            Some(known) => known.1 += 1,
            None => sections.push((section, 1)),
        }
    }
    let counts: Vec<String> = sections
        .iter()
        .map(|(section, count)| format!("{section} {count}"))
        .collect();
    Ok(format!(
        "{}\ncatalogue: {} rows proven by {} scenarios ({}), {} not:\n{}",
        told.join("\n"),
        told.len(),
        scenarios.len(),
        counts.join(", "),
        absent.len(),
        absent.join("\n")
    ))
}

fn belongs(scenario: &str, row: &str) -> bool {
    match scenario.strip_prefix(row) {
        Some("") => true,
        Some(rest) => rest.len() == 1 && rest.as_bytes()[0].is_ascii_lowercase(),
        None => false,
    }
}

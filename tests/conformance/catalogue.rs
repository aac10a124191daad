//! The catalogue: the id of every rule that a session layer is held to, and where it is proven.
//!
//! `catalogue.txt` has a line for each row:
//!
//! ```text
//! ID KIND ROLES                        proven by the scenarios ID, IDb, IDc ...
//! ID KIND ROLES only WHY               the same, with scenarios for one role alone
//! ID KIND ROLES proven FILE NAME       proven by a test outside of the scenarios
//! ID KIND ROLES setting KEY [KEY]      a question with more than one answer: the scenarios ID, IDb, IDc ...
//!                                      are one for each, and set each KEY
//! ID KIND ROLES absent WHY             not proven
//! ```
//!
//! KIND: M mandatory, O optional, P practice, D decision. ROLES: A acceptor, I initiator, * both.
//! A scenario may go beyond the rows: with a number after the last row of its section, or with a letter
//! of its own (16c where the rows are 16a and 16b).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pinfix::session::fix::Role;

use crate::script::Scenario;

/// Sections that no row is in, and what they are about.
const SECTIONS_OF_OUR_OWN: [(&str, &str); 1] = [("C", "the preset for strict wire compatibility")];

/// The sections of a venue, and where people read what its rules are.
const VENUES: [([&str; 2], &str); 2] = [
    (["T4", "T4Q"], "src/venue/t4.rs"),
    (["BR", "BRQ"], "src/venue/brokeret.rs"),
];

const ROWS: &str = include_str!("catalogue.txt");

struct Row<'a> {
    id: &'a str,
    kind: char,
    roles: char,
    proof: Proof<'a>,
}

enum Proof<'a> {
    Scenarios,
    /// Scenarios for one of its roles, and why not for the other.
    OneRole,
    Test {
        file: &'a str,
        name: &'a str,
    },
    /// Scenarios that set these keys.
    Settings(Vec<&'a str>),
    Absent(&'a str),
}

/// Holds the scenarios against the catalogue. Answers with a summary.
///
/// # Errors
/// One line for each row without a proof or a reason, and for each scenario without a row.
pub fn check(scenarios: &[Scenario]) -> Result<String, String> {
    let rows = read(ROWS)?;
    let mut wrong = Vec::new();
    let mut proofs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut set: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for scenario in scenarios {
        let row = rows.iter().find(|row| belongs(&scenario.id, row.id));
        let roles = scenario.roles.iter().map(|role| match role {
            Role::Acceptor => "A",
            Role::Initiator => "I",
        });
        match row {
            Some(row) => {
                proofs.entry(row.id).or_default().extend(roles);
                let keys = scenario.settings.iter().map(|(_, key, _)| key.as_str());
                set.entry(row.id).or_default().extend(keys);
            }
            None if goes_beyond(&scenario.id, &rows) => {}
            None => wrong.push(format!("scenario {} is in no catalogue", scenario.id)),
        }
    }
    for row in &rows {
        let keys = set.get(row.id);
        if let Err(why) = row
            .check(proofs.get(row.id))
            .and_then(|()| row.check_keys(keys))
        {
            wrong.push(format!("{} ({}): {why}", row.id, row.kind));
        }
    }
    wrong.extend(undocumented(&rows));
    if wrong.is_empty() {
        Ok(summary(&rows))
    } else {
        Err(wrong.join("\n"))
    }
}

impl Row<'_> {
    fn check(&self, roles: Option<&BTreeSet<&str>>) -> Result<(), String> {
        match (&self.proof, roles) {
            (Proof::OneRole, Some(_)) => Ok(()),
            (Proof::Scenarios | Proof::OneRole | Proof::Settings(_), None) => {
                Err("no scenario, no test and no reason".into())
            }
            (Proof::Scenarios | Proof::Settings(_), Some(roles)) => {
                let missing = match self.roles {
                    '*' => ["A", "I"].into_iter().find(|role| !roles.contains(role)),
                    'A' => (!roles.contains("A")).then_some("A"),
                    _ => (!roles.contains("I")).then_some("I"),
                };
                missing.map_or(Ok(()), |role| Err(format!("no scenario for role {role}")))
            }
            (Proof::Test { file, name }, _) => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
                let there =
                    text.contains(&format!("fn {name}(")) || text.contains(&format!("\"{name}\""));
                there
                    .then_some(())
                    .ok_or_else(|| format!("{file} has no test {name}"))
            }
            (Proof::Absent(_), None) => Ok(()),
            (Proof::Absent(why), Some(_)) => Err(format!("has a scenario now, but says: {why}")),
        }
    }
}

impl Row<'_> {
    fn check_keys(&self, set: Option<&BTreeSet<&str>>) -> Result<(), String> {
        let Proof::Settings(keys) = &self.proof else {
            return Ok(());
        };
        let is_set = |key: &str| set.is_some_and(|set| set.contains(key));
        match keys.iter().find(|key| !is_set(key)) {
            Some(key) => Err(format!("no scenario sets {key}")),
            None => Ok(()),
        }
    }
}

fn read(text: &str) -> Result<Vec<Row<'_>>, String> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("catalogue.txt: {line:?} is no row");
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().ok_or_else(wrong);
        let id = word()?;
        let letter = |word: &str, of: &str| {
            let letter = of.chars().find(|letter| word.chars().eq([*letter]));
            letter.ok_or_else(wrong)
        };
        let row = Row {
            id,
            kind: letter(word()?, "MOPD")?,
            roles: letter(word()?, "AI*")?,
            proof: match words.next().map(|rest| rest.split_once(' ')) {
                None => Proof::Scenarios,
                Some(Some(("proven", rest))) => {
                    let (file, name) = rest.split_once(' ').ok_or_else(wrong)?;
                    Proof::Test { file, name }
                }
                Some(Some(("only", _))) => Proof::OneRole,
                Some(Some(("setting", keys))) => Proof::Settings(keys.split(' ').collect()),
                Some(Some(("absent", why))) => Proof::Absent(why),
                Some(_) => return Err(wrong()),
            },
        };
        if rows.iter().any(|other| other.id == row.id) {
            return Err(format!("catalogue.txt: {id} is there twice"));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The rows of venues that the table beside their profile does not have, and those it has beyond them.
fn undocumented(rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (sections, file) in VENUES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let table: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("/// | ")?.split_once(" | "))
            .map(|(id, _)| id)
            .filter(|id| split(id).is_some_and(|(section, _)| sections.contains(&section)))
            .collect();
        let listed = |row: &&Row<'_>| split(row.id).is_some_and(|(at, _)| sections.contains(&at));
        let known: BTreeSet<&str> = rows.iter().filter(listed).map(|row| row.id).collect();
        for id in known.symmetric_difference(&table) {
            wrong.push(format!(
                "{id} is not both in catalogue.txt and in the table of {file}"
            ));
        }
    }
    wrong
}

/// Whether a scenario is one of the row's: its id, or its id and a letter.
fn belongs(scenario: &str, row: &str) -> bool {
    match scenario.strip_prefix(row) {
        Some("") => true,
        Some(rest) => rest.len() == 1 && rest.as_bytes()[0].is_ascii_lowercase(),
        None => false,
    }
}

fn goes_beyond(scenario: &str, rows: &[Row<'_>]) -> bool {
    let Some((section, number)) = split(scenario) else {
        return false;
    };
    let stem = |section: &str| section.trim_end_matches(char::is_lowercase).to_owned();
    let mut sections = rows.iter().filter_map(|row| split(row.id));
    let last = sections.clone().filter(|row| row.0 == section);
    match last.map(|row| row.1).max() {
        Some(last) => number > last,
        None if SECTIONS_OF_OUR_OWN.iter().any(|own| own.0 == section) => true,
        None => sections.any(|row| stem(row.0) == stem(section)),
    }
}

/// `2b` and 4 of `2b-04c`.
fn split(id: &str) -> Option<(&str, u32)> {
    let (prefix, number) = id.split_once('-')?;
    let number = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    Some((prefix, number.parse().ok()?))
}

fn summary(rows: &[Row<'_>]) -> String {
    let count = |is: &dyn Fn(&Row<'_>) -> bool| rows.iter().filter(|row| is(row)).count();
    let elsewhere = count(&|row| matches!(row.proof, Proof::Test { .. }));
    let absent: Vec<_> = rows
        .iter()
        .filter_map(|row| match row.proof {
            Proof::Absent(why) => Some(format!("  {} ({}): {why}", row.id, row.kind)),
            _ => None,
        })
        .collect();
    format!(
        "catalogue: {} rows, {} proven by scenarios, {elsewhere} by other tests, {} not:\n{}",
        rows.len(),
        rows.len() - elsewhere - absent.len(),
        absent.len(),
        absent.join("\n")
    )
}

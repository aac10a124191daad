//! Scenario files: read, and rows of a table put into their scenario.

use std::fs;
use std::path::Path;

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub id: String,
    pub title: String,
    /// Its file, without the directory.
    pub file: String,
    /// Line numbers and lines.
    pub lines: Vec<(usize, String)>,
}

/// What is read so far of a scenario, before rows are put in.
struct Draft {
    head: String,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    lines: Vec<(usize, String)>,
}

pub fn read_all(directory: &Path) -> Result<Vec<Scenario>, String> {
    let entries =
        fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    paths.sort();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for scenario in read(&file, &text)? {
            if let Some(other) = scenarios.iter().find(|other| other.id == scenario.id) {
                return Err(format!(
                    "{file}: {} is in {} already",
                    scenario.id, other.file
                ));
            }
            scenarios.push(scenario);
        }
    }
    Ok(scenarios)
}

fn read(file: &str, text: &str) -> Result<Vec<Scenario>, String> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix("scenario ") {
            drafts.push(Draft {
                head: head.to_owned(),
                names: Vec::new(),
                rows: Vec::new(),
                lines: Vec::new(),
            });
            continue;
        }
        let draft = drafts
            .last_mut()
            .ok_or_else(|| format!("{file}:{}: before any scenario", number + 1))?;
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        if let Some(names) = line.strip_prefix("with ") {
            draft.names = words(names);
        } else if let Some(row) = line.strip_prefix("| ") {
            // A value with several words has `;` between them.
            let row: Vec<String> = words(row)
                .iter()
                .map(|value| value.replace(';', " "))
                .collect();
            if row.len() != draft.names.len() {
                return Err(format!(
                    "{file}:{}: {} values are wanted",
                    number + 1,
                    draft.names.len()
                ));
            }
            draft.rows.push(row);
        } else {
            draft.lines.push((number + 1, line.to_owned()));
        }
    }
    drafts
        .into_iter()
        .flat_map(|draft| draft.scenarios(file))
        .collect()
}

impl Draft {
    fn scenarios(self, file: &str) -> Vec<Result<Scenario, String>> {
        let rows = if self.names.is_empty() {
            vec![Vec::new()]
        } else {
            self.rows.clone()
        };
        rows.iter().map(|row| self.scenario(row, file)).collect()
    }

    fn scenario(&self, row: &[String], file: &str) -> Result<Scenario, String> {
        let put = |text: &str| {
            let mut text = text.to_owned();
            for (name, value) in self.names.iter().zip(row) {
                text = text.replace(&format!("{{{name}}}"), value);
            }
            text
        };
        let head = put(&self.head);
        let (id, title) = head
            .split_once(' ')
            .ok_or_else(|| format!("{file}: scenario {head:?} has no title"))?;
        Ok(Scenario {
            id: id.to_owned(),
            title: title.to_owned(),
            file: file.to_owned(),
            lines: self
                .lines
                .iter()
                .map(|(number, line)| (*number, put(line)))
                .collect(),
        })
    }
}

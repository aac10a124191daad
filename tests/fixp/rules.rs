//! The table of open rules, which is where the settings of a gateway are: every row has a scenario for the
//! default and one for another value, and every setting of a gateway has a row.

use crate::script::Scenario;

const SETTINGS: &str = include_str!("../../src/session/fixp/gateway/settings.rs");

/// A line of the table.
struct Row<'a> {
    setting: &'a str,
    default: Vec<&'a str>,
    other: Vec<&'a str>,
}

/// # Errors
/// One line for each thing that is not as the table says.
pub fn check(scenarios: &[Scenario]) -> Result<(), String> {
    let rows = rows()?;
    let mut wrong = Vec::new();
    for setting in fields() {
        if !rows.iter().any(|row| row.setting == setting) {
            wrong.push(format!("{setting} is in no row of the table"));
        }
    }
    for row in &rows {
        let Row {
            setting,
            default,
            other,
        } = row;
        for (ids, sets) in [(default, false), (other, true)] {
            for id in ids {
                let Some(scenario) = scenarios.iter().find(|scenario| scenario.id == *id) else {
                    wrong.push(format!("{setting}: there is no scenario {id}"));
                    continue;
                };
                let is_set = scenario
                    .lines
                    .iter()
                    .any(|(_, line)| changes(line, setting));
                if is_set != sets {
                    let does = if is_set { "sets it" } else { "does not set it" };
                    wrong.push(format!("{setting}: {id} {does}"));
                }
            }
            if ids.is_empty() {
                wrong.push(format!("{setting}: a scenario is missing"));
            }
        }
    }
    if rows.len() < 30 {
        wrong.push(format!("the table has {} rows", rows.len()));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Whether a line sets it, perhaps with the unit behind its name.
fn changes(line: &str, setting: &str) -> bool {
    let key = line
        .strip_prefix("set ")
        .and_then(|rest| rest.split(' ').next());
    let rest = key.and_then(|key| key.strip_prefix(setting));
    matches!(rest, Some("" | "_s"))
}

fn rows<'a>() -> Result<Vec<Row<'a>>, String> {
    let table = SETTINGS
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "));
    let mut rows = Vec::new();
    for line in table.skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, setting, default, other, ""] = cells[..] else {
            return Err(format!("four cells are wanted: {line}"));
        };
        let setting = setting.trim_matches('`');
        let ids = |cell: &'a str| cell.split(' ').filter(|id| !id.is_empty()).collect();
        rows.push(Row {
            setting,
            default: ids(default),
            other: ids(other),
        });
    }
    Ok(rows)
}

/// The settings of a gateway.
fn fields() -> Vec<String> {
    let start = SETTINGS.find("pub struct GatewaySettings").unwrap_or(0);
    let body = SETTINGS[start..].lines().skip(1);
    body.take_while(|line| *line != "}")
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| format!("gateway.{name}"))
        .collect()
}

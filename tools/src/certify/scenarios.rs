//! The scenarios of the conformance suite, built into the command.

use std::path::Path;

use anyhow::anyhow;

use super::script::{self, Scenario};

/// Every file, each behind a line with its name. Written by the build script.
const FILES: &str = include_str!(concat!(env!("OUT_DIR"), "/scenarios.txt"));

/// Starts the name of a file.
const NAME: &str = "#!file ";

/// All scenarios, in the order of the files' names.
///
/// # Errors
/// One cannot be read: this command was built from a broken tree.
pub fn all() -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for file in FILES.split(NAME).skip(1) {
        let (name, text) = file.split_once('\n').unwrap_or((file, ""));
        scenarios.extend(script::parse(Path::new(name), text).map_err(|why| anyhow!(why))?);
    }
    Ok(scenarios)
}

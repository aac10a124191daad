//! Which journals there are below a directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pinfix::journal;

/// A session's journal.
pub struct Place {
    pub directory: PathBuf,
    /// Whose it is.
    pub identity: String,
}

/// The journals in `directory`: it is one, or it holds some.
pub fn find(directory: &Path) -> anyhow::Result<Vec<Place>> {
    if is_journal(directory)? {
        return Ok(vec![place(directory.to_path_buf())?]);
    }
    let mut below = Vec::new();
    for entry in read(directory)? {
        let path = entry.with_context(|| cannot_read(directory))?.path();
        if path.is_dir() && is_journal(&path)? {
            below.push(path);
        }
    }
    if below.is_empty() {
        bail!(
            "no journal in {}: expected files such as 0000000001.journal, or directories that hold them",
            directory.display()
        );
    }
    below.sort();
    below.into_iter().map(place).collect()
}

fn place(directory: PathBuf) -> anyhow::Result<Place> {
    let identity = journal::identity(&directory).with_context(|| cannot_read(&directory))?;
    Ok(Place {
        directory,
        identity: identity.unwrap_or_else(|| "a session whose name cannot be read".to_owned()),
    })
}

fn is_journal(directory: &Path) -> anyhow::Result<bool> {
    for entry in read(directory)? {
        let name = entry.with_context(|| cannot_read(directory))?.file_name();
        let is_segment = name
            .to_str()
            .and_then(|name| name.strip_suffix(".journal"))
            .is_some_and(|number| number.len() == 10 && number.bytes().all(|b| b.is_ascii_digit()));
        if is_segment {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read(directory: &Path) -> anyhow::Result<fs::ReadDir> {
    fs::read_dir(directory).with_context(|| cannot_read(directory))
}

fn cannot_read(directory: &Path) -> String {
    format!("cannot read {}", directory.display())
}

//! Sessions of a file, added at the wish of a client of the admin socket: read and made by a thread for
//! the one wish, so that a slow name server or disk keeps no other client waiting.
//!
//! Invariant: a client cannot have read to it, by way of an error, what it may not read itself.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::config::{AnySessionConfig, ConfigError};
use super::control::{AddError, Controller};
use super::directory::EngineRef;
use super::peer;
use crate::admin::Outcome;
use crate::admin::protocol::End;

/// Reads the sessions of a file; an error says what is wrong with it.
type Read = dyn Fn(&Path) -> Result<Vec<AnySessionConfig>, String> + Send + Sync;

/// How an engine reads files of sessions that a client of its admin socket names.
#[derive(Clone)]
pub struct SessionFiles(Arc<Read>);

impl fmt::Debug for SessionFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionFiles")
    }
}

impl SessionFiles {
    /// Files that `read` understands. It is called on a thread of its own.
    pub fn read_by<F, C>(read: F) -> Self
    where
        F: Fn(&Path) -> Result<Vec<C>, String> + Send + Sync + 'static,
        C: Into<AnySessionConfig> + 'static,
    {
        Self(Arc::new(move |file| {
            let sessions = read(file)?.into_iter();
            Ok(sessions.map(Into::into).collect())
        }))
    }
}

/// A wish to add the sessions of a file.
pub(super) struct Wish {
    pub(super) file: PathBuf,
    pub(super) within: Duration,
    /// The user who asks.
    pub(super) user: u32,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Added {
    /// The identities of those that were added.
    pub(super) sessions: Vec<String>,
    pub(super) end: End,
}

/// Starts on a wish.
pub(super) fn start(
    files: &SessionFiles,
    engine: EngineRef,
    wish: Wish,
) -> std::io::Result<JoinHandle<Added>> {
    let files = files.clone();
    thread::Builder::new()
        .name("pinfix-adding".to_owned())
        .spawn(move || {
            let mut sessions = Vec::new();
            let end = match add(&files, &engine, &wish, &mut sessions) {
                Ok(()) if sessions.is_empty() => End::NoOp(format!(
                    "the engine has every session of {} already",
                    wish.file.display()
                )),
                Ok(()) => End::Done,
                Err(end) => end,
            };
            Added { sessions, end }
        })
}

fn add(
    files: &SessionFiles,
    engine: &EngineRef,
    wish: &Wish,
    added: &mut Vec<String>,
) -> Result<(), End> {
    let limit = Instant::now() + wish.within;
    may_read(wish)?;
    let configs = (files.0)(&wish.file).map_err(End::Error)?;
    let fresh: Vec<_> = configs
        .into_iter()
        .filter(|config| engine.session(config.id()).is_none())
        .collect();
    if fresh.is_empty() {
        return Ok(());
    }
    // All or nothing, as far as that can be known beforehand.
    for config in &fresh {
        config
            .check()
            .map_err(|error| End::Error(error.to_string()))?;
    }
    let mut controller = engine
        .controller()
        .map_err(|error| End::Refused(error.to_string()))?;
    for config in fresh {
        let name = config.id().to_string();
        let left = limit.saturating_duration_since(Instant::now());
        match one(&mut controller, config, left) {
            End::Done => added.push(name),
            end => return Err(after(end, &name, added)),
        }
    }
    Ok(())
}

/// What the client is allowed to have read to it: the engine's process may be allowed more.
fn may_read(wish: &Wish) -> Result<(), End> {
    let Wish { file, user, .. } = wish;
    if !file.is_absolute() {
        let file = file.display();
        return Err(End::Error(format!(
            "file={file:?} is not accepted, expected an absolute path: the engine has another directory"
        )));
    }
    if *user == 0 || *user == peer::own_user() {
        return Ok(());
    }
    match file.metadata() {
        Ok(found) if found.uid() == *user => Ok(()),
        // Nor is it told whether there is such a file.
        _ => Err(End::Error(format!(
            "{} is no file of user {user}, who asks",
            file.display()
        ))),
    }
}

fn one(controller: &mut Controller, config: AnySessionConfig, within: Duration) -> End {
    match controller.add_session(config, within) {
        // The engine answers in time while it runs; a little more for the way.
        Ok(added) => controller
            .wait(added.ticket, within + Duration::from_secs(1))
            .into(),
        Err(AddError::Config(ConfigError::Twice(_))) => {
            Outcome::Refused("it was added, or has not left yet, at the same moment").into()
        }
        Err(error) => End::Error(error.to_string()),
    }
}

/// An end that names the session it is about, and those that were added before it.
fn after(end: End, name: &str, added: &[String]) -> End {
    let before = if added.is_empty() {
        String::new()
    } else {
        format!("; added before it: {}", added.join(", "))
    };
    match end {
        End::Refused(why) => End::Refused(format!("{name}: {why}{before}")),
        End::Error(why) => End::Error(format!("{name}: {why}{before}")),
        end => end,
    }
}

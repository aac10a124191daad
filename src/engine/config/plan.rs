//! Everything an engine is to be started with, as it was read from a file.

use std::net::SocketAddr;

use super::{AnySessionConfig, ConfigError, EngineConfig, Listen, Problem, SessionConfig};
use crate::engine::{Engine, SessionHandle};
use crate::journal::Recovery;
use crate::time::Now;

/// An engine's settings, its ports and its sessions.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Settings of the engine.
    pub engine: EngineConfig,
    /// The ports it listens on.
    pub listeners: Vec<Listen>,
    /// Its sessions, in the order of the file.
    pub sessions: Vec<Planned>,
    /// What a user should know and may be content with.
    pub warnings: Vec<Problem>,
}

/// A session of a plan. `C` is the type of its settings while it is known which protocol it speaks.
#[derive(Clone, Debug)]
pub struct Planned<C = AnySessionConfig> {
    /// Its settings.
    pub config: C,
    /// Whether it begins with the engine.
    pub start: Start,
    /// Whether the others begin without it, if it cannot.
    pub need: Need,
    /// What a person calls it.
    pub label: Option<String>,
    /// Settings of the application that stand beside those of the session: (key, value).
    pub own: Vec<(String, String)>,
}

impl<C> Planned<C> {
    /// A session that begins with the engine, and without which the others do not begin.
    pub fn new(config: C) -> Self {
        Self {
            config,
            start: Start::default(),
            need: Need::default(),
            label: None,
            own: Vec::new(),
        }
    }

    /// The same with other settings.
    pub fn with<D>(self, config: impl FnOnce(C) -> D) -> Planned<D> {
        Planned {
            config: config(self.config),
            start: self.start,
            need: self.need,
            label: self.label,
            own: self.own,
        }
    }
}

impl From<Planned<SessionConfig>> for Planned {
    fn from(planned: Planned<SessionConfig>) -> Self {
        planned.with(AnySessionConfig::Fix)
    }
}

/// When a session of a plan begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the engine.
    #[default]
    WithEngine,
    /// When the application adds it.
    Later,
}

/// What it means for the others that a session cannot begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// They do not begin either.
    #[default]
    Required,
    /// They begin without it.
    Optional,
}

/// What opening a plan came to.
#[derive(Debug)]
pub struct Opened {
    /// For each session of the plan its handle and what its journal had to mend; `None` if it begins
    /// later, or could not begin and need not.
    pub sessions: Vec<Option<(SessionHandle, Recovery)>>,
    /// The addresses that are listened on, in the order of the plan.
    pub listening: Vec<SocketAddr>,
    /// Why sessions that need not begin could not.
    pub left_out: Vec<ConfigError>,
}

impl Plan {
    /// Adds the sessions to `engine`, which was made with [`Plan::engine`], and listens.
    ///
    /// # Errors
    /// The first session that could not be added although it is [`Need::Required`], or the first
    /// port that could not be listened on. What was opened before stays open.
    pub fn open(&self, engine: &mut Engine, now: Now) -> Result<Opened, ConfigError> {
        let mut opened = Opened {
            sessions: Vec::with_capacity(self.sessions.len()),
            listening: Vec::with_capacity(self.listeners.len()),
            left_out: Vec::new(),
        };
        for planned in &self.sessions {
            let session = match planned.start {
                Start::Later => None,
                Start::WithEngine => match (
                    engine.add_session(planned.config.clone(), now),
                    planned.need,
                ) {
                    (Ok(session), _) => Some(session),
                    (Err(error), Need::Required) => return Err(error),
                    (Err(error), Need::Optional) => {
                        opened.left_out.push(error);
                        None
                    }
                },
            };
            opened.sessions.push(session);
        }
        for listener in &self.listeners {
            let bound = engine.listen_as(listener.clone())?;
            opened.listening.push(bound);
        }
        Ok(opened)
    }
}

//! The engines of this process: whoever knows a session finds the engine that has it, from any thread.
//!
//! Only ordinary threads come here. A core neither reads nor writes it: engines enter when they are made
//! and leave when they are dropped, and which sessions an engine has is asked of the list that is kept
//! beside it by those who add and close sessions.
//!
//! Invariant: once an engine is dropped, nobody gets a controller of it any more, and the core's ends of
//! those that it had not taken yet are gone, so that their owners learn of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::SessionHandle;
use super::control::{Controller, Workshop};
use super::controllers::{Arrivals, CONTROLLERS_MAX};
use crate::counters::StatusReader;
use crate::session::SessionId;

static ENGINES: Mutex<Vec<Weak<Presence>>> = Mutex::new(Vec::new());

/// The engines of this process and their sessions.
///
/// With an engine on each of several cores, this is how a thread that knows no more than the identity of
/// a session comes by the engine that has it:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use pinfix::engine::{Clock, Controller, Directory, Engine, EngineConfig, SessionConfig};
/// use pinfix::session::fix::rules::FIX44;
///
/// let mut engine = Engine::new(EngineConfig::default())?;
/// let config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
/// let id = config.settings.id.clone();
/// engine.add_session(config, Clock::new().now())?;
///
/// // On any other thread, while the engine runs:
/// let (mut controller, session) = Controller::for_session(&id)?;
/// let ticket = controller.logon(session, Duration::from_secs(5))?;
/// # let _ = ticket;
///
/// drop(engine);
/// assert!(Directory::find(&id).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Directory;

impl Directory {
    /// The engine that has a session, or is about to have it, or has it until it has left. Of several
    /// that have one of this identity, the one that was made first: [`Controller::for_session`] refuses
    /// to choose.
    #[must_use]
    pub fn find(id: &SessionId) -> Option<EngineRef> {
        Self::having(id).into_iter().next()
    }

    /// Every engine of this process, in the order they were made.
    #[must_use]
    pub fn engines() -> Vec<EngineRef> {
        let engines = lock(&ENGINES);
        engines
            .iter()
            .filter_map(Weak::upgrade)
            .map(EngineRef)
            .collect()
    }

    fn having(id: &SessionId) -> Vec<EngineRef> {
        let mut engines = Self::engines();
        engines.retain(|engine| engine.session(id).is_some());
        engines
    }
}

/// An engine of this process, as other threads know it. Outlives the engine.
#[derive(Clone, Debug)]
pub struct EngineRef(Arc<Presence>);

#[derive(Debug)]
struct Presence {
    name: String,
    /// Nothing once the engine is dropped.
    inside: Mutex<Option<Inside>>,
}

#[derive(Debug)]
struct Inside {
    workshop: Workshop,
    status: StatusReader,
    arrivals: Arc<Arrivals>,
}

/// Why there is no controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoController {
    /// No engine of this process has the session.
    NoSuchSession(String),
    /// So many engines of this process have a session of this identity: which of them is meant, only
    /// [`Directory::engines`] and their names can tell.
    SeveralEngines(String, usize),
    /// The engine was dropped.
    EngineGone,
    /// There are [`CONTROLLERS_MAX`] of this engine. One that is dropped makes room for another as soon
    /// as the engine has answered what it sent.
    TooMany,
}

impl fmt::Display for NoController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchSession(id) => write!(f, "no engine of this process has session {id}"),
            Self::SeveralEngines(id, count) => write!(
                f,
                "{count} engines of this process have a session {id}, ask the one that is meant"
            ),
            Self::EngineGone => f.write_str("the engine was dropped"),
            Self::TooMany => write!(
                f,
                "{CONTROLLERS_MAX} controllers were asked for while the engine runs, drop one first"
            ),
        }
    }
}

impl std::error::Error for NoController {}

impl EngineRef {
    /// The name it was configured with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the engine was dropped.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        lock(&self.0.inside).is_none()
    }

    /// The session of this identity, if the engine has it.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<SessionHandle> {
        let inside = lock(&self.0.inside);
        inside.as_ref()?.workshop.roster.find(&id.to_string())
    }

    /// One more controller of the running engine. Waits for nobody on the core: commands may be sent at
    /// once, and the engine finds them in its next cycle.
    ///
    /// # Errors
    /// The engine was dropped, or there are [`CONTROLLERS_MAX`] already.
    pub fn controller(&self) -> Result<Controller, NoController> {
        let inside = lock(&self.0.inside);
        let inside = inside.as_ref().ok_or(NoController::EngineGone)?;
        let (sender, door) = inside.arrivals.give().ok_or(NoController::TooMany)?;
        Ok(Controller {
            sender,
            engine: self.clone(),
            status: inside.status.clone(),
            workshop: Workshop {
                door,
                ..inside.workshop.clone()
            },
        })
    }
}

impl Controller {
    /// A controller of the engine of this process that has a session, and the session's handle there.
    ///
    /// # Errors
    /// No engine has it, several have, or the one that has gives no controller.
    pub fn for_session(id: &SessionId) -> Result<(Self, SessionHandle), NoController> {
        let engines = Directory::having(id);
        let missing = || NoController::NoSuchSession(id.to_string());
        match engines.as_slice() {
            [] => Err(missing()),
            [engine] => {
                let controller = engine.controller()?;
                let session = engine.session(id).ok_or_else(missing)?;
                Ok((controller, session))
            }
            several => Err(NoController::SeveralEngines(id.to_string(), several.len())),
        }
    }
}

/// An engine's entry in the directory.
#[derive(Debug)]
pub(super) struct Membership(Arc<Presence>);

impl Membership {
    pub(super) fn join(
        name: &str,
        workshop: &Workshop,
        status: StatusReader,
        arrivals: Arc<Arrivals>,
    ) -> Self {
        let presence = Arc::new(Presence {
            name: name.to_owned(),
            inside: Mutex::new(Some(Inside {
                workshop: workshop.clone(),
                status,
                arrivals,
            })),
        });
        lock(&ENGINES).push(Arc::downgrade(&presence));
        Self(presence)
    }

    pub(super) fn reference(&self) -> EngineRef {
        EngineRef(Arc::clone(&self.0))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        lock(&ENGINES).retain(|entry| !std::ptr::eq(entry.as_ptr(), Arc::as_ptr(&self.0)));
        // Whoever asks from now on is told; whoever asks now has finished.
        let inside = lock(&self.0.inside).take();
        drop(inside);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

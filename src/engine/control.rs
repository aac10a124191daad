//! Control of sessions from any thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::clock::Clock;
use super::config::{AnySessionConfig, ConfigError};
use super::directory::EngineRef;
use super::porch::Ports;
use super::slot::Slot;
use super::{SessionHandle, add};
use crate::admin::{Busy, CommandSender, Completion, HoldOrder, Operation, Order, Outcome, Ticket};
use crate::counters::{ConnectionState, ReadError, SessionEntry, SessionStatus, StatusReader};
use crate::journal::{Handover, Keeper, Recovery};
use crate::session::Text;
use crate::session::fix::Decision;

/// How often a status that is being written is looked at again.
const BUSY_MAX: usize = 1000;

/// Who has which place of an engine. Places are given out and taken back here, by threads that add and
/// close sessions; the core looks at it only when it adds one itself.
#[derive(Debug)]
pub(super) struct Roster {
    /// By place: the session that has it, or is being made for it.
    names: RwLock<Vec<Option<String>>>,
    /// By place: which of the sessions that have had it.
    generations: Box<[AtomicU32]>,
}

impl Roster {
    pub(super) fn for_up_to(sessions: usize) -> Self {
        Self {
            names: RwLock::default(),
            generations: (0..sessions).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Gives a place to a session that is about to be made.
    pub(super) fn reserve(&self, name: &str) -> Result<SessionHandle, ConfigError> {
        let mut names = self
            .names
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if names.iter().any(|taken| taken.as_deref() == Some(name)) {
            return Err(ConfigError::Twice(name.to_owned()));
        }
        let number = match names.iter().position(Option::is_none) {
            Some(number) => number,
            None if names.len() == self.generations.len() => {
                return Err(ConfigError::TooManySessions(names.len()));
            }
            None => {
                names.push(None);
                names.len() - 1
            }
        };
        names[number] = Some(name.to_owned());
        Ok(self.handle(number))
    }

    /// Takes a place back: its handle leads nowhere from now on.
    pub(super) fn release(&self, handle: SessionHandle) {
        let mut names = self
            .names
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.knows(handle)
            && let Some(name) = names.get_mut(handle.number())
        {
            *name = None;
            let next = handle.generation.wrapping_add(1);
            self.generations[handle.number()].store(next, Ordering::Release);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<SessionHandle> {
        let names = self
            .names
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = names
            .iter()
            .position(|taken| taken.as_deref() == Some(name))?;
        Some(self.handle(number))
    }

    /// Whether the place was not given to another session since. Waits for nobody.
    fn knows(&self, handle: SessionHandle) -> bool {
        self.generations
            .get(handle.number())
            .is_some_and(|generation| generation.load(Ordering::Acquire) == handle.generation)
    }

    fn handle(&self, number: usize) -> SessionHandle {
        SessionHandle {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            generation: self.generations[number].load(Ordering::Acquire),
        }
    }
}

/// What a thread needs to make a session for an engine it does not run.
#[derive(Clone, Debug)]
pub(super) struct Workshop {
    pub(super) keeper: Arc<Keeper>,
    pub(super) roster: Arc<Roster>,
    /// Where a session that was made waits for the core.
    pub(super) door: Arc<Handover<Slot>>,
    pub(super) resolver: Arc<AtomicBool>,
    /// The longest message the engine takes, in bytes.
    pub(super) max_message_bytes: usize,
    pub(super) ports: Ports,
}

/// Controls the sessions of one engine from another thread: log one out cleanly, log it on again, ask
/// how it is; the others do not notice.
///
/// Make as many as there are threads that need one; a controller itself is for one thread at a time.
/// Commands never block: they are sent, and each gets one [`Completion`].
#[derive(Debug)]
pub struct Controller {
    pub(super) sender: CommandSender,
    pub(super) engine: EngineRef,
    pub(super) status: StatusReader,
    pub(super) workshop: Workshop,
}

/// Why a session could not be added.
#[derive(Debug)]
pub enum AddError {
    /// Its configuration or its journal; nothing was added.
    Config(ConfigError),
    /// Too many commands are under way, or one that adds a session; nothing was added.
    Busy,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Busy => f.write_str("too many commands are under way, wait for a completion"),
        }
    }
}

impl std::error::Error for AddError {}

/// A session that was made, and is on its way into the engine.
#[derive(Debug)]
pub struct Added {
    /// Its handle, good once the command is done.
    pub session: SessionHandle,
    /// What its journal had to be mended.
    pub recovery: Recovery,
    /// The command that takes it in.
    pub ticket: Ticket,
}

/// Why a question about a session has no answer.
#[derive(Debug)]
pub enum StatusError {
    /// The engine has no such session.
    UnknownSession,
    /// The status page could not be read.
    Page(ReadError),
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSession => f.write_str("no such session in this engine"),
            Self::Page(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StatusError {}

impl Controller {
    /// The session called `name`, for example `FIX.4.4:ME->YOU`.
    #[must_use]
    pub fn session(&self, name: &str) -> Option<SessionHandle> {
        self.workshop.roster.find(name)
    }

    /// The engine it controls, which gives further controllers.
    #[must_use]
    pub fn engine(&self) -> &EngineRef {
        &self.engine
    }

    /// Sends a command. What each operation does is said at [`Operation`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn command(
        &mut self,
        session: SessionHandle,
        operation: Operation,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        let order = Order::Operate(session.target(), operation);
        self.sender.send(order, within)
    }

    /// Makes a session and opens its journal, on this thread, and has the engine take it in: all that is
    /// left for the core is to give it its place. Its names are looked up here, too, so this may take
    /// as long as a name server takes.
    ///
    /// # Errors
    /// A setting that cannot be accepted, an identity that is there already or has not quite left yet,
    /// a journal that cannot be opened, or a command that adds a session is under way. Nothing was
    /// added then.
    pub fn add_session(
        &mut self,
        config: impl Into<AnySessionConfig>,
        within: Duration,
    ) -> Result<Added, AddError> {
        let workshop = &self.workshop;
        if !self.sender.has_room() || workshop.door.is_full() {
            return Err(AddError::Busy);
        }
        let now = Clock::new().now();
        let (slot, recovery) = add::make(workshop, config.into(), now).map_err(AddError::Config)?;
        let session = slot.handle;
        workshop.door.give(slot);
        let ticket = self
            .sender
            .send(Order::Install, within)
            .map_err(|_| AddError::Busy)?;
        Ok(Added {
            session,
            recovery,
            ticket,
        })
    }

    /// Logs a session out if it is connected, and takes it out of the engine. Its journal stays; added
    /// again, it continues. Done when it could be added again.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn remove_session(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::Remove, within)
    }

    /// Clears the hold and has the session log on. Sequence numbers continue.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn logon(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::Logon, within)
    }

    /// Sets the hold and has the session log out with `reason` in Text(58). Sequence numbers are not
    /// touched; the session stays out until [`Controller::logon`], also across a restart.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn logout(
        &mut self,
        session: SessionHandle,
        reason: Text,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        let order = HoldOrder {
            reason,
            ..HoldOrder::default()
        };
        self.command(session, Operation::Logout(order), within)
    }

    /// Has the connection cut without a Logout. An initiator connects again after its back-off.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn disconnect(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::Disconnect, within)
    }

    /// Decides over the Logon that the application put off under `ticket`, for example when an
    /// authentication service has answered.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn decide(
        &mut self,
        session: SessionHandle,
        ticket: u64,
        decision: Decision,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::Decide { ticket, decision }, within)
    }

    /// Starts both number series at 1 without ending the connection: makes the line quiet, then
    /// exchanges Logons with ResetSeqNumFlag(141)=Y. Application messages are refused meanwhile.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn reset_in_session(
        &mut self,
        session: SessionHandle,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::ResetInSession, within)
    }

    /// Starts both number series at 1 while there is no connection. The peer must do the same, or the
    /// next logon ends with a number too low.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn reset_numbers(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::ResetNumbers, within)
    }

    /// Sets the number of our next message, see [`Operation::SetNextOut`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn set_next_out(
        &mut self,
        session: SessionHandle,
        next: u64,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::SetNextOut(next), within)
    }

    /// Sets the number expected of the peer, see [`Operation::SetNextIn`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn set_next_in(
        &mut self,
        session: SessionHandle,
        next: u64,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::SetNextIn(next), within)
    }

    /// Sends a SequenceReset-Reset(4), see [`Operation::SequenceReset`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn sequence_reset(
        &mut self,
        session: SessionHandle,
        next: u64,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::SequenceReset(next), within)
    }

    /// Sends a TestRequest(1), see [`Operation::TestRequest`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn test_request(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::TestRequest, within)
    }

    /// Sends a ResendRequest(2), see [`Operation::ResendRequest`]; 0 as `end` is "and everything after".
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn resend_request(
        &mut self,
        session: SessionHandle,
        begin: u64,
        end: u64,
        within: Duration,
    ) -> Result<Ticket, Busy> {
        self.command(session, Operation::ResendRequest { begin, end }, within)
    }

    /// Starts a new journal segment, see [`Operation::RotateJournal`].
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn rotate_journal(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.command(session, Operation::RotateJournal, within)
    }

    /// The next completion, if there is one.
    pub fn poll(&mut self) -> Option<Completion> {
        self.sender.poll()
    }

    /// Whether the engine is gone, so that nothing will be completed any more.
    #[must_use]
    pub fn is_engine_gone(&self) -> bool {
        self.sender.is_engine_gone()
    }

    /// Waits up to `limit` for the completion of `ticket`; completions of other commands that come
    /// before it are lost to the caller, so use it with one command under way. Not to be called on
    /// the engine's own thread.
    pub fn wait(&mut self, ticket: Ticket, limit: Duration) -> Outcome {
        let end = std::time::Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match self.sender.wait(left) {
                Some(completion) if completion.ticket == ticket => return completion.outcome,
                Some(_) => {}
                None if self.sender.is_engine_gone() => return Outcome::EngineStopped,
                None => return Outcome::TimedOut,
            }
        }
    }

    /// Whether the session is logged on, from the status page: no message to the core.
    ///
    /// # Errors
    /// There is no such session, or the page cannot be read.
    pub fn is_logged_on(&self, session: SessionHandle) -> Result<bool, StatusError> {
        Ok(self.status(session)?.state == ConnectionState::Up)
    }

    /// Every session of the engine with its status, from the status page: no message to the core. One
    /// that is being written at every look is left out.
    pub fn sessions(&self) -> impl Iterator<Item = SessionEntry> + '_ {
        let entry = |slot| match self.look(slot) {
            Ok(Some(entry)) => Some(entry),
            Ok(None) | Err(_) => None,
        };
        (0..self.status.capacity()).filter_map(entry)
    }

    /// Everything the status page says about the session: no message to the core.
    ///
    /// # Errors
    /// There is no such session, or the page cannot be read.
    pub fn status(&self, session: SessionHandle) -> Result<SessionStatus, StatusError> {
        match self.look(session.number()) {
            // The place may have another session by now.
            Ok(Some(_)) if !self.workshop.roster.knows(session) => Err(StatusError::UnknownSession),
            Ok(Some(entry)) => Ok(entry.status),
            Ok(None) => Err(StatusError::UnknownSession),
            Err(error) => Err(StatusError::Page(error)),
        }
    }

    fn look(&self, slot: usize) -> Result<Option<SessionEntry>, ReadError> {
        for _ in 0..BUSY_MAX {
            match self.status.session(slot) {
                // The engine lost its time slice in the middle of a write: let it have one.
                Err(ReadError::Busy) => std::thread::yield_now(),
                read => return read,
            }
        }
        Err(ReadError::Busy)
    }
}

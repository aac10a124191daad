//! Control of sessions from any thread.

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::SessionHandle;
use crate::admin::{Busy, CommandSender, Completion, HoldOrder, Operation, Outcome, Ticket};
use crate::counters::{ConnectionState, ReadError, SessionEntry, SessionStatus, StatusReader};
use crate::session::Text;
use crate::session::fix::Decision;

/// How often a status that is being written is looked at again.
const BUSY_MAX: usize = 1000;

/// The names of an engine's sessions, in the order of their handles. Never touched by the core once
/// a session is added.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: RwLock<Vec<String>>,
}

impl Directory {
    pub(super) fn add(&self, name: String) {
        self.names
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push(name);
    }

    fn find(&self, name: &str) -> Option<SessionHandle> {
        let names = self
            .names
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = names.iter().position(|known| known == name)?;
        Some(super::slot::handle(number))
    }
}

/// Controls the sessions of one engine from another thread: log one out cleanly, log it on again, ask
/// how it is; the others do not notice.
///
/// Make as many as there are threads that need one; a controller itself is for one thread at a time.
/// Commands never block: they are sent, and each gets one [`Completion`].
#[derive(Debug)]
pub struct Controller {
    pub(super) sender: CommandSender,
    pub(super) status: StatusReader,
    pub(super) directory: Arc<Directory>,
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
        self.directory.find(name)
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
        self.sender.send(session.0, operation, within)
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
        self.sender
            .send(session.0, Operation::ResetInSession, within)
    }

    /// Starts both number series at 1 while there is no connection. The peer must do the same, or the
    /// next logon ends with a number too low.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn reset_numbers(&mut self, session: SessionHandle, within: Duration) -> Result<Ticket, Busy> {
        self.sender.send(session.0, Operation::ResetNumbers, within)
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
        match self.look(session.0 as usize) {
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

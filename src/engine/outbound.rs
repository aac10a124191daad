//! What a callback can do: send on any session, and ask for a logon, a logout or a disconnect.

use super::SessionHandle;
use super::arrive::Wish;
use super::config::AnySessionConfig;
use super::desk::{Desk, Flushed, WISHES_MAX};
use super::session::Session;
use super::slot::Slot;
use crate::admin::{HoldOrder, Operation};
use crate::counters::{SessionStatus, Stage};
use crate::session::fix::{Decision, Peer, Phase, Sent};
use crate::session::fixp;
use crate::session::{Hold, Outbox as _, Queued, Refusal, SeriesOutbox as _, SessionId, Text};
use crate::time::Now;
use crate::wire::fix::{FrameWriter, HeaderFields};

/// How long a message may be unless [`Outbound::send_sized`] says otherwise, in bytes.
pub const MESSAGE_ROOM: usize = 4096;

/// The outbound half of all sessions of the engine.
///
/// Nothing here blocks, and nothing here calls the application.
pub struct Outbound<'a> {
    now: Now,
    desk: &'a mut Desk,
}

impl<'a> Outbound<'a> {
    pub(super) fn new(now: Now, desk: &'a mut Desk) -> Self {
        Self { now, desk }
    }

    /// The time of this cycle.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Sends an application message: `write` puts the body into the journal in place, the header
    /// stands already, and the bytes go to the socket before this returns unless older ones wait.
    /// What cannot be sent now is kept for later if the session's settings say so; the answer tells
    /// what became of it.
    ///
    /// # Errors
    /// Why it was not taken. Nothing was numbered and nothing was kept then; back-pressure is
    /// [`Refusal::Full`].
    pub fn send(
        &mut self,
        session: SessionHandle,
        msg_type: &[u8],
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<Sent, Refusal> {
        self.send_sized(session, msg_type, MESSAGE_ROOM, write)
    }

    /// As [`Outbound::send`], for a message of up to `room` bytes in all.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub fn send_sized(
        &mut self,
        session: SessionHandle,
        msg_type: &[u8],
        room: usize,
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<Sent, Refusal> {
        self.send_with(session, msg_type, None, room, write)
    }

    /// As [`Outbound::send_sized`], with `fields` in the header beside those of the session: where the
    /// message is routed to, PossResend(97), or ApplVerID(1128) if it has another application version
    /// than the session. PossDupFlag(43) and OrigSendingTime(122) among them are left out unless the
    /// session is set to let them pass.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub fn send_with(
        &mut self,
        session: SessionHandle,
        msg_type: &[u8],
        fields: Option<&HeaderFields<'_>>,
        room: usize,
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<Sent, Refusal> {
        let asked_at = self.desk.ticker.now();
        let Some(at) = self.desk.slots.number_of(session) else {
            return Err(Refusal::UnknownSession);
        };
        let Slot {
            session: Session::Fix(session),
            journal,
            ..
        } = &mut self.desk.slots[at]
        else {
            return Err(Refusal::OtherProtocol);
        };
        let sent = session.send_with(self.now, msg_type, fields, room, write, journal);
        self.after_send(at, asked_at, sent)
    }

    /// Sends a business message on a FIXP session: `write` gets `room` bytes of the journal and answers
    /// how many it used, with a whole frame as the encoders of SBE messages make them. SeqNum,
    /// SendingTimeEpoch and, of a gateway, UUID are filled in, and the bytes go to the socket before this
    /// returns unless older ones wait.
    ///
    /// A gateway numbers and keeps what it has to say while its client is away; a client refuses.
    ///
    /// # Errors
    /// Why it was not taken. Nothing was numbered and nothing was kept then; back-pressure is
    /// [`Refusal::Full`].
    pub fn send_sbe<E>(
        &mut self,
        session: SessionHandle,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Sent, Refusal> {
        let asked_at = self.desk.ticker.now();
        let Some(at) = self.desk.slots.number_of(session) else {
            return Err(Refusal::UnknownSession);
        };
        let Slot {
            session: Session::Fixp(session),
            journal,
            ..
        } = &mut self.desk.slots[at]
        else {
            return Err(Refusal::OtherProtocol);
        };
        let sent = session.send(self.now, room, write, journal);
        self.after_send(at, asked_at, sent)
    }

    /// Lays down how the gateway of a FIXP session answers the next message of a kind, instead of as is
    /// right: for a simulated exchange. Several for one kind are used in turn.
    ///
    /// # Errors
    /// There is no such session, it speaks FIX, or as many answers are laid down already as can be.
    pub fn script(
        &mut self,
        session: SessionHandle,
        on: fixp::On,
        answer: fixp::Answer,
    ) -> Result<(), Refusal> {
        self.fixp(session)?
            .script(on, answer)
            .map_err(|full| Refusal::ScriptFull(full.0))
    }

    /// Has a FIX session, or the gateway of a FIXP session, number and keep `count` application messages
    /// from now on, and not send them: the peer finds a gap and asks for them. For a simulated exchange.
    ///
    /// # Errors
    /// There is no such session.
    pub fn withhold(&mut self, session: SessionHandle, count: u32) -> Result<(), Refusal> {
        let Some(at) = self.desk.slots.number_of(session) else {
            return Err(Refusal::UnknownSession);
        };
        match &mut self.desk.slots[at].session {
            Session::Fix(session) => session.withhold(count),
            Session::Fixp(session) => session.withhold(count),
        }
        Ok(())
    }

    /// Has the primary gateway of a FIXP session fail, at the end of the cycle: its connection is cut without
    /// a word. An established backup connection is the primary from then on, says so with Sequence(506), and
    /// the session goes on over it; [`Event::Promoted`](super::Event::Promoted) tells. Without one the client
    /// has to come again. In either case the ports have changed places for this session: what was the backup's
    /// is the primary's. For a simulated exchange.
    ///
    /// # Errors
    /// There is no such session, it is no gateway that accepts a backup connection, or it fails over already.
    pub fn fail_over(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        let Some(at) = self.desk.slots.number_of(session) else {
            return Err(Refusal::UnknownSession);
        };
        self.desk.ask_fail_over(at)
    }

    fn fixp(&mut self, session: SessionHandle) -> Result<&mut fixp::Session, Refusal> {
        let Some(at) = self.desk.slots.number_of(session) else {
            return Err(Refusal::UnknownSession);
        };
        match &mut self.desk.slots[at].session {
            Session::Fixp(session) => Ok(session),
            Session::Fix(_) => Err(Refusal::OtherProtocol),
        }
    }

    /// Hands what was written to the socket, and sees to it that the rest follows.
    fn after_send(
        &mut self,
        at: usize,
        asked_at: u64,
        sent: Result<Sent, Refusal>,
    ) -> Result<Sent, Refusal> {
        if !matches!(sent, Ok(Sent::Now(_))) {
            // It goes to no socket now. What else follows is settled at the end of the cycle.
            if matches!(sent, Ok(_) | Err(Refusal::Full(_))) {
                self.desk.touch(at);
            }
            return sent;
        }
        let written = self.desk.ticker.now().saturating_sub(asked_at);
        // The bytes first, the bookkeeping after.
        let _: Flushed = self.desk.flush(self.now, at);
        self.desk
            .page
            .latency(Stage::CallbackToWrite)
            .record(written);
        self.desk.touch(at);
        sent
    }

    /// How much waits on a session without a number, to be sent in its turn.
    #[must_use]
    pub fn queued(&self, session: SessionHandle) -> Option<Queued> {
        Some(self.desk.slot(session)?.journal.queued())
    }

    /// Whether a session is logged on.
    #[must_use]
    pub fn is_logged_on(&self, session: SessionHandle) -> bool {
        self.desk
            .slot(session)
            .is_some_and(|slot| slot.session.phase() == Phase::Up)
    }

    /// What the peer of a FIX session said of itself when it last logged on: its message types, the
    /// longest message it takes, its application version.
    #[must_use]
    pub fn peer(&self, session: SessionHandle) -> Option<&Peer> {
        match &self.desk.slot(session)?.session {
            Session::Fix(session) => Some(session.peer()),
            Session::Fixp(_) => None,
        }
    }

    /// UUID of the current series of a FIXP session; 0 before the first Negotiate.
    #[must_use]
    pub fn uuid(&self, session: SessionHandle) -> Option<u64> {
        let slot = self.desk.slot(session)?;
        match &slot.session {
            Session::Fix(_) => None,
            Session::Fixp(_) => Some(slot.journal.series()),
        }
    }

    /// Who a session is.
    #[must_use]
    pub fn id(&self, session: SessionHandle) -> Option<&SessionId> {
        self.desk.slot(session).map(|slot| slot.session.id())
    }

    /// Clears the hold of a session and has it log on, at the end of the cycle.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn logon(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        self.wish(session, Operation::Logon)
    }

    /// Sets the hold of a session and has it log out with `reason` in Text(58), at the end of the
    /// cycle. Numbers are not touched.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn logout(&mut self, session: SessionHandle, reason: Text) -> Result<(), Refusal> {
        let order = HoldOrder {
            reason,
            ..HoldOrder::default()
        };
        self.wish(session, Operation::Logout(order))
    }

    /// Has the connection of a session cut without a Logout, at the end of the cycle.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn disconnect(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        self.wish(session, Operation::Disconnect)
    }

    /// Decides, at the end of the cycle, over the Logon that was put off under `ticket`.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn decide(
        &mut self,
        session: SessionHandle,
        ticket: u64,
        decision: Decision,
    ) -> Result<(), Refusal> {
        self.wish(session, Operation::Decide { ticket, decision })
    }

    /// Starts both number series of a session at 1 without ending the connection, at the end of the
    /// cycle; [`Event::Reset`](super::Event::Reset) tells that the peer has answered. Messages are
    /// refused with [`Refusal::Resetting`] meanwhile.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn reset_in_session(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        self.wish(session, Operation::ResetInSession)
    }

    /// Starts both number series of a session at 1 at the end of the cycle, if it has no connection
    /// then.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn reset_numbers(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        self.wish(session, Operation::ResetNumbers)
    }

    /// Has any other operation done at the end of the cycle.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn command(&mut self, session: SessionHandle, operation: Operation) -> Result<(), Refusal> {
        self.wish(session, operation)
    }

    /// Has a session log out if it is connected, and taken out of the engine once that has ended. Its
    /// journal stays.
    ///
    /// # Errors
    /// There is no such session, or too much was asked for in one cycle already.
    pub fn remove(&mut self, session: SessionHandle) -> Result<(), Refusal> {
        self.wish(session, Operation::Remove)
    }

    /// Has a session made and taken into the engine. A thread of its own makes it and opens its journal,
    /// as for a [`Controller`](super::Controller): the core goes on meanwhile, and takes it in at the
    /// start of a later cycle. [`Event::SessionAdded`](super::Event::SessionAdded) or
    /// [`Event::SessionNotAdded`](super::Event::SessionNotAdded) tells what became of it.
    ///
    /// # Errors
    /// Sixteen sessions were asked for and are not made yet.
    pub fn add_session(&mut self, config: impl Into<AnySessionConfig>) -> Result<(), Refusal> {
        if self
            .desk
            .entrance
            .ask(Wish::Session(config.into(), self.now))
        {
            Ok(())
        } else {
            Err(Refusal::TooManyWishes)
        }
    }

    /// Every session of the engine, in the order of their places.
    pub fn sessions(&self) -> impl Iterator<Item = SessionHandle> + '_ {
        self.desk.slots.sessions().map(|slot| slot.handle)
    }

    /// The session of this identity.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<SessionHandle> {
        let mut sessions = self.desk.slots.sessions();
        let found = sessions.find(|slot| slot.session.id() == id);
        Some(found?.handle)
    }

    /// How a session is now, as the status page shows it at the end of the cycle.
    #[must_use]
    pub fn status(&self, session: SessionHandle) -> Option<SessionStatus> {
        self.desk.slot(session).map(Slot::status)
    }

    /// The hold an operator has set on a session.
    #[must_use]
    pub fn hold(&self, session: SessionHandle) -> Option<&Hold> {
        self.desk.slot(session)?.journal.hold()
    }

    fn wish(&mut self, session: SessionHandle, operation: Operation) -> Result<(), Refusal> {
        if self.desk.slot(session).is_none() {
            return Err(Refusal::UnknownSession);
        }
        if self.desk.wishes.len() == WISHES_MAX {
            return Err(Refusal::TooManyWishes);
        }
        self.desk.wishes.push((session, operation));
        Ok(())
    }
}

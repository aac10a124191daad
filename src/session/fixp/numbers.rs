//! What an operator, or a schedule, does to numbers and to the UUID.
//!
//! Invariant: within a series a number only rises.

use super::retransmit::Fetching;
use super::sending::SEQ_MAX;
use super::{Role, Session, State};
use crate::session::{Refusal, ResetCause, SeriesOutbox};
use crate::time::Now;

impl Session {
    /// Has our next new message carry `next`, while down or established. The exchange sees a gap and says
    /// NotApplied; a client asks for it and gets what there is.
    ///
    /// # Errors
    /// The number is not above the one that would be next, a logon or a logout is under way, or there is
    /// no room to record it. Nothing has changed then.
    pub fn set_next_out<O: SeriesOutbox>(
        &mut self,
        now: Now,
        next: u64,
        out: &mut O,
    ) -> Result<(), Refusal> {
        match self.state {
            State::Down | State::Up(_) => {}
            State::TerminateSent(_) | State::Closing { .. } => return Err(Refusal::LoggingOut),
            _ => return Err(Refusal::BetweenStates),
        }
        raised(next, out.next_out())?;
        out.renumber(next, out.next_in(), ResetCause::SetNextOut, now.utc)
            .map_err(Refusal::Full)
    }

    /// Expects `next` of the peer from now on, while down: nothing below is asked for.
    ///
    /// # Errors
    /// The number is not above the one that is expected, there is a connection, or there is no room to
    /// record it. Nothing has changed then.
    pub fn set_next_in<O: SeriesOutbox>(
        &mut self,
        now: Now,
        next: u64,
        out: &mut O,
    ) -> Result<(), Refusal> {
        if !matches!(self.state, State::Down) {
            return Err(Refusal::Connected);
        }
        raised(next, out.next_in())?;
        out.renumber(out.next_out(), next, ResetCause::SetNextIn, now.utc)
            .map_err(Refusal::Full)
    }

    /// Begins a new week, while down: the UUIDs of the week before are forgotten, what a gateway numbers
    /// before the first Negotiate is of UUID 0, and a client negotiates at its next logon.
    ///
    /// # Errors
    /// There is a connection, or no room to record it. Nothing has changed then.
    pub fn begin_week<O: SeriesOutbox>(
        &mut self,
        now: Now,
        why: ResetCause,
        out: &mut O,
    ) -> Result<(), Refusal> {
        if !matches!(self.state, State::Down) {
            return Err(Refusal::Connected);
        }
        let last = out.series();
        out.begin_series(0, beginning(why), now.utc)
            .map_err(Refusal::Full)?;
        match self.settings.role {
            Role::Initiator => {
                self.client.tried_uuid = self.client.tried_uuid.max(last);
                self.client.left = Fetching::default();
            }
            Role::Acceptor => self.gateway.floor = self.gateway.floor.max(last),
        }
        Ok(())
    }

    /// Has a client negotiate a new UUID at its next logon, and both series begin at 1 then. A gateway
    /// cannot: the client chooses.
    ///
    /// # Errors
    /// This is a gateway.
    pub fn renew(&mut self, why: ResetCause) -> Result<(), Refusal> {
        if self.settings.role == Role::Acceptor {
            return Err(Refusal::NotOurChoice);
        }
        self.client.renewal = Some(beginning(why));
        Ok(())
    }

    /// Makes a gap: of a gateway, `count` business messages from now on are numbered and
    /// kept but not sent, so that the client finds a gap it can ask for.
    pub fn withhold(&mut self, count: u32) {
        self.gateway.withhold = count;
    }

    /// Whether a gateway refuses the session: an operator holds it.
    pub fn block(&mut self, blocked: bool) {
        self.gateway.blocked = blocked;
    }

    /// Opens the port of a gateway again that invalid logons have closed.
    pub fn reopen_port<O: SeriesOutbox>(&mut self, out: &mut O) {
        if out.is_port_closed() {
            out.set_port_closed(false);
        }
        self.gateway.forget_invalid();
    }
}

/// A cause that a series goes on for is none to begin one.
fn beginning(why: ResetCause) -> ResetCause {
    if why.continues_series() {
        ResetCause::Operator
    } else {
        why
    }
}

fn raised(next: u64, was: u64) -> Result<(), Refusal> {
    if !(1..=SEQ_MAX).contains(&next) {
        return Err(Refusal::NumberOutOfRange);
    }
    match next.cmp(&was) {
        std::cmp::Ordering::Less => Err(Refusal::NumberLowered),
        std::cmp::Ordering::Equal => Err(Refusal::NumberUnchanged),
        std::cmp::Ordering::Greater => Ok(()),
    }
}

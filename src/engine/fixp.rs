//! The part of the cycle that is for FIXP: frames cut off a connection, the first one routed to its
//! gateway, and what a session asks for after each.
//!
//! It shares the loop, the journals, the wheel and the controllers with FIX, and nothing else.

use super::application::{Application, Event, SbeInbound};
use super::cycle::{Taken, copy};
use super::desk::{Desk, Flushed, Handled};
use super::link::Owner;
use super::outbound::Outbound;
use super::session::{Protocol, Session};
use super::slot::{Connection, Slot};
use super::{Engine, add, porch};
use crate::counters::Stage;
use crate::session::fix::{Origin, Phase, Unparked};
use crate::session::fixp::{self, Broken, Frame, Pieces, Step};
use crate::session::{Cause, Fault, Full, Outbox as _, SeriesOutbox as _};
use crate::time::Now;
use crate::wire::sbe::{Cut, cut};

/// The version of the schema a stranger is refused in: the oldest that every client reads.
const REFUSAL_VERSION: u16 = 8;

/// Whom a first message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Knocking<'a> {
    pub(super) access_key_id: &'a [u8],
    pub(super) session: &'a [u8],
    pub(super) firm: &'a [u8],
}

impl<'a> Knocking<'a> {
    /// What a Negotiate(500) or Establish(503) says of its sender.
    fn of(frame: &Frame<'a>) -> Option<Self> {
        let identity = fixp::identity(frame)?;
        Some(Self {
            access_key_id: identity.access_key_id,
            session: identity.session,
            firm: identity.firm,
        })
    }
}

impl Engine {
    /// Takes one frame off a receive buffer.
    pub(super) fn take_one_fixp<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        app: &mut A,
    ) -> Taken {
        let received = self.buffers[index].received();
        match cut(received, self.config.max_message_bytes) {
            Cut::Incomplete { .. } => Taken::Nothing,
            Cut::Broken(_) => {
                let all = received.len();
                self.take_broken(now, index, Broken::Sofh, app);
                self.buffers[index].take(all);
                Taken::Message
            }
            Cut::Frame { len } => match self.handle_fixp(now, index, len, app) {
                Handled::Done => {
                    self.buffers[index].take(len);
                    Taken::Message
                }
                Handled::Later => Taken::Stalled,
            },
        }
    }

    /// Bytes that are no message.
    fn take_broken<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        why: Broken,
        app: &mut A,
    ) {
        let link = self.links[index].id;
        match self.links[index].owner {
            Owner::Session(slot) => {
                let slot = slot as usize;
                if let Slot {
                    session: Session::Fixp(session),
                    journal,
                    ..
                } = &mut self.desk.slots[slot]
                {
                    let step = session.broken(now, why, journal);
                    self.desk.follow_fixp(now, slot, step, None, app);
                }
            }
            Owner::Stranger { peer, .. } => self.turn_away(now, link, peer, Fault::GarbledLogon, app),
            Owner::Lingering { .. } | Owner::Nobody => {}
        }
    }

    fn handle_fixp<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        len: usize,
        app: &mut A,
    ) -> Handled {
        let pieces = self.buffers[index]
            .is_in_pieces(len)
            .then_some(Pieces::Split);
        let bytes = &self.buffers[index].received()[..len];
        let Ok(frame) = Frame::new(bytes) else {
            // Its root block does not fit into it.
            self.take_broken(now, index, Broken::Sofh, app);
            return Handled::Done;
        };
        let link = self.links[index].id;
        let (peer, listener) = match self.links[index].owner {
            Owner::Session(slot) => {
                let slot = slot as usize;
                if self.desk.is_half_said(now, slot) {
                    return Handled::Later;
                }
                let step = self.desk.receive_fixp(now, slot, &frame, pieces, app);
                if let Step::Promoted(next) = step {
                    if let Some(owner) = self.desk.promoted(now, slot, next, &frame, app) {
                        self.hand_over(link, owner);
                    }
                    return Handled::Done;
                }
                return self.desk.follow_fixp(now, slot, step, Some(&frame), app);
            }
            Owner::Stranger { peer, listener, .. } => (peer, listener),
            Owner::Lingering { .. } | Owner::Nobody => return Handled::Done,
        };
        let limits = &self.config.strangers;
        if !self.attempts.count(peer.ip(), now.mono, limits) {
            self.turn_away(now, link, peer, Fault::TooManyLogons, app);
            return Handled::Done;
        }
        let Some(door) = self.doors.get(listener.0 as usize) else {
            self.drop_link(link);
            return Handled::Done;
        };
        let lane = door.lane;
        let found = Knocking::of(&frame)
            .ok_or(Fault::FirstMessageNotLogon)
            .and_then(|knocking| {
                add::gateway_for(&self.desk.slots, &knocking, door).ok_or(Fault::UnknownIdentity)
            });
        // What only the client itself is told: a stranger is not to learn which identities exist.
        let mut told = None;
        let fault = match found {
            Err(fault) => fault,
            Ok(session) => {
                let place = self.desk.place_on(session, door.lane);
                let slot = place.unwrap_or(session);
                if self.desk.slots[slot].pairing.is_backup() {
                    // Whether it may log on yet is for its machine to say.
                    self.desk.follow_primary(now, slot);
                }
                let entry = &mut self.desk.slots[slot];
                if !porch::lets_in(&entry.accept, peer.ip()) {
                    Fault::SourceNotAllowed
                } else if place.is_none() {
                    let signed = match &entry.session {
                        Session::Fixp(session) => session.is_signed(&frame),
                        Session::Fix(_) => false,
                    };
                    told = signed.then_some(fixp::Fault::SessionBlocked);
                    Fault::UnknownIdentity
                } else if entry.connection != Connection::None {
                    told = match &entry.session {
                        Session::Fixp(session) => session.second_connection(&frame),
                        Session::Fix(_) => None,
                    };
                    Fault::AlreadyConnected
                } else {
                    entry.connection = Connection::Open { link };
                    entry.traffic.bytes_in += len as u64;
                    entry.traffic.last_in = now;
                    // A connection without its options is better than none.
                    let _ = self.desk.net.tune(link, &entry.socket);
                    let owner = Owner::Session(super::slot::number(slot));
                    let before = self.links[index].change_owner(owner);
                    self.strangers -= usize::from(before.is_stranger());
                    self.link_timers.cancel(link.index);
                    let step = self.desk.receive_fixp(now, slot, &frame, pieces, app);
                    return self.desk.follow_fixp(now, slot, step, Some(&frame), app);
                }
            }
        };
        // Nothing else was ever sent on this connection, so the refusal goes out whole or not at all.
        let mut refusal = [0; fixp::REFUSAL_MAX];
        let said = match told {
            Some(fault) => fixp::refuse(&frame, fault, now, lane, REFUSAL_VERSION, &mut refusal),
            None => fixp::turn_away(&frame, now, lane, REFUSAL_VERSION, &mut refusal),
        };
        let _ = self.desk.net.send(link, &refusal[..said]);
        self.turned_away += 1;
        self.desk.page.count_stranger(fault);
        app.on_event(&Event::TurnedAway { peer, fault });
        self.let_linger(now, link);
        Handled::Done
    }

    /// What comes on a connection that its session is done with.
    pub(super) fn still_sends<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        slot: u32,
        app: &mut A,
    ) {
        let slot = slot as usize;
        let Some(Slot {
            session: Session::Fixp(session),
            journal,
            ..
        }) = self.desk.slots.get_mut(slot)
        else {
            return;
        };
        let mut rest = self.buffers[index].received();
        while let Cut::Frame { len } = cut(rest, self.config.max_message_bytes) {
            session.still_sends(now, journal);
            rest = &rest[len..];
        }
        let closed = journal.is_port_closed();
        self.desk.share_invalid_logons(slot);
        if closed {
            self.desk.close_other_port(now, slot, app);
            self.desk.touch(slot);
        }
    }

    /// A message that waited, behind a gap which has closed or for a penalty. Answers whether there was one.
    pub(super) fn go_on_with_parked_fixp<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> bool {
        let Slot {
            session: Session::Fixp(session),
            journal,
            ..
        } = &mut self.desk.slots[slot]
        else {
            return false;
        };
        let at = match session.next_parked(now, journal) {
            Unparked::Nothing => return false,
            Unparked::Close(cause) => {
                self.desk.end(now, slot, cause, app);
                return false;
            }
            Unparked::Message(at) => at,
        };
        // One that cannot be read back is asked for again: its number is still expected.
        let Some(len) = copy(journal.inbound(at), &mut self.parked) else {
            return true;
        };
        self.desk.read_at = self.desk.ticker.now();
        if let Ok(frame) = Frame::new(&self.parked[..len]) {
            let step = session.receive(now, &frame, Origin::Parked, journal);
            let _: Handled = self.desk.follow_fixp(now, slot, step, Some(&frame), app);
        }
        true
    }

    /// What is spoken where a connection was accepted.
    pub(super) fn protocol_of(&self, listener: super::net::ListenerId) -> Protocol {
        let door = self.doors.get(listener.0 as usize);
        door.map_or(Protocol::Fix, |door| door.protocol)
    }
}

impl Desk {
    /// Hands a frame from the wire to its session.
    fn receive_fixp<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        frame: &Frame<'_>,
        pieces: Option<Pieces>,
        app: &mut A,
    ) -> Step {
        let down = self.slots[slot].session.phase() == Phase::Down;
        if down && self.keep_hours(now, slot, app) {
            // Not under the UUID of an interval that is over.
            return Step::Retry(Full::Segment);
        }
        let held = self.stopping || self.slots[slot].is_held();
        let Slot {
            session: Session::Fixp(session),
            journal,
            connection,
            ..
        } = &mut self.slots[slot]
        else {
            return Step::Done;
        };
        if down {
            if !matches!(connection, Connection::Open { .. }) {
                // Turned away, outside its hours.
                return Step::Done;
            }
            session.block(held);
        }
        match pieces {
            Some(pieces) => session.receive_in_pieces(now, frame, pieces, journal),
            None => session.receive(now, frame, Origin::Wire, journal),
        }
    }

    /// Tells that the port of a gateway has closed, in this run or one before.
    pub(super) fn tell_of_port<A: Application + ?Sized>(&mut self, slot: usize, app: &mut A) {
        let entry = &mut self.slots[slot];
        let closed = entry.journal.is_port_closed();
        if closed == entry.shown.port_closed {
            return;
        }
        entry.shown.port_closed = closed;
        // Those of a session with two connections close together.
        if closed && !entry.pairing.is_backup() {
            let session = entry.handle;
            app.on_event(&Event::PortClosed { session });
        }
    }

    /// Does what a FIXP session asks for after it was given something, until it asks for nothing.
    pub(super) fn follow_fixp<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        mut step: Step,
        frame: Option<&Frame<'_>>,
        app: &mut A,
    ) -> Handled {
        self.touch(slot);
        self.share_invalid_logons(slot);
        let session = self.slots[slot].handle;
        loop {
            step = match (step, frame) {
                (Step::Retry(_), _) => return Handled::Later,
                (Step::LoggedOn, _) => {
                    self.fixp_logged_on(now, slot, app);
                    Step::Done
                }
                (Step::Deliver(delivery), Some(frame)) => {
                    let inbound = SbeInbound {
                        session,
                        frame: *frame,
                        delivery,
                    };
                    let waited = self.ticker.now().saturating_sub(self.read_at);
                    let verdict = app.on_sbe(&inbound, &mut Outbound::new(now, self));
                    self.page.latency(Stage::ReadToCallback).record(waited);
                    let Slot {
                        session: Session::Fixp(session),
                        journal,
                        ..
                    } = &mut self.slots[slot]
                    else {
                        return Handled::Done;
                    };
                    session.delivered(now, verdict, journal)
                }
                (Step::NotApplied(messages), _) => {
                    app.on_event(&Event::NotApplied { session, messages });
                    Step::Done
                }
                (Step::Unconfirmed(messages), _) => {
                    app.on_event(&Event::Unconfirmed { session, messages });
                    Step::Done
                }
                (Step::Missed(messages), _) => {
                    app.on_event(&Event::Missed { session, messages });
                    Step::Done
                }
                (Step::Close(cause), _) => {
                    self.end(now, slot, cause, app);
                    return Handled::Done;
                }
                (Step::CloseAfterFlush(cause), _) => {
                    if cause == Cause::FixpFault(fixp::Fault::PortClosed) {
                        self.close_other_port(now, slot, app);
                    }
                    self.drain(now, slot, cause);
                    Step::Done
                }
                // That a backup is promoted only a frame says, and it is seen to where that came in.
                (Step::Done | Step::Deliver(_) | Step::Promoted(_), _) => {
                    let _: Flushed = self.flush(now, slot);
                    return Handled::Done;
                }
            };
        }
    }

    /// The session is logged on.
    pub(super) fn logged_on<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        let entry = &mut self.slots[slot];
        let session = entry.handle;
        entry.traffic.logons += 1;
        entry.traffic.logged_on = now;
        let _: Flushed = self.flush(now, slot);
        app.on_logon(session, &mut Outbound::new(now, self));
    }
}

/// Why an operation has no meaning for a FIXP session; `None` if it has.
pub(super) fn not_of_fixp(operation: &crate::admin::Operation) -> Option<&'static str> {
    use crate::admin::Operation;
    match operation {
        Operation::ResetInSession => {
            Some("FIXP has no reset in session: log out, then reset the numbers")
        }
        Operation::SequenceReset(_) => Some("FIXP has no SequenceReset(4): set the next number out"),
        Operation::TestRequest => Some("FIXP has no TestRequest(1)"),
        Operation::ResendRequest { .. } => Some("FIXP asks for what is missing by itself"),
        Operation::Decide { .. } => Some("FIXP logons are not put off"),
        Operation::Remove
        | Operation::Logon
        | Operation::Logout(_)
        | Operation::Hold(_)
        | Operation::Release
        | Operation::Disconnect
        | Operation::SetNextOut(_)
        | Operation::SetNextIn(_)
        | Operation::RotateJournal
        | Operation::ResetNumbers => None,
    }
}

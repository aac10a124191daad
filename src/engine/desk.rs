//! The half of the engine a callback may touch: all sessions, their journals, the sockets.
//!
//! The receive buffers are not here, so a borrowed message stays valid while an application answers
//! it on any session. Everything that calls the application is here, and nothing the application
//! can call is on a path back to it.

use std::time::Duration;

use super::SessionHandle;
use super::application::{Application, Event, Inbound};
use super::arrive::{Entering, Entrance, Made};
use super::clock::Ticker;
use super::controllers::Controllers;
use super::hours::Wall;
use super::judge::Judge;
use super::leave::Exit;
use super::net::LinkId;
use super::outbound::Outbound;
use super::pending::Pool;
use super::places::Places;
use super::resolver::{Resolver, Whose};
use super::route::End;
use super::session::{self, Session};
use super::slot::{Connection, Goal, Guest, Pairing, Pending, Slot, number};
use super::tls::Wire;
use crate::admin::{Operation, Outcome, Ticket};
use crate::counters::{Stage, StatusPage};
use crate::session::fix::{Admission, Decision, Origin, Phase, Replayed, Step};
use crate::session::{Cause, ConnectError, DESIGNATED_BACKUP, Fault, Full, ProxyFault, Text};
use crate::time::{Mono, Now};
use crate::wheel::Wheel;
use crate::wire::fix::{FieldIndex, Message};

/// How many messages of a resend are written per session and cycle.
const RESEND_STEP_MAX: usize = 32;

/// How many messages that waited without a number are sent per session and cycle.
const QUEUE_STEP_MAX: usize = 32;

/// How many frames are handed to a socket per session and visit.
const EGRESS_BATCH: usize = 64;

/// How many commands callbacks may leave to the end of the cycle.
pub(super) const WISHES_MAX: usize = 1024;

/// Whether a message was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// It was; its bytes may go.
    Done,
    /// There is no room to keep it: to be offered again.
    Later,
}

/// How a visit to a socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// There was nothing more to send, or the socket takes nothing now and says when it does.
    Rest,
    /// The visit was long enough, or what is left is not on the device yet: no event of the network
    /// will bring us back.
    More,
}

pub(super) struct Desk {
    pub(super) slots: Places,
    /// The way out for sessions, and commands that wait for one to be gone.
    pub(super) exit: Exit,
    pub(super) departing: Vec<Departing>,
    /// The way in for sessions that callbacks ask for.
    /// Makes the sessions that callbacks ask for.
    pub(super) entrance: Entrance,
    /// Makes those of templates, once there is one.
    pub(super) reception: Option<Entrance>,
    pub(super) net: Wire,
    /// By link number: the session that asked for the connection last.
    pub(super) dialled: Vec<u32>,
    /// Looks names up; there is one once a session has names to connect to.
    pub(super) resolver: Option<Resolver>,
    /// One entry per session, lazily armed.
    pub(super) wheel: Wheel,
    pub(super) page: StatusPage,
    pub(super) ticker: Ticker,
    pub(super) controllers: Controllers,
    /// Commands that are not done yet.
    pub(super) pending: Pool,
    /// Sessions to be settled at the end of the cycle, each at most once.
    pub(super) touched: Vec<u32>,
    /// What callbacks asked for, left to the end of the cycle.
    pub(super) wishes: Vec<(SessionHandle, Operation)>,
    /// Gateways that are to fail over at the end of the cycle, each at most once.
    pub(super) failing_over: Vec<u32>,
    /// Connections that sessions are done with, for the owner of the receive buffers.
    pub(super) released: Vec<Released>,
    /// When the bytes now being handled were read, for the latency of the way in.
    pub(super) read_at: u64,
    pub(super) commands: u64,
    /// The engine is stopping: nothing connects any more.
    pub(super) stopping: bool,
    /// How the wall clock stands, once a session has a schedule.
    pub(super) wall: Option<Wall>,
}

/// A command that waits for a session to be gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departing {
    session: SessionHandle,
    controller: usize,
    ticket: Ticket,
}

/// A connection its session is done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Released {
    pub(super) link: LinkId,
    /// It was ended in good order: what was sent must still arrive.
    pub(super) in_order: bool,
}

/// The decision that a guest waits for whose journal is being opened. An application's own number may be
/// the same: nothing is asked of it at that time.
pub(super) const ENTERING: u64 = u64::MAX;

impl Desk {
    /// Puts a session on the list of those to be settled.
    pub(super) fn touch(&mut self, slot: usize) {
        let entry = &mut self.slots[slot];
        if !entry.listed {
            entry.listed = true;
            // Reserved for every session.
            self.touched.push(number(slot));
        }
    }

    /// Hands a message from the wire to its session, unless it is a Logon that may not come in now.
    pub(super) fn receive<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        message: &Message<'_>,
        app: &mut A,
    ) -> Step {
        let down = self.slots[slot].session.phase() == Phase::Down;
        if down && self.keep_hours(now, slot, app) {
            // Not under numbers of an interval that is over.
            return Step::Retry(Full::Segment);
        }
        let Slot {
            session: Session::Fix(session),
            journal,
            connection,
            ..
        } = &mut self.slots[slot]
        else {
            return Step::Done;
        };
        if down && !matches!(connection, Connection::Open { .. }) {
            // Turned away, outside its hours.
            return Step::Done;
        }
        if down && (journal.hold().is_some() || self.stopping) {
            return session.turn_away(now, Fault::OnHold, journal);
        }
        session.receive(now, message, Origin::Wire, journal)
    }

    /// The application has let a peer in. A guest gets a journal of its own first; answers whether that is
    /// so. What was decided is done once the journal is open, in [`Desk::let_in`].
    pub(super) fn enter(&mut self, now: Now, slot: usize, decision: Decision) -> bool {
        let entry = &mut self.slots[slot];
        match entry.guest.take() {
            None => false,
            Some(Guest::Outside(lodging)) => {
                entry.guest = Some(Guest::Entering(decision));
                if let Some(reception) = &self.reception {
                    reception.enter(Entering {
                        session: entry.handle,
                        lodging,
                        now,
                    });
                }
                true
            }
            // It was let in before.
            Some(on_its_way) => {
                entry.guest = Some(on_its_way);
                true
            }
        }
    }

    /// The journal of a guest is open, or cannot be opened.
    pub(super) fn let_in<A: Application + ?Sized>(
        &mut self,
        now: Now,
        session: SessionHandle,
        made: &mut Made,
        app: &mut A,
    ) {
        let Some(slot) = self.slots.number_of(session) else {
            return;
        };
        let entry = &mut self.slots[slot];
        let Some(Guest::Entering(decision)) = entry.guest else {
            return;
        };
        // Its connection has ended meanwhile, or it was turned away because this took too long.
        if !entry.session.awaits_decision(ENTERING) {
            if matches!(entry.connection, Connection::None)
                && let Some(opened) = made.journal.take()
            {
                // Closed with the session, before its name is free again.
                made.journal = Some(std::mem::replace(&mut entry.journal, opened));
            }
            entry.guest = Some(Guest::Gone);
            self.touch(slot);
            return;
        }
        let Some(mut opened) = made.journal.take() else {
            entry.guest = Some(Guest::Gone);
            if let Some(error) = &made.error {
                app.on_event(&Event::SessionNotAdded { peer: None, error });
            }
            self.end(now, slot, Cause::NoRoom(Full::Storage), app);
            return;
        };
        // Its Logon. A journal just opened has room for it, and without it goes on all the same.
        let _ = opened.take_over_inbound(&entry.journal);
        made.journal = Some(std::mem::replace(&mut entry.journal, opened));
        entry.guest = None;
        // Of the journal it had.
        entry.shown.hold = false;
        entry.watch_hold(now);
        entry.begin_series_at_start(now);
        app.on_event(&Event::SessionAdded {
            session: entry.handle,
            id: entry.session.id(),
            rules: entry.session.rules(),
            for_peer: true,
        });
        let entry = &mut self.slots[slot];
        let Session::Fix(fix) = &mut entry.session else {
            return;
        };
        let step = if entry.journal.hold().is_some() {
            // As an operator of an earlier run left it.
            fix.turn_away(now, Fault::OnHold, &mut entry.journal)
        } else {
            fix.decide(now, ENTERING, decision, &mut entry.journal)
                .unwrap_or(Step::Done)
        };
        self.follow(now, slot, step, None, app);
    }

    /// Does what a session asks for after something else than a message.
    pub(super) fn go_on<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        step: session::Step,
        app: &mut A,
    ) {
        let _: Handled = match step {
            session::Step::Fix(step) => self.follow(now, slot, step, None, app),
            session::Step::Fixp(step) => self.follow_fixp(now, slot, step, None, app),
        };
    }

    /// Does what a FIX session asks for after it was given something, until it asks for nothing.
    pub(super) fn follow<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        mut step: Step,
        message: Option<&Message<'_>>,
        app: &mut A,
    ) -> Handled {
        self.touch(slot);
        let session = self.slots[slot].handle;
        loop {
            step = match (step, message) {
                (Step::Retry(_) | Step::Undecided, _) => return Handled::Later,
                (Step::Authenticate, Some(logon)) => {
                    let mut admission = app.on_logon_request(session, logon);
                    if let Some(decision) = admission.welcome()
                        && self.enter(now, slot, decision)
                    {
                        admission = Admission::Later(ENTERING);
                    }
                    let Slot {
                        session: Session::Fix(session),
                        journal,
                        ..
                    } = &mut self.slots[slot]
                    else {
                        return Handled::Done;
                    };
                    session.admit(now, admission, journal)
                }
                (Step::LoggedOn, _) => {
                    self.logged_on(now, slot, app);
                    Step::Done
                }
                (Step::Deliver(delivery), Some(message)) => {
                    let Session::Fix(fix) = &self.slots[slot].session else {
                        return Handled::Done;
                    };
                    let dictionary = fix.dictionary_of(message, delivery.appl_version).cloned();
                    let inbound = Inbound {
                        session,
                        message: *message,
                        delivery,
                        dictionary: dictionary.as_deref(),
                    };
                    let waited = self.ticker.now().saturating_sub(self.read_at);
                    let verdict = app.on_message(&inbound, &mut Outbound::new(now, self));
                    self.page.latency(Stage::ReadToCallback).record(waited);
                    let Slot {
                        session: Session::Fix(session),
                        journal,
                        ..
                    } = &mut self.slots[slot]
                    else {
                        return Handled::Done;
                    };
                    session.delivered(now, message, verdict, journal)
                }
                (Step::Reset(cause), _) => {
                    self.pending.change(self.slots[slot].pending, |pending| {
                        if matches!(pending.goal, Goal::Answered(_)) {
                            let outcome = Outcome::Refused("the numbers were reset before the answer");
                            pending.goal = Goal::Ended(outcome);
                        }
                    });
                    let _: Flushed = self.flush(now, slot);
                    app.on_event(&Event::Reset { session, cause });
                    Step::Done
                }
                (Step::PeerRejected, Some(reject)) => {
                    app.on_reject(session, reject, &mut Outbound::new(now, self));
                    Step::Done
                }
                (Step::Close(cause), _) => {
                    self.end(now, slot, cause, app);
                    return Handled::Done;
                }
                (Step::CloseAfterFlush(cause), _) => {
                    self.drain(now, slot, cause);
                    Step::Done
                }
                (Step::Done | Step::Authenticate | Step::Deliver(_) | Step::PeerRejected, _) => {
                    let _: Flushed = self.flush(now, slot);
                    return Handled::Done;
                }
            };
        }
    }

    /// Hands committed bytes to the socket, oldest first. A broken connection is noticed by the next
    /// receive.
    pub(super) fn flush(&mut self, now: Now, slot: usize) -> Flushed {
        let entry = &mut self.slots[slot];
        let Some(link) = entry.link() else {
            return Flushed::Rest;
        };
        for _ in 0..EGRESS_BATCH {
            let Some(unsent) = entry.journal.unsent() else {
                // What was committed and is not shown is not on the device yet. The device may be done
                // with it at any moment, so this answer decides, not a second look.
                if entry.journal.unsent_len() > 0 {
                    return Flushed::More;
                }
                return Flushed::Rest;
            };
            let bytes = if unsent.masked {
                // The record holds asterisks in place of secrets, at equal length.
                entry
                    .session
                    .unmasked_logon()
                    .get(unsent.started..)
                    .unwrap_or_default()
            } else {
                unsent.bytes
            };
            let length = bytes.len();
            match self.net.send(link, bytes) {
                Ok(sent) => {
                    entry.journal.mark_sent(sent);
                    entry.traffic.bytes_out += sent as u64;
                    entry.traffic.last_out = now;
                    if sent < length {
                        return Flushed::Rest;
                    }
                    entry.traffic.frames_out += 1;
                }
                Err(_) => return Flushed::Rest,
            }
        }
        Flushed::More
    }

    /// Lets a connection end once everything committed is on the wire.
    pub(super) fn drain(&mut self, now: Now, slot: usize, cause: Cause) {
        let entry = &mut self.slots[slot];
        if let Connection::Open { link } = entry.connection {
            let (linger, timeout) = entry.session.logout_times();
            let linger = match cause {
                Cause::PeerLogout(_) => linger,
                _ => Duration::ZERO,
            };
            let not_before = now.mono + linger;
            entry.connection = Connection::Draining {
                link,
                cause,
                not_before,
                give_up: not_before + timeout,
            };
        }
    }

    /// Ends the connection of a session and tells the application.
    pub(super) fn end<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        cause: Cause,
        app: &mut A,
    ) {
        let entry = &mut self.slots[slot];
        let Some(link) = entry.connection.link() else {
            return;
        };
        let in_order = !matches!(
            cause,
            Cause::ConnectionLost | Cause::Disconnected | Cause::ConnectFailed(_) | Cause::NoRoom(_)
        );
        self.released.push(Released { link, in_order });
        entry.traffic.last_cause = cause.code();
        entry.traffic.disconnected = now;
        entry.journal.drop_unsent();
        let was_up = entry.session.disconnected(now, &mut entry.journal);
        entry.leaving |= entry.guest.is_some();
        if let Cause::Fault(Fault::SeqTooLow { expected, .. }) = cause
            && !was_up
            && !entry.connect_at_once
        {
            entry.too_low_for = Some(expected);
        }
        match cause {
            _ if was_up => entry.refusals = 0,
            _ if cause.is_refusal() => entry.refusals = entry.refusals.saturating_add(1),
            _ => {}
        }
        let end = match cause {
            Cause::ConnectFailed(why) => End::not_connected(why),
            Cause::Refused {
                code: DESIGNATED_BACKUP,
                ..
            } => End::NotDesignated,
            _ if !was_up => End::NotLoggedOn,
            // It broke, nobody threw anybody out.
            Cause::Fault(Fault::Tls { .. }) => End::LoggedOn,
            Cause::PeerLogout(_)
            | Cause::Fault(_)
            | Cause::FixpFault(_)
            | Cause::Terminated { .. }
            | Cause::TerminatedByUs { .. } => {
                End::ThrownOut(now.mono.since(entry.traffic.logged_on.mono))
            }
            _ => End::LoggedOn,
        };
        // What is told below is where this attempt went; the route goes on to the next.
        let entry = &self.slots[slot];
        if let (Some(route), Cause::ConnectFailed(why)) = (&entry.route, cause) {
            app.on_event(&Event::ConnectFailed {
                session: self.known_as(slot),
                destination: route.destination(),
                address: route.address(),
                proxy: route.proxy(),
                why,
            });
        }
        self.next_attempt(now, slot, end);
        // Noted now: it may connect again before commands are answered.
        let commands = self.slots[slot].pending;
        self.pending.change(commands, |pending| match pending.goal {
            Goal::Closed => pending.goal = Goal::Ended(Outcome::Done),
            Goal::Answered(_) => {
                let outcome = Outcome::Refused("the connection ended before the answer");
                pending.goal = Goal::Ended(outcome);
            }
            _ => {}
        });
        self.touch(slot);
        let session = self.known_as(slot);
        let pairing = self.slots[slot].pairing;
        if pairing.is_backup() {
            if !matches!(cause, Cause::ConnectFailed(_)) {
                app.on_event(&Event::BackupDown { session, cause });
            }
        } else if was_up {
            app.on_logout(session, &cause, &mut Outbound::new(now, self));
        } else if !matches!(cause, Cause::ConnectFailed(_)) {
            app.on_event(&Event::LogonFailed { session, cause });
        }
        if pairing != Pairing::Single {
            self.pair_ended(now, slot, cause, was_up, app);
        }
    }

    /// Decides where an initiator connects next, and when.
    pub(super) fn next_attempt(&mut self, now: Now, slot: usize, end: End) {
        let entry = &mut self.slots[slot];
        let at_once = std::mem::take(&mut entry.connect_at_once);
        let Some(route) = &mut entry.route else {
            entry.connection = Connection::None;
            return;
        };
        if let (Some((destination, host)), Some(resolver)) = (route.name(end), &self.resolver)
            && end != End::LoggedOn
        {
            let whose = Whose {
                session: route.maker(),
                destination,
            };
            resolver.ask(host, whose);
        }
        let pause = route.ended(end);
        let pause = match entry.pairing {
            Pairing::Single => Some(pause),
            Pairing::Primary { .. } | Pairing::Backup { .. } => {
                self.pause_of_pair(now, slot, end, pause)
            }
        };
        self.slots[slot].connection = match pause {
            _ if self.stopping => Connection::None,
            None => Connection::None,
            Some(_) if at_once => Connection::RetryAt(now.mono),
            Some(pause) => Connection::RetryAt(now.mono + pause),
        };
    }

    /// Takes the names that were looked up. Answers how many there were.
    pub(super) fn take_names(&mut self) -> usize {
        let mut taken = 0;
        while let Some(answer) = self.resolver.as_mut().and_then(Resolver::next_answer) {
            let maker = answer.whose.session;
            let number = self.slots.number_of(maker);
            // Two that belong together may have exchanged their routes.
            let other = number.and_then(|number| self.slots[number].pairing.other());
            for number in [number, other].into_iter().flatten() {
                let route = self.slots[number].route.as_mut();
                if let Some(route) = route.filter(|route| route.maker() == maker) {
                    route.resolved(answer.whose.destination as usize, answer.found);
                }
            }
            taken += 1;
        }
        taken
    }

    /// Starts the connections, and ends the attempts, that are due.
    fn connection_due<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        self.doubt_due(now, slot, app);
        let entry = &self.slots[slot];
        match entry.connection {
            Connection::RetryAt(at) if now.mono >= at => self.attempt(now, slot, app),
            Connection::Connecting { link, give_up } if now.mono >= give_up => {
                let why = self.net.why_late(link);
                self.end(now, slot, Cause::ConnectFailed(why), app);
            }
            Connection::Draining {
                cause,
                not_before,
                give_up,
                ..
            } if (entry.journal.unsent_len() == 0 && now.mono >= not_before) || now.mono >= give_up => {
                self.end(now, slot, cause, app);
            }
            _ => {}
        }
    }

    /// Starts a connection, unless something speaks against it.
    fn attempt<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        if self.slots[slot].pairing != Pairing::Single && !self.prepare_attempt(now, slot, app) {
            return;
        }
        let entry = &mut self.slots[slot];
        let may = entry.session.not_before().is_none_or(|at| now.mono >= at)
            && !entry.is_held()
            && !entry.leaving
            && !self.stopping
            && entry.is_in_schedule()
            && !entry.has_old_numbers(now)
            && !entry.waits_for_operator();
        if !may {
            return;
        }
        let Some(route) = &mut entry.route else {
            return;
        };
        route.begin(now.mono);
        let dialled = match route.dial() {
            Ok((address, through)) => {
                let tls = entry.dialler.as_ref();
                let tls = tls.map(|dialler| (dialler, route.destination()));
                let (source, socket) = (route.source(), &entry.socket);
                let dialled = self.net.connect(address, source, socket, tls, through);
                dialled.map_err(|error| match through {
                    Some(_) => ProxyFault::Unreachable(error.kind()).into(),
                    None => ConnectError::Io(error.kind()),
                })
            }
            Err(why) => Err(why),
        };
        match dialled {
            Ok(link) => {
                let give_up = now.mono + route.timeout();
                entry.connection = Connection::Connecting { link, give_up };
                let index = link.index as usize;
                if self.dialled.len() <= index {
                    self.dialled.resize(index + 1, 0);
                }
                self.dialled[index] = number(slot);
            }
            Err(why) => {
                let session = self.known_as(slot);
                if let Some(route) = &self.slots[slot].route {
                    app.on_event(&Event::ConnectFailed {
                        session,
                        destination: route.destination(),
                        address: route.address(),
                        proxy: route.proxy(),
                        why,
                    });
                }
                self.next_attempt(now, slot, End::not_connected(why));
            }
        }
    }

    /// Brings a touched session to rest: what it has to send, to serve, to wait for and to show.
    /// Answers whether it must be visited again in the next cycle.
    pub(super) fn settle<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        index: &mut FieldIndex,
        app: &mut A,
    ) -> bool {
        if self.slots[slot].leaving && self.let_go(slot, app) {
            return false;
        }
        let entry = &mut self.slots[slot];
        if entry
            .session
            .deadline()
            .is_some_and(|deadline| now.mono >= deadline)
        {
            let step = entry.session.timeout(now, &mut entry.journal);
            self.go_on(now, slot, step, app);
        }
        if let Some(step) = self.slots[slot].session.give_up_slow_peer() {
            self.go_on(now, slot, step, app);
        }
        self.end_hold_when_over(now, slot);
        let hours_go_on = self.keep_hours(now, slot, app);
        self.tell_of_port(slot, app);
        let Slot {
            session,
            journal,
            handle,
            ..
        } = &mut self.slots[slot];
        let mut judge = Judge {
            session: *handle,
            app,
        };
        let replayed = session.replay(now, RESEND_STEP_MAX, index, &mut judge, journal);
        let dequeued = session.send_queued(now, QUEUE_STEP_MAX, index, journal);
        journal.poll();
        while let Some(loss) = session.take_loss() {
            let session = *handle;
            app.on_event(&Event::MessagesLost { session, loss });
        }
        while let Some(messages) = session.take_unconfirmed() {
            let session = *handle;
            app.on_event(&Event::Unconfirmed { session, messages });
        }
        let flushed = self.flush(now, slot);
        self.connection_due(now, slot, app);
        self.rotate_if_wanted(slot);
        // Shown before it is answered, so that whoever has the answer finds the page up to date.
        self.show(now, slot);
        self.complete(now, slot);
        let entry = &mut self.slots[slot];
        rearm(&mut self.wheel, slot, entry.deadline(&self.pending));
        let goes_on = |step| match step {
            Replayed::Finished => false,
            Replayed::More => true,
            // With bytes unsent the socket says when there is room again; without, the journal waits
            // for its next segment.
            Replayed::Waiting => entry.journal.unsent_len() == 0,
        };
        let (replay_goes_on, queue_goes_on) = (goes_on(replayed), goes_on(dequeued));
        // One that is to leave is looked at again: its connection ended below, or the way out is full.
        let leaves = entry.leaving && entry.link().is_none();
        // The keeper of the journal does not say when the next segment is ready.
        let rotates = self.waits_for_segment(slot);
        hours_go_on || replay_goes_on || queue_goes_on || flushed == Flushed::More || leaves || rotates
    }

    /// Brings the status page up to date about a session.
    fn show(&mut self, now: Now, slot: usize) {
        let entry = &mut self.slots[slot];
        let faults = match &entry.session {
            Session::Fix(session) => session.tally().faults,
            Session::Fixp(session) => session.tally().faults,
        };
        if faults != entry.shown.faults {
            match &entry.session {
                Session::Fix(session) => {
                    let counts = &session.tally().faults_by_kind;
                    self.page.publish_faults(slot, counts);
                }
                Session::Fixp(session) => {
                    let counts = &session.tally().faults_by_kind;
                    self.page.publish_fixp_faults(slot, counts);
                }
            }
            entry.shown.faults = faults;
            entry.shown.last_fault = now.utc;
        }
        if entry.shown.hold {
            self.page.publish_session(slot, &entry.status());
        } else {
            self.page
                .publish_hold(slot, entry.journal.hold(), &entry.status());
            entry.shown.hold = true;
        }
    }

    /// Clears a hold whose time is over, and looks again later at one whose time is not.
    fn end_hold_when_over(&mut self, now: Now, slot: usize) {
        let entry = &mut self.slots[slot];
        if entry.hold_check.is_none_or(|at| now.mono < at) {
            return;
        }
        if entry
            .journal
            .hold()
            .is_some_and(|hold| hold.is_over(now.utc))
        {
            entry.hold(None, now);
        } else {
            entry.watch_hold(now);
        }
    }

    /// Has a session leave as soon as it has no connection.
    pub(super) fn remove<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> Result<Goal, Outcome> {
        let entry = &mut self.slots[slot];
        entry.leaving = true;
        entry.connect_at_once = false;
        match entry.connection {
            Connection::None | Connection::RetryAt(_) => {}
            Connection::Connecting { .. } => self.end(now, slot, Cause::Disconnected, app),
            Connection::Open { .. }
                if matches!(entry.session.phase(), Phase::Down | Phase::Admitting) =>
            {
                self.end(now, slot, Cause::Disconnected, app);
            }
            Connection::Open { .. } | Connection::Draining { .. } => {
                let reason = Text::lossy(b"The session is removed");
                let step = entry.session.logout(now, &reason, &mut entry.journal);
                self.go_on(now, slot, step, app);
            }
        }
        Ok(Goal::Removed)
    }

    /// Sends a session without a connection on its way out, if it is to leave. Answers whether its place
    /// is free.
    fn let_go<A: Application + ?Sized>(&mut self, slot: usize, app: &mut A) -> bool {
        let entry = &self.slots[slot];
        let idle = matches!(entry.connection, Connection::None | Connection::RetryAt(_));
        if !entry.leaving || !idle || entry.session.phase() != Phase::Down || !self.exit.has_room() {
            return false;
        }
        // The thread that opens its journal comes back for it.
        if matches!(entry.guest, Some(Guest::Entering(_))) {
            return false;
        }
        let pairing = entry.pairing;
        if let Pairing::Primary { backup, .. } = pairing {
            // Its name is free only when both are gone.
            self.slots[backup as usize].leaving = true;
            self.touch(backup as usize);
            return false;
        }
        if let Pairing::Backup { primary, .. } = pairing {
            self.slots[primary as usize].pairing = Pairing::Single;
            self.touch(primary as usize);
        }
        let Some(mut gone) = self.slots.take(slot) else {
            return false;
        };
        self.page.release_session(slot);
        self.wheel.cancel(number(slot));
        while let Some(pending) = self.pending.pop(&mut gone.pending) {
            let Pending {
                controller, ticket, ..
            } = pending;
            match pending.goal {
                // Reserved for all commands there can be.
                Goal::Removed => self.departing.push(Departing {
                    session: gone.handle,
                    controller,
                    ticket,
                }),
                Goal::Ended(outcome) => self.controllers.complete(controller, ticket, outcome),
                _ => {
                    let outcome = Outcome::Refused("the session was removed");
                    self.controllers.complete(controller, ticket, outcome);
                }
            }
        }
        // Nobody was told of a guest, or of a backup.
        if gone.guest.is_none() && !pairing.is_backup() {
            app.on_event(&Event::SessionRemoved {
                session: gone.handle,
                id: gone.session.id(),
            });
        }
        self.exit.leave(gone);
        true
    }

    /// Answers the commands that waited for a session to be gone. Answers how many have gone.
    pub(super) fn take_left(&mut self) -> usize {
        let mut gone = 0;
        while let Some(session) = self.exit.next_left() {
            gone += 1;
            let mut at = 0;
            while let Some(departing) = self.departing.get(at).copied() {
                if departing.session == session {
                    self.departing.swap_remove(at);
                    self.controllers
                        .complete(departing.controller, departing.ticket, Outcome::Done);
                } else {
                    at += 1;
                }
            }
        }
        gone
    }

    /// Whether a session may be used by this name.
    pub(super) fn slot(&self, session: SessionHandle) -> Option<&Slot> {
        self.slots.get(self.slots.number_of(session)?)
    }
}

/// Arms the timer of a session if it would come too late. A deadline that has moved away is left to
/// fire early: the session then just says when to come again.
pub(super) fn rearm(wheel: &mut Wheel, slot: usize, deadline: Option<Mono>) {
    let id = number(slot);
    if let Some(deadline) = deadline
        && wheel.armed(id).is_none_or(|armed| deadline < armed)
    {
        wheel.arm(id, deadline);
    }
}

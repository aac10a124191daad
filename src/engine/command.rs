//! What operators and callbacks ask for: commands come in here, are set in motion, and are answered once
//! they have come to their end.
//!
//! Invariant: a command gets exactly one completion, and the status page shows what it did before that.

use super::SessionHandle;
use super::application::{Application, Event};
use super::desk::{Desk, ENTERING};
use super::fixp::not_of_fixp;
use super::session::{Protocol, Session, Step};
use super::slot::{Connection, Goal, Guest, Pending, Slot};
use crate::admin::{Command, HoldOrder, Operation, Order, Outcome};
use crate::session::fix::{self, Admission, Decision, Phase, Role};
use crate::session::{Cause, Hold, Refusal, ResetCause, SeriesOutbox as _};
use crate::time::Now;

/// There is something to send, and nothing else to do.
const DONE: Step = Step::Fix(fix::Step::Done);

/// How many commands are taken per controller and cycle.
const ADMIN_BATCH: usize = 8;

impl Desk {
    /// Answers the commands of a session that have come to their end.
    pub(super) fn complete(&mut self, now: Now, slot: usize) {
        let entry = &mut self.slots[slot];
        let mut list = entry.pending;
        self.pending.take_ended(
            &mut list,
            |pending| entry.outcome_of(pending, now),
            |pending, outcome| {
                self.controllers
                    .complete(pending.controller, pending.ticket, outcome);
            },
        );
        entry.pending = list;
    }

    /// Goes on with a rotation of the journal that waited for the next segment.
    pub(super) fn rotate_if_wanted(&mut self, slot: usize) {
        let waits = self.waits_for_segment(slot);
        let Slot {
            journal,
            pending,
            rotate_for_callback,
            ..
        } = &mut self.slots[slot];
        let wanted = |pending: &Pending| pending.goal == Goal::Rotated;
        if waits && journal.rotate() {
            *rotate_for_callback = false;
            self.pending.change(*pending, |pending| {
                if wanted(pending) {
                    pending.goal = Goal::Ended(Outcome::Done);
                }
            });
        }
    }

    /// Whether a new segment was asked for, by a command or a callback, and has not begun.
    pub(super) fn waits_for_segment(&self, slot: usize) -> bool {
        let entry = &self.slots[slot];
        let mut commands = self.pending.of(entry.pending);
        entry.rotate_for_callback || commands.any(|pending| pending.goal == Goal::Rotated)
    }

    /// Takes a bounded number of commands from every controller.
    pub(super) fn take_commands<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        self.controllers.take_arrivals();
        let mut taken = 0;
        for controller in self.controllers.numbers() {
            for _ in 0..ADMIN_BATCH {
                let Some(command) = self.controllers.next_command(controller) else {
                    break;
                };
                taken += 1;
                self.command(now, controller, command, app);
            }
            if self.controllers.is_done(controller) {
                self.see_off(controller);
            }
        }
        self.commands += taken as u64;
        taken
    }

    /// Sends the core's end of a controller that was dropped on its way, if there is room on it now.
    fn see_off(&mut self, controller: usize) {
        if let Some(seat) = self.controllers.take(controller)
            && let Err(seat) = self.exit.retire(seat)
        {
            self.controllers.put_back(controller, seat);
        }
    }

    fn command<A: Application + ?Sized>(
        &mut self,
        now: Now,
        controller: usize,
        command: Command,
        app: &mut A,
    ) {
        let Order::Operate(target, operation) = command.order else {
            let outcome = self.take_in(now, controller, app);
            self.controllers
                .complete(controller, command.ticket, outcome);
            return;
        };
        let Some(slot) = self.slots.number_of(SessionHandle::of(target)) else {
            self.controllers
                .complete(controller, command.ticket, Outcome::UnknownSession);
            return;
        };
        let goal = self.operate(now, slot, operation, app);
        let mut pending = Pending {
            controller,
            ticket: command.ticket,
            goal: goal.unwrap_or_else(Goal::Ended),
            deadline: now.mono + command.within,
        };
        // Looked at once now: a later command of this cycle may move the session on.
        let entry = &mut self.slots[slot];
        if let Some(outcome) = entry.outcome_of(&pending, now) {
            pending.goal = Goal::Ended(outcome);
        }
        self.pending.push(&mut entry.pending, pending);
        self.touch(slot);
    }

    /// Sets an operation in motion. Answers what to wait for, or the outcome if there is nothing to
    /// wait for.
    pub(super) fn operate<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        operation: Operation,
        app: &mut A,
    ) -> Result<Goal, Outcome> {
        self.touch(slot);
        if self.slots[slot].leaving && operation != Operation::Remove {
            return Err(Outcome::Refused("the session is being removed"));
        }
        if self.slots[slot].pairing.is_backup() && operation != Operation::Disconnect {
            return Err(Outcome::Refused(
                "a backup connection follows its session: only disconnect is for it alone",
            ));
        }
        if let (Protocol::Fixp, Some(why)) =
            (self.slots[slot].session.protocol(), not_of_fixp(&operation))
        {
            return Err(Outcome::Refused(why));
        }
        match operation {
            Operation::Remove => self.remove(now, slot, app),
            Operation::Logon => self.log_on(now, slot),
            Operation::Logout(order) => self.log_out(now, slot, &order, app),
            Operation::Hold(order) => {
                self.slots[slot].hold(Some(held(&order, now)), now);
                Err(Outcome::Done)
            }
            Operation::Release
                if self.slots[slot].is_held() || self.slots[slot].journal.is_port_closed() =>
            {
                self.slots[slot].hold(None, now);
                self.slots[slot].start_over();
                if let Some(backup) = self.slots[slot].pairing.other() {
                    self.slots[backup].start_over();
                    self.touch(backup);
                }
                Err(Outcome::Done)
            }
            Operation::Release => Err(Outcome::NoOp("not held")),
            Operation::Disconnect => match self.slots[slot].connection {
                Connection::None | Connection::RetryAt(_) => Err(Outcome::NoOp("not connected")),
                _ => {
                    self.end(now, slot, Cause::Disconnected, app);
                    Err(Outcome::Done)
                }
            },
            Operation::Decide { ticket, decision } => {
                if let Some(Guest::Entering(_)) = self.slots[slot].guest {
                    return Err(refused(Refusal::NothingToDecide));
                }
                let awaited = self.slots[slot].session.awaits_decision(ticket);
                if awaited && matches!(decision, Decision::Admit(_)) && self.enter(now, slot, decision)
                {
                    let Slot {
                        session, journal, ..
                    } = &mut self.slots[slot];
                    if let Session::Fix(session) = session {
                        let step = session.admit(now, Admission::Later(ENTERING), journal);
                        self.go_on(now, slot, Step::Fix(step), app);
                    }
                    return Err(Outcome::Done);
                }
                let entry = &mut self.slots[slot];
                match entry
                    .session
                    .decide(now, ticket, decision, &mut entry.journal)
                {
                    Ok(step) => {
                        self.go_on(now, slot, step, app);
                        Err(Outcome::Done)
                    }
                    Err(refusal) => Err(refused(refusal)),
                }
            }
            Operation::ResetInSession => {
                let entry = &mut self.slots[slot];
                match entry.session.reset_in_session(now, &mut entry.journal) {
                    Ok(step) => {
                        self.go_on(now, slot, step, app);
                        Ok(Goal::Reset)
                    }
                    Err(refusal) => Err(refused(refusal)),
                }
            }
            Operation::SetNextOut(next) => {
                let entry = &mut self.slots[slot];
                let set = entry.session.set_next_out(now, next, &mut entry.journal);
                Err(set.map_or_else(refused, |()| Outcome::Done))
            }
            Operation::SetNextIn(next) => {
                let entry = &mut self.slots[slot];
                let set = match entry.connection {
                    Connection::None | Connection::RetryAt(_) => {
                        entry.session.set_next_in(now, next, &mut entry.journal)
                    }
                    _ => Err(Refusal::Connected),
                };
                Err(set.map_or_else(refused, |()| Outcome::Done))
            }
            Operation::SequenceReset(next) => {
                let entry = &mut self.slots[slot];
                match entry.session.sequence_reset(now, next, &mut entry.journal) {
                    Ok(Step::Fix(fix::Step::Done)) => {
                        self.go_on(now, slot, DONE, app);
                        Err(Outcome::Done)
                    }
                    Ok(step) => {
                        self.go_on(now, slot, step, app);
                        Err(Outcome::Refused("there is no room in the journal"))
                    }
                    Err(refusal) => Err(refused(refusal)),
                }
            }
            Operation::TestRequest => {
                let entry = &mut self.slots[slot];
                match entry.session.test_request(now, &mut entry.journal) {
                    Ok(probe) => {
                        self.go_on(now, slot, DONE, app);
                        Ok(Goal::Answered(probe))
                    }
                    Err(refusal) => Err(refused(refusal)),
                }
            }
            Operation::ResendRequest { begin, end } => {
                let entry = &mut self.slots[slot];
                match entry.session.ask_again(now, begin, end, &mut entry.journal) {
                    Ok(()) => {
                        self.go_on(now, slot, DONE, app);
                        Err(Outcome::Done)
                    }
                    Err(refusal) => Err(refused(refusal)),
                }
            }
            Operation::RotateJournal => {
                let entry = &mut self.slots[slot];
                if entry.journal.rotate() {
                    Err(Outcome::Done)
                } else {
                    Ok(Goal::Rotated)
                }
            }
            Operation::ResetNumbers => {
                let entry = &mut self.slots[slot];
                let why = ResetCause::Operator;
                match (entry.connection, entry.session.phase()) {
                    (Connection::None | Connection::RetryAt(_), Phase::Down) => {
                        match entry.session.reset_numbers(now, why, &mut entry.journal) {
                            Ok(()) => Err(Outcome::Done),
                            Err(refusal) => Err(refused(refusal)),
                        }
                    }
                    _ => Err(refused(Refusal::Connected)),
                }
            }
        }
    }

    /// Takes in the session that a controller has made.
    fn take_in<A: Application + ?Sized>(
        &mut self,
        now: Now,
        controller: usize,
        app: &mut A,
    ) -> Outcome {
        let Some(slot) = self.controllers.take_session(controller) else {
            return Outcome::Refused("there is no session to take in");
        };
        self.welcome(now, slot, app);
        Outcome::Done
    }

    /// Gives a session its place, shows it and tells of it.
    pub(super) fn welcome<A: Application + ?Sized>(&mut self, now: Now, slot: Slot, app: &mut A) {
        let number = slot.handle.number();
        self.install(slot, now);
        let entry = &self.slots[number];
        // Shown before it is answered, so that whoever has the answer finds it on the page.
        self.page.publish_session(number, &entry.status());
        app.on_event(&Event::SessionAdded {
            session: entry.handle,
            id: entry.session.id(),
            rules: entry.session.rules(),
            for_peer: false,
        });
    }

    fn log_on(&mut self, now: Now, slot: usize) -> Result<Goal, Outcome> {
        if self.stopping {
            return Err(Outcome::Refused("the engine is stopping"));
        }
        let entry = &mut self.slots[slot];
        let held = entry.is_held();
        if held {
            entry.hold(None, now);
        }
        entry.start_over();
        if let Some(backup) = entry.pairing.other() {
            self.slots[backup].start_over();
            self.touch(backup);
        }
        let entry = &mut self.slots[slot];
        match (entry.session.phase(), entry.connection) {
            (_, Connection::None | Connection::RetryAt(_)) if !entry.is_in_schedule() => Err(
                Outcome::NoOp("outside the hours of the session; it logs on when they begin"),
            ),
            (Phase::Up | Phase::Resetting, _) if held => Err(Outcome::Done),
            (Phase::Up | Phase::Resetting, _) => Err(Outcome::NoOp("logged on already")),
            (_, Connection::None | Connection::RetryAt(_)) => {
                if entry.session.role() == Role::Initiator {
                    entry.connection = Connection::RetryAt(now.mono);
                }
                Ok(Goal::LoggedOn)
            }
            (_, Connection::Connecting { .. }) => Ok(Goal::LoggedOn),
            // On its way out: the next connection is made as soon as this one has ended.
            (Phase::LogoutSent | Phase::Closing, _) => {
                entry.connect_at_once = true;
                Ok(Goal::LoggedOn)
            }
            (Phase::Down | Phase::Admitting | Phase::LogonSent, _) => Ok(Goal::LoggedOn),
        }
    }

    fn log_out<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        order: &HoldOrder,
        app: &mut A,
    ) -> Result<Goal, Outcome> {
        let entry = &mut self.slots[slot];
        entry.hold(Some(held(order, now)), now);
        entry.connect_at_once = false;
        match entry.connection {
            Connection::None | Connection::RetryAt(_) => {
                return Err(Outcome::NoOp("not logged on; the session is on hold now"));
            }
            Connection::Connecting { .. } => self.end(now, slot, Cause::Disconnected, app),
            Connection::Open { .. } | Connection::Draining { .. } => {
                let step = entry.session.logout(now, &order.reason, &mut entry.journal);
                self.go_on(now, slot, step, app);
            }
        }
        Ok(Goal::Closed)
    }

    /// Does what callbacks asked for. They may ask for more meanwhile, which waits for the next
    /// cycle.
    pub(super) fn grant_wishes<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let wishes = self.wishes.len();
        for at in 0..wishes {
            let (session, operation) = self.wishes[at];
            if let Some(slot) = self.slots.number_of(session) {
                // Nobody waits for the outcome: the session's own callbacks tell what became of it. What
                // was set in motion goes on by itself, but for a segment that is not ready yet.
                let goal = self.operate(now, slot, operation, app);
                if goal == Ok(Goal::Rotated) {
                    self.slots[slot].rotate_for_callback = true;
                }
            }
        }
        self.wishes.drain(..wishes);
        wishes
    }
}

/// The outcome of a command that a session refused.
fn refused(refusal: Refusal) -> Outcome {
    if refusal == Refusal::NumberUnchanged {
        return Outcome::NoOp("the number is that already");
    }
    Outcome::Refused(match refusal {
        Refusal::OtherProtocol => "the session speaks another protocol",
        Refusal::NotOurChoice => "a new UUID is for the client to choose",
        Refusal::NotLoggedOn => "the session is not logged on",
        Refusal::LoggingOut => "the session is logging out",
        Refusal::NothingToDecide => "no Logon waits for this decision",
        Refusal::Resetting => "a reset in session is under way",
        Refusal::NoResetSeqNumFlag => "the version has no ResetSeqNumFlag(141)",
        Refusal::BetweenStates => "a logon is under way",
        Refusal::NumberOutOfRange => "a number is from 1 to 4294967295",
        Refusal::NumberLowered => {
            "a number is never lowered within a series, it would be used twice: reset the numbers"
        }
        Refusal::AlreadyAsked => "what is missing is being asked for already",
        Refusal::RangeReversed => "the range ends before it begins",
        Refusal::Connected => "the session has a connection: log it out, or reset in session",
        _ => "there is no room in the journal",
    })
}

/// A hold as it was ordered.
fn held(order: &HoldOrder, now: Now) -> Hold {
    Hold {
        since: now.utc,
        until: order.until,
        by: order.by,
        why: order.reason,
    }
}

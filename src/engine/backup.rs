//! Sessions of FIXP that have a second connection, the backup, which stands by until the primary gateway
//! fails.
//!
//! Either connection has a place of its own, with its machine, timer and socket, so everything that is done
//! to a session is done to a backup as well, and a session without one pays for none of this. Here is what
//! the two are to each other: when the backup is made, when it ends with the primary, and how the session goes
//! on over its connection.
//!
//! Invariant: the application knows the session only. A backup that waits for its next attempt belongs to a
//! session that is established. A client's backup does not outlive the wish that its session be logged on.

use std::time::Duration;

use super::application::{Application, Event};
use super::desk::{Desk, Flushed, Released};
use super::link::Owner;
use super::net::LinkId;
use super::route::End;
use super::session::{Session, Step};
use super::slot::{Connection, Doubt, Pairing, Slot, number};
use super::{Engine, SessionHandle};
use crate::session::fix::{Phase, Role};
use crate::session::fixp::{self, Frame, Lane};
use crate::session::{Cause, Fault, Outbox as _, Refusal, SeriesOutbox as _, Text};
use crate::time::Now;

/// Terminate: the primary connection has ended. The second is what older tables have for it.
const ENDED_WITH_PRIMARY: u16 = 26;
const ENDED_WITH_PRIMARY_ONCE: u16 = 27;

/// What a backup is told when it ends with the primary, where the exchange has not said so itself.
const ENDS_WITH_PRIMARY: &[u8] = b"The primary connection has ended";

/// For so many KeepAliveIntervals after a client lost its primary connection the backup may yet be promoted:
/// an exchange takes a gateway for failed after two of silence.
const PROMOTED_WITHIN: u32 = 3;

/// How long after it found no room a backup is looked at again.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Has the gateways fail over that were asked to.
    pub(super) fn fail_over<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut work = 0;
        while let Some(slot) = self.desk.failing_over.pop() {
            let slot = slot as usize;
            // It may have left meanwhile.
            if self.desk.slots.get(slot).is_some() {
                if let Some(link) = self.desk.fail_over(now, slot, app) {
                    self.hand_over(link, slot);
                }
                work += 1;
            }
        }
        work
    }

    /// The connection of a client's primary has ended. What waits on the backup is read first: it may say
    /// why, and then the session has not ended at all. Answers whether it has gone over to the backup.
    pub(super) fn has_gone_over<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        link: LinkId,
        app: &mut A,
    ) -> bool {
        let Pairing::Primary { backup, .. } = self.desk.slots[slot].pairing else {
            return false;
        };
        let Connection::Open { link: other } = self.desk.slots[backup as usize].connection else {
            return false;
        };
        // A gateway goes over when it is told to.
        if self.desk.slots[slot].session.role() == Role::Initiator {
            let _: (usize, bool) = self.read_link(now, other.index as usize, app);
        }
        self.desk.slots[slot].connection.link() != Some(link)
    }

    /// What comes on a connection is for this session from now on.
    pub(super) fn hand_over(&mut self, link: LinkId, slot: usize) {
        if let Some(entry) = self.links.get_mut(link.index as usize)
            && entry.id == link
        {
            entry.change_owner(Owner::Session(number(slot)));
        }
    }
}

impl Desk {
    /// By what handle the application knows it.
    pub(super) fn known_as(&self, slot: usize) -> SessionHandle {
        match self.slots[slot].pairing {
            Pairing::Backup { primary } => self.slots[primary as usize].handle,
            Pairing::Single | Pairing::Primary { .. } => self.slots[slot].handle,
        }
    }

    /// The place of the connection that the client of a gateway makes on a port of this lane. None if it may
    /// not have that connection.
    pub(super) fn place_on(&self, slot: usize, lane: Lane) -> Option<usize> {
        match (self.slots[slot].pairing, lane) {
            (
                Pairing::Primary {
                    backup, exchanged, ..
                },
                lane,
            ) if exchanged == (lane == Lane::Primary) => Some(backup as usize),
            (Pairing::Primary { .. }, _) | (Pairing::Single, Lane::Primary) => Some(slot),
            (Pairing::Single, Lane::Backup) | (Pairing::Backup { .. }, _) => None,
        }
    }

    /// Has the backup follow its session, if that is established. Answers whether a backup may log on now.
    pub(super) fn follow_primary(&mut self, now: Now, slot: usize) -> bool {
        let Pairing::Backup { primary } = self.slots[slot].pairing else {
            return false;
        };
        let [main, spare] = self.slots.two(primary as usize, slot);
        let (Session::Fixp(primary), Session::Fixp(session)) = (&main.session, &mut spare.session)
        else {
            return false;
        };
        let latest = primary.latest_request();
        primary.phase() == Phase::Up
            && session
                .follow(now, main.journal.series(), latest, &mut spare.journal)
                .is_ok()
    }

    /// An attempt to connect is due. Answers whether it may be made.
    pub(super) fn prepare_attempt<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> bool {
        match self.slots[slot].pairing {
            Pairing::Single => true,
            Pairing::Primary { backup, .. } => {
                let backup = backup as usize;
                let [main, spare] = self.slots.two(slot, backup);
                if let (Session::Fixp(session), Session::Fixp(other)) =
                    (&mut main.session, &spare.session)
                {
                    session.heed_stamps_of(other, &spare.journal);
                }
                if !self.keeps_backup(now, slot, backup) {
                    self.forget_doubt(slot);
                    self.close_backup(now, backup, app);
                }
                true
            }
            Pairing::Backup { .. } => {
                let follows = self.follow_primary(now, slot);
                if !follows {
                    self.slots[slot].connection = Connection::RetryAt(now.mono + NO_ROOM_PAUSE);
                }
                follows
            }
        }
    }

    /// The session is logged on, or its backup.
    pub(super) fn fixp_logged_on<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) {
        match self.slots[slot].pairing {
            Pairing::Single => self.logged_on(now, slot, app),
            Pairing::Primary { backup, .. } => {
                self.forget_doubt(slot);
                self.logged_on(now, slot, app);
                let backup = backup as usize;
                let spare = &mut self.slots[backup];
                if spare.session.role() == Role::Initiator && spare.connection == Connection::None {
                    spare.connection = Connection::RetryAt(now.mono);
                    self.touch(backup);
                }
            }
            Pairing::Backup { primary } => {
                let entry = &mut self.slots[slot];
                entry.traffic.logons += 1;
                entry.traffic.logged_on = now;
                let _: Flushed = self.flush(now, slot);
                let session = self.slots[primary as usize].handle;
                app.on_event(&Event::BackupUp { session });
            }
        }
    }

    /// When the next attempt may be made, of two that belong together; `None` if none is due.
    pub(super) fn pause_of_pair(
        &mut self,
        now: Now,
        slot: usize,
        end: End,
        pause: Duration,
    ) -> Option<Duration> {
        let Session::Fixp(session) = &self.slots[slot].session else {
            return Some(pause);
        };
        // What the exchange refuses counts against both ports; so often it may be asked.
        let back_off = session.settings().client.back_off;
        match self.slots[slot].pairing {
            Pairing::Single => Some(pause),
            Pairing::Backup { primary } => {
                let up = self.slots[primary as usize].session.phase() == Phase::Up;
                let refused = matches!(end, End::NotLoggedOn | End::NotDesignated);
                up.then(|| if refused { pause.max(back_off) } else { pause })
            }
            // The other host has the backup. What refuses us here may be a gateway that is failing, or has not
            // noticed yet that the connection before is gone: the backup will tell, and asked more often it
            // may close the port.
            Pairing::Primary {
                backup,
                doubt: Some(Doubt::Lost { until, .. }),
                ..
            } if self.keeps_backup(now, slot, backup as usize) => {
                let refused = matches!(end, End::NotLoggedOn | End::NotDesignated);
                Some(if refused {
                    pause.max(until.since(now.mono))
                } else {
                    pause
                })
            }
            Pairing::Primary { backup, .. } => {
                let [main, spare] = self.slots.two(slot, backup as usize);
                let (Some(route), Some(other)) = (&mut main.route, &mut spare.route) else {
                    return Some(pause);
                };
                let next = now.mono + pause;
                let turn = match end {
                    End::NotDesignated => {
                        route.shut(now.mono + back_off);
                        true
                    }
                    End::NotConnected => route.is_round_over() && other.opens() <= next,
                    End::NoProxy
                    | End::NotLetThrough
                    | End::NotLoggedOn
                    | End::ThrownOut(_)
                    | End::LoggedOn => false,
                };
                if turn {
                    std::mem::swap(route, other);
                    std::mem::swap(&mut main.dialler, &mut spare.dialler);
                }
                Some(next.max(route.opens()).since(now.mono))
            }
        }
    }

    /// A connection has ended, and what was to be told of it is told: what follows for the other one.
    pub(super) fn pair_ended<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        cause: Cause,
        was_up: bool,
        app: &mut A,
    ) {
        if self.slots[slot].journal.is_port_closed() {
            self.close_other_port(now, slot, app);
        }
        match self.slots[slot].pairing {
            Pairing::Single => {}
            Pairing::Backup { primary } => {
                let primary = primary as usize;
                let main = &mut self.slots[primary];
                let Pairing::Primary { doubt, .. } = &mut main.pairing else {
                    return;
                };
                if let Some(Doubt::Lost { retry, .. }) = *doubt {
                    *doubt = None;
                    if let Connection::RetryAt(_) = main.connection {
                        main.connection = Connection::RetryAt(retry.max(now.mono));
                    }
                    self.touch(primary);
                } else if let Cause::Terminated {
                    code: ENDED_WITH_PRIMARY | ENDED_WITH_PRIMARY_ONCE,
                    ..
                } = cause
                {
                    self.primary_has_ended(now, primary, slot, was_up, app);
                }
            }
            Pairing::Primary { backup, .. } => {
                let backup = backup as usize;
                if self.slots[slot].session.role() == Role::Acceptor {
                    let spare = &mut self.slots[backup];
                    if let Session::Fixp(session) = &mut spare.session {
                        let step = session.primary_ended(now, &mut spare.journal);
                        self.go_on(now, backup, Step::Fixp(step), app);
                    }
                } else if !self.waits_for_verdict(now, slot, backup, cause) {
                    self.close_backup(now, backup, app);
                }
            }
        }
    }

    /// What a frame over one connection of a gateway has counted is counted for both.
    pub(super) fn share_invalid_logons(&mut self, slot: usize) {
        let Some(other) = self.slots[slot].pairing.other() else {
            return;
        };
        let [entry, other] = self.slots.two(slot, other);
        if let (Session::Fixp(session), Session::Fixp(other)) = (&entry.session, &mut other.session) {
            session.share_invalid_logons(other);
        }
    }

    /// Invalid logons have closed the port of one connection of a gateway: that of the other closes as well.
    pub(super) fn close_other_port<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) {
        let Some(other) = self.slots[slot].pairing.other() else {
            return;
        };
        let entry = &mut self.slots[other];
        if let Session::Fixp(session) = &mut entry.session {
            let step = session.other_port_closed(now, &mut entry.journal);
            self.go_on(now, other, Step::Fixp(step), app);
        }
    }

    /// The exchange has said on a client's backup that the primary connection has ended, and there it stands.
    /// What the exchange has said on it, and why, is given time to arrive.
    fn primary_has_ended<A: Application + ?Sized>(
        &mut self,
        now: Now,
        primary: usize,
        backup: usize,
        was_up: bool,
        app: &mut A,
    ) {
        let [main, spare] = self.slots.two(primary, backup);
        // It may be about the connection before this one.
        let older = was_up && spare.traffic.logged_on.mono < main.traffic.logged_on.mono;
        let stands = matches!(main.connection, Connection::Open { .. });
        let initiator = main.session.role() == Role::Initiator;
        let (Session::Fixp(session), Pairing::Primary { doubt, .. }) =
            (&mut main.session, &mut main.pairing)
        else {
            return;
        };
        if older || !stands || !initiator || session.phase() != Phase::Up {
            return;
        }
        let give_up = now.mono + session.settings().client.lost_primary_wait;
        *doubt = Some(Doubt::Ended { give_up });
        // Before the primary stands again it would be refused.
        spare.connection = Connection::None;
        // Where the exchange has no such connection any more, this says so at once.
        let step = session.probe(now, &mut main.journal);
        self.touch(primary);
        self.go_on(now, primary, Step::Fixp(step), app);
    }

    /// What is due of a session with a backup, other than its next attempt.
    pub(super) fn doubt_due<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) {
        let entry = &self.slots[slot];
        let Pairing::Primary { backup, doubt, .. } = entry.pairing else {
            return;
        };
        if entry.session.role() != Role::Initiator {
            return;
        }
        match (entry.connection, doubt) {
            (Connection::Open { .. }, Some(Doubt::Ended { give_up })) if now.mono >= give_up => {
                self.end(now, slot, Cause::ConnectionLost, app);
            }
            (Connection::None | Connection::RetryAt(_), _)
                if !self.is_wanted(slot) || entry.waits_for_operator() =>
            {
                self.close_backup(now, backup as usize, app);
            }
            _ => {}
        }
    }

    /// Whether a client that lost its primary connection tries to connect to it while its backup stands.
    fn keeps_backup(&self, now: Now, slot: usize, backup: usize) -> bool {
        let (main, spare) = (&self.slots[slot], &self.slots[backup]);
        let (
            Pairing::Primary {
                doubt: Some(Doubt::Lost { until, .. }),
                ..
            },
            Session::Fixp(session),
        ) = (main.pairing, &main.session)
        else {
            return false;
        };
        now.mono < until
            && spare.session.phase() == Phase::Up
            && self.is_wanted(slot)
            && !main.waits_for_operator()
            // It has the UUID that is left.
            && !session.will_negotiate(&main.journal)
    }

    /// After a client's primary connection was lost the exchange says on the backup what that means: this is
    /// the primary now, or Terminate 26. Answers whether the backup stands until then.
    fn waits_for_verdict(&mut self, now: Now, slot: usize, backup: usize, cause: Cause) -> bool {
        if let Pairing::Primary { doubt, .. } = &mut self.slots[slot].pairing
            && let Some(Doubt::Ended { .. }) = doubt
        {
            *doubt = None;
        }
        if self.keeps_backup(now, slot, backup) {
            // An attempt came to nothing.
            return true;
        }
        let lost = matches!(
            cause,
            Cause::ConnectionLost
                // A process that is killed ends its TLS like that.
                | Cause::Fault(Fault::Tls { .. })
                | Cause::FixpFault(fixp::Fault::Silence | fixp::Fault::SlowConsumer)
        );
        if !lost || !self.is_wanted(slot) || self.slots[backup].session.phase() != Phase::Up {
            return false;
        }
        let main = &mut self.slots[slot];
        let Session::Fixp(session) = &main.session else {
            return false;
        };
        let settings = session.settings();
        let interval = Duration::from_millis(settings.keep_alive_ms.into());
        let wait = settings.client.lost_primary_wait;
        let (Connection::RetryAt(retry), Pairing::Primary { doubt, .. }) =
            (main.connection, &mut main.pairing)
        else {
            return false;
        };
        let until = now.mono + interval * PROMOTED_WITHIN;
        *doubt = Some(Doubt::Lost { retry, until });
        main.connection = Connection::RetryAt(retry.max(now.mono + wait));
        self.keeps_backup(now, slot, backup)
    }

    fn forget_doubt(&mut self, slot: usize) {
        if let Pairing::Primary { doubt, .. } = &mut self.slots[slot].pairing {
            *doubt = None;
        }
    }

    /// Whether the session is to be logged on, as far as people, hours and the engine are concerned.
    fn is_wanted(&self, slot: usize) -> bool {
        let entry = &self.slots[slot];
        !entry.is_held() && !entry.leaving && !self.stopping && entry.is_in_schedule()
    }

    /// Ends a client's backup connection, or the attempt to make one.
    pub(super) fn close_backup<A: Application + ?Sized>(
        &mut self,
        now: Now,
        backup: usize,
        app: &mut A,
    ) {
        let entry = &mut self.slots[backup];
        match entry.connection {
            Connection::None | Connection::Draining { .. } => {}
            Connection::RetryAt(_) => entry.connection = Connection::None,
            Connection::Connecting { .. } => self.end(now, backup, Cause::Disconnected, app),
            Connection::Open { .. } => {
                let reason = Text::lossy(ENDS_WITH_PRIMARY);
                let step = entry.session.logout(now, &reason, &mut entry.journal);
                self.go_on(now, backup, step, app);
            }
        }
    }

    /// The exchange says on a client's backup, in `frame`, that it is the primary now. Answers whose its
    /// connection is from now on, if it has changed hands.
    pub(super) fn promoted<A: Application + ?Sized>(
        &mut self,
        now: Now,
        backup: usize,
        next: u64,
        frame: &Frame<'_>,
        app: &mut A,
    ) -> Option<usize> {
        let primary = self.slots[backup].pairing.other()?;
        self.touch(backup);
        let main = &self.slots[primary];
        let silent = Cause::FixpFault(fixp::Fault::Silence);
        let may = match (main.session.phase(), main.connection) {
            // Also one whose next logon an operator has forbidden: there is none.
            (Phase::Up, _) => true,
            (Phase::Down | Phase::LogonSent, _) => self.is_wanted(primary),
            (Phase::Closing, Connection::Draining { cause, .. }) => {
                cause == silent && self.is_wanted(primary)
            }
            // It goes on to log out.
            _ => false,
        };
        if !may || !self.is_free_to_change(now, primary, backup) {
            self.close_backup(now, backup, app);
            return None;
        }
        // Without a record of what began it the session goes on all the same.
        let journal = &mut self.slots[primary].journal;
        let _ = journal.keep_inbound(0, frame.bytes(), &[], false, now.utc);
        self.go_over(now, primary, backup, next, app)
            .map(|_| primary)
    }

    /// A gateway fails. Answers the connection it goes on with.
    fn fail_over<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> Option<LinkId> {
        let Pairing::Primary {
            backup, exchanged, ..
        } = &mut self.slots[slot].pairing
        else {
            return None;
        };
        *exchanged = !*exchanged;
        let backup = *backup as usize;
        let up = self.slots[slot].session.phase() == Phase::Up;
        if up && self.is_free_to_change(now, slot, backup) {
            let next = self.slots[slot].journal.next_out();
            return self.go_over(now, slot, backup, next, app);
        }
        self.end(now, slot, Cause::Disconnected, app);
        None
    }

    /// Has a gateway fail over at the end of the cycle.
    pub(super) fn ask_fail_over(&mut self, slot: usize) -> Result<(), Refusal> {
        let entry = &self.slots[slot];
        let gateway = entry.session.role() == Role::Acceptor;
        if !gateway || !matches!(entry.pairing, Pairing::Primary { .. }) {
            return Err(Refusal::NotOurChoice);
        }
        if self.failing_over.contains(&number(slot)) {
            return Err(Refusal::TooManyWishes);
        }
        self.failing_over.push(number(slot));
        self.touch(slot);
        Ok(())
    }

    /// Whether a backup has said something in part. What comes there may change whose the connection is, and
    /// waits until the rest is out.
    pub(super) fn is_half_said(&mut self, now: Now, slot: usize) -> bool {
        let entry = &self.slots[slot];
        if !entry.pairing.is_backup() || entry.journal.unsent_len() == 0 {
            return false;
        }
        let _: Flushed = self.flush(now, slot);
        let entry = &self.slots[slot];
        matches!(entry.connection, Connection::Open { .. })
            && entry.session.phase() == Phase::Up
            && entry.session.role() == Role::Initiator
            && is_begun(entry)
    }

    /// Whether a session can go on over the connection of its backup: of the same UUID, established, and with
    /// nothing of its own under way, as a message cannot be followed by another before its last byte.
    fn is_free_to_change(&mut self, now: Now, primary: usize, backup: usize) -> bool {
        let _: Flushed = self.flush(now, backup);
        let (main, spare) = (&self.slots[primary], &self.slots[backup]);
        main.journal.series() == spare.journal.series()
            && matches!(spare.connection, Connection::Open { .. })
            && spare.session.phase() == Phase::Up
            && match spare.session.role() {
                Role::Acceptor => spare.journal.unsent_len() == 0,
                // Signs of life that were not begun are not missed.
                Role::Initiator => !is_begun(spare),
            }
    }

    /// The session goes on over the connection of its backup. What it had is closed without a word, and what
    /// was not sent there is treated as after any other end of a connection.
    fn go_over<A: Application + ?Sized>(
        &mut self,
        now: Now,
        primary: usize,
        backup: usize,
        next: u64,
        app: &mut A,
    ) -> Option<LinkId> {
        let link = self.slots[backup].link()?;
        let [main, spare] = self.slots.two(primary, backup);
        if let Some(old) = main.connection.link() {
            self.released.push(Released {
                link: old,
                in_order: false,
            });
        }
        main.journal.drop_unsent();
        spare.journal.drop_unsent();
        let was_up = main.session.disconnected(now, &mut main.journal);
        let (Session::Fixp(session), Session::Fixp(other)) = (&mut main.session, &mut spare.session)
        else {
            return None;
        };
        let uuid = spare.journal.series();
        let step = session
            .take_over(now, other, uuid, next, &mut main.journal)
            .expect("invariant: looked at before: down, of one UUID, and the backup established");
        main.connection = Connection::Open { link };
        spare.connection = Connection::None;
        std::mem::swap(&mut main.route, &mut spare.route);
        std::mem::swap(&mut main.dialler, &mut spare.dialler);
        let session = main.handle;
        self.forget_doubt(primary);
        // The next backup goes to where the primary was.
        self.next_attempt(now, backup, End::LoggedOn);
        self.touch(backup);
        app.on_event(&Event::Promoted { session, next });
        if !was_up {
            self.logged_on(now, primary, app);
        }
        self.go_on(now, primary, Step::Fixp(step), app);
        Some(link)
    }
}

/// Whether the socket has taken a message in part.
fn is_begun(slot: &Slot) -> bool {
    let unsent = slot.journal.unsent();
    unsent.is_some_and(|unsent| unsent.started > 0)
}

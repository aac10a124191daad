//! One session with everything the engine keeps for it.

use std::time::Duration;

use super::SessionHandle;
use super::config::Accept;
use super::hours::Hours;
use super::net::{LinkId, SocketOptions};
use super::pending::{List, Pool};
use super::resolver::Resolver;
use super::route::Route;
use super::session::Session;
use super::tls::Dialler;
use crate::admin::{Outcome, Ticket};
use crate::counters::{ConnectionState, SessionStatus};
use crate::journal::{Journal, JournalConfig};
use crate::session::fix::{self, Decision, Phase, Role};
use crate::session::fixp;
use crate::session::{Cause, Hold, Outbox as _, Protocol, SeriesOutbox as _};
use crate::time::{Mono, Now, Utc};

/// How often the end of a hold is compared with the wall clock at least.
const HOLD_CHECK_EVERY: Duration = Duration::from_secs(1);

/// A session, its journal and its place in the world.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) handle: SessionHandle,
    pub(super) name: String,
    pub(super) session: Session,
    pub(super) journal: Journal,
    pub(super) connection: Connection,
    /// The peer logged on below this NextNumIn of ours, and no operator has asked for another attempt.
    pub(super) too_low_for: Option<u64>,
    /// How many Logons in a row the peer has refused since an operator asked for an attempt.
    pub(super) refusals: u32,
    /// From so many on there is no further attempt.
    pub(super) refusals_max: Option<u32>,
    /// For an initiator, how it connects.
    pub(super) route: Option<Route>,
    /// For an initiator that speaks TLS, what it connects with.
    pub(super) dialler: Option<Dialler>,
    /// On the way in only: the thread that looks names up, if this session is the first to have any.
    pub(super) resolver: Option<Resolver>,
    /// Which other connection belongs to the same session.
    pub(super) pairing: Pairing,
    /// On the way in only: its backup connection.
    pub(super) backup: Option<Box<Slot>>,
    /// It is to be taken out once its connection has ended.
    pub(super) leaving: bool,
    /// A peer that no session is configured for, and that has not been let in: its session leaves with
    /// its connection.
    pub(super) guest: Option<Guest>,
    /// When the end of an operator's hold is looked at next.
    pub(super) hold_check: Option<Mono>,
    /// When the session may be logged on, unless it always may.
    pub(super) hours: Option<Box<Hours>>,
    /// For an acceptor, where its peer may come from.
    pub(super) accept: Accept,
    /// What is asked of its socket.
    pub(super) socket: SocketOptions,
    /// An operator asked for a logon while a connection was ending: the next one does not wait for
    /// the back-off.
    pub(super) connect_at_once: bool,
    /// Commands that wait for the session to get somewhere.
    pub(super) pending: List,
    /// A callback asked for a new journal segment, which is not ready yet.
    pub(super) rotate_for_callback: bool,
    /// Whether the slot is on the list of those to be settled at the end of the cycle.
    pub(super) listed: bool,
    pub(super) traffic: Traffic,
    pub(super) shown: Shown,
}

/// What a place is to another one. A session with two connections has two: each has a machine, a journal,
/// a timer and a connection of its own, and the second only stands by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// Nothing: the session has one connection.
    Single,
    /// It is the session, and this the place of its backup connection.
    Primary {
        backup: u32,
        /// Of a gateway: it has failed over, and the ports have changed places.
        exchanged: bool,
        /// Of a client: its connection may have ended at the exchange, or may not.
        doubt: Option<Doubt>,
    },
    /// It is the backup connection of the session at this place.
    Backup { primary: u32 },
}

/// What a client does not know of its primary connection, of which its backup tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It was lost here while the backup stands, which may be the primary now. If the backup ends, the
    /// primary is connected to at `retry`, and until `until` that is tried while the backup stands.
    Lost { retry: Mono, until: Mono },
    /// It stands, and the exchange has said on the backup that it has ended: it is given up then.
    Ended { give_up: Mono },
}

impl Pairing {
    pub(super) fn is_backup(self) -> bool {
        matches!(self, Self::Backup { .. })
    }

    /// The other place.
    pub(super) fn other(self) -> Option<usize> {
        match self {
            Self::Single => None,
            Self::Primary { backup: other, .. } | Self::Backup { primary: other } => {
                Some(other as usize)
            }
        }
    }
}

/// How far a peer is that no session is configured for.
#[derive(Debug)]
pub(super) enum Guest {
    /// The application has not let it in, and it has nothing on disk.
    Outside(Box<Lodging>),
    /// The application has let it in, as the decision says, and its journal is being opened.
    Entering(Decision),
    /// Its connection ended before that. Nobody was told of it.
    Gone,
}

/// What makes a session of a guest.
#[derive(Debug)]
pub(super) struct Lodging {
    /// Where its messages will be kept.
    pub(super) journal: JournalConfig,
}

/// How far a connection is. The phases of the protocol are the session's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// None, and none is due.
    None,
    /// The initiator connects at this time.
    RetryAt(Mono),
    /// The initiator is connecting.
    Connecting { link: LinkId, give_up: Mono },
    /// It stands.
    Open { link: LinkId },
    /// It is closed once everything committed is on the wire and the peer had its time to close it,
    /// or at `give_up`.
    Draining {
        link: LinkId,
        cause: Cause,
        not_before: Mono,
        give_up: Mono,
    },
}

impl Connection {
    /// The connection there is, or that is being made.
    pub(super) fn link(&self) -> Option<LinkId> {
        match self {
            Self::Open { link } | Self::Draining { link, .. } | Self::Connecting { link, .. } => {
                Some(*link)
            }
            Self::None | Self::RetryAt(_) => None,
        }
    }
}

/// A command that is not done yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) controller: usize,
    pub(super) ticket: Ticket,
    pub(super) goal: Goal,
    pub(super) deadline: Mono,
}

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    LoggedOn,
    Closed,
    /// A reset in session is confirmed.
    Reset,
    /// The TestRequest with this number is answered.
    Answered(u64),
    /// The journal has begun a new segment.
    Rotated,
    /// The session has left, and could be added again.
    Removed,
    /// Nothing any more: it is answered once the status page shows what it did.
    Ended(Outcome),
}

/// Counts and times of a session's connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) frames_out: u64,
    pub(super) last_in: Now,
    pub(super) last_out: Now,
    pub(super) logons: u64,
    pub(super) logged_on: Now,
    pub(super) disconnected: Now,
    pub(super) last_cause: u32,
}

/// What the status page shows of what changes seldom.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// Whether it shows the hold as it is.
    pub(super) hold: bool,
    /// How many faults it shows.
    pub(super) faults: u64,
    /// When the last of them was seen.
    pub(super) last_fault: Utc,
    /// Whether the port is known to be closed: of a gateway, for too many invalid logons.
    pub(super) port_closed: bool,
}

impl Slot {
    /// The connection the session uses, if there is one it may send on.
    pub(super) fn link(&self) -> Option<LinkId> {
        match self.connection {
            Connection::Open { link } | Connection::Draining { link, .. } => Some(link),
            Connection::None | Connection::RetryAt(_) | Connection::Connecting { .. } => None,
        }
    }

    /// Whether an operator holds the session: it does not connect, and it refuses Logons.
    pub(super) fn is_held(&self) -> bool {
        self.journal.hold().is_some()
    }

    /// Whether another attempt would end as the last did: the peer logged on below the number we expect
    /// of it, and nothing has changed since, or it has refused our Logon as often as it may. Which side
    /// is right is for people to find out.
    pub(super) fn waits_for_operator(&self) -> bool {
        self.too_low_for == Some(self.journal.next_in())
            || self.refusals_max.is_some_and(|max| self.refusals >= max)
            || self.session.waits_for_operator()
    }

    /// An operator wants another attempt.
    pub(super) fn start_over(&mut self) {
        self.too_low_for = None;
        self.refusals = 0;
        self.session.start_over(&mut self.journal);
    }

    /// Sets, replaces or clears the hold.
    pub(super) fn hold(&mut self, hold: Option<Hold>, now: Now) {
        self.journal.set_hold(hold);
        self.shown.hold = false;
        self.watch_hold(now);
    }

    /// Decides when the end of the hold is looked at next: the wall clock may be set meanwhile.
    pub(super) fn watch_hold(&mut self, now: Now) {
        let until = self.journal.hold().and_then(|hold| hold.until);
        self.hold_check = until.map(|until| {
            let left = Duration::from_nanos(until.0.saturating_sub(now.utc.0));
            now.mono + left.min(HOLD_CHECK_EVERY)
        });
    }

    /// When something may be due for the slot.
    pub(super) fn deadline(&self, commands: &Pool) -> Option<Mono> {
        let connection = match self.connection {
            Connection::None | Connection::Open { .. } => None,
            Connection::RetryAt(at) => {
                let may = !self.is_held() && self.is_in_schedule() && !self.waits_for_operator();
                let peer = self.session.not_before().unwrap_or(at);
                may.then_some(at.max(peer))
            }
            Connection::Connecting { give_up, .. } => Some(give_up),
            Connection::Draining {
                not_before,
                give_up,
                ..
            } => Some(if self.journal.unsent_len() == 0 {
                not_before
            } else {
                give_up
            }),
        };
        let doubt = match self.pairing {
            Pairing::Primary {
                doubt: Some(Doubt::Ended { give_up }),
                ..
            } if matches!(self.connection, Connection::Open { .. }) => Some(give_up),
            _ => None,
        };
        let pending = commands.of(self.pending).map(|pending| pending.deadline);
        let pending = pending.min();
        let hours = self.hours.as_ref().and_then(|hours| hours.deadline());
        Mono::earliest([
            self.session.deadline(),
            connection,
            doubt,
            pending,
            self.hold_check,
            hours,
        ])
    }

    /// Whether a pending command has come to its end.
    pub(super) fn outcome_of(&self, pending: &Pending, now: Now) -> Option<Outcome> {
        let reached = match pending.goal {
            Goal::Ended(outcome) => return Some(outcome),
            Goal::LoggedOn => self.session.phase() == Phase::Up,
            Goal::Reset => self.session.phase() == Phase::Up && !self.session.is_resetting(),
            Goal::Closed => {
                matches!(self.connection, Connection::None | Connection::RetryAt(_))
                    && self.session.phase() == Phase::Down
            }
            Goal::Answered(probe) => self.session.is_test_answered(probe),
            // Answered when the segment has begun, or it has left.
            Goal::Rotated | Goal::Removed => false,
        };
        if reached {
            Some(Outcome::Done)
        } else if pending.goal == Goal::LoggedOn && self.is_held() {
            Some(Outcome::Refused("a logout was asked for meanwhile"))
        } else if pending.goal == Goal::LoggedOn && !self.is_in_schedule() {
            Some(Outcome::Refused("the hours of the session ended meanwhile"))
        } else if pending.goal == Goal::Reset && !self.session.is_resetting() {
            Some(Outcome::Refused("the connection ended meanwhile"))
        } else if matches!(pending.goal, Goal::Answered(_)) && self.session.phase() != Phase::Up {
            Some(Outcome::Refused(
                "a logout or a reset began before the answer",
            ))
        } else if now.mono >= pending.deadline {
            Some(Outcome::TimedOut)
        } else {
            None
        }
    }

    /// What the status page shows.
    pub(super) fn status(&self) -> SessionStatus {
        let journal = self.journal.stat();
        let state = match (self.session.phase(), self.connection) {
            (_, Connection::Connecting { .. }) => ConnectionState::Connecting,
            (Phase::Down, Connection::Open { .. }) | (Phase::Admitting, _) => {
                ConnectionState::AwaitLogon
            }
            (Phase::Down, _) => ConnectionState::Down,
            (Phase::LogonSent, _) => ConnectionState::LogonSent,
            (Phase::Up | Phase::Resetting, _) => ConnectionState::Up,
            (Phase::LogoutSent, _) => ConnectionState::LogoutSent,
            (Phase::Closing, _) => ConnectionState::Closing,
        };
        let queued = self.journal.queued();
        let mut status = SessionStatus {
            state,
            held: self.is_held(),
            in_schedule: self.is_in_schedule(),
            schedule_edge_utc: self
                .hours
                .as_ref()
                .map_or(Utc(0), |hours| hours.next_edge()),
            next_out: self.journal.next_out(),
            next_in: self.journal.next_in(),
            messages_out: self.traffic.frames_out,
            bytes_out: self.traffic.bytes_out,
            bytes_in: self.traffic.bytes_in,
            last_fault_utc: self.shown.last_fault,
            parked: self.session.parked() as u64,
            heartbeat_s: self.session.heartbeat_s().map_or(0, u64::from),
            reconnects: self.traffic.logons.saturating_sub(1),
            last_in_mono: self.traffic.last_in.mono,
            last_in_utc: self.traffic.last_in.utc,
            last_out_mono: self.traffic.last_out.mono,
            last_out_utc: self.traffic.last_out.utc,
            test_request_round_trip_ns: self
                .session
                .test_round_trip()
                .map_or(0, |span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
            unsent_bytes: journal.unsent_bytes as u64,
            queued: queued.messages as u64,
            queued_bytes: queued.bytes as u64,
            journal_used_bytes: journal.stored_bytes - journal.tail_left_bytes as u64,
            journal_segments: journal.segments as u64,
            logged_on_utc: self.traffic.logged_on.utc,
            disconnected_utc: self.traffic.disconnected.utc,
            disconnect_cause: self.traffic.last_cause.into(),
            uuid: self.journal.series(),
            ..SessionStatus::default()
        };
        match &self.session {
            Session::Fix(session) => add_tally(&mut status, session.tally()),
            Session::Fixp(session) => {
                add_fixp_tally(&mut status, session.tally(), session.settings().role);
                status.protocol = Protocol::Fixp;
                if self.pairing.is_backup() {
                    // It numbers nothing.
                    (status.next_out, status.next_in) = (0, 0);
                }
                status.keep_alive_ms = session.keep_alive_ms().unwrap_or_default();
                status.port_closed = self.journal.is_port_closed();
                status.awaits_operator = self.waits_for_operator() || status.port_closed;
                if let Some(underway) = session.retransmission(&self.journal) {
                    status.retransmit_next = underway.next;
                    status.retransmit_last = underway.last;
                    status.retransmit_uuid = underway.series;
                }
            }
        }
        status
    }
}

fn add_tally(status: &mut SessionStatus, tally: &fix::Tally) {
    status.messages_in = tally.messages_in;
    status.resent = tally.resent;
    status.gap_fills_out = tally.gap_fills_out;
    status.gap_fills_in = tally.gap_fills_in;
    status.resend_requests_out = tally.resend_requests_out;
    status.resend_requests_in = tally.resend_requests_in;
    status.garbled = tally.garbled;
    status.rejects_out = tally.rejects_out;
    status.rejects_in = tally.rejects_in;
    status.faults = tally.faults;
    status.last_fault = tally
        .last_fault
        .map_or(0, |fault| fault.number() as u64 + 1);
    status.parked_dropped = tally.parked_dropped;
    status.application_out = tally.application_out;
    status.application_in = tally.application_in;
    status.test_requests_out = tally.test_requests_out;
}

/// What FIXP has of the same: requests for what is missing, and refusals of them.
fn add_fixp_tally(status: &mut SessionStatus, tally: &fixp::Tally, role: Role) {
    let (requests, rejects) = (tally.retransmit_requests, tally.retransmit_rejects);
    let client = role == Role::Initiator;
    let (ours, theirs) = if client { (requests, 0) } else { (0, requests) };
    let (rejects_out, rejects_in) = if client { (0, rejects) } else { (rejects, 0) };
    status.messages_in = tally.messages_in;
    status.resent = tally.resent;
    status.resend_requests_out = ours;
    status.resend_requests_in = theirs;
    status.rejects_out = rejects_out;
    status.rejects_in = rejects_in;
    status.faults = tally.faults;
    status.last_fault = tally
        .last_fault
        .map_or(0, |fault| fault.number() as u64 + 1);
    status.parked_dropped = tally.parked_dropped;
    status.application_out = tally.application_out;
    status.application_in = tally.application_in;
    status.test_requests_out = tally.lapsed_out;
    status.sequences_out = tally.heartbeats_out;
    status.not_applied = tally.not_applied;
}

/// The number of a place, as lists of them hold it.
pub(super) fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

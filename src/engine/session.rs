//! The session of a slot, whichever protocol it speaks.
//!
//! What every protocol has is asked for here; what only one has is asked of that one. An enum and no
//! trait object: the match is one branch, and the call behind it is direct (DESIGN decision 2).
//!
//! It must not know about sockets, timers or the application.

use std::time::Duration;

use crate::journal::Journal;
pub use crate::session::Protocol;
use crate::session::fix::rules::Rules;
use crate::session::fix::{self, Decision, Loss, Phase, Replayed, ResendJudge, Role};
use crate::session::fixp;
use crate::session::{Cause, Fault, Refusal, ResetCause, SessionId, Text};
use crate::time::{Mono, Now};
use crate::wire::fix::FieldIndex;

/// What waits no longer than this is looked at in every cycle: a timer fires up to a tick late.
const BRIEFLY: Duration = Duration::from_millis(1);

/// How long a connection may take to read what was sent last, of a FIXP session.
const FIXP_FLUSH: Duration = Duration::from_secs(2);

/// A session.
#[allow(
    clippy::large_enum_variant,
    reason = "one per place, and the call must not go through a pointer"
)]
#[derive(Debug)]
pub(super) enum Session {
    Fix(fix::Session),
    Fixp(fixp::Session),
}

/// What a session asks for, in the words of its protocol.
#[must_use]
#[derive(Debug)]
pub(super) enum Step {
    Fix(fix::Step),
    Fixp(fixp::Step),
}

impl Session {
    /// By what name it goes.
    pub(super) fn id(&self) -> &SessionId {
        match self {
            Self::Fix(session) => &session.settings().id,
            Self::Fixp(session) => &session.settings().id,
        }
    }

    pub(super) fn role(&self) -> Role {
        match self {
            Self::Fix(session) => session.settings().role,
            Self::Fixp(session) => session.settings().role,
        }
    }

    /// Its version of FIX, if it speaks FIX.
    pub(super) fn rules(&self) -> Option<&'static Rules> {
        match self {
            Self::Fix(session) => Some(session.settings().rules),
            Self::Fixp(_) => None,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Fix(_) => Protocol::Fix,
            Self::Fixp(_) => Protocol::Fixp,
        }
    }

    /// Whether a connection would be in vain before an operator says otherwise.
    pub(super) fn waits_for_operator(&self) -> bool {
        match self {
            Self::Fix(_) => false,
            Self::Fixp(session) => session.waits_for_operator(),
        }
    }

    /// Whether what waits for a penalty goes on sooner than a timer can tell.
    pub(super) fn waits_briefly(&self, now: Now) -> bool {
        match self {
            Self::Fix(_) => false,
            Self::Fixp(session) => session
                .penalty_ends()
                .is_some_and(|at| at <= now.mono + BRIEFLY),
        }
    }

    /// An operator wants another attempt.
    pub(super) fn start_over(&mut self, journal: &mut Journal) {
        match self {
            Self::Fix(_) => {}
            Self::Fixp(session) => {
                session.resume();
                session.reopen_port(journal);
            }
        }
    }

    /// The time before which the peer wants no connection.
    pub(super) fn not_before(&self) -> Option<Mono> {
        match self {
            Self::Fix(_) => None,
            Self::Fixp(session) => session.not_before(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Fix(session) => session.phase(),
            Self::Fixp(session) => session.phase(),
        }
    }

    /// When [`Self::timeout`] must be called next.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Fix(session) => session.deadline(),
            Self::Fixp(session) => session.deadline(),
        }
    }

    pub(super) fn timeout(&mut self, now: Now, journal: &mut Journal) -> Step {
        match self {
            Self::Fix(session) => Step::Fix(session.timeout(now, journal)),
            Self::Fixp(session) => Step::Fixp(session.timeout(now, journal)),
        }
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, now: Now, journal: &mut Journal) -> Step {
        match self {
            Self::Fix(session) => Step::Fix(session.connected(now, journal)),
            Self::Fixp(session) => Step::Fixp(session.connected(now, journal)),
        }
    }

    pub(super) fn logout(&mut self, now: Now, reason: &Text, journal: &mut Journal) -> Step {
        match self {
            Self::Fix(session) => Step::Fix(session.logout(now, reason, journal)),
            Self::Fixp(session) => Step::Fixp(session.logout(now, reason, journal)),
        }
    }

    /// The connection is gone. Answers whether the application knew of a logon.
    pub(super) fn disconnected(&mut self, now: Now, journal: &mut Journal) -> bool {
        match self {
            Self::Fix(session) => session.disconnected(now, journal),
            Self::Fixp(session) => session.disconnected(now, journal),
        }
    }

    /// How long a connection is kept for the peer to close it after its logout, and how long it may
    /// take to read what was sent last.
    pub(super) fn logout_times(&self) -> (Duration, Duration) {
        match self {
            Self::Fix(session) => {
                let logout = &session.settings().logout;
                (logout.linger, logout.timeout)
            }
            Self::Fixp(_) => (Duration::ZERO, FIXP_FLUSH),
        }
    }

    /// Whether the next timeout would give the peer up for its silence.
    pub(super) fn is_peer_silent(&self, now: Mono) -> bool {
        match self {
            Self::Fix(session) => session.is_peer_silent(now),
            Self::Fixp(session) => session.is_peer_silent(now),
        }
    }

    /// What the peer has sent waits on our side.
    pub(super) fn were_slow(&mut self, now: Mono) {
        match self {
            Self::Fix(session) => session.were_slow(now),
            Self::Fixp(session) => session.were_slow(now),
        }
    }

    /// Ends the connection of a peer that does not read.
    pub(super) fn give_up_slow_peer(&mut self) -> Option<Step> {
        match self {
            Self::Fix(session) => session.give_up_slow_peer().map(Step::Fix),
            Self::Fixp(_) => None,
        }
    }

    /// Whether messages wait behind a gap.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Self::Fix(session) => session.is_waiting(),
            Self::Fixp(session) => session.parked() > 0,
        }
    }

    /// How many do.
    pub(super) fn parked(&self) -> usize {
        match self {
            Self::Fix(session) => session.parked(),
            Self::Fixp(session) => session.parked(),
        }
    }

    /// Sends again some of what the peer has asked for.
    pub(super) fn replay(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        judge: &mut impl ResendJudge,
        journal: &mut Journal,
    ) -> Replayed {
        match self {
            Self::Fix(session) => session.replay(now, budget, index, judge, journal),
            Self::Fixp(session) => session.replay(now, budget, journal),
        }
    }

    /// Sends some of what waits without a number.
    pub(super) fn send_queued(
        &mut self,
        now: Now,
        budget: usize,
        index: &mut FieldIndex,
        journal: &mut Journal,
    ) -> Replayed {
        match self {
            Self::Fix(session) => session.send_queued(now, budget, index, journal),
            Self::Fixp(_) => Replayed::Finished,
        }
    }

    /// Messages that were taken and do not reach the peer.
    pub(super) fn take_loss(&mut self) -> Option<Loss> {
        match self {
            Self::Fix(session) => session.take_loss(),
            Self::Fixp(_) => None,
        }
    }

    /// Messages of which it will not be known whether they were applied.
    pub(super) fn take_unconfirmed(&mut self) -> Option<fixp::Unconfirmed> {
        match self {
            Self::Fix(_) => None,
            Self::Fixp(session) => session.take_unconfirmed(),
        }
    }

    /// A frame whose secrets are masked in the journal, as it goes on the wire.
    pub(super) fn unmasked_logon(&self) -> &[u8] {
        match self {
            Self::Fix(session) => session.unmasked_logon(),
            Self::Fixp(_) => &[],
        }
    }

    /// Refuses a peer that is not logged on, in the way of the protocol.
    pub(super) fn turn_away(&mut self, now: Now, fault: Fault, journal: &mut Journal) -> Step {
        match self {
            Self::Fix(session) => Step::Fix(session.turn_away(now, fault, journal)),
            Self::Fixp(_) => Step::Fixp(fixp::Step::Close(Cause::Fault(fault))),
        }
    }

    /// Refuses a peer that is not logged on without a word.
    pub(super) fn shut_out(&mut self, fault: Fault) -> Step {
        match self {
            Self::Fix(session) => Step::Fix(session.shut_out(fault)),
            Self::Fixp(_) => Step::Fixp(fixp::Step::Close(Cause::Fault(fault))),
        }
    }

    /// The interval in milliseconds after which a silent side says that it is there, once agreed.
    pub(super) fn heartbeat_s(&self) -> Option<u32> {
        match self {
            Self::Fix(session) => session.heartbeat_s(),
            Self::Fixp(session) => session
                .keep_alive_ms()
                .map(|ms| u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)),
        }
    }

    pub(super) fn test_round_trip(&self) -> Option<Duration> {
        match self {
            Self::Fix(session) => session.test_round_trip(),
            Self::Fixp(_) => None,
        }
    }

    /// Whether a reset in session is under way.
    pub(super) fn is_resetting(&self) -> bool {
        match self {
            Self::Fix(session) => session.is_resetting(),
            Self::Fixp(_) => false,
        }
    }

    /// Whether the TestRequest with this number is answered.
    pub(super) fn is_test_answered(&self, probe: u64) -> bool {
        match self {
            Self::Fix(session) => session.is_test_answered(probe),
            Self::Fixp(_) => false,
        }
    }

    /// What an operator, or the schedule, does to numbers. What a protocol has no word for it refuses.
    pub(super) fn set_next_out(
        &mut self,
        now: Now,
        next: u64,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        match self {
            Self::Fix(session) => session.set_next_out(now, next, journal),
            Self::Fixp(session) => session.set_next_out(now, next, journal),
        }
    }

    pub(super) fn set_next_in(
        &mut self,
        now: Now,
        next: u64,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        match self {
            Self::Fix(session) => session.set_next_in(now, next, journal),
            Self::Fixp(session) => session.set_next_in(now, next, journal),
        }
    }

    pub(super) fn reset_numbers(
        &mut self,
        now: Now,
        why: ResetCause,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        match self {
            Self::Fix(session) => session.reset_numbers(now, why, journal),
            Self::Fixp(session) => match why {
                ResetCause::Schedule => session.begin_week(now, why, journal),
                _ => session.renew(why),
            },
        }
    }

    /// What only FIX has.
    pub(super) fn reset_in_session(
        &mut self,
        now: Now,
        journal: &mut Journal,
    ) -> Result<Step, Refusal> {
        match self {
            Self::Fix(session) => session.reset_in_session(now, journal).map(Step::Fix),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }

    pub(super) fn restart_silently(
        &mut self,
        now: Now,
        why: ResetCause,
        journal: &mut Journal,
    ) -> Result<Step, Refusal> {
        match self {
            Self::Fix(session) => session
                .restart_silently(now, why, journal)
                .map(Step::Fix)
                .map_err(Refusal::Full),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }

    pub(super) fn sequence_reset(
        &mut self,
        now: Now,
        next: u64,
        journal: &mut Journal,
    ) -> Result<Step, Refusal> {
        match self {
            Self::Fix(session) => session.sequence_reset(now, next, journal).map(Step::Fix),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }

    pub(super) fn test_request(&mut self, now: Now, journal: &mut Journal) -> Result<u64, Refusal> {
        match self {
            Self::Fix(session) => session.test_request(now, journal),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }

    pub(super) fn ask_again(
        &mut self,
        now: Now,
        begin: u64,
        end: u64,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        match self {
            Self::Fix(session) => session.ask_again(now, begin, end, journal),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }

    pub(super) fn awaits_decision(&self, ticket: u64) -> bool {
        match self {
            Self::Fix(session) => session.awaits_decision(ticket),
            Self::Fixp(_) => false,
        }
    }

    pub(super) fn decide(
        &mut self,
        now: Now,
        ticket: u64,
        decision: Decision,
        journal: &mut Journal,
    ) -> Result<Step, Refusal> {
        match self {
            Self::Fix(session) => session
                .decide(now, ticket, decision, journal)
                .map(Step::Fix),
            Self::Fixp(_) => Err(Refusal::OtherProtocol),
        }
    }
}

//! Heartbeat(0), TestRequest(1) and silence.
//!
//! Timers are lazy (DESIGN decision 9): traffic only moves two instants, and [`Session::deadline`]
//! says when something may be due. Being asked too early is harmless.

use std::time::Duration;

use super::admission::Admitting;
use super::policy::{LivenessSettings, OnSilence};
use super::reset::Resetting;
use super::{LogonSent, LogoutSent, Session, State, Step};
use crate::session::{Cause, Fault, Full, Outbox};
use crate::time::{Mono, Now};
use crate::wire::fix::{Message, msg_type, tag};

/// When something was last heard from and said to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    /// HeartBtInt(108); zero switches all of this off.
    heartbeat: Duration,
    /// Silence before a TestRequest, and before each further one.
    test_after: Duration,
    /// Silence after which the peer is given up; none if it never is.
    dead_after: Option<Duration>,
    heard: Mono,
    spoke: Mono,
    /// The last TestRequest, until the Heartbeat that answers it.
    probe: Option<Probe>,
    probes: u64,
    /// TestRequests since something was heard.
    unanswered: u32,
    /// How much later than `dead_after` the end comes, because the first TestRequest came late.
    grace: Duration,
    /// The last probe whose answer has come.
    answered: u64,
    round_trip: Option<Duration>,
}

/// A TestRequest of ours, by the number in its TestReqID(112).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Probe {
    id: u64,
    sent: Mono,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Heartbeat,
    TestRequest(u64),
    Dead,
}

impl Pulse {
    pub(super) fn new(heartbeat_s: u32, settings: &LivenessSettings, now: Mono) -> Self {
        let heartbeat = Duration::from_secs(heartbeat_s.into());
        let dead_after = heartbeat * settings.disconnect_percent / 100;
        Self {
            heartbeat,
            test_after: heartbeat * settings.test_request_percent / 100,
            dead_after: (settings.on_silence != OnSilence::Stay).then_some(dead_after),
            heard: now,
            spoke: now,
            probe: None,
            probes: 0,
            unanswered: 0,
            grace: Duration::ZERO,
            answered: 0,
            round_trip: None,
        }
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// HeartBtInt(108).
    pub(super) fn heartbeat_s(&self) -> u32 {
        u32::try_from(self.heartbeat.as_secs()).unwrap_or(u32::MAX)
    }

    /// Notes a TestRequest that is sent now; answers the number for its TestReqID(112).
    pub(super) fn probe(&mut self, now: Mono) -> u64 {
        self.probes += 1;
        self.probe = Some(Probe {
            id: self.probes,
            sent: now,
        });
        self.probes
    }

    /// Whether the answer to this probe, or to a later one, has come.
    pub(super) fn is_answered(&self, probe: u64) -> bool {
        self.answered >= probe
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Any sound message is a sign of life; the Heartbeat that answers a TestRequest also gives the
    /// round trip. A peer that wakes up says what it has to say first, so the answer may come later.
    ///
    /// Answers whether this came only now because we were slow: a peer that is silent for so long is
    /// given up before anything else is read.
    pub(super) fn heard(&mut self, now: Mono, message: &Message<'_>) -> bool {
        let late = self.is_dead(now);
        self.heard = now;
        self.unanswered = 0;
        self.grace = Duration::ZERO;
        if let Some(probe) = self.probe
            && message.msg_type() == msg_type::HEARTBEAT
            && message.uint(tag::TEST_REQ_ID) == Ok(probe.id)
        {
            self.round_trip = Some(now.since(probe.sent));
            self.answered = probe.id;
            self.probe = None;
        }
        late
    }

    /// Whether a TestRequest was sent and nothing was heard since.
    fn is_probing(&self) -> bool {
        self.unanswered > 0
    }

    /// Whether the peer has been silent for so long that it is given up.
    fn is_dead(&self, now: Mono) -> bool {
        !self.heartbeat.is_zero() && self.dead_at().is_some_and(|at| now >= at)
    }

    /// What the peer sent waits on our side.
    fn were_slow(&mut self, now: Mono) {
        self.heard = now;
        self.unanswered = 0;
        self.grace = Duration::ZERO;
    }

    pub(super) fn spoke(&mut self, now: Mono) {
        self.spoke = now;
    }

    fn deadline(&self) -> Option<Mono> {
        if self.heartbeat.is_zero() {
            return None;
        }
        let beat = (!self.is_probing()).then_some(self.spoke + self.heartbeat);
        Mono::earliest([Some(self.test_at()), self.dead_at(), beat])
    }

    fn test_at(&self) -> Mono {
        let since = match &self.probe {
            Some(probe) if self.is_probing() => probe.sent,
            _ => self.heard,
        };
        since + self.test_after
    }

    fn dead_at(&self) -> Option<Mono> {
        self.dead_after.map(|after| self.heard + after + self.grace)
    }

    /// The end is checked before the TestRequest, and that before the Heartbeat: no Heartbeat is
    /// sent while a TestRequest is unanswered.
    fn due(&mut self, now: Mono) -> Due {
        if self.heartbeat.is_zero() {
            return Due::Nothing;
        }
        // A first TestRequest always comes before the end, however late we are.
        if self.is_probing() && self.is_dead(now) {
            return Due::Dead;
        }
        if now >= self.test_at() {
            if self.is_dead(now) {
                // We come too late to have asked in time: the peer gets the time it would have had.
                self.grace = now.since(self.heard + self.test_after);
            }
            self.unanswered += 1;
            return Due::TestRequest(self.probe(now));
        }
        if now >= self.spoke + self.heartbeat && !self.is_probing() {
            Due::Heartbeat
        } else {
            Due::Nothing
        }
    }
}

impl Session {
    /// When [`Session::timeout`] must be called next; may move with every message.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::LogonSent(LogonSent { give_up, .. })
            | State::LogoutSent(LogoutSent { give_up, .. })
            | State::Resetting(Resetting { give_up, .. }) => Some(*give_up),
            State::Up(up) => {
                let repeat = up.recovery.map(|recovery| recovery.repeat_at);
                let quiet = self.quiet_deadline(up);
                Mono::earliest([up.pulse.deadline(), repeat, quiet, self.queue_due])
            }
            State::Admitting(admitting) => admitting.awaited.map(|awaited| awaited.give_up),
            State::Down | State::Closing(_) => None,
        }
    }

    /// Does what is due by now. Harmless when called early.
    ///
    /// What has arrived must be handed in before: a peer whose bytes wait in the socket is not silent.
    pub fn timeout<O: Outbox>(&mut self, now: Now, out: &mut O) -> Step {
        let done = match &mut self.state {
            State::LogonSent(logon) if now.mono >= logon.give_up => {
                self.tally.note(Fault::LogonTimeout);
                Ok(self.close(Cause::Fault(Fault::LogonTimeout)))
            }
            State::LogoutSent(logout) if now.mono >= logout.give_up => {
                let fault = logout.expelled_for.unwrap_or(Fault::LogoutTimeout);
                if logout.expelled_for.is_none() {
                    self.tally.note(fault);
                }
                Ok(self.close(Cause::Fault(fault)))
            }
            State::Admitting(Admitting {
                awaited: Some(awaited),
                ..
            }) if now.mono >= awaited.give_up => self.undecided(now, out),
            State::Resetting(resetting) if now.mono >= resetting.give_up => {
                self.reset_unanswered(now, out)
            }
            State::Up(_) => self.keep_alive(now, out),
            _ => Ok(Step::Done),
        };
        done.unwrap_or_else(|full| self.no_room(full))
    }

    /// Whether [`Session::timeout`] would now give the peer up for its silence. Look into the socket
    /// once more before it does; what waits there but cannot be handed in is for
    /// [`Session::were_slow`].
    #[must_use]
    pub fn is_peer_silent(&self, now: Mono) -> bool {
        matches!(&self.state, State::Up(up) if up.pulse.is_dead(now))
    }

    /// The peer was not silent: what it sent waits on our side.
    pub fn were_slow(&mut self, now: Mono) {
        if let State::Up(up) = &mut self.state {
            up.pulse.were_slow(now);
            self.tally.slow_reads += 1;
        }
    }

    fn keep_alive<O: Outbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        match up.pulse.due(now.mono) {
            Due::Nothing => {}
            Due::Heartbeat => {
                self.pen.heartbeat(now, None, out)?;
                up.pulse.spoke(now.mono);
            }
            Due::TestRequest(id) => {
                self.pen.test_request(now, id, out)?;
                up.pulse.spoke(now.mono);
                self.tally.test_requests_out += 1;
            }
            Due::Dead => {
                self.tally.note(Fault::Silence);
                return match self.settings.liveness.on_silence {
                    OnSilence::Logout => self.end_with(now, Fault::Silence, out),
                    OnSilence::Close | OnSilence::Stay => Ok(self.close(Cause::Fault(Fault::Silence))),
                };
            }
        }
        match self.recovery_due(now, out)? {
            Step::Done => self.quiet_due(now, out),
            step => Ok(step),
        }
    }
}

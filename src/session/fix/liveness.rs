//! Heartbeat(0), TestRequest(1) and silence.
//!
//! Timers are lazy (DESIGN decision 9): traffic only moves two instants, and [`Session::deadline`]
//! says when something may be due. Being asked too early is harmless.

use std::time::Duration;

use super::admission::Admitting;
use super::reset::Resetting;
use super::{LogonSent, LogoutSent, Session, State, Step};
use crate::session::{Cause, Fault, Full, Outbox};
use crate::time::{Mono, Now};
use crate::wire::fix::{Message, msg_type, tag};

/// Silence after which a TestRequest is sent, in tenths of HeartBtInt(108).
const TEST_REQUEST_AFTER_TENTHS: u32 = 12;

/// Silence after which the peer is given up, in tenths of HeartBtInt(108). With these two values
/// exactly one TestRequest comes before the end.
const DEAD_AFTER_TENTHS: u32 = 24;

/// When something was last heard from and said to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    /// HeartBtInt(108); zero switches all of this off.
    heartbeat: Duration,
    test_after: Duration,
    dead_after: Duration,
    heard: Mono,
    spoke: Mono,
    /// The last TestRequest, until the Heartbeat that answers it.
    probe: Option<Probe>,
    probes: u64,
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
    pub(super) fn new(heartbeat_s: u32, now: Mono) -> Self {
        let heartbeat = Duration::from_secs(heartbeat_s.into());
        Self {
            heartbeat,
            test_after: heartbeat * TEST_REQUEST_AFTER_TENTHS / 10,
            dead_after: heartbeat * DEAD_AFTER_TENTHS / 10,
            heard: now,
            spoke: now,
            probe: None,
            probes: 0,
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
    pub(super) fn heard(&mut self, now: Mono, message: &Message<'_>) {
        self.heard = now;
        if let Some(probe) = self.probe
            && message.msg_type() == msg_type::HEARTBEAT
            && message.uint(tag::TEST_REQ_ID) == Ok(probe.id)
        {
            self.round_trip = Some(now.since(probe.sent));
            self.answered = probe.id;
            self.probe = None;
        }
    }

    /// Whether a TestRequest was sent and nothing was heard since.
    fn is_probing(&self) -> bool {
        self.probe.is_some_and(|probe| probe.sent > self.heard)
    }

    pub(super) fn spoke(&mut self, now: Mono) {
        self.spoke = now;
    }

    fn deadline(&self) -> Option<Mono> {
        if self.heartbeat.is_zero() {
            return None;
        }
        Some(if self.is_probing() {
            self.dead_at()
        } else {
            self.test_at().min(self.spoke + self.heartbeat)
        })
    }

    fn test_at(&self) -> Mono {
        self.heard + self.test_after
    }

    fn dead_at(&self) -> Mono {
        self.heard + self.dead_after
    }

    /// The end is checked before the TestRequest, and that before the Heartbeat: no Heartbeat is
    /// sent while a TestRequest is unanswered.
    fn due(&mut self, now: Mono) -> Due {
        if self.heartbeat.is_zero() {
            return Due::Nothing;
        }
        if self.is_probing() {
            return if now >= self.dead_at() {
                Due::Dead
            } else {
                Due::Nothing
            };
        }
        if now >= self.test_at() {
            return Due::TestRequest(self.probe(now));
        }
        if now >= self.spoke + self.heartbeat {
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
            | State::Resetting(Resetting { give_up }) => Some(*give_up),
            State::Up(up) => {
                let repeat = up.recovery.map(|recovery| recovery.repeat_at);
                let quiet = self.quiet_deadline(up);
                [up.pulse.deadline(), repeat, quiet, self.queue_due]
                    .into_iter()
                    .flatten()
                    .min()
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
                return self.end_with(now, Fault::Silence, out);
            }
        }
        match self.recovery_due(now, out)? {
            Step::Done => self.quiet_due(now, out),
            step => Ok(step),
        }
    }
}

//! Sequence(506) as a sign of life, and silence.
//!
//! Either side says something at least once per KeepAliveInterval. After one interval without a word of
//! the peer it is told so with KeepAliveIntervalLapsed(39016)=1; after another it is given up. Timers are
//! lazy (DESIGN decision 9): traffic only moves instants, and being asked too early is harmless.

use std::time::Duration;

use super::letter::Letter;
use super::{Fault, Role, Session, State, Step, Up};
use crate::session::{Full, SeriesOutbox};
use crate::time::{Mono, Now};

/// The least slack: clocks tick, networks queue.
const SLACK_MIN: Duration = Duration::from_millis(250);

/// When something was last heard from and said to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    interval: Duration,
    /// Silence before the peer is told, and again before it is given up.
    patience: Duration,
    heard: Mono,
    spoke: Mono,
    /// When the peer was told, and nothing was heard since.
    warned: Option<Mono>,
}

/// What the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Beat,
    Lapsed,
    Dead,
}

impl Pulse {
    pub(super) fn new(keep_alive_ms: u16, slack_percent: u32, now: Mono) -> Self {
        let interval = Duration::from_millis(keep_alive_ms.into());
        Self {
            interval,
            patience: interval + SLACK_MIN.max(interval * slack_percent / 100),
            heard: now,
            spoke: now,
            warned: None,
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Any message is a sign of life. Answers whether this came only now because we were slow.
    pub(super) fn heard(&mut self, now: Mono) -> bool {
        let late = self.is_dead(now);
        self.heard = now;
        self.warned = None;
        late
    }

    pub(super) fn spoke(&mut self, now: Mono) {
        self.spoke = now;
    }

    /// Whether the peer has been silent for so long that it is given up.
    fn is_dead(&self, now: Mono) -> bool {
        self.warned
            .is_some_and(|warned| now >= warned + self.patience)
    }

    pub(super) fn deadline(&self) -> Mono {
        let silence = self.warned.unwrap_or(self.heard) + self.patience;
        silence.min(self.spoke + self.interval)
    }

    fn due(&self, now: Mono) -> Due {
        if self.is_dead(now) {
            Due::Dead
        } else if self.warned.is_none() && now >= self.heard + self.patience {
            Due::Lapsed
        } else if now >= self.spoke + self.interval {
            Due::Beat
        } else {
            Due::Nothing
        }
    }
}

impl Session {
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
            up.pulse.heard(now);
            self.tally.slow_reads += 1;
        }
    }

    /// Asks the peer for a sign of life, if the session is established.
    pub fn probe<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Step {
        let State::Up(_) = self.state else {
            return Step::Done;
        };
        match self.say_sequence(now, 1, out) {
            Ok(()) => Step::Done,
            Err(full) => self.no_room(full),
        }
    }

    /// KeepAliveInterval in milliseconds as agreed; `None` while not established.
    #[must_use]
    pub fn keep_alive_ms(&self) -> Option<u64> {
        match &self.state {
            State::Up(up) => u64::try_from(up.pulse.interval().as_millis()).ok(),
            _ => None,
        }
    }

    pub(super) fn keep_alive<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        match up.pulse.due(now.mono) {
            Due::Nothing => {}
            Due::Beat => {
                self.say_sequence(now, 0, out)?;
                self.tally.heartbeats_out += 1;
            }
            Due::Lapsed => {
                up.pulse.warned = Some(now.mono);
                self.say_sequence(now, 1, out)?;
                self.tally.lapsed_out += 1;
            }
            Due::Dead => return self.fault(now, Fault::Silence, None, out),
        }
        Ok(Step::Done)
    }

    /// Says which number comes next: of what is sent again, if there is such.
    pub(super) fn say_sequence<O: SeriesOutbox>(
        &mut self,
        now: Now,
        lapsed: u8,
        out: &mut O,
    ) -> Result<(), Full> {
        let next = match &self.state {
            State::Up(Up {
                resending: Some(resending),
                ..
            }) if resending.is_running() => u32::try_from(resending.next).ok(),
            _ => Some(self.next_seq_no(out)),
        };
        let sequence = super::letter::Sequence {
            uuid: Some(out.series()),
            next_seq_no: next,
            primary: !self.is_backup(),
            lapsed: Some(lapsed),
        };
        if self.settings.role == Role::Initiator
            && let State::Up(up) = &mut self.state
            && std::mem::take(&mut up.taken_over)
            && up.resending.is_none()
        {
            // The first on this connection: it passes over what was lost with the primary.
            self.passes_over(now, out);
        }
        self.say(now, &Letter::Sequence(sequence), out)?;
        if let State::Up(up) = &mut self.state {
            up.said.note(next.map_or(0, u64::from));
        }
        Ok(())
    }
}

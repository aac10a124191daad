//! The run loop: pins the core, reads the clock once per cycle, and decides what an idle cycle does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Engine;
use super::application::Application;
use super::clock::Clock;
use super::hours::Wall;
use super::slot::Connection;
use crate::session::{Cause, Text};
use crate::time::{Mono, Now};

/// How long sessions may take to log out when the engine stops, beyond their own logout timeouts.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// What an idle cycle does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// Polls again at once: the lowest latency, and a whole core.
    #[default]
    Spin,
    /// Gives the core away once, then polls again: for machines with fewer cores than threads that
    /// want one.
    Yield,
    /// Sleeps in the readiness call until something arrives, a timer is due, or this time has
    /// passed. A command from another thread may wait that long.
    Block(Duration),
}

/// How a run loop runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The core to pin the thread to; `None` leaves it to the system.
    pub core: Option<usize>,
    /// What an idle cycle does.
    pub idle: Idle,
}

/// Tells a run loop to log its sessions out and return.
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// Asks the loop to stop. May be called from a signal handler.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a run loop could not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunError {
    /// The thread could not be pinned to this core.
    NoSuchCore(usize),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCore(core) => {
                let cores = core_affinity::get_core_ids().unwrap_or_default();
                let cores: Vec<_> = cores.into_iter().map(|core| core.id.to_string()).collect();
                write!(
                    f,
                    "cannot pin to core {core}, this process may use {}",
                    cores.join(", ")
                )
            }
        }
    }
}

impl std::error::Error for RunError {}

impl Engine {
    /// Runs until `stop` is asked to, then logs every session out and returns.
    ///
    /// # Errors
    /// The thread cannot be pinned to the core asked for.
    pub fn run<A: Application + ?Sized>(
        &mut self,
        app: &mut A,
        run: Run,
        stop: &Stopper,
    ) -> Result<(), RunError> {
        if let Some(core) = run.core
            && !pin(core)
        {
            return Err(RunError::NoSuchCore(core));
        }
        let mut clock = Clock::new();
        let mut now = clock.now();
        while !stop.is_stopping() {
            self.look_at_network(self.idle_wait(now, run.idle));
            now = clock.now();
            let work = self.turn(now, app);
            if work == 0 && run.idle == Idle::Yield {
                std::thread::yield_now();
            }
        }
        self.finish(&mut clock, app);
        Ok(())
    }

    /// How long the readiness call of this cycle may wait.
    fn idle_wait(&self, now: Now, idle: Idle) -> Duration {
        let Idle::Block(longest) = idle else {
            return Duration::ZERO;
        };
        if self.has_unfinished_work() {
            return Duration::ZERO;
        }
        let timers = [
            self.desk.wheel.next_deadline(),
            self.link_timers.next_deadline(),
            self.desk.wall.as_ref().map(Wall::deadline),
        ];
        let due = Mono::earliest(timers);
        due.map_or(longest, |due| due.since(now.mono).min(longest))
    }

    /// Logs every session out and closes every connection.
    fn finish<A: Application + ?Sized>(&mut self, clock: &mut Clock, app: &mut A) {
        let now = clock.now();
        self.begin_stop(now, app);
        let timeouts = self
            .desk
            .slots
            .iter()
            .map(|slot| slot.session.logout_times().1);
        let end = now.mono + timeouts.max().unwrap_or_default() + STOP_GRACE;
        loop {
            let now = clock.now();
            self.poll(now, app);
            if self.is_stopped() || now.mono >= end {
                break;
            }
        }
        for slot in self.desk.slots.numbers() {
            if self.desk.slots.get(slot).is_some() {
                self.desk.end(clock.now(), slot, Cause::EngineStopped, app);
            }
        }
        self.poll(clock.now(), app);
    }

    /// Starts to end: logs every session out and connects no more. To be polled on until
    /// [`Engine::is_stopped`].
    pub fn begin_stop<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) {
        self.desk.stopping = true;
        let reason = Text::lossy(b"Engine stops");
        for slot in self.desk.slots.numbers() {
            let Some(entry) = self.desk.slots.get_mut(slot) else {
                continue;
            };
            match entry.connection {
                Connection::None => {}
                Connection::RetryAt(_) => entry.connection = Connection::None,
                Connection::Connecting { .. } => self.desk.end(now, slot, Cause::EngineStopped, app),
                Connection::Open { .. } | Connection::Draining { .. } => {
                    let step = entry.session.logout(now, &reason, &mut entry.journal);
                    self.desk.go_on(now, slot, step, app);
                }
            }
        }
    }

    /// Whether no session has a connection, or is about to make one.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.desk
            .slots
            .iter()
            .all(|slot| slot.connection == Connection::None)
    }
}

/// Whether this thread runs on `core`, and on no other, from now on.
fn pin(core: usize) -> bool {
    // A set of cores has a bit for each of so many; the call below panics beyond.
    let max = usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
    core < max && core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineConfig, Inbound, OsNetwork, Outbound, SessionConfig, Template};
    use crate::journal::Keeper;
    use crate::session::fix::rules::FIX44;
    use crate::session::fix::{Phase, Verdict};

    struct Deaf;

    impl Application for Deaf {
        fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
            Verdict::Accept
        }
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused_however_large_its_number() {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let stop = Stopper::default();
        stop.stop();
        for core in [1023, 1024, 4000, usize::MAX] {
            let run = Run {
                core: Some(core),
                ..Run::default()
            };
            let refused = engine.run(&mut Deaf, run, &stop);
            assert_eq!(refused, Err(RunError::NoSuchCore(core)));
        }
    }

    /// Nothing happens on the network when the journal of a guest is open.
    #[test]
    fn the_readiness_call_does_not_wait_while_a_guest_is_let_in() {
        let network = Box::new(OsNetwork::new().unwrap());
        let config = EngineConfig::default();
        let mut engine = Engine::with(config, network, Keeper::inline()).unwrap();
        let any = SessionConfig::acceptor(&FIX44, "VENUE", "ANY");
        let address = ([127, 0, 0, 1], 0).into();
        let template = Some(Template::new(vec![&FIX44], any));
        let address = engine.listen(address, template).unwrap();
        let mut peer = Engine::new(EngineConfig::default()).unwrap();
        let mut clock = Clock::new();
        let config = SessionConfig::initiator(&FIX44, "DESK", "VENUE", address);
        peer.add_session(config, clock.now()).unwrap();
        let block = Idle::Block(Duration::from_secs(1));
        let awaits = |engine: &Engine| {
            let mut slots = engine.desk.slots.iter();
            slots.any(|slot| slot.session.phase() == Phase::Admitting)
        };
        for _ in 0..100_000 {
            peer.poll(clock.now(), &mut Deaf);
            engine.poll(clock.now(), &mut Deaf);
            if awaits(&engine) {
                break;
            }
        }
        assert!(awaits(&engine));
        assert!(engine.readable.is_empty() && engine.desk.touched.is_empty());
        assert_eq!(engine.idle_wait(clock.now(), block), Duration::ZERO);
        for _ in 0..10 {
            engine.poll(clock.now(), &mut Deaf);
        }
        assert!(!awaits(&engine) && !engine.has_unfinished_work());
        assert!(engine.idle_wait(clock.now(), block) > Duration::ZERO);
    }
}

//! Sessions that a callback asked for: made by a thread of their own, because that looks names up, opens
//! files and allocates, and taken in by the core when they are ready.
//!
//! Invariant: the core never waits here. What it hands over has its place in a queue, what it takes is in
//! a cell that is full or is not, and what is left over goes back to be freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crossbeam_queue::ArrayQueue;

use super::add;
use super::clock::Clock;
use super::config::{AnySessionConfig, ConfigError};
use super::control::Workshop;
use super::slot::Slot;
use crate::journal::{Handover, Recovery};

/// How many sessions may be asked for and not be made yet.
const ASKED_MAX: usize = 16;

/// How often the thread looks whether the core has taken a session. The core wakes it as well.
const TAKEN_EVERY: Duration = Duration::from_millis(10);

/// What became of a session that was asked for.
#[derive(Debug)]
pub(super) struct Made {
    /// Taken out by the core; the rest is freed by the thread.
    pub(super) slot: Option<Slot>,
    pub(super) error: Option<ConfigError>,
    _recovery: Option<Recovery>,
}

/// The core's end of the thread.
#[derive(Debug)]
pub(super) struct Entrance {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    asked: ArrayQueue<AnySessionConfig>,
    made: Handover<Made>,
    /// What the core has done with. The thread gives one at a time and frees it before it gives the next.
    spent: ArrayQueue<Made>,
    stop: AtomicBool,
}

impl Entrance {
    /// Starts the thread.
    pub(super) fn open(workshop: Workshop) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            asked: ArrayQueue::new(ASKED_MAX),
            made: Handover::new(),
            spent: ArrayQueue::new(1),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("pinfix-arriving".to_owned())
            .spawn(move || make(&theirs, &workshop))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Has a session made. Answers whether there was room for the wish.
    pub(super) fn ask(&self, config: AnySessionConfig) -> bool {
        let asked = self.shared.asked.push(config).is_ok();
        self.wake();
        asked
    }

    /// The next session that was made, or could not be. What is left of it goes to [`Entrance::done`].
    pub(super) fn next_made(&self) -> Option<Made> {
        self.shared.made.take()
    }

    /// Gives back what is left.
    pub(super) fn done(&self, rest: Made) {
        // There is room: the thread frees one before it gives the next.
        let _ = self.shared.spent.push(rest);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// Waits until no journal is being opened: whoever drops an engine may open them at once.
impl Drop for Entrance {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it; a drop has nobody to hand it to.
            let _ = thread.join();
        }
    }
}

fn make(shared: &Shared, workshop: &Workshop) {
    while !shared.stop.load(Ordering::Acquire) {
        let Some(config) = shared.asked.pop() else {
            thread::park();
            continue;
        };
        let made = match add::make(workshop, config, Clock::new().now()) {
            Ok((slot, recovery)) => Made {
                slot: Some(slot),
                error: None,
                _recovery: Some(recovery),
            },
            Err(error) => Made {
                slot: None,
                error: Some(error),
                _recovery: None,
            },
        };
        shared.made.give(made);
        // One at a time: the cell holds one.
        while shared.spent.pop().is_none() {
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(TAKEN_EVERY);
        }
    }
}

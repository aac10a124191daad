//! Sessions on their way out: closing a journal waits for the journal thread and frees memory, so a thread
//! that has nothing else to do closes them, and the core only hands them over.
//!
//! Invariant: the core hears that a session has left after its journal is closed and its identity is
//! free, so whoever waits for that may add it again at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{io, thread};

use crossbeam_queue::ArrayQueue;

use super::SessionHandle;
use super::control::Roster;
use super::controllers::{CONTROLLERS_MAX, Seat};
use super::slot::Slot;
use crate::admin::queue::{Consumer, Producer, ring};

/// How many sessions may be on their way out at a time. One more waits in its place.
const LEAVING_MAX: usize = 16;

/// The core's end of the thread.
#[derive(Debug)]
pub(super) struct Exit {
    shared: Arc<Shared>,
    left: Consumer<SessionHandle>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    leaving: ArrayQueue<Slot>,
    /// The core's ends of controllers that were dropped, for their memory to be freed.
    controllers: ArrayQueue<Seat>,
    stop: AtomicBool,
}

impl Exit {
    /// Starts the thread.
    pub(super) fn open(roster: Arc<Roster>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            leaving: ArrayQueue::new(LEAVING_MAX),
            controllers: ArrayQueue::new(CONTROLLERS_MAX),
            stop: AtomicBool::new(false),
        });
        // One that has left makes room for the next, so as many more may wait to be heard of.
        let (producer, left) = ring(2 * LEAVING_MAX);
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("pinfix-leaving".to_owned())
            .spawn(move || close(&theirs, &roster, producer))?;
        Ok(Self {
            shared,
            left,
            thread: Some(thread),
        })
    }

    /// Hands over the core's end of a controller that was dropped. Gives it back if there is no room now.
    pub(super) fn retire(&self, seat: Seat) -> Result<(), Seat> {
        self.shared.controllers.push(seat)?;
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        Ok(())
    }

    /// Whether one more session may leave now.
    pub(super) fn has_room(&self) -> bool {
        !self.shared.leaving.is_full()
    }

    /// Hands a session over. To be asked for room before: the core alone fills the queue.
    pub(super) fn leave(&self, slot: Slot) {
        if self.shared.leaving.push(slot).is_err() {
            unreachable!("there was room, and nobody else takes it");
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// The next session that has left, if there is one.
    pub(super) fn next_left(&mut self) -> Option<SessionHandle> {
        self.left.pop()
    }
}

/// Waits until all journals are closed: whoever drops an engine may open them at once.
impl Drop for Exit {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was printed by it; a drop has nobody to hand it to.
            let _ = thread.join();
        }
    }
}

fn close(shared: &Shared, roster: &Roster, mut left: Producer<SessionHandle>) {
    loop {
        // Looked at before the queue: what was handed over before the stop is closed.
        let stop = shared.stop.load(Ordering::Acquire);
        while let Some(seat) = shared.controllers.pop() {
            drop(seat);
        }
        match shared.leaving.pop() {
            Some(slot) => {
                let handle = slot.handle;
                drop(slot);
                roster.release(handle);
                let mut word = handle;
                while let Err(back) = left.push(word) {
                    if shared.stop.load(Ordering::Acquire) {
                        break;
                    }
                    word = back;
                    thread::yield_now();
                }
            }
            None if stop => return,
            None => thread::park(),
        }
    }
}

//! Sessions that are made while the engine runs, because a callback asked for one or a Logon has come that a
//! template serves: made by another thread, because that looks names up, opens files and allocates, and taken
//! in by the core when they are ready. Callbacks and Logons have a thread each, so that no peer waits for a
//! name server.
//!
//! The session of a template is made in two steps, so that a stranger leaves nothing behind: with a journal
//! in memory before its Logon is read, and with its own journal once the application has let its peer in.
//!
//! Invariant: the core never waits here. What it hands over has its place in a queue, what it takes is in
//! a cell that is full or is not, and what is left over goes back to be freed. With
//! [`Keeper::inline`](crate::journal::Keeper::inline) there is no thread: everything is made when the core
//! looks for it, and runs repeat exactly.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crossbeam_queue::ArrayQueue;

use super::config::{AnySessionConfig, Caller, ConfigError, Template};
use super::control::Workshop;
use super::net::LinkId;
use super::slot::{Lodging, Slot};
use super::{SessionHandle, add, porch};
use crate::journal::{Handover, Journal, Recovery};
use crate::time::Now;

/// How many sessions may be asked for and not be made yet.
const ASKED_MAX: usize = 16;

/// How often the thread looks whether the core has taken what was made. The core wakes it as well.
const TAKEN_EVERY: Duration = Duration::from_millis(10);

/// What is to be made.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be made on the core")]
pub(super) enum Wish {
    /// A session that a callback asked for.
    Session(AnySessionConfig, Now),
    /// A session for a peer that none is configured for.
    Guest(Calling),
}

/// A Logon for which no session is configured.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) link: LinkId,
    pub(super) caller: Caller,
    pub(super) source: IpAddr,
    pub(super) templates: Arc<[Template]>,
    pub(super) now: Now,
}

/// A guest that was let in, and gets a journal of its own.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) session: SessionHandle,
    pub(super) lodging: Box<Lodging>,
    pub(super) now: Now,
}

/// What became of it. What the core leaves here is freed by the thread.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) wanted_by: MadeFor,
    pub(super) slot: Option<Slot>,
    pub(super) journal: Option<Journal>,
    pub(super) error: Option<ConfigError>,
    _rest: (Option<Recovery>, Option<Box<Lodging>>),
}

/// Who waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum MadeFor {
    /// The callback that asked; it is told by an event.
    Callback,
    /// The peer on this connection. Without a session and an error no template serves it.
    Stranger(LinkId),
    /// The guest that waits for its journal.
    Guest(SessionHandle),
}

/// The core's end of a thread.
#[derive(Debug)]
pub(super) struct Entrance {
    shared: Arc<Shared>,
    maker: Maker,
    /// How much was asked for and has not been taken.
    under_way: Cell<usize>,
}

#[derive(Debug)]
enum Maker {
    Thread(Option<JoinHandle<()>>),
    Inline(Workshop),
}

#[derive(Debug)]
struct Shared {
    asked: ArrayQueue<Wish>,
    /// One place for each session there may be: a guest that waits here keeps its own.
    entering: ArrayQueue<Entering>,
    made: Handover<Made>,
    /// What the core has done with. The thread gives one at a time and frees it before it gives the next.
    spent: ArrayQueue<Made>,
    stop: AtomicBool,
}

impl Entrance {
    /// Starts the thread under `name`, for at most so many guests.
    pub(super) fn open(workshop: Workshop, guests_max: usize, name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            asked: ArrayQueue::new(ASKED_MAX),
            entering: ArrayQueue::new(guests_max.max(1)),
            made: Handover::new(),
            spent: ArrayQueue::new(1),
            stop: AtomicBool::new(false),
        });
        let maker = if workshop.keeper.is_inline() {
            Maker::Inline(workshop)
        } else {
            let theirs = Arc::clone(&shared);
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(&theirs, &workshop))?;
            Maker::Thread(Some(thread))
        };
        Ok(Self {
            shared,
            maker,
            under_way: Cell::new(0),
        })
    }

    /// Has a session made. Answers whether there was room for the wish.
    pub(super) fn ask(&self, wish: Wish) -> bool {
        let asked = self.shared.asked.push(wish).is_ok();
        self.under_way.update(|count| count + usize::from(asked));
        self.wake();
        asked
    }

    /// Has the journal of a guest opened.
    pub(super) fn enter(&self, entering: Entering) {
        if self.shared.entering.push(entering).is_err() {
            unreachable!("there is room for every session, and each asks once");
        }
        self.under_way.update(|count| count + 1);
        self.wake();
    }

    /// Whether something that was asked for has not been taken.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.get() > 0
    }

    /// The next of what was made, or could not be. What is left of it goes to [`Entrance::done`].
    pub(super) fn next_made(&self) -> Option<Made> {
        match &self.maker {
            Maker::Thread(_) => self.shared.made.take(),
            Maker::Inline(workshop) => self.shared.next(workshop),
        }
    }

    /// Gives back what is left.
    pub(super) fn done(&self, rest: Made) {
        self.under_way.update(|count| count.saturating_sub(1));
        match &self.maker {
            Maker::Thread(_) => {
                // There is room: the thread frees one before it gives the next.
                let _ = self.shared.spent.push(rest);
                self.wake();
            }
            Maker::Inline(workshop) => free(rest, workshop),
        }
    }

    fn wake(&self) {
        if let Maker::Thread(Some(thread)) = &self.maker {
            thread.thread().unpark();
        }
    }
}

/// Waits until no journal is being opened: whoever drops an engine may open them at once.
impl Drop for Entrance {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Maker::Thread(thread) = &mut self.maker
            && let Some(thread) = thread.take()
        {
            // A panic of the thread was printed by it; a drop has nobody to hand it to.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Makes the next of what was asked for. Guests first: somebody waits for the answer.
    fn next(&self, workshop: &Workshop) -> Option<Made> {
        if let Some(entering) = self.entering.pop() {
            return Some(open(workshop, entering));
        }
        Some(match self.asked.pop()? {
            Wish::Session(config, now) => {
                let made = add::make(workshop, config, now);
                Made::of(
                    MadeFor::Callback,
                    made.map(|(slot, rest)| (Some(slot), Some(rest))),
                )
            }
            Wish::Guest(calling) => {
                let slot = guest(workshop, &calling);
                Made::of(
                    MadeFor::Stranger(calling.link),
                    slot.map(|slot| (slot, None)),
                )
            }
        })
    }
}

impl Made {
    fn of(wanted_by: MadeFor, made: Result<(Option<Slot>, Option<Recovery>), ConfigError>) -> Self {
        let (slot, recovery, error) = match made {
            Ok((slot, recovery)) => (slot, recovery, None),
            Err(error) => (None, None, Some(error)),
        };
        Self {
            wanted_by,
            slot,
            journal: None,
            error,
            _rest: (recovery, None),
        }
    }
}

/// The session that a Logon asks for; `None` if no template serves it.
fn guest(workshop: &Workshop, calling: &Calling) -> Result<Option<Slot>, ConfigError> {
    let offered = |template: &Template| template.session_for(&calling.caller);
    let config = calling.templates.iter().find_map(offered);
    match config.filter(|config| porch::lets_in(&config.accept, calling.source)) {
        Some(config) => add::make_guest(workshop, config, calling.now).map(Some),
        None => Ok(None),
    }
}

fn open(workshop: &Workshop, entering: Entering) -> Made {
    let Entering {
        session,
        lodging,
        now,
    } = entering;
    let opened = Journal::open(lodging.journal.clone(), &workshop.keeper, now.utc);
    let (journal, recovery, error) = match opened {
        Ok((journal, recovery)) => (Some(journal), Some(recovery), None),
        Err(error) => {
            let session = lodging.journal.identity.clone();
            (None, None, Some(ConfigError::Journal { session, error }))
        }
    };
    Made {
        wanted_by: MadeFor::Guest(session),
        slot: None,
        journal,
        error,
        _rest: (recovery, Some(lodging)),
    }
}

/// Frees what the core has not taken, and the place of a session that is not wanted any more.
fn free(mut rest: Made, workshop: &Workshop) {
    if let Some(slot) = rest.slot.take() {
        let handle = slot.handle;
        drop(slot);
        workshop.roster.release(handle);
    }
}

fn work(shared: &Shared, workshop: &Workshop) {
    while !shared.stop.load(Ordering::Acquire) {
        let Some(made) = shared.next(workshop) else {
            thread::park();
            continue;
        };
        shared.made.give(made);
        // One at a time: the cell holds one.
        loop {
            if let Some(rest) = shared.spent.pop() {
                free(rest, workshop);
                break;
            }
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(TAKEN_EVERY);
        }
    }
}

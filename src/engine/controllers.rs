//! The core's ends of all controllers: those the engine's owner asked for, and those that other threads
//! got from the [`Directory`](super::Directory) while the engine runs.
//!
//! An end travels to the core through a cell that is given and taken without waiting, and takes a seat
//! whose memory was reserved. Once its controller is dropped and its last command answered, it leaves the
//! way sessions do: a thread that has time frees its memory.
//!
//! Invariant: the number of a seat leads to one controller for as long as any command of it is not
//! answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::slot::Slot;
use crate::admin::{COMMANDS_MAX, Command, CommandReceiver, CommandSender, Outcome, Ticket, channel};
use crate::journal::Handover;

/// How many controllers of one engine there may be at a time that were asked for while it runs, see
/// [`EngineRef::controller`](super::EngineRef::controller).
pub const CONTROLLERS_MAX: usize = 64;

/// The core's end of one controller.
#[derive(Debug)]
pub(super) struct Seat {
    receiver: CommandReceiver,
    /// Where the sessions wait that the controller has made.
    door: Arc<Handover<Slot>>,
    /// Commands that were taken and are not answered.
    under_way: usize,
    /// One of the [`CONTROLLERS_MAX`], given back when this is dropped.
    _place: Option<Place>,
}

/// One of a limited number of places.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The way in for controllers, shared by the core and whoever gives them out. Givers take turns: a lock
/// of theirs, which the core does not know, sees to that.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// How many cells are full.
    waiting: AtomicUsize,
    cells: Box<[Handover<Seat>]>,
    /// How many of the places are given out.
    places: Arc<AtomicUsize>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            cells: (0..CONTROLLERS_MAX).map(|_| Handover::new()).collect(),
            places: Arc::default(),
        }
    }

    /// Makes both ends of a controller, and leaves the core's where it finds it in its next cycle.
    /// `None` if all places are given out. One caller at a time.
    pub(super) fn give(&self) -> Option<(CommandSender, Arc<Handover<Slot>>)> {
        if self.places.load(Ordering::Relaxed) >= CONTROLLERS_MAX {
            return None;
        }
        // There is a free one: a full cell is of a controller that has a place.
        let cell = self.cells.iter().find(|cell| !cell.is_full())?;
        self.places.fetch_add(1, Ordering::Relaxed);
        let (sender, seat) = Seat::new(Some(Place(Arc::clone(&self.places))));
        let door = Arc::clone(&seat.door);
        cell.give(seat);
        self.waiting.fetch_add(1, Ordering::Release);
        Some((sender, door))
    }
}

impl Seat {
    fn new(place: Option<Place>) -> (CommandSender, Self) {
        let (sender, receiver) = channel();
        let seat = Self {
            receiver,
            door: Arc::new(Handover::new()),
            under_way: 0,
            _place: place,
        };
        (sender, seat)
    }
}

/// The seats.
#[derive(Debug)]
pub(super) struct Controllers {
    seats: Vec<Option<Seat>>,
    arrivals: Arc<Arrivals>,
}

impl Controllers {
    /// With room for all that may come while the engine runs.
    pub(super) fn new(arrivals: Arc<Arrivals>) -> Self {
        Self {
            seats: Vec::with_capacity(CONTROLLERS_MAX),
            arrivals,
        }
    }

    /// A controller for the engine's owner: there may be any number. Allocates.
    pub(super) fn add(&mut self) -> (CommandSender, Arc<Handover<Slot>>) {
        let (sender, seat) = Seat::new(None);
        let door = Arc::clone(&seat.door);
        self.seats.reserve(CONTROLLERS_MAX + 1);
        self.seat(seat);
        (sender, door)
    }

    /// How many commands all controllers there can be may have under way together.
    pub(super) fn commands_max(&self) -> usize {
        (self.seats.len() + CONTROLLERS_MAX) * COMMANDS_MAX
    }

    /// Every number a controller has or had.
    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.seats.len()
    }

    /// How many controllers there are.
    pub(super) fn taken(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    /// How many commands wait to be taken.
    pub(super) fn waiting(&self) -> usize {
        let seats = self.seats.iter().flatten();
        seats.map(|seat| seat.receiver.waiting()).sum()
    }

    /// Gives a seat to those who have come.
    pub(super) fn take_arrivals(&mut self) {
        if self.arrivals.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let arrivals = Arc::clone(&self.arrivals);
        for cell in &arrivals.cells {
            if let Some(seat) = cell.take() {
                arrivals.waiting.fetch_sub(1, Ordering::Relaxed);
                self.seat(seat);
            }
        }
    }

    fn seat(&mut self, seat: Seat) {
        match self.seats.iter_mut().find(|seat| seat.is_none()) {
            Some(free) => *free = Some(seat),
            // Reserved.
            None => self.seats.push(Some(seat)),
        }
    }

    /// The next command of a controller.
    pub(super) fn next_command(&mut self, controller: usize) -> Option<Command> {
        let seat = self.seats.get_mut(controller)?.as_mut()?;
        let command = seat.receiver.next_command()?;
        seat.under_way += 1;
        Some(command)
    }

    /// Answers a command.
    pub(super) fn complete(&mut self, controller: usize, ticket: Ticket, outcome: Outcome) {
        if let Some(Some(seat)) = self.seats.get_mut(controller) {
            seat.under_way -= 1;
            seat.receiver.complete(ticket, outcome);
        }
    }

    /// The session that a controller has made and put at its door.
    pub(super) fn take_session(&self, controller: usize) -> Option<Slot> {
        self.seats.get(controller)?.as_ref()?.door.take()
    }

    /// Whether a controller was dropped, and nothing of it is left to do.
    pub(super) fn is_done(&self, controller: usize) -> bool {
        let Some(Some(seat)) = self.seats.get(controller) else {
            return false;
        };
        // In this order: what was sent before it was dropped is seen.
        seat.receiver.is_abandoned() && seat.under_way == 0 && seat.receiver.waiting() == 0
    }

    /// Takes a controller from its seat.
    pub(super) fn take(&mut self, controller: usize) -> Option<Seat> {
        self.seats.get_mut(controller)?.take()
    }

    /// Gives a controller its seat back.
    pub(super) fn put_back(&mut self, controller: usize, seat: Seat) {
        if let Some(free) = self.seats.get_mut(controller) {
            *free = Some(seat);
        }
    }
}

//! Commands that wait for their session to get somewhere: one pool for all sessions of an engine, so that
//! a session without commands costs nothing for them, and a controller that comes while the engine runs
//! finds its room there already.
//!
//! Invariant: every entry is in exactly one list, that of a session or that of the free ones.

use super::slot::Pending;
use crate::admin::Outcome;

const NONE: u32 = u32::MAX;

/// The commands of one session, in the order they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
        }
    }
}

/// The commands of all sessions.
#[derive(Debug)]
pub(super) struct Pool {
    entries: Vec<Entry>,
    /// The first of those that are free.
    free: u32,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    pending: Pending,
    next: u32,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            taken: 0,
        }
    }

    /// Has room for this many commands. May allocate.
    pub(super) fn make_room(&mut self, commands: usize) {
        self.entries
            .reserve(commands.saturating_sub(self.entries.len()));
    }

    /// How many commands wait.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Puts a command on the list of its session.
    pub(super) fn push(&mut self, list: &mut List, pending: Pending) {
        let entry = Entry {
            pending,
            next: NONE,
        };
        let at = match self.entries.get_mut(self.free as usize) {
            Some(free) => {
                let at = self.free;
                self.free = free.next;
                *free = entry;
                at
            }
            None => {
                // Within what was reserved for every controller there can be.
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or(NONE)
            }
        };
        match self.entries.get_mut(list.last as usize) {
            Some(before) => before.next = at,
            None => list.first = at,
        }
        list.last = at;
        self.taken += 1;
    }

    /// The commands of a list.
    pub(super) fn of(&self, list: List) -> impl Iterator<Item = &Pending> {
        let mut at = list.first;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.next;
            Some(&entry.pending)
        })
    }

    /// Has every command of a list changed by `change`.
    pub(super) fn change(&mut self, list: List, mut change: impl FnMut(&mut Pending)) {
        let mut at = list.first;
        while let Some(entry) = self.entries.get_mut(at as usize) {
            change(&mut entry.pending);
            at = entry.next;
        }
    }

    /// Takes those off a list that have come to their end, and hands them to `answer`.
    pub(super) fn take_ended(
        &mut self,
        list: &mut List,
        mut outcome_of: impl FnMut(&Pending) -> Option<Outcome>,
        mut answer: impl FnMut(&Pending, Outcome),
    ) {
        let mut before = NONE;
        let mut at = list.first;
        while let Some(entry) = self.entries.get(at as usize).copied() {
            match outcome_of(&entry.pending) {
                None => before = at,
                Some(outcome) => {
                    match self.entries.get_mut(before as usize) {
                        Some(earlier) => earlier.next = entry.next,
                        None => list.first = entry.next,
                    }
                    if list.last == at {
                        list.last = before;
                    }
                    self.give_back(at);
                    answer(&entry.pending, outcome);
                }
            }
            at = entry.next;
        }
    }

    /// Takes one command off a list.
    pub(super) fn pop(&mut self, list: &mut List) -> Option<Pending> {
        let at = list.first;
        let entry = *self.entries.get(at as usize)?;
        list.first = entry.next;
        if list.last == at {
            list.last = NONE;
        }
        self.give_back(at);
        Some(entry.pending)
    }

    fn give_back(&mut self, at: u32) {
        self.entries[at as usize].next = self.free;
        self.free = at;
        self.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Ticket;
    use crate::engine::slot::Goal;
    use crate::time::Mono;

    fn pending(ticket: u64) -> Pending {
        Pending {
            controller: 0,
            ticket: Ticket(ticket),
            goal: Goal::Closed,
            deadline: Mono(0),
        }
    }

    fn tickets(pool: &Pool, list: List) -> Vec<u64> {
        pool.of(list).map(|pending| pending.ticket.0).collect()
    }

    #[test]
    fn lists_share_a_pool_and_keep_to_themselves() {
        let mut pool = Pool::new();
        pool.make_room(8);
        let room = pool.entries.capacity();
        let mut lists = [List::default(); 2];
        let mut expected = [Vec::new(), Vec::new()];
        for round in 0..1000_u64 {
            let which = (round % 2) as usize;
            pool.push(&mut lists[which], pending(round));
            expected[which].push(round);
            if pool.taken() == 8 {
                // Every third ends; of each list the rest stays.
                for (list, expected) in lists.iter_mut().zip(&mut expected) {
                    let ends = |pending: &Pending| pending.ticket.0 % 3 == round % 3;
                    let mut ended = Vec::new();
                    pool.take_ended(
                        list,
                        |pending| ends(pending).then_some(Outcome::Done),
                        |pending, _| ended.push(pending.ticket.0),
                    );
                    let gone: Vec<_> = expected
                        .extract_if(.., |ticket| *ticket % 3 == round % 3)
                        .collect();
                    assert_eq!(ended, gone);
                }
                if pool.taken() == 8 {
                    let gone = pool.pop(&mut lists[0]).unwrap().ticket.0;
                    expected[0].retain(|ticket| *ticket != gone);
                }
            }
            for (list, expected) in lists.iter().zip(&expected) {
                assert_eq!(tickets(&pool, *list), *expected);
            }
        }
        assert_eq!(pool.entries.capacity(), room, "room is used again");
        while pool.pop(&mut lists[0]).is_some() || pool.pop(&mut lists[1]).is_some() {}
        assert_eq!(pool.taken(), 0);
        assert!(lists.iter().all(|list| pool.of(*list).next().is_none()));
    }
}

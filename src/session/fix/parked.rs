//! Messages that wait behind a gap: their numbers in order, their bytes in the outbox.

use std::collections::VecDeque;

use crate::session::InboundAt;

/// What waits under a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A message, handled when its turn comes.
    Message(InboundAt),
    /// A Logon or ResendRequest that was handled on arrival; only its number is still to be counted.
    Handled,
}

/// A bounded list ordered by number, allocated once.
///
/// On overflow the highest number is dropped: it will be asked for again when the gap below it has
/// closed (facts 9.4).
#[derive(Debug)]
pub(super) struct Parked {
    /// Ascending by number.
    list: VecDeque<(u64, Waiting)>,
    max: usize,
}

impl Parked {
    pub(super) fn with_capacity(max: usize) -> Self {
        Self {
            list: VecDeque::with_capacity(max),
            max,
        }
    }

    /// Keeps the first of two under one number. Answers whether a message was dropped.
    pub(super) fn park(&mut self, seq: u64, waiting: Waiting) -> bool {
        let Err(place) = self.list.binary_search_by_key(&seq, |entry| entry.0) else {
            return false;
        };
        if place == self.max {
            return true;
        }
        let full = self.list.len() == self.max;
        if full {
            self.list.pop_back();
        }
        self.list.insert(place, (seq, waiting));
        full
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The lowest number that waits.
    pub(super) fn first(&self) -> Option<u64> {
        self.list.front().map(|entry| entry.0)
    }

    /// Takes what waits under exactly `seq`, and drops everything below it.
    pub(super) fn take(&mut self, seq: u64) -> Option<Waiting> {
        while let Some(&(number, waiting)) = self.list.front() {
            if number > seq {
                break;
            }
            self.list.pop_front();
            if number == seq {
                return Some(waiting);
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: u64) -> Waiting {
        Waiting::Message(InboundAt(at))
    }

    #[test]
    fn the_first_under_a_number_stays() {
        let mut parked = Parked::with_capacity(4);
        parked.park(5, message(50));
        parked.park(5, message(51));
        assert_eq!(parked.take(5), Some(message(50)));
        assert_eq!(parked.first(), None);
    }

    #[test]
    fn overflow_drops_the_highest() {
        let mut parked = Parked::with_capacity(2);
        assert!(!parked.park(9, message(9)));
        assert!(!parked.park(7, message(7)));
        assert!(parked.park(8, message(8)), "9 makes room for 8");
        assert!(parked.park(9, message(9)), "9 itself has no room now");
        assert_eq!(parked.first(), Some(7));
        assert_eq!(
            (parked.take(7), parked.take(8), parked.take(9)),
            (Some(message(7)), Some(message(8)), None)
        );
    }

    #[test]
    fn taking_drops_what_lies_below() {
        let mut parked = Parked::with_capacity(4);
        parked.park(5, message(5));
        parked.park(6, Waiting::Handled);
        assert_eq!(parked.take(6), Some(Waiting::Handled));
        assert_eq!(parked.first(), None);
    }
}

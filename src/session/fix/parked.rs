//! Messages that wait behind a gap: their numbers in order, their bytes in the outbox.

use std::collections::VecDeque;

use super::policy::RecoverySettings;
use crate::session::InboundAt;

/// What waits under a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A message, handled when its turn comes.
    Message {
        at: InboundAt,
        /// Its length.
        bytes: usize,
    },
    /// A Logon or ResendRequest that was handled on arrival; only its number is still to be counted.
    Handled,
}

impl Waiting {
    fn bytes(self) -> usize {
        match self {
            Self::Message { bytes, .. } => bytes,
            Self::Handled => 0,
        }
    }
}

/// A list ordered by number, bounded in messages and in bytes, allocated once.
///
/// On overflow the highest numbers are dropped: they are asked for again when the gap below them has
/// closed (facts 9.4).
#[derive(Debug)]
pub(super) struct Parked {
    /// Ascending by number.
    list: VecDeque<(u64, Waiting)>,
    max: usize,
    bytes: usize,
    bytes_max: usize,
    /// The highest number that was dropped.
    dropped_to: u64,
}

impl Parked {
    pub(super) fn new(settings: &RecoverySettings) -> Self {
        Self {
            list: VecDeque::with_capacity(settings.parked_max),
            max: settings.parked_max,
            bytes: 0,
            bytes_max: settings.parked_bytes_max,
            dropped_to: 0,
        }
    }

    /// Keeps the first of two under one number. Answers how many messages were dropped.
    pub(super) fn park(&mut self, seq: u64, waiting: Waiting) -> u64 {
        let Err(place) = self.list.binary_search_by_key(&seq, |entry| entry.0) else {
            return 0;
        };
        let mut dropped = 0;
        while self.list.len() == self.max || self.bytes + waiting.bytes() > self.bytes_max {
            dropped += 1;
            if place >= self.list.len() {
                self.dropped_to = self.dropped_to.max(seq);
                return dropped;
            }
            if let Some((number, last)) = self.list.pop_back() {
                self.bytes -= last.bytes();
                self.dropped_to = self.dropped_to.max(number);
            }
        }
        self.bytes += waiting.bytes();
        self.list.insert(place, (seq, waiting));
        dropped
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The lowest number that waits.
    pub(super) fn first(&self) -> Option<u64> {
        self.list.front().map(|entry| entry.0)
    }

    /// The highest number that was dropped and is not below `expected`.
    pub(super) fn dropped_from(&self, expected: u64) -> Option<u64> {
        (self.dropped_to >= expected).then_some(self.dropped_to)
    }

    /// Takes what waits under exactly `seq`, and drops everything below it.
    pub(super) fn take(&mut self, seq: u64) -> Option<Waiting> {
        while let Some(&(number, waiting)) = self.list.front() {
            if number > seq {
                break;
            }
            self.list.pop_front();
            self.bytes -= waiting.bytes();
            if number == seq {
                return Some(waiting);
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.bytes = 0;
        self.dropped_to = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(max: usize, bytes_max: usize) -> Parked {
        Parked::new(&RecoverySettings {
            parked_max: max,
            parked_bytes_max: bytes_max,
            ..RecoverySettings::default()
        })
    }

    fn message(at: u64) -> Waiting {
        Waiting::Message {
            at: InboundAt(at),
            bytes: 100,
        }
    }

    #[test]
    fn the_first_under_a_number_stays() {
        let mut parked = parked(4, 1000);
        parked.park(5, message(50));
        parked.park(5, message(51));
        assert_eq!(parked.take(5), Some(message(50)));
        assert_eq!(parked.first(), None);
    }

    #[test]
    fn overflow_drops_the_highest_and_remembers_it() {
        let mut parked = parked(2, 1000);
        assert_eq!(parked.park(9, message(9)), 0);
        assert_eq!(parked.park(7, message(7)), 0);
        assert_eq!(parked.park(8, message(8)), 1, "9 makes room for 8");
        assert_eq!(parked.park(10, message(10)), 1, "10 has no room itself");
        assert_eq!(parked.first(), Some(7));
        assert_eq!(
            (parked.take(7), parked.take(8), parked.take(9)),
            (Some(message(7)), Some(message(8)), None)
        );
        assert_eq!(parked.dropped_from(9), Some(10));
        assert_eq!(parked.dropped_from(11), None);
    }

    #[test]
    fn bytes_are_bounded_like_messages() {
        let mut parked = parked(10, 250);
        assert_eq!(parked.park(7, message(7)) + parked.park(9, message(9)), 0);
        assert_eq!(parked.park(8, message(8)), 1, "200 bytes are left of 250");
        assert_eq!(parked.park(6, Waiting::Handled), 0, "no bytes, no cost");
        assert_eq!(parked.take(7), Some(message(7)));
        assert_eq!(parked.park(9, message(9)), 0, "100 bytes were freed");
    }

    #[test]
    fn taking_drops_what_lies_below() {
        let mut parked = parked(4, 1000);
        parked.park(5, message(5));
        parked.park(6, Waiting::Handled);
        assert_eq!(parked.take(6), Some(Waiting::Handled));
        assert_eq!(parked.first(), None);
    }
}

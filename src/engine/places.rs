//! The places of an engine's sessions: found by number, reused, told apart by generation.
//!
//! Invariant: a number leads to a session only while that session has its place; whoever holds a handle of
//! a session that has left finds nobody.

use std::ops::{Index, IndexMut};

use super::SessionHandle;
use super::slot::Slot;

/// The places. Room for all there may ever be is reserved at the start.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Option<Slot>>,
}

impl Places {
    pub(super) fn for_up_to(sessions: usize) -> Self {
        Self {
            places: Vec::with_capacity(sessions),
        }
    }

    /// All numbers there have been: those of places that are free again among them.
    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.places.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Slot> {
        self.places.get(number)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Slot> {
        self.places.get_mut(number)?.as_mut()
    }

    /// Two that are known to be there.
    pub(super) fn two(&mut self, one: usize, other: usize) -> [&mut Slot; 2] {
        let places = self.places.get_disjoint_mut([one, other]);
        let places = places.expect("the places of two that belong together are different");
        places.map(|place| {
            place
                .as_mut()
                .expect("the number is that of a session that has its place")
        })
    }

    /// All sessions. A backup connection is none.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Slot> {
        self.iter().filter(|slot| !slot.pairing.is_backup())
    }

    /// The number of a session that is still there.
    pub(super) fn number_of(&self, handle: SessionHandle) -> Option<usize> {
        let number = handle.number();
        (self.get(number)?.handle == handle).then_some(number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.places.iter().flatten()
    }

    /// Gives a session the place that was reserved for it.
    pub(super) fn install(&mut self, slot: Slot) {
        let number = slot.handle.number();
        while self.places.len() <= number {
            self.places.push(None);
        }
        let before = self.places[number].replace(slot);
        assert!(
            before.is_none(),
            "a place is given away again only after it was left"
        );
    }

    /// Takes a session from its place.
    pub(super) fn take(&mut self, number: usize) -> Option<Slot> {
        self.places.get_mut(number)?.take()
    }
}

/// For numbers of sessions that are known to be there.
impl Index<usize> for Places {
    type Output = Slot;

    fn index(&self, number: usize) -> &Slot {
        self.get(number)
            .expect("the number is that of a session that has its place")
    }
}

impl IndexMut<usize> for Places {
    fn index_mut(&mut self, number: usize) -> &mut Slot {
        self.get_mut(number)
            .expect("the number is that of a session that has its place")
    }
}

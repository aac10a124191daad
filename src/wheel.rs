//! Timers of many sessions: a hashed wheel with one entry per session.
//!
//! Timers are lazy (DESIGN decision 9). Traffic moves a session's own deadline and does not come
//! here; when the entry fires before that deadline, its owner arms it again. So a message costs the
//! wheel nothing, and a session costs it one step per revolution.
//!
//! ```text
//!            tick = ceil(at / tick length)            slot = tick mod 1024
//!
//!   occupied  1 0 0 1 0 ...      one bit per slot: empty ones are skipped 64 at a time
//!   slots    [7][-][-][2][-] ... first entry of each slot
//!             |        |
//!   entries   7<->4    2         doubly linked through a fixed array, indexed by session
//!
//!   --- looked at ---|cursor ........... target|--- not yet ---> ticks
//! ```
//!
//! Invariant: an entry is linked in the slot of its tick and in no other, and its tick is later than
//! every tick that was already looked at to the end. Hence nothing is lost and nothing fires early.
//!
//! Must not know: what a session is, which of its deadlines is armed, or where time comes from. Time
//! is an argument, so a year is simulated in a moment.

use std::time::Duration;

use crate::time::Mono;

/// Slots of one revolution. At a tick of 1 ms a revolution takes about a second, so an entry armed
/// for a heartbeat of 30 s is passed 30 times before it fires.
const SLOTS: usize = 1024;

const WORDS: usize = SLOTS / 64;

/// No entry: the end of a list.
const NIL: u32 = u32::MAX;

/// The tick of an entry that is not armed. Armed entries are at tick 1 or later.
const UNARMED: u64 = 0;

/// The shortest tick: far below what a timer of the FIX protocol can tell apart, and long enough
/// that the number of a tick stays far from the end of its range.
const TICK_MIN_NS: u64 = 1_000;

#[derive(Clone, Copy)]
struct Entry {
    at: Mono,
    tick: u64,
    prev: u32,
    next: u32,
}

const IDLE: Entry = Entry {
    at: Mono(0),
    tick: UNARMED,
    prev: NIL,
    next: NIL,
};

/// One timer per session id, for ids below a fixed capacity.
///
/// Nothing allocates after [`Wheel::new`] except [`Wheel::grow`].
pub struct Wheel {
    tick_ns: u64,
    /// First moment at which there is a new tick to look at; the only thing an idle cycle reads.
    turns_at_ns: u64,
    /// The tick being looked at; past `target` when all is done.
    cursor: u64,
    /// The last tick that has been reached.
    target: u64,
    /// Next entry to look at in the slot of `cursor`.
    scan: u32,
    occupied: [u64; WORDS],
    slots: Box<[u32; SLOTS]>,
    entries: Vec<Entry>,
}

impl Wheel {
    /// A wheel for ids `0..capacity`, none of them armed. `tick` is how late a timer may fire; less
    /// than a microsecond is taken as a microsecond, more than an hour as an hour.
    #[must_use]
    pub fn new(capacity: usize, tick: Duration) -> Self {
        const TICK_MAX_NS: u64 = 3_600_000_000_000;
        let tick_ns = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        let tick_ns = tick_ns.clamp(TICK_MIN_NS, TICK_MAX_NS);
        Self {
            tick_ns,
            turns_at_ns: tick_ns,
            cursor: 1,
            target: 0,
            scan: NIL,
            occupied: [0; WORDS],
            slots: Box::new([NIL; SLOTS]),
            entries: vec![IDLE; capacity],
        }
    }

    /// How many ids there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Makes room for ids `0..capacity`; never shrinks. **Allocates**: it is for sessions added at
    /// run time, which is not the hot path.
    pub fn grow(&mut self, capacity: usize) {
        if capacity > self.entries.len() {
            self.entries.resize(capacity, IDLE);
        }
    }

    /// Arms `id` for `at`, in place of whatever it was armed for. O(1).
    ///
    /// A time that has passed is not an error: it fires in the first drain of the next tick. It does
    /// not fire in the drain that is going on, so a drain ends even if its owner arms every entry it
    /// gets for the past.
    ///
    /// # Panics
    /// If `id` is not below the capacity.
    pub fn arm(&mut self, id: u32, at: Mono) {
        let tick = at.0.div_ceil(self.tick_ns).max(self.target + 1);
        let entry = &mut self.entries[id as usize];
        entry.at = at;
        if entry.tick == tick {
            return;
        }
        if entry.tick != UNARMED {
            self.unlink(id);
        }
        self.link(id, tick);
    }

    /// Disarms `id`; nothing happens if it was not armed. O(1).
    ///
    /// # Panics
    /// If `id` is not below the capacity.
    pub fn cancel(&mut self, id: u32) {
        if self.entries[id as usize].tick != UNARMED {
            self.unlink(id);
        }
    }

    /// What `id` is armed for, exactly as it was given to [`Wheel::arm`].
    ///
    /// # Panics
    /// If `id` is not below the capacity.
    #[must_use]
    pub fn armed(&self, id: u32) -> Option<Mono> {
        let entry = &self.entries[id as usize];
        (entry.tick != UNARMED).then_some(entry.at)
    }

    /// Takes out one entry that is due, or `None` when there is none left at `now`.
    ///
    /// Call it until `None`, or stop after a number of entries and go on in a later cycle: what was
    /// not taken stays due. The owner may arm and cancel anything in between.
    ///
    /// - Never early: an entry comes out only at a `now` not before what it was armed for.
    /// - Late by at most one tick, counted from the due time or from the call of `arm`, whichever
    ///   was later (and by what the owner does not drain).
    /// - The order of entries that are due together is not defined.
    /// - Between two ticks it costs one comparison. A jump of `now`, however long, costs one
    ///   revolution: one look at every armed entry.
    /// - A `now` earlier than a previous one changes nothing.
    #[inline]
    pub fn next_expired(&mut self, now: Mono) -> Option<u32> {
        if now.0 >= self.turns_at_ns {
            self.turn(now);
        }
        if self.cursor > self.target {
            return None;
        }
        self.search()
    }

    /// A moment before which nothing fires: how long a loop that blocks may sleep. `None` when
    /// nothing is armed.
    ///
    /// It may be early, by whole revolutions for an entry that is that far ahead: wake, drain, ask
    /// again. It is not later than the first due time rounded up to a tick; and while entries that
    /// are due were not taken yet, it is not in the future. Reads at most 17 words and no entry.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        let tick = self.occupied_from(self.cursor)?;
        Some(Mono(tick.saturating_mul(self.tick_ns)))
    }

    /// Moves the target to the tick of `now`.
    #[cold]
    fn turn(&mut self, now: Mono) {
        let target = now.0 / self.tick_ns;
        if target <= self.target {
            return; // only at the very end of time, where `turns_at_ns` saturates
        }
        let idle = self.cursor > self.target;
        self.target = target;
        self.turns_at_ns = (target + 1).saturating_mul(self.tick_ns);
        let revolution_ago = target.saturating_sub(SLOTS as u64 - 1);
        if idle || self.cursor < revolution_ago {
            // The last revolution meets every slot, whatever was before it.
            self.cursor = self.cursor.max(revolution_ago);
            self.scan = self.slots[slot(self.cursor)];
        }
    }

    fn search(&mut self) -> Option<u32> {
        loop {
            while self.scan != NIL {
                let id = self.scan;
                let entry = &self.entries[id as usize];
                self.scan = entry.next;
                if entry.tick <= self.target {
                    self.unlink(id);
                    return Some(id);
                }
            }
            match self.occupied_from(self.cursor + 1) {
                Some(tick) if tick <= self.target => {
                    self.cursor = tick;
                    self.scan = self.slots[slot(tick)];
                }
                _ => {
                    self.cursor = self.target + 1;
                    return None;
                }
            }
        }
    }

    /// The first tick from `from` on, within one revolution, whose slot is occupied.
    fn occupied_from(&self, from: u64) -> Option<u64> {
        let start = slot(from);
        let mut word = start / 64;
        let mut bits = self.occupied[word] & (u64::MAX << (start % 64));
        // The word of the start comes twice: first its upper part, at the end its lower part.
        for _ in 0..=WORDS {
            if bits != 0 {
                let found = word * 64 + bits.trailing_zeros() as usize;
                let ahead = found.wrapping_sub(start) % SLOTS;
                return Some(from + ahead as u64);
            }
            word = (word + 1) % WORDS;
            bits = self.occupied[word];
        }
        None
    }

    fn link(&mut self, id: u32, tick: u64) {
        let slot = slot(tick);
        let next = self.slots[slot];
        if next != NIL {
            self.entries[next as usize].prev = id;
        }
        let entry = &mut self.entries[id as usize];
        entry.tick = tick;
        entry.prev = NIL;
        entry.next = next;
        self.slots[slot] = id;
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    fn unlink(&mut self, id: u32) {
        let Entry {
            tick, prev, next, ..
        } = self.entries[id as usize];
        if self.scan == id {
            self.scan = next;
        }
        if next != NIL {
            self.entries[next as usize].prev = prev;
        }
        if prev != NIL {
            self.entries[prev as usize].next = next;
        } else {
            let slot = slot(tick);
            self.slots[slot] = next;
            if next == NIL {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
            }
        }
        self.entries[id as usize].tick = UNARMED;
    }
}

fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const TICK: Duration = Duration::from_millis(1);

    fn drain(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut fired: Vec<u32> = std::iter::from_fn(|| wheel.next_expired(Mono(now))).collect();
        fired.sort_unstable();
        fired
    }

    #[test]
    fn fires_at_the_due_time_and_not_a_nanosecond_before() {
        let mut wheel = Wheel::new(1, TICK);
        wheel.arm(0, Mono(5 * MS));
        assert_eq!(drain(&mut wheel, 5 * MS - 1), [0; 0]);
        assert_eq!(drain(&mut wheel, 5 * MS), [0]);
        assert_eq!(wheel.armed(0), None);
        assert_eq!(drain(&mut wheel, 60_000 * MS), [0; 0]);
    }

    #[test]
    fn a_due_time_inside_a_tick_fires_at_its_end() {
        let mut wheel = Wheel::new(1, TICK);
        wheel.arm(0, Mono(5 * MS + 1));
        assert_eq!(drain(&mut wheel, 6 * MS - 1), [0; 0]);
        assert_eq!(drain(&mut wheel, 6 * MS), [0]);
    }

    #[test]
    fn an_entry_revolutions_ahead_stays_in_its_slot() {
        let mut wheel = Wheel::new(2, TICK);
        let far = 30_000 * MS;
        wheel.arm(0, Mono(far));
        for ms in 0..30_000 {
            assert_eq!(drain(&mut wheel, ms * MS), [0; 0], "at {ms} ms");
        }
        assert_eq!(drain(&mut wheel, far), [0]);
    }

    #[test]
    fn a_jump_over_many_revolutions_fires_all_that_is_due_and_nothing_else() {
        let mut wheel = Wheel::new(100, TICK);
        for id in 0..100 {
            wheel.arm(id, Mono(u64::from(id) * 977 * MS));
        }
        assert_eq!(
            drain(&mut wheel, 50 * 977 * MS),
            (0..=50).collect::<Vec<_>>()
        );
        assert_eq!(drain(&mut wheel, u64::MAX), (51..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_jump_costs_one_revolution() {
        let mut wheel = Wheel::new(1, Duration::from_nanos(1));
        // 584 years of microsecond ticks: stepping through them would not end.
        wheel.arm(0, Mono(u64::MAX));
        assert_eq!(drain(&mut wheel, u64::MAX - 5_000), [0; 0]);
        wheel.arm(0, Mono(7));
        assert_eq!(drain(&mut wheel, u64::MAX), [0]);
        assert_eq!(drain(&mut wheel, u64::MAX), [0; 0]);
    }

    #[test]
    fn arming_for_the_past_while_draining_ends_and_fires_at_the_next_tick() {
        let mut wheel = Wheel::new(3, TICK);
        for id in 0..3 {
            wheel.arm(id, Mono(0));
        }
        let mut fired = 0;
        while let Some(id) = wheel.next_expired(Mono(10 * MS)) {
            wheel.arm(id, Mono(1));
            fired += 1;
        }
        assert_eq!(fired, 3);
        assert_eq!(drain(&mut wheel, 11 * MS), [0, 1, 2]);
    }

    #[test]
    fn a_drain_that_stops_goes_on_later() {
        let mut wheel = Wheel::new(10, TICK);
        for id in 0..10 {
            wheel.arm(id, Mono(3 * MS + u64::from(id % 2) * MS));
        }
        let mut fired: Vec<u32> = (0..4)
            .map(|_| wheel.next_expired(Mono(4 * MS)).expect("ten are due"))
            .collect();
        wheel.cancel(
            (0..10)
                .find(|id| !fired.contains(id))
                .expect("six are left"),
        );
        fired.extend(drain(&mut wheel, 5_000 * MS));
        fired.sort_unstable();
        fired.dedup();
        assert_eq!(fired.len(), 9);
    }

    #[test]
    fn time_going_backwards_changes_nothing() {
        let mut wheel = Wheel::new(2, TICK);
        assert_eq!(drain(&mut wheel, 1_000 * MS), [0; 0]);
        wheel.arm(0, Mono(1_005 * MS));
        assert_eq!(drain(&mut wheel, 3 * MS), [0; 0]);
        assert_eq!(drain(&mut wheel, 0), [0; 0]);
        assert_eq!(wheel.armed(0), Some(Mono(1_005 * MS)));
        assert_eq!(drain(&mut wheel, 1_005 * MS), [0]);
    }

    #[test]
    fn growing_keeps_what_is_armed() {
        let mut wheel = Wheel::new(1, TICK);
        wheel.arm(0, Mono(MS));
        wheel.grow(3);
        wheel.grow(2);
        assert_eq!(wheel.capacity(), 3);
        wheel.arm(2, Mono(MS));
        assert_eq!(drain(&mut wheel, MS), [0, 2]);
    }

    #[test]
    fn the_deadline_of_a_sleeping_loop_leads_to_every_firing() {
        let mut wheel = Wheel::new(2, TICK);
        assert_eq!(wheel.next_deadline(), None);
        wheel.arm(0, Mono(10_500 * MS + 1));
        wheel.arm(1, Mono(20 * MS));
        let mut fired = Vec::new();
        let mut wakes = 0;
        while let Some(at) = wheel.next_deadline() {
            for id in drain(&mut wheel, at.0) {
                fired.push((id, at.0));
            }
            wakes += 1;
        }
        assert_eq!(fired, [(1, 20 * MS), (0, 10_501 * MS)]);
        assert!(
            wakes <= 12,
            "{wakes} wake-ups for two timers within 11 revolutions"
        );
    }

    #[derive(Clone, Debug)]
    enum Op {
        Arm {
            id: u32,
            ahead_ns: i64,
        },
        Cancel {
            id: u32,
        },
        /// Moves time and drains at most `limit`, arming again what `again` says.
        Advance {
            by_ns: i64,
            limit: usize,
            again: Vec<Option<i64>>,
        },
    }

    const IDS: u32 = 12;

    /// Steps of every size that matters: within a tick, ticks, revolutions, hours, and backwards.
    fn span() -> impl Strategy<Value = i64> {
        const MS: i64 = 1_000_000;
        prop_oneof![
            4 => 0..2 * MS,
            4 => 0..40 * MS,
            3 => 0..5_000 * MS,
            1 => 0..100_000_000 * MS,
            1 => -3 * MS..0,
            1 => (0..4i64).prop_map(|n| n * SLOTS as i64 * MS),
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        let again = prop::collection::vec(prop::option::of(span()), 1..8);
        prop_oneof![
            4 => (0..IDS, span()).prop_map(|(id, ahead_ns)| Op::Arm { id, ahead_ns }),
            1 => (0..IDS).prop_map(|id| Op::Cancel { id }),
            3 => (span(), prop_oneof![Just(usize::MAX), 1..4usize], again)
                .prop_map(|(by_ns, limit, again)| Op::Advance { by_ns, limit, again }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Against a map from id to (due, the latest time the wheel had seen when it was armed).
        #[test]
        fn behaves_like_a_map(
            start in 0u64..10_000_000 * MS,
            ops in prop::collection::vec(op(), 1..80),
        ) {
            let tick = TICK.as_nanos() as u64;
            let mut wheel = Wheel::new(IDS as usize, TICK);
            let mut model: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
            let mut now = start;
            let mut latest = 0;
            for op in ops {
                match op {
                    Op::Arm { id, ahead_ns } => {
                        let at = now.saturating_add_signed(ahead_ns);
                        wheel.arm(id, Mono(at));
                        model.insert(id, (at, latest));
                    }
                    Op::Cancel { id } => {
                        wheel.cancel(id);
                        model.remove(&id);
                    }
                    Op::Advance { by_ns, limit, again } => {
                        now = now.saturating_add_signed(by_ns);
                        latest = latest.max(now);
                        let mut again = again.into_iter().cycle();
                        let mut fired = 0;
                        let drained = loop {
                            if fired == limit { break false; }
                            let Some(id) = wheel.next_expired(Mono(now)) else { break true };
                            fired += 1;
                            prop_assert!(fired <= IDS as usize, "an entry fired twice in one drain");
                            let due = model.remove(&id);
                            prop_assert!(due.is_some(), "{} fired and was not armed", id);
                            prop_assert!(due.expect("checked").0 <= latest, "{} fired early", id);
                            if let Some(Some(ahead)) = again.next() {
                                let at = now.saturating_add_signed(ahead);
                                wheel.arm(id, Mono(at));
                                model.insert(id, (at, latest));
                            }
                        };
                        if drained {
                            for (id, &(at, armed)) in &model {
                                let due = at.max(armed) + tick;
                                prop_assert!(due > latest, "{} is late by more than a tick", id);
                            }
                        }
                    }
                }
                for id in 0..IDS {
                    prop_assert_eq!(wheel.armed(id).map(|at| at.0), model.get(&id).map(|m| m.0));
                }
                let first = model.values().map(|&(at, armed)| at.max(armed)).min();
                match (wheel.next_deadline(), first) {
                    (None, None) => {}
                    (Some(bound), Some(first)) => {
                        prop_assert!(bound.0 <= (first + tick).max(latest));
                    }
                    (bound, first) => prop_assert!(false, "{:?} for {:?}", bound, first),
                }
            }
            // Nothing is lost: at the end of time everything comes out once.
            let left = drain(&mut wheel, u64::MAX);
            prop_assert_eq!(left, model.keys().copied().collect::<Vec<_>>());
        }
    }
}

//! The way towards the core: a bounded ring for one producer thread and one consumer thread.
//!
//! A core that must not wait may only pop from a queue on which no other thread can make it wait. A
//! queue for many producers cannot promise that: a producer that loses its time slice between
//! claiming a slot and filling it leaves the consumer with a slot it may neither take nor skip.
//! Here a producer publishes with one store, after the slot is filled, so the consumer sees a whole
//! item or none, and [`Consumer::pop`] is a fixed number of instructions whatever the producer does.
//!
//! ```text
//!   index        head (consumer writes)      tail (producer writes)      both only grow,
//!                  |                           |                         and wrap at 2^64
//!   slot      [ ][x][x][x][x][x][x][x][x][x][ ][ ][ ]                    index mod capacity
//!                `-- the consumer's --------' `-- the producer's --
//! ```
//!
//! Invariant: `tail - head <= capacity`; slots in `head..tail` are initialised and only the consumer
//! touches them; only the producer touches the others.
//!
//! Must not know: what travels in it.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;

use sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell};

/// A ring for at least `capacity` items, rounded up to a power of two (and to one), and its two
/// ends. All memory is allocated here.
///
/// `T` is `Copy`, so neither end ever runs a destructor or frees memory for an item.
///
/// # Panics
/// If the rounded capacity does not fit a `usize` or its memory cannot be described.
#[must_use]
pub fn ring<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity
        .checked_next_power_of_two()
        .expect("the capacity of a ring fits memory");
    let shared = Arc::new(Shared {
        head: Line(AtomicUsize::new(0)),
        tail: Line(AtomicUsize::new(0)),
        abandoned: Line(AtomicBool::new(false)),
        slots: (0..capacity)
            .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
            .collect(),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        tail: 0,
        head_seen: 0,
    };
    let consumer = Consumer {
        shared,
        head: 0,
        tail_seen: 0,
    };
    (producer, consumer)
}

/// The end that puts items in. One thread owns it; it may move between threads.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// The only copy that is ever written; `shared.tail` publishes it.
    tail: usize,
    /// The consumer's index when it was last looked at: a lower bound, so reading it again is only
    /// needed when the ring seems full.
    head_seen: usize,
}

/// The end that takes items out. One thread owns it; it may move between threads.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    /// The producer's index when it was last looked at, a lower bound.
    tail_seen: usize,
}

impl<T: Copy + Send> Producer<T> {
    /// Puts `item` in, without waiting.
    ///
    /// # Errors
    /// Gives `item` back if the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let capacity = self.shared.slots.len();
        if self.tail.wrapping_sub(self.head_seen) == capacity {
            // Acquire: the consumer has copied the item out before the slot is filled again.
            self.head_seen = self.shared.head.0.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head_seen) == capacity {
                return Err(item);
            }
        }
        self.shared.slots[self.tail & (capacity - 1)].with_mut(|slot| {
            // SAFETY: `tail - head < capacity`, so this slot is outside `head..tail` and the
            // consumer does not touch it until `tail` is stored below. There is no other producer:
            // this end is not `Clone` and `push` borrows it exclusively.
            unsafe { slot.write(MaybeUninit::new(item)) }
        });
        self.tail = self.tail.wrapping_add(1);
        // Release: whoever sees the new index sees the item.
        self.shared.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }
}

impl<T: Copy + Send> Consumer<T> {
    /// Takes the oldest item out, or `None` if there is none; never waits.
    ///
    /// On an empty ring it is one load, of a cache line that stays in this core's cache until the
    /// producer writes to it.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail_seen {
            // Acquire: pairs with the release in `push`.
            self.tail_seen = self.shared.tail.0.load(Ordering::Acquire);
            if self.head == self.tail_seen {
                return None;
            }
        }
        let capacity = self.shared.slots.len();
        let item = self.shared.slots[self.head & (capacity - 1)].with(|slot| {
            // SAFETY: `head != tail_seen <= tail`, so this slot is inside `head..tail`: the producer
            // filled it before it stored `tail`, and leaves it alone until `head` is stored below.
            // There is no other consumer: this end is not `Clone` and `pop` borrows it exclusively.
            unsafe { slot.read().assume_init() }
        });
        self.head = self.head.wrapping_add(1);
        // Release: the item is copied out before the producer may fill the slot again.
        self.shared.head.0.store(self.head, Ordering::Release);
        Some(item)
    }
}

impl<T> Producer<T> {
    /// Whether the consumer is gone: nobody will take what is put in.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.abandoned.0.load(Ordering::Acquire)
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }
}

impl<T> Consumer<T> {
    /// How many items wait; more may have come meanwhile.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let tail = self.shared.tail.0.load(Ordering::Acquire);
        tail.wrapping_sub(self.head)
    }

    /// Whether the producer is gone. What it put in before is still there: once this is true, what
    /// [`Consumer::pop`] gives until `None` is all there will ever be.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.abandoned.0.load(Ordering::Acquire)
    }

    /// How many items fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.abandoned.0.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.abandoned.0.store(true, Ordering::Release);
    }
}

// SAFETY: items are `Send`, and what both ends share is either atomic or a slot that belongs to one
// end at a time by the indices (see `push` and `pop`). The ends are not `Sync`, because `Shared` is
// not, and not `Clone`, so there is one thread on each side.
unsafe impl<T: Send> Send for Producer<T> {}

// SAFETY: as for `Producer`.
unsafe impl<T: Send> Send for Consumer<T> {}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("pushed", &self.tail)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("popped", &self.head)
            .finish_non_exhaustive()
    }
}

struct Shared<T> {
    head: Line<AtomicUsize>,
    tail: Line<AtomicUsize>,
    /// One end is gone. One flag serves both: the end that is gone does not ask.
    abandoned: Line<AtomicBool>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

/// Two cache lines, because the prefetcher of common x86 cores fetches them in pairs.
#[repr(align(128))]
struct Line<T>(T);

#[cfg(not(loom))]
mod sync {
    //! The ordinary atomics. Under `--cfg loom` the ring is built from loom's, which try every
    //! interleaving the memory model allows.
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// A cell with the access style of loom's, so that one source serves both.
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline(always)]
        pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(loom)]
mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn keeps_order_and_refuses_what_does_not_fit() {
        let (mut producer, mut consumer) = ring(3);
        assert_eq!(producer.capacity(), 4, "rounded up to a power of two");
        assert_eq!(consumer.pop(), None);
        for round in 0..10 {
            for i in 0..4 {
                assert_eq!(producer.push(round * 4 + i), Ok(()));
            }
            assert_eq!(producer.push(99), Err(99));
            for i in 0..4_u8 {
                assert_eq!(consumer.waiting(), 4 - usize::from(i));
                assert_eq!(consumer.pop(), Some(round * 4 + i));
            }
            assert_eq!(consumer.pop(), None);
            assert_eq!(consumer.waiting(), 0);
        }
    }

    #[test]
    fn the_smallest_ring_holds_one() {
        let (mut producer, mut consumer) = ring(0);
        assert_eq!(consumer.capacity(), 1);
        assert_eq!(producer.push('a'), Ok(()));
        assert_eq!(producer.push('b'), Err('b'));
        assert_eq!(consumer.pop(), Some('a'));
        assert_eq!(producer.push('c'), Ok(()));
        assert_eq!(consumer.pop(), Some('c'));
    }

    #[test]
    fn indices_may_wrap() {
        let (mut producer, mut consumer) = ring(2);
        let end = usize::MAX - 1;
        producer.shared.head.0.store(end, Ordering::Relaxed);
        producer.shared.tail.0.store(end, Ordering::Relaxed);
        (producer.tail, producer.head_seen) = (end, end);
        (consumer.head, consumer.tail_seen) = (end, end);
        for i in 0..8 {
            assert_eq!(producer.push(i), Ok(()));
            assert_eq!(producer.push(i + 100), Ok(()));
            assert_eq!(producer.push(0), Err(0));
            assert_eq!(consumer.pop(), Some(i));
            assert_eq!(consumer.pop(), Some(i + 100));
            assert_eq!(consumer.pop(), None);
        }
    }

    #[test]
    fn each_end_sees_that_the_other_is_gone() {
        let (mut producer, mut consumer) = ring(4);
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
        producer.push(1).expect("there is room");
        drop(producer);
        assert!(consumer.is_abandoned());
        assert_eq!(
            consumer.pop(),
            Some(1),
            "what was put in before is still there"
        );
        assert_eq!(consumer.pop(), None);

        let (producer, consumer) = ring::<u8>(4);
        drop(consumer);
        assert!(producer.is_abandoned());
    }

    /// An item whose halves must agree, so that a torn copy would show.
    #[derive(Clone, Copy)]
    struct Wide {
        front: u64,
        filler: [u64; 6],
        back: u64,
    }

    #[test]
    fn a_million_items_arrive_whole_in_order_and_once() {
        const ITEMS: u64 = 1_000_000;
        let (mut producer, mut consumer) = ring(64);
        let sender = thread::spawn(move || {
            for n in 0..ITEMS {
                let mut item = Wide {
                    front: n,
                    filler: [n ^ 0x55; 6],
                    back: !n,
                };
                while let Err(back) = producer.push(item) {
                    item = back;
                    thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        loop {
            let ended = consumer.is_abandoned();
            while let Some(item) = consumer.pop() {
                assert_eq!(item.front, expected);
                assert_eq!(item.filler, [expected ^ 0x55; 6]);
                assert_eq!(item.back, !expected);
                expected += 1;
            }
            if ended {
                break;
            }
            thread::yield_now();
        }
        sender.join().expect("the sender does not panic");
        assert_eq!(expected, ITEMS);
    }

    /// Fails to compile if an end were `Clone` or `Sync`, or not `Send`: the call below would then
    /// have two candidates.
    #[test]
    fn ends_can_move_but_not_be_shared() {
        trait Clones<A> {
            fn check() {}
        }
        impl<T> Clones<()> for T {}
        impl<T: Clone> Clones<u8> for T {}
        trait Shares<A> {
            fn check() {}
        }
        impl<T> Shares<()> for T {}
        impl<T: Sync> Shares<u8> for T {}
        fn moves<T: Send>() {}

        <Producer<u64> as Clones<_>>::check();
        <Consumer<u64> as Clones<_>>::check();
        <Producer<u64> as Shares<_>>::check();
        <Consumer<u64> as Shares<_>>::check();
        moves::<Producer<u64>>();
        moves::<Consumer<u64>>();
    }
}

/// Every interleaving the memory model allows, within small bounds:
/// `RUSTFLAGS="--cfg loom" cargo test --lib --release loom_`
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    #[test]
    fn loom_items_arrive_in_order_through_a_full_ring() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(2);
            let sender = loom::thread::spawn(move || {
                let mut sent = 0;
                for n in 1..=4u64 {
                    if producer.push(n).is_ok() {
                        sent += 1;
                    } else {
                        break; // a model may not wait for the other side
                    }
                }
                sent
            });
            let mut received = 0;
            for _ in 0..3 {
                if let Some(n) = consumer.pop() {
                    received += 1;
                    assert_eq!(n, received);
                }
            }
            let sent = sender.join().expect("the sender does not panic");
            while let Some(n) = consumer.pop() {
                received += 1;
                assert_eq!(n, received);
            }
            assert_eq!(received, sent);
        });
    }

    #[test]
    fn loom_after_abandonment_everything_can_be_popped() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(2);
            let sender = loom::thread::spawn(move || {
                producer.push(1u64).expect("there is room");
                producer.push(2u64).expect("there is room");
            });
            if consumer.is_abandoned() {
                assert_eq!(consumer.pop(), Some(1));
                assert_eq!(consumer.pop(), Some(2));
                assert_eq!(consumer.pop(), None);
            }
            sender.join().expect("the sender does not panic");
            assert!(consumer.is_abandoned());
        });
    }
}

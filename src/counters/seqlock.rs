//! A group of words that one thread writes and others read whole.
//!
//! ```text
//!   word   0     1 ...
//!         [seq][data ...]        seq is odd while the data is being written
//! ```
//!
//! Every word is atomic, so a reader that overlaps a writer reads nonsense, not undefined behaviour,
//! and the sequence word tells it to throw the nonsense away.
//!
//! Invariant: one writer per group. Its `Relaxed` data stores are ordered after the odd store by a
//! release fence and before the even store by its release; a reader's loads are ordered between its
//! two loads of the sequence by acquire fences.
//!
//! Must not know: what the words mean or where they are.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// How often a reader tries before it gives up. A write takes some tens of nanoseconds, so running
/// out means that the writer lost its time slice in the middle of one, or died there.
const ATTEMPTS: usize = 1_000;

/// The operations the protocol is made of; a trait so that a model checker can supply its own.
pub(super) trait Word {
    /// A relaxed load.
    fn get(&self) -> u64;
    /// A relaxed store.
    fn set(&self, value: u64);
    /// A store with release.
    fn publish(&self, value: u64);
    fn acquire_fence();
    fn release_fence();
}

impl Word for AtomicU64 {
    #[inline(always)]
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }

    #[inline(always)]
    fn publish(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline(always)]
    fn acquire_fence() {
        fence(Ordering::Acquire);
    }

    #[inline(always)]
    fn release_fence() {
        fence(Ordering::Release);
    }
}

/// Runs `store` on the data words of `group` as one write.
#[inline]
pub(super) fn write<W: Word>(group: &[W], store: impl FnOnce(&[W])) {
    let Some((seq, data)) = group.split_first() else {
        return;
    };
    // Odd already if an earlier write did not end; this one then repairs the group.
    let odd = seq.get() | 1;
    seq.set(odd);
    W::release_fence();
    store(data);
    seq.publish(odd.wrapping_add(1));
}

/// Copies the data words of `group` to `copy`, all of one write; `false` if the writer was in the
/// middle of one at every attempt.
#[must_use]
pub(super) fn read<W: Word>(group: &[W], copy: &mut [u64]) -> bool {
    (0..ATTEMPTS).any(|_| read_once(group, copy))
}

fn read_once<W: Word>(group: &[W], copy: &mut [u64]) -> bool {
    let Some((seq, data)) = group.split_first() else {
        return false;
    };
    let before = seq.get();
    if before & 1 == 1 {
        std::hint::spin_loop();
        return false;
    }
    // Only relaxed loads and fences: a reader may have mapped the words read-only, where no other
    // atomic access is allowed.
    W::acquire_fence();
    for (to, from) in copy.iter_mut().zip(data) {
        *to = from.get();
    }
    W::acquire_fence();
    seq.get() == before
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    const DATA: usize = 12;

    fn group() -> Vec<AtomicU64> {
        (0..=DATA).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn gives_up_on_a_writer_that_died_inside_a_write_and_recovers_with_the_next() {
        let group = group();
        group[0].store(7, Ordering::Relaxed);
        assert!(!read(&group, &mut [0; DATA]));
        write(&group, |data| data[3].set(5));
        let mut copy = [0; DATA];
        assert!(read(&group, &mut copy));
        assert_eq!(copy[3], 5);
    }

    /// The writer pauses for a varying moment after each write, as long as a few reads at most:
    /// without, an unoptimised reader would hardly ever fit between two writes.
    #[test]
    fn a_million_reads_beside_a_writer_are_all_whole() {
        const READS: usize = 1_000_000;
        let group = group();
        let stop = AtomicBool::new(false);
        let (mut whole, mut overlaps, mut changes, mut last) = (0, 0, 0, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    write(&group, |data| {
                        for (i, word) in data.iter().enumerate() {
                            word.set(n * (i as u64 + 1));
                        }
                    });
                    for _ in 0..n % 64 {
                        std::hint::spin_loop();
                    }
                }
            });
            let mut copy = [0; DATA];
            let mut torn = None;
            // On a busy machine the writer may begin late: a million reads, and until the two have met.
            let met = |changes, overlaps| changes > 100 && overlaps > 100;
            let end = Instant::now() + Duration::from_secs(60);
            while (whole < READS || !met(changes, overlaps)) && torn.is_none() && Instant::now() < end {
                if !read_once(&group, &mut copy) {
                    overlaps += 1;
                    continue;
                }
                whole += 1;
                let n = copy[0];
                let related = copy
                    .iter()
                    .enumerate()
                    .all(|(i, &word)| word == n * (i as u64 + 1));
                if !related || n < last {
                    torn = Some(copy);
                }
                changes += usize::from(n != last);
                last = n;
            }
            stop.store(true, Ordering::Relaxed);
            assert_eq!(torn, None, "a torn or an older group was read");
        });
        assert!(
            changes > 100,
            "the writer did not run beside the reader: {changes} changes seen"
        );
        assert!(
            overlaps > 100,
            "reads and writes did not meet: {overlaps} attempts thrown away"
        );
    }
}

/// Every interleaving the memory model allows, within small bounds:
/// `RUSTFLAGS="--cfg loom" cargo test --lib --release loom_`
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic as model;

    use super::*;

    impl Word for model::AtomicU64 {
        fn get(&self) -> u64 {
            self.load(Ordering::Relaxed)
        }

        fn set(&self, value: u64) {
            self.store(value, Ordering::Relaxed);
        }

        fn publish(&self, value: u64) {
            self.store(value, Ordering::Release);
        }

        fn acquire_fence() {
            model::fence(Ordering::Acquire);
        }

        fn release_fence() {
            model::fence(Ordering::Release);
        }
    }

    type Group = [model::AtomicU64; 3];

    fn write_twice(group: &Group) {
        for n in 1..=2 {
            write(group.as_slice(), |data| {
                data[0].set(n);
                data[1].set(n * 10);
            });
        }
    }

    fn read_related(group: &Group) {
        let mut copy = [0; 2];
        if read_once(group.as_slice(), &mut copy) {
            assert_eq!(copy[1], copy[0] * 10);
        }
    }

    /// Which side is the spawned thread matters: with the reader on the first thread loom does not
    /// meet the interleavings in which a relaxed last store of the writer would be wrong.
    #[test]
    fn loom_a_reader_thread_gets_a_whole_group_or_none() {
        loom::model(|| {
            let group: Arc<Group> = Arc::new([0; 3].map(model::AtomicU64::new));
            let reader = {
                let group = Arc::clone(&group);
                loom::thread::spawn(move || read_related(&group))
            };
            write_twice(&group);
            reader.join().expect("what is read is related");
        });
    }

    #[test]
    fn loom_beside_a_writer_thread_a_group_is_whole_or_not_read() {
        loom::model(|| {
            let group: Arc<Group> = Arc::new([0; 3].map(model::AtomicU64::new));
            let writer = {
                let group = Arc::clone(&group);
                loom::thread::spawn(move || write_twice(&group))
            };
            read_related(&group);
            writer.join().expect("the writer does not panic");
            let mut copy = [0; 2];
            assert!(read_once(group.as_slice(), &mut copy));
            assert_eq!(copy, [2, 20]);
        });
    }
}

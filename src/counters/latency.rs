//! Latency, counted where it happens: one bucket per duration, about one percent wide.
//!
//! ```text
//!   words     0     1     2 ...
//!           [max] [sum] [bucket 0] [bucket 1] ...
//!
//!   durations in ns      buckets
//!   0 .. 256             256 of 1 ns
//!   256 .. 512           128 of 2 ns
//!   512 .. 1024          128 of 4 ns
//!   ...                  128 per power of two
//!   2^35 .. 2^36         128 of 268 ms, the last one also takes everything longer (68.7 s)
//! ```
//!
//! The buckets are those of an HdrHistogram with two significant digits, so a reader rebuilds one
//! without loss, and percentiles are worked out by readers and never by the core.
//!
//! Invariant: one writer, hence a load and a store per count and no locked instruction. Counts only
//! grow: the figures of an interval are the difference of two snapshots.
//!
//! Must not know: what is measured, or any clock.

use std::sync::atomic::AtomicU64;

use hdrhistogram::Histogram;

use super::seqlock::Word;

/// What is measured, on the engine's own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// From the return of the socket read to the call of the application.
    ReadToCallback = 0,
    /// From the call that sends a message to its frame being in the journal, ready for the socket. The
    /// socket write itself is not part of it.
    CallbackToWrite = 1,
    /// One whole cycle of the engine in which there was something to do.
    Cycle = 2,
}

impl Stage {
    /// All of them, in the order they have on the page.
    pub const ALL: [Self; 3] = [Self::ReadToCallback, Self::CallbackToWrite, Self::Cycle];
}

/// The writing end for one [`Stage`]; see [`StatusPage::latency`](super::StatusPage::latency).
#[derive(Debug)]
pub struct Latency<'a> {
    words: &'a [AtomicU64; WORDS],
}

/// What one [`Stage`] took so far.
#[derive(Clone, Debug)]
pub struct LatencySnapshot {
    /// Percentiles and counts, in nanoseconds, to two significant digits (better than 0.8 %).
    /// Durations of 68.7 s and more are counted as 68.7 s.
    pub histogram: Histogram<u64>,
    /// The longest duration in nanoseconds, exactly.
    pub max_ns: u64,
    /// The sum of all durations in nanoseconds, exactly.
    pub sum_ns: u64,
}

const MAX: usize = 0;
const SUM: usize = 1;
const BUCKETS: usize = 2;

/// Buckets in the upper half of a power of two, and the bits that number them.
const HALF: usize = 1 << HALF_BITS;
const HALF_BITS: u32 = 7;

/// Durations below this many bits have a bucket; longer ones share the last.
const RANGE_BITS: u32 = 36;

const BUCKET_COUNT: usize = HALF * (RANGE_BITS - HALF_BITS + 1) as usize;

/// Words of one stage on the page.
pub(super) const WORDS: usize = BUCKETS + BUCKET_COUNT;

impl<'a> Latency<'a> {
    /// `words` must have no other writer.
    #[inline(always)]
    pub(super) fn new(words: &'a [AtomicU64; WORDS]) -> Self {
        Self { words }
    }

    /// Counts one duration in nanoseconds.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let bucket = &self.words[BUCKETS + bucket_of(ns)];
        bucket.set(bucket.get().wrapping_add(1));
        let sum = &self.words[SUM];
        sum.set(sum.get().wrapping_add(ns));
        let max = &self.words[MAX];
        if ns > max.get() {
            max.set(ns);
        }
    }
}

impl LatencySnapshot {
    pub(super) fn read(words: &[AtomicU64]) -> Self {
        let mut histogram = Histogram::new_with_bounds(1, (1 << RANGE_BITS) - 1, 2)
            .expect("constant bounds, valid for two digits");
        for (index, bucket) in words[BUCKETS..].iter().enumerate() {
            let count = bucket.get();
            if count > 0 {
                histogram.saturating_record_n(lowest_of(index), count);
            }
        }
        Self {
            histogram,
            max_ns: words[MAX].get(),
            sum_ns: words[SUM].get(),
        }
    }
}

#[inline(always)]
fn bucket_of(ns: u64) -> usize {
    let ns = ns.min((1 << RANGE_BITS) - 1);
    // The first two halves are both 1 ns wide, so nothing below 2 * HALF is shifted.
    let bits = (u64::BITS - ns.leading_zeros()).max(HALF_BITS + 1);
    let shift = bits - (HALF_BITS + 1);
    (shift as usize) * HALF + (ns >> shift) as usize
}

/// The shortest duration that is counted in bucket `index`.
fn lowest_of(index: usize) -> u64 {
    let shift = (index / HALF).saturating_sub(1);
    ((index - shift * HALF) as u64) << shift
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn words() -> Box<[AtomicU64; WORDS]> {
        Box::new([const { AtomicU64::new(0) }; WORDS])
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for index in 0..BUCKET_COUNT {
            let lowest = lowest_of(index);
            assert_eq!(bucket_of(lowest), index);
            if index > 0 {
                assert_eq!(bucket_of(lowest - 1), index - 1, "just below {lowest}");
            }
        }
        assert_eq!(bucket_of((1 << RANGE_BITS) - 1), BUCKET_COUNT - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKET_COUNT - 1);
    }

    #[test]
    fn longer_than_the_range_is_counted_in_the_last_bucket_and_kept_as_the_maximum() {
        let words = words();
        let mut latency = Latency::new(&words);
        latency.record(0);
        latency.record(90_000_000_000);
        let snapshot = LatencySnapshot::read(words.as_slice());
        assert_eq!(snapshot.histogram.len(), 2);
        assert_eq!(snapshot.max_ns, 90_000_000_000);
        assert_eq!(snapshot.sum_ns, 90_000_000_000);
        assert_eq!(snapshot.histogram.value_at_quantile(0.0), 0);
        assert!(snapshot.histogram.max() >= 68_000_000_000);
    }

    #[test]
    fn a_count_at_the_end_of_its_range_does_not_stop_the_engine() {
        let words = words();
        words[SUM].store(u64::MAX, Ordering::Relaxed);
        words[BUCKETS + 5].store(u64::MAX, Ordering::Relaxed);
        Latency::new(&words).record(5);
        assert_eq!(LatencySnapshot::read(words.as_slice()).histogram.len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        /// The rebuilt histogram is the one a histogram fed directly would be.
        #[test]
        fn the_snapshot_equals_a_histogram_of_the_same_durations(
            durations in prop::collection::vec(
                prop_oneof![0..300u64, 0..100_000u64, 0..1u64 << RANGE_BITS], 1..200),
        ) {
            let words = words();
            let mut direct = Histogram::<u64>::new_with_bounds(1, (1 << RANGE_BITS) - 1, 2)
                .expect("valid bounds");
            for &ns in &durations {
                Latency::new(&words).record(ns);
                direct.record(ns).expect("within bounds");
            }
            let snapshot = LatencySnapshot::read(words.as_slice());
            prop_assert_eq!(&snapshot.histogram, &direct);
            prop_assert_eq!(snapshot.max_ns, *durations.iter().max().expect("not empty"));
            prop_assert_eq!(snapshot.sum_ns, durations.iter().sum::<u64>());
            for quantile in [0.5, 0.99, 0.999] {
                let mut sorted = durations.clone();
                sorted.sort_unstable();
                let rank = ((quantile * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
                let exact = sorted[rank - 1] as f64;
                let got = snapshot.histogram.value_at_quantile(quantile) as f64;
                prop_assert!((got - exact).abs() <= exact * 0.008, "{} for {}", got, exact);
            }
        }
    }
}

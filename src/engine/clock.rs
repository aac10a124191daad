//! The clock of the run loop: the only place that reads one.
//!
//! On x86-64 with an invariant time-stamp counter a reading costs one `rdtsc` (about 10 ns on the
//! machine this was written on, against 23 ns for the system call page); elsewhere it is the
//! system's monotonic clock. Wall-clock time is the monotonic time plus an offset that is measured
//! again every millisecond, so that a step of the system clock is followed within that time.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use crate::time::{Mono, Now, Utc};

/// How often the offset between the two clocks is measured again.
const RESYNC_NS: u64 = 1_000_000;

/// How long the counter is compared with the system clock at the start.
#[cfg(target_arch = "x86_64")]
const CALIBRATION_NS: u64 = 5_000_000;

/// A clock for one thread.
#[derive(Debug)]
pub struct Clock {
    ticker: Ticker,
    offset: u64,
    resync_at: u64,
}

impl Clock {
    /// A clock that is set. Takes a few milliseconds where the counter must be calibrated.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ticker: Ticker::new(),
            offset: 0,
            resync_at: 0,
        }
    }

    /// Both times.
    pub fn now(&mut self) -> Now {
        let mono = self.ticker.now();
        if mono >= self.resync_at {
            self.offset = system(libc::CLOCK_REALTIME).wrapping_sub(mono);
            self.resync_at = mono + RESYNC_NS;
        }
        Now {
            mono: Mono(mono),
            utc: Utc(mono.wrapping_add(self.offset)),
        }
    }

    /// The reading that measures short spans, without wall-clock time.
    #[must_use]
    pub fn ticker(&self) -> Ticker {
        self.ticker
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads monotonic nanoseconds, as cheaply as the machine can.
#[derive(Clone, Copy, Debug)]
pub struct Ticker {
    counter: Option<Counter>,
}

/// How counter readings become nanoseconds: `base_ns + (ticks - base_ticks) * scale / 2^32`.
#[derive(Clone, Copy, Debug)]
struct Counter {
    base_ticks: u64,
    base_ns: u64,
    scale: u64,
}

impl Ticker {
    /// A ticker, calibrated where that is needed.
    #[must_use]
    pub fn new() -> Self {
        // One calibration per process: an engine that is made later does not wait again, and all
        // tickers agree exactly.
        static CALIBRATED: OnceLock<Option<Counter>> = OnceLock::new();
        Self {
            counter: *CALIBRATED.get_or_init(calibrate),
        }
    }

    /// Nanoseconds since an arbitrary origin, the same for all tickers of a machine to within the
    /// error of the calibration.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.counter {
            Some(counter) => counter.ns(ticks()),
            None => system(libc::CLOCK_MONOTONIC),
        }
    }

    /// Whether the time-stamp counter is read, rather than the system clock.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.counter.is_some()
    }
}

impl Default for Ticker {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    #[inline]
    fn ns(&self, ticks: u64) -> u64 {
        let passed = u128::from(ticks.wrapping_sub(self.base_ticks)) * u128::from(self.scale);
        // The product shifted by 32 fits for centuries.
        self.base_ns.wrapping_add((passed >> 32) as u64)
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    // SAFETY: `rdtsc` has no precondition on x86-64; it only reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    0
}

#[cfg(target_arch = "x86_64")]
fn calibrate() -> Option<Counter> {
    if !invariant_counter() {
        return None;
    }
    let (base_ticks, base_ns) = pair();
    let mut now = base_ns;
    while now < base_ns + CALIBRATION_NS {
        now = system(libc::CLOCK_MONOTONIC);
    }
    let (end_ticks, end_ns) = pair();
    let passed = end_ticks
        .checked_sub(base_ticks)
        .filter(|&ticks| ticks > 0)?;
    let scale = (u128::from(end_ns - base_ns) << 32) / u128::from(passed);
    Some(Counter {
        base_ticks,
        base_ns,
        scale: u64::try_from(scale).ok()?,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn calibrate() -> Option<Counter> {
    None
}

/// A counter reading and the system time at the same moment: the best of several tries, because the
/// thread may lose its time slice between the two.
#[cfg(target_arch = "x86_64")]
fn pair() -> (u64, u64) {
    let mut best = (0, 0);
    let mut smallest = u64::MAX;
    for _ in 0..32 {
        let before = ticks();
        let ns = system(libc::CLOCK_MONOTONIC);
        let after = ticks();
        if after.wrapping_sub(before) < smallest {
            smallest = after.wrapping_sub(before);
            best = (before + smallest / 2, ns);
        }
    }
    best
}

/// Whether the counter runs at one rate in all power states and on all cores.
#[cfg(target_arch = "x86_64")]
fn invariant_counter() -> bool {
    use core::arch::x86_64::__cpuid;
    const ADVANCED_POWER: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    let highest = __cpuid(0x8000_0000).eax;
    highest >= ADVANCED_POWER && __cpuid(ADVANCED_POWER).edx & INVARIANT_TSC != 0
}

fn system(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for a timespec, and both clocks exist on every system we run
    // on, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_two_clocks_agree_with_the_system() {
        let mut clock = Clock::new();
        std::thread::sleep(Duration::from_millis(20));
        let now = clock.now();
        // A loaded machine may take our time slice between the readings.
        let slack = Duration::from_millis(500);
        assert!(now.mono.since(Mono(system(libc::CLOCK_MONOTONIC))) < slack);
        assert!(now.utc.distance(Utc(system(libc::CLOCK_REALTIME))) < slack);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let ticker = Ticker::new();
        let mut last = ticker.now();
        for _ in 0..10_000 {
            let now = ticker.now();
            assert!(now >= last);
            last = now;
        }
    }
}

//! Points in time as values, and how FIX writes them.
//!
//! Nothing here reads a clock: time is an argument everywhere below `engine`, so a session behaves
//! the same in production, in a test and in a simulation of a year.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Monotonic time: nanoseconds since an arbitrary origin. Timers live on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// Wall-clock time: nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
///
/// Stamps messages (SendingTime(52)) and is compared with the peer's stamps; no timer uses it,
/// because it may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utc(pub u64);

/// Both clocks, read together once per engine cycle and passed down as one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For stamps.
    pub utc: Utc,
}

impl Mono {
    /// Time passed since `earlier`; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Add<Duration> for Utc {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Utc {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

impl Utc {
    /// Distance to `other`, in either direction.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }
}

/// Saturates after 584 years, which is later than any timer.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

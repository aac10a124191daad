//! The journal through its public API: numbers, resends, limits, segments, crashes, readers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "one secret is a list of one range"
)]

mod crash;
mod model;
mod numbers;
mod reading;
mod scratch;
mod segments;
mod series;

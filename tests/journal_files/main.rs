//! The journal through its public API: numbers, resends, limits, segments, crashes, readers.

mod crash;
mod model;
mod numbers;
mod reading;
mod scratch;
mod segments;

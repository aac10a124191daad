//! The status page: what an engine is doing, readable by any thread or process without asking it.
//!
//! One engine thread writes ([`StatusPage`]), any number of readers read ([`StatusReader`]). The
//! writer never waits and never knows whether anybody reads. Queries therefore cost the core
//! nothing (DESIGN decision 10).
//!
//! ```text
//!   offset in words of 8 bytes, in the byte order of the machine
//!
//!      0  header      magic, version, sizes, who writes, ended        written once
//!     64  engine      [seq][EngineStatus ...]                         seqlock
//!    128  latency     read to callback   [max][sum][buckets ...]      single relaxed stores
//!         latency     callback to write
//!         latency     cycle
//!   next  session 0   [seq][id ...][role][SessionStatus ...][hold]    seqlock each, 128 words
//!         session 1
//!         ...
//!   next  faults      of connections that never logged on             single relaxed stores
//!         faults      of session 0: which catalogue, one word for each kind
//!         ...
//! ```
//!
//! Invariant: there is one writer. A slot is read whole or not at all; a latency figure may be of a
//! later moment than its neighbour, but never goes backwards.
//!
//! Put the file on memory (`/dev/shm`, `/run`): on a disk the kernel writes it back from time to
//! time, and a store that meets a page being written back waits for it.
//!
//! Must not know: how sessions work, sockets, clocks. Times come in as values.

mod latency;
mod memory;
mod page;
mod seqlock;
mod status;

pub use latency::{Latency, LatencySnapshot, Stage};
pub use page::{EngineIdentity, Liveness, StatusPage, StatusReader};
pub use status::{
    ConnectionState, EngineStatus, ReadError, Role, SESSION_ID_MAX_BYTES, SessionEntry, SessionStatus,
};

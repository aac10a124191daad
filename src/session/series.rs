//! What a FIXP session needs of its outbox beyond [`Outbox`]: several number series beside each other.
//!
//! A series is what was said under one UUID. A new one begins with both numbers at 1, and the earlier
//! ones stay: the peer may still ask for what was sent under them, and we for what it sent.

use std::ops::Range;

use super::{Full, Outbox, Replay, ResetCause, Stored};
use crate::time::Utc;

/// The two numbers of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The number of our next message.
    pub next_out: u64,
    /// The number expected of the peer next.
    pub next_in: u64,
}

/// An outbox with more than one series.
pub trait SeriesOutbox: Outbox {
    /// Identifier (UUID) of the current series; 0 until one was begun: messages before the first
    /// Negotiate of the week.
    fn series(&self) -> u64;

    /// Begins a series with both numbers at 1; the earlier series stays findable.
    ///
    /// # Errors
    /// Why there is no room now for the record of it; nothing has changed then.
    fn begin_series(&mut self, id: u64, why: ResetCause, at: Utc) -> Result<(), Full>;

    /// The latest time that anything was committed with, in this run or one before; later than now if the
    /// clock was set back.
    fn latest(&self) -> Utc;

    /// The series before the current one.
    fn previous_series(&self) -> Option<u64>;

    /// The greatest identifier of the series before the latest one whose identifier is 0, with which a week
    /// begins; 0 if there is none.
    fn last_of_weeks_before(&self) -> u64;

    /// Numbers of the current or an earlier kept series.
    fn numbers_of(&self, series: u64) -> Option<Numbers>;

    /// Whether the port of a gateway is closed: see [`SeriesOutbox::set_port_closed`].
    fn is_port_closed(&self) -> bool;

    /// Keeps that invalid logons have closed the port of a gateway, or that it is open again. It survives
    /// what the numbers survive.
    fn set_port_closed(&mut self, closed: bool);

    /// Progress on an earlier series, fetched by retransmission. One that is not kept is from now on, as one
    /// before the last in which nothing was sent; the oldest may give way to it.
    ///
    /// # Errors
    /// Why there is no room now for the record of it; nothing has changed then.
    fn set_next_in_of(&mut self, series: u64, next: u64) -> Result<(), Full>;

    /// Publishes `frame`, a range of bytes claimed as [`Class::Control`](super::Class::Control): on the
    /// wire and in the log, outside numbering.
    fn commit_unnumbered(&mut self, frame: Range<usize>, at: Utc);

    /// What was sent under `seq` in this series.
    fn stored_of(&self, series: u64, seq: u64) -> Stored;

    /// As [`Outbox::claim_replay`], for a frame of this series; published with
    /// [`Outbox::commit_replay`].
    ///
    /// # Errors
    /// Why there is no room now.
    fn claim_replay_of(&mut self, series: u64, seq: u64) -> Result<Option<Replay<'_>>, Full>;
}

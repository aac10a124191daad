//! What a FIXP session counts, for the status page and for tests.

use super::{Fault, FaultCounts};

/// Counts since the session was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sound frames received.
    pub messages_in: u64,
    /// Business messages handed to the application.
    pub application_in: u64,
    /// New business messages sent.
    pub application_out: u64,
    /// Business messages sent again: by a gateway for a RetransmitRequest(508), by a client for a
    /// NotApplied(513).
    pub resent: u64,
    /// RetransmitRequest(508) sent, or received by a gateway.
    pub retransmit_requests: u64,
    /// RetransmitReject(510) received, or sent by a gateway.
    pub retransmit_rejects: u64,
    /// NotApplied(513) received, or sent by a gateway.
    pub not_applied: u64,
    /// Sequence(506) sent because there was nothing else to say.
    pub heartbeats_out: u64,
    /// Sequence(506) sent with KeepAliveIntervalLapsed(39016)=1.
    pub lapsed_out: u64,
    /// Messages that waited behind a gap and were dropped, to be asked for again.
    pub parked_dropped: u64,
    /// Retransmitted messages that were there already.
    pub duplicates_in: u64,
    /// Numbers asked for whose record could not be read.
    pub unreadable: u64,
    /// Messages of a client that waited for a penalty, because they, or one before them, came in pieces.
    pub held_up: u64,
    /// Those of them that were not applied because the connection ended.
    pub held_up_dropped: u64,
    /// Times the peer's bytes waited on our side for longer than a peer may be silent.
    pub slow_reads: u64,
    /// Mistakes of the peer, of any kind.
    pub faults: u64,
    /// The same by kind.
    pub faults_by_kind: FaultCounts,
    /// The last of them.
    pub last_fault: Option<Fault>,
}

impl Tally {
    pub(super) fn note(&mut self, fault: Fault) {
        self.faults += 1;
        self.faults_by_kind.count(fault);
        self.last_fault = Some(fault);
    }
}

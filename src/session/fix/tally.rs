//! What a session counts, for the status page and for tests.

use crate::session::{Fault, FaultCounts};

/// Counts since the session was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sound frames received.
    pub messages_in: u64,
    /// Application messages handed to the application.
    pub application_in: u64,
    /// New application messages sent.
    pub application_out: u64,
    /// Application messages sent again.
    pub resent: u64,
    /// SequenceReset-GapFill sent in place of messages that are not sent again.
    pub gap_fills_out: u64,
    /// SequenceReset-GapFill received and followed.
    pub gap_fills_in: u64,
    /// ResendRequest(2) received.
    pub resend_requests_in: u64,
    /// ResendRequest(2) sent.
    pub resend_requests_out: u64,
    /// Messages that waited behind a gap and were dropped, to be asked for again.
    pub parked_dropped: u64,
    /// Messages the application did not want sent again.
    pub resend_vetoes: u64,
    /// Numbers asked for whose record could not be read.
    pub unreadable: u64,
    /// Times the peer's bytes waited on our side for longer than a peer may be silent: it spoke, we
    /// were slow. A peer that was silent is counted under [`Fault::Silence`].
    pub slow_reads: u64,
    /// Reject(3) received.
    pub rejects_in: u64,
    /// Reject(3) and BusinessMessageReject(j) sent.
    pub rejects_out: u64,
    /// TestRequest(1) sent.
    pub test_requests_out: u64,
    /// Messages of the old number series that arrived while a reset of ours was unanswered, and were not
    /// application messages in sequence.
    pub old_series_dropped: u64,
    /// Stretches of bytes that were no sound frame.
    pub garbled: u64,
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
        if matches!(
            fault,
            Fault::Garbled | Fault::GarbledRejected | Fault::GarbledLogon
        ) {
            self.garbled += 1;
        }
    }
}

//! What the exchange's numbers say to a client: business messages and Sequence(506).

use super::letter::{Business, Letter, Sequence};
use super::sending::SEQ_MAX;
use super::{Delivering, Delivery, Fault, Parked, Session, State, Step, Unconsumed, Up};
use crate::session::{Full, InboundAt, SeriesOutbox};
use crate::time::Now;

impl Session {
    /// A business message. `at` is where it can be read back if it must wait; what waited has none.
    pub(super) fn business_from_exchange<O: SeriesOutbox>(
        &mut self,
        now: Now,
        business: &Business,
        letter: &Letter<'_>,
        at: Option<InboundAt>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let bound = out.series();
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        let seq = business.seq.map_or(0, u64::from);
        let expected = fetching.live_next;
        let low = Fault::SeqNum {
            expected,
            received: seq,
        };
        if !(1..=SEQ_MAX).contains(&seq) {
            return self.fault(now, low, Some(letter), out);
        }
        let Some(uuid) = business.uuid else {
            return self.fault(now, Fault::UuidMissing, Some(letter), out);
        };
        if business.retransmitted {
            return self.retransmitted(now, uuid, seq, at, letter, out);
        }
        if uuid != bound {
            let fault = Fault::Uuid {
                expected: bound,
                received: uuid,
            };
            return self.fault(now, fault, Some(letter), out);
        }
        let waited = at.is_none() && seq < expected && seq == out.next_in();
        if waited {
            return Ok(self.deliver(uuid, seq, false));
        }
        if seq < expected {
            return self.fault(now, low, Some(letter), out);
        }
        fetching.live_next = seq + 1;
        if business.unconsumed && self.settings.client.unconsumed == Unconsumed::Sequence {
            self.say_sequence(now, 0, out)?;
        }
        if seq == out.next_in() {
            return Ok(self.deliver(uuid, seq, false));
        }
        self.park(seq, at);
        self.fetch(now, out)
    }

    /// A business message that was under way when we said Terminate. A later one than expected comes
    /// again after the next logon.
    pub(super) fn business_while_leaving<O: SeriesOutbox>(
        &mut self,
        business: &Business,
        out: &mut O,
    ) -> Step {
        let seq = business.seq.map_or(0, u64::from);
        if business.uuid == Some(out.series()) && seq == out.next_in() {
            return self.deliver(out.series(), seq, business.retransmitted);
        }
        Step::Done
    }

    /// Sequence(506) of the exchange.
    pub(super) fn sequence_from_exchange<O: SeriesOutbox>(
        &mut self,
        now: Now,
        sequence: &Sequence,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Err(fault) = self.check_sequence(sequence, out.series()) {
            return self.fault(now, fault, Some(letter), out);
        }
        if self.is_backup() {
            return self.sequence_on_backup(now, sequence, letter, out);
        }
        if sequence.lapsed == Some(1) {
            self.say_sequence(now, 0, out)?;
        }
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        let (expected, received) = (
            fetching.live_next,
            sequence.next_seq_no.map_or(0, u64::from),
        );
        if received < expected {
            let fault = Fault::SequenceLow { expected, received };
            return self.fault(now, fault, Some(letter), out);
        }
        if received > SEQ_MAX + 1 {
            let fault = Fault::NextSeqNo { expected, received };
            return self.fault(now, fault, Some(letter), out);
        }
        if received == expected {
            // During a retransmission this says that nothing more comes.
            fetching.finish_answered();
        }
        fetching.live_next = received;
        self.fetch(now, out)
    }

    /// What both roles ask of a Sequence.
    pub(super) fn check_sequence(&self, sequence: &Sequence, bound: u64) -> Result<(), Fault> {
        match sequence.uuid {
            None => return Err(Fault::UuidMissing),
            Some(received) if received != bound => {
                return Err(Fault::Uuid {
                    expected: bound,
                    received,
                });
            }
            Some(_) => {}
        }
        if sequence.next_seq_no.is_none() {
            return Err(Fault::NextSeqNoMissing);
        }
        if sequence.lapsed.is_none() {
            return Err(Fault::LapsedMissing);
        }
        Ok(())
    }

    /// The application has taken a message.
    pub(super) fn took<O: SeriesOutbox>(
        &mut self,
        now: Now,
        delivering: Delivering,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.advance(delivering.series, delivering.seq + 1, out)?;
        self.fetch(now, out)
    }

    pub(super) fn deliver(&mut self, series: u64, seq: u64, retransmitted: bool) -> Step {
        self.tally.application_in += 1;
        // Counted when the application has taken it: at least once across a crash.
        self.delivering = Some(Delivering {
            series,
            seq,
            template: 0,
        });
        Step::Deliver(Delivery {
            series,
            seq,
            retransmitted,
            delayed: None,
        })
    }

    /// Keeps a message of the current series for later. One there is no room for is asked for again.
    pub(super) fn park(&mut self, seq: u64, at: Option<InboundAt>) {
        let Err(place) = self.parked.binary_search_by_key(&seq, |parked| parked.seq) else {
            self.tally.duplicates_in += 1;
            return;
        };
        match at {
            Some(at) if self.parked.len() < self.settings.client.parked_max => {
                self.parked.insert(place, Parked { seq, at });
            }
            _ => self.tally.parked_dropped += 1,
        }
    }
}

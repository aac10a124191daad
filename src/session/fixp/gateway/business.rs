//! Business messages and Sequence(506) of a client, and what a gateway says to them.
//!
//! A message counts as applied once the application has sent something to its client about it, or else
//! once it has returned. A process that dies before either has not applied it, and the client is told so with
//! NotApplied(513) and may send it again: nothing is lost. An application that has done something by then
//! which outlives the process, such as a trade with another session, must know the order again by its
//! ClOrdID(11).

use super::super::letter::{Business, Letter, NotApplied, Sequence};
use super::super::script::{Answer, On};
use super::super::{Delayed, Delivering, Delivery, Fault, Session, State, Step, Verdict};
use super::settings::{BeyondGap, NotAppliedCount, RateLimit, UnaskedGap};
use crate::session::{Class, Full, SeriesOutbox, Text};
use crate::time::{Mono, Now};
use crate::wire::sbe::EncodeError;
use crate::wire::sbe::ilink3::{BusinessRejectEncoder, Delay, layout_of};

/// How many messages came in the window that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    began: Option<Mono>,
    messages: u32,
}

/// What a message is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    Nothing,
    Reject,
    Terminate,
}

impl Window {
    /// Counts a message.
    pub(super) fn count(&mut self, now: Mono, limit: &RateLimit) -> Beyond {
        if self.began.is_none_or(|began| now >= began + limit.window) {
            *self = Self {
                began: Some(now),
                messages: 0,
            };
        }
        self.messages += 1;
        if self.messages > limit.terminate_above {
            Beyond::Terminate
        } else if self.messages > limit.reject_above {
            Beyond::Reject
        } else {
            Beyond::Nothing
        }
    }
}

impl Session {
    pub(super) fn business_from_client<O: SeriesOutbox>(
        &mut self,
        now: Now,
        business: &Business,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let (expected, received) = (out.next_in(), business.seq.map_or(0, u64::from));
        if received < expected || received > self.seq_num_max() {
            return self.fault(now, Fault::SeqNum { expected, received }, Some(letter), out);
        }
        if received > expected {
            let step = self.fault(now, Fault::Gap { expected, received }, Some(letter), out)?;
            if self.settings.gateway.beyond_gap == BeyondGap::Refuse {
                return Ok(step);
            }
            out.set_next_in(received);
        }
        if let State::Up(up) = &mut self.state {
            up.hole = false;
            up.taken_over = false;
        }
        match self.scripted(On::Business) {
            Some(Answer::Silence) => {
                out.set_next_in(received + 1);
                return Ok(Step::Done);
            }
            Some(answer) => return self.act_on(now, answer, letter, out),
            None => {}
        }
        if let Err(fault) = self.within_rate(now) {
            let step = self.fault(now, fault, Some(letter), out)?;
            if step == Step::Done {
                out.set_next_in(received + 1);
            }
            return Ok(step);
        }
        self.tally.application_in += 1;
        let series = out.series();
        self.delivering = Some(Delivering {
            series,
            seq: received,
            template: business.template,
        });
        Ok(Step::Deliver(Delivery {
            series,
            seq: received,
            retransmitted: false,
            delayed: self.gateway.penalty.answering(),
        }))
    }

    /// The application has answered.
    pub(in super::super) fn applied<O: SeriesOutbox>(
        &mut self,
        now: Now,
        delivering: Delivering,
        verdict: Verdict,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Verdict::BusinessReject { reason, text } = verdict
            && let State::Up(_) = self.state
        {
            let about = Business {
                template: delivering.template,
                seq: u32::try_from(delivering.seq).ok(),
                uuid: None,
                retransmitted: false,
                unconsumed: false,
            };
            self.say_business_reject(now, reason, text, Some(&about), out)?;
        }
        self.advance(delivering.series, delivering.seq + 1, out)?;
        self.gateway.penalty.answered();
        self.leave_if_wished(now, out)
    }

    /// The application has sent a message while it was given one: what it was given is applied. Were that
    /// stored only when it returns, a process that dies in between would tell the client that an order was
    /// not applied, and send it the ExecutionReport of that order.
    pub(in super::super) fn answered<O: SeriesOutbox>(&mut self, out: &mut O) {
        if let Some(delivering) = self.delivering
            && delivering.series == out.series()
            && delivering.seq >= out.next_in()
        {
            out.set_next_in(delivering.seq + 1);
        }
    }

    fn within_rate(&mut self, now: Now) -> Result<(), Fault> {
        match self.settings.gateway.rate {
            None => Ok(()),
            Some(limit) => match self.gateway.rate.count(now.mono, &limit) {
                Beyond::Nothing => Ok(()),
                Beyond::Reject => Err(Fault::RateExceeded),
                Beyond::Terminate => Err(Fault::Flood),
            },
        }
    }

    /// Sequence(506) of the client: a sign of life, and perhaps a gap fill.
    pub(super) fn sequence_from_client<O: SeriesOutbox>(
        &mut self,
        now: Now,
        sequence: &Sequence,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Err(fault) = self.check_sequence(sequence, out.series()) {
            return self.fault(now, fault, Some(letter), out);
        }
        let expected = if self.is_backup() { 0 } else { out.next_in() };
        let received = sequence.next_seq_no.map_or(0, u64::from);
        if let State::Up(up) = &mut self.state
            && up.taken_over
        {
            // It was said on the backup, before the client knew better: a sign of life.
            let of_backup = received == 0 && !sequence.primary;
            up.taken_over = of_backup;
            if of_backup {
                if sequence.lapsed == Some(1) {
                    self.say_sequence(now, 0, out)?;
                }
                return Ok(Step::Done);
            }
        }
        if received < expected {
            let fault = Fault::SequenceLow { expected, received };
            return self.fault(now, fault, Some(letter), out);
        }
        if received > self.seq_num_max() + 1 || self.is_backup() && received != 0 {
            let fault = Fault::NextSeqNo { expected, received };
            return self.fault(now, fault, Some(letter), out);
        }
        if sequence.lapsed == Some(1) {
            self.say_sequence(now, 0, out)?;
        }
        if received > expected {
            let State::Up(up) = &mut self.state else {
                return Ok(Step::Done);
            };
            let asked = std::mem::take(&mut up.hole);
            if !asked && self.settings.gateway.unasked_gap == UnaskedGap::NotApplied {
                let fault = Fault::Hole { expected, received };
                let _: Step = self.fault(now, fault, Some(letter), out)?;
                if let State::Up(up) = &mut self.state {
                    up.hole = false;
                }
            }
            out.set_next_in(received);
        }
        Ok(Step::Done)
    }

    /// NotApplied(513): what is missing, and as a rule the message that shows it.
    pub(in super::super) fn not_applied<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        out: &mut O,
    ) -> Result<Step, Full> {
        let (Fault::Gap { expected, received } | Fault::Hole { expected, received }) = fault else {
            return Ok(Step::Done);
        };
        let missing = received - expected;
        let applied =
            matches!(fault, Fault::Gap { .. }) && self.settings.gateway.beyond_gap == BeyondGap::Apply;
        let count = match self.settings.gateway.not_applied_count {
            NotAppliedCount::WithRefused if !applied => missing + 1,
            NotAppliedCount::WithRefused | NotAppliedCount::MissingOnly => missing,
        };
        let letter = Letter::NotApplied(NotApplied {
            uuid: Some(out.series()),
            from: u32::try_from(expected).unwrap_or(u32::MAX),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        });
        self.say(now, &letter, out)?;
        self.tally.not_applied += 1;
        if let State::Up(up) = &mut self.state {
            up.hole = true;
        }
        Ok(Step::Done)
    }

    pub(in super::super) fn reject_business<O: SeriesOutbox>(
        &mut self,
        now: Now,
        reason: u16,
        text: Text,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let about = match over {
            Some(Letter::Business(business)) => Some(business),
            _ => None,
        };
        self.say_business_reject(now, reason, text, about, out)?;
        Ok(Step::Done)
    }
}

/// Room that a BusinessReject(521) fits in.
const BUSINESS_REJECT_ROOM: usize = 352;

impl Session {
    /// BusinessReject(521), a business message of ours. Without `about` it refers to no number, which
    /// says that none was consumed.
    pub(super) fn say_business_reject<O: SeriesOutbox>(
        &mut self,
        now: Now,
        reason: u16,
        text: Text,
        about: Option<&Business>,
        out: &mut O,
    ) -> Result<(), Full> {
        let (number, series) = (self.next_seq_no(out), out.series());
        let version = self.settings.schema_version;
        let delayed = self.gateway.penalty.answering();
        let room = out.claim(Class::Control, BUSINESS_REJECT_ROOM)?;
        let len = business_reject(room, version, about, |encoder| {
            encoder
                .seq_num(number)
                .uuid(series)
                .text(text.as_bytes())
                .sending_time_epoch(now.utc.0)
                .split_msg(Delay(delayed.map_or(u8::MAX, Delayed::split_msg)))
                .business_reject_reason(reason);
        })
        .expect("invariant: the text fits its field, and the message its room");
        if self.is_backup() {
            out.commit_unnumbered(0..len, now.utc);
        } else {
            out.commit(0..len, false, false, now.utc);
        }
        self.spoke(now);
        Ok(())
    }
}

fn business_reject(
    room: &mut [u8],
    version: u16,
    about: Option<&Business>,
    rest: impl FnOnce(&mut BusinessRejectEncoder<'_>),
) -> Result<usize, EncodeError> {
    let mut encoder = BusinessRejectEncoder::new(room, version)?;
    if let Some(about) = about {
        if let Some(seq) = about.seq {
            encoder.ref_seq_num(seq);
        }
        let msg_type = layout_of(about.template).map_or("", |layout| layout.msg_type);
        encoder.ref_msg_type(msg_type.as_bytes());
    }
    rest(&mut encoder);
    encoder.finish()
}

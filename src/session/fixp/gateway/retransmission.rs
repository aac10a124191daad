//! RetransmitRequest(508): what a gateway sends again, a bounded step per call.
//!
//! Messages are sent again from the very bytes that went out; only PossRetransFlag(9765) is set. Nothing
//! here moves the next outgoing number, and new messages may go out between those that are sent again.

use super::super::letter::{Letter, Retransmit, RetransmitReject};
use super::super::negotiate::I63_MAX;
use super::super::script::{Answer, On};
use super::super::sending::mark_retransmitted;
use super::super::{Fault, Replayed, Session, State, Step, Underway};
use super::settings::RetransmitUuid;
use crate::session::{Full, SeriesOutbox, Stored, Text};
use crate::time::Now;

/// How many numbers are looked at per message of a step's budget.
const LOOKED_AT_PER_MESSAGE: usize = 64;

/// MsgCount of an answer about an earlier UUID, where everything was asked for.
const EVERYTHING: u16 = 2500;

/// A request being served.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Serving {
    series: u64,
    next: u64,
    end: u64,
}

impl Serving {
    /// What of it is still to be sent.
    pub(in super::super) fn underway(&self) -> Underway {
        Underway {
            series: self.series,
            next: self.next,
            last: self.end,
        }
    }
}

/// What is to be sent again, and what the answer says of it.
struct Wish {
    serving: Serving,
    count: u16,
}

impl Session {
    pub(super) fn retransmission_asked<O: SeriesOutbox>(
        &mut self,
        now: Now,
        request: &Retransmit,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        self.tally.retransmit_requests += 1;
        match self.scripted(On::RetransmitRequest) {
            Some(Answer::Silence) => return Ok(Step::Done),
            Some(answer) => return self.act_on(now, answer, letter, out),
            None => {}
        }
        let wish = match self.vet_retransmission(request, out) {
            Ok(wish) => wish,
            Err(fault) => return self.fault(now, fault, Some(letter), out),
        };
        let answer = Retransmit {
            count: Some(wish.count),
            ..*request
        };
        self.say(now, &Letter::Retransmission(answer), out)?;
        if let State::Up(up) = &mut self.state {
            up.serving = Some(wish.serving);
        }
        Ok(Step::Done)
    }

    fn vet_retransmission<O: SeriesOutbox>(
        &self,
        request: &Retransmit,
        out: &O,
    ) -> Result<Wish, Fault> {
        let bound = out.series();
        let settings = &self.settings.gateway;
        let strict = settings.retransmit_uuid == RetransmitUuid::Terminate;
        match request.uuid {
            Some(uuid) if uuid == bound => {}
            None if strict => return Err(Fault::UuidMissing),
            None => return Err(Fault::RetransmitUuidMissing),
            Some(received) if strict => {
                return Err(Fault::Uuid {
                    expected: bound,
                    received,
                });
            }
            Some(_) => return Err(Fault::RetransmitUuid),
        }
        let stamp = request.stamp.ok_or(Fault::RetransmitTimestampMissing)?;
        let from = u64::from(request.from.ok_or(Fault::RetransmitFromMissing)?);
        let count = request.count.ok_or(Fault::RetransmitCountMissing)?;
        if stamp > I63_MAX {
            return Err(Fault::RetransmitTimestamp);
        }
        if !(1..=self.seq_num_max()).contains(&from) {
            return Err(Fault::RetransmitFrom);
        }
        if count > settings.request_max {
            return Err(Fault::RetransmitLimit);
        }
        if matches!(&self.state, State::Up(up) if up.serving.is_some()) {
            return Err(Fault::RetransmitInProgress);
        }
        let series = request.last_uuid.unwrap_or(bound);
        let of_this_week = series == 0 || series > self.gateway.floor;
        let numbers = out
            .numbers_of(series)
            .filter(|_| of_this_week)
            .ok_or(Fault::RetransmitUuid)?;
        let published = numbers.next_out - 1;
        let end = match count {
            0 => published.min(from + u64::from(settings.request_max) - 1),
            count => from + u64::from(count) - 1,
        };
        if from > published || end > published {
            return Err(Fault::RetransmitOutOfRange);
        }
        let following = u16::try_from(end + 1 - from).unwrap_or(u16::MAX - 1);
        let serving = Serving {
            series,
            next: from,
            end,
        };
        let count = match count {
            _ if series == bound => following,
            0 => EVERYTHING,
            count => count,
        };
        Ok(Wish { serving, count })
    }

    /// Sends again up to `budget` messages of what was asked for.
    pub(in super::super) fn serve<O: SeriesOutbox>(
        &mut self,
        now: Now,
        budget: usize,
        out: &mut O,
    ) -> Replayed {
        let mut sent = 0;
        for _ in 0..budget.saturating_mul(LOOKED_AT_PER_MESSAGE) {
            let State::Up(up) = &self.state else {
                return Replayed::Finished;
            };
            let Some(Serving { series, next, end }) = up.serving else {
                return Replayed::Finished;
            };
            if next > end {
                return match self.served(now, out) {
                    Ok(()) => Replayed::Finished,
                    Err(_) => Replayed::Waiting,
                };
            }
            if sent == budget {
                break;
            }
            match self.send_again(now, series, next, out) {
                Ok(true) => sent += 1,
                Ok(false) => {}
                Err(_) => return Replayed::Waiting,
            }
            if let State::Up(up) = &mut self.state
                && let Some(serving) = &mut up.serving
            {
                serving.next += 1;
            }
        }
        Replayed::More
    }

    /// Everything that was asked for has gone out.
    fn served<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Result<(), Full> {
        if self.settings.gateway.sequence_after_retransmission {
            self.say_sequence(now, 0, out)?;
        }
        if let State::Up(up) = &mut self.state {
            up.serving = None;
        }
        // A logout that waited for this only says so and waits for the answer.
        let _: Step = self.leave_if_wished(now, out)?;
        Ok(())
    }

    /// Whether there was something to send.
    fn send_again<O: SeriesOutbox>(
        &mut self,
        now: Now,
        series: u64,
        seq: u64,
        out: &mut O,
    ) -> Result<bool, Full> {
        let readable = match out.stored_of(series, seq) {
            Stored::Application => out.claim_replay_of(series, seq)?,
            Stored::Admin | Stored::Absent => return Ok(false),
            Stored::Unreadable => None,
        };
        let Some(replay) = readable else {
            self.tally.unreadable += 1;
            return Ok(false);
        };
        let len = replay.original.len();
        let copy = &mut replay.room[..len];
        copy.copy_from_slice(replay.original);
        mark_retransmitted(copy);
        out.commit_replay(0..len, seq, now.utc);
        self.tally.resent += 1;
        self.spoke(now);
        Ok(true)
    }

    pub(in super::super) fn reject_retransmit<O: SeriesOutbox>(
        &mut self,
        now: Now,
        fault: Fault,
        code: u16,
        over: Option<&Letter<'_>>,
        out: &mut O,
    ) -> Result<Step, Full> {
        if let Some(Letter::RetransmitRequest(request)) = over {
            self.say_retransmit_reject(now, code, fault.text(), request, out)?;
        }
        Ok(Step::Done)
    }

    pub(super) fn say_retransmit_reject<O: SeriesOutbox>(
        &mut self,
        now: Now,
        code: u16,
        reason: Text,
        request: &Retransmit,
        out: &mut O,
    ) -> Result<(), Full> {
        self.tally.retransmit_rejects += 1;
        let reject = RetransmitReject {
            uuid: Some(out.series()),
            last_uuid: request.last_uuid,
            stamp: request.stamp,
            code,
            reason,
        };
        self.say(now, &Letter::RetransmitReject(reject), out)
    }
}

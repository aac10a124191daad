//! What a client is missing, and how it asks for it with RetransmitRequest(508).
//!
//! One request is in flight at a time, for at most 2500 messages. What was published under an earlier
//! UUID comes first, then the gap under the current one. A range is not remembered but found: it is what
//! lies between the number expected next and the first message that waits, or the number the exchange
//! says it will use next. So a second gap needs no list, and a lost answer no repair.

use super::letter::{Letter, Response, Retransmit, RetransmitReject};
use super::sending::SEQ_MAX;
use super::settings::ClientSettings;
use super::{Fault, Missed, Session, State, Step, UnknownPrevious, Unserved, Up};
use crate::session::{Full, SeriesOutbox};
use crate::time::{Mono, Now};

/// RetransmitReject: the one before is not finished.
const ALREADY_IN_PROGRESS: u16 = 3;

/// RetransmitReject: there is no such UUID in this week.
const INVALID_UUID: u16 = 1;

/// Under how many UUIDs, beside the one that is asked about, something may be missing at a time.
const LATER_MAX: usize = 4;

/// What a client is missing.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    /// The number of the exchange's next live message.
    pub(super) live_next: u64,
    pub(super) earlier: Option<Earlier>,
    /// The earlier UUID that is done with, and up to which number: the outbox need not know it.
    done: Option<(u64, u64)>,
    /// What comes after `earlier`, in this order.
    later: [Option<Earlier>; LATER_MAX],
    asked: Option<Request>,
    /// The exchange was still busy: ask again then.
    again_at: Option<Mono>,
    /// Requests in a row that brought nothing.
    fruitless: u32,
}

/// What was published under an earlier UUID and has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    pub(super) series: u64,
    pub(super) next: u64,
    pub(super) end: u64,
    /// Nobody has said that there is anything: it is asked for without an end, and nothing is missed if
    /// nothing comes.
    guessed: bool,
}

impl Earlier {
    fn guessed(series: u64, next: u64) -> Self {
        Self {
            series,
            next,
            end: SEQ_MAX,
            guessed: true,
        }
    }
}

/// A retransmission that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underway {
    /// UUID of the series it is of.
    pub series: u64,
    /// The first number that is still missing, or still to be sent.
    pub next: u64,
    /// The last number of it.
    pub last: u64,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
struct Request {
    series: u64,
    from: u64,
    last: u64,
    stamp: u64,
    give_up: Mono,
    /// The exchange has said that it begins.
    answered: bool,
    /// Nothing more comes for it.
    finished: bool,
}

impl Fetching {
    pub(super) fn from(live_next: u64) -> Self {
        Self {
            live_next,
            ..Self::default()
        }
    }

    /// What of it outlives the connection: where it stands with earlier UUIDs, of which the exchange speaks at
    /// an Establish only.
    pub(super) fn of_earlier(&self, live_next: u64) -> Self {
        Self {
            live_next,
            earlier: self.earlier,
            done: self.done,
            later: self.later,
            ..Self::default()
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.asked.map(|asked| asked.give_up).or(self.again_at)
    }

    /// Asks also for what came after our last message of the series before, where the exchange does not
    /// speak of it: it took a Negotiate of ours whose answer was lost, and names the UUID of that one.
    pub(super) fn guess<O: SeriesOutbox>(&mut self, ack: &Response, out: &O) {
        let Some(series) = out.previous_series() else {
            return;
        };
        if [0, series].contains(&ack.previous_uuid) || series == out.series() {
            return;
        }
        if let Some(numbers) = out.numbers_of(series) {
            let said = self
                .earlier
                .replace(Earlier::guessed(series, numbers.next_in));
            if let Some(said) = said {
                self.later(said);
            }
        }
    }

    /// Goes on also with what was missing under earlier UUIDs when the session was established last: the
    /// exchange speaks of the one before only. Answers what there are too many UUIDs for.
    pub(super) fn resume(&mut self, left: &Self, current: u64) -> Option<Earlier> {
        let mut beyond = None;
        for one in left.earlier.iter().chain(left.later.iter().flatten()) {
            let known = self.earlier.iter().chain(self.later.iter().flatten());
            let is_known = known.clone().any(|known| known.series == one.series);
            if !one.guessed && one.series != current && !is_known && !self.later(*one) {
                beyond = Some(*one);
            }
        }
        if self.earlier.is_none() {
            self.next_earlier();
        }
        beyond
    }

    /// Puts it behind all others. Answers whether there was room.
    fn later(&mut self, one: Earlier) -> bool {
        let free = self.later.iter_mut().find(|place| place.is_none());
        free.map(|place| *place = Some(one)).is_some()
    }

    /// The earlier UUID that is asked about is done with.
    fn next_earlier(&mut self) {
        self.earlier = self.later[0].take();
        self.later.rotate_left(1);
    }

    /// Compares PreviousUUID and PreviousSeqNo with what there is.
    pub(super) fn look_back<O: SeriesOutbox>(
        &mut self,
        ack: &Response,
        settings: &ClientSettings,
        out: &O,
    ) -> Result<(), Fault> {
        let (series, end) = (ack.previous_uuid, u64::from(ack.previous_seq_no));
        if series == out.series() || end == 0 {
            return Ok(());
        }
        let known = out.numbers_of(series).map(|numbers| numbers.next_in);
        let next = match known {
            Some(next) => next,
            None if series == 0 || settings.unknown_previous == UnknownPrevious::Fetch => 1,
            None => return Err(Fault::UnknownPrevious { uuid: series }),
        };
        if next <= end {
            self.earlier = Some(Earlier {
                series,
                next,
                end,
                guessed: false,
            });
        }
        Ok(())
    }

    fn is_guess(&self, series: u64) -> bool {
        self.earlier
            .is_some_and(|earlier| earlier.series == series && earlier.guessed)
    }

    /// No more will come for the request in flight.
    fn finish(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.finished = true;
        }
    }

    /// The exchange says that it has nothing more to say. Before it has said that a retransmission begins,
    /// that is about the one before.
    pub(super) fn finish_answered(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.finished |= asked.answered;
        }
    }

    /// What is below this number of an earlier series is not missing any more.
    fn done_of<O: SeriesOutbox>(&self, series: u64, out: &O) -> u64 {
        let kept = out.numbers_of(series).map_or(0, |numbers| numbers.next_in);
        let done = self.done.filter(|done| done.0 == series);
        done.map_or(kept, |done| kept.max(done.1))
    }

    /// A message of a retransmission came.
    fn note(&mut self, series: u64, seq: u64) {
        if let Some(asked) = &mut self.asked
            && asked.series == series
            && seq >= asked.last
        {
            asked.finished = true;
        }
    }
}

impl Session {
    /// A message with PossRetransFlag=1.
    pub(super) fn retransmitted<O: SeriesOutbox>(
        &mut self,
        now: Now,
        series: u64,
        seq: u64,
        at: Option<crate::session::InboundAt>,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        let current = series == out.series();
        let next = match up.fetching.earlier {
            _ if current => out.next_in(),
            Some(earlier) if earlier.series == series => earlier.next,
            // A late copy, after the series was complete or given up.
            _ if seq < up.fetching.done_of(series, out) => {
                self.tally.duplicates_in += 1;
                return Ok(Step::Done);
            }
            _ => {
                let expected = out.series();
                let fault = Fault::Uuid {
                    expected,
                    received: series,
                };
                return self.fault(now, fault, Some(letter), out);
            }
        };
        up.fetching.note(series, seq);
        if current {
            up.fetching.live_next = up.fetching.live_next.max(seq + 1);
        }
        if seq == next {
            // The exchange is at it, whatever it has said.
            up.fetching.fruitless = 0;
            return Ok(self.deliver(series, seq, true));
        }
        if seq < next {
            self.tally.duplicates_in += 1;
        } else if current {
            self.park(seq, at);
        } else {
            self.tally.parked_dropped += 1;
        }
        self.fetch(now, out)
    }

    /// Retransmission(509): what was asked for follows.
    pub(super) fn retransmission_begins<O: SeriesOutbox>(
        &mut self,
        now: Now,
        answer: &Retransmit,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let series = out.series();
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        let Some(asked) = fetching.asked.as_mut().filter(|asked| {
            answer.stamp == Some(asked.stamp) && answer.from.map(u64::from) == Some(asked.from)
        }) else {
            return self.fault(now, Fault::RetransmissionUnasked, Some(letter), out);
        };
        asked.answered = true;
        if asked.series == series
            && let Some(count) = answer.count
        {
            // Under the current UUID the count is that of what follows; under an earlier one it is not.
            asked.last = asked
                .last
                .min(asked.from + u64::from(count).saturating_sub(1));
            asked.finished |= count == 0;
        }
        self.fetch(now, out)
    }

    /// RetransmitReject(510).
    pub(super) fn retransmission_refused<O: SeriesOutbox>(
        &mut self,
        now: Now,
        reject: &RetransmitReject,
        letter: &Letter<'_>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let interval = self.interval();
        let fruitless_max = self.settings.client.fruitless_max;
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        let Some(asked) = fetching
            .asked
            .filter(|asked| reject.stamp.is_none() || reject.stamp == Some(asked.stamp))
        else {
            return self.fault(now, Fault::RetransmissionUnasked, Some(letter), out);
        };
        self.tally.retransmit_rejects += 1;
        fetching.asked = None;
        if reject.code == INVALID_UUID && asked.series != 0 && fetching.is_guess(asked.series) {
            // A week has begun that nobody told us of. What there was before its first Negotiate is of
            // UUID 0, and of that nothing has come.
            fetching.earlier = Some(Earlier::guessed(0, 1));
            return self.fetch(now, out);
        }
        if reject.code == ALREADY_IN_PROGRESS {
            fetching.fruitless += 1;
            if fetching.fruitless < fruitless_max {
                fetching.again_at = Some(now.mono + interval);
                return Ok(Step::Done);
            }
        }
        self.give_up(now, asked, out)
    }

    /// Asks for what is missing, unless a request is in flight; ends the one that is finished.
    pub(super) fn fetch<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let first_parked = self.parked.front().map(|parked| parked.seq);
        let settings = &self.settings.client;
        let State::Up(up) = &mut self.state else {
            return Ok(Step::Done);
        };
        let fetching = &mut up.fetching;
        if let Some(asked) = fetching.asked {
            let next = next_of(fetching, asked.series, out);
            if !asked.finished && next <= asked.last {
                return Ok(Step::Done);
            }
            fetching.asked = None;
            if next > asked.from {
                fetching.fruitless = 0;
            } else {
                fetching.fruitless += 1;
                if fetching.fruitless >= settings.fruitless_max || fetching.is_guess(asked.series) {
                    return self.give_up(now, asked, out);
                }
            }
        }
        if fetching.again_at.is_some_and(|at| now.mono < at) {
            return Ok(Step::Done);
        }
        fetching.again_at = None;
        let current = out.series();
        let (series, from, end) = match fetching.earlier {
            Some(Earlier {
                series, next, end, ..
            }) => (series, next, end),
            None => {
                let known = first_parked.map_or(fetching.live_next, |seq| seq.min(fetching.live_next));
                (current, out.next_in(), known.saturating_sub(1))
            }
        };
        if from > end {
            return self.leave_if_wished(now, out);
        }
        let last = end.min(from + u64::from(settings.request_max) - 1);
        let timeout = settings.retransmit_timeout;
        let guess = fetching.is_guess(series);
        let stamp = self.stamp(now);
        let request = Retransmit {
            uuid: Some(current),
            last_uuid: (series != current).then_some(series),
            stamp: Some(stamp),
            from: u32::try_from(from).ok(),
            // No number is everything there is, up to what an answer may hold.
            count: if guess {
                Some(0)
            } else {
                u16::try_from(last + 1 - from).ok()
            },
        };
        self.say(now, &Letter::RetransmitRequest(request), out)?;
        self.tally.retransmit_requests += 1;
        if let State::Up(up) = &mut self.state {
            up.fetching.asked = Some(Request {
                series,
                from,
                last,
                stamp,
                give_up: now.mono + timeout,
                answered: false,
                finished: false,
            });
        }
        Ok(Step::Done)
    }

    /// The RetransmitRequest(508) under way: what of it is still to come, or to be sent by a gateway.
    #[must_use]
    pub fn retransmission<O: SeriesOutbox>(&self, out: &O) -> Option<Underway> {
        let State::Up(up) = &self.state else {
            return None;
        };
        if let Some(serving) = &up.serving {
            return Some(serving.underway());
        }
        let asked = up.fetching.asked?;
        Some(Underway {
            series: asked.series,
            next: asked
                .from
                .max(next_of(&up.fetching, asked.series, out))
                .min(asked.last),
            last: asked.last,
        })
    }

    /// A request that took too long, or one that is to be made again.
    pub(super) fn fetch_due<O: SeriesOutbox>(&mut self, now: Now, out: &mut O) -> Result<Step, Full> {
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        if fetching.deadline().is_none_or(|at| now.mono < at) {
            return Ok(Step::Done);
        }
        fetching.finish();
        self.fetch(now, out)
    }

    /// What was asked for will not come.
    fn give_up<O: SeriesOutbox>(
        &mut self,
        now: Now,
        asked: Request,
        out: &mut O,
    ) -> Result<Step, Full> {
        let State::Up(Up { fetching, .. }) = &mut self.state else {
            return Ok(Step::Done);
        };
        fetching.fruitless = 0;
        fetching.again_at = None;
        let Request { series, last, .. } = asked;
        if fetching.is_guess(series) {
            fetching.next_earlier();
            return self.fetch(now, out);
        }
        let first = next_of(fetching, series, out);
        let fault = Fault::RetransmitUnserved {
            series,
            first,
            last,
        };
        self.tally.note(fault);
        if self.settings.client.unserved == Unserved::Terminate {
            if series != out.series() {
                // Said with the Terminate, and not asked for again by ourselves.
                fetching.next_earlier();
            }
            return self.terminate_over(now, fault, 0, None, out);
        }
        self.advance(series, last + 1, out)?;
        let _: Step = self.fetch(now, out)?;
        Ok(Step::Missed(Missed {
            series,
            first,
            last,
        }))
    }

    /// Everything below `next` is done with.
    pub(super) fn advance<O: SeriesOutbox>(
        &mut self,
        series: u64,
        next: u64,
        out: &mut O,
    ) -> Result<(), Full> {
        if series == out.series() {
            if next > out.next_in() {
                out.set_next_in(next);
            }
            return Ok(());
        }
        out.set_next_in_of(series, next)?;
        let fetching = match &mut self.state {
            State::Up(up) => &mut up.fetching,
            _ => &mut self.client.left,
        };
        if let Some(earlier) = &mut fetching.earlier
            && earlier.series == series
        {
            earlier.next = next;
            if next > earlier.end {
                fetching.done = Some((series, next));
                fetching.next_earlier();
            }
        }
        Ok(())
    }
}

/// The number expected next in a series; past every number for an earlier one that is finished.
fn next_of<O: SeriesOutbox>(fetching: &Fetching, series: u64, out: &O) -> u64 {
    if series == out.series() {
        return out.next_in();
    }
    match fetching.earlier {
        Some(earlier) if earlier.series == series => earlier.next,
        _ => u64::MAX,
    }
}

//! An outbox made of vectors: several series, what was sent under each, and what survives a kill.

use std::collections::BTreeMap;
use std::ops::Range;

use pinfix::session::{
    Class, Full, InboundAt, Numbers, Outbox, Queued, REPLAY_GROWTH, Replay, ResetCause, SeriesOutbox,
    Stored,
};
use pinfix::time::Utc;

/// One number series.
#[derive(Clone, Debug)]
struct Series {
    id: u64,
    numbers: Numbers,
    sent: BTreeMap<u64, (Stored, Vec<u8>)>,
}

impl Series {
    fn new(id: u64) -> Self {
        Self {
            id,
            numbers: Numbers {
                next_out: 1,
                next_in: 1,
            },
            sent: BTreeMap::new(),
        }
    }
}

/// Keeps everything for ever.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The last is the current one.
    series: Vec<Series>,
    /// What goes on the wire and was not taken yet.
    pub wire: Vec<Vec<u8>>,
    inbound: Vec<Vec<u8>>,
    unsent: Vec<(u64, u64)>,
    latest: Utc,
    port_closed: bool,
    room: Vec<u8>,
    /// What every claim is answered with, to play a full outbox.
    pub full: Option<Full>,
}

impl Shelf {
    pub fn empty() -> Self {
        Self {
            series: vec![Series::new(0)],
            wire: Vec::new(),
            inbound: Vec::new(),
            unsent: Vec::new(),
            latest: Utc::default(),
            port_closed: false,
            room: Vec::new(),
            full: None,
        }
    }

    /// What was sent under `seq` cannot be read any more.
    pub fn spoil(&mut self, seq: u64) {
        if let Some(entry) = self.current_mut().sent.get_mut(&seq) {
            entry.0 = Stored::Unreadable;
        }
    }

    fn current(&self) -> &Series {
        self.series.last().expect("there is always one")
    }

    fn current_mut(&mut self) -> &mut Series {
        self.series.last_mut().expect("there is always one")
    }

    /// The latest series of this identifier.
    fn of(&self, id: u64) -> Option<&Series> {
        self.series.iter().rev().find(|series| series.id == id)
    }

    fn publish(&mut self, frame: Range<usize>, kind: Stored) -> Vec<u8> {
        let frame = self.room[frame].to_vec();
        let series = self.current_mut();
        let seq = series.numbers.next_out;
        series.sent.insert(seq, (kind, frame.clone()));
        series.numbers.next_out += 1;
        frame
    }
}

impl Outbox for Shelf {
    fn next_out(&self) -> u64 {
        self.current().numbers.next_out
    }

    fn next_in(&self) -> u64 {
        self.current().numbers.next_in
    }

    fn series_began(&self) -> Utc {
        Utc::default()
    }

    fn series_cause(&self) -> ResetCause {
        ResetCause::Negotiated
    }

    fn is_masked_sent(&self) -> bool {
        true
    }

    fn claim(&mut self, class: Class, len: usize) -> Result<&mut [u8], Full> {
        if let Some(full) = self.full
            && class != Class::Queued
            && full != Full::TooLong
        {
            return Err(full);
        }
        self.room = vec![0xEE; len];
        Ok(&mut self.room)
    }

    fn commit(&mut self, frame: Range<usize>, admin: bool, _: bool, at: Utc) {
        self.latest = self.latest.max(at);
        let kind = if admin {
            Stored::Admin
        } else {
            Stored::Application
        };
        let frame = self.publish(frame, kind);
        self.wire.push(frame);
    }

    fn commit_replay(&mut self, frame: Range<usize>, _: u64, at: Utc) {
        self.latest = self.latest.max(at);
        self.wire.push(self.room[frame].to_vec());
    }

    fn commit_unsent(&mut self, frame: Range<usize>, at: Utc) {
        self.latest = self.latest.max(at);
        let (id, seq) = (self.current().id, self.next_out());
        self.unsent.push((id, seq));
        self.publish(frame, Stored::Application);
    }

    fn is_unsent(&self, seq: u64) -> bool {
        self.unsent.contains(&(self.current().id, seq))
    }

    fn queued(&self) -> Queued {
        Queued::default()
    }

    fn commit_queued(&mut self, _: Range<usize>, _: Utc) {
        panic!("a FIXP session queues nothing");
    }

    fn claim_queued(&mut self) -> Result<Option<Replay<'_>>, Full> {
        Ok(None)
    }

    fn commit_dequeued(&mut self, _: Range<usize>, _: Utc) {
        panic!("a FIXP session queues nothing");
    }

    fn drop_queued(&mut self) {}

    fn stored(&self, seq: u64) -> Stored {
        self.stored_of(self.current().id, seq)
    }

    fn claim_replay(&mut self, seq: u64) -> Result<Option<Replay<'_>>, Full> {
        self.claim_replay_of(self.current().id, seq)
    }

    fn keep_inbound(
        &mut self,
        _: u64,
        frame: &[u8],
        _: &[Range<usize>],
        needed: bool,
        _: Utc,
    ) -> Result<Option<InboundAt>, Full> {
        if !needed {
            return Ok(None);
        }
        if self.full == Some(Full::TooLong) {
            return Err(Full::TooLong);
        }
        self.inbound.push(frame.to_vec());
        Ok(Some(InboundAt(self.inbound.len() as u64 - 1)))
    }

    fn inbound(&self, at: InboundAt) -> Option<&[u8]> {
        self.inbound
            .get(usize::try_from(at.0).ok()?)
            .map(Vec::as_slice)
    }

    fn set_next_in(&mut self, next: u64) {
        self.current_mut().numbers.next_in = next;
    }

    fn reset(&mut self, _: u64, _: u64, _: ResetCause, _: Utc) -> Result<(), Full> {
        panic!("a FIXP session begins a series instead");
    }

    fn renumber(&mut self, next_out: u64, next_in: u64, _: ResetCause, _: Utc) -> Result<(), Full> {
        self.current_mut().numbers = Numbers { next_out, next_in };
        Ok(())
    }
}

impl SeriesOutbox for Shelf {
    fn series(&self) -> u64 {
        self.current().id
    }

    fn begin_series(&mut self, id: u64, _: ResetCause, at: Utc) -> Result<(), Full> {
        if let Some(full) = self.full {
            return Err(full);
        }
        self.latest = self.latest.max(at);
        self.series.push(Series::new(id));
        Ok(())
    }

    fn latest(&self) -> Utc {
        self.latest
    }

    fn previous_series(&self) -> Option<u64> {
        self.series.iter().rev().nth(1).map(|series| series.id)
    }

    fn last_of_weeks_before(&self) -> u64 {
        let began = self.series.iter().rposition(|series| series.id == 0);
        let before = &self.series[..began.unwrap_or(0)];
        before.iter().map(|series| series.id).max().unwrap_or(0)
    }

    fn numbers_of(&self, series: u64) -> Option<Numbers> {
        self.of(series).map(|series| series.numbers)
    }

    fn is_port_closed(&self) -> bool {
        self.port_closed
    }

    fn set_port_closed(&mut self, closed: bool) {
        self.port_closed = closed;
    }

    fn set_next_in_of(&mut self, series: u64, next: u64) -> Result<(), Full> {
        if self.of(series).is_none() {
            let before_last = self.series.len().saturating_sub(2);
            self.series.insert(before_last, Series::new(series));
        }
        let found = self.series.iter_mut().rev().find(|of| of.id == series);
        found.expect("a series that is kept").numbers.next_in = next;
        Ok(())
    }

    fn commit_unnumbered(&mut self, frame: Range<usize>, at: Utc) {
        self.latest = self.latest.max(at);
        self.wire.push(self.room[frame].to_vec());
    }

    fn stored_of(&self, series: u64, seq: u64) -> Stored {
        let found = self.of(series).and_then(|series| series.sent.get(&seq));
        found.map_or(Stored::Absent, |entry| entry.0)
    }

    fn claim_replay_of(&mut self, series: u64, seq: u64) -> Result<Option<Replay<'_>>, Full> {
        if let Some(full) = self.full {
            return Err(full);
        }
        let found = self.series.iter().rev().find(|of| of.id == series);
        let Some((Stored::Application, original)) = found.and_then(|series| series.sent.get(&seq))
        else {
            return Ok(None);
        };
        self.room = vec![0xEE; original.len() + REPLAY_GROWTH];
        Ok(Some(Replay {
            original,
            room: &mut self.room,
        }))
    }
}

//! The writing half of the journal: room, records, numbers, and the change of segments.
//!
//! Invariant: a call that answers [`Full`] has changed nothing a reader could see; segments change only
//! here, and only while no frame is being written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::config::Durability;
use super::keeper::Job;
use super::port::position;
use super::record::{Kind, Mark, RESET_BYTES, Reset};
use super::segment::{Beginning, Numbers, OVERHEAD_BYTES, RECORDS_AT, Segment, cost};
use super::{Claimed, Cursor, Journal};
use crate::session::{
    Class, Full, InboundAt, Outbox, Queued, REPLAY_GROWTH, Replay, ResetCause, Stored,
};
use crate::time::Utc;

/// Each segment is this many times the one before, up to the largest allowed.
const GROWTH: usize = 2;
/// The next segment is asked for when less than this part of the last one is left.
const ASK_BELOW: (usize, usize) = (3, 4);
/// What a secret is overwritten with.
const MASK: u8 = b'*';

impl Outbox for Journal {
    fn next_out(&self) -> u64 {
        self.numbers.next_out
    }

    fn next_in(&self) -> u64 {
        self.numbers.next_in
    }

    fn series_began(&self) -> Utc {
        self.numbers.began
    }

    fn series_cause(&self) -> ResetCause {
        self.numbers.cause
    }

    fn is_masked_sent(&self) -> bool {
        self.unsent_bytes == 0 || self.cursor.position > self.masked_at
    }

    fn claim(&mut self, class: Class, len: usize) -> Result<&mut [u8], Full> {
        self.claimed = None;
        self.may_send(class, len)?;
        self.make_room(len, self.reserve_for(class))?;
        self.claimed = Some(Claimed { class, len });
        Ok(self.tail_mut().room(len))
    }

    fn commit(&mut self, frame: Range<usize>, admin: bool, masked: bool, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class != Class::Replay,
            "room claimed for a replay is committed as a replay"
        );
        let kind = if admin {
            Kind::Admin
        } else {
            Kind::Application
        };
        let seq = self.numbers.next_out;
        let mark = if masked { Mark::Masked } else { Mark::None };
        self.publish(kind, mark, frame, seq, at);
        self.numbers.next_out = seq + 1;
    }

    fn commit_replay(&mut self, frame: Range<usize>, seq: u64, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class == Class::Replay,
            "a replay is committed in room claimed for a replay"
        );
        self.publish(Kind::Replay, Mark::None, frame, seq, at);
    }

    fn is_unsent(&self, seq: u64) -> bool {
        let found = self.locate(seq);
        found.is_some_and(|(_, _, head)| head.mark() == Mark::Unsent)
    }

    fn commit_unsent(&mut self, frame: Range<usize>, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class == Class::Queued,
            "a frame for no socket is committed in room claimed for that"
        );
        let seq = self.numbers.next_out;
        self.tail_mut()
            .publish(Kind::Application, Mark::Unsent, frame, seq, at);
        self.numbers.next_out = seq + 1;
        self.published(at);
    }

    fn queued(&self) -> Queued {
        self.queue.stat()
    }

    fn commit_queued(&mut self, frame: Range<usize>, at: Utc) {
        self.commit_to_queue(frame, at);
    }

    fn claim_queued(&mut self) -> Result<Option<Replay<'_>>, Full> {
        self.claim_from_queue()
    }

    fn drop_queued(&mut self) {
        self.drop_from_queue();
    }

    fn commit_dequeued(&mut self, frame: Range<usize>, at: Utc) {
        self.commit_from_queue(frame, at);
    }

    /// An application message whose secrets were masked cannot be sent again from here, so it is
    /// [`Stored::Absent`].
    fn stored(&self, seq: u64) -> Stored {
        match self.locate(seq) {
            Some((_, _, head)) if head.kind == Kind::Admin as u8 => Stored::Admin,
            Some((_, _, head)) if !head.is_masked() => Stored::Application,
            None if self.should_have(seq) => Stored::Unreadable,
            Some(_) | None => Stored::Absent,
        }
    }

    fn claim_replay(&mut self, seq: u64) -> Result<Option<Replay<'_>>, Full> {
        self.claimed = None;
        // A change of segments only adds to the end of the list: the place found here stays right.
        let Some((nth, offset, head)) = self.locate(seq).filter(|(_, _, head)| !head.is_masked())
        else {
            return Ok(None);
        };
        let frame = Self::frame_at(offset, &head);
        let len = frame.len() + REPLAY_GROWTH;
        self.may_send(Class::Replay, len)?;
        self.make_room(len, self.reserve_for(Class::Replay))?;
        self.claimed = Some(Claimed {
            class: Class::Replay,
            len,
        });
        Ok(Some(self.beside_room(nth, frame, len)))
    }

    fn keep_inbound(
        &mut self,
        seq: u64,
        frame: &[u8],
        secrets: &[Range<usize>],
        needed: bool,
        at: Utc,
    ) -> Result<Option<InboundAt>, Full> {
        if !needed && !self.settings.record_inbound {
            return Ok(None);
        }
        self.claimed = None;
        self.make_room(frame.len(), self.settings.control_reserve_bytes)?;
        let tail = self.tail_mut();
        let room = tail.room(frame.len());
        room.copy_from_slice(frame);
        for secret in secrets {
            room[secret.clone()].fill(MASK);
        }
        let mark = Mark::masked(secrets);
        let offset = tail.publish(Kind::Inbound, mark, 0..frame.len(), seq, at);
        let kept = position(tail.number(), offset);
        self.published(at);
        Ok(Some(InboundAt(kept)))
    }

    fn inbound(&self, at: InboundAt) -> Option<&[u8]> {
        let (segment, offset) = self.at(at.0)?;
        let head = segment
            .good(offset)
            .filter(|head| head.kind == Kind::Inbound as u8)?;
        segment.get(Self::frame_at(offset, &head))
    }

    fn set_next_in(&mut self, next: u64) {
        self.numbers.next_in = next;
        let series = self.numbers.series;
        self.tail_mut().set_next_in(series, next);
        self.note_dirty();
    }

    fn reset(&mut self, next_out: u64, next_in: u64, why: ResetCause, at: Utc) -> Result<(), Full> {
        self.claimed = None;
        self.make_room(RESET_BYTES, 0)?;
        let series = self.numbers.series + 1;
        let reset = Reset {
            series,
            next_out,
            next_in,
            cause: why,
            begun: None,
        };
        self.publish_restart(&reset, at);
        Ok(())
    }

    fn renumber(&mut self, next_out: u64, next_in: u64, why: ResetCause, at: Utc) -> Result<(), Full> {
        let Numbers {
            series,
            next_out: from,
            next_in: expected,
            ..
        } = self.numbers;
        assert!(
            next_out >= from && next_in >= expected && why.continues_series(),
            "within a series numbers only rise"
        );
        self.claimed = None;
        self.make_room(RESET_BYTES, 0)?;
        let reset = Reset {
            series,
            next_out,
            next_in,
            cause: why,
            begun: None,
        };
        let tail = self.tail_mut();
        let offset = tail.publish_reset(&reset, from, at);
        if next_out > from {
            tail.pass_over(from, offset);
        }
        // A crash before this store is mended: the record has the number, too.
        tail.set_next_in(series, next_in);
        self.numbers.next_out = next_out;
        self.numbers.next_in = next_in;
        self.published(at);
        Ok(())
    }
}

impl Journal {
    /// Starts a new segment if the next one is ready; otherwise sees to it that it will be. Answers
    /// whether it did. A last segment without records is as good as a new one.
    pub(crate) fn rotate(&mut self) -> bool {
        if self.is_tail_fresh() {
            return true;
        }
        self.claimed = None;
        let ready = self.next_is_ready();
        if ready {
            self.roll();
        }
        ready
    }

    /// Publishes the record by which a series begins, for which there is room, and goes on with its
    /// numbers.
    pub(super) fn publish_restart(&mut self, reset: &Reset, at: Utc) {
        let Reset {
            series,
            next_out,
            next_in,
            cause,
            ..
        } = *reset;
        let tail = self.tail_mut();
        let offset = tail.publish_reset(reset, 0, at);
        let here = position(tail.number(), offset);
        tail.start_series(series);
        // A crash before this store is noticed: the word still carries the series before.
        tail.set_next_in(series, next_in);
        self.series.begin(reset, here);
        self.numbers = Numbers {
            series,
            began: at,
            cause,
            next_out,
            next_in,
        };
        self.published(at);
    }

    /// Takes over what a journal before this one has recorded of the peer, as it stands there.
    ///
    /// # Errors
    /// There is no room for one of the records; those before it are here.
    pub(crate) fn take_over_inbound(&mut self, from: &Self) -> Result<(), Full> {
        for segment in &from.segments {
            let mut offset = RECORDS_AT;
            while offset < segment.end() {
                let Some(head) = segment.head(offset) else {
                    break;
                };
                let frame = segment.get(Self::frame_at(offset, &head));
                if let Some(frame) = frame.filter(|_| head.kind == Kind::Inbound as u8) {
                    self.make_room(frame.len(), 0)?;
                    let tail = self.tail_mut();
                    tail.room(frame.len()).copy_from_slice(frame);
                    let whole = 0..frame.len();
                    tail.publish(Kind::Inbound, head.mark(), whole, head.seq, head.at);
                    self.published(head.at);
                }
                offset += head.length();
            }
        }
        Ok(())
    }

    /// Records that the first series began, for the log: its numbers are in the header.
    pub(super) fn note_creation(&mut self) {
        let Numbers {
            series,
            began,
            cause,
            next_out,
            next_in,
        } = self.numbers;
        let reset = Reset {
            series,
            next_out,
            next_in,
            cause,
            begun: None,
        };
        let tail = self.tail_mut();
        tail.publish_reset(&reset, 0, began);
        self.published(began);
    }

    /// A frame that was published, in the segment `nth` of the list, beside room for its copy.
    pub(super) fn beside_room(&mut self, nth: usize, frame: Range<usize>, len: usize) -> Replay<'_> {
        let (tail, before) = self
            .segments
            .split_last_mut()
            .expect("invariant: a journal has a last segment");
        let (original, room) = match before.get(nth) {
            Some(segment) => {
                let original = segment
                    .get(frame)
                    .expect("invariant: a located frame is inside its segment");
                (original, tail.room(len))
            }
            None => tail.frame_and_room(frame, len),
        };
        Replay { original, room }
    }

    /// Whether a frame of `len` bytes may join those the socket has not accepted.
    pub(super) fn may_send(&self, class: Class, len: usize) -> Result<(), Full> {
        let settings = &self.settings;
        let limit = match class {
            Class::Application | Class::Replay => {
                settings.unsent_limit_bytes - settings.control_reserve_bytes
            }
            Class::Control => settings.unsent_limit_bytes,
            // It goes to no socket yet.
            Class::Queued => return Ok(()),
        };
        if len > limit {
            return Err(Full::TooLong);
        }
        if self.settings.durability == Durability::FlushEach && self.flush_failed() {
            // Nothing more could ever be shown to the socket.
            return Err(Full::Storage);
        }
        let application = class != Class::Control;
        let crowded = application && self.unsent_frames >= settings.unsent_limit_messages;
        if self.unsent_bytes + len > limit || crowded {
            Err(Full::Unsent)
        } else {
            Ok(())
        }
    }

    /// What `class` must leave free of the last segment while there is no next one.
    pub(super) fn reserve_for(&self, class: Class) -> usize {
        match class {
            Class::Application | Class::Replay | Class::Queued => self.settings.control_reserve_bytes,
            Class::Control => 0,
        }
    }

    /// Sees to it that a record with a payload of `len` bytes fits into the last segment, and leaves
    /// `reserve` bytes of it free unless the next segment is ready.
    pub(super) fn make_room(&mut self, len: usize, reserve: usize) -> Result<(), Full> {
        let longest = self.settings.max_segment_bytes
            - OVERHEAD_BYTES
            - self.settings.control_reserve_bytes
            - self.series.room();
        if len > longest || cost(len) > longest {
            return Err(Full::TooLong);
        }
        let need = cost(len);
        if need + reserve <= self.tail().left() {
            return Ok(());
        }
        self.wanted_bytes = self.wanted_bytes.max(need);
        if !self.next_is_ready() {
            return Err(self.no_next());
        }
        if need <= self.tail().left() {
            self.wanted_bytes = 0;
            return Ok(());
        }
        self.roll();
        if need + reserve <= self.tail().left() {
            self.wanted_bytes = 0;
            return Ok(());
        }
        // The segment was prepared before a record of this length was seen. The next one will hold it.
        if self.next_is_ready() {
            self.roll();
            if need + reserve <= self.tail().left() {
                self.wanted_bytes = 0;
                return Ok(());
            }
        }
        Err(self.no_next())
    }

    fn no_next(&self) -> Full {
        if self.port.prepare_errno.load(Ordering::Relaxed) == 0 {
            Full::Segment
        } else {
            Full::Storage
        }
    }

    pub(super) fn take_claim(&mut self, frame: &Range<usize>) -> Claimed {
        let claimed = self
            .claimed
            .take()
            .expect("a frame is committed in room that was claimed for it");
        assert!(
            frame.start < frame.end && frame.end <= claimed.len,
            "a frame is a part of the claimed room"
        );
        claimed
    }

    /// Publishes a frame for the socket.
    pub(super) fn publish(&mut self, kind: Kind, mark: Mark, frame: Range<usize>, seq: u64, at: Utc) {
        let len = frame.len();
        let tail = self.tail_mut();
        let offset = tail.publish(kind, mark, frame, seq, at);
        let here = position(tail.number(), offset);
        if self.unsent_bytes == 0 {
            self.cursor = Cursor {
                position: here,
                started: 0,
            };
        }
        self.unsent_bytes += len;
        self.unsent_frames += 1;
        if mark == Mark::Masked {
            self.masked_at = here;
        }
        self.published(at);
        if self.settings.durability == Durability::FlushEach {
            self.ask_flush();
        }
    }

    /// What follows every record.
    pub(super) fn published(&mut self, at: Utc) {
        self.last_at = at;
        self.latest_at = self.latest_at.max(at);
        if self.settings.durability != Durability::PageCache {
            let tail = self.tail();
            self.port
                .published
                .store(position(tail.number(), tail.end()), Ordering::Release);
            self.note_dirty();
        }
        if !self.next_asked && self.next.is_none() && self.wants_next() {
            self.ask_next();
        }
    }

    pub(super) fn note_dirty(&self) {
        if let Durability::FlushEvery(_) = self.settings.durability {
            self.port.dirty.store(true, Ordering::Release);
        }
    }

    fn flush_failed(&self) -> bool {
        self.port.flush_errno.load(Ordering::Relaxed) != 0
    }

    /// Asks for a flush unless one is on its way that has not looked yet.
    fn ask_flush(&self) {
        if !self.port.flush_asked.swap(true, Ordering::SeqCst)
            && self
                .line
                .submit(Job::Flush {
                    port: Arc::clone(&self.port),
                })
                .is_err()
        {
            self.port.flush_asked.store(false, Ordering::Release);
        }
    }

    /// Asks again for a flush that could not be asked for, or was put off.
    pub(super) fn ask_flush_again(&self) {
        match self.settings.durability {
            Durability::PageCache => {}
            Durability::FlushEvery(_) => {
                // With a thread, the thread keeps the time.
                if !self.line.keeps_trying() && self.port.dirty.load(Ordering::Acquire) {
                    self.ask_flush();
                }
            }
            Durability::FlushEach => {
                let published = self.port.published.load(Ordering::Relaxed);
                if self.unsent_bytes > 0
                    && self.port.durable.load(Ordering::Acquire) < published
                    && !self.flush_failed()
                {
                    self.ask_flush();
                }
            }
        }
    }

    pub(super) fn wants_next(&self) -> bool {
        let tail = self.tail();
        self.wanted_bytes > 0 || tail.left() / ASK_BELOW.0 < tail.size() / ASK_BELOW.1
    }

    /// Asks for the segment after the last one.
    pub(super) fn ask_next(&mut self) {
        let tail = self.tail();
        let least = self.wanted_bytes
            + OVERHEAD_BYTES
            + self.settings.control_reserve_bytes
            + self.series.room();
        let bytes = (tail.size() * GROWTH)
            .max(least.next_multiple_of(4096))
            .min(self.settings.max_segment_bytes);
        let Some(number) = tail.number().checked_add(1) else {
            return;
        };
        // The list grows on the keeper, too: it must have room for the segment asked for.
        let slots = if self.segments.len() == self.segments.capacity() {
            self.segments.len() * 2
        } else {
            0
        };
        let job = Job::Prepare {
            port: Arc::clone(&self.port),
            number,
            bytes,
            slots,
        };
        self.next_asked = self.line.submit(job).is_ok();
        let came = self.take_next();
        if !came && !self.line.keeps_trying() {
            self.next_asked = false;
        }
    }

    /// Takes the next segment if it has come.
    pub(super) fn take_next(&mut self) -> bool {
        if !self.next_asked {
            return false;
        }
        self.next = self.port.slot.take();
        self.next_asked = self.next.is_none();
        self.next.is_some()
    }

    fn next_is_ready(&mut self) -> bool {
        if self.next.is_none() {
            self.take_next();
        }
        if self.next.is_none() && !self.next_asked {
            self.ask_next();
        }
        self.next.is_some()
    }

    /// Goes on to the next segment, which is ready.
    fn roll(&mut self) {
        let Some(next) = self.next.take() else { return };
        let numbers = self.numbers;
        self.tail_mut().seal(numbers);
        if let Some(mut list) = next.list {
            list.append(&mut self.segments);
            let old = std::mem::replace(&mut self.segments, list);
            // Freed here if there is no room for the job.
            let _ = self.line.submit(Job::Discard(old));
        }
        let number = self.tail().number() + 1;
        let beginning = Beginning {
            number,
            salt: self.salt,
            numbers,
            queue_word: self.queue.word(),
            series_word: self.series.word(),
            at: self.last_at,
            identity: &self.settings.identity,
        };
        let segment = Segment::begin(next.region, beginning);
        if self.settings.durability != Durability::PageCache {
            // From here on a flush includes the new segment, also before its first record.
            self.port
                .published
                .store(position(number, segment.end()), Ordering::Release);
        }
        self.stored_bytes += segment.size() as u64;
        self.segments.push(segment);
        self.note_series();
    }

    /// Hands the oldest segment over for deletion if the settings allow it.
    pub(super) fn retire_oldest(&mut self) -> bool {
        let retention = self.settings.retention;
        if retention == super::Retention::default() {
            return false;
        }
        let [oldest, after, ..] = self.segments.as_slice() else {
            return false;
        };
        if self.queue.needs(oldest.number()) || self.series.needs(oldest.number()) {
            return false;
        }
        let cursor = super::position_segment(self.cursor.position);
        if self.unsent_bytes > 0 && cursor <= oldest.number() {
            return false;
        }
        let too_old = retention
            .age
            .is_some_and(|age| after.began() + age < self.last_at);
        let too_much = retention.bytes.is_some_and(|most| self.stored_bytes > most);
        if !too_old && !too_much {
            return false;
        }
        let segment = self.segments.remove(0);
        let bytes = segment.size() as u64;
        match self.line.submit(Job::Retire {
            port: Arc::clone(&self.port),
            segment,
        }) {
            Ok(()) => {
                self.stored_bytes -= bytes;
                true
            }
            Err(Job::Retire { segment, .. }) => {
                self.segments.insert(0, segment);
                false
            }
            Err(_) => unreachable!("a job that is refused comes back"),
        }
    }
}

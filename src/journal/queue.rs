//! Messages that wait without a number: written while they could not be sent, to be numbered and sent
//! later, in the order they came.
//!
//! They are records like all others, so they survive what the journal survives. A segment's queue word
//! says where to start to look for them at a restart; each one that was sent is told by the mark of the
//! record it was sent by, so one is never sent twice and never forgotten, wherever the process is
//! killed.
//!
//! Invariant: the queue word is 0, or a position at which nothing waited: every record of a waiting
//! message is behind it, and so is the record by which one of those was sent.

use std::collections::VecDeque;
use std::ops::Range;

use super::port::{position, position_offset, position_segment};
use super::record::{Kind, Mark, Seen, find_good};
use super::segment::{RECORDS_AT, Segment};
use super::{Claimed, Journal};
use crate::session::{Class, Full, Queued, REPLAY_GROWTH, Replay};
use crate::time::Utc;

/// What waits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The queue word; means nothing while nothing waits.
    from: u64,
}

/// One message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    position: u64,
    bytes: usize,
}

impl Queue {
    /// What waits in these segments, and room for so many messages at least.
    pub(super) fn found(segments: &[Segment], from: u64, room: usize) -> Self {
        let mut queue = Self {
            waiting: VecDeque::with_capacity(room),
            bytes: 0,
            from,
        };
        if from != 0 {
            let first = position_segment(from);
            for segment in segments.iter().filter(|segment| segment.number() >= first) {
                let start = if segment.number() == first {
                    position_offset(from)
                } else {
                    RECORDS_AT
                };
                queue.take_from(segment, start);
            }
        }
        queue
    }

    fn take_from(&mut self, segment: &Segment, mut offset: usize) {
        while offset < segment.end() {
            let Seen::Good(head) = segment.look(offset) else {
                // Unreadable: recovery has reported it.
                let rest = segment.get(offset..segment.end()).unwrap_or_default();
                match find_good(segment.place(offset), rest).filter(|&at| at > 0) {
                    Some(next) => offset += next,
                    None => return,
                }
                continue;
            };
            if head.kind == Kind::Queued as u8 {
                self.push(position(segment.number(), offset), head.frame().len());
            } else if head.mark() == Mark::Dequeued {
                self.pop();
            }
            offset += head.length();
        }
    }

    fn push(&mut self, position: u64, bytes: usize) {
        self.waiting.push_back(Waiting { position, bytes });
        self.bytes += bytes;
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.waiting.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The word for a segment.
    pub(super) fn word(&self) -> u64 {
        if self.is_empty() { 0 } else { self.from }
    }

    pub(super) fn stat(&self) -> Queued {
        Queued {
            messages: self.waiting.len(),
            bytes: self.bytes,
        }
    }

    /// Whether segment `number` is still needed.
    pub(super) fn needs(&self, number: u32) -> bool {
        !self.is_empty() && position_segment(self.from) <= number
    }
}

impl Journal {
    pub(super) fn commit_to_queue(&mut self, frame: Range<usize>, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class == Class::Queued,
            "a frame is queued in room claimed for that"
        );
        let tail = self.tail_mut();
        let (number, offset) = (tail.number(), tail.end());
        let here = position(number, offset);
        let len = frame.len();
        if self.queue.is_empty() {
            // Before the record: a word that leads to nothing does no harm.
            self.queue.from = here;
            self.tail_mut().set_queue_word(here);
        }
        self.tail_mut()
            .publish(Kind::Queued, Mark::None, frame, 0, at);
        self.queue.push(here, len);
        self.published(at);
    }

    pub(super) fn claim_from_queue(&mut self) -> Result<Option<Replay<'_>>, Full> {
        self.claimed = None;
        let Some(oldest) = self.queue.waiting.front().copied() else {
            return Ok(None);
        };
        let len = oldest.bytes + REPLAY_GROWTH;
        self.may_send(Class::Application, len)?;
        self.make_room(len, self.reserve_for(Class::Application))?;
        self.claimed = Some(Claimed {
            class: Class::Application,
            len,
        });
        let nth = self
            .nth(position_segment(oldest.position))
            .expect("invariant: a segment with a waiting message is kept");
        let offset = position_offset(oldest.position);
        let head = self.segments[nth]
            .head(offset)
            .expect("invariant: a waiting message is a record");
        Ok(Some(self.beside_room(
            nth,
            Self::frame_at(offset, &head),
            len,
        )))
    }

    pub(super) fn commit_from_queue(&mut self, frame: Range<usize>, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class == Class::Application && !self.queue.is_empty(),
            "what is dequeued was claimed from the queue"
        );
        let seq = self.numbers.next_out;
        self.publish(Kind::Application, Mark::Dequeued, frame, seq, at);
        self.numbers.next_out = seq + 1;
        self.drop_from_queue();
    }

    pub(super) fn drop_from_queue(&mut self) {
        self.queue.pop();
        if self.queue.is_empty() {
            self.tail_mut().set_queue_word(0);
            self.note_dirty();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::super::{JournalConfig, Keeper, Location, Retention};
    use super::*;
    use crate::session::Outbox as _;

    fn config(directory: &Path) -> JournalConfig {
        JournalConfig {
            location: Location::Directory(directory.to_owned()),
            identity: "queue".to_owned(),
            first_segment_bytes: 16 * 1024,
            max_segment_bytes: 16 * 1024,
            control_reserve_bytes: 4096,
            queue_max_messages: 64,
            ..JournalConfig::default()
        }
    }

    fn open(directory: &Path) -> Journal {
        let (journal, recovery) = Journal::open(config(directory), &Keeper::inline(), Utc(1)).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        journal
    }

    fn scratch(name: &str) -> PathBuf {
        let name = format!("pinfix-queue-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    /// The files as a kill at this moment would leave them.
    fn killed(journal: &Path, copy: &Path) -> Journal {
        let _ = fs::remove_dir_all(copy);
        fs::create_dir_all(copy).unwrap();
        for entry in fs::read_dir(journal).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "journal") {
                fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
        }
        let (journal, _) = Journal::open(config(copy), &Keeper::inline(), Utc(1)).unwrap();
        journal
    }

    fn queue(journal: &mut Journal, text: &[u8]) {
        let room = journal.claim(Class::Queued, text.len()).unwrap();
        room.copy_from_slice(text);
        journal.commit_queued(0..text.len(), Utc(2));
    }

    /// Sends the oldest and answers it.
    fn dequeue(journal: &mut Journal) -> Option<Vec<u8>> {
        let Replay { original, room } = journal.claim_queued().unwrap()?;
        let text = original.to_vec();
        room[..text.len()].copy_from_slice(&text);
        journal.commit_dequeued(0..text.len(), Utc(3));
        Some(text)
    }

    fn all(mut journal: Journal) -> Vec<String> {
        let texts = std::iter::from_fn(|| dequeue(&mut journal));
        texts.map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn wherever_the_process_is_killed_each_message_is_sent_once_and_in_order() {
        let (directory, copy) = (scratch("kill"), scratch("kill-copy"));
        let mut journal = open(&directory);
        queue(&mut journal, b"one");
        assert_eq!(all(killed(&directory, &copy)), ["one"]);
        queue(&mut journal, b"two");
        queue(&mut journal, b"three");
        assert_eq!(dequeue(&mut journal).unwrap(), b"one");
        assert_eq!(all(killed(&directory, &copy)), ["two", "three"]);

        // Between the claim and the commit.
        let _ = journal.claim_queued().unwrap();
        assert_eq!(all(killed(&directory, &copy)), ["two", "three"]);
        assert_eq!(dequeue(&mut journal).unwrap(), b"two");
        queue(&mut journal, b"four");
        assert_eq!(all(killed(&directory, &copy)), ["three", "four"]);

        // Between the record of the last one and the word.
        dequeue(&mut journal);
        let Replay { original, room } = journal.claim_queued().unwrap().unwrap();
        room[..4].copy_from_slice(original);
        journal.take_claim(&(0..4));
        journal.publish(Kind::Application, Mark::Dequeued, 0..4, 4, Utc(3));
        let empty: [&str; 0] = [];
        assert_eq!(all(killed(&directory, &copy)), empty);
        let _ = (fs::remove_dir_all(directory), fs::remove_dir_all(copy));
    }

    #[test]
    fn what_waits_is_found_through_many_segments_and_they_are_kept_for_it() {
        let directory = scratch("roll");
        let mut config = config(&directory);
        config.retention = Retention {
            bytes: Some(1),
            ..Retention::default()
        };
        let (mut journal, _) = Journal::open(config.clone(), &Keeper::inline(), Utc(1)).unwrap();
        queue(&mut journal, b"first");
        for _ in 0..200 {
            let room = journal.claim(Class::Application, 500).unwrap();
            room.fill(b'x');
            journal.commit(0..500, false, false, Utc(2));
            journal.drop_unsent();
            journal.poll();
        }
        queue(&mut journal, b"second");
        assert!(journal.stat().segments > 5, "kept while something waits");
        drop(journal);
        let (mut journal, _) = Journal::open(config, &Keeper::inline(), Utc(1)).unwrap();
        assert_eq!(journal.queued().messages, 2);
        assert_eq!(dequeue(&mut journal).unwrap(), b"first");
        assert_eq!(dequeue(&mut journal).unwrap(), b"second");
        assert_eq!(dequeue(&mut journal), None);
        assert_eq!(journal.queued(), Queued::default());
        journal.drop_unsent();
        while journal.poll() > 0 {}
        assert!(journal.stat().segments <= 2, "and then let go");
        let _ = fs::remove_dir_all(directory);
    }

    #[test]
    fn a_message_numbered_for_a_resend_is_found_and_goes_to_no_socket() {
        let directory = scratch("unsent");
        let mut journal = open(&directory);
        let put = |journal: &mut Journal, class, text: &[u8]| {
            let room = journal.claim(class, text.len()).unwrap();
            room.copy_from_slice(text);
        };
        put(&mut journal, Class::Application, b"one");
        journal.commit(0..3, false, false, Utc(2));
        put(&mut journal, Class::Queued, b"two");
        journal.commit_unsent(0..3, Utc(2));
        put(&mut journal, Class::Application, b"three");
        journal.commit(0..5, false, false, Utc(2));
        let mut sent = Vec::new();
        while let Some(unsent) = journal.unsent() {
            let len = unsent.bytes.len();
            sent.push(unsent.bytes.to_vec());
            journal.mark_sent(len);
        }
        assert_eq!(sent, [b"one".to_vec(), b"three".to_vec()]);
        assert_eq!(journal.next_out(), 4);
        drop(journal);
        let mut journal = open(&directory);
        let unsent = [1, 2, 3].map(|seq| journal.is_unsent(seq));
        assert_eq!(unsent, [false, true, false]);
        let replay = journal.claim_replay(2).unwrap().unwrap();
        assert_eq!(replay.original, b"two");
        let _ = fs::remove_dir_all(directory);
    }
}

//! Several number series beside each other, each with an identifier: what FIXP calls a UUID.
//!
//! The list of them lives in memory and is found again at a restart: a series record holds the whole
//! list, and the records behind it say what changed since. One is written before the first series with
//! an identifier begins, and one at the start of every segment from then on, so that a restart reads no
//! more than the last segment.
//!
//! Invariant: the series word of the last segment is 0, or leads to a series record; every record that
//! changes the list is behind it.
//!
//! It must not know what an identifier means, nor when a series has to begin.

use std::fmt;
use std::ops::Range;

use super::port::{position, position_offset, position_segment};
use super::record::{Head, Kind, Mark, NAMED_RESET_BYTES, Reset, Seen, find_good, le_u64};
use super::segment::{Part, RECORDS_AT, Segment, cost};
use super::{Claimed, Journal};
use crate::session::{
    Class, Full, Numbers, Outbox as _, REPLAY_GROWTH, Replay, ResetCause, SeriesOutbox, Stored,
};
use crate::time::Utc;

/// How many earlier series a journal keeps beside the current one; the oldest gives way. The peer may ask
/// for all of a week, and a session that negotiates this often in one is in trouble of another kind.
pub const SERIES_KEPT: usize = 64;

// The payload of a series record. Words of 8 bytes, little-endian; positions are as in a queue word.
//
// The whole list; `count` is that of the earlier series, plus one:
//
//   | count | current: identifier | begins behind | earlier, oldest first ...
//   earlier: | identifier | next out | next in | begins behind | ends at |
//
// Progress on one earlier series:
//
//   | 0 | identifier | next in |
const WORD: usize = 8;
const HEAD_WORDS: usize = 3;
const EARLIER_WORDS: usize = 5;
const PROGRESS_BYTES: usize = 3 * WORD;
pub(super) const LIST_BYTES_MAX: usize = (HEAD_WORDS + SERIES_KEPT * EARLIER_WORDS) * WORD;

/// What is known of the series of a journal.
#[derive(Debug)]
pub(super) struct SeriesList {
    /// The series word: 0 while no series had an identifier.
    word: u64,
    current: Current,
    /// Oldest first; allocated once.
    earlier: Vec<Earlier>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Current {
    id: u64,
    /// The position behind which its records are.
    from: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Earlier {
    id: u64,
    numbers: Numbers,
    /// The positions between which its records are.
    from: u64,
    to: u64,
}

/// What a series record says, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesNote {
    /// The whole list, as a segment begins with it.
    List {
        /// Identifier of the current series.
        current: u64,
        /// How many earlier ones are kept.
        earlier: u64,
    },
    /// Messages of an earlier series were fetched.
    Fetched {
        /// Its identifier.
        series: u64,
        /// The number expected next in it.
        next_in: u64,
    },
}

impl SeriesNote {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let words = bytes.as_chunks::<WORD>().0;
        let [first, second, third, ..] = words else {
            return None;
        };
        Some(match le_u64(first) {
            0 => Self::Fetched {
                series: le_u64(second),
                next_in: le_u64(third),
            },
            count => Self::List {
                current: le_u64(second),
                earlier: count - 1,
            },
        })
    }
}

impl fmt::Display for SeriesNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { current, earlier } => {
                write!(f, "goes on with UUID {current}, {earlier} earlier are kept")
            }
            Self::Fetched { series, next_in } => {
                write!(f, "next in {next_in} of the earlier UUID {series}")
            }
        }
    }
}

impl SeriesList {
    fn new(word: u64) -> Self {
        Self {
            word,
            current: Current::default(),
            earlier: Vec::with_capacity(SERIES_KEPT),
        }
    }

    /// The list as the records say, read from where the series word leads. If there is no list any
    /// more, it is put together from all records there are.
    pub(super) fn found(segments: &[Segment], word: u64) -> Self {
        let mut list = Self::new(word);
        if word == 0 {
            return list;
        }
        let is_list = |segment: &Segment| {
            let seen = segment.look(position_offset(word));
            matches!(seen, Seen::Good(head) if head.kind == Kind::Series as u8)
        };
        let at_word = segments
            .iter()
            .position(|segment| segment.number() == position_segment(word))
            .filter(|&nth| is_list(&segments[nth]));
        let mut known = at_word.is_some();
        let (first, mut offset) = match at_word {
            Some(nth) => (nth, position_offset(word)),
            None => (0, RECORDS_AT),
        };
        for segment in &segments[first..] {
            while offset < segment.end() {
                let Seen::Good(head) = segment.look(offset) else {
                    // Unreadable: recovery has reported it.
                    let rest = segment.get(offset..segment.end()).unwrap_or_default();
                    match find_good(segment.place(offset), rest).filter(|&at| at > 0) {
                        Some(next) => offset += next,
                        None => break,
                    }
                    continue;
                };
                known |= list.read(segment, offset, &head);
                offset += head.length();
            }
            offset = RECORDS_AT;
        }
        if !known {
            list.word = 0;
        }
        list
    }

    /// Takes in what a record says. Answers whether it is about series with identifiers.
    fn read(&mut self, segment: &Segment, offset: usize, head: &Head) -> bool {
        if let Some(reset) = segment.reset(offset, head) {
            self.begin(&reset, position(segment.number(), offset));
            return reset.begun.is_some();
        }
        if head.kind != Kind::Series as u8 {
            return false;
        }
        let frame = Journal::frame_at(offset, head);
        let bytes = segment.get(frame).unwrap_or_default();
        let mut words = bytes.as_chunks::<WORD>().0.iter();
        let mut next = || words.next().map_or(0, |word| le_u64(word));
        match next() {
            0 => {
                let (id, next_in) = (next(), next());
                self.advance(id, next_in);
            }
            count => {
                self.current = Current {
                    id: next(),
                    from: next(),
                };
                self.earlier.clear();
                let earlier = usize::try_from(count - 1).unwrap_or(0).min(SERIES_KEPT);
                for _ in 0..earlier {
                    self.earlier.push(Earlier {
                        id: next(),
                        numbers: Numbers {
                            next_out: next(),
                            next_in: next(),
                        },
                        from: next(),
                        to: next(),
                    });
                }
            }
        }
        true
    }

    /// A series begins with the reset record at `here`, unless it goes on with it.
    pub(super) fn begin(&mut self, reset: &Reset, here: u64) {
        if reset.cause.continues_series() || reset.cause == ResetCause::Created {
            return;
        }
        let Some(begun) = reset.begun else {
            // What was sent before cannot be found by number any more.
            self.earlier.clear();
            self.current = Current { id: 0, from: here };
            return;
        };
        if self.earlier.len() == SERIES_KEPT {
            self.earlier.remove(0);
        }
        self.earlier.push(Earlier {
            id: self.current.id,
            numbers: begun.closed,
            from: self.current.from,
            to: here,
        });
        self.current = Current {
            id: begun.id,
            from: here,
        };
    }

    fn advance(&mut self, id: u64, next_in: u64) {
        if let Some(earlier) = self.earlier.iter_mut().rfind(|earlier| earlier.id == id) {
            earlier.numbers.next_in = next_in;
            return;
        }
        // Begun by another process under our name: nothing of it was sent from here.
        if self.earlier.len() == SERIES_KEPT {
            self.earlier.remove(0);
        }
        let numbers = Numbers {
            next_out: 1,
            next_in,
        };
        let before_last = self.earlier.len().saturating_sub(1);
        self.earlier.insert(
            before_last,
            Earlier {
                id,
                numbers,
                from: 0,
                to: 0,
            },
        );
    }

    /// The last earlier series with this identifier.
    fn earlier(&self, id: u64) -> Option<&Earlier> {
        self.earlier.iter().rfind(|earlier| earlier.id == id)
    }

    /// The word for a segment.
    pub(super) fn word(&self) -> u64 {
        self.word
    }

    /// Room that the list takes at the start of every segment.
    pub(super) fn room(&self) -> usize {
        if self.word == 0 {
            0
        } else {
            cost(LIST_BYTES_MAX)
        }
    }

    /// Whether segment `number` is still needed to know what is in the list.
    pub(super) fn needs(&self, number: u32) -> bool {
        self.word != 0 && position_segment(self.word) <= number
    }

    fn bytes(&self) -> usize {
        (HEAD_WORDS + self.earlier.len() * EARLIER_WORDS) * WORD
    }

    /// Writes the list into exactly as many bytes as [`Self::bytes`] says.
    fn write(&self, room: &mut [u8]) {
        let head = [
            self.earlier.len() as u64 + 1,
            self.current.id,
            self.current.from,
        ];
        let earlier = self.earlier.iter().flat_map(|earlier| {
            [
                earlier.id,
                earlier.numbers.next_out,
                earlier.numbers.next_in,
                earlier.from,
                earlier.to,
            ]
        });
        let places = room.as_chunks_mut::<WORD>().0;
        for (place, word) in places.iter_mut().zip(head.into_iter().chain(earlier)) {
            *place = word.to_le_bytes();
        }
    }
}

impl SeriesOutbox for Journal {
    fn series(&self) -> u64 {
        self.series.current.id
    }

    fn begin_series(&mut self, id: u64, why: ResetCause, at: Utc) -> Result<(), Full> {
        assert!(
            !why.continues_series(),
            "a series does not begin for a cause that continues one"
        );
        self.claimed = None;
        let list = cost(LIST_BYTES_MAX);
        // The list is written beside the record only once in the life of a journal.
        let both = NAMED_RESET_BYTES + if self.series.word == 0 { list } else { 0 };
        self.make_room(both, 0)?;
        if self.series.word == 0 {
            self.publish_list();
        }
        let reset = Reset {
            series: self.numbers.series + 1,
            next_out: 1,
            next_in: 1,
            cause: why,
            begun: Some(super::record::Begun {
                id,
                closed: self.current_numbers(),
            }),
        };
        self.publish_restart(&reset, at);
        Ok(())
    }

    fn latest(&self) -> Utc {
        self.latest_at
    }

    fn previous_series(&self) -> Option<u64> {
        self.series.earlier.last().map(|earlier| earlier.id)
    }

    fn last_of_weeks_before(&self) -> u64 {
        let ids = || self.series.earlier.iter().map(|earlier| earlier.id);
        let began = match self.series.current.id {
            0 => Some(self.series.earlier.len()),
            _ => ids().rposition(|id| id == 0),
        };
        ids().take(began.unwrap_or(0)).max().unwrap_or(0)
    }

    fn numbers_of(&self, series: u64) -> Option<Numbers> {
        if series == self.series.current.id {
            return Some(self.current_numbers());
        }
        self.series.earlier(series).map(|earlier| earlier.numbers)
    }

    fn is_port_closed(&self) -> bool {
        self.hold.is_port_closed()
    }

    fn set_port_closed(&mut self, closed: bool) {
        self.hold.set_port_closed(closed);
    }

    /// Before the first series with an identifier nothing is noted of another.
    fn set_next_in_of(&mut self, series: u64, next: u64) -> Result<(), Full> {
        if series == self.series.current.id {
            self.set_next_in(next);
            return Ok(());
        }
        if self.series.word == 0 {
            return Ok(());
        }
        self.claimed = None;
        // The application has the message: refused, it would be delivered again.
        self.make_room(PROGRESS_BYTES, 0)?;
        let at = self.last_at;
        let tail = self.tail_mut();
        let room = tail.room(PROGRESS_BYTES);
        room[..WORD].fill(0);
        room[WORD..2 * WORD].copy_from_slice(&series.to_le_bytes());
        room[2 * WORD..].copy_from_slice(&next.to_le_bytes());
        tail.publish(Kind::Series, Mark::None, 0..PROGRESS_BYTES, 0, at);
        self.series.advance(series, next);
        self.published(at);
        Ok(())
    }

    fn commit_unnumbered(&mut self, frame: Range<usize>, at: Utc) {
        let claimed = self.take_claim(&frame);
        assert!(
            claimed.class == Class::Control,
            "a frame outside numbering is committed in room claimed for a session-level message"
        );
        self.publish(Kind::Unnumbered, Mark::None, frame, 0, at);
    }

    fn stored_of(&self, series: u64, seq: u64) -> Stored {
        if series == self.series.current.id {
            return self.stored(seq);
        }
        let Some((nth, part)) = self.part_of(series, seq) else {
            return Stored::Absent;
        };
        let segment = &self.segments[nth];
        match segment.find_in(&part, seq) {
            Some((_, head)) if head.kind == Kind::Admin as u8 => Stored::Admin,
            Some((_, head)) if !head.is_masked() => Stored::Application,
            None if !segment.passes_over(&part, seq) => Stored::Unreadable,
            Some(_) | None => Stored::Absent,
        }
    }

    fn claim_replay_of(&mut self, series: u64, seq: u64) -> Result<Option<Replay<'_>>, Full> {
        if series == self.series.current.id {
            return self.claim_replay(seq);
        }
        self.claimed = None;
        // A change of segments only adds to the end of the list: the place found here stays right.
        let found = self.part_of(series, seq).and_then(|(nth, part)| {
            let (offset, head) = self.segments[nth].find_in(&part, seq)?;
            (!head.is_masked()).then_some((nth, offset, head))
        });
        let Some((nth, offset, head)) = found else {
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
}

impl Journal {
    /// Writes the list at the start of a new segment, if there is one.
    pub(super) fn note_series(&mut self) {
        if self.series.word != 0 {
            self.publish_list();
        }
    }

    /// Publishes the list, for which there is room, and has the series word lead to it.
    fn publish_list(&mut self) {
        let length = self.series.bytes();
        // So the latest time is found in the last segment.
        let at = self.latest_at;
        let tail = self
            .segments
            .last_mut()
            .expect("invariant: a journal has a last segment");
        self.series.write(tail.room(length));
        let offset = tail.publish(Kind::Series, Mark::None, 0..length, 0, at);
        // A crash before this store does no harm: the word leads to the list before, or to none while
        // no series has an identifier.
        self.series.word = position(tail.number(), offset);
        tail.set_series_word(self.series.word);
        self.published(at);
    }

    /// Whether nothing happened since the last segment began.
    pub(super) fn is_tail_fresh(&self) -> bool {
        let tail = self.tail();
        if tail.is_blank() {
            return true;
        }
        let first = tail.head(RECORDS_AT);
        first.is_some_and(|head| {
            head.kind == Kind::Series as u8 && RECORDS_AT + head.length() == tail.end()
        })
    }

    fn current_numbers(&self) -> Numbers {
        Numbers {
            next_out: self.numbers.next_out,
            next_in: self.numbers.next_in,
        }
    }

    /// The segment, and the part of its index, that the message `seq` of an earlier series is in, if
    /// they are still kept.
    fn part_of(&self, series: u64, seq: u64) -> Option<(usize, Part)> {
        let earlier = self.series.earlier(series)?;
        if seq >= earlier.numbers.next_out {
            return None;
        }
        let segments = position_segment(earlier.from)..=position_segment(earlier.to);
        for (nth, segment) in self.segments.iter().enumerate().rev() {
            let number = segment.number();
            if !segments.contains(&number) {
                continue;
            }
            let from = if number == *segments.start() {
                position_offset(earlier.from)
            } else {
                RECORDS_AT
            };
            let to = if number == *segments.end() {
                position_offset(earlier.to)
            } else {
                segment.end()
            };
            let part = segment.part(from..to);
            if let Some(part) = part.filter(|part| part.first <= seq) {
                return Some((nth, part));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::super::keeper::{Ruling, Work};
    use super::super::record::Begun;
    use super::super::{JournalConfig, Keeper, Location};
    use super::*;

    fn config(directory: &Path) -> JournalConfig {
        JournalConfig {
            location: Location::Directory(directory.to_owned()),
            identity: "series".to_owned(),
            first_segment_bytes: 16 * 1024,
            max_segment_bytes: 16 * 1024,
            control_reserve_bytes: 1024,
            ..JournalConfig::default()
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let name = format!("pinfix-series-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    /// What a journal knows of its series: the current one, its numbers, and those of the one before.
    type Seen = (u64, Option<Numbers>, Option<(u64, Option<Numbers>)>);

    fn seen(journal: &Journal) -> Seen {
        let current = journal.series();
        let previous = journal.previous_series();
        let before = previous.map(|id| (id, journal.numbers_of(id)));
        (current, journal.numbers_of(current), before)
    }

    /// What is found after a kill at this moment.
    fn killed(directory: &Path, change: impl FnOnce(&Path)) -> Seen {
        let copy = scratch("kill-copy");
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "journal") {
                fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
        }
        change(&copy);
        let (journal, recovery) = Journal::open(config(&copy), &Keeper::inline(), Utc(1)).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        let seen = seen(&journal);
        drop(journal);
        let _ = fs::remove_dir_all(copy);
        seen
    }

    fn numbers(next_out: u64, next_in: u64) -> Numbers {
        Numbers { next_out, next_in }
    }

    #[test]
    fn wherever_the_process_is_killed_a_series_has_begun_or_has_not() {
        let directory = scratch("kill");
        let (mut journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(1)).unwrap();
        journal.set_next_in(3);
        let nothing = (0, Some(numbers(1, 3)), None);
        assert_eq!(killed(&directory, |_| {}), nothing);

        // Between the list and the record by which the first series begins.
        journal.publish_list();
        assert_eq!(killed(&directory, |_| {}), nothing);

        // Between that record and the word with the number expected next.
        let reset = Reset {
            series: journal.numbers.series + 1,
            next_out: 1,
            next_in: 1,
            cause: ResetCause::Negotiated,
            begun: Some(Begun {
                id: 5,
                closed: numbers(1, 3),
            }),
        };
        journal.tail_mut().publish_reset(&reset, 0, Utc(2));
        let begun = (5, Some(numbers(1, 1)), Some((0, Some(numbers(1, 3)))));
        assert_eq!(killed(&directory, |_| {}), begun);
        drop(journal);
        let (journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(1)).unwrap();
        assert_eq!(seen(&journal), begun);
        drop(journal);
        let _ = fs::remove_dir_all(directory);
    }

    #[test]
    fn progress_on_an_earlier_series_is_noted_where_only_the_reserve_is_left() {
        let directory = scratch("reserve");
        // The next segment never comes.
        let never = Keeper::start_with(
            "never",
            Box::new(|work| match work {
                Work::Prepare { .. } => Ruling::Later,
                Work::Flush | Work::Retire { .. } => Ruling::Go,
            }),
        )
        .unwrap();
        let (mut journal, _) = Journal::open(config(&directory), &never, Utc(1)).unwrap();
        journal
            .begin_series(5, ResetCause::Negotiated, Utc(2))
            .unwrap();
        while journal
            .keep_inbound(1, &[b'x'; 64], &[], true, Utc(3))
            .is_ok()
        {}
        assert!(journal.claim(Class::Application, 64).is_err());
        assert_eq!(journal.set_next_in_of(0, 4), Ok(()));
        assert_eq!(journal.numbers_of(0), Some(numbers(1, 4)));
        drop(journal);
        let _ = fs::remove_dir_all(directory);
    }

    #[test]
    fn the_series_of_a_week_with_many_logons_are_all_kept() {
        let directory = scratch("many");
        let (mut journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(1)).unwrap();
        journal.set_next_in(3);
        for id in 1..=40 {
            journal
                .begin_series(id, ResetCause::Negotiated, Utc(2))
                .unwrap();
        }
        assert_eq!(journal.numbers_of(0), Some(numbers(1, 3)));
        drop(journal);
        let (journal, recovery) =
            Journal::open(self::config(&directory), &Keeper::inline(), Utc(3)).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        assert_eq!(journal.numbers_of(0), Some(numbers(1, 3)));
        assert_eq!(journal.numbers_of(39), Some(numbers(1, 1)));
        drop(journal);
        let _ = fs::remove_dir_all(directory);
    }

    #[test]
    fn progress_on_a_series_begun_elsewhere_is_kept_beside_as_many_as_there_may_be() {
        let directory = scratch("elsewhere");
        let (mut journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(1)).unwrap();
        assert_eq!(journal.set_next_in_of(500, 2), Ok(()));
        assert_eq!(
            journal.numbers_of(500),
            None,
            "no series has an identifier yet"
        );
        for id in 1..=SERIES_KEPT as u64 + 1 {
            journal
                .begin_series(id, ResetCause::Negotiated, Utc(2))
                .unwrap();
        }
        for next in 2..5 {
            assert_eq!(journal.set_next_in_of(500, next), Ok(()));
        }
        let last = SERIES_KEPT as u64;
        let wanted = |journal: &Journal| {
            assert_eq!(journal.numbers_of(500), Some(numbers(1, 4)));
            assert_eq!(journal.stored_of(500, 1), Stored::Absent);
            assert_eq!(journal.previous_series(), Some(last));
            assert_eq!(journal.numbers_of(2), Some(numbers(1, 1)));
            assert_eq!(journal.numbers_of(1), None, "the oldest has given way");
        };
        wanted(&journal);
        drop(journal);
        let (mut journal, recovery) =
            Journal::open(config(&directory), &Keeper::inline(), Utc(3)).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        wanted(&journal);
        // Also once the list is written anew.
        journal.poll();
        assert!(journal.rotate());
        drop(journal);
        let (journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(4)).unwrap();
        wanted(&journal);
        drop(journal);
        let _ = fs::remove_dir_all(directory);
    }

    #[test]
    fn a_kill_between_the_start_of_a_segment_and_its_list_forgets_nothing() {
        let directory = scratch("roll");
        let (mut journal, _) = Journal::open(config(&directory), &Keeper::inline(), Utc(1)).unwrap();
        journal
            .begin_series(5, ResetCause::Negotiated, Utc(2))
            .unwrap();
        journal
            .begin_series(6, ResetCause::Negotiated, Utc(2))
            .unwrap();
        let before = journal.series.word();
        journal.poll();
        assert!(journal.rotate() && journal.rotate());
        assert_eq!(
            journal.stat().tail_number,
            2,
            "one that is fresh is not left"
        );
        let wanted = (6, Some(numbers(1, 1)), Some((5, Some(numbers(1, 1)))));
        assert_eq!(killed(&directory, |_| {}), wanted);
        let without_list = |copy: &Path| {
            let path = copy.join("0000000002.journal");
            let mut bytes = fs::read(&path).unwrap();
            bytes[648..656].copy_from_slice(&before.to_le_bytes());
            bytes[RECORDS_AT..].fill(0);
            fs::write(&path, bytes).unwrap();
        };
        assert_eq!(killed(&directory, without_list), wanted);
        drop(journal);
        let _ = fs::remove_dir_all(directory);
    }
}

//! What a segment is worth after a crash: a decision table, and the walk that applies it.
//!
//! Invariants: no good record is destroyed; no outgoing number that may have reached the wire is
//! given out again; whatever is cut or stepped over is reported.
//!
//! It must not know about files or about the segments beside the one it walks.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use super::record::{Kind, Seen, find_good};
use super::segment::{Numbers, Segment};
use crate::session::ResetCause;
use crate::time::Utc;

/// What opening a journal found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments found; 0 for a new journal.
    pub segments: usize,
    /// Records of the segments that had to be walked, normally the last one.
    pub records: u64,
    /// What could not be read, was cut, or was out of order.
    pub damage: Vec<Damage>,
    /// Outgoing numbers that may have reached the wire and cannot be read; a resend fills them.
    pub skipped: Vec<Range<u64>>,
    /// Segment numbers missing between others.
    pub missing: Vec<RangeInclusive<u32>>,
}

impl Recovery {
    /// Whether everything was as it was left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.skipped.is_empty() && self.missing.is_empty()
    }
}

/// One finding of a recovery or of a [`Reader`](super::Reader).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file; empty for a journal in memory.
    pub file: PathBuf,
    /// Offset of the first byte concerned.
    pub offset: usize,
    /// How many bytes are concerned.
    pub bytes: usize,
    /// MsgSeqNum(34) in the bytes concerned, if it can be read there. It may itself be damaged.
    pub number: Option<u64>,
    /// What was found.
    pub finding: Finding,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} bytes at offset {}: {}",
            self.file.display(),
            self.bytes,
            self.offset,
            self.finding
        )?;
        match self.number {
            Some(number) => write!(f, " (MsgSeqNum(34) there: {number})"),
            None => Ok(()),
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// A frame was being written and never published, so it was never sent. Cut.
    Unpublished,
    /// A length that no record can have here; nothing readable follows. Cut.
    TornLength,
    /// A record whose checksum does not fit; nothing readable follows. Cut.
    BadChecksum,
    /// Bytes that cannot be read with good records behind them. Kept as they are and stepped over.
    Hole,
    /// A good record of a kind this program does not know. Kept.
    UnknownKind,
    /// A good outbound record whose number was passed before. Kept, not found by number.
    NumberBehind,
    /// A good outbound record further on than the number due: those between were skipped.
    NumberAhead,
    /// A good reset record that does not continue the series. Kept; it counts if it is newer.
    SeriesOutOfOrder,
    /// The file is shorter than its header says. What was behind its end is lost.
    CutShort,
    /// The header is lost; it was rebuilt from the end of the segment before.
    HeaderLost,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unpublished => "a record that was never published",
            Self::TornLength => "an impossible record length",
            Self::BadChecksum => "a record whose checksum does not fit",
            Self::Hole => "unreadable, with good records behind",
            Self::UnknownKind => "a record of an unknown kind",
            Self::NumberBehind => "an outbound record whose number was passed before",
            Self::NumberAhead => "an outbound record that skips numbers",
            Self::SeriesOutOfOrder => "a reset record out of order",
            Self::CutShort => "missing at the end of the file",
            Self::HeaderLost => "a lost header, rebuilt from the segment before",
        })
    }
}

/// What is behind a position that holds no good record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Behind {
    /// No good record.
    Nothing,
    /// At least one good record.
    Records,
}

/// What kind of good record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    /// Outbound under a new number.
    Numbered,
    /// Replay, inbound, queued, outside numbering, or a note of the journal: they prove nothing about
    /// our numbers.
    Unnumbered,
    /// A reset.
    Reset,
    /// The series goes on with higher numbers.
    Renumbered,
    /// A kind, or a reset, that this program cannot read.
    Unknown,
}

/// How the number of a record, or the series of a reset, compares with the one due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Order {
    Due,
    Behind,
    Ahead,
}

/// Everything a position where a record may start can look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sight {
    /// No length, and nothing but zeros up to the index.
    Blank,
    /// No length, but something behind.
    Empty(Behind),
    Implausible(Behind),
    Damaged(Behind),
    Good(Sort, Order),
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verdict {
    /// The end of the records.
    End,
    /// The end of the records; clear what is behind and report it.
    Cut(Finding),
    /// Leave it, report it, and go on at the next good record.
    StepOver,
    /// Count it in.
    Count,
    /// Count it in, and report the numbers that were passed over.
    CountAhead,
    /// Leave it in the log; the numbers do not move.
    Keep,
    /// As `Keep`, and report it.
    KeepReported(Finding),
    /// The numbers start again with it.
    Restart,
    /// As `Restart`, and report that a reset before it is lost.
    RestartReported,
    /// The numbers go on as it says.
    Renumber,
    /// As `Renumber`, and report the numbers before it that were passed over without a record.
    RenumberAhead,
}

/// The decision table.
fn decide(sight: Sight) -> Verdict {
    match sight {
        // The usual end: the process stopped between two records.
        Sight::Blank => Verdict::End,
        // Killed between claim and commit. The length is stored last, so the frame was never visible
        // to the socket. Its bytes must go: a later record's length word may lie on any of them.
        Sight::Empty(Behind::Nothing) => Verdict::Cut(Finding::Unpublished),
        // A page with a length word did not reach the device while later pages did: power loss.
        Sight::Empty(Behind::Records) => Verdict::StepOver,
        // A length word is stored in one piece; a wrong one is power loss or damage.
        Sight::Implausible(Behind::Nothing) => Verdict::Cut(Finding::TornLength),
        Sight::Implausible(Behind::Records) => Verdict::StepOver,
        // A body torn by power loss, or damage. `walk` skips its number if one can be made out.
        Sight::Damaged(Behind::Nothing) => Verdict::Cut(Finding::BadChecksum),
        Sight::Damaged(Behind::Records) => Verdict::StepOver,
        Sight::Good(Sort::Numbered, Order::Due) => Verdict::Count,
        // Never written by us; believing it would turn the numbers back.
        Sight::Good(Sort::Numbered, Order::Behind) => Verdict::KeepReported(Finding::NumberBehind),
        // Records between are lost. This number was used, so the next one must be above it.
        Sight::Good(Sort::Numbered, Order::Ahead) => Verdict::CountAhead,
        // A replay carries an old number, an inbound message one of the peer's, a queued one none.
        Sight::Good(Sort::Unnumbered, Order::Due | Order::Behind | Order::Ahead) => Verdict::Keep,
        Sight::Good(Sort::Reset, Order::Due) => Verdict::Restart,
        // Older than the series we are in: never written by us.
        Sight::Good(Sort::Reset, Order::Behind) => Verdict::KeepReported(Finding::SeriesOutOfOrder),
        // A reset in between is lost, this one is later than it.
        Sight::Good(Sort::Reset, Order::Ahead) => Verdict::RestartReported,
        Sight::Good(Sort::Renumbered, Order::Due) => Verdict::Renumber,
        // Never written by us.
        Sight::Good(Sort::Renumbered, Order::Behind) => Verdict::KeepReported(Finding::NumberBehind),
        // Records between are lost, their numbers were used.
        Sight::Good(Sort::Renumbered, Order::Ahead) => Verdict::RenumberAhead,
        // Written by a program that knew more. Its length is good, so the log goes on behind it.
        Sight::Good(Sort::Unknown, Order::Due | Order::Behind | Order::Ahead) => {
            Verdict::KeepReported(Finding::UnknownKind)
        }
    }
}

/// What walking a segment gave.
#[derive(Debug)]
pub(super) struct Walk {
    /// The numbers behind its last record, skipped numbers passed.
    pub(super) numbers: Numbers,
    pub(super) records: u64,
    /// Time of the last record; that of the segment if it has none.
    pub(super) last_at: Utc,
    /// The latest time of any record.
    pub(super) latest_at: Utc,
    pub(super) damage: Vec<Damage>,
    pub(super) skipped: Vec<Range<u64>>,
    /// Whether the segment may take records again. If not, what is in it is evidence: a hole, or a
    /// lost record whose number would be forgotten if the bytes were cleared.
    pub(super) usable: bool,
}

/// Walks a segment from its first record, rebuilding its index on the way. `segment` is as adopted:
/// nothing counted yet. `numbers` are those at its start. Nothing outside the index is written.
pub(super) fn walk(segment: &mut Segment, file: &std::path::Path, mut numbers: Numbers) -> Walk {
    let index = segment.stored_index();
    let mut series_from = 0;
    let mut walk = Walk {
        numbers,
        records: 0,
        last_at: segment.began(),
        latest_at: segment.began(),
        damage: Vec::new(),
        skipped: Vec::new(),
        usable: true,
    };
    let report = |offset: usize, bytes: usize, number: Option<u64>, finding: Finding| Damage {
        file: file.to_owned(),
        offset,
        bytes,
        number,
        finding,
    };
    loop {
        let offset = segment.end();
        let seen = segment.look(offset);
        let (sight, next) = sight(segment, seen, &numbers, index.len());
        let verdict = decide(sight);
        match (verdict, seen) {
            (Verdict::End, _) => break,
            (Verdict::Cut(finding), _) => {
                let bytes = last_used(segment.beyond(index.len()));
                let number = claimed_number(segment, offset);
                walk.damage
                    .push(report(offset, bytes, number.map(|(_, seq)| seq), finding));
                // A number that was published may have been sent, whatever became of its record.
                if finding != Finding::Unpublished && number == Some((true, numbers.next_out)) {
                    walk.skipped.push(numbers.next_out..numbers.next_out + 1);
                    numbers.next_out += 1;
                    walk.usable = false;
                }
                break;
            }
            (Verdict::StepOver, _) => {
                let number = claimed_number(segment, offset).map(|(_, seq)| seq);
                walk.damage
                    .push(report(offset, next, number, Finding::Hole));
                walk.usable = false;
                segment.step_over(next);
            }
            (
                Verdict::Count
                | Verdict::CountAhead
                | Verdict::Keep
                | Verdict::KeepReported(_)
                | Verdict::Restart
                | Verdict::RestartReported
                | Verdict::Renumber
                | Verdict::RenumberAhead,
                Seen::Good(head),
            ) => {
                let reset = segment.reset(offset, &head);
                let counted = matches!(verdict, Verdict::Count | Verdict::CountAhead);
                let renumbered = match verdict {
                    Verdict::Renumber | Verdict::RenumberAhead => reset,
                    _ => None,
                };
                let passes_over = renumbered.is_some_and(|reset| reset.next_out > head.seq);
                segment.accept(&head, counted || passes_over);
                walk.records += 1;
                walk.last_at = head.at;
                walk.latest_at = walk.latest_at.max(head.at);
                let bytes = head.length();
                match verdict {
                    Verdict::CountAhead | Verdict::RenumberAhead => {
                        walk.damage
                            .push(report(offset, bytes, Some(head.seq), Finding::NumberAhead));
                        walk.skipped.push(numbers.next_out..head.seq);
                    }
                    Verdict::KeepReported(finding) => {
                        walk.damage
                            .push(report(offset, bytes, Some(head.seq), finding));
                    }
                    Verdict::RestartReported => {
                        walk.damage
                            .push(report(offset, bytes, None, Finding::SeriesOutOfOrder));
                    }
                    _ => {}
                }
                if counted {
                    numbers.next_out = head.seq.saturating_add(1);
                }
                if let Some(reset) = renumbered {
                    numbers.next_out = reset.next_out.max(head.seq);
                    numbers.next_in = reset.next_in;
                }
                if let (Verdict::Restart | Verdict::RestartReported, Some(reset)) = (verdict, reset) {
                    numbers = Numbers {
                        series: reset.series,
                        began: head.at,
                        cause: reset.cause,
                        next_out: reset.next_out,
                        next_in: reset.next_in,
                    };
                    segment.start_series(reset.series);
                    series_from = offset;
                }
            }
            (_, Seen::Empty | Seen::Implausible | Seen::Damaged(_)) => {
                unreachable!("only a good record gets a verdict for good records")
            }
        }
    }
    let lost = lost_by_index(segment, &index, series_from, numbers.next_out);
    if lost > numbers.next_out {
        walk.skipped.push(numbers.next_out..lost);
        numbers.next_out = lost;
        walk.usable = false;
    }
    if let Some(next_in) = segment.next_in(numbers.series) {
        // Lower only if the process was killed between a record that raised it and this word.
        numbers.next_in = next_in.max(numbers.next_in);
    }
    walk.numbers = numbers;
    walk
}

/// Turns what is seen into a row of the table, and answers the distance to the next good record if
/// there is none here.
fn sight(segment: &Segment, seen: Seen, numbers: &Numbers, entries: usize) -> (Sight, usize) {
    let head = match seen {
        Seen::Good(head) => head,
        Seen::Empty | Seen::Implausible | Seen::Damaged(_) => {
            let rest = segment.beyond(entries);
            let found = find_good(segment.place(segment.end()), rest).filter(|&at| at > 0);
            let behind = if found.is_some() {
                Behind::Records
            } else {
                Behind::Nothing
            };
            let sight = match seen {
                Seen::Empty if last_used(rest) == 0 => Sight::Blank,
                Seen::Empty => Sight::Empty(behind),
                Seen::Implausible => Sight::Implausible(behind),
                Seen::Damaged(_) | Seen::Good(_) => Sight::Damaged(behind),
            };
            return (sight, found.unwrap_or(0));
        }
    };
    let order = |found: u64, due: u64| match found.cmp(&due) {
        std::cmp::Ordering::Less => Order::Behind,
        std::cmp::Ordering::Equal => Order::Due,
        std::cmp::Ordering::Greater => Order::Ahead,
    };
    let of_ours = order(head.seq, numbers.next_out);
    let sight = match Kind::from_byte(head.kind) {
        Some(Kind::Application | Kind::Admin) => Sight::Good(Sort::Numbered, of_ours),
        Some(Kind::Replay | Kind::Inbound | Kind::Queued | Kind::Unnumbered | Kind::Series) => {
            Sight::Good(Sort::Unnumbered, of_ours)
        }
        Some(Kind::Reset) => match segment.reset(segment.end(), &head) {
            // The first record of a journal: the header says the same.
            Some(reset) if reset.cause == ResetCause::Created && reset.series == numbers.series => {
                Sight::Good(Sort::Unnumbered, of_ours)
            }
            Some(reset) if reset.cause.continues_series() && reset.series == numbers.series => {
                Sight::Good(Sort::Renumbered, of_ours)
            }
            Some(reset) => Sight::Good(
                Sort::Reset,
                order(reset.series, numbers.series.saturating_add(1)),
            ),
            None => Sight::Good(Sort::Unknown, of_ours),
        },
        None => Sight::Good(Sort::Unknown, of_ours),
    };
    (sight, 0)
}

/// The number in the header of a damaged record, and whether the header says it was a new one.
fn claimed_number(segment: &Segment, offset: usize) -> Option<(bool, u64)> {
    let head = segment.head(offset)?;
    let kind = Kind::from_byte(head.kind)?;
    let carries_one = !matches!(kind, Kind::Reset | Kind::Unnumbered | Kind::Series);
    carries_one.then_some((kind.is_numbered(), head.seq))
}

/// The next outgoing number by the index that was found in the file. An entry is stored after its
/// record is published, so an entry without a record is a number that may have been sent. `from` is
/// where the current series starts: entries before it carry numbers of another one.
fn lost_by_index(segment: &Segment, index: &[(u32, usize)], from: usize, next_out: u64) -> u64 {
    let mut next = next_out;
    for &(low, offset) in index {
        // Lost records carry the numbers that follow ours; anything else is damage of the index.
        if offset >= from && low == next as u32 && !segment.is_indexed(offset) {
            next = next.saturating_add(1);
        }
    }
    next
}

/// Length of `bytes` without the zeros at its end.
pub(super) fn last_used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::record::{HEADER_BYTES, Mark, Reset};
    use super::super::region::Region;
    use super::super::segment::{Beginning, RECORDS_AT};
    use super::*;

    const SIZE: usize = 16 * 1024;
    const BASE: Numbers = Numbers {
        series: 4,
        began: Utc(1),
        cause: ResetCause::Created,
        next_out: 10,
        next_in: 20,
    };

    /// Every sight there is. The matches fail to compile when a variant is added and not listed.
    fn all_sights() -> Vec<Sight> {
        let behind = [Behind::Nothing, Behind::Records];
        let sorts = [
            Sort::Numbered,
            Sort::Unnumbered,
            Sort::Reset,
            Sort::Renumbered,
            Sort::Unknown,
        ];
        let orders = [Order::Due, Order::Behind, Order::Ahead];
        for one in behind {
            match one {
                Behind::Nothing | Behind::Records => {}
            }
        }
        for one in sorts {
            match one {
                Sort::Numbered | Sort::Unnumbered | Sort::Reset | Sort::Renumbered | Sort::Unknown => {}
            }
        }
        for one in orders {
            match one {
                Order::Due | Order::Behind | Order::Ahead => {}
            }
        }
        let mut all = vec![Sight::Blank];
        for behind in behind {
            for of in [Sight::Empty, Sight::Implausible, Sight::Damaged] {
                match of(behind) {
                    Sight::Blank
                    | Sight::Empty(_)
                    | Sight::Implausible(_)
                    | Sight::Damaged(_)
                    | Sight::Good(..) => {}
                }
                all.push(of(behind));
            }
        }
        for sort in sorts {
            all.extend(orders.map(|order| Sight::Good(sort, order)));
        }
        all
    }

    fn segment() -> Segment {
        let beginning = Beginning {
            number: 2,
            salt: 7,
            numbers: BASE,
            queue_word: 0,
            series_word: 0,
            at: Utc(5),
            identity: "x",
        };
        Segment::begin(Region::heap(SIZE).unwrap(), beginning)
    }

    fn add(segment: &mut Segment, kind: Kind, seq: u64, content: &[u8]) -> usize {
        segment.room(content.len()).copy_from_slice(content);
        segment.publish(kind, Mark::None, 0..content.len(), seq, Utc(6))
    }

    fn reset(series: u64) -> Vec<u8> {
        let (bytes, length) = Reset {
            series,
            next_out: 1,
            next_in: 2,
            cause: ResetCause::Operator,
            begun: None,
        }
        .encode();
        bytes[..length].to_vec()
    }

    fn renumbering() -> Vec<u8> {
        let (bytes, length) = Reset {
            series: BASE.series,
            next_out: 30,
            next_in: 40,
            cause: ResetCause::SetNextOut,
            begun: None,
        }
        .encode();
        bytes[..length].to_vec()
    }

    /// The bytes of a segment, changed, as a restart would find them.
    fn found(segment: &Segment, change: impl FnOnce(&mut [u8])) -> Segment {
        let mut region = Region::heap(SIZE).unwrap();
        region
            .bytes_mut()
            .copy_from_slice(segment.get(0..SIZE).unwrap());
        change(region.bytes_mut());
        Segment::adopt(region, 2, 7, Utc(5), BASE.series)
    }

    /// A segment whose first position looks like `sight`.
    fn example(sight: Sight) -> Segment {
        let mut segment = segment();
        let first = match sight {
            Sight::Good(sort, order) => {
                let seq = match order {
                    Order::Due => 10,
                    Order::Behind => 9,
                    Order::Ahead => 12,
                };
                match sort {
                    Sort::Numbered => add(&mut segment, Kind::Application, seq, b"frame"),
                    Sort::Unnumbered => add(&mut segment, Kind::Inbound, seq, b"frame"),
                    Sort::Reset => add(&mut segment, Kind::Reset, 0, &reset(seq - 5)),
                    Sort::Renumbered => add(&mut segment, Kind::Reset, seq, &renumbering()),
                    Sort::Unknown => add(&mut segment, Kind::Reset, seq, b"not a reset"),
                };
                return found(&segment, |_| {});
            }
            Sight::Blank => return segment,
            Sight::Empty(behind) | Sight::Implausible(behind) | Sight::Damaged(behind) => {
                let first = add(&mut segment, Kind::Inbound, 1, b"frame one");
                if behind == Behind::Records {
                    add(&mut segment, Kind::Inbound, 2, b"frame two");
                }
                first
            }
        };
        found(&segment, |bytes| match sight {
            Sight::Empty(_) => bytes[first..first + 4].fill(0),
            Sight::Implausible(_) => bytes[first..first + 4].fill(0xFF),
            Sight::Damaged(_) | Sight::Blank | Sight::Good(..) => bytes[first + HEADER_BYTES] ^= 1,
        })
    }

    #[test]
    fn the_table_answers_every_sight_and_every_answer_is_given() {
        let all = all_sights();
        assert_eq!(all.len(), 1 + 3 * 2 + 5 * 3);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        let verdicts: HashSet<_> = all.iter().map(|&sight| decide(sight)).collect();
        let wanted = [
            Verdict::End,
            Verdict::Cut(Finding::Unpublished),
            Verdict::Cut(Finding::TornLength),
            Verdict::Cut(Finding::BadChecksum),
            Verdict::StepOver,
            Verdict::Count,
            Verdict::CountAhead,
            Verdict::Keep,
            Verdict::KeepReported(Finding::NumberBehind),
            Verdict::KeepReported(Finding::SeriesOutOfOrder),
            Verdict::KeepReported(Finding::UnknownKind),
            Verdict::Restart,
            Verdict::RestartReported,
            Verdict::Renumber,
            Verdict::RenumberAhead,
        ];
        assert_eq!(verdicts, HashSet::from(wanted));
    }

    #[test]
    fn every_sight_is_seen_in_a_segment_and_the_walk_does_what_the_table_says() {
        for wanted in all_sights() {
            let mut segment = example(wanted);
            let entries = segment.stored_index().len();
            let seen = segment.look(RECORDS_AT);
            let (sight, _) = sight(&segment, seen, &BASE, entries);
            assert_eq!(sight, wanted);
            let walk = walk(&mut segment, std::path::Path::new("f"), BASE);
            let reported = walk
                .damage
                .iter()
                .map(|damage| damage.finding)
                .collect::<Vec<_>>();
            let (records, next_out, series, findings, usable) = match decide(wanted) {
                Verdict::End => (0, 10, 4, vec![], true),
                Verdict::Cut(finding) => (0, 10, 4, vec![finding], true),
                Verdict::StepOver => (1, 10, 4, vec![Finding::Hole], false),
                Verdict::Count => (1, 11, 4, vec![], true),
                Verdict::CountAhead => (1, 13, 4, vec![Finding::NumberAhead], true),
                Verdict::Keep => (1, 10, 4, vec![], true),
                // The record the example holds has an index entry; it is evidence of nothing.
                Verdict::KeepReported(finding) => (1, 10, 4, vec![finding], true),
                Verdict::Restart => (1, 1, 5, vec![], true),
                Verdict::RestartReported => (1, 1, 7, vec![Finding::SeriesOutOfOrder], true),
                Verdict::Renumber => (1, 30, 4, vec![], true),
                Verdict::RenumberAhead => (1, 30, 4, vec![Finding::NumberAhead], true),
            };
            assert_eq!(
                (walk.records, walk.numbers.next_out, walk.numbers.series),
                (records, next_out, series)
            );
            assert_eq!((reported, walk.usable), (findings, usable), "{wanted:?}");
            if let Verdict::Renumber | Verdict::RenumberAhead = decide(wanted) {
                // As if killed before the word was stored.
                assert_eq!(walk.numbers.next_in, 40);
            }
        }
    }

    #[test]
    fn a_number_behind_a_tear_is_passed_by_record_by_header_and_by_index() {
        type Change = fn(&mut [u8], usize);
        let index = SIZE - 8;
        assert_eq!(index, 16_376);
        let rows: [(&str, Change, u64); 4] = [
            (
                "the header of the torn record",
                |bytes, at| {
                    bytes[at + HEADER_BYTES] ^= 1;
                    bytes[16_376..].fill(0);
                },
                11,
            ),
            ("the index", |bytes, at| bytes[at..at + 48].fill(0), 11),
            ("both", |bytes, at| bytes[at + HEADER_BYTES] ^= 1, 11),
            (
                "none: never published",
                |bytes, at| {
                    bytes[at..at + 4].fill(0);
                    bytes[16_376..].fill(0);
                },
                10,
            ),
        ];
        for (evidence, change, next_out) in rows {
            let mut before = segment();
            let at = add(&mut before, Kind::Application, 10, b"frame");
            let mut segment = found(&before, |bytes| change(bytes, at));
            let walk = walk(&mut segment, std::path::Path::new("f"), BASE);
            assert_eq!(walk.numbers.next_out, next_out, "{evidence}");
            assert_eq!(walk.usable, next_out == 10, "{evidence}");
        }
    }
}

//! Several number series beside each other: identifiers, numbers, messages of earlier ones, and what is
//! left of them after a kill.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use pinfix::journal::{Item, Journal, JournalConfig, Keeper, Kind, Reader, Retention, SERIES_KEPT};
use pinfix::session::{Class, Full, Numbers, Outbox, ResetCause, SeriesOutbox, Stored};
use pinfix::time::Utc;

use crate::scratch::{Scratch, T0, drain, frame, open, put, send, small};

fn begin(journal: &mut Journal, id: u64) {
    journal
        .begin_series(id, ResetCause::Negotiated, T0)
        .unwrap();
}

fn numbers(next_out: u64, next_in: u64) -> Option<Numbers> {
    Some(Numbers { next_out, next_in })
}

fn say(journal: &mut Journal, text: &[u8]) -> Result<(), Full> {
    journal
        .claim(Class::Control, text.len())?
        .copy_from_slice(text);
    journal.commit_unnumbered(0..text.len(), T0);
    Ok(())
}

fn original_of(journal: &mut Journal, series: u64, seq: u64) -> Option<Vec<u8>> {
    journal
        .claim_replay_of(series, seq)
        .unwrap()
        .map(|replay| replay.original.to_vec())
}

/// The segments of `from` as a kill at this moment would leave them.
fn killed(from: &Scratch) -> Scratch {
    let copy = Scratch::new("killed");
    for entry in fs::read_dir(from.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "journal") {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    copy
}

#[test]
fn earlier_series_keep_their_numbers_and_messages() {
    let dir = Scratch::new("series");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    assert_eq!((journal.series(), journal.previous_series()), (0, None));
    send(&mut journal, b"before the first").unwrap();
    begin(&mut journal, 700);
    assert_eq!((journal.next_out(), journal.next_in()), (1, 1));
    send(&mut journal, b"one of 700").unwrap();
    send(&mut journal, b"two of 700").unwrap();
    journal.set_next_in(9);
    begin(&mut journal, 800);
    send(&mut journal, b"one of 800").unwrap();
    for _ in 0..2 {
        assert_eq!(
            (journal.series(), journal.previous_series()),
            (800, Some(700))
        );
        assert_eq!(journal.numbers_of(800), numbers(2, 1));
        assert_eq!(journal.numbers_of(700), numbers(3, 9));
        assert_eq!(journal.numbers_of(0), numbers(2, 1));
        assert_eq!(journal.numbers_of(900), None);
        let found = |journal: &mut Journal, series, seq| {
            original_of(journal, series, seq).map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(
            found(&mut journal, 0, 1).as_deref(),
            Some("before the first")
        );
        assert_eq!(found(&mut journal, 700, 2).as_deref(), Some("two of 700"));
        assert_eq!(found(&mut journal, 800, 1).as_deref(), Some("one of 800"));
        for absent in [(0, 2), (700, 3), (700, 0), (800, 2), (900, 1)] {
            assert_eq!(found(&mut journal, absent.0, absent.1), None, "{absent:?}");
            assert_eq!(journal.stored_of(absent.0, absent.1), Stored::Absent);
        }
        assert_eq!(journal.stored_of(700, 1), Stored::Application);
        drop(journal);
        let (again, recovery) = open(dir.config(), &keeper);
        assert!(recovery.is_clean(), "{recovery:?}");
        journal = again;
    }
}

#[test]
fn a_frame_outside_numbering_goes_to_the_socket_and_into_the_log() {
    let dir = Scratch::new("unnumbered");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    begin(&mut journal, 5);
    send(&mut journal, b"first ").unwrap();
    say(&mut journal, b"Sequence ").unwrap();
    send(&mut journal, b"second").unwrap();
    assert_eq!(journal.next_out(), 3);
    assert_eq!(drain(&mut journal), b"first Sequence second");
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut kinds = Vec::new();
    while let Some(Item::Record(entry)) = reader.read().unwrap() {
        kinds.push((entry.kind, entry.seq));
    }
    assert_eq!(
        kinds,
        [
            (Kind::Reset, 0),
            (Kind::Series, 0),
            (Kind::Reset, 0),
            (Kind::Application, 1),
            (Kind::Unnumbered, 0),
            (Kind::Application, 2)
        ]
    );
}

#[test]
fn the_reader_tells_the_identifier_and_what_the_series_before_ended_with() {
    let dir = Scratch::new("reader");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    begin(&mut journal, 5);
    send(&mut journal, b"x").unwrap();
    begin(&mut journal, 6);
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut begun = Vec::new();
    while let Some(Item::Record(entry)) = reader.read().unwrap() {
        begun.extend(entry.reset().and_then(|reset| reset.begun));
    }
    let told = begun.iter().map(|begun| (begun.id, begun.closed.next_out));
    assert_eq!(told.collect::<Vec<_>>(), [(5, 1), (6, 2)]);
}

#[test]
fn the_oldest_of_too_many_series_gives_way() {
    let dir = Scratch::new("bounded");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    let count = SERIES_KEPT as u64 + 5;
    for id in 1..=count {
        begin(&mut journal, id);
    }
    for _ in 0..2 {
        let kept = (0..=count).filter(|&id| journal.numbers_of(id).is_some());
        let kept = kept.collect::<Vec<_>>();
        assert_eq!(kept, (5..=count).collect::<Vec<_>>());
        drop(journal);
        journal = open(dir.config(), &Keeper::inline()).0;
    }
}

#[test]
fn a_reset_without_an_identifier_forgets_all_series() {
    let dir = Scratch::new("forgets");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    begin(&mut journal, 7);
    send(&mut journal, b"x").unwrap();
    journal.reset(4, 5, ResetCause::Operator, T0).unwrap();
    for _ in 0..2 {
        assert_eq!((journal.series(), journal.previous_series()), (0, None));
        assert_eq!(journal.numbers_of(0), numbers(4, 5));
        assert_eq!(journal.numbers_of(7), None);
        drop(journal);
        journal = open(dir.config(), &Keeper::inline()).0;
    }
}

#[test]
fn messages_of_a_retired_segment_are_absent_and_the_numbers_of_their_series_are_kept() {
    let dir = Scratch::new("retired");
    let config = JournalConfig {
        retention: Retention {
            bytes: Some(1),
            ..Retention::default()
        },
        ..dir.config()
    };
    let (mut journal, _) = open(config, &Keeper::inline());
    begin(&mut journal, 1);
    send(&mut journal, b"old").unwrap();
    begin(&mut journal, 2);
    for seq in 1..500 {
        send(&mut journal, &frame(seq, 400)).unwrap();
        drain(&mut journal);
        journal.poll();
    }
    assert!(!dir.segment(1).exists());
    assert_eq!(journal.numbers_of(1), numbers(2, 1));
    assert_eq!(journal.stored_of(1, 1), Stored::Absent);
    assert_eq!(original_of(&mut journal, 1, 1), None);
    drop(journal);
    let (journal, recovery) = open(dir.config(), &Keeper::inline());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(journal.numbers_of(1), numbers(2, 1));
    assert_eq!((journal.series(), journal.next_out()), (2, 500));
}

#[test]
fn a_journal_without_identifiers_is_as_before_and_may_get_them() {
    let dir = Scratch::new("plain");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    for seq in 1..100 {
        send(&mut journal, &frame(seq, 400)).unwrap();
        drain(&mut journal);
    }
    drop(journal);
    // Where the series word is now, programs of before have written nothing.
    for number in 1..=2 {
        let bytes = fs::read(dir.segment(number)).unwrap();
        assert_eq!(bytes[648..1024], [0; 376]);
    }
    let (mut journal, recovery) = open(dir.config(), &Keeper::inline());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!((journal.series(), journal.next_out()), (0, 100));
    begin(&mut journal, 3);
    assert_eq!(journal.numbers_of(0), numbers(100, 1));
    assert_eq!(original_of(&mut journal, 0, 42), Some(frame(42, 400)));
}

#[test]
fn a_list_that_cannot_be_read_is_put_together_from_the_other_records() {
    let dir = Scratch::new("list-lost");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    begin(&mut journal, 11);
    send(&mut journal, b"x").unwrap();
    begin(&mut journal, 12);
    drop(journal);
    let mut bytes = fs::read(dir.segment(1)).unwrap();
    let word = u64::from_le_bytes(bytes[648..656].try_into().unwrap());
    let list = usize::try_from(word & 0xFFFF_FFFF).unwrap();
    bytes[list + 32] ^= 1;
    fs::write(dir.segment(1), bytes).unwrap();
    let (mut journal, recovery) = open(dir.config(), &Keeper::inline());
    assert_eq!(recovery.damage.len(), 1, "{recovery:?}");
    assert_eq!(
        (journal.series(), journal.previous_series()),
        (12, Some(11))
    );
    assert_eq!(journal.numbers_of(11), numbers(2, 1));
    assert_eq!(original_of(&mut journal, 11, 1).as_deref(), Some(&b"x"[..]));
}

#[test]
#[should_panic(expected = "room claimed for a session-level message")]
fn an_application_message_has_a_number() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    journal.claim(Class::Application, 4).unwrap();
    journal.commit_unnumbered(0..4, T0);
}

#[derive(Clone, Debug)]
enum Call {
    Send(usize),
    Control(usize),
    Unnumbered(usize),
    Received(u64),
    Begin,
    Fetched { back: usize, by: u64 },
    Renumber(u64),
    Kill,
    Reopen,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => (4..600_usize).prop_map(Call::Send),
        2 => (4..100_usize).prop_map(Call::Control),
        4 => (4..100_usize).prop_map(Call::Unnumbered),
        4 => (1..5_u64).prop_map(Call::Received),
        3 => Just(Call::Begin),
        3 => (0..20_usize, 1..9_u64).prop_map(|(back, by)| Call::Fetched { back, by }),
        1 => (1..9_u64).prop_map(Call::Renumber),
        2 => Just(Call::Kill),
        1 => Just(Call::Reopen),
    ]
}

/// What should be known: per series its numbers and messages.
#[derive(Clone, Debug, Default)]
struct Known {
    series: BTreeMap<u64, ((u64, u64), Messages)>,
    current: u64,
}

/// By number: whether it is session-level, and its bytes.
type Messages = BTreeMap<u64, (bool, Vec<u8>)>;

impl Known {
    fn current(&mut self) -> &mut ((u64, u64), Messages) {
        self.series.get_mut(&self.current).unwrap()
    }

    fn check(&self, journal: &mut Journal) {
        assert_eq!(journal.series(), self.current);
        let oldest = self.current.saturating_sub(SERIES_KEPT as u64);
        let previous = self.current.checked_sub(1);
        assert_eq!(journal.previous_series(), previous);
        for (&id, (wanted, messages)) in &self.series {
            if id < oldest {
                assert_eq!(journal.numbers_of(id), None);
                continue;
            }
            assert_eq!(journal.numbers_of(id), numbers(wanted.0, wanted.1), "{id}");
            for seq in 0..wanted.0 + 2 {
                let Some((admin, bytes)) = messages.get(&seq) else {
                    assert_eq!(journal.stored_of(id, seq), Stored::Absent, "{id} {seq}");
                    continue;
                };
                let stored = if *admin {
                    Stored::Admin
                } else {
                    Stored::Application
                };
                assert_eq!(journal.stored_of(id, seq), stored, "{id} {seq}");
                assert_eq!(original_of(journal, id, seq).as_ref(), Some(bytes));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_series_are_what_they_should_be(calls in prop::collection::vec(call(), 1..120)) {
        let dir = Scratch::new("series-model");
        let keeper = Keeper::inline();
        let config = || JournalConfig { max_segment_bytes: 16 * 1024, ..dir.config() };
        let (mut journal, _) = open(config(), &keeper);
        let mut known = Known::default();
        known.series.insert(0, ((1, 1), BTreeMap::new()));
        for call in calls {
            let _ = drain(&mut journal);
            journal.poll();
            match call {
                Call::Send(len) | Call::Control(len) => {
                    let admin = matches!(call, Call::Control(_));
                    let (numbers, messages) = known.current();
                    let bytes = frame(numbers.0, len);
                    let class = if admin { Class::Control } else { Class::Application };
                    put(&mut journal, class, &bytes).unwrap();
                    messages.insert(numbers.0, (admin, bytes));
                    numbers.0 += 1;
                }
                Call::Unnumbered(len) => say(&mut journal, &vec![b'u'; len]).unwrap(),
                Call::Received(by) => {
                    let numbers = &mut known.current().0;
                    numbers.1 += by;
                    journal.set_next_in(numbers.1);
                }
                Call::Begin => {
                    known.current += 1;
                    known.series.insert(known.current, ((1, 1), BTreeMap::new()));
                    begin(&mut journal, known.current);
                }
                Call::Fetched { back, by } => {
                    let id = known.current.saturating_sub(back as u64);
                    let numbers = &mut known.series.get_mut(&id).unwrap().0;
                    numbers.1 += by;
                    journal.set_next_in_of(id, numbers.1).unwrap();
                }
                Call::Renumber(by) => {
                    let numbers = &mut known.current().0;
                    numbers.0 += by;
                    let (out, expected) = *numbers;
                    journal.renumber(out, expected, ResetCause::SetNextOut, T0).unwrap();
                }
                Call::Kill => {
                    let copy = killed(&dir);
                    let config = JournalConfig { max_segment_bytes: 16 * 1024, ..copy.config() };
                    let (mut found, _) = Journal::open(config, &keeper, Utc(T0.0 + 1)).unwrap();
                    known.check(&mut found);
                }
                Call::Reopen => {
                    drop(journal);
                    let (again, recovery) = open(config(), &keeper);
                    prop_assert!(recovery.is_clean(), "{:?}", recovery);
                    journal = again;
                }
            }
        }
        known.check(&mut journal);
    }
}

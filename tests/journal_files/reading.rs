//! Tools read a journal beside a running engine, and whatever a file may contain.

use pinfix::journal::{Finding, Item, Keeper, Kind, Reader, identity, verify};
use pinfix::session::{Outbox, ResetCause};
use proptest::prelude::*;

use crate::scratch::{Scratch, T0, drain, frame, open, put, send};

/// Everything a reader finds now: kind, number, frame.
fn records(reader: &mut Reader) -> Vec<(Kind, u64, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(item) = reader.read().unwrap() {
        let Item::Record(entry) = item else {
            panic!("{item:?}")
        };
        found.push((entry.kind, entry.seq, entry.frame.to_vec()));
    }
    found
}

#[test]
fn a_journal_tells_whose_it_is_also_while_it_is_written_and_when_its_first_header_is_lost() {
    let dir = Scratch::new("identity");
    assert_eq!(identity(dir.path()).unwrap(), None);
    let config = dir.config();
    let name = config.identity.clone();
    let (mut journal, _) = open(config, &Keeper::inline());
    assert_eq!(identity(dir.path()).unwrap(), Some(name.clone()));
    for seq in 1..=300 {
        send(&mut journal, &frame(seq, 500)).unwrap();
        drain(&mut journal);
    }
    assert!(journal.stat().segments > 1);
    drop(journal);
    std::fs::write(dir.path().join("0000000001.journal"), "lost").unwrap();
    assert_eq!(identity(dir.path()).unwrap(), Some(name));
    assert!(identity(&dir.path().join("nowhere")).is_err());
}

#[test]
fn a_reader_follows_a_running_engine_in_wire_order() {
    let dir = Scratch::new("follow");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    let mut reader = Reader::open(dir.path()).unwrap();
    let first = records(&mut reader);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].0, first[0].1), (Kind::Reset, 0));
    for seq in 1..=300 {
        send(&mut journal, &frame(seq, 500)).unwrap();
        journal
            .keep_inbound(seq, b"35=8", &[0..2], false, T0)
            .unwrap();
        let replay = journal.claim_replay(seq).unwrap().unwrap();
        replay.room[..4].copy_from_slice(b"copy");
        journal.commit_replay(0..4, seq, T0);
        drain(&mut journal);
        // A claim in progress is not seen.
        journal
            .claim(pinfix::session::Class::Control, 99)
            .unwrap()
            .fill(b'!');
        if seq % 50 == 0 {
            let found = records(&mut reader);
            assert_eq!(found.len(), 150);
            let lost = (Kind::Application, seq, frame(seq, 500));
            assert_eq!(
                found[147..],
                [
                    lost,
                    (Kind::Inbound, seq, b"**=8".to_vec()),
                    (Kind::Replay, seq, b"copy".to_vec())
                ]
            );
            assert_eq!(records(&mut reader), []);
        }
    }
    put(&mut journal, pinfix::session::Class::Control, b"admin").unwrap();
    journal.reset(4, 5, ResetCause::Operator, T0).unwrap();
    assert_eq!(
        records(&mut reader)[0],
        (Kind::Admin, 301, b"admin".to_vec())
    );
    let totals = verify(dir.path()).unwrap();
    assert!(totals.is_sound(), "{totals:?}");
    let counts = (
        totals.application,
        totals.admin,
        totals.replay,
        totals.inbound,
        totals.resets,
    );
    assert_eq!(counts, (300, 1, 300, 300, 2));
    assert!(totals.segments > 2);
}

#[test]
fn a_reset_can_be_read() {
    let dir = Scratch::new("read-reset");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    journal.reset(4, 5, ResetCause::Operator, T0).unwrap();
    let mut reader = Reader::open(dir.path()).unwrap();
    reader.read().unwrap();
    let Some(Item::Record(entry)) = reader.read().unwrap() else {
        panic!("no record")
    };
    let reset = entry.reset().unwrap();
    assert_eq!(
        (reset.series, reset.next_out, reset.next_in, reset.cause),
        (2, 4, 5, ResetCause::Operator)
    );
}

#[test]
fn a_reader_is_never_ahead_of_the_engine_nor_fooled_by_it() {
    let dir = Scratch::new("concurrent");
    let keeper = Keeper::start("keeper").unwrap();
    let (mut journal, _) = open(dir.config(), &keeper);
    std::thread::scope(|scope| {
        let path = dir.path();
        let reading = scope.spawn(move || {
            let mut reader = Reader::open(path).unwrap();
            let mut next = 1;
            while next <= 5000 {
                match reader.read().unwrap() {
                    Some(Item::Record(entry)) if entry.kind == Kind::Application => {
                        assert_eq!((entry.seq, entry.frame), (next, &frame(next, 300)[..]));
                        next += 1;
                    }
                    Some(Item::Record(_)) => {}
                    Some(other) => panic!("{other:?}"),
                    None => std::thread::yield_now(),
                }
            }
        });
        for seq in 1..=5000 {
            while send(&mut journal, &frame(seq, 300)).is_err() {
                std::thread::yield_now();
                assert!(!reading.is_finished(), "the reader gave up");
            }
            drain(&mut journal);
        }
        reading.join().unwrap();
    });
}

#[test]
fn damage_and_missing_segments_are_told_with_file_and_offset() {
    let dir = Scratch::new("verify");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    let mut seq = 0;
    while journal.stat().segments < 4 {
        seq += 1;
        send(&mut journal, &frame(seq, 500)).unwrap();
        drain(&mut journal);
    }
    let hurt = |number: u32, at: usize| {
        let mut image = std::fs::read(dir.segment(number)).unwrap();
        image[at] ^= 0xFF;
        std::fs::write(dir.segment(number), image).unwrap();
    };
    drop(journal);
    // The reset record has 64 bytes; the second message follows it by 536.
    let second = 1024 + 64 + 536;
    hurt(1, second + 100);
    std::fs::remove_file(dir.segment(2)).unwrap();
    hurt(3, 4);
    hurt(3, 0);
    let totals = verify(dir.path()).unwrap();
    assert_eq!(totals.damage.len(), 1, "{totals:?}");
    let damage = &totals.damage[0];
    assert_eq!(damage.file, dir.segment(1));
    assert_eq!(
        (damage.offset, damage.bytes, damage.number),
        (second, 536, Some(2))
    );
    assert_eq!(damage.finding, Finding::Hole);
    assert_eq!(totals.missing, [2..=2]);
    assert_eq!(totals.unusable.len(), 1);
    assert_eq!(totals.unusable[0].0, dir.segment(3));
    assert!(
        damage.to_string().contains("536 bytes at offset 1624"),
        "{damage}"
    );
}

#[test]
fn a_file_that_shrinks_under_the_reader_is_survived() {
    let dir = Scratch::new("shrink");
    let (mut journal, _) = open(dir.config(), &Keeper::inline());
    for seq in 1..=20 {
        send(&mut journal, &frame(seq, 500)).unwrap();
    }
    drop(journal);
    let mut reader = Reader::open(dir.path()).unwrap();
    assert!(reader.read().unwrap().is_some());
    std::fs::OpenOptions::new()
        .write(true)
        .open(dir.segment(1))
        .unwrap()
        .set_len(3000)
        .unwrap();
    for _ in 0..100 {
        reader.read().unwrap();
    }
    std::fs::remove_file(dir.segment(1)).unwrap();
    reader.read().unwrap();
    assert!(Reader::open(dir.path().join("nowhere")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the files, reading ends and opening does not panic.
    #[test]
    fn any_file_can_be_read_and_opened(
        patches in prop::collection::vec((0..16_384_usize, prop::collection::vec(any::<u8>(), 1..40)), 1..12),
        keep in 0..16_385_usize,
    ) {
        let dir = Scratch::new("any");
        let (mut journal, _) = open(dir.config(), &Keeper::inline());
        for seq in 1..=14 {
            send(&mut journal, &frame(seq, 300)).unwrap();
            drain(&mut journal);
        }
        drop(journal);
        let mut image = std::fs::read(dir.segment(1)).unwrap();
        for (at, bytes) in patches {
            // Mostly where something is.
            let at = if at % 4 == 0 { at } else { 500 + at % 5500 };
            let end = (at + bytes.len()).min(image.len());
            image[at..end].copy_from_slice(&bytes[..end - at]);
        }
        image.truncate(keep.max(16_384 - keep));
        std::fs::write(dir.segment(1), image).unwrap();
        let mut reader = Reader::open(dir.path()).unwrap();
        let mut items = 0;
        while reader.read().unwrap().is_some() {
            items += 1;
            prop_assert!(items < 10_000);
        }
        verify(dir.path()).unwrap();
        if let Ok((mut journal, _)) = pinfix::journal::Journal::open(dir.config(), &Keeper::inline(), T0) {
            let next = journal.next_out();
            prop_assert_eq!(send(&mut journal, b"after"), Ok(next));
            for seq in 1..=next {
                journal.stored(seq);
            }
        }
    }
}

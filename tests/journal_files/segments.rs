//! Growing from segment to segment: in time, late, on a full disk, flushed, and deleted.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pinfix::journal::{Durability, Finding, Gate, JournalConfig, Keeper, Retention, Ruling, Work};
use pinfix::session::{Class, Full, Outbox, ResetCause, Stored};
use pinfix::time::Utc;

use crate::scratch::{Scratch, T0, drain, frame, open, original, put, send, small};

const GO: u8 = 0;
const LATER: u8 = 1;
const FAIL: u8 = 2;

/// A gate for one sort of work, and the switch that works it.
fn gate(concerns: fn(Work) -> bool) -> (Gate, Arc<AtomicU8>) {
    let switch = Arc::new(AtomicU8::new(GO));
    let inside = Arc::clone(&switch);
    let gate = move |work| match inside.load(Ordering::SeqCst) {
        LATER if concerns(work) => Ruling::Later,
        FAIL if concerns(work) => Ruling::Fail(io::Error::from_raw_os_error(28)),
        _ => Ruling::Go,
    };
    (Box::new(gate), switch)
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn segments_grow_twofold_and_every_number_stays_readable() {
    let dir = Scratch::new("grow");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    for seq in 1..=1500 {
        assert_eq!(send(&mut journal, &frame(seq, 150)), Ok(seq));
        journal.keep_inbound(seq, b"35=0", &[], false, T0).unwrap();
        journal.set_next_in(seq + 1);
        assert_eq!(drain(&mut journal), frame(seq, 150));
    }
    let sizes: Vec<_> = (1..=3)
        .map(|n| std::fs::metadata(dir.segment(n)).unwrap().len())
        .collect();
    assert_eq!(sizes, [16 * 1024, 32 * 1024, 64 * 1024]);
    assert!(journal.stat().segments > 4);
    for reopen in [false, true] {
        if reopen {
            drop(journal);
            let (again, recovery) = open(dir.config(), &keeper);
            assert!(recovery.is_clean(), "{recovery:?}");
            assert!(recovery.records < 1000, "only the last segment is walked");
            journal = again;
        }
        for seq in 1..=1500 {
            assert_eq!(original(&mut journal, seq), Some(frame(seq, 150)), "{seq}");
        }
        assert_eq!((journal.next_out(), journal.next_in()), (1501, 1501));
    }
    journal.reset(1, 1, ResetCause::Operator, T0).unwrap();
    assert!((1..=1500).all(|seq| journal.stored(seq) == Stored::Absent));
}

#[test]
fn the_list_of_segments_grows_as_well() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    let mut seq = 0;
    while journal.stat().segments < 40 {
        seq += 1;
        assert_eq!(send(&mut journal, &frame(seq, 8000)), Ok(seq));
        drain(&mut journal);
    }
    assert!((1..=seq).all(|seq| original(&mut journal, seq) == Some(frame(seq, 8000))));
}

#[test]
fn without_a_next_segment_the_reserve_is_for_the_session() {
    let (gate, switch) = gate(|work| matches!(work, Work::Prepare { .. }));
    switch.store(LATER, Ordering::SeqCst);
    let (mut journal, _) = open(small(), &Keeper::inline_with(gate));
    let mut sent = 0;
    let full = loop {
        match send(&mut journal, &frame(sent + 1, 200)) {
            Ok(seq) => sent = seq,
            Err(full) => break full,
        }
        drain(&mut journal);
    };
    assert_eq!(full, Full::Segment);
    assert!(journal.storage_error().is_none());
    assert!(matches!(
        journal.keep_inbound(1, &[b'i'; 200], &[], true, T0),
        Err(Full::Segment)
    ));
    assert!(matches!(journal.claim_replay(1), Err(Full::Segment)));
    assert!(journal.stat().tail_left_bytes >= 1024);
    let mut heartbeats = 0;
    while put(&mut journal, Class::Control, &frame(0, 60)).is_ok() {
        heartbeats += 1;
    }
    assert!(heartbeats >= 9, "{heartbeats}");
    while put(&mut journal, Class::Control, b"c").is_ok() {
        heartbeats += 1;
    }
    let numbers = (
        journal.next_out(),
        journal.next_in(),
        journal.series_began(),
    );
    assert_eq!(
        journal.reset(1, 1, ResetCause::Operator, Utc(T0.0 + 5)),
        Err(Full::Segment)
    );
    assert_eq!(
        (
            journal.next_out(),
            journal.next_in(),
            journal.series_began()
        ),
        numbers
    );

    switch.store(FAIL, Ordering::SeqCst);
    journal.poll();
    assert_eq!(send(&mut journal, b"x"), Err(Full::Storage));
    assert_eq!(
        journal.storage_error().unwrap().kind(),
        io::ErrorKind::StorageFull
    );

    switch.store(GO, Ordering::SeqCst);
    journal.poll();
    assert!(journal.storage_error().is_none());
    assert_eq!(send(&mut journal, b"x"), Ok(sent + heartbeats + 1));
    assert!((1..=sent).all(|seq| original(&mut journal, seq) == Some(frame(seq, 200))));
}

#[test]
fn the_keeper_tries_again_by_itself_when_the_disk_was_full() {
    let dir = Scratch::new("full");
    let (gate, switch) = gate(|work| matches!(work, Work::Prepare { .. }));
    switch.store(FAIL, Ordering::SeqCst);
    let keeper = Keeper::start_with("keeper", gate).unwrap();
    let (mut journal, _) = open(dir.config(), &keeper);
    let mut sent = 0;
    while let Ok(seq) = send(&mut journal, &frame(sent + 1, 200)) {
        sent = seq;
        drain(&mut journal);
    }
    let next = frame(sent + 1, 200);
    wait_until(|| send(&mut journal, &next) == Err(Full::Storage));
    switch.store(GO, Ordering::SeqCst);
    wait_until(|| send(&mut journal, &next).is_ok());
    assert_eq!(journal.next_out(), sent + 2);
    drop(journal);
    let (mut journal, recovery) = open(dir.config(), &Keeper::inline());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!((1..=sent + 1).all(|seq| original(&mut journal, seq) == Some(frame(seq, 200))));
}

#[test]
fn two_threads_roll_under_load() {
    let dir = Scratch::new("threads");
    let keeper = Keeper::start("keeper").unwrap();
    let (mut journal, _) = open(dir.config(), &keeper);
    let mut wire = 0;
    for seq in 1..=5000 {
        wait_until(|| send(&mut journal, &frame(seq, 180)).is_ok());
        if seq % 7 == 0 {
            wire += drain(&mut journal).len();
            journal.poll();
        }
    }
    wire += drain(&mut journal).len();
    assert_eq!(wire, 5000 * 180);
    assert!(journal.stat().segments > 10);
    drop(journal);
    let (mut journal, recovery) = open(dir.config(), &Keeper::inline());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!((1..=5000).all(|seq| original(&mut journal, seq) == Some(frame(seq, 180))));
}

#[test]
fn flush_each_shows_a_frame_once_it_is_on_the_device() {
    let dir = Scratch::new("flush-each");
    let (gate, switch) = gate(|work| work == Work::Flush);
    let keeper = Keeper::inline_with(gate);
    let config = JournalConfig {
        durability: Durability::FlushEach,
        ..dir.config()
    };
    let (mut journal, _) = open(config, &keeper);
    send(&mut journal, b"one").unwrap();
    assert_eq!(journal.unsent().unwrap().bytes, b"one");
    switch.store(LATER, Ordering::SeqCst);
    send(&mut journal, b"two").unwrap();
    send(&mut journal, b"three").unwrap();
    journal.mark_sent(3);
    assert_eq!((journal.unsent(), journal.unsent_len()), (None, 8));
    journal.poll();
    assert_eq!(journal.unsent(), None);
    switch.store(GO, Ordering::SeqCst);
    journal.poll();
    assert_eq!(drain(&mut journal), b"twothree");
    // After a failed flush nothing is believed any more.
    switch.store(FAIL, Ordering::SeqCst);
    send(&mut journal, b"four").unwrap();
    switch.store(GO, Ordering::SeqCst);
    journal.poll();
    assert_eq!(journal.unsent(), None);
    assert_eq!(send(&mut journal, b"five"), Err(Full::Storage));
    assert!(journal.storage_error().is_some());
}

#[test]
fn flush_each_and_flush_every_work_with_the_thread_and_across_segments() {
    for durability in [
        Durability::FlushEach,
        Durability::FlushEvery(Duration::from_millis(2)),
    ] {
        let dir = Scratch::new("flush-thread");
        let flushes = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&flushes);
        let gate = move |work| {
            *counted.lock().unwrap() += u32::from(work == Work::Flush);
            Ruling::Go
        };
        let keeper = Keeper::start_with("keeper", Box::new(gate)).unwrap();
        let config = JournalConfig {
            durability,
            ..dir.config()
        };
        let (mut journal, _) = open(config.clone(), &keeper);
        let mut sent = 0;
        for seq in 1..=120 {
            wait_until(|| send(&mut journal, &frame(seq, 1000)).is_ok());
            if seq % 10 == 0 {
                wait_until(|| {
                    sent += drain(&mut journal).len();
                    journal.unsent_len() == 0
                });
            }
        }
        assert_eq!(sent, 120_000);
        assert!(journal.stat().segments > 2);
        wait_until(|| *flushes.lock().unwrap() > 0);
        assert!(journal.storage_error().is_none());
        drop(journal);
        let (journal, recovery) = open(config, &keeper);
        assert!(recovery.is_clean(), "{recovery:?}");
        assert_eq!(journal.next_out(), 121);
    }
}

#[test]
fn old_segments_are_deleted_by_size_but_never_unsent_ones() {
    let dir = Scratch::new("retention");
    let keeper = Keeper::inline();
    let config = JournalConfig {
        retention: Retention {
            age: None,
            bytes: Some(100 * 1024),
        },
        ..dir.config()
    };
    let (mut journal, _) = open(config.clone(), &keeper);
    for seq in 1..=200 {
        send(&mut journal, &frame(seq, 1000)).unwrap();
        journal.poll();
    }
    assert!(
        dir.segment(1).exists(),
        "nothing was sent, so nothing may go"
    );
    assert_eq!(drain(&mut journal).len(), 200_000);
    while journal.poll() > 0 {}
    assert!(!dir.segment(1).exists());
    assert!(journal.stat().stored_bytes <= 100 * 1024);
    for reopen in [false, true] {
        if reopen {
            drop(journal);
            let (again, recovery) = open(config.clone(), &keeper);
            assert!(recovery.is_clean(), "{recovery:?}");
            journal = again;
        }
        assert_eq!(journal.stored(1), Stored::Absent);
        let first = (1..=200)
            .find(|&seq| journal.stored(seq) == Stored::Application)
            .unwrap();
        assert!(first > 100);
        assert!((first..=200).all(|seq| original(&mut journal, seq) == Some(frame(seq, 1000))));
        assert_eq!(journal.next_out(), 201);
    }
}

#[test]
fn old_segments_are_deleted_by_age() {
    let dir = Scratch::new("age");
    let config = JournalConfig {
        retention: Retention {
            age: Some(Duration::from_secs(60)),
            bytes: None,
        },
        ..dir.config()
    };
    let (mut journal, _) = open(config, &Keeper::inline());
    for minute in 0..10_u64 {
        for _ in 0..20 {
            journal.claim(Class::Application, 1000).unwrap().fill(b'x');
            journal.commit(0..1000, false, false, Utc(T0.0 + minute * 60_000_000_000));
        }
        drain(&mut journal);
        while journal.poll() > 0 {}
    }
    assert!(!dir.segment(1).exists());
    assert_eq!(journal.stored(200), Stored::Application);
    assert_eq!(journal.stored(1), Stored::Absent);
}

#[test]
fn a_segment_that_is_missing_is_reported_and_its_numbers_are_unreadable() {
    let dir = Scratch::new("missing");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    for seq in 1..=200 {
        send(&mut journal, &frame(seq, 1000)).unwrap();
        drain(&mut journal);
    }
    drop(journal);
    std::fs::remove_file(dir.segment(2)).unwrap();
    let (mut journal, recovery) = open(dir.config(), &keeper);
    assert_eq!(recovery.missing, [2..=2]);
    let lost: Vec<_> = (1..=200)
        .filter(|&seq| journal.stored(seq) == Stored::Unreadable)
        .collect();
    assert!(
        lost.len() > 20 && lost.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{lost:?}"
    );
    for seq in (1..=200).filter(|seq| !lost.contains(seq)) {
        assert_eq!(original(&mut journal, seq), Some(frame(seq, 1000)));
    }
    assert_eq!(journal.next_out(), 201);
}

#[test]
fn a_sealed_segment_without_its_seal_is_walked() {
    let dir = Scratch::new("unsealed");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    for seq in 1..=200 {
        send(&mut journal, &frame(seq, 1000)).unwrap();
        drain(&mut journal);
    }
    drop(journal);
    for number in 1..=2 {
        let mut image = std::fs::read(dir.segment(number)).unwrap();
        image[576..640].fill(0);
        std::fs::write(dir.segment(number), image).unwrap();
    }
    let (mut journal, recovery) = open(dir.config(), &keeper);
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!((1..=200).all(|seq| original(&mut journal, seq) == Some(frame(seq, 1000))));
}

#[test]
fn a_lost_header_is_rebuilt_from_the_segment_before() {
    let dir = Scratch::new("header");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    let mut seq = 0;
    while journal.stat().segments < 3 {
        seq += 1;
        send(&mut journal, &frame(seq, 1000)).unwrap();
        drain(&mut journal);
    }
    let last = journal.stat().tail_number;
    drop(journal);
    let mut image = std::fs::read(dir.segment(last)).unwrap();
    image[..1024].fill(0);
    std::fs::write(dir.segment(last), image).unwrap();
    let (mut journal, recovery) = open(dir.config(), &keeper);
    assert_eq!(recovery.damage.len(), 1);
    assert_eq!(recovery.damage[0].finding, Finding::HeaderLost);
    assert_eq!(journal.next_out(), seq + 1);
    assert!((1..=seq).all(|seq| original(&mut journal, seq) == Some(frame(seq, 1000))));
}

#[test]
fn without_its_keeper_a_journal_fills_its_segment_and_says_why() {
    let dir = Scratch::new("no-keeper");
    let keeper = Keeper::start("keeper").unwrap();
    let (mut journal, _) = open(dir.config(), &keeper);
    drop(keeper);
    let mut sent = 0;
    let full = loop {
        match send(&mut journal, &frame(sent + 1, 500)) {
            Ok(seq) => sent = seq,
            Err(full) => break full,
        }
        drain(&mut journal);
    };
    assert_eq!(full, Full::Storage);
    assert!(journal.storage_error().is_some());
    drop(journal);
    let (journal, recovery) = open(dir.config(), &Keeper::inline());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(journal.next_out(), sent + 1);
}

#[test]
fn a_thousand_idle_journals_are_small() {
    let keeper = Keeper::inline();
    let config = || JournalConfig {
        identity: "idle".to_owned(),
        ..JournalConfig::default()
    };
    let journals: Vec<_> = (0..1000)
        .map(|_| {
            let (mut journal, _) = open(config(), &keeper);
            put(&mut journal, Class::Control, &frame(1, 120)).unwrap();
            journal.poll();
            journal
        })
        .collect();
    assert!(
        journals
            .iter()
            .all(|journal| journal.stat().stored_bytes == 256 * 1024)
    );
    assert!(journals.iter().all(|journal| !journal.stat().next_ready));
}

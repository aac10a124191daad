//! Numbers, frames, limits: what a session sees of the journal.

use pinfix::journal::{Journal, Keeper, OpenError};
use pinfix::session::{Class, Full, InboundAt, Outbox, REPLAY_GROWTH, ResetCause, Stored};
use pinfix::time::Utc;

use crate::scratch::{Scratch, T0, drain, frame, open, original, put, send, small};

#[test]
fn a_new_journal_starts_at_one_and_goes_on_where_it_was() {
    let dir = Scratch::new("goes-on");
    let keeper = Keeper::inline();
    let (mut journal, recovery) = open(dir.config(), &keeper);
    assert!(recovery.is_clean() && recovery.segments == 0);
    assert_eq!(
        (
            journal.next_out(),
            journal.next_in(),
            journal.series_began()
        ),
        (1, 1, T0)
    );
    assert_eq!(send(&mut journal, b"one"), Ok(1));
    assert_eq!(put(&mut journal, Class::Control, b"two"), Ok(2));
    journal.set_next_in(8);
    drop(journal);

    let (mut journal, recovery) = Journal::open(dir.config(), &keeper, Utc(T0.0 + 9)).unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!((recovery.segments, recovery.records), (1, 3));
    assert_eq!(
        (
            journal.next_out(),
            journal.next_in(),
            journal.series_began()
        ),
        (3, 8, T0)
    );
    assert_eq!(journal.stored(1), Stored::Application);
    assert_eq!(journal.stored(2), Stored::Admin);
    assert_eq!(journal.stored(3), Stored::Absent);
    assert_eq!(journal.stored(0), Stored::Absent);
    assert_eq!(original(&mut journal, 1).as_deref(), Some(&b"one"[..]));
    assert_eq!(
        journal.unsent(),
        None,
        "nothing goes to a new connection by itself"
    );
}

#[test]
fn the_socket_sees_frames_in_order_and_nothing_else() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    send(&mut journal, b"first").unwrap();
    journal
        .keep_inbound(1, b"of the peer", &[], false, T0)
        .unwrap();
    send(&mut journal, b"second").unwrap();
    assert_eq!(journal.unsent_len(), 11);
    journal.mark_sent(2);
    let unsent = journal.unsent().unwrap();
    assert_eq!(
        (unsent.bytes, unsent.started, unsent.seq),
        (&b"rst"[..], 2, 1)
    );
    assert_eq!(drain(&mut journal), b"rstsecond");
    assert_eq!((journal.unsent(), journal.unsent_len()), (None, 0));
    journal
        .keep_inbound(2, b"of the peer", &[], false, T0)
        .unwrap();
    assert_eq!(journal.unsent(), None);
    send(&mut journal, b"third").unwrap();
    journal.drop_unsent();
    assert_eq!((journal.unsent(), journal.unsent_len()), (None, 0));
    send(&mut journal, b"fourth").unwrap();
    assert_eq!(drain(&mut journal), b"fourth");
    assert_eq!(original(&mut journal, 3).as_deref(), Some(&b"third"[..]));
}

#[test]
#[should_panic(expected = "no more bytes are sent than were shown")]
fn more_than_was_shown_cannot_be_sent() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    send(&mut journal, b"first").unwrap();
    journal.mark_sent(6);
}

#[test]
fn a_claim_that_is_not_committed_never_happened() {
    let dir = Scratch::new("given-up");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    journal.claim(Class::Application, 4000).unwrap().fill(0xFF);
    assert_eq!(send(&mut journal, b"short"), Ok(1));
    assert_eq!(send(&mut journal, b"shorter"), Ok(2));
    assert_eq!(drain(&mut journal), b"shortshorter");
    // Killed here: what the long claim left behind is cut and reported.
    let image = std::fs::read(dir.segment(1)).unwrap();
    let killed = Scratch::new("given-up-killed");
    std::fs::write(killed.segment(1), image).unwrap();
    let (mut reopened, recovery) = open(killed.config(), &keeper);
    assert_eq!(recovery.damage.len(), 1, "{recovery:?}");
    assert_eq!(
        recovery.damage[0].finding,
        pinfix::journal::Finding::Unpublished
    );
    assert_eq!(reopened.next_out(), 3);
    assert_eq!(original(&mut reopened, 2).as_deref(), Some(&b"shorter"[..]));
    // Closed in order: nothing to report.
    drop(journal);
    let (_, recovery) = open(dir.config(), &keeper);
    assert!(recovery.is_clean(), "{recovery:?}");
}

#[test]
fn a_frame_may_start_anywhere_in_its_room() {
    let (mut journal, _) = open(
        pinfix::journal::JournalConfig {
            first_segment_bytes: 256 * 1024,
            max_segment_bytes: 256 * 1024,
            ..small()
        },
        &Keeper::inline(),
    );
    for (start, len) in [(0, 1), (7, 20), (65_535, 3), (65_536, 3), (100_000, 50)] {
        let room = journal.claim(Class::Application, 120_000).unwrap();
        room.fill(b'x');
        room[start..start + len].fill(b'f');
        journal.commit(start..start + len, false, false, T0);
        assert_eq!(drain(&mut journal), vec![b'f'; len]);
        let seq = journal.next_out() - 1;
        assert_eq!(original(&mut journal, seq), Some(vec![b'f'; len]));
    }
}

#[test]
fn a_replay_is_sent_but_never_found_by_its_number() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    send(&mut journal, b"original").unwrap();
    send(&mut journal, b"other").unwrap();
    drain(&mut journal);
    let replay = journal.claim_replay(1).unwrap().unwrap();
    assert_eq!(replay.original, b"original");
    assert!(replay.room.len() >= replay.original.len() + REPLAY_GROWTH);
    replay.room[10..14].copy_from_slice(b"copy");
    journal.commit_replay(10..14, 1, T0);
    assert_eq!(journal.next_out(), 3);
    assert_eq!(drain(&mut journal), b"copy");
    assert_eq!(original(&mut journal, 1).as_deref(), Some(&b"original"[..]));
    assert_eq!(original(&mut journal, 3), None);
    // A gap fill needs no original.
    journal
        .claim(Class::Replay, 3)
        .unwrap()
        .copy_from_slice(b"gap");
    journal.commit_replay(0..3, 2, T0);
    assert_eq!(
        (journal.next_out(), drain(&mut journal)),
        (3, b"gap".to_vec())
    );
}

#[test]
fn masked_frames_say_so_and_are_not_sent_again() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    for (seq, admin, stored) in [(1, true, Stored::Admin), (2, false, Stored::Absent)] {
        journal
            .claim(Class::Control, 9)
            .unwrap()
            .copy_from_slice(b"554=*****");
        journal.commit(0..9, admin, true, T0);
        let unsent = journal.unsent().unwrap();
        assert!(unsent.masked && unsent.seq == seq);
        journal.mark_sent(9);
        assert_eq!(journal.stored(seq), stored);
        assert!(journal.claim_replay(seq).unwrap().is_none());
    }
}

#[test]
fn inbound_frames_are_read_back_with_their_secrets_masked() {
    let dir = Scratch::new("inbound");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    let kept = journal
        .keep_inbound(5, b"554=hello|x", &[4..9], true, T0)
        .unwrap()
        .unwrap();
    send(&mut journal, b"out").unwrap();
    assert_eq!(journal.inbound(kept), Some(&b"554=*****|x"[..]));
    for wrong in [0, 8, 1024, kept.0 + 8, kept.0 + 48, u64::MAX, 7 << 32] {
        assert_eq!(journal.inbound(InboundAt(wrong)), None, "{wrong:#x}");
    }
    let image = std::fs::read(dir.segment(1)).unwrap();
    assert!(!image.windows(5).any(|bytes| bytes == b"hello"));
}

#[test]
fn inbound_frames_are_kept_only_if_wanted_or_needed() {
    let config = pinfix::journal::JournalConfig {
        record_inbound: false,
        ..small()
    };
    let (mut journal, _) = open(config, &Keeper::inline());
    assert_eq!(journal.keep_inbound(1, b"x", &[], false, T0), Ok(None));
    let kept = journal
        .keep_inbound(1, b"x", &[], true, T0)
        .unwrap()
        .unwrap();
    assert_eq!(journal.inbound(kept), Some(&b"x"[..]));
}

#[test]
fn after_a_reset_the_numbers_of_before_are_gone() {
    let dir = Scratch::new("reset");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    for _ in 0..5 {
        send(&mut journal, b"old").unwrap();
    }
    journal.set_next_in(9);
    let later = Utc(T0.0 + 1);
    journal.reset(3, 7, ResetCause::Operator, later).unwrap();
    assert_eq!(
        (
            journal.next_out(),
            journal.next_in(),
            journal.series_began()
        ),
        (3, 7, later)
    );
    assert_eq!(send(&mut journal, b"new"), Ok(3));
    for reopen in [false, true] {
        if reopen {
            drop(journal);
            let (again, recovery) = open(dir.config(), &keeper);
            assert!(recovery.is_clean(), "{recovery:?}");
            journal = again;
        }
        assert_eq!(
            (
                journal.next_out(),
                journal.next_in(),
                journal.series_began()
            ),
            (4, 7, later)
        );
        let stored: Vec<_> = (1..=5).map(|seq| journal.stored(seq)).collect();
        assert_eq!(stored[2], Stored::Application);
        assert!(
            stored
                .iter()
                .enumerate()
                .all(|(nth, &s)| nth == 2 || s == Stored::Absent),
            "{stored:?}"
        );
        assert_eq!(original(&mut journal, 3).as_deref(), Some(&b"new"[..]));
    }
}

#[test]
fn the_application_is_refused_before_the_session() {
    let config = pinfix::journal::JournalConfig {
        unsent_limit_bytes: 4096,
        ..small()
    };
    let (mut journal, _) = open(config, &Keeper::inline());
    // 4096 less the reserve of 1024.
    for _ in 0..3 {
        send(&mut journal, &[b'a'; 1000]).unwrap();
    }
    assert_eq!(send(&mut journal, &[b'a'; 73]), Err(Full::Unsent));
    assert_eq!(send(&mut journal, &[b'a'; 72]), Ok(4));
    assert!(matches!(journal.claim(Class::Replay, 1), Err(Full::Unsent)));
    assert_eq!(put(&mut journal, Class::Control, &[b'c'; 1024]), Ok(5));
    assert_eq!(put(&mut journal, Class::Control, b"c"), Err(Full::Unsent));
    assert!(
        journal
            .keep_inbound(1, b"inbound is not for the socket", &[], true, T0)
            .is_ok()
    );
    assert_eq!(send(&mut journal, &[b'a'; 3073]), Err(Full::TooLong));
    assert_eq!(
        put(&mut journal, Class::Control, &[b'c'; 4097]),
        Err(Full::TooLong)
    );
    journal.mark_sent(1000);
    assert_eq!(send(&mut journal, &[b'a'; 1]), Err(Full::Unsent));
    drain(&mut journal);
    assert_eq!(send(&mut journal, &[b'a'; 3072]), Ok(6));
}

#[test]
fn a_frame_no_segment_can_hold_is_too_long() {
    let (mut journal, _) = open(small(), &Keeper::inline());
    let longest = 64 * 1024 - 1024 - 8 - 1024 - 40;
    assert_eq!(
        send(&mut journal, &vec![b'a'; longest + 1]),
        Err(Full::TooLong)
    );
    assert_eq!(send(&mut journal, &vec![b'a'; longest]), Ok(1));
    assert_eq!(drain(&mut journal).len(), longest);
    assert!(matches!(
        journal.keep_inbound(1, &vec![0; 70_000], &[], true, T0),
        Err(Full::TooLong)
    ));
    assert_eq!(send(&mut journal, b"next"), Ok(2));
}

#[test]
fn one_process_owns_a_journal() {
    let dir = Scratch::new("lock");
    let keeper = Keeper::inline();
    let (journal, _) = open(dir.config(), &keeper);
    let error = Journal::open(dir.config(), &keeper, T0).unwrap_err();
    let OpenError::InUse { owner, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*owner, Some(std::process::id()));
    let text = error.to_string();
    assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    drop(journal);
    assert!(Journal::open(dir.config(), &keeper, T0).is_ok());
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let source = Scratch::new("source");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(source.config(), &keeper);
    send(&mut journal, &frame(1, 50)).unwrap();
    drop(journal);
    let good = std::fs::read(source.segment(1)).unwrap();
    type Spoil = fn(&mut Vec<u8>);
    let rows: [(&str, Spoil); 7] = [
        ("does not begin with the mark", |image| {
            image[..8].copy_from_slice(b"#!/bin/s")
        }),
        ("does not begin with the mark", |image| image.truncate(7)),
        ("layout version 77, this program reads version 1", |image| {
            image[8] = 77
        }),
        ("checksum of the header", |image| image[300] ^= 1),
        ("header is blank", |image| image[..512].fill(0)),
        ("by its header 16384 are expected", |image| image.push(0)),
        ("by its header 16384 are expected", |image| {
            image.truncate(600)
        }),
    ];
    for (why, spoil) in rows {
        let dir = Scratch::new("foreign");
        let mut image = good.clone();
        spoil(&mut image);
        std::fs::write(dir.segment(1), &image).unwrap();
        std::fs::write(dir.path().join("0000000002.preparing"), b"x").unwrap();
        let error = Journal::open(dir.config(), &keeper, T0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(why) && error.contains("0000000001.journal"),
            "{error}"
        );
        assert_eq!(std::fs::read(dir.segment(1)).unwrap(), image);
        assert!(dir.path().join("0000000002.preparing").exists());
    }
    let other = pinfix::journal::JournalConfig {
        identity: "FIX.4.4:A->C".to_owned(),
        ..source.config()
    };
    let error = Journal::open(other, &keeper, T0).unwrap_err().to_string();
    assert!(
        error.contains("FIX.4.4:A->B") && error.contains("FIX.4.4:A->C"),
        "{error}"
    );
    let mut broken = source.config();
    broken.control_reserve_bytes = 1;
    let error = Journal::open(broken, &keeper, T0).unwrap_err().to_string();
    assert!(error.contains("control_reserve_bytes = 1"), "{error}");
    std::fs::rename(source.segment(1), source.segment(3)).unwrap();
    let error = Journal::open(source.config(), &keeper, T0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("it says it is segment 1"), "{error}");
}

#[test]
fn a_series_goes_on_with_higher_numbers_and_what_was_sent_is_still_found() {
    let dir = Scratch::new("renumber");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    let began = journal.series_began();
    assert_eq!(send(&mut journal, b"one"), Ok(1));
    assert_eq!(journal.renumber(7, 1, ResetCause::SetNextOut, T0), Ok(()));
    assert_eq!(send(&mut journal, b"seven"), Ok(7));
    assert_eq!(journal.renumber(8, 30, ResetCause::SetNextIn, T0), Ok(()));
    assert_eq!(
        journal.renumber(20, 30, ResetCause::SequenceReset, T0),
        Ok(())
    );
    let look = |journal: &mut Journal| {
        let numbers = (journal.next_out(), journal.next_in());
        assert_eq!(numbers, (20, 30));
        assert_eq!(journal.series_began(), began);
        for (seq, stored) in [
            (1, Stored::Application),
            (2, Stored::Absent),
            (6, Stored::Absent),
            (7, Stored::Application),
            (8, Stored::Absent),
            (19, Stored::Absent),
            (20, Stored::Absent),
        ] {
            assert_eq!(journal.stored(seq), stored, "{seq}");
        }
        assert_eq!(original(journal, 7).as_deref(), Some(&b"seven"[..]));
    };
    look(&mut journal);
    drop(journal);
    let (mut journal, recovery) = open(dir.config(), &keeper);
    assert!(recovery.is_clean(), "{recovery:?}");
    look(&mut journal);
    assert_eq!(send(&mut journal, b"twenty"), Ok(20));
    assert_eq!(journal.stored(20), Stored::Application);
    assert_eq!(journal.stored(19), Stored::Absent);
}

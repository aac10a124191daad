//! A journal file that was cut, zeroed or damaged anywhere is opened again.
//!
//! What must hold: every record before the damage is there; a number that may have been sent is not
//! given out again; and the report says what happened.

use pinfix::journal::{Finding, Item, Journal, Keeper, Reader, Recovery};
use pinfix::session::{Outbox, ResetCause, Stored};

use crate::scratch::{Scratch, T0, drain, frame, open, original, send};

const HEADER: usize = 1024;
/// Application messages in the file below; each has 40 bytes, so its record has 72.
const SENT: u64 = 8;

/// The file of a journal with a reset, outbound, inbound and replayed records, and where its records
/// start.
fn image() -> (Vec<u8>, Vec<usize>) {
    let dir = Scratch::new("crash-source");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    for seq in 1..=SENT {
        send(&mut journal, &frame(seq, 40)).unwrap();
        if seq % 3 == 0 {
            journal
                .keep_inbound(seq, b"35=8|of the peer", &[], false, T0)
                .unwrap();
            journal.set_next_in(seq + 1);
        }
        if seq == 5 {
            let replay = journal.claim_replay(2).unwrap().unwrap();
            replay.room[..4].copy_from_slice(b"copy");
            journal.commit_replay(0..4, 2, T0);
        }
    }
    drain(&mut journal);
    drop(journal);
    let mut starts = Vec::new();
    let mut reader = Reader::open(dir.path()).unwrap();
    while let Some(item) = reader.read().unwrap() {
        let Item::Record(entry) = item else {
            panic!("{item:?}")
        };
        starts.push(entry.offset);
    }
    (std::fs::read(dir.segment(1)).unwrap(), starts)
}

/// Opens an image, and once more, and checks what must hold after any damage at `from`.
fn check(image: &[u8], starts: &[usize], from: usize, what: &str) -> Recovery {
    let dir = Scratch::new("crash");
    std::fs::write(dir.segment(1), image).unwrap();
    let keeper = Keeper::inline();
    let (mut journal, recovery) =
        Journal::open(dir.config(), &keeper, T0).unwrap_or_else(|error| panic!("{what}: {error}"));
    // The record that starts last at or before the damage is the first one that may be gone.
    let hurt = starts.iter().rposition(|&start| start <= from).unwrap_or(0);
    let sound = numbers_before(starts, hurt);
    for seq in 1..=sound {
        assert_eq!(
            original(&mut journal, seq),
            Some(frame(seq, 40)),
            "{what}: {seq}"
        );
    }
    let next = journal.next_out();
    // The second start finds what the first one left, and does not turn the numbers back.
    drop(journal);
    let (mut journal, again) = open(dir.config(), &keeper);
    assert_eq!(journal.next_out(), next, "{what}: {again:?}");
    assert!(again.damage.is_empty(), "{what}: {again:?}");
    assert_eq!(send(&mut journal, b"after"), Ok(next), "{what}");
    assert_eq!(journal.stored(next), Stored::Application, "{what}");
    for seq in 1..next {
        let found = original(&mut journal, seq);
        assert!(
            found.is_none() || found == Some(frame(seq, 40)),
            "{what}: {seq}"
        );
        assert!(seq > sound || found.is_some(), "{what}: {seq}");
    }
    recovery
}

/// How many new numbers are in the records before `nth`. The order is that of `image`.
fn numbers_before(starts: &[usize], nth: usize) -> u64 {
    let is_numbered = |at: usize| ![0, 4, 7, 9].contains(&at);
    assert_eq!(
        (0..starts.len()).filter(|&at| is_numbered(at)).count() as u64,
        SENT
    );
    (0..nth).filter(|&at| is_numbered(at)).count() as u64
}

fn next_out(image: &[u8]) -> u64 {
    let dir = Scratch::new("crash-next");
    std::fs::write(dir.segment(1), image).unwrap();
    open(dir.config(), &Keeper::inline()).0.next_out()
}

#[test]
fn one_damaged_byte_anywhere_loses_at_most_its_record_and_no_number() {
    let (image, starts) = image();
    let end = starts[starts.len() - 1] + 72;
    for at in (HEADER..end).step_by(1) {
        for value in [0, !image[at]] {
            let mut hurt = image.clone();
            if hurt[at] == value {
                continue;
            }
            hurt[at] = value;
            let what = format!("byte {at} = {value}");
            let recovery = check(&hurt, &starts, at, &what);
            assert_eq!(next_out(&hurt), SENT + 1, "{what}");
            let nth = starts.iter().rposition(|&start| start <= at).unwrap();
            let padding = starts.get(nth + 1).copied().unwrap_or(end) - at <= 7 && recovery.is_clean();
            assert!(
                !recovery.damage.is_empty() || padding,
                "{what}: nothing was reported"
            );
            if let Some(damage) = recovery.damage.first() {
                assert!(damage.file.ends_with("0000000001.journal"));
                assert_eq!(damage.offset, starts[nth], "{what}: {damage}");
            }
        }
    }
}

#[test]
fn zeros_from_any_byte_to_the_end_of_the_records_turn_no_number_back() {
    let (image, starts) = image();
    let end = starts[starts.len() - 1] + 72;
    for at in HEADER + 56 + 8..end {
        let mut hurt = image.clone();
        hurt[at..end].fill(0);
        let what = format!("zeros from {at}");
        let recovery = check(&hurt, &starts, at, &what);
        // The index still says how far the numbers went.
        assert_eq!(next_out(&hurt), SENT + 1, "{what}");
        assert!(!recovery.is_clean(), "{what}");
    }
}

#[test]
fn rubbish_from_any_record_on_is_survived() {
    let (image, starts) = image();
    for &at in &starts {
        let mut hurt = image.clone();
        let mut state = at as u32;
        let index = hurt.len() - 8 * SENT as usize;
        for byte in &mut hurt[at..index] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        check(&hurt, &starts, at, &format!("rubbish from {at}"));
        if at > starts[0] {
            assert_eq!(next_out(&hurt), SENT + 1, "rubbish from {at}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_keeps_what_is_before_the_cut_and_says_so() {
    let (image, starts) = image();
    let end = starts[starts.len() - 1] + 72;
    for at in (HEADER..end).chain([end + 1, image.len() - 64, image.len() - 1]) {
        let recovery = check(&image[..at], &starts, at, &format!("cut at {at}"));
        assert_eq!(recovery.damage[0].finding, Finding::CutShort);
        assert_eq!(
            (recovery.damage[0].offset, recovery.damage[0].bytes),
            (at, image.len() - at)
        );
    }
}

#[test]
fn a_damaged_index_is_rebuilt_from_the_records() {
    let (image, starts) = image();
    for at in image.len() - 8 * SENT as usize - 16..image.len() {
        for value in [0, 0xFF, !image[at]] {
            let mut hurt = image.clone();
            hurt[at] = value;
            let what = format!("index byte {at} = {value}");
            check(&hurt, &starts, usize::MAX, &what);
            assert_eq!(next_out(&hurt), SENT + 1, "{what}");
        }
    }
}

#[test]
fn a_kill_between_any_two_stores_of_a_commit_is_survived() {
    let (image, starts) = image();
    let last = starts[starts.len() - 1];
    // In the order of the stores: frame, header, length, index.
    let before = |image: &[u8]| {
        let mut image = image.to_vec();
        image[last..last + 72].fill(0);
        let index = image.len() - 8 * SENT as usize;
        image[index..index + 8].fill(0);
        image
    };
    let mut step = before(&image);
    assert_eq!(next_out(&step), SENT);
    for (range, next) in [
        (last + 32..last + 72, SENT),
        (last + 4..last + 32, SENT),
        (last..last + 4, SENT + 1),
    ] {
        step[range.clone()].copy_from_slice(&image[range.clone()]);
        let recovery = check(
            &step,
            &starts,
            if next > SENT { usize::MAX } else { last },
            "kill",
        );
        assert_eq!(next_out(&step), next, "after the store of {range:?}");
        assert_eq!(
            recovery.damage.len(),
            usize::from(next == SENT),
            "{recovery:?}"
        );
        assert!(recovery.skipped.is_empty());
    }
}

#[test]
fn a_kill_while_going_on_to_the_next_segment_is_survived() {
    let dir = Scratch::new("crash-roll");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    let mut seq = 0;
    while journal.stat().tail_number == 1 {
        seq += 1;
        send(&mut journal, &frame(seq, 500)).unwrap();
        drain(&mut journal);
    }
    let (first, second) = (
        std::fs::read(dir.segment(1)).unwrap(),
        std::fs::read(dir.segment(2)).unwrap(),
    );
    // Neither sealed nor gone on; sealed; header without its magic; gone on without a record.
    type Step = fn(&mut Vec<u8>, &mut Vec<u8>);
    let rows: [(u64, Step); 4] = [
        (seq, |first, second| {
            first[576..640].fill(0);
            second.fill(0);
        }),
        (seq, |_, second| second.fill(0)),
        (seq, |_, second| {
            second[..8].fill(0);
            second[1024..].fill(0);
        }),
        (seq, |_, second| second[1024..].fill(0)),
    ];
    for (nth, (next, step)) in rows.into_iter().enumerate() {
        let killed = Scratch::new("crash-roll-killed");
        let (mut one, mut two) = (first.clone(), second.clone());
        step(&mut one, &mut two);
        std::fs::write(killed.segment(1), &one).unwrap();
        std::fs::write(killed.segment(2), &two).unwrap();
        let (mut journal, recovery) = open(killed.config(), &keeper);
        assert!(recovery.is_clean(), "{nth}: {recovery:?}");
        assert_eq!(journal.next_out(), next, "{nth}");
        for _ in 0..100 {
            send(&mut journal, &frame(1, 500)).unwrap();
            drain(&mut journal);
        }
        assert!((1..next).all(|seq| original(&mut journal, seq) == Some(frame(seq, 500))));
        drop(journal);
        assert!(open(killed.config(), &keeper).1.is_clean());
    }
}

#[test]
fn the_word_with_the_next_expected_number_is_not_believed_across_a_reset() {
    let dir = Scratch::new("crash-word");
    let keeper = Keeper::inline();
    let (mut journal, _) = open(dir.config(), &keeper);
    journal.set_next_in(500);
    let word = std::fs::read(dir.segment(1)).unwrap()[512..520].to_vec();
    journal
        .reset(1, 1, ResetCause::ResetSeqNumFlag, T0)
        .unwrap();
    let mut image = std::fs::read(dir.segment(1)).unwrap();
    drop(journal);
    // Killed after the record of the reset and before the word.
    image[512..520].copy_from_slice(&word);
    std::fs::write(dir.segment(1), image).unwrap();
    let (journal, recovery) = open(dir.config(), &keeper);
    assert!(recovery.is_clean());
    assert_eq!(journal.next_in(), 1);
}

const CHILD: &str = "PINFIX_JOURNAL_OF_CHILD";

/// Plays both parts: started by itself with a directory in the environment, it sends until it is killed.
#[test]
fn a_process_killed_while_it_sends_has_kept_what_it_sent() {
    if let Some(directory) = std::env::var_os(CHILD) {
        send_for_ever(std::path::Path::new(&directory));
    }
    for round in 0..5 {
        let dir = Scratch::new("kill");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "crash::a_process_killed_while_it_sends_has_kept_what_it_sent",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut wire = 0;
        let mut line = String::new();
        while wire < 300 + round * 137 {
            line.clear();
            assert!(
                std::io::BufRead::read_line(&mut lines, &mut line).unwrap() > 0,
                "the child ended"
            );
            wire = line
                .trim()
                .strip_prefix("sent ")
                .map_or(wire, |seq| seq.parse().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had written to its socket before it died counts as sent, too.
        for line in std::io::BufRead::lines(lines).map_while(Result::ok) {
            wire = line
                .strip_prefix("sent ")
                .and_then(|seq| seq.parse().ok())
                .unwrap_or(wire);
        }
        let (mut journal, recovery) = open(dir.config(), &Keeper::inline());
        assert!(
            recovery.skipped.is_empty() && recovery.missing.is_empty(),
            "{recovery:?}"
        );
        assert!(
            journal.next_out() > wire,
            "{} after {wire}",
            journal.next_out()
        );
        assert!(journal.next_in() >= wire);
        for seq in 1..journal.next_out() {
            assert_eq!(original(&mut journal, seq), Some(frame(seq, 400)), "{seq}");
        }
    }
}

fn send_for_ever(directory: &std::path::Path) -> ! {
    let keeper = Keeper::start("keeper").unwrap();
    let config = pinfix::journal::JournalConfig {
        location: pinfix::journal::Location::Directory(directory.to_owned()),
        ..crate::scratch::small()
    };
    let (mut journal, _) = open(config, &keeper);
    loop {
        let seq = journal.next_out();
        if send(&mut journal, &frame(seq, 400)).is_ok() {
            drain(&mut journal);
            journal.set_next_in(seq);
            println!("sent {seq}");
        }
    }
}

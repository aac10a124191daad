//! The page as engine and readers use it together, and files that are not what they should be.

use std::env;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use super::super::ConnectionState;
use super::*;
use crate::session::Text;
use crate::time::Mono;

const SECOND: Duration = Duration::from_secs(1);

/// A directory of its own for each test, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("pinfix-status-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("the directory for temporary files can be written");
        Self(path)
    }

    fn page(&self) -> PathBuf {
        self.0.join("status")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn identity() -> EngineIdentity {
    EngineIdentity {
        name: "london".into(),
        started: Utc(1_000_000_000),
    }
}

fn status(n: u64) -> SessionStatus {
    SessionStatus {
        state: ConnectionState::Up,
        next_out: n,
        next_in: n * 3,
        bytes_in: n * 7,
        last_in_mono: Mono(n * 11),
        disconnect_cause: n * 13,
        ..SessionStatus::default()
    }
}

#[test]
fn a_reader_gets_what_was_published() {
    let mut page = StatusPage::create(None, 3, &identity()).unwrap();
    let reader = page.reader();
    assert_eq!(reader.identity(), identity());
    assert_eq!(reader.pid(), u64::from(process::id()));
    assert_eq!(reader.session(0), Ok(None));

    page.claim_session(0, "FIX.4.4:A->B", Role::Initiator);
    page.claim_session(2, "FIXT.1.1:C->D", Role::Acceptor);
    page.publish_session(2, &status(5));
    let seen: Vec<SessionEntry> = reader.sessions().map(Result::unwrap).collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].slot, seen[0].id.as_str(), seen[0].role),
        (0, "FIX.4.4:A->B", Role::Initiator)
    );
    assert_eq!(seen[0].status, SessionStatus::default());
    assert_eq!(
        (seen[1].slot, seen[1].id.as_str(), seen[1].role),
        (2, "FIXT.1.1:C->D", Role::Acceptor)
    );
    assert_eq!(seen[1].status, status(5));

    page.release_session(2);
    assert_eq!(reader.session(2), Ok(None));
    assert_eq!(reader.session(3), Ok(None), "beyond the capacity");

    let engine = EngineStatus {
        cycles: 9,
        sessions_up: 1,
        ..EngineStatus::default()
    };
    page.publish_engine(&engine);
    assert_eq!(reader.engine(), Ok(engine));
}

#[test]
fn a_hold_is_shown_with_who_and_why_until_it_ends() {
    let mut page = StatusPage::create(None, 2, &identity()).unwrap();
    let reader = page.reader();
    page.claim_session(1, "FIX.4.4:A->B", Role::Initiator);
    let held = SessionStatus {
        held: true,
        ..status(5)
    };
    for (by, why, until) in [
        ("alice", "maintenance", Some(Utc(7))),
        ("", "", None),
        (&*"x".repeat(Text::MAX), &*"y".repeat(Text::MAX), None),
    ] {
        let hold = Hold {
            since: Utc(3),
            until,
            by: Text::new(by).unwrap(),
            why: Text::new(why).unwrap(),
        };
        page.publish_hold(1, Some(&hold), &held);
        page.publish_session(1, &held);
        let entry = reader.session(1).unwrap().unwrap();
        assert_eq!((entry.hold, entry.status), (Some(hold), held));
    }
    page.publish_hold(1, None, &status(6));
    assert_eq!(reader.session(1).unwrap().unwrap().hold, None);
}

#[test]
fn faults_are_counted_by_kind_for_each_session_and_for_strangers() {
    let mut page = StatusPage::create(None, 2, &identity()).unwrap();
    let reader = page.reader();
    page.claim_session(1, "FIX.4.4:A->B", Role::Initiator);
    let mut counts = FaultCounts::default();
    for fault in [Fault::Garbled, Fault::Silence, Fault::Garbled] {
        counts.count(fault);
    }
    page.publish_faults(1, &counts);
    page.count_stranger(Fault::UnknownIdentity);
    let seen = |slot| reader.faults(slot).collect::<Vec<_>>();
    assert_eq!(seen(1), [("Garbled", 2), ("Silence", 1)]);
    assert_eq!(seen(0), []);
    assert_eq!(seen(2), [], "beyond the capacity");
    let strangers: Vec<_> = reader.stranger_faults().collect();
    assert_eq!(strangers, [("UnknownIdentity", 1)]);
    page.claim_session(1, "FIX.4.4:C->D", Role::Initiator);
    assert_eq!(seen(1), [], "the next session starts at nothing");
}

#[test]
fn latencies_of_different_stages_do_not_mix() {
    let mut page = StatusPage::create(None, 0, &identity()).unwrap();
    for (n, stage) in Stage::ALL.into_iter().enumerate() {
        for _ in 0..=n {
            page.latency(stage).record(1_000 * (n as u64 + 1));
        }
    }
    for (n, stage) in Stage::ALL.into_iter().enumerate() {
        let snapshot = page.reader().latency(stage);
        assert_eq!(snapshot.histogram.len(), n as u64 + 1);
        assert_eq!(snapshot.max_ns, 1_000 * (n as u64 + 1));
    }
}

#[test]
fn a_clone_on_another_thread_never_sees_a_torn_session() {
    const READS: usize = 100_000;
    let mut page = StatusPage::create(None, 2, &identity()).unwrap();
    page.claim_session(1, "FIX.4.4:A->B", Role::Initiator);
    let reader = page.reader();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                page.publish_session(1, &status(n));
                for _ in 0..n % 128 {
                    std::hint::spin_loop();
                }
            }
        });
        let mut torn = None;
        let mut whole = 0;
        while whole < READS && torn.is_none() {
            match reader.clone().session(1) {
                Err(ReadError::Busy) => thread::yield_now(),
                Ok(Some(entry)) if entry.status == SessionStatus::default() => whole += 1,
                Ok(Some(entry)) if entry.status == status(entry.status.next_out) => whole += 1,
                other => torn = Some(other),
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(torn, None);
    });
}

#[test]
fn a_page_is_opened_by_its_path() {
    let directory = Directory::new();
    let mut page = StatusPage::create(Some(&directory.page()), 2, &identity()).unwrap();
    assert_eq!(page.path(), Some(directory.page().as_path()));
    page.claim_session(1, "FIX.4.4:A->B", Role::Initiator);
    page.publish_session(1, &status(4));
    let reader = StatusReader::open(&directory.page()).unwrap();
    assert_eq!(reader.capacity(), 2);
    assert_eq!(reader.identity(), identity());
    assert_eq!(reader.session(1).unwrap().unwrap().status, status(4));
    page.publish_session(1, &status(5));
    assert_eq!(
        reader.session(1).unwrap().unwrap().status,
        status(5),
        "the same memory"
    );
    let names: Vec<_> = fs::read_dir(&directory.0).unwrap().collect();
    assert_eq!(names.len(), 1, "the draft is gone: {names:?}");
}

#[test]
fn liveness_follows_the_sign_of_life_and_the_end() {
    let directory = Directory::new();
    let mut page = StatusPage::create(Some(&directory.page()), 0, &identity()).unwrap();
    let reader = StatusReader::open(&directory.page()).unwrap();
    let started = identity().started;
    assert_eq!(reader.liveness(started + SECOND, SECOND), Liveness::Running);
    assert_eq!(
        reader.liveness(started + 3 * SECOND, SECOND),
        Liveness::Stalled(3 * SECOND)
    );
    page.publish_engine(&EngineStatus {
        updated_utc: started + 3 * SECOND,
        ..Default::default()
    });
    assert_eq!(
        reader.liveness(started + 3 * SECOND, SECOND),
        Liveness::Running
    );
    assert_eq!(
        reader.liveness(Utc(0), SECOND),
        Liveness::Running,
        "the clock was set back"
    );
    drop(page);
    assert_eq!(
        reader.liveness(started + 3 * SECOND, SECOND),
        Liveness::Ended
    );
}

#[test]
fn a_page_in_use_is_refused_and_one_left_behind_is_replaced() {
    let directory = Directory::new();
    let first = StatusPage::create(Some(&directory.page()), 1, &identity()).unwrap();
    let error = StatusPage::create(Some(&directory.page()), 1, &identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
    assert!(
        error.to_string().contains("engine that is running"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&directory.page().display().to_string()),
        "{error}"
    );
    let old = StatusReader::open(&directory.page()).unwrap();
    drop(first);
    let _second = StatusPage::create(Some(&directory.page()), 4, &identity()).unwrap();
    assert_eq!(old.capacity(), 1);
    assert_eq!(
        old.liveness(Utc(0), SECOND),
        Liveness::Ended,
        "the old one keeps its page"
    );
    assert_eq!(StatusReader::open(&directory.page()).unwrap().capacity(), 4);
}

#[test]
fn a_file_that_is_not_a_status_page_is_neither_read_nor_overwritten() {
    let directory = Directory::new();
    for content in [&b""[..], b"short", &[b'x'; 10_000]] {
        fs::write(directory.page(), content).unwrap();
        let error = StatusPage::create(Some(&directory.page()), 1, &identity()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert_eq!(fs::read(directory.page()).unwrap(), content);
        let error = StatusReader::open(&directory.page()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    }
}

#[test]
fn every_wrong_word_of_the_header_is_named() {
    let directory = Directory::new();
    drop(StatusPage::create(Some(&directory.page()), 2, &identity()).unwrap());
    let good = fs::read(directory.page()).unwrap();
    let cases = [
        (AT_MAGIC, MAGIC.swap_bytes(), "byte order"),
        (AT_MAGIC, 7, "begins with 0x0000000000000007"),
        (AT_VERSION, 1, "version 1 and this program reads version 3"),
        (AT_FINGERPRINT, 7, "tells other things"),
        (AT_SLOT_WORDS, 65, "session slots have 65 words"),
        (AT_LATENCY_WORDS, 1, "latency counters have 1 words"),
        (
            AT_CAPACITY,
            u64::MAX,
            "it says it has 18446744073709551615 sessions",
        ),
        (AT_CAPACITY, 1, "a page for 1 sessions has"),
        (AT_LENGTH, 64, "it says it has 64 words"),
    ];
    for (at, word, text) in cases {
        let mut bad = good.clone();
        bad[at * 8..][..8].copy_from_slice(&word.to_ne_bytes());
        fs::write(directory.page(), &bad).unwrap();
        let error = StatusReader::open(&directory.page()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_page_cut_short_anywhere_is_refused() {
    let directory = Directory::new();
    drop(StatusPage::create(Some(&directory.page()), 2, &identity()).unwrap());
    let good = fs::read(directory.page()).unwrap();
    for length in [1, 511, 512, 4096, good.len() - 512, good.len() - 1] {
        fs::write(directory.page(), &good[..length]).unwrap();
        let error = StatusReader::open(&directory.page())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cut short") || error.contains("shorter than the header"),
            "{error}"
        );
    }
    fs::write(directory.page(), &good).unwrap();
    StatusReader::open(&directory.page()).unwrap();
}

#[test]
fn damaged_slots_are_errors_and_not_panics() {
    let directory = Directory::new();
    let mut page = StatusPage::create(Some(&directory.page()), 1, &identity()).unwrap();
    page.claim_session(0, "FIX.4.4:A->B", Role::Initiator);
    drop(page);
    let good = fs::read(directory.page()).unwrap();
    for word in 1..SLOT_WORDS {
        let mut bad = good.clone();
        bad[(AT_SESSIONS + word) * 8..][..8].copy_from_slice(&[0xff; 8]);
        fs::write(directory.page(), &bad).unwrap();
        let reader = StatusReader::open(&directory.page()).unwrap();
        match (word, reader.session(0)) {
            // Length and text of the id, role, state and the two flags, protocol, whether an operator is
            // awaited, whether the port is closed, whether there is a hold.
            (1..=3 | 18..=21 | 61 | 68 | 69 | 80, Err(ReadError::Damaged)) => {}
            // Text beyond the length of the id, numbers, and words that mean nothing yet.
            (4..=17 | 22.., Ok(Some(_))) => {}
            (word, other) => panic!("word {word}: {other:?}"),
        }
    }
    let mut bad = good;
    bad[AT_SESSIONS * 8] |= 1;
    fs::write(directory.page(), &bad).unwrap();
    assert_eq!(
        StatusReader::open(&directory.page()).unwrap().session(0),
        Err(ReadError::Busy)
    );
}

#[test]
fn errors_name_the_path_and_the_value() {
    let directory = Directory::new();
    let missing = directory.0.join("missing").join("status");
    for error in [
        StatusReader::open(&missing).unwrap_err(),
        StatusPage::create(Some(&missing), 1, &identity()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains(&missing.display().to_string()),
            "{error}"
        );
    }
    let error = StatusPage::create(None, 70_000, &identity()).unwrap_err();
    assert!(
        error.to_string().contains("70000 sessions: at most 65536"),
        "{error}"
    );
}

/// Where the test below tells its child to keep a page; absent when this is not the child.
const CHILD_PAGE: &str = "PINFIX_TEST_STATUS_PAGE";

/// Not a test by itself: what the child process of the next test runs. It ends by itself in case
/// nobody is left to kill it.
#[test]
fn child_process_that_keeps_a_page() {
    let Ok(path) = env::var(CHILD_PAGE) else {
        return;
    };
    let mut page = StatusPage::create(Some(Path::new(&path)), 1, &identity()).unwrap();
    page.claim_session(0, "FIX.4.4:A->B", Role::Acceptor);
    let started = Instant::now();
    for n in 1.. {
        if started.elapsed() > 60 * SECOND {
            break;
        }
        page.publish_session(0, &status(n));
        page.latency(Stage::Cycle).record(n);
        page.publish_engine(&EngineStatus {
            updated_utc: Utc(n),
            ..EngineStatus::default()
        });
        thread::yield_now();
    }
}

#[test]
fn another_process_is_read_while_it_runs_and_found_gone_when_it_was_killed() {
    let directory = Directory::new();
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "counters::page::tests::child_process_that_keeps_a_page",
        ])
        .env(CHILD_PAGE, directory.page())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let patience = 3600 * SECOND;
    let result = std::panic::catch_unwind(|| {
        // Sixty seconds, on a machine that may be busy with something else.
        let reader = (0..6_000)
            .find_map(|_| {
                thread::sleep(Duration::from_millis(10));
                StatusReader::open(&directory.page()).ok()
            })
            .expect("the child makes a page");
        let mut last = 0;
        let mut changes = 0;
        for _ in 0..1_000_000 {
            if let Ok(Some(entry)) = reader.session(0) {
                let n = entry.status.next_out;
                assert!(n >= last, "{n} after {last}");
                assert_eq!(
                    entry.status,
                    if n == 0 {
                        SessionStatus::default()
                    } else {
                        status(n)
                    }
                );
                changes += usize::from(n > last);
                last = n;
            }
            if changes == 1_000 {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(changes, 1_000, "the child publishes while it is read");
        assert_eq!(reader.liveness(Utc(0), patience), Liveness::Running);
        assert!(reader.latency(Stage::Cycle).histogram.len() > 100);
        reader
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let reader = result.unwrap();
    assert_eq!(reader.pid(), u64::from(child.id()));
    assert_eq!(reader.liveness(Utc(0), patience), Liveness::Gone);
    StatusPage::create(Some(&directory.page()), 1, &identity()).expect("its page can be replaced");
}

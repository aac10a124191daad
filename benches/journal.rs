//! What the journal costs the core, per message of 200 bytes: `cargo bench --bench journal`.
//!
//! Segments are prepared by the keeper's thread, as in an engine, and lie in the directory for temporary
//! files; old ones are deleted on the way. The clock stands still while the loop, which is faster than
//! any disk, waits for the next segment; the change of segments is measured.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::journal::{Journal, JournalConfig, Keeper, Location, Retention};
use pinfix::session::{Class, Outbox};
use pinfix::time::Utc;

const NOW: Utc = Utc(1_700_000_000_000_000_000);
const FRAME: [u8; 200] = [b'x'; 200];

struct Bench {
    journal: Option<Journal>,
    directory: PathBuf,
    _keeper: Keeper,
}

impl Bench {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("pinfix-bench-{}-{name}", std::process::id()));
        let keeper = Keeper::start("bench-keeper").expect("a thread");
        let config = JournalConfig {
            location: Location::Directory(directory.clone()),
            identity: "bench".to_owned(),
            first_segment_bytes: 64 * 1024 * 1024,
            retention: Retention {
                age: None,
                bytes: Some(512 * 1024 * 1024),
            },
            ..JournalConfig::default()
        };
        let (journal, _) = Journal::open(config, &keeper, NOW).expect("a new journal");
        Self {
            journal: Some(journal),
            directory,
            _keeper: keeper,
        }
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().expect("open until the end")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.journal.take());
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Far fewer messages than half a segment holds.
const BATCH: u64 = 10_000;

/// Times `iterations` calls, in batches that never wait for a segment.
fn timed(journal: &mut Journal, iterations: u64, mut call: impl FnMut(&mut Journal)) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        while journal.stat().tail_left_bytes < 8 * 1024 * 1024 && !journal.stat().next_ready {
            journal.poll();
            std::thread::yield_now();
        }
        let batch = left.min(BATCH);
        let start = Instant::now();
        for _ in 0..batch {
            call(journal);
        }
        total += start.elapsed();
        left -= batch;
        while journal.poll() > 0 {}
    }
    total
}

fn send(journal: &mut Journal) {
    let room = journal
        .claim(Class::Application, FRAME.len())
        .expect("room was waited for");
    room.copy_from_slice(black_box(&FRAME));
    journal.commit(0..FRAME.len(), false, false, NOW);
    let sent = journal
        .unsent()
        .map_or(0, |unsent| black_box(unsent.bytes).len());
    journal.mark_sent(sent);
}

fn keep(journal: &mut Journal) {
    let kept = journal.keep_inbound(7, black_box(&FRAME), &[], false, NOW);
    let _ = black_box(kept.expect("room was waited for"));
    journal.set_next_in(black_box(8));
}

fn journal(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal");

    let mut bench = Bench::new("send");
    let journal = bench.journal();
    group.bench_function("claim_write_commit_mark_sent", |b| {
        b.iter_custom(|iterations| timed(journal, iterations, send));
    });
    drop(bench);

    let mut bench = Bench::new("inbound");
    let journal = bench.journal();
    group.bench_function("keep_inbound_set_next_in", |b| {
        b.iter_custom(|iterations| timed(journal, iterations, keep));
    });
    drop(bench);

    let mut bench = Bench::new("lookup");
    let journal = bench.journal();
    timed(journal, 300_000, send);
    let mut seq = 0;
    group.bench_function("stored", |b| {
        b.iter(|| {
            seq = seq % 300_000 + 1;
            black_box(journal.stored(seq))
        });
    });
    group.bench_function("claim_replay", |b| {
        b.iter(|| {
            seq = seq % 300_000 + 1;
            black_box(journal.claim_replay(seq).is_ok())
        });
    });
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);

//! What saying how it is costs the engine, and what asking costs a reader:
//! `cargo bench --bench counters`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::counters::{
    EngineIdentity, EngineStatus, Role, SessionStatus, Stage, StatusPage, StatusReader,
};
use pinfix::time::Utc;

fn page() -> StatusPage {
    let identity = EngineIdentity {
        name: "bench".into(),
        started: Utc(1),
    };
    let mut page = StatusPage::create(None, 1_000, &identity).expect("there is memory");
    for slot in 0..page.capacity() {
        page.claim_session(slot, "FIX.4.4:SENDER->TARGET", Role::Initiator);
    }
    page
}

fn counters(c: &mut Criterion) {
    c.bench_function("counters/publish a session", |b| {
        let mut page = page();
        let mut status = SessionStatus::default();
        b.iter(|| {
            status.next_out += 1;
            black_box(&mut page).publish_session(black_box(7), black_box(&status));
        });
    });

    c.bench_function("counters/publish the engine", |b| {
        let mut page = page();
        let mut status = EngineStatus::default();
        b.iter(|| {
            status.cycles += 1;
            black_box(&mut page).publish_engine(black_box(&status));
        });
    });

    c.bench_function("counters/record a latency, same bucket", |b| {
        let mut page = page();
        b.iter(|| {
            black_box(&mut page)
                .latency(Stage::Cycle)
                .record(black_box(1_234))
        });
    });

    c.bench_function("counters/record a latency, buckets of 1 to 17 us", |b| {
        let mut page = page();
        let mut ns = 1_000;
        b.iter(|| {
            ns = 1_000 + (ns * 31) % 16_384;
            black_box(&mut page)
                .latency(Stage::Cycle)
                .record(black_box(ns));
        });
    });

    c.bench_function("counters/read a session", |b| {
        let page = page();
        let reader: StatusReader = page.reader();
        b.iter(|| reader.session(black_box(7)));
    });

    c.bench_function("counters/snapshot a latency", |b| {
        let mut page = page();
        (0..10_000).for_each(|n| page.latency(Stage::Cycle).record(n * 7));
        let reader = page.reader();
        b.iter(|| {
            reader
                .latency(Stage::Cycle)
                .histogram
                .value_at_quantile(0.99)
        });
    });
}

criterion_group!(benches, counters);
criterion_main!(benches);

//! What the timer wheel costs a cycle: `cargo bench --bench wheel`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::time::Mono;
use pinfix::wheel::Wheel;

const SESSIONS: u32 = 1_000;
const MS: u64 = 1_000_000;

/// A thousand sessions with heartbeats spread over 30 s.
fn full(now: u64) -> Wheel {
    let mut wheel = Wheel::new(SESSIONS as usize, Duration::from_millis(1));
    for id in 0..SESSIONS {
        wheel.arm(id, Mono(now + u64::from(id) * 30 * MS));
    }
    wheel
}

fn wheel(c: &mut Criterion) {
    let start = 3_600_000 * MS;

    c.bench_function("wheel/cycle within a tick", |b| {
        let mut wheel = full(start);
        while wheel.next_expired(Mono(start)).is_some() {}
        b.iter(|| black_box(black_box(&mut wheel).next_expired(Mono(start)).is_some()));
    });

    c.bench_function("wheel/move an entry", |b| {
        let mut wheel = full(start);
        let mut at = start;
        b.iter(|| {
            at += 7 * MS;
            wheel.arm(black_box((at % u64::from(SESSIONS)) as u32), Mono(at));
        });
    });

    c.bench_function(
        "wheel/a tick of 1000 sessions, fired ones armed again",
        |b| {
            let mut wheel = full(start);
            let mut now = start;
            b.iter(|| {
                now += MS;
                while let Some(id) = wheel.next_expired(Mono(now)) {
                    wheel.arm(id, Mono(now + 30_000 * MS));
                }
            });
        },
    );

    c.bench_function("wheel/a jump of an hour, 1000 sessions fire", |b| {
        let mut wheel = full(start);
        let mut now = start;
        b.iter(|| {
            now += 3_600_000 * MS;
            while let Some(id) = wheel.next_expired(Mono(now)) {
                wheel.arm(id, Mono(now + 30_000 * MS));
            }
        });
    });

    c.bench_function("wheel/next deadline", |b| {
        let mut wheel = Wheel::new(1, Duration::from_millis(1));
        wheel.arm(0, Mono(1_000 * MS));
        b.iter(|| black_box(black_box(&wheel).next_deadline().is_some()));
    });
}

criterion_group!(benches, wheel);
criterion_main!(benches);

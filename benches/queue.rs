//! The ring towards the core against the queue for many producers:
//! `cargo bench --bench queue`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use pinfix::admin::queue::ring;

/// As large as a command is allowed to be: one cache line.
type Item = [u64; 8];

const CAPACITY: usize = 256;

fn queue(c: &mut Criterion) {
    c.bench_function("queue/nothing (the harness itself)", |b| {
        let mut nothing = 0u64;
        b.iter(|| black_box(*black_box(&mut nothing) != 0));
    });

    c.bench_function("queue/pop of an empty ring", |b| {
        let (_producer, mut consumer) = ring::<Item>(CAPACITY);
        b.iter(|| black_box(black_box(&mut consumer).pop().is_some()));
    });

    c.bench_function("queue/pop of an empty ArrayQueue", |b| {
        let queue = ArrayQueue::<Item>::new(CAPACITY);
        b.iter(|| black_box(black_box(&queue).pop().is_some()));
    });

    c.bench_function("queue/push and pop, ring", |b| {
        let (mut producer, mut consumer) = ring::<Item>(CAPACITY);
        b.iter(|| {
            producer.push(black_box([7; 8])).expect("it was emptied");
            black_box(consumer.pop())
        });
    });

    c.bench_function("queue/push and pop, ArrayQueue", |b| {
        let queue = ArrayQueue::<Item>::new(CAPACITY);
        b.iter(|| {
            queue.push(black_box([7; 8])).expect("it was emptied");
            black_box(queue.pop())
        });
    });
}

criterion_group!(benches, queue);
criterion_main!(benches);

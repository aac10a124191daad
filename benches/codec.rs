//! What reading and writing one message costs.
//!
//! `cargo bench --bench codec`. The message is a NewOrderSingle of 19 fields and about 200 bytes.

#![allow(
    missing_docs,
    reason = "the macros of criterion define undocumented functions"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::time::{TimestampPrecision, TimestampWriter, Utc};
use pinfix::wire::fix::scan::{self, portable};
use pinfix::wire::fix::{Decimal, FieldIndex, FrameWriter, HeaderTemplate, cut, msg_type, replay, tag};

const TIME: &[u8] = b"20260312-14:30:00.123";

fn template() -> HeaderTemplate {
    HeaderTemplate::new(
        b"FIX.4.4",
        b"CLIENT1",
        b"BROKERET",
        &[(tag::SENDER_SUB_ID, b"DESK7")],
    )
    .expect("the header is valid")
}

fn write_order(room: &mut [u8], template: &HeaderTemplate, seq: u64) -> std::ops::Range<usize> {
    let mut order = FrameWriter::begin(room, template, msg_type::NEW_ORDER_SINGLE, seq, TIME);
    order
        .str(tag::ACCOUNT, "ACC-0012345")
        .str(tag::CL_ORD_ID, "ORD-20260312-000123")
        .char(tag::HANDL_INST, b'1')
        .uint(tag::ORDER_QTY, 2500)
        .char(tag::ORD_TYPE, b'2')
        .decimal(
            tag::PRICE,
            Decimal::new(1_234_525, 4).expect("four digits fit"),
        )
        .char(tag::SIDE, b'1')
        .str(tag::SYMBOL, "ESM6")
        .char(tag::TIME_IN_FORCE, b'0')
        .bytes(tag::TRANSACT_TIME, TIME);
    order.finish().expect("the order fits")
}

fn order() -> Vec<u8> {
    let mut room = [0; 512];
    let range = write_order(&mut room, &template(), 123_456);
    room[range].to_vec()
}

fn reading(c: &mut Criterion) {
    let frame = order();
    let mut index = FieldIndex::default();
    let fields = index.read(&frame).expect("the order is sound").len();
    println!("order: {} bytes, {fields} fields", frame.len());

    c.bench_function("cut", |b| b.iter(|| cut(black_box(&frame), 65_536)));
    c.bench_function("read", |b| {
        b.iter(|| black_box(index.read(black_box(&frame)).expect("sound")).len());
    });
    c.bench_function("cut and read", |b| {
        b.iter(|| {
            let cut = cut(black_box(&frame), 65_536);
            (
                cut,
                black_box(index.read(black_box(&frame)).expect("sound")).len(),
            )
        });
    });
    let message = index.read(&frame).expect("sound");
    for (name, tag) in [
        ("get MsgSeqNum(34), 4th", tag::MSG_SEQ_NUM),
        ("get Price(44), 15th", tag::PRICE),
        ("get PossDupFlag(43), absent", tag::POSS_DUP_FLAG),
    ] {
        c.bench_function(name, |b| b.iter(|| black_box(message).get(black_box(tag))));
    }
    c.bench_function("decimal Price(44)", |b| {
        b.iter(|| black_box(message).decimal(tag::PRICE))
    });
    c.bench_function("utc SendingTime(52)", |b| {
        b.iter(|| black_box(message).utc(tag::SENDING_TIME))
    });
}

fn writing(c: &mut Criterion) {
    let template = template();
    let mut room = [0; 512];
    c.bench_function("encode order", |b| {
        b.iter(|| write_order(black_box(&mut room), &template, black_box(123_456)));
    });
    let frame = order();
    let mut index = FieldIndex::default();
    c.bench_function("replay", |b| {
        b.iter(|| {
            let original = index.read(black_box(&frame)).expect("an order can be read");
            replay(&original, &mut room, black_box(TIME))
        });
    });
    let mut stamps = TimestampWriter::new();
    let mut now = 1_773_325_800_123_456_789;
    for (name, precision) in [
        ("timestamp, milliseconds", TimestampPrecision::Millis),
        ("timestamp, nanoseconds", TimestampPrecision::Nanos),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                now += 1000;
                stamps.write(black_box(Utc(now)), precision)[16]
            });
        });
    }
}

fn scanning(c: &mut Criterion) {
    let frame = order();
    c.bench_function("checksum", |b| b.iter(|| scan::checksum(black_box(&frame))));
    c.bench_function("find every SOH", |b| {
        b.iter(|| scan::Delimiters::new(black_box(&frame), 0).sum::<usize>());
    });
    c.bench_function("find every SOH, plain loop", |b| {
        b.iter(|| {
            let places = black_box(&frame).iter().enumerate();
            places
                .filter(|&(_, &byte)| byte == scan::SOH)
                .map(|(at, _)| at)
                .sum::<usize>()
        });
    });
    let block = frame.first_chunk().expect("more than 64 bytes");
    c.bench_function("mask of 64 bytes", |b| {
        b.iter(|| scan::soh_mask(black_box(block)))
    });
    c.bench_function("mask of 64 bytes, portable", |b| {
        b.iter(|| portable::soh_mask(black_box(block)))
    });
}

criterion_group!(codec, reading, writing, scanning);
criterion_main!(codec);

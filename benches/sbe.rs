//! SBE: an order written, a report read, a stream cut.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed bench
#![allow(missing_docs)] // made by the macros of criterion

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::wire::sbe::{Frame, Price9, cut, ilink3};

fn order(room: &mut [u8], version: u16) -> usize {
    ilink3::NewOrderSingleEncoder::new(room, version)
        .unwrap()
        .price(black_box(Price9::new(4_712_250_000_000)))
        .order_qty(black_box(3))
        .security_id(black_box(1234))
        .side(ilink3::SideWithUndisclosed::BUY)
        .seq_num(black_box(17))
        .sender_id(black_box(b"OPERATOR1"))
        .cl_ord_id(black_box(b"ORDER-000001"))
        .party_details_list_req_id(black_box(1))
        .order_request_id(black_box(2))
        .sending_time_epoch(black_box(1_763_793_600_000_000_123))
        .location(b"US,IL")
        .ord_type(ilink3::NewOrdType::LIMIT)
        .time_in_force(ilink3::TimeInForce::DAY)
        .manual_order_indicator(ilink3::ManualOrder::AUTOMATED)
        .finish()
        .unwrap()
}

fn report(room: &mut [u8]) -> usize {
    ilink3::ExecutionReportNewEncoder::new(room, 9)
        .unwrap()
        .seq_num(9)
        .uuid(1_763_793_600_000_000)
        .exec_id(b"12345:6789:0")
        .cl_ord_id(b"ORDER-000001")
        .order_id(99)
        .price(Price9::new(4_712_250_000_000))
        .transact_time(1_763_793_600_000_000_123)
        .order_qty(3)
        .finish()
        .unwrap()
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sbe");
    let mut room = [0; 512];
    group.bench_function("write NewOrderSingle", |bencher| {
        bencher.iter(|| order(black_box(&mut room), 9));
    });
    group.bench_function("write NewOrderSingle, version 5", |bencher| {
        bencher.iter(|| order(black_box(&mut room), 5));
    });
    let len = report(&mut room);
    let bytes = &room[..len];
    group.bench_function("cut and read ExecutionReportNew", |bencher| {
        bencher.iter(|| {
            black_box(cut(black_box(bytes), 1420));
            let frame = Frame::new(black_box(bytes)).unwrap();
            let report = ilink3::ExecutionReportNew::read(&frame).unwrap();
            (
                report.seq_num(),
                report.order_id(),
                report.cl_ord_id().len(),
                report.price(),
                report.order_qty(),
                report.stop_px(),
            )
        });
    });
    group.bench_function("read MassQuoteAck with 20 entries", |bencher| {
        let mut room = [0; 1024];
        let len = ilink3::MassQuoteAckEncoder::new(&mut room, 9)
            .unwrap()
            .no_quote_entries(20, |nth, entry| {
                entry.quote_entry_id(nth as u32);
            })
            .finish()
            .unwrap();
        bencher.iter(|| {
            let frame = Frame::new(black_box(&room[..len])).unwrap();
            let ack = ilink3::MassQuoteAck::read(&frame).unwrap();
            ack.no_quote_entries()
                .map(|entry| u64::from(entry.quote_entry_id()))
                .sum::<u64>()
        });
    });
    group.finish();
}

criterion_group!(sbe, benches);
criterion_main!(sbe);

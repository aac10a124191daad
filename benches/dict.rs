//! What judging a message by its dictionary costs, against splitting it into fields.
//!
//! `cargo bench --bench dict`. The order is the NewOrderSingle of 19 fields that `codec` reads; the
//! report is an ExecutionReport with two groups, one within the other.

#![allow(
    missing_docs,
    reason = "the macros of criterion define undocumented functions"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pinfix::dict::{
    Checks, Dictionaries, Dictionary, ReadGroups, Scope, Validator, WriteGroups, builtin,
};
use pinfix::wire::fix::{ApplVersion, FieldIndex, FrameWriter, HeaderTemplate};

const TIME: &[u8] = b"20260312-14:30:00.123";
const NO_PARTY_IDS: u32 = 453;
const NO_PARTY_SUB_IDS: u32 = 802;

/// What a message consists of: BeginString, MsgType, body.
const ORDER: &[(u32, &str)] = &[
    (1, "ACC-0012345"),
    (11, "ORD-20260312-000123"),
    (21, "1"),
    (38, "2500"),
    (40, "2"),
    (44, "123.4525"),
    (54, "1"),
    (55, "ESM6"),
    (59, "0"),
    (60, "20260312-14:30:00.123"),
];
const REPORT: &[(u32, &str)] = &[
    (6, "123.4525"),
    (11, "ORD-20260312-000123"),
    (14, "100"),
    (17, "E-77123"),
    (31, "123.4525"),
    (32, "100"),
    (37, "O-5512"),
    (38, "2500"),
    (39, "1"),
    (54, "1"),
    (55, "ESM6"),
    (60, "20260312-14:30:00.123"),
    (150, "F"),
    (151, "2400"),
];

fn template(begin_string: &str) -> HeaderTemplate {
    HeaderTemplate::new(
        begin_string.as_bytes(),
        b"CLIENT1",
        b"BROKERET",
        &[(50, b"DESK7")],
    )
    .expect("the header is valid")
}

fn write_parties(frame: &mut FrameWriter<'_>, dictionary: &Dictionary, msg_type: &[u8]) {
    let layout = dictionary.message(msg_type).expect("it is defined").body();
    frame.groups(
        layout,
        NO_PARTY_IDS,
        ["TRADER7", "DESK", "CLEARER"],
        |entry, party| {
            entry.str(448, party).char(447, b'D').uint(452, 12).groups(
                NO_PARTY_SUB_IDS,
                ["sub"],
                |entry, sub| {
                    entry.str(523, sub).uint(803, 4);
                },
            );
        },
    );
}

fn frame(
    begin_string: &str,
    msg_type: &[u8],
    body: &[(u32, &str)],
    parties: Option<&Dictionary>,
) -> Vec<u8> {
    let mut room = [0; 1024];
    let template = template(begin_string);
    let mut frame = FrameWriter::begin(&mut room, &template, msg_type, 123_456, TIME);
    for &(tag, value) in body {
        frame.str(tag, value);
    }
    if let Some(dictionary) = parties {
        write_parties(&mut frame, dictionary, msg_type);
    }
    let range = frame.finish().expect("it fits");
    room[range].to_vec()
}

fn judging(c: &mut Criterion) {
    let mut index = FieldIndex::default();
    for (name, begin_string, version, msg_type, body) in [
        ("order, FIX.4.4", "FIX.4.4", ApplVersion::Fix44, b"D", ORDER),
        (
            "order, FIX.5.0SP2",
            "FIXT.1.1",
            ApplVersion::Fix50Sp2,
            b"D",
            ORDER,
        ),
        (
            "report with parties, FIX.4.4",
            "FIX.4.4",
            ApplVersion::Fix44,
            b"8",
            REPORT,
        ),
    ] {
        let parties = (msg_type == b"8").then(|| builtin::of_version(version));
        let frame = frame(begin_string, msg_type, body, parties);
        let dictionaries = Dictionaries::builtin(begin_string, version);
        let fields = index.read(&frame).expect("sound").len();
        println!("{name}: {} bytes, {fields} fields", frame.len());
        c.bench_function(&format!("read {name}"), |b| {
            b.iter(|| black_box(index.read(black_box(&frame)).expect("sound")).len());
        });
        let message = index.read(&frame).expect("sound");
        for (scope, how) in [(Scope::Full, "full"), (Scope::Header, "header only")] {
            let mut validator = Validator::new(dictionaries.clone(), scope, Checks::default());
            c.bench_function(&format!("validate {name}, {how}"), |b| {
                b.iter(|| {
                    validator
                        .check(black_box(&message), version.into())
                        .expect("valid")
                });
            });
        }
    }
}

fn groups(c: &mut Criterion) {
    let fix44 = builtin::fix44();
    let frame = frame("FIX.4.4", b"8", REPORT, Some(fix44));
    let mut index = FieldIndex::default();
    let message = index.read(&frame).expect("sound");
    c.bench_function("read 3 parties with a group each", |b| {
        b.iter(|| {
            black_box(&message)
                .groups(fix44, NO_PARTY_IDS)
                .map(|party| {
                    let subs = party.groups(NO_PARTY_SUB_IDS);
                    party.get(452).map_or(0, <[u8]>::len)
                        + subs
                            .filter_map(|sub| sub.get(523))
                            .map(<[u8]>::len)
                            .sum::<usize>()
                })
                .sum::<usize>()
        });
    });
    let template = template("FIX.4.4");
    let mut room = [0; 1024];
    c.bench_function("write 3 parties with a group each", |b| {
        b.iter(|| {
            let mut frame = FrameWriter::begin(black_box(&mut room), &template, b"8", 1, TIME);
            write_parties(&mut frame, fix44, b"8");
            frame.finish().expect("it fits")
        });
    });
}

fn loading(c: &mut Criterion) {
    for (name, text) in [
        ("FIX.4.4", include_str!("../src/dict/tables/FIX.4.4.dict")),
        (
            "FIX.5.0SP2",
            include_str!("../src/dict/tables/FIX.5.0SP2.dict"),
        ),
    ] {
        let kib = Dictionary::from_text(name, text).expect("sound").memory() / 1024;
        println!("{name}: {kib} KiB in memory");
        c.bench_function(&format!("load {name}"), |b| {
            b.iter(|| Dictionary::from_text(name, black_box(text)).expect("sound"));
        });
    }
}

criterion_group!(dict, judging, groups, loading);
criterion_main!(dict);

//! `pinfix decode` as a user runs it.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod command;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use pinfix::wire::sbe::{build, ilink3};

const SEQUENCE: &str = "1a00feca0e00fa01080009000030fc3229440600010000000100";

#[test]
fn a_frame_in_hexadecimal_is_printed_field_by_field() {
    let told = command::run(&["decode", SEQUENCE]).ok().out;
    assert_eq!(
        told,
        "506 Sequence (version 9, 26 bytes)\n\
         \x20 39001 UUID                    1763793600000000\n\
         \x20 39013 NextSeqNo               1\n\
         \x20 39010 FaultToleranceIndicator 1 Primary\n\
         \x20 39016 KeepAliveIntervalLapsed 0 NotLapsed\n"
    );
    let two = format!("{SEQUENCE}{SEQUENCE}");
    let line = command::run(&["decode", "--line", &two[..20], &two[20..]])
        .ok()
        .out;
    let expected = "Sequence UUID=1763793600000000 NextSeqNo=1 FaultToleranceIndicator=Primary \
                    KeepAliveIntervalLapsed=NotLapsed\n";
    assert_eq!(line, expected.repeat(2));
}

#[test]
fn groups_are_indented_and_standard_input_is_read() {
    let fields = [("QuoteID", "7"), ("NoQuoteEntries[1].BidPx", "4712.25")];
    let frame = build(&ilink3::SCHEMA, "MassQuote", 9, &fields).unwrap();
    let mut child = command::pinfix(&["decode"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hex: String = frame.iter().map(|byte| format!("{byte:02x} ")).collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(hex.as_bytes())
        .unwrap();
    let told = command::Finished::from(child.wait_with_output().unwrap())
        .ok()
        .out;
    assert!(told.starts_with("517 MassQuote (version 9, "), "{told}");
    assert!(
        told.contains("\n    295 NoQuoteEntries        2\n        [0]\n"),
        "{told}"
    );
    assert!(told.contains("132 BidPx        4712.25\n"), "{told}");
}

#[test]
fn what_is_no_frame_is_told() {
    command::run(&["decode", "1a0"]).failed(1, &["an odd number of hexadecimal digits: 3"]);
    command::run(&["decode", "1axx"]).failed(1, &["byte 1: \"xx\" is not hexadecimal"]);
    command::run(&["decode", "1a00cafe"])
        .failed(1, &["byte 0: EncodingType is 0xfeca, should be 0xcafe"]);
    command::run(&["decode", &SEQUENCE[..50]]).failed(1, &["needs 26 bytes, of which 25 are there"]);
    let unknown = command::run(&["decode", &SEQUENCE.replace("fa01", "ff01")]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.out.contains("! templateId is 511"),
        "{}",
        unknown.out
    );
}

/// A capture of TCP over IPv4 over Ethernet.
struct Capture(Vec<u8>);

impl Capture {
    fn new() -> Self {
        let mut bytes = 0xA1B2_C3D4_u32.to_le_bytes().to_vec();
        bytes.extend([
            2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0,
        ]);
        Self(bytes)
    }

    fn segment(&mut self, from: [u8; 4], number: u32, syn: bool, payload: &[u8]) {
        let mut packet = vec![0; 12];
        packet.extend([8, 0]);
        let length = u16::try_from(40 + payload.len()).unwrap();
        packet.extend([0x45, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        packet.extend(from);
        packet.extend([10, 0, 0, 9]);
        packet.extend(5000_u16.to_be_bytes());
        packet.extend(9000_u16.to_be_bytes());
        packet.extend(number.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend([0x50, if syn { 2 } else { 0x10 }, 0xFF, 0xFF, 0, 0, 0, 0]);
        packet.extend(payload);
        let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
        self.0.extend(1_763_793_600_u32.to_le_bytes());
        self.0.extend(123_456_u32.to_le_bytes());
        self.0.extend(length);
        self.0.extend(length);
        self.0.extend(packet);
    }

    fn print(&self) -> command::Finished {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcap");
        fs::write(&path, &self.0).unwrap();
        command::run(&["decode", "--line", "--pcap", path.to_str().unwrap()])
    }
}

fn sequence(next: u32) -> Vec<u8> {
    let next = next.to_string();
    build(
        &ilink3::SCHEMA,
        "Sequence",
        9,
        &[("UUID", "7"), ("NextSeqNo", &next)],
    )
    .unwrap()
}

/// The NextSeqNo of each line, and the lines that say what could not be read.
fn numbers(finished: &command::Finished) -> (Vec<u32>, Vec<String>) {
    let (failures, messages): (Vec<&str>, Vec<&str>) =
        finished.out.lines().partition(|line| line.contains(" ! "));
    let number = |line: &str| {
        line.split("NextSeqNo=")
            .nth(1)?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    let failures = failures
        .iter()
        .map(|line| line.split(" ! ").nth(1).unwrap().to_owned());
    (
        messages.iter().map(|line| number(line).unwrap()).collect(),
        failures.collect(),
    )
}

#[test]
fn segments_of_a_capture_are_put_in_order_and_cut_into_messages() {
    let stream: Vec<u8> = (1..=20).flat_map(sequence).collect();
    let start = u32::MAX - 100; // the numbers wrap within the stream
    let mut capture = Capture::new();
    capture.segment([10, 0, 0, 1], start.wrapping_sub(1), true, &[]);
    let mut pieces: Vec<(usize, &[u8])> = stream
        .chunks(37)
        .scan(0, |at, piece| {
            let start = *at;
            *at += piece.len();
            Some((start, piece))
        })
        .collect();
    pieces.swap(2, 3);
    pieces.swap(5, 8);
    pieces.push(pieces[4]);
    for (at, piece) in pieces {
        capture.segment([10, 0, 0, 1], start.wrapping_add(at as u32), false, piece);
        // Another connection in between.
        capture.segment([10, 0, 0, 2], 77, false, &sequence(100));
    }
    let told = capture.print().ok();
    let first = told.out.lines().next().unwrap();
    assert!(
        first.starts_with(
            "2025-11-22T06:40:00.123456000Z 10.0.0.1:5000 > 10.0.0.9:9000 Sequence UUID=7 NextSeqNo=1"
        ),
        "{first}"
    );
    let (mut found, failures) = numbers(&told);
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(
        found.iter().filter(|&&number| number == 100).count(),
        1,
        "sent again is not new"
    );
    found.retain(|&number| number != 100);
    assert_eq!(found, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_hole_in_a_capture_is_told_and_reading_goes_on() {
    let mut capture = Capture::new();
    capture.segment([10, 0, 0, 1], 1000, false, &sequence(1));
    capture.segment(
        [10, 0, 0, 1],
        1000 + 52,
        false,
        &[sequence(3), sequence(4)].concat(),
    );
    capture.segment([10, 0, 0, 1], 1000 + 104, false, &sequence(5)[..20]);
    let told = capture.print();
    assert_eq!(told.code, Some(1));
    let (found, failures) = numbers(&told);
    assert_eq!(found, [1, 3, 4]);
    assert_eq!(
        failures,
        [
            "26 bytes are not in the capture",
            "20 bytes of a message that has no end"
        ]
    );
}

#[test]
fn what_is_no_capture() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.pcap");
    fs::write(&path, "not a capture, though long enough to be one").unwrap();
    command::run(&["decode", "--pcap", path.to_str().unwrap()]).failed(1, &["a.pcap: no capture"]);
    command::run(&["decode", "--pcap", "no-such.pcap"]).failed(1, &["cannot read no-such.pcap"]);
}

//! What is written is read back the same, through the public interface, for any values and however the
//! stream is cut into pieces.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ops::Range;

use pinfix::session::REPLAY_GROWTH;
use pinfix::time::{TimestampPrecision, Utc};
use pinfix::wire::fix::{
    Cut, Decimal, FieldIndex, FrameWriter, HeaderFields, HeaderTemplate, Message, Tag, cut, replay, tag,
};
use proptest::prelude::*;

const SOH: u8 = 1;

#[derive(Clone, Debug)]
enum Value {
    Text(Vec<u8>),
    Char(u8),
    Int(i64),
    Uint(u64),
    Boolean(bool),
    Decimal(Decimal),
    Utc(Utc),
    Data(Vec<u8>),
}

fn no_soh(byte: u8) -> u8 {
    if byte == SOH { b'|' } else { byte }
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = |len: Range<usize>| proptest::collection::vec(any::<u8>(), len);
    prop_oneof![
        bytes(1..80).prop_map(|text| Value::Text(text.into_iter().map(no_soh).collect())),
        any::<u8>().prop_map(|byte| Value::Char(no_soh(byte))),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<bool>().prop_map(Value::Boolean),
        (any::<i64>(), 0_u8..=18)
            .prop_map(|(mantissa, scale)| Value::Decimal(Decimal::new(mantissa, scale).unwrap())),
        any::<u64>().prop_map(|ns| Value::Utc(Utc(ns))),
        prop_oneof![
            bytes(1..80),
            Just(b"\x0110=123\x018=FIX.4.2\x019=5\x01".to_vec())
        ]
        .prop_map(Value::Data),
    ]
}

/// Plain body tags, all different, since getters find the first.
fn body() -> impl Strategy<Value = Vec<(Tag, Value)>> {
    proptest::collection::vec(value(), 0..20).prop_map(|values| {
        values
            .into_iter()
            .enumerate()
            .map(|(n, v)| (5000 + 997 * n as Tag, v))
            .collect()
    })
}

/// The data pairs of version 4.4 that are neither header nor trailer; one per data value.
const PAIRS: [(Tag, Tag); 4] = [(95, 96), (348, 349), (354, 355), (1525, 1527)];

fn write(room: &mut [u8], seq: u64, time: &[u8], body: &[(Tag, Value)]) -> Range<usize> {
    let template = HeaderTemplate::new(
        b"FIX.4.4",
        b"US",
        b"THEM",
        &[(50, b"desk"), (143, b"there")],
    )
    .unwrap();
    let mut fields = HeaderFields::new();
    fields
        .str(tag::DELIVER_TO_COMP_ID, "beyond")
        .uint(tag::LAST_MSG_SEQ_NUM_PROCESSED, seq / 2);
    let mut writer = FrameWriter::begin_with(room, &template, &fields, b"D", seq, time);
    let mut pairs = PAIRS.iter();
    for (tag, value) in body {
        match value {
            Value::Text(text) => writer.bytes(*tag, text),
            Value::Char(byte) => writer.char(*tag, *byte),
            Value::Int(int) => writer.int(*tag, *int),
            Value::Uint(uint) => writer.uint(*tag, *uint),
            Value::Boolean(boolean) => writer.boolean(*tag, *boolean),
            Value::Decimal(decimal) => writer.decimal(*tag, *decimal),
            Value::Utc(utc) => writer.utc(*tag, *utc, TimestampPrecision::Nanos),
            Value::Data(data) => match pairs.next() {
                Some(&(length_tag, data_tag)) => writer.data(length_tag, data_tag, data),
                None => &mut writer,
            },
        };
    }
    writer.finish().unwrap()
}

fn check(message: Message<'_>, body: &[(Tag, Value)]) {
    let mut pairs = PAIRS.iter();
    for (tag, value) in body {
        match value {
            Value::Text(text) => assert_eq!(message.bytes(*tag), Ok(&text[..])),
            Value::Char(byte) => assert_eq!(message.char(*tag), Ok(*byte)),
            Value::Int(int) => assert_eq!(message.int(*tag), Ok(*int)),
            Value::Uint(uint) => assert_eq!(message.uint(*tag), Ok(*uint)),
            Value::Boolean(boolean) => assert_eq!(message.boolean(*tag), Ok(*boolean)),
            Value::Decimal(decimal) => assert_eq!(message.decimal(*tag), Ok(*decimal)),
            Value::Utc(utc) => assert_eq!(message.utc(*tag), Ok(*utc)),
            Value::Data(data) => {
                if let Some(&(length_tag, data_tag)) = pairs.next() {
                    assert_eq!(message.uint(length_tag), Ok(data.len() as u64));
                    assert_eq!(message.get(data_tag), Some(&data[..]));
                }
            }
        }
    }
}

#[test]
fn growth_of_a_replay_is_bounded() {
    // Whole seconds before, nanoseconds now, and nanoseconds both times; bodies around the lengths
    // at which BodyLength(9) gets another digit.
    let nanos = b"20260312-14:30:00.123456789";
    let template = HeaderTemplate::new(b"FIX.4.2", b"US", b"THEM", &[]).unwrap();
    for time in [&b"20260312-14:30:00"[..], nanos] {
        for len in [1, 20, 30, 40, 860, 900, 950, 9_900, 9_950, 99_900, 99_950] {
            let mut room = vec![0; 200_000];
            let mut writer = FrameWriter::begin(&mut room, &template, b"D", 7, time);
            writer.bytes(58, &vec![b'x'; len]);
            let original = writer.finish().unwrap();
            let original = room[original].to_vec();
            let mut copy = vec![0; original.len() + REPLAY_GROWTH];
            let mut index = FieldIndex::default();
            let range = replay(&index.read(&original).unwrap(), &mut copy, nanos).unwrap();
            assert!(range.len() > original.len());
            let message = index.read(&copy[range]).unwrap();
            assert_eq!(message.get(tag::ORIG_SENDING_TIME), Some(time));
            assert_eq!(message.get(tag::SENDING_TIME), Some(&nanos[..]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(body in body(), seq: u64, at: u64) {
        let mut room = vec![0; 8192];
        let time = Utc(at).to_fix(TimestampPrecision::Nanos);
        let range = write(&mut room, seq, &time, &body);
        let frame = &room[range];
        assert!(matches!(cut(frame, 8192), Cut::Frame { len, .. } if len == frame.len()));
        let mut index = FieldIndex::default();
        let message = index.read(frame).unwrap();
        prop_assert_eq!(message.uint(tag::MSG_SEQ_NUM), Ok(seq));
        prop_assert_eq!(message.utc(tag::SENDING_TIME), Ok(Utc(at)));
        prop_assert_eq!(message.str(tag::DELIVER_TO_COMP_ID), Ok("beyond"));
        prop_assert_eq!(message.uint(tag::LAST_MSG_SEQ_NUM_PROCESSED), Ok(seq / 2));
        check(message, &body);
    }

    #[test]
    fn a_replay_is_sound_and_has_the_same_body(body in body(), seq: u64, at: u64, later: u64) {
        let mut room = vec![0; 8192];
        let first = Utc(at).to_fix(TimestampPrecision::Millis);
        let second = Utc(later).to_fix(TimestampPrecision::Nanos);
        let range = write(&mut room, seq, &first, &body);
        let original = room[range].to_vec();
        let mut copy = vec![0; original.len() + REPLAY_GROWTH];
        let mut index = FieldIndex::default();
        let range = replay(&index.read(&original).unwrap(), &mut copy, &second).unwrap();
        let frame = &copy[range];
        assert!(matches!(cut(frame, 8192), Cut::Frame { len, .. } if len == frame.len()));
        let message = index.read(frame).unwrap();
        prop_assert_eq!(message.boolean(tag::POSS_DUP_FLAG), Ok(true));
        prop_assert_eq!(message.get(tag::ORIG_SENDING_TIME), Some(&first[..]));
        prop_assert_eq!(message.get(tag::SENDING_TIME), Some(&second[..]));
        prop_assert_eq!(message.uint(tag::MSG_SEQ_NUM), Ok(seq));
        check(message, &body);
        // Everything but the fields that must change is where it was.
        let kept = |frame: &[u8]| -> Vec<(Tag, Vec<u8>)> {
            let mut index = FieldIndex::default();
            let fields = index.read(frame).unwrap().fields();
            fields.filter(|(tag, _)| ![9, 10, 43, 52, 122].contains(tag)).map(|(t, v)| (t, v.to_vec())).collect()
        };
        prop_assert_eq!(kept(frame), kept(&original));
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_messages(
        bodies in proptest::collection::vec(body(), 1..5),
        pieces in proptest::collection::vec(1_usize..200, 1..50),
    ) {
        let mut room = vec![0; 8192];
        let mut stream = Vec::new();
        for (seq, body) in bodies.iter().enumerate() {
            let range = write(&mut room, seq as u64, b"20260312-14:30:00", body);
            stream.extend_from_slice(&room[range]);
        }
        let mut index = FieldIndex::default();
        let mut buffer: Vec<u8> = Vec::new();
        let mut met = 0;
        let mut rest = &stream[..];
        for step in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*step).min(rest.len()));
            buffer.extend_from_slice(piece);
            rest = behind;
            while let Cut::Frame { len, .. } = cut(&buffer, 8192) {
                let message = index.read(&buffer[..len]).unwrap();
                prop_assert_eq!(message.uint(tag::MSG_SEQ_NUM), Ok(met as u64));
                check(message, &bodies[met]);
                met += 1;
                buffer.drain(..len);
            }
            assert!(matches!(cut(&buffer, 8192), Cut::Incomplete { .. }));
        }
        prop_assert_eq!(met, bodies.len());
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn a_changed_byte_is_noticed_or_harmless(body in body(), at: prop::sample::Index, byte: u8) {
        let mut room = vec![0; 8192];
        let range = write(&mut room, 1, b"20260312-14:30:00", &body);
        let frame = &mut room[range];
        let at = at.index(frame.len());
        let changed = frame[at] != byte;
        frame[at] = byte;
        // One changed byte always changes the sum, or it is in a field whose every byte is checked.
        let sound = matches!(cut(frame, 8192), Cut::Frame { .. });
        prop_assert_eq!(sound, !changed);
    }
}

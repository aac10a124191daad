//! Frames with known values: decoded, encoded back, and in older versions.

use pinfix::wire::sbe::{
    BuildError, Cut, DecodeError, EncodeError, Frame, Price9, Value, build, cut, decode, ilink3,
};

use super::every::{COUNT, Refused, rewrite};

/// A line of `messages-v9.txt`.
pub struct Vector {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub fields: Vec<(&'static str, &'static str)>,
}

pub fn vectors() -> Vec<Vector> {
    let lines = include_str!("messages-v9.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let template_id: u16 = words.next().unwrap().parse().unwrap();
            let name = words.next().unwrap();
            assert_eq!(ilink3::SCHEMA.named(name).unwrap().template_id, template_id);
            let bytes = hex(words.next().unwrap());
            let fields = words.map(|word| word.split_once('=').unwrap()).collect();
            Vector {
                name,
                bytes,
                fields,
            }
        })
        .collect()
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn every_message_of_the_schema_has_a_vector_and_a_codec() {
    let names: Vec<&str> = vectors().iter().map(|vector| vector.name).collect();
    let schema: Vec<&str> = ilink3::SCHEMA
        .messages
        .iter()
        .map(|message| message.name)
        .collect();
    assert_eq!(names, schema);
    assert_eq!((schema.len(), COUNT), (56, 56));
}

#[test]
fn every_vector_decodes_to_its_values() {
    for vector in vectors() {
        assert_eq!(
            cut(&vector.bytes, 1420),
            Cut::Frame {
                len: vector.bytes.len()
            }
        );
        let decoded = decode(&Frame::new(&vector.bytes).unwrap(), &ilink3::SCHEMA).unwrap();
        let mut found = decoded.flat();
        let mut expected: Vec<(String, String)> = vector
            .fields
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", vector.name);
    }
}

#[test]
fn every_vector_is_built_from_its_values() {
    for vector in vectors() {
        let built = build(&ilink3::SCHEMA, vector.name, 9, &vector.fields).unwrap();
        assert_eq!(built, vector.bytes, "{}", vector.name);
    }
}

#[test]
fn every_vector_goes_through_its_typed_codec_unchanged() {
    let mut room = [0xAA; 2000];
    for vector in vectors() {
        let len = rewrite(&Frame::new(&vector.bytes).unwrap(), 9, &mut room).unwrap();
        assert_eq!(room[..len], vector.bytes, "{}", vector.name);
        // Exactly as much room as it takes is enough, one byte less is not.
        let mut exact = vec![0; len];
        rewrite(&Frame::new(&vector.bytes).unwrap(), 9, &mut exact).unwrap();
        let refused = rewrite(
            &Frame::new(&vector.bytes).unwrap(),
            9,
            &mut exact[..len - 1],
        );
        assert!(
            matches!(refused, Err(Refused::Encode(EncodeError::Room { needed, room })) if needed == len && room == len - 1),
            "{}: {refused:?}",
            vector.name
        );
    }
}

#[test]
fn frames_of_a_session_are_read_and_written_back() {
    let lines = include_str!("session-v9.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let frames: Vec<Vec<u8>> = lines.map(|line| hex(&line[2..])).collect();
    assert_eq!(frames.len(), 14);
    let mut room = [0; 200];
    for bytes in &frames {
        let len = rewrite(&Frame::new(bytes).unwrap(), 9, &mut room).unwrap();
        assert_eq!(room[..len], *bytes);
    }
    let negotiate = ilink3::Negotiate::read(&Frame::new(&frames[0]).unwrap()).unwrap();
    assert_eq!(
        (negotiate.session(), negotiate.firm()),
        (&b"ABC"[..], &b"007"[..])
    );
    assert_eq!(negotiate.access_key_id(), b"ACCESSKEYID012345678");
    assert_eq!(negotiate.hmac_signature().len(), 32);
    assert_eq!(negotiate.uuid(), 1_763_793_600_000_000);
    assert_eq!(negotiate.request_timestamp(), 1_763_793_600_000_000_123);
    assert_eq!(ilink3::Negotiate::CUSTOMER_FLOW, b"IDEMPOTENT");
    assert!(negotiate.credentials().is_empty());
    let answer = ilink3::NegotiationResponse::read(&Frame::new(&frames[1]).unwrap()).unwrap();
    assert_eq!(
        answer.fault_tolerance_indicator(),
        Some(ilink3::FaultTolerance::PRIMARY)
    );
    assert_eq!(
        (answer.split_msg(), answer.environment_indicator()),
        (None, None)
    );
    let request = ilink3::RetransmitRequest::read(&Frame::new(&frames[7]).unwrap()).unwrap();
    assert_eq!(
        (
            request.last_uuid(),
            request.from_seq_no(),
            request.msg_count()
        ),
        (None, 1, 10)
    );
    let terminate = ilink3::Terminate::read(&Frame::new(&frames[12]).unwrap()).unwrap();
    assert_eq!(
        (terminate.reason(), terminate.error_codes()),
        (Some(&b"client logout"[..]), 0)
    );
}

/// What the typed encoder and view of an order say, field by field.
#[test]
fn an_order_field_by_field() {
    let vector = vectors()
        .into_iter()
        .find(|vector| vector.name == "NewOrderSingle")
        .unwrap();
    let mut room = [0; 200];
    let len = ilink3::NewOrderSingleEncoder::new(&mut room, 9)
        .unwrap()
        .price(Price9::new(7))
        .order_qty(101)
        .security_id(102)
        .side(ilink3::SideWithUndisclosed::BUY)
        .seq_num(104)
        .sender_id(b"FFF")
        .cl_ord_id(b"GGG")
        .party_details_list_req_id(107)
        .order_request_id(108)
        .sending_time_epoch(109)
        .stop_px(Price9::new(17))
        .location(b"LLL")
        .min_qty(112)
        .display_qty(113)
        .expire_date(114)
        .ord_type(ilink3::NewOrdType::MARKET_WITH_PROTECTION)
        .time_in_force(ilink3::TimeInForce::DAY)
        .manual_order_indicator(ilink3::ManualOrder::AUTOMATED)
        .exec_inst(ilink3::ExecInst::ALL_OR_NONE | ilink3::ExecInst::ORDER_BOOK_ONLY)
        .execution_mode(ilink3::ExecutionMode::AGGRESSIVE)
        .liquidity_flag(ilink3::OptionalFlag::FALSE)
        .managed_order(ilink3::OptionalFlag::FALSE)
        .short_sale_type(ilink3::ShortSaleType::LONG_SELL)
        .discretion_price(Price9::new(30))
        .reservation_price(Price9::new(31))
        .finish()
        .unwrap();
    assert_eq!(room[..len], vector.bytes);
    let order = ilink3::NewOrderSingle::read(&Frame::new(&room[..len]).unwrap()).unwrap();
    assert_eq!(
        (order.price(), order.order_qty(), order.security_id()),
        (Some(Price9::new(7)), 101, 102)
    );
    assert!(
        order
            .exec_inst()
            .contains(ilink3::ExecInst::ORDER_BOOK_ONLY)
    );
    assert_eq!((order.seq_num(), order.sender_id()), (104, &b"FFF"[..]));
}

#[test]
fn null_is_none_and_an_unknown_value_survives() {
    let mut room = [0; 200];
    let len = ilink3::NewOrderSingleEncoder::new(&mut room, 9)
        .unwrap()
        .side(ilink3::SideWithUndisclosed(77))
        .finish()
        .unwrap();
    let order = ilink3::NewOrderSingle::read(&Frame::new(&room[..len]).unwrap()).unwrap();
    assert_eq!(
        (order.price(), order.min_qty(), order.expire_date()),
        (None, None, None)
    );
    assert_eq!(
        (order.time_in_force(), order.execution_mode()),
        (None, None)
    );
    assert_eq!((order.side().0, order.side().name()), (77, None));
    let decoded = decode(&Frame::new(&room[..len]).unwrap(), &ilink3::SCHEMA).unwrap();
    assert_eq!(decoded.get("Price"), Some(&Value::Null));
    assert_eq!(decoded.get("Side").unwrap().to_string(), "77");
}

#[test]
fn older_versions_are_written_and_read_with_none_for_what_they_are_without() {
    let mut room = [0; 2000];
    for vector in vectors() {
        let frame = Frame::new(&vector.bytes).unwrap();
        let layout = ilink3::layout_of(frame.template_id()).unwrap();
        for version in 5..=9 {
            let Some(block_length) = layout.block_length(version) else {
                let refused = rewrite(&frame, version, &mut room);
                assert!(
                    matches!(refused, Err(Refused::Encode(EncodeError::Version { .. }))),
                    "{refused:?}"
                );
                continue;
            };
            let len = rewrite(&frame, version, &mut room).unwrap();
            let older = room[..len].to_vec();
            let older = Frame::new(&older).unwrap();
            assert_eq!(
                (older.version(), older.block_length()),
                (version, block_length),
                "{}",
                vector.name
            );
            // What is there is the same, what is not is none.
            let body = ilink3::SCHEMA.named(vector.name).unwrap().body;
            let decoded = decode(&older, &ilink3::SCHEMA).unwrap();
            let full = decode(&frame, &ilink3::SCHEMA).unwrap();
            for field in body.fields {
                let expected = if field.since <= version {
                    full.get(field.name)
                } else {
                    Some(&Value::Null)
                };
                assert_eq!(
                    decoded.get(field.name),
                    expected,
                    "{} in {version}",
                    field.name
                );
            }
            // The typed view agrees: it can be written again as it was.
            let again = rewrite(&older, version, &mut room).unwrap();
            assert_eq!(
                room[..again],
                *older.bytes(),
                "{} in {version}",
                vector.name
            );
        }
    }
}

#[test]
fn an_order_of_version_5() {
    let mut room = [0; 200];
    let len = ilink3::NewOrderSingleEncoder::new(&mut room, 5)
        .unwrap()
        .cl_ord_id(b"OLD")
        .discretion_price(Price9::new(1))
        .finish()
        .unwrap();
    assert_eq!((len, room[4], room[10]), (128, 116, 5));
    let order = ilink3::NewOrderSingle::read(&Frame::new(&room[..len]).unwrap()).unwrap();
    assert_eq!(
        (
            order.cl_ord_id(),
            order.discretion_price(),
            order.reservation_price()
        ),
        (&b"OLD"[..], None, None)
    );
}

#[test]
fn a_longer_block_and_longer_entries_of_a_newer_version_are_read() {
    let vector = vectors()
        .into_iter()
        .find(|vector| vector.name == "MassQuoteAck")
        .unwrap();
    let frame = Frame::new(&vector.bytes).unwrap();
    let (block, groups) = (frame.block(), frame.after_block());
    let mut newer = vector.bytes[..12].to_vec();
    newer.extend(block);
    newer.extend([1, 2, 3]);
    let entry = usize::from(groups[0]);
    newer.extend([groups[0] + 2, 0, groups[2]]);
    for one in groups[3..].chunks(entry) {
        newer.extend(one);
        newer.extend([9, 9]);
    }
    newer.extend([5; 7]); // a group that is not known
    let size = u16::try_from(newer.len()).unwrap();
    newer[..2].copy_from_slice(&size.to_le_bytes());
    newer[4..6].copy_from_slice(&(frame.block_length() + 3).to_le_bytes());
    newer[10] = 10;
    let newer = Frame::new(&newer).unwrap();
    let read = decode(&newer, &ilink3::SCHEMA).unwrap();
    assert_eq!(read.flat(), decode(&frame, &ilink3::SCHEMA).unwrap().flat());
    let typed = ilink3::MassQuoteAck::read(&newer).unwrap();
    assert_eq!(typed.no_quote_entries().len(), usize::from(groups[2]));
    let old = ilink3::MassQuoteAck::read(&frame).unwrap();
    for (new, old) in typed.no_quote_entries().zip(old.no_quote_entries()) {
        assert_eq!(new.quote_entry_id(), old.quote_entry_id());
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let vector = vectors()
        .into_iter()
        .find(|vector| vector.name == "Sequence")
        .unwrap();
    let mut bytes = vector.bytes.clone();
    let short = 12 + 11;
    bytes.truncate(short);
    bytes[0] = short as u8;
    bytes[4] = 11;
    let why = ilink3::Sequence::read(&Frame::new(&bytes).unwrap())
        .err()
        .unwrap();
    assert_eq!(
        why,
        DecodeError::Missing {
            field: "NextSeqNo",
            block_length: 11
        }
    );
    assert_eq!(
        decode(&Frame::new(&bytes).unwrap(), &ilink3::SCHEMA).err(),
        Some(why)
    );
    let frame = Frame::new(&vector.bytes).unwrap();
    let why = ilink3::Terminate::read(&frame).err().unwrap();
    assert_eq!(why.to_string(), "templateId is 506, should be 507");
    let mut foreign = vector.bytes.clone();
    foreign[8] = 9;
    let why = ilink3::Sequence::read(&Frame::new(&foreign).unwrap())
        .err()
        .unwrap();
    assert_eq!(why.to_string(), "schemaId is 9, should be 8");
    let vector = vectors()
        .into_iter()
        .find(|vector| vector.name == "MassQuote")
        .unwrap();
    for cut in 1..vector.bytes.len() - 12 - 123 {
        let mut bytes = vector.bytes.clone();
        bytes.truncate(vector.bytes.len() - cut);
        let size = u16::try_from(bytes.len()).unwrap();
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        let why = ilink3::MassQuote::read(&Frame::new(&bytes).unwrap())
            .err()
            .unwrap();
        assert_eq!(
            why,
            DecodeError::Truncated {
                part: "NoQuoteEntries"
            },
            "{cut}"
        );
    }
}

#[test]
fn what_cannot_be_written_says_why() {
    let mut room = [0; 400];
    let why = ilink3::NewOrderSingleEncoder::new(&mut room, 9)
        .unwrap()
        .cl_ord_id(b"123456789012345678901")
        .finish()
        .unwrap_err();
    assert_eq!(
        why,
        EncodeError::Value {
            field: "ClOrdID",
            size: 20
        }
    );
    let why = ilink3::NewOrderSingleEncoder::new(&mut room, 10)
        .err()
        .unwrap();
    assert_eq!(
        why.to_string(),
        "NewOrderSingle cannot be written in version 10, only in 0 to 9"
    );
    let why = ilink3::QuoteCancelEncoder::new(&mut room, 9)
        .unwrap()
        .no_quote_sets(1, |_, _| {})
        .no_quote_entries(1, |_, _| {})
        .finish()
        .unwrap_err();
    assert_eq!(
        why,
        EncodeError::Order {
            part: "NoQuoteEntries"
        }
    );
    let why = ilink3::MassQuoteEncoder::new(&mut room, 9)
        .unwrap()
        .no_quote_entries(255, |_, _| {})
        .finish()
        .unwrap_err();
    assert_eq!(
        why,
        EncodeError::Count {
            part: "NoQuoteEntries",
            given: 255
        }
    );
    // A group that was left out before one that was not is empty.
    let len = ilink3::QuoteCancelEncoder::new(&mut room, 9)
        .unwrap()
        .no_quote_sets(1, |_, set| {
            set.quote_set_id(7);
        })
        .finish()
        .unwrap();
    let read = ilink3::QuoteCancel::read(&Frame::new(&room[..len]).unwrap()).unwrap();
    assert_eq!(read.no_quote_entries().len(), 0);
    assert_eq!(
        read.no_quote_sets()
            .map(|set| set.quote_set_id())
            .collect::<Vec<_>>(),
        [7]
    );
}

#[test]
fn what_cannot_be_built_says_why() {
    let built = |name, fields: &[(&str, &str)]| {
        build(&ilink3::SCHEMA, name, 9, fields)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(built("NewOrder", &[]), "no message \"NewOrder\"");
    assert_eq!(
        built("NewOrderSingle", &[("Prise", "1")]),
        "no field, group or data \"Prise\""
    );
    assert_eq!(
        built("NewOrderSingle", &[("Side", "buy")]),
        "Side=\"buy\": should be one of Buy, Sell, Undisclosed, or its value"
    );
    assert_eq!(
        built("MassQuote", &[("NoQuoteEntries[0].BidPx", "1e5")]),
        "NoQuoteEntries[0].BidPx=\"1e5\": should be a decimal number in units of 1e-9"
    );
    assert_eq!(
        built("Sequence", &[("UUID", "null")]),
        "UUID=\"null\": should be a number that fits 8 bytes, it cannot be null"
    );
    assert!(matches!(
        build(
            &ilink3::SCHEMA,
            "MassQuote",
            9,
            &[("NoQuoteEntries[300].BidPx", "1")]
        ),
        Err(BuildError::Encode(EncodeError::Count { given: 301, .. }))
    ));
}

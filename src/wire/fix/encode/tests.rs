//! Writing, by example: order, room, refusals, copies for a resend.

use super::header::{HEADER_FIELDS_MAX, check_header_tag};
use super::*;
use crate::wire::fix::frame::{Cut, cut};
use crate::wire::fix::index::FieldIndex;
use crate::wire::fix::scan::SOH;

/// What the caller of `replay` has to add.
const MORE: usize = 96;

const TIME: &[u8] = b"20120904-22:13:57.789";

fn template() -> HeaderTemplate {
    HeaderTemplate::new(b"FIX.4.2", b"CTS", b"T4Example", &[]).unwrap()
}

fn shown(frame: &[u8]) -> String {
    assert_eq!(
        cut(frame, 1 << 16),
        Cut::Frame {
            len: frame.len(),
            body: body_of(frame)
        }
    );
    frame
        .iter()
        .map(|&b| if b == SOH { '|' } else { char::from(b) })
        .collect()
}

fn body_of(frame: &[u8]) -> usize {
    frame
        .iter()
        .enumerate()
        .filter(|&(_, &b)| b == SOH)
        .nth(1)
        .unwrap()
        .0
        + 1
}

/// The frame `fill` makes, without 9 and 10.
fn written(
    template: &HeaderTemplate,
    fields: &HeaderFields<'_>,
    fill: impl FnOnce(&mut FrameWriter<'_>),
) -> Result<String, EncodeError> {
    let mut room = [0xaa; 2000];
    let mut writer = FrameWriter::begin_with(&mut room, template, fields, b"D", 2, TIME);
    fill(&mut writer);
    let range = writer.finish()?;
    let frame = &room[range];
    let text = shown(frame);
    Ok(text[body_of(frame)..text.len() - 7].to_string())
}

fn body(fill: impl FnOnce(&mut FrameWriter<'_>)) -> Result<String, EncodeError> {
    let text = written(&template(), &HeaderFields::new(), fill)?;
    let header = "35=D|34=2|49=CTS|52=20120904-22:13:57.789|56=T4Example|";
    Ok(text.strip_prefix(header).unwrap().to_string())
}

#[test]
fn venue_samples_in_our_order() {
    let mut room = [0; 300];
    let writer = FrameWriter::begin(&mut room, &template(), b"5", 2, TIME);
    let range = writer.finish().unwrap();
    // The sum does not depend on the order of fields.
    assert_eq!(
        shown(&room[range]),
        "8=FIX.4.2|9=55|35=5|34=2|49=CTS|52=20120904-22:13:57.789|56=T4Example|10=038|"
    );

    let server = HeaderTemplate::new(b"FIX.4.2", b"T4Example", b"CTS", &[(50, b"T4FIX")]).unwrap();
    let mut writer = FrameWriter::begin(&mut room, &server, b"5", 2, TIME);
    writer.str(tag::TEXT, "Successful logout upon request");
    let range = writer.finish().unwrap();
    assert_eq!(
        shown(&room[range]),
        "8=FIX.4.2|9=98|35=5|34=2|49=T4Example|50=T4FIX|52=20120904-22:13:57.789|56=CTS|\
         58=Successful logout upon request|10=207|"
    );

    let client = HeaderTemplate::new(b"FIXT.1.1", b"CLIENT1", b"BROKERET", &[]).unwrap();
    assert_eq!(client.begin_string(), b"FIXT.1.1");
    let mut writer = FrameWriter::begin(&mut room, &client, b"A", 1, b"20260312-14:30:00.000");
    writer
        .int(tag::ENCRYPT_METHOD, 0)
        .uint(tag::HEART_BT_INT, 30)
        .str(tag::USERNAME, "client1")
        .str(tag::PASSWORD, "MyP@ssw0rd")
        .boolean(tag::RESET_SEQ_NUM_FLAG, true)
        .char(tag::DEFAULT_APPL_VER_ID, b'9');
    let range = writer.finish().unwrap();
    assert_eq!(
        shown(&room[range]),
        "8=FIXT.1.1|9=110|35=A|34=1|49=CLIENT1|52=20260312-14:30:00.000|56=BROKERET|98=0|108=30|\
         553=client1|554=MyP@ssw0rd|141=Y|1137=9|10=060|"
    );
}

#[test]
fn every_kind_of_value() {
    let text = body(|w| {
        w.bytes(58, b"a b")
            .str(11, "id")
            .char(54, b'1')
            .int(44, -5)
            .int(45, i64::MIN)
            .uint(38, u64::MAX)
            .boolean(114, false)
            .decimal(31, Decimal::new(-105, 3).unwrap())
            .utc(60, Utc(951_782_400_123_456_789), TimestampPrecision::Micros)
            .data(354, 355, b"a\x0110=000\x01");
    });
    assert_eq!(
        text.unwrap(),
        "58=a b|11=id|54=1|44=-5|45=-9223372036854775808|38=18446744073709551615|114=N|31=-0.105|\
         60=20000229-00:00:00.123456|354=9|355=a|10=000||"
    );
    assert_eq!(
        body(|w| {
            w.int(1, 0).int(4_294_967_295, 1);
        })
        .unwrap(),
        "1=0|4294967295=1|"
    );
}

#[test]
fn header_fields_stand_in_ascending_order_with_1128_first() {
    let template = HeaderTemplate::new(
        b"FIXT.1.1",
        b"A",
        b"B",
        &[
            (143, b"tl"),
            (50, b"ss"),
            (1129, b"cv"),
            (57, b"ts"),
            (142, b"sl"),
            (50, b"last"),
        ],
    )
    .unwrap();
    assert_eq!(
        written(&template, &HeaderFields::new(), |_| {}).unwrap(),
        "35=D|1129=cv|34=2|49=A|50=last|52=20120904-22:13:57.789|56=B|57=ts|142=sl|143=tl|"
    );
    let mut fields = HeaderFields::new();
    fields
        .uint(369, 17)
        .data(90, 91, b"s\x01x")
        .bytes(1128, b"6")
        .str(57, "mine")
        .str(57, "again")
        .str(115, "obo")
        .str(116, "")
        .str(128, "dtc");
    assert_eq!(
        written(&template, &fields, |_| {}),
        Err(EncodeError::Empty { tag: 116 })
    );
    let mut fields = HeaderFields::new();
    fields
        .uint(369, 17)
        .data(90, 91, b"s\x01x")
        .bytes(1128, b"6")
        .str(57, "mine")
        .str(57, "again")
        .str(115, "obo")
        .possible_duplicate(b"T");
    assert_eq!(
        written(&template, &fields, |w| {
            w.str(58, "x");
        })
        .unwrap(),
        "35=D|1128=6|1129=cv|34=2|43=Y|49=A|50=last|52=20120904-22:13:57.789|56=B|57=again|\
         90=3|91=s|x|115=obo|122=T|142=sl|143=tl|369=17|58=x|"
    );
}

#[test]
fn begin_and_begin_with_nothing_are_the_same() {
    let (mut one, mut two) = ([0; 200], [0; 200]);
    let template = HeaderTemplate::new(
        b"FIX.4.4",
        b"A",
        b"B",
        &[(1128, b"9"), (50, b"c"), (142, b"d")],
    )
    .unwrap();
    let first = FrameWriter::begin(&mut one, &template, b"0", 9, TIME)
        .finish()
        .unwrap();
    let second = FrameWriter::begin_with(&mut two, &template, &HeaderFields::new(), b"0", 9, TIME);
    let second = second.finish().unwrap();
    assert_eq!(one[first], two[second]);
}

#[test]
fn header_fields_that_are_refused() {
    for owned in [8, 9, 10, 34, 35, 43, 49, 52, 56, 122] {
        let mut fields = HeaderFields::new();
        fields.bytes(owned, b"x");
        assert_eq!(fields.error, Some(EncodeError::EngineOwned { tag: owned }));
        let template = HeaderTemplate::new(b"FIX.4.2", b"A", b"B", &[(owned, b"x")]);
        assert_eq!(
            template.err(),
            Some(EncodeError::EngineOwned { tag: owned })
        );
    }
    for other in [0, 58, 627, 628, 93, 554, 5000] {
        assert_eq!(
            HeaderFields::new().uint(other, 1).error,
            Some(EncodeError::NotAHeaderField { tag: other })
        );
    }
    assert_eq!(
        HeaderFields::new().bytes(91, b"x").error,
        Some(EncodeError::DataAlone { tag: 91 })
    );
    assert_eq!(
        HeaderFields::new().data(95, 96, b"x").error,
        Some(EncodeError::NotAHeaderField { tag: 96 })
    );
    assert_eq!(
        HeaderFields::new().data(90, 213, b"x").error,
        Some(EncodeError::NotAPair {
            length_tag: 90,
            data_tag: 213
        })
    );
    assert_eq!(
        HeaderFields::new().data(90, 91, b"").error,
        Some(EncodeError::Empty { tag: 91 })
    );
    assert_eq!(
        HeaderFields::new().bytes(57, b"a\x01b").error,
        Some(EncodeError::Soh { tag: 57 })
    );
    assert_eq!(
        HeaderFields::new().possible_duplicate(b"").error,
        Some(EncodeError::Empty { tag: 122 })
    );
    let new = |begin: &[u8], sender: &[u8]| HeaderTemplate::new(begin, sender, b"B", &[]).err();
    assert_eq!(new(b"FIX.5.0", b"A"), Some(EncodeError::BeginString));
    assert_eq!(new(b"FIX.4.2", b""), Some(EncodeError::Empty { tag: 49 }));
    assert_eq!(
        new(b"FIX.4.2", b"a\x01"),
        Some(EncodeError::Soh { tag: 49 })
    );
}

#[test]
fn body_fields_that_are_refused() {
    for owned in [8, 9, 10, 34, 35, 43, 49, 52, 56, 122] {
        assert_eq!(
            body(|w| {
                w.str(owned, "x");
            }),
            Err(EncodeError::EngineOwned { tag: owned })
        );
    }
    assert_eq!(
        body(|w| {
            w.str(0, "x");
        }),
        Err(EncodeError::InvalidTag)
    );
    assert_eq!(
        body(|w| {
            w.str(57, "x");
        }),
        Err(EncodeError::HeaderInBody { tag: 57 })
    );
    assert_eq!(
        body(|w| {
            w.str(1128, "x");
        }),
        Err(EncodeError::HeaderInBody { tag: 1128 })
    );
    assert_eq!(
        body(|w| {
            w.data(90, 91, b"x");
        }),
        Err(EncodeError::HeaderInBody { tag: 91 })
    );
    assert_eq!(
        body(|w| {
            w.str(96, "x");
        }),
        Err(EncodeError::DataAlone { tag: 96 })
    );
    assert_eq!(
        body(|w| {
            w.uint(95, 1);
        }),
        Err(EncodeError::DataAlone { tag: 95 })
    );
    assert_eq!(
        body(|w| {
            w.str(42684, "x");
        }),
        Err(EncodeError::DataAlone { tag: 42684 })
    );
    assert_eq!(
        body(|w| {
            w.data(95, 355, b"x");
        }),
        Err(EncodeError::NotAPair {
            length_tag: 95,
            data_tag: 355
        })
    );
    assert_eq!(
        body(|w| {
            w.data(95, 96, b"");
        }),
        Err(EncodeError::Empty { tag: 96 })
    );
    assert_eq!(
        body(|w| {
            w.str(58, "");
        }),
        Err(EncodeError::Empty { tag: 58 })
    );
    assert_eq!(
        body(|w| {
            w.str(58, "a\x01b");
        }),
        Err(EncodeError::Soh { tag: 58 })
    );
    assert_eq!(
        body(|w| {
            w.char(54, SOH);
        }),
        Err(EncodeError::Soh { tag: 54 })
    );
    assert_eq!(
        body(|w| {
            w.data(93, 89, b"sig");
        })
        .unwrap(),
        "93=3|89=sig|"
    );
    assert_eq!(
        body(|w| {
            w.data(93, 89, b"sig").str(58, "x");
        }),
        Err(EncodeError::AfterTrailer { tag: 58 })
    );
    // The first error stays.
    assert_eq!(
        body(|w| {
            w.str(58, "").str(0, "x").str(55, "fine");
        }),
        Err(EncodeError::Empty { tag: 58 })
    );
    let mut room = [0; 200];
    let end = |w: FrameWriter<'_>| w.finish().err();
    assert_eq!(
        end(FrameWriter::begin(&mut room, &template(), b"", 1, TIME)),
        Some(EncodeError::Empty { tag: 35 })
    );
    assert_eq!(
        end(FrameWriter::begin(&mut room, &template(), b"0", 1, b"")),
        Some(EncodeError::Empty { tag: 52 })
    );
}

#[test]
fn room_of_every_size() {
    let fill = |room: &mut [u8]| {
        let mut fields = HeaderFields::new();
        fields.str(57, "sub");
        let mut writer = FrameWriter::begin_with(room, &template(), &fields, b"D", 1, TIME);
        writer
            .str(11, "an id")
            .uint(38, 100)
            .data(95, 96, b"raw")
            .decimal(44, Decimal::from(7));
        writer.finish()
    };
    let mut large = [0; 500];
    let range = fill(&mut large).unwrap();
    let frame = large[range.clone()].to_vec();
    for len in 0..range.end {
        let mut room = vec![0; len];
        assert_eq!(fill(&mut room), Err(EncodeError::Room { len }));
    }
    let mut exact = vec![0; range.end];
    assert_eq!(fill(&mut exact), Ok(range.clone()));
    assert_eq!(exact[range.clone()], frame);
    assert!(range.end <= frame.len() + ROOM_BEYOND_FRAME);
}

#[test]
fn every_residue_of_the_sum_is_written_right() {
    let mut met = [false; 256];
    let mut room = [0; 200];
    for n in 0..300 {
        let mut writer = FrameWriter::begin(&mut room, &template(), b"0", 7, TIME);
        // Four characters that add 0 to 299 to the sum.
        let filler = [n, n + 1, n + 2, n + 3].map(|n| b'!' + (n / 4) as u8);
        writer.bytes(112, &filler);
        let frame = writer.finish().unwrap();
        let frame = &room[frame];
        let (front, trailer) = frame.split_at(frame.len() - 7);
        let sum: u32 = front.iter().map(|&b| u32::from(b)).sum::<u32>() % 256;
        assert_eq!(trailer, format!("10={sum:03}\x01").as_bytes());
        met[sum as usize] = true;
    }
    assert!(met.iter().all(|&met| met));
}

#[test]
fn body_length_grows_in_digits_without_zeros() {
    let mut room = vec![0; 120_000];
    for len in [
        1, 30, 43, 44, 45, 940, 943, 944, 9_943, 9_944, 99_943, 99_944,
    ] {
        let mut writer = FrameWriter::begin(&mut room, &template(), b"0", 1, TIME);
        writer.bytes(58, &vec![b'x'; len]);
        let range = writer.finish().unwrap();
        let Cut::Frame { body, .. } = cut(&room[range.clone()], 1 << 20) else {
            panic!("{len}");
        };
        let digits = (range.len() - body - 7).to_string();
        assert!(room[range][..body].ends_with(format!("\x019={digits}\x01").as_bytes()));
    }
}

fn replayed(original: &str, room_len: usize, time: &[u8]) -> Result<String, EncodeError> {
    let original: Vec<u8> = original
        .bytes()
        .map(|b| if b == b'|' { SOH } else { b })
        .collect();
    let mut room = vec![0; room_len];
    let mut index = FieldIndex::default();
    let range = replay(&index.read(&original).unwrap(), &mut room, time)?;
    let frame = &room[range];
    let text = shown(frame);
    Ok(text[body_of(frame)..text.len() - 7].to_string())
}

#[test]
fn a_replay_changes_only_what_it_must() {
    let new = b"20120905-00:00:00.000";
    for (original, copy) in [
        (
            "8=FIX.4.2|9=1|35=D|34=7|49=A|52=20120904-22:13:57|56=B|11=x|95=4|96=|10=|58=y|10=000|",
            "35=D|34=7|43=Y|49=A|52=20120905-00:00:00.000|56=B|122=20120904-22:13:57|11=x|95=4|96=|10=|58=y|",
        ),
        (
            "8=FIXT.1.1|9=1|35=D|1128=9|34=7|49=A|50=u|52=t|56=B|57=v|90=3|91=a|b|97=Y|115=c|142=d|369=5|55=z|10=000|",
            "35=D|1128=9|34=7|43=Y|49=A|50=u|52=20120905-00:00:00.000|56=B|57=v|90=3|91=a|b|97=Y|115=c|122=t|142=d|369=5|55=z|",
        ),
        (
            "8=FIX.4.4|9=1|35=D|34=7|43=N|49=A|52=t|56=B|122=older|55=z|43=body|10=000|",
            "35=D|34=7|43=Y|49=A|52=20120905-00:00:00.000|56=B|122=t|55=z|43=body|",
        ),
        (
            "8=FIX.4.4|9=1|35=D|49=A|56=B|34=7|52=t|10=000|",
            "35=D|49=A|56=B|34=7|43=Y|52=20120905-00:00:00.000|122=t|",
        ),
    ] {
        assert_eq!(
            replayed(original, original.len() + MORE, new).unwrap(),
            copy
        );
    }
}

#[test]
fn a_frame_under_a_new_number_differs_in_number_and_time_alone() {
    let original: Vec<u8> =
        "8=FIX.4.4|9=1|35=D|34=7|49=A|52=20120904-22:13:57|56=B|97=Y|11=x|95=4|96=|10=|58=y|10=000|"
            .bytes()
            .map(|b| if b == b'|' { SOH } else { b })
            .collect();
    let mut room = vec![0; original.len() + MORE];
    let mut index = FieldIndex::default();
    let message = index.read(&original).unwrap();
    let range = renumber(&message, &mut room, 123_456, TIME).unwrap();
    let text = shown(&room[range.clone()]);
    assert_eq!(
        text[body_of(&room[range])..text.len() - 7],
        *"35=D|34=123456|49=A|52=20120904-22:13:57.789|56=B|97=Y|11=x|95=4|96=|10=|58=y|"
    );
}

#[test]
fn a_replay_needs_an_original_with_a_header() {
    let failure = |original| replayed(original, 500, TIME).err();
    assert_eq!(
        failure("8=FIX.4.2|9=1|35=D|34=7|52=t|"),
        Some(EncodeError::OriginalLacks { tag: 10 })
    );
    assert_eq!(
        failure("8=FIX.4.2|9=1|35=D|52=t|10=000|"),
        Some(EncodeError::OriginalLacks { tag: 34 })
    );
    assert_eq!(
        failure("8=FIX.4.2|9=1|35=D|34=1|58=x|52=t|10=000|"),
        Some(EncodeError::OriginalLacks { tag: 52 })
    );
    assert_eq!(
        failure("8=FIX.9.9|9=1|35=D|34=1|52=t|10=000|"),
        Some(EncodeError::BeginString)
    );
    assert_eq!(
        failure("8=FIX.4.2|9=1|35=D|34=1|52=|10=000|"),
        Some(EncodeError::Empty { tag: 122 })
    );
    let original = "8=FIX.4.2|9=1|35=D|34=1|52=t|10=000|";
    let fits = (0..200)
        .find(|&len| replayed(original, len, TIME).is_ok())
        .unwrap();
    assert!(fits <= original.len() + MORE);
    for len in 0..fits {
        assert_eq!(
            replayed(original, len, TIME),
            Err(EncodeError::Room { len })
        );
    }
}

#[test]
fn a_replay_of_a_replay_keeps_its_length() {
    let mut room = [0; 500];
    let mut writer = FrameWriter::begin(&mut room, &template(), b"D", 7, TIME);
    writer.str(11, "x");
    let range = writer.finish().unwrap();
    let original = room[range].to_vec();
    let mut index = FieldIndex::default();
    let range = replay(
        &index.read(&original).unwrap(),
        &mut room,
        b"20300101-00:00:00.000",
    )
    .unwrap();
    let once = room[range].to_vec();
    let range = replay(
        &index.read(&once).unwrap(),
        &mut room,
        b"20300101-00:00:01.000",
    )
    .unwrap();
    assert_eq!(range.len(), once.len());
    let message = index.read(&room[range]).unwrap();
    assert_eq!(
        message.get(tag::ORIG_SENDING_TIME),
        Some(&b"20300101-00:00:00.000"[..])
    );
}

#[test]
fn all_header_fields_at_once_fit() {
    let mut fields = HeaderFields::new();
    fields
        .possible_duplicate(b"T")
        .data(90, 91, b"x")
        .data(212, 213, b"x");
    for tag in (1..3000).rev().filter(|&tag| check_header_tag(tag).is_ok()) {
        fields.bytes(tag, b"v").uint(tag, 1).bytes(tag, b"w");
    }
    assert_eq!((fields.len, fields.error), (HEADER_FIELDS_MAX, None));
    assert_eq!(
        written(&template(), &fields, |_| {}).unwrap(),
        "35=D|1128=w|1129=w|1156=w|34=2|43=Y|49=CTS|50=w|52=20120904-22:13:57.789|56=T4Example|57=w|\
         90=1|91=x|97=w|115=w|116=w|122=T|128=w|129=w|142=w|143=w|144=w|145=w|212=1|213=x|347=w|\
         369=w|370=w|"
    );
}

#[test]
fn data_stands_before_its_length_if_it_is_asked_to_and_has_no_soh() {
    let mut fields = HeaderFields::new();
    fields.data_first(90, 91, b"license");
    let text = written(&template(), &fields, |_| {}).unwrap();
    assert_eq!(
        text,
        "35=D|34=2|49=CTS|52=20120904-22:13:57.789|56=T4Example|91=license|90=7|"
    );
    let refused = |value: &[u8]| {
        let mut fields = HeaderFields::new();
        fields.data_first(90, 91, value);
        written(&template(), &fields, |_| {}).unwrap_err()
    };
    assert_eq!(refused(b"a\x01b"), EncodeError::Soh { tag: 91 });
    assert_eq!(refused(b""), EncodeError::Empty { tag: 91 });
    let mut fields = HeaderFields::new();
    fields.data_first(95, 91, b"x");
    let error = written(&template(), &fields, |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::NotAPair { .. }), "{error}");
}

//! Random messages made from the built-in dictionaries: what is written is read back, found valid, and
//! found invalid for the right reason once something is changed.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use pinfix::dict::{
    Checks, Dictionaries, Dictionary, Entry, EntryWriter, FieldSpec, FieldType, Groups, Invalid,
    InvalidKind, Layout, ReadGroups, Scope, Validator, WriteGroups, builtin,
};
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{ApplVersion, EncodeError, FieldIndex, FrameWriter, HeaderTemplate, Message};
use proptest::prelude::*;

const TIME: &str = "20260312-14:30:00";

/// A member of a message or entry, with what it holds.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Field(Tag, String),
    Data(Tag, Tag, String),
    Group(Tag, Vec<Vec<Node>>),
}

/// Numbers that follow from a seed, so that a failing case shrinks to a small one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // Steele, Lea, Flood: SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn value_of(field: FieldSpec<'_>, dice: &mut Dice) -> String {
    let listed: Vec<&str> = field.values().map(|(value, _)| value).collect();
    if !listed.is_empty() {
        let one = dice.pick(&listed);
        let is_list = matches!(
            field.field_type(),
            FieldType::MultipleCharValue | FieldType::MultipleStringValue
        );
        return if is_list {
            format!("{one} {}", dice.pick(&listed))
        } else {
            one.to_owned()
        };
    }
    let choices: &[&str] = match field.field_type() {
        FieldType::String | FieldType::Exchange => &["x", "some text", "a=b"],
        FieldType::Char => &["c", "="],
        FieldType::Boolean => &["Y", "N"],
        FieldType::Int => &["-7", "0", "007"],
        FieldType::Length | FieldType::SeqNum | FieldType::NumInGroup | FieldType::TagNum => {
            &["1", "77"]
        }
        FieldType::DayOfMonth => &["1", "31"],
        FieldType::Float
        | FieldType::Qty
        | FieldType::Price
        | FieldType::PriceOffset
        | FieldType::Amt
        | FieldType::Percentage => &["1", "-0.50", ".5", "23."],
        FieldType::MultipleCharValue | FieldType::MultipleStringValue => &["A", "A b"],
        FieldType::Currency => &["USD"],
        FieldType::Country | FieldType::Language => &["de"],
        FieldType::UtcTimestamp | FieldType::Time | FieldType::TzTimestamp => {
            &["20260312-14:30:00", "20240229-00:00:00.123"]
        }
        FieldType::UtcTimeOnly | FieldType::LocalMktTime | FieldType::TzTimeOnly => {
            &["14:30:00", "00:00:00.5"]
        }
        FieldType::UtcDateOnly | FieldType::LocalMktDate => &["20240229"],
        FieldType::MonthYear => &["202402", "202402w1", "20240229"],
        FieldType::Data | FieldType::XmlData => &["a\u{1}10=000\u{1}"],
    };
    dice.pick(choices).to_owned()
}

/// Some members of `layout` and all required ones, in the order of the dictionary.
fn nodes(layout: Layout<'_>, depth: usize, dice: &mut Dice) -> Vec<Node> {
    let mut made = Vec::new();
    for (nth, member) in layout.members().enumerate() {
        let tag = member.tag();
        let is_first = depth > 0 && nth == 0;
        let odds = [12, 4, 8, 16][depth.min(3)];
        if tag::is_data(tag) || !(member.is_required() || is_first || dice.below(odds) == 0) {
            continue;
        }
        if let Some(data) = tag::data_of_length(tag) {
            if layout.has(data) {
                made.push(Node::Data(tag, data, "a\u{1}10=000\u{1}".to_owned()));
            }
        } else if let Some(entry) = member.group() {
            let entries = (0..=dice.below(2)).map(|_| nodes(entry, depth + 1, dice));
            made.push(Node::Group(tag, entries.collect()));
        } else {
            made.push(Node::Field(tag, value_of(member.field(), dice)));
        }
    }
    made
}

fn shuffled(nodes: &[Node], dice: &mut Dice) -> Vec<Node> {
    let mut left: Vec<&Node> = nodes.iter().collect();
    let mut made = Vec::new();
    while !left.is_empty() {
        made.push(match left.swap_remove(dice.below(left.len())) {
            Node::Group(counter, entries) => Node::Group(
                *counter,
                entries.iter().map(|entry| shuffled(entry, dice)).collect(),
            ),
            other => other.clone(),
        });
    }
    made
}

fn write_entry(writer: &mut EntryWriter<'_, '_, '_>, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Field(tag, value) => writer.str(*tag, value),
            Node::Data(length, data, value) => writer.data(*length, *data, value.as_bytes()),
            Node::Group(counter, entries) => writer.groups(*counter, entries, |writer, entry| {
                write_entry(writer, entry)
            }),
        };
    }
}

fn write(
    begin_string: &str,
    msg_type: &str,
    layout: Layout<'_>,
    nodes: &[Node],
) -> Result<Vec<u8>, EncodeError> {
    let template = HeaderTemplate::new(begin_string.as_bytes(), b"A", b"B", &[]).unwrap();
    let mut room = vec![0; 1 << 20];
    let mut frame = FrameWriter::begin(
        &mut room,
        &template,
        msg_type.as_bytes(),
        2,
        TIME.as_bytes(),
    );
    for node in nodes {
        match node {
            Node::Field(tag, value) => frame.str(*tag, value),
            Node::Data(length, data, value) => frame.data(*length, *data, value.as_bytes()),
            Node::Group(counter, entries) => {
                frame.groups(layout, *counter, entries, |writer, entry| {
                    write_entry(writer, entry)
                })
            }
        };
    }
    let range = frame.finish()?;
    Ok(room[range].to_vec())
}

/// Whether the entries hold what was written, at every level.
fn same(groups: Groups<'_, '_>, expected: &[Vec<Node>]) -> bool {
    let entries: Vec<Entry<'_, '_>> = groups.clone().collect();
    groups.declared() == Some(expected.len() as u64)
        && entries.len() == expected.len()
        && entries.iter().zip(expected).all(|(entry, nodes)| {
            nodes.iter().all(|node| match node {
                Node::Field(tag, value) => entry.get(*tag) == Some(value.as_bytes()),
                Node::Data(length, data, value) => {
                    entry.uint(*length) == Ok(value.len() as u64)
                        && entry.get(*data) == Some(value.as_bytes())
                }
                Node::Group(counter, entries) => same(entry.groups(*counter), entries),
            }) && entry.groups(tag::MSG_SEQ_NUM).next().is_none()
        })
}

struct Case {
    begin_string: &'static str,
    version: ApplVersion,
    dictionary: &'static Dictionary,
}

fn case(nth: usize) -> Case {
    let version = ApplVersion::ALL[nth % ApplVersion::ALL.len()];
    let dictionary = builtin::of_version(version);
    let has_header = dictionary.header().members().len() > 0;
    Case {
        begin_string: if has_header {
            dictionary.name()
        } else {
            "FIXT.1.1"
        },
        version,
        dictionary,
    }
}

impl Case {
    fn validator(&self) -> Validator {
        let dictionaries = Dictionaries::builtin(self.begin_string, self.version);
        Validator::new(dictionaries, Scope::Full, Checks::default())
    }

    fn check(&self, frame: &[u8]) -> Result<(), Invalid> {
        let mut index = FieldIndex::with_capacity(65_536);
        self.validator()
            .check(&index.read(frame).unwrap(), self.version.into())
    }
}

/// The fields behind the header, and the header as it is.
fn split(message: &Message<'_>) -> (Vec<u8>, Vec<(Tag, Vec<u8>)>) {
    let fields: Vec<_> = message
        .fields()
        .map(|(tag, value)| (tag, value.to_vec()))
        .collect();
    let (header, body) = fields.split_at(7);
    let front = joined(&[], header);
    (front, body.to_vec())
}

fn joined(front: &[u8], fields: &[(Tag, Vec<u8>)]) -> Vec<u8> {
    let mut made = front.to_vec();
    for (tag, value) in fields {
        made.extend(tag.to_string().bytes());
        made.push(b'=');
        made.extend(value);
        made.push(1);
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_and_valid(nth in 0_usize..8, seed: u64) {
        let case = case(nth);
        let mut dice = Dice(seed);
        let messages: Vec<_> = case.dictionary.messages().collect();
        let message = dice.pick(&messages);
        let layout = message.body();
        let nodes = nodes(layout, 0, &mut dice);
        let frame = write(case.begin_string, message.msg_type(), layout, &nodes).unwrap();

        // Whatever order entries are given in, the bytes are the same.
        let mixed: Vec<Node> = nodes.iter().map(|node| match node {
            Node::Group(counter, entries) => {
                Node::Group(*counter, entries.iter().map(|entry| shuffled(entry, &mut dice)).collect())
            }
            other => other.clone(),
        }).collect();
        let again = write(case.begin_string, message.msg_type(), layout, &mixed).unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&frame));

        let shown = String::from_utf8_lossy(&frame).replace('\u{1}', "|");
        prop_assert_eq!(case.check(&frame), Ok(()), "{} {}", case.dictionary.name(), shown);
        let mut index = FieldIndex::with_capacity(65_536);
        let read = index.read(&frame).unwrap();
        for node in &nodes {
            if let Node::Group(counter, entries) = node {
                prop_assert!(same(read.groups(case.dictionary, *counter), entries), "{} {}", counter, shown);
            }
        }
    }

    #[test]
    fn what_is_changed_is_found(nth in 0_usize..8, seed: u64) {
        let case = case(nth);
        let mut dice = Dice(seed);
        let messages: Vec<_> = case.dictionary.messages().collect();
        let message = dice.pick(&messages);
        let layout = message.body();
        let nodes = nodes(layout, 0, &mut dice);
        let frame = write(case.begin_string, message.msg_type(), layout, &nodes).unwrap();
        let mut index = FieldIndex::with_capacity(65_536);
        let (front, body) = split(&index.read(&frame).unwrap());
        let mut faults = vec![];
        let mut expect = |body: Vec<(Tag, Vec<u8>)>, tag, kind| {
            faults.push((joined(&front, &body), Invalid { tag, kind }));
        };
        let end = body.len() - 1; // CheckSum(10)
        let with = |at: usize, tag: Tag, value: &[u8]| {
            let mut changed = body.clone();
            changed.insert(at, (tag, value.to_vec()));
            changed
        };
        expect(with(end, 4998, b"x"), 4998, InvalidKind::UndefinedTag);
        expect(with(end, 5999, b"x"), 5999, InvalidKind::UndefinedTag);
        if end > 0 {
            expect(with(end, tag::POSS_DUP_FLAG, b"N"), tag::POSS_DUP_FLAG, InvalidKind::Misplaced);
        }
        for node in &nodes {
            let (Node::Field(tag, _) | Node::Group(tag, _) | Node::Data(tag, ..)) = node;
            let at = body.iter().position(|field| field.0 == *tag).unwrap();
            let changed = |value: &[u8]| {
                let mut changed = body.clone();
                changed[at].1 = value.to_vec();
                changed
            };
            let field = case.dictionary.field(*tag).unwrap();
            match node {
                Node::Field(..) => {
                    expect(with(end, *tag, &body[at].1), *tag, InvalidKind::Repeated);
                    expect(changed(b""), *tag, InvalidKind::Empty);
                    if !field.field_type().takes(b"\xff,") {
                        expect(changed(b"\xff,"), *tag, InvalidKind::Format);
                    } else if field.is_listed() {
                        expect(changed(b"\xff,"), *tag, InvalidKind::Value);
                    }
                    if layout.members().any(|member| member.tag() == *tag && member.is_required()) {
                        let mut lacking = body.clone();
                        lacking.remove(at);
                        expect(lacking, *tag, InvalidKind::Missing);
                    }
                }
                Node::Group(counter, entries) => {
                    let more = (entries.len() + 1).to_string();
                    // The number of sides is an enumeration.
                    let kind = if field.is_listed() && field.label(more.as_bytes()).is_none() {
                        InvalidKind::Value
                    } else {
                        InvalidKind::GroupCount
                    };
                    expect(changed(more.as_bytes()), *counter, kind);
                    expect(changed(b"-1"), *counter, InvalidKind::Format);
                    // The first field of the first entry missing: what is second may not be first.
                    let delimiter = layout.group(*counter).unwrap().members().next().unwrap();
                    if let [Node::Field(..), Node::Field(second, _), ..] = entries[0][..]
                        && !delimiter.is_required()
                    {
                        let mut lacking = body.clone();
                        lacking.remove(at + 1);
                        let required = layout.group(*counter).unwrap().members().any(|m| m.is_required());
                        if !required {
                            expect(lacking, second, InvalidKind::GroupOrder);
                        }
                    }
                }
                Node::Data(..) => {}
            }
        }
        for (frame, expected) in faults {
            let shown = String::from_utf8_lossy(&frame).replace('\u{1}', "|");
            prop_assert_eq!(case.check(&frame), Err(expected), "{} {}", case.dictionary.name(), shown);
        }
    }

    #[test]
    fn any_order_of_any_fields_is_judged_and_walked(
        nth in 0_usize..8,
        tags in proptest::collection::vec(prop::sample::select(&[11, 453, 448, 447, 452, 802, 523, 803, 5001, 55, 34, 10, 0][..]), 0..40),
    ) {
        let case = case(nth);
        let body: Vec<_> = tags.iter().map(|&tag| (tag, b"2".to_vec())).collect();
        let frame = joined(b"8=FIX.4.4\x019=1\x0135=D\x01", &body);
        let _ = case.check(&frame).is_ok();
        let mut index = FieldIndex::default();
        let message = index.read(&frame).unwrap();
        let mut places = 0;
        for entry in message.groups(case.dictionary, 453) {
            places += entry.fields().count();
            for inner in entry.groups(802) {
                prop_assert!(inner.fields().count() <= entry.fields().count());
            }
        }
        prop_assert!(places <= tags.len());
    }
}

#[test]
fn what_cannot_be_written_says_why() {
    let layout = builtin::fix44().message(b"D").unwrap().body();
    let field = |tag: Tag| Node::Field(tag, "x".to_owned());
    let of =
        |counter, entry: Vec<Node>| write("FIX.4.4", "D", layout, &[Node::Group(counter, vec![entry])]);
    for (counter, entry, error) in [
        (
            453,
            vec![field(447)],
            EncodeError::NoDelimiter {
                counter: 453,
                delimiter: 448,
            },
        ),
        (
            453,
            vec![field(448), field(11)],
            EncodeError::NotInGroup {
                counter: 453,
                tag: 11,
            },
        ),
        (
            453,
            vec![field(448), field(447), field(448)],
            EncodeError::Repeated { tag: 448 },
        ),
        (
            453,
            vec![],
            EncodeError::NoDelimiter {
                counter: 453,
                delimiter: 448,
            },
        ),
        (11, vec![field(448)], EncodeError::NotAGroup { tag: 11 }),
        (555, vec![field(448)], EncodeError::NotAGroup { tag: 555 }),
    ] {
        assert_eq!(of(counter, entry), Err(error));
    }
    let empty = write("FIX.4.4", "D", layout, &[Node::Group(453, vec![])]).unwrap();
    assert!(!String::from_utf8(empty).unwrap().contains("453="));
}

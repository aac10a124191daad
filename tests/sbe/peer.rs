//! An independent decoder reads what we write: the package `sbe` of PyPI, field by field, for every message and with
//! values of our own. Ignored where Python or the package is missing, unless `PINFIX_INTEROP=required`.
//!
//! `tests/interop/install.sh` puts it into `tests/interop/python`; `pip install sbe==0.4.3` does as well.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pinfix::wire::sbe::{Decimal, Frame, Kind, MessageDescription, Value, build, decode, ilink3};

use super::vectors::vectors;

fn peer(frames: &[Vec<u8>]) -> Option<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = || {
        let mut python = Command::new("python3");
        let own = std::env::var_os("PYTHONPATH").unwrap_or_default();
        let ours = root.join("tests/interop/python");
        let path = std::env::join_paths(std::env::split_paths(&own).chain([ours]));
        python.env("PYTHONPATH", path.unwrap_or(own));
        python
    };
    let found = python().args(["-c", "import sbe"]).output();
    if !found.is_ok_and(|found| found.status.success()) {
        let required = std::env::var_os("PINFIX_INTEROP").is_some_and(|value| value == "required");
        assert!(
            !required,
            "python3 has no package sbe, and PINFIX_INTEROP asks for it: run tests/interop/install.sh"
        );
        eprintln!("IGNORED: python3 with the package sbe is not installed (tests/interop/install.sh)");
        return None;
    }
    let mut child = python()
        .arg(root.join("tests/sbe/peer.py"))
        .arg(root.join("src/wire/sbe/ilink3/ilink3.xml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = frames
        .iter()
        .map(|frame| {
            frame
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + "\n"
        })
        .collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    Some(
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

/// What the peer prints for what we decode.
fn expected(frame: &[u8]) -> BTreeMap<String, String> {
    let decoded = decode(&Frame::new(frame).unwrap(), &ilink3::SCHEMA).unwrap();
    let mut fields = BTreeMap::new();
    collect("", &decoded.parts, &mut fields);
    fields
}

fn collect(before: &str, parts: &[pinfix::wire::sbe::Part], fields: &mut BTreeMap<String, String>) {
    for part in parts {
        let name = format!("{before}{}", part.name);
        let text = match &part.value {
            Value::Null | Value::Constant(_) => continue,
            Value::Group(entries) => {
                for (nth, entry) in entries.iter().enumerate() {
                    collect(&format!("{name}[{nth}]."), entry, fields);
                }
                continue;
            }
            Value::Fixed(Decimal { mantissa, exponent }) => format!("{mantissa}e{exponent}"),
            // Text to the peer.
            Value::Bytes(bytes) => {
                String::from_utf8(bytes.split(|&byte| byte == 0).next().unwrap().to_vec()).unwrap()
            }
            value => value.to_string(),
        };
        fields.insert(name, text);
    }
}

fn told(line: &str) -> (String, BTreeMap<String, String>) {
    let mut words = line.split(' ');
    let name = words.next().unwrap().to_owned();
    let fields = words.map(|word| word.split_once('=').unwrap());
    (
        name,
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// A message with another value in every field, and three entries in every group.
fn other(message: &MessageDescription, seed: u64) -> Vec<u8> {
    let mut number = seed;
    let mut fields = Vec::new();
    let mut fill = |before: &str, body: &pinfix::wire::sbe::Body| {
        for field in body.fields {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let some = number >> 33;
            let text = match field.kind {
                Kind::Unsigned(size) => (some % (1 << (8 * size.min(4) - 1))).to_string(),
                Kind::Signed(_) => format!("-{}", some % 1_000_000),
                Kind::Char => char::from(b'A' + (some % 26) as u8).to_string(),
                Kind::Text(size) => {
                    "xyzabcdefghijklmnopqrstuvwxyz"[..1 + some as usize % size.min(26)].to_owned()
                }
                Kind::Bytes(size) => "5a".repeat(size),
                Kind::Fixed(_) => format!("-{}.{:03}", some % 100_000, some % 997),
                Kind::Decimal(_) => format!("{}e-{}", some % 2_000_000_000, some % 9),
                Kind::Enum(of) => of.values[some as usize % of.values.len()].1.to_owned(),
                Kind::Set(..) => (1 + some % 255).to_string(),
                Kind::Float(_) | Kind::Array(..) => continue,
            };
            fields.push((format!("{before}{}", field.name), text));
        }
    };
    fill("", message.body);
    for group in message.body.groups {
        for nth in 0..3 {
            fill(&format!("{}[{nth}].", group.name), group.body);
        }
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    build(&ilink3::SCHEMA, message.name, 9, &fields).unwrap()
}

#[test]
fn an_independent_decoder_reads_every_message_as_we_do() {
    let mut frames: Vec<Vec<u8>> = vectors().into_iter().map(|vector| vector.bytes).collect();
    for seed in 0..5 {
        frames.extend(
            ilink3::SCHEMA
                .messages
                .iter()
                .map(|message| other(message, seed)),
        );
    }
    let Some(lines) = peer(&frames) else { return };
    assert_eq!(lines.len(), 56 * 6);
    let mut fields = 0;
    for (frame, line) in frames.iter().zip(&lines) {
        let (name, found) = told(line);
        let template_id = Frame::new(frame).unwrap().template_id();
        assert_eq!(name, ilink3::layout_of(template_id).unwrap().name);
        assert_eq!(found, expected(frame), "{name}");
        fields += found.len();
    }
    println!("{fields} fields of {} messages", lines.len());
    assert!(fields > 5000);
}

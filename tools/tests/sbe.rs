//! `pinfix sbe generate` as a user runs it.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod command;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[track_caller]
fn generated_is_kept(schema: &str, kept: &str, more: &[&str]) -> usize {
    let out = tempfile::tempdir().unwrap();
    let schema = root().join(schema);
    let mut arguments = vec![
        "sbe",
        "generate",
        schema.to_str().unwrap(),
        "--out",
        out.path().to_str().unwrap(),
    ];
    arguments.extend(more);
    command::run(&arguments).ok();
    let (made, kept) = (files(out.path()), files(&root().join(kept)));
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        kept.keys().collect::<Vec<_>>()
    );
    for (name, text) in &made {
        assert_eq!(text, &kept[name], "{name}");
    }
    made.len()
}

#[test]
fn the_codecs_of_ilink3_are_what_its_description_makes() {
    let count = generated_is_kept(
        "src/wire/sbe/ilink3/ilink3.xml",
        "src/wire/sbe/ilink3/generated",
        &["--library", "crate"],
    );
    assert_eq!(count, 58);
}

#[test]
fn the_codecs_of_a_foreign_schema_are_what_it_makes() {
    let count = generated_is_kept(
        "tests/sbe/foreign.xml",
        "tests/sbe/foreign",
        &["--encoding-type", "0xeb50"],
    );
    assert_eq!(count, 4);
}

#[track_caller]
fn refused(change: (&str, &str), says: &str) {
    let directory = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("tests/sbe/foreign.xml")).unwrap();
    assert!(text.contains(change.0), "{}", change.0);
    let path = directory.path().join("wrong.xml");
    fs::write(&path, text.replacen(change.0, change.1, 1)).unwrap();
    let out = directory.path().join("out");
    command::run(&[
        "sbe",
        "generate",
        path.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ])
    .failed(1, &["wrong.xml", says]);
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn what_cannot_be_generated_is_named_with_its_line_and_element() {
    refused(
        ("littleEndian", "bigEndian"),
        ":3: <messageSchema>: byteOrder \"bigEndian\": only littleEndian can be generated",
    );
    refused(
        (
            "<field name=\"serialNumber\"",
            "<fields name=\"serialNumber\"",
        ),
        ":42: <fields name=\"serialNumber\">: an element that SBE 1.0 does not have here",
    );
    refused(
        (
            "<group name=\"stages\" id=\"20\">",
            "<group name=\"stages\" id=\"20\"><loop name=\"x\"/>",
        ),
        ":51: <loop name=\"x\">: an element that SBE 1.0 does not have here",
    );
    refused(
        ("type=\"Readings\"", "type=\"Reading\""),
        ":45: <field name=\"readings\">: no type \"Reading\"",
    );
    refused(
        (
            "name=\"blockLength\" primitiveType=\"uint16\"",
            "name=\"blockLength\" primitiveType=\"uint8\"",
        ),
        "<messageSchema>: the message header \"header\" must be blockLength, templateId, schemaId, version, each a uint16",
    );
    refused(
        ("offset=\"10\"", "offset=\"6\""),
        ":43: <field name=\"engine\">: offset 6 lies in the field before, which ends at 8",
    );
    refused(
        ("blockLength=\"4\"", "blockLength=\"x\""),
        "<message name=\"Empty\">: blockLength \"x\" is no number in range",
    );
    refused(
        ("id=\"5\" blockLength", "id=\"77\" blockLength"),
        "<message name=\"Empty\">: id 77 is that of Car too",
    );
    refused(
        (
            "<choice name=\"CruiseControl\">9",
            "<choice name=\"CruiseControl\">16",
        ),
        "<choice name=\"CruiseControl\">: \"16\" is no bit of the set",
    );
    refused(
        ("valueRef=\"Booster.Turbo\"", "valueRef=\"Booster.None\""),
        "<field name=\"kind\">: no value \"Booster.None\"",
    );
}

#[test]
fn a_file_that_is_not_there() {
    command::run(&["sbe", "generate", "no-such.xml"]).failed(1, &["cannot read no-such.xml"]);
}

//! Where the standard leaves a choice: what may come instead of what a scenario expects.
//!
//! Such an answer is no failure. It is reported as a difference, in words.

use super::applies::value;
use super::frame::Received;
use super::script::{Field, What};

/// What a frame is, seen from what was expected.
pub enum Judgement {
    /// What was expected.
    Same,
    /// Another way to do the same.
    Differs(String),
    /// Permitted before what was expected, which is still to come.
    Extra(String),
    /// What was expected was left out; the frame is for the next line.
    Left(String),
    Wrong(String),
}

/// Fields that say more than the standard asks for, or say it in one's own words.
const OWN_WORDS: [&str; 7] = ["58", "371", "372", "373", "379", "380", "1409"];

/// Judges a frame. `ends`: the scenario goes on to the end of the connection.
pub fn judge(expected: &[Field], frame: &Received, ends: bool) -> Judgement {
    let kind = value(expected, "35").unwrap_or_default();
    let got = frame.get(35).unwrap_or_default();
    let wrong: Vec<&str> = expected
        .iter()
        .filter(|field| !holds(field, frame))
        .map(|field| field.tag.as_str())
        .collect();
    if wrong.is_empty() {
        return Judgement::Same;
    }
    let ours = String::from_utf8_lossy(kind);
    match (kind, got) {
        _ if kind == got && wrong.iter().all(|tag| OWN_WORDS.contains(tag)) => {
            Judgement::Differs(format!("35={ours} with another {}", wrong.join(", ")))
        }
        (b"2", b"2") if wrong == ["16"] => Judgement::Differs("another EndSeqNo(16)".into()),
        (b"5", b"3") => Judgement::Extra("a Reject(3) before the Logout(5)".into()),
        (b"3", b"5") if ends => Judgement::Left("a Logout(5) without a Reject(3)".into()),
        (b"j", b"3") => Judgement::Differs("a Reject(3) instead of a BusinessMessageReject(j)".into()),
        (b"3", b"j") => Judgement::Differs("a BusinessMessageReject(j) instead of a Reject(3)".into()),
        _ => Judgement::Wrong(format!("field {} does not match", wrong.join(", "))),
    }
}

/// Judges that nothing came. `ended`: the connection has ended instead.
pub fn nothing(expected: &[Field], ended: bool, ends: bool) -> Option<String> {
    match value(expected, "35") {
        Some(b"5") if ended => Some("closed without a Logout(5)".into()),
        Some(b"3") if ended && ends => Some("closed without a Reject(3)".into()),
        _ => None,
    }
}

/// Judges a frame where nothing but the end of the connection was expected.
pub fn before_the_end(frame: &Received) -> Option<String> {
    match frame.get(35) {
        Some(b"5") => Some("a Logout(5) before closing".into()),
        Some(b"3") => Some("a Reject(3) before closing".into()),
        _ => None,
    }
}

fn holds(expected: &Field, frame: &Received) -> bool {
    let tag = expected.tag.parse().ok();
    match (&expected.what, tag.and_then(|tag| frame.get(tag))) {
        (What::Is(text), Some(value)) => text == value,
        (What::Contains(part), Some(value)) => value
            .windows(part.len().max(1))
            .any(|window| window == part),
        (What::Present, Some(_)) | (What::Absent, None) => true,
        _ => false,
    }
}

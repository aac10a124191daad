//! Two frames, field by field.

use std::fmt;

use pinfix::time::{TimestampPrecision, Utc};
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{FieldIndex, Printable};

use super::super::filter::FIELDS_MAX;

/// Fields that differ from one run to the next, or follow from others.
const NOT_COMPARED: [Tag; 4] = [
    tag::BODY_LENGTH,
    tag::CHECK_SUM,
    tag::SENDING_TIME,
    tag::ORIG_SENDING_TIME,
];

/// Where the fresh session went another way.
#[derive(Debug)]
pub struct Difference {
    pub at: Utc,
    /// MsgSeqNum(34) received last.
    pub after: Option<u64>,
    pub kind: DifferenceKind,
}

#[derive(Debug)]
pub enum DifferenceKind {
    /// Both sent something.
    Frames {
        recorded: Vec<u8>,
        replayed: Vec<u8>,
    },
    /// Only the record has it.
    OnlyRecorded(Vec<u8>),
    /// Only the fresh session sent it.
    OnlyReplayed(Vec<u8>),
    /// What was taken from the record has another number than would be next.
    Number {
        recorded: u64,
        next: u64,
        frame: Vec<u8>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.at.to_fix(TimestampPrecision::Nanos))?;
        if let Some(after) = self.after {
            write!(f, ", after MsgSeqNum {after} was received")?;
        }
        const INDENT: &str = "\n                   ";
        match &self.kind {
            DifferenceKind::Frames { recorded, replayed } => {
                write!(f, "{INDENT}recorded  {}", Printable(recorded))?;
                write!(f, "{INDENT}replayed  {}", Printable(replayed))?;
                for (tag, recorded, replayed) in differing(recorded, replayed) {
                    let show = |value: Option<Vec<u8>>| match value {
                        Some(value) => format!("{:?}", Printable(&value).to_string()),
                        None => "absent".to_owned(),
                    };
                    write!(
                        f,
                        "{INDENT}tag {tag}: {} recorded, {} replayed",
                        show(recorded),
                        show(replayed)
                    )?;
                }
                Ok(())
            }
            DifferenceKind::OnlyRecorded(frame) => {
                write!(f, "{INDENT}recorded  {}", Printable(frame))?;
                write!(f, "{INDENT}replayed  nothing")
            }
            DifferenceKind::OnlyReplayed(frame) => {
                write!(f, "{INDENT}recorded  nothing")?;
                write!(f, "{INDENT}replayed  {}", Printable(frame))
            }
            DifferenceKind::Number {
                recorded,
                next,
                frame,
            } => {
                write!(f, "{INDENT}recorded  {}", Printable(frame))?;
                write!(
                    f,
                    "{INDENT}MsgSeqNum {recorded} recorded, {next} would be next"
                )
            }
        }
    }
}

/// Whether two frames say the same.
pub fn is_same(recorded: &[u8], replayed: &[u8]) -> bool {
    let (recorded, replayed) = (fields(recorded), fields(replayed));
    recorded.len() == replayed.len()
        && recorded.iter().zip(&replayed).all(|(a, b)| {
            // A secret is masked at its length; whose it is does not matter.
            a == b || (a.0 == b.0 && tag::is_secret(a.0) && a.1.len() == b.1.len())
        })
}

/// A value, if there is one.
type Value = Option<Vec<u8>>;

/// Fields that are not the same, with their values; those of equal place and tag together.
fn differing(recorded: &[u8], replayed: &[u8]) -> Vec<(Tag, Value, Value)> {
    let (recorded, mut replayed) = (fields(recorded), fields(replayed));
    let mut found = Vec::new();
    for (tag, value) in recorded {
        if tag::is_secret(tag) {
            replayed.retain(|field| field.0 != tag);
            continue;
        }
        match replayed.iter().position(|field| field.0 == tag) {
            Some(at) => {
                let (_, other) = replayed.remove(at);
                if other != value {
                    found.push((tag, Some(value), Some(other)));
                }
            }
            None => found.push((tag, Some(value), None)),
        }
    }
    let only_replayed = replayed
        .into_iter()
        .filter(|(tag, _)| !tag::is_secret(*tag));
    found.extend(only_replayed.map(|(tag, value)| (tag, None, Some(value))));
    found
}

fn fields(frame: &[u8]) -> Vec<(Tag, Vec<u8>)> {
    let mut index = FieldIndex::with_capacity(FIELDS_MAX);
    let Ok(message) = index.read(frame) else {
        return vec![(tag::INVALID, frame.to_vec())];
    };
    message
        .fields()
        .filter(|(tag, _)| !NOT_COMPARED.contains(tag))
        .map(|(tag, value)| (tag, value.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        format!("8=FIX.4.4|9=5|35=A|{text}|10=000|")
            .replace('|', "\u{1}")
            .into_bytes()
    }

    #[test]
    fn times_and_the_characters_of_secrets_are_no_difference_and_all_else_is() {
        let recorded = frame("34=1|52=20261125-14:30:00|554=******|58=a");
        let same = frame("34=1|52=20261125-14:30:01.000|554=secret|58=a");
        assert!(is_same(&recorded, &same));
        for other in [
            "34=2|52=x|554=******|58=a",
            "34=1|52=x|554=*****|58=a",
            "34=1|52=x|554=******|58=b",
            "34=1|52=x|554=******",
            "34=1|52=x|554=******|58=a|1=b",
            "34=1|52=x|58=a|554=******",
        ] {
            assert!(!is_same(&recorded, &frame(other)), "{other}");
        }
        let text = Difference {
            at: Utc(0),
            after: Some(7),
            kind: DifferenceKind::Frames {
                recorded,
                replayed: frame("34=1|52=x|554=hunter|58=b|1=c"),
            },
        }
        .to_string();
        assert!(
            text.contains("tag 58: \"a\" recorded, \"b\" replayed"),
            "{text}"
        );
        assert!(
            text.contains("tag 1: absent recorded, \"c\" replayed"),
            "{text}"
        );
        assert!(!text.contains("hunter"), "{text}");
    }
}

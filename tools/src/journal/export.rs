//! `pinfix journal export`: records for other programs.
//!
//! Invariant: no secret leaves, whoever wrote the journal; its length does. One record at a time is in
//! memory, so a journal may be longer than that.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use pinfix::journal::{Entry, Item, Kind, Reader};
use pinfix::time::{TimestampPrecision, Utc};
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{FieldIndex, Printable};
use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::filter::{Choice, Direction, FIELDS_MAX, Filter};
use super::sbe::Shown;
use super::{places, print};

pub const EXAMPLES: &str = "\
Examples:
  pinfix journal export journals --format json | jq 'select(.type == \"8\")'
  pinfix journal export journals --format fix --direction in > inbound.fix
  pinfix journal export journals --format fix --delimiter pipe --type D

A line of JSON:
  {\"session\":\"FIX.4.4:US->THEM\",\"direction\":\"out\",\"seq\":2,\"at\":\"2026-11-25T14:30:02.123456789Z\",
   \"type\":\"D\",\"fields\":[[8,\"FIX.4.4\"],[9,\"120\"],[35,\"D\"],...]}
Fields stand as they stood on the wire, repeated ones as well. A value that is not UTF-8 is
{\"hex\":\"00ff\"}. The start of a number series has direction \"reset\" and its numbers instead of fields.
A message of iLink 3 has \"template\":514,\"name\":\"NewOrderSingle\" and its fields by name.";

/// What records become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// FIX messages, one per line; times of recording and starts of series are left out
    Fix,
    /// One JSON object per line
    Json,
}

/// What stands between fields of FIX messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Delimiter {
    /// The byte 1, as on the wire
    Soh,
    /// A | for people; what is not printable becomes \xNN
    Pipe,
}

/// Writes what fits the choice, one session after the other. Fails at the end if anything could not be
/// read.
pub fn run(
    directory: &Path,
    choice: Choice,
    format: Format,
    delimiter: Delimiter,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut filter = Filter::new(choice)?;
    let mut index = FieldIndex::with_capacity(FIELDS_MAX);
    let mut code = ExitCode::SUCCESS;
    for place in places::find(directory)? {
        let cannot_read = || format!("cannot read {}", place.directory.display());
        let mut reader = Reader::open(&place.directory).with_context(cannot_read)?;
        while let Some(item) = reader.read().with_context(cannot_read)? {
            match item {
                Item::Record(entry) if filter.takes(&entry) => match format {
                    Format::Json => json(&place.identity, &entry, &mut index, out)?,
                    Format::Fix => fix(&entry, delimiter, &mut index, out)?,
                },
                Item::Record(_) => {}
                trouble => {
                    eprintln!("pinfix: {}: {}", place.identity, print::trouble(&trouble));
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    Ok(code)
}

fn fix(
    entry: &Entry<'_>,
    delimiter: Delimiter,
    index: &mut FieldIndex,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if matches!(entry.kind, Kind::Reset | Kind::Series) {
        return Ok(());
    }
    anyhow::ensure!(
        Shown::read(entry.frame).is_none(),
        "messages of iLink 3 are no FIX text, choose --format json"
    );
    match index.read(entry.frame) {
        Ok(message) if delimiter == Delimiter::Soh => {
            let mut at = 0;
            for secret in message.secrets() {
                out.write_all(&entry.frame[at..secret.start])?;
                out.write_all(&vec![b'*'; secret.len()])?;
                at = secret.end;
            }
            out.write_all(&entry.frame[at..])?;
            out.write_all(b"\n")?;
        }
        // A frame that cannot be read is masked in the form for people, which takes any bytes.
        _ => writeln!(out, "{}", Printable(entry.frame))?,
    }
    Ok(())
}

/// One record.
#[derive(Serialize)]
struct Line<'a> {
    session: &'a str,
    direction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    at: String,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Message {
        #[serde(rename = "type")]
        msg_type: Value<'a>,
        fields: Vec<(Tag, Value<'a>)>,
    },
    Sbe {
        #[serde(rename = "type")]
        msg_type: &'static str,
        template: u16,
        name: &'static str,
        version: u16,
        fields: Vec<(String, String)>,
    },
    /// A frame that cannot be taken apart.
    Unreadable {
        text: String,
    },
    Reset {
        series: u64,
        /// UUID, of FIXP.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        next_out: u64,
        next_in: u64,
        cause: String,
    },
    Note {
        note: String,
    },
}

enum Value<'a> {
    Bytes(&'a [u8]),
    /// So many stars.
    Secret(usize),
}

impl Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Secret(length) => serializer.serialize_str(&"*".repeat(*length)),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => {
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    let mut map = serializer.serialize_map(Some(1))?;
                    map.serialize_entry("hex", &hex)?;
                    map.end()
                }
            },
        }
    }
}

fn json(
    session: &str,
    entry: &Entry<'_>,
    index: &mut FieldIndex,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let message = index.read(entry.frame);
    let sbe = Shown::read(entry.frame);
    let content = match (entry.reset(), &message) {
        _ if entry.kind == Kind::Series => Content::Note {
            note: entry
                .note()
                .map_or_else(String::new, |note| note.to_string()),
        },
        (None, _) if let Some(shown) = &sbe => of_sbe(shown),
        (Some(reset), _) => Content::Reset {
            series: reset.series,
            id: reset.begun.map(|begun| begun.id),
            next_out: reset.next_out,
            next_in: reset.next_in,
            cause: reset.cause.to_string(),
        },
        (None, Ok(message)) => {
            let shown = |(tag, value): (Tag, _)| {
                let shown = if tag::is_secret(tag) {
                    Value::Secret(<[u8]>::len(value))
                } else {
                    Value::Bytes(value)
                };
                (tag, shown)
            };
            let fields = message.fields().map(shown).collect();
            Content::Message {
                msg_type: Value::Bytes(message.msg_type()),
                fields,
            }
        }
        (None, Err(_)) => Content::Unreadable {
            text: Printable(entry.frame).to_string(),
        },
    };
    let line = Line {
        session,
        direction: Direction::of(entry.kind).name(),
        seq: (!matches!(entry.kind, Kind::Reset | Kind::Series)).then_some(entry.seq),
        at: rfc3339(entry.at),
        content,
    };
    serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// A message of iLink 3.
fn of_sbe<'a>(shown: &Shown) -> Content<'a> {
    let Shown::Message(decoded) = shown else {
        return Content::Unreadable {
            text: shown.to_string(),
        };
    };
    Content::Sbe {
        msg_type: decoded.message.semantic_type,
        template: decoded.message.template_id,
        name: decoded.message.name,
        version: decoded.version,
        fields: decoded.flat(),
    }
}

/// `2026-11-25T14:30:02.123456789Z`.
fn rfc3339(at: Utc) -> String {
    let fix = at.to_fix(TimestampPrecision::Nanos).to_string();
    format!("{}-{}-{}T{}Z", &fix[..4], &fix[4..6], &fix[6..8], &fix[9..])
}

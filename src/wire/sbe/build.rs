//! A message made from the names of its fields and values as text: for scenarios and tools, off the core.

use std::fmt;

use super::describe::{Body, FieldDescription, Kind, Schema};
use super::field::Decimal;
use super::write::{EncodeError, Writer};

/// Why a message cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The schema has no message of that name.
    Message {
        /// As given.
        name: String,
    },
    /// The message, or the group, has no part of that name.
    Field {
        /// As given, with the entries it was given for.
        name: String,
    },
    /// The value cannot stand in the field.
    Value {
        /// As given, with the entries it was given for.
        field: String,
        /// As given.
        value: String,
        /// What could.
        expected: String,
    },
    /// It does not fit together.
    Encode(EncodeError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { name } => write!(f, "no message {name:?}"),
            Self::Field { name } => write!(f, "no field, group or data {name:?}"),
            Self::Value {
                field,
                value,
                expected,
            } => write!(f, "{field}={value:?}: should be {expected}"),
            Self::Encode(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<EncodeError> for BuildError {
    fn from(why: EncodeError) -> Self {
        Self::Encode(why)
    }
}

/// Makes the message `name` in `version` of `schema`. What is not among `fields` is null or zero.
///
/// A field of an entry is named `NoLegs[0].LegPrice`, a member of a composite `MaturityMonthYear.year`. Values: numbers
/// in decimal; text as it is; bytes and data in hexadecimal; prices `4712.25`, other decimals also `471225e-2`; values
/// of enumerations by name or number, those that are characters also by character; choices of sets joined by `|`, or as
/// a number; `null` for no value. A field that `version` is without is left out.
///
/// ```
/// use pinfix::wire::sbe::{Frame, build, ilink3};
///
/// let bytes = build(&ilink3::SCHEMA, "Sequence", 9, &[("UUID", "7"), ("NextSeqNo", "101")])?;
/// let sequence = ilink3::Sequence::read(&Frame::new(&bytes)?)?;
/// assert_eq!((sequence.uuid(), sequence.next_seq_no()), (7, 101));
/// assert_eq!(sequence.fault_tolerance_indicator(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`BuildError`] names the message, field or value, and what it should be.
pub fn build(
    schema: &Schema,
    name: &str,
    version: u16,
    fields: &[(&str, &str)],
) -> Result<Vec<u8>, BuildError> {
    let message = schema.named(name).ok_or_else(|| BuildError::Message {
        name: name.to_owned(),
    })?;
    let mut room = vec![0; usize::from(u16::MAX)];
    let mut writer = Writer::message(&mut room, message, version)?;
    let given: Vec<Given<'_>> = fields
        .iter()
        .map(|&(name, value)| Given {
            name,
            rest: name,
            value,
        })
        .collect();
    body(message.body, &given, &mut writer)?;
    let len = writer.finish()?;
    room.truncate(len);
    Ok(room)
}

/// A field to set: its whole name, what of it is left within an entry, and its value.
#[derive(Clone, Copy)]
struct Given<'f> {
    name: &'f str,
    rest: &'f str,
    value: &'f str,
}

impl Given<'_> {
    fn wrong(&self, expected: impl Into<String>) -> BuildError {
        BuildError::Value {
            field: self.name.to_owned(),
            value: self.value.to_owned(),
            expected: expected.into(),
        }
    }
}

fn body(body: &'static Body, given: &[Given<'_>], writer: &mut Writer<'_>) -> Result<(), BuildError> {
    let mut entries: Vec<Vec<(usize, Given<'_>)>> = vec![Vec::new(); body.groups.len()];
    let mut data: Vec<Option<Given<'_>>> = vec![None; body.data.len()];
    for &one in given {
        if let Some(field) = body.field(one.rest) {
            set(field, one, writer)?;
        } else if let Some((group, entry)) = entry_of(body, one) {
            entries[group].push(entry);
        } else if let Some(at) = body.data.iter().position(|data| data.name == one.rest) {
            data[at] = Some(one);
        } else if let Some(constant) = body
            .constants
            .iter()
            .find(|constant| constant.name == one.rest)
        {
            if constant.text != one.value {
                return Err(one.wrong(format!("{}, always", constant.text)));
            }
        } else {
            return Err(BuildError::Field {
                name: one.name.to_owned(),
            });
        }
    }
    for (index, entries) in entries.iter().enumerate() {
        let count = entries
            .iter()
            .map(|&(nth, _)| nth.saturating_add(1))
            .max()
            .unwrap_or(0);
        if count > 0 && writer.group(index, count) {
            for nth in 0..count {
                let of: Vec<Given<'_>> = entries
                    .iter()
                    .filter(|&&(entry, _)| entry == nth)
                    .map(|&(_, given)| given)
                    .collect();
                let mut entry = writer.entry(index);
                self::body(body.groups[index].body, &of, &mut entry)?;
                let end = entry.ended();
                writer.close(end);
                if let Some(why) = writer.fault() {
                    return Err(why.into());
                }
            }
        }
    }
    for (nth, given) in data.into_iter().enumerate() {
        if let Some(given) = given {
            let bytes = hex(given.value).ok_or_else(|| given.wrong("bytes in hexadecimal"))?;
            writer.data(nth, &bytes);
        }
    }
    Ok(())
}

/// `Group[nth].rest`: the group, the entry and what is left.
fn entry_of<'f>(body: &Body, given: Given<'f>) -> Option<(usize, (usize, Given<'f>))> {
    let (name, behind) = given.rest.split_once('[')?;
    let (nth, rest) = behind.split_once("].")?;
    let group = body.groups.iter().position(|group| group.name == name)?;
    Some((group, (nth.parse().ok()?, Given { rest, ..given })))
}

fn set(field: &FieldDescription, given: Given<'_>, writer: &mut Writer<'_>) -> Result<(), BuildError> {
    let mut bytes = vec![0; field.size];
    let is_text = matches!(field.kind, Kind::Text(_));
    if given.value == "null" && !is_text {
        if field.null.is_empty() {
            return Err(given.wrong(format!("{}, it cannot be null", expected(&field.kind))));
        }
        bytes.copy_from_slice(field.null);
    } else if !put(&field.kind, given.value, &mut bytes) {
        return Err(given.wrong(expected(&field.kind)));
    }
    if let Some(slot) = writer.slot(field.offset, field.size) {
        slot.copy_from_slice(&bytes);
    }
    Ok(())
}

/// Writes the value of `text`; `false` if it has none.
fn put(kind: &Kind, text: &str, bytes: &mut [u8]) -> bool {
    let raw = match kind {
        Kind::Unsigned(_) => text.parse().ok(),
        Kind::Signed(_) => return put_signed(text.parse().ok(), bytes),
        Kind::Float(4) => text
            .parse::<f32>()
            .ok()
            .map(|number| u64::from(number.to_bits())),
        Kind::Float(_) => text.parse::<f64>().ok().map(f64::to_bits),
        Kind::Char => character(text),
        Kind::Text(_) => {
            let fits = text.len() <= bytes.len() && !text.contains('\0');
            if fits {
                bytes[..text.len()].copy_from_slice(text.as_bytes());
            }
            return fits;
        }
        Kind::Bytes(_) => {
            let value = hex(text).filter(|value| value.len() == bytes.len());
            return value.is_some_and(|value| {
                bytes.copy_from_slice(&value);
                true
            });
        }
        Kind::Fixed(exponent) => {
            let mantissa = Decimal::parse(text).and_then(|decimal| decimal.mantissa_at(*exponent));
            return put_signed(mantissa, bytes);
        }
        Kind::Decimal(_) => return put_decimal(text, bytes),
        Kind::Enum(of) => {
            let named = of
                .values
                .iter()
                .find(|&&(_, label)| label == text)
                .map(|&(raw, _)| raw);
            named.or_else(|| match of.raw {
                Kind::Char => character(text),
                _ => text.parse().ok(),
            })
        }
        Kind::Set(_, of) => text.parse().ok().or_else(|| {
            text.split('|').try_fold(0_u64, |made, label| {
                let choice = of.choices.iter().find(|&&(_, name)| name == label)?;
                Some(made | 1 << choice.0)
            })
        }),
        Kind::Array(of, count) => {
            let values: Vec<&str> = text.split(',').collect();
            let size = bytes.len() / (*count).max(1);
            return values.len() == *count
                && size > 0
                && values
                    .iter()
                    .zip(bytes.chunks_exact_mut(size))
                    .all(|(value, slot)| put(of, value, slot));
        }
    };
    let Some(raw) = raw else { return false };
    let wide = raw.to_le_bytes();
    let (low, high) = wide.split_at(bytes.len().min(8));
    bytes.copy_from_slice(low);
    high.iter().all(|&byte| byte == 0)
}

fn put_signed(number: Option<i64>, bytes: &mut [u8]) -> bool {
    let Some(number) = number else { return false };
    let unused = 64 - 8 * bytes.len().clamp(1, 8);
    if number << unused >> unused != number {
        return false;
    }
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    true
}

/// `471225e-2` or `4712.25`.
fn put_decimal(text: &str, bytes: &mut [u8]) -> bool {
    let number = match text.split_once('e') {
        Some((mantissa, exponent)) => mantissa.parse().ok().zip(exponent.parse().ok()),
        None => Decimal::parse(text).map(|decimal| (decimal.mantissa, decimal.exponent)),
    };
    let (Some((mantissa, exponent)), Some((last, digits))) = (number, bytes.split_last_mut()) else {
        return false;
    };
    let exponent: i8 = exponent;
    *last = exponent.cast_unsigned();
    put_signed(Some(mantissa), digits)
}

fn character(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [byte] => Some(u64::from(*byte)),
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16)
                .ok()
                .filter(|_| pair[0] != b'+')
        })
        .collect()
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Unsigned(size) => format!("a number that fits {size} bytes"),
        Kind::Signed(size) => format!("a number that fits {size} bytes, with or without a sign"),
        Kind::Float(_) => "a number".to_owned(),
        Kind::Char => "one character".to_owned(),
        Kind::Text(size) => format!("a text of at most {size} characters"),
        Kind::Bytes(size) => format!("{size} bytes in hexadecimal"),
        Kind::Fixed(exponent) => format!("a decimal number in units of 1e{exponent}"),
        Kind::Decimal(_) => "a decimal number such as 4712.25 or 471225e-2".to_owned(),
        Kind::Enum(of) => {
            let labels: Vec<&str> = of.values.iter().map(|&(_, label)| label).collect();
            format!("one of {}, or its value", labels.join(", "))
        }
        Kind::Set(_, of) => {
            let labels: Vec<&str> = of.choices.iter().map(|&(_, label)| label).collect();
            format!("of {}, joined by |, or a number", labels.join(", "))
        }
        Kind::Array(of, count) => format!("{count} values joined by commas, each {}", expected(of)),
    }
}

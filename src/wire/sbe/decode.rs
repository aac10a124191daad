//! A message taken apart by its description: for tools and tests, off the core, with allocation.

use std::fmt;

use super::describe::{Body, FieldDescription, Kind, MessageDescription, Schema};
use super::field::Decimal;
use super::frame::Frame;
use super::read::{Block, DecodeError, Parts};

/// A message with the names of what is in it.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Which message.
    pub message: &'static MessageDescription,
    /// The version its sender wrote it in.
    pub version: u16,
    /// Fields, constants, groups and data, in this order.
    pub parts: Vec<Part>,
}

/// A field, constant, group or data of a message or of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name; that of a member of a composite is `Field.member`.
    pub name: &'static str,
    /// Its `id` in the schema: the tag of its FIX counterpart.
    pub tag: u32,
    /// What it holds.
    pub value: Value,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The null value, or the version of the message is without it.
    Null,
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// A floating-point number.
    Float(f64),
    /// Characters, without zeros behind them.
    Text(Vec<u8>),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
    /// A decimal number whose exponent is in the schema.
    Fixed(Decimal),
    /// A decimal number that carries its exponent.
    Decimal(Decimal),
    /// A value of an enumeration.
    Enum {
        /// As in the message.
        raw: u64,
        /// Whether `raw` is a character.
        is_char: bool,
        /// What the schema calls it, if it knows it.
        label: Option<&'static str>,
    },
    /// Choices of a set.
    Set {
        /// As in the message.
        raw: u64,
        /// Those that the schema knows.
        labels: Vec<&'static str>,
    },
    /// Several of the same.
    Array(Vec<Value>),
    /// A constant, which is not in the message.
    Constant(&'static str),
    /// The entries of a group.
    Group(Vec<Vec<Part>>),
    /// Data.
    Data(Vec<u8>),
}

impl Decoded {
    /// What the part of that name holds.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.parts
            .iter()
            .find(|part| part.name == name)
            .map(|part| &part.value)
    }

    /// All that has a value, groups taken apart: `NoLegs[0].LegPrice`. [`build`](super::build) takes the same. Constants
    /// are left out.
    #[must_use]
    pub fn flat(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        flatten("", &self.parts, &mut fields);
        fields
    }
}

fn flatten(before: &str, parts: &[Part], fields: &mut Vec<(String, String)>) {
    for part in parts {
        let name = format!("{before}{}", part.name);
        match &part.value {
            Value::Null | Value::Constant(_) => {}
            Value::Group(entries) => {
                for (nth, entry) in entries.iter().enumerate() {
                    flatten(&format!("{name}[{nth}]."), entry, fields);
                }
            }
            value => fields.push((name, value.to_string())),
        }
    }
}

impl fmt::Display for Decoded {
    /// One line: the name, then what has a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.name)?;
        for (name, value) in self.flat() {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    /// As [`build`](super::build) takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Text(text) => text.escape_ascii().fmt(f),
            Self::Bytes(bytes) | Self::Data(bytes) => {
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Fixed(number) => number.fmt(f),
            // The exponent is part of what was sent.
            Self::Decimal(number) => write!(f, "{}e{}", number.mantissa, number.exponent),
            Self::Enum {
                label: Some(label), ..
            } => f.write_str(label),
            Self::Enum {
                raw, is_char: true, ..
            } => {
                let byte = u8::try_from(*raw).unwrap_or_default();
                write!(f, "{}", byte.escape_ascii())
            }
            Self::Enum { raw, .. } => raw.fmt(f),
            Self::Set { raw, labels } => {
                // Bits without a name are only in the number.
                if labels.len() == raw.count_ones() as usize && *raw != 0 {
                    f.write_str(&labels.join("|"))
                } else {
                    raw.fmt(f)
                }
            }
            Self::Array(values) => {
                for (nth, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if nth == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Constant(text) => f.write_str(text),
            Self::Group(entries) => write!(f, "{} entries", entries.len()),
        }
    }
}

/// Takes a message apart.
///
/// # Errors
///
/// Another schema, an unknown message, and all that its typed view refuses.
pub fn decode(frame: &Frame<'_>, schema: &Schema) -> Result<Decoded, DecodeError> {
    if frame.schema_id() != schema.id {
        return Err(DecodeError::Schema {
            given: frame.schema_id(),
            expected: schema.id,
        });
    }
    let given = frame.template_id();
    let message = schema
        .message(given)
        .ok_or(DecodeError::UnknownTemplate { given })?;
    let block = Block::new(frame.block());
    Ok(Decoded {
        message,
        version: frame.version(),
        parts: body(message.body, block, &mut Parts::of(frame))?,
    })
}

fn body(body: &'static Body, block: Block<'_>, rest: &mut Parts<'_>) -> Result<Vec<Part>, DecodeError> {
    let mut parts = Vec::new();
    for field in body.fields {
        let value = field_value(field, block)?;
        parts.push(Part {
            name: field.name,
            tag: field.tag,
            value,
        });
    }
    parts.extend(body.constants.iter().map(|constant| Part {
        name: constant.name,
        tag: constant.tag,
        value: Value::Constant(constant.text),
    }));
    for group in body.groups {
        let (entry_len, count) = rest.group_header(group.name, group.since, group.count_size)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let block = rest.block(group.name, entry_len)?;
            entries.push(self::body(group.body, block, rest)?);
        }
        parts.push(Part {
            name: group.name,
            tag: group.tag,
            value: Value::Group(entries),
        });
    }
    for data in body.data {
        let bytes = rest.data(data.name, data.since, data.length_size)?;
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            Value::Data(bytes.to_vec())
        };
        parts.push(Part {
            name: data.name,
            tag: data.tag,
            value,
        });
    }
    Ok(parts)
}

fn field_value(field: &'static FieldDescription, block: Block<'_>) -> Result<Value, DecodeError> {
    let Some(bytes) = block.bytes().get(field.offset..field.offset + field.size) else {
        if field.required {
            return Err(DecodeError::Missing {
                field: field.name,
                block_length: u16::try_from(block.bytes().len()).unwrap_or(u16::MAX),
            });
        }
        return Ok(Value::Null);
    };
    if is_null(field, bytes) {
        return Ok(Value::Null);
    }
    Ok(value(&field.kind, bytes))
}

/// As the typed view decides it.
fn is_null(field: &FieldDescription, bytes: &[u8]) -> bool {
    if field.null.is_empty() {
        return false;
    }
    match field.kind {
        Kind::Text(_) => bytes.first() == Some(&0),
        Kind::Float(_) => matches!(value(&field.kind, bytes), Value::Float(number) if number.is_nan()),
        Kind::Decimal(mantissa) => bytes.get(..mantissa) == field.null.get(..mantissa),
        _ => bytes == field.null,
    }
}

fn value(kind: &Kind, bytes: &[u8]) -> Value {
    match *kind {
        Kind::Unsigned(_) => Value::Unsigned(unsigned(bytes)),
        Kind::Signed(_) => Value::Signed(signed(bytes)),
        Kind::Float(4) => Value::Float(f64::from(f32::from_bits(unsigned(bytes) as u32))),
        Kind::Float(_) => Value::Float(f64::from_bits(unsigned(bytes))),
        Kind::Char | Kind::Text(_) => {
            let end = bytes
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(bytes.len());
            Value::Text(bytes.get(..end).unwrap_or_default().to_vec())
        }
        Kind::Bytes(_) => Value::Bytes(bytes.to_vec()),
        Kind::Fixed(exponent) => Value::Fixed(Decimal {
            mantissa: signed(bytes),
            exponent,
        }),
        Kind::Decimal(_) => {
            let (exponent, mantissa) = bytes.split_last().unwrap_or((&0, &[]));
            Value::Decimal(Decimal {
                mantissa: signed(mantissa),
                exponent: exponent.cast_signed(),
            })
        }
        Kind::Enum(of) => {
            let raw = unsigned(bytes);
            Value::Enum {
                raw,
                is_char: matches!(of.raw, Kind::Char),
                label: of.label(raw),
            }
        }
        Kind::Set(_, of) => {
            let raw = unsigned(bytes);
            let made = of.choices.iter().filter(|&&(bit, _)| raw >> bit & 1 == 1);
            Value::Set {
                raw,
                labels: made.map(|&(_, label)| label).collect(),
            }
        }
        Kind::Array(of, count) => {
            let size = (bytes.len() / count.max(1)).max(1);
            Value::Array(bytes.chunks_exact(size).map(|one| value(of, one)).collect())
        }
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(wide)
}

fn signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len().clamp(1, 8);
    (unsigned(bytes) << unused).cast_signed() >> unused
}

//! Messages of iLink 3 in a journal, by the names of their schema.
//!
//! Invariant: no HMACSignature(39005) and no AccessKeyID(39004) leaves, whoever wrote the journal.

use std::fmt;

use pinfix::wire::sbe::{Decoded, ENCODING_TYPE, Frame, Part, Value, decode, ilink3};

/// HMACSignature and AccessKeyID.
const SECRETS: [u32; 2] = [39005, 39004];

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// A frame as the journal has it.
pub enum Shown {
    /// A message, secrets masked.
    Message(Decoded),
    /// A frame that is no message of the schema.
    Unreadable(String),
}

impl Shown {
    /// The message in `frame`; `None` if this is no frame of SBE.
    pub fn read(frame: &[u8]) -> Option<Self> {
        if frame.get(2..4) != Some(&ENCODING_TYPE.to_le_bytes()) {
            return None;
        }
        let decoded = Frame::new(frame)
            .map_err(Into::into)
            .and_then(|frame| decode(&frame, &ilink3::SCHEMA));
        Some(match decoded {
            Ok(mut decoded) => {
                for part in &mut decoded.parts {
                    if is_secret(part.tag) && part.value != Value::Null {
                        part.value = Value::Text(MASK.to_vec());
                    }
                }
                Self::Message(decoded)
            }
            Err(why) => Self::Unreadable(why.to_string()),
        })
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&Decoded> {
        match self {
            Self::Message(decoded) => Some(decoded),
            Self::Unreadable(_) => None,
        }
    }
}

impl fmt::Display for Shown {
    /// The number of the template, its name, and what has a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(decoded) => write!(f, "{} {decoded}", decoded.message.template_id),
            Self::Unreadable(why) => write!(f, "not a message of iLink 3: {why}"),
        }
    }
}

/// Whether a field is never shown, and not looked into.
pub fn is_secret(tag: u32) -> bool {
    SECRETS.contains(&tag)
}

/// Whether a message goes by this name: that of its template, its number, or the MsgType(35) of its FIX
/// counterpart.
pub fn is_called(message: &Decoded, name: &str) -> bool {
    let description = message.message;
    name == description.name
        || name == description.semantic_type
        || name.parse() == Ok(description.template_id)
}

/// The values of the fields with this tag, those in groups as well: as they are shown, and of an
/// enumeration also as they are on the wire.
pub fn values_of(message: &Decoded, tag: u32) -> Vec<String> {
    let mut values = Vec::new();
    gather(&message.parts, tag, &mut values);
    values
}

fn gather(parts: &[Part], tag: u32, values: &mut Vec<String>) {
    for part in parts {
        match &part.value {
            Value::Group(entries) => {
                for entry in entries {
                    gather(entry, tag, values);
                }
            }
            Value::Null => {}
            value if part.tag == tag => {
                values.push(value.to_string());
                if let Value::Enum { raw, is_char, .. } = value {
                    let byte = u8::try_from(*raw).ok().filter(|_| *is_char);
                    values.push(match byte {
                        Some(byte) => byte.escape_ascii().to_string(),
                        None => raw.to_string(),
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate() -> Vec<u8> {
        let mut room = [0; 256];
        let len = ilink3::NegotiateEncoder::new(&mut room, 9)
            .and_then(|mut to| {
                to.hmac_signature(&[0x5A; 32])
                    .access_key_id(b"KEY1")
                    .session(b"ABC")
                    .finish()
            })
            .expect("room");
        room[..len].to_vec()
    }

    #[test]
    fn a_message_has_names_and_no_secrets() {
        let shown = Shown::read(&negotiate()).expect("SBE");
        let line = shown.to_string();
        assert!(line.starts_with("500 Negotiate "), "{line}");
        assert!(
            line.contains("HMACSignature=*** AccessKeyID=*** "),
            "{line}"
        );
        assert!(line.contains(" Session=ABC"), "{line}");
        assert!(!line.contains("KEY1") && !line.contains("5a5a"), "{line}");
        let message = shown.message().expect("a message");
        for name in ["500", "Negotiate"] {
            assert!(is_called(message, name), "{name}");
        }
        assert!(!is_called(message, "D") && !is_called(message, "50"));
    }

    #[test]
    fn what_cannot_be_read_shows_nothing_of_itself() {
        let mut frame = negotiate();
        frame[6] = 0;
        let line = Shown::read(&frame).expect("SBE").to_string();
        assert!(line.starts_with("not a message of iLink 3: "), "{line}");
        assert!(!line.contains("KEY1") && !line.contains("5a5a"), "{line}");
        assert!(Shown::read(b"8=FIX.4.4\x019=5\x01").is_none());
    }

    #[test]
    fn an_enumeration_is_found_by_label_and_by_value() {
        let mut room = [0; 256];
        let len = ilink3::NewOrderSingleEncoder::new(&mut room, 9)
            .and_then(|mut to| {
                to.cl_ord_id(b"A1")
                    .side(ilink3::SideWithUndisclosed::SELL)
                    .ord_type(ilink3::NewOrdType::LIMIT)
                    .finish()
            })
            .expect("room");
        let shown = Shown::read(&room[..len]).expect("SBE");
        let message = shown.message().expect("a message");
        assert_eq!(values_of(message, 54), ["Sell", "2"]);
        assert_eq!(values_of(message, 40), ["Limit", "2"]);
        assert_eq!(values_of(message, 11), ["A1"]);
        assert_eq!(values_of(message, 44), Vec::<String>::new());
        assert!(is_called(message, "D"));
    }
}

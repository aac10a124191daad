//! Frames by field names: built for the peer, and taken apart to be compared. Knows the layout of the
//! messages by itself, so that the library is not compared with itself.

use std::collections::BTreeMap;

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    U8,
    U16,
    U32,
    U64,
    /// Text of so many bytes, padded with zeros.
    Text(usize),
    /// Bytes that are no text.
    Bytes(usize),
}

use Kind::{Bytes, Text, U8, U16, U32, U64};

/// A message: name, template, block bytes in version 9, bytes behind the block, fields.
pub struct Layout {
    pub name: &'static str,
    pub template: u16,
    pub block: usize,
    pub tail: usize,
    pub fields: &'static [(&'static str, usize, Kind)],
}

/// Session messages, and one business message of each kind that the scenarios use.
pub const LAYOUTS: &[Layout] = &[
    Layout {
        name: "Negotiate",
        template: 500,
        block: 76,
        tail: 2,
        fields: &[
            ("HMACSignature", 0, Bytes(32)),
            ("AccessKeyID", 32, Text(20)),
            ("UUID", 52, U64),
            ("RequestTimestamp", 60, U64),
            ("Session", 68, Text(3)),
            ("Firm", 71, Text(5)),
        ],
    },
    Layout {
        name: "NegotiationResponse",
        template: 501,
        block: 33,
        tail: 2,
        fields: &[
            ("UUID", 0, U64),
            ("RequestTimestamp", 8, U64),
            ("SecretKeySecureIDExpiration", 16, U16),
            ("FaultToleranceIndicator", 18, U8),
            ("SplitMsg", 19, U8),
            ("PreviousSeqNo", 20, U32),
            ("PreviousUUID", 24, U64),
            ("EnvironmentIndicator", 32, U8),
        ],
    },
    Layout {
        name: "NegotiationReject",
        template: 502,
        block: 69,
        tail: 0,
        fields: &[
            ("Reason", 0, Text(48)),
            ("UUID", 48, U64),
            ("RequestTimestamp", 56, U64),
            ("ErrorCodes", 64, U16),
            ("FaultToleranceIndicator", 66, U8),
            ("SplitMsg", 67, U8),
            ("EnvironmentIndicator", 68, U8),
        ],
    },
    Layout {
        name: "Establish",
        template: 503,
        block: 132,
        tail: 2,
        fields: &[
            ("HMACSignature", 0, Bytes(32)),
            ("AccessKeyID", 32, Text(20)),
            ("TradingSystemName", 52, Text(30)),
            ("TradingSystemVersion", 82, Text(10)),
            ("TradingSystemVendor", 92, Text(10)),
            ("UUID", 102, U64),
            ("RequestTimestamp", 110, U64),
            ("NextSeqNo", 118, U32),
            ("Session", 122, Text(3)),
            ("Firm", 125, Text(5)),
            ("KeepAliveInterval", 130, U16),
        ],
    },
    Layout {
        name: "EstablishmentAck",
        template: 504,
        block: 39,
        tail: 0,
        fields: &[
            ("UUID", 0, U64),
            ("RequestTimestamp", 8, U64),
            ("NextSeqNo", 16, U32),
            ("PreviousSeqNo", 20, U32),
            ("PreviousUUID", 24, U64),
            ("KeepAliveInterval", 32, U16),
            ("SecretKeySecureIDExpiration", 34, U16),
            ("FaultToleranceIndicator", 36, U8),
            ("SplitMsg", 37, U8),
            ("EnvironmentIndicator", 38, U8),
        ],
    },
    Layout {
        name: "EstablishmentReject",
        template: 505,
        block: 73,
        tail: 0,
        fields: &[
            ("Reason", 0, Text(48)),
            ("UUID", 48, U64),
            ("RequestTimestamp", 56, U64),
            ("NextSeqNo", 64, U32),
            ("ErrorCodes", 68, U16),
            ("FaultToleranceIndicator", 70, U8),
            ("SplitMsg", 71, U8),
            ("EnvironmentIndicator", 72, U8),
        ],
    },
    Layout {
        name: "Sequence",
        template: 506,
        block: 14,
        tail: 0,
        fields: &[
            ("UUID", 0, U64),
            ("NextSeqNo", 8, U32),
            ("FaultToleranceIndicator", 12, U8),
            ("KeepAliveIntervalLapsed", 13, U8),
        ],
    },
    Layout {
        name: "Terminate",
        template: 507,
        block: 67,
        tail: 0,
        fields: &[
            ("Reason", 0, Text(48)),
            ("UUID", 48, U64),
            ("RequestTimestamp", 56, U64),
            ("ErrorCodes", 64, U16),
            ("SplitMsg", 66, U8),
        ],
    },
    Layout {
        name: "RetransmitRequest",
        template: 508,
        block: 30,
        tail: 0,
        fields: &[
            ("UUID", 0, U64),
            ("LastUUID", 8, U64),
            ("RequestTimestamp", 16, U64),
            ("FromSeqNo", 24, U32),
            ("MsgCount", 28, U16),
        ],
    },
    Layout {
        name: "Retransmission",
        template: 509,
        block: 31,
        tail: 0,
        fields: &[
            ("UUID", 0, U64),
            ("LastUUID", 8, U64),
            ("RequestTimestamp", 16, U64),
            ("FromSeqNo", 24, U32),
            ("MsgCount", 28, U16),
            ("SplitMsg", 30, U8),
        ],
    },
    Layout {
        name: "RetransmitReject",
        template: 510,
        block: 75,
        tail: 0,
        fields: &[
            ("Reason", 0, Text(48)),
            ("UUID", 48, U64),
            ("LastUUID", 56, U64),
            ("RequestTimestamp", 64, U64),
            ("ErrorCodes", 72, U16),
            ("SplitMsg", 74, U8),
        ],
    },
    Layout {
        name: "NotApplied",
        template: 513,
        block: 17,
        tail: 0,
        fields: &[
            ("UUID", 0, U64),
            ("FromSeqNo", 8, U32),
            ("MsgCount", 12, U32),
            ("SplitMsg", 16, U8),
        ],
    },
    Layout {
        name: "NewOrderSingle",
        template: 514,
        block: 132,
        tail: 0,
        fields: &[
            ("SeqNum", 17, U32),
            ("SenderID", 21, Text(20)),
            ("ClOrdID", 41, Text(20)),
            ("SendingTimeEpoch", 77, U64),
        ],
    },
    // Behind the block a group, and room for one entry of 34 bytes.
    Layout {
        name: "NewOrderCross",
        template: 544,
        block: 74,
        tail: 3 + 34,
        fields: &[
            ("SeqNum", 17, U32),
            ("SendingTimeEpoch", 57, U64),
            ("NoSidesLength", 74, U16),
            ("NoSides", 76, U8),
        ],
    },
    Layout {
        name: "ExecutionReportNew",
        template: 522,
        block: 226,
        tail: 0,
        fields: &[
            ("SeqNum", 0, U32),
            ("UUID", 4, U64),
            ("ExecID", 12, Text(40)),
            ("SendingTimeEpoch", 132, U64),
            ("PossRetransFlag", 193, U8),
            ("SplitMsg", 194, U8),
        ],
    },
    Layout {
        name: "BusinessReject",
        template: 521,
        block: 330,
        tail: 0,
        fields: &[
            ("SeqNum", 0, U32),
            ("UUID", 4, U64),
            ("Text", 12, Text(256)),
            ("SendingTimeEpoch", 296, U64),
            ("RefSeqNum", 317, U32),
            ("BusinessRejectReason", 323, U16),
            ("RefMsgType", 325, Text(2)),
            ("PossRetransFlag", 327, U8),
            ("SplitMsg", 329, U8),
        ],
    },
];

/// Bytes before the root block.
const HEAD: usize = 12;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

/// Fields by name.
pub type Fields = BTreeMap<String, Value>;

pub fn layout(name: &str) -> Result<&'static Layout, String> {
    let found = LAYOUTS.iter().find(|layout| layout.name == name);
    found.ok_or_else(|| format!("no message is called {name}"))
}

impl Layout {
    /// Block bytes in a version: what later ones have added is left out.
    fn block_in(&self, version: u16) -> usize {
        let added = matches!(self.template, 501 | 502 | 504 | 505) && version < 9;
        self.block - usize::from(added)
    }

    pub fn field(&self, name: &str) -> Result<(usize, Kind), String> {
        let found = self.fields.iter().find(|field| field.0 == name);
        let found = found.ok_or_else(|| format!("{} has no {name}", self.name))?;
        Ok((found.1, found.2))
    }

    /// A frame of these fields; the rest is zero.
    pub fn build(&self, fields: &Fields, version: u16) -> Result<Vec<u8>, String> {
        let block = self.block_in(version);
        let mut frame = vec![0; HEAD + block + self.tail];
        let head = [
            frame.len() as u16,
            0xCAFE,
            block as u16,
            self.template,
            8,
            version,
        ];
        for (place, value) in head.iter().enumerate() {
            frame[2 * place..2 * place + 2].copy_from_slice(&value.to_le_bytes());
        }
        for (name, value) in fields {
            let (at, kind) = self.field(name)?;
            let bytes = kind
                .bytes(value)
                .ok_or_else(|| format!("{name}: {value:?} does not fit"))?;
            // A field that a version is without is left out; one behind the block is of a group.
            if at + bytes.len() <= block || at >= self.block {
                let at = if at >= self.block {
                    at - self.block + block
                } else {
                    at
                };
                frame[HEAD + at..HEAD + at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        Ok(frame)
    }
}

impl Kind {
    fn bytes(self, value: &Value) -> Option<Vec<u8>> {
        let len = match self {
            U8 => 1,
            U16 => 2,
            U32 => 4,
            U64 => 8,
            Text(len) | Bytes(len) => len,
        };
        Some(match (self, value) {
            (U8 | U16 | U32 | U64, Value::Number(number)) => {
                let bytes = number.to_le_bytes();
                bytes[len..].iter().all(|byte| *byte == 0).then_some(())?;
                bytes[..len].to_vec()
            }
            (U8 | U16 | U32 | U64, Value::Null) => vec![0xFF; len],
            (Text(_), Value::Text(text)) if text.len() <= len => {
                let mut bytes = text.clone().into_bytes();
                bytes.resize(len, 0);
                bytes
            }
            (Text(_), Value::Number(number)) => return self.bytes(&Value::Text(number.to_string())),
            (Bytes(_), Value::Bytes(bytes)) if bytes.len() == len => bytes.clone(),
            (Text(_) | Bytes(_), Value::Null) => vec![0; len],
            _ => return None,
        })
    }
}

/// Takes a frame apart.
pub fn read(frame: &[u8]) -> Result<(&'static Layout, Fields), String> {
    let number = |at: usize| u16::from_le_bytes([frame[at], frame[at + 1]]);
    if frame.len() < HEAD || usize::from(number(0)) != frame.len() || number(2) != 0xCAFE {
        return Err(format!("not a frame: {frame:02x?}"));
    }
    let template = number(6);
    let layout = LAYOUTS.iter().find(|layout| layout.template == template);
    let layout = layout.ok_or_else(|| format!("template {template} is unknown"))?;
    let (block, version) = (usize::from(number(4)), number(10));
    if block != layout.block_in(version) || frame.len() != HEAD + block + layout.tail || number(8) != 8
    {
        return Err(format!(
            "{}: block of {block} in version {version}",
            layout.name
        ));
    }
    let mut fields = Fields::new();
    for (name, at, kind) in layout.fields {
        let Some(bytes) = frame.get(HEAD + at..HEAD + at + kind.len()) else {
            continue;
        };
        if at + kind.len() <= block || *at >= layout.block {
            fields.insert((*name).to_owned(), kind.value(bytes));
        }
    }
    Ok((layout, fields))
}

impl Kind {
    fn len(self) -> usize {
        match self {
            U8 => 1,
            U16 => 2,
            U32 => 4,
            U64 => 8,
            Text(len) | Bytes(len) => len,
        }
    }

    fn value(self, bytes: &[u8]) -> Value {
        match self {
            Bytes(_) => Value::Bytes(bytes.to_vec()),
            Text(_) => {
                let text = String::from_utf8_lossy(bytes);
                Value::Text(text.trim_end_matches('\0').to_owned())
            }
            _ if bytes.iter().all(|byte| *byte == 0xFF) => Value::Null,
            _ => {
                let mut number = [0; 8];
                number[..bytes.len()].copy_from_slice(bytes);
                Value::Number(u64::from_le_bytes(number))
            }
        }
    }
}

/// A frame as a line of a scenario.
pub fn describe(frame: &[u8]) -> String {
    match read(frame) {
        Err(why) => why,
        Ok((layout, fields)) => {
            let mut line = layout.name.to_owned();
            for (name, _, _) in layout.fields {
                match fields.get(*name) {
                    Some(Value::Number(number)) => line += &format!(" {name}={number}"),
                    Some(Value::Text(text)) if !text.is_empty() => line += &format!(" {name}={text:?}"),
                    _ => {}
                }
            }
            line
        }
    }
}

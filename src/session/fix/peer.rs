//! What the peer said of itself in its Logon(A), and which application version its messages have.

use std::fmt;

use super::rules::Rules;
use crate::dict::ApplDialect;
use crate::session::Fault;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{ApplVersion, Message};

/// What the peer said of itself when it last logged on.
#[derive(Clone, Debug)]
pub struct Peer {
    /// HeartBtInt(108) that is in force, in seconds.
    pub heartbeat_s: u32,
    /// The version its application messages have by default: DefaultApplVerID(1137), or that of the
    /// session.
    pub appl_version: ApplVersion,
    /// DefaultCstmApplVerID(1408), where DefaultApplVerID(1137) is.
    pub cstm_appl_ver_id: Option<Code>,
    /// DefaultApplExtID(1407), likewise.
    pub appl_ext_id: Option<u32>,
    /// MaxMessageSize(383): the longest message it takes, in bytes.
    pub max_message_bytes: Option<u64>,
    /// TestMessageIndicator(464)=Y.
    pub is_test: bool,
    /// NoMsgTypes(384), in the order received.
    pub msg_types: Vec<MsgTypeSupport>,
}

impl Peer {
    /// A peer that has said nothing yet. The room for its message types is made here, once.
    pub(super) fn new(rules: &Rules) -> Self {
        let room = if rules.logon_capabilities {
            MsgTypeSupport::MAX
        } else {
            0
        };
        Self {
            heartbeat_s: 0,
            appl_version: rules.appl_version,
            cstm_appl_ver_id: None,
            appl_ext_id: None,
            max_message_bytes: None,
            is_test: false,
            msg_types: Vec::with_capacity(room),
        }
    }

    /// The version of an application message of the peer, strongest first: its own ApplVerID(1128),
    /// what the Logon says of its type, the default of the Logon.
    pub(super) fn version_of(
        &self,
        appl_ver_id: Option<&[u8]>,
        msg_type: &[u8],
    ) -> Result<ApplVersion, Fault> {
        if let Some(value) = appl_ver_id {
            return ApplVersion::from_appl_ver_id(value).ok_or(Fault::ApplVerId);
        }
        Ok(self
            .said_of(msg_type)
            .and_then(|entry| entry.appl_version)
            .unwrap_or(self.appl_version))
    }

    /// The dialect of an application message whose version is known. CstmApplVerID(1129) and
    /// ApplExtID(1156) of the message come first; what the Logon says of them goes with the version
    /// that it says, so it does not hold for a message that has a version of its own.
    pub(super) fn dialect_of<'a>(
        &'a self,
        message: &Message<'a>,
        version: ApplVersion,
    ) -> ApplDialect<'a> {
        let said = match message.get(tag::APPL_VER_ID) {
            Some(_) => ApplDialect::from(version),
            None => match self.said_of(message.msg_type()) {
                Some(entry) => ApplDialect {
                    version,
                    custom: entry.cstm_appl_ver_id.as_ref().map(Code::as_bytes),
                    extension: entry.appl_ext_id,
                },
                None => ApplDialect {
                    version,
                    custom: self.cstm_appl_ver_id.as_ref().map(Code::as_bytes),
                    extension: self.appl_ext_id,
                },
            },
        };
        let extension = message.uint(tag::APPL_EXT_ID).ok();
        ApplDialect {
            custom: message.get(tag::CSTM_APPL_VER_ID).or(said.custom),
            extension: extension
                .and_then(|number| u32::try_from(number).ok())
                .or(said.extension),
            ..said
        }
    }

    /// What the Logon says of messages of this type that say nothing of their version themselves.
    fn said_of(&self, msg_type: &[u8]) -> Option<&MsgTypeSupport> {
        self.msg_types.iter().find(|entry| {
            entry.is_default
                && entry.direction != Some(MsgDirection::Receive)
                && entry.msg_type.as_bytes() == msg_type
        })
    }
}

/// One entry of NoMsgTypes(384): a message type that the sender of a Logon supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsgTypeSupport {
    /// RefMsgType(372).
    pub msg_type: Code,
    /// MsgDirection(385), seen from the sender of the Logon.
    pub direction: Option<MsgDirection>,
    /// RefApplVerID(1130). `None` also for a version without a dictionary.
    pub appl_version: Option<ApplVersion>,
    /// RefCstmApplVerID(1131).
    pub cstm_appl_ver_id: Option<Code>,
    /// RefApplExtID(1406).
    pub appl_ext_id: Option<u32>,
    /// DefaultVerIndicator(1410)=Y: messages of this type have the version above unless they say
    /// otherwise.
    pub is_default: bool,
}

/// MsgDirection(385).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsgDirection {
    /// `S`: the sender of the Logon sends this type.
    Send,
    /// `R`: the sender of the Logon receives this type.
    Receive,
}

impl MsgTypeSupport {
    /// How many entries a Logon may have.
    pub const MAX: usize = 256;

    /// Support for a type in one direction, nothing said about versions. `None` if the type is longer
    /// than a [`Code`] or cannot stand in a field.
    #[must_use]
    pub fn new(msg_type: &str, direction: MsgDirection) -> Option<Self> {
        Some(Self {
            direction: Some(direction),
            ..Self::of_type(Code::new(msg_type.as_bytes())?)
        })
    }

    fn of_type(msg_type: Code) -> Self {
        Self {
            msg_type,
            direction: None,
            appl_version: None,
            cstm_appl_ver_id: None,
            appl_ext_id: None,
            is_default: false,
        }
    }

    /// Reads the group of a Logon into `to`.
    ///
    /// # Errors
    /// The tag that is wrong: a count that is not that of the entries, a value that cannot be read.
    pub(super) fn read(logon: &Message<'_>, to: &mut Vec<Self>) -> Result<(), Tag> {
        to.clear();
        let mut fields = logon
            .fields()
            .skip_while(|(tag, _)| *tag != tag::NO_MSG_TYPES);
        let Some((_, count)) = fields.next() else {
            return Ok(());
        };
        for (tag, value) in fields {
            if tag == tag::REF_MSG_TYPE {
                if to.len() == to.capacity().min(Self::MAX) {
                    return Err(tag::NO_MSG_TYPES);
                }
                to.push(Self::of_type(Code::new(value).ok_or(tag)?));
                continue;
            }
            // A member in front of the first entry is one too, and shows in the count.
            let Some(entry) = to.last_mut() else { break };
            match tag {
                tag::MSG_DIRECTION => {
                    entry.direction = Some(match value {
                        b"S" => MsgDirection::Send,
                        b"R" => MsgDirection::Receive,
                        _ => return Err(tag),
                    });
                }
                tag::REF_APPL_VER_ID => entry.appl_version = ApplVersion::from_appl_ver_id(value),
                tag::REF_CSTM_APPL_VER_ID => {
                    entry.cstm_appl_ver_id = Some(Code::new(value).ok_or(tag)?);
                }
                tag::REF_APPL_EXT_ID => {
                    let number = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    entry.appl_ext_id = Some(number.ok_or(tag)?);
                }
                tag::DEFAULT_VER_INDICATOR => match value {
                    b"Y" => entry.is_default = true,
                    b"N" => entry.is_default = false,
                    _ => return Err(tag),
                },
                _ => break,
            }
        }
        let entries = to.len().to_string();
        let count = count
            .iter()
            .position(|digit| *digit != b'0')
            .map_or(b"0".as_slice(), |at| &count[at..]);
        if count == entries.as_bytes() {
            Ok(())
        } else {
            Err(tag::NO_MSG_TYPES)
        }
    }
}

/// A short code such as a MsgType(35), held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    len: u8,
    bytes: [u8; Code::MAX],
}

impl Code {
    /// The longest, in bytes.
    pub const MAX: usize = 15;

    /// Takes 1 to 15 printable ASCII characters.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len());
        if !fits || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self {
            len: text.len() as u8,
            bytes,
        })
    }

    /// The code.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

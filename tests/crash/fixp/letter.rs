//! Frames of iLink 3 as the counterparties write and read them, by the offsets of the schema, and the
//! connection they go over. Shares no code with the library.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(super) const NEGOTIATE: u16 = 500;
pub(super) const NEGOTIATION_RESPONSE: u16 = 501;
pub(super) const ESTABLISH: u16 = 503;
pub(super) const ESTABLISHMENT_ACK: u16 = 504;
pub(super) const SEQUENCE: u16 = 506;
pub(super) const TERMINATE: u16 = 507;
pub(super) const RETRANSMIT_REQUEST: u16 = 508;
pub(super) const RETRANSMISSION: u16 = 509;
pub(super) const RETRANSMIT_REJECT: u16 = 510;
pub(super) const NOT_APPLIED: u16 = 513;
pub(super) const ORDER: u16 = 514;
pub(super) const REPORT: u16 = 522;

/// UUID of "the bound one".
pub(super) const NULL_UUID: u64 = u64::MAX;

/// What both sides sign with: the secret of the child, decoded.
const SECRET: [u8; 32] = {
    let mut secret = [0; 32];
    let mut at = 0;
    while at < 32 {
        secret[at] = at as u8;
        at += 1;
    }
    secret
};

/// Bytes before the root block: framing header and SBE header.
const HEAD: usize = 12;

/// Block bytes of version 9 and bytes behind the block.
fn size(template: u16) -> (usize, usize) {
    match template {
        NEGOTIATE => (76, 2),
        NEGOTIATION_RESPONSE => (33, 2),
        ESTABLISH => (132, 2),
        ESTABLISHMENT_ACK => (39, 0),
        SEQUENCE => (14, 0),
        TERMINATE => (67, 0),
        RETRANSMIT_REQUEST => (30, 0),
        RETRANSMISSION => (31, 0),
        RETRANSMIT_REJECT => (75, 0),
        NOT_APPLIED => (17, 0),
        ORDER => (132, 0),
        REPORT => (226, 0),
        other => panic!("no size of template {other}"),
    }
}

/// A frame, written or read at offsets of its root block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter(pub(super) Vec<u8>);

impl Letter {
    pub(super) fn new(template: u16) -> Self {
        let (block, tail) = size(template);
        let mut frame = vec![0; HEAD + block + tail];
        let head = [frame.len() as u16, 0xCAFE, block as u16, template, 8, 9];
        for (place, word) in frame.chunks_exact_mut(2).zip(head) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self(frame)
    }

    pub(super) fn template(&self) -> u16 {
        u16::from_le_bytes([self.0[6], self.0[7]])
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[HEAD + at..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn u8(self, at: usize, value: u8) -> Self {
        self.put(at, &[value])
    }

    pub(super) fn u16(self, at: usize, value: u16) -> Self {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn u32(self, at: usize, value: u64) -> Self {
        self.put(at, &u32::try_from(value).unwrap().to_le_bytes())
    }

    pub(super) fn u64(self, at: usize, value: u64) -> Self {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn text(self, at: usize, text: &str) -> Self {
        self.put(at, text.as_bytes())
    }

    /// HMACSignature over these parts.
    pub(super) fn signed(self, parts: &[&str]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
        mac.update(parts.join("\n").as_bytes());
        let signature = mac.finalize().into_bytes();
        self.put(0, &signature)
    }

    fn get<const LEN: usize>(&self, at: usize) -> [u8; LEN] {
        self.0[HEAD + at..][..LEN].try_into().unwrap()
    }

    pub(super) fn get_u8(&self, at: usize) -> u8 {
        self.get::<1>(at)[0]
    }

    pub(super) fn get_u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    pub(super) fn get_u32(&self, at: usize) -> u64 {
        u32::from_le_bytes(self.get(at)).into()
    }

    pub(super) fn get_u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }

    pub(super) fn get_text(&self, at: usize, len: usize) -> String {
        let bytes = &self.0[HEAD + at..][..len];
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(len);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

/// Sequence(506).
pub(super) fn sequence(uuid: u64, next: u64) -> Letter {
    Letter::new(SEQUENCE).u64(0, uuid).u32(8, next).u8(12, 1)
}

/// Terminate(507).
pub(super) fn terminate(uuid: u64, stamp: u64, code: u16) -> Letter {
    let letter = Letter::new(TERMINATE).u64(48, uuid).u64(56, stamp);
    letter.u16(64, code).u8(66, 255)
}

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    pub(super) closed: bool,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Result<Self, String> {
        stream
            .set_nonblocking(true)
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            closed: false,
        })
    }

    pub(super) fn send(&mut self, letter: &Letter) {
        self.output.extend_from_slice(&letter.0);
    }

    /// Whether more may be sent before something is read.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < 4096
    }

    pub(super) fn flush(&mut self) {
        while !self.output.is_empty() && !self.closed {
            match self.stream.write(&self.output) {
                Ok(len) => drop(self.output.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A killed process; what it had sent can still be read.
                Err(_) => self.output.clear(),
            }
        }
    }

    /// The frames that have arrived.
    pub(super) fn receive(&mut self) -> Result<Vec<Letter>, String> {
        let mut room = [0; 16 * 1024];
        while !self.closed {
            match self.stream.read(&mut room) {
                Ok(0) => self.closed = true,
                Ok(len) => self.input.extend_from_slice(&room[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A killed process with unread bytes resets the connection.
                Err(_) => self.closed = true,
            }
        }
        let mut letters = Vec::new();
        let mut at = 0;
        while let Some(head) = self.input.get(at..at + HEAD) {
            let word = |place: usize| u16::from_le_bytes([head[place], head[place + 1]]);
            let len = usize::from(word(0));
            if word(2) != 0xCAFE || len < HEAD {
                return Err(format!("no frame begins with {head:02x?}"));
            }
            let Some(frame) = self.input.get(at..at + len) else {
                break;
            };
            let letter = Letter(frame.to_vec());
            let (block, tail) = size(letter.template());
            if len != HEAD + block + tail || usize::from(word(4)) != block {
                let template = letter.template();
                return Err(format!("template {template} of {len} bytes"));
            }
            letters.push(letter);
            at += len;
        }
        self.input.drain(..at);
        Ok(letters)
    }
}

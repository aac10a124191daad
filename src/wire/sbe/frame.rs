//! Cutting one SBE message from the front of a receive buffer, and the view of what every message begins with.
//!
//! ```text
//!   0            2               4             6            8          10        12
//!   MessageSize  EncodingType    blockLength   templateId   schemaId   version   block, groups, data
//!   u16, whole   u16             u16           u16          u16        u16
//!   `---- Simple Open Framing Header ----'     `-------- SBE message header -----'
//! ```
//!
//! All little-endian, the framing header too: so CME iLink 3 lays it out, and B3 with another EncodingType. [`cut`]
//! looks at the framing header only and what it decides depends on the bytes alone, never on how the network split
//! them. There is no way back into a stream whose framing is broken: nothing marks the start of a message.

use std::fmt;

/// Bytes of the framing header and the SBE header. No message is shorter.
pub const HEADERS_LEN: usize = 12;

/// Bytes of the framing header: MessageSize and EncodingType.
pub const FRAMING_LEN: usize = 4;

/// EncodingType of SBE 1.0 little-endian as CME uses it; on the wire `FE CA`.
pub const ENCODING_TYPE: u16 = 0xCAFE;

/// What is at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The beginning of a message. Nothing to do before more bytes arrive.
    Incomplete {
        /// Total bytes the buffer must hold before another call can give a different answer. Always more than it
        /// holds now, never more than the limit (or 4, if that is less).
        needed: usize,
    },
    /// A whole message.
    Frame {
        /// The message is the first `len` bytes, both headers included. At least 12, at most the limit.
        len: usize,
    },
    /// No message begins here, and none can be found behind it. The connection is of no more use.
    Broken(Broken),
}

/// Why a stream cannot be read on. iLink 3 answers it with Terminate, error code 18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// EncodingType is not the one expected.
    EncodingType {
        /// As given.
        given: u16,
        /// As it should be.
        expected: u16,
    },
    /// MessageSize is less than the two headers take.
    TooShort {
        /// MessageSize as given, in bytes.
        declared: usize,
    },
    /// MessageSize is more than the limit.
    TooLong {
        /// MessageSize as given, in bytes.
        declared: usize,
        /// The longest message accepted, in bytes.
        limit: usize,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EncodingType { given, expected } => {
                write!(f, "EncodingType is {given:#06x}, should be {expected:#06x}")
            }
            Self::TooShort { declared } => {
                write!(
                    f,
                    "MessageSize is {declared}, less than the {HEADERS_LEN} bytes of the headers"
                )
            }
            Self::TooLong { declared, limit } => {
                write!(
                    f,
                    "MessageSize is {declared}, more than the longest message accepted, {limit}"
                )
            }
        }
    }
}

impl std::error::Error for Broken {}

/// Looks for one message at the start of `buf`, with the EncodingType of CME.
///
/// `limit` is the longest whole message accepted, in bytes; the caller's buffer must be able to hold that much. A
/// wrong EncodingType or MessageSize is reported as soon as its bytes are there.
#[inline]
#[must_use]
pub fn cut(buf: &[u8], limit: usize) -> Cut {
    cut_as(buf, limit, ENCODING_TYPE)
}

/// [`cut`] for a venue with an EncodingType of its own, such as `0xEB50`.
#[inline]
#[must_use]
pub fn cut_as(buf: &[u8], limit: usize, expected: u16) -> Cut {
    let Some(size) = u16_at(buf, 0) else {
        return Cut::Incomplete {
            needed: FRAMING_LEN,
        };
    };
    let declared = usize::from(size);
    if declared < HEADERS_LEN {
        return Cut::Broken(Broken::TooShort { declared });
    }
    if declared > limit {
        return Cut::Broken(Broken::TooLong { declared, limit });
    }
    let Some(given) = u16_at(buf, 2) else {
        return Cut::Incomplete {
            needed: FRAMING_LEN,
        };
    };
    if given != expected {
        return Cut::Broken(Broken::EncodingType { given, expected });
    }
    if buf.len() < declared {
        return Cut::Incomplete { needed: declared };
    }
    Cut::Frame { len: declared }
}

/// One whole message: its headers checked against its length, its content not looked at yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The message that `bytes` are, exactly as [`cut`] found it.
    ///
    /// # Errors
    ///
    /// Fewer bytes than the headers take, or than the block length names, and a MessageSize that is not the number
    /// of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (Some(size), Some(block)) = (u16_at(bytes, 0), u16_at(bytes, 4)) else {
            return Err(FrameError::Short { len: bytes.len() });
        };
        if bytes.len() < HEADERS_LEN {
            return Err(FrameError::Short { len: bytes.len() });
        }
        if usize::from(size) != bytes.len() {
            return Err(FrameError::Size {
                declared: size,
                len: bytes.len(),
            });
        }
        if HEADERS_LEN + usize::from(block) > bytes.len() {
            return Err(FrameError::Block {
                block_length: block,
                len: bytes.len(),
            });
        }
        Ok(Self { bytes })
    }

    /// The whole message, framing header included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Which message it is: `templateId` of the SBE header.
    #[inline]
    #[must_use]
    pub fn template_id(&self) -> u16 {
        self.header(6)
    }

    /// Of which schema: `schemaId` of the SBE header; 8 for iLink 3.
    #[inline]
    #[must_use]
    pub fn schema_id(&self) -> u16 {
        self.header(8)
    }

    /// In which version of the schema its sender wrote it.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u16 {
        self.header(10)
    }

    /// Bytes of the root block, without groups and data.
    #[inline]
    #[must_use]
    pub fn block_length(&self) -> u16 {
        self.header(4)
    }

    /// The root block.
    #[inline]
    #[must_use]
    pub fn block(&self) -> &'a [u8] {
        let end = HEADERS_LEN + usize::from(self.block_length());
        self.bytes.get(HEADERS_LEN..end).unwrap_or_default()
    }

    /// What follows the root block: groups, then data.
    #[inline]
    #[must_use]
    pub fn after_block(&self) -> &'a [u8] {
        let end = HEADERS_LEN + usize::from(self.block_length());
        self.bytes.get(end..).unwrap_or_default()
    }

    #[inline]
    fn header(&self, at: usize) -> u16 {
        u16_at(self.bytes, at).unwrap_or_default()
    }
}

impl fmt::Debug for Frame<'_> {
    /// The headers only: a logon carries a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("template_id", &self.template_id())
            .field("schema_id", &self.schema_id())
            .field("version", &self.version())
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Why bytes are no [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the headers take.
    Short {
        /// Bytes there are.
        len: usize,
    },
    /// MessageSize is not the number of bytes.
    Size {
        /// MessageSize as given.
        declared: u16,
        /// Bytes there are.
        len: usize,
    },
    /// The root block ends behind the message.
    Block {
        /// blockLength as given.
        block_length: u16,
        /// Bytes there are, headers included.
        len: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { len } => write!(f, "{len} bytes, less than the {HEADERS_LEN} of the headers"),
            Self::Size { declared, len } => {
                write!(f, "MessageSize is {declared}, but there are {len} bytes")
            }
            Self::Block { block_length, len } => write!(
                f,
                "blockLength is {block_length}, but only {} bytes follow the headers",
                len.saturating_sub(HEADERS_LEN)
            ),
        }
    }
}

impl std::error::Error for FrameError {}

#[inline]
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|two| u16::from_le_bytes(*two))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1420;

    fn message(len: u16, template_id: u16) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(len)];
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        bytes[2..4].copy_from_slice(&[0xFE, 0xCA]);
        bytes[6..8].copy_from_slice(&template_id.to_le_bytes());
        bytes
    }

    /// Messages of a stream that arrives in pieces of `step` bytes, and what stopped it.
    fn drain(stream: &[u8], step: usize, limit: usize) -> (Vec<Vec<u8>>, Result<usize, Broken>) {
        let (mut seen, mut buf) = (Vec::new(), Vec::new());
        for piece in stream.chunks(step.max(1)) {
            buf.extend_from_slice(piece);
            loop {
                match cut(&buf, limit) {
                    Cut::Incomplete { needed } => {
                        assert!(needed > buf.len() && needed <= limit.max(FRAMING_LEN));
                        break;
                    }
                    Cut::Frame { len } => {
                        assert!((HEADERS_LEN..=limit).contains(&len));
                        seen.push(buf.drain(..len).collect());
                    }
                    Cut::Broken(why) => return (seen, Err(why)),
                }
            }
        }
        (seen, Ok(buf.len()))
    }

    #[test]
    fn several_messages_in_one_piece_and_one_in_several() {
        let whole = [message(26, 506), message(144, 514), message(12, 1)];
        let stream = whole.concat();
        for step in 1..=stream.len() {
            assert_eq!(drain(&stream, step, MAX), (whole.to_vec(), Ok(0)), "{step}");
        }
        for end in 0..26 {
            assert!(
                matches!(cut(&stream[..end], MAX), Cut::Incomplete { .. }),
                "{end}"
            );
        }
    }

    #[test]
    fn each_way_to_be_broken_is_told() {
        let mut wrong = message(26, 506);
        wrong[2..4].copy_from_slice(&[0x50, 0xEB]);
        let why = Broken::EncodingType {
            given: 0xEB50,
            expected: 0xCAFE,
        };
        assert_eq!(cut(&wrong, MAX), Cut::Broken(why));
        assert_eq!(why.to_string(), "EncodingType is 0xeb50, should be 0xcafe");
        assert_eq!(cut_as(&wrong, MAX, 0xEB50), Cut::Frame { len: 26 });
        // Known from the two bytes that say it.
        assert_eq!(
            cut(&[11, 0], MAX),
            Cut::Broken(Broken::TooShort { declared: 11 })
        );
        let declared = 1421;
        assert_eq!(
            cut(&1421_u16.to_le_bytes(), MAX),
            Cut::Broken(Broken::TooLong {
                declared,
                limit: MAX
            })
        );
        assert_eq!(cut(&message(1420, 1), MAX), Cut::Frame { len: 1420 });
    }

    #[test]
    fn a_frame_has_the_length_its_headers_say() {
        let mut bytes = message(26, 506);
        bytes[4..6].copy_from_slice(&14_u16.to_le_bytes());
        let frame = Frame::new(&bytes).unwrap();
        assert_eq!((frame.template_id(), frame.block().len()), (506, 14));
        assert!(frame.after_block().is_empty());
        bytes[4] = 15;
        let why = Frame::new(&bytes).unwrap_err();
        assert_eq!(
            why.to_string(),
            "blockLength is 15, but only 14 bytes follow the headers"
        );
        assert_eq!(Frame::new(&bytes[..11]), Err(FrameError::Short { len: 11 }));
        let declared = 26;
        assert_eq!(
            Frame::new(&bytes[..25]),
            Err(FrameError::Size { declared, len: 25 })
        );
    }

    proptest! {
        #[test]
        fn how_the_stream_is_split_changes_nothing(
            lens in proptest::collection::vec(12_u16..200, 0..6),
            noise in proptest::collection::vec(any::<u8>(), 0..30),
            step in 1_usize..64,
        ) {
            let mut stream: Vec<u8> = lens.iter().flat_map(|&len| message(len, len)).collect();
            stream.extend(noise);
            prop_assert_eq!(drain(&stream, step, 150), drain(&stream, stream.len(), 150));
        }
    }
}

//! Writing a message into room that the caller has: the headers, a block of null values, then what is set.
//!
//! Invariant of a [`Writer`]: `end` never exceeds the room, and what lies before it is a message with fewer parts.
//! The first thing that goes wrong is kept and told by `finish`; a message with a fault is never given out.

use std::fmt;

use super::describe::{Body, GroupDescription, MessageDescription};
use super::field::{Field, Scalar};
use super::frame::HEADERS_LEN;

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// There is not enough room.
    Room {
        /// Bytes needed so far.
        needed: usize,
        /// Bytes there are.
        room: usize,
    },
    /// The message does not exist in that version of the schema.
    Version {
        /// The message.
        message: &'static str,
        /// As asked for.
        given: u16,
        /// The first version that has it.
        since: u16,
        /// The newest version known.
        newest: u16,
    },
    /// A value does not fit its field: a text too long or with a zero byte, a number out of range.
    Value {
        /// The field.
        field: &'static str,
        /// Bytes the field has.
        size: usize,
    },
    /// More entries, or more bytes of data, than the header of the part can count.
    Count {
        /// The group or data.
        part: &'static str,
        /// How many.
        given: usize,
    },
    /// A group or data was written after one that comes behind it in the schema, or twice.
    Order {
        /// The group or data.
        part: &'static str,
    },
    /// The message is longer than MessageSize can say.
    TooLong {
        /// Bytes of the whole message.
        len: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Room { needed, room } => {
                write!(f, "the message needs {needed} bytes, there are {room}")
            }
            Self::Version {
                message,
                given,
                since,
                newest,
            } => write!(
                f,
                "{message} cannot be written in version {given}, only in {since} to {newest}"
            ),
            Self::Value { field, size } => {
                write!(f, "the value does not fit the {size} bytes of {field}")
            }
            Self::Count { part, given } => {
                write!(f, "{given} is more than the header of {part} can count")
            }
            Self::Order { part } => write!(f, "{part} was written twice or after what comes behind it"),
            Self::TooLong { len } => write!(
                f,
                "the message has {len} bytes, MessageSize says at most 65535"
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A message, or an entry of a group, that is being written. Encoders made by [`message!`](super::message) and
/// [`group!`](super::group) wrap it.
pub struct Writer<'a> {
    room: &'a mut [u8],
    body: &'static Body,
    version: u16,
    /// Where the block begins and ends.
    block: usize,
    block_end: usize,
    /// Behind the last part written.
    end: usize,
    /// Groups, then data, written so far.
    parts: usize,
    fault: Option<EncodeError>,
}

impl<'a> Writer<'a> {
    /// Starts a message at the front of `room`, with null in its optional fields and zeros in the others.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Room`] and [`EncodeError::Version`].
    #[inline]
    pub fn message(
        room: &'a mut [u8],
        message: &'static MessageDescription,
        version: u16,
    ) -> Result<Self, EncodeError> {
        if version < message.since || version > message.version {
            return Err(EncodeError::Version {
                message: message.name,
                given: version,
                since: message.since,
                newest: message.version,
            });
        }
        let block_length = if version == message.version {
            message.body.block_length
        } else {
            message.body.block_length_in(version)
        };
        let needed = HEADERS_LEN + usize::from(block_length);
        let Some((headers, _)) = room.split_first_chunk_mut::<HEADERS_LEN>() else {
            return Err(EncodeError::Room {
                needed,
                room: room.len(),
            });
        };
        // MessageSize is known at the end.
        headers[2..4].copy_from_slice(&message.encoding_type.to_le_bytes());
        headers[4..6].copy_from_slice(&block_length.to_le_bytes());
        headers[6..8].copy_from_slice(&message.template_id.to_le_bytes());
        headers[8..10].copy_from_slice(&message.schema_id.to_le_bytes());
        headers[10..12].copy_from_slice(&version.to_le_bytes());
        let mut writer = Self {
            room,
            body: message.body,
            version,
            block: HEADERS_LEN,
            block_end: HEADERS_LEN,
            end: HEADERS_LEN,
            parts: 0,
            fault: None,
        };
        writer.block(block_length);
        match writer.fault {
            Some(why) => Err(why),
            None => Ok(writer),
        }
    }

    /// Puts a block of null values at the end.
    #[inline]
    fn block(&mut self, block_length: u16) {
        let len = usize::from(block_length);
        let Some(image) = self.body.image.get(..len) else {
            return;
        };
        self.block = self.end;
        if let Some(bytes) = self.grow(len) {
            bytes.copy_from_slice(image);
        }
        self.block_end = self.end;
    }

    #[inline]
    fn grow(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.fault.is_some() {
            return None;
        }
        let room = self.room.len();
        let needed = self.end + len;
        if needed > room {
            self.fail(EncodeError::Room { needed, room });
            return None;
        }
        let start = std::mem::replace(&mut self.end, needed);
        self.room.get_mut(start..needed)
    }

    /// Keeps the first fault.
    #[cold]
    pub fn fail(&mut self, why: EncodeError) {
        self.fault.get_or_insert(why);
    }

    /// The first thing that went wrong, if something did.
    #[must_use]
    pub fn fault(&self) -> Option<EncodeError> {
        self.fault
    }

    /// The version that is written.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Sets a field; nothing is done in a version without it.
    #[inline]
    pub fn set<F: Field>(
        &mut self,
        name: &'static str,
        offset: usize,
        value: <F::Scalar as Scalar>::Value<'_>,
    ) {
        let size = F::Scalar::SIZE;
        if let Some(bytes) = self.slot(offset, size)
            && !F::Scalar::put(value, bytes)
        {
            self.fail(EncodeError::Value { field: name, size });
        }
    }

    /// Sets a field to what another message has in it.
    #[inline]
    pub fn copy<F: Field>(&mut self, name: &'static str, offset: usize, value: F::Value<'_>) {
        let size = F::Scalar::SIZE;
        if let Some(bytes) = self.slot(offset, size)
            && !F::copy(value, bytes)
        {
            self.fail(EncodeError::Value { field: name, size });
        }
    }

    /// The bytes of a field; none in a version without it, and none after a fault.
    #[inline]
    pub fn slot(&mut self, offset: usize, size: usize) -> Option<&mut [u8]> {
        let start = self.block + offset;
        if start + size > self.block_end || self.fault.is_some() {
            return None;
        }
        self.room.get_mut(start..start + size)
    }

    /// Starts the group that is part `index`, with `count` entries. `false` if there is nothing to write: there was a
    /// fault, or the version is without the group.
    pub fn group(&mut self, index: usize, count: usize) -> bool {
        let Some(group) = self.body.groups.get(index) else {
            return false;
        };
        if self.version < group.since || !self.advance(index, group.name) {
            return false;
        }
        self.parts = index + 1;
        self.group_header(group, count);
        self.fault.is_none()
    }

    fn group_header(&mut self, group: &GroupDescription, count: usize) {
        // The greatest number is the null value of the counter.
        if group.count_size < 8 && count as u64 >= (1 << (8 * group.count_size)) - 1 {
            return self.fail(EncodeError::Count {
                part: group.name,
                given: count,
            });
        }
        let block_length = group.body.block_length_in(self.version);
        if let Some(bytes) = self.grow(2 + group.count_size) {
            let (first, second) = bytes.split_at_mut(2);
            first.copy_from_slice(&block_length.to_le_bytes());
            for (to, from) in second.iter_mut().zip((count as u64).to_le_bytes()) {
                *to = from;
            }
        }
    }

    /// A writer for the next entry of the group that is part `index`. Give it to [`close`](Self::close) after use.
    pub fn entry(&mut self, index: usize) -> Writer<'_> {
        let body = self
            .body
            .groups
            .get(index)
            .map_or(self.body, |group| group.body);
        let end = self.end;
        let mut entry = Writer {
            room: self.room,
            body,
            version: self.version,
            block: end,
            block_end: end,
            end,
            parts: 0,
            fault: self.fault,
        };
        entry.block(body.block_length_in(entry.version));
        entry
    }

    /// Ends an entry: its parts that were not written are empty. Where it ends, and its fault.
    #[must_use]
    pub fn ended(mut self) -> (usize, Option<EncodeError>) {
        self.complete();
        (self.end, self.fault)
    }

    /// Continues behind an entry.
    pub fn close(&mut self, (end, fault): (usize, Option<EncodeError>)) {
        self.end = end;
        self.fault = fault;
    }

    /// Writes the data that is number `nth` of the data, counted from zero.
    pub fn data(&mut self, nth: usize, value: &[u8]) {
        let Some(data) = self.body.data.get(nth) else {
            return;
        };
        let index = self.body.groups.len() + nth;
        if self.version < data.since || !self.advance(index, data.name) {
            return;
        }
        self.parts = index + 1;
        if data.length_size < 8 && value.len() as u64 >= (1 << (8 * data.length_size)) - 1 {
            return self.fail(EncodeError::Count {
                part: data.name,
                given: value.len(),
            });
        }
        if let Some(bytes) = self.grow(data.length_size + value.len()) {
            let (length, text) = bytes.split_at_mut(data.length_size);
            for (to, from) in length.iter_mut().zip((value.len() as u64).to_le_bytes()) {
                *to = from;
            }
            text.copy_from_slice(value);
        }
    }

    /// Writes the parts before `index` that were left out as empty. `false` if part `index` was written already, or
    /// after a fault.
    fn advance(&mut self, index: usize, part: &'static str) -> bool {
        if self.parts > index {
            self.fail(EncodeError::Order { part });
            return false;
        }
        while self.parts < index {
            self.empty();
        }
        self.fault.is_none()
    }

    /// Writes the next part as empty.
    fn empty(&mut self) {
        let (body, next) = (self.body, self.parts);
        self.parts += 1;
        if let Some(group) = body.groups.get(next) {
            if self.version >= group.since {
                self.group_header(group, 0);
            }
        } else if let Some(data) = body.data.get(next - body.groups.len())
            && self.version >= data.since
            && let Some(bytes) = self.grow(data.length_size)
        {
            bytes.fill(0);
        }
    }

    fn complete(&mut self) {
        while self.parts < self.body.groups.len() + self.body.data.len() {
            self.empty();
        }
    }

    /// Ends the message: parts that were not written are empty, MessageSize is filled in. The length of the whole
    /// message, framing header included.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since the start.
    #[inline]
    pub fn finish(&mut self) -> Result<usize, EncodeError> {
        self.complete();
        let Ok(size) = u16::try_from(self.end) else {
            return Err(self.fault.unwrap_or(EncodeError::TooLong { len: self.end }));
        };
        if let Some(why) = self.fault {
            return Err(why);
        }
        if let Some(field) = self.room.first_chunk_mut() {
            *field = size.to_le_bytes();
        }
        Ok(self.end)
    }
}

//! Reading a message: its block by offsets, then its groups and data in the order of the schema.
//!
//! ```text
//!   block             group                                          data
//!   blockLength       blockLength  numInGroup  entry  entry  ...      length  bytes
//!   bytes             u16          u8 to u64                          u8 to u32
//! ```
//!
//! Sizes come from these headers and never from the schema: a newer sender has longer blocks, an older one
//! shorter, and what a block ends before has no value. What is wrong is found when the message is read, whole; after
//! that nothing can fail. Nothing is copied.

use std::fmt;

use super::describe::Body;
use super::field::{Field, Scalar};
use super::frame::{Frame, FrameError};

/// Why a message cannot be read. iLink 3 answers it with Terminate, error code 19, or a BusinessReject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The headers contradict the length.
    Frame(FrameError),
    /// Another message.
    Template {
        /// templateId as given.
        given: u16,
        /// That of the message to be read.
        expected: u16,
    },
    /// No message of the schema.
    UnknownTemplate {
        /// templateId as given.
        given: u16,
    },
    /// A message of another schema.
    Schema {
        /// schemaId as given.
        given: u16,
        /// That of the message to be read.
        expected: u16,
    },
    /// A block ends before a field that every message of its kind has.
    Missing {
        /// The field.
        field: &'static str,
        /// blockLength as given.
        block_length: u16,
    },
    /// The message ends within a group or data.
    Truncated {
        /// The group or data.
        part: &'static str,
    },
    /// A group has entries of no length, and more than one could tell apart.
    EmptyEntries {
        /// The group.
        part: &'static str,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Frame(why) => why.fmt(f),
            Self::Template { given, expected } => {
                write!(f, "templateId is {given}, should be {expected}")
            }
            Self::UnknownTemplate { given } => write!(
                f,
                "templateId is {given}, which no message of the schema has"
            ),
            Self::Schema { given, expected } => write!(f, "schemaId is {given}, should be {expected}"),
            Self::Missing {
                field,
                block_length,
            } => {
                write!(
                    f,
                    "a block of {block_length} bytes is without {field}, which is required"
                )
            }
            Self::Truncated { part } => write!(f, "the message ends within {part}"),
            Self::EmptyEntries { part } => write!(f, "the entries of {part} have a length of 0"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<FrameError> for DecodeError {
    fn from(why: FrameError) -> Self {
        Self::Frame(why)
    }
}

/// A root block or an entry of a group: fields at their offsets.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// A block of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Its bytes, those of fields that are not known included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The field at `offset`.
    #[inline]
    #[must_use]
    pub fn field<F: Field>(&self, offset: usize) -> F::Value<'a> {
        F::get(self.bytes.get(offset..offset + F::Scalar::SIZE))
    }

    /// Checks that fields end within the block; `fields` are name and end of those that are required, `min` the
    /// greatest end.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Missing`] names the first that does not.
    #[inline]
    pub fn check(&self, min: usize, fields: &[(&'static str, usize)]) -> Result<(), DecodeError> {
        if self.bytes.len() >= min {
            return Ok(());
        }
        self.missing(fields)
    }

    #[cold]
    fn missing(&self, fields: &[(&'static str, usize)]) -> Result<(), DecodeError> {
        match fields.iter().find(|&&(_, end)| end > self.bytes.len()) {
            Some(&(field, _)) => Err(DecodeError::Missing {
                field,
                block_length: u16::try_from(self.bytes.len()).unwrap_or(u16::MAX),
            }),
            None => Ok(()),
        }
    }
}

/// What can be read from a block and what follows it: a message, or an entry of a group. Implemented by
/// [`message!`](super::message) and [`group!`](super::group).
pub trait Entry<'a>: Sized {
    /// Whether an entry is its block only, without groups and data of its own.
    const FLAT: bool;
    /// Takes from `parts` what belongs to the entry.
    ///
    /// # Errors
    ///
    /// A block without a required field, a group or data cut short.
    fn take(block: Block<'a>, parts: &mut Parts<'a>) -> Result<Self, DecodeError>;
}

/// The groups and data of a message that have not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    rest: &'a [u8],
    version: u16,
}

impl<'a> Parts<'a> {
    /// What follows the root block of `frame`.
    #[inline]
    #[must_use]
    pub fn of(frame: &Frame<'a>) -> Self {
        Self {
            rest: frame.after_block(),
            version: frame.version(),
        }
    }

    /// Takes the next group, whose header has `count_size` bytes for the number of entries; a message of a version
    /// before `since` is without it.
    ///
    /// # Errors
    ///
    /// The message ends within it, or an entry of it cannot be read.
    #[inline]
    pub fn group<E: Entry<'a>>(
        &mut self,
        part: &'static str,
        since: u16,
        count_size: usize,
    ) -> Result<Group<'a, E>, DecodeError> {
        let (entry_len, count) = self.group_header(part, since, count_size)?;
        let start = *self;
        for_each_entry::<E>(self, part, entry_len, count)?;
        Ok(Group {
            parts: start,
            entry_len,
            left: count,
            entry: std::marker::PhantomData,
        })
    }

    /// Takes the header of the next group: bytes of an entry's block, and the number of entries.
    ///
    /// # Errors
    ///
    /// The message ends within it.
    #[inline]
    pub fn group_header(
        &mut self,
        part: &'static str,
        since: u16,
        count_size: usize,
    ) -> Result<(usize, u64), DecodeError> {
        if self.version < since {
            return Ok((0, 0));
        }
        let entry_len = self.number(part, 2)?;
        let count = self.number(part, count_size)?;
        if entry_len == 0 && count > 0 {
            return Err(DecodeError::EmptyEntries { part });
        }
        Ok((usize::try_from(entry_len).unwrap_or(usize::MAX), count))
    }

    /// Takes the next `len` bytes as a block.
    ///
    /// # Errors
    ///
    /// There are not that many.
    #[inline]
    pub fn block(&mut self, part: &'static str, len: usize) -> Result<Block<'a>, DecodeError> {
        self.take(part, len).map(Block::new)
    }

    /// Takes the next data, whose length has `len_size` bytes; a message of a version before `since` is without it.
    ///
    /// # Errors
    ///
    /// The message ends within it.
    #[inline]
    pub fn data(
        &mut self,
        part: &'static str,
        since: u16,
        len_size: usize,
    ) -> Result<&'a [u8], DecodeError> {
        if self.version < since {
            return Ok(&[]);
        }
        let len = self.number(part, len_size)?;
        self.take(part, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Takes all groups and data that follow a block of `body`, without a look at what they hold.
    ///
    /// # Errors
    ///
    /// The message ends within one, or an entry ends before a field that every entry of its kind has.
    pub fn skip(&mut self, body: &Body) -> Result<(), DecodeError> {
        for group in body.groups {
            let (entry_len, count) = self.group_header(group.name, group.since, group.count_size)?;
            if count == 0 {
                continue;
            }
            // All have the same length: if one is long enough, all are.
            self.take(group.name, entry_len)?;
            let mut required = group.body.fields.iter().filter(|field| field.required);
            if let Some(field) = required.find(|field| field.offset + field.size > entry_len) {
                return Err(DecodeError::Missing {
                    field: field.name,
                    block_length: u16::try_from(entry_len).unwrap_or(u16::MAX),
                });
            }
            if group.body.groups.is_empty() && group.body.data.is_empty() {
                let others = usize::try_from(count - 1).unwrap_or(usize::MAX);
                self.take(group.name, entry_len.saturating_mul(others))?;
                continue;
            }
            self.skip(group.body)?;
            for _ in 1..count {
                self.take(group.name, entry_len)?;
                self.skip(group.body)?;
            }
        }
        for data in body.data {
            self.data(data.name, data.since, data.length_size)?;
        }
        Ok(())
    }

    fn number(&mut self, part: &'static str, size: usize) -> Result<u64, DecodeError> {
        let bytes = self.take(part, size)?;
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(u64::from_le_bytes(wide))
    }

    fn take(&mut self, part: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated { part })?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Walks over all entries of a group once, so that none can fail later.
fn for_each_entry<'a, E: Entry<'a>>(
    parts: &mut Parts<'a>,
    part: &'static str,
    entry_len: usize,
    count: u64,
) -> Result<(), DecodeError> {
    if count == 0 {
        return Ok(());
    }
    if E::FLAT {
        // All have the same length: if one is long enough, all are.
        let block = parts.block(part, entry_len)?;
        E::take(block, parts)?;
        let others = usize::try_from(count - 1).unwrap_or(usize::MAX);
        parts.take(part, entry_len.saturating_mul(others))?;
        return Ok(());
    }
    for _ in 0..count {
        let block = parts.block(part, entry_len)?;
        E::take(block, parts)?;
    }
    Ok(())
}

/// The entries of a group that are still to come.
pub struct Group<'a, E> {
    parts: Parts<'a>,
    entry_len: usize,
    left: u64,
    entry: std::marker::PhantomData<fn() -> E>,
}

impl<E> Clone for Group<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Group<'_, E> {}

impl<E> fmt::Debug for Group<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries of {} bytes", self.left, self.entry_len)
    }
}

impl<'a, E: Entry<'a>> Iterator for Group<'a, E> {
    type Item = E;

    #[inline]
    fn next(&mut self) -> Option<E> {
        self.left = self.left.checked_sub(1)?;
        // Read once before, when the message was.
        let block = self.parts.block("", self.entry_len).ok()?;
        E::take(block, &mut self.parts).ok()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl<'a, E: Entry<'a>> ExactSizeIterator for Group<'a, E> {}

/// Checks the headers of `frame` against those of a message and takes the message from it.
///
/// # Errors
///
/// Another message or schema, a block without a required field, a group or data cut short.
#[inline]
pub fn read<'a, M: Entry<'a>>(
    frame: &Frame<'a>,
    template_id: u16,
    schema_id: u16,
) -> Result<M, DecodeError> {
    if frame.template_id() != template_id {
        return Err(DecodeError::Template {
            given: frame.template_id(),
            expected: template_id,
        });
    }
    if frame.schema_id() != schema_id {
        return Err(DecodeError::Schema {
            given: frame.schema_id(),
            expected: schema_id,
        });
    }
    M::take(Block::new(frame.block()), &mut Parts::of(frame))
}

//! The mechanics of a frame in its room.

use std::ops::Range;

use super::EncodeError;
use crate::wire::fix::frame::{BEGIN_STRINGS, TRAILER_LEN};
use crate::wire::fix::scan::{self, SOH};
use crate::wire::fix::tag::Tag;
use crate::wire::fix::value::{self, UINT_LEN_MAX};

/// Digits of BodyLength(9) that room is kept for.
pub(super) const BODY_LENGTH_DIGITS: usize = 9;

/// Longest `8=...|9=`.
pub(super) const FRONT_LEN_MAX: usize = 13;

/// `8=...|9=`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    bytes: [u8; FRONT_LEN_MAX],
    len: u8,
}

impl Front {
    pub(super) fn new(begin_string: &[u8]) -> Result<Self, EncodeError> {
        if !BEGIN_STRINGS.contains(&begin_string) {
            return Err(EncodeError::BeginString);
        }
        let mut bytes = [SOH; FRONT_LEN_MAX];
        let len = begin_string.len() + 5;
        bytes[..2].copy_from_slice(b"8=");
        bytes[2..len - 3].copy_from_slice(begin_string);
        bytes[len - 2..len].copy_from_slice(b"9=");
        Ok(Self {
            bytes,
            len: len as u8,
        })
    }

    #[inline]
    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The mechanics of a frame: room, cursor, first error. Knows no rules about which field goes where.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) room: &'a mut [u8],
    front: Front,
    body: usize,
    /// Where the next byte goes.
    pub(super) at: usize,
    /// End of the room for the body: the trailer is kept free. Zero once there is an error, so that the
    /// check for room is the only one on the way.
    limit: usize,
    error: Option<EncodeError>,
}

impl<'a> Draft<'a> {
    #[inline]
    pub(super) fn begin(room: &'a mut [u8], front: Front) -> Self {
        let body = usize::from(front.len) + BODY_LENGTH_DIGITS + 1;
        let limit = room.len().saturating_sub(TRAILER_LEN);
        let mut draft = Self {
            room,
            front,
            body,
            at: body,
            limit,
            error: None,
        };
        if body > limit {
            draft.fail_room();
        }
        draft
    }

    /// A field whose value is checked.
    #[inline]
    pub(super) fn text_field(&mut self, tag: Tag, value: &[u8]) {
        if value.is_empty() {
            return self.fail(EncodeError::Empty { tag });
        }
        if value.contains(&SOH) {
            return self.fail(EncodeError::Soh { tag });
        }
        self.field(tag, b"", value);
    }

    #[inline]
    pub(super) fn uint_field(&mut self, tag: Tag, value: u64) {
        let mut digits = [0; UINT_LEN_MAX];
        self.field(tag, b"", value::format_uint(value, &mut digits));
    }

    pub(super) fn data_fields(&mut self, length_tag: Tag, data_tag: Tag, value: &[u8]) {
        if value.is_empty() {
            return self.fail(EncodeError::Empty { tag: data_tag });
        }
        self.uint_field(length_tag, value.len() as u64);
        self.field(data_tag, b"", value);
    }

    /// A field whose value, in two parts, is known to be good.
    #[inline]
    pub(super) fn field(&mut self, tag: Tag, sign: &[u8], value: &[u8]) {
        let mut digits = [0; UINT_LEN_MAX];
        let digits = value::format_uint(u64::from(tag), &mut digits);
        let len = digits.len() + 1 + sign.len() + value.len() + 1;
        let Some(out) = self.take(len) else { return };
        let (head, tail) = out.split_at_mut(digits.len() + 1);
        head[..digits.len()].copy_from_slice(digits);
        head[digits.len()] = b'=';
        tail[..sign.len()].copy_from_slice(sign);
        tail[sign.len()..sign.len() + value.len()].copy_from_slice(value);
        tail[sign.len() + value.len()] = SOH;
    }

    /// Whole fields, encoded before.
    #[inline]
    pub(super) fn put(&mut self, encoded: &[u8]) {
        if let Some(out) = self.take(encoded.len()) {
            out.copy_from_slice(encoded);
        }
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&mut [u8]> {
        if self
            .limit
            .checked_sub(self.at)
            .is_none_or(|left| len > left)
        {
            self.fail_room();
            return None;
        }
        let start = self.at;
        self.at += len;
        Some(&mut self.room[start..start + len])
    }

    #[inline]
    pub(super) fn close(self) -> Result<Range<usize>, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut digits = [0; UINT_LEN_MAX];
        let digits = value::format_uint((self.at - self.body) as u64, &mut digits);
        if digits.len() > BODY_LENGTH_DIGITS {
            return Err(EncodeError::Room {
                len: self.room.len(),
            });
        }
        let front = self.front.text();
        let digits_at = self.body - 1 - digits.len();
        let start = digits_at - front.len();
        self.room[self.body - 1] = SOH;
        self.room[digits_at..self.body - 1].copy_from_slice(digits);
        self.room[start..digits_at].copy_from_slice(front);
        let sum = scan::checksum(&self.room[start..self.at]);
        let trailer = [
            b'1',
            b'0',
            b'=',
            b'0' + sum / 100,
            b'0' + sum / 10 % 10,
            b'0' + sum % 10,
            SOH,
        ];
        let end = self.at + TRAILER_LEN;
        self.room[self.at..end].copy_from_slice(&trailer);
        Ok(start..end)
    }

    #[cold]
    pub(super) fn fail_room(&mut self) {
        self.fail(EncodeError::Room {
            len: self.room.len(),
        });
    }

    #[cold]
    pub(super) fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
        self.limit = 0;
    }
}

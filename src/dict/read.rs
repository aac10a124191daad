//! Repeating groups of a received message, without copying: ranges of places in its index.
//!
//! ```text
//!  453=2 | 448=A 447=D 802=1 523=s 803=1 452=1 | 448=B 447=D 452=3 | 54=1 ...
//!          '------------ entry --------------'   '---- entry ----'
//!                      '--- its group 802 ---'
//! ```
//!
//! Works on any message, sound or not: an entry begins where the tag comes again that the first one
//! began with, and ends before the first field that belongs to what is around the group. A field that
//! belongs nowhere, as venues add them, belongs to the entry it stands in.

use std::ops::Range;

use super::table::{Block, BlockId, Dictionary, Slot};
use crate::time::Utc;
use crate::wire::fix::message::typed;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{Decimal, FieldError, Message, value};

/// Access to the groups of a [`Message`].
pub trait ReadGroups<'m> {
    /// The entries of the group with this counter, as `dictionary` defines it for the message, or for
    /// the header. None if the message has no such field or the dictionary no such group there.
    ///
    /// Over FIXT.1.1 `dictionary` is that of the application version.
    fn groups<'d>(&self, dictionary: &'d Dictionary, counter: Tag) -> Groups<'m, 'd>;
}

impl<'m> ReadGroups<'m> for Message<'m> {
    fn groups<'d>(&self, dictionary: &'d Dictionary, counter: Tag) -> Groups<'m, 'd> {
        let body = dictionary
            .message_of(self.msg_type())
            .map(|defined| dictionary.block(defined.block));
        let header = dictionary.block(dictionary.header);
        let fields = Fields {
            message: *self,
            dictionary,
        };
        [body, Some(header)]
            .into_iter()
            .flatten()
            .find_map(|block| fields.groups_of(block, counter, 0..self.len()))
            .unwrap_or_else(|| fields.none())
    }
}

/// The entries of a group, in order.
#[derive(Clone, Debug)]
pub struct Groups<'m, 'd> {
    fields: Fields<'m, 'd>,
    /// What an entry consists of.
    block: &'d Block,
    /// What is around the group.
    outer: &'d Block,
    /// Tag of the first field of the first entry.
    delimiter: Tag,
    declared: Option<u64>,
    /// The places that may still hold entries.
    rest: Range<usize>,
}

impl<'m, 'd> Groups<'m, 'd> {
    /// What the counter says; `None` if it is not there or no number.
    #[must_use]
    pub fn declared(&self) -> Option<u64> {
        self.declared
    }
}

impl<'m, 'd> Iterator for Groups<'m, 'd> {
    type Item = Entry<'m, 'd>;

    fn next(&mut self) -> Option<Entry<'m, 'd>> {
        let start = self.rest.start;
        if self.rest.is_empty() || self.fields.tag_at(start) != Some(self.delimiter) {
            return None;
        }
        let around = Around {
            block: self.outer,
            further: None,
        };
        let end = self
            .fields
            .end_of_entry(start, self.rest.end, self.block, &around);
        self.rest.start = end;
        Some(Entry {
            fields: self.fields,
            block: self.block,
            places: start..end,
        })
    }
}

/// One entry of a group.
#[derive(Clone, Debug)]
pub struct Entry<'m, 'd> {
    fields: Fields<'m, 'd>,
    block: &'d Block,
    places: Range<usize>,
}

impl<'m, 'd> Entry<'m, 'd> {
    /// The value of the field `tag` of this entry, not of the groups within it; possibly empty.
    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<&'m [u8]> {
        let at = self.fields.find(self.block, tag, self.places.clone())?;
        self.fields.message.field_at(at).map(|(_, value)| value)
    }

    /// The entries of a group within this entry.
    #[must_use]
    pub fn groups(&self, counter: Tag) -> Groups<'m, 'd> {
        self.fields
            .groups_of(self.block, counter, self.places.clone())
            .unwrap_or_else(|| self.fields.none())
    }

    /// All its fields, those of groups within it included, in the order of the message.
    pub fn fields(&self) -> impl Iterator<Item = (Tag, &'m [u8])> + use<'m> {
        let message = self.fields.message;
        self.places
            .clone()
            .filter_map(move |at| message.field_at(at))
    }

    /// The value as an int.
    ///
    /// # Errors
    /// Missing, empty, or not an int.
    pub fn int(&self, tag: Tag) -> Result<i64, FieldError> {
        typed(tag, self.get(tag), value::parse_int)
    }

    /// The value as a SeqNum, Length or NumInGroup.
    ///
    /// # Errors
    /// Missing, empty, or not digits only.
    pub fn uint(&self, tag: Tag) -> Result<u64, FieldError> {
        typed(tag, self.get(tag), value::parse_uint)
    }

    /// The value as a float, Price, Qty or Amt.
    ///
    /// # Errors
    /// Missing, empty, or not a decimal number.
    pub fn decimal(&self, tag: Tag) -> Result<Decimal, FieldError> {
        typed(tag, self.get(tag), Decimal::parse)
    }

    /// The value as a UTCTimestamp.
    ///
    /// # Errors
    /// Missing, empty, or not a UTCTimestamp; see [`Utc::parse_fix`].
    pub fn utc(&self, tag: Tag) -> Result<Utc, FieldError> {
        typed(tag, self.get(tag), Utc::parse_fix)
    }

    /// The value as a Boolean: `Y` or `N`.
    ///
    /// # Errors
    /// Missing, empty, or neither.
    pub fn boolean(&self, tag: Tag) -> Result<bool, FieldError> {
        typed(tag, self.get(tag), value::parse_boolean)
    }

    /// The value as a char, one byte: compare with `b'1'`.
    ///
    /// # Errors
    /// Missing, empty, or longer than a byte.
    pub fn char(&self, tag: Tag) -> Result<u8, FieldError> {
        typed(tag, self.get(tag), value::parse_char)
    }

    /// The value as text.
    ///
    /// # Errors
    /// Missing, empty, or not UTF-8 (ASCII is).
    pub fn str(&self, tag: Tag) -> Result<&'m str, FieldError> {
        typed(tag, self.get(tag), |text| str::from_utf8(text).ok())
    }
}

/// A message and the dictionary it is read by.
#[derive(Clone, Copy, Debug)]
struct Fields<'m, 'd> {
    message: Message<'m>,
    dictionary: &'d Dictionary,
}

/// The blocks around a group, innermost first: who may claim the field behind its last entry.
struct Around<'a, 'd> {
    block: &'d Block,
    further: Option<&'a Around<'a, 'd>>,
}

impl<'m, 'd> Fields<'m, 'd> {
    fn tag_at(&self, at: usize) -> Option<Tag> {
        self.message.field_at(at).map(|(tag, _)| tag)
    }

    /// The group `counter` of `block`, whose fields are in `places`.
    fn groups_of(self, block: &'d Block, counter: Tag, places: Range<usize>) -> Option<Groups<'m, 'd>> {
        let slot = self.dictionary.find(block, counter)?;
        if slot.group == BlockId::NONE {
            return None;
        }
        let at = self.find(block, counter, places.clone())?;
        let (_, count) = self.message.field_at(at)?;
        let entry = self.dictionary.block(slot.group);
        let first = self.tag_at(at + 1).unwrap_or(tag::INVALID);
        let has_any = self.dictionary.find(entry, first).is_some();
        Some(Groups {
            fields: self,
            block: entry,
            outer: block,
            delimiter: first,
            declared: value::parse_uint(count),
            rest: if has_any { at + 1..places.end } else { 0..0 },
        })
    }

    fn none(self) -> Groups<'m, 'd> {
        let header = self.dictionary.block(self.dictionary.header);
        Groups {
            fields: self,
            block: header,
            outer: header,
            delimiter: tag::INVALID,
            declared: None,
            rest: 0..0,
        }
    }

    /// Place of the first `tag` among `places` that is not within a group there.
    fn find(&self, block: &'d Block, tag: Tag, places: Range<usize>) -> Option<usize> {
        let around = Around {
            block,
            further: None,
        };
        let mut at = places.start;
        while at < places.end {
            let here = self.tag_at(at)?;
            if here == tag {
                return Some(at);
            }
            at = match self.dictionary.find(block, here) {
                Some(slot) => self.behind(at, places.end, slot, &around),
                None => at + 1,
            };
        }
        None
    }

    /// Place behind the field at `at`, and behind its entries if it counts some.
    fn behind(&self, at: usize, end: usize, slot: &Slot, around: &Around<'_, 'd>) -> usize {
        if slot.group == BlockId::NONE {
            return at + 1;
        }
        let block = self.dictionary.block(slot.group);
        let mut at = at + 1;
        // Entry after entry, whatever they begin with.
        while at < end
            && self
                .tag_at(at)
                .is_some_and(|tag| self.dictionary.find(block, tag).is_some())
        {
            at = self.end_of_entry(at, end, block, around);
        }
        at
    }

    /// Place behind the entry that begins at `start`.
    fn end_of_entry(
        &self,
        start: usize,
        end: usize,
        block: &'d Block,
        around: &Around<'_, 'd>,
    ) -> usize {
        let inside = Around {
            block,
            further: Some(around),
        };
        let delimiter = self.tag_at(start);
        let mut at = start;
        while at < end
            && let Some(tag) = self.tag_at(at)
        {
            if at > start && Some(tag) == delimiter {
                break;
            }
            at = match self.dictionary.find(block, tag) {
                Some(slot) => self.behind(at, end, slot, &inside),
                None if self.is_claimed(tag, around) => break,
                None => at + 1,
            };
        }
        at
    }

    fn is_claimed(&self, tag: Tag, around: &Around<'_, 'd>) -> bool {
        let mut next = Some(around);
        while let Some(one) = next {
            if self.dictionary.find(one.block, tag).is_some() {
                return true;
            }
            next = one.further;
        }
        tag::is_header(tag) || tag::is_trailer(tag)
    }
}

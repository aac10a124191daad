//! A dictionary as it is consulted: flat arrays, built once, read with an index or one hash probe.
//!
//! ```text
//!  tag --index--> fields[]   name, type, values
//!  MsgType --types--> Block   members in dictionary order     [ 11, 453, 1, ... ]
//!                             slots by hash of the tag        tag -> position, type, group
//!                                                                               |
//!                             a group is a Block again  <-----------------------+
//! ```
//!
//! A block is the list of what a message, the header, the trailer or an entry of a group consists of,
//! components dissolved. Nothing here knows a message that was received.

use std::fmt;
use std::ops::Range;

use super::field_type::FieldType;
use crate::wire::fix::Tag;

/// What messages of one version may contain.
///
/// Made by [`Dictionary::from_xml`](Dictionary::from_xml), or one of [`super::builtin`].
pub struct Dictionary {
    pub(super) name: Box<str>,
    /// All names, values and labels, one after the other.
    pub(super) texts: Box<str>,
    pub(super) fields: Box<[Field]>,
    /// Place in `fields` plus one of every tag that is low enough, 0 for none.
    pub(super) low: Box<[u16]>,
    /// The same for the other tags, ascending by tag.
    pub(super) high: Box<[(Tag, u16)]>,
    pub(super) values: Box<[Value]>,
    /// For each of `values`, what [`key_of`] makes of it.
    pub(super) keys: Box<[u64]>,
    pub(super) messages: Box<[Message]>,
    /// Hash table of messages by MsgType(35).
    pub(super) types: Box<[Type]>,
    pub(super) header: BlockId,
    pub(super) trailer: BlockId,
    pub(super) blocks: Box<[Block]>,
    pub(super) members: Box<[Member]>,
    pub(super) slots: Box<[Slot]>,
    /// Bit `n` of a block's words: its member at position `n` is required.
    pub(super) required: Box<[u64]>,
}

/// A part of `Dictionary::texts`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextAt {
    pub(super) start: u32,
    pub(super) len: u16,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) tag: Tag,
    pub(super) name: TextAt,
    pub(super) of_type: FieldType,
    /// Other values than those listed are allowed too.
    pub(super) open: bool,
    /// In `Dictionary::values`, ascending by value.
    pub(super) values: Range<u32>,
    /// Bit `b % 64` of word `b / 64`: the single byte `b` is one of the values.
    pub(super) bytes: [u64; 2],
    /// The same for numbers of two digits, `00` to `99`.
    pub(super) tens: [u64; 2],
}

#[derive(Debug)]
pub(super) struct Value {
    pub(super) value: TextAt,
    pub(super) label: TextAt,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) msg_type: TextAt,
    pub(super) name: TextAt,
    pub(super) block: BlockId,
}

/// A place in the hash table of messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Type {
    /// What [`key_of`] makes of the MsgType(35).
    pub(super) key: u64,
    /// Place in `Dictionary::messages` plus one, 0 for a free place.
    pub(super) nth: u16,
}

/// Place in `Dictionary::blocks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockId(pub(super) u16);

impl BlockId {
    /// Stands for "not a group".
    pub(super) const NONE: Self = Self(u16::MAX);
}

#[derive(Debug)]
pub(super) struct Block {
    /// In `Dictionary::members`, in dictionary order.
    pub(super) members: Range<u32>,
    /// Where in `Dictionary::slots` its hash table begins. Its size is a power of two.
    pub(super) slots: u32,
    /// How far a hash is shifted right to be a place in the table.
    pub(super) shift: u8,
    pub(super) factor: u32,
    /// Where in `Dictionary::required` its words begin.
    pub(super) required: u32,
    /// How many members are required.
    pub(super) required_members: u16,
    /// Words of 64 bits, one bit per member.
    pub(super) words: u16,
    /// Words for this block and the deepest nest of groups below it.
    pub(super) words_deep: u16,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) tag: Tag,
    pub(super) required: bool,
    pub(super) group: BlockId,
}

/// What one probe tells about a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// 0 for a free place.
    pub(super) tag: Tag,
    pub(super) position: u16,
    pub(super) field: u16,
    pub(super) group: BlockId,
    pub(super) of_type: FieldType,
    /// Only listed values are allowed.
    pub(super) listed: bool,
    pub(super) rule: Rule,
    /// It must be there.
    pub(super) required: bool,
    /// With [`Rule::ListedByte`], bit `n`: the byte `n` above `0` is a value.
    pub(super) bytes: u64,
}

/// What is enough to call a value sound, so that type and list need not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Any text is.
    Text,
    /// Any single byte is.
    Byte,
    /// One of the bytes in `Slot::bytes` is, all of the type.
    ListedByte,
    /// Digits only.
    Number,
    /// Digits only, with or without `-`.
    Int,
    /// Digits and a point.
    Decimal,
    Timestamp,
    /// What is listed is, all of the type.
    Listed,
    /// Type and list must be asked.
    Other,
    /// It counts the entries of a group.
    Group,
}

impl Slot {
    pub(super) const FREE: Self = Self {
        tag: 0,
        position: 0,
        field: 0,
        group: BlockId::NONE,
        of_type: FieldType::String,
        listed: false,
        rule: Rule::Other,
        required: false,
        bytes: 0,
    };
}

impl Block {
    /// Where the search for a tag begins.
    #[inline]
    pub(super) const fn hash(factor: u32, shift: u8, tag: Tag) -> usize {
        (tag.wrapping_mul(factor) >> shift) as usize
    }

    pub(super) const fn len(&self) -> usize {
        (self.members.end - self.members.start) as usize
    }
}

/// The hash table of a block.
#[derive(Clone, Copy)]
pub(super) struct Probe<'d> {
    slots: &'d [Slot],
    factor: u32,
    shift: u8,
}

impl<'d> Probe<'d> {
    /// The member `tag` of the block.
    #[inline]
    pub(super) fn find(self, tag: Tag) -> Option<&'d Slot> {
        // The tag of a free place is that of no field, and may be asked for.
        self.find_possible(tag).filter(|slot| slot.tag != 0)
    }

    /// The same for a tag that is not 0.
    #[inline]
    pub(super) fn find_possible(self, tag: Tag) -> Option<&'d Slot> {
        let mut at = Block::hash(self.factor, self.shift, tag);
        loop {
            let slot = self.slots.get(at)?;
            if slot.tag == tag {
                return Some(slot);
            }
            if slot.tag == 0 {
                return None;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

impl Dictionary {
    /// Its name: `FIX.4.4`, `FIX.5.0SP2`, `FIXT.1.1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field with this tag.
    #[inline]
    #[must_use]
    pub fn field(&self, tag: Tag) -> Option<FieldSpec<'_>> {
        let at = self.field_at(tag)?;
        Some(FieldSpec {
            dictionary: self,
            field: &self.fields[usize::from(at)],
        })
    }

    /// The field with this name, as the dictionary spells it. Looks at all of them.
    #[must_use]
    pub fn field_named(&self, name: &str) -> Option<FieldSpec<'_>> {
        self.fields().find(|field| field.name() == name)
    }

    /// Every field, ascending by tag.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldSpec<'_>> {
        self.fields.iter().map(|field| FieldSpec {
            dictionary: self,
            field,
        })
    }

    /// The message with this MsgType(35).
    #[inline]
    #[must_use]
    pub fn message(&self, msg_type: &[u8]) -> Option<MessageSpec<'_>> {
        self.message_of(msg_type).map(|message| MessageSpec {
            dictionary: self,
            message,
        })
    }

    /// Every message, in the order of the file.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = MessageSpec<'_>> {
        self.messages.iter().map(|message| MessageSpec {
            dictionary: self,
            message,
        })
    }

    /// What the header consists of. Empty in a dictionary of application messages for FIXT.
    #[must_use]
    pub fn header(&self) -> Layout<'_> {
        self.layout(self.header)
    }

    /// What the trailer consists of.
    #[must_use]
    pub fn trailer(&self) -> Layout<'_> {
        self.layout(self.trailer)
    }

    pub(super) fn layout(&self, block: BlockId) -> Layout<'_> {
        Layout {
            dictionary: self,
            block: self.block(block),
        }
    }

    #[inline]
    pub(super) fn block(&self, id: BlockId) -> &Block {
        &self.blocks[usize::from(id.0)]
    }

    #[inline]
    pub(super) fn message_of(&self, msg_type: &[u8]) -> Option<&Message> {
        let key = key_of(msg_type);
        let mut at = hash_of_type(key) & (self.types.len() - 1);
        loop {
            let entry = self.types.get(at)?;
            let nth = usize::from(entry.nth).checked_sub(1)?;
            if entry.key == key {
                let message = &self.messages[nth];
                // Of the same length, and no longer than a key, they are the same.
                if usize::from(message.msg_type.len) == msg_type.len()
                    && (msg_type.len() <= 8 || self.text(message.msg_type).as_bytes() == msg_type)
                {
                    return Some(message);
                }
            }
            at = (at + 1) & (self.types.len() - 1);
        }
    }

    #[inline]
    pub(super) fn field_at(&self, tag: Tag) -> Option<u16> {
        match self.low.get(tag as usize) {
            Some(at) => at.checked_sub(1),
            None => self
                .high
                .binary_search_by_key(&tag, |&(tag, _)| tag)
                .ok()
                .map(|nth| self.high[nth].1),
        }
    }

    /// The member `tag` of a block.
    #[inline]
    pub(super) fn find(&self, block: &Block, tag: Tag) -> Option<&Slot> {
        self.probe(block).find(tag)
    }

    #[inline]
    pub(super) fn probe(&self, block: &Block) -> Probe<'_> {
        Probe {
            slots: &self.slots[block.slots as usize..][..1 << (32 - block.shift)],
            factor: block.factor,
            shift: block.shift,
        }
    }

    #[inline]
    pub(super) fn members_of(&self, block: &Block) -> &[Member] {
        &self.members[block.members.start as usize..block.members.end as usize]
    }

    /// The tag that each entry begins with, where the block is that of a group.
    #[inline]
    pub(super) fn delimiter_of(&self, block: &Block) -> Option<Tag> {
        self.members_of(block).first().map(|first| first.tag)
    }

    #[inline]
    pub(super) fn required_of(&self, block: &Block) -> &[u64] {
        &self.required[block.required as usize..][..usize::from(block.words)]
    }

    /// Whether `value`, a single one, is listed for the field at this place.
    #[inline]
    pub(super) fn lists(&self, field: u16, value: &[u8]) -> bool {
        let field = &self.fields[usize::from(field)];
        match *value {
            [byte @ 0..128] => field.bytes[usize::from(byte / 64)] >> (byte % 64) & 1 != 0,
            [ten @ b'0'..=b'9', one @ b'0'..=b'9'] => {
                let number = (ten - b'0') * 10 + (one - b'0');
                field.tens[usize::from(number / 64)] >> (number % 64) & 1 != 0
            }
            _ => self.lists_text(field, value),
        }
    }

    #[inline(never)]
    fn lists_text(&self, field: &Field, value: &[u8]) -> bool {
        let values = self.values_of(field);
        let keys = &self.keys[field.values.start as usize..field.values.end as usize];
        let key = key_of(value);
        let first = keys.partition_point(|&other| other < key);
        values[first..]
            .iter()
            .zip(&keys[first..])
            .take_while(|&(_, &other)| other == key)
            .any(|(other, _)| self.text(other.value).as_bytes() == value)
    }

    fn values_of(&self, field: &Field) -> &[Value] {
        &self.values[field.values.start as usize..field.values.end as usize]
    }

    #[inline]
    pub(super) fn text(&self, at: TextAt) -> &str {
        &self.texts[at.start as usize..][..usize::from(at.len)]
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + self.texts.len()
            + size_of_val(&*self.fields)
            + size_of_val(&*self.low)
            + size_of_val(&*self.high)
            + size_of_val(&*self.values)
            + size_of_val(&*self.keys)
            + size_of_val(&*self.messages)
            + size_of_val(&*self.types)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.members)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.required)
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Dictionary({}, {} fields, {} messages)",
            self.name,
            self.fields.len(),
            self.messages.len()
        )
    }
}

/// Spreads the types there are, of one and two bytes mostly, by the key of one.
#[inline]
pub(super) const fn hash_of_type(key: u64) -> usize {
    (key.swap_bytes().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// The first eight bytes, as a number in the same order as the values; zeros for those that lack.
#[inline]
pub(super) fn key_of(value: &[u8]) -> u64 {
    match *value {
        // Most types of messages, and most values.
        [a] => u64::from(a) << 56,
        [a, b] => u64::from(a) << 56 | u64::from(b) << 48,
        [a, b, c, d, e, f, g, h, ..] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => {
            value
                .iter()
                .rev()
                .fold(0, |key, &byte| (key | u64::from(byte) << 56) >> 8)
                << 8
        }
    }
}

/// The definition of a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec<'d> {
    dictionary: &'d Dictionary,
    field: &'d Field,
}

impl<'d> FieldSpec<'d> {
    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.field.tag
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'d str {
        self.dictionary.text(self.field.name)
    }

    /// Its type.
    #[must_use]
    pub fn field_type(&self) -> FieldType {
        self.field.of_type
    }

    /// Whether only the listed values are allowed.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.field.open && !self.field.values.is_empty()
    }

    /// The listed values with what they mean, ascending by value.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&'d str, &'d str)> + use<'d> {
        let dictionary = self.dictionary;
        dictionary
            .values_of(self.field)
            .iter()
            .map(move |value| (dictionary.text(value.value), dictionary.text(value.label)))
    }

    /// What the dictionary calls `value`.
    #[must_use]
    pub fn label(&self, value: &[u8]) -> Option<&'d str> {
        self.values()
            .find(|(listed, _)| listed.as_bytes() == value)
            .map(|(_, label)| label)
    }
}

/// The definition of a message.
#[derive(Clone, Copy, Debug)]
pub struct MessageSpec<'d> {
    dictionary: &'d Dictionary,
    message: &'d Message,
}

impl<'d> MessageSpec<'d> {
    /// Its MsgType(35).
    #[must_use]
    pub fn msg_type(&self) -> &'d str {
        self.dictionary.text(self.message.msg_type)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'d str {
        self.dictionary.text(self.message.name)
    }

    /// What its body consists of.
    #[must_use]
    pub fn body(&self) -> Layout<'d> {
        self.dictionary.layout(self.message.block)
    }
}

/// What a message body, the header, the trailer or an entry of a group consists of, components
/// dissolved.
#[derive(Clone, Copy)]
pub struct Layout<'d> {
    pub(super) dictionary: &'d Dictionary,
    pub(super) block: &'d Block,
}

impl<'d> Layout<'d> {
    /// Its members, in dictionary order. The first member of a group is the one each entry begins with.
    pub fn members(&self) -> impl ExactSizeIterator<Item = MemberSpec<'d>> + use<'d> {
        let dictionary = self.dictionary;
        dictionary
            .members_of(self.block)
            .iter()
            .map(move |member| MemberSpec { dictionary, member })
    }

    /// Whether a field may stand here, at this level.
    #[must_use]
    pub fn has(&self, tag: Tag) -> bool {
        self.dictionary.find(self.block, tag).is_some()
    }

    /// What an entry of the group with this counter consists of, if there is such a group here.
    #[inline]
    #[must_use]
    pub fn group(&self, counter: Tag) -> Option<Layout<'d>> {
        let slot = self.dictionary.find(self.block, counter)?;
        (slot.group != BlockId::NONE).then(|| self.dictionary.layout(slot.group))
    }
}

impl fmt::Debug for Layout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.members().map(|m| m.tag()))
            .finish()
    }
}

/// A member of a [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct MemberSpec<'d> {
    dictionary: &'d Dictionary,
    member: &'d Member,
}

impl<'d> MemberSpec<'d> {
    /// Its tag; that of the counter for a group.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.member.tag
    }

    /// Whether it must be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.member.required
    }

    /// The definition of the field.
    #[must_use]
    pub fn field(&self) -> FieldSpec<'d> {
        self.dictionary
            .field(self.member.tag)
            .unwrap_or_else(|| unreachable!("every member is a field of its dictionary"))
    }

    /// What an entry consists of, for a group.
    #[must_use]
    pub fn group(&self) -> Option<Layout<'d>> {
        (self.member.group != BlockId::NONE).then(|| self.dictionary.layout(self.member.group))
    }
}

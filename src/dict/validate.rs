//! The validator: one walk over a message that is already split into fields.
//!
//! ```text
//!  8=..|9=..|35=D|49=..|...|11=..|453=2|448=..|447=..|448=..|447=..|54=1|...|10=..|
//!  '---- header -----------''- body -------------------------------------''-trailer'
//!                                 |     '- entry ----''- entry ----'
//!                                 '- counter of a group: its entries are walked like a body, level by level
//! ```
//!
//! That a field was there is a bit, so that "twice" is one test and "missing" one comparison of words.
//! Nothing is allocated.
//!
//! A good message is walked once, by [`super::quick`], and nothing is noted. What is not certainly good is
//! walked here, from the start. Of several faults the one is reported that comes
//! first in this order, which is that of widely deployed engines: sections (14), MsgType (11), required
//! fields (1), then field by field, of the header first, then of the trailer, then of the body: repeated
//! (13), empty (4), format (6), listed value (5), undefined (0) or not in this message (2), groups
//! (15, 16).

use super::dictionaries::{ApplDialect, Dictionaries};
use super::field_type::FieldType;
use super::invalid::{Invalid, InvalidKind};
use super::quick::{Quick, Trail};
use super::table::{Block, BlockId, Dictionary, Probe, Slot};
use crate::wire::fix::index::FIELDS_MAX;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::value;
use crate::wire::fix::{Message, msg_type};

/// The first three fields of every message: it would be garbled without them, so that they are not
/// looked at again.
const FRONT: [Tag; 3] = [tag::BEGIN_STRING, tag::BODY_LENGTH, tag::MSG_TYPE];

/// The lowest tag that ValidateUserDefinedFields is about, by the documentation of that setting.
const USER_DEFINED_MIN: Tag = 5000;

/// How much of a message is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: only what the session itself needs to read is sound.
    Off,
    /// The fields of header and trailer, the sections, and that the MsgType(35) exists.
    Header,
    /// Everything.
    #[default]
    Full,
}

/// Which checks are made. All are by default, but the last.
///
/// In brackets the name of the setting in the configuration files of other engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Fields of header, body and trailer stand in their own section (ValidateFieldsOutOfOrder).
    pub sections: bool,
    /// Fields have a value (ValidateFieldsHaveValues). Without it an empty one is passed on.
    pub empty_values: bool,
    /// Tags from 5000 on must be defined and part of the message like any other
    /// (ValidateUserDefinedFields).
    pub user_defined_fields: bool,
    /// Tags below 5000 must be defined and part of the message (AllowUnknownMsgFields=N).
    pub unknown_fields: bool,
    /// Values of enumerated fields are listed (AllowUnknownEnumValues=N).
    pub listed_values: bool,
    /// Fields of an entry of a group stand in the order of the dictionary
    /// (ValidateUnorderedGroupFields).
    pub group_order: bool,
    /// Entries begin with the first field of the group by the dictionary, not with whatever stands
    /// first (FirstFieldInGroupIsDelimiter=N).
    pub group_delimiter: bool,
    /// Messages whose type begins with U, the user-defined ones, must be defined. Without it their
    /// bodies are not looked at.
    pub user_defined_types: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            sections: true,
            empty_values: true,
            user_defined_fields: true,
            unknown_fields: true,
            listed_values: true,
            group_order: true,
            group_delimiter: true,
            user_defined_types: false,
        }
    }
}

impl Checks {
    /// Whether fields that are not defined, or not for this message, may be let through.
    const fn lets_strays_in(self) -> bool {
        !self.user_defined_fields || !self.unknown_fields
    }

    /// Whether the field with this tag may stand in the body without being defined for it.
    #[inline]
    pub(super) const fn lets_in(self, tag: Tag) -> bool {
        let is_checked = if tag < USER_DEFINED_MIN {
            self.unknown_fields
        } else {
            self.user_defined_fields
        };
        !is_checked && tag != tag::INVALID
    }
}

/// Judges messages by the dictionaries of one session.
#[derive(Clone, Debug)]
pub struct Validator {
    dictionaries: Dictionaries,
    scope: Scope,
    checks: Checks,
    /// Bits of the fields seen: header, then trailer, then body and the groups below it.
    seen: Box<[u64]>,
    /// How the bits of the header begin: those of [`FRONT`] are set.
    front: Box<[u64]>,
    /// How many of [`FRONT`] are required.
    front_required: u16,
    strays: Strays,
    /// A day that was found good, as the wire has it.
    day: [u8; 8],
    /// Fields that a Logon(A) may have beside those of its dictionary.
    logon_fields: Box<[Tag]>,
}

impl Validator {
    /// A validator for these dictionaries. Allocates what it will ever need.
    #[must_use]
    pub fn new(dictionaries: Dictionaries, scope: Scope, checks: Checks) -> Self {
        let transport = dictionaries.transport();
        let outer = [transport.header, transport.trailer].map(|id| transport.block(id).words_deep);
        let body = dictionaries
            .all()
            .flat_map(|dictionary| &dictionary.blocks)
            .map(|block| block.words_deep)
            .max();
        let mut front = vec![0; usize::from(transport.block(transport.header).words)];
        let mut front_required = 0;
        for slot in FRONT
            .iter()
            .filter_map(|&tag| transport.find(transport.block(transport.header), tag))
        {
            front[usize::from(slot.position / 64)] |= 1 << (slot.position % 64);
            front_required += u16::from(slot.required);
        }
        let words = outer.into_iter().chain(body).map(usize::from).sum();
        Self {
            scope,
            checks,
            seen: vec![0; words].into(),
            front: front.into(),
            front_required,
            strays: Strays::new(scope == Scope::Full && checks.lets_strays_in()),
            day: *b"19700101",
            logon_fields: Box::default(),
            dictionaries,
        }
    }

    /// The same, with these fields let into a Logon(A) although its dictionary does not have them: what
    /// a Logon says of its sender is agreed between the firms.
    #[must_use]
    pub fn with_logon_fields(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.logon_fields = tags.into_iter().collect();
        self
    }

    /// The dictionaries it was made with.
    #[must_use]
    pub fn dictionaries(&self) -> &Dictionaries {
        &self.dictionaries
    }

    /// Whether `message`, in this dialect if it is an application message, is sound.
    ///
    /// # Errors
    /// The fault to report.
    #[inline]
    pub fn check(&mut self, message: &Message<'_>, dialect: ApplDialect<'_>) -> Result<(), Invalid> {
        self.judge::<true>(message, dialect)
    }

    /// Judges with or without the walk for sound messages first, which must make no difference.
    #[inline]
    pub(super) fn judge<const QUICK: bool>(
        &mut self,
        message: &Message<'_>,
        dialect: ApplDialect<'_>,
    ) -> Result<(), Invalid> {
        if self.scope == Scope::Off {
            return Ok(());
        }
        let transport = self.dictionaries.transport();
        let Some(dictionary) = self.dictionaries.of_message(message.msg_type(), dialect) else {
            return Err(Invalid {
                tag: tag::APPL_VER_ID,
                kind: InvalidKind::ApplVersion,
            });
        };
        let defined = dictionary.message_of(message.msg_type());
        let unknown = defined.is_none()
            && (self.checks.user_defined_types || !message.msg_type().starts_with(b"U"));
        let header = Area::new(transport, transport.header, 0);
        let trailer_words = usize::from(header.block.words_deep);
        let trailer = Area::new(transport, transport.trailer, trailer_words);
        let body_words = trailer_words + usize::from(trailer.block.words_deep);
        let body = match (self.scope, defined) {
            (Scope::Full, Some(defined)) => Some(Area::new(dictionary, defined.block, body_words)),
            _ => None,
        };
        if let Some(body) = &body
            && QUICK
        {
            self.strays.begin();
            match (&mut self.seen[..self.front.len()], &self.front[..]) {
                ([seen], &[front]) => *seen = front,
                (seen, front) => seen.copy_from_slice(front),
            }
            let sections = [&header, body, &trailer];
            let mut trail = Trail {
                seen: &mut self.seen,
                strays: &mut self.strays,
                day: &mut self.day,
            };
            let quick = Quick::new(message, self.checks, &trailer);
            let is_sound = quick
                .and_then(|quick| quick.walk(sections, FRONT.len(), self.front_required, &mut trail));
            if is_sound.is_some() {
                return Ok(());
            }
        }
        self.strays.begin();
        let mut walk = Walk {
            message: *message,
            at: 0,
            checks: self.checks,
            header,
            trailer,
            body,
            seen: &mut self.seen,
            front: &self.front,
            strays: &mut self.strays,
            agreed: match message.msg_type() {
                msg_type::LOGON => &self.logon_fields,
                _ => &[],
            },
            faults: Faults::default(),
        };
        walk.message();
        walk.outcome(unknown)
    }
}

/// A list of fields that may stand somewhere, and which of them have been seen there.
#[derive(Clone, Copy)]
pub(super) struct Area<'d> {
    pub(super) dictionary: &'d Dictionary,
    pub(super) block: &'d Block,
    pub(super) probe: Probe<'d>,
    /// Where in `Validator::seen` its bits begin.
    pub(super) words: usize,
}

impl<'d> Area<'d> {
    #[inline]
    fn new(dictionary: &'d Dictionary, id: BlockId, words: usize) -> Self {
        let block = dictionary.block(id);
        Self {
            dictionary,
            block,
            probe: dictionary.probe(block),
            words,
        }
    }

    #[inline]
    pub(super) fn find(&self, tag: Tag) -> Option<&'d Slot> {
        self.probe.find(tag)
    }

    /// A group that it has.
    #[inline]
    pub(super) fn group(&self, id: BlockId) -> Self {
        let words = self.words + usize::from(self.block.words);
        Self::new(self.dictionary, id, words)
    }
}

/// The areas a group stands in, innermost first: who may claim the field behind its last entry.
struct Around<'a, 'd> {
    area: &'a Area<'d>,
    further: Option<&'a Around<'a, 'd>>,
}

impl<'a, 'd> Around<'a, 'd> {
    const fn outermost(area: &'a Area<'d>) -> Self {
        Self {
            area,
            further: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Header,
    Body,
    Trailer,
}

/// The first fault of each rank.
#[derive(Default)]
struct Faults {
    misplaced: Option<Tag>,
    missing_in_entry: Option<Tag>,
    header: Option<Invalid>,
    trailer: Option<Invalid>,
    body: Option<Invalid>,
}

struct Walk<'v, 'm, 'd> {
    message: Message<'m>,
    /// Place of the next field.
    at: usize,
    checks: Checks,
    header: Area<'d>,
    trailer: Area<'d>,
    /// `None` if the body is not looked at.
    body: Option<Area<'d>>,
    seen: &'v mut [u64],
    front: &'v [u64],
    strays: &'v mut Strays,
    /// Fields that may be there although no dictionary places them.
    agreed: &'v [Tag],
    faults: Faults,
}

impl<'m, 'd> Walk<'_, 'm, 'd> {
    #[inline]
    fn message(&mut self) {
        self.seen[..self.front.len()].copy_from_slice(self.front);
        self.forget(&self.trailer.clone());
        if let Some(body) = self.body {
            self.forget(&body);
        }
        self.at = FRONT.len();
        let tags = self.message.tags();
        let header = self.header;
        while let Some(&tag) = tags.get(self.at)
            && let Some(slot) = header.find(tag)
        {
            self.field(Section::Header, &header, slot);
        }
        if let Some(body) = self.body {
            while let Some(&tag) = tags.get(self.at)
                && let Some(slot) = body.find(tag)
            {
                self.field(Section::Body, &body, slot);
            }
        }
        self.rest(tags);
    }

    /// What comes behind an orderly header and the body fields after it: the trailer, in a good message.
    fn rest(&mut self, tags: &[Tag]) {
        let mut section = Section::Body;
        while let Some(&tag) = tags.get(self.at) {
            if let Some(slot) = self.trailer.find(tag) {
                section = Section::Trailer;
                self.rare_field(Section::Trailer, &self.trailer.clone(), slot);
                continue;
            }
            let in_header = self.header.find(tag);
            if section == Section::Trailer || in_header.is_some() {
                self.misplaced(tag);
            }
            let in_body = self.body.and_then(|body| Some((body, body.find(tag)?)));
            match (in_body, in_header) {
                (Some((body, slot)), _) => self.rare_field(Section::Body, &body, slot),
                (None, Some(slot)) => self.rare_field(Section::Header, &self.header.clone(), slot),
                (None, None) if self.body.is_some() => self.stray(tag),
                (None, None) => self.at += 1,
            }
        }
    }

    /// The same for the ways that a good message does not take often.
    #[inline(never)]
    fn rare_field(&mut self, section: Section, area: &Area<'d>, slot: &Slot) {
        self.field(section, area, slot);
    }

    /// A field where it may be, and the group it counts, if it counts one.
    #[inline(always)]
    fn field(&mut self, section: Section, area: &Area<'d>, slot: &Slot) {
        let value = self.message.value_at(self.at);
        self.at += 1;
        let kind = if self.mark(area, slot) {
            self.defect(area.dictionary, slot, value)
        } else {
            Some(InvalidKind::Repeated)
        };
        if let Some(kind) = kind {
            self.fault(section, slot.tag, kind);
        }
        if slot.group != BlockId::NONE {
            self.group(section, slot, value, &Around::outermost(area));
        }
    }

    /// The entries behind a counter.
    #[inline(never)]
    fn group(&mut self, section: Section, counter: &Slot, count: &'m [u8], around: &Around<'_, 'd>) {
        let dictionary = around.area.dictionary;
        let area = &around.area.group(counter.group);
        let inside = Around {
            area,
            further: Some(around),
        };
        let mut delimiter = None;
        if self.checks.group_delimiter {
            delimiter = dictionary.delimiter_of(area.block);
        }
        let mut entries = 0_u64;
        let mut last = 0;
        let tags = self.message.tags();
        while let Some(&tag) = tags.get(self.at) {
            let Some(slot) = area.find(tag) else {
                if entries == 0 || self.is_claimed(tag, around) {
                    break;
                }
                self.stray(tag);
                continue;
            };
            let value = self.message.value_at(self.at);
            self.at += 1;
            let mut kind = None;
            if tag == *delimiter.get_or_insert(tag) {
                self.end_entry(area, entries);
                entries += 1;
                self.forget(area);
                self.mark(area, slot);
            } else {
                if entries == 0 {
                    // Walked as an entry all the same, to come to its end.
                    kind = Some(InvalidKind::GroupOrder);
                    entries = 1;
                    self.forget(area);
                }
                if self.checks.group_order {
                    let is_after = self.mark(area, slot) && slot.position > last;
                    kind = kind.or((!is_after).then_some(InvalidKind::GroupOrder));
                } else if !self.mark(area, slot) {
                    kind = kind.or(Some(InvalidKind::Repeated));
                }
            }
            last = slot.position;
            if let Some(kind) = kind.or_else(|| self.defect(dictionary, slot, value)) {
                self.fault(section, tag, kind);
            }
            if slot.group != BlockId::NONE {
                self.group(section, slot, value, &inside);
            }
        }
        self.end_entry(area, entries);
        if value::parse_uint(count).is_some_and(|count| count != entries) {
            self.fault(section, counter.tag, InvalidKind::GroupCount);
        }
    }

    /// Whether a field that is no member of a group is one of what is around it.
    fn is_claimed(&self, tag: Tag, around: &Around<'_, 'd>) -> bool {
        let mut next = Some(around);
        while let Some(one) = next {
            if one.area.find(tag).is_some() {
                return true;
            }
            next = one.further;
        }
        // Behind a group of the header the body begins. Where it is not looked at, anything may be its.
        self.body.is_none_or(|body| body.find(tag).is_some())
            || self.trailer.find(tag).is_some()
            || self.header.find(tag).is_some()
    }

    /// A field that may not stand where it stands.
    #[cold]
    fn stray(&mut self, tag: Tag) {
        let value = self.message.value_at(self.at);
        self.at += 1;
        let dictionary = match self.body {
            Some(body) => body.dictionary,
            None => self.header.dictionary,
        };
        let agreed = tag != tag::INVALID && self.agreed.contains(&tag);
        // There are few of these, in a message that is rare: a search is cheaper than a table.
        let agreed_before = || self.message.tags()[..self.at - 1].contains(&tag);
        let kind = if agreed && agreed_before() {
            Some(InvalidKind::Repeated)
        } else if agreed {
            (value.is_empty() && self.checks.empty_values).then_some(InvalidKind::Empty)
        } else if !self.checks.lets_in(tag) {
            // What can be no tag at all is defined nowhere.
            let is_defined = dictionary.field_at(tag).is_some();
            Some(if is_defined {
                InvalidKind::NotInMessage
            } else {
                InvalidKind::UndefinedTag
            })
        } else if !self.strays.note(tag) {
            Some(InvalidKind::Repeated)
        } else if value.is_empty() && self.checks.empty_values {
            Some(InvalidKind::Empty)
        } else {
            None
        };
        if let Some(kind) = kind {
            self.fault(Section::Body, tag, kind);
        }
    }

    /// What is wrong with the value of a field.
    #[inline(always)]
    fn defect(&self, dictionary: &Dictionary, slot: &Slot, value: &[u8]) -> Option<InvalidKind> {
        if value.is_empty() {
            return self.checks.empty_values.then_some(InvalidKind::Empty);
        }
        // Most fields are one of these two.
        let is_spelled_right = match slot.of_type {
            FieldType::String => true,
            FieldType::Char => value.len() == 1,
            other => other.takes(value),
        };
        if !is_spelled_right {
            return Some(InvalidKind::Format);
        }
        if slot.listed && self.checks.listed_values && !is_listed(dictionary, slot, value) {
            return Some(InvalidKind::Value);
        }
        None
    }

    /// Notes that a member is there. Answers whether it was not before.
    #[inline]
    fn mark(&mut self, area: &Area<'d>, slot: &Slot) -> bool {
        let word = &mut self.seen[area.words + usize::from(slot.position / 64)];
        let bit = 1 << (slot.position % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    #[inline]
    fn forget(&mut self, area: &Area<'d>) {
        self.seen[area.words..][..usize::from(area.block.words)].fill(0);
    }

    #[inline]
    fn end_entry(&mut self, area: &Area<'d>, entries: u64) {
        if entries > 0 && self.lacks_any(area) && self.faults.missing_in_entry.is_none() {
            self.faults.missing_in_entry = self.lowest_missing(area);
        }
    }

    #[inline]
    fn lacks_any(&self, area: &Area<'d>) -> bool {
        let required = area.dictionary.required_of(area.block);
        required
            .iter()
            .zip(&self.seen[area.words..])
            .any(|(required, seen)| required & !seen != 0)
    }

    /// The lowest tag of the required fields that are not there.
    #[cold]
    fn lowest_missing(&self, area: &Area<'d>) -> Option<Tag> {
        area.dictionary
            .members_of(area.block)
            .iter()
            .enumerate()
            .filter(|&(at, member)| {
                member.required && self.seen[area.words + at / 64] >> (at % 64) & 1 == 0
            })
            .map(|(_, member)| member.tag)
            .min()
    }

    #[cold]
    fn misplaced(&mut self, tag: Tag) {
        if self.checks.sections {
            self.faults.misplaced.get_or_insert(tag);
        }
    }

    #[cold]
    fn fault(&mut self, section: Section, tag: Tag, kind: InvalidKind) {
        let first = match section {
            Section::Header => &mut self.faults.header,
            Section::Body => &mut self.faults.body,
            Section::Trailer => &mut self.faults.trailer,
        };
        first.get_or_insert(Invalid { tag, kind });
    }

    /// The fault to report.
    #[inline]
    fn outcome(&self, unknown_type: bool) -> Result<(), Invalid> {
        let faults = &self.faults;
        let invalid = |kind| move |tag| Invalid { tag, kind };
        let missing = || {
            [Some(&self.header), self.body.as_ref(), Some(&self.trailer)]
                .into_iter()
                .flatten()
                .filter(|area| self.lacks_any(area))
                .find_map(|area| self.lowest_missing(area))
                .or(faults.missing_in_entry)
        };
        let first = faults
            .misplaced
            .map(invalid(InvalidKind::Misplaced))
            .or(unknown_type.then_some(Invalid {
                tag: tag::MSG_TYPE,
                kind: InvalidKind::MsgType,
            }))
            .or_else(|| missing().map(invalid(InvalidKind::Missing)))
            .or(faults.header)
            .or(faults.trailer)
            .or(faults.body);
        first.map_or(Ok(()), Err)
    }
}

/// Whether a value, or each of a list of them, is listed.
#[inline]
pub(super) fn is_listed(dictionary: &Dictionary, slot: &Slot, value: &[u8]) -> bool {
    if slot.of_type.is_list() {
        value
            .split(|&byte| byte == b' ')
            .all(|part| dictionary.lists(slot.field, part))
    } else {
        dictionary.lists(slot.field, value)
    }
}

/// The fields of a message that no dictionary places but that are let through: a hash table that is
/// emptied by counting up.
#[derive(Clone, Debug)]
pub(super) struct Strays {
    /// Tag, and the message it was seen in. Empty if none are let through.
    table: Box<[(Tag, u32)]>,
    message: u32,
}

impl Strays {
    const SIZE: usize = (FIELDS_MAX * 2).next_power_of_two();

    fn new(needed: bool) -> Self {
        let size = if needed { Self::SIZE } else { 0 };
        Self {
            table: vec![(tag::INVALID, 0); size].into(),
            message: 0,
        }
    }

    #[inline]
    fn begin(&mut self) {
        if self.table.is_empty() {
            return;
        }
        self.message = self.message.wrapping_add(1);
        if self.message == 0 {
            self.table.fill((tag::INVALID, 0));
            self.message = 1;
        }
    }

    /// Notes a tag. Answers whether it is new in this message.
    pub(super) fn note(&mut self, tag: Tag) -> bool {
        let start = Block::hash(0x9e37_79b1, 32 - Self::SIZE.trailing_zeros() as u8, tag);
        // A larger index of fields than the usual may fill the table; what is more is let through.
        for at in start..start + self.table.len() {
            let place = &mut self.table[at % Self::SIZE];
            if place.1 != self.message {
                *place = (tag, self.message);
                return true;
            }
            if place.0 == tag {
                return false;
            }
        }
        true
    }
}

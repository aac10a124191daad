//! Makes a table of a model: names resolved, components dissolved, groups shared by all who use them.
//!
//! Total: whatever the model says, the answer is a [`Dictionary`] or the first [`Problem`].

use std::collections::HashMap;

use super::error::Problem;
use super::field_type::FieldType;
use super::model::{self, Model, Part};
use super::table::{
    Block, BlockId, Dictionary, Field, Member, Message, Rule, Slot, TextAt, Type, Value, hash_of_type,
    key_of,
};
use crate::wire::fix::tag::{self, Tag};

/// Groups within groups, and components within components, are followed this deep.
const DEPTH_MAX: usize = 32;

/// Tags from here on are searched for instead of looked up.
const LOW_TAGS_MAX: usize = 65_536;

/// Members of one message or group, and all members, fields and groups: positions have 16 bits.
const MEMBERS_MAX: usize = 4096;

/// Members and components looked at while all components are dissolved. FIX.5.0 SP2 takes a hundred
/// thousand; components that double with every level would take for ever.
const STEPS_MAX: usize = 5_000_000;

/// Tags below this are those of FIX.4.2, which orders and reports consist of in every version.
const LOW_TAG: Tag = 448;

/// Factors to try for a hash table; the best is kept.
const FACTORS: [u32; 8] = [
    0x9e37_79b1,
    0x85eb_ca6b,
    0xc2b2_ae35,
    0x27d4_eb2f,
    0x1656_67b1,
    0xcc9e_2d51,
    0x1b87_3593,
    0xe654_6b64 | 1,
];

pub(super) fn compile(model: &Model<'_>) -> Result<Dictionary, Problem> {
    let mut made = Compiler::new(model)?;
    let header = made.block(&model.header, 0)?;
    let trailer = made.block(&model.trailer, 0)?;
    let mut messages = Vec::new();
    let mut by_type = HashMap::new();
    for message in &model.messages {
        check_message(message, &mut by_type)?;
        let block = made.block(&message.members, 0)?;
        messages.push(Message {
            msg_type: made.texts.add(message.msg_type, message.line)?,
            name: made.texts.add(message.name, message.line)?,
            block,
        });
    }
    Ok(made.finish(&model.name, [header, trailer], messages))
}

fn check_message<'t>(
    message: &model::Message<'t>,
    by_type: &mut HashMap<&'t str, u32>,
) -> Result<(), Problem> {
    let model::Message {
        line,
        msg_type,
        name,
        ..
    } = message;
    if msg_type.is_empty() || !msg_type.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::new(
            *line,
            format!(
                "message {name}: MsgType {msg_type:?} is not accepted, expected visible ASCII characters"
            ),
        ));
    }
    if let Some(before) = by_type.insert(msg_type, *line) {
        return Err(Problem::new(
            *line,
            format!("message {name}: MsgType {msg_type:?} was defined before, in line {before}"),
        ));
    }
    Ok(())
}

struct Compiler<'m, 't> {
    components: HashMap<&'t str, &'m model::Component<'t>>,
    by_name: HashMap<&'t str, u16>,
    texts: Texts,
    fields: Vec<Field>,
    values: Vec<Value>,
    keys: Vec<u64>,
    blocks: Vec<Block>,
    members: Vec<Member>,
    slots: Vec<Slot>,
    required: Vec<u64>,
    /// Blocks of groups made already, by where their members stand in the model.
    groups: HashMap<*const model::Member<'t>, BlockId>,
    /// Names of the components being dissolved, outermost first.
    open: Vec<&'t str>,
    steps: usize,
}

/// What a list of members amounts to, each field once.
struct Flat {
    members: Vec<Member>,
    /// Bit `n`: field `n` is among the members.
    has: Vec<u64>,
}

impl<'m, 't> Compiler<'m, 't> {
    fn new(model: &'m Model<'t>) -> Result<Self, Problem> {
        let mut made = Self {
            components: HashMap::new(),
            by_name: HashMap::new(),
            texts: Texts::default(),
            fields: Vec::new(),
            values: Vec::new(),
            keys: Vec::new(),
            blocks: Vec::new(),
            members: Vec::new(),
            slots: Vec::new(),
            required: Vec::new(),
            groups: HashMap::new(),
            open: Vec::new(),
            steps: 0,
        };
        made.define_fields(&model.fields)?;
        for component in &model.components {
            if let Some(before) = made.components.insert(component.name, component) {
                return Err(Problem::new(
                    component.line,
                    format!(
                        "component {}: defined before, in line {}",
                        component.name, before.line
                    ),
                ));
            }
        }
        // Those that nobody uses are held to the same rules.
        for component in &model.components {
            let mut flat = made.flat();
            made.open.push(component.name);
            made.dissolve(&component.members, true, 1, &mut flat)?;
            made.open.pop();
        }
        Ok(made)
    }

    fn define_fields(&mut self, fields: &[model::Field<'t>]) -> Result<(), Problem> {
        if fields.len() >= usize::from(u16::MAX) {
            let line = fields[usize::from(u16::MAX)].line;
            return Err(Problem::new(line, "more than 65534 fields"));
        }
        let mut ordered: Vec<_> = fields.iter().collect();
        ordered.sort_by_key(|field| (field.tag, field.line));
        if let Some([first, second]) = ordered.array_windows().find(|[a, b]| a.tag == b.tag) {
            return Err(Problem::new(
                second.line,
                format!(
                    "field {}: tag {} was defined before, as {} in line {}",
                    second.name, second.tag, first.name, first.line
                ),
            ));
        }
        for field in ordered {
            let at = self.fields.len() as u16;
            if let Some(before) = self.by_name.insert(field.name, at) {
                return Err(Problem::new(
                    field.line,
                    format!(
                        "field {}: the name was given before, to tag {}",
                        field.name,
                        self.fields[usize::from(before)].tag
                    ),
                ));
            }
            let made = self.field(field)?;
            self.fields.push(made);
        }
        Ok(())
    }

    fn field(&mut self, field: &model::Field<'t>) -> Result<Field, Problem> {
        if field.tag == tag::INVALID {
            return Err(Problem::new(
                field.line,
                format!("field {}: tag 0 is that of no field", field.name),
            ));
        }
        let mut ordered: Vec<_> = field.values.iter().collect();
        ordered.sort_by_key(|value| value.value.as_bytes());
        if let Some([_, second]) = ordered.array_windows().find(|[a, b]| a.value == b.value) {
            return Err(Problem::new(
                second.line,
                format!(
                    "field {}: the value {:?} is listed twice",
                    field.name, second.value
                ),
            ));
        }
        let start = self.values.len() as u32;
        let (mut bytes, mut tens) = ([0; 2], [0; 2]);
        for value in ordered {
            match *value.value.as_bytes() {
                [byte @ 0..128] => bytes[usize::from(byte / 64)] |= 1 << (byte % 64),
                [ten @ b'0'..=b'9', one @ b'0'..=b'9'] => {
                    let number = (ten - b'0') * 10 + (one - b'0');
                    tens[usize::from(number / 64)] |= 1 << (number % 64);
                }
                _ => {}
            }
            self.keys.push(key_of(value.value.as_bytes()));
            self.values.push(Value {
                value: self.texts.add(value.value, value.line)?,
                label: self.texts.add(value.label, value.line)?,
            });
        }
        Ok(Field {
            tag: field.tag,
            name: self.texts.add(field.name, field.line)?,
            of_type: field.of_type,
            open: field.open,
            values: start..self.values.len() as u32,
            bytes,
            tens,
        })
    }

    fn flat(&self) -> Flat {
        Flat {
            members: Vec::new(),
            has: vec![0; self.fields.len().div_ceil(64)],
        }
    }

    /// Makes a block of these members. `depth` counts the groups around it.
    fn block(&mut self, members: &'m [model::Member<'t>], depth: usize) -> Result<BlockId, Problem> {
        let mut flat = self.flat();
        self.dissolve(members, true, depth, &mut flat)?;
        let flat = flat.members;
        if let Some(member) = members.first()
            && flat.len() > MEMBERS_MAX
        {
            return Err(Problem::new(
                member.line,
                format!("more than {MEMBERS_MAX} members in one message or group"),
            ));
        }
        if self.blocks.len() >= usize::from(BlockId::NONE.0) {
            let line = members.first().map_or(0, |member| member.line);
            return Err(Problem::new(line, "more than 65534 messages and groups"));
        }
        let words = flat.len().div_ceil(64).max(1);
        let below = flat
            .iter()
            .filter(|member| member.group != BlockId::NONE)
            .map(|member| self.blocks[usize::from(member.group.0)].words_deep)
            .max();
        let required = self.required.len();
        self.required.resize(required + words, 0);
        for (position, member) in flat.iter().enumerate() {
            if member.required {
                self.required[required + position / 64] |= 1 << (position % 64);
            }
        }
        let required_members = flat.iter().filter(|member| member.required).count();
        let (slots, shift, factor) = self.hash_table(&flat);
        let start = self.members.len() as u32;
        self.members.extend(flat);
        let id = BlockId(self.blocks.len() as u16);
        self.blocks.push(Block {
            members: start..self.members.len() as u32,
            slots,
            shift,
            factor,
            required: required as u32,
            required_members: required_members as u16,
            words: words as u16,
            words_deep: words as u16 + below.unwrap_or(0),
        });
        Ok(id)
    }

    /// Appends what these members amount to, each tag once: some published dictionaries name a field
    /// both in a message and in a component of it. A member of an optional component is optional.
    fn dissolve(
        &mut self,
        members: &'m [model::Member<'t>],
        required: bool,
        depth: usize,
        flat: &mut Flat,
    ) -> Result<(), Problem> {
        for member in members {
            let required = required && member.required;
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(Problem::new(
                    member.line,
                    format!(
                        "{}: too much is repeated by components within components",
                        member.name
                    ),
                ));
            }
            if depth + self.open.len() > DEPTH_MAX {
                return Err(Problem::new(
                    member.line,
                    format!(
                        "{}: more than {DEPTH_MAX} groups and components within each other",
                        member.name
                    ),
                ));
            }
            let group = match &member.part {
                Part::Component => {
                    self.dissolve_component(member, required, depth, flat)?;
                    continue;
                }
                Part::Field => BlockId::NONE,
                Part::Group(entry) => self.group(member, entry, depth + 1)?,
            };
            let Some(&at) = self.by_name.get(member.name) else {
                return Err(Problem::new(
                    member.line,
                    format!(
                        "{} {}: there is no field of this name{}",
                        match member.part {
                            Part::Group(_) => "group",
                            _ => "field",
                        },
                        member.name,
                        suggestion(member.name, self.by_name.keys())
                    ),
                ));
            };
            let tag = self.fields[usize::from(at)].tag;
            let made = Member {
                tag,
                required,
                group,
            };
            flat.add(usize::from(at), made);
        }
        Ok(())
    }

    fn dissolve_component(
        &mut self,
        member: &model::Member<'t>,
        required: bool,
        depth: usize,
        flat: &mut Flat,
    ) -> Result<(), Problem> {
        let Some(&component) = self.components.get(member.name) else {
            return Err(Problem::new(
                member.line,
                format!(
                    "component {}: not defined{}",
                    member.name,
                    suggestion(member.name, self.components.keys())
                ),
            ));
        };
        if self.open.contains(&member.name) {
            self.open.push(member.name);
            return Err(Problem::new(
                member.line,
                format!(
                    "component {}: contains itself: {}",
                    member.name,
                    self.open.join(" > ")
                ),
            ));
        }
        self.open.push(member.name);
        self.dissolve(&component.members, required, depth, flat)?;
        self.open.pop();
        Ok(())
    }

    fn group(
        &mut self,
        member: &model::Member<'t>,
        entry: &'m [model::Member<'t>],
        depth: usize,
    ) -> Result<BlockId, Problem> {
        let Some(first) = entry.first() else {
            return Err(Problem::new(
                member.line,
                format!(
                    "group {}: has no member; the first is the one that each entry begins with",
                    member.name
                ),
            ));
        };
        let key = std::ptr::from_ref(first);
        if let Some(&made) = self.groups.get(&key) {
            return Ok(made);
        }
        let made = self.block(entry, depth)?;
        if self.blocks[usize::from(made.0)].len() == 0 {
            return Err(Problem::new(
                first.line,
                format!(
                    "group {}: its components are empty, so there is no member that each entry begins with",
                    member.name
                ),
            ));
        }
        self.groups.insert(key, made);
        Ok(made)
    }

    /// A table at most half full, with the factor that makes the longest search shortest. The low tags,
    /// which messages have most, come first and are found at once.
    fn hash_table(&mut self, members: &[Member]) -> (u32, u8, u32) {
        let size = (members.len() * 2).next_power_of_two().max(2);
        let shift = 32 - size.trailing_zeros() as u8;
        let start = self.slots.len();
        let mut by_tag: Vec<(usize, &Member)> = members.iter().enumerate().collect();
        by_tag.sort_by_key(|(_, member)| member.tag);
        let mut best = (usize::MAX, FACTORS[0]);
        for factor in FACTORS {
            best = best.min((cost(&by_tag, size, shift, factor), factor));
        }
        let factor = best.1;
        self.slots.resize(start + size, Slot::FREE);
        for (position, member) in by_tag {
            let mut at = Block::hash(factor, shift, member.tag) & (size - 1);
            while self.slots[start + at].tag != 0 {
                at = (at + 1) & (size - 1);
            }
            let field = self
                .fields
                .binary_search_by_key(&member.tag, |field| field.tag)
                .unwrap_or_else(|_| unreachable!("a member was found by its name"));
            let defined = &self.fields[field];
            // Called an int in FIX.4.2 and before.
            let of_type = match member.group {
                BlockId::NONE => defined.of_type,
                _ => FieldType::NumInGroup,
            };
            // What these two may be is not for a list to say: there is a list of messages, and the
            // session knows its dictionaries.
            let listed = !defined.open
                && !defined.values.is_empty()
                && !matches!(member.tag, tag::MSG_TYPE | tag::APPL_VER_ID);
            let (rule, bytes) = match member.group {
                BlockId::NONE if listed => self.rule_of_list(defined),
                BlockId::NONE => (rule_of_type(of_type), 0),
                _ => (Rule::Group, 0),
            };
            self.slots[start + at] = Slot {
                tag: member.tag,
                position: position as u16,
                field: field as u16,
                group: member.group,
                of_type,
                listed,
                rule,
                required: member.required,
                bytes,
            };
        }
        (start as u32, shift, factor)
    }

    /// What is enough for a field with a list, and the bytes in it.
    fn rule_of_list(&self, field: &Field) -> (Rule, u64) {
        let range = field.values.start as usize..field.values.end as usize;
        let values = || {
            self.values[range.clone()].iter().map(|value| {
                let TextAt { start, len } = value.value;
                &self.texts.text.as_bytes()[start as usize..][..usize::from(len)]
            })
        };
        if values().any(|value| !field.of_type.takes(value)) {
            return (Rule::Other, 0);
        }
        let bit = |value: &[u8]| match *value {
            [byte @ b'0'..=b'o'] if !field.of_type.is_list() => Some(1 << (byte - b'0')),
            _ => None,
        };
        match values().try_fold(0, |bytes, value| Some(bytes | bit(value)?)) {
            Some(bytes) => (Rule::ListedByte, bytes),
            None => (Rule::Listed, 0),
        }
    }

    fn finish(self, name: &str, [header, trailer]: [BlockId; 2], messages: Vec<Message>) -> Dictionary {
        let low = self
            .fields
            .iter()
            .map(|field| field.tag as usize + 1)
            .filter(|&end| end <= LOW_TAGS_MAX)
            .max()
            .unwrap_or(0);
        let mut low = vec![0; low];
        let mut high: Vec<(Tag, u16)> = Vec::new();
        for (at, field) in self.fields.iter().enumerate() {
            match low.get_mut(field.tag as usize) {
                Some(place) => *place = at as u16 + 1,
                None => high.push((field.tag, at as u16)),
            }
        }
        let texts = self.texts.text;
        let size = (messages.len() * 2).next_power_of_two().max(2);
        let mut types = vec![Type::default(); size];
        for (nth, message) in messages.iter().enumerate() {
            let text = &texts[message.msg_type.start as usize..][..usize::from(message.msg_type.len)];
            let key = key_of(text.as_bytes());
            let mut at = hash_of_type(key) & (size - 1);
            while types[at].nth != 0 {
                at = (at + 1) & (size - 1);
            }
            types[at] = Type {
                key,
                nth: nth as u16 + 1,
            };
        }
        Dictionary {
            name: name.into(),
            texts: texts.into(),
            fields: self.fields.into(),
            low: low.into(),
            high: high.into(),
            values: self.values.into(),
            keys: self.keys.into(),
            messages: messages.into(),
            types: types.into(),
            header,
            trailer,
            blocks: self.blocks.into(),
            members: self.members.into(),
            slots: self.slots.into(),
            required: self.required.into(),
        }
    }
}

/// What is enough for a field without a list.
const fn rule_of_type(of_type: FieldType) -> Rule {
    match of_type {
        FieldType::String | FieldType::Exchange => Rule::Text,
        FieldType::Char => Rule::Byte,
        FieldType::Length | FieldType::SeqNum | FieldType::NumInGroup => Rule::Number,
        FieldType::Int => Rule::Int,
        FieldType::Float
        | FieldType::Qty
        | FieldType::Price
        | FieldType::PriceOffset
        | FieldType::Amt
        | FieldType::Percentage => Rule::Decimal,
        FieldType::UtcTimestamp => Rule::Timestamp,
        _ => Rule::Other,
    }
}

/// Searches beyond the first place that finding each member once would take, the longest counting most.
fn cost(members: &[(usize, &Member)], size: usize, shift: u8, factor: u32) -> usize {
    let mut taken = vec![false; size];
    let mut sum = 0;
    for (_, member) in members {
        let mut at = Block::hash(factor, shift, member.tag) & (size - 1);
        let mut steps = 0;
        while taken[at] {
            at = (at + 1) & (size - 1);
            steps += 1;
        }
        taken[at] = true;
        let weight = if member.tag < LOW_TAG { 16 } else { 1 };
        sum += weight * steps * steps;
    }
    sum
}

impl Flat {
    fn add(&mut self, field: usize, member: Member) {
        let (word, bit) = (&mut self.has[field / 64], 1 << (field % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.members.push(member);
        } else if let Some(before) = self
            .members
            .iter_mut()
            .find(|other| other.tag == member.tag)
        {
            before.required |= member.required;
        }
    }
}

/// All texts in one.
#[derive(Default)]
struct Texts {
    text: String,
}

impl Texts {
    fn add(&mut self, text: &str, line: u32) -> Result<TextAt, Problem> {
        let start = self.text.len() as u32;
        let Ok(len) = u16::try_from(text.len()) else {
            return Err(Problem::new(
                line,
                "a name, value or description of more than 65535 bytes",
            ));
        };
        self.text.push_str(text);
        Ok(TextAt { start, len })
    }
}

/// `; did you mean ...?` with the name that is most like `name`, if one is.
pub(super) fn suggestion<'n>(name: &str, names: impl Iterator<Item = &'n &'n str>) -> String {
    let limit = (name.chars().count() / 3).max(2);
    names
        .map(|other| (distance(name, other), *other))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map_or_else(String::new, |(_, other)| format!("; did you mean {other}?"))
}

/// How many letters must be changed, added or taken away, capitals aside.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

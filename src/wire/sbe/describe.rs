//! What the messages of a schema consist of, as data: for tools that take a message apart, or make one, by the
//! names of its fields. The codecs carry these descriptions with them, so that there is one source for both.

/// The messages of a schema.
#[derive(Debug)]
pub struct Schema {
    /// `package` of the schema.
    pub package: &'static str,
    /// `schemaId` in the header of its messages.
    pub id: u16,
    /// The newest version.
    pub version: u16,
    /// In order of their `templateId`.
    pub messages: &'static [&'static MessageDescription],
}

impl Schema {
    /// The message of a `templateId`.
    #[must_use]
    pub fn message(&self, template_id: u16) -> Option<&'static MessageDescription> {
        let at = self
            .messages
            .binary_search_by_key(&template_id, |message| message.template_id)
            .ok()?;
        self.messages.get(at).copied()
    }

    /// The message of a name, such as `NewOrderSingle`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&'static MessageDescription> {
        self.messages
            .iter()
            .copied()
            .find(|message| message.name == name)
    }
}

/// A message.
#[derive(Debug)]
pub struct MessageDescription {
    /// Its name.
    pub name: &'static str,
    /// `templateId` in its header.
    pub template_id: u16,
    /// `semanticType` of the schema: MsgType(35) of its FIX counterpart. Empty if there is none.
    pub semantic_type: &'static str,
    /// The first version of the schema that has it.
    pub since: u16,
    /// `schemaId` in its header.
    pub schema_id: u16,
    /// The newest version of its schema.
    pub version: u16,
    /// EncodingType of its framing header.
    pub encoding_type: u16,
    /// What follows the headers.
    pub body: &'static Body,
}

/// A block and what follows it: of a message, or of an entry of a group.
#[derive(Debug)]
pub struct Body {
    /// Bytes of the block in the newest version.
    pub block_length: u16,
    /// The version that changed the block last.
    pub newest: u16,
    /// A block without values: null where there is a null value, else zeros.
    pub image: &'static [u8],
    /// In order of their offsets.
    pub fields: &'static [FieldDescription],
    /// Fields that take no bytes.
    pub constants: &'static [ConstantDescription],
    /// The groups that follow the block, in this order.
    pub groups: &'static [GroupDescription],
    /// The data that follows the groups, in this order.
    pub data: &'static [DataDescription],
}

impl Body {
    /// Bytes of the block in `version`. Versions only append.
    #[must_use]
    pub const fn block_length_in(&self, version: u16) -> u16 {
        if version >= self.newest {
            return self.block_length;
        }
        let mut end = 0;
        let mut at = 0;
        while at < self.fields.len() {
            let field = &self.fields[at];
            if field.since <= version && field.offset + field.size > end {
                end = field.offset + field.size;
            }
            at += 1;
        }
        // Within `block_length`, or `image` would not have compiled.
        end as u16
    }

    /// The field of a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldDescription> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of a block.
#[derive(Debug)]
pub struct FieldDescription {
    /// Its name.
    pub name: &'static str,
    /// Its `id` in the schema: the tag of its FIX counterpart.
    pub tag: u32,
    /// Where it begins in the block, in bytes.
    pub offset: usize,
    /// The first version of the schema that has it.
    pub since: u16,
    /// Whether every message has it.
    pub required: bool,
    /// What it holds.
    pub kind: Kind,
    /// Bytes it takes.
    pub size: usize,
    /// The bytes of no value; empty if there is always one.
    pub null: &'static [u8],
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An unsigned number of so many bytes.
    Unsigned(usize),
    /// A signed number of so many bytes.
    Signed(usize),
    /// A floating-point number of so many bytes.
    Float(usize),
    /// One character.
    Char,
    /// At most so many characters, filled up with zeros.
    Text(usize),
    /// So many bytes that are no text.
    Bytes(usize),
    /// A 64-bit mantissa; the exponent is given here.
    Fixed(i8),
    /// A mantissa of so many bytes, and an exponent of one.
    Decimal(usize),
    /// A number or character with names.
    Enum(&'static EnumDescription),
    /// So many bytes with a name for each bit.
    Set(usize, &'static SetDescription),
    /// So many of the same.
    Array(&'static Kind, usize),
}

/// An enumeration.
#[derive(Debug)]
pub struct EnumDescription {
    /// Its name.
    pub name: &'static str,
    /// What its values are: [`Kind::Unsigned`] or [`Kind::Char`].
    pub raw: &'static Kind,
    /// Values and what they are called.
    pub values: &'static [(u64, &'static str)],
}

impl EnumDescription {
    /// What a value is called.
    #[must_use]
    pub fn label(&self, raw: u64) -> Option<&'static str> {
        self.values
            .iter()
            .find(|&&(value, _)| value == raw)
            .map(|&(_, label)| label)
    }
}

/// A set.
#[derive(Debug)]
pub struct SetDescription {
    /// Its name.
    pub name: &'static str,
    /// Bits, counted from 0, and what they are called.
    pub choices: &'static [(u8, &'static str)],
}

/// A field whose value is in the schema and not in the message.
#[derive(Debug)]
pub struct ConstantDescription {
    /// Its name.
    pub name: &'static str,
    /// Its `id` in the schema.
    pub tag: u32,
    /// Its value as text.
    pub text: &'static str,
}

/// A repeating group.
#[derive(Debug)]
pub struct GroupDescription {
    /// Its name.
    pub name: &'static str,
    /// Its `id` in the schema.
    pub tag: u32,
    /// The first version of the schema that has it.
    pub since: u16,
    /// Bytes of the number of entries in its header.
    pub count_size: usize,
    /// Its entries.
    pub body: &'static Body,
}

/// Data of variable length.
#[derive(Debug)]
pub struct DataDescription {
    /// Its name.
    pub name: &'static str,
    /// Its `id` in the schema.
    pub tag: u32,
    /// The first version of the schema that has it.
    pub since: u16,
    /// Bytes of its length.
    pub length_size: usize,
}

/// A block of zeros with `values` at their offsets. Fails to compile if one lies outside it.
#[doc(hidden)]
#[must_use]
pub const fn image<const N: usize>(values: &[(usize, &[u8])]) -> [u8; N] {
    let mut block = [0; N];
    let mut at = 0;
    while at < values.len() {
        let (offset, bytes) = values[at];
        let mut nth = 0;
        while nth < bytes.len() {
            block[offset + nth] = bytes[nth];
            nth += 1;
        }
        at += 1;
    }
    block
}

/// The greatest of some versions.
#[doc(hidden)]
#[must_use]
pub const fn newest(versions: &[u16]) -> u16 {
    let mut greatest = 0;
    let mut at = 0;
    while at < versions.len() {
        if versions[at] > greatest {
            greatest = versions[at];
        }
        at += 1;
    }
    greatest
}

/// Where a required field ends; 0 for one that may be missing.
#[doc(hidden)]
#[must_use]
pub const fn required_end<F: super::Field>(offset: usize) -> usize {
    if F::REQUIRED {
        offset + <F::Scalar as super::Scalar>::SIZE
    } else {
        0
    }
}

/// The greatest end of some fields.
#[doc(hidden)]
#[must_use]
pub const fn greatest(fields: &[(&str, usize)]) -> usize {
    let mut greatest = 0;
    let mut at = 0;
    while at < fields.len() {
        if fields[at].1 > greatest {
            greatest = fields[at].1;
        }
        at += 1;
    }
    greatest
}

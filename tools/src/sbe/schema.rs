//! An SBE 1.0 schema file, read into what the generator needs. Whatever it cannot generate it refuses, with the file,
//! the line and the element.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use roxmltree::{Document, Node};

/// A schema.
pub struct Schema {
    pub package: String,
    pub id: u16,
    pub version: u16,
    pub types: BTreeMap<String, Type>,
    pub messages: Vec<Message>,
}

/// A type that fields may have.
#[derive(Clone)]
pub enum Type {
    Simple(Simple),
    Composite(Vec<Member>),
    Enum(Enum),
    Set(Set),
}

#[derive(Clone)]
pub struct Simple {
    pub primitive: Primitive,
    pub length: usize,
    pub optional: bool,
    /// Its own null value, as its bits.
    pub null: Option<u64>,
    pub constant: Option<String>,
}

#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub offset: Option<usize>,
    pub of: Type,
}

#[derive(Clone)]
pub struct Enum {
    pub name: String,
    pub description: String,
    pub raw: Simple,
    /// Names, and values as they stand in the file.
    pub values: Vec<(String, String)>,
}

#[derive(Clone)]
pub struct Set {
    pub name: String,
    pub description: String,
    pub raw: Primitive,
    pub choices: Vec<(String, u8)>,
}

pub struct Message {
    pub name: String,
    pub id: u16,
    pub semantic_type: String,
    pub description: String,
    pub since: u16,
    pub body: Body,
}

#[derive(Default)]
pub struct Body {
    pub block_length: Option<usize>,
    pub fields: Vec<Field>,
    pub groups: Vec<Group>,
    pub data: Vec<Data>,
}

pub struct Field {
    pub name: String,
    pub id: u32,
    pub of: Type,
    pub optional: bool,
    /// The value of a field with presence `constant`.
    pub constant: Option<String>,
    pub offset: Option<usize>,
    pub since: u16,
    /// Where it stands, for errors.
    pub place: String,
}

pub struct Group {
    pub name: String,
    pub id: u32,
    pub since: u16,
    pub count_size: usize,
    pub body: Body,
}

pub struct Data {
    pub name: String,
    pub id: u32,
    pub since: u16,
    pub length_size: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Primitive {
    Char,
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

impl Primitive {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "char" => Self::Char,
            "uint8" => Self::Unsigned(1),
            "uint16" => Self::Unsigned(2),
            "uint32" => Self::Unsigned(4),
            "uint64" => Self::Unsigned(8),
            "int8" => Self::Signed(1),
            "int16" => Self::Signed(2),
            "int32" => Self::Signed(4),
            "int64" => Self::Signed(8),
            "float" => Self::Float(4),
            "double" => Self::Float(8),
            _ => return None,
        })
    }

    /// Bytes it takes.
    pub fn size(self) -> usize {
        match self {
            Self::Char => 1,
            Self::Unsigned(size) | Self::Signed(size) | Self::Float(size) => size,
        }
    }

    /// Bits of the null value that SBE gives it.
    pub fn null(self) -> u64 {
        match self {
            Self::Char | Self::Float(_) => 0,
            Self::Unsigned(size) => u64::MAX >> (64 - 8 * size),
            Self::Signed(size) => 1 << (8 * size - 1),
        }
    }

    /// The bits of a number as a file has it.
    fn bits(self, text: &str) -> Option<u64> {
        let mask = u64::MAX >> (64 - 8 * self.size());
        match self {
            Self::Unsigned(_) => text.parse::<u64>().ok().filter(|&bits| bits <= mask),
            Self::Signed(_) => text
                .parse::<i64>()
                .ok()
                .map(|number| number.cast_unsigned() & mask),
            // A number is a code, anything else stands for itself.
            Self::Char => text
                .parse::<u8>()
                .ok()
                .map(u64::from)
                .or_else(|| match text.as_bytes() {
                    [byte] => Some(u64::from(*byte)),
                    _ => None,
                }),
            Self::Float(_) => None,
        }
    }
}

impl Simple {
    fn plain(primitive: Primitive) -> Self {
        Self {
            primitive,
            length: 1,
            optional: false,
            null: None,
            constant: None,
        }
    }
}

/// Reads the file.
pub fn load(path: &Path) -> anyhow::Result<Schema> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text, &path.display().to_string())
}

/// Reads the text of a file of that name.
pub fn parse(text: &str, file: &str) -> anyhow::Result<Schema> {
    let document = Document::parse(text).map_err(|error| anyhow!("{file}: no XML: {error}"))?;
    let reader = Reader { file };
    reader.schema(document.root_element())
}

struct Reader<'f> {
    file: &'f str,
}

type Types = BTreeMap<String, Type>;

impl Reader<'_> {
    fn schema(&self, root: Node<'_, '_>) -> anyhow::Result<Schema> {
        if root.tag_name().name() != "messageSchema" {
            bail!(
                "{}: the root of an SBE schema is <messageSchema>",
                self.place(root)
            );
        }
        if let Some(order) = root.attribute("byteOrder")
            && order != "littleEndian"
        {
            bail!(
                "{}: byteOrder {order:?}: only littleEndian can be generated",
                self.place(root)
            );
        }
        let mut types: Types = [
            "char", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float",
            "double",
        ]
        .into_iter()
        .filter_map(|name| {
            Some((
                name.to_owned(),
                Type::Simple(Simple::plain(Primitive::named(name)?)),
            ))
        })
        .collect();
        for node in children(root).filter(|node| node.tag_name().name() == "types") {
            self.types(node, &mut types)?;
        }
        let header = root.attribute("headerType").unwrap_or("messageHeader");
        self.check_header(root, header, &types)?;
        let mut messages: Vec<Message> = Vec::new();
        for node in children(root) {
            match node.tag_name().name() {
                "types" => {}
                "message" => {
                    let message = self.message(node, &types)?;
                    if let Some(other) = messages.iter().find(|other| other.id == message.id) {
                        bail!(
                            "{}: id {} is that of {} too",
                            self.place(node),
                            message.id,
                            other.name
                        );
                    }
                    messages.push(message);
                }
                _ => return Err(self.unknown(node)),
            }
        }
        messages.sort_by_key(|message| message.id);
        Ok(Schema {
            package: root.attribute("package").unwrap_or("messages").to_owned(),
            id: self.number(root, "id")?,
            version: self.number(root, "version")?,
            types,
            messages,
        })
    }

    /// The frame has a header of four 16-bit numbers; a schema with another cannot be read behind it.
    fn check_header(&self, root: Node<'_, '_>, name: &str, types: &Types) -> anyhow::Result<()> {
        const WANTED: [&str; 4] = ["blockLength", "templateId", "schemaId", "version"];
        let Some(Type::Composite(members)) = types.get(name) else {
            bail!(
                "{}: no composite {name:?} for the message header",
                self.place(root)
            );
        };
        let fits = members.len() == WANTED.len()
            && members.iter().zip(WANTED).all(|(member, wanted)| {
                member.name == wanted
                    && matches!(&member.of, Type::Simple(simple) if simple.primitive == Primitive::Unsigned(2))
            });
        if !fits {
            bail!(
                "{}: the message header {name:?} must be {}, each a uint16",
                self.place(root),
                WANTED.join(", ")
            );
        }
        Ok(())
    }

    /// Types may be used before they are declared: those that cannot be resolved yet wait for the others.
    fn types(&self, node: Node<'_, '_>, types: &mut Types) -> anyhow::Result<()> {
        let mut waiting: Vec<Node<'_, '_>> = children(node).collect();
        while !waiting.is_empty() {
            let mut refused = Vec::new();
            let before = waiting.len();
            let mut why = None;
            for node in waiting {
                match self.a_type(node, types) {
                    Ok(of) => {
                        types.insert(self.name(node)?, of);
                    }
                    Err(error) => {
                        why.get_or_insert(error);
                        refused.push(node);
                    }
                }
            }
            if refused.len() == before {
                return Err(why.unwrap_or_else(|| anyhow!("{}: no types", self.place(node))));
            }
            waiting = refused;
        }
        Ok(())
    }

    fn a_type(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Type> {
        match node.tag_name().name() {
            "type" => self.simple(node).map(Type::Simple),
            "composite" => {
                let mut members = Vec::new();
                for child in children(node) {
                    let of = if child.tag_name().name() == "ref" {
                        self.type_of(child, types)?
                    } else {
                        self.a_type(child, types)?
                    };
                    members.push(Member {
                        name: self.name(child)?,
                        offset: self.optional_number(child, "offset")?,
                        of,
                    });
                }
                Ok(Type::Composite(members))
            }
            "enum" => self.an_enum(node, types).map(Type::Enum),
            "set" => self.a_set(node, types).map(Type::Set),
            _ => Err(self.unknown(node)),
        }
    }

    fn simple(&self, node: Node<'_, '_>) -> anyhow::Result<Simple> {
        let name = self.attribute(node, "primitiveType")?;
        let primitive = Primitive::named(name)
            .ok_or_else(|| anyhow!("{}: no primitiveType {name:?}", self.place(node)))?;
        let presence = self.presence(node)?;
        let null = match node.attribute("nullValue") {
            Some(text) if !matches!(primitive, Primitive::Float(_)) => Some(
                primitive
                    .bits(text)
                    .ok_or_else(|| anyhow!("{}: nullValue {text:?} is no {name}", self.place(node)))?,
            ),
            _ => None,
        };
        Ok(Simple {
            primitive,
            length: self.optional_number(node, "length")?.unwrap_or(1),
            optional: presence == "optional",
            null,
            constant: (presence == "constant")
                .then(|| node.text().unwrap_or_default().trim().to_owned()),
        })
    }

    fn an_enum(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Enum> {
        let raw = self.encoding(node, types)?;
        if raw.length != 1 || matches!(raw.primitive, Primitive::Float(_)) {
            bail!("{}: an enum is a number or one character", self.place(node));
        }
        let mut values = Vec::new();
        for child in children(node) {
            if child.tag_name().name() != "validValue" {
                return Err(self.unknown(child));
            }
            let value = child.text().unwrap_or_default().trim().to_owned();
            let sound = match raw.primitive {
                Primitive::Char => value.len() == 1,
                primitive => primitive.bits(&value).is_some(),
            };
            if !sound {
                bail!(
                    "{}: the value {value:?} does not fit the encodingType",
                    self.place(child)
                );
            }
            values.push((self.name(child)?, value));
        }
        Ok(Enum {
            name: self.name(node)?,
            description: description(node),
            raw,
            values,
        })
    }

    fn a_set(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Set> {
        let raw = self.encoding(node, types)?.primitive;
        let Primitive::Unsigned(size) = raw else {
            bail!("{}: a set is an unsigned number", self.place(node));
        };
        let mut choices = Vec::new();
        for child in children(node) {
            if child.tag_name().name() != "choice" {
                return Err(self.unknown(child));
            }
            let text = child.text().unwrap_or_default().trim();
            let bit = text
                .parse::<u8>()
                .ok()
                .filter(|&bit| usize::from(bit) < 8 * size);
            let bit =
                bit.ok_or_else(|| anyhow!("{}: {text:?} is no bit of the set", self.place(child)))?;
            choices.push((self.name(child)?, bit));
        }
        Ok(Set {
            name: self.name(node)?,
            description: description(node),
            raw,
            choices,
        })
    }

    /// `encodingType`: a primitive, or the name of a type.
    fn encoding(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Simple> {
        let name = self.attribute(node, "encodingType")?;
        match types.get(name) {
            Some(Type::Simple(simple)) => Ok(simple.clone()),
            _ => bail!("{}: no simple type {name:?}", self.place(node)),
        }
    }

    fn message(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Message> {
        let id: u16 = self.number(node, "id")?;
        let name = self.name(node)?;
        // Some schemas repeat the number in the name.
        let bare = name
            .strip_suffix(&id.to_string())
            .filter(|bare| !bare.is_empty());
        Ok(Message {
            name: bare.unwrap_or(&name).to_owned(),
            id,
            semantic_type: node
                .attribute("semanticType")
                .unwrap_or_default()
                .to_owned(),
            description: description(node),
            since: self.optional_number(node, "sinceVersion")?.unwrap_or(0),
            body: self.body(node, types, &["blockLength", "numInGroup"])?,
        })
    }

    fn body(&self, node: Node<'_, '_>, types: &Types, dimension: &[&str]) -> anyhow::Result<Body> {
        let mut body = Body {
            block_length: self.optional_number(node, "blockLength")?,
            ..Body::default()
        };
        for child in children(node) {
            let kind = child.tag_name().name();
            let late = match kind {
                "field" => !body.groups.is_empty() || !body.data.is_empty(),
                "group" => !body.data.is_empty(),
                _ => false,
            };
            if late {
                bail!(
                    "{}: fields come first, then groups, then data",
                    self.place(child)
                );
            }
            match kind {
                "field" => body.fields.push(self.field(child, types)?),
                "group" => body.groups.push(self.group(child, types, dimension)?),
                "data" => body.data.push(self.data(child, types)?),
                _ => return Err(self.unknown(child)),
            }
        }
        Ok(body)
    }

    fn field(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Field> {
        let presence = self.presence(node)?;
        let constant = match (presence, node.attribute("valueRef")) {
            ("constant", Some(reference)) => Some(self.referenced(node, reference, types)?),
            ("constant", None) => node
                .text()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty()),
            _ => None,
        };
        let of = self.type_of(node, types)?;
        if presence == "constant"
            && constant.is_none()
            && !matches!(&of, Type::Simple(simple) if simple.constant.is_some())
        {
            bail!("{}: a constant field without a value", self.place(node));
        }
        Ok(Field {
            name: self.name(node)?,
            id: self.number(node, "id")?,
            of,
            optional: presence == "optional",
            constant,
            offset: self.optional_number(node, "offset")?,
            since: self.optional_number(node, "sinceVersion")?.unwrap_or(0),
            place: self.place(node),
        })
    }

    /// `Enumeration.Value`.
    fn referenced(&self, node: Node<'_, '_>, reference: &str, types: &Types) -> anyhow::Result<String> {
        let found = reference
            .split_once('.')
            .and_then(|(name, label)| match types.get(name) {
                Some(Type::Enum(of)) => of.values.iter().find(|value| value.0 == label),
                _ => None,
            });
        match found {
            Some((_, value)) => Ok(value.clone()),
            None => bail!("{}: no value {reference:?}", self.place(node)),
        }
    }

    fn group(&self, node: Node<'_, '_>, types: &Types, dimension: &[&str]) -> anyhow::Result<Group> {
        let name = node
            .attribute("dimensionType")
            .unwrap_or("groupSizeEncoding");
        let Some(Type::Composite(members)) = types.get(name) else {
            bail!(
                "{}: no composite {name:?} for the header of the group",
                self.place(node)
            );
        };
        let sizes: Vec<Option<usize>> = members
            .iter()
            .zip(dimension)
            .map(|(member, &wanted)| match &member.of {
                Type::Simple(simple) if member.name == wanted => match simple.primitive {
                    Primitive::Unsigned(size) => Some(size),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let (2, [Some(2), Some(count_size)]) = (members.len(), &*sizes) else {
            bail!(
                "{}: the header {name:?} of a group must be blockLength, a uint16, and numInGroup, an unsigned number",
                self.place(node)
            );
        };
        Ok(Group {
            name: self.name(node)?,
            id: self.number(node, "id")?,
            since: self.optional_number(node, "sinceVersion")?.unwrap_or(0),
            count_size: *count_size,
            body: self.body(node, types, dimension)?,
        })
    }

    fn data(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Data> {
        let name = self.attribute(node, "type")?;
        let length = match types.get(name) {
            Some(Type::Composite(members)) if members.len() == 2 => match &members[0].of {
                Type::Simple(simple) if members[0].name == "length" => Some(simple.primitive),
                _ => None,
            },
            _ => None,
        };
        let Some(Primitive::Unsigned(length_size)) = length else {
            bail!(
                "{}: the type {name:?} of data must be a composite of length, an unsigned number, and the bytes",
                self.place(node)
            );
        };
        Ok(Data {
            name: self.name(node)?,
            id: self.number(node, "id")?,
            since: self.optional_number(node, "sinceVersion")?.unwrap_or(0),
            length_size,
        })
    }

    fn type_of(&self, node: Node<'_, '_>, types: &Types) -> anyhow::Result<Type> {
        let name = self.attribute(node, "type")?;
        match types.get(name) {
            Some(of) => Ok(of.clone()),
            None => bail!("{}: no type {name:?}", self.place(node)),
        }
    }

    fn presence<'n>(&self, node: Node<'n, '_>) -> anyhow::Result<&'n str> {
        match node.attribute("presence").unwrap_or("required") {
            presence @ ("required" | "optional" | "constant") => Ok(presence),
            other => bail!(
                "{}: presence {other:?} is none of required, optional, constant",
                self.place(node)
            ),
        }
    }

    fn name(&self, node: Node<'_, '_>) -> anyhow::Result<String> {
        let name = self.attribute(node, "name")?;
        let sound = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !sound {
            bail!(
                "{}: {name:?} is no name: letters, digits and _",
                self.place(node)
            );
        }
        Ok(name.to_owned())
    }

    fn attribute<'n>(&self, node: Node<'n, '_>, name: &str) -> anyhow::Result<&'n str> {
        node.attribute(name)
            .ok_or_else(|| anyhow!("{}: no attribute {name}", self.place(node)))
    }

    fn number<N: std::str::FromStr>(&self, node: Node<'_, '_>, name: &str) -> anyhow::Result<N> {
        let text = self.attribute(node, name)?;
        text.parse().map_err(|_| {
            anyhow!(
                "{}: {name} {text:?} is no number in range",
                self.place(node)
            )
        })
    }

    fn optional_number<N: std::str::FromStr>(
        &self,
        node: Node<'_, '_>,
        name: &str,
    ) -> anyhow::Result<Option<N>> {
        node.attribute(name)
            .map(|_| self.number(node, name))
            .transpose()
    }

    fn unknown(&self, node: Node<'_, '_>) -> anyhow::Error {
        anyhow!(
            "{}: an element that SBE 1.0 does not have here",
            self.place(node)
        )
    }

    /// File, line, and the element with its name.
    fn place(&self, node: Node<'_, '_>) -> String {
        let line = node.document().text_pos_at(node.range().start).row;
        let tag = node.tag_name().name();
        match node.attribute("name") {
            Some(name) => format!("{}:{line}: <{tag} name={name:?}>", self.file),
            None => format!("{}:{line}: <{tag}>", self.file),
        }
    }
}

fn children<'n, 'd>(node: Node<'n, 'd>) -> impl Iterator<Item = Node<'n, 'd>> {
    node.children().filter(Node::is_element)
}

fn description(node: Node<'_, '_>) -> String {
    node.attribute("description")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

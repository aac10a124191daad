//! Dictionaries in the XML form that most FIX engines read.
//!
//! Reads what users have, so it is strict about what would change the meaning of a message and says
//! where: an unknown element, a missing attribute, a type that is none. Entities of the document's own
//! and external ones are not read.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::Problem;
use super::field_type::FieldType;
use super::model::{Component, Field, Member, Message, Model, Part, Value};
use crate::wire::fix::tag::{self, Tag};

/// Groups within groups, beyond which a file is refused.
const DEPTH_MAX: usize = 32;

/// An element of more than this many bytes of markup nested around it is refused before it is parsed.
const NESTING_MAX: usize = 128;

/// Parses the document. Its text must outlive the model.
pub(super) fn document(text: &str) -> Result<Document<'_>, Problem> {
    check_nesting(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| {
        let line = error.pos().row;
        Problem::new(line, format!("no well-formed XML: {error}"))
    })
}

/// Reads a dictionary.
pub(super) fn parse<'d>(document: &'d Document<'_>) -> Result<Model<'d>, Problem> {
    Reader::new(document).read(document.root_element())
}

/// Elements nested very deep would take the parser down.
fn check_nesting(text: &str) -> Result<(), Problem> {
    let mut depth = 0_usize;
    let mut line = 1;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match (
            byte,
            bytes.get(at + 1),
            at.checked_sub(1).map(|at| bytes[at]),
        ) {
            (b'\n', ..) => line += 1,
            (b'<', Some(b'/'), _) => depth = depth.saturating_sub(1),
            (b'<', Some(next), _) if next.is_ascii_alphabetic() => depth += 1,
            (b'>', _, Some(b'/')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(Problem::new(
                line,
                format!("more than {NESTING_MAX} elements within each other"),
            ));
        }
    }
    Ok(())
}

/// What is said differently in the files of one version.
struct Dialect {
    /// CHAR is any text.
    chars_are_text: bool,
}

struct Reader {
    /// Offset at which each line begins.
    lines: Vec<usize>,
}

impl Reader {
    fn new(document: &Document<'_>) -> Self {
        let newlines = document.input_text().bytes().enumerate();
        let starts = newlines
            .filter(|&(_, byte)| byte == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            lines: std::iter::once(0).chain(starts).collect(),
        }
    }

    fn read<'d>(&self, root: Node<'d, '_>) -> Result<Model<'d>, Problem> {
        if root.tag_name().name() != "fix" {
            return Err(self.unexpected(root, "<fix>"));
        }
        let (name, dialect) = self.version(root)?;
        let mut model = Model {
            name,
            fields: Vec::new(),
            header: Vec::new(),
            trailer: Vec::new(),
            components: Vec::new(),
            messages: Vec::new(),
        };
        for section in elements(root) {
            match section.tag_name().name() {
                "header" => self.members(section, 0, &mut model.header)?,
                "trailer" => self.members(section, 0, &mut model.trailer)?,
                "messages" => {
                    for node in elements(section) {
                        self.expect(node, "message")?;
                        let mut members = Vec::new();
                        self.members(node, 0, &mut members)?;
                        model.messages.push(Message {
                            line: self.line(node),
                            msg_type: self.attribute(node, "msgtype")?,
                            name: self.name(node)?,
                            members,
                        });
                    }
                }
                "components" => {
                    for node in elements(section) {
                        self.expect(node, "component")?;
                        let mut members = Vec::new();
                        self.members(node, 0, &mut members)?;
                        model.components.push(Component {
                            line: self.line(node),
                            name: self.name(node)?,
                            members,
                        });
                    }
                }
                "fields" => {
                    for node in elements(section) {
                        self.expect(node, "field")?;
                        model.fields.push(self.field(node, &dialect)?);
                    }
                }
                _ => {
                    let right = "<header>, <trailer>, <messages>, <components> or <fields>";
                    return Err(self.unexpected(section, right));
                }
            }
        }
        if model.fields.is_empty() {
            return Err(Problem::new(
                self.line(root),
                "<fix>: has no <fields>; every field that is used must be defined there",
            ));
        }
        Ok(model)
    }

    fn version(&self, root: Node<'_, '_>) -> Result<(String, Dialect), Problem> {
        let kind = root.attribute("type").unwrap_or("FIX");
        if !matches!(kind, "FIX" | "FIXT") {
            return Err(self.wrong(root, "type", kind, "FIX or FIXT"));
        }
        let number = |name, default| match (root.attribute(name), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.lacks(root, name)),
            (Some(text), _) => text
                .parse::<u8>()
                .map_err(|_| self.wrong(root, name, text, "a number")),
        };
        let (major, minor) = (number("major", None)?, number("minor", None)?);
        let pack = number("servicepack", Some(0))?;
        let mut name = format!("{kind}.{major}.{minor}");
        if pack > 0 {
            name.push_str(&format!("SP{pack}"));
        }
        let dialect = Dialect {
            chars_are_text: kind == "FIX" && major == 4 && minor < 2,
        };
        Ok((name, dialect))
    }

    fn field<'d>(&self, node: Node<'d, '_>, dialect: &Dialect) -> Result<Field<'d>, Problem> {
        let name = self.name(node)?;
        let number = self.attribute(node, "number")?;
        let tag: Tag = number
            .parse()
            .ok()
            .filter(|&tag| tag != tag::INVALID)
            .ok_or_else(|| self.wrong(node, "number", number, "a number from 1 to 4294967295"))?;
        let type_name = self.attribute(node, "type")?;
        let mut of_type = FieldType::named(&type_name.to_ascii_uppercase()).ok_or_else(|| {
            let all: Vec<&str> = FieldType::ALL.iter().map(|one| one.name()).collect();
            self.wrong(
                node,
                "type",
                type_name,
                &format!("one of {}", all.join(", ")),
            )
        })?;
        if dialect.chars_are_text && of_type == FieldType::Char {
            // The one field of those versions that may hold several of its values.
            of_type = if tag == tag::EXEC_INST {
                FieldType::MultipleCharValue
            } else {
                FieldType::String
            };
        }
        let mut open = match node.attribute("allowOtherValues") {
            None | Some("N" | "false") => false,
            Some("Y" | "true") => true,
            Some(other) => return Err(self.wrong(node, "allowOtherValues", other, "Y or N")),
        };
        let mut values = Vec::new();
        for child in elements(node) {
            self.expect(child, "value")?;
            let value = self.attribute(child, "enum")?;
            if value.is_empty() {
                return Err(self.wrong(child, "enum", value, "the text of a value"));
            }
            if value.contains(' ') {
                // "ISO Country Code": the description of further values.
                open = true;
                continue;
            }
            values.push(Value {
                line: self.line(child),
                value,
                label: child.attribute("description").unwrap_or_default(),
            });
        }
        Ok(Field {
            line: self.line(node),
            tag,
            name,
            of_type,
            open,
            values,
        })
    }

    fn members<'d>(
        &self,
        parent: Node<'d, '_>,
        depth: usize,
        members: &mut Vec<Member<'d>>,
    ) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::new(
                self.line(parent),
                format!("<group>: more than {DEPTH_MAX} groups within each other"),
            ));
        }
        for node in elements(parent) {
            let part = match node.tag_name().name() {
                "field" => {
                    if let Some(child) = elements(node).next() {
                        return Err(self.unexpected(child, "nothing; a member names its field only"));
                    }
                    Part::Field
                }
                "component" => Part::Component,
                "group" => {
                    let mut entry = Vec::new();
                    self.members(node, depth + 1, &mut entry)?;
                    Part::Group(entry)
                }
                _ => return Err(self.unexpected(node, "<field>, <component> or <group>")),
            };
            let required = match self.attribute(node, "required")? {
                "Y" | "y" => true,
                "N" | "n" => false,
                other => return Err(self.wrong(node, "required", other, "Y or N")),
            };
            members.push(Member {
                line: self.line(node),
                name: self.name(node)?,
                required,
                part,
            });
        }
        Ok(())
    }

    /// The attribute that others refer to the element by.
    fn name<'d>(&self, node: Node<'d, '_>) -> Result<&'d str, Problem> {
        let name = self.attribute(node, "name")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.wrong(node, "name", name, "visible ASCII characters"));
        }
        Ok(name)
    }

    fn attribute<'d>(&self, node: Node<'d, '_>, name: &str) -> Result<&'d str, Problem> {
        node.attribute(name).ok_or_else(|| self.lacks(node, name))
    }

    fn expect(&self, node: Node<'_, '_>, name: &str) -> Result<(), Problem> {
        if node.tag_name().name() == name {
            Ok(())
        } else {
            Err(self.unexpected(node, &format!("<{name}>")))
        }
    }

    fn unexpected(&self, node: Node<'_, '_>, right: &str) -> Problem {
        Problem::new(
            self.line(node),
            format!("{} is not expected here, but {right}", shown(node)),
        )
    }

    fn lacks(&self, node: Node<'_, '_>, name: &str) -> Problem {
        Problem::new(
            self.line(node),
            format!("{}: lacks the attribute {name}", shown(node)),
        )
    }

    fn wrong(&self, node: Node<'_, '_>, name: &str, value: &str, right: &str) -> Problem {
        Problem::new(
            self.line(node),
            format!(
                "{}: {name}={value:?} is not accepted, expected {right}",
                shown(node)
            ),
        )
    }

    fn line(&self, node: Node<'_, '_>) -> u32 {
        let start = node.range().start;
        self.lines.partition_point(|&line| line <= start) as u32
    }
}

fn elements<'d, 'i>(node: Node<'d, 'i>) -> impl Iterator<Item = Node<'d, 'i>> {
    node.children().filter(Node::is_element)
}

/// `<field name="Foo">`, so that it can be found.
fn shown(node: Node<'_, '_>) -> String {
    let element = node.tag_name().name();
    match node.attribute("name") {
        Some(name) => format!("<{element} name={name:?}>"),
        None => format!("<{element}>"),
    }
}

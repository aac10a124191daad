//! Dictionaries in the project's own format: one thing per line, made to be read and compared.
//!
//! ```text
//! dictionary FIX.4.4
//! field 40 OrdType CHAR           tag, name, type; `open` behind it: other values are allowed too
//!  1 MARKET                       value, and what it means
//!  2 LIMIT
//! header                          members of the header, then of the trailer
//!  BeginString!                   `!`: required
//! trailer
//!  CheckSum!
//! component Parties
//!  NoPartyIDs {                   a group: its counter, and between braces what an entry consists of
//!   PartyID                       the first one begins each entry
//!  }
//! message D NewOrderSingle        MsgType(35), name
//!  ClOrdID!
//!  @Parties                       the members of a component in its place
//! # a comment
//! ```
//!
//! Headings begin a line; everything else is indented, how far does not matter.

use std::fmt;

use super::error::Problem;
use super::field_type::FieldType;
use super::model::{Component, Field, Member, Message, Model, Part, Value};

/// Groups within groups, beyond which a file is refused.
const DEPTH_MAX: usize = 32;

/// Reads a dictionary.
pub(super) fn parse(text: &str) -> Result<Model<'_>, Problem> {
    let mut reader = Reader {
        lines: text.lines().enumerate(),
        line: 0,
    };
    let Some(["dictionary", name]) = reader.next().map(words) else {
        return Err(Problem::new(
            reader.line,
            "expected `dictionary NAME` in the first line",
        ));
    };
    let mut model = Model {
        name: name.to_owned(),
        fields: Vec::new(),
        header: Vec::new(),
        trailer: Vec::new(),
        components: Vec::new(),
        messages: Vec::new(),
    };
    let mut next = reader.next();
    while let Some(heading) = next {
        let line = reader.line;
        let (keyword, rest) = heading.split_once(' ').unwrap_or((heading, ""));
        match (keyword, words(rest)) {
            ("field", _) => {
                let mut field = reader.field(rest)?;
                next = reader.values(&mut field);
                model.fields.push(field);
            }
            ("header", ["", ""]) => next = reader.members(&mut model.header, 0)?,
            ("trailer", ["", ""]) => next = reader.members(&mut model.trailer, 0)?,
            ("component", [name, ""]) if !name.is_empty() => {
                let mut members = Vec::new();
                next = reader.members(&mut members, 0)?;
                model.components.push(Component {
                    line,
                    name,
                    members,
                });
            }
            ("message", [msg_type, name]) if !name.is_empty() => {
                let mut members = Vec::new();
                next = reader.members(&mut members, 0)?;
                model.messages.push(Message {
                    line,
                    msg_type,
                    name,
                    members,
                });
            }
            _ => {
                return Err(Problem::new(
                    line,
                    format!(
                        "{heading:?} is not understood, expected `field TAG NAME TYPE`, `header`, \
                         `trailer`, `component NAME` or `message TYPE NAME`"
                    ),
                ));
            }
        }
    }
    Ok(model)
}

/// A heading is what begins with one of these; a value or member never does, because it is indented.
fn is_heading(raw: &str) -> bool {
    raw.starts_with(|first: char| first.is_ascii_lowercase())
}

/// The first word, and the rest.
fn words(text: &str) -> [&str; 2] {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    [first, rest]
}

struct Reader<'t> {
    lines: std::iter::Enumerate<std::str::Lines<'t>>,
    line: u32,
}

impl<'t> Reader<'t> {
    /// The next line that says something, as it is.
    fn next(&mut self) -> Option<&'t str> {
        for (nth, line) in self.lines.by_ref() {
            self.line = nth as u32 + 1;
            let line = line.trim_end();
            if !line.is_empty() && !line.starts_with('#') {
                return Some(line);
            }
        }
        None
    }

    fn field(&self, rest: &'t str) -> Result<Field<'t>, Problem> {
        let wrong = |what: String| Problem::new(self.line, what);
        let mut parts = rest.split(' ');
        let (Some(tag), Some(name), Some(of_type)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong(format!(
                "{rest:?} is not understood, expected `field TAG NAME TYPE`"
            )));
        };
        let tag = tag
            .parse()
            .map_err(|_| wrong(format!("field {name}: tag {tag:?} is no number above 0")))?;
        let of_type = FieldType::named(of_type)
            .ok_or_else(|| wrong(format!("field {name}: there is no type {of_type:?}")))?;
        let open = match (parts.next(), parts.next()) {
            (None, _) => false,
            (Some("open"), None) => true,
            (Some(more), _) => {
                return Err(wrong(format!(
                    "field {name}: {more:?} is not understood, expected `open` or nothing"
                )));
            }
        };
        Ok(Field {
            line: self.line,
            tag,
            name,
            of_type,
            open,
            values: Vec::new(),
        })
    }

    /// Reads the values of a field. Answers the heading behind them.
    fn values(&mut self, field: &mut Field<'t>) -> Option<&'t str> {
        loop {
            let line = self.next()?;
            if is_heading(line) {
                return Some(line);
            }
            let [value, label] = words(line.trim_start());
            field.values.push(Value {
                line: self.line,
                value,
                label,
            });
        }
    }

    /// Reads members up to the next heading, or the end of the group. Answers the heading.
    fn members(
        &mut self,
        members: &mut Vec<Member<'t>>,
        depth: usize,
    ) -> Result<Option<&'t str>, Problem> {
        let opened = self.line;
        loop {
            let Some(line) = self.next() else {
                return if depth == 0 {
                    Ok(None)
                } else {
                    Err(Problem::new(opened, "the group is not closed with }"))
                };
            };
            if is_heading(line) {
                return if depth == 0 {
                    Ok(Some(line))
                } else {
                    Err(Problem::new(
                        self.line,
                        format!(
                            "{line:?} inside a group; the group of line {opened} is not closed with }}"
                        ),
                    ))
                };
            }
            let text = line.trim_start();
            if text == "}" {
                return if depth > 0 {
                    Ok(None)
                } else {
                    Err(Problem::new(self.line, "} without a group"))
                };
            }
            let line = self.line;
            let (text, is_group) = match text.strip_suffix(" {") {
                Some(counter) => (counter, true),
                None => (text, false),
            };
            let (text, required) = match text.strip_suffix('!') {
                Some(name) => (name, true),
                None => (text, false),
            };
            let (name, is_component) = match text.strip_prefix('@') {
                Some(name) => (name, true),
                None => (text, false),
            };
            if name.is_empty() || name.contains(' ') || (is_group && is_component) {
                return Err(Problem::new(
                    line,
                    format!(
                        "{text:?} is not understood, expected `Field`, `Field!`, `@Component` or `Group {{`"
                    ),
                ));
            }
            let part = if is_group {
                if depth == DEPTH_MAX {
                    return Err(Problem::new(
                        line,
                        format!("group {name}: more than {DEPTH_MAX} groups within each other"),
                    ));
                }
                let mut entry = Vec::new();
                self.members(&mut entry, depth + 1)?;
                Part::Group(entry)
            } else if is_component {
                Part::Component
            } else {
                Part::Field
            };
            members.push(Member {
                line,
                name,
                required,
                part,
            });
        }
    }
}

impl fmt::Display for Model<'_> {
    /// Writes it so that [`parse`] reads it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dictionary {}", self.name)?;
        for field in &self.fields {
            let open = if field.open { " open" } else { "" };
            writeln!(
                f,
                "field {} {} {}{open}",
                field.tag, field.name, field.of_type
            )?;
            for Value { value, label, .. } in &field.values {
                let line = format!(" {value} {label}");
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        f.write_str("header\n")?;
        write_members(f, &self.header, 1)?;
        f.write_str("trailer\n")?;
        write_members(f, &self.trailer, 1)?;
        for component in &self.components {
            writeln!(f, "component {}", component.name)?;
            write_members(f, &component.members, 1)?;
        }
        for message in &self.messages {
            writeln!(f, "message {} {}", message.msg_type, message.name)?;
            write_members(f, &message.members, 1)?;
        }
        Ok(())
    }
}

fn write_members(f: &mut fmt::Formatter<'_>, members: &[Member<'_>], indent: usize) -> fmt::Result {
    for Member {
        name,
        required,
        part,
        ..
    } in members
    {
        let required = if *required { "!" } else { "" };
        write!(f, "{:indent$}", "")?;
        match part {
            Part::Field => writeln!(f, "{name}{required}")?,
            Part::Component => writeln!(f, "@{name}{required}")?,
            Part::Group(entry) => {
                writeln!(f, "{name}{required} {{")?;
                write_members(f, entry, indent + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
        }
    }
    Ok(())
}

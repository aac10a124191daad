//! What a dictionary file says, in its own words: fields and components by name, nothing resolved.
//!
//! Both readers make one, [`super::compile`] makes a table of it, and the tool writes it out again.
//! Borrows the text it came from. Lines are those of that text.

use super::field_type::FieldType;
use crate::wire::fix::Tag;

/// One dictionary.
#[derive(Debug)]
pub(super) struct Model<'t> {
    /// `FIX.4.4`, `FIX.5.0SP2`, `FIXT.1.1`.
    pub(super) name: String,
    pub(super) fields: Vec<Field<'t>>,
    pub(super) header: Vec<Member<'t>>,
    pub(super) trailer: Vec<Member<'t>>,
    pub(super) components: Vec<Component<'t>>,
    pub(super) messages: Vec<Message<'t>>,
}

/// The definition of a field.
#[derive(Debug)]
pub(super) struct Field<'t> {
    pub(super) line: u32,
    pub(super) tag: Tag,
    pub(super) name: &'t str,
    pub(super) of_type: FieldType,
    /// Other values than those listed are allowed too.
    pub(super) open: bool,
    pub(super) values: Vec<Value<'t>>,
}

/// A value of an enumerated field.
#[derive(Debug)]
pub(super) struct Value<'t> {
    pub(super) line: u32,
    pub(super) value: &'t str,
    pub(super) label: &'t str,
}

/// A named list of members.
#[derive(Debug)]
pub(super) struct Component<'t> {
    pub(super) line: u32,
    pub(super) name: &'t str,
    pub(super) members: Vec<Member<'t>>,
}

/// The definition of a message.
#[derive(Debug)]
pub(super) struct Message<'t> {
    pub(super) line: u32,
    pub(super) msg_type: &'t str,
    pub(super) name: &'t str,
    pub(super) members: Vec<Member<'t>>,
}

/// What a message, a component or a group entry consists of.
#[derive(Debug)]
pub(super) struct Member<'t> {
    pub(super) line: u32,
    pub(super) name: &'t str,
    pub(super) required: bool,
    pub(super) part: Part<'t>,
}

#[derive(Debug)]
pub(super) enum Part<'t> {
    Field,
    /// Its members stand in its place.
    Component,
    /// The name is that of the counter; these are the members of an entry.
    Group(Vec<Member<'t>>),
}

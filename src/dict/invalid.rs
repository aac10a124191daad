//! What can be wrong with a message by its dictionary, and the standard's code for it.

use std::fmt;

use crate::wire::fix::Tag;

/// The first thing that is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field it is about, for RefTagID(371). [`tag::INVALID`](crate::wire::fix::tag::INVALID) if
    /// its tag is a number that can be none.
    pub tag: Tag,
    /// What is wrong.
    pub kind: InvalidKind,
}

/// See [`Invalid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidKind {
    /// The dictionary has no such field, or the number can be no tag.
    UndefinedTag,
    /// A required field is not there.
    Missing,
    /// The field is not part of this message, or not at this level of it.
    NotInMessage,
    /// The field has no value.
    Empty,
    /// The value is none of those listed.
    Value,
    /// The value is not spelled as the type of the field asks.
    Format,
    /// The dictionary has no such message.
    MsgType,
    /// The field was there before.
    Repeated,
    /// A field of the header after the body began, or one of the body after the trailer began.
    Misplaced,
    /// An entry of a group does not begin with the first field of the group, or its fields are not in
    /// the order of the dictionary.
    GroupOrder,
    /// There are more or fewer entries than the counter says.
    GroupCount,
    /// There is no dictionary for the application version of the message.
    ApplVersion,
}

impl InvalidKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::UndefinedTag,
        Self::Missing,
        Self::NotInMessage,
        Self::Empty,
        Self::Value,
        Self::Format,
        Self::MsgType,
        Self::Repeated,
        Self::Misplaced,
        Self::GroupOrder,
        Self::GroupCount,
        Self::ApplVersion,
    ];

    /// SessionRejectReason(373).
    #[must_use]
    pub const fn reason(self) -> u16 {
        match self {
            Self::UndefinedTag => 0,
            Self::Missing => 1,
            Self::NotInMessage => 2,
            Self::Empty => 4,
            Self::Value => 5,
            Self::Format => 6,
            Self::MsgType => 11,
            Self::Repeated => 13,
            Self::Misplaced => 14,
            Self::GroupOrder => 15,
            Self::GroupCount => 16,
            Self::ApplVersion => 18,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            InvalidKind::UndefinedTag => "is not defined",
            InvalidKind::Missing => "is required and missing",
            InvalidKind::NotInMessage => "is not part of this message",
            InvalidKind::Empty => "has no value",
            InvalidKind::Value => "has a value that is not listed",
            InvalidKind::Format => "has a value of the wrong format",
            InvalidKind::MsgType => "names a message that is not defined",
            InvalidKind::Repeated => "appears more than once",
            InvalidKind::Misplaced => "is not in its section of the message",
            InvalidKind::GroupOrder => "is out of order in its group",
            InvalidKind::GroupCount => "does not count the entries of its group",
            InvalidKind::ApplVersion => "names an application version without a dictionary",
        };
        write!(f, "field {} {what}", self.tag)
    }
}

impl std::error::Error for Invalid {}

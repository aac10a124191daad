//! What messages may contain: dictionaries, the one validator, and repeating groups.
//!
//! ```text
//!  built-in text, or a user's XML --> model --compile--> Dictionary
//!                                                          |
//!                Message --Validator--> sound, or Invalid <+> groups read and written by layout
//! ```
//!
//! Everything but loading is free of allocation. Knows the wire, not the session: what happens to an
//! invalid message is decided above.

pub mod builtin;
mod compile;
mod dictionaries;
mod error;
mod field_type;
mod invalid;
mod model;
mod quick;
mod read;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod validate;
mod write;
mod xml;

use std::path::Path;

pub use self::dictionaries::{ApplDialect, Dictionaries, SharedDictionary};
pub use self::error::DictionaryError;
use self::error::Problem;
pub use self::field_type::FieldType;
pub use self::invalid::{Invalid, InvalidKind};
pub use self::read::{Entry, Groups, ReadGroups};
pub use self::table::{Dictionary, FieldSpec, Layout, MemberSpec, MessageSpec};
pub use self::validate::{Checks, Scope, Validator};
pub use self::write::{EntryWriter, WriteGroups};

impl Dictionary {
    /// Reads the XML form that most FIX engines use. `file` is for errors only.
    ///
    /// Done once, at start-up: it allocates, and takes some 10 ms for a large file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, the element and what would be right.
    pub fn from_xml(file: &str, xml: &str) -> Result<Self, DictionaryError> {
        xml::document(xml)
            .and_then(|document| compile::compile(&xml::parse(&document)?))
            .map_err(|problem| problem.in_file(file))
    }

    /// Reads the project's own form, that of the built-in dictionaries: `pinfix dict compile` writes it
    /// from XML.
    ///
    /// ```
    /// let text = "\
    /// dictionary FIX.4.4
    /// field 11 ClOrdID STRING
    /// field 54 Side CHAR
    ///  1 BUY
    ///  2 SELL
    /// field 448 PartyID STRING
    /// field 453 NoPartyIDs NUMINGROUP
    /// component Parties
    ///  NoPartyIDs {
    ///   PartyID!
    ///  }
    /// message D NewOrderSingle
    ///  ClOrdID!
    ///  Side!
    ///  @Parties
    /// ";
    /// let dictionary = pinfix::dict::Dictionary::from_text("my.dict", text)?;
    /// let order = dictionary.message(b"D").expect("it is defined").body();
    /// assert!(order.has(54) && order.group(453).is_some_and(|entry| entry.has(448)));
    /// # Ok::<(), pinfix::dict::DictionaryError>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and what would be right.
    pub fn from_text(file: &str, text: &str) -> Result<Self, DictionaryError> {
        text::parse(text)
            .and_then(|model| compile::compile(&model))
            .map_err(|problem| problem.in_file(file))
    }

    /// Reads a file: XML, or the project's own form if it is called `.dict`.
    ///
    /// # Errors
    /// The file cannot be read, or the first thing that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, DictionaryError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::new(0, format!("cannot be read: {error}")).in_file(&file))?;
        if path
            .extension()
            .is_some_and(|extension| extension == "dict")
        {
            Self::from_text(&file, &text)
        } else {
            Self::from_xml(&file, &text)
        }
    }
}

/// Turns the XML form into the project's own, which is a third of the size and can be compared line by
/// line. `file` is for errors only.
///
/// # Errors
/// What [`Dictionary::from_xml`] refuses.
pub fn text_of_xml(file: &str, xml: &str) -> Result<String, DictionaryError> {
    let made = || {
        let document = xml::document(xml)?;
        let model = xml::parse(&document)?;
        compile::compile(&model)?;
        Ok(model.to_string())
    };
    made().map_err(|problem: Problem| problem.in_file(file))
}

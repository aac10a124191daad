//! What is wrong with a dictionary file: one sentence that names the place, the thing, and what would
//! be right.

use std::fmt;

/// A dictionary that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictionaryError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, counted from 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// What is wrong: the element, its value, and what would be right.
    pub problem: String,
}

impl fmt::Display for DictionaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.problem),
            line => write!(f, "{}:{line}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for DictionaryError {}

/// A problem and its line, in whatever file is being read.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) line: u32,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(line: u32, text: impl Into<String>) -> Self {
        Self {
            line,
            text: text.into(),
        }
    }

    pub(super) fn in_file(self, file: &str) -> DictionaryError {
        DictionaryError {
            file: file.to_owned(),
            line: self.line,
            problem: self.text,
        }
    }
}

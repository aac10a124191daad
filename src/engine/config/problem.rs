//! What is wrong with a configuration, all of it at once: a file with three mistakes is not read four
//! times.
//!
//! Invariant: a secret is in no problem.

use std::fmt;

use super::ConfigError;

/// One thing that is wrong, or worth knowing, about a setting of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The session it concerns.
    pub session: Option<String>,
    /// The setting, in the spelling of whoever wrote it.
    pub key: Option<String>,
    /// The value given; masked where it may be a secret.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub text: String,
}

/// `FILE:LINE: session ID: KEY = VALUE: TEXT`, the parts that are known.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        if let Some(session) = &self.session {
            write!(f, "session {session}: ")?;
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.text)
    }
}

/// What an engine would say, from nowhere in particular.
impl From<&ConfigError> for Problem {
    fn from(error: &ConfigError) -> Self {
        Self {
            text: error.to_string(),
            ..Self::default()
        }
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

//! Reads the settings files that users of the QuickFIX family of engines have.
//!
//! Every key those engines know is in one table, [`keys`], with what becomes of it here. A key that
//! is not in the table is an error that names the nearest one; a key that cannot be honoured is an
//! error that says what to use instead. Nothing is ignored silently, and everything that is wrong with
//! a file is told at once.
//!
//! ```
//! use pinfix::engine::quickfix::Loader;
//!
//! let text = "
//! [DEFAULT]
//! ConnectionType=initiator
//! HeartBtInt=30
//! SocketConnectHost=$VENUE
//! SocketConnectPort=5001
//! [SESSION]
//! BeginString=FIX.4.4
//! SenderCompID=ME
//! TargetCompID=VENUE
//! UseDataDictionary=N
//! ";
//! let lookup = |name: &str| (name == "VENUE").then(|| "127.0.0.1".to_owned());
//! let plan = Loader::new().environment(&lookup).parse("a.cfg", text)?;
//! assert_eq!(plan.sessions[0].config.id().to_string(), "FIX.4.4:ME->VENUE");
//! # Ok::<(), pinfix::engine::Problems>(())
//! ```

mod dictionaries;
mod draft;
mod grammar;
mod hours;
pub mod keys;
mod proxy;
mod reading;
mod tls;
mod value;

use std::fs;
use std::path::Path;

use self::reading::Reading;
use super::{Plan, Problem, Problems};

/// How settings files are read.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    own_keys: &'a [&'a str],
}

impl Default for Loader<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Loader<'a> {
    /// Reads with the environment of this process.
    #[must_use]
    pub fn new() -> Self {
        Self {
            environment: &|name| std::env::var(name).ok(),
            own_keys: &[],
        }
    }

    /// Takes what `$VAR` stands for from `lookup`.
    #[must_use]
    pub fn environment(mut self, lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        self.environment = lookup;
        self
    }

    /// Takes these keys, of either case, as the application's own: they are not looked at and handed
    /// out as [`Planned::own`](super::Planned::own).
    #[must_use]
    pub fn own_keys(mut self, keys: &'a [&'a str]) -> Self {
        self.own_keys = keys;
        self
    }

    /// Reads a file. Paths in it are taken from the working directory, as those engines do.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, path: &Path) -> Result<Plan, Problems> {
        let file = path.display().to_string();
        let unreadable = |text: String| {
            Problems(vec![Problem {
                file: Some(file.clone()),
                text,
                ..Problem::default()
            }])
        };
        let bytes = fs::read(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            unreadable(format!("line {line} is not UTF-8 text"))
        })?;
        self.parse(&file, &text)
    }

    /// Reads the text of a file; `file` is what problems call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self, file: &str, text: &str) -> Result<Plan, Problems> {
        Reading::new(*self, file).read(text)
    }
}

#[cfg(test)]
mod tests;

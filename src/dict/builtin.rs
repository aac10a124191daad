//! The nine dictionaries that come with the library: FIX.4.0 to FIX.5.0 SP2, and FIXT.1.1.
//!
//! Each is text in the form that [`Dictionary::from_text`] reads, read when it is first asked for and
//! kept. Ask for those you need before a session starts: reading the largest takes milliseconds.

use std::sync::LazyLock;

use super::{Dictionary, text};
use crate::wire::fix::ApplVersion;

macro_rules! builtin {
    ($($(#[$doc:meta])* $get:ident $file:literal,)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $get() -> &'static Dictionary {
                static MADE: LazyLock<Dictionary> = LazyLock::new(|| {
                    read($file, include_str!(concat!("tables/", $file)))
                });
                &MADE
            }
        )*

        /// The names of all of them.
        pub const NAMES: [&str; 9] = [$(name_of($file)),*];

        /// The one called `FIX.4.4`, `FIX.5.0SP2` or `FIXT.1.1`, as [`NAMES`] has it.
        #[must_use]
        pub fn named(name: &str) -> Option<&'static Dictionary> {
            match name { $(_ if name == name_of($file) => Some($get()),)* _ => None }
        }
    };
}

builtin! {
    /// FIX.4.0.
    fix40 "FIX.4.0.dict",
    /// FIX.4.1.
    fix41 "FIX.4.1.dict",
    /// FIX.4.2.
    fix42 "FIX.4.2.dict",
    /// FIX.4.3.
    fix43 "FIX.4.3.dict",
    /// FIX.4.4.
    fix44 "FIX.4.4.dict",
    /// FIX.5.0: application messages only.
    fix50 "FIX.5.0.dict",
    /// FIX.5.0 SP1: application messages only.
    fix50sp1 "FIX.5.0SP1.dict",
    /// FIX.5.0 SP2: application messages only.
    fix50sp2 "FIX.5.0SP2.dict",
    /// FIXT.1.1: header, trailer and session-level messages.
    fixt11 "FIXT.1.1.dict",
}

/// The one for an application version.
#[must_use]
pub fn of_version(version: ApplVersion) -> &'static Dictionary {
    match version {
        ApplVersion::Fix40 => fix40(),
        ApplVersion::Fix41 => fix41(),
        ApplVersion::Fix42 => fix42(),
        ApplVersion::Fix43 => fix43(),
        ApplVersion::Fix44 => fix44(),
        ApplVersion::Fix50 => fix50(),
        ApplVersion::Fix50Sp1 => fix50sp1(),
        ApplVersion::Fix50Sp2 => fix50sp2(),
    }
}

const fn name_of(file: &'static str) -> &'static str {
    file.split_at(file.len() - ".dict".len()).0
}

fn read(file: &str, content: &str) -> Dictionary {
    let made = text::parse(content).and_then(|model| super::compile::compile(&model));
    made.unwrap_or_else(|problem| panic!("a built-in dictionary is sound: {}", problem.in_file(file)))
}

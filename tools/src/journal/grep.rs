//! `pinfix journal grep`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pinfix::journal::{Item, Reader};

use super::filter::{Choice, Filter};
use super::term::Term;
use super::{places, print};

pub const EXAMPLES: &str = "\
Examples:
  pinfix journal grep journals 11=ORDER7
  pinfix journal grep journals 55=EURUSD 54=1 --type D --from 14:30
  pinfix journal grep journals 58~limit --direction in";

/// Prints the messages that have all of these fields, below the name of their session. Fails if there are
/// none, as `grep` does.
pub fn run(
    directory: &Path,
    terms: Vec<Term>,
    choice: Choice,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut filter = Filter::new(choice)?.with(terms);
    let mut found = false;
    for place in places::find(directory)? {
        let cannot_read = || format!("cannot read {}", place.directory.display());
        let mut reader = Reader::open(&place.directory).with_context(cannot_read)?;
        let mut named = false;
        while let Some(item) = reader.read().with_context(cannot_read)? {
            match item {
                Item::Record(entry) if filter.takes(&entry) => {
                    if !named {
                        if found {
                            writeln!(out)?;
                        }
                        writeln!(out, "# {}", place.identity)?;
                        named = true;
                        found = true;
                    }
                    print::record(&entry, out)?;
                }
                Item::Record(_) => {}
                // What cannot be read may hold what is looked for.
                trouble => eprintln!("pinfix: {}: {}", place.identity, print::trouble(&trouble)),
            }
        }
    }
    Ok(if found {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

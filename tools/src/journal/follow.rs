//! `pinfix journal follow`: what an engine writes, as it writes it.
//!
//! The files are looked at again and again; the engine that writes them is not asked and not held up. A
//! new segment, a segment that was deleted for its age, and a session that is new are all found at the
//! next look.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pinfix::journal::{Item, Reader};

use super::filter::{Choice, Filter};
use super::places::{self, Place};
use super::print;
use super::term::Term;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Between two looks for sessions that are new.
const LOOK_FOR_SESSIONS_EVERY: Duration = Duration::from_secs(1);

pub const EXAMPLES: &str = "\
Examples:
  pinfix journal follow journals
  pinfix journal follow journals --type D,8 --last 0
  pinfix journal follow journals 11~ORDER --since 14:30";

/// Where following begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// With so many of the records that are there.
    Last(usize),
    /// With the first that fits the choice.
    First,
}

/// One session's journal, read up to where it ends now.
struct Tail {
    place: Place,
    reader: Reader,
}

/// Prints until it is interrupted.
pub fn run(
    directory: &Path,
    terms: Vec<Term>,
    choice: Choice,
    start: Start,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut filter = Filter::new(choice)?.with(terms);
    let mut tails = Vec::new();
    let mut shown = Shown { session: None };
    for place in places::find(directory)? {
        let mut tail = Tail::open(place)?;
        match start {
            Start::First => tail.print_new(&mut filter, &mut shown, out)?,
            Start::Last(count) => tail.print_last(count, &mut filter, &mut shown, out)?,
        }
        tails.push(tail);
    }
    out.flush()?;
    let mut next_search = Instant::now() + LOOK_FOR_SESSIONS_EVERY;
    loop {
        thread::sleep(LOOK_EVERY);
        for tail in &mut tails {
            tail.print_new(&mut filter, &mut shown, out)?;
        }
        if Instant::now() >= next_search {
            for place in places::find(directory)? {
                let known = |tail: &Tail| tail.place.directory == place.directory;
                if !tails.iter().any(known) {
                    let mut tail = Tail::open(place)?;
                    tail.print_new(&mut filter, &mut shown, out)?;
                    tails.push(tail);
                }
            }
            next_search = Instant::now() + LOOK_FOR_SESSIONS_EVERY;
        }
        out.flush()?;
    }
}

/// Whose records the last lines are, so that a name stands above them only when it changes.
struct Shown {
    session: Option<String>,
}

impl Shown {
    fn name(&mut self, identity: &str, out: &mut impl Write) -> anyhow::Result<()> {
        if self.session.as_deref() != Some(identity) {
            writeln!(out, "# {identity}")?;
            self.session = Some(identity.to_owned());
        }
        Ok(())
    }
}

impl Tail {
    fn open(place: Place) -> anyhow::Result<Self> {
        let reader = Reader::open(&place.directory)
            .with_context(|| format!("cannot read {}", place.directory.display()))?;
        Ok(Self { place, reader })
    }

    fn print_new(
        &mut self,
        filter: &mut Filter,
        shown: &mut Shown,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let Self { place, reader } = self;
        each_line(place, reader, filter, |line| {
            shown.name(&place.identity, out)?;
            Ok(out.write_all(&line)?)
        })
    }

    /// Reads what is there and prints the end of it.
    fn print_last(
        &mut self,
        count: usize,
        filter: &mut Filter,
        shown: &mut Shown,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let Self { place, reader } = self;
        let mut last = VecDeque::new();
        each_line(place, reader, filter, |line| {
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
            Ok(())
        })?;
        for line in last {
            shown.name(&place.identity, out)?;
            out.write_all(&line)?;
        }
        Ok(())
    }
}

/// Hands over a line for each record that fits, and for what cannot be read.
fn each_line(
    place: &Place,
    reader: &mut Reader,
    filter: &mut Filter,
    mut take: impl FnMut(Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read {} any more", place.directory.display());
    while let Some(item) = reader.read().with_context(cannot_read)? {
        let mut line = Vec::new();
        match item {
            Item::Record(entry) if filter.takes(&entry) => print::record(&entry, &mut line)?,
            Item::Record(_) => continue,
            trouble => writeln!(line, "# {}", print::trouble(&trouble))?,
        }
        take(line)?;
    }
    Ok(())
}

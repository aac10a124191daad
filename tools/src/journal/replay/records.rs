//! The records of a journal, one after the other, with a look at those ahead.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use pinfix::journal::{Entry, Item, Kind, Reader, Reset};
use pinfix::time::Utc;

use super::super::print;

/// How far ahead it is looked for an answer.
const AHEAD_MAX: usize = 10_000;

/// One record, its bytes copied.
#[derive(Clone, Debug)]
pub struct Record {
    pub kind: Kind,
    pub seq: u64,
    pub at: Utc,
    pub frame: Vec<u8>,
    pub masked: bool,
    pub reset: Option<Reset>,
}

#[derive(Clone, Debug)]
pub enum Event {
    Record(Record),
    /// Something that cannot be read, in words.
    Trouble(String),
}

pub struct Records {
    reader: Reader,
    ahead: VecDeque<Event>,
}

impl Records {
    pub fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            reader: Reader::open(directory)?,
            ahead: VecDeque::new(),
        })
    }

    pub fn next(&mut self) -> io::Result<Option<Event>> {
        match self.ahead.pop_front() {
            Some(event) => Ok(Some(event)),
            None => self.read(),
        }
    }

    /// The first record ahead for which `is_it`, as far as `goes_on` lets it look.
    pub fn find_ahead(
        &mut self,
        goes_on: impl Fn(&Record) -> bool,
        is_it: impl Fn(&Record) -> bool,
    ) -> io::Result<Option<&Record>> {
        for at in 0..AHEAD_MAX {
            if at == self.ahead.len() {
                match self.read()? {
                    Some(event) => self.ahead.push_back(event),
                    None => break,
                }
            }
            match &self.ahead[at] {
                Event::Record(record) if is_it(record) => {
                    return Ok(match &self.ahead[at] {
                        Event::Record(record) => Some(record),
                        Event::Trouble(_) => None,
                    });
                }
                Event::Record(record) if goes_on(record) => {}
                _ => break,
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> io::Result<Option<Event>> {
        let Some(item) = self.reader.read()? else {
            return Ok(None);
        };
        Ok(Some(match item {
            Item::Record(entry) => Event::Record(Record::of(&entry)),
            trouble => Event::Trouble(print::trouble(&trouble)),
        }))
    }
}

impl Record {
    fn of(entry: &Entry<'_>) -> Self {
        Self {
            kind: entry.kind,
            seq: entry.seq,
            at: entry.at,
            frame: entry.frame.to_vec(),
            masked: entry.masked,
            reset: entry.reset(),
        }
    }

    /// Whether it went out, under a new number.
    pub fn is_out(&self) -> bool {
        matches!(self.kind, Kind::Application | Kind::Admin)
    }
}

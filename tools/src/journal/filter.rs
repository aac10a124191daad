//! Which records are shown.

use std::str::FromStr;

use anyhow::bail;
use clap::ValueEnum;
use pinfix::journal::{Entry, Kind};
use pinfix::wire::fix::FieldIndex;

use super::sbe::{self, Shown};
use super::term::Term;
use super::when::When;

/// More fields than this no message has.
pub const FIELDS_MAX: usize = 65_536;

/// What was chosen on the command line; a record must fit all of it.
#[derive(clap::Args)]
pub struct Choice {
    /// Only messages of these MsgTypes(35); of iLink 3 also by name or number of the template
    #[arg(long = "type", value_name = "D,8", value_delimiter = ',')]
    types: Vec<String>,

    /// Only MsgSeqNums(34) of this range, both ends included: 5, 5..10, 5.., ..10
    #[arg(long, value_name = "A..B")]
    seq: Option<Numbers>,

    /// Not before this time, UTC. Without a date: that time of any day
    #[arg(long, value_name = "TIME")]
    from: Option<When>,

    /// Not after this time, UTC; 14:30 includes all of that minute
    #[arg(long, value_name = "TIME")]
    to: Option<When>,

    /// Only these directions
    #[arg(long, value_enum, value_name = "DIRECTION", value_delimiter = ',')]
    direction: Vec<Direction>,
}

impl Choice {
    /// The same, but not before `since`.
    pub fn since(self, since: Option<When>) -> Self {
        Self {
            from: since.or(self.from),
            ..self
        }
    }
}

/// Which way a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Sent under a new number
    Out,
    /// Received
    In,
    /// Sent again for a ResendRequest(2), or a gap fill in its place
    Replay,
    /// The start of a series of numbers
    Reset,
    /// Not sent yet: waits without a number
    Queued,
    /// What the journal noted about its series of numbers
    Note,
}

impl Direction {
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Application | Kind::Admin | Kind::Unnumbered => Self::Out,
            Kind::Inbound => Self::In,
            Kind::Replay => Self::Replay,
            Kind::Reset => Self::Reset,
            Kind::Queued => Self::Queued,
            Kind::Series => Self::Note,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Replay => "replay",
            Self::Reset => "reset",
            Self::Queued => "queued",
            Self::Note => "note",
        }
    }
}

/// Numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    first: u64,
    last: u64,
}

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected numbers such as 5, 5..10, 5.. or ..10";
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str, open: u64| match text {
            "" if first != last => Ok(open),
            text => text.parse().map_err(|_| wrong),
        };
        let numbers = Self {
            first: number(first, 0)?,
            last: number(last, u64::MAX)?,
        };
        if numbers.first > numbers.last {
            return Err("the first number is above the last");
        }
        Ok(numbers)
    }
}

/// The choice, ready to be put to records.
pub struct Filter {
    choice: Choice,
    terms: Vec<Term>,
    index: FieldIndex,
}

impl Filter {
    pub fn new(choice: Choice) -> anyhow::Result<Self> {
        if let (Some(from), Some(to)) = (&choice.from, &choice.to)
            && from.is_after(to)
        {
            bail!("--from is later than --to; for a span across midnight give times with a date");
        }
        Ok(Self {
            choice,
            terms: Vec::new(),
            index: FieldIndex::with_capacity(FIELDS_MAX),
        })
    }

    /// Only messages that have all of these fields as well.
    pub fn with(self, terms: Vec<Term>) -> Self {
        Self { terms, ..self }
    }

    pub fn takes(&mut self, entry: &Entry<'_>) -> bool {
        let Choice {
            types,
            seq,
            from,
            to,
            direction,
        } = &self.choice;
        let direction_fits = direction.is_empty() || direction.contains(&Direction::of(entry.kind));
        direction_fits
            && seq.is_none_or(|seq| (seq.first..=seq.last).contains(&entry.seq))
            && from.is_none_or(|from| from.allows_from(entry.at))
            && to.is_none_or(|to| to.allows_to(entry.at))
            && (types.is_empty() && self.terms.is_empty() || self.reads(entry))
    }

    /// Whether type and fields fit. A frame that cannot be taken apart has neither.
    fn reads(&mut self, entry: &Entry<'_>) -> bool {
        if matches!(entry.kind, Kind::Reset | Kind::Series) {
            return false;
        }
        let types = &self.choice.types;
        if let Some(shown) = Shown::read(entry.frame) {
            return shown.message().is_some_and(|message| {
                (types.is_empty() || types.iter().any(|name| sbe::is_called(message, name)))
                    && self.terms.iter().all(|term| term.fits_sbe(message))
            });
        }
        self.index.read(entry.frame).is_ok_and(|message| {
            let is_of_type = |name: &String| name.as_bytes() == message.msg_type();
            (types.is_empty() || types.iter().any(is_of_type))
                && self.terms.iter().all(|term| term.fits(&message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_numbers_are_read_with_open_ends() {
        let range = |first, last| Ok(Numbers { first, last });
        assert_eq!("5".parse(), range(5, 5));
        assert_eq!("5..10".parse(), range(5, 10));
        assert_eq!("5..".parse(), range(5, u64::MAX));
        assert_eq!("..10".parse(), range(0, 10));
        for text in ["", "..", "x", "10..5", "5..x", "-1"] {
            assert!(text.parse::<Numbers>().is_err(), "{text}");
        }
    }
}

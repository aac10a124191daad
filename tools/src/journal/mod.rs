//! `pinfix journal`: what a session sent and received, from its files.
//!
//! Nothing is locked and nothing is written, so an engine may go on writing meanwhile.

mod export;
mod filter;
mod follow;
mod grep;
mod places;
mod print;
mod replay;
mod sbe;
mod stat;
mod term;
mod verify;
mod when;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use self::export::{Delimiter, Format};
use self::filter::Choice;
use self::follow::Start;
use self::replay::Choices;
use self::term::Term;
use self::when::When;

/// Read the journals of sessions, also while an engine writes to them
///
/// DIR is the directory of one session's journal, or one that holds several of them.
#[derive(Subcommand)]
pub enum Command {
    /// Print messages, one per line, with | for SOH and secrets masked
    ///
    /// Each line has the time it was recorded (UTC), the direction, MsgSeqNum(34) and the message.
    /// Directions: out, in, replay (sent again for a ResendRequest), reset (a new series of numbers).
    ///
    /// Messages of iLink 3 have the number of their template, its name, and their fields by name, those
    /// without a value left out; session messages have no number. HMACSignature and AccessKeyID are masked.
    #[command(after_help = print::EXAMPLES)]
    Print {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        choice: Choice,
    },
    /// Print messages that have all of these fields; exit code 1 if there are none
    ///
    /// TAG=VALUE is the whole value, TAG~PART a part of it. Of a field that repeats any one will do. Lines
    /// are those of `print`. A value of an enumeration of iLink 3 is its label, or what is on the wire.
    #[command(after_help = grep::EXAMPLES)]
    Grep {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Fields to look for, such as 11=ORDER7 or 58~limit
        #[arg(value_name = "TAG=VALUE|TAG~PART", required = true)]
        terms: Vec<Term>,
        #[command(flatten)]
        choice: Choice,
    },
    /// Print messages as an engine writes them, until interrupted
    ///
    /// Follows into new segments and finds sessions that are new. Lines are those of `print`.
    #[command(after_help = follow::EXAMPLES)]
    Follow {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Only messages with all of these fields, as in `grep`
        #[arg(value_name = "TAG=VALUE|TAG~PART")]
        terms: Vec<Term>,
        /// Begin with so many of the messages that are there, of each session
        #[arg(long, value_name = "N", default_value_t = 10)]
        last: usize,
        /// Begin with the first message not before this time, UTC
        #[arg(long, value_name = "TIME", conflicts_with_all = ["last", "from"])]
        since: Option<When>,
        #[command(flatten)]
        choice: Choice,
    },
    /// Write messages for other programs: FIX text or JSON lines, secrets masked
    ///
    /// Exit code 1 if anything could not be read; what could is written.
    #[command(after_help = export::EXAMPLES)]
    Export {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[arg(long, value_enum)]
        format: Format,
        /// What stands between the fields of --format fix
        #[arg(long, value_enum, default_value = "soh")]
        delimiter: Delimiter,
        #[command(flatten)]
        choice: Choice,
    },
    /// Give what was received to a fresh session and compare what it sends with what was sent
    ///
    /// Shows whether the engine of today would have behaved as the one that wrote the journal did.
    /// Identity, version, role and the fields of our Logon come from the journal. Exit code 1 at the first
    /// difference, which is shown field by field, and if anything cannot be read.
    #[command(after_help = replay::EXAMPLES)]
    Replay {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        choices: Choices,
    },
    /// Check every record; exit code 1 if anything cannot be read
    Verify {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Tell how much is in a journal: messages, numbers, times, bytes, segments
    Stat {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Runs one of them on standard output.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match command {
        Command::Print { directory, choice } => print::run(&directory, choice, &mut out),
        Command::Grep {
            directory,
            terms,
            choice,
        } => grep::run(&directory, terms, choice, &mut out),
        Command::Follow {
            directory,
            terms,
            last,
            since,
            choice,
        } => {
            let start = match since {
                Some(_) => Start::First,
                None => Start::Last(last),
            };
            follow::run(&directory, terms, choice.since(since), start, &mut out)
        }
        Command::Export {
            directory,
            format,
            delimiter,
            choice,
        } => export::run(&directory, choice, format, delimiter, &mut out),
        Command::Replay { directory, choices } => replay::run(&directory, &choices, &mut out),
        Command::Verify { directory } => verify::run(&directory, &mut out),
        Command::Stat { directory } => stat::run(&directory, &mut out),
    };
    let done = done.and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        // `| head` has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

//! `pinfix journal`: what a session sent and received, from its files.
//!
//! Nothing is locked and nothing is written, so an engine may go on writing meanwhile.

mod filter;
mod places;
mod print;
mod stat;
mod verify;
mod when;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use self::filter::Choice;

/// Read the journals of sessions, also while an engine writes to them
///
/// DIR is the directory of one session's journal, or one that holds several of them.
#[derive(Subcommand)]
pub enum Command {
    /// Print messages, one per line, with | for SOH and secrets masked
    ///
    /// Each line has the time it was recorded (UTC), the direction, MsgSeqNum(34) and the message.
    /// Directions: out, in, replay (sent again for a ResendRequest), reset (a new series of numbers).
    #[command(after_help = print::EXAMPLES)]
    Print {
        /// A session's journal, or a directory of several
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        choice: Choice,
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

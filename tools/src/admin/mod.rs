//! `pinfix admin`: the operator's hand on a running engine, over its admin socket.
//!
//! Exit codes: 0 done, or nothing to do; 1 the engine could not be asked, or said what is wrong with the request; 2 wrong arguments; 3 refused;
//! 4 no such session; 5 timed out; 6 the engine stopped meanwhile.

mod client;
mod table;
mod when;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use pinfix::admin::protocol::{End, Request};
use pinfix::admin::{HoldOrder, Operation};
use pinfix::session::Text;
use pinfix::time::Utc;

use self::client::{Client, Row};

/// Control the sessions of a running engine: log one out and on again, hold it, look at it
///
/// Talks to the admin socket that the engine serves (`pinfix exchange --admin-socket PATH`, or
/// AdminSocket::serve in a program). Commands wait for their end and say what it was.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The admin socket of the engine
    #[arg(long, value_name = "PATH", env = "PINFIX_ADMIN_SOCKET", global = true)]
    socket: Option<PathBuf>,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,

    /// How long a command may take before it is reported as timed out (what it set in motion goes on)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = when::span, global = true)]
    wait: Duration,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pinfix admin --socket /run/engine.admin list
  export PINFIX_ADMIN_SOCKET=/run/engine.admin
  pinfix admin status FIX.4.4:BUYSIDE->VENUE
  pinfix admin logout FIX.4.4:BUYSIDE->VENUE --reason \"disk replacement\" --until +30m
  pinfix admin logon FIX.4.4:BUYSIDE->VENUE --wait 60s

Exit codes: 0 done or nothing to do, 1 the engine could not be asked or the request is wrong, 2 wrong arguments, 3 refused,
4 no such session, 5 timed out, 6 the engine stopped.";

#[derive(Subcommand)]
enum Command {
    /// Every session: state, hold, numbers, age of the last messages
    List,
    /// Everything the status page says about a session
    Status {
        /// What the engine calls it, as `list` shows it
        session: String,
    },
    /// Add the sessions of a configuration file that the engine has not got
    ///
    /// A TOML file or the settings file (.cfg) of a QuickFIX engine. The engine reads it, so it must be
    /// allowed to, and passwords do not travel; the file must belong to whoever asks. Sessions that the
    /// engine has are left as they are, and so are its ports: an acceptor is reachable on those it
    /// listens on already.
    Add {
        /// The file
        file: PathBuf,
    },
    /// Log out if connected, and take the session out of the engine; its journal stays, and added again
    /// it continues
    Remove(Sure),
    /// Clear the hold and log on now; numbers continue
    Logon {
        /// What the engine calls it, as `list` shows it
        session: String,
    },
    /// Log out with a reason, and stay out until `logon` or `release`; numbers are not touched
    Logout(Held),
    /// Forbid the next logon, and leave a connection that stands alone
    Hold(Held),
    /// Clear the hold without hurrying; an initiator connects after its back-off
    Release {
        /// What the engine calls it, as `list` shows it
        session: String,
    },
    /// Cut the connection without a Logout: the counterparty sees an abnormal end
    Disconnect(Sure),
    /// Start both numbers at 1 while there is no connection; the counterparty must do the same
    Reset {
        #[command(flatten)]
        sure: Sure,
        /// While logged on, by an exchange of Logons with ResetSeqNumFlag(141)=Y
        #[arg(long)]
        in_session: bool,
    },
    /// Raise the number of our next message, or the number expected of the counterparty, or both; with
    /// both, the second is not tried if the first is refused
    #[command(group(clap::ArgGroup::new("numbers").required(true).multiple(true)))]
    SetSeq {
        #[command(flatten)]
        sure: Sure,
        /// MsgSeqNum(34) of our next message; the counterparty asks for what is passed over
        #[arg(long, value_name = "N", group = "numbers")]
        sender: Option<u64>,
        /// MsgSeqNum(34) expected of the counterparty, while there is no connection
        #[arg(long, value_name = "N", group = "numbers")]
        target: Option<u64>,
    },
    /// Send a SequenceReset-Reset: our next message has this number, and what the counterparty has not
    /// had below it is lost to it
    SequenceReset {
        #[command(flatten)]
        sure: Sure,
        /// NewSeqNo(36), above the number of the SequenceReset itself
        next: u64,
    },
    /// Send a TestRequest and wait for its answer; `status` shows the round trip
    TestRequest {
        /// What the engine calls it, as `list` shows it
        session: String,
    },
    /// Ask the counterparty to send again; what was delivered before is recorded and not delivered again
    Resend {
        /// What the engine calls it, as `list` shows it
        session: String,
        /// BeginSeqNo(7)
        begin: u64,
        /// EndSeqNo(16); everything after `BEGIN` if it is not given
        end: Option<u64>,
    },
    /// Start a new journal segment, so that those before it change no more
    RotateJournal {
        /// What the engine calls it, as `list` shows it
        session: String,
    },
}

#[derive(Args)]
struct Held {
    /// What the engine calls it, as `list` shows it
    session: String,
    /// Why; the counterparty of a logout reads it in Text(58)
    #[arg(long, value_name = "TEXT", value_parser = text)]
    reason: Text,
    /// When the hold ends by itself: `+30m`, `18:00` (UTC, the next one), `20260105-18:00:00` (UTC)
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    until: Option<Utc>,
}

#[derive(Args)]
struct Sure {
    /// What the engine calls it, as `list` shows it
    session: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs one command.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.socket.context(
        "no admin socket: give --socket PATH, or set PINFIX_ADMIN_SOCKET to the path the engine serves",
    )?;
    let mut client = Client::connect(&path)?;
    let (session, operation) = match arguments.command {
        Command::List => {
            let (rows, end) = client.ask(&Request::List)?;
            return show(&rows, &end, arguments.json, table::list);
        }
        Command::Status { session } => {
            let (rows, end) = client.ask(&Request::Status { session })?;
            return show(&rows, &end, arguments.json, table::status);
        }
        Command::Add { file } => {
            // The engine has a directory of its own.
            let file = std::path::absolute(&file)
                .with_context(|| format!("no absolute path for {}", file.display()))?;
            let file = file.to_str().context("the path of the file is not UTF-8")?;
            let request = Request::Add {
                file: file.to_owned(),
                within: arguments.wait,
            };
            let (rows, end) = client.ask(&request)?;
            return show(&rows, &end, arguments.json, table::list);
        }
        Command::Remove(sure) => {
            ask_first(&mut client, &sure, "take it out of the engine")?;
            (sure.session, Operation::Remove)
        }
        Command::Logon { session } => (session, Operation::Logon),
        Command::Logout(held) => (held.session.clone(), Operation::Logout(order(&held))),
        Command::Hold(held) => (held.session.clone(), Operation::Hold(order(&held))),
        Command::Release { session } => (session, Operation::Release),
        Command::Disconnect(sure) => {
            let what = "cut the connection without a Logout";
            ask_first(&mut client, &sure, what)?;
            (sure.session, Operation::Disconnect)
        }
        Command::Reset { sure, in_session } => {
            ask_first(&mut client, &sure, "start both numbers at 1")?;
            let operation = if in_session {
                Operation::ResetInSession
            } else {
                Operation::ResetNumbers
            };
            (sure.session, operation)
        }
        Command::SetSeq {
            sure,
            sender,
            target,
        } => {
            ask_first(&mut client, &sure, &describe(sender, target))?;
            let first = target.map(Operation::SetNextIn);
            let second = sender.map(Operation::SetNextOut);
            // One of them stays for below.
            let (first, last) = match (first, second) {
                (first, Some(second)) => (first, second),
                (Some(first), None) => (None, first),
                (None, None) => bail!("give --sender N, --target N or both"),
            };
            if let Some(operation) = first {
                let request = Request::Command {
                    session: sure.session.clone(),
                    operation: Box::new(operation),
                    within: arguments.wait,
                };
                let (_, end) = client.ask(&request)?;
                if !matches!(end, End::Done | End::NoOp(_)) {
                    return show(&[], &end, arguments.json, |_| String::new());
                }
            }
            (sure.session, last)
        }
        Command::SequenceReset { sure, next } => {
            let what = format!("send a SequenceReset-Reset to {next}");
            ask_first(&mut client, &sure, &what)?;
            (sure.session, Operation::SequenceReset(next))
        }
        Command::TestRequest { session } => (session, Operation::TestRequest),
        Command::Resend {
            session,
            begin,
            end,
        } => {
            let end = end.unwrap_or(0);
            (session, Operation::ResendRequest { begin, end })
        }
        Command::RotateJournal { session } => (session, Operation::RotateJournal),
    };
    let request = Request::Command {
        session,
        operation: Box::new(operation),
        within: arguments.wait,
    };
    let (_, end) = client.ask(&request)?;
    show(&[], &end, arguments.json, |_| String::new())
}

/// What setting these numbers comes to, for the question.
fn describe(sender: Option<u64>, target: Option<u64>) -> String {
    let sender = sender.map(|next| format!("send {next} next"));
    let target = target.map(|next| format!("expect {next} next"));
    let parts: Vec<_> = [sender, target].into_iter().flatten().collect();
    parts.join(" and ")
}

fn text(value: &str) -> Result<Text, String> {
    Text::new(value).map_err(|error| error.to_string())
}

fn order(held: &Held) -> HoldOrder {
    let user = std::env::var("USER").unwrap_or_default();
    HoldOrder {
        // The engine also notes the user and the process the kernel names.
        by: Text::lossy(user.as_bytes()),
        reason: held.reason,
        until: held.until,
    }
}

/// Shows what is about to be changed, and asks unless told not to.
fn ask_first(client: &mut Client, sure: &Sure, what: &str) -> anyhow::Result<()> {
    if sure.yes {
        return Ok(());
    }
    let session = &sure.session;
    let question = Request::Status {
        session: session.clone(),
    };
    let (rows, end) = client.ask(&question)?;
    let Some(row) = rows.first().filter(|_| end == End::Done) else {
        // The command itself will say what is wrong.
        return Ok(());
    };
    eprintln!(
        "{session} is {}, sends {} next and expects {} next.",
        row.get("state"),
        row.get("next_out"),
        row.get("next_in")
    );
    if !std::io::stdin().is_terminal() {
        bail!("nothing was done: add --yes to {what} without being asked");
    }
    eprint!("Really {what}? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was done");
    }
    Ok(())
}

/// Prints a reply, and turns its end into an exit code.
fn show(
    rows: &[Row],
    end: &End,
    json: bool,
    table: impl Fn(&[Row]) -> String,
) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(&client::json(rows, end))?);
    } else if matches!(end, End::Done) && !rows.is_empty() {
        print!("{}", table(rows));
    } else {
        match end {
            End::Done => println!("done"),
            End::NoOp(why) => println!("nothing to do: {why}"),
            End::UnknownSession => eprintln!("pinfix: the engine has no such session, see `list`"),
            End::Refused(why) => eprintln!("pinfix: refused: {why}"),
            End::TimedOut => {
                eprintln!("pinfix: not done in time; what was set in motion goes on, see `status`")
            }
            End::EngineStopped => eprintln!("pinfix: the engine stopped"),
            End::Error(why) => bail!("{why}"),
        }
    }
    Ok(ExitCode::from(match end {
        End::Done | End::NoOp(_) => 0,
        End::Error(_) => 1,
        End::Refused(_) => 3,
        End::UnknownSession => 4,
        End::TimedOut => 5,
        End::EngineStopped => 6,
    }))
}

//! Control of a running engine from other threads.
//!
//! Commands travel to the core over a bounded single-producer single-consumer ring, one per
//! controller; each gets exactly one completion, over a queue that leads away from the core.
//! Questions are answered from the status page and never reach the core (DESIGN decision 10).
//!
//! What becomes of a command, for initiators and acceptors alike: without a connection after a logout;
//! while an initiator's connection is being made, and while its Logon(A) is not answered; while the
//! application of an acceptor has put a Logon off; while logged on; while a reset in session is under way;
//! while our Logout(5) is not answered yet; and while the connection closes, because both have logged out and
//! the peer may still read. Numbers that are set here are higher than they were, and
//! what is decided over is the Logon that waits; why a command is refused is said with its [`Outcome`].
//! Callbacks may ask for the same, and it comes to the same, without an outcome.
//!
//! | operation | held, not connected | connecting | logon sent | admitting | logged on | resetting | logging out | closing |
//! |---|---|---|---|---|---|---|---|---|
//! | Logon | Done | Done | Done | Done | NoOp | NoOp | Done | Done |
//! | Logout | NoOp | Done | Done | Done | Done | Done | Done | Done |
//! | Hold | Done | Done | Done | Done | Done | Done | Done | Done |
//! | Release | Done | NoOp | NoOp | NoOp | NoOp | NoOp | Done | NoOp |
//! | Disconnect | NoOp | Done | Done | Done | Done | Done | Done | Done |
//! | ResetInSession | Refused | Refused | Refused | Refused | Done | Refused | Refused | Refused |
//! | ResetNumbers | Done | Refused | Refused | Refused | Refused | Refused | Refused | Refused |
//! | Remove | Done | Done | Done | Done | Done | Done | Done | Done |
//! | SetNextOut | Done | Done | Refused | Refused | Done | Refused | Refused | Refused |
//! | SetNextIn | Done | Refused | Refused | Refused | Refused | Refused | Refused | Refused |
//! | SequenceReset | Refused | Refused | Refused | Refused | Done | Refused | Refused | Refused |
//! | TestRequest | Refused | Refused | Refused | Refused | Done | Refused | Refused | Refused |
//! | ResendRequest | Refused | Refused | Refused | Refused | Done | Refused | Refused | Refused |
//! | RotateJournal | Done | Done | Done | Done | Done | Done | Done | Done |
//! | Decide | Refused | Refused | Refused | Done | Refused | Refused | Refused | Refused |
//!
//! The same of FIXP sessions, for clients and gateways: without a connection after a logout; while a client's
//! Negotiate is not answered; while its Establish is not answered or, at the gateway, has not come; while
//! established; and while our Terminate is not answered yet. A new UUID is for the client to choose, so a
//! gateway refuses ResetNumbers.
//!
//! > | operation | held, not connected | negotiating | negotiated | established | terminating |
//! > |---|---|---|---|---|---|
//! > | Logon | Done | Done | Done | NoOp | Done |
//! > | Logout | NoOp | Done | Done | Done | Done |
//! > | Hold | Done | Done | Done | Done | Done |
//! > | Release | Done | NoOp | NoOp | NoOp | Done |
//! > | Disconnect | NoOp | Done | Done | Done | Done |
//! > | ResetInSession | Refused | Refused | Refused | Refused | Refused |
//! > | ResetNumbers | Done or Refused | Refused | Refused | Refused | Refused |
//! > | Remove | Done | Done | Done | Done | Done |
//! > | SetNextOut | Done | Refused | Refused | Done | Refused |
//! > | SetNextIn | Done | Refused | Refused | Refused | Refused |
//! > | SequenceReset | Refused | Refused | Refused | Refused | Refused |
//! > | TestRequest | Refused | Refused | Refused | Refused | Refused |
//! > | ResendRequest | Refused | Refused | Refused | Refused | Refused |
//! > | RotateJournal | Done | Done | Done | Done | Done |
//! > | Decide | Refused | Refused | Refused | Refused | Refused |

pub mod protocol;
pub mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;

use self::queue::{Consumer, Producer};
use crate::session::Text;
use crate::session::fix::Decision;
use crate::time::Utc;

/// How many commands of one controller may be under way at a time.
pub const COMMANDS_MAX: usize = 64;

/// What an operator wants of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Clear the hold and be logged on. An initiator connects at once, without waiting for its
    /// back-off; an acceptor takes the peer's next Logon. Done when logged on.
    Logon,
    /// Set the hold and log out, with the reason in Text(58). Sequence numbers are not touched. Done
    /// when the connection is closed.
    Logout(HoldOrder),
    /// Set the hold and leave a connection that stands alone: once it has ended, an initiator does not
    /// connect again and an acceptor refuses a Logon(A). A hold that is set already is replaced. Done
    /// at once.
    Hold(HoldOrder),
    /// Clear the hold, without hurrying: an initiator connects after its back-off, as far as its
    /// schedule allows. Done at once.
    Release,
    /// Cut the connection, without a Logout: the counterparty sees an abnormal end. The hold is not
    /// touched, so an initiator connects again after its back-off. Done when the connection is
    /// closed.
    Disconnect,
    /// Start both number series at 1 without ending the connection, by Logons with
    /// ResetSeqNumFlag(141)=Y. Done when the peer has answered.
    ResetInSession,
    /// Start both number series at 1 while there is no connection; refused while there is one. The
    /// peer's operator must do the same.
    ResetNumbers,
    /// Log out if there is a connection, and take the session out of the engine once that has ended.
    /// Its journal stays where it is: added again, the session continues. A hold is not touched. Done
    /// when the journal is closed and the session could be added again.
    Remove,
    /// Have our next new message carry this number. It must be above the one that would be next, and at
    /// most [`SEQ_MAX`](crate::session::fix::SEQ_MAX); a number that was used is never used again.
    /// While logged on it is set between two messages: the peer sees a gap, asks for it, and gets what
    /// it had missed before and a gap fill for the rest. Refused while a logon, a logout or a reset is
    /// under way. Done at once, and journalled.
    SetNextOut(u64),
    /// Expect this number of the peer next. It must be above the one that is expected; nothing below it
    /// is asked for any more. Refused while there is a connection: what the peer sends next would be
    /// below it. Done at once, and journalled.
    SetNextIn(u64),
    /// Send a SequenceReset-Reset(4) with this NewSeqNo(36), which our next message carries. It must be
    /// above the number of the SequenceReset itself. The peer asks for nothing below it any more, so
    /// what it has not had is lost to it. Refused unless logged on. Done at once, and journalled.
    SequenceReset(u64),
    /// Send a TestRequest(1). Done when it is answered, with the round trip on the status page; refused
    /// unless logged on, or if the connection ends or the numbers are reset before the answer.
    TestRequest,
    /// Send a ResendRequest(2). What comes again below the expected number was delivered before, so it is
    /// recorded and not delivered again. Refused unless logged on, and while a gap is being asked for.
    /// Done at once.
    ResendRequest {
        /// BeginSeqNo(7), from 1.
        begin: u64,
        /// EndSeqNo(16); 0 is "and everything after".
        end: u64,
    },
    /// Start a new journal segment, so that those before it change no more. Done when it has begun; with
    /// or without a connection, in either role. The numbers do not notice.
    RotateJournal,
    /// Decide over a Logon that the application put off with
    /// [`Admission::Later`](crate::session::fix::Admission::Later). Done at once; refused if no such
    /// Logon waits.
    Decide {
        /// The number it was put off under.
        ticket: u64,
        /// Whether the peer is welcome.
        decision: Decision,
    },
}

impl Operation {
    /// The name of every operation.
    pub const NAMES: [&'static str; 15] = [
        "Logon",
        "Logout",
        "Hold",
        "Release",
        "Disconnect",
        "ResetInSession",
        "ResetNumbers",
        "Remove",
        "SetNextOut",
        "SetNextIn",
        "SequenceReset",
        "TestRequest",
        "ResendRequest",
        "RotateJournal",
        "Decide",
    ];

    /// The name of this operation, one of [`Operation::NAMES`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Logon => "Logon",
            Self::Logout(_) => "Logout",
            Self::Hold(_) => "Hold",
            Self::Release => "Release",
            Self::Disconnect => "Disconnect",
            Self::ResetInSession => "ResetInSession",
            Self::ResetNumbers => "ResetNumbers",
            Self::Remove => "Remove",
            Self::SetNextOut(_) => "SetNextOut",
            Self::SetNextIn(_) => "SetNextIn",
            Self::SequenceReset(_) => "SequenceReset",
            Self::TestRequest => "TestRequest",
            Self::ResendRequest { .. } => "ResendRequest",
            Self::RotateJournal => "RotateJournal",
            Self::Decide { .. } => "Decide",
        }
    }
}

/// How a session is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldOrder {
    /// Who wants it, as they name themselves; kept with the hold.
    pub by: Text,
    /// Why; goes into Text(58) of a Logout(5), and is kept with the hold.
    pub reason: Text,
    /// When the hold ends by itself; `None` means on command only.
    pub until: Option<Utc>,
}

/// A session, as commands name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The number of its place.
    pub number: u32,
    /// Which of the sessions that have had this place.
    pub generation: u32,
}

/// What a command is about.
// Copied through the ring, whose slots have one size anyway.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// To do this with a session.
    Operate(Target, Operation),
    /// To take in the session that the controller has made and put at the door.
    Install,
}

/// A command on its way to the core.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Tells completions apart.
    pub ticket: Ticket,
    /// What to do.
    pub order: Order,
    /// How long it may take, from when the core sees it.
    pub within: Duration,
}

/// Names one command of one controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it says.
    Done,
    /// There was nothing to do; says why.
    NoOp(&'static str),
    /// The engine has no such session.
    UnknownSession,
    /// It could not be done; says why.
    Refused(&'static str),
    /// It did not come to its end in the time given. What it set in motion goes on: the hold is set
    /// or cleared, and the state of the session is on the status page.
    TimedOut,
    /// The engine is gone.
    EngineStopped,
}

/// The one answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which command.
    pub ticket: Ticket,
    /// How it ended.
    pub outcome: Outcome,
}

/// There are [`COMMANDS_MAX`] commands of this controller under way. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{COMMANDS_MAX} commands are under way, wait for a completion"
        )
    }
}

impl std::error::Error for Busy {}

/// The operator's end: sends commands, receives completions. One thread at a time.
#[derive(Debug)]
pub struct CommandSender {
    commands: Producer<Command>,
    completions: Arc<ArrayQueue<Completion>>,
    next_ticket: u64,
    /// Commands without a completion yet. Never more than both queues hold, so that the core finds
    /// room for every completion.
    under_way: usize,
}

/// The core's end.
#[derive(Debug)]
pub struct CommandReceiver {
    commands: Consumer<Command>,
    completions: Arc<ArrayQueue<Completion>>,
}

/// The two ends of a controller.
#[must_use]
pub fn channel() -> (CommandSender, CommandReceiver) {
    let (producer, consumer) = queue::ring(COMMANDS_MAX);
    let completions = Arc::new(ArrayQueue::new(COMMANDS_MAX));
    let sender = CommandSender {
        commands: producer,
        completions: Arc::clone(&completions),
        next_ticket: 1,
        under_way: 0,
    };
    (
        sender,
        CommandReceiver {
            commands: consumer,
            completions,
        },
    )
}

impl CommandSender {
    /// Sends a command. Never blocks.
    ///
    /// # Errors
    /// Too many commands are under way.
    pub fn send(&mut self, order: Order, within: Duration) -> Result<Ticket, Busy> {
        if self.under_way == COMMANDS_MAX {
            return Err(Busy);
        }
        let ticket = Ticket(self.next_ticket);
        self.commands
            .push(Command {
                ticket,
                order,
                within,
            })
            .map_err(|_| Busy)?;
        self.next_ticket += 1;
        self.under_way += 1;
        Ok(ticket)
    }

    /// Whether one more command may be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way < COMMANDS_MAX
    }

    /// The next completion, if there is one.
    pub fn poll(&mut self) -> Option<Completion> {
        let completion = self.completions.pop()?;
        self.under_way -= 1;
        Some(completion)
    }

    /// Waits up to `limit` for the next completion. Not to be called on the engine's own thread,
    /// which is the one that would have to complete it.
    pub fn wait(&mut self, limit: Duration) -> Option<Completion> {
        let end = Instant::now() + limit;
        loop {
            let gone = self.commands.is_abandoned();
            if let Some(completion) = self.poll() {
                return Some(completion);
            }
            if gone || Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Whether the engine is gone, so that no completion will come any more.
    #[must_use]
    pub fn is_engine_gone(&self) -> bool {
        self.commands.is_abandoned()
    }
}

impl CommandReceiver {
    /// How many commands wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.commands.waiting()
    }

    /// The next command, if there is one.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop()
    }

    /// Whether the controller is gone. What it sent before can still be taken.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.commands.is_abandoned()
    }

    /// Answers a command. The sender admits no more commands than there is room for answers.
    pub fn complete(&mut self, ticket: Ticket, outcome: Outcome) {
        let answered = self.completions.push(Completion { ticket, outcome });
        debug_assert!(
            answered.is_ok(),
            "a completion for every command and no more"
        );
    }
}

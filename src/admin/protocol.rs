//! The language of the admin socket: lines of text that a person can type and a program can read.
//!
//! Pure functions over text: no socket, no engine. Fields are separated by one TAB, lines end with LF,
//! and no value holds either, so nothing is ever escaped. A client sends one request, reads rows until
//! the line that ends the reply, and may then send the next.
//!
//! ```text
//!   request    VERB [TAB KEY=VALUE]... LF
//!
//!     list                                       every session
//!     status      session=ID                     one of them
//!     add         file=PATH [within=MS]          sessions of a file, those the engine has not
//!     logon       session=ID [within=MS]
//!     logout      session=ID reason=TEXT [until=UTC] [by=NAME] [within=MS]
//!     hold        session=ID reason=TEXT [until=UTC] [by=NAME] [within=MS]
//!     release     session=ID [within=MS]
//!     disconnect  session=ID [within=MS]
//!     reset       session=ID [within=MS]         both numbers to 1 while there is no connection
//!     reset-in-session  session=ID [within=MS]   the same while logged on, by 141=Y
//!     remove      session=ID [within=MS]         logged out and out of the engine
//!     set-next-out  session=ID next=N [within=MS]   the number of our next message
//!     set-next-in   session=ID next=N [within=MS]   the number expected of the peer, while not connected
//!     sequence-reset  session=ID next=N [within=MS] sends a SequenceReset-Reset
//!     test-request  session=ID [within=MS]       done when answered
//!     resend        session=ID begin=N [end=N] [within=MS]   asks the peer; without end for all after
//!     rotate-journal  session=ID [within=MS]     starts a new segment
//!     admit     session=ID ticket=N [status=N] [within=MS]   lets in a peer whose Logon the application
//!                                                put off; with a SessionStatus(1409)
//!     refuse    session=ID ticket=N reason=TEXT [status=N] [within=MS]   turns it away
//!
//!   reply      [session TAB KEY=VALUE ... LF]... END LF
//!
//!   END        done | noop TAB WHY | unknown-session | refused TAB WHY | timed-out | engine-stopped
//!              | error TAB WHY
//! ```
//!
//! The file of an `add` is read by the process that serves the socket, which must be allowed to; so its
//! absolute path is sent and its secrets are not. It must belong to the user who asks, unless that is root
//! or the user of the process. Only its sessions count: ports and engine are as they are. Every session
//! that was added has a row in the reply.
//!
//! A session row has the fields of the status page, `last_fault_name` if the peer made a mistake, and while it
//! is held `held_by`, `held_why`, `held_since` and, if the hold ends by itself, `held_until`.
//!
//! A hold is `by` the user of the client's process, by number, unless the request names somebody.
//!
//! ID is what the engine calls a session, such as `FIX.4.4:ME->YOU`; UTC is a UTCTimestamp such as
//! `20260105-18:00:00`; `within` is how long the command may take, 30 s unless it says otherwise.

use std::fmt;
use std::time::Duration;

use super::{HoldOrder, Operation, Outcome};
use crate::session::fix::Decision;
use crate::session::{Farewell, SessionStatus, Text, TextError};
use crate::time::{TimestampPrecision, Utc};

/// The longest request, in bytes, without its LF.
pub const REQUEST_BYTES_MAX: usize = 1024;

/// How long a command may take unless the request says otherwise.
pub const WITHIN: Duration = Duration::from_secs(30);

/// The longest time a request may give a command.
const WITHIN_MAX: Duration = Duration::from_secs(3600);

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The status of every session.
    List,
    /// The status of one session.
    Status {
        /// What the engine calls it.
        session: String,
    },
    /// The sessions of a file added, as far as the engine has not got them.
    Add {
        /// Its absolute path.
        file: String,
        /// How long that may take.
        within: Duration,
    },
    /// Something done to one session.
    Command {
        /// What the engine calls it.
        session: String,
        /// What is to be done.
        operation: Box<Operation>,
        /// How long it may take.
        within: Duration,
    },
}

/// Why a line is no request. Says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The line is longer than [`REQUEST_BYTES_MAX`].
    TooLong,
    /// The line is not UTF-8.
    NotText,
    /// The first word is none of the verbs.
    Verb(String),
    /// A field is not `KEY=VALUE`.
    Field(String),
    /// The verb has no such key, or the key came twice.
    Key(String),
    /// The verb needs this key.
    Missing(&'static str),
    /// The value of a key cannot be taken.
    Value {
        /// Which key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would be taken.
        right: String,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a request is at most {REQUEST_BYTES_MAX} bytes long"),
            Self::NotText => f.write_str("a request is UTF-8 text"),
            Self::Verb(verb) => write!(
                f,
                "no command {verb:?}, expected one of {}",
                VERBS.join(", ")
            ),
            Self::Field(field) => write!(f, "{field:?} is no field, expected KEY=VALUE"),
            Self::Key(key) => write!(f, "key {key:?} does not belong here, or is here twice"),
            Self::Missing(key) => write!(f, "{key}=... is missing"),
            Self::Value { key, value, right } => {
                write!(f, "{key}={value:?} is not accepted, expected {right}")
            }
        }
    }
}

impl std::error::Error for RequestError {}

const VERBS: [&str; 19] = [
    "list",
    "status",
    "add",
    "logon",
    "logout",
    "hold",
    "release",
    "disconnect",
    "reset",
    "reset-in-session",
    "remove",
    "set-next-out",
    "set-next-in",
    "sequence-reset",
    "test-request",
    "resend",
    "rotate-journal",
    "admit",
    "refuse",
];

impl Request {
    /// Reads a request, without its LF.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(line: &[u8]) -> Result<Self, RequestError> {
        if line.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        let line = std::str::from_utf8(line).map_err(|_| RequestError::NotText)?;
        // A client on another system may end its lines with CR LF.
        let mut parts = line.strip_suffix('\r').unwrap_or(line).split('\t');
        let verb = parts.next().unwrap_or_default();
        if !VERBS.contains(&verb) {
            return Err(RequestError::Verb(verb.to_owned()));
        }
        let mut fields = Fields::read(parts)?;
        let request = if verb == "list" {
            Self::List
        } else if verb == "add" {
            let file = fields.take("file").ok_or(RequestError::Missing("file"))?;
            let within = fields.within()?;
            Self::Add { file, within }
        } else {
            let session = fields
                .take("session")
                .ok_or(RequestError::Missing("session"))?;
            if verb == "status" {
                Self::Status { session }
            } else {
                let within = fields.within()?;
                let operation = match verb {
                    "logon" => Operation::Logon,
                    "logout" => Operation::Logout(fields.hold_order()?),
                    "hold" => Operation::Hold(fields.hold_order()?),
                    "release" => Operation::Release,
                    "disconnect" => Operation::Disconnect,
                    "reset" => Operation::ResetNumbers,
                    "remove" => Operation::Remove,
                    "set-next-out" => Operation::SetNextOut(fields.needed("next")?),
                    "set-next-in" => Operation::SetNextIn(fields.needed("next")?),
                    "sequence-reset" => Operation::SequenceReset(fields.needed("next")?),
                    "test-request" => Operation::TestRequest,
                    "resend" => Operation::ResendRequest {
                        begin: fields.needed("begin")?,
                        end: fields.number("end")?.unwrap_or(0),
                    },
                    "rotate-journal" => Operation::RotateJournal,
                    "admit" | "refuse" => fields.decision(verb)?,
                    _ => Operation::ResetInSession,
                };
                Self::Command {
                    session,
                    operation: Box::new(operation),
                    within,
                }
            }
        };
        fields.finish().map(|()| request)
    }
}

/// The request as it goes over the socket, without its LF.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (session, operation, within) = match self {
            Self::List => return f.write_str("list"),
            Self::Status { session } => return write!(f, "status\tsession={session}"),
            Self::Add { file, within } => {
                return write!(f, "add\tfile={file}\twithin={}", within.as_millis());
            }
            Self::Command {
                session,
                operation,
                within,
            } => (session, operation, within),
        };
        let (verb, order) = match &**operation {
            Operation::Logon => ("logon", None),
            Operation::Logout(order) => ("logout", Some(order)),
            Operation::Hold(order) => ("hold", Some(order)),
            Operation::Release => ("release", None),
            Operation::Disconnect => ("disconnect", None),
            Operation::ResetNumbers => ("reset", None),
            Operation::ResetInSession => ("reset-in-session", None),
            Operation::Remove => ("remove", None),
            Operation::SetNextOut(_) => ("set-next-out", None),
            Operation::SetNextIn(_) => ("set-next-in", None),
            Operation::SequenceReset(_) => ("sequence-reset", None),
            Operation::TestRequest => ("test-request", None),
            Operation::ResendRequest { .. } => ("resend", None),
            Operation::RotateJournal => ("rotate-journal", None),
            Operation::Decide {
                decision: Decision::Admit(_),
                ..
            } => ("admit", None),
            Operation::Decide {
                decision: Decision::Refuse(_),
                ..
            } => ("refuse", None),
        };
        write!(f, "{verb}\tsession={session}")?;
        match &**operation {
            Operation::SetNextOut(next)
            | Operation::SetNextIn(next)
            | Operation::SequenceReset(next) => write!(f, "\tnext={next}")?,
            Operation::ResendRequest { begin, end } => write!(f, "\tbegin={begin}\tend={end}")?,
            _ => {}
        }
        if let Operation::Decide { ticket, decision } = &**operation {
            write!(f, "\tticket={ticket}")?;
            let status = match decision {
                Decision::Admit(status) => *status,
                Decision::Refuse(farewell) => {
                    write!(f, "\treason={}", farewell.text)?;
                    farewell.status
                }
            };
            if let Some(SessionStatus(status)) = status {
                write!(f, "\tstatus={status}")?;
            }
        }
        if let Some(HoldOrder { by, reason, until }) = order {
            write!(f, "\treason={reason}")?;
            if let Some(until) = until {
                write!(f, "\tuntil={}", until.to_fix(TimestampPrecision::Seconds))?;
            }
            if !by.is_empty() {
                write!(f, "\tby={by}")?;
            }
        }
        write!(f, "\twithin={}", within.as_millis())
    }
}

/// A line of a reply, as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What is known of one session, in the order it came.
    Session(Vec<(String, String)>),
    /// The end of the reply.
    End(End),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was done.
    Done,
    /// There was nothing to do; says why.
    NoOp(String),
    /// The engine has no such session.
    UnknownSession,
    /// It could not be done; says why.
    Refused(String),
    /// It did not come to its end in the time given; what it set in motion goes on.
    TimedOut,
    /// The engine is gone.
    EngineStopped,
    /// The request itself could not be taken; says why.
    Error(String),
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::NoOp(why) => Self::NoOp(why.to_owned()),
            Outcome::UnknownSession => Self::UnknownSession,
            Outcome::Refused(why) => Self::Refused(why.to_owned()),
            Outcome::TimedOut => Self::TimedOut,
            Outcome::EngineStopped => Self::EngineStopped,
        }
    }
}

/// The line that ends a reply, without its LF.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::NoOp(why) => write!(f, "noop\t{}", OneLine(why)),
            Self::UnknownSession => f.write_str("unknown-session"),
            Self::Refused(why) => write!(f, "refused\t{}", OneLine(why)),
            Self::TimedOut => f.write_str("timed-out"),
            Self::EngineStopped => f.write_str("engine-stopped"),
            Self::Error(why) => write!(f, "error\t{}", OneLine(why)),
        }
    }
}

/// A text of several lines, such as all that is wrong with a file, as one.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self
            .0
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let mut say = |line: &str| f.write_str(&line.replace('\t', " "));
        if let Some(first) = lines.next() {
            say(first)?;
        }
        lines.try_for_each(|line| {
            say("; ")?;
            say(line)
        })
    }
}

impl Reply {
    /// Reads a line of a reply, without its LF; `None` if it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
        let why = || rest.to_owned();
        Some(Self::End(match word {
            "session" => {
                let pair = |field: &str| {
                    let (key, value) = field.split_once('=')?;
                    Some((key.to_owned(), value.to_owned()))
                };
                return rest
                    .split('\t')
                    .map(pair)
                    .collect::<Option<_>>()
                    .map(Self::Session);
            }
            "done" => End::Done,
            "noop" => End::NoOp(why()),
            "unknown-session" => End::UnknownSession,
            "refused" => End::Refused(why()),
            "timed-out" => End::TimedOut,
            "engine-stopped" => End::EngineStopped,
            "error" => End::Error(why()),
            _ => return None,
        }))
    }
}

/// The fields of a request that were not looked at yet.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn read(parts: impl Iterator<Item = &'a str>) -> Result<Self, RequestError> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| RequestError::Field(part.to_owned()))?;
            if fields.iter().any(|known| known.0 == key) {
                return Err(RequestError::Key(key.to_owned()));
            }
            fields.push((key, value));
        }
        Ok(Self(fields))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|field| field.0 == key)?;
        Some(self.0.swap_remove(at).1.to_owned())
    }

    fn text(&mut self, key: &'static str) -> Result<Option<Text>, RequestError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let text = Text::new(&value).map_err(|error| RequestError::Value {
            key,
            right: match error {
                TextError::TooLong(_) => format!("at most {} bytes", Text::MAX),
                TextError::Control(_) => "printable text".to_owned(),
            },
            value,
        })?;
        Ok(Some(text))
    }

    fn hold_order(&mut self) -> Result<HoldOrder, RequestError> {
        let reason = self
            .text("reason")?
            .ok_or(RequestError::Missing("reason"))?;
        let by = self.text("by")?.unwrap_or_default();
        let until = match self.take("until") {
            None => None,
            Some(value) => {
                Some(
                    Utc::parse_fix(value.as_bytes()).ok_or_else(|| RequestError::Value {
                        key: "until",
                        value,
                        right: "a UTC time such as 20260105-18:00:00".to_owned(),
                    })?,
                )
            }
        };
        Ok(HoldOrder { by, reason, until })
    }

    fn decision(&mut self, verb: &str) -> Result<Operation, RequestError> {
        let ticket = self.needed("ticket")?;
        let status = self.number("status")?.map(SessionStatus);
        let decision = if verb == "admit" {
            Decision::Admit(status)
        } else {
            let text = self
                .text("reason")?
                .ok_or(RequestError::Missing("reason"))?;
            Decision::Refuse(Farewell { text, status })
        };
        Ok(Operation::Decide { ticket, decision })
    }

    fn needed(&mut self, key: &'static str) -> Result<u64, RequestError> {
        self.number(key)?.ok_or(RequestError::Missing(key))
    }

    fn number<N: std::str::FromStr>(&mut self, key: &'static str) -> Result<Option<N>, RequestError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(RequestError::Value {
                key,
                value,
                right: "a number".to_owned(),
            }),
        }
    }

    fn within(&mut self) -> Result<Duration, RequestError> {
        let Some(value) = self.take("within") else {
            return Ok(WITHIN);
        };
        let within = value.parse().ok().map(Duration::from_millis);
        within
            .filter(|within| *within <= WITHIN_MAX)
            .ok_or_else(|| RequestError::Value {
                key: "within",
                value,
                right: format!("milliseconds, at most {}", WITHIN_MAX.as_millis()),
            })
    }

    fn finish(self) -> Result<(), RequestError> {
        match self.0.first() {
            Some((key, _)) => Err(RequestError::Key((*key).to_owned())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order() -> HoldOrder {
        HoldOrder {
            by: Text::new("alice").unwrap(),
            reason: Text::new("line=maintenance, a=b").unwrap(),
            until: Utc::parse_fix(b"20260105-18:00:00"),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let session = || "FIX.4.4:ME/a desk->YOU".to_owned();
        let operations = [
            Operation::Logon,
            Operation::Logout(order()),
            Operation::Hold(HoldOrder {
                until: None,
                by: Text::EMPTY,
                ..order()
            }),
            Operation::Release,
            Operation::Disconnect,
            Operation::ResetNumbers,
            Operation::ResetInSession,
            Operation::Remove,
            Operation::SetNextOut(5000),
            Operation::SetNextIn(17),
            Operation::SequenceReset(5000),
            Operation::TestRequest,
            Operation::ResendRequest { begin: 3, end: 0 },
            Operation::RotateJournal,
            Operation::Decide {
                ticket: 7,
                decision: Decision::Refuse(Farewell {
                    text: Text::new("account locked").unwrap(),
                    status: Some(SessionStatus::ACCOUNT_LOCKED),
                }),
            },
        ];
        assert_eq!(operations.len(), Operation::NAMES.len());
        let commands = operations.map(|operation| Request::Command {
            session: session(),
            operation: Box::new(operation),
            within: Duration::from_millis(1500),
        });
        let questions = [
            Request::List,
            Request::Status { session: session() },
            Request::Add {
                file: "/etc/a file=x".to_owned(),
                within: Duration::from_secs(2),
            },
        ];
        for request in commands.into_iter().chain(questions) {
            let line = request.to_string();
            assert_eq!(Request::parse(line.as_bytes()), Ok(request), "{line:?}");
        }
    }

    #[test]
    fn a_wrong_request_says_what_would_be_right() {
        for (line, part) in [
            ("", "list, status, add, logon"),
            ("add\tsession=A", "file=... is missing"),
            ("restart", "no command \"restart\""),
            ("logon", "session=... is missing"),
            ("logon\tsession", "KEY=VALUE"),
            ("logon\tsession=A\treason=x", "\"reason\" does not belong"),
            ("logon\tsession=A\tsession=B", "twice"),
            ("logon\tsession=A\twithin=soon", "milliseconds"),
            ("logon\tsession=A\twithin=99999999999", "at most 3600000"),
            ("set-next-out\tsession=A", "next=... is missing"),
            ("set-next-in\tsession=A\tnext=-1", "a number"),
            ("logout\tsession=A", "reason=... is missing"),
            ("logout\tsession=A\treason=x\x01y", "printable"),
            (
                "hold\tsession=A\treason=x\tuntil=18:00",
                "20260105-18:00:00",
            ),
        ] {
            let error = Request::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{line:?}: {error}");
        }
        assert_eq!(
            Request::parse(&[b'x'; REQUEST_BYTES_MAX + 1]),
            Err(RequestError::TooLong)
        );
        assert_eq!(Request::parse(b"list\xff"), Err(RequestError::NotText));
    }

    #[test]
    fn every_end_is_read_back() {
        for outcome in [
            Outcome::Done,
            Outcome::NoOp("logged on already"),
            Outcome::UnknownSession,
            Outcome::Refused("the engine is stopping"),
            Outcome::TimedOut,
            Outcome::EngineStopped,
        ] {
            let end = End::from(outcome);
            assert_eq!(Reply::parse(&end.to_string()), Some(Reply::End(end)));
        }
        let end = End::Error("why".to_owned());
        assert_eq!(Reply::parse(&end.to_string()), Some(Reply::End(end)));
        let lines = End::Error("two\nlines\tof it\n".to_owned());
        assert_eq!(lines.to_string(), "error\ttwo; lines of it");
        let row = Reply::parse("session\tid=FIX.4.4:A->B\tstate=up");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let wanted = vec![pair("id", "FIX.4.4:A->B"), pair("state", "up")];
        assert_eq!(row, Some(Reply::Session(wanted)));
        assert_eq!(Reply::parse("what"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse(&line);
            let _ = Reply::parse(&String::from_utf8_lossy(&line));
        }
    }
}

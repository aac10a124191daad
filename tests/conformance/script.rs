//! Reads scenario files. The format is described at the top of `main.rs`.
//!
//! A line that cannot be read is an error that names the file, the line and what would be right: a
//! scenario that silently does nothing would be worse than none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinfix::admin::{HoldOrder, Operation};
use pinfix::session::fix::rules::{ALL, Rules};
use pinfix::session::fix::{Admission, Decision, Role};
use pinfix::session::{Farewell, SessionStatus, Text};

/// One scenario as written, before it is expanded to versions and roles.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub file: PathBuf,
    pub id: String,
    pub title: String,
    pub versions: Vec<&'static Rules>,
    pub roles: Vec<Role>,
    pub settings: Vec<(usize, String, String)>,
    /// Also run with reads of every length up to this.
    pub pieces: usize,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub number: usize,
    pub text: String,
    pub step: Step,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something is done: to the engine, by its application or its operator, or by time.
    Do { joined: bool, action: Action },
    /// Something must have happened.
    Expect(Expectation),
}

#[derive(Clone, Debug)]
pub enum Action {
    Given {
        start: Start,
        next_in: u64,
        next_out: u64,
    },
    /// From this address, if one is given.
    Connect(Option<SocketAddr>),
    Refuse,
    Logon(Vec<Field>),
    Frame(Vec<Field>),
    Raw(Vec<u8>),
    RawMany(u64, Vec<u8>),
    Repeat {
        times: u64,
        fields: Vec<Field>,
    },
    On(usize),
    Finish,
    Close,
    Sever,
    Full,
    Drain,
    Wait(Duration),
    Clock(i64),
    Skip(Duration),
    Send(Vec<u8>, Vec<Field>),
    SendMany(u64, usize),
    Verdict(Answer),
    Admission(Admission),
    Operator {
        operation: Box<Operation>,
        unknown: bool,
        within: Duration,
    },
    Callback(Box<Operation>),
    /// A text that cannot be the reason of anything.
    Reason(String),
    Veto(Vec<Field>),
    Damage(u64),
    Stall(Duration),
    Restart,
    DropEngine,
    LoseJournal,
    StopEngine,
    Number(u64),
}

/// What the application says to messages from now on.
#[derive(Clone, Debug)]
pub enum Answer {
    Accept,
    Reject {
        reason: u16,
        ref_tag: u32,
        text: String,
    },
    Business {
        reason: u16,
        text: String,
    },
    /// Sends an ExecutionReport(8) with the same ClOrdID(11).
    Report,
    /// Fails over the message.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Down,
    Connected,
    Up,
}

#[derive(Clone, Debug)]
pub enum Expectation {
    Frame(Vec<Field>),
    /// So many frames, whatever they are.
    Frames(u64),
    SomeFrames,
    Silent(Duration),
    Ok,
    /// To this address, if one is given.
    Dialled(Option<SocketAddr>),
    Open,
    Closed,
    Ended,
    Gone,
    Event {
        words: String,
        fields: Vec<Field>,
    },
    Events(u64, String),
    In(u64),
    Out(u64),
    Fault(String),
    Count(String, u64),
}

/// `tag=value`, `tag~part`, `!tag` or `-tag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub tag: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Is(Vec<u8>),
    Contains(Vec<u8>),
    Absent,
    Present,
}

/// Every scenario below `directory`.
pub fn read_all(directory: &Path) -> Result<Vec<Scenario>, String> {
    let listing =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<_> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    files.sort();
    let mut all: Vec<Scenario> = Vec::new();
    for file in files {
        for scenario in read(&file)? {
            if let Some(other) = all.iter().find(|other| other.id == scenario.id) {
                return Err(format!(
                    "{}: scenario {} is in {} already",
                    file.display(),
                    scenario.id,
                    other.file.display()
                ));
            }
            all.push(scenario);
        }
    }
    Ok(all)
}

fn read(file: &Path) -> Result<Vec<Scenario>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    parse(file, &text)
}

/// The scenarios in `text`, which is that of `file`.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Scenario>, String> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        read_line(file, number, line, &mut scenarios)
            .map_err(|why| format!("{}:{number}: {why}: {line}", file.display()))?;
    }
    Ok(scenarios)
}

fn read_line(
    file: &Path,
    number: usize,
    line: &str,
    scenarios: &mut Vec<Scenario>,
) -> Result<(), String> {
    let (word, rest) = split_word(line);
    if word == "scenario" {
        let (id, title) = split_word(rest);
        if title.is_empty() {
            return Err("a scenario has an id and a title".into());
        }
        scenarios.push(Scenario {
            file: file.to_owned(),
            id: id.into(),
            title: title.into(),
            versions: ALL.to_vec(),
            roles: vec![Role::Acceptor, Role::Initiator],
            settings: Vec::new(),
            pieces: 0,
            lines: Vec::new(),
        });
        return Ok(());
    }
    let scenario = scenarios
        .last_mut()
        .ok_or("expected a scenario line first")?;
    match word {
        "versions" => {
            scenario.versions = rest
                .split_whitespace()
                .map(versions)
                .collect::<Result<Vec<_>, _>>()?
                .concat()
        }
        "roles" => {
            scenario.roles = rest
                .split_whitespace()
                .map(role)
                .collect::<Result<_, _>>()?
        }
        "pieces" => {
            scenario.pieces = rest.parse().map_err(|_| format!("{rest:?} is no number"))?;
        }
        "set" => {
            let (key, value) = split_word(rest);
            scenario.settings.push((number, key.into(), value.into()));
        }
        _ => scenario.lines.push(Line {
            number,
            text: line.into(),
            step: step(word, rest)?,
        }),
    }
    Ok(())
}

/// `4.4`, or `4.4+` for that and every later one.
fn versions(name: &str) -> Result<Vec<&'static Rules>, String> {
    let (name, later) = match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let first = ALL
        .iter()
        .position(|rules| rules.name.strip_prefix("FIX.") == Some(name))
        .ok_or_else(|| {
            let known: Vec<_> = ALL.iter().map(|rules| &rules.name[4..]).collect();
            format!("no version {name}, expected {}", known.join(", "))
        })?;
    let count = if later { ALL.len() - first } else { 1 };
    Ok(ALL[first..first + count].to_vec())
}

fn role(name: &str) -> Result<Role, String> {
    match name {
        "acceptor" => Ok(Role::Acceptor),
        "initiator" => Ok(Role::Initiator),
        _ => Err(format!("no role {name}, expected acceptor, initiator")),
    }
}

fn step(word: &str, rest: &str) -> Result<Step, String> {
    if word == "&" {
        let (word, rest) = split_word(rest);
        return Ok(Step::Do {
            joined: true,
            action: action(word, rest)?.ok_or("only what is sent can be joined to the line before")?,
        });
    }
    if let Some(action) = action(word, rest)? {
        return Ok(Step::Do {
            joined: false,
            action,
        });
    }
    expectation(word, rest).map(Step::Expect)
}

fn action(word: &str, rest: &str) -> Result<Option<Action>, String> {
    Ok(Some(match word {
        "given" => given(rest)?,
        "connect" => Action::Connect(match rest.strip_prefix("from ") {
            Some(address) => Some(address_of(address)?),
            None => None,
        }),
        "refuse" => Action::Refuse,
        "logon" => Action::Logon(fields(rest)?),
        ">" => Action::Frame(fields(rest)?),
        "raw" => Action::Raw(soh(rest)),
        "raw-hex" => Action::Raw(hex(rest)?),
        "raw-many" => {
            let (times, rest) = split_word(rest);
            Action::RawMany(number(times)?, soh(rest))
        }
        "repeat" => {
            let (times, rest) = split_word(rest);
            Action::Repeat {
                times: number(times)?,
                fields: fields(rest.strip_prefix('>').ok_or("expected repeat N > FIELDS")?)?,
            }
        }
        "on" => Action::On(number(rest)? as usize),
        "finish" => Action::Finish,
        "close" => Action::Close,
        "sever" => Action::Sever,
        "full" => Action::Full,
        "drain" => Action::Drain,
        "wait" => Action::Wait(span(rest)?),
        "clock" => Action::Clock(signed_span(rest)?),
        "skip" => Action::Skip(span(rest)?),
        "send" => {
            let (kind, rest) = split_word(rest);
            Action::Send(kind.into(), fields(rest)?)
        }
        "send-many" => {
            let (times, bytes) = split_word(rest);
            Action::SendMany(number(times)?, number(bytes)? as usize)
        }
        "verdict" => Action::Verdict(answer(rest)?),
        "admission" => Action::Admission(admission(rest)?),
        "operator" | "operator-of-unknown" => {
            let (rest, within) = match rest.split_once(" within ") {
                Some((rest, within)) => (rest, span(within)?),
                None => (rest, Duration::from_secs(60)),
            };
            Action::Operator {
                operation: Box::new(operation(rest)?),
                unknown: word == "operator-of-unknown",
                within,
            }
        }
        "callback" => Action::Callback(Box::new(operation(rest)?)),
        "reason" => Action::Reason(String::from_utf8_lossy(&soh(rest)).into_owned()),
        "veto" => Action::Veto(fields(rest)?),
        "damage" => Action::Damage(number(rest)?),
        "stall" => Action::Stall(span(rest)?),
        "restart" => Action::Restart,
        "lose-journal" => Action::LoseJournal,
        "drop-engine" => Action::DropEngine,
        "stop-engine" => Action::StopEngine,
        "peer-number" => Action::Number(number(rest)?),
        _ => return Ok(None),
    }))
}

fn expectation(word: &str, rest: &str) -> Result<Expectation, String> {
    Ok(match word {
        "<" => Expectation::Frame(fields(rest)?),
        "frames" if rest == "*" => Expectation::SomeFrames,
        "frames" => Expectation::Frames(number(rest)?),
        "silent" => Expectation::Silent(if rest.is_empty() {
            Duration::ZERO
        } else {
            span(rest)?
        }),
        "ok" => Expectation::Ok,
        "dialled" if rest.is_empty() => Expectation::Dialled(None),
        "dialled" => Expectation::Dialled(Some(address_of(rest)?)),
        "open" => Expectation::Open,
        "closed" => Expectation::Closed,
        "ended" => Expectation::Ended,
        "gone" => Expectation::Gone,
        "app" | "event" | "completed" => {
            let words: Vec<_> = tokens(rest)?;
            let (fields, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|token| {
                token.contains('=') || token.contains('~') || token.starts_with('!')
            });
            Expectation::Event {
                words: format!("{word} {}", words.join(" ")),
                fields: fields
                    .iter()
                    .map(|token| field(token))
                    .collect::<Result<_, _>>()?,
            }
        }
        "events" => {
            let (times, words) = split_word(rest);
            Expectation::Events(number(times)?, words.into())
        }
        "in" => Expectation::In(number(rest)?),
        "out" => Expectation::Out(number(rest)?),
        "fault" => Expectation::Fault(rest.into()),
        "count" => {
            let (name, value) = split_word(rest);
            Expectation::Count(name.into(), number(value)?)
        }
        _ => return Err("no such line".into()),
    })
}

fn address_of(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is no address, expected for example 10.0.0.7:5001"))
}

fn given(rest: &str) -> Result<Action, String> {
    let (word, rest) = split_word(rest);
    let start = match word {
        "down" => Start::Down,
        "connected" => Start::Connected,
        "up" => Start::Up,
        _ => return Err("expected given down, given connected or given up".into()),
    };
    let (mut next_in, mut next_out) = (2, 2);
    for token in rest.split_whitespace() {
        match token.split_once('=') {
            Some(("in", value)) => next_in = number(value)?,
            Some(("out", value)) => next_out = number(value)?,
            _ => return Err("expected in=N or out=N".into()),
        }
    }
    Ok(Action::Given {
        start,
        next_in,
        next_out,
    })
}

/// `admit`, `admit-with STATUS`, `refuse TEXT`, `refuse-with STATUS TEXT`, `later TICKET`.
fn admission(rest: &str) -> Result<Admission, String> {
    let (word, rest) = split_word(rest);
    let text = |text: &str| Text::new(text).map_err(|error| error.to_string());
    let status = |text: &str| number(text).map(|number| SessionStatus(number as u32));
    Ok(match word {
        "admit" => Admission::Admit,
        "admit-with" => Admission::AdmitWith(status(rest)?),
        "refuse" => Admission::Refuse(text(rest)?.into()),
        "refuse-with" => {
            let (code, rest) = split_word(rest);
            Admission::Refuse(Farewell {
                text: text(rest)?,
                status: Some(status(code)?),
            })
        }
        "later" => Admission::Later(number(rest)?),
        _ => {
            return Err(
                "expected admit, admit-with STATUS, refuse TEXT, refuse-with STATUS TEXT or \
                        later TICKET"
                    .into(),
            );
        }
    })
}

fn operation(rest: &str) -> Result<Operation, String> {
    let (word, rest) = split_word(rest);
    let held = || -> Result<HoldOrder, String> {
        Ok(HoldOrder {
            reason: Text::new(rest).map_err(|error| error.to_string())?,
            ..HoldOrder::default()
        })
    };
    match word {
        "logon" => Ok(Operation::Logon),
        "logout" => Ok(Operation::Logout(held()?)),
        "hold" => Ok(Operation::Hold(held()?)),
        "release" => Ok(Operation::Release),
        "disconnect" => Ok(Operation::Disconnect),
        "reset-in-session" => Ok(Operation::ResetInSession),
        "reset-numbers" => Ok(Operation::ResetNumbers),
        "remove" => Ok(Operation::Remove),
        "set-next-out" => Ok(Operation::SetNextOut(number(rest)?)),
        "set-next-in" => Ok(Operation::SetNextIn(number(rest)?)),
        "sequence-reset" => Ok(Operation::SequenceReset(number(rest)?)),
        "test-request" => Ok(Operation::TestRequest),
        "resend" => {
            let (begin, end) = split_word(rest);
            Ok(Operation::ResendRequest {
                begin: number(begin)?,
                end: number(end)?,
            })
        }
        "rotate-journal" => Ok(Operation::RotateJournal),
        "decide" => {
            let (ticket, rest) = split_word(rest);
            let decision = match admission(rest)? {
                Admission::Admit => Decision::Admit(None),
                Admission::AdmitWith(status) => Decision::Admit(Some(status)),
                Admission::Refuse(farewell) => Decision::Refuse(farewell),
                Admission::Later(_) => return Err("a decision is made once".into()),
            };
            Ok(Operation::Decide {
                ticket: number(ticket)?,
                decision,
            })
        }
        _ => Err(
            "expected logon, logout TEXT, hold TEXT, release, disconnect, reset-in-session, \
                  reset-numbers, remove, set-next-out N, set-next-in N, sequence-reset N, test-request, \
                  resend BEGIN END, rotate-journal or decide TICKET ADMISSION"
                .into(),
        ),
    }
}

fn answer(rest: &str) -> Result<Answer, String> {
    let (word, rest) = split_word(rest);
    match word {
        "accept" => Ok(Answer::Accept),
        "report" => Ok(Answer::Report),
        "fail" => Ok(Answer::Fail),
        "reject" => {
            let (reason, rest) = split_word(rest);
            let (ref_tag, text) = split_word(rest);
            Ok(Answer::Reject {
                reason: number(reason)? as u16,
                ref_tag: number(ref_tag)? as u32,
                text: text.into(),
            })
        }
        "business" => {
            let (reason, text) = split_word(rest);
            Ok(Answer::Business {
                reason: number(reason)? as u16,
                text: text.into(),
            })
        }
        _ => Err("expected accept, report, reject REASON TAG TEXT or business REASON TEXT".into()),
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is no number"))
}

/// `3s`, `2.5s`, `100ms`.
fn span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is no time, expected for example 3s, 2.5s, 100ms or 24h");
    let units = [("ms", 0.001), ("s", 1.0), ("h", 3600.0)];
    let (value, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .ok_or_else(wrong)?;
    let value: f64 = value.parse().map_err(|_| wrong())?;
    Ok(Duration::from_millis((value * unit * 1000.0).round() as u64))
}

/// A signed span in nanoseconds.
pub fn signed_span(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => return Err(format!("{text:?}: expected + or - and a time")),
    };
    Ok(sign * span(rest)?.as_nanos() as i64)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let byte = |two: &str| u8::from_str_radix(two, 16).map_err(|_| format!("no byte: {two}"));
    text.split_whitespace().map(byte).collect()
}

fn soh(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| if byte == b'|' { 1 } else { byte })
        .collect()
}

/// Splits at blanks outside of double quotes; a lone `|` between fields is for the eye.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut token = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !token.is_empty() {
                    all.push(std::mem::take(&mut token));
                }
            }
            c => token.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    if !token.is_empty() {
        all.push(token);
    }
    all.retain(|token| token != "|");
    Ok(all)
}

fn fields(text: &str) -> Result<Vec<Field>, String> {
    tokens(text)?.iter().map(|token| field(token)).collect()
}

fn field(token: &str) -> Result<Field, String> {
    let made = |tag: &str, what| {
        Ok(Field {
            tag: tag.into(),
            what,
        })
    };
    if matches!(token, "+pd" | "+order") {
        return made(token, What::Present);
    }
    if let Some(tag) = token.strip_prefix('!').or_else(|| token.strip_prefix('-'))
        && !tag.contains('=')
    {
        return made(tag, What::Absent);
    }
    match token.find(['=', '~']) {
        Some(at) if token.as_bytes()[at] == b'=' => {
            let value = repeated(&token[at + 1..]).unwrap_or_else(|| soh(&token[at + 1..]));
            match value.as_slice() {
                b"*" => made(&token[..at], What::Present),
                _ => made(&token[..at], What::Is(value)),
            }
        }
        Some(at) => made(&token[..at], What::Contains(soh(&token[at + 1..]))),
        None => Err(format!(
            "{token:?} is no field, expected tag=value, tag~part, !tag, +pd or +order"
        )),
    }
}

/// `x{9000}`: one character so many times.
fn repeated(text: &str) -> Option<Vec<u8>> {
    let (letter, times) = text.strip_suffix('}')?.split_once('{')?;
    let times = times.parse().ok()?;
    match letter.as_bytes() {
        [letter] => Some(vec![*letter; times]),
        _ => None,
    }
}

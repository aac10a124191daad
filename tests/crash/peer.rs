//! The counterparty: a FIX session of its own over a raw socket, which keeps the books.
//!
//! It shares no code with the library, so that a mistake there cannot hide itself.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pinfix::time::{TimestampPrecision, Utc};

/// How many messages are sent to one life of the child at most.
const SENDS_MAX: u64 = 3000;

/// What arrived under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An application message, without the fields that a copy changes.
    Application(String),
    /// A session-level message.
    Session,
    /// It was passed over by a gap fill.
    Filled,
}

pub(crate) struct Peer {
    listener: TcpListener,
    life: Option<Life>,
    connections: u64,
    /// Number of our next message.
    next_out: u64,
    /// What we sent, by number: the id of an application message, or nothing for the session.
    sent: Vec<Option<u64>>,
    /// Lowest number that has not arrived.
    next_in: u64,
    seen: HashMap<u64, Seen>,
    ids: HashSet<String>,
    last_id: u64,
    pub(crate) received_in_life: u64,
    pub(crate) recoveries_in_life: u64,
    /// Copies of messages that had arrived before.
    pub(crate) copies: u64,
    /// ResendRequests sent and received.
    pub(crate) asked: u64,
    pub(crate) was_asked: u64,
}

/// One connection.
struct Life {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    logged_on: bool,
    logged_out: bool,
    wound_up: Option<Instant>,
    closed: bool,
    /// A gap that was asked for ends here.
    asked_to: u64,
    sent: u64,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            life: None,
            connections: 0,
            next_out: 1,
            sent: Vec::new(),
            next_in: 1,
            seen: HashMap::new(),
            ids: HashSet::new(),
            last_id: 0,
            received_in_life: 0,
            recoveries_in_life: 0,
            copies: 0,
            asked: 0,
            was_asked: 0,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn begin_life(&mut self) {
        self.life = None;
        // A connection of the life before that was never accepted.
        while self.listener.accept().is_ok() {}
        self.connections = 0;
        self.received_in_life = 0;
        self.recoveries_in_life = 0;
    }

    pub(crate) fn end_life(&mut self) {
        self.life = None;
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.life.is_some()
    }

    pub(crate) fn was_connected(&self) -> bool {
        self.connections > 0
    }

    pub(crate) fn is_logged_on(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.logged_on)
    }

    pub(crate) fn is_logged_out(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.logged_out)
    }

    pub(crate) fn is_recovering(&self) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| life.asked_to >= self.next_in)
    }

    /// The ids of all application messages that arrived.
    pub(crate) fn arrived(&self) -> &HashSet<String> {
        &self.ids
    }

    pub(crate) fn seen(&self, seq: u64) -> Option<&Seen> {
        self.seen.get(&seq)
    }

    pub(crate) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Where the session stands, for an error.
    pub(crate) fn describe(&self) -> String {
        let life = self.life.as_ref().map(|life| {
            format!(
                "logged on: {}, wound up: {}, closed: {}, asked up to {}, {} bytes to send, {} read",
                life.logged_on,
                life.wound_up.is_some(),
                life.closed,
                life.asked_to,
                life.output.len(),
                life.input.len()
            )
        });
        format!(
            "next out {}, next in {}, {life:?}",
            self.next_out, self.next_in
        )
    }

    /// Accepts, receives, answers, sends. Answers how much there was to do.
    pub(crate) fn turn(&mut self, load: bool) -> Result<usize, String> {
        let mut work = 0;
        if self.life.is_none()
            && let Ok((stream, _)) = self.listener.accept()
        {
            stream
                .set_nonblocking(true)
                .map_err(|error| error.to_string())?;
            stream
                .set_nodelay(true)
                .map_err(|error| error.to_string())?;
            self.connections += 1;
            self.life = Some(Life {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                logged_on: false,
                logged_out: false,
                wound_up: None,
                closed: false,
                asked_to: 0,
                sent: 0,
            });
            work += 1;
        }
        work += self.receive()?;
        for _ in 0..8 {
            let Some(life) = &mut self.life else { break };
            if !load || !life.logged_on || life.output.len() > 4096 || life.sent == SENDS_MAX {
                break;
            }
            life.sent += 1;
            self.last_id += 1;
            self.send_new("D", Some(self.last_id), "");
            work += 1;
        }
        self.flush();
        Ok(work)
    }

    /// Takes what the killed child left in the socket.
    pub(crate) fn drain(&mut self) -> Result<(), String> {
        if self.life.is_none() {
            // It may have connected and never been accepted.
            self.turn(false)?;
        }
        while self.life.as_ref().is_some_and(|life| !life.closed) {
            self.receive()?;
        }
        Ok(())
    }

    /// Asks for a sign that everything before was dealt with; its answer leads to a logout. Asked again
    /// after a while: a TestRequest above a gap is passed over when the gap is filled.
    pub(crate) fn wind_up(&mut self) {
        let Some(life) = &mut self.life else { return };
        let asked = life
            .wound_up
            .is_some_and(|at| at.elapsed() < Duration::from_millis(100));
        if !asked && !life.logged_out {
            life.wound_up = Some(Instant::now());
            self.send_new("1", None, "112=end\x01");
        }
    }

    fn receive(&mut self) -> Result<usize, String> {
        let mut work = 0;
        let mut room = [0; 16 * 1024];
        while let Some(life) = &mut self.life {
            if life.closed {
                break;
            }
            match life.stream.read(&mut room) {
                Ok(0) => life.closed = true,
                Ok(len) => {
                    life.input.extend_from_slice(&room[..len]);
                    work += 1;
                    while let Some(frame) = self.next_frame()? {
                        self.take(&frame)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A killed process with unread bytes resets the connection.
                Err(_) => life.closed = true,
            }
        }
        Ok(work)
    }

    fn next_frame(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(life) = &mut self.life else {
            return Ok(None);
        };
        // 8=FIX.4.4|9=n|...|10=ccc|
        const HEAD: &[u8] = b"8=FIX.4.4\x019=";
        let input = &life.input;
        if input.len() < HEAD.len() + 8 {
            return Ok(None);
        }
        if !input.starts_with(HEAD) {
            return Err(format!(
                "a message begins with {:?}",
                String::from_utf8_lossy(&input[..12])
            ));
        }
        let digits = input[HEAD.len()..]
            .iter()
            .position(|&byte| byte == 1)
            .ok_or("BodyLength has no end")?;
        let body_at = HEAD.len() + digits + 1;
        let body: usize = String::from_utf8_lossy(&input[HEAD.len()..HEAD.len() + digits])
            .parse()
            .map_err(|_| "BodyLength is no number")?;
        let len = body_at + body + 7;
        if input.len() < len {
            return Ok(None);
        }
        let frame: Vec<u8> = life.input.drain(..len).collect();
        let sum: u32 = frame[..len - 7].iter().map(|&byte| u32::from(byte)).sum();
        if frame[len - 7..] != *format!("10={:03}\x01", sum % 256).as_bytes() {
            return Err(format!(
                "wrong CheckSum in {:?}",
                String::from_utf8_lossy(&frame)
            ));
        }
        Ok(Some(frame))
    }

    fn take(&mut self, frame: &[u8]) -> Result<(), String> {
        let fields = fields(frame)?;
        let get = |tag: u32| {
            fields
                .iter()
                .find(|(number, _)| *number == tag)
                .map(|(_, value)| value.as_str())
        };
        let number = |tag: u32| {
            get(tag)
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(|| format!("no number in tag {tag} of {fields:?}"))
        };
        let seq = number(34)?;
        let kind = get(35).unwrap_or_default().to_owned();
        let copy = get(43) == Some("Y");
        let asked_to = self.life.as_ref().map_or(0, |life| life.asked_to);
        if kind == "4" {
            if get(123) != Some("Y") {
                return Err("a SequenceReset that is no gap fill".to_owned());
            }
            for filled in seq..number(36)? {
                match self.seen.get(&filled) {
                    None => {
                        self.seen.insert(filled, Seen::Filled);
                    }
                    Some(Seen::Application(content)) => {
                        return Err(format!(
                            "a gap fill over MsgSeqNum {filled}, which was {content:?}"
                        ));
                    }
                    Some(Seen::Session | Seen::Filled) => {}
                }
            }
        } else {
            let now = if matches!(kind.as_str(), "0" | "1" | "2" | "3" | "5" | "A") {
                Seen::Session
            } else {
                Seen::Application(content(&fields))
            };
            match self.seen.get(&seq) {
                None => {
                    if let Seen::Application(_) = &now {
                        let id = get(11)
                            .ok_or("an application message without an id")?
                            .to_owned();
                        if !self.ids.insert(id.clone()) {
                            return Err(format!(
                                "{id} arrived under two numbers, the second is {seq}"
                            ));
                        }
                        self.received_in_life += 1;
                    }
                    self.seen.insert(seq, now);
                }
                Some(before) if copy && *before == now => self.copies += 1,
                Some(before) => {
                    return Err(format!(
                        "MsgSeqNum {seq} was {before:?} and now is {now:?}, copy: {copy}"
                    ));
                }
            }
            if kind == "A" && seq < self.next_in {
                return Err(format!("a Logon with {seq}, expected {}", self.next_in));
            }
        }
        while self.seen.contains_key(&self.next_in) {
            self.next_in += 1;
        }
        match kind.as_str() {
            "A" => {
                if get(141) == Some("Y") {
                    return Err("a Logon that starts the numbers anew".to_owned());
                }
                self.send_new("A", None, "98=0\x01108=30\x01");
                if let Some(life) = &mut self.life {
                    life.logged_on = true;
                }
            }
            "1" => {
                let id = format!("112={}\x01", get(112).unwrap_or_default());
                self.send_new("0", None, &id);
            }
            "2" => self.resend(number(7)?, number(16)?),
            "0" if get(112) == Some("end") => self.send_new("5", None, ""),
            "5" => {
                if let Some(life) = &mut self.life {
                    life.logged_out = true;
                }
            }
            "3" | "j" => return Err(format!("the child rejects: {fields:?}")),
            _ => {}
        }
        // What is above the lowest number that has not arrived shows a gap; it is asked for once.
        if seq >= self.next_in && asked_to < self.next_in {
            let begin = format!("7={}\x0116=0\x01", self.next_in);
            self.send_new("2", None, &begin);
            self.asked += 1;
            self.recoveries_in_life += 1;
            if let Some(life) = &mut self.life {
                life.asked_to = seq - 1;
            }
        }
        Ok(())
    }

    fn resend(&mut self, begin: u64, end: u64) {
        self.was_asked += 1;
        self.recoveries_in_life += 1;
        let end = if end == 0 { self.next_out - 1 } else { end };
        let mut at = begin;
        while at <= end {
            match self.sent[at as usize - 1] {
                Some(id) => {
                    self.write("D", at, Copy::Yes, &body("D", Some(id), ""));
                    at += 1;
                }
                None => {
                    let from = at;
                    while at <= end && self.sent[at as usize - 1].is_none() {
                        at += 1;
                    }
                    self.write("4", from, Copy::Yes, &format!("36={at}\x01123=Y\x01"));
                }
            }
        }
    }

    fn send_new(&mut self, kind: &str, id: Option<u64>, rest: &str) {
        let seq = self.next_out;
        self.next_out += 1;
        self.sent.push(id);
        self.write(kind, seq, Copy::No, &body(kind, id, rest));
    }

    fn write(&mut self, kind: &str, seq: u64, copy: Copy, body: &str) {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let utc = Utc(u64::try_from(since_1970.as_nanos()).unwrap());
        let time = utc.to_fix(TimestampPrecision::Millis);
        let time = std::str::from_utf8(&time).unwrap();
        let again = match copy {
            Copy::Yes => format!("43=Y\x01122={time}\x01"),
            Copy::No => String::new(),
        };
        let text =
            format!("35={kind}\x0149=PEER\x0156=CHILD\x0134={seq}\x01{again}52={time}\x01{body}");
        let text = format!("8=FIX.4.4\x019={}\x01{text}", text.len());
        let sum: u32 = text.bytes().map(u32::from).sum();
        if let Some(life) = &mut self.life {
            life.output.extend_from_slice(text.as_bytes());
            life.output
                .extend_from_slice(format!("10={:03}\x01", sum % 256).as_bytes());
        }
    }

    fn flush(&mut self) {
        let Some(life) = &mut self.life else { return };
        while !life.output.is_empty() {
            match life.stream.write(&life.output) {
                Ok(sent) => {
                    life.output.drain(..sent);
                }
                // A connection that is gone shows when it is read.
                Err(_) => return,
            }
        }
    }
}

enum Copy {
    Yes,
    No,
}

fn body(kind: &str, id: Option<u64>, rest: &str) -> String {
    match (kind, id) {
        ("D", Some(id)) => format!("11={id}\x0158={}\x01", "y".repeat(id as usize % 200 + 1)),
        _ => rest.to_owned(),
    }
}

/// Splits a frame of text fields.
pub(crate) fn fields(frame: &[u8]) -> Result<Vec<(u32, String)>, String> {
    String::from_utf8_lossy(frame)
        .split_terminator('\x01')
        .map(|field| {
            let (tag, value) = field.split_once('=').ok_or(format!("field {field:?}"))?;
            Ok((
                tag.parse().map_err(|_| format!("tag {tag:?}"))?,
                value.to_owned(),
            ))
        })
        .collect()
}

/// A message without the fields that differ in a copy: 9, 10, 43, 52 and 122.
pub(crate) fn content(fields: &[(u32, String)]) -> String {
    fields
        .iter()
        .filter(|(tag, _)| ![9, 10, 43, 52, 122].contains(tag))
        .map(|(tag, value)| format!("{tag}={value}|"))
        .collect()
}

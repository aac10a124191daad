//! The client that trades with a killed gateway, and the books about both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::letter::{
    ESTABLISH, ESTABLISHMENT_ACK, Letter, Link, NEGOTIATE, NEGOTIATION_RESPONSE, NOT_APPLIED,
    NULL_UUID, ORDER, REPORT, RETRANSMISSION, RETRANSMIT_REQUEST, SEQUENCE, TERMINATE, sequence,
    terminate,
};
use super::{Books, FIRM, GATEWAY, KEY, Numbered, SESSION};
use crate::command;
use crate::lives::{Counterparty, Random};

/// How many orders are sent in one life of the child at most.
const SENDS_MAX: u64 = 3000;

/// The most that may be asked for at once.
const REQUEST_MAX: u64 = 2500;

const KEEP_ALIVE_MS: u16 = 30_000;

pub(super) struct Trader {
    directory: PathBuf,
    random: Random,
    life: Option<Life>,
    connections: u64,
    /// Where the child of this life listens.
    port: Option<u16>,
    pub(super) books: Books,
    /// UUID of the last Negotiate that was answered; 0 before the first.
    uuid: u64,
    /// The one before.
    previous: u64,
    /// UUIDs of Negotiates whose answer did not come: the gateway may have taken them.
    tried: BTreeSet<u64>,
    /// UUIDs that were left for another, with orders under way.
    left: BTreeSet<u64>,
    stamp: u64,
    /// Number of our next order under `uuid`.
    next_out: u64,
    orders: Numbered,
    last_id: u64,
    /// Reports that came.
    reports: Numbered,
    /// Where each of them is, by its identifier.
    places: BTreeMap<String, (u64, u64)>,
    received_in_life: u64,
    recoveries_in_life: u64,
    not_applied: u64,
    retransmissions: u64,
    copies: u64,
}

struct Life {
    link: Link,
    state: State,
    /// Orders from this number on were sent again, because NotApplied named it.
    sent_again: u64,
    /// A RetransmitRequest is under way, up to this number of this UUID.
    asked: Option<(u64, u64)>,
    /// What the gateway has published, by what it said at the logon: the last number of UUIDs.
    known: Vec<(u64, u64)>,
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Negotiating(u64),
    /// The first Establish under the UUID, or a further one.
    Establishing,
    Up,
    Leaving,
    Left,
}

impl Trader {
    pub(super) fn new(directory: &Path, seed: u64) -> Self {
        Self {
            directory: directory.to_path_buf(),
            random: Random(seed ^ 0x7ade),
            life: None,
            connections: 0,
            port: None,
            books: Books::default(),
            uuid: 0,
            previous: 0,
            tried: BTreeSet::new(),
            left: BTreeSet::new(),
            stamp: 0,
            next_out: 1,
            orders: Numbered::new(),
            last_id: 0,
            reports: Numbered::new(),
            places: BTreeMap::new(),
            received_in_life: 0,
            recoveries_in_life: 0,
            not_applied: 0,
            retransmissions: 0,
            copies: 0,
        }
    }

    fn life(&mut self) -> Result<&mut Life, String> {
        self.life.as_mut().ok_or("no connection".to_owned())
    }

    fn send(&mut self, letter: &Letter) -> Result<(), String> {
        self.life()?.link.send(letter);
        Ok(())
    }

    /// RequestTimestamp: now, and more than any before.
    fn stamp(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.stamp = (now.as_nanos() as u64).max(self.stamp + 1);
        self.stamp
    }

    /// The first number of a UUID that has not come.
    fn first_missing(&self, uuid: u64) -> u64 {
        let of_it = self.reports.range((uuid, 1)..=(uuid, u64::MAX));
        let mut next = 1;
        for ((_, seq), _) in of_it {
            if *seq != next {
                break;
            }
            next += 1;
        }
        next
    }

    fn last_of(&self, uuid: u64) -> u64 {
        let of_it = self.reports.range((uuid, 0)..=(uuid, u64::MAX));
        of_it.last().map_or(0, |((_, seq), _)| *seq)
    }

    fn connect(&mut self, port: u16) -> Result<(), String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        self.connections += 1;
        self.life = Some(Life {
            link: Link::new(stream)?,
            state: State::Establishing,
            sent_again: 0,
            asked: None,
            known: Vec::new(),
            sent: 0,
        });
        // One life in five begins under a new UUID.
        let latest = self.tried.last().copied().unwrap_or_default();
        let anew = self.uuid == 0 || latest > self.uuid || self.random.below(5) == 0;
        if !anew {
            return self.establish();
        }
        let stamp = self.stamp();
        let uuid = (stamp / 1000).max(self.uuid.max(latest) + 1);
        self.tried.insert(uuid);
        let letter = Letter::new(NEGOTIATE)
            .signed(&[&stamp.to_string(), &uuid.to_string(), SESSION, FIRM])
            .text(32, KEY)
            .u64(52, uuid)
            .u64(60, stamp)
            .text(68, SESSION)
            .text(71, FIRM);
        self.life()?.state = State::Negotiating(uuid);
        self.send(&letter)
    }

    fn establish(&mut self) -> Result<(), String> {
        let (uuid, stamp, next) = (self.uuid, self.stamp(), self.next_out);
        let system = ["crash", "1", "tests"];
        let [name, version, vendor] = system;
        let numbers = [stamp, uuid, next, KEEP_ALIVE_MS.into()].map(|number| number.to_string());
        let [stamp_text, uuid_text, next_text, interval] = &numbers;
        let letter = Letter::new(ESTABLISH)
            .signed(&[
                stamp_text, uuid_text, SESSION, FIRM, name, version, vendor, next_text, interval,
            ])
            .text(32, KEY)
            .text(52, name)
            .text(82, version)
            .text(92, vendor)
            .u64(102, uuid)
            .u64(110, stamp)
            .u32(118, next)
            .text(122, SESSION)
            .text(125, FIRM)
            .u16(130, KEEP_ALIVE_MS);
        self.life()?.state = State::Establishing;
        self.send(&letter)
    }

    fn receive(&mut self) -> Result<usize, String> {
        let Some(life) = &mut self.life else {
            return Ok(0);
        };
        let letters = life.link.receive()?;
        for letter in &letters {
            self.hear(letter)?;
        }
        Ok(letters.len())
    }

    fn hear(&mut self, letter: &Letter) -> Result<(), String> {
        let state = self.life()?.state;
        match (state, letter.template()) {
            (State::Negotiating(uuid), NEGOTIATION_RESPONSE) => self.negotiated(uuid, letter),
            (State::Establishing, ESTABLISHMENT_ACK) => self.established(letter),
            (State::Up | State::Leaving, REPORT) => self.report(letter),
            (State::Up, NOT_APPLIED) => self.not_applied(letter),
            (State::Up, RETRANSMISSION) => Ok(()),
            (State::Up, SEQUENCE) => {
                if letter.get_u8(13) == 1 {
                    let (uuid, next) = (self.uuid, self.next_out);
                    self.send(&sequence(uuid, next))?;
                }
                Ok(())
            }
            (State::Leaving, TERMINATE) if letter.get_u16(64) == 0 => {
                self.life()?.state = State::Left;
                Ok(())
            }
            // Under way when we said that we are leaving.
            (State::Leaving, SEQUENCE | RETRANSMISSION) => Ok(()),
            (state, TERMINATE) => {
                let (code, reason) = (letter.get_u16(64), letter.get_text(0, 48));
                Err(format!("Terminate {code} in {state:?}: {reason}"))
            }
            (state, template) => Err(format!("template {template} in {state:?}")),
        }
    }

    /// PreviousUUID is that of the UUID before, also if its NegotiationResponse never came; PreviousSeqNo
    /// is never below what has come of it.
    fn check_previous(&self, previous: u64, seq: u64) -> Result<(), String> {
        let is_known = previous == self.previous || self.tried.contains(&previous);
        if !is_known || seq < self.last_of(previous) {
            return Err(format!(
                "PreviousUUID {previous}, PreviousSeqNo {seq}; it was {}, of which {} came",
                self.previous,
                self.last_of(self.previous)
            ));
        }
        Ok(())
    }

    fn negotiated(&mut self, uuid: u64, letter: &Letter) -> Result<(), String> {
        if letter.get_u64(0) != uuid || letter.get_u64(8) != self.stamp {
            return Err("the answer to another Negotiate".to_owned());
        }
        self.tried.remove(&uuid);
        if self.uuid != 0 {
            self.left.insert(self.uuid);
        }
        self.previous = self.uuid;
        self.uuid = uuid;
        self.next_out = 1;
        self.check_previous(letter.get_u64(24), letter.get_u32(20))?;
        self.establish()
    }

    fn established(&mut self, letter: &Letter) -> Result<(), String> {
        if letter.get_u64(0) != self.uuid || letter.get_u64(8) != self.stamp {
            return Err("the answer to another Establish".to_owned());
        }
        let (next, previous_seq, previous) =
            (letter.get_u32(16), letter.get_u32(20), letter.get_u64(24));
        self.check_previous(previous, previous_seq)?;
        let (uuid, used) = (self.uuid, self.books.last_sent(self.uuid));
        // A number may be used and not be reported: the child was killed between the two.
        if next <= self.last_of(uuid) || !(used + 1..=used + 2).contains(&next) {
            return Err(format!(
                "NextSeqNo {next}; {} has come, the last that was reported as sent is {used}",
                self.last_of(uuid)
            ));
        }
        // Of a UUID before the last one the gateway does not speak: of it is known what was reported.
        let before = self.left.iter().map(|left| match *left == previous {
            true => (*left, previous_seq),
            false => (*left, self.books.last_sent(*left)),
        });
        let known = before.chain([(uuid, next - 1)]).collect();
        let life = self.life()?;
        life.state = State::Up;
        life.known = known;
        self.ask()
    }

    /// Asks for what is missing, one range at a time.
    fn ask(&mut self) -> Result<(), String> {
        if self.life()?.asked.is_some() {
            return Ok(());
        }
        let missing = |(uuid, last): &(u64, u64)| {
            let first = self.first_missing(*uuid);
            (first <= *last).then_some((*uuid, first, (*last).min(first + REQUEST_MAX - 1)))
        };
        let known = &self.life.as_ref().ok_or("no connection")?.known;
        let Some((series, first, last)) = known.iter().find_map(missing) else {
            return Ok(());
        };
        self.retransmissions += 1;
        self.recoveries_in_life += 1;
        let (uuid, stamp) = (self.uuid, self.stamp());
        let of = match series == uuid {
            true => NULL_UUID,
            false => series,
        };
        let letter = Letter::new(RETRANSMIT_REQUEST)
            .u64(0, uuid)
            .u64(8, of)
            .u64(16, stamp)
            .u32(24, first)
            .u16(28, u16::try_from(last + 1 - first).unwrap());
        self.life()?.asked = Some((series, last));
        self.send(&letter)
    }

    fn report(&mut self, letter: &Letter) -> Result<(), String> {
        self.received_in_life += 1;
        let (seq, uuid) = (letter.get_u32(0), letter.get_u64(4));
        let (id, again) = (letter.get_text(12, 40), letter.get_u8(193) == 1);
        let last = self.last_of(uuid);
        if !again && uuid != self.uuid {
            return Err(format!("{id} is new, under UUID {uuid}"));
        }
        // An order is answered once: it was run once.
        let place = *self.places.entry(id.clone()).or_insert((uuid, seq));
        if place != (uuid, seq) {
            return Err(format!(
                "{id} came as {place:?} and comes as {seq} of {uuid}"
            ));
        }
        match self.reports.insert((uuid, seq), id.clone()) {
            Some(before) if before != id => {
                return Err(format!("{seq} of {uuid} was {before} and is {id}"));
            }
            Some(_) if !again => return Err(format!("{seq} of {uuid} came twice as new")),
            Some(_) => self.copies += 1,
            None => {}
        }
        let life = self.life()?;
        let expected = life.known.iter().find(|known| known.0 == uuid);
        let expected = expected.map_or(0, |known| known.1).max(last);
        if !again && seq != expected + 1 {
            return Err(format!("{seq} of {uuid} is new, behind {expected}"));
        }
        if life.asked == Some((uuid, seq)) && again {
            life.asked = None;
            return self.ask();
        }
        Ok(())
    }

    /// Sends again everything from the number that is missing there.
    fn not_applied(&mut self, letter: &Letter) -> Result<(), String> {
        self.not_applied += 1;
        self.recoveries_in_life += 1;
        let (uuid, from, count) = (letter.get_u64(0), letter.get_u32(8), letter.get_u32(12));
        let (bound, next) = (self.uuid, self.next_out);
        if uuid != bound || from == 0 || from > next || from + count - 1 > next {
            return Err(format!(
                "NotApplied from {from}, {count} messages, of {uuid}; next is {next} of {bound}"
            ));
        }
        if self.life()?.sent_again == from {
            // Of an order that was under way when the first came.
            return Ok(());
        }
        // The one that the application had may come again.
        let seen = self.books.last_seen(uuid);
        if from < seen {
            return Err(format!("NotApplied from {from}, and {seen} was seen"));
        }
        self.life()?.sent_again = from;
        for seq in from..next {
            let id = self.orders[&(uuid, seq)].clone();
            let answer = format!("on-{id}");
            if self.books.sent_ids.contains(&answer) || self.places.contains_key(&answer) {
                return Err(format!(
                    "NotApplied from {from} covers {id}, {seq} of {uuid}, and {answer} was sent"
                ));
            }
            self.send(&order(seq, &id))?;
        }
        Ok(())
    }

    /// Compares what came, what the gateway said, and what it was sent.
    pub(super) fn settle_accounts(&self) -> Result<String, String> {
        for (at, id) in &self.books.sent {
            if self.reports.get(at) != Some(id) {
                let came = self.reports.get(at);
                return Err(format!(
                    "report {at:?} was sent as {id} and came as {came:?}"
                ));
            }
        }
        let uuids: BTreeSet<u64> = self.orders.keys().map(|(uuid, _)| *uuid).collect();
        let mut lost = 0;
        for uuid in &uuids {
            let of_it = self.orders.range((*uuid, 0)..=(*uuid, u64::MAX));
            let (sent, seen) = (of_it.count() as u64, self.books.last_seen(*uuid));
            if seen != sent && !self.left.contains(uuid) {
                return Err(format!("{sent} orders of UUID {uuid}, {seen} were seen"));
            }
            lost += sent - seen;
        }
        Ok(format!(
            "{} orders, {lost} of them not applied when their UUID was left ({} seen again); {} reports, {} \
             copies, {} NotApplied, {} RetransmitRequests, {} UUIDs, {} frames cut that were being written",
            self.orders.len(),
            self.books.seen_again,
            self.reports.len(),
            self.copies,
            self.not_applied,
            self.retransmissions,
            uuids.len(),
            self.books.unpublished,
        ))
    }
}

fn order(seq: u64, id: &str) -> Letter {
    Letter::new(ORDER).u32(17, seq).text(41, id)
}

impl Counterparty for Trader {
    fn command(&self) -> Command {
        command(GATEWAY, &self.directory, 0)
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let Some(words) = self.books.take(line, &self.orders)? else {
            return Ok(());
        };
        match words[..] {
            ["listening", port] => {
                self.port = port.parse().ok();
                Ok(())
            }
            _ => Err(format!("the child says: {line}")),
        }
    }

    fn begin_life(&mut self) {
        self.life = None;
        self.port = None;
        self.books.begin_life();
        self.connections = 0;
        self.received_in_life = 0;
        self.recoveries_in_life = 0;
    }

    fn end_life(&mut self) {
        self.life = None;
    }

    fn turn(&mut self, load: bool) -> Result<usize, String> {
        let mut work = 0;
        if self.life.is_none()
            && let Some(port) = self.port
        {
            self.connect(port)?;
            work += 1;
        }
        work += self.receive()?;
        for _ in 0..8 {
            let Some(life) = &mut self.life else { break };
            let may = load && life.state == State::Up && life.link.has_room() && life.sent < SENDS_MAX;
            if !may {
                break;
            }
            life.sent += 1;
            self.last_id += 1;
            let (at, id) = ((self.uuid, self.next_out), format!("o{}", self.last_id));
            self.next_out += 1;
            self.send(&order(at.1, &id))?;
            self.orders.insert(at, id);
            work += 1;
        }
        if let Some(life) = &mut self.life {
            life.link.flush();
        }
        Ok(work)
    }

    fn drain(&mut self) -> Result<(), String> {
        while self.life.as_ref().is_some_and(|life| !life.link.closed) {
            self.receive()?;
        }
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), String> {
        let all_seen = self.books.last_seen(self.uuid) == self.next_out - 1;
        // The answers to the orders seen, too.
        let came = |uuid: u64| self.first_missing(uuid) > self.books.last_sent(uuid);
        let all_came = came(self.uuid) && self.left.iter().all(|uuid| came(*uuid));
        if all_seen && all_came && self.life()?.state == State::Up {
            let (uuid, stamp) = (self.uuid, self.stamp());
            self.send(&terminate(uuid, stamp, 0))?;
            self.life()?.state = State::Leaving;
        }
        Ok(())
    }

    fn is_connected(&self) -> bool {
        self.life.is_some()
    }

    fn was_connected(&self) -> bool {
        self.connections > 0
    }

    fn is_logged_on(&self) -> bool {
        let life = self.life.as_ref();
        life.is_some_and(|life| matches!(life.state, State::Up | State::Leaving))
    }

    fn is_logged_out(&self) -> bool {
        let life = self.life.as_ref();
        life.is_some_and(|life| life.state == State::Left)
    }

    fn is_recovering(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.asked.is_some())
    }

    fn received_in_life(&self) -> u64 {
        self.received_in_life
    }

    fn recoveries_in_life(&self) -> u64 {
        self.recoveries_in_life
    }

    fn describe(&self) -> String {
        let uuid = self.uuid;
        let life = self.life.as_ref();
        format!(
            "{:?} under UUID {uuid}, next out {}, seen {}; first missing {}, reported {}; asked {:?}",
            life.map(|life| life.state),
            self.next_out,
            self.books.last_seen(uuid),
            self.first_missing(uuid),
            self.books.last_sent(uuid),
            life.map(|life| life.asked),
        )
    }
}

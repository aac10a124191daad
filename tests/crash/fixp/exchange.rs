//! The exchange that a killed client trades with, and the books about both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::letter::{
    ESTABLISH, ESTABLISHMENT_ACK, Letter, Link, NEGOTIATE, NEGOTIATION_RESPONSE, NOT_APPLIED,
    NULL_UUID, ORDER, REPORT, RETRANSMISSION, RETRANSMIT_REJECT, RETRANSMIT_REQUEST, SEQUENCE,
    TERMINATE, sequence, terminate,
};
use super::{Books, CLIENT_SKIPS, Numbered};
use crate::command;
use crate::lives::{Counterparty, Random};

/// How many messages are published in one life of the child at most.
const SENDS_MAX: u64 = 3000;

pub(super) struct Exchange {
    role: &'static str,
    directory: PathBuf,
    random: Random,
    listener: TcpListener,
    life: Option<Life>,
    connections: u64,
    pub(super) books: Books,
    /// UUID of the last Negotiate; 0 before the first.
    uuid: u64,
    /// The one before.
    previous: u64,
    /// The UUIDs that were established.
    established: BTreeSet<u64>,
    stamp: u64,
    /// Number expected next under `uuid`.
    next_in: u64,
    /// That of the UUIDs before, when they were left: what is below it and was not applied a Sequence of the
    /// client has passed over, so the client knew, and must have told.
    next_in_left: BTreeMap<u64, u64>,
    /// Orders that were applied, and those that were refused.
    applied: Numbered,
    refused: Numbered,
    /// All that was published.
    published: Numbered,
    last_id: u64,
    /// Told by the client, as ranges by UUID.
    lost: Vec<(u64, u64, u64)>,
    unconfirmed: Vec<(u64, u64, u64)>,
    received_in_life: u64,
    recoveries_in_life: u64,
    not_applied: u64,
    retransmissions: u64,
}

struct Life {
    link: Link,
    state: State,
    /// Answers the first Establish as if the session had never negotiated.
    forgets: bool,
    /// NotApplied was said and the hole is open.
    hole: bool,
    /// NextSeqNo of the Establish: so far orders are sent again.
    announced: u64,
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Accepted,
    Negotiated,
    Up,
    /// Our Terminate is out.
    Leaving,
    Left,
}

impl Exchange {
    pub(super) fn new(role: &'static str, directory: &Path, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            role,
            directory: directory.to_path_buf(),
            random: Random(seed ^ 0x5eed),
            listener,
            life: None,
            connections: 0,
            books: Books::default(),
            uuid: 0,
            previous: 0,
            established: BTreeSet::new(),
            stamp: 0,
            next_in: 1,
            next_in_left: BTreeMap::new(),
            applied: Numbered::new(),
            refused: Numbered::new(),
            published: Numbered::new(),
            last_id: 0,
            lost: Vec::new(),
            unconfirmed: Vec::new(),
            received_in_life: 0,
            recoveries_in_life: 0,
            not_applied: 0,
            retransmissions: 0,
        }
    }

    fn life(&mut self) -> Result<&mut Life, String> {
        self.life.as_mut().ok_or("no connection".to_owned())
    }

    /// The last number published under a UUID.
    fn last_out(&self, uuid: u64) -> u64 {
        let of_it = self.published.range((uuid, 0)..=(uuid, u64::MAX));
        of_it.last().map_or(0, |((_, seq), _)| *seq)
    }

    fn send(&mut self, letter: &Letter) -> Result<(), String> {
        self.life()?.link.send(letter);
        Ok(())
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
            (State::Accepted, NEGOTIATE) => self.negotiate(letter),
            (State::Accepted | State::Negotiated, ESTABLISH) => self.establish(letter),
            (State::Up, ORDER) => self.order(letter),
            (State::Up, SEQUENCE) => self.sequence(letter),
            (State::Up, RETRANSMIT_REQUEST) => self.retransmit(letter),
            (State::Leaving, TERMINATE) => {
                self.life()?.state = State::Left;
                Ok(())
            }
            (State::Leaving | State::Left, ORDER) => Err("an order after the end".to_owned()),
            (State::Leaving | State::Left, _) => Ok(()),
            (state, TERMINATE) => {
                let reason = letter.get_text(0, 48);
                Err(format!(
                    "the client ends the session in {state:?}: {reason}"
                ))
            }
            (state, template) => Err(format!("template {template} in {state:?}")),
        }
    }

    /// RequestTimestamp must grow, over all lives.
    fn check_stamp(&mut self, stamp: u64) -> Result<(), String> {
        if stamp <= self.stamp {
            return Err(format!("RequestTimestamp {stamp} after {}", self.stamp));
        }
        self.stamp = stamp;
        Ok(())
    }

    fn negotiate(&mut self, letter: &Letter) -> Result<(), String> {
        let (uuid, stamp) = (letter.get_u64(52), letter.get_u64(60));
        if uuid <= self.uuid {
            return Err(format!("a Negotiate of UUID {uuid} after {}", self.uuid));
        }
        if self.established.contains(&self.uuid) && !self.life()?.forgets {
            return Err(format!(
                "a Negotiate of UUID {uuid}, and {} was established",
                self.uuid
            ));
        }
        self.check_stamp(stamp)?;
        self.life()?.forgets = false;
        self.next_in_left.insert(self.uuid, self.next_in);
        self.previous = self.uuid;
        self.uuid = uuid;
        self.next_in = 1;
        let response = Letter::new(NEGOTIATION_RESPONSE)
            .u64(0, uuid)
            .u64(8, stamp)
            .u16(16, u16::MAX)
            .u8(18, 1)
            .u8(19, 255)
            .u32(20, self.last_out(self.previous))
            .u64(24, self.previous);
        self.send(&response)?;
        self.life()?.state = State::Negotiated;
        Ok(())
    }

    fn establish(&mut self, letter: &Letter) -> Result<(), String> {
        let (uuid, stamp, next) = (
            letter.get_u64(102),
            letter.get_u64(110),
            letter.get_u32(118),
        );
        if uuid == self.previous && !self.established.contains(&self.uuid) {
            // The client was killed before the NegotiationResponse of the one after it came.
            self.check_stamp(stamp)?;
            return self.turn_away(uuid, stamp, 13);
        }
        if uuid != self.uuid {
            return Err(format!(
                "an Establish of UUID {uuid}, negotiated is {}",
                self.uuid
            ));
        }
        self.check_stamp(stamp)?;
        if self.life()?.forgets && self.life()?.state == State::Accepted {
            return self.turn_away(uuid, stamp, 2);
        }
        // A number may be used and not be reported: the child was killed between the two.
        let used = self.books.last_sent(uuid);
        if !(used + 1..=used + 2).contains(&next) || next < self.next_in {
            return Err(format!(
                "an Establish with NextSeqNo {next}: expected is {}, the last order reported as sent is {used}",
                self.next_in
            ));
        }
        self.established.insert(uuid);
        let ack = Letter::new(ESTABLISHMENT_ACK)
            .u64(0, uuid)
            .u64(8, stamp)
            .u32(16, self.last_out(uuid) + 1)
            .u32(20, self.last_out(self.previous))
            .u64(24, self.previous)
            .u16(32, letter.get_u16(130))
            .u16(34, u16::MAX)
            .u8(36, 1)
            .u8(37, 255);
        self.send(&ack)?;
        let life = self.life()?;
        life.state = State::Up;
        life.announced = next;
        if next > self.next_in {
            self.say_not_applied(next)?;
        }
        Ok(())
    }

    /// Refuses an Establish. The client will negotiate over the next connection, in the same life.
    fn turn_away(&mut self, uuid: u64, stamp: u64, code: u16) -> Result<(), String> {
        self.send(&terminate(uuid, stamp, code))?;
        let life = self.life()?;
        life.forgets = true;
        life.link.flush();
        life.link.closed = true;
        Ok(())
    }

    /// NotApplied from the number expected up to this one.
    fn say_not_applied(&mut self, to: u64) -> Result<(), String> {
        self.not_applied += 1;
        self.recoveries_in_life += 1;
        let (uuid, from) = (self.uuid, self.next_in);
        self.life()?.hole = true;
        let letter = Letter::new(NOT_APPLIED).u64(0, uuid).u32(8, from);
        self.send(&letter.u32(12, to - from + 1).u8(16, 255))
    }

    fn order(&mut self, letter: &Letter) -> Result<(), String> {
        self.received_in_life += 1;
        let (seq, id) = (letter.get_u32(17), letter.get_text(41, 20));
        let at = (self.uuid, seq);
        if let Some(before) = self.applied.get(&at) {
            return Err(format!(
                "{at:?} was {before}, was applied, and comes as {id}"
            ));
        }
        if seq < self.next_in {
            return Err(format!(
                "{id} is number {seq}, expected is {}",
                self.next_in
            ));
        }
        if seq > self.next_in {
            if let Some(before) = self.refused.insert(at, id.clone())
                && before != id
            {
                return Err(format!("{at:?} was {before} and is {id}"));
            }
            return self.say_not_applied(seq);
        }
        if let Some(before) = self.refused.get(&at)
            && *before != id
        {
            return Err(format!("{at:?} was {before} and is {id}"));
        }
        self.life()?.hole = false;
        self.applied.insert(at, id);
        self.next_in += 1;
        Ok(())
    }

    fn sequence(&mut self, letter: &Letter) -> Result<(), String> {
        let (uuid, next) = (letter.get_u64(0), letter.get_u32(8));
        if uuid != self.uuid || next < self.next_in {
            return Err(format!(
                "a Sequence to {next} of {uuid}, expected is {} of {}",
                self.next_in, self.uuid
            ));
        }
        self.next_in = next;
        self.life()?.hole = false;
        if letter.get_u8(13) == 1 {
            let next = self.last_out(uuid) + 1;
            self.send(&sequence(uuid, next))?;
        }
        Ok(())
    }

    fn retransmit(&mut self, letter: &Letter) -> Result<(), String> {
        self.retransmissions += 1;
        self.recoveries_in_life += 1;
        let (uuid, last_uuid, stamp) = (letter.get_u64(0), letter.get_u64(8), letter.get_u64(16));
        let (from, count) = (letter.get_u32(24), u64::from(letter.get_u16(28)));
        if uuid != self.uuid || from == 0 || count > 2500 {
            return Err(format!(
                "a RetransmitRequest under {uuid}, from {from}, {count} messages"
            ));
        }
        let series = match last_uuid {
            NULL_UUID => uuid,
            last => last,
        };
        let published = self.last_out(series);
        let last = match count {
            0 => published.min(from + 2499),
            count => from + count - 1,
        };
        if from > published || last > published {
            let reject = Letter::new(RETRANSMIT_REJECT)
                .u64(48, uuid)
                .u64(56, last_uuid)
                .u64(64, stamp)
                .u16(72, 0)
                .u8(74, 255);
            return self.send(&reject);
        }
        let said = match (series == uuid, count) {
            (true, _) => last + 1 - from,
            (false, 0) => 2500,
            (false, count) => count,
        };
        let mut answer = Letter::new(RETRANSMISSION);
        answer.0[12..42].copy_from_slice(&letter.0[12..42]);
        self.send(&answer.u16(28, u16::try_from(said).unwrap()).u8(30, 255))?;
        for seq in from..=last {
            let id = self.published[&(series, seq)].clone();
            self.send(&report(series, seq, &id).u8(193, 1))?;
        }
        let next = self.last_out(uuid) + 1;
        self.send(&sequence(uuid, next))
    }

    /// Compares what came, what the client said, and what it was told.
    pub(super) fn settle_accounts(&self) -> Result<String, String> {
        let covers = |ranges: &[(u64, u64, u64)], (uuid, seq): (u64, u64)| {
            let in_it =
                |range: &&(u64, u64, u64)| range.0 == uuid && (range.1..=range.2).contains(&seq);
            ranges.iter().any(|range| in_it(&range))
        };
        for (uuid, first, last) in self.lost.iter().chain(&self.unconfirmed) {
            // A number may be used and not be reported: the child was killed between the two.
            let used = self.books.last_sent(*uuid);
            if *first == 0 || first > last || *last > used + 1 {
                return Err(format!(
                    "told of {first} to {last} of UUID {uuid}, the last order reported as sent is {used}"
                ));
            }
        }
        let mut lost = 0;
        for (at, id) in &self.books.sent {
            let told = covers(&self.lost, *at);
            let left = self.next_in_left.get(&at.0);
            let open = left.is_some_and(|next| at.1 >= *next) && covers(&self.unconfirmed, *at);
            match self.applied.get(at) {
                Some(applied) if applied != id => {
                    return Err(format!("{at:?} was sent as {id} and came as {applied}"));
                }
                Some(_) if told => return Err(format!("{id}, {at:?}, was told as lost and applied")),
                Some(_) => {}
                None if told || open => lost += 1,
                None => return Err(format!("{id}, {at:?}, was lost without a word")),
            }
        }
        if self.role != CLIENT_SKIPS && !self.lost.is_empty() {
            return Err(format!("told as lost, and not sent again: {:?}", self.lost));
        }
        let mut ids = BTreeMap::new();
        for (at, id) in &self.applied {
            if let Some(before) = ids.insert(id, at) {
                return Err(format!("{id} was applied as {before:?} and as {at:?}"));
            }
        }
        for uuid in self.established.iter().copied() {
            let (published, seen) = (self.last_out(uuid), self.books.last_seen(uuid));
            if published != seen {
                return Err(format!(
                    "under UUID {uuid} {published} reports were published, the application saw {seen}"
                ));
            }
        }
        Ok(format!(
            "{} orders sent, {} applied, {lost} told as lost or unconfirmed; {} reports ({} seen again), \
             {} NotApplied, {} RetransmitRequests, {} UUIDs, {} frames cut that were being written",
            self.books.sent.len(),
            self.applied.len(),
            self.published.len(),
            self.books.seen_again,
            self.not_applied,
            self.retransmissions,
            self.established.len(),
            self.books.unpublished,
        ))
    }
}

fn report(uuid: u64, seq: u64, id: &str) -> Letter {
    let letter = Letter::new(REPORT).u32(0, seq).u64(4, uuid);
    letter.text(12, id)
}

impl Counterparty for Exchange {
    fn command(&self) -> Command {
        let port = self.listener.local_addr().unwrap().port();
        command(self.role, &self.directory, port)
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let Some(words) = self.books.take(line, &self.published)? else {
            return Ok(());
        };
        let number = |at: usize| {
            let word: Option<&&str> = words.get(at);
            word.and_then(|word| word.parse::<u64>().ok())
        };
        let (Some(uuid), Some(first), Some(last)) = (number(1), number(2), number(3)) else {
            return Err(format!("the child says: {line}"));
        };
        match words[0] {
            "lost" => self.lost.push((uuid, first, last)),
            "unconfirmed" => self.unconfirmed.push((uuid, first, last)),
            _ => return Err(format!("the child says: {line}")),
        }
        Ok(())
    }

    fn begin_life(&mut self) {
        self.life = None;
        // A connection of the life before that was never accepted.
        while self.listener.accept().is_ok() {}
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
        let gone = self.life.as_ref().is_none_or(|life| life.link.closed);
        let ended = |life: &Life| life.state == State::Left;
        if gone
            && !self.life.as_ref().is_some_and(ended)
            && let Ok((stream, _)) = self.listener.accept()
        {
            let again = self.life.as_ref().is_some_and(|life| life.forgets);
            // One life in five begins at an exchange that has forgotten the session; not while something
            // is missing of a UUID before, because the exchange names only the last one.
            let mut before = self.established.iter().filter(|uuid| **uuid != self.uuid);
            let fetched = before.all(|uuid| self.last_out(*uuid) == self.books.last_seen(*uuid));
            let may = load && fetched && self.connections == 0 && self.established.contains(&self.uuid);
            self.connections += 1;
            self.life = Some(Life {
                link: Link::new(stream)?,
                state: State::Accepted,
                forgets: again || may && self.random.below(5) == 0,
                hole: false,
                announced: 0,
                sent: 0,
            });
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
            let (seq, id) = (self.last_out(self.uuid) + 1, format!("r{}", self.last_id));
            self.send(&report(self.uuid, seq, &id))?;
            self.published.insert((self.uuid, seq), id);
            work += 1;
        }
        if let Some(life) = &mut self.life {
            life.link.flush();
        }
        Ok(work)
    }

    fn drain(&mut self) -> Result<(), String> {
        if self.life.is_none() {
            // It may have connected and never been accepted.
            self.turn(false)?;
        }
        while self.life.as_ref().is_some_and(|life| !life.link.closed) {
            self.receive()?;
        }
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), String> {
        let all_seen = self
            .established
            .iter()
            .all(|uuid| self.last_out(*uuid) == self.books.last_seen(*uuid));
        let all_came = self.next_in >= self.life()?.announced;
        if all_seen && all_came && self.life()?.state == State::Up {
            self.stamp += 1;
            let (uuid, stamp) = (self.uuid, self.stamp);
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
        self.life.as_ref().is_some_and(|life| life.hole)
    }

    fn received_in_life(&self) -> u64 {
        self.received_in_life
    }

    fn recoveries_in_life(&self) -> u64 {
        self.recoveries_in_life
    }

    fn describe(&self) -> String {
        let uuid = self.uuid;
        let missing: Vec<_> = self
            .established
            .iter()
            .map(|uuid| (uuid, self.last_out(*uuid), self.books.last_seen(*uuid)))
            .filter(|(_, published, seen)| published != seen)
            .collect();
        let state = self.life.as_ref().map(|life| (life.state, life.hole));
        format!(
            "{state:?} under UUID {uuid} after {} of {:?}, next in {}, published and seen by UUID: {missing:?}",
            self.previous, self.established, self.next_in
        )
    }
}

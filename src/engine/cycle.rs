//! One turn of the loop: commands, network, messages, timers, then everything touched is settled.
//!
//! Every part is bounded, so that no session can hold up its neighbours.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::application::Application;
use super::arrive::{Calling, Entrance, Wish};
use super::config::Caller;
use super::desk::{Desk, Handled, Released};
use super::link::{FirstLogon, Link, Owner};
use super::net::{LinkId, Ready};
use super::session::{Protocol, Session};
use super::slot::{Connection, Pairing, Slot};
use super::{Engine, add, porch};
use crate::counters::{EngineStatus, Stage};
use crate::session::fix::{Origin, Phase, Unparked};
use crate::session::{Cause, ConnectError, Fault, Outbox as _, TlsFault};
use crate::time::{Mono, Now};
use crate::wire::fix::frame::{Cut, Garbled, cut};
use crate::wire::fix::{FieldIndex, Malformed, Message, msg_type};

/// How many messages are taken from one connection per cycle.
const READ_BATCH: usize = 32;

/// How often the socket of a peer is read in vain before it is given up for its silence.
const LOOKS_MAX: usize = 16;

/// How many messages that waited behind a gap are taken per session and cycle.
const PARKED_BATCH: usize = 32;

/// How long a connection that was ended in good order is read on, for the peer to close it: closing
/// it with unread bytes would destroy what was sent last.
const LINGER: Duration = Duration::from_secs(1);

/// How much longer it is kept if records of TLS wait for the socket to have room.
const LINGER_OWING: Duration = Duration::from_secs(10);

/// How often the engine's part of the status page is written.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// A BodyLength(9) beyond our limit but up to this many bytes is believed, and ends the session; a
/// larger one is a damaged digit, and the frame is garbled.
const BELIEVABLE_BYTES: usize = 16 * 1024 * 1024;

/// Counts of cycles, for the status page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cycles {
    all: u64,
    busy: u64,
    longest_ns: u64,
    /// When the engine's part of the status page is written next.
    publish_at: Mono,
}

impl Engine {
    /// Runs one cycle: whatever commands, the network and the timers have for the sessions. Answers
    /// how much there was to do; zero means that the cycle was idle.
    ///
    /// Never blocks. Being called early is harmless; time must not be in the past of an earlier call
    /// for timers to be on time, but nothing breaks if it is.
    pub fn poll<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        self.look_at_network(Duration::ZERO);
        self.turn(now, app)
    }

    /// Asks the network what is ready, waiting up to `wait` for something. Comes before the clock is
    /// read, so that a cycle that waited does not work with the time from before.
    pub(super) fn look_at_network(&mut self, wait: Duration) {
        // A readiness call that fails leaves nothing ready; the next cycle asks again.
        let _ = self.desk.net.poll(wait, &mut self.ready);
    }

    /// The rest of a cycle, after [`Engine::look_at_network`].
    pub(super) fn turn<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let started = self.desk.ticker.now();
        let mut work = self.desk.take_commands(now, app);
        work += self.take_made(now, app);
        work += self.desk.take_names();
        work += self.desk.take_left();
        work += self.take_ready(now, app);
        work += self.read_links(now, app);
        work += self.fire_timers(now, app);
        work += self.desk.watch_wall_clock(now);
        work += self.settle(now, app);
        self.release_links(now);
        self.count_cycle(now, started, work);
        work
    }

    /// Whether something is left to do in the next cycle, whatever the network says.
    pub(super) fn has_unfinished_work(&self) -> bool {
        // Nothing wakes the readiness call when the journal of a guest is open.
        !(self.readable.is_empty() && self.desk.touched.is_empty() && self.desk.wishes.is_empty())
            || self.desk.reception.as_ref().is_some_and(Entrance::is_busy)
    }

    fn count_cycle(&mut self, now: Now, started: u64, work: usize) {
        self.cycles.all += 1;
        if work > 0 {
            let took = self.desk.ticker.now().saturating_sub(started);
            self.cycles.busy += 1;
            self.cycles.longest_ns = self.cycles.longest_ns.max(took);
            self.desk.page.latency(Stage::Cycle).record(took);
        }
        if now.mono >= self.cycles.publish_at {
            self.cycles.publish_at = now.mono + PUBLISH_EVERY;
            self.publish(now);
        }
    }

    fn publish(&mut self, now: Now) {
        let up = |slot: &&Slot| slot.session.phase() == Phase::Up;
        let waiting = self.desk.controllers.waiting();
        let pending = self.desk.pending.taken();
        self.desk.page.publish_engine(&EngineStatus {
            updated_utc: now.utc,
            updated_mono: now.mono,
            cycles: self.cycles.all,
            busy_cycles: self.cycles.busy,
            cycle_max_ns: self.cycles.longest_ns,
            commands: self.desk.commands,
            commands_waiting: waiting as u64,
            commands_pending: pending as u64,
            controllers: self.desk.controllers.taken() as u64,
            strangers: self.strangers as u64,
            sessions: self.desk.slots.sessions().count() as u64,
            sessions_up: self.desk.slots.sessions().filter(up).count() as u64,
            accepted: self.accepted,
            refused: self.turned_away,
        });
    }

    /// What the network found ready.
    fn take_ready<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut ready = std::mem::take(&mut self.ready);
        let mut work = 0;
        for event in ready.drain(..) {
            work += match event {
                Ready::Readable(link) => {
                    self.list(link);
                    0
                }
                Ready::Writable(link) => {
                    if let Some(slot) = self.session_of(link) {
                        self.desk.touch(slot);
                    }
                    0
                }
                Ready::Accepted {
                    listener,
                    link,
                    peer,
                } => {
                    self.accepted(now, listener, link, peer, app);
                    1
                }
                Ready::Connected(link) => {
                    self.connected(now, link, app);
                    1
                }
                Ready::ConnectFailed(link, kind) => {
                    let why = self.desk.net.why_failed(link, kind);
                    self.not_connected(now, link, why, app);
                    1
                }
                Ready::Introduced { link, peer } => {
                    self.introduced(now, link, peer, app);
                    1
                }
                Ready::TlsFailed(link, fault) => {
                    self.not_connected(now, link, ConnectError::Tls(fault), app);
                    1
                }
            };
        }
        self.ready = ready;
        work
    }

    fn connected<A: Application + ?Sized>(&mut self, now: Now, link: LinkId, app: &mut A) {
        let Some(slot) = self.connecting(link) else {
            self.desk.net.close(link);
            return;
        };
        let protocol = self.desk.slots[slot].session.protocol();
        let owner = Owner::Session(super::slot::number(slot));
        self.own(link, owner, protocol);
        let entry = &mut self.desk.slots[slot];
        entry.connection = Connection::Open { link };
        let step = entry.session.connected(now, &mut entry.journal);
        self.desk.go_on(now, slot, step, app);
        self.list(link);
    }

    fn not_connected<A: Application + ?Sized>(
        &mut self,
        now: Now,
        link: LinkId,
        why: ConnectError,
        app: &mut A,
    ) {
        if let Some(slot) = self.connecting(link) {
            self.desk.end(now, slot, Cause::ConnectFailed(why), app);
        }
    }

    /// The session that is connecting over `link`.
    fn connecting(&self, link: LinkId) -> Option<usize> {
        let slot = *self.desk.dialled.get(link.index as usize)? as usize;
        match self.desk.slots.get(slot)?.connection {
            Connection::Connecting { link: its, .. } if its == link => Some(slot),
            _ => None,
        }
    }

    fn session_of(&self, link: LinkId) -> Option<usize> {
        match self.links.get(link.index as usize) {
            Some(Link {
                id,
                owner: Owner::Session(slot),
                ..
            }) if *id == link => Some(*slot as usize),
            _ => None,
        }
    }

    /// Gives a connection an owner, and a receive buffer if its number never had one.
    pub(super) fn own(&mut self, link: LinkId, owner: Owner, protocol: Protocol) {
        let index = link.index as usize;
        while self.links.len() <= index {
            let number = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
            self.links.push(Link::free(LinkId {
                index: number,
                generation: u32::MAX,
            }));
            self.buffers.push(super::link::Buffer::for_messages_up_to(
                self.config.max_message_bytes,
            ));
            // Twice: while the list is worked through, every connection may be put on it again.
            self.readable.reserve(2 * self.links.len());
            if self.link_timers.capacity() < self.links.len() {
                self.link_timers.grow(self.links.len().next_power_of_two());
            }
        }
        self.buffers[index].clear();
        self.links[index].id = link;
        self.links[index].protocol = protocol;
        self.strangers += usize::from(owner.is_stranger());
        let before = self.links[index].change_owner(owner);
        self.strangers -= usize::from(before.is_stranger());
    }

    pub(super) fn list(&mut self, link: LinkId) {
        if let Some(entry) = self.links.get_mut(link.index as usize)
            && entry.id == link
            && !entry.listed
        {
            entry.listed = true;
            self.readable.push(link.index);
        }
    }

    /// Reads the listed connections. One that has more stays on the list.
    fn read_links<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut work = 0;
        let listed = self.readable.len();
        for at in 0..listed {
            let index = self.readable[at] as usize;
            self.links[index].listed = false;
            let (done, more) = self.read_link(now, index, app);
            work += done;
            if more {
                self.list(self.links[index].id);
            }
        }
        self.readable.drain(..listed);
        work
    }

    /// Answers how many messages were taken, and whether there may be more.
    pub(super) fn read_link<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        app: &mut A,
    ) -> (usize, bool) {
        let link = self.links[index].id;
        // A connection that was ended in this cycle is taken back at its end. What still arrives on
        // it must not reach the session, which is ready for the next connection already.
        if self.links[index].owner == Owner::Nobody || self.is_released(link) {
            return (0, false);
        }
        let room = self.buffers[index].room();
        // No room means that a stalled message waits; its turn comes below, and the socket's after it.
        let passed_over = room.is_empty();
        let received = if passed_over {
            Ok(None)
        } else {
            self.desk.net.receive(link, room).map(Some)
        };
        let mut broken = None;
        let (fresh, closed) = match received {
            Ok(Some(0)) => (0, true),
            Ok(Some(len)) => (len, false),
            Ok(None) => (0, false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, false),
            Err(error) => {
                broken = TlsFault::of(&error).map(|why| Fault::Tls { why });
                (0, true)
            }
        };
        if fresh > 0 {
            self.desk.read_at = self.desk.ticker.now();
            self.buffers[index].filled(fresh);
            if let Some(slot) = self.session_of(link) {
                let traffic = &mut self.desk.slots[slot].traffic;
                traffic.bytes_in += fresh as u64;
                traffic.last_in = now;
            }
        }
        let mut messages = 0;
        while messages < READ_BATCH && self.links[index].id == link {
            if let Owner::Session(slot) = self.links[index].owner {
                // What waited and is due comes before what is read next, however the network cut the
                // bytes.
                let slot = slot as usize;
                if self.desk.slots[slot].session.is_waiting() {
                    messages += self.go_on_with_parked(now, slot, app);
                    if self.is_released(link) {
                        return (messages, false);
                    }
                    if messages >= READ_BATCH {
                        break;
                    }
                }
            }
            match self.take_one(now, index, app) {
                Taken::Message => messages += 1,
                Taken::Nothing => break,
                Taken::Stalled => return (messages, true),
            }
            if self.is_released(link) {
                return (messages, false);
            }
        }
        if closed && messages < READ_BATCH {
            self.peer_closed(now, index, broken, app);
            return (messages + 1, false);
        }
        // After a full read or a full batch there may be more; an empty read says there is none.
        let more = fresh > 0 || closed || passed_over || messages >= READ_BATCH;
        (messages, more)
    }

    fn is_released(&self, link: LinkId) -> bool {
        self.desk
            .released
            .iter()
            .any(|released| released.link == link)
    }

    /// A connection has ended, or is of no use any more because of a fault below the session.
    fn peer_closed<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        broken: Option<Fault>,
        app: &mut A,
    ) {
        let link = self.links[index].id;
        match self.links[index].owner {
            Owner::Session(slot) => {
                let slot = slot as usize;
                if self.desk.slots[slot].pairing != Pairing::Single
                    && self.has_gone_over(now, slot, link, app)
                {
                    return;
                }
                let cause = match self.desk.slots[slot].connection {
                    Connection::Draining { cause, .. } => cause,
                    _ => broken.map_or(Cause::ConnectionLost, Cause::Fault),
                };
                self.desk.end(now, slot, cause, app);
            }
            Owner::Stranger { peer, .. } => match broken {
                Some(fault) => self.turn_away(now, link, peer, fault, app),
                None => self.drop_link(link),
            },
            Owner::Lingering { .. } => self.drop_link(link),
            Owner::Nobody => {}
        }
    }

    /// Takes one message, or some noise, off a receive buffer.
    fn take_one<A: Application + ?Sized>(&mut self, now: Now, index: usize, app: &mut A) -> Taken {
        let received = self.buffers[index].received();
        if received.is_empty() {
            return Taken::Nothing;
        }
        if let Owner::Lingering { slot, .. } = self.links[index].owner {
            let len = received.len();
            if let Some(slot) = slot {
                self.still_sends(now, index, slot, app);
            }
            self.buffers[index].take(len);
            return Taken::Nothing;
        }
        if self.links[index].protocol == Protocol::Fixp {
            if let Some(taken) = self.take_header(now, index, app) {
                return taken;
            }
            return self.take_one_fixp(now, index, app);
        }
        if let Some(taken) = self.take_foreign(now, index, app) {
            return taken;
        }
        let received = self.buffers[index].received();
        match cut(received, self.config.max_message_bytes) {
            Cut::Incomplete { .. } => Taken::Nothing,
            Cut::Skip {
                len,
                why: Garbled::CheckSum { .. },
            } if self.takes_any_checksum(index) => self.take_frame(now, index, len, app),
            Cut::Skip { len, why } => {
                self.skip(now, index, len, why, app);
                Taken::Message
            }
            Cut::Frame { len, .. } => self.take_frame(now, index, len, app),
        }
    }

    fn take_frame<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        len: usize,
        app: &mut A,
    ) -> Taken {
        match self.handle_frame(now, index, len, app) {
            Handled::Done => {
                self.buffers[index].take(len);
                Taken::Message
            }
            Handled::Later => Taken::Stalled,
        }
    }

    /// Whether the session of a connection does not look at CheckSum(10).
    fn takes_any_checksum(&self, index: usize) -> bool {
        match self.links[index].owner {
            Owner::Session(slot) => {
                let session = &self.desk.slots[slot as usize].session;
                matches!(session, Session::Fix(session) if !session.settings().checks.checksum)
            }
            _ => false,
        }
    }

    /// Bytes that are no sound frame.
    fn skip<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        len: usize,
        why: Garbled,
        app: &mut A,
    ) {
        let link = self.links[index].id;
        match self.links[index].owner {
            Owner::Session(slot) => {
                let slot = slot as usize;
                let bytes = &self.buffers[index].received()[..len];
                let Slot {
                    session: Session::Fix(session),
                    journal,
                    ..
                } = &mut self.desk.slots[slot]
                else {
                    return;
                };
                let step = match why {
                    Garbled::TooLong { declared } if declared <= BELIEVABLE_BYTES => {
                        let fault = Fault::TooLong {
                            received: declared as u64,
                            limit: self.config.max_message_bytes as u64,
                        };
                        session.beyond_limit(now, fault, journal)
                    }
                    why => session.garbled(now, bytes, Some(why), journal),
                };
                self.desk.follow(now, slot, step, None, app);
            }
            Owner::Stranger { peer, .. } => self.turn_away(now, link, peer, Fault::GarbledLogon, app),
            Owner::Lingering { .. } | Owner::Nobody => {}
        }
        self.buffers[index].take(len);
    }

    fn handle_frame<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        len: usize,
        app: &mut A,
    ) -> Handled {
        let link = self.links[index].id;
        let frame = &self.buffers[index].received()[..len];
        let message = match self.index.read(frame) {
            Ok(message) => message,
            Err(malformed) => {
                let slot = match self.links[index].owner {
                    Owner::Session(slot) => slot as usize,
                    Owner::Stranger { peer, .. } => {
                        self.turn_away(now, link, peer, Fault::GarbledLogon, app);
                        return Handled::Done;
                    }
                    Owner::Lingering { .. } | Owner::Nobody => return Handled::Done,
                };
                let Slot {
                    session: Session::Fix(session),
                    journal,
                    ..
                } = &mut self.desk.slots[slot]
                else {
                    return Handled::Done;
                };
                let step = match malformed {
                    Malformed::TooManyFields { .. } => {
                        session.beyond_limit(now, Fault::TooManyFields, journal)
                    }
                    _ => session.garbled(now, frame, None, journal),
                };
                return self.desk.follow(now, slot, step, None, app);
            }
        };
        match self.links[index].owner {
            Owner::Session(slot) => {
                let slot = slot as usize;
                let step = self.desk.receive(now, slot, &message, app);
                self.desk.follow(now, slot, step, Some(&message), app)
            }
            Owner::Stranger {
                logon: FirstLogon::Waiting,
                ..
            } => Handled::Later,
            Owner::Stranger {
                peer,
                listener,
                logon,
                ..
            } => {
                let limits = &self.config.strangers;
                if logon == FirstLogon::Expected && !self.attempts.count(peer.ip(), now.mono, limits) {
                    self.turn_away(now, link, peer, Fault::TooManyLogons, app);
                    return Handled::Done;
                }
                // A port that was never listened on accepts nobody.
                let Some(door) = self.doors.get(listener.0 as usize) else {
                    self.drop_link(link);
                    return Handled::Done;
                };
                let knock = Knock {
                    link,
                    source: peer.ip(),
                    port: door.port,
                };
                match welcome(&mut self.desk, &message, knock) {
                    Ok(slot) => {
                        let owner = Owner::Session(super::slot::number(slot));
                        let before = self.links[index].change_owner(owner);
                        self.strangers -= usize::from(before.is_stranger());
                        self.link_timers.cancel(link.index);
                        let entry = &mut self.desk.slots[slot];
                        // A connection without its options is better than none.
                        let _ = self.desk.net.tune(link, &entry.socket);
                        entry.traffic.bytes_in += len as u64;
                        entry.traffic.last_in = now;
                        let step = self.desk.receive(now, slot, &message, app);
                        self.desk.follow(now, slot, step, Some(&message), app)
                    }
                    Err(Fault::UnknownIdentity)
                        if logon != FirstLogon::Answered
                            && !door.templates.is_empty()
                            && let Some(reception) = &self.desk.reception
                            && let Some(caller) = Caller::of(&message) =>
                    {
                        let asked = reception.ask(Wish::Guest(Calling {
                            link,
                            caller,
                            source: peer.ip(),
                            templates: Arc::clone(&door.templates),
                            now,
                        }));
                        let logon = if asked {
                            FirstLogon::Waiting
                        } else {
                            FirstLogon::Counted
                        };
                        self.links[index].note(logon);
                        Handled::Later
                    }
                    Err(fault) => {
                        self.turn_away(now, link, peer, fault, app);
                        Handled::Done
                    }
                }
            }
            Owner::Lingering { .. } | Owner::Nobody => Handled::Done,
        }
    }

    fn fire_timers<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut fired = 0;
        while let Some(slot) = self.desk.wheel.next_expired(now.mono) {
            // One that has left may have had a timer.
            if self.desk.slots.get(slot as usize).is_some() {
                self.desk.touch(slot as usize);
            }
            fired += 1;
        }
        while let Some(index) = self.link_timers.next_expired(now.mono) {
            fired += 1;
            let Link { id, owner, .. } = self.links[index as usize];
            match owner {
                Owner::Stranger { peer, give_up, .. } if now.mono >= give_up => {
                    let fault = self.out_of_patience(id);
                    self.turn_away(now, id, peer, fault, app);
                }
                Owner::Lingering { until, .. } if now.mono >= until => {
                    if self.desk.net.owes(id) && now.mono < until + LINGER_OWING {
                        self.link_timers.arm(index, now.mono + LINGER);
                    } else {
                        self.drop_link(id);
                    }
                }
                Owner::Stranger { give_up: at, .. } | Owner::Lingering { until: at, .. } => {
                    self.link_timers.arm(index, at);
                }
                Owner::Session(_) | Owner::Nobody => {}
            }
        }
        fired
    }

    fn settle<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut work = self.desk.grant_wishes(now, app);
        if !self.desk.failing_over.is_empty() {
            work += self.fail_over(now, app);
        }
        // What is touched while settling, by callbacks or for the next step, waits for the next
        // cycle.
        let touched = self.desk.touched.len();
        for at in 0..touched {
            let slot = self.desk.touched[at] as usize;
            let Some(entry) = self.desk.slots.get_mut(slot) else {
                continue;
            };
            entry.listed = false;
            work += self.go_on_with_parked(now, slot, app);
            if self.desk.slots[slot].session.is_peer_silent(now.mono) {
                work += self.look_once_more(now, slot, app);
            }
            let goes_on = self.desk.settle(now, slot, &mut self.index, app);
            let entry = self.desk.slots.get(slot);
            if goes_on || entry.is_some_and(|entry| entry.session.waits_briefly(now)) {
                self.desk.touch(slot);
                work += 1;
            }
        }
        self.desk.touched.drain(..touched);
        work
    }

    /// Before a peer is given up for its silence its socket is emptied, for as long as nothing sound
    /// comes out of it, and up to a limit: a peer that sends noise without end would keep us here.
    fn look_once_more<A: Application + ?Sized>(&mut self, now: Now, slot: usize, app: &mut A) -> usize {
        let mut work = 0;
        for _ in 0..LOOKS_MAX {
            let Some(link) = self.desk.slots[slot].link() else {
                break;
            };
            if !self.desk.slots[slot].session.is_peer_silent(now.mono) {
                break;
            }
            let index = link.index as usize;
            let (done, more) = self.read_link(now, index, app);
            work += done;
            if done == 0 && !self.buffers[index].received().is_empty() && more {
                // A message is there, but there is no room to keep it.
                self.desk.slots[slot].session.were_slow(now.mono);
            } else if done == 0 {
                break;
            }
        }
        work
    }

    /// Messages that waited behind a gap which has closed.
    fn go_on_with_parked<A: Application + ?Sized>(
        &mut self,
        now: Now,
        slot: usize,
        app: &mut A,
    ) -> usize {
        for done in 0..PARKED_BATCH {
            let Slot {
                session: Session::Fix(session),
                journal,
                ..
            } = &mut self.desk.slots[slot]
            else {
                if self.go_on_with_parked_fixp(now, slot, app) {
                    continue;
                }
                return done;
            };
            match session.next_parked(now, journal) {
                Unparked::Nothing => return done,
                Unparked::Close(cause) => {
                    self.desk.end(now, slot, cause, app);
                    return done;
                }
                Unparked::Message(at) => {
                    let Some(len) = copy(journal.inbound(at), &mut self.parked) else {
                        continue;
                    };
                    self.desk.read_at = self.desk.ticker.now();
                    let Ok(message) = self.index.read(&self.parked[..len]) else {
                        continue;
                    };
                    let step = session.receive(now, &message, Origin::Parked, journal);
                    let _: Handled = self.desk.follow(now, slot, step, Some(&message), app);
                }
            }
        }
        self.desk.touch(slot);
        PARKED_BATCH
    }

    /// Takes back the connections that sessions are done with.
    fn release_links(&mut self, now: Now) {
        while let Some(Released { link, in_order }) = self.desk.released.pop() {
            if in_order {
                self.let_linger(now, link);
            } else {
                self.drop_link(link);
            }
        }
    }

    /// Ends a connection so that what was sent last arrives.
    pub(super) fn let_linger(&mut self, now: Now, link: LinkId) {
        let index = link.index as usize;
        let known = self.links.get(index).is_some_and(|entry| entry.id == link);
        if known && self.desk.net.finish(link).is_ok() {
            let until = now.mono + LINGER;
            let slot = match self.links[index].owner {
                Owner::Session(slot) => Some(slot),
                _ => None,
            };
            let before = self.links[index].change_owner(Owner::Lingering { until, slot });
            self.strangers -= usize::from(before.is_stranger());
            self.link_timers.arm(link.index, until);
            self.list(link);
        } else {
            self.drop_link(link);
        }
    }

    pub(super) fn drop_link(&mut self, link: LinkId) {
        self.desk.net.close(link);
        if let Some(entry) = self.links.get_mut(link.index as usize)
            && entry.id == link
        {
            self.strangers -= usize::from(entry.change_owner(Owner::Nobody).is_stranger());
            self.buffers[link.index as usize].clear();
            self.link_timers.cancel(link.index);
        }
    }
}

/// What became of the bytes of a receive buffer.
pub(super) enum Taken {
    Message,
    Nothing,
    Stalled,
}

/// A connection whose first message has come.
#[derive(Clone, Copy)]
struct Knock {
    link: LinkId,
    source: IpAddr,
    /// Where it was accepted.
    port: u16,
}

/// Finds the session a first message belongs to, and binds the connection to it.
fn welcome(desk: &mut Desk, message: &Message<'_>, knock: Knock) -> Result<usize, Fault> {
    if message.msg_type() != msg_type::LOGON {
        return Err(Fault::FirstMessageNotLogon);
    }
    let slot = add::most_specific(&desk.slots, message, knock.port).ok_or(Fault::UnknownIdentity)?;
    let entry = &mut desk.slots[slot];
    if !porch::lets_in(&entry.accept, knock.source) {
        return Err(Fault::SourceNotAllowed);
    }
    if !matches!(entry.connection, Connection::None) {
        return Err(Fault::AlreadyConnected);
    }
    entry.connection = Connection::Open { link: knock.link };
    Ok(slot)
}

pub(super) fn copy(from: Option<&[u8]>, to: &mut [u8]) -> Option<usize> {
    let from = from?;
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

/// Scratch space of an engine for one message of a session.
pub(super) fn scratch(max_message_bytes: usize, max_fields: usize) -> (Box<[u8]>, FieldIndex) {
    (
        vec![0; max_message_bytes + 64].into_boxed_slice(),
        FieldIndex::with_capacity(max_fields),
    )
}

//! Peers that have not logged on: how many there are, and how they are turned away.

use std::net::{IpAddr, SocketAddr};

use super::Engine;
use super::application::{Application, Event};
use super::arrive::{Entrance, Made, MadeFor};
use super::config::ConfigError;
use super::cycle::Taken;
use super::link::{FirstLogon, Link, Owner};
use super::net::{LinkId, ListenerId};
use super::proxy::begins_like_header;
use super::slot::{Connection, Slot};
use crate::session::fix::Phase;
use crate::session::{Cause, Fault, HeaderFault, TlsFault, begins_like_tls};
use crate::time::Now;

/// What is met on a connection in plain text whose peer expects another.
const PEER_SPEAKS_TLS: Fault = Fault::Tls {
    why: TlsFault::PeerSpeaksTls,
};

/// What is met where a proxy says who its client is and nobody asked.
const HEADER: Fault = Fault::ProxyHeader {
    why: HeaderFault::NotExpected,
};

impl Engine {
    pub(super) fn accepted<A: Application + ?Sized>(
        &mut self,
        now: Now,
        listener: ListenerId,
        link: LinkId,
        peer: SocketAddr,
        app: &mut A,
    ) {
        self.accepted += 1;
        let limits = &self.config.strangers;
        let give_up = now.mono + limits.patience;
        match self.desk.net.header_of(listener) {
            Some(header) if !header.trusts(peer.ip()) => {
                let why = HeaderFault::NotTrusted;
                self.turn_away(now, link, peer, Fault::ProxyHeader { why }, app);
                return;
            }
            // It will say who it is.
            Some(_) => {}
            None if self.is_crowded(peer.ip(), limits.per_source_max) => {
                self.turn_away(now, link, peer, Fault::TooManyStrangers, app);
                return;
            }
            None => {}
        }
        if self.strangers >= limits.max
            && let Some((oldest, waited)) = self.oldest_stranger()
        {
            self.turn_away(now, oldest, waited, Fault::TooManyStrangers, app);
        }
        let protocol = self.protocol_of(listener);
        self.own(
            link,
            Owner::Stranger {
                peer,
                listener,
                give_up,
                logon: FirstLogon::Expected,
            },
            protocol,
        );
        self.link_timers.arm(link.index, give_up);
        self.list(link);
    }

    /// A connection has said whose it is, or should have.
    pub(super) fn introduced<A: Application + ?Sized>(
        &mut self,
        now: Now,
        link: LinkId,
        peer: Result<SocketAddr, HeaderFault>,
        app: &mut A,
    ) {
        let Some(Link {
            id,
            owner: Owner::Stranger { peer: known, .. },
            ..
        }) = self.links.get_mut(link.index as usize)
        else {
            return;
        };
        if *id != link {
            return;
        }
        match peer {
            Ok(peer) => {
                *known = peer;
                // It is one of them by now.
                if self.is_crowded(peer.ip(), self.config.strangers.per_source_max + 1) {
                    self.turn_away(now, link, peer, Fault::TooManyStrangers, app);
                } else {
                    self.list(link);
                }
            }
            Err(why) => {
                let proxy = *known;
                self.turn_away(now, link, proxy, Fault::ProxyHeader { why }, app);
            }
        }
    }

    /// Whether there are so many connections from `source` that have not logged on.
    fn is_crowded(&self, source: IpAddr, many: usize) -> bool {
        // Only a limit that could be reached is worth the search.
        self.strangers >= many && self.strangers_of(source) >= many
    }

    /// What a connection did not come to in the time it had.
    pub(super) fn out_of_patience(&self, link: LinkId) -> Fault {
        if self.desk.net.awaits_header(link) {
            let why = HeaderFault::Timeout;
            return Fault::ProxyHeader { why };
        }
        match self.desk.net.is_handshaking(link) {
            true => Fault::Tls {
                why: TlsFault::HandshakeTimeout,
            },
            false => Fault::LogonTimeout,
        }
    }

    /// How many connections from `source` have not logged on.
    fn strangers_of(&self, source: IpAddr) -> usize {
        let from_there =
            |link: &&Link| matches!(link.owner, Owner::Stranger { peer, .. } if peer.ip() == source);
        self.links.iter().filter(from_there).count()
    }

    /// The connection that has not logged on for the longest time, and from where it is.
    fn oldest_stranger(&self) -> Option<(LinkId, SocketAddr)> {
        let waiting = self.links.iter().filter_map(|link| match link.owner {
            Owner::Stranger { peer, give_up, .. } => Some((give_up, link.id, peer)),
            _ => None,
        });
        let (_, link, peer) = waiting.min_by_key(|(give_up, ..)| *give_up)?;
        Some((link, peer))
    }

    /// Recognizes a peer that speaks TLS where plain text is spoken: by its ClientHello, or by the alert
    /// with which it answers our Logon; and what [`Engine::take_header`] does. `None` if it is neither.
    pub(super) fn take_foreign<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        app: &mut A,
    ) -> Option<Taken> {
        if let Some(taken) = self.take_header(now, index, app) {
            return Some(taken);
        }
        let begins = begins_like_tls(self.buffers[index].received());
        if begins == Some(false) || self.desk.net.is_tls(self.links[index].id) {
            return None;
        }
        let Link { id, owner, .. } = self.links[index];
        let awaits_logon = |slot: u32| {
            let session = &self.desk.slots[slot as usize].session;
            session.phase() == Phase::LogonSent
        };
        match (owner, begins) {
            (Owner::Stranger { peer, .. }, Some(_)) => {
                self.turn_away(now, id, peer, PEER_SPEAKS_TLS, app);
                Some(Taken::Message)
            }
            (Owner::Session(slot), Some(_)) if awaits_logon(slot) => {
                let cause = Cause::Fault(PEER_SPEAKS_TLS);
                self.desk.end(now, slot as usize, cause, app);
                Some(Taken::Message)
            }
            // The rest of the record tells, and there is little of it.
            (Owner::Stranger { .. }, None) => Some(Taken::Nothing),
            (Owner::Session(slot), None) if awaits_logon(slot) => Some(Taken::Nothing),
            _ => None,
        }
    }

    /// Recognizes a proxy that begins with a header where none is expected, on a port of any protocol. `None` if
    /// it is none.
    pub(super) fn take_header<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        app: &mut A,
    ) -> Option<Taken> {
        let Link {
            id,
            owner: Owner::Stranger { peer, .. },
            ..
        } = self.links[index]
        else {
            return None;
        };
        match begins_like_header(self.buffers[index].received()) {
            Some(true) => {
                self.turn_away(now, id, peer, HEADER, app);
                Some(Taken::Message)
            }
            // The rest of it tells, and there is little of it.
            None => Some(Taken::Nothing),
            Some(false) => None,
        }
    }

    /// Takes in what was made since: a session that a callback asked for, one that a Logon waits for, or
    /// the journal of a guest. Answers how much that was.
    pub(super) fn take_made<A: Application + ?Sized>(&mut self, now: Now, app: &mut A) -> usize {
        let mut taken = 0;
        if let Some(mut made) = self.desk.entrance.next_made() {
            if let Some(slot) = made.slot.take() {
                self.desk.welcome(now, slot, app);
            }
            if let Some(error) = &made.error {
                app.on_event(&Event::SessionNotAdded { peer: None, error });
            }
            self.desk.entrance.done(made);
            taken += 1;
        }
        if let Some(mut made) = self.desk.reception.as_ref().and_then(Entrance::next_made) {
            match made.wanted_by {
                MadeFor::Callback => {}
                MadeFor::Stranger(link) => self.take_guest(now, link, &mut made, app),
                MadeFor::Guest(session) => self.desk.let_in(now, session, &mut made, app),
            }
            if let Some(reception) = &self.desk.reception {
                reception.done(made);
            }
            taken += 1;
        }
        taken
    }

    /// Goes on with a Logon that waited for a session to be made for it. If its connection has gone
    /// meanwhile, the session is not taken in.
    fn take_guest<A: Application + ?Sized>(
        &mut self,
        now: Now,
        id: LinkId,
        made: &mut Made,
        app: &mut A,
    ) {
        let index = id.index as usize;
        let Some(link) = self.links.get_mut(index).filter(|link| link.id == id) else {
            return;
        };
        let Owner::Stranger {
            peer,
            logon: FirstLogon::Waiting,
            ..
        } = link.owner
        else {
            return;
        };
        let guest = match (made.slot.take(), &made.error) {
            (Some(slot), _) => {
                let number = slot.handle.number();
                self.desk.install(slot, now);
                number
            }
            // Another connection of the same peer was first, or is on its way out: looked at again, for as
            // long as a Logon may take.
            (None, Some(ConfigError::Twice(name))) => {
                // Of one that stays, nothing will change.
                let stays = |slot: &Slot| slot.name == *name && slot.guest.is_none() && !slot.leaving;
                let logon = match self.desk.slots.iter().any(stays) {
                    true => FirstLogon::Answered,
                    false => FirstLogon::Counted,
                };
                self.links[index].note(logon);
                return self.list(id);
            }
            (None, Some(error)) => {
                let peer = Some(peer);
                app.on_event(&Event::SessionNotAdded { peer, error });
                return self.drop_link(id);
            }
            (None, None) => return self.turn_away(now, id, peer, Fault::UnknownIdentity, app),
        };
        self.links[index].note(FirstLogon::Answered);
        let (_, more) = self.read_link(now, index, app);
        if more {
            self.list(id);
        }
        // A session that was added meanwhile may be closer to what the Logon asks for.
        if let Some(entry) = self.desk.slots.get_mut(guest)
            && entry.guest.is_some()
            && matches!(entry.connection, Connection::None)
        {
            entry.leaving = true;
            self.desk.touch(guest);
        }
    }

    /// Closes the connection of somebody who has not logged on, without a byte of FIX.
    pub(super) fn turn_away<A: Application + ?Sized>(
        &mut self,
        now: Now,
        link: LinkId,
        peer: SocketAddr,
        fault: Fault,
        app: &mut A,
    ) {
        self.turned_away += 1;
        self.desk.page.count_stranger(fault);
        app.on_event(&Event::TurnedAway { peer, fault });
        match fault {
            Fault::Tls { why } if why != TlsFault::HandshakeTimeout => self.let_linger(now, link),
            _ => self.drop_link(link),
        }
    }
}

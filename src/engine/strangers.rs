//! Peers that have not logged on: how many there are, and how they are turned away.

use std::net::{IpAddr, SocketAddr};

use super::Engine;
use super::application::{Application, Event};
use super::cycle::Taken;
use super::link::{Link, Owner};
use super::net::LinkId;
use crate::session::fix::Phase;
use crate::session::{Cause, Fault, TlsFault, begins_like_tls};
use crate::time::Now;

/// What is met on a connection in plain text whose peer expects another.
const PEER_SPEAKS_TLS: Fault = Fault::Tls {
    why: TlsFault::PeerSpeaksTls,
};

impl Engine {
    /// How many connections from `source` have not logged on.
    pub(super) fn strangers_of(&self, source: IpAddr) -> usize {
        let from_there =
            |link: &&Link| matches!(link.owner, Owner::Stranger { peer, .. } if peer.ip() == source);
        self.links.iter().filter(from_there).count()
    }

    /// The connection that has not logged on for the longest time, and from where it is.
    pub(super) fn oldest_stranger(&self) -> Option<(LinkId, SocketAddr)> {
        let waiting = self.links.iter().filter_map(|link| match link.owner {
            Owner::Stranger { peer, give_up, .. } => Some((give_up, link.id, peer)),
            _ => None,
        });
        let (_, link, peer) = waiting.min_by_key(|(give_up, ..)| *give_up)?;
        Some((link, peer))
    }

    /// Recognizes a peer that speaks TLS where plain text is spoken: by its ClientHello, or by the alert
    /// with which it answers our Logon. `None` if it is none.
    pub(super) fn take_tls<A: Application + ?Sized>(
        &mut self,
        now: Now,
        index: usize,
        app: &mut A,
    ) -> Option<Taken> {
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

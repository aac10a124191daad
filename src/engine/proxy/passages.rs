//! The network with a proxy on the way of those connections that have one, in either direction.
//!
//! Invariant: a connection that we make is there for the layers above once the proxy has let us through;
//! one that is made to us is, but nothing can be received on it before its header is read.
//!
//! Invariant: once a proxy has said what it has to say and the rest is handed on, nothing is left of it
//! here: a connection costs what it costs without.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::header::{Header, Said};
use super::settings::{Proxy, ProxyHeader};
use super::talk::{Talk, Target};
use crate::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use crate::session::{HeaderFault, ProxyFault};

/// For so many headers at a time there is memory before the first connection has come, if so many may wait.
const READY_MAX: usize = 1024;

/// Through which proxy, and where to from there.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Through<'a> {
    pub(in crate::engine) proxy: &'a Proxy,
    pub(in crate::engine) target: Target<'a>,
}

/// How far a connection through a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Halfway {
    /// The connection to the proxy does not stand.
    ToProxy,
    /// The proxy has not answered.
    AtProxy,
}

/// Sockets, some with a proxy.
pub(in crate::engine) struct Passages {
    net: Box<dyn Network>,
    /// By listening port: whether connections begin with a header.
    doors: Vec<Option<ProxyHeader>>,
    /// By link number.
    held: Vec<Option<Held>>,
    /// How many there are.
    count: usize,
    /// Memory that is free, for as many connections as there have been at a time. Boxes: they go to and fro.
    #[expect(clippy::vec_box)]
    talks: Vec<Box<Talk>>,
    #[expect(clippy::vec_box)]
    headers: Vec<Box<Header>>,
    /// Why connections did not come about, until that is asked for.
    faults: Vec<(LinkId, ProxyFault)>,
}

/// A connection with a proxy on its way.
struct Held {
    link: LinkId,
    stage: Stage,
}

enum Stage {
    /// The proxy is asked, or has answered and something that followed is to be handed on.
    Talking {
        talk: Box<Talk>,
        /// The connection to it stands.
        made: bool,
    },
    /// The header is read, or something that followed it is to be handed on. The address is that of the
    /// proxy.
    Heading(Box<Header>, SocketAddr),
}

impl Held {
    /// Whether the proxy has said what it has to say.
    fn is_open(&self) -> bool {
        match &self.stage {
            Stage::Talking { talk, .. } => talk.is_through(),
            Stage::Heading(header, _) => header.is_whole(),
        }
    }

    fn has_rest(&self) -> bool {
        match &self.stage {
            Stage::Talking { talk, .. } => talk.has_rest(),
            Stage::Heading(header, _) => header.has_rest(),
        }
    }
}

/// What a connection came to by an event.
enum Came {
    /// To nothing yet.
    ToNothing,
    /// The proxy let us through.
    Through,
    /// It did not.
    Refused(ProxyFault),
    /// The header says who the client is, or is wrong.
    Introduced(Result<SocketAddr, HeaderFault>),
    /// Whoever connected is gone and has said nothing.
    Gone,
}

impl Passages {
    pub(in crate::engine) fn over(net: Box<dyn Network>) -> Self {
        Self {
            net,
            doors: Vec::new(),
            held: Vec::new(),
            count: 0,
            talks: Vec::new(),
            headers: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// As [`Network::listen`]; with a header on each connection if `header` says so. Beside it stands how many
    /// connections may wait at a time.
    pub(in crate::engine) fn listen_behind(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
        header: Option<(ProxyHeader, usize)>,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let (listener, bound) = self.net.listen(address, reuse, options)?;
        let at = listener.0 as usize;
        let header = header.map(|(header, waiting)| {
            self.make_ready(waiting.min(READY_MAX));
            header
        });
        if header.is_some() || at < self.doors.len() {
            while self.doors.len() <= at {
                self.doors.push(None);
            }
            self.doors[at] = header;
        }
        Ok((listener, bound))
    }

    /// So many headers may be read at a time without an allocation.
    fn make_ready(&mut self, many: usize) {
        let missing = many.saturating_sub(self.headers.len());
        let headers = (0..missing).map(|_| Box::new(Header::new()));
        self.headers.extend(headers);
        self.held.reserve(many);
        self.talks.reserve(many);
        self.faults.reserve(many);
    }

    /// As [`Network::connect`]; if there is a proxy, `address` is its.
    pub(in crate::engine) fn connect_through(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
        through: Option<Through<'_>>,
    ) -> io::Result<LinkId> {
        let link = self.net.connect(address, source, options)?;
        if let Some(Through { proxy, target }) = through {
            let mut talk = self.talks.pop().unwrap_or_else(|| Box::new(Talk::new()));
            talk.begin(proxy, target);
            self.hold(link, Stage::Talking { talk, made: false });
        }
        Ok(link)
    }

    /// How far a connection is that the proxy has not let through; `None` if there is none.
    pub(in crate::engine) fn halfway(&self, link: LinkId) -> Option<Halfway> {
        match &self.find(link)?.stage {
            Stage::Talking { made: false, .. } => Some(Halfway::ToProxy),
            Stage::Talking { talk, .. } if !talk.is_through() => Some(Halfway::AtProxy),
            _ => None,
        }
    }

    /// What a proxy had against a connection that failed.
    pub(in crate::engine) fn take_fault(&mut self, link: LinkId) -> Option<ProxyFault> {
        let at = self.faults.iter().position(|(its, _)| *its == link)?;
        Some(self.faults.swap_remove(at).1)
    }

    /// What is expected of connections to a port, if they begin with a header.
    pub(in crate::engine) fn header_of(&self, listener: ListenerId) -> Option<&ProxyHeader> {
        self.doors.get(listener.0 as usize)?.as_ref()
    }

    /// Whether the header of a connection is not whole.
    pub(in crate::engine) fn awaits_header(&self, link: LinkId) -> bool {
        let held = self.find(link);
        held.is_some_and(|held| matches!(&held.stage, Stage::Heading(header, _) if !header.is_whole()))
    }

    fn find(&self, link: LinkId) -> Option<&Held> {
        let held = self.held.get(link.index as usize)?.as_ref()?;
        (held.link == link).then_some(held)
    }

    fn hold(&mut self, link: LinkId, stage: Stage) {
        let index = link.index as usize;
        if self.held.len() <= index {
            self.held.resize_with(index + 1, || None);
        }
        // Whoever had the number before is gone without a word.
        if let Some(before) = self.held[index].take() {
            self.give_back(before);
        }
        self.held[index] = Some(Held { link, stage });
        self.count += 1;
        // So that nothing allocates when it is given back.
        self.talks.reserve(self.count);
        self.headers.reserve(self.count);
        self.faults.reserve(self.count);
    }

    fn forget(&mut self, link: LinkId) {
        let index = link.index as usize;
        if self.find(link).is_some()
            && let Some(held) = self.held[index].take()
        {
            self.give_back(held);
        }
    }

    fn give_back(&mut self, held: Held) {
        self.count -= 1;
        match held.stage {
            Stage::Talking { mut talk, .. } => {
                talk.end();
                self.talks.push(talk);
            }
            Stage::Heading(header, _) => self.headers.push(header),
        }
    }

    /// Whether an event of the network is told, which is changed into what it means.
    fn is_told(&mut self, event: &mut Ready) -> bool {
        let link = match *event {
            Ready::Accepted {
                listener,
                link,
                peer,
            } => {
                // One from elsewhere is closed before a byte is read, so nothing is kept for it.
                if self
                    .header_of(listener)
                    .is_some_and(|header| header.trusts(peer.ip()))
                {
                    let mut header = self
                        .headers
                        .pop()
                        .unwrap_or_else(|| Box::new(Header::new()));
                    header.begin();
                    self.hold(link, Stage::Heading(header, peer));
                }
                return true;
            }
            Ready::ConnectFailed(link, kind) => {
                if self.find(link).is_some() {
                    self.fail(link, ProxyFault::Unreachable(kind));
                }
                return true;
            }
            Ready::TlsFailed(..) | Ready::Introduced { .. } => return true,
            Ready::Connected(link) | Ready::Readable(link) | Ready::Writable(link) => link,
        };
        match self.go_on(link, matches!(event, Ready::Connected(_))) {
            None => true,
            Some(Came::ToNothing) => false,
            Some(Came::Through) => {
                *event = Ready::Connected(link);
                self.forget_if_empty(link);
                true
            }
            Some(Came::Refused(fault)) => {
                *event = Ready::ConnectFailed(link, io::ErrorKind::ConnectionRefused);
                self.fail(link, fault);
                self.net.close(link);
                true
            }
            Some(Came::Introduced(peer)) => {
                *event = Ready::Introduced { link, peer };
                self.forget_if_empty(link);
                true
            }
            Some(Came::Gone) => {
                // The end is found again by whoever reads.
                *event = Ready::Readable(link);
                self.forget(link);
                true
            }
        }
    }

    fn fail(&mut self, link: LinkId, fault: ProxyFault) {
        self.forget(link);
        // One that nobody asked about leaves its place.
        if self.faults.len() == self.faults.capacity() {
            self.faults.clear();
        }
        self.faults.push((link, fault));
    }

    fn forget_if_empty(&mut self, link: LinkId) {
        if self
            .find(link)
            .is_some_and(|held| held.is_open() && !held.has_rest())
        {
            self.forget(link);
        }
    }

    /// Goes on with what stands before a connection, as far as its socket lets it. `None` if nothing does.
    fn go_on(&mut self, link: LinkId, connected: bool) -> Option<Came> {
        let held = self.held.get_mut(link.index as usize)?.as_mut()?;
        if held.link != link || held.is_open() {
            return None;
        }
        Some(match &mut held.stage {
            Stage::Talking { talk, made } => {
                *made |= connected;
                match made {
                    true => converse(talk, &mut *self.net, link),
                    false => Came::ToNothing,
                }
            }
            Stage::Heading(header, proxy) => introduce(header, *proxy, &mut *self.net, link),
        })
    }
}

/// Says and hears what there is.
fn converse(talk: &mut Talk, net: &mut dyn Network, link: LinkId) -> Came {
    match go_through(talk, net, link) {
        Ok(true) => Came::Through,
        Ok(false) => Came::ToNothing,
        Err(fault) => Came::Refused(fault),
    }
}

/// Answers whether the proxy has let us through.
fn go_through(talk: &mut Talk, net: &mut dyn Network, link: LinkId) -> Result<bool, ProxyFault> {
    let mut broken = false;
    while !talk.is_through() {
        if !talk.to_say().is_empty() && !broken {
            match net.send(link, talk.to_say()) {
                Ok(len @ 1..) => {
                    talk.say(len)?;
                    continue;
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => broken = true,
                // A proxy that refuses may do so before it has read all.
                Ok(0) | Err(_) => {}
            }
        }
        match net.receive(link, talk.room()) {
            Ok(len @ 1..) => talk.hear(len)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !broken => return Ok(false),
            Ok(0) | Err(_) => return Err(talk.closed()),
        }
    }
    Ok(true)
}

/// Reads what there is of a header.
fn introduce(header: &mut Header, proxy: SocketAddr, net: &mut dyn Network, link: LinkId) -> Came {
    loop {
        match net.receive(link, header.room()) {
            Ok(len @ 1..) => match header.hear(len) {
                Ok(Said::Incomplete) => {}
                Ok(Said::Client(client)) => return Came::Introduced(Ok(client.unwrap_or(proxy))),
                Err(fault) => return Came::Introduced(Err(fault)),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Came::ToNothing,
            // Somebody looked whether the port is there.
            Ok(0) | Err(_) if header.is_untouched() => return Came::Gone,
            Ok(0) | Err(_) => return Came::Introduced(Err(HeaderFault::Incomplete)),
        }
    }
}

impl Network for Passages {
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.listen_behind(address, reuse, options, None)
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId> {
        self.connect_through(address, source, options, None)
    }

    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.net.tune(link, options)
    }

    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        let polled = self.net.poll(wait, ready);
        if self.count > 0 || !self.doors.is_empty() {
            ready.retain_mut(|event| self.is_told(event));
        }
        polled
    }

    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        if self.count == 0 || self.find(link).is_none() {
            return self.net.receive(link, room);
        }
        let Some(Some(held)) = self.held.get_mut(link.index as usize) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !held.is_open() || room.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = match &mut held.stage {
            Stage::Talking { talk, .. } => talk.take_rest(room),
            Stage::Heading(header, _) => header.take_rest(room),
        };
        self.forget_if_empty(link);
        Ok(taken)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        if self.count > 0 && self.find(link).is_some_and(|held| !held.is_open()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.net.send(link, bytes)
    }

    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.net.finish(link)
    }

    fn close(&mut self, link: LinkId) {
        if self.count > 0 {
            self.forget(link);
        }
        self.net.close(link);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::engine::OsNetwork;

    /// What a connection from this machine left here, in a port that takes headers `from` there only: how
    /// many are held, and how many headers are free of three.
    fn left_by_a_connection(from: &str) -> (usize, usize) {
        let mut passages = Passages::over(Box::new(OsNetwork::new().unwrap()));
        let header = ProxyHeader {
            from: vec![from.parse().unwrap()],
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = SocketOptions::default();
        let listened = passages.listen_behind(any, Reuse::Forbidden, &options, Some((header, 3)));
        let (_, address) = listened.unwrap();
        let _stream = TcpStream::connect(address).unwrap();
        let mut ready = Vec::with_capacity(8);
        while !matches!(ready.first(), Some(Ready::Accepted { .. })) {
            passages
                .poll(Duration::from_millis(10), &mut ready)
                .unwrap();
        }
        (passages.count, passages.headers.len())
    }

    #[test]
    fn nothing_is_kept_for_a_connection_that_may_not_say_who_its_client_is() {
        assert_eq!(left_by_a_connection("10.0.0.0/8"), (0, 3));
        // There was memory before it came.
        assert_eq!(left_by_a_connection("127.0.0.0/8"), (1, 2));
    }
}

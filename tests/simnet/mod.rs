//! A network in memory for tests that run the engine in virtual time: deterministic, without threads.
//!
//! A [`Wire`] joins engines, each through a [`Port`] that is its `Network`, and a test that holds the
//! other end of a connection itself. Without [`Weather`] every byte arrives at once and whole; with it
//! bytes are delayed and cut by a seeded generator. What happens depends on the calls and the seed
//! alone, and [`Wire::log`] tells it.
//!
//! It knows nothing of FIX.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};

/// Bytes one direction of a connection holds before the socket takes no more.
pub const SOCKET_BYTES: usize = 256 * 1024;

/// Where connections come from, unless somebody says otherwise.
pub const SOURCE: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);

/// A small generator of numbers that repeat with their seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Delays and cuts, for simulations.
#[derive(Clone, Debug)]
pub struct Weather {
    pub rng: Rng,
    /// The longest a piece of bytes is under way, in nanoseconds.
    pub delay_max_ns: u64,
}

/// One end of a connection: 0 dialled, 1 was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    pub conn: usize,
    pub side: usize,
}

impl End {
    fn other(self) -> Self {
        Self {
            conn: self.conn,
            side: 1 - self.side,
        }
    }
}

/// Something that crossed the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    pub at_ns: u64,
    pub from: End,
    /// Empty for the end of the stream.
    pub bytes: Vec<u8>,
}

/// The network between the ends. Clones are the same network.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now_ns: u64,
    hosts: Vec<Host>,
    conns: Vec<[Inbox; 2]>,
    /// Connections asked for that the test answers.
    dialled: VecDeque<Dial>,
    /// How many connections engines have asked for.
    dials: usize,
    /// The test answers what engines dial where no engine listens; otherwise that is refused.
    test_answers: bool,
    weather: Option<Weather>,
    /// The most one receive of an engine gets; 0 for no limit.
    read_max: usize,
    log: Option<Vec<Crossing>>,
}

/// An engine's side of the wire.
#[derive(Default)]
struct Host {
    listeners: Vec<SocketAddr>,
    links: Vec<Link>,
    /// Connections to be reported as accepted.
    accepted: VecDeque<(ListenerId, LinkId, SocketAddr)>,
    /// Attempts that have come to something, and when that is known.
    outcomes: VecDeque<(u64, LinkId, Option<ErrorKind>)>,
}

#[derive(Default)]
struct Link {
    generation: u32,
    end: Option<End>,
    taken: bool,
    connected: bool,
    /// A send was refused; the next room is reported.
    blocked: bool,
}

/// What is on its way to one end, and how that end stands.
struct Inbox {
    pieces: VecDeque<(u64, VecDeque<u8>)>,
    bytes: usize,
    capacity: usize,
    /// The other side has said that nothing more comes; known from this time on.
    fin: Option<u64>,
    /// The connection was destroyed.
    reset: bool,
    /// This end has closed.
    closed: bool,
    /// It was lost at this end, and the other has not noticed: what that sends goes nowhere.
    lost: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            capacity: SOCKET_BYTES,
            fin: None,
            reset: false,
            closed: false,
            lost: false,
        }
    }
}

/// A connection an engine asked for, to be accepted or refused by the test.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    host: usize,
    link: LinkId,
    address: SocketAddr,
}

impl Wire {
    /// A network of engines only.
    #[allow(dead_code)] // the conformance suite plays the peer itself
    pub fn of_engines() -> Self {
        Self::default()
    }

    /// A network on which the test answers the connections engines ask for; see [`Wire::next_dial`].
    pub fn answered_by_test() -> Self {
        let wire = Self::default();
        wire.0.lock().unwrap().test_answers = true;
        wire
    }

    /// A port for one engine.
    pub fn port(&self) -> Port {
        let mut state = self.0.lock().unwrap();
        state.hosts.push(Host::default());
        Port {
            wire: self.clone(),
            host: state.hosts.len() - 1,
        }
    }

    pub fn set_now(&self, now_ns: u64) {
        self.0.lock().unwrap().now_ns = now_ns;
    }

    pub fn set_weather(&self, weather: Option<Weather>) {
        self.0.lock().unwrap().weather = weather;
    }

    /// The most one receive of an engine gets; 0 for no limit.
    pub fn set_read_max(&self, bytes: usize) {
        self.0.lock().unwrap().read_max = bytes;
    }

    pub fn keep_log(&self) {
        self.0.lock().unwrap().log = Some(Vec::new());
    }

    pub fn log(&self) -> Vec<Crossing> {
        self.0.lock().unwrap().log.clone().unwrap_or_default()
    }

    /// The test connects to an engine, from `source`. `None` if nobody listens there.
    pub fn dial(&self, address: SocketAddr, source: SocketAddr) -> Option<End> {
        let mut state = self.0.lock().unwrap();
        let (host, listener) = state.listener(address)?;
        let end = state.connection();
        let link = state.adopt(host, Some(end.other()), true);
        state.hosts[host]
            .accepted
            .push_back((listener, link, source));
        Some(end)
    }

    /// The oldest connection an engine asked for that the test has not answered.
    pub fn next_dial(&self) -> Option<Dial> {
        let mut state = self.0.lock().unwrap();
        while let Some(dial) = state.dialled.pop_front() {
            let link = &state.hosts[dial.host].links[dial.link.index as usize];
            // The engine may have given up meanwhile.
            if link.taken && link.generation == dial.link.generation {
                return Some(dial);
            }
        }
        None
    }

    /// How many connections engines have asked for.
    pub fn dials(&self) -> usize {
        self.0.lock().unwrap().dials
    }

    /// Where the oldest connection leads to that an engine asked for and waits for the answer to.
    pub fn dialled(&self) -> Option<SocketAddr> {
        let state = self.0.lock().unwrap();
        let mut waiting = state.dialled.iter().filter(|dial| {
            let link = &state.hosts[dial.host].links[dial.link.index as usize];
            link.taken && link.generation == dial.link.generation
        });
        waiting.next().map(|dial| dial.address)
    }

    pub fn accept(&self, dial: Dial) -> End {
        let mut state = self.0.lock().unwrap();
        let end = state.connection();
        let now = state.now_ns;
        let host = &mut state.hosts[dial.host];
        let link = &mut host.links[dial.link.index as usize];
        if link.taken && link.generation == dial.link.generation {
            link.end = Some(end);
            host.outcomes.push_back((now, dial.link, None));
        }
        end.other()
    }

    pub fn refuse(&self, dial: Dial) {
        let mut state = self.0.lock().unwrap();
        let now = state.now_ns;
        let outcome = (now, dial.link, Some(ErrorKind::ConnectionRefused));
        state.hosts[dial.host].outcomes.push_back(outcome);
    }

    /// Sends for the test; never cut, never refused.
    pub fn send(&self, end: End, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap();
        let _ = state.put(end, bytes, usize::MAX);
    }

    /// Everything that has arrived at an end of the test's.
    pub fn receive(&self, end: End) -> Vec<u8> {
        let mut state = self.0.lock().unwrap();
        let now = state.now_ns;
        let mut all = Vec::new();
        while let Ok(byte_count) = state.take(end, now, usize::MAX, &mut all) {
            if byte_count == 0 {
                break;
            }
        }
        all
    }

    /// Whether the other side has said that nothing more comes, or destroyed the connection.
    pub fn is_ended(&self, end: End) -> bool {
        let state = self.0.lock().unwrap();
        let inbox = &state.conns[end.conn][end.side];
        inbox.reset || inbox.fin.is_some()
    }

    /// Whether the other side has let go of the connection altogether.
    pub fn is_gone(&self, end: End) -> bool {
        let state = self.0.lock().unwrap();
        let inbox = &state.conns[end.conn][end.side];
        inbox.reset || state.conns[end.conn][1 - end.side].closed
    }

    /// Half-close: nothing more comes from `end`, which goes on receiving.
    pub fn finish(&self, end: End) {
        self.0.lock().unwrap().finish(end);
    }

    pub fn close(&self, end: End) {
        self.0.lock().unwrap().close(end);
    }

    /// Destroys a connection, with what is under way.
    pub fn sever(&self, conn: usize) {
        for inbox in &mut self.0.lock().unwrap().conns[conn] {
            inbox.pieces.clear();
            inbox.bytes = 0;
            inbox.reset = true;
        }
    }

    /// Destroys a connection as far as `end` can tell. The other side hears nothing any more.
    pub fn lose(&self, end: End) {
        let mut state = self.0.lock().unwrap();
        let inbox = &mut state.conns[end.conn][end.side];
        inbox.pieces.clear();
        inbox.bytes = 0;
        (inbox.reset, inbox.lost) = (true, true);
    }

    /// How many bytes the socket towards `end` holds; 0 takes nothing.
    pub fn set_capacity(&self, end: End, bytes: usize) {
        self.0.lock().unwrap().conns[end.conn][end.side].capacity = bytes;
    }

    /// Whether any engine has something to look at now.
    pub fn is_busy(&self) -> bool {
        let state = self.0.lock().unwrap();
        let now = state.now_ns;
        state.hosts.iter().any(|host| {
            !host.accepted.is_empty()
                || host
                    .outcomes
                    .front()
                    .is_some_and(|outcome| outcome.0 <= now)
                || host.links.iter().any(|link| state.has_bytes(link, now))
        })
    }

    /// The connections that stand, by number.
    pub fn standing(&self) -> Vec<usize> {
        let state = self.0.lock().unwrap();
        let stands = |ends: &[Inbox; 2]| ends.iter().all(|inbox| !inbox.reset && !inbox.closed);
        (0..state.conns.len())
            .filter(|conn| stands(&state.conns[*conn]))
            .collect()
    }
}

impl State {
    fn listener(&self, address: SocketAddr) -> Option<(usize, ListenerId)> {
        self.hosts.iter().enumerate().find_map(|(number, host)| {
            let at = host.listeners.iter().position(|bound| *bound == address)?;
            Some((number, ListenerId(u32::try_from(at).ok()?)))
        })
    }

    fn connection(&mut self) -> End {
        self.conns.push(Default::default());
        End {
            conn: self.conns.len() - 1,
            side: 0,
        }
    }

    fn adopt(&mut self, host: usize, end: Option<End>, connected: bool) -> LinkId {
        let links = &mut self.hosts[host].links;
        let index = links
            .iter()
            .position(|link| !link.taken)
            .unwrap_or_else(|| {
                links.push(Link::default());
                links.len() - 1
            });
        let link = &mut links[index];
        link.taken = true;
        link.end = end;
        link.connected = connected;
        link.blocked = false;
        LinkId {
            index: index as u32,
            generation: link.generation,
        }
    }

    fn has_bytes(&self, link: &Link, now: u64) -> bool {
        let Some(end) = link.end.filter(|_| link.taken && link.connected) else {
            return false;
        };
        let inbox = &self.conns[end.conn][end.side];
        inbox.pieces.front().is_some_and(|piece| piece.0 <= now)
    }

    fn is_readable(&self, end: End, now: u64) -> bool {
        let inbox = &self.conns[end.conn][end.side];
        inbox.reset
            || inbox.pieces.front().is_some_and(|piece| piece.0 <= now)
            || inbox.fin.is_some_and(|at| at <= now)
    }

    /// When something sent now arrives: never before what was sent earlier.
    fn arrival(&mut self, to: End) -> u64 {
        let delay = match &mut self.weather {
            Some(weather) => weather.rng.below(weather.delay_max_ns + 1),
            None => 0,
        };
        let earliest = self.conns[to.conn][to.side]
            .pieces
            .back()
            .map_or(0, |piece| piece.0);
        (self.now_ns + delay).max(earliest)
    }

    fn put(&mut self, from: End, bytes: &[u8], capacity: usize) -> io::Result<usize> {
        let to = from.other();
        let here = &self.conns[from.conn][from.side];
        let there = &self.conns[to.conn][to.side];
        if there.lost && !here.closed {
            return Ok(bytes.len());
        }
        if here.reset || here.closed || there.closed {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if there.fin.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut len = bytes.len().min(capacity.saturating_sub(there.bytes));
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(weather) = &mut self.weather
            && weather.rng.below(4) == 0
        {
            len = 1 + weather.rng.below(len as u64) as usize;
        }
        let due = self.arrival(to);
        if let Some(log) = &mut self.log {
            log.push(Crossing {
                at_ns: self.now_ns,
                from,
                bytes: bytes[..len].to_vec(),
            });
        }
        let there = &mut self.conns[to.conn][to.side];
        there
            .pieces
            .push_back((due, bytes[..len].iter().copied().collect()));
        there.bytes += len;
        Ok(len)
    }

    fn take(&mut self, end: End, now: u64, max: usize, to: &mut Vec<u8>) -> io::Result<usize> {
        let mut max = max;
        if let Some(weather) = &mut self.weather
            && weather.rng.below(4) == 0
        {
            max = 1 + weather.rng.below(max as u64) as usize;
        }
        let inbox = &mut self.conns[end.conn][end.side];
        if inbox.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let mut taken = 0;
        while taken < max {
            match inbox.pieces.front_mut() {
                Some((due, piece)) if *due <= now => {
                    let len = piece.len().min(max - taken);
                    to.extend(piece.drain(..len));
                    taken += len;
                    if piece.is_empty() {
                        inbox.pieces.pop_front();
                    }
                }
                _ => break,
            }
        }
        inbox.bytes -= taken;
        match taken {
            0 if inbox.pieces.is_empty() && inbox.fin.is_some_and(|at| at <= now) => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(taken),
        }
    }

    fn finish(&mut self, end: End) {
        if self.conns[end.conn][end.side].lost {
            return;
        }
        let to = end.other();
        let due = self.arrival(to);
        let there = &mut self.conns[to.conn][to.side];
        if there.fin.is_none() {
            there.fin = Some(due);
            let at_ns = self.now_ns;
            if let Some(log) = &mut self.log {
                log.push(Crossing {
                    at_ns,
                    from: end,
                    bytes: Vec::new(),
                });
            }
        }
    }

    /// As on a real network, closing with bytes unread destroys what the other side has not read yet.
    fn close(&mut self, end: End) {
        self.finish(end);
        let here = &mut self.conns[end.conn][end.side];
        here.closed = true;
        if here.bytes > 0 {
            for inbox in &mut self.conns[end.conn] {
                inbox.pieces.clear();
                inbox.bytes = 0;
                inbox.reset = true;
            }
        }
    }
}

/// One engine's network.
pub struct Port {
    wire: Wire,
    host: usize,
}

impl Port {
    fn end(state: &State, host: usize, link: LinkId) -> io::Result<End> {
        state.hosts[host]
            .links
            .get(link.index as usize)
            .filter(|known| known.taken && known.connected && known.generation == link.generation)
            .and_then(|known| known.end)
            .ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

/// An engine that is dropped takes its connections and listeners with it, as a process does.
impl Drop for Port {
    fn drop(&mut self) {
        let mut state = self.wire.0.lock().unwrap();
        let host = std::mem::take(&mut state.hosts[self.host]);
        for link in host.links {
            if let Some(end) = link.end.filter(|_| link.taken) {
                state.close(end);
            }
        }
        let number = self.host;
        state.dialled.retain(|dial| dial.host != number);
    }
}

impl Network for Port {
    fn listen(
        &mut self,
        address: SocketAddr,
        _: Reuse,
        _: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let mut state = self.wire.0.lock().unwrap();
        if state.listener(address).is_some() {
            return Err(ErrorKind::AddrInUse.into());
        }
        let listeners = &mut state.hosts[self.host].listeners;
        listeners.push(address);
        Ok((ListenerId(listeners.len() as u32 - 1), address))
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        _: Option<SocketAddr>,
        _: &SocketOptions,
    ) -> io::Result<LinkId> {
        let mut state = self.wire.0.lock().unwrap();
        let now = state.now_ns;
        let listener = state.listener(address);
        state.dials += 1;
        let link = match listener {
            Some((host, listener)) => {
                let end = state.connection();
                let link = state.adopt(self.host, Some(end), false);
                let theirs = state.adopt(host, Some(end.other()), true);
                state.hosts[host]
                    .accepted
                    .push_back((listener, theirs, SOURCE.into()));
                state.hosts[self.host].outcomes.push_back((now, link, None));
                link
            }
            None => {
                let link = state.adopt(self.host, None, false);
                if !state.test_answers {
                    let refused = (now, link, Some(ErrorKind::ConnectionRefused));
                    state.hosts[self.host].outcomes.push_back(refused);
                } else {
                    let host = self.host;
                    state.dialled.push_back(Dial {
                        host,
                        link,
                        address,
                    });
                }
                link
            }
        };
        Ok(link)
    }

    fn tune(&mut self, _: LinkId, _: &SocketOptions) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        let state = &mut *self.wire.0.lock().unwrap();
        let now = state.now_ns;
        let host = &mut state.hosts[self.host];
        while let Some((listener, link, peer)) = host.accepted.pop_front() {
            ready.push(Ready::Accepted {
                listener,
                link,
                peer,
            });
        }
        while let Some((_, link, refused)) = host.outcomes.pop_front_if(|outcome| outcome.0 <= now) {
            let entry = &mut host.links[link.index as usize];
            if !entry.taken || entry.generation != link.generation {
                continue;
            }
            match refused {
                None => {
                    entry.connected = true;
                    ready.push(Ready::Connected(link));
                }
                Some(kind) => {
                    entry.taken = false;
                    entry.generation += 1;
                    ready.push(Ready::ConnectFailed(link, kind));
                }
            }
        }
        for index in 0..state.hosts[self.host].links.len() {
            let link = &state.hosts[self.host].links[index];
            let Some(end) = link.end.filter(|_| link.taken && link.connected) else {
                continue;
            };
            let id = LinkId {
                index: index as u32,
                generation: link.generation,
            };
            if state.is_readable(end, now) {
                ready.push(Ready::Readable(id));
            }
            let there = &state.conns[end.conn][1 - end.side];
            if link.blocked && there.bytes < there.capacity {
                state.hosts[self.host].links[index].blocked = false;
                ready.push(Ready::Writable(id));
            }
        }
        Ok(())
    }

    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        let mut state = self.wire.0.lock().unwrap();
        let end = Self::end(&state, self.host, link)?;
        let max = match state.read_max {
            0 => room.len(),
            most => most.min(room.len()),
        };
        let now = state.now_ns;
        let mut bytes = Vec::new();
        let len = state.take(end, now, max, &mut bytes)?;
        room[..len].copy_from_slice(&bytes);
        Ok(len)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.wire.0.lock().unwrap();
        let end = Self::end(&state, self.host, link)?;
        let capacity = state.conns[end.conn][1 - end.side].capacity;
        let sent = state.put(end, bytes, capacity);
        let full = match &sent {
            Ok(sent) => *sent < bytes.len(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if full {
            state.hosts[self.host].links[link.index as usize].blocked = true;
        }
        sent
    }

    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        let mut state = self.wire.0.lock().unwrap();
        let end = Self::end(&state, self.host, link)?;
        state.finish(end);
        Ok(())
    }

    fn close(&mut self, link: LinkId) {
        let mut state = self.wire.0.lock().unwrap();
        let Some(known) = state.hosts[self.host].links.get_mut(link.index as usize) else {
            return;
        };
        if !known.taken || known.generation != link.generation {
            return;
        }
        known.taken = false;
        known.generation += 1;
        if let Some(end) = known.end.take() {
            state.close(end);
        }
    }
}

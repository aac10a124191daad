//! The network of the operating system: plain non-blocking sockets and one readiness call.
//!
//! Nothing but BSD sockets and epoll is used, so that kernel-bypass libraries that replace them by
//! preloading keep working.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, SockRef, Socket as Unconnected, TcpKeepalive, Type};

use super::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};

/// Up to this many open connections each poll just tries to receive on every one, instead of asking
/// for readiness first.
///
/// Readiness costs one call however many sockets there are, receiving in vain one call per socket;
/// but a socket that has something is read one call earlier when it is tried directly, and the kernel
/// need not wake a readiness queue for each arriving segment. The `roundtrip` bench shows
/// the two beside each other.
const DIRECT_MAX: usize = 6;

/// While receiving directly, every how many polls readiness is asked for all the same: new
/// connections, room to send.
const READINESS_EVERY: u32 = 64;

/// How many connections are accepted per port and poll.
const ACCEPT_BATCH: usize = 16;

/// How many connections the system may hold that have not been accepted yet.
const BACKLOG: i32 = 1024;

/// How many readiness events are taken per poll.
const EVENTS: usize = 1024;

/// Marks the token of a listening port; a link has its generation there.
const LISTENER: usize = 1 << 63;

/// Sockets of the operating system.
#[derive(Debug)]
pub struct OsNetwork {
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    /// Listening ports that may have more to accept than one batch.
    accepting: Vec<bool>,
    links: Vec<Socket>,
    free: Vec<u32>,
    /// Connections that stand or are being made.
    open: Vec<LinkId>,
    polls: u32,
    /// Whether connections that stand are received on without asking, and so not watched.
    direct: bool,
}

#[derive(Debug)]
struct Socket {
    generation: u32,
    stream: Option<TcpStream>,
    connected: bool,
    /// Whether the kernel watches it for readiness.
    watched: bool,
    /// The last send found no room, and nobody watches for it.
    blocked: bool,
}

impl OsNetwork {
    /// A network without sockets.
    ///
    /// # Errors
    /// The operating system gives no readiness queue.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            listeners: Vec::new(),
            accepting: Vec::new(),
            links: Vec::new(),
            free: Vec::new(),
            open: Vec::new(),
            polls: 0,
            direct: false,
        })
    }

    fn adopt(&mut self, mut stream: TcpStream, connected: bool) -> io::Result<LinkId> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.links.push(Socket {
                    generation: 0,
                    stream: None,
                    connected: false,
                    watched: false,
                    blocked: false,
                });
                // Room to give every number back without allocating.
                self.free.reserve(self.links.len());
                self.open.reserve(self.links.len());
                u32::try_from(self.links.len() - 1).map_err(io::Error::other)?
            }
        };
        let socket = &mut self.links[index as usize];
        let link = LinkId {
            index,
            generation: socket.generation,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        // Best effort here: on a connection that is still being made some systems refuse it, and it
        // is set again when it stands.
        let _ = stream.set_nodelay(true);
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut stream, token(link), interest)
        {
            self.free.push(index);
            return Err(error);
        }
        socket.stream = Some(stream);
        socket.connected = connected;
        socket.watched = true;
        socket.blocked = false;
        self.open.push(link);
        Ok(link)
    }

    fn stream(&mut self, link: LinkId) -> io::Result<&mut TcpStream> {
        match self.links.get_mut(link.index as usize) {
            Some(Socket {
                generation,
                stream: Some(stream),
                ..
            }) if *generation == link.generation => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn accept(&mut self, listener: u32, ready: &mut Vec<Ready>) {
        let at = listener as usize;
        for _ in 0..ACCEPT_BATCH {
            if ready.len() == ready.capacity() {
                return;
            }
            match self.listeners[at].accept() {
                Ok((stream, peer)) => {
                    // A connection that cannot be registered is dropped, which closes it.
                    if let Ok(link) = self.adopt(stream, true) {
                        ready.push(Ready::Accepted {
                            listener: ListenerId(listener),
                            link,
                            peer,
                        });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accepting[at] = false;
                    return;
                }
                // Out of descriptors, or the peer is gone already: there may be more to accept.
                Err(_) => return,
            }
        }
    }

    /// Receives without asking from now on: the kernel need not watch what stands.
    fn unwatch(&mut self) {
        for link in &self.open {
            let socket = &mut self.links[link.index as usize];
            if let (true, true, Some(stream)) = (socket.connected, socket.watched, &mut socket.stream) {
                // One that cannot be taken off the list only costs time.
                socket.watched = self.poll.registry().deregister(stream).is_err();
            }
        }
    }

    /// Asks before receiving from now on. A connection that is readable already is reported.
    fn watch(&mut self) -> io::Result<()> {
        for link in &self.open {
            let socket = &mut self.links[link.index as usize];
            if let (false, Some(stream)) = (socket.watched, &mut socket.stream) {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(stream, token(*link), interest)?;
                socket.watched = true;
            }
        }
        Ok(())
    }

    /// Finds out what became of a connection that was being made.
    fn conclude(&mut self, link: LinkId, ready: &mut Vec<Ready>) {
        let Ok(stream) = self.stream(link) else {
            return;
        };
        let outcome = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => stream.peer_addr().map(drop),
        };
        match outcome {
            Ok(()) => {
                let _ = stream.set_nodelay(true);
                self.links[link.index as usize].connected = true;
                ready.push(Ready::Connected(link));
                // What the peer sent at once came with the same event.
                ready.push(Ready::Readable(link));
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                self.close(link);
                ready.push(Ready::ConnectFailed(link, error.kind()));
            }
        }
    }

    fn ask_readiness(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        // The events are moved out while sockets are touched, and put back.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(token) = event.token();
            if token & LISTENER != 0 {
                self.accepting[token & !LISTENER] = true;
                continue;
            }
            let link = link(token);
            let Some(socket) = self.links.get(link.index as usize) else {
                continue;
            };
            if socket.generation != link.generation || socket.stream.is_none() {
                continue;
            }
            if !socket.connected {
                self.conclude(link, ready);
                continue;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                ready.push(Ready::Readable(link));
            }
            if event.is_writable() {
                ready.push(Ready::Writable(link));
            }
        }
        self.events = events;
        Ok(())
    }
}

impl Network for OsNetwork {
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let socket = unconnected(address)?;
        socket.set_reuse_address(reuse == Reuse::Allowed)?;
        // What is accepted inherits them; the size of a window is agreed on with the first segment.
        set(SockRef::from(&socket), options)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let bound = listener.local_addr()?;
        let id = u32::try_from(self.listeners.len()).map_err(io::Error::other)?;
        let token = Token(LISTENER | id as usize);
        self.poll
            .registry()
            .register(&mut listener, token, Interest::READABLE)?;
        self.listeners.push(listener);
        self.accepting.push(true);
        Ok((ListenerId(id), bound))
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId> {
        let socket = unconnected(address)?;
        set(SockRef::from(&socket), options)?;
        if let Some(source) = source {
            // The port of a connection that ended a moment ago may be used for the next.
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        self.adopt(TcpStream::from_std(socket.into()), false)
    }

    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        set(SockRef::from(&*self.stream(link)?), options)
    }

    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.polls = self.polls.wrapping_add(1);
        let direct = wait.is_zero() && (1..=DIRECT_MAX).contains(&self.open.len());
        if self.direct && !direct {
            self.watch()?;
        }
        self.direct = direct;
        if !direct || self.polls.is_multiple_of(READINESS_EVERY) {
            self.ask_readiness(wait, ready)?;
        }
        if direct {
            self.unwatch();
            for link in &self.open {
                let socket = &mut self.links[link.index as usize];
                if socket.connected {
                    ready.push(Ready::Readable(*link));
                }
                if std::mem::take(&mut socket.blocked) {
                    ready.push(Ready::Writable(*link));
                }
            }
        }
        for listener in 0..self.listeners.len() {
            if self.accepting[listener] {
                self.accept(u32::try_from(listener).map_err(io::Error::other)?, ready);
            }
        }
        Ok(())
    }

    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        retry_interrupted(|| self.stream(link)?.read(room))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        let sent = retry_interrupted(|| self.stream(link)?.write(bytes));
        if !matches!(sent, Ok(len) if len == bytes.len())
            && let Some(socket) = self.links.get_mut(link.index as usize)
        {
            socket.blocked = !socket.watched;
        }
        sent
    }

    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.stream(link)?.shutdown(Shutdown::Write)
    }

    fn close(&mut self, link: LinkId) {
        let Some(socket) = self.links.get_mut(link.index as usize) else {
            return;
        };
        if socket.generation != link.generation {
            return;
        }
        if let Some(mut stream) = socket.stream.take() {
            if socket.watched {
                let _ = self.poll.registry().deregister(&mut stream);
            }
            socket.generation = socket.generation.wrapping_add(1) & (u32::MAX >> 1);
            socket.connected = false;
            self.free.push(link.index);
            self.open.retain(|open| *open != link);
        }
    }
}

/// ```text
///  63        62 .. 32      31 .. 0
///  listener | generation | index
/// ```
fn token(link: LinkId) -> Token {
    Token(((link.generation as usize) << 32) | link.index as usize)
}

fn link(token: usize) -> LinkId {
    let generation = u32::try_from((token >> 32) & 0x7fff_ffff).unwrap_or_default();
    let index = u32::try_from(token & 0xffff_ffff).unwrap_or_default();
    LinkId { index, generation }
}

/// A socket that is neither bound nor connected, and never blocks.
fn unconnected(address: SocketAddr) -> io::Result<Unconnected> {
    let socket = Unconnected::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn set(socket: SockRef<'_>, options: &SocketOptions) -> io::Result<()> {
    if let Some(silence) = options.keepalive {
        let keepalive = TcpKeepalive::new().with_time(silence);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(class) = options.traffic_class {
        match socket.domain()? {
            Domain::IPV6 => socket.set_tclass_v6(class.into())?,
            _ => socket.set_tos_v4(class.into())?,
        }
    }
    if options.linger.is_some() {
        socket.set_linger(options.linger)?;
    }
    Ok(())
}

fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    fn everything() -> SocketOptions {
        SocketOptions {
            keepalive: Some(Duration::from_secs(77)),
            receive_buffer_bytes: Some(64 * 1024),
            send_buffer_bytes: Some(32 * 1024),
            traffic_class: Some(0xb8),
            linger: Some(Duration::from_secs(3)),
        }
    }

    fn check(socket: SockRef<'_>) {
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(77)
        );
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * 64 * 1024);
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * 32 * 1024);
        assert_eq!(socket.tos_v4().unwrap(), 0xb8);
        assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn options_and_source_reach_the_socket() {
        let mut net = OsNetwork::new().unwrap();
        let plain = SocketOptions::default();
        let (_, address) = net.listen(ANY.into(), Reuse::Allowed, &plain).unwrap();
        let source = Some((ANY.0, 0).into());
        let ours = net.connect(address, source, &everything()).unwrap();
        let mut ready = Vec::with_capacity(64);
        let mut theirs = None;
        let mut connected = false;
        for _ in 0..1000 {
            net.poll(Duration::from_millis(1), &mut ready).unwrap();
            for event in ready.drain(..) {
                match event {
                    Ready::Accepted { link, peer, .. } => {
                        assert_eq!(peer.ip(), SocketAddr::from(ANY).ip());
                        theirs = Some(link);
                    }
                    Ready::Connected(link) => connected |= link == ours,
                    _ => {}
                }
            }
            if connected && theirs.is_some() {
                break;
            }
        }
        assert!(connected);
        check(SockRef::from(&*net.stream(ours).unwrap()));
        let theirs = theirs.unwrap();
        assert!(
            !SockRef::from(&*net.stream(theirs).unwrap())
                .keepalive()
                .unwrap()
        );
        net.tune(theirs, &everything()).unwrap();
        check(SockRef::from(&*net.stream(theirs).unwrap()));
    }

    #[test]
    fn a_source_that_is_not_ours_is_refused() {
        let mut net = OsNetwork::new().unwrap();
        let source = Some(SocketAddr::from(([192, 0, 2, 1], 0)));
        let refused = net.connect(ANY.into(), source, &SocketOptions::default());
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}

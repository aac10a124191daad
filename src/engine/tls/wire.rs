//! The network with TLS on those connections that have it, and below TLS the proxies on the way.
//!
//! Invariant: of a connection that speaks TLS the engine hears nothing but its end until the handshake is
//! over, and then only plain text.
//!
//! Invariant: in one cycle at most [`SHAKES_MAX`] handshakes go on, each by one batch of records: a flood
//! of peers that want to shake hands does not hold up those that trade.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Acceptor, Dialler, Line};
use crate::engine::config::Destination;
use crate::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use crate::engine::proxy::{Halfway, Passages, ProxyHeader, Through};
use crate::session::{ConnectError, ProxyFault, TlsFault};

/// How many steps of handshakes are taken per cycle. One that signs or checks signatures takes 0.1 to
/// 1 ms of the core.
const SHAKES_MAX: usize = 1;

/// How far a handshake is.
#[cfg_attr(not(feature = "tls"), expect(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The socket has nothing more for it now.
    Waits,
    /// Something was done, and there may be more.
    GoesOn,
    /// It is over.
    Stands,
}

/// What the engine sends and receives through.
pub(in crate::engine) struct Wire {
    net: Passages,
    /// By listening port.
    doors: Vec<Option<Acceptor>>,
    /// By link number.
    lines: Vec<Option<Held>>,
    /// How many there are.
    held: usize,
    /// Handshakes that could go on and were put off.
    put_off: Vec<LinkId>,
    /// How many steps of handshakes are left in this cycle.
    shakes: usize,
}

/// A TLS connection and whose side it is on.
struct Held {
    link: LinkId,
    line: Line,
    /// We connected: the engine waits to be told that the connection stands.
    dialled: bool,
    /// The connection stands, whatever its handshake does.
    made: bool,
}

impl Wire {
    pub(in crate::engine) fn over(net: Box<dyn Network>) -> Self {
        Self {
            net: Passages::over(net),
            doors: Vec::new(),
            lines: Vec::new(),
            held: 0,
            put_off: Vec::new(),
            shakes: 0,
        }
    }

    /// As [`Network::listen`]; with TLS if there is an acceptor, and before it with a header if that says so, of
    /// which so many may be waited for at a time.
    pub(in crate::engine) fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
        tls: Option<Acceptor>,
        header: Option<(ProxyHeader, usize)>,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let (listener, bound) = self.net.listen_behind(address, reuse, options, header)?;
        let at = listener.0 as usize;
        if tls.is_some() || at < self.doors.len() {
            while self.doors.len() <= at {
                self.doors.push(None);
            }
            self.doors[at] = tls;
        }
        Ok((listener, bound))
    }

    /// As [`Network::connect`]; with TLS to this destination if there is a dialler. If there is a proxy,
    /// `address` is its.
    pub(in crate::engine) fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
        tls: Option<(&Dialler, &Destination)>,
        through: Option<Through<'_>>,
    ) -> io::Result<LinkId> {
        let line = match tls {
            Some((dialler, destination)) => Some(Line::client(dialler, destination)?),
            None => None,
        };
        let link = self
            .net
            .connect_through(address, source, options, through)?;
        if let Some(line) = line {
            self.hold(link, line, true);
        }
        Ok(link)
    }

    pub(in crate::engine) fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.net.tune(link, options)
    }

    /// As [`Network::poll`].
    pub(in crate::engine) fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.shakes = SHAKES_MAX;
        let wait = if self.put_off.is_empty() {
            wait
        } else {
            Duration::ZERO
        };
        // Those that waited come before those that come now.
        let room = ready.capacity() - ready.len();
        let go_on = self.put_off.len().min(room);
        ready.extend(self.put_off.drain(..go_on).map(Ready::Readable));
        let polled = self.net.poll(wait, ready);
        if self.held > 0 || !self.doors.is_empty() {
            ready.retain_mut(|event| self.is_told(event));
        }
        polled
    }

    /// As [`Network::receive`]. Until a handshake is over there is nothing to receive.
    ///
    /// # Errors
    /// Also a [`TlsFault`], as [`TlsFault::of`] finds it.
    pub(in crate::engine) fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        let Some(held) = find(&mut self.lines, link) else {
            return self.net.receive(link, room);
        };
        if held.line.is_handshaking() {
            match go_on(held, &mut self.net, &mut self.shakes, &mut self.put_off) {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::WouldBlock.into()),
                // Somebody came and went.
                Err(error) if TlsFault::of(&error).is_none() => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        held.line.receive(&mut self.net, link, room)
    }

    /// As [`Network::send`].
    pub(in crate::engine) fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        match find(&mut self.lines, link) {
            Some(held) => held.line.send(&mut self.net, link, bytes),
            None => self.net.send(link, bytes),
        }
    }

    /// As [`Network::finish`], after close_notify.
    pub(in crate::engine) fn finish(&mut self, link: LinkId) -> io::Result<()> {
        match find(&mut self.lines, link) {
            Some(held) => held.line.finish(&mut self.net, link),
            None => self.net.finish(link),
        }
    }

    /// Whether records of a connection wait for its socket to have room. What a socket has taken, the
    /// operating system delivers; these are lost when the connection is closed.
    pub(in crate::engine) fn owes(&self, link: LinkId) -> bool {
        let held = self.lines.get(link.index as usize);
        held.and_then(Option::as_ref)
            .is_some_and(|held| held.link == link && held.line.owes())
    }

    /// As [`Network::close`]. Of what was sent, a record that the socket has not taken yet is lost.
    pub(in crate::engine) fn close(&mut self, link: LinkId) {
        if let Some(held) = find(&mut self.lines, link) {
            // A last attempt.
            let _ = held.line.flush(&mut self.net, link);
            self.forget(link);
        }
        self.net.close(link);
    }

    /// Whether the handshake of a connection is not over.
    pub(in crate::engine) fn is_handshaking(&self, link: LinkId) -> bool {
        let held = self.lines.get(link.index as usize);
        held.and_then(Option::as_ref)
            .is_some_and(|held| held.link == link && held.line.is_handshaking())
    }

    /// Why a connection we asked for does not stand when its time is over.
    pub(in crate::engine) fn why_late(&self, link: LinkId) -> ConnectError {
        let held = self.lines.get(link.index as usize);
        let made = held
            .and_then(Option::as_ref)
            .is_some_and(|held| held.link == link && held.made);
        match self.net.halfway(link) {
            Some(Halfway::ToProxy) => ProxyFault::Unreachable(io::ErrorKind::TimedOut).into(),
            Some(Halfway::AtProxy) => ProxyFault::Timeout.into(),
            None if made => ConnectError::Tls(TlsFault::HandshakeTimeout),
            None => io::ErrorKind::TimedOut.into(),
        }
    }

    /// Why a connection we asked for failed, of which the network said `kind`.
    pub(in crate::engine) fn why_failed(&mut self, link: LinkId, kind: io::ErrorKind) -> ConnectError {
        let fault = self.net.take_fault(link);
        fault.map_or(kind.into(), ConnectError::Proxy)
    }

    /// What is expected of connections to a port, if they begin with a header.
    pub(in crate::engine) fn header_of(&self, listener: ListenerId) -> Option<&ProxyHeader> {
        self.net.header_of(listener)
    }

    /// Whether the header of a connection is not whole.
    pub(in crate::engine) fn awaits_header(&self, link: LinkId) -> bool {
        self.net.awaits_header(link)
    }

    /// Whether a connection speaks TLS.
    pub(in crate::engine) fn is_tls(&self, link: LinkId) -> bool {
        let held = self.lines.get(link.index as usize);
        held.and_then(Option::as_ref)
            .is_some_and(|held| held.link == link)
    }

    fn hold(&mut self, link: LinkId, line: Line, dialled: bool) {
        let index = link.index as usize;
        if self.lines.len() <= index {
            self.lines.resize_with(index + 1, || None);
        }
        let held = Held {
            link,
            line,
            dialled,
            made: !dialled,
        };
        self.held += usize::from(self.lines[index].replace(held).is_none());
        self.put_off.reserve(self.held);
    }

    fn forget(&mut self, link: LinkId) {
        if let Some(held) = self.lines.get_mut(link.index as usize)
            && held.as_ref().is_some_and(|held| held.link == link)
        {
            *held = None;
            self.held -= 1;
            self.put_off.retain(|put_off| *put_off != link);
        }
    }

    /// Whether the engine is told of an event of the network, which is changed into what it means.
    fn is_told(&mut self, event: &mut Ready) -> bool {
        match *event {
            Ready::Accepted {
                listener,
                link,
                peer,
            } => {
                // One that is closed for where it comes from needs no handshake.
                let header = self.net.header_of(listener);
                if header.is_some_and(|header| !header.trusts(peer.ip())) {
                    return true;
                }
                if let Some(Some(acceptor)) = self.doors.get(listener.0 as usize) {
                    match Line::server(acceptor) {
                        Ok(line) => self.hold(link, line, false),
                        Err(_) => {
                            self.net.close(link);
                            return false;
                        }
                    }
                }
                true
            }
            Ready::ConnectFailed(link, _) => {
                self.forget(link);
                true
            }
            Ready::TlsFailed(..) | Ready::Introduced { .. } => true,
            Ready::Connected(link) | Ready::Readable(link) | Ready::Writable(link) => {
                let Some(held) = find(&mut self.lines, link) else {
                    return true;
                };
                if !held.line.is_handshaking() {
                    if matches!(event, Ready::Writable(_)) {
                        // A socket that is broken shows when it is read.
                        let _ = held.line.flush(&mut self.net, link);
                    }
                    return true;
                }
                if !held.dialled {
                    // Goes on when the engine receives, which a socket with room again must cause too.
                    *event = Ready::Readable(link);
                    return true;
                }
                held.made |= matches!(event, Ready::Connected(_));
                match go_on(held, &mut self.net, &mut self.shakes, &mut self.put_off) {
                    Ok(true) => *event = Ready::Connected(link),
                    Ok(false) => return false,
                    Err(error) => {
                        *event = match TlsFault::of(&error) {
                            Some(fault) => Ready::TlsFailed(link, fault),
                            None => Ready::ConnectFailed(link, error.kind()),
                        };
                        // The peer sees the alert, and then the end.
                        let _ = held.line.finish(&mut self.net, link);
                        self.close(link);
                    }
                }
                true
            }
        }
    }
}

fn find(lines: &mut [Option<Held>], link: LinkId) -> Option<&mut Held> {
    let held = lines.get_mut(link.index as usize)?.as_mut()?;
    (held.link == link).then_some(held)
}

/// Goes on with a handshake for as long as this cycle may. Answers whether it is over.
fn go_on(
    held: &mut Held,
    net: &mut dyn Network,
    shakes: &mut usize,
    put_off: &mut Vec<LinkId>,
) -> io::Result<bool> {
    loop {
        if *shakes == 0 {
            if !put_off.contains(&held.link) {
                put_off.push(held.link);
            }
            return Ok(false);
        }
        match held.line.shake(net, held.link)? {
            Step::Waits => return Ok(false),
            Step::GoesOn => *shakes -= 1,
            Step::Stands => {
                *shakes -= 1;
                return Ok(true);
            }
        }
    }
}

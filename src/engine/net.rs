//! The network as the engine sees it, so that a simulation can stand in for the operating system.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::session::{HeaderFault, TlsFault};

/// A connection. Numbers are used again; the generation tells an old one from a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// A small number, dense, for indexing.
    pub index: u32,
    /// Changes each time the index is used again.
    pub generation: u32,
}

/// A listening port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

/// Whether a port may be taken that connections of an earlier process still linger on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It may (SO_REUSEADDR).
    Allowed,
    /// It may not: listening fails for as long as they linger.
    Forbidden,
}

/// What is asked of a socket. The default asks for nothing: the system's values hold.
///
/// TCP_NODELAY is always on: an engine that waits to fill a segment is late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// SO_KEEPALIVE: the system probes a connection after this much silence, and breaks it if nobody
    /// answers. Heartbeats do the same sooner; this serves firewalls that forget quiet connections.
    pub keepalive: Option<Duration>,
    /// SO_RCVBUF in bytes. The system doubles it for its own use and has a maximum.
    pub receive_buffer_bytes: Option<usize>,
    /// SO_SNDBUF in bytes, likewise.
    pub send_buffer_bytes: Option<usize>,
    /// The traffic class byte of what is sent, IP_TOS or IPV6_TCLASS: DSCP in its upper six bits.
    pub traffic_class: Option<u8>,
    /// SO_LINGER. Zero destroys what was not delivered yet when a connection is closed, and with it a
    /// last Logout.
    pub linger: Option<Duration>,
}

impl SocketOptions {
    /// Names the setting that cannot be accepted, its value and what would be right.
    pub(super) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        for (key, bytes) in [
            ("socket.receive_buffer_bytes", self.receive_buffer_bytes),
            ("socket.send_buffer_bytes", self.send_buffer_bytes),
        ] {
            if let Some(bytes) = bytes
                && !(1024..=1024 * 1024 * 1024).contains(&bytes)
            {
                return Err((key, bytes.to_string(), "1 KiB to 1 GiB"));
            }
        }
        if let Some(span) = self.keepalive
            && !(Duration::from_secs(1)..=Duration::from_secs(32_767)).contains(&span)
        {
            let value = format!("{span:?}");
            return Err(("socket.keepalive", value, "1 s to 32767 s"));
        }
        if let Some(span) = self.linger
            && span > Duration::from_secs(32_767)
        {
            return Err(("socket.linger", format!("{span:?}"), "up to 32767 s"));
        }
        Ok(())
    }
}

/// Something a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A peer connected to a listening port.
    Accepted {
        /// Which port.
        listener: ListenerId,
        /// The new connection.
        link: LinkId,
        /// Who.
        peer: SocketAddr,
    },
    /// A connection we asked for stands.
    Connected(LinkId),
    /// A connection we asked for failed; the link is gone.
    ConnectFailed(LinkId, io::ErrorKind),
    /// A connection we asked for was made, and TLS could not be agreed on it; the link is gone. Comes
    /// from the layer above a network, or from a network that speaks TLS itself.
    TlsFailed(LinkId, TlsFault),
    /// A connection that a peer made through a proxy has begun with the header that says who the peer is,
    /// or with something else. Comes from the layer above a network.
    Introduced {
        /// The connection.
        link: LinkId,
        /// Who, or what is wrong.
        peer: Result<SocketAddr, HeaderFault>,
    },
    /// There may be something to receive. To be drained: it may not be said again.
    Readable(LinkId),
    /// There may be room to send again.
    Writable(LinkId),
}

/// Sockets that never block.
///
/// After construction nothing here may allocate, but for a connection beyond the largest number
/// there has been at one time.
pub trait Network: Send {
    /// Listens on `address`. Answers the address that was bound, which tells the port if it was 0.
    ///
    /// # Errors
    /// The address cannot be bound, or an option cannot be set.
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)>;

    /// Starts to connect, from `source` if one is given; [`Ready::Connected`] or
    /// [`Ready::ConnectFailed`] follows.
    ///
    /// # Errors
    /// The connection failed at once, the source cannot be bound, or an option cannot be set.
    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId>;

    /// Sets the options of a connection that stands.
    ///
    /// # Errors
    /// The link is unknown, or an option cannot be set; those before it are.
    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()>;

    /// Appends what is ready to `ready`, at most as much as it has capacity for. Waits up to `wait`
    /// for something; zero only looks.
    ///
    /// # Errors
    /// The readiness call itself failed.
    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Receives into `room`. `Ok(0)` means that the peer has closed.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing now; anything else ends the connection. A [`TlsFault`] in it
    /// is told as such.
    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize>;

    /// Sends what the socket takes of `bytes`.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now; anything else ends the connection.
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize>;

    /// Says that nothing more will be sent, so that the peer sees the end after the last byte.
    ///
    /// # Errors
    /// The connection is gone already.
    fn finish(&mut self, link: LinkId) -> io::Result<()>;

    /// Closes a connection. What was sent is still delivered. An unknown link is ignored.
    fn close(&mut self, link: LinkId);
}

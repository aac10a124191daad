//! The network as the engine sees it, so that a simulation can stand in for the operating system.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// The address cannot be bound.
    fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)>;

    /// Starts to connect; [`Ready::Connected`] or [`Ready::ConnectFailed`] follows.
    ///
    /// # Errors
    /// The connection failed at once.
    fn connect(&mut self, address: SocketAddr) -> io::Result<LinkId>;

    /// Appends what is ready to `ready`, at most as much as it has capacity for. Waits up to `wait`
    /// for something; zero only looks.
    ///
    /// # Errors
    /// The readiness call itself failed.
    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Receives into `room`. `Ok(0)` means that the peer has closed.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing now; anything else ends the connection.
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

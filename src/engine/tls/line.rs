//! One connection that speaks TLS.
//!
//! Invariant: no more than one record waits here to be sent. While it does, nothing more is taken, so the
//! back-pressure of the socket reaches the journal.
//!
//! Invariant: it never waits. Whatever the socket does not give or take now is left for the next event.

use std::io::{self, Read, Write};

use rustls::{ClientConnection, Connection, ServerConnection};

use super::faults::fault_of;
use super::load::{Acceptor, Dialler};
use super::wire::Step;
use crate::engine::config::Destination;
use crate::engine::net::{LinkId, Network};
use crate::session::TlsFault;

/// The most plain text in one record, RFC 8446 section 5.1.
const RECORD_BYTES_MAX: usize = 1 << 14;

/// Content types of records, RFC 8446 section 5.1: from change_cipher_spec to application_data.
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// A TLS connection without its socket.
pub(super) struct Line {
    tls: Box<Connection>,
    stage: Stage,
    /// The first byte the peer sent.
    first: Option<u8>,
    /// We said that we send no more.
    finishing: bool,
    /// And so did the socket.
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    Open,
    Broken(TlsFault),
}

/// The network as something to read from and to write to.
struct Socket<'a> {
    net: &'a mut dyn Network,
    link: LinkId,
    first: &'a mut Option<u8>,
}

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.net.receive(self.link, room)?;
        if let (None, Some(byte), 1..) = (&self.first, room.first(), len) {
            *self.first = Some(*byte);
        }
        Ok(len)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.net.send(self.link, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line {
    /// The side that connects to `destination`.
    pub(super) fn client(dialler: &Dialler, destination: &Destination) -> io::Result<Self> {
        let (config, name) = dialler.begin(destination)?;
        let tls = ClientConnection::new(config, name).map_err(|error| fault_of(&error))?;
        Ok(Self::new(tls.into()))
    }

    /// The side that was connected to.
    pub(super) fn server(acceptor: &Acceptor) -> io::Result<Self> {
        let tls = ServerConnection::new(acceptor.begin()).map_err(|error| fault_of(&error))?;
        Ok(Self::new(tls.into()))
    }

    fn new(tls: Connection) -> Self {
        Self {
            tls: Box::new(tls),
            stage: Stage::Handshake,
            first: None,
            finishing: false,
            finished: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.stage == Stage::Handshake
    }

    /// Goes on with the handshake as far as the socket lets it, up to one batch of the peer's records:
    /// those are what costs time.
    ///
    /// # Errors
    /// A TLS fault, or what the socket says.
    pub(super) fn shake(&mut self, net: &mut dyn Network, link: LinkId) -> io::Result<Step> {
        // If the socket takes nothing any more, what it still has to read may say why.
        let _ = self.flush(net, link);
        let read = self.tls.read_tls(&mut Socket {
            net,
            link,
            first: &mut self.first,
        });
        match read {
            Ok(0) if self.first.is_none() && matches!(*self.tls, Connection::Server(_)) => {
                // Somebody looked whether the port is there.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(0) if self.is_plain_text() => {
                return Err(self.fail(net, link, TlsFault::PeerSpeaksPlainText));
            }
            Ok(0) => return Err(self.fail(net, link, TlsFault::ClosedInHandshake)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Waits),
            Err(error) => return Err(error),
        }
        self.process(net, link)?;
        if self.tls.is_handshaking() {
            return Ok(Step::GoesOn);
        }
        self.stage = Stage::Open;
        Ok(Step::Stands)
    }

    /// Plain text that has arrived. `Ok(0)` means that the peer said it sends no more.
    ///
    /// # Errors
    /// A TLS fault, among them [`TlsFault::Truncated`], or what the socket says.
    pub(super) fn receive(
        &mut self,
        net: &mut dyn Network,
        link: LinkId,
        room: &mut [u8],
    ) -> io::Result<usize> {
        match self.stage {
            Stage::Handshake => return Err(io::ErrorKind::WouldBlock.into()),
            // Nobody looks at what comes now; it is taken so that the alert is not destroyed.
            Stage::Broken(_) if self.finishing => return net.receive(link, room),
            Stage::Broken(fault) => return Err(fault.into()),
            Stage::Open => {}
        }
        loop {
            match self.tls.reader().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.fail(net, link, TlsFault::Truncated));
                }
                done => return done,
            }
            let read = self.tls.read_tls(&mut Socket {
                net,
                link,
                first: &mut self.first,
            });
            // The end of the stream is told above: whether it was said, or the stream was cut.
            if read? > 0 {
                self.process(net, link)?;
            }
        }
    }

    /// Takes as much of `bytes` as fits into records that the socket takes, and one more.
    ///
    /// # Errors
    /// `WouldBlock` when that one is still here.
    pub(super) fn send(
        &mut self,
        net: &mut dyn Network,
        link: LinkId,
        bytes: &[u8],
    ) -> io::Result<usize> {
        match self.stage {
            Stage::Handshake => return Err(io::ErrorKind::WouldBlock.into()),
            Stage::Broken(_) => return Err(io::ErrorKind::BrokenPipe.into()),
            Stage::Open => {}
        }
        let mut taken = 0;
        // What is not taken waits for the socket to say that it has room, so the socket must have
        // said that it has none.
        while taken < bytes.len() && self.flush(net, link)? {
            let end = bytes.len().min(taken + RECORD_BYTES_MAX);
            taken += self.tls.writer().write(&bytes[taken..end])?;
        }
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Taken is taken; a socket that is broken shows at the next visit.
        let _ = self.flush(net, link);
        Ok(taken)
    }

    /// Hands to the socket what waits for it. Answers whether nothing is left.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) fn flush(&mut self, net: &mut dyn Network, link: LinkId) -> io::Result<bool> {
        while self.tls.wants_write() {
            let written = self.tls.write_tls(&mut Socket {
                net,
                link,
                first: &mut self.first,
            });
            match written {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.finishing && !self.finished {
            self.finished = true;
            net.finish(link)?;
        }
        Ok(true)
    }

    /// Whether records wait for the socket to have room.
    pub(super) fn owes(&self) -> bool {
        self.tls.wants_write()
    }

    /// Says that no more is sent: close_notify, then the end of the stream, after all that waits.
    ///
    /// # Errors
    /// The connection is gone already.
    pub(super) fn finish(&mut self, net: &mut dyn Network, link: LinkId) -> io::Result<()> {
        if self.stage == Stage::Open && !self.finishing {
            self.tls.send_close_notify();
        }
        self.finishing = true;
        self.flush(net, link).map(drop)
    }

    fn process(&mut self, net: &mut dyn Network, link: LinkId) -> io::Result<()> {
        match self.tls.process_new_packets() {
            Ok(_) => {}
            Err(error) => {
                let fault = match self.is_plain_text() {
                    true => TlsFault::PeerSpeaksPlainText,
                    false => fault_of(&error),
                };
                return Err(self.fail(net, link, fault));
            }
        }
        // An answer of the protocol's own. A socket that takes none says so to whoever sends next.
        let _ = self.flush(net, link);
        Ok(())
    }

    /// Whether the first byte of the peer begins no record.
    fn is_plain_text(&self) -> bool {
        self.first
            .is_some_and(|first| !CONTENT_TYPES.contains(&first))
    }

    /// The alert, if there is one, goes out as far as it can.
    fn fail(&mut self, net: &mut dyn Network, link: LinkId, fault: TlsFault) -> io::Error {
        self.stage = Stage::Broken(fault);
        let _ = self.flush(net, link);
        fault.into()
    }
}

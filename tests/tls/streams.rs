//! What a stream may go through: cuts anywhere, a peer that does not read, an end that is no end, peers
//! that never get done with their handshakes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{Clock, EngineConfig, OsNetwork};
use pinfix::session::{Cause, Fault, TlsFault};
use pinfix::time::{Now, TimestampPrecision};
use pinfix::wire::fix::{FieldIndex, FrameWriter, HeaderTemplate, msg_type, tag};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::pki::Authority;
use crate::rig::{Pair, Party, acceptor, initiator};

/// A network that gives and takes a few bytes at a time, and has no room every other time.
struct Cutting {
    inner: OsNetwork,
    most: usize,
    turn: usize,
    blocked: Vec<LinkId>,
}

impl Cutting {
    fn boxed(most: usize) -> Box<Self> {
        Box::new(Self {
            inner: OsNetwork::new().unwrap(),
            most,
            turn: 0,
            blocked: Vec::new(),
        })
    }
}

impl Network for Cutting {
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.inner.listen(address, reuse, options)
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId> {
        self.inner.connect(address, source, options)
    }

    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.inner.tune(link, options)
    }

    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.inner.poll(wait, ready)?;
        ready.extend(self.blocked.drain(..).map(Ready::Writable));
        Ok(())
    }

    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(self.most);
        self.inner.receive(link, &mut room[..most])
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(2) {
            self.blocked.push(link);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.inner.send(link, &bytes[..bytes.len().min(self.most)])
    }

    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.inner.finish(link)
    }

    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

#[test]
fn records_may_be_cut_anywhere() {
    let authority = Authority::new("A");
    for most in [1, 3, 7, 100] {
        let party = || Party::over(Cutting::boxed(most), EngineConfig::default());
        let (server, client) = (authority.server(), authority.client());
        let mut pair = Pair::of(party(), Some(server), party(), Some(client));
        pair.log_on();
        pair.trade(0..20);
        pair.log_out();
        assert_eq!(pair.client.app.tls_faults(), []);
        assert_eq!(pair.venue.app.tls_faults(), []);
    }
}

/// The sender is refused when the peer reads nothing, what waits is bounded, and nothing is lost.
#[test]
fn a_peer_that_does_not_read_holds_the_sender_back_and_loses_nothing() {
    let authority = Authority::new("A");
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(acceptor()).unwrap();
    let mut config = initiator(address, Some(authority.client()));
    config.journal.unsent_limit_bytes = 1024 * 1024;
    config.socket.send_buffer_bytes = Some(64 * 1024);
    let mut client = Party::new();
    client.add(config).unwrap();
    let mut pair = Pair { venue, client };
    pair.log_on();
    let long = "X".repeat(1000);
    let mut sent = 0;
    while pair.client.order(&format!("{sent}-{long}")) {
        sent += 1;
        pair.client.poll();
        assert!(sent < 100_000, "somebody takes more than there is room for");
    }
    assert!(sent > 1000, "{sent}");
    pair.until("all that was taken", |pair| {
        pair.venue.app.received.len() == sent
    });
    // And it goes on.
    assert!(pair.client.order("last"));
    pair.until("the last", |pair| pair.venue.app.received.len() == sent + 1);
    for (number, id) in pair.venue.app.received[..sent].iter().enumerate() {
        assert!(id.starts_with(&format!("{number}-")));
    }
    assert_eq!(pair.client.app.causes, []);
    pair.log_out();
}

/// A message longer than a record.
#[test]
fn a_message_of_several_records_arrives() {
    let authority = Authority::new("A");
    let mut pair = Pair::new(Some(authority.server()), Some(authority.client()));
    pair.venue.app.replies = false;
    pair.log_on();
    let long = "Y".repeat(50_000);
    for _ in 0..20 {
        assert!(pair.client.order(&long));
    }
    pair.until("them", |pair| pair.venue.app.received.len() == 20);
    assert!(pair.venue.app.received.iter().all(|id| *id == long));
}

/// What is sent last arrives, although the connection is closed behind it.
#[test]
fn what_was_sent_before_a_logout_arrives() {
    let authority = Authority::new("A");
    let mut pair = Pair::new(Some(authority.server()), Some(authority.client()));
    pair.venue.app.replies = false;
    pair.log_on();
    for number in 0..500 {
        assert!(pair.client.order(&format!("{number}-{}", "Z".repeat(500))));
    }
    pair.log_out();
    assert_eq!(pair.venue.app.received.len(), 500);
}

/// A network whose sockets take nothing while the gate is shut.
struct Gated {
    inner: OsNetwork,
    is_open: Arc<AtomicBool>,
    blocked: Vec<LinkId>,
}

impl Network for Gated {
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.inner.listen(address, reuse, options)
    }

    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId> {
        self.inner.connect(address, source, options)
    }

    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.inner.tune(link, options)
    }

    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.inner.poll(wait, ready)?;
        if self.is_open.load(Ordering::Relaxed) {
            ready.extend(self.blocked.drain(..).map(Ready::Writable));
        }
        Ok(())
    }

    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        self.inner.receive(link, room)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_open.load(Ordering::Relaxed) {
            self.blocked.push(link);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.inner.send(link, bytes)
    }

    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.inner.finish(link)
    }

    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

/// What a peer gets that reads nothing for so long, from the moment at which it logs out: how many Logouts,
/// and how the connection ends.
fn after_a_pause(pause: Duration) -> (usize, io::Result<usize>) {
    let authority = Authority::new("A");
    let is_open = Arc::new(AtomicBool::new(true));
    let network = Gated {
        inner: OsNetwork::new().unwrap(),
        is_open: Arc::clone(&is_open),
        blocked: Vec::new(),
    };
    let mut venue = Party::over(Box::new(network), EngineConfig::default());
    let address = venue.listen(Some(authority.server()));
    venue.add(acceptor()).unwrap();
    let mut stream = raw_client(&authority, address);
    let shuts = Arc::clone(&is_open);
    let peer = std::thread::spawn(move || {
        stream.write_all(&logon()).unwrap();
        let mut room = [0; 1024];
        let _ = stream.read(&mut room).unwrap();
        shuts.store(false, Ordering::Relaxed);
        stream
            .write_all(&session_message(msg_type::LOGOUT, 2))
            .unwrap();
        let mut told = Vec::new();
        let end = stream.read_to_end(&mut told);
        let text = String::from_utf8_lossy(&told);
        (text.matches("\u{1}35=5\u{1}").count(), end)
    });
    venue.until("the end", |app| !app.causes.is_empty());
    assert!(matches!(venue.app.causes[..], [Cause::PeerLogout(_)]));
    let start = venue.clock.now().mono;
    while !peer.is_finished() {
        // Time goes by ten times as fast.
        let now = venue.clock.now();
        let elapsed = now.mono.since(start);
        let now = Now {
            mono: now.mono + elapsed * 9,
            ..now
        };
        assert!(elapsed < Duration::from_secs(20), "no end");
        is_open.store(elapsed * 10 >= pause, Ordering::Relaxed);
        venue.engine.poll(now, &mut venue.app);
    }
    peer.join().unwrap()
}

/// A peer that stops reading for longer than a connection is read on after its end, and then reads what is
/// left: the record that the socket had no room for is not lost.
#[test]
fn a_peer_that_reads_late_gets_the_last_record_as_well() {
    let (logouts, end) = after_a_pause(Duration::from_secs(5));
    assert_eq!(logouts, 1, "{end:?}");
    assert!(end.is_ok(), "the end was not said: {end:?}");
}

/// But not for ever.
#[test]
fn a_peer_that_never_reads_is_given_up() {
    let (logouts, end) = after_a_pause(Duration::from_secs(100));
    assert_eq!(logouts, 0);
    assert!(end.is_err(), "{end:?}");
}

/// A client of its own, without an engine.
fn raw_client(authority: &Authority, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.text().as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(tls, TcpStream::connect(address).unwrap())
}

pub fn logon() -> Vec<u8> {
    session_message(msg_type::LOGON, 1)
}

/// A message of that client, a Logon or one without fields.
fn session_message(of: &[u8], number: u64) -> Vec<u8> {
    let header = HeaderTemplate::new(b"FIX.4.4", b"CLIENT", b"VENUE", &[]).unwrap();
    let time = Clock::new().now().utc.to_fix(TimestampPrecision::Millis);
    let mut room = [0; 512];
    let mut frame = FrameWriter::begin(&mut room, &header, of, number, &time);
    if of == msg_type::LOGON {
        frame
            .uint(tag::ENCRYPT_METHOD, 0)
            .uint(tag::HEART_BT_INT, 30);
    }
    let frame = frame.finish().unwrap();
    room[frame].to_vec()
}

/// Logs on with a client of its own, which then does `and_then`, and answers why the session ended.
fn ends_with(
    and_then: impl FnOnce(StreamOwned<ClientConnection, TcpStream>) + Send + 'static,
) -> Cause {
    let authority = Authority::new("A");
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(acceptor()).unwrap();
    let mut stream = raw_client(&authority, address);
    let peer = std::thread::spawn(move || {
        stream.write_all(&logon()).unwrap();
        let mut room = [0; 1024];
        let len = stream.read(&mut room).unwrap();
        let mut index = FieldIndex::with_capacity(64);
        let answer = index.read(&room[..len]).unwrap();
        assert_eq!(answer.msg_type(), msg_type::LOGON);
        and_then(stream);
    });
    venue.until("the end", |app| !app.causes.is_empty());
    peer.join().unwrap();
    assert_eq!(venue.app.logons, 1);
    venue.app.causes[0]
}

#[test]
fn an_end_that_was_said_is_told_from_one_that_was_not() {
    let said = ends_with(|mut stream| {
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    assert_eq!(said, Cause::ConnectionLost);
    let cut = ends_with(drop);
    let why = TlsFault::Truncated;
    assert_eq!(cut, Cause::Fault(Fault::Tls { why }));
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_the_session() {
    let changed = ends_with(|mut stream| {
        stream
            .sock
            .write_all(&[
                23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
            ])
            .unwrap();
        let _ = stream.sock.read_to_end(&mut Vec::new());
    });
    let why = TlsFault::BadRecord;
    assert_eq!(changed, Cause::Fault(Fault::Tls { why }));
}

/// A thousand peers in the middle of their handshakes, some for ever, some all at once: a session that
/// trades takes as many cycles for its orders as before, give or take.
#[test]
fn handshakes_of_others_do_not_hold_up_a_session() {
    let authority = Authority::new("A");
    let mut pair = Pair::new(Some(authority.server()), Some(authority.client()));
    let address = pair.venue.listen(Some(authority.server()));
    pair.log_on();
    let mut done = 0;
    let mut cycles_for = |pair: &mut Pair, orders: usize| {
        let mut cycles = 0;
        for _ in 0..orders {
            assert!(pair.client.order(&format!("A{done}")));
            done += 1;
            while pair.client.app.received.len() < done {
                pair.venue.poll();
                pair.client.poll();
                cycles += 1;
                assert!(cycles < 1_000_000, "the session is held up");
            }
        }
        cycles
    };
    let quiet = cycles_for(&mut pair, 200);
    let half = [22, 3, 1, 0, 200, 1, 0];
    let stuck: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&half).unwrap();
            stream
        })
        .collect();
    let beside_stuck = cycles_for(&mut pair, 200);
    let peers: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = raw_client(&authority, address);
            stream.sock.set_nonblocking(true).unwrap();
            let _ = stream.conn.write_tls(&mut stream.sock);
            stream
        })
        .collect();
    let beside_many = cycles_for(&mut pair, 200);
    // An order takes a few cycles. With handshakes going on, each cycle does one step of one of them at
    // most, whoever else waits.
    let enough = 10 * quiet.max(1000);
    println!(
        "cycles for 200 orders: {quiet} alone, {beside_stuck} beside 100 that never get done, {beside_many} beside 50 at once"
    );
    assert!(beside_stuck < enough && beside_many < enough);
    drop((stuck, peers));
}

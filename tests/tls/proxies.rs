//! TLS with a proxy on the way: it is spoken with the destination, after the proxy has had its say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use pinfix::engine::{Listen, Proxy, ProxyHeader, ProxyProtocol, TlsClient};
use pinfix::session::{ConnectError, Fault, HeaderFault, ProxyFault, TlsFault};

use crate::fake::{Does, Fake, Speaks};
use crate::pki::Authority;
use crate::rig::{Pair, Party, acceptor, initiator};

/// A venue that speaks TLS, and a client that reaches it by a name only the proxy knows.
fn pair(authority: &Authority, proxy: Proxy, name: Option<&str>) -> Pair {
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(acceptor()).unwrap();
    venue.app.replies = true;
    let tls = TlsClient {
        server_name: name.map(str::to_owned),
        ..authority.client()
    };
    let mut config = initiator(address, Some(tls));
    let place = format!("localhost.invalid:{}", address.port());
    config.connect.destinations = vec![place.parse().unwrap()];
    config.connect.proxy = Some(proxy);
    let mut client = Party::new();
    client.add(config).unwrap();
    Pair { venue, client }
}

#[test]
fn orders_go_through_tls_through_a_proxy() {
    for (speaks, protocol) in [
        (Speaks::Http, ProxyProtocol::Http11),
        (Speaks::Socks4, ProxyProtocol::Socks4a),
        (Speaks::Socks5, ProxyProtocol::Socks5),
    ] {
        let authority = Authority::new("A");
        let fake = Fake::start(speaks, None, Does::LetsThrough);
        let proxy = Proxy::new(protocol, fake.address);
        let mut pair = pair(&authority, proxy, Some("localhost"));
        pair.log_on();
        pair.trade(0..200);
        pair.log_out();
        assert_eq!(pair.client.app.failed, []);
    }
}

/// The certificate is that of the destination, whatever the proxy is called.
#[test]
fn the_name_asked_for_is_that_of_the_destination() {
    let authority = Authority::new("A");
    let fake = Fake::start(Speaks::Http, None, Does::LetsThrough);
    let at = format!("localhost:{}", fake.address.port());
    let at: pinfix::engine::Destination = at.parse().unwrap();
    let mut pair = pair(&authority, Proxy::new(ProxyProtocol::Http11, at), None);
    pair.until("a refusal", |pair| {
        pair.client
            .app
            .failed
            .contains(&ConnectError::Tls(TlsFault::WrongHost))
    });
    assert_eq!(pair.client.app.logons, 0);
}

#[test]
fn what_does_not_come_in_time_is_told_by_whose_turn_it_was() {
    let authority = Authority::new("A");
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    for (does, expected) in [
        (Does::Hangs, ConnectError::Proxy(ProxyFault::Timeout)),
        // The connection stands, and the destination says nothing.
        (
            Does::LetsThrough,
            ConnectError::Tls(TlsFault::HandshakeTimeout),
        ),
    ] {
        let fake = Fake::start(Speaks::Socks5, None, does);
        let mut config = initiator(([127, 0, 0, 1], port).into(), Some(authority.client()));
        config.connect.proxy = Some(Proxy::new(ProxyProtocol::Socks5, fake.address));
        config.connect.timeout = Duration::from_millis(100);
        let mut client = Party::new();
        client.add(config).unwrap();
        client.until("the end of patience", |app| !app.failed.is_empty());
        assert_eq!(client.app.failed, [expected]);
    }
}

/// Passes connections on to a venue, a header before them.
fn balancer(venue: SocketAddr, header: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(venue).unwrap();
            let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut back, &mut to));
            thread::spawn(move || {
                // The header and the ClientHello in one segment.
                let mut hello = vec![0; 4096];
                let len = client.read(&mut hello)?;
                server.write_all(&[header, &hello[..len]].concat())?;
                std::io::copy(&mut client, &mut server)
            });
        }
    });
    address
}

#[test]
fn a_header_comes_before_tls_and_the_handshake_that_follows_it_is_kept() {
    let headers: [&[u8]; 2] = [
        b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 5001\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x9c\x40\x13\x89",
    ];
    for header in headers {
        let authority = Authority::new("A");
        let mut venue = Party::new();
        let listen = Listen::on(crate::rig::ANY_PORT.into())
            .tls(authority.server())
            .behind_proxy(ProxyHeader::default());
        let behind = venue.engine.listen_as(listen).unwrap();
        let mut session = acceptor();
        session.accept.allow = vec!["203.0.113.9".parse().unwrap()];
        venue.add(session).unwrap();
        venue.app.replies = true;
        let address = balancer(behind, header);
        let mut client = Party::new();
        client
            .add(initiator(address, Some(authority.client())))
            .unwrap();
        let mut pair = Pair { venue, client };
        pair.log_on();
        pair.trade(0..50);
    }
}

#[test]
fn tls_without_the_header_is_no_header() {
    let authority = Authority::new("A");
    let mut venue = Party::new();
    let listen = Listen::on(crate::rig::ANY_PORT.into())
        .tls(authority.server())
        .behind_proxy(ProxyHeader::default());
    let address = venue.engine.listen_as(listen).unwrap();
    let mut client = Party::new();
    client
        .add(initiator(address, Some(authority.client())))
        .unwrap();
    let mut pair = Pair { venue, client };
    pair.until("a refusal", |pair| !pair.venue.app.turned_away.is_empty());
    let why = HeaderFault::Missing;
    assert_eq!(pair.venue.app.turned_away, [Fault::ProxyHeader { why }]);
}

//! What is refused, and what each side is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pinfix::engine::{ClientCheck, TlsClient, TlsServer};
use pinfix::session::{ConnectError, Fault, TlsAlert, TlsFault};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use crate::pki::{Authority, Validity};
use crate::rig::{Pair, Party, acceptor, initiator};

const UNKNOWN_CA: TlsFault = TlsFault::Alert(TlsAlert(48));

fn only(fault: TlsFault) -> impl Fn(&[TlsFault]) -> bool {
    move |faults| *faults == [fault]
}

fn any_alert(faults: &[TlsFault]) -> bool {
    matches!(faults, [TlsFault::Alert(_)])
}

#[test]
fn certificates_of_a_server_that_are_not_good() {
    let authority = Authority::new("A");
    let shown = |validity, usage| TlsServer::new(authority.issue("localhost", validity, usage));
    for (server, here, there) in [
        (
            shown(Validity::Past, ServerAuth),
            TlsFault::CertificateExpired,
            TlsFault::Alert(TlsAlert(45)),
        ),
        (
            shown(Validity::Future, ServerAuth),
            TlsFault::CertificateNotYetValid,
            TlsFault::Alert(TlsAlert(45)),
        ),
        (
            shown(Validity::Now, ClientAuth),
            TlsFault::WrongPurpose,
            TlsFault::Alert(TlsAlert(43)),
        ),
        (
            Authority::new("B").server(),
            TlsFault::UnknownAuthority,
            UNKNOWN_CA,
        ),
    ] {
        let pair = Pair::new(Some(server), Some(authority.client()));
        pair.fails(only(here), |faults| {
            assert!(faults.is_empty() || faults == [there], "{here}: {faults:?}");
            !faults.is_empty()
        });
    }
}

#[test]
fn a_certificate_for_another_host() {
    let authority = Authority::new("A");
    for name in [Some("venue.example.com".to_owned()), None] {
        let client = TlsClient {
            server_name: name,
            ..authority.client()
        };
        let pair = Pair::new(Some(authority.server()), Some(client));
        pair.fails(only(TlsFault::WrongHost), any_alert);
    }
}

#[test]
fn an_authority_of_the_system_is_not_ours() {
    let authority = Authority::new("A");
    let client = TlsClient {
        authorities: pinfix::engine::Authorities::System,
        ..authority.client()
    };
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(acceptor()).unwrap();
    let mut party = Party::new();
    match party.add(initiator(address, Some(client))) {
        Ok(()) => Pair {
            venue,
            client: party,
        }
        .fails(only(TlsFault::UnknownAuthority), only(UNKNOWN_CA)),
        // A machine without any says so at the start.
        Err(error) => assert!(error.to_string().contains("authorities"), "{error}"),
    }
}

#[test]
fn certificates_of_a_client_that_are_missing_or_not_good() {
    let authority = Authority::new("A");
    let other = Authority::new("B");
    for (identity, there) in [
        (None, TlsFault::NoCertificate),
        (Some(other.client_identity()), TlsFault::UnknownAuthority),
        (
            Some(authority.issue("client", Validity::Past, ClientAuth)),
            TlsFault::CertificateExpired,
        ),
        (
            Some(authority.issue("client", Validity::Now, ServerAuth)),
            TlsFault::WrongPurpose,
        ),
    ] {
        let mut server = authority.server();
        server.client_check = ClientCheck::Required(authority.pem());
        let client = TlsClient {
            identity,
            ..authority.client()
        };
        let pair = Pair::new(Some(server), Some(client));
        pair.fails(any_alert, only(there));
    }
}

/// Also where it is optional, one that is shown must be good.
#[test]
fn a_bad_certificate_is_worse_than_none() {
    let authority = Authority::new("A");
    let mut server = authority.server();
    server.client_check = ClientCheck::Optional(authority.pem());
    let client = TlsClient {
        identity: Some(Authority::new("B").client_identity()),
        ..authority.client()
    };
    let pair = Pair::new(Some(server), Some(client));
    pair.fails(any_alert, only(TlsFault::UnknownAuthority));
}

#[test]
fn plain_text_on_a_port_that_speaks_tls() {
    let authority = Authority::new("A");
    let pair = Pair::new(Some(authority.server()), None);
    pair.fails(
        only(TlsFault::PeerSpeaksTls),
        only(TlsFault::PeerSpeaksPlainText),
    );
}

#[test]
fn tls_on_a_port_that_speaks_plain_text() {
    let authority = Authority::new("A");
    let pair = Pair::new(None, Some(authority.client()));
    pair.fails(
        only(TlsFault::ClosedInHandshake),
        only(TlsFault::PeerSpeaksTls),
    );
}

/// A server that answers a ClientHello with FIX.
#[test]
fn a_server_that_answers_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"8=FIX.4.4\x019=5\x01").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut client = Party::new();
    client
        .add(initiator(address, Some(Authority::new("A").client())))
        .unwrap();
    client.until("the failure", |app| !app.failed.is_empty());
    assert_eq!(
        client.app.failed,
        [ConnectError::Tls(TlsFault::PeerSpeaksPlainText)]
    );
    drop(client);
    peer.join().unwrap();
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = initiator(address, Some(Authority::new("A").client()));
    config.connect.timeout = Duration::from_millis(50);
    let mut client = Party::new();
    client.add(config).unwrap();
    client.until("the failure", |app| !app.failed.is_empty());
    assert_eq!(
        client.app.failed,
        [ConnectError::Tls(TlsFault::HandshakeTimeout)]
    );
}

/// What somebody who connects may send instead of a handshake, and what he is called for it.
#[test]
fn noise_on_a_port_that_speaks_tls() {
    let noise: &[(&[u8], TlsFault)] = &[
        (b"GET / HTTP/1.1\r\n\r\n", TlsFault::PeerSpeaksPlainText),
        (&[0; 64], TlsFault::PeerSpeaksPlainText),
        (&[0xff; 64], TlsFault::PeerSpeaksPlainText),
        // A record that promises a handshake message and holds none.
        (&[22, 3, 1, 0, 4, 1, 0, 0, 0], TlsFault::BadRecord),
        // Application data before there is a key for it.
        (&[23, 3, 3, 0, 2, 1, 2], TlsFault::Misbehaved),
        // Longer than a record may be.
        (&[22, 3, 1, 0xff, 0xff, 1], TlsFault::BadRecord),
        // The alert of one who does not trust us.
        (&[21, 3, 3, 0, 2, 2, 48], UNKNOWN_CA),
    ];
    let mut venue = Party::new();
    let address = venue.listen(Some(Authority::new("A").server()));
    for (bytes, fault) in noise {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        let before = venue.app.turned_away.len();
        venue.until(&format!("a verdict on {bytes:?}"), |app| {
            app.turned_away.len() > before
        });
        let told = venue.app.turned_away.last();
        assert_eq!(told, Some(&Fault::Tls { why: *fault }), "{bytes:?}");
    }
}

#[test]
fn who_leaves_in_the_middle_of_a_handshake_and_who_only_looks() {
    let mut venue = Party::new();
    let address = venue.listen(Some(Authority::new("A").server()));
    let looked = TcpStream::connect(address).unwrap();
    drop(looked);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[22, 3, 1, 0, 200, 1]).unwrap();
    drop(stream);
    venue.until("a verdict", |app| !app.turned_away.is_empty());
    let why = TlsFault::ClosedInHandshake;
    assert_eq!(venue.app.turned_away, [Fault::Tls { why }]);
}

#[test]
fn a_handshake_has_a_limit_of_time() {
    let mut venue = Party::patient_for(Duration::from_millis(50));
    let address = venue.listen(Some(Authority::new("A").server()));
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(&[22, 3, 1, 0, 200, 1]).unwrap();
    let silent = TcpStream::connect(address).unwrap();
    venue.until("both to be given up", |app| app.turned_away.len() == 2);
    let why = TlsFault::HandshakeTimeout;
    assert_eq!(venue.app.turned_away, [Fault::Tls { why }; 2]);
    drop((slow, silent));
}

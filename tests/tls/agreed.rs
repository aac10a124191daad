//! What two sides agree on, and then trade over.

use pinfix::engine::{Authorities, ClientCheck, ServerCheck, TlsClient, TlsIdentity, TlsVersion};
use pinfix::session::{Cause, TlsFault};

use crate::pki::{Authority, text};
use crate::rig::{Pair, Party};

fn trades(mut pair: Pair) {
    pair.log_on();
    pair.trade(0..200);
    pair.log_out();
    assert_eq!(pair.client.app.tls_faults(), []);
    assert_eq!(pair.venue.app.tls_faults(), []);
}

#[test]
fn orders_go_both_ways_and_the_logout_is_clean() {
    let authority = Authority::new("A");
    trades(Pair::new(
        Some(authority.server()),
        Some(authority.client()),
    ));
}

#[test]
fn version_1_3_is_spoken_where_both_have_it_and_1_2_where_one_has_no_more() {
    let authority = Authority::new("A");
    let mut server = authority.server();
    server.min_version = TlsVersion::Tls13;
    trades(Pair::new(Some(server), Some(authority.client())));
    // A peer that has TLS 1.2 only is in openssl.rs.
}

#[test]
fn the_name_of_the_destination_is_asked_for_where_no_other_is_given() {
    let authority = Authority::new("A");
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(crate::rig::acceptor()).unwrap();
    venue.app.replies = true;
    let mut config = crate::rig::initiator(address, None);
    config.connect.reconnect = vec![std::time::Duration::from_millis(20)];
    config.connect.destinations = vec![format!("localhost:{}", address.port()).parse().unwrap()];
    config.connect.tls = Some(TlsClient {
        server_name: None,
        ..authority.client()
    });
    let mut client = Party::new();
    client.add(config).unwrap();
    let mut pair = Pair { venue, client };
    pair.log_on();
    pair.trade(0..3);
}

#[test]
fn an_address_is_good_for_a_certificate_of_that_address() {
    let authority = Authority::new("A");
    let mut server = authority.server();
    server.identity = authority.issue(
        "127.0.0.1",
        crate::pki::Validity::Now,
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
    );
    let client = TlsClient {
        server_name: None,
        ..authority.client()
    };
    trades(Pair::new(Some(server), Some(client)));
}

#[test]
fn a_client_shows_its_certificate_where_it_is_asked_for_one() {
    let servers = Authority::new("servers");
    let clients = Authority::new("clients");
    for check in [
        ClientCheck::Required(clients.pem()),
        ClientCheck::Optional(clients.pem()),
    ] {
        let mut server = servers.server();
        server.client_check = check;
        let client = TlsClient {
            identity: Some(clients.client_identity()),
            ..servers.client()
        };
        trades(Pair::new(Some(server), Some(client)));
    }
}

#[test]
fn a_client_without_a_certificate_is_let_in_where_it_is_optional() {
    let authority = Authority::new("A");
    let mut server = authority.server();
    server.client_check = ClientCheck::Optional(authority.pem());
    trades(Pair::new(Some(server), Some(authority.client())));
}

#[test]
fn with_the_check_switched_off_any_certificate_is_taken() {
    let authority = Authority::new("A");
    let client = TlsClient {
        server_name: Some("some.other.host".to_owned()),
        authorities: Authorities::Only(Authority::new("B").pem()),
        server_check: ServerCheck::DangerouslyNone,
        ..TlsClient::default()
    };
    trades(Pair::new(Some(authority.server()), Some(client)));
}

#[test]
fn files_are_as_good_as_memory() {
    let authority = Authority::new("A");
    let directory = std::env::temp_dir().join(format!("pinfix-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let keep = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let identity = authority.server_identity();
    let mut server = authority.server();
    server.identity = TlsIdentity::files(
        keep("cert.pem", text(&identity.certificates)),
        keep("key.pem", text(&identity.key)),
    );
    let mut client = authority.client();
    client.authorities = Authorities::Only(pinfix::engine::Pem::file(keep("ca.pem", authority.text())));
    trades(Pair::new(Some(server), Some(client)));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_connection_that_breaks_is_made_again_and_the_numbers_go_on() {
    let authority = Authority::new("A");
    let mut venue = Party::new();
    let address = venue.listen(Some(authority.server()));
    venue.add(crate::rig::acceptor()).unwrap();
    venue.app.replies = true;
    let mut config = crate::rig::initiator(address, Some(authority.client()));
    config.connect.reconnect = vec![std::time::Duration::from_millis(20)];
    let mut client = Party::new();
    client.add(config).unwrap();
    let mut pair = Pair { venue, client };
    pair.log_on();
    pair.trade(0..10);
    let now = pair.client.clock.now();
    let session = pair.client.session.unwrap();
    let cut = pair.client.engine.outbound(now).disconnect(session);
    assert!(cut.is_ok());
    pair.until("the next logon", |pair| {
        pair.client.app.logons == 2 && pair.venue.app.logons == 2
    });
    pair.trade(10..20);
    assert_eq!(pair.client.app.causes, [Cause::Disconnected]);
    // Cut without close_notify, and told so.
    assert_eq!(pair.venue.app.tls_faults(), [TlsFault::Truncated]);
}

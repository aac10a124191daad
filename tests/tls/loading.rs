//! Settings that cannot be loaded: the session, the setting, the file and what is wrong are named.

use pinfix::engine::{
    Authorities, ClientCheck, Listen, Pem, SessionBuilder, TlsClient, TlsIdentity, TlsServer,
};
use pinfix::session::fix::rules::FIX44;

use crate::pki::{Authority, text};
use crate::rig::ANY_PORT;

fn session_says(client: TlsClient) -> String {
    let built = SessionBuilder::initiator(&FIX44, "ME", "VENUE")
        .connect_to(std::net::SocketAddr::from(([127, 0, 0, 1], 9)))
        .tls(client)
        .build();
    built.unwrap_err().to_string()
}

fn port_says(server: TlsServer) -> String {
    let listen = Listen::on(ANY_PORT.into()).tls(server);
    listen.check().unwrap_err().to_string()
}

#[track_caller]
fn names(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let missing = "/nowhere/ca.pem";
    let said = session_says(TlsClient {
        authorities: Authorities::Only(Pem::file(missing)),
        ..TlsClient::default()
    });
    names(
        &said,
        &[
            "FIX.4.4:ME->VENUE",
            "connect.tls.authorities",
            missing,
            "No such file",
        ],
    );
    let said = port_says(TlsServer::new(TlsIdentity::files(
        "/nowhere/c.pem",
        "/nowhere/k.pem",
    )));
    names(
        &said,
        &[
            "127.0.0.1:0",
            "listen.tls.identity",
            "/nowhere/c.pem",
            "No such file",
        ],
    );
}

#[test]
fn a_file_that_holds_something_else() {
    let authority = Authority::new("A");
    let good = authority.server_identity();
    let with = |certificates: &str, key: &str| {
        port_says(TlsServer::new(TlsIdentity {
            certificates: Pem::Text(certificates.into()),
            key: Pem::Text(key.into()),
        }))
    };
    let (certificate, key) = (text(&good.certificates), text(&good.key));
    names(&with(key, key), &["holds no certificate"]);
    names(&with(certificate, certificate), &["holds no private key"]);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    names(
        &with(certificate, &encrypted),
        &["encrypted", "in the clear"],
    );
    let cut = &certificate[..certificate.len() / 2];
    names(&with(cut, key), &["PEM"]);
    let other = authority.server_identity();
    names(
        &with(certificate, text(&other.key)),
        &["is not the key of the certificate"],
    );
}

#[test]
fn authorities_that_are_none() {
    let mut server = Authority::new("A").server();
    server.client_check = ClientCheck::Required(Pem::Text("nothing".into()));
    names(
        &port_says(server),
        &["listen.tls.client_check", "holds no certificate"],
    );
}

#[test]
fn a_name_that_is_none() {
    let said = session_says(TlsClient {
        server_name: Some("not a name".to_owned()),
        ..Authority::new("A").client()
    });
    names(
        &said,
        &["connect.tls.server_name", "not a name", "DNS name"],
    );
}

#[test]
fn an_acceptor_session_has_no_tls_of_its_own() {
    let built = SessionBuilder::acceptor(&FIX44, "ME", "YOU")
        .tls(TlsClient::default())
        .build();
    names(
        &built.unwrap_err().to_string(),
        &["connect.tls", "that of the port"],
    );
}

//! `openssl s_client` and `openssl s_server` as peers: another implementation of TLS, by other people.
//!
//! Where there is no `openssl` the tests say so and prove nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use pinfix::engine::{ClientCheck, TlsIdentity, TlsVersion};
use pinfix::session::{ConnectError, Fault, TlsAlert, TlsFault};
use rcgen::ExtendedKeyUsagePurpose;

use crate::pki::{Authority, Validity, text};
use crate::rig::{Party, acceptor, initiator};
use crate::streams::logon;

/// Files of one test, and the process that reads them.
struct Bench {
    directory: PathBuf,
    child: Option<Child>,
}

impl Bench {
    /// `None` where there is no `openssl`.
    fn new(name: &str) -> Option<Self> {
        let found = Command::new("openssl").arg("version").output();
        if !found.is_ok_and(|found| found.status.success()) {
            assert!(
                std::env::var_os("PINFIX_INTEROP").is_none(),
                "openssl is not installed, and PINFIX_INTEROP asks for it"
            );
            eprintln!("IGNORED: openssl is not installed");
            return None;
        }
        let directory = std::env::temp_dir().join(format!("pinfix-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Some(Self {
            directory,
            child: None,
        })
    }

    fn keep(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn keep_identity(&self, identity: &TlsIdentity) -> [String; 2] {
        [
            self.keep("cert.pem", text(&identity.certificates)),
            self.keep("key.pem", text(&identity.key)),
        ]
    }

    fn run(&mut self, arguments: &[&str]) -> &mut Child {
        let child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.child.insert(child)
    }

    /// `s_client` on a port, and the lines it prints.
    fn client(&mut self, address: SocketAddr, more: &[&str]) -> mpsc::Receiver<Vec<u8>> {
        let address = address.to_string();
        let mut arguments = vec!["s_client", "-connect", &address, "-servername", "localhost"];
        arguments.extend([
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
        ]);
        arguments.extend(more);
        reader(self.run(&arguments).stdout.take().unwrap())
    }

    /// `s_server` on a port of its own, ready.
    fn server(&mut self, more: &[&str]) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
        // Free now, and taken in a moment.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let port = address.port().to_string();
        let mut arguments = vec!["s_server", "-accept", &port, "-naccept", "1"];
        arguments.extend(more);
        let mut stdout = BufReader::new(self.run(&arguments).stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "s_server ended");
        }
        (address, reader(stdout))
    }

    fn say(&mut self, bytes: &[u8]) {
        let stdin = self.child.as_mut().unwrap().stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn reader(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut room = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut room) {
            if told.send(room[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    heard
}

/// Polls until the output of `openssl` contains something.
fn hears(party: &mut Party, heard: &mpsc::Receiver<Vec<u8>>, what: &str) -> String {
    let mut all = String::new();
    for _ in 0..2000 {
        party.poll();
        while let Ok(more) = heard.try_recv() {
            all.push_str(&String::from_utf8_lossy(&more));
        }
        if all.contains(what) {
            return all;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain for {what} in: {all}");
}

fn venue(server: pinfix::engine::TlsServer) -> (Party, SocketAddr) {
    let mut venue = Party::new();
    let address = venue.listen(Some(server));
    venue.add(acceptor()).unwrap();
    (venue, address)
}

#[test]
fn s_client_logs_on_to_our_acceptor_in_both_versions() {
    let authority = Authority::new("A");
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(mut bench) = Bench::new(&format!("logon{version}")) else {
            return;
        };
        let (mut venue, address) = venue(authority.server());
        let ca = bench.keep("ca.pem", authority.text());
        let heard = bench.client(address, &["-CAfile", &ca, version]);
        bench.say(&logon());
        let answer = hears(&mut venue, &heard, "\x0135=A\x01");
        assert!(answer.contains("49=VENUE\x01"), "{answer}");
        assert_eq!(venue.app.logons, 1);
    }
}

#[test]
fn s_client_shows_a_certificate_or_is_told_that_it_must() {
    let authority = Authority::new("A");
    let mut server = authority.server();
    server.client_check = ClientCheck::Required(authority.pem());
    let Some(mut bench) = Bench::new("client-certificate") else {
        return;
    };
    let (mut venue, address) = venue(server);
    let ca = bench.keep("ca.pem", authority.text());
    let [cert, key] = bench.keep_identity(&authority.client_identity());
    let heard = bench.client(address, &["-CAfile", &ca, "-cert", &cert, "-key", &key]);
    bench.say(&logon());
    hears(&mut venue, &heard, "\x0135=A\x01");

    let Some(mut without) = Bench::new("no-client-certificate") else {
        return;
    };
    let ca = without.keep("ca.pem", authority.text());
    without.client(address, &["-CAfile", &ca]);
    let said = reader(without.child.as_mut().unwrap().stderr.take().unwrap());
    hears(&mut venue, &said, "certificate required");
    let why = TlsFault::NoCertificate;
    assert_eq!(venue.app.turned_away, [Fault::Tls { why }]);
}

#[test]
fn s_client_with_an_old_version_is_refused() {
    let authority = Authority::new("A");
    let Some(mut bench) = Bench::new("old-version") else {
        return;
    };
    let mut server = authority.server();
    server.min_version = TlsVersion::Tls13;
    let (mut venue, address) = venue(server);
    bench.client(address, &["-tls1_2"]);
    let said = reader(bench.child.as_mut().unwrap().stderr.take().unwrap());
    hears(&mut venue, &said, "protocol version");
    let why = TlsFault::Version;
    assert_eq!(venue.app.turned_away, [Fault::Tls { why }]);
}

/// Before TLS 1.2.
#[test]
fn s_client_with_tls_1_0_is_refused() {
    let authority = Authority::new("A");
    let Some(mut bench) = Bench::new("tls-1-0") else {
        return;
    };
    let (mut venue, address) = venue(authority.server());
    bench.client(address, &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    let said = reader(bench.child.as_mut().unwrap().stderr.take().unwrap());
    hears(&mut venue, &said, "alert");
    let why = TlsFault::Version;
    assert_eq!(venue.app.turned_away, [Fault::Tls { why }]);
}

/// `R` on a line of its own asks for another handshake, where `-quiet` is not given.
#[test]
fn s_client_that_renegotiates_is_refused() {
    let authority = Authority::new("A");
    let Some(mut bench) = Bench::new("renegotiates") else {
        return;
    };
    let (mut venue, address) = venue(authority.server());
    let to = address.to_string();
    let ca = bench.keep("ca.pem", authority.text());
    let arguments = ["s_client", "-connect", &to, "-CAfile", &ca, "-tls1_2"];
    let stdout = reader(bench.run(&arguments).stdout.take().unwrap());
    let stderr = reader(bench.child.as_mut().unwrap().stderr.take().unwrap());
    hears(&mut venue, &stdout, "Verify return code: 0 (ok)");
    bench.say(b"R\n");
    // It is told no, and goes away with an alert of its own.
    hears(&mut venue, &stderr, "no renegotiation");
    venue.until("the end", |app| !app.turned_away.is_empty());
    println!("{:?}", venue.app.turned_away);
    assert!(matches!(
        venue.app.tls_faults()[..],
        [TlsFault::Alert(_) | TlsFault::Truncated]
    ));
}

#[test]
fn our_initiator_logs_on_to_s_server_in_both_versions() {
    let authority = Authority::new("A");
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(mut bench) = Bench::new(&format!("server{version}")) else {
            return;
        };
        let [cert, key] = bench.keep_identity(&authority.server_identity());
        let more = ["-cert", &cert, "-key", &key, version];
        let (address, heard) = bench.server(&more);
        let mut client = Party::new();
        client
            .add(initiator(address, Some(authority.client())))
            .unwrap();
        let logon = hears(&mut client, &heard, "\x0135=A\x01");
        assert!(logon.contains("49=CLIENT\x01"), "{logon}");
        // And what it says is heard: no Logon, which ends it.
        bench.say(b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01");
        client.until("the end", |app| !app.causes.is_empty());
        assert_eq!(client.app.tls_faults(), []);
    }
}

#[test]
fn our_initiator_shows_s_server_its_certificate_or_is_told_that_it_must() {
    let authority = Authority::new("A");
    for identity in [Some(authority.client_identity()), None] {
        let Some(mut bench) = Bench::new("server-asks") else {
            return;
        };
        let ca = bench.keep("ca.pem", authority.text());
        let [cert, key] = bench.keep_identity(&authority.server_identity());
        let more = ["-cert", &cert, "-key", &key, "-CAfile", &ca];
        let more: Vec<_> = more.into_iter().chain(["-Verify", "1"]).collect();
        let (address, heard) = bench.server(&more);
        let shows = identity.is_some();
        let mut tls = authority.client();
        tls.identity = identity;
        let mut client = Party::new();
        client.add(initiator(address, Some(tls))).unwrap();
        if shows {
            hears(&mut client, &heard, "\x0135=A\x01");
        } else {
            client.until("the end", |app| !app.tls_faults().is_empty());
            let required = TlsFault::Alert(TlsAlert(116));
            assert_eq!(client.app.tls_faults(), [required]);
        }
    }
}

#[test]
fn s_server_with_a_bad_certificate_or_an_old_version_is_refused() {
    let authority = Authority::new("A");
    let server_auth = || ExtendedKeyUsagePurpose::ServerAuth;
    let rows = [
        (
            authority.issue("localhost", Validity::Past, server_auth()),
            "-tls1_3",
            TlsFault::CertificateExpired,
        ),
        (
            authority.issue("other.example.com", Validity::Now, server_auth()),
            "-tls1_2",
            TlsFault::WrongHost,
        ),
        (
            Authority::new("B").server_identity(),
            "-tls1_3",
            TlsFault::UnknownAuthority,
        ),
        // Our side asks for 1.3 at least.
        (
            authority.server_identity(),
            "-tls1_2",
            TlsFault::Alert(TlsAlert(70)),
        ),
    ];
    for (number, (identity, version, fault)) in rows.into_iter().enumerate() {
        let Some(mut bench) = Bench::new(&format!("bad-{number}")) else {
            return;
        };
        let [cert, key] = bench.keep_identity(&identity);
        let (address, _heard) = bench.server(&["-cert", &cert, "-key", &key, version]);
        let mut tls = authority.client();
        if fault == TlsFault::Alert(TlsAlert(70)) {
            tls.min_version = TlsVersion::Tls13;
        }
        let mut client = Party::new();
        client.add(initiator(address, Some(tls))).unwrap();
        client.until("the failure", |app| !app.failed.is_empty());
        assert_eq!(client.app.failed, [ConnectError::Tls(fault)]);
    }
}

/// `r` on a line of its own sends a HelloRequest. This server does not take no for an answer.
#[test]
fn s_server_that_asks_for_renegotiation_is_told_no() {
    let authority = Authority::new("A");
    let Some(mut bench) = Bench::new("hello-request") else {
        return;
    };
    let [cert, key] = bench.keep_identity(&authority.server_identity());
    let (address, heard) = bench.server(&["-cert", &cert, "-key", &key, "-tls1_2"]);
    let mut client = Party::new();
    client
        .add(initiator(address, Some(authority.client())))
        .unwrap();
    hears(&mut client, &heard, "\x0135=A\x01");
    bench.say(b"r\n");
    client.until("the end", |app| !app.causes.is_empty());
    let handshake_failure = TlsFault::Alert(TlsAlert(40));
    assert_eq!(client.app.tls_faults(), [handshake_failure]);
}

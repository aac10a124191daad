//! An operator takes a session out for maintenance while orders flow, and puts it back: the client and
//! the operator's commands as processes, over real sockets, against the simulated exchange and against a
//! counterparty by script that asks for messages again in the middle of the logout.
#![allow(clippy::unwrap_used)]

mod command;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use command::{Client, Exchange, Finished, run};

const SESSION: &str = "FIX.4.4:CLIENT->VENUE";

/// Three of these pass while the session is out.
const RECONNECT: Duration = Duration::from_millis(300);

struct Rig {
    directory: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn client(&self, venue: SocketAddr, more: &[&str]) -> Client {
        let file = self.path("client.toml");
        let text = format!(
            "journal = {:?}\n\
             [[session]]\n\
             version = \"FIX.4.4\"\n\
             role = \"initiator\"\n\
             sender_comp_id = \"CLIENT\"\n\
             target_comp_id = \"VENUE\"\n\
             connect.to = [\"{venue}\"]\n\
             connect.reconnect = [\"{}ms\"]\n\
             logout.timeout = \"10s\"\n",
            self.path("journals"),
            RECONNECT.as_millis(),
        );
        fs::write(&file, text).unwrap();
        let socket = self.path("client.admin");
        let admin = ["--admin-socket", socket.to_str().unwrap()];
        Client::start(&file, &[&admin, more].concat())
    }

    fn admin(&self, arguments: &[&str]) -> Finished {
        let socket = self.path("client.admin");
        run(&[&["admin", "--socket", socket.to_str().unwrap()], arguments].concat())
    }

    fn status(&self) -> serde_json::Value {
        let status = self.admin(&["--json", "status", SESSION]).ok().out;
        let mut status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["sessions"][0].take()
    }
}

/// The other side of the line, by hand.
struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
    next_out: u64,
}

impl Peer {
    fn accept(listener: &TcpListener, next_out: u64) -> Self {
        listener.set_nonblocking(false).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            received: Vec::new(),
            next_out,
        }
    }

    /// The next message, with | for SOH; `None` once the client has closed.
    fn read(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.received, b"\x0110=") {
                // CheckSum(10) has three digits and one SOH.
                if self.received.len() >= at + 8 {
                    let frame: Vec<u8> = self.received.drain(..at + 8).collect();
                    return Some(String::from_utf8(frame).unwrap().replace('\u{1}', "|"));
                }
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).unwrap() {
                0 => return None,
                length => self.received.extend(&piece[..length]),
            }
        }
    }

    fn send(&mut self, kind: &str, body: &str) {
        let time = time_now();
        let head = format!(
            "35={kind}|34={}|49=VENUE|52={time}|56=CLIENT|",
            self.next_out
        );
        self.next_out += 1;
        let body = format!("{head}{body}").replace('|', "\u{1}");
        let frame = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
        let sum: u32 = frame.bytes().map(u32::from).sum();
        let frame = format!("{frame}10={:03}\u{1}", sum % 256);
        self.stream.write_all(frame.as_bytes()).unwrap();
    }

    /// An order's ExecutionReport(8).
    fn report(&mut self, order: &str) {
        let id = field(order, 11);
        let price = "44=1|32=0|31=0|14=0|6=0|";
        self.send(
            "8",
            &format!("37=O{id}|11={id}|17=E{id}|150=0|39=0|55=ESZ6|54=1|38=5|{price}151=5|"),
        );
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn time_now() -> String {
    let now = pinfix::engine::Clock::new().now().utc;
    now.to_fix(pinfix::time::TimestampPrecision::Millis)
        .to_string()
}

/// The first value of a tag.
#[track_caller]
fn field(message: &str, tag: u32) -> &str {
    let key = format!("{tag}=");
    let value = message
        .split('|')
        .find_map(|field| field.strip_prefix(&key));
    value.unwrap_or_else(|| panic!("no {tag} in {message}"))
}

/// Nobody connects for three times the pause between attempts.
fn nobody_comes(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + 3 * RECONNECT;
    while Instant::now() < end {
        match listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("the session is out and connects: {other:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_counterparty_asks_again_in_the_middle_of_the_logout_and_gets_it() {
    let rig = Rig::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let orders = ["--orders", "60", "--rate", "100", "--reports", "1"];
    let client = rig.client(address, &orders);

    let mut peer = Peer::accept(&listener, 1);
    assert_eq!(field(&peer.read().unwrap(), 35), "A");
    peer.send("A", "98=0|108=30|");
    // ClOrdID(11) by MsgSeqNum(34), as they came first.
    let mut first = BTreeMap::new();
    for _ in 0..20 {
        let order = peer.read().unwrap();
        let seq: u64 = field(&order, 34).parse().unwrap();
        first.insert(seq, field(&order, 11).to_owned());
        peer.report(&order);
    }
    let logout = std::thread::scope(|scope| {
        let operator = scope.spawn(|| {
            rig.admin(&["logout", SESSION, "--reason", "disk replacement"])
                .ok()
        });
        // Orders that were under way come before the Logout; after it none.
        let logout = loop {
            let message = peer.read().unwrap();
            if field(&message, 35) == "5" {
                break message;
            }
            let seq: u64 = field(&message, 34).parse().unwrap();
            first.insert(seq, field(&message, 11).to_owned());
            peer.report(&message);
        };
        assert_eq!(field(&logout, 58), "disk replacement");
        let seq_of_logout: u64 = field(&logout, 34).parse().unwrap();

        // It asks for everything again, and has not answered the Logout yet.
        assert_eq!(rig.status()["state"], "logout-sent");
        peer.send("2", "7=1|16=0|");
        let mut again = BTreeMap::new();
        let mut next = 1;
        while next <= seq_of_logout {
            let message = peer.read().unwrap();
            let seq: u64 = field(&message, 34).parse().unwrap();
            assert_eq!(seq, next, "in order and without a gap: {message}");
            assert_eq!(field(&message, 43), "Y", "{message}");
            match field(&message, 35) {
                "4" => next = field(&message, 36).parse().unwrap(),
                "D" => {
                    again.insert(seq, field(&message, 11).to_owned());
                    next += 1;
                }
                _ => panic!("not to be sent again: {message}"),
            }
        }
        assert_eq!(again, first, "every order again, under its number");
        assert!(!operator.is_finished(), "the logout waits for its answer");
        peer.send("5", "");
        assert_eq!(operator.join().unwrap().out, "done\n");
        assert!(
            peer.read().is_none(),
            "closed by the client, and nothing before that"
        );
        seq_of_logout
    });
    let status = rig.status();
    assert_eq!(
        (&status["state"], &status["held"]),
        (&"down".into(), &true.into())
    );
    nobody_comes(&listener);

    let next_out = peer.next_out;
    let on_again = std::thread::scope(|scope| {
        let operator = scope.spawn(|| rig.admin(&["logon", SESSION]).ok());
        let mut peer = Peer::accept(&listener, next_out);
        let logon = peer.read().unwrap();
        assert_eq!(field(&logon, 35), "A");
        let next: u64 = field(&logon, 34).parse().unwrap();
        assert_eq!(next, logout + 1, "the numbers continue");
        peer.send("A", "98=0|108=30|");
        assert_eq!(operator.join().unwrap().out, "done\n");
        peer
    });
    let mut peer = on_again;
    while let Some(message) = peer.read() {
        match field(&message, 35) {
            "D" => {
                let seq: u64 = field(&message, 34).parse().unwrap();
                first.insert(seq, field(&message, 11).to_owned());
                peer.report(&message);
            }
            "5" => peer.send("5", ""),
            _ => panic!("{message}"),
        }
    }
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    let counts = "stopped: 60 orders sent, 60 acknowledged, 60 reports, 0 without a report, \
                  0 reports doubled, 0 rejects";
    assert!(said.contains(counts), "{said}");
    let mut ids: Vec<_> = first.into_values().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60, "no order lost, none doubled");
}

/// Three times while orders flow, against the exchange as it is shipped.
#[test]
fn an_exchange_sees_maintenance_and_no_order_is_lost() {
    let rig = Rig::new();
    let venue = rig.path("venue.toml");
    let text = "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"VENUE\"\n\
                target_comp_id = \"CLIENT\"\n";
    fs::write(&venue, text).unwrap();
    let exchange = Exchange::start(&["--config", path(&venue)]);
    let orders = ["--orders", "400", "--rate", "200", "--reports", "2"];
    let mut client = rig.client(exchange.address, &orders);
    client.says("logged on");
    let mut before = 0;
    for round in 0..3 {
        std::thread::sleep(Duration::from_millis(150));
        let reason = format!("maintenance {round}");
        rig.admin(&["logout", SESSION, "--reason", &reason]).ok();
        let out = rig.status();
        std::thread::sleep(3 * RECONNECT);
        let still = rig.status();
        for key in ["state", "held", "next_out", "next_in", "logged_on_utc"] {
            assert_eq!(out[key], still[key], "{key} in round {round}");
        }
        assert_eq!(still["state"], "down");
        assert_eq!(rig.admin(&["logon", SESSION]).ok().out, "done\n");
        let next = still["next_out"].as_u64().unwrap();
        assert!(next > before, "orders went out in round {round}");
        before = next;
    }
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    let counts = "stopped: 400 orders sent, 400 acknowledged, 800 reports, 0 without a report, \
                  0 reports doubled, 0 rejects";
    assert!(said.contains(counts), "{said}");
    exchange.interrupt();
    let said = exchange.wait().ok().out;
    for round in 0..3 {
        let reason = format!("the peer logged out: maintenance {round}");
        assert!(said.contains(&reason), "{said}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

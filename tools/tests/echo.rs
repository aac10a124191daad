//! `pinfix exchange --echo`, spoken to in raw FIX over TCP, as black-box conformance scripts do.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pinfix::time::{TimestampPrecision, Utc};
use tempfile::TempDir;

use command::Exchange;

/// A counterparty that writes what it is told, with `|` for SOH.
struct Peer {
    socket: TcpStream,
    version: &'static str,
    next: u64,
    received: Vec<u8>,
}

impl Peer {
    fn connect(exchange: &Exchange, version: &'static str) -> Self {
        let socket = TcpStream::connect(exchange.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            socket,
            version,
            next: 1,
            received: Vec::new(),
        }
    }

    /// Logs on; `next` is the number that is due.
    fn logged_on(exchange: &Exchange, version: &'static str, next: u64) -> Self {
        let mut peer = Self::connect(exchange, version);
        peer.next = next;
        peer.send("A", "", "98=0|108=30|");
        has(&peer.receive(), &["35=A"]);
        peer
    }

    fn send(&mut self, kind: &str, header: &str, body: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = Utc(now.as_nanos() as u64).to_fix(TimestampPrecision::Seconds);
        let time = str::from_utf8(&time).unwrap();
        let text = format!(
            "35={kind}|34={}|49=CLIENT|52={time}|56=VENUE|{header}{body}",
            self.next
        );
        let mut frame = format!("8={}|9={}|{text}", self.version, text.len());
        frame = frame.replace('|', "\u{1}");
        let sum = frame.bytes().fold(0_u8, u8::wrapping_add);
        let frame = format!("{frame}10={sum:03}\u{1}");
        self.socket.write_all(frame.as_bytes()).unwrap();
        self.next += 1;
    }

    /// The next message, with `|` for SOH.
    fn receive(&mut self) -> String {
        loop {
            let trailer = self.received.windows(4).position(|part| part == b"\x0110=");
            if let Some(at) = trailer.filter(|at| self.received.len() >= at + 8) {
                let frame: Vec<u8> = self.received.drain(..at + 8).collect();
                return String::from_utf8(frame).unwrap().replace('\u{1}', "|");
            }
            let mut bytes = [0; 4096];
            let count = self.socket.read(&mut bytes).unwrap();
            assert!(count > 0, "closed");
            self.received.extend(&bytes[..count]);
        }
    }

    /// Asserts that nothing was sent before the answer to a TestRequest(1).
    #[track_caller]
    fn was_told_nothing(&mut self) {
        self.send("1", "", "112=now|");
        has(&self.receive(), &["35=0", "112=now"]);
    }

    fn log_out(mut self) -> u64 {
        self.send("5", "", "");
        has(&self.receive(), &["35=5"]);
        self.next
    }
}

#[track_caller]
fn has(message: &str, fields: &[&str]) {
    for field in fields {
        assert!(
            message.contains(&format!("|{field}|")),
            "no {field} in {message}"
        );
    }
}

/// What stands between the header and the checksum.
#[track_caller]
fn ends_with(message: &str, body: &str) {
    let end = message.rfind("10=").unwrap();
    assert!(message[..end].ends_with(body), "not {body}: {message}");
}

fn exchange(versions: &[&str], more: &str, options: &[&str]) -> (Exchange, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("venue.toml");
    let sessions: String = versions
        .iter()
        .map(|version| {
            format!(
                "[[session]]\nversion = \"{version}\"\nsender_comp_id = \"VENUE\"\n\
                 target_comp_id = \"CLIENT\"\n{more}\n"
            )
        })
        .collect();
    fs::write(&file, sessions).unwrap();
    let mut arguments = vec!["--config", file.to_str().unwrap(), "--echo"];
    arguments.extend(options);
    (Exchange::start(&arguments), directory)
}

const ORDER: &str = "11=A1|21=1|55=ESZ6|453=2|448=X|447=D|452=1|448=Y|447=D|452=3|\
                     96x|54=1|38=5|40=1|60=20261123-14:30:02|";

fn order() -> String {
    // Data with a SOH and an equals sign in it.
    ORDER.replace("96x", "354=5|355=a|b=c")
}

#[test]
fn an_order_comes_back_as_it_came_with_its_routing() {
    let (exchange, _directory) = exchange(&["FIX.4.4"], "", &[]);
    let mut peer = Peer::logged_on(&exchange, "FIX.4.4", 1);
    let routing = "50=DESK|57=FLOOR|97=Y|115=A|116=B|128=C|129=D|142=E|143=F|144=G|145=H|";
    let duplicate = "43=N|122=20261123-14:30:02|";
    peer.send("D", &format!("{routing}{duplicate}"), &order());
    let echo = peer.receive();
    has(&echo, &["35=D", "34=2", "49=VENUE", "56=CLIENT"]);
    for field in routing.split_terminator('|') {
        has(&echo, &[field]);
    }
    assert!(!echo.contains("|43=") && !echo.contains("|122="), "{echo}");
    ends_with(&echo, &format!("|{}", order()));

    // It is a message like any other: it can be asked for again.
    peer.send("2", "", "7=2|16=2|");
    let again = peer.receive();
    has(&again, &["35=D", "34=2", "43=Y", "115=A", "97=Y"]);
    ends_with(&again, &format!("|{}", order()));

    for (kind, body) in [
        ("d", "320=R|322=S|323=1|"),
        ("C", "164=T|94=0|147=x|33=1|58=y|"),
    ] {
        peer.send(kind, "", body);
        let echo = peer.receive();
        has(&echo, &[&format!("35={kind}")]);
        ends_with(&echo, &format!("|{body}"));
    }
}

#[test]
fn strict_sorts_bodies_and_keeps_groups_whole() {
    let dictionary = "[session.validation]\ndictionaries = \"builtin\"";
    let (exchange, _directory) = exchange(&["FIX.4.4"], dictionary, &["--strict"]);
    let mut peer = Peer::logged_on(&exchange, "FIX.4.4", 1);
    peer.send("D", "115=A|", &order());
    let echo = peer.receive();
    has(&echo, &["115=A"]);
    ends_with(
        &echo,
        "|11=A1|21=1|38=5|40=1|54=1|55=ESZ6|60=20261123-14:30:02|354=5|355=a|b=c|\
         453=2|448=X|447=D|452=1|448=Y|447=D|452=3|",
    );
}

#[test]
fn a_possible_resend_of_what_was_seen_is_swallowed_until_the_next_logon() {
    let (exchange, _directory) = exchange(&["FIX.4.2"], "", &[]);
    let mut peer = Peer::logged_on(&exchange, "FIX.4.2", 1);
    peer.send("D", "97=Y|", "11=A1|");
    has(&peer.receive(), &["35=D", "97=Y", "11=A1"]);
    peer.send("D", "97=Y|", "11=A1|");
    peer.was_told_nothing();
    // Without the flag it is another order, whatever its ClOrdID(11).
    peer.send("D", "", "11=A1|");
    has(&peer.receive(), &["35=D", "11=A1"]);
    let next = peer.log_out();

    let mut peer = Peer::logged_on(&exchange, "FIX.4.2", next);
    peer.send("D", "97=Y|", "11=A1|");
    has(&peer.receive(), &["35=D", "97=Y", "11=A1"]);
}

#[test]
fn sessions_of_several_versions_share_the_port_and_reject_the_rest_in_their_way() {
    let versions = ["FIX.4.0", "FIX.4.4"];
    let (exchange, _directory) = exchange(&versions, "", &[]);
    // Somebody looks whether the port is open.
    drop(TcpStream::connect(exchange.address).unwrap());
    let mut old = Peer::logged_on(&exchange, "FIX.4.0", 1);
    let mut new = Peer::logged_on(&exchange, "FIX.4.4", 1);
    old.send("G", "", "11=A2|");
    has(
        &old.receive(),
        &["35=3", "45=2", "58=Unsupported message type"],
    );
    new.send("G", "", "11=A2|");
    has(&new.receive(), &["35=j", "45=2", "372=G", "380=3"]);
    // An order and its cancel are not traded.
    new.send("F", "", "11=A3|41=A1|");
    has(&new.receive(), &["35=j", "372=F", "380=3"]);
    new.send("ZZ", "", "58=x|");
    has(&new.receive(), &["35=3", "45=4", "372=ZZ", "373=11"]);
    old.send("D", "", "11=A1|55=ESZ6|");
    let echo = old.receive();
    has(&echo, &["34=3", "35=D"]);
    ends_with(&echo, "|11=A1|55=ESZ6|");
    new.send("D", "", "11=A1|55=ESZ6|");
    has(&new.receive(), &["35=D", "34=5", "11=A1"]);
    old.log_out();
    new.log_out();
    exchange.interrupt();
    let finished = exchange.wait().ok();
    for wrong in ["turned away", "failed", "could not"] {
        assert!(!finished.out.contains(wrong), "{}", finished.out);
    }
}

#[test]
fn a_settings_file_with_sessions_of_fixt_and_before_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("old.cfg");
    fs::write(
        &file,
        "[DEFAULT]\nConnectionType=acceptor\nSocketAcceptPort=9878\nSenderCompID=VENUE\n\
         TargetCompID=CLIENT\nStartTime=00:00:00\nEndTime=00:00:00\nUseDataDictionary=N\n\
         [SESSION]\nBeginString=FIX.4.2\n\
         [SESSION]\nBeginString=FIXT.1.1\nDefaultApplVerID=FIX.5.0SP2\n",
    )
    .unwrap();
    let exchange = Exchange::start(&["--config", file.to_str().unwrap(), "--echo"]);
    let mut old = Peer::logged_on(&exchange, "FIX.4.2", 1);
    old.send("D", "", "11=A1|");
    has(&old.receive(), &["35=D", "11=A1"]);

    let mut new = Peer::connect(&exchange, "FIXT.1.1");
    new.send("A", "", "98=0|108=30|1137=9|");
    has(&new.receive(), &["35=A", "1137=9"]);
    new.send("D", "1128=7|", "11=A1|");
    has(&new.receive(), &["35=D", "1128=7", "11=A1"]);
}

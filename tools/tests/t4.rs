//! The simulated T4, spoken to in raw FIX over TCP: several traders on a session, and market data.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pinfix::time::{TimestampPrecision, Utc};
use tempfile::TempDir;

use command::{Exchange, run};

const ACCOUNTS: &str = "[[account]]\ncomp_id = \"T4Example\"\nvenue_comp_id = \"T4\"\n\
                        username = \"desk\"\npassword = \"sesame-91b2\"\nlicense = \"license-77c1\"\n\
                        [[account.trader]]\nusername = \"joe\"\npassword = \"hush-joe\"\n\
                        [[account.trader]]\nusername = \"ann\"\npassword = \"hush-ann\"\n";
const SECRETS: [&str; 4] = ["sesame-91b2", "license-77c1", "hush-joe", "hush-ann"];
const LICENSE: &str = "91=license-77c1|90=12|";

/// A simulated T4 with a journal.
struct Stage {
    exchange: Exchange,
    directory: TempDir,
}

impl Stage {
    fn new(accounts: &str, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("accounts.toml");
        fs::write(&file, accounts).unwrap();
        let journals = directory.path().join("journals");
        let fixed = [
            "--venue",
            "t4",
            "--accounts",
            file.to_str().unwrap(),
            "--journal",
            journals.to_str().unwrap(),
        ];
        let arguments: Vec<_> = fixed.iter().chain(more).copied().collect();
        Self {
            exchange: Exchange::start(&arguments),
            directory,
        }
    }

    /// What its journals have, and what it said until it was stopped.
    fn kept(self) -> (String, String) {
        self.exchange.interrupt();
        let said = self.exchange.wait().ok().out;
        let journals = self.directory.path().join("journals");
        let printed = run(&["journal", "print", journals.to_str().unwrap()]);
        (printed.ok().out, said)
    }

    /// A client that has logged on, with these RefMsgTypes(372).
    fn client(&self, switches: &[&str]) -> Peer {
        let socket = TcpStream::connect(self.exchange.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut peer = Peer {
            socket,
            next: 1,
            received: Vec::new(),
        };
        let asked: String = switches.iter().map(|name| format!("372={name}|")).collect();
        let count = switches.len();
        let asked = if asked.is_empty() {
            asked
        } else {
            format!("384={count}|{asked}")
        };
        peer.send(
            "A",
            LICENSE,
            &format!("98=0|108=30|{asked}553=desk|554=sesame-91b2|"),
        );
        peer.hears("A", &["34=1", "553=desk", "554=***"]);
        peer
    }
}

/// A client made by hand, with `|` for SOH.
struct Peer {
    socket: TcpStream,
    next: u64,
    received: Vec<u8>,
}

impl Peer {
    /// Sends a message under the next number.
    fn send(&mut self, kind: &str, header: &str, body: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = Utc(u64::try_from(now.as_nanos()).unwrap()).to_fix(TimestampPrecision::Seconds);
        let time = str::from_utf8(&time).unwrap();
        let text = format!(
            "35={kind}|34={}|49=T4Example|52={time}|56=T4|{header}{body}",
            self.next
        );
        let frame = format!("8=FIX.4.2|9={}|{text}", text.len()).replace('|', "\u{1}");
        let sum = frame.bytes().fold(0_u8, u8::wrapping_add);
        self.socket
            .write_all(format!("{frame}10={sum:03}\u{1}").as_bytes())
            .unwrap();
        self.next += 1;
    }

    fn trader_logon(&mut self, user: &str, password: &str) {
        let body = format!("553={user}|554={password}|109=their own|");
        self.send("UCG", LICENSE, &body);
    }

    /// An order of a trader, or of nobody.
    fn order(&mut self, trader: Option<&str>, id: &str) {
        self.send("D", &by(trader), &format!("11={id}|{ORDER}"));
    }

    /// The next message is of this type and has these fields.
    #[track_caller]
    fn hears(&mut self, kind: &str, fields: &[&str]) -> String {
        let message = loop {
            let trailer = self.received.windows(4).position(|part| part == b"\x0110=");
            if let Some(at) = trailer.filter(|at| self.received.len() >= at + 8) {
                let frame: Vec<u8> = self.received.drain(..at + 8).collect();
                break String::from_utf8(frame).unwrap().replace('\u{1}', "|");
            }
            let mut bytes = [0; 4096];
            let count = self.socket.read(&mut bytes).unwrap();
            assert!(count > 0, "closed before 35={kind}");
            self.received.extend(&bytes[..count]);
        };
        let kind = format!("35={kind}");
        for field in [&kind[..], "50=T4FIX"].iter().chain(fields) {
            assert!(
                message.contains(&format!("|{field}|")),
                "no {field} in {message}"
            );
        }
        message
    }
}

const ORDER: &str = "21=1|55=X|54=1|38=10|40=2|44=5|60=20261125-14:30:00|";

fn by(trader: Option<&str>) -> String {
    trader.map_or_else(String::new, |trader| format!("50={trader}|"))
}

#[test]
fn several_traders_share_a_session_each_with_a_logon_of_its_own() {
    let stage = Stage::new(ACCOUNTS, &[]);
    let mut peer = stage.client(&["D", "UCG"]);
    // Nobody has logged on yet, and the user of the Logon is no trader by that.
    for trader in [None, Some("joe"), Some("desk")] {
        peer.order(trader, "early");
        peer.hears(
            "3",
            &["371=50", "372=D", "373=18", "58=Invalid or missing trader"],
        );
    }
    // A failure does not end the session.
    let failed = "58=Login failed: invalid username or password";
    for (user, password) in [("joe", "wrong"), ("eve", "hush-joe"), ("joe", "hush-ann")] {
        peer.trader_logon(user, password);
        peer.hears(
            "UCG",
            &[&format!("553={user}"), &format!("57={user}"), failed],
        );
    }
    peer.send("UCG", "", "553=joe|554=hush-joe|");
    peer.hears("3", &["371=90", "372=UCG", "373=1"]);
    peer.send("UCG", LICENSE, "554=hush-joe|");
    peer.hears("3", &["371=553", "372=UCG", "373=1"]);
    peer.send("UCG", "91=another|90=7|", "553=joe|554=hush-joe|");
    peer.hears("UCG", &["553=joe", failed]);
    for user in ["joe", "ann"] {
        peer.trader_logon(user, &format!("hush-{user}"));
        let answer = [format!("553={user}"), format!("57={user}")];
        let told = peer.hears("UCG", &[&answer[0], &answer[1], "58=Success"]);
        assert!(!told.contains("|554="), "{told}");
    }
    for trader in ["joe", "ann"] {
        peer.order(Some(trader), "A1");
        let named = format!("57={trader}");
        peer.hears("8", &["11=A1", "39=0", &named]);
        peer.hears("8", &["11=A1", "39=2", &named]);
    }
    peer.send("AE", &by(Some("ann")), "571=T|");
    peer.hears("j", &["372=AE", "380=3", "57=ann"]);
    // One trader leaves, and the other stays.
    peer.send("UCG", "", "553=joe|");
    peer.hears("UCG", &["553=joe", "57=joe", "58=Success"]);
    peer.order(Some("joe"), "A2");
    peer.hears("3", &["371=50", "373=18"]);
    peer.send("UCG", "", "553=joe|");
    peer.hears(
        "UCG",
        &["553=joe", "58=Logout failed: the trader is not logged on"],
    );
    peer.order(Some("ann"), "A3");
    peer.hears("8", &["11=A3", "39=0", "57=ann"]);
    peer.hears("8", &["11=A3", "39=2", "57=ann"]);
    // A Logout is for everybody.
    peer.send("5", "", "");
    peer.hears("5", &["58=Successful logout upon request"]);
    drop(peer);
    let mut peer = stage.client(&["UCG"]);
    peer.order(Some("ann"), "A4");
    peer.hears("3", &["371=50", "373=18"]);
    drop(peer);
    let (journal, said) = stage.kept();
    for part in [
        "|35=UCG|34=5|49=T4Example|",
        "|91=************|90=12|553=joe|554=*****|109=their own|",
        "|553=ann|554=********|",
        "|553=ann|58=Success|",
    ] {
        assert!(journal.contains(part), "no {part} in {journal}");
    }
    for part in [
        "trader joe was refused",
        "trader joe logged on",
        "trader joe logged out",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    for secret in SECRETS {
        assert!(!journal.contains(secret) && !said.contains(secret));
    }
}

#[test]
fn orders_belong_to_a_trader() {
    let stage = Stage::new(ACCOUNTS, &["--fills", "none"]);
    let mut peer = stage.client(&["UCG"]);
    for user in ["joe", "ann"] {
        peer.trader_logon(user, &format!("hush-{user}"));
        peer.hears("UCG", &["58=Success"]);
    }
    peer.order(Some("joe"), "A1");
    peer.hears("8", &["39=0", "57=joe"]);
    // The same ClOrdID(11) is no duplicate with another trader.
    let cancel = "11=A2|41=A1|55=X|54=1|60=20261125-14:30:00|";
    peer.send("F", &by(Some("ann")), cancel);
    peer.hears("9", &["41=A1", "102=1", "57=ann"]);
    peer.order(Some("ann"), "A1");
    peer.hears("8", &["39=0", "57=ann"]);
    peer.send("F", &by(Some("joe")), cancel);
    peer.hears("8", &["39=4", "57=joe"]);
    peer.send("F", &by(Some("ann")), cancel);
    peer.hears("8", &["39=4", "57=ann"]);
}

#[test]
fn without_the_mode_nobody_needs_a_trader() {
    let stage = Stage::new(ACCOUNTS, &[]);
    let mut peer = stage.client(&["D"]);
    peer.order(None, "A1");
    let told = peer.hears("8", &["11=A1", "39=0"]);
    assert!(!told.contains("|57="), "{told}");
    peer.hears("8", &["11=A1", "39=2"]);
    peer.trader_logon("joe", "hush-joe");
    peer.hears("j", &["372=UCG", "380=3"]);
}

#[test]
fn a_venue_without_the_mode_takes_no_traders() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("accounts.toml");
    fs::write(&file, ACCOUNTS).unwrap();
    let file = file.to_str().unwrap();
    run(&["exchange", "--venue", "brokeret", "--accounts", file]).failed(
        1,
        &["account T4Example has traders, and venue brokeret has no logon of their own"],
    );
}

/// A MarketDataRequest(V) for trades and bids of these symbols.
fn data_request(id: &str, symbols: &[&str]) -> String {
    let related: String = symbols.iter().map(|name| format!("55={name}|")).collect();
    let count = symbols.len();
    format!("262={id}|263=0|264=1|267=2|269=2|269=0|146={count}|{related}")
}

#[test]
fn snapshots_and_definitions_are_passed_over_in_a_resend_and_reports_and_rejects_are_not() {
    let stage = Stage::new(ACCOUNTS, &[]);
    let mut peer = stage.client(&["c"]);
    peer.order(None, "A1");
    peer.hears("8", &["34=2", "39=0"]);
    peer.hears("8", &["34=3", "39=2"]);
    // X was traded at 5, Y would be at 100.
    peer.send("V", "", &data_request("R1", &["X", "Y"]));
    let first = peer.hears("W", &["34=4", "262=R1", "55=X", "268=2"]);
    assert!(first.contains("|269=2|270=5|269=0|270=5|"), "{first}");
    peer.hears("W", &["34=5", "262=R1", "55=Y", "268=2", "270=100"]);
    peer.send("c", "", "320=S1|321=0|55=X|");
    peer.hears("d", &["34=6", "320=S1", "323=1", "393=1", "55=X"]);
    peer.send("1", "", "");
    peer.hears("3", &["34=7", "371=112", "373=1"]);
    peer.order(None, "A2");
    peer.hears("8", &["34=8", "39=0"]);
    peer.hears("8", &["34=9", "39=2"]);
    peer.send("2", "", "7=2|16=0|");
    peer.hears("8", &["34=2", "43=Y", "11=A1", "39=0"]);
    peer.hears("8", &["34=3", "43=Y", "11=A1", "39=2"]);
    peer.hears("4", &["34=4", "36=7", "123=Y", "43=Y"]);
    peer.hears("3", &["34=7", "43=Y", "371=112"]);
    peer.hears("8", &["34=8", "43=Y", "11=A2", "39=0"]);
    peer.hears("8", &["34=9", "43=Y", "11=A2", "39=2"]);
    // Nothing else was sent.
    peer.send("1", "", "112=now|");
    peer.hears("0", &["34=10", "112=now"]);
}

#[test]
fn market_data_and_definitions_that_there_are_not_are_told_of() {
    let stage = Stage::new(ACCOUNTS, &[]);
    let mut peer = stage.client(&["c", "UCG"]);
    peer.send("V", "", &data_request("R0", &["X"]));
    peer.hears("3", &["371=50", "372=V", "373=18"]);
    peer.trader_logon("joe", "hush-joe");
    peer.hears("UCG", &["58=Success"]);
    let joe = by(Some("joe"));
    peer.send("V", &joe, &data_request("R1", &["X"]));
    peer.hears("W", &["262=R1", "55=X", "57=joe"]);
    let wrong = [("263=0", "263=7", "281=4"), ("269=2|", "269=J|", "281=8")];
    for (right, wrong, told) in wrong {
        peer.send("V", &joe, &data_request("R2", &["X"]).replace(right, wrong));
        peer.hears("Y", &["262=R2", told, "57=joe"]);
    }
    let lacking = [
        ("262=R3|", "371=262"),
        ("263=0|", "371=263"),
        ("267=2|269=2|269=0|", "371=267"),
        ("146=1|55=X|", "371=146"),
    ];
    for (part, told) in lacking {
        peer.send("V", &joe, &data_request("R3", &["X"]).replace(part, ""));
        peer.hears("3", &["372=V", "373=1", told]);
    }
    // A list of what was traded: nothing yet, then two symbols.
    peer.send("c", &joe, "320=S1|321=3|");
    peer.hears("d", &["320=S1", "323=4", "393=0", "57=joe"]);
    for symbol in ["X", "Y"] {
        let order = format!("11={symbol}|{ORDER}").replace("55=X", &format!("55={symbol}"));
        peer.send("D", &joe, &order);
        peer.hears("8", &["39=0"]);
        peer.hears("8", &["39=2"]);
    }
    peer.send("c", &joe, "320=S2|321=3|");
    peer.hears("d", &["320=S2", "323=4", "393=2", "55=X"]);
    peer.hears("d", &["320=S2", "323=4", "393=2", "55=Y"]);
    peer.send("c", &joe, "320=S3|321=2|");
    peer.hears("d", &["320=S3", "323=5", "393=0"]);
    peer.send("c", &joe, "320=S4|321=1|");
    peer.hears("j", &["372=c", "380=5", "57=joe"]);
    for (body, told) in [("321=0|55=X|", "371=320"), ("320=S5|55=X|", "371=321")] {
        peer.send("c", &joe, body);
        peer.hears("3", &["372=c", "373=1", told]);
    }
    drop(peer);
    // Definitions are for who asked for them.
    let mut peer = stage.client(&[]);
    peer.send("c", "", "320=S6|321=0|55=X|");
    peer.hears("j", &["372=c", "380=3"]);
}

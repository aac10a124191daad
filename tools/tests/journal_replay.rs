//! `pinfix journal replay`, on journals of real runs and on a record that no session of ours would write.
#![allow(clippy::unwrap_used)]

mod command;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use command::{Exchange, Finished, run};
use pinfix::journal::{Journal, JournalConfig, Keeper, Location};
use pinfix::session::{Class, Outbox as _};
use pinfix::time::{TimestampPrecision, Utc};
use pinfix::wire::fix::scan;
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn replay(directory: &Path, more: &[&str]) -> Finished {
    run(&[&["journal", "replay", text(directory)], more].concat())
}

fn now() -> Utc {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Utc(u64::try_from(since.as_nanos()).unwrap())
}

/// A frame of FIX.4.4 with these names, sent at this time, `|` for SOH.
fn frame([sender, target]: [&str; 2], at: Utc, msg_type: &str, seq: u64, fields: &str) -> Vec<u8> {
    let time = at.to_fix(TimestampPrecision::Millis);
    let body = format!("35={msg_type}|34={seq}|49={sender}|52={time}|56={target}|{fields}");
    let body = body.replace('|', "\u{1}");
    let mut frame = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
    let sum = scan::checksum(&frame);
    frame.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    frame
}

/// A peer made by hand, so that it can make mistakes.
struct Peer(TcpStream);

impl Peer {
    fn connect(exchange: &Exchange) -> Self {
        let stream = TcpStream::connect(exchange.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(stream)
    }

    fn says(&mut self, msg_type: &str, seq: u64, fields: &str) {
        self.says_at(now(), msg_type, seq, fields);
    }

    fn says_at(&mut self, at: Utc, msg_type: &str, seq: u64, fields: &str) {
        let frame = frame(["CLIENT", "VENUE"], at, msg_type, seq, fields);
        self.0.write_all(&frame).unwrap();
    }

    /// Waits for a frame with this in it.
    fn hears(&mut self, part: &str) {
        let part = part.replace('|', "\u{1}");
        let mut heard = String::new();
        let mut byte = [0];
        while !(heard.contains(&part) && heard.ends_with('\u{1}')) {
            let count = self.0.read(&mut byte).unwrap();
            assert_eq!(count, 1, "no {part:?} in {heard:?}");
            heard.push(char::from(byte[0]));
        }
    }
}

const ORDER: &str = "11=A|55=X|54=1|38=10|40=2|44=5|60=20261125-14:30:00|";

/// The journal of an exchange whose peer did a bit of everything.
fn eventful() -> (TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&["--journal", text(base.path())]);
    let mut peer = Peer::connect(&exchange);
    peer.says("A", 1, "98=0|108=30|");
    peer.hears("|35=A|");
    peer.says("D", 2, ORDER);
    peer.hears("|35=8|34=3|");
    peer.says("1", 3, "112=are you there|");
    peer.hears("|112=are you there|");
    // A gap: what is behind it waits.
    peer.says("D", 6, ORDER);
    peer.hears("|35=2|");
    peer.says("D", 7, ORDER);
    peer.says("4", 4, "43=Y|122=20260105-14:30:00|123=Y|36=6|");
    peer.hears("|34=6|");
    peer.says("D", 6, &format!("43=Y|122=20260105-14:30:00|{ORDER}"));
    // All of ours again.
    peer.says("2", 8, "7=1|16=0|");
    peer.hears("|43=Y|");
    // The venue does not know it; an order without a Symbol(55); a Reject.
    peer.says("AE", 9, "571=T|");
    peer.hears("|35=j|");
    peer.says("D", 10, "11=B|54=1|38=10|40=2|44=5|");
    peer.hears("|35=3|");
    peer.says("5", 11, "");
    peer.hears("|35=5|");
    drop(peer);
    // Later again, and cut off.
    let mut peer = Peer::connect(&exchange);
    peer.says("A", 12, "98=0|108=30|");
    peer.hears("|35=A|");
    drop(peer);
    // And from the beginning.
    let mut peer = Peer::connect(&exchange);
    peer.says("A", 1, "98=0|108=30|141=Y|");
    peer.hears("|141=Y|");
    peer.says("D", 2, ORDER);
    peer.hears("|35=8|34=3|");
    peer.says("1", 2, "112=too low|");
    peer.hears("|35=5|");
    drop(peer);
    exchange.interrupt();
    exchange.wait().ok();
    let journal = std::fs::read_dir(base.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    (base, journal)
}

#[test]
fn a_session_of_today_does_what_it_did() {
    let (_base, journal) = eventful();
    let found = replay(&journal, &[]).ok();
    for part in [
        "# FIX.4.4:VENUE->CLIENT",
        "FIX.4.4, acceptor, heartbeat 30 s",
        "15 messages, 3 logons",
        "1 BusinessMessageReject",
        "1 Heartbeat",
        "3 Logon",
        "1 Reject",
        "1 ResendRequest",
        "application messages",
        "2 verdicts of the application",
        "  the same",
    ] {
        assert!(found.out.contains(part), "no {part:?} in\n{}", found.out);
    }
    let again = found
        .out
        .lines()
        .find(|line| line.contains("reproduced"))
        .unwrap();
    assert!(
        again.contains("sent again") && again.contains("SequenceReset"),
        "{again}"
    );
}

#[test]
fn both_sides_of_a_run_are_the_same_over_several_connections() {
    let base = tempfile::tempdir().unwrap();
    for version in ["FIX.4.2", "FIX.4.4", "FIX.5.0SP2"] {
        let directory = base.path().join(version);
        for _ in 0..2 {
            run(&[
                "latency",
                "--cores",
                "0,0",
                "--messages",
                "20",
                "--warm-up",
                "2",
                "--version",
                version,
                "--journal",
                text(&directory),
            ])
            .ok();
        }
        let found = replay(&directory, &[]).ok();
        assert_eq!(found.out.matches("  the same").count(), 2, "{}", found.out);
        assert_eq!(found.out.matches(", 2 logons").count(), 2, "{}", found.out);
        assert_eq!(
            found.out.matches(&format!("{version}, ")).count(),
            2,
            "{}",
            found.out
        );
    }
}

/// A journal made up record by record.
struct Made {
    directory: TempDir,
    _keeper: Keeper,
    journal: Journal,
    at: Utc,
}

impl Made {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::inline();
        let config = JournalConfig {
            location: Location::Directory(directory.path().to_path_buf()),
            identity: "FIX.4.4:US->THEM".to_owned(),
            ..JournalConfig::default()
        };
        let at = now();
        let (journal, _) = Journal::open(config, &keeper, at).unwrap();
        Self {
            directory,
            _keeper: keeper,
            journal,
            at,
        }
    }

    fn received(&mut self, msg_type: &str, seq: u64, fields: &str) {
        self.received_of(self.at, msg_type, seq, fields);
    }

    /// With a SendingTime(52) of its own.
    fn received_of(&mut self, sent: Utc, msg_type: &str, seq: u64, fields: &str) {
        let frame = frame(["THEM", "US"], sent, msg_type, seq, fields);
        self.journal
            .keep_inbound(seq, &frame, &[], true, self.at)
            .unwrap();
    }

    fn sent(&mut self, msg_type: &str, fields: &str) {
        let frame = frame(
            ["US", "THEM"],
            self.at,
            msg_type,
            self.journal.next_out(),
            fields,
        );
        let is_admin = ["0", "1", "2", "3", "5", "A"].contains(&msg_type);
        let class = if is_admin {
            Class::Control
        } else {
            Class::Application
        };
        self.journal
            .claim(class, frame.len())
            .unwrap()
            .copy_from_slice(&frame);
        self.journal
            .commit(0..frame.len(), is_admin, false, self.at);
    }

    /// A logon of an acceptor.
    fn logged_on() -> Self {
        let mut made = Self::new();
        made.received("A", 1, "98=0|108=30|");
        made.sent("A", "98=0|108=30|");
        made
    }

    fn replay(&self, more: &[&str]) -> Finished {
        replay(self.directory.path(), more)
    }

    /// It ends at a difference that is told with all of this.
    #[track_caller]
    fn differs(&self, says: &[&str]) {
        let found = self.replay(&[]);
        assert_eq!(found.code, Some(1), "{found:?}");
        for part in ["DIFFERENT", "was not compared"].iter().chain(says) {
            assert!(found.out.contains(part), "no {part:?} in\n{}", found.out);
        }
    }
}

#[test]
fn every_way_to_differ_is_shown() {
    let mut wrong = Made::logged_on();
    wrong.received("1", 2, "112=ping|");
    wrong.sent("0", "112=pong|");
    wrong.differs(&[
        "after MsgSeqNum 2",
        "tag 112: \"pong\" recorded, \"ping\" replayed",
    ]);

    let mut missing = Made::logged_on();
    missing.received("1", 2, "112=ping|");
    missing.received("0", 3, "");
    missing.differs(&["recorded  nothing", "|112=ping|"]);

    let mut too_much = Made::logged_on();
    too_much.received("0", 2, "");
    too_much.sent("3", "45=2|58=why|");
    too_much.differs(&["|58=why|", "replayed  nothing"]);

    let mut another = Made::logged_on();
    another.received("1", 2, "112=ping|");
    another.sent("2", "7=2|16=0|");
    another.differs(&["tag 35: \"2\" recorded, \"0\" replayed"]);
}

#[test]
fn what_a_clock_or_somebody_did_is_taken_from_the_record() {
    let mut made = Made::logged_on();
    made.sent("0", "");
    made.sent("D", "11=A|554=hunter2|");
    made.sent("1", "112=5|");
    made.received("0", 2, "112=5|");
    made.sent("5", "58=for the night|");
    made.received("5", 3, "");
    let found = made.replay(&[]).ok();
    for part in [
        "1 application messages",
        "1 heartbeats of the clock",
        "1 test requests",
        "1 Logouts that were asked for",
        "  the same",
    ] {
        assert!(found.out.contains(part), "no {part:?} in\n{}", found.out);
    }
    assert!(!found.out.contains("hunter2"));
}

#[test]
fn settings_are_taken_from_the_journal_and_from_flags() {
    let mut made = Made::logged_on();
    let long_ago = Utc(made.at.0 - 600_000_000_000);
    made.received_of(long_ago, "0", 2, "");
    made.sent(
        "3",
        "45=2|58=SendingTime accuracy problem|371=52|372=0|373=10|",
    );
    made.sent("5", "58=SendingTime accuracy problem|");
    made.replay(&[]).ok();
    let off = made.replay(&["--sending-time-window", "off"]);
    assert_eq!(off.code, Some(1), "{off:?}");
    assert!(off.out.contains("sending-time-window off"), "{}", off.out);
    assert!(off.out.contains("replayed  nothing"), "{}", off.out);
    made.replay(&["--sending-time-window", "0"])
        .failed(2, &["--sending-time-window", "off"]);
    made.replay(&["--version", "FIX.9"])
        .failed(2, &["FIX.9", "FIX.4.4"]);
    made.replay(&["--heartbeat", "x"])
        .failed(2, &["--heartbeat"]);
}

#[test]
fn a_journal_that_cannot_be_replayed_says_why() {
    let empty = tempfile::tempdir().unwrap();
    replay(empty.path(), &[]).failed(1, &["0000000001.journal"]);
    replay(Path::new("/nonexistent"), &[]).failed(1, &["/nonexistent", "No such file"]);
    let silent = Made::new();
    silent.replay(&[]).failed(1, &["holds no messages"]);
    let mut no_logon = Made::new();
    no_logon.sent("D", "11=A|");
    no_logon.replay(&[]).failed(1, &["no Logon", "--role"]);
    let passed_over = no_logon.replay(&["--role", "initiator"]).ok();
    assert!(
        passed_over.out.contains("no received messages"),
        "{}",
        passed_over.out
    );

    let mut damaged = Made::logged_on();
    damaged.received("1", 2, "112=ping|");
    damaged.sent("0", "112=ping|");
    let file = damaged.directory.path().join("0000000001.journal");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes
        .windows(8)
        .position(|part| part == b"112=ping")
        .unwrap();
    bytes[at + 5] ^= 1;
    drop(damaged.journal);
    std::fs::write(&file, bytes).unwrap();
    let found = replay(damaged.directory.path(), &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found.out.contains("CUT SHORT") && found.out.contains("unreadable"),
        "{}",
        found.out
    );
}

/// Each choice shows in the words of the settings and in what comes of it.
#[test]
fn every_choice_of_a_replay_counts() {
    let (_base, journal) = eventful();
    let stated = replay(
        &journal,
        &[
            "--version",
            "FIX.4.4",
            "--role",
            "acceptor",
            "--heartbeat",
            "45",
            "--sending-time-window",
            "60.5",
            "--at-logon",
            "continue",
            "--at-end",
            "continue",
            "--parked-max",
            "2",
        ],
    );
    // What the journal shows anyway, and numbers that change nothing: an acceptor takes the peer's.
    let stated = stated.ok().out;
    let words = "FIX.4.4, acceptor, heartbeat 45 s, sending-time-window 60.5 s, at-logon continue, \
                 at-end continue";
    assert!(
        stated.contains(words) && stated.contains("the same"),
        "{stated}"
    );
    for (choice, words) in [
        (["--at-logon", "restart"], "at-logon restart"),
        (["--at-end", "restart-always"], "at-end restart-always"),
        (
            ["--at-end", "restart-after-logout"],
            "at-end restart-after-logout",
        ),
        // Two messages waited behind the gap.
        (["--parked-max", "1"], ""),
        (["--role", "initiator"], "initiator"),
    ] {
        let found = replay(&journal, &choice);
        assert_eq!(found.code, Some(1), "{choice:?}: {found:?}");
        assert!(found.out.contains(words), "{choice:?}: {}", found.out);
        let tells = found.out.contains("DIFFERENT") || found.out.contains("CUT SHORT");
        assert!(tells, "{choice:?}: {}", found.out);
    }
    replay(&journal, &["--version", "FIX.4.2"]).failed(1, &["FIX.4"]);
    for wrong in [
        ["--at-logon", "sometimes"],
        ["--at-end", "never"],
        ["--parked-max", "many"],
        ["--role", "peer"],
    ] {
        replay(&journal, &wrong).failed(2, &wrong);
    }
}

/// An initiator that asks for new numbers: what its Logons say and what is expected of them.
#[test]
fn a_replay_of_an_initiator_asks_for_a_reset_if_that_is_chosen() {
    let mut made = Made::new();
    made.sent("A", "98=0|108=20|141=Y|");
    made.received("A", 1, "98=0|108=20|141=Y|");
    made.received("1", 2, "112=ping|");
    made.sent("0", "112=ping|");
    let found = made.replay(&[]).ok().out;
    assert!(found.contains("initiator, heartbeat 20 s"), "{found}");
    assert!(found.contains("at-logon ask-reset-at-one,"), "{found}");
    // Its numbers were at 1, so always to ask comes to the same.
    let always = made.replay(&["--at-logon", "ask-reset"]).ok().out;
    assert!(always.contains("at-logon ask-reset,"), "{always}");
    for choice in [["--at-logon", "continue"], ["--heartbeat", "45"]] {
        let found = made.replay(&choice);
        assert_eq!(found.code, Some(1), "{choice:?}: {found:?}");
        assert!(found.out.contains("DIFFERENT"), "{choice:?}: {}", found.out);
    }
}

//! `pinfix journal grep`, `follow` and `export`, on journals written here, also while they are written.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use command::{pinfix, run};
use pinfix::journal::{Journal, JournalConfig, Keeper, Location, Retention};
use pinfix::session::{Class, Outbox as _};
use pinfix::time::Utc;
use serde_json::{Value, json};
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;

/// 2026-11-25 14:30:00.
const AT: Utc = Utc(1_795_617_000 * SECOND);

/// A journal that is open, as an engine has it.
struct Writer {
    _keeper: Keeper,
    journal: Journal,
    /// Of the next record.
    at: Utc,
}

impl Writer {
    /// In a directory of this name below `base`, with the smallest segments there are.
    fn open(base: &Path, name: &str, retention: Retention) -> (Self, PathBuf) {
        let directory = base.join(name);
        let config = JournalConfig {
            location: Location::Directory(directory.clone()),
            identity: format!("FIX.4.4:{name}"),
            first_segment_bytes: 16 * 1024,
            max_segment_bytes: 16 * 1024,
            control_reserve_bytes: 1024,
            retention,
            ..JournalConfig::default()
        };
        let keeper = Keeper::inline();
        let (journal, _) = Journal::open(config, &keeper, AT).unwrap();
        let writer = Self {
            _keeper: keeper,
            journal,
            at: AT,
        };
        (writer, directory)
    }

    /// Fields between MsgSeqNum(34) and CheckSum(10), with | for SOH. The journal does not look inside.
    fn frame(&self, msg_type: &str, seq: u64, fields: &str) -> Vec<u8> {
        format!("8=FIX.4.4|9=000|35={msg_type}|34={seq}|{fields}|10=000|")
            .replace('|', "\u{1}")
            .into_bytes()
    }

    fn tick(&mut self) {
        self.at = Utc(self.at.0 + SECOND);
    }

    fn send(&mut self, msg_type: &str, fields: &str) {
        let frame = self.frame(msg_type, self.journal.next_out(), fields);
        self.send_bytes(&frame);
    }

    fn send_bytes(&mut self, frame: &[u8]) {
        // A segment is prepared by the inline keeper as soon as the journal is polled.
        self.journal.poll();
        let room = self.journal.claim(Class::Application, frame.len());
        let room = room.unwrap();
        room.copy_from_slice(frame);
        self.journal.commit(0..frame.len(), false, false, self.at);
        let unsent = self.journal.unsent_len();
        self.journal.mark_sent(unsent);
        self.tick();
    }

    fn receive(&mut self, msg_type: &str, seq: u64, fields: &str) {
        let frame = self.frame(msg_type, seq, fields);
        self.journal
            .keep_inbound(seq, &frame, &[], true, self.at)
            .unwrap();
        self.tick();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two sessions that wrote a little; of the first one the password is in the clear, as no journal of
/// ours has it.
fn two() -> (TempDir, Writer, Writer) {
    let base = tempfile::tempdir().unwrap();
    let (mut first, _) = Writer::open(base.path(), "A->B", Retention::default());
    first.send("A", "553=joe|554=hunter2|95=3|96=x\u{1}y|108=30");
    first.receive("A", 1, "108=30");
    first.send("D", "11=ORDER1|55=EURUSD|54=1|58=a limit order");
    first.receive("8", 2, "11=ORDER1|37=X1|453=2|448=DESK|448=TRADER");
    first.send("D", "11=ORDER12|55=EURUSD|54=2");
    let (mut second, _) = Writer::open(base.path(), "C->D", Retention::default());
    second.send("D", "11=ORDER1|55=GBPUSD|54=1");
    (base, first, second)
}

fn grep(base: &TempDir, arguments: &[&str]) -> Vec<String> {
    let found = run(&[&["journal", "grep", text(base.path())], arguments].concat()).ok();
    found.out.lines().map(str::to_owned).collect()
}

#[test]
fn messages_are_found_by_their_fields_in_every_session() {
    let (base, _first, _second) = two();
    let found = grep(&base, &["11=ORDER1"]);
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(
        (&*found[0], &*found[3], &*found[4]),
        ("# FIX.4.4:A->B", "", "# FIX.4.4:C->D")
    );
    assert!(found[1].contains("  out ") && found[1].contains("|35=D|34=2|11=ORDER1|"));
    assert!(found[2].contains("  in ") && found[2].contains("|35=8|"));
    let count = |arguments: &[&str]| {
        let lines = grep(&base, arguments);
        lines.iter().filter(|line| line.contains("8=FIX")).count()
    };
    assert_eq!(count(&["11~ORDER1"]), 4);
    assert_eq!(count(&["11~ORDER1", "54=1"]), 2, "all of them");
    assert_eq!(count(&["448=TRADER"]), 1, "the second of a group");
    assert_eq!(count(&["58~limit"]), 1);
    assert_eq!(count(&["11=ORDER1", "--type", "8"]), 1);
    assert_eq!(count(&["11=ORDER1", "--direction", "in"]), 1);
    assert_eq!(count(&["11~", "--from", "14:30:04"]), 1);
    assert_eq!(count(&["34=1", "35=A", "--seq", "1"]), 2);

    let none = run(&["journal", "grep", text(base.path()), "11=OTHER"]);
    assert_eq!((none.code, &*none.out, &*none.err), (Some(1), "", ""));
}

#[test]
fn no_tool_shows_or_looks_into_a_secret() {
    let (base, _first, _second) = two();
    let base = text(base.path());
    for arguments in [
        &["journal", "print", base][..],
        &["journal", "grep", base, "553=joe"],
        &["journal", "export", base, "--format", "json"],
        &["journal", "export", base, "--format", "fix"],
        &[
            "journal",
            "export",
            base,
            "--format",
            "fix",
            "--delimiter",
            "pipe",
        ],
    ] {
        let out = run(arguments).ok().out;
        assert!(
            out.contains("joe") && out.contains("*******"),
            "{arguments:?}: {out}"
        );
        assert!(
            !out.contains("hunter2") && !out.contains("x\u{1}y"),
            "{arguments:?}: {out}"
        );
        assert!(!out.contains("x\\u0001y"), "{arguments:?}: {out}");
    }
    for term in ["554=hunter2", "554~h", "96~x"] {
        let refused = run(&["journal", "grep", base, term]).failed(2, &["secret", "tag"]);
        assert!(!refused.out.contains("joe"));
    }
}

#[test]
fn records_are_exported_as_json_lines_with_every_field_in_its_place() {
    let (base, mut first, _second) = two();
    first.send_bytes(b"8=FIX.4.4\x019=000\x0135=B\x0134=4\x01354=2\x01355=\xff\x00\x0110=000\x01");
    let exported = run(&["journal", "export", text(base.path()), "--format", "json"]).ok();
    let lines: Vec<Value> = exported
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 9);
    assert_eq!(
        lines[0],
        json!({
            "session": "FIX.4.4:A->B", "direction": "reset", "at": "2026-11-25T14:30:00.000000000Z",
            "series": 1, "next_out": 1, "next_in": 1, "cause": "the journal is new",
        })
    );
    assert_eq!(
        lines[1]["fields"],
        json!([
            [8, "FIX.4.4"],
            [9, "000"],
            [35, "A"],
            [34, "1"],
            [553, "joe"],
            [554, "*******"],
            [95, "3"],
            [96, "***"],
            [108, "30"],
            [10, "000"],
        ])
    );
    assert_eq!(
        lines[4],
        json!({
            "session": "FIX.4.4:A->B", "direction": "in", "seq": 2, "type": "8",
            "at": "2026-11-25T14:30:03.000000000Z",
            "fields": [
                [8, "FIX.4.4"], [9, "000"], [35, "8"], [34, "2"], [11, "ORDER1"], [37, "X1"],
                [453, "2"], [448, "DESK"], [448, "TRADER"], [10, "000"],
            ],
        })
    );
    assert_eq!(lines[6]["fields"][5], json!([355, { "hex": "ff00" }]));
    assert_eq!(lines[8]["session"], "FIX.4.4:C->D");
}

#[test]
fn records_are_exported_as_the_bytes_of_the_wire() {
    let (base, first, _second) = two();
    let arguments = [
        "journal",
        "export",
        text(base.path()),
        "--format",
        "fix",
        "--type",
        "D",
    ];
    let exported = run(&arguments).ok().out;
    let frames: Vec<&str> = exported.lines().collect();
    assert_eq!(frames.len(), 3);
    let sent = first.frame("D", 2, "11=ORDER1|55=EURUSD|54=1|58=a limit order");
    assert_eq!(frames[0].as_bytes(), sent);
    let piped = run(&[&arguments[..], &["--delimiter", "pipe"]].concat())
        .ok()
        .out;
    assert_eq!(piped, exported.replace('\u{1}', "|"));
}

#[test]
fn an_export_of_a_damaged_journal_has_the_rest_and_says_so() {
    let (base, first, _second) = two();
    drop(first);
    let file = base.path().join("A->B/0000000001.journal");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(9)
        .position(|part| part == b"11=ORDER1")
        .unwrap();
    bytes[at + 3] ^= 1;
    fs::write(&file, bytes).unwrap();
    let exported = run(&["journal", "export", text(base.path()), "--format", "fix"])
        .failed(1, &["FIX.4.4:A->B: unreadable", "0000000001.journal"]);
    assert_eq!(exported.out.lines().count(), 5);
    let found = run(&["journal", "grep", text(base.path()), "11~RDER"]).ok();
    assert!(found.err.contains("unreadable"), "{}", found.err);
}

/// A running `pinfix journal follow`; killed when it is dropped.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(base: &Path, arguments: &[&str]) -> Self {
        let mut child = pinfix(&[&["journal", "follow", text(base)], arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(20))
            .expect("a line")
    }

    /// The next line is a message with this in it.
    #[track_caller]
    fn sees(&self, part: &str) {
        let line = self.next();
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// More than eight segments, at most half a segment between two looks.
fn in_bursts(writer: &mut Writer, follower: &Follower) {
    for burst in 0..20 {
        for n in 0..20 {
            writer.send("D", &format!("11=N{burst}.{n}|58={}", "x".repeat(300)));
        }
        for n in 0..20 {
            follower.sees(&format!("|11=N{burst}.{n}|"));
        }
    }
}

#[test]
fn following_shows_records_segments_and_sessions_as_they_come() {
    let (base, mut first, _second) = two();
    let follower = Follower::start(base.path(), &["--last", "1"]);
    follower.sees("# FIX.4.4:A->B");
    follower.sees("|11=ORDER12|");
    follower.sees("# FIX.4.4:C->D");
    follower.sees("|11=ORDER1|55=GBPUSD|");
    first.send("D", "11=LIVE");
    follower.sees("# FIX.4.4:A->B");
    follower.sees("|11=LIVE|");

    in_bursts(&mut first, &follower);
    let segments = fs::read_dir(base.path().join("A->B"))
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|end| end == "journal")
        })
        .count();
    assert!(segments > 3, "{segments}");

    let (mut third, _) = Writer::open(base.path(), "E->F", Retention::default());
    follower.sees("# FIX.4.4:E->F");
    follower.sees("series 1 begins");
    third.send("D", "11=NEW");
    follower.sees("|11=NEW|");
}

#[test]
fn following_survives_that_old_segments_are_deleted() {
    let base = tempfile::tempdir().unwrap();
    let retention = Retention {
        age: None,
        bytes: Some(40_000),
    };
    let (mut writer, directory) = Writer::open(base.path(), "A->B", retention);
    writer.send("D", "11=FIRST");
    let follower = Follower::start(base.path(), &["--last", "1"]);
    follower.sees("# FIX.4.4:A->B");
    follower.sees("|11=FIRST|");
    in_bursts(&mut writer, &follower);
    assert!(
        !directory.join("0000000001.journal").exists(),
        "it was deleted"
    );
    writer.send("D", "11=LAST");
    follower.sees("|11=LAST|");
}

#[test]
fn following_chooses_by_time_type_and_fields() {
    let (base, mut first, _second) = two();
    let since = Follower::start(base.path(), &["--since", "14:30:03"]);
    since.sees("# FIX.4.4:A->B");
    since.sees("|35=8|");
    since.sees("|11=ORDER12|");
    // Each begins with something that is there, so that it is known to have begun.
    let chosen = Follower::start(base.path(), &["11~ORDER", "--type", "D", "--last", "1"]);
    chosen.sees("# FIX.4.4:A->B");
    chosen.sees("|11=ORDER12|");
    chosen.sees("# FIX.4.4:C->D");
    chosen.sees("|11=ORDER1|55=GBPUSD|");
    let inbound = Follower::start(base.path(), &["--last", "1", "--direction", "in"]);
    inbound.sees("# FIX.4.4:A->B");
    inbound.sees("|35=8|");
    for n in 1..=2 {
        first.send("D", &format!("11=OTHER{n}"));
        first.receive("8", 10 + n, &format!("11=ORDER{n}"));
        first.send("D", &format!("11=AORDER{n}"));
    }
    chosen.sees("# FIX.4.4:A->B");
    for n in 1..=2 {
        chosen.sees(&format!("|11=AORDER{n}|"));
        inbound.sees(&format!("|35=8|34={}|11=ORDER{n}|", 10 + n));
        since.sees(&format!("|11=OTHER{n}|"));
        since.sees(&format!("|11=ORDER{n}|"));
        since.sees(&format!("|11=AORDER{n}|"));
    }
}

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let empty = tempfile::tempdir().unwrap();
    let empty = text(empty.path());
    for more in [&["grep"][..], &["follow"], &["export", "--format", "json"]] {
        let arguments = |directory| {
            let term: &[&str] = if more[0] == "grep" { &["11=x"] } else { &[] };
            [&["journal", more[0], directory], term, &more[1..]].concat()
        };
        run(&arguments(empty)).failed(1, &[empty, "0000000001.journal"]);
        run(&arguments("/nonexistent")).failed(1, &["/nonexistent", "No such file"]);
    }
    run(&["journal", "grep", empty]).failed(2, &["TAG=VALUE"]);
    run(&["journal", "grep", empty, "ClOrdID"]).failed(2, &["ClOrdID", "11=ORDER7"]);
    run(&["journal", "export", empty]).failed(2, &["--format"]);
    run(&["journal", "export", empty, "--format", "xml"]).failed(2, &["xml", "json"]);
    run(&["journal", "follow", empty, "--since", "9", "--last", "1"]).failed(2, &["--since"]);
    // A foreign file where a segment should be.
    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("0000000001.journal"), "something else").unwrap();
    run(&["journal", "export", text(foreign.path()), "--format", "fix"])
        .failed(1, &["unreadable", "0000000001.journal"]);
}

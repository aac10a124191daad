//! The journal tools, on the journals of a run, also damaged ones.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use command::{Exchange, interrupt, pinfix, run};
use tempfile::TempDir;

/// The journals of both sides of a short run: the directory that holds them, and the client's.
fn journals(messages: &str) -> (TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    run(&[
        "latency",
        "--cores",
        "0,0",
        "--messages",
        messages,
        "--warm-up",
        "10",
        "--journal",
        text(base.path()),
    ])
    .ok();
    let client = fs::read_dir(base.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| text(path).contains("CLIENT-VENUE"))
        .unwrap();
    (base, client)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn lines(arguments: &[&str]) -> Vec<String> {
    let out = run(&[&["journal", "print"], arguments].concat()).ok().out;
    out.lines().map(str::to_owned).collect()
}

#[test]
fn messages_are_printed_and_chosen_by_type_number_direction_and_time() {
    let (base, client) = journals("40");
    let client = text(&client);
    let all = lines(&[client]);
    assert_eq!(all[0], "# FIX.4.4:CLIENT->VENUE");
    assert!(
        all[1].contains("  reset ") && all[1].contains("series 1 begins"),
        "{}",
        all[1]
    );
    assert!(
        all[2].contains("  out ") && all[2].contains("|35=A|"),
        "{}",
        all[2]
    );
    assert!(
        all[3].contains("  in ") && all[3].contains("|35=A|"),
        "{}",
        all[3]
    );
    // Date, time, and nine digits of its fraction.
    let time = all[2].split(' ').next().unwrap();
    assert_eq!(time.len(), "20261123-14:30:02.123456789".len());

    let orders = lines(&[client, "--type", "D"]);
    let both = lines(&[client, "--type", "D,8"]);
    assert_eq!(both.len() - 1, 2 * (orders.len() - 1));
    assert!(orders[1..].iter().all(|line| line.contains("|35=D|")));
    let third = lines(&[client, "--seq", "3", "--direction", "out"]);
    assert_eq!(third.len(), 2);
    assert!(third[1].contains("|34=3|49=CLIENT|"), "{}", third[1]);
    assert_eq!(lines(&[client, "--seq", "3..5"]).len(), 1 + 6);
    assert_eq!(lines(&[client, "--direction", "reset"]).len(), 2);

    // The very nanosecond of one record, with and without its date.
    let at = third[1].split(' ').next().unwrap();
    for at in [at, at.split_once('-').unwrap().1] {
        let found = lines(&[client, "--from", at, "--to", at]);
        assert!(found.contains(&third[1]), "{found:?}");
        assert!(found.len() < 6, "{found:?}");
    }
    assert_eq!(lines(&[client, "--to", "2020-01-01T00:00:00Z"]).len(), 1);

    // A directory of several: each in turn.
    let heads: Vec<_> = lines(&[text(base.path())])
        .into_iter()
        .filter(|line| line.starts_with('#'))
        .collect();
    assert_eq!(
        heads,
        ["# FIX.4.4:CLIENT->VENUE", "# FIX.4.4:VENUE->CLIENT"]
    );
}

#[test]
fn totals_agree_with_what_was_sent() {
    let (base, client) = journals("40");
    let orders = lines(&[text(&client), "--type", "D"]).len() - 1;
    let out = run(&["journal", "stat", text(base.path())]).ok().out;
    // Logon and Logout are session-level.
    let sent = format!("sent        {orders} application, 2 session-level, 0 sent again");
    assert_eq!(out.matches(&sent).count(), 2, "{out}");
    let numbers = format!("out 1..{0}, in 1..{0}, in series 1", orders + 2);
    assert_eq!(out.matches(&numbers).count(), 2, "{out}");
    assert!(out.contains("FIX.4.4:VENUE->CLIENT"), "{out}");
}

#[test]
fn a_damaged_record_is_found_with_its_place_and_the_rest_is_still_printed() {
    let (base, client) = journals("40");
    let out = run(&["journal", "verify", text(base.path())]).ok().out;
    assert_eq!(out.matches(": sound, ").count(), 2, "{out}");

    let sound = lines(&[text(&client), "--type", "D"]).len();
    let file = client.join("0000000001.journal");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(6)
        .position(|part| part == b"\x0135=D\x01")
        .unwrap();
    bytes[at + 20] ^= 1;
    fs::write(&file, bytes).unwrap();

    let verified = run(&["journal", "verify", text(base.path())]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.out.contains("CLIENT->VENUE: DAMAGED"),
        "{}",
        verified.out
    );
    assert!(
        verified.out.contains("VENUE->CLIENT: sound"),
        "{}",
        verified.out
    );
    let named = format!("{}: ", text(&file));
    assert!(
        verified.out.contains(&named) && verified.out.contains("at offset"),
        "{}",
        verified.out
    );

    let printed = lines(&[text(&client), "--type", "D"]);
    let unreadable = printed
        .iter()
        .filter(|line| line.starts_with("# unreadable: "))
        .count();
    assert_eq!(
        (unreadable, printed.len()),
        (1, sound),
        "one order less, one remark more"
    );
    assert!(
        run(&["journal", "stat", text(&client)])
            .ok()
            .out
            .contains("UNREADABLE  1")
    );

    // A file that is no segment at all.
    fs::write(&file, b"something else entirely").unwrap();
    assert_eq!(run(&["journal", "verify", text(&client)]).code, Some(1));
    run(&["journal", "print", text(&client)]).ok();
}

#[test]
fn a_journal_can_be_read_while_an_exchange_writes_to_it() {
    let base = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&["--journal", text(base.path())]);
    let address = exchange.address.to_string();
    let mut client = pinfix(&[
        "latency",
        "--connect",
        &address,
        "--messages",
        "100000000",
        "--warm-up",
        "1",
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let mut looks = 0;
    let mut last = 0;
    while looks < 5 {
        assert!(Instant::now() < end, "nothing is written");
        let found = run(&["journal", "print", text(base.path()), "--type", "D"]);
        let orders = found.out.matches("|35=D|").count();
        if orders > last {
            last = orders;
            looks += 1;
            assert!(!found.out.contains("unreadable"), "{}", found.out);
            run(&["journal", "verify", text(base.path())]).ok();
            run(&["journal", "stat", text(base.path())]).ok();
        }
    }
    // It removes its own journals then.
    interrupt(&client);
    assert_eq!(client.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // More than fits into a pipe.
    let (_base, client) = journals("400");
    let mut child = pinfix(&["journal", "print", text(&client)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    // The reader goes away with the rest unread.
    BufReader::with_capacity(16, child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.starts_with("# FIX.4.4"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let empty = tempfile::tempdir().unwrap();
    let empty = text(empty.path());
    for command in ["print", "verify", "stat"] {
        run(&["journal", command, empty]).failed(1, &[empty, "0000000001.journal"]);
        run(&["journal", command, "/nonexistent"]).failed(1, &["/nonexistent", "No such file"]);
        run(&["journal", command]).failed(2, &["<DIR>"]);
    }
    run(&["journal", "print", empty, "--from", "25:00"]).failed(2, &["--from", "25:00", "14:30"]);
    run(&["journal", "print", empty, "--seq", "9..1"]).failed(2, &["--seq", "9..1"]);
    run(&["journal", "print", empty, "--direction", "up"]).failed(2, &["up", "replay"]);
    run(&[
        "journal", "print", empty, "--from", "12:00", "--to", "11:00",
    ])
    .failed(1, &["--from is later than --to"]);
}

#[test]
fn series_are_shown_with_their_uuids() {
    use pinfix::journal::{Journal, JournalConfig, Keeper, Location};
    use pinfix::session::{Class, Outbox as _, ResetCause, SeriesOutbox as _};
    use pinfix::time::Utc;
    let base = tempfile::tempdir().unwrap();
    let config = JournalConfig {
        location: Location::Directory(base.path().join("fixp")),
        identity: "FIXP:ABC-007->EXCHANGE".to_owned(),
        ..JournalConfig::default()
    };
    let at = Utc(1_767_600_000_000_000_000);
    let (mut journal, _) = Journal::open(config, &Keeper::inline(), at).unwrap();
    for uuid in [1_767_600_000_000_000, 1_767_600_000_000_777] {
        journal
            .begin_series(uuid, ResetCause::Negotiated, at)
            .unwrap();
        journal.claim(Class::Control, 3).unwrap().fill(b'x');
        journal.commit_unnumbered(0..3, at);
    }
    journal.set_next_in_of(1_767_600_000_000_000, 9).unwrap();
    drop(journal);
    let directory = text(base.path());
    let all = lines(&[directory]);
    assert_eq!(all[0], "# FIXP:ABC-007->EXCHANGE");
    let said = |line: &String, words: &[&str]| words.iter().all(|word| line.contains(word));
    let begins = "begins, next out 1, next in 1: a new UUID was negotiated";
    assert!(
        said(&all[3], &["series 2 of UUID 1767600000000000 ", begins]),
        "{}",
        all[3]
    );
    assert!(
        said(&all[5], &["series 3 of UUID 1767600000000777 ", begins]),
        "{}",
        all[5]
    );
    let fetched = "next in 9 of the earlier UUID 1767600000000000";
    assert!(said(&all[7], &["  note ", fetched]), "{}", all[7]);
    assert_eq!(lines(&[directory, "--direction", "out"]).len(), 1 + 2);
    let stat = run(&["journal", "stat", directory]).ok().out;
    assert!(
        stat.contains("in series 3 of UUID 1767600000000777"),
        "{stat}"
    );
    let json = run(&["journal", "export", directory, "--format", "json"])
        .ok()
        .out;
    assert!(json.contains("\"id\":1767600000000777"), "{json}");
    assert!(json.contains(fetched), "{json}");
    run(&["journal", "verify", directory]).ok();
}

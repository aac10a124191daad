//! The latency harness: within one process, and against an exchange in another one.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use command::{Exchange, Finished, interrupt, pinfix, run};
use serde_json::Value;

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Two runs at once would take each other's cores.
fn alone() -> MutexGuard<'static, ()> {
    static CORES: Mutex<()> = Mutex::new(());
    CORES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn figures(arguments: &[&str]) -> (Finished, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("figures.json");
    let file = file.to_str().unwrap();
    let finished = run(&[&["latency", "--json", file], arguments].concat()).ok();
    let text = fs::read_to_string(file).unwrap();
    (finished, serde_json::from_str(&text).unwrap())
}

/// All histograms are there and in order, and every order was answered.
fn check(value: &Value, messages: u64) {
    for name in ["round_trip_ns", "floor_ns", "engine_in_ns", "engine_out_ns"] {
        let quantiles: Vec<_> = ["p50", "p90", "p99", "p99_9", "p99_99", "max"]
            .map(|key| value[name][key].as_u64().unwrap())
            .into();
        assert!(quantiles[0] > 0, "{name}: {quantiles:?}");
        assert!(quantiles.is_sorted(), "{name}: {quantiles:?}");
    }
    assert_eq!(value["messages"], messages);
    assert_eq!(value["orders"], value["replies"]);
    assert!(value["orders"].as_u64().unwrap() > messages);
    let ratio = value["ratio_p50"].as_f64().unwrap();
    let round_trip = value["round_trip_ns"]["p50"].as_f64().unwrap();
    let floor = value["floor_ns"]["p50"].as_f64().unwrap();
    assert!((ratio - round_trip / floor).abs() < 0.01, "{value}");
    assert!(value["settings"].is_object() && value["machine"]["cpu"].is_string());
}

#[test]
fn a_smoke_run_prints_the_table_and_leaves_nothing_behind() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("figures.json");
    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let finished: Finished = pinfix(&["latency", "--messages", "2000", "--warm-up", "200"])
        .args(["--json", json.to_str().unwrap()])
        .env("TMPDIR", &temporary)
        .output()
        .unwrap()
        .into();
    let finished = finished.ok();
    for part in [
        "cpu",
        "kernel",
        "clock",
        "cores",
        "journal",
        "p99.99",
        "ratio to floor p50",
    ] {
        assert!(
            finished.out.contains(part),
            "no {part:?} in {}",
            finished.out
        );
    }
    let widest = finished.out.lines().map(str::len).max();
    assert!(widest <= Some(92), "{}", finished.out);
    check(
        &serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap(),
        2000,
    );
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

#[test]
fn orders_of_ilink3_are_measured_in_the_same_way() {
    let _alone = alone();
    let ilink3 = ["--protocol", "ilink3"];
    let few = ["--messages", "500", "--warm-up", "50", "--sessions", "2"];
    let (finished, value) = figures(&[ilink3, few[..2].try_into().unwrap()].concat());
    check(&value, 500);
    assert_eq!(value["settings"]["version"], "iLink 3, schema 9");
    // ExecutionReportNew(522), headers and all.
    assert_eq!(value["reply_bytes"], 238);
    assert!(
        finished.out.contains("1 of iLink 3, schema 9"),
        "{}",
        finished.out
    );
    let (_, value) = figures(&[&ilink3[..], &few[..], &["--rate", "2000"]].concat());
    check(&value, 500);
    assert_eq!(value["settings"]["sessions"], 2);
}

#[test]
fn orders_of_ilink3_to_another_process_are_measured() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let accounts = directory.path().join("accounts.toml");
    let account = |session: &str, key: &str| {
        format!(
            "[[account]]\nsession = \"{session}\"\nfirm = \"007\"\naccess_key_id = \"{key}\"\nsecret_key = \"{SECRET}\"\n"
        )
    };
    let both = [account("ABC", "KEY1"), account("ABD", "KEY2")].concat();
    fs::write(&accounts, both).unwrap();
    let accounts = accounts.to_str().unwrap();
    let exchange = Exchange::start(&["--venue", "ilink3", "--accounts", accounts]);
    let address = exchange.address.to_string();
    let elsewhere = ["--protocol", "ilink3", "--connect", &address];
    let known = [&elsewhere[..], &["--accounts", accounts]].concat();
    let few = ["--messages", "400", "--warm-up", "40"];
    let (finished, value) = figures(&[&known[..], &few].concat());
    check(&value, 400);
    assert_eq!(value["settings"]["connect"], *address);
    assert_eq!(value["settings"]["version"], "iLink 3, schema 9");
    for part in ["ratio to local floor p50", "the client's engine", &address] {
        let out = &finished.out;
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    // Again, under new UUIDs, over both accounts.
    let (_, value) = figures(&[&known[..], &few, &["--sessions", "2"]].concat());
    check(&value, 400);
    assert_eq!(value["settings"]["sessions"], 2);

    let fails = |arguments: &[&str], said: &[&str]| {
        run(&[&["latency"], arguments].concat()).failed(1, said);
    };
    fails(&elsewhere, &["--connect", "--accounts FILE"]);
    fails(
        &["--accounts", accounts],
        &["--accounts", "--protocol ilink3 and --connect"],
    );
    fails(
        &[&known[..], &["--sessions", "3"]].concat(),
        &["3 sessions", "has 2 accounts"],
    );
    let wrong = directory.path().join("wrong.toml");
    fs::write(&wrong, account("ABC", "OTHER")).unwrap();
    let wrong = [&elsewhere[..], &["--accounts", wrong.to_str().unwrap()]].concat();
    fails(&wrong, &["cannot log on"]);
}

#[test]
fn an_open_loop_over_several_sessions_counts_from_when_orders_are_due() {
    let _alone = alone();
    let (finished, value) = figures(&[
        "--rate",
        "2000",
        "--messages",
        "600",
        "--warm-up",
        "50",
        "--sessions",
        "3",
        "--version",
        "FIX.5.0SP2",
        "--durability",
        "flush-every=10ms",
    ]);
    check(&value, 600);
    assert_eq!(value["settings"]["loop"], "open");
    assert_eq!(value["settings"]["rate_per_second"], 2000);
    assert_eq!(value["settings"]["durability"], "flush-every=10ms");
    assert!(
        finished.out.contains("after they were due"),
        "{}",
        finished.out
    );
}

#[test]
fn one_core_for_both_threads_is_said_and_works() {
    let _alone = alone();
    let (finished, value) = figures(&["--cores", "0,0", "--messages", "300", "--warm-up", "50"]);
    check(&value, 300);
    assert!(finished.out.contains("share one core"), "{}", finished.out);
}

#[test]
fn an_exchange_in_another_process_is_measured_in_every_version_again_and_again() {
    let _alone = alone();
    let exchange = Exchange::start(&[]);
    let address = exchange.address.to_string();
    for version in ["FIX.4.2", "FIX.4.4", "FIX.5.0SP2", "FIX.4.4"] {
        let (finished, value) = figures(&[
            "--connect",
            &address,
            "--version",
            version,
            "--messages",
            "200",
            "--warm-up",
            "20",
        ]);
        check(&value, 200);
        assert!(
            finished.out.contains("ratio to local floor"),
            "{}",
            finished.out
        );
        // The exchange sends two reports for each order; the first one counts.
        assert!(finished.out.contains("further reports"), "{}", finished.out);
    }
    exchange.interrupt();
    let said = exchange.wait().ok().out;
    assert_eq!(said.matches("the peer logged out").count(), 4, "{said}");
}

#[test]
fn a_venue_that_is_not_there_or_does_not_answer_orders_is_an_error() {
    let _alone = alone();
    run(&["latency", "--connect", "127.0.0.1:1", "--messages", "10"])
        .failed(1, &["cannot connect to 127.0.0.1:1", "refused"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("venue.toml");
    fs::write(
        &file,
        "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n",
    )
    .unwrap();
    let exchange = Exchange::start(&["--config", file.to_str().unwrap()]);
    let address = exchange.address.to_string();
    run(&["latency", "--connect", &address, "--messages", "10"]).failed(1, &["cannot log on"]);
}

#[test]
fn ctrl_c_ends_a_run_and_its_temporary_journals() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let child = pinfix(&["latency", "--messages", "100000000"])
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while count(directory.path()) == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, Some(130), "{finished:?}");
    assert_eq!(count(directory.path()), 0);
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--version", "4.4"], &["--version", "4.4", "FIX.4.2"]),
        (&["--durability", "sync"], &["sync", "flush-every=10ms"]),
        (&["--durability", "flush-every=0ms"], &["1ms to 60s"]),
        (&["--cores", "1"], &["--cores", "such as 2,3"]),
        (&["--rate", "0"], &["--rate", "1.."]),
        (&["--sessions", "0"], &["--sessions", "1..=1000"]),
        (&["--messages", "x"], &["--messages", "x"]),
        (&["--sender", ""], &["--sender", "1 to 60 printable"]),
        (&["--colour", "red"], &["--colour"]),
    ];
    for (arguments, says) in cases {
        run(&[&["latency"], arguments].concat()).failed(2, says);
    }
    run(&["latency", "--cores", "0,4000"]).failed(1, &["4000", "--cores"]);
    run(&["latency", "--json", "/nonexistent/x"]).failed(1, &["--json", "/nonexistent/x"]);
    run(&["latency", "--connect", "nowhere"]).failed(1, &["--connect", "nowhere", "HOST:PORT"]);
    run(&["latency", "--journal", "/proc/x/y"]).failed(1, &["--journal", "/proc/x/y"]);
}

#[test]
fn help_shows_examples_and_the_version_is_that_of_the_command() {
    let help = run(&["--help"]).ok().out;
    assert!(help.contains("pinfix latency --connect"), "{help}");
    let version = run(&["--version"]).ok().out;
    assert_eq!(
        version.trim(),
        format!("pinfix {}", env!("CARGO_PKG_VERSION"))
    );
    for command in ["exchange", "latency"] {
        assert!(run(&[command, "--help"]).ok().out.contains("Examples:"));
    }
    run(&[]).failed(2, &["Usage: pinfix"]);
}

#[test]
fn an_engine_that_is_watched_is_compared_with_itself_alone() {
    let _alone = alone();
    let arguments = ["--watched", "--messages", "20000", "--warm-up", "200"];
    let (finished, value) = figures(&arguments);
    for part in [
        "trip alone",
        "trip watched",
        "cycle alone",
        "cycle watched",
        "watched to alone: round trip p50",
        "status queries",
    ] {
        assert!(
            finished.out.contains(part),
            "no {part:?} in {}",
            finished.out
        );
    }
    let watched = &value["watched"];
    let alone = value["messages"].as_u64().unwrap();
    let beside = watched["messages"].as_u64().unwrap();
    assert_eq!(alone + beside, 20_000, "each order is of one kind");
    assert!(alone > 0 && beside > 0, "{alone} and {beside}");
    for name in ["round_trip_ns", "cycle_ns", "cycle_alone_ns"] {
        assert!(watched[name]["p50"].as_u64().unwrap() > 0, "{name}");
    }
    // At least one of each, and the queries at about their rate as far as the machine lets them.
    let queries = watched["queries"].as_u64().unwrap();
    let span = watched["span_s"].as_f64().unwrap();
    assert!(queries > 10, "{queries}");
    assert!(
        (queries as f64) < 1.2 * 1000.0 * span + 50.0,
        "{queries} in {span} s"
    );
    assert!(watched["looks"].as_u64().unwrap() > 0);
}

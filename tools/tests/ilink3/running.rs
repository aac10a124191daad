//! `pinfix run` as a client of the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pinfix::journal::{Item, Kind, Reader};

use crate::client::{KEY, Stage};
use crate::command::{self, Client, run};

/// A file with one session whose secret is in a file.
fn client_file(stage: &Stage, address: SocketAddr, more: &str) -> PathBuf {
    let (secret, journals) = (stage.path("secret"), stage.path("client"));
    if !secret.exists() {
        fs::write(&secret, format!("{KEY}\n")).unwrap();
    }
    let file = stage.path("client.toml");
    let text = format!(
        "journal = {journals:?}\n[[ilink3]]\nlabel = \"desk\"\nsession = \"ABC\"\nfirm = \"007\"\n\
         access_key_id = \"KEY1\"\nsecret_key_file = {secret:?}\nconnect.to = [\"{address}\"]\n\
         connect.reconnect = [\"50ms\"]\n{more}"
    );
    fs::write(&file, text).unwrap();
    file
}

#[track_caller]
fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// How many orders, and how many numbered messages of the gateway, are in the journal of the client.
fn recorded(stage: &Stage) -> (usize, usize) {
    let Some(Ok(directory)) = fs::read_dir(stage.path("client")).unwrap().next() else {
        return (0, 0);
    };
    let mut reader = Reader::open(directory.path()).unwrap();
    let mut counts = (0, 0);
    while let Some(item) = reader.read().unwrap() {
        match item {
            Item::Record(entry) if entry.kind == Kind::Application => counts.0 += 1,
            Item::Record(entry) if entry.kind == Kind::Inbound && entry.seq > 0 => counts.1 += 1,
            _ => {}
        }
    }
    counts
}

#[test]
fn every_order_gets_its_reports_across_an_operators_logout() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "", &[]);
    let config = client_file(&stage, gateway.address, "location = \"DE\"\n");
    let socket = stage.path("admin");
    let socket = socket.to_str().unwrap();
    let arguments = [
        "--orders",
        "100",
        "--rate",
        "100",
        "--reports",
        "2",
        "--session",
        "desk",
        "--security-id",
        "77",
        "--price",
        "99.5",
        "--admin-socket",
        socket,
    ];
    let mut client = Client::start(&config, &arguments);
    client.says("FIXP:ABC-007->EXCHANGE logged on");
    let session = "FIXP:ABC-007->EXCHANGE";
    let operator = |what: &[&str]| {
        run(&[&["admin", "--socket", socket, what[0], session], &what[1..]].concat()).ok();
    };
    operator(&["logout", "--reason", "lunch"]);
    client.says("FIXP:ABC-007->EXCHANGE ended: logged out as asked");
    operator(&["logon"]);
    client.says("FIXP:ABC-007->EXCHANGE logged on");
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &["100 orders sent, 100 acknowledged, 200 reports, 0 without a report, 0 reports doubled"],
    );
    let journal = stage.path("client");
    let printed = run(&[
        "journal",
        "print",
        journal.to_str().unwrap(),
        "--type",
        "514",
    ])
    .ok()
    .out;
    has_all(
        &printed,
        &["514 NewOrderSingle Price=99.5 OrderQty=5 SecurityID=77 Side=Buy SeqNum=100 SenderID=PINFIX"],
    );
    assert_eq!(printed.matches("Location=DE").count(), 100);
}

#[test]
fn a_client_that_was_killed_gets_what_it_missed_when_it_is_started_again() {
    let stage = Stage::new();
    // Both reports of each order from the fifth to the twentieth are kept back.
    let gateway = stage.gateway("127.0.0.1:0", "message 5 gap 32", &[]);
    let config = client_file(&stage, gateway.address, "");
    let arguments = ["--rate", "500", "--orders", "20", "--reports", "2"];
    let mut first = Client::start(&config, &[&arguments[..], &["--patience", "60"]].concat());
    first.says("logged on");
    let end = Instant::now() + Duration::from_secs(20);
    // The reports of the first four come back.
    while recorded(&stage) != (20, 8) {
        assert!(Instant::now() < end, "{:?}", recorded(&stage));
        std::thread::sleep(Duration::from_millis(20));
    }
    // What was recorded is taken a moment later.
    std::thread::sleep(Duration::from_millis(100));
    command::signal(&first.child, "KILL");
    drop(first);
    let again = ["--orders", "1", "--reports", "2"];
    let (code, said) = Client::start(&config, &again).wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &[
            "16 orders of earlier runs lack a report",
            "1 orders sent and 16 of earlier runs, 17 acknowledged, 34 reports, 0 without a report",
        ],
    );
}

#[test]
fn what_the_gateway_rejects_is_counted_and_a_wrong_secret_is_not_shown() {
    let stage = Stage::new();
    let gateway = stage.gateway("127.0.0.1:0", "message 2 reject 5", &[]);
    let config = client_file(&stage, gateway.address, "");
    let (code, said) = Client::start(&config, &["--orders", "3", "--rate", "1000"]).wait();
    assert_eq!(code, Some(1), "{said}");
    has_all(
        &said,
        &[
            "rejected a message of ours: As scripted (BusinessRejectReason 5)",
            "3 orders sent, 3 acknowledged",
            "1 rejects",
        ],
    );
    // The journal knows of the reject: nothing is waited for.
    let (code, said) = Client::start(&config, &["--orders", "1"]).wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(&said, &["stopped: 1 orders sent, 1 acknowledged"]);
    let wrong = format!("Z{}", &KEY[1..]);
    fs::write(stage.path("secret"), &wrong).unwrap();
    let mut client = Client::start(&config, &[]);
    client.says("FIXP:ABC-007->EXCHANGE failed to log on: ");
    command::interrupt(&client.child);
    let (_, said) = client.wait();
    assert!(!said.contains(&wrong) && !said.contains(KEY), "{said}");
}

#[test]
fn what_is_wrong_with_a_session_is_said_and_its_secret_is_not() {
    let stage = Stage::new();
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let check = |more: &str| {
        let file = client_file(&stage, address, more);
        run(&["config", "check", file.to_str().unwrap()])
    };
    let checked = check("keep_alive = \"10s\"\n").ok();
    has_all(
        &checked.out,
        &[
            "[[ilink3]]",
            "secret_key_file = \"***\"",
            "keep_alive = \"10s\"",
        ],
    );
    assert!(!checked.out.contains(KEY));
    check("keep_alive = \"90s\"\n").failed(1, &["[[ilink3]]: keep_alive"]);
    check("location = \"far away\"\n").failed(1, &["location", "1 to 5"]);
    check("schema_version = 4\n").failed(1, &["schema_version", "5 to 9"]);
    let said = check("secret = \"sesame\"\n").failed(1, &["unknown field `secret`"]);
    assert!(!said.err.contains("sesame"));
    let file = client_file(&stage, address, "");
    let text = fs::read_to_string(&file).unwrap();
    let secret = text
        .lines()
        .find(|line| line.starts_with("secret_key_file"));
    fs::write(&file, text.replace(secret.unwrap(), "")).unwrap();
    run(&["run", "--config", file.to_str().unwrap()]).failed(1, &["secret_key_file"]);
    fs::write(&file, &text).unwrap();
    run(&["exchange", "--config", file.to_str().unwrap()]).failed(1, &["--venue ilink3"]);
    run(&[
        "run",
        "--config",
        file.to_str().unwrap(),
        "--orders",
        "1",
        "--quantity",
        "1.5",
    ])
    .failed(1, &["--quantity"]);
}

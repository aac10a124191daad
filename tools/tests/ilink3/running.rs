//! `pinfix run` as a client of the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pinfix::journal::{Item, Kind, Reader};

use crate::client::{KEY, Stage};
use crate::command::{self, Client, run};

/// A file with one session whose secret is in a file.
pub fn client_file(stage: &Stage, address: SocketAddr, more: &str) -> PathBuf {
    let (secret, journals) = (stage.path("secret"), stage.path("client"));
    if !secret.exists() {
        fs::write(&secret, format!("{KEY}\n")).unwrap();
    }
    let file = stage.path("client.toml");
    let text = format!(
        "journal = {journals:?}\n[[session]]\nvenue = \"ilink3\"\nlabel = \"desk\"\n\
         session = \"ABC\"\nfirm = \"007\"\nschedule = {{}}\n\
         logon.access_key_id = \"KEY1\"\nlogon.secret_key_file = {secret:?}\n\
         connect.to = [\"{address}\"]\nconnect.reconnect = [\"50ms\"]\n{more}"
    );
    fs::write(&file, text).unwrap();
    file
}

#[track_caller]
pub fn has_all(text: &str, parts: &[&str]) {
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
        &["venue = \"ilink3\"", "keep_alive = \"10s\"", "sender_id = "],
    );
    assert!(!checked.out.contains(KEY));
    check("keep_alive = \"90s\"\n").failed(1, &["client.toml:2: keep_alive = \"1m 30s\""]);
    check("location = \"far away\"\n").failed(1, &["location", "1 to 5"]);
    check("schema_version = 4\n").failed(1, &["schema_version", "5 to 9"]);
    check("market_segment = 256\n").failed(1, &["client.toml:12:", "expected 0 to 255"]);
    check("role = \"acceptor\"\n").failed(1, &["pinfix exchange --venue ilink3"]);
    check("connect.tls = {}\n").failed(1, &["connect.tls", "plain text only"]);
    check("fixp.after_terminate = [\"9 wait\"]\n").failed(1, &["\"9 halt\""]);
    check("heartbeat_s = 5\nlogon.username = \"me\"\n").failed(
        1,
        &["heartbeat_s, logon.username: of a session of FIX, and venue ilink3 speaks FIXP"],
    );
    check("logon.secret_key = \"sesame\"\n").failed(
        1,
        &["logon.secret_key and logon.secret_key_file: expected one of them"],
    );
    // A pair is not put together of two tables.
    let file = client_file(&stage, address, "");
    let text = fs::read_to_string(&file).unwrap();
    let check_with = |defaults: &str, without: &str| {
        let own: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with(without))
            .collect();
        let (first, rest) = own.split_first().unwrap();
        let whole = format!("{first}\n[defaults]\n{defaults}\n{}\n", rest.join("\n"));
        fs::write(&file, whole).unwrap();
        run(&["config", "check", file.to_str().unwrap()])
    };
    check_with("logon.secret_key = \"sesame\"", "logon.secret_key").failed(
        1,
        &["logon.secret_key_file, logon.secret_key_env or logon.secret_key is missing beside logon.access_key_id"],
    );
    check_with("logon.access_key_id = \"KEY2\"", "logon.access_key_id")
        .failed(1, &["logon.access_key_id is missing beside the secret key"]);
    let secret = text
        .lines()
        .find(|line| line.starts_with("logon.secret_key_file"));
    let pair = format!("logon.access_key_id = \"KEY2\"\n{}", secret.unwrap());
    let said = check_with(&pair, "logon.").ok();
    assert!(
        said.out.contains("access_key_id = \"KEY2\""),
        "{}",
        said.out
    );
    check_with("role = \"acceptor\"", "nothing").failed(
        1,
        &[
            "role = \"acceptor\" in [defaults]",
            "pinfix exchange --venue ilink3",
        ],
    );
    let said = check("secret = \"sesame\"\n").failed(1, &["unknown field `secret`"]);
    assert!(!said.err.contains("sesame"));
    let said = check("logon.secret_key_env = \"sesame-1\"\n").failed(1, &["secret_key_env = ***"]);
    assert!(said.err.contains("the environment has no"));
    let file = client_file(&stage, address, "");
    let text = fs::read_to_string(&file).unwrap();
    let without = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        fs::write(&file, text.replace(line, "")).unwrap();
        run(&["run", "--config", file.to_str().unwrap()])
    };
    for key in [
        "logon.secret_key_file",
        "logon.access_key_id",
        "session",
        "firm",
    ] {
        without(key).failed(1, &[&format!("client.toml:2: {key}"), "missing"]);
    }
    without("connect.to").failed(1, &["FIXP:ABC-007->EXCHANGE", "connect.destinations"]);
    without("venue").failed(
        1,
        &["session, firm, logon.access_key_id", "venue = \"ilink3\""],
    );
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

#[test]
fn a_session_is_written_like_every_other_and_what_it_comes_to_is_a_file() {
    let stage = Stage::new();
    let secret = stage.path("secret");
    fs::write(&secret, format!("{KEY}\n")).unwrap();
    let file = stage.path("two.toml");
    let text = format!(
        "journal = \"journals\"\n[defaults]\nheartbeat_s = 7\nlogon.access_key_id = \"KEY1\"\n\
         logon.secret_key_file = {secret:?}\nlogon.username = \"somebody\"\n\
         [[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n\
         [[session]]\nvenue = \"ilink3\"\nsession = \"ABC\"\nfirm = \"007\"\nmarket_segment = 64\n\
         connect.to = [\"10.0.0.1:9010\", \"10.0.0.2:9010\"]\nlogon.system_vendor = \"ACME\"\n\
         fixp.after_terminate = [\"9 halt\"]\nfixp.back_off = \"2m\"\nlocation = \"DE\"\n"
    );
    fs::write(&file, text).unwrap();
    let first = run(&["config", "check", file.to_str().unwrap()]).ok();
    let (fix, fixp) = first.out.split_once("venue = \"ilink3\"").unwrap();
    has_all(fix, &["heartbeat_s = 7", "fields = [\"553=somebody\"]"]);
    has_all(
        fixp,
        &[
            "session = \"ABC\"",
            "firm = \"007\"",
            "market_segment = 64",
            "schema_version = 9",
            "keep_alive = \"30s\"",
            "location = \"DE\"",
            "access_key_id = \"KEY1\"",
            &format!("secret_key_file = {secret:?}"),
            "system_name = \"pinfix\"",
            "system_vendor = \"ACME\"",
            "request_max = 2500",
            "failed_logons_max = 3",
            "after_terminate = [\"9 halt\"]",
            "back_off = \"2m\"",
            "start_day = \"Sunday\"",
            "10:30:00 America/Chicago",
            "to = [\"10.0.0.1:9010\", \"10.0.0.2:9010\"]",
            "directory = \"journals/FIXP_ABC-007-EXCHANGE_64-",
        ],
    );
    assert!(!fixp.contains("heartbeat_s") && !first.out.contains(KEY));
    has_all(
        &first.err,
        &[
            "FIXP:ABC-007->EXCHANGE:64: venue ilink3 sets, unless the file says otherwise:",
            "  schedule.start_day = \"Sunday\"",
            "  fixp.back_off = \"1m\"",
        ],
    );
    let resolved = stage.path("resolved.toml");
    fs::write(&resolved, &first.out).unwrap();
    let second = run(&["config", "check", resolved.to_str().unwrap()]).ok();
    assert_eq!(second.out, first.out);
    let explained = run(&["schedule", "explain", file.to_str().unwrap()]).ok();
    has_all(
        &explained.out,
        &["FIXP:ABC-007->EXCHANGE:64", "America/Chicago"],
    );
}

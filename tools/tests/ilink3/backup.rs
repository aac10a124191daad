//! A session with a backup connection, both sides as processes: the primary gateway fails while orders flow.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Stage;
use crate::command::{Client, Finished, run};
use crate::running::{client_file, has_all};

const SESSION: &str = "FIXP:ABC-007->EXCHANGE";

fn gateway(stage: &Stage, script: &str) -> (crate::command::Exchange, SocketAddr) {
    let mut gateway = stage.gateway("127.0.0.1:0", script, &["--backup", "127.0.0.1:0"]);
    let backup = gateway.next_address();
    (gateway, backup)
}

fn admin(socket: &str, what: &[&str]) -> Finished {
    run(&[&["admin", "--socket", socket], what].concat())
}

#[test]
fn a_failing_primary_gateway_loses_and_doubles_nothing() {
    let stage = Stage::new();
    // Reports that are kept back are lost with the primary, and fetched from the backup.
    let script = "message 80 gap 4\nmessage 82 fail_over\nmessage 120 fail_over\n";
    let (gateway, backup) = gateway(&stage, script);
    let config = client_file(
        &stage,
        gateway.address,
        &format!("backup = [\"{backup}\"]\nfixp.not_applied = \"resend\"\n"),
    );
    let socket = stage.path("admin");
    let socket = socket.to_str().unwrap();
    let arguments = [
        "--orders",
        "150",
        "--rate",
        "50",
        "--reports",
        "2",
        "--admin-socket",
        socket,
    ];
    let mut client = Client::start(&config, &arguments);
    client.says(&format!("{SESSION} logged on"));
    client.says(&format!("{SESSION}: the backup connection is established"));
    // The operator sees it as a line of its own, and can cut it alone.
    let shown = admin(socket, &["list"]).ok().out;
    let line = shown.lines().find(|line| line.contains("/backup"));
    assert!(line.is_some_and(|line| line.contains("up")), "{shown}");
    let name = format!("{SESSION}/backup");
    admin(socket, &["disconnect", &name, "--yes"]).ok();
    client.says(&format!("{SESSION}: the backup connection has ended"));
    client.says(&format!("{SESSION}: the backup connection is established"));
    let refused = admin(socket, &["logout", &name, "--reason", "no"]);
    assert!(refused.err.contains("follows its session"), "{refused:?}");
    for _ in 0..2 {
        let said = client.says(&format!("{SESSION}: the primary gateway has failed"));
        has_all(&said, &["the backup is the primary now"]);
        client.says(&format!("{SESSION}: the backup connection is established"));
    }
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &["150 orders sent, 150 acknowledged, 300 reports, 0 without a report, 0 reports doubled"],
    );
    // One session in the journal: orders 1 to 150, each once, and what became of the primary.
    let journal = stage.path("client");
    let printed = |kind: &str| {
        let journal = journal.to_str().unwrap();
        run(&["journal", "print", journal, "--type", kind]).ok().out
    };
    let orders = printed("514");
    for seq in 1..=150 {
        let number = format!("SeqNum={seq} ");
        assert_eq!(orders.matches(&number).count(), 1, "{number} in {orders}");
    }
    assert_eq!(printed("500").matches(" 500 Negotiate").count(), 1);
    assert_eq!(printed("503").matches(" 503 Establish").count(), 1);
    gateway.interrupt();
    let told = gateway.wait().ok().out;
    assert_eq!(
        told.matches("has the primary gateway fail").count(),
        2,
        "{told}"
    );
    assert_eq!(
        told.matches("the backup is the primary now").count(),
        2,
        "{told}"
    );
}

#[test]
fn a_client_that_comes_after_the_failure_finds_the_other_host() {
    let stage = Stage::new();
    let (gateway, backup) = gateway(&stage, "message 10 fail_over");
    let config = client_file(
        &stage,
        gateway.address,
        &format!("backup = [\"{backup}\"]\n"),
    );
    let mut first = Client::start(&config, &["--orders", "20", "--rate", "50"]);
    first.says("the primary gateway has failed");
    let (code, said) = first.wait();
    assert_eq!(code, Some(0), "{said}");
    let started = Instant::now();
    let mut second = Client::start(&config, &["--orders", "20", "--rate", "100"]);
    let said = second.says(&format!("{SESSION} failed to log on"));
    has_all(&said, &["DesignatedBackup"]);
    second.says(&format!("{SESSION} logged on"));
    assert!(started.elapsed() < Duration::from_secs(20));
    let (code, said) = second.wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(&said, &["20 orders sent, 20 acknowledged"]);
}

#[test]
fn what_is_wrong_with_a_backup_is_said() {
    let stage = Stage::new();
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let check = |more: &str| {
        let file = client_file(&stage, address, more);
        run(&["config", "check", file.to_str().unwrap()])
    };
    let checked = check("backup = [\"10.0.0.2:9010\", \"backup.example:9010\"]\n").ok();
    has_all(
        &checked.out,
        &["backup = [\"10.0.0.2:9010\", \"backup.example:9010\"]"],
    );
    check("backup = [\"127.0.0.1:1\"]\n").failed(1, &["backup", "another host than the primary"]);
    check("backup = [\"nowhere\"]\n").failed(1, &["nowhere"]);
    let file = stage.path("fix.toml");
    let text = "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"A\"\ntarget_comp_id = \"B\"\n\
                connect.to = [\"127.0.0.1:1\"]\nbackup = [\"127.0.0.1:2\"]\n";
    std::fs::write(&file, text).unwrap();
    run(&["config", "check", file.to_str().unwrap()]).failed(1, &["backup: of a session of FIXP"]);
    std::fs::write(stage.path("t4.toml"), "").unwrap();
    let accounts = stage.path("t4.toml");
    let arguments = [
        "exchange",
        "--venue",
        "t4",
        "--accounts",
        accounts.to_str().unwrap(),
    ];
    run(&[&arguments[..], &["--backup", "127.0.0.1:0"]].concat())
        .failed(1, &["--backup", "no backup connections"]);
}

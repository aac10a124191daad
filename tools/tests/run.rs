//! The client command against the simulated exchange, both as processes.
#![allow(clippy::unwrap_used)]

mod command;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use command::{Client, Exchange, interrupt, run};
use pinfix::journal::{Item, Kind, Reader};

/// A file with one initiator, whose journal is below `directory`.
fn client_file(directory: &Path, exchange: SocketAddr, more: &str) -> PathBuf {
    let file = directory.join("client.toml");
    let journals = directory.join("journals");
    let text = format!(
        "journal = {journals:?}\n\
         [[session]]\n\
         label = \"desk\"\n\
         version = \"FIX.4.4\"\n\
         role = \"initiator\"\n\
         sender_comp_id = \"CLIENT\"\n\
         target_comp_id = \"VENUE\"\n\
         connect.to = [\"{exchange}\"]\n\
         connect.reconnect = [\"100ms\"]\n\
         {more}"
    );
    fs::write(&file, text).unwrap();
    file
}

/// ClOrdID(11) of every order in the journals of a client, in their order.
fn orders_in(directory: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(directory.join("journals")).unwrap() {
        let mut reader = Reader::open(entry.unwrap().path()).unwrap();
        while let Some(item) = reader.read().unwrap() {
            if let Item::Record(entry) = item
                && entry.kind == Kind::Application
            {
                let frame = String::from_utf8_lossy(entry.frame).into_owned();
                let id = frame.split('\u{1}').find(|field| field.starts_with("11="));
                ids.push(id.unwrap().to_owned());
            }
        }
    }
    ids
}

#[test]
fn every_order_gets_its_reports_and_the_counts_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&[]);
    let file = client_file(directory.path(), exchange.address, "");
    let log = directory.path().join("client.log");
    let arguments = [
        "--orders",
        "50",
        "--rate",
        "2000",
        "--reports",
        "2",
        "--session",
        "desk",
        "--log",
        log.to_str().unwrap(),
    ];
    let (code, said) = Client::start(&file, &arguments).wait();
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "FIX.4.4:CLIENT->VENUE connects to 127.0.0.1:",
        "FIX.4.4:CLIENT->VENUE logged on",
        "FIX.4.4:CLIENT->VENUE ended: logged out as asked",
        "stopped: 50 orders sent, 50 acknowledged, 100 reports, 0 without a report, 0 reports doubled, 0 rejects",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert_eq!(fs::read_to_string(&log).unwrap(), said);
    // A second run counts for itself, and uses no ClOrdID again.
    let (code, said) = Client::start(&file, &arguments).wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("stopped: 50 orders sent, 50 acknowledged"),
        "{said}"
    );
    let ids = orders_in(directory.path());
    assert_eq!(ids.len(), 100);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn a_report_that_does_not_come_is_told_and_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&["--fills", "none"]);
    let file = client_file(directory.path(), exchange.address, "");
    let arguments = ["--orders", "3", "--reports", "2", "--patience", "1"];
    let (code, said) = Client::start(&file, &arguments).wait();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("3 orders sent, 0 acknowledged, 3 reports, 3 without a report"),
        "{said}"
    );
}

#[test]
fn a_reject_is_told_with_its_text_and_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&[]);
    let file = client_file(directory.path(), exchange.address, "");
    let arguments = ["--orders", "1", "--quantity", "0"];
    let (code, said) = Client::start(&file, &arguments).wait();
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "FIX.4.4:CLIENT->VENUE rejected a message of ours: OrderQty(38) must be above 0",
        "1 orders sent, 1 acknowledged, 0 reports, 0 without a report, 0 reports doubled, 1 rejects",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn an_exchange_that_is_killed_and_comes_back_costs_no_report() {
    let directory = tempfile::tempdir().unwrap();
    let journals = directory.path().join("venue");
    let journals = ["--journal", journals.to_str().unwrap()];
    let exchange = Exchange::start(&journals);
    let address = exchange.address;
    let file = client_file(directory.path(), address, "");
    let arguments = ["--orders", "400", "--rate", "200"];
    let mut client = Client::start(&file, &arguments);
    client.says("logged on");
    // In the middle of its orders.
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(exchange);
    client.says("ended: the connection was lost without a Logout");
    let _exchange = Exchange::start_at(&address.to_string(), &journals);
    client.says("logged on");
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("400 orders sent, 400 acknowledged") && said.contains("0 reports doubled"),
        "{said}"
    );
}

#[test]
fn orders_without_a_venue_wait_for_one_in_the_engine_or_are_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody listens there yet.
    let address = Exchange::start(&[]).address;
    let queue = "sending.while_down = \"queue\"\n";
    let file = client_file(directory.path(), address, queue);
    let mut client = Client::start(&file, &["--orders", "20", "--rate", "200"]);
    client.says("cannot connect to 127.0.0.1");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let exchange = Exchange::start_at(&address.to_string(), &[]);
    client.says("logged on");
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("20 orders sent, 20 acknowledged"), "{said}");
    // All of them at once, behind the Logon.
    assert_eq!(orders_in(directory.path()).len(), 20);
    drop(exchange);

    // Without a queue none is sent, and that is no success.
    let directory = tempfile::tempdir().unwrap();
    let file = client_file(directory.path(), address, "");
    let mut client = Client::start(&file, &["--orders", "20", "--rate", "200"]);
    client.says("cannot connect to 127.0.0.1");
    std::thread::sleep(std::time::Duration::from_millis(300));
    interrupt(&client.child);
    let (code, said) = client.wait();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped: 0 orders sent"), "{said}");
}

#[test]
fn orders_of_a_client_that_was_killed_are_waited_for_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&[]);
    let file = client_file(directory.path(), exchange.address, "");
    let mut client = Client::start(
        &file,
        &["--orders", "300", "--rate", "1000", "--patience", "600"],
    );
    client.says("logged on");
    // It answers nothing until the client is gone; the last orders are not sent by then.
    exchange.signal("STOP");
    while orders_in(directory.path()).len() < 300 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    client.child.kill().unwrap();
    drop(client);
    exchange.signal("CONT");
    let (code, said) = Client::start(&file, &["--orders", "5", "--rate", "1000"]).wait();
    assert_eq!(code, Some(0), "{said}");
    let carried = said
        .split_once(" orders of earlier runs lack a report")
        .map(|(before, _)| before.rsplit(' ').next().unwrap().to_owned())
        .unwrap_or_else(|| panic!("nothing was carried over: {said}"));
    let all = 5 + carried.parse::<u32>().unwrap();
    assert!(
        said.contains(&format!(
            "stopped: 5 orders sent and {carried} of earlier runs, {all} acknowledged"
        )),
        "{said}"
    );
}

#[test]
fn ctrl_c_logs_out_and_a_client_without_orders_is_content() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(&[]);
    let file = client_file(directory.path(), exchange.address, "");
    let mut client = Client::start(&file, &[]);
    client.says("logged on");
    interrupt(&client.child);
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ended: logged out as asked"), "{said}");
    assert!(said.contains("stopped: 0 orders sent"), "{said}");
}

#[test]
fn two_clients_of_this_command_trade_nothing_but_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = directory.path().join("acceptor.toml");
    fs::write(
        &acceptor,
        "listen = \"127.0.0.1:0\"\n[[session]]\nversion = \"FIX.4.2\"\nsender_comp_id = \"VENUE\"\n\
         target_comp_id = \"CLIENT\"\n",
    )
    .unwrap();
    let mut acceptor = Client::start(&acceptor, &[]);
    let listening = acceptor.says("listening on ");
    let address = listening
        .trim()
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let file = client_file(directory.path(), address, "version = \"FIX.4.2\"\n");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("version = \"FIX.4.4\"\n", "", 1)).unwrap();
    let mut initiator = Client::start(&file, &[]);
    initiator.says("logged on");
    acceptor.says("FIX.4.2:VENUE->CLIENT logged on");
    interrupt(&acceptor.child);
    initiator.says("ended: the peer logged out");
    assert_eq!(acceptor.wait().0, Some(0));
}

#[test]
fn what_cannot_be_run_is_named_with_what_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let file = client_file(directory.path(), "127.0.0.1:1".parse().unwrap(), "");
    let path = file.to_str().unwrap();
    run(&["run", "--config", path, "--session", "other"])
        .failed(1, &["other", "FIX.4.4:CLIENT->VENUE"]);
    run(&["run", "--config", path, "--rate", "0"]).failed(2, &["--rate", "0.001"]);
    run(&["run", "--config", path, "--symbol", ""]).failed(2, &["--symbol", "printable"]);
    run(&["run", "--config", path, "--core", "4000"]).failed(1, &["core 4000"]);
    fs::write(&file, "idle = \"block\"\n").unwrap();
    run(&["run", "--config", path]).failed(1, &["no session is listed"]);
    run(&["run"]).failed(2, &["--config"]);
}

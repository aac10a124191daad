//! Rehearsals: the client command at a venue against the simulator of that venue, as processes.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use command::{Client, Exchange, Finished, pinfix, run};

const PASSWORD: &str = "sesame-91b2";
const LICENSE: &str = "license-77c1";

/// A directory with the files of a rehearsal.
struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        stage.write("password", &format!("{PASSWORD}\n"));
        stage.write("license", &format!("{LICENSE}\n"));
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A simulator of `venue` with these accounts and this script.
    fn exchange(&self, venue: &str, accounts: &str, script: &str, more: &[&str]) -> Exchange {
        let accounts = self.write("accounts.toml", accounts);
        let script = self.write("script.txt", script);
        let fixed = [
            "--venue",
            venue,
            "--accounts",
            accounts.to_str().unwrap(),
            "--script",
            script.to_str().unwrap(),
        ];
        let arguments: Vec<_> = fixed.iter().chain(more).copied().collect();
        Exchange::start(&arguments)
    }

    /// A client at T4.
    fn t4(&self, address: SocketAddr, more: &str) -> PathBuf {
        let (password, license) = (self.path("password"), self.path("license"));
        self.write(
            "client.toml",
            &format!(
                "[[session]]\nvenue = \"t4\"\nservice = \"simulator\"\ntls = \"off\"\n\
                 connect.to = [\"{address}\"]\nconnect.reconnect = [\"100ms\"]\n\
                 sender_comp_id = \"T4Example\"\ntarget_comp_id = \"T4\"\n\
                 switches = [\"disable_portfolio_refresh\", \"decimal_prices\"]\n\
                 logon.username = \"trader\"\nlogon.password_file = {password:?}\n\
                 logon.license_file = {license:?}\nlogon.cstm_appl_ver_id = \"4.1.1.1\"\n{more}"
            ),
        )
    }

    fn client(&self, config: &Path, more: &[&str]) -> Client {
        let journals = self.path("journals");
        let mut arguments = vec!["--journal", journals.to_str().unwrap()];
        arguments.extend(more);
        Client::start(config, &arguments)
    }

    /// Everything in the client's journals, as it is printed.
    fn journal(&self) -> String {
        run(&["journal", "print", self.path("journals").to_str().unwrap()])
            .ok()
            .out
    }

    /// No file of the journals, and nothing that was said, has a secret in it.
    fn keeps_secrets(&self, said: &str) {
        let mut seen = vec![said.as_bytes().to_vec()];
        let mut directories = vec![self.path("journals")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => directories.push(path),
                    false => seen.push(fs::read(path).unwrap()),
                }
            }
        }
        assert!(seen.len() > 1, "there are journals");
        for secret in [PASSWORD, LICENSE] {
            let found = |bytes: &Vec<u8>| {
                bytes
                    .windows(secret.len())
                    .any(|at| at == secret.as_bytes())
            };
            assert!(!seen.iter().any(found), "{secret}");
        }
    }
}

fn t4_account() -> String {
    format!(
        "[[account]]\ncomp_id = \"T4Example\"\nvenue_comp_id = \"T4\"\nusername = \"trader\"\n\
         password = \"{PASSWORD}\"\nlicense = \"{LICENSE}\"\n"
    )
}

#[track_caller]
fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_client_at_t4_survives_what_a_certification_asks() {
    let stage = Stage::new();
    let script = "# mishaps\nlogon 1 drop\nlogon 2 refuse License expired\norder 3 gap 5\n\
                  order 5 reject 18 Invalid or missing trader\norder 7 logout Maintenance\n\
                  order 9 disconnect\n";
    let exchange = stage.exchange("t4", &t4_account(), script, &[]);
    let config = stage.t4(exchange.address, "");
    let (code, said) = stage
        .client(&config, &["--orders", "24", "--rate", "50"])
        .wait();
    // One was rejected, as the script says.
    assert_eq!(code, Some(1), "{said}");
    has_all(
        &said,
        &[
            "T4Example->T4:simulator failed to log on: the connection was lost without a Logout",
            "failed to log on: the peer refused our Logon: License expired",
            "rejected a message of ours: Invalid or missing trader (SessionRejectReason 18)",
            "ended: the peer logged out: Maintenance",
            "ended: the connection was lost without a Logout",
            "ended: logged out as asked",
            "24 orders sent, 24 acknowledged",
            "0 without a report, 0 reports doubled, 1 rejects",
        ],
    );
    let journal = stage.journal();
    has_all(
        &journal,
        &[
            // The Logon as documented, its secrets masked in what is kept.
            "|91=************|90=12|98=0|108=30|384=2|372=d|372=D|553=trader|554=***********|1408=4.1.1.1|",
            // Its echo.
            "|50=T4FIX|",
            "|98=0|108=30|553=trader|554=***|1408=4.1.1.1|",
            // The gap: one SequenceReset for the run of five.
            "|35=2|",
            "|7=8|16=0|",
            "|36=14|123=Y|",
            "|58=Invalid or missing trader|372=D|373=18|",
            "|58=Successful logout upon request|",
        ],
    );
    // Every connection began at 1, and none said 141.
    assert_eq!(
        journal.matches("35=A|34=1|49=T4Example").count(),
        5,
        "{journal}"
    );
    assert!(!journal.contains("|141="));
    stage.keeps_secrets(&said);
    // What the venue says holds no secret either.
    exchange.interrupt();
    let finished = exchange.wait().ok();
    for secret in [PASSWORD, LICENSE] {
        assert!(!finished.out.contains(secret));
    }
}

#[test]
fn a_venue_is_chosen_among_those_of_a_file_or_said_for_all_of_it() {
    let stage = Stage::new();
    let exchange = stage.exchange("t4", &t4_account(), "", &[]);
    let t4 = fs::read_to_string(stage.t4(exchange.address, "")).unwrap();
    // A port that is in use, by a session that is not to run.
    let others = "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n\
                  [[session]]\nvenue = \"brokeret\"\nservice = \"price\"\nhost = \"127.0.0.1\"\n\
                  sender_comp_id = \"B1\"\n[[session]]\nvenue = \"ilink3\"\nsession = \"ABC\"\n";
    let listen = format!("listen = \"{}\"\n", exchange.address);
    let all = stage.write("all.toml", &format!("{listen}{t4}{others}"));
    let few = ["--orders", "3", "--rate", "100"];
    let at = |venue: &'static str| [&["--venue", venue][..], &few[..]].concat();
    let (code, said) = stage.client(&all, &at("t4")).wait();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("connects to").count(), 1, "{said}");
    has_all(&said, &["3 orders sent, 3 acknowledged"]);
    // Said for a file that does not say it.
    let plain = stage.write("plain.toml", &t4.replace("venue = \"t4\"\n", ""));
    let (code, said) = stage.client(&plain, &at("t4")).wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(&said, &["FIX.4.2:T4Example->T4:simulator logged on"]);
    // Also what is added while it runs, and what is only looked at.
    let socket = stage.path("socket");
    let socket = socket.to_str().unwrap();
    let mut client = stage.client(&plain, &["--venue", "t4", "--admin-socket", socket]);
    client.says("logged on");
    let add = |file: &Path| run(&["admin", "--socket", socket, "add", file.to_str().unwrap()]);
    let more = t4
        .replace("T4Example", "T4Other")
        .replace("venue = \"t4\"\n", "");
    add(&stage.write("more.toml", &more)).ok();
    let listed = run(&["admin", "--socket", socket, "list"]).ok().out;
    has_all(&listed, &["FIX.4.2:T4Other->T4:simulator"]);
    add(&stage.write("others.toml", others)).failed(1, &["--venue t4", "no session is there"]);
    drop(client);
    let check = |file: &Path| {
        let file = file.to_str().unwrap();
        run(&["config", "check", "--venue", "t4", file]).ok().out
    };
    for file in [&all, &plain] {
        let said = check(file);
        assert_eq!(said.matches("[[session]]").count(), 1, "{said}");
        has_all(&said, &["version = \"FIX.4.2\"", "target_comp_id = \"T4\""]);
    }
    let refused = |file: &Path, venue: &str, says: &[&str]| {
        run(&["run", "--venue", venue, "--config", file.to_str().unwrap()]).failed(1, says);
    };
    refused(
        &plain,
        "t5",
        &["--venue: there is no venue \"t5\"", "did you mean t4?"],
    );
    let only = stage.write(
        "only.toml",
        &format!("{t4}{others}").replace("\"ilink3\"", "\"t4\""),
    );
    refused(
        &only,
        "ilink3",
        &[
            "--venue ilink3: ",
            "only.toml: no session is there, the file has FIX.4.2:T4Example->T4:simulator at t4 (line 1), \
             FIX.4.4:V->C at no venue (line 14), FIX.4.4:B1->BROKERET:price at brokeret (line 18), \
             the session of line 23 at t4",
        ],
    );
    // What is wrong with a session elsewhere is told when that is run.
    refused(&all, "ilink3", &["firm is missing"]);
    let settings = stage.write("old.cfg", "[SESSION]\n");
    refused(&settings, "t4", &["expected a TOML file"]);
}

#[cfg(feature = "tls")]
#[test]
fn a_client_at_t4_speaks_tls_unless_it_is_told_not_to() {
    let stage = Stage::new();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = stage.write("venue.pem", &made.cert.pem());
    let key = stage.write("venue.key", &made.signing_key.serialize_pem());
    let tls = [
        "--tls-certificate",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let exchange = stage.exchange("t4", &t4_account(), "", &tls);
    let plain = stage.t4(exchange.address, "");
    let text = fs::read_to_string(&plain).unwrap();
    let config = stage.write("tls.toml", &text.replace("tls = \"off\"\n", ""));
    let (code, said) = Client::start_trusting(&config, &["--orders", "3"], Some(&certificate)).wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &["simulator logged on", "3 orders sent, 3 acknowledged"],
    );
    // Nobody vouches for that certificate.
    let mut client = Client::start(&config, &[]);
    client.says("T4Example->T4:simulator cannot connect");
    assert!(!client.said.contains("logged on"), "{}", client.said);
    drop(client);
    // Plain text is nothing this venue understands.
    let mut client = Client::start(&plain, &[]);
    client.says("failed to log on");
}

#[test]
fn wrong_credentials_are_tried_three_times_and_then_an_operator_is_waited_for() {
    let stage = Stage::new();
    let exchange = stage.exchange("t4", &t4_account(), "", &[]);
    stage.write("password", "not the right one\n");
    let config = stage.t4(exchange.address, "");
    let socket = stage.path("client.admin");
    let socket = socket.to_str().unwrap();
    let mut client = stage.client(&config, &["--admin-socket", socket]);
    client.says("was refused 3 times in a row: no further attempt until an operator logs it on");
    let refused =
        "failed to log on: the peer refused our Logon: Login failed: invalid username or password";
    assert_eq!(client.said.matches(refused).count(), 3, "{}", client.said);
    // Much longer than the pause between two attempts.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(client.said.matches(refused).count(), 3, "{}", client.said);
    let name = "FIX.4.2:T4Example->T4:simulator";
    let mut operator = pinfix(&["admin", "--socket", socket, "logon", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    client.says("was refused 3 times in a row");
    // It waits for the logon, which does not come.
    operator.kill().unwrap();
    operator.wait().unwrap();
    command::interrupt(&client.child);
    let (_, said) = client.wait();
    assert_eq!(said.matches(refused).count(), 6, "{said}");
    stage.keeps_secrets(&said);
}

#[test]
fn a_password_is_changed_at_logon() {
    let stage = Stage::new();
    let exchange = stage.exchange("t4", &t4_account(), "", &[]);
    let new = stage.write("new_password", "quite-another\n");
    let more = format!("logon.new_password_file = {new:?}\n");
    let config = stage.t4(exchange.address, &more);
    let (code, said) = stage.client(&config, &["--orders", "1"]).wait();
    assert_eq!(code, Some(0), "{said}");
    // The old one is good no more, the new one is.
    let config = stage.t4(exchange.address, "");
    let mut client = stage.client(&config, &[]);
    client.says("the peer refused our Logon");
    drop(client);
    stage.write("password", "quite-another\n");
    let (code, said) = stage.client(&config, &["--orders", "1"]).wait();
    assert_eq!(code, Some(0), "{said}");
    let said = said + &stage.journal();
    assert!(!said.contains("quite-another"));
}

#[test]
fn either_side_may_be_the_application() {
    for (client, venue) in [("T4Example", "CTS"), ("CTS", "T4Example")] {
        let stage = Stage::new();
        let accounts = format!(
            "[[account]]\ncomp_id = {client:?}\nvenue_comp_id = {venue:?}\npassword = {PASSWORD:?}\n"
        );
        let exchange = stage.exchange("t4", &accounts, "", &[]);
        let config = stage.t4(exchange.address, "");
        let text = fs::read_to_string(&config).unwrap();
        let text = text
            .replace(
                "target_comp_id = \"T4\"",
                &format!("target_comp_id = {venue:?}"),
            )
            .replace(
                "sender_comp_id = \"T4Example\"",
                &format!("sender_comp_id = {client:?}"),
            );
        fs::write(&config, text).unwrap();
        let (code, said) = stage.client(&config, &["--orders", "1"]).wait();
        assert_eq!(code, Some(0), "{said}");
        has_all(
            &said,
            &[&format!("FIX.4.2:{client}->{venue}:simulator logged on")],
        );
    }
}

fn brokeret_account() -> String {
    format!("[[account]]\ncomp_id = \"CLIENT1\"\nusername = \"client1\"\npassword = \"{PASSWORD}\"\n")
}

/// A client at Brokeret: the two sessions of one version.
fn brokeret(stage: &Stage, services: [(&str, SocketAddr); 2]) -> PathBuf {
    let password = stage.path("password");
    let sessions = services.map(|(service, address)| {
        format!("[[session]]\nservice = {service:?}\nconnect.to = [\"{address}\"]\n")
    });
    stage.write(
        "client.toml",
        &format!(
            "[defaults]\nvenue = \"brokeret\"\nsender_comp_id = \"CLIENT1\"\n\
             connect.reconnect = [\"100ms\"]\nlogon.username = \"client1\"\n\
             logon.password_file = {password:?}\n{}",
            sessions.concat()
        ),
    )
}

/// The ports of the four services.
fn ports(exchange: &mut Exchange) -> [SocketAddr; 4] {
    let first = exchange.address;
    [
        first,
        exchange.next_address(),
        exchange.next_address(),
        exchange.next_address(),
    ]
}

#[test]
fn prices_and_trades_are_two_sessions_in_either_version() {
    for version in [0, 1] {
        let stage = Stage::new();
        let mut exchange = stage.exchange("brokeret", &brokeret_account(), "", &[]);
        let [price, trade, price_5, trade_5] = ports(&mut exchange);
        let (services, begin) = [
            ([("price", price), ("trade", trade)], "FIX.4.4"),
            ([("price-5.0", price_5), ("trade-5.0", trade_5)], "FIXT.1.1"),
        ][version];
        let config = brokeret(&stage, services);
        let trading = services[1].0;
        let (code, said) = stage
            .client(
                &config,
                &["--orders", "5", "--reports", "2", "--session", trading],
            )
            .wait();
        assert_eq!(code, Some(0), "{said}");
        for (service, _) in services {
            has_all(
                &said,
                &[&format!("{begin}:CLIENT1->BROKERET:{service} logged on")],
            );
        }
        let journal = stage.journal();
        // Each has its own numbers, kept over connections: no Logon but the first of each has 34=1.
        let (code, said) = stage
            .client(&config, &["--orders", "1", "--session", trading])
            .wait();
        assert_eq!(code, Some(0), "{said}");
        assert!(journal.contains(&format!("8={begin}|")));
        let journal = stage.journal();
        assert_eq!(
            journal.matches("35=A|34=1|49=CLIENT1").count(),
            2,
            "{journal}"
        );
        assert!(journal.contains("35=A|34=8|49=CLIENT1"), "{journal}");
        assert!(!journal.contains("|1409="), "{journal}");
        stage.keeps_secrets(&said);
    }
}

#[test]
fn another_version_of_the_venue_is_adopted_and_trouble_on_one_session_is_recovered() {
    let stage = Stage::new();
    let script = "default_appl_ver_id 7\norder 4 gap 3\norder 6 disconnect\nlogon 3 drop\n\
                  order 8 logout Maintenance\n";
    let mut exchange = stage.exchange("brokeret", &brokeret_account(), script, &[]);
    let [.., price, trade] = ports(&mut exchange);
    let config = brokeret(&stage, [("price-5.0", price), ("trade-5.0", trade)]);
    let arguments = [
        "--orders",
        "12",
        "--rate",
        "50",
        "--reports",
        "2",
        "--session",
        "trade-5.0",
    ];
    let (code, said) = stage.client(&config, &arguments).wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &[
            "trade-5.0 logged on, the peer's ApplVerID is 7",
            "trade-5.0 ended: the connection was lost without a Logout",
            "trade-5.0 ended: the peer logged out: Maintenance",
            "12 orders sent, 12 acknowledged, 24 reports, 0 without a report, 0 reports doubled",
        ],
    );
    // The other session did not notice.
    assert_eq!(said.matches("price-5.0 ended").count(), 1, "{said}");
    // The gap of three was asked for and filled in one.
    has_all(&stage.journal(), &["|35=2|", "|123=Y|"]);
}

#[test]
fn a_script_acts_at_times_as_well() {
    let stage = Stage::new();
    let script = "at 200ms test_request\nat 400ms reset\nat 800ms logout Day is over\n";
    let mut exchange = stage.exchange("brokeret", &brokeret_account(), script, &[]);
    let [price, trade, ..] = ports(&mut exchange);
    let config = brokeret(&stage, [("price", price), ("trade", trade)]);
    let mut client = stage.client(&config, &["--rate", "50", "--session", "trade"]);
    client.says("trade starts at 1 in both directions");
    client.says("ended: the peer logged out: Day is over");
    // Nobody holds it: it is let in again.
    client.says("logged on");
    command::interrupt(&client.child);
    let (code, said) = client.wait();
    has_all(&said, &["0 without a report, 0 reports doubled"]);
    // An order that meets the reset is rejected, and nothing else is.
    let met = said.matches("the answer could not be sent").count();
    assert!(met <= 1, "{said}");
    assert_eq!(code, Some(i32::from(met == 1)), "{said}");
    let journal = stage.journal();
    has_all(
        &journal,
        &[
            "|35=1|34=",
            "|35=A|34=1|49=BROKERET",
            "|141=Y|",
            "|58=Day is over|",
        ],
    );
}

#[test]
fn a_venue_that_forgot_its_numbers_is_for_people_to_sort_out() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("brokeret", &brokeret_account(), "order 3 forget\n", &[]);
    let [price, trade, ..] = ports(&mut exchange);
    let config = brokeret(&stage, [("price", price), ("trade", trade)]);
    let mut client = stage.client(
        &config,
        &["--orders", "9", "--rate", "50", "--session", "trade"],
    );
    let failed = client.says("CLIENT1->BROKERET:trade failed to log on");
    assert!(failed.contains("MsgSeqNum"), "{failed}");
    std::thread::sleep(Duration::from_millis(500));
    command::interrupt(&client.child);
    let (code, said) = client.wait();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches("trade failed to log on").count(), 1, "{said}");
}

/// The first port of a venue whose ports are all free.
fn free_base() -> u16 {
    (21_000..)
        .step_by(100)
        .find(|base| {
            let ports = [0, 1, 10, 11].map(|offset| base + offset);
            ports
                .iter()
                .all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        })
        .unwrap()
}

#[test]
fn a_venue_that_is_killed_goes_on_where_it_was() {
    let stage = Stage::new();
    let (journals, accounts) = (
        stage.path("venue"),
        stage.write("accounts.toml", &brokeret_account()),
    );
    let arguments = [
        "--venue",
        "brokeret",
        "--accounts",
        accounts.to_str().unwrap(),
        "--journal",
        journals.to_str().unwrap(),
    ];
    let base = format!("127.0.0.1:{}", free_base());
    let mut exchange = Exchange::start_at(&base, &arguments);
    let [price, trade, ..] = ports(&mut exchange);
    assert_eq!(trade.port(), price.port() + 1, "ports keep their distances");
    let config = brokeret(&stage, [("price", price), ("trade", trade)]);
    let trading = [
        "--orders",
        "100",
        "--rate",
        "100",
        "--reports",
        "2",
        "--session",
        "trade",
    ];
    let mut client = stage.client(&config, &trading);
    client.says("trade logged on");
    std::thread::sleep(Duration::from_millis(300));
    drop(exchange);
    client.says("trade ended: the connection was lost without a Logout");
    let _exchange = Exchange::start_at(&base, &arguments);
    client.says("trade logged on");
    let (code, said) = client.wait();
    assert_eq!(code, Some(0), "{said}");
    has_all(
        &said,
        &["100 orders sent, 100 acknowledged, 200 reports, 0 without a report, 0 reports doubled"],
    );
}

#[test]
fn what_is_wrong_with_a_venue_is_named_without_a_secret() {
    let stage = Stage::new();
    let check = |text: &str| -> Finished {
        let file = stage.write("wrong.toml", text);
        run(&["config", "check", file.to_str().unwrap()])
    };
    let ids = "sender_comp_id = \"A\"\ntarget_comp_id = \"B\"\n";
    check(&format!("[[session]]\nvenue = \"t5\"\n{ids}"))
        .failed(1, &["t5", "t4, brokeret", "did you mean t4"]);
    check(&format!(
        "[[session]]\nvenue = \"t4\"\nservice = \"sim\"\n{ids}"
    ))
    .failed(1, &["\"sim\"", "simulator, live"]);
    check(&format!(
        "[[session]]\nvenue = \"t4\"\nversion = \"FIX.4.4\"\ntls = \"off\"\n{ids}"
    ))
    .failed(1, &["does not speak FIX.4.4", "FIX.4.2"]);
    check(&format!(
        "[[session]]\nversion = \"FIX.4.4\"\nservice = \"trade\"\n{ids}"
    ))
    .failed(1, &["expected the key venue"]);

    let accounts = stage.write("accounts.toml", "[[account]]\npassword = \"hush\"\n");
    let accounts = accounts.to_str().unwrap();
    let exchange = |more: &[&str]| {
        let mut arguments = vec![
            "exchange",
            "--listen",
            "127.0.0.1:0",
            "--accounts",
            accounts,
        ];
        arguments.extend(more);
        pinfix(&arguments).output().unwrap().into()
    };
    let failed: Finished = exchange(&["--venue", "t4"]);
    let failed = failed.failed(1, &["accounts.toml:1:", "comp_id"]);
    assert!(!failed.err.contains("hush"), "{}", failed.err);
    stage.write(
        "accounts.toml",
        "[[account]]\ncomp_id = \"A\"\npassword = \"hush\"\n",
    );
    let failed: Finished = exchange(&["--venue", "t4"]);
    failed.failed(1, &["account A", "venue_comp_id is missing"]);
    let failed: Finished = exchange(&["--venue", "t5"]);
    failed.failed(1, &["--venue", "t5", "t4, brokeret"]);
    let script = stage.write("script.txt", "logon 1 drop\norder 1 dorp\n");
    let failed: Finished = exchange(&["--venue", "brokeret", "--script", script.to_str().unwrap()]);
    failed.failed(1, &["script.txt:2:", "\"dorp\"", "disconnect"]);
    run(&["exchange", "--venue", "t4"]).failed(2, &["--accounts"]);
}

#[test]
fn a_check_shows_what_the_venue_sets_and_what_the_file_says_wins() {
    let stage = Stage::new();
    let file = stage.t4(
        "127.0.0.1:1".parse().unwrap(),
        "liveness.test_request_percent = 150\n",
    );
    let checked = run(&["config", "check", file.to_str().unwrap()]).ok();
    has_all(
        &checked.err,
        &[
            "FIX.4.2:T4Example->T4:simulator: venue t4 sets, unless the file says otherwise:",
            "at_logon = \"restart\"",
            "liveness.test_request_percent = 200",
            "logout.serve_requests = false",
            "resend.passed_over = [\"W\", \"d\"]",
            "terms.secure_data = \"data_first\"",
        ],
    );
    has_all(
        &checked.out,
        &[
            "test_request_percent = 150",
            "disconnect_percent = 300",
            "554=***",
            "91=***",
        ],
    );
    for secret in [PASSWORD, LICENSE] {
        assert!(!checked.out.contains(secret) && !checked.err.contains(secret));
    }
    // What is printed is a file that comes to the same.
    let again = stage.write("again.toml", &checked.out);
    let again = run(&["config", "check", again.to_str().unwrap()]).ok();
    assert_eq!(again.out, checked.out);
}

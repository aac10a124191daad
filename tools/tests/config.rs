//! `pinfix config`: files of both kinds, what they come to, and what is told about wrong ones.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;

use command::{Exchange, pinfix, run};

const SETTINGS: &str = "\
[DEFAULT]
ConnectionType=initiator
HeartBtInt=7
ReconnectInterval=2x5;60
FileStorePath=store
FileStoreSync=Y
UseDataDictionary=N
[SESSION]
BeginString=FIXT.1.1
DefaultApplVerID=9
SenderCompID=ME
SenderSubID=desk
TargetCompID=YOU
SocketConnectHost=fix.example.com
SocketConnectPort=5001
HostSelectionPolicy=PRIORITY
SocketConnectSourceHost=127.0.0.1
SocketNodelay=Y
SocketTrafficClass=IPTOS_LOWDELAY
LogonTag=553=me
Description=the first
[SESSION]
ConnectionType=acceptor
BeginString=FIX.4.4
SenderCompID=ME
TargetCompID=THEM
SocketAcceptPort=5001
AllowedRemoteAddresses=10.0.0.0/8
[SESSION]
ConnectionType=acceptor
AcceptorTemplate=Y
BeginString=FIX.4.2
SenderCompID=ME
TargetCompID=*
SocketAcceptPort=5002
";

#[test]
fn what_a_file_comes_to_is_a_file_that_comes_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let settings = directory.path().join("old.cfg");
    fs::write(&settings, SETTINGS).unwrap();
    let first = run(&["config", "check", settings.to_str().unwrap()]).ok();
    assert_eq!(first.err, "");
    for part in [
        "version = \"FIX.5.0SP2\"",
        "sender_sub_id = \"desk\"",
        "label = \"the first\"",
        "to = [\"fix.example.com:5001\"]",
        "policy = \"priority 2m\"",
        "source = \"127.0.0.1:0\"",
        "reconnect = [\"5s\", \"5s\", \"1m\"]",
        "traffic_class = 16",
        "fields = [\"553=me\"]",
        "durability = \"flush_each\"",
        "allow = [\"10.0.0.0/8\"]",
        "target_comp_id = \"*\"",
        "address = \"0.0.0.0:5002\"",
    ] {
        assert!(first.out.contains(part), "no {part} in\n{}", first.out);
    }
    let toml = directory.path().join("new.toml");
    fs::write(&toml, &first.out).unwrap();
    let second = run(&["config", "check", toml.to_str().unwrap()]).ok();
    assert_eq!(second.out, first.out);
    // By its content, where the name does not tell.
    let unnamed = directory.path().join("old");
    fs::write(&unnamed, SETTINGS).unwrap();
    assert_eq!(
        run(&["config", "check", unnamed.to_str().unwrap()])
            .ok()
            .out,
        first.out
    );
}

#[test]
fn a_session_inherits_from_the_defaults_and_secrets_come_from_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "sesame1\nsecond line\n").unwrap();
    let file = directory.path().join("a.toml");
    let text = format!(
        "journal = \"journals\"\n\
         [defaults]\nversion = \"FIX.4.4\"\nrole = \"initiator\"\nsender_comp_id = \"ME\"\nheartbeat_s = 5\n\
         [defaults.connect]\nto = [\"127.0.0.1:1\"]\ntimeout = 3\n\
         [defaults.logon]\nusername = \"me\"\npassword_env = \"PINFIX_TEST_PASSWORD\"\n\
         [[session]]\ntarget_comp_id = \"A\"\n\
         [[session]]\ntarget_comp_id = \"B\"\nheartbeat_s = 6\n\
         [session.checks]\nsending_time_window = \"off\"\n[session.connect]\nto = [\"b.example:2\"]\n\
         [session.logon]\npassword_file = {secret:?}\nfields = [\"95=1\"]\n"
    );
    fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let output = pinfix(&["config", "check", path])
        .env("PINFIX_TEST_PASSWORD", "sesame2")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let (first, second) = out.split_once("target_comp_id = \"B\"").unwrap();
    let has = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
    };
    has(
        first,
        &[
            "target_comp_id = \"A\"",
            "heartbeat_s = 5",
            "to = [\"127.0.0.1:1\"]",
            "timeout = \"3s\"",
            "fields = [\"553=me\", \"554=***\"]",
            "directory = \"journals/FIX.4.4_ME-A-",
        ],
    );
    has(
        second,
        &[
            "heartbeat_s = 6",
            "sending_time_window = \"off\"",
            "to = [\"b.example:2\"]",
            "timeout = \"3s\"",
            "fields = [\"553=me\", \"554=***\", \"95=1\"]",
        ],
    );
    assert!(!out.contains("sesame"), "{out}");
    run(&["config", "check", path]).failed(
        1,
        &[
            "a.toml:12:",
            "no PINFIX_TEST_PASSWORD",
            "password_env = ***",
        ],
    );
}

#[test]
fn dictionaries_are_built_in_or_in_files_that_say_what_they_are_of() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    let check = |dictionaries: &str| {
        let text = format!(
            "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n\
             [session.validation]\ndictionaries = {dictionaries}\ninvalid = \"accept\"\n"
        );
        fs::write(&file, text).unwrap();
        run(&["config", "check", file.to_str().unwrap()])
    };
    for choice in ["\"off\"", "\"builtin\""] {
        let out = check(choice).ok().out;
        assert!(
            out.contains(&format!("dictionaries = {choice}")) && out.contains("invalid = \"accept\""),
            "{out}"
        );
    }
    let own = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../src/dict/tables/FIX.4.4.dict"
    );
    let found = check(&format!("[{own:?}]")).ok();
    assert!(
        found.out.contains("dictionaries = [\"FIX.4.4\"]"),
        "{}",
        found.out
    );
    assert!(found.err.contains("printed by name"), "{}", found.err);
    check("[\"nowhere.xml\"]").failed(1, &["a.toml:6:", "nowhere.xml"]);
    check(&format!("[{{ file = {own:?}, custom = \"A\" }}]")).failed(
        1,
        &[
            "validation.dictionaries",
            "one of custom version A",
            "FIXT.1.1",
        ],
    );
    let text = format!(
        "[[session]]\nversion = \"FIX.5.0SP2\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n\
         validation.dictionaries = [{{ file = {own:?}, custom = \"A\", extension = 42 }}]\n"
    );
    fs::write(&file, text).unwrap();
    let found = run(&["config", "check", file.to_str().unwrap()]).ok();
    for part in ["file = \"FIX.4.4\"", "custom = \"A\"", "extension = 42"] {
        assert!(found.out.contains(part), "{}", found.out);
    }
    check("\"on\"").failed(1, &["a.toml:6:", "\"builtin\""]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let session =
        "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"V\"\ntarget_comp_id = \"C\"\n";
    let cases: [(&str, String, &[&str]); 10] = [
        (
            "a.toml",
            format!("{session}hartbeat_s = 1\n"),
            &["a.toml:5:", "did you mean `heartbeat_s`?"],
        ),
        (
            "a.toml",
            format!("{session}role = \"intiator\"\n"),
            &["a.toml:5:", "`intiator`", "`initiator`"],
        ),
        (
            "a.toml",
            format!("{session}logon_timeout = \"1 parsec\"\n"),
            &["a.toml:5:", "\"1m 30s\""],
        ),
        (
            "a.toml",
            format!("{session}logon_timeout = 0\n"),
            &["a.toml:1:", "FIX.4.4:V->C", "10 ms to 1 hour"],
        ),
        (
            "a.toml",
            format!("{session}role = \"initiator\"\n"),
            &["a.toml:1:", "connect.destinations"],
        ),
        (
            "a.toml",
            format!("{session}[session.logon]\nfields = [\"secret\"]\n"),
            &["a.toml:6:", "TAG=VALUE"],
        ),
        (
            "a.toml",
            format!("{session}[session.connect]\nto = [\"nowhere\"]\n"),
            &["HOST:PORT"],
        ),
        (
            "a.toml",
            format!("{session}[session.connect]\npolicy = \"priority\"\n"),
            &["\"priority 2m\""],
        ),
        (
            "a.toml",
            "[[listen]]\nreuse_address = true\n".to_owned(),
            &["[[listen]]: address is missing"],
        ),
        (
            "a.cfg",
            "[SESSION]\nHeartBeatInt=30\nSocketKeyStore=x\n".to_owned(),
            &[
                "a.cfg:2: HeartBeatInt = ***: no such key, did you mean HeartBtInt?",
                "a.cfg:3: SocketKeyStore = x: refused",
            ],
        ),
    ];
    for (name, text, says) in cases {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        let failed = run(&["config", "check", file.to_str().unwrap()]).failed(1, says);
        assert!(
            failed.out.is_empty() && !failed.err.contains("secret"),
            "{failed:?}"
        );
    }
}

#[test]
fn keys_are_listed_with_what_becomes_of_them() {
    let all = run(&["config", "keys"]).ok().out;
    assert!(all.lines().count() > 250, "{all}");
    let some = run(&["config", "keys", "timeout"]).ok().out;
    assert!(
        some.contains("honoured  LogonTimeout: seconds a Logon may take [QuickFIX/J 10, C++ 10]"),
        "{some}"
    );
    assert!(
        some.contains("refused   JdbcConnectionTimeout:") && !some.contains("HeartBtInt:"),
        "{some}"
    );
    run(&["config", "keys", "nonsense"]).failed(1, &["\"nonsense\"", "all keys"]);
}

#[test]
fn the_exchange_takes_a_settings_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("venue.cfg");
    fs::write(
        &file,
        "[DEFAULT]\nConnectionType=acceptor\nBeginString=FIX.4.4\nSenderCompID=VENUE\nSocketAcceptPort=9878\n\
         UseDataDictionary=N\nFileLogPath=log\n[SESSION]\nTargetCompID=A\n[SESSION]\nTargetCompID=B\n",
    )
    .unwrap();
    let exchange = Exchange::start(&["--config", file.to_str().unwrap()]);
    exchange.interrupt();
    let finished = exchange.wait().ok();
    assert!(finished.out.contains("stopped"), "{}", finished.out);
    assert!(
        finished.err.contains("warning: ") && finished.err.contains("FileLogPath"),
        "{}",
        finished.err
    );
}

//! `pinfix admin` against a running `pinfix exchange`.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use command::{Exchange, Finished, run};

const SESSION: &str = "FIX.4.4:VENUE->CLIENT";

struct Rig {
    directory: tempfile::TempDir,
    exchange: Exchange,
}

impl Rig {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let config = at("venue.toml");
        let session = "[[session]]\nversion = \"FIX.4.4\"\nsender_comp_id = \"VENUE\"\n\
                       target_comp_id = \"CLIENT\"\n";
        fs::write(&config, session).unwrap();
        let (socket, audit) = (at("socket"), at("audit"));
        let arguments = [
            ["--config", config.as_str()],
            ["--admin-socket", socket.as_str()],
            ["--admin-audit", audit.as_str()],
        ];
        let exchange = Exchange::start(&arguments.concat());
        Self {
            directory,
            exchange,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn admin(&self, arguments: &[&str]) -> Finished {
        let socket = self.path("socket");
        let before = ["admin", "--socket", socket.to_str().unwrap()];
        run(&[&before, arguments].concat())
    }
}

#[test]
fn a_session_is_held_and_released_from_the_command_line() {
    let rig = Rig::start();
    let listed = rig.admin(&["list"]).ok();
    assert!(listed.out.contains(SESSION), "{}", listed.out);
    assert!(listed.out.starts_with("session"), "{}", listed.out);

    let out = [
        "logout",
        SESSION,
        "--reason",
        "disk replacement",
        "--until",
        "+30m",
    ];
    assert!(rig.admin(&out).ok().out.contains("on hold now"));
    let listed = rig.admin(&["list"]).ok().out;
    assert!(listed.contains(": disk replacement"), "{listed}");
    let status = rig.admin(&["--json", "status", SESSION]).ok();
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let session = &status["sessions"][0];
    assert_eq!(
        (&status["end"], &session["held"]),
        (&"done".into(), &true.into())
    );
    assert_eq!(session["next_out"], 1, "a number is a number: {session}");

    assert_eq!(rig.admin(&["release", SESSION]).ok().out, "done\n");
    assert!(
        rig.admin(&["release", SESSION])
            .ok()
            .out
            .contains("nothing to do")
    );
    assert_eq!(
        rig.admin(&["logon", SESSION, "--wait", "100ms"])
            .failed(5, &["not done in time"])
            .out,
        ""
    );
    let audit = fs::read_to_string(rig.path("audit")).unwrap();
    assert!(audit.contains("reason=disk replacement\tuntil="), "{audit}");
    assert_eq!(
        audit.lines().count(),
        8,
        "asked and ended, four times: {audit}"
    );
}

#[test]
fn what_destroys_is_not_done_without_a_yes() {
    let rig = Rig::start();
    let asked = rig.admin(&["reset", SESSION]);
    asked.failed(
        1,
        &[
            "sends 1 next and expects 1 next",
            "nothing was done",
            "--yes",
        ],
    );
    rig.admin(&["disconnect", SESSION]).failed(1, &["--yes"]);
    rig.admin(&["reset", SESSION, "--yes"]).ok();
    let refused = rig.admin(&["reset", SESSION, "--in-session", "--yes"]);
    assert!([Some(0), Some(3)].contains(&refused.code), "{refused:?}");
}

#[test]
fn errors_name_the_thing_and_have_codes_of_their_own() {
    let rig = Rig::start();
    rig.admin(&["status", "FIX.4.4:NOBODY->HERE"])
        .failed(4, &["no such session"]);
    rig.admin(&["logout", SESSION]).failed(2, &["--reason"]);
    let long = "x".repeat(2000);
    rig.admin(&["logout", SESSION, "--reason", &long])
        .failed(2, &["too long"]);
    rig.admin(&["hold", SESSION, "--reason", "x", "--until", "yesterday"])
        .failed(2, &["yesterday", "+30m"]);
    run(&["admin", "list"]).failed(1, &["PINFIX_ADMIN_SOCKET"]);
    run(&["admin", "--socket", "/no/such/socket", "list"])
        .failed(1, &["/no/such/socket", "is it running"]);
}

#[test]
fn the_engine_that_was_stopped_takes_its_socket_with_it() {
    let rig = Rig::start();
    let socket = rig.path("socket");
    let Rig {
        directory: _directory,
        exchange,
    } = rig;
    assert!(socket.exists());
    exchange.interrupt();
    exchange.wait().ok();
    let start = Instant::now();
    while socket.exists() {
        assert!(start.elapsed() < Duration::from_secs(5), "the socket stays");
    }
}

#[test]
fn sessions_of_a_file_are_added_and_removed_from_the_command_line() {
    let rig = Rig::start();
    let second = "FIX.4.4:VENUE->SECOND";
    let toml = rig.path("venue.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(
        &toml,
        format!("{text}\n{}", text.replace("CLIENT", "SECOND")),
    )
    .unwrap();
    let file = toml.to_str().unwrap();
    let added = rig.admin(&["add", file]).ok().out;
    assert!(
        added.contains(second) && !added.contains(SESSION),
        "{added}"
    );
    let again = rig.admin(&["add", file]).ok().out;
    assert!(again.contains("has every session of"), "{again}");
    let json = rig.admin(&["--json", "add", file]).ok().out;
    assert!(json.starts_with("{\"end\":\"noop\",\"why\":"), "{json}");

    let sure = rig.admin(&["remove", second]);
    sure.failed(1, &["sends 1 next and expects 1 next", "--yes"]);
    assert_eq!(rig.admin(&["remove", second, "--yes"]).ok().out, "done\n");
    rig.admin(&["status", second])
        .failed(4, &["no such session"]);

    // The settings file of another engine, by a path that only this process knows the start of.
    let store = rig.path("store");
    let settings = "[DEFAULT]\nConnectionType=acceptor\nStartTime=00:00:00\nEndTime=00:00:00\n\
                    SocketAcceptPort=9\nFileStorePath=STORE\n\
                    [SESSION]\nBeginString=FIX.4.2\nSenderCompID=VENUE\nTargetCompID=OLD\n";
    let settings = settings.replace("STORE", store.to_str().unwrap());
    fs::write(rig.path("old.cfg"), settings).unwrap();
    let socket = rig.path("socket");
    let mut command = command::pinfix(&["admin", "--socket", socket.to_str().unwrap()]);
    let added = command
        .args(["--json", "add", "old.cfg"])
        .current_dir(rig.directory.path())
        .output()
        .unwrap();
    let added = Finished::from(added).ok().out;
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!(added["end"], "done");
    assert_eq!(added["sessions"][0]["id"], "FIX.4.2:VENUE->OLD");

    fs::write(rig.path("wrong.toml"), "[[session]]\nversion = \"FIX.9\"\n").unwrap();
    let wrong = rig.path("wrong.toml");
    let wrong = wrong.to_str().unwrap();
    rig.admin(&["add", wrong]).failed(1, &[wrong, "FIX.9"]);
    let missing = rig.admin(&["add", "/nowhere/at.all"]);
    missing.failed(1, &["/nowhere/at.all", "No such file"]);
    let audit = fs::read_to_string(rig.path("audit")).unwrap();
    assert!(audit.contains("\tadd\tfile="), "{audit}");
    rig.exchange.interrupt();
    let said = rig.exchange.wait().ok().out;
    for line in [
        "FIX.4.4:VENUE->SECOND was added",
        "FIX.4.4:VENUE->SECOND was removed",
        "FIX.4.2:VENUE->OLD was added",
    ] {
        assert!(said.contains(line), "no {line:?} in {said}");
    }
}

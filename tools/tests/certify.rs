//! `pinfix certify` against `pinfix exchange`: every scenario that can be run from outside passes.

mod command;

use command::Exchange;
use serde_json::Value;

const VERSIONS: [&str; 7] = [
    "FIX.4.1",
    "FIX.4.2",
    "FIX.4.3",
    "FIX.4.4",
    "FIX.5.0",
    "FIX.5.0SP1",
    "FIX.5.0SP2",
];

fn certify(exchange: &Exchange, version: &str, more: &[&str]) -> (Vec<Value>, bool) {
    let address = exchange.address.to_string();
    let mut arguments = vec!["certify", "--target", &address, "--version", version];
    arguments.extend(["--sender", "CLIENT", "--target-comp", "VENUE", "--json"]);
    arguments.extend(more);
    let finished = command::run(&arguments);
    let rows = serde_json::from_str(&finished.out).expect("JSON");
    (rows, finished.code == Some(0))
}

fn with(rows: &[Value], verdict: &str) -> Vec<String> {
    rows.iter()
        .filter(|row| row["verdict"] == verdict)
        .map(|row| format!("{} {}", row["id"], row["why"]))
        .collect()
}

#[test]
fn our_exchange_passes_whatever_can_be_run_from_outside() {
    let directory = tempfile::tempdir().expect("a directory");
    std::thread::scope(|scope| {
        for version in VERSIONS {
            let file = directory.path().join(version);
            std::fs::write(
                &file,
                format!(
                    "[[session]]\nversion = \"{version}\"\nsender_comp_id = \"VENUE\"\n\
                     target_comp_id = \"CLIENT\"\n"
                ),
            )
            .expect("written");
            scope.spawn(move || {
                let file = file.to_str().expect("a name");
                let exchange = Exchange::start(&["--config", file]);
                let (rows, success) = certify(&exchange, version, &["--longest", "2"]);
                assert_eq!(with(&rows, "failed"), Vec::<String>::new(), "{version}");
                assert_eq!(
                    with(&rows, "passed_differs"),
                    Vec::<String>::new(),
                    "{version}"
                );
                assert!(success, "{version}");
                assert!(with(&rows, "passed").len() > 80, "{version}");
            });
        }
    });
}

#[test]
fn a_target_that_does_otherwise_fails_with_the_bytes_exchanged() {
    // Without a list of sessions a stranger is served, which the scenario forbids.
    let exchange = Exchange::start(&[]);
    let (rows, success) = certify(&exchange, "FIX.4.4", &["--filter", "1S-08"]);
    assert!(!success);
    assert_eq!(rows[0]["verdict"], "failed");
    let exchange = rows[0]["exchange"].as_array().expect("lines");
    assert!(exchange.iter().any(|line| {
        let line = line.as_str().unwrap_or_default();
        line.contains("< 8=FIX.4.4") && line.contains("56=STRANGER")
    }));
}

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let told = ["certify", "--target", "127.0.0.1:1", "--version", "FIX.4.0"];
    let whom = ["--sender", "C", "--target-comp", "V"];
    command::run(&[&told[..], &whom].concat()).failed(1, &["--reset target"]);
    let no_such = ["--reset", "target", "--except", "1S"];
    command::run(&[&told[..], &whom, &no_such].concat())
        .failed(1, &["--except 1S", "no scenario has this id"]);
}

//! `pinfix certify` against an engine of somebody else: QuickFIX, the acceptor of `tests/interop`.
//!
//! What it does otherwise is known, each with its reason, in `certify_quickfix.toml`: the runner and the
//! scenarios assume nothing that only our own engine does. Scenarios about timers are not run: QuickFIX
//! looks at them once a second. Skipped where the peer is not installed, unless `PINFIX_INTEROP` is
//! `required`.

mod command;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde::Deserialize;
use serde_json::Value;

/// The versions tried, and the dictionaries that QuickFIX validates them with.
const VERSIONS: [(&str, &str); 3] = [
    ("FIX.4.2", "FIX42.xml"),
    ("FIX.4.4", "FIX44.xml"),
    ("FIX.5.0SP2", "FIX50SP2.xml"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    otherwise: Vec<Otherwise>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Otherwise {
    ids: Vec<String>,
    versions: Option<Vec<String>>,
    #[expect(dead_code, reason = "for the reader, and has to be there")]
    why: String,
    #[serde(default)]
    holds: Holds,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Holds {
    #[default]
    Always,
    Unsteady,
    Fatal,
}

impl Known {
    fn read() -> Self {
        toml::from_str(include_str!("certify_quickfix.toml")).expect("the list")
    }

    fn ids(&self, version: &str, holds: Holds) -> BTreeSet<String> {
        let matching = self.otherwise.iter().filter(|otherwise| {
            let versions = otherwise.versions.as_ref();
            otherwise.holds == holds
                && versions.is_none_or(|versions| versions.iter().any(|name| name == version))
        });
        matching
            .flat_map(|otherwise| otherwise.ids.clone())
            .collect()
    }
}

/// A running acceptor. Ends when its stdin closes.
struct QuickFix {
    process: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl QuickFix {
    fn start(version: &str, dictionary: &str, store: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        drop(listener);
        let mut command = Command::new(program());
        command
            .args(["--port", &port.to_string(), "--version", version])
            .args(["--sender", "PEER", "--target", "CERTIFY"])
            .arg("--store")
            .arg(store)
            .arg("--dictionary")
            .arg(dictionaries().join(dictionary));
        if version.starts_with("FIX.5") {
            command
                .arg("--transport-dictionary")
                .arg(directory().join("quickfix/FIXT11.xml"));
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("QuickFIX starts");
        let mut out = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "{version}");
        Self { process, out, port }
    }

    /// Works with it while what it says is read away, so that it never waits for us.
    fn serve(mut self, work: impl FnOnce(u16)) {
        let stdin = self.process.stdin.take();
        let reader = thread::spawn(move || {
            for line in self.out.lines() {
                if line.is_err() {
                    break;
                }
            }
        });
        work(self.port);
        let ended = self.process.try_wait().expect("a process");
        drop(stdin);
        self.process.wait().expect("a process");
        reader.join().expect("all read");
        assert_eq!(ended, None, "QuickFIX has ended");
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop")
}

fn program() -> PathBuf {
    directory().join("build/quickfix-acceptor")
}

fn dictionaries() -> PathBuf {
    directory().join("node_modules/jspurefix/data")
}

fn is_installed() -> bool {
    let has_dictionary = |(_, file): &(&str, &str)| dictionaries().join(file).is_file();
    program().is_file() && VERSIONS.iter().all(has_dictionary)
}

#[test]
fn quickfix_does_otherwise_only_where_it_is_known_to() {
    if !is_installed() {
        let required = std::env::var_os("PINFIX_INTEROP").is_some_and(|value| value == "required");
        assert!(
            !required,
            "QuickFIX is missing: run tests/interop/install.sh"
        );
        eprintln!("SKIPPED: QuickFIX is missing, install it with tests/interop/install.sh");
        return;
    }
    let known = &Known::read();
    let store = tempfile::tempdir().expect("a directory");
    let store = store.path();
    thread::scope(|scope| {
        for (version, dictionary) in VERSIONS {
            scope.spawn(move || {
                let peer = QuickFix::start(version, dictionary, &store.join(version));
                peer.serve(|port| certify(known, version, port));
            });
        }
    });
}

fn certify(known: &Known, version: &str, port: u16) {
    let target = format!("127.0.0.1:{port}");
    let mut arguments = vec!["certify", "--target", &target, "--version", version];
    arguments.extend(["--sender", "CERTIFY", "--target-comp", "PEER", "--json"]);
    arguments.extend(["--longest", "0.9", "--patience", "1"]);
    let fatal = known.ids(version, Holds::Fatal);
    for id in &fatal {
        arguments.extend(["--except", id]);
    }
    let finished = command::run(&arguments);
    let rows: Vec<Value> = serde_json::from_str(&finished.out).expect("JSON");
    let with = |verdict: &str| -> Vec<&Value> {
        let rows = rows.iter().filter(|row| row["verdict"] == verdict);
        rows.collect()
    };
    let unsteady = known.ids(version, Holds::Unsteady);
    let failed: BTreeSet<String> = with("failed")
        .iter()
        .filter_map(|row| row["id"].as_str().map(str::to_owned))
        .filter(|id| !unsteady.contains(id))
        .collect();
    let expected = known.ids(version, Holds::Always);
    let told: Vec<String> = with("failed")
        .iter()
        .filter(|row| !expected.contains(row["id"].as_str().unwrap_or_default()))
        .map(|row| format!("{row:#}"))
        .collect();
    assert_eq!(failed, expected, "{version}: {}", told.join("\n"));
    assert!(with("passed").len() > 60, "{version}");
}

//! A program of somebody else that a test drives through stdin and observes through stdout.
//!
//! The words it understands and prints are in `PEERS.md`. Invariants: no wait is without a limit, every
//! failure carries what the peer said last, and no process outlives its [`Peer`]. Knows nothing of our
//! own engine.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a counter or an exit code.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long a peer may take to answer `status`.
const STATUS_WAIT: Duration = Duration::from_secs(10);
/// How long a peer may take to end when its stdin closes; `record.sh` needs a second.
const END_WAIT: Duration = Duration::from_secs(3);
/// Lines of stdout and of stderr in the report of a failure.
const REPORT_LINES: usize = 30;

/// Where the scripts and sources of the peers are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// What went wrong, with the peer's last words.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which side opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Acceptor,
    Initiator,
}

/// The versions QuickFIX is run with, in the order they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Fix40,
    Fix41,
    Fix42,
    Fix43,
    Fix44,
    Fix50,
    Fix50Sp1,
    Fix50Sp2,
}

impl Version {
    pub const ALL: [Self; 8] = [
        Self::Fix40,
        Self::Fix41,
        Self::Fix42,
        Self::Fix43,
        Self::Fix44,
        Self::Fix50,
        Self::Fix50Sp1,
        Self::Fix50Sp2,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fix40 => "FIX.4.0",
            Self::Fix41 => "FIX.4.1",
            Self::Fix42 => "FIX.4.2",
            Self::Fix43 => "FIX.4.3",
            Self::Fix44 => "FIX.4.4",
            Self::Fix50 => "FIX.5.0",
            Self::Fix50Sp1 => "FIX.5.0SP1",
            Self::Fix50Sp2 => "FIX.5.0SP2",
        }
    }

    /// BeginString(8).
    pub fn begin_string(self) -> &'static str {
        if self.is_fixt() {
            "FIXT.1.1"
        } else {
            self.name()
        }
    }

    fn is_fixt(self) -> bool {
        self >= Self::Fix50
    }

    /// The file jspurefix ships, of a version it ships one for.
    fn dictionary(self) -> Option<&'static str> {
        match self {
            Self::Fix42 => Some("FIX42.xml"),
            Self::Fix43 => Some("FIX43.xml"),
            Self::Fix44 => Some("FIX44.xml"),
            Self::Fix50Sp2 => Some("FIX50SP2.xml"),
            Self::Fix40 | Self::Fix41 | Self::Fix50 | Self::Fix50Sp1 => None,
        }
    }

    /// Whether there can be a dictionary to validate with.
    pub fn has_dictionary(self) -> bool {
        self.dictionary().is_some()
    }
}

/// Whether QuickFIX checks the content of our messages against a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    HeaderOnly,
    Dictionary,
}

/// A QuickFIX process to be started.
#[derive(Clone, Debug)]
pub struct QuickFix<'a> {
    pub role: Role,
    pub version: Version,
    pub port: u16,
    /// SenderCompID(49) of the peer itself.
    pub sender: &'a str,
    pub target: &'a str,
    /// Where it keeps messages and numbers; the same directory again continues the session.
    pub store: &'a Path,
    pub heartbeat_s: u32,
    pub validation: Validation,
    /// What it speaks TLS with, if it does.
    pub tls: Option<&'a Certificates>,
}

/// Files in PEM, the same for both sides.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What a side shows, and what vouches for it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// True if they can be made: our own maker has no RSA, and QuickFIX takes nothing else.
    pub fn can_be_made() -> bool {
        let found = Command::new("openssl").arg("version").output();
        found.is_ok_and(|found| found.status.success())
    }

    /// Makes them in a directory: RSA of 2048 bits, for 127.0.0.1.
    pub fn make(directory: &Path) -> Result<Self, Failure> {
        let made = Self {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        let output = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=interop".split(' '))
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(&made.certificate)
            .arg("-keyout")
            .arg(&made.key)
            .output()
            .map_err(|e| Failure(format!("openssl: {e}")))?;
        match output.status.success() {
            true => Ok(made),
            false => Err(Failure(format!(
                "openssl made no certificate: {}",
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }
}

impl QuickFix<'_> {
    /// True if `install.sh` has prepared this peer.
    pub fn is_installed(role: Role) -> bool {
        Self::program(role, false).is_file()
    }

    /// True if `install.sh` has prepared it with TLS.
    pub fn has_tls(role: Role) -> bool {
        Self::program(role, true).is_file()
    }

    /// True if `install.sh` has found that the engine was built without TLS.
    pub fn lacks_tls() -> bool {
        directory().join("build/quickfix-without-tls").is_file()
    }

    /// True if there are dictionaries to validate with.
    pub fn has_dictionaries() -> bool {
        Version::ALL
            .iter()
            .filter_map(|version| version.dictionary())
            .all(|file| Self::dictionary(file).is_file())
    }

    pub fn spawn(&self) -> Result<Peer, Failure> {
        let mut command = Command::new(Self::program(self.role, self.tls.is_some()));
        command
            .args(["--port", &self.port.to_string()])
            .args(["--version", self.version.name()])
            .args(["--sender", self.sender, "--target", self.target])
            .args(["--heartbeat", &self.heartbeat_s.to_string()])
            .arg("--store")
            .arg(self.store);
        if let Some(tls) = self.tls {
            command.arg("--certificate").arg(&tls.certificate);
            command.arg("--key").arg(&tls.key);
            command.arg("--authority").arg(&tls.certificate);
        }
        if self.validation == Validation::Dictionary {
            let file = self
                .version
                .dictionary()
                .ok_or_else(|| Failure(format!("there is no dictionary of {}", self.version.name())))?;
            command.arg("--dictionary").arg(Self::dictionary(file));
            if self.version.is_fixt() {
                command
                    .arg("--transport-dictionary")
                    .arg(directory().join("quickfix/FIXT11.xml"));
            }
        }
        Peer::spawn(
            &format!("quickfix {:?}", self.role).to_lowercase(),
            &mut command,
        )
    }

    fn program(role: Role, tls: bool) -> PathBuf {
        directory().join("build").join(match (role, tls) {
            (Role::Acceptor, false) => "quickfix-acceptor",
            (Role::Acceptor, true) => "quickfix-acceptor-tls",
            (Role::Initiator, false) => "quickfix-initiator",
            (Role::Initiator, true) => "quickfix-initiator-tls",
        })
    }

    fn dictionary(file: &str) -> PathBuf {
        directory().join("node_modules/jspurefix/data").join(file)
    }
}

/// The counters of a `status` line.
#[derive(Clone, Debug)]
pub struct Status {
    line: String,
    values: BTreeMap<String, String>,
}

impl Status {
    fn parse(line: &str) -> Self {
        let values = line
            .split_ascii_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            line: line.to_owned(),
            values,
        }
    }

    pub fn is_logged_on(&self) -> bool {
        self.values
            .get("logged-on")
            .is_some_and(|value| value == "yes")
    }

    /// A counter by its name.
    ///
    /// # Errors
    /// The peer has no such counter, which is a mistake in the test.
    pub fn count(&self, name: &str) -> Result<u64, Failure> {
        self.values
            .get(name)
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| Failure(format!("no number named {name} in: {}", self.line)))
    }
}

/// A running peer. Killed when dropped.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    /// `None` only while it is being dropped.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    stderr: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Starts `command` with its three streams in our hands.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self, Failure> {
        let failed = |what: &dyn fmt::Display| Failure(format!("{name}: {what}"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| {
                failed(&format_args!(
                    "cannot start {:?}: {e}",
                    command.get_program()
                ))
            })?;
        let (Some(stdin), Some(stdout), Some(err)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(&"a stream of the new process is missing"));
        };

        let (tell, lines) = channel();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&stderr);
        // Neither thread is waited for: each ends with its stream. The test may stop listening before the
        // peer stops talking.
        thread::spawn(move || each_line(stdout, |line| drop(tell.send(line))));
        thread::spawn(move || each_line(err, |line| keep_last(&keep, line)));
        Ok(Self {
            name: name.to_owned(),
            child,
            stdin: Some(stdin),
            lines,
            seen: Vec::new(),
            stderr,
        })
    }

    /// Gives a command.
    pub fn tell(&mut self, command: &str) -> Result<(), Failure> {
        let told = match &mut self.stdin {
            Some(stdin) => writeln!(stdin, "{command}").and_then(|()| stdin.flush()),
            None => Ok(()),
        };
        told.map_err(|e| self.failure(&format!("cannot be told {command:?}: {e}")))
    }

    /// Waits for a line that is `event`, or begins with it and a space. Lines before it are passed over
    /// (and kept for [`Peer::complaints`]), so events are waited for in the order they must come.
    pub fn wait(&mut self, event: &str, limit: Duration) -> Result<String, Failure> {
        self.wait_for(event, limit, |line| {
            let words = line.strip_prefix(event);
            words.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    /// As [`Peer::wait`], for a line that begins with `beginning`, whatever comes next.
    pub fn wait_beginning(&mut self, beginning: &str, limit: Duration) -> Result<String, Failure> {
        self.wait_for(beginning, limit, |line| line.starts_with(beginning))
    }

    fn wait_for(
        &mut self,
        event: &str,
        limit: Duration,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<String, Failure> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = is_it(&line);
                    if !line.starts_with("status ") {
                        self.seen.push(line.clone());
                    }
                    if found {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.failure(&format!("did not say {event:?} within {limit:?}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failure(&format!("ended before it said {event:?}")));
                }
            }
        }
    }

    /// The counters now.
    pub fn status(&mut self) -> Result<Status, Failure> {
        self.tell("status")?;
        Ok(Status::parse(&self.wait("status", STATUS_WAIT)?))
    }

    /// Asks for the counters until every one in `wanted` has its value.
    pub fn wait_counts(&mut self, wanted: &[(&str, u64)], limit: Duration) -> Result<Status, Failure> {
        let end = Instant::now() + limit;
        loop {
            let status = self.status()?;
            let mut reached = true;
            for (name, count) in wanted {
                reached &= status.count(name)? == *count;
            }
            if reached {
                return Ok(status);
            }
            if Instant::now() >= end {
                return Err(self.failure(&format!(
                    "wanted {wanted:?} within {limit:?}, is at: {}",
                    status.line
                )));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Every line that was not waited for, of a process that has ended.
    pub fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        // Ends with the stream, which ends with the process.
        while let Ok(line) = self.lines.recv_timeout(STATUS_WAIT) {
            self.seen.push(line.clone());
            rest.push(line);
        }
        rest
    }

    /// Sends the process a signal, by the name `kill` has for it.
    pub fn signal(&self, name: &str) -> Result<(), Failure> {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            outcome => Err(Failure(format!(
                "{}: signal {name}: {outcome:?}",
                self.name
            ))),
        }
    }

    /// Every line so far in which the peer found fault: with our messages, their order, or its command.
    pub fn complaints(&mut self) -> Vec<&str> {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        let faulty = |line: &&str| {
            line.starts_with("error")
                || line.starts_with("reject-")
                || line.starts_with("business-reject-")
        };
        self.seen
            .iter()
            .map(String::as_str)
            .filter(faulty)
            .collect()
    }

    /// Waits for the process to end by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => thread::sleep(LOOK_INTERVAL),
                Ok(None) => return Err(self.failure(&format!("still runs after {limit:?}"))),
                Err(e) => return Err(self.failure(&format!("cannot be waited for: {e}"))),
            }
        }
    }

    /// Ends the session in order and the process with it.
    pub fn stop(&mut self, limit: Duration) -> Result<(), Failure> {
        self.tell("stop")?;
        self.wait("stopped", limit)?;
        let status = self.wait_exit(limit)?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("stopped with {status}")))
        }
    }

    /// A failure of the test with what this peer said last.
    pub fn failure(&mut self, what: &str) -> Failure {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let said = &self.seen[self.seen.len().saturating_sub(REPORT_LINES)..];
        Failure(format!(
            "{}: {what}\n--- stdout\n{}\n--- stderr\n{}",
            self.name,
            said.join("\n"),
            stderr.join("\n")
        ))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A peer ends when its stdin closes, and ends what it started itself; one that hangs is killed.
        drop(self.stdin.take());
        if self.wait_exit(END_WAIT).is_err() {
            // Both fail only if it is gone already.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn each_line(stream: impl Read, mut take: impl FnMut(String)) {
    for line in BufReader::new(stream).split(b'\n') {
        let Ok(line) = line else { return };
        take(String::from_utf8_lossy(&line).into_owned());
    }
}

fn keep_last(lines: &Mutex<Vec<String>>, line: String) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == REPORT_LINES {
        lines.remove(0);
    }
    lines.push(line);
}

/// A check of this file itself.
pub type Check = fn() -> Result<(), Failure>;

/// What this file promises, tried on a shell that plays the peer. Kept as a list because a test target
/// without a harness has no `#[test]`.
pub const CHECKS: [(&str, Check); 6] = [
    ("peer::passes_over_other_events", passes_over_other_events),
    ("peer::wait_has_a_limit", wait_has_a_limit),
    (
        "peer::end_is_noticed_and_reported",
        end_is_noticed_and_reported,
    ),
    ("peer::counts_are_read", counts_are_read),
    ("peer::complaints_are_kept", complaints_are_kept),
    (
        "peer::nothing_outlives_its_owner",
        nothing_outlives_its_owner,
    ),
];

fn shell(script: &str) -> Result<Peer, Failure> {
    Peer::spawn("shell", Command::new("sh").args(["-c", script]))
}

fn expect(truth: bool, what: &str) -> Result<(), Failure> {
    if truth {
        Ok(())
    } else {
        Err(Failure(what.to_owned()))
    }
}

fn passes_over_other_events() -> Result<(), Failure> {
    let mut peer = shell("echo ready; echo logon-not; echo logon now; cat")?;
    let line = peer.wait("logon", Duration::from_secs(5))?;
    expect(line == "logon now", &format!("took {line:?} for logon"))
}

fn wait_has_a_limit() -> Result<(), Failure> {
    let mut peer = shell("cat")?;
    let begin = Instant::now();
    let outcome = peer.wait("logon", Duration::from_millis(50));
    expect(outcome.is_err(), "an event that never came was found")?;
    expect(
        begin.elapsed() < Duration::from_secs(5),
        "waited far beyond the limit",
    )
}

fn end_is_noticed_and_reported() -> Result<(), Failure> {
    let mut peer = shell("echo ready; echo the reason >&2; exit 9")?;
    peer.wait("ready", Duration::from_secs(5))?;
    let status = peer.wait_exit(Duration::from_secs(5))?;
    expect(
        status.code() == Some(9),
        &format!("exit code 9 was seen as {status}"),
    )?;
    let Err(failure) = peer.wait("logon", Duration::from_secs(5)) else {
        return Err(Failure("a process that ended said logon".to_owned()));
    };
    let text = failure.to_string();
    expect(
        text.contains("ended before"),
        &format!("the end is not told: {text}"),
    )?;
    expect(
        text.contains("ready"),
        &format!("stdout is missing: {text}"),
    )
}

fn counts_are_read() -> Result<(), Failure> {
    let script = "n=0; while read line; do n=$((n + 1)); echo status logged-on=yes orders=$n; done";
    let mut peer = shell(script)?;
    let status = peer.wait_counts(&[("orders", 3)], Duration::from_secs(5))?;
    expect(status.is_logged_on(), "logged-on=yes was not read")?;
    expect(
        status.count("reports").is_err(),
        "a counter that is not there was read",
    )
}

fn complaints_are_kept() -> Result<(), Failure> {
    let mut peer = shell("echo error one; echo logon; echo reject-sent two; echo ready; cat")?;
    peer.wait("ready", Duration::from_secs(5))?;
    let complaints = peer.complaints();
    expect(
        complaints == ["error one", "reject-sent two"],
        &format!("kept {complaints:?}"),
    )
}

fn nothing_outlives_its_owner() -> Result<(), Failure> {
    let peer = shell("exec sleep 600")?;
    let process = PathBuf::from(format!("/proc/{}", peer.child.id()));
    expect(process.exists(), "the process did not start")?;
    drop(peer);
    expect(!process.exists(), "the process still runs")
}

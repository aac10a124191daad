//! Runs the built command, as a user would.
#![allow(clippy::unwrap_used, dead_code)] // not every test file uses all of it

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The command with these arguments.
pub fn pinfix(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinfix"));
    command.args(arguments);
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Finished {
    pinfix(arguments).output().unwrap().into()
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// The run succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The run failed with this code, and says all of this on standard error.
    #[track_caller]
    pub fn failed(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in says {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
        // An error for people shows no insides.
        for insides in ["panicked", "Error {", "Err("] {
            assert!(!self.err.contains(insides), "{}", self.err);
        }
        self
    }
}

/// As Ctrl-C does.
pub fn interrupt(child: &Child) {
    signal(child, "INT");
}

/// Sends a child a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
}

/// A running `pinfix exchange`; killed when it is dropped.
pub struct Exchange {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    pub address: SocketAddr,
}

impl Exchange {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    pub fn start_at(address: &str, arguments: &[&str]) -> Self {
        let mut child = pinfix(&["exchange", "--listen", address])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = address_in(&line);
        Self {
            child,
            out,
            err,
            address,
        }
    }

    /// The address of the next service, of a venue that has several.
    pub fn next_address(&mut self) -> SocketAddr {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        address_in(&line)
    }

    pub fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it says on standard error that it was interrupted.
    pub fn heeds(&mut self) {
        let mut line = String::new();
        self.err.read_line(&mut line).unwrap();
        assert!(line.contains("Ctrl-C again"), "{line}");
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Finished {
        let end = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "the exchange does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        Finished {
            code: status.code(),
            out,
            err,
        }
    }
}

/// The address in `listening on ADDRESS, ...`.
fn address_in(line: &str) -> SocketAddr {
    line.split_once("listening on ")
        .and_then(|(_, rest)| rest.split_once(','))
        .unwrap_or_else(|| panic!("no address in {line:?}"))
        .0
        .parse()
        .unwrap()
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Ended already, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `pinfix run`, whose lines are read one by one; killed when it is dropped.
pub struct Client {
    pub child: Child,
    out: BufReader<ChildStdout>,
    /// Every line so far.
    pub said: String,
}

impl Client {
    pub fn start(config: &Path, arguments: &[&str]) -> Self {
        Self::start_trusting(config, arguments, None)
    }

    /// One that trusts the certificate in this file as if it were the system's.
    pub fn start_trusting(config: &Path, arguments: &[&str], authority: Option<&Path>) -> Self {
        let mut child = pinfix(&["run", "--config"])
            .arg(config)
            .args(arguments)
            .envs(authority.map(|file| ("SSL_CERT_FILE", file)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            out,
            said: String::new(),
        }
    }

    /// Reads until a line has this in it, and answers it.
    #[track_caller]
    pub fn says(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert!(read > 0, "ended without {part:?}:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for the end. Answers the exit code and everything that was said.
    pub fn wait(mut self) -> (Option<i32>, String) {
        self.out.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ended already, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

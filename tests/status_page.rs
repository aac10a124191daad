//! The status page from another process: live numbers, the hold, latencies, and the engine's end.
//!
//! The test starts itself again: once as an onlooker that only knows the path of the page, once as
//! an engine that is killed while it is watched.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use pinfix::counters::{Liveness, Stage, StatusReader};
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::session::Text;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::wire::fix::{msg_type, tag};

/// Set for the other process: what it is to be.
const PART: &str = "PINFIX_STATUS_PART";
/// Set for the other process: the page.
const PAGE: &str = "PINFIX_STATUS_PAGE";

const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    if let Ok(part) = std::env::var(PART) {
        let page = PathBuf::from(std::env::var(PAGE).unwrap());
        match part.as_str() {
            "onlooker" => look_on(&page),
            "engine" => run_until_killed(&page),
            other => panic!("{PART}={other}"),
        }
        return;
    }
    let trials = vec![
        Trial::test(
            "another_process_sees_live_numbers_the_hold_and_latencies",
            || {
                live_numbers();
                Ok(())
            },
        ),
        Trial::test("another_process_sees_that_an_engine_was_killed", || {
            killed();
            Ok(())
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Answers each line of its input with what the page says now.
fn look_on(page: &Path) {
    let reader = StatusReader::open(page).unwrap();
    for line in std::io::stdin().lines() {
        assert_eq!(line.unwrap(), "look");
        let now = Clock::new().now();
        let engine = reader.engine().unwrap();
        let latency = reader.latency(Stage::ReadToCallback);
        let writes = reader.latency(Stage::CallbackToWrite);
        println!(
            "engine {} {:?} sessions {} up {}; callbacks {} p50 {} max {}; writes {}",
            reader.identity().name,
            reader.liveness(now.utc, PATIENCE),
            engine.sessions,
            engine.sessions_up,
            latency.histogram.len(),
            latency.histogram.value_at_quantile(0.5) > 0,
            latency.max_ns > 0,
            writes.histogram.len(),
        );
        for session in reader.sessions() {
            let entry = session.unwrap();
            let status = entry.status;
            println!(
                "session {} {:?} {:?} held {} out {} in {} messages {}",
                entry.id,
                entry.role,
                status.state,
                status.held,
                status.next_out,
                status.next_in,
                status.messages_in
            );
        }
        println!("end");
        std::io::stdout().flush().unwrap();
    }
}

/// An engine with a session that nobody logs on to.
fn run_until_killed(page: &Path) {
    let mut clock = Clock::new();
    let mut engine = Engine::new(config(page)).unwrap();
    let session = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
    engine.add_session(session, clock.now()).unwrap();
    loop {
        engine.poll(clock.now(), &mut App { received: 0 });
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn config(page: &Path) -> EngineConfig {
    EngineConfig {
        name: "watched".to_owned(),
        status_page: Some(page.to_owned()),
        sessions_max: 16,
        ..EngineConfig::default()
    }
}

struct App {
    received: u64,
}

impl Application for App {
    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
            report.uint(tag::CL_ORD_ID, 1);
        });
        assert!(sent.is_ok(), "{sent:?}");
        Verdict::Accept
    }
}

/// Takes messages and says nothing.
struct Silent {
    received: u64,
}

impl Application for Silent {
    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        Verdict::Accept
    }
}

/// The other process, ended when this is dropped.
struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(part: &str, page: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(PART, part)
            .env(PAGE, page)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    fn look(&mut self) -> Vec<String> {
        self.input.write_all(b"look\n").unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the onlooker is gone"
            );
            if line == "end\n" {
                return lines;
            }
            lines.push(line.trim_end().to_owned());
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A place for a page that is gone with the value.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("pinfix-status-{}-{name}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Pair {
    client: Engine,
    client_app: Silent,
    venue: Engine,
    venue_app: App,
    session: SessionHandle,
    clock: Clock,
}

impl Pair {
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            self.turn();
            assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        }
        // The engine's own part of the page is written every 100 ms.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(150) {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        self.client.poll(now, &mut self.client_app);
        self.venue.poll(now, &mut self.venue_app);
    }
}

fn live_numbers() {
    let page = Place::new("live");
    let mut clock = Clock::new();
    let now = clock.now();
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    venue
        .add_session(SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT"), now)
        .unwrap();
    let mut client = Engine::new(config(&page.0)).unwrap();
    let mut onlooker = Other::start("onlooker", &page.0);
    let lines = onlooker.look();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let session = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
    let (session, _) = client.add_session(session, now).unwrap();
    let mut control = client.controller();
    let mut pair = Pair {
        client,
        client_app: Silent { received: 0 },
        venue,
        venue_app: App { received: 0 },
        session,
        clock,
    };

    pair.until("logon", |pair| {
        pair.venue
            .status_reader()
            .session(0)
            .unwrap()
            .unwrap()
            .status
            .logged_on_utc
            .0
            > 0
            && pair.client.next_numbers(pair.session) == Some((2, 2))
    });
    let lines = onlooker.look();
    assert_eq!(
        lines,
        [
            "engine watched Running sessions 1 up 1; callbacks 0 p50 false max false; writes 0",
            "session FIX.4.4:CLIENT->VENUE Initiator Up held false out 2 in 2 messages 1",
        ]
    );

    for count in [1, 10] {
        let before = pair.client_app.received;
        for _ in 0..count {
            let now = pair.clock.now();
            pair.client
                .outbound(now)
                .send(pair.session, msg_type::NEW_ORDER_SINGLE, |order| {
                    order.uint(tag::CL_ORD_ID, 1);
                })
                .unwrap();
        }
        pair.until("reports", |pair| pair.client_app.received == before + count);
        let all = pair.client_app.received;
        let next = 2 + all;
        let messages = 1 + all;
        assert_eq!(
            onlooker.look(),
            [
                format!(
                    "engine watched Running sessions 1 up 1; callbacks {all} p50 true max true; writes {all}"
                ),
                format!(
                    "session FIX.4.4:CLIENT->VENUE Initiator Up held false out {next} in {next} messages {messages}"
                ),
            ]
        );
    }

    let reason = Text::new("maintenance").unwrap();
    control
        .logout(session, reason, Duration::from_secs(20))
        .unwrap();
    pair.until("logout", |pair| {
        pair.client.next_numbers(pair.session) == Some((14, 14))
    });
    let lines = onlooker.look();
    assert!(lines[0].contains("sessions 1 up 0"), "{lines:?}");
    assert_eq!(
        lines[1],
        "session FIX.4.4:CLIENT->VENUE Initiator Down held true out 14 in 14 messages 13"
    );

    // A polite end leaves a word behind.
    drop(pair);
    let lines = onlooker.look();
    assert!(lines[0].starts_with("engine watched Ended"), "{lines:?}");
}

fn killed() {
    let page = Place::new("killed");
    let mut engine = Other::start("engine", &page.0);
    let start = Instant::now();
    let reader = loop {
        match StatusReader::open(&page.0) {
            Ok(reader) => break reader,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no page");
    };
    let liveness = || reader.liveness(Clock::new().now().utc, PATIENCE);
    assert_eq!(liveness(), Liveness::Running);
    assert_eq!(reader.pid(), u64::from(engine.child.id()));
    // It goes on living: the page changes without anybody asking the engine.
    let mut cycles = vec![reader.engine().unwrap().cycles];
    while cycles.len() < 4 {
        let now = reader.engine().unwrap().cycles;
        if now > *cycles.last().unwrap() {
            cycles.push(now);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{cycles:?}");
    }
    engine.child.kill().unwrap();
    engine.child.wait().unwrap();
    assert_eq!(liveness(), Liveness::Gone);
    // What it said last can still be read.
    assert!(reader.engine().unwrap().cycles >= cycles[3]);
    assert_eq!(
        reader.session(0).unwrap().unwrap().id,
        "FIX.4.4:VENUE->CLIENT"
    );
}

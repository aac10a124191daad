//! Runs one scenario: the engine is the real one, the network and the time are made here, and the
//! scenario plays the peer, the application and the operator.
//!
//! Strict: a frame or an event that no line expects fails the scenario.

mod actions;
mod checks;
mod expectations;
mod hours;
mod settings;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pinfix::engine::{Controller, Engine, EngineConfig, SessionConfig, SessionHandle, Template};
use pinfix::journal::{Keeper, Location};
use pinfix::session::fix::rules::Rules;
use pinfix::session::fix::{AtEnd, AtLogon, Role};
use pinfix::time::{Mono, Now, Utc};

use crate::app::{App, Told};
use crate::frame::{self, ENGINE, PEER, Received, printed};
use crate::script::{Action, Line, Scenario, Step};
use crate::simnet::{End, Wire};

/// How time is cut while a scenario waits.
const STEP: Duration = Duration::from_millis(10);

/// How long an initiator may take to connect again.
const DIAL_PATIENCE: Duration = Duration::from_secs(40);

/// How many cycles the engine may need to come to rest.
const CYCLES_MAX: usize = 300_000;

/// How what the peer sends reaches the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Each line on its own.
    AsWritten,
    /// One byte per read (X5-01).
    ByteByByte,
    /// Lines that follow each other in one segment (X5-02).
    OneSegment,
    /// In one segment, read in pieces of this many bytes (X5-03).
    Pieces(usize),
}

/// What the scenarios have provoked, over all of them.
#[derive(Default)]
pub struct Coverage {
    pub faults: Mutex<BTreeSet<&'static str>>,
    pub causes: Mutex<BTreeSet<&'static str>>,
    pub events: Mutex<BTreeSet<&'static str>>,
    pub operations: Mutex<BTreeSet<&'static str>>,
    pub outcomes: Mutex<BTreeSet<&'static str>>,
}

/// Runs a scenario in one delivery.
///
/// # Errors
/// The line that failed, what was expected and what happened, and the whole exchange.
pub fn run(
    scenario: &Scenario,
    rules: &'static Rules,
    role: Role,
    delivery: Delivery,
    coverage: &Coverage,
) -> Result<(), String> {
    let mut run = Run::new(scenario, rules, role, delivery, coverage)?;
    let result = run.lines(&scenario.lines);
    if let Some(directory) = &run.directory {
        drop(run.engine.take());
        let _ = std::fs::remove_dir_all(directory);
    }
    result.map_err(|(number, why)| {
        format!(
            "{}:{number}: {why}\n  {} {role:?} {delivery:?}, the whole exchange:\n{}",
            scenario.file.display(),
            rules.name,
            run.log.join("\n")
        )
    })
}

/// The test's end of a connection.
struct Peer {
    end: End,
    bytes: Vec<u8>,
    frames: VecDeque<Received>,
}

struct Run<'a> {
    wire: Wire,
    engine: Option<Engine>,
    controller: Controller,
    session: SessionHandle,
    config: SessionConfig,
    engine_config: EngineConfig,
    address: SocketAddr,
    app: App,
    rules: &'static Rules,
    role: Role,
    delivery: Delivery,
    now: Now,
    peers: Vec<Peer>,
    current: usize,
    /// MsgSeqNum(34) of the peer's next frame.
    peer_number: u64,
    /// MsgSeqNum(34) of the engine's next new frame.
    engine_number: u64,
    /// What the engine sent, by number.
    originals: HashMap<u64, Received>,
    /// Numbers may start anew without ResetSeqNumFlag(141).
    restarts: bool,
    /// What an operator set the number of the engine's next message to.
    raised: Option<u64>,
    /// Frames may have waited, or have been lost, in a socket.
    held_back: bool,
    probes: u32,
    log: Vec<String>,
    directory: Option<PathBuf>,
    coverage: &'a Coverage,
}

type Failed = (usize, String);

impl<'a> Run<'a> {
    fn new(
        scenario: &Scenario,
        rules: &'static Rules,
        role: Role,
        delivery: Delivery,
        coverage: &'a Coverage,
    ) -> Result<Self, String> {
        let wire = Wire::answered_by_test();
        let mut now = Now {
            mono: Mono(5_000_000_000),
            utc: Utc::parse_fix(b"20260105-09:00:00.000").expect("a time"),
        };
        let address = SocketAddr::from(([10, 0, 0, 2], 5001));
        let mut config = match role {
            Role::Acceptor => SessionConfig::acceptor(rules, ENGINE, PEER),
            Role::Initiator => SessionConfig::initiator(rules, ENGINE, PEER, address),
        };
        config.journal.first_segment_bytes = 32 * 1024;
        let mut engine_config = EngineConfig {
            max_message_bytes: 4096,
            max_fields: 128,
            sessions_max: 4,
            ..EngineConfig::default()
        };
        let mut app = App::new();
        for (number, key, value) in &scenario.settings {
            if key == "now" {
                now.utc = Utc::parse_fix(value.as_bytes()).ok_or(format!("{value} is no time"))?;
                continue;
            }
            settings::set(&mut config, &mut engine_config, &mut app, key, value)
                .map_err(|why| format!("{}:{number}: {why}", scenario.file.display()))?;
        }
        let needs_files = |line: &Line| {
            matches!(
                &line.step,
                Step::Do {
                    action: Action::Restart | Action::Damage(_) | Action::LoseJournal,
                    ..
                }
            )
        };
        let directory = scenario
            .lines
            .iter()
            .any(needs_files)
            .then(scratch_directory);
        if let Some(directory) = &directory {
            config.journal.location = Location::Directory(directory.clone());
        }
        let restarts =
            config.settings.at_logon != AtLogon::Continue || config.settings.at_end != AtEnd::Continue;
        let (engine, controller, session) = start(&wire, &engine_config, &config, address, now)?;
        Ok(Self {
            wire,
            engine: Some(engine),
            controller,
            session,
            config,
            engine_config,
            address,
            app,
            rules,
            role,
            delivery,
            now,
            peers: Vec::new(),
            current: 0,
            peer_number: 1,
            engine_number: 1,
            originals: HashMap::new(),
            restarts,
            raised: None,
            held_back: false,
            probes: 0,
            log: Vec::new(),
            directory,
            coverage,
        })
    }

    fn lines(&mut self, lines: &[Line]) -> Result<(), Failed> {
        self.wire.set_now(self.now.mono.0);
        match self.delivery {
            Delivery::ByteByByte => self.wire.set_read_max(1),
            Delivery::Pieces(bytes) => self.wire.set_read_max(bytes),
            Delivery::AsWritten | Delivery::OneSegment => {}
        }
        let in_one_segment = matches!(self.delivery, Delivery::OneSegment | Delivery::Pieces(_));
        let mut after_expectation = false;
        for (at, line) in lines.iter().enumerate() {
            let failed = |why| (line.number, format!("{why}\n  in the line: {}", line.text));
            match &line.step {
                Step::Do { action, .. } => {
                    if std::mem::take(&mut after_expectation) {
                        self.nothing_left().map_err(failed)?;
                    }
                    let together = lines.get(at + 1).is_some_and(|next| match &next.step {
                        Step::Do { joined: true, .. } => true,
                        Step::Do { action: next, .. } => {
                            in_one_segment && is_sent(action) && is_sent(next)
                        }
                        Step::Expect(_) => false,
                    });
                    self.act(action).map_err(failed)?;
                    if !together {
                        self.quiesce().map_err(failed)?;
                    }
                }
                Step::Expect(expectation) => {
                    after_expectation = true;
                    self.expect(expectation).map_err(failed)?;
                }
            }
        }
        let last = lines.last().map_or(0, |line| line.number);
        self.nothing_left().map_err(|why| (last, why))
    }

    fn nothing_left(&self) -> Result<(), String> {
        for peer in &self.peers {
            if let Some(frame) = peer.frames.front() {
                return Err(format!("sent, but not expected: {}", printed(&frame.bytes)));
            }
            if !peer.bytes.is_empty() && !self.held_back {
                return Err(format!("half a frame was sent: {}", printed(&peer.bytes)));
            }
        }
        match self.app.told.front() {
            Some(told) => Err(format!("told, but not expected: {}", shown(told))),
            None => Ok(()),
        }
    }

    fn note(&mut self, what: &str) {
        let ns = self.now.mono.0 - 5_000_000_000;
        let what = if what.len() > 400 {
            format!("{:.300}... {} bytes", what, what.len())
        } else {
            what.to_owned()
        };
        self.log
            .push(format!("    {:>9.3} {what}", ns as f64 / 1e9));
    }

    // Time.

    /// Runs the engine until nothing happens any more.
    fn quiesce(&mut self) -> Result<(), String> {
        let mut idle = 0;
        for _ in 0..CYCLES_MAX {
            let Some(engine) = &mut self.engine else {
                return self.collect().map(drop);
            };
            let work = engine.poll(self.now, &mut self.app);
            let heard = self.collect()?;
            if work == 0 && !heard && !self.wire.is_busy() {
                idle += 1;
                if idle == 3 && !self.app.leaving {
                    return Ok(());
                }
                if idle >= 3 {
                    // Real time passes for the thread that closes what was removed.
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            } else {
                idle = 0;
            }
        }
        Err(format!(
            "the engine does not come to rest in {CYCLES_MAX} cycles"
        ))
    }

    /// Takes what the engine sent and told. Answers whether it sent anything.
    fn collect(&mut self) -> Result<bool, String> {
        let mut heard = false;
        for at in 0..self.peers.len() {
            let bytes = self.wire.receive(self.peers[at].end);
            heard |= !bytes.is_empty();
            self.peers[at].bytes.extend(bytes);
            let mut pending = std::mem::take(&mut self.peers[at].bytes);
            loop {
                let cut = frame::cut(&mut pending);
                match cut {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        self.note(&format!("< {}", printed(&frame.bytes)));
                        self.check(&frame).map_err(|why| {
                            format!("unsound frame, {why}: {}", printed(&frame.bytes))
                        })?;
                        self.peers[at].frames.push_back(frame);
                    }
                    Err(why) => return Err(format!("unsound frame, {why}: {}", printed(&pending))),
                }
            }
            self.peers[at].bytes = pending;
        }
        while let Some(completion) = self.controller.poll() {
            self.complete(completion.outcome);
        }
        let seen = self.coverage;
        seen.causes
            .lock()
            .unwrap()
            .extend(self.app.causes.drain(..));
        seen.events
            .lock()
            .unwrap()
            .extend(self.app.events.drain(..));
        let mut faults = seen.faults.lock().unwrap();
        faults.extend(self.app.faults.drain(..));
        if let Some(engine) = &self.engine
            && let Some(fault) = engine
                .tally(self.session)
                .and_then(|tally| tally.last_fault)
        {
            faults.insert(fault.name());
        }
        Ok(heard)
    }

    fn pass(&mut self, span: Duration) -> Result<(), String> {
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            self.now.mono = self.now.mono + step;
            self.now.utc = Utc(self.now.utc.0 + step.as_nanos() as u64);
            self.wire.set_now(self.now.mono.0);
            let Some(engine) = &mut self.engine else {
                continue;
            };
            let work = engine.poll(self.now, &mut self.app);
            if work > 0 || self.collect()? || self.wire.is_busy() {
                self.quiesce()?;
            }
        }
        Ok(())
    }
}

fn shown(told: &Told) -> String {
    let fields: Vec<_> = told
        .fields
        .iter()
        .map(|(tag, value)| format!("{tag}={}", printed(value)))
        .collect();
    format!("{} {}", told.words, fields.join(" "))
}

/// Whether an action puts bytes on the wire and nothing else.
fn is_sent(action: &Action) -> bool {
    matches!(
        action,
        Action::Frame(_) | Action::Raw(_) | Action::Repeat { .. }
    )
}

fn start(
    wire: &Wire,
    engine_config: &EngineConfig,
    config: &SessionConfig,
    address: SocketAddr,
    now: Now,
) -> Result<(Engine, Controller, SessionHandle), String> {
    let port = Box::new(wire.port());
    let mut engine = Engine::with(engine_config.clone(), port, Keeper::inline())
        .map_err(|error| error.to_string())?;
    let template = (config.settings.id.target_comp_id != PEER)
        .then(|| Template::new(vec![config.settings.rules], config.clone()));
    if config.settings.role == Role::Acceptor {
        engine
            .listen(address, template)
            .map_err(|error| error.to_string())?;
    }
    let controller = engine.controller();
    let (session, recovery) = engine
        .add_session(config.clone(), now)
        .map_err(|error| error.to_string())?;
    if !recovery.is_clean() {
        return Err(format!("the journal had to be mended: {recovery:?}"));
    }
    Ok((engine, controller, session))
}

fn scratch_directory() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!(
        "pinfix-conformance-{}-{number}",
        std::process::id()
    ))
}

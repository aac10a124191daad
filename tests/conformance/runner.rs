//! Runs one scenario: the engine is the real one, the network and the time are made here, and the
//! scenario plays the peer, the application and the operator.
//!
//! Strict: a frame or an event that no line expects fails the scenario.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pinfix::admin::{Operation, Outcome};
use pinfix::engine::{
    Controller, Engine, EngineConfig, Failover, MESSAGE_ROOM, SessionConfig, SessionHandle,
};
use pinfix::journal::{Keeper, Location};
use pinfix::session::Text;
use pinfix::session::fix::policy::{
    BelowExpected, Garbled, LogoutAboveExpected, OnSilence, OrigSendingTime, RequestEnd, ResendFrom,
};
use pinfix::session::fix::rules::{FIX44, Rules};
use pinfix::session::fix::{AtEnd, AtLogon, LogonField, Role};
use pinfix::time::{Mono, Now, TimestampPrecision, Utc};
use pinfix::wire::fix::{HeaderFields, tag};

use super::app::{App, Told};
use super::frame::{self, ENGINE, Filling, PEER, Received, printed};
use super::script::{Action, Expectation, Field, Line, Scenario, Start, Step, What};
use super::simnet::{End, SOCKET_BYTES, SOURCE, Wire};

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
        let now = Now {
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
            set(&mut config, &mut engine_config, &mut app, key, value)
                .map_err(|why| format!("{}:{number}: {why}", scenario.file.display()))?;
        }
        let restarts = |line: &Line| {
            matches!(
                &line.step,
                Step::Do {
                    action: Action::Restart | Action::Damage(_),
                    ..
                }
            )
        };
        let directory = scenario.lines.iter().any(restarts).then(scratch_directory);
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
                if idle == 3 {
                    return Ok(());
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
        let mut faults = self.coverage.faults.lock().unwrap();
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

    // What every frame of the engine must be.

    fn check(&mut self, frame: &Received) -> Result<(), String> {
        let is = |tag, value: &str| frame.get(tag) == Some(value.as_bytes());
        if !is(8, self.rules.begin_string) || !is(49, ENGINE) || !is(56, PEER) {
            return Err("wrong BeginString(8), SenderCompID(49) or TargetCompID(56)".into());
        }
        let precision = if self.rules.fractional_seconds {
            self.config.settings.precision
        } else {
            TimestampPrecision::Seconds
        };
        let now = self.now.utc.to_fix(precision).to_string();
        if !is(52, &now) && !self.held_back {
            return Err(format!("SendingTime(52) should be {now}"));
        }
        let number = frame.number(34).ok_or("MsgSeqNum(34) is no number")?;
        let bridged = self.config.settings.resend.application_poss_dup && number >= self.engine_number;
        if is(43, "Y") && !bridged {
            return self.check_resent(frame, number);
        }
        if (frame.get(43).is_some() || frame.get(122).is_some()) && !bridged {
            return Err("a new message with 43 or 122".into());
        }
        let restart = is(35, "A") && number == 1 && (is(141, "Y") || self.restarts);
        if restart {
            self.engine_number = 1;
            self.originals.clear();
        }
        if number != self.engine_number && !(self.held_back && number > self.engine_number) {
            return Err(format!("MsgSeqNum(34) should be {}", self.engine_number));
        }
        self.engine_number = number + 1;
        self.originals.insert(number, frame.clone());
        Ok(())
    }

    fn check_resent(&self, frame: &Received, number: u64) -> Result<(), String> {
        if number >= self.engine_number {
            return Err("a number sent again that was never sent".into());
        }
        if frame.get(35) == Some(b"4") {
            let next = frame.number(36).unwrap_or_default();
            return if next <= number || next > self.engine_number || frame.get(123) != Some(b"Y") {
                Err("a gap fill that leads backwards or beyond what was sent".into())
            } else if frame.get(122).is_none() {
                Err("a gap fill with 43 but without 122".into())
            } else {
                Ok(())
            };
        }
        let Some(original) = self.originals.get(&number) else {
            // Sent before the restart, or lost in a socket.
            return Ok(());
        };
        if frame.get(122) != original.get(52) {
            return Err("OrigSendingTime(122) is not the original SendingTime(52)".into());
        }
        let body = |frame: &Received| -> Vec<(u32, Vec<u8>)> {
            let changed = [9, 10, 43, 52, 122];
            let kept = frame
                .fields
                .iter()
                .filter(|field| !changed.contains(&field.0));
            kept.cloned().collect()
        };
        if body(frame) != body(original) {
            return Err(format!(
                "differs from what was sent first: {}",
                printed(&original.bytes)
            ));
        }
        Ok(())
    }

    // What is done.

    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Given {
                start,
                next_in,
                next_out,
            } => self.given(*start, *next_in, *next_out)?,
            Action::Connect(source) => self.connect(source.unwrap_or(SOURCE.into()))?,
            Action::Refuse => {
                let dial = self.await_dial()?;
                self.note("  the peer refuses the connection");
                self.wire.refuse(dial);
            }
            Action::Logon(fields) => self.log_on(fields)?,
            Action::Frame(fields) => self.send(fields)?,
            Action::Raw(raw) => {
                let bytes = frame::fill(raw, &self.filling());
                self.inject(&bytes)?;
            }
            Action::RawMany(times, raw) => {
                self.note(&format!("> {times} times: {}", printed(raw)));
                let end = self.peer()?.end;
                for _ in 0..*times {
                    self.wire.send(end, raw);
                }
            }
            Action::Repeat { times, fields } => {
                for _ in 0..*times {
                    self.send(fields)?;
                }
            }
            Action::On(peer) => self.current = peer - 1,
            Action::Finish => {
                self.note("  the peer half-closes");
                self.wire.clone().finish(self.peer()?.end);
            }
            Action::Close => {
                self.note("  the peer closes");
                self.wire.clone().close(self.peer()?.end);
            }
            Action::Sever => {
                self.note("  the connection breaks");
                self.wire.clone().sever(self.peer()?.end.conn);
                self.peer()?.bytes.clear();
            }
            Action::Full => {
                self.held_back = true;
                self.wire.clone().set_capacity(self.peer()?.end, 0);
            }
            Action::Drain => self
                .wire
                .clone()
                .set_capacity(self.peer()?.end, SOCKET_BYTES),
            Action::Wait(span) => self.pass(*span)?,
            Action::Clock(by) => self.now.utc = Utc(self.now.utc.0.saturating_add_signed(*by)),
            Action::Send(kind, fields) => self.app_sends(kind, fields)?,
            Action::SendMany(times, bytes) => {
                let text = "x".repeat(*bytes);
                let field = Field {
                    tag: "58".into(),
                    what: What::Is(text.into_bytes()),
                };
                for _ in 0..*times {
                    self.app_sends(b"D", std::slice::from_ref(&field))?;
                    if self
                        .app
                        .told
                        .back()
                        .is_some_and(|told| told.words.starts_with("app refused"))
                    {
                        break;
                    }
                }
            }
            Action::Verdict(answer) => self.app.answer = answer.clone(),
            Action::Admission(text) => self.app.refuse = Some(text.clone()),
            Action::Operator {
                operation,
                unknown,
                within,
            } => self.operate(**operation, *unknown, *within)?,
            Action::Callback(operation) => self.app.callback = Some(**operation),
            Action::Reason(text) => {
                let refused = Text::new(text).err().ok_or("the text was not refused")?;
                self.app
                    .told
                    .push_back(Told::new(format!("app refused {refused:?}")));
            }
            Action::Veto(fields) => self.app.vetoed.clone_from(fields),
            Action::Damage(number) => self.damage(*number)?,
            Action::Stall(span) => {
                self.note(&format!("  the process stands still for {span:?}"));
                self.now.mono = self.now.mono + *span;
                self.now.utc = self.now.utc + *span;
                self.wire.set_now(self.now.mono.0);
            }
            Action::Restart => self.restart()?,
            Action::DropEngine => {
                self.note("  the engine is dropped");
                self.engine = None;
            }
            Action::StopEngine => {
                self.note("  the engine is stopped");
                let engine = self.engine.as_mut().ok_or("there is no engine")?;
                engine.begin_stop(self.now, &mut self.app);
            }
            Action::Number(number) => self.peer_number = *number,
        }
        Ok(())
    }

    fn given(&mut self, start: Start, next_in: u64, next_out: u64) -> Result<(), String> {
        self.quiesce()?;
        if start == Start::Down && (next_in, next_out) == (2, 2) {
            return Ok(());
        }
        if start == Start::Connected {
            self.connect(SOURCE.into())?;
            self.quiesce()?;
            if self.role == Role::Initiator {
                self.pop_logon()?;
            }
            return Ok(());
        }
        self.log_on(&[])?;
        while self.numbers().0 < next_in {
            self.send(&[])?;
            self.quiesce()?;
        }
        while self.numbers().1 < next_out {
            let id = format!("G{}", self.numbers().1);
            let field = Field {
                tag: "11".into(),
                what: What::Is(id.into_bytes()),
            };
            self.app_sends(b"D", &[field])?;
            self.quiesce()?;
            self.peer()?
                .frames
                .pop_front()
                .ok_or("an order was not sent")?;
        }
        if start == Start::Down {
            self.wire.clone().close(self.peer()?.end);
            self.quiesce()?;
            self.expect_event("app logout ConnectionLost", &[])?;
        }
        self.nothing_left()
    }

    /// In and Out.
    fn numbers(&self) -> (u64, u64) {
        let numbers = self
            .engine
            .as_ref()
            .and_then(|engine| engine.next_numbers(self.session));
        let (next_out, next_in) = numbers.expect("the session is there");
        (next_in, next_out)
    }

    fn peer(&mut self) -> Result<&mut Peer, String> {
        self.peers
            .get_mut(self.current)
            .ok_or_else(|| "there is no connection".to_owned())
    }

    fn connect(&mut self, source: SocketAddr) -> Result<(), String> {
        let end = match self.role {
            Role::Acceptor => self
                .wire
                .dial(self.address, source)
                .ok_or("the engine does not listen")?,
            Role::Initiator => {
                let dial = self.await_dial()?;
                self.wire.accept(dial)
            }
        };
        self.note("  connected");
        self.peers.push(Peer {
            end,
            bytes: Vec::new(),
            frames: VecDeque::new(),
        });
        self.current = self.peers.len() - 1;
        Ok(())
    }

    fn await_dial(&mut self) -> Result<super::simnet::Dial, String> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(dial) = self.wire.next_dial() {
                return Ok(dial);
            }
            if waited > DIAL_PATIENCE {
                return Err("the engine does not connect".into());
            }
            self.pass(STEP)?;
            waited += STEP;
        }
    }

    fn pop_logon(&mut self) -> Result<(), String> {
        match self.peer()?.frames.pop_front() {
            Some(frame) if frame.get(35) == Some(b"A") => Ok(()),
            Some(frame) => Err(format!("expected a Logon, got {}", printed(&frame.bytes))),
            None => Err("expected a Logon, got nothing".into()),
        }
    }

    /// The whole exchange of Logons, on a new connection.
    fn log_on(&mut self, fields: &[Field]) -> Result<(), String> {
        self.connect(SOURCE.into())?;
        self.quiesce()?;
        if self.role == Role::Initiator {
            self.pop_logon()?;
        }
        let mut all = vec![Field {
            tag: "35".into(),
            what: What::Is(b"A".to_vec()),
        }];
        all.extend_from_slice(fields);
        self.send(&all)?;
        self.quiesce()?;
        if self.role == Role::Acceptor {
            self.pop_logon()?;
        }
        self.expect_event("app logon", &[])
    }

    fn filling(&self) -> Filling {
        Filling {
            rules: self.rules,
            now: self.now.utc,
            number: self.peer_number,
            heartbeat_s: self.config.settings.heartbeat_s,
        }
    }

    fn send(&mut self, fields: &[Field]) -> Result<(), String> {
        let (bytes, number) = frame::compose(fields, &self.filling());
        if let Some(number) = number
            && number >= self.peer_number
        {
            self.peer_number = number.saturating_add(1);
        }
        self.inject(&bytes)
    }

    fn inject(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.note(&format!("> {}", printed(bytes)));
        let end = self.peer()?.end;
        self.wire.send(end, bytes);
        Ok(())
    }

    fn app_sends(&mut self, kind: &[u8], fields: &[Field]) -> Result<(), String> {
        let mut header = HeaderFields::new();
        let given = fields.iter().filter_map(|field| match &field.what {
            What::Is(value) => Some((field.tag.parse().unwrap_or_default(), value.as_slice())),
            _ => None,
        });
        let (head, body): (Vec<(u32, &[u8])>, Vec<_>) =
            given.partition(|(tag, _)| tag::is_header(*tag));
        for (tag, value) in head {
            match tag {
                43 => {}
                122 => _ = header.possible_duplicate(value),
                _ => _ = header.bytes(tag, value),
            }
        }
        let engine = self.engine.as_mut().ok_or("there is no engine")?;
        let sent =
            engine
                .outbound(self.now)
                .send_with(self.session, kind, MESSAGE_ROOM, &header, |writer| {
                    let mut length = None;
                    for (tag, value) in body {
                        match (tag, length.take()) {
                            (95, _) => length = Some(()),
                            (96, Some(())) => {
                                writer.data(95, 96, value);
                            }
                            _ => {
                                writer.bytes(tag, value);
                            }
                        }
                    }
                });
        if let Err(refusal) = sent {
            self.app
                .told
                .push_back(Told::new(format!("app refused {refusal:?}")));
        }
        Ok(())
    }

    fn operate(&mut self, operation: Operation, unknown: bool, within: Duration) -> Result<(), String> {
        self.note(&format!("  the operator: {operation:?}"));
        let session = if unknown {
            handle_beyond()
        } else {
            self.session
        };
        self.restarts |= operation == Operation::ResetNumbers;
        self.coverage
            .operations
            .lock()
            .unwrap()
            .insert(operation.name());
        let ticket = self.controller.command(session, operation, within);
        let ticket = ticket.map_err(|error| error.to_string())?;
        if self.engine.is_none() {
            let outcome = self.controller.wait(ticket, Duration::from_secs(1));
            self.complete(outcome);
        }
        Ok(())
    }

    fn complete(&mut self, outcome: Outcome) {
        let name = match outcome {
            Outcome::Done => "Done",
            Outcome::NoOp(_) => "NoOp",
            Outcome::UnknownSession => "UnknownSession",
            Outcome::Refused(_) => "Refused",
            Outcome::TimedOut => "TimedOut",
            Outcome::EngineStopped => "EngineStopped",
        };
        self.coverage.outcomes.lock().unwrap().insert(name);
        self.note(&format!("  completed: {outcome:?}"));
        self.app
            .told
            .push_back(Told::new(format!("completed {name}")));
    }

    fn restart(&mut self) -> Result<(), String> {
        self.note("  the process is killed and started again");
        self.collect()?;
        self.engine = None;
        for peer in &mut self.peers {
            peer.bytes.clear();
        }
        let (engine, controller, session) = start(
            &self.wire,
            &self.engine_config,
            &self.config,
            self.address,
            self.now,
        )?;
        self.engine = Some(engine);
        self.controller = controller;
        self.session = session;
        Ok(())
    }

    /// Spoils the record of a message we sent, in the file under the running engine.
    fn damage(&mut self, number: u64) -> Result<(), String> {
        let directory = self.directory.as_ref().ok_or("the journal is in memory")?;
        let wanted = format!("\u{1}34={number}\u{1}49={ENGINE}\u{1}");
        let files = std::fs::read_dir(directory).map_err(|error| error.to_string())?;
        for path in files.filter_map(|entry| Some(entry.ok()?.path())) {
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let found = bytes
                .windows(wanted.len())
                .position(|window| window == wanted.as_bytes());
            if let Some(at) = found {
                let file = std::fs::OpenOptions::new().write(true).open(&path);
                let written = file.and_then(|file| file.write_all_at(b"?", at as u64 + 4));
                return written.map_err(|error| error.to_string());
            }
        }
        Err(format!("no record of message {number}"))
    }

    // What must have happened.

    fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Frame(fields) => {
                let Some(frame) = self.peer()?.frames.pop_front() else {
                    return Err("nothing was sent".into());
                };
                let fields = frame::in_the_words_of(self.rules, fields);
                matches(&fields, &frame.fields)
                    .map_err(|why| format!("{why}, got {}", printed(&frame.bytes)))
            }
            Expectation::Frames(count) => {
                let frames = &mut self.peer()?.frames;
                let got = frames.len() as u64;
                frames.clear();
                (got == *count)
                    .then_some(())
                    .ok_or_else(|| format!("{got} frames were sent"))
            }
            Expectation::SomeFrames => {
                let frames = std::mem::take(&mut self.peer()?.frames);
                (!frames.is_empty())
                    .then_some(())
                    .ok_or("nothing was sent".into())
            }
            Expectation::Silent(span) => {
                let dials = self.wire.dials();
                self.nothing_left()?;
                self.pass(*span)?;
                self.nothing_left()?;
                match self.wire.dials() - dials {
                    0 => Ok(()),
                    more => Err(format!("the engine connected {more} times")),
                }
            }
            Expectation::Ok => self.expect_ok(),
            Expectation::Dialled(address) => match self.wire.dialled() {
                None => Err("the engine does not connect".into()),
                Some(other) if address.is_some_and(|address| address != other) => {
                    Err(format!("the engine connects to {other}"))
                }
                Some(_) => Ok(()),
            },
            Expectation::Open => {
                let end = self.peer()?.end;
                (!self.wire.is_ended(end))
                    .then_some(())
                    .ok_or("the connection is closed".into())
            }
            Expectation::Closed => {
                self.expect_ended()?;
                let end = self.peer()?.end;
                self.wire.close(end);
                self.quiesce()?;
                self.wire
                    .is_gone(end)
                    .then_some(())
                    .ok_or("the engine keeps the connection".into())
            }
            Expectation::Ended => self.expect_ended(),
            Expectation::Gone => {
                let end = self.peer()?.end;
                self.wire
                    .is_gone(end)
                    .then_some(())
                    .ok_or("the engine keeps the connection".into())
            }
            Expectation::Event { words, fields } => self.expect_event(words, fields),
            Expectation::Events(count, words) => {
                for _ in 0..*count {
                    self.expect_event(words, &[])?;
                }
                Ok(())
            }
            Expectation::In(number) => equal("NextNumIn", self.numbers().0, *number),
            Expectation::Out(number) => equal("NextNumOut", self.numbers().1, *number),
            Expectation::Fault(name) => {
                let engine = self.engine.as_ref().ok_or("there is no engine")?;
                let tally = engine.tally(self.session).ok_or("there is no session")?;
                match tally.last_fault {
                    Some(fault) if fault.name() == name => Ok(()),
                    other => Err(format!("the last fault is {other:?}")),
                }
            }
            Expectation::Count(name, number) => {
                let engine = self.engine.as_ref().ok_or("there is no engine")?;
                let tally = engine.tally(self.session).ok_or("there is no session")?;
                let value = match name.as_str() {
                    "garbled" => tally.garbled,
                    "faults" => tally.faults,
                    "resent" => tally.resent,
                    "gap_fills_out" => tally.gap_fills_out,
                    "gap_fills_in" => tally.gap_fills_in,
                    "rejects_in" => tally.rejects_in,
                    "rejects_out" => tally.rejects_out,
                    "parked_dropped" => tally.parked_dropped,
                    "resend_vetoes" => tally.resend_vetoes,
                    "unreadable" => tally.unreadable,
                    "slow_reads" => tally.slow_reads,
                    "old_series_dropped" => tally.old_series_dropped,
                    "resend_requests_out" => tally.resend_requests_out,
                    "test_requests_out" => tally.test_requests_out,
                    _ => return Err(format!("no count {name}")),
                };
                equal(name, value, *number)
            }
        }
    }

    fn expect_ended(&mut self) -> Result<(), String> {
        let peer = self.peer()?;
        if let Some(frame) = peer.frames.front() {
            return Err(format!("sent, but not expected: {}", printed(&frame.bytes)));
        }
        let end = peer.end;
        self.wire
            .is_ended(end)
            .then_some(())
            .ok_or("the connection is open".into())
    }

    /// The session is up: a TestRequest in sequence is answered.
    fn expect_ok(&mut self) -> Result<(), String> {
        self.nothing_left()?;
        self.probes += 1;
        let id = format!("OK-{}", self.probes);
        let is = |tag: &str, value: &str| Field {
            tag: tag.into(),
            what: What::Is(value.into()),
        };
        let expected = self.numbers().0.to_string();
        self.send(&[is("35", "1"), is("34", &expected), is("112", &id)])?;
        self.quiesce()?;
        self.expect(&Expectation::Frame(vec![is("35", "0"), is("112", &id)]))?;
        self.nothing_left()
    }

    fn expect_event(&mut self, words: &str, fields: &[Field]) -> Result<(), String> {
        let Some(told) = self.app.told.pop_front() else {
            return Err(format!("expected to be told: {words}; nothing was"));
        };
        if told.words.split_whitespace().ne(words.split_whitespace()) {
            return Err(format!(
                "expected to be told: {words}; told was: {}",
                shown(&told)
            ));
        }
        matches(fields, &told.fields).map_err(|why| format!("{why}, told was: {}", shown(&told)))
    }
}

fn equal(what: &str, got: u64, expected: u64) -> Result<(), String> {
    (got == expected)
        .then_some(())
        .ok_or_else(|| format!("{what} is {got}, not {expected}"))
}

fn shown(told: &Told) -> String {
    let fields: Vec<_> = told
        .fields
        .iter()
        .map(|(tag, value)| format!("{tag}={}", printed(value)))
        .collect();
    format!("{} {}", told.words, fields.join(" "))
}

fn matches(expected: &[Field], got: &[(u32, Vec<u8>)]) -> Result<(), String> {
    for field in expected {
        let value = got
            .iter()
            .find(|(tag, _)| tag.to_string() == field.tag)
            .map(|(_, value)| value.as_slice());
        let holds = match (&field.what, value) {
            (What::Is(expected), Some(value)) => expected == value,
            (What::Contains(part), Some(value)) => value
                .windows(part.len().max(1))
                .any(|window| window == part),
            (What::Present, Some(_)) | (What::Absent, None) => true,
            _ => false,
        };
        if !holds {
            return Err(format!("field {} does not match", field.tag));
        }
    }
    Ok(())
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
    if config.settings.role == Role::Acceptor {
        engine
            .listen(address, None)
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

/// A handle that an engine with one session does not know.
fn handle_beyond() -> SessionHandle {
    let mut engine = Engine::with(
        EngineConfig::default(),
        Box::new(Wire::answered_by_test().port()),
        Keeper::inline(),
    )
    .unwrap();
    let mut add = |target| {
        let config = SessionConfig::acceptor(&FIX44, ENGINE, target);
        engine.add_session(config, Now::default()).unwrap().0
    };
    add("ONE");
    add("TWO")
}

fn scratch_directory() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!(
        "pinfix-conformance-{}-{number}",
        std::process::id()
    ))
}

fn set(
    config: &mut SessionConfig,
    engine: &mut EngineConfig,
    app: &mut App,
    key: &str,
    value: &str,
) -> Result<(), String> {
    let wrong = || format!("{key}: {value} is not understood");
    let number = || value.parse::<usize>().map_err(|_| wrong());
    let span = |text: &str| {
        super::script::signed_span(&format!("+{text}"))
            .map(|ns| Duration::from_nanos(ns.unsigned_abs()))
            .map_err(|_| wrong())
    };
    let on = || match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong()),
    };
    let low = || match value {
        "accept" => Ok(BelowExpected::Accept),
        "refuse" => Ok(BelowExpected::Refuse),
        _ => Err(wrong()),
    };
    let settings = &mut config.settings;
    match key {
        "heartbeat" => settings.heartbeat_s = number()? as u32,
        "logon_timeout" => settings.logon_timeout = span(value)?,
        "logout_timeout" => settings.logout.timeout = span(value)?,
        "window" if value == "off" => settings.checks.sending_time_window = None,
        "window" => settings.checks.sending_time_window = Some(span(value)?),
        "at_logon" => {
            settings.at_logon = match value {
                "continue" => AtLogon::Continue,
                "ask-reset" => AtLogon::AskReset,
                "restart" => AtLogon::Restart,
                _ => return Err(wrong()),
            }
        }
        "at_end" => {
            settings.at_end = match value {
                "continue" => AtEnd::Continue,
                "restart-after-logout" => AtEnd::RestartAfterLogout,
                "restart-always" => AtEnd::RestartAlways,
                _ => return Err(wrong()),
            }
        }
        "precision" => {
            settings.precision = match value {
                "s" => TimestampPrecision::Seconds,
                "ms" => TimestampPrecision::Millis,
                "us" => TimestampPrecision::Micros,
                "ns" => TimestampPrecision::Nanos,
                _ => return Err(wrong()),
            }
        }
        "parked_max" => settings.recovery.parked_max = number()?,
        "parked_bytes_max" => settings.recovery.parked_bytes_max = number()?,
        "chunk" => settings.recovery.chunk = Some(number()? as u64),
        "request_end" => {
            settings.recovery.end = match value {
                "open-at-first" => RequestEnd::OpenAtFirst,
                "open" => RequestEnd::Open,
                "closed" => RequestEnd::Closed,
                _ => return Err(wrong()),
            }
        }
        "redundant_requests" => settings.recovery.redundant_requests = on()?,
        "repeat_after" => settings.recovery.repeat_after = Some(span(value)?),
        "repeats_max" => settings.recovery.repeats_max = number()? as u32,
        "resend_from" if value == "nothing" => settings.resend.from = ResendFrom::Nothing,
        "resend_rejects" => settings.resend.rejects = on()?,
        "application_poss_dup" => settings.resend.application_poss_dup = on()?,
        "same_request_max" => settings.resend.same_request_max = number()? as u32,
        "resend_request_low" => settings.resend.below_expected = low()?,
        "test_request_percent" => settings.liveness.test_request_percent = number()? as u32,
        "disconnect_percent" => settings.liveness.disconnect_percent = number()? as u32,
        "on_silence" => {
            settings.liveness.on_silence = match value {
                "logout" => OnSilence::Logout,
                "close" => OnSilence::Close,
                "stay" => OnSilence::Stay,
                _ => return Err(wrong()),
            }
        }
        "logout_linger" => settings.logout.linger = span(value)?,
        "logout_gap" => {
            settings.logout.above_expected = match value {
                "answer" => LogoutAboveExpected::Answer,
                "recover-first" => LogoutAboveExpected::RecoverFirst,
                _ => return Err(wrong()),
            }
        }
        "logout_low" => settings.logout.below_expected = low()?,
        "answer_test_requests" => settings.logout.answer_test_requests = on()?,
        "check_comp_ids" => settings.checks.comp_ids = on()?,
        "check_sequence_numbers" => settings.checks.sequence_numbers = on()?,
        "check_checksum" => settings.checks.checksum = on()?,
        "check_orig_sending_time" => {
            settings.checks.orig_sending_time = match value {
                "always" => OrigSendingTime::Always,
                "below-expected" => OrigSendingTime::BelowExpected,
                "never" => OrigSendingTime::Never,
                _ => return Err(wrong()),
            }
        }
        "on_behalf_of" => {
            let names = value.split(',').map(str::to_owned);
            settings.checks.on_behalf_of_comp_ids = names.collect();
        }
        "garbled" => {
            settings.checks.garbled = match value {
                "ignore" => Garbled::Ignore,
                "reject" => Garbled::Reject,
                _ => return Err(wrong()),
            }
        }
        "garbled_in_a_row_max" => settings.checks.garbled_in_a_row_max = Some(number()? as u32),
        "strict_compat" => *settings = settings.clone().strict_compat(),
        "logon_field" => {
            let (tag, value) = value.split_once('=').ok_or_else(wrong)?;
            settings.logon_fields.push(LogonField {
                tag: tag.parse().map_err(|_| wrong())?,
                value: value.into(),
            });
        }
        "target_sub_id" => settings.id.target_sub_id = Some(value.into()),
        "destinations" => {
            app.tells_address = true;
            let parse = |text: &str| text.parse().map_err(|_| wrong());
            config.connect.destinations = value.split(',').map(parse).collect::<Result<_, _>>()?;
        }
        "failover" => {
            config.connect.policy = match value.split_once(' ') {
                None if value == "round-robin" => Failover::RoundRobin,
                None if value == "remember-last-good" => Failover::RememberLastGood,
                Some(("priority", start_over)) => Failover::Priority {
                    start_over: span(start_over)?,
                },
                _ => return Err(wrong()),
            }
        }
        "connect_timeout" => config.connect.timeout = span(value)?,
        "allow" => {
            let parse = |text: &str| text.parse().map_err(|_| wrong());
            config.accept.allow = value.split(',').map(parse).collect::<Result<_, _>>()?;
        }
        "port" => config.accept.port = Some(number()? as u16),
        "strangers_max" => engine.strangers.max = number()?,
        "strangers_per_source_max" => engine.strangers.per_source_max = number()?,
        "logons_per_minute" => {
            engine.strangers.logons_per_source_and_minute = Some(number()? as u32);
        }
        "patience" => engine.strangers.patience = span(value)?,
        "reconnect" => {
            config.connect.reconnect = value.split(',').map(span).collect::<Result<_, _>>()?
        }
        "record_inbound" if value == "off" => config.journal.record_inbound = false,
        "retention_bytes" => config.journal.retention.bytes = Some(number()? as u64),
        "unsent_limit" => config.journal.unsent_limit_bytes = number()?,
        "max_message_bytes" => engine.max_message_bytes = number()?,
        "max_fields" => engine.max_fields = number()?,
        "password" => app.password = Some(value.into()),
        _ => return Err(format!("no setting {key}")),
    }
    Ok(())
}

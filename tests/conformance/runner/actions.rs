//! What is done to the engine: by its peer, its application, its operator and by time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use pinfix::admin::{Operation, Outcome};
use pinfix::engine::{Engine, EngineConfig, MESSAGE_ROOM, SessionConfig, SessionHandle};
use pinfix::journal::Keeper;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Role, Sent};
use pinfix::session::{Refusal, Text};
use pinfix::time::{Now, TimestampPrecision, Utc};
use pinfix::wire::fix::{HeaderFields, tag};

use super::{DIAL_PATIENCE, Peer, Run, STEP, start};
use crate::app::Told;
use crate::frame::{self, ENGINE, Filling, PEER, printed};
use crate::script::{Action, Field, Start, What};
use crate::simnet::{Dial, SOCKET_BYTES, SOURCE, Wire};

impl Run<'_> {
    pub(super) fn act(&mut self, action: &Action) -> Result<(), String> {
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
            Action::Skip(span) => {
                self.now.mono = self.now.mono + *span;
                self.now.utc = self.now.utc + *span;
                self.wire.set_now(self.now.mono.0);
            }
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
            Action::Admission(admission) => self.app.admission = Some(*admission),
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
            Action::LoseJournal => {
                self.note("  the directory of the journal is gone");
                let directory = self.directory.as_ref().ok_or("the journal is in memory")?;
                std::fs::remove_dir_all(directory).map_err(|error| error.to_string())?;
            }
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
        while let Some(told) = self.app.told.front()
            && told.words.starts_with("event schedule-")
        {
            self.app.told.pop_front();
        }
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

    /// In and Out.
    pub(super) fn numbers(&self) -> (u64, u64) {
        let numbers = self
            .engine
            .as_ref()
            .and_then(|engine| engine.next_numbers(self.session));
        let (next_out, next_in) = numbers.expect("the session is there");
        (next_in, next_out)
    }

    pub(super) fn peer(&mut self) -> Result<&mut Peer, String> {
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

    fn await_dial(&mut self) -> Result<Dial, String> {
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

    fn filling(&self) -> Filling<'_> {
        Filling {
            rules: self.rules,
            now: self.now.utc,
            // In every version, for what a peer should not send has to be understood as well.
            precision: TimestampPrecision::Millis,
            number: self.peer_number,
            heartbeat_s: self.config.settings.heartbeat_s,
            sender: PEER,
            target: ENGINE,
        }
    }

    pub(super) fn send(&mut self, fields: &[Field]) -> Result<(), String> {
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
        let has_header = !head.is_empty();
        for (tag, value) in head {
            match tag {
                43 => {}
                122 => _ = header.possible_duplicate(value),
                _ => _ = header.bytes(tag, value),
            }
        }
        let engine = self.engine.as_mut().ok_or("there is no engine")?;
        let sent = engine.outbound(self.now).send_with(
            self.session,
            kind,
            has_header.then_some(&header),
            MESSAGE_ROOM,
            |writer| {
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
            },
        );
        let told = match sent {
            Ok(Sent::Now(_)) => return Ok(()),
            Ok(Sent::Numbered(number)) => {
                // It shows as a gap, and is sent again without having been sent.
                self.engine_number = number + 1;
                format!("app numbered {number}")
            }
            Ok(Sent::Queued) => "app queued".to_owned(),
            Err(Refusal::Throttled { .. }) => "app refused Throttled".to_owned(),
            Err(refusal) => format!("app refused {refusal:?}"),
        };
        self.app.told.push_back(Told::new(told));
        Ok(())
    }

    fn operate(&mut self, operation: Operation, unknown: bool, within: Duration) -> Result<(), String> {
        self.note(&format!("  the operator: {operation:?}"));
        let session = if unknown {
            handle_beyond()
        } else {
            self.session
        };
        if let Operation::SetNextOut(next) | Operation::SequenceReset(next) = operation {
            self.raised = Some(next);
        }
        self.restarts |= operation == Operation::ResetNumbers;
        self.app.awaited |= operation == Operation::Remove && !unknown;
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

    pub(super) fn complete(&mut self, outcome: Outcome) {
        let name = match outcome {
            Outcome::Done => "Done",
            Outcome::NoOp(_) => "NoOp",
            Outcome::UnknownSession => "UnknownSession",
            Outcome::Refused(_) => "Refused",
            Outcome::TimedOut => "TimedOut",
            Outcome::EngineStopped => "EngineStopped",
        };
        self.app.leaving &= outcome != Outcome::Done;
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

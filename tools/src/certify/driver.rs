//! Runs one scenario over a socket: plays the peer, and looks at what comes back.
//!
//! Time is real here. What should arrive is waited for up to a limit; that nothing arrives is believed
//! after a short while.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use pinfix::session::fix::rules::Rules;
use pinfix::time::{TimestampPrecision, Utc};

use super::applies::value;
use super::frame::{self, Filling, Received, printed};
use super::leniency::{self, Judgement};
use super::script::{Action, Expectation, Field, Scenario, Start, Step, What};
use super::{Reset, Terms};

/// How long nothing has to arrive for it to be nothing.
const SETTLE: Duration = Duration::from_millis(40);

/// How exact the timers of the target have to be.
const MARGIN: Duration = Duration::from_millis(150);

/// A target that has not noticed the end of the connection before refuses the next one.
const LOGON_ATTEMPTS: usize = 20;
const LOGON_PAUSE: Duration = Duration::from_millis(100);

/// HeartBtInt(108) where a scenario names none.
const HEARTBEAT_S: u32 = 30;

/// What a scenario came to.
pub struct Outcome {
    pub failed: Option<String>,
    /// In which the standard leaves a choice, and the target chose otherwise than the scenario.
    pub differs: Vec<String>,
    pub exchange: Vec<String>,
}

struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    frames: VecDeque<Received>,
    ended: bool,
}

struct Driver<'a> {
    terms: &'a Terms,
    rules: &'static Rules,
    connections: Vec<Connection>,
    current: usize,
    /// MsgSeqNum(34) of our next frame.
    number: u64,
    /// The number the target expects, where the scenario says so.
    known_in: Option<u64>,
    heartbeat_s: u32,
    /// What a span of the scenario is multiplied with.
    scale: f64,
    /// The first Logon asks for a reset, so that numbers start at 1.
    ask_reset: bool,
    /// It did, which the scenario does not know of.
    asked_reset: bool,
    probes: u32,
    /// TestReqID(112) of a TestRequest of the target: as the scenario has it, and as the target chose it.
    test_req_ids: Vec<(Vec<u8>, Vec<u8>)>,
    pending: Vec<u8>,
    differs: Vec<String>,
    exchange: Vec<String>,
    began: Instant,
    /// When the time of the scenario began, and how much of it has passed. What takes no time there
    /// takes some here, which is not added up.
    anchor: Instant,
    passed: Duration,
}

/// Runs `scenario` against the target.
pub fn run(scenario: &Scenario, rules: &'static Rules, terms: &Terms) -> Outcome {
    let (heartbeat_s, scale) = pace(scenario, terms);
    let mut driver = Driver {
        terms,
        rules,
        connections: Vec::new(),
        current: 0,
        number: 1,
        known_in: None,
        heartbeat_s,
        scale,
        ask_reset: terms.reset == Reset::Logon,
        asked_reset: false,
        probes: 0,
        test_req_ids: Vec::new(),
        pending: Vec::new(),
        differs: Vec::new(),
        exchange: Vec::new(),
        began: Instant::now(),
        anchor: Instant::now(),
        passed: Duration::ZERO,
    };
    let failed = driver.lines(scenario).err();
    driver.leave();
    Outcome {
        failed,
        differs: driver.differs,
        exchange: driver.exchange,
    }
}

/// How long a scenario waits.
pub fn waits(scenario: &Scenario, terms: &Terms) -> Duration {
    let spans = scenario.lines.iter().map(|line| match &line.step {
        Step::Do {
            action: Action::Wait(span),
            ..
        } => *span,
        Step::Expect(Expectation::Silent(span)) => *span,
        _ => Duration::ZERO,
    });
    spans.sum::<Duration>().mul_f64(pace(scenario, terms).1)
}

/// HeartBtInt(108) in seconds, and what spans of the scenario are multiplied with. Without a heartbeat
/// of its own a scenario waits for a time-out of the target, which cannot be made shorter.
fn pace(scenario: &Scenario, terms: &Terms) -> (u32, f64) {
    let mut settings = scenario.settings.iter();
    let heartbeat = settings.find(|(_, key, _)| key == "heartbeat");
    match heartbeat.and_then(|(_, _, value)| value.parse::<u32>().ok()) {
        Some(written) if written > 0 => {
            let used = ((f64::from(written) * terms.scale).round() as u32).max(1);
            (used, f64::from(used) / f64::from(written))
        }
        Some(written) => (written, terms.scale),
        None => (HEARTBEAT_S, 1.0),
    }
}

impl Driver<'_> {
    fn lines(&mut self, scenario: &Scenario) -> Result<(), String> {
        let lines = &scenario.lines;
        for (at, line) in lines.iter().enumerate() {
            let rest = &lines[at + 1..];
            let done = match &line.step {
                Step::Do { action, .. } => {
                    let next = rest.first().map(|next| &next.step);
                    let together = matches!(next, Some(Step::Do { joined: true, .. }));
                    self.act(action, together)
                }
                Step::Expect(expectation) => {
                    // The number that a probe needs may stand behind it.
                    if let Expectation::Ok = expectation {
                        let stated = rest.iter().map_while(|line| match &line.step {
                            Step::Expect(expectation) => Some(expectation),
                            Step::Do { .. } => None,
                        });
                        for expectation in stated {
                            if let Expectation::In(number) = expectation {
                                self.known_in = Some(number - 1);
                            }
                        }
                    }
                    let ends = rest.iter().any(|line| {
                        matches!(
                            line.step,
                            Step::Expect(Expectation::Closed | Expectation::Ended)
                        )
                    });
                    self.expect(expectation, ends)
                }
            };
            done.map_err(|why| {
                format!(
                    "{}:{}: {why}, in: {}",
                    scenario.file.display(),
                    line.number,
                    line.text
                )
            })?;
        }
        self.nothing_left(SETTLE)
    }

    // What is done.

    fn act(&mut self, action: &Action, together: bool) -> Result<(), String> {
        match action {
            Action::Given {
                start,
                next_in,
                next_out,
            } => {
                self.given(*start, *next_in, *next_out)?;
                (self.anchor, self.passed) = (Instant::now(), Duration::ZERO);
            }
            Action::Connect(_) => {
                self.connect()?;
            }
            Action::Logon(fields) => self.log_on(fields)?,
            Action::Frame(fields) => {
                self.send(fields)?;
            }
            Action::Repeat { times, fields } => {
                for _ in 0..*times {
                    self.send(fields)?;
                }
            }
            Action::Raw(raw) => {
                let raw = self.renamed(raw);
                let bytes = frame::fill(&raw, &self.filling());
                self.put(&bytes);
            }
            Action::RawMany(times, raw) => {
                self.put(&raw.repeat(*times as usize));
            }
            Action::Number(number) => self.number = *number,
            Action::On(number) => self.current = number - 1,
            Action::Wait(span) => {
                let until = self.pass(*span);
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
            }
            Action::Finish => {
                self.flush()?;
                let _ = self.connection()?.stream.shutdown(Shutdown::Write);
            }
            Action::Close | Action::Sever => {
                self.flush()?;
                let _ = self.connection()?.stream.shutdown(Shutdown::Both);
                // The target is to have seen it before anything else happens.
                std::thread::sleep(SETTLE);
            }
            _ => return Err("cannot be done from outside".into()),
        }
        if together { Ok(()) } else { self.flush() }
    }

    fn given(&mut self, start: Start, next_in: u64, next_out: u64) -> Result<(), String> {
        match start {
            Start::Down if (next_in, next_out) == (2, 2) => return Ok(()),
            Start::Connected => return self.connect(),
            Start::Down | Start::Up => {}
        }
        self.log_on(&[])?;
        while self.number < next_in {
            self.send(&[])?;
            self.flush()?;
        }
        self.nothing_left(Duration::ZERO)?;
        if start == Start::Down {
            let _ = self.connection()?.stream.shutdown(Shutdown::Write);
            self.next_frame(self.terms.patience);
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), String> {
        let stream = TcpStream::connect_timeout(&self.terms.target, self.terms.patience)
            .map_err(|error| format!("{}: {error}", self.terms.target))?;
        let _ = stream.set_nodelay(true);
        self.note("  connected");
        self.connections.push(Connection {
            stream,
            bytes: Vec::new(),
            frames: VecDeque::new(),
            ended: false,
        });
        self.current = self.connections.len() - 1;
        Ok(())
    }

    /// The whole exchange of Logons, on a new connection.
    fn log_on(&mut self, fields: &[Field]) -> Result<(), String> {
        let (number, ask_reset) = (self.number, self.ask_reset);
        for _ in 0..LOGON_ATTEMPTS {
            (self.number, self.ask_reset) = (number, ask_reset);
            self.connect()?;
            let mut all = vec![is("35", b"A")];
            all.extend_from_slice(fields);
            self.send(&all)?;
            self.flush()?;
            match self.next_frame(self.terms.patience) {
                Some(frame) if frame.get(35) == Some(b"A") => return Ok(()),
                Some(frame) => {
                    return Err(format!(
                        "the Logon was answered with {}",
                        printed(&frame.bytes)
                    ));
                }
                None if self.connection()?.ended => {
                    self.connections.pop();
                    std::thread::sleep(LOGON_PAUSE);
                }
                None => return Err("the Logon was not answered".into()),
            }
        }
        Err("the target closes the connection when we log on".into())
    }

    fn send(&mut self, fields: &[Field]) -> Result<(), String> {
        let mut fields: Vec<_> = fields
            .iter()
            .map(|field| self.field_renamed(field))
            .collect();
        let kind = value(&fields, "35").unwrap_or(b"0").to_vec();
        if kind == b"A" && std::mem::take(&mut self.ask_reset) && value(&fields, "141").is_none() {
            fields.push(is("141", b"Y"));
            self.asked_reset = true;
        }
        match kind.as_slice() {
            b"0" => self.answer_as_asked(&mut fields),
            b"2" => self.open_end_in_its_words(&mut fields),
            _ => {}
        }
        let (bytes, number) = frame::compose(&fields, &self.filling());
        if let Some(number) = number
            && number >= self.number
        {
            self.number = number.saturating_add(1);
        }
        self.known_in = match value(&fields, "36").map(|text| String::from_utf8_lossy(text).parse()) {
            // A reset that is followed moves what is expected next beyond what we would send.
            Some(Ok(next)) if kind == b"4" && next > self.number => Some(next),
            _ => self.known_in.map(|known| known.max(self.number)),
        };
        self.put(&bytes);
        Ok(())
    }

    /// A Heartbeat answers the TestReqID(112) that the target chose.
    fn answer_as_asked(&self, heartbeat: &mut [Field]) {
        for field in heartbeat.iter_mut().filter(|field| field.tag == "112") {
            if let What::Is(id) = &mut field.what
                && let Some((_, chosen)) = self.test_req_ids.iter().find(|(known, _)| known == id)
            {
                id.clone_from(chosen);
            }
        }
    }

    /// A target has to know only the EndSeqNo(16) its version has for "and everything after".
    fn open_end_in_its_words(&self, resend_request: &mut [Field]) {
        let open_end = self.rules.open_end_seq_no.to_string();
        for field in resend_request
            .iter_mut()
            .filter(|field| **field == is("16", b"0"))
        {
            *field = is("16", open_end.as_bytes());
        }
    }

    fn filling(&self) -> Filling<'_> {
        Filling {
            rules: self.rules,
            now: now(),
            precision: if self.rules.fractional_seconds {
                TimestampPrecision::Millis
            } else {
                TimestampPrecision::Seconds
            },
            number: self.number,
            heartbeat_s: self.heartbeat_s,
            sender: &self.terms.sender,
            target: &self.terms.target_comp,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.note(&format!("> {}", shortened(bytes)));
        self.pending.extend_from_slice(bytes);
    }

    fn flush(&mut self) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.pending);
        if !bytes.is_empty() {
            // A target that has closed is seen where the scenario looks at it.
            let _ = self.connection()?.stream.write_all(&bytes);
        }
        Ok(())
    }

    // What is looked at.

    fn expect(&mut self, expectation: &Expectation, ends: bool) -> Result<(), String> {
        match expectation {
            Expectation::Frame(fields) => {
                let fields = frame::in_the_words_of(self.rules, fields);
                let fields: Vec<_> = fields
                    .iter()
                    .filter(|field| field.tag != "141" || !self.asked_reset)
                    .map(|field| self.field_renamed(field))
                    .collect();
                self.expect_frame(&fields, ends)
            }
            Expectation::Frames(count) => {
                for _ in 0..*count {
                    self.next_frame(self.terms.patience)
                        .ok_or("too few frames were sent")?;
                }
                Ok(())
            }
            Expectation::SomeFrames => {
                self.next_frame(self.terms.patience)
                    .ok_or("nothing was sent")?;
                while self.next_frame(SETTLE).is_some() {}
                Ok(())
            }
            Expectation::Silent(span) => {
                let until = self.pass(*span);
                let left = until.saturating_duration_since(Instant::now());
                // What is due at its end may come a little early.
                self.nothing_left(left.saturating_sub(MARGIN).max(SETTLE))
            }
            Expectation::Ok => {
                self.probes += 1;
                let id = format!("OK-{}", self.probes);
                self.nothing_left(Duration::ZERO)?;
                self.expect_ok_as(&id)
            }
            Expectation::Open => {
                self.nothing_left(SETTLE)?;
                (!self.connection()?.ended)
                    .then_some(())
                    .ok_or("the connection is closed".into())
            }
            Expectation::Closed | Expectation::Ended => self.expect_closed(),
            Expectation::In(number) => {
                self.known_in = Some(*number);
                Ok(())
            }
            // Not to be seen from outside.
            _ => Ok(()),
        }
    }

    fn expect_frame(&mut self, fields: &[Field], ends: bool) -> Result<(), String> {
        loop {
            let Some(frame) = self.next_frame(self.terms.patience) else {
                return match leniency::nothing(fields, self.connection()?.ended, ends) {
                    Some(note) => {
                        self.differ(note);
                        Ok(())
                    }
                    None if self.connection()?.ended => Err("the connection was closed".into()),
                    None => Err("nothing was sent".into()),
                };
            };
            let fields = self.with_chosen_id(fields, &frame);
            match leniency::judge(&fields, &frame, ends) {
                Judgement::Same => return Ok(()),
                Judgement::Differs(note) => {
                    self.differ(note);
                    return Ok(());
                }
                Judgement::Extra(note) => self.differ(note),
                Judgement::Left(note) => {
                    self.differ(note);
                    self.connection()?.frames.push_front(frame);
                    return Ok(());
                }
                Judgement::Wrong(why) => return Err(format!("{why}, got {}", printed(&frame.bytes))),
            }
        }
    }

    /// What is expected, with the TestReqID(112) that the target chose for a TestRequest of its own.
    fn with_chosen_id(&mut self, expected: &[Field], frame: &Received) -> Vec<Field> {
        let mut expected = expected.to_vec();
        let asks = value(&expected, "35") == Some(b"1") && frame.get(35) == Some(b"1");
        let chosen = frame.get(112).filter(|chosen| asks && !chosen.is_empty());
        let field = expected.iter_mut().find(|field| field.tag == "112");
        if let (Some(chosen), Some(field)) = (chosen, field)
            && let What::Is(id) = &mut field.what
        {
            let mut known = self.test_req_ids.iter();
            let again = known.any(|(other, earlier)| earlier == chosen && other != id);
            self.test_req_ids.push((id.clone(), chosen.to_vec()));
            *id = chosen.to_vec();
            if again {
                self.differ("one TestReqID(112) for several TestRequests".into());
            }
        }
        expected
    }

    /// The session is up: a TestRequest in sequence is answered.
    fn expect_ok_as(&mut self, id: &str) -> Result<(), String> {
        let number = self.known_in.take().unwrap_or(self.number);
        self.send(&[
            is("35", b"1"),
            is("34", number.to_string().as_bytes()),
            is("112", id.as_bytes()),
        ])?;
        self.flush()?;
        loop {
            let frame = self
                .next_frame(self.terms.patience)
                .ok_or("a TestRequest is not answered")?;
            match frame.get(35) {
                Some(b"0") if frame.get(112) == Some(id.as_bytes()) => break,
                // The number the target expects cannot be known from outside where it ignored a
                // frame of ours: what it lacks is filled.
                Some(b"2") if frame.number(7).is_some_and(|from| from < number) => {
                    let from = frame.number(7).unwrap_or_default();
                    self.send(&[
                        is("35", b"4"),
                        is("34", from.to_string().as_bytes()),
                        is("123", b"Y"),
                        is("36", number.to_string().as_bytes()),
                        is("43", b"Y"),
                        is("122", b"now-1s"),
                    ])?;
                    self.known_in = None;
                    self.flush()?;
                }
                _ => return Err(format!("sent, but not expected: {}", printed(&frame.bytes))),
            }
        }
        self.known_in = None;
        self.number = self.number.max(number + 1);
        Ok(())
    }

    fn expect_closed(&mut self) -> Result<(), String> {
        while let Some(frame) = self.next_frame(self.terms.patience) {
            match leniency::before_the_end(&frame) {
                Some(note) => self.differ(note),
                None => return Err(format!("sent, but not expected: {}", printed(&frame.bytes))),
            }
        }
        let connection = self.connection()?;
        if !connection.ended {
            return Err("the connection is open".into());
        }
        let _ = connection.stream.shutdown(Shutdown::Both);
        Ok(())
    }

    /// Nothing that no line expects arrives for this long.
    fn nothing_left(&mut self, span: Duration) -> Result<(), String> {
        let until = Instant::now() + span;
        for at in 0..self.connections.len() {
            self.receive(at, until);
            if let Some(frame) = self.connections[at].frames.front() {
                return Err(format!("sent, but not expected: {}", printed(&frame.bytes)));
            }
        }
        Ok(())
    }

    /// The next frame on the current connection, if one comes within `patience`.
    fn next_frame(&mut self, patience: Duration) -> Option<Received> {
        let at = self.current;
        let until = Instant::now() + patience;
        self.receive(at, until);
        self.connections.get_mut(at)?.frames.pop_front()
    }

    /// Reads until there is a frame, the end of the connection, or the time has come.
    fn receive(&mut self, at: usize, until: Instant) {
        let mut buffer = [0; 4096];
        let mut last_look = false;
        while let Some(connection) = self.connections.get_mut(at) {
            if !connection.frames.is_empty() || connection.ended || last_look {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            last_look = left.is_zero();
            let patience = left.max(Duration::from_millis(1));
            let _ = connection.stream.set_read_timeout(Some(patience));
            match connection.stream.read(&mut buffer) {
                Ok(0) => connection.ended = true,
                Ok(len) => {
                    connection.bytes.extend_from_slice(&buffer[..len]);
                    self.cut(at);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => connection.ended = true,
            }
            if self.connections[at].ended {
                self.note("  the target closed");
            }
        }
    }

    fn cut(&mut self, at: usize) {
        let mut bytes = std::mem::take(&mut self.connections[at].bytes);
        loop {
            match frame::cut(&mut bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    self.note(&format!("< {}", shortened(&frame.bytes)));
                    self.connections[at].frames.push_back(frame);
                }
                Err(why) => {
                    self.note(&format!("< unsound, {why}: {}", shortened(&bytes)));
                    self.connections[at].frames.push_back(Received {
                        bytes: std::mem::take(&mut bytes),
                        fields: Vec::new(),
                    });
                    break;
                }
            }
        }
        self.connections[at].bytes = bytes;
    }

    // The rest.

    fn connection(&mut self) -> Result<&mut Connection, String> {
        self.connections
            .get_mut(self.current)
            .ok_or_else(|| "there is no connection".into())
    }

    /// Leaves the target ready for the next scenario.
    fn leave(&mut self) {
        for connection in &mut self.connections {
            let _ = connection.stream.shutdown(Shutdown::Write);
        }
        let until = Instant::now() + Duration::from_millis(500);
        for at in 0..self.connections.len() {
            while !self.connections[at].ended && Instant::now() < until {
                self.receive(at, until);
                self.connections[at].frames.clear();
            }
        }
        self.connections.clear();
    }

    fn differ(&mut self, note: String) {
        if !self.differs.contains(&note) {
            self.differs.push(note);
        }
    }

    /// When a span of the scenario that begins now is over.
    fn pass(&mut self, span: Duration) -> Instant {
        self.passed += span.mul_f64(self.scale);
        self.anchor + self.passed
    }

    fn note(&mut self, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.exchange.push(format!("{at:>8.3} {what}"));
    }

    /// The scenarios call us PEER and the target ENGINE.
    fn field_renamed(&self, field: &Field) -> Field {
        let what = match &field.what {
            What::Is(name) if name == frame::PEER.as_bytes() => {
                What::Is(self.terms.sender.clone().into())
            }
            What::Is(name) if name == frame::ENGINE.as_bytes() => {
                What::Is(self.terms.target_comp.clone().into())
            }
            what => what.clone(),
        };
        Field {
            tag: field.tag.clone(),
            what,
        }
    }

    fn renamed(&self, raw: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(raw)
            .replace(
                &format!("={}\u{1}", frame::PEER),
                &format!("={}\u{1}", self.terms.sender),
            )
            .replace(
                &format!("={}\u{1}", frame::ENGINE),
                &format!("={}\u{1}", self.terms.target_comp),
            );
        text.into_bytes()
    }
}

fn is(tag: &str, value: &[u8]) -> Field {
    Field {
        tag: tag.into(),
        what: What::Is(value.to_vec()),
    }
}

fn now() -> Utc {
    pinfix::engine::Clock::new().now().utc
}

fn shortened(bytes: &[u8]) -> String {
    let text = printed(bytes);
    match text.char_indices().nth(500) {
        Some((at, _)) => format!("{}... {} bytes", &text[..at], bytes.len()),
        None => text,
    }
}

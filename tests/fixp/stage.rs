//! Runs a scenario: one machine and a peer of frames, or both machines, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use pinfix::session::fixp::{self, Answer, Broken, Frame, On, Pieces, Role, Settings, Verdict};
use pinfix::session::{Full, Part, ResetCause, SeriesOutbox, Text};
use pinfix::time::{Mono, Now, Utc};

use crate::Coverage;
use crate::frame::{self, Fields, Value};
use crate::script::Scenario;
use crate::side::{Side, credentials};
use crate::store::Store;
use crate::{settings, side};

/// Monday 20260105-09:00:00.
const START: Now = Now {
    mono: Mono(1_000_000_000_000),
    utc: Utc(1_767_603_600_000_000_000),
};

/// 2^63-1.
const MAX: u64 = i64::MAX as u64;

/// KeepAliveInterval unless a scenario sets another, so that times are easy to read.
const KEEP_ALIVE_MS: u16 = 10_000;

/// How long a process takes to be there again.
const STARTING: Duration = Duration::from_millis(1);

pub struct Stage<'a, S> {
    now: Now,
    /// One, or the client and the gateway.
    sides: Vec<Side<S>>,
    peer: Peer,
    variables: BTreeMap<String, u64>,
    coverage: &'a Coverage,
    trace: Vec<String>,
    /// What is asked for cannot be had of this store: the scenario is not for it.
    beyond: bool,
    /// In a pair: what the client says comes in pieces.
    splitting: bool,
}

/// What the peer of frames keeps in mind, to fill in what a scenario does not say.
#[derive(Default)]
struct Peer {
    version: u16,
    uuid: u64,
    /// RequestTimestamp of the last logon message, of either.
    stamp: u64,
    last_stamp: u64,
    next: u64,
    keep_alive_ms: u64,
    /// The last message of these of the machine.
    terminate: Option<Fields>,
    request: Option<Fields>,
}

pub fn run<S: Store>(scenario: &Scenario, coverage: &Coverage) -> Result<(), String> {
    let mut stage: Option<Stage<'_, S>> = None;
    let mut changes = Vec::new();
    let mut role = None;
    for (number, line) in &scenario.lines {
        let fail = |why: String, stage: &Option<Stage<'_, S>>| {
            let trace = stage
                .as_ref()
                .map_or(String::new(), |stage| stage.trace.join("\n  "));
            format!("{}:{number}: {line}\n{why}\n  {trace}", scenario.file)
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if stage.is_none() {
            match word {
                "role" => {
                    role = Some(rest.to_owned());
                    continue;
                }
                "set" => {
                    changes.push(rest.to_owned());
                    continue;
                }
                _ => {
                    let built = Stage::new(role.as_deref(), &changes, coverage);
                    stage = Some(built.map_err(|why| fail(why, &None))?);
                }
            }
        }
        if let Some(on) = &mut stage {
            let done = on.line(line);
            if on.beyond {
                return Ok(());
            }
            done.map_err(|why| fail(why, &stage))?;
        }
    }
    let mut stage = stage.ok_or("nothing is done")?;
    stage.nothing_left().map_err(|why| {
        let trace = stage.trace.join("\n  ");
        format!(
            "{}: at the end of {}: {why}\n  {trace}",
            scenario.file, scenario.id
        )
    })?;
    for side in &stage.sides {
        side.note(coverage);
        if S::QUIET && side.allocations > 0 {
            let allocations = side.allocations;
            return Err(format!("{}: allocated {allocations} times", scenario.id));
        }
    }
    Ok(())
}

impl<'a, S: Store> Stage<'a, S> {
    pub fn new(role: Option<&str>, changes: &[String], coverage: &'a Coverage) -> Result<Self, String> {
        let roles: &[Role] = match role {
            Some("client") => &[Role::Initiator],
            Some("gateway") => &[Role::Acceptor],
            Some("pair") => &[Role::Initiator, Role::Acceptor],
            other => return Err(format!("role {other:?}")),
        };
        let mut sides = Vec::new();
        let mut version = 9;
        for role in roles {
            let mut settings = Settings::new(*role, "ABC", "007", credentials());
            settings.keep_alive_ms = KEEP_ALIVE_MS;
            for change in changes {
                let (key, value) = change.split_once(' ').ok_or("set KEY VALUE")?;
                if key == "peer_version" {
                    version = parse(value)?;
                    continue;
                }
                settings::set(&mut settings, key, value)?;
            }
            sides.push(Side::new(settings)?);
        }
        Ok(Self {
            now: START,
            sides,
            peer: Peer {
                version,
                next: 1,
                keep_alive_ms: KEEP_ALIVE_MS.into(),
                ..Peer::default()
            },
            variables: BTreeMap::new(),
            coverage,
            trace: Vec::new(),
            beyond: false,
            splitting: false,
        })
    }

    /// Whether all are established.
    pub fn is_up(&self) -> bool {
        self.sides
            .iter()
            .all(|side| side.session.phase() == fixp::Phase::Up)
    }

    pub fn sides(&self) -> &[Side<S>] {
        &self.sides
    }

    /// What was done and said.
    pub fn trace(&self) -> String {
        self.trace.join("\n  ")
    }

    fn is_pair(&self) -> bool {
        self.sides.len() == 2
    }

    fn one(&mut self) -> &mut Side<S> {
        &mut self.sides[0]
    }

    pub fn line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "<" => return self.expect_frame(rest),
            "told" => return self.expect_told(0, rest),
            "frames" => {
                let (count, name) = rest.split_once(' ').ok_or("frames N MESSAGE")?;
                for _ in 0..parse::<usize>(count)? {
                    self.expect_frame(name)?;
                }
                return Ok(());
            }
            "in" | "out" | "phase" | "series" | "fault" | "count" | "not-before" => {
                return self.check(0, word, rest);
            }
            _ => {}
        }
        if !self.is_pair() {
            self.nothing_left()?;
        }
        self.trace.push(format!("{:>8.3} {line}", self.elapsed()));
        match word {
            ">" => self.peer_sends(rest, None),
            "split" => self.peer_sends(rest, Some(Pieces::Split)),
            "disordered" => self.peer_sends(rest, Some(Pieces::OutOfOrder)),
            "given" => self.given(rest),
            "wait" => self.wait(span(rest)?),
            "clock-back" => {
                let span = u64::try_from(span(rest)?.as_nanos()).map_err(|_| "a span")?;
                self.now.utc.0 -= span;
                Ok(())
            }
            "next-logon" => self.next_logon(rest),
            "turn-away" => self.turn_away(rest),
            "second" => self.second(rest),
            "keep" => {
                let (name, value) = rest.split_once(' ').ok_or("keep NAME VALUE")?;
                let Value::Number(number) = self.value(value)? else {
                    return Err("only numbers are kept".into());
                };
                self.variables.insert(name.to_owned(), number);
                Ok(())
            }
            "client" if self.is_pair() => self.of_pair(0, rest),
            "gateway" if self.is_pair() => self.of_pair(1, rest),
            "cut" => {
                self.cut();
                Ok(())
            }
            "kill" => {
                self.cut();
                self.wait(STARTING)?;
                let coverage = self.coverage;
                let side = usize::from(rest == "gateway");
                self.sides[side].restart(coverage)
            }
            "agree" => self.agree(),
            "splitting" => {
                self.splitting = rest == "yes";
                Ok(())
            }
            "connect" if self.is_pair() => {
                let now = self.now;
                self.sides[1].connect(now);
                self.sides[0].connect(now);
                self.pump()
            }
            _ => self.act(0, line),
        }
    }

    fn elapsed(&self) -> f64 {
        self.now.mono.since(START.mono).as_secs_f64()
    }

    /// Something done to one machine.
    pub fn act(&mut self, side: usize, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now = self.now;
        let coverage = self.coverage;
        let uuid = match word {
            "follow" => Some(self.value(rest)?),
            _ => None,
        };
        if word == "restart" {
            self.wait(STARTING)?;
        }
        let on = &mut self.sides[side];
        match word {
            "connect" => on.connect(now),
            "disconnect" => on.disconnect(now),
            "broken" => on.broken(
                now,
                match rest {
                    "Sofh" => Broken::Sofh,
                    "Undecodable" => Broken::Undecodable,
                    _ => return Err("broken Sofh | Undecodable".into()),
                },
            ),
            "send" => {
                let (count, refusal) = rest.split_once(' ').unwrap_or((rest, ""));
                let name = if on.is_client() {
                    "NewOrderSingle"
                } else {
                    "ExecutionReportNew"
                };
                for _ in 0..parse::<usize>(count)? {
                    let sent = on.send(now, name);
                    match (sent, refusal.strip_prefix("refused ")) {
                        (Ok(_), None) => {}
                        (Err(refusal), Some(why)) if format!("{refusal:?}") == why => {}
                        (sent, _) => return Err(format!("{sent:?}")),
                    }
                }
            }
            "junk" => {
                for name in [
                    "ExecutionReportNew",
                    "NewOrderSingle",
                    "Sequence",
                    "NewOrderCross",
                ] {
                    let ours = if on.is_client() {
                        "NewOrderSingle"
                    } else {
                        "ExecutionReportNew"
                    };
                    if name == ours {
                        continue;
                    }
                    let bytes = match name {
                        "Sequence" => frame::layout(name)?.build(&Fields::new(), 9)?,
                        "NewOrderCross" => {
                            let fields = [("NoSidesLength", 34), ("NoSides", 2)];
                            let fields =
                                fields.map(|(name, value)| (name.to_owned(), Value::Number(value)));
                            frame::layout(name)?.build(&Fields::from(fields), 9)?
                        }
                        _ => side::business(name),
                    };
                    let write = |room: &mut [u8]| {
                        room[..bytes.len()].copy_from_slice(&bytes);
                        Ok::<_, ()>(bytes.len())
                    };
                    let sent = on.session.send(now, 1024, write, on.store.out());
                    if sent != Err(pinfix::session::Refusal::NoMessage) {
                        return Err(format!("{name}: {sent:?}"));
                    }
                }
            }
            "logout" => on.logout(now, rest),
            "terminate" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                on.terminate(now, parse(code)?, reason);
            }
            "dies-behind" => on.dies_behind = Some(parse(rest)?),
            "resume" => on.session.resume(),
            "reopen" => on.session.reopen_port(on.store.out()),
            "renew" => {
                let done = on.session.renew(ResetCause::Operator);
                return refused(done, rest);
            }
            "begin-week" => {
                let done = on
                    .session
                    .begin_week(now, ResetCause::Schedule, on.store.out());
                return refused(done, rest);
            }
            "restart" => on.restart(coverage)?,
            "set-next-out" | "set-next-in" => {
                let (next, refusal) = rest.split_once(' ').unwrap_or((rest, ""));
                let next = parse(next)?;
                let done = if word == "set-next-out" {
                    on.session.set_next_out(now, next, on.store.out())
                } else {
                    on.session.set_next_in(now, next, on.store.out())
                };
                return refused(done, refusal);
            }
            "follow" => {
                let Value::Number(uuid) = uuid.ok_or("follow UUID")? else {
                    return Err("follow UUID".into());
                };
                let done = on.session.follow(now, uuid, 0, on.store.out());
                self.peer.uuid = uuid;
                self.peer.next = 0;
                return refused(done, "");
            }
            "hear-while-down" => {
                let bytes = frame::layout("Sequence")?.build(&Fields::new(), 9)?;
                on.receive(now, &bytes, None)?;
            }
            "primary-ended" => {
                let step = on.session.primary_ended(now, on.store.out());
                on.follow(now, step);
            }
            "other-port-closed" => {
                let step = on.session.other_port_closed(now, on.store.out());
                on.follow(now, step);
            }
            "block" => on.session.block(rest == "yes"),
            "withhold" => on.session.withhold(parse(rest)?),
            "full" => {
                let full = match rest {
                    "Unsent" => Some(Full::Unsent),
                    "Segment" => Some(Full::Segment),
                    "TooLong" => Some(Full::TooLong),
                    "none" => None,
                    _ => return Err("full Unsent | Segment | TooLong | none".into()),
                };
                self.beyond |= !on.store.fill(full);
            }
            "damage" => self.beyond |= !on.store.damage(parse(rest)?),
            "script" => {
                let mut words = rest.split_whitespace();
                let (kind, answer) = (words.next(), words.next());
                let code = words.next().map(parse::<u16>).transpose()?;
                on.session
                    .script(on_of(kind)?, answer_of(answer, code)?)
                    .map_err(|error| error.to_string())?;
            }
            "verdict" => {
                on.verdict = match rest.split_once(' ') {
                    Some(("reject", rest)) => {
                        let (reason, text) = rest.split_once(' ').unwrap_or((rest, ""));
                        Verdict::BusinessReject {
                            reason: parse(reason)?,
                            text: Text::lossy(text.as_bytes()),
                        }
                    }
                    _ => Verdict::Accept,
                }
            }
            "enter-anew" => on.enters_anew = true,
            "answers" => on.answers = parse(rest)?,
            "at-logon" => on.at_logon = parse(rest)?,
            "still-sends" => on.session.still_sends(now, on.store.out()),
            "hold-replay" => on.hold_replay = true,
            "replay" => on.settle(now, parse(rest)?),
            _ => return Err(format!("{word:?} is nothing that can be done")),
        }
        Ok(())
    }

    fn of_pair(&mut self, side: usize, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "told" => return self.expect_told(side, rest),
            "in" | "out" | "phase" | "series" | "fault" | "count" | "not-before" => {
                return self.check(side, word, rest);
            }
            _ => self.act(side, line)?,
        }
        self.pump()
    }

    /// Carries frames between the two until nothing moves.
    fn pump(&mut self) -> Result<(), String> {
        if !self.is_pair() {
            return Ok(());
        }
        loop {
            let mut moved = false;
            for from in [0, 1] {
                let frames = std::mem::take(&mut self.sides[from].wire);
                for bytes in frames {
                    moved = true;
                    let arrow = ["->", "<-"][from];
                    let words = format!(
                        "{:>8.3} {arrow} {}",
                        self.elapsed(),
                        frame::describe(&bytes)
                    );
                    self.trace.push(words);
                    let now = self.now;
                    let pieces = (from == 0 && self.splitting).then_some(Pieces::Split);
                    let to = &mut self.sides[1 - from];
                    if to.connected {
                        to.receive(now, &bytes, pieces)?;
                    }
                }
            }
            if !moved {
                break;
            }
        }
        if self
            .sides
            .iter()
            .any(|side| side.connected && side.is_ending())
        {
            self.cut();
        }
        Ok(())
    }

    fn cut(&mut self) {
        let now = self.now;
        for side in &mut self.sides {
            side.wire.clear();
            side.disconnect(now);
        }
    }

    fn wait(&mut self, span: Duration) -> Result<(), String> {
        let end = self.now.mono + span;
        loop {
            let due = self.sides.iter().filter_map(Side::<S>::deadline).min();
            let Some(at) = due.filter(|at| *at <= end) else {
                break;
            };
            let at = at.max(self.now.mono);
            let passed = at.since(self.now.mono);
            self.now = Now {
                mono: at,
                utc: self.now.utc + passed,
            };
            let now = self.now;
            for side in &mut self.sides {
                if side.deadline().is_some_and(|deadline| deadline <= at) {
                    side.timeout(now);
                }
            }
            self.pump()?;
            if self.sides.iter().any(Side::<S>::is_ending) {
                break;
            }
        }
        let passed = end.since(self.now.mono);
        self.now = Now {
            mono: end,
            utc: self.now.utc + passed,
        };
        Ok(())
    }

    fn given(&mut self, what: &str) -> Result<(), String> {
        let client = self.one().is_client();
        let lines: &[&str] = match (what, client) {
            ("up", true) => &[
                "connect",
                "< Negotiate",
                "> NegotiationResponse",
                "< Establish",
                "> EstablishmentAck",
                "told logged-on",
            ],
            ("up", false) => &[
                "connect",
                "> Negotiate",
                "< NegotiationResponse",
                "> Establish",
                "< EstablishmentAck",
                "told logged-on",
            ],
            ("negotiated", true) => &[
                "connect",
                "< Negotiate",
                "> NegotiationResponse",
                "< Establish",
            ],
            ("negotiated", false) => &["connect", "> Negotiate", "< NegotiationResponse"],
            ("connected", true) => &["connect", "< Negotiate"],
            ("connected", false) => &["connect"],
            _ => return Err("given up | negotiated | connected".into()),
        };
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Goes on over the connection of the backup, whose machines have none afterwards.
    pub fn gateway_takes_over(&mut self, backup: &mut Self, next: u64) -> Result<(), String> {
        self.takes_over(1, backup, next)?;
        let said = std::mem::take(&mut self.sides[1].wire);
        // The first to hear of it is the client's backup.
        backup.sides[1].wire.extend(said);
        backup.pump()
    }

    /// What was under way to the gateway when it took the connection over.
    pub fn gateway_hears(&mut self, name: &str, fields: &Fields) -> Result<(), String> {
        let bytes = frame::layout(name)?.build(fields, 9)?;
        self.trace.push(format!(
            "{:>8.3} -> {}",
            self.elapsed(),
            frame::describe(&bytes)
        ));
        let now = self.now;
        self.sides[1].receive(now, &bytes, None)
    }

    pub fn client_takes_over(&mut self, backup: &mut Self, next: u64) -> Result<(), String> {
        self.takes_over(0, backup, next)?;
        self.pump()
    }

    fn takes_over(&mut self, nth: usize, backup: &mut Self, next: u64) -> Result<(), String> {
        let now = self.now;
        let (side, from) = (&mut self.sides[nth], &mut backup.sides[nth]);
        let uuid = from.store.look().series();
        let taken = side
            .session
            .take_over(now, &mut from.session, uuid, next, side.store.out());
        let step = taken.map_err(|refusal| format!("{refusal:?}"))?;
        (side.connected, from.connected) = (true, false);
        side.follow(now, step);
        Ok(())
    }

    /// What was sent and told is of no interest.
    pub fn forget(&mut self) {
        for side in &mut self.sides {
            side.wire.clear();
            side.told.clear();
        }
    }

    /// The machine gets a frame, if it is one as far as the framing goes.
    pub fn hear(&mut self, bytes: &[u8], pieces: Option<Pieces>) -> Result<(), String> {
        self.trace.push(format!(
            "{:>8.3} > {}",
            self.elapsed(),
            frame::describe(bytes)
        ));
        let now = self.now;
        if Frame::new(bytes).is_err() {
            self.one().broken(now, Broken::Sofh);
            return Ok(());
        }
        self.one().receive(now, bytes, pieces)
    }

    /// Signs a logon as the client does.
    pub fn sign(&self, name: &str, fields: &mut Fields) {
        if matches!(name, "Negotiate" | "Establish") {
            fields.insert(
                "HMACSignature".into(),
                Value::Bytes(signature(name, fields)),
            );
        }
    }

    /// A frame of the peer, with what the scenario does not say filled in.
    fn peer_sends(&mut self, line: &str, pieces: Option<Pieces>) -> Result<(), String> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let layout = frame::layout(name)?;
        let client = self.one().is_client();
        let mut given = Fields::new();
        for (field, text) in words(rest)? {
            layout.field(&field)?;
            given.insert(field, self.value(&text)?);
        }
        let mut fields = self.defaults(name, client);
        fields.extend(given.clone());
        if matches!(name, "Negotiate" | "Establish") && !given.contains_key("HMACSignature") {
            fields.insert(
                "HMACSignature".into(),
                Value::Bytes(signature(name, &fields)),
            );
        }
        let number = |name: &str| match fields.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        match name {
            "Negotiate" | "Establish" => {
                let stamp = number("RequestTimestamp").unwrap_or(self.peer.stamp);
                self.peer.stamp = stamp;
                self.peer.uuid = number("UUID").unwrap_or(self.peer.uuid);
                self.peer.keep_alive_ms = number("KeepAliveInterval").unwrap_or(KEEP_ALIVE_MS.into());
            }
            "NewOrderSingle" | "ExecutionReportNew" | "BusinessReject"
                if number("PossRetransFlag") != Some(1) =>
            {
                self.peer.next = number("SeqNum").unwrap_or(0) + 1;
            }
            _ => {}
        }
        let version = self.peer.version;
        let bytes = layout.build(&fields, version)?;
        let now = self.now;
        self.one().receive(now, &bytes, pieces)
    }

    pub fn defaults(&mut self, name: &str, client: bool) -> Fields {
        let mut fields = Fields::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        let number = Value::Number;
        let text = |text: &str| Value::Text(text.to_owned());
        // Taken by those that need one of their own.
        let now = self.now.utc.0.max(self.peer.last_stamp + 1);
        let last_stamp = &mut self.peer.last_stamp;
        let mut fresh = || {
            *last_stamp = now;
            now
        };
        match name {
            "Negotiate" | "Establish" => {
                put("AccessKeyID", text("ACCESSKEY"));
                put("Session", text("ABC"));
                put("Firm", text("007"));
                put("RequestTimestamp", number(fresh()));
                if name == "Negotiate" {
                    let uuid = (self.now.utc.0 / 1000).max(self.peer.uuid + 1);
                    put("UUID", number(uuid));
                    self.peer.next = 1;
                } else {
                    put("UUID", number(self.peer.uuid));
                    put("NextSeqNo", number(self.peer.next));
                    put("KeepAliveInterval", number(KEEP_ALIVE_MS.into()));
                    put("TradingSystemName", text("APP"));
                    put("TradingSystemVersion", text("1.0"));
                    put("TradingSystemVendor", text("VENDOR"));
                }
                return fields;
            }
            "RetransmitRequest" => {
                put("LastUUID", Value::Null);
                put("RequestTimestamp", number(fresh()));
            }
            "Terminate" => {
                let of_machine = self.peer.terminate.as_ref();
                let stamp = match of_machine.and_then(|fields| fields.get("RequestTimestamp")) {
                    Some(stamp) => stamp.clone(),
                    None => number(fresh()),
                };
                put("RequestTimestamp", stamp);
                put("ErrorCodes", number(0));
                put("SplitMsg", Value::Null);
            }
            "NegotiationResponse"
            | "EstablishmentAck"
            | "NegotiationReject"
            | "EstablishmentReject" => {
                put("RequestTimestamp", number(self.peer.stamp));
                put("FaultToleranceIndicator", number(1));
                put("SplitMsg", Value::Null);
                put("EnvironmentIndicator", Value::Null);
                if name == "NegotiationResponse" {
                    self.peer.next = 1;
                }
                if matches!(name, "EstablishmentAck" | "EstablishmentReject") {
                    put("NextSeqNo", number(self.peer.next));
                }
                if matches!(name, "EstablishmentAck" | "NegotiationResponse") {
                    put("SecretKeySecureIDExpiration", Value::Null);
                }
                if name == "EstablishmentAck" {
                    put("KeepAliveInterval", number(self.peer.keep_alive_ms));
                }
            }
            "Sequence" => {
                put("NextSeqNo", number(self.peer.next));
                put("FaultToleranceIndicator", number(1));
            }
            "Retransmission" | "RetransmitReject" => {
                let request = self.peer.request.clone().unwrap_or_default();
                for field in ["LastUUID", "RequestTimestamp", "FromSeqNo", "MsgCount"] {
                    if let Some(value) = request.get(field)
                        && (name == "Retransmission" || !matches!(field, "FromSeqNo" | "MsgCount"))
                    {
                        put(field, value.clone());
                    }
                }
                put("SplitMsg", Value::Null);
            }
            "NewOrderSingle" | "NewOrderCross" | "ExecutionReportNew" | "BusinessReject" => {
                put("SeqNum", number(self.peer.next));
            }
            _ => {}
        }
        if !matches!(name, "NewOrderSingle" | "NewOrderCross") {
            let uuid = if client {
                self.peer.uuid
            } else {
                self.sides[0].store.look().series()
            };
            put("UUID", number(uuid));
        }
        fields
    }

    /// The next frame of the machine.
    fn expect_frame(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let side = &mut self.sides[0];
        if side.wire.is_empty() {
            return Err(format!("nothing was sent; told {:?}", side.told));
        }
        let bytes = side.wire.remove(0);
        self.trace.push(format!(
            "{:>8.3} < {}",
            self.elapsed(),
            frame::describe(&bytes)
        ));
        let (layout, fields) = frame::read(&bytes)?;
        if layout.name != name {
            return Err(format!("sent {}", frame::describe(&bytes)));
        }
        self.note(layout.name, &fields)?;
        for (field, text) in words(rest)? {
            layout.field(&field)?;
            let sent = fields.get(&field);
            if text == "*" {
                continue;
            }
            if let (Some(name), Some(Value::Number(number))) = (text.strip_prefix('$'), sent)
                && !self.variables.contains_key(name)
                && !name.contains(['+', '-'])
            {
                self.variables.insert(name.to_owned(), *number);
                continue;
            }
            let wanted = match self.value(&text)? {
                Value::Number(number) if matches!(sent, Some(Value::Text(_))) => {
                    Value::Text(number.to_string())
                }
                wanted => wanted,
            };
            if sent != Some(&wanted) {
                return Err(format!("{field} is {sent:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }

    /// What the peer keeps in mind of a frame of the machine, and what must be true of every one.
    fn note(&mut self, name: &str, fields: &Fields) -> Result<(), String> {
        let number = |name: &str| match fields.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        };
        match name {
            "Negotiate" | "Establish" => {
                if fields.get("HMACSignature") != Some(&Value::Bytes(signature(name, fields))) {
                    return Err("the signature is wrong".into());
                }
                let stamp = number("RequestTimestamp");
                if stamp <= self.peer.stamp {
                    return Err("RequestTimestamp does not grow".into());
                }
                self.peer.stamp = stamp;
                self.peer.uuid = number("UUID");
            }
            "Terminate" => self.peer.terminate = Some(fields.clone()),
            "RetransmitRequest" => self.peer.request = Some(fields.clone()),
            _ => {}
        }
        Ok(())
    }

    fn value(&self, text: &str) -> Result<Value, String> {
        if let Some(quoted) = text.strip_prefix('"') {
            let quoted = quoted.strip_suffix('"').ok_or("a quote is not closed")?;
            return Ok(Value::Text(quoted.replace("\\x01", "\u{1}")));
        }
        let (base, offset) = match text
            .char_indices()
            .skip(1)
            .find(|(_, c)| matches!(c, '+' | '-'))
        {
            Some((at, sign)) => {
                let (base, rest) = text.split_at(at);
                let amount = match rest[1..].strip_suffix('s') {
                    Some(seconds) => parse::<i128>(seconds)? * 1_000_000_000,
                    None => parse::<i128>(&rest[1..])?,
                };
                (base, if sign == '+' { amount } else { -amount })
            }
            None => (text, 0),
        };
        let number = match base {
            "null" => return Ok(Value::Null),
            "zero32" => return Ok(Value::Bytes(vec![0; 32])),
            "wrong32" => return Ok(Value::Bytes(vec![7; 32])),
            "uuid" if self.is_pair() => self.sides[0].store.look().series(),
            "uuid" => self.peer.uuid,
            "stamp" => self.peer.stamp,
            "now" => self.now.utc.0,
            "max" => MAX,
            _ => match base.strip_prefix('$') {
                Some(name) => *self
                    .variables
                    .get(name)
                    .ok_or_else(|| format!("{base} is not set"))?,
                None => match base.parse() {
                    Ok(number) => number,
                    Err(_) => return Ok(Value::Text(text.to_owned())),
                },
            },
        };
        let number = i128::from(number) + offset;
        Ok(Value::Number(
            u64::try_from(number).map_err(|_| format!("{text} is {number}"))?,
        ))
    }

    fn expect_told(&mut self, side: usize, words: &str) -> Result<(), String> {
        // A code of a table may begin with a zero, and the UUID behind `of` has a name.
        let mut plain: Vec<String> = Vec::new();
        for word in words.split_whitespace() {
            let of = plain.last().is_some_and(|before| before == "of");
            plain.push(match (of, word.parse::<u64>()) {
                (true, _) => match self.value(word)? {
                    Value::Number(number) => number.to_string(),
                    other => return Err(format!("of {other:?}")),
                },
                (false, Ok(number)) => number.to_string(),
                (false, Err(_)) => word.to_owned(),
            });
        }
        let words = plain.join(" ");
        let (words, again) = match words.strip_suffix(" again") {
            Some(before) => (before.to_owned(), " again"),
            None => (words, ""),
        };
        // `deliver 3..7` is five of them.
        let range = words
            .strip_prefix("deliver ")
            .and_then(|range| range.split_once(".."));
        let wanted: Vec<String> = match range {
            Some((first, last)) => {
                let (last, of) = last.split_once(' ').unwrap_or((last, ""));
                let of = if of.is_empty() {
                    String::new()
                } else {
                    format!(" {of}")
                };
                (parse::<u64>(first)?..=parse(last)?)
                    .map(|seq| format!("deliver {seq}{of}{again}"))
                    .collect()
            }
            None => vec![format!("{words}{again}")],
        };
        for wanted in wanted {
            let told = self.sides[side].told.pop_front();
            if told.as_deref() != Some(&wanted) {
                let wire: Vec<_> = self.sides[side]
                    .wire
                    .iter()
                    .map(|bytes| frame::describe(bytes))
                    .collect();
                return Err(format!("told {told:?}, not {wanted:?}; sent {wire:?}"));
            }
            if let Some(cause) = wanted
                .strip_prefix("close ")
                .or(wanted.strip_prefix("end "))
            {
                let name = cause.split(' ').next().unwrap_or_default();
                let name = pinfix::session::Cause::FIXP_NAMES
                    .iter()
                    .find(|of| **of == name);
                self.coverage.causes.lock().unwrap().extend(name);
            }
        }
        Ok(())
    }

    fn check(&mut self, side: usize, what: &str, wanted: &str) -> Result<(), String> {
        let now = self.now;
        let on = &self.sides[side];
        let tally = on.session.tally();
        let is = match what {
            "in" => on.numbers().0.to_string(),
            "out" => on.numbers().1.to_string(),
            "phase" => format!("{:?}", on.session.phase()),
            "series" => {
                let Value::Number(uuid) = self.value(wanted)? else {
                    return Err("series UUID".into());
                };
                let is = on.store.look().series();
                return (uuid == is)
                    .then_some(())
                    .ok_or_else(|| format!("it is {is}"));
            }
            "fault" => tally
                .last_fault
                .map_or("none", |fault| fault.name())
                .to_owned(),
            "not-before" => match on.stays_away(now) {
                Some(span) => format!("{}s", span.as_secs()),
                None => "no".to_owned(),
            },
            "count" => {
                let (name, wanted) = wanted.split_once(' ').ok_or("count NAME N")?;
                let is = match name {
                    "duplicates_in" => tally.duplicates_in,
                    "parked_dropped" => tally.parked_dropped,
                    "retransmit_requests" => tally.retransmit_requests,
                    "resent" => tally.resent,
                    "unreadable" => tally.unreadable,
                    "slow_reads" => tally.slow_reads,
                    "held_up" => tally.held_up,
                    "held_up_dropped" => tally.held_up_dropped,
                    "heartbeats_out" => tally.heartbeats_out,
                    _ => {
                        let place = fixp::Fault::NAMES.iter().position(|fault| *fault == name);
                        let place = place.ok_or_else(|| format!("{name} is not counted"))?;
                        tally.faults_by_kind.as_slice()[place].into()
                    }
                };
                let is = is.to_string();
                return (is == wanted)
                    .then_some(())
                    .ok_or_else(|| format!("it is {is}"));
            }
            _ => return Err(format!("{what} cannot be looked at")),
        };
        (is == wanted)
            .then_some(())
            .ok_or_else(|| format!("it is {is}"))
    }

    /// A first message that no session is found for.
    fn turn_away(&mut self, line: &str) -> Result<(), String> {
        let (name, over) = line.split_once(" over ").unwrap_or((line, ""));
        let mut fields = self.defaults(name, true);
        if name == "Sequence" {
            fields.insert("UUID".into(), Value::Number(5));
        }
        if let (Some(Value::Number(stamp)), Some(Value::Number(uuid))) =
            (fields.get("RequestTimestamp"), fields.get("UUID"))
        {
            (self.peer.stamp, self.peer.uuid) = (*stamp, *uuid);
        }
        let bytes = frame::layout(name)?.build(&fields, 9)?;
        let frame = Frame::new(&bytes).map_err(|error| error.to_string())?;
        let mut room = [0; fixp::REFUSAL_MAX];
        let named = fixp::identity(&frame).map(|identity| (identity.session, identity.firm));
        if named.is_some_and(|named| named != (b"ABC", b"007")) {
            return Err(format!("from {named:?}"));
        }
        let lane = self.one().session.settings().lane;
        let len = match over {
            "" => fixp::turn_away(&frame, self.now, lane, 9, &mut room),
            "AlreadyEstablished" => fixp::refuse(
                &frame,
                fixp::Fault::AlreadyEstablished,
                self.now,
                lane,
                9,
                &mut room,
            ),
            _ => return Err("turn-away MESSAGE [over AlreadyEstablished]".into()),
        };
        self.one().wire.push(room[..len].to_vec());
        Ok(())
    }

    /// A first message over a second connection.
    fn second(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut fields = self.defaults(name, false);
        for (field, text) in words(rest)? {
            fields.insert(field, self.value(&text)?);
        }
        if rest.is_empty() {
            self.sign(name, &mut fields);
        }
        if let Some(Value::Number(stamp)) = fields.get("RequestTimestamp") {
            self.peer.stamp = *stamp;
        }
        if let Some(Value::Number(uuid)) = fields.get("UUID") {
            self.peer.uuid = *uuid;
        }
        let bytes = frame::layout(name)?.build(&fields, 9)?;
        let frame = Frame::new(&bytes).map_err(|error| error.to_string())?;
        let mut room = [0; fixp::REFUSAL_MAX];
        let now = self.now;
        let lane = self.one().session.settings().lane;
        let len = match self.one().session.second_connection(&frame) {
            Some(fault) => fixp::refuse(&frame, fault, now, lane, 9, &mut room),
            None => fixp::turn_away(&frame, now, lane, 9, &mut room),
        };
        self.one().wire.push(room[..len].to_vec());
        Ok(())
    }

    /// The connection has ended; how the client logs on next.
    fn next_logon(&mut self, wanted: &str) -> Result<(), String> {
        let now = self.now;
        let uuid = self.peer.uuid;
        let was = self.one().session.phase();
        self.one().disconnect(now);
        self.one().told.clear();
        if wanted == "halt" {
            if !self.one().session.waits_for_operator() {
                return Err("it does not wait for an operator".into());
            }
            self.one().connect(now);
            self.expect_told(0, "close AwaitsOperator")?;
            return Ok(());
        }
        if self.one().session.waits_for_operator() {
            return Err(format!("it waits for an operator, was {was:?}"));
        }
        self.one().connect(now);
        match wanted {
            "establish" => self.expect_frame(&format!("Establish UUID={uuid}")),
            "negotiate" => {
                self.expect_frame("Negotiate")?;
                let new = self.peer.uuid;
                (new > uuid)
                    .then_some(())
                    .ok_or_else(|| format!("{new} after {uuid}"))
            }
            _ => Err("next-logon establish | negotiate | halt".into()),
        }
    }

    fn agree(&mut self) -> Result<(), String> {
        self.pump()?;
        let (client, gateway) = (&self.sides[0], &self.sides[1]);
        for side in [client, gateway] {
            if side.session.phase() != fixp::Phase::Up {
                return Err(format!("{:?}, told {:?}", side.session.phase(), side.told));
            }
        }
        let ((client_in, client_out), (gateway_in, gateway_out)) =
            (client.numbers(), gateway.numbers());
        if client.store.look().series() != gateway.store.look().series()
            || (client_in, client_out) != (gateway_out, gateway_in)
        {
            return Err(format!(
                "client in {client_in} out {client_out}, gateway in {gateway_in} out {gateway_out}"
            ));
        }
        for side in [client, gateway] {
            let mut last: BTreeMap<u64, u64> = BTreeMap::new();
            for (series, seq) in &side.taken {
                let before = last.insert(*series, *seq).unwrap_or(0);
                if *seq != before + 1 {
                    return Err(format!("{seq} after {before} of {series}"));
                }
            }
            let series = side.store.look().series();
            let taken = last.get(&series).copied().unwrap_or(0);
            if taken + 1 != side.numbers().0 {
                return Err(format!(
                    "took {taken} of {series}, expects {}",
                    side.numbers().0
                ));
            }
        }
        for side in &mut self.sides {
            side.told.clear();
        }
        Ok(())
    }

    fn nothing_left(&mut self) -> Result<(), String> {
        if self.is_pair() {
            return Ok(());
        }
        let side = &self.sides[0];
        if let Some(bytes) = side.wire.first() {
            return Err(format!("also sent {}", frame::describe(bytes)));
        }
        match side.told.front() {
            Some(told) => Err(format!("also told {told}")),
            None => Ok(()),
        }
    }
}

/// What the client signs.
fn signature(name: &str, fields: &Fields) -> Vec<u8> {
    let number = |name: &str, null: u64| match fields.get(name) {
        Some(Value::Number(number)) => Part::Number(*number),
        _ => Part::Number(null),
    };
    let text = |name: &str| match fields.get(name) {
        Some(Value::Text(text)) => Part::Text(text.as_bytes()),
        _ => Part::Text(b""),
    };
    let mut parts = vec![
        number("RequestTimestamp", u64::MAX),
        number("UUID", u64::MAX),
        text("Session"),
        text("Firm"),
    ];
    if name == "Establish" {
        parts.extend([
            text("TradingSystemName"),
            text("TradingSystemVersion"),
            text("TradingSystemVendor"),
            number("NextSeqNo", u32::MAX.into()),
            number("KeepAliveInterval", u16::MAX.into()),
        ]);
    }
    credentials().sign(&parts).to_vec()
}

/// `NAME=VALUE` separated by blanks, values perhaps in quotes.
fn words(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (name, after) = rest
            .split_once('=')
            .ok_or_else(|| format!("{rest:?} is no FIELD=VALUE"))?;
        let end = if let Some(quoted) = after.strip_prefix('"') {
            quoted.find('"').ok_or("a quote is not closed")? + 2
        } else {
            after.find(' ').unwrap_or(after.len())
        };
        found.push((name.to_owned(), after[..end].to_owned()));
        rest = after[end..].trim_start();
    }
    Ok(found)
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number of the kind"))
}

/// `30s`, `250ms` or `3us`.
fn span(text: &str) -> Result<Duration, String> {
    if let Some(micros) = text.strip_suffix("us") {
        return Ok(Duration::from_micros(parse(micros)?));
    }
    match text.strip_suffix("ms") {
        Some(millis) => Ok(Duration::from_millis(parse(millis)?)),
        None => Ok(Duration::from_secs(parse(text.trim_end_matches('s'))?)),
    }
}

fn refused(done: Result<(), pinfix::session::Refusal>, wanted: &str) -> Result<(), String> {
    match (done, wanted.strip_prefix("refused ")) {
        (Ok(()), None) => Ok(()),
        (Err(refusal), Some(why)) if format!("{refusal:?}") == why => Ok(()),
        (done, _) => Err(format!("{done:?}")),
    }
}

fn on_of(word: Option<&str>) -> Result<On, String> {
    Ok(match word {
        Some("Negotiate") => On::Negotiate,
        Some("Establish") => On::Establish,
        Some("Business") => On::Business,
        Some("RetransmitRequest") => On::RetransmitRequest,
        Some("Terminate") => On::Terminate,
        other => return Err(format!("script on {other:?}")),
    })
}

fn answer_of(word: Option<&str>, code: Option<u16>) -> Result<Answer, String> {
    Ok(match (word, code) {
        (Some("Reject"), Some(code)) => Answer::Reject(code),
        (Some("Unconsumed"), Some(code)) => Answer::Unconsumed(code),
        (Some("Terminate"), Some(code)) => Answer::Terminate(code),
        (Some("Silence"), None) => Answer::Silence,
        (Some("Drop"), None) => Answer::Drop,
        other => return Err(format!("script answer {other:?}")),
    })
}

//! Our engine as one side of a trial: on a thread of its own, with real sockets and a journal in a
//! directory, driven and observed from the thread of the trial.
//!
//! Invariants: orders are answered once each, in order; what arrives is judged on arrival; what was seen
//! survives a restart of the engine, as the memory of the application behind it would. Uses the public
//! interface only. Knows nothing of the peers.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pinfix::admin::Outcome;
use pinfix::counters::{ReadError, SessionStatus};
use pinfix::engine::{
    Application, Authorities, ClientCheck, Clock, Controller, Engine, EngineConfig, Event, Idle,
    Inbound, Listen, Outbound, Pem, Run, SessionConfig, SessionHandle, StatusError, Stopper, TlsClient,
    TlsIdentity, TlsServer,
};
use pinfix::session::fix::policy::DuringReplay;
use pinfix::session::fix::rules::Rules;
use pinfix::session::fix::{Sent, Tally, Verdict};
use pinfix::session::{Cause, Refusal, Text};
use pinfix::time::TimestampPrecision;
use pinfix::wire::fix::value::Decimal;
use pinfix::wire::fix::{Message, msg_type, tag};

use super::peer::{Certificates, Failure, Role, Version};

/// Orders handed to the engine per turn of the loop, so that reading goes on while a burst is sent.
const ORDERS_PER_TURN: u64 = 50;
/// How long an idle turn sleeps: the peer wants a core as well.
const IDLE_SLEEP: Duration = Duration::from_micros(50);
/// Time between two looks at what was seen.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How long the engine's thread may take to begin or to end.
const THREAD_WAIT: Duration = Duration::from_secs(10);
/// How long the status page may be in the middle of a write.
const STATUS_WAIT: Duration = Duration::from_secs(2);
/// How long the completion of a command is waited for.
const COMMAND_WAIT: Duration = Duration::from_secs(15);
/// Events in the report of a failure.
const EVENTS_KEPT: usize = 40;

/// Who calls the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// A loop of the trial's own, as an embedder has: polls, then sends between two polls.
    Embedded,
    /// `Engine::run`, which sleeps when there is nothing to do. Sends only from callbacks.
    Run,
}

/// How an engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Dropped between two cycles, as in a process that dies: no Logout, nothing flushed.
    Dropped,
    /// Logged out first.
    Orderly,
}

/// What our side of a trial is.
#[derive(Clone, Debug)]
pub struct Setup {
    pub version: Version,
    pub role: Role,
    pub sender: &'static str,
    pub target: &'static str,
    /// Where an initiator connects to; where an acceptor listens, 0 for any port.
    pub port: u16,
    pub heartbeat_s: u32,
    pub journals: PathBuf,
    pub drive: Drive,
    /// How many messages may wait behind a gap.
    pub parked_max: usize,
    /// What TLS is spoken with, if it is.
    pub tls: Option<Certificates>,
}

/// A stream of ClOrdID(11) of the form PREFIX-n, n rising by one from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub last: u64,
    /// How many came that were not the next one.
    pub errors: u64,
}

impl Stream {
    /// Answers what is wrong with this one.
    fn see(&mut self, cl_ord_id: &str) -> Option<String> {
        let number = cl_ord_id.rsplit('-').next().and_then(|n| n.parse().ok());
        let next = self.last + 1;
        if number == Some(next) {
            self.last = next;
            return None;
        }
        self.errors += 1;
        // Go on from there, or everything after it is wrong too.
        self.last = number.unwrap_or(self.last).max(self.last);
        Some(format!("{cl_ord_id} came when number {next} was next"))
    }
}

/// What was seen and what is to be done, shared with the engine's thread.
#[derive(Debug, Default)]
pub struct Seen {
    pub orders: Stream,
    pub reports: Stream,
    pub logons: u64,
    /// Why each connection that had logged on ended.
    pub ends: Vec<Cause>,
    /// Rejects received; there must be none.
    pub rejects: u64,
    /// Anything that must not happen.
    pub errors: Vec<String>,
    pub tally: Tally,
    /// Orders still to be sent, and the number of the last that was.
    to_send: u64,
    pub sent_last: u64,
    /// Reports still to be sent.
    owed: VecDeque<Owed>,
    /// What is done at which order of the peer.
    when: Vec<(u64, Act)>,
    silent_until: Option<Instant>,
    events: VecDeque<String>,
}

/// What the application does in the callback of a certain order of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Has the connection cut, without a Logout.
    Disconnect,
    /// Answers with Reject(3), beside the report.
    Reject,
    /// Answers with BusinessMessageReject(j), beside the report.
    BusinessReject,
}

#[derive(Debug)]
struct Owed {
    cl_ord_id: String,
    symbol: String,
    side: u8,
    quantity: u64,
}

impl Seen {
    fn note(&mut self, event: String) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn wrong(&mut self, what: String) {
        self.note(format!("error {what}"));
        self.errors.push(what);
    }
}

/// Our side of a trial. Ends with it.
pub struct Ours {
    setup: Setup,
    seen: Arc<Mutex<Seen>>,
    running: Option<Running>,
}

struct Running {
    ending: Arc<AtomicU8>,
    stopper: Stopper,
    controller: Controller,
    session: SessionHandle,
    thread: JoinHandle<()>,
}

const RUNNING: u8 = 0;
const TO_BE_DROPPED: u8 = 1;
const TO_LOG_OUT: u8 = 2;

impl Ours {
    pub fn start(setup: Setup) -> Result<Self, Failure> {
        let mut ours = Self {
            setup,
            seen: Arc::default(),
            running: None,
        };
        ours.resume()?;
        Ok(ours)
    }

    /// The port an acceptor listens on.
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// Starts the engine again, on the journal and the port it had.
    pub fn resume(&mut self) -> Result<(), Failure> {
        let (tell, told) = channel();
        let setup = self.setup.clone();
        let seen = Arc::clone(&self.seen);
        let ending = Arc::new(AtomicU8::new(RUNNING));
        let stopper = Stopper::default();
        let (end, stop) = (Arc::clone(&ending), stopper.clone());
        let thread = thread::spawn(move || live(&setup, &seen, &end, &stop, &tell));
        let started = told
            .recv_timeout(THREAD_WAIT)
            .map_err(|e| Failure::new(format!("our engine did not start: {e}")))??;
        self.setup.port = started.port;
        self.running = Some(Running {
            ending,
            stopper,
            controller: started.controller,
            session: started.session,
            thread,
        });
        Ok(())
    }

    /// Ends the engine.
    pub fn halt(&mut self, end: End) -> Result<(), Failure> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let code = match end {
            End::Dropped => TO_BE_DROPPED,
            End::Orderly => TO_LOG_OUT,
        };
        running.ending.store(code, Ordering::Release);
        running.stopper.stop();
        let limit = Instant::now() + THREAD_WAIT;
        while !running.thread.is_finished() {
            if Instant::now() >= limit {
                return Err(self.failure("our engine's thread did not end"));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        running
            .thread
            .join()
            .map_err(|_| self.failure("our engine's thread panicked"))
    }

    /// Sends `count` orders, ClOrdID(11) going on where the last burst ended, as soon as it can.
    pub fn order(&self, count: u64) {
        self.seen().to_send += count;
    }

    /// Does `act` in the callback of the peer's order `number`.
    pub fn when_order(&self, number: u64, act: Act) {
        self.seen().when.push((number, act));
    }

    /// Leaves the engine alone for a while, so that it says nothing.
    pub fn be_silent(&self, span: Duration) {
        self.seen().silent_until = Some(Instant::now() + span);
    }

    /// Waits until what was seen is `wanted`.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Result<(), Failure> {
        let end = Instant::now() + limit;
        while !wanted(&self.seen()) {
            if Instant::now() >= end {
                return Err(self.failure(&format!("waited {limit:?} in vain for: {what}")));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// What the status page says.
    pub fn status(&self) -> Result<SessionStatus, Failure> {
        let Some(running) = &self.running else {
            return Err(self.failure("our engine does not run"));
        };
        let end = Instant::now() + STATUS_WAIT;
        loop {
            match running.controller.status(running.session) {
                // The engine lost its core in the middle of a write.
                Err(StatusError::Page(ReadError::Busy)) if Instant::now() < end => {
                    thread::sleep(LOOK_INTERVAL);
                }
                other => return other.map_err(|e| self.failure(&format!("no status: {e}"))),
            }
        }
    }

    /// Logs out as an operator does, and waits for the completion.
    pub fn log_out(&mut self, reason: &str) -> Result<Outcome, Failure> {
        let reason = Text::lossy(reason.as_bytes());
        self.command(|controller, session| controller.logout(session, reason, COMMAND_WAIT))
    }

    /// Logs on as an operator does, and waits for the completion.
    pub fn log_on(&mut self) -> Result<Outcome, Failure> {
        self.command(|controller, session| controller.logon(session, COMMAND_WAIT))
    }

    fn command(
        &mut self,
        give: impl FnOnce(
            &mut Controller,
            SessionHandle,
        ) -> Result<pinfix::admin::Ticket, pinfix::admin::Busy>,
    ) -> Result<Outcome, Failure> {
        let Some(running) = &mut self.running else {
            return Err(self.failure("our engine does not run"));
        };
        let ticket = give(&mut running.controller, running.session)
            .map_err(|e| Failure::new(format!("command not taken: {e}")))?;
        Ok(running.controller.wait(ticket, COMMAND_WAIT))
    }

    /// The directory of our journal.
    pub fn journal(&self) -> Result<PathBuf, Failure> {
        let found =
            fs::read_dir(&self.setup.journals).and_then(|mut entries| entries.next().transpose());
        match found {
            Ok(Some(entry)) => Ok(entry.path()),
            none => Err(self.failure(&format!("no journal: {none:?}"))),
        }
    }

    /// A failure of the trial with what our side saw.
    pub fn failure(&self, what: &str) -> Failure {
        Failure::new(format!("{what}\n{}", self.report()))
    }

    /// What our side saw.
    pub fn report(&self) -> String {
        let status = self
            .running
            .as_ref()
            .map(|running| running.controller.status(running.session));
        let seen = self.seen();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "--- ours: {:?} {:?}",
            self.setup.role, self.setup.version
        );
        let _ = writeln!(text, "orders {:?}, reports {:?}", seen.orders, seen.reports);
        let _ = writeln!(
            text,
            "orders sent {}, to be sent {}, reports owed {}",
            seen.sent_last,
            seen.to_send,
            seen.owed.len()
        );
        let _ = writeln!(text, "{:?}", seen.tally);
        let _ = writeln!(text, "status {status:?}");
        let _ = writeln!(text, "--- our events");
        for event in &seen.events {
            let _ = writeln!(text, "{event}");
        }
        text
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // A thread that does not end is left behind; the failure of the trial has told it already.
        drop(self.halt(End::Dropped));
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Started {
    port: u16,
    controller: Controller,
    session: SessionHandle,
}

/// The life of an engine, on its own thread.
fn live(
    setup: &Setup,
    seen: &Arc<Mutex<Seen>>,
    ending: &AtomicU8,
    stopper: &Stopper,
    tell: &Sender<Result<Started, Failure>>,
) {
    let mut clock = Clock::new();
    let (mut engine, started) = match begin(setup, seen, &mut clock) {
        Ok(begun) => begun,
        Err(failure) => return drop(tell.send(Err(failure))),
    };
    let session = started.session;
    if tell.send(Ok(started)).is_err() {
        return;
    }
    let mut app = App {
        seen: Arc::clone(seen),
        version: setup.version,
    };
    match setup.drive {
        Drive::Embedded => embedded(&mut engine, session, &mut app, setup, &mut clock, ending),
        Drive::Run => {
            let run = Run {
                core: None,
                idle: Idle::Block(Duration::from_millis(20)),
            };
            if let Err(error) = engine.run(&mut app, run, stopper) {
                lock(seen).wrong(format!("run: {error}"));
            }
        }
    }
    if let Some(tally) = engine.tally(session) {
        lock(seen).tally = *tally;
    }
}

fn begin(setup: &Setup, seen: &Mutex<Seen>, clock: &mut Clock) -> Result<(Engine, Started), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("our engine: {error}"));
    let mut engine = Engine::new(EngineConfig::default()).map_err(|e| wrong(&e))?;
    let mut address = SocketAddr::from(([127, 0, 0, 1], setup.port));
    let rules =
        Rules::named(setup.version.name()).ok_or_else(|| wrong(&"does not know this version"))?;
    let mut config = match setup.role {
        Role::Acceptor => {
            let mut listen = Listen::on(address);
            listen.tls = setup.tls.as_ref().map(|tls| TlsServer {
                client_check: ClientCheck::Required(Pem::File(tls.certificate.clone())),
                ..TlsServer::new(identity(tls))
            });
            address = engine.listen_as(listen).map_err(|e| wrong(&e))?;
            SessionConfig::acceptor(rules, setup.sender, setup.target)
        }
        Role::Initiator => SessionConfig::initiator(rules, setup.sender, setup.target, address),
    };
    if let (Some(tls), Role::Initiator) = (&setup.tls, setup.role) {
        config.connect.tls = Some(TlsClient {
            authorities: Authorities::Only(Pem::File(tls.certificate.clone())),
            identity: Some(identity(tls)),
            ..TlsClient::default()
        });
    }
    config.settings.heartbeat_s = setup.heartbeat_s;
    config.settings.recovery.parked_max = setup.parked_max;
    // What is taken is on its way: the trials count numbers.
    config.settings.resend.new_messages = DuringReplay::Interleave;
    config.connect.reconnect = [50, 100, 200].map(Duration::from_millis).to_vec();
    let config = config.journal_below(&setup.journals);
    let (session, recovery) = engine
        .add_session(config, clock.now())
        .map_err(|e| wrong(&e))?;
    if !recovery.is_clean() {
        lock(seen).wrong(format!("the journal had to be mended: {recovery:?}"));
    }
    let controller = engine.controller();
    let port = address.port();
    Ok((
        engine,
        Started {
            port,
            controller,
            session,
        },
    ))
}

fn identity(tls: &Certificates) -> TlsIdentity {
    TlsIdentity::files(&tls.certificate, &tls.key)
}

fn embedded(
    engine: &mut Engine,
    session: SessionHandle,
    app: &mut App,
    setup: &Setup,
    clock: &mut Clock,
    ending: &AtomicU8,
) {
    let mut give_up = None;
    loop {
        let now = clock.now();
        match (ending.load(Ordering::Acquire), give_up) {
            (TO_BE_DROPPED, _) => return,
            (TO_LOG_OUT, None) => {
                engine.begin_stop(now, app);
                give_up = Some(Instant::now() + THREAD_WAIT / 2);
            }
            (TO_LOG_OUT, Some(end)) if engine.is_stopped() || Instant::now() >= end => return,
            _ => {}
        }
        let work = engine.poll(now, app);
        let sent = app.send_some(&mut engine.outbound(now), session, setup.sender);
        let mut seen = lock(&app.seen);
        if let Some(tally) = engine.tally(session) {
            seen.tally = *tally;
        }
        let silent = seen.silent_until.take();
        drop(seen);
        if let Some(end) = silent {
            thread::sleep(end.saturating_duration_since(Instant::now()));
        }
        if work == 0 && sent == 0 {
            thread::sleep(IDLE_SLEEP);
        }
    }
}

struct App {
    seen: Arc<Mutex<Seen>>,
    version: Version,
}

impl App {
    /// Sends reports that are owed, then orders. Answers how many messages.
    fn send_some(&self, out: &mut Outbound<'_>, session: SessionHandle, prefix: &str) -> u64 {
        let seen = &mut *lock(&self.seen);
        let mut sent = self.send_owed(seen, out, session);
        for _ in 0..ORDERS_PER_TURN {
            if seen.to_send == 0 || !self.send_order(seen, out, session, prefix) {
                break;
            }
            sent += 1;
        }
        sent
    }

    fn send_owed(&self, seen: &mut Seen, out: &mut Outbound<'_>, session: SessionHandle) -> u64 {
        let mut sent = 0;
        while let Some(owed) = seen.owed.front() {
            let outcome = out.send(session, msg_type::EXECUTION_REPORT, |report| {
                report
                    .str(tag::ORDER_ID, &format!("O-{}", owed.cl_ord_id))
                    .str(tag::CL_ORD_ID, &owed.cl_ord_id)
                    .str(tag::EXEC_ID, &format!("E-{}", owed.cl_ord_id));
                if self.version <= Version::Fix42 {
                    report.char(tag::EXEC_TRANS_TYPE, b'0');
                }
                if self.version >= Version::Fix41 {
                    report
                        .char(tag::EXEC_TYPE, b'0')
                        .uint(tag::LEAVES_QTY, owed.quantity);
                }
                if self.version <= Version::Fix41 {
                    report.uint(tag::LAST_QTY, 0).uint(tag::LAST_PX, 0);
                }
                report
                    .char(tag::ORD_STATUS, b'0')
                    .str(tag::SYMBOL, &owed.symbol)
                    .char(tag::SIDE, owed.side)
                    .uint(tag::ORDER_QTY, owed.quantity)
                    .uint(tag::CUM_QTY, 0)
                    .uint(tag::AVG_PX, 0);
            });
            if !is_sent(seen, outcome) {
                break;
            }
            seen.owed.pop_front();
            sent += 1;
        }
        sent
    }

    fn send_order(
        &self,
        seen: &mut Seen,
        out: &mut Outbound<'_>,
        session: SessionHandle,
        prefix: &str,
    ) -> bool {
        let number = seen.sent_last + 1;
        let now = out.now().utc;
        let price = Decimal::new(401_225, 2).unwrap_or(Decimal::ZERO);
        let outcome = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
            if self.version >= Version::Fix42 {
                order.utc(tag::TRANSACT_TIME, now, TimestampPrecision::Millis);
            }
            order
                .str(tag::CL_ORD_ID, &format!("{prefix}-{number}"))
                .char(tag::HANDL_INST, b'1')
                .str(tag::SYMBOL, "ESZ6")
                .char(
                    tag::SIDE,
                    if number.is_multiple_of(2) { b'2' } else { b'1' },
                )
                .uint(tag::ORDER_QTY, 1 + number % 100)
                .char(tag::ORD_TYPE, b'2')
                .decimal(tag::PRICE, price);
        });
        let sent = is_sent(seen, outcome);
        if sent {
            seen.sent_last = number;
            seen.to_send -= 1;
        }
        sent
    }
}

/// Whether a message went out. One that cannot go out now is tried again later; any other refusal is
/// a defect.
fn is_sent(seen: &mut Seen, outcome: Result<Sent, Refusal>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(Refusal::NotLoggedOn | Refusal::LoggingOut | Refusal::Full(_)) => false,
        Err(refusal) => {
            seen.wrong(format!("not sent: {refusal}"));
            false
        }
    }
}

fn owed(message: &Message<'_>) -> Option<Owed> {
    Some(Owed {
        cl_ord_id: message.str(tag::CL_ORD_ID).ok()?.to_owned(),
        symbol: message.str(tag::SYMBOL).ok()?.to_owned(),
        side: message.char(tag::SIDE).ok()?,
        quantity: message.uint(tag::ORDER_QTY).ok()?,
    })
}

impl Application for App {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        let mut seen = lock(&self.seen);
        seen.logons += 1;
        seen.note("logon".to_owned());
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let seen = &mut *lock(&self.seen);
        let message = &inbound.message;
        match message.msg_type() {
            msg_type::EXECUTION_REPORT => {
                let id = message.str(tag::CL_ORD_ID).unwrap_or_default();
                if let Some(wrong) = seen.reports.see(id) {
                    seen.wrong(format!("report {wrong}"));
                }
                Verdict::Accept
            }
            msg_type::NEW_ORDER_SINGLE => {
                let Some(owed) = owed(message) else {
                    seen.wrong(format!("unreadable order {}", inbound.delivery.seq));
                    return Verdict::Accept;
                };
                if let Some(wrong) = seen.orders.see(&owed.cl_ord_id) {
                    seen.wrong(format!("order {wrong}"));
                }
                seen.owed.push_back(owed);
                // What was owed before goes first, so the reports stay in order.
                self.send_owed(seen, out, inbound.session);
                let last = seen.orders.last;
                match seen.when.iter().find(|(number, _)| *number == last) {
                    Some(&(_, act)) => verdict(seen, act, inbound, out),
                    None => Verdict::Accept,
                }
            }
            other => {
                seen.wrong(format!(
                    "MsgType(35)={} came",
                    String::from_utf8_lossy(other)
                ));
                Verdict::Accept
            }
        }
    }

    fn on_reject(&mut self, _: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        let seen = &mut *lock(&self.seen);
        seen.rejects += 1;
        let text = reject.str(tag::TEXT).unwrap_or_default();
        let of = reject.uint(tag::REF_SEQ_NUM).unwrap_or_default();
        seen.wrong(format!("Reject of our message {of}: {text}"));
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        let mut seen = lock(&self.seen);
        seen.ends.push(*cause);
        seen.note(format!("down: {cause}"));
    }

    fn on_event(&mut self, event: &Event<'_>) {
        lock(&self.seen).note(format!("{event:?}"));
    }
}

fn verdict(seen: &mut Seen, act: Act, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
    seen.note(format!("{act:?} at order {}", seen.orders.last));
    match act {
        Act::Disconnect => {
            if let Err(refusal) = out.disconnect(inbound.session) {
                seen.wrong(format!("cannot disconnect: {refusal}"));
            }
            Verdict::Accept
        }
        Act::Reject => Verdict::Reject {
            reason: 5,
            ref_tag: tag::PRICE,
            text: Text::lossy(b"Value is incorrect (out of range) for this tag"),
        },
        Act::BusinessReject => Verdict::BusinessReject {
            reason: 4,
            text: Text::lossy(b"Application not available"),
        },
    }
}

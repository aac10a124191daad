//! Operator control: holds, completions, and commands in every state of a session.
//!
//! Two engines over loopback. Where time matters it is virtual and both engines are polled on the
//! test's thread; where threads matter each engine has one of its own.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pinfix::admin::{COMMANDS_MAX, HoldOrder, Operation, Outcome, Ticket};
use pinfix::counters::{ConnectionState, SessionEntry};
use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{
    Application, Clock, Controller, Engine, EngineConfig, Event, Idle, Inbound, OsNetwork, Outbound,
    Run, SessionConfig, SessionHandle, Stopper,
};
use pinfix::journal::Keeper;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Decision, Verdict};
use pinfix::session::{Cause, Fault, Hold, Text};
use pinfix::time::{Now, Utc};
use pinfix::wire::fix::{msg_type, tag};

const LONG: Duration = Duration::from_secs(3600);

/// Counts attempts to connect, and can keep them from succeeding.
struct Gated {
    inner: OsNetwork,
    gate: Arc<Gate>,
    kept: Vec<Ready>,
}

#[derive(Default)]
struct Gate {
    connects: AtomicU64,
    closed: AtomicBool,
}

impl Network for Gated {
    fn listen(
        &mut self,
        address: SocketAddr,
        reuse: Reuse,
        options: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.inner.listen(address, reuse, options)
    }
    fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<LinkId> {
        self.gate.connects.fetch_add(1, Ordering::Relaxed);
        self.inner.connect(address, source, options)
    }
    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.inner.tune(link, options)
    }
    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.inner.poll(wait, ready)?;
        if self.gate.closed.load(Ordering::Relaxed) {
            let connected = |event: &mut Ready| matches!(event, Ready::Connected(_));
            self.kept.extend(ready.extract_if(.., connected));
        } else {
            ready.append(&mut self.kept);
        }
        Ok(())
    }
    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        self.inner.receive(link, room)
    }
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        self.inner.send(link, bytes)
    }
    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.inner.finish(link)
    }
    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

/// Writes down what happens, and asks for something on the next message if told to.
#[derive(Default)]
struct App {
    logons: u64,
    causes: Vec<Cause>,
    failed: Vec<Cause>,
    received: u64,
    /// Each message is answered, for ever.
    volley: bool,
    wish: Option<Wish>,
}

#[derive(Clone, Copy)]
enum Wish {
    Logout,
    LogoutAndLogon,
    Disconnect,
}

fn serve(session: SessionHandle, out: &mut Outbound<'_>) {
    // Refused while the session is logging out; the next logon serves again.
    let _ = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
        order.str(tag::CL_ORD_ID, "A");
    });
}

impl Application for App {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.logons += 1;
        if self.volley {
            serve(session, out);
        }
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        let session = inbound.session;
        match self.wish.take() {
            None => {}
            Some(Wish::Logout) => out.logout(session, Text::new("wish").unwrap()).unwrap(),
            Some(Wish::LogoutAndLogon) => {
                out.logout(session, Text::new("wish").unwrap()).unwrap();
                out.logon(session).unwrap();
            }
            Some(Wish::Disconnect) => out.disconnect(session).unwrap(),
        }
        if self.volley {
            serve(session, out);
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.causes.push(*cause);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::LogonFailed { cause, .. } = event {
            self.failed.push(*cause);
        }
    }
}

/// One client, one venue, one session between them, virtual time.
struct Pair {
    client: Engine,
    client_app: App,
    client_control: Controller,
    venue: Engine,
    venue_app: App,
    venue_control: Controller,
    session: SessionHandle,
    gate: Arc<Gate>,
    clock: Clock,
    ahead: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Client,
    Venue,
}

impl Pair {
    fn new() -> Self {
        let mut clock = Clock::new();
        let now = clock.now();
        let mut venue = Engine::new(EngineConfig::default()).unwrap();
        let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        venue
            .add_session(SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT"), now)
            .unwrap();
        let gate = Arc::new(Gate::default());
        let network = Gated {
            inner: OsNetwork::new().unwrap(),
            gate: Arc::clone(&gate),
            kept: Vec::new(),
        };
        let keeper = Keeper::start("keeper").unwrap();
        let mut client = Engine::with(EngineConfig::default(), Box::new(network), keeper).unwrap();
        let config = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
        let (session, _) = client.add_session(config, now).unwrap();
        Self {
            client_control: client.controller(),
            venue_control: venue.controller(),
            client,
            client_app: App::default(),
            venue,
            venue_app: App::default(),
            session,
            gate,
            clock,
            ahead: Duration::ZERO,
        }
    }

    fn up() -> Self {
        let mut pair = Self::new();
        pair.until("logon", Self::both_up);
        pair
    }

    fn now(&mut self) -> Now {
        let now = self.clock.now();
        Now {
            mono: now.mono + self.ahead,
            utc: now.utc + self.ahead,
        }
    }

    fn poll_client(&mut self) {
        let now = self.now();
        self.client.poll(now, &mut self.client_app);
    }

    fn turn(&mut self) {
        self.poll_client();
        let now = self.now();
        self.venue.poll(now, &mut self.venue_app);
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            self.ahead += Duration::from_millis(1);
            self.turn();
            assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.ahead + span;
        while self.ahead < end {
            self.ahead += Duration::from_millis(100);
            self.turn();
        }
    }

    fn both_up(&self) -> bool {
        let up = |control: &Controller| control.is_logged_on(self.session).unwrap();
        up(&self.client_control) && up(&self.venue_control)
    }

    fn control(&mut self, of: Of) -> &mut Controller {
        match of {
            Of::Client => &mut self.client_control,
            Of::Venue => &mut self.venue_control,
        }
    }

    fn logout(&mut self, of: Of, within: Duration) -> Ticket {
        let session = self.session;
        let reason = Text::new("for maintenance").unwrap();
        self.control(of).logout(session, reason, within).unwrap()
    }

    fn command(&mut self, of: Of, operation: Operation) -> Outcome {
        let session = self.session;
        let ticket = self.control(of).command(session, operation, LONG).unwrap();
        self.outcome(of, ticket)
    }

    fn logon(&mut self, of: Of, within: Duration) -> Ticket {
        let session = self.session;
        self.control(of).logon(session, within).unwrap()
    }

    fn disconnect(&mut self, of: Of) -> Ticket {
        let session = self.session;
        self.control(of).disconnect(session, LONG).unwrap()
    }

    /// The completion that comes next, which must be that of `ticket`.
    fn outcome(&mut self, of: Of, ticket: Ticket) -> Outcome {
        let start = Instant::now();
        loop {
            self.ahead += Duration::from_millis(1);
            self.turn();
            if let Some(completion) = self.control(of).poll() {
                assert_eq!(completion.ticket, ticket);
                return completion.outcome;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no completion");
        }
    }

    /// Two completions, in either order.
    fn outcomes(&mut self, of: Of, tickets: [Ticket; 2]) -> [Outcome; 2] {
        let mut outcomes = HashMap::new();
        let start = Instant::now();
        while outcomes.len() < 2 {
            self.ahead += Duration::from_millis(1);
            self.turn();
            while let Some(completion) = self.control(of).poll() {
                assert!(tickets.contains(&completion.ticket));
                let before = outcomes.insert(completion.ticket, completion.outcome);
                assert_eq!(before, None, "one completion for each command");
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "only {outcomes:?}"
            );
        }
        tickets.map(|ticket| outcomes[&ticket])
    }

    fn numbers(&self, of: Of) -> (u64, u64) {
        match of {
            Of::Client => self.client.next_numbers(self.session),
            Of::Venue => self.venue.next_numbers(self.session),
        }
        .unwrap()
    }

    fn state(&self) -> ConnectionState {
        self.client_control.status(self.session).unwrap().state
    }

    fn held(&self) -> bool {
        self.client_control.status(self.session).unwrap().held
    }

    fn assert_agreed(&self) {
        let (ours, theirs) = (self.numbers(Of::Client), self.numbers(Of::Venue));
        assert_eq!(ours, (theirs.1, theirs.0));
    }
}

#[test]
fn a_logged_out_initiator_stays_out_and_keeps_its_numbers() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!(pair.client_app.causes, [Cause::LogoutConfirmed]);
    let reason = Text::new("for maintenance").unwrap();
    assert_eq!(pair.venue_app.causes, [Cause::PeerLogout(reason.into())]);
    let numbers = pair.numbers(Of::Client);
    assert_eq!(numbers, (3, 3), "a Logon and a Logout each way");
    let connects = pair.gate.connects.load(Ordering::Relaxed);
    pair.pass(Duration::from_secs(300));
    assert_eq!(pair.gate.connects.load(Ordering::Relaxed), connects);
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.numbers(Of::Client), numbers);

    let ticket = pair.logon(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    pair.until("the venue's side", Pair::both_up);
    assert_eq!(pair.numbers(Of::Client), (4, 4));
    pair.assert_agreed();
    assert!(!pair.held());
}

#[test]
fn a_logged_out_acceptor_refuses_logons_and_says_why() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Venue, LONG);
    assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::Done);
    let before = pair.numbers(Of::Venue);
    pair.pass(Duration::from_secs(60));
    let refused = pair.client_app.failed.len();
    assert!(refused >= 3, "{refused} attempts");
    for cause in &pair.client_app.failed {
        let Cause::LogonRefused(said) = cause else {
            panic!("{cause:?}");
        };
        let text = std::str::from_utf8(said.text.as_bytes()).unwrap();
        assert!(text.contains("hold"), "{text:?}");
    }
    assert_eq!(pair.venue_app.logons, 1);
    let held = pair.numbers(Of::Venue);
    assert_eq!(
        held.0 - before.0,
        refused as u64,
        "a Logout for each attempt"
    );
    assert_eq!(held.1, before.1, "a refused Logon is not counted");
    let faults: Vec<_> = pair
        .venue
        .status_reader()
        .faults(pair.session.number())
        .collect();
    assert_eq!(faults, [("OnHold", refused as u64)]);
    let status = shown(&pair.venue, pair.session).status;
    let name = usize::try_from(status.last_fault).unwrap() - 1;
    assert_eq!(Fault::NAMES[name], "OnHold");
    assert!(status.last_fault_utc.0 > 0 && status.last_fault_utc <= pair.now().utc);

    let ticket = pair.logon(Of::Venue, LONG);
    assert_eq!(pair.outcome(Of::Venue, ticket), Outcome::Done);
    pair.until("the client's side", Pair::both_up);
    pair.pass(Duration::from_secs(1));
    pair.assert_agreed();
    assert!(pair.numbers(Of::Venue).0 > held.0, "the numbers went on");
}

#[test]
fn commands_that_find_nothing_to_do_say_so() {
    let mut pair = Pair::up();
    let ticket = pair.logon(Of::Client, LONG);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let ticket = pair.logout(Of::Client, LONG);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
    let ticket = pair.disconnect(Of::Client);
    let outcome = pair.outcome(Of::Client, ticket);
    assert!(matches!(outcome, Outcome::NoOp(_)), "{outcome:?}");
}

#[test]
fn a_hold_can_be_set_while_the_session_is_down() {
    let mut pair = Pair::new();
    let ticket = pair.logout(Of::Venue, LONG);
    let outcome = pair.outcome(Of::Venue, ticket);
    assert!(
        matches!(outcome, Outcome::NoOp(_) | Outcome::Done),
        "{outcome:?}"
    );
    pair.pass(Duration::from_secs(10));
    assert!(!pair.client_control.is_logged_on(pair.session).unwrap());
}

/// What the status page says about a session.
fn shown(engine: &Engine, session: SessionHandle) -> SessionEntry {
    let entry = engine.status_reader().session(session.number());
    entry.unwrap().unwrap()
}

fn order(until: Option<Utc>) -> HoldOrder {
    HoldOrder {
        by: Text::new("alice").unwrap(),
        reason: Text::new("for maintenance").unwrap(),
        until,
    }
}

#[test]
fn a_hold_survives_a_restart_with_who_when_and_why() {
    let directory = std::env::temp_dir().join(format!("pinfix-control-{}", std::process::id()));
    let config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT").journal_below(&directory);
    let mut clock = Clock::new();
    let set_at = clock.now();
    let run = |now: Now, operation: Option<Operation>| {
        let mut engine = Engine::new(EngineConfig::default()).unwrap();
        let (session, _) = engine.add_session(config.clone(), now).unwrap();
        let found = engine.hold(session).copied();
        if let Some(operation) = operation {
            engine.outbound(now).command(session, operation).unwrap();
            engine.poll(now, &mut App::default());
        }
        (found, engine.hold(session).copied())
    };
    let (found, set) = run(set_at, Some(Operation::Logout(order(None))));
    assert_eq!(found, None);
    let wanted = Hold {
        since: set_at.utc,
        until: None,
        by: Text::new("alice").unwrap(),
        why: Text::new("for maintenance").unwrap(),
    };
    assert_eq!(set, Some(wanted));
    let (found, released) = run(clock.now(), Some(Operation::Release));
    assert_eq!((found, released), (Some(wanted), None));
    assert_eq!(run(clock.now(), None), (None, None));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_hold_with_an_end_is_released_then_and_not_before() {
    let mut pair = Pair::up();
    let until = pair.now().utc + Duration::from_secs(600);
    let outcome = pair.command(Of::Client, Operation::Logout(order(Some(until))));
    assert_eq!(outcome, Outcome::Done);
    let on_page = |pair: &Pair| shown(&pair.client, pair.session).hold;
    assert_eq!(on_page(&pair), pair.client.hold(pair.session).copied());
    assert_eq!(on_page(&pair).and_then(|hold| hold.until), Some(until));
    let connects = pair.gate.connects.load(Ordering::Relaxed);
    pair.pass(Duration::from_secs(590));
    assert_eq!(pair.gate.connects.load(Ordering::Relaxed), connects);
    pair.until("logged on by itself", Pair::both_up);
    assert!(pair.now().utc >= until);
    assert_eq!(pair.client.hold(pair.session), None);
    assert_eq!(on_page(&pair), None);
    pair.assert_agreed();
}

#[test]
fn a_hold_leaves_a_connection_alone_and_forbids_the_next() {
    let mut pair = Pair::up();
    assert_eq!(
        pair.command(Of::Client, Operation::Hold(order(None))),
        Outcome::Done
    );
    assert!(pair.held() && pair.both_up());
    pair.pass(Duration::from_secs(60));
    assert!(pair.both_up(), "heartbeats go on");
    let ticket = pair.disconnect(Of::Client);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let connects = pair.gate.connects.load(Ordering::Relaxed);
    pair.pass(Duration::from_secs(60));
    assert_eq!(pair.gate.connects.load(Ordering::Relaxed), connects);

    assert_eq!(pair.command(Of::Client, Operation::Release), Outcome::Done);
    pair.until("logged on by itself", Pair::both_up);
    assert_eq!(
        pair.command(Of::Client, Operation::Release),
        Outcome::NoOp("not held")
    );
    pair.assert_agreed();
}

#[test]
fn commands_while_connecting() {
    // A logout ends the attempt; nothing was sent.
    let mut pair = Pair::new();
    pair.gate.closed.store(true, Ordering::Relaxed);
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.numbers(Of::Client), (1, 1));

    // A logon that is followed by a logout is refused.
    let tickets = [pair.logon(Of::Client, LONG), pair.logout(Of::Client, LONG)];
    let [logon, logout] = pair.outcomes(Of::Client, tickets);
    assert!(matches!(logon, Outcome::Refused(_)), "{logon:?}");
    assert!(
        matches!(logout, Outcome::Done | Outcome::NoOp(_)),
        "{logout:?}"
    );

    // A disconnect ends the attempt; the next one comes after the back-off.
    let ticket = pair.logon(Of::Client, LONG);
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let connects = pair.gate.connects.load(Ordering::Relaxed);
    let cut = pair.disconnect(Of::Client);
    assert_eq!(pair.outcome(Of::Client, cut), Outcome::Done);
    pair.gate.closed.store(false, Ordering::Relaxed);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    assert_eq!(pair.gate.connects.load(Ordering::Relaxed), connects + 1);
}

/// The logout has come to its end although a logon follows it in the same cycle.
#[test]
fn a_logout_and_a_logon_in_one_cycle_while_connecting() {
    let mut pair = Pair::new();
    pair.gate.closed.store(true, Ordering::Relaxed);
    pair.until("connecting", |pair| {
        pair.state() == ConnectionState::Connecting
    });
    let tickets = [
        pair.logout(Of::Client, Duration::from_secs(5)),
        pair.logon(Of::Client, LONG),
    ];
    pair.turn();
    pair.gate.closed.store(false, Ordering::Relaxed);
    let outcomes = pair.outcomes(Of::Client, tickets);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert!(!pair.held());
}

/// As above, with a Logon on its way.
#[test]
fn a_logout_and_a_logon_in_one_cycle_while_the_logon_is_unanswered() {
    let mut pair = Pair::new();
    let start = Instant::now();
    while pair.state() != ConnectionState::LogonSent {
        pair.poll_client();
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    let tickets = [
        pair.logout(Of::Client, Duration::from_secs(5)),
        pair.logon(Of::Client, LONG),
    ];
    pair.poll_client();
    let outcomes = pair.outcomes(Of::Client, tickets);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    pair.until("the venue's side", Pair::both_up);
    pair.pass(Duration::from_secs(1));
    pair.assert_agreed();
}

#[test]
fn a_logout_and_a_logon_at_once_while_logged_on() {
    for of in [Of::Client, Of::Venue] {
        let mut pair = Pair::up();
        let tickets = [pair.logout(of, LONG), pair.logon(of, LONG)];
        let outcomes = pair.outcomes(of, tickets);
        assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
        pair.until("both sides", Pair::both_up);
        assert_eq!((pair.client_app.logons, pair.venue_app.logons), (2, 2));
        pair.assert_agreed();
        assert_eq!(pair.numbers(Of::Client), (4, 4));
    }
}

#[test]
fn commands_while_logging_out() {
    let mut pair = Pair::up();
    let first = pair.logout(Of::Client, LONG);
    // The venue does not answer yet.
    pair.poll_client();
    pair.poll_client();
    assert_eq!(pair.state(), ConnectionState::LogoutSent);
    let second = pair.logout(Of::Client, LONG);
    pair.poll_client();
    assert_eq!(pair.client_control.poll(), None);
    let outcomes = pair.outcomes(Of::Client, [first, second]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(pair.numbers(Of::Client), (3, 3), "one Logout");

    let ticket = pair.logon(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    pair.until("the venue's side", Pair::both_up);
    let logout = pair.logout(Of::Client, LONG);
    pair.poll_client();
    let cut = pair.disconnect(Of::Client);
    let outcomes = pair.outcomes(Of::Client, [logout, cut]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert!(pair.held());
}

#[test]
fn a_command_that_does_not_come_to_its_end_times_out() {
    let mut pair = Pair::new();
    pair.gate.closed.store(true, Ordering::Relaxed);
    let before = pair.ahead;
    let ticket = pair.logon(Of::Client, Duration::from_secs(3));
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::TimedOut);
    assert!(pair.ahead - before >= Duration::from_millis(2900));
    // What it set in motion goes on.
    pair.gate.closed.store(false, Ordering::Relaxed);
    pair.until("logon", Pair::both_up);

    // A venue that does not answer the Logout: the command gives up first, then the session.
    let ticket = pair.logout(Of::Client, Duration::from_millis(500));
    for _ in 0..1000 {
        pair.ahead += Duration::from_millis(1);
        pair.poll_client();
    }
    let completion = pair.client_control.poll().unwrap();
    assert_eq!(
        (completion.ticket, completion.outcome),
        (ticket, Outcome::TimedOut)
    );
    assert_eq!(pair.state(), ConnectionState::LogoutSent);
    for _ in 0..2000 {
        pair.ahead += Duration::from_millis(1);
        pair.poll_client();
    }
    assert_eq!((pair.state(), pair.held()), (ConnectionState::Down, true));
    assert_eq!(pair.client_control.poll(), None);
}

#[test]
fn an_unknown_session() {
    let mut pair = Pair::up();
    let mut other = Engine::new(EngineConfig::default()).unwrap();
    let mut handle = pair.session;
    for name in ["A", "B"] {
        let config = SessionConfig::acceptor(&FIX44, name, "X");
        handle = other.add_session(config, pair.clock.now()).unwrap().0;
    }
    assert!(pair.client_control.status(handle).is_err());
    let ticket = pair.client_control.logon(handle, LONG).unwrap();
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::UnknownSession);
    let now = pair.now();
    assert!(pair.client.outbound(now).logon(handle).is_err());
    assert_eq!(pair.client_control.session("FIX.4.4:NO->BODY"), None);
    assert_eq!(
        pair.client_control.session("FIX.4.4:CLIENT->VENUE"),
        Some(pair.session)
    );
}

#[test]
fn a_full_queue_is_busy_and_never_waits() {
    let mut pair = Pair::up();
    let session = pair.session;
    for _ in 0..COMMANDS_MAX {
        pair.client_control.logon(session, LONG).unwrap();
    }
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(pair.client_control.logon(session, LONG).is_err());
    }
    // A thousand refusals; one that waited for the core, which does not run, would never return.
    assert!(start.elapsed() < Duration::from_secs(5));
    // Another controller has a queue of its own.
    let mut second = pair.client.controller();
    second.logon(session, LONG).unwrap();
    let mut completed = 0;
    while completed < COMMANDS_MAX {
        pair.turn();
        while let Some(completion) = pair.client_control.poll() {
            assert!(matches!(completion.outcome, Outcome::NoOp(_)));
            completed += 1;
        }
    }
    assert_eq!(pair.client_control.poll(), None);
    assert!(second.poll().is_some());
    assert!(pair.client_control.logon(session, LONG).is_ok());
}

#[test]
fn callbacks_may_ask_for_logout_logon_and_disconnect() {
    for (wish, back) in [
        (Wish::Logout, false),
        (Wish::LogoutAndLogon, true),
        (Wish::Disconnect, true),
    ] {
        let mut pair = Pair::up();
        pair.client_app.wish = Some(wish);
        let now = pair.now();
        let session = pair.session;
        serve(session, &mut pair.venue.outbound(now));
        pair.until("the end", |pair| pair.client_app.causes.len() == 1);
        if back {
            pair.until("the logon", |pair| pair.client_app.logons == 2);
            pair.until("the venue's side", Pair::both_up);
        } else {
            pair.pass(Duration::from_secs(60));
            assert_eq!(pair.client_app.logons, 1);
            assert!(pair.held());
        }
        assert_eq!(pair.client_app.received, 1);
        pair.assert_agreed();
    }
}

#[test]
fn other_sessions_do_not_notice_a_command() {
    storm(1, 40, 6);
}

#[test]
fn every_command_gets_one_completion_under_load_from_four_threads() {
    // `PINFIX_COMMANDS=100000` for the long run, against a hundred sessions.
    let (wanted, sessions) = match std::env::var("PINFIX_COMMANDS") {
        Ok(count) => (count.parse().unwrap(), 100),
        Err(_) => (3000, 6),
    };
    let commands = storm(4, wanted / 4, sessions);
    assert!(commands >= wanted / 4 * 4, "{commands}");
}

/// `threads` controllers send `each` random commands to `count` sessions on which messages fly back and
/// forth; one more is left alone and must not lose its connection. Answers how many were sent.
fn storm(threads: u64, each: u64, count: usize) -> u64 {
    let stop = Stopper::default();
    // An engine lives on the thread that made it; the controllers come out over a channel.
    let run = |of: Of, address: Option<SocketAddr>| {
        let stop = stop.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        let engine = std::thread::spawn(move || {
            let now = Clock::new().now();
            let mut engine = Engine::new(EngineConfig::default()).unwrap();
            let bound = match of {
                Of::Venue => Some(engine.listen("127.0.0.1:0".parse().unwrap(), None).unwrap()),
                Of::Client => None,
            };
            let mut sessions = Vec::new();
            for number in 0..=count {
                let name = format!("CLIENT{number}");
                let mut config = match address {
                    None => SessionConfig::acceptor(&FIX44, "VENUE", &name),
                    Some(address) => SessionConfig::initiator(&FIX44, &name, "VENUE", address),
                };
                // Small, because operators start new segments all the time.
                config.journal.retention.bytes = Some(1 << 20);
                config.journal.max_segment_bytes = 1 << 20;
                config.settings.logout.timeout = Duration::from_millis(500);
                config.connect.reconnect = vec![Duration::from_millis(10)];
                sessions.push(engine.add_session(config, now).unwrap().0);
            }
            let controllers: Vec<Controller> = (0..=threads).map(|_| engine.controller()).collect();
            sender.send((bound, sessions.clone(), controllers)).unwrap();
            let mut app = App {
                volley: true,
                ..App::default()
            };
            let run = Run {
                core: None,
                idle: Idle::Yield,
            };
            engine.run(&mut app, run, &stop).unwrap();
            let ends: Vec<_> = sessions
                .iter()
                .map(|&session| {
                    let fault = engine.tally(session).unwrap().last_fault;
                    (engine.next_numbers(session).unwrap(), fault)
                })
                .collect();
            (ends, app.received)
        });
        (engine, receiver.recv().unwrap())
    };
    let (venue, (address, _, mut at_venue)) = run(Of::Venue, None);
    let (client, (_, mut sessions, mut at_client)) = run(Of::Client, address);
    let alone = sessions.pop().unwrap();
    let mut judge = [at_client.pop().unwrap(), at_venue.pop().unwrap()];
    let controllers = at_client
        .into_iter()
        .zip(at_venue)
        .enumerate()
        .map(|(number, (client, venue))| if number % 2 == 0 { client } else { venue });
    let limit = Duration::from_secs(20);
    let start = Instant::now();
    while !judge[0].is_logged_on(alone).unwrap() {
        assert!(start.elapsed() < limit);
        std::thread::yield_now();
    }

    let operators: Vec<_> = controllers
        .enumerate()
        .map(|(number, controller)| {
            let sessions = sessions.clone();
            std::thread::spawn(move || operate(controller, &sessions, each, number as u64))
        })
        .collect();
    let commands: u64 = operators
        .into_iter()
        .map(|operator| operator.join().unwrap())
        .sum();

    // Afterwards every session can be logged on again, from both sides.
    for &session in &sessions {
        let [client, venue] = &mut judge;
        let tickets = [
            venue.logon(session, limit).unwrap(),
            client.logon(session, limit).unwrap(),
        ];
        for (control, ticket) in [venue, client].into_iter().zip(tickets) {
            let outcome = control.wait(ticket, limit);
            assert!(
                matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
                "{outcome:?}"
            );
        }
    }
    for control in &judge {
        let status = control.status(alone).unwrap();
        assert_eq!((status.reconnects, status.state), (0, ConnectionState::Up));
        assert!(status.messages_in > 0);
    }
    stop.stop();
    let (client, received) = client.join().unwrap();
    let (venue, _) = venue.join().unwrap();
    assert!(received > 0);
    for ((ours, our_fault), (theirs, their_fault)) in client.into_iter().zip(venue) {
        // Both stop at the same time, so a last message or two may not have been taken.
        assert!(
            ours.0 >= theirs.1 && theirs.0 >= ours.1,
            "{ours:?} {theirs:?}"
        );
        println!("numbers {ours:?} and {theirs:?}, last faults {our_fault:?} and {their_fault:?}");
    }
    println!("{commands} commands, {received} messages at the client");
    commands
}

/// Sends random commands and keeps the books of their completions.
fn operate(mut control: Controller, sessions: &[SessionHandle], count: u64, seed: u64) -> u64 {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut under_way: HashMap<Ticket, Instant> = HashMap::new();
    let mut outcomes: HashMap<String, u64> = HashMap::new();
    let mut sent = 0;
    while sent < count || !under_way.is_empty() {
        if sent < count {
            let session = sessions[below(sessions.len() as u64) as usize];
            let within = Duration::from_millis(1 + below(40));
            let reason = Text::new("drill").unwrap();
            // All but those that both sides must agree on, or that end the session for good.
            let numbers = control.status(session).map(|status| status.next_out);
            let raised = numbers.unwrap_or_default() + below(4);
            let ticket = match below(14) {
                0..4 => control.logon(session, within),
                4 | 5 => control.logout(session, reason, within),
                6 => control.disconnect(session, within),
                7 => control.set_next_out(session, raised, within),
                8 => control.set_next_in(session, 1, within),
                9 => control.sequence_reset(session, raised, within),
                10 => control.test_request(session, within),
                11 => control.resend_request(session, 1 + below(9), below(12), within),
                12 => control.rotate_journal(session, within),
                _ => control.command(session, Operation::Release, within),
            };
            match ticket {
                Ok(ticket) => {
                    assert_eq!(under_way.insert(ticket, Instant::now()), None);
                    sent += 1;
                }
                Err(_) => assert_eq!(under_way.len(), COMMANDS_MAX),
            }
            assert!(control.status(session).is_ok() || control.is_logged_on(session).is_err());
        }
        while let Some(completion) = control.poll() {
            let known = under_way.remove(&completion.ticket);
            assert!(
                known.is_some(),
                "a completion nobody waits for: {completion:?}"
            );
            let name = format!("{:?}", completion.outcome);
            *outcomes.entry(name).or_default() += 1;
        }
        assert!(
            under_way
                .values()
                .all(|at| at.elapsed() < Duration::from_secs(20)),
            "commands without a completion: {under_way:?}"
        );
        std::thread::sleep(Duration::from_micros(below(300)));
    }
    println!("operator {seed}: {outcomes:?}");
    sent
}

/// Whoever has the answer finds the status page up to date.
#[test]
fn the_status_page_is_written_before_a_command_is_answered() {
    let mut pair = Pair::up();
    for _ in 0..50 {
        for held in [true, true, false, false] {
            let ticket = if held {
                pair.logout(Of::Client, LONG)
            } else {
                pair.logon(Of::Client, LONG)
            };
            pair.outcome(Of::Client, ticket);
            assert_eq!(pair.held(), held);
            assert_eq!(pair.state() == ConnectionState::Up, !held);
        }
    }
}

/// What the old connection still brings in that cycle is not for the session any more.
#[test]
fn a_logout_or_a_disconnect_in_the_cycle_in_which_the_answer_to_the_logon_arrives() {
    for of_logout in [true, false] {
        let mut pair = Pair::new();
        let start = Instant::now();
        while pair.state() != ConnectionState::LogonSent {
            pair.poll_client();
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        while pair.venue_app.logons == 0 {
            let now = pair.now();
            pair.venue.poll(now, &mut pair.venue_app);
        }
        // The answer waits in the client's socket now.
        let ticket = if of_logout {
            pair.logout(Of::Client, LONG)
        } else {
            pair.disconnect(Of::Client)
        };
        pair.poll_client();
        let completion = pair.client_control.poll().unwrap();
        assert_eq!(
            (completion.ticket, completion.outcome),
            (ticket, Outcome::Done)
        );
        assert_eq!(
            (pair.state(), pair.held()),
            (ConnectionState::Down, of_logout)
        );
        assert_eq!(pair.client_app.logons, 0);
        assert_eq!(pair.client_app.failed, [Cause::Disconnected]);

        let ticket = pair.logon(Of::Client, LONG);
        assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
        pair.until("both sides", Pair::both_up);
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.client_app.logons, 1);
        pair.assert_agreed();
    }
}

/// Every row of the table in the docs of `pinfix::admin`, run from both sides.
#[test]
fn every_operation_in_every_state_comes_to_what_the_table_says() {
    let rows: Vec<Vec<&str>> = include_str!("../src/admin/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .map(|row| {
            row.trim_end_matches('|')
                .split('|')
                .map(str::trim)
                .collect()
        })
        .filter(|row: &Vec<&str>| Operation::NAMES.contains(&row[0]))
        .collect();
    let named: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(named, Operation::NAMES, "a row for every operation");
    let mut wrong = Vec::new();
    for row in rows {
        for (state, expected) in ["held", "up", "leaving"].into_iter().zip(&row[1..]) {
            for of in [Of::Client, Of::Venue] {
                let found = outcome_in(state, row[0], of);
                if found != *expected {
                    wrong.push(format!("{} {state} {of:?}: {found}", row[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn outcome_in(state: &str, name: &str, of: Of) -> String {
    let mut pair = Pair::up();
    let mut leaving = None;
    match state {
        "held" => {
            let ticket = pair.logout(of, LONG);
            assert_eq!(pair.outcome(of, ticket), Outcome::Done);
        }
        "leaving" => {
            leaving = Some(pair.logout(of, LONG));
            let now = pair.now();
            // The other side does not answer yet.
            match of {
                Of::Client => pair.client.poll(now, &mut pair.client_app),
                Of::Venue => pair.venue.poll(now, &mut pair.venue_app),
            };
        }
        _ => {}
    }
    let (next_out, next_in) = pair.numbers(of);
    let operation = match name {
        "Logon" => Operation::Logon,
        "Logout" => Operation::Logout(order(None)),
        "Hold" => Operation::Hold(order(None)),
        "Release" => Operation::Release,
        "Disconnect" => Operation::Disconnect,
        "ResetInSession" => Operation::ResetInSession,
        "ResetNumbers" => Operation::ResetNumbers,
        "Remove" => Operation::Remove,
        "SetNextOut" => Operation::SetNextOut(next_out + 10),
        "SetNextIn" => Operation::SetNextIn(next_in + 10),
        "SequenceReset" => Operation::SequenceReset(next_out + 10),
        "TestRequest" => Operation::TestRequest,
        "ResendRequest" => Operation::ResendRequest { begin: 1, end: 0 },
        "RotateJournal" => Operation::RotateJournal,
        "Decide" => Operation::Decide {
            ticket: 1,
            decision: Decision::Admit(None),
        },
        _ => panic!("no operation {name}"),
    };
    let session = pair.session;
    let ticket = pair.control(of).command(session, operation, LONG).unwrap();
    let outcome = match leaving {
        None => pair.outcome(of, ticket),
        Some(first) => pair.outcomes(of, [ticket, first])[0],
    };
    match outcome {
        Outcome::NoOp(_) => "NoOp".to_owned(),
        Outcome::Refused(_) => "Refused".to_owned(),
        outcome => format!("{outcome:?}"),
    }
}

/// Nothing else happens on the session while it waits.
#[test]
fn a_rotation_waits_for_its_segment_on_a_session_without_a_connection() {
    let mut pair = Pair::up();
    let ticket = pair.logout(Of::Client, LONG);
    assert_eq!(pair.outcome(Of::Client, ticket), Outcome::Done);
    let session = pair.session;
    let next = pair.numbers(Of::Client).0;
    let segments = pair
        .client_control
        .status(session)
        .unwrap()
        .journal_segments;
    for raised in 1..5 {
        // All in one cycle: the segment after the next one is not ready.
        let control = &mut pair.client_control;
        let tickets = [
            control.rotate_journal(session, LONG).unwrap(),
            control.set_next_out(session, next + raised, LONG).unwrap(),
            control.rotate_journal(session, LONG).unwrap(),
        ];
        let mut completed = 0;
        let start = Instant::now();
        while completed < tickets.len() {
            pair.ahead += Duration::from_millis(1);
            pair.turn();
            while let Some(completion) = pair.client_control.poll() {
                assert_eq!(completion.outcome, Outcome::Done);
                completed += 1;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "in vain");
        }
    }
    let now = pair
        .client_control
        .status(session)
        .unwrap()
        .journal_segments;
    // Those that wait at the same time get one segment together.
    assert!(now > segments, "{segments} and then {now}");
}

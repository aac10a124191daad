//! One client, one venue and one session between them, in virtual time; and an application that writes
//! down what happens.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pinfix::admin::{HoldOrder, Operation, Outcome, Ticket};
use pinfix::counters::{ConnectionState, SessionEntry};
use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{
    Application, Clock, Controller, Engine, EngineConfig, Event, Inbound, OsNetwork, Outbound,
    SessionConfig, SessionHandle,
};
use pinfix::journal::Keeper;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Admission, Sent, Verdict};
use pinfix::session::{Cause, Refusal, Text};
use pinfix::time::{Now, Utc};
use pinfix::wire::fix::{Message, msg_type, tag};

pub const LONG: Duration = Duration::from_secs(3600);

/// Counts attempts to connect, and can keep them from succeeding.
pub struct Gated {
    inner: OsNetwork,
    gate: Arc<Gate>,
    kept: Vec<Ready>,
}

#[derive(Default)]
pub struct Gate {
    connects: AtomicU64,
    closed: AtomicBool,
}

impl Gate {
    /// Connections are not made, and not refused either.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    /// How many attempts to connect there were.
    pub fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }
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

/// What a callback is to do once.
pub type Wish = Box<dyn FnOnce(SessionHandle, &mut Outbound<'_>)>;

/// Where a wish waits to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Logon,
    Message,
    Logout,
}

/// Writes down what happens, and does what it is told to in its callbacks.
#[derive(Default)]
pub struct App {
    pub logons: u64,
    pub causes: Vec<Cause>,
    pub failed: Vec<Cause>,
    pub received: u64,
    /// ClOrdID(11) of every order, in the order they came, and whether each came for the first time.
    pub orders: Vec<(u64, bool)>,
    /// The names of other events, and what they say.
    pub told: Vec<String>,
    /// Each message is answered, for ever.
    pub volley: bool,
    /// Logons are put off under this number.
    pub later: Option<u64>,
    /// All of them, or one of so many.
    pub later_every: u64,
    pub asked: u64,
    pub wishes: HashMap<At, Wish>,
}

impl App {
    fn grant(&mut self, at: At, session: SessionHandle, out: &mut Outbound<'_>) {
        if let Some(wish) = self.wishes.remove(&at) {
            wish(session, out);
        }
    }
}

pub fn serve(session: SessionHandle, out: &mut Outbound<'_>) {
    // Refused while the session is logging out; the next logon serves again.
    let _ = send_order(session, 0, out);
}

/// Sends an order with this ClOrdID(11).
pub fn send_order(
    session: SessionHandle,
    number: u64,
    out: &mut Outbound<'_>,
) -> Result<Sent, Refusal> {
    out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
        order.uint(tag::CL_ORD_ID, number);
    })
}

impl Application for App {
    fn on_logon_request(&mut self, _: SessionHandle, _: &Message<'_>) -> Admission {
        self.asked += 1;
        let put_off = self.later_every < 2 || self.asked.is_multiple_of(self.later_every);
        match self.later.filter(|_| put_off) {
            Some(number) => Admission::Later(number),
            None => Admission::Admit,
        }
    }

    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        self.logons += 1;
        self.grant(At::Logon, session, out);
        if self.volley {
            serve(session, out);
        }
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        if let Some(number) = inbound.message.get(tag::CL_ORD_ID) {
            let number = std::str::from_utf8(number).unwrap().parse().unwrap();
            self.orders.push((number, !inbound.delivery.poss_dup));
        }
        self.grant(At::Message, inbound.session, out);
        if self.volley {
            serve(inbound.session, out);
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, out: &mut Outbound<'_>) {
        self.causes.push(*cause);
        self.grant(At::Logout, session, out);
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::LogonFailed { cause, .. } => self.failed.push(*cause),
            Event::SessionNotAdded { error, .. } => self.told.push(format!("SessionNotAdded {error}")),
            Event::SessionAdded { id, .. } => self.told.push(format!("SessionAdded {id}")),
            Event::MessagesLost { loss, .. } => self.told.push(format!("MessagesLost {loss}")),
            event => self.told.push(event.name().to_owned()),
        }
    }
}

/// One client, one venue, one session between them, virtual time.
pub struct Pair {
    pub client: Engine,
    pub client_app: App,
    pub client_control: Controller,
    pub venue: Engine,
    pub venue_app: App,
    pub venue_control: Controller,
    pub session: SessionHandle,
    pub address: SocketAddr,
    pub gate: Arc<Gate>,
    pub clock: Clock,
    pub ahead: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Client,
    Venue,
}

impl Of {
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Venue,
            Self::Venue => Self::Client,
        }
    }
}

impl Pair {
    pub fn new() -> Self {
        Self::with_linger(Duration::ZERO)
    }

    /// Whoever answers a Logout gives the peer so long to close.
    fn with_linger(linger: Duration) -> Self {
        let mut clock = Clock::new();
        let now = clock.now();
        let mut venue = Engine::new(EngineConfig::default()).unwrap();
        let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let mut config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        config.settings.logout.linger = linger;
        venue.add_session(config, now).unwrap();
        let gate = Arc::new(Gate::default());
        let network = Gated {
            inner: OsNetwork::new().unwrap(),
            gate: Arc::clone(&gate),
            kept: Vec::new(),
        };
        let keeper = Keeper::start("keeper").unwrap();
        let mut client = Engine::with(EngineConfig::default(), Box::new(network), keeper).unwrap();
        let mut config = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
        config.settings.logout.linger = linger;
        let (session, _) = client.add_session(config, now).unwrap();
        Self {
            client_control: client.controller(),
            venue_control: venue.controller(),
            client,
            client_app: App::default(),
            venue,
            venue_app: App::default(),
            session,
            address,
            gate,
            clock,
            ahead: Duration::ZERO,
        }
    }

    pub fn up() -> Self {
        Self::up_with_linger(Duration::ZERO)
    }

    pub fn up_with_linger(linger: Duration) -> Self {
        let mut pair = Self::with_linger(linger);
        pair.until("logon", Self::both_up);
        pair
    }

    pub fn now(&mut self) -> Now {
        let now = self.clock.now();
        Now {
            mono: now.mono + self.ahead,
            utc: now.utc + self.ahead,
        }
    }

    pub fn poll_client(&mut self) {
        let now = self.now();
        self.client.poll(now, &mut self.client_app);
    }

    pub fn poll_venue(&mut self) {
        let now = self.now();
        self.venue.poll(now, &mut self.venue_app);
    }

    pub fn poll(&mut self, of: Of) {
        match of {
            Of::Client => self.poll_client(),
            Of::Venue => self.poll_venue(),
        }
    }

    pub fn turn(&mut self) {
        self.poll_client();
        self.poll_venue();
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            self.ahead += Duration::from_millis(1);
            self.turn();
            assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        }
    }

    pub fn pass(&mut self, span: Duration) {
        let end = self.ahead + span;
        while self.ahead < end {
            self.ahead += Duration::from_millis(100);
            self.turn();
        }
    }

    pub fn both_up(&self) -> bool {
        let up = |control: &Controller| control.is_logged_on(self.session).unwrap();
        up(&self.client_control) && up(&self.venue_control)
    }

    pub fn control(&mut self, of: Of) -> &mut Controller {
        match of {
            Of::Client => &mut self.client_control,
            Of::Venue => &mut self.venue_control,
        }
    }

    pub fn logout(&mut self, of: Of, within: Duration) -> Ticket {
        let session = self.session;
        let reason = Text::new("for maintenance").unwrap();
        self.control(of).logout(session, reason, within).unwrap()
    }

    pub fn command(&mut self, of: Of, operation: Operation) -> Outcome {
        let session = self.session;
        let ticket = self.control(of).command(session, operation, LONG).unwrap();
        self.outcome(of, ticket)
    }

    pub fn logon(&mut self, of: Of, within: Duration) -> Ticket {
        let session = self.session;
        self.control(of).logon(session, within).unwrap()
    }

    pub fn disconnect(&mut self, of: Of) -> Ticket {
        let session = self.session;
        self.control(of).disconnect(session, LONG).unwrap()
    }

    /// The completion that comes next, which must be that of `ticket`.
    pub fn outcome(&mut self, of: Of, ticket: Ticket) -> Outcome {
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
    pub fn outcomes(&mut self, of: Of, tickets: [Ticket; 2]) -> [Outcome; 2] {
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

    pub fn numbers(&self, of: Of) -> (u64, u64) {
        match of {
            Of::Client => self.client.next_numbers(self.session),
            Of::Venue => self.venue.next_numbers(self.session),
        }
        .unwrap()
    }

    pub fn state(&self) -> ConnectionState {
        self.client_control.status(self.session).unwrap().state
    }

    pub fn state_of(&self, of: Of) -> ConnectionState {
        let control = match of {
            Of::Client => &self.client_control,
            Of::Venue => &self.venue_control,
        };
        control.status(self.session).unwrap().state
    }

    pub fn held(&self) -> bool {
        self.client_control.status(self.session).unwrap().held
    }

    pub fn assert_agreed(&self) {
        let (ours, theirs) = (self.numbers(Of::Client), self.numbers(Of::Venue));
        assert_eq!(ours, (theirs.1, theirs.0));
    }
}

/// What the status page says about a session.
pub fn shown(engine: &Engine, session: SessionHandle) -> SessionEntry {
    let entry = engine.status_reader().session(session.number());
    entry.unwrap().unwrap()
}

pub fn order(until: Option<Utc>) -> HoldOrder {
    HoldOrder {
        by: Text::new("alice").unwrap(),
        reason: Text::new("for maintenance").unwrap(),
        until,
    }
}

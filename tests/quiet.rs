//! The engine neither allocates nor frees on its own thread once it is running.
//!
//! Two engines on one thread, connected over loopback, with journals on disk and the journal thread
//! of production. A counting allocator is armed only while the engine works: in `Engine::poll` and in
//! `Outbound::send`. Each test warms one path up, measures it, prints how much work that was, and
//! fails with the stack of the first call to the allocator.
//!
//! What is not covered: TLS, and a connection beyond the largest number there has been at one time.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pinfix::admin::{HoldOrder, Operation, Outcome};
use pinfix::counters::ConnectionState;
use pinfix::dict::{Dictionaries, Dictionary, WriteGroups as _, builtin};
use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{
    Application, Clock, Controller, Engine, EngineConfig, Event, FixpSessionConfig, Inbound, Listen,
    OsNetwork, Outbound, Proxy, ProxyHeader, ProxyProtocol, SbeInbound, SessionConfig, SessionHandle,
    Template,
};
use pinfix::journal::{JournalConfig, Keeper, Retention};
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{
    BeyondRate, Decision, OutboundRate, Rate, Sent, Tally, Validation, Verdict, WhileDown,
};
use pinfix::session::schedule::{ClockTime, Day, Schedule};
use pinfix::session::{Cause, Credentials, Refusal, Text, fixp};
use pinfix::time::Now;
use pinfix::wire::fix::{ApplVersion, msg_type, tag};
use pinfix::wire::sbe::{self, ilink3};

#[path = "proxy/fake.rs"]
mod fake;

use self::fake::{Does, Fake, Speaks};

const NO_PARTY_IDS: u32 = 453;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, counting on threads that are armed.
struct Counting;

thread_local! {
    // The counters have no destructor, so the allocator may use them at any time in a thread's life;
    // the stack is touched only while armed.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREES: Cell<u64> = const { Cell::new(0) };
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn count(counter: &'static std::thread::LocalKey<Cell<u64>>) {
    if !ARMED.replace(false) {
        return;
    }
    counter.set(counter.get() + 1);
    if FIRST.with_borrow(Option::is_none) {
        FIRST.set(Some(Backtrace::force_capture().to_string()));
    }
    ARMED.set(true);
}

// SAFETY: every call goes to the system's allocator unchanged; counting is done around it, and disarms
// itself while it allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, len) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(&FREES);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

fn armed<R>(work: impl FnOnce() -> R) -> R {
    ARMED.set(true);
    let done = work();
    ARMED.set(false);
    done
}

/// Loses what is sent while the switch is on: the sender believes it sent, so a gap opens.
struct Lossy {
    inner: OsNetwork,
    losing: Arc<AtomicBool>,
}

impl Network for Lossy {
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
        self.inner.connect(address, source, options)
    }
    fn tune(&mut self, link: LinkId, options: &SocketOptions) -> io::Result<()> {
        self.inner.tune(link, options)
    }
    fn poll(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.inner.poll(wait, ready)
    }
    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        self.inner.receive(link, room)
    }
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        if self.losing.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        self.inner.send(link, bytes)
    }
    fn finish(&mut self, link: LinkId) -> io::Result<()> {
        self.inner.finish(link)
    }
    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

/// Counts, and answers orders. Allocates nothing itself.
struct Side {
    replies: bool,
    received: u64,
    /// Entries of groups that were read.
    parties: usize,
    answered: u64,
    logons: u64,
    logouts: u64,
}

impl Side {
    fn answer(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        // One that finds no room, because the next segment is still being made, is tried again later.
        while self.replies && self.answered < self.received {
            let id = self.answered + 1;
            match out.send(session, msg_type::EXECUTION_REPORT, |report| {
                report
                    .uint(tag::CL_ORD_ID, id)
                    .str(tag::ORDER_ID, "X")
                    .char(tag::EXEC_TYPE, b'0');
            }) {
                Ok(_) => self.answered = id,
                Err(Refusal::Full(_) | Refusal::NotLoggedOn | Refusal::LoggingOut) => return,
                Err(refusal) => panic!("{refusal}"),
            }
        }
    }
}

impl Application for Side {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        assert_eq!(inbound.message.uint(tag::CL_ORD_ID), Ok(self.received + 1));
        self.received += 1;
        self.parties += inbound
            .groups(NO_PARTY_IDS)
            .filter(|party| party.get(448).is_some())
            .count();
        self.answer(inbound.session, out);
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, _: &Cause, _: &mut Outbound<'_>) {
        self.logouts += 1;
    }
}

struct End {
    engine: Engine,
    app: Side,
    session: SessionHandle,
    losing: Arc<AtomicBool>,
}

impl End {
    fn tally(&self) -> &Tally {
        self.engine.tally(self.session).unwrap()
    }
}

/// A client and a venue, their clock, and the directory of their journals.
struct Pair {
    client: End,
    venue: End,
    clock: Clock,
    /// How far virtual time is ahead of the clock.
    ahead: Duration,
    sent: u64,
    polls: u64,
    directory: PathBuf,
}

impl Pair {
    fn new(name: &str, journal: &JournalConfig, judged_by: Validation) -> Self {
        let direct = Listen::on(([127, 0, 0, 1], 0).into());
        Self::over(name, journal, judged_by, direct, |_| None)
    }

    /// A client that reaches the venue through what `by` makes of its address.
    fn over(
        name: &str,
        journal: &JournalConfig,
        judged_by: Validation,
        listen: Listen,
        by: impl FnOnce(SocketAddr) -> Option<Proxy>,
    ) -> Self {
        let directory =
            std::env::temp_dir().join(format!("pinfix-quiet-{}-{name}", std::process::id()));
        let mut clock = Clock::new();
        let now = clock.now();
        let end = |replies| {
            let losing = Arc::new(AtomicBool::new(false));
            let network = Lossy {
                inner: OsNetwork::new().unwrap(),
                losing: Arc::clone(&losing),
            };
            let keeper = Keeper::start("keeper").unwrap();
            let engine = Engine::with(EngineConfig::default(), Box::new(network), keeper).unwrap();
            let app = Side {
                replies,
                received: 0,
                parties: 0,
                answered: 0,
                logons: 0,
                logouts: 0,
            };
            (engine, app, losing)
        };
        let (mut engine, app, losing) = end(true);
        let address = engine.listen_as(listen).unwrap();
        let mut config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        config.journal = journal.clone();
        config.settings.validation = judged_by;
        let config = config.journal_below(&directory);
        let (session, _) = engine.add_session(config, now).unwrap();
        let venue = End {
            engine,
            app,
            session,
            losing,
        };
        let (mut engine, app, losing) = end(false);
        let mut config = SessionConfig::initiator(&FIX44, "CLIENT", "VENUE", address);
        config.journal = journal.clone();
        config.connect.reconnect = vec![Duration::from_millis(10)];
        config.connect.proxy = by(address);
        let config = config.journal_below(&directory);
        let (session, _) = engine.add_session(config, now).unwrap();
        let client = End {
            engine,
            app,
            session,
            losing,
        };
        Self {
            client,
            venue,
            clock,
            ahead: Duration::ZERO,
            sent: 0,
            polls: 0,
            directory,
        }
    }

    /// Logged on, with some messages exchanged.
    fn warm(name: &str, journal: &JournalConfig) -> Self {
        Self::warm_judged(name, journal, Validation::default())
    }

    /// The same, with a venue that judges what it receives.
    fn warm_judged(name: &str, journal: &JournalConfig, judged_by: Validation) -> Self {
        let mut pair = Self::new(name, journal, judged_by);
        pair.until_logged_on(1);
        pair.trade(200);
        pair.quiesce();
        pair
    }

    fn now(&mut self) -> Now {
        let now = self.clock.now();
        Now {
            mono: now.mono + self.ahead,
            utc: now.utc + self.ahead,
        }
    }

    fn poll_client(&mut self) -> usize {
        let now = self.now();
        self.polls += 1;
        armed(|| self.client.engine.poll(now, &mut self.client.app))
    }

    fn poll_venue(&mut self) -> usize {
        let now = self.now();
        self.polls += 1;
        let work = armed(|| self.venue.engine.poll(now, &mut self.venue.app));
        if self.venue.app.answered < self.venue.app.received {
            let End {
                engine,
                app,
                session,
                ..
            } = &mut self.venue;
            armed(|| app.answer(*session, &mut engine.outbound(now)));
        }
        work
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            if self.poll_client() + self.poll_venue() == 0 {
                std::thread::yield_now();
            }
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "waited in vain for {what}"
            );
        }
    }

    fn until_logged_on(&mut self, times: u64) {
        self.until("logon", |pair| {
            pair.client.app.logons == times && pair.venue.app.logons == times
        });
    }

    /// Until neither engine has had anything to do for a while.
    fn quiesce(&mut self) {
        let mut idle = 0;
        while idle < 100 {
            idle = if self.poll_client() + self.poll_venue() == 0 {
                idle + 1
            } else {
                0
            };
        }
    }

    /// One order; false if there is no room for it now.
    fn order(&mut self) -> bool {
        let now = self.now();
        let id = self.sent + 1;
        let layout = builtin::fix44()
            .message(msg_type::NEW_ORDER_SINGLE)
            .unwrap()
            .body();
        let End {
            engine, session, ..
        } = &mut self.client;
        let sent = armed(|| {
            engine
                .outbound(now)
                .send(*session, msg_type::NEW_ORDER_SINGLE, |order| {
                    order
                        .uint(tag::CL_ORD_ID, id)
                        .str(tag::SYMBOL, "ESZ6")
                        .char(tag::SIDE, b'1')
                        .uint(tag::ORDER_QTY, 5)
                        .char(tag::ORD_TYPE, b'1')
                        .utc(
                            tag::TRANSACT_TIME,
                            now.utc,
                            pinfix::time::TimestampPrecision::Millis,
                        )
                        .groups(layout, NO_PARTY_IDS, ["TRADER", "DESK"], |entry, party| {
                            entry.uint(452, 12).char(447, b'D').str(448, party);
                        });
                })
        });
        match sent {
            Ok(_) => self.sent = id,
            Err(Refusal::Full(_)) => {}
            Err(refusal) => panic!("{refusal}"),
        }
        sent.is_ok()
    }

    /// `count` orders, each answered, at most 16 under way.
    fn trade(&mut self, count: u64) {
        let goal = self.sent + count;
        let start = Instant::now();
        while self.client.app.received < goal {
            while self.sent < goal && self.sent < self.client.app.received + 16 && self.order() {}
            self.poll_client();
            self.poll_venue();
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the trade stalled"
            );
        }
    }

    fn advance(&mut self, span: Duration) {
        self.ahead += span;
    }

    /// The measurement begins: what was counted in the warm-up is forgotten.
    fn measure(&mut self) {
        ALLOCATIONS.set(0);
        FREES.set(0);
        FIRST.set(None);
        self.polls = 0;
    }

    /// The measurement ends.
    fn assert_quiet(&self, what: &str) {
        let (allocations, frees) = (ALLOCATIONS.get(), FREES.get());
        println!(
            "{what}: {} polls, {allocations} allocations, {frees} frees",
            self.polls
        );
        if allocations + frees > 0 {
            panic!(
                "{what}: {allocations} allocations and {frees} frees on the engine's thread; the first:\n{}",
                FIRST.take().unwrap_or_default()
            );
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Segments large enough that none ends during a test.
fn one_segment() -> JournalConfig {
    JournalConfig {
        first_segment_bytes: 16 * 1024 * 1024,
        ..JournalConfig::default()
    }
}

#[test]
fn the_allocator_counts() {
    armed(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!((ALLOCATIONS.get(), FREES.get()), (1, 1));
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!((ALLOCATIONS.get(), FREES.get()), (1, 1));
    assert!(FIRST.take().is_some());
}

#[test]
fn receive_callback_and_send() {
    let mut pair = Pair::warm("turn", &one_segment());
    pair.measure();
    pair.trade(10_000);
    assert_eq!(pair.venue.app.received, 10_200);
    pair.assert_quiet("10,000 orders there, 10,000 reports back");
}

#[test]
fn validation_by_a_dictionary_and_groups() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dict/tables/FIX.4.4.dict");
    let loaded = Dictionary::load(&file).unwrap();
    let judged_by = Validation::full(Dictionaries::single(ApplVersion::Fix44, loaded));
    let mut pair = Pair::warm_judged("validation", &one_segment(), judged_by);
    // Both ways of a message: taken, and rejected.
    let rejected = |pair: &mut Pair, count: u64| {
        let before = pair.venue.tally().rejects_out;
        for _ in 0..count {
            let now = pair.now();
            let End {
                engine, session, ..
            } = &mut pair.client;
            let sent = armed(|| {
                engine
                    .outbound(now)
                    .send(*session, msg_type::NEW_ORDER_SINGLE, |order| {
                        order.str(tag::CL_ORD_ID, "bad").char(tag::SIDE, b'?');
                    })
            });
            sent.unwrap();
        }
        pair.until("the rejects", |pair| {
            pair.venue.tally().rejects_out == before + count
        });
    };
    rejected(&mut pair, 10);
    pair.quiesce();
    let parties = pair.venue.app.parties;
    pair.measure();
    pair.trade(2000);
    rejected(&mut pair, 100);
    assert_eq!(pair.venue.app.parties - parties, 4000);
    pair.assert_quiet("2,000 orders judged, their groups written and read, 100 rejected");
}

#[test]
fn heartbeats_and_test_requests() {
    let mut pair = Pair::warm("heartbeats", &one_segment());
    let before = (*pair.client.tally(), *pair.venue.tally());
    pair.measure();
    for _ in 0..3600 {
        pair.advance(Duration::from_secs(1));
        pair.poll_client();
        pair.poll_venue();
    }
    // Nobody serves the venue for a while, so the client becomes suspicious.
    for _ in 0..20 {
        for _ in 0..40 {
            pair.advance(Duration::from_secs(1));
            pair.poll_client();
        }
        pair.quiesce();
    }
    let (client, venue) = (*pair.client.tally(), *pair.venue.tally());
    let heartbeats = venue.messages_in - before.1.messages_in;
    assert!(heartbeats > 120, "{heartbeats} messages");
    assert_eq!(client.test_requests_out - before.0.test_requests_out, 20);
    assert_eq!((pair.client.app.logouts, pair.venue.app.logouts), (0, 0));
    pair.assert_quiet("an hour of heartbeats, 20 TestRequests");
}

/// Orders that are lost, then some that arrive above the gap and wait for it to close.
fn gap(pair: &mut Pair, lost: u64, above: u64) {
    pair.client.losing.store(true, Ordering::Relaxed);
    for _ in 0..lost {
        assert!(pair.order());
    }
    pair.client.losing.store(false, Ordering::Relaxed);
    for _ in 0..above {
        assert!(pair.order());
    }
    let goal = pair.sent;
    pair.until("the recovery", |pair| {
        pair.venue.app.received == goal && pair.client.app.received == goal
    });
}

#[test]
fn a_resend_of_1000_messages() {
    let mut pair = Pair::warm("resend", &one_segment());
    gap(&mut pair, 1, 1);
    let before = *pair.client.tally();
    pair.measure();
    gap(&mut pair, 1000, 1);
    let after = *pair.client.tally();
    assert!(after.resent - before.resent >= 1000);
    assert_eq!(after.resend_requests_in - before.resend_requests_in, 1);
    pair.assert_quiet("1,000 messages sent again");
}

#[test]
fn messages_that_wait_behind_a_gap() {
    let mut pair = Pair::warm("parked", &one_segment());
    gap(&mut pair, 1, 1);
    let before = *pair.client.tally();
    pair.measure();
    for _ in 0..10 {
        gap(&mut pair, 100, 500);
    }
    let requests = pair.client.tally().resend_requests_in - before.resend_requests_in;
    assert_eq!(requests, 10);
    assert_eq!(pair.venue.tally().parked_dropped, 0);
    pair.assert_quiet("10 gaps of 100 with 500 messages above each");
}

#[test]
fn more_waits_behind_a_gap_than_fits() {
    let mut pair = Pair::warm("overflow", &one_segment());
    pair.measure();
    gap(&mut pair, 50, 1500);
    assert!(pair.venue.tally().parked_dropped > 0);
    pair.assert_quiet("a gap with more messages above it than are kept");
}

#[test]
fn going_on_to_the_next_segments_and_deleting_old_ones() {
    let journal = JournalConfig {
        first_segment_bytes: 64 * 1024,
        max_segment_bytes: 256 * 1024,
        retention: Retention {
            bytes: Some(1024 * 1024),
            age: None,
        },
        ..JournalConfig::default()
    };
    let mut pair = Pair::warm("segments", &journal);
    pair.measure();
    pair.trade(10_000);
    let status = pair.client.engine.status_reader();
    let entry = status.session(0).unwrap().unwrap();
    println!("{} segments are left", entry.status.journal_segments);
    let mut names: Vec<_> = std::fs::read_dir(
        std::fs::read_dir(&pair.directory)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path(),
    )
    .unwrap()
    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
    .filter(|name| name.ends_with(".journal"))
    .collect();
    names.sort();
    let first: u32 = names[0].trim_end_matches(".journal").parse().unwrap();
    assert!(first > 8, "the first segment left is {first}");
    pair.assert_quiet("10,000 orders over many segments");
}

#[test]
fn a_list_of_segments_that_grows() {
    let journal = JournalConfig {
        first_segment_bytes: 16 * 1024,
        max_segment_bytes: 64 * 1024,
        control_reserve_bytes: 4096,
        ..JournalConfig::default()
    };
    let mut pair = Pair::warm("list", &journal);
    pair.measure();
    pair.trade(10_000);
    let status = pair.client.engine.status_reader();
    let segments = status.session(0).unwrap().unwrap().status.journal_segments;
    assert!(segments > 32, "{segments} segments");
    pair.assert_quiet("10,000 orders over more segments than were ever listed");
}

/// Cuts a connection and has it made again, over and over.
fn reconnects(pair: &mut Pair, what: &str) {
    let reconnect = |pair: &mut Pair| {
        let now = pair.now();
        let session = pair.client.session;
        armed(|| pair.client.engine.outbound(now).disconnect(session)).unwrap();
        let logons = pair.client.app.logons + 1;
        pair.until_logged_on(logons);
        pair.trade(10);
    };
    // The first time there are two connections for a moment.
    reconnect(pair);
    pair.measure();
    for _ in 0..20 {
        reconnect(pair);
    }
    assert_eq!(pair.venue.app.logouts, 21);
    pair.assert_quiet(what);
}

#[test]
fn a_session_that_reconnects() {
    let mut pair = Pair::warm("reconnect", &one_segment());
    reconnects(&mut pair, "20 connections cut and logged on again");
}

/// The proxy says who the client is, so both sides have something before their sessions.
#[test]
fn a_session_that_reconnects_through_a_proxy() {
    for (name, speaks, protocol, user) in [
        ("http", Speaks::Http, ProxyProtocol::Http11, "bWU6c2VzYW1l"),
        ("socks", Speaks::Socks5, ProxyProtocol::Socks5, "me:sesame"),
    ] {
        let header = b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 5001\r\n";
        let listen = Listen::on(([127, 0, 0, 1], 0).into()).behind_proxy(ProxyHeader::default());
        let by = |_| {
            let fake = Fake::start(speaks, Some(user), Does::Announces(header));
            Some(Proxy::new(protocol, fake.address).user("me", "sesame"))
        };
        let judged_by = Validation::default();
        let mut pair = Pair::over(name, &one_segment(), judged_by, listen, by);
        pair.until_logged_on(1);
        pair.trade(200);
        pair.quiesce();
        reconnects(
            &mut pair,
            "20 connections through a proxy, cut and logged on again",
        );
    }
}

#[test]
fn commands_from_another_thread() {
    let mut pair = Pair::new("commands", &one_segment(), Validation::default());
    let controllers = [
        pair.client.engine.controller(),
        pair.venue.engine.controller(),
    ];
    pair.until_logged_on(1);
    pair.trade(200);
    let session = pair.client.session;
    let rounds = move |mut controllers: [Controller; 2], rounds: usize| {
        for _ in 0..rounds {
            for controller in &mut controllers {
                let limit = Duration::from_secs(20);
                let reason = Text::new("maintenance").unwrap();
                let ticket = controller.logout(session, reason, limit).unwrap();
                let outcome = controller.wait(ticket, limit);
                assert!(
                    matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
                    "logout: {outcome:?}"
                );
                assert!(controller.status(session).unwrap().held);
                assert!(!controller.is_logged_on(session).unwrap());
                let ticket = controller.logon(session, limit).unwrap();
                assert_eq!(controller.wait(ticket, limit), Outcome::Done);
                let ticket = controller.disconnect(session, limit).unwrap();
                assert_eq!(controller.wait(ticket, limit), Outcome::Done);
            }
        }
        controllers
    };
    let turn = |pair: &mut Pair, controllers, count| {
        let operator = std::thread::spawn(move || rounds(controllers, count));
        let start = Instant::now();
        while !operator.is_finished() {
            // Back-off passes quickly, and so does the time an old connection lingers.
            pair.advance(Duration::from_millis(1));
            if pair.poll_client() + pair.poll_venue() == 0 {
                std::thread::yield_now();
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the operator waits"
            );
        }
        operator.join().unwrap()
    };
    let controllers = turn(&mut pair, controllers, 1);
    pair.measure();
    turn(&mut pair, controllers, 10);
    pair.assert_quiet("60 commands of two controllers");
}

/// By controllers that are had while the engines run, and dropped again.
#[test]
fn every_operation_and_controllers_that_come_and_go() {
    let journal = JournalConfig {
        first_segment_bytes: 256 * 1024,
        max_segment_bytes: 256 * 1024,
        retention: Retention {
            bytes: Some(1024 * 1024),
            age: None,
        },
        ..JournalConfig::default()
    };
    let mut pair = Pair::new("operations", &journal, Validation::default());
    let engines = [
        pair.client.engine.reference(),
        pair.venue.engine.reference(),
    ];
    pair.until_logged_on(1);
    pair.trade(200);
    let session = pair.client.session;
    let limit = Duration::from_secs(20);
    let round = move || {
        let mut tried = Vec::new();
        let mut control = engines
            .each_ref()
            .map(|engine| engine.controller().unwrap());
        let mut give = |of: usize, operation: Operation| {
            tried.push(operation.name());
            let ticket = control[of].command(session, operation, limit).unwrap();
            let outcome = control[of].wait(ticket, limit);
            assert!(
                matches!(outcome, Outcome::Done | Outcome::NoOp(_)),
                "{operation:?}: {outcome:?}"
            );
            control[of].status(session).unwrap()
        };
        let order = HoldOrder {
            by: Text::new("alice").unwrap(),
            reason: Text::new("maintenance").unwrap(),
            until: None,
        };
        for of in [0, 1] {
            let status = give(of, Operation::TestRequest);
            give(of, Operation::RotateJournal);
            give(of, Operation::ResetInSession);
            give(of, Operation::SequenceReset(status.next_out + 10));
            give(of, Operation::ResendRequest { begin: 1, end: 0 });
            give(of, Operation::Hold(order));
            give(of, Operation::Release);
        }
        give(0, Operation::Logout(order));
        give(1, Operation::Logout(order));
        give(0, Operation::ResetNumbers);
        give(1, Operation::ResetNumbers);
        for (of, other) in [(0, 1), (1, 0)] {
            let status = give(of, Operation::RotateJournal);
            give(of, Operation::SetNextOut(status.next_out + 5));
            give(other, Operation::SetNextIn(status.next_out + 5));
        }
        give(1, Operation::Release);
        give(0, Operation::Logon);
        give(0, Operation::Disconnect);
        give(0, Operation::Logon);
        let decide = Operation::Decide {
            ticket: 1,
            decision: Decision::Admit(None),
        };
        tried.push(decide.name());
        let ticket = control[1].command(session, decide, limit).unwrap();
        assert!(matches!(
            control[1].wait(ticket, limit),
            Outcome::Refused(_)
        ));
        tried.sort_unstable();
        tried.dedup();
        // Leaving is tried by itself, below.
        assert_eq!(tried.len(), Operation::NAMES.len() - 1);
    };
    let round = Arc::new(round);
    let turn = |pair: &mut Pair, rounds: usize| {
        for _ in 0..rounds {
            let round = Arc::clone(&round);
            let operator = std::thread::spawn(move || round());
            let start = Instant::now();
            while !operator.is_finished() {
                pair.advance(Duration::from_millis(1));
                if pair.poll_client() + pair.poll_venue() == 0 {
                    std::thread::yield_now();
                }
                assert!(start.elapsed() < 3 * limit, "the operator waits");
            }
            operator.join().unwrap();
        }
    };
    turn(&mut pair, 2);
    pair.measure();
    turn(&mut pair, 10);
    pair.assert_quiet("every operation, ten times, of twenty controllers that came and went");
}

/// Counts what arrives, whoever it comes from.
#[derive(Default)]
struct Total {
    received: u64,
    logons: u64,
    logouts: u64,
    connects_failed: u64,
    edges: u64,
    resets: u64,
}

impl Application for Total {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_logout(&mut self, _: SessionHandle, _: &Cause, _: &mut Outbound<'_>) {
        self.logouts += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        self.received += 1;
        Verdict::Accept
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed { .. } => self.connects_failed += 1,
            Event::ScheduleOpened { .. } | Event::ScheduleClosed { .. } => self.edges += 1,
            Event::Reset { .. } => self.resets += 1,
            _ => {}
        }
    }
}

#[test]
fn all_sessions_of_an_engine_at_once() {
    const SESSIONS: u64 = 48;
    let mut clock = Clock::new();
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let mut venue_app = Total::default();
    let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let losing = Arc::new(AtomicBool::new(false));
    let network = Lossy {
        inner: OsNetwork::new().unwrap(),
        losing: Arc::clone(&losing),
    };
    let keeper = Keeper::start("keeper").unwrap();
    let mut client = Engine::with(EngineConfig::default(), Box::new(network), keeper).unwrap();
    let mut client_app = Total::default();
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        // Added while the engines run, so that nothing is left over from a list of new sessions.
        let name = format!("CLIENT{number}");
        let now = clock.now();
        let mut config = SessionConfig::acceptor(&FIX44, "VENUE", &name);
        config.journal.first_segment_bytes = 1024 * 1024;
        venue.add_session(config, now).unwrap();
        let mut config = SessionConfig::initiator(&FIX44, &name, "VENUE", address);
        config.journal.first_segment_bytes = 1024 * 1024;
        sessions.push(client.add_session(config, now).unwrap().0);
        while client_app.logons <= number || venue_app.logons <= number {
            let now = clock.now();
            client.poll(now, &mut client_app);
            venue.poll(now, &mut venue_app);
        }
    }
    for _ in 0..3 {
        // Every session has to send again, for longer than one cycle, in the same cycles.
        for lost in [true, false] {
            losing.store(lost, Ordering::Relaxed);
            for &session in &sessions {
                for _ in 0..if lost { 200 } else { 1 } {
                    let now = clock.now();
                    let mut out = client.outbound(now);
                    let sent = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                        order.uint(tag::CL_ORD_ID, 1);
                    });
                    assert!(sent.is_ok());
                }
            }
        }
        let goal = venue_app.received + SESSIONS * 201;
        while venue_app.received < goal {
            let now = clock.now();
            armed(|| client.poll(now, &mut client_app));
            armed(|| venue.poll(now, &mut venue_app));
        }
    }
    println!(
        "{SESSIONS} sessions at once: {} allocations, {} frees",
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

#[test]
fn attempts_to_connect_that_fail_all_at_once() {
    const SESSIONS: u64 = 48;
    // A port that nobody listens on.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut clock = Clock::new();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let mut app = Total::default();
    for number in 0..SESSIONS {
        let now = clock.now();
        let mut config = SessionConfig::initiator(&FIX44, &format!("CLIENT{number}"), "VENUE", address);
        // Two places, and pauses that differ: every way to the next attempt.
        config.connect.destinations.push(address.into());
        config.connect.reconnect = vec![Duration::from_secs(1)];
        config.connect.jitter_percent = 20;
        engine.add_session(config, now).unwrap();
    }
    let mut now = clock.now();
    engine.poll(now, &mut app);
    ALLOCATIONS.set(0);
    for attempt in 1..4 {
        while app.connects_failed < 2 * attempt * SESSIONS {
            if attempt == 1 {
                // The first time makes an entry for each connection.
                engine.poll(now, &mut app);
            } else {
                armed(|| engine.poll(now, &mut app));
            }
        }
        now.mono = now.mono + Duration::from_secs(2);
    }
    println!(
        "{SESSIONS} attempts at once: {} allocations, {} frees",
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

/// The queue of messages without a number, the rate, and numbers given while down.
#[test]
fn messages_that_wait_for_a_logon_or_for_the_rate() {
    let mut clock = Clock::new();
    let now = clock.now();
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let mut venue_app = Total::default();
    let address = venue.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let mut client = Engine::new(EngineConfig::default()).unwrap();
    let mut client_app = Total::default();
    let mut sessions = Vec::new();
    for (name, while_down) in [("QUEUES", WhileDown::Queue), ("NUMBERS", WhileDown::Number)] {
        let config = SessionConfig::acceptor(&FIX44, "VENUE", name);
        venue.add_session(config, now).unwrap();
        let mut config = SessionConfig::initiator(&FIX44, name, "VENUE", address);
        config.journal.first_segment_bytes = 1024 * 1024;
        config.connect.reconnect = vec![Duration::from_millis(10)];
        config.settings.sending.while_down = while_down;
        config.settings.sending.outbound = Some(OutboundRate {
            rate: Rate::per_second(100_000),
            beyond: BeyondRate::Queue,
        });
        sessions.push(client.add_session(config, now).unwrap().0);
    }
    let (mut expected, mut logons) = (0, 2);
    for round in 0..6 {
        while client_app.logons < logons || venue_app.received < expected {
            let now = clock.now();
            if round < 2 {
                // The first rounds make what there is to make.
                client.poll(now, &mut client_app);
                venue.poll(now, &mut venue_app);
            } else {
                armed(|| client.poll(now, &mut client_app));
                armed(|| venue.poll(now, &mut venue_app));
            }
        }
        let now = clock.now();
        for &session in &sessions {
            client.outbound(now).disconnect(session).unwrap();
        }
        client.poll(now, &mut client_app);
        logons += 2;
        for &session in &sessions {
            for _ in 0..100 {
                armed(|| {
                    let mut out = client.outbound(now);
                    let sent = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                        order.uint(tag::CL_ORD_ID, 1);
                    });
                    assert!(
                        matches!(sent, Ok(Sent::Queued | Sent::Numbered(_))),
                        "{sent:?}"
                    );
                });
                expected += 1;
            }
        }
    }
    println!(
        "{expected} messages that waited: {} allocations, {} frees",
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

/// What a controller adds was made on its thread, and what leaves is freed by another.
#[test]
fn sessions_that_come_and_go() {
    let mut clock = Clock::new();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let mut app = Total::default();
    let mut controller = engine.controller();
    let within = Duration::from_secs(20);
    let mut until_done = |controller: &mut Controller, engine: &mut Engine| loop {
        let now = clock.now();
        armed(|| engine.poll(now, &mut app));
        if let Some(completion) = controller.poll() {
            assert_eq!(completion.outcome, Outcome::Done);
            break;
        }
    };
    let mut rounds = 0;
    for round in 0..20 {
        let config = SessionConfig::acceptor(&FIX44, "VENUE", &format!("CLIENT{}", round % 3));
        let added = controller.add_session(config, within).unwrap();
        until_done(&mut controller, &mut engine);
        controller.remove_session(added.session, within).unwrap();
        until_done(&mut controller, &mut engine);
        rounds += 1;
    }
    println!(
        "{rounds} sessions came and went: {} allocations, {} frees",
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

/// A session for a peer that none is configured for is made by another thread, and its files are opened
/// there, too.
#[test]
fn peers_that_a_template_lets_in() {
    const WARM_UP: usize = 3;
    let directory = std::env::temp_dir().join(format!("pinfix-quiet-{}-guests", std::process::id()));
    let mut clock = Clock::new();
    let mut venue = Engine::new(EngineConfig::default()).unwrap();
    let mut client = Engine::new(EngineConfig::default()).unwrap();
    let (mut there, mut here) = (Total::default(), Total::default());
    let any = SessionConfig::acceptor(&FIX44, "VENUE", "ANY");
    let mut template = Template::new(vec![&FIX44], any);
    template.journals = Some(directory.clone());
    let address = venue
        .listen("127.0.0.1:0".parse().unwrap(), Some(template))
        .unwrap();
    for round in 0..15 {
        let name = format!("CLIENT{round}");
        let config = SessionConfig::initiator(&FIX44, &name, "VENUE", address);
        let (session, _) = client.add_session(config, clock.now()).unwrap();
        let mut asked = false;
        let started = Instant::now();
        while there.logouts <= round as u64 {
            let now = clock.now();
            if round < WARM_UP {
                venue.poll(now, &mut there);
            } else {
                armed(|| venue.poll(now, &mut there));
            }
            client.poll(now, &mut here);
            if here.logons > round as u64 && !asked {
                asked = true;
                client.outbound(now).remove(session).unwrap();
            }
            assert!(started.elapsed() < Duration::from_secs(20), "round {round}");
        }
    }
    println!(
        "{} sessions of a template: {} allocations, {} frees",
        there.logons - WARM_UP as u64,
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
    drop(venue);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn edges_of_schedules() {
    const SESSIONS: u64 = 48;
    let mut clock = Clock::new();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let mut app = Total::default();
    let zones = [
        "America/New_York",
        "Europe/London",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
    ];
    let mut now = clock.now();
    for number in 0..SESSIONS {
        let name = format!("CLIENT{number}");
        let zone = zones[number as usize % zones.len()].parse().unwrap();
        let at = |text: &str| ClockTime::parse(text, &zone).unwrap();
        let mut config = SessionConfig::acceptor(&FIX44, "VENUE", &name);
        config.schedule = match number % 3 {
            0 => Schedule::daily(at("08:00:00"), at("17:00:00 UTC")),
            1 => Schedule::daily_on("mon,fri".parse().unwrap(), at("02:30:00"), at("02:30:00")),
            _ => Schedule::weekly(Day::Sunday, at("18:00:00"), Day::Friday, at("17:00:00")),
        };
        config.schedule.resets = vec![at("05:00:00")];
        config.schedule.holidays = vec!["2026-12-25".parse().unwrap()];
        engine.add_session(config, now).unwrap();
    }
    engine.poll(now, &mut app);
    // A year in steps of 20 minutes, over every edge and every change of clocks. Meanwhile the wall
    // clock is set twice a day.
    for step in 0..366 * 72 {
        now.mono = now.mono + Duration::from_mins(20);
        now.utc = now.utc + Duration::from_mins(if step % 36 == 0 { 23 } else { 20 });
        armed(|| engine.poll(now, &mut app));
    }
    println!(
        "{} edges of schedules: {} allocations, {} frees",
        app.edges,
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert!(app.edges > SESSIONS * 100, "the schedules were kept");
    assert!(app.resets > SESSIONS * 50, "numbers started anew");
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

/// A FIXP client and its gateway on one engine: the gateway answers every order.
#[derive(Default)]
struct Exchange {
    gateway: Option<SessionHandle>,
    /// Orders that are not answered yet.
    owed: u64,
    received: u64,
    retransmitted: u64,
    logons: u64,
    logouts: u64,
}

impl Exchange {
    /// One that finds no room, because the next segment is still being made, is tried again later.
    fn answer(&mut self, gateway: SessionHandle, out: &mut Outbound<'_>) {
        while self.owed > 0 && report(out, gateway, b"ORDER") {
            self.owed -= 1;
        }
    }
}

fn report(out: &mut Outbound<'_>, gateway: SessionHandle, id: &[u8]) -> bool {
    let sent = out.send_sbe(gateway, 512, |room| {
        ilink3::ExecutionReportNewEncoder::new(room, 9)?
            .cl_ord_id(id)
            .finish()
    });
    match sent {
        Ok(_) => true,
        Err(Refusal::Full(_)) => false,
        Err(refusal) => panic!("{refusal}"),
    }
}

impl Application for Exchange {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, _: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        unreachable!("there is no FIX session")
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> fixp::Verdict {
        let frame = sbe::Frame::new(inbound.frame.bytes()).unwrap();
        if Some(inbound.session) == self.gateway {
            ilink3::NewOrderSingle::read(&frame).unwrap();
            self.owed += 1;
            self.answer(inbound.session, out);
        } else {
            ilink3::ExecutionReportNew::read(&frame).unwrap();
            self.received += 1;
            self.retransmitted += u64::from(inbound.delivery.retransmitted);
        }
        fixp::Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, _: &Cause, _: &mut Outbound<'_>) {
        self.logouts += 1;
    }
}

#[test]
fn fixp_orders_retransmissions_and_new_uuids() {
    const ROUNDS: u64 = 40;
    let directory = std::env::temp_dir().join(format!("pinfix-quiet-{}-fixp", std::process::id()));
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let credentials = Credentials::new("KEY1", key).unwrap();
    let mut clock = Clock::new();
    let now = clock.now();
    let mut engine = Engine::new(EngineConfig {
        // Any message fits into the segments below.
        max_message_bytes: 4096,
        ..EngineConfig::default()
    })
    .unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let address = engine.listen_as(Listen::fixp(any)).unwrap();
    let journal = JournalConfig {
        first_segment_bytes: 64 * 1024,
        max_segment_bytes: 64 * 1024,
        control_reserve_bytes: 4096,
        retention: Retention {
            bytes: Some(1024 * 1024),
            ..Retention::default()
        },
        ..JournalConfig::default()
    };
    let mut config = FixpSessionConfig::gateway("ABC", "007", credentials.clone());
    config.journal = journal.clone();
    let (gateway, _) = engine
        .add_session(config.journal_below(&directory), now)
        .unwrap();
    let mut config = FixpSessionConfig::client("ABC", "007", credentials, address);
    config.journal = journal;
    config.connect.reconnect = vec![Duration::from_millis(10)];
    let (client, _) = engine
        .add_session(config.journal_below(&directory), now)
        .unwrap();
    let mut app = Exchange {
        gateway: Some(gateway),
        ..Exchange::default()
    };
    let mut expected = 0;
    for round in 0..ROUNDS {
        if round == 4 {
            // Warm: every buffer was used, and a segment was left.
            ALLOCATIONS.set(0);
            FREES.set(0);
            FIRST.take();
        }
        let start = Instant::now();
        let mut until = |engine: &mut Engine, app: &mut Exchange, done: &dyn Fn(&Exchange) -> bool| {
            while !done(app) {
                let now = clock.now();
                armed(|| engine.poll(now, app));
                armed(|| app.answer(gateway, &mut engine.outbound(now)));
                assert!(start.elapsed() < Duration::from_secs(60), "round {round}");
            }
            clock.now()
        };
        let logons = 2 * (round + 1);
        until(&mut engine, &mut app, &|app| app.logons == logons);
        // Ten at a time, so that there is always room for the answers.
        for _ in 0..20 {
            let now = until(&mut engine, &mut app, &|app| app.received == expected);
            for _ in 0..10 {
                let mut out = engine.outbound(now);
                let sent = armed(|| {
                    out.send_sbe(client, 512, |room| {
                        ilink3::NewOrderSingleEncoder::new(room, 9)?
                            .cl_ord_id(b"ORDER")
                            .finish()
                    })
                });
                expected += u64::from(sent.is_ok());
            }
        }
        let now = until(&mut engine, &mut app, &|app| app.received == expected);
        armed(|| engine.outbound(now).logout(client, Text::EMPTY)).unwrap();
        let logouts = logons;
        let now = until(&mut engine, &mut app, &|app| app.logouts == logouts);
        // Said while the client is away: fetched by retransmission.
        for _ in 0..5 {
            let mut out = engine.outbound(now);
            expected += u64::from(armed(|| report(&mut out, gateway, b"AWAY")));
        }
        if round % 2 == 1 {
            let mut out = engine.outbound(now);
            armed(|| out.command(client, Operation::ResetNumbers)).unwrap();
        }
        armed(|| engine.outbound(now).logon(client)).unwrap();
    }
    println!(
        "{} FIXP reports, {} of them by retransmission, {ROUNDS} logons: {} allocations, {} frees",
        app.received,
        app.retransmitted,
        ALLOCATIONS.get(),
        FREES.get()
    );
    assert!(app.received > ROUNDS * 190);
    assert!(app.retransmitted > ROUNDS * 4);
    assert!(engine.fixp_tally(client).unwrap().faults == 0);
    let _ = std::fs::remove_dir_all(directory);
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

#[test]
fn fixp_backups_that_are_made_lost_and_promoted() {
    const ROUNDS: u64 = 200;
    let directory = std::env::temp_dir().join(format!("pinfix-quiet-{}-backup", std::process::id()));
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let credentials = Credentials::new("KEY1", key).unwrap();
    let mut clock = Clock::new();
    let now = clock.now();
    let mut engine = Engine::new(EngineConfig::default()).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let primary = engine.listen_as(Listen::fixp(any)).unwrap();
    let backup = engine.listen_as(Listen::fixp(any).backup()).unwrap();
    let mut config = FixpSessionConfig::gateway("ABC", "007", credentials.clone());
    config.accept_backup = true;
    let (gateway, _) = engine
        .add_session(config.journal_below(&directory), now)
        .unwrap();
    let mut config = FixpSessionConfig::client("ABC", "007", credentials, primary).backup(backup);
    config.connect.reconnect = vec![Duration::from_millis(10)];
    let (client, _) = engine
        .add_session(config.journal_below(&directory), now)
        .unwrap();
    let spare = |engine: &Engine, name: &str| {
        let control = engine.reference().controller().unwrap();
        control.session(name).unwrap()
    };
    let spare = spare(&engine, "FIXP:ABC-007->EXCHANGE/backup");
    let mut app = Exchange {
        gateway: Some(gateway),
        ..Exchange::default()
    };
    let (mut expected, mut promotions, mut away) = (0, 0, 0);
    for round in 0..ROUNDS {
        if round == 16 {
            // Warm: every buffer was used, a segment of a backup was left, and it has had a new UUID.
            ALLOCATIONS.set(0);
            FREES.set(0);
            FIRST.take();
        }
        let start = Instant::now();
        let mut until = |engine: &mut Engine,
                         app: &mut Exchange,
                         done: &dyn Fn(&Exchange, &mut Engine, Now) -> bool| {
            loop {
                let now = clock.now();
                if done(app, engine, now) {
                    return now;
                }
                armed(|| engine.poll(now, app));
                armed(|| app.answer(gateway, &mut engine.outbound(now)));
                assert!(start.elapsed() < Duration::from_secs(60), "round {round}");
            }
        };
        let both = |_: &Exchange, engine: &mut Engine, now: Now| {
            let out = engine.outbound(now);
            let up = |session| out.status(session).unwrap().state == ConnectionState::Up;
            up(client) && up(spare) && out.is_logged_on(gateway)
        };
        let now = until(&mut engine, &mut app, &both);
        for _ in 0..10 {
            let mut out = engine.outbound(now);
            let sent = armed(|| {
                out.send_sbe(client, 512, |room| {
                    ilink3::NewOrderSingleEncoder::new(room, 9)?
                        .cl_ord_id(b"ORDER")
                        .finish()
                })
            });
            expected += u64::from(sent.is_ok());
        }
        let now = until(&mut engine, &mut app, &|app, _, _| app.received == expected);
        match round % 4 {
            0 | 1 => {
                // What is kept back is lost with the primary, and fetched.
                let mut out = engine.outbound(now);
                armed(|| out.withhold(gateway, 2)).unwrap();
                for _ in 0..3 {
                    expected += u64::from(armed(|| report(&mut out, gateway, b"LOST")));
                }
                armed(|| out.fail_over(gateway)).unwrap();
                promotions += 1;
            }
            2 => {
                let mut out = engine.outbound(now);
                armed(|| out.command(spare, Operation::Disconnect)).unwrap();
            }
            _ => {
                let logouts = app.logouts;
                armed(|| engine.outbound(now).logout(client, Text::EMPTY)).unwrap();
                let now = until(&mut engine, &mut app, &|app, _, _| {
                    app.logouts == logouts + 2
                });
                let mut out = engine.outbound(now);
                armed(|| out.command(client, Operation::ResetNumbers)).unwrap();
                armed(|| out.logon(client)).unwrap();
                away += 1;
            }
        }
        until(&mut engine, &mut app, &|app, _, _| app.received == expected);
    }
    println!(
        "{} FIXP reports, {promotions} promotions, {away} new UUIDs: {} allocations, {} frees",
        app.received,
        ALLOCATIONS.get(),
        FREES.get()
    );
    // Nothing but an operator's logout has ended the session.
    assert_eq!(app.logouts, 2 * away);
    assert!(app.retransmitted >= 2 * promotions, "{}", app.retransmitted);
    assert_eq!(engine.fixp_tally(client).unwrap().faults, 0);
    let _ = std::fs::remove_dir_all(directory);
    assert_eq!(
        (ALLOCATIONS.get(), FREES.get()),
        (0, 0),
        "{}",
        FIRST.take().unwrap_or_default()
    );
}

//! A thousand sessions on one core: an idle one costs next to nothing, a busy one starves nobody.
//!
//! Two engines in one process, every session an initiator on one side and an acceptor on the other,
//! over loopback, with journals of default settings on disk. Time is virtual. What a cycle costs is
//! asserted in calls to the network and in cycles, which do not depend on the machine; times and bytes
//! are printed.
//!
//! By default 200 sessions and a resend of 20,000 messages; in full:
//!
//! ```text
//! PINFIX_SESSIONS=1000 PINFIX_RESEND=100000 cargo test --release --test many_sessions -- --nocapture
//! ```
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code)] // one call to raise the limit of open files

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pinfix::counters::StatusReader;
use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Inbound, OsNetwork, Outbound, SessionConfig,
    SessionHandle,
};
use pinfix::journal::Keeper;
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::{Cause, Full, Refusal};
use pinfix::time::Now;
use pinfix::wire::fix::{msg_type, tag};

/// The tests measure memory of the process and cycles of the engines: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Counts calls, and loses what is sent while told to.
struct Counting {
    inner: OsNetwork,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    polls: AtomicU64,
    receives: AtomicU64,
    sends: AtomicU64,
    losing: AtomicBool,
}

impl Calls {
    fn take(&self) -> (u64, u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.polls), take(&self.receives), take(&self.sends))
    }
}

impl Network for Counting {
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
        self.calls.polls.fetch_add(1, Ordering::Relaxed);
        self.inner.poll(wait, ready)
    }
    fn receive(&mut self, link: LinkId, room: &mut [u8]) -> io::Result<usize> {
        self.calls.receives.fetch_add(1, Ordering::Relaxed);
        self.inner.receive(link, room)
    }
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        self.calls.sends.fetch_add(1, Ordering::Relaxed);
        if self.calls.losing.load(Ordering::Relaxed) {
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

/// Answers orders with an echo if it is told to, and counts.
struct App {
    echoes: bool,
    logons: u64,
    logouts: u64,
    /// By session.
    received: Vec<u64>,
}

impl Application for App {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logons += 1;
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        self.received[inbound.session.number()] += 1;
        if self.echoes {
            let id = inbound.message.get(tag::CL_ORD_ID).unwrap();
            let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
                report.bytes(tag::CL_ORD_ID, id);
            });
            assert!(sent.is_ok(), "{sent:?}");
        }
        Verdict::Accept
    }

    fn on_logout(&mut self, _: SessionHandle, _: &Cause, _: &mut Outbound<'_>) {
        self.logouts += 1;
    }
}

struct Side {
    engine: Engine,
    app: App,
    calls: Arc<Calls>,
    status: StatusReader,
}

struct Crowd {
    client: Side,
    venue: Side,
    sessions: Vec<SessionHandle>,
    /// Time stands still between the steps the test makes.
    began: Now,
    ahead: Duration,
    directory: PathBuf,
}

#[derive(Clone, Copy)]
enum Journals {
    OnDisk,
    InMemory,
}

impl Crowd {
    /// `count` sessions, all logged on.
    fn logged_on(name: &str, count: usize, heartbeat_s: u32, journals: Journals) -> Self {
        let directory = std::env::temp_dir().join(format!("pinfix-many-{}-{name}", std::process::id()));
        let now = Clock::new().now();
        let side = |echoes| {
            let calls = Arc::new(Calls::default());
            let network = Counting {
                inner: OsNetwork::new().unwrap(),
                calls: Arc::clone(&calls),
            };
            let keeper = Keeper::start("keeper").unwrap();
            let engine = Engine::with(EngineConfig::default(), Box::new(network), keeper).unwrap();
            let app = App {
                echoes,
                logons: 0,
                logouts: 0,
                received: vec![0; count],
            };
            let status = engine.status_reader();
            Side {
                engine,
                app,
                calls,
                status,
            }
        };
        let (mut client, mut venue) = (side(false), side(true));
        let address = venue
            .engine
            .listen("127.0.0.1:0".parse().unwrap(), None)
            .unwrap();
        let mut sessions = Vec::new();
        for number in 0..count {
            let name = format!("CLIENT{number}");
            let mut ours = SessionConfig::initiator(&FIX44, &name, "VENUE", address);
            let mut theirs = SessionConfig::acceptor(&FIX44, "VENUE", &name);
            for config in [&mut ours, &mut theirs] {
                config.settings.heartbeat_s = heartbeat_s;
                if let Journals::OnDisk = journals {
                    *config = config.clone().journal_below(&directory);
                }
            }
            venue.engine.add_session(theirs, now).unwrap();
            sessions.push(client.engine.add_session(ours, now).unwrap().0);
        }
        let mut crowd = Self {
            client,
            venue,
            sessions,
            began: now,
            ahead: Duration::ZERO,
            directory,
        };
        let start = Instant::now();
        let all = count as u64;
        while crowd.client.app.logons < all || crowd.venue.app.logons < all {
            // Until all are there time passes as it does; then it stands still.
            crowd.ahead = start.elapsed();
            crowd.turn();
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "only {} and {} of {count} logged on",
                crowd.client.app.logons,
                crowd.venue.app.logons
            );
        }
        crowd.come_to_rest();
        println!(
            "{count} sessions on each side logged on in {:?}",
            start.elapsed()
        );
        crowd
    }

    fn now(&self) -> Now {
        Now {
            mono: self.began.mono + self.ahead,
            utc: self.began.utc + self.ahead,
        }
    }

    /// One cycle of each engine, at one time. Answers how much there was to do.
    fn turn(&mut self) -> usize {
        let now = self.now();
        self.client.engine.poll(now, &mut self.client.app)
            + self.venue.engine.poll(now, &mut self.venue.app)
    }

    fn come_to_rest(&mut self) {
        let mut idle = 0;
        while idle < 3 {
            idle = if self.turn() == 0 { idle + 1 } else { 0 };
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

/// Makes room for this many open files, or says that there is none.
fn allow_files(count: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the answer, and a valid request below.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_cur.max(count.min(limit.rlim_max));
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    assert!(
        raised && limit.rlim_cur >= count,
        "{count} open files are needed, the hard limit is {}: lower PINFIX_SESSIONS",
        limit.rlim_max
    );
}

/// Resident memory of this process in bytes, shared pages included.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn disk_bytes(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        bytes += about.blocks() * 512;
        if about.is_dir() {
            bytes += disk_bytes(&entry.path());
        }
    }
    bytes
}

#[test]
fn idle_sessions_cost_little_and_keep_their_heartbeats() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let count = setting("PINFIX_SESSIONS", 200);
    allow_files(4 * count as u64 + 100);
    let before = resident_bytes();
    let mut crowd = Crowd::logged_on("idle", count, 30, Journals::OnDisk);

    let memory = (resident_bytes() - before) / (2 * count as u64);
    let disk = disk_bytes(&crowd.directory) / (2 * count as u64);
    println!(
        "an idle session: {} KiB of memory, {} KiB of disk",
        memory >> 10,
        disk >> 10
    );
    assert!(memory < 1 << 20 && disk < 1 << 20);

    // An idle cycle is one look at the network, however many sessions there are.
    crowd.client.calls.take();
    crowd.venue.calls.take();
    let now = crowd.now();
    let start = Instant::now();
    for _ in 0..10_000 {
        let work = crowd.client.engine.poll(now, &mut crowd.client.app);
        assert_eq!(work, 0);
    }
    println!("an idle cycle: {:?}", start.elapsed() / 10_000);
    assert_eq!(crowd.client.calls.take(), (10_000, 0, 0));

    // 95 seconds in steps of 100 ms: a heartbeat is neither early nor more than a step late.
    let heartbeat = Duration::from_secs(30);
    let step = Duration::from_millis(100);
    let begin = crowd.now().mono;
    let messages_out = |crowd: &Crowd| -> Vec<u64> {
        [&crowd.client.status, &crowd.venue.status]
            .iter()
            .flat_map(|page| page.sessions())
            .map(|session| session.unwrap().status.messages_out)
            .collect()
    };
    let before = messages_out(&crowd);
    let begin_ahead = crowd.ahead;
    let mut cycles: u64 = 0;
    while crowd.ahead - begin_ahead < Duration::from_secs(95) {
        crowd.ahead += step;
        let mut idle = 0;
        while idle < 2 {
            idle = if crowd.turn() == 0 { idle + 1 } else { 0 };
            cycles += 1;
        }
        let now = crowd.now().mono;
        for status in [&crowd.client.status, &crowd.venue.status] {
            for session in status.sessions() {
                let status = session.unwrap().status;
                // The first interval begins when the logon is complete, a little after our Logon left.
                let began = crowd.began;
                let logged_on = began.mono + began.utc.distance(status.logged_on_utc);
                let silence = now.since(status.last_out_mono.max(logged_on));
                assert!(
                    silence <= heartbeat + step + Duration::from_millis(1),
                    "{silence:?}"
                );
            }
        }
    }
    let sent: Vec<u64> = messages_out(&crowd)
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    let (fewest, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
    println!(
        "{:?} of virtual time in {cycles} cycles: {fewest} to {most} messages out per session",
        crowd.now().mono.since(begin)
    );
    // 95 s hold three heartbeats, or a fourth of a session that had logged on a while before.
    assert!(*fewest >= 3 && *most <= 4);
    for &session in &crowd.sessions {
        for engine in [&crowd.client.engine, &crowd.venue.engine] {
            assert_eq!(engine.tally(session).unwrap().test_requests_out, 0);
        }
    }
    assert_eq!((crowd.client.app.logouts, crowd.venue.app.logouts), (0, 0));
}

/// A session that sends 20,000 messages again does not hold up the one beside it.
#[test]
fn a_long_resend_does_not_starve_the_neighbours() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    const SESSIONS: usize = 8;
    let resend = setting("PINFIX_RESEND", 20_000) as u64;
    let mut crowd = Crowd::logged_on("resend", SESSIONS, 1, Journals::InMemory);
    let (busy, neighbour, idle) = (crowd.sessions[0], crowd.sessions[1], crowd.sessions[2]);

    crowd.client.calls.losing.store(true, Ordering::Relaxed);
    let mut lost = 0;
    while lost < resend {
        let now = crowd.now();
        let sent = crowd
            .client
            .engine
            .outbound(now)
            .send(busy, msg_type::NEW_ORDER_SINGLE, |order| {
                order.uint(tag::CL_ORD_ID, lost).str(tag::SYMBOL, "ESZ6");
            });
        match sent {
            Ok(_) => lost += 1,
            // The journal thread is still making the next segment.
            Err(Refusal::Full(Full::Segment)) => {
                crowd.client.calls.losing.store(false, Ordering::Relaxed);
                crowd.turn();
                std::thread::yield_now();
                crowd.client.calls.losing.store(true, Ordering::Relaxed);
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
    crowd.client.calls.losing.store(false, Ordering::Relaxed);
    let before = *crowd.client.engine.tally(busy).unwrap();
    let status =
        |status: &StatusReader, of: SessionHandle| status.session(of.number()).unwrap().unwrap().status;
    let (mut cycles, mut worst_cycles, mut echoes, mut waited) = (0u64, 0, 0u64, 0);
    let (mut worst_silence, mut worst_turn) = (Duration::ZERO, Duration::ZERO);
    let mut asked = false;
    let start = Instant::now();
    while crowd.venue.app.received[busy.number()] < resend {
        if !asked {
            let now = crowd.now();
            let mut out = crowd.client.engine.outbound(now);
            for session in [neighbour, busy] {
                let sent = out.send(session, msg_type::NEW_ORDER_SINGLE, |order| {
                    order.uint(tag::CL_ORD_ID, 0);
                });
                // The busy one may be told to wait: it is the one with the load.
                assert!(session == busy || sent.is_ok(), "{sent:?}");
                if cycles > 0 {
                    break;
                }
            }
            (asked, waited) = (true, 0);
        }
        crowd.ahead += Duration::from_millis(5);
        let began = Instant::now();
        crowd.turn();
        worst_turn = worst_turn.max(began.elapsed());
        cycles += 1;
        waited += 1;
        if crowd.client.app.received[neighbour.number()] > echoes {
            echoes += 1;
            worst_cycles = worst_cycles.max(waited);
            asked = false;
        }
        let now = crowd.now().mono;
        for page in [&crowd.client.status, &crowd.venue.status] {
            let silence = now.since(status(page, idle).last_out_mono);
            worst_silence = worst_silence.max(silence);
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the resend stalled"
        );
    }
    let after = *crowd.client.engine.tally(busy).unwrap();
    println!(
        "{} messages sent again in {cycles} cycles, {:?}; {echoes} echoes of the neighbour, at most \
         {worst_cycles} cycles each; longest silence of an idle session {worst_silence:?}",
        after.resent - before.resent,
        start.elapsed()
    );
    assert!(after.resent - before.resent >= resend);
    assert!(cycles >= resend / 64, "the resend came in bounded steps");
    assert!(echoes > cycles / 8, "{echoes} echoes in {cycles} cycles");
    assert!(worst_cycles <= 4, "{worst_cycles} cycles");
    // HeartBtInt(108) is 1 s, a cycle 5 ms of virtual time, a tick of the timers 1 ms. What the machine
    // took from us in the middle of a cycle is not the engine's doing.
    let beats = status(&crowd.client.status, idle).messages_out;
    assert!(beats >= cycles * 5 / 1010, "{beats} messages");
    assert!(
        worst_silence <= Duration::from_millis(1010) + 2 * worst_turn,
        "{worst_silence:?}"
    );
    for &session in &crowd.sessions[1..] {
        assert_eq!(
            crowd
                .client
                .engine
                .tally(session)
                .unwrap()
                .test_requests_out,
            0
        );
    }
    assert_eq!((crowd.client.app.logouts, crowd.venue.app.logouts), (0, 0));
}

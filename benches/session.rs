//! The session and one turn of the engine, without sockets.
//!
//! Journals are in memory, with the journal thread of production beside them. "turn" is a whole cycle
//! over a network made of memory: an order is received and handed to the application, which answers
//! with a report in the callback.
//!
//! Instructions per turn, by function, from a simulated processor:
//!
//! ```text
//! cargo bench --bench session --no-run
//! PINFIX_TURNS=20000 valgrind --tool=callgrind --toggle-collect='*Turn*::once*' target/release/deps/session-*
//! ```
#![allow(missing_docs)] // criterion's macros make public items
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use pinfix::engine::net::{LinkId, ListenerId, Network, Ready, Reuse, SocketOptions};
use pinfix::engine::{
    Application, Engine, EngineConfig, Inbound, Outbound, SessionConfig, SessionHandle,
};
use pinfix::journal::{Journal, JournalConfig, Keeper, Retention};
use pinfix::session::Outbox as _;
use pinfix::session::fix::rules::FIX44;
use pinfix::session::fix::{Admission, Origin, Replayed, Role, Session, Settings, Step, Verdict};
use pinfix::time::{Mono, Now, TimestampPrecision, Utc};
use pinfix::wire::fix::{FieldIndex, FrameWriter, HeaderTemplate, msg_type, tag};

const NOW: Now = Now {
    mono: Mono(1_000_000_000),
    utc: Utc(1_790_000_000_000_000_000),
};

/// A frame of the client.
fn frame(kind: &[u8], seq: u64, body: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let header = HeaderTemplate::new(b"FIX.4.4", b"CLIENT", b"VENUE", &[]).unwrap();
    let mut room = vec![0; 1024];
    let time = NOW.utc.to_fix(TimestampPrecision::Millis);
    let mut writer = FrameWriter::begin(&mut room, &header, kind, seq, &time);
    body(&mut writer);
    let frame = writer.finish().unwrap();
    room[frame].to_vec()
}

fn logon() -> Vec<u8> {
    frame(msg_type::LOGON, 1, |body| {
        body.uint(tag::ENCRYPT_METHOD, 0)
            .uint(tag::HEART_BT_INT, 30);
    })
}

fn order(seq: u64) -> Vec<u8> {
    frame(msg_type::NEW_ORDER_SINGLE, seq, write_order)
}

fn write_order(body: &mut FrameWriter<'_>) {
    body.str(tag::CL_ORD_ID, "ORDER-000001")
        .str(tag::ACCOUNT, "ACC-1")
        .char(tag::HANDL_INST, b'1')
        .str(tag::SYMBOL, "ESZ6")
        .char(tag::SIDE, b'1')
        .utc(tag::TRANSACT_TIME, NOW.utc, TimestampPrecision::Millis)
        .uint(tag::ORDER_QTY, 5)
        .char(tag::ORD_TYPE, b'2')
        .str(tag::PRICE, "4500.25")
        .char(tag::TIME_IN_FORCE, b'0');
}

fn journal_config() -> JournalConfig {
    JournalConfig {
        first_segment_bytes: 64 << 20,
        max_segment_bytes: 64 << 20,
        retention: Retention {
            bytes: Some(256 << 20),
            age: None,
        },
        ..JournalConfig::default()
    }
}

/// An acceptor session that is logged on.
struct Up {
    session: Session,
    journal: Journal,
    // Dropped after the journal.
    _keeper: Keeper,
}

impl Up {
    fn new() -> Self {
        let keeper = Keeper::start("keeper").unwrap();
        let (journal, _) = Journal::open(journal_config(), &keeper, NOW.utc).unwrap();
        let settings = Settings::new(&FIX44, Role::Acceptor, "VENUE", "CLIENT");
        let mut up = Self {
            session: Session::new(settings).unwrap(),
            journal,
            _keeper: keeper,
        };
        let frame = logon();
        let mut index = FieldIndex::with_capacity(64);
        let message = index.read(&frame).unwrap();
        let step = up
            .session
            .receive(NOW, &message, Origin::Wire, &mut up.journal);
        assert_eq!(step, Step::Authenticate);
        let step = up.session.admit(NOW, Admission::Admit, &mut up.journal);
        assert_eq!(step, Step::LoggedOn);
        up.sent();
        up
    }

    /// The socket has taken everything, and the journal is looked after.
    fn sent(&mut self) {
        self.journal.drop_unsent();
        self.journal.poll();
    }

    /// Sends; waits if the journal thread is behind, which a bench can outrun.
    fn send(&mut self) {
        while self
            .session
            .send(
                NOW,
                msg_type::NEW_ORDER_SINGLE,
                1024,
                write_order,
                &mut self.journal,
            )
            .is_err()
        {
            self.sent();
            std::thread::yield_now();
        }
        self.sent();
    }
}

fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("receive");
    group.throughput(Throughput::Elements(1));
    let mut index = FieldIndex::with_capacity(64);

    let bytes = frame(msg_type::HEARTBEAT, 2, |_| {});
    let heartbeat = index.read(&bytes).unwrap();
    let mut up = Up::new();
    group.bench_function("heartbeat", |bencher| {
        bencher.iter(|| {
            let step = up
                .session
                .receive(NOW, black_box(&heartbeat), Origin::Wire, &mut up.journal);
            // The same number is expected again.
            up.journal.set_next_in(2);
            up.journal.poll();
            step
        });
    });

    let bytes = order(2);
    let order = index.read(&bytes).unwrap();
    let mut up = Up::new();
    group.bench_function("application message", |bencher| {
        bencher.iter(|| {
            let mut step = up
                .session
                .receive(NOW, black_box(&order), Origin::Wire, &mut up.journal);
            if let Step::Deliver(_) = step {
                step = up
                    .session
                    .delivered(NOW, &order, Verdict::Accept, &mut up.journal);
            }
            up.journal.set_next_in(2);
            up.journal.poll();
            step
        });
    });
    group.finish();
}

fn send(c: &mut Criterion) {
    let mut group = c.benchmark_group("send");
    group.throughput(Throughput::Elements(1));
    let mut up = Up::new();
    group.bench_function("NewOrderSingle", |bencher| bencher.iter(|| up.send()));
    group.finish();
}

fn resend(c: &mut Criterion) {
    const STEP: usize = 32;
    let mut group = c.benchmark_group("resend");
    group.throughput(Throughput::Elements(STEP as u64));
    let mut up = Up::new();
    for _ in 0..STEP * 100 {
        up.send();
    }
    let bytes = frame(msg_type::RESEND_REQUEST, 2, |body| {
        body.uint(tag::BEGIN_SEQ_NO, 2).uint(tag::END_SEQ_NO, 0);
    });
    let mut request_index = FieldIndex::with_capacity(64);
    let request = request_index.read(&bytes).unwrap();
    let mut index = FieldIndex::with_capacity(64);
    group.bench_function("step of 32 messages", |bencher| {
        bencher.iter(|| {
            if !up.session.is_replaying() {
                // Something new in between, or the request would be taken for a loop.
                up.send();
                let step = up
                    .session
                    .receive(NOW, &request, Origin::Wire, &mut up.journal);
                assert_eq!(step, Step::Done);
                up.journal.set_next_in(2);
            }
            let replayed: Replayed = up
                .session
                .replay(NOW, STEP, &mut index, &mut (), &mut up.journal);
            up.sent();
            replayed
        });
    });
    group.finish();
}

fn logons(c: &mut Criterion) {
    let mut up = Up::new();
    let bytes = logon();
    let mut index = FieldIndex::with_capacity(64);
    let logon = index.read(&bytes).unwrap();
    c.bench_function("logon/received and answered", |bencher| {
        bencher.iter(|| {
            up.session.disconnected(NOW, &mut up.journal);
            up.journal.set_next_in(1);
            let mut step = up
                .session
                .receive(NOW, black_box(&logon), Origin::Wire, &mut up.journal);
            if step == Step::Authenticate {
                step = up.session.admit(NOW, Admission::Admit, &mut up.journal);
            }
            up.sent();
            step
        });
    });
}

/// One connection that always has one more order to read.
struct MemoryNetwork {
    logon: Option<Vec<u8>>,
    order: Vec<u8>,
    /// Where the nine digits of MsgSeqNum(34) are, and the sum of everything else before the trailer.
    seq_at: usize,
    sum: u32,
    seq: u64,
    accepted: bool,
    readable: bool,
}

const LINK: LinkId = LinkId {
    index: 0,
    generation: 0,
};

impl MemoryNetwork {
    fn new() -> Self {
        let mut order = order(999_999_999);
        let seq_at = order
            .windows(4)
            .position(|window| window == b"\x0134=")
            .unwrap()
            + 4;
        order[seq_at..seq_at + 9].fill(b'0');
        let sum = order[..order.len() - 7]
            .iter()
            .map(|&byte| u32::from(byte))
            .sum::<u32>()
            - 9 * u32::from(b'0');
        Self {
            logon: Some(logon()),
            order,
            seq_at,
            sum,
            seq: 2,
            accepted: false,
            readable: false,
        }
    }
}

impl Network for MemoryNetwork {
    fn listen(
        &mut self,
        address: SocketAddr,
        _: Reuse,
        _: &SocketOptions,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        Ok((ListenerId(0), address))
    }

    fn connect(
        &mut self,
        _: SocketAddr,
        _: Option<SocketAddr>,
        _: &SocketOptions,
    ) -> io::Result<LinkId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn tune(&mut self, _: LinkId, _: &SocketOptions) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        if !std::mem::replace(&mut self.accepted, true) {
            ready.push(Ready::Accepted {
                listener: ListenerId(0),
                link: LINK,
                peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            });
        }
        ready.push(Ready::Readable(LINK));
        self.readable = true;
        Ok(())
    }

    fn receive(&mut self, _: LinkId, room: &mut [u8]) -> io::Result<usize> {
        // One message for each poll.
        if !std::mem::replace(&mut self.readable, false) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(logon) = self.logon.take() {
            room[..logon.len()].copy_from_slice(&logon);
            return Ok(logon.len());
        }
        let len = self.order.len();
        if room.len() < len {
            // The engine holds messages back until the journal thread has caught up.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (mut rest, mut sum) = (self.seq, self.sum);
        self.seq += 1;
        for digit in self.order[self.seq_at..self.seq_at + 9].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            sum += u32::from(*digit);
            rest /= 10;
        }
        for (place, divisor) in (len - 4..len - 1).zip([100, 10, 1]) {
            self.order[place] = b'0' + (sum % 256 / divisor % 10) as u8;
        }
        room[..len].copy_from_slice(&self.order);
        Ok(len)
    }

    fn send(&mut self, _: LinkId, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn finish(&mut self, _: LinkId) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, _: LinkId) {}
}

struct Venue {
    answered: u64,
}

impl Application for Venue {
    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let order = &inbound.message;
        let sent = out.send(inbound.session, msg_type::EXECUTION_REPORT, |report| {
            report
                .str(tag::ORDER_ID, "V1")
                .bytes(tag::CL_ORD_ID, order.get(tag::CL_ORD_ID).unwrap_or(b"?"))
                .str(tag::EXEC_ID, "E1")
                .char(tag::EXEC_TYPE, b'0')
                .char(tag::ORD_STATUS, b'0')
                .bytes(tag::SYMBOL, order.get(tag::SYMBOL).unwrap_or(b"?"))
                .char(tag::SIDE, b'1')
                .uint(tag::LEAVES_QTY, 5)
                .uint(tag::CUM_QTY, 0)
                .uint(tag::AVG_PX, 0);
        });
        self.answered += u64::from(sent.is_ok());
        Verdict::Accept
    }
}

/// An engine with one session on a network made of memory.
struct Turn {
    engine: Engine,
    venue: Venue,
    session: SessionHandle,
}

impl Turn {
    fn new() -> Self {
        let keeper = Keeper::start("keeper").unwrap();
        let network = Box::new(MemoryNetwork::new());
        let mut engine = Engine::with(EngineConfig::default(), network, keeper).unwrap();
        engine
            .listen(SocketAddr::from(([127, 0, 0, 1], 1)), None)
            .unwrap();
        let mut config = SessionConfig::acceptor(&FIX44, "VENUE", "CLIENT");
        config.journal = journal_config();
        let (session, _) = engine.add_session(config, NOW).unwrap();
        let mut turn = Self {
            engine,
            venue: Venue { answered: 0 },
            session,
        };
        turn.once();
        assert_eq!(turn.engine.next_numbers(session), Some((2, 2)));
        turn.once();
        assert_eq!((turn.venue.answered, turn.next_in()), (1, 3));
        turn
    }

    fn next_in(&self) -> u64 {
        self.engine.next_numbers(self.session).unwrap().1
    }

    #[inline(never)]
    fn once(&mut self) -> usize {
        self.engine.poll(NOW, &mut self.venue)
    }
}

fn turn(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(1));
    let mut turn = Turn::new();
    group.bench_function("turn", |bencher| bencher.iter(|| turn.once()));
    group.finish();
}

criterion_group!(benches, receive, send, resend, logons, turn);

fn main() {
    if let Ok(turns) = std::env::var("PINFIX_TURNS") {
        let turns: u64 = turns.parse().expect("PINFIX_TURNS is a number of turns");
        let mut turn = Turn::new();
        for _ in 0..turns {
            turn.once();
        }
        println!(
            "{} messages taken, {} answered",
            turn.next_in() - 2,
            turn.venue.answered
        );
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}

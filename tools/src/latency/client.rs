//! The client's thread: an initiator that sends orders and measures how long their reports take.
//!
//! The stamp of sending is taken right before an order is built, that of receiving as the first thing
//! in the callback. Between the two nothing of the harness runs but what an application must do: find
//! the order a report is for. Round trips are put down in room that was there before, and are added up
//! between blocks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use pinfix::counters::StatusReader;
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Event, Inbound, Outbound, SbeInbound, SessionHandle,
    Ticker,
};
use pinfix::session::fix::Verdict;
use pinfix::session::{Cause, Refusal, fixp};
use pinfix::time::{Mono, Now, TimestampPrecision, TimestampWriter};
use pinfix::wire::fix::{Message, Printable, msg_type, tag};
use pinfix::wire::sbe::Frame;
use pinfix::wire::sbe::ilink3::{BusinessReject, ExecutionReportNew, VERSION};

use super::course::{Course, FinishOnDrop, Pause, Step};
use super::floor::{HEAD_START_NS, Probe};
use super::plan::{Journals, Plan, Protocol};
use super::results::{Cycles, Late, Measured, Stages};
use super::schedule::Load;
use super::venue::Ready;
use super::watchers::{self, Compared, Watch};
use crate::ending;
use crate::order::{self, Ilink3Ticket, OrderIds, Ticket};

/// How long the sessions may take to log on, and to log out.
const LOGON_PATIENCE: Duration = Duration::from_secs(10);

/// A report that takes this long will not come.
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

/// An order sent this long after it was due was sent late.
pub const LATE_NS: u64 = 10_000;

/// How many orders that are due are sent before the network is looked at again.
const SEND_BATCH: usize = 16;

/// Runs the client until everything is measured.
pub fn run(
    plan: &Plan,
    journals: &Journals,
    course: &Course,
    ready: &Ready,
    watch: Option<&Watch>,
) -> anyhow::Result<Measured> {
    let _finish = FinishOnDrop(course);
    let mut client = Client::new(plan, journals, course, ready)?;
    if let (Some(watch), Some(session)) = (watch, client.sessions.first()) {
        let controller = client.engine.reference().controller()?;
        let mut subject = watch
            .subject
            .lock()
            .map_err(|_| anyhow!("nobody watches"))?;
        *subject = Some((controller, *session));
    }
    // The engine is there, and with it the thread that keeps the journals, which must not be pinned.
    plan.cores.pin_client()?;
    client.log_on()?;
    let measured = client.measure(ready);
    let ended = client.log_out();
    let mut measured = measured?;
    ended?;
    measured.orders = client.sent;
    measured.replies = client.app.answered;
    measured.more_replies = client.app.more;
    Ok(measured)
}

struct Client<'a> {
    plan: &'a Plan,
    course: &'a Course,
    engine: Engine,
    clock: Clock,
    app: Blotter,
    sessions: Vec<SessionHandle>,
    ids: OrderIds,
    stamp: TimestampWriter,
    /// Orders sent, warm-up and all.
    sent: u64,
    /// Exchanges of both kinds that are done.
    progress: u64,
    late: Late,
}

/// What came back.
struct Blotter {
    ticker: Ticker,
    ids: OrderIds,
    /// Number of the first order of the block.
    first: u64,
    /// Of each order of the block: when it was sent, or due; 0 before that and once it is answered,
    /// so all 0 between blocks.
    stamps: Vec<u64>,
    /// Round trips of the block before this order are not put down.
    lead_in: usize,
    round_trips: Vec<u64>,
    /// Orders of the block that are not answered.
    outstanding: usize,
    answered: u64,
    /// Reports for orders that were answered before.
    more: u64,
    reply_bytes: u64,
    logged_on: usize,
    logging_out: bool,
    clean_ends: usize,
    trouble: Option<String>,
}

impl<'a> Client<'a> {
    fn new(
        plan: &'a Plan,
        journals: &Journals,
        course: &'a Course,
        ready: &Ready,
    ) -> anyhow::Result<Self> {
        let mut clock = Clock::new();
        let now = clock.now();
        let mut engine = Engine::new(EngineConfig {
            name: "pinfix latency, client".to_owned(),
            status_page: plan.status_page.clone(),
            ..EngineConfig::default()
        })?;
        let mut sessions = Vec::new();
        for config in plan.client_sessions(venue_address(plan, ready)?)? {
            sessions.push(engine.add_session(journals.apply(config), now)?.0);
        }
        let block_max = plan.warm_up.max(plan.blocks.size + plan.blocks.lead_in);
        let ids = OrderIds::new(now.utc);
        let ticker = clock.ticker();
        Ok(Self {
            plan,
            course,
            engine,
            clock,
            app: Blotter {
                ticker,
                ids,
                first: 0,
                stamps: vec![0; block_max],
                lead_in: 0,
                round_trips: Vec::with_capacity(block_max),
                outstanding: 0,
                answered: 0,
                more: 0,
                reply_bytes: 0,
                logged_on: 0,
                logging_out: false,
                clean_ends: 0,
                trouble: None,
            },
            sessions,
            ids,
            stamp: TimestampWriter::new(),
            sent: 0,
            progress: 0,
            late: Late::default(),
        })
    }

    fn log_on(&mut self) -> anyhow::Result<()> {
        let end = self.clock.now().mono + LOGON_PATIENCE;
        while self.app.logged_on < self.sessions.len() {
            self.poll_once()?;
            if self.clock.now().mono >= end {
                let missing = self.sessions.len() - self.app.logged_on;
                bail!("{missing} sessions got no answer to their Logon within 10 s");
            }
        }
        Ok(())
    }

    /// Warms up, then measures in alternating blocks.
    fn measure(&mut self, ready: &Ready) -> anyhow::Result<Measured> {
        let blocks = self.plan.blocks;
        self.engine_block(self.plan.warm_up, self.plan.warm_up, Load::Closed)?;
        let (request, reply) = self.frame_bytes()?;
        self.course.set_frame_bytes(request, reply);

        let block_max = self.plan.warm_up.max(blocks.size + blocks.lead_in);
        let mut floor_trips = Vec::with_capacity(block_max);
        self.course.go_to(Step::Floor);
        let ticker = self.clock.ticker();
        let mut probe = Probe::connect(ready.floor, ticker, block_max)?;
        self.floor_block(
            &mut probe,
            self.plan.floor_warm_up(),
            Load::Closed,
            &mut floor_trips,
        )?;

        let client_status = self.engine.status_reader();
        let pages: Vec<&StatusReader> = std::iter::once(&client_status)
            .chain(ready.venue.as_ref().map(|(_, venue)| venue))
            .collect();
        let before = Stages::read(&pages);
        self.late = Late::default();
        let mut measured = Measured::new(request, reply)?;
        let load = self.plan.load;
        let mut compared = match self.plan.watched {
            true => Some(Compared::new()?),
            false => None,
        };
        let mut section = Instant::now();
        let mut watched = false;
        let mut cycles = Cycles::read(&client_status);
        for size in blocks.sizes() {
            floor_trips.clear();
            self.course.go_to(Step::Floor);
            self.floor_block(&mut probe, size + blocks.lead_in, load, &mut floor_trips)?;
            self.course.go_to(Step::Engine);
            self.course.set_watched(watched);
            self.engine_block(size + blocks.lead_in, blocks.lead_in, load)?;
            self.course.set_watched(false);
            measured.floor.add(&floor_trips[blocks.lead_in..]);
            let Some(compared) = &mut compared else {
                measured.round_trip.add(&self.app.round_trips);
                continue;
            };
            let now = Cycles::read(&client_status);
            let (trips, sum) = match watched {
                true => (&mut compared.round_trip, &mut compared.cycle),
                false => (&mut measured.round_trip, &mut compared.cycle_alone),
            };
            trips.add(&self.app.round_trips);
            now.add_since(&cycles, sum);
            cycles = now;
            if section.elapsed() >= watchers::SECTION {
                watched = !watched;
                section = Instant::now();
            }
        }
        measured.compared = compared;
        let (engine_in, engine_out) = Stages::read(&pages).since(&before);
        measured.engine_in = engine_in;
        measured.engine_out = engine_out;
        measured.late = self.late;
        Ok(measured)
    }

    fn floor_block(
        &mut self,
        probe: &mut Probe,
        exchanges: usize,
        load: Load,
        round_trips: &mut Vec<u64>,
    ) -> anyhow::Result<()> {
        probe.run(exchanges, load, self.course, self.progress, round_trips)?;
        self.progress += exchanges as u64;
        Ok(())
    }

    /// Sends `orders` and waits for the report of each. Puts down the round trips of all but the first
    /// `lead_in`.
    fn engine_block(&mut self, orders: usize, lead_in: usize, load: Load) -> anyhow::Result<()> {
        self.course.go_to(Step::Engine);
        self.app.begin_block(self.sent, lead_in);
        let ticker = self.clock.ticker();
        let start = ticker.now() + HEAD_START_NS;
        let mut sent = 0;
        let mut seen = self.app.answered;
        let mut heard_at = self.clock.now().mono;
        while sent < orders || self.app.outstanding > 0 {
            let now = self.clock.now();
            let work = self.engine.poll(now, &mut self.app);
            if self.app.answered != seen {
                seen = self.app.answered;
                heard_at = now.mono;
                self.course
                    .set_progress(self.progress + sent as u64 - self.app.outstanding as u64);
            }
            match load {
                Load::Closed => {
                    if self.app.outstanding == 0 && sent < orders {
                        sent += usize::from(self.send(now, sent, ticker.now())?);
                    }
                }
                Load::Open(_) => {
                    for _ in 0..SEND_BATCH {
                        let due = start + load.due_ns(sent);
                        let at = ticker.now();
                        if sent == orders || at < due || !self.send(now, sent, due)? {
                            break;
                        }
                        self.late.note(at - due);
                        sent += 1;
                    }
                }
            }
            self.check(now, heard_at)?;
            if work == 0 && self.course.pause == Pause::Yield {
                std::thread::yield_now();
            }
        }
        self.progress += orders as u64;
        Ok(())
    }

    /// Sends order `nth` of the block, whose round trip counts from `stamp`. Answers whether there was
    /// room for it.
    #[inline]
    fn send(&mut self, now: Now, nth: usize, stamp: u64) -> anyhow::Result<bool> {
        let session = self.sessions[nth % self.sessions.len()];
        self.app.stamps[nth] = stamp;
        let cl_ord_id = self.ids.text(self.sent);
        let mut out = self.engine.outbound(now);
        let sent = match self.plan.protocol {
            Protocol::Fix => {
                let transact_time = self.stamp.write(now.utc, TimestampPrecision::Millis);
                out.send(session, msg_type::NEW_ORDER_SINGLE, |body| {
                    order::write(body, &Ticket::default(), cl_ord_id, transact_time);
                })
            }
            Protocol::Ilink3 => {
                let ticket = Ilink3Ticket::default();
                let request = self.sent;
                out.send_sbe(session, order::ILINK3_ROOM, |room| {
                    order::write_ilink3(room, VERSION, &ticket, cl_ord_id, request)
                })
            }
        };
        match sent {
            Ok(_) => {
                self.sent += 1;
                self.app.outstanding += 1;
                Ok(true)
            }
            // It stays due: the time it waits is counted.
            Err(Refusal::Full(_)) => {
                self.app.stamps[nth] = 0;
                Ok(false)
            }
            Err(refusal) => match self.app.trouble.take() {
                Some(trouble) => Err(anyhow!(trouble)),
                None => Err(refusal).context("an order could not be sent"),
            },
        }
    }

    #[inline]
    fn check(&mut self, now: Now, heard_at: Mono) -> anyhow::Result<()> {
        if self.app.trouble.is_some() {
            bail!(self.app.trouble.take().unwrap_or_default());
        }
        if self.course.is_interrupted() {
            bail!("interrupted");
        }
        if self.app.outstanding > 0 && now.mono.since(heard_at) > REPLY_PATIENCE {
            bail!(
                "no report came for 10 s: {} orders were sent and {} are answered",
                self.sent,
                self.app.answered
            );
        }
        Ok(())
    }

    /// The mean length of the frames so far, of requests and of replies.
    fn frame_bytes(&mut self) -> anyhow::Result<(u64, u64)> {
        // A session shows what it sent when it is settled, in the cycle after.
        self.poll_once()?;
        let (mut bytes, mut frames) = (0, 0);
        for entry in self.engine.status_reader().sessions() {
            let status = entry.context("reading the status page")?.status;
            bytes += status.bytes_out;
            frames += status.messages_out;
        }
        let mean = |bytes: u64, count: u64| (bytes + count / 2) / count.max(1);
        Ok((
            mean(bytes, frames).max(1),
            mean(self.app.reply_bytes, self.app.answered).max(1),
        ))
    }

    fn poll_once(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let work = self.engine.poll(now, &mut self.app);
        if work == 0 {
            self.course.pause.take();
        }
        self.check(now, now.mono)
    }

    fn log_out(&mut self) -> anyhow::Result<()> {
        self.course.go_to(Step::Engine);
        self.app.logging_out = true;
        let pause = self.course.pause;
        let (engine, clock) = (&mut self.engine, &mut self.clock);
        if !ending::log_out(engine, clock, &mut self.app, LOGON_PATIENCE, || {
            pause.take()
        }) {
            bail!("the sessions did not log out within 10 s");
        }
        match self.app.trouble.take() {
            Some(trouble) => bail!(trouble),
            None if self.app.clean_ends < self.sessions.len() => {
                bail!("not every session was logged out")
            }
            None => Ok(()),
        }
    }
}

fn venue_address(plan: &Plan, ready: &Ready) -> anyhow::Result<SocketAddr> {
    plan.connect
        .or(ready.venue.as_ref().map(|(address, _)| *address))
        .context("there is no venue to connect to")
}

impl Blotter {
    fn begin_block(&mut self, first: u64, lead_in: usize) {
        self.first = first;
        self.lead_in = lead_in;
        self.round_trips.clear();
    }

    #[inline]
    fn report(&mut self, received: u64, cl_ord_id: Option<&[u8]>, bytes: usize) {
        let number = cl_ord_id.and_then(|text| self.ids.number(text));
        let Some(number) = number else { return };
        let nth = number.wrapping_sub(self.first);
        let stamp = usize::try_from(nth)
            .ok()
            .and_then(|nth| self.stamps.get_mut(nth));
        match stamp {
            Some(stamp) if *stamp != 0 => {
                if nth >= self.lead_in as u64 {
                    self.round_trips.push(received.saturating_sub(*stamp));
                }
                *stamp = 0;
                self.outstanding -= 1;
                self.answered += 1;
                self.reply_bytes += bytes as u64;
            }
            _ => self.more += 1,
        }
    }

    fn rejected(&mut self, reject: &Message<'_>) {
        let text = reject.get(tag::TEXT).unwrap_or_default();
        self.note(format!("the venue rejected an order: {}", Printable(text)));
    }

    /// The first trouble is the one that matters.
    fn note(&mut self, trouble: String) {
        self.trouble.get_or_insert(trouble);
    }
}

impl Application for Blotter {
    fn on_logon(&mut self, _: SessionHandle, _: &mut Outbound<'_>) {
        self.logged_on += 1;
    }

    #[inline]
    fn on_message(&mut self, inbound: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        let received = self.ticker.now();
        match inbound.message.msg_type() {
            msg_type::EXECUTION_REPORT => {
                let message = &inbound.message;
                self.report(received, message.get(tag::CL_ORD_ID), message.frame().len());
            }
            msg_type::BUSINESS_MESSAGE_REJECT => self.rejected(&inbound.message),
            _ => {}
        }
        Verdict::Accept
    }

    #[inline]
    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, _: &mut Outbound<'_>) -> fixp::Verdict {
        let received = self.ticker.now();
        let bytes = inbound.frame.bytes();
        let Ok(frame) = Frame::new(bytes) else {
            return fixp::Verdict::Accept;
        };
        if let Ok(report) = ExecutionReportNew::read(&frame) {
            self.report(received, Some(report.cl_ord_id()), bytes.len());
        } else if let Ok(reject) = BusinessReject::read(&frame) {
            let text = Printable(reject.text().unwrap_or_default());
            self.note(format!("the venue rejected an order: {text}"));
        }
        fixp::Verdict::Accept
    }

    fn on_reject(&mut self, _: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        self.rejected(reject);
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        match cause {
            Cause::LogoutConfirmed if self.logging_out => self.clean_ends += 1,
            _ => {
                let number = session.number();
                self.note(format!("session {number} of the client ended: {cause}"));
            }
        }
    }

    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::ConnectFailed {
                destination, why, ..
            } => {
                self.note(format!("cannot connect to {destination}: {why}"));
            }
            Event::LogonFailed { cause, .. } => self.note(format!("cannot log on: {cause}")),
            _ => {}
        }
    }
}

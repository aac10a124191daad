//! The venue's thread: an acceptor that answers each order with one report, in the callback; and the
//! far end of the floor.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use pinfix::counters::StatusReader;
use pinfix::engine::{
    Application, Clock, Engine, EngineConfig, Inbound, Outbound, SbeInbound, SessionHandle,
};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::Rules;
use pinfix::session::{Cause, fixp};
use pinfix::time::Now;
use pinfix::wire::fix::{Decimal, FieldError, Message, msg_type, tag};
use pinfix::wire::sbe::ilink3::{ExecutionReportNewEncoder, NewOrderSingle, OrdType, VERSION};
use pinfix::wire::sbe::{EncodeError, Frame};

use super::course::{Course, Pause, Step};
use super::floor::Echo;
use super::plan::{Journals, Plan};
use crate::ending;
use crate::report::{Happening, Report};

/// How long the sessions may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// How often a thread that is not wanted looks whether it is.
const NAP: Duration = Duration::from_millis(1);

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Where the client finds everything.
pub struct Ready {
    /// The acceptor, if there is one in this process.
    pub venue: Option<(SocketAddr, StatusReader)>,
    /// The far end of the floor.
    pub floor: SocketAddr,
}

/// Runs an acceptor and the far end of the floor until the run ends. Answers how many orders came.
pub fn run(
    plan: &Plan,
    journals: &Journals,
    course: &Course,
    ready: &SyncSender<Ready>,
) -> anyhow::Result<u64> {
    let listener = TcpListener::bind(LOOPBACK).context("listening for the floor")?;
    let floor = listener.local_addr().context("listening for the floor")?;
    let mut clock = Clock::new();
    // Made before the thread is pinned, so that the thread that keeps the journals is not.
    let mut engine = Engine::new(EngineConfig {
        name: "pinfix latency, venue".to_owned(),
        status_page: plan.status_page_of_venue(),
        ..EngineConfig::default()
    })?;
    for config in plan.venue_sessions()? {
        engine.add_session(journals.apply(config), clock.now())?;
    }
    let address = engine.listen_as(plan.venue_port(LOOPBACK))?;
    let status = engine.status_reader();
    plan.cores.pin_venue()?;
    // The main thread waits for it.
    let _ = ready.send(Ready {
        venue: Some((address, status)),
        floor,
    });
    let mut app = Responder {
        rules: plan.rules,
        orders: 0,
        trouble: None,
    };
    let mut echo = None;
    loop {
        match course.step() {
            Step::Engine => poll_while_engine(&mut engine, &mut clock, &mut app, course),
            Step::Floor => answer_floor(&mut echo, &listener, course)?,
            Step::Finish => break,
        }
    }
    stop(&mut engine, &mut clock, &mut app);
    match app.trouble {
        Some(trouble) => Err(anyhow!(trouble)),
        None => Ok(app.orders),
    }
}

/// Runs only the far end of the floor: the venue is somebody else's.
pub fn run_floor_only(plan: &Plan, course: &Course, ready: &SyncSender<Ready>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(LOOPBACK).context("listening for the floor")?;
    let floor = listener.local_addr().context("listening for the floor")?;
    plan.cores.pin_venue()?;
    let _ = ready.send(Ready { venue: None, floor });
    let mut echo = None;
    loop {
        match course.step() {
            // The core may be the one the other venue runs on.
            Step::Engine => std::thread::sleep(NAP),
            Step::Floor => answer_floor(&mut echo, &listener, course)?,
            Step::Finish => return Ok(()),
        }
    }
}

fn poll_while_engine(engine: &mut Engine, clock: &mut Clock, app: &mut Responder, course: &Course) {
    while course.step() == Step::Engine {
        let work = engine.poll(clock.now(), app);
        if work == 0 && course.pause == Pause::Yield {
            std::thread::yield_now();
        }
    }
}

fn answer_floor(
    echo: &mut Option<Echo>,
    listener: &TcpListener,
    course: &Course,
) -> anyhow::Result<()> {
    if echo.is_none() {
        *echo = Echo::accept(listener, course)?;
    }
    match echo {
        Some(echo) => echo.run(course),
        None => Ok(()),
    }
}

/// Ends the sessions that the client has not ended, and lets what was sent arrive.
fn stop(engine: &mut Engine, clock: &mut Clock, app: &mut Responder) {
    // What is not done by then is told by the client.
    ending::log_out(engine, clock, app, STOP_PATIENCE, || {});
}

/// One report for each order.
struct Responder {
    rules: &'static Rules,
    orders: u64,
    trouble: Option<String>,
}

impl Application for Responder {
    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        if inbound.message.msg_type() != msg_type::NEW_ORDER_SINGLE {
            self.trouble = Some("the venue received something that is no order".to_owned());
            return Verdict::Accept;
        }
        self.orders += 1;
        let rules = self.rules;
        let answered = report(&inbound.message, self.orders, out.now()).map(|report| {
            out.send(inbound.session, msg_type::EXECUTION_REPORT, |body| {
                report.write(rules, body);
            })
        });
        match answered {
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) => {
                self.trouble = Some(format!("the venue could not send a report: {refusal}"));
            }
            Err(error) => self.trouble = Some(format!("the venue could not read an order: {error}")),
        }
        Verdict::Accept
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, out: &mut Outbound<'_>) -> fixp::Verdict {
        let frame = Frame::new(inbound.frame.bytes()).map_err(Into::into);
        let order = match frame.and_then(|frame| NewOrderSingle::read(&frame)) {
            Ok(order) => order,
            Err(error) => {
                self.trouble = Some(format!("the venue could not read an order: {error}"));
                return fixp::Verdict::Accept;
            }
        };
        self.orders += 1;
        let (number, now) = (self.orders, out.now());
        let sent = out.send_sbe(inbound.session, REPORT_ROOM, |room| {
            acknowledge(room, &order, number, now)
        });
        if let Err(refusal) = sent {
            self.trouble = Some(format!("the venue could not send a report: {refusal}"));
        }
        fixp::Verdict::Accept
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        if !matches!(cause, Cause::PeerLogout(_)) {
            let number = session.number();
            self.trouble = Some(format!("session {number} of the venue ended: {cause}"));
        }
    }
}

/// The bytes that an ExecutionReportNew(522) needs at most.
const REPORT_ROOM: usize = 256;

/// Writes an ExecutionReportNew(522). Answers its length.
fn acknowledge(
    room: &mut [u8],
    order: &NewOrderSingle<'_>,
    number: u64,
    now: Now,
) -> Result<usize, EncodeError> {
    let mut report = ExecutionReportNewEncoder::new(room, VERSION)?;
    report
        .exec_id(order.cl_ord_id())
        .sender_id(order.sender_id())
        .cl_ord_id(order.cl_ord_id())
        .party_details_list_req_id(order.party_details_list_req_id())
        .order_id(number)
        .transact_time(now.utc.0)
        .order_request_id(order.order_request_id())
        .location(order.location())
        .security_id(order.security_id())
        .order_qty(order.order_qty())
        .ord_type(OrdType(order.ord_type().0))
        .side(order.side())
        .manual_order_indicator(order.manual_order_indicator())
        .exec_inst(order.exec_inst());
    if let Some(price) = order.price() {
        report.price(price);
    }
    if let Some(time_in_force) = order.time_in_force() {
        report.time_in_force(time_in_force);
    }
    report.finish()
}

fn report<'a>(order: &Message<'a>, number: u64, now: Now) -> Result<Report<'a>, FieldError> {
    Ok(Report {
        happening: Happening::Filled,
        order_id: number,
        exec_id: number,
        cl_ord_id: order.bytes(tag::CL_ORD_ID)?,
        orig_cl_ord_id: None,
        symbol: order.bytes(tag::SYMBOL)?,
        side: order.bytes(tag::SIDE)?,
        quantity: order.decimal(tag::ORDER_QTY)?,
        price: order.decimal(tag::PRICE).unwrap_or(Decimal::ZERO),
        at: now.utc,
    })
}

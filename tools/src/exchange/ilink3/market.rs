//! What trades behind the gateway: open orders, and the reports on them.
//!
//! Of an order everything goes into its reports that they have room for. An order is found by its
//! OrderID(37), or by ClOrdID(11) if a request has none.

use std::collections::BTreeMap;

use pinfix::engine::{Outbound, SessionHandle};
use pinfix::session::fixp::{self, Verdict};
use pinfix::session::{Refusal, Text};
use pinfix::time::Utc;
use pinfix::wire::fix::Decimal;
use pinfix::wire::sbe::ilink3::{
    ExecInst, ExecutionMode, ExecutionReportCancelEncoder, ExecutionReportEliminationEncoder,
    ExecutionReportModifyEncoder, ExecutionReportNewEncoder, ExecutionReportRejectEncoder,
    ExecutionReportStatusEncoder, ExecutionReportTradeOutrightEncoder, Flag, ManualOrder,
    MassActionOrdType, MassActionResponse, MassActionScope, MassCancelRequestType,
    MassCancelTimeInForce, NewOrdType, NewOrderSingle, OptionalFlag, OptionalSide, OrdStatus, OrdType,
    OrderCancelRejectEncoder, OrderCancelReplaceRejectEncoder, OrderCancelReplaceRequest,
    OrderCancelRequest, OrderMassActionReportEncoder, OrderMassActionRequest, OrderStatusRequest,
    ShortSaleType, SideWithUndisclosed, TimeInForce, TradeOrdStatus,
};
use pinfix::wire::sbe::{EncodeError, Frame, Price9};

use super::super::orders::OPEN_MAX;
use super::super::{Fills, Terms, UNSUPPORTED_TYPE};

/// The longest report there is, with room to spare.
const ROOM: usize = 1420;

/// Entries of NoAffectedOrders(534) that fit into one OrderMassActionReport(562).
const AFFECTED_MAX: usize = 39;

/// BusinessRejectReason(380): application not available, unknown message.
const NOT_AVAILABLE: u16 = 4;
/// OrdRejReason(103) and CxlRejReason(102): other; Text(58) tells.
const OTHER: u16 = 99;
/// OrdRejReason(103): order exceeds limit.
const EXCEEDS_LIMIT: u16 = 3;
/// CxlRejReason(102): unknown order.
const UNKNOWN_ORDER: u16 = 1;
/// MassActionRejectReason(1376): mass action not supported.
const NOT_SUPPORTED: u8 = 0;

const NS_PER_DAY: u64 = 86_400_000_000_000;

/// The market.
pub struct Market {
    fills: Fills,
    market_price: Price9,
    /// By session and OrderID(37).
    open: BTreeMap<(SessionHandle, u64), Order>,
    last_id: u64,
}

/// An order.
#[derive(Clone, Debug)]
struct Order {
    id: u64,
    cl_ord_id: Vec<u8>,
    sender_id: Vec<u8>,
    location: Vec<u8>,
    party_details_list_req_id: u64,
    order_request_id: u64,
    security_id: i32,
    side: SideWithUndisclosed,
    ord_type: NewOrdType,
    time_in_force: Option<TimeInForce>,
    /// Of an order without one, what such orders trade at.
    price: Price9,
    stop_px: Option<Price9>,
    order_qty: u32,
    min_qty: Option<u32>,
    display_qty: Option<u32>,
    expire_date: Option<u16>,
    manual_order_indicator: ManualOrder,
    exec_inst: ExecInst,
    execution_mode: Option<ExecutionMode>,
    liquidity_flag: Option<OptionalFlag>,
    managed_order: Option<OptionalFlag>,
    short_sale_type: Option<ShortSaleType>,
    discretion_price: Option<Price9>,
}

/// What every report has: of what, under which number, when.
struct Report<'a> {
    order: &'a Order,
    exec_id: String,
    at: Utc,
    version: u16,
}

/// Sets what has a value.
macro_rules! fill_in {
    ($to:ident, $from:ident; $($field:ident)*) => {
        $(if let Some(value) = $from.$field {
            $to.$field(value);
        })*
    };
}

/// Writes what every report of an order has.
macro_rules! report_on {
    ($to:ident, $report:ident) => {{
        let order = $report.order;
        $to.exec_id($report.exec_id.as_bytes())
            .sender_id(&order.sender_id)
            .cl_ord_id(&order.cl_ord_id)
            .party_details_list_req_id(order.party_details_list_req_id)
            .order_id(order.id)
            .price(order.price)
            .transact_time($report.at.0)
            .order_request_id(order.order_request_id)
            .location(&order.location)
            .security_id(order.security_id)
            .order_qty(order.order_qty)
            // A report has the same characters.
            .ord_type(OrdType(order.ord_type.0))
            .side(order.side)
            .manual_order_indicator(order.manual_order_indicator)
            .exec_inst(order.exec_inst);
        fill_in!($to, order; stop_px expire_date time_in_force execution_mode liquidity_flag
            managed_order short_sale_type discretion_price);
    }};
}

impl Market {
    pub fn new(terms: Terms, started: Utc) -> Self {
        Self {
            fills: terms.fills,
            market_price: price9(terms.market_price),
            open: BTreeMap::new(),
            // Other numbers than those of an earlier run, and above the orders that it left behind.
            last_id: started.0 / 1000,
        }
    }

    /// Answers a business message, in `version` of the schema.
    ///
    /// # Errors
    /// The answer cannot be sent.
    pub fn take(
        &mut self,
        session: SessionHandle,
        version: u16,
        frame: &fixp::Frame<'_>,
        out: &mut Outbound<'_>,
    ) -> Result<Verdict, Refusal> {
        let Ok(frame) = Frame::new(frame.bytes()) else {
            return Ok(unsupported());
        };
        let mut desk = Desk {
            market: self,
            session,
            version,
            out,
        };
        if let Ok(order) = NewOrderSingle::read(&frame) {
            desk.new_order(&order)?;
        } else if let Ok(request) = OrderCancelReplaceRequest::read(&frame) {
            desk.replace(&request)?;
        } else if let Ok(request) = OrderCancelRequest::read(&frame) {
            desk.cancel(&request)?;
        } else if let Ok(request) = OrderStatusRequest::read(&frame) {
            desk.status(&request)?;
        } else if let Ok(request) = OrderMassActionRequest::read(&frame) {
            desk.mass_action(&request)?;
        } else {
            return Ok(unsupported());
        }
        Ok(Verdict::Accept)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The open order of this OrderID(37), or of this ClOrdID(11) if there is no OrderID.
    fn find(&self, session: SessionHandle, id: Option<u64>, cl_ord_id: &[u8]) -> Option<u64> {
        match id {
            Some(id) => self.open.contains_key(&(session, id)).then_some(id),
            None => self
                .open
                .range((session, 0)..=(session, u64::MAX))
                .find(|(_, order)| order.cl_ord_id == cl_ord_id)
                .map(|(key, _)| key.1),
        }
    }
}

/// The market as one session sees it.
struct Desk<'d, 'o> {
    market: &'d mut Market,
    session: SessionHandle,
    version: u16,
    out: &'d mut Outbound<'o>,
}

impl Desk<'_, '_> {
    fn send(
        &mut self,
        write: impl FnOnce(&mut [u8], u16) -> Result<usize, EncodeError>,
    ) -> Result<(), Refusal> {
        let version = self.version;
        self.out
            .send_sbe(self.session, ROOM, |room| write(room, version))
            .map(drop)
    }

    /// Makes a report on an order and sends it.
    fn report(
        &mut self,
        order: &Order,
        write: impl FnOnce(&mut [u8], &Report<'_>) -> Result<usize, EncodeError>,
    ) -> Result<(), Refusal> {
        let exec_id = self.market.next_id().to_string();
        let at = self.out.now().utc;
        self.send(|room, version| {
            let report = Report {
                order,
                exec_id,
                at,
                version,
            };
            write(room, &report)
        })
    }

    fn new_order(&mut self, asked: &NewOrderSingle<'_>) -> Result<(), Refusal> {
        let order = Order {
            id: self.market.next_id(),
            cl_ord_id: asked.cl_ord_id().to_vec(),
            sender_id: asked.sender_id().to_vec(),
            location: asked.location().to_vec(),
            party_details_list_req_id: asked.party_details_list_req_id(),
            order_request_id: asked.order_request_id(),
            security_id: asked.security_id(),
            side: asked.side(),
            ord_type: asked.ord_type(),
            time_in_force: asked.time_in_force(),
            price: asked.price().unwrap_or(self.market.market_price),
            stop_px: asked.stop_px(),
            order_qty: asked.order_qty(),
            min_qty: asked.min_qty(),
            display_qty: asked.display_qty(),
            expire_date: asked.expire_date(),
            manual_order_indicator: asked.manual_order_indicator(),
            exec_inst: asked.exec_inst(),
            execution_mode: asked.execution_mode(),
            liquidity_flag: asked.liquidity_flag(),
            managed_order: asked.managed_order(),
            short_sale_type: asked.short_sale_type(),
            discretion_price: asked.discretion_price(),
        };
        let limited = [NewOrdType::LIMIT, NewOrdType::STOP_LIMIT].contains(&order.ord_type);
        let wrong = if order.order_qty == 0 {
            Some((OTHER, "OrderQty must be above 0"))
        } else if limited && asked.price().is_none() {
            Some((OTHER, "a limit order needs Price"))
        } else if self.market.open.len() >= OPEN_MAX {
            Some((EXCEEDS_LIMIT, "too many open orders"))
        } else {
            None
        };
        if let Some((reason, text)) = wrong {
            return self.report(&order, |room, report| rejected(room, report, reason, text));
        }
        self.report(&order, acknowledged)?;
        if self.market.fills == Fills::One {
            let trade = self.market.next_id();
            return self.report(&order, |room, report| traded(room, report, trade));
        }
        let at_once = [TimeInForce::FILL_AND_KILL, TimeInForce::FILL_OR_KILL];
        if order.time_in_force.is_some_and(|it| at_once.contains(&it)) {
            return self.report(&order, eliminated);
        }
        self.market.open.insert((self.session, order.id), order);
        Ok(())
    }

    fn replace(&mut self, asked: &OrderCancelReplaceRequest<'_>) -> Result<(), Refusal> {
        let session = self.session;
        let found = self
            .market
            .find(session, asked.order_id(), asked.cl_ord_id());
        let order = found.and_then(|id| self.market.open.get(&(session, id)));
        let wrong = match order {
            None => Some((UNKNOWN_ORDER, "no such order is open")),
            Some(_) if asked.order_qty() == 0 => Some((OTHER, "OrderQty must be above 0")),
            Some(order) if asked.security_id() != order.security_id || asked.side() != order.side => {
                Some((OTHER, "SecurityID and Side of an order stay as they are"))
            }
            Some(_) => None,
        };
        let order = match (order, wrong) {
            (Some(order), None) => Order {
                cl_ord_id: asked.cl_ord_id().to_vec(),
                sender_id: asked.sender_id().to_vec(),
                location: asked.location().to_vec(),
                party_details_list_req_id: asked.party_details_list_req_id(),
                order_request_id: asked.order_request_id(),
                ord_type: asked.ord_type(),
                time_in_force: asked.time_in_force(),
                price: asked.price().unwrap_or(order.price),
                stop_px: asked.stop_px(),
                order_qty: asked.order_qty(),
                min_qty: asked.min_qty(),
                display_qty: asked.display_qty(),
                expire_date: asked.expire_date(),
                manual_order_indicator: asked.manual_order_indicator(),
                exec_inst: asked.exec_inst(),
                execution_mode: asked.execution_mode(),
                liquidity_flag: asked.liquidity_flag(),
                managed_order: asked.managed_order(),
                short_sale_type: asked.short_sale_type(),
                discretion_price: asked.discretion_price(),
                ..order.clone()
            },
            (_, wrong) => {
                let (reason, text) = wrong.unwrap_or((UNKNOWN_ORDER, ""));
                let (exec_id, at) = (self.market.next_id().to_string(), self.out.now().utc);
                return self.send(|room, version| {
                    OrderCancelReplaceRejectEncoder::new(room, version)?
                        .text(text.as_bytes())
                        .exec_id(exec_id.as_bytes())
                        .sender_id(asked.sender_id())
                        .cl_ord_id(asked.cl_ord_id())
                        .party_details_list_req_id(asked.party_details_list_req_id())
                        .order_id(asked.order_id().unwrap_or_default())
                        .transact_time(at.0)
                        .order_request_id(asked.order_request_id())
                        .location(asked.location())
                        .cxl_rej_reason(reason)
                        .manual_order_indicator(asked.manual_order_indicator())
                        .finish()
                });
            }
        };
        self.report(&order, modified)?;
        self.market.open.insert((session, order.id), order);
        Ok(())
    }

    fn cancel(&mut self, asked: &OrderCancelRequest<'_>) -> Result<(), Refusal> {
        let session = self.session;
        let found = self
            .market
            .find(session, asked.order_id(), asked.cl_ord_id());
        let order = found.and_then(|id| self.market.open.get(&(session, id)));
        let Some(order) = order else {
            let (exec_id, at) = (self.market.next_id().to_string(), self.out.now().utc);
            return self.send(|room, version| {
                OrderCancelRejectEncoder::new(room, version)?
                    .text(b"no such order is open")
                    .exec_id(exec_id.as_bytes())
                    .sender_id(asked.sender_id())
                    .cl_ord_id(asked.cl_ord_id())
                    .party_details_list_req_id(asked.party_details_list_req_id())
                    .order_id(asked.order_id().unwrap_or_default())
                    .transact_time(at.0)
                    .order_request_id(asked.order_request_id())
                    .location(asked.location())
                    .cxl_rej_reason(UNKNOWN_ORDER)
                    .manual_order_indicator(asked.manual_order_indicator())
                    .finish()
            });
        };
        let order = Order {
            cl_ord_id: asked.cl_ord_id().to_vec(),
            sender_id: asked.sender_id().to_vec(),
            location: asked.location().to_vec(),
            party_details_list_req_id: asked.party_details_list_req_id(),
            order_request_id: asked.order_request_id(),
            manual_order_indicator: asked.manual_order_indicator(),
            ..order.clone()
        };
        self.report(&order, canceled)?;
        self.market.open.remove(&(session, order.id));
        Ok(())
    }

    /// An order that is not open has the status Undefined: done orders are not remembered.
    fn status(&mut self, asked: &OrderStatusRequest<'_>) -> Result<(), Refusal> {
        let key = (self.session, asked.order_id());
        let request = asked.ord_status_req_id();
        if let Some(order) = self.market.open.get(&key).cloned() {
            return self.report(&order, |room, report| working(room, report, request));
        }
        let (exec_id, at) = (self.market.next_id().to_string(), self.out.now().utc);
        self.send(|room, version| {
            ExecutionReportStatusEncoder::new(room, version)?
                .text(b"no such order is open")
                .exec_id(exec_id.as_bytes())
                .sender_id(asked.sender_id())
                .party_details_list_req_id(asked.party_details_list_req_id())
                .order_id(asked.order_id())
                .transact_time(at.0)
                .ord_status_req_id(request)
                .location(asked.location())
                .ord_status(OrdStatus::UNDEFINED)
                .side(SideWithUndisclosed::UNDISCLOSED)
                .manual_order_indicator(asked.manual_order_indicator())
                .last_rpt_requested(OptionalFlag::TRUE)
                .finish()
        })
    }

    /// Cancels all orders of the session, or those of an instrument; groups of instruments it does not
    /// know. Orders that match are in the reports, as many of them as it takes.
    fn mass_action(&mut self, asked: &OrderMassActionRequest<'_>) -> Result<(), Refusal> {
        let session = self.session;
        let scope = asked.mass_action_scope();
        let response = match scope {
            MassActionScope::INSTRUMENT if asked.security_id().is_some() => {
                MassActionResponse::ACCEPTED
            }
            MassActionScope::ALL => MassActionResponse::ACCEPTED,
            _ => MassActionResponse::REJECTED,
        };
        let is_meant = |order: &Order| {
            response == MassActionResponse::ACCEPTED
                && (scope == MassActionScope::ALL || asked.security_id() == Some(order.security_id))
                && asked.side().is_none_or(|side| side.0 == order.side.0)
                && asked.ord_type().is_none_or(|it| it.0 == order.ord_type.0)
                && asked
                    .time_in_force()
                    .is_none_or(|it| order.time_in_force.is_some_and(|of| of.0 == it.0))
        };
        let affected: Vec<Order> = self
            .market
            .open
            .range((session, 0)..=(session, u64::MAX))
            .map(|(_, order)| order)
            .filter(|order| is_meant(order))
            .cloned()
            .collect();
        let total = u32::try_from(affected.len()).unwrap_or(u32::MAX);
        let id = self.market.next_id();
        let at = self.out.now().utc;
        let mut rest = &affected[..];
        loop {
            let (these, others) = rest.split_at(rest.len().min(AFFECTED_MAX));
            let last = if others.is_empty() {
                Flag::TRUE
            } else {
                Flag::FALSE
            };
            self.send(|room, version| {
                let mut to = OrderMassActionReportEncoder::new(room, version)?;
                to.sender_id(asked.sender_id())
                    .party_details_list_req_id(asked.party_details_list_req_id())
                    .transact_time(at.0)
                    .order_request_id(asked.order_request_id())
                    .mass_action_report_id(id)
                    .location(asked.location())
                    .mass_action_response(response)
                    .manual_order_indicator(asked.manual_order_indicator())
                    .mass_action_scope(scope)
                    .total_affected_orders(total)
                    .last_fragment(last);
                if response == MassActionResponse::REJECTED {
                    to.mass_action_reject_reason(NOT_SUPPORTED);
                }
                let asked = Echo::of(asked);
                fill_in!(to, asked; security_group security_id market_segment_id
                    mass_cancel_request_type side ord_type time_in_force liquidity_flag);
                to.no_affected_orders(these.len(), |nth, entry| {
                    if let Some(order) = these.get(nth) {
                        entry
                            .orig_ci_ord_id(&order.cl_ord_id)
                            .affected_order_id(order.id)
                            .cxl_quantity(order.order_qty);
                    }
                })
                .finish()
            })?;
            for order in these {
                self.market.open.remove(&(session, order.id));
            }
            if others.is_empty() {
                return Ok(());
            }
            rest = others;
        }
    }
}

/// What an OrderMassActionReport(562) repeats of its request.
struct Echo<'a> {
    security_group: Option<&'a [u8]>,
    security_id: Option<i32>,
    market_segment_id: Option<u8>,
    mass_cancel_request_type: Option<MassCancelRequestType>,
    side: Option<OptionalSide>,
    ord_type: Option<MassActionOrdType>,
    time_in_force: Option<MassCancelTimeInForce>,
    liquidity_flag: Option<OptionalFlag>,
}

impl<'a> Echo<'a> {
    fn of(asked: &OrderMassActionRequest<'a>) -> Self {
        Self {
            security_group: asked.security_group(),
            security_id: asked.security_id(),
            market_segment_id: asked.market_segment_id(),
            mass_cancel_request_type: asked.mass_cancel_request_type(),
            side: asked.side(),
            ord_type: asked.ord_type(),
            time_in_force: asked.time_in_force(),
            liquidity_flag: asked.liquidity_flag(),
        }
    }
}

fn acknowledged(room: &mut [u8], report: &Report<'_>) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportNewEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.finish()
}

fn rejected(
    room: &mut [u8],
    report: &Report<'_>,
    reason: u16,
    text: &str,
) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportRejectEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.ord_rej_reason(reason).text(text.as_bytes()).finish()
}

fn modified(room: &mut [u8], report: &Report<'_>) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportModifyEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.cum_qty(0).leaves_qty(order.order_qty).finish()
}

fn canceled(room: &mut [u8], report: &Report<'_>) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportCancelEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.cum_qty(0).finish()
}

fn eliminated(room: &mut [u8], report: &Report<'_>) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportEliminationEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.cum_qty(0).finish()
}

fn working(room: &mut [u8], report: &Report<'_>, request: u64) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportStatusEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    fill_in!(to, order; min_qty display_qty);
    to.ord_status_req_id(request)
        .ord_status(OrdStatus::NEW)
        .cum_qty(0)
        .leaves_qty(order.order_qty)
        .last_rpt_requested(OptionalFlag::TRUE)
        .finish()
}

/// The whole quantity, in one fill.
fn traded(room: &mut [u8], report: &Report<'_>, trade: u64) -> Result<usize, EncodeError> {
    let mut to = ExecutionReportTradeOutrightEncoder::new(room, report.version)?;
    report_on!(to, report);
    let order = report.order;
    // What is left of a greater number tells trades of one day apart.
    let entry = (trade % 1_000_000_000) as u32;
    let day = u16::try_from(report.at.0 / NS_PER_DAY).unwrap_or_default();
    to.last_px(order.price)
        .sec_exec_id(trade)
        .last_qty(order.order_qty)
        .cum_qty(order.order_qty)
        .leaves_qty(0)
        .md_trade_entry_id(entry)
        .side_trade_id(entry)
        .trade_date(day)
        .ord_status(TradeOrdStatus::FILLED)
        .aggressor_indicator(Flag::TRUE)
        .no_fills(1, |_, fill| {
            fill.fill_px(order.price)
                .fill_qty(order.order_qty)
                .fill_exec_id(b"1");
        })
        .finish()
}

/// The answer to a message that nothing here understands.
fn unsupported() -> Verdict {
    Verdict::BusinessReject {
        reason: UNSUPPORTED_TYPE,
        text: Text::lossy(b"Unsupported message type"),
    }
}

/// The answer to a message whose answer cannot be sent.
pub fn unavailable() -> Verdict {
    Verdict::BusinessReject {
        reason: NOT_AVAILABLE,
        text: Text::lossy(b"The answer could not be sent"),
    }
}

fn price9(price: Decimal) -> Price9 {
    Price9::parse(&price.to_string()).unwrap_or_default()
}

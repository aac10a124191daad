//! The application of the exchange: what it answers to whom.

use std::collections::BTreeMap;

use pinfix::engine::{Application, Event, Inbound, MESSAGE_ROOM, Outbound, SessionHandle};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::Rules;
use pinfix::session::{Cause, Refusal, SessionId, Text};
use pinfix::time::Utc;
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{
    Decimal, FieldError, FieldErrorKind, FrameWriter, HeaderFields, Message, Printable, msg_type,
};

use super::echo::{self, BodyOrder, Seen};
use super::orders::{Order, Orders, Owner};
use super::{Fills, UNSUPPORTED_TYPE};
use crate::bulletin::Bulletin;
use crate::news;
use crate::report::{Happening, Report};

/// SessionRejectReason(373): required tag missing.
const TAG_MISSING: u16 = 1;
/// SessionRejectReason(373): value is incorrect (out of range) for this tag.
const VALUE_INCORRECT: u16 = 5;
/// SessionRejectReason(373): incorrect data format for value.
const FORMAT_INCORRECT: u16 = 6;
/// BusinessRejectReason(380): application not available.
const NOT_AVAILABLE: u16 = 4;
/// BusinessRejectReason(380): conditionally required field missing.
const CONDITIONAL_MISSING: u16 = 5;
/// OrdRejReason(103): order exceeds limit.
const EXCEEDS_LIMIT: u64 = 3;
/// OrdRejReason(103): duplicate order.
const DUPLICATE: u64 = 6;

/// Of how many symbols the last price is remembered.
const SYMBOLS_MAX: usize = 10_000;

/// How the venue trades.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What happens to orders.
    pub fills: Fills,
    /// What orders without a Price(44) trade at.
    pub market_price: Decimal,
    /// What it does with messages.
    pub conduct: Conduct,
    /// How bodies are sent back on sessions that are added at run time.
    pub added: BodyOrder,
}

/// What the venue does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It trades.
    Trade,
    /// It sends them back.
    Echo,
}

/// The exchange.
pub struct Venue {
    terms: Terms,
    orders: Orders,
    bulletin: Bulletin,
    /// By number of the session.
    known: Vec<Known>,
    /// The trader whose message is being answered, where several share a session.
    trader: Option<Box<[u8]>>,
    /// What symbols were last traded at, of a venue that tells.
    last: Option<BTreeMap<Box<[u8]>, Decimal>>,
}

/// A session that is served.
struct Known {
    name: String,
    rules: &'static Rules,
    body_order: BodyOrder,
    seen: Seen,
}

/// What a NewOrderSingle(D) asks for.
struct Asked<'a> {
    cl_ord_id: &'a [u8],
    symbol: &'a [u8],
    side: &'a [u8],
    quantity: Decimal,
    price: Decimal,
}

/// Why a request cannot be looked into.
enum Unfit {
    Field(FieldError),
    /// OrderQty(38) is not above 0.
    Quantity,
    /// A limit order without a Price(44).
    NoPrice,
}

impl Unfit {
    fn verdict(&self) -> Verdict {
        let reject = |reason, ref_tag, text: &str| Verdict::Reject {
            reason,
            ref_tag,
            text: Text::lossy(text.as_bytes()),
        };
        match self {
            Self::Field(error) if error.kind == FieldErrorKind::Missing => {
                reject(TAG_MISSING, error.tag, "Required tag missing")
            }
            Self::Field(error) => reject(
                FORMAT_INCORRECT,
                error.tag,
                "Incorrect data format for value",
            ),
            Self::Quantity => reject(
                VALUE_INCORRECT,
                tag::ORDER_QTY,
                "OrderQty(38) must be above 0",
            ),
            Self::NoPrice => Verdict::BusinessReject {
                reason: CONDITIONAL_MISSING,
                text: Text::lossy(b"A limit order needs Price(44)"),
            },
        }
    }
}

impl Venue {
    pub fn new(terms: Terms, bulletin: Bulletin, started: Utc) -> Self {
        Self {
            terms,
            orders: Orders::new(started),
            bulletin,
            known: Vec::new(),
            trader: None,
            last: None,
        }
    }

    /// Remembers from now on what symbols are traded at.
    pub fn remember_prices(&mut self) {
        self.last.get_or_insert_default();
    }

    /// What a symbol was last traded at, or what an order without a Price(44) would be.
    pub fn price(&self, symbol: &[u8]) -> Decimal {
        let last = self.last.as_ref().and_then(|last| last.get(symbol));
        last.copied().unwrap_or(self.terms.market_price)
    }

    /// The symbols that were traded.
    pub fn traded(&self) -> Vec<Box<[u8]>> {
        self.last
            .iter()
            .flatten()
            .map(|(symbol, _)| symbol.clone())
            .collect()
    }

    /// A number that was not used before.
    pub fn next_id(&mut self) -> u64 {
        self.orders.next_id()
    }

    /// Notes a trade; of more symbols than a venue has, only those that came first.
    fn note_trade(&mut self, symbol: &[u8], price: Decimal) {
        let Some(last) = &mut self.last else { return };
        if let Some(noted) = last.get_mut(symbol) {
            *noted = price;
        } else if last.len() < SYMBOLS_MAX {
            last.insert(symbol.into(), price);
        }
    }

    /// Says whose message is answered next: TargetSubID(57) of what is sent, and the owner of orders.
    pub fn answer(&mut self, trader: Option<&[u8]>) {
        self.trader = trader.map(Into::into);
    }

    fn owner(&self, session: SessionHandle) -> Owner {
        Owner {
            session,
            trader: self.trader.clone(),
        }
    }

    /// Sends a message to whom is being answered.
    pub fn send(
        &self,
        out: &mut Outbound<'_>,
        session: SessionHandle,
        msg_type: &[u8],
        write: impl FnOnce(&mut FrameWriter<'_>),
    ) -> Result<(), Refusal> {
        let header = self.trader.as_deref().map(|trader| {
            let mut header = HeaderFields::new();
            header.bytes(tag::TARGET_SUB_ID, trader);
            header
        });
        out.send_with(session, msg_type, header.as_ref(), MESSAGE_ROOM, write)
            .map(drop)
    }

    /// Answers with a BusinessMessageReject(j) that names the trader, where there is one.
    pub fn turn_down(
        &self,
        inbound: &Inbound<'_>,
        reason: u16,
        text: Text,
        out: &mut Outbound<'_>,
    ) -> Verdict {
        let verdict = Verdict::BusinessReject { reason, text };
        let message = &inbound.message;
        let Some(seq) = message
            .get(tag::MSG_SEQ_NUM)
            .filter(|_| self.trader.is_some())
        else {
            return verdict;
        };
        let kind = msg_type::BUSINESS_MESSAGE_REJECT;
        let sent = self.send(out, inbound.session, kind, |body| {
            body.bytes(tag::REF_SEQ_NUM, seq)
                .bytes(tag::REF_MSG_TYPE, message.msg_type())
                .uint(tag::BUSINESS_REJECT_REASON, reason.into())
                .bytes(tag::TEXT, text.as_bytes());
        });
        match sent {
            Ok(()) => Verdict::Accept,
            Err(_) => verdict,
        }
    }

    /// Tells people something.
    pub fn say(&self, text: String) {
        self.bulletin.say(text);
    }

    /// Tells the venue of a session. They come in the order of their handles.
    pub fn serve(&mut self, id: &SessionId, rules: &'static Rules, body_order: BodyOrder) {
        self.known.push(Known {
            name: id.to_string(),
            rules,
            body_order,
            seen: Seen::default(),
        });
    }

    fn rules_of(&self, session: SessionHandle) -> Option<&'static Rules> {
        Some(self.known.get(session.number())?.rules)
    }

    fn name(&self, session: SessionHandle) -> &str {
        let known = self.known.get(session.number());
        known.map_or("a session", |known| &known.name)
    }

    fn new_order(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let session = inbound.session;
        let asked = match self.read_order(&inbound.message) {
            Ok(asked) => asked,
            Err(unfit) => return unfit.verdict(),
        };
        let Some(rules) = self.rules_of(session) else {
            return unavailable("no version is known for this session");
        };
        let mut report = Report {
            happening: Happening::New,
            order_id: self.orders.next_id(),
            exec_id: self.orders.next_id(),
            cl_ord_id: asked.cl_ord_id,
            orig_cl_ord_id: None,
            symbol: asked.symbol,
            side: asked.side,
            quantity: asked.quantity,
            price: asked.price,
            at: out.now().utc,
        };
        if self.orders.is_open(&self.owner(session), asked.cl_ord_id) {
            report.happening = Happening::Rejected(DUPLICATE, "an open order has this ClOrdID");
        } else if self.orders.is_full() {
            report.happening = Happening::Rejected(EXCEEDS_LIMIT, "too many open orders");
        }
        if let Err(refusal) = self.report(out, session, rules, &report) {
            return self.cannot_answer(session, refusal);
        }
        if report.happening != Happening::New {
            return Verdict::Accept;
        }
        if self.terms.fills == Fills::One {
            report.happening = Happening::Filled;
            report.exec_id = self.orders.next_id();
            match self.report(out, session, rules, &report) {
                Ok(()) => {
                    self.note_trade(asked.symbol, asked.price);
                    return Verdict::Accept;
                }
                Err(refusal) => {
                    let id = Printable(asked.cl_ord_id);
                    self.bulletin.say(format!(
                        "{}: order {id} stays open, its fill could not be sent: {refusal}",
                        self.name(session)
                    ));
                }
            }
        }
        self.orders.add(
            self.owner(session),
            asked.cl_ord_id,
            Order {
                id: report.order_id,
                symbol: asked.symbol.into(),
                side: asked.side.into(),
                quantity: asked.quantity,
            },
        );
        Verdict::Accept
    }

    fn read_order<'a>(&self, order: &Message<'a>) -> Result<Asked<'a>, Unfit> {
        let asked = Asked {
            cl_ord_id: required(order, tag::CL_ORD_ID)?,
            side: required(order, tag::SIDE)?,
            symbol: required(order, tag::SYMBOL)?,
            quantity: order.decimal(tag::ORDER_QTY).map_err(Unfit::Field)?,
            price: match (order.get(tag::ORD_TYPE), order.get(tag::PRICE)) {
                (Some(b"1"), _) => self.terms.market_price,
                (Some(b"2"), None) => return Err(Unfit::NoPrice),
                (_, None) => self.terms.market_price,
                (_, Some(_)) => order.decimal(tag::PRICE).map_err(Unfit::Field)?,
            },
        };
        if asked.quantity.mantissa() <= 0 {
            return Err(Unfit::Quantity);
        }
        Ok(asked)
    }

    fn cancel(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let session = inbound.session;
        let ids = required(&inbound.message, tag::CL_ORD_ID)
            .and_then(|new| Ok((new, required(&inbound.message, tag::ORIG_CL_ORD_ID)?)));
        let (cl_ord_id, original) = match ids {
            Ok(ids) => ids,
            Err(unfit) => return unfit.verdict(),
        };
        let Some(rules) = self.rules_of(session) else {
            return unavailable("no version is known for this session");
        };
        let exec_id = self.orders.next_id();
        let owner = self.owner(session);
        let sent = match self.orders.get(&owner, original) {
            Some(order) => self.report(
                out,
                session,
                rules,
                &Report {
                    happening: Happening::Canceled,
                    order_id: order.id,
                    exec_id,
                    cl_ord_id,
                    orig_cl_ord_id: Some(original),
                    symbol: &order.symbol,
                    side: &order.side,
                    quantity: order.quantity,
                    price: Decimal::ZERO,
                    at: out.now().utc,
                },
            ),
            None => self.send(out, session, msg_type::ORDER_CANCEL_REJECT, |body| {
                body.str(tag::ORDER_ID, "NONE")
                    .bytes(tag::CL_ORD_ID, cl_ord_id)
                    .bytes(tag::ORIG_CL_ORD_ID, original)
                    // OrdStatus(39) 8, Rejected: what the standard has for an unknown order.
                    .char(tag::ORD_STATUS, b'8')
                    // CxlRejResponseTo(434) 1: to a cancel request.
                    .char(tag::CXL_REJ_RESPONSE_TO, b'1')
                    // CxlRejReason(102) 1: unknown order.
                    .char(tag::CXL_REJ_REASON, b'1')
                    .str(tag::TEXT, "no open order has this OrigClOrdID");
            }),
        };
        match sent {
            Ok(()) => {
                self.orders.remove(&owner, original);
                Verdict::Accept
            }
            Err(refusal) => self.cannot_answer(session, refusal),
        }
    }

    fn report(
        &self,
        out: &mut Outbound<'_>,
        session: SessionHandle,
        rules: &'static Rules,
        report: &Report<'_>,
    ) -> Result<(), Refusal> {
        self.send(out, session, msg_type::EXECUTION_REPORT, |body| {
            report.write(rules, body);
        })
    }

    /// Answers a message of a peer that expects its messages back.
    fn echo(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        let session = inbound.session;
        let Some(known) = self.known.get_mut(session.number()) else {
            return unavailable("no version is known for this session");
        };
        let message = &inbound.message;
        if !echo::is_sent_back(message.msg_type()) {
            return echo::refused(message, known.rules);
        }
        if known.seen.is_resent(message) {
            return Verdict::Accept;
        }
        match echo::send_back(inbound, known.rules, known.body_order, out) {
            Ok(()) => {
                known.seen.remember(message);
                Verdict::Accept
            }
            Err(refusal) => self.cannot_answer(session, refusal),
        }
    }

    /// Tells the peer, and the people, that an answer could not be sent.
    pub fn cannot_answer(&self, session: SessionHandle, refusal: Refusal) -> Verdict {
        self.bulletin.say(format!(
            "{}: an answer could not be sent: {refusal}",
            self.name(session)
        ));
        unavailable("the answer could not be sent")
    }
}

impl Application for Venue {
    fn on_logon(&mut self, session: SessionHandle, _: &mut Outbound<'_>) {
        if let Some(known) = self.known.get_mut(session.number()) {
            known.seen.clear();
        }
        self.bulletin
            .say(format!("{} logged on", self.name(session)));
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
        match inbound.message.msg_type() {
            // Never answered: two engines would reject each other's rejects for ever.
            msg_type::BUSINESS_MESSAGE_REJECT => {
                self.bulletin.say(news::of_reject(
                    self.name(inbound.session),
                    &inbound.message,
                ));
                Verdict::Accept
            }
            _ if self.terms.conduct == Conduct::Echo => self.echo(inbound, out),
            msg_type::NEW_ORDER_SINGLE => self.new_order(inbound, out),
            msg_type::ORDER_CANCEL_REQUEST => self.cancel(inbound, out),
            _ => Verdict::BusinessReject {
                reason: UNSUPPORTED_TYPE,
                text: Text::lossy(b"Unsupported Message Type"),
            },
        }
    }

    fn on_reject(&mut self, session: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        self.bulletin
            .say(news::of_reject(self.name(session), reject));
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.bulletin
            .say(format!("{} ended: {cause}", self.name(session)));
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::SessionAdded {
            session,
            id,
            rules: Some(rules),
            ..
        } = event
        {
            // One that was removed left its number to it.
            let known = Known {
                name: id.to_string(),
                rules,
                body_order: self.terms.added,
                seen: Seen::default(),
            };
            match self.known.get_mut(session.number()) {
                Some(before) => *before = known,
                None => self.known.push(known),
            }
        }
        if let Some(text) = news::of_event(event, |session| self.name(session)) {
            self.bulletin.say(text);
        }
    }
}

fn required<'a>(message: &Message<'a>, tag: Tag) -> Result<&'a [u8], Unfit> {
    message.bytes(tag).map_err(Unfit::Field)
}

fn unavailable(text: &str) -> Verdict {
    Verdict::BusinessReject {
        reason: NOT_AVAILABLE,
        text: Text::lossy(text.as_bytes()),
    }
}

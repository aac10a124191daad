//! The order that `latency` and `run` send over and over, and the ClOrdID(11) it is recognised by.
//!
//! Nothing here allocates.

use pinfix::time::Utc;
use pinfix::wire::fix::{FrameWriter, tag};
use pinfix::wire::sbe::ilink3::{
    ExecInst, ManualOrder, NewOrdType, NewOrderSingleEncoder, SideWithUndisclosed, TimeInForce,
};
use pinfix::wire::sbe::{EncodeError, Price9};

const PREFIX_BYTES: usize = 8;
const DIGITS: usize = 10;

/// ClOrdIDs of one run: its start, then a number. The run's start keeps them apart from those of
/// earlier runs, which a venue may remember.
///
/// ```text
///   K2M9Q0X1 0000012345
///   start    number of the order
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OrderIds {
    text: [u8; PREFIX_BYTES + DIGITS],
}

impl OrderIds {
    pub fn new(started: Utc) -> Self {
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut text = [b'0'; PREFIX_BYTES + DIGITS];
        let mut rest = started.0 / 1_000_000;
        for letter in text[..PREFIX_BYTES].iter_mut().rev() {
            *letter = LETTERS[(rest % 32) as usize];
            rest /= 32;
        }
        Self { text }
    }

    /// The ClOrdID of order `number`.
    #[inline]
    pub fn text(&mut self, number: u64) -> &[u8] {
        let mut rest = number;
        for digit in self.text[PREFIX_BYTES..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.text
    }

    /// The number of the order with this ClOrdID; `None` if it is none of this run.
    #[inline]
    pub fn number(&self, text: &[u8]) -> Option<u64> {
        if text.len() != self.text.len() || text[..PREFIX_BYTES] != self.text[..PREFIX_BYTES] {
            return None;
        }
        text[PREFIX_BYTES..].iter().try_fold(0, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| number * 10 + u64::from(digit))
        })
    }
}

/// What is ordered: bought at a limit.
#[derive(Clone, Copy, Debug)]
pub struct Ticket<'a> {
    /// Symbol(55).
    pub symbol: &'a str,
    /// OrderQty(38).
    pub quantity: &'a str,
    /// Price(44).
    pub price: &'a str,
}

impl Default for Ticket<'static> {
    fn default() -> Self {
        Self {
            symbol: "ESZ6",
            quantity: "5",
            price: "4512.25",
        }
    }
}

/// Writes the body of a limit order that every version accepts.
#[inline]
pub fn write(body: &mut FrameWriter<'_>, ticket: &Ticket<'_>, cl_ord_id: &[u8], transact_time: &[u8]) {
    body.bytes(tag::CL_ORD_ID, cl_ord_id)
        // HandlInst(21) 1, automated: required in FIX.4.2.
        .char(tag::HANDL_INST, b'1')
        .str(tag::SYMBOL, ticket.symbol)
        .char(tag::SIDE, b'1')
        .bytes(tag::TRANSACT_TIME, transact_time)
        .str(tag::ORDER_QTY, ticket.quantity)
        .char(tag::ORD_TYPE, b'2')
        .str(tag::PRICE, ticket.price);
}

/// The bytes that an order of iLink 3 needs at most.
pub const ILINK3_ROOM: usize = 256;

/// What is ordered in iLink 3: bought at a limit, good for the day.
#[derive(Clone, Copy, Debug)]
pub struct Ilink3Ticket<'a> {
    /// SecurityID(48).
    pub security_id: i32,
    /// OrderQty(38).
    pub quantity: u32,
    /// Price(44).
    pub price: Price9,
    /// SenderID(5392).
    pub sender_id: &'a [u8],
    /// Location(9537).
    pub location: &'a [u8],
}

impl Default for Ilink3Ticket<'static> {
    fn default() -> Self {
        Self {
            security_id: 1234,
            quantity: 5,
            price: Price9::new(4_512_250_000_000),
            sender_id: b"PINFIX",
            location: b"UK",
        }
    }
}

/// Writes a NewOrderSingle(514). Answers its length.
///
/// # Errors
/// A text of the ticket does not fit.
#[inline]
pub fn write_ilink3(
    room: &mut [u8],
    version: u16,
    ticket: &Ilink3Ticket<'_>,
    cl_ord_id: &[u8],
    request_id: u64,
) -> Result<usize, EncodeError> {
    NewOrderSingleEncoder::new(room, version)?
        .price(ticket.price)
        .order_qty(ticket.quantity)
        .security_id(ticket.security_id)
        .side(SideWithUndisclosed::BUY)
        .sender_id(ticket.sender_id)
        .cl_ord_id(cl_ord_id)
        .order_request_id(request_id)
        .location(ticket.location)
        .ord_type(NewOrdType::LIMIT)
        .time_in_force(TimeInForce::DAY)
        .manual_order_indicator(ManualOrder::AUTOMATED)
        .exec_inst(ExecInst(0))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_recognised_by_its_id_and_others_are_not() {
        let mut ids = OrderIds::new(Utc(1_795_400_000_000_000_000));
        let text = ids.text(1234).to_vec();
        assert_eq!(ids.number(&text), Some(1234));
        assert_eq!(ids.number(b"1234"), None);
        assert_eq!(ids.number(&[b'0'; PREFIX_BYTES + DIGITS]), None);
        let other = OrderIds::new(Utc(1_795_400_000_001_000_000));
        assert_eq!(other.number(&text), None);
    }
}

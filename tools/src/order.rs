//! The order that `latency` and `run` send over and over, and the ClOrdID(11) it is recognised by.
//!
//! Nothing here allocates.

use pinfix::time::Utc;
use pinfix::wire::fix::{FrameWriter, tag};

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

//! The two business messages the tests trade with.

use pinfix::wire::sbe::ilink3::{
    ExecutionReportNew, ExecutionReportNewEncoder, NewOrderSingle, NewOrderSingleEncoder,
};
use pinfix::wire::sbe::{EncodeError, Frame};

/// Writes an order. Answers its length.
pub fn order(room: &mut [u8], id: &str) -> Result<usize, EncodeError> {
    NewOrderSingleEncoder::new(room, 9)?
        .cl_ord_id(id.as_bytes())
        .order_qty(5)
        .security_id(1234)
        .finish()
}

/// Writes a report on the order with this ClOrdID(11).
pub fn report(room: &mut [u8], id: &str) -> Result<usize, EncodeError> {
    ExecutionReportNewEncoder::new(room, 9)?
        .cl_ord_id(id.as_bytes())
        .order_id(77)
        .finish()
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// An order with this ClOrdID(11).
    Order(&'a str),
    /// A report on it.
    Report(&'a str),
    /// Neither.
    Other(u16),
}

pub fn read(bytes: &[u8]) -> What<'_> {
    let frame = Frame::new(bytes).unwrap();
    if let Ok(order) = NewOrderSingle::read(&frame) {
        return What::Order(std::str::from_utf8(order.cl_ord_id()).unwrap());
    }
    match ExecutionReportNew::read(&frame) {
        Ok(report) => What::Report(std::str::from_utf8(report.cl_ord_id()).unwrap()),
        Err(_) => What::Other(frame.template_id()),
    }
}

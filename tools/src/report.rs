//! ExecutionReport(8), with the fields each FIX version wants.
//!
//! Nothing here allocates: the latency harness answers with it on its hot path.

use pinfix::session::fix::rules::{FIX42, Rules};
use pinfix::time::{TimestampPrecision, Utc};
use pinfix::wire::fix::{Decimal, FrameWriter, tag};

/// What a report says happened. The value is that of OrdStatus(39).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The order was taken.
    New,
    /// All of it was traded at the price of the order.
    Filled,
    /// The owner took it back; OrigClOrdID(41) names the order.
    Canceled,
    /// It was not taken, with this OrdRejReason(103) and Text(58).
    Rejected(u64, &'static str),
}

/// One report, its fields borrowed from the order.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What happened.
    pub happening: Happening,
    /// OrderID(37).
    pub order_id: u64,
    /// ExecID(17).
    pub exec_id: u64,
    /// ClOrdID(11).
    pub cl_ord_id: &'a [u8],
    /// OrigClOrdID(41), of a cancellation.
    pub orig_cl_ord_id: Option<&'a [u8]>,
    /// Symbol(55).
    pub symbol: &'a [u8],
    /// Side(54).
    pub side: &'a [u8],
    /// OrderQty(38).
    pub quantity: Decimal,
    /// LastPx(31) and AvgPx(6) of a fill.
    pub price: Decimal,
    /// TransactTime(60).
    pub at: Utc,
}

impl Report<'_> {
    /// Writes the body of the report as `rules` have it.
    pub fn write(&self, rules: &'static Rules, body: &mut FrameWriter<'_>) {
        let fills_by_status = is_old(rules);
        let (exec_type, status) = match self.happening {
            Happening::New => (b'0', b'0'),
            // FIX.4.3 made one ExecType(150) of partial and full fills: F, Trade.
            Happening::Filled => (if fills_by_status { b'2' } else { b'F' }, b'2'),
            Happening::Canceled => (b'4', b'4'),
            Happening::Rejected(..) => (b'8', b'8'),
        };
        body.uint(tag::ORDER_ID, self.order_id)
            .bytes(tag::CL_ORD_ID, self.cl_ord_id);
        if let Some(original) = self.orig_cl_ord_id {
            body.bytes(tag::ORIG_CL_ORD_ID, original);
        }
        body.uint(tag::EXEC_ID, self.exec_id);
        if fills_by_status {
            // ExecTransType(20) 0, New; gone since FIX.4.3.
            body.char(tag::EXEC_TRANS_TYPE, b'0');
        }
        body.char(tag::EXEC_TYPE, exec_type)
            .char(tag::ORD_STATUS, status);
        if let Happening::Rejected(reason, _) = self.happening {
            body.uint(tag::ORD_REJ_REASON, reason);
        }
        body.bytes(tag::SYMBOL, self.symbol)
            .bytes(tag::SIDE, self.side)
            .decimal(tag::ORDER_QTY, self.quantity);
        let (leaves, done, average) = match self.happening {
            Happening::New => (self.quantity, Decimal::ZERO, Decimal::ZERO),
            Happening::Filled => {
                // LastShares(32) in FIX.4.2, LastQty(32) since: one tag.
                body.decimal(tag::LAST_QTY, self.quantity)
                    .decimal(tag::LAST_PX, self.price);
                (Decimal::ZERO, self.quantity, self.price)
            }
            Happening::Canceled | Happening::Rejected(..) => {
                (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO)
            }
        };
        body.decimal(tag::LEAVES_QTY, leaves)
            .decimal(tag::CUM_QTY, done)
            .decimal(tag::AVG_PX, average)
            .utc(tag::TRANSACT_TIME, self.at, TimestampPrecision::Millis);
        if let Happening::Rejected(_, text) = self.happening {
            body.str(tag::TEXT, text);
        }
    }
}

/// Whether reports are those of FIX.4.2.
fn is_old(rules: &'static Rules) -> bool {
    *rules == FIX42
}

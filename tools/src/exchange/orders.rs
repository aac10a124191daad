//! The orders that are open, and where numbers of orders and executions come from.

use std::collections::HashMap;

use pinfix::engine::SessionHandle;
use pinfix::time::Utc;
use pinfix::wire::fix::Decimal;

/// How many orders may be open.
pub const OPEN_MAX: usize = 100_000;

/// An order that can still be cancelled.
#[derive(Clone, Debug)]
pub struct Order {
    /// OrderID(37).
    pub id: u64,
    /// Symbol(55).
    pub symbol: Box<[u8]>,
    /// Side(54).
    pub side: Box<[u8]>,
    /// OrderQty(38).
    pub quantity: Decimal,
}

/// Whose an order is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub session: SessionHandle,
    /// The trader, where several share the session.
    pub trader: Option<Box<[u8]>>,
}

/// Open orders by owner and ClOrdID(11).
#[derive(Debug)]
pub struct Orders {
    open: HashMap<(Owner, Box<[u8]>), Order>,
    last_id: u64,
}

impl Orders {
    /// No orders. `started` makes numbers differ from those of an earlier run: they count on from the
    /// microsecond of the start.
    pub fn new(started: Utc) -> Self {
        Self {
            open: HashMap::new(),
            last_id: started.0 / 1000,
        }
    }

    /// A number that was not used before, for OrderID(37) or ExecID(17).
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    pub fn is_open(&self, owner: &Owner, cl_ord_id: &[u8]) -> bool {
        // Most orders are filled at once; the key is only made when something is open.
        !self.open.is_empty() && self.open.contains_key(&(owner.clone(), cl_ord_id.into()))
    }

    pub fn get(&self, owner: &Owner, cl_ord_id: &[u8]) -> Option<&Order> {
        self.open.get(&(owner.clone(), cl_ord_id.into()))
    }

    pub fn add(&mut self, owner: Owner, cl_ord_id: &[u8], order: Order) {
        self.open.insert((owner, cl_ord_id.into()), order);
    }

    pub fn remove(&mut self, owner: &Owner, cl_ord_id: &[u8]) {
        self.open.remove(&(owner.clone(), cl_ord_id.into()));
    }
}

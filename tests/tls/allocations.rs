//! What a record costs in allocations: the figures that the documents of `engine::tls` give.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::pki::Authority;
use crate::rig::Pair;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, counting on threads that are armed.
struct Counting;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    if ARMED.get() {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting is done beside it, in cells
// without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, len) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Of 1000 orders, each sent in a record and received, and nothing else.
fn allocations_for_1000_orders(mut pair: Pair) -> u64 {
    const IDS: [&str; 4] = ["A", "B", "C", "D"];
    pair.venue.app.replies = false;
    pair.venue.app.received.reserve(4096);
    pair.log_on();
    let mut expected = 0;
    let mut orders = |pair: &mut Pair, many: usize| {
        for _ in 0..many {
            expected += 1;
            assert!(pair.client.order(IDS[expected % IDS.len()]));
            while pair.venue.app.received.len() < expected {
                pair.client.poll();
                pair.venue.poll();
            }
        }
    };
    orders(&mut pair, 200);
    ALLOCATIONS.set(0);
    ARMED.set(true);
    orders(&mut pair, 1000);
    ARMED.set(false);
    ALLOCATIONS.get()
}

#[test]
fn a_record_costs_the_allocations_that_are_said() {
    let authority = Authority::new("A");
    let plain = allocations_for_1000_orders(Pair::new(None, None));
    let tls = Pair::new(Some(authority.server()), Some(authority.client()));
    let tls = allocations_for_1000_orders(tls);
    println!("1000 orders: {plain} allocations in plain text, {tls} over TLS");
    // The application here keeps each ClOrdID(11), which is one; now and then the keeper of the journal
    // works on this thread.
    assert!((1000..1020).contains(&plain), "{plain}");
    // One where it is sent and one where it is received.
    assert!((1980..2020).contains(&(tls - plain)), "{tls} and {plain}");
}

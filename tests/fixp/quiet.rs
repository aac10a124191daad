//! Counts what a session allocates while it works: nothing, once it is made.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    COUNTED.set(COUNTED.get().map(|count| count + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting is done beside it, in a cell that
// needs no memory of its own.
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

/// Does `work`, and answers how often it allocated on this thread.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, u64) {
    COUNTED.set(Some(0));
    let done = work();
    let count = COUNTED.replace(None).unwrap_or_default();
    (done, count)
}

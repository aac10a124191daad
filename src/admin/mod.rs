//! How a running engine is controlled from outside its loop.

pub mod queue;

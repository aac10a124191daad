//! A FIX engine for processes that sit next to an exchange.

pub mod admin;
pub mod counters;
pub mod engine;
pub mod journal;
pub mod session;
pub mod time;
pub mod wheel;
pub mod wire;

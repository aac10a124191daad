//! Pure functions over bytes. Knows formats; knows no session, no clock, no socket.

pub mod fix;
pub mod sbe;

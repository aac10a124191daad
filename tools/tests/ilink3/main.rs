//! The iLink 3 gateway that `pinfix exchange` plays, as a process, and a client in this one.
#![allow(clippy::unwrap_used)]

mod backup;
mod client;
#[path = "../command/mod.rs"]
mod command;
mod journal;
mod replay;
mod running;
mod trading;

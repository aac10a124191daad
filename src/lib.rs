//! A FIX engine in Rust for processes that sit next to an exchange: one pinned core, one busy-polled loop,
//! many sessions. It speaks FIX.4.0 to FIX.4.4, FIX.5.0, SP1 and SP2 over FIXT.1.1, and CME iLink 3 (FIXP over
//! SBE), as initiator and as acceptor, and keeps every message in a memory-mapped journal that is also its send
//! buffer.
//!
//! # The layers
//!
//! ```text
//!   engine                                   I/O, clock, application, settings files
//!   journal   wheel   admin   counters       mapped log, timers, command ring, status page
//!   venue                                    what a venue does differently, as const data
//!   session::{fix, fixp, schedule}           sans-IO protocol machines; when one may be logged on
//!   dict                                     what messages may contain
//!   wire::{fix, sbe}                         pure functions over bytes
//!   time                                     nanoseconds as values
//! ```
//!
//! Imports point downward only; `tests/house/layering.rs` checks it. What a lower layer needs of an upper
//! one it declares as a trait: [`session::Outbox`] is implemented by [`journal::Journal`],
//! [`engine::net::Network`] by [`engine::OsNetwork`] and by simulations.
//!
//! # Three walks
//!
//! *Inbound.* [`Engine::run`](engine::Engine::run) reads the clock and starts a cycle. The network says
//! which connections are readable; bytes go into the connection's buffer;
//! [`wire::fix::cut`] finds one sound message by BodyLength(9) and CheckSum(10);
//! [`FieldIndex::read`](wire::fix::FieldIndex::read) notes its fields in one pass; the session's one
//! match ([`session::fix::Session::receive`]) decides: sequence first, content second, effect third. An
//! application message reaches [`Application::on_message`](engine::Application::on_message) as a view
//! of the receive buffer. Its number is counted after that returns. A session of FIXP goes the same way:
//! [`wire::sbe::cut`], [`session::fixp::Session::receive`],
//! [`Application::on_sbe`](engine::Application::on_sbe).
//!
//! *Outbound.* [`Outbound::send`](engine::Outbound::send) claims room in the journal of a session, the
//! header is written from a template, the application writes the body in place, BodyLength and CheckSum
//! are filled in, the record is committed, and its bytes go to the socket from where they are. There is
//! no other copy, so nothing can reach the wire that a resend could not find.
//!
//! *Operator logout.* A [`Controller`](engine::Controller) on any thread, found by the identity of the
//! session where several engines run, puts a command into a ring; the
//! next cycle takes it, sets the hold, and has the session send Logout(5). The peer may still ask for
//! messages and gets them. When the peer has answered, or the logout timeout has passed, the connection
//! is closed and the command completed. Sequence numbers are never touched; a later `logon` continues
//! them.
//!
//! # What fails how
//!
//! A [`Fault`](session::Fault) is a mistake of the peer and has one disposition. A
//! [`Refusal`](session::Refusal) is a wish of the caller that cannot be met now. An [`std::io::Error`] is
//! the world's. A panic is a defect of this crate.

pub mod admin;
pub mod counters;
pub mod dict;
pub mod engine;
pub mod journal;
pub mod session;
pub mod time;
pub mod venue;
pub mod wheel;
pub mod wire;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

//! Proxies under the sessions and under TLS: those we connect through, and those that hand connections
//! to us.
//!
//! An initiator connects to the proxy, and [`Talk`](talk::Talk) asks it for the target: HTTP CONNECT, or SOCKS.
//! Before a port that expects the PROXY protocol knows who its client is, [`Header`](header::Header) reads
//! what the load balancer says of it. Both are state machines without a socket; [`Passages`] has the
//! sockets, and stands between TLS and the [`Network`](super::net::Network).
//!
//! Nothing here has a clock: the conversation has the time that connecting has, a header the time until
//! the Logon.

// A fault carries the words of the proxy, 127 bytes at most, and is not boxed: nothing allocates after the start.
#![allow(clippy::result_large_err)]

mod header;
mod http;
mod passages;
mod settings;
mod socks;
mod talk;

pub(super) use self::header::begins_like_header;
pub(super) use self::passages::{Halfway, Passages, Through};
pub use self::settings::{Proxy, ProxyHeader, ProxyProtocol, ProxyUser};
pub(super) use self::talk::Target;

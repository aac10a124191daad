//! Proxies over real sockets: those an initiator connects through, and those that hand connections to an
//! acceptor with a header of the PROXY protocol. TLS through them is in `tests/tls/proxies.rs`.
#![allow(clippy::unwrap_used)]

mod fake;
mod header;
mod through;

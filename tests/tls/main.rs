//! TLS for both roles: what is agreed, what is refused and under which name, what a stream may go
//! through, and independent peers.
#![allow(clippy::unwrap_used)]

mod agreed;
mod allocations;
mod loading;
mod openssl;
mod pki;
mod refused;
mod rig;
mod streams;

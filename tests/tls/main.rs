//! TLS for both roles: what is agreed, what is refused and under which name, what a stream may go
//! through, and independent peers.
#![allow(clippy::unwrap_used)]

mod agreed;
mod allocations;
#[path = "../proxy/fake.rs"]
mod fake;
mod loading;
mod openssl;
mod pki;
mod proxies;
mod refused;
mod rig;
mod streams;

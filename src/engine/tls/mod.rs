//! TLS under the sessions and over the network: the cycle sees plain bytes, or a fault with a name.
//!
//! [`Wire`] stands between the engine and whatever [`Network`](super::net::Network) it was given, also a
//! simulated one, and keeps a [`Line`](line) for each connection that speaks TLS. It has no clock: a
//! handshake has the time that connecting has, or on a port the time until the Logon.
//!
//! What a record costs: the plain text path of the engine is untouched, and allocates nothing. A record
//! that is sent is encrypted into a block of its own, one that arrives is decrypted in place and copied
//! into a block; both live until the bytes have moved on. `tests/tls` counts them.
//!
//! What a handshake costs: it is worked on the core, one batch of records in a cycle. The longest step is
//! that in which a key signs or a signature is looked at: some 0.2 ms with ECDSA over P-256, some 0.7 ms
//! where a key of RSA-2048 signs. The other sessions wait as long; `cargo bench --bench handshake` says.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod faults;
#[cfg(feature = "tls")]
mod line;
#[cfg(feature = "tls")]
mod load;
mod settings;
mod wire;

#[cfg(not(feature = "tls"))]
use self::absent::Line;
#[cfg(not(feature = "tls"))]
pub(super) use self::absent::{Acceptor, Dialler, acceptor, dialler};
#[cfg(feature = "tls")]
use self::line::Line;
#[cfg(feature = "tls")]
pub(super) use self::load::{Acceptor, Dialler, acceptor, dialler};
pub use self::settings::{
    AVAILABLE, Authorities, ClientCheck, Pem, ServerCheck, TlsClient, TlsConfigError, TlsIdentity,
    TlsServer, TlsVersion,
};
pub(super) use self::wire::Wire;

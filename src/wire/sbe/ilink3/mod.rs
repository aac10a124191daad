//! The messages of CME iLink 3: schema 8, versions 5 to 9.
//!
//! What is here is generated from `ilink3.xml`, a description that the project wrote itself:
//!
//! ```text
//!   pinfix sbe generate src/wire/sbe/ilink3/ilink3.xml --library crate --out src/wire/sbe/ilink3/generated
//! ```
//!
//! A test keeps the two together. Between versions fields were only appended to blocks, and groups and messages
//! added; a field that the version of a message is without is `None`. [`layout_of`] has what a session must know of a
//! message without reading it.
//!
//! Prices have nine decimals ([`Price9`](super::Price9)), times are nanoseconds since 1970 in UTC, dates days since
//! then. SeqNum is always required; UUID and PossRetransFlag are only in what the exchange sends.

mod generated;
mod layout;

pub use generated::*;
pub use layout::{Direction, Layout, OLDEST_VERSION, VERSION, check_parts, layout_of};

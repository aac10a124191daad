//! FIX tag=value: cutting frames out of a stream, reading them, writing them.
//!
//! ```text
//!  bytes --frame::cut--> frame --index::FieldIndex::read--> Message --value--> int, decimal, time
//!  HeaderTemplate + FrameWriter --> frame          encode::replay: sent frame --> its copy
//! ```
//!
//! Everything is a function of its arguments. Nothing panics on any input, and after construction
//! nothing allocates.

mod appl_version;
pub mod encode;
pub mod frame;
pub mod index;
pub mod message;
pub mod msg_type;
mod print;
pub mod scan;
pub mod tag;
pub mod value;

pub use appl_version::ApplVersion;
pub use encode::{EncodeError, FrameWriter, HeaderFields, HeaderTemplate, renumber, replay};
pub use frame::{Cut, Garbled, cut};
pub use index::{FieldIndex, Malformed};
pub use message::{FieldError, FieldErrorKind, Message, Optional};
pub use print::Printable;
pub use tag::Tag;
pub use value::Decimal;

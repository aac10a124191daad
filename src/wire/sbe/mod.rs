//! Simple Binary Encoding 1.0, little-endian, behind a Simple Open Framing Header.
//!
//! ```text
//!   frame      cuts a stream into messages, knows the headers
//!   field      what a field may hold, and its null value
//!   read       block, groups, data of a message that was received
//!   write      the same of one that is being made
//!   codec      macros: typed views and encoders from a list of fields
//!   describe   the same lists at run time; decode and build use them
//!   ilink3     the messages of CME iLink 3
//! ```
//!
//! A view borrows the frame it was read from, and reads a field at its offset when asked. Sizes come from the headers
//! in the message, so a message of an older or a newer version is read too: what an older one is without is `None`,
//! what a newer one has more is skipped. An encoder writes into room that the caller claimed; nothing is allocated.
//!
//! ```
//! use pinfix::wire::sbe::{Cut, Frame, Price9, cut, ilink3};
//!
//! let mut room = [0; 256];
//! let len = ilink3::NewOrderSingleEncoder::new(&mut room, 9)?
//!     .cl_ord_id(b"ORDER-1")
//!     .price(Price9::new(4_712_250_000_000))
//!     .order_qty(3)
//!     .security_id(1234)
//!     .side(ilink3::SideWithUndisclosed::BUY)
//!     .ord_type(ilink3::NewOrdType::LIMIT)
//!     .finish()?;
//!
//! assert_eq!(cut(&room, 1420), Cut::Frame { len: 144 });
//! let order = ilink3::NewOrderSingle::read(&Frame::new(&room[..len])?)?;
//! assert_eq!(order.cl_ord_id(), b"ORDER-1");
//! assert_eq!(order.price().map(|price| price.to_string()), Some("4712.25".into()));
//! assert_eq!(order.side().name(), Some("Buy"));
//! assert_eq!(order.stop_px(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Codecs are generated from a schema file, those in [`ilink3`] and those of a user alike:
//! `pinfix sbe generate SCHEMA.xml --out DIR`.

mod build;
#[macro_use]
mod codec;
mod decode;
mod describe;
mod field;
mod frame;
pub mod ilink3;
mod read;
mod write;

pub use build::{BuildError, build};
pub use decode::{Decoded, Part, Value, decode};
pub use describe::{
    Body, ConstantDescription, DataDescription, EnumDescription, FieldDescription, GroupDescription,
    Kind, MessageDescription, Schema, SetDescription,
};
#[doc(hidden)]
pub use describe::{greatest, image, newest, required_end};
pub use field::{
    Array, Bytes, Char, Decimal, Decimal32, Decimal64, Field, Fixed, Late, NullIs, Optional, Price9,
    Required, Scalar, Text,
};
pub use frame::{Broken, Cut, ENCODING_TYPE, FRAMING_LEN, Frame, FrameError, HEADERS_LEN, cut, cut_as};
pub use read::{Block, DecodeError, Entry, Group, Parts, read};
pub use write::{EncodeError, Writer};

pub use sbe_enumeration as enumeration;
pub use sbe_group as group;
pub use sbe_message as message;
pub use sbe_set as set;

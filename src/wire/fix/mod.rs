//! FIX tag=value.
pub mod frame;
pub mod msg_type;
pub mod scan;
pub mod tag;
pub mod value;

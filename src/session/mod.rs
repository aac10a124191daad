//! Sans-IO protocol machines: bytes, time and space come in, verdicts and frames go out.

mod outbox;

pub use outbox::{Class, Full, InboundAt, Outbox, REPLAY_GROWTH, Replay, ResetCause, Stored};

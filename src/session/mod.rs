//! Sans-IO protocol machines: bytes, time and space come in, verdicts and frames go out.
//!
//! A session owns no socket, file, clock, queue or thread, and does not allocate after construction
//! (DESIGN decision 1). What it sends it writes into an [`Outbox`], which it knows only as a trait.

mod cause;
mod credentials;
mod farewell;
mod fault;
pub mod fix;
pub mod fixp;
mod hold;
mod identity;
mod outbox;
mod protocol;
mod proxy_fault;
mod refusal;
pub mod schedule;
mod series;
mod text;
mod tls_fault;

pub(crate) use cause::DESIGNATED_BACKUP;
pub use cause::{Cause, ConnectError};
pub use credentials::{
    ACCESS_KEY_ID_MAX, Credentials, CredentialsError, Part, SECRET_MAX, SECRET_MIN, SIGNATURE_LEN,
};
pub use farewell::{Farewell, SessionStatus};
pub use fault::{Defect, Disposition, Fault, FaultCounts};
pub use hold::Hold;
pub use identity::SessionId;
pub use outbox::{Class, Full, InboundAt, Outbox, Queued, REPLAY_GROWTH, Replay, ResetCause, Stored};
pub use protocol::Protocol;
pub use proxy_fault::{HeaderFault, ProxyFault};
pub use refusal::Refusal;
pub use series::{Numbers, SeriesOutbox};
pub use text::{Text, TextError};
pub use tls_fault::{TlsAlert, TlsFault, begins_like_tls};

//! Why an engine, a session or a port could not be set up.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::engine::tls::TlsConfigError;
use crate::journal::OpenError;
use crate::session::fix::SettingsError;

/// Why an engine, a session or a port could not be set up. Names the thing, the value given and what
/// would be right.
#[derive(Debug)]
pub enum ConfigError {
    /// A setting of the engine.
    Engine {
        /// Which setting.
        key: &'static str,
        /// The value given.
        value: String,
        /// What would be accepted.
        right: &'static str,
    },
    /// A setting of a session's connection.
    Session {
        /// Which session.
        session: String,
        /// Which setting.
        key: &'static str,
        /// The value given.
        value: String,
        /// What would be accepted.
        right: &'static str,
    },
    /// A setting of a session's protocol.
    Settings(SettingsError),
    /// The journal of a session could not be opened.
    Journal {
        /// Which session.
        session: String,
        /// Why.
        error: OpenError,
    },
    /// Two sessions with one identity.
    Twice(String),
    /// There are as many sessions as the engine was made for.
    TooManySessions(usize),
    /// A port could not be listened on.
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A setting of a session's TLS.
    SessionTls {
        /// Which session.
        session: String,
        /// Which setting, and what is wrong with it.
        error: TlsConfigError,
    },
    /// A setting of a port's TLS.
    ListenTls {
        /// Which address.
        address: SocketAddr,
        /// Which setting, and what is wrong with it.
        error: TlsConfigError,
    },
    /// The operating system refused something the engine needs.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine { key, value, right } => {
                write!(
                    f,
                    "engine setting {key}: {value} is not accepted, expected {right}"
                )
            }
            Self::Session {
                session,
                key,
                value,
                right,
            } => {
                write!(
                    f,
                    "session {session}, setting {key}: {value} is not accepted, expected {right}"
                )
            }
            Self::Settings(error) => error.fmt(f),
            Self::Journal { session, error } => write!(f, "journal of session {session}: {error}"),
            Self::Twice(session) => {
                write!(f, "session {session} is there already, every identity once")
            }
            Self::TooManySessions(max) => {
                write!(
                    f,
                    "the engine has {max} sessions, raise engine setting sessions_max"
                )
            }
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::SessionTls { session, error } => write!(f, "session {session}, {error}"),
            Self::ListenTls { address, error } => write!(f, "listening on {address}, {error}"),
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for ConfigError {}

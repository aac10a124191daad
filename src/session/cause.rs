//! Why a connection ended, as the application and the operator are told.

use std::fmt;
use std::io;

use super::{Farewell, Fault, Full, TlsFault};

/// The code of the first fault; the others follow in the order of [`Fault::NAMES`].
const FIRST_FAULT_CODE: u32 = 100;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer answered the Logout we sent.
    LogoutConfirmed,
    /// The peer logged out, and said this.
    PeerLogout(Farewell),
    /// The peer answered our Logon with a Logout that said this.
    LogonRefused(Farewell),
    /// Our application refused the peer's Logon, and this is what the peer was told.
    LogonDenied(Farewell),
    /// A mistake of the peer.
    Fault(Fault),
    /// The peer closed the connection, or it broke, without a Logout. Abnormal.
    ConnectionLost,
    /// The connection could not be made.
    ConnectFailed(ConnectError),
    /// An operator or the application had it cut, without a Logout.
    Disconnected,
    /// There was no room in the journal for a session-level message.
    NoRoom(Full),
    /// The engine stopped.
    EngineStopped,
    /// The hours of the session ended before it was logged on. Where it was, it is logged out, and
    /// [`Cause::LogoutConfirmed`] is the cause.
    OutOfSchedule,
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The network, or the name server, said so.
    Io(io::ErrorKind),
    /// The connection was made, and TLS could not be agreed on it.
    Tls(TlsFault),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => kind.fmt(f),
            Self::Tls(fault) => fault.fmt(f),
        }
    }
}

impl From<io::ErrorKind> for ConnectError {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind)
    }
}

impl Cause {
    /// The name of every cause.
    pub const NAMES: [&'static str; 11] = [
        "LogoutConfirmed",
        "PeerLogout",
        "LogonRefused",
        "LogonDenied",
        "Fault",
        "ConnectionLost",
        "ConnectFailed",
        "Disconnected",
        "NoRoom",
        "EngineStopped",
        "OutOfSchedule",
    ];

    /// The name of this cause, one of [`Cause::NAMES`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogoutConfirmed => "LogoutConfirmed",
            Self::PeerLogout(_) => "PeerLogout",
            Self::LogonRefused(_) => "LogonRefused",
            Self::LogonDenied(_) => "LogonDenied",
            Self::Fault(_) => "Fault",
            Self::ConnectionLost => "ConnectionLost",
            Self::ConnectFailed(_) => "ConnectFailed",
            Self::Disconnected => "Disconnected",
            Self::NoRoom(_) => "NoRoom",
            Self::EngineStopped => "EngineStopped",
            Self::OutOfSchedule => "OutOfSchedule",
        }
    }

    /// A stable number for the status page.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self {
            Self::LogoutConfirmed => 1,
            Self::PeerLogout(_) => 2,
            Self::LogonRefused(_) => 3,
            Self::LogonDenied(_) => 4,
            Self::ConnectionLost => 5,
            Self::ConnectFailed(_) => 6,
            Self::Disconnected => 7,
            Self::NoRoom(_) => 8,
            Self::EngineStopped => 9,
            Self::OutOfSchedule => 10,
            Self::Fault(fault) => FIRST_FAULT_CODE + u32::try_from(fault.number()).unwrap_or_default(),
        }
    }

    /// What a number that [`Cause::code`] gave means: a text, or the name of a fault. Texts of the
    /// peer are not part of it.
    #[must_use]
    pub fn meaning_of(code: u32) -> Option<&'static str> {
        Some(match code {
            1 => "logged out as asked",
            2 => "the peer logged out",
            3 => "the peer refused our Logon",
            4 => "we refused the peer's Logon",
            5 => "the connection was lost without a Logout",
            6 => "could not connect",
            7 => "disconnected on command, without a Logout",
            8 => "no room in the journal for a session message",
            9 => "the engine stopped",
            10 => "the hours of the session ended",
            _ => {
                let fault = usize::try_from(code.checked_sub(FIRST_FAULT_CODE)?).ok()?;
                Fault::NAMES.get(fault)?
            }
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogoutConfirmed => f.write_str("logged out as asked"),
            Self::PeerLogout(said) => write!(f, "the peer logged out: {said}"),
            Self::LogonRefused(said) => write!(f, "the peer refused our Logon: {said}"),
            Self::LogonDenied(said) => write!(f, "we refused the peer's Logon: {said}"),
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::ConnectionLost => f.write_str("the connection was lost without a Logout"),
            Self::ConnectFailed(why) => write!(f, "could not connect: {why}"),
            Self::Disconnected => f.write_str("disconnected on command, without a Logout"),
            Self::NoRoom(full) => write!(f, "no room in the journal for a session message ({full:?})"),
            Self::EngineStopped => f.write_str("the engine stopped"),
            Self::OutOfSchedule => f.write_str("the hours of the session ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_its_cause_says() {
        let text = Farewell::from(crate::session::Text::lossy(b"x"));
        for cause in [
            Cause::LogoutConfirmed,
            Cause::PeerLogout(text),
            Cause::LogonRefused(text),
            Cause::LogonDenied(text),
            Cause::ConnectionLost,
            Cause::ConnectFailed(ConnectError::Io(io::ErrorKind::TimedOut)),
            Cause::ConnectFailed(ConnectError::Tls(TlsFault::WrongHost)),
            Cause::Disconnected,
            Cause::NoRoom(Full::Unsent),
            Cause::EngineStopped,
            Cause::OutOfSchedule,
        ] {
            let meaning = Cause::meaning_of(cause.code()).unwrap();
            assert!(cause.to_string().starts_with(meaning), "{cause}: {meaning}");
        }
        let fault = Cause::Fault(Fault::Silence);
        assert_eq!(Cause::meaning_of(fault.code()), Some("Silence"));
        for code in [0, 11, 99, 9_999] {
            assert_eq!(Cause::meaning_of(code), None);
        }
    }
}

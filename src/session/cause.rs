//! Why a connection ended, as the application and the operator are told.

use std::fmt;
use std::io;

use super::{Farewell, Fault, Full, ProxyFault, Text, TlsFault, fixp};

/// The code of the first fault; the others follow in the order of [`Fault::NAMES`].
const FIRST_FAULT_CODE: u32 = 100;

/// The code of the first fault of FIXP; the others follow in the order of [`fixp::Fault::NAMES`].
const FIRST_FIXP_FAULT_CODE: u32 = 1000;

/// ErrorCodes(39012) of a logon reject of FIXP: the host is the designated backup, and its turn has not come.
pub(crate) const DESIGNATED_BACKUP: u16 = 27;

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
    /// The application failed over a message ([`Verdict::Failed`](super::fix::Verdict::Failed)), and the
    /// settings end the connection for that.
    ApplicationFailed,
    /// FIXP: a mistake of the peer.
    FixpFault(fixp::Fault),
    /// FIXP: the exchange sent a Terminate(507) with this ErrorCodes(39012), not 0.
    Terminated {
        /// See [`fixp::TERMINATE_CODES`].
        code: u16,
        /// Reason(39011).
        reason: Text,
    },
    /// FIXP: the exchange refused our Negotiate(500) or Establish(503).
    Refused {
        /// See [`fixp::LOGON_REJECT_CODES`].
        code: u16,
        /// Reason(39011).
        reason: Text,
    },
    /// FIXP: our gateway ended the session with this code because it was told to.
    TerminatedByUs {
        /// ErrorCodes(39012) of the Terminate(507) or reject.
        code: u16,
    },
    /// FIXP: a client that must not log on before an operator says so had a connection.
    AwaitsOperator,
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The network, or the name server, said so.
    Io(io::ErrorKind),
    /// The connection was made, and TLS could not be agreed on it.
    Tls(TlsFault),
    /// The proxy on the way could not be reached, or did not let us through.
    Proxy(ProxyFault),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => kind.fmt(f),
            Self::Tls(fault) => fault.fmt(f),
            Self::Proxy(fault) => fault.fmt(f),
        }
    }
}

impl From<io::ErrorKind> for ConnectError {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind)
    }
}

impl From<ProxyFault> for ConnectError {
    fn from(fault: ProxyFault) -> Self {
        Self::Proxy(fault)
    }
}

impl Cause {
    /// The name of every cause that only FIXP sessions have.
    pub const FIXP_NAMES: [&'static str; 5] = [
        "FixpFault",
        "Terminated",
        "Refused",
        "TerminatedByUs",
        "AwaitsOperator",
    ];

    /// The name of every other cause.
    pub const NAMES: [&'static str; 12] = [
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
        "ApplicationFailed",
    ];

    /// Whether the peer, or a proxy on the way to it, did not take who we are: each such attempt may bring a
    /// locked account nearer. Not so a gateway of FIXP that is the designated backup: the other one is to be
    /// asked.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::LogonRefused(_) => true,
            Self::Refused { code, .. } => *code != DESIGNATED_BACKUP,
            Self::ConnectFailed(ConnectError::Proxy(fault)) => fault.is_about_the_user(),
            _ => false,
        }
    }

    /// The name of this cause, one of [`Cause::NAMES`] or [`Cause::FIXP_NAMES`].
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
            Self::ApplicationFailed => "ApplicationFailed",
            Self::FixpFault(_) => "FixpFault",
            Self::Terminated { .. } => "Terminated",
            Self::Refused { .. } => "Refused",
            Self::TerminatedByUs { .. } => "TerminatedByUs",
            Self::AwaitsOperator => "AwaitsOperator",
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
            Self::Terminated { .. } => 11,
            Self::Refused { .. } => 12,
            Self::TerminatedByUs { .. } => 13,
            Self::AwaitsOperator => 14,
            Self::ApplicationFailed => 15,
            Self::FixpFault(fault) => {
                FIRST_FIXP_FAULT_CODE + u32::try_from(fault.number()).unwrap_or_default()
            }
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
            11 => "the exchange terminated the session",
            12 => "the exchange refused our logon",
            13 => "we terminated the session as told",
            14 => "no logon before an operator says so",
            FIRST_FIXP_FAULT_CODE.. => {
                let fault = usize::try_from(code - FIRST_FIXP_FAULT_CODE).ok()?;
                fixp::Fault::NAMES.get(fault)?
            }
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
            Self::ApplicationFailed => f.write_str("the application failed over a message"),
            Self::FixpFault(fault) => write!(f, "{fault}"),
            Self::Terminated { code, reason } => {
                let name = fixp::terminate_code(*code).name;
                write!(
                    f,
                    "the exchange terminated the session: {code} {name} {reason}"
                )
            }
            Self::Refused { code, reason } => {
                let name = fixp::logon_reject_name(*code);
                write!(f, "the exchange refused our logon: {code} {name} {reason}")
            }
            Self::TerminatedByUs { code } => {
                write!(f, "we terminated the session as told: code {code}")
            }
            Self::AwaitsOperator => f.write_str("no logon before an operator says so"),
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
            Cause::ConnectFailed(ConnectError::Proxy(ProxyFault::Socks5(5))),
            Cause::Disconnected,
            Cause::NoRoom(Full::Unsent),
            Cause::EngineStopped,
            Cause::OutOfSchedule,
            Cause::Terminated {
                code: 9,
                reason: text.text,
            },
            Cause::Refused {
                code: 3,
                reason: text.text,
            },
            Cause::TerminatedByUs { code: 26 },
            Cause::AwaitsOperator,
        ] {
            let meaning = Cause::meaning_of(cause.code()).unwrap();
            assert!(cause.to_string().starts_with(meaning), "{cause}: {meaning}");
        }
        let fault = Cause::Fault(Fault::Silence);
        assert_eq!(Cause::meaning_of(fault.code()), Some("Silence"));
        let fault = Cause::FixpFault(fixp::Fault::Silence);
        assert_eq!(Cause::meaning_of(fault.code()), Some("Silence"));
        for code in [0, 15, 99, 999, 9_999] {
            assert_eq!(Cause::meaning_of(code), None);
        }
    }
}

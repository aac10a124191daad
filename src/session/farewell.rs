//! What a Logout(5) says: Text(58) for people, SessionStatus(1409) for programs.

use std::fmt;

use super::Text;
use crate::wire::fix::{Message, tag};

/// SessionStatus(1409): how a session stands, on a Logon(A) or a Logout(5) of FIXT.1.1. Other versions
/// have no place for it, and it is left out there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStatus(pub u32);

impl SessionStatus {
    /// The session is active.
    pub const ACTIVE: Self = Self(0);
    /// The password was changed.
    pub const PASSWORD_CHANGED: Self = Self(1);
    /// The password is due to expire.
    pub const PASSWORD_DUE_TO_EXPIRE: Self = Self(2);
    /// The new password does not follow the policy.
    pub const NEW_PASSWORD_REFUSED: Self = Self(3);
    /// The logout is complete.
    pub const LOGOUT_COMPLETE: Self = Self(4);
    /// Username or password is wrong.
    pub const INVALID_CREDENTIALS: Self = Self(5);
    /// The account is locked.
    pub const ACCOUNT_LOCKED: Self = Self(6);
    /// Logons are not allowed at this time.
    pub const LOGON_NOT_ALLOWED_NOW: Self = Self(7);
    /// The password has expired.
    pub const PASSWORD_EXPIRED: Self = Self(8);
    /// MsgSeqNum(34) is too low.
    pub const MSG_SEQ_NUM_TOO_LOW: Self = Self(9);
    /// NextExpectedMsgSeqNum(789) is too high.
    pub const NEXT_EXPECTED_TOO_HIGH: Self = Self(10);
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match *self {
            Self::ACTIVE => "active",
            Self::PASSWORD_CHANGED => "password changed",
            Self::PASSWORD_DUE_TO_EXPIRE => "password due to expire",
            Self::NEW_PASSWORD_REFUSED => "new password refused",
            Self::LOGOUT_COMPLETE => "logout complete",
            Self::INVALID_CREDENTIALS => "invalid username or password",
            Self::ACCOUNT_LOCKED => "account locked",
            Self::LOGON_NOT_ALLOWED_NOW => "logon not allowed now",
            Self::PASSWORD_EXPIRED => "password expired",
            Self::MSG_SEQ_NUM_TOO_LOW => "MsgSeqNum too low",
            Self::NEXT_EXPECTED_TOO_HIGH => "NextExpectedMsgSeqNum too high",
            Self(other) => return write!(f, "status {other}"),
        };
        f.write_str(meaning)
    }
}

/// What a Logout(5) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Text(58), empty for none.
    pub text: Text,
    /// SessionStatus(1409), where the version has it.
    pub status: Option<SessionStatus>,
}

impl Farewell {
    /// What a Logout of the peer says.
    pub(super) fn of(logout: &Message<'_>) -> Self {
        Self {
            text: Text::lossy(logout.get(tag::TEXT).unwrap_or_default()),
            status: logout
                .uint(tag::SESSION_STATUS)
                .ok()
                .and_then(|status| u32::try_from(status).ok())
                .map(SessionStatus),
        }
    }
}

impl From<Text> for Farewell {
    fn from(text: Text) -> Self {
        Self { text, status: None }
    }
}

impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)?;
        match self.status {
            Some(status) => write!(f, " ({status})"),
            None => Ok(()),
        }
    }
}

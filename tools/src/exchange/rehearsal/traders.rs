//! Multi-trader mode: several traders on one session, each with a logon of its own.
//!
//! A client asks for it by RefMsgType(372) `UCG` in its Logon. From then on it sends Trader Logons, of
//! MsgType(35) `UCG`, and every other application message names a trader who is logged on in
//! SenderSubID(50); what answers it names the trader in TargetSubID(57).
//!
//! Where the venue's pages leave a choice, what is here is the plain reading, and the stricter one:
//!
//! - A Trader Logout is a `UCG` with Username(553) and none of Password(554), SecureDataLen(90) and
//!   SecureData(91), all of which a Trader Logon must have: no other message is named for it. One with only
//!   some of them is a Trader Logon that lacks something, and gets a Reject(3).
//! - Either is answered with a `UCG` of Username(553) and Text(58).
//! - The user of the Logon(A) is no trader by that.
//! - `UCG` itself needs no SenderSubID(50), as it says in Username(553) whose it is. Nor does a
//!   BusinessMessageReject(j), which engines write without being told to.

use pinfix::session::Text;
use pinfix::session::fix::Verdict;
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{Message, msg_type};

use super::accounts::Account;

/// The switch of a venue that has the mode.
const SWITCH: &str = "multi_trader";

/// SessionRejectReason(373): required tag missing.
const TAG_MISSING: u16 = 1;
/// SessionRejectReason(373): invalid or missing trader, of this venue.
const NO_TRADER: u16 = 18;

/// What a Trader Logon must have.
const CREDENTIALS: [Tag; 3] = [tag::PASSWORD, tag::SECURE_DATA_LEN, tag::SECURE_DATA];

/// The traders of a session in this mode who are logged on.
#[derive(Debug, Default)]
pub struct Traders {
    present: Vec<Box<[u8]>>,
}

/// What a message of a session in this mode lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A Trader Logon has not this field.
    Field(Tag),
    /// SenderSubID(50) names no trader who is logged on.
    Trader,
}

impl Lack {
    /// The Reject(3) that answers it.
    pub fn verdict(self) -> Verdict {
        let (reason, ref_tag, text) = match self {
            Self::Field(tag) => (TAG_MISSING, tag, "Required tag missing"),
            Self::Trader => (NO_TRADER, tag::SENDER_SUB_ID, "Invalid or missing trader"),
        };
        Verdict::Reject {
            reason,
            ref_tag,
            text: Text::lossy(text.as_bytes()),
        }
    }
}

/// What became of a Trader Logon or Logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    LoggedOn,
    LoggedOut,
    /// The credentials are wrong.
    Refused,
    /// Logs out who was not logged on.
    Absent,
}

impl Outcome {
    /// In words, for people.
    pub fn told(self) -> &'static str {
        match self {
            Self::LoggedOn => "logged on",
            Self::LoggedOut => "logged out",
            Self::Refused => "was refused",
            Self::Absent => "was to log out, and was not logged on",
        }
    }
}

/// MsgType(35) of a Trader Logon, at a venue that has them.
pub fn logon_type(profile: &pinfix::venue::Profile) -> Option<&'static str> {
    profile
        .switch(SWITCH)
        .ok()
        .map(|switch| switch.ref_msg_type)
}

impl Traders {
    /// Takes a Trader Logon or Logout of the traders of an account.
    ///
    /// # Errors
    /// It lacks a field.
    pub fn take(&mut self, message: &Message<'_>, account: &Account) -> Result<Outcome, Lack> {
        let user = message
            .get(tag::USERNAME)
            .ok_or(Lack::Field(tag::USERNAME))?;
        let lacks = |tag: &Tag| message.get(*tag).is_none();
        if CREDENTIALS.iter().all(lacks) {
            let before = self.present.len();
            self.present.retain(|trader| **trader != *user);
            return Ok(if self.present.len() < before {
                Outcome::LoggedOut
            } else {
                Outcome::Absent
            });
        }
        if let Some(tag) = CREDENTIALS.into_iter().find(lacks) {
            return Err(Lack::Field(tag));
        }
        if !account.knows_trader(message) {
            return Ok(Outcome::Refused);
        }
        if !self.is_present(user) {
            self.present.push(user.into());
        }
        Ok(Outcome::LoggedOn)
    }

    /// The trader of an application message. `None` of one that needs none.
    ///
    /// # Errors
    /// It names no trader who is logged on.
    pub fn trader_of<'m>(&self, message: &Message<'m>) -> Result<Option<&'m [u8]>, Lack> {
        let named = message
            .get(tag::SENDER_SUB_ID)
            .filter(|trader| self.is_present(trader));
        if named.is_none() && message.msg_type() != msg_type::BUSINESS_MESSAGE_REJECT {
            return Err(Lack::Trader);
        }
        Ok(named)
    }

    fn is_present(&self, user: &[u8]) -> bool {
        self.present.iter().any(|trader| **trader == *user)
    }
}

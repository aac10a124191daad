//! An operator's hold: who keeps a session logged out, since when, why, and until when.
//!
//! A schedule never sets or clears one (DESIGN decision 10), and no number is touched by it.

use std::fmt;

use super::Text;
use crate::time::{TimestampPrecision, Utc};

/// While a session is held, an initiator does not connect and an acceptor refuses a Logon(A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it was set.
    pub since: Utc,
    /// When it ends by itself; `None` means on command only.
    pub until: Option<Utc>,
    /// Who set it, as they named themselves.
    pub by: Text,
    /// Why.
    pub why: Text,
}

impl Hold {
    /// Whether it has ended by itself.
    #[must_use]
    pub fn is_over(&self, now: Utc) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// `held by alice since 20260105-09:00:00 until 20260105-10:00:00: maintenance`, the parts there are.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("held")?;
        if !self.by.is_empty() {
            write!(f, " by {}", self.by)?;
        }
        let seconds = TimestampPrecision::Seconds;
        write!(f, " since {}", self.since.to_fix(seconds))?;
        if let Some(until) = self.until {
            write!(f, " until {}", until.to_fix(seconds))?;
        }
        if !self.why.is_empty() {
            write!(f, ": {}", self.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Utc {
        Utc::parse_fix(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_hold_says_who_since_when_until_when_and_why() {
        let mut hold = Hold {
            since: at("20260105-09:00:00"),
            until: None,
            by: Text::new("alice").unwrap(),
            why: Text::new("maintenance").unwrap(),
        };
        assert_eq!(
            hold.to_string(),
            "held by alice since 20260105-09:00:00: maintenance"
        );
        hold.until = Some(at("20260105-10:00:00"));
        hold.by = Text::EMPTY;
        assert_eq!(
            hold.to_string(),
            "held since 20260105-09:00:00 until 20260105-10:00:00: maintenance"
        );
    }

    #[test]
    fn a_hold_without_an_end_is_never_over() {
        let mut hold = Hold {
            since: Utc(5),
            until: None,
            by: Text::EMPTY,
            why: Text::EMPTY,
        };
        assert!(!hold.is_over(Utc(u64::MAX)));
        hold.until = Some(Utc(7));
        assert!(!hold.is_over(Utc(6)));
        assert!(hold.is_over(Utc(7)));
    }
}

//! What a user decides about one FIX session. Names and defaults follow the field's standard terms.

use std::fmt;
use std::time::Duration;

use super::rules::Rules;
use super::terms::LogonSettings;
use super::{Sending, Validation};
use crate::session::SessionId;
use crate::time::TimestampPrecision;
use crate::wire::fix::tag::{self, Tag};

/// Which side starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We connect and send the first Logon(A).
    Initiator,
    /// We listen and answer.
    Acceptor,
}

/// What happens to both sequence numbers when a connection logs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLogon {
    /// They continue where they were.
    #[default]
    Continue,
    /// The initiator asks for a new series with ResetSeqNumFlag(141)=Y. An acceptor with this
    /// setting continues unless asked.
    AskReset,
    /// Both start at 1 by agreement, without ResetSeqNumFlag(141).
    Restart,
}

/// What happens to both sequence numbers when a connection that was logged on ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// They continue where they were.
    #[default]
    Continue,
    /// Both start at 1 once both sides have said Logout.
    RestartAfterLogout,
    /// Both start at 1 however the connection ended, also by a broken cable.
    RestartAlways,
}

/// A field added to our Logon.
#[derive(Clone, PartialEq, Eq)]
pub struct LogonField {
    /// The tag.
    pub tag: Tag,
    /// Its value. Shown by no `Debug` print if the tag is that of a secret.
    pub value: String,
}

impl fmt::Debug for LogonField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if tag::is_secret(self.tag) {
            "***"
        } else {
            &self.value
        };
        write!(f, "{}={shown}", self.tag)
    }
}

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who talks to whom. Its BeginString must be that of `rules`.
    pub id: SessionId,
    /// The FIX version.
    pub rules: &'static Rules,
    /// Which side starts.
    pub role: Role,
    /// HeartBtInt(108) in whole seconds: proposed by an initiator; an acceptor takes the peer's.
    /// 0 switches heartbeats and the detection of silence off.
    pub heartbeat_s: u32,
    /// How long a Logon may take: from sending it, or from the connection being accepted.
    pub logon_timeout: Duration,
    /// How long to wait for the answer to our Logout.
    pub logout_timeout: Duration,
    /// Largest accepted difference between SendingTime(52) and our clock; `None` accepts any.
    pub sending_time_window: Option<Duration>,
    /// What happens to the numbers at logon.
    pub at_logon: AtLogon,
    /// What happens to the numbers when a connection ends.
    pub at_end: AtEnd,
    /// The terms on which it logs on.
    pub logon: LogonSettings,
    /// Fractional digits of the times we send; versions before FIX.4.2 have whole seconds.
    pub precision: TimestampPrecision,
    /// Fields added to our Logon, in this order: Username(553), Password(554) and the like.
    pub logon_fields: Vec<LogonField>,
    /// How many inbound messages may wait behind a gap. More are dropped and asked for again.
    pub parked_max: usize,
    /// What becomes of application messages, and how many may pass.
    pub sending: Sending,
    /// What is checked of messages received: nothing unless dictionaries are given.
    pub validation: Validation,
}

impl Settings {
    /// Settings with the defaults: 30 s heartbeats, 10 s logon, 2 s logout, 120 s window, numbers
    /// continue, milliseconds.
    #[must_use]
    pub fn new(rules: &'static Rules, role: Role, sender_comp_id: &str, target_comp_id: &str) -> Self {
        Self {
            id: SessionId::new(rules.begin_string, sender_comp_id, target_comp_id),
            rules,
            role,
            heartbeat_s: 30,
            logon_timeout: Duration::from_secs(10),
            logout_timeout: Duration::from_secs(2),
            sending_time_window: Some(Duration::from_secs(120)),
            at_logon: AtLogon::default(),
            at_end: AtEnd::default(),
            logon: LogonSettings::default(),
            precision: TimestampPrecision::Millis,
            logon_fields: Vec::new(),
            parked_max: 1024,
            sending: Sending::default(),
            validation: Validation::default(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the setting, its value and what would be right.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |setting, value: &dyn fmt::Display, right| {
            Err(SettingsError {
                setting,
                value: value.to_string(),
                right,
            })
        };
        let id = &self.id;
        if id.begin_string != self.rules.begin_string {
            return wrong(
                "id.begin_string",
                &id.begin_string,
                "the BeginString of the rules",
            );
        }
        let parts = [
            ("id.sender_comp_id", Some(&id.sender_comp_id)),
            ("id.sender_sub_id", id.sender_sub_id.as_ref()),
            ("id.sender_location_id", id.sender_location_id.as_ref()),
            ("id.target_comp_id", Some(&id.target_comp_id)),
            ("id.target_sub_id", id.target_sub_id.as_ref()),
            ("id.target_location_id", id.target_location_id.as_ref()),
        ];
        for (setting, value) in parts
            .into_iter()
            .filter_map(|(name, part)| Some((name, part?)))
        {
            if value.is_empty() || value.len() > 64 || !value.bytes().all(|b| (0x20..0x7f).contains(&b))
            {
                return wrong(setting, value, "1 to 64 printable ASCII characters");
            }
        }
        let located = id
            .sender_location_id
            .as_ref()
            .or(id.target_location_id.as_ref());
        if let Some(location) = located.filter(|_| !self.rules.location_ids) {
            let right = "none: this version has no LocationIDs, FIX.4.1 and later have";
            return wrong("id.location_ids", location, right);
        }
        if self.at_logon == AtLogon::AskReset && !self.rules.reset_seq_num_flag {
            let right = "Continue or Restart: this version has no ResetSeqNumFlag(141)";
            return wrong("at_logon", &"AskReset", right);
        }
        if self.heartbeat_s > 86_400 {
            return wrong("heartbeat_s", &self.heartbeat_s, "0 (off) to 86400 seconds");
        }
        for (setting, span) in [
            ("logon_timeout", self.logon_timeout),
            ("logout_timeout", self.logout_timeout),
        ] {
            if span < Duration::from_millis(10) || span > Duration::from_secs(3600) {
                return wrong(setting, &format!("{span:?}"), "10 ms to 1 hour");
            }
        }
        self.sending.check(self.at_logon)?;
        if self.parked_max == 0 || self.parked_max > 65_536 {
            return wrong("parked_max", &self.parked_max, "1 to 65536 messages");
        }
        self.logon.check(self.role)?;
        for LogonField { tag, value } in &self.logon_fields {
            const OURS: [Tag; 9] = [
                tag::ENCRYPT_METHOD,
                tag::HEART_BT_INT,
                tag::RESET_SEQ_NUM_FLAG,
                tag::MAX_MESSAGE_SIZE,
                tag::NO_MSG_TYPES,
                tag::TEST_MESSAGE_INDICATOR,
                tag::NEXT_EXPECTED_MSG_SEQ_NUM,
                tag::DEFAULT_APPL_VER_ID,
                tag::SESSION_STATUS,
            ];
            if OURS.contains(tag) || tag::is_header(*tag) || tag::is_trailer(*tag) {
                return wrong(
                    "logon_fields",
                    tag,
                    "a body field that the engine does not set itself",
                );
            }
            if value.is_empty() || value.contains('\u{1}') || value.len() > 512 {
                // Not the value: it may be a password.
                return wrong(
                    "logon_fields",
                    &format!("value of tag {tag}"),
                    "1 to 512 bytes without SOH",
                );
            }
        }
        Ok(())
    }
}

/// A setting that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Which setting.
    pub setting: &'static str,
    /// The value given.
    pub value: String,
    /// What would be accepted.
    pub right: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "setting {}: {:?} is not accepted, expected {}",
            self.setting, self.value, self.right
        )
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::super::rules::FIX44;
    use super::*;

    #[test]
    fn a_wrong_setting_is_named_with_its_value_and_what_is_right() {
        let settings = Settings::new(&FIX44, Role::Initiator, "ME\x01", "YOU");
        let error = settings.check().unwrap_err().to_string();
        assert!(
            error.contains("id.sender_comp_id") && error.contains("printable"),
            "{error}"
        );
    }

    #[test]
    fn a_password_is_not_shown_in_the_error_about_it() {
        let mut settings = Settings::new(&FIX44, Role::Initiator, "ME", "YOU");
        settings.logon_fields.push(LogonField {
            tag: tag::PASSWORD,
            value: "se\x01cret".into(),
        });
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("554") && !error.contains("cret"), "{error}");
        assert!(!format!("{settings:?}").contains("cret"));
    }
}

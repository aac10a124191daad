//! What a user decides about one FIX session. Names and defaults follow the field's standard terms.

use std::fmt;
use std::time::Duration;

use super::policy::{
    self, BelowExpected, CheckSettings, Garbled, LivenessSettings, LogoutAboveExpected, LogoutSettings,
    OnSilence, OrigSendingTime, RecoverySettings, RequestEnd, ResendSettings, Texts, WordingSettings,
};
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
    /// They continue, and an initiator whose numbers are both at 1 says so with ResetSeqNumFlag(141)=Y,
    /// so that the peer starts at 1 as well. For sessions that restart when a connection ends: the peer
    /// may not have seen that end.
    AskResetAtOne,
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

/// What follows when the application failed over a message: [`Verdict::Failed`](super::Verdict::Failed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The message is answered with a BusinessMessageReject(j), reason 4 (application not available), or
    /// a Reject(3) before FIX.4.2, and counts as done with.
    #[default]
    Reject,
    /// The connection is cut. The message does not count as done with: the peer sends it again at the next
    /// logon.
    Disconnect,
    /// The connection is cut, and both numbers start at 1, which gives up every message that was on its
    /// way.
    Restart,
}

/// A field added to our Logon, or to the header of everything we send.
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
    /// What happens to the numbers at logon.
    pub at_logon: AtLogon,
    /// What happens to the numbers when a connection ends.
    pub at_end: AtEnd,
    /// What follows when the application failed over a message.
    pub on_failure: OnFailure,
    /// The terms on which it logs on.
    pub logon: LogonSettings,
    /// Fractional digits of the times we send; versions before FIX.4.2 have whole seconds.
    pub precision: TimestampPrecision,
    /// Fields added to our Logon, in this order: Username(553), Password(554) and the like. All stand
    /// in its body but SecureData(91), which with its length stands in the header.
    pub logon_fields: Vec<LogonField>,
    /// Fields added to the header of everything we send that are not part of the identity, such as a
    /// SenderSubID(50) that the peer need not answer with a TargetSubID(57).
    pub header_fields: Vec<LogonField>,
    /// What is checked of every message.
    pub checks: CheckSettings,
    /// How the peer is asked for what is missing.
    pub recovery: RecoverySettings,
    /// How the peer's requests are answered.
    pub resend: ResendSettings,
    /// When a quiet peer is given up.
    pub liveness: LivenessSettings,
    /// How the session ends.
    pub logout: LogoutSettings,
    /// The words in which the peer is told of its mistakes.
    pub wording: WordingSettings,
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
            at_logon: AtLogon::default(),
            at_end: AtEnd::default(),
            on_failure: OnFailure::default(),
            logon: LogonSettings::default(),
            precision: TimestampPrecision::Millis,
            logon_fields: Vec::new(),
            header_fields: Vec::new(),
            checks: CheckSettings::default(),
            recovery: RecoverySettings::default(),
            resend: ResendSettings::default(),
            liveness: LivenessSettings::default(),
            logout: LogoutSettings::default(),
            wording: WordingSettings::default(),
            sending: Sending::default(),
            validation: Validation::default(),
        }
    }

    /// Everything a peer can see as the widely deployed engines do it, also where the standard says
    /// otherwise: for counterparties, and test suites, that compare to the letter.
    ///
    /// Rejects in the words in common use, without RefTagID(371) on CompID, SendingTime and
    /// SequenceReset problems, and followed by a Logout without Text(58); silence ends without a
    /// Logout; OrigSendingTime(122) is looked at below the expected number only; a ResendRequest is
    /// always open; milliseconds, or whole seconds before FIX.4.2. Identity, timeouts, limits and
    /// fields of the Logon stay as they are.
    #[must_use]
    pub fn strict_compat(mut self) -> Self {
        self.precision = TimestampPrecision::Millis;
        self.checks.orig_sending_time = OrigSendingTime::BelowExpected;
        self.checks.garbled = Garbled::Ignore;
        self.recovery.end = RequestEnd::Open;
        self.recovery.redundant_requests = false;
        self.resend.rejects = false;
        self.resend.below_expected = BelowExpected::Accept;
        self.liveness.test_request_percent = 120;
        self.liveness.disconnect_percent = 240;
        self.liveness.on_silence = OnSilence::Close;
        self.logout.above_expected = LogoutAboveExpected::Answer;
        self.logout.below_expected = BelowExpected::Accept;
        self.logout.answer_test_requests = false;
        self.logout.linger = Duration::ZERO;
        self.wording = WordingSettings {
            texts: Texts::Common,
            ref_tag_of_header: false,
            text_after_reject: false,
            reject_reason_max: None,
        };
        self
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
            if !policy::is_name(value) {
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
        let dialect = self
            .validation
            .dictionaries
            .as_ref()
            .and_then(|dictionaries| dictionaries.dialects().next());
        if let Some((dialect, _)) = dialect.filter(|_| self.rules.default_appl_ver_id.is_none()) {
            let right =
                "none: this version has no CstmApplVerID(1129) and ApplExtID(1156), FIXT.1.1 has";
            let value = match (dialect.custom, dialect.extension) {
                (Some(custom), _) => {
                    format!("one of custom version {}", String::from_utf8_lossy(custom))
                }
                (None, extension) => format!("one of extension {}", extension.unwrap_or_default()),
            };
            return wrong("validation.dictionaries", &value, right);
        }
        let asks = matches!(self.at_logon, AtLogon::AskReset | AtLogon::AskResetAtOne);
        if asks && !self.rules.reset_seq_num_flag {
            let right = "Continue or Restart: this version has no ResetSeqNumFlag(141)";
            return wrong("at_logon", &format_args!("{:?}", self.at_logon), right);
        }
        if self.heartbeat_s > 86_400 {
            return wrong("heartbeat_s", &self.heartbeat_s, "0 (off) to 86400 seconds");
        }
        policy::span("logon_timeout", self.logon_timeout)?;
        self.checks.check()?;
        self.recovery.check()?;
        self.resend.check()?;
        self.liveness.check()?;
        self.logout.check()?;
        self.sending.check(self.at_logon)?;
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
            let in_header = tag::is_header(*tag) && *tag != tag::SECURE_DATA;
            if OURS.contains(tag) || in_header || tag::is_trailer(*tag) {
                return wrong(
                    "logon_fields",
                    tag,
                    "a body field, or SecureData(91), that the engine does not set itself",
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

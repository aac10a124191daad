//! What a Logon(A) says, and whether that is acceptable whoever says it. Nothing here depends on who
//! the peer is or changes a number.

use super::Session;
use super::head::Head;
use super::peer::{Code, MsgTypeSupport};
use super::settings::Role;
use super::terms::{Environment, HeartbeatChoice, MAX_MESSAGE_BYTES_MIN};
use crate::session::{Defect, Fault};
use crate::time::Now;
use crate::wire::fix::tag::{self, Tag};
use crate::wire::fix::{ApplVersion, FieldErrorKind, Message};

/// What a Logon says that matters beyond the moment it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// MsgSeqNum(34).
    pub(super) seq: u64,
    /// HeartBtInt(108) that will be in force.
    pub(super) heartbeat_s: u32,
    /// ResetSeqNumFlag(141)=Y.
    pub(super) reset: bool,
    /// NextExpectedMsgSeqNum(789), if the session uses it.
    pub(super) next_expected: Option<u64>,
    /// TestMessageIndicator(464), if it is there.
    pub(super) is_test: Option<bool>,
    /// DefaultApplVerID(1137), or the version of the session.
    appl_version: ApplVersion,
    /// DefaultCstmApplVerID(1408).
    cstm_appl_ver_id: Option<Code>,
    /// DefaultApplExtID(1407).
    appl_ext_id: Option<u32>,
    /// MaxMessageSize(383).
    max_message_bytes: Option<u64>,
}

impl Session {
    /// Checks a Logon in the order of facts every engine checks them in: what must be there, then
    /// what it says. Notes its message types.
    pub(super) fn read_greeting(
        &mut self,
        now: Now,
        message: &Message<'_>,
        head: &Head<'_>,
    ) -> Result<Greeting, Fault> {
        let rules = self.settings.rules;
        let seq = head.seq.map_err(|kind| bad(tag::MSG_SEQ_NUM, kind))?;
        head.sent.map_err(|kind| bad(tag::SENDING_TIME, kind))?;
        let encryption = number(message, tag::ENCRYPT_METHOD)?;
        let heartbeat = message
            .int(tag::HEART_BT_INT)
            .map_err(|error| bad(tag::HEART_BT_INT, error.kind))?;
        if rules.default_appl_ver_id.is_some() && message.get(tag::DEFAULT_APPL_VER_ID).is_none() {
            return Err(bad(tag::DEFAULT_APPL_VER_ID, FieldErrorKind::Missing));
        }
        if encryption != 0 {
            return Err(Fault::EncryptMethod);
        }
        let heartbeat_s = self.agreed_heartbeat(heartbeat)?;
        self.check_time(now, head.sent)?;
        head.check(&self.settings.validation.checks)
            .map_err(|fault| Fault::BadLogonField {
                tag: fault.ref_tag().unwrap_or_default(),
                defect: Defect::Invalid,
            })?;
        let is_test = self.checked_environment(message)?;
        let max_message_bytes = self.checked_size(message)?;
        let appl_version = self.agreed_version(message)?;
        let (cstm_appl_ver_id, appl_ext_id) = if rules.default_appl_ver_id.is_some() {
            default_dialect(message)?
        } else {
            // Venues use the tags for something else there.
            (None, None)
        };
        let reset = match optional(message.boolean(tag::RESET_SEQ_NUM_FLAG))? {
            Some(_) if !rules.reset_seq_num_flag => {
                return Err(bad(tag::RESET_SEQ_NUM_FLAG, FieldErrorKind::Format));
            }
            flag => flag == Some(true),
        };
        let next_expected = if self.uses_next_expected() {
            match optional(message.uint(tag::NEXT_EXPECTED_MSG_SEQ_NUM))? {
                Some(0) => {
                    return Err(bad(tag::NEXT_EXPECTED_MSG_SEQ_NUM, FieldErrorKind::Format));
                }
                next => next,
            }
        } else {
            None
        };
        self.validate_logon(message)?;
        if rules.logon_capabilities {
            MsgTypeSupport::read(message, &mut self.peer.msg_types)
                .map_err(|tag| bad(tag, FieldErrorKind::Format))?;
        }
        Ok(Greeting {
            seq,
            heartbeat_s,
            reset,
            next_expected,
            is_test,
            appl_version,
            cstm_appl_ver_id,
            appl_ext_id,
            max_message_bytes,
        })
    }

    /// Whether NextExpectedMsgSeqNum(789) is used, if the peer uses it too.
    pub(super) fn uses_next_expected(&self) -> bool {
        self.settings.logon.next_expected && self.settings.rules.next_expected_msg_seq_num
    }

    /// Keeps what the rest of the connection needs of a Logon that was accepted.
    pub(super) fn remember(&mut self, greeting: &Greeting) {
        self.peer.heartbeat_s = greeting.heartbeat_s;
        self.peer.appl_version = greeting.appl_version;
        self.peer.cstm_appl_ver_id = greeting.cstm_appl_ver_id;
        self.peer.appl_ext_id = greeting.appl_ext_id;
        self.peer.max_message_bytes = greeting.max_message_bytes;
        self.peer.is_test = greeting.is_test == Some(true);
    }

    /// The HeartBtInt(108) that will be in force, in seconds.
    fn agreed_heartbeat(&self, theirs: i64) -> Result<u32, Fault> {
        let ours_s = self.settings.heartbeat_s;
        let terms = self.settings.logon.heartbeat;
        let (min_s, max_s) = match terms.choice {
            HeartbeatChoice::Same => (ours_s, ours_s),
            HeartbeatChoice::Theirs | HeartbeatChoice::Ours => (terms.min_s, terms.max_s),
        };
        let theirs_s = u32::try_from(theirs).ok();
        let acceptable = theirs_s.filter(|theirs_s| (min_s..=max_s).contains(theirs_s));
        match (acceptable, terms.choice) {
            (None, _) => Err(Fault::HeartBtInt { min_s, max_s }),
            (Some(_), HeartbeatChoice::Ours) => Ok(ours_s),
            (Some(theirs_s), _) => Ok(theirs_s),
        }
    }

    /// TestMessageIndicator(464).
    fn checked_environment(&self, message: &Message<'_>) -> Result<Option<bool>, Fault> {
        if !self.settings.rules.test_message_indicator {
            return Ok(None);
        }
        let is_test = optional(message.boolean(tag::TEST_MESSAGE_INDICATOR))?;
        let agrees = match (self.settings.logon.environment, is_test) {
            (Environment::Any, _) => true,
            (Environment::Production, said) => said != Some(true),
            (Environment::Test, Some(said)) => said,
            (Environment::Test, None) => self.settings.role == Role::Initiator,
        };
        if agrees {
            Ok(is_test)
        } else {
            Err(Fault::TestMessageIndicator)
        }
    }

    /// MaxMessageSize(383). Zero says nothing.
    fn checked_size(&self, message: &Message<'_>) -> Result<Option<u64>, Fault> {
        if !self.settings.rules.logon_capabilities {
            return Ok(None);
        }
        match optional(message.uint(tag::MAX_MESSAGE_SIZE))? {
            None | Some(0) => Ok(None),
            Some(bytes) if bytes < u64::from(MAX_MESSAGE_BYTES_MIN) => {
                Err(bad(tag::MAX_MESSAGE_SIZE, FieldErrorKind::Format))
            }
            bytes => Ok(bytes),
        }
    }

    /// DefaultApplVerID(1137): the version the peer's application messages will have.
    fn agreed_version(&self, message: &Message<'_>) -> Result<ApplVersion, Fault> {
        let ours = self.settings.rules.appl_version;
        if self.settings.rules.default_appl_ver_id.is_none() {
            return Ok(ours);
        }
        let theirs = message.get(tag::DEFAULT_APPL_VER_ID).unwrap_or_default();
        ApplVersion::from_appl_ver_id(theirs)
            .filter(|theirs| *theirs == ours || self.settings.logon.appl_versions.contains(theirs))
            .ok_or(Fault::DefaultApplVerId { ours })
    }
}

fn number(message: &Message<'_>, tag: Tag) -> Result<u64, Fault> {
    message.uint(tag).map_err(|error| bad(tag, error.kind))
}

/// A field that may be left out.
fn optional<T>(field: Result<T, crate::wire::fix::FieldError>) -> Result<Option<T>, Fault> {
    match field {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == FieldErrorKind::Missing => Ok(None),
        Err(error) => Err(bad(error.tag, error.kind)),
    }
}

/// DefaultCstmApplVerID(1408) and DefaultApplExtID(1407).
fn default_dialect(message: &Message<'_>) -> Result<(Option<Code>, Option<u32>), Fault> {
    let invalid = |tag| bad(tag, FieldErrorKind::Format);
    let custom = match message.get(tag::DEFAULT_CSTM_APPL_VER_ID) {
        Some(value) => Some(Code::new(value).ok_or_else(|| invalid(tag::DEFAULT_CSTM_APPL_VER_ID))?),
        None => None,
    };
    let extension = match optional(message.uint(tag::DEFAULT_APPL_EXT_ID))? {
        Some(number) => Some(u32::try_from(number).map_err(|_| invalid(tag::DEFAULT_APPL_EXT_ID))?),
        None => None,
    };
    Ok((custom, extension))
}

fn bad(tag: Tag, kind: FieldErrorKind) -> Fault {
    let defect = if kind == FieldErrorKind::Missing {
        Defect::Missing
    } else {
        Defect::Invalid
    };
    Fault::BadLogonField { tag, defect }
}

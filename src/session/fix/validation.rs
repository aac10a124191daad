//! Judging messages by dictionaries: what a user decides, and which fault of the peer each finding is.
//!
//! Without dictionaries nothing is judged but what the session itself must read. With them, messages
//! are judged when it is their turn: one that waits behind a gap is judged when the gap is closed, and a
//! copy of one that was dealt with is not. An invalid Logon(A) is refused like one that the session
//! itself cannot accept; an invalid Logout(5) is a Logout all the same, and its fault is counted.

use super::Session;
use super::content::Kind;
use super::head::Head;
use super::peer::Peer;
use super::settings::{LogonField, Settings};
use crate::dict::{
    ApplDialect, Checks, Dictionaries, Invalid, InvalidKind, Scope, SharedDictionary, Validator,
};
use crate::session::{Defect, Fault};
use crate::wire::fix::tag::Tag;
use crate::wire::fix::{ApplVersion, Message, tag};

/// What is checked of messages received, beyond what the session itself needs.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// What messages may contain. `None`, the default, is no validation, and no groups for the
    /// application.
    pub dictionaries: Option<Dictionaries>,
    /// How much of a message is checked where there are dictionaries.
    pub scope: Scope,
    /// Which checks are made. [`Checks::empty_values`] counts without dictionaries too: an empty value
    /// is an error by the syntax of FIX.
    pub checks: Checks,
    /// What becomes of an invalid message.
    pub invalid: OnInvalid,
}

/// What becomes of an invalid message. Its number is counted, and the fault, either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// It is answered with a Reject(3).
    #[default]
    Reject,
    /// It is handed on as if it were valid (RejectInvalidMessage=N).
    Accept,
}

/// Fields of a Logon about who sends it. Venues use them in versions that do not define them, so they are
/// taken in every version.
const LOGON_FIELDS: [Tag; 11] = [
    tag::RAW_DATA_LENGTH,
    tag::RAW_DATA,
    tag::USERNAME,
    tag::PASSWORD,
    tag::NEW_PASSWORD,
    tag::ENCRYPTED_PASSWORD_METHOD,
    tag::ENCRYPTED_PASSWORD_LEN,
    tag::ENCRYPTED_PASSWORD,
    tag::ENCRYPTED_NEW_PASSWORD_LEN,
    tag::ENCRYPTED_NEW_PASSWORD,
    tag::SESSION_STATUS,
];

impl Validation {
    /// Validation by these dictionaries, with all checks.
    #[must_use]
    pub fn full(dictionaries: Dictionaries) -> Self {
        Self {
            dictionaries: Some(dictionaries),
            ..Self::default()
        }
    }

    /// What judges messages, if any are to be judged. `ours` are the fields that are added to our own
    /// Logon: the peer's may have them too.
    pub(super) fn validator(&self, ours: &[LogonField]) -> Option<Validator> {
        let dictionaries = self.dictionaries.clone()?;
        let agreed = LOGON_FIELDS
            .into_iter()
            .chain(ours.iter().map(|field| field.tag));
        (self.scope != Scope::Off)
            .then(|| Validator::new(dictionaries, self.scope, self.checks).with_logon_fields(agreed))
    }
}

impl Session {
    /// The dictionary that defines `message`, if the session has one for it: groups are read by it.
    #[must_use]
    pub fn dictionary_of(
        &self,
        message: &Message<'_>,
        version: ApplVersion,
    ) -> Option<&SharedDictionary> {
        let dictionaries = self.settings.validation.dictionaries.as_ref()?;
        let dialect = dialect_of(&self.settings, &self.peer, message, version);
        dictionaries.of_message(message.msg_type(), dialect)
    }

    /// Judges a message whose turn it is.
    #[inline]
    pub(super) fn validate(
        &mut self,
        message: &Message<'_>,
        head: &Head<'_>,
        kind: Kind,
    ) -> Result<(), Fault> {
        match self.validator {
            None => Ok(()),
            Some(_) => self.judge(message, head, kind),
        }
    }

    /// Judges a Logon(A) that the session itself finds in order.
    pub(super) fn validate_logon(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        let version = self.settings.rules.appl_version;
        let Some(validator) = &mut self.validator else {
            return Ok(());
        };
        let Err(invalid) = validator.check(message, version.into()) else {
            return Ok(());
        };
        let defect = match invalid.kind {
            InvalidKind::Missing => Defect::Missing,
            _ => Defect::Invalid,
        };
        let tag = invalid.tag;
        self.take_or_refuse(Fault::BadLogonField { tag, defect })
    }

    /// Counts what is wrong with a Logout(5), which is a Logout whatever is wrong with it.
    pub(super) fn note_defects(&mut self, logout: &Message<'_>, head: &Head<'_>) {
        let judged = match head.check(&self.settings.validation.checks) {
            Ok(()) => self.validate(logout, head, Kind::Logout),
            wrong => wrong,
        };
        if let Err(fault) = judged {
            self.tally.note(fault);
        }
    }

    fn judge(&mut self, message: &Message<'_>, head: &Head<'_>, kind: Kind) -> Result<(), Fault> {
        let version = match kind {
            Kind::Application => self.version_of(message, head)?,
            _ => self.settings.rules.appl_version,
        };
        let Some(validator) = &mut self.validator else {
            return Ok(());
        };
        let dialect = dialect_of(&self.settings, &self.peer, message, version);
        let Err(invalid) = validator.check(message, dialect) else {
            return Ok(());
        };
        self.take_or_refuse(invalid.into())
    }

    /// What becomes of an invalid message.
    fn take_or_refuse(&mut self, fault: Fault) -> Result<(), Fault> {
        match self.settings.validation.invalid {
            OnInvalid::Reject => Err(fault),
            OnInvalid::Accept => {
                self.tally.note(fault);
                Ok(())
            }
        }
    }
}

/// The dialect of a message of this version. Looked for only where it matters.
fn dialect_of<'a>(
    settings: &Settings,
    peer: &'a Peer,
    message: &Message<'a>,
    version: ApplVersion,
) -> ApplDialect<'a> {
    let dictionaries = settings.validation.dictionaries.as_ref();
    let negotiated = settings.rules.default_appl_ver_id.is_some();
    if negotiated && dictionaries.is_some_and(Dictionaries::has_dialects) {
        peer.dialect_of(message, version)
    } else {
        version.into()
    }
}

impl From<Invalid> for Fault {
    fn from(Invalid { tag, kind }: Invalid) -> Self {
        match kind {
            InvalidKind::UndefinedTag if tag == tag::INVALID => Self::InvalidTag,
            InvalidKind::UndefinedTag => Self::UndefinedTag { tag },
            InvalidKind::Missing => Self::Missing { tag },
            InvalidKind::NotInMessage => Self::NotInMessage { tag },
            InvalidKind::Empty => Self::Empty { tag },
            InvalidKind::Value => Self::Value { tag },
            InvalidKind::Format => Self::Format { tag },
            InvalidKind::MsgType => Self::MsgType,
            InvalidKind::Repeated => Self::Repeated { tag },
            InvalidKind::Misplaced => Self::Misplaced { tag },
            InvalidKind::GroupOrder => Self::GroupOrder { tag },
            InvalidKind::GroupCount => Self::GroupCount { tag },
            InvalidKind::ApplVersion => Self::ApplVerId,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Disposition;

    #[test]
    fn each_finding_is_rejected_with_its_own_reason() {
        for kind in InvalidKind::ALL {
            let fault = Fault::from(Invalid { tag: 55, kind });
            assert_eq!(
                fault.disposition(),
                Disposition::Reject(kind.reason()),
                "{kind:?}"
            );
        }
        let impossible = Invalid {
            tag: tag::INVALID,
            kind: InvalidKind::UndefinedTag,
        };
        assert_eq!(Fault::from(impossible).ref_tag(), None);
    }
}

//! Judging messages by dictionaries: what a user decides, and which fault of the peer each finding is.
//!
//! Without dictionaries nothing is judged but what the session itself must read. With them, messages
//! are judged when it is their turn: one that waits behind a gap is judged when the gap is closed, and a
//! copy of one that was dealt with is not. Logon(A) and Logout(5) are judged by the session alone.

use super::Session;
use super::content::Kind;
use super::head::Head;
use super::peer::Peer;
use super::settings::Settings;
use crate::dict::{
    ApplDialect, Checks, Dictionaries, Invalid, InvalidKind, Scope, SharedDictionary, Validator,
};
use crate::session::Fault;
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

impl Validation {
    /// Validation by these dictionaries, with all checks.
    #[must_use]
    pub fn full(dictionaries: Dictionaries) -> Self {
        Self {
            dictionaries: Some(dictionaries),
            ..Self::default()
        }
    }

    /// What judges messages, if any are to be judged.
    pub(super) fn validator(&self) -> Option<Validator> {
        let dictionaries = self.dictionaries.clone()?;
        (self.scope != Scope::Off).then(|| Validator::new(dictionaries, self.scope, self.checks))
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
        let fault = Fault::from(invalid);
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

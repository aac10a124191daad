//! What is checked of a peer's messages.

use super::super::dictionaries::version_called;
use super::super::value::{flag, span};
use super::{Family, Given, Key, honoured, mapped};
use crate::dict::Scope;
use crate::session::fix::OnInvalid;
use crate::session::fix::policy::Garbled;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "UseDataDictionary",
        "Y",
        "Y",
        "check messages against a dictionary",
        |draft, given| {
            draft.dictionaries.use_them = Some(flag(given.value)?);
            Ok(())
        },
    ),
    honoured(
        "DataDictionary",
        "of the version",
        "required",
        "XML file up to FIX.4.4; the dictionary that comes with the library if not given",
        |draft, given| {
            draft.dictionaries.data = file(given);
            Ok(())
        },
    ),
    honoured(
        "TransportDataDictionary",
        "of the version",
        "required",
        "XML file of FIXT.1.1",
        |draft, given| {
            draft.dictionaries.transport = file(given);
            Ok(())
        },
    ),
    honoured(
        "AppDataDictionary",
        "of the version",
        "required",
        "XML file of the application version of a session over FIXT.1.1, or of the one after the point",
        |draft, given| {
            if !given.suffix.is_empty() && version_called(given.suffix).is_none() {
                return Err(
                    "no such version; expected one such as AppDataDictionary.FIX.5.0SP2".to_owned(),
                );
            }
            let files = &mut draft.dictionaries.applications;
            match file(given) {
                Some(path) => files.insert(given.suffix.to_owned(), path),
                None => files.remove(given.suffix),
            };
            Ok(())
        },
    )
    .family(Family::Versioned),
    mapped(
        "PreserveMessageFieldsOrder",
        "-",
        "N",
        "fields leave in the order they were set; always so here",
        |draft, given| {
            if !flag(given.value)? {
                draft.warn(
                    given,
                    "fields leave in the order the application sets them, never sorted by tag",
                );
            }
            Ok(())
        },
    ),
    honoured(
        "ValidateLengthAndChecksum",
        "-",
        "Y",
        "look at CheckSum(10); BodyLength(9) is always looked at",
        |draft, given| {
            let looked_at = flag(given.value)?;
            draft.config.settings.checks.checksum = looked_at;
            if !looked_at {
                draft.warn(
                    given,
                    "BodyLength(9) is looked at nevertheless: messages are cut by it",
                );
            }
            Ok(())
        },
    ),
    honoured(
        "ValidateChecksum",
        "Y",
        "-",
        "look at CheckSum(10)",
        |draft, given| {
            draft.config.settings.checks.checksum = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ValidateFieldsOutOfOrder",
        "Y",
        "Y",
        "fields stand in header, body or trailer as they must",
        |draft, given| {
            draft.config.settings.validation.checks.sections = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ValidateFieldsHaveValues",
        "Y",
        "Y",
        "no field is empty",
        |draft, given| {
            draft.config.settings.validation.checks.empty_values = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ValidateUserDefinedFields",
        "Y",
        "Y",
        "tags from 5000 are in the dictionary too",
        |draft, given| {
            draft.config.settings.validation.checks.user_defined_fields = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ValidateUnorderedGroupFields",
        "Y",
        "-",
        "fields of a group entry stand in order",
        |draft, given| {
            draft.config.settings.validation.checks.group_order = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "FirstFieldInGroupIsDelimiter",
        "N",
        "-",
        "any field may begin the entries of a group",
        |draft, given| {
            draft.config.settings.validation.checks.group_delimiter = !flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ValidateIncomingMessage",
        "Y",
        "-",
        "N: no check against the dictionary, which then serves to read groups",
        |draft, given| {
            draft.config.settings.validation.scope = match flag(given.value)? {
                true => Scope::Full,
                false => Scope::Off,
            };
            Ok(())
        },
    ),
    honoured(
        "ValidateSequenceNumbers",
        "Y",
        "-",
        "N: take messages whatever their MsgSeqNum(34)",
        |draft, given| {
            draft.config.settings.checks.sequence_numbers = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "AllowUnknownMsgFields",
        "N",
        "N",
        "tags below 5000 may be in messages that have them not",
        |draft, given| {
            draft.config.settings.validation.checks.unknown_fields = !flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "AllowUnknownEnumValues",
        "N",
        "-",
        "values that are not in the dictionary are taken",
        |draft, given| {
            draft.config.settings.validation.checks.listed_values = !flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "CheckCompID",
        "Y",
        "Y",
        "SenderCompID(49) and TargetCompID(56) are the session's",
        |draft, given| {
            draft.config.settings.checks.comp_ids = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "CheckLatency",
        "Y",
        "Y",
        "SendingTime(52) is within MaxLatency of our clock",
        |draft, given| {
            draft.check_latency = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "MaxLatency",
        "120",
        "120",
        "seconds SendingTime(52) may be off",
        |draft, given| {
            draft.max_latency = span(given.value, Duration::from_secs(1))?;
            Ok(())
        },
    ),
    honoured(
        "RejectGarbledMessage",
        "N",
        "-",
        "Y: answer a garbled message with a Reject(3) and count it",
        |draft, given| {
            draft.config.settings.checks.garbled = match flag(given.value)? {
                true => Garbled::Reject,
                false => Garbled::Ignore,
            };
            Ok(())
        },
    ),
    honoured(
        "RejectInvalidMessage",
        "Y",
        "-",
        "N: count an invalid message and hand it to the application",
        |draft, given| {
            draft.config.settings.validation.invalid = match flag(given.value)? {
                true => OnInvalid::Reject,
                false => OnInvalid::Accept,
            };
            Ok(())
        },
    ),
    mapped(
        "RejectMessageOnUnhandledException",
        "N",
        "-",
        "Y: a message the application fails over is rejected and counted; N, which would have it come \
         again and again, is taken for Y",
        |draft, given| {
            if !flag(given.value)? {
                draft.warn(
                    given,
                    "taken for Y: a message that is not counted would come again and again",
                );
            }
            Ok(())
        },
    ),
];

/// A file; an empty value takes back what [DEFAULT] says.
fn file(given: &Given<'_>) -> Option<PathBuf> {
    Some(PathBuf::from(given.value)).filter(|path| !path.as_os_str().is_empty())
}

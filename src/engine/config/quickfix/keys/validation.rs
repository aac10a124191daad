//! What is checked of a peer's messages.

use super::super::value::{flag, span};
use super::{Family, Key, honoured, mapped, not_yet};
use std::time::Duration;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "UseDataDictionary",
        "Y",
        "Y",
        "check messages against a dictionary",
        |draft, given| {
            draft.use_dictionary = Some(flag(given.value)?);
            Ok(())
        },
    ),
    not_yet(
        "DataDictionary",
        "of the version",
        "required",
        "XML file of the version up to FIX.4.4",
    ),
    not_yet(
        "TransportDataDictionary",
        "of the version",
        "required",
        "XML file of FIXT.1.1",
    ),
    not_yet(
        "AppDataDictionary",
        "of the version",
        "required",
        "XML file of the application version",
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
    not_yet(
        "ValidateLengthAndChecksum",
        "-",
        "Y",
        "look at BodyLength(9) and CheckSum(10)",
    ),
    not_yet("ValidateChecksum", "Y", "-", "look at CheckSum(10)"),
    not_yet(
        "ValidateFieldsOutOfOrder",
        "Y",
        "Y",
        "fields stand in header, body or trailer as they must",
    ),
    not_yet("ValidateFieldsHaveValues", "Y", "Y", "no field is empty"),
    not_yet(
        "ValidateUserDefinedFields",
        "Y",
        "Y",
        "tags from 5000 are in the dictionary too",
    ),
    not_yet(
        "ValidateUnorderedGroupFields",
        "Y",
        "-",
        "fields of a group entry stand in order",
    ),
    not_yet(
        "FirstFieldInGroupIsDelimiter",
        "N",
        "-",
        "any field may begin the entries of a group",
    ),
    not_yet(
        "ValidateIncomingMessage",
        "Y",
        "-",
        "N: no check against the dictionary",
    ),
    not_yet(
        "ValidateSequenceNumbers",
        "Y",
        "-",
        "N: take messages whatever their MsgSeqNum(34)",
    ),
    not_yet(
        "AllowUnknownMsgFields",
        "N",
        "N",
        "tags below 5000 may be in messages that have them not",
    ),
    not_yet(
        "AllowUnknownEnumValues",
        "N",
        "-",
        "values that are not in the dictionary are taken",
    ),
    not_yet(
        "CheckCompID",
        "Y",
        "Y",
        "SenderCompID(49) and TargetCompID(56) are the session's",
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
    not_yet(
        "RejectGarbledMessage",
        "N",
        "-",
        "answer a garbled message with a Reject(3)",
    ),
    not_yet(
        "RejectInvalidMessage",
        "Y",
        "-",
        "N: hand an invalid message to the application",
    ),
    honoured(
        "RejectMessageOnUnhandledException",
        "N",
        "-",
        "N: no exception of a callback rejects a message",
        super::sequence::no_exceptions,
    ),
];

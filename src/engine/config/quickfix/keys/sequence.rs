//! Sequence numbers, resends and what a Logon carries.

use super::super::value::flag;
use super::{Draft, Family, Given, Key, honoured, not_yet, refused};
use crate::session::fix::{AtLogon, HeartbeatChoice, LogonField, Role};
use crate::wire::fix::tag;

pub(super) const KEYS: &[Key] = &[
    honoured(
        "ResetOnLogon",
        "N",
        "N",
        "both numbers restart at 1 with every Logon",
        |draft, given| {
            let settings = &mut draft.config.settings;
            settings.at_logon = match (flag(given.value)?, settings.role) {
                (false, _) => AtLogon::Continue,
                (true, Role::Initiator) if settings.rules.reset_seq_num_flag => AtLogon::AskReset,
                (true, _) => AtLogon::Restart,
            };
            Ok(())
        },
    ),
    honoured(
        "ResetOnLogout",
        "N",
        "N",
        "both numbers restart at 1 after an orderly Logout",
        |draft, given| {
            draft.reset_on_logout = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ResetOnDisconnect",
        "N",
        "N",
        "both numbers restart at 1 when a connection ends",
        |draft, given| {
            draft.reset_on_disconnect = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "ResetOnError",
        "N",
        "-",
        "N: no exception of a callback resets the numbers",
        no_exceptions,
    ),
    honoured(
        "DisconnectOnError",
        "N",
        "-",
        "N: no exception of a callback disconnects",
        no_exceptions,
    ),
    honoured(
        "RefreshOnLogon",
        "N",
        "N",
        "read the numbers from the store again at Logon",
        |_, given| match flag(given.value)? {
            false => Ok(()),
            true => Err(
                "expected N: a journal has one owner, which knows the numbers; a stand-by process \
                         opens the journal when the first has let go of it"
                    .to_owned(),
            ),
        },
    ),
    honoured(
        "EnableLastMsgSeqNumProcessed",
        "N",
        "-",
        "LastMsgSeqNumProcessed(369) in every header",
        |draft, given| {
            draft.config.settings.logon.last_processed = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "EnableNextExpectedMsgSeqNum",
        "N",
        "N",
        "NextExpectedMsgSeqNum(789) in the Logon, from FIX.4.4",
        |draft, given| {
            draft.config.settings.logon.next_expected = flag(given.value)?;
            Ok(())
        },
    )
    .also(&["SendNextExpectedMsgSeqNum"]),
    not_yet(
        "ClosedResendInterval",
        "N",
        "-",
        "EndSeqNo(16) is the end of the gap instead of 0",
    ),
    not_yet(
        "ResendRequestChunkSize",
        "0",
        "-",
        "the most messages asked for at once; 0 for all",
    ),
    not_yet(
        "SendRedundantResendRequests",
        "N",
        "N",
        "ask again for what was asked for already",
    ),
    not_yet(
        "ForceResendWhenCorruptedStore",
        "N",
        "-",
        "fill gaps of a store that cannot be read, instead of failing",
    ),
    not_yet(
        "AllowPosDup",
        "N",
        "-",
        "the application sets PossDupFlag(43) and OrigSendingTime(122)",
    ),
    not_yet(
        "RequiresOrigSendingTime",
        "Y",
        "-",
        "refuse a PossDupFlag(43)=Y without OrigSendingTime(122)",
    ),
    honoured(
        "LogonTag",
        "none",
        "-",
        "TAG=VALUE, a field added to our Logon",
        logon_tag,
    )
    .family(Family::Numbered),
    not_yet(
        "PersistMessages",
        "Y",
        "Y",
        "N: keep numbers only, and fill gaps instead of resending",
    ),
    honoured(
        "HeartBtIntOverride",
        "-",
        "-",
        "Y: HeartBtInt of the acceptor holds, not that of the peer",
        |draft, given| {
            draft.config.settings.logon.heartbeat.choice = match flag(given.value)? {
                true => HeartbeatChoice::Ours,
                false => HeartbeatChoice::Theirs,
            };
            Ok(())
        },
    )
    .only(Role::Acceptor),
    honoured(
        "ResetSeqTime",
        "-",
        "-",
        "HH:MM:SS [ZONE] at which a Logon with 141=Y restarts the numbers while the session stays up",
        |draft, given| {
            draft.hours.reset_time = Some(given.value.to_owned()).filter(|value| !value.is_empty());
            Ok(())
        },
    ),
    refused(
        "SendResetSeqNumFlag",
        "no engine ever read it; ResetOnLogon=Y sends ResetSeqNumFlag(141)=Y",
    ),
];

fn logon_tag(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let right = || "expected TAG=VALUE such as 553=user".to_owned();
    let (tag, value) = given.value.split_once('=').ok_or_else(right)?;
    let tag = tag
        .trim()
        .parse()
        .ok()
        .filter(|tag| *tag != 0)
        .ok_or_else(right)?;
    if [tag::BEGIN_STRING, tag::BODY_LENGTH, tag::CHECK_SUM].contains(&tag) {
        return Err(format!(
            "expected a field of the Logon, tag {tag} is set in every message"
        ));
    }
    let field = LogonField {
        tag,
        value: value.trim().to_owned(),
    };
    draft.logon_tags.insert(given.number(), field);
    Ok(())
}

/// Keys about exceptions of callbacks, of which there are none.
pub(super) fn no_exceptions(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match flag(given.value)? {
        false => Ok(()),
        true => Err(
            "expected N: a callback answers with a verdict, it throws nothing; what it cannot \
                     take it rejects"
                .to_owned(),
        ),
    }
}

//! Sequence numbers, resends and what a Logon carries.

use super::super::value::{flag, number};
use super::{Draft, Family, Given, Key, honoured, mapped, refused};
use crate::session::fix::policy::{OrigSendingTime, RequestEnd, ResendFrom};
use crate::session::fix::{AtLogon, HeartbeatChoice, LogonField, OnFailure, Role};
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
        "Y: a message the application fails over ends the connection and both numbers restart at 1",
        |draft, given| {
            if flag(given.value)? {
                draft.config.settings.on_failure = OnFailure::Restart;
            }
            Ok(())
        },
    ),
    honoured(
        "DisconnectOnError",
        "N",
        "-",
        "Y: a message the application fails over ends the connection; it comes again at the next logon",
        |draft, given| {
            let on_failure = &mut draft.config.settings.on_failure;
            if flag(given.value)? && *on_failure == OnFailure::Reject {
                *on_failure = OnFailure::Disconnect;
            }
            Ok(())
        },
    ),
    mapped(
        "RefreshOnLogon",
        "N",
        "N",
        "always so: the numbers are those of the journal, which one process owns at a time",
        |draft, given| {
            if flag(given.value)? {
                draft.warn(
                    given,
                    "a stand-by process opens the journal, and finds the numbers, once the first has let go of it",
                );
            }
            Ok(())
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
    honoured(
        "ClosedResendInterval",
        "N",
        "-",
        "Y: EndSeqNo(16) is the end of the gap, N: it is 0, or 999999 before FIX.4.2",
        |draft, given| {
            draft.config.settings.recovery.end = match flag(given.value)? {
                true => RequestEnd::Closed,
                false => RequestEnd::Open,
            };
            Ok(())
        },
    ),
    honoured(
        "ResendRequestChunkSize",
        "0",
        "-",
        "the most messages asked for at once; 0 for all",
        |draft, given| {
            let messages = number(given.value, 0, u64::from(u32::MAX))?;
            draft.config.settings.recovery.chunk = Some(messages).filter(|messages| *messages > 0);
            Ok(())
        },
    ),
    honoured(
        "SendRedundantResendRequests",
        "N",
        "N",
        "ask again for what was asked for already",
        |draft, given| {
            draft.config.settings.recovery.redundant_requests = flag(given.value)?;
            Ok(())
        },
    ),
    mapped(
        "ForceResendWhenCorruptedStore",
        "N",
        "-",
        "a message that cannot be read back is passed over, with a gap fill; always so here",
        |_, given| flag(given.value).map(|_| ()),
    ),
    honoured(
        "AllowPosDup",
        "N",
        "-",
        "PossDupFlag(43) and OrigSendingTime(122) of the application stay on its messages",
        |draft, given| {
            draft.config.settings.resend.application_poss_dup = flag(given.value)?;
            Ok(())
        },
    ),
    honoured(
        "RequiresOrigSendingTime",
        "Y",
        "-",
        "a message with PossDupFlag(43)=Y must have OrigSendingTime(122)",
        |draft, given| {
            draft.config.settings.checks.orig_sending_time = match flag(given.value)? {
                true => OrigSendingTime::Always,
                false => OrigSendingTime::Never,
            };
            Ok(())
        },
    ),
    honoured(
        "LogonTag",
        "none",
        "-",
        "TAG=VALUE, a field added to our Logon",
        logon_tag,
    )
    .family(Family::Numbered),
    honoured(
        "PersistMessages",
        "Y",
        "Y",
        "N: every ResendRequest(2) is answered with a gap fill",
        |draft, given| {
            draft.config.settings.resend.from = match flag(given.value)? {
                true => ResendFrom::Journal,
                false => ResendFrom::Nothing,
            };
            Ok(())
        },
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

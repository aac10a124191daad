//! What would be logged, and the rest.

use super::super::value::flag;
use super::{Draft, Given, Key, honoured, mapped, refused};
use crate::engine::config::Need;

const JOURNAL: &str = "messages both ways are in the journal, `pinfix journal` reads it; events go to the \
                       application, which may log them where it likes";

pub(super) const KEYS: &[Key] = &[
    mapped(
        "FileLogPath",
        "required",
        "required",
        "directory of log files; the journal is the log here",
        |draft, given| {
            draft.config.journal.record_inbound = true;
            draft.warn(
                given,
                "nothing is written there: messages both ways are in the journal below FileStorePath, \
                           `pinfix journal print` shows them",
            );
            Ok(())
        },
    ),
    refused(
        "FileLogBackupPath",
        "old segments of the journal are deleted or kept as its retention says; move closed ones",
    ),
    mapped(
        "FileLogHeartbeats",
        "N",
        "-",
        "heartbeats in the log; always in the journal",
        always_there,
    ),
    mapped(
        "FileIncludeMilliseconds",
        "N",
        "-",
        "milliseconds in the log; always nanoseconds in the journal",
        always_there,
    ),
    mapped(
        "FileIncludeTimeStampForMessages",
        "N",
        "-",
        "times in the log; always in the journal",
        always_there,
    ),
    mapped(
        "ScreenLogShowEvents",
        "Y",
        "Y",
        "events to the screen",
        no_screen,
    ),
    mapped(
        "ScreenLogShowIncoming",
        "Y",
        "Y",
        "inbound messages to the screen",
        no_screen,
    ),
    mapped(
        "ScreenLogShowOutgoing",
        "Y",
        "Y",
        "outbound messages to the screen",
        no_screen,
    ),
    mapped(
        "ScreenLogShowHeartBeats",
        "N",
        "-",
        "heartbeats to the screen",
        no_screen,
    ),
    mapped(
        "ScreenIncludeMilliseconds",
        "N",
        "-",
        "milliseconds on the screen",
        no_screen,
    ),
    refused("SLF4JLogEventCategory", JOURNAL),
    refused("SLF4JLogIncomingMessageCategory", JOURNAL),
    refused("SLF4JLogOutgoingMessageCategory", JOURNAL),
    refused("SLF4JLogPrependSessionID", JOURNAL),
    refused("SLF4JLogHeartbeats", JOURNAL),
    refused("MySQLLogDatabase", JOURNAL),
    refused("MySQLLogUser", JOURNAL),
    refused("MySQLLogPassword", JOURNAL),
    refused("MySQLLogHost", JOURNAL),
    refused("MySQLLogPort", JOURNAL),
    refused("MySQLLogUseConnectionPool", JOURNAL),
    refused("MySQLLogIncomingTable", JOURNAL),
    refused("MySQLLogOutgoingTable", JOURNAL),
    refused("MySQLLogEventTable", JOURNAL),
    refused("PostgreSQLLogDatabase", JOURNAL),
    refused("PostgreSQLLogUser", JOURNAL),
    refused("PostgreSQLLogPassword", JOURNAL),
    refused("PostgreSQLLogHost", JOURNAL),
    refused("PostgreSQLLogPort", JOURNAL),
    refused("PostgreSQLLogUseConnectionPool", JOURNAL),
    refused("PostgresSQLLogIncomingTable", JOURNAL).also(&["PostgreSQLLogIncomingTable"]),
    refused("PostgresSQLLogOutgoingTable", JOURNAL).also(&["PostgreSQLLogOutgoingTable"]),
    refused("PostgresSQLLogEventTable", JOURNAL).also(&["PostgreSQLLogEventTable"]),
    refused("OdbcLogUser", JOURNAL),
    refused("OdbcLogPassword", JOURNAL),
    refused("OdbcLogConnectionString", JOURNAL),
    refused("OdbcLogIncomingTable", JOURNAL),
    refused("OdbcLogOutgoingTable", JOURNAL),
    refused("OdbcLogEventTable", JOURNAL),
    refused("SQLLogDriver", JOURNAL),
    refused("SQLLogDataSourceName", JOURNAL),
    refused("SQLLogConnMaxLifetime", JOURNAL),
    refused("MongoLogConnection", JOURNAL),
    refused("MongoLogDatabase", JOURNAL),
    refused("MongoLogReplicaSet", JOURNAL),
    honoured(
        "ContinueInitializationOnError",
        "N",
        "-",
        "Y: start the other sessions when one is misconfigured",
        |draft, given| {
            draft.need = match flag(given.value)? {
                true => Need::Optional,
                false => Need::Required,
            };
            Ok(())
        },
    ),
    honoured(
        "LogMessageWhenSessionNotFound",
        "Y",
        "-",
        "log the Logon of an unknown session; never here, it may hold a password",
        |draft, given| {
            if flag(given.value)? {
                draft.warn(
                    given,
                    "a Logon nobody is configured for is counted, not logged: it may hold a password",
                );
            }
            Ok(())
        },
    ),
    refused(
        "HttpAcceptPort",
        "`pinfix top` shows the sessions, a Controller or the status page serves other programs",
    ),
    honoured(
        "Description",
        "none",
        "-",
        "free text about a session",
        |draft, given| {
            draft.label = Some(given.value.to_owned()).filter(|label| !label.is_empty());
            Ok(())
        },
    ),
    refused(
        "InChanCapacity",
        "a session reads its socket itself, no channel is between them; leave it out",
    ),
];

/// The journal has it whatever the key says.
fn always_there(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    flag(given.value).map(|_| ())
}

fn no_screen(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if flag(given.value)? {
        draft.warn(given, "nothing is written to the screen: `pinfix journal` shows messages, events go to the application");
    }
    Ok(())
}

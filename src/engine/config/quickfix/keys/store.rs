//! Where numbers and messages are kept.

use std::path::PathBuf;

use super::super::value::flag;
use super::{Key, honoured, mapped, refused};
use crate::journal::Durability;

const JOURNAL: &str = "numbers and messages are in journal files, no database; FileStorePath names their \
                       directory, `pinfix journal` reads them";

pub(super) const KEYS: &[Key] = &[
    mapped(
        "FileStorePath",
        "required",
        "required",
        "directory, below which each session has its journal",
        |draft, given| {
            if given.value.is_empty() {
                return Err("expected a directory".to_owned());
            }
            draft.journals = Some(PathBuf::from(given.value));
            Ok(())
        },
    ),
    honoured(
        "FileStoreSync",
        "N",
        "-",
        "Y: a message is on the device before it is sent",
        |draft, given| {
            draft.config.journal.durability = match flag(given.value)? {
                true => Durability::FlushEach,
                false => Durability::PageCache,
            };
            Ok(())
        },
    ),
    refused(
        "FileStoreMaxCachedMsgs",
        "the journal is mapped into memory and has an index of its own; leave it out",
    ),
    refused("JdbcDataSourceName", JOURNAL),
    refused("JdbcDriver", JOURNAL),
    refused("JdbcURL", JOURNAL),
    refused("JdbcUser", JOURNAL),
    refused("JdbcPassword", JOURNAL),
    refused("JdbcStoreMessagesTableName", JOURNAL),
    refused("JdbcStoreSessionsTableName", JOURNAL),
    refused("JdbcLogHeartBeats", JOURNAL),
    refused("JdbcLogIncomingTable", JOURNAL),
    refused("JdbcLogOutgoingTable", JOURNAL),
    refused("JdbcLogEventTable", JOURNAL),
    refused("JdbcSessionIdDefaultPropertyValue", JOURNAL),
    refused("JdbcMaxActiveConnection", JOURNAL),
    refused("JdbcMinIdleConnection", JOURNAL),
    refused("JdbcMaxConnectionLifeTime", JOURNAL),
    refused("JdbcConnectionTimeout", JOURNAL),
    refused("JdbcConnectionIdleTimeout", JOURNAL),
    refused("JdbcConnectionKeepaliveTime", JOURNAL),
    refused("JdbcConnectionTestQuery", JOURNAL),
    refused("JndiContextFactory", JOURNAL),
    refused("JndiProviderURL", JOURNAL),
    refused("SleepycatDatabaseDir", JOURNAL),
    refused("SleepycatMessageDbName", JOURNAL),
    refused("SleepycatSequenceDbName", JOURNAL),
    refused("MySQLStoreDatabase", JOURNAL),
    refused("MySQLStoreUser", JOURNAL),
    refused("MySQLStorePassword", JOURNAL),
    refused("MySQLStoreHost", JOURNAL),
    refused("MySQLStorePort", JOURNAL),
    refused("MySQLStoreUseConnectionPool", JOURNAL),
    refused("PostgreSQLStoreDatabase", JOURNAL),
    refused("PostgreSQLStoreUser", JOURNAL),
    refused("PostgreSQLStorePassword", JOURNAL),
    refused("PostgreSQLStoreHost", JOURNAL),
    refused("PostgreSQLStorePort", JOURNAL),
    refused("PostgreSQLStoreUseConnectionPool", JOURNAL),
    refused("OdbcStoreUser", JOURNAL),
    refused("OdbcStorePassword", JOURNAL),
    refused("OdbcStoreConnectionString", JOURNAL),
    refused("SQLStoreDriver", JOURNAL),
    refused("SQLStoreDataSourceName", JOURNAL),
    refused("SQLStoreConnMaxLifetime", JOURNAL),
    refused("SQLStoreMessagesTableName", JOURNAL),
    refused("SQLStoreSessionsTableName", JOURNAL),
    refused("MongoStoreConnection", JOURNAL),
    refused("MongoStoreDatabase", JOURNAL),
    refused("MongoStoreReplicaSet", JOURNAL),
];

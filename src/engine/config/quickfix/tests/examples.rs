//! Every key of the table that is honoured or mapped, on a line of a file, and what that changes.
//!
//! The suite fails if a row of the table has no example here, or an example has no row.

use std::sync::OnceLock;
use std::time::Duration;

use super::{ACCEPTOR, INITIATOR, read};
use crate::dict::{Scope, SharedDictionary};
use crate::engine::config::quickfix::keys::{self, Stance};
use crate::engine::config::{Failover, IdentityPattern, Need, Plan, Planned, Start};
use crate::engine::{Authorities, ClientCheck, ServerCheck, TLS_AVAILABLE, TlsVersion};
use crate::journal::{Durability, Location};
use crate::session::fix::policy::{Garbled, OnSilence, OrigSendingTime, RequestEnd, ResendFrom};
use crate::session::fix::rules::ALL;
use crate::session::fix::{AtEnd, AtLogon, HeartbeatChoice, OnFailure, OnInvalid, Role, SlowPeer};
use crate::session::schedule::Hours;
use crate::time::TimestampPrecision;
use crate::wire::fix::ApplVersion;

/// What a line does to a session that is whole without it.
enum Shows {
    /// Holds with the line and not without.
    Change(fn(&Planned) -> bool),
    /// The same, of the whole plan.
    ChangeOfPlan(fn(&Plan) -> bool),
    /// A warning says so.
    Warning(&'static str),
    /// Says what is so anyway; this other value is refused.
    Nothing { refused: &'static str },
}
use Shows::{Change, ChangeOfPlan, Nothing, Warning};

/// Key, lines, what they do to an initiator or an acceptor.
type Row = (&'static str, &'static str, Role, Shows);

const I: Role = Role::Initiator;
const A: Role = Role::Acceptor;

const ROWS: &[Row] = &[
    (
        "BeginString",
        "BeginString=FIX.4.2",
        I,
        Change(|s| s.config.settings.rules.name == "FIX.4.2"),
    ),
    (
        "SenderCompID",
        "SenderCompID=X",
        I,
        Change(|s| s.config.settings.id.sender_comp_id == "X"),
    ),
    (
        "TargetCompID",
        "TargetCompID=X",
        I,
        Change(|s| s.config.settings.id.target_comp_id == "X"),
    ),
    (
        "ConnectionType",
        "ConnectionType=acceptor\nSocketAcceptPort=1",
        I,
        Change(|s| s.config.settings.role == Role::Acceptor),
    ),
    (
        "DefaultApplVerID",
        "BeginString=FIXT.1.1\nDefaultApplVerID=FIX.5.0SP1",
        I,
        Change(|s| s.config.settings.rules.name == "FIX.5.0SP1"),
    ),
    (
        "SenderSubID",
        "SenderSubID=s",
        I,
        Change(|s| s.config.settings.id.sender_sub_id.as_deref() == Some("s")),
    ),
    (
        "SenderLocationID",
        "SenderLocationID=l",
        I,
        Change(|s| s.config.settings.id.sender_location_id.as_deref() == Some("l")),
    ),
    (
        "TargetSubID",
        "TargetSubID=s",
        A,
        Change(|s| s.config.settings.id.target_sub_id.as_deref() == Some("s")),
    ),
    (
        "TargetLocationID",
        "TargetLocationID=l",
        A,
        Change(|s| s.config.settings.id.target_location_id.as_deref() == Some("l")),
    ),
    (
        "SessionQualifier",
        "SessionQualifier=2",
        I,
        Change(|s| s.config.settings.id.qualifier.as_deref() == Some("2")),
    ),
    (
        "NonStopSession",
        "NonStopSession=Y",
        I,
        Nothing { refused: "true" },
    ),
    (
        "TimeStampPrecision",
        "TimestampPrecision=6",
        I,
        Change(|s| s.config.settings.precision == TimestampPrecision::Micros),
    ),
    (
        "MillisecondsInTimeStamp",
        "MillisecondsInTimeStamp=N",
        I,
        Change(|s| s.config.settings.precision == TimestampPrecision::Seconds),
    ),
    (
        "RefreshOnLogon",
        "RefreshOnLogon=Y",
        A,
        Warning("once the first has let go of it"),
    ),
    (
        "LogonTag",
        "LogonTag=553=user\nLogonTag1=554=secret",
        I,
        Change(|s| format!("{:?}", s.config.settings.logon_fields) == "[553=user, 554=***]"),
    ),
    (
        "UseDataDictionary",
        "UseDataDictionary=Y",
        I,
        Change(|s| s.config.settings.validation.dictionaries.is_some()),
    ),
    (
        "PreserveMessageFieldsOrder",
        "PreserveMessageFieldsOrder=N",
        I,
        Warning("never sorted by tag"),
    ),
    (
        "CheckLatency",
        "CheckLatency=N",
        I,
        Change(|s| s.config.settings.checks.sending_time_window.is_none()),
    ),
    (
        "MaxLatency",
        "MaxLatency=7",
        I,
        Change(|s| s.config.settings.checks.sending_time_window == Some(Duration::from_secs(7))),
    ),
    (
        "HeartBtInt",
        "HeartBtInt=7",
        I,
        Change(|s| s.config.settings.heartbeat_s == 7),
    ),
    (
        "LogonTimeout",
        "LogonTimeout=7",
        I,
        Change(|s| s.config.settings.logon_timeout == Duration::from_secs(7)),
    ),
    (
        "LogoutTimeout",
        "LogoutTimeout=7",
        I,
        Change(|s| s.config.settings.logout.timeout == Duration::from_secs(7)),
    ),
    (
        "ReconnectInterval",
        "ReconnectInterval=3x5;2x30;60",
        I,
        Change(|s| s.config.connect.reconnect == [5, 5, 5, 30, 30, 60].map(Duration::from_secs)),
    ),
    (
        "SocketConnectHost",
        "SocketConnectHost=fix.example.com\nSocketConnectHost1=::1\nSocketConnectPort1=9",
        I,
        Change(|s| destinations(s) == "fix.example.com:5001 [::1]:9"),
    ),
    (
        "SocketConnectPort",
        "SocketConnectPort=$HOME_PORT",
        I,
        Change(|s| destinations(s) == "127.0.0.1:5002"),
    ),
    (
        "SocketLocalHost",
        "SocketConnectSourceHost=127.0.0.2",
        I,
        Change(|s| source(s).as_deref() == Some("127.0.0.2:0")),
    ),
    (
        "SocketLocalPort",
        "SocketLocalPort=7",
        I,
        Change(|s| source(s).as_deref() == Some("0.0.0.0:7")),
    ),
    (
        "HostSelectionPolicy",
        "HostSelectionPolicy=PRIORITY",
        I,
        Change(|s| {
            let start_over = Duration::from_secs(120);
            s.config.connect.policy == Failover::Priority { start_over }
        }),
    ),
    (
        "HostSelectionPolicyPriorityStartOverInterval",
        "HostSelectionPolicy=PRIORITY\nHostSelectionPolicyPriorityStartOverInterval=7",
        I,
        Change(|s| {
            let start_over = Duration::from_secs(7);
            s.config.connect.policy == Failover::Priority { start_over }
        }),
    ),
    (
        "SocketReuseAddress",
        "SocketReuseAddress=N",
        A,
        ChangeOfPlan(|p| !p.listeners[0].reuse_address),
    ),
    (
        "AllowedRemoteAddresses",
        "AllowedRemoteAddresses=10.0.0.0/8, 127.0.0.1",
        A,
        Change(|s| {
            let allow = &s.config.accept.allow;
            allow.len() == 2 && allow[0].contains([10, 1, 2, 3].into())
        }),
    ),
    (
        "AcceptorTemplate",
        "AcceptorTemplate=Y\nTargetCompID=*",
        A,
        ChangeOfPlan(|p| {
            let templates = &p.listeners[0].templates;
            p.sessions.is_empty() && templates[0].allow == [IdentityPattern::new("ME", "*")]
        }),
    ),
    (
        "DynamicSessions",
        "[DEFAULT]\nDynamicSessions=Y\nSocketAcceptPort=5001",
        A,
        ChangeOfPlan(|p| {
            let templates = &p.listeners[0].templates;
            p.sessions.len() == 1 && templates.len() == 1 && templates[0].rules.len() == ALL.len()
        }),
    ),
    (
        "SocketKeepAlive",
        "SocketKeepAlive=Y",
        I,
        Change(|s| s.config.socket.keepalive == Some(Duration::from_secs(7200))),
    ),
    (
        "SocketReceiveBufferSize",
        "SocketReceiveBufferSize=65536",
        I,
        Change(|s| s.config.socket.receive_buffer_bytes == Some(65536)),
    ),
    (
        "SocketSendBufferSize",
        "SocketSendBufferSize=65536",
        I,
        Change(|s| s.config.socket.send_buffer_bytes == Some(65536)),
    ),
    (
        "SocketLinger",
        "SocketLinger=3",
        I,
        Change(|s| s.config.socket.linger == Some(Duration::from_secs(3))),
    ),
    (
        "SocketTrafficClass",
        "SocketTrafficClass=IPTOS_LOWDELAY|IPTOS_THROUGHPUT",
        I,
        Change(|s| s.config.socket.traffic_class == Some(0x18)),
    ),
    (
        "MaxScheduledWriteRequests",
        "MaxScheduledWriteRequests=100",
        I,
        Change(|s| {
            let is_closed = s.config.settings.sending.slow_peer == SlowPeer::Disconnect;
            is_closed && s.config.journal.unsent_limit_bytes == 102_400
        }),
    ),
    (
        "SocketConnectProtocol",
        "SocketConnectProtocol=TCP",
        I,
        Nothing { refused: "VM_PIPE" },
    ),
    (
        "SocketConnectTimeout",
        "SocketConnectTimeout=7",
        I,
        Change(|s| s.config.connect.timeout == Duration::from_secs(7)),
    ),
    (
        "DynamicSession",
        "DynamicSession=Y",
        I,
        Change(|s| s.start == Start::Later),
    ),
    (
        "SocketAcceptPort",
        "SocketAcceptPort=5002",
        A,
        ChangeOfPlan(|p| p.listeners[0].address.to_string() == "0.0.0.0:5002"),
    ),
    (
        "SocketAcceptAddress",
        "SocketAcceptHost=127.0.0.1",
        A,
        ChangeOfPlan(|p| p.listeners[0].address.to_string() == "127.0.0.1:5001"),
    ),
    (
        "SocketAcceptProtocol",
        "SocketAcceptProtocol=TCP",
        A,
        Nothing { refused: "VM_PIPE" },
    ),
    (
        "SocketTcpNoDelay",
        "SocketTcpNoDelay=N",
        I,
        Warning("TCP_NODELAY is always on"),
    ),
    (
        "SocketNodelay",
        "SocketNodelay=N",
        I,
        Warning("TCP_NODELAY is always on"),
    ),
    (
        "SocketOobInline",
        "SocketOobInline=N",
        I,
        Nothing { refused: "Y" },
    ),
    (
        "SocketSynchronousWrites",
        "SocketSynchronousWrites=Y",
        I,
        Nothing { refused: "maybe" },
    ),
    (
        "SocketUseSSL",
        "SocketUseSSL=Y\nCertificationAuthoritiesFile={tls}/ca.pem",
        I,
        Change(|s| s.config.connect.tls.is_some()),
    ),
    (
        "NeedClientAuth",
        "NeedClientAuth=Y\nCertificationAuthoritiesFile={tls}/ca.pem\n\
         ServerCertificateFile={tls}/cert.pem\nServerCertificateKeyFile={tls}/key.pem",
        A,
        ChangeOfPlan(|plan| {
            let check = plan.listeners[0].tls.as_ref().map(|tls| &tls.client_check);
            matches!(check, Some(ClientCheck::Required(_)))
        }),
    ),
    (
        "EnabledProtocols",
        "EnabledProtocols=TLSv1.3\nCertificationAuthoritiesFile={tls}/ca.pem",
        I,
        Change(is_tls13),
    ),
    (
        "EndpointIdentificationAlgorithm",
        "EndpointIdentificationAlgorithm=HTTPS",
        I,
        Nothing { refused: "none" },
    ),
    ("UseSNI", "UseSNI=N", I, Warning("all the same")),
    (
        "SNIHostName",
        "SNIHostName=other\nCertificationAuthoritiesFile={tls}/ca.pem",
        I,
        Change(|s| {
            let tls = s.config.connect.tls.as_ref();
            tls.is_some_and(|tls| tls.server_name.as_deref() == Some("other"))
        }),
    ),
    (
        "SSLProtocol",
        "SSLProtocol=all -TLSv1_2\nCertificationAuthoritiesFile={tls}/ca.pem",
        I,
        Change(is_tls13),
    ),
    (
        "CertificationAuthoritiesFile",
        "CertificationAuthoritiesFile={tls}/ca.pem",
        I,
        Change(|s| {
            let tls = s.config.connect.tls.as_ref();
            tls.is_some_and(|tls| matches!(tls.authorities, Authorities::Only(_)))
        }),
    ),
    (
        "ServerCertificateFile",
        "ServerCertificateFile={tls}/cert.pem\nServerCertificateKeyFile={tls}/key.pem",
        A,
        ChangeOfPlan(|plan| plan.listeners[0].tls.is_some()),
    ),
    (
        "ServerCertificateKeyFile",
        "ServerCertificateFile={tls}/cert.pem\nServerCertificateKeyFile={tls}/key.pem",
        A,
        ChangeOfPlan(|plan| plan.listeners[0].tls.is_some()),
    ),
    (
        "CertificateVerifyLevel",
        "CertificateVerifyLevel=0",
        I,
        Warning("TLS VERIFICATION IS OFF"),
    ),
    (
        "ClientCertificateFile",
        CLIENT_CERTIFICATE,
        I,
        Change(shows_certificate),
    ),
    (
        "ClientCertificateKeyFile",
        CLIENT_CERTIFICATE,
        I,
        Change(shows_certificate),
    ),
    (
        "SocketPrivateKeyFile",
        "SocketCertificateFile={tls}/cert.pem\nSocketPrivateKeyFile={tls}/key.pem",
        A,
        ChangeOfPlan(|plan| plan.listeners[0].tls.is_some()),
    ),
    (
        "SocketCertificateFile",
        "SocketCertificateFile={tls}/cert.pem\nSocketPrivateKeyFile={tls}/key.pem\n\
         SocketCAFile={tls}/ca.pem",
        I,
        Change(shows_certificate),
    ),
    (
        "SocketInsecureSkipVerify",
        "SocketInsecureSkipVerify=Y\nSocketUseSSL=Y",
        I,
        Change(|s| {
            let tls = s.config.connect.tls.as_ref();
            tls.is_some_and(|tls| tls.server_check == ServerCheck::DangerouslyNone)
        }),
    ),
    (
        "SocketMinimumTLSVersion",
        "SocketMinimumTLSVersion=TLS13\nSocketCAFile={tls}/ca.pem",
        I,
        Change(is_tls13),
    ),
    (
        "FileStorePath",
        "FileStorePath=store",
        I,
        Change(|s| {
            matches!(&s.config.journal.location, Location::Directory(path)
                if path.starts_with("store") && path.to_string_lossy().contains("FIX.4.4_ME-YOU"))
        }),
    ),
    (
        "FileStoreSync",
        "FileStoreSync=Y",
        I,
        Change(|s| s.config.journal.durability == Durability::FlushEach),
    ),
    (
        "FileLogPath",
        "FileLogPath=log",
        I,
        Warning("pinfix journal print"),
    ),
    (
        "FileLogHeartbeats",
        "FileLogHeartbeats=Y",
        I,
        Nothing { refused: "1" },
    ),
    (
        "FileIncludeMilliseconds",
        "FileIncludeMilliseconds=Y",
        I,
        Nothing { refused: "1" },
    ),
    (
        "FileIncludeTimeStampForMessages",
        "FileIncludeTimeStampForMessages=Y",
        I,
        Nothing { refused: "1" },
    ),
    (
        "ScreenLogShowEvents",
        "ScreenLogShowEvents=Y",
        I,
        Warning("nothing is written to the screen"),
    ),
    (
        "ScreenLogShowIncoming",
        "ScreenLogShowIncoming=Y",
        I,
        Warning("nothing is written to the screen"),
    ),
    (
        "ScreenLogShowOutgoing",
        "ScreenLogShowOutgoing=Y",
        I,
        Warning("nothing is written to the screen"),
    ),
    (
        "ScreenLogShowHeartBeats",
        "ScreenLogShowHeartBeats=Y",
        I,
        Warning("nothing is written to the screen"),
    ),
    (
        "ScreenIncludeMilliseconds",
        "ScreenIncludeMilliseconds=Y",
        I,
        Warning("nothing is written"),
    ),
    (
        "ContinueInitializationOnError",
        "ContinueInitializationOnError=Y",
        I,
        Change(|s| s.need == Need::Optional),
    ),
    (
        "LogMessageWhenSessionNotFound",
        "LogMessageWhenSessionNotFound=Y",
        A,
        Warning("is counted, not logged"),
    ),
    (
        "Description",
        "Description=the good one",
        I,
        Change(|s| s.label.as_deref() == Some("the good one")),
    ),
    (
        "ResetOnLogon",
        "ResetOnLogon=Y",
        I,
        Change(|s| s.config.settings.at_logon == AtLogon::AskReset),
    ),
    (
        "ResetOnLogout",
        "ResetOnLogout=Y",
        A,
        Change(|s| s.config.settings.at_end == AtEnd::RestartAfterLogout),
    ),
    (
        "ResetOnDisconnect",
        "ResetOnDisconnect=Y\nResetOnLogout=Y",
        A,
        Change(|s| s.config.settings.at_end == AtEnd::RestartAlways),
    ),
    (
        "TimeZone",
        "TimeZone=Europe/London\nStartTime=08:00:00\nEndTime=17:00:00\n",
        I,
        Change(|s| hours(s).contains("08:00:00 Europe/London")),
    ),
    (
        "UseLocalTime",
        "UseLocalTime=Y\nStartTime=08:00:00\nEndTime=17:00:00\n",
        I,
        Change(|s| hours(s).contains("08:00:00")),
    ),
    (
        "StartTime",
        "StartTime=08:00:00 Asia/Tokyo\nEndTime=17:00:00",
        I,
        Change(|s| hours(s).contains("08:00:00 Asia/Tokyo")),
    ),
    (
        "EndTime",
        "StartTime=08:00:00\nEndTime=17:00:00\n",
        I,
        Change(|s| hours(s).contains("17:00:00 UTC")),
    ),
    (
        "StartDay",
        "StartTime=08:00:00\nEndTime=17:00:00\nStartDay=mon\nEndDay=fri\n",
        I,
        Change(|s| hours(s).contains("Monday 08:00:00 UTC")),
    ),
    (
        "EndDay",
        "StartTime=08:00:00\nEndTime=17:00:00\nStartDay=mon\nEndDay=fri\n",
        I,
        Change(|s| hours(s).contains("Friday 17:00:00 UTC")),
    ),
    (
        "Weekdays",
        "StartTime=08:00:00\nEndTime=17:00:00\nWeekdays=Mon, wednesday",
        I,
        Change(|s| hours(s).contains("Mon,Wed")),
    ),
    (
        "LogonTime",
        "StartTime=08:00:00\nEndTime=17:00:00\nLogonTime=08:05:00",
        I,
        Change(|s| hours(s).contains("logon 08:05:00 UTC")),
    ),
    (
        "LogoutTime",
        "StartTime=08:00:00\nEndTime=17:00:00\nLogoutTime=16:30:00",
        I,
        Change(|s| hours(s).contains("16:30:00 UTC")),
    ),
    (
        "LogonDay",
        "StartTime=08:00:00\nEndTime=17:00:00\nStartDay=mon\nEndDay=fri\nLogonDay=tuesday",
        I,
        Change(|s| hours(s).contains("logon Tuesday 08:00:00 UTC")),
    ),
    (
        "LogoutDay",
        "StartTime=08:00:00\nEndTime=17:00:00\nStartDay=mon\nEndDay=fri\nLogoutDay=THU",
        I,
        Change(|s| hours(s).contains("Thursday 17:00:00 UTC")),
    ),
    (
        "ResetSeqTime",
        "ResetSeqTime=12:00:00",
        I,
        Change(|s| hours(s).contains("reset 12:00:00 UTC")),
    ),
    (
        "EnableLastMsgSeqNumProcessed",
        "EnableLastMsgSeqNumProcessed=Y",
        I,
        Change(|s| s.config.settings.logon.last_processed),
    ),
    (
        "EnableNextExpectedMsgSeqNum",
        "SendNextExpectedMsgSeqNum=Y",
        I,
        Change(|s| s.config.settings.logon.next_expected),
    ),
    (
        "HeartBtIntOverride",
        "HeartBtIntOverride=Y\nHeartBtInt=5",
        A,
        Change(|s| s.config.settings.logon.heartbeat.choice == HeartbeatChoice::Ours),
    ),
    (
        "ResetOnError",
        "ResetOnError=Y",
        I,
        Change(|s| s.config.settings.on_failure == OnFailure::Restart),
    ),
    (
        "DisconnectOnError",
        "DisconnectOnError=Y",
        I,
        Change(|s| s.config.settings.on_failure == OnFailure::Disconnect),
    ),
    (
        "RejectMessageOnUnhandledException",
        "RejectMessageOnUnhandledException=N",
        I,
        Warning("taken for Y"),
    ),
    (
        "DataDictionary",
        "UseDataDictionary=Y\nDataDictionary=src/dict/tables/FIX.4.4.dict",
        I,
        Change(|s| loaded(s) == "FIX.4.4"),
    ),
    (
        "TransportDataDictionary",
        "BeginString=FIXT.1.1\nDefaultApplVerID=9\nUseDataDictionary=Y\nTransportDataDictionary=src/dict/tables/FIXT.1.1.dict",
        I,
        Change(|s| loaded(s) == "transport"),
    ),
    (
        "AppDataDictionary",
        "BeginString=FIXT.1.1\nDefaultApplVerID=9\nUseDataDictionary=Y\nAppDataDictionary=src/dict/tables/FIX.5.0SP2.dict\nAppDataDictionary.FIX.4.4=src/dict/tables/FIX.4.4.dict",
        I,
        Change(|s| loaded(s) == "FIX.4.4 FIX.5.0SP2"),
    ),
    (
        "ValidateFieldsOutOfOrder",
        "ValidateFieldsOutOfOrder=N",
        I,
        Change(|s| !s.config.settings.validation.checks.sections),
    ),
    (
        "ValidateFieldsHaveValues",
        "ValidateFieldsHaveValues=N",
        I,
        Change(|s| !s.config.settings.validation.checks.empty_values),
    ),
    (
        "ValidateUserDefinedFields",
        "ValidateUserDefinedFields=N",
        I,
        Change(|s| !s.config.settings.validation.checks.user_defined_fields),
    ),
    (
        "ValidateUnorderedGroupFields",
        "ValidateUnorderedGroupFields=N",
        I,
        Change(|s| !s.config.settings.validation.checks.group_order),
    ),
    (
        "FirstFieldInGroupIsDelimiter",
        "FirstFieldInGroupIsDelimiter=Y",
        I,
        Change(|s| !s.config.settings.validation.checks.group_delimiter),
    ),
    (
        "AllowUnknownMsgFields",
        "AllowUnknownMsgFields=Y",
        I,
        Change(|s| !s.config.settings.validation.checks.unknown_fields),
    ),
    (
        "AllowUnknownEnumValues",
        "AllowUnknownEnumValues=Y",
        I,
        Change(|s| !s.config.settings.validation.checks.listed_values),
    ),
    (
        "ValidateIncomingMessage",
        "ValidateIncomingMessage=N",
        I,
        Change(|s| s.config.settings.validation.scope == Scope::Off),
    ),
    (
        "RejectInvalidMessage",
        "RejectInvalidMessage=N",
        I,
        Change(|s| s.config.settings.validation.invalid == OnInvalid::Accept),
    ),
    (
        "ClosedResendInterval",
        "ClosedResendInterval=Y",
        I,
        Change(|s| s.config.settings.recovery.end == RequestEnd::Closed),
    ),
    (
        "ResendRequestChunkSize",
        "ResendRequestChunkSize=500",
        I,
        Change(|s| s.config.settings.recovery.chunk == Some(500)),
    ),
    (
        "SendRedundantResendRequests",
        "SendRedundantResendRequests=Y",
        I,
        Change(|s| s.config.settings.recovery.redundant_requests),
    ),
    (
        "AllowPosDup",
        "AllowPosDup=Y",
        I,
        Change(|s| s.config.settings.resend.application_poss_dup),
    ),
    (
        "RequiresOrigSendingTime",
        "RequiresOrigSendingTime=N",
        A,
        Change(|s| s.config.settings.checks.orig_sending_time == OrigSendingTime::Never),
    ),
    (
        "PersistMessages",
        "PersistMessages=N",
        A,
        Change(|s| s.config.settings.resend.from == ResendFrom::Nothing),
    ),
    (
        "ValidateLengthAndChecksum",
        "ValidateLengthAndChecksum=N",
        I,
        Change(|s| !s.config.settings.checks.checksum),
    ),
    (
        "ValidateChecksum",
        "ValidateChecksum=N",
        I,
        Change(|s| !s.config.settings.checks.checksum),
    ),
    (
        "ValidateSequenceNumbers",
        "ValidateSequenceNumbers=N",
        I,
        Change(|s| !s.config.settings.checks.sequence_numbers),
    ),
    (
        "CheckCompID",
        "CheckCompID=N",
        I,
        Change(|s| !s.config.settings.checks.comp_ids),
    ),
    (
        "RejectGarbledMessage",
        "RejectGarbledMessage=Y",
        I,
        Change(|s| s.config.settings.checks.garbled == Garbled::Reject),
    ),
    (
        "TestRequestDelayMultiplier",
        "TestRequestDelayMultiplier=0.5",
        I,
        Change(|s| s.config.settings.liveness.test_request_percent == 150),
    ),
    (
        "HeartBeatTimeoutMultiplier",
        "HeartBeatTimeoutMultiplier=2",
        I,
        Change(|s| s.config.settings.liveness.disconnect_percent == 300),
    ),
    (
        "DisableHeartBeatCheck",
        "DisableHeartBeatCheck=Y",
        I,
        Change(|s| s.config.settings.liveness.on_silence == OnSilence::Stay),
    ),
    (
        "ForceResendWhenCorruptedStore",
        "ForceResendWhenCorruptedStore=Y",
        I,
        Nothing { refused: "1" },
    ),
];

/// What was read from files: `transport`, and versions.
fn loaded(session: &Planned) -> String {
    let Some(dictionaries) = &session.config.settings.validation.dictionaries else {
        return String::new();
    };
    let is_loaded = |dictionary: &SharedDictionary| matches!(dictionary, SharedDictionary::Loaded(_));
    // Up to FIX.4.4 one file is both.
    let is_fixt = session.config.settings.rules.default_appl_ver_id.is_some();
    let transport = is_fixt && is_loaded(dictionaries.transport());
    let versions = ApplVersion::ALL.into_iter();
    let versions = versions.filter(|version| dictionaries.application(*version).is_some_and(is_loaded));
    let names = versions.map(|version| version.name());
    transport
        .then_some("transport")
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(" ")
}

fn hours(session: &Planned) -> String {
    let shown = |hours: &Hours| match hours {
        Hours::NonStop => "non-stop".to_owned(),
        Hours::Daily { start, end, days } => format!("{start} to {end} on {days}"),
        Hours::Weekly {
            start_day,
            start,
            end_day,
            end,
        } => format!("{start_day} {start} to {end_day} {end}"),
    };
    let schedule = &session.config.schedule;
    let resets: Vec<_> = schedule
        .resets
        .iter()
        .map(|reset| format!("reset {reset}"))
        .collect();
    format!(
        "{} logon {} {}",
        shown(&schedule.hours),
        shown(&schedule.logon),
        resets.join(" ")
    )
}

fn destinations(session: &Planned) -> String {
    let names = session
        .config
        .connect
        .destinations
        .iter()
        .map(ToString::to_string);
    names.collect::<Vec<_>>().join(" ")
}

fn source(session: &Planned) -> Option<String> {
    session
        .config
        .connect
        .source
        .map(|source| source.to_string())
}

#[test]
fn every_key_that_is_honoured_has_an_example() {
    let honoured =
        keys::all().filter(|key| matches!(key.stance, Stance::Honoured(_) | Stance::Mapped(_)));
    let without: Vec<_> = honoured
        .filter(|key| !ROWS.iter().any(|(name, ..)| *name == key.name))
        .map(|key| key.name)
        .collect();
    assert_eq!(without, [""; 0], "keys without an example");
    for (name, ..) in ROWS {
        let key = keys::all().find(|key| key.name == *name).expect(name);
        assert!(
            !matches!(key.stance, Stance::NotYet | Stance::Refused(_)),
            "{name}"
        );
    }
}

const CLIENT_CERTIFICATE: &str = "CertificationAuthoritiesFile={tls}/ca.pem\n\
     ClientCertificateFile={tls}/cert.pem\nClientCertificateKeyFile={tls}/key.pem";

fn is_tls13(session: &Planned) -> bool {
    let tls = session.config.connect.tls.as_ref();
    tls.is_some_and(|tls| tls.min_version == TlsVersion::Tls13)
}

fn shows_certificate(session: &Planned) -> bool {
    let tls = session.config.connect.tls.as_ref();
    tls.is_some_and(|tls| tls.identity.is_some())
}

/// A directory with `ca.pem`, `cert.pem` and `key.pem`.
pub(super) fn certificates() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = std::env::temp_dir().join(format!("pinfix-examples-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, pem) in [
            ("ca.pem", made.cert.pem()),
            ("cert.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
        ] {
            std::fs::write(directory.join(name), pem).unwrap();
        }
        directory.to_str().unwrap().to_owned()
    })
}

#[test]
fn every_example_comes_to_what_it_says() {
    for (name, lines, role, shows) in ROWS {
        let lines = &lines.replace("{tls}", certificates());
        let base = match role {
            Role::Initiator => INITIATOR,
            Role::Acceptor => ACCEPTOR,
        };
        let plan = |text: &str| read(text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let wants_tls = lines.contains("SocketUseSSL=Y") || lines.contains(".pem");
        if wants_tls && !TLS_AVAILABLE {
            let problems = read(&with(base, lines)).expect_err(name).to_string();
            assert!(problems.contains("built without TLS"), "{problems}");
            continue;
        }
        let without = plan(base);
        let with = plan(&with(base, lines));
        match shows {
            Change(holds) => {
                assert!(holds(&with.sessions[0]), "{name}: {:?}", with.sessions[0]);
                assert!(!holds(&without.sessions[0]), "{name} changes nothing");
            }
            ChangeOfPlan(holds) => {
                assert!(holds(&with), "{name}: {with:?}");
                assert!(!holds(&without), "{name} changes nothing");
            }
            Warning(text) => {
                let says = |plan: &Plan| {
                    plan.warnings
                        .iter()
                        .any(|warning| warning.text.contains(text))
                };
                assert!(
                    says(&with) && !says(&without),
                    "{name}: {:?}",
                    with.warnings
                );
            }
            Nothing { refused } => {
                let same = format!("{:?}", with.sessions) == format!("{:?}", without.sessions);
                assert!(same, "{name} changes something");
                let key = lines.split('=').next().expect("a key");
                let problems = read(&self::with(base, &format!("{key}={refused}"))).expect_err(name);
                assert!(
                    problems
                        .to_string()
                        .contains(&format!("{key} = {refused}: expected")),
                    "{problems}"
                );
            }
        }
    }
}

/// A file whose lines take the place of those of the base with the same key.
fn with(base: &str, lines: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let kept = base
        .lines()
        .filter(|line| !lines.lines().any(|other| key(other) == key(line)));
    kept.chain(lines.lines())
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn every_key_that_is_refused_says_what_to_use_instead() {
    for key in keys::all() {
        match key.stance {
            Stance::Refused(instead) => {
                assert!(instead.len() > 20, "{}", key.name);
                let text = format!("{INITIATOR}{}=1\n", key.name);
                let problems = read(&text).expect_err(key.name).to_string();
                assert!(
                    problems.contains(key.name) && problems.contains(instead),
                    "{problems}"
                );
            }
            Stance::NotYet => {
                let text = format!("{INITIATOR}{}=1\n", key.name);
                let problems = read(&text).expect_err(key.name).to_string();
                assert!(problems.contains(key.name) && problems.contains("not supported yet"));
            }
            Stance::Honoured(_) | Stance::Mapped(_) => assert!(!key.meaning.is_empty(), "{}", key.name),
        }
    }
}

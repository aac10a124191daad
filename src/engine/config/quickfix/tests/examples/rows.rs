//! The rows: a key, the lines of a file it is in, and what they do.

use std::time::Duration;

use super::*;

pub(super) const ROWS: &[Row] = &[
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
        "ProxyType",
        "ProxyType=http\nProxyHost=proxy\nProxyPort=3128",
        I,
        Change(|s| proxy(s) == "HTTP/1.0 proxy proxy:3128"),
    ),
    (
        "ProxyVersion",
        "ProxyType=SOCKS\nProxyVersion=4a\nProxyHost=proxy\nProxyPort=1080",
        I,
        Change(|s| proxy(s) == "SOCKS 4a proxy proxy:1080"),
    ),
    (
        "ProxyHost",
        "ProxyType=socks\nProxyVersion=5\nProxyHost=::1\nProxyPort=1080",
        I,
        Change(|s| proxy(s) == "SOCKS 5 proxy [::1]:1080"),
    ),
    (
        "ProxyPort",
        "ProxyType=http\nProxyVersion=1.1\nProxyHost=10.0.0.1\nProxyPort=$HOME_PORT",
        I,
        Change(|s| proxy(s) == "HTTP/1.1 proxy 10.0.0.1:5002"),
    ),
    (
        "ProxyUser",
        "ProxyType=socks\nProxyVersion=4\nProxyHost=proxy\nProxyPort=1080\nProxyUser=me",
        I,
        Change(|s| proxy(s) == "SOCKS 4 proxy proxy:1080 ProxyUser(me, ***)"),
    ),
    (
        "ProxyPassword",
        "ProxyType=http\nProxyHost=proxy\nProxyPort=3128\nProxyUser=me\nProxyPassword=sesame",
        I,
        Change(|s| {
            let proxy = s.config.connect.proxy.as_ref();
            let user = proxy.and_then(|proxy| proxy.user.as_ref());
            user.is_some_and(|user| user.password == "sesame")
        }),
    ),
    (
        "UseTCPProxy",
        "UseTCPProxy=Y",
        A,
        ChangeOfPlan(|p| p.listeners[0].proxy_header == Some(ProxyHeader::default())),
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

//! Where the same key means different things to different engines, or a document differs from the code.

use std::time::Duration;

use super::{ACCEPTOR, INITIATOR, only, read, warnings, wrong};
use crate::journal::Durability;
use crate::session::fix::AtLogon;
use crate::time::TimestampPrecision;

fn told(lines: &str, text: &str) -> bool {
    warnings(&format!("{INITIATOR}{lines}"))
        .iter()
        .any(|warning| warning.contains(text))
}

#[test]
fn nagle_is_off_and_a_file_that_relied_on_the_other_default_is_told() {
    // MillisecondsInTimeStamp is a key of QuickFIX (C++) only, where SocketNodelay=N is the default.
    assert!(told(
        "MillisecondsInTimeStamp=Y\n",
        "SocketNodelay: is not given"
    ));
    assert!(!told(
        "MillisecondsInTimeStamp=Y\nSocketNodelay=Y\n",
        "SocketNodelay"
    ));
    assert!(!told("", "SocketNodelay"));
}

#[test]
fn syncing_is_off_unless_asked_for_and_a_file_that_relied_on_the_other_default_is_told() {
    let text = format!("{ACCEPTOR}FileStorePath=store\n");
    assert_eq!(only(&text).config.journal.durability, Durability::PageCache);
    assert_eq!(warnings(&text), [""; 0]);
    // DynamicSessions is a key of quickfixgo only, which syncs unless told not to.
    let text = format!("{text}DynamicSessions=N\n");
    assert!(warnings(&text)[0].contains("FileStoreSync: is not given: quickfixgo"));
    assert_eq!(warnings(&format!("{text}FileStoreSync=N\n")), [""; 0]);
}

#[test]
fn the_precision_of_times_is_read_in_both_spellings() {
    for (line, precision) in [
        ("TimeStampPrecision=NANOS", TimestampPrecision::Nanos),
        ("TimestampPrecision=9", TimestampPrecision::Nanos),
        ("TIMESTAMPPRECISION=0", TimestampPrecision::Seconds),
        // The newer key wins, wherever it stands.
        (
            "MillisecondsInTimeStamp=N\nTimestampPrecision=6",
            TimestampPrecision::Micros,
        ),
        (
            "TimestampPrecision=6\nMillisecondsInTimeStamp=N",
            TimestampPrecision::Micros,
        ),
    ] {
        let session = only(&format!("{INITIATOR}{line}\n"));
        assert_eq!(session.config.settings.precision, precision, "{line}");
    }
    let error = wrong(&format!("{INITIATOR}TimestampPrecision=4\n"));
    assert!(
        error[0].contains("expected one of SECONDS, MILLIS"),
        "{error:?}"
    );
}

#[test]
fn an_initiator_waits_thirty_seconds_unless_told_and_takes_lists() {
    let waits = |lines: &str| {
        only(&format!("{INITIATOR}{lines}\n"))
            .config
            .connect
            .reconnect
    };
    assert_eq!(waits(""), [Duration::from_secs(30)]);
    assert_eq!(waits("ReconnectInterval=5"), [Duration::from_secs(5)]);
    assert_eq!(
        waits("ReconnectInterval=2x1; 3"),
        [1, 1, 3].map(Duration::from_secs)
    );
    for wrong_value in ["0", "0x5", "5;", "x", "2000x1", "-1"] {
        assert!(
            read(&format!("{INITIATOR}ReconnectInterval={wrong_value}\n")).is_err(),
            "{wrong_value}"
        );
    }
}

#[test]
fn a_table_of_the_database_log_is_known_in_the_spelling_of_the_document_and_of_the_code() {
    for key in ["PostgresSQLLogEventTable", "PostgreSQLLogEventTable"] {
        let error = wrong(&format!("{INITIATOR}{key}=x\n"));
        assert!(
            error[0].contains(&format!("{key} = x: refused: messages both ways")),
            "{error:?}"
        );
    }
}

#[test]
fn keys_no_document_names_are_known() {
    for key in [
        "TLSCipherSuites",
        "SendResetSeqNumFlag",
        "JndiContextFactory",
        "SleepycatDatabaseDir",
    ] {
        let error = wrong(&format!("{INITIATOR}{key}=x\n"));
        assert!(
            error[0].contains(&format!("{key} = x: refused:")),
            "{error:?}"
        );
    }
    assert!(read(&format!("{INITIATOR}ScreenIncludeMilliseconds=N\n")).is_ok());
}

#[test]
fn an_initiator_that_resets_asks_for_it_with_every_logon_and_an_acceptor_just_does() {
    let at_logon = |text: &str| {
        only(&format!("{text}ResetOnLogon=Y\n"))
            .config
            .settings
            .at_logon
    };
    // Also with those after a connection was lost: the setting is of the session, not of one Logon.
    assert_eq!(at_logon(INITIATOR), AtLogon::AskReset);
    assert_eq!(at_logon(ACCEPTOR), AtLogon::Restart);
    // FIX.4.0 has no flag to ask with.
    assert_eq!(
        at_logon(&INITIATOR.replace("FIX.4.4", "FIX.4.0")),
        AtLogon::Restart
    );
}

#[test]
fn an_initiator_that_resets_at_the_end_says_so_when_its_numbers_are_at_one() {
    let at_logon = |text: &str| only(text).config.settings.at_logon;
    for key in ["ResetOnLogout=Y", "ResetOnDisconnect=Y"] {
        let asks = at_logon(&format!("{INITIATOR}{key}\n"));
        assert_eq!(asks, AtLogon::AskResetAtOne, "{key}");
        let both = at_logon(&format!("{INITIATOR}{key}\nResetOnLogon=Y\n"));
        assert_eq!(both, AtLogon::AskReset, "{key}");
        let acceptor = at_logon(&format!("{ACCEPTOR}{key}\n"));
        assert_eq!(acceptor, AtLogon::Continue, "{key}");
        let old = INITIATOR.replace("FIX.4.4", "FIX.4.0");
        let without_flag = at_logon(&format!("{old}{key}\n"));
        assert_eq!(without_flag, AtLogon::Continue, "{key}");
    }
}

#[test]
fn next_expected_is_known_in_both_spellings() {
    for key in ["EnableNextExpectedMsgSeqNum", "SendNextExpectedMsgSeqNum"] {
        let session = only(&format!("{INITIATOR}{key}=Y\n"));
        assert!(session.config.settings.logon.next_expected, "{key}");
    }
}

#[test]
fn silence_is_counted_as_quickfix_for_cpp_does_unless_the_multipliers_are_given() {
    let percents = |lines: &str| {
        let liveness = only(&format!("{INITIATOR}{lines}"))
            .config
            .settings
            .liveness;
        (liveness.test_request_percent, liveness.disconnect_percent)
    };
    assert_eq!(percents(""), (120, 240));
    // The defaults of QuickFIX/J, said.
    let java = "TestRequestDelayMultiplier=0.5\nHeartBeatTimeoutMultiplier=1.4\n";
    assert_eq!(percents(java), (150, 240));
    assert!(wrong(&format!("{INITIATOR}TestRequestDelayMultiplier=-1\n"))[0].contains("from 0 to 100"));
}

#[test]
fn a_garbled_message_is_not_rejected_by_who_does_not_look_whether_it_is_garbled() {
    let error = wrong(&format!(
        "{INITIATOR}RejectGarbledMessage=Y\nValidateChecksum=N\n"
    ));
    assert!(
        error[0].contains("RejectGarbledMessage: is Y although"),
        "{error:?}"
    );
}

#[test]
fn an_acceptor_with_a_qualifier_is_refused() {
    let error = wrong(&format!("{ACCEPTOR}SessionQualifier=1\n"));
    assert!(
        error[0].contains("SessionQualifier = 1: no Logon could be told to be for it"),
        "{error:?}"
    );
}

#[test]
fn a_span_is_what_it_says_and_not_the_next_tick_of_a_second() {
    let session = only(&format!("{INITIATOR}LogonTimeout=1500ms\n"));
    assert_eq!(
        session.config.settings.logon_timeout,
        Duration::from_millis(1500)
    );
}

#[test]
fn an_initiator_without_heartbeats_is_refused_and_a_peer_without_is_not() {
    assert_eq!(only(ACCEPTOR).config.settings.logon.heartbeat.min_s, 0);
    for value in ["0", "-1", ""] {
        let text = INITIATOR.replace("HeartBtInt=30", &format!("HeartBtInt={value}"));
        assert!(wrong(&text)[0].contains(&format!(
            "HeartBtInt = {value}: expected whole seconds from 1"
        )));
    }
}

/// A port that is meant to be encrypted must not open in plain text for want of one line.
#[cfg(feature = "tls")]
#[test]
fn an_acceptor_with_any_tls_of_its_own_needs_a_certificate() {
    let acceptor = ACCEPTOR.to_owned();
    let authorities = "CertificationAuthoritiesFile=/nowhere/ca.pem\n";
    for (lines, expected) in [
        (
            authorities.to_owned() + "NeedClientAuth=Y\n",
            "ServerCertificateFile",
        ),
        (authorities.to_owned(), "ServerCertificateFile"),
        ("NeedClientAuth=Y\n".to_owned(), "NeedClientAuth"),
        (
            "SocketUseSSL=N\nNeedClientAuth=Y\n".to_owned() + authorities,
            "NeedClientAuth",
        ),
    ] {
        let said = wrong(&(acceptor.clone() + &lines)).join("\n");
        assert!(said.contains(expected), "{lines}: {said}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn sessions_on_one_port_share_its_tls() {
    let identity = |line: &str| {
        format!(
            "[SESSION]\nConnectionType=acceptor\nBeginString=FIX.4.4\nSenderCompID=ME\nTargetCompID={line}\n"
        )
    };
    let port = "SocketAcceptPort=5001\nUseDataDictionary=N\n";
    let plain = identity("A") + port;
    let tls = identity("B") + port + "ServerCertificateFile=/nowhere/c.pem\n";
    let said = wrong(&(plain.clone() + &tls)).join("\n");
    assert!(
        said.contains("ServerCertificateKeyFile: is missing"),
        "{said}"
    );
    let tls = tls + "ServerCertificateKeyFile=/nowhere/k.pem\n";
    let said = wrong(&(plain.clone() + &tls)).join("\n");
    assert!(said.contains("/nowhere/c.pem"), "{said}");
    let there = super::examples::certificates();
    let [certificate, key] = ["c.pem", "k.pem"].map(|name| format!("/nowhere/{name}"));
    let tls = tls.replace(&certificate, &format!("{there}/cert.pem"));
    let tls = tls.replace(&key, &format!("{there}/key.pem"));
    let said = wrong(&(plain.clone() + &tls)).join("\n");
    assert!(said.contains("share its TLS"), "{said}");
    let elsewhere = (plain + &tls).replacen("SocketAcceptPort=5001", "SocketAcceptPort=5002", 1);
    assert!(read(&elsewhere).is_ok());
}

#[test]
fn a_proxy_that_is_half_described_is_told_what_is_missing() {
    let told = |lines: &str, texts: &[&str]| {
        let problems = wrong(&format!("{INITIATOR}{lines}\n")).join("\n");
        for text in texts {
            assert!(problems.contains(text), "{lines}: {text}: {problems}");
        }
        assert!(!problems.contains("sesame"), "{problems}");
    };
    let whole = "ProxyHost=proxy\nProxyPort=3128\n";
    told(
        "ProxyPassword=sesame",
        &[
            "ProxyType: is",
            "ProxyHost: is",
            "ProxyPort: is",
            "ProxyUser: is missing",
        ],
    );
    told(
        &format!("{whole}ProxyType=socks"),
        &["ProxyVersion: is missing: 4, 4a or 5"],
    );
    told(
        &format!("{whole}ProxyType=http\nProxyVersion=5"),
        &["5 is a version of SOCKS"],
    );
    told(
        &format!("{whole}ProxyType=ftp"),
        &["ProxyType = ftp: expected one of http, socks"],
    );
    told(
        &format!("{whole}ProxyType=socks\nProxyVersion=4\nProxyUser=me\nProxyPassword=sesame"),
        &["SOCKS 4 has a user only"],
    );
    told(
        &format!("{whole}ProxyType=http\nProxyUser=me\nProxyPassword=sesame\nProxyDomain=FIRM"),
        &[
            "ProxyDomain",
            "NTLM is not spoken",
            "ProxyUser, ProxyPassword",
        ],
    );
    // A password where none is looked for.
    let typed = format!("{whole}ProxyType=http\n");
    for (lines, text) in [
        (
            typed.replace("proxy\n", "http://me:sesame@proxy\n"),
            "expected the host only",
        ),
        (
            typed.replace("proxy\n", "me:sesame@proxy\n"),
            "expected the host only",
        ),
        (
            typed.replace("3128", "me:sesame@proxy:3128"),
            "ProxyPort = ***: expected a port",
        ),
        (
            typed.replace("=http", "=http://me:sesame@proxy"),
            "ProxyType = ***: expected one of",
        ),
        (format!("{typed}ProxyUser=me:sesame"), "me:***"),
        (
            "SocketConnectHost1=http://me:sesame@proxy\nSocketConnectPort1=3128".to_owned(),
            "SocketConnectHost1: ",
        ),
    ] {
        told(&lines, &[text]);
    }
}

#[test]
fn sessions_of_one_port_are_all_behind_a_proxy_or_none_is() {
    let other = ACCEPTOR.replace("TargetCompID=YOU", "TargetCompID=OTHER");
    let problems = wrong(&format!("{ACCEPTOR}UseTCPProxy=Y\n{other}"));
    assert!(
        problems[0].contains("UseTCPProxy of 0.0.0.0:5001 differs"),
        "{problems:?}"
    );
    let both = format!("{ACCEPTOR}UseTCPProxy=Y\n{other}UseTCPProxy=Y\n");
    assert_eq!(read(&both).unwrap().listeners.len(), 1);
    assert!(warnings(&both)[0].contains("keep it from everybody but the proxy"));
}

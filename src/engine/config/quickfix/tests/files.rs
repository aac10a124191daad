//! Whole files: inheritance, own keys, and several mistakes at once.

use super::{ACCEPTOR, INITIATOR, fix, only, read, warnings, wrong};
use crate::engine::config::quickfix::Loader;

#[test]
fn a_session_inherits_what_it_does_not_say() {
    let text = "[DEFAULT]\nConnectionType=initiator\nBeginString=FIX.4.4\nSenderCompID=ME\nHeartBtInt=30\n\
                SocketConnectHost=127.0.0.1\nSocketConnectPort=1\nUseDataDictionary=N\nTimestampPrecision=9\n\
                [SESSION]\nTargetCompID=A\n\
                [SESSION]\nTargetCompID=B\nheartbtint=5\nTimeStampPrecision=MILLIS\n\
                [DEFAULT]\nLogonTimeout=3\n";
    let plan = read(text).unwrap();
    let [first, second] = &plan.sessions.iter().map(fix).collect::<Vec<_>>()[..] else {
        panic!("two sessions");
    };
    let (a, b) = (&first.config.settings, &second.config.settings);
    assert_eq!(
        (a.id.to_string().as_str(), a.heartbeat_s),
        ("FIX.4.4:ME->A", 30)
    );
    assert_eq!(
        (b.id.to_string().as_str(), b.heartbeat_s),
        ("FIX.4.4:ME->B", 5)
    );
    assert_ne!(a.precision, b.precision);
    assert_eq!(a.logon_timeout, b.logon_timeout);
    assert_eq!(a.logon_timeout.as_secs(), 3);
}

#[test]
fn every_mistake_is_told_with_its_line_and_the_secret_is_not() {
    let text = "[DEFAULT]\nLogonTimeout=0\nLogonTimeuot=1\n[SESSION]\nConnectionType=initiater\nBeginString=FIX.4.5\n\
                SenderCompID=ME\nTargetCompID=YOU\nLogonTag=554:secret\n[SESSION]\nBeginString=FIX.4.4\n\
                ConnectionType=acceptor\nSenderCompID=ME\nTargetCompID=YOU\n\
                SocketAcceptPort=99999\nJdbcPassword=hidden\nnonsense\n";
    let told = wrong(text);
    let all = told.join("\n");
    for expected in [
        "a.cfg:2: LogonTimeout = 0: expected whole seconds from 1",
        "a.cfg:3: LogonTimeuot = ***: no such key, did you mean LogonTimeout?",
        "a.cfg:5: session FIX.4.5:ME->YOU: ConnectionType = initiater: expected initiator or acceptor",
        "a.cfg:6: session FIX.4.5:ME->YOU: BeginString = FIX.4.5: expected one of FIX.4.0",
        "a.cfg:9: session FIX.4.0:ME->YOU: LogonTag = ***: expected TAG=VALUE",
        "a.cfg:15: session FIX.4.4:ME->YOU: SocketAcceptPort = 99999: expected a port",
        "a.cfg:16: JdbcPassword = ***: refused: numbers and messages are in journal files",
        "a.cfg:17: \"nonsense\" is no setting",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(expected)),
            "{expected}\nin\n{all}"
        );
    }
    assert_eq!(told.len(), 8, "{all}");
    assert!(!all.contains("secret") && !all.contains("hidden"), "{all}");
}

#[test]
fn what_is_missing_is_named() {
    let told =
        wrong("[SESSION]\nConnectionType=initiator\nSenderCompID=ME\nTargetCompID=\n").join("\n");
    for key in [
        "BeginString",
        "TargetCompID",
        "HeartBtInt",
        "SocketConnectHost",
        "SocketConnectPort",
    ] {
        assert!(
            told.contains(&format!("{key}: is missing"))
                || told.contains(&format!("{key} = : is empty")),
            "{key}: {told}"
        );
    }
    let told = wrong(
        "[SESSION]\nConnectionType=acceptor\nBeginString=FIXT.1.1\nSenderCompID=A\nTargetCompID=B\n",
    );
    assert!(
        told[0].contains("DefaultApplVerID: is missing") && told[0].contains("9 (FIX.5.0SP2)"),
        "{told:?}"
    );
    assert!(told[1].contains("SocketAcceptPort: is missing"), "{told:?}");
    assert!(wrong("# nothing\n")[0].contains("no [SESSION]"));
    let one = INITIATOR.replace("SocketConnectPort=5001\n", "");
    assert!(wrong(&one)[0].contains("SocketConnectPort: is missing: SocketConnectHost is given"));
    let gap = format!("{INITIATOR}SocketConnectHost2=127.0.0.1\nSocketConnectPort2=1\n");
    assert!(wrong(&gap)[0].contains("SocketConnectHost1: is missing: numbers follow each other"));
}

#[test]
fn two_sessions_with_one_identity_are_named_with_both_lines() {
    let told = wrong(&format!("{INITIATOR}{INITIATOR}"));
    assert_eq!(
        told,
        [
            "a.cfg:10: session FIX.4.4:ME->YOU: a session with this identity is at line 1 already, every identity once"
        ]
    );
}

#[test]
fn a_session_that_cannot_begin_is_left_out_if_the_others_need_not_wait_for_it() {
    let bad = ACCEPTOR.replace("TargetCompID=YOU", "TargetCompID=BAD\nMaxLatency=none");
    let text = format!("[DEFAULT]\nContinueInitializationOnError=Y\n{INITIATOR}{bad}");
    let plan = read(&text).unwrap();
    assert_eq!(plan.sessions.len(), 1);
    assert!(
        plan.warnings.iter().any(|warning| warning
            .to_string()
            .contains("MaxLatency = none: session left out")),
        "{:?}",
        plan.warnings
    );
    assert!(read(&text.replace("OnError=Y", "OnError=N")).is_err());
}

#[test]
fn own_keys_are_handed_out_unread() {
    let text = format!("[DEFAULT]\nAccount=1\nDesk=$NOWHERE\n{INITIATOR}account=2\n");
    let plan = Loader::new()
        .own_keys(&["Account", "Desk"])
        .parse("a.cfg", &text)
        .unwrap();
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        plan.sessions[0].own,
        [own("Desk", "$NOWHERE"), own("account", "2")]
    );
    assert!(
        wrong(&text)
            .iter()
            .any(|line| line.contains("Account = ***: no such key"))
    );
}

#[test]
fn a_key_that_is_there_twice_holds_last_and_is_told() {
    let text = format!("{INITIATOR}LogonTimeout=3\nLOGONTIMEOUT=4\n");
    assert_eq!(only(&text).config.settings.logon_timeout.as_secs(), 4);
    let told = warnings(&text);
    assert!(
        told[0].starts_with("a.cfg:11: LOGONTIMEOUT = 4: is at line 10 too"),
        "{told:?}"
    );
}

#[test]
fn acceptors_share_a_port_and_a_key_of_the_other_role_is_told() {
    let second = ACCEPTOR.replace("=YOU", "=THEM") + "SocketConnectTimeout=5\n";
    let plan = read(&format!(
        "[DEFAULT]\nReconnectInterval=5\n{ACCEPTOR}{second}"
    ))
    .unwrap();
    assert_eq!((plan.sessions.len(), plan.listeners.len()), (2, 1));
    let told: Vec<_> = plan.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["a.cfg:17: session FIX.4.4:ME->THEM: SocketConnectTimeout = 5: has no effect on an acceptor"]
    );
}

#[test]
fn an_acceptor_can_be_reached_on_its_own_port_for_as_long_as_it_waits_for_a_logon() {
    let second = ACCEPTOR
        .replace("=YOU", "=THEM")
        .replace("=5001", "=5002\nLogonTimeout=20");
    let plan = read(&format!("{ACCEPTOR}{second}")).unwrap();
    let ports: Vec<_> = plan
        .sessions
        .iter()
        .map(|session| fix(session).config.accept.port)
        .collect();
    assert_eq!(ports, [Some(5001), Some(5002)]);
    assert_eq!(plan.engine.strangers.patience.as_secs(), 20);
}

#[test]
fn a_template_with_more_than_comp_ids_is_refused_and_one_for_every_version_is_not() {
    let template = |lines: &str| {
        read(&format!(
            "[SESSION]\nConnectionType=acceptor\nAcceptorTemplate=Y\nBeginString=*\nSenderCompID=ME\n\
             TargetCompID=*\nSocketAcceptPort=1\nFileStorePath=store\n{lines}"
        ))
    };
    let plan = template("TargetSubID=*\n").unwrap();
    let made = &plan.listeners[0].templates[0];
    assert_eq!(made.rules.len(), crate::session::fix::rules::ALL.len());
    assert_eq!(
        made.journals.as_deref(),
        Some(std::path::Path::new("store"))
    );
    let error = template("TargetSubID=desk\n").unwrap_err().to_string();
    assert!(
        error.contains("TargetSubID: is given: a template"),
        "{error}"
    );
}

#[test]
fn an_initiator_connects_from_one_place_and_lets_nobody_in() {
    let two = format!(
        "{INITIATOR}SocketConnectHost1=b.example\nSocketConnectPort1=1\nSocketConnectSourceHost=127.0.0.2\n\
         SocketConnectSourceHost1=127.0.0.3\n"
    );
    assert!(wrong(&two)[0].contains("SocketLocalHost: 127.0.0.3:0 differs from 127.0.0.2:0"));
    let allow = format!("{INITIATOR}AllowedRemoteAddresses=127.0.0.1\n");
    assert!(
        wrong(&allow)[0]
            .contains("AllowedRemoteAddresses = 127.0.0.1: nobody connects to an initiator")
    );
    assert!(
        read(&format!(
            "[DEFAULT]\nAllowedRemoteAddresses=127.0.0.1\n{INITIATOR}"
        ))
        .is_ok()
    );
}

#[test]
fn keys_of_a_schedule_that_do_not_go_together_are_named() {
    let hours = "StartTime=08:00:00\nEndTime=17:00:00\n";
    for (lines, told) in [
        ("StartTime=08:00:00", "EndTime: is missing"),
        ("Weekdays=mon", "StartTime: is missing"),
        (
            "NonStopSession=Y\nStartTime=08:00:00",
            "StartTime: is given although NonStopSession=Y",
        ),
        (&format!("{hours}StartDay=mon"), "EndDay: is missing"),
        (
            &format!("{hours}StartDay=mon\nEndDay=fri\nWeekdays=mon"),
            "Weekdays: is given although",
        ),
        (
            &format!("{hours}LogonDay=mon"),
            "LogonDay: is given although the session is daily",
        ),
        ("StartTime=8 o'clock\nEndTime=17:00:00", "StartTime: "),
        (
            &format!("{hours}TimeZone=Europe/Nowhere"),
            "TimeZone = Europe/Nowhere: expected an IANA name",
        ),
        (
            &format!("{hours}Weekdays=mon,T"),
            "Weekdays = mon,T: expected a day of the week",
        ),
    ] {
        let problems = wrong(&format!("{INITIATOR}{lines}\n"));
        assert!(problems[0].contains(told), "{lines}: {problems:?}");
    }
    // An empty value takes back what [DEFAULT] says.
    let session = only(&format!(
        "[DEFAULT]\n{hours}{INITIATOR}StartTime=\nEndTime=\n"
    ));
    assert!(session.config.schedule.is_non_stop());
}

#[test]
fn an_acceptor_that_decides_over_heartbeats_must_say_how_often() {
    let told = wrong(&format!("{ACCEPTOR}HeartBtIntOverride=Y\n"));
    assert!(told[0].contains("HeartBtInt: is missing"), "{told:?}");
}

#[test]
fn messages_are_checked_unless_a_file_says_otherwise_and_a_bad_dictionary_is_named() {
    let checked = INITIATOR.replace("UseDataDictionary=N\n", "");
    let validation = only(&checked).config.settings.validation;
    assert!(validation.dictionaries.is_some());
    assert!(
        only(INITIATOR)
            .config
            .settings
            .validation
            .dictionaries
            .is_none()
    );
    for (line, told) in [
        ("DataDictionary=nowhere.xml", "DataDictionary: "),
        (
            "AppDataDictionary.FIX.9=x",
            "AppDataDictionary.FIX.9 = x: no such version",
        ),
    ] {
        let problems = wrong(&format!("{checked}{line}\n"));
        assert!(problems[0].contains(told), "{problems:?}");
    }
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_named() {
    let directory = std::env::temp_dir().join(format!("pinfix-settings-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("a.cfg");
    let error = |loader: Loader<'_>| loader.load(&path).unwrap_err().to_string();
    assert!(error(Loader::new()).contains("a.cfg: cannot be read"));
    std::fs::write(&path, b"[SESSION]\n\xff\n").unwrap();
    assert!(error(Loader::new()).contains("line 2 is not UTF-8"));
    std::fs::write(&path, INITIATOR).unwrap();
    assert_eq!(Loader::new().load(&path).unwrap().sessions.len(), 1);
    std::fs::remove_dir_all(&directory).unwrap();
}

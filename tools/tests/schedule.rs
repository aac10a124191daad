//! `pinfix schedule explain`: the transitions of the sessions of a file.
#![allow(clippy::unwrap_used)]

mod command;

use std::fs;

use command::run;

const SETTINGS: &str = "\
[DEFAULT]
ConnectionType=initiator
HeartBtInt=30
BeginString=FIX.4.4
SenderCompID=ME
SocketConnectHost=127.0.0.1
SocketConnectPort=5001
UseDataDictionary=N
[SESSION]
TargetCompID=NEWYORK
TimeZone=America/New_York
StartTime=08:00:00
EndTime=17:00:00
Weekdays=mon,tue,wed,thu,fri
[SESSION]
TargetCompID=TWOCLOCKS
StartTime=22:00:00 Europe/London
EndTime=02:30:00 America/New_York
[SESSION]
TargetCompID=PLAIN
NonStopSession=Y
";

fn explain(more: &[&str]) -> command::Finished {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("old.cfg");
    fs::write(&file, SETTINGS).unwrap();
    let mut arguments = vec!["schedule", "explain", file.to_str().unwrap()];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn transitions_are_shown_in_utc_and_on_their_clocks() {
    let explained = explain(&["--at", "2026-03-06T12:00:00-05:00", "-n", "3"]).ok();
    assert_eq!(
        explained.out,
        "\
FIX.4.4:ME->NEWYORK
  hours    Mon,Tue,Wed,Thu,Fri from 08:00:00 America/New_York to 17:00:00 America/New_York
  at       Fri 2026-03-06 17:00:00 UTC  Fri 2026-03-06 12:00:00 EST: open
  Fri 2026-03-06 22:00:00 UTC  Fri 2026-03-06 17:00:00 EST  closes: Logout
  Mon 2026-03-09 12:00:00 UTC  Mon 2026-03-09 08:00:00 EDT  opens: numbers start at 1, logs on  \
[clocks went forward 60 min]
  Mon 2026-03-09 21:00:00 UTC  Mon 2026-03-09 17:00:00 EDT  closes: Logout

FIX.4.4:ME->TWOCLOCKS
  hours    every day from 22:00:00 Europe/London to 02:30:00 America/New_York
  at       Fri 2026-03-06 17:00:00 UTC  Fri 2026-03-06 17:00:00 GMT: closed
  Fri 2026-03-06 22:00:00 UTC  Fri 2026-03-06 22:00:00 GMT  opens: numbers start at 1, logs on
  Sat 2026-03-07 07:30:00 UTC  Sat 2026-03-07 02:30:00 EST  closes: Logout
  Sat 2026-03-07 22:00:00 UTC  Sat 2026-03-07 22:00:00 GMT  opens: numbers start at 1, logs on

FIX.4.4:ME->PLAIN
  hours    always
  at       Fri 2026-03-06 17:00:00 UTC: open
  nothing ever changes by the schedule

"
    );
}

#[test]
fn an_edge_that_clocks_skip_is_shown_where_they_jump() {
    let explained = explain(&["--at", "20260308-00:00:00", "-n", "1", "--session", "TWO"]).ok();
    let jump = "Sun 2026-03-08 07:00:00 UTC  Sun 2026-03-08 03:00:00 EDT  closes: Logout  \
                [clocks went forward 60 min]";
    assert!(explained.out.contains(jump), "{}", explained.out);
    assert!(!explained.out.contains("NEWYORK"), "{}", explained.out);
}

#[test]
fn what_is_asked_wrongly_is_named() {
    explain(&["--at", "yesterday"]).failed(2, &["yesterday", "2026-03-08T06:59:00Z"]);
    explain(&["--session", "NOBODY"]).failed(1, &["NOBODY", "old.cfg"]);
    run(&["schedule", "explain", "no/such/file.cfg"]).failed(1, &["no/such/file.cfg"]);
}

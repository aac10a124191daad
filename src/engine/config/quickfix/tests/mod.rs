//! Files, and what they come to.

mod examples;
mod files;
mod traps;

use super::{Loader, keys};
use crate::engine::config::{Plan, Planned, Problems, SessionConfig};

/// A session that is whole, to which lines can be added.
pub(super) const INITIATOR: &str = "[SESSION]\nConnectionType=initiator\nBeginString=FIX.4.4\n\
     SenderCompID=ME\nTargetCompID=YOU\nHeartBtInt=30\nSocketConnectHost=127.0.0.1\n\
     SocketConnectPort=5001\nUseDataDictionary=N\n";

pub(super) const ACCEPTOR: &str = "[SESSION]\nConnectionType=acceptor\nBeginString=FIX.4.4\n\
     SenderCompID=ME\nTargetCompID=YOU\nSocketAcceptPort=5001\nUseDataDictionary=N\n";

pub(super) fn read(text: &str) -> Result<Plan, Problems> {
    let environment = |name: &str| (name == "HOME_PORT").then(|| "5002".to_owned());
    Loader::new().environment(&environment).parse("a.cfg", text)
}

/// The only session of a file.
pub(super) fn only(text: &str) -> Planned<SessionConfig> {
    let plan = read(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    let [session] = <[Planned; 1]>::try_from(plan.sessions).expect("one session");
    fix(&session)
}

/// A session of a plan: these files have those of FIX only.
pub(super) fn fix(session: &Planned) -> Planned<SessionConfig> {
    let fix = |config: crate::engine::AnySessionConfig| config.fix().expect("FIX").clone();
    session.clone().with(fix)
}

/// What is wrong with a file, line by line.
pub(super) fn wrong(text: &str) -> Vec<String> {
    let problems = read(text).expect_err(text);
    problems.0.iter().map(ToString::to_string).collect()
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    let plan = read(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    plan.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn no_name_of_the_table_is_there_twice() {
    let mut names: Vec<_> = keys::all()
        .flat_map(|key| key.also.iter().chain([&key.name]))
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

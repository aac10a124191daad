//! What happens to which number when: the truth table of resets.
//!
//! Every row begins with 8 as the number expected from the peer next (*in*) and 5 as the number of our
//! next message (*out*), in FIX.4.4. `Logon`, `Logout` and `Heartbeat` are the peer's; an acceptor
//! admits the peer unless the row says otherwise; `connect` is the connection of an initiator, which
//! sends its Logon at once; `up` is an exchange of Logons that moves both numbers by one.
//!
//! | setting | role | what happens | in | out | recorded |
//! |---|---|---|---|---|---|
//! | | initiator | connect | 8 | 6 | |
//! | | initiator | connect; Logon 34=8 | 9 | 6 | |
//! | | initiator | connect; Logon 34=11 | 8 | 7 | |
//! | | initiator | connect; Logon 34=3 | 8 | 7 | |
//! | | initiator | connect; Logon 34=1 141=Y | 8 | 7 | |
//! | | initiator | connect; Logout 34=8 | 9 | 6 | |
//! | | initiator | connect; cut | 8 | 6 | |
//! | | acceptor | Logon 34=8 | 9 | 6 | |
//! | | acceptor | Logon 34=11 | 8 | 7 | |
//! | | acceptor | Logon 34=3 | 8 | 6 | |
//! | | acceptor | Logon 34=1 141=Y | 2 | 2 | ResetSeqNumFlag |
//! | | acceptor | Logon 34=5 141=Y | 8 | 6 | |
//! | | acceptor | refuse; Logon 34=8 | 8 | 6 | |
//! | | acceptor | refuse; Logon 34=1 141=Y | 8 | 6 | |
//! | | acceptor | later; Logon 34=1 141=Y | 8 | 5 | |
//! | next_expected | initiator | connect; Logon 34=8 789=4 | 9 | 6 | |
//! | next_expected | initiator | connect; Logon 34=8 789=9 | 8 | 7 | |
//! | next_expected | initiator | connect; Logon 34=11 789=6 | 8 | 6 | |
//! | next_expected | acceptor | Logon 34=8 789=2 | 9 | 6 | |
//! | next_expected | acceptor | Logon 34=8 789=9 | 9 | 6 | |
//! | next_expected | acceptor | Logon 34=11 789=5 | 8 | 6 | |
//! | next_expected | acceptor | Logon 34=1 141=Y 789=1 | 2 | 2 | ResetSeqNumFlag |
//! | AtLogon::AskReset | initiator | connect | 1 | 2 | ResetSeqNumFlag |
//! | AtLogon::AskReset | initiator | connect; Logon 34=1 141=Y | 2 | 2 | ResetSeqNumFlag |
//! | AtLogon::AskReset | initiator | connect; Logon 34=1 | 2 | 2 | ResetSeqNumFlag |
//! | AtLogon::AskReset | initiator | connect; Logon 34=8 | 1 | 3 | ResetSeqNumFlag |
//! | AtLogon::AskReset | acceptor | Logon 34=8 | 9 | 6 | |
//! | AtLogon::AskResetAtOne | initiator | connect; Logon 34=8 | 9 | 6 | |
//! | AtLogon::AskResetAtOne | initiator | reset_numbers; connect; Logon 34=1 141=Y | 2 | 2 | Operator |
//! | AtLogon::AskResetAtOne | initiator | reset_numbers; connect; Logon 34=8 | 1 | 3 | Operator |
//! | AtLogon::Restart | initiator | connect; Logon 34=1 | 2 | 2 | ResetOnLogon |
//! | AtLogon::Restart | acceptor | Logon 34=1 | 2 | 2 | ResetOnLogon |
//! | AtLogon::Restart | acceptor | Logon 34=8 | 1 | 3 | ResetOnLogon |
//! | AtLogon::Restart | acceptor | refuse; Logon 34=1 | 8 | 6 | |
//! | | both | up; Logon 34=1 141=Y | 2 | 2 | InSession |
//! | | both | up; Logon 34=9 141=Y | 9 | 7 | |
//! | | both | up; Logon 34=9 | 9 | 7 | |
//! | | both | up; reset_in_session | 9 | 7 | |
//! | | both | up; reset_in_session; Heartbeat 34=9 112=1 | 1 | 2 | InSession |
//! | | both | up; reset_in_session; Heartbeat 34=9 112=1; Logon 34=1 141=Y | 2 | 2 | InSession |
//! | | both | up; reset_in_session; Logon 34=1 141=Y | 2 | 2 | InSession |
//! | | both | up; reset_in_session; Heartbeat 34=9 112=1; wait | 1 | 3 | InSession |
//! | | both | up; Logout 34=9; cut | 10 | 7 | |
//! | | both | up; logout; Logout 34=9; cut | 10 | 7 | |
//! | | both | up; cut | 9 | 6 | |
//! | AtEnd::RestartAfterLogout | both | up; Logout 34=9 | 10 | 7 | |
//! | AtEnd::RestartAfterLogout | both | up; Logout 34=9; cut | 1 | 1 | ResetOnLogout |
//! | AtEnd::RestartAfterLogout | both | up; logout; Logout 34=9; cut | 1 | 1 | ResetOnLogout |
//! | AtEnd::RestartAfterLogout | both | up; logout; cut | 9 | 7 | |
//! | AtEnd::RestartAfterLogout | both | up; cut | 9 | 6 | |
//! | AtEnd::RestartAlways | both | up; Logout 34=9; cut | 1 | 1 | ResetOnLogout |
//! | AtEnd::RestartAlways | both | up; logout; cut | 1 | 1 | ResetOnDisconnect |
//! | AtEnd::RestartAlways | both | up; cut | 1 | 1 | ResetOnDisconnect |
//! | AtEnd::RestartAlways | initiator | connect; cut | 8 | 6 | |
//! | OnFailure::Reject | both | up; Order 34=9 fails | 10 | 7 | |
//! | OnFailure::Disconnect | both | up; Order 34=9 fails; cut | 9 | 6 | |
//! | OnFailure::Restart | both | up; Order 34=9 fails; cut | 1 | 1 | ResetOnDisconnect |
//! | OnFailure::Restart | both | up; cut | 9 | 6 | |
//! | | both | reset_numbers | 1 | 1 | Operator |
//! | | both | up; reset_numbers | 9 | 6 | |
//!
//! The schedule of a session adds [`ResetCause::Schedule`](crate::session::ResetCause::Schedule), at
//! the times it names.

#[cfg(test)]
mod tests {
    use crate::session::fix::tests::Bench;
    use crate::session::fix::{Admission, AtEnd, AtLogon, OnFailure, Role, Step};
    use crate::session::{ResetCause, Text};

    /// Every row of the table above, run.
    #[test]
    fn every_row_of_the_table_is_what_happens() {
        let rows: Vec<Vec<&str>> = include_str!("numbers.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | "))
            .map(|row| {
                row.trim_end_matches('|')
                    .split('|')
                    .map(str::trim)
                    .collect()
            })
            .filter(|row: &Vec<&str>| !row[0].starts_with('-') && row[0] != "setting")
            .collect();
        assert!(rows.len() > 50, "{} rows", rows.len());
        for row in rows {
            let [setting, role, what, next_in, next_out, recorded] = row[..] else {
                panic!("{row:?}");
            };
            let roles = match role {
                "initiator" => vec![Role::Initiator],
                "acceptor" => vec![Role::Acceptor],
                _ => vec![Role::Initiator, Role::Acceptor],
            };
            for role in roles {
                let bench = run(setting, role, what);
                let numbers = (bench.out.next_in, bench.out.next_out);
                let expected = (next_in.parse().unwrap(), next_out.parse().unwrap());
                assert_eq!(numbers, expected, "{row:?} {role:?}");
                let resets: Vec<_> = bench.out.resets.iter().map(name).collect();
                assert_eq!(resets.join(" "), recorded, "{row:?} {role:?}");
            }
        }
    }

    fn name(cause: &ResetCause) -> String {
        format!("{cause:?}")
    }

    fn run(setting: &str, role: Role, what: &str) -> Bench {
        let mut bench = Bench::with_numbers(role, 8, 5, |settings| match setting {
            "" => {}
            "next_expected" => settings.logon.next_expected = true,
            "AtLogon::AskReset" => settings.at_logon = AtLogon::AskReset,
            "AtLogon::AskResetAtOne" => settings.at_logon = AtLogon::AskResetAtOne,
            "AtLogon::Restart" => settings.at_logon = AtLogon::Restart,
            "AtEnd::RestartAfterLogout" => settings.at_end = AtEnd::RestartAfterLogout,
            "AtEnd::RestartAlways" => settings.at_end = AtEnd::RestartAlways,
            "OnFailure::Reject" => settings.on_failure = OnFailure::Reject,
            "OnFailure::Disconnect" => settings.on_failure = OnFailure::Disconnect,
            "OnFailure::Restart" => settings.on_failure = OnFailure::Restart,
            _ => panic!("no setting {setting}"),
        });
        let mut admission = Admission::Admit;
        let text = Text::new("no").unwrap();
        for step in what.split("; ") {
            let (word, fields) = step.split_once(' ').unwrap_or((step, ""));
            let fields = fields.replace(' ', "|");
            match word {
                "connect" => bench.connected(),
                "up" => {
                    if role == Role::Initiator {
                        bench.connected();
                    }
                    logon(&mut bench, "34=8", Admission::Admit);
                }
                "Logon" => logon(&mut bench, &fields, admission),
                "Order" => bench.fail(&format!("35=D|{}", fields.replace("|fails", ""))),
                "Logout" => drop_step(bench.get(&format!("35=5|{fields}"))),
                "Heartbeat" => drop_step(bench.get(&format!("35=0|{fields}"))),
                "refuse" => admission = Admission::Refuse(text.into()),
                "later" => admission = Admission::Later(1),
                "logout" => {
                    let _: Step = bench.session.logout(bench.now, &text, &mut bench.out);
                }
                "cut" => _ = bench.disconnected(),
                "wait" => drop_step(bench.pass(11)),
                "reset_in_session" => {
                    let asked = bench.session.reset_in_session(bench.now, &mut bench.out);
                    assert_eq!(asked, Ok(Step::Done));
                }
                "reset_numbers" => {
                    let why = ResetCause::Operator;
                    let _ = bench.session.reset_numbers(bench.now, why, &mut bench.out);
                }
                _ => panic!("no step {step}"),
            }
            // What is due at once is done, as the engine does.
            let due = bench.session.deadline();
            if due.is_some_and(|due| due <= bench.now.mono) {
                drop_step(bench.pass(0));
            }
        }
        bench
    }

    fn logon(bench: &mut Bench, fields: &str, admission: Admission) {
        if bench.get(&format!("35=A|98=0|108=30|{fields}")) == Step::Authenticate {
            let _: Step = bench.session.admit(bench.now, admission, &mut bench.out);
        }
    }

    fn drop_step(_: Step) {}
}

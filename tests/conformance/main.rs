//! The conformance suite: every rule of the session protocol as a scenario that a person can read.
//!
//! A scenario is written once, in `scenarios/RULE.scn`, and run for every version and role it names,
//! by the real engine in virtual time, three times each: as written, one byte per read, and with
//! neighbouring lines in one segment. The suite also fails if a row of the catalogue (`catalogue.txt`)
//! has neither a scenario nor a test nor a reason, and if a `Fault`, a `Cause`, an `Event`, an operation
//! or an outcome of a command is provoked by no scenario.
//!
//! # The format
//!
//! One line, one thing; blank lines and lines with `#` are for the reader.
//!
//! ```text
//! scenario ID TITLE            begins one; what follows belongs to it
//! versions 4.0 4.2 | 4.2+       those it holds for, + for all later ones; default: all eight
//! roles acceptor initiator     what the engine is; default: both
//! pieces N                     also run with reads of 2, 3, ... N bytes
//! set KEY VALUE                a setting: heartbeat 5, window off, parked_max 4, ...
//! set now 20260105-07:59:58    the wall clock at the beginning; Monday 20260105-09:00:00 if not set
//! set hours START - END        08:00:00 - 17:00:00 on mon,fri, or sun 18:00:00 America/New_York - fri
//!                              17:00:00 America/New_York; what the schedule says at the beginning is
//!                              taken as read by `given`
//!
//! given up [in=N] [out=N]      logged on, by a real exchange, with these next numbers; what the
//!                              engine sent from 2 on are orders with 11=G2, 11=G3, ...
//! given connected              TCP stands; an initiator's Logon has been read
//! given down [in=N] [out=N]    not connected
//! > FIELDS                     the peer sends a frame; 8 9 34 49 52 56 10 are filled in unless
//!                              given, and 98 108 1137 on a Logon. -TAG leaves one out, +pd adds 43=Y
//!                              and 122, +order what a NewOrderSingle needs beside 11. 52 and 122 take
//!                              now, now-5s; 9 and 10 take +N and -N. 34 counts by itself. | in a
//!                              value is SOH, "58=two words", 112=x{9000} is that many x
//! & LINE                       LINE in the same segment as the line before
//! raw TEXT                     bytes; | is SOH; {8} {9} {10} {52} are filled in
//! raw-hex BYTES                bytes, as two hexadecimal digits each
//! raw-many N TEXT              the same bytes N times
//! repeat N > FIELDS            the same frame N times, numbers counting
//! peer-number N                the number of the peer's next frame
//! connect [from ADDRESS]       the peer connects or takes the engine's connection
//! refuse                       the peer refuses it
//! logon [FIELDS]               connects and exchanges Logons, numbers as they are
//! on N                         goes on with connection N, counting from 1
//! finish / close / sever       the peer half-closes / closes / the connection breaks
//! full / drain                 the socket towards the peer takes nothing / takes again
//! wait 3s                      time passes        clock -1s    the wall clock is set
//! skip 24h                     time passes, and the engine is not called meanwhile
//! send TYPE FIELDS             the application sends          send-many N BYTES
//! verdict accept | report | fail | reject REASON TAG TEXT | business REASON TEXT    to messages from now on
//! admission admit | admit-with STATUS | refuse TEXT | refuse-with STATUS TEXT | later TICKET
//!                              to Logons from now on; STATUS is a SessionStatus(1409)
//! operator logon | logout TEXT | hold TEXT | release | disconnect | reset-in-session | reset-numbers | remove
//!   | set-next-out N | set-next-in N | sequence-reset N | test-request | resend BEGIN END
//!   | rotate-journal | decide TICKET ADMISSION [within 5s]
//! operator-of-unknown ...      the same for a session the engine does not have
//! callback ...                 the same, asked for inside the next delivery
//! reason TEXT                  a text that is refused as the reason of anything
//! veto FIELDS                  messages of ours with these fields are not wanted again
//! damage N                     the record of message N of ours is spoilt in the journal
//! stall 3s                     the process stands still: time passes without a cycle
//! restart                      the process is killed and started again on the same journal
//! stop-engine / drop-engine
//! lose-journal                 the directory of the journal is gone
//!
//! < FIELDS                     the next frame the engine sent: TAG=VALUE, TAG~PART, TAG=* (any), !TAG
//! frames N | *                 the next N frames, or all that were sent, whatever they are
//! silent [10s]                 nothing was sent or told [and nothing is, nor does the engine connect,
//!                              while time passes]
//! ok                           the session is up: a TestRequest in sequence is answered
//! dialled [ADDRESS]            the engine has asked for a connection that is not answered yet
//! open / closed / ended / gone the connection; ended: half-closed by the engine; closed: and the
//!                              peer closes too; gone: the engine has let go of it
//! app logon: with 108, 1137, 383, 464, 384 and 372 (D>6!,8< : type, direction, version, default) of
//!                              the peer; with 1128 on each message
//! app logon | logout CAUSE | TYPE [poss-dup] [poss-resend] FIELDS | reject FIELDS | refused WHY
//! event session-added 56=ID | session-not-added 58~WHY
//! event turned-away FAULT | logon-failed CAUSE | connect-failed KIND | reset CAUSE
//! events N WORDS               the same N times
//! completed OUTCOME            a command of the operator
//! in N / out N                 NextNumIn and NextNumOut
//! fault NAME                   the last fault counted          count NAME N
//! ```
//!
//! What a line expects is put into the words of the version. Before 4.2: times 52 and 122 are cut to
//! whole seconds, an EndSeqNo(16) of 0 is 999999, a Reject(3) has no 371, 372 and 373 but the tag of 371
//! in parentheses in its Text(58), and a BusinessMessageReject(j) is such a Reject. In every version a
//! SessionRejectReason(373) that it does not have is to be absent.
//!
//! Expectations are strict: a frame or an event that no line expects fails the scenario at the next
//! thing done, or at its end. Every frame of the engine is also checked for 8, 9, 10, 49, 56, 52, the
//! order of its numbers, and, if it is sent again, for being what was sent first.

#![allow(clippy::unwrap_used)]

mod app;
mod catalogue;
mod frame;
mod runner;
mod script;
#[path = "../simnet/mod.rs"]
#[allow(dead_code)] // shared with the simulation, which uses other parts
mod simnet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use pinfix::admin::Operation;
use pinfix::engine::Event;
use pinfix::session::{Cause, Fault};

use self::runner::{Coverage, Delivery, run};
use self::script::Scenario;

/// What a command can be and come to.
const OUTCOMES: [&str; 6] = [
    "Done",
    "NoOp",
    "UnknownSession",
    "Refused",
    "TimedOut",
    "EngineStopped",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/scenarios");
    let scenarios = match script::read_all(&directory) {
        Ok(scenarios) => scenarios,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let coverage = Arc::new(Coverage::default());
    let mut trials: Vec<_> = scenarios
        .iter()
        .flat_map(|scenario| trials(scenario, &coverage))
        .collect();
    let catalogue = catalogue::check(&scenarios);
    let told = catalogue.clone().map(drop).map_err(Failed::from);
    trials.push(Trial::test(
        "catalogue - every row is proven or says why not",
        || told,
    ));
    let all = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        return ExitCode::from(101);
    }
    if !all {
        return ExitCode::SUCCESS;
    }
    summary(&scenarios);
    println!("{}", catalogue.unwrap_or_default());
    check(&coverage)
}

fn trials(scenario: &Scenario, coverage: &Arc<Coverage>) -> Vec<Trial> {
    let scenario = Arc::new(scenario.clone());
    let mut trials = Vec::new();
    for &rules in &scenario.versions {
        for &role in &scenario.roles {
            let name = format!(
                "{} {} {role:?} - {}",
                scenario.id, rules.name, scenario.title
            );
            let (scenario, coverage) = (Arc::clone(&scenario), Arc::clone(coverage));
            trials.push(Trial::test(name, move || {
                let fixed = [
                    Delivery::AsWritten,
                    Delivery::ByteByByte,
                    Delivery::OneSegment,
                ];
                let pieces = (2..=scenario.pieces).map(Delivery::Pieces);
                for delivery in fixed.into_iter().chain(pieces) {
                    run(&scenario, rules, role, delivery, &coverage).map_err(Failed::from)?;
                }
                Ok(())
            }));
        }
    }
    trials
}

/// Scenarios by section, version and role.
fn summary(scenarios: &[Scenario]) {
    let mut sections: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut columns: Vec<String> = Vec::new();
    for scenario in scenarios {
        let section = scenario.id.split('-').next().unwrap_or_default().to_owned();
        let row = sections.entry(section).or_default();
        *row.entry("scenarios".into()).or_default() += 1;
        for rules in &scenario.versions {
            for role in &scenario.roles {
                let column = format!(
                    "{} {:.4}",
                    rules.name.trim_start_matches("FIX."),
                    format!("{role:?}")
                );
                if !columns.contains(&column) {
                    columns.push(column.clone());
                }
                *row.entry(column).or_default() += 1;
            }
        }
    }
    columns.sort();
    columns.insert(0, "scenarios".into());
    let line = |name: &str, cells: &dyn Fn(&String) -> usize| {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| format!("{:>12}", cells(column)))
            .collect();
        println!("{name:<8}{}", cells.concat());
    };
    let heads: Vec<_> = columns
        .iter()
        .map(|column| format!("{column:>12}"))
        .collect();
    println!("{:<8}{}", "section", heads.concat());
    for (section, row) in &sections {
        line(section, &|column| {
            row.get(column).copied().unwrap_or_default()
        });
    }
    line("all", &|column| {
        sections.values().filter_map(|row| row.get(column)).sum()
    });
}

type Names = BTreeSet<&'static str>;

/// Everything a peer can do wrong, everything an operator can ask for and everything that is told to
/// the application has a scenario.
fn check(coverage: &Coverage) -> ExitCode {
    let kinds: [(&str, &[&'static str], &Mutex<Names>); 5] = [
        ("fault", Fault::NAMES, &coverage.faults),
        ("cause", &Cause::NAMES, &coverage.causes),
        ("event", &Event::NAMES, &coverage.events),
        ("operation", &Operation::NAMES, &coverage.operations),
        ("outcome", &OUTCOMES, &coverage.outcomes),
    ];
    let mut complete = true;
    for (what, names, seen) in kinds {
        let names: Names = names.iter().copied().collect();
        let seen = seen.lock().unwrap();
        for name in names.difference(&seen) {
            eprintln!("{what} {name} is provoked by no scenario");
        }
        for name in seen.difference(&names) {
            eprintln!("{what} {name} is missing in the list of names");
        }
        complete &= names == *seen;
    }
    if !complete {
        return ExitCode::FAILURE;
    }
    println!("every fault, cause, event, operation and outcome is provoked by a scenario");
    ExitCode::SUCCESS
}

//! The FIXP session layer as scenarios that a person can read: every rule, every Terminate code and every
//! reject code, for both roles, in virtual time.
//!
//! A scenario is one machine against the frames of a peer, or both machines against each other. Each is run
//! twice: over an outbox of vectors, and over a journal in files, which a restart opens again, and over which
//! a session must not allocate. The suite also fails if a row of `catalogue.txt` has no scenario, or if a `fixp::Fault` or a `Cause` that only
//! FIXP has is provoked by none.
//!
//! # The format
//!
//! One line, one thing; blank lines and lines with `#` are for the reader.
//!
//! ```text
//! scenario ID TITLE            begins one; what follows belongs to it
//! with NAME NAME ...           it is run once for each row that follows; {NAME} stands for the value,
//! | VALUE VALUE ...            also in ID and TITLE; a `;` in it stands for a blank
//! role client | gateway | pair what runs; pair is both, each other's peer
//! set KEY VALUE                a setting, by its path: client.not_applied Resend
//!
//! given up                     established by a real exchange; both numbers at 1
//! given negotiated             a connection that is negotiated and not established
//! given connected              a connection, and a client's first message is read
//! connect                      the connection stands
//! > MESSAGE FIELD=VALUE ...    the peer sends a frame; fields that are not given are right
//! split MESSAGE FIELD=VALUE    the same, and the frame comes in pieces
//! disordered MESSAGE ...       the same, and out of order
//! broken Sofh | Undecodable    the peer sends bytes that are no message
//! send N                       the application sends N business messages; `send 1 refused WHY`
//! at-logon N                   the application sends N as soon as it is told of a logon
//! enter-anew                   from now on it sends a new message for each that is told as not applied
//! junk                         the application writes what is no business message of its side
//! wait 30s                     time passes
//! clock-back 60s               the wall clock is set back
//! logout TEXT | terminate CODE TEXT | disconnect | resume | renew | begin-week | restart | reopen
//! set-next-out N | set-next-in N | block yes | no | withhold N | full Unsent | Segment | none; full TooLong, of what has to be kept of the peer's
//! hear-while-down              a frame without a connection
//! other-port-closed            invalid logons have closed the port of the other connection
//! follow UUID | primary-ended  of a backup
//! damage N                     our message N cannot be read any more
//! script ON ANSWER [CODE]      Negotiate Reject 3
//! turn-away MESSAGE            the first message of a stranger, and what the gateway sends
//! answers N                    the application sends N messages about each one it is given
//! still-sends                  the peer sends although the connection has ended
//! second MESSAGE FIELD=VALUE   the first message of a second connection, and what the gateway sends on it
//! dies-behind N                the application sends N messages about the next one and never returns
//! verdict accept | reject REASON TEXT
//! hold-replay / replay N       nothing is sent again by itself / N messages are
//!
//! < MESSAGE FIELD=VALUE ...    the next frame the machine sent
//! frames N MESSAGE             the next N frames are of this kind
//! told WORDS                   the next thing it told its caller
//! keep NAME VALUE              $NAME is this from now on
//! next-logon establish | negotiate | halt
//! not-before 30s | no          how long a client is to stay away
//! in N / out N / phase NAME / series UUID / fault NAME / count NAME N
//!
//! client LINE / gateway LINE   in a pair: a line for one of them
//! cut                          in a pair: the connection breaks; what is under way is lost
//! kill client | gateway        the same, and this process is killed and started again
//! splitting yes | no           in a pair: what the client says comes in pieces from now on
//! agree                        in a pair: both are established, with one UUID, and what one has sent the
//!                              other has had, once each and in order
//! ```
//!
//! A value is a number, `null`, "text in quotes", `*` (any); or `uuid`, `stamp` (those of the last logon
//! message), `now`, `max` (2^63-1), or `$name`, which takes what comes where it is met first; each also
//! with `+N` or `-N`, and `now-6s`.
//!
//! Expectations are strict: a frame or a word that no line expects fails the scenario at the next thing
//! done, or at its end.

#![allow(clippy::unwrap_used)]

mod catalogue;
mod failover;
mod frame;
mod hostile;
mod quiet;
mod rules;
mod script;
mod settings;
mod shelf;
mod side;
mod stage;
mod store;
mod storm;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use pinfix::session::{Cause, fixp};

use self::shelf::Shelf;
use self::store::Files;

type Names = BTreeSet<&'static str>;

/// What the scenarios have provoked.
#[derive(Default)]
struct Coverage {
    /// Names of faults.
    faults: Mutex<Names>,
    /// Names of causes.
    causes: Mutex<Names>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixp/scenarios");
    let scenarios = match script::read_all(&directory) {
        Ok(scenarios) => scenarios,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let coverage = Arc::new(Coverage::default());
    let mut trials = Vec::new();
    for scenario in &scenarios {
        let (scenario, coverage) = (scenario.clone(), Arc::clone(&coverage));
        let name = format!("{} - {}", scenario.id, scenario.title);
        trials.push(Trial::test(name, move || {
            stage::run::<Shelf>(&scenario, &coverage).map_err(Failed::from)?;
            stage::run::<Files>(&scenario, &coverage).map_err(Failed::from)
        }));
    }
    for resend in [false, true] {
        let policy = if resend { "sends again" } else { "skips" };
        let coverage = Arc::clone(&coverage);
        let name = format!("storm - a client that {policy} what was not applied");
        trials.push(Trial::test(name, move || {
            (0..storm::SEEDS).try_for_each(|seed| {
                storm::run::<Shelf>(seed, resend, &coverage).map_err(Failed::from)?;
                match seed % 10 {
                    0 => storm::run::<Files>(seed, resend, &coverage).map_err(Failed::from),
                    _ => Ok(()),
                }
            })
        }));
    }
    let seen = Arc::clone(&coverage);
    trials.push(Trial::test(
        "failover - both sides go on over the backup",
        move || {
            failover::run::<Shelf>(&seen).map_err(Failed::from)?;
            failover::run::<Files>(&seen).map_err(Failed::from)
        },
    ));
    for role in ["client", "gateway"] {
        let coverage = Arc::new(Coverage::default());
        trials.push(Trial::test(
            format!("hostile - a peer of a {role}"),
            move || {
                (0..hostile::SEEDS).try_for_each(|seed| {
                    hostile::run::<Shelf>(seed, role, &coverage).map_err(Failed::from)?;
                    match seed % 10 {
                        0 => hostile::run::<Files>(seed, role, &coverage).map_err(Failed::from),
                        _ => Ok(()),
                    }
                })
            },
        ));
    }
    let catalogue = catalogue::check(&scenarios);
    let told = catalogue.clone().map(drop).map_err(Failed::from);
    trials.push(Trial::test("catalogue - every row is proven", || told));
    let rules = rules::check(&scenarios).map_err(Failed::from);
    trials.push(Trial::test("rules - every open rule is a setting", || {
        rules
    }));
    let all = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        return ExitCode::from(101);
    }
    if !all {
        return ExitCode::SUCCESS;
    }
    println!("{}", catalogue.unwrap_or_default());
    check(&coverage)
}

/// Everything a FIXP peer can do wrong, and every end that only FIXP has, has a scenario.
fn check(coverage: &Coverage) -> ExitCode {
    let kinds: [(&str, &[&'static str], &Mutex<Names>); 2] = [
        ("fault", fixp::Fault::NAMES, &coverage.faults),
        ("cause", &Cause::FIXP_NAMES, &coverage.causes),
    ];
    let mut complete = true;
    for (what, names, seen) in kinds {
        let seen = seen.lock().unwrap();
        for name in names.iter().filter(|name| !seen.contains(**name)) {
            eprintln!("{what} {name} is provoked by no scenario");
            complete = false;
        }
    }
    if !complete {
        return ExitCode::FAILURE;
    }
    let (faults, causes) = (fixp::Fault::NAMES.len(), Cause::FIXP_NAMES.len());
    println!("all {faults} faults and {causes} causes of FIXP are provoked by a scenario");
    ExitCode::SUCCESS
}

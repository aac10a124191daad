//! `pinfix certify`: the scenarios of the conformance suite, over TCP, against any FIX acceptor.

mod applies;
mod driver;
#[path = "../../../tests/conformance/frame.rs"]
#[allow(dead_code, clippy::unwrap_used)] // shared with the conformance suite, which uses other parts
mod frame;
mod leniency;
mod scenarios;
#[path = "../../../tests/conformance/script.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod script;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use pinfix::session::fix::rules::Rules;
use serde::Serialize;

use self::driver::Outcome;
use self::script::Scenario;
use crate::version;

/// Run the conformance scenarios against a FIX acceptor
///
/// Plays the counterparty of one session and compares what the target does with what each scenario
/// expects. What the target's application or operator would have to do, and settings it was not said to
/// have (--has), make a scenario not applicable. Where the standard leaves a choice, a target that chose
/// otherwise has passed and the difference is told. Initiators are not tried: there is no listening
/// side yet.
///
/// The target must let the session log on with 34=1 and ResetSeqNumFlag(141)=Y, or start its numbers at
/// 1 with every connection (--reset target); FIX.4.0 has no 141 and needs the latter.
///
/// Exit code 1 if a scenario failed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where the acceptor listens
    #[arg(long, value_name = "HOST:PORT")]
    target: String,

    /// FIX version of the session
    #[arg(long, value_name = "VERSION", value_parser = version::parse)]
    version: &'static Rules,

    /// SenderCompID(49) of what is sent to the target
    #[arg(long, value_name = "ID")]
    sender: String,

    /// TargetCompID(56) of what is sent to the target
    #[arg(long, value_name = "ID")]
    target_comp: String,

    /// Only scenarios whose id begins with this
    #[arg(long, value_name = "ID")]
    filter: Option<String>,

    /// Not this scenario, by its whole id, as of one that ends the target's process; may be repeated
    #[arg(long, value_name = "ID")]
    except: Vec<String>,

    /// How numbers come to be 1 before each scenario
    #[arg(long, value_enum, default_value_t = Reset::Logon)]
    reset: Reset,

    /// A setting of the target that scenarios ask for, as in `--has window=120s`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    has: Vec<String>,

    /// Multiply heartbeat intervals of scenarios, and the waits that follow from them, with this
    #[arg(long, value_name = "FACTOR", default_value_t = 0.4)]
    scale: f64,

    /// Leave out scenarios that wait longer than this, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0)]
    longest: f64,

    /// How long what should happen may take, beyond the time that a scenario gives it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    patience: f64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// Print scenarios that passed or are not applicable, too
    #[arg(long, short)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  pinfix exchange &
  pinfix certify --target 127.0.0.1:9878 --version FIX.4.4 --sender C --target-comp V
  pinfix certify --target 127.0.0.1:9878 --version FIX.4.4 --sender C --target-comp V --filter 8- -v";

/// How numbers come to be 1 before each scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reset {
    /// The first Logon of a scenario has ResetSeqNumFlag(141)=Y
    Logon,
    /// The target starts at 1 with every connection by itself
    Target,
}

/// What is known of the target.
struct Terms {
    target: SocketAddr,
    sender: String,
    target_comp: String,
    reset: Reset,
    settings: Vec<String>,
    scale: f64,
    patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Passed,
    PassedDiffers,
    Failed,
    NotApplicable,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    verdict: Verdict,
    /// Why it failed or does not apply, or what differs.
    why: String,
    /// What went over the wire, of a scenario that failed.
    exchange: Vec<String>,
}

/// Runs the scenarios and prints what came of them.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let rules = arguments.version;
    let target = arguments
        .target
        .to_socket_addrs()
        .with_context(|| format!("--target {}: expected HOST:PORT", arguments.target))?
        .next()
        .with_context(|| format!("--target {}: the name has no address", arguments.target))?;
    if arguments.reset == Reset::Logon && !rules.reset_seq_num_flag {
        bail!(
            "{} has no ResetSeqNumFlag(141): the target must start at 1 by itself, give --reset target",
            rules.name
        );
    }
    if !(0.01..=10.0).contains(&arguments.scale) {
        bail!("--scale {}: expected 0.01 to 10", arguments.scale);
    }
    if !(0.1..=60.0).contains(&arguments.patience) {
        bail!("--patience {}: expected 0.1 to 60", arguments.patience);
    }
    let terms = Terms {
        target,
        sender: arguments.sender,
        target_comp: arguments.target_comp,
        reset: arguments.reset,
        settings: arguments.has,
        scale: arguments.scale,
        patience: Duration::from_secs_f64(arguments.patience),
    };
    let scenarios = scenarios::all()?;
    for except in &arguments.except {
        if !scenarios.iter().any(|scenario| scenario.id == *except) {
            bail!("--except {except}: no scenario has this id");
        }
    }
    let chosen = |scenario: &Scenario| {
        let filter = arguments.filter.as_ref();
        filter.is_none_or(|filter| scenario.id.starts_with(filter.as_str()))
            && !arguments.except.contains(&scenario.id)
    };
    let longest = Duration::try_from_secs_f64(arguments.longest).context("--longest")?;
    let mut rows = Vec::new();
    for scenario in scenarios.into_iter().filter(chosen) {
        let row = certify(&scenario, rules, &terms, longest);
        if !arguments.json && (arguments.verbose || row.verdict == Verdict::Failed) {
            print(&row);
        }
        rows.push(row);
    }
    if rows.is_empty() {
        bail!("no scenario has an id that begins so");
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let failed = count(Verdict::Failed);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in rows
            .iter()
            .filter(|row| row.verdict == Verdict::PassedDiffers)
        {
            if !arguments.verbose {
                print(row);
            }
        }
        println!(
            "{}: {} passed, {} passed and differ, {failed} failed, {} not applicable",
            rules.name,
            count(Verdict::Passed),
            count(Verdict::PassedDiffers),
            count(Verdict::NotApplicable),
        );
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn certify(scenario: &Scenario, rules: &'static Rules, terms: &Terms, longest: Duration) -> Row {
    let row = |verdict, why, exchange| Row {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        verdict,
        why,
        exchange,
    };
    if let Err(why) = applies::check(scenario, rules, terms) {
        return row(Verdict::NotApplicable, why, Vec::new());
    }
    let wait = driver::waits(scenario, terms);
    if wait > longest {
        let why = format!("waits for {} s, which is beyond --longest", wait.as_secs());
        return row(Verdict::NotApplicable, why, Vec::new());
    }
    let Outcome {
        failed,
        differs,
        exchange,
    } = driver::run(scenario, rules, terms);
    match failed {
        Some(why) => row(Verdict::Failed, why, exchange),
        None if differs.is_empty() => row(Verdict::Passed, String::new(), Vec::new()),
        None => row(Verdict::PassedDiffers, differs.join("; "), Vec::new()),
    }
}

fn print(row: &Row) {
    let word = match row.verdict {
        Verdict::Passed => "passed",
        Verdict::PassedDiffers => "differs",
        Verdict::Failed => "FAILED",
        Verdict::NotApplicable => "n/a",
    };
    println!("{:<8} {:<8} {}", row.id, word, row.title);
    if !row.why.is_empty() {
        println!("{:18}{}", "", row.why);
    }
    for line in &row.exchange {
        println!("{:18}{line}", "");
    }
}

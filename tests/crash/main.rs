//! Nothing is lost, and no number is used twice, when the process is killed at any moment.
//!
//! A child process runs an engine with one session under load, its journal on disk. The parent plays
//! the counterparty over a raw socket, with framing and encoding of its own, kills the child with
//! SIGKILL at moments that a seed chooses, starts it again on the same journal, and keeps the books.
//!
//! Of a FIX initiator:
//!
//! * no MsgSeqNum(34) ever carries other content than it did before, and none is used again for
//!   something new;
//! * every message the child's engine said it had sent arrives, exactly once not counting
//!   PossDupFlag(43)=Y copies of what arrived before;
//! * the child's application sees every message of the counterparty at least once and in order, at
//!   most one of them again after a kill;
//! * at the end, the journal on disk tells the same story.
//!
//! Of a FIXP client, which skips what was not applied, or sends it again:
//!
//! * UUIDs and RequestTimestamps grow over all lives; a UUID that was established is gone on with, and
//!   NextSeqNo is the number behind the last order sent under it;
//! * no order is applied twice, and every order that is not applied was told as lost, or as unconfirmed
//!   under a UUID that was left; none that was told as lost is applied;
//! * the application sees every report of the exchange, also those published under a UUID before, in
//!   order, at most one of them again after a kill.
//!
//! Of a FIXP gateway:
//!
//! * NextSeqNo of its acknowledgement is never below what its client has, and PreviousUUID and
//!   PreviousSeqNo are those of the UUID before;
//! * its application sees every order in order, at most one of them again after a kill, and what it has
//!   not applied it says with NotApplied; an order that it has answered is not among that, and none is
//!   answered twice;
//! * every report that the engine said it had sent can be had by retransmission, under its number.
//!
//! `cargo test --test crash` kills 25 times the one, a few times the others. A thousand times each:
//!
//! ```text
//! PINFIX_KILLS=1000 cargo test --release --test crash
//! ```
//!
//! `PINFIX_SEED=n` chooses other moments; the seed is printed.
#![allow(clippy::unwrap_used)]

mod child;
mod fix;
mod fixp;
mod lives;
mod peer;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use libtest_mimic::{Arguments, Failed};

/// Set for the child: what it is.
const ROLE: &str = "PINFIX_CRASH_ROLE";
/// Set for the child: the directory of its journal.
const DIRECTORY: &str = "PINFIX_CRASH_DIRECTORY";
/// Set for the child: the port of its counterparty.
const PORT: &str = "PINFIX_CRASH_PORT";
/// Set for the child: which of its lives this is. The last one, which sends nothing new, is "end".
const LIFE: &str = "PINFIX_CRASH_LIFE";

/// How often a child is killed, and when.
struct Trial {
    kills: u64,
    seed: u64,
}

impl Trial {
    /// What the environment says.
    fn new(kills: u64) -> Result<Self, Failed> {
        let number = |name, default| {
            std::env::var(name).map_or(Ok(default), |text| {
                text.parse::<u64>()
                    .map_err(|_| Failed::from(format!("{name}={text} is no number")))
            })
        };
        Ok(Self {
            kills: number("PINFIX_KILLS", kills)?,
            seed: number("PINFIX_SEED", 1)?,
        })
    }

    /// Where the journal of a child is kept.
    fn directory(&self, role: &str) -> PathBuf {
        let (process, seed) = (std::process::id(), self.seed);
        std::env::temp_dir().join(format!("pinfix-crash-{process}-{role}-{seed}"))
    }
}

/// A child, but for which of its lives it is.
fn command(role: &str, directory: &Path, port: u16) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(ROLE, role)
        .env(DIRECTORY, directory)
        .env(PORT, port.to_string());
    command
}

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
        let port = std::env::var(PORT).unwrap().parse().unwrap();
        let life = std::env::var(LIFE).unwrap();
        match role.as_str() {
            "fix" => child::live(&directory, port, &life),
            role => fixp::child::live(role, &directory, port, &life),
        }
        return;
    }
    type Check = fn(&Trial) -> Result<String, String>;
    let trials: [(&str, u64, Check); 4] = [
        (
            "a_killed_session_goes_on_where_it_was",
            25,
            fix::kill_and_check,
        ),
        (
            "a_killed_fixp_client_that_skips_tells_what_is_lost",
            8,
            fixp::client_that_skips,
        ),
        (
            "a_killed_fixp_client_that_sends_again_loses_nothing",
            8,
            fixp::client_that_sends_again,
        ),
        ("a_killed_fixp_gateway_loses_nothing", 8, fixp::gateway),
    ];
    let trials = trials.map(|(name, kills, check)| {
        libtest_mimic::Trial::test(name, move || {
            let trial = Trial::new(kills)?;
            let started = Instant::now();
            let account = check(&trial)
                .map_err(|error| format!("seed {}, {error}", trial.seed))
                .map_err(Failed::from)?;
            println!(
                "{name}, seed {}: {} kills in {:.1} s\n{account}",
                trial.seed,
                trial.kills,
                started.elapsed().as_secs_f64()
            );
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

//! The `pinfix` command: a simulated exchange, a client for it, a latency harness, and the tools that look at engines and
//! their journals.
//!
//! It uses the public interface of the library only. Exit codes: 0 done, 1 failed, or found damage, a
//! difference or nothing at all, 2 wrong arguments, 130 interrupted.

mod admin;
mod bulletin;
mod certify;
mod config;
mod decode;
mod dict;
mod ending;
mod exchange;
mod hosting;
mod interrupt;
mod journal;
mod latency;
mod metrics;
mod news;
mod order;
mod report;
mod run;
mod sbe;
mod schedule;
mod status;
mod top;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "pinfix",
    version,
    about = "A FIX engine's tools: simulated exchange, latency harness, live view, journals",
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pinfix latency                              two engines trade over loopback, with a table
  pinfix exchange                             a venue on 127.0.0.1:9878 for anybody
  pinfix run --config client.toml --orders 1000 --rate 100    log on, send orders, check the reports
  pinfix latency --connect 127.0.0.1:9878     measure against it, or any other FIX acceptor
  pinfix exchange --admin-socket venue.admin & pinfix admin --socket venue.admin list
  pinfix certify --target 127.0.0.1:9878 --version FIX.4.4 --sender C --target-comp V
  pinfix exchange --status-page /dev/shm/venue & pinfix top --page /dev/shm/venue
  pinfix metrics --page /dev/shm/venue        the same for Prometheus
  pinfix journal print DIR --from 14:30:02.123 --to 14:30:02.123
  pinfix journal grep DIR 11=ORDER7           also follow, export, replay, verify, stat
  pinfix config check venue.cfg               what a configuration comes to
  pinfix schedule explain old.cfg             when its sessions open, close and start anew
  pinfix dict show FIX.4.4 D                  what a NewOrderSingle may contain
  pinfix decode --pcap orders.pcap            iLink 3 messages of a capture, field by field
  pinfix sbe generate SCHEMA.xml --out DIR    codecs from the schema file of a venue

`pinfix COMMAND --help` tells everything about a command.";

#[derive(Subcommand)]
enum Command {
    Decode(decode::Arguments),
    #[command(subcommand)]
    Dict(dict::Command),
    Exchange(exchange::Arguments),
    Run(run::Arguments),
    Certify(certify::Arguments),
    Admin(admin::Arguments),
    #[command(disable_version_flag = true)]
    Latency(latency::Arguments),
    #[command(subcommand)]
    Journal(journal::Command),
    #[command(subcommand)]
    Sbe(sbe::Command),
    #[command(subcommand)]
    Schedule(schedule::Command),
    Metrics(metrics::Arguments),
    Top(top::Arguments),
    #[command(subcommand)]
    Config(config::Command),
    /// Print the completions of this command for a shell
    ///
    /// For example: pinfix completions bash > /etc/bash_completion.d/pinfix
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Decode(arguments) => decode::run(arguments),
        Command::Dict(command) => dict::run(command),
        Command::Exchange(arguments) => exchange::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Certify(arguments) => certify::run(arguments),
        Command::Admin(arguments) => admin::run(arguments),
        Command::Latency(arguments) => latency::run(arguments),
        Command::Journal(command) => journal::run(command),
        Command::Sbe(command) => sbe::run(command),
        Command::Schedule(command) => schedule::run(command),
        Command::Metrics(arguments) => metrics::run(arguments),
        Command::Top(arguments) => top::run(arguments),
        Command::Config(command) => config::run(command),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "pinfix", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("pinfix: {error:#}");
        ExitCode::FAILURE
    })
}

//! `pinfix metrics`: status pages as Prometheus text, from a process of its own.
//!
//! A scrape reads memory that the engine writes anyway. Nothing is asked of the engine, so no scrape,
//! however often, can be seen in its cycle.

pub mod families;
mod server;
mod text;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::status::Watched;

/// Serve the status pages of engines as Prometheus metrics
///
/// Answers GET /metrics with text format 0.0.4. Every sample has the labels `page` (the path as given
/// here) and `engine` (what the engine calls itself); those of a session also `session` and `role`.
///
/// A page that is not there, or whose engine is gone, is no error: pinfix_up is 0 then, and a page that
/// appears later is found. Of an engine that died, pinfix_engine_state says so and the other samples are
/// the last that it said. Counters start again with the engine.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A status page to read; may be given several times
    #[arg(long = "page", value_name = "FILE", required = true)]
    pages: Vec<PathBuf>,

    /// Address to serve on
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,

    /// Print the metrics once instead of serving them; exit code 1 if no page can be read
    #[arg(long, conflicts_with = "listen")]
    once: bool,
}

const EXAMPLES: &str = "\
Examples:
  pinfix metrics --page /dev/shm/venue
  pinfix metrics --page /dev/shm/london --page /dev/shm/paris --listen 0.0.0.0:9464
  pinfix metrics --page /dev/shm/venue --once | grep _up

For an alert:
  pinfix_up == 0                                     the engine is not running
  pinfix_session_logged_on == 0 and on(session) pinfix_session_held == 0
  rate(pinfix_session_faults_total[5m]) > 0          a peer makes mistakes, the label says which";

/// Serves, or prints once.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut pages: Vec<Watched> = Vec::new();
    for path in &arguments.pages {
        if pages.iter().any(|page| page.path() == path) {
            bail!("--page {} is given twice", path.display());
        }
        pages.push(Watched::new(path));
    }
    if !arguments.once {
        return server::serve(arguments.listen, pages);
    }
    let looks = families::look(&mut pages);
    let mut unread = looks.iter().filter_map(|look| look.outcome.as_ref().err());
    if looks.iter().all(|look| look.outcome.is_err()) {
        bail!(
            "{}",
            unread.next().map_or("no page is given", String::as_str)
        );
    }
    for error in unread {
        eprintln!("pinfix: {error}");
    }
    let mut out = io::stdout();
    match out
        .write_all(families::render(&looks).as_bytes())
        .and_then(|()| out.flush())
    {
        // `| head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        done => done
            .context("writing the metrics")
            .map(|()| ExitCode::SUCCESS),
    }
}

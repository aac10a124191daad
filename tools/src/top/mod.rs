//! `pinfix top`: an engine at a glance, live, from its status page alone.
//!
//! ```text
//!   status page --look, once per interval--> Board (what is true, what was chosen) --> screen
//!                                              ^ keys
//! ```
//!
//! Nothing is asked of the engine. Everything but this file works without a terminal.

pub mod board;
mod detail;
mod keys;
mod list;
mod plain;
mod screen;
mod style;
#[cfg(test)]
mod tests;
mod words;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, try_init, try_restore};

use self::board::Board;
use self::keys::Then;
use self::style::Style;
use crate::status::Watched;

/// Between two looks of --once, for the rates.
const ONCE_SPAN: Duration = Duration::from_millis(500);

/// Watch a running engine: sessions, rates, gaps, latency
///
/// Reads the status page that an engine keeps (`pinfix exchange --status-page FILE`, or
/// EngineConfig::status_page) and shows it, a session per line, those in trouble first. The engine is
/// asked nothing and does not notice. When it is stopped, dies, stalls or is replaced, the first line
/// says so.
///
/// Marks: ▲ should be up and is not, or its peer is silent; ◆ something goes on that should pass; ■ held
/// by an operator; ○ out of its schedule; ● up. Colours repeat what the marks say; NO_COLOR is respected.
/// Times are UTC. Rates and the percentiles on the left are of the time between two looks.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The status page to read
    #[arg(long, value_name = "FILE")]
    page: PathBuf,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,

    /// Print a plain table once, rates of half a second, and end; exit code 1 if the engine is not running
    #[arg(long)]
    once: bool,
}

const EXAMPLES: &str = "\
Keys:
  up down PgUp PgDn Home End   choose a session      Enter  open it     Esc  back
  s S  sort by the next, the previous column         r  reverse         /    filter by name or state
  p    pause                                         ?  help            q    quit

Examples:
  pinfix exchange --status-page /dev/shm/venue
  pinfix top --page /dev/shm/venue
  pinfix top --page /dev/shm/venue --interval 0.2
  pinfix top --page /dev/shm/venue --once";

/// Runs until the user has seen enough.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut page = Watched::new(&arguments.page);
    let mut board = Board::new(arguments.page.display().to_string());
    if arguments.once {
        board.take(Ok(look_first(&mut page)?));
        std::thread::sleep(ONCE_SPAN);
        board.take(page.look());
        return plain::print(&board);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("top needs a terminal; --once prints a plain table");
    }
    // A wrong path is better said before the screen is taken.
    board.take(Ok(look_first(&mut page)?));
    let style = Style::of_environment();
    let mut terminal = try_init().context("cannot take over the terminal")?;
    let done = watch(
        &mut terminal,
        &mut page,
        &mut board,
        style,
        arguments.interval,
    );
    try_restore().context("cannot give the terminal back")?;
    done
}

fn look_first(page: &mut Watched) -> anyhow::Result<crate::status::Sample> {
    page.look().map_err(|why| {
        anyhow!("{why}\nan engine keeps a page if it is told to, such as `pinfix exchange --status-page FILE`")
    })
}

fn watch(
    terminal: &mut DefaultTerminal,
    page: &mut Watched,
    board: &mut Board,
    style: Style,
    interval: Duration,
) -> anyhow::Result<ExitCode> {
    let mut next_look = Instant::now() + interval;
    loop {
        terminal
            .draw(|frame| screen::draw(board, style, frame))
            .context("drawing")?;
        let wait = next_look.saturating_duration_since(Instant::now());
        // A resized window wakes it as well, and is drawn anew like everything else.
        if event::poll(wait).context("waiting for a key")?
            && let Event::Key(key) = event::read().context("reading a key")?
            && keys::press(board, key) == Then::Quit
        {
            return Ok(ExitCode::SUCCESS);
        }
        if Instant::now() >= next_look {
            board.take(page.look());
            next_look = Instant::now() + interval;
        }
    }
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    text.parse()
        .ok()
        .filter(|seconds| (0.05..=3_600.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or("expected seconds from 0.05 to 3600, such as 1 or 0.2")
}

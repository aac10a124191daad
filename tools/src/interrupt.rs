//! Ctrl-C: the first one asks for a clean end, the second one ends the process at once.

use std::io::Write as _;

use anyhow::Context as _;
use pinfix::engine::Stopper;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell reports for a process that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

/// Stops `stopper` at the first SIGINT or SIGTERM, after telling the user so with `notice`; quits at
/// the second.
pub fn stop_on_signal(stopper: Stopper, notice: &'static str) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("listening for Ctrl-C")?;
    std::thread::Builder::new()
        .name("pinfix-signals".to_owned())
        .spawn(move || {
            for _ in &mut signals {
                if stopper.is_stopping() {
                    std::process::exit(i32::from(INTERRUPTED));
                }
                stopper.stop();
                // Nobody may be there to read it; that is no reason not to stop.
                let _ = writeln!(std::io::stderr(), "{notice}");
            }
        })
        .context("starting the thread that waits for Ctrl-C")?;
    Ok(())
}

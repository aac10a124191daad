//! What happens, told to people: one line each, with the time.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use anyhow::Context as _;
use pinfix::time::{TimestampPrecision, Utc};

/// Takes lines from the engine's thread and never makes it wait.
#[derive(Clone)]
pub struct Bulletin {
    lines: Sender<Line>,
}

struct Line {
    at: Utc,
    text: String,
}

/// The thread that prints, to be waited for at the end.
pub struct Printer(JoinHandle<()>);

impl Bulletin {
    /// A bulletin on standard output, and behind what a file has if one is given, and the thread that
    /// prints it.
    pub fn start(file: Option<&Path>) -> anyhow::Result<(Self, Printer)> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        let mut file = match file {
            Some(path) => Some(open(path).with_context(|| format!("cannot write {}", path.display()))?),
            None => None,
        };
        let (lines, received) = mpsc::channel::<Line>();
        let printer = thread::Builder::new()
            .name("pinfix-bulletin".to_owned())
            .spawn(move || {
                let mut out = io::stdout();
                for Line { at, text } in received {
                    let time = at.to_fix(TimestampPrecision::Millis);
                    let time = String::from_utf8_lossy(&time);
                    let line = format!("{time}  {text}\n");
                    // Nobody reads any more, or the disk is full: the sessions go on without.
                    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
                    let _ = file
                        .iter_mut()
                        .try_for_each(|file| file.write_all(line.as_bytes()));
                }
            })
            .context("starting the thread that prints")?;
        Ok((Self { lines }, Printer(printer)))
    }

    /// Says something, with the present time.
    pub fn say(&self, text: impl Into<String>) {
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            });
        // The printer lives as long as there is a bulletin.
        let _ = self.lines.send(Line {
            at: Utc(at),
            text: text.into(),
        });
    }
}

impl Printer {
    /// Waits until everything that was said is printed. The last bulletin must be gone.
    pub fn finish(self) {
        // A printer that panicked has nothing more to print.
        let _ = self.0.join();
    }
}

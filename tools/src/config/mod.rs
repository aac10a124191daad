//! `pinfix config`: what a configuration file comes to, and which keys there are.
//!
//! Two kinds of files are read: TOML of our own, and the settings files of the QuickFIX family. Both
//! come to a plan, and a plan can be printed as TOML: a settings file is carried over that way.

mod dictionaries;
pub mod file;
mod fixp;
mod form;
mod hours;
mod keys;
mod policies;
mod proxy;
mod tables;
mod tls;
mod venues;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use pinfix::engine::quickfix::Loader;
use pinfix::engine::quickfix::keys::{self as settings_keys, Key, Stance};
use pinfix::engine::{Plan, Problem, Problems};

pub use self::file::File;
use self::file::is_settings;
pub use self::fixp::origin;
pub use self::form::Named;
pub(crate) use self::form::named;
pub use self::venues::named as venue;

/// A time span as files have it, such as `30s` or `1m 30s`.
pub fn span(text: &str) -> Option<std::time::Duration> {
    form::Span::read(text).map(|span| span.0)
}

/// Check configuration files, look settings up
#[derive(Subcommand)]
pub enum Command {
    /// Print what a configuration file comes to, as TOML, and everything doubtful about it
    ///
    /// Takes TOML files and the settings files (.cfg) of QuickFIX engines. What is wrong or doubtful is
    /// printed to standard error, so that the output is a configuration file; passwords in it are
    /// masked. Exit code 1 if the file is wrong.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The file
        file: PathBuf,
        /// A key of the application in a settings file; may be given several times
        #[arg(long, value_name = "KEY")]
        own: Vec<String>,
        /// Only the sessions at this venue, all of them if the file says nothing of venues; as `pinfix run
        /// --venue` has it
        #[arg(long, value_name = "VENUE")]
        venue: Option<String>,
    },
    /// List the keys of settings files, and what becomes of each; or those of TOML files
    Keys {
        /// Only keys with this in their name, of either case
        pattern: Option<String>,
        /// The keys of TOML files, each with an example
        #[arg(long)]
        toml: bool,
    },
}

const CHECK_EXAMPLES: &str = "\
Examples:
  pinfix config check venue.toml
  pinfix config check all.toml --venue t4
  pinfix config check old.cfg > new.toml
  pinfix config check old.cfg --own Account --own Desk";

/// Runs the command.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { file, own, venue } => check(&file, &own, venue.as_deref()),
        Command::Keys { pattern, toml } => {
            let pattern = pattern.unwrap_or_default().to_lowercase();
            let found = if toml {
                keys::list(&pattern)
            } else {
                list(&pattern)
            };
            anyhow::ensure!(
                !found.is_empty(),
                "no key has {pattern:?} in its name; leave it out for all keys"
            );
            print(&found)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A configuration file that was read.
pub struct Loaded {
    pub plan: Plan,
    /// What a TOML file says besides the plan; a settings file says nothing.
    pub file: File,
}

/// Reads a file of either kind. `own` are keys of the application in a settings file.
pub fn load(path: &Path, own: &[String]) -> anyhow::Result<Loaded> {
    load_part(path, own, None)
}

/// The same; if there is a venue, the sessions of the file that are there, or all of them, and puts them
/// there, if the file says nothing of venues.
pub fn load_part(path: &Path, own: &[String], venue: Option<&str>) -> anyhow::Result<Loaded> {
    if let Some(venue) = venue {
        venues::named(venue).map_err(|why| anyhow::anyhow!("--venue: {why}"))?;
    }
    let bytes =
        fs::read(path).with_context(|| format!("cannot read configuration file {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    if is_settings(path, &text) {
        anyhow::ensure!(
            venue.is_none(),
            "--venue: sessions of a settings file are at no venue, expected a TOML file; \
             `pinfix config check {}` prints one",
            path.display()
        );
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        return Ok(Loaded {
            plan: Loader::new().own_keys(&own).load(path)?,
            file: File::default(),
        });
    }
    let name = path.display().to_string();
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Problems(vec![Problem {
            file: Some(name.clone()),
            text: format!("not UTF-8 text: {error}"),
            ..Problem::default()
        }])
    })?;
    let mut file = File::parse(&name, text)?;
    if let Some(venue) = venue {
        file.keep_venue(venue, text)
            .map_err(|why| anyhow::anyhow!("--venue {venue}: {name}: {why}"))?;
    }
    let plan = file.plan(&name, text)?;
    Ok(Loaded { plan, file })
}

fn check(path: &Path, own: &[String], venue: Option<&str>) -> anyhow::Result<ExitCode> {
    let Loaded { plan, file } = load_part(path, own, venue)?;
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    let remarks = file.venue_remarks(&plan);
    let resolved = file.resolved(&plan);
    if resolved.lacks_paths_of_dictionaries() {
        eprintln!(
            "warning: dictionaries that were read from files are printed by name, put the files there"
        );
    }
    let text = toml::to_string(&resolved).context("writing the configuration as TOML")?;
    for remark in remarks {
        eprintln!("{remark}");
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The keys of settings files with this in their name.
fn list(pattern: &str) -> String {
    let mut out = String::new();
    for group in settings_keys::GROUPS {
        let fits = |key: &&Key| names(key).to_lowercase().contains(pattern);
        let found: Vec<_> = group.keys.iter().filter(fits).collect();
        if found.is_empty() {
            continue;
        }
        out.push_str(&format!("{}\n", group.title));
        for key in found {
            let text = match key.stance {
                Stance::Refused(instead) => instead.to_owned(),
                _ => format!(
                    "{} [QuickFIX/J {}, C++ {}]",
                    key.meaning, key.default_java, key.default_cpp
                ),
            };
            out.push_str(&format!(
                "  {:<9} {}: {text}\n",
                key.stance.word(),
                names(key)
            ));
        }
    }
    out
}

/// Writes to standard output, whose reader may have seen enough.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// Every spelling of a key.
fn names(key: &Key) -> String {
    let suffix = match key.family {
        settings_keys::Family::Single => "",
        settings_keys::Family::Numbered => "<n>",
        settings_keys::Family::Versioned => ".<version>",
    };
    let names: Vec<_> = [&key.name]
        .into_iter()
        .chain(key.also)
        .map(|name| format!("{name}{suffix}"))
        .collect();
    names.join(", ")
}

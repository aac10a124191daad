//! `pinfix sbe`: codecs from the schema file of a venue.

mod generate;
mod names;
mod schema;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

/// Simple Binary Encoding: make codecs from a schema file
#[derive(Subcommand)]
pub enum Command {
    /// Write Rust code for the messages of an SBE 1.0 schema
    ///
    /// A directory with one file per message and a mod.rs, to be declared as a module of your crate. It needs the
    /// crate `pinfix` and nothing else.
    Generate {
        /// The XML file that the venue publishes
        schema: PathBuf,
        /// The directory for what is written [default: the package of the schema]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// EncodingType of the framing header, 0xcafe for CME, 0xeb50 for B3
        #[arg(long, value_name = "NUMBER", default_value = "0xcafe", value_parser = encoding_type)]
        encoding_type: u16,
        /// The crate with `wire::sbe` in it
        #[arg(long, value_name = "NAME", default_value = "pinfix", hide = true)]
        library: String,
    },
}

fn encoding_type(text: &str) -> Result<u16, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|_| format!("{text:?} is no number up to 0xffff"))
}

/// Runs it.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Generate {
        schema: path,
        out,
        encoding_type,
        library,
    } = command;
    let schema = schema::load(&path)?;
    let options = generate::Options {
        library,
        encoding_type,
    };
    let files = generate::files(&schema, &options).with_context(|| path.display().to_string())?;
    let out = out.unwrap_or_else(|| PathBuf::from(names::module(&schema.package.replace('.', "_"))));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for (name, text) in &files {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!(
        "{} {} (id {}): {} messages, {} files in {}",
        schema.package,
        schema.version,
        schema.id,
        schema.messages.len(),
        files.len(),
        out.display()
    );
    Ok(ExitCode::SUCCESS)
}

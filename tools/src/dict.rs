//! `pinfix dict`: look into dictionaries, check those of a user, turn them into the project's form.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use pinfix::dict::{Dictionary, FieldSpec, Layout, builtin, text_of_xml};

/// Look into dictionaries: what messages contain, whether a file is sound
///
/// DICTIONARY is the name of a built-in one (FIX.4.0 to FIX.4.4, FIX.5.0, FIX.5.0SP1, FIX.5.0SP2,
/// FIXT.1.1) or a file: the XML form that most engines read, or .dict, the project's own.
#[derive(Subcommand)]
pub enum Command {
    /// Print what a message consists of, or all about a field, or what there is
    ///
    /// `!` marks what is required. Members of groups are indented below their counter.
    Show {
        /// A built-in dictionary or a file
        dictionary: String,
        /// A MsgType, the name of a message or of a field, or a tag; `header`, `trailer`
        what: Option<String>,
    },
    /// Say whether files can be used, and what is in them
    Check {
        /// XML or .dict files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Turn XML files into the project's form, named by their versions
    Compile {
        /// XML files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The directory for what is written
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs one of them on standard output.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match command {
        Command::Show { dictionary, what } => show(&dictionary, what.as_deref(), &mut out),
        Command::Check { files } => check(&files, &mut out),
        Command::Compile {
            files,
            out: directory,
        } => compile(&files, &directory, &mut out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // `| head` has seen enough.
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    }
}

fn show(name: &str, what: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
    let loaded;
    let dictionary = match builtin::named(name) {
        Some(dictionary) => dictionary,
        None if Path::new(name).exists() => {
            loaded = Dictionary::load(Path::new(name))?;
            &loaded
        }
        None => bail!(
            "no dictionary {name:?}: neither a file nor one of {}",
            builtin::NAMES.join(", ")
        ),
    };
    let Some(what) = what else {
        for message in dictionary.messages() {
            writeln!(out, "{:<4} {}", message.msg_type(), message.name())?;
        }
        return Ok(());
    };
    if let Some(message) = dictionary
        .message(what.as_bytes())
        .or_else(|| dictionary.messages().find(|message| message.name() == what))
    {
        writeln!(
            out,
            "{} {} ({})",
            message.msg_type(),
            message.name(),
            dictionary.name()
        )?;
        return Ok(members(message.body(), 1, out)?);
    }
    match what {
        "header" => return Ok(members(dictionary.header(), 1, out)?),
        "trailer" => return Ok(members(dictionary.trailer(), 1, out)?),
        _ => {}
    }
    let by_tag = what.parse().ok().and_then(|tag| dictionary.field(tag));
    match by_tag.or_else(|| dictionary.field_named(what)) {
        Some(field) => about(field, dictionary, out),
        None => bail!(
            "{} has no message and no field {what:?}; `pinfix dict show {name}` lists the messages",
            dictionary.name()
        ),
    }
}

fn members(layout: Layout<'_>, indent: usize, out: &mut impl Write) -> io::Result<()> {
    for member in layout.members() {
        let field = member.field();
        let name = format!(
            "{}{}",
            field.name(),
            if member.is_required() { "!" } else { "" }
        );
        let of_type = match member.group() {
            Some(_) => "group".to_owned(),
            None => field.field_type().to_string(),
        };
        let pad = indent * 2;
        writeln!(out, "{:pad$}{:>5} {name:<32} {of_type}", "", field.tag())?;
        if let Some(entry) = member.group() {
            self::members(entry, indent + 1, out)?;
        }
    }
    Ok(())
}

fn about(field: FieldSpec<'_>, dictionary: &Dictionary, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} {} {}",
        field.tag(),
        field.name(),
        field.field_type()
    )?;
    for (value, label) in field.values() {
        writeln!(out, "  {value:<6} {label}")?;
    }
    if field.values().len() > 0 && !field.is_listed() {
        writeln!(out, "  other values are allowed")?;
    }
    let users: Vec<&str> = dictionary
        .messages()
        .filter(|message| uses(message.body(), field.tag()))
        .map(|message| message.msg_type())
        .collect();
    if !users.is_empty() {
        writeln!(out, "  in {}", users.join(" "))?;
    }
    Ok(())
}

fn uses(layout: Layout<'_>, tag: u32) -> bool {
    layout
        .members()
        .any(|member| member.tag() == tag || member.group().is_some_and(|entry| uses(entry, tag)))
}

fn check(files: &[PathBuf], out: &mut impl Write) -> anyhow::Result<()> {
    let mut bad = 0;
    for file in files {
        match Dictionary::load(file) {
            Ok(dictionary) => writeln!(
                out,
                "{}: {}, {} fields, {} messages, {} KiB in memory",
                file.display(),
                dictionary.name(),
                dictionary.fields().len(),
                dictionary.messages().len(),
                dictionary.memory().div_ceil(1024),
            )?,
            Err(error) => {
                bad += 1;
                writeln!(out, "{error}")?;
            }
        }
    }
    if bad > 0 {
        out.flush()?;
        bail!("{bad} of {} files cannot be used", files.len());
    }
    Ok(())
}

fn compile(files: &[PathBuf], directory: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    for file in files {
        let name = file.display().to_string();
        let xml = fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
        let text = text_of_xml(&name, &xml)?;
        let version = Dictionary::from_text(&name, &text)?.name().to_owned();
        let target = directory.join(format!("{version}.dict"));
        fs::write(&target, &text).with_context(|| format!("{} cannot be written", target.display()))?;
        writeln!(out, "{name} -> {}, {} bytes", target.display(), text.len())?;
    }
    Ok(())
}

//! `pinfix decode`: iLink 3 messages from hexadecimal digits or from a capture, field by field.

mod capture;

use std::io::{self, BufWriter, ErrorKind, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use pinfix::wire::sbe::{Cut, Decoded, Frame, Part, Value, cut, decode, ilink3};

/// Longest message there can be.
const LIMIT: usize = 65_535;

/// Print iLink 3 messages field by field, from hexadecimal digits or a capture
///
/// Fields without a value are left out. In a capture the bytes of each TCP connection are put in order first, so a
/// message may lie across segments. Exit code 1 if something could not be read.
#[derive(Args)]
#[command(after_help = "Examples:
  pinfix decode 1a00feca0e00fa01080009000030fc3229440600010000000100
  pinfix decode < frames.hex
  pinfix decode --pcap orders.pcapng --line")]
pub struct Arguments {
    /// Whole frames in hexadecimal, one or more; spaces do not matter [default: standard input]
    hex: Vec<String>,
    /// Read the TCP payload of a capture file, pcap or pcapng: TCP over IPv4 or IPv6, over Ethernet with or
    /// without VLAN tags, Linux cooked, raw IP or BSD loopback
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    pcap: Option<PathBuf>,
    /// One line per message
    #[arg(long)]
    line: bool,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut printer = Printer {
        out: BufWriter::new(io::stdout().lock()),
        line: arguments.line,
        failures: 0,
    };
    let done = match &arguments.pcap {
        Some(path) => capture::print(path, &mut printer),
        None => hexadecimal(arguments.hex, &mut printer),
    };
    match done.and_then(|()| Ok(printer.out.flush()?)) {
        Ok(()) if printer.failures == 0 => Ok(ExitCode::SUCCESS),
        Ok(()) => Ok(ExitCode::FAILURE),
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

fn hexadecimal<W: Write>(words: Vec<String>, printer: &mut Printer<W>) -> anyhow::Result<()> {
    let text = if words.is_empty() {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        words.concat()
    };
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.is_empty() {
        bail!("no frame given");
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for (nth, pair) in digits.chunks(2).enumerate() {
        let value = match pair {
            [high, low] => high.to_digit(16).zip(low.to_digit(16)),
            _ => bail!("an odd number of hexadecimal digits: {}", digits.len()),
        };
        let Some((high, low)) = value else {
            bail!(
                "byte {nth}: {:?} is not hexadecimal",
                pair.iter().collect::<String>()
            );
        };
        bytes.push((high * 16 + low) as u8);
    }
    let mut rest = &*bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match cut(rest, LIMIT) {
            Cut::Frame { len } => {
                printer.frame("", &rest[..len])?;
                rest = &rest[len..];
            }
            Cut::Incomplete { needed } => {
                bail!(
                    "byte {at}: a message that needs {needed} bytes, of which {} are there",
                    rest.len()
                );
            }
            Cut::Broken(why) => bail!("byte {at}: {why}"),
        }
    }
    Ok(())
}

/// Prints messages.
struct Printer<W> {
    out: W,
    line: bool,
    /// Messages, or stretches of a capture, that could not be read.
    failures: usize,
}

impl<W: Write> Printer<W> {
    /// One message, with `before` in front of it.
    fn frame(&mut self, before: &str, bytes: &[u8]) -> io::Result<()> {
        let decoded = Frame::new(bytes)
            .map_err(Into::into)
            .and_then(|frame| decode(&frame, &ilink3::SCHEMA));
        match decoded {
            Ok(decoded) if self.line => writeln!(self.out, "{before}{decoded}"),
            Ok(decoded) => self.fields(before, &decoded, bytes.len()),
            Err(why) => self.note(before, &why.to_string()),
        }
    }

    /// Something that could not be read.
    fn note(&mut self, before: &str, why: &str) -> io::Result<()> {
        self.failures += 1;
        writeln!(self.out, "{before}! {why}")
    }

    fn fields(&mut self, before: &str, decoded: &Decoded, len: usize) -> io::Result<()> {
        writeln!(
            self.out,
            "{before}{} {} (version {}, {len} bytes)",
            decoded.message.template_id, decoded.message.name, decoded.version
        )?;
        self.parts("  ", &decoded.parts)
    }

    fn parts(&mut self, indent: &str, parts: &[Part]) -> io::Result<()> {
        let width = parts
            .iter()
            .filter(|part| part.value != Value::Null)
            .map(|part| part.name.len())
            .max()
            .unwrap_or(0);
        for Part { name, tag, value } in parts {
            match value {
                Value::Null => {}
                Value::Group(entries) => {
                    writeln!(self.out, "{indent}{tag:>5} {name:width$} {}", entries.len())?;
                    for (nth, entry) in entries.iter().enumerate() {
                        writeln!(self.out, "{indent}      [{nth}]")?;
                        self.parts(&format!("{indent}      "), entry)?;
                    }
                }
                Value::Enum {
                    raw,
                    is_char,
                    label: Some(label),
                } => {
                    let raw = match u8::try_from(*raw) {
                        Ok(byte) if *is_char => byte.escape_ascii().to_string(),
                        _ => raw.to_string(),
                    };
                    writeln!(self.out, "{indent}{tag:>5} {name:width$} {raw} {label}")?;
                }
                value => {
                    let line = format!("{indent}{tag:>5} {name:width$} {value}");
                    writeln!(self.out, "{}", line.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

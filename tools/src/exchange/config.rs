//! The configuration file of the exchange.
//!
//! Errors name the file, the line, the key, the value and what would be right. A key that is not known
//! is an error: a misspelled one would otherwise be a default nobody notices.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use pinfix::session::fix::rules::Rules;
use pinfix::wire::fix::Decimal;
use serde::{Deserialize, Deserializer, de};

use super::{Fills, IdleMode};
use crate::version;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: Option<Address>,
    pub core: Option<usize>,
    pub idle: Option<IdleMode>,
    pub journal: Option<PathBuf>,
    pub status_page: Option<PathBuf>,
    pub fills: Option<Fills>,
    pub market_price: Option<Price>,
    #[serde(default)]
    pub echo: bool,
    #[serde(default)]
    pub session: Vec<Session>,
}

/// One session that is served.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub version: Version,
    pub sender_comp_id: String,
    pub target_comp_id: String,
}

#[derive(Clone, Copy, Debug)]
pub struct Address(pub SocketAddr);

#[derive(Clone, Copy, Debug)]
pub struct Price(pub Decimal);

#[derive(Clone, Copy, Debug)]
pub struct Version(pub &'static Rules);

impl Config {
    /// Reads a file.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read configuration file {}", file.display()))?;
        let config: Self = toml::from_str(&text).map_err(|error| placed(file, &text, &error))?;
        if config.session.is_empty() {
            bail!(
                "{}: no session is listed, expected at least one [[session]]; \
                 leave --config out to serve anybody",
                file.display()
            );
        }
        Ok(config)
    }
}

/// An error with its place in the file, and the line it is about.
fn placed(file: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    // The parser speaks of types, people of numbers.
    let message = error
        .message()
        .trim_end()
        .replace("expected usize", "expected a whole number");
    let Some(span) = error.span() else {
        return anyhow!("{}: {message}", file.display());
    };
    let before = text.get(..span.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    anyhow!("{}, line {number}: {message}\n    {line}", file.display())
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is not an address, expected an IP address and port such as \"127.0.0.1:9878\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        Decimal::parse(text.as_bytes()).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a price, expected digits in quotes such as \"101.25\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        version::parse(&text)
            .map(Self)
            .map_err(|right| de::Error::custom(format!("{text:?} is {right}")))
    }
}

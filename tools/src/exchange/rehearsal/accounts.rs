//! Who may log on to a simulated venue: a file of CompIDs, users and passwords.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use pinfix::wire::fix::{Message, tag};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accounts<A> {
    #[serde(default = "Vec::new")]
    account: Vec<A>,
}

/// A client of the venue. Not to be debugged: it holds secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// SenderCompID(49) of the client.
    pub comp_id: String,
    /// SenderCompID(49) of the venue towards it, where the venue has not the same for everybody.
    pub venue_comp_id: Option<String>,
    /// Username(553); one that is not said may be anything.
    pub username: Option<String>,
    /// Password(554).
    password: String,
    /// SecureData(91); one that is not said may be anything.
    license: Option<String>,
    /// Who may trade on its sessions, at a venue where several traders share one.
    #[serde(default)]
    pub trader: Vec<Trader>,
}

/// A trader of an account. Not to be debugged: it holds a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trader {
    /// Username(553), and SenderSubID(50) of what the trader sends.
    pub username: String,
    /// Password(554).
    password: String,
}

/// What a Logon comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    Welcome,
    /// Welcome, with another password from now on.
    PasswordChanged,
    Wrong,
}

/// What is in a file of accounts. `keys` are those an account cannot do without.
///
/// # Errors
/// Names the file and the line; never shows the line, which may hold a secret.
pub fn read<A: DeserializeOwned>(path: &Path, keys: &str) -> anyhow::Result<Vec<A>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the accounts in {}", path.display()))?;
    let accounts: Accounts<A> = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..start).unwrap_or_default().matches('\n').count();
        // The parser quotes keys it does not know, and no values.
        anyhow::anyhow!("{}:{line}: {}", path.display(), error.message().trim_end())
    })?;
    anyhow::ensure!(
        !accounts.account.is_empty(),
        "{}: no account is listed, expected at least one [[account]] with {keys}",
        path.display()
    );
    Ok(accounts.account)
}

impl Account {
    /// Whether the credentials of a Trader Logon are those of a trader. The license is that of the
    /// account.
    pub fn knows_trader(&self, logon: &Message<'_>) -> bool {
        let is = |tag, wanted: &str| logon.get(tag) == Some(wanted.as_bytes());
        let licensed = |license: &String| is(tag::SECURE_DATA, license);
        self.license.as_ref().is_none_or(licensed)
            && self.trader.iter().any(|trader| {
                is(tag::USERNAME, &trader.username) && is(tag::PASSWORD, &trader.password)
            })
    }

    /// Checks the credentials of a Logon, and takes NewPassword(925).
    pub fn check(&mut self, logon: &Message<'_>) -> Checked {
        let is = |tag, wanted: Option<&String>| {
            wanted.is_none_or(|wanted| logon.get(tag) == Some(wanted.as_bytes()))
        };
        let right = is(tag::USERNAME, self.username.as_ref())
            && is(tag::PASSWORD, Some(&self.password))
            && is(tag::SECURE_DATA, self.license.as_ref());
        if !right {
            return Checked::Wrong;
        }
        match logon.get(tag::NEW_PASSWORD) {
            None => Checked::Welcome,
            Some(new) => {
                self.password = String::from_utf8_lossy(new).into_owned();
                Checked::PasswordChanged
            }
        }
    }
}

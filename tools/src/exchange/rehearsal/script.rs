//! What a simulated venue does wrong, and when: one line, one thing.
//!
//! ```text
//! logon 1 drop                    the first Logon is not answered, the connection closed
//! logon 2 refuse License expired  the second is answered with a Logout that says this
//! order 5 gap 3                   after the fifth order the venue's numbers jump by three
//! order 6 lose 1                  the next message of the venue, the first report of this order, gets
//!                                 a number and is not sent: the client finds a gap, and gets it again
//! order 6 reject 18 No trader     the sixth is answered with a Reject(3) of this reason
//! at 30s logout Maintenance       half a minute after each logon the venue logs the client out
//! default_appl_ver_id 7           the venue's Logon has this DefaultApplVerID(1137)
//! ```
//!
//! Logons and orders are counted from 1 for each session.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pinfix::session::Text;
use pinfix::session::fix::rules::{ALL, Rules};

use crate::config;

/// A script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<(When, Action)>,
    /// The version the venue says it speaks, of those with a DefaultApplVerID(1137).
    pub version: Option<&'static Rules>,
}

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the n-th Logon of a session.
    Logon(u32),
    /// At its n-th order.
    Order(u32),
    /// So long after each logon.
    At(Duration),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A Logon is not answered, and the connection closed.
    Drop,
    /// A Logon is answered with a Logout that says this.
    Refuse(Text),
    /// The client is logged out with this text, and may log on again.
    Logout(Text),
    /// The connection is cut without a Logout.
    Disconnect,
    /// So many numbers are left out; a TestRequest(1) shows it at once.
    Gap(u64),
    /// So many messages of the venue get numbers and are kept, and are not sent.
    Lose(u32),
    /// The connection is cut, and the venue starts at 1 again in both directions.
    Forget,
    /// A Reject(3) with this SessionRejectReason(373) answers an order.
    Reject(u16, Text),
    /// A TestRequest(1).
    TestRequest,
    /// A Logon with ResetSeqNumFlag(141)=Y starts both series anew while the connection stays.
    Reset,
}

impl Script {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, the line, and what would be right.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut script = Self::default();
        each_line(path, |line| script.take(line))?;
        Ok(script)
    }

    fn take(&mut self, line: &str) -> anyhow::Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (value, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        if word == "default_appl_ver_id" {
            let found = ALL
                .into_iter()
                .find(|rules| rules.default_appl_ver_id == Some(value));
            self.version = Some(found.context("expected 7, 8 or 9")?);
            return Ok(());
        }
        let when = match word {
            "logon" => When::Logon(ordinal(value)?),
            "order" => When::Order(ordinal(value)?),
            "at" => When::At(time(value)?),
            _ => bail!("expected logon N, order N, at TIME, or default_appl_ver_id N"),
        };
        let action = action(rest.trim())?;
        let fits = match action {
            Action::Drop | Action::Refuse(_) => matches!(when, When::Logon(_)),
            Action::Reject(..) => matches!(when, When::Order(_)),
            _ => true,
        };
        anyhow::ensure!(
            fits,
            "drop and refuse answer a Logon, reject answers an order"
        );
        self.steps.push((when, action));
        Ok(())
    }

    /// Everything that is to be done at `when`.
    pub fn at(&self, when: When) -> impl Iterator<Item = Action> {
        self.steps
            .iter()
            .filter(move |step| step.0 == when)
            .map(|step| step.1)
    }

    /// What is to be done at some time after each logon.
    pub fn timed(&self) -> impl Iterator<Item = (Duration, Action)> {
        self.steps.iter().filter_map(|step| match step.0 {
            When::At(after) => Some((after, step.1)),
            _ => None,
        })
    }
}

/// Hands over every line of a script, without those that are empty or begin with #.
///
/// # Errors
/// Names the file and the line.
pub fn each_line(path: &Path, mut take: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the script {}", path.display()))?;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        take(line).with_context(|| format!("{}:{}: {line}", path.display(), number + 1))?;
    }
    Ok(())
}

/// The number of something that is counted from 1.
pub fn ordinal(text: &str) -> anyhow::Result<u32> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.context("expected a number from 1")
}

/// How long after a logon.
pub fn time(text: &str) -> anyhow::Result<Duration> {
    config::span(text).context("expected a time such as 30s")
}

/// A text that a venue says.
pub fn said(text: &str) -> anyhow::Result<Text> {
    let text = Text::new(text.trim()).ok();
    text.context("expected a printable text of up to 127 bytes")
}

fn action(text: &str) -> anyhow::Result<Action> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        "drop" => Action::Drop,
        "refuse" => Action::Refuse(said(rest)?),
        "logout" => Action::Logout(said(rest)?),
        "disconnect" => Action::Disconnect,
        "gap" => Action::Gap(rest.trim().parse().context("expected gap N")?),
        "lose" => {
            let count = rest.trim().parse().ok().filter(|count| *count > 0);
            Action::Lose(count.context("expected lose N, a number from 1")?)
        }
        "forget" => Action::Forget,
        "reject" => {
            let (reason, text) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            Action::Reject(
                reason.parse().context("expected reject REASON TEXT")?,
                said(text)?,
            )
        }
        "test_request" => Action::TestRequest,
        "reset" => Action::Reset,
        _ => bail!(
            "{word:?} is nothing that can be done, expected drop, refuse, logout, disconnect, gap, lose, \
             forget, reject, test_request or reset"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Script, String> {
        let mut script = Script::default();
        for line in text.lines() {
            script.take(line).map_err(|error| format!("{error:#}"))?;
        }
        Ok(script)
    }

    #[test]
    fn a_line_says_when_and_what() {
        let script =
            script("logon 1 drop\nlogon 2 refuse License expired\norder 5 gap 3\nat 30s logout Bye")
                .unwrap();
        let said = (Duration::from_secs(30), Action::Logout(Text::lossy(b"Bye")));
        assert_eq!(script.timed().collect::<Vec<_>>(), [said]);
        let refused = Action::Refuse(Text::lossy(b"License expired"));
        assert_eq!(script.at(When::Logon(1)).next(), Some(Action::Drop));
        assert_eq!(script.at(When::Logon(2)).next(), Some(refused));
        assert_eq!(script.at(When::Order(5)).next(), Some(Action::Gap(3)));
        assert_eq!(script.at(When::Order(1)).next(), None);
    }

    #[test]
    fn a_line_that_makes_no_sense_says_what_would() {
        for (line, says) in [
            ("login 1 drop", "logon N"),
            ("logon 0 drop", "from 1"),
            ("logon 1 dorp", "\"dorp\""),
            ("order 1 drop", "answer a Logon"),
            ("logon 1 reject 5 x", "answers an order"),
            ("at never logout", "30s"),
            ("order 1 gap x", "gap N"),
            ("order 1 lose 0", "lose N"),
            ("default_appl_ver_id 3", "7, 8 or 9"),
        ] {
            let error = script(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}

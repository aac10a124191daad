//! What a simulated gateway does wrong, and when: one line, one thing.
//!
//! ```text
//! negotiate reject 12             the first Negotiate gets a NegotiationReject of this code
//! establish silence               the first Establish is not answered
//! retransmit reject 2             nor is the first RetransmitRequest served
//! terminate silence               the first Terminate of the client is not answered
//! message 5 reject 3              the fifth business message gets a BusinessReject of this reason
//! message 6 unconsumed 3          the sixth as well, and its number is not consumed
//! message 7 terminate 9           the seventh ends the session with this code
//! message 8 gap 2                 two messages of the gateway are kept back from the eighth on
//! at 30s logout Maintenance       half a minute after each logon the gateway ends the session
//! message 9 fail_over             the primary gateway fails, and the backup is promoted, if there is one
//! ```
//!
//! Several lines for Negotiate, Establish, RetransmitRequest or Terminate are used in turn. Business
//! messages and logons are counted from 1 for each session.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use pinfix::session::Text;
use pinfix::session::fixp::{Answer, On};

use super::super::rehearsal::script::{each_line, ordinal, said, time};

/// What is said where a message is answered in two ways, or is not there for what is to follow it.
const ONE_THING: &str = "a message that is answered in another way is answered so once, and nothing \
                         else is done at it";

/// A script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    in_turn: Vec<(On, Answer)>,
    messages: Vec<(u32, Answer)>,
    steps: Vec<(When, Action)>,
}

/// When something is done that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the n-th business message of a session.
    Message(u32),
    /// At its n-th logon.
    Logon(u32),
    /// So long after each logon.
    At(Duration),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next so many business messages of the gateway get numbers, and are kept back.
    Gap(u32),
    /// The session is ended with Terminate(507), code 0, and this Reason.
    Logout(Text),
    /// The connection is cut.
    Disconnect,
    /// The primary gateway fails.
    FailOver,
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
        let (word, rest) = split(line);
        let on = match word {
            "negotiate" => Some(On::Negotiate),
            "establish" => Some(On::Establish),
            "retransmit" => Some(On::RetransmitRequest),
            "terminate" => Some(On::Terminate),
            _ => None,
        };
        if let Some(on) = on {
            let answer = answer(rest)?.with_context(|| expected(rest))?;
            let fits = match answer {
                Answer::Unconsumed(_) => false,
                Answer::Reject(_) => on != On::Terminate,
                _ => true,
            };
            ensure!(
                fits,
                "a Terminate is not rejected, and only business messages have a number"
            );
            self.in_turn.push((on, answer));
            return Ok(());
        }
        let (value, rest) = split(rest);
        let when = match word {
            "message" => When::Message(ordinal(value)?),
            "logon" => When::Logon(ordinal(value)?),
            "at" => When::At(time(value)?),
            _ => bail!(
                "expected negotiate, establish, retransmit, terminate, message N, logon N or at TIME"
            ),
        };
        match (when, answer(rest)?) {
            (When::Message(nth), Some(answer)) => {
                ensure!(
                    self.answer(nth).is_none() && self.at(when).next().is_none(),
                    ONE_THING
                );
                self.messages.push((nth, answer));
            }
            (When::Message(nth), None) if self.answer(nth).is_some() => bail!(ONE_THING),
            (_, Some(_)) => {
                bail!("this answers a message, expected gap, logout, disconnect or fail_over")
            }
            (when, None) => self.steps.push((when, action(rest)?)),
        }
        Ok(())
    }

    /// Answers that are laid down from the start.
    pub fn in_turn(&self) -> impl Iterator<Item = (On, Answer)> {
        self.in_turn.iter().copied()
    }

    /// How the n-th business message is answered, if not as is right.
    pub fn answer(&self, message: u32) -> Option<Answer> {
        let of_this = |&&(nth, _): &&(u32, Answer)| nth == message;
        self.messages.iter().find(of_this).map(|step| step.1)
    }

    /// Everything that is to be done at `when`.
    pub fn at(&self, when: When) -> impl Iterator<Item = Action> {
        let now = move |step: &&(When, Action)| step.0 == when;
        self.steps.iter().filter(now).map(|step| step.1)
    }

    /// What is to be done at some time after each logon.
    pub fn timed(&self) -> impl Iterator<Item = (Duration, Action)> {
        self.steps.iter().filter_map(|step| match step.0 {
            When::At(after) => Some((after, step.1)),
            _ => None,
        })
    }
}

/// The first word, and the rest.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

/// An answer to a message; `None` if this is none.
fn answer(text: &str) -> anyhow::Result<Option<Answer>> {
    let (word, value) = split(text);
    let code = || value.parse().context("expected a code from 0 to 65535");
    Ok(Some(match word {
        "reject" => Answer::Reject(code()?),
        "unconsumed" => Answer::Unconsumed(code()?),
        "terminate" => Answer::Terminate(code()?),
        "silence" => Answer::Silence,
        "drop" => Answer::Drop,
        _ => return Ok(None),
    }))
}

fn action(text: &str) -> anyhow::Result<Action> {
    let (word, value) = split(text);
    Ok(match word {
        "gap" => Action::Gap(ordinal(value)?),
        "logout" => Action::Logout(said(value)?),
        "disconnect" => Action::Disconnect,
        "fail_over" => Action::FailOver,
        _ => bail!("{}", expected(text)),
    })
}

fn expected(text: &str) -> String {
    let (word, _) = split(text);
    format!(
        "{word:?} is nothing that can be done, expected reject CODE, unconsumed CODE, terminate CODE, \
         silence, drop, gap N, logout TEXT, disconnect or fail_over"
    )
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
        let script = script(
            "negotiate reject 12\nnegotiate drop\nterminate silence\nmessage 3 unconsumed 7\n\
             message 4 gap 2\nlogon 2 disconnect\nmessage 5 fail_over\nat 30s logout Good bye",
        )
        .unwrap();
        let laid_down: Vec<_> = script.in_turn().collect();
        let expected = [
            (On::Negotiate, Answer::Reject(12)),
            (On::Negotiate, Answer::Drop),
            (On::Terminate, Answer::Silence),
        ];
        assert_eq!(laid_down, expected);
        assert_eq!(script.answer(3), Some(Answer::Unconsumed(7)));
        assert_eq!(script.answer(4), None);
        assert_eq!(script.at(When::Message(4)).next(), Some(Action::Gap(2)));
        assert_eq!(script.at(When::Logon(2)).next(), Some(Action::Disconnect));
        assert_eq!(script.at(When::Message(5)).next(), Some(Action::FailOver));
        let said = Action::Logout(Text::lossy(b"Good bye"));
        let timed: Vec<_> = script.timed().collect();
        assert_eq!(timed, [(Duration::from_secs(30), said)]);
    }

    #[test]
    fn a_line_that_makes_no_sense_says_what_would() {
        for (line, says) in [
            ("login 1 drop", "logon N"),
            ("message 0 drop", "from 1"),
            ("message 1 dorp", "\"dorp\""),
            ("logon 1 reject 5", "answers a message"),
            ("terminate reject 5", "not rejected"),
            ("negotiate unconsumed 5", "only business messages"),
            ("negotiate gap 5", "\"gap\""),
            ("at never logout", "30s"),
            ("message 1 gap x", "from 1"),
            ("message 1 terminate 70000", "65535"),
            ("message 1 drop\nmessage 1 silence", "answered so once"),
            ("message 1 drop\nmessage 1 gap 2", "answered so once"),
            ("message 1 gap 2\nmessage 1 drop", "answered so once"),
        ] {
            let error = script(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}

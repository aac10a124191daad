//! What must have happened.

use super::{Run, shown};
use crate::frame::{self, printed};
use crate::script::{Expectation, Field, What};

impl Run<'_> {
    pub(super) fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Frame(fields) => {
                let Some(frame) = self.peer()?.frames.pop_front() else {
                    return Err("nothing was sent".into());
                };
                let fields = frame::in_the_words_of(self.rules, fields);
                matches(&fields, &frame.fields)
                    .map_err(|why| format!("{why}, got {}", printed(&frame.bytes)))
            }
            Expectation::Frames(count) => {
                let frames = &mut self.peer()?.frames;
                // One more would be a frame that no line expects.
                let got = frames.len();
                let taken = got.min(usize::try_from(*count).unwrap_or(usize::MAX));
                frames.drain(..taken);
                (taken as u64 == *count)
                    .then_some(())
                    .ok_or_else(|| format!("{got} frames were sent"))
            }
            Expectation::SomeFrames => {
                let frames = std::mem::take(&mut self.peer()?.frames);
                (!frames.is_empty())
                    .then_some(())
                    .ok_or("nothing was sent".into())
            }
            Expectation::Silent(span) => {
                let dials = self.wire.dials();
                self.nothing_left()?;
                self.pass(*span)?;
                self.nothing_left()?;
                match self.wire.dials() - dials {
                    0 => Ok(()),
                    more => Err(format!("the engine connected {more} times")),
                }
            }
            Expectation::Ok => self.expect_ok(),
            Expectation::Dialled(address) => match self.wire.dialled() {
                None => Err("the engine does not connect".into()),
                Some(other) if address.is_some_and(|address| address != other) => {
                    Err(format!("the engine connects to {other}"))
                }
                Some(_) => Ok(()),
            },
            Expectation::Open => {
                let end = self.peer()?.end;
                (!self.wire.is_ended(end))
                    .then_some(())
                    .ok_or("the connection is closed".into())
            }
            Expectation::Closed => {
                self.expect_ended()?;
                let end = self.peer()?.end;
                self.wire.close(end);
                self.quiesce()?;
                self.wire
                    .is_gone(end)
                    .then_some(())
                    .ok_or("the engine keeps the connection".into())
            }
            Expectation::Ended => self.expect_ended(),
            Expectation::Gone => {
                let end = self.peer()?.end;
                self.wire
                    .is_gone(end)
                    .then_some(())
                    .ok_or("the engine keeps the connection".into())
            }
            Expectation::Event { words, fields } => self.expect_event(words, fields),
            Expectation::Events(count, words) => {
                for _ in 0..*count {
                    self.expect_event(words, &[])?;
                }
                Ok(())
            }
            Expectation::In(number) => equal("NextNumIn", self.numbers().0, *number),
            Expectation::Out(number) => equal("NextNumOut", self.numbers().1, *number),
            Expectation::Fault(name) => {
                let engine = self.engine.as_ref().ok_or("there is no engine")?;
                let tally = engine.tally(self.session).ok_or("there is no session")?;
                match tally.last_fault {
                    Some(fault) if fault.name() == name => Ok(()),
                    other => Err(format!("the last fault is {other:?}")),
                }
            }
            Expectation::Count(name, number) => {
                let engine = self.engine.as_ref().ok_or("there is no engine")?;
                let tally = engine.tally(self.session).ok_or("there is no session")?;
                let value = match name.as_str() {
                    "garbled" => tally.garbled,
                    "faults" => tally.faults,
                    "resent" => tally.resent,
                    "gap_fills_out" => tally.gap_fills_out,
                    "gap_fills_in" => tally.gap_fills_in,
                    "rejects_in" => tally.rejects_in,
                    "rejects_out" => tally.rejects_out,
                    "parked_dropped" => tally.parked_dropped,
                    "resend_vetoes" => tally.resend_vetoes,
                    "unreadable" => tally.unreadable,
                    "slow_reads" => tally.slow_reads,
                    "old_series_dropped" => tally.old_series_dropped,
                    "resend_requests_out" => tally.resend_requests_out,
                    "test_requests_out" => tally.test_requests_out,
                    _ => return Err(format!("no count {name}")),
                };
                equal(name, value, *number)
            }
        }
    }

    fn expect_ended(&mut self) -> Result<(), String> {
        let peer = self.peer()?;
        if let Some(frame) = peer.frames.front() {
            return Err(format!("sent, but not expected: {}", printed(&frame.bytes)));
        }
        let end = peer.end;
        self.wire
            .is_ended(end)
            .then_some(())
            .ok_or("the connection is open".into())
    }

    /// The session is up: a TestRequest in sequence is answered.
    fn expect_ok(&mut self) -> Result<(), String> {
        self.nothing_left()?;
        self.probes += 1;
        let id = format!("OK-{}", self.probes);
        let is = |tag: &str, value: &str| Field {
            tag: tag.into(),
            what: What::Is(value.into()),
        };
        let expected = self.numbers().0.to_string();
        self.send(&[is("35", "1"), is("34", &expected), is("112", &id)])?;
        self.quiesce()?;
        self.expect(&Expectation::Frame(vec![is("35", "0"), is("112", &id)]))?;
        self.nothing_left()
    }

    pub(super) fn expect_event(&mut self, words: &str, fields: &[Field]) -> Result<(), String> {
        let Some(told) = self.app.told.pop_front() else {
            return Err(format!("expected to be told: {words}; nothing was"));
        };
        if told.words.split_whitespace().ne(words.split_whitespace()) {
            return Err(format!(
                "expected to be told: {words}; told was: {}",
                shown(&told)
            ));
        }
        matches(fields, &told.fields).map_err(|why| format!("{why}, told was: {}", shown(&told)))
    }
}

fn equal(what: &str, got: u64, expected: u64) -> Result<(), String> {
    (got == expected)
        .then_some(())
        .ok_or_else(|| format!("{what} is {got}, not {expected}"))
}

fn matches(expected: &[Field], got: &[(u32, Vec<u8>)]) -> Result<(), String> {
    for field in expected {
        let value = got
            .iter()
            .find(|(tag, _)| tag.to_string() == field.tag)
            .map(|(_, value)| value.as_slice());
        let holds = match (&field.what, value) {
            (What::Is(expected), Some(value)) => expected == value,
            (What::Contains(part), Some(value)) => value
                .windows(part.len().max(1))
                .any(|window| window == part),
            (What::Present, Some(_)) | (What::Absent, None) => true,
            _ => false,
        };
        if !holds {
            return Err(format!("field {} does not match", field.tag));
        }
    }
    Ok(())
}

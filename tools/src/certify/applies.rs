//! Which scenarios can be run against an acceptor of which nothing is known but its address.
//!
//! Decided from the lines of the scenario alone. What the acceptor's application is told, what its
//! operator does and what it counts cannot be seen from outside: a line that only looks is left out,
//! a line that does something makes the scenario not applicable.

use pinfix::session::fix::Role;
use pinfix::session::fix::rules::Rules;
use pinfix::time::Utc;

use super::script::{Action, Expectation, Field, Scenario, Start, Step, What};
use super::{Reset, Terms};

/// Session-level messages.
const SESSION_LEVEL: [&[u8]; 7] = [b"0", b"1", b"2", b"3", b"4", b"5", b"A"];

/// Says why a scenario cannot be run.
///
/// # Errors
/// What it needs that is not there.
pub fn check(scenario: &Scenario, rules: &Rules, terms: &Terms) -> Result<(), String> {
    if !scenario.roles.contains(&Role::Acceptor) {
        return Err("is about an initiator".into());
    }
    if !scenario
        .versions
        .iter()
        .any(|other| other.name == rules.name)
    {
        return Err(format!("does not hold for {}", rules.name));
    }
    for (_, key, value) in &scenario.settings {
        let given = |setting: &String| *setting == format!("{key}={value}");
        if key != "heartbeat" && !terms.settings.iter().any(given) {
            return Err(format!("needs the target's setting {key} {value}"));
        }
    }
    let mut fresh = true;
    for line in &scenario.lines {
        let why = match &line.step {
            Step::Do { action, .. } => action_fits(action, terms, &mut fresh),
            Step::Expect(Expectation::Dialled(_)) => Err("is about an initiator"),
            Step::Expect(_) => Ok(()),
        };
        why.map_err(|why| format!("{why}: {}", line.text))?;
    }
    let looks = |step: &Step| {
        matches!(
            step,
            Step::Expect(
                Expectation::Frame(_)
                    | Expectation::Frames(_)
                    | Expectation::SomeFrames
                    | Expectation::Silent(_)
                    | Expectation::Ok
                    | Expectation::Open
                    | Expectation::Closed
                    | Expectation::Ended
            )
        )
    };
    if scenario.lines.iter().any(|line| looks(&line.step)) {
        Ok(())
    } else {
        Err("expects nothing that can be seen from outside".into())
    }
}

fn action_fits(action: &Action, terms: &Terms, fresh: &mut bool) -> Result<(), &'static str> {
    match action {
        Action::Given {
            start,
            next_in,
            next_out,
        } => {
            let kept = *start == Start::Down && (*next_in, *next_out) != (2, 2);
            if kept {
                *fresh = false;
            }
            if kept && terms.reset == Reset::Target {
                Err("needs numbers that outlive a connection")
            } else if *next_out == 2 {
                Ok(())
            } else {
                Err("the target's application would have to send")
            }
        }
        Action::Connect(None) | Action::RawMany(..) | Action::Number(_) => Ok(()),
        // Its answer could not be told from what is expected.
        Action::Raw(raw) if kinds_in(raw).any(|kind| !SESSION_LEVEL.contains(&kind)) => {
            Err("what the target's application does is not known")
        }
        Action::Raw(_) => Ok(()),
        Action::Logon(_) if terms.reset == Reset::Target => {
            Err("needs numbers that outlive a connection")
        }
        Action::Frame(fields) | Action::Logon(fields) | Action::Repeat { fields, .. } => {
            let kind = value(fields, "35").unwrap_or(b"0");
            let first_logon = kind == b"A" && std::mem::take(fresh);
            let at_one = value(fields, "34").is_none_or(|number| number == b"1");
            let dated = value(fields, "52").is_some_and(|time| Utc::parse_fix(time).is_some());
            if dated {
                Err("has a date of its own")
            } else if first_logon
                && terms.reset == Reset::Logon
                && !(at_one && value(fields, "141").is_none())
            {
                Err("needs numbers at 1 without ResetSeqNumFlag(141)")
            } else if SESSION_LEVEL.contains(&kind) {
                Ok(())
            } else {
                Err("what the target's application does is not known")
            }
        }
        Action::On(_) | Action::Finish | Action::Close | Action::Sever | Action::Wait(_) => Ok(()),
        Action::Send(..) | Action::SendMany(..) => Err("the target's application would have to send"),
        Action::Verdict(_) | Action::Admission(_) => {
            Err("the target's application would have to be told what to say")
        }
        Action::Operator { .. } | Action::Callback(_) => Err("the target's operator would have to act"),
        _ => Err("cannot be done from outside"),
    }
}

/// The MsgTypes(35) in raw bytes.
fn kinds_in(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw.split(|byte| *byte == 1)
        .filter_map(|field| field.strip_prefix(b"35="))
}

/// The value of a field that a line gives.
pub fn value<'a>(fields: &'a [Field], tag: &str) -> Option<&'a [u8]> {
    let field = fields.iter().find(|field| field.tag == tag)?;
    match &field.what {
        What::Is(value) => Some(value),
        _ => None,
    }
}

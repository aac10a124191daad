//! The form of a settings file: sections of `key=value` lines.
//!
//! ```text
//! # a comment has `#` as its first character
//! [DEFAULT]
//! BeginString=FIX.4.4
//! [SESSION]
//! SenderCompID=ME
//! ```
//!
//! Spaces around keys and values do not count, nor does the case of section names. A value goes to
//! the end of its line: a `#` in it is part of it. What keys mean is not known here.

use std::ops::Range;

/// A `key=value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Counted from 1.
    pub line: usize,
    pub key: String,
    /// As written, before anything is put in for `$VAR`.
    pub value: String,
}

/// One `[SESSION]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub line: usize,
    pub entries: Vec<Entry>,
}

/// A file, with what could not be read of it: (line, what is wrong).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Of every `[DEFAULT]` there is.
    pub defaults: Section,
    pub sessions: Vec<Section>,
    pub mistakes: Vec<(usize, String)>,
}

/// Where entries go.
enum Place {
    Nowhere,
    Defaults,
    Session,
    /// Under a header that was told as a mistake.
    Unknown,
}

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut place = Place::Nowhere;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(name) = content.strip_prefix('[') {
            place = parsed.section(line, name);
            continue;
        }
        let Some((key, value)) = content.split_once('=') else {
            let mistake =
                format!("{content:?} is no setting, expected KEY=VALUE, [SECTION] or # comment");
            parsed.mistakes.push((line, mistake));
            continue;
        };
        let entry = Entry {
            line,
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        };
        if entry.key.is_empty() {
            let mistake = "no key stands before the `=`".to_owned();
            parsed.mistakes.push((line, mistake));
            continue;
        }
        match (&place, parsed.sessions.last_mut()) {
            (Place::Session, Some(session)) => session.entries.push(entry),
            (Place::Defaults, _) => parsed.defaults.entries.push(entry),
            (Place::Unknown, _) => {}
            (Place::Nowhere | Place::Session, _) => {
                let mistake = format!("{} stands before any [DEFAULT] or [SESSION]", entry.key);
                parsed.mistakes.push((line, mistake));
            }
        }
    }
    parsed
}

impl Parsed {
    /// Begins the section whose header is `[` and `rest`.
    fn section(&mut self, line: usize, rest: &str) -> Place {
        let name = rest.strip_suffix(']').map(str::trim);
        match name.map(str::to_ascii_uppercase).as_deref() {
            Some("DEFAULT") => {
                self.defaults.line = line;
                Place::Defaults
            }
            Some("SESSION") => {
                self.sessions.push(Section {
                    line,
                    entries: Vec::new(),
                });
                Place::Session
            }
            _ => {
                let mistake = format!("[{rest} is no section, expected [DEFAULT] or [SESSION]");
                self.mistakes.push((line, mistake));
                Place::Unknown
            }
        }
    }
}

/// A value with what it names put in, and what is doubtful about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub value: String,
    /// A backslash the engines disagree about stands before this character.
    pub doubtful: Option<char>,
}

/// Puts in `$VAR`, `${VAR}` and `$(VAR)`, and takes the backslash from `\$`, `\\` and `\#`. Another
/// backslash stays: of the engines that read such files one drops it and one keeps it.
///
/// # Errors
/// What is wrong.
pub(super) fn expand(
    value: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Expanded, String> {
    let mut expanded = Expanded {
        value: String::with_capacity(value.len()),
        doubtful: None,
    };
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '$']) {
        expanded.value.push_str(&rest[..at]);
        let from = &rest[at..];
        let mut following = from[1..].chars();
        if from.starts_with('\\') {
            match following.next() {
                Some(escaped @ ('\\' | '$' | '#')) => expanded.value.push(escaped),
                Some(other) => {
                    expanded.value.push('\\');
                    expanded.value.push(other);
                    expanded.doubtful = Some(other);
                }
                None => expanded.value.push('\\'),
            }
            rest = following.as_str();
        } else {
            let (name, end) = variable(&from[1..])?;
            let name = &from[1..][name];
            let text = environment(name).ok_or_else(|| {
                format!("the environment has no {name}; set it, or write \\$ for a plain dollar sign")
            })?;
            expanded.value.push_str(&text);
            rest = &from[1 + end..];
        }
    }
    expanded.value.push_str(rest);
    Ok(expanded)
}

/// The name at the beginning of what follows a dollar sign, and where the rest begins.
fn variable(text: &str) -> Result<(Range<usize>, usize), String> {
    let closing = match text.chars().next() {
        Some('{') => '}',
        Some('(') => ')',
        _ => {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
            if end == 0 {
                return Err("a dollar sign names nothing; write \\$ for a plain one".to_owned());
            }
            return Ok((0..end, end));
        }
    };
    match text.find(closing) {
        None => Err(format!(
            "a dollar sign and bracket without the closing `{closing}`"
        )),
        Some(1) => Err("a dollar sign with nothing between its brackets".to_owned()),
        Some(end) => Ok((1..end, end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: usize, key: &str, value: &str) -> Entry {
        Entry {
            line,
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn sections_entries_and_comments_are_told_apart_whatever_the_line_ends_are() {
        let text = "\u{feff}# first\r\n[default]\r\n A = 1 # part of it \r\n\r\n[SESSION]\r\n  # two\r\nB=x=y\r\n\
                    [Default]\nC=\n[ session ]\nD=2";
        let parsed = parse(text);
        assert_eq!(parsed.mistakes, []);
        assert_eq!(
            parsed.defaults.entries,
            [entry(3, "A", "1 # part of it"), entry(9, "C", "")]
        );
        let sessions: Vec<_> = parsed
            .sessions
            .iter()
            .map(|s| (s.line, &s.entries[..]))
            .collect();
        assert_eq!(
            sessions,
            [
                (5, &[entry(7, "B", "x=y")][..]),
                (10, &[entry(11, "D", "2")][..])
            ]
        );
    }

    #[test]
    fn every_line_that_cannot_be_read_is_told() {
        let parsed = parse("A=1\n[DEFAULT]\nBeginString\n=2\n[OTHER]\nX=1\n[SESSION\n");
        let lines: Vec<_> = parsed.mistakes.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 4, 5, 7]);
        assert!(parsed.mistakes[0].1.contains("before any [DEFAULT]"));
        assert!(parsed.mistakes[3].1.contains("[OTHER]"));
    }

    #[test]
    fn variables_are_put_in_in_every_spelling() {
        let environment = |name: &str| match name {
            "HOST" => Some("venue".to_owned()),
            "A.B" => Some("dotted".to_owned()),
            _ => None,
        };
        let expand = |value| expand(value, &environment);
        for (value, expected) in [
            ("$HOST", "venue"),
            ("${HOST}:1", "venue:1"),
            ("x$(HOST)y", "xvenuey"),
            ("$HOST/$HOST", "venue/venue"),
            ("${A.B}", "dotted"),
            ("\\$HOST", "$HOST"),
            ("a\\\\b\\#c\\", "a\\b#c\\"),
            ("plain", "plain"),
            ("", ""),
        ] {
            let expanded = expand(value).unwrap();
            assert_eq!(
                (expanded.value.as_str(), expanded.doubtful),
                (expected, None)
            );
        }
        let windows = expand("C:\\store").unwrap();
        assert_eq!(
            (windows.value.as_str(), windows.doubtful),
            ("C:\\store", Some('s'))
        );
        for (value, wrong) in [
            ("$PORT", "no PORT"),
            ("$", "names nothing"),
            ("a$ b", "names nothing"),
            ("${HOST", "closing `}`"),
            ("$(HOST}", "closing `)`"),
            ("${}", "nothing between"),
        ] {
            let error = expand(value).unwrap_err();
            assert!(error.contains(wrong), "{value}: {error}");
        }
    }
}

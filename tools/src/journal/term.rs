//! What `grep` looks for: fields by tag and value.

use std::str::FromStr;

use pinfix::wire::fix::Message;
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::sbe::Decoded;

use super::sbe;

/// A field that a message must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    tag: Tag,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// `TAG=VALUE`: this value, whole.
    Whole(Vec<u8>),
    /// `TAG~PART`: a value with this in it.
    Part(Vec<u8>),
}

impl Term {
    /// Whether the message has such a field; of a field that repeats, any will do.
    pub fn fits(&self, message: &Message<'_>) -> bool {
        let values = message
            .fields()
            .filter(|(tag, _)| *tag == self.tag)
            .map(|(_, value)| value);
        self.fits_any(values)
    }

    /// The same of a message of iLink 3.
    pub fn fits_sbe(&self, message: &Decoded) -> bool {
        let values = sbe::values_of(message, self.tag);
        self.fits_any(values.iter().map(String::as_bytes))
    }

    fn fits_any<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>) -> bool {
        match &self.wanted {
            Wanted::Whole(wanted) => values.any(|value| value == wanted),
            Wanted::Part(part) if part.is_empty() => values.next().is_some(),
            Wanted::Part(part) => values.any(|value| {
                value.len() >= part.len() && value.windows(part.len()).any(|at| at == part)
            }),
        }
    }
}

impl FromStr for Term {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || "expected TAG=VALUE or TAG~PART with a tag number, such as 11=ORDER7 or 58~limit";
        let at = text.find(['=', '~']).ok_or_else(wrong)?;
        let (number, value) = (&text[..at], &text.as_bytes()[at + 1..]);
        let tag = number
            .parse::<Tag>()
            .ok()
            .filter(|&tag| tag > 0 && !number.starts_with('+'))
            .ok_or_else(wrong)?;
        if tag::is_secret(tag) || sbe::is_secret(tag) {
            // Otherwise one could guess a value until it is found.
            return Err(format!(
                "the value of tag {tag} is a secret, nothing looks into it"
            ));
        }
        let wanted = match text.as_bytes()[at] {
            b'=' => Wanted::Whole(value.to_vec()),
            _ => Wanted::Part(value.to_vec()),
        };
        Ok(Self { tag, wanted })
    }
}

#[cfg(test)]
mod tests {
    use pinfix::wire::fix::FieldIndex;

    use super::*;

    fn fits(term: &str, message: &str) -> bool {
        let frame = message.replace('|', "\u{1}").into_bytes();
        let mut index = FieldIndex::default();
        let message = index.read(&frame).expect("sound");
        term.parse::<Term>().expect(term).fits(&message)
    }

    #[test]
    fn a_term_fits_a_whole_value_or_a_part_of_one_of_any_occurrence() {
        let message = "8=FIX.4.4|9=5|35=D|11=ORDER7|58=a=b|453=2|448=X|448=YES|10=000|";
        for term in [
            "11=ORDER7",
            "11~DER",
            "448=YES",
            "448~Y",
            "58=a=b",
            "58~=",
            "11~",
            "35=D",
        ] {
            assert!(fits(term, message), "{term}");
        }
        for term in ["11=ORDER", "11~ORDER78", "448=Y", "1=ORDER7", "112~", "11="] {
            assert!(!fits(term, message), "{term}");
        }
    }

    #[test]
    fn what_is_no_term_and_what_is_secret_is_refused() {
        for text in [
            "",
            "11",
            "=x",
            "x=1",
            "-1=2",
            "0=1",
            "+11=1",
            "99999999999=1",
        ] {
            assert!(text.parse::<Term>().is_err(), "{text}");
        }
        for text in ["554=guess", "96~x", "39005~5a", "39004=KEY1"] {
            let error = text.parse::<Term>().expect_err(text);
            assert!(
                error.contains("secret") && !error.contains("guess"),
                "{error}"
            );
        }
    }
}

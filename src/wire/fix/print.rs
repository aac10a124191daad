//! Showing frames to people without showing their secrets.
//!
//! Works on any bytes, not only on sound frames: what is shown in a warning about a garbled message is
//! exactly what could not be parsed. When in doubt it masks too much.

use std::fmt;
use std::fmt::Write;

use super::scan::SOH;
use super::tag::{self, Tag};
use super::value::parse_uint;

/// Shows bytes as FIX: `|` for SOH, `*` for every byte of a secret value, `\xNN` for what is not
/// printable ASCII.
///
/// Secrets are the values of the tags that [`tag::is_secret`] names. One of the data kind is masked as
/// far as its length says; if the length does not hold, everything behind is masked.
#[derive(Clone, Copy)]
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut before = None;
        let mut hiding = false;
        while !rest.is_empty() {
            let field_end = rest
                .iter()
                .position(|&byte| byte == SOH)
                .unwrap_or(rest.len());
            let field = &rest[..field_end];
            let split = field.iter().position(|&byte| byte == b'=');
            let tag = split.and_then(|at| tag_before(&field[..at]));
            // What follows a secret without being a field may be the rest of it.
            hiding = tag.map_or(hiding, tag::is_secret);
            let value_start = match (tag, split) {
                (Some(_), Some(at)) => at + 1,
                _ => 0,
            };
            let mut end = field_end;
            if let Some(tag) = tag
                && tag::is_secret(tag)
                && tag::is_data(tag)
            {
                end = end_of_secret(rest, value_start, field_end, before, tag);
            }
            show(f, &rest[..value_start])?;
            if hiding {
                rest[value_start..end]
                    .iter()
                    .try_for_each(|_| f.write_char('*'))?;
            } else {
                show(f, &rest[value_start..end])?;
            }
            before = tag.map(|tag| (tag, &rest[value_start..end]));
            rest = &rest[end..];
            if let [SOH, behind @ ..] = rest {
                f.write_char('|')?;
                rest = behind;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a secret that may contain SOH ends: where its length says, if it stands before it and holds;
/// at the next SOH without one; nowhere if there is one that does not hold.
fn end_of_secret(
    rest: &[u8],
    value_start: usize,
    field_end: usize,
    before: Option<(Tag, &[u8])>,
    tag: Tag,
) -> usize {
    let Some((length_tag, length)) = before else {
        return field_end;
    };
    if tag::data_of_length(length_tag) != Some(tag) {
        return field_end;
    }
    parse_uint(length)
        .and_then(|len| value_start.checked_add(usize::try_from(len).ok()?))
        .filter(|&end| rest.get(end) == Some(&SOH))
        .unwrap_or(rest.len())
}

/// The number the text before a `=` ends with, so that neither noise nor a sign nor zeros in front of a
/// tag can unmask its value.
fn tag_before(text: &[u8]) -> Option<Tag> {
    let digits = text
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = parse_uint(&text[text.len() - digits..])?;
    Some(Tag::try_from(number).unwrap_or(tag::INVALID))
}

fn show(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|&byte| match byte {
        b' '..=b'~' => f.write_char(char::from(byte)),
        other => write!(f, "\\x{other:02x}"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let bytes: Vec<u8> = text
            .bytes()
            .map(|byte| if byte == b'|' { SOH } else { byte })
            .collect();
        Printable(&bytes).to_string()
    }

    #[test]
    fn secrets_are_masked_at_their_length_and_nothing_else_is() {
        for (text, expected) in [
            (
                "35=A|553=joe|554=secret|108=30|",
                "35=A|553=joe|554=******|108=30|",
            ),
            ("925=new|554=|10=000|", "925=***|554=|10=000|"),
            ("95=3|96=abc|58=x|", "95=3|96=***|58=x|"),
            ("95=7|96=a|554=c|58=x|", "95=7|96=*******|58=x|"),
            (
                "1401=3|1402=a|b|1403=1|1404=z|58=x|",
                "1401=3|1402=***|1403=1|1404=*|58=x|",
            ),
            ("90=5|91=a=b=c|98=0|", "90=5|91=*****|98=0|"),
            ("91=licence|90=7|98=0|", "91=*******|90=7|98=0|"),
            ("58=554|1554=x|5540=y|", "58=554|1554=x|5540=y|"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn damaged_frames_do_not_unmask() {
        for text in [
            "554=secret",
            "0554=secret|",
            "-554=secret|",
            "garbage 554=secret|",
            "95=99|96=secret|58=secret|",
            "95=x|96=secret|secret|",
            "95=|96=secret|secret",
            "95=3|96=secret|secret|58=secret",
            "95=18446744073709551615|96=secret|secret|",
            "96=ab|secret|10=000|",
            "554=ab|secret",
            "96=secret=secret|",
        ] {
            assert!(
                !shown(text).contains("secret"),
                "{} from {text}",
                shown(text)
            );
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_escaped() {
        assert_eq!(
            Printable(b"58=\xff\n\x00~\x01").to_string(),
            "58=\\xff\\x0a\\x00~|"
        );
        assert_eq!(Printable(b"").to_string(), "");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_shown(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Printable(&bytes).to_string().len() >= bytes.len());
        }

        #[test]
        fn a_secret_never_shows(
            before in "([0-9]{1,3}=[a-y|]{0,8}\\|){0,4}",
            length in 0..30_u8,
            secret in "Z[Z|=0-9]{0,10}",
        ) {
            // Whatever precedes it, and whether or not the length is right, no Z gets out: the secret
            // is the only text with one. A length that is too short but ends on an SOH of the secret
            // is the one thing that cannot be told from a right one.
            let right = secret.len();
            let len = if usize::from(length) < right { right } else { usize::from(length) };
            let text = shown(&format!("{before}|95={len}|96={secret}|10=000|"));
            prop_assert!(!text.contains('Z'), "{}", text);
        }
    }
}

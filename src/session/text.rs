//! Short text that travels without allocation: Text(58) of a Logout, the reason of a command, the
//! cause of an end.

use std::fmt;

/// Up to [`Text::MAX`] bytes of printable text. `Copy`, so that it fits in a command and in a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    len: u8,
    bytes: [u8; Text::MAX],
}

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// Longer than [`Text::MAX`] bytes; holds the length.
    TooLong(usize),
    /// A control character at this byte, such as SOH, which would end the field it is put in.
    Control(usize),
}

impl Text {
    /// The longest text, in bytes.
    pub const MAX: usize = 127;

    /// No text.
    pub const EMPTY: Self = Self {
        len: 0,
        bytes: [0; Self::MAX],
    };

    /// Takes a text as it is.
    ///
    /// # Errors
    /// The text is too long, or holds a control character.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control()) {
            return Err(TextError::Control(at));
        }
        if text.len() > Self::MAX {
            return Err(TextError::TooLong(text.len()));
        }
        Ok(Self::lossy(text.as_bytes()))
    }

    /// Takes what fits of bytes that a peer sent; control characters become `?`.
    #[must_use]
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut text = Self::EMPTY;
        text.push(bytes);
        text
    }

    /// The bytes, as they go into Text(58).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let at = usize::from(self.len);
            if at == Self::MAX {
                return;
            }
            self.bytes[at] = if byte.is_ascii_control() { b'?' } else { byte };
            self.len += 1;
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Text can be built with `write!`; what does not fit is cut.
impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(
                    f,
                    "text of {len} bytes is too long, at most {} are allowed",
                    Text::MAX
                )
            }
            Self::Control(at) => {
                write!(
                    f,
                    "text holds a control character at byte {at}, only printable text is allowed"
                )
            }
        }
    }
}

impl std::error::Error for TextError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_refused_where_we_write_and_replaced_where_a_peer_wrote() {
        assert_eq!(Text::new("a\x01b"), Err(TextError::Control(1)));
        assert_eq!(Text::lossy(b"a\x01b").as_bytes(), b"a?b");
    }

    #[test]
    fn what_does_not_fit_is_refused_or_cut() {
        let long = "x".repeat(200);
        assert_eq!(Text::new(&long), Err(TextError::TooLong(200)));
        assert_eq!(Text::lossy(long.as_bytes()).as_bytes().len(), Text::MAX);
    }
}

//! What a FIXP session proves itself with: an access key and the secret that belongs to it.
//!
//! Invariant: the secret leaves this file only inside a signature. It is shown by no `Debug` print and no
//! error, and its memory is wiped when it goes.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the shortest secret key: what a digest has. Shorter ones are weaker than the signature.
pub const SECRET_MIN: usize = 32;

/// Bytes of the longest secret key: what the digest takes in at once.
pub const SECRET_MAX: usize = 64;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 32;

/// The longest AccessKeyID, in bytes.
pub const ACCESS_KEY_ID_MAX: usize = 20;

/// An access key and its secret.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret: Zeroizing<Vec<u8>>,
}

/// Why credentials were refused. The secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// The AccessKeyID is not 1 to 20 printable ASCII characters; holds its length in bytes. What was given
    /// is not shown: it may be the secret, in the wrong place.
    AccessKeyId(usize),
    /// The secret key is not base64url text; holds its length.
    Encoding(usize),
    /// The secret key does not have 32 to 64 bytes; holds how many it has.
    Length(usize),
}

/// One part of the text that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text as it is, without padding.
    Text(&'a [u8]),
    /// A number in plain decimal.
    Number(u64),
}

impl Credentials {
    /// Takes an access key and its secret as the exchange hands them out: the secret is base64url text,
    /// with or without padding, of 32 bytes as a rule.
    ///
    /// # Errors
    /// What is wrong with them; the secret is not shown.
    pub fn new(access_key_id: &str, secret: &str) -> Result<Self, CredentialsError> {
        let id_fits = (1..=ACCESS_KEY_ID_MAX).contains(&access_key_id.len());
        if !id_fits || !access_key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::AccessKeyId(access_key_id.len()));
        }
        let text = secret.trim_end_matches('=');
        // Room for more than is right, to be able to say how much it was.
        let mut decoded = Zeroizing::new([0; 2 * SECRET_MAX]);
        let bytes = Base64UrlUnpadded::decode(text, &mut *decoded)
            .map_err(|_| CredentialsError::Encoding(secret.len()))?;
        if !(SECRET_MIN..=SECRET_MAX).contains(&bytes.len()) {
            return Err(CredentialsError::Length(bytes.len()));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            secret: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// The public half.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// HMAC-SHA-256 over the parts, joined by one line feed, without one at the end.
    #[must_use]
    pub fn sign(&self, parts: &[Part<'_>]) -> [u8; SIGNATURE_LEN] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether `signature` is that of the parts. Takes as long for a wrong one as for the right one.
    #[must_use]
    pub fn verify(&self, parts: &[Part<'_>], signature: &[u8]) -> bool {
        self.mac(parts).verify_slice(signature).is_ok()
    }

    fn mac(&self, parts: &[Part<'_>]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice())
            .expect("HMAC takes a key of any length");
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                mac.update(b"\n");
            }
            match *part {
                Part::Text(text) => mac.update(text),
                Part::Number(number) => {
                    let mut digits = [0; 20];
                    mac.update(decimal(number, &mut digits));
                }
            }
        }
        mac
    }
}

/// The access key; of the secret only that there is one.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ***)", self.access_key_id)
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKeyId(len) => write!(
                f,
                "the AccessKeyID, {len} characters, is not 1 to {ACCESS_KEY_ID_MAX} printable ones \
                 without a space"
            ),
            Self::Encoding(len) => write!(
                f,
                "the secret key, {len} characters, is not base64url text of {SECRET_MIN} bytes"
            ),
            Self::Length(len) => {
                write!(
                    f,
                    "the secret key has {len} bytes, {SECRET_MIN} to {SECRET_MAX} are expected"
                )
            }
        }
    }
}

impl std::error::Error for CredentialsError {}

/// The digits of a number.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const SECRETS: [&str; 3] = [
        SECRET,
        "-__--__--__--__--__--__--__--__--__--__-Pj8",
        "dGhpcy1pcy1hLXRlc3Qtc2VjcmV0LWtleS0wMTIzNDU2",
    ];

    const PARTS: [&[Part<'_>]; 4] = [
        &[
            Part::Number(1763793600000000123),
            Part::Number(1763793600000000),
            Part::Text(b"ABC"),
            Part::Text(b"007"),
        ],
        &[
            Part::Number(1763793600001000123),
            Part::Number(1763793600000000),
            Part::Text(b"ABC"),
            Part::Text(b"007"),
            Part::Text(b"APP"),
            Part::Text(b"1.0"),
            Part::Text(b"VENDOR"),
            Part::Number(1),
            Part::Number(30000),
        ],
        &[
            Part::Number(1),
            Part::Number(1),
            Part::Text(b"A"),
            Part::Text(b"B"),
        ],
        &[
            Part::Number(9223372036854775807),
            Part::Number(9223372036854775807),
            Part::Text(b"ZZZ"),
            Part::Text(b"99999"),
            Part::Text(b"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"),
            Part::Text(b"1234567890"),
            Part::Text(b"abcdefghij"),
            Part::Number(999999999),
            Part::Number(65534),
        ],
    ];

    /// Known answers, which two independent implementations agree on: secret, parts, signature.
    const KNOWN: [(usize, usize, &str); 12] = [
        (
            0,
            0,
            "2a3bf4fc76d5c1a68e1b64c7529d6f25b608a539ad8197313b1cd684c2879317",
        ),
        (
            0,
            1,
            "305eea758d3e630e163b681cd33365cda2eae7e59de33cfeb8d57af3ecb423e8",
        ),
        (
            0,
            2,
            "ab63e99b5e1f0446b9d1b21951c4600a0cc321fa28b1de40767cbfde2df9494f",
        ),
        (
            0,
            3,
            "04d17f92508a40f642b4beb5a65e1314d80167a8a923dfa6e0fdc82c343c4b0a",
        ),
        (
            1,
            0,
            "02c29247cb3561270198dabeb8106c5e038da69c7b3e82aa6fd1e35c2d221249",
        ),
        (
            1,
            1,
            "85034c8f1c13028612c8e93b0148ea03fc0a75fab206440a41f9bc33bd6af944",
        ),
        (
            1,
            2,
            "6c6a8c180e4aea2ffdd8aec1cca438c332da0266fca91a22820162f8b7515e0d",
        ),
        (
            1,
            3,
            "2c8f556df186c36b17d11cd15b7ce8958104821c126f5bf8862f35ae9e0e33b6",
        ),
        (
            2,
            0,
            "e341d61bd3f8521b286b55e99b7738ea84742ddc43f414333d2b3835f51852c4",
        ),
        (
            2,
            1,
            "cce76ef08772d842ccdc66ed8cf0f2f8f0a9a975cd822001611171ce18b35003",
        ),
        (
            2,
            2,
            "29d31dcdb86789c7c4816742be090975f71b5bb87dbad1845f06ac747cc030a7",
        ),
        (
            2,
            3,
            "fafa9bbc8c4139e88848780cc8f85d3a85297cdc8267e516775c47dbdba15c50",
        ),
    ];

    #[test]
    fn signatures_are_the_known_answers() {
        for (secret, parts, signature) in KNOWN {
            let credentials = Credentials::new("KEY", SECRETS[secret]).unwrap();
            let parts = PARTS[parts];
            let signed = credentials.sign(parts);
            assert_eq!(hex(&signed), signature);
            assert!(credentials.verify(parts, &signed));
            let mut other = signed;
            other[31] ^= 1;
            assert!(!credentials.verify(parts, &other));
            assert!(!credentials.verify(&parts[1..], &signed));
        }
    }

    #[test]
    fn padding_is_taken_and_other_text_is_not() {
        let padded = Credentials::new("KEY", &format!("{SECRET}=")).unwrap();
        assert_eq!(
            padded.sign(&[]),
            Credentials::new("KEY", SECRET).unwrap().sign(&[])
        );
        let standard = "++//".repeat(11);
        assert_eq!(
            Credentials::new("KEY", &standard).unwrap_err(),
            CredentialsError::Encoding(44)
        );
        for (text, len) in [("AAEC", 3), (&"A".repeat(100), 75)] {
            let error = Credentials::new("KEY", text).unwrap_err();
            assert_eq!(error, CredentialsError::Length(len));
        }
        for id in ["", "with space", "123456789012345678901"] {
            assert!(matches!(
                Credentials::new(id, SECRET),
                Err(CredentialsError::AccessKeyId(_))
            ));
        }
    }

    #[test]
    fn the_secret_is_shown_nowhere() {
        let credentials = Credentials::new("KEY", SECRET).unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(KEY, ***)");
        let error = Credentials::new("KEY", "not!base64").unwrap_err();
        assert!(!error.to_string().contains("not!base64"), "{error}");
        assert!(!format!("{error:?}").contains("not!base64"));
        // The two in each other's place.
        let error = Credentials::new(SECRET, "KEY").unwrap_err();
        assert!(!error.to_string().contains(SECRET), "{error}");
        assert!(!format!("{error:?}").contains(SECRET));
    }
}

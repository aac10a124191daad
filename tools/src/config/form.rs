//! How a value is written in a configuration file, and the value it stands for.
//!
//! A [`Form`] goes both ways, so that what a file says and what is printed about it cannot drift
//! apart: what `pinfix config check` prints is a file.

use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use pinfix::engine::{Destination, Subnet};
use pinfix::session::fix::rules::Rules;
use pinfix::wire::fix::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::version;

/// What is written for a value of type `Of`.
pub trait Form: Sized {
    /// What it stands for.
    type Of;
    /// Puts the value where it belongs.
    fn put(&self, into: &mut Self::Of);
    /// What is written for a value; `None` if nothing is.
    fn of(value: &Self::Of) -> Option<Self>;
}

/// A form without parts.
pub trait Leaf: Sized {
    type Value;
    fn value(&self) -> Self::Value;
    fn of_value(value: &Self::Value) -> Self;
}

impl<L: Leaf> Form for L {
    type Of = L::Value;

    fn put(&self, into: &mut Self::Of) {
        *into = self.value();
    }

    fn of(value: &Self::Of) -> Option<Self> {
        Some(Self::of_value(value))
    }
}

/// A table of a file: its keys, the form of each, and the setting each stands for.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident of $target:ty { $($key:ident : $form:ty = $($path:ident).+),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$form>),*
        }

        impl $name {
            /// The keys that are written.
            #[allow(dead_code, reason = "not every table is asked")]
            pub fn written(&self) -> Vec<&'static str> {
                let keys = [$((stringify!($key), self.$key.is_some())),*];
                keys.into_iter().filter(|key| key.1).map(|key| key.0).collect()
            }
        }

        impl $crate::config::form::Form for $name {
            type Of = $target;

            fn put(&self, into: &mut $target) {
                $(if let Some(form) = &self.$key {
                    $crate::config::form::Form::put(form, &mut into.$($path).+);
                })*
            }

            fn of(value: &$target) -> Option<Self> {
                Some(Self {
                    $($key: <$form as $crate::config::form::Form>::of(&value.$($path).+)),*
                })
            }
        }
    };
}
pub(crate) use table;

macro_rules! as_it_is {
    ($($type:ty),*) => {
        $(impl Leaf for $type {
            type Value = $type;

            fn value(&self) -> $type {
                self.clone()
            }

            fn of_value(value: &$type) -> Self {
                value.clone()
            }
        })*
    };
}
as_it_is!(bool, u8, u16, u32, u64, usize, String);

/// Several of a form.
impl<L: Leaf> Leaf for Vec<L> {
    type Value = Vec<L::Value>;

    fn value(&self) -> Self::Value {
        self.iter().map(L::value).collect()
    }

    fn of_value(value: &Self::Value) -> Self {
        value.iter().map(L::of_value).collect()
    }
}

/// A value that may not be there at all: the key is then left out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Maybe<F>(pub F);

impl<F: Leaf> Form for Maybe<F> {
    type Of = Option<F::Value>;

    fn put(&self, into: &mut Self::Of) {
        *into = Some(self.0.value());
    }

    fn of(value: &Self::Of) -> Option<Self> {
        value.as_ref().map(|value| Self(F::of_value(value)))
    }
}

/// A value, or `"off"` for none.
#[derive(Clone, Debug)]
pub struct Off<F>(Option<F>);

impl<F: Leaf> Leaf for Off<F> {
    type Value = Option<F::Value>;

    fn value(&self) -> Self::Value {
        self.0.as_ref().map(F::value)
    }

    fn of_value(value: &Self::Value) -> Self {
        Self(value.as_ref().map(F::of_value))
    }
}

impl<F: Serialize> Serialize for Off<F> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(form) => form.serialize(to),
            None => "off".serialize(to),
        }
    }
}

impl<'de, F: Deserialize<'de>> Deserialize<'de> for Off<F> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(source)?;
        if matches!(value.as_str(), Some("off")) || value.as_bool() == Some(false) {
            return Ok(Self(None));
        }
        let form = F::deserialize(value).map_err(|error| {
            let message = error.to_string();
            de::Error::custom(format!("{}, or \"off\"", message.trim_end()))
        })?;
        Ok(Self(Some(form)))
    }
}

/// A file or directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Place(pub PathBuf);

impl Leaf for Place {
    type Value = PathBuf;

    fn value(&self) -> PathBuf {
        self.0.clone()
    }

    fn of_value(value: &PathBuf) -> Self {
        Self(value.clone())
    }
}

/// A time span: `"500ms"`, `"30s"`, `"1m 30s"`, or whole seconds as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Leaf for Span {
    type Value = Duration;

    fn value(&self) -> Duration {
        self.0
    }

    fn of_value(value: &Duration) -> Self {
        Self(*value)
    }
}

/// The units of spans, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

impl Span {
    pub fn read(text: &str) -> Option<Self> {
        let mut left = text.trim_start();
        let mut nanoseconds = 0_u64;
        while !left.is_empty() {
            let digits = left.find(|c: char| !c.is_ascii_digit())?;
            let (number, rest) = left.split_at(digits);
            let rest = rest.trim_start();
            let end = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let (unit, rest) = rest.split_at(end);
            let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
            let part = number.parse::<u64>().ok()?.checked_mul(*size)?;
            nanoseconds = nanoseconds.checked_add(part)?;
            left = rest.trim_start();
        }
        (!text.trim().is_empty()).then_some(Self(Duration::from_nanos(nanoseconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        let mut between = "";
        for (unit, size) in UNITS {
            let number = left / size;
            left %= size;
            if number > 0 {
                write!(f, "{between}{number}{unit}")?;
                between = " ";
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(source)?;
        let span = match &value {
            toml::Value::Integer(seconds) => u64::try_from(*seconds)
                .ok()
                .map(Duration::from_secs)
                .map(Self),
            toml::Value::String(text) => Self::read(text),
            _ => None,
        };
        span.ok_or_else(|| {
            de::Error::custom(format!(
                "{value} is not a time span, expected whole seconds, or a text such as \"500ms\" or \"1m 30s\""
            ))
        })
    }
}

/// Whether it may be a URL or an address with a user and a password in it.
pub fn may_name_a_user(text: &str) -> bool {
    text.contains('@') || text.contains("://")
}

/// A value that is written as a text.
pub trait Written: Sized {
    /// What would be right.
    const RIGHT: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn shown(&self) -> String;
}

macro_rules! written {
    ($($type:ty: $right:literal),* $(,)?) => {
        $(impl Written for $type {
            const RIGHT: &'static str = $right;

            fn read(text: &str) -> Option<Self> {
                <$type as FromStr>::from_str(text).ok()
            }

            fn shown(&self) -> String {
                self.to_string()
            }
        })*
    };
}
written! {
    SocketAddr: "an address, expected an IP address and port such as \"127.0.0.1:9878\"",
    Destination: "a destination, expected HOST:PORT such as \"fix.example.com:5001\"",
    Subnet: "a network, expected an address or network such as \"10.0.0.0/8\"",
    Decimal: "a price, expected digits in quotes such as \"101.25\"",
}

/// The form of a value that is written as a text.
#[derive(Clone, Copy, Debug)]
pub struct Text<T>(pub T);

impl<T: Written + Clone> Leaf for Text<T> {
    type Value = T;

    fn value(&self) -> T {
        self.0.clone()
    }

    fn of_value(value: &T) -> Self {
        Self(value.clone())
    }
}

impl<T: Written> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.shown())
    }
}

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        T::read(&text).map(Self).ok_or_else(|| {
            de::Error::custom(match may_name_a_user(&text) {
                true => format!(
                    "a text that may hold a password, and is not shown for that, is not {}",
                    T::RIGHT
                ),
                false => format!("{text:?} is not {}", T::RIGHT),
            })
        })
    }
}

/// A FIX version: `"FIX.4.4"`.
#[derive(Clone, Copy, Debug)]
pub struct Version(pub &'static Rules);

impl Leaf for Version {
    type Value = &'static Rules;

    fn value(&self) -> &'static Rules {
        self.0
    }

    fn of_value(value: &&'static Rules) -> Self {
        Self(value)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        version::parse(&text)
            .map(Self)
            .map_err(|right| de::Error::custom(format!("{text:?} is {right}")))
    }
}

/// A value with a name of its own.
pub trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

macro_rules! named {
    ($($type:ty { $($name:literal = $value:expr),* $(,)? })*) => {
        $(impl $crate::config::Named for $type {
            const NAMES: &'static [(&'static str, Self)] = &[$(($name, $value)),*];
        })*
    };
}
pub(crate) use named;

/// The form of a value with a name.
#[derive(Clone, Copy, Debug)]
pub struct Word<T>(pub T);

impl<T: Named> Leaf for Word<T> {
    type Value = T;

    fn value(&self) -> T {
        self.0
    }

    fn of_value(value: &T) -> Self {
        Self(*value)
    }
}

impl<T: Named> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let name = T::NAMES.iter().find(|(_, value)| *value == self.0);
        to.serialize_str(name.map_or("", |(name, _)| name))
    }
}

impl<'de, T: Named> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let found = T::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| Self(*value)).ok_or_else(|| {
            let names: Vec<_> = T::NAMES
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            de::Error::custom(format!(
                "`{text}` is not accepted, expected one of {}",
                names.join(", ")
            ))
        })
    }
}

/// Where a secret comes from.
pub trait Source {
    /// Whether the text of the file names it, and may be shown.
    const IS_NAME: bool;
    /// What the text of the file names, or why it cannot be had.
    fn read(text: &str) -> Result<String, String>;
}

/// The text itself.
#[derive(Clone, Copy, Debug)]
pub struct Plain;
/// A variable of the environment.
#[derive(Clone, Copy, Debug)]
pub struct Environment;
/// The first line of a file.
#[derive(Clone, Copy, Debug)]
pub struct FirstLine;

impl Source for Plain {
    const IS_NAME: bool = false;

    fn read(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }
}

impl Source for Environment {
    const IS_NAME: bool = true;

    fn read(text: &str) -> Result<String, String> {
        std::env::var(text).map_err(|_| format!("the environment has no {text}, or it is not UTF-8"))
    }
}

impl Source for FirstLine {
    const IS_NAME: bool = true;

    fn read(text: &str) -> Result<String, String> {
        let content =
            fs::read_to_string(text).map_err(|error| format!("{text} cannot be read: {error}"))?;
        let line = content.lines().next().unwrap_or_default().to_owned();
        match line.is_empty() {
            true => Err(format!(
                "the first line of {text} is empty, expected the secret there"
            )),
            false => Ok(line),
        }
    }
}

/// A text that is shown nowhere. Where it comes from is printed, once it was found there.
#[derive(Clone)]
pub struct Secret<S> {
    pub text: String,
    shown: String,
    source: PhantomData<S>,
}

impl Secret<Plain> {
    pub fn plain(text: String) -> Self {
        Self {
            text,
            shown: "***".to_owned(),
            source: PhantomData,
        }
    }
}

impl<S> fmt::Debug for Secret<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<S> Serialize for Secret<S> {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        to.serialize_str(&self.shown)
    }
}

impl<'de, S: Source> Deserialize<'de> for Secret<S> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        // What the parser says about a value of another type has the value in it.
        let name = String::deserialize(source).map_err(|_| {
            de::Error::custom("a value that is not shown here must be a text in quotes")
        })?;
        let text = S::read(&name).map_err(de::Error::custom)?;
        Ok(Self {
            text,
            shown: if S::IS_NAME { name } else { "***".to_owned() },
            source: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_shown() {
        for text in ["0s", "1ns", "500ms", "1m 30s", "2d 3h", "1s 1ms 1us"] {
            assert_eq!(
                Span::read(text).map(|span| span.to_string()).as_deref(),
                Some(text)
            );
        }
        for (text, same) in [
            ("90s", "1m 30s"),
            ("1m30s", "1m 30s"),
            (" 5 s ", "5s"),
            ("0ms", "0s"),
        ] {
            assert_eq!(
                Span::read(text).map(|span| span.to_string()).as_deref(),
                Some(same)
            );
        }
        for text in [
            "",
            " ",
            "5",
            "s",
            "5x",
            "1.5s",
            "-1s",
            "99999999999999999999s",
            "999999999d",
        ] {
            assert_eq!(Span::read(text), None, "{text}");
        }
    }
}

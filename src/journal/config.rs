//! Settings of a journal, and what is right for each.
//!
//! Invariant: a configuration that passes [`JournalConfig::validate`] cannot make the journal refuse
//! everything for ever.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::segment::{IDENTITY_BYTES_MAX, OVERHEAD_BYTES, cost};
use super::series::LIST_BYTES_MAX;

/// The least size of a segment.
pub(crate) const SEGMENT_BYTES_MIN: usize = 16 * 1024;
/// The largest size of a segment. An index entry has 32 bits for an offset.
pub(crate) const SEGMENT_BYTES_MAX: usize = 1 << 30;
/// A Logout(5) with a Text(58) and a Heartbeat(0) must fit, with what a record adds.
const CONTROL_RESERVE_BYTES_MIN: usize = 1024;

/// Where a journal lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory of its own, created if it does not exist.
    Directory(PathBuf),
    /// Memory of this process: nothing survives it. For simulations and tests, and for sessions that
    /// must not persist; set a [`Retention`] then, or it grows.
    Memory,
}

/// What a crash may cost. The table is in the module documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives the process being killed at any instruction.
    #[default]
    PageCache,
    /// As `PageCache`, and survives power loss up to this interval, 1 ms or more.
    FlushEvery(Duration),
    /// A frame is shown to the socket once it is on the device.
    FlushEach,
}

/// Which old segments may be deleted. Never the last one, nor one with unsent bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Delete a segment when its last record is older than this, compared with the newest record.
    pub age: Option<Duration>,
    /// Delete the oldest segments while all of them together are larger than this, in bytes.
    pub bytes: Option<u64>,
}

/// Settings of one journal.
///
/// ```
/// use pinfix::journal::{JournalConfig, Location};
///
/// let config = JournalConfig {
///     identity: "FIX.4.4:BUYSIDE->VENUE".to_owned(),
///     location: Location::Memory,
///     ..JournalConfig::default()
/// };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Where it lives. Default: memory.
    pub location: Location,
    /// Whose journal it is, in words; at most 438 bytes. A journal with another identity is refused.
    pub identity: String,
    /// Size of the first segment in bytes; each later one is twice the one before. A multiple of
    /// 4096 from 16 KiB. Default 256 KiB.
    pub first_segment_bytes: usize,
    /// Largest size of a segment in bytes, up to 1 GiB. Default 64 MiB.
    pub max_segment_bytes: usize,
    /// Bytes that may be committed and not yet accepted by the socket. Default 1 MiB.
    pub unsent_limit_bytes: usize,
    /// How many messages may be committed and not yet fully accepted by the socket; session-level ones
    /// may be a few more. Default: as many as fit into the bytes.
    pub unsent_limit_messages: usize,
    /// How many messages may wait in the journal without a number before memory for the list of them is
    /// allocated. Set by the engine. Default 0.
    pub queue_max_messages: usize,
    /// How much of the above, and of the last segment, only session-level messages may use.
    /// Default 8 KiB.
    pub control_reserve_bytes: usize,
    /// Whether inbound messages are recorded. Those a session needs to read back always are.
    /// Default true.
    pub record_inbound: bool,
    /// What a crash may cost. Default [`Durability::PageCache`].
    pub durability: Durability,
    /// Which old segments may be deleted. Default: none.
    pub retention: Retention,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            location: Location::Memory,
            identity: String::new(),
            first_segment_bytes: 256 * 1024,
            max_segment_bytes: 64 * 1024 * 1024,
            unsent_limit_bytes: 1024 * 1024,
            unsent_limit_messages: usize::MAX,
            queue_max_messages: 0,
            control_reserve_bytes: 8 * 1024,
            record_inbound: true,
            durability: Durability::PageCache,
            retention: Retention::default(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the setting.
    pub key: &'static str,
    /// The value given.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "journal setting {} = {}: expected {}",
            self.key, self.value, self.expected
        )
    }
}

impl std::error::Error for ConfigError {}

impl JournalConfig {
    /// Bytes of the longest frame that a journal with several series beside each other can keep.
    pub(crate) fn longest_frame(&self) -> usize {
        let list = cost(LIST_BYTES_MAX);
        let around = OVERHEAD_BYTES + self.control_reserve_bytes + list + cost(8);
        self.max_segment_bytes.saturating_sub(around)
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that cannot be used, with what would be accepted.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.identity.len() > IDENTITY_BYTES_MAX {
            return refuse(
                "identity",
                &self.identity,
                format!("at most {IDENTITY_BYTES_MAX} bytes"),
            );
        }
        let first = self.first_segment_bytes;
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&first) || !first.is_multiple_of(4096) {
            let expected =
                format!("a multiple of 4096 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
            return refuse("first_segment_bytes", first, expected);
        }
        let max = self.max_segment_bytes;
        if !(first..=SEGMENT_BYTES_MAX).contains(&max) || !max.is_multiple_of(4096) {
            let expected =
                format!("a multiple of 4096 from first_segment_bytes ({first}) to {SEGMENT_BYTES_MAX}");
            return refuse("max_segment_bytes", max, expected);
        }
        let reserve = self.control_reserve_bytes;
        if !(CONTROL_RESERVE_BYTES_MIN..=first / 2).contains(&reserve) {
            let expected = format!(
                "from {CONTROL_RESERVE_BYTES_MIN} to half of first_segment_bytes ({})",
                first / 2
            );
            return refuse("control_reserve_bytes", reserve, expected);
        }
        if self.unsent_limit_bytes < 2 * reserve {
            let expected = format!("at least twice control_reserve_bytes ({})", 2 * reserve);
            return refuse("unsent_limit_bytes", self.unsent_limit_bytes, expected);
        }
        if self.unsent_limit_messages == 0 {
            return refuse("unsent_limit_messages", 0, "at least 1".to_owned());
        }
        match self.durability {
            Durability::FlushEvery(every) if every < Duration::from_millis(1) => refuse(
                "flush_every",
                format!("{every:?}"),
                "1 ms or more".to_owned(),
            ),
            Durability::PageCache | Durability::FlushEvery(_) | Durability::FlushEach => Ok(()),
        }
    }
}

fn refuse(key: &'static str, value: impl fmt::Display, expected: String) -> Result<(), ConfigError> {
    Err(ConfigError {
        key,
        value: value.to_string(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(JournalConfig::default().validate(), Ok(()));
    }

    #[test]
    fn each_setting_is_checked_and_the_error_names_it() {
        type Break = fn(&mut JournalConfig);
        let rows: [(&str, Break); 9] = [
            ("identity", |c| c.identity = "x".repeat(439)),
            ("first_segment_bytes", |c| c.first_segment_bytes = 8192),
            ("first_segment_bytes", |c| c.first_segment_bytes += 1),
            ("max_segment_bytes", |c| c.max_segment_bytes = 128 * 1024),
            ("max_segment_bytes", |c| c.max_segment_bytes = 1 << 31),
            ("control_reserve_bytes", |c| {
                c.control_reserve_bytes = 200 * 1024
            }),
            ("unsent_limit_bytes", |c| c.unsent_limit_bytes = 8 * 1024),
            ("unsent_limit_messages", |c| c.unsent_limit_messages = 0),
            ("flush_every", |c| {
                c.durability = Durability::FlushEvery(Duration::ZERO)
            }),
        ];
        for (key, spoil) in rows {
            let mut config = JournalConfig::default();
            spoil(&mut config);
            let error = config.validate().unwrap_err();
            assert_eq!(error.key, key);
            assert!(
                error.to_string().contains(key) && error.to_string().contains("expected"),
                "{error}"
            );
        }
    }
}

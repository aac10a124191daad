//! Who stands at the door: sources of connections that have not logged on, and how often they tried.
//!
//! Invariant: its memory does not grow, whoever connects and however often.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::config::{Accept, AnySessionConfig, ConfigError, Listen, Strangers, Template};
use super::session::Protocol;
use crate::session::fixp::Lane;
use crate::time::Mono;

/// Within this time Logons of a source are counted together.
const MINUTE: Duration = Duration::from_secs(60);

/// Sources are remembered in so many groups, each of [`WAYS`].
const GROUPS: usize = 128;
const WAYS: usize = 8;

/// A port that is listened on.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    pub(super) lane: Lane,
    /// Shared with the thread that makes sessions by them.
    pub(super) templates: Arc<[Template]>,
}

impl Door {
    pub(super) fn new(listen: Listen, bound: SocketAddr) -> Self {
        Self {
            port: bound.port(),
            protocol: listen.protocol,
            lane: listen.lane,
            templates: listen.templates.into(),
        }
    }
}

/// What is spoken on each port, for whoever makes a session on whatever thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Arc<RwLock<Vec<(u16, Protocol, Lane)>>>);

impl Ports {
    pub(super) fn open(&self, port: u16, protocol: Protocol, lane: Lane) {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ports.push((port, protocol, lane));
    }

    /// A session that is bound to a port where another protocol is spoken, or which is for the other
    /// connections of sessions, could never be reached.
    pub(super) fn check(&self, config: &AnySessionConfig) -> Result<(), ConfigError> {
        let (accept, protocol, backup) = match config {
            AnySessionConfig::Fix(config) => (&config.accept, Protocol::Fix, None),
            AnySessionConfig::Fixp(config) => {
                (&config.accept, Protocol::Fixp, config.accept_backup_port)
            }
        };
        let right = match protocol {
            Protocol::Fix => "a port where FIX is spoken: see Listen::protocol",
            Protocol::Fixp => "a port where FIXP is spoken, for primaries: see Listen::fixp",
        };
        let wrong = |key, port: u16, right| ConfigError::Session {
            session: config.id().to_string(),
            key,
            value: port.to_string(),
            right,
        };
        match (accept.port, backup) {
            (Some(port), _) if !self.is_for(port, protocol, Lane::Primary) => {
                Err(wrong("accept.port", port, right))
            }
            (_, Some(port)) if !self.is_for(port, protocol, Lane::Backup) => {
                let right = "a port where FIXP is spoken, for backups: see Listen::backup";
                Err(wrong("accept_backup_port", port, right))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing else is to be had on this port, as far as it is open.
    fn is_for(&self, port: u16, protocol: Protocol, lane: Lane) -> bool {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut here = ports.iter().filter(|(there, _, _)| *there == port);
        here.all(|(_, spoken, whose)| (*spoken, *whose) == (protocol, lane))
    }
}

/// Whether a session may be reached on this port.
pub(super) fn opens(accept: &Accept, port: u16) -> bool {
    accept.port.is_none_or(|only| only == port)
}

/// Whether its peer may come from this address.
pub(super) fn lets_in(accept: &Accept, source: IpAddr) -> bool {
    accept.allow.is_empty() || accept.allow.iter().any(|subnet| subnet.contains(source))
}

/// How many Logons have come from where.
#[derive(Debug)]
pub(super) struct Attempts {
    sources: Box<[Source]>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: IpAddr,
    /// The first Logon of its minute.
    since: Mono,
    /// 0 marks a free entry.
    count: u32,
}

impl Attempts {
    /// Memory for as many sources as are remembered, or none if nothing is counted.
    pub(super) fn new(strangers: &Strangers) -> Self {
        let free = Source {
            address: IpAddr::from([0; 4]),
            since: Mono(0),
            count: 0,
        };
        let len = match strangers.logons_per_source_and_minute {
            Some(_) => GROUPS * WAYS,
            None => 0,
        };
        Self {
            sources: vec![free; len].into_boxed_slice(),
        }
    }

    /// Counts a Logon from `source`. Answers whether that is within the limit.
    pub(super) fn count(&mut self, source: IpAddr, now: Mono, strangers: &Strangers) -> bool {
        let Some(most) = strangers.logons_per_source_and_minute else {
            return true;
        };
        let source = source.to_canonical();
        let group = match source {
            IpAddr::V4(v4) => crc32c::crc32c(&v4.octets()),
            IpAddr::V6(v6) => crc32c::crc32c(&v6.octets()),
        };
        let first = group as usize % GROUPS * WAYS;
        let group = &mut self.sources[first..first + WAYS];
        let known = group
            .iter()
            .position(|entry| entry.count > 0 && entry.address == source);
        // Of strangers in one group, the one that began longest ago is forgotten.
        let oldest = || {
            let age = |at: &usize| (group[*at].count > 0, group[*at].since);
            (0..WAYS).min_by_key(age).unwrap_or_default()
        };
        let at = known.unwrap_or_else(oldest);
        let entry = &mut group[at];
        if known.is_none() || now >= entry.since + MINUTE {
            *entry = Source {
                address: source,
                since: now,
                count: 0,
            };
        }
        entry.count = entry.count.saturating_add(1);
        entry.count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(most: u32) -> Strangers {
        Strangers {
            logons_per_source_and_minute: Some(most),
            ..Strangers::default()
        }
    }

    #[test]
    fn logons_are_counted_by_source_and_minute() {
        let strangers = limit(2);
        let mut attempts = Attempts::new(&strangers);
        let mut count = |host: u8, second: u64| {
            let source = IpAddr::from([10, 0, 0, host]);
            attempts.count(source, Mono(second * 1_000_000_000), &strangers)
        };
        assert!(count(1, 100) && count(1, 159));
        assert!(!count(1, 159));
        assert!(count(2, 159), "another source is another matter");
        assert!(count(1, 160), "a minute later it may again");
    }

    #[test]
    fn a_flood_of_sources_takes_no_memory_and_forgets_the_oldest() {
        let strangers = limit(1);
        let mut attempts = Attempts::new(&strangers);
        for second in 0..100_000_u32 {
            let source = IpAddr::from(second.to_be_bytes());
            let now = Mono(u64::from(second) * 1000);
            assert!(attempts.count(source, now, &strangers));
        }
        assert_eq!(attempts.sources.len(), GROUPS * WAYS);
        let last = IpAddr::from(99_999_u32.to_be_bytes());
        assert!(!attempts.count(last, Mono(100_000_000), &strangers));
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let strangers = Strangers::default();
        let mut attempts = Attempts::new(&strangers);
        assert!((0..100).all(|_| attempts.count(IpAddr::from([1; 4]), Mono(0), &strangers)));
        assert!(attempts.sources.is_empty());
    }
}

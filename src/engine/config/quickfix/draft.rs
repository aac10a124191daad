//! A session while its keys are read: what takes several keys to decide waits here for the last.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::dictionaries::{DictionariesDraft, Library};
use super::hours::HoursDraft;
use super::keys::Given;
use super::proxy::ProxyDraft;
use super::tls::TlsDraft;
use crate::engine::config::{Destination, Failover, Listen, Need, Planned, SessionConfig, Start};
use crate::engine::proxy::ProxyHeader;
use crate::session::fix::policy::Garbled;
use crate::session::fix::rules::Rules;
use crate::session::fix::{AtEnd, AtLogon, LogonField, Role, Settings};
use crate::time::TimestampPrecision;

/// A session that is not whole yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub config: SessionConfig,
    pub precision: Option<TimestampPrecision>,
    pub hours: HoursDraft,
    pub dictionaries: DictionariesDraft,
    pub reset_on_logout: bool,
    pub reset_on_disconnect: bool,
    pub check_latency: bool,
    pub max_latency: Duration,
    /// By number, 0 for the one without.
    pub logon_tags: BTreeMap<u32, LogonField>,
    /// Where to connect to, by number, 0 for the one without.
    pub places: BTreeMap<u32, Place>,
    pub first_host: FirstHost,
    pub start_over: Duration,
    pub accept_address: Option<IpAddr>,
    pub accept_port: Option<u16>,
    pub reuse_address: bool,
    pub tls: TlsDraft,
    pub proxy: ProxyDraft,
    /// Connections to the port begin with a header.
    pub behind_proxy: bool,
    pub kind: Kind,
    /// The versions of a template.
    pub rules: Vec<&'static Rules>,
    /// The directory below which its journal is kept.
    pub journals: Option<PathBuf>,
    pub start: Start,
    pub need: Need,
    pub label: Option<String>,
    /// About keys, with their lines.
    pub warnings: Vec<Remark>,
}

/// What is said about a key.
#[derive(Debug)]
pub(super) struct Remark {
    pub line: usize,
    pub key: String,
    pub text: String,
}

/// One of the places an initiator may connect to.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub source_host: Option<IpAddr>,
    pub source_port: Option<u16>,
}

/// What is special about the first of several hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FirstHost {
    #[default]
    Nothing,
    /// It is gone back to.
    Preferred,
}

/// What a section describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Session,
    /// Sessions that are made when a Logon for them comes.
    Template,
}

/// A session that is whole.
pub(super) struct Finished {
    pub planned: Planned<SessionConfig>,
    /// Where an acceptor listens.
    pub listen: Option<Listen>,
    pub kind: Kind,
    /// The versions of a template.
    pub rules: Vec<&'static Rules>,
    /// The directory below which the journals of a template are kept.
    pub journals: Option<PathBuf>,
}

impl Draft {
    /// With what the engines of the family take where nothing is said.
    pub fn new(settings: Settings) -> Self {
        let mut config = SessionConfig::new(settings);
        config.connect.reconnect = vec![Duration::from_secs(30)];
        config.connect.timeout = Duration::from_secs(60);
        config.connect.policy = Failover::RoundRobin;
        Self {
            config,
            precision: None,
            hours: HoursDraft::default(),
            dictionaries: DictionariesDraft::default(),
            reset_on_logout: false,
            reset_on_disconnect: false,
            check_latency: true,
            max_latency: Duration::from_secs(120),
            logon_tags: BTreeMap::new(),
            places: BTreeMap::new(),
            first_host: FirstHost::default(),
            start_over: Duration::from_secs(120),
            accept_address: None,
            accept_port: None,
            reuse_address: true,
            tls: TlsDraft::default(),
            proxy: ProxyDraft::default(),
            behind_proxy: false,
            kind: Kind::default(),
            rules: Vec::new(),
            journals: None,
            start: Start::default(),
            need: Need::default(),
            label: None,
            warnings: Vec::new(),
        }
    }

    /// Where to connect to, of this number.
    pub fn place(&mut self, number: u32) -> &mut Place {
        self.places.entry(number).or_default()
    }

    /// Says something about a key.
    pub fn warn(&mut self, given: &Given<'_>, text: &str) {
        self.warnings.push(Remark {
            line: given.line,
            key: given.key.to_owned(),
            text: text.to_owned(),
        });
    }

    /// Puts together what takes several keys. What cannot be is told as (key, what would be right).
    pub fn finish(mut self, library: &mut Library, wrong: &mut dyn FnMut(&str, String)) -> Finished {
        let settings = &mut self.config.settings;
        settings.validation.dictionaries = self.dictionaries.finish(settings.rules, library, wrong);
        if let Some(precision) = self.precision {
            settings.precision = precision;
        }
        settings.at_end = match (self.reset_on_disconnect, self.reset_on_logout) {
            (true, _) => AtEnd::RestartAlways,
            (false, true) => AtEnd::RestartAfterLogout,
            (false, false) => AtEnd::Continue,
        };
        if settings.role == Role::Initiator
            && settings.rules.reset_seq_num_flag
            && settings.at_end != AtEnd::Continue
            && settings.at_logon == AtLogon::Continue
        {
            // The engines these keys are from ask the peer to begin at 1 with them.
            settings.at_logon = AtLogon::AskResetAtOne;
        }
        settings.checks.sending_time_window = self.check_latency.then_some(self.max_latency);
        if let Some(missing) = gap(self.logon_tags.keys()) {
            wrong(&format!("LogonTag{missing}"), MISSING_NUMBER.to_owned());
        }
        if self.kind == Kind::Template {
            let id = &settings.id;
            let parts = [
                ("SenderSubID", &id.sender_sub_id),
                ("SenderLocationID", &id.sender_location_id),
                ("TargetSubID", &id.target_sub_id),
                ("TargetLocationID", &id.target_location_id),
            ];
            for (key, part) in parts {
                if part.as_ref().is_some_and(|part| part != "*") {
                    wrong(
                        key,
                        "is given: a template knows its peers by their CompIDs".to_owned(),
                    );
                }
            }
        }
        settings.logon_fields = self.logon_tags.into_values().collect();
        self.config.schedule = self.hours.finish(wrong);
        if settings.checks.garbled == Garbled::Reject && !settings.checks.checksum {
            let text = "is Y although CheckSum(10) is not looked at, so that nothing would be garbled";
            wrong("RejectGarbledMessage", text.to_owned());
        }
        let mut listen = None;
        match settings.role {
            Role::Initiator => {
                self.config.connect.destinations = destinations(&self.places, wrong);
                self.config.connect.source = source(&self.places, wrong);
                self.config.connect.tls = self.tls.client(wrong);
                self.config.connect.proxy = self.proxy.finish(wrong);
                if self.first_host == FirstHost::Preferred {
                    self.config.connect.policy = Failover::Priority {
                        start_over: self.start_over,
                    };
                }
            }
            Role::Acceptor => match self.accept_port {
                None => wrong(
                    "SocketAcceptPort",
                    "is missing: the port an acceptor listens on".to_owned(),
                ),
                Some(port) => {
                    let address = self.accept_address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
                    self.config.accept.port = Some(port);
                    listen = Some(Listen {
                        reuse_address: self.reuse_address,
                        tls: self.tls.server(wrong),
                        proxy_header: self.behind_proxy.then(ProxyHeader::default),
                        ..Listen::on(SocketAddr::new(address, port))
                    });
                }
            },
        }
        if let (Some(base), Kind::Session) = (&self.journals, self.kind) {
            self.config = self.config.journal_below(base);
        }
        Finished {
            planned: Planned {
                config: self.config,
                start: self.start,
                need: self.need,
                label: self.label,
                own: Vec::new(),
            },
            listen,
            kind: self.kind,
            rules: self.rules,
            journals: self.journals,
        }
    }
}

const MISSING_NUMBER: &str = "is missing: numbers follow each other, one above is given";

/// The first number that is missing below the highest. The first one may have no number, which is 0.
fn gap<'a>(numbers: impl Iterator<Item = &'a u32>) -> Option<u32> {
    let mut next = 0;
    for &number in numbers {
        if number > next.max(1) {
            return Some(next.max(1));
        }
        next = number + 1;
    }
    None
}

fn destinations(
    places: &BTreeMap<u32, Place>,
    wrong: &mut dyn FnMut(&str, String),
) -> Vec<Destination> {
    if let Some(missing) = gap(places.keys()) {
        wrong(
            &format!("SocketConnectHost{missing}"),
            MISSING_NUMBER.to_owned(),
        );
    }
    if !places
        .values()
        .any(|place| place.host.is_some() || place.port.is_some())
    {
        wrong(
            "SocketConnectHost",
            "is missing: the host an initiator connects to".to_owned(),
        );
        wrong(
            "SocketConnectPort",
            "is missing: the port an initiator connects to".to_owned(),
        );
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, place) in places {
        let suffix = match number {
            0 => String::new(),
            number => number.to_string(),
        };
        match (&place.host, place.port) {
            (Some(host), Some(port)) => match destination(host, port) {
                Some(destination) => found.push(destination),
                None => wrong(&format!("SocketConnectHost{suffix}"), no_host(host)),
            },
            (None, _) => wrong(
                &format!("SocketConnectHost{suffix}"),
                "is missing: another key of this number is given".to_owned(),
            ),
            (_, None) => wrong(
                &format!("SocketConnectPort{suffix}"),
                format!("is missing: SocketConnectHost{suffix} is given"),
            ),
        }
    }
    found
}

/// A place of a host and a port; `None` if it is no host.
pub(super) fn destination(host: &str, port: u16) -> Option<Destination> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(Destination::Address(SocketAddr::new(address, port))),
        Err(_) => format!("{host}:{port}").parse().ok(),
    }
}

/// What to say of a host that is none.
pub(super) fn no_host(host: &str) -> String {
    match host.contains(['@', '/']) {
        // It may be a URL with a password in it.
        true => "a URL, or a host with a user, is neither an address nor a host name, expected the host only"
            .to_owned(),
        false => format!("{host:?} is neither an address nor a host name"),
    }
}

/// Where to connect from: one place, whatever the destination.
fn source(places: &BTreeMap<u32, Place>, wrong: &mut dyn FnMut(&str, String)) -> Option<SocketAddr> {
    let mut sources = places
        .values()
        .filter(|place| place.source_host.is_some() || place.source_port.is_some())
        .map(|place| {
            let host = place.source_host.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
            SocketAddr::new(host, place.source_port.unwrap_or(0))
        });
    let first = sources.next()?;
    if let Some(other) = sources.find(|other| *other != first) {
        let text = format!("{other} differs from {first}: a session connects from one place");
        wrong("SocketLocalHost", text);
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_from_none_or_one() {
        for (numbers, missing) in [
            (&[][..], None),
            (&[0], None),
            (&[1], None),
            (&[0, 1, 2], None),
            (&[1, 2], None),
            (&[2], Some(1)),
            (&[0, 2], Some(1)),
            (&[0, 1, 3], Some(2)),
        ] {
            assert_eq!(gap(numbers.iter()), missing, "{numbers:?}");
        }
    }
}

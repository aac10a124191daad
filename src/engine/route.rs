//! Where an initiator connects next, and when.
//!
//! Invariant: no more attempts are made without a pause than there are destinations; for each of them, as
//! many as their proxy has addresses.
//!
//! Knows addresses and waiting times; nothing of sockets and sessions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::SessionHandle;
use super::config::{Connect, Destination, Failover};
use super::proxy::{Proxy, Target, Through};
use crate::session::{ConnectError, ProxyFault};
use crate::time::Mono;

/// A connection that the peer ended within this time after the logon is no reason to come back sooner.
const STEADY: Duration = Duration::from_secs(10);

/// How many addresses of one name are kept.
pub(super) const ADDRESSES_MAX: usize = 8;

/// How an initiator connects, and how far it has come with that.
#[derive(Debug)]
pub(super) struct Route {
    destinations: Vec<Destination>,
    /// What the names among them were found to be, and after them that of the proxy.
    found: Vec<Found>,
    /// Those names, to be asked for.
    names: Vec<Option<Arc<str>>>,
    proxy: Option<Proxy>,
    policy: Failover,
    source: Option<SocketAddr>,
    timeout: Duration,
    reconnect: Vec<Duration>,
    jitter_percent: u8,
    /// The destination of this attempt, or of the next.
    at: usize,
    /// Destinations that failed in a row, 0 after the last of them.
    failed: usize,
    /// Addresses of the proxy that could not be reached in a row, for this destination.
    unreachable: usize,
    /// How far the list of waiting times has been used.
    pauses: usize,
    /// When the first destination was tried last.
    first_tried: Option<Mono>,
    /// What jitter comes from.
    seed: u64,
    /// Not before this time another route is left for this one.
    opens: Mono,
    /// Whose route it was made as; names are asked for in this name.
    maker: SessionHandle,
}

/// The addresses of a name, each tried in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    addresses: [Option<IpAddr>; ADDRESSES_MAX],
    next: usize,
}

impl Found {
    /// The first of these addresses.
    pub(super) fn of(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut found = Self::default();
        for (room, address) in found.addresses.iter_mut().zip(addresses) {
            *room = Some(address);
        }
        found
    }

    /// Those that SOCKS 4 can be given: nothing else looks up here what is behind a proxy.
    fn only_v4(self) -> Self {
        let addresses = self.addresses.into_iter().flatten();
        Self::of(addresses.filter(IpAddr::is_ipv4))
    }

    fn len(&self) -> usize {
        self.addresses.iter().flatten().count()
    }

    fn current(&self) -> Option<IpAddr> {
        self.addresses[self.next]
    }

    fn advance(&mut self) {
        self.next = (self.next + 1) % self.len().max(1);
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// No connection came about.
    NotConnected,
    /// The proxy could not be reached: that says nothing about the destination.
    NoProxy,
    /// The proxy has something against who we are, whatever the destination.
    NotLetThrough,
    /// A connection, but no logon.
    NotLoggedOn,
    /// The same, because the peer is the designated backup and not the primary.
    NotDesignated,
    /// A connection that logged on, this long ago, and was ended by the peer or over its fault.
    ThrownOut(Duration),
    /// A connection that logged on, and came to any other end.
    LoggedOn,
}

impl End {
    /// How an attempt ended that led to no connection.
    pub(super) fn not_connected(why: ConnectError) -> Self {
        match why {
            ConnectError::Proxy(ProxyFault::Unreachable(_)) => Self::NoProxy,
            ConnectError::Proxy(fault) if fault.is_about_the_user() => Self::NotLetThrough,
            _ => Self::NotConnected,
        }
    }
}

impl Route {
    /// `found` is what [`look_up`](super::resolver::look_up) found. `name` is what tells this route's jitter
    /// from that of others.
    pub(super) fn new(
        connect: Connect,
        mut found: Vec<Found>,
        name: &str,
        maker: SessionHandle,
    ) -> Self {
        if connect.proxy.is_some() {
            let targets = found.iter_mut().take(connect.destinations.len());
            targets.for_each(|found| *found = found.only_v4());
        }
        let names = connect.places().map(|place| match place {
            Some(Destination::Name { host, .. }) => Some(Arc::from(host.as_str())),
            _ => None,
        });
        Self {
            names: names.collect(),
            found,
            destinations: connect.destinations,
            proxy: connect.proxy,
            policy: connect.policy,
            source: connect.source,
            timeout: connect.timeout,
            reconnect: connect.reconnect,
            jitter_percent: connect.jitter_percent,
            at: 0,
            failed: 0,
            unreachable: 0,
            pauses: 0,
            first_tried: None,
            seed: crc32c::crc32c(name.as_bytes()).into(),
            opens: Mono(0),
            maker,
        }
    }

    /// Whose route it was made as.
    pub(super) fn maker(&self) -> SessionHandle {
        self.maker
    }

    /// Every destination has been tried since the last pause.
    pub(super) fn is_round_over(&self) -> bool {
        self.failed == 0
    }

    /// Its peers are not to be asked again before this time.
    pub(super) fn shut(&mut self, until: Mono) {
        self.opens = until;
    }

    /// From when on another route may be left for this one.
    pub(super) fn opens(&self) -> Mono {
        self.opens
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, now: Mono) {
        if let Failover::Priority { start_over } = self.policy
            && self.failed == 0
            && self
                .first_tried
                .is_none_or(|tried| now >= tried + start_over)
        {
            self.at = 0;
        }
        if self.at == 0 {
            self.first_tried = Some(now);
        }
    }

    /// Where to connect to, and to where from there if it is a proxy.
    ///
    /// # Errors
    /// The name of one of them has no address, or none that is known yet.
    #[expect(clippy::result_large_err)] // it has the words of a proxy, and nothing allocates after the start
    pub(super) fn dial(&self) -> Result<(SocketAddr, Option<Through<'_>>), ConnectError> {
        let Some(proxy) = &self.proxy else {
            let address = self.address().ok_or(io::ErrorKind::NotFound)?;
            return Ok((address, None));
        };
        let unknown = ProxyFault::Unreachable(io::ErrorKind::NotFound);
        let address = self.address().ok_or(unknown)?;
        let target = match &self.destinations[self.at] {
            Destination::Address(address) => Target::Address(*address),
            Destination::Name { host, port } if proxy.resolves() => Target::Name(host, *port),
            Destination::Name { port, .. } => {
                let found = self.found[self.at].current().ok_or(ProxyFault::NoAddress)?;
                Target::Address(SocketAddr::new(found, *port))
            }
        };
        Ok((address, Some(Through { proxy, target })))
    }

    /// The proxy every attempt goes through.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// The destination of the last attempt, as it was configured.
    pub(super) fn destination(&self) -> &Destination {
        &self.destinations[self.at]
    }

    /// The address of the last attempt, that of the proxy if there is one, if that is known.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let (place, number) = match &self.proxy {
            Some(proxy) => (&proxy.address, self.destinations.len()),
            None => (&self.destinations[self.at], self.at),
        };
        match place {
            Destination::Address(address) => Some(*address),
            Destination::Name { port, .. } => {
                let address = self.found[number].current()?;
                Some(SocketAddr::new(address, *port))
            }
        }
    }

    pub(super) fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// An attempt, or the connection it led to, has ended. Answers how long to wait before the next.
    pub(super) fn ended(&mut self, end: End) -> Duration {
        if end != End::NoProxy {
            self.unreachable = 0;
        }
        match end {
            End::NoProxy if self.proxy_has_another_address() => return Duration::ZERO,
            End::NotConnected | End::NoProxy => {
                self.advance();
                if self.failed > 0 {
                    return Duration::ZERO;
                }
                if end == End::NotConnected && self.proxy.is_some() {
                    // One that takes connections and lets none through may be the fault of all.
                    self.found[self.destinations.len()].advance();
                }
            }
            // By another way or to another destination it is the same, and each attempt may count against us.
            End::NotLetThrough => {}
            // It is there: asked again too soon, it may shut us out for longer.
            End::NotLoggedOn | End::NotDesignated => self.advance(),
            End::ThrownOut(after) if after < STEADY => self.stay_or_rotate(),
            End::ThrownOut(_) | End::LoggedOn => {
                self.pauses = 0;
                self.stay_or_rotate();
            }
        }
        self.pause()
    }

    /// What a name was found to be, by a look-up that was asked for when it failed.
    pub(super) fn resolved(&mut self, destination: usize, found: Found) {
        let target = destination < self.destinations.len();
        let found = match &self.proxy {
            Some(_) if target => found.only_v4(),
            _ => found,
        };
        if let Some(known) = self.found.get_mut(destination)
            && known.addresses != found.addresses
        {
            *known = found;
        }
    }

    /// The name that an attempt which came to this end went to, to be looked up again, and its number.
    pub(super) fn name(&self, end: End) -> Option<(u32, &Arc<str>)> {
        let of_proxy = self.destinations.len();
        let number = match end {
            End::NoProxy | End::NotLetThrough => of_proxy,
            // What the proxy looks up is not ours to ask for.
            _ if self.names[self.at].is_none() => of_proxy,
            _ => self.at,
        };
        let name = self.names.get(number)?.as_ref()?;
        Some((u32::try_from(number).unwrap_or(u32::MAX), name))
    }

    pub(super) fn has_names(&self) -> bool {
        self.names.iter().any(Option::is_some)
    }

    /// Goes on to the next address of the proxy, if not all of them have been tried in a row for this
    /// destination.
    fn proxy_has_another_address(&mut self) -> bool {
        let found = &mut self.found[self.destinations.len()];
        found.advance();
        self.unreachable += 1;
        if self.unreachable < found.len() {
            return true;
        }
        self.unreachable = 0;
        false
    }

    fn stay_or_rotate(&mut self) {
        self.failed = 0;
        if self.policy == Failover::RoundRobin {
            self.at = (self.at + 1) % self.destinations.len();
        }
    }

    fn advance(&mut self) {
        self.found[self.at].advance();
        self.at = (self.at + 1) % self.destinations.len();
        self.failed = (self.failed + 1) % self.destinations.len();
    }

    /// The next waiting time of the list.
    fn pause(&mut self) -> Duration {
        let last = self.reconnect.len() - 1;
        let pause = self.reconnect[self.pauses.min(last)];
        self.pauses = self.pauses.saturating_add(1);
        if self.jitter_percent == 0 {
            return pause;
        }
        let share = self.random() % (u64::from(self.jitter_percent) * 1000 + 1);
        pause + pause.mul_f64(share as f64 / 100_000.0)
    }

    /// SplitMix64: repeats with the name of the session.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::proxy::ProxyProtocol;

    const S: Duration = Duration::from_secs(1);

    const MAKER: SessionHandle = SessionHandle {
        number: 0,
        generation: 0,
    };

    fn route(destinations: u8, policy: Failover) -> Route {
        let connect = Connect {
            destinations: (0..destinations)
                .map(|n| SocketAddr::from(([10, 0, 0, n], 1)).into())
                .collect(),
            policy,
            reconnect: vec![S, 2 * S, 5 * S],
            ..Connect::default()
        };
        let found = vec![Found::default(); destinations.into()];
        Route::new(connect, found, "FIX.4.4:ME->YOU", MAKER)
    }

    /// The destination of an attempt that begins at `second`, by number.
    fn tried(route: &mut Route, second: u64) -> u8 {
        route.begin(Mono(second * 1_000_000_000));
        match route.address().unwrap().ip() {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(_) => unreachable!("no such destination"),
        }
    }

    fn behind(protocol: ProxyProtocol, to: &[&str]) -> Route {
        let proxy = "proxy:3128".parse::<Destination>().unwrap();
        let connect = Connect {
            destinations: to.iter().map(|place| place.parse().unwrap()).collect(),
            reconnect: vec![S],
            proxy: Some(Proxy::new(protocol, proxy)),
            ..Connect::default()
        };
        let none = vec![Found::default(); connect.places().count()];
        Route::new(connect, none, "FIX.4.4:ME->YOU", MAKER)
    }

    fn addresses(addresses: &[&str]) -> Found {
        Found::of(addresses.iter().map(|address| address.parse().unwrap()))
    }

    #[test]
    fn a_proxy_that_looks_names_up_is_given_them_and_its_own_is_looked_up() {
        let mut route = behind(ProxyProtocol::Socks5, &["venue:5001", "10.0.0.9:5002"]);
        route.begin(Mono(0));
        let unknown = ProxyFault::Unreachable(io::ErrorKind::NotFound);
        assert_eq!(route.dial().err(), Some(unknown.into()));
        let (number, name) = route.name(End::NoProxy).unwrap();
        assert_eq!((number, &**name), (2, "proxy"));
        assert_eq!(route.name(End::NotConnected), route.name(End::NoProxy));
        route.resolved(2, addresses(&["::7", "10.0.0.7"]));
        let (address, through) = route.dial().unwrap();
        assert_eq!(address.to_string(), "[::7]:3128");
        assert_eq!(through.unwrap().target, Target::Name("venue", 5001));
        assert_eq!(route.ended(End::NotConnected), Duration::ZERO);
        let (_, through) = route.dial().unwrap();
        let target = Target::Address("10.0.0.9:5002".parse().unwrap());
        assert_eq!(through.unwrap().target, target);
    }

    #[test]
    fn every_destination_is_tried_by_every_way_there_is() {
        let ways = |ends: &[End]| {
            let mut route = behind(ProxyProtocol::Socks5, &["10.0.0.1:1", "10.0.0.2:1"]);
            route.resolved(2, addresses(&["::a", "::b"]));
            let tried = ends.iter().map(|end| {
                let (by, through) = route.dial().unwrap();
                let Target::Address(to) = through.unwrap().target else {
                    unreachable!("they are addresses");
                };
                let pause = if route.ended(*end).is_zero() { "" } else { "." };
                format!("{to} {by}{pause}")
                    .replace(":3128", "")
                    .replace(":1", "")
            });
            tried.collect::<Vec<_>>().join(", ")
        };
        use End::{NoProxy, NotConnected};
        // One way is down, and one destination is.
        assert_eq!(
            ways(&[NoProxy, NotConnected, NotConnected, NotConnected]),
            "10.0.0.1 [::a], 10.0.0.1 [::b], 10.0.0.2 [::b]., 10.0.0.1 [::a]"
        );
        // All of them are.
        assert_eq!(
            ways(&[NoProxy; 5]),
            "10.0.0.1 [::a], 10.0.0.1 [::b], 10.0.0.2 [::a], 10.0.0.2 [::b]., 10.0.0.1 [::a]"
        );
        // The first takes connections and lets none through.
        assert_eq!(
            ways(&[NotConnected; 3]),
            "10.0.0.1 [::a], 10.0.0.2 [::a]., 10.0.0.1 [::b]"
        );
    }

    #[test]
    fn a_proxy_that_does_not_take_us_is_not_asked_again_without_a_pause() {
        let mut route = behind(ProxyProtocol::Socks5, &["one:1", "two:1", "three:1"]);
        route.reconnect = vec![S, 2 * S];
        route.resolved(3, addresses(&["10.0.0.1", "10.0.0.2"]));
        for pause in [S, 2 * S, 2 * S] {
            let (by, through) = route.dial().unwrap();
            assert_eq!(by.to_string(), "10.0.0.1:3128");
            assert_eq!(through.unwrap().target, Target::Name("one", 1));
            assert_eq!(route.ended(End::NotLetThrough), pause);
        }
    }

    #[test]
    fn a_proxy_that_looks_nothing_up_is_given_addresses_it_can_take() {
        let mut route = behind(ProxyProtocol::Socks4, &["venue:5001"]);
        route.resolved(1, addresses(&["10.0.0.7"]));
        assert_eq!(route.dial().err(), Some(ProxyFault::NoAddress.into()));
        let (number, name) = route.name(End::NotConnected).unwrap();
        assert_eq!((number, &**name), (0, "venue"));
        route.resolved(0, addresses(&["::9"]));
        assert_eq!(route.dial().err(), Some(ProxyFault::NoAddress.into()));
        route.resolved(0, addresses(&["::9", "10.0.0.9"]));
        let (_, through) = route.dial().unwrap();
        let target = Target::Address("10.0.0.9:5001".parse().unwrap());
        assert_eq!(through.unwrap().target, target);
    }

    #[test]
    fn every_destination_is_tried_once_before_a_pause() {
        let mut route = route(3, Failover::RememberLastGood);
        for pause in [S, 2 * S, 5 * S, 5 * S] {
            for (destination, wait) in [(0, Duration::ZERO), (1, Duration::ZERO), (2, pause)] {
                assert_eq!(tried(&mut route, 0), destination);
                assert_eq!(route.ended(End::NotConnected), wait);
            }
        }
    }

    #[test]
    fn a_refused_logon_waits_and_goes_to_the_next() {
        let mut route = route(2, Failover::RememberLastGood);
        for (destination, pause) in [(0, S), (1, 2 * S), (0, 5 * S), (1, 5 * S)] {
            assert_eq!(tried(&mut route, 0), destination);
            assert_eq!(route.ended(End::NotLoggedOn), pause);
        }
    }

    #[test]
    fn the_last_good_one_is_remembered() {
        let mut route = route(3, Failover::RememberLastGood);
        assert_eq!(tried(&mut route, 0), 0);
        let _ = route.ended(End::NotConnected);
        for _ in 0..3 {
            assert_eq!(tried(&mut route, 0), 1);
            assert_eq!(route.ended(End::LoggedOn), S);
        }
    }

    #[test]
    fn round_robin_goes_on_after_a_good_one() {
        let mut route = route(3, Failover::RoundRobin);
        for destination in [0, 1, 2, 0] {
            assert_eq!(tried(&mut route, 0), destination);
            assert_eq!(route.ended(End::LoggedOn), S);
        }
    }

    #[test]
    fn priority_goes_back_to_the_first_when_the_interval_has_passed() {
        let mut route = route(3, Failover::Priority { start_over: 60 * S });
        assert_eq!(tried(&mut route, 100), 0);
        let _ = route.ended(End::NotConnected);
        assert_eq!(tried(&mut route, 100), 1);
        let _ = route.ended(End::LoggedOn);
        assert_eq!(tried(&mut route, 159), 1);
        let _ = route.ended(End::LoggedOn);
        assert_eq!(tried(&mut route, 160), 0);
    }

    #[test]
    fn priority_with_a_short_interval_still_gets_to_the_last() {
        let mut route = route(3, Failover::Priority { start_over: S });
        for destination in [0, 1, 2, 0, 1, 2] {
            assert_eq!(tried(&mut route, 100), destination);
            let _ = route.ended(End::NotConnected);
        }
    }

    #[test]
    fn priority_goes_on_to_the_next_when_the_first_refuses_the_logon() {
        let mut route = route(2, Failover::Priority { start_over: S });
        for (second, destination) in [(100, 0), (200, 1), (300, 0)] {
            assert_eq!(tried(&mut route, second), destination);
            let _ = route.ended(End::NotLoggedOn);
        }
    }

    #[test]
    fn a_peer_that_throws_out_at_once_does_not_start_the_list_anew() {
        let mut route = route(1, Failover::default());
        for pause in [S, 2 * S, 5 * S] {
            assert_eq!(route.ended(End::ThrownOut(S)), pause);
        }
        assert_eq!(route.ended(End::ThrownOut(10 * S)), S);
        assert_eq!(route.ended(End::NotLoggedOn), 2 * S);
        assert_eq!(route.ended(End::LoggedOn), S);
    }

    #[test]
    fn jitter_adds_up_to_its_share_and_repeats_with_the_name() {
        let pauses = |percent, name: &str| {
            let mut route = route(1, Failover::default());
            route.jitter_percent = percent;
            route.seed = crc32c::crc32c(name.as_bytes()).into();
            let pauses: Vec<_> = (0..50).map(|_| route.ended(End::LoggedOn)).collect();
            pauses
        };
        assert!(pauses(0, "a").iter().all(|pause| *pause == S));
        let some = pauses(20, "a");
        assert!(
            some.iter()
                .all(|pause| (S..=S.mul_f64(1.2)).contains(pause))
        );
        assert!(some.iter().any(|pause| *pause > S.mul_f64(1.1)));
        assert_eq!(some, pauses(20, "a"));
        assert_ne!(some, pauses(20, "b"));
    }

    #[test]
    fn the_addresses_of_a_name_take_turns() {
        let place = Destination::Name {
            host: "fix.example.com".into(),
            port: 7,
        };
        let connect = Connect {
            destinations: vec![place],
            ..Connect::default()
        };
        let one = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let mut route = Route::new(connect, vec![Found::default()], "x", MAKER);
        route.begin(Mono(0));
        assert_eq!(route.address(), None);
        let _ = route.ended(End::NotConnected);
        route.resolved(0, Found::of(one));
        for last in [1, 2, 1] {
            let address = SocketAddr::from(([10, 0, 0, last], 7));
            route.begin(Mono(0));
            assert_eq!(route.address(), Some(address));
            let _ = route.ended(End::NotConnected);
            // The same answer again does not start anew.
            route.resolved(0, Found::of(one));
        }
    }
}

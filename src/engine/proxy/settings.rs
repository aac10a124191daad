//! What a user decides about proxies.

use std::fmt;
use std::net::IpAddr;

use crate::engine::config::{Destination, Subnet};

/// The most bytes of a user or a password: what SOCKS 5 has room for (RFC 1929 section 2).
const USER_MAX: usize = 255;

/// A proxy that an initiator connects through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where the proxy is. A name is looked up as [`Destination::Name`] says.
    pub address: Destination,
    /// What it speaks.
    pub protocol: ProxyProtocol,
    /// Who we are to it; `None` says nothing.
    pub user: Option<ProxyUser>,
}

impl Proxy {
    /// A proxy that wants to know nothing of its clients.
    #[must_use]
    pub fn new(protocol: ProxyProtocol, address: impl Into<Destination>) -> Self {
        Self {
            address: address.into(),
            protocol,
            user: None,
        }
    }

    /// Says who we are.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some(ProxyUser {
            name: name.to_owned(),
            password: password.to_owned(),
        });
        self
    }

    /// Whether the proxy looks up the names of destinations, so that they need not be known here.
    #[must_use]
    pub fn resolves(&self) -> bool {
        self.protocol != ProxyProtocol::Socks4
    }

    /// Names the setting that cannot be accepted, its value and what would be right.
    pub(in crate::engine) fn check(
        &self,
        destinations: &[Destination],
    ) -> Result<(), (&'static str, String, &'static str)> {
        if let Destination::Name { host, port } = &self.address
            && (host.is_empty() || host.len() > 255 || *port == 0)
        {
            let right = "a host name of 1 to 255 bytes and a port of 1 to 65535";
            return Err(("connect.proxy.address", self.address.to_string(), right));
        }
        if let Destination::Name { host, .. } = &self.address
            && host.contains(['@', '/'])
        {
            // It may be a URL with a password in it.
            let right = "a host name only: protocol, user and password are settings of their own";
            return Err(("connect.proxy.address", "***".to_owned(), right));
        }
        let socks4 = matches!(
            self.protocol,
            ProxyProtocol::Socks4 | ProxyProtocol::Socks4a
        );
        let is_v6 = |place: &&Destination| matches!(place, Destination::Address(at) if at.is_ipv6());
        if let (true, Some(place)) = (socks4, destinations.iter().find(is_v6)) {
            let right = "IPv4 addresses or names with SOCKS 4 and 4a; SOCKS 5 takes IPv6 addresses too";
            return Err(("connect.destinations", place.to_string(), right));
        }
        let Some(user) = &self.user else {
            return Ok(());
        };
        let length = 1..=USER_MAX;
        let name = user.name.as_bytes();
        let http = matches!(self.protocol, ProxyProtocol::Http10 | ProxyProtocol::Http11);
        let readable = |text: &[u8]| !text.iter().any(u8::is_ascii_control);
        if !length.contains(&name.len()) || !readable(name) || (http && name.contains(&b':')) {
            let right = "1 to 255 bytes without control characters, for HTTP also without a colon";
            // What follows a colon is the password of somebody who gave both at once.
            let shown = match user.name.split_once(':') {
                Some((name, _)) => format!("{name}:***"),
                None => user.name.clone(),
            };
            return Err(("connect.proxy.user", shown, right));
        }
        // Never the value.
        let wrong = |right| Err(("connect.proxy.password", "***".to_owned(), right));
        let password = user.password.as_bytes();
        if socks4 && !password.is_empty() {
            return wrong("none: SOCKS 4 has a user only, SOCKS 5 has passwords");
        }
        if password.len() > USER_MAX || !readable(password) {
            return wrong("up to 255 bytes without control characters");
        }
        if self.protocol == ProxyProtocol::Socks5 && password.is_empty() {
            return wrong("1 to 255 bytes: SOCKS 5 has no user without a password");
        }
        Ok(())
    }
}

/// `HTTP/1.1 proxy proxy.example.com:3128`
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} proxy {}", self.protocol, self.address)
    }
}

/// What a proxy speaks.
///
/// With all but SOCKS 4 the proxy is given the names of destinations as they are, and looks them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// CONNECT of HTTP/1.0, with Basic authentication if there is a user.
    Http10,
    /// CONNECT of HTTP/1.1 (RFC 9110 section 9.3.6), with Basic authentication (RFC 7617) if there is a
    /// user.
    Http11,
    /// SOCKS 4: an IPv4 address, which this side finds for a name. A user has no password.
    Socks4,
    /// SOCKS 4a: the same with names.
    Socks4a,
    /// SOCKS 5 (RFC 1928), with user and password (RFC 1929) if there is a user.
    Socks5,
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Socks4 => "SOCKS 4",
            Self::Socks4a => "SOCKS 4a",
            Self::Socks5 => "SOCKS 5",
        })
    }
}

/// Who we are to a proxy. HTTP and SOCKS carry it in plain text: whoever sees the bytes on the way to the
/// proxy knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUser {
    /// The name.
    pub name: String,
    /// The password; empty for SOCKS 4, which has none.
    pub password: String,
}

/// The name; of the password nothing.
impl fmt::Debug for ProxyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUser({}, ***)", self.name)
    }
}

/// A port whose connections come through a proxy or load balancer that says who the client is: each begins
/// with a header of the PROXY protocol, version 1 or 2, as HAProxy defines it and many others send it.
///
/// The address in the header is then that of the peer: for [`Accept::allow`](crate::engine::Accept::allow),
/// for the limits of [`Strangers`](crate::engine::Strangers), in events. A header that says that the proxy
/// speaks for itself (LOCAL), or that it does not know the client (UNKNOWN, UNSPEC), leaves the address of
/// the socket. A connection without a header, or with a wrong one, is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The networks headers may come from; a connection from elsewhere is closed. Empty for any: then
    /// whoever can reach the port can claim to be anybody, so keep it from everybody but the proxy.
    pub from: Vec<Subnet>,
}

impl ProxyHeader {
    /// Whether a connection from this address may say who its client is.
    pub(in crate::engine) fn trusts(&self, source: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(proxy: &Proxy, to: &str) -> String {
        let (key, value, right) = proxy.check(&[to.parse().unwrap()]).unwrap_err();
        format!("{key}: {value}: {right}")
    }

    fn proxy(protocol: ProxyProtocol) -> Proxy {
        Proxy::new(protocol, "proxy:3128".parse::<Destination>().unwrap())
    }

    #[test]
    fn what_a_protocol_cannot_say_is_refused_and_a_password_shown_nowhere() {
        let to = "venue:1";
        let http = proxy(ProxyProtocol::Http11);
        let socks4 = proxy(ProxyProtocol::Socks4a);
        let socks5 = proxy(ProxyProtocol::Socks5);
        assert!(http.check(&[to.parse().unwrap()]).is_ok());
        assert!(wrong(&http.clone().user("a:b", "x"), to).contains("without a colon"));
        assert!(wrong(&socks4, "[::1]:1").contains("[::1]:1"));
        assert!(socks5.check(&["[::1]:1".parse().unwrap()]).is_ok());
        assert!(wrong(&socks5.clone().user("a", ""), to).contains("without a password"));
        for (proxy, password) in [
            (&http, "sesame\n"),
            (&socks4, "sesame"),
            (&socks5, "sesame\0"),
        ] {
            let said = wrong(&proxy.clone().user("me", password), to);
            assert!(said.contains("connect.proxy.password: ***"), "{said}");
            assert!(!said.contains("sesame"), "{said}");
        }
        let said = wrong(&http.clone().user("me:sesame", ""), to);
        assert!(said.contains("connect.proxy.user: me:***: "), "{said}");
        assert!(!said.contains("sesame"), "{said}");
        for host in ["http://me:sesame@proxy", "me:sesame@proxy"] {
            let mut proxy = http.clone();
            proxy.address = Destination::Name {
                host: host.to_owned(),
                port: 3128,
            };
            let said = wrong(&proxy, to);
            assert!(said.contains("connect.proxy.address: ***: "), "{said}");
        }
        let shown = format!("{:?}", http.user("me", "sesame"));
        assert!(shown.contains("me") && !shown.contains("sesame"), "{shown}");
    }

    #[test]
    fn headers_are_taken_from_trusted_addresses() {
        let mut header = ProxyHeader::default();
        let source = IpAddr::from([10, 0, 0, 7]);
        assert!(header.trusts(source));
        header.from = vec!["10.0.0.0/30".parse().unwrap()];
        assert!(!header.trusts(source));
        header.from.push("10.0.0.7".parse().unwrap());
        assert!(header.trusts(source));
    }
}

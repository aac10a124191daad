//! Everything that can go wrong with a proxy: one that we connect through, and one that hands connections
//! to us.

use std::error::Error;
use std::fmt;
use std::io;

use super::Text;

/// Why a proxy did not get us through to the target. The text says what to look at; which proxy and which
/// target is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// The proxy itself could not be reached, or its name has no address.
    Unreachable(io::ErrorKind),
    /// The proxy was reached, and its answer did not come within the time for connecting. Most say nothing
    /// until they have reached the target, so either may be to blame.
    Timeout,
    /// The connection to the proxy ended before its answer was whole.
    Closed,
    /// What came is no answer of the protocol that was asked for: how it begins,
    /// with escapes.
    NotAnAnswer(Text),
    /// What came is what we sent, and so is not shown: it may hold the password.
    Echo,
    /// The answer is longer than any that makes sense.
    TooLong,
    /// HTTP: a refusal.
    Status {
        /// The status code.
        code: u16,
        /// The status line.
        line: Text,
    },
    /// HTTP 407 or SOCKS 5: the proxy wants a user, and none is configured. What it said.
    UserWanted(Text),
    /// HTTP 407 (or 401, which some say) or SOCKS 5: the proxy does not take the user and password that are configured.
    /// What it said.
    UserRefused(Text),
    /// HTTP 407: the proxy takes none of the schemes spoken here: those it takes.
    Scheme(Text),
    /// SOCKS 4: the reply code of a refusal.
    Socks4(u8),
    /// SOCKS 5: the reply code of a refusal, RFC 1928 section 6.
    Socks5(u8),
    /// SOCKS 5: the proxy takes none of the ways to say who we are.
    NoMethod,
    /// SOCKS 4: we must know the IPv4 address of the target, and its name has none.
    NoAddress,
}

impl ProxyFault {
    /// The name of this fault.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Closed => "Closed",
            Self::NotAnAnswer(_) => "NotAnAnswer",
            Self::Echo => "Echo",
            Self::TooLong => "TooLong",
            Self::Status { .. } => "Status",
            Self::UserWanted(_) => "UserWanted",
            Self::UserRefused(_) => "UserRefused",
            Self::Scheme(_) => "Scheme",
            Self::Socks4(_) => "Socks4",
            Self::Socks5(_) => "Socks5",
            Self::NoMethod => "NoMethod",
            Self::NoAddress => "NoAddress",
        }
    }

    /// Whether the proxy has something against who we are, or wants to know it in another way: then no
    /// target is reached through it, and each attempt may bring a locked account nearer.
    #[must_use]
    pub fn is_about_the_user(&self) -> bool {
        matches!(
            self,
            Self::UserWanted(_)
                | Self::UserRefused(_)
                | Self::Scheme(_)
                | Self::NoMethod
                | Self::Socks4(92 | 93)
        )
    }
}

/// What to look at after a status code.
fn status(code: u16) -> &'static str {
    match code {
        400 | 505 => "; the other version of HTTP may do",
        403 | 405 => "; it must allow CONNECT to the host and port of the target",
        502..=504 => "; it could not reach the target",
        _ => "",
    }
}

/// The reply codes of SOCKS 4.
fn socks4(code: u8) -> &'static str {
    match code {
        91 => "rejected or failed; the proxy must allow the target, and reach it",
        92 => "the proxy cannot reach identd on this machine",
        93 => "identd on this machine names another user",
        _ => "unknown",
    }
}

/// The reply codes of SOCKS 5, RFC 1928 section 6, and what to look at.
fn socks5(code: u8) -> &'static str {
    match code {
        1 => "general SOCKS server failure; the log of the proxy says more",
        2 => "connection not allowed by ruleset; the proxy must allow the target",
        3 => "network unreachable from the proxy",
        4 => "host unreachable from the proxy; it may not know the name",
        5 => "connection refused by the target",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported; give the target as a name, or as an IPv4 address",
        _ => "unknown",
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("proxy: ")?;
        match self {
            Self::Unreachable(kind) => write!(f, "it cannot be reached: {kind}"),
            Self::Timeout => f.write_str(
                "it did not answer within the time for connecting, as most do while the target does not \
                 answer them",
            ),
            Self::Closed => f.write_str(
                "it closed the connection without an answer, as some do that cannot reach the target",
            ),
            Self::NotAnAnswer(begin) => write!(
                f,
                "what it sent is no answer of the protocol that is configured for it, it begins \"{begin}\""
            ),
            Self::Echo => f.write_str("it sends back what it is sent, no proxy is there"),
            Self::TooLong => f.write_str("its answer is too long"),
            Self::Status { code, line } => write!(f, "it refused: {line}{}", status(*code)),
            Self::UserWanted(said) => {
                write!(f, "it wants a user and password, none is configured: {said}")
            }
            Self::UserRefused(said) => {
                write!(f, "it does not take the user and password configured: {said}")
            }
            Self::Scheme(offered) => write!(
                f,
                "it takes none of the ways to log on that are spoken here, only {offered}; let it take Basic, \
                 or put a forwarder that speaks its own on this machine"
            ),
            Self::Socks4(code) => write!(f, "it refused: {code} {}", socks4(*code)),
            Self::Socks5(code) => write!(f, "it refused: {code} {}", socks5(*code)),
            Self::NoMethod => f.write_str(
                "it takes neither clients without a user nor users with a password, and no other way is \
                 spoken here",
            ),
            Self::NoAddress => f.write_str(
                "SOCKS 4 needs the IPv4 address of the target and its name has none; with SOCKS 4a or 5 the \
                 proxy looks the name up",
            ),
        }
    }
}

impl Error for ProxyFault {}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $fault:ident $text:literal,)*) => {
        /// What is wrong with the header of the PROXY protocol that a connection must begin with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum HeaderFault { $($(#[$doc])* $fault,)* }

        impl HeaderFault {
            /// The name of every fault of a header.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($fault)),*];

            /// The name of this one, one of [`HeaderFault::NAMES`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$fault => stringify!($fault),)* }
            }

            fn words(&self) -> &'static str {
                match self { $(Self::$fault => $text,)* }
            }
        }
    };
}

catalogue! {
    /// A header came where the port is configured without, or after the one there must be.
    NotExpected "a header came and none is expected",
    /// The connection comes from an address that may not say who its client is.
    NotTrusted "this address may not say who its client is",
    /// The connection begins with something else.
    Missing "the connection does not begin with a header, and must on this port",
    /// A version or a command that does not exist.
    Version "the version or the command of the header is unknown",
    /// The header does not follow the rules.
    Malformed "the header is malformed",
    /// The header is longer than is taken.
    TooLong "the header is too long",
    /// The connection ended within the header.
    Incomplete "the connection ended within the header",
    /// The header did not come within the time for a Logon.
    Timeout "the header did not come in time",
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PROXY protocol: {}", self.words())
    }
}

impl Error for HeaderFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_words_of_the_proxy_and_what_to_look_at() {
        let line = Text::lossy(b"HTTP/1.1 403 Forbidden");
        let said = ProxyFault::Status { code: 403, line }.to_string();
        assert_eq!(
            said,
            "proxy: it refused: HTTP/1.1 403 Forbidden; it must allow CONNECT to the host and port of the target"
        );
        let said = ProxyFault::Socks5(2).to_string();
        assert!(
            said.contains("2 connection not allowed by ruleset"),
            "{said}"
        );
        assert!(ProxyFault::Socks5(77).to_string().contains("77 unknown"));
        assert!(ProxyFault::Socks4(91).to_string().contains("91 rejected"));
        // A healthy one says nothing while it waits for a target that drops what it is sent.
        let said = ProxyFault::Timeout.to_string();
        assert!(said.contains("the target does not answer"), "{said}");
        let said = ProxyFault::Scheme(Text::lossy(b"NTLM")).to_string();
        assert!(
            said.contains("only NTLM") && said.contains("Basic"),
            "{said}"
        );
    }

    #[test]
    fn who_we_are_says_nothing_of_the_target() {
        for fault in [
            ProxyFault::UserWanted(Text::EMPTY),
            ProxyFault::UserRefused(Text::EMPTY),
            ProxyFault::Scheme(Text::EMPTY),
            ProxyFault::NoMethod,
            ProxyFault::Socks4(93),
        ] {
            assert!(fault.is_about_the_user(), "{fault}");
        }
        for fault in [
            ProxyFault::Socks4(91),
            ProxyFault::Socks5(2),
            ProxyFault::Timeout,
        ] {
            assert!(!fault.is_about_the_user(), "{fault}");
        }
    }
}

//! The proxy of an initiator, put together from its keys.

use super::draft::{destination, no_host};
use crate::engine::proxy::{Proxy, ProxyProtocol, ProxyUser};

/// What the keys said.
#[derive(Default)]
pub(super) struct ProxyDraft {
    pub family: Option<ProxyFamily>,
    pub version: Option<&'static str>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Of the password only whether there is one.
impl std::fmt::Debug for ProxyDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ProxyDraft");
        shown.field("family", &self.family);
        shown.field("version", &self.version);
        shown.field("host", &self.host);
        shown.field("port", &self.port);
        shown.field("user", &self.user);
        shown.field("password", &self.password.as_ref().map(|_| "***"));
        shown.finish()
    }
}

/// ProxyType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxyFamily {
    Http,
    Socks,
}

/// Every version of ProxyVersion, of either type.
pub(super) const VERSIONS: [(&str, &str); 5] = [
    ("1.0", "1.0"),
    ("1.1", "1.1"),
    ("4", "4"),
    ("4a", "4a"),
    ("5", "5"),
];

impl ProxyDraft {
    /// The proxy, if there is to be one. What is wrong is told as (key, what would be right).
    pub fn finish(self, wrong: &mut dyn FnMut(&str, String)) -> Option<Proxy> {
        let named = self.family.is_some() || self.host.is_some() || self.port.is_some();
        let asked = named || self.version.is_some() || self.user.is_some() || self.password.is_some();
        if !asked {
            return None;
        }
        let mut is_whole = true;
        let mut missing = |key: &str, text: &str| {
            is_whole = false;
            wrong(key, format!("is missing: {text}"));
        };
        if self.family.is_none() {
            missing(
                "ProxyType",
                "http or socks, another key of a proxy is given",
            );
        }
        if self.host.is_none() {
            missing(
                "ProxyHost",
                "the host of the proxy, another key of a proxy is given",
            );
        }
        if self.port.is_none() {
            missing(
                "ProxyPort",
                "the port of the proxy, another key of a proxy is given",
            );
        }
        if self.password.is_some() && self.user.is_none() {
            missing("ProxyUser", "ProxyPassword is given");
        }
        let protocol = match (self.family, self.version) {
            (Some(ProxyFamily::Http), None | Some("1.0")) => Some(ProxyProtocol::Http10),
            (Some(ProxyFamily::Http), Some("1.1")) => Some(ProxyProtocol::Http11),
            (Some(ProxyFamily::Socks), Some("4")) => Some(ProxyProtocol::Socks4),
            (Some(ProxyFamily::Socks), Some("4a")) => Some(ProxyProtocol::Socks4a),
            (Some(ProxyFamily::Socks), Some("5")) => Some(ProxyProtocol::Socks5),
            (Some(ProxyFamily::Socks), None) => {
                missing(
                    "ProxyVersion",
                    "4, 4a or 5, which of them the SOCKS proxy speaks",
                );
                None
            }
            (Some(ProxyFamily::Http), Some(other)) => {
                let text = format!("{other} is a version of SOCKS, expected 1.0 or 1.1 for HTTP");
                wrong("ProxyVersion", text);
                None
            }
            (Some(ProxyFamily::Socks), Some(other)) => {
                let text = format!("{other} is a version of HTTP, expected 4, 4a or 5 for SOCKS");
                wrong("ProxyVersion", text);
                None
            }
            (None, _) => None,
        };
        let (host, port) = (self.host?, self.port?);
        let Some(address) = destination(&host, port) else {
            wrong("ProxyHost", no_host(&host));
            return None;
        };
        let user = self.user.map(|name| ProxyUser {
            name,
            password: self.password.unwrap_or_default(),
        });
        Some(Proxy {
            address,
            protocol: protocol?,
            user,
        })
    }
}

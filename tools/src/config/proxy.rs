//! Proxies in a configuration file: `[session.connect.proxy]` of an initiator, `[listen.proxy_header]` of a
//! port behind one.
//!
//! A table stands for all of its settings at once: one of a session takes the place of the one in
//! `[defaults]`, key by key nothing is mixed.

use pinfix::engine::{
    Destination, Plan, Problem, Proxy, ProxyHeader, ProxyProtocol, ProxyUser, Subnet,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::{Environment, FirstLine, Leaf, Plain, Secret, Text, Word, named};

/// The proxy of an initiator. The password may stand in the environment or in a file instead.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct ProxyKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Word<ProxyProtocol>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Text<Destination>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Secret<Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<Secret<FirstLine>>,
}

named! {
    ProxyProtocol {
        "http-1.0" = ProxyProtocol::Http10,
        "http-1.1" = ProxyProtocol::Http11,
        "socks-4" = ProxyProtocol::Socks4,
        "socks-4a" = ProxyProtocol::Socks4a,
        "socks-5" = ProxyProtocol::Socks5,
    }
}

/// The form of [`Proxy`].
#[derive(Clone, Debug)]
pub struct ProxyTable(Proxy);

impl Leaf for ProxyTable {
    type Value = Proxy;

    fn value(&self) -> Proxy {
        self.0.clone()
    }

    fn of_value(value: &Proxy) -> Self {
        Self(value.clone())
    }
}

impl Serialize for ProxyTable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Proxy {
            address,
            protocol,
            user,
        } = &self.0;
        let password = user.as_ref().map(|user| user.password.as_str());
        let keys = ProxyKeys {
            protocol: Some(Word(*protocol)),
            address: Some(Text(address.clone())),
            user: user.as_ref().map(|user| user.name.clone()),
            password: password
                .filter(|text| !text.is_empty())
                .map(|text| Secret::plain(text.to_owned())),
            password_env: None,
            password_file: None,
        };
        keys.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ProxyTable {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let keys = ProxyKeys::deserialize(source)?;
        let missing = |text: &str| de::Error::custom(text);
        let protocol = keys.protocol.ok_or_else(|| {
            missing("`protocol` is missing: \"http-1.1\", \"http-1.0\", \"socks-5\", \"socks-4a\" or \"socks-4\"")
        })?;
        let address = keys
            .address
            .ok_or_else(|| missing("`address` is missing: HOST:PORT of the proxy"))?;
        let passwords = [
            keys.password.map(|secret| secret.text),
            keys.password_env.map(|secret| secret.text),
            keys.password_file.map(|secret| secret.text),
        ];
        let mut passwords = passwords.into_iter().flatten();
        let password = passwords.next();
        if passwords.next().is_some() {
            return Err(missing(
                "of `password`, `password_env` and `password_file` one is given",
            ));
        }
        let user = match (keys.user, password) {
            (Some(name), password) => Some(ProxyUser {
                name,
                password: password.unwrap_or_default(),
            }),
            (None, None) => None,
            (None, Some(_)) => return Err(missing("`user` is missing: a password is given")),
        };
        Ok(Self(Proxy {
            address: address.0,
            protocol: protocol.0,
            user,
        }))
    }
}

/// From where connections begin with a header; `from` left out is from anywhere, which is warned of.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderTable {
    from: Vec<Text<Subnet>>,
}

impl Leaf for HeaderTable {
    type Value = ProxyHeader;

    fn value(&self) -> ProxyHeader {
        ProxyHeader {
            from: self.from.iter().map(|network| network.0).collect(),
        }
    }

    fn of_value(value: &ProxyHeader) -> Self {
        Self {
            from: value.from.iter().copied().map(Text).collect(),
        }
    }
}

/// Says of each port that takes headers from anywhere that it does.
pub fn warn_of_unguarded(plan: &mut Plan, file: &str) {
    for listen in &plan.listeners {
        if listen.proxy_header == Some(ProxyHeader::default()) {
            plan.warnings.push(Problem {
                file: Some(file.to_owned()),
                key: Some("listen.proxy_header".to_owned()),
                text: format!(
                    "whoever can reach {} can claim any address: name the proxy in `from`",
                    listen.address
                ),
                ..Problem::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::File;

    const SESSION: &str = "[[session]]\nversion = \"FIX.4.4\"\nrole = \"initiator\"\n\
        sender_comp_id = \"ME\"\ntarget_comp_id = \"YOU\"\n[session.connect]\n\
        to = [\"fix.example.com:5001\"]\n[session.connect.proxy]\n";

    const WHOLE: &str = "protocol = \"http-1.1\"\naddress = \"proxy.example.com:3128\"\n";

    fn read(text: &str) -> Result<String, String> {
        let file = File::parse("a.toml", text).map_err(|problems| problems.to_string())?;
        let plan = file
            .plan("a.toml", text)
            .map_err(|problems| problems.to_string())?;
        let warnings: String = plan.warnings.iter().map(|w| format!("{w}\n")).collect();
        Ok(warnings + &toml::to_string(&file.resolved(&plan)).unwrap())
    }

    #[test]
    fn what_is_printed_is_read_again_without_the_password() {
        let text = format!("{SESSION}{WHOLE}user = \"me\"\npassword = \"sesame\"\n");
        let printed = read(&text).unwrap();
        for line in [
            "[session.connect.proxy]",
            "protocol = \"http-1.1\"",
            "address = \"proxy.example.com:3128\"",
            "user = \"me\"",
            "password = \"***\"",
        ] {
            assert!(printed.contains(line), "{line}: {printed}");
        }
        assert!(!printed.contains("sesame"), "{printed}");
        assert_eq!(read(&printed).unwrap(), printed);
        let text = "[[listen]]\naddress = \"127.0.0.1:0\"\n[listen.proxy_header]\n\
                    from = [\"10.0.0.5\", \"10.1.0.0/16\"]\n";
        let printed = read(text).unwrap();
        assert!(
            printed.contains("[listen.proxy_header]\nfrom = [\"10.0.0.5/32\", \"10.1.0.0/16\"]"),
            "{printed}"
        );
        assert_eq!(read(&printed).unwrap(), printed);
        let text = "[[listen]]\naddress = \"127.0.0.1:0\"\n[listen.proxy_header]\n";
        let printed = read(text).unwrap();
        assert!(
            printed.contains("listen.proxy_header: whoever can reach 127.0.0.1:0"),
            "{printed}"
        );
    }

    #[test]
    fn mistakes_name_what_would_be_right() {
        for (lines, text) in [
            (
                "protocol = \"socks-5\"\n".to_owned(),
                "`address` is missing",
            ),
            (
                "address = \"proxy:1\"\n".to_owned(),
                "`protocol` is missing: \"http-1.1\"",
            ),
            ("protocol = \"socks\"\n".to_owned(), "`socks-4a`"),
            (
                format!("{WHOLE}password = \"sesame\"\n"),
                "`user` is missing",
            ),
            (
                format!("{WHOLE}user = \"me\"\npassword = \"sesame\"\npassword_env = \"PATH\"\n"),
                "one is given",
            ),
            (
                format!("{WHOLE}user = \"me\"\npassword_env = \"NO_SUCH_VARIABLE\"\n"),
                "NO_SUCH_VARIABLE",
            ),
            (format!("{WHOLE}user = \"a:b\"\n"), "without a colon"),
            (format!("{WHOLE}host = \"x\"\n"), "unknown field `host`"),
        ] {
            let said = read(&format!("{SESSION}{lines}")).unwrap_err();
            assert!(said.contains(text), "{lines}: {said}");
            assert!(!said.contains("sesame"), "{said}");
        }
        // A password where none is looked for.
        let url = "\"http://me:sesame@proxy:3128\"";
        for lines in [
            format!("protocol = \"http-1.1\"\naddress = {url}\n"),
            "protocol = \"http-1.1\"\naddress = \"me:sesame@proxy:3128\"\n".to_owned(),
            format!("protocol = {url}\n"),
            format!("{WHOLE}url = {url}\n"),
            format!("{WHOLE}port = \"1\" # {url}\n"),
            format!("{WHOLE}user = \"me:sesame\"\n"),
            format!("{WHOLE}pasword = \"sesame\"\n"),
            format!("{WHOLE}user = \"me\"\npassword = [\"sesame\"]\n"),
            format!("{WHOLE}user = \"me\"\npassword = {{ sesame = 1 }}\n"),
            format!("{WHOLE}user = \"me\"\npassword = \"\"\"\nsesame\\q\"\"\"\n"),
            format!("{WHOLE}[session.logon]\nfields = \"554=sesame\"\n"),
        ] {
            let said = read(&format!("{SESSION}{lines}")).unwrap_err();
            assert!(!said.contains("sesame"), "{lines}: {said}");
        }
        for (lines, text) in [
            (format!("address = {url}\n"), "expected HOST:PORT"),
            (format!("{WHOLE}password = 123456\n"), "a text in quotes"),
            (
                format!("{WHOLE}[session.logon]\npassword = 123456\n"),
                "a text in quotes",
            ),
            (format!("{WHOLE}pasword = 123456\n"), "`password`?"),
        ] {
            let said = read(&format!("{SESSION}{lines}")).unwrap_err();
            assert!(said.contains(text) && said.contains("= ***"), "{said}");
            assert!(
                !said.contains("sesame") && !said.contains("123456"),
                "{said}"
            );
        }
        let whole = SESSION.replace("[session.connect.proxy]\n", &format!("proxy = {url}\n"));
        let said = read(&whole).unwrap_err();
        assert!(!said.contains("sesame"), "{said}");
        let text =
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[listen.proxy_header]\nfrom = [\"balancer\"]\n";
        let said = read(text).unwrap_err();
        assert!(said.contains("10.0.0.0/8"), "{said}");
    }
}

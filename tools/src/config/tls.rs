//! TLS in a configuration file: `[session.connect.tls]` of an initiator, `[listen.tls]` of a port.
//!
//! A table stands for all of its settings at once: one of a session takes the place of the one in
//! `[defaults]`, key by key nothing is mixed.

use std::path::PathBuf;

use pinfix::engine::{
    Authorities, ClientCheck, Pem, Plan, Problem, ServerCheck, TlsClient, TlsIdentity, TlsServer,
    TlsVersion,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::{Leaf, Word, named};

/// How an initiator speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct ClientKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<String>,
    /// A file in PEM; left out, or `"system"`, for those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorities: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_version: Option<Word<TlsVersion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_check: Option<Word<ServerCheck>>,
}

/// How a port speaks TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct ServerKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_check: Option<Word<Wanted>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_authorities: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_version: Option<Word<TlsVersion>>,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    None,
    Optional,
    Required,
}

named! {
    TlsVersion { "1.2" = TlsVersion::Tls12, "1.3" = TlsVersion::Tls13 }
    ServerCheck { "full" = ServerCheck::Full, "dangerously_none" = ServerCheck::DangerouslyNone }
    Wanted { "none" = Wanted::None, "optional" = Wanted::Optional, "required" = Wanted::Required }
}

/// Named so in a file.
const SYSTEM: &str = "system";

fn path(pem: &Pem) -> Option<PathBuf> {
    pem.path().map(PathBuf::from)
}

/// The form of [`TlsClient`].
#[derive(Clone, Debug)]
pub struct ClientTable(TlsClient);

impl Leaf for ClientTable {
    type Value = TlsClient;

    fn value(&self) -> TlsClient {
        self.0.clone()
    }

    fn of_value(value: &TlsClient) -> Self {
        Self(value.clone())
    }
}

impl Serialize for ClientTable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let TlsClient {
            server_name,
            authorities,
            identity,
            min_version,
            server_check,
        } = &self.0;
        let keys = ClientKeys {
            server_name: server_name.clone(),
            authorities: match authorities {
                Authorities::System => Some(SYSTEM.into()),
                Authorities::Only(pem) => path(pem),
            },
            certificates: identity.as_ref().and_then(|own| path(&own.certificates)),
            key: identity.as_ref().and_then(|own| path(&own.key)),
            min_version: Some(Word(*min_version)),
            server_check: Some(Word(*server_check)),
        };
        keys.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ClientTable {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let keys = ClientKeys::deserialize(source)?;
        let authorities = match keys.authorities {
            Some(file) if file.as_os_str() != SYSTEM => Authorities::Only(Pem::File(file)),
            _ => Authorities::System,
        };
        let identity = match (keys.certificates, keys.key) {
            (Some(certificates), Some(key)) => Some(TlsIdentity::files(certificates, key)),
            (None, None) => None,
            _ => return Err(de::Error::custom(TOGETHER)),
        };
        Ok(Self(TlsClient {
            server_name: keys.server_name,
            authorities,
            identity,
            min_version: keys.min_version.map(|word| word.0).unwrap_or_default(),
            server_check: keys.server_check.map(|word| word.0).unwrap_or_default(),
        }))
    }
}

const TOGETHER: &str = "`certificates` and `key` are given together, each a file in PEM";

/// The form of [`TlsServer`].
#[derive(Clone, Debug)]
pub struct ServerTable(TlsServer);

impl Leaf for ServerTable {
    type Value = TlsServer;

    fn value(&self) -> TlsServer {
        self.0.clone()
    }

    fn of_value(value: &TlsServer) -> Self {
        Self(value.clone())
    }
}

impl Serialize for ServerTable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let TlsServer {
            identity,
            client_check,
            min_version,
        } = &self.0;
        let (wanted, pem) = match client_check {
            ClientCheck::None => (Wanted::None, None),
            ClientCheck::Optional(pem) => (Wanted::Optional, Some(pem)),
            ClientCheck::Required(pem) => (Wanted::Required, Some(pem)),
        };
        let keys = ServerKeys {
            certificates: path(&identity.certificates),
            key: path(&identity.key),
            client_check: Some(Word(wanted)),
            client_authorities: pem.and_then(path),
            min_version: Some(Word(*min_version)),
        };
        keys.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ServerTable {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let keys = ServerKeys::deserialize(source)?;
        let (Some(certificates), Some(key)) = (keys.certificates, keys.key) else {
            return Err(de::Error::custom(TOGETHER));
        };
        // Who names authorities wants certificates of theirs.
        let wanted = keys.client_check.map(|word| word.0);
        let client_check = match (wanted, keys.client_authorities) {
            (None | Some(Wanted::None), None) => ClientCheck::None,
            (None | Some(Wanted::Required), Some(file)) => ClientCheck::Required(Pem::File(file)),
            (Some(Wanted::Optional), Some(file)) => ClientCheck::Optional(Pem::File(file)),
            (Some(Wanted::None), Some(_)) => {
                let text = "`client_authorities` is given although `client_check` is \"none\"";
                return Err(de::Error::custom(text));
            }
            (Some(_), None) => {
                let text = "`client_authorities` is missing: the file of those whose certificates clients \
                            must show";
                return Err(de::Error::custom(text));
            }
        };
        Ok(Self(TlsServer {
            client_check,
            min_version: keys.min_version.map(|word| word.0).unwrap_or_default(),
            ..TlsServer::new(TlsIdentity::files(certificates, key))
        }))
    }
}

/// Says of each session whose peer is not verified that it is not.
pub fn warn_of_unverified(plan: &mut Plan, file: &str) {
    for planned in &plan.sessions {
        let config = &planned.config;
        let Some(tls) = &config.connect().tls else {
            continue;
        };
        if tls.server_check == ServerCheck::DangerouslyNone {
            plan.warnings.push(Problem {
                file: Some(file.to_owned()),
                session: Some(config.id().to_string()),
                key: Some("connect.tls.server_check".to_owned()),
                value: Some("dangerously_none".to_owned()),
                text: "TLS VERIFICATION IS OFF: whoever can reach the connection can read and change \
                       everything on it, passwords and orders; name the authority of the peer in \
                       `authorities` instead"
                    .to_owned(),
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
        to = [\"fix.example.com:5001\"]\n[session.connect.tls]\n";

    fn read(text: &str) -> Result<String, String> {
        let file = File::parse("a.toml", text).map_err(|problems| problems.to_string())?;
        let plan = file
            .plan("a.toml", text)
            .map_err(|problems| problems.to_string())?;
        let warnings: String = plan.warnings.iter().map(|w| format!("{w}\n")).collect();
        Ok(warnings + &toml::to_string(&file.resolved(&plan)).unwrap())
    }

    #[test]
    fn what_is_printed_of_a_session_is_read_again() {
        let text = format!(
            "{SESSION}server_name = \"other\"\nmin_version = \"1.3\"\nserver_check = \"dangerously_none\"\n"
        );
        let printed = read(&text).unwrap();
        assert!(printed.contains("VERIFICATION IS OFF"), "{printed}");
        assert!(printed.contains("FIX.4.4:ME->YOU"), "{printed}");
        let (_, printed) = printed.split_once('\n').unwrap();
        for line in [
            "[session.connect.tls]",
            "server_name = \"other\"",
            "authorities = \"system\"",
            "min_version = \"1.3\"",
            "server_check = \"dangerously_none\"",
        ] {
            assert!(printed.contains(line), "{line}: {printed}");
        }
        let again = read(printed).unwrap();
        assert!(again.ends_with(printed), "{again}");
    }

    #[test]
    fn mistakes_name_what_would_be_right() {
        for (line, text) in [
            ("certificates = \"c.pem\"", "given together"),
            ("min_version = \"1.1\"", "`1.2`, `1.3`"),
            ("server_check = \"none\"", "dangerously_none"),
            ("authority = \"x\"", "did you mean `authorities`"),
            ("authorities = \"/nowhere/ca.pem\"", "/nowhere/ca.pem"),
        ] {
            let said = read(&format!("{SESSION}{line}\n")).unwrap_err();
            assert!(said.contains(text), "{line}: {said}");
        }
        let port = |lines: &str| {
            let text = format!("[[listen]]\naddress = \"127.0.0.1:0\"\n[listen.tls]\n{lines}\n");
            read(&text).unwrap_err()
        };
        let pair = "certificates = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n";
        assert!(port("").contains("given together"));
        assert!(port(pair).contains("/nowhere/c.pem"));
        let missing = port(&format!("{pair}client_check = \"required\""));
        assert!(missing.contains("client_authorities"), "{missing}");
    }
}

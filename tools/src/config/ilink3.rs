//! `[[ilink3]]`: a client session of CME iLink 3.
//!
//! Invariant: the secret key is shown by no error and no print.

use std::path::Path;

use pinfix::engine::{Destination, FixpSessionConfig};
use pinfix::session::Credentials;
use serde::{Deserialize, Serialize};

use super::form::{Environment, FirstLine, Form as _, Leaf as _, Plain, Secret, Span};
use super::tables::ConnectTable;
use crate::order::Ilink3Ticket;

/// What a file says of one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ilink3Table {
    /// What a person calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    session: String,
    firm: String,
    access_key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<Secret<Plain>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key_env: Option<Secret<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key_file: Option<Secret<FirstLine>>,
    /// KeepAliveInterval.
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_vendor: Option<String>,
    /// SenderID(5392) of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<String>,
    /// Location(9537) of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// `connect.to` are the addresses of the market segment.
    connect: ConnectTable,
}

impl Ilink3Table {
    /// The session; `journals` is the directory below which it has its journal.
    ///
    /// # Errors
    /// What is missing or cannot be accepted.
    pub fn config(&self, journals: Option<&Path>) -> Result<FixpSessionConfig, String> {
        let secret = self.secret_key.as_ref().map(|secret| &secret.text);
        let secret = secret.or(self.secret_key_env.as_ref().map(|secret| &secret.text));
        let secret = secret.or(self.secret_key_file.as_ref().map(|secret| &secret.text));
        let secret = secret.ok_or("secret_key_file, secret_key_env or secret_key is missing")?;
        let credentials =
            Credentials::new(&self.access_key_id, secret).map_err(|error| error.to_string())?;
        // Replaced by what connect.to says.
        let nowhere = Destination::from(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut config = FixpSessionConfig::client(&self.session, &self.firm, credentials, nowhere);
        config.connect.destinations.clear();
        self.connect.put(&mut config.connect);
        let settings = &mut config.settings;
        if let Some(keep_alive) = &self.keep_alive {
            settings.keep_alive_ms = u16::try_from(keep_alive.value().as_millis())
                .map_err(|_| "keep_alive: expected a time of up to 60s".to_owned())?;
        }
        if let Some(version) = self.schema_version {
            settings.schema_version = version;
        }
        let client = &mut settings.client;
        for (said, setting) in [
            (&self.system_name, &mut client.system_name),
            (&self.system_version, &mut client.system_version),
            (&self.system_vendor, &mut client.system_vendor),
        ] {
            if let Some(said) = said {
                setting.clone_from(said);
            }
        }
        for (key, said, most) in [
            ("sender_id", &self.sender_id, 20),
            ("location", &self.location, 5),
        ] {
            let fits = |text: &String| {
                (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if !said.as_ref().is_none_or(fits) {
                return Err(format!("{key}: expected 1 to {most} printable characters"));
            }
        }
        let config = match journals {
            Some(base) => config.journal_below(base),
            None => config,
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// SenderID(5392) and Location(9537) of its orders.
    pub fn origin(&self) -> (&[u8], &[u8]) {
        let usual = Ilink3Ticket::default();
        let sender_id = self.sender_id.as_ref().map(|text| text.as_bytes());
        let location = self.location.as_ref().map(|text| text.as_bytes());
        (
            sender_id.unwrap_or(usual.sender_id),
            location.unwrap_or(usual.location),
        )
    }
}

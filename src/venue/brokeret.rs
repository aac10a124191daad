//! Brokeret: FIX.4.4, and FIX.5.0SP2 over FIXT.1.1. Source: the venue's FIX pages.

use std::time::Duration;

use super::{Profile, Service};
use crate::session::fix::policy::LogoutSettings;
use crate::session::fix::rules::{FIX44, FIX50SP2, Rules};
use crate::session::schedule::TimeOfDay;
use crate::wire::fix::ApplVersion;

/// Brokeret.
///
/// Prices and trades are sessions of their own, with the same CompIDs on different ports. Numbers live
/// as long as the day, which ends at 00:00 UTC. The host is that of the broker.
pub const BROKERET: Profile = Profile {
    name: "brokeret",
    versions: &[&FIX44, &FIX50SP2],
    comp_id: Some("BROKERET"),
    services: &[
        service("price", &FIX44, 5001),
        service("trade", &FIX44, 5002),
        service("price-5.0", &FIX50SP2, 5011),
        service("trade-5.0", &FIX50SP2, 5012),
    ],
    heartbeat_s: 30,
    daily_reset: Some(TimeOfDay::MIDNIGHT),
    // What the venue answers with if it does not have ours: it is taken, and messages are read by it.
    appl_versions: &[
        ApplVersion::Fix40,
        ApplVersion::Fix41,
        ApplVersion::Fix42,
        ApplVersion::Fix43,
        ApplVersion::Fix44,
        ApplVersion::Fix50,
        ApplVersion::Fix50Sp1,
    ],
    // The session-level messages of both versions are those of FIX.4.4.
    session_status: false,
    logout: LogoutSettings {
        // Both close after the answer: the one that answered waits a little for the other.
        linger: Duration::from_secs(2),
        ..Profile::STANDARD.logout
    },
    refusals_max: Some(3),
    refusal_text: "Invalid credentials",
    ..Profile::STANDARD
};

const fn service(name: &'static str, rules: &'static Rules, port: u16) -> Service {
    Service {
        name,
        rules,
        host: None,
        port,
    }
}

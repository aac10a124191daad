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
///
/// Each rule and each question is a row of `tests/conformance/catalogue.txt`; scenarios with its id in
/// `brokeret.scn` are its proof.
///
/// | id | the pages say | setting |
/// |---|---|---|
/// | BR-01 | Logon: 98, 108, 554, 553 if required, 1137=9 on 5.0; 34=1 for a new session | `logon_fields` |
/// | BR-02 | the acknowledged 108, and 1137 on 5.0, are binding | always |
/// | BR-03 | another 1137 in the answer is adapted to, or the Logon refused with a text | `appl_versions` |
/// | BR-04 | a refused Logon is a Logout with Text, which is counted | `refusals_max` |
/// | BR-05 | 141=Y only when agreed | `at_logon` |
/// | BR-06 | numbers on disk, the next Logon with the next number, ResendRequests answered | `at_logon`, the journal |
/// | BR-07 | Logout before disconnecting; an abrupt end may leave a gap | always |
/// | BR-08 | one side logs out, the other answers, both close | `logout.linger` |
/// | BR-09 | 112 on a TestRequest and on its Heartbeat | always |
/// | BR-10 | 16=0 is everything after; both modes of SequenceReset | always |
/// | BR-11 | Reject with 45, 371, 372, 373, 58 and the codes of FIX.4.4 | always |
/// | BR-12 | 1128 on a message overrides its version | `Outbound::send_with` |
/// | BR-13 | session-level messages of 5.0 are those of 4.4 | `session_status` |
///
/// What they leave open, and the setting that covers each answer:
///
/// | id | open | setting |
/// |---|---|---|
/// | BRQ-01 | 141=Y at the first Logon of a day | `at_logon` |
/// | BRQ-02 | what becomes of a connection at 00:00 UTC | `schedule.renewal` |
/// | BRQ-03 | whether 789 is supported | `next_expected` |
/// | BRQ-04 | when silence is asked about, and ended | `liveness` |
/// | BRQ-05 | whether market data is sent again | `resend.from`, `resend.passed_over` |
/// | BRQ-06 | where 1128 may stand | anywhere in the header |
/// | BRQ-07 | whether 553 is needed | `logon_fields` |
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

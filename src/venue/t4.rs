//! T4 (CTS, now Plus500): FIX.4.2 in a dialect of its own. Source: the venue's FIX pages.

use std::time::Duration;

use super::{Profile, Service, Switch, Tls};
use crate::session::fix::policy::{LivenessSettings, LogoutSettings};
use crate::session::fix::rules::FIX42;
use crate::session::fix::{AtLogon, DataOrder};
use crate::wire::fix::tag;

/// T4.
///
/// Every connection is a session of its own: both sides start at 1 and say nothing of it. What is
/// required on the Logon are Username(553), Password(554) and the license in SecureData(91), none of
/// which FIX.4.2 has in this place. The numbers of T4's rules are those of `tests/conformance`.
pub const T4: Profile = Profile {
    name: "t4",
    versions: &[&FIX42],
    services: &[
        Service {
            name: "simulator",
            rules: &FIX42,
            host: Some("fix-sim.t4login.com"),
            port: 10_443,
        },
        Service {
            name: "live",
            rules: &FIX42,
            host: Some("fix.t4login.com"),
            port: 10_443,
        },
    ],
    tls: Tls::Required,
    heartbeat_s: 30,
    // Losing the connection ends the session; ResetSeqNumFlag(141) is not used.
    at_logon: AtLogon::Restart,
    // One interval of silence is answered by a Heartbeat, the next by a TestRequest, the third ends it.
    liveness: LivenessSettings {
        test_request_percent: 200,
        disconnect_percent: 300,
        ..Profile::STANDARD.liveness
    },
    logout: LogoutSettings {
        // The venue may fill gaps before it answers.
        timeout: Duration::from_secs(10),
        // A Logout of the venue is answered, and the venue closes.
        linger: Duration::from_secs(5),
        // Nothing may follow our Logout.
        serve_requests: false,
        ..Profile::STANDARD.logout
    },
    // 0 to 17 as in FIX.4.4, and 18 for an invalid or missing trader.
    reject_reason_max: Some(18),
    resend_rejects: true,
    // MarketDataSnapshotFullRefresh(W) and SecurityDefinition(d).
    passed_over: &["W", "d"],
    secure_data: DataOrder::DataFirst,
    switches: &[
        switch(
            "disable_portfolio_refresh",
            "d",
            "no portfolio is sent after the logon",
        ),
        switch(
            "disable_account_subscription",
            "BB",
            "accounts are not subscribed after the logon",
        ),
        switch("security_definitions", "c", "security definitions are sent"),
        switch(
            "pending_reports",
            "8",
            "pending states of orders are reported",
        ),
        switch("decimal_prices", "D", "prices are decimal, everywhere"),
        switch(
            "decimal_prices_in",
            "RD",
            "prices that the venue sends are decimal",
        ),
        switch(
            "decimal_prices_out",
            "CD",
            "prices that the client sends are decimal",
        ),
        switch("drop_copy", "BA", "reports only, no orders"),
        switch(
            "account_notifications",
            "BG",
            "changes of accounts are told",
        ),
        switch(
            "disable_user_notifications",
            "CB",
            "no notices to the user are sent",
        ),
        switch(
            "exchange_symbols",
            "V",
            "symbols of the exchanges, and chart data",
        ),
        switch(
            "multi_trader",
            "UCG",
            "several traders on one session, each with a logon of its own",
        ),
    ],
    refusals_max: Some(3),
    sub_id: Some("T4FIX"),
    last_processed: true,
    // The password masked, and the version of the venue's interface.
    answers: &[(tag::PASSWORD, "***"), (1408, "4.1.1.1")],
    refusal_text: "Login failed: invalid username or password",
    logout_text: "Successful logout upon request",
    ..Profile::STANDARD
};

const fn switch(name: &'static str, ref_msg_type: &'static str, meaning: &'static str) -> Switch {
    Switch {
        name,
        ref_msg_type,
        meaning,
    }
}

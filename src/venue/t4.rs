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
/// which FIX.4.2 has in this place.
///
/// In multi-trader mode, which switch `multi_trader` asks for, an application sends the Trader Logon, MsgType
/// `UCG` with 91, 90, 553 and 554, itself; a `UCG` with 553 and 58 answers. From then on SenderSubID(50) of
/// every message names a trader, and TargetSubID(57) of what the venue sends. How a trader logs out on the
/// wire we have not seen documented: `pinfix exchange` reads a `UCG` with 553 and no credentials as that.
///
/// Each rule and each question is a row of `tests/conformance/catalogue.txt`; scenarios with its id in
/// `t4.scn` are its proof.
///
/// | id | the pages say | setting |
/// |---|---|---|
/// | T4-01 | both sides start at 1 on every connection, without 141; nothing is recovered across them | `at_logon` |
/// | T4-02 | the first message is a Logon with 553, 554, 91, and 925, 1407, 1408, 384/372 if wanted; one like it answers | `logon_fields`, `msg_types` |
/// | T4-03 | the password of the answer is masked | taken as it is |
/// | T4-04 | a refused Logon is a Logout with Text, then the venue closes; the next attempt starts at 1 | `refusals_max` |
/// | T4-05 | HeartBtInt(108) is 30 | `heartbeat_s` |
/// | T4-06 | EncryptMethod(98) is 0 | always |
/// | T4-07 | who logs out waits for the answer; the peer may still fill gaps | `logout.timeout` |
/// | T4-08 | a Logout of the venue has a Text, is answered, and the venue closes | `logout.linger` |
/// | T4-09 | nothing follows the client's Logout | `logout.serve_requests` |
/// | T4-10 | normal end: asked, answered with a Text, closed | `logout.answer` |
/// | T4-11 | a connection closed without Logouts is abnormal | told as lost |
/// | T4-12 | a Heartbeat may be answered by a Heartbeat | never answered by another |
/// | T4-13 | one interval of silence: Heartbeat; then TestRequest; then Logout | `liveness` |
/// | T4-14 | a TestRequest is answered with its 112 | always |
/// | T4-15 | 7=16 is one message, 16=0 all | always |
/// | T4-16 | sent again: application messages but market data snapshots and security definitions, and Rejects; with 43=Y | `resend.passed_over`, `resend.rejects` |
/// | T4-17 | the venue honours possible duplicates | always |
/// | T4-18 | one SequenceReset for a run | always |
/// | T4-19 | a gap fill out of order is answered with a ResendRequest | always |
/// | T4-20 | a SequenceReset that lowers the number is rejected | always |
/// | T4-21 | 123=N or none is reset mode | always |
/// | T4-22 | a Reject does not end the session; the message may be sent again as a new one | always |
/// | T4-23 | rejected: empty tags, wrong types, stale SendingTime | `checks` |
/// | T4-24 | CheckSum and 34 must be right | always |
/// | T4-25 | the venue sends LastMsgSeqNumProcessed(369) | `last_processed` of the venue |
/// | T4-26 | the venue signs with SenderSubID(50) T4FIX | `header_fields` of the venue |
///
/// What they leave open, and the setting that covers each answer:
///
/// | id | open | setting |
/// |---|---|---|
/// | T4Q-01 | which side is 49 and which 56 | `sender_comp_id`, `target_comp_id` |
/// | T4Q-02 | whether 91 stands before 90 | `secure_data` |
/// | T4Q-03 | whether Heartbeats are echoed | either is taken |
/// | T4Q-04 | how strictly 56 and 50 are checked | `checks.comp_ids`, `target_sub_id` |
/// | T4Q-05 | 369 on every message | `last_processed` |
/// | T4Q-06 | whether anything is recovered after all | `at_logon` |
/// | T4Q-07 | what a number too low leads to | `checks.sequence_numbers` |
/// | T4Q-08 | how old SendingTime may be | `checks.sending_time_window` |
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
    // The logon of a trader in multi-trader mode.
    credential_types: &["UCG"],
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

//! `[account.gateway]`: what the texts of the exchange leave open, decided for one account.
//!
//! The keys are the settings of [`GatewaySettings`], by their names; its documentation says what each means.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Context as _;
use pinfix::session::fixp::{
    BeyondGap, Check, EstablishHole, GatewaySettings, IdentityRefusal, LogonRefusal, NotAppliedCount,
    RateLimit, RepeatedLogon, RetransmitUuid, SecondConnection, SplitPenalty, TerminateStamp,
    UnaskedGap, UnboundUuid,
};
use serde::Deserialize;

use crate::config;

/// The table. A time is such as 500ms; a word is that of the setting, in small letters.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    logon_timeout: Option<String>,
    establish_timeout: Option<String>,
    hmac_timeout: Option<String>,
    /// A time, or off.
    stale_after: Option<String>,
    stale_code: Option<u16>,
    /// The first ones; the others follow in their order.
    checks: Option<Vec<String>>,
    keep_alive_min_ms: Option<u16>,
    keep_alive_max_ms: Option<u16>,
    invalid_logons_max: Option<u8>,
    count_other_messages: Option<bool>,
    count_establish_terms: Option<bool>,
    /// The code of a Terminate instead of a reject.
    refusal: Option<u16>,
    identity_refusal: Option<String>,
    close_after_reject: Option<bool>,
    repeated_logon: Option<String>,
    renegotiate_code: Option<u16>,
    second_connection: Option<String>,
    unbound_uuid: Option<String>,
    terminate_stamp: Option<String>,
    seq_num_max: Option<u32>,
    establish_hole: Option<String>,
    unasked_gap: Option<String>,
    beyond_gap: Option<String>,
    not_applied_count: Option<String>,
    request_max: Option<u16>,
    sequence_after_retransmission: Option<bool>,
    retransmit_uuid: Option<String>,
    rate: Option<Rate>,
    admin_rate: Option<Rate>,
    split: Option<Split>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    window: String,
    reject_above: u32,
    terminate_above: u32,
}

/// `off`, or a table.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected off, or a table of delay_us and queue_max"
)]
enum Split {
    Word(String),
    Penalty { delay_us: u64, queue_max: usize },
}

impl Rules {
    /// Puts what is said into the settings. What the values are among themselves is checked with the session.
    ///
    /// # Errors
    /// Names the key, the value and what would be right.
    pub fn apply(&self, settings: &mut GatewaySettings) -> anyhow::Result<()> {
        let times = [
            (
                "logon_timeout",
                &self.logon_timeout,
                &mut settings.logon_timeout,
            ),
            (
                "establish_timeout",
                &self.establish_timeout,
                &mut settings.establish_timeout,
            ),
            (
                "hmac_timeout",
                &self.hmac_timeout,
                &mut settings.hmac_timeout,
            ),
        ];
        for (key, given, setting) in times {
            if let Some(text) = given {
                *setting = time(key, text)?;
            }
        }
        if let Some(text) = &self.stale_after {
            settings.stale_after = match text.as_str() {
                "off" => None,
                text => Some(time("stale_after", text)?),
            };
        }
        take(self.stale_code, &mut settings.stale_code);
        if let Some(first) = &self.checks {
            settings.checks = checks(first)?;
        }
        take(self.keep_alive_min_ms, &mut settings.keep_alive_min_ms);
        take(self.keep_alive_max_ms, &mut settings.keep_alive_max_ms);
        take(self.invalid_logons_max, &mut settings.invalid_logons_max);
        take(
            self.count_other_messages,
            &mut settings.count_other_messages,
        );
        take(
            self.count_establish_terms,
            &mut settings.count_establish_terms,
        );
        take(
            self.refusal.map(LogonRefusal::Terminate),
            &mut settings.refusal,
        );
        take(self.close_after_reject, &mut settings.close_after_reject);
        take(self.renegotiate_code, &mut settings.renegotiate_code);
        take(self.seq_num_max, &mut settings.seq_num_max);
        take(self.request_max, &mut settings.request_max);
        take(
            self.sequence_after_retransmission,
            &mut settings.sequence_after_retransmission,
        );
        self.apply_words(settings)?;
        let rates = [
            ("rate", &self.rate, &mut settings.rate),
            ("admin_rate", &self.admin_rate, &mut settings.admin_rate),
        ];
        for (key, given, setting) in rates {
            if let Some(rate) = given {
                *setting = Some(RateLimit {
                    window: time(&format!("{key}.window"), &rate.window)?,
                    reject_above: rate.reject_above,
                    terminate_above: rate.terminate_above,
                });
            }
        }
        match &self.split {
            None => {}
            Some(Split::Word(word)) if word == "off" => settings.split = None,
            Some(Split::Word(word)) => {
                return Err(wrong(
                    "split",
                    word,
                    "off, or a table of delay_us and queue_max",
                ));
            }
            Some(Split::Penalty {
                delay_us,
                queue_max,
            }) => {
                settings.split = Some(SplitPenalty {
                    delay: Duration::from_micros(*delay_us),
                    queue_max: *queue_max,
                });
            }
        }
        Ok(())
    }

    fn apply_words(&self, settings: &mut GatewaySettings) -> anyhow::Result<()> {
        choose(
            "identity_refusal",
            self.identity_refusal.as_ref(),
            &mut settings.identity_refusal,
            [
                ("terminate", IdentityRefusal::Terminate),
                ("reject", IdentityRefusal::Reject),
            ],
        )?;
        choose(
            "repeated_logon",
            self.repeated_logon.as_ref(),
            &mut settings.repeated_logon,
            [
                ("terminate", RepeatedLogon::Terminate),
                ("ignore", RepeatedLogon::Ignore),
            ],
        )?;
        choose(
            "second_connection",
            self.second_connection.as_ref(),
            &mut settings.second_connection,
            [
                ("terminate", SecondConnection::Terminate),
                ("turn_away", SecondConnection::TurnAway),
            ],
        )?;
        choose(
            "unbound_uuid",
            self.unbound_uuid.as_ref(),
            &mut settings.unbound_uuid,
            [
                ("of_message", UnboundUuid::OfMessage),
                ("of_session", UnboundUuid::OfSession),
            ],
        )?;
        choose(
            "terminate_stamp",
            self.terminate_stamp.as_ref(),
            &mut settings.terminate_stamp,
            [
                ("clock", TerminateStamp::Clock),
                ("last_logon", TerminateStamp::LastLogon),
            ],
        )?;
        choose(
            "establish_hole",
            self.establish_hole.as_ref(),
            &mut settings.establish_hole,
            [("wait", EstablishHole::Wait), ("move", EstablishHole::Move)],
        )?;
        choose(
            "unasked_gap",
            self.unasked_gap.as_ref(),
            &mut settings.unasked_gap,
            [
                ("not_applied", UnaskedGap::NotApplied),
                ("accept", UnaskedGap::Accept),
            ],
        )?;
        choose(
            "beyond_gap",
            self.beyond_gap.as_ref(),
            &mut settings.beyond_gap,
            [("refuse", BeyondGap::Refuse), ("apply", BeyondGap::Apply)],
        )?;
        choose(
            "not_applied_count",
            self.not_applied_count.as_ref(),
            &mut settings.not_applied_count,
            [
                ("with_refused", NotAppliedCount::WithRefused),
                ("missing_only", NotAppliedCount::MissingOnly),
            ],
        )?;
        choose(
            "retransmit_uuid",
            self.retransmit_uuid.as_ref(),
            &mut settings.retransmit_uuid,
            [
                ("terminate", RetransmitUuid::Terminate),
                ("reject", RetransmitUuid::Reject),
            ],
        )
    }
}

fn take<T>(given: Option<T>, setting: &mut T) {
    if let Some(given) = given {
        *setting = given;
    }
}

fn choose<T: Copy>(
    key: &str,
    given: Option<&String>,
    setting: &mut T,
    words: [(&str, T); 2],
) -> anyhow::Result<()> {
    let Some(given) = given else {
        return Ok(());
    };
    let found = words.iter().find(|(word, _)| word == given);
    let right = format!("{} or {}", words[0].0, words[1].0);
    *setting = found.ok_or_else(|| wrong(key, given, right))?.1;
    Ok(())
}

fn time(key: &str, text: &str) -> anyhow::Result<Duration> {
    config::span(text).with_context(|| format!("gateway.{key}: {text}, expected a time such as 500ms"))
}

/// The checks that are named, then the others.
fn checks(first: &[String]) -> anyhow::Result<[Check; Check::ORDER.len()]> {
    let mut order = Vec::new();
    for name in first {
        let found = Check::ORDER.into_iter().find(|check| is(*check, name));
        let check = found.filter(|check| !order.contains(check));
        let right = "each once of lane, uuid_present, uuid, timestamp, present, printable, \
                     keep_alive_interval, next_seq_no, signature, authorised, rate";
        order.push(check.ok_or_else(|| wrong("checks", name, right))?);
    }
    let others = Check::ORDER
        .into_iter()
        .filter(|check| !order.contains(check));
    let all: Vec<Check> = order.iter().copied().chain(others).collect();
    Ok(all.try_into().expect("invariant: each is there once"))
}

/// Whether a check goes by this name: `next_seq_no` is `NextSeqNo`.
fn is(check: Check, name: &str) -> bool {
    format!("{check:?}").to_lowercase() == name.replace('_', "")
}

fn wrong(key: &str, value: impl Display, right: impl Display) -> anyhow::Error {
    anyhow::anyhow!("gateway.{key}: {value}, expected {right}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str) -> anyhow::Result<GatewaySettings> {
        let rules: Rules = toml::from_str(text)?;
        let mut settings = GatewaySettings::default();
        rules.apply(&mut settings)?;
        Ok(settings)
    }

    /// Another value for every setting.
    const ALL: &str = r#"
        logon_timeout = "1s"
        establish_timeout = "2s"
        hmac_timeout = "3s"
        stale_after = "off"
        stale_code = 0
        checks = ["signature", "next_seq_no"]
        keep_alive_min_ms = 100
        keep_alive_max_ms = 65000
        invalid_logons_max = 2
        count_other_messages = false
        count_establish_terms = false
        refusal = 23
        identity_refusal = "reject"
        close_after_reject = false
        repeated_logon = "ignore"
        renegotiate_code = 6
        second_connection = "turn_away"
        unbound_uuid = "of_session"
        terminate_stamp = "last_logon"
        seq_num_max = 1000
        establish_hole = "move"
        unasked_gap = "accept"
        beyond_gap = "apply"
        not_applied_count = "missing_only"
        request_max = 10
        sequence_after_retransmission = false
        retransmit_uuid = "reject"
        rate = { window = "3s", reject_above = 500, terminate_above = 750 }
        admin_rate = { window = "3s", reject_above = 5, terminate_above = 7 }
        split = { delay_us = 10, queue_max = 50 }
    "#;

    #[test]
    fn every_setting_of_a_gateway_is_a_key() {
        let lines = |settings: &GatewaySettings| -> Vec<String> {
            // One line for each setting, or more.
            format!("{settings:#?}")
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let (before, after) = (GatewaySettings::default(), applied(ALL).unwrap());
        let (before, after) = (lines(&before), lines(&after));
        let names = |lines: &[String]| -> Vec<String> {
            let of = lines
                .iter()
                .filter(|line| line.starts_with("    ") && !line.starts_with("     "));
            of.filter_map(|line| line.trim().split_once(':').map(|(name, _)| name.to_owned()))
                .collect()
        };
        assert_eq!(names(&before), names(&after));
        assert_eq!(
            names(&before).len(),
            ALL.lines().filter(|line| line.contains(" = ")).count()
        );
        for name in names(&before) {
            let value = |lines: &[String]| -> Vec<String> {
                let head = format!("    {name}:");
                let body = lines.iter().skip_while(|line| !line.starts_with(&head));
                let first = body.clone().take(1);
                first
                    .chain(body.skip(1).take_while(|line| line.starts_with("     ")))
                    .cloned()
                    .collect()
            };
            assert_ne!(value(&before), value(&after), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (text, parts) in [
            (
                "beyond_gap = 'drop'",
                &["gateway.beyond_gap: drop, expected refuse or apply"][..],
            ),
            (
                "checks = ['uuid', 'uuid']",
                &["gateway.checks: uuid", "next_seq_no"],
            ),
            (
                "stale_after = 'soon'",
                &["gateway.stale_after: soon", "500ms"],
            ),
            ("split = 'on'", &["gateway.split: on, expected off"]),
            (
                "rate = { window = 'x', reject_above = 1, terminate_above = 1 }",
                &["gateway.rate.window: x"],
            ),
            ("penalty = 3", &["unknown field `penalty`"]),
        ] {
            let error = format!("{:#}", applied(text).unwrap_err());
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
        let order = applied("checks = ['rate', 'next_seq_no']").unwrap().checks;
        assert_eq!(order[..3], [Check::Rate, Check::NextSeqNo, Check::Lane]);
        assert_eq!(applied("split = 'off'").unwrap().split, None);
    }
}

//! Settings as a scenario writes them.

use std::str::FromStr;
use std::time::Duration;

use pinfix::session::fixp::{
    BeyondGap, Check, EstablishHole, IdentityRefusal, Lane, LogonRefusal, NextLogon, NotAppliedCount,
    OnNotApplied, RateLimit, RepeatedLogon, RetransmitUuid, SecondConnection, Settings, SplitPenalty,
    TerminateStamp, Unanswered, UnaskedGap, UnboundUuid, Unconsumed, UnknownPrevious, Unserved,
    UuidRule,
};

pub fn set(settings: &mut Settings, key: &str, value: &str) -> Result<(), String> {
    let client = &mut settings.client;
    let gateway = &mut settings.gateway;
    match key {
        "keep_alive_ms" => settings.keep_alive_ms = parse(value)?,
        "slack_percent" => settings.slack_percent = parse(value)?,
        "lane" => {
            settings.lane = one_of(
                value,
                &[("Primary", Lane::Primary), ("Backup", Lane::Backup)],
            )?;
        }
        "schema_version" => settings.schema_version = parse(value)?,
        "finish_retransmission" => settings.finish_retransmission = parse(value)?,
        "client.uuid" => {
            client.uuid = one_of(
                value,
                &[("Clock", UuidRule::Clock), ("Next", UuidRule::Next)],
            )?;
        }
        "client.unanswered" => {
            client.unanswered = one_of(
                value,
                &[
                    ("Reconnect", Unanswered::Reconnect),
                    ("SendAgain", Unanswered::SendAgain),
                ],
            )?;
        }
        "client.ack_at_one" => client.ack_at_one = parse(value)?,
        "client.unknown_previous" => {
            client.unknown_previous = one_of(
                value,
                &[
                    ("Warn", UnknownPrevious::Warn),
                    ("Fetch", UnknownPrevious::Fetch),
                ],
            )?;
        }
        "client.request_max" => client.request_max = parse(value)?,
        "client.fruitless_max" => client.fruitless_max = parse(value)?,
        "client.parked_max" => client.parked_max = parse(value)?,
        "client.unserved" => {
            client.unserved = one_of(
                value,
                &[("GoOn", Unserved::GoOn), ("Terminate", Unserved::Terminate)],
            )?;
        }
        "client.not_applied" => {
            client.not_applied = one_of(
                value,
                &[
                    ("Skip", OnNotApplied::Skip),
                    ("Resend", OnNotApplied::Resend),
                ],
            )?;
        }
        "client.unconsumed" => {
            client.unconsumed = one_of(
                value,
                &[
                    ("Sequence", Unconsumed::Sequence),
                    ("Nothing", Unconsumed::Nothing),
                ],
            )?;
        }
        "client.failed_logons_max" => client.failed_logons_max = parse(value)?,
        "client.after_terminate" => {
            let (code, next) = value.split_once(' ').ok_or("CODE NEXT")?;
            let next = one_of(
                next,
                &[
                    ("establish", NextLogon::Establish),
                    ("negotiate", NextLogon::Negotiate),
                    ("halt", NextLogon::Halt),
                ],
            )?;
            client.after_terminate.push((parse(code)?, next));
        }
        "gateway.stale_after_s" => {
            gateway.stale_after = match value {
                "none" => None,
                seconds => Some(Duration::from_secs(parse(seconds)?)),
            }
        }
        "gateway.keep_alive_min_ms" => gateway.keep_alive_min_ms = parse(value)?,
        "gateway.hmac_timeout_s" => gateway.hmac_timeout = Duration::from_secs(parse(value)?),
        "gateway.invalid_logons_max" => gateway.invalid_logons_max = parse(value)?,
        "gateway.count_other_messages" => gateway.count_other_messages = parse(value)?,
        "gateway.refusal" => {
            gateway.refusal = match value.split_once(' ') {
                Some(("Terminate", code)) => LogonRefusal::Terminate(parse(code)?),
                _ => LogonRefusal::Reject,
            }
        }
        "gateway.close_after_reject" => gateway.close_after_reject = parse(value)?,
        "gateway.establish_hole" => {
            gateway.establish_hole = one_of(
                value,
                &[("Wait", EstablishHole::Wait), ("Move", EstablishHole::Move)],
            )?;
        }
        "gateway.unasked_gap" => {
            gateway.unasked_gap = one_of(
                value,
                &[
                    ("NotApplied", UnaskedGap::NotApplied),
                    ("Accept", UnaskedGap::Accept),
                ],
            )?;
        }
        "gateway.not_applied_count" => gateway.not_applied_count = count_of(value)?,
        "gateway.sequence_after_retransmission" => {
            gateway.sequence_after_retransmission = parse(value)?;
        }
        "gateway.retransmit_uuid" => {
            gateway.retransmit_uuid = one_of(
                value,
                &[
                    ("Terminate", RetransmitUuid::Terminate),
                    ("Reject", RetransmitUuid::Reject),
                ],
            )?;
        }
        "gateway.rate" | "gateway.admin_rate" => {
            let numbers: Vec<u32> = value.split(' ').map(parse).collect::<Result<_, _>>()?;
            let [window_s, reject_above, terminate_above] = numbers[..] else {
                return Err("WINDOW_S REJECT TERMINATE".into());
            };
            let rate = Some(RateLimit {
                window: Duration::from_secs(window_s.into()),
                reject_above,
                terminate_above,
            });
            if key == "gateway.rate" {
                gateway.rate = rate;
            } else {
                gateway.admin_rate = rate;
            }
        }
        "gateway.logon_timeout_s" => gateway.logon_timeout = Duration::from_secs(parse(value)?),
        "gateway.establish_timeout_s" => gateway.establish_timeout = Duration::from_secs(parse(value)?),
        "gateway.keep_alive_max_ms" => gateway.keep_alive_max_ms = parse(value)?,
        "gateway.request_max" => gateway.request_max = parse(value)?,
        "gateway.stale_code" => gateway.stale_code = parse(value)?,
        "gateway.renegotiate_code" => gateway.renegotiate_code = parse(value)?,
        "gateway.seq_num_max" => gateway.seq_num_max = parse(value)?,
        "gateway.count_establish_terms" => gateway.count_establish_terms = parse(value)?,
        "gateway.checks" => {
            // These first, the others behind them in their order.
            let named: Vec<Check> = value.split(' ').map(check_of).collect::<Result<_, _>>()?;
            let others = Check::ORDER
                .into_iter()
                .filter(|check| !named.contains(check));
            let order: Vec<Check> = named.iter().copied().chain(others).collect();
            gateway.checks = order.try_into().map_err(|_| "a check is there twice")?;
        }
        "gateway.identity_refusal" => {
            gateway.identity_refusal = one_of(
                value,
                &[
                    ("Terminate", IdentityRefusal::Terminate),
                    ("Reject", IdentityRefusal::Reject),
                ],
            )?;
        }
        "gateway.repeated_logon" => {
            gateway.repeated_logon = one_of(
                value,
                &[
                    ("Terminate", RepeatedLogon::Terminate),
                    ("Ignore", RepeatedLogon::Ignore),
                ],
            )?;
        }
        "gateway.second_connection" => {
            gateway.second_connection = one_of(
                value,
                &[
                    ("Terminate", SecondConnection::Terminate),
                    ("TurnAway", SecondConnection::TurnAway),
                ],
            )?;
        }
        "gateway.unbound_uuid" => {
            gateway.unbound_uuid = one_of(
                value,
                &[
                    ("OfMessage", UnboundUuid::OfMessage),
                    ("OfSession", UnboundUuid::OfSession),
                ],
            )?;
        }
        "gateway.terminate_stamp" => {
            gateway.terminate_stamp = one_of(
                value,
                &[
                    ("Clock", TerminateStamp::Clock),
                    ("LastLogon", TerminateStamp::LastLogon),
                ],
            )?;
        }
        "gateway.beyond_gap" => {
            gateway.beyond_gap = one_of(
                value,
                &[("Refuse", BeyondGap::Refuse), ("Apply", BeyondGap::Apply)],
            )?;
        }
        "client.retransmit_timeout_s" => client.retransmit_timeout = Duration::from_secs(parse(value)?),
        "client.back_off_s" => client.back_off = Duration::from_secs(parse(value)?),
        "client.not_applied_count" => client.not_applied_count = count_of(value)?,
        "gateway.split" => {
            gateway.split = match value.split_once(' ') {
                Some((delay_us, queue_max)) => Some(SplitPenalty {
                    delay: Duration::from_micros(parse(delay_us)?),
                    queue_max: parse(queue_max)?,
                }),
                None if value == "none" => None,
                None => return Err("DELAY_US QUEUE_MAX, or none".into()),
            }
        }
        _ => return Err(format!("{key} is no setting here")),
    }
    Ok(())
}

fn count_of(value: &str) -> Result<NotAppliedCount, String> {
    let counts = [
        ("WithRefused", NotAppliedCount::WithRefused),
        ("MissingOnly", NotAppliedCount::MissingOnly),
    ];
    one_of(value, &counts)
}

fn check_of(word: &str) -> Result<Check, String> {
    let found = Check::ORDER
        .into_iter()
        .find(|check| format!("{check:?}") == word);
    found.ok_or_else(|| format!("{word} is no check"))
}

fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no value of it"))
}

fn one_of<T: Copy>(word: &str, of: &[(&str, T)]) -> Result<T, String> {
    let found = of.iter().find(|entry| entry.0 == word);
    found
        .map(|entry| entry.1)
        .ok_or_else(|| format!("{word} is no value of it"))
}

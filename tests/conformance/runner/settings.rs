//! What `set KEY VALUE` means: the one place where a key of a scenario meets a setting of the engine.

use std::time::Duration;

use pinfix::dict::{ApplDialect, Dictionaries, Scope, builtin};
use pinfix::engine::{EngineConfig, Failover, SessionConfig};
use pinfix::session::fix::policy::{
    BelowExpected, Garbled, LogoutAboveExpected, OnSilence, OrigSendingTime, RequestEnd, ResendFrom,
};
use pinfix::session::fix::{
    AtEnd, AtLogon, BeyondRate, Code, DataOrder, Environment, Flood, HeartbeatChoice, InboundRate,
    LogonField, MsgDirection, MsgTypeSupport, OnFailure, OnHold, OnInvalid, OutboundRate, Rate,
    SlowPeer, WhileDown,
};
use pinfix::time::TimestampPrecision;
use pinfix::venue::Profile;
use pinfix::wire::fix::ApplVersion;

use crate::app::App;

pub(super) fn set(
    config: &mut SessionConfig,
    engine: &mut EngineConfig,
    app: &mut App,
    key: &str,
    value: &str,
) -> Result<(), String> {
    let wrong = || format!("{key}: {value} is not understood");
    let number = || value.parse::<usize>().map_err(|_| wrong());
    let span = |text: &str| {
        crate::script::signed_span(&format!("+{text}"))
            .map(|ns| Duration::from_nanos(ns.unsigned_abs()))
            .map_err(|_| wrong())
    };
    let on = || match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong()),
    };
    let low = || match value {
        "accept" => Ok(BelowExpected::Accept),
        "refuse" => Ok(BelowExpected::Refuse),
        _ => Err(wrong()),
    };
    if let Some(done) = super::hours::set(config, key, value) {
        return done;
    }
    if key == "venue" {
        config.apply(Profile::named(value).ok_or_else(wrong)?);
        // The scenarios are about what is said, in whatever it is wrapped.
        config.connect.tls = None;
        return Ok(());
    }
    let settings = &mut config.settings;
    match key {
        "heartbeat" => settings.heartbeat_s = number()? as u32,
        "logon_timeout" => settings.logon_timeout = span(value)?,
        "logout_timeout" => settings.logout.timeout = span(value)?,
        "window" if value == "off" => settings.checks.sending_time_window = None,
        "window" => settings.checks.sending_time_window = Some(span(value)?),
        "at_logon" => {
            settings.at_logon = match value {
                "continue" => AtLogon::Continue,
                "ask-reset" => AtLogon::AskReset,
                "ask-reset-at-one" => AtLogon::AskResetAtOne,
                "restart" => AtLogon::Restart,
                _ => return Err(wrong()),
            }
        }
        "heartbeat_bounds" => {
            let (min, max) = value.split_once('-').ok_or_else(wrong)?;
            settings.logon.heartbeat.min_s = min.parse().map_err(|_| wrong())?;
            settings.logon.heartbeat.max_s = max.parse().map_err(|_| wrong())?;
        }
        "heartbeat_choice" => {
            settings.logon.heartbeat.choice = match value {
                "theirs" => HeartbeatChoice::Theirs,
                "same" => HeartbeatChoice::Same,
                "ours" => HeartbeatChoice::Ours,
                _ => return Err(wrong()),
            }
        }
        "next_expected" if value == "on" => settings.logon.next_expected = true,
        "last_processed" if value == "on" => settings.logon.last_processed = true,
        "appl_version" => settings
            .logon
            .appl_versions
            .push(ApplVersion::from_appl_ver_id(value.as_bytes()).ok_or_else(wrong)?),
        "environment" => {
            settings.logon.environment = match value {
                "production" => Environment::Production,
                "test" => Environment::Test,
                "any" => Environment::Any,
                _ => return Err(wrong()),
            }
        }
        "announce_max" => settings.logon.max_message_bytes = Some(number()? as u32),
        "msg_type" => {
            let mut words = value.split_whitespace();
            let name = words.next().ok_or_else(wrong)?;
            let direction = match words.next() {
                Some("S") => MsgDirection::Send,
                Some("R") => MsgDirection::Receive,
                _ => return Err(wrong()),
            };
            let mut entry = MsgTypeSupport::new(name, direction).ok_or_else(wrong)?;
            entry.appl_version = words
                .next()
                .and_then(|version| ApplVersion::from_appl_ver_id(version.as_bytes()));
            entry.is_default = words.next() == Some("default");
            settings.logon.msg_types.push(entry);
        }
        "on_hold" if value == "silence" => settings.logon.on_hold = OnHold::Silence,
        "admission_timeout" => settings.logon.admission_timeout = span(value)?,
        "on_failure" => {
            settings.on_failure = match value {
                "reject" => OnFailure::Reject,
                "disconnect" => OnFailure::Disconnect,
                "restart" => OnFailure::Restart,
                _ => return Err(wrong()),
            }
        }
        "at_end" => {
            settings.at_end = match value {
                "continue" => AtEnd::Continue,
                "restart-after-logout" => AtEnd::RestartAfterLogout,
                "restart-always" => AtEnd::RestartAlways,
                _ => return Err(wrong()),
            }
        }
        "precision" => {
            settings.precision = match value {
                "s" => TimestampPrecision::Seconds,
                "ms" => TimestampPrecision::Millis,
                "us" => TimestampPrecision::Micros,
                "ns" => TimestampPrecision::Nanos,
                _ => return Err(wrong()),
            }
        }
        "parked_max" => settings.recovery.parked_max = number()?,
        "parked_bytes_max" => settings.recovery.parked_bytes_max = number()?,
        "chunk" => settings.recovery.chunk = Some(number()? as u64),
        "request_end" => {
            settings.recovery.end = match value {
                "open-at-first" => RequestEnd::OpenAtFirst,
                "open" => RequestEnd::Open,
                "closed" => RequestEnd::Closed,
                _ => return Err(wrong()),
            }
        }
        "redundant_requests" => settings.recovery.redundant_requests = on()?,
        "repeat_after" => settings.recovery.repeat_after = Some(span(value)?),
        "repeats_max" => settings.recovery.repeats_max = number()? as u32,
        "resend_from" if value == "nothing" => settings.resend.from = ResendFrom::Nothing,
        "resend_rejects" => settings.resend.rejects = on()?,
        "application_poss_dup" => settings.resend.application_poss_dup = on()?,
        "same_request_max" => settings.resend.same_request_max = number()? as u32,
        "resend_request_low" => settings.resend.below_expected = low()?,
        "test_request_percent" => settings.liveness.test_request_percent = number()? as u32,
        "disconnect_percent" => settings.liveness.disconnect_percent = number()? as u32,
        "on_silence" => {
            settings.liveness.on_silence = match value {
                "logout" => OnSilence::Logout,
                "close" => OnSilence::Close,
                "stay" => OnSilence::Stay,
                _ => return Err(wrong()),
            }
        }
        "logout_linger" => settings.logout.linger = span(value)?,
        "logout_gap" => {
            settings.logout.above_expected = match value {
                "answer" => LogoutAboveExpected::Answer,
                "recover-first" => LogoutAboveExpected::RecoverFirst,
                _ => return Err(wrong()),
            }
        }
        "logout_low" => settings.logout.below_expected = low()?,
        "answer_test_requests" => settings.logout.answer_test_requests = on()?,
        "check_comp_ids" => settings.checks.comp_ids = on()?,
        "check_sequence_numbers" => settings.checks.sequence_numbers = on()?,
        "check_checksum" => settings.checks.checksum = on()?,
        "check_orig_sending_time" => {
            settings.checks.orig_sending_time = match value {
                "always" => OrigSendingTime::Always,
                "below-expected" => OrigSendingTime::BelowExpected,
                "never" => OrigSendingTime::Never,
                _ => return Err(wrong()),
            }
        }
        "on_behalf_of" => {
            let names = value.split(',').map(str::to_owned);
            settings.checks.on_behalf_of_comp_ids = names.collect();
        }
        "garbled" => {
            settings.checks.garbled = match value {
                "ignore" => Garbled::Ignore,
                "reject" => Garbled::Reject,
                _ => return Err(wrong()),
            }
        }
        "garbled_in_a_row_max" => settings.checks.garbled_in_a_row_max = Some(number()? as u32),
        "strict_compat" => *settings = settings.clone().strict_compat(),
        "logon_field" => {
            let (tag, value) = value.split_once('=').ok_or_else(wrong)?;
            settings.logon_fields.push(LogonField {
                tag: tag.parse().map_err(|_| wrong())?,
                value: value.into(),
            });
        }
        "target_sub_id" => settings.id.target_sub_id = Some(value.into()),
        "destinations" => {
            app.tells_address = true;
            let parse = |text: &str| text.parse().map_err(|_| wrong());
            config.connect.destinations = value.split(',').map(parse).collect::<Result<_, _>>()?;
        }
        "failover" => {
            config.connect.policy = match value.split_once(' ') {
                None if value == "round-robin" => Failover::RoundRobin,
                None if value == "remember-last-good" => Failover::RememberLastGood,
                Some(("priority", start_over)) => Failover::Priority {
                    start_over: span(start_over)?,
                },
                _ => return Err(wrong()),
            }
        }
        "connect_timeout" => config.connect.timeout = span(value)?,
        "allow" => {
            let parse = |text: &str| text.parse().map_err(|_| wrong());
            config.accept.allow = value.split(',').map(parse).collect::<Result<_, _>>()?;
        }
        "port" => config.accept.port = Some(number()? as u16),
        "while_down" => {
            settings.sending.while_down = match value {
                "refuse" => WhileDown::Refuse,
                "number" => WhileDown::Number,
                "queue" => WhileDown::Queue,
                _ => return Err(wrong()),
            }
        }
        "queue_messages" => settings.sending.queue.messages = number()?,
        "queue_bytes" => settings.sending.queue.bytes = number()?,
        "outbound_rate" => {
            let (limit, beyond) = rate(value).ok_or_else(wrong)?;
            let beyond = match beyond {
                "refuse" => BeyondRate::Refuse,
                "queue" => BeyondRate::Queue,
                _ => return Err(wrong()),
            };
            settings.sending.outbound = Some(OutboundRate {
                rate: limit,
                beyond,
            });
        }
        "inbound_rate" => {
            let (limit, beyond) = rate(value).ok_or_else(wrong)?;
            let beyond = match beyond {
                "reject" => Flood::Reject,
                "logout" => Flood::Logout,
                _ => return Err(wrong()),
            };
            settings.sending.inbound = Some(InboundRate {
                rate: limit,
                beyond,
            });
        }
        "slow_peer" if value == "disconnect" => settings.sending.slow_peer = SlowPeer::Disconnect,
        "unsent_messages" => config.journal.unsent_limit_messages = number()?,
        "strangers_max" => engine.strangers.max = number()?,
        "strangers_per_source_max" => engine.strangers.per_source_max = number()?,
        "logons_per_minute" => {
            engine.strangers.logons_per_source_and_minute = Some(number()? as u32);
        }
        "patience" => engine.strangers.patience = span(value)?,
        "reconnect" => {
            config.connect.reconnect = value.split(',').map(span).collect::<Result<_, _>>()?
        }
        "record_inbound" if value == "off" => config.journal.record_inbound = false,
        "retention_bytes" => config.journal.retention.bytes = Some(number()? as u64),
        "unsent_limit" => config.journal.unsent_limit_bytes = number()?,
        "segment_bytes" => {
            config.journal.first_segment_bytes = number()?;
            config.journal.max_segment_bytes = number()?;
        }
        // The peer is served by a template; the session that is configured is somebody else's.
        "template" => settings.id.target_comp_id = value.into(),
        "sessions_max" => engine.sessions_max = number()?,
        "max_message_bytes" => engine.max_message_bytes = number()?,
        "max_fields" => engine.max_fields = number()?,
        "dictionary" => {
            let rules = settings.rules;
            let all = Dictionaries::builtin(rules.begin_string, rules.appl_version);
            settings.validation.dictionaries = Some(all);
            settings.validation.scope = match value {
                "full" => Scope::Full,
                "header" => Scope::Header,
                "off" => Scope::Off,
                _ => return Err(wrong()),
            }
        }
        // VERSION,CUSTOM,EXTENSION,DICTIONARY: an ApplVerID(1128), a CstmApplVerID(1129), an
        // ApplExtID(1156), the last two may be left out, and the name of what messages in it are judged by.
        "dialect" => {
            let parts: Vec<&str> = value.split(',').collect();
            let [version, custom, extension, name] = parts[..] else {
                return Err(wrong());
            };
            let dialect = ApplDialect {
                version: ApplVersion::from_appl_ver_id(version.as_bytes()).ok_or_else(wrong)?,
                custom: Some(custom.as_bytes()).filter(|custom| !custom.is_empty()),
                extension: extension.parse().ok(),
            };
            let dictionary = builtin::named(name).ok_or_else(wrong)?;
            let dictionaries = &mut settings.validation.dictionaries;
            let all = dictionaries.take().ok_or_else(wrong)?;
            *dictionaries = Some(all.with_dialect(dialect, dictionary));
        }
        "unchecked" => {
            let checks = &mut settings.validation.checks;
            let check = match value {
                "sections" => &mut checks.sections,
                "empty_values" => &mut checks.empty_values,
                "user_defined_fields" => &mut checks.user_defined_fields,
                "unknown_fields" => &mut checks.unknown_fields,
                "listed_values" => &mut checks.listed_values,
                "group_order" => &mut checks.group_order,
                "group_delimiter" => &mut checks.group_delimiter,
                _ => return Err(wrong()),
            };
            *check = false;
        }
        "checked" if value == "user_defined_types" => {
            settings.validation.checks.user_defined_types = true;
        }
        "invalid" if value == "accept" => settings.validation.invalid = OnInvalid::Accept,
        "switch" => Profile::named("t4")
            .ok_or_else(wrong)?
            .switch(value)
            .map_err(|error| error.to_string())?
            .apply(settings),
        "secure_data" => {
            settings.logon.secure_data = match value {
                "length-first" => DataOrder::LengthFirst,
                "data-first" => DataOrder::DataFirst,
                _ => return Err(wrong()),
            }
        }
        "serve_requests" => settings.logout.serve_requests = on()?,
        "passed_over" => {
            let code = Code::new(value.as_bytes()).ok_or_else(wrong)?;
            settings.resend.passed_over.push(code);
        }
        "refusals_max" => config.connect.refusals_max = Some(number()? as u32),
        "password" => app.password = Some(value.into()),
        _ => return Err(format!("no setting {key}")),
    }
    Ok(())
}

/// `MESSAGES/SECONDS BURST WHAT`.
fn rate(text: &str) -> Option<(Rate, &str)> {
    let (rate, rest) = text.split_once(' ')?;
    let (messages, seconds) = rate.split_once('/')?;
    let (burst, beyond) = rest.split_once(' ')?;
    let rate = Rate {
        messages: messages.parse().ok()?,
        per: Duration::from_secs(seconds.parse().ok()?),
        burst: burst.parse().ok()?,
    };
    Some((rate, beyond))
}

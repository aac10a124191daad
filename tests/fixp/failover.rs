//! The primary gateway fails, and both sides go on over the backup connection: one UUID, one pair of series,
//! nothing lost without a word and nothing twice.

use pinfix::session::SeriesOutbox as _;
use pinfix::session::fixp::Phase;

use crate::Coverage;
use crate::frame::{Fields, Value};
use crate::stage::Stage;
use crate::store::Store;

/// What happens, with settings of both sides.
type Case<S> = (
    &'static str,
    &'static [&'static str],
    for<'a, 'b> fn(&'a mut Stage<'b, S>, &'a mut Stage<'b, S>) -> Result<(), String>,
);

/// # Errors
/// What went wrong, and everything that was done.
pub fn run<S: Store>(coverage: &Coverage) -> Result<(), String> {
    let cases: [Case<S>; 6] = [
        ("reports are under way", &[], fail_over),
        ("an earlier UUID is being fetched", &[], while_fetching),
        (
            "an earlier UUID was being fetched when the connection was lost",
            &[],
            after_an_end_while_fetching,
        ),
        ("signs of life are under way", &[], with_signs_of_life),
        ("orders are lost", &[], with_orders),
        (
            "orders are lost, and are sent again",
            &["client.not_applied Resend"],
            with_orders_to_be_resent,
        ),
    ];
    for (what, changes, case) in cases {
        let mut changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let mut primary = Stage::<S>::new(Some("pair"), &changes, coverage)?;
        changes.push("lane Backup".to_owned());
        let mut backup = Stage::<S>::new(Some("pair"), &changes, coverage)?;
        let done = case(&mut primary, &mut backup);
        done.map_err(|why| {
            let (first, second) = (primary.trace(), backup.trace());
            format!("{what}: {why}\n  {first}\n  on the backup:\n  {second}")
        })?;
    }
    Ok(())
}

/// The backup is established.
fn log_on<S: Store>(primary: &Stage<'_, S>, backup: &mut Stage<'_, S>) -> Result<u64, String> {
    let uuid = primary.sides()[0].store.look().series();
    for side in ["client", "gateway"] {
        backup.line(&format!("{side} follow {uuid}"))?;
    }
    backup.line("connect")?;
    if !backup.is_up() {
        return Err("the backup is not established".into());
    }
    Ok(uuid)
}

/// Both go on over the backup. What is under way on the primary is lost.
fn change<'a, S: Store>(primary: &mut Stage<'a, S>, backup: &mut Stage<'a, S>) -> Result<(), String> {
    primary.line("cut")?;
    let next = primary.sides()[1].numbers().1;
    primary.gateway_takes_over(backup, next)?;
    primary.client_takes_over(backup, next)
}

/// The client has a new UUID, and three reports of the one before have not come. Answers that one.
fn miss_reports<S: Store>(primary: &mut Stage<'_, S>) -> Result<u64, String> {
    primary.line("connect")?;
    primary.line("client send 2")?;
    let before = primary.sides()[0].store.look().series();
    primary.line("cut")?;
    primary.line("gateway send 3")?;
    primary.line("client renew")?;
    primary.line("gateway hold-replay")?;
    primary.line("wait 1s")?;
    primary.line("connect")?;
    Ok(before)
}

fn has_reports<S: Store>(primary: &mut Stage<'_, S>, of: u64) -> Result<(), String> {
    primary.line("gateway replay 100")?;
    primary.line("wait 60s")?;
    primary.line("gateway replay 100")?;
    primary.line("client send 2")?;
    primary.line("gateway send 2")?;
    primary.line("agree")?;
    let uuid = primary.sides()[0].store.look().series();
    let expected = [(of, 1), (of, 2), (of, 3), (uuid, 1), (uuid, 2)];
    let mut taken = primary.sides()[0].taken.clone();
    taken.sort_unstable();
    match taken == expected {
        true => Ok(()),
        false => Err(format!("taken {taken:?}")),
    }
}

fn while_fetching<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    let before = miss_reports(primary)?;
    log_on(primary, backup)?;
    change(primary, backup)?;
    has_reports(primary, before)
}

/// The connection ends with a word, as it does over an error of either side, and that is read first.
fn after_an_end_while_fetching<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    let before = miss_reports(primary)?;
    log_on(primary, backup)?;
    primary.act(0, "logout as the gateway fails")?;
    change(primary, backup)?;
    has_reports(primary, before)
}

/// What the client said on its backup before it knew comes to a gateway that has failed over.
fn with_signs_of_life<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    primary.line("connect")?;
    primary.line("client send 2")?;
    let uuid = log_on(primary, backup)?;
    primary.line("cut")?;
    let next = primary.sides()[1].numbers().1;
    primary.gateway_takes_over(backup, next)?;
    for lapsed in [0, 1, 0] {
        let fields = [
            ("UUID", uuid),
            ("NextSeqNo", 0),
            ("FaultToleranceIndicator", 0),
            ("KeepAliveIntervalLapsed", lapsed),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::Number(value)));
        primary.gateway_hears("Sequence", &Fields::from(fields))?;
    }
    primary.client_takes_over(backup, next)?;
    primary.line("client send 2")?;
    primary.line("gateway send 2")?;
    primary.line("agree")?;
    // Nothing of the kind is to come any more.
    let fields = [
        ("UUID", uuid),
        ("NextSeqNo", 0),
        ("FaultToleranceIndicator", 0),
        ("KeepAliveIntervalLapsed", 0),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), Value::Number(value)));
    primary.gateway_hears("Sequence", &Fields::from(fields))?;
    match primary.sides()[1].told.back() {
        Some(told) if told == "end FixpFault SequenceLow" => Ok(()),
        told => Err(format!("{told:?}")),
    }
}

/// Two orders are on their way when the primary gateway fails.
fn lose_orders<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<u64, String> {
    primary.line("connect")?;
    primary.line("client send 2")?;
    let uuid = log_on(primary, backup)?;
    primary.act(0, "send 2")?;
    change(primary, backup)?;
    Ok(uuid)
}

/// They are told as lost at once, not when the next order is, and that one is not refused for them.
fn with_orders<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    let uuid = lose_orders(primary, backup)?;
    let lost = &primary.sides()[0].not_applied;
    if *lost != [(uuid, 3, 4)] {
        return Err(format!("told as lost: {lost:?}"));
    }
    primary.line("client send 2")?;
    primary.line("wait 60s")?;
    let expected = [1, 2, 5, 6].map(|seq| (uuid, seq));
    let taken = &primary.sides()[1].taken;
    match *taken == expected {
        true => Ok(()),
        false => Err(format!("taken {taken:?}")),
    }
}

/// They go out again with the next order: a Sequence would have passed over them.
fn with_orders_to_be_resent<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    let uuid = lose_orders(primary, backup)?;
    primary.line("client send 1")?;
    primary.line("wait 60s")?;
    primary.line("agree")?;
    let expected = [1, 2, 3, 4, 5].map(|seq| (uuid, seq));
    let taken = &primary.sides()[1].taken;
    match *taken == expected {
        true => Ok(()),
        false => Err(format!("taken {taken:?}")),
    }
}

fn fail_over<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    primary.line("connect")?;
    primary.line("client send 2")?;
    primary.line("gateway send 3")?;
    let uuid = log_on(primary, backup)?;
    backup.line("wait 30s")?;
    primary.line("wait 30s")?;
    if !backup.is_up() {
        return Err("the backup is not established".into());
    }
    // What the gateway said last does not arrive.
    primary.act(1, "send 2")?;
    primary.line("cut")?;
    primary.line("gateway send 1")?;
    let next = primary.sides()[1].numbers().1;
    primary.gateway_takes_over(backup, next)?;
    backup.line("client told logged-on")?;
    backup.line(&format!("client told promoted {next}"))?;
    primary.client_takes_over(backup, next)?;
    if backup
        .sides()
        .iter()
        .any(|side| side.session.phase() != Phase::Down)
    {
        return Err("the backup still has a connection".into());
    }
    primary.line("client send 2")?;
    primary.line("gateway send 2")?;
    primary.line("agree")?;
    primary.line("wait 60s")?;
    primary.line("agree")?;
    let client = &primary.sides()[0];
    let reports = client.taken.len();
    if (reports, client.store.look().series()) != (8, uuid) {
        return Err(format!(
            "{reports} reports under {}",
            client.store.look().series()
        ));
    }
    Ok(())
}

//! The primary gateway fails, and both sides go on over the backup connection: one UUID, one pair of series,
//! nothing lost and nothing twice.

use pinfix::session::SeriesOutbox as _;
use pinfix::session::fixp::Phase;

use crate::Coverage;
use crate::stage::Stage;
use crate::store::Store;

/// # Errors
/// What went wrong, and everything that was done.
pub fn run<S: Store>(coverage: &Coverage) -> Result<(), String> {
    let mut primary = Stage::<S>::new(Some("pair"), &[], coverage)?;
    let lane = ["lane Backup".to_owned()];
    let mut backup = Stage::<S>::new(Some("pair"), &lane, coverage)?;
    let done = fail_over(&mut primary, &mut backup);
    done.map_err(|why| {
        let (first, second) = (primary.trace(), backup.trace());
        format!("{why}\n  {first}\n  on the backup:\n  {second}")
    })
}

fn fail_over<'a, S: Store>(
    primary: &mut Stage<'a, S>,
    backup: &mut Stage<'a, S>,
) -> Result<(), String> {
    primary.line("connect")?;
    primary.line("client send 2")?;
    primary.line("gateway send 3")?;
    let uuid = primary.sides()[0].store.look().series();
    for side in ["client", "gateway"] {
        backup.line(&format!("{side} follow {uuid}"))?;
    }
    backup.line("connect")?;
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

//! A peer that says anything at any time: no panic, nothing after a Terminate, and the machine still does
//! its work for a peer that behaves.

use pinfix::session::fixp::{Check, Phase, Pieces};

use crate::Coverage;
use crate::frame::{self, Fields, Kind, LAYOUTS, Value};
use crate::stage::Stage;
use crate::store::Store;
use crate::storm::Dice;

/// How many such peers there are for each role.
pub const SEEDS: u64 = 400;

const STEPS: u64 = 60;

/// # Errors
/// What went wrong, with the seed and everything that was done.
pub fn run<S: Store>(seed: u64, role: &str, coverage: &Coverage) -> Result<(), String> {
    let changes = [
        "client.parked_max 4".to_owned(),
        "client.not_applied Resend".to_owned(),
        "client.unknown_previous Fetch".to_owned(),
        "client.failed_logons_max 10".to_owned(),
        "gateway.invalid_logons_max 10".to_owned(),
        "gateway.stale_after_s none".to_owned(),
        format!("gateway.split {} 3", [3, 2_000_000][seed as usize % 2]),
        // Each in another rhythm, so that all go with all.
        format!(
            "gateway.beyond_gap {}",
            ["Refuse", "Apply"][seed as usize / 2 % 2]
        ),
        format!(
            "gateway.identity_refusal {}",
            ["Terminate", "Reject"][seed as usize / 4 % 2]
        ),
        format!(
            "gateway.repeated_logon {}",
            ["Terminate", "Ignore"][seed as usize / 8 % 2]
        ),
        format!(
            "gateway.terminate_stamp {}",
            ["Clock", "LastLogon"][seed as usize / 16 % 2]
        ),
        format!(
            "gateway.unbound_uuid {}",
            ["OfMessage", "OfSession"][seed as usize / 32 % 2]
        ),
        format!(
            "gateway.close_after_reject {}",
            (seed / 64).is_multiple_of(2)
        ),
        format!(
            "gateway.checks {:?}",
            Check::ORDER[seed as usize % Check::ORDER.len()]
        ),
    ];
    let mut stage = Stage::<S>::new(Some(role), &changes, coverage)?;
    let done = hostile(&mut stage, seed);
    done.map_err(|why| format!("seed {seed}, {role}: {why}\n  {}", stage.trace()))
}

fn hostile<S: Store>(stage: &mut Stage<'_, S>, seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    for _ in 0..STEPS {
        stage.forget();
        if !stage.sides()[0].connected || stage.sides()[0].is_ending() {
            stage.act(0, "disconnect")?;
            stage.forget();
            stage.act(0, "resume")?;
            stage.act(0, "reopen")?;
            // As often as not it is up before the trouble begins.
            if dice.throw(2) == 0 {
                let up = stage.line("given up");
                if up.is_err() {
                    stage.forget();
                }
                continue;
            }
            stage.act(0, "connect")?;
            stage.forget();
        }
        match dice.throw(12) {
            0 => stage.line(&format!("wait {}s", dice.throw(30)))?,
            3 => stage.line(&format!("wait {}us", dice.throw(6)))?,
            1 if stage.is_up() => stage.act(0, "send 1").or_else(|why| {
                // Messages may be waiting to be sent again.
                (why == "Err(Resending)").then_some(()).ok_or(why)
            })?,
            2 => stage.act(
                0,
                &format!("broken {}", ["Sofh", "Undecodable"][dice.throw(2) as usize]),
            )?,
            _ => {
                let bytes = frame(stage, &mut dice)?;
                let pieces = match dice.throw(4) {
                    0 => Some(Pieces::Split),
                    1 => Some(Pieces::OutOfOrder),
                    _ => None,
                };
                stage.hear(&bytes, pieces)?;
            }
        }
        let side = &stage.sides()[0];
        let terminates = side
            .wire
            .iter()
            .position(|bytes| frame::describe(bytes).starts_with("Terminate"));
        // A gateway may complain of the answer to its own.
        if let Some(at) = terminates
            && side.wire[at + 1..]
                .iter()
                .any(|bytes| !frame::describe(bytes).starts_with("Terminate"))
        {
            return Err("something was sent after a Terminate".into());
        }
        let ended = side
            .told
            .iter()
            .any(|told| told.starts_with("end ") || told.starts_with("close "));
        if ended != (side.session.phase() == Phase::Closing) {
            return Err(format!(
                "told {:?} in {:?}",
                side.told,
                side.session.phase()
            ));
        }
    }
    Ok(())
}

/// A frame of any kind, with fields that are right, odd or wild.
fn frame<S: Store>(stage: &mut Stage<'_, S>, dice: &mut Dice) -> Result<Vec<u8>, String> {
    let layout = &LAYOUTS[dice.throw(LAYOUTS.len() as u64) as usize];
    let client = stage.sides()[0].is_client();
    let mut fields: Fields = stage.defaults(layout.name, client);
    for (name, _, kind) in layout.fields {
        if dice.throw(5) != 0 {
            continue;
        }
        let bits = match kind {
            Kind::U8 => 8,
            Kind::U16 => 16,
            Kind::U32 => 32,
            Kind::U64 => 64,
            Kind::Text(_) | Kind::Bytes(_) => {
                fields.insert((*name).to_owned(), Value::Null);
                continue;
            }
        };
        let max = u64::MAX >> (64 - bits);
        let wild = match dice.throw(7) {
            0 => Value::Null,
            1 => Value::Number(max - 1),
            2 => Value::Number(max / 2 + 1),
            3 => Value::Number(0),
            4 => Value::Number(dice.throw(max)),
            _ => match fields.get(*name) {
                Some(Value::Number(number)) => {
                    Value::Number((number + dice.throw(4)).saturating_sub(1).min(max))
                }
                _ => Value::Number(dice.throw(5).min(max)),
            },
        };
        fields.insert((*name).to_owned(), wild);
    }
    if dice.throw(3) > 0 {
        stage.sign(layout.name, &mut fields);
    }
    let mut bytes = layout.build(&fields, [5, 8, 9, 9, 9, 200][dice.throw(6) as usize])?;
    if dice.throw(20) == 0 {
        // Another template, schema or block length, within the same size.
        let at = [4, 6, 8, 10][dice.throw(4) as usize];
        bytes[at] = bytes[at].wrapping_sub(dice.throw(20) as u8);
    }
    Ok(bytes)
}

//! The end of an engine that a command polls itself.

use std::time::Duration;

use pinfix::engine::{Application, Clock, Engine};

/// Logs every session out. `idle` is called between two cycles. Answers whether all had ended within
/// `patience`.
pub fn log_out<A: Application>(
    engine: &mut Engine,
    clock: &mut Clock,
    app: &mut A,
    patience: Duration,
    mut idle: impl FnMut(),
) -> bool {
    let now = clock.now();
    engine.begin_stop(now, app);
    let end = now.mono + patience;
    while !engine.is_stopped() {
        let now = clock.now();
        engine.poll(now, app);
        idle();
        if now.mono >= end {
            return false;
        }
    }
    true
}

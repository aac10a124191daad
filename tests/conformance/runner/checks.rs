//! What every frame of the engine must be, whatever the scenario is about.

use pinfix::time::TimestampPrecision;

use super::Run;
use crate::frame::{ENGINE, PEER, Received, printed};

impl Run<'_> {
    pub(super) fn check(&mut self, frame: &Received) -> Result<(), String> {
        let is = |tag, value: &str| frame.get(tag) == Some(value.as_bytes());
        if !is(8, self.rules.begin_string) || !is(49, ENGINE) || !is(56, PEER) {
            return Err("wrong BeginString(8), SenderCompID(49) or TargetCompID(56)".into());
        }
        let precision = if self.rules.fractional_seconds {
            self.config.settings.precision
        } else {
            TimestampPrecision::Seconds
        };
        let now = self.now.utc.to_fix(precision).to_string();
        if !is(52, &now) && !self.held_back {
            return Err(format!("SendingTime(52) should be {now}"));
        }
        let number = frame.number(34).ok_or("MsgSeqNum(34) is no number")?;
        let bridged = self.config.settings.resend.application_poss_dup && number >= self.engine_number;
        if is(43, "Y") && !bridged {
            return self.check_resent(frame, number);
        }
        if (frame.get(43).is_some() || frame.get(122).is_some()) && !bridged {
            return Err("a new message with 43 or 122".into());
        }
        let logon = is(35, "A") && (is(141, "Y") || self.restarts);
        // By a schedule, numbers may start anew without a Logon.
        let restart = number == 1 && (logon || !self.config.schedule.is_non_stop());
        if restart {
            self.engine_number = 1;
            self.originals.clear();
        }
        if number > self.engine_number && self.raised == Some(number) {
            self.engine_number = number;
            self.raised = None;
        }
        if number != self.engine_number && !(self.held_back && number > self.engine_number) {
            return Err(format!("MsgSeqNum(34) should be {}", self.engine_number));
        }
        self.engine_number = number + 1;
        self.originals.insert(number, frame.clone());
        Ok(())
    }

    fn check_resent(&self, frame: &Received, number: u64) -> Result<(), String> {
        if number >= self.engine_number {
            return Err("a number sent again that was never sent".into());
        }
        if frame.get(35) == Some(b"4") {
            let next = frame.number(36).unwrap_or_default();
            return if next <= number || next > self.engine_number || frame.get(123) != Some(b"Y") {
                Err("a gap fill that leads backwards or beyond what was sent".into())
            } else if frame.get(122).is_none() {
                Err("a gap fill with 43 but without 122".into())
            } else {
                Ok(())
            };
        }
        let Some(original) = self.originals.get(&number) else {
            // Sent before the restart, or lost in a socket.
            return Ok(());
        };
        if frame.get(122) != original.get(52) {
            return Err("OrigSendingTime(122) is not the original SendingTime(52)".into());
        }
        let body = |frame: &Received| -> Vec<(u32, Vec<u8>)> {
            let changed = [9, 10, 43, 52, 122];
            let kept = frame
                .fields
                .iter()
                .filter(|field| !changed.contains(&field.0));
            kept.cloned().collect()
        };
        if body(frame) != body(original) {
            return Err(format!(
                "differs from what was sent first: {}",
                printed(&original.bytes)
            ));
        }
        Ok(())
    }
}

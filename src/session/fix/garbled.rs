//! Bytes that are no sound message: ignored, or rejected where a setting says so, and not for ever.
//!
//! They move no number, unless they are rejected under the expected one, and are no sign of life. What
//! little is read of them here is read without trust: nothing in them has been checked.

use super::policy::Garbled;
use super::{Session, State, Step};
use crate::session::{Cause, Fault, Full, Outbox};
use crate::time::Now;
use crate::wire::fix::frame;
use crate::wire::fix::scan::SOH;
use crate::wire::fix::value;

impl Session {
    /// Takes note of `bytes` that are no sound message, for the reason `why`; `None`: the frame was
    /// sound, its fields were not.
    pub fn garbled<O: Outbox>(
        &mut self,
        now: Now,
        bytes: &[u8],
        why: Option<frame::Garbled>,
        out: &mut O,
    ) -> Step {
        self.take_garbled(now, bytes, why, out)
            .unwrap_or_else(|full| self.no_room(full))
    }

    fn take_garbled<O: Outbox>(
        &mut self,
        now: Now,
        bytes: &[u8],
        why: Option<frame::Garbled>,
        out: &mut O,
    ) -> Result<Step, Full> {
        let up = match self.state {
            State::Down | State::Admitting(_) | State::LogonSent(_) => {
                self.tally.note(Fault::GarbledLogon);
                return Ok(self.close(Cause::Fault(Fault::GarbledLogon)));
            }
            State::Up(_) => true,
            State::Resetting(_) | State::LogoutSent(_) | State::Closing(_) => false,
        };
        // How many pieces a run of noise is reported in depends on the network.
        if why != Some(frame::Garbled::Noise) && up {
            self.garbled_in_a_row = self.garbled_in_a_row.saturating_add(1);
            let max = self.settings.checks.garbled_in_a_row_max;
            if max.is_some_and(|max| self.garbled_in_a_row > max) {
                self.tally.note(Fault::GarbledFlood);
                return self.end_with(now, Fault::GarbledFlood, out);
            }
            let number = field(bytes, b"34=").and_then(value::parse_uint);
            if self.settings.checks.garbled == Garbled::Reject && number == Some(out.next_in()) {
                self.tally.note(Fault::GarbledRejected);
                self.tally.rejects_out += 1;
                let msg_type = field(bytes, b"35=").filter(|kind| kind.len() <= MSG_TYPE_MAX);
                let text = Fault::GarbledRejected.text();
                self.pen
                    .reject_garbled(now, out.next_in(), msg_type, REASON_OTHER, text, out)?;
                self.spoke(now);
                self.count(out);
                return Ok(Step::Done);
            }
        }
        self.tally.note(Fault::Garbled);
        Ok(Step::Done)
    }
}

/// SessionRejectReason(373) of the Reject.
const REASON_OTHER: u16 = 99;

/// The longest MsgType(35) that is repeated from a garbled message, in bytes.
const MSG_TYPE_MAX: usize = 16;

/// The value of the first field that begins with `start`, if it has one and an end.
fn field<'a>(bytes: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let value = bytes
        .split_inclusive(|&byte| byte == SOH)
        .find_map(|field| field.strip_prefix(start))?;
    value.strip_suffix(&[SOH]).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_where_it_begins_and_ends() {
        let bytes = b"8=FIX.4.4\x019=5\x0135=D\x01134=9\x0134=7\x01junk\x0158=cut";
        assert_eq!(field(bytes, b"34="), Some(&b"7"[..]));
        assert_eq!(field(bytes, b"35="), Some(&b"D"[..]));
        assert_eq!(field(bytes, b"58="), None, "its end was lost");
        assert_eq!(field(bytes, b"11="), None);
    }
}

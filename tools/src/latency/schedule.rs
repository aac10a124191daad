//! When orders are sent: one after the other, or at a rate that does not wait for answers.

/// How the load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The next order is sent when the one before is answered.
    Closed,
    /// So many orders per second, answered or not.
    Open(u64),
}

impl Load {
    /// When order `nth` of a block is due, in nanoseconds from the start of the block. In a closed
    /// loop nothing is due at a time.
    pub fn due_ns(self, nth: usize) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Open(per_second) => {
                let ns = nth as u128 * 1_000_000_000 / u128::from(per_second.max(1));
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The run, cut into blocks: floor, engine, floor, engine, and so on, so that a machine that becomes
/// slower or faster meanwhile does so for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Measured exchanges in all, of each kind.
    pub messages: usize,
    /// Measured exchanges per block; the last block may have fewer.
    pub size: usize,
    /// Exchanges at the start of each block that are not measured: the caches still hold the other
    /// kind.
    pub lead_in: usize,
}

/// At least this many blocks of each kind, if there are messages enough.
const BLOCKS_MIN: usize = 20;
/// Exchanges of one kind in a row. Short enough that even where an exchange takes milliseconds no heartbeat is missed meanwhile.
pub const BLOCK_MAX: usize = 2_000;
const BLOCK_MIN: usize = 100;
const LEAD_IN_MAX: usize = 100;

impl Blocks {
    pub fn new(messages: usize, load: Load) -> Self {
        let size = (messages / BLOCKS_MIN).clamp(BLOCK_MIN, BLOCK_MAX);
        let size = match load {
            Load::Closed => size,
            // Half a second at most, so that no heartbeat is missed while the floor is measured.
            Load::Open(per_second) => size.min(usize::try_from(per_second / 2).unwrap_or(size)),
        };
        let size = size.clamp(1, messages.max(1));
        Self {
            messages,
            size,
            lead_in: (size / 4).min(LEAD_IN_MAX),
        }
    }

    /// The measured exchanges of each block.
    pub fn sizes(self) -> impl Iterator<Item = usize> {
        (0..self.messages)
            .step_by(self.size)
            .map(move |start| self.size.min(self.messages - start))
    }

    /// Exchanges of both kinds, lead-ins among them, for the progress bar.
    pub fn exchanges(self) -> usize {
        2 * self.sizes().map(|size| size + self.lead_in).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_add_up_to_the_messages() {
        for messages in [1, 2, 99, 100, 2000, 100_001] {
            for load in [
                Load::Closed,
                Load::Open(1),
                Load::Open(50),
                Load::Open(100_000),
            ] {
                let blocks = Blocks::new(messages, load);
                assert_eq!(
                    blocks.sizes().sum::<usize>(),
                    messages,
                    "{messages} {load:?}"
                );
            }
        }
    }

    #[test]
    fn orders_are_due_at_the_rate_without_drift() {
        let load = Load::Open(3);
        assert_eq!(load.due_ns(0), 0);
        assert_eq!(load.due_ns(1), 333_333_333);
        assert_eq!(load.due_ns(3_000_000), 1_000_000 * 1_000_000_000);
    }
}

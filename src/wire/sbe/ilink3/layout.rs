//! What the session layer must know of each message: who sends it, where its number stands, how long its block is.
//! Taken from the descriptions of the codecs when this is compiled.

use super::super::{Body, DecodeError, Frame, MessageDescription, Parts};
use super::generated::SCHEMA;

/// The version that is written unless another is asked for.
pub const VERSION: u16 = 9;

/// The oldest version that is still read.
pub const OLDEST_VERSION: u16 = 5;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client to the exchange.
    ToExchange,
    /// The exchange to the client.
    ToClient,
    /// Either.
    Both,
}

/// A message as a session sees it. Offsets count from the start of the block, behind the 12 bytes of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `templateId`.
    pub template_id: u16,
    /// Its name, such as `NewOrderSingle`.
    pub name: &'static str,
    /// MsgType(35) of its FIX counterpart; that of a session message is its name.
    pub msg_type: &'static str,
    /// Who sends it.
    pub direction: Direction,
    /// SeqNum(9726), 4 bytes: business messages have it, session messages have none.
    pub seq_num: Option<u16>,
    /// UUID(39001), 8 bytes.
    pub uuid: Option<u16>,
    /// SendingTimeEpoch(5297), 8 bytes.
    pub sending_time_epoch: Option<u16>,
    /// PossRetransFlag(9765), 1 byte.
    pub poss_retrans_flag: Option<u16>,
    /// SplitMsg(9553), 1 byte.
    pub split_msg: Option<u16>,
    /// The first version that has the message.
    pub since: u16,
    /// Bytes of the block in the versions 5 to 9; 0 where there is no such message.
    pub block_lengths: [u16; 5],
}

impl Layout {
    const NONE: Self = Self {
        template_id: 0,
        name: "",
        msg_type: "",
        direction: Direction::Both,
        seq_num: None,
        uuid: None,
        sending_time_epoch: None,
        poss_retrans_flag: None,
        split_msg: None,
        since: 0,
        block_lengths: [0; 5],
    };

    /// Bytes of the block in `version`; `None` for a version that is not read, or is without the message.
    #[must_use]
    pub fn block_length(&self, version: u16) -> Option<u16> {
        let nth = usize::from(version.checked_sub(OLDEST_VERSION)?);
        self.block_lengths
            .get(nth)
            .copied()
            .filter(|&length| length > 0)
    }

    /// Whether the message is numbered.
    #[must_use]
    pub fn is_business(&self) -> bool {
        self.seq_num.is_some()
    }

    const fn of(message: &MessageDescription) -> Self {
        let mut block_lengths = [0; 5];
        let mut nth = 0;
        while nth < 5 {
            let version = OLDEST_VERSION + nth as u16;
            if version >= message.since {
                block_lengths[nth] = message.body.block_length_in(version);
            }
            nth += 1;
        }
        let seq_num = offset(message.body, 9726);
        Self {
            template_id: message.template_id,
            name: message.name,
            msg_type: message.semantic_type,
            direction: direction(message.template_id, seq_num),
            seq_num,
            uuid: offset(message.body, 39001),
            sending_time_epoch: offset(message.body, 5297),
            poss_retrans_flag: offset(message.body, 9765),
            split_msg: offset(message.body, 9553),
            since: message.since,
            block_lengths,
        }
    }
}

/// Where the field with this tag stands.
const fn offset(body: &Body, tag: u32) -> Option<u16> {
    let mut at = 0;
    while at < body.fields.len() {
        if body.fields[at].tag == tag {
            return Some(body.fields[at].offset as u16);
        }
        at += 1;
    }
    None
}

/// Business messages of the exchange begin with their number, those of a client have it further behind.
const fn direction(template_id: u16, seq_num: Option<u16>) -> Direction {
    match (template_id, seq_num) {
        (_, Some(0)) => Direction::ToClient,
        (_, Some(_)) => Direction::ToExchange,
        (500 | 503 | 508, None) => Direction::ToExchange,
        (506 | 507, None) => Direction::Both,
        (_, None) => Direction::ToClient,
    }
}

const COUNT: usize = SCHEMA.messages.len();
const FIRST: u16 = SCHEMA.messages[0].template_id;
const SPAN: usize = (SCHEMA.messages[COUNT - 1].template_id - FIRST) as usize + 1;

/// By `templateId`, from the first on; a name of no letters where there is no such message.
static LAYOUTS: [Layout; SPAN] = {
    let mut layouts = [Layout::NONE; SPAN];
    let mut at = 0;
    while at < COUNT {
        let message = SCHEMA.messages[at];
        layouts[(message.template_id - FIRST) as usize] = Layout::of(message);
        at += 1;
    }
    layouts
};

/// The message of a `templateId`; `None` if iLink 3 has no such message.
#[inline]
#[must_use]
pub fn layout_of(template_id: u16) -> Option<&'static Layout> {
    let nth = usize::from(template_id.checked_sub(FIRST)?);
    LAYOUTS
        .get(nth)
        .filter(|layout| layout.template_id == template_id)
}

/// What follows the headers of each, by `templateId` as [`LAYOUTS`].
static BODIES: [Option<&Body>; SPAN] = {
    let mut bodies = [None; SPAN];
    let mut at = 0;
    while at < COUNT {
        let message = SCHEMA.messages[at];
        bodies[(message.template_id - FIRST) as usize] = Some(message.body);
        at += 1;
    }
    bodies
};

/// Checks that the groups and data of a message end within it, without a look at what they hold.
///
/// # Errors
///
/// [`DecodeError::UnknownTemplate`] if iLink 3 has no such message; else what [`Parts::skip`] refuses.
#[inline]
pub fn check_parts(frame: &Frame<'_>) -> Result<(), DecodeError> {
    let given = frame.template_id();
    let body = given
        .checked_sub(FIRST)
        .and_then(|nth| *BODIES.get(usize::from(nth))?)
        .ok_or(DecodeError::UnknownTemplate { given })?;
    Parts::of(frame).skip(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::decode;
    use super::*;

    proptest! {
        /// Whatever follows a block, messages are taken for whole that `decode` can take apart.
        #[test]
        fn parts_that_fit(
            nth in 0..COUNT,
            headers in proptest::collection::vec((0_u8..80, 0_u8..4), 0..4),
            rest in 0_usize..300,
            version in OLDEST_VERSION..=VERSION,
        ) {
            let message = SCHEMA.messages[nth];
            let mut parts = Vec::new();
            for (entry_len, count) in headers {
                parts.extend([entry_len, 0, count]);
                parts.resize(parts.len() + usize::from(entry_len) * usize::from(count), 0);
            }
            parts.truncate(rest);
            let block = message.body.block_length;
            let len = 12 + block + u16::try_from(parts.len()).unwrap();
            let head = [len, 0xCAFE, block, message.template_id, 8, version];
            let mut bytes: Vec<u8> = head.iter().flat_map(|value| value.to_le_bytes()).collect();
            bytes.extend(message.body.image);
            bytes.extend(parts);
            let frame = Frame::new(&bytes).unwrap();
            prop_assert_eq!(check_parts(&frame).err(), decode(&frame, &SCHEMA).err());
        }
    }

    #[test]
    fn what_a_session_must_know() {
        let order = layout_of(514).unwrap();
        assert_eq!((order.name, order.msg_type), ("NewOrderSingle", "D"));
        assert_eq!(order.direction, Direction::ToExchange);
        assert_eq!(
            (order.seq_num, order.uuid, order.sending_time_epoch),
            (Some(17), None, Some(77))
        );
        let report = layout_of(522).unwrap();
        assert_eq!(report.direction, Direction::ToClient);
        assert_eq!(
            (report.seq_num, report.uuid, report.sending_time_epoch),
            (Some(0), Some(4), Some(132))
        );
        assert_eq!(
            (report.poss_retrans_flag, report.split_msg),
            (Some(193), Some(194))
        );
        let list = layout_of(537).unwrap();
        assert_eq!(
            (list.seq_num, list.direction),
            (Some(16), Direction::ToExchange)
        );
        assert_eq!(layout_of(507).unwrap().direction, Direction::Both);
        assert!(!layout_of(507).unwrap().is_business());
        for none in [0, 499, 511, 512, 520, 547, 572, 65535] {
            assert_eq!(layout_of(none), None, "{none}");
        }
    }

    /// Lengths of the blocks in versions 5, 8 and 9.
    #[test]
    fn lengths_of_blocks_in_older_versions() {
        for (template_id, lengths) in [
            (501, [32, 32, 33]),
            (502, [68, 68, 69]),
            (504, [38, 38, 39]),
            (505, [72, 72, 73]),
            (500, [76, 76, 76]),
            (507, [67, 67, 67]),
            (514, [116, 132, 132]),
            (515, [125, 133, 133]),
            (516, [88, 96, 96]),
            (517, [92, 123, 123]),
            (522, [209, 226, 226]),
            (523, [467, 483, 483]),
            (524, [202, 219, 219]),
            (525, [235, 293, 293]),
            (527, [199, 219, 219]),
            (528, [52, 61, 61]),
            (529, [71, 79, 79]),
            (531, [217, 226, 226]),
            (532, [480, 513, 513]),
            (534, [214, 247, 247]),
            (545, [350, 351, 352]),
            (548, [181, 222, 266]),
            (549, [187, 187, 227]),
            (550, [176, 196, 236]),
            (560, [71, 72, 72]),
            (561, [429, 430, 430]),
            (562, [114, 130, 130]),
            (563, [351, 368, 370]),
            (564, [0, 219, 219]),
            (571, [0, 0, 350]),
        ] {
            let layout = layout_of(template_id).unwrap();
            let [five, _, _, eight, nine] = layout.block_lengths;
            assert_eq!([five, eight, nine], lengths, "{template_id}");
        }
        assert_eq!(layout_of(514).unwrap().block_length(4), None);
        assert_eq!(layout_of(514).unwrap().block_length(10), None);
        assert_eq!(layout_of(566).unwrap().block_length(8), None);
    }
}

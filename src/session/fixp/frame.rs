//! Frames, and where the fields of a business message lie.

/// Bytes before the root block: framing header and SBE header.
pub(super) const HEAD_LEN: usize = 12;

/// The number of the schema.
pub(super) const SCHEMA_ID: u16 = 8;

/// One sound frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    block: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame that is complete.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let block = u16::from_le_bytes([*bytes.get(4)?, *bytes.get(5)?]);
        let block = bytes.get(HEAD_LEN..HEAD_LEN + usize::from(block))?;
        Some(Self { bytes, block })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The root block.
    #[must_use]
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// The template.
    #[must_use]
    pub fn template(&self) -> u16 {
        u16::from_le_bytes([self.bytes[6], self.bytes[7]])
    }
}

/// Where the fields of a business message lie that a session fills in or looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) shortest_block: usize,
    pub(super) seq_num: Option<usize>,
    pub(super) uuid: Option<usize>,
    pub(super) sending_time: Option<usize>,
    pub(super) poss_retrans: Option<usize>,
}

pub(super) fn layout_of(template: u16) -> Option<Layout> {
    let row = BUSINESS.iter().find(|row| row.0 == template)?;
    Some(Layout {
        shortest_block: row.1,
        seq_num: row.2,
        uuid: row.3,
        sending_time: row.4,
        poss_retrans: row.5,
    })
}

/// Bytes of the root block and of what follows it.
pub(super) fn room_of(template: u16, version: u16) -> (usize, usize) {
    let late = usize::from(version >= 9);
    match template {
        500 => (76, 2),
        501 => (32 + late, 2),
        502 => (68 + late, 0),
        503 => (132, 2),
        504 => (38 + late, 0),
        505 => (72 + late, 0),
        506 => (14, 0),
        507 => (67, 0),
        508 => (30, 0),
        509 => (31, 0),
        510 => (75, 0),
        513 => (17, 0),
        _ => (0, 0),
    }
}

type Row = (
    u16,
    usize,
    Option<usize>,
    Option<usize>,
    Option<usize>,
    Option<usize>,
);

const BUSINESS: &[Row] = &[
    (514, 116, Some(17), None, Some(77), None),
    (515, 125, Some(17), None, Some(93), None),
    (516, 88, Some(17), None, Some(69), None),
    (517, 92, Some(17), None, Some(8), None),
    (518, 147, Some(17), None, Some(8), None),
    (519, 159, Some(0), Some(4), Some(115), Some(157)),
    (521, 330, Some(0), Some(4), Some(296), Some(327)),
    (522, 209, Some(0), Some(4), Some(132), Some(193)),
    (523, 467, Some(0), Some(4), Some(388), Some(451)),
    (524, 202, Some(0), Some(4), Some(132), Some(195)),
    (525, 235, Some(0), Some(4), Some(140), Some(226)),
    (526, 230, Some(0), Some(4), Some(140), Some(222)),
    (527, 199, Some(0), Some(4), Some(141), Some(198)),
    (528, 52, Some(17), None, Some(8), None),
    (529, 71, Some(17), None, Some(41), None),
    (530, 68, Some(17), None, Some(41), None),
    (531, 217, Some(0), Some(4), Some(132), Some(201)),
    (532, 480, Some(0), Some(4), Some(388), Some(472)),
    (533, 62, Some(17), None, Some(49), None),
    (534, 214, Some(0), Some(4), Some(132), Some(197)),
    (535, 409, Some(0), Some(4), Some(372), Some(398)),
    (536, 409, Some(0), Some(4), Some(372), Some(398)),
    (537, 20, Some(16), None, Some(8), None),
    (538, 93, Some(0), Some(4), Some(48), Some(91)),
    (539, 101, Some(17), None, Some(87), None),
    (543, 55, Some(17), None, Some(41), None),
    (544, 74, Some(17), None, Some(57), None),
    (545, 350, Some(0), Some(4), Some(304), Some(341)),
    (546, 358, Some(0), Some(4), Some(321), Some(349)),
    (548, 181, Some(0), Some(4), Some(124), Some(175)),
    (549, 187, Some(0), Some(4), Some(124), Some(180)),
    (550, 176, Some(0), Some(4), Some(124), Some(174)),
    (560, 71, Some(17), None, Some(41), None),
    (561, 429, Some(0), Some(4), Some(367), Some(428)),
    (562, 114, Some(0), Some(4), Some(48), Some(105)),
    (563, 351, Some(0), Some(4), Some(304), Some(342)),
    (564, 219, Some(0), Some(4), Some(124), Some(175)),
    (565, 196, Some(0), Some(4), Some(124), Some(175)),
    (566, 67, Some(17), None, Some(50), None),
    (567, 124, Some(17), None, Some(8), None),
    (568, 52, Some(17), None, Some(8), None),
    (569, 52, Some(17), None, Some(8), None),
    (570, 51, Some(17), None, Some(8), None),
    (571, 350, Some(0), Some(4), Some(304), Some(339)),
];

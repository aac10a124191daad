//! The messages of the session layer as values: what is read from a frame, and how each is written.
//!
//! Nulls stay visible, because a field that must not be null is the gateway's to complain about: `None`
//! is a null, and a field that ends beyond the block is null.

use super::frame::{Frame, HEAD_LEN, SCHEMA_ID, layout_of, room_of};
use crate::session::Text;

/// Template numbers of the session layer.
pub(super) mod template {
    pub(in super::super) const NEGOTIATE: u16 = 500;
    pub(in super::super) const NEGOTIATION_RESPONSE: u16 = 501;
    pub(in super::super) const NEGOTIATION_REJECT: u16 = 502;
    pub(in super::super) const ESTABLISH: u16 = 503;
    pub(in super::super) const ESTABLISHMENT_ACK: u16 = 504;
    pub(in super::super) const ESTABLISHMENT_REJECT: u16 = 505;
    pub(in super::super) const SEQUENCE: u16 = 506;
    pub(in super::super) const TERMINATE: u16 = 507;
    pub(in super::super) const RETRANSMIT_REQUEST: u16 = 508;
    pub(in super::super) const RETRANSMISSION: u16 = 509;
    pub(in super::super) const RETRANSMIT_REJECT: u16 = 510;
    pub(in super::super) const NOT_APPLIED: u16 = 513;
    pub(in super::super) const BUSINESS_REJECT: u16 = 521;
}

/// A message, by what the session does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter<'a> {
    Negotiate(Request<'a>),
    Establish(Request<'a>),
    NegotiationResponse(Response),
    EstablishmentAck(Response),
    NegotiationReject(LogonReject),
    EstablishmentReject(LogonReject),
    Sequence(Sequence),
    Terminate(Terminate),
    RetransmitRequest(Retransmit),
    Retransmission(Retransmit),
    RetransmitReject(RetransmitReject),
    NotApplied(NotApplied),
    Business(Business),
}

/// Negotiate(500) or Establish(503).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) signature: &'a [u8],
    pub(super) access_key_id: &'a [u8],
    pub(super) uuid: Option<u64>,
    pub(super) stamp: Option<u64>,
    pub(super) session: &'a [u8],
    pub(super) firm: &'a [u8],
    /// Of an Establish only.
    pub(super) terms: Option<Terms<'a>>,
}

/// What an Establish has beyond a Negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms<'a> {
    pub(super) system_name: &'a [u8],
    pub(super) system_version: &'a [u8],
    pub(super) system_vendor: &'a [u8],
    pub(super) next_seq_no: Option<u32>,
    pub(super) keep_alive_ms: Option<u16>,
}

/// NegotiationResponse(501) or EstablishmentAck(504).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) uuid: u64,
    pub(super) stamp: u64,
    /// Of an EstablishmentAck only; 0 otherwise.
    pub(super) next_seq_no: u32,
    pub(super) previous_seq_no: u32,
    pub(super) previous_uuid: u64,
    /// Of an EstablishmentAck only; 0 otherwise.
    pub(super) keep_alive_ms: u16,
}

/// NegotiationReject(502) or EstablishmentReject(505).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogonReject {
    pub(super) uuid: u64,
    pub(super) stamp: u64,
    /// Of an EstablishmentReject only; 0 otherwise.
    pub(super) next_seq_no: u32,
    pub(super) code: u16,
    pub(super) reason: Text,
}

/// Sequence(506).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) uuid: Option<u64>,
    pub(super) next_seq_no: Option<u32>,
    /// KeepAliveIntervalLapsed(39016).
    pub(super) lapsed: Option<u8>,
}

/// Terminate(507).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminate {
    pub(super) reason: Text,
    pub(super) uuid: Option<u64>,
    pub(super) stamp: Option<u64>,
    pub(super) code: Option<u16>,
}

/// RetransmitRequest(508) or Retransmission(509).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retransmit {
    pub(super) uuid: Option<u64>,
    /// The earlier UUID; none for the bound one.
    pub(super) last_uuid: Option<u64>,
    pub(super) stamp: Option<u64>,
    pub(super) from: Option<u32>,
    pub(super) count: Option<u16>,
}

/// RetransmitReject(510).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetransmitReject {
    pub(super) uuid: Option<u64>,
    pub(super) last_uuid: Option<u64>,
    pub(super) stamp: Option<u64>,
    pub(super) code: u16,
    pub(super) reason: Text,
}

/// NotApplied(513).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotApplied {
    pub(super) uuid: Option<u64>,
    pub(super) from: u32,
    pub(super) count: u32,
}

/// A business message: the fields the session looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Business {
    pub(super) template: u16,
    pub(super) seq: Option<u32>,
    /// Only messages of the exchange have one.
    pub(super) uuid: Option<u64>,
    /// PossRetransFlag(9765); messages of the client have none.
    pub(super) retransmitted: bool,
    /// A BusinessReject(521) that refers to no number of ours.
    pub(super) unconsumed: bool,
}

/// Which side sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Gateway,
    Either,
}

impl<'a> Letter<'a> {
    /// Reads a frame; `None` if its template is unknown or its block shorter than any version of it.
    pub(super) fn read(frame: &Frame<'a>) -> Option<Self> {
        let block = Block(frame.block());
        if frame.block().len() < shortest_block(frame.template())? {
            return None;
        }
        Some(match frame.template() {
            template::NEGOTIATE => Self::Negotiate(Request {
                signature: block.bytes(0, 32),
                access_key_id: block.text(32, 20),
                uuid: block.u64(52),
                stamp: block.u64(60),
                session: block.text(68, 3),
                firm: block.text(71, 5),
                terms: None,
            }),
            template::ESTABLISH => Self::Establish(Request {
                signature: block.bytes(0, 32),
                access_key_id: block.text(32, 20),
                uuid: block.u64(102),
                stamp: block.u64(110),
                session: block.text(122, 3),
                firm: block.text(125, 5),
                terms: Some(Terms {
                    system_name: block.text(52, 30),
                    system_version: block.text(82, 10),
                    system_vendor: block.text(92, 10),
                    next_seq_no: block.u32(118),
                    keep_alive_ms: block.u16(130),
                }),
            }),
            template::NEGOTIATION_RESPONSE => Self::NegotiationResponse(Response {
                uuid: block.u64(0)?,
                stamp: block.u64(8)?,
                next_seq_no: 0,
                previous_seq_no: block.u32(20)?,
                previous_uuid: block.u64(24)?,
                keep_alive_ms: 0,
            }),
            template::ESTABLISHMENT_ACK => Self::EstablishmentAck(Response {
                uuid: block.u64(0)?,
                stamp: block.u64(8)?,
                next_seq_no: block.u32(16)?,
                previous_seq_no: block.u32(20)?,
                previous_uuid: block.u64(24)?,
                keep_alive_ms: block.u16(32)?,
            }),
            template::NEGOTIATION_REJECT => Self::NegotiationReject(LogonReject {
                reason: Text::lossy(block.text(0, 48)),
                uuid: block.u64(48)?,
                stamp: block.u64(56)?,
                next_seq_no: 0,
                code: block.u16(64)?,
            }),
            template::ESTABLISHMENT_REJECT => Self::EstablishmentReject(LogonReject {
                reason: Text::lossy(block.text(0, 48)),
                uuid: block.u64(48)?,
                stamp: block.u64(56)?,
                next_seq_no: block.u32(64)?,
                code: block.u16(68)?,
            }),
            template::SEQUENCE => Self::Sequence(Sequence {
                uuid: block.u64(0),
                next_seq_no: block.u32(8),
                lapsed: block.u8(13),
            }),
            template::TERMINATE => Self::Terminate(Terminate {
                reason: Text::lossy(block.text(0, 48)),
                uuid: block.u64(48),
                stamp: block.u64(56),
                code: block.u16(64),
            }),
            template::RETRANSMIT_REQUEST => Self::RetransmitRequest(block.retransmit()),
            template::RETRANSMISSION => Self::Retransmission(block.retransmit()),
            template::RETRANSMIT_REJECT => Self::RetransmitReject(RetransmitReject {
                reason: Text::lossy(block.text(0, 48)),
                uuid: block.u64(48),
                last_uuid: block.u64(56),
                stamp: block.u64(64),
                code: block.u16(72)?,
            }),
            template::NOT_APPLIED => Self::NotApplied(NotApplied {
                uuid: block.u64(0),
                from: block.u32(8)?,
                count: block.u32(12)?,
            }),
            business => {
                let layout = layout_of(business)?;
                Self::Business(Business {
                    template: business,
                    seq: block.u32(layout.seq_num?),
                    uuid: layout.uuid.and_then(|at| block.u64(at)),
                    retransmitted: layout.poss_retrans.and_then(|at| block.u8(at)) == Some(1),
                    unconsumed: business == template::BUSINESS_REJECT
                        && block.u32(REF_SEQ_NUM).is_none(),
                })
            }
        })
    }

    /// Which side may send it.
    pub(super) fn sender(&self) -> Sender {
        match self {
            Self::Negotiate(_) | Self::Establish(_) | Self::RetransmitRequest(_) => Sender::Client,
            Self::Sequence(_) | Self::Terminate(_) => Sender::Either,
            Self::Business(business) => {
                let of_gateway = layout_of(business.template).is_some_and(|of| of.uuid.is_some());
                if of_gateway {
                    Sender::Gateway
                } else {
                    Sender::Client
                }
            }
            _ => Sender::Gateway,
        }
    }

    /// RequestTimestamp(39002) as it came, for a Terminate over it.
    pub(super) fn stamp(&self) -> Option<u64> {
        match self {
            Self::Negotiate(request) | Self::Establish(request) => request.stamp,
            Self::Terminate(terminate) => terminate.stamp,
            Self::RetransmitRequest(request) | Self::Retransmission(request) => request.stamp,
            Self::RetransmitReject(reject) => reject.stamp,
            Self::NegotiationResponse(response) | Self::EstablishmentAck(response) => {
                Some(response.stamp)
            }
            Self::NegotiationReject(reject) | Self::EstablishmentReject(reject) => Some(reject.stamp),
            Self::Sequence(_) | Self::NotApplied(_) | Self::Business(_) => None,
        }
    }

    /// UUID(39001) as it came, for a Terminate over it.
    pub(super) fn uuid(&self) -> Option<u64> {
        match self {
            Self::Negotiate(request) | Self::Establish(request) => request.uuid,
            Self::Sequence(sequence) => sequence.uuid,
            Self::Terminate(terminate) => terminate.uuid,
            Self::RetransmitRequest(request) | Self::Retransmission(request) => request.uuid,
            Self::RetransmitReject(reject) => reject.uuid,
            Self::NotApplied(not_applied) => not_applied.uuid,
            Self::Business(business) => business.uuid,
            Self::NegotiationResponse(response) | Self::EstablishmentAck(response) => {
                Some(response.uuid)
            }
            Self::NegotiationReject(reject) | Self::EstablishmentReject(reject) => Some(reject.uuid),
        }
    }
}

/// RefSeqNum(45) in a BusinessReject(521).
pub(super) const REF_SEQ_NUM: usize = 317;

/// Block bytes of the oldest version of a template; `None` if there is no such template.
fn shortest_block(template: u16) -> Option<usize> {
    Some(match template {
        template::NEGOTIATE => 76,
        template::NEGOTIATION_RESPONSE => 32,
        template::NEGOTIATION_REJECT => 68,
        template::ESTABLISH => 132,
        template::ESTABLISHMENT_ACK => 38,
        template::ESTABLISHMENT_REJECT => 72,
        template::SEQUENCE => 14,
        template::TERMINATE => 67,
        template::RETRANSMIT_REQUEST => 30,
        template::RETRANSMISSION => 31,
        template::RETRANSMIT_REJECT => 75,
        template::NOT_APPLIED => 17,
        business => layout_of(business)?.shortest_block,
    })
}

/// A root block, read by offset.
#[derive(Clone, Copy)]
struct Block<'a>(&'a [u8]);

impl<'a> Block<'a> {
    fn bytes(self, at: usize, len: usize) -> &'a [u8] {
        self.0.get(at..at + len).unwrap_or_default()
    }

    /// Without the padding.
    fn text(self, at: usize, len: usize) -> &'a [u8] {
        let bytes = self.bytes(at, len);
        let end = bytes.iter().rposition(|&byte| byte != 0);
        &bytes[..end.map_or(0, |last| last + 1)]
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at + N)?.try_into().ok()
    }

    fn u8(self, at: usize) -> Option<u8> {
        Some(self.array::<1>(at)?[0]).filter(|&value| value != u8::MAX)
    }

    fn u16(self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.array(at)?)).filter(|&value| value != u16::MAX)
    }

    fn u32(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.array(at)?)).filter(|&value| value != u32::MAX)
    }

    fn u64(self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.array(at)?)).filter(|&value| value != u64::MAX)
    }

    fn retransmit(self) -> Retransmit {
        Retransmit {
            uuid: self.u64(0),
            last_uuid: self.u64(8),
            stamp: self.u64(16),
            from: self.u32(24),
            count: self.u16(28),
        }
    }
}

/// A frame being written: all zero but its head, so that a field that is not put is zero or empty.
struct Sheet<'a>(&'a mut [u8]);

/// Writes the head of a frame that fills `room`, with a root block of `block` bytes.
fn head(room: &mut [u8], block: usize, template: u16, version: u16) {
    let head = [
        u16::try_from(room.len()).unwrap_or(u16::MAX),
        0xCAFE,
        u16::try_from(block).unwrap_or(u16::MAX),
        template,
        SCHEMA_ID,
        version,
    ];
    for (field, value) in room.chunks_exact_mut(2).zip(head) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}

/// The head of a frame that is all root block.
pub(super) fn letter_head(room: &mut [u8], template: u16, version: u16) {
    let block = room.len() - HEAD_LEN;
    head(room, block, template, version);
}

impl<'a> Sheet<'a> {
    /// A sheet in room of exactly [`len_of`] bytes.
    fn new(room: &'a mut [u8], template: u16, version: u16) -> Self {
        let (block, _) = room_of(template, version);
        room.fill(0);
        head(room, block, template, version);
        Self(&mut room[HEAD_LEN..HEAD_LEN + block])
    }

    /// Cut to what there is room for, both of the field and of the block: a version that does not have
    /// the field has no room for it.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(field) = self.0.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }

    fn text(&mut self, at: usize, len: usize, text: &[u8]) {
        self.put(at, &text[..text.len().min(len)]);
    }

    fn u8(&mut self, at: usize, value: Option<u8>) {
        self.put(at, &[value.unwrap_or(u8::MAX)]);
    }

    fn u16(&mut self, at: usize, value: Option<u16>) {
        self.put(at, &value.unwrap_or(u16::MAX).to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: Option<u32>) {
        self.put(at, &value.unwrap_or(u32::MAX).to_le_bytes());
    }

    fn u64(&mut self, at: usize, value: Option<u64>) {
        self.put(at, &value.unwrap_or(u64::MAX).to_le_bytes());
    }
}

/// Bytes of a message of the session layer.
pub(super) fn len_of(template: u16, version: u16) -> usize {
    let (block, tail) = room_of(template, version);
    HEAD_LEN + block + tail
}

/// FaultToleranceIndicator(39010) of a primary connection.
pub(super) const PRIMARY: u8 = 1;

impl Letter<'_> {
    /// Writes a message of the session layer into room of [`len_of`] bytes. A business message is the
    /// application's to write.
    pub(super) fn write(&self, room: &mut [u8], version: u16, indicator: u8) {
        let mut sheet = Sheet::new(room, self.template(), version);
        match self {
            Self::Negotiate(request) => {
                sheet.put(0, request.signature);
                sheet.text(32, 20, request.access_key_id);
                sheet.u64(52, request.uuid);
                sheet.u64(60, request.stamp);
                sheet.text(68, 3, request.session);
                sheet.text(71, 5, request.firm);
            }
            Self::Establish(request) => {
                sheet.put(0, request.signature);
                sheet.text(32, 20, request.access_key_id);
                sheet.u64(102, request.uuid);
                sheet.u64(110, request.stamp);
                sheet.text(122, 3, request.session);
                sheet.text(125, 5, request.firm);
                if let Some(terms) = &request.terms {
                    sheet.text(52, 30, terms.system_name);
                    sheet.text(82, 10, terms.system_version);
                    sheet.text(92, 10, terms.system_vendor);
                    sheet.u32(118, terms.next_seq_no);
                    sheet.u16(130, terms.keep_alive_ms);
                }
            }
            Self::NegotiationResponse(response) => {
                sheet.u64(0, Some(response.uuid));
                sheet.u64(8, Some(response.stamp));
                sheet.u16(16, None);
                sheet.u8(18, Some(indicator));
                sheet.u8(19, None);
                sheet.u32(20, Some(response.previous_seq_no));
                sheet.u64(24, Some(response.previous_uuid));
                sheet.u8(32, None);
            }
            Self::EstablishmentAck(response) => {
                sheet.u64(0, Some(response.uuid));
                sheet.u64(8, Some(response.stamp));
                sheet.u32(16, Some(response.next_seq_no));
                sheet.u32(20, Some(response.previous_seq_no));
                sheet.u64(24, Some(response.previous_uuid));
                sheet.u16(32, Some(response.keep_alive_ms));
                sheet.u16(34, None);
                sheet.u8(36, Some(indicator));
                sheet.u8(37, None);
                sheet.u8(38, None);
            }
            Self::NegotiationReject(reject) => {
                sheet.text(0, 48, reject.reason.as_bytes());
                sheet.u64(48, Some(reject.uuid));
                sheet.u64(56, Some(reject.stamp));
                sheet.u16(64, Some(reject.code));
                sheet.u8(66, Some(indicator));
                sheet.u8(67, None);
                sheet.u8(68, None);
            }
            Self::EstablishmentReject(reject) => {
                sheet.text(0, 48, reject.reason.as_bytes());
                sheet.u64(48, Some(reject.uuid));
                sheet.u64(56, Some(reject.stamp));
                sheet.u32(64, Some(reject.next_seq_no));
                sheet.u16(68, Some(reject.code));
                sheet.u8(70, Some(indicator));
                sheet.u8(71, None);
                sheet.u8(72, None);
            }
            Self::Sequence(sequence) => {
                sheet.u64(0, sequence.uuid);
                sheet.u32(8, sequence.next_seq_no);
                sheet.u8(12, Some(indicator));
                sheet.u8(13, sequence.lapsed);
            }
            Self::Terminate(terminate) => {
                sheet.text(0, 48, terminate.reason.as_bytes());
                sheet.u64(48, terminate.uuid);
                sheet.u64(56, terminate.stamp);
                sheet.u16(64, terminate.code);
                sheet.u8(66, None);
            }
            Self::RetransmitRequest(request) | Self::Retransmission(request) => {
                sheet.u64(0, request.uuid);
                sheet.u64(8, request.last_uuid);
                sheet.u64(16, request.stamp);
                sheet.u32(24, request.from);
                sheet.u16(28, request.count);
                sheet.u8(30, None);
            }
            Self::RetransmitReject(reject) => {
                sheet.text(0, 48, reject.reason.as_bytes());
                sheet.u64(48, reject.uuid);
                sheet.u64(56, reject.last_uuid);
                sheet.u64(64, reject.stamp);
                sheet.u16(72, Some(reject.code));
                sheet.u8(74, None);
            }
            Self::NotApplied(not_applied) => {
                sheet.u64(0, not_applied.uuid);
                sheet.u32(8, Some(not_applied.from));
                sheet.u32(12, Some(not_applied.count));
                sheet.u8(16, None);
            }
            Self::Business(_) => {}
        }
    }

    /// Its template number.
    pub(super) fn template(&self) -> u16 {
        match self {
            Self::Negotiate(_) => template::NEGOTIATE,
            Self::Establish(_) => template::ESTABLISH,
            Self::NegotiationResponse(_) => template::NEGOTIATION_RESPONSE,
            Self::EstablishmentAck(_) => template::ESTABLISHMENT_ACK,
            Self::NegotiationReject(_) => template::NEGOTIATION_REJECT,
            Self::EstablishmentReject(_) => template::ESTABLISHMENT_REJECT,
            Self::Sequence(_) => template::SEQUENCE,
            Self::Terminate(_) => template::TERMINATE,
            Self::RetransmitRequest(_) => template::RETRANSMIT_REQUEST,
            Self::Retransmission(_) => template::RETRANSMISSION,
            Self::RetransmitReject(_) => template::RETRANSMIT_REJECT,
            Self::NotApplied(_) => template::NOT_APPLIED,
            Self::Business(business) => business.template,
        }
    }
}

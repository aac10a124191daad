//! The messages of the session layer as values: what is read from a frame, and how each is written.
//!
//! Nulls stay visible, because a field that must not be null is the gateway's to complain about: `None`
//! is a null here.

use super::{Delayed, Lane};
use crate::session::Text;
use crate::wire::sbe::ilink3::{
    self, Delay, Direction, FaultTolerance, KeepAliveLapsed, check_parts, layout_of,
};
use crate::wire::sbe::{EncodeError, Frame};

/// The number of the schema.
const SCHEMA_ID: u16 = 8;

/// Room that every message of the session layer fits in.
pub(super) const ROOM: usize = 192;

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
    /// FaultToleranceIndicator(39010)=1: the sender is, or has become, the primary.
    pub(super) primary: bool,
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
    /// Reads a frame; `None` if it is no message of the schema, or is cut short.
    pub(super) fn read(frame: &Frame<'a>) -> Option<Self> {
        if frame.schema_id() != SCHEMA_ID {
            return None;
        }
        Some(match frame.template_id() {
            ilink3::Negotiate::TEMPLATE_ID => {
                let message = ilink3::Negotiate::read(frame).ok()?;
                Self::Negotiate(Request {
                    signature: message.hmac_signature(),
                    access_key_id: message.access_key_id(),
                    uuid: long(message.uuid()),
                    stamp: long(message.request_timestamp()),
                    session: message.session(),
                    firm: message.firm(),
                    terms: None,
                })
            }
            ilink3::Establish::TEMPLATE_ID => {
                let message = ilink3::Establish::read(frame).ok()?;
                Self::Establish(Request {
                    signature: message.hmac_signature(),
                    access_key_id: message.access_key_id(),
                    uuid: long(message.uuid()),
                    stamp: long(message.request_timestamp()),
                    session: message.session(),
                    firm: message.firm(),
                    terms: Some(Terms {
                        system_name: message.trading_system_name(),
                        system_version: message.trading_system_version(),
                        system_vendor: message.trading_system_vendor(),
                        next_seq_no: int(message.next_seq_no()),
                        keep_alive_ms: short(message.keep_alive_interval()),
                    }),
                })
            }
            ilink3::NegotiationResponse::TEMPLATE_ID => {
                let message = ilink3::NegotiationResponse::read(frame).ok()?;
                Self::NegotiationResponse(Response {
                    uuid: message.uuid(),
                    stamp: message.request_timestamp(),
                    next_seq_no: 0,
                    previous_seq_no: message.previous_seq_no(),
                    previous_uuid: message.previous_uuid(),
                    keep_alive_ms: 0,
                })
            }
            ilink3::EstablishmentAck::TEMPLATE_ID => {
                let message = ilink3::EstablishmentAck::read(frame).ok()?;
                Self::EstablishmentAck(Response {
                    uuid: message.uuid(),
                    stamp: message.request_timestamp(),
                    next_seq_no: message.next_seq_no(),
                    previous_seq_no: message.previous_seq_no(),
                    previous_uuid: message.previous_uuid(),
                    keep_alive_ms: message.keep_alive_interval(),
                })
            }
            ilink3::NegotiationReject::TEMPLATE_ID => {
                let message = ilink3::NegotiationReject::read(frame).ok()?;
                Self::NegotiationReject(LogonReject {
                    reason: said(message.reason()),
                    uuid: message.uuid(),
                    stamp: message.request_timestamp(),
                    next_seq_no: 0,
                    code: message.error_codes(),
                })
            }
            ilink3::EstablishmentReject::TEMPLATE_ID => {
                let message = ilink3::EstablishmentReject::read(frame).ok()?;
                Self::EstablishmentReject(LogonReject {
                    reason: said(message.reason()),
                    uuid: message.uuid(),
                    stamp: message.request_timestamp(),
                    next_seq_no: message.next_seq_no(),
                    code: message.error_codes(),
                })
            }
            ilink3::Sequence::TEMPLATE_ID => {
                let message = ilink3::Sequence::read(frame).ok()?;
                Self::Sequence(Sequence {
                    uuid: long(message.uuid()),
                    next_seq_no: int(message.next_seq_no()),
                    primary: message.fault_tolerance_indicator() == Some(FaultTolerance::PRIMARY),
                    lapsed: Some(message.keep_alive_interval_lapsed().0)
                        .filter(|&lapsed| lapsed != u8::MAX),
                })
            }
            ilink3::Terminate::TEMPLATE_ID => {
                let message = ilink3::Terminate::read(frame).ok()?;
                Self::Terminate(Terminate {
                    reason: said(message.reason()),
                    uuid: long(message.uuid()),
                    stamp: long(message.request_timestamp()),
                    code: short(message.error_codes()),
                })
            }
            ilink3::RetransmitRequest::TEMPLATE_ID => {
                let message = ilink3::RetransmitRequest::read(frame).ok()?;
                Self::RetransmitRequest(Retransmit {
                    uuid: long(message.uuid()),
                    last_uuid: message.last_uuid(),
                    stamp: long(message.request_timestamp()),
                    from: int(message.from_seq_no()),
                    count: short(message.msg_count()),
                })
            }
            ilink3::Retransmission::TEMPLATE_ID => {
                let message = ilink3::Retransmission::read(frame).ok()?;
                Self::Retransmission(Retransmit {
                    uuid: long(message.uuid()),
                    last_uuid: message.last_uuid(),
                    stamp: long(message.request_timestamp()),
                    from: int(message.from_seq_no()),
                    count: short(message.msg_count()),
                })
            }
            ilink3::RetransmitReject::TEMPLATE_ID => {
                let message = ilink3::RetransmitReject::read(frame).ok()?;
                Self::RetransmitReject(RetransmitReject {
                    reason: said(message.reason()),
                    uuid: long(message.uuid()),
                    last_uuid: message.last_uuid(),
                    stamp: long(message.request_timestamp()),
                    code: message.error_codes(),
                })
            }
            ilink3::NotApplied::TEMPLATE_ID => {
                let message = ilink3::NotApplied::read(frame).ok()?;
                Self::NotApplied(NotApplied {
                    uuid: long(message.uuid()),
                    from: message.from_seq_no(),
                    count: message.msg_count(),
                })
            }
            business => Self::Business(Business::read(business, frame)?),
        })
    }

    /// Which side may send it.
    pub(super) fn sender(&self) -> Sender {
        match self {
            Self::Negotiate(_) | Self::Establish(_) | Self::RetransmitRequest(_) => Sender::Client,
            Self::Sequence(_) | Self::Terminate(_) => Sender::Either,
            Self::Business(business) => match layout_of(business.template).map(|of| of.direction) {
                Some(Direction::ToExchange) => Sender::Client,
                _ => Sender::Gateway,
            },
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

impl Business {
    /// `None` if there is no such message, its block is shorter than any version of it, or its groups or
    /// data run past its end.
    fn read(template: u16, frame: &Frame<'_>) -> Option<Self> {
        let layout = layout_of(template)?;
        let block = frame.block();
        let oldest = layout.block_lengths.iter().find(|length| **length > 0)?;
        if block.len() < usize::from(*oldest) {
            return None;
        }
        check_parts(frame).ok()?;
        let unconsumed = template == ilink3::BusinessReject::TEMPLATE_ID
            && ilink3::BusinessReject::read(frame)
                .ok()?
                .ref_seq_num()
                .is_none();
        Some(Self {
            template,
            seq: int(u32::from_le_bytes(field(block, layout.seq_num?)?)),
            uuid: layout
                .uuid
                .and_then(|at| long(u64::from_le_bytes(field(block, at)?))),
            retransmitted: layout.poss_retrans_flag.and_then(|at| field(block, at)) == Some([1]),
            unconsumed,
        })
    }
}

fn field<const N: usize>(block: &[u8], at: u16) -> Option<[u8; N]> {
    block.get(usize::from(at)..)?.first_chunk().copied()
}

fn short(value: u16) -> Option<u16> {
    (value != u16::MAX).then_some(value)
}

fn int(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

fn long(value: u64) -> Option<u64> {
    (value != u64::MAX).then_some(value)
}

fn said(reason: Option<&[u8]>) -> Text {
    Text::lossy(reason.unwrap_or_default())
}

/// What fits of a text, as a field of `N` characters takes it.
fn cut<const N: usize>(text: Text) -> ([u8; N], usize) {
    let mut room = [0; N];
    let text = text.as_bytes();
    let len = text.len().min(N);
    for (place, byte) in room.iter_mut().zip(text) {
        *place = if (b' '..=b'~').contains(byte) {
            *byte
        } else {
            b'?'
        };
    }
    (room, len)
}

impl Letter<'_> {
    /// Writes a message of the session layer at the front of `room`, of [`ROOM`] bytes; answers its length.
    /// `delayed` says what the message it answers has waited for. A business message is the application's to write.
    ///
    /// # Errors
    /// The room is too small, the version unknown, or a text too long for its field: none of which settings
    /// that were checked allow.
    pub(super) fn write(
        &self,
        room: &mut [u8],
        version: u16,
        lane: Lane,
        delayed: Option<Delayed>,
    ) -> Result<usize, EncodeError> {
        let null = u64::MAX;
        let indicator = match lane {
            Lane::Primary => FaultTolerance::PRIMARY,
            Lane::Backup => FaultTolerance::BACKUP,
        };
        let split = Delay(delayed.map_or(u8::MAX, Delayed::split_msg));
        match self {
            Self::Negotiate(request) => ilink3::NegotiateEncoder::new(room, version)?
                .hmac_signature(request.signature)
                .access_key_id(request.access_key_id)
                .uuid(request.uuid.unwrap_or(null))
                .request_timestamp(request.stamp.unwrap_or(null))
                .session(request.session)
                .firm(request.firm)
                .finish(),
            Self::Establish(request) => {
                let mut encoder = ilink3::EstablishEncoder::new(room, version)?;
                encoder
                    .hmac_signature(request.signature)
                    .access_key_id(request.access_key_id)
                    .uuid(request.uuid.unwrap_or(null))
                    .request_timestamp(request.stamp.unwrap_or(null))
                    .session(request.session)
                    .firm(request.firm);
                if let Some(terms) = &request.terms {
                    encoder
                        .trading_system_name(terms.system_name)
                        .trading_system_version(terms.system_version)
                        .trading_system_vendor(terms.system_vendor)
                        .next_seq_no(terms.next_seq_no.unwrap_or(u32::MAX))
                        .keep_alive_interval(terms.keep_alive_ms.unwrap_or(u16::MAX));
                }
                encoder.finish()
            }
            Self::NegotiationResponse(response) => {
                ilink3::NegotiationResponseEncoder::new(room, version)?
                    .uuid(response.uuid)
                    .request_timestamp(response.stamp)
                    .fault_tolerance_indicator(indicator)
                    .previous_seq_no(response.previous_seq_no)
                    .previous_uuid(response.previous_uuid)
                    .split_msg(split)
                    .finish()
            }
            Self::EstablishmentAck(response) => ilink3::EstablishmentAckEncoder::new(room, version)?
                .uuid(response.uuid)
                .request_timestamp(response.stamp)
                .next_seq_no(response.next_seq_no)
                .previous_seq_no(response.previous_seq_no)
                .previous_uuid(response.previous_uuid)
                .keep_alive_interval(response.keep_alive_ms)
                .fault_tolerance_indicator(indicator)
                .split_msg(split)
                .finish(),
            Self::NegotiationReject(reject) => {
                let (reason, len) = cut::<48>(reject.reason);
                ilink3::NegotiationRejectEncoder::new(room, version)?
                    .reason(&reason[..len])
                    .uuid(reject.uuid)
                    .request_timestamp(reject.stamp)
                    .error_codes(reject.code)
                    .fault_tolerance_indicator(indicator)
                    .split_msg(split)
                    .finish()
            }
            Self::EstablishmentReject(reject) => {
                let (reason, len) = cut::<48>(reject.reason);
                ilink3::EstablishmentRejectEncoder::new(room, version)?
                    .reason(&reason[..len])
                    .uuid(reject.uuid)
                    .request_timestamp(reject.stamp)
                    .next_seq_no(reject.next_seq_no)
                    .error_codes(reject.code)
                    .fault_tolerance_indicator(indicator)
                    .split_msg(split)
                    .finish()
            }
            Self::Sequence(sequence) => ilink3::SequenceEncoder::new(room, version)?
                .uuid(sequence.uuid.unwrap_or(null))
                .next_seq_no(sequence.next_seq_no.unwrap_or(u32::MAX))
                .fault_tolerance_indicator(if sequence.primary {
                    FaultTolerance::PRIMARY
                } else {
                    FaultTolerance::BACKUP
                })
                .keep_alive_interval_lapsed(KeepAliveLapsed(sequence.lapsed.unwrap_or(u8::MAX)))
                .finish(),
            Self::Terminate(terminate) => {
                let (reason, len) = cut::<48>(terminate.reason);
                ilink3::TerminateEncoder::new(room, version)?
                    .reason(&reason[..len])
                    .uuid(terminate.uuid.unwrap_or(null))
                    .request_timestamp(terminate.stamp.unwrap_or(null))
                    .error_codes(terminate.code.unwrap_or(u16::MAX))
                    .split_msg(split)
                    .finish()
            }
            Self::RetransmitRequest(request) => {
                let mut encoder = ilink3::RetransmitRequestEncoder::new(room, version)?;
                if let Some(uuid) = request.last_uuid {
                    encoder.last_uuid(uuid);
                }
                encoder
                    .uuid(request.uuid.unwrap_or(null))
                    .request_timestamp(request.stamp.unwrap_or(null))
                    .from_seq_no(request.from.unwrap_or(u32::MAX))
                    .msg_count(request.count.unwrap_or(u16::MAX))
                    .finish()
            }
            Self::Retransmission(answer) => {
                let mut encoder = ilink3::RetransmissionEncoder::new(room, version)?;
                if let Some(uuid) = answer.last_uuid {
                    encoder.last_uuid(uuid);
                }
                encoder
                    .uuid(answer.uuid.unwrap_or(null))
                    .request_timestamp(answer.stamp.unwrap_or(null))
                    .from_seq_no(answer.from.unwrap_or(u32::MAX))
                    .msg_count(answer.count.unwrap_or(u16::MAX))
                    .split_msg(split)
                    .finish()
            }
            Self::RetransmitReject(reject) => {
                let (reason, len) = cut::<48>(reject.reason);
                let mut encoder = ilink3::RetransmitRejectEncoder::new(room, version)?;
                if let Some(uuid) = reject.last_uuid {
                    encoder.last_uuid(uuid);
                }
                encoder
                    .reason(&reason[..len])
                    .uuid(reject.uuid.unwrap_or(null))
                    .request_timestamp(reject.stamp.unwrap_or(null))
                    .error_codes(reject.code)
                    .split_msg(split)
                    .finish()
            }
            Self::NotApplied(not_applied) => ilink3::NotAppliedEncoder::new(room, version)?
                .uuid(not_applied.uuid.unwrap_or(null))
                .from_seq_no(not_applied.from)
                .msg_count(not_applied.count)
                .split_msg(split)
                .finish(),
            Self::Business(_) => Ok(0),
        }
    }
}

//! What a reply says of an order, whichever protocol it came in.

use pinfix::wire::fix::{Message, Printable, msg_type, tag};
use pinfix::wire::sbe::{Decoded, Frame, Value, decode, ilink3};

/// OrdStatus(39): rejected.
const REJECTED: &[u8] = b"8";

/// MsgType(35) of a BusinessReject(521).
const BUSINESS_REJECT: &str = "j";

/// A message about orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// NewOrderSingle: ClOrdID(11).
    Order(Box<[u8]>),
    /// ExecutionReport.
    Report(Reply),
    /// A reject of the message with this number; `why` is for people.
    Reject { seq: Option<u64>, why: String },
}

/// An ExecutionReport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// ClOrdID(11).
    pub cl_ord_id: Box<[u8]>,
    /// ExecID(17).
    pub exec_id: Box<[u8]>,
    /// Text(58).
    pub text: Box<[u8]>,
    /// The peer says that it may have been sent before.
    pub marked: bool,
    /// OrdStatus(39) is Rejected.
    pub rejects: bool,
}

impl Reply {
    /// A FIX ExecutionReport(8).
    pub fn of(message: &Message<'_>) -> Self {
        let bytes = |tag| Box::from(message.get(tag).unwrap_or_default());
        Self {
            cl_ord_id: bytes(tag::CL_ORD_ID),
            exec_id: bytes(tag::EXEC_ID),
            text: bytes(tag::TEXT),
            marked: message.get(tag::POSS_RESEND) == Some(b"Y"),
            rejects: message.get(tag::ORD_STATUS) == Some(REJECTED),
        }
    }
}

impl Told {
    /// What a frame of iLink 3 says; `None` if it is about something else.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let decoded = decode(&Frame::new(frame).ok()?, &ilink3::SCHEMA).ok()?;
        let text = |name| match decoded.get(name) {
            Some(Value::Text(text)) => Box::from(text.as_slice()),
            _ => Box::default(),
        };
        match decoded.message.semantic_type {
            "D" => Some(Self::Order(text("ClOrdID"))),
            "8" => Some(Self::Report(Reply {
                cl_ord_id: text("ClOrdID"),
                exec_id: text("ExecID"),
                text: text("Text"),
                // The session lets each number through once.
                marked: false,
                rejects: is_rejected(&decoded),
            })),
            BUSINESS_REJECT => {
                let reason = number(&decoded, "BusinessRejectReason")
                    .map(|reason| format!(" (BusinessRejectReason {reason})"));
                Some(Self::Reject {
                    seq: number(&decoded, "RefSeqNum"),
                    why: format!("{}{}", Printable(&text("Text")), reason.unwrap_or_default()),
                })
            }
            _ => None,
        }
    }

    /// What a FIX message says.
    pub fn of(message: &Message<'_>) -> Option<Self> {
        match message.msg_type() {
            msg_type::NEW_ORDER_SINGLE => Some(Self::Order(
                message.get(tag::CL_ORD_ID).unwrap_or_default().into(),
            )),
            msg_type::EXECUTION_REPORT => Some(Self::Report(Reply::of(message))),
            msg_type::REJECT | msg_type::BUSINESS_MESSAGE_REJECT => Some(Self::Reject {
                seq: message.uint(tag::REF_SEQ_NUM).ok(),
                why: Printable(message.get(tag::TEXT).unwrap_or_default()).to_string(),
            }),
            _ => None,
        }
    }
}

fn is_rejected(report: &Decoded) -> bool {
    // A constant where a template is for rejects only.
    match report.get("OrdStatus") {
        Some(Value::Constant(text)) => text.as_bytes() == REJECTED,
        Some(Value::Enum { raw, .. }) => *raw == u64::from(REJECTED[0]),
        _ => false,
    }
}

fn number(message: &Decoded, name: &str) -> Option<u64> {
    match message.get(name) {
        Some(Value::Unsigned(number)) => Some(*number),
        _ => None,
    }
}

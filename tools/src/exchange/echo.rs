//! Messages sent back as they came: what the scripts of black-box conformance tests expect of an
//! acceptor.
//!
//! What is sent back is a message of ours, with a number, a time and CompIDs of our own. Of its header
//! only what says where it is routed, and how its body is to be read, is the peer's.

use std::collections::{HashSet, VecDeque};

use pinfix::dict::{Dictionary, Entry, Groups, Layout, ReadGroups as _, builtin};
use pinfix::engine::{Inbound, Outbound};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::Rules;
use pinfix::session::{Refusal, Text};
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{ApplVersion, FrameWriter, HeaderFields, Message, msg_type};

use super::UNSUPPORTED_TYPE;

/// Room an echo may need beyond the length of the message: our header may be longer than the peer's.
const GROWTH: usize = 512;

/// How many ClOrdIDs are remembered of a session; the oldest go first.
const SEEN_MAX: usize = 10_000;

/// SessionRejectReason(373): invalid MsgType.
const INVALID_MSG_TYPE: u16 = 11;

/// SecurityDefinition(d) and Email(C).
const SECURITY_DEFINITION: &[u8] = b"d";
const EMAIL: &[u8] = b"C";

/// MessageEncoding(347): how encoded fields of the body are to be read.
const MESSAGE_ENCODING: Tag = 347;

/// Header fields that go back as received.
const KEPT: [Tag; 13] = [
    tag::SENDER_SUB_ID,
    tag::TARGET_SUB_ID,
    tag::POSS_RESEND,
    tag::ON_BEHALF_OF_COMP_ID,
    tag::ON_BEHALF_OF_SUB_ID,
    tag::DELIVER_TO_COMP_ID,
    tag::DELIVER_TO_SUB_ID,
    tag::SENDER_LOCATION_ID,
    tag::TARGET_LOCATION_ID,
    tag::ON_BEHALF_OF_LOCATION_ID,
    tag::DELIVER_TO_LOCATION_ID,
    MESSAGE_ENCODING,
    tag::APPL_VER_ID,
];

/// In which order the fields of a body go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyOrder {
    /// As they came.
    Received,
    /// Ascending by tag, the entries of a group behind its counter with their fields in dictionary
    /// order. As they came if the session has no dictionary: groups could not be told apart.
    Sorted,
}

/// Whether messages of this type are sent back.
pub fn is_sent_back(msg_type: &[u8]) -> bool {
    matches!(
        msg_type,
        msg_type::NEW_ORDER_SINGLE | SECURITY_DEFINITION | EMAIL
    )
}

/// The answer to a message that is not sent back.
pub fn refused(message: &Message<'_>, rules: &Rules) -> Verdict {
    let stated = message
        .get(tag::APPL_VER_ID)
        .filter(|_| rules.default_appl_ver_id.is_some())
        .and_then(ApplVersion::from_appl_ver_id);
    let dictionary = builtin::of_version(stated.unwrap_or(rules.appl_version));
    let msg_type = message.msg_type();
    // Types that begin with U are anybody's to define.
    let known = dictionary.message(msg_type).is_some()
        || msg_type.first() == Some(&b'U')
        || msg_type == msg_type::XML_NON_FIX && rules.default_appl_ver_id.is_some();
    if known {
        Verdict::BusinessReject {
            reason: UNSUPPORTED_TYPE,
            text: Text::lossy(b"Unsupported Message Type"),
        }
    } else {
        Verdict::Reject {
            reason: INVALID_MSG_TYPE,
            ref_tag: 0,
            text: Text::lossy(b"Invalid MsgType"),
        }
    }
}

/// The ClOrdIDs(11) of a session since its logon.
#[derive(Debug, Default)]
pub struct Seen {
    ids: HashSet<Box<[u8]>>,
    by_age: VecDeque<Box<[u8]>>,
}

impl Seen {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.by_age.clear();
    }

    /// Whether a message says that it may have been sent before under another number, and was.
    pub fn is_resent(&self, message: &Message<'_>) -> bool {
        message.get(tag::POSS_RESEND) == Some(b"Y")
            && message
                .get(tag::CL_ORD_ID)
                .is_some_and(|id| self.ids.contains(id))
    }

    /// Remembers a message that was sent back.
    pub fn remember(&mut self, message: &Message<'_>) {
        let Some(id) = message.get(tag::CL_ORD_ID) else {
            return;
        };
        if !self.ids.insert(id.into()) {
            return;
        }
        self.by_age.push_back(id.into());
        if self.by_age.len() > SEEN_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// Sends a message back.
///
/// # Errors
/// Why it cannot be sent.
pub fn send_back(
    inbound: &Inbound<'_>,
    rules: &Rules,
    order: BodyOrder,
    out: &mut Outbound<'_>,
) -> Result<(), Refusal> {
    let message = &inbound.message;
    let ours = own_header_fields(inbound, rules, out);
    let mut header = HeaderFields::new();
    for tag in KEPT.into_iter().filter(|tag| !ours.contains(tag)) {
        if let Some(value) = message.get(tag).filter(|value| !value.is_empty()) {
            header.bytes(tag, value);
        }
    }
    let room = message.frame().len() + GROWTH;
    let msg_type = message.msg_type();
    out.send_with(
        inbound.session,
        msg_type,
        Some(&header),
        room,
        |body| match (order, inbound.dictionary) {
            (BodyOrder::Sorted, Some(dictionary)) => copy(sorted(message, dictionary), body),
            _ => copy(body_of(message), body),
        },
    )
    .map(drop)
}

/// Header fields that are not the peer's to say: those the session is identified by, and
/// ApplVerID(1128) where the version has none.
fn own_header_fields(inbound: &Inbound<'_>, rules: &Rules, out: &Outbound<'_>) -> Vec<Tag> {
    let id = out.id(inbound.session);
    let part = |tag, is_ours: bool| is_ours.then_some(tag);
    [
        part(tag::APPL_VER_ID, rules.default_appl_ver_id.is_none()),
        part(
            tag::SENDER_SUB_ID,
            id.is_some_and(|id| id.sender_sub_id.is_some()),
        ),
        part(
            tag::TARGET_SUB_ID,
            id.is_some_and(|id| id.target_sub_id.is_some()),
        ),
        part(
            tag::SENDER_LOCATION_ID,
            id.is_some_and(|id| id.sender_location_id.is_some()),
        ),
        part(
            tag::TARGET_LOCATION_ID,
            id.is_some_and(|id| id.target_location_id.is_some()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn body_of<'m>(message: &Message<'m>) -> Vec<(Tag, &'m [u8])> {
    message
        .fields()
        .filter(|&(tag, _)| !tag::is_header(tag) && !tag::is_trailer(tag))
        .collect()
}

/// Writes fields; data fields with the length that stands before them.
fn copy(fields: Vec<(Tag, &[u8])>, body: &mut FrameWriter<'_>) {
    let mut fields = fields.into_iter().peekable();
    while let Some((tag, value)) = fields.next() {
        let data = tag::data_of_length(tag);
        match fields.next_if(|(next, _)| Some(*next) == data) {
            Some((data_tag, value)) => body.data(tag, data_tag, value),
            None => body.bytes(tag, value),
        };
    }
}

/// The body of a message in [`BodyOrder::Sorted`].
fn sorted<'m>(message: &Message<'m>, dictionary: &Dictionary) -> Vec<(Tag, &'m [u8])> {
    let body = body_of(message);
    let Some(spec) = dictionary.message(message.msg_type()) else {
        return body;
    };
    let groups = |counter| message.groups(dictionary, counter);
    arranged(body, spec.body(), groups, |tag| tag as usize)
}

/// The fields of an entry in the order of the dictionary, those it does not know at the end.
fn sorted_entry<'m>(entry: &Entry<'m, '_>, layout: Layout<'_>) -> Vec<(Tag, &'m [u8])> {
    let place = |tag| {
        let mut members = layout.members();
        members
            .position(|member| member.tag() == tag)
            .unwrap_or(usize::MAX)
    };
    let groups = |counter| entry.groups(counter);
    arranged(entry.fields().collect(), layout, groups, place)
}

/// Sorts fields by `place`; what belongs to a field, its data or the entries it counts, stays behind it.
fn arranged<'m, 'd>(
    fields: Vec<(Tag, &'m [u8])>,
    layout: Layout<'_>,
    groups: impl Fn(Tag) -> Groups<'m, 'd>,
    place: impl Fn(Tag) -> usize,
) -> Vec<(Tag, &'m [u8])> {
    let mut runs = Vec::new();
    let mut fields = fields.into_iter().peekable();
    while let Some((tag, value)) = fields.next() {
        let mut run = vec![(tag, value)];
        if let Some(group) = layout.group(tag) {
            for entry in groups(tag) {
                // They are the fields that follow.
                let length = entry.fields().count();
                fields.by_ref().take(length).for_each(drop);
                run.extend(sorted_entry(&entry, group));
            }
        } else {
            let data = tag::data_of_length(tag);
            run.extend(fields.next_if(|(next, _)| Some(*next) == data));
        }
        runs.push((place(tag), run));
    }
    runs.sort_by_key(|(place, _)| *place);
    runs.into_iter().flat_map(|(_, run)| run).collect()
}

//! Market data and security definitions of a simulated venue.
//!
//! As with orders, any symbol is one the venue has: its price is that of its last trade here, or what
//! orders without a Price(44) trade at. A subscription gets its snapshot and no updates.

use pinfix::dict::{ReadGroups as _, builtin};
use pinfix::engine::{Inbound, Outbound};
use pinfix::session::fix::Verdict;
use pinfix::session::fix::rules::Rules;
use pinfix::session::{Refusal, Text};
use pinfix::venue::Profile;
use pinfix::wire::fix::tag::{self, Tag};
use pinfix::wire::fix::{Printable, msg_type};

use crate::exchange::venue::Venue;

/// SecurityDefinitionRequest(c) and SecurityDefinition(d).
pub const DEFINITION_REQUEST: &[u8] = b"c";
const DEFINITION: &[u8] = b"d";

const NO_RELATED_SYM: Tag = 146;
const MD_REQ_REJ_REASON: Tag = 281;
const SECURITY_REQ_ID: Tag = 320;
const SECURITY_REQUEST_TYPE: Tag = 321;
const SECURITY_RESPONSE_ID: Tag = 322;
const SECURITY_RESPONSE_TYPE: Tag = 323;
const TOTAL_NUM_SECURITIES: Tag = 393;

/// SessionRejectReason(373): required tag missing.
const TAG_MISSING: u16 = 1;
/// BusinessRejectReason(380): conditionally required field missing.
const CONDITIONAL_MISSING: u16 = 5;
/// MDReqRejReason(281): unsupported SubscriptionRequestType(263).
const NO_SUCH_SUBSCRIPTION: u64 = 4;
/// MDReqRejReason(281): unsupported MDEntryType(269).
const NO_SUCH_ENTRY: u64 = 8;
/// SecurityResponseType(323): as asked for; one of a list; refused.
const AS_ASKED: u64 = 1;
const LISTED: u64 = 4;
const REFUSED: u64 = 5;

/// Whether a venue has market data: snapshots of it are what it does not send again.
pub fn are_of(profile: &Profile) -> bool {
    profile.passed_over.contains(&"W")
}

/// RefMsgType(372) of a Logon that asks for security definitions.
pub fn definitions_switch(profile: &'static Profile) -> Option<&'static str> {
    let switch = profile.switch("security_definitions").ok()?;
    Some(switch.ref_msg_type)
}

/// Answers a MarketDataRequest(V) with a MarketDataSnapshotFullRefresh(W) for each symbol.
pub fn snapshots(
    venue: &Venue,
    inbound: &Inbound<'_>,
    rules: &Rules,
    out: &mut Outbound<'_>,
) -> Verdict {
    let message = &inbound.message;
    let Some(request) = message.get(tag::MD_REQ_ID) else {
        return missing(tag::MD_REQ_ID);
    };
    let Some(subscription) = message.get(tag::SUBSCRIPTION_REQUEST_TYPE) else {
        return missing(tag::SUBSCRIPTION_REQUEST_TYPE);
    };
    let dictionary = builtin::of_version(rules.appl_version);
    let entries = |counter, tag| {
        let entries = message.groups(dictionary, counter);
        entries.filter_map(move |entry| entry.get(tag))
    };
    let kinds = || entries(tag::NO_MD_ENTRY_TYPES, tag::MD_ENTRY_TYPE);
    let mut symbols = entries(NO_RELATED_SYM, tag::SYMBOL).peekable();
    if kinds().next().is_none() {
        return missing(tag::NO_MD_ENTRY_TYPES);
    }
    if symbols.peek().is_none() {
        return missing(NO_RELATED_SYM);
    }
    // There is one price: that of the bid(0), the offer(1) and the trade(2).
    let unknown = kinds().find(|kind| !matches!(kind, [b'0'..=b'2']));
    let refused = match (subscription, unknown) {
        (b"0" | b"1", None) => None,
        // Nothing was to come.
        (b"2", _) => return Verdict::Accept,
        (b"0" | b"1", Some(kind)) => {
            let kind = Printable(kind);
            let text = format!("no MDEntryType(269) {kind} here, expected 0, 1 or 2");
            Some((NO_SUCH_ENTRY, text))
        }
        (other, _) => {
            let other = Printable(other);
            let text = format!("no SubscriptionRequestType(263) {other}, expected 0, 1 or 2");
            Some((NO_SUCH_SUBSCRIPTION, text))
        }
    };
    let session = inbound.session;
    let sent = match refused {
        Some((reason, text)) => {
            let kind = msg_type::MARKET_DATA_REQUEST_REJECT;
            venue.send(out, session, kind, |body| {
                body.bytes(tag::MD_REQ_ID, request)
                    .uint(MD_REQ_REJ_REASON, reason)
                    .str(tag::TEXT, &text);
            })
        }
        None => symbols.try_for_each(|symbol| {
            let kind = msg_type::MARKET_DATA_SNAPSHOT_FULL_REFRESH;
            let price = venue.price(symbol);
            venue.send(out, session, kind, |body| {
                body.bytes(tag::MD_REQ_ID, request)
                    .bytes(tag::SYMBOL, symbol)
                    .uint(tag::NO_MD_ENTRIES, kinds().count() as u64);
                for kind in kinds() {
                    body.bytes(tag::MD_ENTRY_TYPE, kind)
                        .decimal(tag::MD_ENTRY_PX, price);
                }
            })
        }),
    };
    answered(venue, inbound, sent)
}

/// Answers a SecurityDefinitionRequest(c): one SecurityDefinition(d) for a symbol, or one for each that
/// was traded.
pub fn definitions(venue: &mut Venue, inbound: &Inbound<'_>, out: &mut Outbound<'_>) -> Verdict {
    let message = &inbound.message;
    let Some(request) = message.get(SECURITY_REQ_ID) else {
        return missing(SECURITY_REQ_ID);
    };
    let Some(wanted) = message.get(SECURITY_REQUEST_TYPE) else {
        return missing(SECURITY_REQUEST_TYPE);
    };
    let traded;
    let (response, symbols, text) = match (wanted, message.get(tag::SYMBOL)) {
        (b"0" | b"1", Some(symbol)) => (AS_ASKED, vec![Some(symbol)], None),
        (b"0" | b"1", None) => {
            return Verdict::BusinessReject {
                reason: CONDITIONAL_MISSING,
                text: Text::lossy(b"SecurityRequestType(321) 0 and 1 need Symbol(55)"),
            };
        }
        (b"3", _) => {
            traded = venue.traded();
            let symbols: Vec<_> = traded.iter().map(|symbol| Some(&**symbol)).collect();
            match symbols.is_empty() {
                true => (LISTED, vec![None], None),
                false => (LISTED, symbols, None),
            }
        }
        _ => {
            let text = "SecurityRequestType(321): expected 0, 1 or 3";
            (REFUSED, vec![None], Some(text))
        }
    };
    let total = symbols.iter().flatten().count() as u64;
    let sent = symbols.into_iter().try_for_each(|symbol| {
        let id = venue.next_id();
        venue.send(out, inbound.session, DEFINITION, |body| {
            body.bytes(SECURITY_REQ_ID, request)
                .uint(SECURITY_RESPONSE_ID, id)
                .uint(SECURITY_RESPONSE_TYPE, response)
                .uint(TOTAL_NUM_SECURITIES, total);
            if let Some(symbol) = symbol {
                body.bytes(tag::SYMBOL, symbol);
            }
            if let Some(text) = text {
                body.str(tag::TEXT, text);
            }
        })
    });
    answered(venue, inbound, sent)
}

fn answered(venue: &Venue, inbound: &Inbound<'_>, sent: Result<(), Refusal>) -> Verdict {
    match sent {
        Ok(()) => Verdict::Accept,
        Err(refusal) => venue.cannot_answer(inbound.session, refusal),
    }
}

fn missing(tag: Tag) -> Verdict {
    Verdict::Reject {
        reason: TAG_MISSING,
        ref_tag: tag,
        text: Text::lossy(b"Required tag missing"),
    }
}

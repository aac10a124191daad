//! What an engine tells, in words for people.

use pinfix::engine::{Event, SessionHandle};
use pinfix::wire::fix::{Message, Printable, tag};

/// What an event says. `name` is what people call a session.
pub fn of_event<'a>(event: &Event<'_>, name: impl Fn(SessionHandle) -> &'a str) -> Option<String> {
    Some(match event {
        Event::ConnectFailed {
            session,
            destination,
            proxy,
            why,
            ..
        } => {
            let by = proxy.map_or_else(String::new, |proxy| format!(" by {proxy}"));
            format!(
                "{} cannot connect to {destination}{by}: {why}",
                name(*session)
            )
        }
        Event::TurnedAway { peer, fault } => format!("turned away {peer}: {fault}"),
        Event::LogonFailed { session, cause } => {
            format!("{} failed to log on: {cause}", name(*session))
        }
        Event::MessagesLost { session, loss } => format!("{} lost: {loss}", name(*session)),
        Event::SessionNotAdded {
            peer: Some(peer),
            error,
        } => format!("turned away {peer}: {error}"),
        Event::SessionNotAdded { peer: None, error } => format!("not added: {error}"),
        Event::Unreadable { session, seq } => {
            format!(
                "{}: message {seq} cannot be read for a resend",
                name(*session)
            )
        }
        Event::NotApplied { session, messages } => {
            let (first, last) = (messages.first, messages.last);
            let then = if messages.resent {
                "they are sent again"
            } else {
                "they are not sent again"
            };
            let name = name(*session);
            format!("{name}: messages {first} to {last} were not applied, {then}")
        }
        Event::Unconfirmed { session, messages } => {
            let (first, last, series) = (messages.first, messages.last, messages.series);
            let name = name(*session);
            format!(
                "{name}: of messages {first} to {last} of UUID {series} it is not known whether they were applied"
            )
        }
        Event::Missed { session, messages } => {
            let (first, last, series) = (messages.first, messages.last, messages.series);
            let name = name(*session);
            format!("{name}: messages {first} to {last} of UUID {series} are missing and will not come")
        }
        Event::PortClosed { session } => {
            let name = name(*session);
            format!(
                "{name}: the port is closed for too many invalid logons; an operator's logon or release opens it"
            )
        }
        Event::BackupUp { session } => {
            format!("{}: the backup connection is established", name(*session))
        }
        Event::BackupDown { session, cause } => {
            format!(
                "{}: the backup connection has ended: {cause}",
                name(*session)
            )
        }
        Event::Promoted { session, next } => {
            let name = name(*session);
            format!(
                "{name}: the primary gateway has failed, the backup is the primary now; its next number is {next}"
            )
        }
        // It is told when it logs on, and that is now.
        Event::SessionAdded { for_peer: true, .. } => return None,
        Event::SessionAdded { id, .. } => format!("{id} was added"),
        Event::SessionRemoved { id, .. } => format!("{id} was removed"),
        Event::Reset { session, cause } => {
            format!("{} starts at 1 in both directions: {cause}", name(*session))
        }
        Event::ScheduleOpened { session, .. } => {
            format!("{} may log on from now on", name(*session))
        }
        Event::ScheduleClosed { session, .. } => {
            format!("{} may not be logged on from now on", name(*session))
        }
    })
}

/// What a Reject(3) or BusinessMessageReject(j) of the peer says of a message of ours.
pub fn of_reject(name: &str, reject: &Message<'_>) -> String {
    let text = reject.get(tag::TEXT).unwrap_or_default();
    let reason = [
        (tag::SESSION_REJECT_REASON, "SessionRejectReason"),
        (tag::BUSINESS_REJECT_REASON, "BusinessRejectReason"),
    ]
    .into_iter()
    .find_map(|(tag, field)| Some(format!(" ({field} {})", Printable(reject.get(tag)?))))
    .unwrap_or_default();
    format!(
        "{name} rejected a message of ours: {}{reason}",
        Printable(text)
    )
}

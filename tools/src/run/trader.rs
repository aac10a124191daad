//! The application of `pinfix run`: tells what happens, and puts down what comes back.

use std::collections::HashMap;

use pinfix::engine::{Application, Event, Inbound, Outbound, SbeInbound, SessionHandle};
use pinfix::session::fix::Verdict;
use pinfix::session::{Cause, fixp};
use pinfix::wire::fix::{ApplVersion, Message, Printable, msg_type, tag};

use super::blotter::{Blotter, Counted};
use super::reply::{Reply, Told};
use crate::bulletin::Bulletin;
use crate::news;

pub struct Trader {
    pub blotter: Blotter,
    bulletin: Bulletin,
    /// By number of the session.
    names: Vec<String>,
    /// Refusals in a row, and how many end the attempts.
    refusals: HashMap<SessionHandle, (u32, u32)>,
    /// The version a session was configured with.
    versions: HashMap<SessionHandle, ApplVersion>,
}

impl Trader {
    pub fn new(blotter: Blotter, bulletin: Bulletin) -> Self {
        Self {
            blotter,
            bulletin,
            names: Vec::new(),
            refusals: HashMap::new(),
            versions: HashMap::new(),
        }
    }

    /// Tells people something.
    pub fn say(&self, text: impl Into<String>) {
        self.bulletin.say(text);
    }

    /// Tells it what a session is called, and which version it speaks.
    pub fn knows(&mut self, session: SessionHandle, name: String, version: ApplVersion) {
        self.versions.insert(session, version);
        self.calls(session, name);
    }

    /// Tells it what a session is called.
    pub fn calls(&mut self, session: SessionHandle, name: String) {
        let number = session.number();
        if self.names.len() <= number {
            self.names.resize(number + 1, String::new());
        }
        self.names[number] = name;
    }

    /// Tells it after how many refused Logons the engine waits for an operator.
    pub fn waits_after(&mut self, session: SessionHandle, max: u32) {
        self.refusals.insert(session, (0, max));
    }

    fn report(&mut self, session: SessionHandle, reply: &Reply) {
        let what = match self.blotter.report(reply) {
            Counted::Report | Counted::Nothing => return,
            Counted::Rejected => "rejected",
            Counted::Doubled => "reported twice",
        };
        self.say(format!(
            "{}: order {} {what}, ExecID {}: {}",
            self.name(session),
            Printable(&reply.cl_ord_id),
            Printable(&reply.exec_id),
            Printable(&reply.text)
        ));
    }

    fn refused(&mut self, session: SessionHandle) {
        let Some((count, max)) = self.refusals.get_mut(&session) else {
            return;
        };
        *count += 1;
        if count == max {
            *count = 0;
            let text = format!(
                "{} was refused {max} times in a row: no further attempt until an operator logs it on",
                self.names
                    .get(session.number())
                    .map_or("a session", String::as_str)
            );
            self.say(text);
        }
    }

    pub fn name(&self, session: SessionHandle) -> &str {
        let name = self.names.get(session.number());
        name.map_or("a session", String::as_str)
    }
}

impl Application for Trader {
    fn on_logon(&mut self, session: SessionHandle, out: &mut Outbound<'_>) {
        if let Some((count, _)) = self.refusals.get_mut(&session) {
            *count = 0;
        }
        let spoken = self.versions.get(&session);
        let adopted = out
            .peer(session)
            .map(|peer| peer.appl_version)
            .filter(|version| spoken.is_some_and(|spoken| spoken != version))
            .map(|version| format!(", the peer's ApplVerID is {}", version.appl_ver_id()))
            .unwrap_or_default();
        self.say(format!("{} logged on{adopted}", self.name(session)));
    }

    fn on_message(&mut self, inbound: &Inbound<'_>, _: &mut Outbound<'_>) -> Verdict {
        let (session, message) = (inbound.session, &inbound.message);
        match message.msg_type() {
            msg_type::EXECUTION_REPORT => {
                self.report(session, &Reply::of(message));
            }
            msg_type::BUSINESS_MESSAGE_REJECT => {
                let seq = message.uint(tag::REF_SEQ_NUM).ok();
                self.blotter.refused(session, seq);
                self.say(news::of_reject(self.name(session), message));
            }
            _ => {}
        }
        Verdict::Accept
    }

    fn on_sbe(&mut self, inbound: &SbeInbound<'_>, _: &mut Outbound<'_>) -> fixp::Verdict {
        let session = inbound.session;
        match Told::read(inbound.frame.bytes()) {
            Some(Told::Report(reply)) => self.report(session, &reply),
            Some(Told::Reject { seq, why }) => {
                self.blotter.refused(session, seq);
                let name = self.name(session);
                self.say(format!("{name} rejected a message of ours: {why}"));
            }
            Some(Told::Order(_)) | None => {}
        }
        fixp::Verdict::Accept
    }

    fn on_reject(&mut self, session: SessionHandle, reject: &Message<'_>, _: &mut Outbound<'_>) {
        self.blotter
            .refused(session, reject.uint(tag::REF_SEQ_NUM).ok());
        self.say(news::of_reject(self.name(session), reject));
    }

    fn on_logout(&mut self, session: SessionHandle, cause: &Cause, _: &mut Outbound<'_>) {
        self.say(format!("{} ended: {cause}", self.name(session)));
    }

    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::SessionAdded {
            session,
            id,
            rules: Some(rules),
            ..
        } = event
        {
            self.knows(*session, id.to_string(), rules.appl_version);
        }
        if let Some(text) = news::of_event(event, |session| self.name(session)) {
            self.say(text);
        }
        let ended = match event {
            Event::LogonFailed { session, cause } => Some((*session, *cause)),
            Event::ConnectFailed { session, why, .. } => Some((*session, Cause::ConnectFailed(*why))),
            _ => None,
        };
        if let Some((session, cause)) = ended
            && cause.is_refusal()
        {
            self.refused(session);
        }
    }
}

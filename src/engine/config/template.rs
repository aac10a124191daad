//! Sessions made on demand: what a port does with a Logon for which none is configured.

use std::path::PathBuf;

use super::{ConfigError, SessionConfig};
use crate::session::SessionId;
use crate::session::fix::rules::Rules;
use crate::wire::fix::Message;
use crate::wire::fix::tag::{self, Tag};

/// Makes a session for a peer that none is configured for. The first Logon of an identity makes it;
/// it stays.
#[derive(Clone, Debug)]
pub struct Template {
    /// The versions that are served.
    pub rules: Vec<&'static Rules>,
    /// What of a Logon makes up the identity of its session.
    pub identity: IdentityParts,
    /// The identities that are served; empty serves every one.
    pub allow: Vec<IdentityPattern>,
    /// The identities that are not, whatever is allowed.
    pub deny: Vec<IdentityPattern>,
    /// Everything else, with the networks the peer may come from; the identity is taken from the
    /// Logon, and with it the version.
    pub config: SessionConfig,
    /// The directory below which each session gets its journal; `None` keeps them in memory.
    pub journals: Option<PathBuf>,
}

impl Template {
    /// A template for every identity of these versions, with journals in memory.
    #[must_use]
    pub fn new(rules: Vec<&'static Rules>, config: SessionConfig) -> Self {
        Self {
            rules,
            identity: IdentityParts::default(),
            allow: Vec::new(),
            deny: Vec::new(),
            config,
            journals: None,
        }
    }

    /// The session that a Logon asks for, if its version and its identity are served.
    pub(in crate::engine) fn session_for(&self, caller: &Caller) -> Option<SessionConfig> {
        let rules = self.rules_for(caller)?;
        let id = self.identity.of(caller)?;
        if !self.serves(&id) {
            return None;
        }
        let mut config = self.config.clone();
        config.settings.rules = rules;
        config.settings.id = id;
        Some(match &self.journals {
            Some(base) => config.journal_below(base),
            None => config,
        })
    }

    /// Of several versions that share a BeginString(8), the one whose DefaultApplVerID(1137) the Logon
    /// has, else the first: what becomes of the other is decided where the Logon is checked.
    fn rules_for(&self, caller: &Caller) -> Option<&'static Rules> {
        let begin_string = caller.get(tag::BEGIN_STRING);
        let begins = |rules: &&&'static Rules| Some(rules.begin_string.as_bytes()) == begin_string;
        let theirs = caller.get(tag::DEFAULT_APPL_VER_ID);
        let speaks = |rules: &&&'static Rules| rules.default_appl_ver_id.map(str::as_bytes) == theirs;
        let served = || self.rules.iter().filter(begins);
        served().find(speaks).or_else(|| served().next()).copied()
    }

    fn serves(&self, id: &SessionId) -> bool {
        let fits = |pattern: &IdentityPattern| pattern.fits(id);
        (self.allow.is_empty() || self.allow.iter().any(fits)) && !self.deny.iter().any(fits)
    }

    pub(in crate::engine) fn check(&self) -> Result<(), ConfigError> {
        let mut config = self.config.clone();
        // The identity of a template is a placeholder.
        config.settings.id = SessionId::new(config.settings.rules.begin_string, "any", "any");
        config.check()
    }
}

/// What of a Logon makes up the identity of a session made for it, beside BeginString(8) and the
/// CompIDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityParts {
    /// Nothing: one session per pair of firms.
    #[default]
    CompIds,
    /// SenderSubID(50) and TargetSubID(57), where the Logon has them: one session per user or desk.
    SubIds,
    /// Those, and SenderLocationID(142) and TargetLocationID(143).
    SubAndLocationIds,
}

impl IdentityParts {
    /// The identity, from our side, of the session a Logon asks for.
    fn of(self, caller: &Caller) -> Option<SessionId> {
        let text = |tag| std::str::from_utf8(caller.get(tag)?).ok();
        let begin_string = text(tag::BEGIN_STRING)?;
        let ours = text(tag::TARGET_COMP_ID)?;
        let theirs = text(tag::SENDER_COMP_ID)?;
        let mut id = SessionId::new(begin_string, ours, theirs);
        let part = |tag| text(tag).map(str::to_owned);
        if self != Self::CompIds {
            id.sender_sub_id = part(tag::TARGET_SUB_ID);
            id.target_sub_id = part(tag::SENDER_SUB_ID);
        }
        if self == Self::SubAndLocationIds {
            id.sender_location_id = part(tag::TARGET_LOCATION_ID);
            id.target_location_id = part(tag::SENDER_LOCATION_ID);
        }
        Some(id)
    }
}

/// What of a Logon decides which session it asks for, of a fixed size: it is kept while that is made.
/// An empty field counts as absent.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Caller {
    values: [u8; CALLER_BYTES],
    /// Where in `values` that of each of [`CALLER_TAGS`] ends; it begins where the one before ends.
    ends: [u16; CALLER_TAGS.len()],
}

/// Room for the values of a caller together, in bytes.
const CALLER_BYTES: usize = 512;

const CALLER_TAGS: [Tag; 8] = [
    tag::BEGIN_STRING,
    tag::SENDER_COMP_ID,
    tag::TARGET_COMP_ID,
    tag::SENDER_SUB_ID,
    tag::TARGET_SUB_ID,
    tag::SENDER_LOCATION_ID,
    tag::TARGET_LOCATION_ID,
    tag::DEFAULT_APPL_VER_ID,
];

impl Caller {
    /// `None` if its names are too long to be anybody's.
    pub(in crate::engine) fn of(logon: &Message<'_>) -> Option<Self> {
        let mut caller = Self {
            values: [0; CALLER_BYTES],
            ends: [0; CALLER_TAGS.len()],
        };
        let mut end = 0;
        for (tag, ends) in CALLER_TAGS.into_iter().zip(&mut caller.ends) {
            let value = match tag {
                tag::BEGIN_STRING => logon.begin_string(),
                tag => logon.get(tag).unwrap_or_default(),
            };
            let start = end;
            end += value.len();
            caller.values.get_mut(start..end)?.copy_from_slice(value);
            *ends = u16::try_from(end).ok()?;
        }
        Some(caller)
    }

    fn get(&self, wanted: Tag) -> Option<&[u8]> {
        let at = CALLER_TAGS.iter().position(|&tag| tag == wanted)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let value = self.values.get(start.into()..self.ends[at].into())?;
        (!value.is_empty()).then_some(value)
    }
}

/// Identities by their CompIDs, from our side. `*` stands for any run of characters: `DESK*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdentityPattern {
    /// SenderCompID(49) of what we send.
    pub sender_comp_id: String,
    /// TargetCompID(56) of what we send: the peer.
    pub target_comp_id: String,
}

impl IdentityPattern {
    /// The identities whose CompIDs fit.
    #[must_use]
    pub fn new(sender_comp_id: &str, target_comp_id: &str) -> Self {
        Self {
            sender_comp_id: sender_comp_id.to_owned(),
            target_comp_id: target_comp_id.to_owned(),
        }
    }

    /// Whether an identity is meant.
    #[must_use]
    pub fn fits(&self, id: &SessionId) -> bool {
        fits(&self.sender_comp_id, &id.sender_comp_id) && fits(&self.target_comp_id, &id.target_comp_id)
    }
}

/// Whether `text` is `pattern` with something in place of each `*`. Every part between two stars is
/// taken where it is found first, so the time is bounded by the product of the lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fix::rules::FIX44;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in [
            ("*", "ANY"),
            ("*", ""),
            ("A", "A"),
            ("A*", "A"),
            ("A*", "ABC"),
            ("*C", "ABC"),
            ("A*C", "ABC"),
            ("A*C", "ACC"),
            ("*B*", "ABC"),
            ("A*B*C", "AxxByyC"),
            ("**", "x"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("A", "AB"),
            ("", "A"),
            ("A*", "BA"),
            ("*C", "AB"),
            ("AB*BC", "ABC"),
            ("A*B*C", "ACB"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_denied_is_not_served_although_it_is_allowed() {
        let config = SessionConfig::acceptor(&FIX44, "ANY", "ANY");
        let mut template = Template::new(vec![&FIX44], config);
        let serves = |template: &Template, peer: &str| {
            template.serves(&SessionId::new("FIX.4.4", "VENUE", peer))
        };
        assert!(serves(&template, "DESK1"));
        template.allow.push(IdentityPattern::new("VENUE", "DESK*"));
        template.deny.push(IdentityPattern::new("*", "DESK7"));
        assert!(serves(&template, "DESK1"));
        assert!(!serves(&template, "OTHER"));
        assert!(!serves(&template, "DESK7"));
    }
}

//! Who talks to whom: the identity of a session and the Logon header it is found by.

use std::fmt;

/// The identity of a FIX session: BeginString(8), our CompID, the peer's CompID, optionally SubIDs
/// and LocationIDs on either side, and a local qualifier when two sessions share all of these.
///
/// A session outlives its connections: it is one pair of number series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// BeginString(8), for example `FIX.4.4`.
    pub begin_string: String,
    /// SenderCompID(49) of what we send.
    pub sender_comp_id: String,
    /// SenderSubID(50) of what we send, if it is part of the identity.
    pub sender_sub_id: Option<String>,
    /// SenderLocationID(142) of what we send, if it is part of the identity.
    pub sender_location_id: Option<String>,
    /// TargetCompID(56) of what we send.
    pub target_comp_id: String,
    /// TargetSubID(57) of what we send, if it is part of the identity.
    pub target_sub_id: Option<String>,
    /// TargetLocationID(143) of what we send, if it is part of the identity.
    pub target_location_id: Option<String>,
    /// Never on the wire; tells apart two sessions that are otherwise the same.
    pub qualifier: Option<String>,
}

impl SessionId {
    /// An identity of BeginString(8) and the two CompIDs.
    #[must_use]
    pub fn new(begin_string: &str, sender_comp_id: &str, target_comp_id: &str) -> Self {
        Self {
            begin_string: begin_string.to_owned(),
            sender_comp_id: sender_comp_id.to_owned(),
            target_comp_id: target_comp_id.to_owned(),
            ..Self::default()
        }
    }
}

/// `FIX.4.4:SENDER/sub/location->TARGET/sub/location:qualifier`, the parts that are set.
impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.begin_string, self.sender_comp_id)?;
        for part in [&self.sender_sub_id, &self.sender_location_id]
            .into_iter()
            .flatten()
        {
            write!(f, "/{part}")?;
        }
        write!(f, "->{}", self.target_comp_id)?;
        for part in [&self.target_sub_id, &self.target_location_id]
            .into_iter()
            .flatten()
        {
            write!(f, "/{part}")?;
        }
        self.qualifier
            .iter()
            .try_for_each(|qualifier| write!(f, ":{qualifier}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_are_set_are_shown() {
        let mut id = SessionId::new("FIX.4.4", "ME", "YOU");
        assert_eq!(id.to_string(), "FIX.4.4:ME->YOU");
        id.target_sub_id = Some("DESK".into());
        id.qualifier = Some("price".into());
        assert_eq!(id.to_string(), "FIX.4.4:ME->YOU/DESK:price");
    }
}

//! What a gateway is told to do instead of what is right, for tests of clients.

use super::Session;

/// How many answers may be laid down in advance.
const ROOM: usize = 32;

/// What is answered in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The next Negotiate(500).
    Negotiate,
    /// The next Establish(503).
    Establish,
    /// The next business message under the expected number.
    Business,
    /// The next RetransmitRequest(508).
    RetransmitRequest,
    /// The next Terminate(507).
    Terminate,
}

/// How it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the reject that belongs to it, and this code: NegotiationReject, EstablishmentReject,
    /// RetransmitReject, or BusinessReject with this reason.
    Reject(u16),
    /// With a BusinessReject of this reason that refers to no number; the number is not consumed.
    Unconsumed(u16),
    /// With a Terminate of this code.
    Terminate(u16),
    /// Not at all; a Negotiate or Establish as if what checks signatures did not answer.
    Silence,
    /// By closing the connection.
    Drop,
}

/// No more answers can be laid down; holds how many can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptFull(pub usize);

impl std::fmt::Display for ScriptFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answers are laid down, no more are taken", self.0)
    }
}

impl std::error::Error for ScriptFull {}

/// Answers laid down in advance, in order.
#[derive(Debug, Default)]
pub(super) struct Script {
    answers: [Option<(On, Answer)>; ROOM],
}

impl Script {
    fn add(&mut self, on: On, answer: Answer) -> Result<(), ScriptFull> {
        let free = self.answers.iter_mut().find(|answer| answer.is_none());
        *free.ok_or(ScriptFull(ROOM))? = Some((on, answer));
        Ok(())
    }

    /// The answer to this, if one is laid down.
    pub(super) fn take(&mut self, on: On) -> Option<Answer> {
        let at = self
            .answers
            .iter()
            .position(|answer| answer.is_some_and(|answer| answer.0 == on))?;
        // Keeps the order of the others.
        self.answers[at..].rotate_left(1);
        self.answers[ROOM - 1].take().map(|answer| answer.1)
    }
}

impl Session {
    /// Lays down how a gateway answers the next message of a kind, instead of as is right. Several for one
    /// kind are used in turn.
    ///
    /// # Errors
    /// As many are laid down already as can be.
    pub fn script(&mut self, on: On, answer: Answer) -> Result<(), ScriptFull> {
        self.gateway.script.add(on, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_used_in_the_order_they_were_laid_down() {
        let mut script = Script::default();
        script.add(On::Negotiate, Answer::Reject(1)).unwrap();
        script.add(On::Business, Answer::Silence).unwrap();
        script.add(On::Negotiate, Answer::Drop).unwrap();
        assert_eq!(script.take(On::Negotiate), Some(Answer::Reject(1)));
        assert_eq!(script.take(On::Negotiate), Some(Answer::Drop));
        assert_eq!(script.take(On::Negotiate), None);
        assert_eq!(script.take(On::Business), Some(Answer::Silence));
        for _ in 0..ROOM {
            script.add(On::Business, Answer::Drop).unwrap();
        }
        assert_eq!(
            script.add(On::Business, Answer::Drop),
            Err(ScriptFull(ROOM))
        );
    }
}

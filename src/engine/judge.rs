//! The application as the judge of a resend: asked about each message, told of each that is lost.

use super::SessionHandle;
use super::application::{Application, Event, Resend};
use crate::session::fix::{Loss, ResendJudge};
use crate::wire::fix::Message;

/// Asks and tells the application about the messages of a resend.
pub(super) struct Judge<'a, A: ?Sized> {
    pub(super) session: SessionHandle,
    pub(super) app: &'a mut A,
}

impl<A: Application + ?Sized> ResendJudge for Judge<'_, A> {
    fn is_wanted(&mut self, original: &Message<'_>) -> bool {
        self.app.on_resend(self.session, original) == Resend::Send
    }

    fn unreadable(&mut self, seq: u64) {
        let session = self.session;
        self.app.on_event(&Event::Unreadable { session, seq });
    }

    fn too_long(&mut self, _: u64, limit: u64) {
        let (session, loss) = (self.session, Loss::LongerThanPeerTakes(limit));
        self.app.on_event(&Event::MessagesLost { session, loss });
    }
}

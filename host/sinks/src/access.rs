//! Which import works in which event: EVENTS' matrix "Which import works where", as a table.

use crate::event::EventKind;

/// What the imports of one event may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) session: SessionAccess,
    pub(crate) ehlo: Allowed,
    pub(crate) envelope: EnvelopeAccess,
    pub(crate) envelope_draft: EnvelopeEdits,
    pub(crate) message: MessageAccess,
    pub(crate) message_draft: Allowed,
    /// `remote` and `command-draft`.
    pub(crate) remote: Allowed,
    pub(crate) original: Allowed,
}

/// A plain yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    Yes,
    No,
}

/// What is known of the inbound session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionAccess {
    None,
    /// Facts that were stored with the message; nothing that lives.
    Stored,
    /// The session is there: variables and tarpit too.
    Live,
}

/// How much of the envelope is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvelopeAccess {
    None,
    ReversePath,
    All,
}

/// Which edits of the envelope are possible; each case says all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvelopeEdits {
    None,
    /// The reverse-path and the priority.
    ReversePath,
    /// Discarding the recipient that the event is about.
    DiscardCurrent,
    /// All but forks.
    NoForks,
    /// All but new recipients and forks: they aren't resolved yet.
    NoRecipients,
    All,
}

/// How much of the content is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageAccess {
    None,
    All,
}

const NOTHING: Access = Access {
    session: SessionAccess::None,
    ehlo: Allowed::No,
    envelope: EnvelopeAccess::None,
    envelope_draft: EnvelopeEdits::None,
    message: MessageAccess::None,
    message_draft: Allowed::No,
    remote: Allowed::No,
    original: Allowed::No,
};

const DIALOGUE: Access = Access { session: SessionAccess::Live, ..NOTHING };

/// A message at rest that is only looked at.
const AT_REST: Access = Access {
    session: SessionAccess::Stored,
    envelope: EnvelopeAccess::All,
    message: MessageAccess::All,
    ..NOTHING
};

const STAGE: Access = Access { envelope_draft: EnvelopeEdits::All, message_draft: Allowed::Yes, ..AT_REST };

const OUTBOUND: Access = Access { remote: Allowed::Yes, ..AT_REST };

const REPORT: Access = Access { session: SessionAccess::None, original: Allowed::Yes, ..AT_REST };

impl Access {
    /// The row of the event. Events that this host does not fire yet have nothing.
    pub(crate) fn of(event: EventKind) -> Self {
        match event {
            EventKind::Connect
            | EventKind::TlsEstablished
            | EventKind::Authenticate
            | EventKind::AuthStep => DIALOGUE,
            EventKind::Helo => Self { ehlo: Allowed::Yes, ..DIALOGUE },
            EventKind::MailFrom => Self {
                envelope: EnvelopeAccess::ReversePath,
                envelope_draft: EnvelopeEdits::ReversePath,
                ..DIALOGUE
            },
            EventKind::RcptTo | EventKind::Data => Self {
                envelope: EnvelopeAccess::All,
                envelope_draft: EnvelopeEdits::DiscardCurrent,
                ..DIALOGUE
            },
            EventKind::EndOfData => {
                Self { session: SessionAccess::Live, envelope_draft: EnvelopeEdits::NoForks, ..STAGE }
            }
            EventKind::InboundCommand
            | EventKind::Reply
            | EventKind::Violation
            | EventKind::Rejected
            | EventKind::TransactionEnd
            | EventKind::Disconnect => Self { envelope: EnvelopeAccess::All, ..DIALOGUE },
            EventKind::TransportSubmission | EventKind::PostCategorize => STAGE,
            EventKind::PreCategorize => Self { envelope_draft: EnvelopeEdits::NoRecipients, ..STAGE },
            EventKind::Routed => Self { envelope_draft: EnvelopeEdits::None, ..STAGE },
            EventKind::Categorize
            | EventKind::Route
            | EventKind::ResolveNextHop
            | EventKind::Deliver
            | EventKind::Retry
            | EventKind::QueueAge => AT_REST,
            EventKind::RemoteTls
            | EventKind::SessionStart
            | EventKind::MessageStart
            | EventKind::PerRecipient
            | EventKind::BeforeData
            | EventKind::ServerResponse
            | EventKind::SessionEnd => OUTBOUND,
            EventKind::Dsn => Self { message_draft: Allowed::Yes, ..REPORT },
            EventKind::Feedback => REPORT,
            EventKind::Prepare
            | EventKind::SelfTest
            | EventKind::Headers
            | EventKind::SizeExceeded
            | EventKind::DeliveryAttempt
            | EventKind::Track
            | EventKind::Timer => NOTHING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, NOTHING};
    use crate::event::{Class, EventKind, Served};

    #[test]
    fn every_event_that_fires_about_mail_has_a_row() {
        for kind in EventKind::ALL {
            let is_about_mail = !matches!(kind.class(), Class::Life) && kind != EventKind::DeliveryAttempt;
            let has_row = Access::of(kind) != NOTHING;
            assert!(has_row || kind.served() == Served::NotYet || !is_about_mail, "{kind}");
        }
    }
}

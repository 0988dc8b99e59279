//! What the SMTP session must ask about, so that an event that nobody binds costs it one test of a bit.

use std::collections::BTreeSet;

use smtp::{GateKind, Interest, Mechanism, NoticeKind, client};

use crate::binding::{Binding, Verbs};
use crate::event::EventKind;

/// The union over bindings, whatever their rules say.
pub(crate) fn of<'a>(bindings: impl Iterator<Item = &'a Binding>) -> Interest {
    let mut interest = Interest::nothing();
    let (mut commands, mut replies) = (Union::default(), Union::default());
    let mut mechanisms: BTreeSet<Box<str>> = BTreeSet::new();
    for binding in bindings {
        match binding.event {
            EventKind::Authenticate => {
                let shown = Mechanism::ALL.into_iter().filter(|one| one.shows_password());
                mechanisms.extend(shown.map(|one| one.word().into()));
            }
            EventKind::AuthStep => mechanisms.extend(binding.installation.mechanisms.iter().cloned()),
            EventKind::InboundCommand => commands.add(&binding.installation.command_verbs),
            EventKind::Reply => replies.add(&binding.installation.reply_verbs),
            event => {
                if let Some(kind) = gate(event) {
                    interest = interest.with_gate(kind);
                }
                if let Some(kind) = notice(event) {
                    interest = interest.with_notice(kind);
                }
            }
        }
    }
    interest.with_commands(commands.verbs()).with_replies(replies.verbs()).with_mechanisms(mechanisms)
}

/// The same of the dialogue with another server.
pub(crate) fn of_outbound<'a>(bindings: impl Iterator<Item = &'a Binding>) -> client::Interest {
    let mut interest = client::Interest::default();
    let mut replies = Union::default();
    for binding in bindings {
        match (binding.event, outbound_gate(binding.event)) {
            (EventKind::ServerResponse, _) => replies.add(&binding.installation.response_verbs),
            (_, Some(kind)) => interest = interest.with_gate(kind),
            (_, None) => {}
        }
    }
    interest.with_replies(replies.verbs())
}

const fn outbound_gate(event: EventKind) -> Option<client::GateKind> {
    match event {
        EventKind::SessionStart => Some(client::GateKind::SessionStart),
        EventKind::MessageStart => Some(client::GateKind::MessageStart),
        EventKind::PerRecipient => Some(client::GateKind::PerRecipient),
        EventKind::BeforeData => Some(client::GateKind::BeforeData),
        EventKind::SessionEnd => Some(client::GateKind::SessionEnd),
        _ => None,
    }
}

#[derive(Default)]
struct Union {
    is_every: bool,
    verbs: BTreeSet<Box<str>>,
}

impl Union {
    fn add(&mut self, verbs: &Verbs) {
        match verbs {
            Verbs::Every => self.is_every = true,
            Verbs::These(verbs) => self.verbs.extend(verbs.iter().cloned()),
        }
    }

    fn verbs(self) -> smtp::Verbs {
        if self.is_every {
            smtp::Verbs::All
        } else if self.verbs.is_empty() {
            smtp::Verbs::None
        } else {
            smtp::Verbs::These(self.verbs.into_iter().collect())
        }
    }
}

const fn gate(event: EventKind) -> Option<GateKind> {
    match event {
        EventKind::Connect => Some(GateKind::Connect),
        EventKind::TlsEstablished => Some(GateKind::TlsEstablished),
        EventKind::Helo => Some(GateKind::Helo),
        EventKind::MailFrom => Some(GateKind::MailFrom),
        EventKind::RcptTo => Some(GateKind::RcptTo),
        EventKind::Data => Some(GateKind::Data),
        EventKind::EndOfData => Some(GateKind::EndOfData),
        _ => None,
    }
}

const fn notice(event: EventKind) -> Option<NoticeKind> {
    match event {
        EventKind::Violation => Some(NoticeKind::Violation),
        EventKind::Rejected => Some(NoticeKind::Rejected),
        EventKind::TransactionEnd => Some(NoticeKind::TransactionEnd),
        EventKind::Disconnect => Some(NoticeKind::Disconnect),
        _ => None,
    }
}

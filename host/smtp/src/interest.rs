//! What somebody wants to be asked or told: an event that nobody binds costs the session one test of a bit.
//!
//! Promises that a session asks and tells nothing outside of it. Leaves out who is interested; the loop works that out from
//! the registry and may change it between any two steps.

use crate::gate::GateKind;
use crate::notice::NoticeKind;
use std::sync::Arc;

/// The default asks the typed gates, and neither commands, replies nor notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    gates: u8,
    notices: u8,
    commands: Verbs,
    replies: Verbs,
    /// SASL mechanisms that somebody answers, in upper case.
    mechanisms: Arc<[Box<str>]>,
}

/// Which verbs of `on-inbound-command` or `on-reply` are bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verbs {
    /// Not one.
    #[default]
    None,
    /// Every one, those that nobody knows included.
    All,
    /// These, in any case.
    These(Arc<[Box<str>]>),
}

impl Interest {
    /// Everything that there is.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            gates: u8::MAX,
            notices: u8::MAX,
            commands: Verbs::All,
            replies: Verbs::All,
            mechanisms: Arc::default(),
        }
    }

    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { gates: 0, notices: 0, commands: Verbs::None, replies: Verbs::None, mechanisms: Arc::default() }
    }

    /// The same, and this typed gate is asked. Commands and replies go by their verbs instead.
    #[must_use]
    pub fn with_gate(mut self, kind: GateKind) -> Self {
        self.gates |= gate_bit(kind);
        self
    }

    /// The same, and this typed gate is not asked.
    #[must_use]
    pub fn without_gate(mut self, kind: GateKind) -> Self {
        self.gates &= !gate_bit(kind);
        self
    }

    /// The same, and this notice is told.
    #[must_use]
    pub fn with_notice(mut self, kind: NoticeKind) -> Self {
        self.notices |= notice_bit(kind);
        self
    }

    /// The same, and [`crate::Gate::InboundCommand`] is asked for these verbs.
    #[must_use]
    pub fn with_commands(mut self, verbs: Verbs) -> Self {
        self.commands = verbs;
        self
    }

    /// The same, and [`crate::Gate::Reply`] is asked for these verbs.
    #[must_use]
    pub fn with_replies(mut self, verbs: Verbs) -> Self {
        self.replies = verbs;
        self
    }

    /// The same, and AUTH has these mechanisms too, in upper case: sinks check their passwords or speak them.
    #[must_use]
    pub fn with_mechanisms(mut self, mechanisms: impl IntoIterator<Item = Box<str>>) -> Self {
        self.mechanisms = mechanisms.into_iter().collect();
        self
    }

    /// The mechanisms that sinks answer.
    pub(crate) fn mechanisms(&self) -> &[Box<str>] {
        &self.mechanisms
    }

    /// Whether a typed gate is asked.
    #[must_use]
    pub fn wants_gate(&self, kind: GateKind) -> bool {
        self.gates & gate_bit(kind) != 0
    }

    /// Whether a notice is told.
    #[must_use]
    pub fn wants_notice(&self, kind: NoticeKind) -> bool {
        self.notices & notice_bit(kind) != 0
    }

    /// Whether the command of this verb is asked about.
    #[must_use]
    pub fn wants_command(&self, verb: &str) -> bool {
        self.commands.contains(verb)
    }

    /// Whether the reply to this verb is asked about.
    #[must_use]
    pub fn wants_reply(&self, verb: &str) -> bool {
        self.replies.contains(verb)
    }
}

impl Verbs {
    /// Whether this verb is among them.
    #[must_use]
    pub fn contains(&self, verb: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::These(verbs) => verbs.iter().any(|one| one.eq_ignore_ascii_case(verb)),
        }
    }
}

fn gate_bit(kind: GateKind) -> u8 {
    match kind {
        GateKind::Connect => 1,
        GateKind::Helo => 2,
        GateKind::MailFrom => 4,
        GateKind::RcptTo => 8,
        GateKind::Data => 16,
        GateKind::EndOfData => 32,
        GateKind::TlsEstablished => 64,
        GateKind::InboundCommand | GateKind::Reply => 0,
    }
}

fn notice_bit(kind: NoticeKind) -> u8 {
    match kind {
        NoticeKind::Violation => 1,
        NoticeKind::Rejected => 2,
        NoticeKind::TransactionEnd => 4,
        NoticeKind::Disconnect => 8,
    }
}

impl Default for Interest {
    fn default() -> Self {
        Self { gates: u8::MAX, ..Self::nothing() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_compared_without_case() {
        let verbs = Verbs::These(Arc::from(vec!["XFOO".into(), ".".into()]));
        assert!(verbs.contains("xfoo") && verbs.contains("."));
        assert!(!verbs.contains("XFO") && !verbs.contains(""));
        assert!(Verbs::All.contains("") && !Verbs::None.contains("XFOO"));
    }

    #[test]
    fn the_default_asks_the_typed_gates_alone() {
        let interest = Interest::default();
        assert!(interest.wants_gate(GateKind::Connect) && interest.wants_gate(GateKind::EndOfData));
        assert!(!interest.wants_notice(NoticeKind::Violation) && !interest.wants_reply("MAIL"));
        let less = interest.without_gate(GateKind::RcptTo).with_notice(NoticeKind::Rejected);
        assert!(!less.wants_gate(GateKind::RcptTo) && less.wants_notice(NoticeKind::Rejected));
    }
}

//! What a session to another host asks, and what may be answered: EVENTS' outbound table.
//!
//! Promises that every moment of the contract's outbound interfaces from `on-session-start` to `on-session-end` is a case
//! here, and that nothing is asked that nobody wants. Leaves out who is asked and in which order.

use super::outcome::Totals;
use crate::envelope::RecipientId;
use crate::gate::{By, Refusal};
use crate::interest::Verbs;
use crate::reply::Reply;
use std::time::Duration;

/// A moment at which sinks are asked, with what it is about. [`super::Client::draft`] has what they may edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Before EHLO; asked once, TLS or not.
    SessionStart,
    /// Before MAIL.
    MessageStart,
    /// Before the RCPT of this recipient.
    PerRecipient(RecipientId),
    /// Before DATA or BDAT, when every RCPT is answered.
    BeforeData {
        /// RCPT that were answered 2xx.
        accepted: u32,
        /// All others.
        refused: u32,
    },
    /// The peer answered.
    ServerResponse {
        /// `CONNECT`, `EHLO`, `HELO`, `LHLO`, `STARTTLS`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `.`, `RSET`, `QUIT`, or a sink's own.
        verb: Box<str>,
        /// What it said.
        reply: Reply,
        /// Whom it is about: of RCPT, and of LMTP's dot.
        recipient: Option<RecipientId>,
    },
    /// Before QUIT, or when the connection is lost.
    SessionEnd {
        /// What became of the recipients of this session.
        totals: Totals,
        /// Whether anything can still be said.
        connection: Connection,
    },
}

/// Whether the peer can still be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// QUIT comes next.
    Standing,
    /// It is closed, broken or not to be trusted.
    Lost,
}

/// A [`Gate`] without what it is about; replies go by their verbs instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GateKind {
    /// See [`Gate::SessionStart`].
    SessionStart,
    /// See [`Gate::MessageStart`].
    MessageStart,
    /// See [`Gate::PerRecipient`].
    PerRecipient,
    /// See [`Gate::BeforeData`].
    BeforeData,
    /// See [`Gate::SessionEnd`].
    SessionEnd,
}

/// What came of a round of sinks; a case that a gate does not know is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No opinion, or enough said.
    Continue,
    /// SessionStart: the name in our EHLO.
    GreetAs(String),
    /// SessionStart: another host, not this one.
    SkipHost,
    /// All but ServerResponse and SessionEnd: not now, but after this wait, if one is named.
    Postpone(Option<Duration>),
    /// MessageStart, PerRecipient, BeforeData: never.
    Fail(Refusal),
    /// MessageStart, BeforeData: the message waits, and the session ends.
    DropSession,
    /// ServerResponse: what the reply means.
    Judge(Judgement),
}

/// What a reply means and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it means.
    pub class: Class,
    /// What comes next.
    pub next: AfterReply,
    /// A word for log and trace.
    pub tag: Option<Box<str>>,
}

/// What a reply means, whatever its code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// What its code says.
    #[default]
    AsSent,
    /// A sink's own verb alone: it went well.
    Success,
    /// As 4xx; of a 2xx to the dot ignored.
    Transient,
    /// As 5xx; of a 2xx to the dot ignored.
    Permanent,
}

/// What comes behind a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterReply {
    /// What comes anyway.
    #[default]
    AsUsual,
    /// The next RCPT: what comes anyway, since a recipient is settled by its own reply.
    NextRecipient,
    /// Recipients of this message that are not settled yet wait.
    NextMessage,
    /// And QUIT.
    EndSession,
    /// And QUIT, and this host is not asked again for them.
    SkipHost,
    /// And QUIT, and nobody of this queue is asked for a while.
    SuspendQueue,
}

/// A verdict and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Merged over all sinks that were asked.
    pub verdict: Verdict,
    /// The sink that it is of.
    pub by: By,
}

/// Which gates are asked; the default is none, and an event that nobody binds costs the session one test of a bit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interest {
    gates: u8,
    replies: Verbs,
}

impl Decision {
    /// The host has no opinion.
    #[must_use]
    pub fn proceed() -> Self {
        Self { verdict: Verdict::Continue, by: By::Host }
    }

    /// Not now: what an answer that never came counts as (fail closed).
    #[must_use]
    pub fn postpone() -> Self {
        Self { verdict: Verdict::Postpone(None), by: By::Host }
    }
}

impl Judgement {
    /// As if nobody had been asked.
    #[must_use]
    pub fn as_sent() -> Self {
        Self { class: Class::AsSent, next: AfterReply::AsUsual, tag: None }
    }
}

impl Interest {
    /// All that there is. Nothing is pipelined then, since every reply may change what comes next.
    #[must_use]
    pub fn everything() -> Self {
        Self { gates: u8::MAX, replies: Verbs::All }
    }

    /// The same, and this gate is asked.
    #[must_use]
    pub fn with_gate(mut self, kind: GateKind) -> Self {
        self.gates |= bit(kind);
        self
    }

    /// The same, and [`Gate::ServerResponse`] is asked for these verbs. Behind such a command nothing is sent before its
    /// reply.
    #[must_use]
    pub fn with_replies(mut self, verbs: Verbs) -> Self {
        self.replies = verbs;
        self
    }

    /// Whether a gate is asked.
    #[must_use]
    pub fn wants_gate(&self, kind: GateKind) -> bool {
        self.gates & bit(kind) != 0
    }

    /// Whether the reply to this verb is asked about.
    #[must_use]
    pub fn wants_reply(&self, verb: &str) -> bool {
        self.replies.contains(verb)
    }
}

fn bit(kind: GateKind) -> u8 {
    match kind {
        GateKind::SessionStart => 1,
        GateKind::MessageStart => 2,
        GateKind::PerRecipient => 4,
        GateKind::BeforeData => 8,
        GateKind::SessionEnd => 16,
    }
}

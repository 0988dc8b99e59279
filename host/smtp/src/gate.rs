//! What a session asks, and what may be answered: the same types that `sinks` speaks.
//!
//! Promises that every moment of EVENTS' inbound table that the session knows is a case here, or in [`crate::notice`] when
//! nobody is asked. Leaves out who is asked and in which order: that is `Sinks::fire`.

use crate::address::Mailbox;
use crate::facts::Greeting;
use crate::parameters::Parameter;
use crate::reply::Reply;
use bytes::Bytes;
use std::sync::Arc;

/// A moment of the dialogue at which sinks are asked, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Before the banner.
    Connect,
    /// The handshake is done: behind STARTTLS before the client speaks again, else behind [`Gate::Connect`].
    TlsEstablished,
    /// Before the reply to HELO or EHLO; [`crate::Session::offers`] may be edited.
    Helo {
        /// Which of them.
        greeting: Greeting,
        /// What the client calls itself.
        name: String,
    },
    /// Before the reply to MAIL; the envelope has the path and the parameters.
    MailFrom,
    /// Before the reply to RCPT, and for each address that a rewrite gave.
    RcptTo {
        /// Who; `<postmaster>` comes with the host's domain.
        recipient: Mailbox,
        /// As they came.
        parameters: Vec<Parameter>,
    },
    /// Before 354.
    Data,
    /// The content is in and legal; its reply not yet sent.
    EndOfData,
    /// A command with legal syntax and in sequence, before what the host would do with it.
    InboundCommand {
        /// In upper case, since verbs are compared without case (RFC 5321 §2.4).
        verb: String,
        /// What follows the verb and one space, as it came; of AUTH the mechanism alone.
        argument: String,
        /// Empty at first, then what the dialogue asked for.
        input: Bytes,
        /// Empty at first, then what the sink gave with its last [`Verdict::More`].
        state: Bytes,
    },
    /// A reply is about to be sent.
    Reply {
        /// That it answers: `CONNECT` for the greeting, `.` for the end of data, empty for what had no verb.
        verb: String,
        /// As it will go out.
        reply: Reply,
    },
}

/// A [`Gate`] without what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GateKind {
    /// See [`Gate::Connect`].
    Connect,
    /// See [`Gate::TlsEstablished`].
    TlsEstablished,
    /// See [`Gate::Helo`].
    Helo,
    /// See [`Gate::MailFrom`].
    MailFrom,
    /// See [`Gate::RcptTo`].
    RcptTo,
    /// See [`Gate::Data`].
    Data,
    /// See [`Gate::EndOfData`].
    EndOfData,
    /// See [`Gate::InboundCommand`].
    InboundCommand,
    /// See [`Gate::Reply`].
    Reply,
}

/// Who gave a verdict or a reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum By {
    /// The server itself.
    Host,
    /// The installation of that name.
    Sink(Arc<str>),
}

/// Why a sink refuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// 4xx to defer, 5xx to reject; otherwise the host answers for the event.
    pub reply: Option<Reply>,
    /// A word of the sink's own, for log and trace; never sent.
    pub reason: String,
}

/// What came of a round of sinks, for every gate; a case that a gate does not know is ignored (see [`Heeded`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No opinion, or enough said.
    Continue,
    /// Connect: the text behind our name in the banner.
    Greet(String),
    /// RcptTo: the mailbox exists, whatever the host knows.
    Claim,
    /// RcptTo: these instead, at least one; each is resolved and asked again.
    Rewrite(Vec<Mailbox>),
    /// RcptTo, EndOfData: 250, and nothing kept.
    Discard(String),
    /// EndOfData: 250, and kept aside.
    Quarantine(String),
    /// 4xx.
    Defer(Refusal),
    /// 5xx.
    Reject(Refusal),
    /// 421 or a 5xx, and the session ends.
    Disconnect(Option<Reply>),
    /// InboundCommand: this is the reply.
    Answer(Reply),
    /// InboundCommand: reply, read, ask again.
    More(Dialogue),
    /// Reply: this instead, of the same class.
    Replace(Reply),
}

/// The next turn of a sink's own command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue {
    /// Sent before the input is read.
    pub reply: Reply,
    /// What to read.
    pub input: Input,
    /// Given back with it.
    pub state: Bytes,
}

/// What a dialogue reads next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Up to CRLF, which is not given.
    Line,
    /// Exactly so many, whatever they are.
    Octets(u32),
}

/// A verdict and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Merged over all sinks that were asked.
    pub verdict: Verdict,
    /// The sink that it is of.
    pub by: By,
}

/// Whether a decision was one that the question has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heeded {
    /// It was followed.
    Taken,
    /// It was taken as `Continue`; the text says why, for the log.
    Ignored(&'static str),
}

impl Gate {
    /// Without what it is about.
    #[must_use]
    pub fn kind(&self) -> GateKind {
        match self {
            Self::Connect => GateKind::Connect,
            Self::TlsEstablished => GateKind::TlsEstablished,
            Self::Helo { .. } => GateKind::Helo,
            Self::MailFrom => GateKind::MailFrom,
            Self::RcptTo { .. } => GateKind::RcptTo,
            Self::Data => GateKind::Data,
            Self::EndOfData => GateKind::EndOfData,
            Self::InboundCommand { .. } => GateKind::InboundCommand,
            Self::Reply { .. } => GateKind::Reply,
        }
    }
}

impl By {
    /// The installation, or `host`.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::Sink(name) => name,
        }
    }
}

impl Decision {
    /// The host has no opinion.
    #[must_use]
    pub fn proceed() -> Self {
        Self { verdict: Verdict::Continue, by: By::Host }
    }

    /// The host refuses for now: what an answer that never came counts as (fail closed).
    #[must_use]
    pub fn defer() -> Self {
        Self { verdict: Verdict::Defer(Refusal::default()), by: By::Host }
    }
}

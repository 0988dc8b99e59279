//! What became of recipients and of a session, and why: what the queue, the DSN and the trace are made from.
//!
//! Promises that each recipient of a message has exactly one [`Fate`], and that one whose copy may lie at the peer although
//! nobody said so is named as such.

use super::reader::ReplyFlaw;
use super::sasl::SaslError;
use crate::envelope::RecipientId;
use crate::gate::{By, Refusal};
use crate::reply::{EnhancedStatus, Reply};
use std::time::Duration;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// All of them, in the order of the envelope.
    pub recipients: Vec<RecipientOutcome>,
    /// What the session may still do. The last word is [`super::Action::Ready`] or [`super::Action::Close`].
    pub next: Next,
}

/// What became of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientOutcome {
    /// Who.
    pub id: RecipientId,
    /// What.
    pub fate: Fate,
    /// The last word that a sink said of a reply about it.
    pub tag: Option<Box<str>>,
}

/// How an attempt for one recipient ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The peer has it; its reply to the dot.
    Delivered(Reply),
    /// Another attempt may go better.
    Deferred {
        /// Why.
        cause: Cause,
        /// After this, where somebody named a wait.
        wait: Option<Duration>,
    },
    /// No attempt will go better.
    Failed(Cause),
    /// All of it was sent and the answer never came: another attempt may make a duplicate (RFC 5321 §4.5.3.2.6, RFC 1047).
    MaybeDelivered(Cause),
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The peer said so.
    Reply {
        /// To what.
        verb: Box<str>,
        /// Its words.
        reply: Reply,
    },
    /// A sink said so; the host itself when one that was asked never answered.
    Sink {
        /// Which.
        by: By,
        /// Its words, if it has any.
        refusal: Refusal,
    },
    /// The session broke.
    Session(SessionError),
    /// It cannot be sent to this peer, whatever the peer says.
    Message(MessageFlaw),
}

/// What a session may do behind a message, or why it will not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Next {
    /// The next message.
    #[default]
    Reuse,
    /// It ends.
    Close,
    /// It ends, and a sink wants another host.
    SkipHost,
    /// It ends, and a sink wants nobody of this queue asked for a while.
    SuspendQueue,
}

/// Why and how a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// `None`: because we were told to quit.
    pub cause: Option<Cause>,
    /// Never [`Next::Reuse`].
    pub next: Next,
    /// Before another session, where a sink named a wait.
    pub wait: Option<Duration>,
}

/// Recipients of all messages of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// See [`Fate::Delivered`].
    pub delivered: u32,
    /// See [`Fate::Deferred`] and [`Fate::MaybeDelivered`].
    pub deferred: u32,
    /// See [`Fate::Failed`].
    pub failed: u32,
}

/// How a session broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// A wait of [`super::Limits`] passed.
    #[error("no answer to {verb} in time")]
    TimedOut {
        /// What was not answered; `content` while the peer took none.
        verb: Box<str>,
    },
    /// The socket failed.
    #[error("the connection broke")]
    Failed,
    /// What the peer sent is no reply.
    #[error("the answer to {verb} is no reply: {flaw}")]
    Reply {
        /// What it should have answered.
        verb: Box<str>,
        /// Why it is none.
        flaw: ReplyFlaw,
    },
    /// A reply whose code means nothing there.
    #[error("{reply} is no answer to {verb}")]
    Unexpected {
        /// What it should have answered.
        verb: Box<str>,
        /// What came.
        reply: Reply,
    },
    /// Bytes that answer nothing: one answer more than there were commands, and no later one can be trusted.
    #[error("the peer spoke without being asked")]
    Unsolicited,
    /// A 2xx before the end of the content.
    #[error("the peer answered before the end of the content")]
    Early,
    /// TLS is required and not to be had.
    #[error("TLS is required and not offered")]
    TlsNotOffered,
    /// The handshake failed.
    #[error("the TLS handshake failed")]
    TlsFailed,
    /// There is a password to use, and no mechanism that may carry it.
    #[error("no SASL mechanism that may be used is offered")]
    AuthNotOffered,
    /// The peer's part of the SASL exchange.
    #[error("AUTH failed: {0}")]
    Auth(#[from] SaslError),
    /// The content was not as its facts said, or could not be read.
    #[error("the content cannot be read as announced")]
    Content,
    /// The peer waits for more of a sink's verb, and the sink has no more.
    #[error("the peer waits for more behind {verb}")]
    Unfinished {
        /// The sink's verb.
        verb: Box<str>,
    },
    /// Another message, or a sink, ended it.
    #[error("the session ended")]
    Ended,
}

/// Why a message cannot be sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageFlaw {
    /// RFC 1870 §6.2: larger than the peer announced; nothing of it was sent.
    #[error("the message is larger than {limit} bytes, which the peer takes at most")]
    TooLarge {
        /// What the peer announced.
        limit: u64,
    },
    /// RFC 6531 §3.2: an address of it is not ASCII.
    #[error("the address needs SMTPUTF8, which the peer does not offer")]
    AddressNeedsSmtputf8,
    /// RFC 6531 §3.2: its header section is not ASCII.
    #[error("the header section needs SMTPUTF8, which the peer does not offer")]
    HeaderNeedsSmtputf8,
    /// RFC 6152 §3: 8-bit, and not to be encoded without breaking it.
    #[error("the message needs 8BITMIME, which the peer does not offer")]
    NeedsEightBitMime,
    /// See [`super::BareNewlines::Refuse`].
    #[error("the message holds a CR or LF that stands alone")]
    BareNewlines,
}

impl Fate {
    /// For the DSN (RFC 3463): what it is about by its cause, the class by how the attempt ended.
    #[must_use]
    pub fn status(&self) -> EnhancedStatus {
        match self {
            Self::Delivered(reply) => of_reply(reply),
            Self::Deferred { cause, .. } | Self::MaybeDelivered(cause) => {
                EnhancedStatus { class: 4, ..cause.status() }
            }
            Self::Failed(cause) => EnhancedStatus { class: 5, ..cause.status() },
        }
    }
}

impl Cause {
    /// RFC 3463, of any class.
    fn status(&self) -> EnhancedStatus {
        match self {
            Self::Reply { reply, .. } => of_reply(reply),
            Self::Sink { refusal, .. } => {
                refusal.reply.as_ref().map_or(EnhancedStatus::new(4, 7, 1), of_reply)
            }
            Self::Session(error) => error.status(),
            Self::Message(flaw) => flaw.status(),
        }
    }
}

fn of_reply(reply: &Reply) -> EnhancedStatus {
    let of_code = || EnhancedStatus::of_code(reply.code());
    reply.status().or_else(of_code).unwrap_or(EnhancedStatus::new(4, 5, 0))
}

impl SessionError {
    /// All of them are temporary: another host, or the same one later, may do better.
    fn status(&self) -> EnhancedStatus {
        let (subject, detail) = match self {
            Self::Closed | Self::TimedOut { .. } | Self::Failed | Self::Ended => (4, 2),
            Self::Reply { .. } | Self::Unexpected { .. } | Self::Unsolicited | Self::Early => (5, 0),
            Self::Unfinished { .. } => (5, 1),
            Self::TlsNotOffered | Self::TlsFailed => (7, 10),
            Self::AuthNotOffered | Self::Auth(_) => (7, 0),
            Self::Content => (3, 0),
        };
        EnhancedStatus::new(4, subject, detail)
    }
}

impl MessageFlaw {
    /// RFC 3463 §3.4, §3.7; RFC 6531 §3.5.
    fn status(self) -> EnhancedStatus {
        let (subject, detail) = match self {
            Self::TooLarge { .. } => (3, 4),
            Self::AddressNeedsSmtputf8 => (6, 7),
            Self::HeaderNeedsSmtputf8 => (6, 9),
            Self::NeedsEightBitMime => (6, 3),
            Self::BareNewlines => (6, 0),
        };
        EnhancedStatus::new(5, subject, detail)
    }
}

impl Totals {
    pub(crate) fn count(&mut self, fate: &Fate) {
        let counter = match fate {
            Fate::Delivered(_) => &mut self.delivered,
            Fate::Deferred { .. } | Fate::MaybeDelivered(_) => &mut self.deferred,
            Fate::Failed(_) => &mut self.failed,
        };
        *counter = counter.saturating_add(1);
    }
}

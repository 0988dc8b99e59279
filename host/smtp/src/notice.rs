//! What a session tells: violations, refusals, ends. The same types that `sinks` speaks.
//!
//! Promises the contract's words for each. Whoever is told can only end the session.

use crate::gate::By;
use crate::reply::Reply;
use std::time::Duration;

/// Something that happened; whoever is told may only end the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The client broke the protocol or a limit.
    Violation {
        /// What it did.
        kind: Violation,
        /// For a log: which command or line.
        detail: String,
    },
    /// A command was refused; the reply is in the output already.
    Rejected {
        /// As in [`crate::Gate::Reply`].
        verb: String,
        /// Who refused.
        by: By,
        /// As it was sent.
        reply: Reply,
    },
    /// A transaction that got past MAIL is over; the envelope still stands.
    TransactionEnd {
        /// How.
        outcome: TransactionOutcome,
    },
    /// The session is over.
    Disconnect {
        /// Why.
        cause: DisconnectCause,
        /// What was in it.
        totals: Totals,
    },
}

/// A [`Notice`] without what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// See [`Notice::Violation`].
    Violation,
    /// See [`Notice::Rejected`].
    Rejected,
    /// See [`Notice::TransactionEnd`].
    TransactionEnd,
    /// See [`Notice::Disconnect`].
    Disconnect,
}

/// What a client can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// Spoke before the banner (RFC 5321 §4.3.1).
    EarlyTalker,
    /// An LF without its CR (RFC 5321 §2.3.8).
    BareLineFeed,
    /// A CR without its LF (RFC 5321 §2.3.8).
    BareCarriageReturn,
    /// Did not wait where RFC 2920 §3.1 wants it.
    UnannouncedPipelining,
    /// A command or text line past our limit.
    LineTooLong,
    /// RFC 5321 §4.1.4.
    BadSequence,
    /// A verb that neither the host nor a sink knows.
    UnknownCommand,
    /// Past the session's limit of errors, refusals or idle commands.
    TooManyErrors,
    /// Past the transaction's limit.
    TooManyRecipients,
    /// Announced or sent more than the limit.
    MessageTooLarge,
    /// Wrong credentials.
    AuthenticationFailed,
    /// The handshake broke.
    TlsFailed,
    /// Said nothing for too long.
    TimedOut,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionOutcome {
    /// 250 to the dot, and ours.
    Committed,
    /// 4xx to the dot.
    Deferred,
    /// 5xx to the dot.
    Rejected,
    /// 250 to the dot, and nothing kept.
    Discarded,
    /// 250 to the dot, and kept aside.
    Quarantined,
    /// RSET, or another greeting.
    Reset,
    /// The session ended first.
    Disconnected,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectCause {
    /// QUIT.
    ClientQuit,
    /// It closed without.
    ClientClosed,
    /// We answered 421, or a sink disconnected.
    Refused,
    /// Said nothing for too long.
    TimedOut,
    /// We are stopping.
    ShuttingDown,
    /// The connection broke.
    Failed,
}

/// What a session was, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Answered 250 at the dot.
    pub messages: u32,
    /// Replies of 4xx and 5xx.
    pub refused: u32,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// The session has no clock and leaves this zero: the loop sets it before it tells anyone.
    pub lasted: Duration,
}

impl Notice {
    /// Without what it is about.
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        match self {
            Self::Violation { .. } => NoticeKind::Violation,
            Self::Rejected { .. } => NoticeKind::Rejected,
            Self::TransactionEnd { .. } => NoticeKind::TransactionEnd,
            Self::Disconnect { .. } => NoticeKind::Disconnect,
        }
    }
}

impl Violation {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::EarlyTalker => "early-talker",
            Self::BareLineFeed => "bare-line-feed",
            Self::BareCarriageReturn => "bare-carriage-return",
            Self::UnannouncedPipelining => "unannounced-pipelining",
            Self::LineTooLong => "line-too-long",
            Self::BadSequence => "bad-sequence",
            Self::UnknownCommand => "unknown-command",
            Self::TooManyErrors => "too-many-errors",
            Self::TooManyRecipients => "too-many-recipients",
            Self::MessageTooLarge => "message-too-large",
            Self::AuthenticationFailed => "authentication-failed",
            Self::TlsFailed => "tls-failed",
            Self::TimedOut => "timed-out",
        }
    }
}

impl TransactionOutcome {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
            Self::Quarantined => "quarantined",
            Self::Reset => "reset",
            Self::Disconnected => "disconnected",
        }
    }
}

impl DisconnectCause {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientQuit => "client-quit",
            Self::ClientClosed => "client-closed",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::ShuttingDown => "shutting-down",
            Self::Failed => "failed",
        }
    }
}

//! What a session wants of the loop around it, and the answers that are no verdicts.

use crate::address::Mailbox;
use crate::gate::Gate;
use crate::notice::Notice;
use crate::reply::Reply;
use crate::sasl::AuthQuestion;
use bytes::Bytes;
use std::time::Duration;

/// What the loop around a session does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the output, wait so long for bytes, then [`crate::Session::receive`], [`crate::Session::receive_end`] or
    /// [`crate::Session::time_out`].
    Read {
        /// The wait.
        wait_max: Duration,
        /// What it is for, so that many small reads are not many waits.
        pace: Pace,
    },
    /// Fire the sinks, then [`crate::Session::decide`].
    Ask(Gate),
    /// Fire the notice, then [`crate::Session::decide`] with `Continue` or `Disconnect`. The output holds what led to it.
    Tell(Notice),
    /// Whose is it? Relay control and the mailbox check in one: [`crate::Session::judge_recipient`].
    Resolve(Mailbox),
    /// Is there room for a message? [`crate::Session::admit`], before MAIL is answered.
    Admit {
        /// What the client announced by SIZE.
        announced: Option<u64>,
    },
    /// Write the output, let the client begin a handshake, and answer with [`crate::Session::encrypted`] or
    /// [`crate::Session::encryption_failed`].
    Encrypt {
        /// How long the handshake may take in all.
        wait_max: Duration,
    },
    /// Find out for an AUTH exchange, then [`crate::Session::answer_authentication`].
    Authenticate(AuthQuestion),
    /// 354 is in the output: open what the content goes into.
    BeginContent,
    /// Content with its dots unstuffed, bytes exactly as to be stored.
    Content(Bytes),
    /// The content is whole, legal and past on-end-of-data: store it, then [`crate::Session::content_stored`].
    Complete,
    /// Drop what `BeginContent` opened.
    AbortContent,
    /// Write the output and close the socket.
    Close,
}

/// How the waits since the last output add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A command or a turn of a dialogue: one wait for all of it.
    Together,
    /// A content: its bytes earn time.
    Rate {
        /// Bytes for each second, in the long run.
        bytes_per_second_min: u32,
    },
}

/// Whose a recipient is; answers [`Action::Resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientStanding {
    /// Ours, and known; or elsewhere, and this client may relay.
    Accepted,
    /// Ours, and nobody of that name: refused unless a sink claims it.
    UnknownMailbox,
    /// Elsewhere, and this client may not relay: refused, and no sink is asked.
    Foreign,
    /// Cannot be known now.
    Undecided,
    /// Belongs into a transaction of its own; the reply is a 452.
    TransactionFull(Reply),
    /// A rewrite named it beside a recipient with whom it never shares a transaction: 550 5.3.5, as no later try can succeed.
    Apart,
    /// Its owner has as much in the queue as it may: 452 4.3.1, and no sink is asked.
    QueueFull,
}

/// Whether this message may come, and there is room for it; answers [`Action::Admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// There is.
    Room,
    /// There is not now: 452 4.3.1.
    Full,
    /// Nothing can be made durable until an operator looks: 451 4.3.0.
    Unavailable,
    /// The reverse-path is not one that this user may use: 553 5.7.1.
    NotYours,
}

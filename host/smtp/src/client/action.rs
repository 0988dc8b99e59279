//! What a session to another host wants of the loop around it.

use super::gate::Gate;
use super::outcome::Outcome;
use crate::time::Timestamp;
use std::ops::Range;

/// What the loop around a session does next; it writes the output first, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Wait for bytes until then: [`super::Client::receive`], [`super::Client::receive_end`] or [`super::Client::time_out`].
    Read {
        /// The same moment for as long as the same reply is awaited, so that slow bytes win no time.
        deadline: Timestamp,
    },
    /// The peer waits for the handshake: [`super::Client::tls_established`] or [`super::Client::tls_failed`].
    StartTls {
        /// When it counts as failed.
        deadline: Timestamp,
    },
    /// Fire the sinks, then [`super::Client::decide`].
    Ask(Gate),
    /// Nothing is under way: [`super::Client::send`] or [`super::Client::quit`]. An idle connection may be kept; what
    /// happens to it meanwhile is told as ever.
    Ready,
    /// The peer takes no 8-bit content: [`super::Client::content_encoded`] or [`super::Client::content_not_encodable`].
    DownEncode,
    /// Give these bytes of the content: [`super::Client::content`] or [`super::Client::content_unavailable`].
    SendContent {
        /// Into the stored content, or what `content_encoded` told of.
        range: Range<u64>,
        /// When the output in front of it has to be taken by the peer; else [`super::Client::time_out`].
        deadline: Timestamp,
    },
    /// A message is over, for each of its recipients.
    Outcome(Outcome),
    /// Close the socket; [`super::Client::ending`] says why.
    Close,
}

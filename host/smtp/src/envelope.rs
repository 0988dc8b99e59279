//! The envelope: reverse-path, recipients and their parameters, from MAIL to the last recipient's end.
//!
//! Promises to hold what the client and the sinks said, no more; which recipient goes where is the queue's to know.

use crate::address::Mailbox;
use crate::parameters::{DsnReturn, Notify, Parameter, find};
use crate::path::ReversePath;
use crate::reply::Reply;
use crate::route::Target;
use crate::time::Timestamp;
use crate::xtext::{self, OriginalRecipient};
use serde::{Deserialize, Serialize};

/// Unique inside one message, kept by forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientId(pub u32);

/// A forward-path with its delivery status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Its name in this message.
    pub id: RecipientId,
    /// Where it goes now.
    pub address: Mailbox,
    /// What the client said at RCPT, or ORCPT.
    pub original: Mailbox,
    /// When a DSN is wanted.
    pub notify: Notify,
    /// How far it got.
    pub state: RecipientState,
    /// ESMTP parameters of RCPT, as they came.
    pub parameters: Vec<Parameter>,
    /// Tries so far.
    pub attempts: u32,
    /// What the last try was answered.
    pub last_reply: Option<Reply>,
    /// What it was found to be.
    #[serde(default)]
    pub target: Target,
}

/// How far a recipient got; the words of the contract's `envelope.recipient`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RecipientState {
    /// Still ours to deliver.
    #[default]
    Pending,
    /// In its mailbox.
    Delivered,
    /// Handed to a host that makes no promise about DSN.
    Relayed,
    /// Replaced by the members of a list.
    Expanded,
    /// Never.
    Failed,
    /// Waiting for its next try.
    Deferred,
    /// Dropped by a sink.
    Discarded,
    /// Kept aside.
    Quarantined,
}

/// Reverse-path, recipients and their parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Envelope {
    /// Where a DSN goes.
    pub reverse_path: ReversePath,
    /// ESMTP parameters of MAIL, as they came.
    pub parameters: Vec<Parameter>,
    /// In the order of RCPT.
    pub recipients: Vec<Recipient>,
    /// -9 to 9 (RFC 6710); higher goes first.
    pub priority: i8,
    /// When to give up, if earlier than the queue's own expiry.
    pub expires: Option<Timestamp>,
}

impl Recipient {
    /// One that nothing happened to yet.
    #[must_use]
    pub fn new(id: RecipientId, address: Mailbox) -> Self {
        Self {
            id,
            original: address.clone(),
            address,
            notify: Notify::default(),
            state: RecipientState::Pending,
            parameters: Vec::new(),
            attempts: 0,
            last_reply: None,
            target: Target::default(),
        }
    }

    /// ORCPT (RFC 3461 §4.2), decoded.
    #[must_use]
    pub fn original_recipient(&self) -> Option<OriginalRecipient> {
        find(&self.parameters, "ORCPT")?.value().and_then(xtext::original_recipient)
    }
}

impl RecipientState {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Discarded => "discarded",
            Self::Quarantined => "quarantined",
        }
    }
}

impl Envelope {
    /// An id that no recipient here has.
    #[must_use]
    pub fn unused_id(&self) -> RecipientId {
        let highest = self.recipients.iter().map(|recipient| recipient.id.0).max();
        RecipientId(highest.map_or(0, |id| id.saturating_add(1)))
    }

    /// The recipient of that id.
    #[must_use]
    pub fn recipient(&self, id: RecipientId) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| recipient.id == id)
    }

    /// ENVID (RFC 3461 §4.4), still in xtext: [`xtext::envelope_id`] reads it.
    #[must_use]
    pub fn envelope_id(&self) -> Option<&str> {
        find(&self.parameters, "ENVID")?.value()
    }

    /// RET (RFC 3461 §4.3).
    #[must_use]
    pub fn dsn_return(&self) -> Option<DsnReturn> {
        find(&self.parameters, "RET")?.value().and_then(DsnReturn::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parameters: &str, envelope_id: Option<&str>, dsn_return: Option<DsnReturn>) {
        let parameters = crate::parameters::parse_all(parameters).unwrap();
        let envelope = Envelope { parameters, ..Envelope::default() };
        assert_eq!(envelope.envelope_id(), envelope_id);
        assert_eq!(envelope.dsn_return(), dsn_return);
    }

    #[test]
    fn dsn_parameters_are_read_from_what_came() {
        check("ENVID=QQ314159 RET=hdrs", Some("QQ314159"), Some(DsnReturn::Headers));
        check("RET=FULL", None, Some(DsnReturn::Full));
        check("RET=SOME", None, None);
    }

    #[test]
    fn an_id_is_never_given_twice() {
        let mut envelope = Envelope::default();
        assert_eq!(envelope.unused_id(), RecipientId(0));
        let address = Mailbox::parse("a@b.example").unwrap();
        envelope.recipients.push(Recipient::new(RecipientId(7), address));
        assert_eq!(envelope.unused_id(), RecipientId(8));
    }
}

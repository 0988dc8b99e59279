//! The server's side of a dialogue, as a state machine: bytes in, an [`Action`] out.

mod settings;

use crate::address::Mailbox;
use crate::envelope::{Envelope, Recipient};
use crate::extensions::Offers;
use crate::facts::Facts;
use crate::gate::{Decision, Gate, Heeded, Notice};
use crate::interest::Interest;
use crate::reply::Reply;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;

pub use settings::{BareNewlines, Settings};

/// What the loop around a session does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the output, wait so long for bytes, then [`Session::receive`], [`Session::receive_end`] or
    /// [`Session::time_out`].
    Read {
        /// The wait.
        wait_max: Duration,
    },
    /// Fire the sinks, then [`Session::decide`].
    Ask(Gate),
    /// Fire the notice, then [`Session::decide`] with `Continue` or `Disconnect`. The output holds what led to it.
    Tell(Notice),
    /// Whose is it? Relay control and the mailbox check in one: [`Session::judge_recipient`].
    Resolve(Mailbox),
    /// Is there room for a message? [`Session::admit`], before MAIL is answered.
    Admit {
        /// What the client announced by SIZE.
        announced: Option<u64>,
    },
    /// 354 is in the output: open what the content goes into.
    BeginContent,
    /// Content with its dots unstuffed, bytes exactly as to be stored.
    Content(Bytes),
    /// The content is whole, legal and past on-end-of-data: store it, then [`Session::content_stored`].
    Complete,
    /// Drop what `BeginContent` opened.
    AbortContent,
    /// Write the output and close the socket.
    Close,
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
}

/// Whether there is room for a message; answers [`Action::Admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// There is.
    Room,
    /// There is not now: 452 4.3.1.
    Full,
}

/// One dialogue, from connect to close.
#[derive(Debug)]
pub struct Session {
    facts: Arc<Facts>,
    envelope: Arc<Envelope>,
    offers: Offers,
    interest: Interest,
    settings: Arc<Settings>,
    output: BytesMut,
}

impl Session {
    /// One that has not said anything yet; its first step asks [`Gate::Connect`].
    #[must_use]
    pub fn new(settings: Arc<Settings>, facts: Facts) -> Self {
        let offers = Offers::new(settings.limits.message_bytes_max);
        let (facts, envelope) = (Arc::new(facts), Arc::default());
        Self { settings, facts, envelope, offers, interest: Interest::default(), output: BytesMut::new() }
    }

    /// What is worth asking and telling from now on.
    pub fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// What the socket gave.
    pub fn receive(&mut self, _bytes: &[u8]) {}

    /// The client closed its side.
    pub fn receive_end(&mut self) {}

    /// The wait of [`Action::Read`] passed.
    pub fn time_out(&mut self) {}

    /// The server stops: the session ends with 421 at the next command, not inside a message.
    pub fn shut_down(&mut self) {}

    /// The connection broke.
    pub fn fail(&mut self) {}

    /// Decides what is next; never blocks.
    pub fn step(&mut self) -> Action {
        let _ = (&self.settings, &self.interest);
        Action::Close
    }

    /// Answers [`Action::Ask`] and [`Action::Tell`].
    pub fn decide(&mut self, _decision: Decision) -> Heeded {
        Heeded::Taken
    }

    /// Answers [`Action::Resolve`].
    pub fn judge_recipient(&mut self, _standing: RecipientStanding) {}

    /// Answers [`Action::Admit`].
    pub fn admit(&mut self, _admission: Admission) {}

    /// Answers [`Action::Complete`]: 250 once it is durable, else why not.
    pub fn content_stored(&mut self, _reply: Reply) {}

    /// The replies to write, and their buffer back to the session when they are written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// The replies to write.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// What is known of the session. Cheap to clone; a clone that is dropped before the next step costs nothing.
    #[must_use]
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// What the loop learns of the client: TLS, identity, connections.
    pub fn facts_mut(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.facts)
    }

    /// The transaction's, empty outside of one. Cheap to clone as [`Session::facts`].
    #[must_use]
    pub fn envelope(&self) -> &Arc<Envelope> {
        &self.envelope
    }

    /// For what sinks committed to it.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        Arc::make_mut(&mut self.envelope)
    }

    /// The recipient that [`Gate::RcptTo`] is about, as it would enter the envelope.
    #[must_use]
    pub fn candidate(&self) -> Option<&Recipient> {
        None
    }

    /// What EHLO offers; sinks edit it in [`Gate::Helo`].
    pub fn offers(&mut self) -> &mut Offers {
        &mut self.offers
    }
}

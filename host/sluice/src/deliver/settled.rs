//! What an attempt came to for all recipients of an entry, and its record: the same for mailboxes here and for other servers.

use smtp::Timestamp;
use spool::{Attempt, Done, Lease, NewEntry, Outcome, RecordError};

use crate::transport::Transport;
use crate::transport::report::{self, Told};

/// What an attempt comes to.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) outcomes: Vec<Outcome>,
    /// What the sender may be told of them.
    pub(super) told: Vec<Told>,
    /// What goes on beside the entry.
    pub(super) outbox: Vec<NewEntry>,
    /// When to try again, if that is of use for any.
    again: Option<Timestamp>,
}

impl Settled {
    /// There is more to come at this time, or before.
    pub(super) fn again_at(&mut self, due: Timestamp) {
        self.again = Some(self.again.map_or(due, |other| other.min(due)));
    }

    /// Makes it durable, reports to the sender included.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub(super) async fn record(self, transport: &Transport, lease: &mut Lease) -> Result<(), RecordError> {
        let Self { outcomes, told, mut outbox, again } = self;
        outbox.extend(report::about(transport, lease, told).await);
        match again {
            Some(due) => transport.spool.record_attempt(lease, Attempt { outcomes, due, outbox }).await,
            None => transport.spool.record_done(lease, Done { outbox }).await,
        }
    }
}

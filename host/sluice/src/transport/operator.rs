//! What an operator can do to one entry: release, hold, fail, retry, delete it, or say when it is given up.
//!
//! Each is one durable record, or a refusal in a sentence; the transport wakes with it. Content, facts, variables and what is
//! known of the recipients stay as they were. Leaves out: who may ask, and from where.

use std::sync::Arc;

use smtp::{RecipientState, Refusal, Timestamp};
use spool::schedule::{Age, Schedule};
use spool::{CommitError, Deleted, Entry, EntryState, Lease, QueueId, ReadError, Stage};

use super::Transport;
use super::commit::{fail_all, is_open};
use crate::clock;

/// Bytes of a reason: a few lines of a terminal.
const REASON_BYTES_MAX: usize = 1_000;

/// The hands of an operator in the queue.
#[derive(Clone)]
pub struct Operator {
    transport: Arc<Transport>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No such entry, or no more.
    #[error("there is no entry {0}; it may have been delivered meanwhile")]
    Absent(QueueId),
    /// A stage or a delivery of it is under way.
    #[error("entry {0} is at work just now; try again in a moment")]
    Busy(QueueId),
    /// It is not in a state for that.
    #[error("{0}")]
    Refused(&'static str),
    /// Its record can't be read, so all that can be done is to delete it.
    #[error("the entry cannot be read ({0}); it can only be deleted")]
    Unreadable(#[from] ReadError),
    /// The spool did not take the change.
    #[error("nothing was recorded: {0}")]
    Spool(#[from] CommitError),
}

impl Operator {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport }
    }

    /// Lets an entry go on: from quarantine at the next stage, from a hold at the stage and binding that it was held at.
    ///
    /// # Errors
    /// When it doesn't rest, or nothing of it is left to deliver.
    pub async fn release(&self, id: QueueId) -> Result<(), OperatorError> {
        self.change(id, "released", |entry, now| released(entry, &self.transport.schedule, now)).await
    }

    /// Keeps an entry where it stands; the operators are reminded of it at `until`, if that is said.
    ///
    /// # Errors
    /// When it rests already, or the reason is too long.
    pub async fn hold(
        &self,
        id: QueueId,
        reason: &str,
        until: Option<Timestamp>,
    ) -> Result<(), OperatorError> {
        if reason.len() > REASON_BYTES_MAX {
            return Err(OperatorError::Refused("the reason is longer than 1000 bytes"));
        }
        self.change(id, "held", |entry, _| held(entry, reason, until)).await
    }

    /// Tries an entry now that waits for its time; a held one of which recipients failed begins anew with these.
    ///
    /// # Errors
    /// When it rests with recipients that are still to be delivered: that takes a release.
    pub async fn retry(&self, id: QueueId) -> Result<(), OperatorError> {
        self.change(id, "retried", |entry, now| retried(entry, &self.transport.schedule, now)).await
    }

    /// Says when an entry is given up, instead of its schedule.
    ///
    /// # Errors
    /// When it is not there, or someone is at work on it.
    pub async fn set_expiry(&self, id: QueueId, expires: Timestamp) -> Result<(), OperatorError> {
        self.change(id, "expiry set", |entry, _| {
            let mut stage = Stage::of(entry);
            stage.envelope.expires = Some(expires);
            Ok(stage)
        })
        .await
    }

    /// Gives an entry up for all recipients that are still to be delivered, as a sink's `fail` would.
    ///
    /// # Errors
    /// When it is in quarantine, from which no DSN ever comes, or nothing of it is left to fail.
    pub async fn fail(&self, id: QueueId, reason: &str) -> Result<(), OperatorError> {
        if reason.len() > REASON_BYTES_MAX {
            return Err(OperatorError::Refused("the reason is longer than 1000 bytes"));
        }
        let mut lease = self.lease(id).await?;
        if matches!(lease.state, EntryState::Quarantined { .. }) {
            return Err(OperatorError::Refused(
                "the entry is in quarantine, from which nobody is told anything; delete it or release it first",
            ));
        }
        if !lease.envelope.recipients.iter().any(is_open) {
            return Err(OperatorError::Refused(NOTHING_LEFT));
        }
        let refusal = Refusal { reply: None, reason: reason.to_owned() };
        let envelope = lease.envelope.clone();
        fail_all(&self.transport, &mut lease, (&refusal, envelope), Vec::new()).await?;
        tracing::info!(entry = %id, tenant = lease.tenant, reason, "failed by an operator");
        Ok(())
    }

    /// Throws an entry away, whatever its state, without a DSN. One that can't be read goes too.
    ///
    /// # Errors
    /// When it is not there, or someone is at work on it.
    pub async fn delete(&self, id: QueueId) -> Result<(), OperatorError> {
        let Some(known) = self.transport.spool.summary(id) else { return Err(OperatorError::Absent(id)) };
        match self.transport.spool.delete(id).await? {
            Deleted::Yes => {
                tracing::info!(entry = %id, tenant = &*known.tenant, "deleted by an operator");
                Ok(())
            }
            Deleted::No => Err(self.not_leased(id)),
        }
    }

    async fn change(
        &self,
        id: QueueId,
        what: &'static str,
        next: impl Fn(&Entry, Timestamp) -> Result<Stage, &'static str>,
    ) -> Result<(), OperatorError> {
        let mut lease = self.lease(id).await?;
        let stage = next(&lease, clock::now()).map_err(OperatorError::Refused)?;
        self.transport.spool.record_stage(&mut lease, stage).await?;
        tracing::info!(entry = %id, tenant = lease.tenant, what, "changed by an operator");
        Ok(())
    }

    async fn lease(&self, id: QueueId) -> Result<Lease, OperatorError> {
        let spool = self.transport.spool.clone();
        let leased = tokio::task::spawn_blocking(move || spool.lease_entry(id)).await;
        leased.map_err(|_| ReadError::Gone)??.ok_or_else(|| self.not_leased(id))
    }

    fn not_leased(&self, id: QueueId) -> OperatorError {
        let spool = &self.transport.spool;
        if spool.poisoned() {
            OperatorError::Spool(CommitError::Poisoned)
        } else if spool.summary(id).is_some() {
            OperatorError::Busy(id)
        } else {
            OperatorError::Absent(id)
        }
    }
}

const NOTHING_LEFT: &str =
    "no recipient of it is still to be delivered; retry tries those that failed, delete removes it";

fn released(entry: &Entry, schedule: &Schedule, now: Timestamp) -> Result<Stage, &'static str> {
    if entry.state == EntryState::Active {
        return Err("the entry is neither held nor in quarantine");
    }
    if !entry.envelope.recipients.iter().any(is_open) {
        return Err(NOTHING_LEFT);
    }
    Ok(going_on(entry, schedule, now))
}

fn retried(entry: &Entry, schedule: &Schedule, now: Timestamp) -> Result<Stage, &'static str> {
    let open = entry.envelope.recipients.iter().any(is_open);
    match entry.state {
        EntryState::Quarantined { .. } => return Err("the entry is in quarantine; release it"),
        EntryState::Held { .. } if open => return Err("the entry is held; release it"),
        EntryState::Held { .. } | EntryState::Active => {}
    }
    let mut stage = going_on(entry, schedule, now);
    if !open {
        let failed = |state| state == RecipientState::Failed;
        let recipients = &mut stage.envelope.recipients;
        for recipient in recipients.iter_mut().filter(|recipient| failed(recipient.state)) {
            recipient.state = RecipientState::Pending;
        }
    }
    Ok(stage)
}

fn held(entry: &Entry, reason: &str, until: Option<Timestamp>) -> Result<Stage, &'static str> {
    match entry.state {
        EntryState::Active => {}
        EntryState::Quarantined { .. } => return Err("the entry is in quarantine already"),
        EntryState::Held { .. } => return Err("the entry is held already"),
    }
    let state = EntryState::Held { reason: reason.to_owned(), binding: None, until };
    Ok(Stage { state, ..Stage::of(entry) })
}

/// Active and due now. Time at rest is not the sender's fault: whose expiry passed meanwhile gets a whole one from now on.
fn going_on(entry: &Entry, schedule: &Schedule, now: Timestamp) -> Stage {
    let mut stage = Stage { state: EntryState::Active, due: now, ..Stage::of(entry) };
    if let Some(resume) = &mut stage.stage.resume {
        resume.due = resume.due.min(now);
    }
    let (expires, attempts) = (entry.envelope.expires, 0);
    let age = Age { id: entry.id, arrived: entry.arrived, expires, attempts, due: entry.due };
    if schedule.expires(&age) <= now {
        stage.envelope.expires = Some(now + schedule.expiry);
    }
    stage
}

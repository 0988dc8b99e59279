//! What a stage leaves behind: one record, or none where nothing changed.
//!
//! Every recipient stays, moves to another entry of the same record, or ends; each exactly once (EVENTS, rule 8).

use sinks::{Disposition, Sibling, StageVerdict, Subject};
use smtp::{Envelope, Recipient, RecipientState, Timestamp};
use spool::{
    CommitError, ContentPiece, Done, Entry, EntryState, Lease, NewEntry, Stage, StageName, StagePointer,
    StoredContent,
};

use super::Transport;
use super::fates::{self, Parts};
use super::keep;
use super::report::{self, Told};
use crate::clock;
use crate::inbound::accept::QUARANTINE;
use crate::observer::Observation;
use crate::stored;

/// What sinks made of an entry in one event.
pub(super) struct Change<'a> {
    pub(super) before: &'a Subject,
    pub(super) after: &'a Subject,
    pub(super) by: &'a str,
    pub(super) stage: StageName,
}

/// What is next for the entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// The next stage, now.
    GoOn,
    /// Nothing now: it sleeps, is set aside, or is done.
    Rest,
}

/// Records what the verdict and the edits come to.
pub(super) async fn commit(
    transport: &Transport,
    lease: &mut Lease,
    change: &Change<'_>,
    verdict: StageVerdict,
) -> Result<Then, CommitError> {
    let now = clock::now();
    match verdict {
        StageVerdict::Continue if change.is_nothing_new(lease) => Ok(Then::GoOn),
        StageVerdict::Continue => {
            let stage = change.stage(transport, lease, (change.onward(lease), now)).await;
            record(transport, lease, stage).await
        }
        StageVerdict::Defer { wait, reason, deferral } => {
            let due = now + wait;
            let pointer = stored::resume_at(change.stage, &deferral, due).along(lease.stage.route.clone());
            let stage = change.stage(transport, lease, (pointer, due)).await;
            record(transport, lease, stage).await?;
            transport.settled(lease, "deferred", (&reason, change.by));
            Ok(Then::Rest)
        }
        StageVerdict::Hold { reason, deferral } => {
            let pointer = stored::resume_at(change.stage, &deferral, now).along(lease.stage.route.clone());
            let mut stage = change.stage(transport, lease, (pointer, now)).await;
            let (binding, until) = (Some(change.by.to_owned()), Some(now + keep::REMINDER));
            stage.state = EntryState::Held { reason: reason.clone(), binding, until };
            record(transport, lease, stage).await?;
            transport.settled(lease, "held", (&reason, change.by));
            Ok(Then::Rest)
        }
        StageVerdict::Quarantine(reason) => {
            let mut stage = change.stage(transport, lease, (change.onward(lease), now)).await;
            let (by, until) = (change.by.to_owned(), now + QUARANTINE);
            stage.state = EntryState::Quarantined { reason: reason.clone(), binding: by, until };
            record(transport, lease, stage).await?;
            transport.counters.quarantined.count();
            transport.settled(lease, "quarantined", (&reason, change.by));
            Ok(Then::Rest)
        }
        StageVerdict::Discard(reason) => {
            let outbox = change.outbox(transport, lease, &[]).await;
            transport.spool.record_done(lease, Done { outbox }).await?;
            transport.counters.discarded.count();
            transport.settled(lease, "discarded", (&reason, change.by));
            Ok(Then::Rest)
        }
        StageVerdict::Fail(refusal) => {
            let outbox = change.outbox(transport, lease, &[]).await;
            if report::may_end(transport, lease) {
                fail_all(transport, lease, (&refusal, change.envelope(lease)), outbox).await?;
            } else {
                keep_untold(transport, lease, (change, &refusal, outbox)).await?;
            }
            Ok(Then::Rest)
        }
    }
}

/// Records a stage; a message without a recipient that is still to be delivered ends with it.
async fn record(transport: &Transport, lease: &mut Lease, stage: Stage) -> Result<Then, CommitError> {
    if stage.envelope.recipients.iter().any(is_open) {
        transport.spool.record_stage(lease, stage).await?;
        return Ok(Then::GoOn);
    }
    transport.spool.record_done(lease, Done { outbox: stage.outbox }).await?;
    Ok(Then::Rest)
}

/// Gives up every recipient that forks left; the sender is told (RFC 5321 §6.1).
pub(super) async fn fail_all(
    transport: &Transport,
    lease: &mut Lease,
    (refusal, envelope): (&smtp::Refusal, Envelope),
    mut outbox: Vec<NewEntry>,
) -> Result<(), CommitError> {
    let reason = if refusal.reason.is_empty() { "failed" } else { &refusal.reason };
    let mut told = Vec::new();
    for recipient in envelope.recipients.iter().filter(|recipient| is_open(recipient)) {
        transport.fail(lease, recipient, reason);
        told.push(Told::refused(recipient, refusal.reply.clone()));
    }
    outbox.extend(report::about(transport, lease, told).await);
    transport.spool.record_done(lease, Done { outbox }).await
}

/// A sink gave the message up, and who sent it is not known: nobody is told, and so that nothing is lost without a word, an
/// operator finds it in quarantine.
async fn keep_untold(
    transport: &Transport,
    lease: &mut Lease,
    (change, refusal, outbox): (&Change<'_>, &smtp::Refusal, Vec<NewEntry>),
) -> Result<(), CommitError> {
    let mut stage = Stage { envelope: change.envelope(lease), outbox, ..Stage::of(lease) };
    stage.stage = change.onward(lease);
    let reason = report::untold(&refusal.reason);
    let (binding, until) = (change.by.to_owned(), clock::now() + QUARANTINE);
    stage.state = EntryState::Quarantined { reason: reason.clone(), binding, until };
    record(transport, lease, stage).await?;
    transport.counters.quarantined.count();
    transport.settled(lease, "quarantined", (&reason, change.by));
    Ok(())
}

/// Whether a recipient is still to be delivered.
pub(super) fn is_open(recipient: &Recipient) -> bool {
    matches!(recipient.state, RecipientState::Pending | RecipientState::Deferred)
}

/// The stage behind one.
fn next(stage: StageName) -> StageName {
    match stage {
        StageName::Submission => StageName::PreCategorize,
        StageName::PreCategorize => StageName::Categorize,
        StageName::Categorize => StageName::PostCategorize,
        StageName::PostCategorize => StageName::Route,
        StageName::Route => StageName::Routed,
        StageName::Routed | StageName::Deliver => StageName::Deliver,
    }
}

impl Change<'_> {
    /// Whether the next stage needs no record. An entry with a next hop stands at the door of delivery in one: there it may
    /// be left and found again.
    fn is_nothing_new(&self, lease: &Lease) -> bool {
        let is_frozen = self.stage == StageName::Routed && lease.stage.route.is_some();
        !self.is_any() && lease.stage.resume.is_none() && !is_frozen
    }

    /// In front of the next stage, with the next hop that is decided.
    fn onward(&self, lease: &Lease) -> StagePointer {
        StagePointer::at(next(self.stage)).along(lease.stage.route.clone())
    }

    /// Whether there is anything to record.
    fn is_any(&self) -> bool {
        self.before.envelope != self.after.envelope
            || self.edited()
            || self.before.variables != self.after.variables
            || self.before.scores != self.after.scores
            || !self.after.dispositions.is_empty()
            || !self.after.siblings.is_empty()
    }

    /// The recipients as the stage left them.
    fn envelope(&self, lease: &Lease) -> Envelope {
        self.after.envelope.as_deref().unwrap_or(&lease.envelope).clone()
    }

    fn edited(&self) -> bool {
        self.after.draft.as_ref().is_some_and(message::Draft::is_edited)
    }

    fn content(&self) -> Option<Vec<ContentPiece>> {
        let draft = self.after.draft.as_ref().filter(|_| self.edited())?;
        Some(StoredContent::edited(draft.pieces()))
    }

    /// The record of the stage, without a state other than active.
    async fn stage(
        &self,
        transport: &Transport,
        lease: &Lease,
        (pointer, due): (StagePointer, Timestamp),
    ) -> Stage {
        let mut stage = Stage { envelope: self.envelope(lease), ..Stage::of(lease) };
        stage.content = self.content();
        stage.variables = stored::variables(&self.after.variables);
        stage.scores = stored::scores(&self.after.scores);
        stage.stage = pointer;
        stage.due = due;
        stage.outbox = self.outbox(transport, lease, &self.after.dispositions).await;
        let parts = Parts {
            asked_again: &|recipients| self.before(lease, recipients),
            as_it_is: &|recipients| self.off(lease, recipients),
        };
        let decided = (&mut stage.envelope, self.after.dispositions.as_slice());
        stage.outbox.extend(fates::part(transport, lease, decided, &parts));
        stage
    }

    /// An entry with some of the recipients, as the message was before this stage.
    fn before(&self, lease: &Lease, recipients: Vec<Recipient>) -> NewEntry {
        let mut entry = child(lease, recipients, lease.content.whole());
        if entry.stage.stage != self.stage {
            entry.stage = StagePointer::at(self.stage).along(lease.stage.route.clone());
        }
        entry
    }

    /// An entry with some of the recipients and the content as it is now.
    fn off(&self, lease: &Lease, recipients: Vec<Recipient>) -> NewEntry {
        let whole = || lease.content.whole();
        let mut entry = child(lease, recipients, self.content().unwrap_or_else(whole));
        entry.variables = stored::variables(&self.after.variables);
        entry.scores = stored::scores(&self.after.scores);
        entry.stage = self.onward(lease);
        entry
    }

    /// What goes on beside the message: its siblings, and reports about recipients that sinks rejected, its own and theirs.
    async fn outbox(&self, transport: &Transport, lease: &Lease, own: &[Disposition]) -> Vec<NewEntry> {
        let mut outbox = self.siblings(transport, lease, clock::now());
        let mut told = Vec::new();
        if let Some(envelope) = &self.after.envelope {
            told.extend(fates::told(transport, lease, (envelope, own)));
        }
        for sibling in &self.after.siblings {
            told.extend(fates::told(transport, lease, (&sibling.envelope, &sibling.dispositions)));
        }
        outbox.extend(report::about(transport, lease, told).await);
        outbox
    }

    fn siblings(&self, transport: &Transport, lease: &Lease, now: Timestamp) -> Vec<NewEntry> {
        let entries = |sibling: &Sibling| {
            let mut whole = self.sibling(lease, sibling, now);
            let mut envelope = std::mem::take(&mut whole.envelope);
            let some = |recipients| Envelope { recipients, ..Envelope::clone(&sibling.envelope) };
            let parts = Parts {
                asked_again: &|recipients| NewEntry {
                    id: clock::queue_id(),
                    envelope: some(recipients),
                    ..whole.clone()
                },
                as_it_is: &|recipients| NewEntry {
                    id: clock::queue_id(),
                    envelope: some(recipients),
                    stage: self.onward(lease),
                    ..whole.clone()
                },
            };
            let decided = (&mut envelope, sibling.dispositions.as_slice());
            let mut entries = fates::part(transport, lease, decided, &parts);
            if !envelope.recipients.is_empty() {
                entries.push(NewEntry { envelope, ..whole });
            }
            entries
        };
        self.after.siblings.iter().flat_map(entries).collect()
    }

    fn sibling(&self, lease: &Lease, sibling: &Sibling, now: Timestamp) -> NewEntry {
        let content = StoredContent::edited(sibling.draft.pieces());
        let mut entry = child(lease, Vec::new(), content);
        entry.envelope = Envelope::clone(&sibling.envelope);
        entry.maker = Some(self.by.to_owned());
        entry.variables = stored::variables(&sibling.variables);
        entry.scores = stored::scores(&sibling.scores);
        entry.stage = stored::resume_behind(self.stage, &sibling.after, now).along(lease.stage.route.clone());
        entry
    }
}

/// An entry that was made from another one.
pub(super) fn child(lease: &Entry, recipients: Vec<Recipient>, content: Vec<ContentPiece>) -> NewEntry {
    NewEntry {
        id: clock::queue_id(),
        parent: Some(lease.id),
        maker: lease.maker.clone(),
        ingress: lease.ingress,
        arrived: lease.arrived,
        facts: lease.facts.clone(),
        tenant: lease.tenant.clone(),
        envelope: Envelope { recipients, ..lease.envelope.clone() },
        content,
        variables: lease.variables.clone(),
        scores: lease.scores.clone(),
        stage: lease.stage.clone(),
        due: clock::now(),
        state: EntryState::Active,
    }
}

impl Transport {
    /// Writes down what became of an entry in a stage.
    pub(super) fn settled(&self, entry: &Entry, outcome: &'static str, (reason, by): (&str, &str)) {
        tracing::info!(entry = %entry.id, tenant = entry.tenant, outcome, reason, by, "stage ended");
        let id = entry.id;
        self.observer.tell(|| Observation::Settled {
            entry: id.to_string(),
            outcome,
            reason: reason.to_owned(),
        });
    }
}

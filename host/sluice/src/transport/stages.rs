//! The stages of one entry, from where it stands to the door of delivery.
//!
//! Each event is fired over the entry as it is now. What sinks changed becomes one durable record together with the stage
//! pointer; where nothing changed nothing is written, and a crash asks again, with the same event id.

use std::sync::Arc;

use sinks::{Class, Event, EventKind, Outcome, Sinks, Snapshot, Subject, Verdict};
use spool::{CommitError, Entry, EntryState, Lease, Stage, StageName, StagePointer};

use super::Transport;
use super::categorize;
use super::commit;
use super::keep;
use super::route;
use crate::clock;
use crate::observer::Observation;
use crate::stored;

/// Whether the entry can go to delivery as it is: its next hop is decided, or nobody wants to be asked and all its
/// recipients are mailboxes of its tenant's.
pub(super) fn none_wanted(transport: &Transport, entry: &Entry) -> bool {
    if entry.stage.stage == StageName::Deliver {
        return true;
    }
    let snapshot = transport.sinks.registry();
    let wanted = pending(entry.stage.stage)
        .iter()
        .any(|(_, kind)| Sinks::wants(&snapshot, *kind, Some(&entry.tenant)));
    !wanted && entry.stage.route.is_none() && categorize::all_here(transport, entry)
}

/// What an entry at that stage still has before it, with the stage's name.
fn pending(stage: StageName) -> &'static [(StageName, EventKind)] {
    const ALL: &[(StageName, EventKind)] = &[
        (StageName::Submission, EventKind::TransportSubmission),
        (StageName::PreCategorize, EventKind::PreCategorize),
        (StageName::Categorize, EventKind::Categorize),
        (StageName::PostCategorize, EventKind::PostCategorize),
        (StageName::Route, EventKind::Route),
        (StageName::Routed, EventKind::Routed),
    ];
    let from = ALL.iter().position(|(name, _)| *name >= stage).unwrap_or(ALL.len());
    ALL.get(from..).unwrap_or_default()
}

/// Runs what is pending. The lease comes back when the entry is to be delivered now; else it rests or is done.
pub(super) async fn run(transport: &Arc<Transport>, mut lease: Lease) -> Option<Lease> {
    let snapshot = transport.sinks.registry();
    for (stage, kind) in pending(lease.stage.stage) {
        let event = match kind {
            EventKind::Categorize => {
                lease = categorize::run(transport, &snapshot, lease).await?;
                continue;
            }
            EventKind::Route => {
                lease = route::run(transport, &snapshot, lease).await?;
                continue;
            }
            EventKind::TransportSubmission => Event::TransportSubmission,
            EventKind::PreCategorize => Event::PreCategorize,
            EventKind::PostCategorize => Event::PostCategorize,
            _ => Event::Routed(lease.stage.route.clone()),
        };
        // Behind its record an entry with a next hop stands at the door already, unless somebody wants to see it routed.
        if Sinks::wants(&snapshot, *kind, Some(&lease.tenant)) {
            lease = one(transport, &snapshot, lease, (*stage, &event)).await?;
        }
    }
    Some(lease)
}

async fn one(
    transport: &Arc<Transport>,
    snapshot: &Arc<Snapshot>,
    mut lease: Lease,
    (stage, event): (StageName, &Event),
) -> Option<Lease> {
    let mut subject = match subject(transport, &lease, (stage, event.kind())).await {
        Ok(subject) => subject,
        Err(error) => {
            hold_unreadable(transport, lease, (stage, error)).await;
            return None;
        }
    };
    let before = subject.clone();
    let outcome = transport.sinks.fire(snapshot, event.clone(), &mut subject).await;
    tell(transport, &lease, (event, &subject), &outcome);
    let Verdict::Stage(verdict) = outcome.verdict else {
        tracing::error!(entry = %lease.id, "a stage was answered like a gate");
        return None;
    };
    let change = commit::Change { before: &before, after: &subject, by: outcome.by.word(), stage };
    match commit::commit(transport, &mut lease, &change, verdict).await {
        Ok(commit::Then::GoOn) => Some(lease),
        Ok(commit::Then::Rest) => None,
        Err(error) => {
            unrecorded(transport, lease, (stage, error)).await;
            None
        }
    }
}

/// Holds an entry at its stage of which the content can't be read.
pub(super) async fn hold_unreadable(
    transport: &Transport,
    mut lease: Lease,
    (stage, error): (StageName, spool::ReadError),
) {
    tracing::error!(entry = %lease.id, %error, "an entry's content can't be read; it rests");
    let here = at(&lease, stage);
    hold(transport, &mut lease, (here, format!("content unreadable: {error}"))).await;
}

/// What a stage came to was not recorded: it runs again if the spool may take it then, else the entry is held.
pub(super) async fn unrecorded(
    transport: &Transport,
    mut lease: Lease,
    (stage, error): (StageName, CommitError),
) {
    match error {
        CommitError::TooLarge(_) | CommitError::Piece | CommitError::Exists(_) => {
            tracing::error!(entry = %lease.id, %error, "a stage can't be recorded; held");
            let here = at(&lease, stage);
            hold(transport, &mut lease, (here, format!("a stage can't be recorded: {error}"))).await;
        }
        CommitError::Poisoned | CommitError::Full | CommitError::Busy | CommitError::Closed => {
            tracing::error!(entry = %lease.id, %error, "a stage was not recorded; it runs again");
            tokio::time::sleep(super::LEASE_PAUSE).await;
        }
    }
}

/// The entry as it is, in front of a stage.
fn at(lease: &Lease, stage: StageName) -> Stage {
    let mut here = Stage::of(lease);
    if here.stage.stage != stage {
        here.stage = StagePointer::at(stage).along(here.stage.route.take());
    }
    here
}

/// What the event is about: the entry as the newest record has it.
pub(super) async fn subject(
    transport: &Arc<Transport>,
    lease: &Lease,
    (stage, kind): (StageName, EventKind),
) -> Result<Subject, spool::ReadError> {
    // The same id when the stage runs again from the same record: sinks make their effects outside idempotent with it.
    let mut event_id = format!("{}-{}-{}", lease.id, kind.name(), lease.version);
    if kind.class() == Class::Provider && lease.stage.stage == stage {
        // It may have waited here for another answer.
        event_id = format!("{event_id}-{}", lease.due.0);
    }
    let staged = lease.stage.resume.as_ref().filter(|_| lease.stage.stage == stage).and_then(stored::staged);
    if let Some(deferral) = staged.as_ref().map(|staged| &staged.deferral) {
        // Asked again because the sink wished it: that is another question.
        let wished = deferral.attempts.saturating_sub(deferral.faults);
        if wished > 0 {
            event_id = format!("{event_id}-{wished}");
        }
    }
    let mut subject = about(transport, lease, event_id.into()).await?;
    subject.staged = staged;
    Ok(subject)
}

/// An entry as it lies in the spool, for any event of its way out.
pub(crate) async fn about(
    transport: &Transport,
    lease: &Lease,
    event_id: Arc<str>,
) -> Result<Subject, spool::ReadError> {
    let mut subject = Subject::new(Arc::from(lease.tenant.as_str()), event_id);
    let (spool, content) = (transport.spool.clone(), lease.content.clone());
    let loaded = tokio::task::spawn_blocking(move || spool.load(&content)).await;
    let content = loaded.map_err(|_| spool::ReadError::Gone)??;
    subject.facts.clone_from(&lease.facts);
    subject.envelope = Some(Arc::new(lease.envelope.clone()));
    subject.draft = Some(message::Draft::new(content).with_authority(&transport.host_name));
    subject.message = Some(stored::message_facts(lease));
    subject.variables = stored::live_variables(&lease.variables);
    subject.scores = stored::live_scores(&lease.scores);
    Ok(subject)
}

pub(crate) fn tell(
    transport: &Transport,
    lease: &Lease,
    (event, subject): (&Event, &Subject),
    outcome: &Outcome,
) {
    transport.counters.count_calls(&outcome.calls);
    if outcome.calls.is_empty() {
        return;
    }
    transport.observer.tell(|| Observation::Fired {
        session: lease.facts.as_ref().map(|facts| facts.session_id.clone()),
        entry: Some(lease.id.to_string()),
        id: Arc::clone(&subject.event_id),
        event: event.kind().name(),
        tenant: Arc::from(lease.tenant.as_str()),
        calls: outcome.calls.clone(),
    });
}

/// An entry whose bytes can't be had, or whose next state can't be written, is held at its stage: trying again at once
/// would spin. An operator sees the reason, and releases or deletes it.
pub(crate) async fn hold(transport: &Transport, lease: &mut Lease, (mut stage, reason): (Stage, String)) {
    stage.state = EntryState::Held { reason, binding: None, until: Some(clock::now() + keep::REMINDER) };
    if let Err(error) = transport.spool.record_stage(lease, stage).await {
        tracing::error!(entry = %lease.id, %error, "an entry was not held");
    }
}

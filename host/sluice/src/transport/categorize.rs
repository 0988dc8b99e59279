//! Categorize: what are these recipients?
//!
//! Until the way out exists there are two answers: a mailbox here, or nobody that this server could reach. A recipient that
//! a sink sent to another tenant's domain becomes an entry of that tenant, whose own stages it then passes; once, so that
//! two tenants' sinks can't send a message back and forth.

use std::collections::BTreeMap;
use std::sync::Arc;

use smtp::{Ingress, Recipient, RecipientState, replies};
use spool::{CommitError, Entry, EntryState, Lease, Stage, StageName, StagePointer};

use super::Transport;
use super::commit::{Then, child, is_open};

/// Whether every recipient has a mailbox in its entry's own tenant, or was sent to another's by the one before.
pub(super) fn all_here(transport: &Transport, entry: &Entry) -> bool {
    entry.envelope.recipients.iter().all(|recipient| is_here(transport, entry, recipient))
}

fn is_here(transport: &Transport, entry: &Entry, recipient: &Recipient) -> bool {
    !is_open(recipient)
        || transport
            .tenants
            .owner(recipient.address.domain())
            .is_some_and(|owner| **owner == *entry.tenant || entry.ingress == Ingress::Sink)
}

/// Sends recipients of other tenants their own way and gives up those that nobody here owns. The lease comes back if any
/// recipient is left.
pub(super) async fn split(transport: &Arc<Transport>, mut lease: Lease) -> Option<Lease> {
    if all_here(transport, &lease) {
        return Some(lease);
    }
    match divide(transport, &mut lease).await {
        Ok(Then::GoOn) => Some(lease),
        Ok(Then::Rest) => None,
        Err(error) => {
            tracing::error!(entry = %lease.id, %error, "recipients were not sent their own way; it runs again");
            tokio::time::sleep(super::LEASE_PAUSE).await;
            None
        }
    }
}

async fn divide(transport: &Transport, lease: &mut Lease) -> Result<Then, CommitError> {
    let mut stage = Stage::of(lease);
    let mut elsewhere: BTreeMap<String, Vec<Recipient>> = BTreeMap::new();
    let mut unreachable = Vec::new();
    stage.envelope.recipients.retain(|recipient| {
        if is_here(transport, lease, recipient) {
            return true;
        }
        match transport.tenants.owner(recipient.address.domain()) {
            Some(owner) => elsewhere.entry(owner.to_string()).or_default().push(recipient.clone()),
            None => unreachable.push(recipient.clone()),
        }
        false
    });
    for (tenant, recipients) in elsewhere {
        let mut entry = child(lease, recipients, lease.content.whole());
        entry.tenant = tenant;
        entry.ingress = Ingress::Sink;
        entry.stage = StagePointer::at(StageName::Submission);
        // Variables and scores are the other tenant's sinks' own.
        entry.variables = spool::Variables::default();
        entry.scores = spool::Scores::default();
        stage.outbox.push(entry);
    }
    if !unreachable.is_empty() {
        for recipient in &mut unreachable {
            transport.fail(lease, recipient, "no way to that domain from here");
            recipient.state = RecipientState::Failed;
            recipient.last_reply = Some(replies::RELAY_REFUSED);
        }
        let mut entry = child(lease, unreachable, lease.content.whole());
        entry.state = EntryState::held("failed: no way to that domain from here");
        stage.outbox.push(entry);
    }
    let left = stage.envelope.recipients.iter().any(is_open);
    if left {
        transport.spool.record_stage(lease, stage).await?;
        return Ok(Then::GoOn);
    }
    let outbox = stage.outbox;
    transport.spool.record_done(lease, spool::Done { outbox }).await?;
    Ok(Then::Rest)
}

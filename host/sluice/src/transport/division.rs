//! What becomes of the recipients of an entry: each stays, or leaves into an entry of its own, all of it in one record.
//!
//! Recipients with the same end share an entry (EVENTS, rule 8: each ends exactly once). The first group that goes on stays in
//! the entry that it was; the others are its children. Where all stay as they were nothing is recorded.

use std::time::Duration;

use smtp::{Recipient, RecipientState, Reply, ReversePath, Route};
use spool::{CommitError, Done, EntryState, Ingress, Lease, NewEntry, Stage, StageName, StagePointer};

use super::Transport;
use super::commit::{Then, child, is_open};
use crate::clock;

/// What is next for a recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The next stage, along this route where one is decided; none is to mailboxes here.
    GoesOn(Option<Route>),
    /// The stages of another tenant, from the first.
    Tenant(String),
    /// The same stage again, after this.
    Waits(Duration),
    /// Given up, for this reason; its last reply is in the recipient.
    Fails(String),
}

/// Recipients by their ends.
#[derive(Debug, Default)]
pub(super) struct Division {
    groups: Vec<(End, Vec<Recipient>)>,
    /// Recipients that were replaced by others.
    replaced: Vec<Recipient>,
}

/// The stages that an entry stands between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    pub(super) here: StageName,
    pub(super) next: StageName,
}

impl Division {
    /// Decides about a recipient.
    pub(super) fn put(&mut self, recipient: Recipient, end: End) {
        match self.groups.iter_mut().find(|(other, _)| *other == end) {
            Some((_, recipients)) => recipients.push(recipient),
            None => self.groups.push((end, vec![recipient])),
        }
    }

    /// Gives a recipient up.
    pub(super) fn fail(&mut self, mut recipient: Recipient, (reply, reason): (Reply, &str)) {
        recipient.state = RecipientState::Failed;
        recipient.last_reply = Some(reply);
        self.put(recipient, End::Fails(reason.to_owned()));
    }

    /// Keeps a recipient for the reports, whose place others take: members of a list.
    pub(super) fn replace(&mut self, mut recipient: Recipient) {
        recipient.state = RecipientState::Expanded;
        self.replaced.push(recipient);
    }

    /// Records what was decided, if that is anything new.
    pub(super) async fn record(
        mut self,
        transport: &Transport,
        lease: &mut Lease,
        between: Between,
    ) -> Result<Then, CommitError> {
        if self.is_as_before(lease) {
            return Ok(Then::GoOn);
        }
        let now = clock::now();
        let mut stage = Stage::of(lease);
        stage.due = now;
        let mut stay: Vec<Recipient> =
            lease.envelope.recipients.iter().filter(|recipient| !is_open(recipient)).cloned().collect();
        stay.append(&mut self.replaced);
        let first = self.first();
        let mut then = Then::Rest;
        for (index, (end, mut recipients)) in self.groups.into_iter().enumerate() {
            if first == Some(index) {
                match end {
                    End::GoesOn(route) => {
                        stage.stage = StagePointer::at(between.next).along(route);
                        then = Then::GoOn;
                    }
                    End::Waits(wait) => {
                        stage.stage = StagePointer::at(between.here);
                        stage.due = now + wait;
                    }
                    // Those never stay: see `first`.
                    End::Tenant(_) | End::Fails(_) => {}
                }
                stay.append(&mut recipients);
            } else if let Some(entry) = leaves(transport, lease, (end, recipients), between) {
                stage.outbox.push(entry);
            }
        }
        if first.is_none() {
            transport.spool.record_done(lease, Done { outbox: stage.outbox }).await?;
            return Ok(Then::Rest);
        }
        stage.envelope.recipients = stay;
        transport.spool.record_stage(lease, stage).await?;
        Ok(then)
    }

    /// Whether all go on into mailboxes as they came.
    fn is_as_before(&self, lease: &Lease) -> bool {
        match &self.groups[..] {
            [(End::GoesOn(None), recipients)] => {
                self.replaced.is_empty()
                    && recipients.iter().eq(lease.envelope.recipients.iter().filter(|known| is_open(known)))
            }
            [] => self.replaced.is_empty(),
            _ => false,
        }
    }

    /// Which group stays in the entry.
    fn first(&self) -> Option<usize> {
        let goes_on = self.groups.iter().position(|(end, _)| matches!(end, End::GoesOn(_)));
        goes_on.or_else(|| self.groups.iter().position(|(end, _)| matches!(end, End::Waits(_))))
    }
}

/// The entry of recipients that leave; none where nobody is owed anything more.
fn leaves(
    transport: &Transport,
    lease: &Lease,
    (end, recipients): (End, Vec<Recipient>),
    between: Between,
) -> Option<NewEntry> {
    if let End::Fails(reason) = &end {
        for recipient in &recipients {
            transport.fail(lease, recipient, reason);
        }
        // Who sent with a null reverse-path is owed no DSN, so nothing is kept for one.
        if lease.envelope.reverse_path == ReversePath::Null {
            return None;
        }
    }
    let mut entry = child(lease, recipients, lease.content.whole());
    match end {
        End::GoesOn(route) => entry.stage = StagePointer::at(between.next).along(route),
        End::Waits(wait) => {
            entry.stage = StagePointer::at(between.here);
            entry.due = entry.due + wait;
        }
        End::Tenant(tenant) => {
            entry.tenant = tenant;
            entry.ingress = Ingress::Sink;
            entry.stage = StagePointer::at(StageName::Submission);
            // Variables and scores are the other tenant's sinks' own.
            entry.variables = spool::Variables::default();
            entry.scores = spool::Scores::default();
        }
        End::Fails(reason) => {
            // An operator who tries it again has it decided again.
            entry.stage = StagePointer::at(between.here);
            entry.state = EntryState::held(format!("failed: {reason}"));
        }
    }
    Some(entry)
}

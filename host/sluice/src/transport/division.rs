//! What becomes of the recipients of an entry: each stays, leaves into an entry of its own, or ends with what its sender is
//! told, all of it in one record.
//!
//! Recipients with the same end share an entry (EVENTS, rule 8: each ends exactly once). The first group that goes on stays in
//! the entry that it was; the others are its children. Where all stay as they were nothing is recorded.

use std::time::Duration;

use message::dsn::Action;
use smtp::{Recipient, RecipientState, Refusal, Reply, Route};
use spool::{CommitError, Done, Ingress, Lease, NewEntry, Stage, StageName, StagePointer};

use super::Transport;
use super::commit::{Then, child, is_open};
use super::report::{self, Told};
use crate::clock;

/// Why recipients failed that a sink gave up.
const REFUSED: &str = "refused by a sink";

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
    /// Given up by a sink. Its last reply is in the recipient.
    Refused,
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
    /// The event by which sinks may give a recipient up.
    pub(super) asked: &'static str,
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
        recipient.last_reply = Some(reply);
        self.put(recipient, End::Fails(reason.to_owned()));
    }

    /// Gives a recipient up because a sink says so, in its words or else in ours.
    pub(super) fn refuse(&mut self, mut recipient: Recipient, refusal: Refusal, ours: Reply) {
        recipient.last_reply = Some(refusal.reply.unwrap_or(ours));
        self.put(recipient, End::Refused);
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
        let mut told: Vec<Told> =
            self.replaced.iter().map(|list| Told::new(list, Action::Expanded)).collect();
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
                    End::Tenant(_) | End::Fails(_) | End::Refused => {}
                }
                stay.append(&mut recipients);
            } else if let Some(reason) = end.gives_up(transport, lease) {
                for recipient in recipients {
                    transport.fail(lease, &recipient, reason);
                    let reply = recipient.last_reply.clone();
                    told.push(Told { reply, ..Told::new(&recipient, Action::Failed) });
                }
            } else {
                stage.outbox.push(leaves(transport, lease, (end, recipients), between));
            }
        }
        stage.outbox.extend(report::about(transport, lease, told).await);
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

impl End {
    /// Why recipients end here, with a report to the sender where one is owed; none where there is more to come.
    fn gives_up(&self, transport: &Transport, lease: &Lease) -> Option<&str> {
        match self {
            Self::Fails(reason) => Some(reason),
            Self::Refused => report::may_end(transport, lease).then_some(REFUSED),
            Self::GoesOn(_) | Self::Tenant(_) | Self::Waits(_) => None,
        }
    }
}

/// The entry of recipients that leave.
fn leaves(
    transport: &Transport,
    lease: &Lease,
    (end, recipients): (End, Vec<Recipient>),
    between: Between,
) -> NewEntry {
    let whole = |recipients| child(lease, recipients, lease.content.whole());
    match end {
        End::GoesOn(route) => {
            NewEntry { stage: StagePointer::at(between.next).along(route), ..whole(recipients) }
        }
        End::Waits(wait) => {
            let entry = whole(recipients);
            NewEntry { stage: StagePointer::at(between.here), due: entry.due + wait, ..entry }
        }
        End::Tenant(tenant) => NewEntry {
            tenant,
            ingress: Ingress::Sink,
            stage: StagePointer::at(StageName::Submission),
            // Variables and scores are the other tenant's sinks' own.
            variables: spool::Variables::default(),
            scores: spool::Scores::default(),
            ..whole(recipients)
        },
        End::Fails(_) | End::Refused => {
            transport.counters.quarantined.count();
            transport.settled(lease, "quarantined", (REFUSED, between.asked));
            // Released, it is decided again.
            let stage = StagePointer::at(between.here);
            NewEntry { stage, ..report::kept(lease, recipients, (REFUSED, between.asked)) }
        }
    }
}

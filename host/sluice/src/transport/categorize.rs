//! Categorize: what are these recipients?
//!
//! Sinks are asked first, once about all of them (on-categorize); for whom they don't answer the tables of the domain's owner
//! do: another name means others, everything else stays as it is. A recipient that was sent to another tenant's domain becomes
//! an entry of that tenant, whose own stages it then passes; once, so that two tenants can't send a message back and forth.

use std::collections::HashSet;
use std::sync::Arc;

use sinks::provider::{Answer, Target as Said};
use sinks::{Event, EventKind, Sinks, Snapshot, Verdict};
use smtp::{Ingress, Mailbox, Recipient, RecipientId, Target, replies};
use spool::schedule::{Age, Next};
use spool::{Entry, Lease, StageName};

use super::Transport;
use super::aliases::{AliasKind, AliasTarget};
use super::commit::{Then, is_open};
use super::division::{Between, Division, End};
use super::expand;
use super::stages;
use crate::clock;

const BETWEEN: Between =
    Between { here: StageName::Categorize, next: StageName::PostCategorize, asked: "on-categorize" };

/// Whether nothing is to be found out about any recipient, nor to be routed: all are mailboxes of the entry's own tenant.
pub(super) fn all_here(transport: &Transport, entry: &Entry) -> bool {
    entry.envelope.recipients.iter().filter(|recipient| is_open(recipient)).all(|recipient| {
        let domain = recipient.address.domain();
        recipient.target != Target::Remote
            && is_of_tenant(transport, entry, recipient)
            && transport.tenants.owner(domain).is_some()
            && transport.routes.named(domain).is_none()
            && (entry.stage.stage > StageName::Categorize || !is_alias(transport, recipient))
    })
}

/// Whether a recipient stays with its entry's tenant: nobody else here owns its domain, or it was sent here by the one before.
pub(super) fn is_of_tenant(transport: &Transport, entry: &Entry, recipient: &Recipient) -> bool {
    transport
        .tenants
        .owner(recipient.address.domain())
        .is_none_or(|owner| **owner == *entry.tenant || entry.ingress == Ingress::Sink)
}

fn is_alias(transport: &Transport, recipient: &Recipient) -> bool {
    recipient.target == Target::ByDomain && transport.tenants.alias(&recipient.address).is_some()
}

/// Finds out what the recipients are. The lease comes back if any goes on now.
pub(super) async fn run(
    transport: &Arc<Transport>,
    snapshot: &Arc<Snapshot>,
    mut lease: Lease,
) -> Option<Lease> {
    let open: Vec<Recipient> =
        lease.envelope.recipients.iter().filter(|recipient| is_open(recipient)).cloned().collect();
    let said = if Sinks::wants(snapshot, EventKind::Categorize, Some(&lease.tenant)) {
        let asked = open.iter().map(|recipient| recipient.id).collect();
        match ask(transport, snapshot, &lease, asked).await {
            Ok(said) => said,
            Err(error) => {
                stages::hold_unreadable(transport, lease, (StageName::Categorize, error)).await;
                return None;
            }
        }
    } else {
        Vec::new()
    };
    let mut work = Work::new(transport, &lease, &open);
    let mut said = said.into_iter();
    for recipient in open {
        work.decide(recipient, said.next().unwrap_or_default());
    }
    let division = work.division;
    match division.record(transport, &mut lease, BETWEEN).await {
        Ok(Then::GoOn) => Some(lease),
        Ok(Then::Rest) => None,
        Err(error) => {
            stages::unrecorded(transport, lease, (StageName::Categorize, error)).await;
            None
        }
    }
}

async fn ask(
    transport: &Arc<Transport>,
    snapshot: &Arc<Snapshot>,
    lease: &Lease,
    asked: Vec<RecipientId>,
) -> Result<Vec<Said>, spool::ReadError> {
    let event = Event::Categorize(asked);
    let mut subject = stages::subject(transport, lease, (StageName::Categorize, event.kind())).await?;
    let outcome = transport.sinks.fire(snapshot, event.clone(), &mut subject).await;
    stages::tell(transport, lease, (&event, &subject), &outcome);
    match outcome.verdict {
        Verdict::Answer(Answer::Targets(targets)) => Ok(targets),
        _ => Ok(Vec::new()),
    }
}

/// Decides about recipients one after the other.
struct Work<'a> {
    transport: &'a Transport,
    entry: &'a Entry,
    division: Division,
    /// Addresses that have the message already; members that are named twice are merged.
    known: HashSet<String>,
    id_next: RecipientId,
}

/// Whose place others take.
struct Replaced<'a> {
    recipient: Recipient,
    kind: AliasKind,
    targets: &'a [AliasTarget],
}

impl<'a> Work<'a> {
    fn new(transport: &'a Transport, entry: &'a Entry, open: &[Recipient]) -> Self {
        let stays = open.iter().filter(|recipient| !is_alias(transport, recipient));
        let known = stays.map(|recipient| expand::name(&recipient.address)).collect();
        let id_next = entry.envelope.unused_id();
        Self { transport, entry, division: Division::default(), known, id_next }
    }

    fn decide(&mut self, mut recipient: Recipient, said: Said) {
        let addresses = |list: Vec<Mailbox>| list.into_iter().map(AliasTarget::Address).collect::<Vec<_>>();
        match said {
            Said::Continue => self.by_tables(recipient),
            Said::Mailbox(name) => {
                recipient.target = Target::Mailbox(Some(name));
                self.keep(recipient);
            }
            Said::Remote => {
                recipient.target = Target::Remote;
                self.keep(recipient);
            }
            Said::Forward(list) => {
                let targets = addresses(list);
                self.replace(Replaced { recipient, kind: AliasKind::Forward, targets: &targets });
            }
            Said::Expand(list) => {
                let targets = addresses(list);
                self.replace(Replaced { recipient, kind: AliasKind::List, targets: &targets });
            }
            Said::Unknown(refusal) => {
                self.division.refuse(recipient, refusal, replies::MAILBOX_UNKNOWN);
            }
            Said::RetryIn(wait) => {
                wait_or_fail((self.transport, self.entry), &mut self.division, recipient, wait);
            }
        }
    }

    fn by_tables(&mut self, recipient: Recipient) {
        let is_open_name =
            recipient.target == Target::ByDomain && is_of_tenant(self.transport, self.entry, &recipient);
        match self.transport.tenants.alias(&recipient.address).filter(|_| is_open_name) {
            None => self.keep(recipient),
            Some(alias) => self.replace(Replaced { recipient, kind: alias.kind, targets: &alias.targets }),
        }
    }

    fn keep(&mut self, recipient: Recipient) {
        let end = end_of(self.transport, self.entry, &recipient);
        self.division.put(recipient, end);
    }

    fn replace(&mut self, replaced: Replaced<'_>) {
        let Replaced { recipient, kind, targets } = replaced;
        let (tenants, tenant) = (&self.transport.tenants, self.entry.tenant.as_str());
        // Another tenant's names are for its own entry.
        let alias_of = |address: &Mailbox| {
            let is_own = tenants.owner(address.domain()).is_some_and(|owner| **owner == *tenant);
            if is_own { tenants.alias(address) } else { None }
        };
        let members = match expand::expand(&recipient.address, targets, &alias_of) {
            Ok(members) => members,
            Err(error) => {
                tracing::error!(
                    entry = %self.entry.id, recipient = %recipient.address, tenant, %error, "aliases can't be followed"
                );
                return self.division.fail(recipient, (error.reply(), "aliases can't be followed"));
            }
        };
        for member in members {
            if !self.known.insert(expand::name(&member.address)) {
                continue;
            }
            let mut one = Recipient {
                id: self.id_next,
                address: member.address,
                target: member.target,
                ..recipient.clone()
            };
            if kind == AliasKind::List {
                one.notify = one.notify.without_success();
            }
            self.id_next = RecipientId(self.id_next.0.saturating_add(1));
            let end = end_of(self.transport, self.entry, &one);
            self.division.put(one, end);
        }
        if kind == AliasKind::List {
            self.division.replace(recipient);
        }
    }
}

/// Whose stages a recipient passes next.
pub(super) fn end_of(transport: &Transport, entry: &Entry, recipient: &Recipient) -> End {
    match transport.tenants.owner(recipient.address.domain()) {
        Some(owner) if !is_of_tenant(transport, entry, recipient) => End::Tenant(owner.to_string()),
        Some(_) | None => End::GoesOn(None),
    }
}

/// A sink wants to be asked again; until the message is given up.
pub(super) fn wait_or_fail(
    (transport, entry): (&Transport, &Entry),
    division: &mut Division,
    recipient: Recipient,
    wait: std::time::Duration,
) {
    let age = Age {
        id: entry.id,
        arrived: entry.arrived,
        expires: entry.envelope.expires,
        attempts: 1,
        due: entry.due,
    };
    match transport.schedule.next(&age, clock::now()) {
        Next::Attempt(_) => division.put(recipient, End::Waits(wait)),
        Next::Expire => division.fail(recipient, (replies::UNREACHABLE, "expired while a sink had it wait")),
    }
}

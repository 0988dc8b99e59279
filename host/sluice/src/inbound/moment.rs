//! What an event of a session is about: the subject that its sinks get, and what is taken back from it.
//!
//! A call sees its own tenant's recipients alone, so a share of the envelope is lent and merged back. A refused verdict's
//! edits never come back: `sinks` merges only what stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinks::{Disposition, EventKind, Fate, MessageFacts, Subject, Tiers};
use smtp::{By, Decision, Envelope, Ingress, Protocol, Recipient, RecipientId, Refusal, Session, Verdict};
use spool::QueueId;

use super::content::Arrived;
use crate::clock;
use crate::tenants::Tenants;

/// What a transaction gathers beside the session's envelope.
#[derive(Default)]
pub(super) struct Transaction {
    /// The name that the message will have.
    pub(super) id: Option<QueueId>,
    /// The content, once it is whole.
    pub(super) arrived: Option<Arrived>,
    /// What sinks remember with the message.
    pub(super) variables: sinks::Variables,
    /// What sinks scored.
    pub(super) scores: sinks::Scores,
    /// What sinks decided for single recipients.
    pub(super) dispositions: Vec<Disposition>,
    /// The verdict on the whole: kept aside, for this reason, by this binding.
    pub(super) quarantine: Option<(String, String)>,
    /// The tenant whose sink changed the reverse-path: nobody else's recipients may share it.
    pub(super) exclusive: Option<Arc<str>>,
    /// Recipients that sinks added, with the tenant that was asked: what is for elsewhere is that one's.
    pub(super) added: BTreeMap<RecipientId, Arc<str>>,
}

/// Whose eyes a subject is for.
pub(super) struct Scope<'a> {
    pub(super) tenants: &'a Tenants,
    pub(super) tenant: &'a Arc<str>,
    pub(super) tiers: Tiers,
    pub(super) sight: Sight,
}

/// Which recipients a call may see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sight {
    /// Those of its own tenant.
    Own,
    /// All: the operator's sinks, and a tenant in its own sessions.
    All,
}

impl Transaction {
    /// Whether another tenant's sink made this transaction its own.
    pub(super) fn excludes(&self, owner: &str) -> bool {
        self.exclusive.as_ref().is_some_and(|exclusive| **exclusive != *owner)
    }

    /// The name that the message will have, given when it is first asked for.
    pub(super) fn id(&mut self) -> QueueId {
        *self.id.get_or_insert_with(clock::queue_id)
    }

    /// What the verdict and the dispositions together mean for the reply: SMTP has one reply for all recipients, so
    /// only what all of them share can be said (RFC 5321 §4.2.5).
    /// LMTP has one for each (RFC 2033 §4.2).
    pub(super) fn settle(
        &mut self,
        (envelope, protocol): (&Envelope, Protocol),
        decision: Decision,
    ) -> Decision {
        if let Verdict::Quarantine(reason) = &decision.verdict {
            self.quarantine = Some((reason.clone(), decision.by.word().to_owned()));
        }
        let is_open = matches!(decision.verdict, Verdict::Continue);
        if !is_open || envelope.recipients.is_empty() || protocol == Protocol::Lmtp {
            return decision;
        }
        let fates: Vec<Option<&Fate>> =
            envelope.recipients.iter().map(|recipient| self.fate(recipient)).collect();
        let by = self.dispositions.last().map_or(By::Host, |last| By::Sink(Arc::clone(&last.by)));
        let verdict = match fates.first() {
            Some(Some(Fate::Discard(reason)))
                if fates.iter().all(|fate| matches!(fate, Some(Fate::Discard(_)))) =>
            {
                Verdict::Discard(reason.clone())
            }
            Some(Some(Fate::Defer(reply)))
                if fates.iter().all(|fate| matches!(fate, Some(Fate::Defer(_)))) =>
            {
                Verdict::Defer(Refusal { reply: reply.clone(), reason: "recipients".to_owned() })
            }
            Some(Some(Fate::Reject(reply)))
                if fates.iter().all(|fate| matches!(fate, Some(Fate::Reject(_)))) =>
            {
                Verdict::Reject(Refusal { reply: reply.clone(), reason: "recipients".to_owned() })
            }
            _ => return decision,
        };
        Decision { verdict, by }
    }

    /// Who decided it.
    pub(super) fn decided_by(&self, recipient: &Recipient) -> String {
        let of = |disposition: &&Disposition| disposition.recipient == recipient.id;
        self.dispositions.iter().rfind(of).map_or_else(String::new, |disposition| disposition.by.to_string())
    }

    /// What was decided for one recipient.
    pub(super) fn fate(&self, recipient: &Recipient) -> Option<&Fate> {
        let of = |disposition: &&Disposition| disposition.recipient == recipient.id;
        self.dispositions.iter().rfind(of).map(|disposition| &disposition.fate)
    }
}

/// Fills in what the moment knows (EVENTS, "Which import works where").
pub(super) fn fill(
    subject: &mut Subject,
    (session, kind): (&mut Session, EventKind),
    transaction: Option<&mut Transaction>,
    scope: &Scope<'_>,
) {
    subject.facts = Some(Arc::clone(session.facts()));
    if kind == EventKind::Helo {
        subject.offers = Some(session.offers().clone());
    }
    let Some(transaction) = transaction else { return };
    if matches!(kind, EventKind::Connect | EventKind::TlsEstablished | EventKind::Helo) {
        return;
    }
    subject.variables = transaction.variables.clone();
    subject.scores = transaction.scores.clone();
    let mut envelope = scope.share(session.envelope(), &transaction.added);
    if kind == EventKind::RcptTo
        && let Some(candidate) = session.candidate()
    {
        subject.current = Some(candidate.id);
        Arc::make_mut(&mut envelope).recipients.push(candidate.clone());
    }
    subject.envelope = Some(envelope);
    if kind == EventKind::EndOfData {
        let id = transaction.id().to_string();
        subject.draft = transaction.arrived.as_ref().map(|arrived| arrived.draft.clone());
        subject.message = Some(Arc::new(MessageFacts {
            id,
            parent: None,
            maker: None,
            ingress: Ingress::of(session.facts()),
            arrived: None,
        }));
    }
}

/// Takes back what sinks made of the subject. A disposition of the current recipient is a decision of its own.
pub(super) fn take_back(
    (subject, before): (&Subject, Option<Arc<Envelope>>),
    (session, kind): (&mut Session, EventKind),
    transaction: Option<&mut Transaction>,
    scope: &Scope<'_>,
) -> Option<Decision> {
    if kind == EventKind::Helo
        && scope.tiers != Tiers::TenantOnly
        && let Some(offers) = &subject.offers
    {
        *session.offers() = offers.clone();
    }
    let transaction = transaction?;
    transaction.variables = subject.variables.clone();
    transaction.scores = subject.scores.clone();
    match kind {
        EventKind::RcptTo => {
            return subject
                .dispositions
                .iter()
                .find(|disposition| Some(disposition.recipient) == subject.current)
                .and_then(|disposition| match &disposition.fate {
                    Fate::Discard(reason) => Some(Decision {
                        verdict: Verdict::Discard(reason.clone()),
                        by: By::Sink(Arc::clone(&disposition.by)),
                    }),
                    Fate::Defer(_) | Fate::Reject(_) | Fate::Quarantine(_) | Fate::Redirect(_) => None,
                });
        }
        EventKind::EndOfData => {
            transaction.dispositions.extend(subject.dispositions.iter().cloned());
            if let (Some(arrived), Some(draft)) = (&mut transaction.arrived, &subject.draft) {
                arrived.draft = draft.clone();
            }
        }
        _ => {}
    }
    if let (Some(before), Some(after)) = (before, &subject.envelope)
        && !Arc::ptr_eq(&before, after)
        && before != *after
    {
        if kind == EventKind::MailFrom && scope.tiers != Tiers::OperatorOnly {
            transaction.exclusive = Some(Arc::clone(scope.tenant));
        }
        let news = merge(session.envelope_mut(), &before, after);
        transaction.added.extend(news.into_iter().map(|id| (id, Arc::clone(scope.tenant))));
    }
    None
}

/// What changed between `before` and `after` happens to `whole`, which may have recipients that the sink did not see. The
/// answer is who is new.
fn merge(whole: &mut Envelope, before: &Envelope, after: &Envelope) -> Vec<RecipientId> {
    let mut news = Vec::new();
    whole.reverse_path = after.reverse_path.clone();
    whole.priority = after.priority;
    whole.expires = after.expires;
    whole.recipients.retain(|recipient| {
        before.recipient(recipient.id).is_none() || after.recipient(recipient.id).is_some()
    });
    for recipient in &after.recipients {
        let is_new = before.recipient(recipient.id).is_none();
        match whole.recipients.iter_mut().find(|known| known.id == recipient.id) {
            Some(known) if !is_new => *known = recipient.clone(),
            // The sink took an id that a recipient has whom it did not see.
            Some(_) => {
                news.push(whole.unused_id());
                whole.recipients.push(Recipient { id: whole.unused_id(), ..recipient.clone() });
            }
            None => {
                news.push(recipient.id);
                whole.recipients.push(recipient.clone());
            }
        }
    }
    news
}

impl Scope<'_> {
    /// The envelope with the recipients that the round may see.
    fn share(&self, envelope: &Arc<Envelope>, added: &BTreeMap<RecipientId, Arc<str>>) -> Arc<Envelope> {
        // What is for elsewhere is its sender's, who sees all, or that of the tenant whose sink added it.
        let own = |recipient: &Recipient| {
            let owner = self.tenants.owner(recipient.address.domain()).or_else(|| added.get(&recipient.id));
            owner.is_some_and(|owner| owner == self.tenant)
        };
        if self.sight == Sight::All || envelope.recipients.iter().all(own) {
            return Arc::clone(envelope);
        }
        let mut share = Envelope::clone(envelope);
        share.recipients.retain(own);
        Arc::new(share)
    }
}

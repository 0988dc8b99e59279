//! From a transaction that passed its gates to entries on disk, and only then to 250.
//!
//! Each tenant's share is an entry of its own, as is what a sink set aside; all of them are one atomic record. The reply
//! is made behind the sync.

use std::collections::BTreeMap;
use std::time::Duration;

use sinks::Fate;
use smtp::{
    EnhancedStatus, Envelope, Facts, Ingress, Protocol, Recipient, RecipientId, Reply, Session, Timestamp,
    replies,
};
use spool::{CommitError, ContentPiece, EntryState, NewEntry, QueueId, StageName, StagePointer};

use super::Inbound;
use super::admission::fits_queue;
use super::content::Arrived;
use super::moment::Transaction;
use crate::clock;
use crate::observer::Observation;
use crate::stored;

/// EVENTS, rule 11: what is quarantined is kept 14 days.
pub(crate) const QUARANTINE: Duration = Duration::from_hours(14 * 24);
/// How long a recipient rests whom a sink deferred at the dot, where SMTP has one reply for all; as a faulting stage. Then it
/// goes through the stages, deferred as it is.
pub(crate) const RECIPIENT_DEFERRAL: Duration = Duration::from_mins(5);

/// Who is refused, and how.
type Refused = (RecipientId, Reply);

/// What the dot is answered.
pub(super) struct Accepted {
    /// For all.
    pub(super) reply: Reply,
    /// For those who are refused where each has a reply of its own (LMTP).
    pub(super) apart: Vec<Refused>,
}

impl From<Reply> for Accepted {
    fn from(reply: Reply) -> Self {
        Self { reply, apart: Vec::new() }
    }
}

/// What becomes of some recipients: those with the same end of one tenant share an entry.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum End {
    GoesOn,
    Waits,
    SetAside { reason: String, by: String },
}

/// Accepts what stands, and answers the dot. What is for domains that nobody here owns is that of the tenant whose sink added
/// it, else the sender's, if one is known.
pub(super) async fn accept(
    inbound: &Inbound,
    (session, sender): (&Session, Option<&str>),
    transaction: &Transaction,
    arrived: Arrived,
) -> Accepted {
    let now = clock::now();
    let apart = refused_apart(session, transaction);
    let shares = divide(inbound, (session.envelope(), sender), (transaction, &apart));
    let session_id = session.facts().session_id.as_str();
    if shares.is_empty() {
        inbound.counters.discarded.count();
        tracing::info!(session = session_id, "discarded: no recipient was left");
        return Accepted { reply: replies::CONTENT_ACCEPTED, apart };
    }
    let size = arrived.draft.size();
    // SMTP has one reply for all (RFC 5321 §4.2.5). The next try is refused at RCPT for this tenant alone.
    if shares.keys().any(|(tenant, _)| !fits_queue(inbound, tenant, size)) {
        return replies::RECIPIENT_QUEUE_FULL.into();
    }
    let pieces = arrived.body.pieces(arrived.draft.pieces());
    let mut first = transaction.id;
    let made = Made { session, transaction, pieces: &pieces, now };
    let entries: Vec<NewEntry> = shares
        .into_iter()
        .map(|((tenant, end), recipients)| {
            made.entry(first.take().unwrap_or_else(clock::queue_id), (tenant, end), recipients)
        })
        .collect();
    let ids: Vec<QueueId> = entries.iter().map(|entry| entry.id).collect();
    let recipients: usize = entries.iter().map(|entry| entry.envelope.recipients.len()).sum();
    if let Err(error) = inbound.spool.accept(entries).await {
        tracing::error!(session = session_id, %error, "not accepted");
        return refusal(&error).into();
    }
    inbound.counters.accepted.count();
    inbound.counters.accepted_bytes.add(size);
    report(session.facts(), session.envelope(), &ids, (size, recipients));
    inbound.observer.tell(|| Observation::Accepted {
        session: session_id.to_owned(),
        entries: ids.iter().map(ToString::to_string).collect(),
    });
    let name = ids.first().map(ToString::to_string).unwrap_or_default();
    let text = format!("Ok, queued as {name}");
    Accepted { reply: Reply::with_lines(250, Some(EnhancedStatus::new(2, 0, 0)), [text.as_str()]), apart }
}

/// Whom sinks refused, where the client is told so for each: they are its own to try again, or to report.
fn refused_apart(session: &Session, transaction: &Transaction) -> Vec<Refused> {
    if session.facts().protocol != Protocol::Lmtp || transaction.quarantine.is_some() {
        return Vec::new();
    }
    let refused = |recipient: &Recipient| {
        let reply = match transaction.fate(recipient)? {
            Fate::Defer(reply) => reply.clone().unwrap_or(replies::RECIPIENT_DEFERRED),
            Fate::Reject(reply) => reply.clone().unwrap_or(replies::RECIPIENT_REJECTED),
            Fate::Quarantine(_) | Fate::Discard(_) | Fate::Redirect(_) => return None,
        };
        Some((recipient.id, reply))
    };
    session.envelope().recipients.iter().filter_map(refused).collect()
}

fn report(facts: &Facts, envelope: &Envelope, ids: &[QueueId], (size, recipients): (u64, usize)) {
    for id in ids {
        tracing::info!(
            session = facts.session_id, entry = %id, listener = &*facts.listener,
            remote = facts.remote.map(tracing::field::display), reverse_path = %envelope.reverse_path,
            recipients, size, "accepted"
        );
    }
}

fn refusal(error: &CommitError) -> Reply {
    match error {
        CommitError::Full => replies::STORAGE_LOW,
        CommitError::Busy => replies::STORAGE_BUSY,
        CommitError::TooLarge(_) => replies::MESSAGE_TOO_LARGE,
        CommitError::Poisoned | CommitError::Exists(_) | CommitError::Piece | CommitError::Closed => {
            replies::STORAGE_UNAVAILABLE
        }
    }
}

/// The recipients by owner and end. Every recipient is in exactly one share, or was discarded.
fn divide(
    inbound: &Inbound,
    (envelope, sender): (&Envelope, Option<&str>),
    (transaction, apart): (&Transaction, &[Refused]),
) -> BTreeMap<(String, End), Vec<Recipient>> {
    let mut shares: BTreeMap<(String, End), Vec<Recipient>> = BTreeMap::new();
    for recipient in &envelope.recipients {
        if apart.iter().any(|(refused, _)| *refused == recipient.id) {
            continue;
        }
        let Some(end) = end(recipient, transaction) else {
            inbound.counters.discarded.count();
            tracing::info!(recipient = %recipient.address, "discarded by a sink");
            continue;
        };
        let owner = inbound.tenants.owner(recipient.address.domain());
        let owner = owner.or_else(|| transaction.added.get(&recipient.id));
        let tenant = owner.map(|owner| &**owner).or(sender).unwrap_or(crate::tenants::OPERATOR).to_owned();
        if let End::SetAside { .. } = end {
            inbound.counters.quarantined.count();
        }
        let mut recipient = recipient.clone();
        if let Some(Fate::Defer(reply @ Some(_))) = transaction.fate(&recipient) {
            recipient.last_reply.clone_from(reply);
        }
        shares.entry((tenant, end)).or_default().push(recipient);
    }
    shares
}

fn end(recipient: &Recipient, transaction: &Transaction) -> Option<End> {
    if let Some((reason, by)) = &transaction.quarantine {
        return Some(End::SetAside { reason: reason.clone(), by: by.clone() });
    }
    let by = || transaction.decided_by(recipient);
    match transaction.fate(recipient) {
        None => Some(End::GoesOn),
        Some(Fate::Defer(_)) => Some(End::Waits),
        // EVENTS, "Two tenants in one transaction": a refused share that has no reply of its own is quarantined.
        Some(Fate::Reject(_)) => Some(End::SetAside { reason: "rejected".to_owned(), by: by() }),
        Some(Fate::Quarantine(reason)) => Some(End::SetAside { reason: reason.clone(), by: by() }),
        Some(Fate::Discard(_) | Fate::Redirect(_)) => None,
    }
}

/// What all entries of a transaction have in common.
struct Made<'a> {
    session: &'a Session,
    transaction: &'a Transaction,
    pieces: &'a [ContentPiece],
    now: Timestamp,
}

impl Made<'_> {
    fn entry(&self, id: QueueId, (tenant, end): (String, End), recipients: Vec<Recipient>) -> NewEntry {
        let whole = self.session.envelope();
        let due = match end {
            End::Waits => self.now + RECIPIENT_DEFERRAL,
            End::GoesOn | End::SetAside { .. } => self.now,
        };
        NewEntry {
            id,
            parent: None,
            maker: None,
            ingress: Ingress::of(self.session.facts()),
            arrived: self.now,
            facts: Some(self.session.facts().clone()),
            tenant,
            envelope: Envelope {
                reverse_path: whole.reverse_path.clone(),
                parameters: whole.parameters.clone(),
                recipients,
                priority: whole.priority,
                expires: whole.expires,
            },
            content: self.pieces.to_vec(),
            variables: stored::variables(&self.transaction.variables),
            scores: stored::scores(&self.transaction.scores),
            stage: StagePointer::at(StageName::Submission),
            due,
            state: match end {
                End::GoesOn | End::Waits => EntryState::Active,
                End::SetAside { reason, by } => {
                    EntryState::Quarantined { reason, binding: by, until: self.now + QUARANTINE }
                }
            },
        }
    }
}

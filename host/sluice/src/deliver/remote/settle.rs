//! From what a server said to what is recorded: the state of each recipient, and when the next attempt is.

use std::time::Duration;

use smtp::client::{Cause, Fate};
use smtp::{EnhancedStatus, Recipient, RecipientId, RecipientState, Refusal, Reply, Timestamp};
use spool::schedule::{Age, Next};
use spool::{Attempt, Entry, Lease, Outcome};

use super::resolve::Unresolved;
use crate::clock;
use crate::observer::Observation;
use crate::transport::Transport;

/// RFC 3463 §3.5: X.4.7, delivery time expired.
const EXPIRED: EnhancedStatus = EnhancedStatus::new(5, 4, 7);

/// How an attempt ended for a recipient.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) kind: Kind,
    pub(super) status: EnhancedStatus,
    /// For the log.
    pub(super) text: String,
    /// The other server's words, where it said any.
    pub(super) reply: Option<Reply>,
    /// The other server, where there was one.
    pub(super) host: String,
}

/// What it came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The other server has it.
    Relayed,
    /// It is in its mailbox (LMTP).
    Delivered,
    /// Not now; after this wait where somebody named one.
    Deferred(Option<Duration>),
    /// The other server may have it and did not say so: the next attempt may make a duplicate (RFC 1047).
    MaybeDelivered,
    /// Never.
    Failed,
}

impl End {
    /// What the session tells.
    pub(super) fn of_fate(fate: &Fate, taken: Kind, host: String) -> Self {
        let (kind, cause) = match fate {
            Fate::Delivered(reply) => {
                let text = spoken(reply);
                return Self { kind: taken, status: fate.status(), text, reply: Some(reply.clone()), host };
            }
            Fate::Deferred { cause, wait } => (Kind::Deferred(*wait), cause),
            Fate::MaybeDelivered(cause) => (Kind::MaybeDelivered, cause),
            Fate::Failed(cause) => (Kind::Failed, cause),
        };
        Self { kind, status: fate.status(), text: words(cause), reply: reply_of(cause), host }
    }

    /// There was nobody to ask.
    pub(super) fn of_unresolved(unresolved: &Unresolved) -> Self {
        let kind = if unresolved.status.class == 5 { Kind::Failed } else { Kind::Deferred(None) };
        Self::without_host(kind, unresolved.status, unresolved.text.clone())
    }

    /// A sink says that there is no way.
    pub(super) fn refused(status: EnhancedStatus, refusal: Refusal) -> Self {
        let text = if refusal.reason.is_empty() { "a sink said so".to_owned() } else { refusal.reason };
        Self { reply: refusal.reply, ..Self::without_host(Kind::Failed, status, text) }
    }

    /// Something here, or on the way, is not as it should be.
    pub(super) fn deferred(status: EnhancedStatus, text: String) -> Self {
        Self::without_host(Kind::Deferred(None), status, text)
    }

    fn without_host(kind: Kind, status: EnhancedStatus, text: String) -> Self {
        Self { kind, status, text, reply: None, host: String::new() }
    }

    /// What is stored with the recipient: the other server's reply, or one that says the same.
    fn stored_reply(&self, status: EnhancedStatus) -> Reply {
        let code = if status.class == 5 { 550 } else { 451 };
        let made = || Reply::with_lines(code, Some(status), [self.text.as_str()]);
        self.reply.clone().unwrap_or_else(made)
    }
}

/// Records how an attempt ended for some recipients of an entry; the others stay as they are.
pub(super) async fn settle(transport: &Transport, mut lease: Lease, ends: &[(RecipientId, End)]) {
    let now = clock::now();
    let mut again: Option<Timestamp> = None;
    let mut outcomes = Vec::new();
    for (id, end) in ends {
        if let Some(recipient) = lease.envelope.recipient(*id) {
            outcomes.push(one(transport, (&lease, now), recipient, end, &mut again));
        }
    }
    let settled = |recipient: &Recipient| outcomes.iter().any(|outcome| outcome.recipient == recipient.id);
    if lease.envelope.recipients.iter().any(|recipient| is_open(recipient) && !settled(recipient)) {
        again = Some(again.map_or(now, |at| at.min(now)));
    }
    let recorded = match again {
        Some(due) => {
            let attempt = Attempt { outcomes, due, outbox: Vec::new() };
            transport.spool.record_attempt(&mut lease, attempt).await
        }
        None => crate::deliver::finish(transport, &mut lease, &outcomes).await,
    };
    if let Err(error) = recorded {
        tracing::error!(
            entry = %lease.id, %error,
            "the outcome of an attempt was not recorded: it is made again, and who has the message may get a duplicate"
        );
    }
}

/// Whether a recipient is still to be delivered to.
pub(super) fn is_open(recipient: &Recipient) -> bool {
    matches!(recipient.state, RecipientState::Pending | RecipientState::Deferred)
}

fn one(
    transport: &Transport,
    (entry, now): (&Entry, Timestamp),
    recipient: &Recipient,
    end: &End,
    again: &mut Option<Timestamp>,
) -> Outcome {
    let settled =
        |state, status| Outcome { recipient: recipient.id, state, reply: Some(end.stored_reply(status)) };
    let wait = match end.kind {
        Kind::Relayed | Kind::Delivered => {
            return settled(taken(transport, entry, recipient, end), end.status);
        }
        Kind::Failed => {
            fail(transport, entry, recipient, end);
            return settled(RecipientState::Failed, end.status);
        }
        Kind::Deferred(wait) => wait,
        Kind::MaybeDelivered => None,
    };
    let age = Age {
        id: entry.id,
        arrived: entry.arrived,
        expires: entry.envelope.expires,
        attempts: recipient.attempts.saturating_add(1),
        due: entry.due,
    };
    let Next::Attempt(by_schedule) = transport.schedule.next(&age, now) else {
        fail(
            transport,
            entry,
            recipient,
            &End { text: format!("expired; last: {}", end.text), ..end.clone() },
        );
        return settled(RecipientState::Failed, EXPIRED);
    };
    let due = wait.map_or(by_schedule, |wait| now + wait);
    transport.counters.delivery_deferred.count();
    tracing::warn!(
        entry = %entry.id, recipient = %recipient.address, host = end.host, status = %end.status,
        reason = end.text, attempt = age.attempts, due = due.0,
        may_be_duplicated = end.kind == Kind::MaybeDelivered,
        "delivery deferred"
    );
    transport.observer.tell(|| Observation::Settled {
        entry: entry.id.to_string(),
        outcome: "deferred",
        reason: format!("{}: {}", end.host, end.text),
    });
    *again = Some(again.map_or(due, |other| other.min(due)));
    settled(RecipientState::Deferred, end.status)
}

fn taken(transport: &Transport, entry: &Entry, recipient: &Recipient, end: &End) -> RecipientState {
    let (state, outcome) = match end.kind {
        Kind::Delivered => (RecipientState::Delivered, "delivered"),
        Kind::Relayed | Kind::Deferred(_) | Kind::MaybeDelivered | Kind::Failed => {
            (RecipientState::Relayed, "relayed")
        }
    };
    transport.counters.relayed.count();
    tracing::info!(
        entry = %entry.id, recipient = %recipient.address, tenant = entry.tenant, host = end.host,
        reply = end.text, "{outcome}"
    );
    transport.observer.tell(|| Observation::Settled {
        entry: entry.id.to_string(),
        outcome,
        reason: format!("{}: {}", end.host, end.text),
    });
    state
}

fn fail(transport: &Transport, entry: &Entry, recipient: &Recipient, end: &End) {
    let host = if end.host.is_empty() { String::new() } else { format!("{}: ", end.host) };
    transport.fail(entry, recipient, &format!("{host}{}", end.text));
}

fn words(cause: &Cause) -> String {
    match cause {
        Cause::Reply { verb, reply } => format!("answer to {verb}: {}", spoken(reply)),
        Cause::Sink { refusal, .. } if refusal.reason.is_empty() => "a sink said so".to_owned(),
        Cause::Sink { refusal, .. } => refusal.reason.clone(),
        Cause::Session(error) => error.to_string(),
        Cause::Message(flaw) => flaw.to_string(),
    }
}

fn reply_of(cause: &Cause) -> Option<Reply> {
    match cause {
        Cause::Reply { reply, .. } => Some(reply.clone()),
        Cause::Sink { refusal, .. } => refusal.reply.clone(),
        Cause::Session(_) | Cause::Message(_) => None,
    }
}

fn spoken(reply: &Reply) -> String {
    reply.to_string()
}

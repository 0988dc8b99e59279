//! From what a server said to what is recorded: the state of each recipient, when the next attempt is, what the sender is told.

use std::time::Duration;

use message::dsn::Action;
use smtp::client::{Cause, Fate};
use smtp::{EnhancedStatus, Recipient, RecipientId, RecipientState, Refusal, Reply, Timestamp};
use spool::schedule::{Age, Next};
use spool::{Entry, Lease, Outcome};

use super::resolve::Unresolved;
use crate::clock;
use crate::deliver::settled::Settled;
use crate::observer::Observation;
use crate::transport::Transport;
use crate::transport::report::{self, Told};

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
    /// Who settled it, as far as the sender may read of it.
    pub(super) voice: Voice,
}

/// Whose word the sender reads.
#[derive(Clone, Debug)]
pub(super) enum Voice {
    /// The other server's: its reply.
    Peer,
    /// Ours, about the way there.
    Host(String),
    /// Nobody's: what there is to say is about the inside of this server.
    Nobody,
    /// A sink's: what the binding said is in the reply.
    Sink(String),
}

/// What it came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The other server has it, and makes no promise about reports.
    Relayed,
    /// The other server has it, and tells the sender itself what becomes of it (RFC 3461 §5.2.2).
    PassedOn,
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
                let (status, reply) = (fate.status(), Some(reply.clone()));
                return Self { kind: taken, status, text, reply, host, voice: Voice::Peer };
            }
            Fate::Deferred { cause, wait } => (Kind::Deferred(*wait), cause),
            Fate::MaybeDelivered(cause) => (Kind::MaybeDelivered, cause),
            Fate::Failed(cause) => (Kind::Failed, cause),
        };
        let voice = match cause {
            Cause::Reply { .. } => Voice::Peer,
            Cause::Session(_) | Cause::Message(_) => Voice::Host(words(cause)),
            Cause::Sink { by, .. } => Voice::Sink(by.word().to_owned()),
        };
        Self { kind, status: fate.status(), text: words(cause), reply: reply_of(cause), host, voice }
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

    /// Something of ours is not as it should be: no stranger reads what.
    pub(super) fn of_inside(status: EnhancedStatus, text: String) -> Self {
        Self { voice: Voice::Nobody, ..Self::deferred(status, text) }
    }

    /// Something on the way is not as it should be.
    pub(super) fn deferred(status: EnhancedStatus, text: String) -> Self {
        Self::without_host(Kind::Deferred(None), status, text)
    }

    fn without_host(kind: Kind, status: EnhancedStatus, text: String) -> Self {
        let voice = Voice::Host(text.clone());
        Self { kind, status, text, reply: None, host: String::new(), voice }
    }

    /// What the sender may be told of it.
    fn told(&self, recipient: &Recipient, action: Action) -> Told {
        let told = Told { status: Some(self.status), ..Told::new(recipient, action) };
        // Name and address are shown; the name is for strangers.
        let remote = self.host.split(' ').next().map(str::to_owned);
        match &self.voice {
            Voice::Peer => Told { remote, reply: self.reply.clone(), ..told },
            Voice::Host(reason) => Told { remote, reason: Some(reason.clone()), ..told },
            Voice::Sink(_) => Told { reply: self.reply.clone(), ..told },
            Voice::Nobody => told,
        }
    }

    /// What the sender may be told of a recipient that the other server took; nothing where it tells that itself.
    fn success(&self, recipient: &Recipient) -> Option<Told> {
        match self.kind {
            Kind::Delivered => Some(self.told(recipient, Action::Delivered)),
            Kind::Relayed => Some(self.told(recipient, Action::Relayed)),
            Kind::PassedOn | Kind::Deferred(_) | Kind::MaybeDelivered | Kind::Failed => None,
        }
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
    let mut settled = Settled::default();
    for (id, end) in ends {
        if let Some(recipient) = lease.envelope.recipient(*id) {
            let outcome = one(transport, (&lease, now), (recipient, end), &mut settled);
            settled.outcomes.push(outcome);
        }
    }
    let is_settled = |recipient: &Recipient| ends.iter().any(|(id, _)| *id == recipient.id);
    if lease.envelope.recipients.iter().any(|recipient| is_open(recipient) && !is_settled(recipient)) {
        settled.again_at(now);
    }
    if let Err(error) = settled.record(transport, &mut lease).await {
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
    (recipient, end): (&Recipient, &End),
    settled: &mut Settled,
) -> Outcome {
    let outcome =
        |state, status| Outcome { recipient: recipient.id, state, reply: Some(end.stored_reply(status)) };
    let wait = match end.kind {
        Kind::Relayed | Kind::Delivered | Kind::PassedOn => {
            settled.told.extend(end.success(recipient));
            return outcome(taken(transport, entry, recipient, end), end.status);
        }
        Kind::Failed => {
            fail(transport, entry, (recipient, end, end.status), settled);
            return outcome(RecipientState::Failed, end.status);
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
        let expired = End { text: format!("expired; last: {}", end.text), ..end.clone() };
        fail(transport, entry, (recipient, &expired, report::EXPIRED), settled);
        return outcome(RecipientState::Failed, report::EXPIRED);
    };
    if transport.schedule.tells_delay(&age, now) {
        let retry_until = Some(transport.schedule.expires(&age));
        settled.told.push(Told { retry_until, ..end.told(recipient, Action::Delayed) });
    }
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
    settled.again_at(due);
    outcome(RecipientState::Deferred, end.status)
}

fn taken(transport: &Transport, entry: &Entry, recipient: &Recipient, end: &End) -> RecipientState {
    let (state, outcome) = match end.kind {
        Kind::Delivered => (RecipientState::Delivered, "delivered"),
        Kind::Relayed | Kind::PassedOn | Kind::Deferred(_) | Kind::MaybeDelivered | Kind::Failed => {
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

/// Gives a recipient up, and tells the sender; one that a sink gave up goes into quarantine where the sender is not known.
fn fail(
    transport: &Transport,
    entry: &Entry,
    (recipient, end, status): (&Recipient, &End, EnhancedStatus),
    settled: &mut Settled,
) {
    let host = if end.host.is_empty() { String::new() } else { format!("{}: ", end.host) };
    transport.fail(entry, recipient, &format!("{host}{}", end.text));
    match &end.voice {
        Voice::Sink(by) if !report::may_end(transport, entry) => {
            transport.counters.quarantined.count();
            let recipient = Recipient { state: RecipientState::Pending, ..recipient.clone() };
            settled.outbox.push(report::kept(entry, vec![recipient], (&end.text, by)));
        }
        Voice::Sink(_) | Voice::Peer | Voice::Host(_) | Voice::Nobody => {
            settled.told.push(Told { status: Some(status), ..end.told(recipient, Action::Failed) });
        }
    }
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

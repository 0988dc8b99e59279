//! A sink as the delivery agent of a route (on-deliver).
//!
//! Promises the same event id for each attempt at the same recipients, so that an agent can tell a repeated one. An agent that is
//! not there, or faults, delivers nothing: the message waits for it.

use std::sync::Arc;

use sinks::provider::{Answer, Delivered};
use sinks::{Event, EventKind, Verdict};
use smtp::{EnhancedStatus, QueueName, RecipientId, Reply};
use spool::Lease;

use super::settle::{End, Kind, Voice, is_open};
use crate::transport::{Transport, stages};

/// RFC 3463 §3.4: X.3.5, system incorrectly configured.
const NO_AGENT: EnhancedStatus = EnhancedStatus::new(4, 3, 5);
/// RFC 3463 §3.4: X.3.0, other mail system status.
const UNREADABLE: EnhancedStatus = EnhancedStatus::new(4, 3, 0);

/// Asks the agent about all recipients that are open.
pub(super) async fn deliver(
    transport: &Transport,
    lease: &Lease,
    (queue, name): (&QueueName, &str),
) -> Vec<(RecipientId, End)> {
    let open = lease.envelope.recipients.iter().filter(|recipient| is_open(recipient));
    let recipients: Vec<RecipientId> = open.map(|recipient| recipient.id).collect();
    let all = |end: End| recipients.iter().map(|id| (*id, end.clone())).collect();
    let snapshot = transport.sinks.registry();
    let Some(agent) = snapshot.agent(&lease.tenant, name).cloned() else {
        return all(End::of_inside(NO_AGENT, format!("there is no sink {name:?} that exports on-deliver")));
    };
    let mut subject = match stages::about(transport, lease, event_id(lease, &recipients)).await {
        Ok(subject) => subject,
        Err(error) => return all(End::of_inside(UNREADABLE, error.to_string())),
    };
    let event = Event::Deliver { agent, queue: queue.clone(), recipients: recipients.clone() };
    let outcome = transport.sinks.fire(&snapshot, event.clone(), &mut subject).await;
    stages::tell(transport, lease, (&event, &subject), &outcome);
    match outcome.verdict {
        Verdict::Answer(Answer::Delivered(said)) => {
            recipients.iter().copied().zip(said.into_iter().map(|one| end(one, name))).collect()
        }
        _ => all(End::of_inside(NO_AGENT, format!("the agent {name:?} was not asked"))),
    }
}

/// The same for each attempt at these.
fn event_id(lease: &Lease, recipients: &[RecipientId]) -> Arc<str> {
    let ids: Vec<String> = recipients.iter().map(|id| id.0.to_string()).collect();
    format!("{}-{}-{}", lease.id, EventKind::Deliver, ids.join(".")).into()
}

fn end(said: Delivered, name: &str) -> End {
    let (kind, reply) = match said {
        Delivered::Delivered(reply) => (Kind::Delivered, reply),
        Delivered::Failed(reply) => (Kind::Failed, reply),
        Delivered::Deferred { reply, wait } => (Kind::Deferred(wait), reply),
    };
    let (status, text, voice) = (status(&reply), reply.to_string(), Voice::Sink(name.to_owned()));
    End { kind, status, text, reply: Some(reply), host: name.to_owned(), voice }
}

fn status(reply: &Reply) -> EnhancedStatus {
    reply.status().or_else(|| EnhancedStatus::of_code(reply.code())).unwrap_or(UNREADABLE)
}

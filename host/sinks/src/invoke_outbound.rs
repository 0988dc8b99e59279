//! The typed calls of a message's way out: transport's providers, the dialogue with another server, life in the queue,
//! reports.

use smtp::TlsPolicy;
use smtp::client::Gate;

use crate::bindings::exports::sluice::sink::{on_categorize, on_delivery_attempt, on_remote_tls};
use crate::convert;
use crate::event::Event;
use crate::invoke::{Target, guest};
use crate::lift::{self, Lifted, Said};
use crate::lift_outbound::{self as lift_out, Reach};
use crate::provider::Attempt;

pub(crate) async fn invoke(event: &Event, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match event {
        Event::Categorize(recipients) => {
            let guest = guest!(target.on_categorize);
            let envelope = target.store.data().subject.envelope.clone();
            let known = |id| envelope.as_deref().and_then(|envelope| envelope.recipient(id));
            let subject = |one: &smtp::Recipient| on_categorize::Subject {
                id: one.id.0,
                address: convert::address(&one.address),
            };
            let subjects: Vec<_> = recipients.iter().filter_map(|id| known(*id)).map(subject).collect();
            let targets = guest.call_handle(&mut *target.store, &subjects).await?;
            lift_out::categorize(targets, subjects.len(), Reach(target.store.data()))
        }
        Event::Route(question) => {
            let guest = guest!(target.on_route);
            let ids: Vec<u32> = question.recipients.iter().map(|id| id.0).collect();
            let choices = guest.call_handle(&mut *target.store, question.domain.as_str(), &ids).await?;
            lift_out::route(choices, ids.len(), Reach(target.store.data()))
        }
        Event::Routed(route) => {
            let guest = guest!(target.on_routed);
            let route = route.as_ref().map(convert::route);
            lift::stage(guest.call_handle(target.store, route.as_ref()).await?)
        }
        Event::ResolveNextHop { queue, domain } => {
            let guest = guest!(target.on_resolve_next_hop);
            let answer = guest.call_handle(&mut *target.store, queue.as_str(), domain.as_str()).await?;
            lift_out::resolve(answer, Reach(target.store.data()))
        }
        Event::Deliver { agent: _, queue, recipients } => {
            let guest = guest!(target.on_deliver);
            let ids: Vec<u32> = recipients.iter().map(|id| id.0).collect();
            lift_out::deliver(guest.call_handle(target.store, queue.as_str(), &ids).await?, ids.len())
        }
        Event::Retry(question) => {
            let guest = guest!(target.on_retry);
            let ids: Vec<u32> = question.recipients.iter().map(|id| id.0).collect();
            let reply = question.reply.as_ref().map(convert::reply);
            let (failures, age) = (question.failures, convert::seconds(question.age));
            let plan = guest.call_handle(&mut *target.store, &ids, reply.as_ref(), failures, age).await?;
            lift_out::retry(plan, Reach(target.store.data()))
        }
        Event::QueueAge { queue, age } => {
            let guest = guest!(target.on_queue_age);
            lift_out::queue_age(
                guest.call_handle(target.store, queue.as_str(), convert::seconds(*age)).await?,
            )
        }
        Event::Dsn(kind) => {
            let guest = guest!(target.on_dsn);
            let verdict = guest.call_handle(&mut *target.store, &kind.word().to_owned()).await?;
            lift_out::dsn(verdict, Reach(target.store.data()))
        }
        event => Box::pin(invoke_session(event, target)).await?,
    })
}

/// The dialogue with another server, and what observers are told.
async fn invoke_session(event: &Event, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match event {
        Event::RemoteTls { policy, chain } => {
            let guest = guest!(target.on_remote_tls);
            let chain: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.to_vec()).collect();
            lift_out::remote_tls(guest.call_handle(target.store, flags(*policy), &chain).await?)
        }
        Event::Outbound(gate) => Box::pin(invoke_gate(gate, target)).await?,
        Event::DeliveryAttempt(attempts) => {
            let guest = guest!(target.on_delivery_attempt);
            let told: Vec<_> = attempts.iter().map(attempt).collect();
            guest.call_handle(target.store, &told).await?;
            Ok(Said::Continue)
        }
        Event::Feedback(feedback) => {
            let guest = guest!(target.on_feedback);
            let recipient = feedback.recipient.as_ref().map(convert::address);
            let reply = feedback.reply.as_ref().map(convert::reply);
            let kind = feedback.kind.to_owned();
            guest
                .call_handle(target.store, &kind, recipient.as_ref(), reply.as_ref(), &feedback.json)
                .await?;
            Ok(Said::Continue)
        }
        other => return Err(wasmtime::format_err!("{} has no call", other.kind())),
    })
}

async fn invoke_gate(gate: &Gate, target: Target<'_>) -> wasmtime::Result<Lifted> {
    Ok(match gate {
        Gate::SessionStart => {
            let guest = guest!(target.on_session_start);
            lift_out::session_start(guest.call_handle(target.store).await?)
        }
        Gate::MessageStart => {
            let guest = guest!(target.on_message_start);
            lift_out::message_start(guest.call_handle(target.store).await?)
        }
        Gate::PerRecipient(recipient) => {
            let guest = guest!(target.on_per_recipient);
            lift_out::per_recipient(guest.call_handle(target.store, recipient.0).await?)
        }
        Gate::BeforeData { accepted, refused } => {
            let guest = guest!(target.on_before_data);
            lift_out::before_data(guest.call_handle(target.store, *accepted, *refused).await?)
        }
        Gate::ServerResponse { verb, reply, recipient: _ } => {
            let guest = guest!(target.on_server_response);
            let reply = convert::reply(reply);
            lift_out::server_response(guest.call_handle(target.store, verb, &reply).await?)
        }
        Gate::SessionEnd { totals, connection: _ } => {
            let guest = guest!(target.on_session_end);
            guest.call_handle(target.store, totals.delivered, totals.deferred, totals.failed).await?;
            Ok(Said::Continue)
        }
    })
}

fn flags(policy: TlsPolicy) -> on_remote_tls::Policy {
    match policy {
        TlsPolicy::Dane => on_remote_tls::Policy::DANE | on_remote_tls::Policy::REQUIRED,
        TlsPolicy::Required => on_remote_tls::Policy::REQUIRED,
        TlsPolicy::Opportunistic | TlsPolicy::None => on_remote_tls::Policy::empty(),
    }
}

fn attempt(attempt: &Attempt) -> on_delivery_attempt::Attempt {
    on_delivery_attempt::Attempt {
        at: convert::timestamp(attempt.at),
        message: attempt.message.clone(),
        recipient: convert::address(&attempt.recipient),
        queue: attempt.queue.clone(),
        host: attempt.host.clone(),
        outcome: attempt.outcome.word().to_owned(),
        reply: attempt.reply.as_ref().map(convert::reply),
        took: u32::try_from(attempt.took.as_millis()).unwrap_or(u32::MAX),
    }
}

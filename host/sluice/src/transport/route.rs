//! Route: by which next hop does each recipient go?
//!
//! Sinks are asked first, once for each domain (on-route); for whom they don't answer the configured routes do, then the
//! domain: mailboxes where it is of the entry's tenant, else the exchangers that DNS names. An entry whose recipients go by
//! different routes becomes one entry for each.

use std::sync::Arc;

use sinks::provider::{Answer, Choice, RouteQuestion};
use sinks::{Event, EventKind, Sinks, Snapshot, Subject, Verdict};
use smtp::{Domain, NextHop, Recipient, Route, Target, replies};
use spool::{Entry, Lease, StageName};

use super::Transport;
use super::categorize::{end_of, wait_or_fail};
use super::commit::{Then, is_open};
use super::division::{Between, Division, End};
use super::stages;

/// Decides the next hop of every recipient. The lease comes back if any goes on now.
pub(super) async fn run(
    transport: &Arc<Transport>,
    snapshot: &Arc<Snapshot>,
    mut lease: Lease,
) -> Option<Lease> {
    let wants = |kind| Sinks::wants(snapshot, kind, Some(&lease.tenant));
    let next = if wants(EventKind::Routed) { StageName::Routed } else { StageName::Deliver };
    let open: Vec<Recipient> =
        lease.envelope.recipients.iter().filter(|recipient| is_open(recipient)).cloned().collect();
    let mut division = Division::default();
    if wants(EventKind::Route) {
        let mut subject = match stages::subject(transport, &lease, (StageName::Route, EventKind::Route)).await
        {
            Ok(subject) => subject,
            Err(error) => {
                stages::hold_unreadable(transport, lease, (StageName::Route, error)).await;
                return None;
            }
        };
        let id = Arc::clone(&subject.event_id);
        for (domain, recipients) in by_domain(open) {
            // The same when the stage runs again, and another for each question.
            subject.event_id = format!("{id}-{domain}").into();
            let choices = ask((transport, snapshot), &lease, &mut subject, (domain, &recipients)).await;
            let mut choices = choices.into_iter();
            for recipient in recipients {
                decide(transport, (&lease, &mut division), recipient, choices.next().unwrap_or_default());
            }
        }
    } else {
        for recipient in open {
            by_tables(transport, (&lease, &mut division), recipient);
        }
    }
    match division
        .record(transport, &mut lease, Between { here: StageName::Route, next, asked: "on-route" })
        .await
    {
        Ok(Then::GoOn) => Some(lease),
        Ok(Then::Rest) => None,
        Err(error) => {
            stages::unrecorded(transport, lease, (StageName::Route, error)).await;
            None
        }
    }
}

/// The recipients by their domains, in the order of the envelope.
fn by_domain(open: Vec<Recipient>) -> Vec<(Domain, Vec<Recipient>)> {
    let mut domains: Vec<(Domain, Vec<Recipient>)> = Vec::new();
    for recipient in open {
        let domain = recipient.address.domain();
        match domains.iter_mut().find(|(known, _)| known == domain) {
            Some((_, recipients)) => recipients.push(recipient),
            None => domains.push((domain.clone(), vec![recipient])),
        }
    }
    domains
}

async fn ask(
    (transport, snapshot): (&Arc<Transport>, &Arc<Snapshot>),
    lease: &Lease,
    subject: &mut Subject,
    (domain, recipients): (Domain, &[Recipient]),
) -> Vec<Choice> {
    let ids = recipients.iter().map(|recipient| recipient.id).collect();
    let event = Event::Route(RouteQuestion { domain, recipients: ids });
    let outcome = transport.sinks.fire(snapshot, event.clone(), subject).await;
    stages::tell(transport, lease, (&event, subject), &outcome);
    match outcome.verdict {
        Verdict::Answer(Answer::Choices(choices)) => choices,
        _ => Vec::new(),
    }
}

fn decide(
    transport: &Transport,
    (entry, division): (&Entry, &mut Division),
    recipient: Recipient,
    choice: Choice,
) {
    match choice {
        Choice::Continue => by_tables(transport, (entry, division), recipient),
        Choice::Via(route) => {
            let route = checked(transport, recipient.address.domain(), route);
            division.put(recipient, End::GoesOn(Some(route)));
        }
        Choice::Local => {
            let end = end_of(transport, entry, &recipient);
            division.put(recipient, end);
        }
        Choice::Unreachable(refusal) => division.refuse(recipient, refusal, replies::UNREACHABLE),
        Choice::Later(wait) => wait_or_fail((transport, entry), division, recipient, wait),
    }
}

/// A route without hosts is that of the configuration under the queue's name; where there is none the contract says the
/// exchangers of the domain, in a queue of that name.
fn checked(transport: &Transport, domain: &Domain, route: Route) -> Route {
    if route.to == NextHop::Configured && !transport.routes.has(&route.queue) {
        return Route { to: NextHop::Exchangers(domain.clone()), ..route };
    }
    route
}

fn by_tables(transport: &Transport, (entry, division): (&Entry, &mut Division), recipient: Recipient) {
    let end = match end_of(transport, entry, &recipient) {
        End::GoesOn(_) => End::GoesOn(of_tables(transport, &recipient)),
        other => other,
    };
    division.put(recipient, end);
}

/// The next hop that the configuration gives; none is to mailboxes here.
fn of_tables(transport: &Transport, recipient: &Recipient) -> Option<Route> {
    let domain = recipient.address.domain();
    match &recipient.target {
        Target::Mailbox(_) => None,
        Target::Remote => Some(transport.routes.of_foreign(domain)),
        Target::ByDomain if transport.tenants.owner(domain).is_some() => transport.routes.named(domain),
        Target::ByDomain => Some(transport.routes.of_foreign(domain)),
    }
}

#[cfg(test)]
mod tests {
    use smtp::{Mailbox, Recipient, RecipientId};

    use super::by_domain;

    #[test]
    fn recipients_are_asked_about_by_their_domains_in_the_order_of_the_envelope() {
        let recipient =
            |(id, address): (u32, &&str)| Recipient::new(RecipientId(id), Mailbox::parse(address).unwrap());
        let open = (0..).zip(&["a@y.example", "b@x.example", "c@Y.example"]).map(recipient).collect();
        let found: Vec<(String, Vec<u32>)> = by_domain(open)
            .into_iter()
            .map(|(domain, recipients)| (domain.to_string(), recipients.iter().map(|one| one.id.0).collect()))
            .collect();
        assert_eq!(found, [("y.example".to_owned(), vec![0, 2]), ("x.example".to_owned(), vec![1])]);
    }
}

//! One attempt at one entry: its recipients, the hosts in their order, and what each said.
//!
//! A host that fails is followed by the next one before anything is deferred (RFC 5321 §5.1). A message that a host may have
//! is offered to no other: that would make a duplicate for certain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sinks::provider::Exchangers;
use smtp::client::{Cause, Ending, Fate, Message, Next, Outcome, Protocol, SessionError, Settings};
use smtp::{Domain, EnhancedStatus, Envelope, NextHop, QueueName, Recipient, RecipientId, Route};
use spool::Lease;
use tokio::net::TcpStream;

use super::agent;
use super::body::Body;
use super::gates::{self, Gates};
use super::plan::Plan;
use super::resolve::{Namer, Target, Unresolved};
use super::session::{Sent, Session, Terms, Unopened};
use super::settle::{End, Kind, is_open, settle};
use super::{Remote, draw_of, route_of};
use crate::transport::Transport;

/// RFC 3463 §3.5: X.4.1, no answer from host.
const NO_ANSWER: EnhancedStatus = EnhancedStatus::new(4, 4, 1);
/// RFC 3463 §3.5: X.4.4, unable to route.
const NO_ROUTE: EnhancedStatus = EnhancedStatus::new(4, 4, 4);
/// RFC 3463 §3.5: X.4.4, unable to route.
const UNREACHABLE: EnhancedStatus = EnhancedStatus::new(5, 4, 4);
/// RFC 3463 §3.4: X.3.0, other mail system status.
const UNREADABLE: EnhancedStatus = EnhancedStatus::new(4, 3, 0);

/// An attempt, with the session that it leaves for the next one.
pub(super) struct Attempt<'a> {
    transport: &'a Arc<Transport>,
    lease: &'a Lease,
    plan: Arc<Plan>,
    body: Body,
    ends: BTreeMap<RecipientId, End>,
    kept: Option<Session>,
}

/// Whether the hosts of the line serve us.
#[derive(Debug)]
pub(super) enum Standing {
    /// One of them does.
    Served,
    /// None does: why.
    Unserved(End),
    /// It was not found out.
    Unknown,
}

/// The server stops: what was not sent was not attempted.
struct Stopping;

/// Makes an attempt and records it. The session comes back where it can take another message.
pub(super) async fn attempt(
    transport: &Arc<Transport>,
    kept: Option<Session>,
    lease: Lease,
) -> (Option<Session>, Standing) {
    if let Some(Route { queue, to: NextHop::Agent(name), .. }) = route_of(&lease).cloned() {
        let ends = Box::pin(agent::deliver(transport, &lease, (&queue, &name))).await;
        let serves = ends.iter().any(|(_, end)| end.kind == Kind::Delivered);
        settle(transport, lease, &ends).await;
        return (kept, if serves { Standing::Served } else { Standing::Unknown });
    }
    let Some((route, plan, body)) = prepare(transport, &lease).await else {
        let text = "the configuration has no such route, or its content can't be read now".to_owned();
        defer(transport, lease, &End::of_inside(NO_ROUTE, text)).await;
        return (kept, Standing::Unknown);
    };
    let mut attempt = Attempt { transport, lease: &lease, plan, body, ends: BTreeMap::new(), kept };
    let mut standing = Standing::Unknown;
    for (route, recipients) in groups(&attempt.plan, &route, &lease) {
        match Box::pin(attempt.group(&route, recipients)).await {
            Ok(found) => standing = found,
            Err(Stopping) => break,
        }
    }
    let Attempt { ends, kept, .. } = attempt;
    if !ends.is_empty() {
        let ends: Vec<(RecipientId, End)> = ends.into_iter().collect();
        settle(transport, lease, &ends).await;
    }
    (kept, standing)
}

/// Records for all recipients of an entry that they wait.
pub(super) async fn defer(transport: &Transport, lease: Lease, end: &End) {
    let open = lease.envelope.recipients.iter().filter(|recipient| is_open(recipient));
    let ends: Vec<(RecipientId, End)> = open.map(|recipient| (recipient.id, end.clone())).collect();
    settle(transport, lease, &ends).await;
}

async fn prepare(transport: &Transport, lease: &Lease) -> Option<(Route, Arc<Plan>, Body)> {
    let route = route_of(lease)?.clone();
    let Some(plan) = transport.remote.plans.of(&route) else {
        tracing::error!(entry = %lease.id, queue = %route.queue, "the configuration has no such route");
        return None;
    };
    let trace = Bytes::from(crate::deliver::received(&transport.host_name, lease));
    match Body::load(&transport.spool, &lease.content, trace).await {
        Ok(body) => Some((route, plan, body)),
        Err(error) => {
            tracing::error!(entry = %lease.id, %error, status = %UNREADABLE, "a content can't be read");
            None
        }
    }
}

/// Recipients that share their hosts: all of them, or, where the route leaves it to DNS, those of one domain.
fn groups(plan: &Plan, route: &Route, lease: &Lease) -> Vec<(Route, Vec<Recipient>)> {
    let open = lease.envelope.recipients.iter().filter(|recipient| is_open(recipient)).cloned();
    if route.to != NextHop::Configured || !plan.hosts.is_empty() {
        return vec![(route.clone(), open.collect())];
    }
    let mut by_domain: BTreeMap<String, (Domain, Vec<Recipient>)> = BTreeMap::new();
    for recipient in open {
        let domain = recipient.address.domain().clone();
        let group = by_domain.entry(domain.to_string()).or_insert_with(|| (domain, Vec::new()));
        group.1.push(recipient);
    }
    let of_domain =
        |(domain, recipients)| (Route { to: NextHop::Exchangers(domain), ..route.clone() }, recipients);
    by_domain.into_values().map(of_domain).collect()
}

impl Attempt<'_> {
    async fn group(&mut self, route: &Route, mut open: Vec<Recipient>) -> Result<Standing, Stopping> {
        let mut standing = Standing::Unknown;
        let mut tried = None;
        if let Some(session) = self.kept.take().filter(|session| session.route == *route) {
            let address = session.target.address;
            if let Some(found) = self.send(session, &mut open).await? {
                tried = Some(address);
                standing = found;
            }
        }
        if open.is_empty() {
            return Ok(standing);
        }
        let targets = match self.targets(route).await {
            Ok(targets) => targets,
            Err(end) => {
                self.end_rest(&open, &end);
                return Ok(if end.kind == Kind::Failed {
                    Standing::Unknown
                } else {
                    Standing::Unserved(end)
                });
            }
        };
        for target in targets.into_iter().filter(|target| Some(target.address) != tried) {
            match self.open(route, target).await? {
                Ok(session) => {
                    if let Some(found) = self.send(session, &mut open).await? {
                        standing = found;
                    }
                }
                Err((end, Next::SuspendQueue)) => {
                    self.end_rest(&open, &end);
                    return Ok(Standing::Unserved(end));
                }
                Err((end, _)) => {
                    self.end_rest(&open, &end);
                    if !matches!(standing, Standing::Served) {
                        standing = Standing::Unserved(end);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(standing)
    }

    async fn targets(&self, route: &Route) -> Result<Vec<Target>, End> {
        if let NextHop::Exchangers(domain) = &route.to {
            return self.exchangers(&route.queue, domain).await;
        }
        self.named(route).await.map_err(|unresolved| End::of_unresolved(&unresolved))
    }

    /// Sinks are asked first, then DNS.
    async fn exchangers(&self, queue: &QueueName, domain: &Domain) -> Result<Vec<Target>, End> {
        let resolver = &self.remote().resolver;
        let unresolved = |unresolved| End::of_unresolved(&unresolved);
        match Box::pin(gates::exchangers(self.transport, self.lease, (queue, domain))).await {
            Ok(Exchangers::Continue) => {
                resolver.exchangers(domain, draw_of(self.lease)).await.map_err(unresolved)
            }
            Ok(Exchangers::Hosts(candidates)) => resolver.candidates(candidates).await.map_err(unresolved),
            Ok(Exchangers::Later(wait)) => {
                let text = "a sink knows the hosts later".to_owned();
                Err(End { kind: Kind::Deferred(Some(wait)), ..End::deferred(NO_ROUTE, text) })
            }
            Ok(Exchangers::Unreachable(refusal)) => Err(End::refused(UNREACHABLE, refusal)),
            Err(error) => Err(End::deferred(UNREADABLE, error.to_string())),
        }
    }

    async fn named(&self, route: &Route) -> Result<Vec<Target>, Unresolved> {
        let resolver = &self.remote().resolver;
        match &route.to {
            NextHop::Exchangers(domain) => resolver.exchangers(domain, draw_of(self.lease)).await,
            NextHop::Hosts(hosts) => resolver.hosts(hosts, Namer::Stranger).await,
            NextHop::Configured | NextHop::Mailboxes | NextHop::Agent(_) => {
                resolver.hosts(&self.plan.hosts, Namer::Operator).await
            }
        }
    }

    /// Recipients that are still open wait for this reason, unless a host has answered about them: that says more.
    fn end_rest(&mut self, open: &[Recipient], end: &End) {
        for recipient in open {
            let known = self.ends.get(&recipient.id);
            if known.is_none_or(|known| known.reply.is_none()) {
                self.ends.insert(recipient.id, end.clone());
            }
        }
    }

    /// Connects and greets; where a handshake fails that was nobody's wish but ours, once more in clear.
    async fn open(&self, route: &Route, target: Target) -> Result<Result<Session, (End, Next)>, Stopping> {
        let first = self.open_with(route, &target, &self.plan.settings).await?;
        let has_tls_failed = |ending: &Ending| {
            matches!(
                ending.cause,
                Some(Cause::Session(SessionError::TlsFailed | SessionError::TlsNotOffered))
            )
        };
        match first {
            Err((_, Some(ending))) if has_tls_failed(&ending) && self.plan.may_go_in_clear() => {
                let again = self.open_with(route, &target, &self.plan.settings_in_clear).await?;
                Ok(again.map_err(with_next))
            }
            other => Ok(other.map_err(with_next)),
        }
    }

    async fn open_with(
        &self,
        route: &Route,
        target: &Target,
        settings: &Arc<Settings>,
    ) -> Result<Result<Session, (End, Option<Ending>)>, Stopping> {
        let stream = match self.connect(target.address).await? {
            Ok(stream) => stream,
            Err(error) => {
                let text = format!("connecting: {error}");
                return Ok(Err((End { host: shown(target), ..End::deferred(NO_ANSWER, text) }, None)));
            }
        };
        let terms = Terms {
            settings: Arc::clone(settings),
            login: self.plan.login.clone(),
            trust: self.plan.trust,
            policy: self.plan.tls,
            tls: Arc::clone(&self.remote().tls),
            stopping: self.transport.stopping.clone(),
        };
        let mut gates = Gates::begin(self.transport, (self.lease, route), (target, &stream));
        let interest = match gates.take_up(self.lease).await {
            Ok(interest) => interest,
            Err(error) => return Ok(Err((End::deferred(UNREADABLE, error.to_string()), None))),
        };
        match Session::open(stream, target.clone(), route.clone(), (terms, gates, interest)).await {
            Ok(session) => Ok(Ok(session)),
            Err(Unopened::Stopping) => Err(Stopping),
            Err(Unopened::Ended(ending)) => Ok(Err((of_ending(&ending, target), Some(ending)))),
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<std::io::Result<TcpStream>, Stopping> {
        let connecting =
            self.remote().connector.connect(address, self.plan.pool.as_deref(), draw_of(self.lease));
        tokio::select! {
            () = self.transport.stopping.cancelled() => Err(Stopping),
            connected = connecting => Ok(connected),
        }
    }

    /// Sends to those that are open; leaves those that another host may do better for. None: the session was over before.
    async fn send(
        &mut self,
        mut session: Session,
        open: &mut Vec<Recipient>,
    ) -> Result<Option<Standing>, Stopping> {
        let envelope = Envelope { recipients: open.clone(), ..self.lease.envelope.clone() };
        let message = Message { envelope: Arc::new(envelope), content: self.body.facts() };
        let target = session.target.clone();
        match session.send((self.lease, message), &mut self.body).await {
            Sent::Stopping => Err(Stopping),
            Sent::Nothing(ending) => {
                if session.messages <= 1 {
                    self.end_rest(open, &of_ending(&ending, &target));
                }
                Ok(None)
            }
            Sent::Outcome(outcome) => {
                let is_stale = session.messages > 1 && has_closed(&outcome);
                if !is_stale {
                    let taken = self.taken(&session);
                    self.take(&outcome, (&target, taken), open);
                }
                self.keep(session, &outcome).await;
                let serves = if outcome.next == Next::SuspendQueue {
                    Standing::Unserved(End {
                        host: shown(&target),
                        ..End::of_inside(NO_ANSWER, "a sink said so".to_owned())
                    })
                } else {
                    Standing::Served
                };
                Ok((!is_stale).then_some(serves))
            }
        }
    }

    /// What it means that the server took a recipient.
    fn taken(&self, session: &Session) -> Kind {
        match self.plan.settings.protocol {
            Protocol::Smtp if session.peer().offers("DSN") => Kind::PassedOn,
            Protocol::Smtp => Kind::Relayed,
            Protocol::Lmtp => Kind::Delivered,
        }
    }

    fn take(&mut self, outcome: &Outcome, (target, taken): (&Target, Kind), open: &mut Vec<Recipient>) {
        for one in &outcome.recipients {
            self.ends.insert(one.id, End::of_fate(&one.fate, taken, shown(target)));
        }
        let may_go_on = matches!(outcome.next, Next::Reuse | Next::Close | Next::SkipHost);
        open.retain(|recipient| {
            let fate = outcome.recipients.iter().find(|one| one.id == recipient.id).map(|one| &one.fate);
            may_go_on && fate.is_none_or(|fate| another_host_may_do_better(fate, outcome.next))
        });
    }

    async fn keep(&mut self, session: Session, outcome: &Outcome) {
        let is_worn = session.messages >= self.plan.messages_per_connection_max;
        let going_on = session.go_on().await;
        if is_worn || outcome.next != Next::Reuse {
            if let Some(session) = going_on {
                session.quit().await;
            }
            return;
        }
        if let Some(older) = std::mem::replace(&mut self.kept, going_on) {
            older.quit().await;
        }
    }

    fn remote(&self) -> &Remote {
        &self.transport.remote
    }
}

/// A sink that defers means all hosts, unless it says that this one is to be skipped.
fn another_host_may_do_better(fate: &Fate, next: Next) -> bool {
    match fate {
        Fate::Deferred { cause: Cause::Sink { .. }, .. } => next == Next::SkipHost,
        Fate::Deferred { .. } => true,
        Fate::Delivered(_) | Fate::MaybeDelivered(_) | Fate::Failed(_) => false,
    }
}

/// Whether nothing came of a message but that its connection, kept from an earlier one, was gone: no attempt at all.
fn has_closed(outcome: &Outcome) -> bool {
    outcome.recipients.iter().all(|one| {
        matches!(
            one.fate,
            Fate::Deferred { cause: Cause::Session(SessionError::Closed | SessionError::Failed), .. }
        )
    })
}

fn with_next((end, ending): (End, Option<Ending>)) -> (End, Next) {
    (end, ending.map_or(Next::Close, |ending| ending.next))
}

fn of_ending(ending: &Ending, target: &Target) -> End {
    let cause = ending.cause.clone().unwrap_or(Cause::Session(SessionError::Ended));
    End::of_fate(&Fate::Deferred { cause, wait: ending.wait }, Kind::Relayed, shown(target))
}

fn shown(target: &Target) -> String {
    format!("{} [{}]:{}", target.name, target.address.ip(), target.address.port())
}

//! Delivery to other servers: entries by the line of their queue, connections that are shared, hosts in their order.
//!
//! An entry comes with its lease. Where its line may send, a connection takes it, one that is kept from the last message if
//! there is one; else it is parked: its id waits here, and its time in the spool does not bring it again. Each connection is a
//! task that sends one message after another. Nothing here decides about the dialogue (`smtp::client`) or the order
//! (`queues`).

mod agent;
mod attempt;
mod body;
mod connect;
mod gates;
mod plan;
mod queues;
mod resolve;
mod session;
mod settle;
mod tls;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sinks::Sinks;
use smtp::{Domain, NextHop, QueueName, Route};
use spool::{Entry, EntryState, Lease, QueueId, StageName};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::attempt::Standing;
use self::connect::Connector;
use self::plan::Plans;
use self::queues::{LineLimits, LineName, Next, Offer, Queues};
use self::resolve::Resolver;
use self::session::Session;
use self::settle::End;
use self::tls::{Tls, Trust};
use crate::clock;
use crate::config;
use crate::transport::Transport;

/// Entries of a line that failed whose records are made together; they share their syncs. Each holds its lease meanwhile.
const DEFERRED_TOGETHER: usize = 64;

/// Delivery to other servers.
pub(crate) struct Remote {
    queues: Mutex<Queues>,
    plans: Plans,
    connector: Connector,
    resolver: Resolver,
    tls: Arc<Tls>,
    idle_wait: Duration,
    connections: TaskTracker,
    /// Cancelled when connections may not finish any more.
    ending: CancellationToken,
    /// A line rests, or a rest has become shorter.
    rests: Notify,
}

impl Remote {
    /// As the configuration says; `own_addresses` are those of our listeners.
    ///
    /// # Errors
    /// Names what can't be used.
    pub(crate) fn new(
        config: &config::Config,
        host_domain: &Domain,
        own_addresses: Vec<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let outbound = &config.outbound;
        let is_required = config.routes.values().any(|route| route.tls == config::RouteTls::Required);
        let trust = if is_required || outbound.ca_file.is_some() { Trust::Verified } else { Trust::Any };
        Ok(Self {
            queues: Mutex::new(Queues::new(usize::try_from(outbound.connections_max)?)),
            plans: Plans::new(config, host_domain)?,
            connector: Connector::new(outbound)?,
            resolver: Resolver::new(config, host_domain.clone(), own_addresses)?,
            tls: Arc::new(Tls::new(trust, outbound.ca_file.as_ref())?),
            idle_wait: Duration::from_secs(u64::from(outbound.idle_seconds)),
            connections: TaskTracker::new(),
            ending: CancellationToken::new(),
            rests: Notify::new(),
        })
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of an entry. Where a route of the configuration leaves the hosts to DNS, each domain is a line of its own:
    /// one whose exchangers are dead does not stop the others.
    ///
    /// Where sinks are asked about connections of a tenant, or chose the hosts, its mail is in lines of its own: what they
    /// see and do there is about no other's mail.
    fn line(&self, sinks: &Sinks, entry: &Entry) -> (LineName, LineLimits) {
        let (queue, limits) = self.queue(entry);
        let is_apart =
            route_of(entry).is_some_and(is_of_a_sink) || sinks.registry().has_own_queues(&entry.tenant);
        (LineName { queue, tenant: is_apart.then(|| entry.tenant.as_str().into()) }, limits)
    }

    fn queue(&self, entry: &Entry) -> (QueueName, LineLimits) {
        let Some(route) = route_of(entry) else { return unrouted() };
        let Some(plan) = self.plans.of(route) else { return (route.queue.clone(), unrouted().1) };
        let by_domain = route.to == NextHop::Configured && plan.hosts.is_empty();
        let first = entry.envelope.recipients.iter().find(|recipient| settle::is_open(recipient));
        let name = first.filter(|_| by_domain).and_then(|recipient| {
            QueueName::parse(&format!("{}:{}", route.queue, recipient.address.domain())).ok()
        });
        (name.unwrap_or_else(|| route.queue.clone()), plan.limits)
    }
}

/// What is wrong with the keys of the way out: the key, and a sentence.
pub(crate) fn judge(config: &config::Config) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if let Err(error) = Connector::new(&config.outbound) {
        wrong.push(("outbound.source_pools".to_owned(), format!("{error:#}.")));
    }
    for text in &config.dns.servers {
        if let Err(error) = resolve::server_address(text) {
            wrong.push(("dns.servers".to_owned(), format!("{error:#}.")));
        }
    }
    wrong
}

/// Where an entry goes, if not into mailboxes here.
pub(crate) fn route_of(entry: &Entry) -> Option<&Route> {
    let route = entry.stage.route.as_ref()?;
    (entry.stage.stage == StageName::Deliver && route.to != NextHop::Mailboxes).then_some(route)
}

/// Takes an entry that is to be delivered to another server.
pub(crate) fn offer(transport: &Arc<Transport>, lease: Lease) {
    let remote = &transport.remote;
    let (name, limits) = remote.line(&transport.sinks, &lease);
    let mut queues = remote.queues();
    match queues.offer((&name, limits), lease, clock::now()) {
        Offer::Taken => {}
        Offer::Connect(lease) => {
            drop(queues);
            spawn(transport, name, First::Leased(lease));
        }
        Offer::Park(lease) => {
            let id = lease.id;
            transport.spool.park(lease);
            queues.push(&name, id);
            drop(queues);
            remote.rests.notify_one();
        }
    }
}

/// Wakes lines whose rest is over, until the server stops; then waits for the connections that may finish. Dropped, it cuts
/// them.
pub(crate) async fn run(transport: Arc<Transport>) {
    let remote = &transport.remote;
    let _cut = remote.ending.clone().drop_guard();
    loop {
        let now = clock::now();
        let wake = remote.queues().next_wake();
        let rest = async {
            match wake {
                Some(at) => tokio::time::sleep(now.until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = transport.stopping.cancelled() => break,
            () = remote.rests.notified() => {}
            () = rest => {}
        }
        remote.queues().wake(clock::now());
        start_all(&transport);
    }
    remote.connections.close();
    remote.connections.wait().await;
}

/// The first entry of a connection.
enum First {
    Leased(Lease),
    Parked(QueueId),
}

/// A connection's place in its line, given back when dropped.
struct Place {
    transport: Arc<Transport>,
    name: LineName,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.transport.remote.queues().release(&self.name);
        start(&self.transport);
    }
}

/// Connects for all that is parked and may be sent now; a line that may not may have begun to rest.
fn start(transport: &Arc<Transport>) {
    start_all(transport);
    transport.remote.rests.notify_one();
}

fn start_all(transport: &Arc<Transport>) {
    while !transport.stopping.is_cancelled() {
        let Some((name, id)) = transport.remote.queues().start(clock::now()) else { return };
        spawn(transport, name, First::Parked(id));
    }
}

fn spawn(transport: &Arc<Transport>, name: LineName, first: First) {
    let place = Place { transport: Arc::clone(transport), name };
    let ending = transport.remote.ending.clone();
    transport.remote.connections.spawn(async move {
        tokio::select! {
            () = ending.cancelled() => {}
            () = Box::pin(serve(place, first)) => {}
        }
    });
}

/// Sends one message after another.
async fn serve(place: Place, first: First) {
    let transport = &place.transport;
    let mut kept = None;
    let mut next = match first {
        First::Leased(lease) => Some(lease),
        First::Parked(id) => lease_parked(transport, &place.name, id),
    };
    if next.is_none() {
        next = place.next(&mut kept).await;
    }
    while let Some(lease) = next {
        let (session, standing) = Box::pin(attempt::attempt(transport, kept, lease)).await;
        kept = session;
        place.note(standing).await;
        next = place.next(&mut kept).await;
    }
    if let Some(session) = kept {
        session.quit().await;
    }
}

impl Place {
    /// What the line does next; its session waits where there is nothing.
    async fn next(&self, kept: &mut Option<Session>) -> Option<Lease> {
        let remote = &self.transport.remote;
        loop {
            if self.transport.stopping.is_cancelled() {
                return None;
            }
            let receiver = {
                let mut queues = remote.queues();
                match queues.next(&self.name, clock::now()) {
                    Next::Take(id) => {
                        drop(queues);
                        match lease_parked(&self.transport, &self.name, id) {
                            Some(lease) => return Some(lease),
                            None => continue,
                        }
                    }
                    Next::Close => {
                        drop(queues);
                        remote.rests.notify_one();
                        return None;
                    }
                    Next::Rest if kept.is_none() => return None,
                    Next::Rest => queues.rest(&self.name)?,
                }
            };
            let session = kept.take()?;
            let (session, lease) = session.rest(remote.idle_wait, receiver).await;
            *kept = session;
            return lease;
        }
    }

    /// Opens the line further, or lets it rest. What waits behind hosts that serve nobody had its attempt with this one.
    async fn note(&self, standing: Standing) {
        let remote = &self.transport.remote;
        let end = match standing {
            Standing::Unknown => return,
            Standing::Served => {
                remote.queues().succeed(&self.name);
                return start(&self.transport);
            }
            Standing::Unserved(end) => end,
        };
        let waited = remote.queues().fail(&self.name, clock::now());
        remote.rests.notify_one();
        tracing::warn!(queue = %self.name, host = end.host, reason = end.text, waiting = waited.len(), "queue rests");
        let waited: Vec<QueueId> = waited.into();
        for some in waited.chunks(DEFERRED_TOGETHER) {
            let leases = some.iter().filter_map(|id| lease_parked(&self.transport, &self.name, *id));
            join_all(leases.map(|lease| self.defer(lease, &end))).await;
        }
    }

    async fn defer(&self, lease: Lease, end: &End) {
        attempt::defer(&self.transport, lease, end).await;
    }
}

/// A parked entry of this line, unless somebody decided otherwise about it meanwhile: then its time brings it again. Where it
/// is in another line now, since sinks were bound or dropped, it goes there.
fn lease_parked(transport: &Arc<Transport>, name: &LineName, id: QueueId) -> Option<Lease> {
    let lease = transport.spool.lease_entry(id).ok().flatten()?;
    let is_ours =
        lease.state == EntryState::Active && lease.due <= clock::now() && route_of(&lease).is_some();
    if is_ours && transport.remote.line(&transport.sinks, &lease).0 != *name {
        offer(transport, lease);
        return None;
    }
    is_ours.then_some(lease)
}

/// Whether a sink chose where its connections go: another tenant's sink may choose otherwise under the same name.
fn is_of_a_sink(route: &Route) -> bool {
    match &route.to {
        NextHop::Exchangers(domain) => *route != Route::exchangers(domain.clone()),
        NextHop::Hosts(_) | NextHop::Agent(_) => true,
        NextHop::Configured => *route != Route::configured(route.queue.clone()),
        NextHop::Mailboxes => false,
    }
}

/// Draws from the id what has to differ between entries and be the same for each attempt.
fn draw_of(entry: &Entry) -> u64 {
    let low = entry.id.number() & u128::from(u64::MAX);
    u64::try_from(low).unwrap_or_default()
}

fn unrouted() -> (QueueName, LineLimits) {
    let name = QueueName::of(&Domain::Name("unrouted".into()));
    (name, LineLimits { connections_max: 1, messages_per_minute_max: None })
}

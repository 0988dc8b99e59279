//! The way of a message behind its 250: leases entries, runs their stages, hands them to delivery.
//!
//! An entry whose stages nobody binds goes straight to the delivery workers; the others run beside each other, bounded,
//! so that a slow sink of one message holds no other message, and one tenant's sinks no other tenant's mail. All of it
//! stops between two durable records.

pub(crate) mod aliases;
mod categorize;
mod commit;
mod division;
mod expand;
mod fates;
mod keep;
pub(crate) mod operator;
pub(crate) mod report;
mod route;
pub(crate) mod routes;
pub(crate) mod stages;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sinks::Sinks;
use sinks::network::Network;
use smtp::{NextHop, Recipient};
use spool::{Entry, Lease, Schedule, Spool};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config;
use crate::deliver;
use crate::deliver::local::Maildir;
use crate::deliver::remote::{self, Remote};
use crate::observer::{Observation, Observer};
use crate::telemetry::counters::Counters;
use crate::tenants::Tenants;
use routes::Routes;
use turns::Turns;

/// How long a lease that could not be recorded rests before it is looked at again: the disk needs an operator, not haste.
const LEASE_PAUSE: Duration = Duration::from_secs(1);

/// What stages and deliveries need.
pub(crate) struct Transport {
    pub(crate) spool: Spool,
    pub(crate) sinks: Sinks,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) maildir: Arc<Maildir>,
    pub(crate) remote: Remote,
    pub(crate) schedule: Schedule,
    pub(crate) settings: config::Delivery,
    pub(crate) host_name: Arc<str>,
    /// Who in them may send to domains that nobody here owns is known, so it is told of what became of that.
    pub(crate) relay_networks: Vec<Network>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) observer: Observer,
    /// An entry that arrived before may have been delivered without a record of it. See [`Transport::doubt`].
    pub(crate) doubtful_before: AtomicU64,
    pub(crate) stopping: CancellationToken,
}

/// Whether an entry's next hop is another server.
fn is_for_elsewhere(entry: &Entry) -> bool {
    entry.stage.route.as_ref().is_some_and(|route| route.to != NextHop::Mailboxes)
}

impl Transport {
    /// Works until `stopping`; then finishes what is leased and returns.
    pub(crate) async fn run(self: Arc<Self>) {
        let workers = usize::try_from(self.settings.workers).unwrap_or(1);
        let batch_max = usize::try_from(self.settings.batch_max).unwrap_or(1);
        let (ready, queue) = mpsc::channel(workers.saturating_mul(batch_max).max(1));
        let queue = Arc::new(Mutex::new(queue));
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(deliver::work(Arc::clone(&self), Arc::clone(&queue)));
        }
        tasks.spawn(remote::run(Arc::clone(&self)));
        tasks.spawn(keep::run(self.spool.clone(), self.stopping.clone()));
        self.dispatch(ready).await;
        // The dispatcher dropped its end of the queue: the workers end when it is empty.
        while tasks.join_next().await.is_some() {}
    }

    async fn dispatch(self: &Arc<Self>, ready: mpsc::Sender<Lease>) {
        let mut turns = Turns::new(usize::try_from(self.settings.stages_concurrent_max).unwrap_or(1));
        let mut stages = JoinSet::new();
        loop {
            while stages.try_join_next().is_some() {}
            let Some(lease) = self.next().await else { break };
            if remote::route_of(&lease).is_some() {
                remote::offer(self, lease);
                continue;
            }
            if stages::none_wanted(self, &lease) {
                if is_for_elsewhere(&lease) {
                    remote::offer(self, lease);
                } else if ready.send(lease).await.is_err() {
                    break;
                }
                continue;
            }
            let place = tokio::select! {
                () = self.stopping.cancelled() => break,
                place = turns.place() => place,
            };
            let turn = turns.of(&lease.tenant);
            let transport = Arc::clone(self);
            let ready = ready.clone();
            stages.spawn(async move {
                let turn = tokio::select! {
                    () = transport.stopping.cancelled() => return,
                    turn = turn.come() => turn,
                };
                let Some(lease) = stages::run(&transport, lease).await else { return };
                if is_for_elsewhere(&lease) {
                    remote::offer(&transport, lease);
                } else {
                    // A closed queue means that the server stops; the dropped lease is found again at the next start.
                    let _ = ready.send(lease).await;
                }
                drop((turn, place));
            });
        }
        while stages.join_next().await.is_some() {}
    }

    /// The next entry that is due, or none when the server stops.
    async fn next(&self) -> Option<Lease> {
        loop {
            if self.stopping.is_cancelled() {
                return None;
            }
            if let Some(lease) = self.spool.lease(clock::now()) {
                return Some(lease);
            }
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                () = self.spool.due(clock::now()) => {}
            }
        }
    }

    /// A delivery may have happened that was not recorded: what arrived until now is looked for in its mailbox first. It
    /// begins with the start of the process, since a crash can come between the two.
    pub(crate) fn doubt(&self) {
        self.doubtful_before.fetch_max(clock::now().0.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether an entry may have been delivered without a record of it.
    pub(crate) fn is_doubtful(&self, entry: &Entry) -> bool {
        entry.arrived.0 < self.doubtful_before.load(Ordering::Relaxed)
    }

    /// Writes down that a recipient is given up. The DSN that belongs to it (RFC 5321 §6.1) is [`report::about`]'s.
    pub(crate) fn fail(&self, entry: &Entry, recipient: &Recipient, reason: &str) {
        self.counters.failed.count();
        tracing::warn!(
            entry = %entry.id, recipient = %recipient.address, tenant = entry.tenant, reason, "failed"
        );
        self.observer.tell(|| Observation::Settled {
            entry: entry.id.to_string(),
            outcome: "failed",
            reason: reason.to_owned(),
        });
    }
}

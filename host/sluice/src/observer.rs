//! Somebody who watches: `sluice dev` and the tests see each call of a sink and each arrival.
//!
//! Observations are dropped, and counted, when nobody takes them in time: mail never waits for a watcher.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use crate::telemetry::counters::Counters;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Observation {
    /// Sinks were asked about an event; what each said.
    Fired {
        /// The session, where the event belongs to one.
        session: Option<String>,
        /// The entry, where there is one already.
        entry: Option<String>,
        /// The event's id: the same when the host asks again after a crash or a fault.
        id: Arc<str>,
        /// The event's name, as `on-rcpt-to`.
        event: &'static str,
        /// The tenant whose sinks were asked.
        tenant: Arc<str>,
        /// Each call, in its order.
        calls: Vec<sinks::Call>,
    },
    /// A transaction was answered 250; it stands in the spool.
    Accepted {
        /// The session that brought it.
        session: String,
        /// Its entries, one for each tenant.
        entries: Vec<String>,
    },
    /// A message reached a mailbox.
    Delivered {
        /// The entry.
        entry: String,
        /// The recipient's mailbox.
        recipient: String,
        /// The file.
        path: PathBuf,
    },
    /// A stage or a delivery ended otherwise: `deferred`, `failed`, `discarded`, `quarantined`, `held`.
    Settled {
        /// The entry.
        entry: String,
        /// The word for what became of it.
        outcome: &'static str,
        /// Why.
        reason: String,
    },
}

/// Where observations go; without a watcher they cost nothing.
#[derive(Clone, Debug)]
pub struct Observer {
    watcher: Option<Sender<Observation>>,
    counters: Arc<Counters>,
}

impl Observer {
    /// Tells a watcher, if there is one.
    #[must_use]
    pub fn new(watcher: Option<Sender<Observation>>, counters: Arc<Counters>) -> Self {
        Self { watcher, counters }
    }

    /// Makes the observation only if somebody watches, and never waits.
    pub fn tell(&self, make: impl FnOnce() -> Observation) {
        if let Some(watcher) = &self.watcher
            && watcher.try_send(make()).is_err()
        {
            self.counters.observations_lost.count();
        }
    }
}

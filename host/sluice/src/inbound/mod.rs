//! The way in: listeners accept clients, each client's session is driven on a task of its own, sinks are asked there, and
//! what passes is on disk before it is answered 250.

pub(crate) mod accept;
mod admission;
pub(crate) mod certificates;
mod connection;
pub mod connections;
mod content;
mod gates;
mod guesses;
mod interests;
pub(crate) mod listener;
mod moment;
pub(crate) mod passwords;
mod patience;
mod proxy;
pub mod resources;
mod rounds;
pub(crate) mod tls;
mod wire;

use std::sync::Arc;

use sinks::Sinks;
use sinks::network::Network;
use smtp::Domain;
use spool::Spool;

use tokio_util::sync::CancellationToken;

use crate::observer::Observer;
use crate::shutdown::Shutdown;
use crate::telemetry::counters::Counters;
use crate::tenants::Tenants;
use connections::Connections;
pub(crate) use interests::Interests;
use passwords::Passwords;
use resources::Resources;

/// What every session shares.
pub(crate) struct Inbound {
    pub(crate) host_name: Arc<str>,
    pub(crate) host_domain: Domain,
    pub(crate) received_fields_max: usize,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) passwords: Passwords,
    /// Whose clients may send to domains that nobody here owns.
    pub(crate) relay_networks: Vec<Network>,
    pub(crate) sinks: Sinks,
    pub(crate) spool: Spool,
    pub(crate) connections: Arc<Connections>,
    pub(crate) resources: Resources,
    pub(crate) counters: Arc<Counters>,
    pub(crate) observer: Observer,
    pub(crate) shutdown: Shutdown,
    /// Cancelled behind the sessions: what they accepted last may still be delivered.
    pub(crate) transport_stopping: CancellationToken,
    pub(crate) interests: Interests,
}

//! The programmable mail server: sockets, clocks, files and operators around the pure crates.
//!
//! [`Server::start`] wires everything on one page: the spool is opened, the sinks are loaded, the listeners accept, the
//! transport works. [`Running::stop`] takes it apart in the opposite order, so that nothing that was promised is dropped.

pub mod build;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod dev;
pub mod inbound;
mod observer;
mod reloaded;
pub mod shutdown;
mod stored;
pub mod telemetry;
pub mod tenants;
mod tls;
mod transport;
mod users;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sinks::network::Network;
use sinks::{Folder, LoadReport, Sinks, Watch, WatchSettings};
use smtp::{Domain, Timestamp};
use spool::Spool;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use config::Config;
use deliver::local::Maildir;
use deliver::path::Pattern;
use deliver::remote::Remote;
use inbound::certificates::Certificates;
use inbound::connections::{ConnectionLimits, Connections};
use inbound::listener::{Listener, Terms};
use inbound::passwords::Passwords;
use inbound::resources::Resources;
use inbound::tls::Tls;
use inbound::{Inbound, Interests};
pub use observer::{Observation, Observer};
use shutdown::Shutdown;
use telemetry::counters::Counters;
use tenants::Tenants;
use transport::Transport;
pub use transport::operator::{Operator, OperatorError};
use transport::routes::Routes;

/// The server, before it runs.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// A server that runs. Dropping it without [`Running::stop`] leaves its tasks running until the runtime ends.
pub struct Running {
    /// Where each listener really listens, by its name.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// What happened so far, in numbers.
    pub counters: Arc<Counters>,
    inbound: Arc<Inbound>,
    watch: Watch,
    listeners: JoinSet<()>,
    transport: JoinSet<()>,
    operator: Operator,
    drain: Duration,
}

impl Server {
    /// Starts serving.
    ///
    /// # Errors
    /// When the configuration, the spool, the engine or an address can't be used; the text says which and why.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        Self::start_observed(config, None).await
    }

    /// Starts serving, and tells a watcher each call of a sink and each arrival; what the watcher doesn't take is dropped.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_observed(
        config: Config,
        watcher: Option<Sender<Observation>>,
    ) -> anyhow::Result<Running> {
        if let Some((key, sentence)) = config::judge::judge(&config).into_iter().next() {
            anyhow::bail!("{key}: {sentence}");
        }
        let started = clock::now();
        let spool = open_spool(&config).await?;
        let inbound = Arc::new(inbound(&config, spool, watcher)?);
        let watch = load_sinks(&config, &inbound.sinks).await?;
        let mut addresses = BTreeMap::new();
        let mut listeners = JoinSet::new();
        let certificates = Arc::new(Certificates::open(&config)?);
        for (name, listener) in open_listeners(&config, &inbound, &certificates)? {
            addresses.insert(name, listener.address()?);
            listeners.spawn(listener.accept(Arc::clone(&inbound)));
        }
        let resources = inbound.resources.clone();
        listeners.spawn(resources.watch(inbound.spool.clone(), inbound.shutdown.stopping.clone()));
        let files: Vec<Arc<dyn reloaded::Look>> = vec![Arc::clone(&inbound.tenants) as _, certificates];
        listeners.spawn(reloaded::watch(files, inbound.shutdown.stopping.clone()));
        let own_addresses = addresses.values().copied().collect();
        let remote = Remote::new(&config, &inbound.host_domain, own_addresses)?;
        let worker = Arc::new(transport(&config, &inbound, remote, started)?);
        let operator = Operator::new(Arc::clone(&worker));
        let mut transport = JoinSet::new();
        transport.spawn(worker.run());
        let drain = Duration::from_secs(u64::from(config.shutdown.drain_seconds));
        let counters = Arc::clone(&inbound.counters);
        Ok(Running { addresses, counters, inbound, watch, listeners, transport, operator, drain })
    }
}

/// What all sessions share.
fn inbound(config: &Config, spool: Spool, watcher: Option<Sender<Observation>>) -> anyhow::Result<Inbound> {
    let tenants = Arc::new(Tenants::new(config)?);
    let domains = Arc::clone(&tenants) as Arc<dyn sinks::Domains>;
    let counters = Arc::new(Counters::default());
    let resources = Resources::new(config.low_resources.clone(), Arc::clone(&counters));
    resources.sample(&spool);
    let host_domain = Domain::parse(&config.host_name)?;
    let networks = config.relay.networks.iter().map(|text| Network::parse(text));
    Ok(Inbound {
        passwords: Passwords::new(config, Arc::clone(&tenants))?,
        relay_networks: networks.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?,
        host_name: Arc::from(host_domain.to_string()),
        host_domain,
        received_fields_max: usize::try_from(config.limits.received_fields_max)?,
        tenants,
        sinks: Sinks::new(&sink_limits(config), Arc::new(clock::SystemClock), domains)?,
        spool,
        connections: Arc::new(Connections::new(ConnectionLimits {
            total_max: config.limits.connections_max,
            per_address_max: config.limits.connections_per_address_max,
        })),
        resources,
        counters: Arc::clone(&counters),
        observer: Observer::new(watcher, counters),
        shutdown: Shutdown::default(),
        transport_stopping: CancellationToken::new(),
        interests: Interests::default(),
    })
}

/// What works behind them, over the same spool and sinks.
fn transport(
    config: &Config,
    inbound: &Inbound,
    remote: Remote,
    started: Timestamp,
) -> anyhow::Result<Transport> {
    let pattern = Pattern::parse(&config.delivery.maildir.pattern).map_err(anyhow::Error::msg)?;
    Ok(Transport {
        spool: inbound.spool.clone(),
        sinks: inbound.sinks.clone(),
        tenants: Arc::clone(&inbound.tenants),
        routes: Arc::new(Routes::new(config).map_err(anyhow::Error::msg)?),
        maildir: Arc::new(Maildir::new(config.maildir_root(), pattern)),
        remote,
        schedule: config.schedule(),
        host_name: Arc::clone(&inbound.host_name),
        relay_networks: inbound.relay_networks.clone(),
        counters: Arc::clone(&inbound.counters),
        observer: inbound.observer.clone(),
        doubtful_before: started.0.into(),
        stopping: inbound.transport_stopping.clone(),
        settings: config.delivery.clone(),
    })
}

impl Running {
    /// How much is where in the spool.
    #[must_use]
    pub fn counts(&self) -> spool::Counts {
        self.inbound.spool.counts()
    }

    /// What operators do to single entries.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Up to `count` entries behind `after`, in the order of their ids.
    #[must_use]
    pub fn entries(&self, after: Option<spool::QueueId>, count: usize) -> Vec<spool::Summary> {
        self.inbound.spool.list(after, count)
    }

    /// Looks at the sinks folder now, without waiting for the watcher; tells what changed.
    pub async fn rescan(&self) -> Arc<LoadReport> {
        self.watch.rescan().await
    }

    /// What each later look at the sinks folder changes.
    #[must_use]
    pub fn sink_reports(&self) -> Receiver<Arc<LoadReport>> {
        self.watch.reports()
    }

    /// Ends in good order: no new clients, waiting ones are told 421, transactions under way may finish within the drain
    /// time, the entry at work is recorded, the spool is closed.
    pub async fn stop(mut self) {
        let cut = self.inbound.shutdown.drain(self.drain).await;
        if cut > 0 {
            tracing::warn!(sessions = cut, "sessions were cut at the end of the drain time");
        }
        while self.listeners.join_next().await.is_some() {}
        self.inbound.transport_stopping.cancel();
        let finish = async { while self.transport.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, finish).await.is_err() {
            tracing::warn!("stages were cut at the end of the drain time; they run again at the next start");
            self.transport.shutdown().await;
        }
        self.watch.stop().await;
        self.inbound.spool.clone().close().await;
        let spool::Counts { entries, records, record_bytes, syncs, .. } = self.inbound.spool.counts();
        tracing::info!(entries, records, record_bytes, syncs, "spool closed");
    }
}

async fn open_spool(config: &Config) -> anyhow::Result<Spool> {
    make(&config.data_directory)?;
    let (spool, recovery) = Spool::open(spool_settings(config)?).await.map_err(cli::spool::explained)?;
    tracing::info!(?recovery, "spool opened");
    Ok(spool)
}

/// What the configuration says of the spool.
fn spool_settings(config: &Config) -> anyhow::Result<spool::Settings> {
    let directory = config.data_directory.join("spool");
    Ok(spool::Settings {
        segment_bytes_max: config.spool.segment_bytes_max,
        body_inline_max: usize::try_from(config.spool.body_inline_bytes_max)?,
        ..spool::Settings::new(&directory)
    })
}

/// What sinks may take together.
fn sink_limits(config: &Config) -> sinks::Limits {
    sinks::Limits { concurrent_events_max: config.sinks.concurrent_max, ..sinks::Limits::default() }
}

/// Loads what lies in the sinks folder before the first client can come, then watches it.
async fn load_sinks(config: &Config, sinks: &Sinks) -> anyhow::Result<Watch> {
    let root = config.sinks_directory();
    for name in ["operator", "tenants"] {
        make(&root.join(name))?;
    }
    let folder = Arc::new(Folder::new(root, sinks.clone(), sink_limits(config)));
    folder.scan().await;
    Watch::start(folder, WatchSettings::default()).context("the sinks folder can't be watched")
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))
}

fn open_listeners(
    config: &Config,
    inbound: &Inbound,
    certificates: &Arc<Certificates>,
) -> anyhow::Result<Vec<(String, Listener)>> {
    let mut settings = smtp::Settings::new(inbound.host_domain.clone());
    settings.limits.message_bytes_max = config.limits.message_bytes_max;
    settings.limits.recipients_max = config.limits.recipients_max;
    settings.limits.messages_max = config.limits.messages_per_session_max;
    settings.limits.errors_max = config.limits.errors_max;
    settings.limits.command_wait_max = Duration::from_secs(u64::from(config.limits.command_wait_seconds));
    settings.limits.content_block_wait_max = Duration::from_secs(u64::from(config.limits.data_wait_seconds));
    settings.limits.handshake_wait_max = Duration::from_secs(u64::from(config.limits.tls_handshake_seconds));
    let open = |(name, listener): (&String, &config::Listener)| {
        let tenant = listener.tenant.as_deref().map(Arc::from);
        let bare_newlines = match listener.bare_newlines {
            config::BareNewlines::Reject => smtp::BareNewlines::Reject,
            config::BareNewlines::Accept => smtp::BareNewlines::Accept,
        };
        let encryption = encryption(listener.tls, config);
        let tls = match encryption {
            smtp::Encryption::Never => None,
            _ => {
                let made = Tls::new(Arc::clone(certificates), listener);
                Some(made.with_context(|| format!("listeners.{name}.client_ca_file"))?)
            }
        };
        let protocol = listener.protocol.into();
        let authentication = authentication(listener, config);
        let settings =
            smtp::Settings { bare_newlines, encryption, authentication, protocol, ..settings.clone() };
        let proxies = listener.proxies.iter().map(|text| Network::parse(text));
        let proxies = proxies.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
        let settings = Arc::new(settings);
        let opened = Listener::open(name, listener.address, Terms { tenant, settings, tls, proxies })
            .with_context(|| format!("listener {name} can't have {}", listener.address))?;
        Ok((name.clone(), opened))
    };
    config.listeners.iter().map(open).collect()
}

/// What a listener offers: no TLS without a certificate.
fn encryption(tls: config::ListenerTls, config: &Config) -> smtp::Encryption {
    match tls {
        config::ListenerTls::Offered if config.certificates.is_empty() => smtp::Encryption::Never,
        config::ListenerTls::Offered => smtp::Encryption::Offered,
        config::ListenerTls::Required => smtp::Encryption::Required,
        config::ListenerTls::Implicit => smtp::Encryption::Implicit,
        config::ListenerTls::Off => smtp::Encryption::Never,
    }
}

/// Who may log in where: users of submission once they are encrypted, and whoever a listener says.
fn authentication(listener: &config::Listener, config: &Config) -> smtp::Authentication {
    let has_users = config.tenants.values().any(|tenant| tenant.users.is_some());
    let mechanisms = if has_users { smtp::Mechanism::ALL.to_vec() } else { Vec::new() };
    match listener.authentication() {
        config::ListenerAuthentication::Off => smtp::Authentication::default(),
        config::ListenerAuthentication::Encrypted => {
            smtp::Authentication::new(mechanisms, smtp::ClearPasswords::Refused)
        }
        config::ListenerAuthentication::Clear => {
            smtp::Authentication::new(mechanisms, smtp::ClearPasswords::Allowed)
        }
    }
}

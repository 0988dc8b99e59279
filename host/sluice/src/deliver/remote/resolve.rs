//! From a domain to addresses: mail exchangers as RFC 5321 §5.1 has them, and which addresses may be targets.
//!
//! Promises that what DNS says is bounded before it is used, that a time-out is never taken for "there is none", and that mail
//! does not go in circles through this server. DNS is written by strangers: by default it can't name a loopback or private
//! address, where services listen that trust whoever reaches them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use sinks::provider::Candidate;
use smtp::{Domain, EnhancedStatus, Host};

use crate::config;

/// MX records of one domain that are looked at; the largest providers have about ten. Ours.
const EXCHANGERS_MAX: usize = 64;
/// Hosts of one domain or route that are asked for their addresses; who has not answered by the fifth will not. Ours.
const HOSTS_MAX: usize = 8;
/// Addresses of one host that are tried. Ours.
const ADDRESSES_MAX: usize = 8;
/// Questions to one server before it counts as silent.
const QUESTIONS_MAX: usize = 2;

/// Asks DNS.
pub(super) struct Resolver {
    dns: TokioResolver,
    rules: Rules,
    port: u16,
}

/// Where mail may go.
struct Rules {
    targets: config::Targets,
    own_name: Domain,
    own_addresses: Vec<SocketAddr>,
}

/// A server that can be connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    /// Its name, for TLS and the log.
    pub(super) name: Domain,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// Who named the servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Namer {
    /// The operator, who may mean an address inside.
    Operator,
    /// DNS, or a tenant's sink.
    Stranger,
}

/// Why there is nobody to connect to: for now where the class is 4, for good where it is 5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Unresolved {
    /// RFC 3463.
    pub(super) status: EnhancedStatus,
    /// For the log and the DSN.
    pub(super) text: String,
}

/// What a question came to, when not to records.
enum Silence {
    NoDomain,
    NoRecords,
    Later(String),
}

/// A host with its preference: the lower one goes first.
struct Exchanger {
    preference: u16,
    name: Domain,
}

impl Resolver {
    /// As the configuration says; `own_addresses` are those of our listeners.
    ///
    /// # Errors
    /// When the servers can't be read, here or from the system.
    pub(super) fn new(
        config: &config::Config,
        own_name: Domain,
        own_addresses: Vec<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let mut options = ResolverOpts::default();
        options.timeout = Duration::from_secs(u64::from(config.dns.answer_seconds));
        options.attempts = QUESTIONS_MAX;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let servers = name_servers(&config.dns.servers)?;
        let mut builder = TokioResolver::builder_with_config(
            ResolverConfig::from_name_servers(servers),
            TokioRuntimeProvider::default(),
        );
        *builder.options_mut() = options;
        let rules = Rules { targets: config.outbound.targets, own_name, own_addresses };
        Ok(Self {
            dns: builder.build().context("the resolver can't be made")?,
            rules,
            port: config.outbound.port,
        })
    }

    /// The addresses of named servers, in their order.
    ///
    /// # Errors
    /// When none of them has an address that may be a target.
    pub(super) async fn hosts(&self, hosts: &[Host], namer: Namer) -> Result<Vec<Target>, Unresolved> {
        let found = hosts.iter().take(HOSTS_MAX).map(|host| self.targets_of(&host.name, host.port, namer));
        gather(join_all(found).await)
    }

    /// The addresses of the hosts that a sink names, the most preferred first.
    ///
    /// # Errors
    /// When none of them has an address that may be a target.
    pub(super) async fn candidates(&self, mut candidates: Vec<Candidate>) -> Result<Vec<Target>, Unresolved> {
        candidates.sort_by_key(|candidate| candidate.preference);
        candidates.truncate(HOSTS_MAX);
        gather(join_all(candidates.iter().map(|candidate| self.candidate(candidate))).await)
    }

    async fn candidate(&self, candidate: &Candidate) -> Result<Vec<Target>, Unresolved> {
        let Host { name, port } = &candidate.host;
        if candidate.addresses.is_empty() {
            return self.targets_of(name, *port, Namer::Stranger).await;
        }
        self.allowed(name, *port, (candidate.addresses.clone(), Namer::Stranger))
    }

    /// The addresses of a domain's exchangers, the most preferred first; `draw` mixes those that are equal.
    ///
    /// # Errors
    /// When the domain takes no mail, does not exist, leads back to us, or DNS does not answer.
    pub(super) async fn exchangers(&self, domain: &Domain, draw: u64) -> Result<Vec<Target>, Unresolved> {
        if domain.literal_address().is_some() {
            return self.targets_of(domain, self.port, Namer::Stranger).await;
        }
        let exchangers = self.order(self.mail_exchangers(domain).await?, draw, domain)?;
        let found = exchangers
            .iter()
            .take(HOSTS_MAX)
            .map(|exchanger| self.targets_of(&exchanger.name, self.port, Namer::Stranger));
        gather(join_all(found).await)
    }

    /// The MX records, or the domain itself where it has none (RFC 5321 §5.1).
    async fn mail_exchangers(&self, domain: &Domain) -> Result<Vec<Exchanger>, Unresolved> {
        let itself = || vec![Exchanger { preference: 0, name: domain.clone() }];
        let lookup = match self.dns.mx_lookup(absolute(domain)).await.map_err(Silence::of) {
            Ok(lookup) => lookup,
            Err(Silence::NoRecords) => return Ok(itself()),
            Err(Silence::NoDomain) => {
                return Err(never([1, 2], format!("the domain {domain} does not exist")));
            }
            Err(Silence::Later(error)) => {
                return Err(later(format!("DNS has no answer about {domain} now: {error}")));
            }
        };
        let mut exchangers = Vec::new();
        let mut records = 0_usize;
        for record in lookup.answers() {
            let RData::MX(mx) = &record.data else { continue };
            records += 1;
            if records > EXCHANGERS_MAX {
                break;
            }
            // `.` is no host (RFC 7505 §3); neither is a name that no host can have.
            let name = mx.exchange.to_ascii();
            if let Ok(name) = Domain::parse(name.trim_end_matches('.')) {
                exchangers.push(Exchanger { preference: mx.preference, name });
            }
        }
        match (records, exchangers.is_empty()) {
            (0, _) => Ok(itself()),
            (1, true) => Err(never([1, 10], format!("the domain {domain} takes no mail (null MX)"))),
            (_, true) => Err(never([4, 4], format!("the MX records of {domain} name no host"))),
            (_, false) => Ok(exchangers),
        }
    }

    /// RFC 5321 §5.1: where we are one of them, only better ones are asked.
    fn order(
        &self,
        mut exchangers: Vec<Exchanger>,
        draw: u64,
        domain: &Domain,
    ) -> Result<Vec<Exchanger>, Unresolved> {
        let own = exchangers.iter().filter(|exchanger| exchanger.name == self.rules.own_name);
        if let Some(own) = own.map(|exchanger| exchanger.preference).min() {
            exchangers.retain(|exchanger| exchanger.preference < own);
        }
        if exchangers.is_empty() {
            let text = format!(
                "mail for {domain} comes back to this server: it is the best MX, and owns no such domain"
            );
            return Err(never([4, 6], text));
        }
        exchangers.sort_by_cached_key(|exchanger| (exchanger.preference, mixed(draw, &exchanger.name)));
        Ok(exchangers)
    }

    /// The addresses of one host that may be targets, both families by turns, so that one that is broken costs one wait.
    async fn targets_of(&self, name: &Domain, port: u16, namer: Namer) -> Result<Vec<Target>, Unresolved> {
        let addresses = match name.literal_address() {
            Some(address) => vec![address],
            None => match self.dns.lookup_ip(absolute(name)).await.map_err(Silence::of) {
                Ok(found) => found.iter().collect(),
                Err(Silence::NoDomain | Silence::NoRecords) => Vec::new(),
                Err(Silence::Later(error)) => {
                    return Err(later(format!("DNS has no answer about {name} now: {error}")));
                }
            },
        };
        self.allowed(name, port, (addresses, namer))
    }

    fn allowed(
        &self,
        name: &Domain,
        port: u16,
        (addresses, namer): (Vec<IpAddr>, Namer),
    ) -> Result<Vec<Target>, Unresolved> {
        if addresses.is_empty() {
            return Err(never([4, 4], format!("the host {name} has no address")));
        }
        let mut targets = Vec::new();
        let mut refused = None;
        for ip in by_turns(addresses).into_iter().take(ADDRESSES_MAX) {
            let address = SocketAddr::new(ip, port);
            match self.rules.refusal(address, namer) {
                None => targets.push(Target { name: name.clone(), address }),
                Some(why) => refused = Some(format!("{name} has the address {ip}, {why}")),
            }
        }
        match refused {
            Some(text) if targets.is_empty() => Err(never([4, 4], text)),
            _ => Ok(targets),
        }
    }
}

impl Rules {
    /// Why an address may not be a target.
    fn refusal(&self, address: SocketAddr, namer: Namer) -> Option<&'static str> {
        if self.own_addresses.contains(&address) {
            return Some("where this server itself listens");
        }
        let is_bound = namer == Namer::Stranger && self.targets == config::Targets::Public;
        if is_bound && !is_public(address.ip()) {
            tracing::warn!(%address, "not a target: `outbound.targets = \"any\"` would allow it");
            return Some("which is none of the Internet");
        }
        None
    }
}

impl Silence {
    #[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
    fn of(error: NetError) -> Self {
        if error.is_nx_domain() {
            Self::NoDomain
        } else if error.is_no_records_found() {
            Self::NoRecords
        } else {
            Self::Later(error.to_string())
        }
    }
}

/// All targets; where there are none, the reason that leaves the most hope.
fn gather(found: Vec<Result<Vec<Target>, Unresolved>>) -> Result<Vec<Target>, Unresolved> {
    let mut targets = Vec::new();
    let mut reason: Option<Unresolved> = None;
    for one in found {
        match one {
            Ok(more) => targets.extend(more),
            Err(other) => {
                reason =
                    Some(reason.filter(|first| first.status.class <= other.status.class).unwrap_or(other));
            }
        }
    }
    if !targets.is_empty() {
        return Ok(targets);
    }
    Err(reason.unwrap_or_else(|| never([4, 4], "no host is named".to_owned())))
}

/// With its last dot: what DNS is asked never gets a search list behind it.
fn absolute(name: &Domain) -> String {
    format!("{name}.")
}

/// Equal for the same entry and name, so that a retry walks in the same order, and even over many entries.
fn mixed(draw: u64, name: &Domain) -> u64 {
    let mut hasher = DefaultHasher::new();
    (draw, name.as_str()).hash(&mut hasher);
    hasher.finish()
}

fn by_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let turns = four.len().max(six.len());
    (0..turns).flat_map(|at| [six.get(at).copied(), four.get(at).copied()]).flatten().collect()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// RFC 6890's registry, as far as something can listen there.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    !(first == 0
        || is_shared
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast())
}

/// Those that carry an IPv4 address (RFC 4291 §2.5.5, RFC 6052) are as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(inner) = address.to_ipv4() {
        return is_public_v4(inner);
    }
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    !(address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast())
}

fn name_servers(texts: &[String]) -> anyhow::Result<Vec<NameServerConfig>> {
    if !texts.is_empty() {
        return texts.iter().map(|text| name_server(text)).collect();
    }
    match hickory_resolver::system_conf::read_system_conf() {
        Ok((system, _)) => Ok(system.into_parts().2),
        Err(error) => {
            // A server that delivers into mailboxes alone needs no DNS.
            tracing::warn!(%error, "the system's DNS servers can't be read; `dns.servers` can name others");
            Ok(Vec::new())
        }
    }
}

/// Checks a value of `dns.servers`.
///
/// # Errors
/// Says what it is not.
pub(super) fn server_address(text: &str) -> anyhow::Result<SocketAddr> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, 53)),
        Err(_) => text.parse().with_context(|| format!("{text:?} is no `address:port`")),
    }
}

fn name_server(text: &str) -> anyhow::Result<NameServerConfig> {
    let address = server_address(text).context("dns.servers")?;
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
    Ok(NameServerConfig::new(address.ip(), true, connections))
}

fn never([subject, detail]: [u16; 2], text: String) -> Unresolved {
    Unresolved { status: EnhancedStatus::new(5, subject, detail), text }
}

/// RFC 3463 §3.5: X.4.3, the directory server failed.
fn later(text: String) -> Unresolved {
    Unresolved { status: EnhancedStatus::new(4, 4, 3), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn both_families_come_by_turns() {
        let addresses = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "2606::1"].map(|text| text.parse().unwrap());
        let turns: Vec<String> = by_turns(addresses.to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["2606::1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]);
    }

    #[test]
    fn equal_exchangers_are_mixed_by_the_draw() {
        let [a, b] = ["a.example", "b.example"].map(|name| Domain::parse(name).unwrap());
        let first = (0..1000).filter(|draw| mixed(*draw, &a) < mixed(*draw, &b)).count();
        assert!((400..600).contains(&first), "{first}");
    }
}

//! What the configuration says of each route, read and checked once at the start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use smtp::client::{Credentials, Protocol, Settings, TlsPolicy};
use smtp::{Domain, Host, NextHop, QueueName, Route};

use super::queues::LineLimits;
use super::tls::Trust;
use crate::config;

/// All plans.
pub(super) struct Plans {
    routes: BTreeMap<QueueName, Arc<Plan>>,
    /// For what has no route of the configuration.
    others: Arc<Plan>,
}

/// How to deliver along a route.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Empty: the exchangers of the recipients' domain.
    pub(super) hosts: Vec<Host>,
    pub(super) settings: Arc<Settings>,
    /// The same, and never TLS: for a host whose handshake has failed.
    pub(super) settings_in_clear: Arc<Settings>,
    pub(super) trust: Trust,
    /// As the route says it.
    pub(super) tls: smtp::TlsPolicy,
    pub(super) login: Option<Arc<Credentials>>,
    pub(super) pool: Option<String>,
    pub(super) limits: LineLimits,
    pub(super) messages_per_connection_max: u32,
}

impl Plans {
    /// Reads the routes with their passwords.
    ///
    /// # Errors
    /// Names the key that can't be used.
    pub(super) fn new(config: &config::Config, greet_as: &Domain) -> anyhow::Result<Self> {
        let outbound = &config.outbound;
        let settings = Settings::new(greet_as.clone());
        let others = Plan {
            hosts: Vec::new(),
            settings_in_clear: Arc::new(Settings { tls: TlsPolicy::Never, ..settings.clone() }),
            settings: Arc::new(settings),
            trust: Trust::Any,
            tls: smtp::TlsPolicy::Opportunistic,
            login: None,
            pool: None,
            limits: LineLimits {
                connections_max: count(outbound.connections_per_queue_max),
                messages_per_minute_max: None,
            },
            messages_per_connection_max: outbound.messages_per_connection_max,
        };
        let mut routes = BTreeMap::new();
        for (name, route) in &config.routes {
            let plan = of_route(route, &others).with_context(|| format!("routes.{name}"))?;
            let name = QueueName::parse(name).with_context(|| format!("routes.{name}"))?;
            routes.insert(name, Arc::new(plan));
        }
        Ok(Self { routes, others: Arc::new(others) })
    }

    /// The plan of a route; none where it names one that the configuration does not have any more.
    pub(super) fn of(&self, route: &Route) -> Option<Arc<Plan>> {
        let configured = self.routes.get(&route.queue);
        if route.to == NextHop::Configured {
            return configured.cloned();
        }
        let base = configured.unwrap_or(&self.others);
        let is_plain = route.pool.is_none() && route.tls == smtp::TlsPolicy::Opportunistic;
        if is_plain && configured.is_none() {
            return Some(Arc::clone(base));
        }
        let mut plan = Plan::clone(base);
        plan.set_tls(route.tls);
        plan.pool = route.pool.clone().or(plan.pool);
        Some(Arc::new(plan))
    }
}

impl Plan {
    /// Whether a failed handshake may be followed by an attempt in clear.
    pub(super) fn may_go_in_clear(&self) -> bool {
        self.settings.tls == TlsPolicy::IfOffered
    }

    fn set_tls(&mut self, tls: smtp::TlsPolicy) {
        let (policy, trust) = match tls {
            smtp::TlsPolicy::Opportunistic => (TlsPolicy::IfOffered, Trust::Any),
            // Without DNSSEC there is no DANE: whoever asks for it gets no less than a certificate that verifies.
            smtp::TlsPolicy::Required | smtp::TlsPolicy::Dane => (TlsPolicy::Required, Trust::Verified),
            smtp::TlsPolicy::None => (TlsPolicy::Never, Trust::Any),
        };
        self.settings = Arc::new(Settings { tls: policy, ..Settings::clone(&self.settings) });
        self.trust = trust;
        self.tls = tls;
    }
}

fn of_route(route: &config::Route, others: &Plan) -> anyhow::Result<Plan> {
    let hosts = route.servers().map_err(anyhow::Error::msg)?;
    let protocol = match route.protocol {
        config::RouteProtocol::Smtp => Protocol::Smtp,
        config::RouteProtocol::Lmtp => Protocol::Lmtp,
    };
    let settings = Settings { protocol, ..Settings::clone(&others.settings) };
    let mut plan = Plan {
        hosts,
        settings_in_clear: Arc::new(Settings { tls: TlsPolicy::Never, ..settings.clone() }),
        settings: Arc::new(settings),
        trust: Trust::Any,
        tls: smtp::TlsPolicy::Opportunistic,
        login: login(route)?,
        pool: route.source_pool.clone(),
        limits: LineLimits {
            connections_max: count(route.connections_max),
            messages_per_minute_max: Some(route.messages_per_minute_max).filter(|max| *max > 0),
        },
        messages_per_connection_max: route.messages_per_connection_max,
    };
    plan.set_tls(match route.tls {
        config::RouteTls::Opportunistic => smtp::TlsPolicy::Opportunistic,
        config::RouteTls::Required => smtp::TlsPolicy::Required,
        config::RouteTls::None => smtp::TlsPolicy::None,
    });
    Ok(plan)
}

fn login(route: &config::Route) -> anyhow::Result<Option<Arc<Credentials>>> {
    let (user, file) = match (&route.user, &route.password_file) {
        (None, None) => return Ok(None),
        (Some(user), Some(file)) => (user, file),
        _ => anyhow::bail!("`user` and `password_file` go together"),
    };
    let password = first_line(file).with_context(|| format!("{} can't be read", file.display()))?;
    Ok(Some(Arc::new(Credentials::new(user, &password)?)))
}

fn first_line(file: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_the_configuration_lost_has_no_plan() {
        let plans = Plans::new(&config::Config::default(), &Domain::parse("mx.example").unwrap()).unwrap();
        let gone = Route::configured(QueueName::parse("gone").unwrap());
        assert!(plans.of(&gone).is_none());
        assert!(plans.of(&Route::exchangers(Domain::parse("a.example").unwrap())).is_some());
    }

    #[test]
    fn a_name_without_a_password_is_refused() {
        let mut config = config::Config::default();
        let route = config::Route { user: Some("u".to_owned()), ..config::Route::default() };
        config.routes.insert("smart".to_owned(), route);
        let error = Plans::new(&config, &Domain::parse("mx.example").unwrap()).err().unwrap();
        assert_eq!(format!("{error:#}"), "routes.smart: `user` and `password_file` go together");
    }
}

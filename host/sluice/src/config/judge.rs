//! What is wrong between keys, or with a value that its type lets pass.

use std::collections::BTreeMap;

use sinks::network::Network;
use smtp::Domain;
use smtp::route::ROUTE_HOSTS_MAX;

use super::{Config, ListenerTls, Protocol, RouteProtocol};
use crate::deliver::path::Pattern;
use crate::tenants::OPERATOR;
use crate::transport::routes::DomainPattern;

/// Tenant names become folder names and log fields, so they are kept short and plain.
pub(super) const TENANT_NAME_BYTES_MAX: usize = 64;

/// All that is wrong: the key, and a sentence.
#[must_use]
pub fn judge(config: &Config) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if !matches!(Domain::parse(&config.host_name), Ok(Domain::Name(_))) {
        wrong.push(("host_name".to_owned(), format!("{:?} is not a domain name.", config.host_name)));
    }
    listeners(config, &mut wrong);
    tenants(config, &mut wrong);
    routes(config, &mut wrong);
    relay(config, &mut wrong);
    limits(config, &mut wrong);
    if config.low_resources.recovery_percent < 100 {
        wrong.push(("low_resources.recovery_percent".to_owned(), "must be at least 100.".to_owned()));
    }
    spool(config, &mut wrong);
    wrong.extend(crate::deliver::remote::judge(config));
    if let Err(sentence) = Pattern::parse(&config.delivery.maildir.pattern) {
        wrong.push(("delivery.maildir.pattern".to_owned(), sentence));
    }
    wrong
}

fn listeners(config: &Config, wrong: &mut Vec<(String, String)>) {
    if config.listeners.is_empty() {
        wrong.push(("listeners".to_owned(), "at least one listener is needed.".to_owned()));
    }
    for (name, listener) in &config.listeners {
        if let Some(tenant) = &listener.tenant
            && !config.tenants.contains_key(tenant)
        {
            wrong.push((format!("listeners.{name}.tenant"), format!("there is no tenant {tenant:?}.")));
        }
        if listener.protocol == Protocol::Lmtp && listener.address.port() == 25 {
            let sentence = "is SMTP's port, where LMTP must not be spoken (RFC 2033 §5): take 24.";
            wrong.push((format!("listeners.{name}.address"), sentence.to_owned()));
        }
        for text in &listener.proxies {
            if let Err(sentence) = Network::parse(text) {
                wrong.push((format!("listeners.{name}.proxies"), format!("{sentence}.")));
            }
        }
        let needs_one = matches!(listener.tls, ListenerTls::Required | ListenerTls::Implicit);
        if needs_one && config.certificates.is_empty() {
            let sentence = "needs a certificate: name one in `certificates`.";
            wrong.push((format!("listeners.{name}.tls"), sentence.to_owned()));
        }
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= TENANT_NAME_BYTES_MAX && name.bytes().all(plain)
}

fn tenants(config: &Config, wrong: &mut Vec<(String, String)>) {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (name, tenant) in &config.tenants {
        if !is_plain(name) {
            wrong.push((
                format!("tenants.{name}"),
                "a tenant's name is 1 to 64 of a-z, 0-9, - and _.".to_owned(),
            ));
        }
        if name == OPERATOR {
            wrong.push((format!("tenants.{name}"), "this name is the server's own.".to_owned()));
        }
        for (limit, value) in
            [("queue_entries_max", tenant.queue_entries_max), ("queue_bytes_max", tenant.queue_bytes_max)]
        {
            if value == Some(0) {
                wrong.push((format!("tenants.{name}.{limit}"), "must be at least 1.".to_owned()));
            }
        }
        for text in &tenant.domains {
            let key = format!("tenants.{name}.domains");
            match Domain::parse(text) {
                Err(_) => wrong.push((key, format!("{text:?} is not a domain."))),
                Ok(domain) => {
                    let domain = domain.to_string();
                    if let Some(owner) = owners.get(&domain) {
                        wrong.push((key, format!("{domain:?} is already a domain of tenant {owner:?}.")));
                    } else {
                        owners.insert(domain, name);
                    }
                }
            }
        }
    }
}

/// Names become those of queues; a dot is left to the queues of domains.
fn routes(config: &Config, wrong: &mut Vec<(String, String)>) {
    let mut takers: BTreeMap<DomainPattern, &str> = BTreeMap::new();
    for (name, route) in &config.routes {
        let key = |field: &str| format!("routes.{name}.{field}");
        if !is_plain(name) {
            wrong.push((
                format!("routes.{name}"),
                "a route's name is 1 to 64 of a-z, 0-9, - and _.".to_owned(),
            ));
        }
        for text in &route.domains {
            match DomainPattern::parse(text) {
                Err(sentence) => wrong.push((key("domains"), sentence)),
                Ok(pattern) => match takers.get(&pattern) {
                    Some(taker) => {
                        wrong.push((key("domains"), format!("{text:?} goes by route {taker:?} already.")));
                    }
                    None => drop(takers.insert(pattern, name)),
                },
            }
        }
        match route.servers() {
            Ok(servers) if servers.len() > ROUTE_HOSTS_MAX => {
                wrong.push((key("hosts"), format!("at most {ROUTE_HOSTS_MAX} servers.")));
            }
            Ok(_) => {}
            Err(sentence) => wrong.push((key("hosts"), sentence)),
        }
        if route.protocol == RouteProtocol::Lmtp && route.hosts.is_empty() {
            let sentence = "DNS names no LMTP servers (RFC 2033 §5): name them here.";
            wrong.push((key("hosts"), sentence.to_owned()));
        }
        if route.user.is_some() != route.password_file.is_some() {
            wrong.push((key("user"), "goes with `password_file`: both, or neither.".to_owned()));
        }
        if let Some(pool) = &route.source_pool
            && !config.outbound.source_pools.0.contains_key(pool)
        {
            wrong.push((key("source_pool"), format!("there is no {pool:?} in outbound.source_pools.")));
        }
        for (field, value) in [
            ("connections_max", route.connections_max),
            ("messages_per_connection_max", route.messages_per_connection_max),
        ] {
            if value == 0 {
                wrong.push((key(field), "must be at least 1.".to_owned()));
            }
        }
    }
}

fn relay(config: &Config, wrong: &mut Vec<(String, String)>) {
    for text in &config.relay.networks {
        if let Err(sentence) = Network::parse(text) {
            wrong.push(("relay.networks".to_owned(), format!("{sentence}.")));
        }
    }
}

/// A message that stands in the log must fit into one record, with what sinks add to it; else it would be refused for good.
fn spool(config: &Config, wrong: &mut Vec<(String, String)>) {
    let record_bytes_max = ::spool::Settings::new("").record_bytes_max;
    let inline_max = u64::try_from(record_bytes_max / 2).unwrap_or(u64::MAX);
    if config.spool.body_inline_bytes_max > inline_max {
        let sentence = format!("must be at most {inline_max}: half of what one record of the log takes.");
        wrong.push(("spool.body_inline_bytes_max".to_owned(), sentence));
    }
    for (key, value) in [
        ("spool.segment_bytes_max", config.spool.segment_bytes_max),
        ("limits.message_bytes_max", config.limits.message_bytes_max),
        ("limits.tenant_queue_entries_max", config.limits.tenant_queue_entries_max),
        ("limits.tenant_queue_bytes_max", config.limits.tenant_queue_bytes_max),
    ] {
        if value == 0 {
            wrong.push((key.to_owned(), "must be at least 1.".to_owned()));
        }
    }
}

fn limits(config: &Config, wrong: &mut Vec<(String, String)>) {
    let at_least_one = [
        ("limits.recipients_max", config.limits.recipients_max),
        ("limits.connections_max", config.limits.connections_max),
        ("limits.connections_per_address_max", config.limits.connections_per_address_max),
        ("limits.messages_per_session_max", config.limits.messages_per_session_max),
        ("limits.errors_max", config.limits.errors_max),
        ("limits.received_fields_max", config.limits.received_fields_max),
        ("limits.command_wait_seconds", config.limits.command_wait_seconds),
        ("limits.data_wait_seconds", config.limits.data_wait_seconds),
        ("limits.tls_handshake_seconds", config.limits.tls_handshake_seconds),
        ("limits.password_checks_concurrent_max", config.limits.password_checks_concurrent_max),
        ("limits.guesses_per_network_max", config.limits.guesses_per_network_max),
        ("limits.guesses_per_user_max", config.limits.guesses_per_user_max),
        ("outbound.connections_max", config.outbound.connections_max),
        ("outbound.connections_per_queue_max", config.outbound.connections_per_queue_max),
        ("outbound.messages_per_connection_max", config.outbound.messages_per_connection_max),
        ("outbound.connect_seconds", config.outbound.connect_seconds),
        ("dns.answer_seconds", config.dns.answer_seconds),
        ("delivery.workers", config.delivery.workers),
        ("delivery.batch_max", config.delivery.batch_max),
        ("delivery.stages_concurrent_max", config.delivery.stages_concurrent_max),
        ("retry.expiry_hours", config.retry.expiry_hours),
        ("retry.delay_hours", config.retry.delay_hours),
        ("retry.waits_minutes", config.retry.waits_minutes.iter().copied().min().unwrap_or(0)),
        ("sinks.concurrent_max", config.sinks.concurrent_max),
    ];
    for (key, value) in at_least_one {
        if value == 0 {
            wrong.push((key.to_owned(), "must be at least 1.".to_owned()));
        }
    }
}

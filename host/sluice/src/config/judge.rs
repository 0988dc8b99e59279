//! What is wrong between keys, or with a value that its type lets pass.

use std::collections::BTreeMap;

use smtp::Domain;

use super::Config;
use crate::deliver::path::Pattern;

/// Tenant names become folder names and log fields, so they are kept short and plain.
const TENANT_NAME_BYTES_MAX: usize = 64;

/// All that is wrong: the key, and a sentence.
#[must_use]
pub fn judge(config: &Config) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if !matches!(Domain::parse(&config.host_name), Ok(Domain::Name(_))) {
        wrong.push(("host_name".to_owned(), format!("{:?} is not a domain name.", config.host_name)));
    }
    listeners(config, &mut wrong);
    tenants(config, &mut wrong);
    limits(config, &mut wrong);
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
    }
}

fn tenants(config: &Config, wrong: &mut Vec<(String, String)>) {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (name, tenant) in &config.tenants {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || !name.bytes().all(plain) {
            wrong.push((
                format!("tenants.{name}"),
                "a tenant's name is 1 to 64 of a-z, 0-9, - and _.".to_owned(),
            ));
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

fn limits(config: &Config, wrong: &mut Vec<(String, String)>) {
    let at_least_one = [
        ("limits.recipients_max", config.limits.recipients_max),
        ("limits.connections_max", config.limits.connections_max),
        ("limits.connections_per_address_max", config.limits.connections_per_address_max),
        ("limits.messages_per_session_max", config.limits.messages_per_session_max),
        ("limits.errors_max", config.limits.errors_max),
        ("limits.command_wait_seconds", config.limits.command_wait_seconds),
        ("limits.data_wait_seconds", config.limits.data_wait_seconds),
        ("delivery.workers", config.delivery.workers),
        ("delivery.batch_max", config.delivery.batch_max),
        ("delivery.stages_concurrent_max", config.delivery.stages_concurrent_max),
        ("sinks.concurrent_max", config.sinks.concurrent_max),
    ];
    for (key, value) in at_least_one {
        if value == 0 {
            wrong.push((key.to_owned(), "must be at least 1.".to_owned()));
        }
    }
}

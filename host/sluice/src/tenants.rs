//! Who owns a domain, which mailboxes it has, and how much of it may be queued.
//!
//! Built once from the configuration. The host's own name belongs to the tenant `operator` unless another tenant lists
//! it: `<postmaster>` without a domain must always be taken (RFC 5321 §4.5.1).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smtp::{Domain, Mailbox};

use crate::config::{Config, Mailboxes, Tenant};

/// The tenant that owns the host's own name when no other does.
pub const OPERATOR: &str = "operator";

/// A domain that can't be owned; the configuration's judge names it before this is reached.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a domain")]
pub struct NotADomain(String);

/// Owners of domains and their mailboxes.
#[derive(Debug)]
pub struct Tenants {
    owners: HashMap<Domain, Arc<Owner>>,
    queues: BTreeMap<Arc<str>, QueueLimits>,
}

/// What a tenant may have in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QueueLimits {
    /// Entries.
    pub entries_max: u64,
    /// Bytes of their contents.
    pub bytes_max: u64,
}

#[derive(Debug)]
struct Owner {
    name: Arc<str>,
    mailboxes: Mailboxes,
}

/// What a forward-path is to this server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A mailbox of this tenant.
    Mailbox(Arc<str>),
    /// The domain is this tenant's, the mailbox does not exist.
    Unknown(Arc<str>),
    /// Nobody here owns the domain.
    Foreign,
}

impl Tenants {
    /// The owners that a configuration names.
    ///
    /// # Errors
    /// When a domain is none; [`crate::config::judge`] tells this with its place.
    pub fn new(config: &Config) -> Result<Self, NotADomain> {
        let parse = |text: &str| Domain::parse(text).map_err(|_| NotADomain(text.to_owned()));
        let mut owners = HashMap::new();
        let mut queues = BTreeMap::from([(Arc::from(OPERATOR), queue_limits(config, &Tenant::default()))]);
        for (name, tenant) in &config.tenants {
            let owner =
                Arc::new(Owner { name: Arc::from(name.as_str()), mailboxes: tenant.mailboxes.clone() });
            queues.insert(Arc::clone(&owner.name), queue_limits(config, tenant));
            for domain in &tenant.domains {
                owners.insert(parse(domain)?, Arc::clone(&owner));
            }
        }
        owners.entry(parse(&config.host_name)?).or_insert_with(|| {
            Arc::new(Owner { name: Arc::from(OPERATOR), mailboxes: Mailboxes::Listed(BTreeSet::new()) })
        });
        Ok(Self { owners, queues })
    }

    /// The tenant that owns a domain.
    #[must_use]
    pub fn owner(&self, domain: &Domain) -> Option<&Arc<str>> {
        self.owners.get(domain).map(|owner| &owner.name)
    }

    /// The names of all tenants, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(|name| &**name)
    }

    /// What a tenant may have in the queue.
    #[must_use]
    pub fn queue_limits(&self, tenant: &str) -> Option<QueueLimits> {
        self.queues.get(tenant).copied()
    }

    /// What a mailbox is to this server.
    #[must_use]
    pub fn standing(&self, mailbox: &Mailbox) -> Standing {
        match self.owners.get(mailbox.domain()) {
            None => Standing::Foreign,
            Some(owner) if owner.mailboxes.contains(mailbox.local()) => {
                Standing::Mailbox(Arc::clone(&owner.name))
            }
            Some(owner) => Standing::Unknown(Arc::clone(&owner.name)),
        }
    }
}

fn queue_limits(config: &Config, tenant: &Tenant) -> QueueLimits {
    QueueLimits {
        entries_max: tenant.queue_entries_max.unwrap_or(config.limits.tenant_queue_entries_max),
        bytes_max: tenant.queue_bytes_max.unwrap_or(config.limits.tenant_queue_bytes_max),
    }
}

impl sinks::Domains for Tenants {
    fn owns(&self, tenant: &str, domain: &Domain) -> bool {
        self.owner(domain).is_some_and(|owner| **owner == *tenant)
    }
}

#[cfg(test)]
mod tests {
    use smtp::Mailbox;

    use super::{Standing, Tenants};
    use crate::config::load;

    #[track_caller]
    fn check(address: &str, expected: &Standing) {
        let config = load::parse(
            "host_name = \"mx.example\"\n[tenants.a]\ndomains = [\"a.example\"]\nmailboxes = [\"Ann\"]\n\
             [tenants.b]\ndomains = [\"b.example\"]\n",
        )
        .unwrap();
        let tenants = Tenants::new(&config).unwrap();
        assert_eq!(&tenants.standing(&Mailbox::parse(address).unwrap()), expected);
    }

    #[test]
    fn a_listed_mailbox_is_found_without_regard_to_case() {
        check("aNN@A.example", &Standing::Mailbox("a".into()));
    }

    #[test]
    fn an_unlisted_one_is_unknown_to_its_owner() {
        check("bob@a.example", &Standing::Unknown("a".into()));
        check("bob@b.example", &Standing::Mailbox("b".into()));
    }

    #[test]
    fn postmaster_always_has_a_mailbox() {
        check("Postmaster@a.example", &Standing::Mailbox("a".into()));
        check("postmaster@mx.example", &Standing::Mailbox("operator".into()));
    }

    #[test]
    fn a_domain_that_nobody_owns_is_foreign() {
        check("ann@c.example", &Standing::Foreign);
    }
}

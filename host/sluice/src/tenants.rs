//! Who owns a domain, which mailboxes it has, by which other names, and how much of it may be queued.
//!
//! Built once from the configuration; files of aliases are looked at again while the server runs. The host's own name belongs
//! to the tenant `operator` unless another tenant lists it: `<postmaster>` without a domain must always be taken (RFC 5321
//! §4.5.1).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smtp::{Domain, Mailbox};

use crate::config::{ALWAYS, Config, Delimiter, Mailboxes, Tenant};
use crate::reloaded::{FileError, Look};
use crate::transport::aliases::{self, Alias, AliasFile};
use crate::users::{self, User, UsersFile};

/// The tenant that owns the host's own name when no other does.
pub const OPERATOR: &str = "operator";

/// Why there are no tenants.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// A domain that can't be owned; the configuration's judge names it before this is reached.
    #[error("{0:?} is not a domain")]
    NotADomain(String),
    /// A file of aliases or users that can't be used.
    #[error("tenants.{tenant}.{key}: {fault}")]
    File {
        /// Whose.
        tenant: String,
        /// Which.
        key: &'static str,
        /// Which file, and what is wrong with it.
        fault: String,
    },
}

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
    delimiter: Option<Delimiter>,
    aliases: Option<AliasFile>,
    users: Option<UsersFile>,
}

/// Who logged in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Whose user.
    pub(crate) tenant: Arc<str>,
    /// By which address.
    pub(crate) address: Mailbox,
    /// What the users' file says of them; none where a sink let them in.
    pub(crate) user: Option<Arc<User>>,
}

impl Login {
    /// Whether mail of this address may be theirs; `own` is the address without a word behind the tenant's delimiter.
    pub(crate) fn may_send_from(&self, address: &Mailbox, own: &Mailbox) -> bool {
        match &self.user {
            Some(user) => user.may_send_from(address, own),
            None => users::key(own) == users::key(&self.address),
        }
    }
}

/// What the tables of an owner make of a local-part.
enum Found<'a> {
    /// A mailbox, by its own name.
    Mailbox(&'a str),
    /// Another name for others.
    Alias(Arc<Alias>),
    Nothing,
}

/// What a forward-path is to this server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A mailbox of this tenant, or another name of some.
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
    /// When a domain is none, which [`crate::config::judge`] tells with its place, or a file of aliases can't be read.
    pub fn new(config: &Config) -> Result<Self, TenantsError> {
        let parse = |text: &str| Domain::parse(text).map_err(|_| TenantsError::NotADomain(text.to_owned()));
        let mut owners = HashMap::new();
        let mut queues = BTreeMap::from([(Arc::from(OPERATOR), queue_limits(config, &Tenant::default()))]);
        for (name, tenant) in &config.tenants {
            let wrong = |key| {
                move |error: FileError| TenantsError::File {
                    tenant: name.clone(),
                    key,
                    fault: error.to_string(),
                }
            };
            let owner = Arc::new(Owner {
                name: Arc::from(name.as_str()),
                mailboxes: tenant.mailboxes.clone(),
                delimiter: tenant.recipient_delimiter,
                aliases: tenant.aliases.clone().map(aliases::open).transpose().map_err(wrong("aliases"))?,
                users: tenant.users.clone().map(users::open).transpose().map_err(wrong("users"))?,
            });
            queues.insert(Arc::clone(&owner.name), queue_limits(config, tenant));
            for domain in &tenant.domains {
                owners.insert(parse(domain)?, Arc::clone(&owner));
            }
        }
        owners.entry(parse(&config.host_name)?).or_insert_with(|| {
            let mailboxes = Mailboxes::Listed(BTreeSet::new());
            Arc::new(Owner {
                name: Arc::from(OPERATOR),
                mailboxes,
                delimiter: None,
                aliases: None,
                users: None,
            })
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
        let Some(owner) = self.owners.get(mailbox.domain()) else { return Standing::Foreign };
        match owner.find(mailbox.local()) {
            Found::Mailbox(_) | Found::Alias(_) => Standing::Mailbox(Arc::clone(&owner.name)),
            Found::Nothing => Standing::Unknown(Arc::clone(&owner.name)),
        }
    }

    /// Who logs in with this address.
    pub(crate) fn login(&self, address: &Mailbox) -> Option<Login> {
        let owner = self.owners.get(address.domain())?;
        let user = owner.users.as_ref()?.live().of(address).cloned()?;
        Some(Login { tenant: Arc::clone(&owner.name), address: user.address.clone(), user: Some(user) })
    }

    /// What an address stands for, if it is another name in the tables of its domain's owner.
    pub(crate) fn alias(&self, mailbox: &Mailbox) -> Option<Arc<Alias>> {
        let owner = self.owners.get(mailbox.domain()).filter(|owner| owner.aliases.is_some())?;
        match owner.find(mailbox.local()) {
            Found::Alias(alias) => Some(alias),
            Found::Mailbox(_) | Found::Nothing => None,
        }
    }

    /// The mailbox that an address is delivered into: without the word behind the delimiter of its domain's owner.
    pub(crate) fn folder<'a>(&self, mailbox: &'a Mailbox) -> Cow<'a, Mailbox> {
        let owner = self.owners.get(mailbox.domain()).filter(|owner| owner.delimiter.is_some());
        match owner.map(|owner| owner.find(mailbox.local())) {
            Some(Found::Mailbox(name)) if name != mailbox.local() => {
                match Mailbox::new(name, mailbox.domain().clone()) {
                    Ok(folder) => Cow::Owned(folder),
                    Err(_) => Cow::Borrowed(mailbox),
                }
            }
            Some(_) | None => Cow::Borrowed(mailbox),
        }
    }
}

impl Owner {
    /// The name as it is goes first, then the part of it before the delimiter, then what takes all others.
    fn find<'a>(&self, local: &'a str) -> Found<'a> {
        let aliases = self.aliases.as_ref().map(AliasFile::live);
        let named = |name: &str| aliases.as_ref().and_then(|aliases| aliases.of(name)).cloned();
        if let Some(alias) = named(local) {
            return Found::Alias(alias);
        }
        let is_always = ALWAYS.iter().any(|name| name.eq_ignore_ascii_case(local));
        if is_always || (self.mailboxes != Mailboxes::Any && self.mailboxes.contains(local)) {
            return Found::Mailbox(local);
        }
        if let Some(part) = self.delimiter.and_then(|delimiter| delimiter.mailbox(local)) {
            if let Some(alias) = named(part) {
                return Found::Alias(alias);
            }
            if self.mailboxes.contains(part) {
                return Found::Mailbox(part);
            }
        }
        if self.mailboxes.contains(local) {
            return Found::Mailbox(local);
        }
        let catch_all = aliases.as_ref().and_then(|aliases| aliases.catch_all()).cloned();
        catch_all.map_or(Found::Nothing, Found::Alias)
    }
}

fn queue_limits(config: &Config, tenant: &Tenant) -> QueueLimits {
    QueueLimits {
        entries_max: tenant.queue_entries_max.unwrap_or(config.limits.tenant_queue_entries_max),
        bytes_max: tenant.queue_bytes_max.unwrap_or(config.limits.tenant_queue_bytes_max),
    }
}

impl Look for Tenants {
    fn has_files(&self) -> bool {
        self.owners.values().any(|owner| owner.aliases.is_some() || owner.users.is_some())
    }

    fn look(&self) {
        self.owners.values().filter_map(|owner| owner.aliases.as_ref()).for_each(AliasFile::look);
        self.owners.values().filter_map(|owner| owner.users.as_ref()).for_each(UsersFile::look);
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
    fn postmaster_and_abuse_always_have_a_mailbox() {
        check("abuse@A.example", &Standing::Mailbox("a".into()));
        check("Postmaster@a.example", &Standing::Mailbox("a".into()));
        check("postmaster@mx.example", &Standing::Mailbox("operator".into()));
    }

    #[test]
    fn a_domain_that_nobody_owns_is_foreign() {
        check("ann@c.example", &Standing::Foreign);
    }

    /// A tenant with one mailbox, a file of aliases, and `+`.
    fn aliased(aliases: &str, mailboxes: &str) -> Tenants {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("aliases");
        std::fs::write(&file, aliases).unwrap();
        let config = load::parse(&format!(
            "[tenants.a]\ndomains = [\"a.example\"]\nmailboxes = {mailboxes}\nrecipient_delimiter = \"+\"\n\
             aliases = {file:?}\n"
        ))
        .unwrap();
        Tenants::new(&config).unwrap()
    }

    #[track_caller]
    fn found(tenants: &Tenants, address: &str, folder: &str, is_alias: Option<usize>) {
        let mailbox = Mailbox::parse(address).unwrap();
        assert!(matches!(tenants.standing(&mailbox), Standing::Mailbox(_)), "{address}");
        assert_eq!(tenants.folder(&mailbox).to_string(), folder, "{address}");
        assert_eq!(tenants.alias(&mailbox).map(|alias| alias.targets.len()), is_alias, "{address}");
    }

    #[test]
    fn the_name_goes_first_then_its_part_then_what_takes_all_others() {
        let tenants = aliased("sales: ann, bob\nann+x: bob\n@: ann, bob, cid\n", "[\"ann\"]");
        found(&tenants, "ann@a.example", "ann@a.example", None);
        found(&tenants, "ann+news@a.example", "ann@a.example", None);
        found(&tenants, "ann+x@a.example", "ann+x@a.example", Some(1));
        found(&tenants, "Sales+de@a.example", "Sales+de@a.example", Some(2));
        found(&tenants, "nobody+x@a.example", "nobody+x@a.example", Some(3));
        found(&tenants, "abuse@a.example", "abuse@a.example", None);
        found(&tenants, "postmaster+x@a.example", "postmaster@a.example", None);
    }

    #[test]
    fn where_every_name_has_a_mailbox_the_word_behind_the_delimiter_is_none() {
        let tenants = aliased("sales: ann\n", "\"any\"");
        found(&tenants, "bob+news@a.example", "bob@a.example", None);
        found(&tenants, "+news@a.example", "+news@a.example", None);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_its_key() {
        let config =
            load::parse("[tenants.a]\ndomains = [\"a.example\"]\naliases = \"/nowhere/aliases\"\n").unwrap();
        let told = Tenants::new(&config).unwrap_err().to_string();
        assert!(told.starts_with("tenants.a.aliases: /nowhere/aliases can't be read"), "{told}");
    }
}

//! Which bindings are asked: one immutable snapshot, swapped as a whole.
//!
//! A snapshot is made where loading takes place and read on every command, so everything is sorted and filtered when
//! it is made: a look-up hashes the tenant's name once and allocates nothing. What contradicts itself is refused as a
//! whole; the snapshot that stands stays.

use std::collections::HashMap;
use std::sync::Arc;

use crate::binding::{Binding, Tier};
use crate::event::{EventKind, Served};

/// All bindings at one moment. A transaction keeps the one that it began with.
#[derive(Debug, Default)]
pub struct Snapshot {
    tenants: HashMap<Arc<str>, Table>,
    operator: Table,
}

/// Bindings that can't stand together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The last part of the order must decide.
    #[error("two bindings have the id {0}")]
    SameId(Arc<str>),
    /// A tenant's sink would be asked about others' mail, or an operator's in a tenant's place.
    #[error("binding {id} is in tier {tier:?}, which is not its owner's")]
    ForeignTier {
        /// The binding.
        id: Arc<str>,
        /// What it asked for.
        tier: Tier,
    },
    /// It would never be asked.
    #[error("binding {id}: this version does not serve {event} yet")]
    NotServed {
        /// The binding.
        id: Arc<str>,
        /// For what.
        event: EventKind,
    },
    /// A call of it would find nothing to call.
    #[error("binding {id}: the component does not export {event}")]
    NotExported {
        /// The binding.
        id: Arc<str>,
        /// For what.
        event: EventKind,
    },
}

impl Snapshot {
    /// Sorts the bindings into what each tenant is asked.
    ///
    /// # Errors
    /// Names the binding that contradicts the others, its owner or its component.
    pub fn new(bindings: impl IntoIterator<Item = Binding>) -> Result<Self, RegistryError> {
        let mut all: Vec<Binding> = bindings.into_iter().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        if let Some([one, _]) = all.array_windows().find(|[one, other]| one.id == other.id) {
            return Err(RegistryError::SameId(Arc::clone(&one.id)));
        }
        for binding in &all {
            check(binding)?;
        }
        let mut by_owner: HashMap<Option<Arc<str>>, Vec<Binding>> = HashMap::new();
        for binding in all {
            by_owner.entry(binding.installation.tenant.clone()).or_default().push(binding);
        }
        let operators = by_owner.remove(&None).unwrap_or_default();
        let tenants =
            by_owner.into_iter().filter_map(|(tenant, own)| Some((tenant?, Table::new(&operators, own))));
        Ok(Self { tenants: tenants.collect(), operator: Table::new(&operators, Vec::new()) })
    }

    /// The bindings of the event for the tenant (the operator's included), in total order; for no tenant the operator's.
    pub fn bindings(&self, event: EventKind, tenant: Option<&str>) -> &[Binding] {
        self.table(tenant).bindings(event)
    }

    /// Whether somebody would be asked about this verb; for the events that name verbs. The verb is in upper case.
    pub fn wants_verb(&self, event: EventKind, tenant: Option<&str>, verb: &str) -> bool {
        self.bindings(event, tenant).iter().any(|binding| binding.names_verb(verb))
    }

    /// Whether the tenant itself, beside the operator, would be asked.
    pub fn tenant_wants(&self, event: EventKind, tenant: &str) -> bool {
        let table = self.tenants.get(tenant);
        table.is_some_and(|table| table.bindings(event).iter().any(|binding| binding.tier == Tier::Tenant))
    }

    /// What the SMTP session must ask about, whoever the tenant turns out to be: it asks for what nobody binds at no
    /// cost, and what is asked in vain costs one look-up here.
    pub fn interest(&self) -> smtp::Interest {
        crate::interest::of(std::iter::once(&self.operator).chain(self.tenants.values()).flat_map(Table::all))
    }

    /// What a session to another server must ask about for mail of one tenant; a look-up.
    pub fn outbound_interest(&self, tenant: &str) -> &smtp::client::Interest {
        &self.table(Some(tenant)).outbound
    }

    /// The installation that a route of this tenant means by the name of an agent: one of its own that is bound to on-deliver,
    /// else one of the operator's.
    pub fn agent(&self, tenant: &str, name: &str) -> Option<&Arc<str>> {
        let bound = || self.bindings(EventKind::Deliver, Some(tenant)).iter().map(|one| &one.installation.id);
        let of = |owner: &str| {
            bound().find(|id| id.strip_prefix(owner).and_then(|rest| rest.strip_prefix('/')) == Some(name))
        };
        of(tenant).or_else(|| of(OPERATOR))
    }

    /// Whether mail of this tenant must not share a queue or a connection with that of others, since somebody is asked about
    /// them (EVENTS, rule 5); a look-up.
    pub fn has_own_queues(&self, tenant: &str) -> bool {
        self.table(Some(tenant)).queues == Queues::Own
    }

    fn table(&self, tenant: Option<&str>) -> &Table {
        tenant.and_then(|tenant| self.tenants.get(tenant)).unwrap_or(&self.operator)
    }
}

/// The owner in the ids of the operator's installations.
const OPERATOR: &str = "operator";

/// Events that see or steer a connection as a whole.
const OF_CONNECTIONS: [EventKind; 8] = [
    EventKind::ResolveNextHop,
    EventKind::RemoteTls,
    EventKind::SessionStart,
    EventKind::MessageStart,
    EventKind::PerRecipient,
    EventKind::BeforeData,
    EventKind::ServerResponse,
    EventKind::SessionEnd,
];

/// The bindings that one tenant is asked, by event.
#[derive(Debug, Default)]
struct Table {
    by_event: Vec<Box<[Binding]>>,
    outbound: smtp::client::Interest,
    queues: Queues,
}

/// Whether a tenant's mail shares queues with that of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queues {
    #[default]
    Shared,
    Own,
}

impl Table {
    fn new(operators: &[Binding], mut bindings: Vec<Binding>) -> Self {
        bindings.extend_from_slice(operators);
        bindings.sort_by(|one, other| one.order().cmp(&other.order()));
        let of = |event| bindings.iter().filter(|binding| binding.event == event).cloned().collect();
        let is_of_connections = bindings.iter().any(|binding| OF_CONNECTIONS.contains(&binding.event));
        Self {
            by_event: EventKind::ALL.into_iter().map(of).collect(),
            outbound: crate::interest::of_outbound(bindings.iter()),
            queues: if is_of_connections { Queues::Own } else { Queues::Shared },
        }
    }

    fn bindings(&self, event: EventKind) -> &[Binding] {
        self.by_event.get(event.index()).map_or(&[], |bindings| bindings)
    }

    fn all(&self) -> impl Iterator<Item = &Binding> {
        self.by_event.iter().flatten()
    }
}

fn check(binding: &Binding) -> Result<(), RegistryError> {
    let (id, event, tier) = (Arc::clone(&binding.id), binding.event, binding.tier);
    if event.served() == Served::NotYet {
        return Err(RegistryError::NotServed { id, event });
    }
    if !binding.installation.artifact.exports(event) {
        return Err(RegistryError::NotExported { id, event });
    }
    if (tier == Tier::Tenant) != binding.installation.tenant.is_some() {
        return Err(RegistryError::ForeignTier { id, tier });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

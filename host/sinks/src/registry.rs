//! Which bindings are asked: one immutable snapshot, swapped as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::binding::Binding;
use crate::event::EventKind;

/// All bindings at one moment. A transaction keeps the one that it began with.
#[derive(Debug, Default)]
pub struct Snapshot {
    tenants: HashMap<Arc<str>, Table>,
    operator: Table,
}

type Table = HashMap<EventKind, Vec<Binding>>;

impl Snapshot {
    /// The bindings of the event for the tenant (the operator's included), in total order; for no tenant the operator's.
    pub fn bindings(&self, event: EventKind, tenant: Option<&str>) -> &[Binding] {
        let table = tenant.and_then(|tenant| self.tenants.get(tenant)).unwrap_or(&self.operator);
        table.get(&event).map_or(&[], Vec::as_slice)
    }
}

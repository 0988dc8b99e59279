//! The right to work on an entry.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::entry::Entry;
use crate::shared::Shared;

/// An entry that nobody else gets. It reads as the [`Entry`]; dropping it gives the entry back to the queue, due as its
/// newest record says. After `record_done` nothing is left to give back.
pub struct Lease {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, entry: Arc<Entry>) -> Self {
        Self { shared, entry }
    }

    /// The entry, to keep beyond the lease.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(crate) fn set(&mut self, entry: Arc<Entry>) {
        self.entry = entry;
    }
}

impl Deref for Lease {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.queue().release(self.entry.id);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lease").field(&self.entry.id).finish()
    }
}

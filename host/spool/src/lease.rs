//! The right to work on an entry.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::entry::{Entry, QueueId};
use crate::shared::Shared;

/// An entry that nobody else gets. It reads as the [`Entry`]; dropping it gives the entry back to the queue, due as its
/// newest record says. After `record_done` nothing is left to give back.
pub struct Lease {
    taken: Taken,
    entry: Arc<Entry>,
}

/// An entry that was taken from the queue, read or not; it goes back when this is dropped.
pub(crate) struct Taken {
    shared: Arc<Shared>,
    id: QueueId,
    end: End,
}

/// What going back means.
#[derive(Clone, Copy)]
enum End {
    Release,
    Park,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, entry: Arc<Entry>) -> Self {
        Self { taken: Taken::new(shared, entry.id), entry }
    }

    pub(crate) fn park(mut self) {
        self.taken.end = End::Park;
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

impl Taken {
    pub(crate) fn new(shared: Arc<Shared>, id: QueueId) -> Self {
        Self { shared, id, end: End::Release }
    }
}

impl Deref for Lease {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        match self.end {
            End::Release => queue.release(self.id),
            End::Park => return queue.park(self.id),
        }
        let is_there = queue.contains(self.id);
        drop(queue);
        // Most leases end with their entry: then there is nothing to wake anyone for.
        if is_there {
            self.shared.changed.notify_waiters();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lease").field(&self.entry.id).finish()
    }
}

//! Entries that move and that nobody has, by priority, the higher first; of one priority, the longer due first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use smtp::Timestamp;

use crate::entry::QueueId;

#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<Reverse<i8>, Equals>);

/// Entries of one priority.
type Equals = BTreeSet<(Timestamp, QueueId)>;

/// Where in the order an entry waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    pub(crate) priority: i8,
    pub(crate) due: Timestamp,
}

impl Waiting {
    pub(crate) fn insert(&mut self, rank: Rank, id: QueueId) {
        self.0.entry(Reverse(rank.priority)).or_default().insert((rank.due, id));
    }

    /// Of one that doesn't wait, nothing.
    pub(crate) fn remove(&mut self, rank: Rank, id: QueueId) {
        let priority = Reverse(rank.priority);
        let Some(waiting) = self.0.get_mut(&priority) else { return };
        waiting.remove(&(rank.due, id));
        if waiting.is_empty() {
            self.0.remove(&priority);
        }
    }

    /// The first one that is due.
    pub(crate) fn first_due(&self, now: Timestamp) -> Option<QueueId> {
        let firsts = self.0.values().filter_map(BTreeSet::first);
        firsts.copied().find(|(due, _)| *due <= now).map(|(_, id)| id)
    }

    /// When one will be due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().filter_map(BTreeSet::first).map(|(due, _)| *due).min()
    }
}

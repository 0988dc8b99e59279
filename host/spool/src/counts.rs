//! What an operator can ask of a spool without touching the disk: how much is where, and one line for each entry.

use std::collections::HashMap;
use std::sync::Arc;

use smtp::Timestamp;

use crate::entry::QueueId;

/// How much is where, for logs and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All entries.
    pub entries: usize,
    /// Those with someone at work on them.
    pub leased: usize,
    /// Those that are set aside.
    pub quarantined: usize,
    /// Those that an operator or the host holds.
    pub held: usize,
    /// Those that could not be read back.
    pub damaged: usize,
    /// Segment files.
    pub segments: usize,
    /// Bytes of records in them.
    pub log_bytes: u64,
    /// Bytes of records that are still needed.
    pub needed_bytes: u64,
    /// Body files that entries refer to.
    pub bodies: usize,
    /// Records that were made durable since the start.
    pub records: u64,
    /// Bytes of them.
    pub record_bytes: u64,
    /// Entries that compaction copied since the start.
    pub copied: u64,
    /// Bytes that compaction wrote since the start.
    pub kept_bytes: u64,
    /// Syncs of the log since the start.
    pub syncs: u64,
    /// Bytes of records that wait for the committer or are on their way to disk, in whole KiB each.
    pub commit_queue_bytes: usize,
}

/// What one tenant has in the spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantCounts {
    /// Entries, whether they move or not.
    pub entries: usize,
    /// Bytes of their contents. What entries share on disk counts for each.
    pub bytes: u64,
}

/// One line about an entry, from memory alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub id: QueueId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// When it is due; of one that is set aside or held, when that ends (the end of time if it doesn't by itself).
    pub due: Timestamp,
    /// Whether it moves.
    pub standing: Standing,
}

/// Whether an entry moves, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Waits for its time, or is due.
    Waiting,
    /// Someone is at work on it.
    Leased,
    /// Set aside by a sink.
    Quarantined,
    /// Held.
    Held,
    /// Could not be read back.
    Damaged,
}

/// Names of tenants, once each, with what they have.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    names: Vec<Tenant>,
    indexes: HashMap<Arc<str>, u32>,
}

#[derive(Debug)]
struct Tenant {
    name: Arc<str>,
    counts: TenantCounts,
}

impl Tenants {
    /// One more entry, with a content of so many bytes.
    pub(crate) fn add(&mut self, name: &str, bytes: u64) -> u32 {
        let index = self.index(name);
        if let Some(counts) = self.at(index) {
            counts.entries = counts.entries.saturating_add(1);
            counts.bytes = counts.bytes.saturating_add(bytes);
        }
        index
    }

    /// One entry less.
    pub(crate) fn remove(&mut self, index: u32, bytes: u64) {
        if let Some(counts) = self.at(index) {
            counts.entries = counts.entries.saturating_sub(1);
            counts.bytes = counts.bytes.saturating_sub(bytes);
        }
    }

    pub(crate) fn name(&self, index: u32) -> Arc<str> {
        let tenant = usize::try_from(index).ok().and_then(|index| self.names.get(index));
        tenant.map_or_else(|| "".into(), |tenant| tenant.name.clone())
    }

    pub(crate) fn counts(&self, name: &str) -> TenantCounts {
        let index = self.indexes.get(name).and_then(|index| usize::try_from(*index).ok());
        index
            .and_then(|index| self.names.get(index))
            .map_or_else(TenantCounts::default, |tenant| tenant.counts)
    }

    fn index(&mut self, name: &str) -> u32 {
        if let Some(index) = self.indexes.get(name) {
            return *index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.names.push(Tenant { name: name.clone(), counts: TenantCounts::default() });
        self.indexes.insert(name, index);
        index
    }

    fn at(&mut self, index: u32) -> Option<&mut TenantCounts> {
        let tenant = usize::try_from(index).ok().and_then(|index| self.names.get_mut(index));
        tenant.map(|tenant| &mut tenant.counts)
    }
}

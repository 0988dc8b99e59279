//! Order in memory: which entry is due when, and who has it.
//!
//! Promises: rebuilt from the log alone; small for each entry (no content, no envelope, except in a bounded cache of fresh
//! ones); every change is a few tree operations. Leaves out: disk, waiting and time itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use smtp::Timestamp;

use crate::body::BodyName;
use crate::cache::{Cache, Seat};
use crate::content::StoredContent;
use crate::counts::{Counts, Standing, Summary, TenantCounts, Tenants};
use crate::entry::{Entry, QueueId};
use crate::needs::{Needed, Needs};
use crate::outline::{Outline, References, Rest};
use crate::segment::{Location, SegmentId};
use crate::waiting::{Rank, Waiting};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<QueueId, Slot>,
    waiting: Waiting,
    pub(crate) needs: Needs,
    tenants: Tenants,
    cache: Cache,
    leased: usize,
    resting: Resting,
    /// The latest time that anyone told.
    now: Timestamp,
    /// Nothing is taken before.
    paused_until: Timestamp,
}

/// What is kept of each entry.
#[derive(Debug)]
struct Slot {
    due: Timestamp,
    /// The record with its newest state.
    base: u64,
    needed: Needed,
    cached: Option<Seat>,
    /// Bytes of its content, as its tenant's counts have them.
    bytes: u64,
    tenant: u32,
    priority: i8,
    rest: Rest,
    turn: Turn,
}

/// Who has an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Free,
    Leased,
    /// A record of it is on its way to disk; the lease may be dropped meanwhile.
    Recording(Lessee),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lessee {
    There,
    Gone,
}

/// An entry that was taken from the queue.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) id: QueueId,
    pub(crate) cached: Option<Arc<Entry>>,
}

impl Queue {
    /// Takes over an entry's newest state: record `number`, which is at `location`. The answer is the bodies that nobody
    /// needs any more.
    pub(crate) fn put(&mut self, entry: &Outline<'_>, number: u64, location: Location) -> Vec<BodyName> {
        // Needed anew before the old needs go: what both refer to must not be counted out meanwhile.
        let needed = self.needs.add(entry.id, &entry.refers, number, location);
        let tenant = self.tenants.add(entry.tenant, entry.size);
        let old = self.entries.remove(&entry.id);
        let turn = old.as_ref().map_or(Turn::Free, |old| old.turn);
        let freed = old.map_or_else(Vec::new, |old| self.give_up(entry.id, &old));
        self.needs.begin_newest(number);
        let slot = Slot {
            due: entry.due,
            base: number,
            needed,
            cached: None,
            bytes: entry.size,
            tenant,
            priority: entry.priority,
            rest: entry.rest,
            turn,
        };
        self.resting.count(slot.rest, |count| count.saturating_add(1));
        if turn != Turn::Free {
            self.leased = self.leased.saturating_add(1);
        } else if slot.rest == Rest::Active {
            self.waiting.insert(slot.rank(), entry.id);
        }
        self.entries.insert(entry.id, slot);
        freed
    }

    /// Removes an entry with all that it holds. The answer is the bodies that nobody needs any more.
    pub(crate) fn remove(&mut self, id: QueueId) -> Vec<BodyName> {
        let slot = self.entries.remove(&id);
        slot.map_or_else(Vec::new, |slot| self.give_up(id, &slot))
    }

    /// What an entry held is free.
    fn give_up(&mut self, id: QueueId, slot: &Slot) -> Vec<BodyName> {
        self.waiting.remove(slot.rank(), id);
        if slot.turn != Turn::Free {
            self.leased = self.leased.saturating_sub(1);
        }
        slot.cached.into_iter().for_each(|seat| self.cache.forget(seat));
        self.tenants.remove(slot.tenant, slot.bytes);
        self.resting.count(slot.rest, |count| count.saturating_sub(1));
        self.needs.end_newest(slot.base);
        self.needs.remove(&slot.needed)
    }

    /// The same entry, written again as record `number`, with its content where `content` says.
    pub(crate) fn move_to(&mut self, id: QueueId, content: &StoredContent, number: u64, location: Location) {
        let Some(slot) = self.entries.get_mut(&id) else { return };
        let needed = std::mem::replace(
            &mut slot.needed,
            self.needs.add(id, &References::of(content), number, location),
        );
        self.needs.end_newest(std::mem::replace(&mut slot.base, number));
        self.needs.begin_newest(number);
        // It knows its content where it was.
        slot.cached.take().into_iter().for_each(|seat| self.cache.forget(seat));
        // The body files are the same: none of them is freed.
        self.needs.remove(&needed);
    }

    /// Keeps an entry in memory until others push it out; it costs so many bytes.
    pub(crate) fn cache(&mut self, entry: Arc<Entry>, cost: usize) {
        if let Some(slot) = self.entries.get_mut(&entry.id) {
            slot.cached = Some(self.cache.insert(entry, cost));
        }
    }

    /// Lets the oldest of them go until no more bytes are kept; whoever gets them may drop them at leisure.
    pub(crate) fn trim_cache(&mut self, bytes_max: usize, spent: &mut Vec<Arc<Entry>>) {
        self.cache.trim(bytes_max, spent);
    }

    /// Takes the first entry that is due.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Taken> {
        self.now = self.now.max(now);
        if now < self.paused_until {
            return None;
        }
        let id = self.waiting.first_due(now)?;
        self.dequeue(id);
        self.hold(id)
    }

    /// Takes a certain entry, due or not, moving or not, unless someone has it.
    pub(crate) fn take_entry(&mut self, id: QueueId) -> Option<Taken> {
        if self.entries.get(&id)?.turn != Turn::Free {
            return None;
        }
        self.dequeue(id);
        self.hold(id)
    }

    /// A record of a leased entry goes to the committer.
    pub(crate) fn begin_record(&mut self, id: QueueId) {
        if let Some(slot) = self.entries.get_mut(&id) {
            slot.turn = Turn::Recording(Lessee::There);
        }
    }

    /// The committer is through with it.
    pub(crate) fn end_record(&mut self, id: QueueId) {
        let Some(slot) = self.entries.get_mut(&id) else { return };
        match slot.turn {
            Turn::Recording(Lessee::There) => slot.turn = Turn::Leased,
            Turn::Recording(Lessee::Gone) => self.free(id),
            Turn::Free | Turn::Leased => {}
        }
    }

    /// A lease was dropped.
    pub(crate) fn release(&mut self, id: QueueId) {
        let Some(slot) = self.entries.get_mut(&id) else { return };
        match slot.turn {
            Turn::Recording(_) => slot.turn = Turn::Recording(Lessee::Gone),
            Turn::Leased => self.free(id),
            Turn::Free => {}
        }
    }

    /// A lease was given up for someone who remembers the entry: nobody has it, and it is not due until it was leased again.
    pub(crate) fn park(&mut self, id: QueueId) {
        match self.entries.get_mut(&id) {
            Some(slot) if slot.turn == Turn::Leased => {
                slot.turn = Turn::Free;
                self.leased = self.leased.saturating_sub(1);
            }
            // A record of it is still on its way: it comes back by its time.
            _ => self.release(id),
        }
    }

    /// Not before this time, though the log says otherwise: what happened could not be recorded.
    pub(crate) fn postpone(&mut self, id: QueueId, milliseconds: u64) {
        let at = Timestamp(self.now.0.saturating_add(milliseconds));
        if let Some(slot) = self.entries.get_mut(&id).filter(|slot| slot.turn != Turn::Free) {
            slot.due = slot.due.max(at);
        }
    }

    /// Nothing is taken for so long: what became of it could not be recorded either.
    pub(crate) fn pause(&mut self, milliseconds: u64) {
        self.paused_until = Timestamp(self.now.0.saturating_add(milliseconds));
    }

    /// An entry that cannot be read: leased to nobody until the next start.
    pub(crate) fn set_damaged(&mut self, id: QueueId) {
        self.dequeue(id);
        if let Some(slot) = self.entries.get_mut(&id) {
            self.resting.count(slot.rest, |count| count.saturating_sub(1));
            slot.rest = Rest::Damaged;
            self.resting.count(slot.rest, |count| count.saturating_add(1));
        }
        self.release(id);
    }

    /// Whether nobody has an entry.
    pub(crate) fn is_free(&self, id: QueueId) -> bool {
        self.entries.get(&id).is_some_and(|slot| slot.turn == Turn::Free)
    }

    pub(crate) fn contains(&self, id: QueueId) -> bool {
        self.entries.contains_key(&id)
    }

    /// When [`Queue::take`] will have something.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.next_due().map(|due| due.max(self.paused_until))
    }

    /// The record with an entry's newest state.
    pub(crate) fn base(&self, id: QueueId) -> Option<u64> {
        self.entries.get(&id).map(|slot| slot.base)
    }

    /// Entries that need a segment.
    pub(crate) fn dependents(&self, segment: SegmentId) -> Vec<QueueId> {
        let needs =
            |id: &QueueId| self.entries.get(id).is_some_and(|slot| self.needs.depends(&slot.needed, segment));
        self.needs.dependents(segment).into_iter().filter(needs).collect()
    }

    /// An entry that needs a record which is not in the log.
    pub(crate) fn first_incomplete(&self) -> Option<(QueueId, u64)> {
        self.entries.iter().find_map(|(id, slot)| Some((*id, self.needs.missing(&slot.needed)?)))
    }

    /// The counts, except for those of the committer.
    pub(crate) fn counts(&self) -> Counts {
        let segments = self.needs.segments();
        Counts {
            entries: self.entries.len(),
            leased: self.leased,
            quarantined: self.resting.quarantined,
            held: self.resting.held,
            damaged: self.resting.damaged,
            segments: segments.len(),
            log_bytes: segments.values().map(|segment| segment.length).sum(),
            needed_bytes: segments.values().map(|segment| segment.needed).sum(),
            bodies: self.needs.bodies().len(),
            ..Counts::default()
        }
    }

    /// Up to `count` entries behind an id, in the order of arrival.
    pub(crate) fn list(&self, after: Option<QueueId>, count: usize) -> Vec<Summary> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.entries.range((from, Unbounded)).take(count).map(|(id, slot)| self.line(*id, slot)).collect()
    }

    /// One entry.
    pub(crate) fn summary(&self, id: QueueId) -> Option<Summary> {
        self.entries.get(&id).map(|slot| self.line(id, slot))
    }

    fn line(&self, id: QueueId, slot: &Slot) -> Summary {
        Summary { id, tenant: self.tenants.name(slot.tenant), due: slot.due, standing: slot.standing() }
    }

    /// What a tenant has.
    pub(crate) fn tenant_counts(&self, tenant: &str) -> TenantCounts {
        self.tenants.counts(tenant)
    }

    fn hold(&mut self, id: QueueId) -> Option<Taken> {
        let slot = self.entries.get_mut(&id)?;
        slot.turn = Turn::Leased;
        self.leased = self.leased.saturating_add(1);
        let cached = slot.cached.and_then(|seat| self.cache.entry(seat)).cloned();
        Some(Taken { id, cached })
    }

    fn free(&mut self, id: QueueId) {
        if let Some(slot) = self.entries.get_mut(&id) {
            slot.turn = Turn::Free;
            self.leased = self.leased.saturating_sub(1);
            self.enqueue(id);
        }
    }

    fn enqueue(&mut self, id: QueueId) {
        if let Some(slot) = self.entries.get(&id).filter(|slot| slot.rest == Rest::Active) {
            self.waiting.insert(slot.rank(), id);
        }
    }

    fn dequeue(&mut self, id: QueueId) {
        if let Some(slot) = self.entries.get(&id) {
            self.waiting.remove(slot.rank(), id);
        }
    }
}

/// How many entries don't move, kept so that a metric costs no walk over a million of them.
#[derive(Debug, Default)]
struct Resting {
    quarantined: usize,
    held: usize,
    damaged: usize,
}

impl Resting {
    fn count(&mut self, rest: Rest, change: impl Fn(usize) -> usize) {
        match rest {
            Rest::Active => {}
            Rest::Quarantined => self.quarantined = change(self.quarantined),
            Rest::Held => self.held = change(self.held),
            Rest::Damaged => self.damaged = change(self.damaged),
        }
    }
}

impl Slot {
    fn rank(&self) -> Rank {
        Rank { priority: self.priority, due: self.due }
    }

    fn standing(&self) -> Standing {
        match (self.turn, self.rest) {
            (Turn::Leased | Turn::Recording(_), _) => Standing::Leased,
            (Turn::Free, Rest::Active) => Standing::Waiting,
            (Turn::Free, Rest::Quarantined) => Standing::Quarantined,
            (Turn::Free, Rest::Held) => Standing::Held,
            (Turn::Free, Rest::Damaged) => Standing::Damaged,
        }
    }
}

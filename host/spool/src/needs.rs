//! The account of what is still needed: records by the entries that refer to them, segments by their records, body files.
//!
//! Compaction goes by it: a segment of which nothing is needed can be deleted, one of which little is needed is worth
//! copying. Leaves out: entries themselves ([`crate::queue`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::body::BodyName;
use crate::entry::QueueId;
use crate::outline::References;
use crate::record::Bits;
use crate::segment::{Location, SegmentId, kept_place};

#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// In order, because numbers grow: a record comes in at the end, and no table is ever laid out anew.
    records: BTreeMap<u64, RecordUse>,
    /// During a start: records of kept segments that nobody was seen to need yet.
    spare: HashMap<u64, Location>,
    segments: BTreeMap<SegmentId, SegmentUse>,
    bodies: HashMap<BodyName, u32>,
}

#[derive(Debug, Clone, Copy)]
struct RecordUse {
    location: Location,
    entries: u32,
}

/// What is known of a segment.
#[derive(Debug)]
pub(crate) struct SegmentUse {
    salt: u64,
    /// Bytes of records.
    pub(crate) length: u64,
    /// Bytes of records that some entry needs.
    pub(crate) needed: u64,
    /// Entries that came to need it; some don't any more.
    dependents: Vec<QueueId>,
    /// Of a kept one: which of its records are the newest of their entries.
    pub(crate) newest: Bits,
}

/// What one entry needs.
#[derive(Debug)]
pub(crate) struct Needed {
    /// The record with its newest state.
    base: u64,
    /// Those that its content is in besides; mostly none.
    others: Box<[u64]>,
    bodies: Box<[BodyName]>,
}

impl Needs {
    pub(crate) fn add_segment(&mut self, id: SegmentId, salt: u64) {
        let fresh =
            SegmentUse { salt, length: 0, needed: 0, dependents: Vec::new(), newest: Bits::default() };
        self.segments.insert(id, fresh);
    }

    pub(crate) fn remove_segment(&mut self, id: SegmentId) {
        self.segments.remove(&id);
    }

    /// A record of a kept segment that somebody may turn out to need.
    pub(crate) fn add_spare(&mut self, number: u64, location: Location) {
        self.spare.insert(number, location);
    }

    /// The start is over.
    pub(crate) fn drop_spare(&mut self) {
        self.spare = HashMap::new();
    }

    /// A record becomes the newest of its entry.
    pub(crate) fn begin_newest(&mut self, number: u64) {
        if let Some((id, place)) = kept_place(number)
            && let Some(segment) = self.segments.get_mut(&id)
        {
            segment.newest.insert(place);
        }
    }

    /// A record is no longer the newest of its entry, or the entry is done.
    pub(crate) fn end_newest(&mut self, number: u64) {
        if let Some((id, place)) = kept_place(number)
            && let Some(segment) = self.segments.get_mut(&id)
        {
            segment.newest.remove(place);
        }
    }

    /// Notes that a record is in its segment, whether or not anything needs it.
    pub(crate) fn add_record(&mut self, location: &Location) {
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.length = segment.length.saturating_add(location.length());
        }
    }

    /// An entry comes to need its newest record, `number`, and what its content refers to.
    pub(crate) fn add(
        &mut self,
        id: QueueId,
        refers: &References,
        number: u64,
        location: Location,
    ) -> Needed {
        self.records.entry(number).or_insert(RecordUse { location, entries: 0 });
        let others: Box<[u64]> = refers.records.iter().copied().filter(|record| *record != number).collect();
        self.add_use(number, id);
        for record in &others {
            self.add_use(*record, id);
        }
        let bodies: Box<[BodyName]> = refers.bodies.iter().map(|body| body.name).collect();
        for body in &bodies {
            let uses = self.bodies.entry(*body).or_insert(0);
            *uses = uses.saturating_add(1);
        }
        Needed { base: number, others, bodies }
    }

    /// An entry needs these no more; the answer is the bodies that nobody needs now.
    pub(crate) fn remove(&mut self, needed: &Needed) -> Vec<BodyName> {
        for record in needed.records() {
            self.remove_use(record);
        }
        let mut freed = Vec::new();
        for body in &needed.bodies {
            let uses = self.bodies.get(body).map_or(0, |uses| uses.saturating_sub(1));
            if uses == 0 {
                self.bodies.remove(body);
                freed.push(*body);
            } else {
                self.bodies.insert(*body, uses);
            }
        }
        freed
    }

    pub(crate) fn segments(&self) -> &BTreeMap<SegmentId, SegmentUse> {
        &self.segments
    }

    /// Where a needed record is, and the salt of its segment.
    pub(crate) fn location(&self, number: u64) -> Option<(Location, u64)> {
        let location = self.records.get(&number)?.location;
        Some((location, self.segments.get(&location.segment)?.salt))
    }

    /// Whether an entry needs a segment.
    pub(crate) fn depends(&self, needed: &Needed, id: SegmentId) -> bool {
        let inside = |number| self.records.get(&number).is_some_and(|used| used.location.segment == id);
        needed.records().any(inside)
    }

    /// A record that an entry needs and the log doesn't have.
    pub(crate) fn missing(&self, needed: &Needed) -> Option<u64> {
        needed.records().find(|number| !self.records.contains_key(number))
    }

    /// Entries that may need a segment.
    pub(crate) fn dependents(&self, id: SegmentId) -> BTreeSet<QueueId> {
        self.segments.get(&id).map(|segment| segment.dependents.iter().copied().collect()).unwrap_or_default()
    }

    /// Body files that entries refer to.
    pub(crate) fn bodies(&self) -> impl ExactSizeIterator<Item = BodyName> {
        self.bodies.keys().copied()
    }

    fn add_use(&mut self, number: u64, id: QueueId) {
        if let Some(location) = self.spare.remove(&number) {
            self.records.entry(number).or_insert(RecordUse { location, entries: 0 });
        }
        let Some(used) = self.records.get_mut(&number) else { return };
        used.entries = used.entries.saturating_add(1);
        let Some(segment) = self.segments.get_mut(&used.location.segment) else { return };
        if used.entries == 1 {
            segment.needed = segment.needed.saturating_add(used.location.length());
        }
        segment.dependents.push(id);
    }

    fn remove_use(&mut self, number: u64) {
        let Some(used) = self.records.get_mut(&number) else { return };
        used.entries = used.entries.saturating_sub(1);
        if used.entries > 0 {
            return;
        }
        let location = used.location;
        self.records.remove(&number);
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.needed = segment.needed.saturating_sub(location.length());
            if segment.needed == 0 {
                segment.dependents = Vec::new();
            }
        }
    }
}

impl Needed {
    fn records(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.base).chain(self.others.iter().copied())
    }
}

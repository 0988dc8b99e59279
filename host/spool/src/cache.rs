//! Fresh entries, so that their first lease reads nothing: the oldest give way.
//!
//! A seat is the number of the entry's line, so neither finding an entry nor letting the oldest go touches anything else:
//! the queue holds a million entries, of which the oldest lines' lie anywhere in memory. Lines of entries that moved on stay
//! until they come to the front; they count all the same, so the bound holds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::Entry;

#[derive(Debug, Default)]
pub(crate) struct Cache {
    lines: VecDeque<Line>,
    /// Number of the line in front.
    front: u64,
    bytes: usize,
}

/// Where an entry is, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(u64);

#[derive(Debug)]
struct Line {
    entry: Option<Arc<Entry>>,
    cost: usize,
}

impl Cache {
    pub(crate) fn insert(&mut self, entry: Arc<Entry>, cost: usize) -> Seat {
        let seat = self.front.saturating_add(u64::try_from(self.lines.len()).unwrap_or(u64::MAX));
        self.lines.push_back(Line { entry: Some(entry), cost });
        self.bytes = self.bytes.saturating_add(cost);
        Seat(seat)
    }

    /// The entry, if it is still there.
    pub(crate) fn entry(&self, seat: Seat) -> Option<&Arc<Entry>> {
        self.lines.get(self.place(seat)?)?.entry.as_ref()
    }

    /// The entry moved on.
    pub(crate) fn forget(&mut self, seat: Seat) {
        if let Some(line) = self.place(seat).and_then(|place| self.lines.get_mut(place)) {
            line.entry = None;
        }
    }

    /// Takes the oldest out until the rest has its place, and hands them to whoever has time to drop them.
    pub(crate) fn trim(&mut self, bytes_max: usize, spent: &mut Vec<Arc<Entry>>) {
        while self.bytes > bytes_max
            && let Some(line) = self.lines.pop_front()
        {
            self.front = self.front.saturating_add(1);
            self.bytes = self.bytes.saturating_sub(line.cost);
            spent.extend(line.entry);
        }
    }

    fn place(&self, seat: Seat) -> Option<usize> {
        usize::try_from(seat.0.checked_sub(self.front)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use smtp::{Envelope, Ingress, Timestamp};

    use super::*;
    use crate::content::StoredContent;
    use crate::entry::{EntryState, NewEntry, QueueId, Scores, Variables};
    use crate::stage::{StageName, StagePointer};

    fn entry(number: u128) -> Arc<Entry> {
        let new = NewEntry {
            id: QueueId::from_number(number),
            parent: None,
            maker: None,
            ingress: Ingress::Smtp,
            arrived: Timestamp(0),
            facts: None,
            tenant: "t".to_owned(),
            envelope: Envelope::default(),
            content: Vec::new(),
            variables: Variables::default(),
            scores: Scores::default(),
            stage: StagePointer::at(StageName::Submission),
            due: Timestamp(0),
            state: EntryState::Active,
        };
        Arc::new(new.into_entry(StoredContent::default()))
    }

    #[test]
    fn the_oldest_give_way_and_nobody_is_taken_for_another() {
        let mut cache = Cache::default();
        let seats: Vec<Seat> = (0..5).map(|number| cache.insert(entry(number), 10)).collect();
        let mut spent = Vec::new();
        cache.trim(25, &mut spent);
        assert_eq!(spent.iter().map(|entry| entry.id.number()).collect::<Vec<_>>(), [0, 1, 2]);
        let found = |cache: &Cache, seat| cache.entry(seat).map(|entry| entry.id.number());
        let all: Vec<_> = seats.iter().map(|seat| found(&cache, *seat)).collect();
        assert_eq!(all, [None, None, None, Some(3), Some(4)]);
    }

    #[test]
    fn one_that_moved_on_is_gone_at_once_and_its_room_when_its_turn_comes() {
        let mut cache = Cache::default();
        let (first, second) = (cache.insert(entry(1), 10), cache.insert(entry(2), 10));
        cache.forget(first);
        assert!(cache.entry(first).is_none() && cache.entry(second).is_some());
        let mut spent = Vec::new();
        cache.trim(10, &mut spent);
        assert!(spent.is_empty() && cache.bytes == 10);
    }
}

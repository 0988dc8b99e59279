//! Giving space back: the log from its oldest segment forward, old entries by generations.
//!
//! What is done leaves whole segments that nothing needs. Where a few entries stay behind in many segments, they are written
//! again, once, into a kept segment, away from the young ones, so that the next round does not meet them again: with one
//! entry in a hundred staying for days, an entry is copied some two times in its life instead of each time that the log
//! turned over. A kept segment is begun with when the plan ([`crate::plan`]) says so, filled a little at a time between
//! batches, so accepts never wait long for it, and counts from the moment at which it has its name. Its checkpoint says what
//! the spool consists of from then on: a segment that is missing without one is an error at the next start, never less
//! mail; one that is there without being listed is removed. So nothing that was done can come back, though segments of old
//! entries go in any order. Runs on the committer's thread, because only the committer writes.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering;

use crate::committer::Committer;
use crate::entry::QueueId;
use crate::error::is_full;
use crate::keep::{Copied, Keep};
use crate::plan::Plan;
use crate::record::{Checkpoint, KeptSegment};
use crate::segment::{SegmentId, SegmentWriter, kept_place};
use crate::settle;

/// What is under way between batches.
#[derive(Debug)]
pub(crate) struct Cleaning {
    keep: Option<Keep>,
    /// Sequence of the next kept segment.
    next: u64,
    /// After an error: nothing is tried before this record.
    again_at: u64,
    /// If nothing could be emptied (entries were leased): nothing is copied before this record.
    copy_again_at: u64,
}

/// Records after which it is tried again.
const AGAIN_AFTER: u64 = 256;

/// What a kept segment changes when it counts.
struct Turn {
    moved: Vec<Copied>,
    dropped: Vec<SegmentId>,
    checkpoint: Checkpoint,
}

impl Cleaning {
    /// Nothing is under way; `next` is the sequence of the next kept segment.
    pub(crate) fn new(next: u64) -> Self {
        Self { keep: None, next, again_at: 0, copy_again_at: 0 }
    }
}

impl Committer {
    /// Whether a copy is under way that needs no new batch to go on.
    pub(crate) fn has_work(&self) -> bool {
        self.cleaning.keep.is_some() && !self.shared.is_poisoned()
    }

    /// One step.
    pub(crate) fn tend(&mut self) {
        if self.shared.is_poisoned() {
            return;
        }
        match self.cleaning.keep.take() {
            Some(keep) => self.go_on(keep),
            None => self.begin(),
        }
    }

    fn begin(&mut self) {
        if self.next < self.cleaning.again_at {
            return;
        }
        let active = self.writer.preamble.id;
        let is_full = self.is_full();
        let plan = if is_full || self.next < self.cleaning.copy_again_at {
            Plan::of_empty_segments(&self.shared.queue(), active)
        } else {
            Plan::of(&self.shared.queue(), active, &self.shared.settings)
        };
        let Some(plan) = plan else { return };
        if is_full {
            // It gives back more than it takes.
            return self.with_reserve_lent(|committer| committer.begin_with(plan));
        }
        self.begin_with(plan);
    }

    fn begin_with(&mut self, plan: Plan) {
        match Keep::begin(&self.shared, self.spool, self.cleaning.next, plan) {
            Ok(keep) => self.go_on(keep),
            Err(error) => self.pause(&error),
        }
    }

    fn go_on(&mut self, mut keep: Keep) {
        if let Err(error) = keep.copy_some(&self.shared) {
            self.abandon(&keep);
            return self.pause(&error);
        }
        if keep.has_more() {
            self.cleaning.keep = Some(keep);
        } else {
            self.finish(keep);
        }
    }

    /// Makes the kept segment count, then deletes what it replaces.
    fn finish(&mut self, mut keep: Keep) {
        // Taken like a lease, so that nobody works on the state that is about to move.
        let (moved, rest): (Vec<Copied>, Vec<Copied>) =
            keep.take_copies().into_iter().partition(|copied| self.take(copied));
        let turn = self.turn(&keep, moved);
        if turn.moved.is_empty() && turn.dropped.is_empty() {
            self.abandon(&keep);
            return self.copy_later();
        }
        match keep.end(&turn.checkpoint) {
            Ok(()) => self.apply_turn(&keep.writer, &turn, &rest),
            Err(error) => {
                turn.moved.iter().for_each(|copied| self.give_back(copied.id));
                self.abandon(&keep);
                self.pause(&error);
            }
        }
    }

    /// Whether a copy is still the newest state and nobody has the entry; then we have it.
    fn take(&self, copied: &Copied) -> bool {
        let mut queue = self.shared.queue();
        queue.base(copied.id) == Some(copied.from) && queue.take_entry(copied.id).is_some()
    }

    /// What the spool consists of once the copies count.
    fn turn(&self, keep: &Keep, moved: Vec<Copied>) -> Turn {
        let active = self.writer.preamble.id;
        let ids: HashSet<QueueId> = moved.iter().map(|copied| copied.id).collect();
        let queue = self.shared.queue();
        let segments = queue.needs.segments();
        let emptied = |id: SegmentId| {
            segments.get(&id).is_some_and(|used| used.needed == 0)
                || keep.victims.contains(&id) && queue.dependents(id).iter().all(|entry| ids.contains(entry))
        };
        let log = segments.keys().copied().filter(|id| matches!(id, SegmentId::Log(_)));
        let mut dropped: Vec<SegmentId> = log.take_while(|id| *id < active && emptied(*id)).collect();
        let oldest = dropped.last().map(|last| last.next());
        let oldest = oldest.or_else(|| segments.keys().next().copied()).unwrap_or(active).sequence();
        let mut kept = Vec::new();
        for (id, used) in segments {
            let SegmentId::Kept(sequence) = *id else { continue };
            if emptied(*id) {
                dropped.push(*id);
                continue;
            }
            let mut newest = used.newest.clone();
            let places = moved.iter().filter_map(|copied| kept_place(copied.from));
            places.filter(|(segment, _)| segment == id).for_each(|(_, place)| newest.remove(place));
            kept.push(KeptSegment { sequence, newest });
        }
        let mut newest = crate::record::Bits::default();
        let places = moved.iter().filter_map(|copied| kept_place(copied.number));
        places.for_each(|(_, place)| newest.insert(place));
        kept.push(KeptSegment { sequence: keep.writer.preamble.id.sequence(), newest });
        Turn { moved, dropped, checkpoint: Checkpoint { as_of: self.next, oldest, kept } }
    }

    /// The kept segment is whole: gives it its name, and makes true in memory what it says.
    fn apply_turn(&mut self, writer: &SegmentWriter, turn: &Turn, rest: &[Copied]) {
        let shared = self.shared.clone();
        let id = writer.preamble.id;
        if let Err(error) = shared.disk.rename(&shared.paths.segment_new(id), &shared.paths.segment(id)) {
            self.poison("name a kept segment", &error);
            return;
        }
        if let Err(error) = shared.disk.sync_directory(&shared.paths.segments) {
            self.poison("sync the segments' directory", &error);
            return;
        }
        settle::index(shared.disk.as_ref(), &shared.paths, id, &writer.index);
        self.cleaning.next = self.cleaning.next.saturating_add(1);
        let mut queue = shared.queue();
        queue.needs.add_segment(id, writer.preamble.salt);
        for copied in turn.moved.iter().chain(rest) {
            queue.needs.add_record(&copied.location);
        }
        for copied in &turn.moved {
            queue.move_to(copied.id, &copied.content, copied.number, copied.location);
            queue.release(copied.id);
        }
        turn.dropped.iter().for_each(|segment| queue.needs.remove_segment(*segment));
        drop(queue);
        shared.changed.notify_waiters();
        shared.tally.copied.fetch_add(u64::try_from(turn.moved.len()).unwrap_or(0), Ordering::Relaxed);
        shared.tally.kept_bytes.fetch_add(writer.synced, Ordering::Relaxed);
        if turn.dropped.is_empty() {
            self.copy_later();
        }
        self.delete(&turn.dropped);
    }

    fn delete(&mut self, dropped: &[SegmentId]) {
        let shared = self.shared.clone();
        for id in dropped {
            shared.forget_file(*id);
            let path = shared.paths.segment(*id);
            if let Err(error) = shared.disk.unlink(&path) {
                tracing::warn!(path = %path.display(), %error, "a segment could not be deleted; the next start will");
            }
            shared.remove_index(*id);
        }
        if let Err(error) = shared.disk.sync_directory(&shared.paths.segments) {
            self.poison("sync the segments' directory", &error);
        }
    }

    /// Nothing relies on a kept segment before it has its name.
    fn abandon(&self, keep: &Keep) {
        let path = self.shared.paths.segment_new(keep.writer.preamble.id);
        if let Err(error) = self.shared.disk.unlink(&path) {
            tracing::warn!(path = %path.display(), %error, "a half made segment could not be deleted");
        }
    }

    fn pause(&mut self, error: &io::Error) {
        if is_full(error) {
            tracing::warn!(%error, "the spool's disk is full: compaction pauses");
        } else {
            tracing::error!(%error, "compaction pauses");
        }
        self.cleaning.again_at = self.next.saturating_add(AGAIN_AFTER);
    }

    fn copy_later(&mut self) {
        self.cleaning.copy_again_at = self.next.saturating_add(AGAIN_AFTER);
    }
}

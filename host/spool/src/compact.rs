//! Giving space back, from the oldest segment forward.
//!
//! Segments go strictly in order: a record that ends an entry never goes before the one that began it, so nothing that was
//! done can come back. A segment that nothing needs is deleted. When more than half of the log is garbage, what is still
//! needed of the oldest segment is written again at the end of the log, a little at a time between batches, so accepts
//! never wait long for it. Deletion is announced by a record first: a segment that is missing without one is an error at the
//! next start, never less mail. Runs on the committer's thread, because only the committer writes.

use std::collections::VecDeque;

use crate::change::Change;
use crate::committer::Committer;
use crate::content::{ContentPiece, Place};
use crate::entry::QueueId;
use crate::error::ReadError;
use crate::load;
use crate::record::{Draft, Kind, Oldest};

/// What is under way between batches.
#[derive(Debug, Default)]
pub(crate) struct Cleaning {
    /// Entries of the oldest segment that are still to be copied.
    rest: VecDeque<QueueId>,
    /// The segment that was last begun with.
    segment: u64,
    /// If it could not be emptied (its entries were leased), it is begun with again from this record on.
    again_at: u64,
}

/// Bytes that are copied between two batches: a few milliseconds of a slow disk.
const COPY_BYTES_MAX: u64 = 1 << 20;
/// Records after which a segment that could not be emptied is tried again.
const AGAIN_AFTER: u64 = 256;

impl Committer {
    /// Whether a copy is under way that needs no new batch to go on.
    pub(crate) fn has_work(&self) -> bool {
        !self.cleaning.rest.is_empty() && !self.shared.is_poisoned()
    }

    /// One step.
    pub(crate) fn tend(&mut self) {
        if self.shared.is_poisoned() {
            return;
        }
        self.copy_some();
        self.delete_prefix();
        if self.cleaning.rest.is_empty() {
            self.begin_cleaning();
        }
    }

    /// Deletes the segments at the front that nothing needs.
    fn delete_prefix(&mut self) {
        let active = self.writer.preamble.sequence;
        let (gone, oldest) = {
            let queue = self.shared.queue();
            let segments = queue.needs.segments();
            let gone: Vec<u64> = segments
                .iter()
                .take_while(|(at, used)| **at < active && used.needed == 0)
                .map(|(at, _)| *at)
                .collect();
            let oldest = gone.last().map_or(active, |last| last.saturating_add(1));
            (gone, oldest)
        };
        if gone.is_empty() {
            return;
        }
        self.cleaning.rest.clear();
        let Some(record) = Draft::new(Kind::Oldest, &Oldest { sequence: oldest }, Vec::new()) else { return };
        let Ok(stored) = self.store(std::iter::once(&record)) else { return };
        let shared = self.shared.clone();
        let mut queue = shared.queue();
        stored.locations.iter().for_each(|location| queue.needs.add_record(location));
        gone.iter().for_each(|sequence| queue.needs.remove_segment(*sequence));
        drop(queue);
        for sequence in gone {
            shared.forget_file(sequence);
            let path = shared.paths.segment(sequence);
            if let Err(error) = shared.disk.unlink(&path) {
                tracing::warn!(path = %path.display(), %error, "a segment could not be deleted; the next start will");
            }
        }
        if let Err(error) = shared.disk.sync_directory(&shared.paths.segments) {
            self.poison("sync the segments' directory", &error);
        }
    }

    /// Plans the copies if more than half of the log is garbage.
    fn begin_cleaning(&mut self) {
        let queue = self.shared.queue();
        let segments = queue.needs.segments();
        let Some(oldest) = segments.keys().next().copied().filter(|at| *at < self.writer.preamble.sequence)
        else {
            return;
        };
        if oldest == self.cleaning.segment && self.next < self.cleaning.again_at {
            return;
        }
        let length: u64 = segments.values().map(|used| used.length).sum();
        let needed: u64 = segments.values().map(|used| used.needed).sum();
        if needed.saturating_mul(2) < length {
            self.cleaning.rest = queue.dependents(oldest).into();
            self.cleaning.segment = oldest;
            self.cleaning.again_at = self.next.saturating_add(AGAIN_AFTER);
        }
    }

    fn copy_some(&mut self) {
        let mut changes = Vec::new();
        let mut bytes = 0_u64;
        while bytes < COPY_BYTES_MAX
            && let Some(id) = self.cleaning.rest.pop_front()
        {
            // Taken like a lease, so that nobody works on the state that is about to move.
            if self.shared.queue().take_entry(id).is_none() {
                continue;
            }
            match self.copy_of(id) {
                Ok(change) => {
                    bytes = bytes.saturating_add(change.draft.length());
                    changes.push(change);
                }
                Err(error) => {
                    tracing::error!(entry = %id, %error, "an entry cannot be copied; its segment stays");
                    self.give_back(id);
                }
            }
        }
        let ids: Vec<QueueId> = changes.iter().filter_map(|change| change.subject).collect();
        if let Err(error) = self.record(changes) {
            tracing::warn!(%error, "compaction pauses");
            self.cleaning.rest.clear();
        }
        ids.into_iter().for_each(|id| self.give_back(id));
    }

    fn copy_of(&self, id: QueueId) -> Result<Change, ReadError> {
        let entry = self.shared.read_entry(id)?;
        let mut pieces = Vec::new();
        let mut at = 0_u64;
        for piece in entry.content.pieces() {
            let range = at..at.saturating_add(piece.length);
            at = range.end;
            pieces.push(match piece.place {
                Place::Body(_) => ContentPiece::Original(range),
                Place::Here | Place::Record(_) => {
                    ContentPiece::Inline(load::read(&self.shared, &entry.content, &range)?)
                }
            });
        }
        Change::copy(entry, pieces, &self.shared.settings).map_err(|_| ReadError::Gone)
    }
}

//! Room in the log for records of delivery while the disk is full.
//!
//! Blocks behind the end of the active segment are allocated ahead without changing its length, so no body, no mailbox and
//! no other process can take them. What is accepted leaves [`crate::Settings::reserve_bytes`] of them; what became of an entry
//! may use them. So a delivery that was made can be recorded, and is not made again, on a disk that has no room for more mail.
//! When even they are used up, records of delivery are refused before anything is written, and no entry is leased for a
//! moment. Where a file system cannot allocate ahead, there is no reserve, and the write itself finds out.

use std::io;

use crate::committer::{Committer, REFUSED_WAIT_MILLISECONDS};
use crate::disk::DiskFile;
use crate::error::{CommitError, is_full};
use crate::request::Request;
use crate::segment::FIRST_OFFSET;

/// What is allocated ahead in the active segment.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// Up to this offset blocks are ours; the end of all offsets where the file system cannot say.
    end: u64,
    mood: Mood,
}

/// What the log was last told about room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Roomy,
    Full,
}

impl Reserve {
    /// The blocks are gone: the file was cut, or is another one.
    pub(crate) fn lose(&mut self) {
        self.end = 0;
    }
}

impl Committer {
    /// Of a batch, what there is room for; whoever brought the rest is told that the disk is full, and nothing of it is written.
    pub(crate) fn make_room(&mut self, batch: Vec<Request>) -> Vec<Request> {
        if self.shared.is_poisoned() {
            return batch;
        }
        let bytes = batch.iter().map(|request| request.change.draft.length()).sum();
        // An error poisons, and the batch hears of it; a full disk leaves the old segment, whose reserve is still there.
        let _ = self.rotate_before(bytes);
        let mood = self.allocate(bytes);
        self.note(mood);
        if mood == Mood::Roomy {
            return batch;
        }
        let mut left = self.reserve.end.saturating_sub(self.writer.synced);
        let mut taken = Vec::new();
        for request in batch {
            let length = request.change.draft.length();
            // A record about an entry that is there: what became of it.
            if request.change.subject.is_some() && length <= left {
                left -= length;
                taken.push(request);
            } else {
                if request.change.subject.is_some() {
                    self.shared.queue().pause(REFUSED_WAIT_MILLISECONDS);
                }
                self.refuse([request.change.as_ref()], &CommitError::Full);
                request.refuse(CommitError::Full);
            }
        }
        taken
    }

    /// Whether the disk had no room for the last batch.
    pub(crate) fn is_full(&self) -> bool {
        self.reserve.mood == Mood::Full
    }

    /// Does something that gives room back but needs some first.
    pub(crate) fn with_reserve_lent(&mut self, work: impl FnOnce(&mut Self)) {
        if let Err(error) = self.cut() {
            self.poison("lend the reserve", &error);
            return;
        }
        work(self);
        if !self.shared.is_poisoned() {
            self.fill_reserve();
        }
    }

    /// Allocates what the log will need first: a start on a full disk finds the reserve of the run before.
    pub(crate) fn fill_reserve(&mut self) {
        let mood = self.allocate(0);
        self.note(mood);
    }

    /// Whether trying to begin a segment may work: each try on a full disk would cost syncs.
    pub(crate) fn has_room_for_a_segment(&self) -> bool {
        let space = self.shared.disk.space(&self.shared.paths.segments);
        space.map_or(true, |space| space.bytes_free >= self.shared.settings.reserve_bytes)
    }

    /// A new segment begins with its reserve, or is not begun.
    pub(crate) fn begin_reserve(&self, file: &dyn DiskFile) -> io::Result<Reserve> {
        let bytes = self.shared.settings.reserve_bytes;
        let end = match file.allocate(FIRST_OFFSET, bytes) {
            Ok(()) => FIRST_OFFSET.saturating_add(bytes),
            Err(error) if is_full(&error) => return Err(error),
            Err(_) => u64::MAX,
        };
        Ok(Reserve { end, mood: self.reserve.mood })
    }

    /// Whether so many bytes fit, with the reserve behind them.
    fn allocate(&mut self, bytes: u64) -> Mood {
        let reserve = self.shared.settings.reserve_bytes;
        let needed = self.writer.synced.saturating_add(bytes).saturating_add(reserve);
        if needed <= self.reserve.end {
            return Mood::Roomy;
        }
        // A reserve more than needed, so that not every batch asks.
        for end in [needed.saturating_add(reserve), needed] {
            match self.writer.file.allocate(self.writer.synced, end.saturating_sub(self.writer.synced)) {
                Ok(()) => {
                    self.reserve.end = end;
                    return Mood::Roomy;
                }
                Err(error) if is_full(&error) => {}
                Err(error) => {
                    tracing::debug!(%error, "the file system allocates nothing ahead: a full disk may refuse records of delivery");
                    self.reserve.end = u64::MAX;
                    return Mood::Roomy;
                }
            }
        }
        Mood::Full
    }

    /// One line when the disk fills, one when it has room.
    fn note(&mut self, mood: Mood) {
        if mood == self.reserve.mood {
            return;
        }
        self.reserve.mood = mood;
        let reserve_bytes = self.reserve.end.saturating_sub(self.writer.synced);
        match mood {
            Mood::Full => tracing::warn!(
                reserve_bytes,
                "the spool's disk is full: only what becomes of entries is recorded"
            ),
            Mood::Roomy => tracing::info!("the spool's disk has room again"),
        }
    }
}

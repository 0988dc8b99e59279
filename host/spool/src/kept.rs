//! Reading kept segments at a start: what the newest one's checkpoint lists, and nothing else.
//!
//! A kept segment got its name when it was whole, so any damage in one is rot. They are read before the log: what the log said
//! of their entries before the checkpoint is outdated, whatever is left of it.

use crate::entry::QueueId;
use crate::error::OpenError;
use crate::index::Said;
use crate::listing::Listing;
use crate::record::{Bits, Checkpoint, Kind};
use crate::recover::Start;
use crate::scan::Tail;
use crate::segment::{SegmentId, kept_place};

impl Start<'_> {
    /// Reads the kept segments that count.
    pub(crate) fn read_kept(&mut self, listing: &Listing) -> Result<(), OpenError> {
        let Some(newest) = listing.kept.last().copied() else { return Ok(()) };
        let checkpoint = self.checkpoint(SegmentId::Kept(newest))?;
        (self.oldest, self.as_of) = (checkpoint.oldest, checkpoint.as_of);
        let listed = |sequence: &u64| checkpoint.kept.iter().any(|kept| kept.sequence == *sequence);
        let gone = listing.kept.iter().filter(|sequence| !listed(sequence));
        self.garbage.extend(gone.map(|sequence| self.paths.segment(SegmentId::Kept(*sequence))));
        for kept in &checkpoint.kept {
            let id = SegmentId::Kept(kept.sequence);
            if !listing.kept.contains(&kept.sequence) {
                let what =
                    format!("the kept segment {newest:016x} says that entries are in it; restore the file");
                return Err(OpenError::Missing { path: self.paths.segment(id), what });
            }
            self.read_kept_segment(id, &kept.newest)?;
        }
        Ok(())
    }

    /// Whether a record of the log says something that was before what a kept segment says of the entry.
    pub(crate) fn is_outdated(&self, id: QueueId, number: u64) -> bool {
        number < self.as_of && self.queue.base(id).is_some_and(|base| kept_place(base).is_some())
    }

    /// What the newest kept segment says of all.
    fn checkpoint(&mut self, id: SegmentId) -> Result<Checkpoint, OpenError> {
        let scan = self.open_segment(id)?;
        let path = scan.path().clone();
        let mut checkpoint = None;
        scan.run(Tail::Sealed, |found| {
            if found.header.kind == Kind::Checkpoint {
                checkpoint = serde_json::from_slice(&found.metadata).ok();
            }
            Ok(())
        })?;
        let what = "the segment has no checkpoint that can be read".to_owned();
        checkpoint.ok_or(OpenError::Damaged { path, offset: 0, what })
    }

    fn read_kept_segment(&mut self, id: SegmentId, newest: &Bits) -> Result<(), OpenError> {
        self.recovery.segments = self.recovery.segments.saturating_add(1);
        let scan = self.open_segment(id)?;
        let replay = |start: &mut Self, said: Said<'_>| start.replay_kept(&said, newest);
        self.replay_segment(scan, Tail::Sealed, replay)?;
        Ok(())
    }

    fn replay_kept(&mut self, said: &Said<'_>, newest: &Bits) -> Result<(), String> {
        self.recovery.records = self.recovery.records.saturating_add(1);
        match said.kind {
            Kind::Seal | Kind::Checkpoint => Ok(()),
            Kind::Copy => {
                self.queue.needs.add_record(&said.location);
                self.queue.needs.add_spare(said.number, said.location);
                if kept_place(said.number).is_some_and(|(_, place)| newest.contains(place)) {
                    said.entries.iter().for_each(|entry| self.put(entry, said.number, said.location));
                }
                Ok(())
            }
            Kind::Accept | Kind::Stage | Kind::Attempt | Kind::Done => {
                Err("a record is one of the log".to_owned())
            }
        }
    }
}

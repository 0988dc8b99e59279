//! The active segment's end: what goes past it begins the next one, and a seal says so.
//!
//! A disk that is full when a segment ends does not stop the log: the old segment stays the active one.

use std::io;

use crate::committer::Committer;
use crate::error::{CommitError, is_full};
use crate::record::{Draft, Kind, Seal, SealReason};
use crate::segment::{FIRST_OFFSET, Preamble, SegmentWriter};
use crate::settle;

impl Committer {
    /// Goes on in a new segment if so many bytes are too many for this one.
    pub(crate) fn rotate_before(&mut self, bytes: u64) -> Result<(), CommitError> {
        let end = self.writer.synced.saturating_add(bytes);
        if end > self.shared.settings.segment_bytes_max && self.writer.synced > FIRST_OFFSET {
            self.rotate()?;
        }
        Ok(())
    }

    /// Takes what was half written off again, and with it what was allocated ahead.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        self.reserve.lose();
        self.writer.cut()
    }

    /// Goes on in a new segment. The new one is durable before the old one's seal says that it exists; nothing is written
    /// to the new one before the seal is durable.
    fn rotate(&mut self) -> Result<(), CommitError> {
        let shared = self.shared.clone();
        let preamble = Preamble {
            spool: self.spool,
            id: self.writer.preamble.id.next(),
            first: self.next.saturating_add(1),
            salt: shared.disk.salt(),
        };
        if !self.has_room_for_a_segment() {
            return Err(CommitError::Full);
        }
        let writer = match SegmentWriter::create(shared.disk.as_ref(), &shared.paths, preamble) {
            Ok(writer) => writer,
            Err(error) if is_full(&error) => return Err(CommitError::Full),
            Err(error) => return Err(self.poison("create a segment", &error)),
        };
        let Ok(reserve) = self.begin_reserve(writer.file.as_ref()) else { return Err(CommitError::Full) };
        // Without room for the seal the old segment stays the one that is written to: the blank one is made anew next time.
        self.seal(SealReason::Rotated)?;
        shared.queue().needs.add_segment(preamble.id, preamble.salt);
        let sealed = std::mem::replace(&mut self.writer, writer);
        self.reserve = reserve;
        // What is not given back now is given back with the whole segment.
        let _ = sealed.file.truncate(sealed.synced);
        settle::index(shared.disk.as_ref(), &shared.paths, sealed.preamble.id, &sealed.index);
        Ok(())
    }

    /// Marks the end of what was acknowledged. A seal that fails poisons like any record, unless the disk is only full.
    pub(crate) fn seal(&mut self, why: SealReason) -> Result<(), CommitError> {
        if self.shared.is_poisoned() {
            return Err(CommitError::Poisoned);
        }
        let seal = Draft::of_segments(Kind::Seal, &Seal { why });
        let seal = seal.ok_or(CommitError::TooLarge("record_bytes_max"))?;
        match self.writer.append(std::iter::once(&seal), self.next) {
            Ok(_) => {}
            Err(error) if is_full(&error) && self.cut().is_ok() => {
                tracing::warn!(%error, "the spool's disk is full");
                return Err(CommitError::Full);
            }
            Err(error) => return Err(self.poison("seal", &error)),
        }
        self.writer.sync(seal.length()).map_err(|error| self.poison("seal", &error))?;
        self.writer.index.push(&seal);
        self.next = self.next.saturating_add(1);
        Ok(())
    }
}

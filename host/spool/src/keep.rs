//! A kept segment while it is being made: entries that stay, copied away from the young ones.
//!
//! It has no name and nothing relies on it until it is whole, so a crash or an error costs the work alone. What several entries
//! share stays shared: the same bytes are written once. Content that is in a kept segment already stays there, unless that
//! one is to go. Leaves out: which entries ([`crate::plan`]) and what counts afterwards ([`crate::compact`]).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::content::{Cached, Place, StoredContent, StoredPiece};
use crate::entry::{Entry, QueueId};
use crate::error::ReadError;
use crate::load;
use crate::plan::Plan;
use crate::record::{Checkpoint, Draft, Kind, Metadata, Seal, SealReason};
use crate::segment::{Location, Preamble, SegmentId, SegmentWriter, kept_first, kept_place};
use crate::shared::Shared;

/// A kept segment without a name.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) writer: SegmentWriter,
    /// Segments that are to be emptied.
    pub(crate) victims: BTreeSet<SegmentId>,
    /// Entries that are still to be copied.
    rest: VecDeque<QueueId>,
    copies: Vec<Copied>,
    /// Number of the next record.
    next: u64,
    /// Which bytes were written already.
    placed: HashMap<Source, Placed>,
}

/// An entry that was copied.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) id: QueueId,
    /// The record that it was copied from; if the entry has a newer one by now, the copy is void.
    pub(crate) from: u64,
    pub(crate) number: u64,
    pub(crate) location: Location,
    pub(crate) content: StoredContent,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Source {
    record: u64,
    start: u64,
    length: u64,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    record: u64,
    start: u64,
}

/// Bytes that are copied between two batches: a few milliseconds of a slow disk.
const COPY_BYTES_MAX: u64 = 1 << 20;
/// Entries in one kept segment: some MiB of memory while it is made.
const ENTRIES_MAX: usize = 1 << 14;

impl Keep {
    pub(crate) fn begin(shared: &Shared, spool: u64, sequence: u64, plan: Plan) -> io::Result<Self> {
        let first = kept_first(sequence);
        let preamble = Preamble { spool, id: SegmentId::Kept(sequence), first, salt: shared.disk.salt() };
        let writer = SegmentWriter::begin(shared.disk.as_ref(), &shared.paths, preamble)?;
        let Plan { victims, survivors: rest } = plan;
        Ok(Self { writer, victims, rest, copies: Vec::new(), next: first, placed: HashMap::new() })
    }

    /// Whether there is more to copy, and room for it.
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn take_copies(&mut self) -> Vec<Copied> {
        std::mem::take(&mut self.copies)
    }

    /// Copies some entries. One that cannot be read stays where it is, and its segment with it.
    pub(crate) fn copy_some(&mut self, shared: &Shared) -> io::Result<()> {
        let first = self.next;
        let mut bytes = 0_u64;
        let mut drafts = Vec::new();
        let mut copies = Vec::new();
        while bytes < COPY_BYTES_MAX
            && let Some(id) = self.rest.pop_front()
        {
            let from = {
                let queue = shared.queue();
                queue.base(id).filter(|_| queue.is_free(id))
            };
            let Some(from) = from else { continue };
            match self.copy_of(shared, id) {
                Ok((draft, content)) => {
                    bytes = bytes.saturating_add(draft.length());
                    copies.push((id, from, content));
                    drafts.push(draft);
                    self.next = self.next.saturating_add(1);
                }
                Err(error) => {
                    tracing::error!(entry = %id, %error, "an entry cannot be copied; its segment stays");
                }
            }
        }
        let locations = self.append(&drafts, first)?;
        let copied = copies.into_iter().zip(locations).zip(first..);
        self.copies.extend(copied.map(|(((id, from, mut content), location), number)| {
            content.number(number);
            Copied { id, from, number, location, content }
        }));
        if self.writer.synced >= shared.settings.segment_bytes_max || self.copies.len() >= ENTRIES_MAX {
            self.rest.clear();
        }
        Ok(())
    }

    /// Writes what the spool consists of from now on, and makes all of it durable; the name is still to be given.
    pub(crate) fn end(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let too_large = || io::Error::other("a checkpoint that fits no record");
        let checkpoint = Draft::of_segments(Kind::Checkpoint, checkpoint).ok_or_else(too_large)?;
        let seal = Draft::of_segments(Kind::Seal, &Seal { why: SealReason::Kept }).ok_or_else(too_large)?;
        self.append(&[checkpoint, seal], self.next)?;
        self.writer.file.sync_data()
    }

    fn append(&mut self, drafts: &[Draft], first: u64) -> io::Result<Vec<Location>> {
        let locations = self.writer.append(drafts.iter(), first)?;
        let bytes = drafts.iter().map(Draft::length).sum();
        self.writer.synced = self.writer.synced.saturating_add(bytes);
        drafts.iter().for_each(|draft| self.writer.index.push(draft));
        Ok(locations)
    }

    fn copy_of(&mut self, shared: &Shared, id: QueueId) -> Result<(Draft, StoredContent), ReadError> {
        let entry = shared.read_entry(id)?;
        let mut body = Body { bytes: Vec::new(), length: 0, placed: Vec::new() };
        let content = entry.content.moved(|piece| self.place(shared, &entry, piece, &mut body))?;
        let entry = Arc::new(Entry { content: content.clone(), ..entry });
        let metadata = Metadata { done: Vec::new(), entries: vec![entry] };
        let draft = Draft::of_entries(Kind::Copy, &metadata, body.bytes).ok_or(ReadError::Gone)?;
        // Only now: what a failed copy placed was not written.
        self.placed.extend(body.placed);
        Ok((draft, content))
    }

    /// Where a piece is to be, written again if it must.
    fn place(
        &self,
        shared: &Shared,
        entry: &Entry,
        piece: &StoredPiece,
        body: &mut Body,
    ) -> Result<StoredPiece, ReadError> {
        let Place::Record(record) = piece.place else { return Ok(piece.clone()) };
        if kept_place(record).is_some_and(|(segment, _)| !self.victims.contains(&segment)) {
            return Ok(piece.clone());
        }
        let source = Source { record, start: piece.start, length: piece.length };
        let moved = |place, start| StoredPiece { place, start, length: piece.length, cached: Cached(None) };
        if let Some(placed) = self.placed.get(&source) {
            return Ok(moved(Place::Record(placed.record), placed.start));
        }
        let start = body.length;
        body.length = start.saturating_add(piece.length);
        body.bytes.push(load::read_piece(shared, &entry.content, piece)?);
        body.placed.push((source, Placed { record: self.next, start }));
        Ok(moved(Place::Here, start))
    }
}

/// The inline bodies of the record that is being made.
struct Body {
    bytes: Vec<Bytes>,
    length: u64,
    placed: Vec<(Source, Placed)>,
}

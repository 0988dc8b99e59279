//! The index of a sealed segment: what a start needs to know of its records, in a small file of its own.
//!
//! ```text
//! 0  the segment's preamble (64)
//!    for each record: kind (1), length of the metadata (4), length of the body (4),
//!                     count (4), ids of entries that it ends (16 each), count (4), entries (`outline`)
//!    crc32 of all before (4)
//! ```
//! It only repeats what the segment says, so that a start over a long queue reads a hundred bytes of an entry instead of
//! looking it up among the contents. Nothing relies on it: it is written without a sync when the segment is sealed, and where
//! it is missing, torn, damaged, or not about exactly this segment, the segment itself is read, and it is written anew. What an
//! index cannot know is whether the segment rotted meanwhile: then the entry is in the queue, and reading it back says so.

use std::io::{self, IoSlice};

use bytes::{Buf, BufMut};

use crate::disk::{Disk, read_exact_at, write_all_at};
use crate::entry::QueueId;
use crate::outline::{Outline, put_length};
use crate::record::{Draft, Header, Kind, Metadata};
use crate::segment::{FIRST_OFFSET, Location, PREAMBLE_LENGTH, Preamble, SegmentId};
use crate::settings::Paths;

/// An index that is being made or was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index(Vec<u8>);

/// What a record says to the queue.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) location: Location,
    pub(crate) done: Vec<QueueId>,
    pub(crate) entries: Vec<Outline<'a>>,
}

impl<'a> Said<'a> {
    pub(crate) fn of(header: &Header, location: Location, metadata: &'a Metadata) -> Self {
        Self {
            kind: header.kind,
            number: header.number,
            location,
            done: metadata.done.clone(),
            entries: metadata.entries.iter().map(|entry| Outline::of(entry)).collect(),
        }
    }
}

/// What an index has of a record's metadata. None when a length doesn't fit the format.
pub(crate) fn line(metadata: &Metadata) -> Option<Vec<u8>> {
    // An entry without body files takes some 50 bytes.
    let mut line = Vec::with_capacity(64);
    put_length(&mut line, metadata.done.len())?;
    metadata.done.iter().for_each(|id| line.put_u128_le(id.number()));
    put_length(&mut line, metadata.entries.len())?;
    metadata.entries.iter().try_for_each(|entry| Outline::of(entry).write(&mut line))?;
    Some(line)
}

impl Index {
    /// Of a segment without records.
    pub(crate) fn new(preamble: &Preamble) -> Self {
        Self(preamble.encode().to_vec())
    }

    /// A record was written.
    pub(crate) fn push(&mut self, draft: &Draft) {
        self.add(&draft.header(0, 0), draft.line());
    }

    /// A record was found; `line` is what [`line`] makes of its metadata.
    pub(crate) fn add(&mut self, header: &Header, line: &[u8]) {
        self.0.put_u8(header.kind.code());
        self.0.put_u32_le(header.metadata_length);
        self.0.put_u32_le(header.body_length);
        self.0.put_slice(line);
    }

    /// Writes the file of a segment that is sealed. It is not durable, and need not be.
    ///
    /// # Errors
    /// What the disk says; then the next start reads the segment.
    pub(crate) fn write(&self, disk: &dyn Disk, paths: &Paths, id: SegmentId) -> io::Result<()> {
        let path = paths.index(id);
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.unlink(&path)?;
                disk.create(&path)?
            }
            other => other?,
        };
        let sum = crc32fast::hash(&self.0).to_le_bytes();
        write_all_at(file.as_ref(), &mut [IoSlice::new(&self.0), IoSlice::new(&sum)], 0)
    }

    /// Reads the file of a segment. None when there is none for this very segment that is whole.
    pub(crate) fn read(disk: &dyn Disk, paths: &Paths, preamble: &Preamble) -> Option<Self> {
        let file = disk.open(&paths.index(preamble.id)).ok()?;
        let size = usize::try_from(file.size().ok()?).ok()?;
        let mut bytes = read_exact_at(file.as_ref(), 0, size).ok()?;
        let sum = bytes.split_off(size.checked_sub(SUM_LENGTH)?);
        let whole = sum == crc32fast::hash(&bytes).to_le_bytes() && bytes.starts_with(&preamble.encode());
        whole.then_some(Self(bytes))
    }

    /// All records of a segment of that size, or none if it is not about the whole of it.
    pub(crate) fn records(&self, preamble: &Preamble, size: u64) -> Option<Vec<Said<'_>>> {
        let mut rest = self.0.get(PREAMBLE_LENGTH..)?;
        let mut records: Vec<Said<'_>> = Vec::with_capacity(rest.len() / LINE_BYTES);
        let mut number = preamble.first;
        let mut offset = FIRST_OFFSET;
        while !rest.is_empty() {
            let said = said(&mut rest, number, (preamble.id, offset))?;
            number = number.checked_add(1)?;
            offset = offset.checked_add(said.location.length())?;
            records.push(said);
        }
        let sealed = records.last().is_some_and(|last| last.kind == Kind::Seal);
        (sealed && offset == size).then_some(records)
    }
}

/// Takes a record off the front.
fn said<'a>(rest: &mut &'a [u8], number: u64, (segment, offset): (SegmentId, u64)) -> Option<Said<'a>> {
    let kind = Kind::of(rest.try_get_u8().ok()?)?;
    let (metadata_length, body_length) = (rest.try_get_u32_le().ok()?, rest.try_get_u32_le().ok()?);
    let location = Location { segment, offset, metadata_length, body_length };
    let mut said = Said { kind, number, location, done: Vec::new(), entries: Vec::new() };
    for _ in 0..rest.try_get_u32_le().ok()? {
        said.done.push(QueueId::from_number(rest.try_get_u128_le().ok()?));
    }
    for _ in 0..rest.try_get_u32_le().ok()? {
        said.entries.push(Outline::read(rest)?);
    }
    Some(said)
}

const SUM_LENGTH: usize = 4;

/// A record of one entry, about.
const LINE_BYTES: usize = 64;

//! Reading one segment from its beginning to its end, and telling a torn tail from bit rot.
//!
//! Headers and metadata are read, bodies are not, except in the last batch of the last segment: only there can a crash have
//! left something half written. What is broken before the `synced` of any later record was acknowledged, so it is rot and
//! an error; what is broken behind all of them is a torn tail, of which nobody was told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use crate::disk::{DiskFile, read_up_to};
use crate::error::{OpenError, ReadError};
use crate::index::Index;
use crate::record::{HEADER_LENGTH, Header, Kind, MAGIC, Metadata, SealReason, record_length};
use crate::segment::{FIRST_OFFSET, Location, PREAMBLE_LENGTH, Preamble, PreambleFault, read_body};

/// A segment file that is being read.
#[derive(Debug)]
pub(crate) struct Scan {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    pub(crate) preamble: Preamble,
    pub(crate) size: u64,
    offset: u64,
    /// Number that the next record must have.
    next: u64,
    window: Window,
    /// Records of which it is not known yet whether they were acknowledged.
    pending: Vec<Found>,
    sealed: Option<SealReason>,
}

/// A record whose header and metadata are as they were written.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) location: Location,
    pub(crate) metadata: Bytes,
}

impl Found {
    /// Reads the metadata, and notes it for the index.
    pub(crate) fn read(&self, index: &mut Index) -> Result<Metadata, String> {
        let metadata = match self.header.kind {
            Kind::Seal | Kind::Checkpoint => Metadata::default(),
            Kind::Accept | Kind::Stage | Kind::Attempt | Kind::Done | Kind::Copy => {
                let number = self.header.number;
                let unreadable = |error| format!("the metadata of record {number} cannot be read ({error})");
                serde_json::from_slice(&self.metadata).map_err(unreadable)?
            }
        };
        let line = crate::index::line(&metadata);
        index.add(&self.header, &line.ok_or("a record is longer than the format allows")?);
        Ok(metadata)
    }
}

/// Where a segment's good records end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) preamble: Preamble,
    /// Offset of the last batch: what lies before it is durable, it may be in the page cache alone.
    pub(crate) unsure: u64,
    /// Offset behind the last good record.
    pub(crate) offset: u64,
    /// Bytes behind it.
    pub(crate) torn: u64,
    /// Whole records among them.
    pub(crate) torn_records: u64,
    /// Number of the record that would come next.
    pub(crate) next: u64,
    pub(crate) sealed: Option<SealReason>,
    /// What an index has to have of it.
    pub(crate) index: Index,
}

/// Which segment may have a torn tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The one that was written to last.
    MayBeTorn,
    /// All others: sealed and whole, or damaged.
    Sealed,
}

impl Scan {
    /// Reads the preamble.
    pub(crate) fn open(file: Arc<dyn DiskFile>, path: PathBuf) -> Result<Self, OpenError> {
        let size = file.size().map_err(|source| access(&path, source))?;
        let bytes = read_up_to(file.as_ref(), 0, PREAMBLE_LENGTH).map_err(|source| access(&path, source))?;
        let preamble = match Preamble::decode(&bytes) {
            Ok(preamble) => preamble,
            Err(PreambleFault::Newer(found)) => {
                return Err(OpenError::Newer { path, found, known: crate::segment::FORMAT_VERSION });
            }
            Err(PreambleFault::Damaged) => {
                return Err(OpenError::Damaged {
                    path,
                    offset: 0,
                    what: "the segment's preamble is damaged".into(),
                });
            }
        };
        let window = Window::default();
        let (offset, next) = (FIRST_OFFSET, preamble.first);
        Ok(Self { file, path, preamble, size, offset, next, window, pending: Vec::new(), sealed: None })
    }

    /// Whether it holds no record.
    pub(crate) fn is_blank(&self) -> bool {
        self.size <= FIRST_OFFSET
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Reads to the end, handing over each record that counts, in order.
    pub(crate) fn run(
        mut self,
        tail: Tail,
        mut take: impl FnMut(Found) -> Result<(), OpenError>,
    ) -> Result<End, OpenError> {
        while self.offset < self.size {
            let Some(found) = self.read_record()? else { break };
            // What this record knew to be durable was acknowledged.
            let known = self.pending.partition_point(|before| before.location.offset < found.header.synced);
            self.pending.drain(..known).try_for_each(&mut take)?;
            self.sealed = None;
            if found.header.kind == Kind::Seal {
                let seal: crate::record::Seal = serde_json::from_slice(&found.metadata)
                    .map_err(|_| self.damaged(found.location.offset, "a seal cannot be read"))?;
                self.sealed = Some(seal.why);
            }
            self.offset = self.offset.saturating_add(found.location.length());
            self.next = self.next.saturating_add(1);
            self.pending.push(found);
        }
        let torn_records = self.judge(tail)?;
        let unsure = self.pending.first().map_or(self.offset, |first| first.location.offset);
        self.pending.drain(..).try_for_each(&mut take)?;
        Ok(End { unsure, torn_records, ..self.end() })
    }

    /// The end of a sealed segment whose records an index has: `next` is the number that would come next.
    pub(crate) fn end_at_seal(mut self, next: u64, why: SealReason) -> End {
        (self.offset, self.next, self.sealed) = (self.size, next, Some(why));
        self.end()
    }

    fn end(self) -> End {
        End {
            index: Index::new(&self.preamble),
            unsure: self.offset,
            torn: self.size.saturating_sub(self.offset),
            torn_records: 0,
            file: self.file,
            path: self.path,
            preamble: self.preamble,
            offset: self.offset,
            next: self.next,
            sealed: self.sealed,
        }
    }

    /// Decides what the end of the good records means, and takes back those of the last batch that are not whole. The answer
    /// is how many whole records are behind the end all the same.
    fn judge(&mut self, tail: Tail) -> Result<u64, OpenError> {
        if tail == Tail::Sealed {
            return match (self.sealed, self.offset == self.size) {
                (Some(SealReason::Rotated | SealReason::Kept), true) => Ok(0),
                (_, true) => Err(self.damaged(self.offset, "the segment ends before its seal")),
                (_, false) => Err(self.damaged(self.offset, "a record is damaged")),
            };
        }
        let mut behind = self.behind()?;
        if let Some(later) = behind.acknowledging {
            let what =
                format!("a record is damaged (record {later} behind it shows that it was acknowledged)");
            return Err(OpenError::Damaged { path: self.path.clone(), offset: self.offset, what });
        }
        if let Some(at) = self.first_torn()?
            && let Some(first) = self.pending.get(at)
        {
            self.offset = first.location.offset;
            self.next = first.header.number;
            self.sealed = None;
            let others = self.pending.split_off(at);
            for found in others {
                behind.whole = behind.whole.saturating_add(u64::from(self.is_whole(&found.location)?));
            }
        }
        Ok(behind.whole)
    }

    /// The first record of the last batch that is not as it was written.
    fn first_torn(&self) -> Result<Option<usize>, OpenError> {
        for (at, found) in self.pending.iter().enumerate() {
            if !self.is_whole(&found.location)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Whether a record is as it was written. What the disk does not give may well be: that is an error and no answer.
    fn is_whole(&self, location: &Location) -> Result<bool, OpenError> {
        match read_body(self.file.as_ref(), &self.path, location, self.preamble.salt) {
            Ok(_) => Ok(true),
            Err(ReadError::Damaged { .. } | ReadError::Gone) => Ok(false),
            Err(ReadError::Disk { source, .. }) => Err(access(&self.path, source)),
        }
    }

    /// The record at the offset, or none if there is no good one.
    fn read_record(&mut self) -> Result<Option<Found>, OpenError> {
        let header = self.window.read(self.file.as_ref(), self.offset, HEADER_LENGTH);
        let header = header.map_err(|source| access(&self.path, source))?;
        let Some(header) = Header::decode(&header, self.preamble.salt) else { return Ok(None) };
        let location = Location {
            segment: self.preamble.id,
            offset: self.offset,
            metadata_length: header.metadata_length,
            body_length: header.body_length,
        };
        let end = self.offset.saturating_add(location.length());
        if header.number != self.next || header.synced > self.offset || end > self.size {
            return Ok(None);
        }
        let at = self.offset.saturating_add(record_length(0, 0));
        let metadata_length = usize::try_from(header.metadata_length).unwrap_or(usize::MAX);
        let metadata = self.window.read(self.file.as_ref(), at, metadata_length);
        let metadata = metadata.map_err(|source| access(&self.path, source))?;
        self.window.expect_skip(header.body_length);
        let good = metadata.len() == metadata_length && header.metadata_sum == crc32fast::hash(&metadata);
        Ok(good.then_some(Found { header, location, metadata }))
    }

    /// Looks behind the broken place for records, and for one that was written when it was durable. A message can't forge
    /// one: the sum of a header begins with the segment's salt.
    fn behind(&self) -> Result<Behind, OpenError> {
        let finder = memmem::Finder::new(&MAGIC);
        let mut behind = Behind::default();
        let mut start = self.offset.saturating_add(1);
        while start < self.size {
            let bytes = read_up_to(self.file.as_ref(), start, SEARCH_BYTES.saturating_add(HEADER_LENGTH))
                .map_err(|source| access(&self.path, source))?;
            for place in finder.find_iter(&bytes).take_while(|place| *place < SEARCH_BYTES) {
                let header = bytes.get(place..).and_then(|rest| Header::decode(rest, self.preamble.salt));
                let Some(header) = header else { continue };
                if header.synced > self.offset {
                    return Ok(Behind { acknowledging: Some(header.number), ..behind });
                }
                let location = Location {
                    segment: self.preamble.id,
                    offset: start.saturating_add(u64::try_from(place).unwrap_or(u64::MAX)),
                    metadata_length: header.metadata_length,
                    body_length: header.body_length,
                };
                behind.whole = behind.whole.saturating_add(u64::from(self.is_whole(&location)?));
            }
            start = start.saturating_add(u64::try_from(SEARCH_BYTES).unwrap_or(u64::MAX));
        }
        Ok(behind)
    }

    fn damaged(&self, offset: u64, what: &str) -> OpenError {
        OpenError::Damaged { path: self.path.clone(), offset, what: what.to_owned() }
    }
}

/// What lies behind a broken place.
#[derive(Debug, Default)]
struct Behind {
    /// A record that was written when the broken place was durable.
    acknowledging: Option<u64>,
    /// Records that are whole.
    whole: u64,
}

/// Bytes that are searched at once behind a broken place.
const SEARCH_BYTES: usize = 1 << 20;

fn access(path: &std::path::Path, source: io::Error) -> OpenError {
    OpenError::Access { path: path.to_owned(), what: "read", source }
}

/// What was read ahead: much where records are dense, little where bodies are to be skipped.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    skipping: Skipping,
}

#[derive(Debug, Clone, Copy, Default)]
enum Skipping {
    #[default]
    No,
    Bodies,
}

const DENSE_BYTES: usize = 64 << 10;
const SPARSE_BYTES: usize = 4 << 10;

impl Window {
    /// Bytes at an offset; fewer at the end of the file.
    fn read(&mut self, file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Bytes> {
        if let Some(bytes) = self.held(offset, length) {
            return Ok(bytes);
        }
        let ahead = match self.skipping {
            Skipping::No => DENSE_BYTES,
            Skipping::Bodies => SPARSE_BYTES,
        };
        self.bytes = read_up_to(file, offset, length.max(ahead))?.into();
        self.start = offset;
        Ok(self.bytes.slice(..length.min(self.bytes.len())))
    }

    fn expect_skip(&mut self, body_length: u32) {
        let large = usize::try_from(body_length).is_ok_and(|length| length > SPARSE_BYTES);
        self.skipping = if large { Skipping::Bodies } else { Skipping::No };
    }

    fn held(&self, offset: u64, length: usize) -> Option<Bytes> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(length)?;
        (to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

//! Reading stored bytes back, always checked against their sums.
//!
//! A small content comes whole; of a large one the header section is read and the rest when something asks for it, so that
//! delivering 50 MiB needs one block of memory. Reads block: they come from the page cache as a rule; callers with large
//! contents do them off the reactor.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use message::limits::HEADER_SECTION_BYTES_MAX;
use message::{Content, Load, LoadError};

use crate::body::BLOCK_BYTES;
use crate::content::{BodyFacts, Place, StoredContent, StoredPiece};
use crate::disk::{DiskFile, read_exact_at};
use crate::error::ReadError;
use crate::segment;
use crate::shared::Shared;

/// Reads a content for the `message` crate.
pub(crate) fn content(shared: &Arc<Shared>, stored: &StoredContent) -> Result<Content, ReadError> {
    let size = stored.size();
    let inline_max = u64::try_from(shared.settings.body_inline_max).unwrap_or(u64::MAX);
    if size <= inline_max {
        return Ok(Content::new(read(shared, stored, &(0..size))?));
    }
    let head = head(size, |range| read(shared, stored, &range))?;
    Ok(Content::stored(head, size, Arc::new(EntryLoad { shared: shared.clone(), stored: stored.clone() })))
}

/// Reads a range of a content.
pub(crate) fn read(shared: &Shared, stored: &StoredContent, range: &Range<u64>) -> Result<Bytes, ReadError> {
    let pieces = stored.cut(range).ok_or(ReadError::Gone)?;
    let mut reader = Reader { shared, stored, bodies: HashMap::new() };
    if let [piece] = pieces.as_slice() {
        return reader.piece(piece);
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
    for piece in &pieces {
        whole.extend_from_slice(&reader.piece(piece)?);
    }
    Ok(whole.freeze())
}

/// Reads one piece of a content.
pub(crate) fn read_piece(
    shared: &Shared,
    stored: &StoredContent,
    piece: &StoredPiece,
) -> Result<Bytes, ReadError> {
    Reader { shared, stored, bodies: HashMap::new() }.piece(piece)
}

/// The beginning of a content with at least its header section, as `message` wants it.
pub(crate) fn head(
    size: u64,
    read: impl Fn(Range<u64>) -> Result<Bytes, ReadError>,
) -> Result<Bytes, ReadError> {
    let limit = u64::try_from(HEADER_SECTION_BYTES_MAX).unwrap_or(u64::MAX).min(size);
    let mut length = HEAD_BYTES.min(limit);
    loop {
        let bytes = read(0..length)?;
        if let Some(end) = memmem::find(&bytes, b"\r\n\r\n") {
            // Copied, so that a small header section doesn't hold a large buffer.
            return Ok(Bytes::copy_from_slice(bytes.get(..end.saturating_add(4)).unwrap_or(&bytes)));
        }
        if length == limit {
            return Ok(bytes);
        }
        length = length.saturating_mul(4).min(limit);
    }
}

/// Nearly every header section is shorter than 16 KiB.
const HEAD_BYTES: u64 = 16 << 10;

struct Reader<'a> {
    shared: &'a Shared,
    stored: &'a StoredContent,
    /// Bodies of records that were read for an earlier piece.
    bodies: HashMap<u64, Bytes>,
}

impl Reader<'_> {
    fn piece(&mut self, piece: &StoredPiece) -> Result<Bytes, ReadError> {
        if let Some(bytes) = &piece.cached.0 {
            return Ok(bytes.clone());
        }
        let end = piece.start.saturating_add(piece.length);
        match piece.place {
            Place::Here => Err(ReadError::Gone),
            Place::Body(name) => {
                let facts =
                    self.stored.files().iter().find(|facts| facts.name == name).ok_or(ReadError::Gone)?;
                let path = self.shared.body_path(name);
                let file = self.shared.disk.open(&path);
                let file = file.map_err(|source| ReadError::Disk { path: path.clone(), source })?;
                read_file(file.as_ref(), &path, facts, &(piece.start..end))
            }
            Place::Record(number) => {
                let body = match self.bodies.get(&number) {
                    Some(body) => body.clone(),
                    None => self.shared.read_record_body(number)?,
                };
                self.bodies.insert(number, body.clone());
                slice(&body, piece.start, end).ok_or(ReadError::Gone)
            }
        }
    }
}

/// Reads a range of a body file, checking each block that it touches.
pub(crate) fn read_file(
    file: &dyn DiskFile,
    path: &Path,
    facts: &BodyFacts,
    range: &Range<u64>,
) -> Result<Bytes, ReadError> {
    let block_bytes = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
    let mut whole =
        BytesMut::with_capacity(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0));
    let mut block_start = range.start - range.start % block_bytes;
    while block_start < range.end {
        let length = block_bytes.min(facts.size.saturating_sub(block_start));
        let bytes =
            read_exact_at(file, block_start, usize::try_from(length).unwrap_or(0)).map_err(|source| {
                match source.kind() {
                    io::ErrorKind::UnexpectedEof => damaged(path, block_start, "a body file is cut"),
                    _ => ReadError::Disk { path: path.to_owned(), source },
                }
            })?;
        let index = usize::try_from(block_start / block_bytes).unwrap_or(usize::MAX);
        if facts.sums.get(index) != Some(&crc32fast::hash(&bytes)) {
            return Err(damaged(path, block_start, "a block of a body file is damaged"));
        }
        let from = range.start.saturating_sub(block_start);
        let to = range.end.saturating_sub(block_start).min(length);
        let bytes = Bytes::from(bytes);
        whole.extend_from_slice(&slice(&bytes, from, to).ok_or(ReadError::Gone)?);
        block_start = block_start.saturating_add(block_bytes);
    }
    Ok(whole.freeze())
}

fn damaged(path: &Path, offset: u64, what: &'static str) -> ReadError {
    ReadError::Damaged { path: path.to_owned(), offset, what }
}

fn slice(bytes: &Bytes, from: u64, to: u64) -> Option<Bytes> {
    let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

impl Shared {
    /// The inline bodies of a record.
    pub(crate) fn read_record_body(&self, number: u64) -> Result<Bytes, ReadError> {
        let (location, salt) = self.queue().needs.location(number).ok_or(ReadError::Gone)?;
        let file = self.segment_file(location.segment)?;
        segment::read_body(file.as_ref(), &self.paths.segment(location.segment), &location, salt)
    }
}

/// A large content of an entry, for the `message` crate.
struct EntryLoad {
    shared: Arc<Shared>,
    stored: StoredContent,
}

impl Load for EntryLoad {
    fn load(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
        read(&self.shared, &self.stored, &range).map_err(|error| LoadError(error.to_string()))
    }
}

impl fmt::Debug for EntryLoad {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stored.fmt(formatter)
    }
}

//! A segment: one append-only file of records behind a preamble.
//!
//! ```text
//!  0  magic (8)      12  spool id (8)    28  first record's number (8)   44  salt (8)
//!  8  version (4)    20  sequence (8)    36  0: log, 1: kept (8)         52  zeros (8)   60  crc32 of 0..60 (4)
//! ```
//! Segments of the log are appended to, one after the other. Kept segments are what compaction makes of old entries: each is
//! written once and gets its name when it is whole ([`crate::compact`]).
//!
//! The version stands before everything that a later one may change. A file gets its final name only when its preamble is
//! durable, so a `.log` file without a whole preamble is damaged, never half made. Leaves out: what records mean.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};

use crate::disk::{Disk, DiskFile, read_exact_at, write_all_at};
use crate::error::ReadError;
use crate::index::Index;
use crate::record::{Draft, HEADER_LENGTH, Header, record_length};
use crate::settings::Paths;

/// Length of the preamble.
pub(crate) const PREAMBLE_LENGTH: usize = 64;
/// Offset of the first record.
pub(crate) const FIRST_OFFSET: u64 = 64;
const SUMMED_LENGTH: usize = 60;
const MAGIC: [u8; 8] = *b"\xf5sluice\n";

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Names a segment, by its place among its like; also its file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SegmentId {
    /// Of the log.
    Log(u64),
    /// Made by compaction.
    Kept(u64),
}

impl SegmentId {
    fn generation(self) -> u64 {
        match self {
            Self::Log(_) => 0,
            Self::Kept(_) => 1,
        }
    }

    pub(crate) fn sequence(self) -> u64 {
        match self {
            Self::Log(sequence) | Self::Kept(sequence) => sequence,
        }
    }

    /// The one behind it.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Log(sequence) => Self::Log(sequence.saturating_add(1)),
            Self::Kept(sequence) => Self::Kept(sequence.saturating_add(1)),
        }
    }
}

/// Number of the first record of a kept segment. They are numbered apart from the log, in the upper half of all numbers, 2^32
/// for each segment; with one a second, their sequences last for 68 years.
pub(crate) fn kept_first(sequence: u64) -> u64 {
    KEPT_NUMBERS | sequence << 32
}

/// The kept segment in which a record of that number is, and its place there; none for a record of the log.
pub(crate) fn kept_place(number: u64) -> Option<(SegmentId, u64)> {
    let kept = number & KEPT_NUMBERS != 0;
    kept.then_some((SegmentId::Kept((number & !KEPT_NUMBERS) >> 32), number & u64::from(u32::MAX)))
}

const KEPT_NUMBERS: u64 = 1 << 63;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preamble {
    /// Drawn once for a spool, in all of its segments.
    pub(crate) spool: u64,
    pub(crate) id: SegmentId,
    /// Number of its first record.
    pub(crate) first: u64,
    /// Sums of its record headers begin with it.
    pub(crate) salt: u64,
}

/// Why a preamble can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PreambleFault {
    Damaged,
    Newer(u32),
}

impl Preamble {
    pub(crate) fn encode(&self) -> [u8; PREAMBLE_LENGTH] {
        let mut bytes = [0; PREAMBLE_LENGTH];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(&MAGIC);
        rest.put_u32_le(FORMAT_VERSION);
        for number in [self.spool, self.id.sequence(), self.first, self.id.generation(), self.salt, 0] {
            rest.put_u64_le(number);
        }
        let sum = crc32fast::hash(bytes.first_chunk::<SUMMED_LENGTH>().map_or(&[], |summed| summed));
        if let Some(place) = bytes.last_chunk_mut() {
            *place = sum.to_le_bytes();
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PreambleFault> {
        let bytes: &[u8; PREAMBLE_LENGTH] = bytes.first_chunk().ok_or(PreambleFault::Damaged)?;
        let mut rest = bytes.as_slice();
        if !bytes.starts_with(&MAGIC) {
            return Err(PreambleFault::Damaged);
        }
        rest.advance(MAGIC.len());
        let version = rest.get_u32_le();
        if version > FORMAT_VERSION {
            return Err(PreambleFault::Newer(version));
        }
        let summed = bytes.first_chunk::<SUMMED_LENGTH>().map_or(0, |summed| crc32fast::hash(summed));
        if version == 0 || bytes.last_chunk() != Some(&summed.to_le_bytes()) {
            return Err(PreambleFault::Damaged);
        }
        let (spool, sequence, first) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let id = match rest.get_u64_le() {
            0 => SegmentId::Log(sequence),
            1 => SegmentId::Kept(sequence),
            _ => return Err(PreambleFault::Damaged),
        };
        Ok(Self { spool, id, first, salt: rest.get_u64_le() })
    }
}

impl Preamble {
    /// What a damaged one still says, none of it to be trusted: only its salt matters, and that proves itself by the records.
    pub(crate) fn guess(bytes: &[u8], id: SegmentId) -> Option<Self> {
        let bytes: &[u8; PREAMBLE_LENGTH] = bytes.first_chunk()?;
        let mut rest = bytes.as_slice();
        rest.advance(12);
        let (spool, _, first, _) =
            (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        Some(Self { spool, id, first, salt: rest.get_u64_le() })
    }
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    pub(crate) metadata_length: u32,
    pub(crate) body_length: u32,
}

impl Location {
    /// Bytes on disk of the record.
    pub(crate) fn length(&self) -> u64 {
        record_length(self.metadata_length, self.body_length)
    }
}

/// The segment that is appended to.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) preamble: Preamble,
    /// Bytes that are durable; what is written goes behind them. Of a kept segment that is being made: bytes written.
    pub(crate) synced: u64,
    /// Of the records up to there.
    pub(crate) index: Index,
}

impl SegmentWriter {
    /// A new segment, durable with its name.
    pub(crate) fn create(disk: &dyn Disk, paths: &Paths, preamble: Preamble) -> io::Result<Self> {
        let writer = Self::begin(disk, paths, preamble)?;
        writer.file.sync_data()?;
        disk.rename(&paths.segment_new(preamble.id), &paths.segment(preamble.id))?;
        disk.sync_directory(&paths.segments)?;
        Ok(writer)
    }

    /// A new segment that has no name yet; nothing is durable.
    pub(crate) fn begin(disk: &dyn Disk, paths: &Paths, preamble: Preamble) -> io::Result<Self> {
        let new = paths.segment_new(preamble.id);
        let file = match disk.create(&new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.unlink(&new)?;
                disk.create(&new)?
            }
            other => other?,
        };
        let bytes = preamble.encode();
        write_all_at(file.as_ref(), &mut [IoSlice::new(&bytes)], 0)?;
        Ok(Self { file, preamble, synced: FIRST_OFFSET, index: Index::new(&preamble) })
    }

    /// Writes records behind the durable part, in as few gathered writes as it can, without syncing.
    pub(crate) fn append<'a>(
        &self,
        records: impl Iterator<Item = &'a Draft> + Clone,
        first: u64,
    ) -> io::Result<Vec<Location>> {
        let headers: Vec<_> = records
            .clone()
            .zip(first..)
            .map(|(record, number)| record.header(number, self.synced).encode(self.preamble.salt))
            .collect();
        let mut slices = Vec::with_capacity(headers.len().saturating_mul(3));
        let mut locations = Vec::with_capacity(headers.len());
        let mut offset = self.synced;
        for (record, header) in records.zip(&headers) {
            slices.push(IoSlice::new(header));
            slices.extend(record.slices().filter(|slice| !slice.is_empty()).map(IoSlice::new));
            let shape = record.header(0, 0);
            locations.push(Location {
                segment: self.preamble.id,
                offset,
                metadata_length: shape.metadata_length,
                body_length: shape.body_length,
            });
            offset = offset.saturating_add(record.length());
        }
        write_all_at(self.file.as_ref(), &mut slices, self.synced)?;
        Ok(locations)
    }

    /// Takes back what was written and not synced, durably: after a crash, too, nothing of it is seen.
    pub(crate) fn cut(&self) -> io::Result<()> {
        self.file.truncate(self.synced)?;
        self.file.sync_data()
    }

    /// Makes `bytes` more of the file durable.
    pub(crate) fn sync(&mut self, bytes: u64) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced = self.synced.saturating_add(bytes);
        Ok(())
    }
}

/// Reads a record's header and metadata and checks both.
pub(crate) fn read_metadata(
    file: &dyn DiskFile,
    path: &Path,
    location: &Location,
    salt: u64,
) -> Result<(Header, Bytes), ReadError> {
    let metadata_length = usize::try_from(location.metadata_length).unwrap_or(usize::MAX);
    let mut bytes =
        Bytes::from(read(file, path, location.offset, HEADER_LENGTH.saturating_add(metadata_length))?);
    let damaged = |what| ReadError::Damaged { path: path.to_owned(), offset: location.offset, what };
    let header = Header::decode(&bytes, salt).ok_or_else(|| damaged("a record's header is damaged"))?;
    let metadata = bytes.split_off(HEADER_LENGTH);
    if header.metadata_length != location.metadata_length || header.metadata_sum != crc32fast::hash(&metadata)
    {
        return Err(damaged("a record's metadata is damaged"));
    }
    Ok((header, metadata))
}

/// Reads the inline bodies of a record and checks them.
pub(crate) fn read_body(
    file: &dyn DiskFile,
    path: &Path,
    location: &Location,
    salt: u64,
) -> Result<Bytes, ReadError> {
    let (header, _) = read_metadata(file, path, location, salt)?;
    let offset = location.offset.saturating_add(record_length(location.metadata_length, 0));
    let body = read(file, path, offset, usize::try_from(header.body_length).unwrap_or(usize::MAX))?;
    if header.body_sum != crc32fast::hash(&body) {
        return Err(ReadError::Damaged { path: path.to_owned(), offset, what: "a record's body is damaged" });
    }
    Ok(body.into())
}

fn read(file: &dyn DiskFile, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
    read_exact_at(file, offset, length).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => {
            ReadError::Damaged { path: path.to_owned(), offset, what: "the file ends inside a record" }
        }
        _ => ReadError::Disk { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREAMBLE: Preamble = Preamble { spool: 1, id: SegmentId::Kept(2), first: 3, salt: 5 };

    #[test]
    fn a_preamble_reads_back_and_any_flipped_bit_is_noticed() {
        let good = PREAMBLE.encode();
        assert_eq!(Preamble::decode(&good), Ok(PREAMBLE));
        for bit in 0..PREAMBLE_LENGTH * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Preamble::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_a_kept_segment_says_by_its_number_where_it_is() {
        assert_eq!(kept_place(kept_first(7) + 5), Some((SegmentId::Kept(7), 5)));
        assert_eq!(kept_place(5), None);
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = PREAMBLE.encode();
        bytes[8] = 9;
        assert_eq!(Preamble::decode(&bytes), Err(PreambleFault::Newer(9)));
    }
}

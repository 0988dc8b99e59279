//! A record as it is on disk: a fixed header, self-describing metadata (JSON), then raw inline bodies.
//!
//! ```text
//!  0  magic (4)            24  metadata length (4)
//!  4  kind (1), zeros (3)  28  crc32 of the metadata (4)
//!  8  number (8)           32  body length (4)
//! 16  synced (8)           36  crc32 of the body (4)
//!                          40  zeros (4)
//!                          44  crc32 of the segment's salt and bytes 0..44 (4)
//! ```
//! All numbers are little-endian. The three sums cover every byte, and let a start read headers and metadata only. `synced`
//! is the offset up to which the segment was durable when the record was written: what lies before it was acknowledged, so
//! damage there is bit rot; what lies behind the last record's `synced` may be torn. The salt keeps a message whose body
//! looks like a record from ever being taken for one. Leaves out: where records are ([`crate::segment`]).

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};

use crate::encoding::Binary;
use crate::entry::{Entry, QueueId};
use crate::index;

/// Length of the header.
pub(crate) const HEADER_LENGTH: usize = 48;
const SUMMED_LENGTH: usize = 44;

/// First bytes of each record; 0xf5 occurs in no UTF-8 text.
pub(crate) const MAGIC: [u8; 4] = *b"\xf5rec";

/// What a record says. All but `Seal` and `Checkpoint` are applied in the same way; the kind is for readers and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// New entries: the shares of one transaction.
    Accept,
    /// An entry after a stage, with its outbox.
    Stage,
    /// An entry after an attempt, with its outbox.
    Attempt,
    /// The end of an entry, with its outbox.
    Done,
    /// An entry as it is, written again by compaction into a kept segment.
    Copy,
    /// Nothing follows in this segment ([`Seal`]).
    Seal,
    /// Which segments count ([`Checkpoint`]); the last but one record of each kept segment.
    Checkpoint,
}

impl Kind {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Accept => 1,
            Self::Stage => 2,
            Self::Attempt => 3,
            Self::Done => 4,
            Self::Copy => 5,
            Self::Seal => 6,
            Self::Checkpoint => 7,
        }
    }

    pub(crate) fn of(code: u8) -> Option<Self> {
        const ALL: [Kind; 7] =
            [Kind::Accept, Kind::Stage, Kind::Attempt, Kind::Done, Kind::Copy, Kind::Seal, Kind::Checkpoint];
        ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Counts records of the whole spool, from 1, without gaps.
    pub(crate) number: u64,
    pub(crate) synced: u64,
    pub(crate) metadata_length: u32,
    pub(crate) metadata_sum: u32,
    pub(crate) body_length: u32,
    pub(crate) body_sum: u32,
}

impl Header {
    pub(crate) fn encode(&self, salt: u64) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(&MAGIC);
        rest.put_u32_le(u32::from(self.kind.code()));
        rest.put_u64_le(self.number);
        rest.put_u64_le(self.synced);
        rest.put_u32_le(self.metadata_length);
        rest.put_u32_le(self.metadata_sum);
        rest.put_u32_le(self.body_length);
        rest.put_u32_le(self.body_sum);
        rest.put_u32_le(0);
        let sum = header_sum(bytes.first_chunk().unwrap_or(&[0; SUMMED_LENGTH]), salt);
        if let Some(place) = bytes.last_chunk_mut() {
            *place = sum.to_le_bytes();
        }
        bytes
    }

    /// None when these bytes are no header of a record in a segment with this salt.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes: &[u8; HEADER_LENGTH] = bytes.first_chunk()?;
        let summed: &[u8; SUMMED_LENGTH] = bytes.first_chunk()?;
        let mut rest = bytes.as_slice();
        if !bytes.starts_with(&MAGIC) || bytes.last_chunk() != Some(&header_sum(summed, salt).to_le_bytes()) {
            return None;
        }
        rest.advance(MAGIC.len());
        Some(Self {
            kind: Kind::of(u8::try_from(rest.get_u32_le()).ok()?)?,
            number: rest.get_u64_le(),
            synced: rest.get_u64_le(),
            metadata_length: rest.get_u32_le(),
            metadata_sum: rest.get_u32_le(),
            body_length: rest.get_u32_le(),
            body_sum: rest.get_u32_le(),
        })
    }
}

fn header_sum(summed: &[u8; SUMMED_LENGTH], salt: u64) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(summed);
    sum.finalize()
}

/// What the records of entries say, whatever their kind: these are gone, these are now so.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) done: Vec<QueueId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// Metadata of [`Kind::Seal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    pub(crate) why: SealReason,
}

/// What comes after a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SealReason {
    /// The next segment, which exists already.
    Rotated,
    /// Nothing: the spool was closed in order. The next start goes on behind it.
    Closed,
    /// Nothing ever: a kept segment is written once.
    Kept,
}

/// Metadata of [`Kind::Checkpoint`]: what the spool consisted of when a kept segment was made. Only the newest one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Number that the log's next record was to have: what the log said before then of an entry that is kept is outdated.
    pub(crate) as_of: u64,
    /// The first segment of the log that counts.
    pub(crate) oldest: u64,
    /// The kept segments that count, the newest last.
    pub(crate) kept: Vec<KeptSegment>,
}

/// What a checkpoint says of a kept segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSegment {
    pub(crate) sequence: u64,
    /// Which of its records were then the newest of their entries: the others must not bring back what was done since.
    pub(crate) newest: Bits,
}

/// A set of places, as bytes of eight each from the lowest bit on, in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Binary", into = "Binary")]
pub(crate) struct Bits(Vec<u8>);

impl Bits {
    pub(crate) fn insert(&mut self, place: u64) {
        let (byte, bit) = Self::split(place);
        if byte >= self.0.len() {
            self.0.resize(byte.saturating_add(1), 0);
        }
        if let Some(byte) = self.0.get_mut(byte) {
            *byte |= bit;
        }
    }

    pub(crate) fn remove(&mut self, place: u64) {
        let (byte, bit) = Self::split(place);
        if let Some(byte) = self.0.get_mut(byte) {
            *byte &= !bit;
        }
    }

    pub(crate) fn contains(&self, place: u64) -> bool {
        let (byte, bit) = Self::split(place);
        self.0.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    fn split(place: u64) -> (usize, u8) {
        (usize::try_from(place / 8).unwrap_or(usize::MAX), 1 << (place % 8))
    }
}

impl From<Binary> for Bits {
    fn from(binary: Binary) -> Self {
        Self(binary.0.into())
    }
}

impl From<Bits> for Binary {
    fn from(bits: Bits) -> Self {
        Self(bits.0.into())
    }
}

/// A record that has everything but its number, made by the caller so that the committer has little to do.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    /// What an index has of the metadata.
    line: Vec<u8>,
    metadata: Vec<u8>,
    metadata_length: u32,
    metadata_sum: u32,
    body: Vec<Bytes>,
    body_length: u32,
    body_sum: u32,
}

impl Draft {
    /// A record of entries. None when a length doesn't fit the format.
    pub(crate) fn of_entries(kind: Kind, metadata: &Metadata, body: Vec<Bytes>) -> Option<Self> {
        Some(Self { line: index::line(metadata)?, ..Self::new(kind, metadata, body)? })
    }

    /// A record that says nothing of entries. None when a length doesn't fit the format.
    pub(crate) fn of_segments(kind: Kind, metadata: &impl Serialize) -> Option<Self> {
        Some(Self { line: index::line(&Metadata::default())?, ..Self::new(kind, metadata, Vec::new())? })
    }

    fn new(kind: Kind, metadata: &impl Serialize, body: Vec<Bytes>) -> Option<Self> {
        // An entry of one recipient with its facts is a little shorter.
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, metadata).ok()?;
        let metadata = bytes;
        let mut sum = crc32fast::Hasher::new();
        let mut length = 0_u32;
        for piece in &body {
            sum.update(piece);
            length = length.checked_add(u32::try_from(piece.len()).ok()?)?;
        }
        Some(Self {
            kind,
            line: Vec::new(),
            metadata_length: u32::try_from(metadata.len()).ok()?,
            metadata_sum: crc32fast::hash(&metadata),
            metadata,
            body,
            body_length: length,
            body_sum: sum.finalize(),
        })
    }

    /// The header, once number and place are known.
    pub(crate) fn header(&self, number: u64, synced: u64) -> Header {
        Header {
            kind: self.kind,
            number,
            synced,
            metadata_length: self.metadata_length,
            metadata_sum: self.metadata_sum,
            body_length: self.body_length,
            body_sum: self.body_sum,
        }
    }

    /// What follows the header, in order.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.metadata.as_slice()).chain(self.body.iter().map(AsRef::as_ref))
    }

    /// What an index has of it.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Bytes of the metadata.
    pub(crate) fn metadata_bytes(&self) -> usize {
        self.metadata.len()
    }

    /// Bytes on disk.
    pub(crate) fn length(&self) -> u64 {
        record_length(self.metadata_length, self.body_length)
    }
}

/// Bytes on disk of a record.
pub(crate) fn record_length(metadata_length: u32, body_length: u32) -> u64 {
    48 + u64::from(metadata_length) + u64::from(body_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Draft::of_entries(Kind::Accept, &Metadata::default(), vec![Bytes::from_static(b"body")])
            .unwrap()
            .header(7, 64)
    }

    #[test]
    fn a_header_reads_back() {
        assert_eq!(Header::decode(&header().encode(5), 5), Some(header()));
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        let good = header().encode(5);
        for bit in 0..HEADER_LENGTH * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad, 5), None, "bit {bit}");
        }
    }

    #[test]
    fn a_header_of_another_segment_is_none_of_ours() {
        assert_eq!(Header::decode(&header().encode(5), 6), None);
    }

    #[test]
    fn a_short_header_is_none() {
        let good = header().encode(5);
        for length in 0..HEADER_LENGTH {
            assert_eq!(Header::decode(&good[..length], 5), None);
        }
    }
}

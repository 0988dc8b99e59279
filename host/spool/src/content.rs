//! The content of an entry as pieces: inline bytes in records, ranges of body files.
//!
//! An edit makes new pieces that refer to the old bytes where they are, so it costs its changed bytes alone, and shares and
//! siblings of one message refer to the same bytes. Leaves out: reading them back ([`crate::load`]).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyFile, BodyName};
use crate::error::CommitError;

/// A piece of the content that a caller wants stored.
#[derive(Debug, Clone)]
pub enum ContentPiece {
    /// Bytes that go into the record. Equal slices of one buffer are written once a record.
    Inline(Bytes),
    /// A range of a finished body.
    Body {
        /// Which.
        body: Body,
        /// What of it.
        range: Range<u64>,
    },
    /// A range of the content that the leased entry has now: only in a stage, and in what its outbox holds.
    Original(Range<u64>),
}

/// Where the bytes of an entry's content are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredContent {
    pieces: Vec<StoredPiece>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Arc<BodyFacts>>,
}

/// What is known of a body file without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BodyFacts {
    pub(crate) name: BodyName,
    pub(crate) size: u64,
    /// crc32 of each block of [`crate::body::BLOCK_BYTES`], so that a range is checked without reading the whole.
    pub(crate) sums: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredPiece {
    pub(crate) place: Place,
    pub(crate) start: u64,
    pub(crate) length: u64,
    #[serde(skip)]
    pub(crate) cached: Cached,
}

/// What a piece's `start` counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// The inline bodies of the record that says so; only on disk, and until the record has its number.
    Here,
    /// The inline bodies of the record with that number.
    Record(u64),
    /// A body file.
    Body(BodyName),
}

/// The bytes, if they are still in memory; no part of a piece's identity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cached(pub(crate) Option<Bytes>);

impl PartialEq for Cached {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl StoredContent {
    /// Bytes of the whole content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.length).sum()
    }

    pub(crate) fn files(&self) -> &[Arc<BodyFacts>] {
        &self.files
    }

    /// Where its pieces are, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.pieces.iter().map(|piece| piece.place)
    }

    /// Bytes that are still in memory.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.pieces.iter().filter_map(|piece| piece.cached.0.as_ref()).map(Bytes::len).sum()
    }

    /// Says which record `Here` is.
    pub(crate) fn number(&mut self, number: u64) {
        for piece in &mut self.pieces {
            if piece.place == Place::Here {
                piece.place = Place::Record(number);
            }
        }
    }

    /// The pieces that make up a range, or none if it reaches past the end.
    pub(crate) fn cut(&self, range: &Range<u64>) -> Option<Vec<StoredPiece>> {
        let mut cut = Vec::new();
        let mut at = 0_u64;
        for piece in &self.pieces {
            let end = at.checked_add(piece.length)?;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                cut.push(piece.cut(from - at, to - from));
            }
            at = end;
        }
        (range.start <= range.end && range.end <= at).then_some(cut)
    }

    /// The same content with its pieces elsewhere.
    ///
    /// # Errors
    /// What `place` answers.
    pub(crate) fn moved<E>(
        &self,
        place: impl FnMut(&StoredPiece) -> Result<StoredPiece, E>,
    ) -> Result<Self, E> {
        let mut content = Self { pieces: Vec::with_capacity(self.pieces.len()), files: self.files.clone() };
        for piece in self.pieces.iter().map(place) {
            content.push(piece?);
        }
        Ok(content)
    }

    /// Appends a piece, joined with the last one where they touch.
    fn push(&mut self, piece: StoredPiece) {
        if piece.length == 0 {
            return;
        }
        if let Some(last) = self.pieces.last_mut()
            && last.place == piece.place
            && last.start.checked_add(last.length) == Some(piece.start)
            && last.cached.0.is_none()
            && piece.cached.0.is_none()
        {
            last.length = last.length.saturating_add(piece.length);
            return;
        }
        self.pieces.push(piece);
    }

    /// Notes a body file, if a piece is in it.
    fn refer_to(&mut self, facts: &Arc<BodyFacts>) {
        let used = self.pieces.iter().any(|piece| piece.place == Place::Body(facts.name));
        if used && !self.files.iter().any(|known| known.name == facts.name) {
            self.files.push(facts.clone());
        }
    }
}

impl StoredPiece {
    fn cut(&self, skip: u64, length: u64) -> Self {
        let slice = |bytes: &Bytes| {
            let from = usize::try_from(skip).ok()?;
            let to = from.checked_add(usize::try_from(length).ok()?)?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        Self {
            place: self.place,
            start: self.start.saturating_add(skip),
            length,
            cached: Cached(self.cached.0.as_ref().and_then(slice)),
        }
    }
}

/// Lays out the inline bodies of one record.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    body: Vec<Bytes>,
    length: u64,
    /// Address and length of a buffer -> where it was put; all buffers live in `body`, so no address is used twice.
    seen: BTreeMap<Buffer, u64>,
    files: Vec<Arc<BodyFile>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Buffer {
    address: usize,
    length: usize,
}

impl Layout {
    /// Places a content; `original` is what [`ContentPiece::Original`] refers to.
    pub(crate) fn place(
        &mut self,
        pieces: Vec<ContentPiece>,
        original: Option<&StoredContent>,
    ) -> Result<StoredContent, CommitError> {
        let mut content = StoredContent::default();
        for piece in pieces {
            match piece {
                ContentPiece::Inline(bytes) => content.push(self.inline(bytes)),
                ContentPiece::Body { body, range } => self.body(&mut content, &body, range)?,
                ContentPiece::Original(range) => {
                    let source = original.ok_or(CommitError::Piece)?;
                    source
                        .cut(&range)
                        .ok_or(CommitError::Piece)?
                        .into_iter()
                        .for_each(|cut| content.push(cut));
                    source.files.iter().for_each(|file| content.refer_to(file));
                }
            }
        }
        Ok(content)
    }

    /// The inline bodies in order, and the body files that the record will refer to.
    pub(crate) fn finish(self) -> (Vec<Bytes>, Vec<Arc<BodyFile>>) {
        (self.body, self.files)
    }

    /// Bytes laid out so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn inline(&mut self, bytes: Bytes) -> StoredPiece {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let buffer = Buffer { address: bytes.as_ptr().addr(), length: bytes.len() };
        let start = *self.seen.entry(buffer).or_insert_with(|| {
            let start = self.length;
            self.length = self.length.saturating_add(length);
            self.body.push(bytes.clone());
            start
        });
        StoredPiece { place: Place::Here, start, length, cached: Cached(Some(bytes)) }
    }

    fn body(
        &mut self,
        content: &mut StoredContent,
        body: &Body,
        range: Range<u64>,
    ) -> Result<(), CommitError> {
        if range.start > range.end || range.end > body.size() {
            return Err(CommitError::Piece);
        }
        match body.file() {
            Some(file) => {
                let length = range.end - range.start;
                let place = Place::Body(file.facts().name);
                content.push(StoredPiece { place, start: range.start, length, cached: Cached::default() });
                content.refer_to(file.facts());
                self.files.push(file.clone());
            }
            None => content.push(self.inline(body.inline(&range))),
        }
        Ok(())
    }
}

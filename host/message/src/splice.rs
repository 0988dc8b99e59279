//! The header section as a rope: runs of original bytes with staged fields between them; and the body behind it, which is one
//! run until a part is edited ([`crate::rope`]).
//!
//! Promises: an edit costs the number of edits so far and the header section, never the body; original lines that no edit
//! names stay byte for byte, also those that are no fields; what a reader finds in the spliced bytes is what
//! [`Splice::fields`] says. Leaves out: which edits are allowed ([`crate::draft`]).

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::content::Content;
use crate::error::MessageError;
use crate::headers::Field;
use crate::mime::MimeCache;
use crate::rope::{self, Change};
use crate::segment::{
    LINE_END, Segment, StagedField, append, is_cut, lacks_line_end, runs, split, without_first_field,
};

/// A content with its edits.
#[derive(Debug, Clone)]
pub(crate) struct Splice {
    base: Content,
    /// `None` while nothing is edited.
    segments: Option<Arc<Vec<Segment>>>,
    /// What stands behind the empty line; `None` while no part is edited.
    body: Option<Arc<Vec<Stretch>>>,
    /// The view of `base` until an edit changes its shape.
    mime: MimeCache,
}

/// Where a field stands in the rope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    segment: usize,
    /// Which field of the base; `None` for a staged one.
    kept: Option<usize>,
}

/// A stretch of the spliced content.
#[derive(Debug, Clone)]
pub(crate) enum Stretch {
    Base(Range<u64>),
    Staged(Bytes),
}

impl Splice {
    pub(crate) fn new(base: Content) -> Self {
        let mime = base.mime_cache().clone();
        Self { base, segments: None, body: None, mime }
    }

    /// Puts a field before the field with that number, or behind the last.
    pub(crate) fn insert(&mut self, index: usize, field: StagedField) {
        let place = self.places().nth(index).map(|(place, _)| place);
        self.touch(&field);
        let base = self.base.clone();
        let segments = self.segments_mut();
        let Some(place) = place else { return append(segments, &base, field) };
        match place.kept.and_then(|kept| base.headers().fields().get(kept).map(|span| (kept, span.start))) {
            Some((kept, start)) => {
                let (before, after) = split(segments.get(place.segment), kept, start, start);
                let parts = before.into_iter().chain([Segment::Staged(field)]).chain(after);
                segments.splice(place.segment..=place.segment, parts);
            }
            None => segments.insert(place.segment, Segment::Staged(field)),
        }
    }

    /// Takes a field away, or puts another in its place.
    pub(crate) fn replace(&mut self, place: Place, field: Option<StagedField>) {
        if let Some(old) = self.field_at(place) {
            self.mime = self.mime.after_edit(old.name);
        }
        if let Some(field) = &field {
            self.touch(field);
        }
        let base = self.base.clone();
        let segments = self.segments_mut();
        let staged = field.map(Segment::Staged);
        match place.kept.and_then(|kept| base.headers().fields().get(kept).map(|span| (kept, span.range()))) {
            Some((kept, range)) => {
                let (before, after) = split(segments.get(place.segment), kept, range.start, range.end);
                let after = after.map(|segment| without_first_field(segment, kept));
                segments.splice(place.segment..=place.segment, before.into_iter().chain(staged).chain(after));
            }
            None => {
                segments.splice(place.segment..=place.segment, staged);
            }
        }
        self.drop_line_ends();
    }

    /// Takes away all fields for which that holds, in one pass, and says how many there were.
    pub(crate) fn remove_where(&mut self, gone: impl Fn(Field<'_>) -> bool) -> usize {
        let before = self.fields().count();
        let names: Vec<String> =
            self.fields().filter(|field| gone(*field)).map(|field| field.name.to_owned()).collect();
        if names.is_empty() {
            return 0;
        }
        names.iter().for_each(|name| self.mime = self.mime.after_edit(name));
        let base = self.base.clone();
        let segments = self.segments_mut();
        let mut left = Vec::with_capacity(segments.len() + names.len());
        for segment in std::mem::take(segments) {
            match segment {
                Segment::Kept { bytes, fields } => left.extend(runs(&base, bytes, fields, &gone)),
                Segment::Staged(field) if gone(field.span.field(&field.bytes)) => {}
                other @ (Segment::Staged(_) | Segment::LineEnd) => left.push(other),
            }
        }
        *segments = left;
        self.drop_line_ends();
        before - self.fields().count()
    }

    /// The fields as they are now, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.places().map(|(_, field)| field)
    }

    /// The same with their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Place, Field<'_>)> {
        let spans = self.base.headers().fields();
        let untouched = self.segments.is_none().then_some(0..spans.len());
        let head = self.base.head();
        let kept = move |segment: usize, fields: Range<usize>| {
            fields.filter_map(move |kept| {
                let span = spans.get(kept)?;
                Some((Place { segment, kept: Some(kept) }, span.field(head)))
            })
        };
        let edited = self.segments.iter().flat_map(|segments| segments.iter().enumerate());
        untouched.into_iter().flat_map(move |fields| kept(0, fields)).chain(edited.flat_map(
            move |(segment, content)| {
                let (fields, staged) = match content {
                    Segment::Kept { fields, .. } => (fields.clone(), None),
                    Segment::Staged(field) => (0..0, Some(field.span.field(&field.bytes))),
                    Segment::LineEnd => (0..0, None),
                };
                let staged = staged.map(|field| (Place { segment, kept: None }, field));
                kept(segment, fields).chain(staged)
            },
        ))
    }

    /// Changes the body; the ranges count from its beginning. A body may look like a field, so it needs an empty line before
    /// it from then on, whatever the base has.
    pub(crate) fn change_body(&mut self, changes: Vec<Change>) {
        let old = self.body_stretches();
        self.body = Some(Arc::new(rope::changed(&old, changes)));
        self.mime = MimeCache::default();
    }

    /// The body in one piece: shared with the base while it is not edited, else joined, which copies it.
    ///
    /// # Errors
    /// When the base cannot be loaded.
    pub(crate) fn body(&self) -> Result<Bytes, MessageError> {
        let bytes = self.base.bytes()?;
        let of = |stretch: &Stretch| match stretch {
            Stretch::Base(range) => slice(&bytes, range.clone()),
            Stretch::Staged(staged) => staged.clone(),
        };
        let stretches = self.body_stretches();
        if let [only] = stretches.as_slice() {
            return Ok(of(only));
        }
        let size = stretches.iter().map(Stretch::size).sum::<u64>();
        let mut joined = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        stretches.iter().for_each(|stretch| joined.extend_from_slice(&of(stretch)));
        Ok(joined.freeze())
    }

    pub(crate) fn is_edited(&self) -> bool {
        self.segments.is_some() || self.body.is_some()
    }

    pub(crate) fn base(&self) -> &Content {
        &self.base
    }

    pub(crate) fn mime(&self) -> &MimeCache {
        &self.mime
    }

    /// Bytes of the header section without the empty line.
    pub(crate) fn header_size(&self) -> usize {
        match &self.segments {
            None => self.base.headers().end(),
            Some(segments) => segments.iter().map(Segment::size).sum(),
        }
    }

    /// Bytes of the whole.
    pub(crate) fn size(&self) -> u64 {
        if self.body.is_some() {
            return self.stretches().iter().map(Stretch::size).sum();
        }
        let rest = self.base.size().saturating_sub(to_u64(self.base.headers().end()));
        rest.saturating_add(to_u64(self.header_size()))
    }

    /// The whole as stretches, neighbours joined.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let index = self.base.headers();
        let mut stretches: Vec<Stretch> = Vec::new();
        match &self.segments {
            None => rope::push(&mut stretches, Stretch::Base(0..to_u64(index.end()))),
            Some(segments) => segments.iter().for_each(|segment| {
                rope::push(
                    &mut stretches,
                    match segment {
                        Segment::Kept { bytes, .. } => Stretch::Base(to_u64(bytes.start)..to_u64(bytes.end)),
                        Segment::Staged(field) => Stretch::Staged(field.bytes.clone()),
                        Segment::LineEnd => Stretch::Staged(Bytes::from_static(LINE_END)),
                    },
                );
            }),
        }
        rope::push(&mut stretches, Stretch::Base(to_u64(index.end())..to_u64(index.body())));
        let empty_line = Stretch::Staged(Bytes::from_static(self.missing_empty_line()));
        rope::push(&mut stretches, empty_line);
        self.body_stretches().into_iter().for_each(|stretch| rope::push(&mut stretches, stretch));
        stretches
    }

    /// What has to stand before an edited body where the base has no empty line.
    fn missing_empty_line(&self) -> &'static [u8] {
        let index = self.base.headers();
        if self.body.is_none() || index.body() > index.end() {
            return b"";
        }
        match self.segments.as_ref().and_then(|segments| segments.last()) {
            // Staged behind the fields of a content that had none.
            Some(Segment::LineEnd) if index.fields().is_empty() => b"",
            Some(last) if lacks_line_end(Some(last), &self.base) => b"\r\n\r\n",
            None if self.base.head().get(..index.end()).is_some_and(is_cut) => b"\r\n\r\n",
            Some(_) | None => LINE_END,
        }
    }

    fn body_stretches(&self) -> Vec<Stretch> {
        match &self.body {
            Some(body) => body.to_vec(),
            None => vec![Stretch::Base(to_u64(self.base.headers().body())..self.base.size())],
        }
    }

    /// The bytes of a range of the whole, without a copy if they lie in one stretch.
    ///
    /// # Errors
    /// When the base cannot be loaded.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Bytes, MessageError> {
        let mut found = Bytes::new();
        let mut joined = BytesMut::new();
        let mut offset = 0_u64;
        for stretch in self.stretches() {
            let size = stretch.size();
            let from = range.start.clamp(offset, offset + size) - offset;
            let to = range.end.clamp(offset, offset + size) - offset;
            offset += size;
            if from >= to {
                continue;
            }
            let bytes = match stretch {
                Stretch::Base(base) => self.base.read(base.start + from..base.start + to)?,
                Stretch::Staged(bytes) => slice(&bytes, from..to),
            };
            if found.is_empty() {
                found = bytes;
                continue;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&found);
            }
            joined.extend_from_slice(&bytes);
        }
        Ok(if joined.is_empty() { found } else { joined.freeze() })
    }

    /// Where the cut line is gone that a line end was put behind, the line end goes too; and where all that was staged over
    /// a content without fields is gone, the one that parted it from the body.
    fn drop_line_ends(&mut self) {
        let base = self.base.clone();
        if base.headers().fields().is_empty() {
            if self.body.is_none() && self.fields().next().is_none() {
                self.segments = None;
            }
            return;
        }
        let segments = self.segments_mut();
        if let Some(at) = segments.iter().position(|segment| matches!(segment, Segment::LineEnd))
            && !lacks_line_end(at.checked_sub(1).and_then(|before| segments.get(before)), &base)
        {
            segments.remove(at);
        }
    }

    fn field_at(&self, place: Place) -> Option<Field<'_>> {
        match place.kept {
            Some(kept) => self.base.headers().fields().get(kept).map(|span| span.field(self.base.head())),
            None => match self.segments.as_ref()?.get(place.segment)? {
                Segment::Staged(field) => Some(field.span.field(&field.bytes)),
                Segment::Kept { .. } | Segment::LineEnd => None,
            },
        }
    }

    /// A field that shapes the MIME view makes the shared view void for this draft.
    fn touch(&mut self, field: &StagedField) {
        self.mime = self.mime.after_edit(field.span.field(&field.bytes).name);
    }

    fn segments_mut(&mut self) -> &mut Vec<Segment> {
        let index = self.base.headers();
        let whole = Segment::Kept { bytes: 0..index.end(), fields: 0..index.fields().len() };
        Arc::make_mut(self.segments.get_or_insert_with(|| Arc::new(vec![whole])))
    }
}

impl Stretch {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Base(range) => range.end - range.start,
            Self::Staged(bytes) => to_u64(bytes.len()),
        }
    }
}

pub(crate) fn slice(bytes: &Bytes, range: Range<u64>) -> Bytes {
    match (usize::try_from(range.start), usize::try_from(range.end)) {
        (Ok(from), Ok(to)) if to <= bytes.len() => bytes.slice(from..to),
        _ => Bytes::new(),
    }
}

pub(crate) fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

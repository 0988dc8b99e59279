//! The header section as a rope: runs of original bytes with staged fields between them.
//!
//! Promises: an edit costs the number of edits so far and the header section, never the body; original lines that no edit
//! names stay byte for byte, also those that are no fields; what a reader finds in the spliced bytes is what
//! [`Splice::fields`] says. Leaves out: which edits are allowed ([`crate::draft`]).

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::content::Content;
use crate::error::MessageError;
use crate::headers::{Field, FieldSpan};
use crate::mime::MimeCache;

/// A content with the edits of its header section.
#[derive(Debug, Clone)]
pub(crate) struct Splice {
    base: Content,
    /// `None` while nothing is edited.
    segments: Option<Arc<Vec<Segment>>>,
    /// The view of `base` until a field is edited that shapes it.
    mime: MimeCache,
}

#[derive(Debug, Clone)]
enum Segment {
    /// Lines of the base that stay: a range of its head, and which of its fields lie inside.
    Kept { bytes: Range<usize>, fields: Range<usize> },
    /// A staged field.
    Staged(StagedField),
    /// A line end that the base lacks where a field was staged.
    LineEnd,
}

/// A field that a sink wrote: `Name:value` and CRLF.
#[derive(Debug, Clone)]
pub(crate) struct StagedField {
    pub(crate) bytes: Bytes,
    pub(crate) span: FieldSpan,
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

const LINE_END: &[u8] = b"\r\n";

impl Splice {
    pub(crate) fn new(base: Content) -> Self {
        let mime = base.mime_cache().clone();
        Self { base, segments: None, mime }
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
        self.drop_lone_line_end();
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
        self.drop_lone_line_end();
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

    pub(crate) fn is_edited(&self) -> bool {
        self.segments.is_some()
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
        let rest = self.base.size().saturating_sub(to_u64(self.base.headers().end()));
        rest.saturating_add(to_u64(self.header_size()))
    }

    /// The whole as stretches, neighbours joined.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let Some(segments) = &self.segments else { return vec![Stretch::Base(0..self.base.size())] };
        let mut stretches: Vec<Stretch> = Vec::with_capacity(segments.len() + 1);
        let rest = to_u64(self.base.headers().end())..self.base.size();
        let kept = segments.iter().map(|segment| match segment {
            Segment::Kept { bytes, .. } => Stretch::Base(to_u64(bytes.start)..to_u64(bytes.end)),
            Segment::Staged(field) => Stretch::Staged(field.bytes.clone()),
            Segment::LineEnd => Stretch::Staged(Bytes::from_static(LINE_END)),
        });
        for stretch in kept.chain([Stretch::Base(rest)]) {
            match (stretches.last_mut(), stretch) {
                (_, Stretch::Base(range)) if range.is_empty() => {}
                (Some(Stretch::Base(last)), Stretch::Base(range)) if last.end == range.start => {
                    last.end = range.end;
                }
                (_, stretch) => stretches.push(stretch),
            }
        }
        stretches
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

    /// Where all that was staged over a content without fields is gone, the line end that went with it goes too.
    fn drop_lone_line_end(&mut self) {
        if self.base.headers().fields().is_empty() && self.fields().next().is_none() {
            self.segments = None;
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

impl Segment {
    fn size(&self) -> usize {
        match self {
            Self::Kept { bytes, .. } => bytes.len(),
            Self::Staged(field) => field.bytes.len(),
            Self::LineEnd => LINE_END.len(),
        }
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

/// Behind the last field, before lines that are none: a reader may take those for the body.
fn append(segments: &mut Vec<Segment>, base: &Content, field: StagedField) {
    let last = segments.iter().rposition(|segment| match segment {
        Segment::Kept { fields, .. } => !fields.is_empty(),
        Segment::Staged(_) => true,
        Segment::LineEnd => false,
    });
    let staged = Segment::Staged(field);
    let index = base.headers();
    let Some(last) = last else {
        if lacks_line_end(segments.last(), base) {
            segments.push(Segment::LineEnd);
        }
        segments.push(staged);
        if index.fields().is_empty() && index.body() == 0 && base.size() > 0 {
            // The content has no empty line of its own to part the first field from the body.
            segments.push(Segment::LineEnd);
        }
        return;
    };
    if matches!(segments.get(last + 1), Some(Segment::LineEnd)) && !index.fields().is_empty() {
        segments.insert(last + 2, staged);
        return;
    }
    let kept = match segments.get(last) {
        Some(Segment::Kept { fields, .. }) => fields.end.checked_sub(1),
        _ => None,
    };
    let Some((kept, end)) = kept.and_then(|kept| Some((kept, index.fields().get(kept)?.end))) else {
        segments.insert(last + 1, staged);
        return;
    };
    let (before, after) = split(segments.get(last), kept + 1, end, end);
    let line_end = lacks_line_end(before.as_ref(), base).then_some(Segment::LineEnd);
    let parts = before.into_iter().chain(line_end).chain([staged]).chain(after);
    segments.splice(last..=last, parts);
}

/// What is left of a kept run, in as many runs as it takes.
fn runs(
    base: &Content,
    bytes: Range<usize>,
    fields: Range<usize>,
    gone: impl Fn(Field<'_>) -> bool,
) -> Vec<Segment> {
    let mut left = Vec::new();
    let (mut start, mut first) = (bytes.start, fields.start);
    for kept in fields.clone() {
        let Some(span) = base.headers().fields().get(kept) else { continue };
        if gone(span.field(base.head())) {
            left.push(Segment::Kept { bytes: start..span.start, fields: first..kept });
            (start, first) = (span.end, kept + 1);
        }
    }
    left.push(Segment::Kept { bytes: start..bytes.end, fields: first..fields.end });
    left.retain(|segment| segment.size() > 0);
    left
}

/// Whether the run ends inside a line, which only the end of the content can do.
fn lacks_line_end(segment: Option<&Segment>, base: &Content) -> bool {
    let Some(Segment::Kept { bytes, .. }) = segment else { return false };
    base.head().get(bytes.clone()).is_some_and(|kept| !kept.is_empty() && !kept.ends_with(b"\n"))
}

/// The parts of a kept run before and behind the gap; `field` is the first field that is not before it.
fn split(
    segment: Option<&Segment>,
    field: usize,
    gap_start: usize,
    gap_end: usize,
) -> (Option<Segment>, Option<Segment>) {
    let Some(Segment::Kept { bytes, fields }) = segment else { return (None, None) };
    let before = Segment::Kept { bytes: bytes.start..gap_start, fields: fields.start..field };
    let after = Segment::Kept { bytes: gap_end..bytes.end, fields: field..fields.end };
    (Some(before).filter(|part| part.size() > 0), Some(after).filter(|part| part.size() > 0))
}

fn without_first_field(segment: Segment, first: usize) -> Segment {
    match segment {
        Segment::Kept { bytes, fields } => {
            Segment::Kept { bytes, fields: fields.start.max(first + 1)..fields.end }
        }
        other @ (Segment::Staged(_) | Segment::LineEnd) => other,
    }
}

fn slice(bytes: &Bytes, range: Range<u64>) -> Bytes {
    match (usize::try_from(range.start), usize::try_from(range.end)) {
        (Ok(from), Ok(to)) if to <= bytes.len() => bytes.slice(from..to),
        _ => Bytes::new(),
    }
}

pub(crate) fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

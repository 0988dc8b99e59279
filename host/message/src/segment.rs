//! The pieces that the rope of a header section is made of, and how they are cut.

use std::ops::Range;

use bytes::Bytes;

use crate::content::Content;
use crate::headers::{Field, FieldSpan};

/// A piece of the rope.
#[derive(Debug, Clone)]
pub(crate) enum Segment {
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

impl StagedField {
    pub(crate) fn name(&self) -> &str {
        self.span.field(&self.bytes).name
    }
}

pub(crate) const LINE_END: &[u8] = b"\r\n";

impl Segment {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Kept { bytes, .. } => bytes.len(),
            Self::Staged(field) => field.bytes.len(),
            Self::LineEnd => LINE_END.len(),
        }
    }
}

/// Behind the last field, before lines that are none: a reader may take those for the body.
pub(crate) fn append(segments: &mut Vec<Segment>, base: &Content, field: StagedField) {
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
pub(crate) fn runs(
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
pub(crate) fn lacks_line_end(segment: Option<&Segment>, base: &Content) -> bool {
    let Some(Segment::Kept { bytes, .. }) = segment else { return false };
    base.head().get(bytes.clone()).is_some_and(is_cut)
}

pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.ends_with(b"\n")
}

/// The parts of a kept run before and behind the gap; `field` is the first field that is not before it.
pub(crate) fn split(
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

pub(crate) fn without_first_field(segment: Segment, first: usize) -> Segment {
    match segment {
        Segment::Kept { bytes, fields } => {
            Segment::Kept { bytes, fields: fields.start.max(first + 1)..fields.end }
        }
        other @ (Segment::Staged(_) | Segment::LineEnd) => other,
    }
}

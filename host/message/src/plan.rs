//! One edit of the parts under way: changes of the body and of the fields of entities, which become the draft's together.
//!
//! Promises: bytes outside of the changes stay; every delimiter that is written is read as the one that is meant. The boundary
//! of a new container is the digest of what it holds, so nobody can have put it in there. Leaves out: which edits are asked
//! for (the modules `parts` and `add_text`).

use std::ops::Range;

use bytes::Bytes;

use crate::digest::{Algorithm, Digesting};
use crate::draft::Position;
use crate::error::MessageError;
use crate::field;
use crate::headers::{Field, HeaderIndex};
use crate::mime::{Mime, MimePart, Span};
use crate::rope::Change;
use crate::segment::StagedField;
use crate::splice::Splice;

/// Index of the top entity in the list of parts.
pub(crate) const TOP: usize = 0;

/// An edit under way.
pub(crate) struct Plan<'a> {
    mime: &'a Mime,
    splice: Splice,
    changes: Vec<Change>,
}

/// What an edit has made.
pub(crate) struct Planned {
    pub(crate) splice: Splice,
    /// Bytes that were written.
    pub(crate) bytes: usize,
}

impl<'a> Plan<'a> {
    /// Begins one. A message without any field gets one, because an edited body could be read as fields.
    pub(crate) fn new(mime: &'a Mime, splice: &Splice) -> Self {
        let mut splice = splice.clone();
        if splice.fields().next().is_none() {
            splice.insert(0, field::as_it_is("MIME-Version", b" 1.0"));
        }
        Self { mime, splice, changes: Vec::new() }
    }

    pub(crate) fn part(&self, number: usize) -> Option<&'a MimePart> {
        self.mime.parts().get(number)
    }

    /// Where an entity stands.
    ///
    /// # Errors
    /// When there is none, or it is inside a message that was decoded to be looked into.
    pub(crate) fn span(&self, number: usize) -> Result<Span, MessageError> {
        let part = self.part(number).ok_or(MessageError::NotFound)?;
        part.span.ok_or_else(|| MessageError::invalid("the part is inside a message in a transfer encoding"))
    }

    /// The first field of that name of an entity.
    pub(crate) fn field(&self, number: usize, name: &str) -> Option<Vec<u8>> {
        let is_named = |field: &Field<'_>| field.name.eq_ignore_ascii_case(name);
        if number == TOP {
            return self.splice.fields().find(is_named).map(|field| field.value.to_vec());
        }
        let header = &self.part(number)?.header;
        HeaderIndex::of(header).iter(header).find(is_named).map(|field| field.value.to_vec())
    }

    /// Puts other bytes into a range of the body.
    pub(crate) fn change(&mut self, range: Range<usize>, instead: impl Into<Bytes>) {
        self.changes.push(Change { range, instead: instead.into() });
    }

    /// Puts other bytes into an entity: all behind its header.
    pub(crate) fn replace_body(
        &mut self,
        number: usize,
        fields: &[StagedField],
        body: Bytes,
    ) -> Result<(), MessageError> {
        let span = self.span(number)?;
        self.set_fields(number, fields)?;
        let line_end: &[u8] = match self.line_end_at(span.end) {
            // A message ends with a line end (RFC 5321 §4.1.1.4).
            None if !body.is_empty() && !body.ends_with(b"\r\n") => b"\r\n",
            None => b"",
            // An empty body may lack the one that parts it from the delimiter.
            Some(line_end) => line_end,
        };
        let body = if line_end.is_empty() { body } else { Bytes::from([&body, line_end].concat()) };
        self.change(span.body..span.end, body);
        Ok(())
    }

    /// Says fields of an entity anew: where the first of that name stood, further ones go, or behind the last field.
    pub(crate) fn set_fields(&mut self, number: usize, fields: &[StagedField]) -> Result<(), MessageError> {
        if number == TOP {
            fields.iter().for_each(|field| self.set_top_field(field));
            return Ok(());
        }
        let (span, part) = (self.span(number)?, self.part(number).ok_or(MessageError::NotFound)?);
        let index = HeaderIndex::of(&part.header);
        let mut new = Vec::new();
        for field in fields {
            let name = field.name();
            let named =
                index.fields().iter().filter(|old| old.field(&part.header).name.eq_ignore_ascii_case(name));
            let mut instead = Some(field.bytes.clone());
            for old in named {
                let range = old.range();
                self.change(
                    span.start + range.start..span.start + range.end,
                    instead.take().unwrap_or_default(),
                );
            }
            new.extend(instead);
        }
        if new.is_empty() && part.has_empty_line() {
            return Ok(());
        }
        let end = span.start + part.header.len();
        let mut lines = if part.header.is_empty() || part.header.ends_with(b"\n") {
            Vec::new()
        } else {
            b"\r\n".to_vec()
        };
        new.iter().for_each(|field| lines.extend_from_slice(field));
        if !part.has_empty_line() {
            lines.extend_from_slice(b"\r\n");
        }
        self.change(end..end, lines);
        Ok(())
    }

    fn set_top_field(&mut self, field: &StagedField) {
        let name = field.name();
        let place = |splice: &Splice, number: usize| {
            let named = splice.places().filter(|(_, field)| field.name.eq_ignore_ascii_case(name));
            named.map(|(place, _)| place).nth(number)
        };
        let Some(first) = place(&self.splice, 0) else {
            return self.splice.insert(usize::MAX, field.clone());
        };
        self.splice.replace(first, Some(field.clone()));
        while let Some(further) = place(&self.splice, 1) {
            self.splice.replace(further, None);
        }
    }

    /// Makes an entity the child of a new multipart/mixed, beside another entity, which is given as it is written.
    pub(crate) fn wrap(&mut self, number: usize, at: Position, other: &[u8]) -> Result<(), MessageError> {
        let span = self.span(number)?;
        let moved = if number == TOP { self.take_content_fields() } else { Vec::new() };
        let held = self.mime.body().get(span.start..span.end).unwrap_or_default();
        let boundary = boundary(&[&moved, held, other]);
        let mut before = Vec::new();
        if number != TOP {
            before.extend_from_slice(&mixed(&boundary).bytes);
            before.extend_from_slice(b"\r\n");
        }
        if at == Position::Top {
            before.extend_from_slice(&[b"--", boundary.as_bytes(), b"\r\n", other, b"\r\n"].concat());
        }
        before.extend_from_slice(&[b"--", boundary.as_bytes(), b"\r\n", &moved].concat());
        if number == TOP {
            before.extend_from_slice(b"\r\n");
        }
        let mut behind = Vec::new();
        if at == Position::Bottom {
            behind.extend_from_slice(&[b"\r\n--", boundary.as_bytes(), b"\r\n", other].concat());
        }
        behind.extend_from_slice(&[b"\r\n--", boundary.as_bytes(), b"--"].concat());
        behind.extend_from_slice(self.line_end_at(span.end).unwrap_or(b"\r\n"));
        self.change(span.start..span.start, before);
        self.change(span.end..span.end, behind);
        if number == TOP {
            self.say_mixed(&boundary, &moved);
        }
        Ok(())
    }

    /// Puts an entity into a multipart as its first or last child. `None` if its delimiters cannot be written: then the
    /// caller wraps.
    pub(crate) fn insert(&mut self, number: usize, at: Position, entity: &[u8]) -> Option<()> {
        let boundary = self.part(number)?.boundary.clone()?;
        if !boundary.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let delimiter = [b"--", boundary.as_ref()].concat();
        // One that begins so is one, too.
        if entity.starts_with(&delimiter)
            || memchr::memmem::find(entity, &[b"\n", &delimiter[..]].concat()).is_some()
        {
            return None;
        }
        let mut children = self.children(number);
        if at == Position::Top {
            let first = self.span(children.next()?).ok()?;
            self.change(first.start..first.start, [entity, b"\r\n", &delimiter, b"\r\n"].concat());
            return Some(());
        }
        let end = self.span(children.last()?).ok()?.end;
        let mut written = [b"\r\n", &delimiter[..], b"\r\n", entity].concat();
        match self.line_end_at(end) {
            Some(line_end) => written.extend_from_slice(line_end),
            // It was never closed.
            None => written.extend_from_slice(&[b"\r\n", &delimiter[..], b"--\r\n"].concat()),
        }
        self.change(end..end, written);
        Some(())
    }

    /// The children of a container, in order.
    pub(crate) fn children(&self, number: usize) -> impl Iterator<Item = usize> + use<'a> {
        let parts = self.mime.parts().iter().enumerate();
        parts.filter(move |(_, part)| part.parent == Some(number)).map(|(child, _)| child)
    }

    /// What must stand before a delimiter at that place, which has a line end of its own mostly; `None` at the end of all.
    pub(crate) fn line_end_at(&self, place: usize) -> Option<&'static [u8]> {
        match self.mime.body().get(place)? {
            b'\r' | b'\n' => Some(b""),
            _ => Some(b"\r\n"),
        }
    }

    /// What the edit makes of the draft.
    pub(crate) fn finish(self) -> Planned {
        let Self { mut splice, changes, .. } = self;
        let bytes = changes.iter().map(|change| change.instead.len()).sum();
        splice.change_body(changes);
        Planned { splice, bytes }
    }

    /// The fields that speak of the body go with it.
    fn take_content_fields(&mut self) -> Vec<u8> {
        let is_of_body = |field: &Field<'_>| {
            field.name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
        };
        let mut moved = Vec::new();
        for field in self.splice.fields().filter(is_of_body) {
            moved.extend_from_slice(&field::as_it_is(field.name, field.value).bytes);
        }
        self.splice.remove_where(|field| is_of_body(&field));
        moved
    }

    /// The new fields of a message of which the old ones went into its first part.
    fn say_mixed(&mut self, boundary: &str, moved: &[u8]) {
        if self.field(TOP, "MIME-Version").is_none() {
            self.set_top_field(&field::as_it_is("MIME-Version", b" 1.0"));
        }
        self.set_top_field(&mixed(boundary));
        let index = HeaderIndex::of(moved);
        let mut encodings =
            index.iter(moved).filter(|field| field.name.eq_ignore_ascii_case("Content-Transfer-Encoding"));
        // RFC 2045 §6.4: a container says it if anything inside is not 7bit.
        let wide = encodings.next().and_then(|field| {
            let word = field.value.trim_ascii();
            ["8bit", "binary"].into_iter().find(|wide| word.eq_ignore_ascii_case(wide.as_bytes()))
        });
        if let Some(wide) = wide {
            self.set_top_field(&field::as_it_is("Content-Transfer-Encoding", format!(" {wide}").as_bytes()));
        }
    }
}

fn mixed(boundary: &str) -> StagedField {
    field::as_it_is("Content-Type", format!(" multipart/mixed;\r\n boundary=\"{boundary}\"").as_bytes())
}

/// A boundary that stands in none of these. `=_` can begin no line of quoted-printable or base64 (RFC 2045 §6.7).
pub(crate) fn boundary(held: &[&[u8]]) -> String {
    let mut digesting = Digesting::new(Algorithm::Sha256);
    held.iter().for_each(|bytes| digesting.update(bytes));
    let digest = digesting.finish();
    digest.iter().take(16).fold(String::from("=_"), |text, byte| text + &format!("{byte:02x}"))
}

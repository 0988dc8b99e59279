//! A draft: a content with the edits that sinks staged.
//!
//! Promises: a clone is two reference counts, so a clone is a savepoint; dropping one costs nothing; bytes that no edit
//! names stay; no edit copies the body; trace fields and the host's own Authentication-Results stay what they are
//! (RFC 8601 §5), whatever a sink asks for. Occurrences and indexes speak of the draft as it is now. Leaves out: reading
//! (the module `view`), edits of parts.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::error::MessageError;
use crate::field;
use crate::headers::Field;
use crate::limits::{EDIT_BYTES_MAX, EDITS_MAX, HEADER_FIELDS_MAX, HEADER_SECTION_BYTES_MAX};
use crate::splice::{Place, Splice, StagedField, Stretch};
use crate::text::field_text;

/// A content with staged edits.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) splice: Splice,
    source: Source,
    saved: Saved,
    /// Whose Authentication-Results are the host's own; `None`: all of them count as such.
    authority: Option<Arc<str>>,
    edits: u32,
    edit_bytes: usize,
}

/// Where a new field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before the first field.
    Top,
    /// Behind the last field.
    Bottom,
}

/// A stretch of the draft as it is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that a sink wrote.
    Bytes(Bytes),
    /// A range of the content that the draft was made over.
    Original(Range<u64>),
}

/// What the splice is made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Original,
    Rewritten,
}

/// What `revert` goes back to.
#[derive(Debug, Clone)]
struct Saved {
    splice: Splice,
    source: Source,
}

impl Draft {
    /// A draft without edits.
    pub fn new(content: Content) -> Self {
        let splice = Splice::new(content);
        let saved = Saved { splice: splice.clone(), source: Source::Original };
        Self { splice, source: Source::Original, saved, authority: None, edits: 0, edit_bytes: 0 }
    }

    /// Says whose Authentication-Results are the host's own. Before this is said, every one counts as such, so that none
    /// can be forged.
    #[must_use]
    pub fn with_authority(mut self, host_name: &str) -> Self {
        self.authority = Some(Arc::from(host_name));
        self
    }

    /// Begins the edits of a call: what [`Draft::revert`] goes back to, with the bounds on edits counted anew.
    pub fn begin(&mut self) {
        self.saved = Saved { splice: self.splice.clone(), source: self.source };
        self.edits = 0;
        self.edit_bytes = 0;
    }

    /// Throws away the edits since [`Draft::begin`].
    pub fn revert(&mut self) {
        self.splice = self.saved.splice.clone();
        self.source = self.saved.source;
        self.edit_bytes = 0;
    }

    /// Adds a field; the host folds it and encodes what is not ASCII.
    ///
    /// # Errors
    /// When the name or value can't be a field, the name is the host's own, or a bound is reached.
    pub fn add_header(&mut self, at: Position, name: &str, value: &str) -> Result<(), MessageError> {
        let field = field::from_text(name, value)?;
        let index = match at {
            Position::Top => 0,
            Position::Bottom => usize::MAX,
        };
        self.insert(index, field)
    }

    /// Inserts a field of given bytes before the field with that number, or behind the last one.
    ///
    /// # Errors
    /// When the bytes are not one well-formed field, the name is the host's own, or a bound is reached.
    pub fn insert_header(&mut self, index: u32, name: &str, value: &[u8]) -> Result<(), MessageError> {
        let field = field::from_bytes(name, value)?;
        self.insert(usize::try_from(index).unwrap_or(usize::MAX), field)
    }

    /// Puts another value into an occurrence of a field, where it stands.
    ///
    /// # Errors
    /// When there is no such occurrence, it is the host's own, the value can't be one, or a bound is reached.
    pub fn replace_header(&mut self, name: &str, occurrence: u32, value: &str) -> Result<(), MessageError> {
        let field = field::from_text(name, value)?;
        self.check_new(&field)?;
        let place = self.place(name, occurrence)?;
        self.charge(field.bytes.len())?;
        self.splice.replace(place, Some(field));
        Ok(())
    }

    /// Takes an occurrence of a field away.
    ///
    /// # Errors
    /// When there is no such occurrence, it is the host's own, or a bound is reached.
    pub fn remove_header(&mut self, name: &str, occurrence: u32) -> Result<(), MessageError> {
        let place = self.place(name, occurrence)?;
        self.charge(0)?;
        self.splice.replace(place, None);
        Ok(())
    }

    /// Takes all fields of a name away and says how many there were; one edit however many.
    ///
    /// # Errors
    /// When one of them is the host's own (then all stay), or a bound is reached.
    pub fn remove_headers(&mut self, name: &str) -> Result<u32, MessageError> {
        self.check_editable()?;
        let is_named = |field: Field<'_>| field.name.eq_ignore_ascii_case(name);
        self.splice.fields().filter(|field| is_named(*field)).try_for_each(|field| self.check_own(field))?;
        self.charge(0)?;
        Ok(u32::try_from(self.splice.remove_where(is_named)).unwrap_or(u32::MAX))
    }

    /// Puts another content in place of all. The fields that are the host's own can't be rewritten: if the new content has
    /// other ones, its own go and the old ones come on top.
    ///
    /// # Errors
    /// When the header section of the new content is beyond a bound, or a bound on edits is reached.
    pub fn rewrite(&mut self, content: Bytes) -> Result<(), MessageError> {
        self.check_editable()?;
        self.charge(0)?;
        let mut splice = Splice::new(Content::new(content));
        check_bound(&splice)?;
        let own = self.own_fields(&self.splice);
        if own != self.own_fields(&splice) {
            splice.remove_where(|field| self.is_own(field));
            own.into_iter().rev().for_each(|(name, value)| splice.insert(0, field::as_it_is(&name, &value)));
        }
        self.splice = splice;
        self.source = Source::Rewritten;
        Ok(())
    }

    /// Whether anything differs from the original content.
    pub fn is_edited(&self) -> bool {
        self.source == Source::Rewritten || self.splice.is_edited()
    }

    /// What is to be written down, in order.
    pub fn pieces(&self) -> Vec<Piece> {
        let stretches = self.splice.stretches().into_iter();
        let base = self.splice.base();
        let piece = |stretch| match (stretch, self.source) {
            (Stretch::Base(range), Source::Original) => Piece::Original(range),
            // A rewritten content is in memory, so reading it cannot fail.
            (Stretch::Base(range), Source::Rewritten) => Piece::Bytes(base.read(range).unwrap_or_default()),
            (Stretch::Staged(bytes), _) => Piece::Bytes(bytes),
        };
        stretches.map(piece).collect()
    }

    fn insert(&mut self, index: usize, field: StagedField) -> Result<(), MessageError> {
        self.check_editable()?;
        self.check_new(&field)?;
        if self.splice.fields().count() >= HEADER_FIELDS_MAX {
            return Err(MessageError::TooLarge("HEADER_FIELDS_MAX"));
        }
        self.charge(field.bytes.len())?;
        self.splice.insert(index, field);
        Ok(())
    }

    fn place(&self, name: &str, occurrence: u32) -> Result<Place, MessageError> {
        self.check_editable()?;
        let wanted = usize::try_from(occurrence).unwrap_or(usize::MAX);
        let mut named = self.splice.places().filter(|(_, field)| field.name.eq_ignore_ascii_case(name));
        let (place, field) = named.nth(wanted).ok_or(MessageError::NotFound)?;
        self.check_own(field)?;
        Ok(place)
    }

    /// Counts an edit against the bounds of a call and of the header section.
    fn charge(&mut self, bytes: usize) -> Result<(), MessageError> {
        if self.edits >= EDITS_MAX {
            return Err(MessageError::TooLarge("EDITS_MAX"));
        }
        if self.edit_bytes + bytes > EDIT_BYTES_MAX {
            return Err(MessageError::TooLarge("EDIT_BYTES_MAX"));
        }
        if bytes > 0 && self.splice.header_size() + bytes > HEADER_SECTION_BYTES_MAX {
            return Err(MessageError::TooLarge("HEADER_SECTION_BYTES_MAX"));
        }
        self.edits += 1;
        self.edit_bytes += bytes;
        Ok(())
    }

    fn check_editable(&self) -> Result<(), MessageError> {
        check_bound(&self.splice)
    }

    fn check_new(&self, field: &StagedField) -> Result<(), MessageError> {
        self.check_own(field.span.field(&field.bytes))
    }

    fn check_own(&self, field: Field<'_>) -> Result<(), MessageError> {
        if self.is_own(field) {
            return Err(MessageError::Protected(field.name.to_owned()));
        }
        Ok(())
    }

    /// Trace fields (RFC 5321 §4.4), and Authentication-Results under the host's name (RFC 8601 §5).
    fn is_own(&self, field: Field<'_>) -> bool {
        const TRACE: [&str; 2] = ["Received", "Return-Path"];
        if TRACE.iter().any(|trace| trace.eq_ignore_ascii_case(field.name)) {
            return true;
        }
        if !field.name.eq_ignore_ascii_case("Authentication-Results") {
            return false;
        }
        let Some(authority) = &self.authority else { return true };
        let text = field_text(field.value);
        authority_of(&text).is_none_or(|named| named.eq_ignore_ascii_case(authority))
    }

    fn own_fields(&self, splice: &Splice) -> Vec<(String, Vec<u8>)> {
        let own = splice.fields().filter(|field| self.is_own(*field));
        own.map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
    }
}

/// Fields behind the bound of the index are unknown, so an edit could not keep its promises.
fn check_bound(splice: &Splice) -> Result<(), MessageError> {
    splice.base().headers().bound().map_or(Ok(()), |bound| Err(MessageError::TooLarge(bound.name())))
}

/// The authserv-id of RFC 8601 §2.2, comments skipped; `None` if it cannot be told, which is for nobody to use.
fn authority_of(value: &str) -> Option<String> {
    let mut rest = value.trim_start();
    while let Some(comment) = rest.strip_prefix('(') {
        // A nested comment or an escape in front of the name is nothing that an honest writer does.
        let (inner, after) = comment.split_once(')')?;
        if inner.contains(['(', '\\']) {
            return None;
        }
        rest = after.trim_start();
    }
    let named = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?.0.replace('\\', ""),
        None => rest.split([';', ' ', '\t', '(', '/']).next().unwrap_or_default().to_owned(),
    };
    Some(named.trim_end_matches('.').to_owned()).filter(|named| !named.is_empty())
}

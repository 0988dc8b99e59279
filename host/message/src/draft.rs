//! A draft: a content with the edits that sinks staged.
//!
//! Promises: a clone is a few reference counts, so a clone is a savepoint; dropping one costs nothing; bytes that no edit
//! names stay; no edit copies the body; trace fields and the host's own Authentication-Results stay what they are
//! (RFC 8601 §5), whatever a sink asks for. Occurrences and indexes speak of the draft as it is now. Leaves out: reading
//! (the module `view`), edits of parts (the modules `parts` and `add_text`).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::error::MessageError;
use crate::field;
use crate::headers::Field;
use crate::limits::{
    BODY_EDIT_BYTES_MAX, EDIT_BYTES_MAX, EDITS_MAX, HEADER_FIELDS_MAX, HEADER_SECTION_BYTES_MAX,
};
use crate::plan::Planned;
use crate::segment::StagedField;
use crate::splice::{Place, Splice, Stretch};
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
    body_edit_bytes: usize,
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

const RESULTS: &str = "Authentication-Results";

impl Draft {
    /// A draft without edits.
    pub fn new(content: Content) -> Self {
        let splice = Splice::new(content);
        let saved = Saved { splice: splice.clone(), source: Source::Original };
        Self {
            splice,
            source: Source::Original,
            saved,
            authority: None,
            edits: 0,
            edit_bytes: 0,
            body_edit_bytes: 0,
        }
    }

    /// Says whose Authentication-Results are the host's own. Before this is said, every one counts as such, so that none
    /// can be forged.
    #[must_use]
    pub fn with_authority(mut self, host_name: &str) -> Self {
        self.authority = Some(Arc::from(host_name));
        self
    }

    /// Takes away the Authentication-Results under the host's name that came with the content, so that nobody believes them
    /// (RFC 8601 §5), and says how many there were. For the host, before it adds its own and before any sink reads.
    pub fn remove_forged_results(&mut self) -> usize {
        if self.authority.is_none() || check_bound(&self.splice).is_err() {
            return 0;
        }
        let mut splice = self.splice.clone();
        let is_forged = |field: Field<'_>| field.name.eq_ignore_ascii_case(RESULTS) && self.is_own(field);
        let count = splice.remove_where(is_forged);
        self.splice = splice;
        count
    }

    /// Begins the edits of a call: what [`Draft::revert`] goes back to, with the bounds on edits counted anew.
    pub fn begin(&mut self) {
        self.saved = Saved { splice: self.splice.clone(), source: self.source };
        self.edits = 0;
        self.edit_bytes = 0;
        self.body_edit_bytes = 0;
    }

    /// Throws away the edits since [`Draft::begin`].
    pub fn revert(&mut self) {
        self.splice = self.saved.splice.clone();
        self.source = self.saved.source;
        self.edit_bytes = 0;
        self.body_edit_bytes = 0;
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

    /// Takes over what an edit of parts has made, within the bounds.
    pub(crate) fn commit(&mut self, planned: Planned) -> Result<(), MessageError> {
        let bytes = self.body_edit_bytes.saturating_add(planned.bytes);
        if bytes > BODY_EDIT_BYTES_MAX {
            return Err(MessageError::TooLarge("BODY_EDIT_BYTES_MAX"));
        }
        if planned.splice.header_size() > HEADER_SECTION_BYTES_MAX {
            return Err(MessageError::TooLarge("HEADER_SECTION_BYTES_MAX"));
        }
        self.charge(0)?;
        self.body_edit_bytes = bytes;
        self.splice = planned.splice;
        Ok(())
    }

    pub(crate) fn check_editable(&self) -> Result<(), MessageError> {
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
        if !field.name.eq_ignore_ascii_case(RESULTS) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{FIELD_NAME_BYTES_MAX, FIELD_VALUE_BYTES_MAX};

    const MESSAGE: &str = "Received: from a\r\n by b\r\nReturn-Path: <x@a>\r\nSubject: one\r\nX-A: 1\r\nx-a: 2\r\n\
                           Authentication-Results: mx.example (c); spf=pass\r\n\r\nbody\r\n";

    fn draft(text: &'static str) -> Draft {
        Draft::new(Content::new(Bytes::from_static(text.as_bytes())))
    }

    fn written(draft: &Draft) -> String {
        String::from_utf8(draft.part_bytes(crate::PartId(0)).expect("in memory").to_vec()).expect("text")
    }

    /// Edits a message and compares all of its bytes.
    fn check(
        input: &'static str,
        edit: impl FnOnce(&mut Draft) -> Result<(), MessageError>,
        expected: Result<&str, MessageError>,
    ) {
        let mut edited = draft(input);
        match expected {
            Ok(expected) => {
                assert_eq!(edit(&mut edited), Ok(()), "{input:?}");
                assert_eq!(written(&edited), expected);
            }
            Err(error) => {
                assert_eq!(edit(&mut edited), Err(error), "{input:?}");
                assert_eq!(written(&edited), input);
                assert!(!edited.is_edited());
            }
        }
        assert_eq!(edited.size(), u64::try_from(written(&edited).len()).unwrap());
    }

    #[test]
    fn a_field_goes_to_the_top_or_behind_the_last() {
        check(
            "A: 1\r\n\r\nb",
            |draft| draft.add_header(Position::Top, "X", "y"),
            Ok("X: y\r\nA: 1\r\n\r\nb"),
        );
        check(
            "A: 1\r\n\r\nb",
            |draft| draft.add_header(Position::Bottom, "X", "y"),
            Ok("A: 1\r\nX: y\r\n\r\nb"),
        );
        check("A: 1", |draft| draft.add_header(Position::Bottom, "X", "y"), Ok("A: 1\r\nX: y\r\n"));
        check(
            "A: 1\nodd\r\n\r\n",
            |draft| draft.add_header(Position::Bottom, "X", "y"),
            Ok("A: 1\nX: y\r\nodd\r\n\r\n"),
        );
        check(
            " led\r\nA: 1\r\n",
            |draft| draft.add_header(Position::Top, "X", "y"),
            Ok(" led\r\nX: y\r\nA: 1\r\n"),
        );
        check("", |draft| draft.add_header(Position::Top, "X", "y"), Ok("X: y\r\n"));
    }

    #[test]
    fn a_body_without_a_header_section_stays_a_body() {
        check("text\r\n", |draft| draft.add_header(Position::Top, "X", "y"), Ok("X: y\r\n\r\ntext\r\n"));
        check("\r\ntext\r\n", |draft| draft.add_header(Position::Top, "X", "y"), Ok("X: y\r\n\r\ntext\r\n"));
        let twice_and_gone = |draft: &mut Draft| {
            draft.add_header(Position::Bottom, "X", "1")?;
            draft.add_header(Position::Bottom, "X", "2")?;
            assert_eq!(written(draft), "X: 1\r\nX: 2\r\n\r\ntext\r\n");
            draft.remove_headers("X").map(|_| ())
        };
        check("text\r\n", twice_and_gone, Ok("text\r\n"));
    }

    #[test]
    fn several_fields_behind_an_open_last_line_stay_fields() {
        let edits = |draft: &mut Draft| {
            draft.add_header(Position::Bottom, "X", "1")?;
            draft.add_header(Position::Bottom, "Y", "2")?;
            draft.remove_header("X", 0)?;
            draft.remove_header("Y", 0)?;
            draft.add_header(Position::Bottom, "Z", "3")
        };
        check("A: 1", edits, Ok("A: 1\r\nZ: 3\r\n"));
        let all_gone = |draft: &mut Draft| {
            draft.remove_header("A", 0)?;
            draft.add_header(Position::Bottom, "Z", "3")
        };
        check("A: 1\r\nodd", all_gone, Ok("odd\r\nZ: 3\r\n"));
    }

    #[test]
    fn occurrences_speak_of_the_draft_as_it_is_now() {
        let edits = |draft: &mut Draft| {
            draft.remove_header("X-A", 0)?;
            draft.replace_header("X-A", 0, "two")?;
            draft.insert_header(1, "X-A", b" first")?;
            draft.replace_header("x-a", 1, "second")?;
            assert_eq!(draft.remove_header("X-A", 2), Err(MessageError::NotFound));
            Ok(())
        };
        check(
            "S: 1\r\nX-A: 1\r\nT: 2\r\nx-a: 2\r\n\r\nbody",
            edits,
            Ok("S: 1\r\nX-A: first\r\nT: 2\r\nx-a: second\r\n\r\nbody"),
        );
        check("A: 1\r\n", |draft| draft.insert_header(99, "B", b"2"), Ok("A: 1\r\nB:2\r\n"));
    }

    #[test]
    fn all_fields_of_a_name_go_together() {
        let edit = |draft: &mut Draft| {
            draft.add_header(Position::Top, "x-A", "0")?;
            assert_eq!(draft.remove_headers("X-a"), Ok(3));
            assert_eq!(draft.remove_headers("X-a"), Ok(0));
            Ok(())
        };
        check("X-A: 1\r\nodd\r\nS: 1\r\nX-A: 2\r\n\r\nbody", edit, Ok("odd\r\nS: 1\r\n\r\nbody"));
    }

    #[test]
    fn what_the_host_writes_nobody_touches() {
        let own = |name: &str| Err(MessageError::Protected(name.to_owned()));
        check(MESSAGE, |draft| draft.add_header(Position::Top, "received", "x"), own("received"));
        check(MESSAGE, |draft| draft.insert_header(0, "Return-Path", b"<>"), own("Return-Path"));
        check(MESSAGE, |draft| draft.remove_header("Received", 0), own("Received"));
        check(MESSAGE, |draft| draft.remove_headers("RECEIVED").map(|_| ()), own("Received"));
        check(MESSAGE, |draft| draft.replace_header("Return-Path", 0, "<>"), own("Return-Path"));
        check(
            MESSAGE,
            |draft| draft.remove_header("Authentication-Results", 0),
            own("Authentication-Results"),
        );
    }

    fn check_authority(value: &str, expected: &Result<(), MessageError>) {
        let mut edited = draft("S: 1\r\n\r\n").with_authority("MX.example");
        let result = edited.insert_header(0, "Authentication-Results", value.as_bytes());
        assert_eq!(&result, expected, "{value:?}");
    }

    #[test]
    fn authentication_results_are_the_hosts_own_under_its_name() {
        check_authority("other.example; spf=pass", &Ok(()));
        check_authority("mx.example.net; none", &Ok(()));
        for own in [
            "mx.example; spf=pass",
            " (a comment) mx.EXAMPLE 1; none",
            "\"mx.example\"; none",
            "mx.example.; none",
            "=?utf-8?q?mx.example?=; none",
            "((nested)) other.example; none",
            "; none",
        ] {
            check_authority(own, &Err(MessageError::Protected("Authentication-Results".to_owned())));
        }
        let mut foreign = draft(MESSAGE).with_authority("other.example");
        assert_eq!(foreign.remove_headers("Authentication-Results"), Ok(1));
    }

    #[test]
    fn results_under_the_hosts_name_that_come_in_are_forged() {
        let text = "Authentication-Results: mx.example; spf=pass\r\nS: 1\r\nAuthentication-Results: b.example; none\r\n\r\n";
        let mut came = draft(text).with_authority("mx.example");
        assert_eq!((came.remove_forged_results(), came.remove_forged_results()), (1, 0));
        assert_eq!(written(&came), "S: 1\r\nAuthentication-Results: b.example; none\r\n\r\n");
        assert_eq!(draft(text).remove_forged_results(), 0);
    }

    #[test]
    fn a_clone_is_a_savepoint_and_revert_goes_back_to_the_beginning_of_the_call() {
        let mut first = draft(MESSAGE);
        first.add_header(Position::Top, "X-B", "1").unwrap();
        first.begin();
        let saved = first.clone();
        first.remove_header("Subject", 0).unwrap();
        first.rewrite(Bytes::from_static(b"S: new\r\n\r\nother")).unwrap();
        assert_eq!(saved.header("Subject").as_deref(), Some("one"));
        first.revert();
        assert_eq!(written(&first), written(&saved));
        assert_eq!(first.pieces(), saved.pieces());
    }

    #[test]
    fn a_draft_may_be_read_and_edited_on_any_thread() {
        fn check<T: Send + Sync>(_: &T) {}
        check(&draft(MESSAGE));
    }

    #[test]
    fn untouched_bytes_are_ranges_of_the_original() {
        let mut edited = draft("A: 1\r\nB: 2\r\nC: 3\r\n\r\nbody");
        edited.remove_header("B", 0).unwrap();
        assert_eq!(edited.pieces(), [Piece::Original(0..6), Piece::Original(12..24)]);
        edited.add_header(Position::Top, "X", "y").unwrap();
        let added = Piece::Bytes(Bytes::from_static(b"X: y\r\n"));
        assert_eq!(edited.pieces(), [added, Piece::Original(0..6), Piece::Original(12..24)]);
        assert_eq!(draft(MESSAGE).pieces(), [Piece::Original(0..u64::try_from(MESSAGE.len()).unwrap())]);
    }

    #[test]
    fn a_rewrite_keeps_the_fields_that_are_the_hosts_own() {
        let rewrite =
            |text: &'static str| move |draft: &mut Draft| draft.rewrite(Bytes::from_static(text.as_bytes()));
        check(
            "Received: a\r\nS: 1\r\n\r\nbody",
            rewrite("S: 2\r\nReceived: a\r\n\r\nnew"),
            Ok("S: 2\r\nReceived: a\r\n\r\nnew"),
        );
        check(
            "Received: a\r\n b\r\nS: 1\r\n\r\nbody",
            rewrite("Received: forged\r\nS: 2\r\n\r\nnew"),
            Ok("Received: a\r\n b\r\nS: 2\r\n\r\nnew"),
        );
        check("Received: a\r\n\r\nbody", rewrite("new"), Ok("Received: a\r\n\r\nnew"));
        let mut edited = draft("Received: a\r\n\r\nbody");
        edited.rewrite(Bytes::from_static(b"S: 2\r\n\r\nnew")).unwrap();
        assert!(edited.pieces().iter().all(|piece| matches!(piece, Piece::Bytes(_))));
    }

    #[test]
    fn edits_are_bounded() {
        let too_large = |name: &'static str| Err(MessageError::TooLarge(name));
        let mut edited = draft("A: 1\r\n\r\n");
        for _ in 0..EDITS_MAX {
            edited.replace_header("A", 0, "2").unwrap();
        }
        assert_eq!(edited.remove_header("A", 0), too_large("EDITS_MAX"));
        edited.begin();
        assert_eq!(edited.remove_header("A", 0), Ok(()));

        let long = "word ".repeat(FIELD_VALUE_BYTES_MAX / 5 - 200);
        let mut edited = draft("A: 1\r\n\r\n");
        let result = (0..10).try_for_each(|_| edited.add_header(Position::Top, "X", &long));
        assert_eq!(result, too_large("EDIT_BYTES_MAX"));
        let result = (0..30).try_for_each(|_| {
            edited.begin();
            edited.add_header(Position::Top, "X", &long)
        });
        assert_eq!(result, too_large("HEADER_SECTION_BYTES_MAX"));

        let name = "X".repeat(FIELD_NAME_BYTES_MAX + 1);
        assert_eq!(edited.add_header(Position::Top, &name, ""), too_large("FIELD_NAME_BYTES_MAX"));
        let value = "x".repeat(FIELD_VALUE_BYTES_MAX + 1);
        assert_eq!(edited.add_header(Position::Top, "X", &value), too_large("FIELD_VALUE_BYTES_MAX"));

        let many = "A: b\r\n".repeat(HEADER_FIELDS_MAX);
        let mut edited = Draft::new(Content::new(Bytes::from(many.clone())));
        assert_eq!(edited.add_header(Position::Top, "X", ""), too_large("HEADER_FIELDS_MAX"));
        assert_eq!(edited.remove_headers("A"), Ok(10_000));
        let mut edited = Draft::new(Content::new(Bytes::from(many + "A: b\r\n")));
        assert_eq!(edited.remove_headers("A"), Err(MessageError::TooLarge("HEADER_FIELDS_MAX")));
    }
}

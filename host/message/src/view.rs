//! Reading a draft: what WIT `message` offers, with the edits staged so far.
//!
//! Promises: header functions touch the header section alone and never load a body; the MIME view is built once for all
//! drafts of a content, unless an edit changes a field that shapes it. Leaves out: edits ([`crate::draft`]).

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::digest::{Algorithm, Digesting};
use crate::draft::Draft;
use crate::error::MessageError;
use crate::expressions::Expressions;
use crate::find::{Case, Found, Literals};
use crate::headers::{Field, HeaderIndex};
use crate::limits::{LOAD_BYTES_MAX, MATCH_TEXT_BYTES_MAX, READ_BYTES_MAX};
use crate::mime::{Mime, MimePart, Part, PartId, PartTrait};
use crate::splice::{Stretch, to_u64};
use crate::text::{NamedMailbox, field_text, mailboxes};
use crate::transfer::Form;

/// The raw message.
const RAW: PartId = PartId(0);
/// The top entity of the message.
const TOP: PartId = PartId(1);

impl Draft {
    /// Bytes of the whole as it is now.
    pub fn size(&self) -> u64 {
        self.splice.size()
    }

    /// The fields, in order, byte for byte.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.splice.fields()
    }

    /// The first field of that name as text: unfolded, decoded, invalid bytes replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        self.named(name).next().map(|field| field_text(field.value))
    }

    /// All fields of that name as text.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.named(name).map(|field| field_text(field.value)).collect()
    }

    /// The mailboxes of the fields of that name, groups flattened, at most [`crate::limits::MAILBOXES_MAX`].
    pub fn header_mailboxes(&self, name: &str) -> Vec<NamedMailbox> {
        let mut found = Vec::new();
        self.named(name).for_each(|field| mailboxes(field.value, &mut found));
        found
    }

    /// Bytes of the header section: what a header function or an edit touches.
    pub fn header_size(&self) -> u64 {
        to_u64(self.splice.header_size())
    }

    /// Bytes that the next MIME function will touch to build the view; 0 once it is there.
    pub fn mime_cost(&self) -> u64 {
        if self.splice.mime().get().is_some() { 0 } else { self.size() }
    }

    /// Bytes that a function which works by the byte touches in that part at most.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn part_size(&self, part: PartId) -> Result<u64, MessageError> {
        if part == RAW {
            return Ok(self.size());
        }
        Ok(to_u64(self.part(part)?.body.len()))
    }

    /// All parts: 0 is the raw message, 1 its top entity, then every container's children in order.
    ///
    /// # Errors
    /// When the content cannot be loaded.
    pub fn parts(&self) -> Result<Vec<Part>, MessageError> {
        let raw = Part {
            id: RAW,
            parent: None,
            content_type: "message/rfc822".to_owned(),
            file_name: None,
            size: self.size(),
        };
        Ok([raw].into_iter().chain(self.mime()?.list()).collect())
    }

    /// The first field of that name of a part, as text. Parts 0 and 1 have the fields of the message.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn part_header(&self, part: PartId, name: &str) -> Result<Option<String>, MessageError> {
        if part == RAW || part == TOP {
            return Ok(self.header(name));
        }
        let header = &self.part(part)?.header;
        let index = HeaderIndex::of(header);
        let mut named = index.iter(header).filter(|field| field.name.eq_ignore_ascii_case(name));
        Ok(named.next().map(|field| field_text(field.value)))
    }

    /// What is worth to know of a part. Part 0 is signed or encrypted if part 1 is, and malformed or truncated if any is.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn part_traits(&self, part: PartId) -> Result<Vec<PartTrait>, MessageError> {
        if part != RAW {
            return Ok(self.part(part)?.traits.clone());
        }
        let mime = self.mime()?;
        let whole = [PartTrait::Encrypted, PartTrait::Signed].into_iter();
        let whole = whole.filter(|one| mime.part(TOP).is_some_and(|top| top.traits.contains(one)));
        let any = [PartTrait::Malformed, PartTrait::Truncated].into_iter().filter(|one| mime.any_has(*one));
        Ok(whole.chain(any).collect())
    }

    /// Decoded bytes of a part, at most [`READ_BYTES_MAX`]; fewer than asked for at its end.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn read_part(&self, part: PartId, offset: u64, length: usize) -> Result<Bytes, MessageError> {
        if part == RAW {
            return self.read_raw(offset, length);
        }
        let decoded = self.part(part)?.decoded();
        Ok(decoded.slice(window(decoded.len(), offset, length)))
    }

    /// A part as UTF-8; offset and length count bytes of that text. Ends before a character that does not fit; a length
    /// that is too short for a single one gives that one all the same, so a loop over a part always comes to its end.
    ///
    /// # Errors
    /// When there is no such part, the offset is inside a character, or the content cannot be loaded.
    pub fn read_text(&self, part: PartId, offset: u64, length: usize) -> Result<String, MessageError> {
        let text = self.text_of(part)?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let Range { start, end } = window(text.len(), offset, length);
        let rest = text.get(start..);
        let rest = rest.ok_or_else(|| MessageError::invalid("the offset is inside a character"))?;
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let fitting = rest.floor_char_boundary(end - start);
        let taken = if length == 0 { 0 } else { fitting.max(first) };
        Ok(rest.get(..taken).unwrap_or_default().to_owned())
    }

    /// Bytes of the whole as it is now, at most [`READ_BYTES_MAX`].
    ///
    /// # Errors
    /// When the content cannot be loaded.
    pub fn read_raw(&self, offset: u64, length: usize) -> Result<Bytes, MessageError> {
        let end = offset.saturating_add(to_u64(length.min(READ_BYTES_MAX)));
        self.splice.read(offset..end)
    }

    /// All decoded bytes of a part. Those of an edited raw message are joined, which copies them; others are shared.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn part_bytes(&self, part: PartId) -> Result<Bytes, MessageError> {
        if part == RAW {
            // A stored body that is read whole is kept, so it is loaded once.
            self.splice.base().bytes()?;
            return self.splice.read(0..self.size());
        }
        Ok(self.part(part)?.decoded().clone())
    }

    /// Where literals stand in the decoded bytes of a part, in the order of their ends, at most `limit` of them. Part 0 is
    /// the raw message and is not copied.
    ///
    /// # Errors
    /// When there is no such part, a bound on literals is reached, or the content cannot be loaded.
    pub fn find<L: AsRef<[u8]>>(
        &self,
        part: PartId,
        literals: &[L],
        case: Case,
        limit: u32,
    ) -> Result<Vec<Found>, MessageError> {
        let mut literals = Literals::new(literals, case, limit)?;
        if part == RAW {
            self.for_each_chunk(|chunk| literals.feed(chunk))?;
        } else {
            literals.feed(self.part(part)?.decoded());
        }
        Ok(literals.finish())
    }

    /// The numbers of the regular expressions that match somewhere in a part's text, in order; linear in the text.
    ///
    /// # Errors
    /// When there is no such part, an expression is not valid, a bound is reached, or the content cannot be loaded.
    pub fn match_any<E: AsRef<str>>(&self, part: PartId, all: &[E]) -> Result<Vec<u32>, MessageError> {
        let expressions = Expressions::compile(all)?;
        if self.part_size(part)? > to_u64(MATCH_TEXT_BYTES_MAX) {
            return Err(MessageError::TooLarge("MATCH_TEXT_BYTES_MAX"));
        }
        let text = self.text_of(part)?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        expressions.matching(text)
    }

    /// The digest of the decoded bytes of a part; a stored raw message is read through, not kept.
    ///
    /// # Errors
    /// When there is no such part, or the content cannot be loaded.
    pub fn digest(&self, part: PartId, algorithm: Algorithm) -> Result<Vec<u8>, MessageError> {
        let mut digesting = Digesting::new(algorithm);
        if part == RAW {
            self.for_each_chunk(|chunk| digesting.update(chunk))?;
        } else {
            digesting.update(self.part(part)?.decoded());
        }
        Ok(digesting.finish())
    }

    /// How many Received fields there are: what a loop makes grow (RFC 5321 §6.3).
    pub fn received_count(&self) -> usize {
        self.named("Received").count()
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Field<'a>> {
        self.splice.fields().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    fn part(&self, id: PartId) -> Result<&MimePart, MessageError> {
        self.mime()?.part(id).ok_or(MessageError::NotFound)
    }

    pub(crate) fn mime(&self) -> Result<&Mime, MessageError> {
        if let Some(mime) = self.splice.mime().get() {
            return Ok(mime);
        }
        let body = self.splice.body()?;
        let index = self.splice.base().headers();
        let form = if index.is_well_formed() { Form::Well } else { Form::Malformed };
        Ok(self.splice.mime().view_or_build(|| Mime::build(self.splice.fields(), form, body)))
    }

    fn text_of(&self, part: PartId) -> Result<Bytes, MessageError> {
        if part != RAW {
            return Ok(self.part(part)?.text().clone());
        }
        let raw = self.part_bytes(RAW)?;
        Ok(match std::str::from_utf8(&raw) {
            Ok(_) => raw,
            Err(_) => Bytes::from(String::from_utf8_lossy(&raw).into_owned()),
        })
    }

    /// The raw message in chunks: what is in memory as it is, the rest loaded piece by piece and not kept.
    fn for_each_chunk(&self, mut give: impl FnMut(&[u8])) -> Result<(), MessageError> {
        let mut joined = BytesMut::new();
        for stretch in self.splice.stretches() {
            match stretch {
                Stretch::Staged(bytes) => joined.extend_from_slice(&bytes),
                Stretch::Base(range) => {
                    give(&joined.split());
                    let held = to_u64(self.splice.base().head().len());
                    let mut from = range.start;
                    while from < range.end {
                        let next = if from < held { held } else { from.saturating_add(LOAD_BYTES_MAX) };
                        let to = range.end.min(next);
                        give(&self.splice.base().read(from..to)?);
                        from = to;
                    }
                }
            }
        }
        give(&joined);
        Ok(())
    }
}

/// The range of a read, cut to what there is and to [`READ_BYTES_MAX`].
fn window(size: usize, offset: u64, length: usize) -> Range<usize> {
    let start = usize::try_from(offset).unwrap_or(size).min(size);
    start..start.saturating_add(length.min(READ_BYTES_MAX)).min(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Content, Load, LoadError};
    use crate::draft::Position;
    use std::sync::Arc;

    const LETTER: &str = "From: =?utf-8?Q?J=C3=B6rg?= <j@x.example>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
                          Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\
                          Received: a\r\n\r\nGr=FC=DFe, Sluice!\r\n";

    fn draft(text: &str) -> Draft {
        Draft::new(Content::new(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// A body that must not be loaded.
    struct Forbidden;

    impl Load for Forbidden {
        fn load(&self, _range: Range<u64>) -> Result<Bytes, LoadError> {
            Err(LoadError("loaded".to_owned()))
        }
    }

    /// A body of zeros that is handed out in bounded pieces.
    struct Zeros;

    impl Load for Zeros {
        fn load(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
            let size = range.end - range.start;
            assert!(size <= LOAD_BYTES_MAX, "{size} bytes at once");
            Ok(Bytes::from(vec![0; usize::try_from(size).unwrap()]))
        }
    }

    #[test]
    fn a_stored_body_is_read_through_in_pieces() {
        let head = Bytes::from_static(b"A: 1\r\n\r\n");
        let stored = Draft::new(Content::stored(head.clone(), 3 * LOAD_BYTES_MAX + 7, Arc::new(Zeros)));
        let size = usize::try_from(3 * LOAD_BYTES_MAX + 7).unwrap();
        let whole = draft(std::str::from_utf8(&[&head[..], &vec![0; size - head.len()]].concat()).unwrap());
        for algorithm in [Algorithm::Sha256, Algorithm::Sha1, Algorithm::Md5] {
            assert_eq!(stored.digest(RAW, algorithm), whole.digest(RAW, algorithm));
        }
        assert_eq!(stored.find(RAW, &["1\r"], Case::Exact, 9), Ok(vec![Found { literal: 0, offset: 3 }]));
    }

    fn check_text(offset: u64, length: usize, expected: Result<&str, MessageError>) {
        assert_eq!(draft(LETTER).read_text(TOP, offset, length), expected.map(str::to_owned));
    }

    #[test]
    fn text_is_read_in_whole_characters() {
        check_text(0, 100, Ok("Grüße, Sluice!\r\n"));
        check_text(0, 3, Ok("Gr"));
        check_text(2, 1, Ok("ü"));
        check_text(2, 0, Ok(""));
        check_text(3, 9, Err(MessageError::invalid("the offset is inside a character")));
        check_text(99, 9, Ok(""));
    }

    #[test]
    fn header_functions_never_load_a_body() {
        let head = Bytes::copy_from_slice(LETTER.as_bytes());
        let size = to_u64(head.len()) + 1_000_000;
        let mut stored = Draft::new(Content::stored(head, size, Arc::new(Forbidden)));
        assert_eq!(stored.header("subject").as_deref(), Some("Grüße"));
        assert_eq!(stored.header_values("nothing"), Vec::<String>::new());
        assert_eq!(stored.header_mailboxes("FROM")[0].name.as_deref(), Some("Jörg"));
        assert_eq!((stored.fields().count(), stored.received_count()), (5, 1));
        stored.add_header(Position::Top, "X", "y").expect("no body is needed");
        stored.remove_header("Subject", 0).expect("no body is needed");
        assert_eq!(stored.pieces().len(), 3);
        assert_eq!(stored.read_raw(0, 6).expect("in memory"), "X: y\r\n");
        let failed = MessageError::Unavailable(LoadError("loaded".to_owned()));
        assert_eq!(stored.parts(), Err(failed.clone()));
        assert_eq!(stored.digest(RAW, Algorithm::Md5), Err(failed));
    }

    #[test]
    fn the_raw_message_is_read_across_its_edits() {
        let mut edited = draft("A: 1\r\nB: 2\r\n\r\nbody");
        edited.replace_header("B", 0, "two").expect("a good edit");
        let whole = b"A: 1\r\nB: two\r\n\r\nbody";
        assert_eq!(edited.read_raw(0, 100).expect("in memory"), &whole[..]);
        for start in 0..whole.len() {
            let read = edited.read_raw(to_u64(start), 3).expect("in memory");
            assert_eq!(read, whole[start..whole.len().min(start + 3)]);
        }
        assert_eq!(edited.read_raw(u64::MAX, usize::MAX).expect("in memory"), "");
        let found = edited.find(RAW, &["two\r\n\r\nb", "bod", "1"], Case::Exact, 10).expect("in bounds");
        let found: Vec<(u32, u64)> = found.iter().map(|hit| (hit.literal, hit.offset)).collect();
        assert_eq!(found, [(2, 3), (0, 9), (1, 16)]);
        let plain = draft(std::str::from_utf8(whole).expect("text"));
        assert_eq!(edited.digest(RAW, Algorithm::Sha256), plain.digest(RAW, Algorithm::Sha256));
    }

    #[test]
    fn reads_are_cut_to_what_one_call_may_have() {
        let long = draft(&("\r\n".to_owned() + &"x".repeat(2 * READ_BYTES_MAX)));
        assert_eq!(long.read_part(TOP, 0, usize::MAX).map(|read| read.len()), Ok(READ_BYTES_MAX));
        assert_eq!(long.read_raw(0, usize::MAX).map(|read| read.len()), Ok(READ_BYTES_MAX));
        assert_eq!(long.read_text(TOP, 0, usize::MAX).map(|read| read.len()), Ok(READ_BYTES_MAX));
    }

    #[test]
    fn expressions_see_the_decoded_text() {
        let letter = draft(LETTER);
        assert_eq!(letter.match_any(TOP, &["grüße", "(?i)GRÜSSE|GRÜßE", "Sluice!\\s*$"]), Ok(vec![1, 2]));
        assert_eq!(letter.match_any(RAW, &["^From:", "Grüße"]), Ok(vec![0]));
        let long = draft(&("\r\n".to_owned() + &"x".repeat(MATCH_TEXT_BYTES_MAX + 1)));
        assert_eq!(long.match_any(TOP, &["x"]), Err(MessageError::TooLarge("MATCH_TEXT_BYTES_MAX")));
        assert_eq!(letter.match_any(PartId(7), &["x"]), Err(MessageError::NotFound));
    }

    #[test]
    fn the_view_is_built_once_until_a_shaping_field_is_edited() {
        let mut letter = draft(LETTER);
        let cost = letter.mime_cost();
        assert_eq!((cost, letter.part_size(TOP)), (to_u64(LETTER.len()), Ok(20)));
        assert_eq!(letter.mime_cost(), 0);
        letter.replace_header("Subject", 0, "x").expect("a good edit");
        assert_eq!((letter.mime_cost(), letter.clone().mime_cost()), (0, 0));
        letter.replace_header("Content-Type", 0, "text/html").expect("a good edit");
        assert_eq!(letter.mime_cost(), letter.size());
        assert_eq!(letter.parts().expect("in memory")[1].content_type, "text/html");
        assert_eq!(letter.part_header(TOP, "Subject"), Ok(Some("x".to_owned())));
        assert_eq!(letter.part_size(PartId(2)), Err(MessageError::NotFound));
    }

    #[test]
    fn a_part_has_its_own_header() {
        let nested = draft("Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?=C3=BC?=\r\n\r\nbody");
        assert_eq!(nested.part_header(PartId(2), "subject"), Ok(Some("ü".to_owned())));
        assert_eq!(nested.part_header(PartId(1), "subject"), Ok(None));
        assert_eq!(nested.read_part(PartId(2), 1, 2).expect("in memory"), "od");
        assert_eq!(nested.part_bytes(PartId(1)).expect("in memory").len(), 35);
    }
}

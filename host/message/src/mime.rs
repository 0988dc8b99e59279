//! The MIME view: the tree of parts, found by one pass over the body without recursion.
//!
//! Promises: whatever the content is, at most [`crate::limits::NESTING_MAX`] containers deep and [`crate::limits::PARTS_MAX`] parts wide, on any stack:
//! the tree is ours, mail-parser (which 40,000 nested messages kill) sees single field values alone. What is cut off
//! carries [`PartTrait::Truncated`]. Part 0 is the raw message, part 1 its top entity, then each container's children in
//! order, just as a message/rfc822 part is followed by the top entity of its message. Leaves out: edits of parts.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::headers::Field;
use crate::text::charset_text;
use crate::transfer::{Encoding, Form};
use crate::walk::walk_message;

/// Which part of a message; 0 is the raw message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub u32);

/// A part of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number: parents before their children, in the order of the bytes.
    pub id: PartId,
    /// The container that it is in; `None` for part 0 alone.
    pub parent: Option<PartId>,
    /// Type and subtype in lower case; the defaults of RFC 2045 §5.2 where nothing is said.
    pub content_type: String,
    /// Decoded; from Content-Disposition, else from Content-Type.
    pub file_name: Option<String>,
    /// Bytes with the transfer encoding removed.
    pub size: u64,
}

/// What is worth to know of a part beside its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartTrait {
    /// To be shown as a file: said so (RFC 2183), or a leaf that is no text.
    Attachment,
    /// To be shown in the message.
    Inline,
    /// Encrypted by S/MIME or OpenPGP, or inside such a container.
    Encrypted,
    /// Signed, or inside a signed container.
    Signed,
    /// Not as the RFCs want it: readers may see another thing than we do.
    Malformed,
    /// Something inside is not in the tree, because a bound was reached.
    Truncated,
}

impl PartTrait {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
            Self::Encrypted => "encrypted",
            Self::Signed => "signed",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
        }
    }
}

/// A view that is built once and shared by everything that has the same body and the same shaping fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct MimeCache(Arc<OnceLock<Mime>>);

impl MimeCache {
    /// The cache for after an edit of that field: another one if the field shapes the tree.
    pub(crate) fn after_edit(&self, name: &str) -> Self {
        const SHAPING: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"];
        if SHAPING.iter().any(|shaping| shaping.eq_ignore_ascii_case(name)) {
            return Self::default();
        }
        self.clone()
    }

    pub(crate) fn get(&self) -> Option<&Mime> {
        self.0.get()
    }

    pub(crate) fn view_or_build(&self, build: impl FnOnce() -> Mime) -> &Mime {
        self.0.get_or_init(build)
    }
}

/// The parts from part 1 on.
#[derive(Debug)]
pub(crate) struct Mime {
    parts: Vec<MimePart>,
    body: Bytes,
}

/// Where an entity stands in the body of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Of the top entity the same as `body`: its fields are those of the message.
    pub(crate) start: usize,
    pub(crate) body: usize,
    pub(crate) end: usize,
}

/// A part with its bytes, which are slices of the content.
#[derive(Debug)]
pub(crate) struct MimePart {
    /// Index in the list of parts; `None` for the top entity.
    pub(crate) parent: Option<usize>,
    /// `None` inside a message that was decoded to be looked into.
    pub(crate) span: Option<Span>,
    /// Of a multipart.
    pub(crate) boundary: Option<Bytes>,
    pub(crate) header: Bytes,
    pub(crate) body: Bytes,
    pub(crate) content_type: String,
    pub(crate) file_name: Option<String>,
    pub(crate) charset: Option<String>,
    pub(crate) encoding: Encoding,
    pub(crate) size: usize,
    pub(crate) traits: Vec<PartTrait>,
    pub(crate) decoded: OnceLock<Bytes>,
    pub(crate) text: OnceLock<Bytes>,
}

impl Mime {
    /// Builds the tree of a message from the fields of its header section and its body.
    pub(crate) fn build<'a>(fields: impl Iterator<Item = Field<'a>>, form: Form, body: Bytes) -> Self {
        Self { parts: walk_message(fields, form, body.clone()), body }
    }

    /// What the spans speak of.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The part of a number above 0.
    pub(crate) fn part(&self, id: PartId) -> Option<&MimePart> {
        self.parts.get(usize::try_from(id.0).ok()?.checked_sub(1)?)
    }

    /// All of them, the top entity first.
    pub(crate) fn parts(&self) -> &[MimePart] {
        &self.parts
    }

    pub(crate) fn any_has(&self, one: PartTrait) -> bool {
        self.parts.iter().any(|part| part.traits.contains(&one))
    }

    /// What the tree says of each part from 1 on.
    pub(crate) fn list(&self) -> impl Iterator<Item = Part> {
        self.parts.iter().enumerate().map(|(index, part)| Part {
            id: number(index),
            parent: Some(part.parent.map_or(PartId(0), number)),
            content_type: part.content_type.clone(),
            file_name: part.file_name.clone(),
            size: crate::splice::to_u64(part.size),
        })
    }
}

impl MimePart {
    /// The body with the transfer encoding removed; decoded once.
    pub(crate) fn decoded(&self) -> &Bytes {
        self.decoded.get_or_init(|| self.encoding.decode(&self.body))
    }

    /// The decoded body as UTF-8; made once. Bytes that are UTF-8 already are not copied.
    pub(crate) fn text(&self) -> &Bytes {
        self.text.get_or_init(|| {
            let decoded = self.decoded();
            let text = charset_text(self.charset.as_deref(), decoded);
            if text.as_bytes() == decoded.as_ref() { decoded.clone() } else { Bytes::from(text) }
        })
    }

    pub(crate) fn has(&self, one: PartTrait) -> bool {
        self.traits.contains(&one)
    }

    /// Signed or encrypted, or inside something that is: its bytes are not to be changed.
    pub(crate) fn is_protected(&self) -> bool {
        self.has(PartTrait::Signed) || self.has(PartTrait::Encrypted)
    }

    /// Whether one parts the header of the entity from its body. The top entity's is the message's own.
    pub(crate) fn has_empty_line(&self) -> bool {
        self.parent.is_none() || self.span.is_some_and(|span| span.body > span.start + self.header.len())
    }

    /// Says where the entity ends, once that is known.
    pub(crate) fn end_at(&mut self, end: usize) {
        if let Some(span) = &mut self.span {
            span.end = end.max(span.body);
        }
    }

    /// Says one thing more of the part, once.
    pub(crate) fn add(&mut self, more: PartTrait) {
        if !self.traits.contains(&more) {
            self.traits.push(more);
        }
    }
}

/// Part 0 is not in the list.
fn number(index: usize) -> PartId {
    PartId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::draft::Draft;
    use crate::limits::{NESTED_ENCODINGS_MAX, NESTING_MAX, PARTS_MAX};

    fn draft(text: &str) -> Draft {
        Draft::new(Content::new(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// A line for each part: parent, type, size, file name, traits.
    fn tree(draft: &Draft) -> Vec<String> {
        let parts = draft.parts().expect("in memory");
        let line = |part: &Part| {
            let traits: Vec<&str> =
                draft.part_traits(part.id).expect("there").into_iter().map(PartTrait::word).collect();
            let parent = part.parent.map_or("-".to_owned(), |parent| parent.0.to_string());
            let name = part.file_name.as_deref().unwrap_or("-");
            format!("{parent} {} {} {name} {}", part.content_type, part.size, traits.join(","))
        };
        parts.iter().map(line).collect()
    }

    /// Compares the parts from 1 on; part 0 is always the raw message.
    fn check(text: &str, expected: &[&str]) {
        let tree = tree(&draft(text));
        assert_eq!(tree.get(1..).unwrap_or_default(), expected, "{text}");
        let raw = format!("- message/rfc822 {} - ", text.len());
        assert!(tree[0].starts_with(&raw), "{} is not {raw}", tree[0]);
    }

    #[test]
    fn a_message_without_mime_is_one_text() {
        check("Subject: a\r\n\r\nbody\r\n", &["0 text/plain 6 - inline"]);
        check("", &["0 text/plain 0 - inline"]);
        check("just text", &["0 text/plain 9 - inline,malformed"]);
    }

    #[test]
    fn a_multipart_has_its_parts_in_order() {
        check(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nplain\r\n--b\r\n\
             Content-Type: TEXT/HTML; charset=utf-8\r\nContent-Disposition: attachment;\r\n filename=\"a b.html\"\r\n\r\n\
             <p>\r\n--b\r\nContent-Type: image/png; name=\"=?utf-8?Q?=C3=BC.png?=\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\nepilogue",
            &[
                "0 multipart/mixed 251 - ",
                "1 text/plain 5 - inline",
                "1 text/html 3 a b.html attachment",
                "1 image/png 3 ü.png attachment",
            ],
        );
    }

    #[test]
    fn attachments_are_found_however_deep_they_are() {
        check(
            include_str!("../../../tests/messages/attachments-nested.eml"),
            &[
                "0 multipart/mixed 1239 - ",
                "1 multipart/related 297 - ",
                "2 text/html 20 - inline",
                "2 image/gif 42 logo.gif inline",
                "1 application/zip 210 Rechnung für Jane.zip attachment",
                "1 message/rfc822 306 - attachment",
                "6 multipart/mixed 194 - ",
                "7 application/octet-stream 32 setup.exe attachment",
            ],
        );
    }

    #[test]
    fn messages_inside_have_their_own_top_entity() {
        check(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: in\r\n\r\nbody\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n\
             \r\n--b--\r\n",
            &[
                "0 multipart/digest 137 - ",
                "1 message/rfc822 19 - attachment",
                "2 text/plain 4 - inline",
                "1 message/rfc822 63 - attachment",
                "4 multipart/signed 17 - signed",
                "5 text/plain 1 - signed,inline",
            ],
        );
    }

    #[test]
    fn what_another_reader_may_see_otherwise_is_malformed() {
        check("Content-Type: multipart/mixed\r\n\r\n--b\r\n", &["0 multipart/mixed 5 - malformed"]);
        check(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx",
            &["0 multipart/mixed 8 - malformed", "1 text/plain 1 - inline"],
        );
        check(
            "Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n",
            &["0 text/html 0 - inline,malformed"],
        );
        check("Content-Type: ;;\r\n\r\n", &["0 text/plain 0 - inline,malformed"]);
        check("A: 1\r\nodd\r\n\r\n", &["0 text/plain 0 - inline,malformed"]);
        check("Content-Transfer-Encoding: base64\r\n\r\n!QQ==", &["0 text/plain 1 - inline,malformed"]);
    }

    #[test]
    fn encryption_is_told_for_all_that_is_inside() {
        check(
            "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n\
             --b\r\nContent-Type: application/octet-stream\r\n\r\n--b--\r\n",
            &[
                "0 multipart/encrypted 102 - encrypted",
                "1 application/pgp-encrypted 0 - encrypted,attachment",
                "1 application/octet-stream 0 - encrypted,attachment",
            ],
        );
        check(
            "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n\r\n",
            &["0 application/pkcs7-mime 0 smime.p7m attachment,signed"],
        );
    }

    #[test]
    fn a_message_in_an_encoding_is_looked_into() {
        check(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             Content-Type: text/html=0D=0A=0D=0A<p>",
            &["0 message/rfc822 30 - attachment,malformed", "1 text/html 3 - inline"],
        );
    }

    fn nested_in_encodings(levels: usize) -> String {
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        let wrap = |inner: String| {
            format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                engine.encode(inner)
            )
        };
        (0..levels).fold("S: 1\r\n\r\nx".to_owned(), |inner, _| wrap(inner))
    }

    #[test]
    fn encodings_inside_one_another_are_bounded() {
        let deepest = tree(&draft(&nested_in_encodings(NESTED_ENCODINGS_MAX)));
        assert_eq!(deepest.last().map(String::as_str), Some("3 text/plain 1 - inline"));
        let cut = tree(&draft(&nested_in_encodings(NESTED_ENCODINGS_MAX + 1)));
        assert!(cut.last().expect("parts").ends_with("attachment,malformed,truncated"), "{cut:?}");
    }

    fn nested_messages(levels: usize) -> String {
        "Content-Type: message/rfc822\r\n\r\n".repeat(levels) + "S: 1\r\n\r\nx"
    }

    fn nested_multiparts(levels: usize) -> String {
        let open = |level: usize| {
            format!("Content-Type: multipart/mixed; boundary=b{level}-\r\n\r\n--b{level}-\r\n")
        };
        let close = |level: usize| format!("\r\n--b{level}---\r\n");
        let opened: String = (0..levels).map(open).collect();
        opened + "\r\nx" + &(0..levels).rev().map(close).collect::<String>()
    }

    /// Builds and reads the whole tree where a host call of a sink would have little stack left.
    fn check_on_a_small_stack(text: String, parts: usize, last: &'static str) {
        let work = move || {
            crate::fuzz::mime(text.as_bytes());
            let tree = tree(&draft(&text));
            assert_eq!((tree.len(), tree.last().map(String::as_str)), (parts, Some(last)));
        };
        let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(work);
        thread.expect("a thread").join().expect("a tree");
    }

    #[test]
    fn the_deepest_tree_fits_a_small_stack_and_a_deeper_one_is_cut() {
        check_on_a_small_stack(nested_messages(NESTING_MAX), NESTING_MAX + 2, "64 text/plain 1 - inline");
        check_on_a_small_stack(nested_multiparts(NESTING_MAX), NESTING_MAX + 2, "64 text/plain 1 - inline");
        let cut = "64 message/rfc822 1277929 - truncated,attachment";
        check_on_a_small_stack(nested_messages(40_000), NESTING_MAX + 2, cut);
        let tree = tree(&draft(&nested_multiparts(2_000)));
        assert_eq!(tree.len(), NESTING_MAX + 2);
        assert!(tree.last().expect("parts").ends_with("- truncated"), "{:?}", tree.last());
    }

    #[test]
    fn the_number_of_parts_is_bounded() {
        let header = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let of = |parts: usize| header.to_owned() + &"--b\r\n\r\n".repeat(parts) + "--b--\r\n";
        let whole = tree(&draft(&of(PARTS_MAX - 2)));
        assert_eq!((whole.len(), whole[1].ends_with(" - ")), (PARTS_MAX, true), "{}", whole[1]);
        let cut = tree(&draft(&of(PARTS_MAX + 1)));
        assert_eq!(cut.len(), PARTS_MAX);
        assert!(
            cut[1].ends_with("truncated,malformed") && cut[0].ends_with("malformed,truncated"),
            "{}",
            cut[1]
        );
    }
}

//! Encoding a message down for a peer that takes no 8-bit content (RFC 6152 §3): the same parts, in quoted-printable or
//! base64.
//!
//! Promises that every part decodes to the bytes that it had, that what is ASCII stays as it is, and that the result is ASCII
//! all over. What cannot keep that promise is refused: a header section that is not ASCII, parts that are signed or encrypted
//! as they are (RFC 1847 §2.1), containers that are broken or too deep to be looked into. A DKIM-Signature over the body does
//! not survive (RFC 6376 §5.3): sign behind this.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;

use crate::encode::{base64, quoted_printable};
use crate::headers::{FieldSpan, HeaderIndex};
use crate::mime::{Mime, MimePart, PartTrait};
use crate::transfer::{Encoding, Form};

/// Why a message cannot be encoded down. All of them are for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DownEncodeError {
    /// RFC 6532; only SMTPUTF8 carries it.
    #[error("a header section is not ASCII")]
    Header,
    /// Another encoding breaks what the signature or cipher is over.
    #[error("an 8-bit part is signed or encrypted")]
    Protected,
    /// Bytes beyond ASCII where no part has them, or in one that says that it is encoded already.
    #[error("the structure of the message is broken")]
    Malformed,
    /// See [`crate::limits::NESTING_MAX`] and [`crate::limits::PARTS_MAX`].
    #[error("an 8-bit part is nested too deep")]
    TooDeep,
}

/// The word for an encoding, and a body in it.
type Encoded = (&'static str, Vec<u8>);

/// A stretch of the message and what stands there instead.
struct Edit {
    range: Range<usize>,
    instead: Vec<u8>,
}

/// Encodes every part with bytes beyond ASCII; a message that has none comes back as it is, without a copy.
///
/// # Errors
/// When the message cannot be encoded without breaking it.
pub fn down_encode(message: &Bytes) -> Result<Bytes, DownEncodeError> {
    if message.is_ascii() {
        return Ok(message.clone());
    }
    let index = HeaderIndex::of(message);
    let header = message.slice(..index.end());
    if !header.is_ascii() {
        return Err(DownEncodeError::Header);
    }
    let form = if index.is_well_formed() { Form::Well } else { Form::Malformed };
    let mime = Mime::build(index.iter(message), form, message.slice(index.body()..));
    let edits = edits(message, &header, mime.parts())?;
    let encoded = apply(message, edits)?;
    if encoded.is_ascii() { Ok(encoded) } else { Err(DownEncodeError::Malformed) }
}

/// What changes, in the order of the bytes: headers stand before their bodies, parents before their children.
fn edits(message: &Bytes, header: &Bytes, parts: &[MimePart]) -> Result<Vec<Edit>, DownEncodeError> {
    let containers: HashSet<usize> = parts.iter().filter_map(|part| part.parent).collect();
    let mut edits = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if part.body.is_ascii() {
            continue;
        }
        let header = if number == 0 { header } else { &part.header };
        if !header.is_ascii() {
            return Err(DownEncodeError::Header);
        }
        if part.traits.contains(&PartTrait::Truncated) {
            return Err(DownEncodeError::TooDeep);
        }
        if containers.contains(&number) {
            edits.extend(header_edit(message, (header, &part.body), "7bit", "")?);
            continue;
        }
        let (encoding, body) = encode(part)?;
        let mut more = String::new();
        if number == 0 && !has_field(header, "MIME-Version") {
            more.push_str("MIME-Version: 1.0\r\n");
        }
        if !has_field(header, "Content-Type") {
            // RFC 2045 §5.2's default is ASCII, which it is not; RFC 1428 §3 has a name for what nobody knows.
            let charset = if std::str::from_utf8(&part.body).is_ok() { "utf-8" } else { "unknown-8bit" };
            more.push_str(&format!("Content-Type: text/plain; charset={charset}\r\n"));
        }
        edits.extend(header_edit(message, (header, &part.body), encoding, &more)?);
        edits.push(Edit { range: place(message, &part.body)?, instead: body });
    }
    Ok(edits)
}

/// The shorter of both for a text, which has to stay readable where it can; base64 for everything else.
fn encode(part: &MimePart) -> Result<Encoded, DownEncodeError> {
    let is_protected = |one: &PartTrait| matches!(one, PartTrait::Signed | PartTrait::Encrypted);
    if part.traits.iter().any(is_protected) {
        return Err(DownEncodeError::Protected);
    }
    let is_composite = ["multipart/", "message/"].iter().any(|kind| part.content_type.starts_with(kind));
    // RFC 2045 §6.4: a composite type is never encoded itself.
    if part.encoding != Encoding::Identity || is_composite {
        return Err(DownEncodeError::Malformed);
    }
    if part.content_type.starts_with("text/") {
        let quoted = quoted_printable(&part.body);
        if quoted.len() <= part.body.len().saturating_mul(2) {
            return Ok(("quoted-printable", quoted));
        }
    }
    let mut lines = base64(&part.body);
    lines.extend_from_slice(b"\r\n");
    Ok(("base64", lines))
}

fn has_field(header: &[u8], name: &str) -> bool {
    HeaderIndex::of(header).iter(header).any(|field| field.name.eq_ignore_ascii_case(name))
}

/// Says another encoding, where the old field stands or behind the last one, and adds `more`.
fn header_edit(
    message: &Bytes,
    (header, body): (&Bytes, &Bytes),
    encoding: &str,
    more: &str,
) -> Result<Option<Edit>, DownEncodeError> {
    const NAME: &str = "Content-Transfer-Encoding";
    let index = HeaderIndex::of(header);
    let named = |span: &&FieldSpan| span.field(header).name.eq_ignore_ascii_case(NAME);
    let mut found = index.fields().iter().filter(named);
    let (first, second) = (found.next(), found.next());
    if second.is_some() || !index.is_well_formed() {
        return Err(DownEncodeError::Malformed);
    }
    // A container without the field is 7bit already (RFC 2045 §6.1).
    if first.is_none() && encoding == "7bit" {
        return Ok(None);
    }
    let fields = format!("{NAME}: {encoding}\r\n{more}");
    if header.is_empty() {
        return Ok(Some(first_fields(message, place(message, body)?.start, fields)));
    }
    let start = place(message, header)?.start;
    let range = first.map_or(index.end()..index.end(), FieldSpan::range);
    let range = start + range.start..start + range.end;
    Ok(Some(Edit { range, instead: fields.into_bytes() }))
}

/// The fields of an entity that has none, which may even lack the empty line.
fn first_fields(message: &[u8], body: usize, fields: String) -> Edit {
    let before = message.get(..body).unwrap_or_default();
    let empty_line = ["\r\n", "\n"].into_iter().find(|end| {
        let rest = before.strip_suffix(end.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"\n"))
    });
    match empty_line {
        Some(end) => Edit { range: body - end.len()..body - end.len(), instead: fields.into_bytes() },
        None => Edit { range: body..body, instead: (fields + "\r\n").into_bytes() },
    }
}

/// Where a slice of the message stands in it. One that was decoded to be looked into stands nowhere.
fn place(message: &Bytes, slice: &Bytes) -> Result<Range<usize>, DownEncodeError> {
    let start = slice.as_ptr().addr().checked_sub(message.as_ptr().addr());
    let start = start.filter(|start| start + slice.len() <= message.len());
    start.map(|start| start..start + slice.len()).ok_or(DownEncodeError::Malformed)
}

fn apply(message: &[u8], mut edits: Vec<Edit>) -> Result<Bytes, DownEncodeError> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut out = Vec::with_capacity(message.len() + message.len() / 2);
    let mut at = 0;
    for Edit { range, instead } in edits {
        out.extend_from_slice(message.get(at..range.start).ok_or(DownEncodeError::Malformed)?);
        out.extend_from_slice(&instead);
        at = range.end;
    }
    out.extend_from_slice(message.get(at..).unwrap_or_default());
    Ok(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::Content;
    use crate::draft::Draft;
    use crate::limits::ENCODED_LINE_BYTES_MAX;
    use crate::mime::PartId;

    fn encode(text: &[u8]) -> Result<String, DownEncodeError> {
        let encoded = down_encode(&Bytes::copy_from_slice(text))?;
        Ok(String::from_utf8(encoded.to_vec()).expect("ASCII"))
    }

    fn check(input: &str, expected: &str) {
        assert_eq!(encode(input.as_bytes()).as_deref(), Ok(expected), "{input:?}");
    }

    fn refused(input: &[u8], expected: DownEncodeError) {
        assert_eq!(encode(input), Err(expected), "{:?}", String::from_utf8_lossy(input));
    }

    /// Type and decoded bytes of every part that holds no other.
    fn leaves(message: &[u8]) -> Vec<(String, Vec<u8>)> {
        let draft = Draft::new(Content::new(Bytes::copy_from_slice(message)));
        let parts = draft.parts().expect("in memory");
        let is_leaf = |id: PartId| parts.iter().all(|part| part.parent != Some(id));
        let leaves = parts.iter().filter(|part| is_leaf(part.id));
        leaves
            .map(|part| (part.content_type.clone(), draft.part_bytes(part.id).expect("there").to_vec()))
            .collect()
    }

    #[test]
    fn what_is_ascii_stays_as_it_is() {
        check("A: 1\r\n\r\nx=20\r\n", "A: 1\r\n\r\nx=20\r\n");
    }

    #[test]
    fn a_message_without_mime_gets_what_it_needs() {
        check(
            "A: 1\r\n\r\nso: é=\r\n",
            "A: 1\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nso: =C3=A9=3D\r\n",
        );
        let unknown = encode(b"A: 1\r\n\r\nlong enough for a text \xff\r\n").unwrap();
        assert!(unknown.contains("charset=unknown-8bit") && unknown.ends_with("text =FF\r\n"), "{unknown}");
    }

    #[test]
    fn a_part_without_fields_gets_its_first_ones() {
        let fields =
            "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n";
        let top = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
        let end = "\r\n--b--\r\n";
        check(&format!("{top}\r\nwords, é{end}"), &format!("{top}{fields}\r\nwords, =C3=A9{end}"));
        check(&format!("{top}words, é{end}"), &format!("{top}{fields}\r\nwords, =C3=A9{end}"));
        let fields = fields.replace("able\r\n", "able\r\nMIME-Version: 1.0\r\n");
        check("\r\nwords, é", &format!("{fields}\r\nwords, =C3=A9"));
        check("words, é", &format!("{fields}\r\nwords, =C3=A9"));
    }

    #[test]
    fn only_what_has_to_change_changes() {
        let header = "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
        let ascii = "--b\r\nContent-Transfer-Encoding: 7bit\r\n\r\na = b\r\n";
        let text = "--b\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/html\r\n\r\nenough text, é";
        let data = "\r\n--b\r\nContent-Type: application/x\r\n\r\né\r\n--b--\r\n";
        check(
            &format!("{header}{ascii}{text}{data}"),
            &format!(
                "{}{ascii}{}{}",
                header.replace("8bit", "7bit"),
                text.replace("8bit", "quoted-printable").replace('é', "=C3=A9"),
                "\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\r\n\r\n--b--\r\n",
            ),
        );
    }

    #[test]
    fn parts_of_messages_inside_are_encoded_where_they_are() {
        let message = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                       Content-Type: text/plain; charset=utf-8\r\n\r\nwords and é\r\n";
        check(
            message,
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             words and =C3=A9\r\n",
        );
    }

    #[test]
    fn what_would_break_is_refused() {
        refused("A: é\r\n\r\n".as_bytes(), DownEncodeError::Header);
        let part = |header: &str, body: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{header}\r\n\r\n{body}\r\n--b--\r\n"
            )
        };
        refused(part("A: é", "é").as_bytes(), DownEncodeError::Header);
        refused(part("Content-Type: multipart/x", "é").as_bytes(), DownEncodeError::Malformed);
        refused(part("Content-Type: message/delivery-status", "é").as_bytes(), DownEncodeError::Malformed);
        refused(part("Content-Transfer-Encoding: base64", "é").as_bytes(), DownEncodeError::Malformed);
        let twice = "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 8bit";
        refused(part(twice, "é").as_bytes(), DownEncodeError::Malformed);
        let preamble = part("A: 1", "x").replace("\r\n\r\n--b", "\r\n\r\né\r\n--b");
        refused(preamble.as_bytes(), DownEncodeError::Malformed);
        let signed = part("A: 1", "é").replace("mixed", "signed");
        refused(signed.as_bytes(), DownEncodeError::Protected);
        let encrypted = part("A: 1", "é").replace("mixed", "encrypted");
        refused(encrypted.as_bytes(), DownEncodeError::Protected);
        let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(crate::limits::NESTING_MAX + 1) + "\r\né";
        refused(deep.as_bytes(), DownEncodeError::TooDeep);
    }

    #[test]
    fn lines_are_short_whatever_was_long() {
        let text = format!("A: 1\r\n\r\n{}é{}\r\n", "x".repeat(2_000), " ".repeat(2_000));
        let data = format!("Content-Type: a/b\r\n\r\n{}", "é".repeat(2_000));
        for message in [text, data] {
            let encoded = encode(message.as_bytes()).expect("encodable");
            assert!(encoded.split("\r\n").all(|line| line.len() <= ENCODED_LINE_BYTES_MAX), "{encoded}");
            assert_eq!(leaves(encoded.as_bytes())[0].1, leaves(message.as_bytes())[0].1);
        }
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b" ".to_vec()),
            Just(b"=".to_vec()),
            Just(b".".to_vec()),
            Just(b"From x".to_vec()),
            Just("é".as_bytes().to_vec()),
            Just(vec![b'x'; 70]),
            any::<u8>().prop_map(|byte| vec![byte]),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_part_decodes_to_what_it_was(
            bodies in proptest::collection::vec((body(), 0_usize..4), 1..4),
            is_nested in any::<bool>(),
        ) {
            let kinds = ["text/plain", "text/html; charset=utf-8", "image/png", "application/x"];
            let mut message = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=b\"\r\n\r\n".to_vec();
            for (body, kind) in &bodies {
                message.extend_from_slice(b"--=b\r\n");
                if is_nested {
                    message.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
                }
                message.extend_from_slice(format!("Content-Type: {}\r\n\r\n", kinds[*kind]).as_bytes());
                message.extend_from_slice(body);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b"--=b--\r\n");
            let encoded = down_encode(&Bytes::from(message.clone())).expect("nothing of it breaks");
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(leaves(&encoded), leaves(&message));
        }

        #[test]
        fn both_encodings_are_undone(body in body()) {
            let quoted = quoted_printable(&body);
            prop_assert!(quoted.split(|byte| *byte == b'\n').all(|line| line.len() <= ENCODED_LINE_BYTES_MAX + 1));
            prop_assert_eq!(&*Encoding::QuotedPrintable.decode(&Bytes::from(quoted)), &*body);
            prop_assert_eq!(&*Encoding::Base64.decode(&Bytes::from(base64(&body))), &*body);
        }
    }
}

//! What the fuzz targets call and the corpus test replays: plain functions that assert what must hold for all bytes.

mod edits;

use bytes::Bytes;

use crate::content::Content;
use crate::draft::{Draft, Piece, Position};
use crate::find::Case;
use crate::headers::HeaderIndex;
use crate::limits::{NESTING_MAX, PARTS_MAX};
use crate::mime::PartId;

/// The index covers the section: fields stand in order, inside it, and their bytes are names, a colon, values.
pub fn headers(bytes: &[u8]) {
    let index = HeaderIndex::of(bytes);
    let mut position = 0;
    for span in index.fields() {
        assert!(position <= span.start && span.start < span.name_end, "fields overlap");
        assert!(
            span.name_end < span.value_start && span.value_start <= span.value_end,
            "a field without a colon"
        );
        assert!(span.value_end <= span.end, "a value behind its field");
        position = span.end;
    }
    assert!(
        position <= index.end() && index.end() <= index.body() && index.body() <= bytes.len(),
        "out of bounds"
    );
    let draft = Draft::new(Content::new(Bytes::copy_from_slice(bytes)));
    for field in draft.fields() {
        assert!(!field.name.is_empty(), "a field without a name");
        for value in draft.header_values(field.name).into_iter().take(2) {
            assert!(!value.contains(['\r', '\n', '\0']), "a control character in a text");
        }
        draft.header_mailboxes(field.name);
    }
}

/// The tree is within its bounds, parents come before their children, and every part can be read.
pub fn mime(bytes: &[u8]) {
    let content = Content::new(Bytes::copy_from_slice(bytes));
    let draft = Draft::new(content);
    let parts = draft.parts().unwrap_or_default();
    assert!(parts.len() >= 2 && parts.len() <= PARTS_MAX, "a number of parts out of bounds");
    let mut depths: Vec<usize> = Vec::with_capacity(parts.len());
    for (number, part) in parts.iter().enumerate() {
        assert_eq!(u32::try_from(number).ok(), Some(part.id.0), "a part with another number");
        let parent = part.parent.and_then(|parent| depths.get(usize::try_from(parent.0).ok()?).copied());
        assert_eq!(parent.is_none(), number == 0, "a parent that does not come before its child");
        let depth = parent.map_or(0, |parent| parent + 1);
        assert!(depth <= NESTING_MAX + 1, "nested too deep");
        depths.push(depth);
        let decoded = draft.part_bytes(part.id).map(|decoded| decoded.len());
        assert_eq!(
            decoded.ok().and_then(|size| u64::try_from(size).ok()),
            Some(part.size),
            "another size than told"
        );
        assert!(draft.read_text(part.id, 0, 4096).is_ok(), "a text that cannot be read");
        assert!(draft.part_traits(part.id).is_ok() && draft.part_header(part.id, "Content-Type").is_ok());
    }
    let hits = draft.find(PartId(0), &["--", "Content-"], Case::Ignore, 10).unwrap_or_default();
    assert!(hits.iter().all(|hit| hit.offset < draft.size()), "a hit outside");
}

/// An unedited draft gives its bytes back; edits say of the draft what a reader then finds in its bytes; a savepoint
/// stays what it was.
pub fn draft(bytes: &[u8]) {
    let content = Content::new(Bytes::copy_from_slice(bytes));
    let original = Draft::new(content.clone());
    assert_eq!(joined(&original, bytes), bytes, "an unedited draft has other bytes");
    if content.headers().bound().is_some() {
        return;
    }
    let names: Vec<String> = original.fields().map(|field| field.name.to_owned()).collect();
    for name in names.iter().take(8) {
        let mut edited = original.clone();
        if edited.remove_header(name, 0).is_ok() {
            let field = content
                .headers()
                .fields()
                .iter()
                .find(|span| span.field(bytes).name.eq_ignore_ascii_case(name));
            let range = field.map_or(0..0, |span| span.range());
            let mut expected = bytes.to_vec();
            expected.drain(range);
            assert_eq!(joined(&edited, bytes), expected, "more than the field is gone");
        }
        for at in [Position::Bottom, Position::Top] {
            let added = edited.add_header(at, "X-Added", "a value");
            assert!(added.is_ok() || edited.header_size() > 1024 * 1024 - 64, "a good field is refused");
            assert_reads_back(&edited, bytes);
        }
        let before = edited.fields().count();
        let gone = edited.remove_headers("X-Added").unwrap_or_default();
        assert!(gone >= 1, "the added fields are not there");
        assert_eq!(
            Some(before - edited.fields().count()),
            usize::try_from(gone).ok(),
            "other fields are gone"
        );
        assert_reads_back(&edited, bytes);
    }
    let mut headless = original.clone();
    if names.is_empty() && headless.add_header(Position::Top, "X-Added", "a value").is_ok() {
        assert_reads_back(&headless, bytes);
        assert!(joined(&headless, bytes).ends_with(bytes), "the body is another");
    }
    assert_eq!(joined(&original, bytes), bytes, "the savepoint has changed");
    edits::parts(&original, bytes);
}

/// A reader of the committed bytes finds the fields that the draft speaks of.
fn assert_reads_back(draft: &Draft, bytes: &[u8]) {
    let written = joined(draft, bytes);
    assert_eq!(u64::try_from(written.len()).ok(), Some(draft.size()), "another size than told");
    let again = Draft::new(Content::new(Bytes::from(written)));
    assert!(draft.fields().eq(again.fields()), "a reader finds other fields");
}

fn joined(draft: &Draft, original: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for piece in draft.pieces() {
        match piece {
            Piece::Bytes(bytes) => written.extend_from_slice(&bytes),
            Piece::Original(range) => {
                let range = usize::try_from(range.start).unwrap_or(usize::MAX)
                    ..usize::try_from(range.end).unwrap_or(usize::MAX);
                written.extend_from_slice(original.get(range).unwrap_or_default());
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8]) {
        headers(bytes);
        mime(bytes);
        draft(bytes);
    }

    /// Pieces of which hostile and honest messages are made.
    fn line() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            "A: 1\r\n",
            "X-Added: 1\r\n",
            "Received: x\r\n",
            "a:",
            ":",
            "odd",
            " more\r\n",
            "From me\r\n",
            "Subject: =?utf-8?Q?=C3=BC?=\r\n",
            "\0",
            "=?",
            "\u{fc}",
            "Content-Type: multipart/mixed; boundary=b\r\n",
            "Content-Type: multipart/signed; boundary=bb\r\n",
            "Content-Type: message/rfc822\r\n",
            "Content-Transfer-Encoding: base64\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "--b\r\n",
            "--bb\r\n",
            "--b--\r\n",
            "--bb--\r\n",
            "=3D=\r\n",
            "U3ViamVjdDogeA0KDQpib2R5",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lines_in_any_order_keep_the_invariants(lines in proptest::collection::vec(line(), 0..24)) {
            check(lines.concat().as_bytes());
        }

        #[test]
        fn noise_keeps_the_invariants(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            check(&noise);
        }
    }

    /// A tree as mail programs make them: text and files in containers in containers.
    fn entity() -> impl Strategy<Value = String> {
        let leaf = proptest::sample::select(vec![
            "\r\nplain, no field\r\n",
            "Content-Type: text/plain; charset=utf-8; format=flowed\r\n\r\nit flows \r\non\r\n",
            "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B%O\u{1b}(B",
            "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<body bgcolor=3D1>a</body>",
            "Content-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+8NI8L2I+\r\n",
            "Content-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\n1,2\r\n",
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n",
            "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAG",
            "Content-Type: application/octet-stream\r\n\r\n",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
            let kind = proptest::sample::select(vec!["mixed", "alternative", "related", "signed", "report", "digest"]);
            let multipart = (kind, proptest::collection::vec(inner.clone(), 1..4), 0_u32..1_000_000).prop_map(
                |(kind, children, number)| {
                    let delimiter = format!("\r\n--=_{number}.{}", children.concat().len());
                    let boundary = delimiter.trim_start_matches("\r\n--");
                    let children: String = children.iter().map(|child| format!("{delimiter}\r\n{child}")).collect();
                    format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n{children}{delimiter}--\r\n")
                },
            );
            let message = inner.prop_map(|inner| format!("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n{inner}"));
            prop_oneof![3 => multipart, 1 => message]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn trees_of_mail_programs_keep_the_invariants(entity in entity()) {
            check(format!("From: a@b.example\r\nMIME-Version: 1.0\r\n{entity}").as_bytes());
        }
    }

    #[test]
    fn the_sample_messages_keep_the_invariants() {
        for name in [
            "plain.eml",
            "alternative-quoted-printable.eml",
            "attachments-nested.eml",
            "signed.eml",
            "delivery-report.eml",
            "koi8-list.eml",
            "malformed.eml",
            "without-header.eml",
        ] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/messages/").to_owned() + name;
            check(&std::fs::read(path).expect("a sample message"));
        }
    }
}

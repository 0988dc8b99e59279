//! A banner or a footer in the bodies that people read.
//!
//! Promises: each form of the body gets it, plain and HTML, so a reader sees it whichever form is shown; attachments, messages
//! inside and all else keep their bytes. What is signed or encrypted, or cannot be read for sure, is not changed: it becomes a
//! part beside one of its own with the text. A message without any body gets the text as a part. So the text is always there,
//! whatever a sender sends.

use crate::addition::Addition;
use crate::draft::{Draft, Position};
use crate::error::MessageError;
use crate::limits::TEXT_BODIES_MAX;
use crate::mime::{Mime, MimePart, PartTrait};
use crate::plan::{Plan, TOP};
use crate::text_body::{self, Added};

/// What to do with an entity so that the text is read with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A text body: the text goes into it.
    Text(usize),
    /// The text goes beside it.
    Wrap(usize),
}

impl Draft {
    /// Adds a text at the top or the bottom of the bodies; without HTML, it is made of the plain text. One edit however many
    /// bodies there are.
    ///
    /// # Errors
    /// When the text is empty, too long or has control characters, or a bound on edits is reached.
    pub fn add_text(&mut self, at: Position, plain: &str, html: Option<&str>) -> Result<(), MessageError> {
        self.check_editable()?;
        let addition = Addition::new(plain, html)?;
        let mime = self.mime()?;
        let mut plan = Plan::new(mime, &self.splice);
        for target in targets(mime, at) {
            let added = match target {
                Target::Text(number) => text_body::add(&mut plan, number, at, &addition)?,
                Target::Wrap(_) => Added::No,
            };
            let (Target::Text(number) | Target::Wrap(number)) = target;
            if added == Added::No {
                beside(&mut plan, mime, number, at, &addition)?;
            }
        }
        let planned = plan.finish();
        self.commit(planned)
    }
}

/// The text as a part of its own, in the container that the entity is already, or in a new one.
fn beside(
    plan: &mut Plan<'_>,
    mime: &Mime,
    number: usize,
    at: Position,
    addition: &Addition,
) -> Result<(), MessageError> {
    let entity = addition.entity();
    let is_open = mime.parts().get(number).is_some_and(|part| {
        part.content_type == "multipart/mixed" && !part.is_protected() && !part.has(PartTrait::Truncated)
    });
    if is_open && plan.insert(number, at, &entity).is_some() {
        return Ok(());
    }
    plan.wrap(number, at, &entity)
}

fn targets(mime: &Mime, at: Position) -> Vec<Target> {
    let mut children = vec![Vec::new(); mime.parts().len()];
    for (number, part) in mime.parts().iter().enumerate() {
        if let Some(siblings) = part.parent.and_then(|parent| children.get_mut(parent)) {
            siblings.push(number);
        }
    }
    let search = Search { parts: mime.parts(), children, at };
    let found = search.bodies(TOP);
    // Of a cut container nobody knows what it holds.
    let is_cut = mime.parts().first().is_some_and(|top| top.has(PartTrait::Truncated));
    if found.is_empty() || found.len() > TEXT_BODIES_MAX || is_cut { vec![Target::Wrap(TOP)] } else { found }
}

struct Search<'a> {
    parts: &'a [MimePart],
    children: Vec<Vec<usize>>,
    at: Position,
}

impl Search<'_> {
    /// The forms of the body of an entity; the tree is bounded, and so is the recursion.
    fn bodies(&self, number: usize) -> Vec<Target> {
        let Some(part) = self.parts.get(number) else { return Vec::new() };
        if part.is_protected() {
            return vec![Target::Wrap(number)];
        }
        let children = self.children.get(number).map(Vec::as_slice).unwrap_or_default();
        match part.content_type.as_str() {
            "text/plain" | "text/html" if is_shown(part) => vec![Target::Text(number)],
            "multipart/alternative" => children.iter().flat_map(|child| self.bodies(*child)).collect(),
            // The root comes first, unless a parameter says otherwise, which nobody does.
            "multipart/related" => children.first().map(|root| self.bodies(*root)).unwrap_or_default(),
            "multipart/digest" => Vec::new(),
            other if other.starts_with("multipart/") => self.outermost(children),
            _ => Vec::new(),
        }
    }

    /// Of parts that are shown one behind the other, the first or the last that has a body.
    fn outermost(&self, children: &[usize]) -> Vec<Target> {
        let body_of = |(place, child): (usize, &usize)| {
            // A signature or cipher that is a file is the body only where nothing comes before it.
            let is_file =
                self.parts.get(*child).is_some_and(|part| part.boundary.is_none() && part.is_protected());
            if is_file && place > 0 { Vec::new() } else { self.bodies(*child) }
        };
        let mut bodies = children.iter().enumerate().map(body_of);
        match self.at {
            Position::Top => bodies.find(|found| !found.is_empty()),
            Position::Bottom => bodies.rfind(|found| !found.is_empty()),
        }
        .unwrap_or_default()
    }
}

/// Text that is read in the message, not opened as a file.
fn is_shown(part: &MimePart) -> bool {
    part.has(PartTrait::Inline) && part.file_name.is_none()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::content::Content;
    use crate::limits::TEXT_BODY_BYTES_MAX;
    use crate::mime::PartId;

    fn draft(text: &[u8]) -> Draft {
        Draft::new(Content::new(Bytes::copy_from_slice(text)))
    }

    fn added(message: &[u8], at: Position, plain: &str, html: Option<&str>) -> Draft {
        let mut edited = draft(message);
        edited.add_text(at, plain, html).expect("a good text");
        edited
    }

    fn bytes(draft: &Draft) -> Bytes {
        draft.part_bytes(PartId(0)).expect("in memory")
    }

    fn text(draft: &Draft, part: u32) -> String {
        draft.read_text(PartId(part), 0, 1_000_000).expect("text")
    }

    /// `T` and `B` in the expected bytes are what the top and the bottom get; the rest must be as it was.
    fn check(message: &str, expected: &str) {
        for (at, mark, other) in [(Position::Top, "<T>", "<B>"), (Position::Bottom, "<B>", "<T>")] {
            let edited = added(message.as_bytes(), at, "Note", None);
            let is_html = message.contains("text/html");
            let note = if is_html { "\r\n<div>Note</div>\r\n" } else { "Note\r\n" };
            let expected = expected.replace(mark, note).replace(other, "");
            assert_eq!(String::from_utf8_lossy(&bytes(&edited)), expected);
        }
    }

    #[test]
    fn a_text_that_stands_as_it_is_keeps_its_bytes() {
        check("A: 1\r\n\r\nbody\r\n", "A: 1\r\n\r\n<T>body\r\n<B>");
        check("A: 1\r\n\r\n", "A: 1\r\n\r\n<T><B>");
        check(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{fc}\r\n",
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<T>\u{fc}\r\n<B>",
        );
        check(
            "Content-Type: text/html\r\n\r\n<html><body><p>b</p></body></html>\r\n",
            "Content-Type: text/html\r\n\r\n<html><body><T><p>b</p><B></body></html>\r\n",
        );
    }

    #[test]
    fn a_last_line_without_its_end_gets_one() {
        assert_eq!(
            bytes(&added(b"A: 1\r\n\r\nbody", Position::Bottom, "N", None)),
            "A: 1\r\n\r\nbody\r\nN\r\n"
        );
        let flowed = b"Content-Type: text/plain; format=flowed\r\n\r\nit goes \r\n";
        let edited = added(flowed, Position::Bottom, "> N ", None);
        assert!(bytes(&edited).ends_with(b"it goes \r\n\r\n > N\r\n"), "{edited:?}");
    }

    #[test]
    fn a_message_without_a_header_gets_one_before_its_text() {
        let edited = added(b"hello\r\n", Position::Top, "Note: x", None);
        assert!(bytes(&edited).starts_with(b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;"));
        assert_eq!((text(&edited, 2), text(&edited, 3)), ("Note: x\r\n".to_owned(), "hello\r\n".to_owned()));
    }

    /// The text body of a message in a charset and an encoding, and what it reads.
    fn check_charset(charset: &str, encoding: &str, body: &[u8], reads: &str) {
        let head = format!(
            "Content-Type: text/plain; charset={charset}; format=fixed\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let message = [head.as_bytes(), body].concat();
        for note in ["Note", "Gr\u{fc}\u{df}e \u{20ac}"] {
            for at in [Position::Top, Position::Bottom] {
                let edited = added(&message, at, note, None);
                let expected = match at {
                    Position::Top => format!("{note}\r\n{reads}"),
                    Position::Bottom => format!("{reads}{note}\r\n"),
                };
                assert_eq!(text(&edited, 1), expected, "{charset} {encoding}");
                assert!(edited.header("Content-Type").expect("a type").contains("format="), "{charset}");
                if encoding == "7bit" {
                    assert!(bytes(&edited).is_ascii(), "{charset}: 8-bit bytes in a 7-bit message");
                }
            }
        }
    }

    #[test]
    fn every_charset_in_every_encoding_reads_the_same_with_the_text() {
        check_charset("us-ascii", "7bit", b"plain\r\n", "plain\r\n");
        check_charset("utf-8", "8bit", "\u{fc}\r\n".as_bytes(), "\u{fc}\r\n");
        check_charset("utf-8", "quoted-printable", b"=C3=BC=\r\nx\r\n", "\u{fc}x\r\n");
        check_charset("utf-8", "base64", b"w7wNCg==\r\n", "\u{fc}\r\n");
        check_charset("iso-8859-1", "8bit", b"\xfc\r\n", "\u{fc}\r\n");
        check_charset("iso-8859-15", "quoted-printable", b"=A4\r\n", "\u{20ac}\r\n");
        check_charset("windows-1251", "8bit", b"\xcf\xf0\r\n", "\u{41f}\u{440}\r\n");
        check_charset("koi8-r", "base64", b"8NINCg==", "\u{41f}\u{440}\r\n");
        check_charset("shift_jis", "8bit", b"\x83n\r\n", "\u{30cf}\r\n");
        check_charset("iso-2022-jp", "7bit", b"\x1b$B%O\x1b(B\r\n", "\u{30cf}\r\n");
        check_charset("utf-16le", "base64", b"aABpAA0ACgA=", "hi\r\n");
        check_charset("gb18030", "8bit", b"\xc4\xe3\r\n", "\u{4f60}\r\n");
        check_charset("big5", "8bit", b"\xa7A\r\n", "\u{4f60}\r\n");
        check_charset("euc-kr", "8bit", b"\xb0\xa1\r\n", "\u{ac00}\r\n");
    }

    /// The message stays as it is inside, byte for byte, beside a part with the text.
    fn check_wrapped(head: &str, body: &str) {
        let message = format!("Subject: s\r\n{head}\r\n{body}");
        for at in [Position::Top, Position::Bottom] {
            let edited = added(message.as_bytes(), at, "Note \u{fc}", Some("<b>Note \u{fc}</b>"));
            let parts = edited.parts().expect("in memory");
            assert_eq!(parts[1].content_type, "multipart/mixed", "{head}");
            let kept = format!("\r\n{head}\r\n{body}");
            assert!(memchr::memmem::find(&bytes(&edited), kept.as_bytes()).is_some(), "{:?}", bytes(&edited));
            let text_at = if at == Position::Top { 2 } else { u32::try_from(parts.len()).unwrap() - 3 };
            assert_eq!(text(&edited, text_at + 1), "Note \u{fc}\r\n");
            assert_eq!(text(&edited, text_at + 2), "<b>Note &#252;</b>\r\n");
        }
    }

    #[test]
    fn what_may_not_be_changed_is_wrapped() {
        let signed =
            "--b\r\n\r\nsigned\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n";
        check_wrapped("Content-Type: multipart/signed; boundary=b\r\n", signed);
        check_wrapped("Content-Type: multipart/encrypted; boundary=b\r\n", signed);
        check_wrapped(
            "Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n",
            "QQ==\r\n",
        );
        check_wrapped("Content-Type: text/plain; charset=no-such\r\n", "body\r\n");
        check_wrapped("Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n", "body\r\n");
        check_wrapped("Content-Type: text/plain\r\nContent-Type: text/html\r\n", "body\r\n");
        check_wrapped(
            "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: base64\r\n",
            "?QQ==\r\n",
        );
        check_wrapped("Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n", "AAAA\r\n");
        check_wrapped("Content-Type: text/plain; name=notes.txt\r\n", "a file\r\n");
        check_wrapped("Content-Type: text/plain\r\n", &"x".repeat(TEXT_BODY_BYTES_MAX + 1));
    }

    #[test]
    fn a_charset_that_would_lose_something_is_wrapped() {
        let message = b"Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n/98N\r\n";
        let edited = added(message, Position::Top, "Note", None);
        assert_eq!(edited.parts().expect("in memory")[1].content_type, "multipart/mixed");
    }

    #[test]
    fn each_form_of_the_body_gets_it_and_no_file_does() {
        let message = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/alternative; boundary=a\
            \r\n\r\n--a\r\n\r\nplain\r\n--a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: \
            text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--r\r\nContent-Type: image/png\r\n\r\nPNG\
            \r\n--r--\r\n--a--\r\n--m\r\nContent-Type: text/plain; name=a.txt\r\n\r\nfile\r\n--m\r\nContent-Type: message/rfc822\
            \r\n\r\nSubject: in\r\n\r\ninner\r\n--m--\r\n";
        let edited = added(message.as_bytes(), Position::Bottom, "Note", Some("<i>Note</i>"));
        assert_eq!(text(&edited, 3), "plain\r\nNote\r\n");
        assert_eq!(text(&edited, 5), "<b>hi</b>\r\n<i>Note</i>\r\n");
        assert_eq!(text(&edited, 7), "file");
        assert_eq!(text(&edited, 9), "inner");
        assert!(
            bytes(&edited)
                .ends_with(message.split_once("--r\r\nContent-Type: image").expect("there").1.as_bytes())
        );
    }

    #[test]
    fn a_mixed_message_without_a_body_gets_one() {
        let message = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: image/png\r\n\r\nPNG\r\n--m--\r\n";
        let edited = added(message.as_bytes(), Position::Top, "Note", None);
        let kinds: Vec<String> =
            edited.parts().expect("in memory").into_iter().map(|part| part.content_type).collect();
        assert_eq!(kinds, ["message/rfc822", "multipart/mixed", "text/plain", "image/png"]);
    }

    #[test]
    fn more_bodies_than_the_bound_are_wrapped_together() {
        let of = |count: usize| {
            let children = "--a\r\n\r\nx\r\n".repeat(count);
            format!("Content-Type: multipart/alternative; boundary=a\r\n\r\n{children}--a--\r\n")
        };
        let kind = |count: usize| {
            added(of(count).as_bytes(), Position::Top, "N", None).parts().expect("in memory")[1]
                .content_type
                .clone()
        };
        assert_eq!(kind(TEXT_BODIES_MAX), "multipart/alternative");
        assert_eq!(kind(TEXT_BODIES_MAX + 1), "multipart/mixed");
    }

    #[test]
    fn no_text_becomes_a_boundary() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<body>--b--</body>\
            \r\n--b\r\n\r\ntwo\r\n--b--\r\n";
        let edited = added(message, Position::Top, "--b--\n--b", None);
        let kinds: Vec<String> =
            edited.parts().expect("in memory").into_iter().map(|part| part.content_type).collect();
        assert_eq!(kinds, ["message/rfc822", "multipart/mixed", "text/html", "text/plain"]);
        let edited = added(message, Position::Bottom, "--b--\n--b", None);
        assert_eq!(text(&edited, 3), "two\r\n--b--\r\n--b\r\n");
    }

    #[test]
    fn two_sinks_add_one_behind_the_other() {
        let mut edited = added(b"A: 1\r\n\r\nbody\r\n", Position::Bottom, "one", None);
        edited.begin();
        edited.add_text(Position::Bottom, "two", None).expect("a good text");
        assert_eq!(bytes(&edited), "A: 1\r\n\r\nbody\r\none\r\ntwo\r\n");
        edited.revert();
        assert_eq!(bytes(&edited), "A: 1\r\n\r\nbody\r\none\r\n");
    }
}

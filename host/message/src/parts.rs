//! Edits of parts: one is replaced, removed or added.
//!
//! Promises: every other part keeps its bytes; what is given is what a reader decodes; nothing of the body is copied. Part
//! numbers speak of the draft as it is now: an edit that adds or removes a part moves those behind it. Leaves out: text in the
//! bodies that people read ([`crate::Draft::add_text`]). A part inside a signature may be edited, and the signature is void
//! then: the part's traits say so beforehand.

use bytes::Bytes;

use crate::draft::{Draft, Position};
use crate::encode::{self, Written};
use crate::error::MessageError;
use crate::field;
use crate::limits::{FILE_NAME_BYTES_MAX, NESTING_MAX, PARTS_MAX};
use crate::mime::{Mime, MimePart, PartId, PartTrait};
use crate::plan::{Plan, TOP};
use crate::segment::StagedField;
use crate::text::parameters;

impl Draft {
    /// Puts another body into a part, under another type; its other fields stay. Of a container all that is inside goes.
    ///
    /// # Errors
    /// When there is no such part or it is the raw message, the type is none, a composite type is given bytes that are no
    /// lines, or a bound on edits is reached.
    pub fn replace_part(
        &mut self,
        part: PartId,
        content_type: &str,
        decoded: &Bytes,
    ) -> Result<(), MessageError> {
        self.check_editable()?;
        if part == PartId(0) {
            return Err(MessageError::invalid("part 0 is the whole message: rewrite replaces it"));
        }
        let number = index_of(part)?;
        let content_type = MediaType::parse(content_type)?;
        let written = content_type.write(decoded)?;
        let mime = self.mime()?;
        let mut plan = Plan::new(mime, &self.splice);
        check_boundaries(mime, number, &written.body)?;
        if written.is_wide() {
            say_wide(&mut plan, mime.parts().get(number).and_then(|part| part.parent))?;
        }
        plan.replace_body(number, &[content_type.field, encoding_field(&written)], written.body)?;
        let planned = plan.finish();
        self.commit(planned)
    }

    /// Takes a part away, and a container that would be empty then. Where that is all of the message, an empty text is left.
    ///
    /// # Errors
    /// When there is no such part, it is the message itself or the top of one inside, or one of the two parts that are a
    /// signature or a cipher together; when a bound on edits is reached.
    pub fn remove_part(&mut self, part: PartId) -> Result<(), MessageError> {
        self.check_editable()?;
        let mime = self.mime()?;
        let mut plan = Plan::new(mime, &self.splice);
        let mut number = match part {
            PartId(0 | 1) => {
                return Err(MessageError::invalid("the message itself can be replaced, not removed"));
            }
            other => index_of(other)?,
        };
        let siblings = loop {
            plan.span(number)?;
            let parent = plan.part(number).and_then(|part| part.parent).unwrap_or(TOP);
            let container = plan.part(parent).ok_or(MessageError::NotFound)?;
            check_removable(container)?;
            let siblings: Vec<usize> = plan.children(parent).collect();
            match (siblings.len(), parent) {
                (0 | 1, TOP) => {
                    let fields = [field::as_it_is("Content-Type", b" text/plain"), encoding_7bit()];
                    plan.replace_body(TOP, &fields, Bytes::new())?;
                    break Vec::new();
                }
                (0 | 1, _) => number = parent,
                _ => break siblings,
            }
        };
        remove_of(&mut plan, number, &siblings)?;
        let planned = plan.finish();
        self.commit(planned)
    }

    /// Adds a part behind all others, to be shown as a file, and says its number. A message that is no multipart/mixed, or is
    /// signed or encrypted, becomes the first part of a new one.
    ///
    /// # Errors
    /// When the type is none, the file name cannot be one, a composite type is given bytes that are no lines, or a bound is
    /// reached.
    pub fn attach(
        &mut self,
        content_type: &str,
        file_name: Option<&str>,
        decoded: &Bytes,
    ) -> Result<PartId, MessageError> {
        self.check_editable()?;
        let content_type = MediaType::parse(content_type)?;
        let written = content_type.write(decoded)?;
        let disposition = disposition(file_name)?;
        let encoding = encoding_field(&written);
        let entity =
            [&content_type.field.bytes, &encoding.bytes, &disposition.bytes, &b"\r\n"[..], &written.body]
                .concat();
        let mime = self.mime()?;
        let count = mime.parts().len();
        // Part 0 is none of them, and wrapping makes one more.
        if count + 3 > PARTS_MAX {
            return Err(MessageError::TooLarge("PARTS_MAX"));
        }
        let mut plan = Plan::new(mime, &self.splice);
        let is_open = mime.parts().first().is_some_and(takes_parts);
        let number = match is_open.then(|| plan.insert(TOP, Position::Bottom, &entity)).flatten() {
            Some(()) => {
                if written.is_wide() {
                    say_wide(&mut plan, Some(TOP))?;
                }
                count + 1
            }
            None => {
                if depth(mime) >= NESTING_MAX {
                    return Err(MessageError::TooLarge("NESTING_MAX"));
                }
                plan.wrap(TOP, Position::Bottom, &entity)?;
                if written.is_wide() {
                    plan.set_fields(TOP, &[encoding])?;
                }
                count + 2
            }
        };
        let planned = plan.finish();
        self.commit(planned)?;
        Ok(PartId(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

/// A type that a sink names.
struct MediaType {
    name: String,
    field: StagedField,
}

impl MediaType {
    fn parse(value: &str) -> Result<Self, MessageError> {
        let is_token = |word: &str| {
            let is_special = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && !is_special(byte))
        };
        let name = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_type = name.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        let wrong = || MessageError::invalid("the content type is not type/subtype with parameters in ASCII");
        if !is_type || !value.is_ascii() || value.contains("=?") {
            return Err(wrong());
        }
        let read = parameters(value.as_bytes()).ok_or_else(wrong)?;
        if name.starts_with("multipart/") && read.attribute("boundary").is_none_or(str::is_empty) {
            return Err(MessageError::invalid("a multipart type needs its boundary"));
        }
        Ok(Self { field: field::from_text("Content-Type", value)?, name })
    }

    fn write(&self, decoded: &Bytes) -> Result<Written, MessageError> {
        encode::written(&self.name, decoded)
    }
}

impl Written {
    /// Whether the containers around have to say that it is not ASCII (RFC 2045 §6.4).
    fn is_wide(&self) -> bool {
        self.encoding == "8bit"
    }
}

fn index_of(part: PartId) -> Result<usize, MessageError> {
    usize::try_from(part.0).ok().and_then(|number| number.checked_sub(1)).ok_or(MessageError::NotFound)
}

fn encoding_field(written: &Written) -> StagedField {
    field::as_it_is("Content-Transfer-Encoding", format!(" {}", written.encoding).as_bytes())
}

fn encoding_7bit() -> StagedField {
    field::as_it_is("Content-Transfer-Encoding", b" 7bit")
}

/// RFC 2183; a name with more than letters, digits and `-._ ` in the form of RFC 2231 §4, which no reader can misread.
fn disposition(file_name: Option<&str>) -> Result<StagedField, MessageError> {
    const NAME: &str = "Content-Disposition";
    let Some(name) = file_name else { return Ok(field::as_it_is(NAME, b" attachment")) };
    if name.len() > FILE_NAME_BYTES_MAX {
        return Err(MessageError::TooLarge("FILE_NAME_BYTES_MAX"));
    }
    if name.is_empty()
        || name.chars().any(|character| character.is_control() || matches!(character, '/' | '\\'))
    {
        return Err(MessageError::invalid("a file name has no control character, slash or backslash"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._ ".contains(&byte);
    if name.bytes().all(is_plain) && !name.contains("  ") && name.trim() == name {
        return field::from_text(NAME, &format!("attachment; filename=\"{name}\""));
    }
    let mut value = String::from("attachment; filename*=utf-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            value.push(char::from(byte));
        } else {
            value.push_str(&format!("%{byte:02X}"));
        }
    }
    field::from_text(NAME, &value)
}

/// Whether another part may stand in it beside the ones that it has.
fn takes_parts(top: &MimePart) -> bool {
    top.content_type == "multipart/mixed" && !top.is_protected() && !top.has(PartTrait::Truncated)
}

fn check_removable(container: &MimePart) -> Result<(), MessageError> {
    if container.boundary.is_none() {
        return Err(MessageError::invalid(
            "the top of a message inside: remove that message, or replace this",
        ));
    }
    if matches!(container.content_type.as_str(), "multipart/signed" | "multipart/encrypted") {
        return Err(MessageError::invalid("one of two parts that belong together: remove what they are in"));
    }
    Ok(())
}

/// Takes a child away that has siblings, with one delimiter.
fn remove_of(plan: &mut Plan<'_>, number: usize, siblings: &[usize]) -> Result<(), MessageError> {
    let Some(place) = siblings.iter().position(|sibling| *sibling == number) else { return Ok(()) };
    let span = plan.span(number)?;
    if let Some(next) = siblings.get(place + 1) {
        let next = plan.span(*next)?;
        plan.change(span.start..next.start, Bytes::new());
        return Ok(());
    }
    let before = siblings.get(place.wrapping_sub(1)).copied().unwrap_or(number);
    let end = plan.span(before)?.end;
    let line_end = plan.line_end_at(span.end).unwrap_or_default();
    plan.change(end..span.end, line_end);
    Ok(())
}

/// Bytes that go into a part as they are must have no line that a container around takes for its own.
fn check_boundaries(mime: &Mime, number: usize, body: &[u8]) -> Result<(), MessageError> {
    let mut around = mime.parts().get(number);
    while let Some(container) = around.and_then(|part| mime.parts().get(part.parent?)) {
        if let Some(boundary) = &container.boundary {
            let line = [b"--", boundary.as_ref()].concat();
            if body.starts_with(&line) || memchr::memmem::find(body, &[b"\n", &line[..]].concat()).is_some() {
                return Err(MessageError::invalid("the content has a boundary of a container around it"));
            }
        }
        around = Some(container);
    }
    Ok(())
}

/// Says 8bit on the containers from that one outwards.
fn say_wide(plan: &mut Plan<'_>, from: Option<usize>) -> Result<(), MessageError> {
    let mut around = from;
    while let Some(number) = around {
        let Some(container) = plan.part(number) else { break };
        let is_narrow = plan.field(number, "Content-Transfer-Encoding");
        let is_narrow = is_narrow.is_none_or(|word| word.trim_ascii().eq_ignore_ascii_case(b"7bit"));
        if container.boundary.is_some() && is_narrow {
            plan.set_fields(number, &[field::as_it_is("Content-Transfer-Encoding", b" 8bit")])?;
        }
        around = container.parent;
    }
    Ok(())
}

/// How many containers are around the deepest part.
fn depth(mime: &Mime) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(mime.parts().len());
    for part in mime.parts() {
        let depth = part.parent.and_then(|parent| depths.get(parent)).map_or(0, |parent| parent + 1);
        depths.push(depth);
    }
    depths.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::limits::{BODY_EDIT_BYTES_MAX, EDITS_MAX};

    const MIXED: &str = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n\
                         Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n\
                         --b--\r\nepilogue\r\n";
    const ZIP: &str = "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\
                       Content-Disposition: attachment; filename=\"a.zip\"\r\n\r\nUEs=";

    fn draft(text: &str) -> Draft {
        Draft::new(Content::new(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn written(draft: &Draft) -> String {
        String::from_utf8(draft.part_bytes(PartId(0)).expect("in memory").to_vec()).expect("text")
    }

    /// Edits a message and compares all of its bytes.
    fn check<T: std::fmt::Debug>(
        input: &str,
        edit: impl FnOnce(&mut Draft) -> Result<T, MessageError>,
        expected: &str,
    ) {
        let mut edited = draft(input);
        edit(&mut edited).expect("a good edit");
        assert_eq!(written(&edited), expected);
    }

    fn check_error<T: std::fmt::Debug>(
        input: &str,
        edit: impl FnOnce(&mut Draft) -> Result<T, MessageError>,
        expected: &str,
    ) {
        let mut edited = draft(input);
        let error = edit(&mut edited).expect_err("a bad edit").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!edited.is_edited());
    }

    fn zip(draft: &mut Draft) -> Result<PartId, MessageError> {
        draft.attach("application/zip", Some("a.zip"), &Bytes::from_static(b"PK"))
    }

    #[test]
    fn a_part_is_replaced_and_its_other_fields_stay() {
        let expected =
            MIXED.replace("image/png", "text/plain").replace("base64", "7bit").replace("AAAA", "gone");
        check(
            MIXED,
            |draft| draft.replace_part(PartId(3), "text/plain", &Bytes::from_static(b"gone")),
            &expected,
        );
        check(
            "Subject: s\r\n\r\nold\r\n",
            |draft| draft.replace_part(PartId(1), "text/html", &Bytes::from_static(b"<p>")),
            "Subject: s\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n",
        );
    }

    #[test]
    fn a_part_goes_with_one_delimiter() {
        let first = MIXED.replace("--b\r\n\r\none\r\n", "");
        check(MIXED, |draft| draft.remove_part(PartId(2)), &first);
        let (before, behind) = MIXED.split_once("\r\n--b\r\nContent-Type: image").expect("there");
        let last = before.to_owned() + behind.split_once("AAAA").expect("there").1;
        check(MIXED, |draft| draft.remove_part(PartId(3)), &last);
    }

    #[test]
    fn the_last_part_leaves_an_empty_text() {
        let edit =
            |draft: &mut Draft| draft.remove_part(PartId(3)).and_then(|()| draft.remove_part(PartId(2)));
        check(
            MIXED,
            edit,
            "Subject: s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
        );
    }

    #[test]
    fn a_file_is_the_last_part_of_a_mixed_message() {
        let expected = MIXED.replace("\r\n--b--", &format!("\r\n--b\r\n{ZIP}\r\n--b--"));
        check(MIXED, zip, &expected);
        let mut edited = draft(MIXED);
        assert_eq!((zip(&mut edited), zip(&mut edited)), (Ok(PartId(4)), Ok(PartId(5))));
    }

    #[test]
    fn another_message_becomes_the_first_part_beside_the_file() {
        let mut edited = draft("MIME-Version: 1.0\r\nContent-Type: text/plain\r\nTo: x\r\n\r\nbody\r\n");
        assert_eq!(zip(&mut edited), Ok(PartId(3)));
        let text = written(&edited);
        let boundary = text.split('"').nth(1).expect("a boundary");
        let expected = format!(
            "MIME-Version: 1.0\r\nTo: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\
             Content-Type: text/plain\r\n\r\nbody\r\n\r\n--{boundary}\r\n{ZIP}\r\n--{boundary}--\r\n"
        );
        assert_eq!(text, expected);
        let message = Bytes::from(text);
        let again = edited.attach("message/rfc822", None, &message).expect("its own boundary is inside");
        assert_eq!(edited.part_bytes(again).expect("in memory"), message);
    }

    #[test]
    fn file_names_of_any_letters_come_back() {
        for name in ["a.zip", "Gr\u{fc}\u{df}e \"x\"; y=z.txt", "a  b", &"x".repeat(FILE_NAME_BYTES_MAX)] {
            let mut edited = draft(MIXED);
            let id = edited.attach("application/zip", Some(name), &Bytes::new()).expect("a good name");
            let parts = edited.parts().expect("in memory");
            assert_eq!(parts[usize::try_from(id.0).unwrap()].file_name.as_deref(), Some(name));
        }
        let attach = |name: String| move |draft: &mut Draft| draft.attach("a/b", Some(&name), &Bytes::new());
        check_error(MIXED, attach("x".repeat(FILE_NAME_BYTES_MAX + 1)), "FILE_NAME_BYTES_MAX");
        check_error(MIXED, attach("../x".to_owned()), "slash");
    }

    #[test]
    fn containers_say_what_is_not_ascii_inside() {
        let content = Bytes::from("Subject: s\r\n\r\n\u{fc}\r\n");
        let mut edited = draft(MIXED);
        let id = edited.attach("message/rfc822", None, &content).expect("lines");
        assert_eq!(edited.header("Content-Transfer-Encoding").as_deref(), Some("8bit"));
        assert_eq!(edited.part_bytes(id).expect("in memory"), content);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let replace = |part: u32, content_type: &'static str, text: &'static str| {
            move |draft: &mut Draft| {
                draft.replace_part(PartId(part), content_type, &Bytes::from_static(text.as_bytes()))
            }
        };
        check_error(MIXED, replace(0, "a/b", ""), "rewrite");
        check_error(MIXED, replace(9, "a/b", ""), "not found");
        check_error(MIXED, replace(2, "text", ""), "type/subtype");
        check_error(MIXED, replace(2, "text/plain\r\nX: y", ""), "type/subtype");
        check_error(MIXED, replace(2, "text/pl\u{e4}in", ""), "type/subtype");
        check_error(MIXED, replace(2, "multipart/mixed", ""), "boundary");
        check_error(MIXED, replace(2, "message/rfc822", "a\nb"), "lines");
        check_error(MIXED, replace(2, "multipart/mixed; boundary=b", "--b\r\n\r\nx\r\n--b--"), "around it");
        check_error(MIXED, |draft| draft.remove_part(PartId(1)), "replaced");
        let forwarded = "Content-Type: message/rfc822\r\n\r\nA: 1\r\n\r\nx";
        check_error(forwarded, |draft| draft.remove_part(PartId(2)), "message inside");
        let signed = MIXED.replace("mixed", "signed");
        check_error(&signed, |draft| draft.remove_part(PartId(3)), "belong together");
        let hidden = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogMQ0KDQp4";
        check_error(hidden, |draft| draft.remove_part(PartId(2)), "in a transfer encoding");
    }

    #[test]
    fn edits_of_parts_are_bounded() {
        let mut edited = draft(MIXED);
        for _ in 0..EDITS_MAX {
            edited.replace_part(PartId(2), "text/plain", &Bytes::from_static(b"x")).expect("in bounds");
        }
        let over = edited.replace_part(PartId(2), "text/plain", &Bytes::from_static(b"x"));
        assert_eq!(over, Err(MessageError::TooLarge("EDITS_MAX")));
        let half = Bytes::from(vec![b'x'; BODY_EDIT_BYTES_MAX / 2]);
        edited.begin();
        edited.replace_part(PartId(2), "message/x", &Bytes::new()).expect("no bytes");
        let attach = |draft: &mut Draft| draft.attach("application/zip", None, &half);
        assert_eq!(attach(&mut edited).map(|_| ()), Ok(()));
        assert_eq!(attach(&mut edited), Err(MessageError::TooLarge("BODY_EDIT_BYTES_MAX")));
        edited.revert();
        assert_eq!(attach(&mut edited).map(|_| ()), Ok(()));
    }

    #[test]
    fn parts_and_their_nesting_are_bounded() {
        let many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned()
            + &"--b\r\n\r\n".repeat(PARTS_MAX - 3);
        assert_eq!(zip(&mut draft(&many)), Err(MessageError::TooLarge("PARTS_MAX")));
        let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(NESTING_MAX) + "S: 1\r\n\r\nx";
        assert_eq!(zip(&mut draft(&deep)), Err(MessageError::TooLarge("NESTING_MAX")));
    }
}

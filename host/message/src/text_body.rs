//! A text added to one text body, in its own charset and transfer encoding where it can be.
//!
//! Promises: what the body said before it says afterwards, character for character, and the addition is read as it was given.
//! A body that is ASCII or 8-bit as it stands keeps its bytes; another one is written anew around the same text. Where that
//! cannot be kept, because nobody knows how to read the body, nothing is changed, and the caller wraps.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use mail_parser::ContentType;

use crate::addition::Addition;
use crate::draft::Position;
use crate::encode;
use crate::error::MessageError;
use crate::field;
use crate::html;
use crate::limits::TEXT_BODY_BYTES_MAX;
use crate::mime::{MimePart, PartTrait};
use crate::plan::Plan;
use crate::segment::StagedField;
use crate::text::{charset_text, contains_ascii, field_text, knows_charset, parameters};
use crate::transfer::Encoding;

/// Whether a body was one that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    Yes,
    /// It stays as it is: to be wrapped.
    No,
}

/// What is known of a body.
struct TextBody<'a> {
    part: &'a MimePart,
    /// `None`: nothing is said, so a text in ASCII.
    content_type: Option<ContentType<'static>>,
    width: Width,
}

/// What an unencoded body may have in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Seven,
    Eight,
}

/// Adds a text to a leaf that is text/plain or text/html.
pub(crate) fn add(
    plan: &mut Plan<'_>,
    number: usize,
    at: Position,
    addition: &Addition,
) -> Result<Added, MessageError> {
    let Some(body) = read(plan, number) else { return Ok(Added::No) };
    let text = body.addition(addition);
    let (place, staged) = body.placed(&body.part.body, &text, at);
    if body.is_spliced(&text, place) {
        let start = plan.span(number)?.body;
        plan.change(start + place..start + place, staged);
        return Ok(Added::Yes);
    }
    let Some((decoded, charset)) = body.decoded(&text) else { return Ok(Added::No) };
    let (place, staged) = body.placed(&decoded, &text, at);
    let (before, behind) = decoded.split_at_checked(place).unwrap_or((&decoded, b""));
    let written = encode::text(&Bytes::from([before, &staged, behind].concat()));
    let mut fields =
        vec![field::as_it_is("Content-Transfer-Encoding", format!(" {}", written.encoding).as_bytes())];
    if let Some(charset) = charset {
        fields.push(body.content_type_in(charset)?);
    }
    plan.replace_body(number, &fields, written.body)?;
    Ok(Added::Yes)
}

/// `None` for what nobody knows how to read for sure.
fn read<'a>(plan: &Plan<'a>, number: usize) -> Option<TextBody<'a>> {
    let part = plan.part(number)?;
    if part.has(PartTrait::Malformed) || part.body.len() > TEXT_BODY_BYTES_MAX {
        return None;
    }
    let content_type = match plan.field(number, "Content-Type") {
        Some(value) => Some(parameters(&value)?),
        None => None,
    };
    let word =
        plan.field(number, "Content-Transfer-Encoding").map(|value| field_text(&value).to_ascii_lowercase());
    let width = match word.as_deref() {
        Some("8bit" | "binary") => Width::Eight,
        None | Some("7bit" | "base64" | "quoted-printable") => {
            if part.body.is_ascii() {
                Width::Seven
            } else {
                Width::Eight
            }
        }
        Some(_) => return None,
    };
    let body = TextBody { part, content_type, width };
    knows_charset(body.charset()).then_some(body)
}

impl TextBody<'_> {
    fn is_html(&self) -> bool {
        self.part.content_type == "text/html"
    }

    fn addition<'b>(&self, addition: &'b Addition) -> Cow<'b, str> {
        let format = self.content_type.as_ref().and_then(|value| value.attribute("format"));
        if self.is_html() {
            addition.html().into()
        } else if format.is_some_and(|format| format.trim().eq_ignore_ascii_case("flowed")) {
            addition.flowed().into()
        } else {
            addition.plain().into()
        }
    }

    fn charset(&self) -> &str {
        self.part.charset.as_deref().unwrap_or("us-ascii").trim()
    }

    /// Whether the addition means the same in the body's own charset.
    fn is_in_charset(&self, text: &str) -> bool {
        let is_utf8 = ["utf-8", "utf8"].iter().any(|name| name.eq_ignore_ascii_case(self.charset()));
        is_utf8 || text.is_ascii() && contains_ascii(self.charset())
    }

    /// Whether the addition goes among the bytes as they stand. Neither it nor what stands behind it then may be read as a
    /// boundary, and an entity needs an empty line before its first byte.
    fn is_spliced(&self, text: &str, place: usize) -> bool {
        let rest = self.part.body.get(place..).unwrap_or_default();
        self.part.encoding == Encoding::Identity
            && self.is_in_charset(text)
            && (text.is_ascii() || self.width == Width::Eight)
            && !encode::begins_a_boundary(text.as_bytes())
            && !rest.starts_with(b"--")
            && self.part.has_empty_line()
    }

    /// The bytes to add to, and the charset that they are in if it is another one. `None` if something would be lost.
    fn decoded(&self, text: &str) -> Option<(Bytes, Option<&'static str>)> {
        let decoded = self.part.decoded();
        if self.is_in_charset(text) {
            return Some((decoded.clone(), None));
        }
        let converted = charset_text(Some(self.charset()), decoded);
        let is_lost = converted.contains('\u{fffd}');
        (!is_lost).then(|| (Bytes::from(converted), Some("utf-8")))
    }

    /// Where the addition goes, and with what around it.
    fn placed(&self, body: &[u8], text: &str, at: Position) -> (usize, Vec<u8>) {
        if self.is_html() {
            let place = html::place(body, at);
            return (place, [b"\r\n", text.as_bytes()].concat());
        }
        match at {
            Position::Top => (mark_end(body), text.as_bytes().to_vec()),
            Position::Bottom => {
                let between: &[u8] = match body {
                    [] => b"",
                    // In a flowed text the line would flow into the addition (RFC 3676 §4.1).
                    [.., b' ', b'\r', b'\n'] => b"\r\n",
                    [.., b' '] => b"\r\n\r\n",
                    [.., b'\n'] => b"",
                    _ => b"\r\n",
                };
                (body.len(), [between, text.as_bytes()].concat())
            }
        }
    }

    /// The type with another charset and all its other parameters.
    fn content_type_in(&self, charset: &str) -> Result<StagedField, MessageError> {
        let mut value = format!("{}; charset={charset}", self.part.content_type);
        let attributes = self.content_type.as_ref().and_then(ContentType::attributes).unwrap_or_default();
        for attribute in attributes.iter().filter(|attribute| !attribute.name.eq_ignore_ascii_case("charset"))
        {
            let quoted = attribute.value.replace('\\', "\\\\").replace('"', "\\\"");
            value.push_str(&format!("; {}=\"{quoted}\"", attribute.name));
        }
        field::from_text("Content-Type", &value)
    }
}

/// Behind a byte order mark, which is one only at the beginning.
fn mark_end(body: &[u8]) -> usize {
    let mark: Range<usize> = 0.."\u{feff}".len();
    if body.get(mark.clone()) == Some("\u{feff}".as_bytes()) { mark.end } else { 0 }
}

//! What the header of an entity says of its shape: type, encoding, file name, traits.
//!
//! The first field of a name counts; a second one, or one that cannot be read, makes the part malformed, because another
//! reader may take the other.

use mail_parser::ContentType;

use crate::headers::Field;
use crate::mime::{MimePart, PartTrait};
use crate::text::{field_text, parameters, without_controls};
use crate::transfer::{Encoding, Form};

/// What the fields of an entity say of its shape.
pub(crate) struct EntityHead {
    content_type: Option<ContentType<'static>>,
    disposition: Option<ContentType<'static>>,
    pub(crate) encoding: Encoding,
    form: Form,
}

impl EntityHead {
    /// Reads the first field of each name; a second one is a trick to be read in two ways.
    pub(crate) fn read<'a>(fields: impl Iterator<Item = Field<'a>>, form: Form) -> Self {
        let (mut content_type, mut disposition, mut encoding) = (None, None, None);
        let mut form = form;
        for field in fields {
            let slot = if field.name.eq_ignore_ascii_case("Content-Type") {
                &mut content_type
            } else if field.name.eq_ignore_ascii_case("Content-Disposition") {
                &mut disposition
            } else if field.name.eq_ignore_ascii_case("Content-Transfer-Encoding") {
                &mut encoding
            } else {
                continue;
            };
            match slot {
                None => *slot = Some(field.value),
                Some(_) => form = Form::Malformed,
            }
        }
        let mut read = |value: Option<&[u8]>| {
            let parsed = parameters(value?);
            if parsed.is_none() {
                form = Form::Malformed;
            }
            parsed
        };
        let (content_type, disposition) = (read(content_type), read(disposition));
        let encoding = encoding.map_or(Encoding::Identity, |value| Encoding::parse(&field_text(value)));
        Self { content_type, disposition, encoding, form }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref()?.attribute(name)
    }

    pub(crate) fn boundary(&self) -> Option<&str> {
        self.attribute("boundary").map(str::trim_end).filter(|boundary| !boundary.is_empty())
    }

    pub(crate) fn file_name(&self) -> Option<String> {
        let name = self.disposition.as_ref().and_then(|value| value.attribute("filename"));
        let name = name.or_else(|| self.attribute("name"))?;
        // Many writers put encoded words into quoted strings, which RFC 2047 §5 forbids.
        Some(without_controls(field_text(name.as_bytes()))).filter(|name| !name.is_empty())
    }

    pub(crate) fn media_type(&self, parent: Option<&MimePart>) -> String {
        match &self.content_type {
            Some(value) => {
                without_controls(format!("{}/{}", value.ctype(), value.subtype().unwrap_or("plain")))
            }
            None if parent.is_some_and(|parent| parent.content_type == "multipart/digest") => {
                "message/rfc822".to_owned()
            }
            None => "text/plain".to_owned(),
        }
    }
}

pub(crate) fn is_message(content_type: &str) -> bool {
    matches!(content_type, "message/rfc822" | "message/global")
}

/// Signed and encrypted containers hold for all that is inside.
pub(crate) fn inherited(parent: Option<&MimePart>) -> Vec<PartTrait> {
    let all = parent.map(|parent| parent.traits.as_slice()).unwrap_or_default();
    let stays = |one: &&PartTrait| matches!(one, PartTrait::Encrypted | PartTrait::Signed);
    all.iter().filter(stays).copied().collect()
}

/// The traits that an entity has by its own header.
pub(crate) fn own_traits(head: &EntityHead, content_type: &str) -> Vec<PartTrait> {
    let mut traits = Vec::new();
    let disposition = head.disposition.as_ref().map(|value| value.ctype());
    let is_multipart = content_type.starts_with("multipart/");
    let is_shown = content_type.starts_with("text/") && head.file_name().is_none();
    match disposition {
        Some("inline") => traits.push(PartTrait::Inline),
        // RFC 2183 §2.8: one that nobody knows is an attachment.
        Some(_) => traits.push(PartTrait::Attachment),
        None if is_multipart => {}
        None if is_shown => traits.push(PartTrait::Inline),
        None => traits.push(PartTrait::Attachment),
    }
    traits.extend(protection(head, content_type));
    if head.form == Form::Malformed {
        traits.push(PartTrait::Malformed);
    }
    traits
}

/// RFC 1847, RFC 3156, RFC 8551 §3.2.
fn protection(head: &EntityHead, content_type: &str) -> Option<PartTrait> {
    match content_type {
        "multipart/signed" => Some(PartTrait::Signed),
        "multipart/encrypted" | "application/pgp-encrypted" => Some(PartTrait::Encrypted),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            let kind = head.attribute("smime-type").unwrap_or_default();
            let is_signed =
                kind.eq_ignore_ascii_case("signed-data") || kind.eq_ignore_ascii_case("certs-only");
            Some(if is_signed { PartTrait::Signed } else { PartTrait::Encrypted })
        }
        _ => None,
    }
}

//! The MIME view: the tree of parts, found by one pass over the body without recursion.
//!
//! Promises: whatever the content is, at most [`NESTING_MAX`] containers deep and [`PARTS_MAX`] parts wide, on any stack:
//! the tree is ours, mail-parser (which 40,000 nested messages kill) sees single field values alone. What is cut off
//! carries [`PartTrait::Truncated`]. Part 0 is the raw message, part 1 its top entity, then each container's children in
//! order, just as a message/rfc822 part is followed by the top entity of its message. Leaves out: edits of parts.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mail_parser::ContentType;

use crate::headers::{Field, HeaderIndex};
use crate::limits::{NESTED_ENCODINGS_MAX, NESTING_MAX, PARTS_MAX};
use crate::scan::{DelimiterKind, delimits, next_delimiter};
use crate::text::{charset_text, field_text, parameters, without_controls};
use crate::transfer::{Encoding, Form};

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

    pub(crate) fn get_or_build(&self, build: impl FnOnce() -> Mime) -> &Mime {
        self.0.get_or_init(build)
    }
}

/// The parts from part 1 on.
#[derive(Debug)]
pub(crate) struct Mime {
    parts: Vec<MimePart>,
}

/// A part with its bytes, which are slices of the content.
#[derive(Debug)]
pub(crate) struct MimePart {
    /// Index in the list of parts; `None` for the top entity.
    parent: Option<usize>,
    pub(crate) header: Bytes,
    pub(crate) body: Bytes,
    content_type: String,
    file_name: Option<String>,
    charset: Option<String>,
    encoding: Encoding,
    size: usize,
    pub(crate) traits: Vec<PartTrait>,
    decoded: OnceLock<Bytes>,
    text: OnceLock<Bytes>,
}

impl Mime {
    /// Builds the tree of a message from the fields of its header section and its body.
    pub(crate) fn build<'a>(fields: impl Iterator<Item = Field<'a>>, form: Form, body: Bytes) -> Self {
        let mut parts = Vec::new();
        let entity = Entity {
            head: EntityHead::read(fields, form),
            header: Bytes::new(),
            body_start: 0,
            parent: None,
        };
        let walk = Walk { parts: &mut parts, source: body, depth: 0, encodings: 0, open: Open::default() };
        walk.run(entity);
        Self { parts }
    }

    /// The part of a number above 0.
    pub(crate) fn part(&self, id: PartId) -> Option<&MimePart> {
        self.parts.get(usize::try_from(id.0).ok()?.checked_sub(1)?)
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

    fn add(&mut self, more: PartTrait) {
        if !self.traits.contains(&more) {
            self.traits.push(more);
        }
    }
}

/// Part 0 is not in the list.
fn number(index: usize) -> PartId {
    PartId(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

/// What the fields of an entity say of its shape.
struct EntityHead {
    content_type: Option<ContentType<'static>>,
    disposition: Option<ContentType<'static>>,
    encoding: Encoding,
    form: Form,
}

impl EntityHead {
    /// Reads the first field of each name; a second one is a trick to be read in two ways.
    fn read<'a>(fields: impl Iterator<Item = Field<'a>>, form: Form) -> Self {
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

    fn attribute(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref()?.attribute(name)
    }

    fn boundary(&self) -> Option<&str> {
        self.attribute("boundary").map(str::trim_end).filter(|boundary| !boundary.is_empty())
    }

    fn file_name(&self) -> Option<String> {
        let name = self.disposition.as_ref().and_then(|value| value.attribute("filename"));
        let name = name.or_else(|| self.attribute("name"))?;
        // Many writers put encoded words into quoted strings, which RFC 2047 §5 forbids.
        Some(without_controls(field_text(name.as_bytes()))).filter(|name| !name.is_empty())
    }

    fn media_type(&self, parent: Option<&MimePart>) -> String {
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

/// An entity of which the header was read, and the body not yet.
struct Entity {
    head: EntityHead,
    header: Bytes,
    body_start: usize,
    parent: Option<usize>,
}

/// The containers that the walk is in, outermost first: their parts and their boundaries.
#[derive(Default)]
struct Open {
    parts: Vec<(usize, usize)>,
    boundaries: Vec<Option<Bytes>>,
}

/// What an entity turns out to be.
enum Shape {
    Leaf,
    Multipart(Bytes),
    Message,
}

/// The one pass over a body, or over a message that was decoded to be looked into.
struct Walk<'a> {
    parts: &'a mut Vec<MimePart>,
    source: Bytes,
    /// Containers around the source.
    depth: usize,
    /// Decodings around the source.
    encodings: usize,
    open: Open,
}

impl Walk<'_> {
    fn run(mut self, top: Entity) {
        let mut entity = top;
        loop {
            let body_start = entity.body_start;
            let (part, shape) = self.push(entity);
            let mut leaf = None;
            match shape {
                Shape::Leaf => leaf = Some(part),
                Shape::Multipart(boundary) => self.enter(part, body_start, Some(boundary)),
                Shape::Message => {
                    self.enter(part, body_start, None);
                    if self.has_room() {
                        entity = self.read_entity(body_start, part);
                        continue;
                    }
                }
            }
            match self.next_part(leaf, body_start) {
                Some((start, parent)) if self.has_room() => entity = self.read_entity(start, parent),
                _ => return self.finish(),
            }
        }
    }

    /// Ends the leaf, leaves the containers that end, and says where the next entity begins and in which part.
    fn next_part(&mut self, leaf: Option<usize>, body_start: usize) -> Option<(usize, usize)> {
        let mut leaf = leaf;
        let mut from = body_start;
        loop {
            let delimiter = next_delimiter(&self.source, from, &self.open.boundaries);
            let end = delimiter.map_or(self.source.len(), |delimiter| delimiter.start);
            if let Some(leaf) = leaf.take() {
                self.end_leaf(leaf, body_start..end);
            }
            let delimiter = delimiter?;
            self.leave_down_to(delimiter.level + 1, end, Form::Malformed);
            match delimiter.kind {
                DelimiterKind::Next => {
                    return self.open.parts.last().map(|(parent, _)| (delimiter.after, *parent));
                }
                DelimiterKind::Close => self.leave_down_to(delimiter.level, end, Form::Well),
            }
            from = delimiter.after;
        }
    }

    fn read_entity(&self, start: usize, parent: usize) -> Entity {
        let rest = self.source.get(start..).unwrap_or_default();
        let index = HeaderIndex::until(rest, |line| delimits(line, &self.open.boundaries).is_some());
        let form = if index.is_well_formed() { Form::Well } else { Form::Malformed };
        Entity {
            head: EntityHead::read(index.iter(rest), form),
            header: self.source.slice(start..start + index.end()),
            body_start: start + index.body(),
            parent: Some(parent),
        }
    }

    fn push(&mut self, entity: Entity) -> (usize, Shape) {
        let Entity { head, header, parent, .. } = entity;
        let parent_part = parent.and_then(|parent| self.parts.get(parent));
        let content_type = head.media_type(parent_part);
        let mut traits = inherited(parent_part);
        let shape = self.shape(&head, &content_type, &mut traits);
        let is_container = !matches!(shape, Shape::Leaf);
        traits.extend(own_traits(&head, &content_type, &shape));
        traits.dedup();
        self.parts.push(MimePart {
            parent,
            header,
            body: Bytes::new(),
            file_name: head.file_name(),
            charset: head.attribute("charset").map(str::to_owned),
            encoding: if is_container { Encoding::Identity } else { head.encoding },
            content_type,
            size: 0,
            traits,
            decoded: OnceLock::new(),
            text: OnceLock::new(),
        });
        (self.parts.len() - 1, shape)
    }

    fn shape(&self, head: &EntityHead, content_type: &str, traits: &mut Vec<PartTrait>) -> Shape {
        let shape = if content_type.starts_with("multipart/") {
            match head.boundary() {
                Some(boundary) => Shape::Multipart(Bytes::copy_from_slice(boundary.as_bytes())),
                None => {
                    traits.push(PartTrait::Malformed);
                    Shape::Leaf
                }
            }
        } else if is_message(content_type) && head.encoding == Encoding::Identity {
            Shape::Message
        } else {
            Shape::Leaf
        };
        if !matches!(shape, Shape::Leaf) && self.depth + self.open.parts.len() >= NESTING_MAX {
            traits.push(PartTrait::Truncated);
            return Shape::Leaf;
        }
        shape
    }

    fn enter(&mut self, part: usize, body_start: usize, boundary: Option<Bytes>) {
        self.open.parts.push((part, body_start));
        self.open.boundaries.push(boundary);
    }

    /// Ends the containers above `level`; a multipart without its closing boundary is `form`.
    fn leave_down_to(&mut self, level: usize, end: usize, form: Form) {
        while self.open.parts.len() > level {
            let (Some((part, start)), Some(boundary)) = (self.open.parts.pop(), self.open.boundaries.pop())
            else {
                return;
            };
            let Some(part) = self.parts.get_mut(part) else { return };
            part.body = self.source.slice(start.min(end)..end);
            part.size = part.body.len();
            if boundary.is_some() && form == Form::Malformed {
                part.add(PartTrait::Malformed);
            }
        }
    }

    fn end_leaf(&mut self, index: usize, range: std::ops::Range<usize>) {
        let Some(part) = self.parts.get_mut(index) else { return };
        part.body = self.source.slice(range);
        let (size, form) = part.encoding.measure(&part.body);
        part.size = size;
        if form == Form::Malformed {
            part.add(PartTrait::Malformed);
        }
        if is_message(&part.content_type) && part.encoding != Encoding::Identity {
            self.look_into(index);
        }
    }

    /// A message in a transfer encoding, which RFC 2046 §5.2.1 forbids and some readers open all the same.
    fn look_into(&mut self, index: usize) {
        let depth = self.depth + self.open.parts.len() + 1;
        let has_room = self.has_room();
        let Some(part) = self.parts.get_mut(index) else { return };
        part.add(PartTrait::Malformed);
        if depth > NESTING_MAX || self.encodings >= NESTED_ENCODINGS_MAX || !has_room {
            part.add(PartTrait::Truncated);
            return;
        }
        let source = part.decoded().clone();
        let walk = Walk {
            parts: &mut *self.parts,
            source,
            depth,
            encodings: self.encodings + 1,
            open: Open::default(),
        };
        let entity = walk.read_entity(0, index);
        walk.run(entity);
    }

    fn has_room(&self) -> bool {
        self.parts.len() + 1 < PARTS_MAX
    }

    fn finish(mut self) {
        if !self.has_room() {
            for (part, _) in &self.open.parts {
                if let Some(part) = self.parts.get_mut(*part) {
                    part.add(PartTrait::Truncated);
                }
            }
        }
        let end = self.source.len();
        self.leave_down_to(0, end, Form::Malformed);
    }
}

fn is_message(content_type: &str) -> bool {
    matches!(content_type, "message/rfc822" | "message/global")
}

/// Signed and encrypted containers hold for all that is inside.
fn inherited(parent: Option<&MimePart>) -> Vec<PartTrait> {
    let all = parent.map(|parent| parent.traits.as_slice()).unwrap_or_default();
    let stays = |one: &&PartTrait| matches!(one, PartTrait::Encrypted | PartTrait::Signed);
    all.iter().filter(stays).copied().collect()
}

fn own_traits(head: &EntityHead, content_type: &str, shape: &Shape) -> Vec<PartTrait> {
    let mut traits = Vec::new();
    let disposition = head.disposition.as_ref().map(|value| value.ctype());
    let is_text = content_type.starts_with("text/");
    match disposition {
        Some("inline") => traits.push(PartTrait::Inline),
        // RFC 2183 §2.8: one that nobody knows is an attachment.
        Some(_) => traits.push(PartTrait::Attachment),
        None if matches!(shape, Shape::Multipart(_)) => {}
        None if is_text && head.file_name().is_none() => traits.push(PartTrait::Inline),
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

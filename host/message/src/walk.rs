//! The one pass over a body that finds its parts, with the open containers on a list instead of on the stack.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::entity::{EntityHead, inherited, is_message, own_traits};
use crate::headers::{Extent, Field, HeaderIndex};
use crate::limits::{NESTED_ENCODINGS_MAX, NESTING_MAX, PARTS_MAX};
use crate::mime::{MimePart, PartTrait, Span};
use crate::scan::{Container, DelimiterKind, delimits, next_delimiter};
use crate::transfer::{Encoding, Form};

/// The parts of a message from its top entity on, parents before their children.
pub(crate) fn walk_message<'a>(
    fields: impl Iterator<Item = Field<'a>>,
    form: Form,
    body: Bytes,
) -> Vec<MimePart> {
    let mut parts = Vec::new();
    let top = Entity {
        head: EntityHead::read(fields, form),
        header: Bytes::new(),
        start: 0,
        body_start: 0,
        parent: None,
    };
    Walk { parts: &mut parts, source: body, depth: 0, encodings: 0, open: Vec::new() }.run(top);
    parts
}

/// An entity of which the header was read, and the body not yet.
struct Entity {
    head: EntityHead,
    header: Bytes,
    start: usize,
    body_start: usize,
    parent: Option<usize>,
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
    /// The containers that the walk is in, outermost first.
    open: Vec<Container>,
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
                    self.cut();
                }
            }
            match self.next_part(leaf, body_start) {
                Some((start, parent)) if self.has_room() => entity = self.read_entity(start, parent),
                Some(_) => {
                    self.cut();
                    break;
                }
                None => break,
            }
        }
        let end = self.source.len();
        self.leave_down_to(0, end);
    }

    /// Ends the leaf, leaves the containers that end, and says where the next entity begins and in which part.
    fn next_part(&mut self, leaf: Option<usize>, body_start: usize) -> Option<(usize, usize)> {
        let mut leaf = leaf;
        let (mut floor, mut from) = (body_start, body_start);
        loop {
            let delimiter = next_delimiter(&self.source, floor, from, &self.open);
            let end = delimiter.map_or(self.source.len(), |delimiter| delimiter.start);
            if let Some(leaf) = leaf.take() {
                self.end_leaf(leaf, body_start..end);
            }
            let delimiter = delimiter?;
            self.leave_down_to(delimiter.level + 1, end);
            match delimiter.kind {
                DelimiterKind::Next => {
                    return self.open.last().map(|parent| (delimiter.after, parent.part));
                }
                DelimiterKind::Close => {
                    // What follows up to the next boundary of an outer container is still in its body: the epilogue.
                    if let Some(container) = self.open.get_mut(delimiter.level) {
                        container.boundary = None;
                    }
                }
            }
            (floor, from) = (end, delimiter.after);
        }
    }

    fn read_entity(&self, start: usize, parent: usize) -> Entity {
        let rest = self.source.get(start..).unwrap_or_default();
        let index = HeaderIndex::until(rest, Extent::Whole, |line| delimits(line, &self.open).is_some());
        let form = if index.is_well_formed() { Form::Well } else { Form::Malformed };
        Entity {
            head: EntityHead::read(index.iter(rest), form),
            header: self.source.slice(start..start + index.end()),
            start,
            body_start: start + index.body(),
            parent: Some(parent),
        }
    }

    fn push(&mut self, entity: Entity) -> (usize, Shape) {
        let Entity { head, header, start, body_start, parent } = entity;
        let parent_part = parent.and_then(|parent| self.parts.get(parent));
        let content_type = head.media_type(parent_part);
        let mut traits = inherited(parent_part);
        let shape = self.shape(&head, &content_type, &mut traits);
        let boundary = match &shape {
            Shape::Multipart(boundary) => Some(boundary.clone()),
            Shape::Leaf | Shape::Message => None,
        };
        let span = Span { start, body: body_start, end: body_start };
        let is_container = !matches!(shape, Shape::Leaf);
        traits.extend(own_traits(&head, &content_type));
        let mut part = MimePart {
            parent,
            span: (self.encodings == 0).then_some(span),
            boundary,
            header,
            body: Bytes::new(),
            file_name: head.file_name(),
            charset: head.attribute("charset").map(str::to_owned),
            encoding: if is_container { Encoding::Identity } else { head.encoding },
            content_type,
            size: 0,
            traits: Vec::with_capacity(traits.len()),
            decoded: OnceLock::new(),
            text: OnceLock::new(),
        };
        traits.into_iter().for_each(|one| part.add(one));
        self.parts.push(part);
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
        if !matches!(shape, Shape::Leaf) && self.depth + self.open.len() >= NESTING_MAX {
            traits.push(PartTrait::Truncated);
            return Shape::Leaf;
        }
        shape
    }

    fn enter(&mut self, part: usize, body_start: usize, boundary: Option<Bytes>) {
        self.open.push(Container { part, body_start, boundary });
    }

    /// Ends the containers above `level`; one whose boundary still waits was never closed.
    fn leave_down_to(&mut self, level: usize, end: usize) {
        for container in self.open.drain(level.min(self.open.len())..) {
            let Some(part) = self.parts.get_mut(container.part) else { continue };
            part.body = self.source.slice(container.body_start.min(end)..end);
            part.end_at(end);
            part.size = part.body.len();
            if container.boundary.is_some() {
                part.add(PartTrait::Malformed);
            }
        }
    }

    fn end_leaf(&mut self, index: usize, range: Range<usize>) {
        let Some(part) = self.parts.get_mut(index) else { return };
        part.end_at(range.end);
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
        let depth = self.depth + self.open.len() + 1;
        let has_room = self.has_room();
        let Some(part) = self.parts.get_mut(index) else { return };
        part.add(PartTrait::Malformed);
        if depth > NESTING_MAX || self.encodings >= NESTED_ENCODINGS_MAX || !has_room {
            part.add(PartTrait::Truncated);
            return;
        }
        let source = part.decoded().clone();
        let walk =
            Walk { parts: &mut *self.parts, source, depth, encodings: self.encodings + 1, open: Vec::new() };
        let entity = walk.read_entity(0, index);
        walk.run(entity);
    }

    fn has_room(&self) -> bool {
        self.parts.len() + 1 < PARTS_MAX
    }

    /// The part bound is reached: nothing more comes into any of the containers around.
    fn cut(&mut self) {
        let mut inside = self.open.last().map(|container| container.part);
        while let Some(part) = inside.and_then(|index| self.parts.get_mut(index)) {
            part.add(PartTrait::Truncated);
            inside = part.parent;
        }
    }
}

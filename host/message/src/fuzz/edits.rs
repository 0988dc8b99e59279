//! What must hold of edits of parts, for all bytes.

use bytes::Bytes;

use super::joined;
use crate::content::Content;
use crate::draft::{Draft, Position};
use crate::error::MessageError;
use crate::limits::{NESTING_MAX, PARTS_MAX};
use crate::mime::{Part, PartId, PartTrait};

const PAYLOAD: &[u8] = b"--b\r\nnew\0 bytes\r\n--b--\r\n";
const WORDS: &str = "Caution: this came from outside";

/// Each edit of a part says of the draft what a reader finds in its bytes, does what it promises where the tree is one that
/// every reader sees alike, and leaves the savepoint alone.
pub(super) fn parts(original: &Draft, bytes: &[u8]) {
    let tree = Tree::of(original);
    for at in [Position::Top, Position::Bottom] {
        check_text(original, bytes, &tree, at);
    }
    check_attach(original, bytes, &tree);
    for part in tree.parts.iter().skip(1).take(6) {
        check_replace(original, bytes, &tree, part.id);
        check_remove(original, bytes, &tree, part.id);
    }
    assert_eq!(joined(original, bytes), bytes, "the savepoint has changed");
}

/// The parts, and whether every reader sees them alike.
struct Tree {
    parts: Vec<Part>,
    is_sound: bool,
    /// Decoded bytes of the parts that hold no others.
    leaves: Vec<(String, Bytes)>,
}

impl Tree {
    fn of(draft: &Draft) -> Self {
        let parts = draft.parts().unwrap_or_default();
        let traits = draft.part_traits(PartId(0)).unwrap_or_default();
        let is_odd = |one: &PartTrait| matches!(one, PartTrait::Malformed | PartTrait::Truncated);
        let is_leaf =
            |part: &&Part| part.id != PartId(0) && !parts.iter().any(|other| other.parent == Some(part.id));
        let leaf = |part: &Part| (part.content_type.clone(), draft.part_bytes(part.id).unwrap_or_default());
        let leaves = parts.iter().filter(is_leaf).map(leaf).collect();
        Self { is_sound: !traits.iter().any(is_odd) && parts.len() + 4 < PARTS_MAX, leaves, parts }
    }

    fn payloads(&self) -> Vec<&Bytes> {
        self.leaves.iter().filter(|(kind, _)| !kind.starts_with("text/")).map(|(_, bytes)| bytes).collect()
    }
}

fn check_text(original: &Draft, bytes: &[u8], tree: &Tree, at: Position) {
    let mut edited = original.clone();
    let added = edited.add_text(at, WORDS, None);
    assert!(
        added.is_ok() || tree.parts.len() > PARTS_MAX / 2 || edited.header_size() > 1024 * 1024 - 4096,
        "no text: {added:?}"
    );
    assert_same_tree(&edited, bytes);
    if !tree.is_sound {
        return;
    }
    let after = Tree::of(&edited);
    let has_words = |part: &Part| {
        let text = edited.part_bytes(part.id).unwrap_or_default();
        part.id != PartId(0) && memchr::memmem::find(&text, WORDS.as_bytes()).is_some()
    };
    assert!(
        depth(&tree.parts) + 1 >= NESTING_MAX || after.parts.iter().any(has_words),
        "the text is not there"
    );
    assert_eq!(tree.payloads(), after.payloads(), "a file has changed");
}

fn check_attach(original: &Draft, bytes: &[u8], tree: &Tree) {
    let mut edited = original.clone();
    let attached =
        edited.attach("application/octet-stream", Some("a \u{fc}.bin"), &Bytes::from_static(PAYLOAD));
    assert_same_tree(&edited, bytes);
    let Ok(id) = attached else { return };
    if tree.is_sound {
        assert_eq!(edited.part_bytes(id).ok().as_deref(), Some(PAYLOAD), "another attachment");
        let mut leaves = Tree::of(&edited).leaves;
        leaves.pop();
        assert_eq!(leaves, tree.leaves, "a part has changed");
    }
}

fn check_replace(original: &Draft, bytes: &[u8], tree: &Tree, part: PartId) {
    let mut edited = original.clone();
    let replaced = edited.replace_part(part, "text/plain; charset=utf-8", &Bytes::from_static(PAYLOAD));
    assert_same_tree(&edited, bytes);
    if replaced.is_ok() && tree.is_sound {
        assert_eq!(edited.part_bytes(part).ok().as_deref(), Some(PAYLOAD), "another part");
        let gone = 1 + tree.parts.iter().filter(|other| is_inside(&tree.parts, other, part)).count();
        assert_eq!(
            edited.parts().unwrap_or_default().len() + gone,
            tree.parts.len() + 1,
            "other parts are gone"
        );
    }
}

fn check_remove(original: &Draft, bytes: &[u8], tree: &Tree, part: PartId) {
    let mut edited = original.clone();
    let removed = edited.remove_part(part);
    assert_same_tree(&edited, bytes);
    match removed {
        Ok(()) => {
            let left = edited.parts().unwrap_or_default().len();
            assert!(!tree.is_sound || left < tree.parts.len(), "the part is still there");
        }
        Err(error) => assert!(matches!(error, MessageError::InvalidArgument(_)), "{error}"),
    }
}

fn is_inside(parts: &[Part], part: &Part, container: PartId) -> bool {
    let mut around = part.parent;
    while let Some(parent) = around {
        if parent == container {
            return true;
        }
        around = parts.iter().find(|other| other.id == parent).and_then(|other| other.parent);
    }
    false
}

fn depth(parts: &[Part]) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(parts.len());
    for part in parts {
        let around = part.parent.and_then(|parent| depths.get(usize::try_from(parent.0).ok()?));
        depths.push(around.map_or(0, |depth| depth + 1));
    }
    depths.into_iter().max().unwrap_or_default()
}

/// A reader of the committed bytes finds the parts that the draft speaks of.
fn assert_same_tree(draft: &Draft, bytes: &[u8]) {
    let written = joined(draft, bytes);
    assert_eq!(u64::try_from(written.len()).ok(), Some(draft.size()), "another size than told");
    let again = Draft::new(Content::new(Bytes::from(written)));
    assert!(draft.fields().eq(again.fields()), "a reader finds other fields");
    assert_eq!(draft.parts(), again.parts(), "a reader finds other parts");
}

//! The body as a rope: stretches of the base with staged bytes between them.
//!
//! Promises: a change copies no byte of the base; it costs the number of stretches and changes. Leaves out: which changes
//! make sense ([`crate::plan`]).

use std::ops::Range;

use bytes::Bytes;

use crate::splice::{Stretch, slice, to_u64};

/// What stands in a range of the body is replaced; an empty range inserts.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) range: Range<usize>,
    pub(crate) instead: Bytes,
}

/// The stretches of a body after changes, which do not overlap. Those at one place keep their order.
pub(crate) fn changed(stretches: &[Stretch], mut changes: Vec<Change>) -> Vec<Stretch> {
    changes.sort_by_key(|change| change.range.start);
    let mut reader = Reader { rest: stretches.iter().cloned(), left: None };
    let mut out = Vec::with_capacity(stretches.len() + 2 * changes.len());
    let mut at = 0;
    for Change { range, instead } in changes {
        reader.take(to_u64(range.start.saturating_sub(at)), |stretch| push(&mut out, stretch));
        reader.take(to_u64(range.len()), drop);
        push(&mut out, Stretch::Staged(instead));
        at = range.end;
    }
    reader.take(u64::MAX, |stretch| push(&mut out, stretch));
    out
}

/// Neighbours of the base are joined, and what is empty is left out.
pub(crate) fn push(stretches: &mut Vec<Stretch>, stretch: Stretch) {
    match (stretches.last_mut(), stretch) {
        (_, stretch) if stretch.size() == 0 => {}
        (Some(Stretch::Base(last)), Stretch::Base(range)) if last.end == range.start => last.end = range.end,
        (_, stretch) => stretches.push(stretch),
    }
}

/// Goes through stretches once, however they are cut.
struct Reader<I> {
    rest: I,
    left: Option<Stretch>,
}

impl<I: Iterator<Item = Stretch>> Reader<I> {
    /// Hands out the next so many bytes.
    fn take(&mut self, bytes: u64, mut give: impl FnMut(Stretch)) {
        let mut wanted = bytes;
        while wanted > 0 {
            let Some(stretch) = self.left.take().or_else(|| self.rest.next()) else { return };
            let size = stretch.size();
            if size <= wanted {
                wanted -= size;
                give(stretch);
                continue;
            }
            let (taken, left) = cut(&stretch, wanted);
            self.left = Some(left);
            give(taken);
            return;
        }
    }
}

fn cut(stretch: &Stretch, at: u64) -> (Stretch, Stretch) {
    match stretch {
        Stretch::Base(range) => {
            let middle = range.start + at;
            (Stretch::Base(range.start..middle), Stretch::Base(middle..range.end))
        }
        Stretch::Staged(bytes) => {
            let size = to_u64(bytes.len());
            (Stretch::Staged(slice(bytes, 0..at)), Stretch::Staged(slice(bytes, at..size)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the stretches are over `base`.
    fn text(stretches: &[Stretch], base: &[u8]) -> Vec<u8> {
        let of = |stretch: &Stretch| match stretch {
            Stretch::Base(range) => {
                base[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec()
            }
            Stretch::Staged(bytes) => bytes.to_vec(),
        };
        stretches.iter().flat_map(of).collect()
    }

    proptest! {
        #[test]
        fn changes_do_what_they_do_to_plain_bytes(
            rounds in proptest::collection::vec(proptest::collection::vec((0_usize..40, 0_usize..9, "[a-c]{0,3}"), 0..5), 0..4),
        ) {
            let base: Vec<u8> = (b'A'..=b'Z').collect();
            let mut rope = vec![Stretch::Base(0..26)];
            let mut plain = base.clone();
            for round in rounds {
                let mut changes: Vec<Change> = Vec::new();
                let mut at = 0;
                for (skip, gone, instead) in round {
                    let start = (at + skip).min(plain.len());
                    let end = (start + gone).min(plain.len());
                    changes.push(Change { range: start..end, instead: Bytes::from(instead) });
                    at = end;
                }
                for change in changes.iter().rev() {
                    plain.splice(change.range.clone(), change.instead.iter().copied());
                }
                rope = changed(&rope, changes);
                prop_assert_eq!(text(&rope, &base), plain.clone());
            }
        }
    }
}

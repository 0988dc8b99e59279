//! Searching for literals in one pass, however many they are.
//!
//! Promises: a bounded automaton whatever the sink sends; hits across the seam of two chunks are found. Leaves out: what is
//! searched ([`crate::Draft::find`]), regular expressions (the module `expressions`).

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::error::MessageError;
use crate::limits::{FOUND_MAX, LITERALS_BYTES_MAX, LITERALS_MAX};

/// Whether letters of the other case match too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Byte for byte.
    Exact,
    /// ASCII letters of either case.
    Ignore,
}

/// A hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Number of the literal in the list that was given.
    pub literal: u32,
    /// Offset of its first byte.
    pub offset: u64,
}

/// A search under way, fed with the bytes chunk by chunk.
pub(crate) struct Literals {
    automaton: AhoCorasick,
    found: Vec<Found>,
    limit: usize,
    /// The end of what was fed before, one byte shorter than the longest literal.
    tail: Vec<u8>,
    tail_max: usize,
    fed: u64,
}

impl Literals {
    /// # Errors
    /// When a bound on literals is reached, or one is empty.
    pub(crate) fn new<L: AsRef<[u8]>>(literals: &[L], case: Case, limit: u32) -> Result<Self, MessageError> {
        if literals.len() > LITERALS_MAX {
            return Err(MessageError::TooLarge("LITERALS_MAX"));
        }
        if literals.iter().map(|literal| literal.as_ref().len()).sum::<usize>() > LITERALS_BYTES_MAX {
            return Err(MessageError::TooLarge("LITERALS_BYTES_MAX"));
        }
        if literals.iter().any(|literal| literal.as_ref().is_empty()) {
            return Err(MessageError::invalid("a literal is empty"));
        }
        let longest = literals.iter().map(|literal| literal.as_ref().len()).max().unwrap_or(0);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(case == Case::Ignore)
            .build(literals)
            .map_err(|error| MessageError::InvalidArgument(error.to_string()))?;
        let limit = usize::try_from(limit.min(FOUND_MAX)).unwrap_or(usize::MAX);
        Ok(Self {
            automaton,
            found: Vec::new(),
            limit,
            tail: Vec::new(),
            tail_max: longest.saturating_sub(1),
            fed: 0,
        })
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let tail = std::mem::take(&mut self.tail);
        let mut seam = tail;
        let old = seam.len();
        seam.extend_from_slice(chunk.get(..self.tail_max.min(chunk.len())).unwrap_or_default());
        let base = self.fed.saturating_sub(crate::splice::to_u64(old));
        self.search(&seam, base, |start, end| start < old && end > old);
        self.search(chunk, self.fed, |_, _| true);
        self.fed += crate::splice::to_u64(chunk.len());
        // The next tail ends where this chunk ends; a chunk that is shorter than it leaves some of the old one.
        if chunk.len() >= self.tail_max {
            seam.clear();
            seam.extend_from_slice(chunk.get(chunk.len() - self.tail_max..).unwrap_or_default());
        } else {
            let excess = seam.len().saturating_sub(self.tail_max);
            seam.drain(..excess);
        }
        self.tail = seam;
    }

    pub(crate) fn finish(self) -> Vec<Found> {
        self.found
    }

    fn search(&mut self, haystack: &[u8], base: u64, counts: impl Fn(usize, usize) -> bool) {
        for hit in self.automaton.find_overlapping_iter(haystack) {
            if self.found.len() >= self.limit {
                return;
            }
            if counts(hit.start(), hit.end()) {
                let offset = base + crate::splice::to_u64(hit.start());
                self.found.push(Found { literal: hit.pattern().as_u32(), offset });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches in one chunk, and in chunks of every size, and wants the same hits.
    fn check(text: &str, literals: &[&str], case: Case, expected: &[(u32, u64)]) {
        for size in 1..=text.len().max(1) {
            let mut search = Literals::new(literals, case, 100).expect("within the bounds");
            text.as_bytes().chunks(size).for_each(|chunk| search.feed(chunk));
            let found: Vec<(u32, u64)> =
                search.finish().iter().map(|hit| (hit.literal, hit.offset)).collect();
            assert_eq!(found, expected, "{text:?} in chunks of {size}");
        }
    }

    #[test]
    fn literals_are_found_across_chunks_and_over_one_another() {
        check("abcabc", &["bc", "abc", "cab"], Case::Exact, &[(1, 0), (0, 1), (2, 2), (1, 3), (0, 4)]);
        check("Viagra VIAGRA", &["viagra"], Case::Ignore, &[(0, 0), (0, 7)]);
        check("Viagra", &["viagra"], Case::Exact, &[]);
        check("", &["a"], Case::Exact, &[]);
        check("abc", &[], Case::Exact, &[]);
    }

    fn check_bound(literals: &[String], expected: MessageError) {
        assert_eq!(Literals::new(literals, Case::Exact, 1).err(), Some(expected));
    }

    #[test]
    fn literals_are_bounded() {
        check_bound(&vec!["a".to_owned(); LITERALS_MAX + 1], MessageError::TooLarge("LITERALS_MAX"));
        check_bound(&["a".repeat(LITERALS_BYTES_MAX + 1)], MessageError::TooLarge("LITERALS_BYTES_MAX"));
        check_bound(&[String::new()], MessageError::invalid("a literal is empty"));
        let mut search = Literals::new(&["a"], Case::Exact, u32::MAX).expect("within the bounds");
        let most = usize::try_from(FOUND_MAX).expect("some thousands");
        search.feed(&b"a".repeat(most + 1));
        assert_eq!(search.finish().len(), most);
    }
}

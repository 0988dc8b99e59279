//! Boundaries: which line of a body ends a part, and of which container (RFC 2046 §5.1.1).
//!
//! One pass with all open boundaries, so the time does not grow with the nesting times the size. A line that is exactly a
//! boundary counts first, then one that only begins with it, which RFC 2046 asks to take as well; the innermost wins.

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::headers::without_line_end;

/// A boundary line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delimiter {
    /// Where what stands before it ends: the line end before the line is its own.
    pub(crate) start: usize,
    /// Behind its line.
    pub(crate) after: usize,
    /// Which open container, counted from the outermost.
    pub(crate) level: usize,
    pub(crate) kind: DelimiterKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelimiterKind {
    /// Another part follows.
    Next,
    /// The container ends.
    Close,
}

/// A container that is open: a multipart, or one that waits for the end of another: a message inside a part, or a
/// multipart behind its closing boundary.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    /// Index of its part.
    pub(crate) part: usize,
    pub(crate) body_start: usize,
    pub(crate) boundary: Option<Bytes>,
}

/// The first boundary line at or behind `from`, which is the beginning of a line. What it ends begins at `floor`, so the line
/// end before the boundary is the boundary's own only where it lies behind that.
pub(crate) fn next_delimiter(
    bytes: &[u8],
    floor: usize,
    from: usize,
    open: &[Container],
) -> Option<Delimiter> {
    if open.iter().all(|container| container.boundary.is_none()) {
        return None;
    }
    let mut line_start = match bytes.get(from..)? {
        [b'-', b'-', ..] => from,
        rest => from + memmem::find(rest, b"\n--")? + 1,
    };
    let finder = memmem::Finder::new(b"\n--");
    loop {
        let rest = bytes.get(line_start..)?;
        let line_bytes = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        if let Some((level, kind)) = delimits(without_line_end(rest.get(..line_bytes)?), open) {
            let before = bytes.get(floor..line_start)?;
            return Some(Delimiter {
                start: floor + without_line_end(before).len(),
                after: line_start + line_bytes,
                level,
                kind,
            });
        }
        // The line end itself may begin the next candidate.
        let searched = line_start + line_bytes.saturating_sub(1);
        line_start = searched + finder.find(bytes.get(searched..)?)? + 1;
    }
}

/// Which open container a line belongs to as a boundary.
pub(crate) fn delimits(line: &[u8], open: &[Container]) -> Option<(usize, DelimiterKind)> {
    let text = line.strip_prefix(b"--")?;
    let exact = text.trim_ascii_end();
    if exact.is_empty() {
        return None;
    }
    let mut prefixed = None;
    for (level, container) in open.iter().enumerate().rev() {
        let Some(boundary) = &container.boundary else { continue };
        let Some(rest) = exact.strip_prefix(boundary.as_ref()) else { continue };
        match rest {
            [] => return Some((level, DelimiterKind::Next)),
            b"--" => return Some((level, DelimiterKind::Close)),
            [b'-', b'-', ..] => prefixed = prefixed.or(Some((level, DelimiterKind::Close))),
            _ => prefixed = prefixed.or(Some((level, DelimiterKind::Next))),
        }
    }
    prefixed
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (usize, usize, usize, DelimiterKind);

    /// `start after level kind` of each boundary line in turn.
    fn check(input: &str, boundaries: &[&'static str], expected: &[Line]) {
        let container = |text: &&'static str| Container {
            part: 0,
            body_start: 0,
            boundary: Some(Bytes::from_static(text.as_bytes())),
        };
        let open: Vec<Container> = boundaries.iter().map(container).collect();
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(next) = next_delimiter(input.as_bytes(), from, from, &open) {
            from = next.after;
            found.push((next.start, next.after, next.level, next.kind));
        }
        assert_eq!(found, expected, "{input:?}");
    }

    #[test]
    fn a_boundary_takes_the_line_end_before_it() {
        use DelimiterKind::{Close, Next};
        check("pre\r\n--b\r\na\r\n--b--\r\n", &["b"], &[(3, 10, 0, Next), (11, 20, 0, Close)]);
        check("--b\n--b--", &["b"], &[(0, 4, 0, Next), (4, 9, 0, Close)]);
        check("x--b\r\n-b\r\n", &["b"], &[]);
        check("--b \t\r\n", &["b"], &[(0, 7, 0, Next)]);
    }

    #[test]
    fn the_exact_boundary_wins_over_one_that_only_begins_so() {
        use DelimiterKind::{Close, Next};
        check("--outer-inner\r\n", &["outer", "outer-inner"], &[(0, 15, 1, Next)]);
        check("--outer\r\n", &["outer", "outer-inner"], &[(0, 9, 0, Next)]);
        check("--bX\r\n--b--X\r\n", &["b"], &[(0, 6, 0, Next), (6, 14, 0, Close)]);
    }
}

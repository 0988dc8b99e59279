//! What came from the client and is not read yet, and the taking of lines from it (RFC 5321 §2.3.8).
//!
//! Promises that CRLF and nothing else ends a line, that a line past the limit costs no more memory than the limit, and that
//! the same bytes give the same lines wherever they were cut.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// Bytes from the client, in order.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) bytes: BytesMut,
    /// Up to here no CRLF was found.
    scanned: usize,
    /// Bytes of the current line that were dropped already.
    dropped: usize,
    bare: Option<LineFlaw>,
}

/// What one look at the input gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A line without its CRLF.
    Line(Bytes),
    /// A line that is none; it is gone from the input.
    Flawed(LineFlaw),
    /// A line so long that nobody waits for its end.
    Endless,
    /// Not whole yet.
    Unfinished,
}

/// Why a line is never read as a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFlaw {
    BareLineFeed,
    BareCarriageReturn,
    TooLong,
}

/// How long a line may be with its CRLF, and how much more of it is dropped before it counts as endless.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineLimits {
    pub(crate) line_max: usize,
    pub(crate) drain_max: usize,
}

impl Input {
    /// Takes the first line, if it is whole.
    pub(crate) fn take_line(&mut self, limits: LineLimits) -> Taken {
        while let Some(found) = self.bytes.get(self.scanned..).and_then(|rest| memchr(b'\n', rest)) {
            let feed = self.scanned + found;
            let is_end = match feed.checked_sub(1) {
                Some(before) => self.bytes.get(before) == Some(&b'\r'),
                None => false,
            };
            self.scanned = feed + 1;
            if is_end {
                return self.finish(feed + 1, limits);
            }
            self.bare.get_or_insert(LineFlaw::BareLineFeed);
        }
        self.scanned = self.bytes.len();
        if self.dropped + self.scanned > limits.line_max + limits.drain_max {
            return Taken::Endless;
        }
        if self.dropped + self.scanned > limits.line_max {
            // The last byte may be the CR of the end.
            let surplus = self.scanned - 1;
            drop(self.bytes.split_to(surplus));
            self.dropped += surplus;
            self.scanned = 1;
        }
        Taken::Unfinished
    }

    /// Takes exactly so many bytes, whatever they are.
    pub(crate) fn take_octets(&mut self, count: usize) -> Option<Bytes> {
        if self.bytes.len() < count {
            return None;
        }
        self.scanned = 0;
        Some(self.bytes.split_to(count).freeze())
    }

    /// Gives the memory back when nothing is left: an idle session holds none.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            self.bytes = BytesMut::new();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets everything, after the connection broke.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, length: usize, limits: LineLimits) -> Taken {
        let total = self.dropped + length;
        let bare = self.bare.take();
        let mut line = self.bytes.split_to(length);
        self.scanned = 0;
        self.dropped = 0;
        if total > limits.line_max + limits.drain_max {
            return Taken::Endless;
        }
        if total > limits.line_max {
            return Taken::Flawed(LineFlaw::TooLong);
        }
        line.truncate(length.saturating_sub(2));
        if let Some(flaw) = bare {
            return Taken::Flawed(flaw);
        }
        if memchr(b'\r', &line).is_some() {
            return Taken::Flawed(LineFlaw::BareCarriageReturn);
        }
        Taken::Line(line.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        let chunks: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        assert_eq!(lines(&chunks), expected, "{input:?} byte by byte");
        for cut in 0..=input.len() {
            let (first, second) = input.as_bytes().split_at(cut);
            assert_eq!(lines(&[first, second]), expected, "{input:?} cut at {cut}");
        }
    }

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let limits = LineLimits { line_max: 8, drain_max: 4 };
        let (mut input, mut found) = (Input::default(), Vec::new());
        for chunk in chunks {
            input.bytes.extend_from_slice(chunk);
            loop {
                match input.take_line(limits) {
                    Taken::Line(line) => found.push(String::from_utf8_lossy(&line).into_owned()),
                    Taken::Flawed(flaw) => found.push(format!("{flaw:?}")),
                    Taken::Endless => return [found, vec!["Endless".to_owned()]].concat(),
                    Taken::Unfinished => break,
                }
            }
            assert!(input.bytes.len() <= 8);
        }
        found
    }

    #[test]
    fn a_line_ends_at_its_crlf_alone() {
        check("a\r\nb\r\n", &["a", "b"]);
        check("\r\n\r\n", &["", ""]);
        check("a\nb\r\nc\r\n", &["BareLineFeed", "c"]);
        check("\na\r\nc\r\n", &["BareLineFeed", "c"]);
        check("a\rb\r\nc\r\n", &["BareCarriageReturn", "c"]);
        check("a\r\r\nc\r\n", &["BareCarriageReturn", "c"]);
        check("a\n\r\nc\r\n", &["BareLineFeed", "c"]);
    }

    #[test]
    fn a_line_past_the_limit_is_dropped_and_a_longer_one_ends_it() {
        check("123456\r\nc\r\n", &["123456", "c"]);
        check("1234567\r\nc\r\n", &["TooLong", "c"]);
        check("1234567890\r\nc\r\n", &["TooLong", "c"]);
        check("1234567\n90\r\nc\r\n", &["TooLong", "c"]);
        check("12345678901\r\nc\r\n", &["Endless"]);
        check("1234567890123456", &["Endless"]);
    }
}

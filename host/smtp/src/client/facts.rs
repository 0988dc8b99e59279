//! What has to be known of a content before its first byte is sent: one pass, in pieces.
//!
//! Promises that [`ContentFacts::wire_bytes`] is to the byte what [`super::writer`] sends of it, dots that are stuffed and
//! the final dot apart: RFC 1870 §5 counts so, and BDAT has to announce it.

/// Size and character of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentFacts {
    /// As stored.
    pub bytes: u64,
    /// CR and LF that stand alone; each becomes CRLF.
    pub bare_newlines: u64,
    /// Whether CRLF is added behind its last line.
    pub end: ContentEnd,
    /// Characters of the header section.
    pub header: Characters,
    /// Characters of header section and body.
    pub content: Characters,
}

/// How the last line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEnd {
    /// With an end of line, or there is no line.
    Whole,
    /// Without one.
    Open,
}

/// Which bytes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    /// Below 128 all.
    Ascii,
    /// Others as well.
    Beyond,
}

/// Finds the [`ContentFacts`]. Give it every piece, in order.
#[derive(Debug, Clone)]
pub struct ContentScan {
    facts: ContentFacts,
    last: LastByte,
    /// Bytes since the end of the last line.
    line: u64,
    section: Section,
}

/// A CR is judged by what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastByte {
    Return,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Header,
    Body,
}

impl ContentFacts {
    /// As it is sent: newlines mended, the last line ended.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        let end = match self.end {
            ContentEnd::Whole => 0,
            ContentEnd::Open => 2,
        };
        self.bytes.saturating_add(self.bare_newlines).saturating_add(end)
    }
}

impl Default for ContentScan {
    fn default() -> Self {
        let facts = ContentFacts {
            bytes: 0,
            bare_newlines: 0,
            end: ContentEnd::Whole,
            header: Characters::Ascii,
            content: Characters::Ascii,
        };
        Self { facts, last: LastByte::Other, line: 0, section: Section::Header }
    }
}

impl ContentScan {
    /// The facts of a content in one piece.
    #[must_use]
    pub fn of(content: &[u8]) -> ContentFacts {
        let mut scan = Self::default();
        scan.update(content);
        scan.finish()
    }

    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.facts.bytes = self.facts.bytes.saturating_add(to_u64(piece.len()));
        let mut rest = piece;
        while !rest.is_empty() {
            if self.last == LastByte::Return {
                self.last = LastByte::Other;
                if let [b'\n', behind @ ..] = rest {
                    rest = behind;
                } else {
                    self.facts.bare_newlines += 1;
                }
                self.end_line();
                continue;
            }
            let text = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (run, behind) = rest.split_at_checked(text).unwrap_or((rest, &[]));
            self.take_run(run);
            rest = behind;
            match rest {
                [b'\r', behind @ ..] => {
                    self.last = LastByte::Return;
                    rest = behind;
                }
                [b'\n', behind @ ..] => {
                    self.facts.bare_newlines += 1;
                    self.end_line();
                    rest = behind;
                }
                _ => {}
            }
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> ContentFacts {
        if self.last == LastByte::Return {
            self.facts.bare_newlines += 1;
            self.end_line();
        }
        if self.line > 0 {
            self.facts.end = ContentEnd::Open;
        }
        self.facts
    }

    fn take_run(&mut self, run: &[u8]) {
        self.line = self.line.saturating_add(to_u64(run.len()));
        if !run.is_ascii() {
            self.facts.content = Characters::Beyond;
            if self.section == Section::Header {
                self.facts.header = Characters::Beyond;
            }
        }
    }

    fn end_line(&mut self) {
        if self.line == 0 {
            self.section = Section::Body;
        }
        self.line = 0;
    }
}

pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, wire: u64, header: Characters, content: Characters) {
        for cut in 0..=input.len() {
            let mut scan = ContentScan::default();
            scan.update(&input.as_bytes()[..cut]);
            scan.update(&input.as_bytes()[cut..]);
            let facts = scan.finish();
            assert_eq!(
                (facts.wire_bytes(), facts.header, facts.content),
                (wire, header, content),
                "{input:?}"
            );
        }
    }

    #[test]
    fn the_size_is_that_of_the_mended_content() {
        use Characters::Ascii;
        check("", 0, Ascii, Ascii);
        check("a: 1\r\n\r\nb\r\n", 11, Ascii, Ascii);
        check("a", 3, Ascii, Ascii);
        check("a\n", 3, Ascii, Ascii);
        check("a\r", 3, Ascii, Ascii);
        check("a\r\r\n\n", 7, Ascii, Ascii);
    }

    #[test]
    fn the_header_section_ends_at_the_first_empty_line() {
        use Characters::{Ascii, Beyond};
        check("a: é\r\n\r\nb\r\n", 12, Beyond, Beyond);
        check("a: e\r\n\r\né\r\n", 12, Ascii, Beyond);
        check("a: e\n\né\n", 12, Ascii, Beyond);
        check("\r\né", 6, Ascii, Beyond);
    }
}

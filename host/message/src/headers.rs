//! Index of a header section: where each field stands, byte-exact, found in one pass.
//!
//! Promises: never copies, never fails; a line that is no field is skipped and kept where it stands. A line ends with LF,
//! with or without CR, because that is how the readers of the message will see it. The section ends at the first empty
//! line; a text without any field has an empty section. Leaves out: what values mean ([`crate::text`]).

use std::ops::Range;

use memchr::memchr;

use crate::limits::{HEADER_FIELDS_MAX, HEADER_SECTION_BYTES_MAX};

/// Where the fields of a header section stand in the bytes that it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderIndex {
    fields: Vec<FieldSpan>,
    end: usize,
    body: usize,
    bound: Option<HeaderBound>,
    has_other_lines: Lines,
}

/// One field as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// As written, without white space before the colon.
    pub name: &'a str,
    /// Everything between the colon and the final line end, folds included.
    pub value: &'a [u8],
}

/// The bound at which the index stopped: fields behind it are unknown, so nothing may be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderBound {
    /// [`HEADER_SECTION_BYTES_MAX`].
    Bytes,
    /// [`HEADER_FIELDS_MAX`].
    Fields,
}

/// How much of a text there is to index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Only its beginning: a section that goes on to its end is cut.
    Beginning,
}

/// Whether a header section has lines that belong to no field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Lines {
    #[default]
    AllFields,
    SomeOther,
}

/// Offsets of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldSpan {
    pub(crate) start: usize,
    pub(crate) name_end: usize,
    /// Just behind the colon.
    pub(crate) value_start: usize,
    /// Just before the final line end.
    pub(crate) value_end: usize,
    /// Just behind the final line end.
    pub(crate) end: usize,
}

impl HeaderIndex {
    /// Indexes the header section at the beginning of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::until(bytes, Extent::Whole, |_| false)
    }

    /// The same for a part, whose section also ends before the first line for which `stops` holds: a boundary.
    pub(crate) fn until(bytes: &[u8], extent: Extent, stops: impl Fn(&[u8]) -> bool) -> Self {
        let mut index = Self::default();
        let mut position = 0;
        loop {
            index.end = position;
            index.body = position;
            let rest = bytes.get(position..).unwrap_or_default();
            if rest.is_empty() {
                if extent == Extent::Beginning {
                    index.bound = Some(HeaderBound::Bytes);
                }
                break;
            }
            let line_bytes = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let line = without_line_end(rest.get(..line_bytes).unwrap_or_default());
            let line_end = position + line_bytes;
            if line.is_empty() {
                index.body = line_end;
                break;
            }
            if stops(line) {
                break;
            }
            if line_end > HEADER_SECTION_BYTES_MAX {
                index.bound = Some(HeaderBound::Bytes);
                break;
            }
            if line.first().is_some_and(|byte| is_white(*byte)) {
                match index.fields.last_mut().filter(|field| field.end == position) {
                    Some(field) => {
                        field.value_end = position + line.len();
                        field.end = line_end;
                    }
                    None => index.has_other_lines = Lines::SomeOther,
                }
            } else if let Some((name_end, value_start)) = split_field(line) {
                if index.fields.len() == HEADER_FIELDS_MAX {
                    index.bound = Some(HeaderBound::Fields);
                    break;
                }
                index.fields.push(FieldSpan {
                    start: position,
                    name_end: position + name_end,
                    value_start: position + value_start,
                    value_end: position + line.len(),
                    end: line_end,
                });
            } else {
                index.has_other_lines = Lines::SomeOther;
            }
            position = line_end;
        }
        if index.fields.is_empty() && index.end > 0 {
            // A text that has no header: all of it is body, also what stands before its first empty line.
            index.end = 0;
            index.body = 0;
        }
        index
    }

    /// The fields, in order; `bytes` is what the index was made of.
    pub fn iter<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Field<'a>> {
        self.fields.iter().map(|span| span.field(bytes))
    }

    /// Offset behind the last line of the section: where the empty line stands, if there is one.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Offset where the body begins.
    pub fn body(&self) -> usize {
        self.body
    }

    /// The bound that stopped the index, if one did. A server refuses such a message.
    pub fn bound(&self) -> Option<HeaderBound> {
        self.bound
    }

    pub(crate) fn fields(&self) -> &[FieldSpan] {
        &self.fields
    }

    pub(crate) fn is_well_formed(&self) -> bool {
        self.bound.is_none() && self.has_other_lines == Lines::AllFields
    }
}

impl HeaderBound {
    /// The name of the bound.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "HEADER_SECTION_BYTES_MAX",
            Self::Fields => "HEADER_FIELDS_MAX",
        }
    }
}

impl FieldSpan {
    pub(crate) fn field<'a>(&self, bytes: &'a [u8]) -> Field<'a> {
        // The name was checked to be visible ASCII when the span was made.
        let name = bytes.get(self.start..self.name_end).unwrap_or_default();
        Field {
            name: std::str::from_utf8(name).unwrap_or_default(),
            value: bytes.get(self.value_start..self.value_end).unwrap_or_default(),
        }
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A byte that may stand in a field name: visible ASCII but the colon (RFC 5322 §3.6.8 ftext).
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b':'
}

pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The line without its LF or CRLF.
pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

/// End of the name and start of the value, if the line begins a field. White space before the colon is RFC 5322 §4.5.
fn split_field(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(|byte| is_name_byte(*byte))).then_some((name.len(), colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields as `name|value`, then where the section ends and the body begins.
    fn check(input: &[u8], expected: &[&str], end: usize, body: usize) {
        let index = HeaderIndex::of(input);
        let fields: Vec<String> = index
            .iter(input)
            .map(|field| format!("{}|{}", field.name, String::from_utf8_lossy(field.value)))
            .collect();
        assert_eq!(fields, expected, "{}", String::from_utf8_lossy(input));
        assert_eq!((index.end(), index.body()), (end, body), "{}", String::from_utf8_lossy(input));
    }

    #[test]
    fn fields_keep_their_bytes_between_the_colon_and_the_final_line_end() {
        check(b"Subject: a\r\n\tb \r\nTO:x@y\r\n\r\nbody", &["Subject| a\r\n\tb ", "TO|x@y"], 25, 27);
        check(b"Subject : a\nX:\n\nbody", &["Subject| a", "X|"], 15, 16);
        check(b"A: 1\r\n \r\nB: 2\r\n\r\n", &["A| 1\r\n ", "B| 2"], 15, 17);
        check(b"A: \xff\r\n\r\n", &["A| \u{fffd}"], 6, 8);
    }

    #[test]
    fn a_section_without_an_empty_line_ends_with_the_bytes() {
        check(b"A: 1\r\nB: 2", &["A| 1", "B| 2"], 10, 10);
        check(b"A: 1\r\n", &["A| 1"], 6, 6);
        check(b"", &[], 0, 0);
    }

    #[test]
    fn a_line_that_is_no_field_hides_nothing() {
        check(b"A: 1\r\nnonsense\r\n more\r\nB: 2\r\n\r\n", &["A| 1", "B| 2"], 29, 31);
        check(b"From me Mon Jan\r\nA: 1\r\n\r\n", &["A| 1"], 23, 25);
        check(b" led by space\r\nA b: 1\r\n\xc3\xa4: 1\r\nC: 1\r\n\r\n", &["C| 1"], 36, 38);
    }

    #[test]
    fn a_text_without_fields_is_all_body() {
        check(b"\r\nA: 1\r\n", &[], 0, 2);
        check(b"just text\r\n\r\nmore\r\n", &[], 0, 0);
    }

    #[test]
    fn the_bounds_stop_the_index_and_are_told() {
        let many = "A: b\r\n".repeat(HEADER_FIELDS_MAX + 1);
        assert_eq!(HeaderIndex::of(many.as_bytes()).bound(), Some(HeaderBound::Fields));
        let enough = "A: b\r\n".repeat(HEADER_FIELDS_MAX);
        assert_eq!(HeaderIndex::of(enough.as_bytes()).bound(), None);
        let long = format!("A: {}\r\n\r\n", "b".repeat(HEADER_SECTION_BYTES_MAX));
        assert_eq!(HeaderIndex::of(long.as_bytes()).bound(), Some(HeaderBound::Bytes));
        assert_eq!(HeaderBound::Bytes.name(), "HEADER_SECTION_BYTES_MAX");
    }
}

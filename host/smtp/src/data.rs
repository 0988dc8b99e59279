//! The content behind 354: dots unstuffed, the end found, its form checked (RFC 5321 §4.1.1.4, §4.5.2).
//!
//! Promises that CRLF, dot, CRLF and nothing else ends it, that every piece is as it is to be stored, and that cutting the
//! input anywhere changes neither content nor verdict. Works in place: a piece is a slice of what came, without a copy per
//! line. What cannot be judged yet (`CR`, `.`, `.CR` at the end) stays in the buffer. Leaves out replies.

use crate::session::BareNewlines;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// Bytes in one piece; our choice: what is read from a socket at once.
pub const PIECE_BYTES_MAX: usize = 64 * 1_024;

/// Reads one content, from behind 354 to behind the final dot.
#[derive(Debug, Clone)]
pub struct DataReader {
    bare_newlines: BareNewlines,
    size_max: u64,
    line_max: usize,
    size: u64,
    /// Bytes of the unfinished line.
    line: usize,
    position: Position,
    stage: Stage,
    /// Bytes read since the flaw.
    drained: u64,
}

/// Only behind CRLF, or at the very beginning, is a dot more than a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    InLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Content,
    /// A flaw was found: the rest is dropped up to the end.
    Draining,
    Ended,
}

/// What came of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Content, never empty.
    Content(Bytes),
    /// The content is illegal; told once, the rest is then dropped.
    Flaw(Flaw),
    /// The dot. What is left in the buffer are commands.
    End,
    /// More input is needed.
    Hungry,
}

/// Why a content is illegal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// More bytes than `size_max`.
    TooLarge,
    /// A line of more bytes than `line_max`.
    LineTooLong,
    /// An LF without its CR.
    BareLineFeed,
    /// A CR without its LF.
    BareCarriageReturn,
}

/// How far one scan got: bytes kept at the front, and bytes of input used up for them.
#[derive(Debug, Clone, Copy)]
struct Progress {
    kept: usize,
    used: usize,
}

/// Text and, if it has come whole, the CRLF behind it.
#[derive(Debug, Clone, Copy)]
struct Run {
    text: usize,
    newline: usize,
}

impl DataReader {
    /// For a content of so many bytes at most, in lines of so many at most, CRLF included.
    #[must_use]
    pub fn new(size_max: u64, line_max: usize, bare_newlines: BareNewlines) -> Self {
        let (position, stage) = (Position::LineStart, Stage::Content);
        Self { bare_newlines, size_max, line_max, size: 0, line: 0, position, stage, drained: 0 }
    }

    /// Takes from the front of `input` as much as makes one answer.
    pub fn read(&mut self, input: &mut BytesMut) -> Piece {
        if self.stage == Stage::Ended {
            return Piece::End;
        }
        let draining = self.stage == Stage::Draining;
        let length = if draining { input.len() } else { input.len().min(PIECE_BYTES_MAX) };
        let mut progress = Progress { kept: 0, used: 0 };
        let flaw = self.scan(input.get_mut(..length).unwrap_or_default(), &mut progress);
        if let Some(flaw) = flaw {
            self.stage = Stage::Draining;
            input.advance(progress.used);
            return Piece::Flaw(flaw);
        }
        if draining {
            self.drained = self.drained.saturating_add(u64::try_from(progress.used).unwrap_or(u64::MAX));
        }
        if draining || progress.kept == 0 {
            input.advance(progress.used);
            return if self.stage == Stage::Ended { Piece::End } else { Piece::Hungry };
        }
        let piece = input.split_to(progress.kept).freeze();
        input.advance(progress.used - progress.kept);
        Piece::Content(piece)
    }

    /// Bytes of content so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that were read and dropped since the flaw.
    #[must_use]
    pub fn drained(&self) -> u64 {
        self.drained
    }

    /// Moves what is content to the front of `bytes`, until the end, a flaw, or what cannot be judged yet.
    fn scan(&mut self, bytes: &mut [u8], progress: &mut Progress) -> Option<Flaw> {
        loop {
            if self.position == Position::LineStart {
                match bytes.get(progress.used..).unwrap_or_default() {
                    [b'.', b'\r', b'\n', ..] => {
                        // Content before it goes out first; the dot is found again at the next reading.
                        if progress.kept == 0 {
                            progress.used += 3;
                            self.stage = Stage::Ended;
                        }
                        return None;
                    }
                    [] | [b'.'] | [b'.', b'\r'] => return None,
                    // The dot that the client stuffed (RFC 5321 §4.5.2).
                    [b'.', ..] => {
                        progress.used += 1;
                        self.position = Position::InLine;
                    }
                    _ => {}
                }
            }
            let rest = bytes.get(progress.used..).unwrap_or_default();
            let Some(text) = memchr2(b'\r', b'\n', rest) else {
                let text = rest.len();
                return self.keep(bytes, progress, Run { text, newline: 0 }).err();
            };
            let (newline, bare) = match rest.get(text..).unwrap_or_default() {
                [b'\r'] => return self.keep(bytes, progress, Run { text, newline: 0 }).err(),
                [b'\r', b'\n', ..] => (2, None),
                [b'\r', ..] => (0, Some(Flaw::BareCarriageReturn)),
                _ => (0, Some(Flaw::BareLineFeed)),
            };
            if let Err(flaw) = self.keep(bytes, progress, Run { text, newline }) {
                return Some(flaw);
            }
            if bare.is_none() {
                self.position = Position::LineStart;
                self.line = 0;
                continue;
            }
            if self.stage == Stage::Content && self.bare_newlines == BareNewlines::Reject {
                return bare;
            }
            if let Err(flaw) = self.keep(bytes, progress, Run { text: 1, newline: 0 }) {
                return Some(flaw);
            }
        }
    }

    /// Takes a run of bytes as content. A limit inside of it is a flaw at that very byte, wherever the input was cut, but
    /// never between CR and LF: the end could not be recognised behind that.
    fn keep(&mut self, bytes: &mut [u8], progress: &mut Progress, run: Run) -> Result<(), Flaw> {
        let length = run.text + run.newline;
        if self.stage == Stage::Content {
            let size_left = usize::try_from(self.size_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
            let line_left = self.line_max.saturating_sub(self.line);
            if length > size_left.min(line_left) {
                let taken = run.text.min(size_left).min(line_left);
                progress.used += taken;
                if taken > 0 {
                    self.position = Position::InLine;
                }
                return Err(if size_left <= line_left { Flaw::TooLarge } else { Flaw::LineTooLong });
            }
            if progress.kept != progress.used {
                bytes.copy_within(progress.used..progress.used + length, progress.kept);
            }
            progress.kept += length;
            self.size = self.size.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            self.line += length;
        }
        if length > 0 {
            self.position = Position::InLine;
        }
        progress.used += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, flaw and rest, the same for every cut of the input.
    fn check(input: &str, expected: &str) {
        check_with(&DataReader::new(40, 20, BareNewlines::Reject), input, expected);
    }

    fn check_with(reader: &DataReader, input: &str, expected: &str) {
        for cut in 0..=input.len() {
            let (first, second) = input.as_bytes().split_at(cut);
            assert_eq!(read(reader.clone(), [first, second]), expected, "{input:?} cut at {cut}");
        }
        let bytes = input.as_bytes().chunks(1);
        assert_eq!(read(reader.clone(), bytes), expected, "{input:?} byte by byte");
    }

    fn read<'a>(mut reader: DataReader, chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut input, mut content) = (BytesMut::new(), Vec::new());
        let (mut flaw, mut end) = (None, "unfinished");
        for chunk in chunks {
            input.extend_from_slice(chunk);
            while end == "unfinished" {
                match reader.read(&mut input) {
                    Piece::Content(bytes) => content.extend_from_slice(&bytes),
                    Piece::Flaw(found) => flaw = Some(found),
                    Piece::Hungry => break,
                    Piece::End => end = "end",
                }
            }
        }
        let rest = String::from_utf8_lossy(&input);
        let kept = if flaw.is_some() { "".into() } else { String::from_utf8_lossy(&content) };
        let flaw = flaw.map(|flaw| format!("{flaw:?} ")).unwrap_or_default();
        format!("{flaw}{kept:?} {end} {rest:?}")
    }

    #[test]
    fn the_dot_ends_and_what_follows_stays() {
        check(".\r\n", r#""" end """#);
        check("a\r\n.\r\nRSET\r\n", r#""a\r\n" end "RSET\r\n""#);
        check("a\r\n\r\nb\r\n.\r\n", r#""a\r\n\r\nb\r\n" end """#);
        check("a\r\n.", r#""a\r\n" unfinished ".""#);
    }

    #[test]
    fn stuffed_dots_are_taken_off_once() {
        check("..\r\n.\r\n", r#"".\r\n" end """#);
        check("...\r\n.\r\n", r#""..\r\n" end """#);
        check(".a\r\nb.\r\n.\r\n", r#""a\r\nb.\r\n" end """#);
        check("..a\r\n..b\r\n.\r\n", r#"".a\r\n.b\r\n" end """#);
    }

    #[test]
    fn nothing_but_the_whole_sequence_ends_the_data() {
        for smuggled in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\r", "\r\n\0.\r\n"]
        {
            let input = format!("a{smuggled}b\r\n.\r\n");
            let found = read(DataReader::new(40, 20, BareNewlines::Accept), [input.as_bytes()]);
            assert!(found.ends_with(r#"b\r\n" end """#), "{smuggled:?} {found}");
        }
        check("a\n.\r\nb\r\n.\r\n", r#"BareLineFeed "" end """#);
        check("a\n.\nb\r\n.\r\n", r#"BareLineFeed "" end """#);
        check("\n.\r\n.\r\n", r#"BareLineFeed "" end """#);
        check("a\r\n.\nb\r\n.\r\n", r#"BareLineFeed "" end """#);
        check("a\rb\r\n.\r\n", r#"BareCarriageReturn "" end """#);
        check("a\r\r\n.\r\n", r#"BareCarriageReturn "" end """#);
        check("a\r\n.\r.\r\n.\r\n", r#"BareCarriageReturn "" end """#);
    }

    #[test]
    fn bare_newlines_can_be_kept_as_they_came() {
        let reader = DataReader::new(40, 20, BareNewlines::Accept);
        check_with(&reader, "a\nb\rc\r\r\n.\r\n", r#""a\nb\rc\r\r\n" end """#);
        check_with(&reader, "a\n.\r\nb\r\n.\r\n", r#""a\n.\r\nb\r\n" end """#);
    }

    #[test]
    fn size_and_line_are_taken_up_to_their_limits() {
        let line = "123456789012345678\r\n";
        check(&format!("{line}{line}.\r\n"), &format!("{:?} end \"\"", format!("{line}{line}")));
        check(&format!("{line}{line}x\r\n.\r\n"), r#"TooLarge "" end """#);
        check(&format!("{line}{line}\r\n.\r\nQUIT\r\n"), r#"TooLarge "" end "QUIT\r\n""#);
        check(&format!("x{line}.\r\n"), r#"LineTooLong "" end """#);
        check(&format!("xx{line}.\r\n"), r#"LineTooLong "" end """#);
        // 39 bytes and an empty line: the limit lies between CR and LF.
        check(&format!("{line}12345678901234567\r\n\r\n.\r\n"), r#"TooLarge "" end """#);
        check(&format!("{line}{line}x\n.\r\n\r\n.\r\n"), r#"TooLarge "" end """#);
    }

    #[test]
    fn what_is_drained_is_counted_to_the_byte() {
        let input = "1234567890123456789012\r\nabc\r\n.\r\n";
        for cut in 0..=input.len() {
            let mut reader = DataReader::new(40, 20, BareNewlines::Reject);
            let mut buffer = BytesMut::new();
            for part in [&input.as_bytes()[..cut], &input.as_bytes()[cut..]] {
                buffer.extend_from_slice(part);
                while !matches!(reader.read(&mut buffer), Piece::Hungry | Piece::End) {}
            }
            assert_eq!(reader.drained(), 12, "cut at {cut}");
        }
    }

    #[test]
    fn a_piece_ends_at_its_bytes() {
        let mut reader = DataReader::new(1 << 20, 1 << 20, BareNewlines::Reject);
        let mut input = BytesMut::from(&*"x".repeat(PIECE_BYTES_MAX + 10));
        let Piece::Content(first) = reader.read(&mut input) else { panic!("content") };
        assert_eq!(first.len(), PIECE_BYTES_MAX);
        let Piece::Content(second) = reader.read(&mut input) else { panic!("content") };
        assert_eq!(second.len(), 10);
    }
}

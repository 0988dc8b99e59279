//! Content on its way out: newlines mended, dots stuffed (RFC 5321 §4.5.2), an end that only we can write.
//!
//! Promises that every CR sent is followed by LF and every LF preceded by CR, that a dot behind CRLF is doubled in DATA, and
//! so that `CRLF . CRLF` is sent once, by [`ContentWriter::finish`]. Whatever a peer takes for the end of a line, no content
//! can end the data. Cutting the content anywhere changes no byte.

use super::facts::to_u64;
use bytes::{BufMut, BytesMut};
use memchr::memchr2;

/// Writes one content, piece by piece.
#[derive(Debug, Clone)]
pub(crate) struct ContentWriter {
    framing: Framing,
    position: Position,
    /// Bytes of content written, stuffed dots and the final dot not counted.
    written: u64,
}

/// How the peer finds the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A line with a dot (RFC 5321 §4.1.1.4).
    Dot,
    /// So many bytes as were announced (RFC 3030 §2).
    Chunk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    InLine,
    /// CRLF is written for a CR; an LF that follows belongs to it.
    AfterReturn,
}

impl ContentWriter {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, position: Position::LineStart, written: 0 }
    }

    /// Bytes of content written so far, as [`super::ContentFacts::wire_bytes`] counts them.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The next piece.
    pub(crate) fn write(&mut self, piece: &[u8], out: &mut BytesMut) {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.position == Position::AfterReturn {
                self.position = Position::LineStart;
                if let [b'\n', behind @ ..] = rest {
                    rest = behind;
                    continue;
                }
            }
            let text = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (run, behind) = rest.split_at_checked(text).unwrap_or((rest, &[]));
            self.write_run(run, out);
            rest = behind;
            match rest {
                [b'\r', behind @ ..] => {
                    self.write_newline(Position::AfterReturn, out);
                    rest = behind;
                }
                [b'\n', behind @ ..] => {
                    self.write_newline(Position::LineStart, out);
                    rest = behind;
                }
                _ => {}
            }
        }
    }

    /// Ends the last line, and the data where a dot does it.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if self.position == Position::InLine {
            self.write_newline(Position::LineStart, out);
        }
        if self.framing == Framing::Dot {
            out.put_slice(b".\r\n");
        }
    }

    fn write_run(&mut self, run: &[u8], out: &mut BytesMut) {
        if run.is_empty() {
            return;
        }
        if self.position == Position::LineStart && self.framing == Framing::Dot && run.starts_with(b".") {
            out.put_u8(b'.');
        }
        out.put_slice(run);
        self.written = self.written.saturating_add(to_u64(run.len()));
        self.position = Position::InLine;
    }

    fn write_newline(&mut self, position: Position, out: &mut BytesMut) {
        out.put_slice(b"\r\n");
        self.written = self.written.saturating_add(2);
        self.position = position;
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::ContentScan;
    use super::*;

    fn check(input: &str, expected: &str) {
        for cut in 0..=input.len() {
            let mut out = BytesMut::new();
            let mut writer = ContentWriter::new(Framing::Dot);
            writer.write(&input.as_bytes()[..cut], &mut out);
            writer.write(&input.as_bytes()[cut..], &mut out);
            writer.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{input:?} cut at {cut}");
            assert_eq!(writer.written(), ContentScan::of(input.as_bytes()).wire_bytes(), "{input:?}");
        }
    }

    #[test]
    fn dots_are_stuffed_and_the_last_line_is_ended() {
        check("", ".\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check(".\r\n..\r\na.b\r\n", "..\r\n...\r\na.b\r\n.\r\n");
        check("\r\n", "\r\n.\r\n");
    }

    #[test]
    fn no_content_ends_the_data() {
        for smuggled in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r\n",
            "\r\n.\r",
            "\n.\r",
            "\r.\r",
            "\r\n.\r\n",
            "\r\r\n.\r\n",
        ] {
            let input = format!("a{smuggled}RSET\r\n");
            let mut out = BytesMut::new();
            let mut writer = ContentWriter::new(Framing::Dot);
            writer.write(input.as_bytes(), &mut out);
            writer.finish(&mut out);
            let text = String::from_utf8_lossy(&out);
            assert!(text.ends_with("RSET\r\n.\r\n"), "{text:?}");
            assert_eq!(text.matches("\r\n.\r\n").count(), 1, "{text:?}");
            let without = text.replace("\r\n", "");
            assert!(!without.contains(['\r', '\n']), "{text:?}");
        }
        check("a\n.\n", "a\r\n..\r\n.\r\n");
        check("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n");
    }

    #[test]
    fn a_chunk_has_neither_stuffed_dots_nor_a_final_one() {
        let mut out = BytesMut::new();
        let mut writer = ContentWriter::new(Framing::Chunk);
        writer.write(b".\r\n.a", &mut out);
        writer.finish(&mut out);
        assert_eq!(&out[..], b".\r\n.a\r\n");
    }
}

//! Reading replies (RFC 5321 §4.2), strictly where two readings could differ.
//!
//! Promises that a reply is bounded in lines and bytes, that its lines agree on the code, and that the same bytes give the
//! same replies wherever they were cut. Lenient in three points that change no boundary. A line may end with LF alone: the
//! peer that sends it is the one whose words they are, and nobody behind us reads them as a dialogue, so that refusing them
//! would only lose mail. The second digit of a code may be any (servers say 571), since RFC 5321 §4.3.2 has a client go by
//! the first. A code may stand without text. Text that is not UTF-8 is kept with U+FFFD in its place, and control
//! characters as `?`.

use super::settings::Limits;
use crate::reply::{EnhancedStatus, Reply};
use bytes::BytesMut;
use memchr::memchr;

/// Bytes of the peer that are not read yet.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    bytes: BytesMut,
    /// Up to here there is no LF.
    scanned: usize,
    partial: Option<Partial>,
}

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFlaw {
    /// Past `reply_line_bytes_max`.
    #[error("a line of the reply is too long")]
    LineTooLong,
    /// Past `reply_lines_max` or `reply_bytes_max`.
    #[error("the reply has no end")]
    Endless,
    /// Not a code from 200 to 599 with a space, a hyphen or nothing behind it.
    #[error("the line is no reply")]
    Malformed,
    /// RFC 5321 §4.2.1: every line carries the same code.
    #[error("the lines of the reply have different codes")]
    CodesDiffer,
}

/// Whether RFC 2034 applies: not to the greeting and what answers HELO and EHLO (§4), nor to 3xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statuses {
    Read,
    Ignore,
}

/// The lines of a reply that came so far.
#[derive(Debug)]
struct Partial {
    code: u16,
    lines: Vec<String>,
    bytes: usize,
}

impl ReplyReader {
    /// What the socket gave.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there is nothing, not even half a reply.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.partial.is_none()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// An idle session needs no room.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// Takes the first reply, if it is whole.
    pub(crate) fn next(&mut self, limits: &Limits, statuses: Statuses) -> Result<Option<Reply>, ReplyFlaw> {
        loop {
            let rest = self.bytes.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr(b'\n', rest) else {
                self.scanned = self.bytes.len();
                let too_long = self.scanned >= limits.reply_line_bytes_max;
                return if too_long { Err(ReplyFlaw::LineTooLong) } else { Ok(None) };
            };
            let length = self.scanned + found + 1;
            self.scanned = 0;
            if length > limits.reply_line_bytes_max {
                return Err(ReplyFlaw::LineTooLong);
            }
            let line = self.bytes.split_to(length);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.take_line(line, limits)? == Standing::Last
                && let Some(partial) = self.partial.take()
            {
                return Ok(Some(partial.finish(statuses)));
            }
        }
    }

    fn take_line(&mut self, line: &[u8], limits: &Limits) -> Result<Standing, ReplyFlaw> {
        let Line { code, standing, text } = Line::read(line).ok_or(ReplyFlaw::Malformed)?;
        let partial = self.partial.get_or_insert_with(|| Partial { code, lines: Vec::new(), bytes: 0 });
        if partial.code != code {
            return Err(ReplyFlaw::CodesDiffer);
        }
        partial.bytes += line.len();
        if partial.lines.len() >= limits.reply_lines_max || partial.bytes > limits.reply_bytes_max {
            return Err(ReplyFlaw::Endless);
        }
        partial.lines.push(String::from_utf8_lossy(text).into_owned());
        Ok(standing)
    }
}

/// Whether a line is the last one of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    More,
    Last,
}

/// A line of a reply, without its end.
struct Line<'a> {
    code: u16,
    standing: Standing,
    text: &'a [u8],
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let (code, rest) = line.split_first_chunk::<3>()?;
        if !matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
            return None;
        }
        let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let (standing, text) = match rest {
            [] => (Standing::Last, rest),
            [b' ', text @ ..] => (Standing::Last, text),
            [b'-', text @ ..] => (Standing::More, text),
            _ => return None,
        };
        Some(Self { code, standing, text })
    }
}

impl Partial {
    /// The status of the first line counts when its class is that of the code; each line that repeats it loses it.
    fn finish(self, statuses: Statuses) -> Reply {
        let first = self.lines.first().map(String::as_str).unwrap_or_default();
        let status = match statuses {
            Statuses::Read => status(first).filter(|status| u16::from(status.class) == self.code / 100),
            Statuses::Ignore => None,
        };
        let prefix = status.map(|status| status.to_string());
        let text = |line: &'_ String| -> String {
            let rest = prefix.as_deref().and_then(|prefix| line.strip_prefix(prefix));
            match rest {
                Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest.trim_ascii_start().to_owned(),
                _ => line.clone(),
            }
        };
        let lines: Vec<String> = self.lines.iter().map(text).collect();
        Reply::with_lines(self.code, status, lines.iter().map(String::as_str))
    }
}

/// RFC 3463 §2 at the start of a text: `class.subject.detail`.
fn status(text: &str) -> Option<EnhancedStatus> {
    let word = text.split(' ').next().unwrap_or_default();
    let mut numbers = word.split('.');
    let class = match numbers.next()? {
        "2" => 2,
        "4" => 4,
        "5" => 5,
        _ => return None,
    };
    let (subject, detail) = (number(numbers.next()?)?, number(numbers.next()?)?);
    numbers.next().is_none().then_some(EnhancedStatus { class, subject, detail })
}

/// One to three digits without a zero in front, so that it prints as it came.
fn number(digits: &str) -> Option<u16> {
    let is_plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { reply_line_bytes_max: 30, reply_lines_max: 3, reply_bytes_max: 50, ..Limits::default() }
    }

    /// All replies as they print, or the flaw; the same for every cut.
    fn check(input: &[u8], expected: &str) {
        for cut in 0..=input.len() {
            let (first, second) = input.split_at(cut);
            assert_eq!(read([first, second]), expected, "{input:?} cut at {cut}");
        }
        assert_eq!(read(input.chunks(1)), expected, "{input:?} byte by byte");
    }

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut reader = ReplyReader::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            reader.receive(chunk);
            loop {
                match reader.next(&limits(), Statuses::Read) {
                    Ok(Some(reply)) => seen.push(format!("{:?} {reply}", reply.status().is_some())),
                    Ok(None) => break,
                    Err(flaw) => {
                        seen.push(format!("{flaw:?}"));
                        return seen.join("|");
                    }
                }
            }
        }
        if !reader.is_empty() {
            seen.push("unfinished".to_owned());
        }
        seen.join("|")
    }

    #[test]
    fn lines_of_one_code_are_one_reply() {
        check(b"250 ok\r\n", "false 250 ok");
        check(b"250-a\r\n250 b\r\n", "false 250 a b");
        check(b"250\r\n", "false 250 ");
        check(b"250-\r\n250\r\n550 x\r\n", "false 250  |false 550 x");
        check(b"250-a\r\n", "unfinished");
        check(b"25", "unfinished");
        check(b"250 a\n571 b\n", "false 250 a|false 571 b");
    }

    #[test]
    fn a_status_counts_in_the_class_of_its_code() {
        check(b"250 2.1.5 ok\r\n", "true 250 2.1.5 ok");
        check(b"550-5.7.1 a\r\n550 5.7.1 b\r\n", "true 550 5.7.1 a b");
        check(b"450 5.7.1 no\r\n", "false 450 5.7.1 no");
        check(b"250 2.1\r\n", "false 250 2.1");
        check(b"250 2.1.5.1 x\r\n", "false 250 2.1.5.1 x");
        check(b"250 2.01.5 x\r\n", "false 250 2.01.5 x");
        check(b"550 5.1.1\r\n", "true 550 5.1.1 ");
        check(b"354 2.0.0 go\r\n", "false 354 2.0.0 go");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        check(b"250-a\r\n251 b\r\n", "CodesDiffer");
        check(b"hello\r\n", "Malformed");
        check(b"\r\n", "Malformed");
        check(b"150 x\r\n", "Malformed");
        check(b"600 x\r\n", "Malformed");
        check(b"2500 x\r\n", "Malformed");
        check(b"250_x\r\n", "Malformed");
        check(b"+OK\r\n", "Malformed");
    }

    #[test]
    fn each_bound_is_reached_and_not_passed() {
        let longest = format!("250 {}\r\n", "x".repeat(24));
        check(longest.as_bytes(), &format!("false {}", longest.trim_end()));
        check(format!("250 {}\r\n", "x".repeat(25)).as_bytes(), "LineTooLong");
        check(&[b'2'; 40], "LineTooLong");
        check(b"250-a\r\n250-b\r\n250 c\r\n", "false 250 a b c");
        check(b"250-a\r\n250-b\r\n250-c\r\n250-d\r\n", "Endless");
        let wide = format!("250-{0}\r\n250-{0}\r\n", "x".repeat(23));
        check(wide.as_bytes(), "Endless");
    }

    #[test]
    fn text_of_any_bytes_is_kept_safely() {
        check(b"550 a\0b\x1b[1mc\r\n", "false 550 a?b?[1mc");
        check(b"550 a\rb\r\n", "false 550 a?b");
        check(b"550 \xff\xc3\xa9\r\n", "false 550 \u{fffd}é");
    }
}

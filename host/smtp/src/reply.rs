//! A reply: code, enhanced status and lines of text (RFC 5321 §4.2, RFC 2034, RFC 3463).
//!
//! Promises that its text holds no control characters, so that nobody can write a second reply into it, and that the class
//! of the status is that of the code. Leaves out reading replies: that is [`crate::client`].

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// Bytes of a reply line with its CRLF: RFC 5321 §4.5.3.1.5.
pub const REPLY_LINE_BYTES_MAX: usize = 512;
/// Lines in a reply that a sink gives, as the contract's `types.reply` says.
pub const SINK_LINES_MAX: usize = 10;
/// Bytes in a line that a sink gives: with code and status still inside [`REPLY_LINE_BYTES_MAX`].
pub const SINK_LINE_BYTES_MAX: usize = 400;

/// Code, status and text; what a command is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    code: u16,
    status: Option<EnhancedStatus>,
    /// Lines, separated by LF: one allocation for all, and none for a constant.
    text: Cow<'static, str>,
}

/// RFC 3463: what is wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnhancedStatus {
    /// 2, 4 or 5, as the first digit of the code.
    pub class: u8,
    /// What part of the system it is about.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

/// Why what a sink gave is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Outside of 200 to 559 (RFC 5321 §4.2: second digit 0 to 5).
    #[error("the code is not one of RFC 5321 §4.2")]
    Code,
    /// Its class is not that of the code, or a number is above 999.
    #[error("the enhanced status does not fit the code")]
    Status,
    /// More than [`SINK_LINES_MAX`].
    #[error("the reply has too many lines")]
    Lines,
    /// More than [`SINK_LINE_BYTES_MAX`].
    #[error("a line of the reply is too long")]
    LineTooLong,
    /// A CR, an LF or another control character.
    #[error("a line of the reply holds a control character")]
    Control,
}

impl Reply {
    /// A constant. Only for literals of ours: `text` is trusted to hold no control character but the LF between lines.
    #[must_use]
    pub const fn new(code: u16, status: EnhancedStatus, text: &'static str) -> Self {
        Self { code, status: Some(status), text: Cow::Borrowed(text) }
    }

    /// A constant of those that have no status: 3xx, the greeting, and what answers HELO and EHLO (RFC 2034 §4).
    #[must_use]
    pub const fn bare(code: u16, text: &'static str) -> Self {
        Self { code, status: None, text: Cow::Borrowed(text) }
    }

    /// Checks what a sink gave; adds the status that fits the code when it gave none.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_sink<T: AsRef<str>>(
        code: u16,
        status: Option<EnhancedStatus>,
        lines: &[T],
    ) -> Result<Self, ReplyError> {
        if !matches!(code / 100, 2..=5) || code / 10 % 10 > 5 {
            return Err(ReplyError::Code);
        }
        if let Some(status) = status
            && (u16::from(status.class) != code / 100 || status.subject > 999 || status.detail > 999)
        {
            return Err(ReplyError::Status);
        }
        if lines.len() > SINK_LINES_MAX {
            return Err(ReplyError::Lines);
        }
        let mut text = String::new();
        for (index, line) in lines.iter().map(AsRef::as_ref).enumerate() {
            if line.len() > SINK_LINE_BYTES_MAX {
                return Err(ReplyError::LineTooLong);
            }
            if line.chars().any(char::is_control) {
                return Err(ReplyError::Control);
            }
            if index > 0 {
                text.push('\n');
            }
            text.push_str(line);
        }
        Ok(Self { code, status: status.or_else(|| EnhancedStatus::of_code(code)), text: text.into() })
    }

    /// A reply of the server with values in its text; control characters in them become `?`.
    #[must_use]
    pub fn with_lines<'a>(
        code: u16,
        status: Option<EnhancedStatus>,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut text = String::new();
        for (index, line) in lines.into_iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            text.extend(line.chars().map(|character| if character.is_control() { '?' } else { character }));
        }
        Self { code, status, text: text.into() }
    }

    /// The same words, without a status, as RFC 2034 §4 wants the greeting and the reply to HELO and EHLO.
    #[must_use]
    pub fn without_status(self) -> Self {
        Self { status: None, ..self }
    }

    /// The same words under another code, when `code` is of the same class; else unchanged.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        if code / 100 == self.code / 100 {
            self.code = code;
        }
        self
    }

    /// Three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// None in 3xx, the greeting, and what answers HELO and EHLO.
    #[must_use]
    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// At least one, though it may be empty.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// 2xx: done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3xx: go on.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4xx: not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: never like this.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// 4xx or 5xx.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.is_transient() || self.is_permanent()
    }

    /// Appends it as it goes over the wire. What isn't ASCII becomes `?`: whether a client could read more depends on the
    /// command (RFC 6531 §3.7.4.2), and nothing in a text is worth a session that breaks on it.
    pub fn write_to(&self, out: &mut BytesMut) {
        let mut lines = self.lines().peekable();
        while let Some(line) = lines.next() {
            put_number(out, self.code);
            out.put_u8(if lines.peek().is_some() { b'-' } else { b' ' });
            if let Some(status) = self.status {
                status.write_to(out);
                out.put_u8(b' ');
            }
            if line.is_ascii() {
                out.put_slice(line.as_bytes());
            } else {
                for character in line.chars() {
                    out.put_u8(u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(b'?'));
                }
            }
            out.put_slice(b"\r\n");
        }
    }
}

impl EnhancedStatus {
    /// `class.subject.detail`.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// What the contract promises a sink that gives none. None for 3xx, which have no class in RFC 3463.
    #[must_use]
    pub fn of_code(code: u16) -> Option<Self> {
        let (class, subject, detail) = match code {
            200..=299 => (2, 0, 0),
            421 => (4, 3, 2),
            450 => (4, 2, 0),
            451 => (4, 3, 0),
            452 => (4, 3, 1),
            400..=499 => (4, 0, 0),
            500 => (5, 5, 2),
            502 | 503 => (5, 5, 1),
            501 | 504 | 555 => (5, 5, 4),
            550 | 554 => (5, 7, 1),
            552 => (5, 3, 4),
            553 => (5, 1, 3),
            505..=599 => (5, 0, 0),
            _ => return None,
        };
        Some(Self { class, subject, detail })
    }

    fn write_to(self, out: &mut BytesMut) {
        put_number(out, u16::from(self.class));
        out.put_u8(b'.');
        put_number(out, self.subject);
        out.put_u8(b'.');
        put_number(out, self.detail);
    }
}

/// Decimal digits without the machinery of `fmt`: every reply passes here several times.
fn put_number(out: &mut BytesMut, number: u16) {
    for unit in [10_000, 1_000, 100, 10, 1] {
        if number >= unit || unit == 1 {
            out.put_u8(b'0' + u8::try_from(number / unit % 10).unwrap_or(0));
        }
    }
}

impl Display for Reply {
    /// On one line, for logs.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(out, " {status}")?;
        }
        for line in self.lines() {
            write!(out, " {line}")?;
        }
        Ok(())
    }
}

impl Display for EnhancedStatus {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, expected: &str) {
        let mut out = BytesMut::new();
        reply.write_to(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    fn refused(code: u16, status: Option<EnhancedStatus>, lines: &[&str], expected: ReplyError) {
        assert_eq!(Reply::from_sink(code, status, lines), Err(expected), "{code} {lines:?}");
    }

    #[test]
    fn a_reply_goes_over_the_wire_as_rfc_5321_wants() {
        check(&Reply::new(250, EnhancedStatus::new(2, 1, 0), "Ok"), "250 2.1.0 Ok\r\n");
        check(&Reply::bare(354, "Go on"), "354 Go on\r\n");
        let lines = Reply::from_sink(550, None, &["Not", "here"]).unwrap();
        check(&lines, "550-5.7.1 Not\r\n550 5.7.1 here\r\n");
        let wide = Reply::from_sink(451, Some(EnhancedStatus::new(4, 999, 10)), &["Später"]).unwrap();
        check(&wide, "451 4.999.10 Sp?ter\r\n");
        check(&Reply::from_sink::<&str>(250, None, &[]).unwrap(), "250 2.0.0 \r\n");
    }

    #[test]
    fn a_sink_cannot_write_a_second_reply() {
        refused(250, None, &["Ok\r\n250 2.0.0 More"], ReplyError::Control);
        refused(250, None, &["Ok\nMore"], ReplyError::Control);
        refused(250, None, &["\0"], ReplyError::Control);
        check(&Reply::with_lines(250, None, ["a\r\nb"]), "250 a??b\r\n");
    }

    #[test]
    fn a_sink_keeps_to_codes_and_sizes() {
        refused(199, None, &["x"], ReplyError::Code);
        refused(600, None, &["x"], ReplyError::Code);
        refused(260, None, &["x"], ReplyError::Code);
        refused(550, Some(EnhancedStatus::new(4, 0, 0)), &["x"], ReplyError::Status);
        refused(550, Some(EnhancedStatus::new(5, 1000, 0)), &["x"], ReplyError::Status);
        let longest = "x".repeat(SINK_LINE_BYTES_MAX);
        assert!(Reply::from_sink(250, None, &[&longest; SINK_LINES_MAX]).is_ok());
        refused(250, None, &[&format!("x{longest}")], ReplyError::LineTooLong);
        refused(250, None, &["x"; SINK_LINES_MAX + 1], ReplyError::Lines);
    }

    #[test]
    fn every_code_has_a_status_of_its_class() {
        for code in 200..=599 {
            let class = EnhancedStatus::of_code(code).map(|status| u16::from(status.class));
            assert_eq!(class, (code / 100 != 3).then_some(code / 100), "{code}");
        }
    }

    #[test]
    fn another_code_stays_in_its_class() {
        let reply = Reply::new(450, EnhancedStatus::new(4, 7, 1), "Later");
        assert_eq!(reply.clone().with_code(421).code(), 421);
        assert_eq!(reply.with_code(550).code(), 450);
    }
}

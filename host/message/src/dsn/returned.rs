//! How much of the original a DSN returns: all of a small one where that was wished, else its header section.
//!
//! Promises a range of clean lines that ends where the whole ends or behind a line: what a mail server would refuse of an
//! original (bare line ends, NUL, lines past RFC 5322's bound) is not returned.

use std::ops::Range;

use crate::content::{Content, LoadError};
use crate::limits::LINE_BYTES_MAX;

/// Bytes of an original that is returned whole: Postfix's default for the same. Nobody is helped by more, and who was
/// written to in another's name is spared a large one.
pub const RETURNED_BYTES_MAX: u64 = 50_000;
/// Bytes of a header section that are returned: what 200 fields of usual length take; the rest is cut off behind a line.
pub const RETURNED_HEADER_BYTES_MAX: usize = 64 * 1024;

/// RFC 3461 §4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The header section.
    Headers,
    /// The whole message, if it is not too large.
    Full,
}

/// What comes back of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// As which part.
    pub kind: ReturnedKind,
    /// Which bytes of the original.
    pub range: Range<u64>,
}

/// The media type of the third part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnedKind {
    /// The whole message.
    Message,
    /// The whole message, with UTF-8 in its header section (RFC 6533 §4).
    GlobalMessage,
    /// The header section.
    Headers,
    /// The header section, with UTF-8 in it (RFC 6533 §4).
    GlobalHeaders,
}

/// Chooses it. Loads the message only where it may be returned whole.
///
/// # Errors
/// When the stored bytes cannot be read.
pub fn returned(content: &Content, wish: Return) -> Result<Returned, LoadError> {
    let headers = content.headers();
    let section = whole_lines(content.head().get(..headers.end()).unwrap_or_default());
    let clean = clean_bytes(section);
    let section = section.get(..clean).unwrap_or_default();
    let is_global = !section.is_ascii() && std::str::from_utf8(section).is_ok();
    // Without an empty line it is all header section, in which some readers look for no boundary.
    let has_body = headers.body() > headers.end();
    if wish == Return::Full && has_body && content.size() <= RETURNED_BYTES_MAX {
        let whole = content.read(0..content.size())?;
        if clean_bytes(&whole) == whole.len() {
            let kind = if is_global { ReturnedKind::GlobalMessage } else { ReturnedKind::Message };
            return Ok(Returned { kind, range: 0..content.size() });
        }
    }
    let kind = if is_global { ReturnedKind::GlobalHeaders } else { ReturnedKind::Headers };
    Ok(Returned { kind, range: 0..u64::try_from(clean).unwrap_or(u64::MAX) })
}

/// The section, or as many of its lines as may be returned.
fn whole_lines(section: &[u8]) -> &[u8] {
    let Some(beginning) = section.get(..RETURNED_HEADER_BYTES_MAX) else { return section };
    let end = memchr::memrchr(b'\n', beginning).map_or(0, |last| last + 1);
    beginning.get(..end).unwrap_or_default()
}

/// Bytes from the start that are whole lines a server would take; a last line without an end counts if nothing follows it.
fn clean_bytes(bytes: &[u8]) -> usize {
    let mut clean = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, is_ended) = match line.strip_suffix(b"\r\n") {
            Some(text) => (text, true),
            None => (line, false),
        };
        if text.len() > LINE_BYTES_MAX || text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return clean;
        }
        if !is_ended && clean + line.len() < bytes.len() {
            return clean;
        }
        clean += line.len();
    }
    clean
}

impl ReturnedKind {
    /// RFC 6522, RFC 6533.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Message => "message/rfc822",
            Self::GlobalMessage => "message/global",
            Self::Headers => "text/rfc822-headers",
            Self::GlobalHeaders => "message/global-headers",
        }
    }

    /// Whether the body is left out.
    pub(super) fn is_headers(self) -> bool {
        matches!(self, Self::Headers | Self::GlobalHeaders)
    }
}

//! Bodies in a transfer encoding, written: the other direction of the module `transfer`.
//!
//! Promises: what is written decodes to exactly the bytes that were given, in lines of ASCII that fit every transport, and no
//! line of it can be taken for a boundary. Leaves out: what is ASCII and fits already, which stays as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::error::MessageError;
use crate::limits::{ENCODED_LINE_BYTES_MAX, LINE_BYTES_MAX};

/// A body as it is written, and the word for its transfer encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) encoding: &'static str,
    pub(crate) body: Bytes,
}

/// The body of a part of that type: as it is where it can be, else the shorter encoding for a text, base64 for everything
/// else. A composite type is never encoded (RFC 2045 §6.4), so its bytes must be lines already.
///
/// # Errors
/// When a message or a multipart is not made of lines.
pub(crate) fn written(content_type: &str, bytes: &Bytes) -> Result<Written, MessageError> {
    let is_composite = ["multipart/", "message/"].iter().any(|kind| content_type.starts_with(kind));
    if is_composite {
        if !are_lines(bytes) {
            return Err(MessageError::invalid(
                "a message or multipart has lines that end with CRLF, of at most 998 bytes, without NUL",
            ));
        }
        let encoding = if bytes.is_ascii() { "7bit" } else { "8bit" };
        return Ok(Written { encoding, body: bytes.clone() });
    }
    if content_type.starts_with("text/") { Ok(text(bytes)) } else { Ok(binary(bytes)) }
}

/// A text stays readable where it can.
pub(crate) fn text(bytes: &Bytes) -> Written {
    if bytes.is_ascii() && are_lines(bytes) && !begins_a_boundary(bytes) {
        return Written { encoding: "7bit", body: bytes.clone() };
    }
    let quoted = quoted_printable(bytes);
    // Base64 takes four thirds, and a line end for each 57 bytes.
    if quoted.len() <= bytes.len() + bytes.len() / 2 {
        return Written { encoding: "quoted-printable", body: Bytes::from(quoted) };
    }
    binary(bytes)
}

fn binary(bytes: &Bytes) -> Written {
    Written { encoding: "base64", body: Bytes::from(base64(bytes)) }
}

/// Whether a line could be read as a boundary, by its beginning alone.
pub(crate) fn begins_a_boundary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"--") || memchr::memmem::find(bytes, b"\n--").is_some()
}

/// Whether these are lines as they may be sent (RFC 5322 §2.1.1, RFC 2045 §2.7).
pub(crate) fn are_lines(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
        if end > LINE_BYTES_MAX {
            return false;
        }
        rest = match rest.get(end..).unwrap_or_default() {
            [] => &[],
            [b'\r', b'\n', after @ ..] => after,
            _ => return false,
        };
    }
    true
}

/// RFC 2045 §6.7: line ends stay, all else that is not plain is quoted, and lines are kept short.
pub(crate) fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 2);
    let mut line = 0;
    let mut rest = body;
    while let Some((byte, after)) = rest.split_first() {
        if let [b'\r', b'\n', behind @ ..] = rest {
            out.extend_from_slice(b"\r\n");
            (line, rest) = (0, behind);
            continue;
        }
        let is_last_of_line = after.is_empty() || after.starts_with(b"\r\n");
        let is_plain = match byte {
            b' ' | b'\t' => !is_last_of_line,
            // RFC 5321 §4.5.2, mbox and RFC 2046 §5.1.1: neither a dot nor "From " nor a boundary begins a line for a
            // careless reader.
            b'.' | b'F' | b'-' => line > 0,
            b'=' => false,
            other => other.is_ascii_graphic(),
        };
        let length = if is_plain { 1 } else { 3 };
        if line + length >= ENCODED_LINE_BYTES_MAX {
            out.extend_from_slice(b"=\r\n");
            line = 0;
            // What begins the line may have to be quoted now.
            continue;
        }
        if is_plain {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'=', hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
        }
        line += length;
        rest = after;
    }
    out
}

fn hexadecimal(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}

/// RFC 2045 §6.8; no line end behind the last line.
pub(crate) fn base64(body: &[u8]) -> Vec<u8> {
    // Three bytes are four characters.
    let line_bytes = ENCODED_LINE_BYTES_MAX / 4 * 3;
    let mut out = String::with_capacity(body.len().div_ceil(line_bytes) * (ENCODED_LINE_BYTES_MAX + 2));
    for (number, chunk) in body.chunks(line_bytes).enumerate() {
        if number > 0 {
            out.push_str("\r\n");
        }
        STANDARD.encode_string(chunk, &mut out);
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transfer::Encoding;

    fn decoded(written: &Written) -> Bytes {
        Encoding::parse(written.encoding).decode(&written.body)
    }

    fn check(content_type: &str, bytes: &'static [u8], encoding: &str) {
        let bytes = Bytes::from_static(bytes);
        let written = written(content_type, &bytes).expect("lines");
        assert_eq!((written.encoding, decoded(&written)), (encoding, bytes));
    }

    #[test]
    fn a_body_is_written_as_readable_as_it_can_be() {
        check("text/plain", b"Hello\r\nyou", "7bit");
        check("text/plain", "Gr\u{fc}\u{df}e to you all\r\n".as_bytes(), "quoted-printable");
        check("text/plain", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}".as_bytes(), "base64");
        check("text/plain", b"bare\nline ends", "quoted-printable");
        check("text/plain", b"--boundary\r\n", "quoted-printable");
        check("text/plain", b"\0\r\n", "base64");
        check("application/zip", b"PK", "base64");
        check("message/rfc822", b"A: 1\r\n\r\nb", "7bit");
        check("message/rfc822", "A: 1\r\n\r\n\u{fc}".as_bytes(), "8bit");
    }

    #[test]
    fn what_is_composite_is_lines_or_nothing() {
        for bytes in ["a\nb", "a\rb", "\0", &"x".repeat(LINE_BYTES_MAX + 1)] {
            assert!(
                written("message/rfc822", &Bytes::copy_from_slice(bytes.as_bytes())).is_err(),
                "{bytes:?}"
            );
        }
        assert!(are_lines("x".repeat(LINE_BYTES_MAX).as_bytes()));
    }

    proptest! {
        #[test]
        fn what_is_written_decodes_to_what_was_given(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'-'), Just(b'=')], 0..400),
        ) {
            let bytes = Bytes::from(bytes);
            for content_type in ["text/plain", "application/octet-stream"] {
                let written = written(content_type, &bytes).expect("never refused");
                prop_assert_eq!(decoded(&written), bytes.clone());
                prop_assert!(are_lines(&written.body) && written.body.is_ascii() && !begins_a_boundary(&written.body));
            }
        }
    }
}

//! Content transfer encodings (RFC 2045 §6), read the way mail programs do: junk is skipped, nothing fails.
//!
//! One scanner serves the bytes and their number, so the size of a part is known without decoding it into memory.

use bytes::Bytes;
use memchr::memchr2;

/// How the bytes of a part are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary, and what nobody knows: bytes as they are.
    Identity,
    Base64,
    QuotedPrintable,
}

/// Whether an encoded text was what its RFC allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Well,
    Malformed,
}

impl Encoding {
    /// From the value of Content-Transfer-Encoding, comments and parameters cut off.
    pub(crate) fn parse(value: &str) -> Self {
        let word = value.split([';', '(']).next().unwrap_or_default().trim();
        if word.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if word.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }

    /// The decoded bytes; without a copy where nothing is encoded.
    pub(crate) fn decode(self, bytes: &Bytes) -> Bytes {
        let mut decoded = Vec::new();
        match self {
            Self::Identity => return bytes.clone(),
            Self::Base64 => {
                decoded.reserve(bytes.len() / 4 * 3);
                read_base64(bytes, |chunk| decoded.extend_from_slice(chunk));
            }
            Self::QuotedPrintable => {
                decoded.reserve(bytes.len());
                read_quoted(bytes, |chunk| decoded.extend_from_slice(chunk));
            }
        }
        Bytes::from(decoded)
    }

    /// How many bytes [`Encoding::decode`] gives, and whether the text is well-formed.
    pub(crate) fn measure(self, bytes: &[u8]) -> (usize, Form) {
        let mut size = 0;
        let form = match self {
            Self::Identity => return (bytes.len(), Form::Well),
            Self::Base64 => read_base64(bytes, |chunk| size += chunk.len()),
            Self::QuotedPrintable => read_quoted(bytes, |chunk| size += chunk.len()),
        };
        (size, form)
    }
}

const OTHER: u8 = 0xFF;
const PADDING: u8 = 0xFE;
const SPACE: u8 = 0xFD;
static ALPHABET: [u8; 256] = alphabet();

#[expect(clippy::indexing_slicing, reason = "a constant table: an index out of bounds does not compile")]
const fn alphabet() -> [u8; 256] {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OTHER; 256];
    let mut value = 0_u8;
    while value < 64 {
        table[letters[value as usize] as usize] = value;
        value += 1;
    }
    table[b'=' as usize] = PADDING;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table
}

fn sextet(byte: u8) -> u8 {
    ALPHABET.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

/// RFC 2045 §6.8: other characters are ignored. Padding ends a group, not the text, because joined texts are seen.
fn read_base64(bytes: &[u8], mut give: impl FnMut(&[u8])) -> Form {
    let mut form = Form::Well;
    let mut group = 0_u32;
    let mut count = 0_u8;
    let mut rest = bytes;
    loop {
        while count == 0
            && let [a, b, c, d, after @ ..] = rest
        {
            let (a, b, c, d) = (sextet(*a), sextet(*b), sextet(*c), sextet(*d));
            if (a | b | c | d) >= 64 {
                break;
            }
            let word = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            let [_, first, second, third] = word.to_be_bytes();
            give(&[first, second, third]);
            rest = after;
        }
        let Some((byte, after)) = rest.split_first() else { break };
        rest = after;
        match sextet(*byte) {
            value @ 0..64 => {
                group = group << 6 | u32::from(value);
                count += 1;
                if count == 4 {
                    flush_base64(group, count, &mut give);
                    (group, count) = (0, 0);
                }
            }
            PADDING => {
                flush_base64(group, count, &mut give);
                (group, count) = (0, 0);
            }
            SPACE => {}
            _ => form = Form::Malformed,
        }
    }
    if count > 0 {
        flush_base64(group, count, &mut give);
        form = Form::Malformed;
    }
    form
}

fn flush_base64(group: u32, count: u8, give: &mut impl FnMut(&[u8])) {
    let [_, first, second, third] = (group << (6 * (4 - u32::from(count.min(4))))).to_be_bytes();
    match count {
        2 => give(&[first]),
        3 => give(&[first, second]),
        4 => give(&[first, second, third]),
        _ => {}
    }
}

/// RFC 2045 §6.7: soft line breaks and white space at the end of a line go; an `=` that begins neither stays.
fn read_quoted(bytes: &[u8], mut give: impl FnMut(&[u8])) -> Form {
    let mut form = Form::Well;
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = memchr2(b'=', b'\n', rest).unwrap_or(rest.len());
        let (text, after) = rest.split_at(plain);
        match after {
            [] => {
                give(text);
                rest = after;
            }
            [b'\n', tail @ ..] => {
                let (line, end): (&[u8], &[u8]) = match text.strip_suffix(b"\r") {
                    Some(line) => (line, b"\r\n"),
                    None => (text, b"\n"),
                };
                give(line.trim_ascii_end());
                give(end);
                rest = tail;
            }
            [_, tail @ ..] => {
                give(text);
                rest = match escape(tail) {
                    Some((Some(byte), tail)) => {
                        give(&[byte]);
                        tail
                    }
                    Some((None, tail)) => tail,
                    None => {
                        form = Form::Malformed;
                        give(b"=");
                        tail
                    }
                };
            }
        }
    }
    form
}

type Escape<'a> = (Option<u8>, &'a [u8]);

/// What follows an `=`: a byte, or a soft line break, which gives none.
fn escape(tail: &[u8]) -> Option<Escape<'_>> {
    if let [high, low, after @ ..] = tail
        && let (Some(high), Some(low)) = (hexadecimal(*high), hexadecimal(*low))
    {
        return Some((Some(high << 4 | low), after));
    }
    let blank = tail.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    match tail.get(blank..)? {
        [b'\n', after @ ..] => Some((None, after)),
        [] => Some((None, &[])),
        _ => None,
    }
}

/// The value of a hexadecimal digit, in either case.
pub(crate) fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use proptest::prelude::*;

    fn check(encoding: Encoding, input: &str, expected: &[u8], form: Form) {
        let decoded = encoding.decode(&Bytes::copy_from_slice(input.as_bytes()));
        assert_eq!(decoded, expected, "{input:?}");
        assert_eq!(encoding.measure(input.as_bytes()), (expected.len(), form), "{input:?}");
    }

    #[test]
    fn base64_skips_what_is_not_of_its_alphabet() {
        check(Encoding::Base64, "SGVsbG8=\r\n", b"Hello", Form::Well);
        check(Encoding::Base64, "SGVs\r\nbG8h", b"Hello!", Form::Well);
        check(Encoding::Base64, "SG*Vs.bG8=", b"Hello", Form::Malformed);
        check(Encoding::Base64, "SGVsbG8=SGVsbG8=", b"HelloHello", Form::Well);
        check(Encoding::Base64, "SGVsbG8", b"Hello", Form::Malformed);
        check(Encoding::Base64, "S", b"", Form::Malformed);
        check(Encoding::Base64, "====", b"", Form::Well);
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_read() {
        check(Encoding::QuotedPrintable, "Gr=C3=BC=c3=9fe  \r\n", "Grüße\r\n".as_bytes(), Form::Well);
        check(Encoding::QuotedPrintable, "long=\r\n line= \nend=", b"long lineend", Form::Well);
        check(Encoding::QuotedPrintable, "a=ZZ b=4", b"a=ZZ b=4", Form::Malformed);
        check(Encoding::QuotedPrintable, "x \t\ny ", b"x\ny ", Form::Well);
    }

    #[test]
    fn encodings_are_named_in_any_case_and_with_junk_behind() {
        for (input, expected) in [
            ("BASE64", Encoding::Base64),
            (" quoted-printable; x", Encoding::QuotedPrintable),
            ("7bit", Encoding::Identity),
            ("", Encoding::Identity),
        ] {
            assert_eq!(Encoding::parse(input), expected);
        }
    }

    proptest! {
        #[test]
        fn base64_reads_what_others_write(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            check(Encoding::Base64, &text, &bytes, Form::Well);
        }

        #[test]
        fn the_size_is_that_of_the_decoded_bytes(text in "[=A-Fa-f0-9 \r\n!]{0,60}") {
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                prop_assert_eq!(encoding.decode(&bytes).len(), encoding.measure(&bytes).0);
            }
        }
    }
}

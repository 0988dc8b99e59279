//! From bytes of a message to text: field values, encoded words, mailboxes, parameters, charsets.
//!
//! Promises: always gives text, with U+FFFD for what is no text and for control characters in field values; time is
//! linear in the bytes, whatever stands in them. Leaves out: transfer encodings (the module `transfer`).

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};
use memchr::memmem;

use crate::headers::is_white;
use crate::limits::{BROKEN_WORDS_MAX, ENCODED_WORD_BYTES_MAX, MAILBOXES_MAX, PARAMETERS_BYTES_MAX};
use crate::transfer::{Encoding, hexadecimal};

/// A mailbox of an address field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMailbox {
    /// The display name, decoded.
    pub name: Option<String>,
    /// Without quotes.
    pub local: String,
    /// In lower case as far as it is ASCII; otherwise as written.
    pub domain: String,
}

/// The text of a field value: unfolded, RFC 2047 words decoded.
pub(crate) fn field_text(value: &[u8]) -> String {
    let unfolded = unfold(value);
    let value = unfolded.trim_ascii();
    let text = match memmem::find(value, b"=?") {
        None => String::from_utf8_lossy(value).into_owned(),
        Some(first) => decode_words(value, first),
    };
    without_controls(text)
}

/// The mailboxes of an address field, groups flattened, at most as many as there is room for.
pub(crate) fn mailboxes(value: &[u8], into: &mut Vec<NamedMailbox>) {
    let mut line = without_broken_words(unfold(value)).into_owned();
    line.push(b'\n');
    let HeaderValue::Address(address) = MessageStream::new(&line).parse_address() else { return };
    let room = MAILBOXES_MAX.saturating_sub(into.len());
    let found = address.iter().filter_map(|entry| {
        let (local, domain) = entry.address()?.trim().rsplit_once('@')?;
        Some(NamedMailbox {
            name: entry.name().map(|name| without_controls(name.to_owned())),
            local: without_controls(unquoted(local)),
            domain: without_controls(domain.to_ascii_lowercase()),
        })
    });
    into.extend(found.take(room));
}

/// A Content-Type or Content-Disposition value, or `None` for one that cannot be read.
pub(crate) fn parameters(value: &[u8]) -> Option<ContentType<'static>> {
    if value.len() > PARAMETERS_BYTES_MAX {
        return None;
    }
    let mut line = unfold(value).into_owned();
    line.push(b'\n');
    match MessageStream::new(&line).parse_content_type().into_owned() {
        HeaderValue::ContentType(content_type) => Some(content_type),
        _ => None,
    }
}

/// Text in a charset as UTF-8; without a name, or with one that nobody knows, it is taken for UTF-8.
pub(crate) fn charset_text(charset: Option<&str>, bytes: &[u8]) -> String {
    let name = charset.unwrap_or("utf-8").trim();
    // Much that says ASCII is UTF-8, and nothing that is ASCII is not.
    if ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| known.eq_ignore_ascii_case(name))
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    match charset_decoder(name.as_bytes()) {
        Some(decode) if !name.is_empty() => decode(bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Whether text in that charset can be read for sure.
pub(crate) fn knows_charset(charset: &str) -> bool {
    let name = charset.trim();
    let is_ascii =
        ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| known.eq_ignore_ascii_case(name));
    is_ascii || !name.is_empty() && charset_decoder(name.as_bytes()).is_some()
}

/// Whether each ASCII character is its own byte in that charset and no byte of another character is one of ASCII's that mark
/// up HTML. An unknown charset may be anything.
pub(crate) fn contains_ascii(charset: &str) -> bool {
    const OTHERS: [&str; 12] = [
        "utf7",
        "csutf7",
        "unicode11utf7",
        "utf16",
        "csutf16",
        "csunicode",
        "ucs2",
        "iso10646",
        "iso2022",
        "csiso2022",
        "hz",
        "replacement",
    ];
    let name: String =
        charset.trim().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    knows_charset(charset) && !OTHERS.iter().any(|other| name.starts_with(other))
}

/// Control characters would let a value forge a log line or a field when it is used again.
pub(crate) fn without_controls(text: String) -> String {
    let is_bad = |character: char| character.is_control() && character != '\t';
    if text.contains(is_bad) { text.replace(is_bad, "\u{fffd}") } else { text }
}

/// Line ends before white space go (RFC 5322 §2.2.3).
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut unfolded = Vec::with_capacity(value.len());
    for line in value.split_inclusive(|byte| *byte == b'\n') {
        unfolded.extend_from_slice(crate::headers::without_line_end(line));
    }
    Cow::Owned(unfolded)
}

fn unquoted(local: &str) -> String {
    match local.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        None => local.to_owned(),
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
    }
}

/// An encoded word with its bytes decoded, but not yet its charset.
struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    size: usize,
}

fn decode_words(value: &[u8], first: usize) -> String {
    let mut text = String::with_capacity(value.len());
    // Words of one charset are joined before they are decoded: writers cut characters in two.
    let mut pending: Option<Word<'_>> = None;
    let mut plain = 0;
    let mut next = Some(first);
    while let Some(at) = next {
        let rest = value.get(at..).unwrap_or_default();
        let Some(word) = encoded_word(rest) else {
            next = memmem::find(rest.get(2..).unwrap_or_default(), b"=?").map(|more| at + 2 + more);
            continue;
        };
        let between = value.get(plain..at).unwrap_or_default();
        plain = at + word.size;
        let is_adjacent = between.iter().all(|byte| is_white(*byte));
        match &mut pending {
            Some(last) if is_adjacent && last.charset.eq_ignore_ascii_case(word.charset) => {
                last.bytes.extend_from_slice(&word.bytes);
            }
            _ => {
                let follows_word = pending.is_some();
                flush(pending.replace(word), &mut text);
                if !(is_adjacent && follows_word) {
                    text.push_str(&String::from_utf8_lossy(between));
                }
            }
        }
        next = memmem::find(value.get(plain..).unwrap_or_default(), b"=?").map(|more| plain + more);
    }
    flush(pending, &mut text);
    text.push_str(&String::from_utf8_lossy(value.get(plain..).unwrap_or_default()));
    text
}

fn flush(word: Option<Word<'_>>, text: &mut String) {
    if let Some(word) = word {
        text.push_str(&charset_text(std::str::from_utf8(word.charset).ok(), &word.bytes));
    }
}

/// The encoded word at the beginning of `bytes`, which begin with `=?` (RFC 2047 §2, RFC 2231 §5).
fn encoded_word(bytes: &[u8]) -> Option<Word<'_>> {
    let window = bytes.get(..bytes.len().min(ENCODED_WORD_BYTES_MAX))?;
    let charset_end = 2 + memchr::memchr(b'?', window.get(2..)?)?;
    let charset = window.get(2..charset_end)?;
    let charset = charset.split(|byte| *byte == b'*').next().unwrap_or_default();
    if charset.is_empty() || !charset.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let [encoding, b'?', rest @ ..] = window.get(charset_end + 1..)? else { return None };
    let text_bytes = memmem::find(rest, b"?=")?;
    let text = rest.get(..text_bytes)?;
    if memmem::find(text, b"=?").is_some() {
        // Another word begins before this one ends, so this one is none.
        return None;
    }
    let bytes = match encoding {
        b'b' | b'B' => Encoding::Base64.decode(&bytes::Bytes::copy_from_slice(text)).to_vec(),
        b'q' | b'Q' => decode_q(text),
        _ => return None,
    };
    Some(Word { charset, bytes, size: charset_end + 3 + text_bytes + 2 })
}

fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'_', _) => decoded.push(b' '),
            (b'=', [high, low, tail @ ..]) => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = tail;
                }
                _ => decoded.push(b'='),
            },
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// Breaks the beginnings of words that have no end, if there are many: the address parser looks to the end of the field for
/// each of them, and a field may have a mebibyte.
fn without_broken_words(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let is_broken = |at: &usize| encoded_word(value.get(*at..).unwrap_or_default()).is_none();
    let broken: Vec<usize> = memmem::find_iter(&value, b"=?").filter(is_broken).collect();
    if broken.len() <= BROKEN_WORDS_MAX {
        return value;
    }
    let mut changed = value.into_owned();
    for at in broken {
        if let Some(mark) = changed.get_mut(at + 1) {
            *mark = b'.';
        }
    }
    Cow::Owned(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &str) {
        assert_eq!(field_text(input), expected, "{}", String::from_utf8_lossy(input));
    }

    #[test]
    fn folds_go_and_their_white_space_stays() {
        check(b" a\r\n b\r\n\tc ", "a b\tc");
        check(b"", "");
        check(b" \r\n ", "");
        check(" grün".as_bytes(), "grün");
        check(b" \xfcber", "\u{fffd}ber");
        check(b" a\x00b\x1b[2J\rc", "a\u{fffd}b\u{fffd}[2J\u{fffd}c");
    }

    #[test]
    fn encoded_words_are_decoded_where_they_are_whole() {
        check(b" =?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus =?ISO-8859-1?q?M=FCnchen?=", "Grüße aus München");
        check(b" =?utf-8?B?w7w=?=\r\n =?utf-8?B?w7w=?=", "üü");
        check(b" =?utf-8?B?ww==?= =?UTF-8?B?vA==?=", "ü");
        check(b" =?utf-8?Q?a_b?= =?koi8-r?B?8NLJ18XU?=", "a bПривет");
        check(b" =?utf-8*de?Q?a?= b", "a b");
        check(b" =?utf-8?Q?open", "=?utf-8?Q?open");
        check(b" =?utf-8?X?a?= =??Q?a?= =?", "=?utf-8?X?a?= =??Q?a?= =?");
        check(b" =?nonsense?Q?=FFa?=", "\u{fffd}a");
        check(b" a=?utf-8?Q??=b", "ab");
        check(b" =?utf-8?Q?a=0D=0ABcc:_b?=", "a\u{fffd}\u{fffd}Bcc: b");
    }

    fn check_mailboxes(input: &str, expected: &[(&str, &str, &str)]) {
        let mut found = Vec::new();
        mailboxes(input.as_bytes(), &mut found);
        let found: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|one| (one.name.as_deref().unwrap_or("-"), one.local.as_str(), one.domain.as_str()))
            .collect();
        assert_eq!(found, expected, "{input}");
    }

    #[test]
    fn mailboxes_come_with_their_names_and_without_groups() {
        check_mailboxes(" a@B.example", &[("-", "a", "b.example")]);
        check_mailboxes(
            " \"Doe, Jane\" <jane@x.example>,\r\n =?utf-8?Q?J=C3=B6rg?= <j@y.example>",
            &[("Doe, Jane", "jane", "x.example"), ("Jörg", "j", "y.example")],
        );
        check_mailboxes(
            " team: a@x.example, B <b@x.example>; , c@y.example",
            &[("-", "a", "x.example"), ("B", "b", "x.example"), ("-", "c", "y.example")],
        );
        check_mailboxes(" undisclosed-recipients:;", &[]);
        check_mailboxes(" nobody", &[]);
    }

    #[test]
    fn many_broken_words_cost_no_more_than_their_bytes() {
        let value = format!(" a@b.example, {}", "=?aa?q?".repeat(BROKEN_WORDS_MAX * 1_000));
        let mut found = Vec::new();
        mailboxes(value.as_bytes(), &mut found);
        assert_eq!(found.first().map(|one| one.local.as_str()), Some("a"));
        assert!(field_text(value.as_bytes()) == value.trim(), "a broken word has changed");
    }

    #[test]
    fn an_encoded_word_beyond_its_bound_is_plain_text() {
        let word = |bytes: usize| format!("=?utf-8?Q?{}?=", "a".repeat(bytes - 12));
        check(word(ENCODED_WORD_BYTES_MAX).as_bytes(), &"a".repeat(ENCODED_WORD_BYTES_MAX - 12));
        check(word(ENCODED_WORD_BYTES_MAX + 1).as_bytes(), &word(ENCODED_WORD_BYTES_MAX + 1));
    }

    #[test]
    fn mailboxes_are_bounded() {
        let mut found = Vec::new();
        mailboxes(" a@b.example,".repeat(MAILBOXES_MAX + 1).as_bytes(), &mut found);
        assert_eq!(found.len(), MAILBOXES_MAX);
    }

    #[test]
    fn parameters_beyond_their_bound_are_not_read() {
        let value = format!(" text/plain; x={}", "y".repeat(PARAMETERS_BYTES_MAX));
        assert!(parameters(value.as_bytes()).is_none());
        let read = parameters(b" Multipart/MIXED;\r\n boundary=\"a b\"").expect("readable");
        assert_eq!((read.ctype(), read.subtype()), ("multipart", Some("mixed")));
        assert_eq!(read.attribute("boundary"), Some("a b"));
    }

    #[test]
    fn every_charset_becomes_utf8() {
        for (charset, bytes, expected) in [
            (None, "ü".as_bytes(), "ü"),
            (Some("us-ascii"), "ü".as_bytes(), "ü"),
            (Some("us-ascii"), &b"\xfc"[..], "ü"),
            (Some("iso-8859-15"), &b"\xa4"[..], "€"),
            (Some("utf-16le"), &b"h\0i\0"[..], "hi"),
            (Some("shift_jis"), &b"\x83n"[..], "ハ"),
            (Some("no-such"), &b"a\xff"[..], "a\u{fffd}"),
            (Some(""), &b"a"[..], "a"),
        ] {
            assert_eq!(charset_text(charset, bytes), expected, "{charset:?}");
        }
    }
}

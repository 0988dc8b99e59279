//! One field as a sink wants it, checked, encoded and folded into bytes that are exactly one field.
//!
//! Promises: no control character, no second line and no second field gets through, whatever the sink sends; what
//! [`crate::Draft::header`] reads back is the value that was given. Leaves out: which names are protected.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::error::MessageError;
use crate::headers::{FieldSpan, is_name_byte, is_white};
use crate::limits::{FIELD_NAME_BYTES_MAX, FIELD_VALUE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_PREFERRED};
use crate::segment::StagedField;

/// Bytes of an encoded word. RFC 2047 §2 allows 75; with less, `Subject: ` and a word fit one line.
const WORD_BYTES_MAX: usize = 64;
const WORD_START: &str = "=?utf-8?";
const WORD_OVERHEAD: usize = "=?utf-8?B??=".len();

/// A field from text: RFC 2047 words where it is not ASCII, folded at white space (RFC 5322 §2.2.3).
pub(crate) fn from_text(name: &str, value: &str) -> Result<StagedField, MessageError> {
    check_name(name)?;
    if value.len() > FIELD_VALUE_BYTES_MAX {
        return Err(MessageError::TooLarge("FIELD_VALUE_BYTES_MAX"));
    }
    if value.chars().any(|character| character.is_control() && character != '\t') {
        return Err(MessageError::invalid("the value has a control character"));
    }
    let mut lines = Lines::new(name);
    for token in tokens(value.trim_matches([' ', '\t'])) {
        match token {
            Token::Plain(text) => lines.push(text),
            Token::Encoded(text) => {
                let text = if is_address_field(name) { phrase(&text)? } else { text };
                encode_words(&text).iter().for_each(|word| lines.push(word));
            }
        }
    }
    Ok(staged(name, &lines.finish()))
}

/// A field from bytes as they shall stand between the colon and the final CRLF, with their own folds.
pub(crate) fn from_bytes(name: &str, value: &[u8]) -> Result<StagedField, MessageError> {
    check_name(name)?;
    if value.len() > FIELD_VALUE_BYTES_MAX {
        return Err(MessageError::TooLarge("FIELD_VALUE_BYTES_MAX"));
    }
    let text = std::str::from_utf8(value).map_err(|_| MessageError::invalid("the value is not UTF-8"))?;
    let mut before = name.len() + 1;
    for (number, line) in text.split("\r\n").enumerate() {
        if line.chars().any(|character| character.is_control() && character != '\t') {
            return Err(MessageError::invalid("the value has a control character or a bare line end"));
        }
        if number > 0 && !line.as_bytes().first().is_some_and(|byte| is_white(*byte)) {
            return Err(MessageError::invalid("a line of the value does not begin with white space"));
        }
        if number > 0 && line.bytes().all(is_white) {
            return Err(MessageError::invalid("a line of the value is empty"));
        }
        if before + line.len() > LINE_BYTES_MAX {
            return Err(MessageError::TooLarge("LINE_BYTES_MAX"));
        }
        before = 0;
    }
    Ok(staged(name, text))
}

/// A name of RFC 5322 §3.6.8.
pub(crate) fn check_name(name: &str) -> Result<(), MessageError> {
    if name.len() > FIELD_NAME_BYTES_MAX {
        return Err(MessageError::TooLarge("FIELD_NAME_BYTES_MAX"));
    }
    if name.is_empty() || !name.bytes().all(is_name_byte) {
        return Err(MessageError::invalid(
            "the field name has other bytes than visible ASCII without the colon",
        ));
    }
    Ok(())
}

enum Token<'a> {
    Plain(&'a str),
    /// One or more words with the spaces between them: white space between two encoded words would be lost.
    Encoded(String),
}

/// Splits at single spaces; what must be encoded is joined with its neighbours that must be, too.
fn tokens(value: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut spaces = 0_usize;
    for word in spans(value) {
        if word.is_empty() {
            spaces += 1;
            continue;
        }
        let lead = " ".repeat(std::mem::take(&mut spaces));
        let encodes = needs_encoding(word) || lead.len() > LINE_BYTES_PREFERRED;
        match tokens.last_mut() {
            Some(Token::Encoded(text)) if encodes => {
                text.push(' ');
                text.push_str(&lead);
                text.push_str(word);
            }
            Some(Token::Encoded(text)) => {
                text.push_str(&lead);
                tokens.push(Token::Plain(word));
            }
            _ if encodes => tokens.push(Token::Encoded(lead + word)),
            _ => {
                tokens.extend((0..lead.len()).map(|_| Token::Plain("")));
                tokens.push(Token::Plain(word));
            }
        }
    }
    tokens
}

/// The words of a value; a quoted string that is not ASCII is one word, because an encoded word may not stand inside quotes
/// (RFC 2047 §5).
fn spans(value: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inner| inner.find('"')).map(|at| at + 2);
        let end = match quoted {
            Some(end) if rest.get(..end).is_some_and(|word| !word.is_ascii()) => end,
            _ => rest.find(' ').unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        words.push(word);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    words
}

/// Not ASCII, or something that a reader would take for an encoded word, or too long for a line, or white space alone.
fn needs_encoding(word: &str) -> bool {
    !word.is_ascii()
        || word.bytes().all(is_white)
        || word.contains("=?")
        || word.len() > LINE_BYTES_MAX - FIELD_NAME_BYTES_MAX - 2
}

/// Fields whose words are addresses (RFC 5322 §3.6.2, §3.6.3, §3.6.6).
fn is_address_field(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "From",
        "Sender",
        "Reply-To",
        "To",
        "Cc",
        "Bcc",
        "Resent-From",
        "Resent-To",
        "Resent-Cc",
        "Disposition-Notification-To",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The display name that may be encoded in an address field: quotes go, and what has a meaning outside of them is refused
/// rather than hidden in an encoded word.
fn phrase(text: &str) -> Result<String, MessageError> {
    let mut phrase = String::with_capacity(text.len());
    for (number, piece) in text.split('"').enumerate() {
        if number % 2 == 0 && piece.contains(['@', '<', '>', '(', ')', ',', ':', ';']) {
            return Err(MessageError::invalid(
                "only the display name of an address may have other letters than ASCII",
            ));
        }
        phrase.push_str(piece);
    }
    Ok(phrase)
}

/// Encoded words for a text, cut between characters; Q where it is not longer, else B (RFC 2047 §4).
fn encode_words(text: &str) -> Vec<String> {
    let quoted_bytes: usize = text.bytes().map(quoted_size).sum();
    let encoding = if quoted_bytes <= base64_size(text.len()) { WordEncoding::Q } else { WordEncoding::B };
    let room = WORD_BYTES_MAX - WORD_OVERHEAD;
    let mut words = Vec::new();
    let mut chunk = String::new();
    let mut quoted = 0;
    let mut buffer = [0_u8; 4];
    for character in text.chars() {
        let bytes = character.encode_utf8(&mut buffer);
        let more: usize = bytes.bytes().map(quoted_size).sum();
        let size = match encoding {
            WordEncoding::Q => quoted + more,
            WordEncoding::B => base64_size(chunk.len() + bytes.len()),
        };
        if size > room {
            words.push(encode_word(&chunk, encoding));
            chunk.clear();
            quoted = 0;
        }
        quoted += more;
        chunk.push(character);
    }
    words.push(encode_word(&chunk, encoding));
    words
}

#[derive(Clone, Copy)]
enum WordEncoding {
    Q,
    B,
}

fn encode_word(text: &str, encoding: WordEncoding) -> String {
    match encoding {
        WordEncoding::B => format!("{WORD_START}B?{}?=", STANDARD.encode(text)),
        WordEncoding::Q => {
            let mut word = format!("{WORD_START}Q?");
            for byte in text.bytes() {
                match byte {
                    b' ' => word.push('_'),
                    byte if is_literal(byte) => word.push(char::from(byte)),
                    byte => word.push_str(&format!("={byte:02X}")),
                }
            }
            word + "?="
        }
    }
}

fn quoted_size(byte: u8) -> usize {
    if is_literal(byte) || byte == b' ' { 1 } else { 3 }
}

fn base64_size(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// What may stand for itself in a Q word of any field, phrases included (RFC 2047 §5 rule 3).
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'*' | b'+' | b'-' | b'/')
}

/// Lines of a field under way.
struct Lines {
    text: String,
    line_bytes: usize,
    has_words: Words,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    None,
    Some,
}

impl Lines {
    fn new(name: &str) -> Self {
        Self { text: String::new(), line_bytes: name.len() + 1, has_words: Words::None }
    }

    /// Adds a word behind a space; a new line is begun only where the old one has a word, so no line is empty.
    fn push(&mut self, word: &str) {
        let folds = self.line_bytes + 1 + word.len() > LINE_BYTES_PREFERRED;
        if folds && self.has_words == Words::Some && !word.is_empty() {
            self.text.push_str("\r\n");
            self.line_bytes = 0;
        }
        self.text.push(' ');
        self.text.push_str(word);
        self.line_bytes += 1 + word.len();
        if !word.is_empty() {
            self.has_words = Words::Some;
        }
    }

    fn finish(self) -> String {
        self.text
    }
}

fn staged(name: &str, value: &str) -> StagedField {
    spanned(name, Bytes::from(format!("{name}:{value}\r\n")))
}

fn spanned(name: &str, bytes: Bytes) -> StagedField {
    let span = FieldSpan {
        start: 0,
        name_end: name.len(),
        value_start: name.len() + 1,
        value_end: bytes.len() - 2,
        end: bytes.len(),
    };
    StagedField { bytes, span }
}

/// A field whose name and value stood in a message already.
pub(crate) fn as_it_is(name: &str, value: &[u8]) -> StagedField {
    let mut bytes = Vec::with_capacity(name.len() + value.len() + 3);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(b':');
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
    spanned(name, Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderIndex;
    use crate::text::field_text;
    use proptest::prelude::*;

    fn check(name: &str, value: &str, expected: Result<&str, &str>) {
        let found = from_text(name, value);
        let found = found.as_ref().map(|field| String::from_utf8_lossy(&field.bytes).into_owned());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn plain_values_stay_and_long_ones_are_folded() {
        check("X-Spam", "yes", Ok("X-Spam: yes\r\n"));
        check("X-Empty", "", Ok("X-Empty:\r\n"));
        check("X", "  a  b ", Ok("X: a  b\r\n"));
        let word = "123456789";
        let line = [word; 8].join(" ");
        check(
            "Xx",
            &format!("{line} {word} {word}"),
            Ok("Xx: 123456789 123456789 123456789 123456789 123456789 123456789 123456789\r\n \
                123456789 123456789 123456789\r\n"),
        );
    }

    #[test]
    fn what_is_not_ascii_is_encoded() {
        check(
            "Subject",
            "[EXT] Grüße aus Köln",
            Ok("Subject: [EXT] =?utf-8?B?R3LDvMOfZQ==?= aus =?utf-8?B?S8O2bG4=?=\r\n"),
        );
        check("Subject", "Привет мир", Ok("Subject: =?utf-8?B?0J/RgNC40LLQtdGCINC80LjRgA==?=\r\n"));
        check("Subject", "a =?utf-8?q?b?=", Ok("Subject: a =?utf-8?B?PT91dGYtOD9xP2I/PQ==?=\r\n"));
        check("From", "\"Jörg, X\" <j@x.example>", Ok("From: =?utf-8?B?SsO2cmcsIFg=?= <j@x.example>\r\n"));
        check("To", "jörg@x.example", Err("only the display name"));
        check("To", "Jörg,x@y.example", Err("only the display name"));
    }

    #[test]
    fn nothing_ends_the_field_or_begins_another() {
        for value in ["a\r\nBcc: x", "a\nb", "a\rb", "a\0", "a\u{7f}", "a\u{85}b", "\u{1b}[2J"] {
            check("X", value, Err("control character"));
            assert!(from_bytes("X", value.as_bytes()).is_err(), "{value:?}");
        }
        for name in ["", "a b", "a:", "ä", "a\r\n", "a\t"] {
            check(name, "", Err("field name"));
            assert!(from_bytes(name, b"x").is_err(), "{name:?}");
        }
    }

    fn check_bytes(value: &[u8], expected: Result<(), &str>) {
        let found = from_bytes("DKIM-Signature", value);
        match (&found, expected) {
            (Ok(field), Ok(())) => assert_eq!(field.bytes, [b"DKIM-Signature:", value, b"\r\n"].concat()),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            _ => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn given_bytes_are_one_well_formed_field() {
        check_bytes(b" v=1;\r\n\tb=abc", Ok(()));
        check_bytes("ü".as_bytes(), Ok(()));
        check_bytes(b"", Ok(()));
        check_bytes(b"a\r\n", Err("white space"));
        check_bytes(b"a\r\nb", Err("white space"));
        check_bytes(b"a\r\n \r\n b", Err("empty"));
        check_bytes(b"\xff", Err("UTF-8"));
        check_bytes(&b"x".repeat(LINE_BYTES_MAX), Err("LINE_BYTES_MAX"));
        check_bytes(&b"x".repeat(LINE_BYTES_MAX - 15), Ok(()));
    }

    proptest! {
        #[test]
        fn a_value_reads_back_as_it_was_given(value in "([a-zü?=_ 🦀]|=\\?|\t| {0,90}|[a-z]{0,99}){0,40}") {
            let field = from_text("Subject", &value).unwrap();
            let index = HeaderIndex::of(&field.bytes);
            let fields: Vec<_> = index.iter(&field.bytes).collect();
            prop_assert_eq!(fields.len(), 1);
            prop_assert_eq!(field_text(fields[0].value), value.trim_matches([' ', '\t']));
            for line in field.bytes.split(|byte| *byte == b'\n') {
                prop_assert!(line.len() <= LINE_BYTES_MAX + 1 && line != b" \r" && line.is_ascii());
            }
        }
    }
}

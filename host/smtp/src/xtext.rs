//! The values of the DSN parameters (RFC 3461 §4; RFC 6533 §3 for addresses in UTF-8): what ENVID and ORCPT hold.
//!
//! Promises that what is read holds no control character, so that it can stand in a report. Leaves out NOTIFY and RET, which
//! are words: [`crate::parameters`].

/// Bytes of ENVID as it comes (RFC 3461 §4.4).
pub const ENVELOPE_ID_BYTES_MAX: usize = 100;
/// Bytes of ORCPT as it comes (RFC 3461 §4.2).
pub const ORIGINAL_RECIPIENT_BYTES_MAX: usize = 500;

/// What ORCPT names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8`, or another of RFC 3461 §4.2's address types; in lower case, since it is compared without case.
    pub kind: String,
    /// Decoded.
    pub address: String,
}

/// Reads ENVID: xtext of printable ASCII.
#[must_use]
pub fn envelope_id(value: &str) -> Option<String> {
    let is_printable = |text: &String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (value.len() <= ENVELOPE_ID_BYTES_MAX).then(|| decode(value)).flatten().filter(is_printable)
}

/// Reads ORCPT: an address type, `;`, and xtext, or for `utf-8` what RFC 6533 §3 allows in its place.
#[must_use]
pub fn original_recipient(value: &str) -> Option<OriginalRecipient> {
    let (kind, address) = value.split_once(';').filter(|_| value.len() <= ORIGINAL_RECIPIENT_BYTES_MAX)?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_atom || address.is_empty() {
        return None;
    }
    let kind = kind.to_ascii_lowercase();
    let address = if kind == "utf-8" { decode_utf8(address)? } else { decode(address)? };
    let is_clean = !address.chars().any(char::is_control);
    is_clean.then_some(OriginalRecipient { kind, address })
}

/// RFC 3461 §4: printable ASCII stands for itself, `+` before two hexadecimal digits in upper case for any other.
fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..)?;
        match character {
            '+' => {
                let digits = rest.get(..2).filter(|digits| is_upper_hexadecimal(digits))?;
                let byte = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
                decoded.push(char::from(byte));
                rest = rest.get(2..)?;
            }
            '!'..='~' if character != '=' => decoded.push(character),
            _ => return None,
        }
    }
    Some(decoded)
}

/// RFC 6533 §3: besides UTF-8 itself, `\x{C3A4}` for a character that the way could not carry.
fn decode_utf8(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x{") {
        decoded.push_str(rest.get(..at)?);
        let (digits, behind) = rest.get(at + 3..)?.split_once('}')?;
        if !(2..=6).contains(&digits.len()) || !is_upper_hexadecimal(digits) {
            return None;
        }
        decoded.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = behind;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn is_upper_hexadecimal(digits: &str) -> bool {
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_id(value: &str, expected: Option<&str>) {
        assert_eq!(envelope_id(value).as_deref(), expected, "{value:?}");
    }

    fn check(value: &str, expected: Option<(&str, &str)>) {
        let found = original_recipient(value);
        let found = found.as_ref().map(|found| (found.kind.as_str(), found.address.as_str()));
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn an_envelope_id_is_printable_xtext() {
        check_id("QQ314159", Some("QQ314159"));
        check_id("a+20b+2Bc+3D", Some("a b+c="));
        check_id("a+0D+0Ab", None);
        check_id("a+2bb", None);
        check_id("a+2", None);
        check_id("a+", None);
        check_id("a+\u{e9}\u{e9}", None);
        check_id("\u{e9}", None);
        check_id("a+E9", None);
        check_id(&"a".repeat(ENVELOPE_ID_BYTES_MAX), Some(&"a".repeat(ENVELOPE_ID_BYTES_MAX)));
        check_id(&"a".repeat(ENVELOPE_ID_BYTES_MAX + 1), None);
    }

    #[test]
    fn an_original_recipient_has_a_type() {
        check("rfc822;bob@b.example", Some(("rfc822", "bob@b.example")));
        check("RFC822;bob+2Btag@b.example", Some(("rfc822", "bob+tag@b.example")));
        check("x400;/S=bob/", None);
        check("x400;/S+3Dbob/", Some(("x400", "/S=bob/")));
        check("bob@b.example", None);
        check(";bob@b.example", None);
        check("rfc822;", None);
        check("rfc 822;bob", None);
        check("rfc822;a+0D+0Ab", None);
        check("rfc822;j\u{f6}rg@b.example", None);
        let most = "a".repeat(ORIGINAL_RECIPIENT_BYTES_MAX - "rfc822;".len());
        check(&format!("rfc822;{most}"), Some(("rfc822", &most)));
        check(&format!("rfc822;{most}a"), None);
    }

    #[test]
    fn an_original_recipient_may_be_international() {
        check("utf-8;j\u{f6}rg@b.example", Some(("utf-8", "j\u{f6}rg@b.example")));
        check("UTF-8;j\\x{F6}rg@b.example", Some(("utf-8", "j\u{f6}rg@b.example")));
        check("utf-8;j\\x{D}\\x{A}rg", None);
        check("utf-8;j\\x{0D}rg", None);
        check("utf-8;j\\x{D800}rg", None);
        check("utf-8;j\\x{F6rg", None);
        check("utf-8;j\\x{1234567}rg", None);
    }
}

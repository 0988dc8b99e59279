//! Parts of an address: mailbox, local-part, domain and address literal (RFC 5321 §4.1.2, §4.1.3, RFC 6531 §3.3).
//!
//! Promises that a value is legal and in one spelling: the local-part unquoted, the domain in lower-case A-labels, so that
//! comparing is comparing bytes. Deliberately lenient in one point: a label may hold `_`, since hosts named so send mail and
//! DNS does not mind (RFC 2181 §11). Leaves out whether anyone lives there.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of an unquoted local-part. RFC 5321 §4.5.3.1.1 has 64 as the floor; VERP and SRS grow well past it.
pub const LOCAL_PART_BYTES_MAX: usize = 256;
/// Bytes of a domain: RFC 5321 §4.5.3.1.2, and DNS itself has no room for more (RFC 1035 §2.3.4).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Bytes of one label (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// A local-part at a domain; it exists only in legal form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    local: Box<str>,
    domain: Domain,
}

/// Where a mailbox lives. Use [`Domain::parse`]: it is what makes one spelling of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Lower-case A-labels.
    Name(Box<str>),
    /// With its brackets, checked, addresses in canonical form: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
    Literal(Box<str>),
}

/// Why something is no address; the session answers each with the status of the command that it stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a dot-string and not a quoted string.
    #[error("the local-part is malformed")]
    LocalPart,
    /// More than [`LOCAL_PART_BYTES_MAX`].
    #[error("the local-part is too long")]
    LocalPartTooLong,
    /// An address needs one, `<postmaster>` apart.
    #[error("the domain is missing")]
    DomainMissing,
    /// Neither a host name nor internationalized labels that IDNA can encode.
    #[error("the domain is malformed")]
    Domain,
    /// More than [`DOMAIN_BYTES_MAX`].
    #[error("the domain is too long")]
    DomainTooLong,
    /// Neither an IPv4 nor an `IPv6:` address in brackets.
    #[error("the address literal is malformed")]
    Literal,
    /// Brackets missing, a broken source route, or text behind the path.
    #[error("the path is malformed")]
    Path,
    /// More than [`crate::path::PATH_BYTES_MAX`].
    #[error("the path is too long")]
    PathTooLong,
}

/// What was read, and the text behind it.
pub(crate) type Parsed<'a, T> = Result<(T, &'a str), AddressError>;

impl Mailbox {
    /// Reads `local@domain`, without angle brackets.
    ///
    /// # Errors
    /// Says which part is malformed or too long.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, rest) = local_part(text)?;
        let domain = rest.strip_prefix('@').ok_or(AddressError::DomainMissing)?;
        Ok(Self { local, domain: Domain::parse(domain)? })
    }

    /// Joins an unquoted local-part and a domain.
    ///
    /// # Errors
    /// When the local-part is too long or holds control characters, which no quoting can carry.
    pub fn new(local: &str, domain: Domain) -> Result<Self, AddressError> {
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        if local.chars().any(char::is_control) {
            return Err(AddressError::LocalPart);
        }
        Ok(Self { local: local.into(), domain })
    }

    /// Unquoted, in the case that it was written in: only its own host may fold it (RFC 5321 §2.4).
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part behind the last `@`.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it can be written only where SMTPUTF8 is in force (RFC 6531 §3.1); domains are A-labels by then.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }
}

impl Domain {
    /// Reads a host name, internationalized or not, or an address literal.
    ///
    /// # Errors
    /// When it is neither, or too long for DNS.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('[') {
            return literal(text).map(Self::Literal);
        }
        if text.is_empty() {
            return Err(AddressError::DomainMissing);
        }
        let ascii = if text.is_ascii() {
            Cow::Borrowed(text)
        } else {
            // Browsers' mapping, without their deny list: the check below is stricter than any.
            idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY)
                .map_err(|_| AddressError::Domain)?
        };
        if ascii.len() > DOMAIN_BYTES_MAX {
            return Err(AddressError::DomainTooLong);
        }
        if !ascii.split('.').all(is_label) {
            return Err(AddressError::Domain);
        }
        Ok(Self::Name(ascii.to_ascii_lowercase().into_boxed_str()))
    }

    /// As it stands behind the `@`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Literal(text) => text,
        }
    }

    /// The address of a literal.
    #[must_use]
    pub fn literal_address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Literal(text) => literal_address(text),
        }
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=LABEL_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

/// RFC 5321 §4.1.3. Tags other than `IPv6` are for registered standards, of which there are none.
fn literal(text: &str) -> Result<Box<str>, AddressError> {
    let address = literal_address(text).ok_or(AddressError::Literal)?;
    let written = match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    Ok(written.into_boxed_str())
}

fn literal_address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    if let Ok(address) = Ipv4Addr::from_str(inner) {
        return Some(IpAddr::V4(address));
    }
    let (tag, address) = inner.split_at_checked("IPv6:".len())?;
    if !tag.eq_ignore_ascii_case("IPv6:") {
        return None;
    }
    Ipv6Addr::from_str(address).ok().map(IpAddr::V6)
}

/// Reads a dot-string or a quoted string; gives it unquoted, with what follows it.
pub(crate) fn local_part(text: &str) -> Parsed<'_, Box<str>> {
    let (local, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => dot_string(text)?,
    };
    if local.len() > LOCAL_PART_BYTES_MAX {
        return Err(AddressError::LocalPartTooLong);
    }
    if !local.is_ascii() && local.chars().any(char::is_control) {
        return Err(AddressError::LocalPart);
    }
    Ok((local.into(), rest))
}

fn dot_string(text: &str) -> Parsed<'_, Cow<'_, str>> {
    let end = text.bytes().position(|byte| !is_atext(byte) && byte != b'.').unwrap_or(text.len());
    let (local, rest) = text.split_at_checked(end).ok_or(AddressError::LocalPart)?;
    if is_dot_string(local) { Ok((Cow::Borrowed(local), rest)) } else { Err(AddressError::LocalPart) }
}

/// The opening quote is gone already. Gives back the text up to the closing one.
fn quoted_string(text: &str) -> Parsed<'_, Cow<'_, str>> {
    let mut local = String::new();
    let mut characters = text.chars();
    loop {
        let character = match characters.next().ok_or(AddressError::LocalPart)? {
            '"' => return Ok((Cow::Owned(local), characters.as_str())),
            // RFC 5321 §4.1.2 quoted-pairSMTP: printable ASCII alone.
            '\\' => {
                characters.next().filter(|next| matches!(next, ' '..='~')).ok_or(AddressError::LocalPart)?
            }
            other => other,
        };
        if character.is_control() {
            return Err(AddressError::LocalPart);
        }
        local.push(character);
    }
}

fn is_dot_string(local: &str) -> bool {
    !local.is_empty() && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// RFC 5322 §3.2.3, with RFC 6531 §3.3's characters beyond ASCII.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte) || !byte.is_ascii()
}

impl Display for Mailbox {
    /// Quotes the local-part exactly when RFC 5321 §4.1.2 wants it.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(out, "{}@{}", self.local, self.domain);
        }
        out.write_char('"')?;
        for character in self.local.chars() {
            if matches!(character, '"' | '\\') {
                out.write_char('\\')?;
            }
            out.write_char(character)?;
        }
        write!(out, "\"@{}", self.domain)
    }
}

impl Display for Domain {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<&str, AddressError>) {
        let parsed = Mailbox::parse(input);
        assert_eq!(
            parsed.clone().map(|mailbox| mailbox.to_string()),
            expected.map(ToOwned::to_owned),
            "{input:?}"
        );
        if let Ok(mailbox) = parsed {
            assert_eq!(
                Mailbox::parse(&mailbox.to_string()),
                Ok(mailbox),
                "{input:?} does not survive printing"
            );
        }
    }

    #[test]
    fn an_address_comes_in_one_spelling() {
        check("a@b.example", Ok("a@b.example"));
        check("Jo.Doe+tag@B.Example", Ok("Jo.Doe+tag@b.example"));
        check("\"jo\"@b.example", Ok("jo@b.example"));
        check("\"j o\"@b.example", Ok("\"j o\"@b.example"));
        check("\"j\\\"o\\\\\"@b.example", Ok("\"j\\\"o\\\\\"@b.example"));
        check("\"\"@b.example", Ok("\"\"@b.example"));
        check("\"a@b\"@c.example", Ok("\"a@b\"@c.example"));
        check("a@[192.0.2.1]", Ok("a@[192.0.2.1]"));
        check("a@[ipv6:2001:DB8:0:0::1]", Ok("a@[IPv6:2001:db8::1]"));
        check("a@my_host.example", Ok("a@my_host.example"));
        check("jörg@bücher.example", Ok("jörg@xn--bcher-kva.example"));
        check("a@XN--BCHER-KVA.example", Ok("a@xn--bcher-kva.example"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        check("", Err(AddressError::LocalPart));
        check("a", Err(AddressError::DomainMissing));
        check("a@", Err(AddressError::DomainMissing));
        check("@b.example", Err(AddressError::LocalPart));
        check(".a@b.example", Err(AddressError::LocalPart));
        check("a..b@c.example", Err(AddressError::LocalPart));
        check("a.@c.example", Err(AddressError::LocalPart));
        check("a b@c.example", Err(AddressError::DomainMissing));
        check("\"a@c.example", Err(AddressError::LocalPart));
        check("\"a\tb\"@c.example", Err(AddressError::LocalPart));
        check("\"a\\\u{e9}\"@c.example", Err(AddressError::LocalPart));
        check("a\u{85}b@c.example", Err(AddressError::LocalPart));
        check("a@b..example", Err(AddressError::Domain));
        check("a@b.example.", Err(AddressError::Domain));
        check("a@-b.example", Err(AddressError::Domain));
        check("a@b c.example", Err(AddressError::Domain));
        check("a@b@c.example", Err(AddressError::Domain));
        check("a@[300.0.0.1]", Err(AddressError::Literal));
        check("a@[192.0.2.1", Err(AddressError::Literal));
        check("a@[IPv7:2001:db8::1]", Err(AddressError::Literal));
        check("a@[2001:db8::1]", Err(AddressError::Literal));
    }

    #[test]
    fn each_length_is_accepted_at_its_limit_and_refused_past_it() {
        let label = "l".repeat(LABEL_BYTES_MAX);
        let domain = format!("{label}.{label}.{label}.{label}");
        assert_eq!(domain.len(), DOMAIN_BYTES_MAX);
        let local = "a".repeat(LOCAL_PART_BYTES_MAX);
        let longest = format!("{local}@{domain}");
        check(&longest, Ok(&longest));
        check(&format!("a{longest}"), Err(AddressError::LocalPartTooLong));
        check(&format!("\"{local}a\"@b.example"), Err(AddressError::LocalPartTooLong));
        check(&format!("a@{label}l.example"), Err(AddressError::Domain));
        check(&format!("a@x.{domain}"), Err(AddressError::DomainTooLong));
    }

    #[test]
    fn a_local_part_of_a_sink_is_checked() {
        let domain = Domain::parse("b.example").unwrap();
        assert_eq!(Mailbox::new("j o", domain.clone()).unwrap().to_string(), "\"j o\"@b.example");
        assert_eq!(Mailbox::new("a\r\nRSET", domain), Err(AddressError::LocalPart));
    }
}

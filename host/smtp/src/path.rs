//! Paths: what MAIL and RCPT name between angle brackets (RFC 5321 §4.1.2).
//!
//! Source routes are read and dropped (RFC 5321 appendix C). `<postmaster>` may stand without a domain (§2.3.5).

use crate::address::{AddressError, Domain, Mailbox, Parsed, local_part};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// Bytes of a path with its brackets and source route. RFC 5321 §4.5.3.1.3 has 256 as the floor; the longest mailbox that
/// [`crate::address`] takes needs 514, all quoted twice that.
pub const PATH_BYTES_MAX: usize = 1024;

/// Argument of MAIL FROM.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: never answer this with a DSN.
    #[default]
    Null,
    /// Where a DSN goes.
    Mailbox(Mailbox),
}

/// Argument of RCPT TO.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<postmaster>` in any case and without a domain: the host that it is said to.
    Postmaster,
    /// Everybody else.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Reads `<path>` at the start; gives what follows it.
    ///
    /// # Errors
    /// When that is no path.
    pub fn parse(text: &str) -> Parsed<'_, Self> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Ok((Self::Null, rest));
        }
        match path(text)? {
            (ForwardPath::Mailbox(mailbox), rest) => Ok((Self::Mailbox(mailbox), rest)),
            (ForwardPath::Postmaster, _) => Err(AddressError::DomainMissing),
        }
    }

    /// The mailbox, unless it is `<>`.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl ForwardPath {
    /// Reads `<path>` at the start; gives what follows it.
    ///
    /// # Errors
    /// When that is no path, or an empty one.
    pub fn parse(text: &str) -> Parsed<'_, Self> {
        path(text)
    }

    /// The mailbox meant, when `host` is the one that was asked.
    ///
    /// # Errors
    /// Never for a `host` that [`Domain::parse`] made.
    pub fn mailbox_at(self, host: &Domain) -> Result<Mailbox, AddressError> {
        match self {
            Self::Postmaster => Mailbox::new("postmaster", host.clone()),
            Self::Mailbox(mailbox) => Ok(mailbox),
        }
    }
}

fn path(text: &str) -> Parsed<'_, ForwardPath> {
    let inner = without_route(text.strip_prefix('<').ok_or(AddressError::Path)?)?;
    let (local, rest) = local_part(inner)?;
    let Some(rest) = rest.strip_prefix('@') else {
        let rest = rest.strip_prefix('>').ok_or(AddressError::Path)?;
        if !local.eq_ignore_ascii_case("postmaster") {
            return Err(AddressError::DomainMissing);
        }
        return Ok((ForwardPath::Postmaster, rest));
    };
    let (domain, rest) = rest.split_once('>').ok_or(AddressError::Path)?;
    if text.len() - rest.len() > PATH_BYTES_MAX {
        return Err(AddressError::PathTooLong);
    }
    let mailbox = Mailbox::new(&local, Domain::parse(domain)?)?;
    Ok((ForwardPath::Mailbox(mailbox), rest))
}

/// Drops `@a,@b:`: RFC 5321 §4.1.1.3 wants it accepted, checked and ignored.
fn without_route(inner: &str) -> Result<&str, AddressError> {
    if !inner.starts_with('@') {
        return Ok(inner);
    }
    let mut rest = inner;
    loop {
        let hop = rest.strip_prefix('@').ok_or(AddressError::Path)?;
        // A literal has colons of its own.
        let literal = if hop.starts_with('[') { hop.find(']').ok_or(AddressError::Path)? } else { 0 };
        let behind = hop.get(literal..).ok_or(AddressError::Path)?;
        let end = literal + behind.find([',', ':']).ok_or(AddressError::Path)?;
        let (domain, behind) = hop.split_at_checked(end).ok_or(AddressError::Path)?;
        Domain::parse(domain)?;
        match behind.strip_prefix(':') {
            Some(mailbox) => return Ok(mailbox),
            None => rest = behind.strip_prefix(',').ok_or(AddressError::Path)?,
        }
    }
}

impl Display for ReversePath {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("<>"),
            Self::Mailbox(mailbox) => write!(out, "<{mailbox}>"),
        }
    }
}

impl Display for ForwardPath {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => out.write_str("<postmaster>"),
            Self::Mailbox(mailbox) => write!(out, "<{mailbox}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<(&str, &str), AddressError>) {
        let parsed = ForwardPath::parse(input).map(|(path, rest)| (path.to_string(), rest));
        assert_eq!(parsed, expected.map(|(path, rest)| (path.to_owned(), rest)), "{input:?}");
    }

    #[test]
    fn a_path_ends_at_its_own_bracket() {
        check("<a@b.example> SIZE=1", Ok(("<a@b.example>", " SIZE=1")));
        check("<\"a>b\"@c.example>", Ok(("<\"a>b\"@c.example>", "")));
        check("<a@b.example", Err(AddressError::Path));
        check("a@b.example", Err(AddressError::Path));
        check("<a@b.example>>", Ok(("<a@b.example>", ">")));
        check("< a@b.example>", Err(AddressError::LocalPart));
    }

    #[test]
    fn source_routes_are_checked_and_dropped() {
        check("<@x.example:a@b.example>", Ok(("<a@b.example>", "")));
        check("<@x.example,@y.example:a@b.example>", Ok(("<a@b.example>", "")));
        check("<@[IPv6:2001:db8::1],@y.example:a@b.example>", Ok(("<a@b.example>", "")));
        check("<@x.example,y.example:a@b.example>", Err(AddressError::Path));
        check("<@x..example:a@b.example>", Err(AddressError::Domain));
        check("<@x.example>", Err(AddressError::Path));
        check("<@[IPv6:2001:db8::1", Err(AddressError::Path));
    }

    #[test]
    fn postmaster_alone_needs_no_domain() {
        check("<PostMaster>", Ok(("<postmaster>", "")));
        check("<root>", Err(AddressError::DomainMissing));
        check("<>", Err(AddressError::LocalPart));
        let host = Domain::parse("mx.example").unwrap();
        assert_eq!(ForwardPath::Postmaster.mailbox_at(&host).unwrap().to_string(), "postmaster@mx.example");
    }

    #[test]
    fn the_null_path_is_no_mailbox() {
        assert_eq!(ReversePath::parse("<> SIZE=1"), Ok((ReversePath::Null, " SIZE=1")));
        assert_eq!(ReversePath::parse("<postmaster>"), Err(AddressError::DomainMissing));
    }

    #[test]
    fn a_path_past_its_limit_is_refused() {
        let path = |bytes: usize| {
            let (hop, end) = (format!("@{},", "d".repeat(62)), ":a@b.example>");
            let hops = hop.repeat((bytes - end.len()) / hop.len() - 1);
            let last = bytes - "<".len() - hops.len() - "@".len() - end.len();
            let labels = format!("{}.{}", "d".repeat(last / 2), "d".repeat(last - last / 2 - 1));
            format!("<{hops}@{labels}{end}")
        };
        assert_eq!(path(PATH_BYTES_MAX).len(), PATH_BYTES_MAX);
        check(&path(PATH_BYTES_MAX), Ok(("<a@b.example>", "")));
        check(&path(PATH_BYTES_MAX + 1), Err(AddressError::PathTooLong));
    }
}

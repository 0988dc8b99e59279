//! What a sink's author does most with the values of the contract: compare, find, print.

use std::fmt;

use crate::{Address, NextHop, Parameter, ReversePath, Route, TlsPolicy};

impl Address {
    /// Whether the domain is this one, or one below it; ASCII case does not count.
    ///
    /// ```
    /// let address = sluice_sdk::Address { local: "ann".into(), domain: "mail.example.org".into() };
    /// assert!(address.is_within("Example.ORG"));
    /// assert!(!address.is_within("ample.org"));
    /// ```
    #[must_use]
    pub fn is_within(&self, domain: &str) -> bool {
        let Some(start) = self.domain.len().checked_sub(domain.len()) else { return false };
        let (above, below) = (self.domain.get(..start), self.domain.get(start..));
        below.is_some_and(|below| below.eq_ignore_ascii_case(domain))
            && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }
}

/// As it stands between `<` and `>`: the local-part is quoted where RFC 5321 §4.1.2 asks for it.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atoms = self.local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_text));
        if atoms {
            return write!(formatter, "{}@{}", self.local, self.domain);
        }
        let quoted = self.local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(formatter, "\"{quoted}\"@{}", self.domain)
    }
}

/// RFC 5322 §3.2.3 `atext`, and RFC 6531's non-ASCII.
fn is_atom_text(character: char) -> bool {
    character.is_ascii_alphanumeric() || !character.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(character)
}

impl ReversePath {
    /// The mailbox; none for `<>`.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Mailbox(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("<>"),
            Self::Mailbox(address) => write!(formatter, "<{address}>"),
        }
    }
}

impl Parameter {
    /// Whether it is this one; ESMTP keywords have no case (RFC 5321 §2.4).
    ///
    /// ```
    /// let size = sluice_sdk::Parameter { keyword: "SIZE".into(), value: Some("100".into()) };
    /// assert!(size.is("size"));
    /// ```
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }
}

impl Route {
    /// The operator's route of that name; where there is none, the mail exchangers of the domain, in a queue of that name.
    #[must_use]
    pub fn named(queue: &str) -> Self {
        let (queue, hosts) = (queue.to_owned(), Vec::new());
        Self { queue, hosts, pool: None, tls: TlsPolicy::Opportunistic, agent: None }
    }

    /// To these hosts, in order. Grant: `next-hop`.
    ///
    /// ```
    /// use sluice_sdk::Route;
    ///
    /// let route = Route::to("hub", [("mx1.example.org", 25), ("mx2.example.org", 25)]);
    /// assert_eq!(route.hosts.len(), 2);
    /// ```
    #[must_use]
    pub fn to<'a>(queue: &str, hosts: impl IntoIterator<Item = (&'a str, u16)>) -> Self {
        let host = |(name, port): (&str, u16)| NextHop { name: name.to_owned(), port };
        Self { hosts: hosts.into_iter().map(host).collect(), ..Self::named(queue) }
    }

    /// To the installed sink of that name, which exports `on-deliver`.
    #[must_use]
    pub fn agent(queue: &str, sink: &str) -> Self {
        Self { agent: Some(sink.to_owned()), ..Self::named(queue) }
    }

    /// With this much TLS.
    #[must_use]
    pub fn with_tls(self, tls: TlsPolicy) -> Self {
        Self { tls, ..self }
    }

    /// From the source addresses of that name in the operator's configuration.
    #[must_use]
    pub fn from_pool(self, pool: &str) -> Self {
        Self { pool: Some(pool.to_owned()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(local: &str, expected: &str) {
        let address = Address { local: local.to_owned(), domain: "example.org".to_owned() };
        assert_eq!(ReversePath::Mailbox(address).to_string(), expected);
    }

    #[test]
    fn a_local_part_of_atoms_stands_as_it_is() {
        check("ann.lee+news", "<ann.lee+news@example.org>");
    }

    #[test]
    fn any_other_local_part_is_quoted() {
        check("ann lee", "<\"ann lee\"@example.org>");
        check("a\"b\\c", "<\"a\\\"b\\\\c\"@example.org>");
        check("a..b", "<\"a..b\"@example.org>");
    }

    #[test]
    fn the_null_reverse_path_has_no_address() {
        assert_eq!((ReversePath::Null.address(), ReversePath::Null.to_string()), (None, "<>".to_owned()));
    }
}

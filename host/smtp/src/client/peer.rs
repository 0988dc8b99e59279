//! What a peer offers (RFC 5321 §4.1.1.1), and which parameters may be sent to it.
//!
//! Promises that a parameter goes out only where the extension that it belongs to is offered; those that nobody here knows
//! belong to the keyword of their own name. Lines that are no keyword are passed over: they can only offer less.

use crate::facts::Greeting;
use crate::parameters::{Parameter, is_keyword};
use crate::reply::Reply;

/// A host that has answered our greeting; of one that has not yet, nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    greeting: Option<Greeting>,
    keywords: Vec<Keyword>,
}

/// A line of an EHLO reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyword {
    /// In upper case.
    keyword: Box<str>,
    /// As they came.
    arguments: Box<str>,
}

impl Peer {
    /// One that took HELO: no extensions.
    pub(crate) fn of_helo() -> Self {
        Self { greeting: Some(Greeting::Helo), keywords: Vec::new() }
    }

    /// Reads the positive reply to EHLO or LHLO. Of a keyword that comes twice the first line counts.
    pub(crate) fn of_ehlo(greeting: Greeting, reply: &Reply) -> Self {
        let mut keywords: Vec<Keyword> = Vec::new();
        for line in reply.lines().skip(1) {
            let (keyword, arguments) = line.trim_ascii().split_once(' ').unwrap_or((line.trim_ascii(), ""));
            let keyword = keyword.to_ascii_uppercase();
            if is_keyword(&keyword) && keywords.iter().all(|known| *known.keyword != *keyword) {
                keywords.push(Keyword { keyword: keyword.into(), arguments: arguments.trim_ascii().into() });
            }
        }
        Self { greeting: Some(greeting), keywords }
    }

    /// How we greeted it.
    #[must_use]
    pub fn greeting(&self) -> Option<Greeting> {
        self.greeting
    }

    /// In the order of the reply.
    pub fn keywords(&self) -> impl Iterator<Item = &Keyword> {
        self.keywords.iter()
    }

    /// Whether a keyword, given in upper case, is offered.
    #[must_use]
    pub fn offers(&self, keyword: &str) -> bool {
        self.arguments(keyword).is_some()
    }

    /// What stands behind a keyword, given in upper case.
    #[must_use]
    pub fn arguments(&self, keyword: &str) -> Option<&str> {
        let found = self.keywords.iter().find(|known| &*known.keyword == keyword);
        found.map(|known| &*known.arguments)
    }

    /// Bytes of the largest message that it takes (RFC 1870 §3); `None` where it does not say, which 0 means too.
    #[must_use]
    pub fn message_bytes_max(&self) -> Option<u64> {
        self.arguments("SIZE")?.parse().ok().filter(|size| *size > 0)
    }

    /// Whether it takes this SASL mechanism.
    #[must_use]
    pub fn takes_mechanism(&self, name: &str) -> bool {
        let mut offered = self.arguments("AUTH").unwrap_or_default().split(' ');
        offered.any(|mechanism| mechanism.eq_ignore_ascii_case(name))
    }

    /// Whether a parameter of MAIL or RCPT may be sent to it.
    #[must_use]
    pub fn takes(&self, parameter: &Parameter) -> bool {
        let keyword = match parameter.keyword() {
            // RFC 6152 §2, RFC 3461 §4, RFC 2852 §4, RFC 4865 §3.
            "BODY" => "8BITMIME",
            "NOTIFY" | "ORCPT" | "RET" | "ENVID" => "DSN",
            "BY" => "DELIVERBY",
            "HOLDFOR" | "HOLDUNTIL" => "FUTURERELEASE",
            own => own,
        };
        self.offers(keyword)
    }
}

impl Keyword {
    /// In upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// As they came; empty when there are none.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(lines: &[&str]) -> Peer {
        let lines = std::iter::once("mx.example").chain(lines.iter().copied());
        Peer::of_ehlo(Greeting::Ehlo, &Reply::with_lines(250, None, lines))
    }

    #[test]
    fn keywords_have_no_case_and_come_once() {
        let peer = peer(&["size 1000", "SIZE 5", "pipelining", "-X", "a b=c", "", "=?", "AUTH login  PLAIN"]);
        let keywords: Vec<&str> = peer.keywords().map(Keyword::keyword).collect();
        assert_eq!(keywords, ["SIZE", "PIPELINING", "A", "AUTH"]);
        assert_eq!((peer.message_bytes_max(), peer.arguments("A")), (Some(1000), Some("b=c")));
        assert!(peer.takes_mechanism("plain") && peer.takes_mechanism("LOGIN"));
        assert!(!peer.takes_mechanism("SCRAM-SHA-256") && !peer.offers("MX"));
    }

    #[test]
    fn a_size_of_nothing_is_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE -1", "SIZE 99999999999999999999", "X"] {
            assert_eq!(peer(&[line]).message_bytes_max(), None, "{line}");
        }
    }

    #[test]
    fn a_parameter_goes_with_its_extension() {
        let takes = |lines: &[&str], text: &str| peer(lines).takes(&Parameter::parse(text).unwrap());
        assert!(takes(&["8BITMIME"], "BODY=8BITMIME") && !takes(&["BODY"], "BODY=8BITMIME"));
        assert!(
            takes(&["DSN"], "RET=HDRS") && takes(&["DSN"], "ORCPT=rfc822;a") && !takes(&[], "NOTIFY=NEVER")
        );
        assert!(takes(&["XFOO"], "XFOO=1") && !takes(&["XBAR"], "XFOO=1"));
        assert!(takes(&["DELIVERBY 60"], "BY=120;R") && !takes(&["DSN"], "BY=120;R"));
    }
}

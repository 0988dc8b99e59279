//! Where a message goes next: the value that routing decides, sinks choose and the queue stores.
//!
//! Promises that a queue's name fits a log, a metric and a path. Leaves out what a name of the configuration stands for: an
//! entry stores the name alone, so that a route that the operator changes holds for the mail that already waits.

use crate::address::Domain;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

/// Bytes of a queue's name; a domain is the longest that there is a use for (RFC 1035 §2.3.4).
pub const QUEUE_NAME_BYTES_MAX: usize = 255;
/// Hosts that one route names; beyond a few, a name with several addresses does the same. Ours.
pub const ROUTE_HOSTS_MAX: usize = 32;

/// Groups what shares connections and limits: a domain, a route of the configuration, or a name of a sink's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct QueueName(Arc<str>);

/// Why a text names no queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a queue's name has 1 to {QUEUE_NAME_BYTES_MAX} bytes of letters, digits and `.-_:[]`")]
pub struct QueueNameError;

/// The next hop of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// What it shares connections and limits with.
    pub queue: QueueName,
    /// Who takes it.
    pub to: NextHop,
    /// The operator's name for the source addresses to connect from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// How much TLS is asked for.
    #[serde(default)]
    pub tls: TlsPolicy,
}

/// Who takes a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextHop {
    /// The mailboxes of this server.
    Mailboxes,
    /// Whatever the configuration says of the route that has the queue's name.
    Configured,
    /// The mail exchangers of a domain (RFC 5321 §5.1).
    Exchangers(Domain),
    /// These, in order.
    Hosts(Vec<Host>),
    /// The sink of this installation (on-deliver).
    Agent(String),
}

/// A server by its name and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Host {
    /// A name, or an address literal.
    pub name: Domain,
    /// TCP.
    pub port: u16,
}

/// How much TLS a connection must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPolicy {
    /// Where it is offered, with any certificate (RFC 7435).
    #[default]
    Opportunistic,
    /// A certificate that verifies for the host's name, or nothing is sent.
    Required,
    /// As the TLSA records say (RFC 7672).
    Dane,
    /// In clear even where TLS is offered.
    None,
}

/// What a recipient was found to be, where a sink or the configuration said more than the domain's owner does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// As its domain has it: a mailbox where it is one of ours, else another server's.
    #[default]
    ByDomain,
    /// A mailbox here; the name is that of another local-part than the address has, where there is one.
    Mailbox(Option<String>),
    /// Another server's, though the domain is one of ours.
    Remote,
}

impl QueueName {
    /// Checks a name; letters are made lower case.
    ///
    /// # Errors
    /// When it is empty, too long, or has other bytes.
    pub fn parse(text: &str) -> Result<Self, QueueNameError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if text.is_empty() || text.len() > QUEUE_NAME_BYTES_MAX || !text.bytes().all(legal) {
            return Err(QueueNameError);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The queue of a domain's own exchangers.
    #[must_use]
    pub fn of(domain: &Domain) -> Self {
        Self(domain.as_str().into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for QueueName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for QueueName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Route {
    /// To the mail exchangers of a domain, with TLS where it is offered.
    #[must_use]
    pub fn exchangers(domain: Domain) -> Self {
        let queue = QueueName::of(&domain);
        Self { queue, to: NextHop::Exchangers(domain), pool: None, tls: TlsPolicy::default() }
    }

    /// As the configuration says under a name.
    #[must_use]
    pub fn configured(queue: QueueName) -> Self {
        Self { queue, to: NextHop::Configured, pool: None, tls: TlsPolicy::default() }
    }
}

impl TlsPolicy {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Opportunistic => "opportunistic",
            Self::Required => "required",
            Self::Dane => "dane",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let parsed = QueueName::parse(text).ok();
        assert_eq!(parsed.as_ref().map(QueueName::as_str), expected, "{text:?}");
    }

    #[test]
    fn a_queue_has_a_name_that_fits_everywhere() {
        check("Example.ORG", Some("example.org"));
        check("[ipv6:2001:db8::1]", Some("[ipv6:2001:db8::1]"));
        check("", None);
        check("a/b", None);
        check("a b", None);
        check(&"a".repeat(QUEUE_NAME_BYTES_MAX), Some(&"a".repeat(QUEUE_NAME_BYTES_MAX)));
        check(&"a".repeat(QUEUE_NAME_BYTES_MAX + 1), None);
    }

    #[test]
    fn the_queue_of_a_domain_is_a_legal_name() {
        for domain in ["example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "bücher.example"] {
            let domain = Domain::parse(domain).unwrap();
            assert!(QueueName::parse(QueueName::of(&domain).as_str()).is_ok(), "{domain}");
        }
    }
}

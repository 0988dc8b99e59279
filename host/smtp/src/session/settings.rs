//! What the operator sets for the sessions of a listener.

use crate::address::Domain;
use crate::client::Mechanism;
use crate::facts::Protocol;
use crate::limits::Limits;

/// Shared by all sessions of a listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What we call ourselves in replies, and the domain of `<postmaster>`.
    pub host_name: Domain,
    /// What is spoken.
    pub protocol: Protocol,
    /// What a client may do to us.
    pub limits: Limits,
    /// What becomes of content with a CR or LF that stands alone.
    pub bare_newlines: BareNewlines,
    /// When its sessions are encrypted.
    pub encryption: Encryption,
    /// How clients may prove who they are.
    pub authentication: Authentication,
}

/// How clients may prove who they are; the default is that they can't.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    mechanisms: Vec<Mechanism>,
    /// None where no client can.
    in_clear: Option<ClearPasswords>,
}

/// Whether anybody proves who they are without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClearPasswords {
    /// Nobody does.
    #[default]
    Refused,
    /// The network is trusted.
    Allowed,
}

impl Authentication {
    /// By these, in this order, and by those that sinks have.
    #[must_use]
    pub fn new(mechanisms: Vec<Mechanism>, in_clear: ClearPasswords) -> Self {
        Self { mechanisms, in_clear: Some(in_clear) }
    }

    pub(crate) fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.in_clear.is_some()
    }

    pub(crate) fn is_in_clear(&self) -> bool {
        self.in_clear == Some(ClearPasswords::Allowed)
    }
}

/// When a session is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Never: there is no certificate.
    #[default]
    Never,
    /// When the client likes (RFC 3207).
    Offered,
    /// Before anything else is served (RFC 3207 §4); not for mail exchangers, which anybody must reach.
    Required,
    /// From the first byte (RFC 8314 §3.3).
    Implicit,
}

/// A CR or LF that stands alone in content (RFC 5321 §2.3.8). In neither case does one end a line, a command or the data:
/// a peer that reads it differently is what smuggling needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewlines {
    /// 554 to the dot.
    #[default]
    Reject,
    /// Kept as it came.
    Accept,
}

impl Settings {
    /// The defaults, under this name.
    #[must_use]
    pub fn new(host_name: Domain) -> Self {
        Self {
            host_name,
            protocol: Protocol::Smtp,
            limits: Limits::default(),
            bare_newlines: BareNewlines::default(),
            encryption: Encryption::default(),
            authentication: Authentication::default(),
        }
    }
}

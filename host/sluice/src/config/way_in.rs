//! The way in: listeners, who the server proves to be, and whether clients log in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sample::{Shape, Shaped, settings};

settings! {
    /// A place where clients connect.
    pub struct Listener {
        /// Address and port; port 0 takes any that is free.
        pub address: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 25)),
        /// `smtp`: mail between servers. `submission`: mail of our own users, on ports 587 and 465 (RFC 6409): they log in first, and
        /// what a message lacks is added. `lmtp`: mail of servers of our own, with a reply for each recipient (RFC 2033).
        pub protocol: Protocol = Protocol::Smtp,
        /// `offered`: STARTTLS, once there is a certificate. `required`: nothing else before it; not for port 25, which anybody must
        /// reach (RFC 3207 §4). `implicit`: from the first byte, as on port 465. `off`: never.
        pub tls: ListenerTls = ListenerTls::Offered,
        /// `ignored`, or `asked`: sinks see the certificate that a client has, and whether a CA of `client_ca_file` signed it. None is
        /// needed to come in.
        pub client_certificates: ClientCertificates = ClientCertificates::Ignored,
        /// The CAs of clients, in PEM; read at the start.
        pub client_ca_file: Option<PathBuf> = None,
        /// Whether clients may log in: `off`, `encrypted` behind TLS alone, or `clear` where nobody can listen. Absent: `encrypted` for
        /// `submission`, else `off`.
        pub authentication: Option<ListenerAuthentication> = None,
        /// Networks of proxies that tell whom they speak for, by the PROXY protocol (version 1 or 2), before anything else. Nobody else is
        /// believed.
        pub proxies: Vec<String> = Vec::new(),
        /// Whose listener this is: the tenant's sinks are asked from the first moment. Absent: known at the first recipient.
        pub tenant: Option<String> = None,
        /// What becomes of a message with a CR or LF that stands alone: `reject`, or `accept` as it came. Neither ends a message.
        pub bare_newlines: BareNewlines = BareNewlines::Reject,
    }
}

settings! {
    /// A certificate and its key; both files are read again when they change.
    pub struct Certificate {
        /// The certificate and those that lead to its CA, in PEM.
        pub chain: PathBuf = PathBuf::from("/etc/sluice/chain.pem"),
        /// Its private key, in PEM; nobody else should be able to read it.
        pub key: PathBuf = PathBuf::from("/etc/sluice/key.pem"),
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 6409.
    Submission,
    /// RFC 2033.
    Lmtp,
}

/// Whether clients of a listener may log in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerAuthentication {
    /// Never.
    Off,
    /// Behind TLS.
    Encrypted,
    /// In clear too.
    Clear,
}

/// When the sessions of a listener are encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerTls {
    /// Never.
    Off,
    /// When the client sends STARTTLS.
    Offered,
    /// Before anything else is served.
    Required,
    /// From the first byte.
    Implicit,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not.
    Ignored,
    /// They are, and may have none.
    Asked,
}

/// What becomes of a CR or LF that stands alone in a message (RFC 5321 §2.3.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNewlines {
    /// 554 to the dot.
    Reject,
    /// Kept as it came.
    Accept,
}

impl Listener {
    /// Whether its clients may log in.
    #[must_use]
    pub fn authentication(&self) -> ListenerAuthentication {
        self.authentication.unwrap_or(match self.protocol {
            Protocol::Smtp | Protocol::Lmtp => ListenerAuthentication::Off,
            Protocol::Submission => ListenerAuthentication::Encrypted,
        })
    }
}

impl From<Protocol> for smtp::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Smtp => Self::Smtp,
            Protocol::Submission => Self::Submission,
            Protocol::Lmtp => Self::Lmtp,
        }
    }
}

macro_rules! values {
    ($($name:ident)*) => {$(
        impl Shaped for $name {
            fn shape() -> Shape {
                Shape::Value
            }
        }
    )*};
}

values! { Protocol ListenerTls ClientCertificates BareNewlines }

impl Shaped for Option<ListenerAuthentication> {
    fn shape() -> Shape {
        Shape::Optional("\"encrypted\"")
    }
}

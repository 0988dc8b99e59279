//! What sinks may know of a session to another server, and of the message that a report speaks of.

use std::net::SocketAddr;
use std::sync::Arc;

use smtp::client::Keyword;
use smtp::{QueueName, Recipient};

/// A session in which this server is the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFacts {
    /// ULID.
    pub session_id: String,
    /// What the session works for.
    pub queue: QueueName,
    /// The peer's name, as routing or DNS gave it.
    pub host: String,
    /// The peer's end.
    pub peer: Option<SocketAddr>,
    /// Our end.
    pub source: Option<SocketAddr>,
    /// What the peer's last EHLO offered.
    pub extensions: Vec<Keyword>,
    /// None in clear.
    pub tls: Option<RemoteTls>,
}

/// What the handshake with a peer agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTls {
    /// `TLSv1.3`.
    pub version: String,
    /// In IANA's spelling.
    pub cipher: String,
}

/// The message that a DSN or a report speaks of.
#[derive(Clone, Debug)]
pub struct Original {
    /// ULID of our entry, where it was one.
    pub id: Option<String>,
    /// Whom the report is about, with what became of them.
    pub recipients: Arc<[Recipient]>,
    /// The header section of it, where it is known.
    pub header: Option<message::Draft>,
}

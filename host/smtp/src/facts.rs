//! What is known of a session: stored with each entry that it brought, read by sinks in every later event.
//!
//! Promises plain values that outlive the session. Leaves out what the host measures of itself.

use crate::parameters::Smtputf8;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything that later events may want to know of the session that a message came by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// ULID.
    pub session_id: String,
    /// The listener's name in the configuration.
    pub listener: Arc<str>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What we call ourselves.
    pub host_name: Arc<str>,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// The client's end.
    pub remote: Option<SocketAddr>,
    /// The proxy that announced `remote`, if one did.
    pub proxy: Option<SocketAddr>,
    /// How the client greeted, once it did and was answered 250.
    pub greeting: Option<Greeting>,
    /// What the client called itself then.
    pub helo_name: Option<String>,
    /// None in clear.
    pub tls: Option<TlsFacts>,
    /// Who the client proved to be.
    pub authenticated: Option<Identity>,
    /// Sessions of this client address at this moment.
    pub connections: u32,
    /// Messages that this session was answered 250 for.
    pub messages: u32,
    /// Commands of this session that broke the protocol.
    pub errors: u32,
    /// Whether the current transaction, or the one that the entry came by, asked for RFC 6531.
    pub smtputf8: Smtputf8,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Between servers.
    Smtp,
    /// From our own users (RFC 6409).
    Submission,
    /// RFC 2033.
    Lmtp,
}

/// The verb of the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// No extensions.
    Helo,
    /// Extensions.
    Ehlo,
    /// LMTP's EHLO.
    Lhlo,
}

/// What the handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// In IANA's spelling.
    pub cipher: String,
    /// SNI.
    pub server_name: Option<String>,
    /// DER.
    pub client_certificate: Option<Vec<u8>>,
    /// Whether that certificate was verified.
    pub client_verified: bool,
}

/// Who, and proved how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The authorization identity.
    pub name: String,
    /// The SASL mechanism.
    pub mechanism: String,
}

impl Facts {
    /// Of a session that has only begun.
    #[must_use]
    pub fn new(session_id: String, listener: Arc<str>, host_name: Arc<str>) -> Self {
        Self {
            session_id,
            listener,
            protocol: Protocol::Smtp,
            host_name,
            local: None,
            remote: None,
            proxy: None,
            greeting: None,
            helo_name: None,
            tls: None,
            authenticated: None,
            connections: 1,
            messages: 0,
            errors: 0,
            smtputf8: Smtputf8::Absent,
        }
    }

    /// The `with` word of a Received field: RFC 3848, and RFC 6531 §4.3 for SMTPUTF8. There is none for TLS or AUTH under
    /// HELO, which offers neither; a HELO inside implicit TLS stays `SMTP`.
    #[must_use]
    pub fn with_word(&self) -> &'static str {
        let lmtp = self.greeting == Some(Greeting::Lhlo);
        if !lmtp && self.greeting != Some(Greeting::Ehlo) {
            return "SMTP";
        }
        let utf8 = self.smtputf8 == Smtputf8::Asked;
        match (utf8, lmtp, self.tls.is_some(), self.authenticated.is_some()) {
            (false, false, false, false) => "ESMTP",
            (false, false, false, true) => "ESMTPA",
            (false, false, true, false) => "ESMTPS",
            (false, false, true, true) => "ESMTPSA",
            (false, true, false, false) => "LMTP",
            (false, true, false, true) => "LMTPA",
            (false, true, true, false) => "LMTPS",
            (false, true, true, true) => "LMTPSA",
            (true, false, false, false) => "UTF8SMTP",
            (true, false, false, true) => "UTF8SMTPA",
            (true, false, true, false) => "UTF8SMTPS",
            (true, false, true, true) => "UTF8SMTPSA",
            (true, true, false, false) => "UTF8LMTP",
            (true, true, false, true) => "UTF8LMTPA",
            (true, true, true, false) => "UTF8LMTPS",
            (true, true, true, true) => "UTF8LMTPSA",
        }
    }
}

impl Protocol {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
        }
    }
}

impl Greeting {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Helo => "helo",
            Self::Ehlo => "ehlo",
            Self::Lhlo => "lhlo",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts::new("01J".to_owned(), "mx".into(), "mx.example".into())
    }

    fn check(greeting: Option<Greeting>, change: impl Fn(&mut Facts), expected: &str) {
        let mut facts = Facts { greeting, ..facts() };
        change(&mut facts);
        assert_eq!(facts.with_word(), expected);
    }

    fn tls(facts: &mut Facts) {
        facts.tls = Some(TlsFacts {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            server_name: None,
            client_certificate: None,
            client_verified: false,
        });
    }

    fn identity(facts: &mut Facts) {
        facts.authenticated = Some(Identity { name: "jo".to_owned(), mechanism: "PLAIN".to_owned() });
    }

    #[test]
    fn the_with_word_is_rfc_3848s() {
        check(None, |_| (), "SMTP");
        check(Some(Greeting::Helo), tls, "SMTP");
        check(Some(Greeting::Ehlo), |_| (), "ESMTP");
        check(Some(Greeting::Ehlo), tls, "ESMTPS");
        check(Some(Greeting::Ehlo), identity, "ESMTPA");
        let both = |facts: &mut Facts| {
            tls(facts);
            identity(facts);
        };
        check(Some(Greeting::Ehlo), both, "ESMTPSA");
        check(Some(Greeting::Lhlo), both, "LMTPSA");
        check(Some(Greeting::Ehlo), |facts| facts.smtputf8 = Smtputf8::Asked, "UTF8SMTP");
    }
}

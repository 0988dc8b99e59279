//! What the operator sets for sessions to other hosts, and what a peer may do to them.
//!
//! Promises waits at or above RFC 5321 §4.5.3.2's. Leaves out what belongs to one session: name, password, nonce.

use crate::address::Domain;
use std::time::Duration;

/// Shared by all sessions of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What we call ourselves in EHLO, unless a sink names another.
    pub greet_as: Domain,
    /// What the peer speaks.
    pub protocol: Protocol,
    /// Whether the session has to be encrypted.
    pub tls: TlsPolicy,
    /// Whether a password may be sent without encryption.
    pub clear_passwords: ClearPasswords,
    /// What becomes of content with a CR or LF that stands alone.
    pub bare_newlines: BareNewlines,
    /// What a peer may do to us.
    pub limits: Limits,
}

/// What a next hop speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RFC 5321, or submission (RFC 6409), which is the same for us.
    #[default]
    Smtp,
    /// RFC 2033: LHLO, and a reply for each accepted recipient behind the dot.
    Lmtp,
}

/// Whether STARTTLS (RFC 3207) is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsPolicy {
    /// Not even where it is offered: what is left for a host whose handshake has failed.
    Never,
    /// Where it is offered; a peer that then refuses it is spoken to in clear (RFC 7435).
    #[default]
    IfOffered,
    /// Nothing is sent in clear behind EHLO.
    Required,
}

/// Whether AUTH may show a password to whoever listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClearPasswords {
    /// PLAIN and LOGIN inside TLS alone (RFC 4954 §4).
    #[default]
    Never,
    /// For a host on the same machine or in a tunnel.
    Allowed,
}

/// A CR or LF that stands alone in content (RFC 5321 §2.3.8). It never goes out as it is: a peer that takes one for the end
/// of a line is what smuggling needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewlines {
    /// Each becomes CRLF, as every mail program that shows it would.
    #[default]
    Normalize,
    /// The message fails, with its signatures unbroken.
    Refuse,
}

/// Limits of one session; any value is fine, a small one only gives up sooner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A line of a reply with its end. RFC 5321 §4.5.3.1.5 has 512; Postfix reads 2,048, since servers write longer ones.
    pub reply_line_bytes_max: usize,
    /// Lines of one reply; our choice. An EHLO reply has about twenty.
    pub reply_lines_max: usize,
    /// Bytes of one reply, all lines; our choice.
    pub reply_bytes_max: usize,
    /// Commands that are not answered yet; our choice. Their replies have to fit into the buffers of two hosts, or both
    /// would wait for the other to read (RFC 2920 §3.1).
    pub pipelined_commands_max: usize,
    /// Verbs that sinks may send in one session; our choice.
    pub own_commands_max: u32,
    /// Bytes of what goes behind such a verb once the peer answered 3xx; our choice.
    pub own_payload_bytes_max: usize,
    /// Wait for the greeting. RFC 5321 §4.5.3.2.1: 5 minutes.
    pub greeting_wait_max: Duration,
    /// Wait for the reply to EHLO, STARTTLS, AUTH, RSET and verbs of sinks, which RFC 5321 has no number for: as for MAIL.
    pub command_wait_max: Duration,
    /// Wait for the reply to MAIL. RFC 5321 §4.5.3.2.2: 5 minutes.
    pub mail_wait_max: Duration,
    /// Wait for the reply to RCPT. RFC 5321 §4.5.3.2.3: 5 minutes.
    pub rcpt_wait_max: Duration,
    /// Wait for the 354 to DATA. RFC 5321 §4.5.3.2.4: 2 minutes.
    pub data_wait_max: Duration,
    /// Wait until the peer took a block of content. RFC 5321 §4.5.3.2.5: 3 minutes.
    pub block_wait_max: Duration,
    /// Wait for the reply to the dot; for LMTP for each of them. RFC 5321 §4.5.3.2.6: 10 minutes.
    pub dot_wait_max: Duration,
    /// Wait for the reply to QUIT, which changes nothing any more; our choice.
    pub quit_wait_max: Duration,
}

impl Settings {
    /// The defaults, under this name.
    #[must_use]
    pub fn new(greet_as: Domain) -> Self {
        Self {
            greet_as,
            protocol: Protocol::default(),
            tls: TlsPolicy::default(),
            clear_passwords: ClearPasswords::default(),
            bare_newlines: BareNewlines::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reply_line_bytes_max: 2_048,
            reply_lines_max: 128,
            reply_bytes_max: 32 * 1_024,
            pipelined_commands_max: 64,
            own_commands_max: 64,
            own_payload_bytes_max: 64 * 1_024,
            greeting_wait_max: Duration::from_mins(5),
            command_wait_max: Duration::from_mins(5),
            mail_wait_max: Duration::from_mins(5),
            rcpt_wait_max: Duration::from_mins(5),
            data_wait_max: Duration::from_mins(2),
            block_wait_max: Duration::from_mins(3),
            dot_wait_max: Duration::from_mins(10),
            quit_wait_max: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stand_at_or_above_those_of_the_rfc() {
        let limits = Limits::default();
        assert!(limits.reply_line_bytes_max >= 512);
        assert!(limits.greeting_wait_max >= Duration::from_mins(5));
        assert!(limits.mail_wait_max >= Duration::from_mins(5));
        assert!(limits.rcpt_wait_max >= Duration::from_mins(5));
        assert!(limits.data_wait_max >= Duration::from_mins(2));
        assert!(limits.block_wait_max >= Duration::from_mins(3));
        assert!(limits.dot_wait_max >= Duration::from_mins(10));
    }
}

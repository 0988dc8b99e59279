//! Composes a DSN (RFC 3461, RFC 3464, RFC 6522; RFC 6533 where addresses or header fields are UTF-8).
//!
//! Promises a multipart/report of exactly three parts whatever a peer, a client or the original said: plain words, the
//! fields for programs, and what comes back of the original. The original is not copied: a [`Dsn`] is what stands in front of
//! its bytes and behind them. Leaves out who is owed one, and when: this crate knows no envelope.

mod fields;
mod returned;
mod words;

use std::net::IpAddr;

use crate::trace::date;

pub use returned::{RETURNED_BYTES_MAX, RETURNED_HEADER_BYTES_MAX, Return, Returned, ReturnedKind, returned};

/// Bytes of one address, name or line of a reply in a DSN, past which it is cut. Longer than any that we accept, and short
/// enough that a field of one word stays inside RFC 5322 §2.1.1's line.
pub const WORD_BYTES_MAX: usize = 900;
/// Lines of a reply that are quoted. What a server has to say fits into three; a peer may send 128.
pub const REPLY_LINES_MAX: usize = 10;
/// Bytes of a reply that are quoted, its lines together; Postfix keeps as much of a peer's text as fits into 2 KiB.
pub const REPLY_BYTES_MAX: usize = 2 * 1024;
/// Groups of recipients with the same fate that are told of in words. The fields for programs name every recipient.
pub const FATES_TOLD_MAX: usize = 100;

/// What a DSN is about.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Our own name.
    pub host_name: &'a str,
    /// The queue id of the DSN.
    pub id: &'a str,
    /// The queue id of the original, for the postmaster.
    pub original_id: &'a str,
    /// The reverse-path of the original.
    pub to: &'a str,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now: u64,
    /// When the original came, likewise.
    pub arrived: u64,
    /// ENVID (RFC 3461 §4.4), decoded.
    pub envelope_id: Option<&'a str>,
    /// Those that there is something to tell of; at least one.
    pub recipients: &'a [ReportedRecipient],
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// Where it went in the end.
    pub address: String,
    /// What the sender called it.
    pub original: Option<OriginalRecipient>,
    /// The outcome.
    pub action: Action,
    /// The status, where no reply tells it: an expiry, a decision of ours.
    pub status: Option<Status>,
    /// Why, in words of ours, where there are any.
    pub reason: Option<String>,
    /// The host that replied, or could not be reached; none for this one.
    pub remote: Option<String>,
    /// What was replied.
    pub reply: Option<ReportedReply>,
    /// When it was tried last, in milliseconds as above.
    pub last_attempt: Option<u64>,
    /// When it will be given up; only of what is delayed.
    pub retry_until: Option<u64>,
}

/// RFC 3464 §2.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8`: RFC 3461 §4.2's address type.
    pub kind: String,
    /// Decoded.
    pub address: String,
}

/// A reply as it is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedReply {
    /// Three digits.
    pub code: u16,
    /// What the host added to it.
    pub status: Option<Status>,
    /// At least one.
    pub lines: Vec<String>,
}

/// RFC 3463.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u8,
    /// What part of the system it is about.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

/// RFC 3464 §2.3.3, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Given up.
    Failed,
    /// Late, and still tried.
    Delayed,
    /// In its mailbox.
    Delivered,
    /// Handed to a host that will not report.
    Relayed,
    /// Sent on to the members of a list.
    Expanded,
}

/// A DSN around the returned bytes of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// From the header section to where the original's bytes begin.
    pub head: String,
    /// What follows them.
    pub tail: String,
    /// Whether a peer must take more than ASCII for it.
    pub needs: Needs,
}

/// What a peer must offer to take a DSN as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    SevenBit,
    /// 8BITMIME (RFC 6152).
    EightBit,
    /// SMTPUTF8 (RFC 6531): it is addressed to an address that is not ASCII.
    Smtputf8,
}

/// Composes it; `returned` is what [`returned()`] found, `bytes` are those of its range.
pub fn compose(report: &Report<'_>, returned: &Returned, bytes: &[u8]) -> Dsn {
    let text = words::text(report, returned);
    let status = fields::status(report);
    let boundary = boundary(report.id, &[text.as_bytes(), status.as_bytes(), bytes]);
    let needs = if !report.to.is_ascii() {
        Needs::Smtputf8
    } else if text.is_ascii() && status.is_ascii() && bytes.is_ascii() {
        Needs::SevenBit
    } else {
        Needs::EightBit
    };
    let mut head = fields::head(report, &boundary);
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    begin_part(&mut head, &boundary, &format!("text/plain; charset={charset}"), text.as_bytes());
    head.push_str(&text);
    let kind = if status.is_ascii() { "message/delivery-status" } else { "message/global-delivery-status" };
    begin_part(&mut head, &boundary, kind, status.as_bytes());
    head.push_str(&status);
    begin_part(&mut head, &boundary, returned.kind.media_type(), bytes);
    Dsn { head, tail: format!("\r\n--{boundary}--\r\n"), needs }
}

/// The delimiter, header section and empty line of a part.
fn begin_part(out: &mut String, boundary: &str, media_type: &str, content: &[u8]) {
    let encoding = if content.is_ascii() { "7bit" } else { "8bit" };
    out.push_str("\r\n--");
    out.push_str(boundary);
    out.push_str("\r\nContent-Type: ");
    out.push_str(media_type);
    out.push_str("\r\nContent-Transfer-Encoding: ");
    out.push_str(encoding);
    out.push_str("\r\n\r\n");
}

/// A boundary that stands in none of the parts. It begins with the random end of the id, so that no original can be written
/// with a boundary that this one begins with, which sloppy readers take for the same.
fn boundary(id: &str, parts: &[&[u8]]) -> String {
    let seed: String = id.chars().rev().filter(char::is_ascii_alphanumeric).take(40).collect();
    let candidates = (0_u32..).map(|number| format!("{seed}=_{number}"));
    let is_free = |candidate: &String| {
        parts.iter().all(|part| memchr::memmem::find(part, candidate.as_bytes()).is_none())
    };
    // Parts of n bytes hold fewer than n candidates, so one of the first n is free.
    candidates.into_iter().find(is_free).unwrap_or(seed)
}

/// `dns; name`, or the address literal of a host without a name; what could end the field is gone.
pub(crate) fn host(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => clean(name).replace(' ', "?"),
    }
}

/// Control characters become `?`, and what is too long is cut.
pub(crate) fn clean(text: &str) -> String {
    let end = text.floor_char_boundary(WORD_BYTES_MAX);
    text.get(..end).unwrap_or_default().replace(is_unprintable, "?")
}

/// Beside control characters the line ends of Unicode, which some readers heed, and marks that turn the writing direction.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Action {
    /// The word of RFC 3464.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// The class of its status (RFC 3463 §3.1).
    fn class(self) -> u8 {
        match self {
            Self::Failed => 5,
            Self::Delayed => 4,
            Self::Delivered | Self::Relayed | Self::Expanded => 2,
        }
    }
}

impl ReportedRecipient {
    /// What is told to programs: what we decided, else what was replied, in the class of the outcome.
    fn effective_status(&self) -> Status {
        let told = self.status.or_else(|| self.reply.as_ref()?.status);
        let Status { subject, detail, .. } = told.unwrap_or(Status { class: 0, subject: 0, detail: 0 });
        Status { class: self.action.class(), subject, detail }
    }
}

impl ReportedReply {
    /// The lines that are quoted, without code and status.
    fn quoted(&self) -> Vec<String> {
        let mut room = REPLY_BYTES_MAX;
        let mut quoted = Vec::new();
        for line in self.lines.iter().take(REPLY_LINES_MAX) {
            let mut line = clean(line);
            line.truncate(line.floor_char_boundary(room));
            room = room.saturating_sub(line.len());
            quoted.push(line);
            if room == 0 {
                break;
            }
        }
        quoted
    }

    /// `550 5.1.1`, with what separates it from the line.
    fn prefix(&self, separator: char) -> String {
        match self.status {
            Some(status) => format!("{}{separator}{} ", self.code, status.text()),
            None => format!("{}{separator}", self.code),
        }
    }
}

impl Status {
    /// `5.1.1`.
    fn text(self) -> String {
        format!("{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests;

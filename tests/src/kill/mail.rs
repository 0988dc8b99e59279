//! The messages that clients send while the server is killed, and what is known of each.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use fastrand::Rng;

use crate::client::Client;

/// The field that names a message.
pub const NAME_FIELD: &str = "X-Kill-Name";

/// Messages that one session sends at most: a session that is never cut off ends too.
const SESSION_MESSAGES_MAX: usize = 40;

/// Mailboxes that a message may go to, of two tenants.
const MAILBOXES: [&str; 6] =
    ["ann@b.example", "bea@b.example", "cleo@b.example", "dan@b.example", "eve@b.example", "dora@d.example"];

/// What the client knows of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// It was answered 250: from then on it is the server's.
    Acknowledged,
    /// No 250 came. It may arrive or not, as a whole.
    Open,
}

/// One message that was sent, or was being sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Unlike any other's of the round; stands in [`NAME_FIELD`].
    pub name: String,
    /// The mailboxes, each once.
    pub recipients: Vec<String>,
    /// The lines of its header section, without their CRLF.
    pub header: Vec<String>,
    /// What comes behind the empty line.
    pub body: String,
    /// Whether the server took it.
    pub known: Known,
}

impl Sent {
    /// A message of some size, for some recipients.
    #[must_use]
    pub fn by_chance(name: &str, rng: &mut Rng) -> Self {
        let mut recipients: Vec<String> = MAILBOXES.map(str::to_owned).to_vec();
        rng.shuffle(&mut recipients);
        recipients.truncate(if rng.bool() { 1 } else { rng.usize(2..=5) });
        let bytes = match rng.u8(0..20) {
            0..=11 => rng.usize(0..4096),
            12..=16 => rng.usize(4096..65_536),
            _ => rng.usize(65_536..700_000),
        };
        let mut body = String::with_capacity(bytes + 80);
        let word = rng.u64(..);
        // Numbered lines: a block that is missing, doubled or of another message shows.
        let mut number = 0;
        while body.len() < bytes {
            let _ = write!(body, "{name} line {number:08} {word:016x}\r\n");
            number += 1;
        }
        Self {
            name: name.to_owned(),
            recipients,
            header: vec!["From: zoe@a.example".to_owned(), format!("{NAME_FIELD}: {name}")],
            body,
            known: Known::Open,
        }
    }

    /// Its bytes on the wire; no line begins with a dot.
    #[must_use]
    pub fn content(&self) -> String {
        let mut content = String::with_capacity(self.body.len() + 128);
        for line in &self.header {
            content.push_str(line);
            content.push_str("\r\n");
        }
        content.push_str("\r\n");
        content.push_str(&self.body);
        content
    }

    fn send(&self, client: &mut Client) -> Result<()> {
        client.ask("MAIL FROM:<zoe@a.example>", 250)?;
        for recipient in &self.recipients {
            client.ask(&format!("RCPT TO:<{recipient}>"), 250)?;
        }
        client.ask("DATA", 354)?;
        client.send(self.content().as_bytes())?;
        client.ask(".", 250).map(drop)
    }
}

/// Sends messages until there are enough, or the server is gone; counts what was acknowledged as it happens.
pub fn session(address: SocketAddr, prefix: &str, mut rng: Rng, acknowledged: &AtomicUsize) -> Vec<Sent> {
    let mut all = Vec::new();
    let Ok(mut client) = Client::greeted(address) else { return all };
    if client.ask("EHLO a.example", 250).is_err() {
        return all;
    }
    for number in 0..SESSION_MESSAGES_MAX {
        let mut sent = Sent::by_chance(&format!("{prefix}-{number}"), &mut rng);
        let done = sent.send(&mut client);
        if done.is_ok() {
            sent.known = Known::Acknowledged;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        all.push(sent);
        if done.is_err() {
            break;
        }
    }
    all
}

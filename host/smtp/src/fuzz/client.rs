//! A session of ours with a peer that says anything.

use super::Chooser;
use crate::address::{Domain, Mailbox};
use crate::client::{
    Action, AfterReply, BareNewlines, Class, Client, ContentScan, Credentials, Decision, Fate, Gate,
    Interest, Judgement, Limits, Message, Nonce, Outcome, Protocol, Settings, TlsPolicy, Verdict,
};
use crate::envelope::{Envelope, Recipient, RecipientId};
use crate::facts::TlsFacts;
use crate::gate::{By, Refusal};
use crate::parameters::parse_all;
use crate::path::ReversePath;
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A peer's bytes in pieces, split at zero bytes, behind a seed that chooses what is set, sent and decided: the session ends,
/// each recipient has one fate, and what we say is whole lines in which no content and no sink ends the data.
pub fn client(bytes: &[u8]) {
    let Some((seed, input)) = bytes.split_first_chunk::<4>() else { return };
    let mut chooser = Chooser { state: u32::from_be_bytes(*seed) | 1 };
    let mut play = Play::new(&mut chooser);
    let mut pieces = input.split(|byte| *byte == 0);
    // Every step but the reads has a byte, a reply, a recipient or a limit of its own as its cause.
    for _ in 0..2_000 + 50 * input.len() {
        match play.client.step(play.now) {
            Action::Read { deadline } => {
                assert!(deadline > play.now, "a wait that is over when it begins");
                match pieces.next() {
                    Some(piece) => play.client.receive(piece),
                    None if chooser.next().is_multiple_of(2) => play.client.time_out(),
                    None => play.client.receive_end(),
                }
            }
            Action::Ask(gate) => play.decide(&gate, &mut chooser),
            Action::StartTls { .. } if chooser.next().is_multiple_of(4) => play.client.tls_failed(),
            Action::StartTls { .. } => play.client.tls_established(tls()),
            Action::Ready => play.send(&mut chooser),
            Action::DownEncode => play.encode(&mut chooser),
            Action::SendContent { range, .. } => {
                let range =
                    usize::try_from(range.start).unwrap_or(0)..usize::try_from(range.end).unwrap_or(0);
                let piece = play.content.get(range).expect("within the content");
                play.client.content(piece);
            }
            Action::Outcome(outcome) => play.check(&outcome),
            Action::Close => {
                assert!(play.awaited.is_none(), "a message without an outcome");
                assert!(play.client.ending().is_some());
                return;
            }
        }
        play.hear();
    }
    unreachable!("the session does not end");
}

struct Play {
    client: Client,
    now: Timestamp,
    content: Bytes,
    /// Recipients of the message under way.
    awaited: Option<usize>,
    sent: u32,
    output: Vec<u8>,
}

impl Play {
    fn new(chooser: &mut Chooser) -> Self {
        let mut settings = Settings::new(Domain::Name("c.example".into()));
        let choice = chooser.next();
        settings.protocol = if choice.is_multiple_of(4) { Protocol::Lmtp } else { Protocol::Smtp };
        settings.tls = match choice % 5 {
            0 => TlsPolicy::Never,
            1 => TlsPolicy::Required,
            _ => TlsPolicy::IfOffered,
        };
        if choice.is_multiple_of(7) {
            settings.bare_newlines = BareNewlines::Refuse;
        }
        settings.limits = Limits {
            reply_line_bytes_max: 100,
            reply_lines_max: 8,
            reply_bytes_max: 400,
            pipelined_commands_max: 3,
            own_commands_max: 5,
            own_payload_bytes_max: 20,
            ..Limits::default()
        };
        let mut client = Client::new(Arc::new(settings));
        if chooser.next().is_multiple_of(4)
            && let Ok(credentials) = Credentials::new("user", "pencil")
        {
            client = client.with_login(Arc::new(credentials), Nonce([7; 18]));
        }
        if chooser.next().is_multiple_of(2) {
            client.set_interest(Interest::everything());
        }
        Self { client, now: Timestamp(1), content: Bytes::new(), awaited: None, sent: 0, output: Vec::new() }
    }

    fn send(&mut self, chooser: &mut Chooser) {
        if self.sent >= 3 {
            return self.client.quit();
        }
        self.sent += 1;
        let content: &[u8] = match chooser.next() % 4 {
            0 => b"S: 1\r\n\r\n.\r\nQUIT\r\n",
            1 => b"\n.\n.\r\n\r.\r",
            2 => "S: é\r\n\r\né".as_bytes(),
            _ => b"",
        };
        self.content = Bytes::from_static(content);
        let count = chooser.next() % 5;
        let recipient = |number| {
            let local = if number == 3 { "ö".to_owned() } else { format!("r{number}") };
            let address = Mailbox::parse(&format!("{local}@b.example")).ok()?;
            Some(Recipient::new(RecipientId(number), address))
        };
        let recipients: Vec<Recipient> = (0..count).filter_map(recipient).collect();
        self.awaited = Some(recipients.len());
        let parameters = parse_all("RET=HDRS XFOO=1 SMTPUTF8").unwrap_or_default();
        let envelope =
            Envelope { reverse_path: ReversePath::Null, parameters, recipients, ..Envelope::default() };
        let message = Message { envelope: Arc::new(envelope), content: ContentScan::of(content) };
        self.client.send(message).expect("the session was ready");
    }

    fn encode(&mut self, chooser: &mut Chooser) {
        match chooser.next() % 3 {
            0 => self.client.content_not_encodable(),
            1 => self.client.content_unavailable(),
            _ => {
                self.content = Bytes::from_static(b"encoded");
                self.client.content_encoded(ContentScan::of(&self.content));
            }
        }
    }

    fn decide(&mut self, gate: &Gate, chooser: &mut Chooser) {
        if let Some(draft) = self.client.draft_mut() {
            // Not every gate has each of them.
            let _ = match chooser.next() % 6 {
                0 => draft.send_first("XOWN", "a", Some(Bytes::from_static(b"payload\r\n"))),
                1 => draft.send_first("XOWN", "", None),
                2 => draft.set_parameter("XBAR", Some("1")),
                3 => draft.remove_parameter("XFOO"),
                _ => Ok(()),
            };
        }
        let verdict = match chooser.next() % 24 {
            0 => Verdict::GreetAs("other.example".to_owned()),
            1 => Verdict::SkipHost,
            2 => Verdict::Postpone(Some(Duration::from_secs(1))),
            3 => Verdict::Fail(Refusal::default()),
            4 => Verdict::DropSession,
            5..10 if matches!(gate, Gate::ServerResponse { .. }) => judgement(chooser),
            _ => Verdict::Continue,
        };
        self.client.decide(Decision { verdict, by: By::Sink("fuzz".into()) });
    }

    fn check(&mut self, outcome: &Outcome) {
        assert_eq!(
            Some(outcome.recipients.len()),
            self.awaited.take(),
            "an outcome for each recipient, once"
        );
        let delivered = |fate: &Fate| matches!(fate, Fate::Delivered(_) | Fate::MaybeDelivered(_));
        if outcome.recipients.iter().any(|one| delivered(&one.fate)) {
            let has_ended = self.output.ends_with(b"\r\n.\r\n")
                || self.output.windows(5).any(|window| window == b"BDAT ");
            assert!(has_ended, "delivered without an end of content");
        }
    }

    /// What we say: CRLF and nothing else ends a line, whatever is in a content.
    fn hear(&mut self) {
        let output = self.client.take_output();
        self.output.extend_from_slice(&output);
        let keep = self.output.len().saturating_sub(4_096);
        self.output.drain(..keep);
        let mut before = b'\n';
        for (index, byte) in output.iter().enumerate() {
            let after = output.get(index + 1);
            assert!(*byte != b'\r' || after == Some(&b'\n'), "a CR that stands alone");
            assert!(*byte != b'\n' || before == b'\r', "an LF that stands alone");
            before = *byte;
        }
    }
}

fn judgement(chooser: &mut Chooser) -> Verdict {
    let class = match chooser.next() % 4 {
        0 => Class::AsSent,
        1 => Class::Success,
        2 => Class::Transient,
        _ => Class::Permanent,
    };
    let next = match chooser.next() % 8 {
        0 => AfterReply::NextRecipient,
        1 => AfterReply::NextMessage,
        2 => AfterReply::EndSession,
        3 => AfterReply::SkipHost,
        4 => AfterReply::SuspendQueue,
        _ => AfterReply::AsUsual,
    };
    Verdict::Judge(Judgement { class, next, tag: Some("fuzz".into()) })
}

fn tls() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        server_name: None,
        client_certificate: None,
        client_verified: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 22] = [
        "220 mx\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "250 2.1.5 ok\r\n",
        "250-mx\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-XFOO\r\n250 8BITMIME\r\n",
        "250-mx\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250 DSN\r\n",
        "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN SCRAM-SHA-256\r\n",
        "354 go\r\n",
        "354 go\r\n",
        "334 \r\n",
        "235 ok\r\n",
        "421 bye\r\n",
        "450 later\r\n",
        "550 no\r\n",
        "550 no\r\n",
        "552 5.3.4 full\r\n",
        "250-",
        "what\r\n",
        "250 a\r\n250 b\r\n250 c\r\n",
        "250 a\r\n550 b\r\n354 c\r\n",
        "25",
        "0 ok\n",
    ];

    #[test]
    fn dialogues_of_known_pieces_hold() {
        for seed in 1..4_000_u32 {
            let mut chooser = Chooser { state: seed.wrapping_mul(0x9E37_79B9) | 1 };
            let mut input = chooser.next().to_be_bytes().to_vec();
            input.rotate_left(1);
            input.extend_from_slice(b"220 mx\r\n");
            for _ in 0..chooser.next() % 30 {
                input.push(0);
                let index = usize::try_from(chooser.next()).unwrap() % PIECES.len();
                input.extend_from_slice(PIECES[index].as_bytes());
            }
            client(&input);
        }
    }
}

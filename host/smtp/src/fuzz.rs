//! Plain functions that the fuzz targets and the corpus test call. They return, or an assertion fails.
//!
//! Promises of the crate that are held here against any input: nothing panics, what parses prints to something that parses
//! to the same, cutting the input anywhere changes no reply and no content, and whatever a peer says, each recipient has one
//! outcome.

mod auth;
mod client;
mod proxy;

pub use auth::auth;
pub use client::client;
pub use proxy::proxy;

use crate::address::{Domain, Mailbox};
use crate::client::Mechanism;
use crate::command::Command;
use crate::data::{DataReader, Piece};
use crate::facts::{Facts, Identity, Protocol};
use crate::gate::{By, Decision, Dialogue, Gate, Input, Refusal, Verdict};
use crate::interest::Interest;
use crate::limits::Limits;
use crate::notice::Notice;
use crate::replies;
use crate::reply::{REPLY_LINE_BYTES_MAX, Reply};
use crate::sasl::{AuthQuestion, ScramKeys, ScramSalt, Secret};
use crate::session::{
    Action, Admission, AuthAnswer, Authentication, BareNewlines, ClearPasswords, Encryption,
    RecipientStanding, Session, Settings,
};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// One line of a client: it is refused, or prints to a line that reads the same.
pub fn command(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let command = match Command::parse(line) {
        Ok(command) => command,
        Err(error) => {
            assert!(error.reply.is_permanent(), "{line:?} is refused for a while only");
            return;
        }
    };
    assert!(!command.verb().is_empty());
    let Some(printed) = print(&command) else { return };
    let again = Command::parse(&printed).ok().and_then(|again| print(&again));
    assert_eq!(again.as_deref(), Some(&*printed), "{line:?} prints to a line that reads differently");
}

/// MAIL or RCPT as a client would write it.
fn print(command: &Command) -> Option<String> {
    let (mut line, parameters) = match command {
        Command::Mail { reverse_path, parameters, .. } => (format!("MAIL FROM:{reverse_path}"), parameters),
        Command::Rcpt { forward_path, parameters, .. } => (format!("RCPT TO:{forward_path}"), parameters),
        _ => return None,
    };
    for parameter in parameters {
        line.push(' ');
        line.push_str(parameter.keyword());
        if let Some(value) = parameter.value() {
            line.push('=');
            line.push_str(value);
        }
    }
    Some(line)
}

/// Content cut where the first byte says, and byte by byte: the same as whole, and the same as the simplest reader says.
pub fn data(bytes: &[u8]) {
    let Some((first, content)) = bytes.split_first() else { return };
    let newlines = if first & 1 == 0 { BareNewlines::Reject } else { BareNewlines::Accept };
    let reader = DataReader::new(u64::from(*first) * 8, usize::from(*first).max(16), newlines);
    let whole = unstuff(reader.clone(), [content]);
    let (head, tail) = content.split_at(usize::from(*first).min(content.len()));
    assert_eq!(unstuff(reader.clone(), [head, tail]), whole, "cut at {}", head.len());
    assert_eq!(unstuff(reader, content.chunks(1)), whole, "byte by byte");
    let open = DataReader::new(u64::MAX, usize::MAX, BareNewlines::Accept);
    if let Some(expected) = unstuff_simply(content) {
        assert_eq!(unstuff(open, [content]), expected, "not what the simplest reader says");
    }
}

/// Content, flaw, and what follows the end; content only of what has none.
type Unstuffed = (Vec<u8>, Option<String>, Option<Vec<u8>>);

fn unstuff<'a>(mut reader: DataReader, chunks: impl IntoIterator<Item = &'a [u8]>) -> Unstuffed {
    let (mut input, mut content, mut flaw, mut has_ended) = (BytesMut::new(), Vec::new(), None, false);
    for chunk in chunks {
        input.extend_from_slice(chunk);
        while !has_ended {
            match reader.read(&mut input) {
                Piece::Content(piece) => {
                    assert!(!piece.is_empty() && flaw.is_none());
                    content.extend_from_slice(&piece);
                }
                Piece::Flaw(found) => {
                    assert!(flaw.is_none(), "a second flaw");
                    flaw = Some(format!("{found:?}"));
                    content.clear();
                }
                Piece::End => has_ended = true,
                Piece::Hungry => break,
            }
        }
    }
    if flaw.is_some() {
        content.clear();
    }
    let rest = has_ended.then(|| input.to_vec());
    (content, flaw, rest)
}

/// By searching, without states; none when the data has no end.
fn unstuff_simply(content: &[u8]) -> Option<Unstuffed> {
    let text = [b"\r\n", content].concat();
    let end = text.windows(5).position(|window| window == b"\r\n.\r\n")?;
    let (kept, rest) = text.split_at(end + 2);
    let mut unstuffed: Vec<u8> = Vec::new();
    for (index, byte) in kept.iter().enumerate() {
        let is_stuffed = *byte == b'.' && index >= 2 && kept.get(index - 2..index) == Some(b"\r\n");
        if !is_stuffed {
            unstuffed.push(*byte);
        }
    }
    Some((unstuffed.split_off(2), None, Some(rest.get(3..)?.to_vec())))
}

/// A whole session. The first bytes choose what the loop answers, and where the input is cut.
pub fn session(bytes: &[u8]) {
    let Some((seed, input)) = bytes.split_first_chunk::<4>() else { return };
    let whole = Transcript::of(*seed, &[input]);
    let cut = usize::from(u16::from_be_bytes([seed[2], seed[3]])) % (input.len() + 1);
    let (head, tail) = input.split_at(cut);
    assert_eq!(Transcript::of(*seed, &[head, tail]), whole, "cut at {cut}");
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(Transcript::of(*seed, &single), whole, "byte by byte");
}

/// All that a client and the storage see of a session.
#[derive(Debug, PartialEq, Eq, Default)]
struct Transcript {
    output: String,
    /// Contents that were completed.
    stored: Vec<Vec<u8>>,
}

impl Transcript {
    fn of(seed: [u8; 4], chunks: &[&[u8]]) -> Self {
        let mut chooser = Chooser { state: u32::from_be_bytes(seed) | 1 };
        let mut session = Session::new(Arc::new(settings(chooser.next())), facts());
        session.set_interest(match chooser.next() % 3 {
            0 => Interest::nothing(),
            1 => Interest::default(),
            _ => Interest::everything(),
        });
        let mut seen = Self::default();
        let mut content: Option<Vec<u8>> = None;
        let mut chunks = chunks.iter();
        let total: usize = chunks.clone().map(|chunk| chunk.len()).sum();
        let mut steps = 0;
        loop {
            // Every step but the reads has a byte, a reply or a limit of its own as its cause.
            steps += 1;
            assert!(steps < 1_000 + 200 * total, "the session does not end");
            match session.step() {
                Action::Read { wait_max, .. } => {
                    assert!(!wait_max.is_zero());
                    match chunks.next() {
                        Some(chunk) => session.receive(chunk),
                        None => session.receive_end(),
                    }
                }
                Action::Ask(gate) => {
                    session.decide(chooser.decision(&gate));
                }
                // When the client is seen to talk early or ahead depends on the cut, so these take no choice.
                Action::Tell(Notice::Violation { .. }) => {
                    session.decide(Decision::proceed());
                }
                Action::Tell(_) => {
                    session.decide(chooser.answer_to_notice());
                }
                Action::Resolve(_) => session.judge_recipient(chooser.standing()),
                Action::Admit { .. } => session.admit(chooser.admission()),
                // What stands behind STARTTLS is dropped, so only an end reads the same wherever the input is cut.
                Action::Encrypt { wait_max } => {
                    assert!(!wait_max.is_zero());
                    session.encryption_failed("fuzz");
                }
                Action::Authenticate(question) => session.answer_authentication(chooser.identity(&question)),
                Action::BeginContent => {
                    assert!(content.replace(Vec::new()).is_none(), "two contents at once");
                }
                Action::Content(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= crate::data::PIECE_BYTES_MAX);
                    content.as_mut().expect("content behind its beginning").extend_from_slice(&piece);
                }
                Action::Complete => {
                    seen.stored.push(content.take().expect("completed behind its beginning"));
                    session.content_stored(chooser.stored());
                }
                Action::AbortContent => assert!(content.take().is_some(), "nothing to drop"),
                Action::Close => {
                    assert!(content.is_none(), "a content is left open");
                    assert_eq!(session.step(), Action::Close);
                    seen.keep(&session.take_output());
                    return seen;
                }
            }
            seen.keep(&session.take_output());
        }
    }

    fn keep(&mut self, output: &[u8]) {
        assert!(output.is_ascii(), "replies are ASCII");
        for line in output.split_inclusive(|byte| *byte == b'\n') {
            assert!(
                line.ends_with(b"\r\n") && line.len() <= REPLY_LINE_BYTES_MAX,
                "RFC 5321 §4.5.3.1.5: {line:?}"
            );
            let code = line.get(..3).unwrap_or_default();
            assert!(code.iter().all(u8::is_ascii_digit) && matches!(line.get(3), Some(b' ' | b'-')));
        }
        self.output.push_str(&String::from_utf8_lossy(output));
    }
}

fn settings(choice: u32) -> Settings {
    let mut settings = Settings::new(Domain::Name("mx.example".into()));
    if choice & 1 == 1 {
        settings.bare_newlines = BareNewlines::Accept;
    }
    if choice & 224 == 224 {
        settings.protocol = Protocol::Lmtp;
    }
    if choice & 16 == 16 {
        settings.authentication = Authentication::new(Mechanism::ALL.to_vec(), ClearPasswords::Allowed);
    }
    settings.encryption = match choice >> 1 & 7 {
        0 => Encryption::Required,
        1 | 2 => Encryption::Offered,
        _ => Encryption::Never,
    };
    settings.limits = Limits {
        command_line_bytes_max: 100,
        command_drain_bytes_max: 50,
        message_bytes_max: 200,
        content_drain_bytes_max: 100,
        text_line_bytes_max: 80,
        recipients_max: 3,
        rewrites_max: 3,
        messages_max: 3,
        errors_max: 10,
        refusals_max: 20,
        unknown_commands_max: 5,
        idle_commands_max: 10,
        dialogue_rounds_max: 3,
        dialogue_input_bytes_max: 40,
        dialogue_total_bytes_max: 60,
        dialogue_state_bytes_max: 8,
        ..Limits::default()
    };
    settings
}

fn facts() -> Facts {
    Facts::new("01J00000000000000000000000".to_owned(), "fuzz".into(), "mx.example".into())
}

/// The same choices for the same seed.
struct Chooser {
    state: u32,
}

impl Chooser {
    /// xorshift32: small, and never zero.
    fn next(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state >> 8
    }

    /// Mostly no opinion, so that dialogues get somewhere; otherwise anything, legal for the gate or not.
    fn decision(&mut self, gate: &Gate) -> Decision {
        if !self.next().is_multiple_of(4) {
            return Decision::proceed();
        }
        let reply = |code| Reply::from_sink(code, None, &["of a sink"]).ok();
        let refusal = |reply| Refusal { reply, reason: "fuzz".to_owned() };
        let verdict = match self.next() % 14 {
            0 => Verdict::Greet("hello".to_owned()),
            1 => Verdict::Claim,
            2 => Verdict::Rewrite(self.addresses()),
            3 => Verdict::Discard(String::new()),
            4 => Verdict::Quarantine(String::new()),
            5 => Verdict::Defer(refusal(None)),
            6 => Verdict::Defer(refusal(reply(450))),
            7 => Verdict::Reject(refusal(reply(450))),
            8 => Verdict::Reject(refusal(reply(521))),
            9 if matches!(gate, Gate::EndOfData) => Verdict::Disconnect(reply(554)),
            9 | 10 => reply(250).map_or(Verdict::Continue, Verdict::Answer),
            11 => reply(299).map_or(Verdict::Continue, Verdict::Replace),
            12 => self.dialogue(Input::Line),
            _ => {
                let count = self.next() % 45;
                self.dialogue(Input::Octets(count))
            }
        };
        Decision { verdict, by: By::Sink("fuzz".into()) }
    }

    fn dialogue(&mut self, input: Input) -> Verdict {
        let state = vec![b's'; usize::try_from(self.next() % 10).unwrap_or_default()];
        let reply = Reply::bare(334, "more");
        Verdict::More(Dialogue { reply, input, state: Bytes::from(state) })
    }

    fn addresses(&mut self) -> Vec<Mailbox> {
        let count = self.next() % 3;
        (0..count).filter_map(|_| Mailbox::parse(&format!("r{}@b.example", self.next() % 6)).ok()).collect()
    }

    fn answer_to_notice(&mut self) -> Decision {
        match self.next() % 30 {
            0 => Decision { verdict: Verdict::Disconnect(None), by: By::Host },
            _ => Decision::proceed(),
        }
    }

    fn standing(&mut self) -> RecipientStanding {
        match self.next() % 16 {
            0 | 8 => RecipientStanding::Foreign,
            1 | 9 => RecipientStanding::UnknownMailbox,
            2 => RecipientStanding::TransactionFull(replies::RECIPIENTS_TOO_MANY),
            4 => RecipientStanding::Apart,
            10 => RecipientStanding::QueueFull,
            3 | 11 => RecipientStanding::Undecided,
            _ => RecipientStanding::Accepted,
        }
    }

    fn admission(&mut self) -> Admission {
        match self.next() % 20 {
            0 => Admission::Full,
            5 => Admission::NotYours,
            10 => Admission::Unavailable,
            _ => Admission::Room,
        }
    }

    /// What answers the question, or not.
    fn identity(&mut self, question: &AuthQuestion) -> AuthAnswer {
        let keys = || AuthAnswer::Keys {
            keys: ScramKeys { stored: [0; 32], server: [0; 32] },
            salt: ScramSalt { salt: vec![0], iterations: 4_096 },
            nonce: [0; 18],
        };
        let by = By::Host;
        match (self.next() % 6, question) {
            (0, _) => AuthAnswer::Refuse { reply: None, by },
            (1, _) => AuthAnswer::Defer { reply: Some(replies::OK), by },
            (2, _) | (_, AuthQuestion::Keys { .. }) => keys(),
            (3, _) => AuthAnswer::Challenge { data: Bytes::from_static(b"more"), state: Secret::default() },
            (_, question) => {
                let mechanism = question.mechanism().to_owned();
                AuthAnswer::Identity(Identity { name: "jo".to_owned(), mechanism })
            }
        }
    }

    fn stored(&mut self) -> Reply {
        match self.next() % 6 {
            0 => replies::STORAGE_UNAVAILABLE,
            1 => replies::MESSAGE_REJECTED,
            2 => replies::START_CONTENT,
            _ => replies::CONTENT_ACCEPTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 45] = [
        "EHLO c.example\r\n",
        "HELO c.example\r\n",
        "LHLO c.example\r\n",
        "MAIL FROM:<a@b.example>\r\n",
        "MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
        "MAIL FROM:<a@b.example> SIZE=9999\r\n",
        "MAIL FROM:<ö@b.example> SMTPUTF8\r\n",
        "RCPT TO:<r0@b.example>\r\n",
        "RCPT TO:<r1@b.example>\r\n",
        "RCPT TO:<postmaster>\r\n",
        "RCPT TO:<@x.example:\"q q\"@[192.0.2.1]>\r\n",
        "DATA\r\n",
        "DATA\r\n",
        "DATA\r\nhi\r\n.\r\n",
        "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<r@b.example>\r\nDATA\r\n",
        "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<r@b.example>\r\nDATA\r\nx\r\n.\r\n",
        ".\r\n",
        "\r\n.\r\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r\n",
        "..\r\n",
        ".",
        "\r",
        "\n",
        "\r\n",
        "\0",
        "text\r\n",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
        "RSET\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "EXPN x\r\n",
        "HELP\r\n",
        "XFOO bar\r\n",
        "AUTH PLAIN x\r\n",
        "AUTH PLAIN AGpvAHg=\r\n",
        "AUTH LOGIN\r\nam8=\r\neA==\r\n",
        "AUTH SCRAM-SHA-256 biwsbj1qbyxyPXg=\r\n",
        "*\r\n",
        "QUIT\r\n",
        "QUIT",
        "RCPT TO:<r2@b.example> NOTIFY=NEVER\r\n",
        "MAIL FROM:<a@b.example>\r\n",
        "\u{fc}",
    ];

    /// Inputs of pieces that a session knows: what random bytes would take a fuzzer hours to find.
    fn inputs(count: u32) -> impl Iterator<Item = Vec<u8>> {
        (1..=count).map(|seed| {
            let mut chooser = Chooser { state: seed.wrapping_mul(0x9E37_79B9) | 1 };
            let mut input = chooser.next().to_be_bytes().to_vec();
            input.rotate_left(1);
            for _ in 0..chooser.next() % 24 {
                let index = usize::try_from(chooser.next()).unwrap() % PIECES.len();
                input.extend_from_slice(PIECES[index].as_bytes());
            }
            input
        })
    }

    #[test]
    fn sessions_hold_their_promises() {
        inputs(4_000).for_each(|input| session(&input));
    }

    #[test]
    fn contents_hold_their_promises() {
        inputs(4_000).for_each(|input| data(&input));
    }

    #[test]
    fn commands_hold_their_promises() {
        for piece in PIECES {
            command(piece.trim_end().as_bytes());
        }
        inputs(1_000).for_each(|input| input.split(|byte| *byte == b'\n').for_each(command));
    }

    #[test]
    fn the_inputs_reach_the_end_of_data() {
        let stored: usize =
            inputs(500).map(|input| Transcript::of([input[0], 2, 3, 4], &[&input[4..]]).stored.len()).sum();
        assert!(stored > 20, "{stored}");
    }
}
